//! Moves that came too early, and what keeps a deal from moving.

use super::assess::{Heard, earlier_scores};
use super::evidence::sentence;
use super::file::{PrematureRule, Process};
use super::history;
use super::reading::{Marks, Reading, Talk};
use crate::domain::{
    Deal, Evidence, Language, PastEvidence, Premature, Role, RootCause, RootCauseId, Severity, StageKind,
};

/// The moves of the rep for which the deal was not ready when they were made: of each rule the first, in the order of the
/// turns. What was said later does not count.
pub fn premature(process: &Process, heard: Heard<'_>) -> Vec<Premature> {
    if heard.no_deal {
        return Vec::new();
    }
    let talk = Talk::new(process, heard.call, heard.fields);
    let marks = Marks::new(heard.labels);
    let earlier = earlier_scores(process, heard);
    let whole = Reading::new(process, &talk, &marks, heard.call.turns.len(), &earlier);
    let mut found: Vec<(usize, Premature)> = Vec::new();
    for rule in process.premature() {
        if found.iter().any(|(_, known)| known.id == rule.id) {
            continue;
        }
        let moves = whole.every(&rule.action).into_iter();
        let too_early = moves
            .filter_map(|at| {
                let mut before = Reading::new(process, &talk, &marks, at, &earlier);
                before.facts = history::facts(heard);
                before.stage = Some(before.find_stage());
                let severity = judged(rule, &before)?;
                // A turn without words proves nothing.
                let evidence = Some(sentence(&heard.call.turns[at])).filter(|said| !said.quote.is_empty())?;
                Some((at, warn(rule, severity, heard.language, evidence)))
            })
            .next();
        found.extend(too_early);
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, premature)| premature).collect()
}

/// None where the move was in time.
fn judged(rule: &PrematureRule, before: &Reading<'_>) -> Option<Severity> {
    if !before.is(&rule.when) || before.is(&rule.unless) {
        return None;
    }
    Some(if before.is(&rule.softer) {
        Severity::Low
    } else {
        rule.severity
    })
}

fn warn(rule: &PrematureRule, severity: Severity, language: Language, evidence: Evidence) -> Premature {
    Premature {
        id: rule.id,
        turn: evidence.turn,
        severity,
        why: rule.why.get(language).clone(),
        advice: rule.advice.get(language).clone(),
        quote: evidence.quote,
    }
}

/// Why a stalled deal does not move: the first cause that holds, then those that are named beside it.
pub fn root_causes(reading: &Reading<'_>, deal: &Deal, language: Language) -> Vec<RootCause> {
    let stages = reading.process.stages();
    let open = reading.stage.is_some_and(|place| stages[place].kind == StageKind::Open);
    if !open || !reading.is(reading.process.stalled()) {
        return Vec::new();
    }
    let mut causes: Vec<RootCause> = Vec::new();
    for rule in reading.process.causes() {
        if !rule.beside && !causes.is_empty() {
            continue;
        }
        let Some(turns) = reading.holds(&rule.when) else {
            continue;
        };
        causes.push(RootCause {
            id: rule.id,
            why: rule.why.get(language).clone(),
            missing: vec![rule.missing.get(language).clone()],
            first_action: rule.first_action,
            evidence: reading.talk.quotes(&turns),
            earlier: broken_promises(rule.id, reading, deal),
        });
    }
    causes
}

/// The words of our promises that are overdue, where those are the cause.
fn broken_promises(id: RootCauseId, reading: &Reading<'_>, deal: &Deal) -> Vec<PastEvidence> {
    if id != RootCauseId::WeDroppedIt {
        return Vec::new();
    }
    let day = reading.talk.call.call_date.unwrap_or_default();
    let due = deal
        .open_promises
        .iter()
        .filter(|promise| promise.is_due(Role::Rep, day));
    due.map(|promise| promise.evidence.clone()).collect()
}
