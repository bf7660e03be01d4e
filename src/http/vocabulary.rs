//! What ids are called: the words of the reports.

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Query};
use super::{App, Error};
use crate::document::{self, Vocabulary};
use crate::domain::Language;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(vocabulary))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Asked {
    /// English where it is not said.
    #[param(inline)]
    language: Option<Language>,
}

/// What ids are called, as the reports have it. Deal stages and elements have their names in the process.
#[utoipa::path(get, path = "/v1/vocabulary", tag = "vocabulary", params(Asked),
    responses((status = 200, body = Vocabulary), (status = 400, body = ProblemDocument)))]
async fn vocabulary(user: User, Query(asked): Query<Asked>) -> Result<Json<Vocabulary>, Error> {
    user.may_read(Resource::Process)?;
    Ok(Json(document::vocabulary(asked.language.unwrap_or(Language::En))))
}
