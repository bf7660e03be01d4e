//! Which of the next actions of a call are done. What is to be done is in the analysis.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::calls::{analysis_of, seen};
use super::error::ProblemDocument;
use super::extract::{Json, Path};
use super::{App, Error};
use crate::document;
use crate::store::{self, CallId};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(tick))
}

/// An action that is done.
#[derive(Debug, Serialize, ToSchema)]
struct ActionDone {
    /// Its id in the analysis, and behind a dot the turn of its first quote, if it has one: `fulfil_promise.25`.
    id: String,
    /// Who ticked it off.
    by: String,
    done_at: DateTime<Utc>,
}

impl From<store::DoneAction> for ActionDone {
    fn from(done: store::DoneAction) -> Self {
        Self {
            id: done.action,
            by: done.by_user,
            done_at: done.at,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Tick {
    done: bool,
}

#[derive(Deserialize)]
struct Actions {
    next_actions: Vec<Action>,
    more_actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    id: String,
    evidence: Vec<Words>,
}

#[derive(Deserialize)]
struct Words {
    turn: u32,
}

async fn done(app: &App, user: &User, id: &CallId) -> Result<Json<Vec<ActionDone>>, Error> {
    let done = app.shop.store.done_actions(&user.scope(), id).await?;
    Ok(Json(done.into_iter().map(ActionDone::from).collect()))
}

/// The next actions of a call that are done.
#[utoipa::path(get, path = "/v1/calls/{id}/actions", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = Vec<ActionDone>), (status = 404, body = ProblemDocument)))]
async fn list(State(app): State<App>, user: User, Path(id): Path<CallId>) -> Result<Json<Vec<ActionDone>>, Error> {
    user.may_read(Resource::Calls)?;
    seen(&app, &user, &id).await?;
    done(&app, &user, &id).await
}

/// Ticks a next action off, or not. Of what is done nobody is reminded.
#[utoipa::path(put, path = "/v1/calls/{id}/actions/{action}", tag = "calls", request_body = Tick,
    params(("id" = String, Path), ("action" = String, Path, example = "fulfil_promise.25")),
    responses((status = 200, body = Vec<ActionDone>), (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The call is not analysed yet")))]
async fn tick(
    State(app): State<App>,
    user: User,
    Path((id, action)): Path<(CallId, String)>,
    Json(tick): Json<Tick>,
) -> Result<Json<Vec<ActionDone>>, Error> {
    user.may_write(Resource::Calls)?;
    let known: Actions = serde_json::from_str(&analysis_of(&app, &user, &id).await?)
        .map_err(|_| Error::conflict("the analysis cannot be read"))?;
    let mut known = known.next_actions.iter().chain(&known.more_actions);
    let is_known = known.any(|known| {
        let turn = known.evidence.first().map(|words| words.turn);
        document::action_key(&known.id, turn) == action
    });
    if !is_known {
        return Err(Error::not_found("action"));
    }
    let store = &app.shop.store;
    store
        .tick_action(&user.scope(), &id, &action, tick.done, &user.actor(), Utc::now())
        .await?;
    done(&app, &user, &id).await
}
