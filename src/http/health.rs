//! Whether the process lives, and whether it can work. Needs no key.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Json;
use super::{App, Error};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`
    status: &'static str,
    version: &'static str,
}

const WELL: Health = Health {
    status: "ok",
    version: env!("CARGO_PKG_VERSION"),
};

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Health)))]
async fn alive() -> Json<Health> {
    Json(WELL)
}

/// Database and blob store answer, and the process is not about to end.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = Health), (status = 503, body = super::error::ProblemDocument)))]
async fn ready(State(app): State<App>) -> Result<Json<Health>, Error> {
    if app.shutdown.is_cancelled() {
        return Err(Error::unavailable("the server is shutting down"));
    }
    app.shop.store.ping().await?;
    app.shop.blobs.ping().await?;
    Ok(Json(WELL))
}
