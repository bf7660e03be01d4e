//! The people of a workspace.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{self, Resource};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Query};
use super::keys::label;
use super::{App, Error};
use crate::store::{self, NewUser, PersonRole, UserChange, UserId};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, change))
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    id: String,
    email: String,
    name: String,
    role: PersonRole,
    /// May sign in with a password.
    has_password: bool,
    /// null: is not disabled.
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<store::User> for User {
    fn from(user: store::User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email,
            name: user.name,
            role: user.role,
            has_password: user.password.is_some(),
            disabled_at: user.disabled_at,
            created_at: user.created_at,
        }
    }
}

/// A user of the caller's workspace, by id.
pub async fn named(app: &App, caller: &auth::User, id: &str) -> Result<store::User, Error> {
    let found = app.shop.store.find_user(&caller.0.workspace, id).await?;
    // An e-mail address finds one too, but has no place in a URL, which proxies write down.
    let found = found.filter(|user| user.id.as_str() == id);
    found.ok_or_else(|| Error::not_found("user"))
}

fn email(said: &str) -> Result<String, Error> {
    const LONGEST: usize = 254;
    let key = store::email_key(said);
    let parts = key
        .split_once('@')
        .filter(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@') && key.len() <= LONGEST);
    if parts.is_none() || key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Error::unusable("email: an e-mail address is needed"));
    }
    Ok(key)
}

/// Rights are given by those who have them.
fn check_role(caller: &auth::User, role: PersonRole) -> Result<(), Error> {
    if role.rank() > caller.0.role.rank() {
        let own = caller.0.role.as_str();
        return Err(Error::forbidden(format!("role: a {own} may not give this one")));
    }
    Ok(())
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
struct Add {
    /// Nobody else on the server has it.
    email: String,
    name: String,
    role: PersonRole,
    /// 12 to 256 characters. Without one, the person cannot sign in, but may have calls and keys.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = UserChange)]
#[serde(deny_unknown_fields)]
struct Change {
    name: Option<String>,
    role: Option<PersonRole>,
    /// Sessions end and keys stop at once; keys work again when this is taken back.
    disabled: Option<bool>,
    /// 12 to 256 characters. Sessions end.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
}

/// People, the newest first.
#[utoipa::path(get, path = "/v1/users", tag = "access", params(PageQuery),
    responses((status = 200, body = Page<User>), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: auth::User,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<User>>, Error> {
    user.may_read(Resource::Users)?;
    let limit = page.limit()?;
    let after = page.cursor.map(UserId::from);
    let users = app
        .shop
        .store
        .users(&user.0.workspace, after.as_ref(), limit + 1)
        .await?;
    Ok(Json(Page::new(users, limit, |user| user.id.to_string(), User::from)))
}

/// Adds a person.
#[utoipa::path(post, path = "/v1/users", tag = "access", request_body = Add,
    responses(
        (status = 201, body = User),
        (status = 403, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "The e-mail address is taken"),
        (status = 422, body = ProblemDocument),
    ))]
async fn add(
    State(app): State<App>,
    user: auth::User,
    Json(new): Json<Add>,
) -> Result<(StatusCode, Json<User>), Error> {
    user.may_write(Resource::Users)?;
    check_role(&user, new.role)?;
    let password = match new.password {
        Some(password) => Some(app.passwords.hash(password.expose_secret().to_owned()).await?),
        None => None,
    };
    let new = NewUser {
        id: UserId::fresh(),
        email: email(&new.email)?,
        name: label("name", &new.name)?,
        role: new.role,
        password,
    };
    let added = app
        .shop
        .store
        .add_user(&user.0.workspace, new, &user.actor(), Utc::now())
        .await?;
    Ok((StatusCode::CREATED, Json(added.into())))
}

/// A person.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "access", params(("id" = String, Path)),
    responses((status = 200, body = User), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: auth::User, Path(id): Path<String>) -> Result<Json<User>, Error> {
    user.may_read(Resource::Users)?;
    Ok(Json(named(&app, &user, &id).await?.into()))
}

/// Changes a person: name, role, password; disables, or takes that back. What is not said stays.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "access", params(("id" = String, Path)), request_body = Change,
    responses(
        (status = 200, body = User),
        (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "It is the last admin"),
        (status = 422, body = ProblemDocument),
    ))]
async fn change(
    State(app): State<App>,
    user: auth::User,
    Path(id): Path<String>,
    Json(wanted): Json<Change>,
) -> Result<Json<User>, Error> {
    user.may_write(Resource::Users)?;
    let person = named(&app, &user, &id).await?;
    if let Some(role) = wanted.role {
        check_role(&user, role)?;
    }
    let change = UserChange {
        name: wanted.name.map(|name| label("name", &name)).transpose()?,
        role: wanted.role,
        disabled: wanted.disabled,
        password: match wanted.password {
            Some(password) => Some(app.passwords.hash(password.expose_secret().to_owned()).await?),
            None => None,
        },
    };
    let changed = app
        .shop
        .store
        .change_user(&user.0.workspace, &person.id, change, &user.actor(), Utc::now())
        .await?;
    Ok(Json(changed.into()))
}

#[cfg(test)]
mod tests {
    use super::email;

    #[test]
    fn addresses() {
        for (said, kept) in [
            (" Anna@Example.com ", Some("anna@example.com")),
            ("анна@пример.рф", Some("анна@пример.рф")),
            ("anna", None),
            ("@example.com", None),
            ("anna@", None),
            ("a@b@c", None),
            ("a b@example.com", None),
            ("a\0@example.com", None),
        ] {
            assert_eq!(email(said).ok().as_deref(), kept, "{said}");
        }
    }
}
