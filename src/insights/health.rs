//! How well an open deal is looked after (G.6).

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde::Serialize;
use utoipa::ToSchema;

use super::cycle::{StageTime, days_until, stage_times};
use super::story::{Ladder, Stories, Story};
use super::{Deal, Scope};
use crate::domain::{CallFigures, ElementId, ObjectionKind, Signal, calendar};

/// Silence under which no deal is stalled.
const QUIET_BUSINESS_DAYS: usize = 10;
/// A silence is long that lasts so many times as long as a stay in the stage usually does.
const QUIET_STAYS: f64 = 1.5;
/// Farther back silence need not be counted.
const LONGEST_SILENCE: i64 = 366;
/// The score of an element from which it is taken for granted.
const PROVEN: u8 = 2;

/// 100 less what each reason takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DealHealth {
    /// 0–100.
    pub score: u8,
    pub reasons: Vec<HealthReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthReason {
    /// −20: the last call agreed no step with a day, or that day has passed.
    NoNextStep,
    /// −15: the buyer's side was not heard for over ten business days, and over 1.5 times the usual stay in the stage.
    Stalled,
    /// −15: a promise of ours is overdue.
    PromiseOverdue,
    /// −10: one person of theirs in two calls or more.
    SingleContact,
    /// −10: past a stage whose element, as `power`, is not proven (score under 2).
    PassedUnproven,
    /// −10: an objection to price or trust that nobody answered.
    OpenObjection,
    /// −10: the day by which they wanted to decide has passed.
    DecisionDayPassed,
    /// −10: put off without a day in the last two calls.
    PutOffTwice,
}

impl HealthReason {
    fn points(self) -> u8 {
        match self {
            Self::NoNextStep => 20,
            Self::Stalled | Self::PromiseOverdue => 15,
            _ => 10,
        }
    }
}

/// How a deal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// None where it has ended.
    pub health: Option<DealHealth>,
    /// Elements of the process that are not proven (score under 2), in its order.
    pub missing: Vec<ElementId>,
}

/// Of each deal with a stage, by its id; the health is that of the forecast.
pub fn standings(deals: &[Deal], scope: Scope<'_>) -> BTreeMap<String, Standing> {
    let stories = Stories::new(deals, &scope);
    let times = stage_times(&stories, &scope);
    let standing = |story: &Story<'_>| {
        let scores = story.calls.last().map(|entry| &entry.record.scores);
        let proven = |id: &ElementId| {
            scores
                .and_then(|scores| scores.get(id))
                .is_some_and(|score| *score >= PROVEN)
        };
        let elements = scope.process.elements().iter().map(|element| &element.id);
        Standing {
            health: story
                .place()
                .map(|_| health(story, &stories.ladder, &times, scope.today)),
            missing: elements.filter(|id| !proven(id)).cloned().collect(),
        }
    };
    let of = |story: &Story<'_>| (story.deal.id.clone(), standing(story));
    stories.all.iter().map(of).collect()
}

/// Of a deal in an open stage.
pub fn health(story: &Story<'_>, ladder: &Ladder, times: &[StageTime], today: NaiveDate) -> DealHealth {
    let reached: Vec<&CallFigures> = story.contacts().collect();
    let last = reached.last();
    let place = story.place().unwrap_or(0);
    let no_next_step = last.is_none_or(|last| last.next_step.is_none_or(|day| day < today));
    let overdue = story
        .calls
        .last()
        .is_some_and(|entry| entry.record.our_promises.iter().any(|day| *day < today));
    let unproven = last.is_some_and(|last| {
        ladder.open()[..place].iter().any(|stage| {
            let score = last.scores.get(&ElementId::from(stage.as_str()));
            score.is_some_and(|score| *score < PROVEN)
        })
    });
    let objection = last.is_some_and(|last| {
        let mut open = last.open_objections.iter();
        open.any(|kind| matches!(kind, ObjectionKind::Price | ObjectionKind::Trust))
    });
    let decision = reached.iter().rev().find_map(|call| call.decision_by);
    let put_off = reached
        .iter()
        .rev()
        .take(2)
        .filter(|call| call.signals.contains(&Signal::BuyerDelay) && call.next_step.is_none());
    let found = [
        (HealthReason::NoNextStep, no_next_step),
        (HealthReason::Stalled, is_stalled(story, times.get(place), today)),
        (HealthReason::PromiseOverdue, overdue),
        (
            HealthReason::SingleContact,
            reached.len() >= 2 && last.is_some_and(|last| last.buyers <= 1),
        ),
        (HealthReason::PassedUnproven, unproven),
        (HealthReason::OpenObjection, objection),
        (HealthReason::DecisionDayPassed, decision.is_some_and(|day| day < today)),
        (HealthReason::PutOffTwice, put_off.count() == 2),
    ];
    let reasons: Vec<HealthReason> = found
        .into_iter()
        .filter(|(_, holds)| *holds)
        .map(|(reason, _)| reason)
        .collect();
    DealHealth {
        score: reasons
            .iter()
            .fold(100, |score: u8, reason| score.saturating_sub(reason.points())),
        reasons,
    }
}

fn is_stalled(story: &Story<'_>, stage: Option<&StageTime>, today: NaiveDate) -> bool {
    let Some(last) = story.contacts().next_back() else {
        return false;
    };
    let silent = days_until(last.call_date, today);
    let usual = stage.and_then(|stage| stage.finished.median).unwrap_or(0.0);
    let ahead = 1..=silent.min(LONGEST_SILENCE);
    let worked = ahead
        .filter_map(|days| last.call_date.checked_add_days(Days::new(days.unsigned_abs())))
        .filter(|day| calendar::is_business_day(*day, last.language));
    worked.count() > QUIET_BUSINESS_DAYS && silent as f64 > QUIET_STAYS * usual
}
