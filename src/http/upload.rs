//! `POST /v1/calls`: a recording or a transcript comes in.
//!
//! Bytes go to disk as they arrive, and are hashed on the way. The answer is given when they are in the blob store and the
//! call with its job is in the database: then nothing is lost.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::Utc;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::Json;
use super::{App, Error, idempotency};
use crate::domain::hex;
use crate::ingest;
use crate::service::Meta;
use crate::store::{Accepted, CallId, CallStatus, Consent, Idempotent, NewCall, Origin, Priority, Staged, UserId};

/// What is said about a file.
const LONGEST_META: usize = 64 << 10;
/// A client that sends nothing for so long has gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// Bytes that never came to a call are removed after so long.
const LONGEST_ORPHAN: chrono::Duration = chrono::Duration::hours(1);
/// A file whose name is not kept, or not known.
const NO_NAME: &str = "upload";
/// Larger call files are checked by the worker.
const CHECKED_AT_ONCE: u64 = 4 << 20;

/// A call that was taken in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Taken {
    pub id: String,
    /// `queued`; `cancelled` where consent was denied.
    pub status: CallStatus,
    /// Names in `meta` that mean nothing here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// For the description only.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of a multipart body")]
struct UploadForm {
    /// Recording (WAV, MP3, M4A, FLAC, OGG, WebM, MP4) or transcript (VTT, SRT, text, JSON).
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// JSON
    meta: Option<Meta>,
}

/// Takes in a recording or a transcript.
///
/// As a form with `file` and, if wanted, `meta`; or as a JSON call file, whose `meta` is read if it has one.
#[utoipa::path(post, path = "/v1/calls", tag = "calls",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and upload again: the same answer")),
    request_body(content(
        (UploadForm = "multipart/form-data"),
        (serde_json::Value = "application/json"),
    )),
    responses(
        (status = 202, body = Taken, description = "Kept; it will be worked on"),
        (status = 400, body = ProblemDocument),
        (status = 413, body = ProblemDocument),
        (status = 415, body = ProblemDocument),
        (status = 422, body = ProblemDocument),
    ))]
pub async fn upload(State(app): State<App>, user: User, request: Request) -> Result<Response, Error> {
    user.may_write(Resource::Calls)?;
    let name = idempotency::name(request.headers())?;
    let time = app.limits.upload_time;
    let arrived = tokio::time::timeout(time, arrive(&app, request))
        .await
        .map_err(|_| Error::too_slow())??;
    let (meta, ignored) = match &arrived.meta {
        Some(text) => Meta::read(text).map_err(Error::unusable)?,
        None => (Meta::default(), Vec::new()),
    };
    let owner = owner(&app, &user, &meta).await?;
    let denied = meta.consent == Some(Consent::Denied);
    let staged = &arrived.staged;
    let store = &app.shop.store;
    let workspace = &user.0.workspace;
    if !denied {
        // If this ends before there is a row, the bytes do not stay.
        store
            .expect_blob(workspace, &staged.hash, Utc::now() + LONGEST_ORPHAN)
            .await?;
        // Before the row, so that a row always has its bytes.
        app.shop.blobs.put(workspace, staged).await?;
    }
    let idempotent = name.map(|name| Idempotent {
        actor: user.actor(),
        name,
        request: {
            let mut hash = Sha256::new();
            for part in [
                &staged.hash,
                &arrived.source,
                arrived.meta.as_deref().unwrap_or_default(),
            ] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            hex(hash.finalize())
        },
        subject: None,
    });
    // Of a call that nobody agreed to, only that it was is kept.
    let meta = if denied { Meta::default() } else { meta };
    let call = NewCall {
        id: CallId::fresh(),
        owner,
        sees: user.scope().owner,
        origin: Origin::Upload,
        source: if denied {
            NO_NAME.to_owned()
        } else {
            arrived.source.clone()
        },
        blob: (!denied).then(|| (staged.hash.clone(), staged.size)),
        meta: serde_json::to_string(&meta).unwrap_or_default(),
        call_date: meta.call_date,
        started_at: meta.started_at,
        consent: if denied {
            Consent::Denied
        } else {
            meta.consent.unwrap_or(Consent::Unknown)
        },
        deal: meta.deal(),
        keys: meta.keys(),
        priority: Priority::Upload,
    };
    let accepted = store
        .add_call(workspace, call, idempotent, &user.actor(), Utc::now())
        .await?;
    let (id, before) = match accepted {
        Accepted::Call(id) => (id, false),
        Accepted::Before(id) => (id, true),
        Accepted::OtherRequest => return Err(idempotency::other_request()),
    };
    // A call with the same bytes may have been erased between the two steps; they are still at hand.
    if !denied
        && store.settle_blob(workspace, &staged.hash).await?
        && !app.shop.blobs.exists(workspace, &staged.hash).await?
    {
        app.shop.blobs.put(workspace, staged).await?;
    }
    app.shop.bell.notify_one();
    let taken = Taken {
        id: id.to_string(),
        status: if denied {
            CallStatus::Cancelled
        } else {
            CallStatus::Queued
        },
        ignored,
    };
    let response = (
        StatusCode::ACCEPTED,
        [(header::LOCATION, format!("/v1/calls/{id}"))],
        Json(taken),
    )
        .into_response();
    Ok(if before {
        idempotency::repeated(response)
    } else {
        response
    })
}

/// Whose call it is: reps upload for themselves.
async fn owner(app: &App, user: &User, meta: &Meta) -> Result<Option<UserId>, Error> {
    let Some(named) = &meta.owner else {
        return Ok(user.0.user.clone());
    };
    let found = app.shop.store.find_user(&user.0.workspace, named).await?;
    if let Some(own) = user.scope().owner {
        // Whether there is another user of this name is not told either.
        return match found {
            Some(found) if found.id == own => Ok(Some(own)),
            _ => Err(Error::forbidden("meta.owner: a rep uploads own calls")),
        };
    }
    let found = found.ok_or_else(|| Error::unusable("meta.owner: there is no such user"))?;
    Ok(Some(found.id))
}

/// An upload that has arrived.
struct Arrived {
    staged: Staged,
    source: String,
    meta: Option<String>,
}

async fn arrive(app: &App, request: Request) -> Result<Arrived, Error> {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    if kind.starts_with("multipart/form-data") {
        return form(app, request).await;
    }
    if kind.starts_with("application/json") {
        return call_file(app, request.into_body()).await;
    }
    Err(Error::media_type(
        "send a form (multipart/form-data) with a field `file`, or a call file as application/json",
    ))
}

async fn form(app: &App, request: Request) -> Result<Arrived, Error> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        // What is in front of us, or a client that has gone.
        Error::bad_request(format!("the form cannot be read: {}", error.body_text()))
    };
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| Error::bad_request(error.body_text()))?;
    let (mut file, mut meta) = (None, None);
    while let Some(mut field) = silence(form.next_field()).await?.map_err(broken)? {
        match field.name() {
            Some("file") if file.is_none() => {
                let source = file_name(field.file_name());
                let mut writer = app.shop.blobs.stage().await?;
                while let Some(bytes) = silence(field.chunk()).await?.map_err(broken)? {
                    if writer.size() + bytes.len() as u64 > app.limits.upload {
                        return Err(Error::too_large(app.limits.upload));
                    }
                    writer.write(&bytes).await?;
                }
                file = Some((writer.finish().await?, source));
            }
            Some("meta") if meta.is_none() => {
                let mut text = Vec::new();
                while let Some(bytes) = silence(field.chunk()).await?.map_err(broken)? {
                    if text.len() + bytes.len() > LONGEST_META {
                        return Err(Error::bad_request("meta: longer than 64 KiB"));
                    }
                    text.extend_from_slice(&bytes);
                }
                meta = Some(String::from_utf8(text).map_err(|_| Error::bad_request("meta: not UTF-8"))?);
            }
            Some(name @ ("file" | "meta")) => {
                return Err(Error::bad_request(format!(
                    "the form has `{name}` twice; send one call at a time"
                )));
            }
            _ => {
                return Err(Error::bad_request(
                    "the form has a field that is neither `file` nor `meta`",
                ));
            }
        }
    }
    let (staged, source) = file.ok_or_else(|| Error::bad_request("the form has no field `file`"))?;
    if staged.size == 0 {
        return Err(Error::unusable(format!("{source}: the file is empty; export it again")));
    }
    Ok(Arrived { staged, source, meta })
}

/// What a call file may say besides the call.
#[derive(Deserialize)]
struct WithMeta {
    meta: Option<serde_json::Value>,
}

async fn call_file(app: &App, body: Body) -> Result<Arrived, Error> {
    const SOURCE: &str = "call.json";
    let mut writer = app.shop.blobs.stage().await?;
    let mut bytes = body.into_data_stream();
    while let Some(part) = silence(bytes.next()).await? {
        let part = part.map_err(|_| Error::bad_request("the body ended early"))?;
        if writer.size() + part.len() as u64 > app.limits.upload {
            return Err(Error::too_large(app.limits.upload));
        }
        writer.write(&part).await?;
    }
    let staged = writer.finish().await?;
    let path = staged.path().to_owned();
    let at_once = staged.size <= CHECKED_AT_ONCE;
    let meta = tokio::task::spawn_blocking(move || {
        if at_once {
            ingest::read_as(&path, SOURCE, &ingest::Options::default())
                .map_err(|error| Error::unusable(error.to_string()))?;
        }
        let file = std::fs::File::open(&path).map_err(crate::store::Error::from)?;
        let with: WithMeta = serde_json::from_reader(std::io::BufReader::new(file))
            .map_err(|error| Error::bad_request(format!("not JSON: {error}")))?;
        Ok::<_, Error>(with.meta.map(|meta| meta.to_string()))
    })
    .await
    .map_err(|_| Error::unusable("the call file cannot be read"))??;
    Ok(Arrived {
        staged,
        source: SOURCE.to_owned(),
        meta,
    })
}

/// The next part, unless the client has fallen silent.
async fn silence<T>(part: impl Future<Output = T>) -> Result<T, Error> {
    tokio::time::timeout(LONGEST_SILENCE, part)
        .await
        .map_err(|_| Error::too_slow())
}

const LONGEST_NAME: usize = 200;

/// The last part of a path, without what no file name holds.
fn file_name(said: Option<&str>) -> String {
    let last = said.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    let name = name.trim();
    if name.is_empty() || name.chars().all(|c| c == '.') {
        NO_NAME.to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn names_of_files() {
        for (said, kept) in [
            (Some("call.wav"), "call.wav"),
            (Some("../../etc/passwd"), "passwd"),
            (Some("C:\\calls\\звонок 1.mp3"), "звонок 1.mp3"),
            (Some(".."), "upload"),
            (Some("a\nb.vtt"), "ab.vtt"),
            (None, "upload"),
        ] {
            assert_eq!(file_name(said), kept, "{said:?}");
        }
    }
}
