//! Reminders; see `store::delivery`.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Sql, Tx, publish};
use crate::store::{CallId, DealId, NewEvent, NewReminder, ReminderId, Result, WorkspaceId, millis};

/// So many are told in one transaction.
const TOLD_AT_ONCE: u32 = 100;

/// What is to be done after a call, in place of what it or earlier calls with the deal left to do.
pub(super) async fn replace(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &CallId,
    deal: Option<&DealId>,
    reminders: &[NewReminder],
) -> Result<()> {
    sqlx::query("delete from reminders where workspace = $1 and (call = $2 or deal = $3)")
        .bind(workspace)
        .bind(call)
        .bind(deal)
        .execute(&mut **tx)
        .await?;
    for reminder in reminders {
        sqlx::query(
            "insert into reminders (id, workspace, call, deal, payload, due_at) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(ReminderId::fresh())
        .bind(workspace)
        .bind(call)
        .bind(deal)
        .bind(&reminder.payload)
        .bind(millis(reminder.due_at))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

impl Sql {
    /// Tells of what is due in a workspace; how many. A reminder goes in the transaction of its event.
    pub(super) async fn tell_some(&self, workspace: &WorkspaceId, most: u32, now: DateTime<Utc>) -> Result<u32> {
        let mut tx = self.begin().await?;
        let rows = sqlx::query(concat!(
            "select id, call, deal, payload from reminders where workspace = $1 and due_at <= $2
             order by due_at, id limit $3",
            hold_free!()
        ))
        .bind(workspace)
        .bind(millis(now))
        .bind(i64::from(most.min(TOLD_AT_ONCE)))
        .fetch_all(&mut *tx)
        .await?;
        for row in &rows {
            sqlx::query("delete from reminders where workspace = $1 and id = $2")
                .bind(workspace)
                .bind(row.try_get::<ReminderId, _>(0)?)
                .execute(&mut *tx)
                .await?;
        }
        for row in &rows {
            let (call, deal): (CallId, Option<DealId>) = (row.try_get(1)?, row.try_get(2)?);
            let event = NewEvent {
                kind: "action.due",
                payload: row.try_get(3)?,
            };
            if is_done(&mut tx, workspace, &call, &event.payload).await? {
                continue;
            }
            publish(&mut tx, workspace, Some(&call), deal.as_ref(), &[event], now).await?;
        }
        tx.commit().await?;
        Ok(rows.len() as u32)
    }
}

/// Whether somebody has ticked off what a reminder is about.
async fn is_done(tx: &mut Tx, workspace: &WorkspaceId, call: &CallId, payload: &str) -> Result<bool> {
    let told: serde_json::Value = serde_json::from_str(payload).unwrap_or_default();
    let row = sqlx::query("select count(*) from done_actions where workspace = $1 and call = $2 and action = $3")
        .bind(workspace)
        .bind(call)
        .bind(told["key"].as_str().unwrap_or_default())
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}
