//! Who may do what, and who did: workspaces, users, keys, sessions, the audit log.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

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

#[derive(Debug, Clone)]
pub struct Session {
    /// SHA-256 of the cookie, hex.
    pub hash: String,
    pub user: UserId,
    /// SHA-256 of the token against forged requests, hex.
    pub csrf_hash: String,
    pub expires_at: DateTime<Utc>,
}

/// Who a credential stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub workspace: WorkspaceId,
    pub user: Option<UserId>,
    pub key: Option<KeyId>,
    pub role: PersonRole,
    pub scopes: Vec<String>,
    /// For a session: what its token against forged requests must hash to.
    pub csrf_hash: Option<String>,
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

#[async_trait]
pub trait Access {
    async fn add_workspace(&self, id: &WorkspaceId, name: &str, now: DateTime<Utc>) -> Result<()>;

    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>>;

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

    /// A user by id or e-mail address.
    async fn find_user(&self, workspace: &WorkspaceId, named: &str) -> Result<Option<User>>;

    async fn add_key(&self, workspace: &WorkspaceId, key: NewKey, actor: &str, now: DateTime<Utc>) -> Result<()>;

    /// Who has this key (SHA-256, hex): None if nobody, or if it ran out or was revoked.
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
}
