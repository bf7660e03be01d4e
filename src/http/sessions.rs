//! People sign in with a password and get a session: a cookie that scripts of the page cannot read.
//!
//! What a session changes must carry `x-csrf-token`, which only a page of ours knows. The token follows from the cookie
//! and is stored nowhere; the cookie is stored as its hash.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{self, User};
use super::error::ProblemDocument;
use super::extract::Json;
use super::{App, Error, users};
use crate::store::{NewSession, PersonRole, UserChange, email_key};

/// Without a request.
pub const IDLE: Duration = Duration::hours(12);
/// However much it is used.
const LONGEST: Duration = Duration::days(7);

const CSRF_HEADER: &str = "x-csrf-token";

/// How browsers see the service.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// `https://HOST` as it stands before a proxy; None: whatever host a browser asks.
    pub origin: Option<String>,
    /// Cookies are sent over https only.
    pub secure: bool,
}

impl Site {
    /// The prefix makes browsers refuse one that another host, or a page without https, has set.
    pub const fn cookie(&self) -> &'static str {
        if self.secure { "__Host-dealstage" } else { "dealstage" }
    }

    fn with(&self, value: String) -> Cookie<'static> {
        Cookie::build((self.cookie(), value))
            .path("/")
            .http_only(true)
            .secure(self.secure)
            .same_site(SameSite::Strict)
            .build()
    }

    /// The cookie of a request.
    pub fn session(&self, headers: &HeaderMap) -> Option<SecretString> {
        let jar = CookieJar::from_headers(headers);
        Some(SecretString::from(jar.get(self.cookie())?.value()))
    }

    /// A browser says which page asks: it must be one of ours.
    pub fn check_origin(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Error> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let origin = origin.to_str().unwrap_or_default();
        let ours = match &self.origin {
            Some(ours) => origin.eq_ignore_ascii_case(ours),
            None => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let host = host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
                let asking = origin.split_once("://").map(|(_, host)| host);
                host.is_some() && asking.zip(host).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b))
            }
        };
        if ours {
            return Ok(());
        }
        Err(Error::forbidden(
            "the page that asks is of another host; behind a proxy, start `dealstage serve` with --public-url",
        ))
    }
}

/// The token that goes with a cookie.
fn csrf_token(session: &SecretString) -> String {
    let mut hash = Sha256::new();
    hash.update(b"dealstage csrf\0");
    hash.update(session.expose_secret());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}

pub fn check_csrf(headers: &HeaderMap, session: &SecretString) -> Result<(), Error> {
    let said = headers.get(CSRF_HEADER).map_or(&b""[..], |said| said.as_bytes());
    if said.ct_eq(csrf_token(session).as_bytes()).into() {
        return Ok(());
    }
    Err(Error::forbidden(
        "a session needs the header `x-csrf-token` with the token that signing in gave; GET /v1/me gives it again",
    ))
}

/// Without a key.
pub fn open_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sign_in))
}

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sign_out))
        .routes(routes!(me))
        .routes(routes!(change_password))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// A session has started.
#[derive(Serialize, ToSchema)]
struct SignedIn {
    user: users::User,
    /// For the header `x-csrf-token` of every request that changes something.
    csrf_token: String,
    /// However much it is used; without use, twelve hours after the last request.
    ends_at: DateTime<Utc>,
}

/// Where a request comes from, as far as it can be known.
fn address(peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let said = headers.get_all("x-forwarded-for").iter().next_back();
    let last = said
        .and_then(|said| said.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
        // Anybody can say anything; a proxy on this machine adds what it saw at the end.
        .filter(|_| peer.ip().to_canonical().is_loopback());
    last.unwrap_or_else(|| peer.ip())
}

/// Signs a person in: a cookie, and a token against forged requests.
///
/// The same answer, as long in coming, whether the address is not known or the password is wrong.
#[utoipa::path(post, path = "/v1/session", tag = "access", security(()), request_body = SignIn,
    responses(
        (status = 201, body = SignedIn, description = "With the cookie of the session"),
        (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument, description = "The page is of another host"),
        (status = 429, body = ProblemDocument),
    ))]
async fn sign_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    jar: CookieJar,
    Json(said): Json<SignIn>,
) -> Result<(StatusCode, CookieJar, Json<SignedIn>), Error> {
    app.site.check_origin(&headers, &uri)?;
    let email = email_key(&said.email);
    app.passwords.count_try(&email, address(peer, &headers))?;
    let store = &app.shop.store;
    let user = store.user_signing_in(&email).await?;
    let kept = user.as_ref().and_then(|user| user.password.clone());
    let password = said.password.expose_secret().to_owned();
    let right = app.passwords.is_right(password, kept).await?;
    let user = user.filter(|_| right).ok_or_else(Error::wrong_sign_in)?;
    let session = SecretString::from(auth::random_token().map_err(|_| Error::internal())?);
    let now = Utc::now();
    let new = NewSession {
        hash: auth::key_hash(session.expose_secret()),
        expires_at: now + IDLE,
        ends_at: now + LONGEST,
    };
    let ends_at = new.ends_at;
    if !store.add_session(&user, new, now).await? {
        return Err(Error::wrong_sign_in());
    }
    let csrf_token = csrf_token(&session);
    let jar = jar.add(app.site.with(session.expose_secret().to_owned()));
    let signed_in = SignedIn {
        user: user.into(),
        csrf_token,
        ends_at,
    };
    Ok((StatusCode::CREATED, jar, Json(signed_in)))
}

/// The session of a caller who has one.
fn own_session(app: &App, user: &User, headers: &HeaderMap) -> Result<SecretString, Error> {
    let session = app.site.session(headers).filter(|_| user.0.key.is_none());
    session.ok_or_else(|| Error::bad_request("a key has no session; this is for people who signed in"))
}

/// Signs out: the session is over.
#[utoipa::path(delete, path = "/v1/session", tag = "access",
    responses((status = 204), (status = 400, body = ProblemDocument, description = "A key asks")))]
async fn sign_out(
    State(app): State<App>,
    user: User,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<(StatusCode, CookieJar), Error> {
    own_session(&app, &user, &headers)?;
    app.shop
        .store
        .end_session(&user.0.workspace, &user.0.credential, &user.actor(), Utc::now())
        .await?;
    Ok((StatusCode::NO_CONTENT, jar.remove(app.site.with(String::new()))))
}

/// Whoever asks.
#[derive(Serialize, ToSchema)]
struct Me {
    workspace_id: String,
    workspace: String,
    /// null: a key of the workspace, not of a person.
    user: Option<users::User>,
    /// null: a session.
    key_id: Option<String>,
    role: PersonRole,
    scopes: Vec<String>,
    /// For the header `x-csrf-token`; null: a key needs none.
    csrf_token: Option<String>,
}

/// Whose key or session this is.
#[utoipa::path(get, path = "/v1/me", tag = "access", responses((status = 200, body = Me)))]
async fn me(State(app): State<App>, user: User, headers: HeaderMap) -> Result<Json<Me>, Error> {
    let store = &app.shop.store;
    let caller = &user.0;
    let workspace = store.workspace(&caller.workspace).await?;
    let workspace = workspace.ok_or_else(|| Error::not_found("workspace"))?;
    let person = match &caller.user {
        Some(id) => store.find_user(&caller.workspace, id.as_str()).await?,
        None => None,
    };
    let session = own_session(&app, &user, &headers).ok();
    Ok(Json(Me {
        workspace_id: workspace.id.to_string(),
        workspace: workspace.name,
        user: person.map(users::User::from),
        key_id: caller.key.as_ref().map(ToString::to_string),
        role: caller.role,
        scopes: caller.scopes.clone(),
        csrf_token: session.as_ref().map(csrf_token),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    #[schema(value_type = String, format = Password)]
    current: SecretString,
    /// 12 to 256 characters.
    #[schema(value_type = String, format = Password)]
    new: SecretString,
}

/// Changes the own password. All sessions of the person end: sign in again.
#[utoipa::path(put, path = "/v1/me/password", tag = "access", request_body = NewPassword,
    responses(
        (status = 204),
        (status = 400, body = ProblemDocument, description = "A key asks"),
        (status = 401, body = ProblemDocument, description = "`current` is wrong"),
        (status = 422, body = ProblemDocument),
        (status = 429, body = ProblemDocument),
    ))]
async fn change_password(
    State(app): State<App>,
    user: User,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    jar: CookieJar,
    Json(said): Json<NewPassword>,
) -> Result<(StatusCode, CookieJar), Error> {
    own_session(&app, &user, &headers)?;
    let store = &app.shop.store;
    let workspace = &user.0.workspace;
    let id = user.0.user.as_ref().ok_or_else(Error::unauthorized)?;
    let person = store.find_user(workspace, id.as_str()).await?;
    let person = person.ok_or_else(Error::unauthorized)?;
    app.passwords.count_try(&person.email, address(peer, &headers))?;
    let current = said.current.expose_secret().to_owned();
    if !app.passwords.is_right(current, person.password).await? {
        return Err(Error::wrong_sign_in());
    }
    let change = UserChange {
        password: Some(app.passwords.hash(said.new.expose_secret().to_owned()).await?),
        ..UserChange::default()
    };
    store
        .change_user(workspace, id, change, &user.actor(), Utc::now())
        .await?;
    Ok((StatusCode::NO_CONTENT, jar.remove(app.site.with(String::new()))))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| {
                let name = axum::http::HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect()
    }

    #[test]
    fn pages_of_other_hosts_are_told_apart() {
        let any = Site::default();
        let named = Site {
            origin: Some("https://calls.example.com".to_owned()),
            secure: true,
        };
        for (site, all, ours) in [
            (&any, &[("host", "127.0.0.1:8787")][..], true),
            (&any, &[("host", "a.example:1"), ("origin", "http://a.example:1")], true),
            (
                &any,
                &[("host", "a.example:1"), ("origin", "http://a.example:2")],
                false,
            ),
            (&any, &[("host", "a.example"), ("origin", "https://b.example")], false),
            (&any, &[("host", "a.example"), ("origin", "null")], false),
            (&any, &[("origin", "https://a.example")], false),
            (
                &named,
                &[("host", "10.0.0.1"), ("origin", "https://calls.example.com")],
                true,
            ),
            (&named, &[("host", "10.0.0.1"), ("origin", "https://10.0.0.1")], false),
            (
                &named,
                &[("host", "10.0.0.1"), ("origin", "http://calls.example.com")],
                false,
            ),
        ] {
            let checked = site.check_origin(&headers(all), &Uri::from_static("/v1/me"));
            assert_eq!(checked.is_ok(), ours, "{all:?}");
        }
    }

    #[test]
    fn only_a_proxy_on_this_machine_says_where_a_request_comes_from() {
        let peer = |text: &str| -> SocketAddr { text.parse().expect("an address") };
        let said = headers(&[("x-forwarded-for", "10.1.1.1, 192.0.2.7")]);
        for (from, headers, found) in [
            ("127.0.0.1:5", &said, "192.0.2.7"),
            ("198.51.100.1:5", &said, "198.51.100.1"),
            ("127.0.0.1:5", &HeaderMap::new(), "127.0.0.1"),
        ] {
            assert_eq!(address(peer(from), headers).to_string(), found);
        }
    }

    #[test]
    fn the_token_goes_with_one_cookie() {
        let (one, other) = (SecretString::from("one"), SecretString::from("other"));
        let sent = headers(&[(CSRF_HEADER, &csrf_token(&one))]);
        assert!(check_csrf(&sent, &one).is_ok());
        assert!(check_csrf(&sent, &other).is_err());
        assert!(check_csrf(&HeaderMap::new(), &one).is_err());
    }
}
