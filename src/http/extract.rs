//! JSON bodies, queries and pages, whose refusals are problem documents too.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Error;

#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Error))]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A header lists a value.
pub fn lists(headers: &HeaderMap, name: HeaderName, value: &str) -> bool {
    let said = headers.get_all(name).into_iter().filter_map(|said| said.to_str().ok());
    said.flat_map(|said| said.split(','))
        .any(|said| said.split(';').next().unwrap_or_default().trim() == value)
}

/// A body that may be left out.
pub fn or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Error> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| Error::bad_request(error.to_string()))
}

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::JsonDataError(error) => Self::unusable(error.body_text()),
            JsonRejection::JsonSyntaxError(error) => Self::bad_request(error.body_text()),
            JsonRejection::MissingJsonContentType(error) => Self::media_type(error.body_text()),
            other => Self::bad_request(other.body_text()),
        }
    }
}

#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Error))]
pub struct Query<T>(pub T);

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

/// Parts of the path; what cannot be read names nothing.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Error))]
pub struct Path<T>(pub T);

impl From<PathRejection> for Error {
    fn from(_: PathRejection) -> Self {
        Self::not_found("thing")
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct PageQuery {
    /// At most so many, 1–200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

const PAGE: u32 = 50;
const LONGEST_PAGE: u32 = 200;

impl PageQuery {
    pub fn limit(&self) -> Result<u32, Error> {
        match self.limit {
            None => Ok(PAGE),
            Some(limit @ 1..=LONGEST_PAGE) => Ok(limit),
            Some(_) => Err(Error::bad_request(format!("limit: a number from 1 to {LONGEST_PAGE}"))),
        }
    }
}

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// For the next page; null: this is the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// Of a query that asked for one row more than is shown. `cursor` names the place behind a row.
    pub fn new<R>(mut rows: Vec<R>, limit: u32, cursor: impl Fn(&R) -> String, show: impl Fn(R) -> T) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(cursor);
        Self {
            items: rows.into_iter().map(show).collect(),
            next_cursor,
        }
    }
}
