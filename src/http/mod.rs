//! The service over HTTP: routes, who may use them, limits, and the shapes that clients read.
//!
//! Each resource has a file with its routes, wire types and handlers. A handler takes its input apart, calls one method,
//! and gives a wire type back. What is stored is *not* here: see `store`; nor what is done with a call: see `service`.

mod actions;
mod audit;
mod auth;
mod calls;
mod crms;
mod deals;
mod deliveries;
mod description;
mod documents;
mod endpoints;
mod error;
mod events;
mod extract;
mod follow_ups;
mod health;
mod idempotency;
mod insights;
mod keys;
mod live;
mod metrics;
mod models;
mod page;
mod passwords;
mod privacy;
mod processes;
mod proposals;
mod range;
mod sessions;
mod upload;
mod users;
mod vocabulary;
mod workspaces;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

pub use auth::{ADMIN_SCOPE, fresh_key, key_hash, key_prefix};
pub use deliveries::{Delivery, DeliveryWithAttempts};
pub use error::Error;
pub use metrics::{Metrics, serve as serve_metrics};
pub use proposals::Proposal;
pub use sessions::Site;

use crate::deliver::Gate;
use crate::service::{Shop, live::Desk};

/// What is refused at the door.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of an upload.
    pub upload: u64,
    /// An upload that takes longer is cut off.
    pub upload_time: Duration,
    /// Bytes of any other request.
    pub body: usize,
    /// Requests a minute of one key.
    pub rate: u32,
    /// Requests that may come at once before the rate counts.
    pub burst: u32,
}

/// What every handler has.
#[derive(Clone)]
pub struct App {
    pub shop: Shop,
    gate: Gate,
    pub limits: Arc<Limits>,
    /// None where no live calls are taken.
    desk: Option<Desk>,
    rates: Arc<auth::Rates>,
    site: Arc<Site>,
    passwords: Arc<passwords::Passwords>,
    shutdown: CancellationToken,
}

impl App {
    pub fn new(shop: Shop, gate: Gate, limits: Limits, site: Site, shutdown: CancellationToken) -> Self {
        Self {
            shop,
            gate,
            rates: Arc::new(auth::Rates::new(&limits)),
            limits: Arc::new(limits),
            site: Arc::new(site),
            passwords: Arc::new(passwords::Passwords::new()),
            desk: None,
            shutdown,
        }
    }

    /// Takes live calls too.
    #[must_use]
    pub fn with_live(mut self, desk: Desk) -> Self {
        self.desk = Some(desk);
        self
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "dealstage",
        description = "Sales calls in; who said what, where the deal stands and why, what to do next.",
        license(name = "MIT OR Apache-2.0")
    ),
    security(("key" = []), ("session" = []))
)]
struct Described;

/// All routes that need a key, with their description.
fn resources() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(calls::router())
        .merge(actions::router())
        .merge(follow_ups::router())
        .merge(deals::router())
        .merge(events::router())
        .merge(live::router())
        .merge(processes::router())
        .merge(sessions::router())
        .merge(keys::router())
        .merge(users::router())
        .merge(workspaces::router())
        .merge(audit::router())
        .merge(insights::router())
        .merge(privacy::router())
        .merge(crms::router())
        .merge(endpoints::router())
        .merge(deliveries::router())
        .merge(proposals::router())
        .merge(vocabulary::router())
        .merge(models::router())
}

fn described() -> (Router<App>, Router<App>, serde_json::Value) {
    let (open, mut described) = OpenApiRouter::with_openapi(Described::openapi())
        .merge(health::router())
        .merge(sessions::open_router())
        .merge(live::open_router())
        .split_for_parts();
    let (closed, closed_description) = resources().split_for_parts();
    described.merge(closed_description);
    let key = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
        "dealstage",
        "`__Host-dealstage` over https. POST /v1/session gives it, and the token for `x-csrf-token`.",
    )));
    let components = described.components.get_or_insert_default();
    components.add_security_scheme("key", key);
    components.add_security_scheme("session", session);
    let described = serde_json::to_value(&described).unwrap_or_default();
    (open, closed, description::complete(documents::complete(described)))
}

/// The description of all routes.
pub fn openapi() -> serde_json::Value {
    described().2
}

/// `origins`: pages of other hosts that may call; none by default.
pub fn router(app: App, origins: &[HeaderValue]) -> Router {
    let (open, closed, description) = described();
    let request_id = HeaderName::from_static("x-request-id");
    let description = Arc::new(description.to_string());
    let closed = closed
        .layer(middleware::from_fn_with_state(app.clone(), idempotency::layer))
        .layer(middleware::from_fn_with_state(app.clone(), auth::layer));
    let mut router = open
        .merge(closed)
        .route(
            "/openapi.json",
            axum::routing::get(move || {
                let description = description.clone();
                async move { ([(header::CONTENT_TYPE, "application/json")], (*description).clone()) }
            }),
        )
        .fallback(page::answer::<page::Page>)
        .method_not_allowed_fallback(|| async { Error::no_method() })
        .layer(DefaultBodyLimit::max(app.limits.body))
        .layer(middleware::from_fn(metrics::layer))
        .layer(CatchPanicLayer::custom(error::panicked));
    if !origins.is_empty() {
        router = router.layer(
            CorsLayer::new()
                .allow_origin(origins.to_vec())
                .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
                .allow_headers([
                    header::AUTHORIZATION,
                    header::CONTENT_TYPE,
                    header::RANGE,
                    HeaderName::from_static("idempotency-key"),
                ]),
        );
    }
    router
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(
            // The path as the route names it, never as it was asked: queries may hold anything.
            TraceLayer::new_for_http()
                .make_span_with(|request: &axum::extract::Request| {
                    let route = request
                        .extensions()
                        .get::<axum::extract::MatchedPath>()
                        .map_or("", axum::extract::MatchedPath::as_str);
                    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
                    tracing::info_span!("request", method = %request.method(), route, id)
                })
                .on_response(DefaultOnResponse::new().level(tracing::Level::DEBUG)),
        )
        .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
        .with_state(app)
}

/// Serves until `shutdown`; requests that are being answered then are finished.
pub async fn run(listener: TcpListener, router: Router, shutdown: CancellationToken) -> std::io::Result<()> {
    // Who is at the other end matters to those who sign in.
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}
