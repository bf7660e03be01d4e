//! Deals for tests, with nothing in them but what a test is about.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Duration, NaiveDate, TimeZone, Utc};

use super::{Deal, Entry, Scope};
use crate::domain::{
    Amount, Band, CallFigures, CallType, CardFigures, Language, Metric, MetricFigures, Period, StageId, Unit,
};
use crate::process::Process;

pub fn ppvvc() -> Process {
    Process::ppvvc().expect("the built-in process")
}

/// Days from the first of January 2026, a Thursday.
pub fn day(number: i64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).expect("a day") + Duration::days(number)
}

pub fn scope(process: &Process, today: i64) -> Scope<'_> {
    Scope {
        process,
        from: None,
        to: None,
        owner: None,
        today: day(today),
    }
}

pub fn call(id: &str, on: i64, stage: &str) -> CallFigures {
    CallFigures {
        call: id.to_owned(),
        call_date: day(on),
        language: Language::En,
        process: "ppvvc".to_owned(),
        buyer_turns: 10,
        stage: Some(StageId::from(stage)),
        confidence: 0.6,
        // As most open stages are.
        abstained: !matches!(stage, "won" | "lost"),
        on_hold: false,
        scores: BTreeMap::new(),
        step: None,
        next_step: None,
        decision_by: None,
        our_promises: Vec::new(),
        buyers: 2,
        open_objections: Vec::new(),
        customer: None,
        lead_source: None,
        price: None,
        signals: BTreeSet::new(),
        premature: Vec::new(),
        card: None,
    }
}

pub fn entry(record: CallFigures) -> Entry {
    let known = record.call_date.and_hms_opt(12, 0, 0).expect("noon");
    Entry {
        known_at: Utc.from_utc_datetime(&known),
        owner: None,
        record,
    }
}

/// A deal of calls: on which day, and the stage after it.
pub fn deal(id: &str, calls: &[(i64, &str)]) -> Deal {
    let record = |(number, (on, stage)): (usize, &(i64, &str))| entry(call(&format!("{id}-{number}"), *on, stage));
    Deal {
        id: id.to_owned(),
        owner: None,
        amount: None,
        records: calls.iter().enumerate().map(record).collect(),
    }
}

pub fn usd(low: f64, high: f64, period: Option<Period>) -> Amount {
    Amount {
        low,
        high,
        currency: "USD".to_owned(),
        period,
    }
}

pub fn card(overall: u8, metrics: &[(Metric, f64, Option<Band>)]) -> CardFigures {
    let metric = |(id, value, band): &(Metric, f64, Option<Band>)| MetricFigures {
        id: *id,
        value: *value,
        unit: Unit::Share,
        band: *band,
        norm: "0.35–0.55".to_owned(),
        turns: vec![3],
    };
    CardFigures {
        call_type: CallType::Discovery,
        overall: Some(overall),
        metrics: metrics.iter().map(metric).collect(),
    }
}
