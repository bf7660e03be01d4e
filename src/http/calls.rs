//! Calls: what came in, how far it is, what it came to.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Path, Query};
use super::{App, Error, range, upload};
use crate::domain::{FieldName, Role, Signal, Stage};
use crate::store::{
    CallFilter, CallId, CallPage, CallRecord, CallStatus, Consent, ConsentMethod, Correction, CorrectionId, DealId,
    Origin, Problem, Step, WhatIsGone,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        // The size of an upload is limited as it arrives.
        .merge(
            OpenApiRouter::new()
                .routes(routes!(list, upload::upload))
                .layer(axum::extract::DefaultBodyLimit::disable()),
        )
        .routes(routes!(show))
        .routes(routes!(analysis))
        .routes(routes!(audio))
        .routes(routes!(cancel))
        .routes(routes!(rerun))
        .routes(routes!(move_to_deal))
        .routes(routes!(corrections, correct))
}

/// A call.
#[derive(Debug, Serialize, ToSchema)]
pub struct Call {
    id: String,
    status: CallStatus,
    /// While it runs: `transcribe`, `understand` or `decide`.
    step: Option<String>,
    /// 0–1
    progress: f64,
    /// Why it failed.
    error: Option<Problem>,
    /// null: it waits in the inbox for a deal.
    deal_id: Option<String>,
    /// The user whose call it is.
    owner: Option<String>,
    origin: Origin,
    /// `recording` or `transcript`; null until the file was read.
    media: Option<String>,
    /// File name, as given.
    source: String,
    /// Bytes; null where there are none.
    size: Option<u64>,
    call_date: Option<NaiveDate>,
    started_at: Option<DateTime<Utc>>,
    consent: Consent,
    consent_method: Option<ConsentMethod>,
    /// When it was given or denied.
    consent_at: Option<DateTime<Utc>>,
    /// On legal hold: age takes nothing away.
    hold: bool,
    /// What is not kept any more, and why.
    gone: WhatIsGone,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    done_at: Option<DateTime<Utc>>,
}

impl From<CallRecord> for Call {
    fn from(call: CallRecord) -> Self {
        Self {
            id: call.id.to_string(),
            status: call.status,
            step: call.step,
            progress: call.progress,
            error: call.error,
            deal_id: call.deal.map(|deal| deal.to_string()),
            owner: call.owner.map(|owner| owner.to_string()),
            origin: call.origin,
            media: call.media,
            source: call.source,
            size: call.size,
            call_date: call.call_date,
            started_at: call.started_at,
            consent: call.consent,
            consent_method: call.consent_method,
            consent_at: call.consent_at,
            hold: call.hold,
            gone: call.gone,
            created_at: call.created_at,
            updated_at: call.updated_at,
            done_at: call.done_at,
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct CallQuery {
    status: Option<CallStatus>,
    /// Calls with this deal.
    deal: Option<String>,
    /// Only calls that wait for a deal.
    inbox: bool,
}

/// Calls, the newest first.
#[utoipa::path(get, path = "/v1/calls", tag = "calls", params(CallQuery, PageQuery),
    responses((status = 200, body = Page<Call>), (status = 400, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: User,
    Query(query): Query<CallQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Call>>, Error> {
    user.may_read(Resource::Calls)?;
    let limit = page.limit()?;
    let asked = CallPage {
        filter: CallFilter {
            status: query.status,
            deal: query.deal.map(DealId::from),
            inbox: query.inbox,
        },
        after: page.cursor.map(CallId::from),
        limit: limit + 1,
    };
    let calls = app.shop.store.calls(&user.scope(), &asked).await?;
    Ok(Json(Page::new(calls, limit, |call| call.id.to_string(), Call::from)))
}

/// The row of a call that the caller may see.
pub async fn seen(app: &App, user: &User, id: &CallId) -> Result<CallRecord, Error> {
    let call = app.shop.store.call(&user.scope(), id).await?;
    call.ok_or_else(|| Error::not_found("call"))
}

/// A call: how far it is.
#[utoipa::path(get, path = "/v1/calls/{id}", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Call), (status = 404, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Call>, Error> {
    user.may_read(Resource::Calls)?;
    Ok(Json(seen(&app, &user, &id).await?.into()))
}

/// The analysis, as `dealstage schema` describes it.
#[utoipa::path(get, path = "/v1/calls/{id}/analysis", tag = "calls", params(("id" = String, Path)),
    responses(
        (status = 200, body = serde_json::Value),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It is not done, or it failed"),
        (status = 410, body = ProblemDocument, description = "It is not kept any more"),
    ))]
async fn analysis(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Response, Error> {
    user.may_read(Resource::Calls)?;
    let body = analysis_of(&app, &user, &id).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The analysis document of a call, as it is stored.
pub async fn analysis_of(app: &App, user: &User, id: &CallId) -> Result<String, Error> {
    let body = app.shop.store.result(&user.scope(), id, Step::Analysis).await?;
    if let Some(body) = body {
        return Ok(body);
    }
    let call = seen(app, user, id).await?;
    if let Some(why) = call.gone.analysis {
        return Err(Error::gone("analysis", why));
    }
    Err(match (call.status, call.error) {
        (CallStatus::Failed, Some(problem)) => Error::conflict(format!("the call failed: {}", problem.message)),
        (CallStatus::Done, _) => Error::not_found("analysis"),
        (status, _) => Error::conflict(format!("the call is {}; ask again when it is done", status.as_str())),
    })
}

/// The recording, whole or a range of it.
#[utoipa::path(get, path = "/v1/calls/{id}/audio", tag = "calls",
    params(("id" = String, Path), ("Range" = Option<String>, Header, example = "bytes=0-1023")),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = ProblemDocument),
        (status = 410, body = ProblemDocument, description = "It is not kept any more"),
        (status = 416, body = ProblemDocument),
    ))]
async fn audio(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    user.may_read(Resource::Calls)?;
    let call = seen(&app, &user, &id).await?;
    if let Some(why) = call.gone.recording {
        return Err(Error::gone("recording", why));
    }
    let (Some(blob), Some(size)) = (&call.blob, call.size) else {
        return Err(Error::not_found("recording"));
    };
    if call.media.as_deref() == Some("transcript") {
        return Err(Error::not_found("recording: the call came as a transcript"));
    }
    // Before the first byte: nobody listens unnoted.
    let workspace = &user.0.workspace;
    app.shop
        .store
        .note(workspace, &user.actor(), "recording.read", id.as_str(), Utc::now())
        .await?;
    range::answer(&app, workspace, blob, size, &call.source, &headers).await
}

/// Stops the work on a call; its bytes are kept.
#[utoipa::path(post, path = "/v1/calls/{id}/cancel", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Call), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn cancel(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Call>, Error> {
    user.may_write(Resource::Calls)?;
    app.shop
        .store
        .cancel_call(&user.scope(), &id, &user.actor(), Utc::now())
        .await?;
    Ok(Json(seen(&app, &user, &id).await?.into()))
}

/// Runs a call again that has ended: after a failure, or by a new process file.
#[utoipa::path(post, path = "/v1/calls/{id}/rerun", tag = "calls", params(("id" = String, Path)),
    responses((status = 202, body = Call), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn rerun(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<(StatusCode, Json<Call>), Error> {
    user.may_write(Resource::Calls)?;
    app.shop
        .store
        .rerun_call(&user.scope(), &id, &user.actor(), Utc::now())
        .await?;
    app.shop.bell.notify_one();
    Ok((StatusCode::ACCEPTED, Json(seen(&app, &user, &id).await?.into())))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Move {
    /// null: back into the inbox.
    deal_id: Option<String>,
}

/// Puts a call to a deal, or back into the inbox. What depends on it is analysed again.
#[utoipa::path(put, path = "/v1/calls/{id}/deal", tag = "calls", params(("id" = String, Path)), request_body = Move,
    responses((status = 200, body = Call), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
async fn move_to_deal(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    Json(to): Json<Move>,
) -> Result<Json<Call>, Error> {
    user.may_write(Resource::Calls)?;
    let deal = to.deal_id.map(DealId::from);
    app.shop
        .store
        .move_call(&user.scope(), &id, deal.as_ref(), &user.actor(), Utc::now())
        .await?;
    app.shop.bell.notify_one();
    Ok(Json(seen(&app, &user, &id).await?.into()))
}

/// What a person knows better. Kept as training data.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "about", rename_all = "snake_case", deny_unknown_fields)]
enum Corrected {
    /// What a turn is about.
    Stage {
        turn: u32,
        #[schema(value_type = String)]
        stage: Stage,
    },
    /// A signal is there, or it is not.
    Signal {
        turn: u32,
        #[schema(value_type = String)]
        signal: Signal,
        present: bool,
    },
    /// Who speaks.
    Speaker {
        turn: u32,
        #[schema(value_type = String)]
        role: Role,
    },
    /// A field has another value; null: it was not stated.
    Field {
        #[schema(value_type = String)]
        field: FieldName,
        value: Option<serde_json::Value>,
        turn: Option<u32>,
    },
    /// Where the deal stands.
    DealStage { stage: Option<String> },
}

#[derive(Debug, Serialize, ToSchema)]
struct Kept {
    id: String,
    /// Who said so.
    by: String,
    at: DateTime<Utc>,
    #[serde(flatten)]
    correction: Corrected,
}

/// Keeps a person's correction of a stage, signal, speaker or field.
#[utoipa::path(post, path = "/v1/calls/{id}/corrections", tag = "calls", params(("id" = String, Path)),
    request_body = Corrected,
    responses((status = 201, body = Kept), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
async fn correct(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    Json(correction): Json<Corrected>,
) -> Result<(StatusCode, Json<Kept>), Error> {
    user.may_write(Resource::Calls)?;
    let turn = match &correction {
        Corrected::Stage { turn, .. } | Corrected::Signal { turn, .. } | Corrected::Speaker { turn, .. } => Some(*turn),
        Corrected::Field { turn, .. } => *turn,
        Corrected::DealStage { .. } => None,
    };
    if let Some(turn) = turn {
        let document: Turns = serde_json::from_str(&analysis_of(&app, &user, &id).await?)
            .map_err(|_| Error::conflict("the analysis cannot be read"))?;
        if document.turns.iter().all(|known| known.i != turn) {
            return Err(Error::unusable(format!("turn: the call has no turn {turn}")));
        }
    }
    let kept = Correction {
        id: CorrectionId::fresh(),
        call: id,
        by_user: user.actor(),
        body: serde_json::to_string(&correction).map_err(|error| Error::unusable(error.to_string()))?,
        at: Utc::now(),
    };
    app.shop
        .store
        .add_correction(&user.scope(), kept.clone(), Utc::now())
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(Kept {
            id: kept.id.to_string(),
            by: kept.by_user,
            at: kept.at,
            correction,
        }),
    ))
}

#[derive(Deserialize)]
struct Turns {
    turns: Vec<TurnNumber>,
}

#[derive(Deserialize)]
struct TurnNumber {
    i: u32,
}

/// Corrections of a call, the oldest first.
#[utoipa::path(get, path = "/v1/calls/{id}/corrections", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Kept>), (status = 404, body = ProblemDocument)))]
async fn corrections(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Vec<Kept>>, Error> {
    user.may_read(Resource::Calls)?;
    seen(&app, &user, &id).await?;
    let kept = app.shop.store.corrections(&user.scope(), &id).await?;
    let shown = kept.into_iter().filter_map(|kept| {
        Some(Kept {
            id: kept.id.to_string(),
            by: kept.by_user,
            at: kept.at,
            correction: serde_json::from_str(&kept.body).ok()?,
        })
    });
    Ok(Json(shown.collect()))
}
