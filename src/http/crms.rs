//! The CRMs that come along, and what a connection to each must be told. Connections themselves are endpoints.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::Json;
use super::{App, Error};
use crate::deliver::crm::{BUILT_IN, CrmFile, Setting};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, ToSchema)]
struct Crms {
    items: Vec<Crm>,
}

/// A CRM that comes along.
#[derive(Debug, Serialize, ToSchema)]
struct Crm {
    /// For `crm` of a new endpoint.
    name: String,
    title: String,
    /// Beside these every connection takes how stages and fields map: `stages`, `closed`, `fields`, `note`, `tasks`, `policy`.
    settings: Vec<CrmSetting>,
}

/// What a connection must be told.
#[derive(Debug, Serialize, ToSchema)]
struct CrmSetting {
    name: String,
    title: String,
    /// Not shown again.
    secret: bool,
    /// Nothing need be said.
    optional: bool,
    /// Where nothing is said; null: there is none.
    #[schema(value_type = Option<Object>)]
    default: Option<Value>,
}

impl From<&Setting> for CrmSetting {
    fn from(setting: &Setting) -> Self {
        Self {
            name: setting.name.clone(),
            title: setting.title.clone(),
            secret: setting.secret,
            optional: setting.optional || setting.default.is_some(),
            default: setting.default.clone(),
        }
    }
}

/// The CRMs that come along, with what a connection to each must be told.
#[utoipa::path(get, path = "/v1/crms", tag = "delivery",
    responses((status = 200, body = Crms), (status = 403, body = ProblemDocument)))]
async fn list(user: User) -> Result<Json<Crms>, Error> {
    user.may_read(Resource::Endpoints)?;
    let items = BUILT_IN.iter().map(|(name, text)| {
        let file = CrmFile::load(text, name).map_err(|error| {
            tracing::error!(%error, "a connection file that comes along cannot be read");
            Error::internal()
        })?;
        Ok(Crm {
            name: (*name).to_owned(),
            title: file.title().to_owned(),
            settings: file.settings().iter().map(CrmSetting::from).collect(),
        })
    });
    let items = items.collect::<Result<_, Error>>()?;
    Ok(Json(Crms { items }))
}
