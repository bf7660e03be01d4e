//! Figures of the pipeline: funnel, cycle, process, forecast, coaching (G of the domain specification).
//!
//! Owns pure functions from deals, as lists of [`CallFigures`]s, to five reports. Every share comes with its count and interval;
//! what has no meaning is null, never 0; a sum of money is never made up, nor added across currencies or periods. The order of the
//! input does not matter. Where the records come from is *not* here: see `document::figures` and the database.
//!
//! Stages are those that the analyses show. Few open stages are decided: [`Certainty`] says how many are probably right. An end counts
//! only where it was decided. The day of a stage is the day of the first call that shows it.

mod coaching;
mod cycle;
mod forecast;
mod funnel;
mod goes_with;
mod health;
mod mining;
mod needs;
#[cfg(test)]
mod sample;
mod stats;
mod story;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Amount, CallFigures, Period};
use crate::process::Process;

pub use coaching::{Coaching, RepCoaching, RepMetric, SignalDifference, Spread, TypeFigures, WhatWorks, coaching};
pub use cycle::{AgeBucket, Cycle, CycleColumn, StageTime, cycle};
pub use forecast::{Forecast, Leads, MoneyForecast, MonthForecast, OpenDeal, Plan, StageForecast, Wins, forecast};
pub use funnel::{Funnel, FunnelPart, FunnelStage, FunnelStep, Split, funnel};
pub use goes_with::GoesWith;
pub use health::{DealHealth, HealthReason, Standing, standings};
pub use mining::{Path, ProcessMap, Rework, Skipped, Transition, TransitionKind, Variant, process_map};
pub use needs::{CallEvidence, Need, NeedKind};
pub use stats::{Days, Rate, Trend};

/// A deal with everything that was recorded about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deal {
    pub id: String,
    /// Id of the user whose deal it is.
    pub owner: Option<String>,
    /// As somebody entered it; without it a price that was heard in a call stands in.
    pub amount: Option<Amount>,
    pub records: Vec<Entry>,
}

/// A line of a deal's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it was recorded; of two lines about one call the later one holds.
    pub known_at: DateTime<Utc>,
    /// Id of the user who led the call.
    pub owner: Option<String>,
    pub record: CallFigures,
}

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Calls that were analysed under another process are left out.
    pub process: &'a Process,
    /// First and last day, of what each report says.
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    /// Id of a user; `None`: all.
    pub owner: Option<&'a str>,
    pub today: NaiveDate,
}

impl Scope<'_> {
    fn owns(&self, owner: Option<&str>) -> bool {
        self.owner.is_none_or(|wanted| owner == Some(wanted))
    }

    fn covers(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }

    fn info(&self) -> ScopeInfo {
        ScopeInfo {
            process: self.process.id().to_owned(),
            from: self.from,
            to: self.to,
            owner: self.owner.map(str::to_owned),
            today: self.today,
        }
    }
}

/// What a report is about, as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScopeInfo {
    pub process: String,
    pub from: Option<NaiveDate>,
    pub to: Option<NaiveDate>,
    pub owner: Option<String>,
    /// The day on which deals are still open or not.
    pub today: NaiveDate,
}

/// How far stages are to be believed: most come from one call each, and are shown without being decided.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Certainty {
    /// Calls that show a stage.
    pub calls: usize,
    /// The share of them whose stage is probably right, by what the analyses say of themselves; null where there are none.
    pub right: Option<f64>,
}

/// Sums of money of one currency and period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Total {
    /// ISO 4217.
    pub currency: String,
    /// one_off, day, week, month, quarter or year; null where nobody said.
    #[schema(value_type = Option<String>)]
    pub period: Option<Period>,
    /// Nobody entered these sums: each is the only price that the rep named in a call.
    pub heard: bool,
    /// How many deals are in it.
    pub deals: usize,
    /// Units of the currency. `low` and `high` differ where sums were said as a range.
    pub low: f64,
    pub high: f64,
}

/// Sums that belong together.
type Purse = (String, Option<Period>, bool);

/// Of an amount and whether it was only heard.
fn purse((amount, heard): (&Amount, bool)) -> Purse {
    (amount.currency.clone(), amount.period, heard)
}

fn cents(sum: f64) -> f64 {
    (sum * 100.0).round() / 100.0
}

/// Of amounts, each with whether it was only heard; sorted by currency and period.
fn totals<'a>(amounts: impl IntoIterator<Item = (&'a Amount, bool)>) -> Vec<Total> {
    let mut by_purse: BTreeMap<Purse, Vec<&Amount>> = BTreeMap::new();
    for amount in amounts {
        by_purse.entry(purse(amount)).or_default().push(amount.0);
    }
    let total = |((currency, period, heard), of): (Purse, Vec<&Amount>)| Total {
        currency,
        period,
        heard,
        deals: of.len(),
        low: cents(of.iter().map(|amount| amount.low).sum()),
        high: cents(of.iter().map(|amount| amount.high).sum()),
    };
    by_purse.into_iter().map(total).collect()
}
