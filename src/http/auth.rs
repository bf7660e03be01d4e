//! Who asks, and whether they may.

use std::num::NonZeroU32;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{Duration, Utc};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use rand::TryRng as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::{App, Error, Limits, sessions};
use crate::domain::hex;
use crate::store::{Caller, PersonRole, Scope, UserId};

/// All that the role allows.
pub const ADMIN_SCOPE: &str = "*";

/// 256 random bits.
pub fn random_token() -> Result<String, rand::rngs::SysError> {
    let mut bytes = [0; 32];
    rand::rngs::SysRng.try_fill_bytes(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A key for a program: 256 random bits. It is shown once and only its hash is kept.
pub fn fresh_key() -> Result<String, rand::rngs::SysError> {
    Ok(format!("dsk_{}", random_token()?))
}

/// What is kept of a key, or of the cookie of a session. So many random bits need no slow hash; comparing hashes tells nothing about the key.
pub fn key_hash(key: &str) -> String {
    hex(Sha256::digest(key))
}

/// Enough to tell keys apart.
pub fn key_prefix(key: &str) -> String {
    key.chars().take(10).collect()
}

/// How often each key asks.
pub struct Rates(RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock>);

impl Rates {
    pub fn new(limits: &Limits) -> Self {
        let rate = NonZeroU32::new(limits.rate).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(limits.burst).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::keyed(Quota::per_minute(rate).allow_burst(burst)))
    }

    fn check(&self, who: &str) -> Result<(), Error> {
        self.0.check_key(&who.to_owned()).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            Error::too_many(wait.as_secs() + 1)
        })
    }
}

/// Whoever sent the request.
#[derive(Debug, Clone)]
pub struct User(pub Caller);

/// What a scope of a key is about: `RESOURCE:read` or `RESOURCE:write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Calls,
    Deals,
    Events,
    Insights,
    Process,
    Users,
    Keys,
    Audit,
    Settings,
    Workspaces,
    Endpoints,
    Deliveries,
    Proposals,
}

impl Resource {
    pub const ALL: [Self; 13] = [
        Self::Calls,
        Self::Deals,
        Self::Events,
        Self::Insights,
        Self::Process,
        Self::Users,
        Self::Keys,
        Self::Audit,
        Self::Settings,
        Self::Workspaces,
        Self::Endpoints,
        Self::Deliveries,
        Self::Proposals,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Deals => "deals",
            Self::Events => "events",
            Self::Insights => "insights",
            Self::Process => "process",
            Self::Users => "users",
            Self::Keys => "keys",
            Self::Audit => "audit",
            Self::Settings => "settings",
            Self::Workspaces => "workspaces",
            Self::Endpoints => "endpoints",
            Self::Deliveries => "deliveries",
            Self::Proposals => "proposals",
        }
    }

    /// The least role that may read it, and that may change it.
    const fn roles(self) -> (PersonRole, PersonRole) {
        match self {
            Self::Calls | Self::Deals | Self::Events | Self::Proposals => (PersonRole::Rep, PersonRole::Rep),
            Self::Insights => (PersonRole::Manager, PersonRole::Manager),
            Self::Process => (PersonRole::Rep, PersonRole::Admin),
            // Who sends again tells the customer's systems something.
            Self::Deliveries => (PersonRole::Rep, PersonRole::Manager),
            Self::Users => (PersonRole::Manager, PersonRole::Admin),
            Self::Keys | Self::Audit | Self::Settings | Self::Workspaces | Self::Endpoints => {
                (PersonRole::Admin, PersonRole::Admin)
            }
        }
    }
}

impl User {
    pub fn may_read(&self, resource: Resource) -> Result<(), Error> {
        self.may(resource, "read", resource.roles().0)
    }

    pub fn may_write(&self, resource: Resource) -> Result<(), Error> {
        self.may(resource, "write", resource.roles().1)
    }

    fn may(&self, resource: Resource, what: &str, least: PersonRole) -> Result<(), Error> {
        if self.0.role.rank() < least.rank() {
            return Err(Error::forbidden(format!(
                "a {} may not do this; it takes a {}",
                self.0.role.as_str(),
                least.as_str()
            )));
        }
        let wanted = format!("{}:{what}", resource.as_str());
        if self
            .0
            .scopes
            .iter()
            .any(|scope| scope == ADMIN_SCOPE || *scope == wanted)
        {
            return Ok(());
        }
        Err(Error::forbidden(format!("this key lacks the scope `{wanted}`")))
    }

    /// Whose rows are seen: a rep's own, else all of the workspace.
    pub fn scope(&self) -> Scope {
        Scope {
            workspace: self.0.workspace.clone(),
            owner: match self.0.role {
                // A rep's key without a rep, which none is made as, would own nothing.
                PersonRole::Rep => Some(self.0.user.clone().unwrap_or_else(|| UserId::from(""))),
                PersonRole::Manager | PersonRole::Admin => None,
            },
        }
    }

    /// For the audit log, and to tell requests apart.
    pub fn actor(&self) -> String {
        match (&self.0.key, &self.0.user) {
            (Some(key), _) => key.to_string(),
            (None, Some(user)) => user.to_string(),
            (None, None) => "nobody".to_owned(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Error::unauthorized)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

impl App {
    /// Whose key it is.
    pub async fn user_of_key(&self, key: &str) -> Result<User, Error> {
        let caller = self.shop.store.key_caller(&key_hash(key), Utc::now()).await?;
        caller.map(User).ok_or_else(Error::unauthorized)
    }

    /// Whether a caller that came in a while ago still may: a stream may outlive its key.
    pub async fn is_still_in(&self, user: &User) -> Result<bool, Error> {
        let (store, caller, now) = (&self.shop.store, &user.0, Utc::now());
        let again = match caller.key {
            Some(_) => store.key_caller(&caller.credential, now).await?,
            // Watching does not keep a session.
            None => store.session_caller(&caller.credential, Duration::zero(), now).await?,
        };
        // Another role sees other rows.
        Ok(again.is_some_and(|again| again.role == caller.role))
    }

    async fn user_of_session(&self, session: &SecretString) -> Result<User, Error> {
        let hash = key_hash(session.expose_secret());
        let caller = self
            .shop
            .store
            .session_caller(&hash, sessions::IDLE, Utc::now())
            .await?;
        caller.map(User).ok_or_else(Error::unauthorized)
    }

    /// Who asks: by the key, else by the cookie of a session.
    async fn user(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(User, Seal), Error> {
        if let Some(key) = bearer(headers) {
            return Ok((self.user_of_key(key).await?, Seal::of(key)));
        }
        let session = self.site.session(headers).ok_or_else(Error::unauthorized)?;
        let user = self.user_of_session(&session).await?;
        // Also for a GET: one may open a WebSocket.
        self.site.check_origin(headers, uri)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            sessions::check_csrf(headers, &session)?;
        }
        Ok((user, Seal::of(session.expose_secret())))
    }
}

/// Something of the caller's key that the database does not hold. What is hashed with it tells a reader of the database
/// nothing, however little there is to guess: a body may hold a password.
#[derive(Clone)]
pub struct Seal([u8; 32]);

impl Seal {
    fn of(credential: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"dealstage seal\0");
        hash.update(credential);
        Self(hash.finalize().into())
    }

    pub const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Lets only known callers in, and none too often.
pub async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Result<Response, Error> {
    let (user, seal) = app.user(request.method(), request.uri(), request.headers()).await?;
    app.rates.check(&user.actor())?;
    request.extensions_mut().insert(user);
    request.extensions_mut().insert(seal);
    Ok(next.run(request).await)
}
