//! A blob as an answer, whole or in part.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::{App, Error};
use crate::store::WorkspaceId;

/// The bytes of a blob, or the one range of them that was asked for.
pub async fn answer(
    app: &App,
    workspace: &WorkspaceId,
    hash: &str,
    size: u64,
    source: &str,
    asked: &HeaderMap,
) -> Result<Response, Error> {
    let etag = format!("\"{hash}\"");
    let is_known = |name| {
        asked
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(|tag| tag == etag)
    };
    if is_known(header::IF_NONE_MATCH) == Some(true) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let range = match asked.get(header::RANGE).and_then(|value| value.to_str().ok()) {
        // The client holds a part of other bytes.
        Some(_) if is_known(header::IF_RANGE) == Some(false) => None,
        Some(range) => match http_range_header::parse_range_header(range) {
            Ok(parsed) => match parsed.validate(size) {
                Ok(ranges) => match ranges.as_slice() {
                    [one] => Some(*one.start()..*one.end() + 1),
                    // Several parts in one answer: the whole is allowed too.
                    _ => None,
                },
                Err(_) => return Ok(unsatisfiable(size)),
            },
            // A unit that is not known is as if nothing was asked.
            Err(_) => None,
        },
        None => None,
    };
    let (status, part) = match range {
        Some(part) => (StatusCode::PARTIAL_CONTENT, part),
        None => (StatusCode::OK, 0..size),
    };
    let length = part.end - part.start;
    let content_range = format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1));
    let bytes = app.shop.blobs.read(workspace, hash, part).await?;
    let mut response = (status, Body::from_stream(bytes)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(source)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // What somebody uploaded is never a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = HeaderValue::from_str(&content_range)
    {
        headers.insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

fn unsatisfiable(size: u64) -> Response {
    let mut response = Error::range().into_response();
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    response
}

/// By the ending of its name: players look at the bytes.
fn media_type(source: &str) -> &'static str {
    let ending = source.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    match ending.as_str() {
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "m4a" | "aac" => "audio/mp4",
        "mp4" => "video/mp4",
        "flac" => "audio/flac",
        "ogg" | "opus" => "audio/ogg",
        "webm" => "audio/webm",
        _ => "application/octet-stream",
    }
}
