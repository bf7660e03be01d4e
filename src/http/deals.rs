//! Deals: where each stands, and what was known when.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::calls::search;
use super::documents::DealAnalysis;
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Path, Query};
use super::insights::standings;
use super::{App, Error};
use crate::domain::{ActionId, ElementId};
use crate::insights::{DealHealth, Standing};
use crate::service::Contact;
use crate::store::{
    self, ContactKey, ContactKind, DealId, DealPage, DealRecord, EndpointId, ListedDeal, NewDeal, UserId,
};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, change))
        .routes(routes!(history))
}

/// A deal.
#[derive(Debug, Serialize, ToSchema)]
struct Deal {
    id: String,
    name: String,
    /// Its id in the CRM, as clients call it; `crm` of the deal says which record it is in which CRM.
    crm_id: Option<String>,
    owner: Option<String>,
    /// Where it stands; null: not decided, or no call is analysed yet.
    stage: Option<String>,
    /// Grows with everything that changes what is known of it; 0: no call is analysed yet.
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// How many calls were held with it.
    calls: i64,
    last_call_date: Option<NaiveDate>,
    /// The first of what is to be done, after its last call.
    next_action: Option<DealAction>,
    /// The stage is shown, but not decided; null: no call is analysed yet.
    abstained: Option<bool>,
    /// As in the forecast; null where the deal has ended, or no call shows a stage of the workspace's process.
    health: Option<DealHealth>,
    /// 0–100, after its last call.
    lead_score: Option<u8>,
    /// Elements of the process that are not proven (score under 2), in its order.
    #[schema(value_type = Vec<String>)]
    missing: Vec<ElementId>,
}

#[derive(Debug, Serialize, ToSchema)]
struct DealAction {
    id: ActionId,
    /// In the language of the call.
    title: String,
    due: Option<NaiveDate>,
    call_id: String,
}

impl Deal {
    fn new(listed: ListedDeal, standing: Option<&Standing>) -> Self {
        let ListedDeal {
            deal,
            calls,
            last_call_date,
            last,
        } = listed;
        let (abstained, lead_score) = last
            .as_ref()
            .map(|(_, summary)| (summary.abstained, summary.lead_score))
            .unzip();
        Self {
            calls,
            last_call_date,
            next_action: last.and_then(|(call, summary)| {
                let action = summary.next_action?;
                Some(DealAction {
                    id: action.id,
                    title: action.title,
                    due: action.due,
                    call_id: call.to_string(),
                })
            }),
            abstained,
            health: standing.and_then(|standing| standing.health.clone()),
            lead_score,
            missing: standing.map(|standing| standing.missing.clone()).unwrap_or_default(),
            id: deal.id.to_string(),
            name: deal.name,
            crm_id: deal.crm_id,
            owner: deal.owner.map(|owner| owner.to_string()),
            stage: deal.stage,
            revision: deal.revision,
            created_at: deal.created_at,
            updated_at: deal.updated_at,
        }
    }
}

/// A deal with what is known of it.
#[derive(Debug, Serialize, ToSchema)]
struct DealState {
    #[serde(flatten)]
    deal: Deal,
    /// Which record it is in which CRM, as it was found or said.
    crm: Vec<CrmRecord>,
    /// The analysis of its last call, without turns: scores with the evidence of all calls, fields, next actions, the
    /// follow-up; null: no call is analysed yet.
    #[schema(value_type = Option<DealAnalysis>)]
    known: Option<serde_json::Value>,
}

/// A record of a CRM.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CrmRecord {
    /// The connection to the CRM.
    endpoint: String,
    /// Of the record; null, where it is said: the deal is looked for again.
    id: Option<String>,
}

/// What is said of a deal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DealChange {
    /// Which record it is in a CRM.
    crm: CrmRecord,
}

/// What was known after a call.
#[derive(Debug, Serialize, ToSchema)]
struct Known {
    revision: i64,
    call_id: String,
    call_date: NaiveDate,
    known_at: DateTime<Utc>,
    #[schema(value_type = DealAnalysis)]
    known: serde_json::Value,
}

#[derive(Debug, Serialize, ToSchema)]
struct History {
    deal_id: String,
    /// As of when; null: now.
    at: Option<DateTime<Utc>>,
    /// The oldest first: the last one is what was known.
    records: Vec<Known>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewDeal)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    crm_id: Option<String>,
    /// Calls of these people are matched to the deal.
    #[serde(default)]
    contacts: Vec<Contact>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct At {
    /// What was known then; a day is its end (UTC).
    #[param(example = "2026-04-16T10:00:00Z")]
    at: Option<String>,
}

impl At {
    fn moment(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let Some(text) = &self.at else {
            return Ok(None);
        };
        let wrong = || Error::bad_request("at: a moment (2026-04-16T10:00:00Z) or a day (2026-04-16)");
        if let Ok(day) = text.parse::<NaiveDate>() {
            let end = day
                .succ_opt()
                .and_then(|next| next.and_hms_opt(0, 0, 0))
                .ok_or_else(wrong)?;
            return Ok(Some(end.and_utc() - chrono::Duration::milliseconds(1)));
        }
        // A plus sign in a query is a space.
        let at = DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map_err(|_| wrong())?;
        Ok(Some(at.to_utc()))
    }
}

fn body(record: &DealRecord) -> Result<serde_json::Value, Error> {
    serde_json::from_str(&record.body).map_err(|_| Error::conflict("a record of the deal cannot be read"))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct DealQuery {
    /// Words of the name, as in a search of calls.
    q: Option<String>,
    /// Deals that stand here.
    stage: Option<String>,
    /// Id of a user.
    owner: Option<String>,
}

/// Deals, the newest first.
#[utoipa::path(get, path = "/v1/deals", tag = "deals", params(DealQuery, PageQuery),
    responses((status = 200, body = Page<Deal>), (status = 400, body = ProblemDocument)))]
async fn list(
    State(app): State<App>,
    user: User,
    Query(query): Query<DealQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Deal>>, Error> {
    user.may_read(Resource::Deals)?;
    let limit = page.limit()?;
    let asked = DealPage {
        search: search(query.q.as_deref())?,
        stage: query.stage,
        owner: query.owner.map(UserId::from),
        after: page.cursor.map(DealId::from),
        limit: limit + 1,
    };
    let deals = app.shop.store.deals(&user.scope(), &asked).await?;
    let standings = standings(&app, &user).await?;
    Ok(Json(Page::new(
        deals,
        limit,
        |listed| listed.deal.id.to_string(),
        |listed| {
            let standing = standings.get(listed.deal.id.as_str());
            Deal::new(listed, standing)
        },
    )))
}

/// A deal that the caller may see, as it is shown.
async fn shown(app: &App, user: &User, id: &DealId) -> Result<Deal, Error> {
    let deal = app.shop.store.listed_deal(&user.scope(), id).await?;
    let deal = deal.ok_or_else(|| Error::not_found("deal"))?;
    Ok(Deal::new(deal, standings(app, user).await?.get(id.as_str())))
}

/// Makes a deal. Calls that name its CRM id, or come from its contacts, are matched to it.
#[utoipa::path(post, path = "/v1/deals", tag = "deals", request_body = Add,
    responses((status = 201, body = Deal), (status = 409, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
async fn add(State(app): State<App>, user: User, Json(new): Json<Add>) -> Result<(StatusCode, Json<Deal>), Error> {
    user.may_write(Resource::Deals)?;
    let Some(name) = ContactKey::new(ContactKind::Name, &new.name) else {
        return Err(Error::unusable("name: letters or digits are needed"));
    };
    let mut keys = vec![name];
    for contact in &new.contacts {
        for (kind, said) in contact.said() {
            let key = ContactKey::new(kind, said);
            keys.push(key.ok_or_else(|| Error::unusable(format!("contacts: this is no {}", kind.as_str())))?);
        }
    }
    let id = DealId::fresh();
    let deal = NewDeal {
        id: id.clone(),
        name: new.name,
        crm_id: new.crm_id,
        owner: user.0.user.clone(),
        keys,
    };
    let store = &app.shop.store;
    store
        .add_deal(&user.0.workspace, deal, &user.actor(), Utc::now())
        .await?;
    Ok((StatusCode::CREATED, Json(shown(&app, &user, &id).await?)))
}

pub async fn seen(app: &App, user: &User, id: &DealId) -> Result<store::Deal, Error> {
    user.may_read(Resource::Deals)?;
    let deal = app.shop.store.deal(&user.scope(), id).await?;
    deal.ok_or_else(|| Error::not_found("deal"))
}

/// A deal: scores with their evidence across calls.
#[utoipa::path(get, path = "/v1/deals/{id}", tag = "deals", params(("id" = String, Path)),
    responses((status = 200, body = DealState), (status = 404, body = ProblemDocument)))]
async fn show(State(app): State<App>, user: User, Path(id): Path<DealId>) -> Result<Json<DealState>, Error> {
    state(&app, &user, &id).await
}

/// Says which record of a CRM a deal is, in place of what was found. What is proposed for another record gives way, and what of
/// the deal failed at the connection is sent again.
#[utoipa::path(patch, path = "/v1/deals/{id}", tag = "deals", params(("id" = String, Path)), request_body = DealChange,
    responses(
        (status = 200, body = DealState),
        (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument, description = "Another deal is that record"),
        (status = 422, body = ProblemDocument, description = "Among others: there is no such connection to a CRM"),
    ))]
async fn change(
    State(app): State<App>,
    user: User,
    Path(id): Path<DealId>,
    Json(DealChange { crm }): Json<DealChange>,
) -> Result<Json<DealState>, Error> {
    user.may_write(Resource::Deals)?;
    let record = crm.id.as_deref().map(str::trim);
    if record.is_some_and(str::is_empty) {
        return Err(Error::unusable("crm.id: empty; null has the deal looked for again"));
    }
    seen(&app, &user, &id).await?;
    let endpoint = EndpointId::from(crm.endpoint);
    let said = (app.shop.store)
        .say_crm_deal(&user.scope(), &id, &endpoint, record, &user.actor(), Utc::now())
        .await;
    said.map_err(|error| match error {
        store::Error::Missing { what: "endpoint", .. } => {
            Error::unusable("crm.endpoint: there is no such connection to a CRM")
        }
        error => error.into(),
    })?;
    app.shop.courier.notify_waiters();
    state(&app, &user, &id).await
}

async fn state(app: &App, user: &User, id: &DealId) -> Result<Json<DealState>, Error> {
    user.may_read(Resource::Deals)?;
    let deal = shown(app, user, id).await?;
    let store = &app.shop.store;
    let last = store.last_deal_record(&user.scope(), id).await?;
    let records = store.crm_records(&user.0.workspace, id).await?;
    let records = records.into_iter().map(|(endpoint, id)| CrmRecord {
        endpoint: endpoint.to_string(),
        id: Some(id),
    });
    Ok(Json(DealState {
        deal,
        crm: records.collect(),
        known: last.as_ref().map(body).transpose()?,
    }))
}

/// What was known of a deal, at any time.
#[utoipa::path(get, path = "/v1/deals/{id}/history", tag = "deals", params(("id" = String, Path), At),
    responses((status = 200, body = History), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
async fn history(
    State(app): State<App>,
    user: User,
    Path(id): Path<DealId>,
    Query(at): Query<At>,
) -> Result<Json<History>, Error> {
    seen(&app, &user, &id).await?;
    let at = at.moment()?;
    let records = app.shop.store.deal_records(&user.scope(), &id, at).await?;
    let records = records.iter().map(|record| {
        Ok(Known {
            revision: record.revision,
            call_id: record.call.to_string(),
            call_date: record.call_date,
            known_at: record.known_at,
            known: body(record)?,
        })
    });
    Ok(Json(History {
        deal_id: id.to_string(),
        at,
        records: records.collect::<Result<_, Error>>()?,
    }))
}
