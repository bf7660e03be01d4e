//! Endpoints; see `store::delivery`.
//!
//! Rows are held in one order, so that nobody waits in a circle: endpoints by their ids, deliveries by theirs, the
//! workspace. A worker that looks for something to do passes by what others hold.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::{Row, Sql, Tx, append, audit, is_taken};
use crate::store::{
    DeliveryId, Disabled, Endpoint, EndpointChange, EndpointId, Endpoints, Error, NewEndpoint, Result, Sealed,
    WorkspaceId, millis, moment,
};

fn endpoint(row: &Row) -> Result<Endpoint> {
    let at = |name: &str| -> Result<Option<DateTime<Utc>>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(moment)) };
    let types: String = row.try_get("types")?;
    let previous: Option<Sealed> = row.try_get("previous_secret")?;
    let disabled: Option<Disabled> = row.try_get("disabled_why")?;
    Ok(Endpoint {
        id: row.try_get("id")?,
        workspace: row.try_get("workspace")?,
        kind: row.try_get("kind")?,
        target: row.try_get("target")?,
        types: types.split_whitespace().map(str::to_owned).collect(),
        secret: row.try_get("secret")?,
        previous: previous.zip(at("previous_until")?),
        file: row.try_get("file")?,
        created_at: at("created_at")?.unwrap_or_default(),
        disabled: disabled.zip(at("disabled_at")?),
        failing_since: at("failing_since")?,
        last_success_at: at("last_success_at")?,
        not_before: at("not_before")?.unwrap_or_default(),
    })
}

const ONE_ENDPOINT: &str =
    "select id, workspace, kind, target, types, secret, previous_secret, previous_until, file, created_at, disabled_why,
            disabled_at, failing_since, last_success_at, not_before
     from endpoints where workspace = $1 and id = $2";

pub(super) fn no_endpoint(id: &EndpointId) -> Error {
    Error::Missing {
        what: "endpoint",
        id: id.to_string(),
    }
}

pub(super) async fn read(tx: &mut Tx, workspace: &WorkspaceId, id: &EndpointId) -> Result<Endpoint> {
    let row = sqlx::query(ONE_ENDPOINT)
        .bind(workspace)
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map_or_else(|| Err(no_endpoint(id)), endpoint)
}

/// Holds an endpoint: nobody else sends to it or changes it until the transaction ends.
pub(super) async fn held(tx: &mut Tx, workspace: &WorkspaceId, id: &EndpointId) -> Result<Endpoint> {
    sqlx::query(concat!(
        "select 1 from endpoints where workspace = $1 and id = $2",
        hold!()
    ))
    .bind(workspace)
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    read(tx, workspace, id).await
}

/// Holds an endpoint that is in use.
pub(super) async fn held_in_use(tx: &mut Tx, workspace: &WorkspaceId, id: &EndpointId) -> Result<Endpoint> {
    let endpoint = held(tx, workspace, id).await?;
    if endpoint.disabled.is_some() {
        return Err(Error::Conflict(
            "the endpoint is switched off; switch it on first".to_owned(),
        ));
    }
    Ok(endpoint)
}

/// Writes down what may change of an endpoint.
pub(super) async fn write(tx: &mut Tx, endpoint: &Endpoint) -> Result<()> {
    sqlx::query(
        "update endpoints set types = $3, secret = $4, previous_secret = $5, previous_until = $6, file = $7,
                disabled_why = $8, disabled_at = $9, failing_since = $10, last_success_at = $11, not_before = $12
         where workspace = $1 and id = $2",
    )
    .bind(&endpoint.workspace)
    .bind(&endpoint.id)
    .bind(endpoint.types.join(" "))
    .bind(&endpoint.secret)
    .bind(endpoint.previous.as_ref().map(|(secret, _)| secret))
    .bind(endpoint.previous.as_ref().map(|(_, until)| millis(*until)))
    .bind(&endpoint.file)
    .bind(endpoint.disabled.map(|(why, _)| why))
    .bind(endpoint.disabled.map(|(_, at)| millis(at)))
    .bind(endpoint.failing_since.map(millis))
    .bind(endpoint.last_success_at.map(millis))
    .bind(millis(endpoint.not_before))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[async_trait]
impl Endpoints for Sql {
    async fn add_endpoint(
        &self,
        workspace: &WorkspaceId,
        endpoint: NewEndpoint,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into endpoints (id, workspace, kind, target, types, secret, file, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&endpoint.id)
        .bind(workspace)
        .bind(endpoint.kind)
        .bind(&endpoint.target)
        .bind(endpoint.types.join(" "))
        .bind(&endpoint.secret)
        .bind(&endpoint.file)
        .bind(millis(now))
        .execute(&mut *tx)
        .await
        .map_err(|error| {
            // Ids are fresh: what is taken is the place of the one mail server.
            if is_taken(&error) {
                return Error::Conflict(
                    "there is a mail server already, and a workspace has one; change it, or delete it first".to_owned(),
                );
            }
            error.into()
        })?;
        // Not where it goes: an address may hold a key.
        let details = json!({"kind": endpoint.kind, "types": endpoint.types});
        let subject = endpoint.id.as_str();
        audit(&mut tx, workspace, actor, "endpoint.added", subject, &details, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn endpoint(&self, workspace: &WorkspaceId, id: &EndpointId) -> Result<Option<Endpoint>> {
        let row = sqlx::query(ONE_ENDPOINT)
            .bind(workspace)
            .bind(id)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(endpoint).transpose()
    }

    async fn endpoints(
        &self,
        workspace: &WorkspaceId,
        before: Option<&EndpointId>,
        limit: u32,
    ) -> Result<Vec<Endpoint>> {
        let rows = sqlx::query(
            "select id, workspace, kind, target, types, secret, previous_secret, previous_until, file, created_at,
                    disabled_why, disabled_at, failing_since, last_success_at, not_before
             from endpoints where workspace = $1 and ($2 is null or id < $2) order by id desc limit $3",
        )
        .bind(workspace)
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(endpoint).collect()
    }

    async fn change_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        change: EndpointChange,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<Endpoint> {
        let mut tx = self.begin().await?;
        let mut endpoint = held(&mut tx, workspace, id).await?;
        let details = json!({
            "types": change.types,
            "enabled": change.enabled,
            "rotated": change.rotate.is_some(),
            "settings": change.secret.is_some() || change.file.is_some(),
        });
        if let Some(types) = change.types {
            endpoint.types = types;
        }
        if let Some((secret, until)) = change.rotate {
            let before = std::mem::replace(&mut endpoint.secret, secret);
            endpoint.previous = Some((before, until));
        }
        if let Some(settings) = change.secret {
            endpoint.secret = settings;
        }
        if let Some(file) = change.file {
            endpoint.file = Some(file);
        }
        match (change.enabled, endpoint.disabled) {
            (Some(false), None) => endpoint.disabled = Some((Disabled::Person, now)),
            (Some(true), Some(_)) => {
                endpoint.disabled = None;
                endpoint.failing_since = None;
                endpoint.not_before = DateTime::default();
                sqlx::query(concat!(
                    "update deliveries set next_at = $3, tries = 0 where workspace = $1 and id in (
                        select id from deliveries where endpoint = $2 and state = 'pending' and lease_until is null
                        order by id",
                    hold!(),
                    ")"
                ))
                .bind(workspace)
                .bind(id)
                .bind(millis(now))
                .execute(&mut *tx)
                .await?;
            }
            _ => (),
        }
        write(&mut tx, &endpoint).await?;
        audit(
            &mut tx,
            workspace,
            actor,
            "endpoint.changed",
            id.as_str(),
            &details,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(endpoint)
    }

    async fn delete_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        held(&mut tx, workspace, id).await?;
        // Before the workspace is held: whoever erases a call holds deliveries while it waits for that.
        for statement in [
            "delete from deliveries where workspace = $1 and endpoint = $2",
            "delete from proposals where workspace = $1 and endpoint = $2",
        ] {
            sqlx::query(statement)
                .bind(workspace)
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
        let (action, subject) = ("endpoint.deleted", id.as_str());
        audit(&mut tx, workspace, actor, action, subject, &json!({}), now).await?;
        sqlx::query("delete from endpoints where workspace = $1 and id = $2")
            .bind(workspace)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn test_endpoint(
        &self,
        workspace: &WorkspaceId,
        id: &EndpointId,
        payload: &str,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<DeliveryId> {
        let mut tx = self.begin().await?;
        held_in_use(&mut tx, workspace, id).await?;
        let kind = "endpoint.test";
        let (seq, event) = append(&mut tx, workspace, None, None, kind, payload, now).await?;
        let delivery = DeliveryId::fresh();
        sqlx::query(
            "insert into deliveries (id, workspace, endpoint, event, event_seq, event_kind, deal, state, next_at, created_at)
             values ($1, $2, $3, $4, $5, $6, '', 'pending', $7, $7)",
        )
        .bind(&delivery)
        .bind(workspace)
        .bind(id)
        .bind(&event)
        .bind(seq)
        .bind(kind)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        let details = json!({"delivery": delivery});
        audit(&mut tx, workspace, actor, "endpoint.tested", id.as_str(), &details, now).await?;
        tx.commit().await?;
        Ok(delivery)
    }
}
