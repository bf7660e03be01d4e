//! What a rep should work on, with the calls that show it (G.9, G.12).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::coaching::readings;
use super::stats::Rate;
use crate::domain::{Band, CallFigures, Metric, Move, PrematureMove};

/// The last calls in which something recurs, and how often it must.
const LAST: usize = 5;
const RECURS: usize = 3;
/// Judged calls under which nothing is called weak.
const WEAK_FROM: usize = 5;
/// More than this nobody works on.
const MOST_NEEDS: usize = 3;
const MOST_CALLS: usize = 3;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Need {
    /// A metric of the scorecard or a move that came too early, by its id.
    pub about: String,
    pub kind: NeedKind,
    /// Calls in which it went wrong, of those in which it could.
    pub poor: Rate,
    /// The same of the whole team.
    pub team: Rate,
    /// The calls of the rep in which it went wrong, the latest first.
    pub evidence: Vec<CallEvidence>,
    /// Ids of calls of the team in which the metric was good, those first that moved the deal and had the best score.
    pub listen_to: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NeedKind {
    /// In three or more of the last five calls.
    Recurring,
    /// More often than in the team, of five calls or more.
    Weak,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CallEvidence {
    pub call: String,
    pub call_date: NaiveDate,
    /// Numbers of the turns that show it.
    pub turns: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Metric(Metric),
    Move(PrematureMove),
}

impl About {
    fn all() -> impl Iterator<Item = Self> {
        let moves = PrematureMove::ALL.iter().map(|id| Self::Move(*id));
        Metric::ALL.iter().map(|id| Self::Metric(*id)).chain(moves)
    }

    fn id(self) -> &'static str {
        match self {
            Self::Metric(id) => id.as_str(),
            Self::Move(id) => id.as_str(),
        }
    }

    /// The calls that could show it, each with its turns where it went wrong.
    fn seen<'a>(self, calls: &[&'a CallFigures]) -> Vec<(&'a CallFigures, Option<Vec<u32>>)> {
        match self {
            Self::Metric(metric) => {
                let judged = readings(calls, metric).into_iter();
                let bands = judged.filter_map(|(call, _, reading)| Some((call, reading, reading.band?)));
                bands
                    .map(|(call, reading, band)| (call, (band == Band::Poor).then(|| reading.turns.clone())))
                    .collect()
            }
            Self::Move(id) => {
                let turns = |call: &CallFigures| {
                    let found = call.premature.iter().filter(|premature| premature.id == id);
                    Some(found.map(|premature| premature.turn).collect()).filter(|turns: &Vec<u32>| !turns.is_empty())
                };
                // What is no sales call cannot come too early.
                let sales = calls.iter().filter(|call| call.stage.is_some());
                sales.map(|call| (*call, turns(call))).collect()
            }
        }
    }

    fn poor(self, calls: &[&CallFigures]) -> Rate {
        let seen = self.seen(calls);
        Rate::of(seen.iter().filter(|(_, wrong)| wrong.is_some()).count(), seen.len())
    }
}

/// Of a rep's calls, the oldest first.
pub fn needs(calls: &[&CallFigures], team: &[&CallFigures]) -> Vec<Need> {
    let mut recurring: Vec<Need> = Vec::new();
    let mut weak: Vec<Need> = Vec::new();
    for about in About::all() {
        let poor = about.poor(calls);
        let everybody = about.poor(team);
        let mut need = Need {
            about: about.id().to_owned(),
            kind: NeedKind::Weak,
            poor,
            team: everybody,
            evidence: evidence(about, calls),
            listen_to: listen_to(about, team),
        };
        // Of the last calls, whether or not they could show it.
        if about.poor(last(calls)).hits >= RECURS {
            need.kind = NeedKind::Recurring;
            recurring.push(need);
        } else if poor.n >= WEAK_FROM && poor.hits >= RECURS && poor.share > everybody.share {
            weak.push(need);
        }
    }
    // Stable: what is as frequent stays in the order of the scorecard.
    let key = |need: &Need| Reverse((need.poor.share.unwrap_or(0.0) * 10_000.0) as u64);
    recurring.sort_by_key(key);
    weak.sort_by_key(key);
    recurring.extend(weak);
    recurring.truncate(MOST_NEEDS);
    recurring
}

fn last<'a, 'b>(calls: &'b [&'a CallFigures]) -> &'b [&'a CallFigures] {
    &calls[calls.len().saturating_sub(LAST)..]
}

fn evidence(about: About, calls: &[&CallFigures]) -> Vec<CallEvidence> {
    let wrong = about.seen(calls).into_iter().rev().filter_map(|(call, turns)| {
        Some(CallEvidence {
            call: call.call.clone(),
            call_date: call.call_date,
            turns: turns?,
        })
    });
    wrong.take(LAST).collect()
}

fn listen_to(about: About, team: &[&CallFigures]) -> Vec<String> {
    let About::Metric(metric) = about else {
        return Vec::new();
    };
    let good = readings(team, metric)
        .into_iter()
        .filter(|(_, _, reading)| reading.band == Some(Band::Good));
    let ranked: BTreeSet<_> = good
        .map(|(call, _, _)| {
            let overall = call.card.as_ref().and_then(|card| card.overall);
            (Reverse(call.step == Some(Move::Advance)), Reverse(overall), &call.call)
        })
        .collect();
    ranked
        .into_iter()
        .take(MOST_CALLS)
        .map(|(_, _, call)| call.clone())
        .collect()
}
