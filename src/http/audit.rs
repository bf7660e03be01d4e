//! Who did what: a log that is only added to, in which every line vouches for the one before.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Query};
use super::{App, Error};
use crate::store::AuditLine;

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

/// Something that somebody did.
#[derive(Debug, Serialize, ToSchema)]
struct Line {
    seq: i64,
    at: DateTime<Utc>,
    /// Id of a key or a user; `server`.
    actor: String,
    /// `call.added`, `recording.read`, `key.revoked`…
    action: String,
    /// Id of what it was done to.
    subject: String,
    #[schema(value_type = Object)]
    details: serde_json::Value,
    /// SHA-256 over this line and the hash of the line before.
    hash: String,
}

impl From<AuditLine> for Line {
    fn from(line: AuditLine) -> Self {
        Self {
            seq: line.seq,
            at: line.at,
            actor: line.actor,
            action: line.action,
            subject: line.subject,
            details: serde_json::from_str(&line.details).unwrap_or_default(),
            hash: line.hash,
        }
    }
}

/// Whether the log is as it was written.
#[derive(Debug, Serialize, ToSchema)]
struct Verified {
    intact: bool,
    /// Number of the first line that is kept: those before it ran out.
    first: i64,
    /// Number of the last line.
    last: i64,
    /// Number of the first line that was altered or taken away.
    broken_at: Option<i64>,
}

/// Lines of the audit log, the newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "access", params(PageQuery),
    responses((status = 200, body = Page<Line>), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn list(State(app): State<App>, user: User, Query(page): Query<PageQuery>) -> Result<Json<Page<Line>>, Error> {
    user.may_read(Resource::Audit)?;
    let limit = page.limit()?;
    let wrong = |_| Error::bad_request("cursor: `next_cursor` of a page of this list");
    let below = page
        .cursor
        .map(|cursor| cursor.parse::<i64>().map_err(wrong))
        .transpose()?;
    let lines = app.shop.store.audit_lines(&user.0.workspace, below, limit + 1).await?;
    Ok(Json(Page::new(lines, limit, |line| line.seq.to_string(), Line::from)))
}

/// Goes through the whole log and computes every hash again.
#[utoipa::path(get, path = "/v1/audit/verify", tag = "access",
    responses((status = 200, body = Verified), (status = 403, body = ProblemDocument)))]
async fn verify(State(app): State<App>, user: User) -> Result<Json<Verified>, Error> {
    user.may_read(Resource::Audit)?;
    let check = app.shop.store.check_audit(&user.0.workspace).await?;
    Ok(Json(Verified {
        intact: check.broken_at.is_none(),
        first: check.first,
        last: check.last,
        broken_at: check.broken_at,
    }))
}
