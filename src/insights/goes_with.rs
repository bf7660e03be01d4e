//! What is said in calls after which deals move on (G.4).

use std::cmp::Reverse;

use chrono::{Days, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use super::stats::{self, Rate, lift};
use super::story::{Ladder, Story};
use crate::domain::{Signal, StageId};

/// Days within which a deal has moved on or not.
const WITHIN: u64 = 14;
/// Calls with the signal, and without it, under which nothing is said.
const CALLS_FROM: usize = 20;

/// A signal in calls of deals that stood in a stage after the call, and whether they were farther within 14 days. Calls of the last
/// 14 days after which the deal has not moved yet are not counted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GoesWith {
    #[schema(value_type = String)]
    pub stage: StageId,
    #[schema(value_type = String)]
    pub signal: Signal,
    /// Moved on, of the calls with it; 20 at least.
    pub with: Rate,
    /// Moved on, of the calls without it; 20 at least.
    pub without: Rate,
    /// How many times as often with it as without, and its 95% interval. One of 35 signals in a stage is outside by chance alone once or twice.
    pub lift: f64,
    pub low: f64,
    pub high: f64,
}

/// What is said of one call: its signals, and whether the deal moved on after it.
struct Outcome<'a> {
    story: &'a Story<'a>,
    call: usize,
    moved: bool,
}

impl Outcome<'_> {
    fn has(&self, signal: Signal) -> bool {
        self.story.calls[self.call].record.signals.contains(&signal)
    }
}

/// Strongest first. Signals whose interval holds 1 are not listed: they say nothing.
pub fn goes_with(stories: &[&Story<'_>], ladder: &Ladder, today: NaiveDate) -> Vec<GoesWith> {
    let mut found = Vec::new();
    for (place, stage) in ladder.open().iter().enumerate() {
        let outcomes: Vec<Outcome<'_>> = stories.iter().flat_map(|story| outcomes(story, place, today)).collect();
        for &signal in Signal::ALL {
            let count = |present: bool| {
                let of = outcomes.iter().filter(|outcome| outcome.has(signal) == present);
                (of.clone().filter(|outcome| outcome.moved).count(), of.count())
            };
            let (with, without) = (count(true), count(false));
            if with.1.min(without.1) < CALLS_FROM {
                continue;
            }
            let Some((times, low, high)) = lift(with, without).filter(|(_, low, high)| *low > 1.0 || *high < 1.0)
            else {
                continue;
            };
            found.push(GoesWith {
                stage: stage.clone(),
                signal,
                with: Rate::of(with.0, with.1),
                without: Rate::of(without.0, without.1),
                lift: stats::rounded(times),
                low: stats::rounded(low),
                high: stats::rounded(high),
            });
        }
    }
    // By what is left of it at the cautious end; 3 times as seldom is as strong as 3 times as often.
    let strength = |item: &GoesWith| if item.low > 1.0 { item.low } else { 1.0 / item.high };
    found.sort_by_key(|item| Reverse((strength(item) * 10_000.0) as u64));
    found
}

/// Calls after which the deal stood in a stage.
fn outcomes<'a>(story: &'a Story<'a>, place: usize, today: NaiveDate) -> Vec<Outcome<'a>> {
    let calls = story.calls.iter().enumerate();
    let judged = calls.filter_map(|(call, entry)| {
        let day = entry.record.call_date;
        if story.place_after(call) != Some(place) {
            return None;
        }
        let end = day.checked_add_days(Days::new(WITHIN))?;
        let moved = story.moved_beyond(place, call, end);
        (moved || end <= today).then_some(Outcome { story, call, moved })
    });
    judged.collect()
}
