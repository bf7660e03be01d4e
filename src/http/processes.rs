//! The sales process of the workspace: a file that the customer owns.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::Json;
use super::{App, Error};
use crate::process::Process;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, replace, reset))
}

/// Which process new calls are held against.
#[derive(Debug, Serialize, ToSchema)]
struct InUse {
    id: String,
    /// SHA-256 of the file, as in every analysis made under it.
    hash: String,
    /// The workspace has its own; else it is the one of the server.
    own: bool,
}

fn in_use(process: &Process, own: bool) -> Json<InUse> {
    Json(InUse {
        id: process.id().to_owned(),
        hash: process.hash().to_owned(),
        own,
    })
}

/// The process file of the workspace, as TOML; 404: it uses the one of the server.
#[utoipa::path(get, path = "/v1/process", tag = "process",
    responses((status = 200, content_type = "application/toml", body = String), (status = 404, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: User) -> Result<Response, Error> {
    user.may_read(Resource::Process)?;
    let workspace = app.shop.store.workspace(&user.0.workspace).await?;
    let text = workspace
        .and_then(|workspace| workspace.process)
        .ok_or_else(|| Error::not_found("process: the workspace uses the one of the server"))?;
    Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
}

/// Gives the workspace a process file. Calls that come in from now on are held against it.
#[utoipa::path(put, path = "/v1/process", tag = "process", request_body(content = String, content_type = "application/toml"),
    responses((status = 200, body = InUse),
        (status = 422, body = ProblemDocument, description = "All problems of the file, with line and column")))]
async fn replace(State(app): State<App>, user: User, body: Bytes) -> Result<Json<InUse>, Error> {
    user.may_write(Resource::Process)?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| Error::bad_request("the file is not UTF-8"))?;
    let process = Process::load(&text, "process").map_err(|error| {
        let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
        Error::unusable_file(format!("the process file has {} problem(s)", problems.len()), problems)
    })?;
    let store = &app.shop.store;
    store
        .set_process(
            &user.0.workspace,
            Some(&text),
            process.hash(),
            &user.actor(),
            Utc::now(),
        )
        .await?;
    Ok(in_use(&process, true))
}

/// Goes back to the process of the server.
#[utoipa::path(delete, path = "/v1/process", tag = "process", responses((status = 200, body = InUse)))]
async fn reset(State(app): State<App>, user: User) -> Result<Json<InUse>, Error> {
    user.may_write(Resource::Process)?;
    let process = &app.shop.process;
    let store = &app.shop.store;
    store
        .set_process(&user.0.workspace, None, process.hash(), &user.actor(), Utc::now())
        .await?;
    Ok(in_use(process, false))
}
