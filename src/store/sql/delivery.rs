//! See `store::delivery`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::endpoints::{held, held_in_use, read, write};
use super::{Row, Sql, Tx, audit, publish};
use crate::store::{
    Attempt, Attempted, DealId, Deliveries, Delivery, DeliveryFigures, DeliveryFilter, DeliveryId, DeliveryState,
    Disabled, Due, Endpoint, EndpointId, EndpointKind, Error, NewEvent, Replay, Result, Scope, Then, WorkspaceId,
    millis, moment,
};

/// A delivery that is due behind one that has not ended is looked at again after so long, or when that one ends.
const BEHIND_S: i64 = 60;
/// So many of them at a time.
const MOST_BEHIND: i64 = 1000;
/// Two tries that are so far apart do not fail by the same mishap.
const HALF_DAY: Duration = Duration::hours(12);

pub(super) fn delivery(row: &Row) -> Result<Delivery> {
    let deal: String = row.try_get("deal")?;
    Ok(Delivery {
        id: row.try_get("id")?,
        endpoint: row.try_get("endpoint")?,
        event: row.try_get("event")?,
        event_seq: row.try_get("event_seq")?,
        event_kind: row.try_get("event_kind")?,
        call: row.try_get("call")?,
        deal: (!deal.is_empty()).then(|| DealId::from(deal)),
        state: row.try_get("state")?,
        attempt: row.try_get("attempt")?,
        next_at: moment(row.try_get("next_at")?),
        message: row.try_get("message")?,
        created_at: moment(row.try_get("created_at")?),
        done_at: row.try_get::<Option<i64>, _>("done_at")?.map(moment),
    })
}

/// Writes down who is to be told of the events from a number and a moment on: every endpoint that is in use and wants them,
/// or this one. How many deliveries that makes.
pub(super) async fn deliver(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    from: i64,
    since: Option<DateTime<Utc>>,
    endpoint: Option<&EndpointId>,
    now: DateTime<Utc>,
) -> Result<u64> {
    let done = sqlx::query(
        // The plus keeps the index of moments out of it: the number is what leads to the event that was just appended. The id
        // is made of those of the event and of the endpoint, and sorts by the former. An endpoint is not told of itself.
        "insert into deliveries (id, workspace, endpoint, event, event_seq, event_kind, call, deal, state, next_at, created_at)
         select 'dlv_' || substr(v.id, 5) || substr(e.id, 20), v.workspace, e.id, v.id, v.seq, v.kind, v.call,
                coalesce(v.deal, ''), 'pending', $5, $5
         from events v join endpoints e on e.workspace = v.workspace
         where v.workspace = $1 and v.seq >= $2 and +v.at >= $3 and ($4 is null or e.id = $4) and e.disabled_at is null
           and ' ' || case e.kind when 'crm' then $6 when 'mail' then $7 else case e.types when '' then $8 else e.types end end
               || ' ' like '% ' || v.kind || ' %'
           and (e.kind <> 'mail' or exists (select 1 from follow_ups f where f.call = v.call and f.send_to <> ''))
           and not (v.kind = 'endpoint.disabled' and v.payload like '%' || e.id || '%')
         on conflict (endpoint, event) do nothing",
    )
    .bind(workspace)
    .bind(from)
    .bind(since.map_or(0, millis))
    .bind(endpoint)
    .bind(millis(now))
    .bind(EndpointKind::Crm.types().join(" "))
    .bind(EndpointKind::Mail.types().join(" "))
    .bind(EndpointKind::Webhook.types().join(" "))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Whether the CRM has a change of the deal is not known: what it has now says nothing.
macro_rules! in_doubt {
    () => {
        "exists (select 1 from changes c join proposals p on p.id = c.proposal
                 where c.endpoint = d.endpoint and p.deal = d.deal and c.state in ('writing', 'undoing'))"
    };
}

/// Hands out what is due at an endpoint and behind nothing, at most `most`; the number of tries and the payload beside it.
/// Wants the endpoint to be held.
pub(super) async fn take(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    most: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Row>> {
    // Apart from the update, or PostgreSQL may ask for the first few again and again, each time without those it holds.
    let mut rows = sqlx::query(concat!(
        "with ready as materialized (
            select d.id from deliveries d
            where d.workspace = $1 and d.endpoint = $2 and d.state = 'pending' and d.next_at <= $3
              and not exists (select 1 from deliveries b where b.endpoint = d.endpoint and b.deal = d.deal and b.deal <> ''
                                and b.state = 'pending' and b.event_seq < d.event_seq)
              and not ",
        in_doubt!(),
        "
            order by d.next_at, d.event_seq limit $5",
        hold_free!(),
        ")
         update deliveries set attempt = attempt + 1, tries = tries + 1, lease_until = $4, next_at = $4
         where id in (select id from ready)
         returning id, endpoint, event, event_seq, event_kind, call, deal, state, attempt, tries, next_at, message,
                   created_at, done_at,
                   (select v.payload from events v
                    where v.workspace = deliveries.workspace and v.seq = deliveries.event_seq) as payload,
                   (select v.at from events v
                    where v.workspace = deliveries.workspace and v.seq = deliveries.event_seq) as at,
                   (select count(*) from attempts a
                    where a.workspace = deliveries.workspace and a.delivery = deliveries.id
                      and a.number = deliveries.attempt - 1 and a.error = 'begun') as begun"
    ))
    .bind(workspace)
    .bind(endpoint)
    .bind(millis(now))
    .bind(millis(until))
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    rows.sort_by_key(|row| row.try_get::<i64, _>("event_seq").unwrap_or_default());
    if (rows.len() as i64) < most {
        step_back(tx, workspace, endpoint, now).await?;
    }
    Ok(rows)
}

/// Those that are due and behind others are not looked at again at once: thousands of them may be behind one that fails.
async fn step_back(tx: &mut Tx, workspace: &WorkspaceId, endpoint: &EndpointId, now: DateTime<Utc>) -> Result<()> {
    sqlx::query(concat!(
        "with behind as materialized (
            select d.id from deliveries d
            where d.workspace = $1 and d.endpoint = $2 and d.state = 'pending' and d.next_at <= $3
              and (exists (select 1 from deliveries b where b.endpoint = d.endpoint and b.deal = d.deal and b.deal <> ''
                             and b.state = 'pending' and b.event_seq < d.event_seq)
                or ",
        in_doubt!(),
        ")
            order by d.next_at, d.event_seq limit $5",
        hold_free!(),
        ")
         update deliveries set next_at = $4 where id in (select id from behind)"
    ))
    .bind(workspace)
    .bind(endpoint)
    .bind(millis(now))
    .bind(millis(now + Duration::seconds(BEHIND_S)))
    .bind(MOST_BEHIND)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The next of the deal need not wait any longer. One that was tried before waits as long as it was told to.
pub(super) async fn wake_next(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    deal: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "update deliveries set next_at = $4 where workspace = $1 and next_at > $4 and tries = 0 and id = (
            select id from deliveries where endpoint = $2 and deal = $3 and state = 'pending' order by event_seq limit 1)",
    )
    .bind(workspace)
    .bind(endpoint)
    .bind(deal)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Where a delivery belongs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    endpoint: EndpointId,
    workspace: WorkspaceId,
}

/// Writes down a try, and what becomes of the delivery. False: it was taken away.
async fn keep(tx: &mut Tx, place: &Place, tried: &Attempted, now: DateTime<Utc>) -> Result<bool> {
    let workspace = &place.workspace;
    let there = sqlx::query(concat!(
        "select 1 from deliveries where workspace = $1 and id = $2",
        hold!()
    ))
    .bind(workspace)
    .bind(&tried.delivery)
    .fetch_optional(&mut **tx)
    .await?;
    if there.is_none() {
        return Ok(false);
    }
    sqlx::query(
        "insert into attempts (delivery, number, workspace, started_at, duration_ms, status, error, answer)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (delivery, number) do update
            set duration_ms = excluded.duration_ms, status = excluded.status, error = excluded.error,
                answer = excluded.answer
            where attempts.error = 'begun'",
    )
    .bind(&tried.delivery)
    .bind(tried.attempt)
    .bind(workspace)
    .bind(millis(tried.started_at))
    .bind(i64::try_from(tried.duration.as_millis()).unwrap_or(i64::MAX))
    .bind(tried.status.map(i64::from))
    .bind(tried.error)
    .bind(&tried.answer)
    .execute(&mut **tx)
    .await?;
    let (state, next) = match &tried.then {
        Then::Delivered | Then::Disable { delivered: true, .. } => (DeliveryState::Delivered, now),
        Then::Again { at, .. } => (DeliveryState::Pending, *at),
        Then::Failed | Then::Disable { .. } => (DeliveryState::Failed, now),
        Then::Dropped => (DeliveryState::Dropped, now),
    };
    let ended = state != DeliveryState::Pending;
    let row = sqlx::query(
        "update deliveries set state = $4, next_at = $5, lease_until = null, message = $6, done_at = $7
         where workspace = $1 and id = $2 and attempt = $3 and state = 'pending' and lease_until is not null
         returning deal",
    )
    .bind(workspace)
    .bind(&tried.delivery)
    .bind(tried.attempt)
    .bind(state)
    .bind(millis(next))
    .bind(&tried.message)
    .bind(ended.then(|| millis(now)))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let deal: String = row.try_get(0)?;
    if ended && !deal.is_empty() {
        wake_next(tx, workspace, &place.endpoint, &deal, now).await?;
    }
    Ok(true)
}

fn ended(tried: &Attempted) -> DateTime<Utc> {
    let took = Duration::from_std(tried.duration).unwrap_or_default();
    tried.started_at.checked_add_signed(took).unwrap_or(tried.started_at)
}

fn succeeded(endpoint: &mut Endpoint, tried: &Attempted) {
    endpoint.failing_since = None;
    endpoint.last_success_at = endpoint.last_success_at.max(Some(ended(tried)));
}

/// What a try says of its endpoint.
fn judge(endpoint: &mut Endpoint, tried: &Attempted, patience: Duration, now: DateTime<Utc>) {
    let off = match &tried.then {
        Then::Dropped => return,
        Then::Delivered => {
            succeeded(endpoint, tried);
            return;
        }
        Then::Disable { why, delivered: true } => {
            succeeded(endpoint, tried);
            endpoint.disabled.get_or_insert((*why, now));
            return;
        }
        Then::Again { rest, .. } => {
            endpoint.not_before = endpoint.not_before.max(rest.unwrap_or_default());
            None
        }
        Then::Failed => None,
        Then::Disable { why, .. } => Some(*why),
    };
    let since = *endpoint.failing_since.get_or_insert(ended(tried));
    // The try that it began with, and this one.
    let failing = endpoint.kind == EndpointKind::Webhook && now - since >= patience.max(HALF_DAY);
    if endpoint.disabled.is_none()
        && let Some(why) = off.or(failing.then_some(Disabled::Failing))
    {
        endpoint.disabled = Some((why, now));
    }
}

async fn tell_disabled(tx: &mut Tx, endpoint: &Endpoint, why: Disabled, now: DateTime<Utc>) -> Result<()> {
    let details = json!({"why": why, "failing_since": endpoint.failing_since});
    let (workspace, subject) = (&endpoint.workspace, endpoint.id.as_str());
    audit(tx, workspace, "server", "endpoint.disabled", subject, &details, now).await?;
    let event = NewEvent {
        kind: "endpoint.disabled",
        payload: json!({
            "endpoint_id": endpoint.id,
            "kind": endpoint.kind,
            "why": why,
            "failing_since": endpoint.failing_since,
            "endpoint": format!("/v1/endpoints/{}", endpoint.id),
        })
        .to_string(),
    };
    publish(tx, workspace, None, None, &[event], now).await
}

#[async_trait]
impl Deliveries for Sql {
    async fn claim_deliveries(&self, most: u32, each: u32, now: DateTime<Utc>, lease: Duration) -> Result<Vec<Due>> {
        // Looking costs no writer.
        let waiting = sqlx::query(
            "select e.workspace, e.id from endpoints e
             where e.kind <> 'crm' and e.disabled_at is null and e.not_before <= $1
               and exists (select 1 from deliveries d where d.endpoint = e.id and d.state = 'pending' and d.next_at <= $1)
               and (select count(*) from deliveries h where h.endpoint = e.id and h.lease_until > $1)
                   < case when e.failing_since is null then $2 else 1 end
             order by e.served_at, e.id limit $3",
        )
        .bind(millis(now))
        .bind(i64::from(each))
        .bind(i64::from(most))
        .fetch_all(&self.read)
        .await?;
        let mut due = Vec::new();
        if waiting.is_empty() {
            return Ok(due);
        }
        let mut tx = self.begin().await?;
        for row in &waiting {
            let (workspace, id): (WorkspaceId, EndpointId) = (row.try_get(0)?, row.try_get(1)?);
            let left = i64::from(most) - due.len() as i64;
            if left == 0 {
                break;
            }
            // As it is now that nobody else can take from it.
            let free = sqlx::query(concat!(
                "select 1 from endpoints where workspace = $1 and id = $2 and disabled_at is null and not_before <= $3",
                hold_free!()
            ))
            .bind(&workspace)
            .bind(&id)
            .bind(millis(now))
            .fetch_optional(&mut *tx)
            .await?;
            if free.is_none() {
                continue;
            }
            let endpoint = read(&mut tx, &workspace, &id).await?;
            let row = sqlx::query(
                "select count(*) from deliveries where workspace = $1 and endpoint = $2 and lease_until > $3",
            )
            .bind(&workspace)
            .bind(&id)
            .bind(millis(now))
            .fetch_one(&mut *tx)
            .await?;
            let allowed = if endpoint.failing_since.is_some() { 1 } else { each };
            let room = (i64::from(allowed) - row.try_get::<i64, _>(0)?).min(left);
            if room <= 0 {
                continue;
            }
            let rows = take(&mut tx, &workspace, &id, room, now, now + lease).await?;
            for row in &rows {
                due.push(Due {
                    delivery: delivery(row)?,
                    tries: row.try_get("tries")?,
                    endpoint: endpoint.clone(),
                    payload: row.try_get("payload")?,
                    at: moment(row.try_get("at")?),
                    unsure: row.try_get::<i64, _>("begun")? > 0,
                });
            }
            sqlx::query("update endpoints set served_at = $3 where workspace = $1 and id = $2")
                .bind(&workspace)
                .bind(&id)
                .bind(millis(now))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(due)
    }

    async fn begin_delivery(&self, due: &Due, until: DateTime<Utc>, now: DateTime<Utc>) -> Result<bool> {
        let workspace = &due.endpoint.workspace;
        let mut tx = self.begin().await?;
        let held = sqlx::query(
            "update deliveries set lease_until = $4, next_at = $4
             where workspace = $1 and id = $2 and attempt = $3 and state = 'pending' and lease_until is not null",
        )
        .bind(workspace)
        .bind(&due.delivery.id)
        .bind(due.delivery.attempt)
        .bind(millis(until))
        .execute(&mut *tx)
        .await?;
        if held.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "insert into attempts (delivery, number, workspace, started_at, duration_ms, status, error, answer)
             values ($1, $2, $3, $4, 0, null, 'begun', '')",
        )
        .bind(&due.delivery.id)
        .bind(due.delivery.attempt)
        .bind(workspace)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn finish_deliveries(
        &self,
        mut attempted: Vec<Attempted>,
        patience: Duration,
        now: DateTime<Utc>,
    ) -> Result<()> {
        // In the order in which rows are held.
        attempted.sort_by(|a, b| (&a.delivery, a.attempt).cmp(&(&b.delivery, b.attempt)));
        let mut known: Vec<(Place, Attempted)> = Vec::new();
        for tried in attempted {
            let row = sqlx::query("select endpoint, workspace from deliveries where id = $1")
                .bind(&tried.delivery)
                .fetch_optional(&self.read)
                .await?;
            if let Some(row) = row {
                let place = Place {
                    endpoint: row.try_get(0)?,
                    workspace: row.try_get(1)?,
                };
                known.push((place, tried));
            }
        }
        let mut tx = self.begin().await?;
        let mut endpoints = BTreeMap::new();
        for place in known.iter().map(|(place, _)| place).collect::<BTreeSet<_>>() {
            match held(&mut tx, &place.workspace, &place.endpoint).await {
                Ok(endpoint) => endpoints.insert(place.clone(), endpoint),
                // It was deleted meanwhile.
                Err(Error::Missing { .. }) => continue,
                Err(error) => return Err(error),
            };
        }
        let mut told = Vec::new();
        for (place, tried) in &known {
            if keep(&mut tx, place, tried, now).await? {
                told.push((place, tried));
            }
        }
        told.sort_by_key(|(_, tried)| ended(tried));
        let mut disabled = Vec::new();
        for (place, mut endpoint) in endpoints {
            let before = endpoint.clone();
            for (_, tried) in told.iter().filter(|(of, _)| **of == place) {
                judge(&mut endpoint, tried, patience, now);
            }
            if endpoint != before {
                write(&mut tx, &endpoint).await?;
            }
            if before.disabled.is_none()
                && let Some((why, _)) = endpoint.disabled
            {
                disabled.push((endpoint, why));
            }
        }
        disabled.sort_by(|(a, _), (b, _)| a.workspace.cmp(&b.workspace));
        for (endpoint, why) in &disabled {
            tell_disabled(&mut tx, endpoint, *why, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn release_all_deliveries(&self, now: DateTime<Utc>) -> Result<u64> {
        let done = sqlx::query(
            "update deliveries set lease_until = null, next_at = $1 where state = 'pending' and lease_until is not null",
        )
        .bind(millis(now))
        .execute(&self.write)
        .await?;
        Ok(done.rows_affected())
    }

    async fn next_delivery_at(&self) -> Result<Option<DateTime<Utc>>> {
        let row = sqlx::query(
            "select min(case when next_at > not_before then next_at else not_before end) from (
                select e.not_before, (select min(d.next_at) from deliveries d
                                      where d.endpoint = e.id and d.state = 'pending') as next_at
                from endpoints e where e.kind <> 'crm' and e.disabled_at is null) waiting
             where next_at is not null",
        )
        .fetch_one(&self.read)
        .await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(moment))
    }

    async fn delivery(&self, scope: &Scope, id: &DeliveryId) -> Result<Option<(Delivery, Vec<Attempt>)>> {
        let row = sqlx::query(
            "select id, endpoint, event, event_seq, event_kind, call, deal, state, attempt, next_at, message, created_at,
                    done_at
             from deliveries d
             where workspace = $1 and id = $2
               and ($3 is null or exists (select 1 from calls c where c.id = d.call and c.owner = $3)
                 or exists (select 1 from deals o where o.id = d.deal and o.owner = $3))",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let attempts = sqlx::query(
            "select number, started_at, duration_ms, status, error, answer from attempts
             where workspace = $1 and delivery = $2 order by number",
        )
        .bind(&scope.workspace)
        .bind(id)
        .fetch_all(&self.read)
        .await?;
        let attempts = attempts.iter().map(|row| {
            Ok(Attempt {
                number: row.try_get("number")?,
                started_at: moment(row.try_get("started_at")?),
                duration_ms: row.try_get("duration_ms")?,
                status: row.try_get("status")?,
                error: row.try_get("error")?,
                answer: row.try_get("answer")?,
            })
        });
        Ok(Some((delivery(&row)?, attempts.collect::<Result<_>>()?)))
    }

    async fn deliveries(&self, scope: &Scope, filter: &DeliveryFilter) -> Result<Vec<Delivery>> {
        let rows = sqlx::query(
            "select id, endpoint, event, event_seq, event_kind, call, deal, state, attempt, next_at, message, created_at,
                    done_at
             from deliveries d
             where workspace = $1
               and ($2 is null or exists (select 1 from calls c where c.id = d.call and c.owner = $2)
                 or exists (select 1 from deals o where o.id = d.deal and o.owner = $2))
               and ($3 is null or id < $3) and ($4 is null or endpoint = $4) and ($5 is null or state = $5)
               and ($6 is null or event_kind = $6) and ($7 is null or call = $7) and ($8 is null or deal = $8)
               and ($9 is null or created_at >= $9)
             order by id desc limit $10",
        )
        .bind(&scope.workspace)
        .bind(&scope.owner)
        .bind(&filter.before)
        .bind(&filter.endpoint)
        .bind(filter.state)
        .bind(&filter.event_kind)
        .bind(&filter.call)
        .bind(&filter.deal)
        .bind(filter.since.map(millis))
        .bind(i64::from(filter.limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(delivery).collect()
    }

    async fn replay(&self, workspace: &WorkspaceId, what: Replay, actor: &str, now: DateTime<Utc>) -> Result<u64> {
        let mut tx = self.begin().await?;
        let (subject, details, count) = match &what {
            Replay::One(id) => {
                again(&mut tx, workspace, id, now).await?;
                (id.as_str(), json!({}), 1)
            }
            Replay::Failed { endpoint, since } => {
                held_in_use(&mut tx, workspace, endpoint).await?;
                let count = failed_again(&mut tx, workspace, endpoint, *since, now).await?;
                (endpoint.as_str(), json!({"failed_since": since, "count": count}), count)
            }
            Replay::NeverAttempted { endpoint, since } => {
                held_in_use(&mut tx, workspace, endpoint).await?;
                let count = deliver(&mut tx, workspace, 0, Some(*since), Some(endpoint), now).await?;
                (endpoint.as_str(), json!({"missed_since": since, "count": count}), count)
            }
        };
        audit(&mut tx, workspace, actor, "delivery.replayed", subject, &details, now).await?;
        tx.commit().await?;
        Ok(count)
    }

    async fn tell_reminders(&self, most: u32, now: DateTime<Utc>) -> Result<u64> {
        let mut told = 0;
        while told < most {
            // Looking costs no writer.
            let next = sqlx::query("select workspace from reminders where due_at <= $1 order by due_at limit 1")
                .bind(millis(now))
                .fetch_optional(&self.read)
                .await?;
            let Some(next) = next else { break };
            let more = self.tell_some(&next.try_get(0)?, most - told, now).await?;
            // Another process is telling them.
            if more == 0 {
                break;
            }
            told += more;
        }
        Ok(u64::from(told))
    }

    async fn delivery_figures(&self, now: DateTime<Utc>) -> Result<DeliveryFigures> {
        let row = sqlx::query(
            "select count(*), min(d.next_at), (select count(*) from endpoints where disabled_at is not null)
             from deliveries d join endpoints e on e.id = d.endpoint where d.state = 'pending' and e.disabled_at is null",
        )
        .fetch_one(&self.read)
        .await?;
        let oldest: Option<i64> = row.try_get(1)?;
        Ok(DeliveryFigures {
            pending: row.try_get(0)?,
            oldest_s: oldest.map_or(0, |at| (millis(now) - at).max(0) / 1000),
            disabled_endpoints: row.try_get(2)?,
        })
    }
}

/// Sends one again.
async fn again(tx: &mut Tx, workspace: &WorkspaceId, id: &DeliveryId, now: DateTime<Utc>) -> Result<()> {
    let missing = || Error::Missing {
        what: "delivery",
        id: id.to_string(),
    };
    let row = sqlx::query("select endpoint from deliveries where workspace = $1 and id = $2")
        .bind(workspace)
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(missing)?;
    held_in_use(tx, workspace, &row.try_get(0)?).await?;
    let done = sqlx::query(
        "update deliveries set state = 'pending', tries = 0, next_at = $3, lease_until = null, done_at = null, message = null
         where workspace = $1 and id = $2 and (lease_until is null or lease_until <= $3)",
    )
    .bind(workspace)
    .bind(id)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Err(Error::Conflict("the delivery is just being sent".to_owned()));
    }
    Ok(())
}

/// Sends again what of a deal failed at an endpoint.
pub(super) async fn deal_again(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    deal: &DealId,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(concat!(
        "update deliveries set state = 'pending', tries = 0, next_at = $4, done_at = null, message = null
         where workspace = $1 and id in (
            select id from deliveries where endpoint = $2 and deal = $3 and state = 'failed' order by id",
        hold!(),
        ")"
    ))
    .bind(workspace)
    .bind(endpoint)
    .bind(deal)
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Sends again what failed at an endpoint.
async fn failed_again(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    endpoint: &EndpointId,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<u64> {
    let done = sqlx::query(concat!(
        "update deliveries set state = 'pending', tries = 0, next_at = $4, done_at = null, message = null
         where workspace = $1 and id in (
            select id from deliveries where endpoint = $2 and state = 'failed' and done_at >= $3 order by id",
        hold!(),
        ")"
    ))
    .bind(workspace)
    .bind(endpoint)
    .bind(millis(since))
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
