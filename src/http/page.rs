//! The page: files that `make web` builds, held by the program, for every path that is no API.
//!
//! What the page does is *not* here: see `web/`.

use std::io::Write as _;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::Error;
use super::extract::lists;
use crate::domain::hex;

/// As it was when the program was built.
#[derive(RustEmbed)]
#[folder = "web/dist/"]
#[allow_missing = true]
pub struct Page;

const INDEX: &str = "index.html";
/// What the page is built into: each name holds a hash of the content.
const HASHED: &str = "assets/";
/// Paths of the API: what is not found there is no page.
const API: [&str; 4] = ["v1", "openapi.json", "healthz", "readyz"];
/// Smaller files gain nothing.
const COMPRESSED_FROM: usize = 1024;

/// Only our own files, and no script within the text. The hash is of the style sheet that wavesurfer.js puts into its own
/// part of the page: another version of it needs another, which a test in `web/tests` tells.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self' \
         'sha256-fCG9v7Aeo4pcPBNxwExZd3hOyojoBXKViwd7g6i2Og0='; img-src 'self' data: blob:; media-src 'self' blob:; \
         connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self' blob:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("permissions-policy"), "microphone=(self)"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Answers what no route does.
pub async fn answer<Files: RustEmbed>(request: Request) -> Result<Response, Error> {
    let path = request.uri().path().trim_start_matches('/');
    let is_api = API.contains(&path.split('/').next().unwrap_or_default());
    if is_api || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::no_route());
    }
    let headers = request.headers();
    if path.is_empty() || path == INDEX {
        return index::<Files>(headers);
    }
    match Files::get(path) {
        Some(file) => Ok(shown(path, &file, headers)),
        // The page has views under paths of their own.
        None if lists(headers, header::ACCEPT, "text/html") => index::<Files>(headers),
        None => Err(Error::no_route()),
    }
}

fn index<Files: RustEmbed>(headers: &HeaderMap) -> Result<Response, Error> {
    let file = Files::get(INDEX).ok_or_else(Error::no_page)?;
    Ok(shown(INDEX, &file, headers))
}

fn shown(path: &str, file: &EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", &hex(file.metadata.sha256_hash())[..32]);
    let is_text = |kind: &str| kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("svg+xml");
    let kind = file.metadata.mimetype();
    let known = lists(asked, header::IF_NONE_MATCH, &tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if is_text(kind) && file.data.len() >= COMPRESSED_FROM && lists(asked, header::ACCEPT_ENCODING, "gzip") {
        ([(header::CONTENT_ENCODING, "gzip")], compressed(&file.data)).into_response()
    } else {
        file.data.clone().into_owned().into_response()
    };
    let headers = response.headers_mut();
    let cached = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    let kind = if kind.starts_with("text/") {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    };
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn compressed(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // A vector takes everything.
    let _ = encoder.write_all(data);
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::body::{Body, Bytes, to_bytes};

    use super::*;

    #[derive(RustEmbed)]
    #[folder = "tests/page/"]
    struct Tiny;

    #[derive(RustEmbed)]
    #[folder = "tests/no-such-folder/"]
    #[allow_missing = true]
    struct NotBuilt;

    async fn ask<Files: RustEmbed>(method: &str, path: &str, headers: &[(&str, &str)]) -> (Response<()>, Bytes) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("a request");
        let (head, body) = answer::<Files>(request).await.into_response().into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (Response::from_parts(head, ()), body)
    }

    fn header<'a>(response: &'a Response<()>, name: &str) -> &'a str {
        response
            .headers()
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    #[tokio::test]
    async fn every_view_is_the_page_and_nothing_else_is() {
        const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for (path, accept) in [("/", ("accept", "*/*")), ("/calls/c-1", BROWSER), ("/deals", BROWSER)] {
            let (response, body) = ask::<Tiny>("GET", path, &[accept]).await;
            assert_eq!(response.status(), 200, "{path}");
            assert!(body.starts_with(b"<!doctype html>"), "{path}");
            assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
            assert_eq!(header(&response, "cache-control"), "no-cache");
            assert!(header(&response, "content-security-policy").contains("script-src 'self';"));
            assert_eq!(header(&response, "permissions-policy"), "microphone=(self)");
        }
        for (method, path, accept) in [
            ("GET", "/v1/nothing", BROWSER),
            ("GET", "/v1", BROWSER),
            ("GET", "/assets/old-0.js", ("accept", "*/*")),
            ("GET", "/../Cargo.toml", ("accept", "*/*")),
            ("POST", "/", BROWSER),
        ] {
            let (response, _) = ask::<Tiny>(method, path, &[accept]).await;
            assert_eq!(response.status(), 404, "{method} {path}");
            assert_eq!(header(&response, "content-type"), "application/problem+json");
        }
        let (response, body) = ask::<NotBuilt>("GET", "/", &[BROWSER]).await;
        assert_eq!(response.status(), 404);
        assert!(String::from_utf8_lossy(&body).contains("make web"), "{body:?}");
    }

    #[tokio::test]
    async fn files_are_kept_by_browsers_and_sent_small() {
        let path = "/assets/main-1a2b3c4d.js";
        let (response, plain) = ask::<Tiny>("GET", path, &[]).await;
        assert_eq!(header(&response, "content-type"), "text/javascript; charset=utf-8");
        assert_eq!(
            header(&response, "cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(header(&response, "content-encoding"), "");
        let tag = header(&response, "etag").to_owned();
        let (response, body) = ask::<Tiny>("GET", path, &[("if-none-match", &tag)]).await;
        assert_eq!((response.status().as_u16(), body.len()), (304, 0));
        let (response, small) = ask::<Tiny>("GET", path, &[("accept-encoding", "br, gzip;q=0.9")]).await;
        assert_eq!(header(&response, "content-encoding"), "gzip");
        assert!(small.len() < plain.len());
        let mut whole = Vec::new();
        flate2::read::GzDecoder::new(&small[..])
            .read_to_end(&mut whole)
            .expect("gzip");
        assert_eq!(whole, plain);
    }
}
