//! What is not kept: erasing calls and deals, consent, legal hold, and how long things stay.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::calls::{Call, shown};
use super::error::ProblemDocument;
use super::extract::{Json, Path, Query};
use super::{App, Error};
use crate::service::tidy;
use crate::store::{CallId, Consent, ConsentMethod, ConsentSaid, DealId, PersonRole, Retention};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(change, erase))
        .routes(routes!(erase_deal))
        .routes(routes!(retention, set_retention))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Erasure {
    /// Also what is on legal hold. Takes an admin.
    despite_hold: bool,
}

impl Erasure {
    fn check(&self, user: &User) -> Result<(), Error> {
        if self.despite_hold && user.0.role != PersonRole::Admin {
            return Err(Error::forbidden("what is on legal hold is erased by an admin"));
        }
        Ok(())
    }
}

/// Erases everything about a call, for good.
///
/// Gone are its recording, transcript, analysis, follow-up, corrections, events, and what its deal knew by it; work on it
/// stops. Later calls with the deal, which may quote it, are analysed again; letters of theirs that people edited since the
/// call was known go back to what the program writes.
#[utoipa::path(delete, path = "/v1/calls/{id}", tag = "calls", params(("id" = String, Path), Erasure),
    responses((status = 204, description = "It is gone"),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It is on legal hold")))]
async fn erase(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    Query(how): Query<Erasure>,
) -> Result<StatusCode, Error> {
    user.may_write(Resource::Calls)?;
    how.check(&user)?;
    app.shop
        .store
        .erase_call(&user.scope(), &id, how.despite_hold, &user.actor(), Utc::now())
        .await?;
    tidy(&app.shop).await;
    app.shop.bell.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Erases a deal with all its calls, for good. Takes a manager: they may be several people's.
#[utoipa::path(delete, path = "/v1/deals/{id}", tag = "deals", params(("id" = String, Path), Erasure),
    responses((status = 204, description = "It is gone"),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "A call of it is on legal hold")))]
async fn erase_deal(
    State(app): State<App>,
    user: User,
    Path(id): Path<DealId>,
    Query(how): Query<Erasure>,
) -> Result<StatusCode, Error> {
    user.may_write(Resource::Deals)?;
    user.may_write(Resource::Calls)?;
    how.check(&user)?;
    if user.0.role == PersonRole::Rep {
        return Err(Error::forbidden("a rep may not erase a deal; it takes a manager"));
    }
    app.shop
        .store
        .erase_deal(&user.scope(), &id, how.despite_hold, &user.actor(), Utc::now())
        .await?;
    tidy(&app.shop).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CallChange)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `denied` stops the work at once and takes recording, transcript and results away.
    consent: Option<Consent>,
    consent_method: Option<ConsentMethod>,
    /// When it was given or denied.
    consent_at: Option<DateTime<Utc>>,
    /// Legal hold: age takes nothing of the call away. Takes an admin.
    hold: Option<bool>,
}

/// Says what the people on the call agreed to, or puts the call on legal hold.
#[utoipa::path(patch, path = "/v1/calls/{id}", tag = "calls", params(("id" = String, Path)), request_body = Change,
    responses((status = 200, body = Call), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument)))]
async fn change(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    Json(change): Json<Change>,
) -> Result<Json<Call>, Error> {
    user.may_write(Resource::Calls)?;
    if change.hold.is_some() && user.0.role != PersonRole::Admin {
        return Err(Error::forbidden("legal hold takes an admin"));
    }
    let (scope, actor, store) = (user.scope(), user.actor(), &app.shop.store);
    match (change.consent, change.hold) {
        (None, _) if change.consent_method.is_some() || change.consent_at.is_some() => {
            return Err(Error::unusable(
                "consent: is missing; say what it is that was given or denied so",
            ));
        }
        (None, None) => return Err(Error::unusable("nothing to change: give `consent` or `hold`")),
        _ => (),
    }
    // First the hold: what is denied with it in one request is kept.
    if let Some(hold) = change.hold {
        store.set_hold(&scope, &id, hold, &actor, Utc::now()).await?;
    }
    if let Some(consent) = change.consent {
        let said = ConsentSaid {
            consent,
            method: change.consent_method,
            at: change.consent_at,
        };
        store.set_consent(&scope, &id, &said, &actor, Utc::now()).await?;
    }
    tidy(&app.shop).await;
    app.shop.bell.notify_one();
    shown(&app, &user, &id).await
}

/// How long things stay. What the workspace has not set is as the server has it.
#[utoipa::path(get, path = "/v1/settings/retention", tag = "settings", responses((status = 200, body = Retention)))]
async fn retention(State(app): State<App>, user: User) -> Result<Json<Retention>, Error> {
    user.may_read(Resource::Settings)?;
    let workspace = app.shop.store.workspace(&user.0.workspace).await?;
    let own = workspace.and_then(|workspace| workspace.retention);
    Ok(Json(own.unwrap_or_default()))
}

/// The audit log is kept a year at least: it shows who shortened it.
const SHORTEST_AUDIT: u32 = 365;
const LONGEST: u32 = 36_500;

/// Sets how long things stay. What is older goes within ten minutes.
#[utoipa::path(put, path = "/v1/settings/retention", tag = "settings", request_body = Retention,
    responses((status = 200, body = Retention), (status = 422, body = ProblemDocument)))]
async fn set_retention(
    State(app): State<App>,
    user: User,
    Json(wanted): Json<Retention>,
) -> Result<Json<Retention>, Error> {
    user.may_write(Resource::Settings)?;
    for (name, days, least) in [
        ("recording_days", wanted.recording_days, 0),
        ("transcript_days", wanted.transcript_days, 0),
        ("analysis_days", wanted.analysis_days, 0),
        ("event_days", wanted.event_days, 1),
        ("audit_days", wanted.audit_days, SHORTEST_AUDIT),
    ] {
        if days.is_some_and(|days| !(least..=LONGEST).contains(&days)) {
            return Err(Error::unusable(format!(
                "{name}: a number from {least} to {LONGEST}, or null for ever"
            )));
        }
    }
    let store = &app.shop.store;
    store
        .set_retention(&user.0.workspace, Some(&wanted), &user.actor(), Utc::now())
        .await?;
    Ok(Json(wanted))
}
