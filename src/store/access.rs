//! Who may do what, and who did: workspaces, users, keys, sessions, the audit log.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};

use super::calls::words;
use super::{KeyId, Result, Retention, UserId, WorkspaceId};

words! {
    PersonRole {
        /// Everything, rules and keys included.
        Admin = "admin",
        /// All calls and deals of the workspace.
        Manager = "manager",
        /// Own calls and deals.
        Rep = "rep",
    }
}

impl PersonRole {
    /// Who may more has the greater number.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Rep => 0,
            Self::Manager => 1,
            Self::Admin => 2,
        }
    }

    /// The lesser of two.
    pub const fn at_most(self, other: Self) -> Self {
        if self.rank() <= other.rank() { self } else { other }
    }
}

/// An e-mail address as it is kept and compared.
pub fn email_key(said: &str) -> String {
    said.trim().to_lowercase()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    pub id: WorkspaceId,
    pub name: String,
    pub created_at: DateTime<Utc>,
    /// The sales process as TOML; None: the one of the server.
    pub process: Option<String>,
    /// None: as the server keeps things.
    pub retention: Option<Retention>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub workspace: WorkspaceId,
    pub email: String,
    pub name: String,
    pub role: PersonRole,
    /// Argon2id, as a PHC string; None: cannot sign in with a password.
    pub password: Option<String>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    /// See [`email_key`].
    pub email: String,
    pub name: String,
    pub role: PersonRole,
    pub password: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub workspace: WorkspaceId,
    pub user: Option<UserId>,
    pub name: String,
    pub role: PersonRole,
    /// `calls:read`, `calls:write`…; `*` is all that the role allows.
    pub scopes: Vec<String>,
    pub prefix: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone)]
pub struct NewKey {
    pub id: KeyId,
    pub user: Option<UserId>,
    pub name: String,
    pub role: PersonRole,
    pub scopes: Vec<String>,
    pub prefix: String,
    /// SHA-256, hex.
    pub hash: String,
    pub expires_at: Option<DateTime<Utc>>,
}

/// What is changed of a user; None: it stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub name: Option<String>,
    pub role: Option<PersonRole>,
    pub disabled: Option<bool>,
    /// Argon2id, as a PHC string.
    pub password: Option<String>,
}

#[derive(Debug, Clone)]
pub struct NewSession {
    /// SHA-256 of the cookie, hex.
    pub hash: String,
    /// Without use.
    pub expires_at: DateTime<Utc>,
    /// However much it is used.
    pub ends_at: DateTime<Utc>,
}

/// Who a credential stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub workspace: WorkspaceId,
    pub user: Option<UserId>,
    pub key: Option<KeyId>,
    pub role: PersonRole,
    pub scopes: Vec<String>,
    /// When the key runs out.
    pub expires_at: Option<DateTime<Utc>>,
    /// SHA-256 of the key or the cookie, hex: to ask again, as a long stream must.
    pub credential: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    pub seq: i64,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub subject: String,
    /// JSON
    pub details: String,
    /// SHA-256 of this line and the hash of the line before, hex.
    pub hash: String,
}

/// What became of the chain of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCheck {
    /// Number of the first line that is kept: those before ran out.
    pub first: i64,
    /// Number of the last line.
    pub last: i64,
    /// The first line that is not as it was written, or is gone; None: all are.
    pub broken_at: Option<i64>,
}

#[async_trait]
pub trait Access {
    async fn add_workspace(&self, id: &WorkspaceId, name: &str, now: DateTime<Utc>) -> Result<()>;

    /// Adds a workspace with its first key. The line in the audit log is in that of `opener`.
    async fn open_workspace(
        &self,
        opener: &WorkspaceId,
        id: &WorkspaceId,
        name: &str,
        key: NewKey,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Workspace>;

    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>>;

    /// All of the server, the newest first.
    async fn workspaces(&self, after: Option<&WorkspaceId>, limit: u32) -> Result<Vec<Workspace>>;

    /// The first that was made: of whoever runs the server.
    async fn first_workspace(&self) -> Result<Option<WorkspaceId>>;

    /// Gives the workspace a process file, or takes it away. `hash` of what is used from now on goes into the audit log.
    async fn set_process(
        &self,
        workspace: &WorkspaceId,
        process: Option<&str>,
        hash: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    async fn add_user(&self, workspace: &WorkspaceId, user: NewUser, actor: &str, now: DateTime<Utc>) -> Result<User>;

    /// A user by id or e-mail address.
    async fn find_user(&self, workspace: &WorkspaceId, named: &str) -> Result<Option<User>>;

    /// The newest first.
    async fn users(&self, workspace: &WorkspaceId, after: Option<&UserId>, limit: u32) -> Result<Vec<User>>;

    /// Changes a user. A new password, or being disabled, ends the sessions. The last admin stays one.
    async fn change_user(
        &self,
        workspace: &WorkspaceId,
        id: &UserId,
        change: UserChange,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<User>;

    /// Who signs in with this e-mail address. The only question that names no workspace: the answer says which.
    async fn user_signing_in(&self, email: &str) -> Result<Option<User>>;

    /// Starts a session, unless the user was disabled or has another password than that of `user` meanwhile.
    async fn add_session(&self, user: &User, session: NewSession, now: DateTime<Utc>) -> Result<bool>;

    /// Whose session this is (SHA-256 of the cookie, hex): None if it is over. Its use keeps it for another `idle`.
    async fn session_caller(&self, hash: &str, idle: Duration, now: DateTime<Utc>) -> Result<Option<Caller>>;

    async fn end_session(&self, workspace: &WorkspaceId, hash: &str, actor: &str, now: DateTime<Utc>) -> Result<()>;

    async fn add_key(&self, workspace: &WorkspaceId, key: NewKey, actor: &str, now: DateTime<Utc>) -> Result<()>;

    /// The newest first, those that ran out or were revoked among them.
    async fn keys(&self, workspace: &WorkspaceId, after: Option<&KeyId>, limit: u32) -> Result<Vec<Key>>;

    /// From the return on, nobody gets in with it.
    async fn revoke_key(&self, workspace: &WorkspaceId, id: &KeyId, actor: &str, now: DateTime<Utc>) -> Result<()>;

    /// Who has this key (SHA-256, hex): None if nobody, or if it ran out or was revoked, or its user was disabled. That it
    /// was used is noted, at most once a minute.
    async fn key_caller(&self, hash: &str, now: DateTime<Utc>) -> Result<Option<Caller>>;

    /// Adds a line to the audit log for something that changes no row, as listening to a recording.
    async fn note(
        &self,
        workspace: &WorkspaceId,
        actor: &str,
        action: &str,
        subject: &str,
        now: DateTime<Utc>,
    ) -> Result<()>;

    /// Lines of the audit log below a number, the newest first.
    async fn audit_lines(&self, workspace: &WorkspaceId, below: Option<i64>, limit: u32) -> Result<Vec<AuditLine>>;

    /// Goes through the whole audit log: whether each line is as it was written.
    async fn check_audit(&self, workspace: &WorkspaceId) -> Result<AuditCheck>;
}
