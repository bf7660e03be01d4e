//! Keys for programs. Nobody makes a key that may more, or lives longer, than what made it.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{self, ADMIN_SCOPE, Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Query};
use super::idempotency::ShownOnce;
use super::{App, Error};
use crate::store::{self, KeyId, NewKey, PersonRole};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(revoke))
}

/// A key, without what opens the door.
#[derive(Debug, Serialize, ToSchema)]
pub struct Key {
    id: String,
    name: String,
    /// Its first characters, to tell keys apart.
    prefix: String,
    role: PersonRole,
    /// `RESOURCE:read`, `RESOURCE:write`; `*`: all that the role allows.
    scopes: Vec<String>,
    /// The user whose key it is; null: one of the workspace.
    user_id: Option<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<store::Key> for Key {
    fn from(key: store::Key) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            prefix: key.prefix,
            role: key.role,
            scopes: key.scopes,
            user_id: key.user.map(|user| user.to_string()),
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A key with what opens the door: kept nowhere, not shown again.
#[derive(Serialize, ToSchema)]
pub struct FreshKey {
    #[serde(flatten)]
    about: Key,
    /// 256 random bits.
    key: String,
}

/// Makes what is stored of a new key, and what is shown of it this once.
pub fn make(
    user: Option<store::UserId>,
    name: String,
    role: PersonRole,
    scopes: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<(NewKey, FreshKey), Error> {
    let secret = SecretString::from(auth::fresh_key().map_err(|_| Error::internal())?);
    let new = NewKey {
        id: KeyId::fresh(),
        user,
        name,
        role,
        scopes,
        prefix: auth::key_prefix(secret.expose_secret()),
        hash: auth::key_hash(secret.expose_secret()),
        expires_at,
    };
    let about = Key {
        id: new.id.to_string(),
        name: new.name.clone(),
        prefix: new.prefix.clone(),
        role,
        scopes: new.scopes.clone(),
        user_id: new.user.as_ref().map(ToString::to_string),
        created_at: now,
        expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    let key = secret.expose_secret().to_owned();
    Ok((new, FreshKey { about, key }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewKey)]
#[serde(deny_unknown_fields)]
struct Add {
    /// What it is for.
    #[schema(example = "telephone system")]
    name: String,
    /// The own role, or the lesser one of the user, if nothing is said.
    role: Option<PersonRole>,
    /// `RESOURCE:read`, `RESOURCE:write`, or `*`; as the caller's own, if nothing is said.
    scopes: Option<Vec<String>>,
    /// Id of the user whose key it is. It never may more than the user, and stops with the user. A rep's key needs one.
    user_id: Option<String>,
    expires_at: Option<DateTime<Utc>>,
}

/// What a key is called, or a person, or a workspace.
pub fn label(field: &str, said: &str) -> Result<String, Error> {
    const LONGEST: usize = 100;
    let said = said.trim();
    if said.is_empty() || said.chars().count() > LONGEST || said.chars().any(char::is_control) {
        return Err(Error::unusable(format!("{field}: 1 to {LONGEST} visible characters")));
    }
    Ok(said.to_owned())
}

fn scopes(said: Option<Vec<String>>, caller: &store::Caller) -> Result<Vec<String>, Error> {
    let Some(mut scopes) = said else {
        return Ok(caller.scopes.clone());
    };
    scopes.sort();
    scopes.dedup();
    if scopes.is_empty() {
        return Err(Error::unusable("scopes: at least one is needed"));
    }
    for scope in &scopes {
        let is_known = scope == ADMIN_SCOPE
            || scope.split_once(':').is_some_and(|(resource, what)| {
                ["read", "write"].contains(&what) && Resource::ALL.iter().any(|known| known.as_str() == resource)
            });
        if !is_known {
            let known: Vec<&str> = Resource::ALL.iter().map(|resource| resource.as_str()).collect();
            return Err(Error::unusable(format!(
                "scopes: `*`, or RESOURCE:read and RESOURCE:write of {}",
                known.join(", ")
            )));
        }
        if !caller.scopes.iter().any(|own| own == ADMIN_SCOPE || own == scope) {
            return Err(Error::forbidden(format!("this key lacks the scope `{scope}` itself")));
        }
    }
    Ok(scopes)
}

/// Keys, the newest first; those that ran out or were revoked among them.
#[utoipa::path(get, path = "/v1/keys", tag = "access", params(PageQuery),
    responses((status = 200, body = Page<Key>), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn list(State(app): State<App>, user: User, Query(page): Query<PageQuery>) -> Result<Json<Page<Key>>, Error> {
    user.may_read(Resource::Keys)?;
    let limit = page.limit()?;
    let after = page.cursor.map(KeyId::from);
    let keys = app
        .shop
        .store
        .keys(&user.0.workspace, after.as_ref(), limit + 1)
        .await?;
    Ok(Json(Page::new(keys, limit, |key| key.id.to_string(), Key::from)))
}

/// Makes a key. It is shown this once.
#[utoipa::path(post, path = "/v1/keys", tag = "access", request_body = Add,
    responses(
        (status = 201, body = FreshKey),
        (status = 403, body = ProblemDocument, description = "It would be allowed more than the caller"),
        (status = 404, body = ProblemDocument, description = "There is no such user"),
        (status = 422, body = ProblemDocument),
    ))]
async fn add(
    State(app): State<App>,
    user: User,
    Json(wanted): Json<Add>,
) -> Result<(StatusCode, Extension<ShownOnce>, Json<FreshKey>), Error> {
    user.may_write(Resource::Keys)?;
    let caller = &user.0;
    let store = &app.shop.store;
    let now = Utc::now();
    let name = label("name", &wanted.name)?;
    let scopes = scopes(wanted.scopes, caller)?;
    let person = match &wanted.user_id {
        Some(id) => Some(super::users::named(&app, &user, id).await?),
        None => None,
    };
    let most = person.as_ref().map_or(PersonRole::Admin, |person| person.role);
    let role = wanted.role.unwrap_or_else(|| caller.role.at_most(most));
    if role.rank() > caller.role.rank() {
        return Err(Error::forbidden(format!(
            "role: a {} makes no such key",
            caller.role.as_str()
        )));
    }
    if role.rank() > most.rank() {
        return Err(Error::unusable(format!("role: the user is a {}", most.as_str())));
    }
    if role == PersonRole::Rep && person.is_none() {
        return Err(Error::unusable(
            "user_id: a rep's key needs the rep, whose calls it shows",
        ));
    }
    if person.as_ref().is_some_and(|person| person.disabled_at.is_some()) {
        return Err(Error::unusable("user_id: the user is disabled"));
    }
    if wanted.expires_at.is_some_and(|at| at <= now) {
        return Err(Error::unusable("expires_at: this moment has passed"));
    }
    let expires_at = match (wanted.expires_at, caller.expires_at) {
        (Some(wanted), Some(own)) if wanted > own => {
            return Err(Error::forbidden("expires_at: this key runs out before that itself"));
        }
        (wanted, own) => wanted.or(own),
    };
    let (new, fresh) = make(person.map(|person| person.id), name, role, scopes, expires_at, now)?;
    store.add_key(&caller.workspace, new, &user.actor(), now).await?;
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(fresh)))
}

/// Revokes a key. From the answer on, nobody gets in with it.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "access", params(("id" = String, Path)),
    responses((status = 204), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
async fn revoke(State(app): State<App>, user: User, Path(id): Path<KeyId>) -> Result<StatusCode, Error> {
    user.may_write(Resource::Keys)?;
    app.shop
        .store
        .revoke_key(&user.0.workspace, &id, &user.actor(), Utc::now())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
