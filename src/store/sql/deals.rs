//! See `store::deals`.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::json;
use sqlx::Row as _;

use super::calls::{day, requeue, seen_call};
use super::privacy::unquote;
use super::{Row, Sql, Tx, audit, is_taken, no_deal};
use crate::domain::CallFigures;
use crate::store::{
    CallId, CallStatus, ContactKey, ContactKind, Deal, DealHint, DealId, DealPage, DealRecord, Deals, Error, Event,
    FiguresRecord, ListedDeal, NewCall, NewDeal, Priority, Result, Scope, UserId, WorkspaceId, from_json, millis,
    moment, search,
};

fn deal_record(row: &Row) -> Result<DealRecord> {
    Ok(DealRecord {
        deal: row.try_get("deal")?,
        revision: row.try_get("revision")?,
        call: row.try_get("call")?,
        call_date: day(&row.try_get::<String, _>("call_date")?)?,
        known_at: moment(row.try_get("known_at")?),
        body: row.try_get("body")?,
    })
}

fn deal(row: &Row) -> Result<Deal> {
    Ok(Deal {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        crm_id: row.try_get("crm_id")?,
        owner: row.try_get("owner")?,
        revision: row.try_get("revision")?,
        stage: row.try_get("stage")?,
        created_at: moment(row.try_get("created_at")?),
        updated_at: moment(row.try_get("updated_at")?),
    })
}

/// Wants the calls and the last summary too.
fn listed(row: &Row) -> Result<ListedDeal> {
    let date: Option<String> = row.try_get("last_call_date")?;
    let (call, summary): (Option<CallId>, Option<String>) = (row.try_get("last_call")?, row.try_get("summary")?);
    let summary = summary
        .as_deref()
        .map(|text| from_json("summary of a call", text))
        .transpose()?;
    Ok(ListedDeal {
        deal: deal(row)?,
        calls: row.try_get("calls")?,
        last_call_date: date.as_deref().map(day).transpose()?,
        last: call.zip(summary),
    })
}

/// `by_call`: made because a call named it.
async fn insert(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    deal: &NewDeal,
    by_call: bool,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<()> {
    sqlx::query(
        "insert into deals (id, workspace, name, crm_id, owner, by_call, created_at, updated_at, name_words)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
    )
    .bind(&deal.id)
    .bind(workspace)
    .bind(&deal.name)
    .bind(&deal.crm_id)
    .bind(&deal.owner)
    .bind(i64::from(by_call))
    .bind(millis(now))
    .bind(search::stems(&deal.name))
    .execute(&mut **tx)
    .await
    .map_err(|error| {
        if is_taken(&error) {
            Error::Conflict("another deal has this CRM id".to_owned())
        } else {
            error.into()
        }
    })?;
    add_keys(tx, workspace, &deal.id, &deal.keys, "").await?;
    audit(tx, workspace, actor, "deal.added", deal.id.as_str(), &json!({}), now).await
}

/// `call`: the one that told them; "": the deal has them of its own.
async fn add_keys(tx: &mut Tx, workspace: &WorkspaceId, deal: &DealId, keys: &[ContactKey], call: &str) -> Result<()> {
    for key in keys {
        sqlx::query(
            "insert into deal_keys (workspace, deal, kind, value, call) values ($1, $2, $3, $4, $5)
             on conflict do nothing",
        )
        .bind(workspace)
        .bind(deal)
        .bind(key.kind())
        .bind(key.value())
        .bind(call)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// The deal that a new call belongs to, as far as it can be told: by our id, by that of the CRM, then by its contacts,
/// where all that are known lead to one deal. Deals that whoever brings the call may not see are left out.
pub(super) async fn match_deal(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &NewCall,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<Option<DealId>> {
    let found = match &call.deal {
        DealHint::Ours(id) => {
            let row =
                sqlx::query("select id from deals where workspace = $1 and id = $2 and ($3 is null or owner = $3)")
                    .bind(workspace)
                    .bind(id)
                    .bind(&call.sees)
                    .fetch_optional(&mut **tx)
                    .await?;
            if row.is_none() {
                return Err(no_deal(id));
            }
            Some(id.clone())
        }
        DealHint::Crm { id, name } => {
            // As clients call it; else as it was found in a CRM.
            let rows = sqlx::query(
                "select d.id, d.owner, cast(case when d.crm_id = $2 then 1 else 0 end as bigint) as said from deals d
                 where d.workspace = $1 and (d.crm_id = $2
                    or d.id in (select r.deal from crm_records r where r.workspace = $1 and r.crm_id = $2))
                 order by said desc, d.id limit 2",
            )
            .bind(workspace)
            .bind(id)
            .fetch_all(&mut **tx)
            .await?;
            match rows.as_slice() {
                // Two CRMs have this id: which is meant is for a person to say.
                [first, _] if first.try_get::<i64, _>("said")? == 0 => None,
                // One that is not seen stays so: the call waits in the inbox.
                [row, ..] if call.sees.is_some() && call.sees != row.try_get("owner")? => None,
                [row, ..] => Some(row.try_get("id")?),
                [] => {
                    let name = name.as_ref().unwrap_or(id);
                    Some(make(tx, workspace, call, name, Some(id.clone()), actor, now).await?)
                }
            }
        }
        DealHint::Named(name) => {
            let known = with_key(tx, workspace, &call.sees, &ContactKey::new(ContactKind::Name, name), 0).await?;
            match known.as_slice() {
                [] => Some(make(tx, workspace, call, name, None, actor, now).await?),
                [one] => Some(one.clone()),
                // Which of them is for a person to say.
                _ => None,
            }
        }
        DealHint::Unsaid => by_contacts(tx, workspace, call, now).await?,
    };
    if let Some(deal) = &found {
        let sure: Vec<ContactKey> = call
            .keys
            .iter()
            .filter(|key| key.kind() != ContactKind::Name)
            .cloned()
            .collect();
        add_keys(tx, workspace, deal, &sure, call.id.as_str()).await?;
    }
    Ok(found)
}

async fn make(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &NewCall,
    name: &str,
    crm_id: Option<String>,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<DealId> {
    let deal = NewDeal {
        id: DealId::fresh(),
        name: name.to_owned(),
        crm_id,
        owner: call.owner.clone(),
        keys: ContactKey::new(ContactKind::Name, name).into_iter().collect(),
    };
    insert(tx, workspace, &deal, true, actor, now).await?;
    add_keys(tx, workspace, &deal.id, &call.keys, call.id.as_str()).await?;
    Ok(deal.id)
}

/// A name alone tells less than a number: it counts only for a deal that something happened in lately.
const NAME_DAYS: i64 = 90;

async fn by_contacts(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    call: &NewCall,
    now: DateTime<Utc>,
) -> Result<Option<DealId>> {
    let lately = millis(call.started_at.unwrap_or(now) - chrono::Duration::days(NAME_DAYS));
    for (sure, since) in [(true, 0), (false, lately)] {
        let mut deals: Vec<DealId> = Vec::new();
        for key in call.keys.iter().filter(|key| (key.kind() != ContactKind::Name) == sure) {
            deals.extend(with_key(tx, workspace, &call.sees, &Some(key.clone()), since).await?);
        }
        deals.sort();
        deals.dedup();
        match deals.as_slice() {
            [] => (),
            [one] => return Ok(Some(one.clone())),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// Deals with a contact that changed since a moment; `owner`: only those of this user.
async fn with_key(
    tx: &mut Tx,
    workspace: &WorkspaceId,
    owner: &Option<UserId>,
    key: &Option<ContactKey>,
    since: i64,
) -> Result<Vec<DealId>> {
    let Some(key) = key else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(
        "select distinct d.id from deal_keys k join deals d on d.id = k.deal
         where k.workspace = $1 and d.workspace = $1 and k.kind = $2 and k.value = $3 and d.updated_at >= $4
           and ($5 is null or d.owner = $5)",
    )
    .bind(workspace)
    .bind(key.kind())
    .bind(key.value())
    .bind(since)
    .bind(owner)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

#[async_trait]
impl Deals for Sql {
    async fn add_deal(&self, workspace: &WorkspaceId, deal: NewDeal, actor: &str, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.begin().await?;
        insert(&mut tx, workspace, &deal, false, actor, now).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn deal(&self, scope: &Scope, id: &DealId) -> Result<Option<Deal>> {
        let row = sqlx::query(
            "select id, name, crm_id, owner, revision, stage, created_at, updated_at
             from deals where workspace = $1 and id = $2 and ($3 is null or owner = $3)",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(deal).transpose()
    }

    async fn deals(&self, scope: &Scope, page: &DealPage) -> Result<Vec<ListedDeal>> {
        let mut query = sqlx::query(
            "select d.id, d.name, d.crm_id, d.owner, d.revision, d.stage, d.created_at, d.updated_at,
                    (select count(*) from calls c where c.deal = d.id) as calls,
                    (select max(c.call_date) from calls c where c.deal = d.id) as last_call_date, s.call as last_call, s.body as summary
             from deals d
             left join deal_records r on r.deal = d.id
                and r.revision = (select max(x.revision) from deal_records x where x.deal = d.id)
             left join summaries s on s.call = r.call
             where d.workspace = $1 and ($2 is null or d.owner = $2) and ($3 is null or d.id < $3)
               and ($5 is null or d.stage = $5) and ($6 is null or d.owner = $6)
               and ($7 is null or ((d.name_words like $7 or d.name_words like $8) and d.name_words like $9
                 and d.name_words like $10 and d.name_words like $11 and d.name_words like $12 and d.name_words like $13))
             order by d.id desc limit $4",
        )
        .bind(&scope.workspace)
        .bind(&scope.owner)
        .bind(&page.after)
        .bind(i64::from(page.limit))
        .bind(&page.stage)
        .bind(&page.owner);
        for pattern in search::patterns(page.search.as_ref()) {
            query = query.bind(pattern);
        }
        let rows = query.fetch_all(&self.read).await?;
        rows.iter().map(listed).collect()
    }

    async fn listed_deal(&self, scope: &Scope, id: &DealId) -> Result<Option<ListedDeal>> {
        let row = sqlx::query(
            "select d.id, d.name, d.crm_id, d.owner, d.revision, d.stage, d.created_at, d.updated_at,
                    (select count(*) from calls c where c.deal = d.id) as calls,
                    (select max(c.call_date) from calls c where c.deal = d.id) as last_call_date, s.call as last_call, s.body as summary
             from deals d
             left join deal_records r on r.deal = d.id
                and r.revision = (select max(x.revision) from deal_records x where x.deal = d.id)
             left join summaries s on s.call = r.call
             where d.workspace = $1 and d.id = $2 and ($3 is null or d.owner = $3)",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(listed).transpose()
    }

    async fn deal_records(&self, scope: &Scope, id: &DealId, at: Option<DateTime<Utc>>) -> Result<Vec<DealRecord>> {
        let rows = sqlx::query(
            "select r.deal, r.revision, r.call, r.call_date, r.known_at, r.body
             from deal_records r join deals d on d.id = r.deal
             where d.workspace = $1 and d.id = $2 and ($3 is null or d.owner = $3) and ($4 is null or r.known_at <= $4)
             order by r.revision",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .bind(at.map(millis))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(deal_record).collect()
    }

    async fn last_deal_record(&self, scope: &Scope, id: &DealId) -> Result<Option<DealRecord>> {
        let row = sqlx::query(
            "select r.deal, r.revision, r.call, r.call_date, r.known_at, r.body
             from deal_records r join deals d on d.id = r.deal
             where d.workspace = $1 and d.id = $2 and ($3 is null or d.owner = $3)
             order by r.revision desc limit 1",
        )
        .bind(&scope.workspace)
        .bind(id)
        .bind(&scope.owner)
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(deal_record).transpose()
    }

    async fn figures(&self, scope: &Scope) -> Result<Vec<FiguresRecord>> {
        let rows = sqlx::query(
            "select r.deal, d.owner as deal_owner, c.owner as call_owner, r.call, r.known_at, r.figures
             from deal_records r join deals d on d.id = r.deal join calls c on c.id = r.call
             where d.workspace = $1 and ($2 is null or d.owner = $2)
             order by r.deal, r.revision",
        )
        .bind(&scope.workspace)
        .bind(&scope.owner)
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let mut figures: CallFigures = from_json("figures", &row.try_get::<String, _>("figures")?)?;
                // A call file may have an id of its own.
                figures.call = row.try_get("call")?;
                Ok(FiguresRecord {
                    deal: row.try_get("deal")?,
                    deal_owner: row.try_get("deal_owner")?,
                    call_owner: row.try_get("call_owner")?,
                    known_at: moment(row.try_get("known_at")?),
                    figures,
                })
            })
            .collect()
    }

    async fn history_before(
        &self,
        workspace: &WorkspaceId,
        deal: &DealId,
        call: &CallId,
        call_date: NaiveDate,
    ) -> Result<(Option<(CallId, String)>, i64)> {
        // The number first: a record that comes between the two is told by it, never missed.
        let row = sqlx::query("select revision from deals where workspace = $1 and id = $2")
            .bind(workspace)
            .bind(deal)
            .fetch_optional(&self.read)
            .await?
            .ok_or_else(|| no_deal(deal))?;
        let revision = row.try_get(0)?;
        let row = sqlx::query(
            "select c.id, r.body from calls c join results r on r.call = c.id and r.step = 'analysis'
             where c.workspace = $1 and c.deal = $2 and c.id <> $3
               and (c.call_date < $4 or (c.call_date = $4 and c.id < $3))
             order by c.call_date desc, c.id desc limit 1",
        )
        .bind(workspace)
        .bind(deal)
        .bind(call)
        .bind(call_date.to_string())
        .fetch_optional(&self.read)
        .await?;
        let last = row
            .map(|row| -> Result<_> { Ok((row.try_get(0)?, row.try_get(1)?)) })
            .transpose()?;
        Ok((last, revision))
    }

    async fn move_call(
        &self,
        scope: &Scope,
        call: &CallId,
        deal: Option<&DealId>,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let mut tx = self.begin().await?;
        let before = seen_call(&mut tx, scope, call).await?;
        if let Some(deal) = deal {
            sqlx::query("select 1 from deals where workspace = $1 and id = $2 and ($3 is null or owner = $3)")
                .bind(&scope.workspace)
                .bind(deal)
                .bind(&scope.owner)
                .fetch_optional(&mut *tx)
                .await?
                .ok_or_else(|| no_deal(deal))?;
        }
        if before.deal.as_ref() == deal {
            return Ok(());
        }
        // What the old deal was said to know by this call is no longer so.
        unquote(&mut tx, &scope.workspace, &before, now).await?;
        // Nor is the other side of this call that of the old deal.
        sqlx::query(match deal {
            Some(_) => "update deal_keys set deal = $3 where workspace = $1 and call = $2",
            None => "delete from deal_keys where workspace = $1 and call = $2 and $3 is null",
        })
        .bind(&scope.workspace)
        .bind(call)
        .bind(deal)
        .execute(&mut *tx)
        .await?;
        sqlx::query("update calls set deal = $3, updated_at = $4 where workspace = $1 and id = $2")
            .bind(&scope.workspace)
            .bind(call)
            .bind(deal)
            .bind(millis(now))
            .execute(&mut *tx)
            .await?;
        if before.status == CallStatus::Done {
            requeue(&mut tx, &scope.workspace, call, Priority::Upload, now).await?;
        }
        let details = json!({"from": before.deal, "to": deal});
        audit(
            &mut tx,
            &scope.workspace,
            actor,
            "call.moved",
            call.as_str(),
            &details,
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn last_event(&self, workspace: &WorkspaceId) -> Result<i64> {
        let row = sqlx::query("select coalesce(max(seq), 0) from events where workspace = $1")
            .bind(workspace)
            .fetch_one(&self.read)
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn events(&self, scope: &Scope, after: i64, limit: u32) -> Result<Vec<Event>> {
        let rows = sqlx::query(
            "select e.seq, e.id, e.kind, e.call, e.deal, e.payload, e.at from events e
             where e.workspace = $1 and e.seq > $3
               and ($2 is null or exists (select 1 from calls c where c.id = e.call and c.owner = $2))
             order by e.seq limit $4",
        )
        .bind(&scope.workspace)
        .bind(&scope.owner)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Event {
                    seq: row.try_get("seq")?,
                    id: row.try_get("id")?,
                    kind: row.try_get("kind")?,
                    call: row.try_get("call")?,
                    deal: row.try_get("deal")?,
                    payload: row.try_get("payload")?,
                    at: moment(row.try_get("at")?),
                })
            })
            .collect()
    }
}
