//! Records of calls → the way of each deal through the stages of one process.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::{Certainty, Deal, Entry, Scope, stats};
use crate::domain::{Amount, CallFigures, CustomerKind, LeadSource, StageId, StageKind};
use crate::process::Process;

/// Where a deal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// In an open stage, by its place in the order of the process.
    Open(usize),
    Won,
    Lost,
}

/// The stages of a process.
#[derive(Debug, Clone)]
pub struct Ladder {
    open: Vec<StageId>,
    won: StageId,
    lost: StageId,
    states: BTreeMap<StageId, State>,
}

impl Ladder {
    pub fn new(process: &Process) -> Self {
        let of = |kind: StageKind| process.stages().iter().filter(move |stage| stage.kind == kind);
        let open: Vec<StageId> = of(StageKind::Open).map(|stage| stage.id.clone()).collect();
        let mut states: BTreeMap<StageId, State> = open
            .iter()
            .enumerate()
            .map(|(place, id)| (id.clone(), State::Open(place)))
            .collect();
        states.extend(of(StageKind::Won).map(|stage| (stage.id.clone(), State::Won)));
        states.extend(of(StageKind::Lost).map(|stage| (stage.id.clone(), State::Lost)));
        let name = |kind: StageKind, else_name: &str| {
            of(kind)
                .next()
                .map_or_else(|| StageId::from(else_name), |stage| stage.id.clone())
        };
        Self {
            won: name(StageKind::Won, "won"),
            lost: name(StageKind::Lost, "lost"),
            open,
            states,
        }
    }

    /// Open stages in the order of work.
    pub fn open(&self) -> &[StageId] {
        &self.open
    }

    pub fn id(&self, state: State) -> &StageId {
        match state {
            State::Open(place) => &self.open[place],
            State::Won => &self.won,
            State::Lost => &self.lost,
        }
    }
}

/// A stay in one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub state: State,
    pub since: NaiveDate,
    /// The day of the call that shows another stage; None where it is the last stay.
    pub until: Option<NaiveDate>,
    /// Place of the call that first shows it.
    call: usize,
}

impl Visit {
    /// Whole days of a stay that has ended.
    pub fn days(&self) -> Option<i64> {
        Some((self.until? - self.since).num_days())
    }
}

/// Calls of a process, the oldest first; of a call that was analysed again what was known last.
pub fn latest<'a>(deal: &'a Deal, process: &str) -> Vec<&'a Entry> {
    let mut calls: BTreeMap<&str, (DateTime<Utc>, &Entry)> = BTreeMap::new();
    for entry in deal.records.iter().filter(|entry| entry.record.process == process) {
        let (first_known, last) = calls.entry(&entry.record.call).or_insert((entry.known_at, entry));
        *first_known = entry.known_at.min(*first_known);
        if last.known_at < entry.known_at {
            *last = entry;
        }
    }
    let mut calls: Vec<(DateTime<Utc>, &Entry)> = calls.into_values().collect();
    // Stable: calls of one day that were known at once stay in the order of their ids.
    calls.sort_by_key(|(first_known, entry)| (entry.record.call_date, *first_known));
    calls.into_iter().map(|(_, entry)| entry).collect()
}

/// One deal through one process.
#[derive(Debug, Clone)]
pub struct Story<'a> {
    pub deal: &'a Deal,
    /// See [`latest`]; never empty.
    pub calls: Vec<&'a Entry>,
    /// Never empty; neighbours differ. An end that was not decided is none.
    pub visits: Vec<Visit>,
    /// How sure each stage is that a call shows.
    pub sure: Vec<f64>,
}

impl<'a> Story<'a> {
    /// Without any stage: the day of the first call, if there is one.
    fn new(deal: &'a Deal, process: &str, ladder: &Ladder) -> Result<Self, Option<NaiveDate>> {
        let calls = latest(deal, process);
        let mut visits: Vec<Visit> = Vec::new();
        let mut sure = Vec::new();
        for (call, record) in calls.iter().map(|entry| &entry.record).enumerate() {
            let Some(&state) = record.stage.as_ref().and_then(|id| ladder.states.get(id)) else {
                continue;
            };
            let is_end = matches!(state, State::Won | State::Lost);
            if is_end && record.abstained {
                continue;
            }
            sure.push(record.confidence);
            if visits.last().is_some_and(|last| last.state == state) {
                continue;
            }
            if let Some(last) = visits.last_mut() {
                last.until = Some(record.call_date);
            }
            visits.push(Visit {
                state,
                since: record.call_date,
                until: None,
                call,
            });
        }
        if visits.is_empty() {
            return Err(calls.first().map(|entry| entry.record.call_date));
        }
        Ok(Self {
            deal,
            calls,
            visits,
            sure,
        })
    }

    fn last(&self) -> &Visit {
        &self.visits[self.visits.len() - 1]
    }

    pub fn now(&self) -> State {
        self.last().state
    }

    /// The day on which it came to where it is.
    pub fn since(&self) -> NaiveDate {
        self.last().since
    }

    pub fn place(&self) -> Option<usize> {
        match self.now() {
            State::Open(place) => Some(place),
            State::Won | State::Lost => None,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.place().is_none()
    }

    /// The day of the first call.
    pub fn began(&self) -> NaiveDate {
        self.calls[0].record.call_date
    }

    /// The day of the first call in which the buyer's side spoke.
    pub fn first_contact(&self) -> Option<NaiveDate> {
        self.contacts().next().map(|call| call.call_date)
    }

    /// Calls in which the buyer's side spoke.
    pub fn contacts(&self) -> impl DoubleEndedIterator<Item = &'a CallFigures> {
        let records = self.calls.iter().map(|entry| &entry.record);
        records.filter(|record| record.buyer_turns > 0)
    }

    /// The farthest place it came to; `stages` (all of them) for a deal that is won. Every deal was in the first stage: whoever
    /// is farther has left it.
    pub fn reached(&self, stages: usize) -> usize {
        match self.now() {
            State::Won => stages,
            _ => self.farthest(),
        }
    }

    fn farthest(&self) -> usize {
        let places = self.visits.iter().filter_map(|visit| match visit.state {
            State::Open(place) => Some(place),
            State::Won | State::Lost => None,
        });
        places.max().unwrap_or(0)
    }

    /// The place of the deal after one of its calls; None before the first stage, and where it had ended.
    pub fn place_after(&self, call: usize) -> Option<usize> {
        match self.visits.iter().rfind(|visit| visit.call <= call)?.state {
            State::Open(place) => Some(place),
            State::Won | State::Lost => None,
        }
    }

    /// A later call, on a day of `end` at the latest, shows the deal beyond a place.
    pub fn moved_beyond(&self, place: usize, call: usize, end: NaiveDate) -> bool {
        let later = self
            .visits
            .iter()
            .filter(|visit| visit.call > call && visit.since <= end);
        later.into_iter().any(|visit| match visit.state {
            State::Open(other) => other > place,
            State::Won => true,
            State::Lost => false,
        })
    }

    /// The day on which it came to a place or beyond.
    pub fn reached_on(&self, wanted: usize) -> Option<NaiveDate> {
        let visit = self.visits.iter().find(|visit| match visit.state {
            State::Open(place) => place >= wanted,
            State::Won => true,
            State::Lost => false,
        })?;
        Some(visit.since)
    }

    /// As it was said last.
    pub fn customer(&self) -> Option<CustomerKind> {
        self.calls.iter().rev().find_map(|entry| entry.record.customer)
    }

    /// As it was said first.
    pub fn source(&self) -> Option<LeadSource> {
        self.calls.iter().find_map(|entry| entry.record.lead_source)
    }

    /// What the deal is worth and whether that was only heard in a call: the sum that somebody entered comes first.
    pub fn amount(&self) -> Option<(&'a Amount, bool)> {
        let entered = self.deal.amount.as_ref().map(|amount| (amount, false));
        let heard = || self.calls.iter().rev().find_map(|entry| entry.record.price.as_ref());
        entered.or_else(|| heard().map(|amount| (amount, true)))
    }
}

/// Deals of one process, in the order of their ids.
#[derive(Debug, Clone)]
pub struct Stories<'a> {
    pub ladder: Ladder,
    pub all: Vec<Story<'a>>,
    /// First calls of the deals without any stage.
    without_stage: Vec<NaiveDate>,
}

impl<'a> Stories<'a> {
    /// Those of the scope's owner; its days are for the reports to apply.
    pub fn new(deals: &'a [Deal], scope: &Scope<'_>) -> Self {
        let ladder = Ladder::new(scope.process);
        let mut without_stage = Vec::new();
        let mut all = Vec::new();
        for deal in deals.iter().filter(|deal| scope.owns(deal.owner.as_deref())) {
            match Story::new(deal, scope.process.id(), &ladder) {
                Ok(story) => all.push(story),
                Err(began) => without_stage.extend(began),
            }
        }
        all.sort_by(|one, other| one.deal.id.cmp(&other.deal.id));
        Self {
            ladder,
            all,
            without_stage,
        }
    }

    /// Deals of the scope with calls that show no stage.
    pub fn without_stage(&self, scope: &Scope<'_>) -> usize {
        self.without_stage.iter().filter(|began| scope.covers(**began)).count()
    }
}

/// How far the stages of these deals are to be believed.
pub fn certainty<'a>(stories: impl IntoIterator<Item = &'a Story<'a>>) -> Certainty {
    let sure: Vec<f64> = stories
        .into_iter()
        .flat_map(|story| story.sure.iter().copied())
        .collect();
    let mean = sure.iter().sum::<f64>() / sure.len() as f64;
    Certainty {
        calls: sure.len(),
        right: (!sure.is_empty()).then(|| stats::rounded(mean)),
    }
}
