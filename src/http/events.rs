//! Everything that happened, as it happens, or from any earlier point on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Query};
use super::{App, Error};
use crate::store;

/// Another process may have written what a client waits for.
const POLL: Duration = Duration::from_millis(400);
const BATCH: u32 = 200;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct Event {
    /// Grows; `after` takes it.
    seq: i64,
    id: String,
    /// `call.analyzed`, `call.failed`, `deal.stage_changed`, `deal.updated`, `followup.drafted`, `followup.approved`…
    #[serde(rename = "type")]
    kind: String,
    timestamp: DateTime<Utc>,
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

impl From<store::Event> for Event {
    fn from(event: store::Event) -> Self {
        Self {
            seq: event.seq,
            id: event.id.to_string(),
            kind: event.kind,
            timestamp: event.at,
            data: serde_json::from_str(&event.payload).unwrap_or_default(),
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct After {
    /// Events behind this number; 0: all that are kept; -1: only what is to come.
    #[param(minimum = -1)]
    after: Option<i64>,
}

/// Events as a stream (`text/event-stream`), or with `Accept: application/json` those that are there, at most 200.
///
/// A stream that broke goes on with `Last-Event-ID`, which browsers send by themselves.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(After, ("Last-Event-ID" = Option<i64>, Header, description = "As `after`, which goes before it unless it is -1")),
    responses(
        (status = 200, description = "Events, the oldest first",
            content((String = "text/event-stream"), (Vec<Event> = "application/json"))),
        (status = 400, body = ProblemDocument),
    ))]
async fn events(
    State(app): State<App>,
    user: User,
    headers: HeaderMap,
    Query(after): Query<After>,
) -> Result<Response, Error> {
    user.may_read(Resource::Events)?;
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let last = text(header::HeaderName::from_static("last-event-id")).and_then(|id| id.parse().ok());
    let from_now = after.after.is_some_and(|after| after < 0);
    let after = match after.after {
        Some(after) if after >= 0 => after,
        None => last.unwrap_or(0),
        Some(_) => match last {
            Some(last) => last,
            None => app.shop.store.last_event(&user.0.workspace).await?,
        },
    };
    if text(header::ACCEPT).is_some_and(|accept| accept.starts_with("application/json")) {
        let events = app.shop.store.events(&user.scope(), after, BATCH).await?;
        return Ok(Json(events.into_iter().map(Event::from).collect::<Vec<_>>()).into_response());
    }
    // The number alone is no event, but a client that is cut off before there is one comes back with it.
    let start = from_now.then(|| Ok::<_, Infallible>(sse::Event::default().id(after.to_string())));
    let batches = stream::unfold((app, user, after), |(app, user, mut after)| async move {
        let scope = user.scope();
        loop {
            // Revoked while the stream was open: nothing more is told.
            if app.shutdown.is_cancelled() || !app.is_still_in(&user).await.ok()? {
                return None;
            }
            // An error of the database ends the stream; the client comes back with the number it has.
            let events = app.shop.store.events(&scope, after, BATCH).await.ok()?;
            if let Some(last) = events.last() {
                after = last.seq;
                let batch: Vec<_> = events
                    .into_iter()
                    .map(|event| Ok::<_, Infallible>(frame(event)))
                    .collect();
                return Some((stream::iter(batch), (app, user, after)));
            }
            tokio::select! {
                () = app.shutdown.cancelled() => return None,
                () = tokio::time::sleep(POLL) => (),
            }
        }
    });
    let events = stream::iter(start).chain(batches.flatten());
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn frame(event: store::Event) -> sse::Event {
    let frame = sse::Event::default()
        .id(event.seq.to_string())
        .event(event.kind.clone());
    // One line of JSON: it holds nothing that a frame may not.
    frame.data(serde_json::to_string(&Event::from(event)).unwrap_or_default())
}
