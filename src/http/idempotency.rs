//! `Idempotency-Key`: a POST that is sent again gets the answer of the first.
//!
//! An upload keeps its key in the transaction of its call (see `upload`); every other POST goes through here.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use sha2::{Digest as _, Sha256};

use super::auth::User;
use super::{App, Error};
use crate::domain::hex;
use crate::store::{Idempotent, Remembered};

/// Longer names are no names.
const LONGEST_NAME: usize = 200;
/// An answer that is longer is not kept; there is none.
const LONGEST_ANSWER: usize = 4 << 20;

/// The answer holds a secret that is shown once: it must not be kept.
#[derive(Clone)]
pub struct ShownOnce;

/// The client's name for a request, if it gave one.
pub fn name(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(name) if !name.is_empty() && name.len() <= LONGEST_NAME => Ok(Some(name.to_owned())),
        _ => Err(Error::bad_request("Idempotency-Key: 1 to 200 visible characters")),
    }
}

/// The call or deal that a path names: `/v1/calls/ID/…`.
fn subject(path: &str) -> Option<String> {
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("v1"), Some("calls" | "deals"), Some(id)) if !id.is_empty() => Some(id.to_owned()),
        _ => None,
    }
}

pub fn other_request() -> Error {
    Error::unusable("this Idempotency-Key was used for another request; take a new one")
}

pub fn repeated(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}

pub async fn layer(State(app): State<App>, user: User, request: Request, next: Next) -> Result<Response, Error> {
    let is_upload = request.uri().path() == "/v1/calls";
    let name = match name(request.headers())? {
        Some(name) if request.method() == Method::POST && !is_upload => name,
        _ => return Ok(next.run(request).await),
    };
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, app.limits.body)
        .await
        .map_err(|_| Error::too_large(app.limits.body as u64))?;
    let mut hash = Sha256::new();
    hash.update(parts.uri.path());
    hash.update([0]);
    hash.update(&body);
    let asked = Idempotent {
        actor: user.actor(),
        name,
        request: hex(hash.finalize()),
        subject: subject(parts.uri.path()),
    };
    let workspace = &user.0.workspace;
    match app.shop.store.remember(workspace, &asked, Utc::now()).await? {
        Remembered::New => (),
        Remembered::Running => {
            return Err(Error::conflict(
                "the first request with this Idempotency-Key still runs",
            ));
        }
        Remembered::Other => return Err(other_request()),
        Remembered::Answered { status, body } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            let kind = if status.is_success() {
                "application/json"
            } else {
                "application/problem+json"
            };
            return Ok(repeated((status, [(header::CONTENT_TYPE, kind)], body).into_response()));
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, LONGEST_ANSWER).await.unwrap_or_default();
    let kept = if parts.status.is_server_error() || parts.status == StatusCode::TOO_MANY_REQUESTS {
        None
    } else if parts.extensions.get::<ShownOnce>().is_some() {
        let told = Error::conflict("this was done before; its secret was shown once and is not kept").into_response();
        let status = told.status().as_u16();
        let told = axum::body::to_bytes(told.into_body(), LONGEST_ANSWER)
            .await
            .unwrap_or_default();
        Some((status, String::from_utf8_lossy(&told).into_owned()))
    } else {
        Some((parts.status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
    };
    app.shop.store.answered(workspace, &asked, kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}
