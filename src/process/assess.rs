//! Signals and fields → scores of the elements → stage of the deal, as the process file says.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::file::{Process, TOP_SCORE};
use super::history;
use super::reading::{Facts, Found, Marks, Place, Reading, Talk};
use crate::domain::{
    Call, CallOutcome, Cue, Deal, DealStage, DecidedBy, Decision, ElementId, ElementScore, Evidence, Field,
    FieldStatus, History, Language, Move, Role, Signal, StageKind, TurnLabels,
};

/// Flag of a call that says two things about one fact.
const CONFLICT: &str = "conflict";
/// Confidence that a call is no sales call, which no draw of signals tells.
const NO_SALES: f32 = 0.75;

/// Everything that a verdict rests on.
#[derive(Clone, Copy)]
pub struct Heard<'a> {
    pub call: &'a Call,
    pub labels: &'a [TurnLabels],
    pub fields: &'a [Field],
    pub language: Language,
    /// No sales call, or one in a language that is not understood.
    pub no_deal: bool,
    pub history: Option<&'a History>,
}

/// Where the deal stands after this call, and what of earlier ones still holds.
pub fn assess(process: &Process, heard: Heard<'_>) -> Deal {
    let talk = Talk::new(process, heard.call, heard.fields);
    let earlier = earlier_scores(process, heard);
    let judged = judge(process, &talk, heard, &earlier);
    let elements: Vec<ElementScore> = process
        .elements()
        .iter()
        .zip(&judged.verdict.scores)
        .zip(&judged.shares)
        .map(|((rule, found), &confidence)| {
            element_score(rule, found.score, confidence, talk.quotes(&found.turns), heard.language)
        })
        .map(|score| with_earlier(score, heard))
        .collect();
    let stage = (!heard.no_deal).then_some(judged.verdict.stage);
    let confidence = if heard.no_deal {
        NO_SALES
    } else {
        judged.stage * process.thresholds().trusted
    };
    let short = is_short(process, heard.call);
    let previous = heard
        .history
        .map_or_else(|| heard.call.previous_stage.clone(), |history| history.stage.clone());
    let mut deal = Deal {
        process: process.id().to_owned(),
        process_hash: process.hash().to_owned(),
        stage: None,
        stage_name: String::new(),
        stage_purpose: String::new(),
        stage_exit: String::new(),
        confidence,
        decided_by: DecidedBy::Local,
        abstained: short,
        on_hold: judged.verdict.on_hold,
        flags: Vec::new(),
        coverage: 0.0,
        index: 0.0,
        elements,
        call_outcome: stage.and(judged.verdict.outcome),
        previous_stage_name: previous.as_ref().map(|id| {
            let rule = process.stage(id.as_str());
            rule.map_or_else(|| id.to_string(), |rule| rule.name.get(heard.language).clone())
        }),
        previous_stage: previous,
        step: None,
        earlier_calls: heard.history.map(|history| history.calls.clone()).unwrap_or_default(),
        contradictions: Vec::new(),
        earlier_facts: history::earlier_facts(heard),
        open_promises: Vec::new(),
        buyers: Vec::new(),
    };
    (deal.coverage, deal.index) = sums(&deal.elements);
    if let Some(place) = stage {
        enter(process, &mut deal, place, short, heard.language);
        let needed = match process.stages()[place].kind {
            StageKind::Open => process.thresholds().decided,
            StageKind::Won | StageKind::Lost => process.thresholds().ended,
        };
        deal.abstained |= confidence < needed;
    }
    let marks = Marks::new(heard.labels);
    let reading = reading_of(process, &talk, &marks, heard, &deal);
    let flags = flags(&reading, &deal);
    let contradictions = history::contradictions(&reading, heard, &deal);
    let open_promises = history::open_promises(&reading, heard);
    drop(reading);
    (deal.flags, deal.contradictions, deal.open_promises) = (flags, contradictions, open_promises);
    deal.buyers = history::buyers(heard);
    deal
}

/// Scores of earlier calls, in the order of the elements; none of another process.
pub fn earlier_scores(process: &Process, heard: Heard<'_>) -> Vec<u8> {
    let Some(history) = heard.history.filter(|history| history.process == process.id()) else {
        return Vec::new();
    };
    let score = |rule: &super::file::ElementRule| {
        let past = history.scores.iter().find(|past| past.element == rule.id);
        past.map_or(0, |past| past.score)
    };
    process.elements().iter().map(score).collect()
}

/// Where no words of this call give the score, those of earlier ones do.
fn with_earlier(mut score: ElementScore, heard: Heard<'_>) -> ElementScore {
    let past = heard
        .history
        .and_then(|history| history.scores.iter().find(|past| past.element == score.element));
    if let Some(past) = past.filter(|past| score.evidence.is_empty() && past.score == score.score) {
        score.earlier.clone_from(&past.evidence);
    }
    score
}

fn enter(process: &Process, deal: &mut Deal, place: usize, short: bool, language: Language) {
    let rule = &process.stages()[place];
    let stage = DealStage {
        id: rule.id.clone(),
        kind: rule.kind,
        place,
    };
    deal.step = deal
        .previous_stage
        .as_ref()
        .and_then(|before| moved(process, before.as_str(), &stage, short));
    rule.name.get(language).clone_into(&mut deal.stage_name);
    rule.purpose.get(language).clone_into(&mut deal.stage_purpose);
    rule.exit.get(language).clone_into(&mut deal.stage_exit);
    deal.stage = Some(stage);
}

fn element_score(
    rule: &super::file::ElementRule,
    score: u8,
    confidence: f32,
    evidence: Vec<Evidence>,
    language: Language,
) -> ElementScore {
    let text = |texts: &[String], at: u8| texts.get(usize::from(at)).cloned();
    ElementScore {
        element: rule.id.clone(),
        name: rule.name.get(language).clone(),
        score,
        confidence,
        why: text(rule.why.get(language), score).unwrap_or_default(),
        evidence,
        earlier: Vec::new(),
        missing: text(rule.missing.get(language), score).into_iter().collect(),
    }
}

fn flags(reading: &Reading<'_>, deal: &Deal) -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    if deal.stage.is_some() {
        let rules = reading.process.flags().iter();
        flags.extend(rules.filter(|rule| reading.is(&rule.when)).map(|rule| rule.id.clone()));
    }
    if reading.facts.conflict {
        flags.push(CONFLICT.to_owned());
    }
    flags
}

/// The call as its deal was judged: for the rules of warnings, causes and actions.
pub fn reading_of<'a>(
    process: &'a Process,
    talk: &'a Talk<'a>,
    marks: &'a Marks,
    heard: Heard<'a>,
    deal: &Deal,
) -> Reading<'a> {
    let place = |evidence: &Evidence| heard.call.turns.iter().position(|turn| turn.i == evidence.turn);
    // The scores are those of the deal.
    let mut reading = Reading::new(process, talk, marks, heard.call.turns.len(), &[]);
    reading.scores = deal
        .elements
        .iter()
        .map(|element| Found {
            score: element.score,
            turns: element.evidence.iter().filter_map(place).map(Place::from).collect(),
        })
        .collect();
    reading.stage = deal.stage.as_ref().map(|stage| stage.place);
    reading.facts = facts(process, heard, deal);
    let day = heard.call.call_date.unwrap_or_default();
    let open = history::open_promises(&reading, heard);
    reading.facts.promise_overdue = open.iter().any(|promise| promise.is_due(Role::Rep, day));
    reading.facts.buyer_promise_overdue = open.iter().any(|promise| promise.is_due(Role::Buyer, day));
    reading.past_fields = heard.history.map_or(&[], |history| &history.fields);
    reading
}

fn facts(process: &Process, heard: Heard<'_>, deal: &Deal) -> Facts {
    Facts {
        buyer_turns: buyer_turns(heard.call) as i64,
        short: is_short(process, heard.call),
        conflict: heard.fields.iter().any(|field| field.status == FieldStatus::Conflict),
        on_hold: deal.on_hold,
        outcome: deal.call_outcome,
        step: deal.step,
        ..history::facts(heard)
    }
}

fn buyer_turns(call: &Call) -> usize {
    call.turns.iter().filter(|turn| turn.role == Role::Buyer).count()
}

/// Too little was said to decide on.
fn is_short(process: &Process, call: &Call) -> bool {
    let limits = process.thresholds();
    buyer_turns(call) < limits.buyer_turns || call.duration_s.is_some_and(|seconds| seconds < limits.call_s)
}

/// Sum of the scores over the possible sum, and their geometric mean, both 0–1.
fn sums(elements: &[ElementScore]) -> (f32, f32) {
    let top = f32::from(TOP_SCORE);
    let shares = elements.iter().map(|element| f32::from(element.score) / top);
    let count = elements.len().max(1) as f32;
    (
        shares.clone().sum::<f32>() / count,
        shares.product::<f32>().powf(1.0 / count),
    )
}

/// A score that somebody else gave, with the words that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub score: u8,
    pub evidence: Vec<Evidence>,
}

/// How the deal ended, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Open,
    SignedOrPaid,
    Refused,
}

/// The deal with the scores that a language model gave. The stage follows from them by the same rules.
pub fn rescore(
    process: &Process,
    heard: Heard<'_>,
    deal: &Deal,
    scores: &BTreeMap<ElementId, Scored>,
    ending: Ending,
    confidence: f32,
) -> Deal {
    let mut deal = deal.clone();
    for (rule, element) in process.elements().iter().zip(&mut deal.elements) {
        let Some(scored) = scores.get(&rule.id) else { continue };
        // The model saw this call only: what earlier ones gave is the rules' to take back.
        if !element.earlier.is_empty() && scored.score <= element.score {
            continue;
        }
        *element = element_score(rule, scored.score, confidence, scored.evidence.clone(), heard.language);
    }
    (deal.coverage, deal.index) = sums(&deal.elements);
    let short = is_short(process, heard.call);
    let ended = |kind: StageKind| process.stages().iter().position(|stage| stage.kind == kind);
    let talk = Talk::new(process, heard.call, heard.fields);
    let marks = Marks::new(heard.labels);
    let place = match ending {
        Ending::SignedOrPaid => ended(StageKind::Won),
        Ending::Refused => ended(StageKind::Lost),
        Ending::Open => None,
    };
    let place = place.unwrap_or_else(|| reading_of(process, &talk, &marks, heard, &deal).find_open_stage());
    deal.call_outcome = match (ending, deal.call_outcome) {
        (Ending::SignedOrPaid, _) => Some(CallOutcome::Order),
        (Ending::Refused, _) => Some(CallOutcome::NoSale),
        (Ending::Open, Some(CallOutcome::NoSale)) => Some(CallOutcome::Continuation),
        (Ending::Open, outcome) => outcome,
    };
    enter(process, &mut deal, place, short, heard.language);
    deal.on_hold &= process.stages()[place].kind == StageKind::Open;
    deal.confidence = confidence;
    deal.decided_by = DecidedBy::Llm;
    deal.abstained = short;
    read_again(process, &talk, &marks, heard, deal)
}

/// What follows from scores and stage, after they changed.
fn read_again(process: &Process, talk: &Talk<'_>, marks: &Marks, heard: Heard<'_>, mut deal: Deal) -> Deal {
    let reading = reading_of(process, talk, marks, heard, &deal);
    let flags = flags(&reading, &deal);
    let contradictions = history::contradictions(&reading, heard, &deal);
    drop(reading);
    (deal.flags, deal.contradictions) = (flags, contradictions);
    deal
}

/// The deal where a person says that it stands; None: that it cannot be told. The scores stay what the words give. A stage
/// that the process does not have says nothing.
pub fn settle(process: &Process, heard: Heard<'_>, deal: &Deal, stage: Option<&str>) -> Deal {
    let mut deal = deal.clone();
    let Some(stage) = stage else {
        deal.abstained = true;
        deal.decided_by = DecidedBy::Person;
        return deal;
    };
    let Some(place) = process.stages().iter().position(|rule| rule.id.as_str() == stage) else {
        return deal;
    };
    enter(process, &mut deal, place, false, heard.language);
    let kind = process.stages()[place].kind;
    deal.on_hold &= kind == StageKind::Open;
    deal.call_outcome = match (kind, deal.call_outcome) {
        (StageKind::Won, _) => Some(CallOutcome::Order),
        (StageKind::Lost, _) => Some(CallOutcome::NoSale),
        (StageKind::Open, Some(CallOutcome::Order | CallOutcome::NoSale)) => Some(CallOutcome::Continuation),
        (StageKind::Open, outcome) => outcome,
    };
    (deal.confidence, deal.decided_by, deal.abstained) = (1.0, DecidedBy::Person, false);
    let talk = Talk::new(process, heard.call, heard.fields);
    let marks = Marks::new(heard.labels);
    read_again(process, &talk, &marks, heard, deal)
}

/// What a set of labels comes to.
struct Verdict {
    /// In the order of the elements of the process.
    scores: Vec<Found>,
    stage: usize,
    on_hold: bool,
    outcome: Option<CallOutcome>,
}

fn verdict(process: &Process, talk: &Talk<'_>, marks: &Marks, heard: Heard<'_>, earlier: &[u8]) -> Verdict {
    let mut reading = Reading::new(process, talk, marks, talk.call.turns.len(), earlier);
    if is_short(process, heard.call) {
        // Too little was said to take anything back.
        for (found, &before) in reading.scores.iter_mut().zip(earlier) {
            if found.score < before {
                *found = Found {
                    score: before,
                    turns: Vec::new(),
                };
            }
        }
    }
    let mut stage = reading.find_stage();
    // What is signed stays signed: a no to something more does not undo it.
    let before = heard.history.and_then(|history| history.stage.as_ref());
    let before = before.and_then(|id| process.stages().iter().position(|stage| stage.id == *id));
    if let Some(before) = before
        && process.stages()[before].kind == StageKind::Won
    {
        stage = before;
    }
    let outcome = process
        .outcomes()
        .iter()
        .find(|(_, when)| reading.is(when))
        .map_or(CallOutcome::Continuation, |(outcome, _)| *outcome);
    Verdict {
        stage,
        on_hold: process.stages()[stage].kind == StageKind::Open && reading.is(process.on_hold()),
        outcome: Some(outcome),
        scores: reading.scores,
    }
}

/// What the labels most likely come to.
struct Judged {
    verdict: Verdict,
    /// Share of the draws with the same stage.
    stage: f32,
    /// For each element the share with the same score.
    shares: Vec<f32>,
}

/// Draws of labels. 200 know a share to about 0.03, which is finer than the probabilities themselves are known.
const DRAWS: usize = 200;

/// Draws labels by their probabilities and judges each draw. The commonest stage stands, with the commonest scores that
/// lead to it: a few likely signals weigh more than one that just passes its threshold. The seed is fixed, so the same
/// call gives the same verdict.
fn judge(process: &Process, talk: &Talk<'_>, heard: Heard<'_>, earlier: &[u8]) -> Judged {
    if heard.no_deal {
        return Judged {
            verdict: verdict(process, talk, &Marks::none(), heard, earlier),
            stage: 1.0,
            shares: vec![1.0; process.elements().len()],
        };
    }
    let mut rng = StdRng::seed_from_u64(1);
    let mut drawn: Vec<Verdict> = (0..DRAWS)
        .map(|_| verdict(process, talk, &draw(heard.labels, &mut rng), heard, earlier))
        .collect();
    let stage = commonest(drawn.iter().map(|verdict| verdict.stage));
    let scores = |verdict: &Verdict| verdict.scores.iter().map(|found| found.score).collect::<Vec<u8>>();
    let led_there = drawn.iter().filter(|verdict| Some(verdict.stage) == stage);
    let best = commonest(led_there.map(scores));
    let at = drawn
        .iter()
        .position(|verdict| Some(verdict.stage) == stage && Some(scores(verdict)) == best)
        .unwrap_or_default();
    let share =
        |holds: &dyn Fn(&Verdict) -> bool| drawn.iter().filter(|verdict| holds(verdict)).count() as f32 / DRAWS as f32;
    let shares = (0..process.elements().len())
        .map(|element| share(&|verdict| verdict.scores[element].score == drawn[at].scores[element].score))
        .collect();
    Judged {
        stage: share(&|verdict| Some(verdict.stage) == stage),
        shares,
        verdict: drawn.swap_remove(at),
    }
}

/// The value that occurs most; of several the first.
fn commonest<T: PartialEq>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: Vec<(T, usize)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts
        .into_iter()
        .find(|(_, count)| *count == most)
        .map(|(value, _)| value)
}

/// Each label there as often as its probability says.
fn draw(labels: &[TurnLabels], rng: &mut StdRng) -> Marks {
    fn doubt<T: Copy>(&(id, confidence): &(T, f32)) -> Decision<T> {
        Decision {
            id,
            confidence,
            decided_by: DecidedBy::Local,
        }
    }
    let mut marks = Marks::none();
    for (at, label) in labels.iter().enumerate() {
        let doubts: Vec<Decision<Signal>> = label.doubts.iter().map(doubt).collect();
        for signal in label.signals.iter().chain(&doubts) {
            if rng.random::<f32>() < signal.confidence {
                marks.signal(at, signal);
            }
        }
        // A signature is too rare in the labelled calls for small probabilities of it to mean anything.
        let likely = label.cue_doubts.iter().filter(|(id, _)| *id != Cue::Signed);
        let doubts: Vec<Decision<Cue>> = likely.map(doubt).collect();
        for cue in label.cues.iter().chain(&doubts) {
            if rng.random::<f32>() < cue.confidence {
                marks.cue(at, cue);
            }
        }
    }
    marks
}

/// None where the stage before is none of this process.
fn moved(process: &Process, before: &str, now: &DealStage, short: bool) -> Option<Move> {
    let before_place = process.stages().iter().position(|stage| stage.id.as_str() == before)?;
    Some(if short {
        Move::TooEarly
    } else if before_place == now.place {
        Move::Stay
    } else if now.kind == StageKind::Lost || (now.place < before_place && now.kind == StageKind::Open) {
        Move::Back
    } else {
        Move::Advance
    })
}
