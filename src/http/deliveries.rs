//! The ledger: what was sent where, with every attempt.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Path, Query};
use super::{App, Error};
use crate::store::{self, CallId, DealId, DeliveryFilter, DeliveryId, DeliveryState, EndpointId, Replay};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(replay))
}

/// One event for one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    id: String,
    endpoint_id: String,
    /// Also its `webhook-id`.
    event_id: String,
    #[serde(rename = "type")]
    kind: String,
    call_id: Option<String>,
    deal_id: Option<String>,
    state: DeliveryState,
    /// So many attempts were made.
    attempts: i64,
    /// Not before then; null: no other attempt.
    next_at: Option<DateTime<Utc>>,
    /// Why it has not been delivered.
    message: Option<String>,
    created_at: DateTime<Utc>,
    done_at: Option<DateTime<Utc>>,
}

impl From<store::Delivery> for Delivery {
    fn from(delivery: store::Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            endpoint_id: delivery.endpoint.to_string(),
            event_id: delivery.event.to_string(),
            kind: delivery.event_kind,
            call_id: delivery.call.map(|call| call.to_string()),
            deal_id: delivery.deal.map(|deal| deal.to_string()),
            state: delivery.state,
            attempts: delivery.attempt,
            next_at: (delivery.state == DeliveryState::Pending).then_some(delivery.next_at),
            message: delivery.message,
            created_at: delivery.created_at,
            done_at: delivery.done_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Attempt {
    /// 1 is the first.
    number: i64,
    started_at: DateTime<Utc>,
    duration_ms: i64,
    /// Of HTTP, or of the mail server; null: there was no answer.
    status: Option<i64>,
    /// Why there was no answer: `timeout`, `refused`, `reset`, `cut` (the connection ended before an answer), `unreachable`,
    /// `name`, `tls`, `blocked` (the address may not be reached), `secret` (it cannot be opened), `stopped` (the server),
    /// `database`. Of mail also `unsupported` (the server lacks STARTTLS or passwords), `late`, `begun` (a letter is on its way,
    /// or this server died at that), `unsure` (it may have been sent: look, and replay it only if it was not).
    error: Option<String>,
    /// First bytes of the answer.
    answer: String,
}

impl From<store::Attempt> for Attempt {
    fn from(attempt: store::Attempt) -> Self {
        Self {
            number: attempt.number,
            started_at: attempt.started_at,
            duration_ms: attempt.duration_ms,
            status: attempt.status,
            error: attempt.error,
            answer: attempt.answer,
        }
    }
}

/// A delivery with all attempts, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryWithAttempts {
    #[serde(flatten)]
    delivery: Delivery,
    tries: Vec<Attempt>,
}

impl From<(store::Delivery, Vec<store::Attempt>)> for DeliveryWithAttempts {
    fn from((delivery, tries): (store::Delivery, Vec<store::Attempt>)) -> Self {
        Self {
            delivery: delivery.into(),
            tries: tries.into_iter().map(Attempt::from).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct DeliveryQuery {
    /// Id of the endpoint.
    endpoint: Option<String>,
    state: Option<DeliveryState>,
    /// Type of the event.
    #[serde(rename = "type")]
    kind: Option<String>,
    call: Option<String>,
    deal: Option<String>,
    /// Created at or after.
    since: Option<DateTime<Utc>>,
}

/// Deliveries, the newest first. A rep sees those about own calls and deals.
#[utoipa::path(get, path = "/v1/deliveries", tag = "delivery", params(DeliveryQuery, PageQuery),
    responses((status = 200, body = Page<Delivery>), (status = 400, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: User,
    Query(query): Query<DeliveryQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Delivery>>, Error> {
    user.may_read(Resource::Deliveries)?;
    let limit = page.limit()?;
    let filter = DeliveryFilter {
        endpoint: query.endpoint.map(EndpointId::from),
        state: query.state,
        event_kind: query.kind,
        call: query.call.map(CallId::from),
        deal: query.deal.map(DealId::from),
        since: query.since,
        before: page.cursor.map(DeliveryId::from),
        limit: limit + 1,
    };
    let deliveries = app.shop.store.deliveries(&user.scope(), &filter).await?;
    let cursor = |delivery: &store::Delivery| delivery.id.to_string();
    Ok(Json(Page::new(deliveries, limit, cursor, Delivery::from)))
}

async fn seen(app: &App, user: &User, id: &DeliveryId) -> Result<DeliveryWithAttempts, Error> {
    let delivery = app.shop.store.delivery(&user.scope(), id).await?;
    let (delivery, tries) = delivery.ok_or_else(|| Error::not_found("delivery"))?;
    Ok(DeliveryWithAttempts::from((delivery, tries)))
}

/// A delivery with every attempt.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "delivery", params(("id" = String, Path)),
    responses((status = 200, body = DeliveryWithAttempts), (status = 404, body = ProblemDocument)))]
async fn show(
    State(app): State<App>,
    user: User,
    Path(id): Path<DeliveryId>,
) -> Result<Json<DeliveryWithAttempts>, Error> {
    user.may_read(Resource::Deliveries)?;
    Ok(Json(seen(&app, &user, &id).await?))
}

/// Sends an event again, with the same `webhook-id` or `Message-ID`; also one that was delivered. Takes a manager.
#[utoipa::path(post, path = "/v1/deliveries/{id}/replay", tag = "delivery", params(("id" = String, Path)),
    responses(
        (status = 202, body = DeliveryWithAttempts),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The endpoint is switched off, or it is being sent"),
    ))]
async fn replay(
    State(app): State<App>,
    user: User,
    Path(id): Path<DeliveryId>,
) -> Result<(StatusCode, Json<DeliveryWithAttempts>), Error> {
    user.may_write(Resource::Deliveries)?;
    (app.shop.store)
        .replay(&user.0.workspace, Replay::One(id.clone()), &user.actor(), Utc::now())
        .await?;
    app.shop.courier.notify_waiters();
    Ok((StatusCode::ACCEPTED, Json(seen(&app, &user, &id).await?)))
}
