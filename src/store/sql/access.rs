//! See `store::access`.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::{Row, Sql, Tx, audit, audit_hash, is_taken};
use crate::store::{
    Access, AuditCheck, AuditLine, Caller, Error, Key, KeyId, NewKey, NewSession, NewUser, PersonRole, Result, User,
    UserChange, UserId, Workspace, WorkspaceId, email_key, from_json, millis, moment,
};

/// That a key or a session is in use is written down once in so many milliseconds.
const NOTED_EVERY: i64 = 60_000;
/// Lines of the audit log that are checked at a time.
const CHECKED: i64 = 1000;
/// All that the role allows.
const ALL_SCOPES: &str = "*";

fn workspace(row: &Row) -> Result<Workspace> {
    let retention: Option<String> = row.try_get("retention")?;
    Ok(Workspace {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_at: moment(row.try_get("created_at")?),
        process: row.try_get("process")?,
        retention: retention
            .as_deref()
            .map(|text| from_json("retention", text))
            .transpose()?,
    })
}

fn user(row: &Row) -> Result<User> {
    Ok(User {
        id: row.try_get("id")?,
        workspace: row.try_get("workspace")?,
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        role: row.try_get("role")?,
        password: row.try_get("password")?,
        disabled_at: row.try_get::<Option<i64>, _>("disabled_at")?.map(moment),
        created_at: moment(row.try_get("created_at")?),
    })
}

fn scopes(row: &Row) -> Result<Vec<String>> {
    let scopes: String = row.try_get("scopes")?;
    Ok(scopes.split_whitespace().map(str::to_owned).collect())
}

fn key(row: &Row) -> Result<Key> {
    let at = |name: &str| -> Result<Option<DateTime<Utc>>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(moment)) };
    Ok(Key {
        id: row.try_get("id")?,
        workspace: row.try_get("workspace")?,
        user: row.try_get("user_id")?,
        name: row.try_get("name")?,
        role: row.try_get("role")?,
        scopes: scopes(row)?,
        prefix: row.try_get("prefix")?,
        created_at: at("created_at")?.unwrap_or_default(),
        expires_at: at("expires_at")?,
        revoked_at: at("revoked_at")?,
        last_used_at: at("last_used_at")?,
    })
}

fn audit_line(row: &Row) -> Result<AuditLine> {
    Ok(AuditLine {
        seq: row.try_get("seq")?,
        at: moment(row.try_get("at")?),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        details: row.try_get("details")?,
        hash: row.try_get("hash")?,
    })
}

fn no_user(id: &UserId) -> Error {
    Error::Missing {
        what: "user",
        id: id.to_string(),
    }
}

/// Others that change the workspace wait until this transaction ends.
async fn hold(tx: &mut Tx, workspace: &WorkspaceId) -> Result<()> {
    sqlx::query("update workspaces set audit_seq = audit_seq where id = $1")
        .bind(workspace)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn user_of(tx: &mut Tx, workspace: &WorkspaceId, id: &UserId) -> Result<User> {
    let row = sqlx::query(
        "select id, workspace, email, name, role, password, disabled_at, created_at
         from users where workspace = $1 and id = $2",
    )
    .bind(workspace)
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map_or_else(|| Err(no_user(id)), user)
}

async fn insert_key(tx: &mut Tx, workspace: &WorkspaceId, key: &NewKey, actor: &str, now: DateTime<Utc>) -> Result<()> {
    if let Some(user) = &key.user {
        user_of(tx, workspace, user).await?;
    }
    sqlx::query(
        "insert into api_keys (id, workspace, user_id, name, role, scopes, prefix, hash, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&key.id)
    .bind(workspace)
    .bind(&key.user)
    .bind(&key.name)
    .bind(key.role)
    .bind(key.scopes.join(" "))
    .bind(&key.prefix)
    .bind(&key.hash)
    .bind(millis(now))
    .bind(key.expires_at.map(millis))
    .execute(&mut **tx)
    .await?;
    let details = json!({"role": key.role, "scopes": key.scopes, "user": key.user, "expires_at": key.expires_at});
    audit(tx, workspace, actor, "key.added", key.id.as_str(), &details, now).await
}

#[async_trait]
impl Access for Sql {
    async fn add_workspace(&self, id: &WorkspaceId, name: &str, now: DateTime<Utc>) -> Result<()> {
        sqlx::query("insert into workspaces (id, name, created_at) values ($1, $2, $3)")
            .bind(id)
            .bind(name)
            .bind(millis(now))
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn open_workspace(
        &self,
        opener: &WorkspaceId,
        id: &WorkspaceId,
        name: &str,
        key: NewKey,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Workspace> {
        let mut tx = self.begin().await?;
        hold(&mut tx, opener).await?;
        let row = sqlx::query("select max(created_at) from workspaces")
            .fetch_one(&mut *tx)
            .await?;
        let last: Option<i64> = row.try_get(0)?;
        // The first stays the first, whatever the clock says.
        let created_at = millis(now).max(last.map_or(0, |last| last + 1));
        sqlx::query("insert into workspaces (id, name, created_at) values ($1, $2, $3)")
            .bind(id)
            .bind(name)
            .bind(created_at)
            .execute(&mut *tx)
            .await?;
        audit(&mut tx, opener, actor, "workspace.added", id.as_str(), &json!({}), now).await?;
        insert_key(&mut tx, id, &key, actor, now).await?;
        tx.commit().await?;
        Ok(Workspace {
            id: id.clone(),
            name: name.to_owned(),
            created_at: moment(created_at),
            process: None,
            retention: None,
        })
    }

    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>> {
        let row = sqlx::query("select id, name, created_at, process, retention from workspaces where id = $1")
            .bind(id)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(workspace).transpose()
    }

    async fn workspaces(&self, after: Option<&WorkspaceId>, limit: u32) -> Result<Vec<Workspace>> {
        let rows = sqlx::query(
            "select id, name, created_at, process, retention from workspaces
             where $1 is null or created_at < (select created_at from workspaces where id = $1)
             order by created_at desc limit $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(workspace).collect()
    }

    async fn first_workspace(&self) -> Result<Option<WorkspaceId>> {
        let row = sqlx::query("select id from workspaces order by created_at, id limit 1")
            .fetch_optional(&self.read)
            .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    async fn set_process(
        &self,
        workspace: &WorkspaceId,
        process: Option<&str>,
        hash: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("update workspaces set process = $2 where id = $1")
            .bind(workspace)
            .bind(process)
            .execute(&mut *tx)
            .await?;
        let details = json!({"process_hash": hash});
        audit(
            &mut tx,
            workspace,
            actor,
            "process.changed",
            workspace.as_str(),
            &details,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn add_user(&self, workspace: &WorkspaceId, user: NewUser, actor: &str, now: DateTime<Utc>) -> Result<User> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into users (id, workspace, email, name, role, password, created_at)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&user.id)
        .bind(workspace)
        .bind(email_key(&user.email))
        .bind(&user.name)
        .bind(user.role)
        .bind(&user.password)
        .bind(millis(now))
        .execute(&mut *tx)
        .await
        .map_err(|error| {
            if is_taken(&error) {
                Error::Conflict("this e-mail address has a user already".to_owned())
            } else {
                error.into()
            }
        })?;
        let details = json!({"role": user.role, "password": user.password.is_some()});
        audit(&mut tx, workspace, actor, "user.added", user.id.as_str(), &details, now).await?;
        let added = user_of(&mut tx, workspace, &user.id).await?;
        tx.commit().await?;
        Ok(added)
    }

    async fn find_user(&self, workspace: &WorkspaceId, named: &str) -> Result<Option<User>> {
        let row = sqlx::query(
            "select id, workspace, email, name, role, password, disabled_at, created_at
             from users where workspace = $1 and (id = $2 or email = $3)",
        )
        .bind(workspace)
        .bind(named)
        .bind(email_key(named))
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(user).transpose()
    }

    async fn users(&self, workspace: &WorkspaceId, after: Option<&UserId>, limit: u32) -> Result<Vec<User>> {
        let rows = sqlx::query(
            "select id, workspace, email, name, role, password, disabled_at, created_at
             from users where workspace = $1 and ($2 is null or id < $2) order by id desc limit $3",
        )
        .bind(workspace)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(user).collect()
    }

    async fn change_user(
        &self,
        workspace: &WorkspaceId,
        id: &UserId,
        change: UserChange,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<User> {
        let mut tx = self.begin().await?;
        // Two admins that demote each other at the same time: the second waits and sees what the first did.
        hold(&mut tx, workspace).await?;
        let before = user_of(&mut tx, workspace, id).await?;
        let mut after = before.clone();
        let mut changed = Vec::new();
        if let Some(name) = change.name.filter(|name| *name != before.name) {
            after.name = name;
            changed.push("name");
        }
        if let Some(role) = change.role.filter(|role| *role != before.role) {
            after.role = role;
            changed.push("role");
        }
        if let Some(disabled) = change
            .disabled
            .filter(|disabled| *disabled != before.disabled_at.is_some())
        {
            after.disabled_at = disabled.then_some(now);
            changed.push("disabled");
        }
        let new_password = change.password.is_some();
        if let Some(password) = change.password {
            after.password = Some(password);
            changed.push("password");
        }
        if changed.is_empty() {
            return Ok(before);
        }
        let is_admin = |user: &User| user.role == PersonRole::Admin && user.disabled_at.is_none();
        if is_admin(&before) && !is_admin(&after) {
            let row = sqlx::query(
                "select count(*) from users
                 where workspace = $1 and id <> $2 and role = $3 and disabled_at is null",
            )
            .bind(workspace)
            .bind(id)
            .bind(PersonRole::Admin)
            .fetch_one(&mut *tx)
            .await?;
            if row.try_get::<i64, _>(0)? == 0 {
                return Err(Error::Conflict(
                    "this is the last admin; make another user admin first".to_owned(),
                ));
            }
        }
        sqlx::query(
            "update users set name = $3, role = $4, disabled_at = $5, password = $6 where workspace = $1 and id = $2",
        )
        .bind(workspace)
        .bind(id)
        .bind(&after.name)
        .bind(after.role)
        .bind(after.disabled_at.map(millis))
        .bind(&after.password)
        .execute(&mut *tx)
        .await?;
        if new_password || after.disabled_at.is_some() {
            sqlx::query("delete from sessions where workspace = $1 and user_id = $2")
                .bind(workspace)
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        let details = json!({
            "changed": changed, "role": after.role, "role_before": before.role, "disabled": after.disabled_at.is_some(),
        });
        audit(&mut tx, workspace, actor, "user.changed", id.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(after)
    }

    async fn user_signing_in(&self, email: &str) -> Result<Option<User>> {
        let row = sqlx::query(
            "select id, workspace, email, name, role, password, disabled_at, created_at
             from users where email = $1 and disabled_at is null",
        )
        .bind(email_key(email))
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(user).transpose()
    }

    async fn add_session(&self, user: &User, session: NewSession, now: DateTime<Utc>) -> Result<bool> {
        let mut tx = self.begin().await?;
        // Before the user is looked at: whoever disables it waits, and then ends this session too.
        hold(&mut tx, &user.workspace).await?;
        let known = user_of(&mut tx, &user.workspace, &user.id).await?;
        if known.disabled_at.is_some() || known.password != user.password {
            return Ok(false);
        }
        sqlx::query(
            "insert into sessions (hash, workspace, user_id, created_at, expires_at, ends_at)
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&session.hash)
        .bind(&user.workspace)
        .bind(&user.id)
        .bind(millis(now))
        .bind(millis(session.expires_at.min(session.ends_at)))
        .bind(millis(session.ends_at))
        .execute(&mut *tx)
        .await?;
        let id = user.id.as_str();
        audit(&mut tx, &user.workspace, id, "session.started", id, &json!({}), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn session_caller(&self, hash: &str, idle: Duration, now: DateTime<Utc>) -> Result<Option<Caller>> {
        let row = sqlx::query(
            "select s.workspace, s.user_id, s.expires_at, s.ends_at, u.role
             from sessions s join users u on u.id = s.user_id and u.workspace = s.workspace
             where s.hash = $1 and s.expires_at > $2 and u.disabled_at is null",
        )
        .bind(hash)
        .bind(millis(now))
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let (expires_at, ends_at): (i64, i64) = (row.try_get("expires_at")?, row.try_get("ends_at")?);
        let moved = millis(now + idle).min(ends_at);
        let workspace: WorkspaceId = row.try_get("workspace")?;
        if moved - expires_at > NOTED_EVERY {
            sqlx::query("update sessions set expires_at = $3 where workspace = $1 and hash = $2 and expires_at < $3")
                .bind(&workspace)
                .bind(hash)
                .bind(moved)
                .execute(&self.write)
                .await?;
        }
        Ok(Some(Caller {
            workspace,
            user: Some(row.try_get("user_id")?),
            key: None,
            role: row.try_get("role")?,
            scopes: vec![ALL_SCOPES.to_owned()],
            expires_at: None,
            credential: hash.to_owned(),
        }))
    }

    async fn end_session(&self, workspace: &WorkspaceId, hash: &str, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let ended = sqlx::query("delete from sessions where workspace = $1 and hash = $2")
            .bind(workspace)
            .bind(hash)
            .execute(&mut *tx)
            .await?;
        if ended.rows_affected() > 0 {
            audit(&mut tx, workspace, actor, "session.ended", actor, &json!({}), now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn add_key(&self, workspace: &WorkspaceId, key: NewKey, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        insert_key(&mut tx, workspace, &key, actor, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn keys(&self, workspace: &WorkspaceId, after: Option<&KeyId>, limit: u32) -> Result<Vec<Key>> {
        let rows = sqlx::query(
            "select id, workspace, user_id, name, role, scopes, prefix, created_at, expires_at, revoked_at, last_used_at
             from api_keys where workspace = $1 and ($2 is null or id < $2) order by id desc limit $3",
        )
        .bind(workspace)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(key).collect()
    }

    async fn revoke_key(&self, workspace: &WorkspaceId, id: &KeyId, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("select revoked_at from api_keys where workspace = $1 and id = $2")
            .bind(workspace)
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| Error::Missing {
                what: "key",
                id: id.to_string(),
            })?;
        if row.try_get::<Option<i64>, _>(0)?.is_some() {
            return Ok(());
        }
        sqlx::query("update api_keys set revoked_at = $3 where workspace = $1 and id = $2 and revoked_at is null")
            .bind(workspace)
            .bind(id)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        audit(&mut tx, workspace, actor, "key.revoked", id.as_str(), &json!({}), now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn key_caller(&self, hash: &str, now: DateTime<Utc>) -> Result<Option<Caller>> {
        let row = sqlx::query(
            "select k.id, k.workspace, k.user_id, k.role, k.scopes, k.expires_at, k.last_used_at, u.role as most
             from api_keys k left join users u on u.id = k.user_id and u.workspace = k.workspace
             where k.hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2)
               and (k.user_id is null or (u.id is not null and u.disabled_at is null))",
        )
        .bind(hash)
        .bind(millis(now))
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let (id, workspace): (KeyId, WorkspaceId) = (row.try_get("id")?, row.try_get("workspace")?);
        let last_used: Option<i64> = row.try_get("last_used_at")?;
        if last_used.is_none_or(|at| at <= millis(now) - NOTED_EVERY) {
            sqlx::query("update api_keys set last_used_at = $3 where workspace = $1 and id = $2")
                .bind(&workspace)
                .bind(&id)
                .bind(millis(now))
                .execute(&self.write)
                .await?;
        }
        let role: PersonRole = row.try_get("role")?;
        let most: Option<PersonRole> = row.try_get("most")?;
        Ok(Some(Caller {
            workspace,
            user: row.try_get("user_id")?,
            key: Some(id),
            // It was given when the user had this role; the user may have a lesser one now.
            role: most.map_or(role, |most| role.at_most(most)),
            scopes: scopes(&row)?,
            expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(moment),
            credential: hash.to_owned(),
        }))
    }

    async fn note(
        &self,
        workspace: &WorkspaceId,
        actor: &str,
        action: &str,
        subject: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        audit(&mut tx, workspace, actor, action, subject, &json!({}), now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn audit_lines(&self, workspace: &WorkspaceId, below: Option<i64>, limit: u32) -> Result<Vec<AuditLine>> {
        let rows = sqlx::query(
            "select seq, at, actor, action, subject, details, hash from audit
             where workspace = $1 and ($2 is null or seq < $2) order by seq desc limit $3",
        )
        .bind(workspace)
        .bind(below)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(audit_line).collect()
    }

    async fn check_audit(&self, workspace: &WorkspaceId) -> Result<AuditCheck> {
        loop {
            let chain = self.chain(workspace).await?;
            let broken_at = self.first_broken(workspace, &chain).await?;
            // The oldest lines may have run out while they were read.
            if broken_at.is_some() && self.chain(workspace).await?.root != chain.root {
                continue;
            }
            return Ok(AuditCheck {
                first: chain.start + 1,
                last: chain.end,
                broken_at,
            });
        }
    }
}

/// What the lines of an audit log lie between.
struct Chain {
    /// Number of the last line that ran out, and its hash; 0 and "" where none has.
    start: i64,
    root: String,
    /// Number of the last line, and its hash.
    end: i64,
    hash: String,
}

impl Sql {
    async fn chain(&self, workspace: &WorkspaceId) -> Result<Chain> {
        let row = sqlx::query(
            "select w.audit_root, w.audit_seq, w.audit_hash, min(a.seq) as oldest
             from workspaces w left join audit a on a.workspace = w.id where w.id = $1
             group by w.audit_root, w.audit_seq, w.audit_hash",
        )
        .bind(workspace)
        .fetch_one(&self.read)
        .await?;
        let root: String = row.try_get("audit_root")?;
        let end: i64 = row.try_get("audit_seq")?;
        let oldest: Option<i64> = row.try_get("oldest")?;
        Ok(Chain {
            // Nothing has run out: the first line is the first, whether it is there or not.
            start: if root.is_empty() {
                0
            } else {
                oldest.map_or(end, |oldest| oldest - 1)
            },
            root,
            end,
            hash: row.try_get("audit_hash")?,
        })
    }

    async fn first_broken(&self, workspace: &WorkspaceId, chain: &Chain) -> Result<Option<i64>> {
        let (mut seq, mut hash) = (chain.start, chain.root.clone());
        while seq < chain.end {
            let rows = sqlx::query(
                "select seq, at, actor, action, subject, details, hash from audit
                 where workspace = $1 and seq > $2 and seq <= $3 order by seq limit $4",
            )
            .bind(workspace)
            .bind(seq)
            .bind(chain.end)
            .bind(CHECKED)
            .fetch_all(&self.read)
            .await?;
            if rows.is_empty() {
                return Ok(Some(seq + 1));
            }
            for row in &rows {
                let line = audit_line(row)?;
                let known = audit_hash(
                    &hash,
                    line.seq,
                    millis(line.at),
                    &line.actor,
                    &line.action,
                    &line.subject,
                    &line.details,
                );
                if line.seq != seq + 1 || line.hash != known {
                    return Ok(Some(seq + 1));
                }
                (seq, hash) = (line.seq, known);
            }
        }
        // Lines may have been cut off at the end together with their count.
        Ok((hash != chain.hash).then_some(chain.end + 1))
    }
}
