//! The SQL. This folder is compiled once for SQLite and once for PostgreSQL: `super` says which.

mod access;
mod calls;
mod changes;
mod connections;
mod deals;
mod delivery;
mod endpoints;
mod jobs;
mod live;
mod privacy;
mod reminders;

use std::sync::Mutex;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use sqlx::{Pool, Row as _, Transaction};

use super::{BEGIN, CLAIM, COMPACT, DOOMED, Db, SCRUB};
use crate::domain::hex;
use crate::store::{CallId, DealId, Error, EventId, NewEvent, Result, Store, WorkspaceId, millis};

pub struct Sql {
    write: Pool<Db>,
    read: Pool<Db>,
    /// News of live calls that wait to be written, and the right to write them.
    waiting: Mutex<Vec<live::Waiting>>,
    keeping: tokio::sync::Mutex<()>,
}

type Tx = Transaction<'static, Db>;
type Row = <Db as sqlx::Database>::Row;

impl Sql {
    pub fn new(write: Pool<Db>, read: Pool<Db>) -> Self {
        Self {
            write,
            read,
            waiting: Mutex::default(),
            keeping: tokio::sync::Mutex::default(),
        }
    }

    async fn begin(&self) -> Result<Tx> {
        Ok(self.write.begin_with(BEGIN).await?)
    }
}

#[async_trait::async_trait]
impl Store for Sql {
    async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.read).await?;
        Ok(())
    }
}

/// Adds a line to the audit log.
async fn audit(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    actor: &str,
    action: &str,
    subject: &str,
    details: &serde_json::Value,
    now: DateTime<Utc>,
) -> Result<()> {
    // The update locks the row: lines of a workspace follow each other.
    let row =
        sqlx::query("update workspaces set audit_seq = audit_seq + 1 where id = $1 returning audit_seq, audit_hash")
            .bind(workspace)
            .fetch_one(&mut **tx)
            .await?;
    let (seq, before): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    let details = details.to_string();
    let hash = audit_hash(&before, seq, millis(now), actor, action, subject, &details);
    sqlx::query(
        "insert into audit (workspace, seq, at, actor, action, subject, details, hash)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(workspace)
    .bind(seq)
    .bind(millis(now))
    .bind(actor)
    .bind(action)
    .bind(subject)
    .bind(&details)
    .bind(&hash)
    .execute(&mut **tx)
    .await?;
    sqlx::query("update workspaces set audit_hash = $2 where id = $1")
        .bind(workspace)
        .bind(&hash)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn audit_hash(before: &str, seq: i64, at: i64, actor: &str, action: &str, subject: &str, details: &str) -> String {
    // Lengths keep two lines from looking like another two.
    let mut hash = Sha256::new();
    for part in [
        before,
        &seq.to_string(),
        &at.to_string(),
        actor,
        action,
        subject,
        details,
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(hash.finalize())
}

/// Appends events with their deliveries; their numbers are in the order of commits.
async fn publish(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: Option<&CallId>,
    deal: Option<&DealId>,
    events: &[NewEvent],
    now: DateTime<Utc>,
) -> Result<()> {
    for event in events {
        let (seq, _) = append(tx, workspace, call, deal, event.kind, &event.payload, now).await?;
        delivery::deliver(tx, workspace, seq, None, None, now).await?;
    }
    Ok(())
}

/// Appends an event of which nobody is told: its number and id.
async fn append(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: Option<&CallId>,
    deal: Option<&DealId>,
    kind: &str,
    payload: &str,
    now: DateTime<Utc>,
) -> Result<(i64, EventId)> {
    let row = sqlx::query("update workspaces set event_seq = event_seq + 1 where id = $1 returning event_seq")
        .bind(workspace)
        .fetch_one(&mut **tx)
        .await?;
    let seq: i64 = row.try_get(0)?;
    let id = EventId::fresh();
    sqlx::query(
        "insert into events (workspace, seq, id, kind, call, deal, payload, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(workspace)
    .bind(seq)
    .bind(&id)
    .bind(kind)
    .bind(call)
    .bind(deal)
    .bind(payload)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok((seq, id))
}

fn no_call(id: &CallId) -> Error {
    Error::Missing {
        what: "call",
        id: id.to_string(),
    }
}

fn no_deal(id: &DealId) -> Error {
    Error::Missing {
        what: "deal",
        id: id.to_string(),
    }
}

/// A unique index refused the row.
fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
