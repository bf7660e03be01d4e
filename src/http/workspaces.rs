//! Workspaces: who shares a server without seeing each other. For admins of the first one, who run the server.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{ADMIN_SCOPE, Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Query};
use super::idempotency::ShownOnce;
use super::keys::{self, FreshKey, label};
use super::{App, Error};
use crate::store::{self, PersonRole, WorkspaceId};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, add))
}

#[derive(Debug, Serialize, ToSchema)]
struct Workspace {
    id: String,
    name: String,
    created_at: DateTime<Utc>,
}

impl From<store::Workspace> for Workspace {
    fn from(workspace: store::Workspace) -> Self {
        Self {
            id: workspace.id.to_string(),
            name: workspace.name,
            created_at: workspace.created_at,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewWorkspace)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
}

/// A workspace with the key of its first admin.
#[derive(Serialize, ToSchema)]
struct Opened {
    #[serde(flatten)]
    workspace: Workspace,
    admin_key: FreshKey,
}

async fn check_first(app: &App, user: &User) -> Result<(), Error> {
    let first = app.shop.store.first_workspace().await?;
    if first.as_ref() == Some(&user.0.workspace) {
        return Ok(());
    }
    Err(Error::forbidden("only admins of the first workspace may do this"))
}

/// All workspaces of the server, the newest first.
#[utoipa::path(get, path = "/v1/workspaces", tag = "access", params(PageQuery),
    responses((status = 200, body = Page<Workspace>), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: User,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Workspace>>, Error> {
    user.may_read(Resource::Workspaces)?;
    check_first(&app, &user).await?;
    let limit = page.limit()?;
    let after = page.cursor.map(WorkspaceId::from);
    let workspaces = app.shop.store.workspaces(after.as_ref(), limit + 1).await?;
    let cursor = |workspace: &store::Workspace| workspace.id.to_string();
    Ok(Json(Page::new(workspaces, limit, cursor, Workspace::from)))
}

/// Makes a workspace. The key of its first admin is shown this once.
#[utoipa::path(post, path = "/v1/workspaces", tag = "access", request_body = Add,
    responses((status = 201, body = Opened), (status = 403, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
async fn add(
    State(app): State<App>,
    user: User,
    Json(new): Json<Add>,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<Opened>), Error> {
    user.may_write(Resource::Workspaces)?;
    check_first(&app, &user).await?;
    let name = label("name", &new.name)?;
    let now = Utc::now();
    let all = vec![ADMIN_SCOPE.to_owned()];
    let (key, admin_key) = keys::make(None, "first key".to_owned(), PersonRole::Admin, all, None, now)?;
    let opened = app
        .shop
        .store
        .open_workspace(&user.0.workspace, &WorkspaceId::fresh(), &name, key, &user.actor(), now)
        .await?;
    let opened = Opened {
        workspace: opened.into(),
        admin_key,
    };
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(opened)))
}
