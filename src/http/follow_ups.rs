//! The follow-up letter of a call: draft, edit, approve.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::calls::analysis_of;
use super::error::ProblemDocument;
use super::extract::{Json, Path, or_default};
use super::{App, Error};
use crate::store::{CallId, Draft, DraftChange, DraftState};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show, edit))
        .routes(routes!(approve))
}

/// A letter and how far it is.
#[derive(Debug, Serialize, ToSchema)]
struct FollowUp {
    call_id: String,
    /// `draft` or `approved`
    state: DraftState,
    /// Grows with every change; 0: as the program wrote it.
    revision: i64,
    /// Who changed it last.
    changed_by: Option<String>,
    changed_at: Option<DateTime<Utc>>,
    /// As in the analysis, with the edits: `type`, `language`, `send_by`, `subject`, `body`, `facts`, `to_fill`,
    /// `written_by`.
    #[serde(flatten)]
    letter: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Edit {
    subject: String,
    body: String,
    /// The one that was edited; another change since then is a conflict. Without it: whatever is there is replaced.
    revision: Option<i64>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Approval {
    /// The one that was read; another change since then is a conflict.
    revision: Option<i64>,
}

#[derive(Deserialize)]
struct Analysis {
    follow_up: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What a person wrote instead.
#[derive(Serialize, Deserialize)]
struct Edited {
    subject: String,
    body: String,
}

fn show_letter(
    id: &CallId,
    draft: Option<Draft>,
    mut letter: serde_json::Map<String, serde_json::Value>,
) -> Result<FollowUp, Error> {
    let edited = draft.as_ref().and_then(|draft| draft.draft.as_deref());
    if let Some(text) = edited {
        let edited: Edited = serde_json::from_str(text).map_err(|_| Error::conflict("the draft cannot be read"))?;
        // Blanks that the person filled are none any more.
        if let Some(serde_json::Value::Array(blanks)) = letter.get_mut("to_fill") {
            blanks.retain(|blank| blank.as_str().is_some_and(|blank| edited.body.contains(blank)));
        }
        letter.insert("subject".to_owned(), edited.subject.into());
        letter.insert("body".to_owned(), edited.body.into());
    }
    Ok(FollowUp {
        call_id: id.to_string(),
        state: draft.as_ref().map_or(DraftState::Draft, |draft| draft.state),
        revision: draft.as_ref().map_or(0, |draft| draft.revision),
        changed_by: draft.as_ref().and_then(|draft| draft.by_user.clone()),
        changed_at: draft.as_ref().map(|draft| draft.at),
        letter,
    })
}

async fn letter(app: &App, user: &User, id: &CallId) -> Result<serde_json::Map<String, serde_json::Value>, Error> {
    let analysis: Analysis = serde_json::from_str(&analysis_of(app, user, id).await?)
        .map_err(|_| Error::conflict("the analysis cannot be read"))?;
    analysis
        .follow_up
        .ok_or_else(|| Error::not_found("follow-up: there is nothing to write about"))
}

/// The letter.
#[utoipa::path(get, path = "/v1/calls/{id}/follow-up", tag = "follow-up", params(("id" = String, Path)),
    responses((status = 200, body = FollowUp), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<FollowUp>, Error> {
    user.may_read(Resource::Calls)?;
    let letter = letter(&app, &user, &id).await?;
    let draft = app.shop.store.draft(&user.scope(), &id).await?;
    Ok(Json(show_letter(&id, draft, letter)?))
}

async fn change(
    app: &App,
    user: &User,
    id: &CallId,
    revision: Option<i64>,
    draft: Option<String>,
    state: DraftState,
) -> Result<Json<FollowUp>, Error> {
    user.may_write(Resource::Calls)?;
    let letter = letter(app, user, id).await?;
    let store = &app.shop.store;
    let seen_revision = match revision {
        Some(revision) => revision,
        None => store.draft(&user.scope(), id).await?.map_or(0, |draft| draft.revision),
    };
    let change = DraftChange {
        seen_revision,
        draft,
        state,
    };
    let kept = store
        .change_draft(&user.scope(), id, change, &user.actor(), Utc::now())
        .await?;
    app.shop.courier.notify_waiters();
    Ok(Json(show_letter(id, Some(kept), letter)?))
}

/// Replaces subject and body. An approved letter is a draft again.
#[utoipa::path(put, path = "/v1/calls/{id}/follow-up", tag = "follow-up", params(("id" = String, Path)), request_body = Edit,
    responses((status = 200, body = FollowUp), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn edit(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    Json(edit): Json<Edit>,
) -> Result<Json<FollowUp>, Error> {
    let edited = Edited {
        subject: edit.subject,
        body: edit.body,
    };
    let text = serde_json::to_string(&edited).map_err(|error| Error::unusable(error.to_string()))?;
    change(&app, &user, &id, edit.revision, Some(text), DraftState::Draft).await
}

/// Approves the letter as it is.
#[utoipa::path(post, path = "/v1/calls/{id}/follow-up/approve", tag = "follow-up", params(("id" = String, Path)),
    request_body(content = Approval, description = "May be left out"),
    responses((status = 200, body = FollowUp), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
async fn approve(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    body: axum::body::Bytes,
) -> Result<Json<FollowUp>, Error> {
    let approval: Approval = or_default(&body)?;
    change(&app, &user, &id, approval.revision, None, DraftState::Approved).await
}
