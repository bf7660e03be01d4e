//! The weights of this machine. Fetching them is *not* here: see `dealstage models`.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::extract::Json;
use super::{App, Error};
use crate::weights::{self, Listed, State};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Weights of a model.
#[derive(Debug, Serialize, ToSchema)]
struct Model {
    name: String,
    state: State,
    /// The program needs them; others are a matter of choice.
    needed: bool,
    /// Bytes on disk once installed.
    size: u64,
    licence: String,
    purpose: String,
    /// Who made them.
    origin: String,
    version: String,
}

impl From<Listed> for Model {
    fn from(listed: Listed) -> Self {
        Self {
            name: listed.name,
            state: listed.state,
            needed: listed.default,
            size: listed.size,
            licence: listed.licence,
            purpose: listed.purpose,
            origin: listed.origin,
            version: listed.version,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Models {
    items: Vec<Model>,
}

/// Weights that the program knows, as `dealstage models list` has them.
#[utoipa::path(get, path = "/v1/models", tag = "models", responses((status = 200, body = Models)))]
async fn list(user: User) -> Result<Json<Models>, Error> {
    user.may_read(Resource::Process)?;
    let listed = tokio::task::spawn_blocking(weights::list)
        .await
        .map_err(|_| Error::unavailable("the weights were not looked at; repeat"))?;
    let listed = listed.map_err(|error| Error::unavailable(error.to_string()))?;
    Ok(Json(Models {
        items: listed.into_iter().map(Model::from).collect(),
    }))
}
