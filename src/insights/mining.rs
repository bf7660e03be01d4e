//! The process as it is lived: transitions, variants, skipped stages, loops (G.5).

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::cycle::{StageTime, bottleneck, stage_times};
use super::goes_with::{GoesWith, goes_with};
use super::stats::{Days, Rate};
use super::story::{State, Stories, Story, certainty};
use super::{Certainty, Deal, Scope, ScopeInfo};
use crate::domain::StageId;

/// Ways that are shown; the rest is counted.
const MOST_VARIANTS: usize = 20;

/// Deals whose first call lies between `from` and `to`, on their way until today.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProcessMap {
    pub scope: ScopeInfo,
    pub deals: usize,
    /// Deals whose calls show no stage; they are in no other figure.
    pub without_stage: usize,
    pub certainty: Certainty,
    /// What follows what: in the order of the process.
    pub transitions: Vec<Transition>,
    /// Whole ways, the most frequent first.
    pub variants: Vec<Variant>,
    /// Deals on ways that are not shown.
    pub other_variants: usize,
    /// Open stages in which deals that went past them were never seen.
    pub skipped: Vec<Skipped>,
    /// Ways back, by where they start and end; the most frequent first.
    pub loops: Vec<Rework>,
    /// Deals that went back at least once.
    pub rework: Rate,
    /// Transitions that the process foresees: to the next stage, from the last to a deal that is won, and from any to one that is lost.
    pub conformance: Rate,
    /// How long deals stay, with the stages of the whole pipeline; see the report on the cycle.
    pub stages: Vec<StageTime>,
    #[schema(value_type = Option<String>)]
    pub bottleneck: Option<StageId>,
    /// What was said in calls after which deals moved on, the strongest first. It goes with moving on; it need not cause it.
    pub goes_with_moving_on: Vec<GoesWith>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// The first stage that was seen.
    Start,
    /// To the next stage.
    Next,
    /// Past one or more stages: in one call, or between two.
    Skip,
    Back,
    Won,
    Lost,
    /// From an end back to an open stage.
    Reopened,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Transition {
    /// null for the start.
    #[schema(value_type = Option<String>)]
    pub from: Option<StageId>,
    #[schema(value_type = String)]
    pub to: StageId,
    pub kind: TransitionKind,
    pub deals: usize,
    /// Of all transitions from there: how many went this way.
    pub taken: Rate,
    /// Days that the stays lasted that ended this way.
    pub days: Days,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Variant {
    #[schema(value_type = Vec<String>)]
    pub path: Path,
    pub deals: Rate,
    pub won: usize,
    pub lost: usize,
    pub open: usize,
    /// From the first call to the end, of those that ended.
    pub days: Days,
}

/// Stages in the order in which they were seen.
pub type Path = Vec<StageId>;

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Skipped {
    #[schema(value_type = String)]
    pub stage: StageId,
    /// Of the deals that came to it or beyond.
    pub deals: Rate,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Rework {
    #[schema(value_type = String)]
    pub from: StageId,
    #[schema(value_type = String)]
    pub to: StageId,
    pub times: usize,
    /// Ids of the deals, sorted.
    pub deals: Vec<String>,
}

/// A transition of one deal.
#[derive(Debug, Clone, Copy)]
struct Step<'a> {
    story: &'a Story<'a>,
    from: Option<State>,
    to: State,
    days: Option<i64>,
}

impl Step<'_> {
    fn kind(&self, stages: usize) -> TransitionKind {
        match (self.from, self.to) {
            (None, _) => TransitionKind::Start,
            (_, State::Won) => TransitionKind::Won,
            (_, State::Lost) => TransitionKind::Lost,
            (Some(State::Open(from)), State::Open(to)) if to < from => TransitionKind::Back,
            (Some(State::Open(from)), State::Open(to)) if to == from + 1 && to < stages => TransitionKind::Next,
            (Some(State::Open(_)), State::Open(_)) => TransitionKind::Skip,
            (Some(State::Won | State::Lost), State::Open(_)) => TransitionKind::Reopened,
        }
    }

    /// The process foresees it.
    fn conforms(&self, stages: usize) -> bool {
        match self.kind(stages) {
            TransitionKind::Next => true,
            TransitionKind::Won => self.from == Some(State::Open(stages - 1)),
            TransitionKind::Lost => matches!(self.from, Some(State::Open(_))),
            _ => false,
        }
    }
}

/// Maps the deals of a scope; see [`ProcessMap`].
pub fn process_map(deals: &[Deal], scope: Scope<'_>) -> ProcessMap {
    let stories = Stories::new(deals, &scope);
    let times = stage_times(&stories, &scope);
    let of_scope: Vec<&Story<'_>> = stories.all.iter().filter(|story| scope.covers(story.began())).collect();
    let steps: Vec<Step<'_>> = of_scope.iter().flat_map(|story| steps(story)).collect();
    let stages = stories.ladder.open().len();
    let moves: Vec<&Step<'_>> = steps.iter().filter(|step| step.from.is_some()).collect();
    let went_back = |story: &Story<'_>| self::steps(story).any(|step| step.kind(stages) == TransitionKind::Back);
    let (variants, other_variants) = variants(&of_scope, &stories);
    ProcessMap {
        scope: scope.info(),
        deals: of_scope.len(),
        without_stage: stories.without_stage(&scope),
        certainty: certainty(of_scope.iter().copied()),
        transitions: transitions(&steps, &stories),
        variants,
        other_variants,
        skipped: skipped(&of_scope, &stories),
        loops: loops(&steps, &stories),
        rework: Rate::of(of_scope.iter().filter(|story| went_back(story)).count(), of_scope.len()),
        conformance: Rate::of(moves.iter().filter(|step| step.conforms(stages)).count(), moves.len()),
        bottleneck: bottleneck(&times),
        stages: times,
        goes_with_moving_on: goes_with(&of_scope, &stories.ladder, scope.today),
    }
}

fn steps<'a>(story: &'a Story<'a>) -> impl Iterator<Item = Step<'a>> {
    let first = story.visits.first().map(|visit| Step {
        story,
        from: None,
        to: visit.state,
        days: None,
    });
    let between = story.visits.windows(2).map(move |pair| Step {
        story,
        from: Some(pair[0].state),
        to: pair[1].state,
        days: pair[0].days(),
    });
    first.into_iter().chain(between)
}

fn transitions(steps: &[Step<'_>], stories: &Stories<'_>) -> Vec<Transition> {
    let ladder = &stories.ladder;
    let mut grouped: BTreeMap<(Option<State>, State), Vec<&Step<'_>>> = BTreeMap::new();
    for step in steps {
        grouped.entry((step.from, step.to)).or_default().push(step);
    }
    let from_there = |from: Option<State>| steps.iter().filter(|step| step.from == from).count();
    let transition = |(&(from, to), of): (&(Option<State>, State), &Vec<&Step<'_>>)| {
        let mut deals: Vec<&str> = of.iter().map(|step| step.story.deal.id.as_str()).collect();
        // The steps of a deal lie side by side.
        deals.dedup();
        Transition {
            from: from.map(|state| ladder.id(state).clone()),
            to: ladder.id(to).clone(),
            kind: of[0].kind(ladder.open().len()),
            deals: deals.len(),
            taken: Rate::of(of.len(), from_there(from)),
            days: Days::of(of.iter().filter_map(|step| step.days)),
        }
    };
    grouped.iter().map(transition).collect()
}

fn variants(of_scope: &[&Story<'_>], stories: &Stories<'_>) -> (Vec<Variant>, usize) {
    let mut grouped: BTreeMap<Vec<State>, Vec<&Story<'_>>> = BTreeMap::new();
    for story in of_scope {
        let path = story.visits.iter().map(|visit| visit.state).collect();
        grouped.entry(path).or_default().push(story);
    }
    let mut grouped: Vec<(Vec<State>, Vec<&Story<'_>>)> = grouped.into_iter().collect();
    // Stable: ways as frequent stay in the order of the process.
    grouped.sort_by_key(|(_, of)| std::cmp::Reverse(of.len()));
    let others = grouped.iter().skip(MOST_VARIANTS).map(|(_, of)| of.len()).sum();
    let variant = |(path, of): (Vec<State>, Vec<&Story<'_>>)| {
        let are = |state: State| of.iter().filter(|story| story.now() == state).count();
        let ended = of.iter().filter(|story| story.is_closed());
        let (won, lost) = (are(State::Won), are(State::Lost));
        Variant {
            path: path.iter().map(|state| stories.ladder.id(*state).clone()).collect(),
            deals: Rate::of(of.len(), of_scope.len()),
            won,
            lost,
            open: of.len() - won - lost,
            days: Days::of(ended.map(|story| (story.since() - story.began()).num_days())),
        }
    };
    (grouped.into_iter().take(MOST_VARIANTS).map(variant).collect(), others)
}

fn skipped(of_scope: &[&Story<'_>], stories: &Stories<'_>) -> Vec<Skipped> {
    let ladder = &stories.ladder;
    let row = |(place, stage): (usize, &StageId)| {
        let came: Vec<_> = of_scope
            .iter()
            .filter(|story| story.reached(ladder.open().len()) >= place)
            .collect();
        let seen = |story: &Story<'_>| story.visits.iter().any(|visit| visit.state == State::Open(place));
        let past = came.iter().filter(|story| !seen(story)).count();
        Skipped {
            stage: stage.clone(),
            deals: Rate::of(past, came.len()),
        }
    };
    ladder.open().iter().enumerate().map(row).collect()
}

fn loops(steps: &[Step<'_>], stories: &Stories<'_>) -> Vec<Rework> {
    let ladder = &stories.ladder;
    let mut grouped: BTreeMap<(State, State), Vec<&Step<'_>>> = BTreeMap::new();
    for step in steps {
        if let Some(from) = step.from
            && step.kind(ladder.open().len()) == TransitionKind::Back
        {
            grouped.entry((from, step.to)).or_default().push(step);
        }
    }
    let mut found: Vec<Rework> = grouped
        .into_iter()
        .map(|((from, to), of)| {
            let mut deals: Vec<String> = of.iter().map(|step| step.story.deal.id.clone()).collect();
            deals.dedup();
            Rework {
                from: ladder.id(from).clone(),
                to: ladder.id(to).clone(),
                times: of.len(),
                deals,
            }
        })
        .collect();
    found.sort_by_key(|rework| std::cmp::Reverse(rework.times));
    found
}
