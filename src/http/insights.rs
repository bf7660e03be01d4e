//! Figures of the pipeline.

use axum::extract::State;
use chrono::{NaiveDate, Utc};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Resource, User};
use super::error::ProblemDocument;
use super::extract::{Json, Query};
use super::{App, Error};
use crate::insights::{self, Coaching, Cycle, Deal, Entry, Forecast, Funnel, ProcessMap, Scope, Split, Standing};
use crate::process::Process;
use crate::store::{DealId, FiguresRecord};

pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(funnel))
        .routes(routes!(cycle))
        .routes(routes!(process))
        .routes(routes!(forecast))
        .routes(routes!(coaching))
}

const MONTHS: usize = 3;
const MOST_MONTHS: usize = 24;
const MOST_WINS: usize = 1_000_000;

/// What a report is about.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct About {
    /// First day; each report says of what. Without it from the beginning.
    from: Option<NaiveDate>,
    /// Last day.
    to: Option<NaiveDate>,
    /// Id of a user.
    owner: Option<String>,
    /// Id of a process: that of the workspace (the default), or one of the program.
    process: Option<String>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Parts {
    /// Parts to show beside the whole.
    #[param(inline)]
    by: Option<Split>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Ahead {
    /// Months to look ahead, this one included.
    #[param(minimum = 1, maximum = 24, default = 3)]
    months: Option<usize>,
    /// Wins that are wanted: the report says how many leads they need.
    #[param(minimum = 1, maximum = 1_000_000)]
    target_wins: Option<usize>,
}

/// All deals of the workspace, and the process that they are held against.
struct Asked {
    deals: Vec<Deal>,
    process: Arc<Process>,
    about: About,
}

async fn asked(app: &App, user: &User, about: About) -> Result<Asked, Error> {
    user.may_read(Resource::Insights)?;
    if about.from.zip(about.to).is_some_and(|(from, to)| to < from) {
        return Err(Error::bad_request("to: a day that is not before `from`"));
    }
    let process = process_of(app, user, about.process.as_deref()).await?;
    let records = app.shop.store.figures(&user.scope()).await?;
    Ok(Asked {
        deals: by_deal(records),
        process,
        about,
    })
}

/// The process of the workspace, or one of the program by its name.
pub async fn process_of(app: &App, user: &User, wanted: Option<&str>) -> Result<Arc<Process>, Error> {
    let workspace = app.shop.store.workspace(&user.0.workspace).await?;
    let workspace = workspace.ok_or_else(|| Error::not_found("workspace"))?;
    let unusable = |error: crate::process::Error| Error::unusable(error.to_string());
    let own = app.shop.process_of(&workspace, None).map_err(unusable)?;
    match wanted {
        None => Ok(own),
        Some(id) if id == own.id() => Ok(own),
        Some(id) if crate::process::BUILT_IN.iter().any(|(known, _)| *known == id) => {
            app.shop.process_of(&workspace, Some(id)).map_err(unusable)
        }
        Some(_) => {
            let known: Vec<&str> = crate::process::BUILT_IN.iter().map(|(known, _)| *known).collect();
            let detail = format!("process: `{}` or one of {}", own.id(), known.join(", "));
            Err(Error::bad_request(detail))
        }
    }
}

/// How the deals that somebody sees stand, by their ids; none where the process of the workspace cannot be read.
pub async fn standings(app: &App, user: &User) -> Result<BTreeMap<String, Standing>, Error> {
    let Ok(process) = process_of(app, user, None).await else {
        return Ok(BTreeMap::new());
    };
    let deals = by_deal(app.shop.store.figures(&user.scope()).await?);
    let asked = Asked {
        deals,
        process,
        about: About::default(),
    };
    Ok(asked.report(insights::standings).await?.0)
}

fn by_deal(records: Vec<FiguresRecord>) -> Vec<Deal> {
    let mut deals: BTreeMap<DealId, Deal> = BTreeMap::new();
    for record in records {
        let deal = deals.entry(record.deal.clone()).or_insert_with(|| Deal {
            id: record.deal.to_string(),
            owner: record.deal_owner.map(|owner| owner.to_string()),
            amount: None,
            records: Vec::new(),
        });
        deal.records.push(Entry {
            known_at: record.known_at,
            owner: record.call_owner.map(|owner| owner.to_string()),
            record: record.figures,
        });
    }
    deals.into_values().collect()
}

impl Asked {
    /// Counts beside the requests of others: many deals take a while.
    async fn report<T: Send + 'static>(
        self,
        make: impl FnOnce(&[Deal], Scope<'_>) -> T + Send + 'static,
    ) -> Result<Json<T>, Error> {
        let counted = tokio::task::spawn_blocking(move || {
            let scope = Scope {
                process: &self.process,
                from: self.about.from,
                to: self.about.to,
                owner: self.about.owner.as_deref(),
                today: Utc::now().date_naive(),
            };
            make(&self.deals, scope)
        });
        let report = counted
            .await
            .map_err(|_| Error::unavailable("the report was not finished; repeat"))?;
        Ok(Json(report))
    }
}

/// What became of the deals whose first call lies between `from` and `to`.
#[utoipa::path(get, path = "/v1/insights/funnel", tag = "insights", params(About, Parts),
    responses((status = 200, body = Funnel), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn funnel(
    State(app): State<App>,
    user: User,
    Query(about): Query<About>,
    Query(parts): Query<Parts>,
) -> Result<Json<Funnel>, Error> {
    let asked = asked(&app, &user, about).await?;
    asked
        .report(move |deals, scope| insights::funnel(deals, scope, parts.by))
        .await
}

/// How long deals take that were won, and stays in a stage that ended, between `from` and `to`.
#[utoipa::path(get, path = "/v1/insights/cycle", tag = "insights", params(About),
    responses((status = 200, body = Cycle), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn cycle(State(app): State<App>, user: User, Query(about): Query<About>) -> Result<Json<Cycle>, Error> {
    asked(&app, &user, about).await?.report(insights::cycle).await
}

/// The ways that deals took whose first call lies between `from` and `to`.
#[utoipa::path(get, path = "/v1/insights/process", tag = "insights", params(About),
    responses((status = 200, body = ProcessMap), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn process(State(app): State<App>, user: User, Query(about): Query<About>) -> Result<Json<ProcessMap>, Error> {
    asked(&app, &user, about).await?.report(insights::process_map).await
}

/// What the open deals will probably come to, judged by those that ended between `from` and `to`.
#[utoipa::path(get, path = "/v1/insights/forecast", tag = "insights", params(About, Ahead),
    responses((status = 200, body = Forecast), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn forecast(
    State(app): State<App>,
    user: User,
    Query(about): Query<About>,
    Query(ahead): Query<Ahead>,
) -> Result<Json<Forecast>, Error> {
    let within = |name: &str, number: usize, most: usize| match number {
        number if (1..=most).contains(&number) => Ok(number),
        _ => Err(Error::bad_request(format!("{name}: a number from 1 to {most}"))),
    };
    let months = within("months", ahead.months.unwrap_or(MONTHS), MOST_MONTHS)?;
    let target = ahead
        .target_wins
        .map(|target| within("target_wins", target, MOST_WINS))
        .transpose()?;
    let asked = asked(&app, &user, about).await?;
    asked
        .report(move |deals, scope| insights::forecast(deals, scope, months, target))
        .await
}

/// How each rep leads calls, between `from` and `to`.
#[utoipa::path(get, path = "/v1/insights/coaching", tag = "insights", params(About),
    responses((status = 200, body = Coaching), (status = 400, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
async fn coaching(State(app): State<App>, user: User, Query(about): Query<About>) -> Result<Json<Coaching>, Error> {
    asked(&app, &user, about).await?.report(insights::coaching).await
}
