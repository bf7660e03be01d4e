//! Everything that can go wrong, as a problem document (RFC 9457). The only place that knows status codes of errors.

use std::any::Any;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store;

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// `urn:dealstage:problem:CODE`
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What is wrong here, and what to do.
    pub detail: String,
    /// Several problems of one input, as of a process file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    code: &'static str,
    detail: String,
    problems: Vec<String>,
    /// Seconds.
    retry_after: Option<u64>,
}

impl Error {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            problems: Vec::new(),
            retry_after: None,
        }
    }

    pub fn no_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_route",
            "there is nothing here; /openapi.json lists all routes",
        )
    }

    pub fn no_page() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_page",
            "this program was built without the page: run `make web` and build it again; the API is at /openapi.json",
        )
    }

    pub fn no_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "no_such_method",
            "this route has other methods; /openapi.json lists them",
        )
    }

    /// There is none, or it is somebody else's: nobody is told which.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// There was one, and it is not kept any more.
    pub fn gone(what: &str, why: store::Gone) -> Self {
        let why = match why {
            store::Gone::Retention => "it was older than the workspace keeps it",
            store::Gone::Erasure => "it quoted a call that was erased, and there is nothing left to make it from",
            store::Gone::Consent => "consent was denied",
        };
        Self::new(
            StatusCode::GONE,
            "gone",
            format!("the {what} is not kept any more: {why}"),
        )
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// It can be read, but not used.
    pub fn unusable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unusable", detail)
    }

    pub fn unusable_file(detail: impl Into<String>, problems: Vec<String>) -> Self {
        Self {
            problems,
            ..Self::unusable(detail)
        }
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "send a valid key (`Authorization: Bearer KEY`), or sign in with POST /v1/session",
        )
    }

    /// Nobody is told which of the two it is.
    pub fn wrong_sign_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "wrong_sign_in",
            "e-mail address or password is wrong",
        )
    }

    pub fn too_many_tries(retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_tries",
                "too many tries to sign in; wait and repeat",
            )
        }
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub fn too_large(limit: u64) -> Self {
        let detail = format!("the upload is over the limit of {} MiB; split it", limit >> 20);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    pub fn too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "too_slow",
            "the upload took too long; send it again",
        )
    }

    pub fn media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail)
    }

    pub fn range() -> Self {
        Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "range",
            "the recording has no such range",
        )
    }

    pub fn too_many(retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "this key asks too often; wait and repeat",
            )
        }
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
    }

    pub fn internal() -> Self {
        let detail = "the server failed; it is in its log under this request id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            kind: format!("urn:dealstage:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            problems: self.problems,
        };
        let body = serde_json::to_string(&document).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Missing { what, .. } => Self::not_found(what),
            store::Error::Conflict(detail) => Self::conflict(detail),
            store::Error::Character => Self::unusable("a text holds a character that cannot be kept (NUL)"),
            store::Error::Stale => Self::conflict("it changed meanwhile; repeat"),
            error if error.is_transient() => {
                tracing::error!(%error, "the store does not answer");
                Self::unavailable("the database or the blob store does not answer; repeat")
            }
            error => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

/// The words of a panic may quote a call: they stay out of the answer.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    Error::internal().into_response()
}
