//! Endpoints: where events go. Receivers of webhooks, connections to a CRM, and the mail server.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Path, Query, or_default};
use super::idempotency::ShownOnce;
use super::{App, Error};
use crate::deliver;
use crate::deliver::crm::{BUILT_IN, Connection, CrmFile, Mapping};
use crate::deliver::mail::{MailSettings, Server};
use crate::store::{self, Disabled, EndpointChange, EndpointId, EndpointKind, NewEndpoint, Replay, Sealed};

/// Characters of an address.
const LONGEST_URL: usize = 2000;
/// So long an old secret signs too, if nothing else is said. Seconds.
const OLD_FOR_S: u32 = 24 * 3600;
const OLD_FOR_AT_MOST_S: u32 = 7 * 24 * 3600;

/// Another endpoint was switched off: told where it is asked for.
const OF_OTHERS: &str = "endpoint.disabled";

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
        .routes(routes!(test))
        .routes(routes!(rotate))
        .routes(routes!(replay))
}

/// Where events go, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
struct Endpoint {
    id: String,
    kind: EndpointKind,
    /// Of a receiver of webhooks.
    url: Option<String>,
    /// Name of a connection to a CRM.
    crm: Option<String>,
    /// Host and port of a mail server.
    mail: Option<String>,
    /// Whether the connection is described by a file of the customer.
    own_file: bool,
    /// What it is told of; empty: everything but `endpoint.disabled`.
    types: Vec<String>,
    enabled: bool,
    /// Why it is switched off: `person`, `gone` (it answered 410), `failing` (nothing succeeded for 5 days), `receiver` (it
    /// asked for it).
    disabled_why: Option<Disabled>,
    disabled_at: Option<DateTime<Utc>>,
    /// Since when nothing succeeded.
    failing_since: Option<DateTime<Utc>>,
    last_success_at: Option<DateTime<Utc>>,
    /// Until then nothing is sent: it asked for it.
    rests_until: Option<DateTime<Utc>>,
    /// Until then the secret before the last one signs too.
    old_secret_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<store::Endpoint> for Endpoint {
    fn from(endpoint: store::Endpoint) -> Self {
        let now = Utc::now();
        let (url, crm, mail) = match endpoint.kind {
            EndpointKind::Webhook => (Some(endpoint.target), None, None),
            EndpointKind::Crm => (None, Some(endpoint.target), None),
            EndpointKind::Mail => (None, None, Some(endpoint.target)),
        };
        Self {
            id: endpoint.id.to_string(),
            kind: endpoint.kind,
            url,
            crm,
            mail,
            own_file: endpoint.file.is_some(),
            types: endpoint.types,
            enabled: endpoint.disabled.is_none(),
            disabled_why: endpoint.disabled.map(|(why, _)| why),
            disabled_at: endpoint.disabled.map(|(_, at)| at),
            failing_since: endpoint.failing_since,
            last_success_at: endpoint.last_success_at,
            rests_until: Some(endpoint.not_before).filter(|until| *until > now),
            old_secret_until: endpoint.previous.map(|(_, until)| until).filter(|until| *until > now),
            created_at: endpoint.created_at,
        }
    }
}

/// An endpoint with what it was set to.
#[derive(Serialize, ToSchema)]
struct EndpointState {
    #[serde(flatten)]
    about: Endpoint,
    /// Of a connection to a CRM, in place of each secret the word `set`; null: it has none, or they cannot be read.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

impl EndpointState {
    fn of(app: &App, endpoint: store::Endpoint) -> Self {
        let settings = shown_settings(app, &endpoint);
        Self {
            about: endpoint.into(),
            settings,
        }
    }
}

/// What of the settings of a connection may be seen.
fn shown_settings(app: &App, endpoint: &store::Endpoint) -> Option<Map<String, Value>> {
    if endpoint.kind != EndpointKind::Crm {
        return None;
    }
    let text = (endpoint.file.as_deref()).or_else(|| CrmFile::built_in(&endpoint.target))?;
    let file = CrmFile::load(text, &endpoint.target).ok()?;
    let opened = app.gate.vault.open(&endpoint.id, &endpoint.secret).ok()?;
    let mut settings: Map<String, Value> = serde_json::from_str(opened.expose_secret()).ok()?;
    for secret in file.secret_settings() {
        if let Some(value) = settings.get_mut(secret) {
            *value = json!("set");
        }
    }
    Some(settings)
}

/// An endpoint with the secret that signs what it is told: not shown again.
#[derive(Serialize, ToSchema)]
struct FreshEndpoint {
    #[serde(flatten)]
    about: Endpoint,
    /// `whsec_…`; null: a CRM or a mail server needs none.
    secret: Option<String>,
}

/// A receiver of webhooks (`url`), a connection to a CRM (`crm` or `crm_file`, with `settings`), or the mail server of the
/// workspace (`mail`), which sends approved letters.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewEndpoint)]
#[serde(deny_unknown_fields)]
struct Add {
    /// `https://`; private hosts, and `http://` to them, only where the operator of the server allows it.
    #[schema(example = "https://example.com/dealstage")]
    url: Option<String>,
    /// What a receiver of webhooks is told of; nothing: everything.
    #[schema(example = json!(["call.analyzed"]))]
    types: Option<Vec<String>>,
    /// Name of a CRM that the program knows.
    #[schema(example = "hubspot")]
    crm: Option<String>,
    /// A connection file (TOML) for another one.
    crm_file: Option<String>,
    /// Of the connection. They are encrypted; those that are secret are not shown again.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
    mail: Option<MailSettings>,
}

/// What is not said stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndpointChange)]
#[serde(deny_unknown_fields)]
struct Change {
    types: Option<Vec<String>>,
    /// Switched on again, it starts afresh; what failed meanwhile can be sent with `replay`.
    enabled: Option<bool>,
    /// In place of all that were there.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
    crm_file: Option<String>,
    /// Of the same host and port; in place of all that was there.
    mail: Option<MailSettings>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Rotate {
    /// Seconds that the old secret signs too: a day, if nothing is said; at most seven.
    old_for_s: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Which {
    /// Deliveries that failed for good.
    Failed,
    /// Events that came while it was switched off, or before it was there.
    NeverAttempted,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Again {
    which: Which,
    since: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Sent {
    /// Deliveries that are sent again.
    count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Testing {
    /// Where to see what came of it.
    delivery_id: String,
}

/// A new secret, shown this once.
#[derive(Serialize, ToSchema)]
struct Rotated {
    secret: String,
    /// Until then the old one signs too.
    old_secret_until: DateTime<Utc>,
}

fn types(said: Vec<String>) -> Result<Vec<String>, Error> {
    let mut types = said;
    types.sort();
    types.dedup();
    let known = EndpointKind::Webhook.types();
    let is_known = |said: &String| said == OF_OTHERS || known.contains(&said.as_str());
    if let Some(unknown) = types.iter().find(|said| !is_known(said)) {
        let known = known.join(", ");
        return Err(Error::unusable(format!(
            "types: `{unknown}` is none; there are {known}, {OF_OTHERS}"
        )));
    }
    Ok(types)
}

fn receiver(app: &App, said: &str) -> Result<String, Error> {
    let unusable = |problem: &dyn std::fmt::Display| Error::unusable(format!("url: {problem}"));
    let mut url = url::Url::parse(said.trim()).map_err(|error| unusable(&error))?;
    url.set_fragment(None);
    app.gate.guard.check(&url).map_err(|blocked| unusable(&blocked))?;
    if url.as_str().len() > LONGEST_URL {
        return Err(unusable(&format!("at most {LONGEST_URL} characters")));
    }
    Ok(url.into())
}

fn seal(app: &App, id: &EndpointId, secret: &SecretString) -> Result<Sealed, Error> {
    app.gate.vault.seal(id, secret).map_err(|error| match error {
        deliver::VaultError::NoKey => Error::conflict(error.to_string()),
        other => {
            tracing::error!(error = %other, "a secret cannot be sealed");
            Error::internal()
        }
    })
}

fn fresh_secret() -> Result<SecretString, Error> {
    deliver::fresh_secret().map_err(|_| Error::internal())
}

/// A connection as it is kept: its name, and what its settings are as one secret. `crm` names one of the program, for which
/// there is no file.
fn connection(
    app: &App,
    crm: Option<&str>,
    own: Option<&str>,
    settings: &Map<String, Value>,
) -> Result<(String, SecretString), Error> {
    let (text, source) = match (crm, own) {
        (_, Some(text)) => (text, "crm_file"),
        (Some(name), None) => (CrmFile::built_in(name).ok_or_else(unknown_crm)?, name),
        (None, None) => return Err(unknown_crm()),
    };
    let file = CrmFile::load(text, source).map_err(|error| {
        let problems: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
        Error::unusable_file(
            format!("the connection file has {} problem(s)", problems.len()),
            problems,
        )
    })?;
    Connection::open(&file, settings, &app.gate.guard)
        .map_err(|error| Error::unusable(format!("settings: {error}")))?;
    Mapping::read(settings).map_err(|error| Error::unusable(format!("settings: {error}")))?;
    let kept = serde_json::to_string(settings).map_err(|_| Error::internal())?;
    Ok((file.name().to_owned(), SecretString::from(kept)))
}

fn unknown_crm() -> Error {
    let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    Error::unusable(format!(
        "crm: there are {}; for another send a `crm_file`",
        known.join(", ")
    ))
}

/// A mail server as it is kept: its name, and its settings as one secret.
fn mail_server(app: &App, settings: &MailSettings) -> Result<(String, SecretString), Error> {
    let unusable = |problem: &dyn std::fmt::Display| Error::unusable(format!("mail.{problem}"));
    let server = Server::read(settings).map_err(|problem| unusable(&problem))?;
    (app.gate.guard)
        .check_host(&server.host, server.is_encrypted())
        .map_err(|blocked| unusable(&format!("host: {blocked}")))?;
    let kept = serde_json::to_string(settings).map_err(|_| Error::internal())?;
    Ok((server.name(), SecretString::from(kept)))
}

/// Endpoints, the newest first.
#[utoipa::path(get, path = "/v1/endpoints", tag = "delivery", params(PageQuery),
    responses((status = 200, body = Page<Endpoint>), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: User,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Endpoint>>, Error> {
    user.may_read(Resource::Endpoints)?;
    let limit = page.limit()?;
    let before = page.cursor.map(EndpointId::from);
    let endpoints = (app.shop.store)
        .endpoints(&user.0.workspace, before.as_ref(), limit + 1)
        .await?;
    let cursor = |endpoint: &store::Endpoint| endpoint.id.to_string();
    Ok(Json(Page::new(endpoints, limit, cursor, Endpoint::from)))
}

/// Adds an endpoint. The secret that signs webhooks is shown this once.
#[utoipa::path(post, path = "/v1/endpoints", tag = "delivery", request_body = Add,
    responses(
        (status = 201, body = FreshEndpoint),
        (status = 403, body = ProblemDocument),
        (status = 409, body = ProblemDocument,
            description = "The server has no key to encrypt secrets with, or the workspace has a mail server already"),
        (status = 422, body = ProblemDocument),
    ))]
async fn add(
    State(app): State<App>,
    user: User,
    Json(wanted): Json<Add>,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<FreshEndpoint>), Error> {
    user.may_write(Resource::Endpoints)?;
    let id = EndpointId::fresh();
    let (new, shown) = match wanted {
        Add {
            url: Some(url),
            types: said,
            crm: None,
            crm_file: None,
            settings: None,
            mail: None,
        } => {
            let target = receiver(&app, &url)?;
            let types = types(said.unwrap_or_default())?;
            let secret = fresh_secret()?;
            let new = NewEndpoint {
                id: id.clone(),
                kind: EndpointKind::Webhook,
                target,
                types,
                secret: seal(&app, &id, &secret)?,
                file: None,
            };
            (new, Some(secret))
        }
        Add {
            url: None,
            types: None,
            crm,
            crm_file,
            settings,
            mail: None,
        } if crm.is_some() != crm_file.is_some() => {
            let settings = settings.unwrap_or_default();
            let (target, secret) = connection(&app, crm.as_deref(), crm_file.as_deref(), &settings)?;
            let new = NewEndpoint {
                id: id.clone(),
                kind: EndpointKind::Crm,
                target,
                types: Vec::new(),
                secret: seal(&app, &id, &secret)?,
                file: crm_file,
            };
            (new, None)
        }
        Add {
            url: None,
            types: None,
            crm: None,
            crm_file: None,
            settings: None,
            mail: Some(mail),
        } => {
            let (target, secret) = mail_server(&app, &mail)?;
            let new = NewEndpoint {
                id: id.clone(),
                kind: EndpointKind::Mail,
                target,
                types: Vec::new(),
                secret: seal(&app, &id, &secret)?,
                file: None,
            };
            (new, None)
        }
        _ => {
            return Err(Error::unusable(
                "either `url` with `types` (webhooks), or one of `crm` and `crm_file` with `settings`, or `mail`",
            ));
        }
    };
    let workspace = &user.0.workspace;
    let store = &app.shop.store;
    store.add_endpoint(workspace, new, &user.actor(), Utc::now()).await?;
    let about = seen(&app, &user, &id).await?.into();
    let secret = shown.map(|secret| secret.expose_secret().to_owned());
    Ok((
        StatusCode::CREATED,
        Extension(ShownOnce),
        Json(FreshEndpoint { about, secret }),
    ))
}

async fn seen(app: &App, user: &User, id: &EndpointId) -> Result<store::Endpoint, Error> {
    let endpoint = app.shop.store.endpoint(&user.0.workspace, id).await?;
    endpoint.ok_or_else(|| Error::not_found("endpoint"))
}

/// An endpoint.
#[utoipa::path(get, path = "/v1/endpoints/{id}", tag = "delivery", params(("id" = String, Path)),
    responses((status = 200, body = EndpointState), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: User, Path(id): Path<EndpointId>) -> Result<Json<EndpointState>, Error> {
    user.may_read(Resource::Endpoints)?;
    let endpoint = seen(&app, &user, &id).await?;
    Ok(Json(EndpointState::of(&app, endpoint)))
}

/// Changes what an endpoint is told of, or the settings of a connection; switches it off, or on again.
#[utoipa::path(patch, path = "/v1/endpoints/{id}", tag = "delivery", params(("id" = String, Path)), request_body = Change,
    responses(
        (status = 200, body = Endpoint),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 422, body = ProblemDocument),
    ))]
async fn change(
    State(app): State<App>,
    user: User,
    Path(id): Path<EndpointId>,
    Json(wanted): Json<Change>,
) -> Result<Json<Endpoint>, Error> {
    user.may_write(Resource::Endpoints)?;
    let endpoint = seen(&app, &user, &id).await?;
    let mut change = EndpointChange {
        enabled: wanted.enabled,
        ..EndpointChange::default()
    };
    match endpoint.kind {
        EndpointKind::Webhook => {
            if wanted.settings.is_some() || wanted.crm_file.is_some() || wanted.mail.is_some() {
                return Err(Error::unusable(
                    "a receiver of webhooks has neither `settings` nor `crm_file` nor `mail`",
                ));
            }
            change.types = wanted.types.map(types).transpose()?;
        }
        EndpointKind::Mail => {
            if wanted.types.is_some() || wanted.settings.is_some() || wanted.crm_file.is_some() {
                return Err(Error::unusable(
                    "a mail server has neither `types` nor `settings` nor `crm_file`; send `mail`",
                ));
            }
            if let Some(mail) = wanted.mail {
                let (name, secret) = mail_server(&app, &mail)?;
                if name != endpoint.target {
                    return Err(Error::unusable(format!(
                        "mail: it is {name}, and the endpoint {}; delete this one and make a new one",
                        endpoint.target
                    )));
                }
                change.secret = Some(seal(&app, &id, &secret)?);
            }
        }
        EndpointKind::Crm => {
            if wanted.mail.is_some() {
                return Err(Error::unusable("mail: it is for mail servers; send `settings`"));
            }
            if wanted.types.is_some() {
                return Err(Error::unusable("types: they are for receivers of webhooks"));
            }
            if wanted.crm_file.is_some() && wanted.settings.is_none() {
                return Err(Error::unusable(
                    "crm_file: send its `settings` along; those that are kept are not read back",
                ));
            }
            if let Some(settings) = wanted.settings {
                let file = wanted.crm_file.as_deref().or(endpoint.file.as_deref());
                let (name, secret) = connection(&app, Some(&endpoint.target), file, &settings)?;
                if name != endpoint.target {
                    return Err(Error::unusable(format!(
                        "crm_file: it is named `{name}`, and the connection `{}`; make a new one",
                        endpoint.target
                    )));
                }
                change.secret = Some(seal(&app, &id, &secret)?);
                change.file = wanted.crm_file;
            }
        }
    }
    let changed = (app.shop.store)
        .change_endpoint(&user.0.workspace, &id, change, &user.actor(), Utc::now())
        .await?;
    app.shop.courier.notify_waiters();
    Ok(Json(changed.into()))
}

/// Deletes an endpoint with its deliveries and proposals.
#[utoipa::path(delete, path = "/v1/endpoints/{id}", tag = "delivery", params(("id" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
async fn remove(State(app): State<App>, user: User, Path(id): Path<EndpointId>) -> Result<StatusCode, Error> {
    user.may_write(Resource::Endpoints)?;
    (app.shop.store)
        .delete_endpoint(&user.0.workspace, &id, &user.actor(), Utc::now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends `endpoint.test` to an endpoint, whatever types it wants. What came of it is in the delivery.
#[utoipa::path(post, path = "/v1/endpoints/{id}/test", tag = "delivery", params(("id" = String, Path)),
    responses(
        (status = 202, body = Testing),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It is switched off"),
    ))]
async fn test(
    State(app): State<App>,
    user: User,
    Path(id): Path<EndpointId>,
) -> Result<(StatusCode, Json<Testing>), Error> {
    user.may_write(Resource::Endpoints)?;
    let payload = json!({"endpoint_id": id}).to_string();
    let delivery = (app.shop.store)
        .test_endpoint(&user.0.workspace, &id, &payload, &user.actor(), Utc::now())
        .await?;
    app.shop.courier.notify_waiters();
    let delivery_id = delivery.to_string();
    Ok((StatusCode::ACCEPTED, Json(Testing { delivery_id })))
}

/// Gives a receiver of webhooks a new secret. The old one signs too for a while: change the receiver meanwhile.
#[utoipa::path(post, path = "/v1/endpoints/{id}/rotate", tag = "delivery", params(("id" = String, Path)),
    request_body(content = Rotate, description = "May be left out"),
    responses(
        (status = 200, body = Rotated),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The server has no key to encrypt secrets with"),
        (status = 422, body = ProblemDocument),
    ))]
async fn rotate(
    State(app): State<App>,
    user: User,
    Path(id): Path<EndpointId>,
    body: axum::body::Bytes,
) -> Result<(Extension<ShownOnce>, Json<Rotated>), Error> {
    user.may_write(Resource::Endpoints)?;
    let wanted: Rotate = or_default(&body)?;
    if seen(&app, &user, &id).await?.kind != EndpointKind::Webhook {
        return Err(Error::unusable(
            "only receivers of webhooks have such a secret; change the `settings`, or the `mail`",
        ));
    }
    let old_for_s = wanted.old_for_s.unwrap_or(OLD_FOR_S);
    if old_for_s > OLD_FOR_AT_MOST_S {
        return Err(Error::unusable(format!("old_for_s: at most {OLD_FOR_AT_MOST_S}")));
    }
    let secret = fresh_secret()?;
    let now = Utc::now();
    let old_secret_until = now + Duration::seconds(i64::from(old_for_s));
    let change = EndpointChange {
        rotate: Some((seal(&app, &id, &secret)?, old_secret_until)),
        ..EndpointChange::default()
    };
    (app.shop.store)
        .change_endpoint(&user.0.workspace, &id, change, &user.actor(), now)
        .await?;
    let secret = secret.expose_secret().to_owned();
    Ok((
        Extension(ShownOnce),
        Json(Rotated {
            secret,
            old_secret_until,
        }),
    ))
}

/// Sends again what failed since a time, or what was never sent. Every event keeps its `webhook-id`.
#[utoipa::path(post, path = "/v1/endpoints/{id}/replay", tag = "delivery", params(("id" = String, Path)), request_body = Again,
    responses(
        (status = 202, body = Sent),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It is switched off"),
        (status = 422, body = ProblemDocument),
    ))]
async fn replay(
    State(app): State<App>,
    user: User,
    Path(id): Path<EndpointId>,
    Json(again): Json<Again>,
) -> Result<(StatusCode, Json<Sent>), Error> {
    user.may_write(Resource::Endpoints)?;
    let (endpoint, since) = (id, again.since);
    let what = match again.which {
        Which::Failed => Replay::Failed { endpoint, since },
        Which::NeverAttempted => Replay::NeverAttempted { endpoint, since },
    };
    let count = (app.shop.store)
        .replay(&user.0.workspace, what, &user.actor(), Utc::now())
        .await?;
    app.shop.courier.notify_waiters();
    Ok((StatusCode::ACCEPTED, Json(Sent { count })))
}
