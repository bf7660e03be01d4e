//! How each rep leads calls, against norms and the whole team (G.8–G.10, G.12).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::needs::{Need, needs};
use super::stats::{self, Rate, Trend, difference, quantile, sorted, trend};
use super::story::{State, Stories, latest};
use super::{Deal, Entry, Scope, ScopeInfo};
use crate::domain::{Band, CallFigures, CallType, Metric, MetricFigures, Move, Severity, Signal, Unit};

/// Judged calls under which a rep is compared with nobody.
const CALLS_FROM: usize = 10;
/// Calls of a type from which the team's own figures stand beside the norms.
const OWN_FROM: usize = 30;
/// Won and lost deals under which nothing is said about what works.
const DEALS_FROM: usize = 20;

/// Calls between `from` and `to`. `owner` picks the rep that is shown; the team's figures are everybody's.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Coaching {
    pub scope: ScopeInfo,
    /// Calls of the whole team with a scorecard.
    pub judged: usize,
    /// By id: nobody is ranked.
    pub reps: Vec<RepCoaching>,
    pub what_works: WhatWorks,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RepCoaching {
    /// Id of the user; null for calls of nobody.
    pub owner: Option<String>,
    pub calls: usize,
    /// Calls with a scorecard.
    pub judged: usize,
    /// Ten judged calls or more; with fewer, compare the rep with nobody.
    pub enough: bool,
    /// The overall score of the calls, 0–100.
    pub overall: Spread,
    /// Calls without a move that came far too early (of high severity), and without one stage too far.
    pub adherence: Rate,
    /// In the order of the scorecard; those that were measured at least once.
    pub metrics: Vec<RepMetric>,
    /// What to work on, first things first; three at most.
    pub needs: Vec<Need>,
    /// Metrics that are good in at least 8 of 10 calls, of five or more.
    #[schema(value_type = Vec<String>)]
    pub strengths: Vec<Metric>,
}

/// Values of several calls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Spread {
    pub n: usize,
    /// All are null where there are none.
    pub p25: Option<f64>,
    pub median: Option<f64>,
    pub p75: Option<f64>,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        let at = |share| quantile(&sorted, share).map(stats::rounded);
        Self {
            n: sorted.len(),
            p25: at(0.25),
            median: at(0.5),
            p75: at(0.75),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RepMetric {
    #[schema(value_type = String)]
    pub metric: Metric,
    #[schema(value_type = String)]
    pub unit: Unit,
    /// Calls of each band; a call without a norm is in none.
    pub good: usize,
    pub watch: usize,
    pub poor: usize,
    /// Of the bands, from call to call; null under ten.
    pub trend: Option<Trend>,
    /// Norms go by the type of the call.
    pub by_type: Vec<TypeFigures>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TypeFigures {
    #[schema(value_type = String)]
    pub call_type: CallType,
    pub values: Spread,
    /// The good range in figures, as it was in the last of the calls; empty where none is known.
    pub norm: String,
    /// The same metric in all calls of this type; null under 30 calls.
    pub team: Option<Spread>,
    /// Where the rep's median lies among them: the share of them that is lower, those as high counted half. It says nothing of
    /// whether more is better.
    pub percentile: Option<f64>,
}

/// Signals of deals that were won and of deals that were lost, whatever the rest of the report is about.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WhatWorks {
    pub won: usize,
    pub lost: usize,
    /// Under so many of each nothing is listed.
    pub needed: usize,
    /// Signals whose difference is more than chance makes 19 times in 20; the strongest first. They go with winning; they need not
    /// cause it.
    pub signals: Vec<SignalDifference>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SignalDifference {
    #[schema(value_type = String)]
    pub signal: Signal,
    /// Deals with it in any call.
    pub won: Rate,
    pub lost: Rate,
    /// Share of the won less share of the lost, and its 95% interval.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
}

/// Judges the calls of a scope; see [`Coaching`].
pub fn coaching(deals: &[Deal], scope: Scope<'_>) -> Coaching {
    let mut reps: BTreeMap<Option<&str>, Vec<&CallFigures>> = BTreeMap::new();
    for deal in deals {
        for entry in latest(deal, scope.process.id()) {
            if scope.covers(entry.record.call_date) {
                reps.entry(rep(deal, entry)).or_default().push(&entry.record);
            }
        }
    }
    for calls in reps.values_mut() {
        calls.sort_by(|one, other| (one.call_date, &one.call).cmp(&(other.call_date, &other.call)));
    }
    let team: Vec<&CallFigures> = reps.values().flatten().copied().collect();
    let shown = reps.iter().filter(|(owner, _)| scope.owns(**owner));
    Coaching {
        scope: scope.info(),
        judged: team.iter().filter(|call| call.card.is_some()).count(),
        reps: shown.map(|(owner, calls)| rep_coaching(*owner, calls, &team)).collect(),
        what_works: what_works(deals, &scope),
    }
}

/// Who led a call; where that is not known, whose deal it is.
fn rep<'a>(deal: &'a Deal, entry: &'a Entry) -> Option<&'a str> {
    entry.owner.as_deref().or(deal.owner.as_deref())
}

fn rep_coaching(owner: Option<&str>, calls: &[&CallFigures], team: &[&CallFigures]) -> RepCoaching {
    let cards = || calls.iter().filter_map(|call| call.card.as_ref());
    let judged = cards().count();
    let kept = |call: &CallFigures| {
        let rushed = call
            .premature
            .iter()
            .any(|premature| premature.severity == Severity::High);
        !rushed && call.step != Some(Move::TooEarly)
    };
    let metrics: Vec<RepMetric> = Metric::ALL
        .iter()
        .filter_map(|metric| rep_metric(*metric, calls, team))
        .collect();
    let is_strength = |metric: &&RepMetric| {
        let all = metric.good + metric.watch + metric.poor;
        all >= 5 && metric.good * 10 >= all * 8
    };
    RepCoaching {
        owner: owner.map(str::to_owned),
        calls: calls.len(),
        judged,
        enough: judged >= CALLS_FROM,
        overall: Spread::of(cards().filter_map(|card| card.overall).map(f64::from)),
        adherence: Rate::of(calls.iter().filter(|call| kept(call)).count(), calls.len()),
        needs: needs(calls, team),
        strengths: metrics.iter().filter(is_strength).map(|metric| metric.metric).collect(),
        metrics,
    }
}

/// A metric in calls that were judged, with the type of each.
pub fn readings<'a>(calls: &[&'a CallFigures], metric: Metric) -> Vec<(&'a CallFigures, CallType, &'a MetricFigures)> {
    let of = calls.iter().filter_map(|call| {
        let card = call.card.as_ref()?;
        let reading = card.metrics.iter().find(|reading| reading.id == metric)?;
        Some((*call, card.call_type, reading))
    });
    of.collect()
}

fn rep_metric(metric: Metric, calls: &[&CallFigures], team: &[&CallFigures]) -> Option<RepMetric> {
    let own = readings(calls, metric);
    let unit = own.last()?.2.unit;
    let bands: Vec<Band> = own.iter().filter_map(|(_, _, reading)| reading.band).collect();
    let are = |band: Band| bands.iter().filter(|known| **known == band).count();
    let points: Vec<f64> = bands.iter().map(|band| points(*band)).collect();
    let everybody = readings(team, metric);
    let of_type = |call_type: &CallType| {
        let pick = |of: &[(&CallFigures, CallType, &MetricFigures)]| -> Vec<f64> {
            let same = of.iter().filter(|(_, kind, _)| kind == call_type);
            same.map(|(_, _, reading)| reading.value).collect()
        };
        let norm = &own.iter().rfind(|(_, kind, _)| kind == call_type)?.2.norm;
        let values = Spread::of(pick(&own));
        let all = Some(pick(&everybody)).filter(|all| all.len() >= OWN_FROM);
        Some(TypeFigures {
            call_type: *call_type,
            norm: norm.clone(),
            percentile: all
                .as_ref()
                .zip(values.median)
                .map(|(all, median)| percentile(all, median)),
            team: all.map(Spread::of),
            values,
        })
    };
    Some(RepMetric {
        metric,
        unit,
        good: are(Band::Good),
        watch: are(Band::Watch),
        poor: are(Band::Poor),
        trend: trend(&points),
        by_type: CallType::ALL.iter().filter_map(of_type).collect(),
    })
}

/// As the overall score counts them.
fn points(band: Band) -> f64 {
    match band {
        Band::Good => 1.0,
        Band::Watch => 0.5,
        Band::Poor => 0.0,
    }
}

fn percentile(all: &[f64], value: f64) -> f64 {
    let lower = all.iter().filter(|other| **other < value).count() as f64;
    let same = all.iter().filter(|other| **other == value).count() as f64;
    stats::rounded((lower + same / 2.0) / all.len() as f64)
}

/// Of deals that ended between `from` and `to`.
fn what_works(deals: &[Deal], scope: &Scope<'_>) -> WhatWorks {
    let everybody = Scope { owner: None, ..*scope };
    let stories = Stories::new(deals, &everybody);
    let ended = |state: State| {
        let of = stories.all.iter().filter(move |story| story.now() == state);
        of.filter(|story| scope.covers(story.since()))
    };
    let (won, lost) = (ended(State::Won).count(), ended(State::Lost).count());
    let with = |state: State, signal: Signal| {
        let has = |story: &&super::story::Story<'_>| {
            let mut calls = story.calls.iter();
            calls.any(|entry| entry.record.signals.contains(&signal))
        };
        ended(state).filter(has).count()
    };
    let mut signals: Vec<SignalDifference> = Signal::ALL
        .iter()
        .filter(|_| won.min(lost) >= DEALS_FROM)
        .filter_map(|&signal| {
            let (of_won, of_lost) = (with(State::Won, signal), with(State::Lost, signal));
            let (by, low, high) = difference((of_won, won), (of_lost, lost))?;
            (low > 0.0 || high < 0.0).then(|| SignalDifference {
                signal,
                won: Rate::of(of_won, won),
                lost: Rate::of(of_lost, lost),
                difference: stats::rounded(by),
                low: stats::rounded(low),
                high: stats::rounded(high),
            })
        })
        .collect();
    // By the cautious end; stable: the others stay in the order of the signals.
    signals.sort_by_key(|signal| Reverse((signal.low.abs().min(signal.high.abs()) * 10_000.0) as u64));
    WhatWorks {
        won,
        lost,
        needed: DEALS_FROM,
        signals,
    }
}
