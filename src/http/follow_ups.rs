//! The follow-up letter of a call: draft, edit, approve, and whom it is sent to.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::calls::analysis_of;
use super::documents::FollowUpInfo;
use super::error::ProblemDocument;
use super::extract::{Json, Path, or_default};
use super::{App, Error};
use crate::deliver::mail::{self, MOST_RECIPIENTS};
use crate::store::{self, CallId, Draft, DraftChange, DraftState};

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
    /// Addresses that it goes to as mail: named with the approval.
    send_to: Vec<String>,
    /// As in the analysis, with the edits.
    #[serde(flatten)]
    #[schema(value_type = FollowUpInfo)]
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
    /// Sends it as mail to these addresses, at most ten; each sees the others. Nothing: the letter is approved and not sent, or,
    /// approved again, goes to whom it went before. Nobody who is only named in the call gets anything.
    #[schema(example = json!(["dana@example.com"]))]
    send_to: Option<Vec<String>>,
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
        send_to: draft.as_ref().map(|draft| draft.send_to.clone()).unwrap_or_default(),
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

/// What is done to a letter.
enum Act {
    Edit(Edited),
    Approve { send_to: Option<Vec<String>> },
}

async fn change(app: &App, user: &User, id: &CallId, revision: Option<i64>, act: Act) -> Result<Json<FollowUp>, Error> {
    user.may_write(Resource::Calls)?;
    let letter = letter(app, user, id).await?;
    let store = &app.shop.store;
    let known = store.draft(&user.scope(), id).await?;
    let known_revision = known.as_ref().map_or(0, |draft| draft.revision);
    let seen_revision = revision.unwrap_or(known_revision);
    let (text, state, send_to) = match act {
        Act::Edit(edited) => (edited, DraftState::Draft, None),
        Act::Approve { send_to } => {
            // The text that was read, or none: it is kept with the approval.
            if seen_revision != known_revision {
                return Err(store::Error::changed_meanwhile().into());
            }
            let (edited, blanks) = as_it_is(id, known, letter.clone())?;
            if send_to.as_ref().is_some_and(|send_to| !send_to.is_empty()) {
                sendable(&edited, &blanks)?;
            }
            (edited, DraftState::Approved, send_to)
        }
    };
    // What is approved is kept as it is: another analysis of the call may come to another letter.
    let text = serde_json::to_string(&text).map_err(|error| Error::unusable(error.to_string()))?;
    let change = DraftChange {
        seen_revision,
        draft: Some(text),
        state,
        send_to,
    };
    let kept = store
        .change_draft(&user.scope(), id, change, &user.actor(), Utc::now())
        .await?;
    app.shop.courier.notify_waiters();
    Ok(Json(show_letter(id, Some(kept), letter)?))
}

/// The letter with its edits, and the blanks that are left in it.
fn as_it_is(
    id: &CallId,
    known: Option<Draft>,
    letter: serde_json::Map<String, serde_json::Value>,
) -> Result<(Edited, Vec<String>), Error> {
    #[derive(Deserialize)]
    struct Shown {
        subject: String,
        body: String,
        #[serde(default)]
        to_fill: Vec<String>,
    }
    let letter = show_letter(id, known, letter)?.letter;
    let shown: Shown =
        serde_json::from_value(letter.into()).map_err(|_| Error::conflict("the letter cannot be read"))?;
    let Shown { subject, body, to_fill } = shown;
    Ok((Edited { subject, body }, to_fill))
}

/// Whether a letter can go out as it is.
fn sendable(letter: &Edited, blanks: &[String]) -> Result<(), Error> {
    if !blanks.is_empty() {
        return Err(Error::unusable(format!(
            "the letter has blanks to be filled before it is sent: {}; edit it first",
            blanks.join(", ")
        )));
    }
    if letter.subject.trim().is_empty() || letter.body.trim().is_empty() {
        return Err(Error::unusable("the letter has no subject or no text; edit it first"));
    }
    Ok(())
}

/// Addresses as they are written in mail, each once.
fn recipients(said: &[String]) -> Result<Vec<String>, Error> {
    if said.len() > MOST_RECIPIENTS {
        return Err(Error::unusable(format!("send_to: at most {MOST_RECIPIENTS} addresses")));
    }
    let mut found: Vec<String> = Vec::new();
    for (at, said) in said.iter().enumerate() {
        let address = mail::address(said).map_err(|problem| Error::unusable(format!("send_to[{at}]: {problem}")))?;
        let address = address.to_string();
        if !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found)
}

/// Replaces subject and body. An approved letter is a draft again, and what of it was not sent yet is not sent.
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
    change(&app, &user, &id, edit.revision, Act::Edit(edited)).await
}

/// Approves the letter as it is; sends it as mail, if addresses are named.
#[utoipa::path(post, path = "/v1/calls/{id}/follow-up/approve", tag = "follow-up", params(("id" = String, Path)),
    request_body(content = Approval, description = "May be left out"),
    responses(
        (status = 200, body = FollowUp),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It was changed meanwhile, or there is no mail server to send it with"),
        (status = 422, body = ProblemDocument),
    ))]
async fn approve(
    State(app): State<App>,
    user: User,
    Path(id): Path<CallId>,
    body: axum::body::Bytes,
) -> Result<Json<FollowUp>, Error> {
    let approval: Approval = or_default(&body)?;
    let send_to = approval.send_to.as_deref().map(recipients).transpose()?;
    change(&app, &user, &id, approval.revision, Act::Approve { send_to }).await
}
