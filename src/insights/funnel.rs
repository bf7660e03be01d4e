//! The funnel: what happened to the deals that began (G.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stats::Rate;
use super::story::{Ladder, State, Stories, Story, certainty};
use super::{Certainty, Deal, Scope, ScopeInfo, Total, totals};
use crate::domain::{CustomerKind, LeadSource, StageId};

/// Deals whose first call lies between `from` and `to`, and how far they came until today.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Funnel {
    pub scope: ScopeInfo,
    /// Deals whose calls show no stage; they are in no other figure.
    pub without_stage: usize,
    pub certainty: Certainty,
    pub all: FunnelPart,
    /// What the parts are by; null where nothing was asked.
    pub split: Option<Split>,
    /// Sorted by key; together they are `all`.
    pub parts: Vec<FunnelPart>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    Owner,
    /// Where the lead came from, as it was said in a call.
    Source,
    /// New or existing customers, as it was said in a call.
    Customer,
    /// The month of the first call.
    Month,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FunnelPart {
    /// Id of a user, `referral`, `new`, `2026-04`…; null for all, and where it is not known.
    pub key: Option<String>,
    pub deals: usize,
    pub open: usize,
    pub won: usize,
    pub lost: usize,
    /// Open stages in the order of work.
    pub stages: Vec<FunnelStage>,
    /// From each stage to the next, the last to a deal that is won.
    pub steps: Vec<FunnelStep>,
    /// Deals that are won, of all that began. Those that are open may still follow.
    pub lead_to_win: Rate,
    /// Deals that are won, of those that have ended.
    pub win_of_ended: Rate,
    /// Worth of the deals that are won.
    pub won_amounts: Vec<Total>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FunnelStage {
    #[schema(value_type = String)]
    pub stage: StageId,
    /// Deals that were in it or in a later one, whatever became of them.
    pub reached: usize,
    /// Open deals that are in it today.
    pub now: usize,
    /// Worth of those that are in it today.
    pub amounts: Vec<Total>,
    /// How many of those have no known worth.
    pub without_amount: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FunnelStep {
    #[schema(value_type = String)]
    pub from: StageId,
    #[schema(value_type = String)]
    pub to: StageId,
    /// Deals that came to `to` or beyond, of those that came to `from`. `from` is the farthest that the others came:
    /// `n = hits + lost + open`.
    pub moved_on: Rate,
    pub lost: usize,
    /// Not decided yet.
    pub open: usize,
    /// The same without those that are open.
    pub moved_on_of_decided: Rate,
}

/// Counts the deals of a scope; see [`Funnel`].
pub fn funnel(deals: &[Deal], scope: Scope<'_>, split: Option<Split>) -> Funnel {
    let stories = Stories::new(deals, &scope);
    let ladder = &stories.ladder;
    let of_scope: Vec<&Story<'_>> = stories.all.iter().filter(|story| scope.covers(story.began())).collect();
    let mut parts: BTreeMap<Option<String>, Vec<&Story<'_>>> = BTreeMap::new();
    if let Some(split) = split {
        for story in &of_scope {
            parts.entry(key(story, split)).or_default().push(story);
        }
    }
    Funnel {
        scope: scope.info(),
        without_stage: stories.without_stage(&scope),
        certainty: certainty(of_scope.iter().copied()),
        all: part(None, &of_scope, ladder),
        split,
        parts: parts.into_iter().map(|(key, of)| part(key, &of, ladder)).collect(),
    }
}

fn key(story: &Story<'_>, split: Split) -> Option<String> {
    let source = |source: LeadSource| match source {
        LeadSource::Referral => "referral",
        LeadSource::Inbound => "inbound",
        LeadSource::Outbound => "outbound",
        LeadSource::Event => "event",
        LeadSource::Repeat => "repeat",
    };
    let customer = |kind: CustomerKind| match kind {
        CustomerKind::New => "new",
        CustomerKind::Existing => "existing",
    };
    match split {
        Split::Owner => story.deal.owner.clone(),
        Split::Source => story.source().map(|kind| source(kind).to_owned()),
        Split::Customer => story.customer().map(|kind| customer(kind).to_owned()),
        Split::Month => Some(story.began().format("%Y-%m").to_string()),
    }
}

fn part(key: Option<String>, stories: &[&Story<'_>], ladder: &Ladder) -> FunnelPart {
    let all = ladder.open().len();
    let reached = |place: usize| stories.iter().filter(|story| story.reached(all) >= place).count();
    let stages = ladder.open().iter().enumerate().map(|(place, stage)| {
        let here: Vec<_> = stories.iter().filter(|story| story.place() == Some(place)).collect();
        FunnelStage {
            stage: stage.clone(),
            reached: reached(place),
            now: here.len(),
            amounts: totals(here.iter().filter_map(|story| story.amount())),
            without_amount: here.iter().filter(|story| story.amount().is_none()).count(),
        }
    });
    let steps = ladder.open().iter().enumerate().map(|(place, stage)| {
        let (came, moved) = (reached(place), reached(place + 1));
        let stopped = stories.iter().filter(|story| story.reached(all) == place);
        let lost = stopped.filter(|story| story.now() == State::Lost).count();
        FunnelStep {
            from: stage.clone(),
            to: ladder.open().get(place + 1).unwrap_or(ladder.id(State::Won)).clone(),
            moved_on: Rate::of(moved, came),
            lost,
            open: came - moved - lost,
            moved_on_of_decided: Rate::of(moved, moved + lost),
        }
    });
    let are = |state: State| stories.iter().filter(move |story| story.now() == state);
    let (won, lost) = (are(State::Won).count(), are(State::Lost).count());
    FunnelPart {
        key,
        deals: stories.len(),
        open: stories.len() - won - lost,
        won,
        lost,
        stages: stages.collect(),
        steps: steps.collect(),
        lead_to_win: Rate::of(won, stories.len()),
        win_of_ended: Rate::of(won, won + lost),
        won_amounts: totals(are(State::Won).filter_map(|story| story.amount())),
    }
}
