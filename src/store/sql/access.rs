//! See `store::access`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::{Row, Sql, audit};
use crate::store::{
    Access, Caller, NewKey, PersonRole, Result, User, Workspace, WorkspaceId, from_json, millis, moment,
};

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

    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>> {
        let row = sqlx::query("select id, name, created_at, process, retention from workspaces where id = $1")
            .bind(id)
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| {
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
        })
        .transpose()
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

    async fn find_user(&self, workspace: &WorkspaceId, named: &str) -> Result<Option<User>> {
        let row = sqlx::query(
            "select id, workspace, email, name, role, password, disabled_at, created_at
             from users where workspace = $1 and (id = $2 or email = lower($2))",
        )
        .bind(workspace)
        .bind(named)
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(user).transpose()
    }

    async fn add_key(&self, workspace: &WorkspaceId, key: NewKey, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
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
        .execute(&mut *tx)
        .await?;
        let details = json!({"role": key.role, "scopes": key.scopes, "expires_at": key.expires_at});
        audit(&mut tx, workspace, actor, "key.added", key.id.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn key_caller(&self, hash: &str, now: DateTime<Utc>) -> Result<Option<Caller>> {
        let row = sqlx::query(
            "select k.id, k.workspace, k.user_id, k.role, k.scopes from api_keys k left join users u on u.id = k.user_id
             where k.hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2)
               and u.disabled_at is null",
        )
        .bind(hash)
        .bind(millis(now))
        .fetch_optional(&self.read)
        .await?;
        row.map(|row| {
            let scopes: String = row.try_get("scopes")?;
            Ok(Caller {
                workspace: row.try_get("workspace")?,
                user: row.try_get("user_id")?,
                key: Some(row.try_get("id")?),
                role: row.try_get::<PersonRole, _>("role")?,
                scopes: scopes.split(' ').map(str::to_owned).collect(),
                csrf_hash: None,
            })
        })
        .transpose()
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
}
