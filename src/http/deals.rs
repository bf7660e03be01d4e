//! Deals: where each stands, and what was known when.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Page, PageQuery, Path, Query};
use super::{App, Error};
use crate::service::Contact;
use crate::store::{self, ContactKey, ContactKind, DealId, DealPage, DealRecord, NewDeal};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show))
        .routes(routes!(history))
}

/// A deal.
#[derive(Debug, Serialize, ToSchema)]
struct Deal {
    id: String,
    name: String,
    /// Its id in the CRM.
    crm_id: Option<String>,
    owner: Option<String>,
    /// Where it stands; null: not decided, or no call is analysed yet.
    stage: Option<String>,
    /// Grows with everything that changes what is known of it; 0: no call is analysed yet.
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<store::Deal> for Deal {
    fn from(deal: store::Deal) -> Self {
        Self {
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
    /// The analysis of its last call, without turns: scores with the evidence of all calls, fields, next actions, the
    /// follow-up; null: no call is analysed yet.
    #[schema(value_type = Option<Object>)]
    known: Option<serde_json::Value>,
}

/// What was known after a call.
#[derive(Debug, Serialize, ToSchema)]
struct Known {
    revision: i64,
    call_id: String,
    call_date: NaiveDate,
    known_at: DateTime<Utc>,
    #[schema(value_type = Object)]
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

/// Deals, the newest first.
#[utoipa::path(get, path = "/v1/deals", tag = "deals", params(PageQuery),
    responses((status = 200, body = Page<Deal>), (status = 400, body = ProblemDocument)))]
async fn list(State(app): State<App>, user: User, Query(page): Query<PageQuery>) -> Result<Json<Page<Deal>>, Error> {
    user.may_read(Resource::Deals)?;
    let limit = page.limit()?;
    let asked = DealPage {
        after: page.cursor.map(DealId::from),
        limit: limit + 1,
    };
    let deals = app.shop.store.deals(&user.scope(), &asked).await?;
    Ok(Json(Page::new(deals, limit, |deal| deal.id.to_string(), Deal::from)))
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
    let deal = store
        .deal(&user.scope(), &id)
        .await?
        .ok_or_else(|| Error::not_found("deal"))?;
    Ok((StatusCode::CREATED, Json(deal.into())))
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
    let deal = seen(&app, &user, &id).await?;
    let last = app.shop.store.last_deal_record(&user.scope(), &id).await?;
    Ok(Json(DealState {
        deal: deal.into(),
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
