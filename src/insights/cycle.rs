//! How long it takes: from first contact to a signature, and in each stage (G.2, G.3).

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::stats::{self, Days, quantile, sorted};
use super::story::{State, Stories, Story, certainty};
use super::{Certainty, Deal, Scope, ScopeInfo};
use crate::domain::{CustomerKind, StageId};

/// Upper edges of the buckets in days, each exclusive; the last bucket has none.
const EDGES: [i64; 5] = [30, 91, 182, 274, 365];
/// Stays of each half under which nothing is said about a rise.
const RISE_FROM: usize = 5;

/// Calendar days. Deals that were won, and stays in a stage that ended, between `from` and `to`; open ones as of today.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Cycle {
    pub scope: ScopeInfo,
    /// Of all deals.
    pub certainty: Certainty,
    /// From the first call in which the buyer's side spoke to the call in which the deal was won.
    pub won: CycleColumn,
    pub won_new: CycleColumn,
    pub won_existing: CycleColumn,
    /// Won, but nobody said whether the customer is new.
    pub won_unknown: CycleColumn,
    /// From that first call to today, of deals that are open: an age, no cycle.
    pub open: CycleColumn,
    /// Open stages in the order of work.
    pub stages: Vec<StageTime>,
    /// The stage with the largest share of the time, where it takes longer than before; null: none is known to.
    #[schema(value_type = Option<String>)]
    pub bottleneck: Option<StageId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CycleColumn {
    pub days: Days,
    /// Under one month, 1–3, 4–6, 7–9, 10–12 months, and longer.
    pub buckets: Vec<AgeBucket>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct AgeBucket {
    /// First day of it.
    pub from_days: i64,
    /// First day that is not in it; null for the last.
    pub below_days: Option<i64>,
    pub deals: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StageTime {
    #[schema(value_type = String)]
    pub stage: StageId,
    /// Stays that ended, in whatever way. One that began and ended in one call was never seen, and is not here.
    pub finished: Days,
    /// Stays that last: their age today.
    pub running: Days,
    /// Days after which half of all stays have ended, those that last taken into account (Kaplan–Meier); null where that
    /// many were not seen to end.
    pub half_done_by: Option<f64>,
    /// The same for three quarters.
    pub three_quarters_done_by: Option<f64>,
    /// Of the time of all stays that ended, 0–1; null where there is none.
    pub share_of_time: Option<f64>,
    /// p75 of the earlier and of the later half of the stays that ended, by their last day; null under five each.
    pub p75_before: Option<f64>,
    pub p75_recent: Option<f64>,
}

/// Measures the deals of a scope; see [`Cycle`].
pub fn cycle(deals: &[Deal], scope: Scope<'_>) -> Cycle {
    let stories = Stories::new(deals, &scope);
    let won: Vec<(Option<CustomerKind>, i64)> = stories
        .all
        .iter()
        .filter(|story| story.now() == State::Won && scope.covers(story.since()))
        .filter_map(|story| Some((story.customer(), (story.since() - story.first_contact()?).num_days())))
        // Won before the buyer's side was heard: nobody knows since when.
        .filter(|(_, days)| *days >= 0)
        .collect();
    let of = |kind: Option<CustomerKind>| column(won.iter().filter(|won| won.0 == kind).map(|won| won.1).collect());
    let open = stories.all.iter().filter(|story| !story.is_closed());
    let ages = open.filter_map(|story| Some(days_until(story.first_contact()?, scope.today)));
    let stages = stage_times(&stories, &scope);
    Cycle {
        scope: scope.info(),
        certainty: certainty(&stories.all),
        won: column(won.iter().map(|won| won.1).collect()),
        won_new: of(Some(CustomerKind::New)),
        won_existing: of(Some(CustomerKind::Existing)),
        won_unknown: of(None),
        open: column(ages.collect()),
        bottleneck: bottleneck(&stages),
        stages,
    }
}

/// A call of tomorrow is no older than one of today.
pub fn days_until(day: NaiveDate, today: NaiveDate) -> i64 {
    (today - day).num_days().max(0)
}

fn column(days: Vec<i64>) -> CycleColumn {
    let starts = std::iter::once(0).chain(EDGES);
    let ends = EDGES.into_iter().map(Some).chain([None]);
    let bucket = |(from_days, below_days): (i64, Option<i64>)| AgeBucket {
        from_days,
        below_days,
        deals: days
            .iter()
            .filter(|days| **days >= from_days && below_days.is_none_or(|below| **days < below))
            .count(),
    };
    CycleColumn {
        buckets: starts.zip(ends).map(bucket).collect(),
        days: Days::of(days),
    }
}

/// One row for each open stage.
pub fn stage_times(stories: &Stories<'_>, scope: &Scope<'_>) -> Vec<StageTime> {
    // Last day and length of each stay that ended.
    let finished = |place: usize| {
        let visits = stories.all.iter().flat_map(|story: &Story<'_>| &story.visits);
        let here = visits.filter(move |visit| visit.state == State::Open(place));
        let ended = here.filter_map(|visit| Some((visit.until?, visit.days()?)));
        let mut ended: Vec<(NaiveDate, i64)> = ended.filter(|(day, _)| scope.covers(*day)).collect();
        ended.sort_unstable();
        ended
    };
    let places = 0..stories.ladder.open().len();
    let all: i64 = places.clone().flat_map(finished).map(|(_, days)| days).sum();
    let row = |place: usize| {
        let ended = finished(place);
        let days: Vec<i64> = ended.iter().map(|(_, days)| *days).collect();
        let here = stories.all.iter().filter(|story| story.place() == Some(place));
        let running: Vec<i64> = here.map(|story| days_until(story.since(), scope.today)).collect();
        let (before, recent) = ended.split_at(ended.len() / 2);
        let p75 = |half: &[(NaiveDate, i64)]| {
            let days = sorted(half.iter().map(|(_, days)| *days as f64));
            quantile(&days, 0.75)
                .filter(|_| before.len() >= RISE_FROM)
                .map(stats::tenths)
        };
        StageTime {
            stage: stories.ladder.open()[place].clone(),
            half_done_by: stats::done_by(&days, &running, 0.5),
            three_quarters_done_by: stats::done_by(&days, &running, 0.75),
            share_of_time: (all > 0).then(|| stats::rounded(days.iter().sum::<i64>() as f64 / all as f64)),
            p75_before: p75(before),
            p75_recent: p75(recent),
            finished: Days::of(days),
            running: Days::of(running),
        }
    };
    places.map(row).collect()
}

/// The stage with the largest share of the time, if its p75 rises.
pub fn bottleneck(stages: &[StageTime]) -> Option<StageId> {
    let largest = stages
        .iter()
        .filter(|stage| stage.share_of_time.is_some_and(|share| share > 0.0))
        .reduce(|best, stage| {
            if stage.share_of_time > best.share_of_time {
                stage
            } else {
                best
            }
        })?;
    let rises = largest.p75_recent? > largest.p75_before?;
    rises.then(|| largest.stage.clone())
}
