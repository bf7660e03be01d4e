//! Signals and fields → scores of the elements (B.4) → stage of the deal (B.3).

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::evidence::{is_dated, sentence};
use super::file::{Process, TOP_SCORE};
use crate::domain::{
    Call, CallOutcome, Cue, Deal, DealStage, DecidedBy, Decision, Element, ElementScore, Evidence, Field, FieldName,
    FieldStatus, FieldValue, Language, Move, Role, Signal, TurnLabels,
};

/// Words of a signature or payment that is done. The cue of it is rare in calls, and learned from few.
const SIGNED: &[&str] = &[
    "i've signed",
    "i signed",
    "just signed",
    "signed it",
    "paid it",
    "i've paid",
    "just paid",
    "payment went",
    "подписал",
    "подписала",
    "оплатил",
    "оплатила",
    "оплату провели",
    "оплата прошла",
];
/// Words that take back nothing of an objection but let it rest.
const ACCEPTS: &[&str] = &[
    "okay, fair",
    "fair enough",
    "that's fair",
    "ладно, понятно",
    "понятно, ладно",
    "согласен",
    "согласна",
];
/// Flag of a spoken yes while the deal is not as far.
const VERBAL_YES: &str = "verbal_yes";
/// Confidence that a call is no sales call, which no draw of signals tells.
const NO_SALES: f32 = 0.75;

struct Facts<'a> {
    call: &'a Call,
    labels: &'a [TurnLabels],
    fields: &'a [Field],
}

impl Facts<'_> {
    fn at(&self, signal: Signal) -> Vec<usize> {
        (0..self.labels.len())
            .filter(|&at| self.labels[at].has(signal))
            .collect()
    }

    fn at_cue(&self, cue: Cue) -> Vec<usize> {
        (0..self.labels.len())
            .filter(|&at| self.labels[at].has_cue(cue))
            .collect()
    }

    /// The last turn in which the buyer signs or pays.
    fn signed(&self) -> Option<usize> {
        (0..self.labels.len()).rev().find(|&at| {
            let label = &self.labels[at];
            label.has_cue(Cue::Signed) || (label.has(Signal::BuyerCommitment) && self.says(at, SIGNED))
        })
    }

    fn lower(&self, at: usize) -> String {
        self.call.turns[at].text.to_lowercase()
    }

    fn says(&self, at: usize, words: &[&str]) -> bool {
        let lower = self.lower(at);
        words.iter().any(|word| lower.contains(word))
    }

    fn dated(&self, at: usize) -> bool {
        is_dated(&self.call.turns, at, self.fields)
    }

    /// The turn has a quantity: a field taken from it, a digit, or a number word.
    fn has_number(&self, at: usize) -> bool {
        let turn = &self.call.turns[at];
        let field = self.fields.iter().any(|field| {
            field.turn == Some(turn.i)
                && matches!(
                    field.value,
                    Some(FieldValue::Money(_) | FieldValue::Quantity(_) | FieldValue::Percent { .. })
                )
        });
        field || turn.text.contains(|c: char| c.is_ascii_digit()) || number_word(&self.lower(at))
    }

    fn quotes(&self, turns: &[usize]) -> Vec<Evidence> {
        let mut quotes: Vec<Evidence> = Vec::new();
        for &at in turns {
            let evidence = sentence(&self.call.turns[at]);
            if !evidence.quote.is_empty() && !quotes.contains(&evidence) {
                quotes.push(evidence);
            }
        }
        quotes
    }

    /// Speakers who said that the decision is theirs, or acted so.
    fn deciders(&self) -> Vec<&str> {
        let own = self.at_cue(Cue::Power).into_iter();
        own.map(|at| self.call.turns[at].speaker.as_str()).collect()
    }

    /// The last objection of this kind that nothing later took back.
    fn open_objection(&self, objection: Signal) -> Option<usize> {
        let last = *self.at(objection).last()?;
        let settled = (last + 1..self.labels.len()).any(|at| {
            self.labels[at].has(Signal::BuyerValueAck)
                || (self.call.turns[at].role == Role::Buyer && at <= last + 6 && self.says(at, ACCEPTS))
                || self.labels[at].has(Signal::BuyerCommitment) && objection != Signal::BuyerObjPrice
        });
        (!settled).then_some(last)
    }
}

fn number_word(lower: &str) -> bool {
    const WORDS: &[&str] = &[
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "fifteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
        "million",
        "grand",
        "half",
        "third",
        "quarter",
        "percent",
        "два",
        "две",
        "двух",
        "три",
        "трёх",
        "трех",
        "четыре",
        "пять",
        "шесть",
        "семь",
        "восемь",
        "девять",
        "десять",
        "двадцать",
        "тридцать",
        "сорок",
        "пятьдесят",
        "сто",
        "двести",
        "триста",
        "тысяч",
        "тысячи",
        "тысячу",
        "миллион",
        "миллиона",
        "миллионов",
        "полтора",
        "полутора",
        "половину",
        "процентов",
        "треть",
        "четверть",
    ];
    lower
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| WORDS.contains(&word))
}

/// A score with the turns that it rests on.
struct Found {
    score: u8,
    turns: Vec<usize>,
}

impl Found {
    fn new(score: u8, turns: Vec<usize>) -> Self {
        Self { score, turns }
    }

    fn nothing() -> Self {
        Self::new(0, Vec::new())
    }
}

fn pain(facts: &Facts<'_>) -> Found {
    let mut pains = facts.at(Signal::BuyerPain);
    let impacts = facts.at(Signal::BuyerImpact);
    if pains.is_empty() {
        // Of 444 labelled calls with a consequence 434 name the problem too: a model that heard only the consequence has
        // missed it. Where labels are certain, the letter holds.
        let unsure = |&&at: &&usize| facts.labels[at].confidence(Signal::BuyerImpact) < Some(1.0);
        pains.extend(impacts.iter().find(unsure));
    }
    if pains.is_empty() {
        return Found::nothing();
    }
    let mut score = 1;
    let mut turns = vec![pains[0]];
    if let Some(&impact) = impacts.iter().find(|&&at| facts.has_number(at)).or(impacts.first()) {
        score = 2;
        turns.push(impact);
        let deciders = facts.deciders();
        let owned = pains
            .iter()
            .find(|&&at| deciders.contains(&facts.call.turns[at].speaker.as_str()));
        let urgent = facts.at(Signal::BuyerTimeline).first().copied().or(owned.copied());
        if let (true, Some(urgent)) = (facts.has_number(impact), urgent) {
            score = 3;
            turns.push(urgent);
        }
    }
    if facts
        .open_objection(Signal::BuyerObjNeed)
        .is_some_and(|at| at > *pains.last().unwrap_or(&0))
    {
        score = score.min(1);
    }
    turns.dedup();
    Found::new(score, turns)
}

fn power(facts: &Facts<'_>) -> Found {
    let named = facts.at(Signal::BuyerDecider);
    let Some(&access) = facts.at_cue(Cue::Power).first() else {
        let known = named
            .first()
            .copied()
            .or(facts.at(Signal::BuyerChampion).first().copied());
        return known.map_or_else(Found::nothing, |at| Found::new(1, vec![at]));
    };
    let deciders = facts.deciders();
    let by_decider = |signal| {
        facts
            .at(signal)
            .into_iter()
            .find(|&at| deciders.contains(&facts.call.turns[at].speaker.as_str()))
    };
    let spoke = [Signal::BuyerPain, Signal::BuyerVision, Signal::BuyerValueAck]
        .into_iter()
        .find_map(by_decider);
    let others = facts.at(Signal::BuyerProcess).first().copied();
    match (spoke, others) {
        (Some(spoke), Some(others)) => Found::new(3, vec![access, spoke, others]),
        _ => Found::new(2, vec![access]),
    }
}

fn vision(facts: &Facts<'_>) -> Found {
    let visions = facts.at(Signal::BuyerVision);
    let acks = facts.at(Signal::BuyerValueAck);
    let (Some(&first), Some(_)) = (visions.first(), acks.first()) else {
        let Some(&only) = visions.first().or(acks.first()) else {
            return Found::nothing();
        };
        return Found::new(1, vec![only]);
    };
    let shown = |until: usize| {
        (0..until).any(|at| {
            [Signal::RepValueLink, Signal::RepProof, Signal::RepPitch]
                .iter()
                .any(|&signal| facts.labels[at].has(signal))
        })
    };
    let fits = acks.iter().copied().find(|&at| at > first && shown(at));
    let Some(fits) = fits else {
        return Found::new(1, vec![first]);
    };
    let deciders = facts.deciders();
    let by_decider = |at: usize| deciders.contains(&facts.call.turns[at].speaker.as_str());
    let score = if visions.iter().any(|&at| by_decider(at)) && by_decider(fits) {
        3
    } else {
        2
    };
    Found::new(score, vec![first, fits])
}

fn value(facts: &Facts<'_>) -> Found {
    if let Some(&weighed) = facts.at_cue(Cue::Value).last() {
        let deciders = facts.deciders();
        let decider = deciders.contains(&facts.call.turns[weighed].speaker.as_str());
        let money = facts
            .fields
            .iter()
            .any(|field| field.field == FieldName::Budget && field.status == FieldStatus::Stated);
        return Found::new(if decider && money { 3 } else { 2 }, vec![weighed]);
    }
    if let Some(open) = facts.open_objection(Signal::BuyerObjPrice) {
        return Found::new(0, vec![open]);
    }
    let acks = facts.at(Signal::BuyerValueAck);
    let impacts = facts.at(Signal::BuyerImpact);
    let loss = impacts.into_iter().find(|&at| facts.has_number(at));
    let named = acks.first().copied().or(loss);
    named.map_or_else(Found::nothing, |at| Found::new(1, vec![at]))
}

fn control(facts: &Facts<'_>, refused: Option<usize>) -> Found {
    if let Some(refused) = refused {
        return Found::new(0, vec![refused]);
    }
    if let Some(signed) = facts.signed() {
        return Found::new(3, vec![signed]);
    }
    let steps = facts.at(Signal::BuyerCommitment);
    let first = steps.into_iter().find(|&at| facts.dated(at));
    if let Some(&plan) = facts.at_cue(Cue::Control).last() {
        let mut turns: Vec<usize> = first.into_iter().chain([plan]).collect();
        turns.dedup();
        return Found::new(2, turns);
    }
    first.map_or_else(Found::nothing, |at| Found::new(1, vec![at]))
}

/// A refusal that no later step of the buyer took back.
fn refusal(facts: &Facts<'_>) -> Option<usize> {
    let last = *facts.at(Signal::BuyerRefusal).last()?;
    let taken_back = facts.at(Signal::BuyerCommitment).iter().any(|&at| at > last);
    (!taken_back).then_some(last)
}

fn outcome(facts: &Facts<'_>, refused: bool, ordered: bool) -> CallOutcome {
    if refused {
        CallOutcome::NoSale
    } else if ordered {
        CallOutcome::Order
    } else if facts.at(Signal::BuyerCommitment).is_empty() {
        CallOutcome::Continuation
    } else {
        CallOutcome::Advance
    }
}

/// Signals that make a talk more than a first contact.
const SUBSTANCE: [Signal; 10] = [
    Signal::BuyerPain,
    Signal::BuyerImpact,
    Signal::BuyerVision,
    Signal::BuyerDecider,
    Signal::BuyerProcess,
    Signal::BuyerBudget,
    Signal::BuyerTimeline,
    Signal::BuyerValueAck,
    Signal::BuyerBuyingSignal,
    Signal::BuyerCommitment,
];

fn stage_of(element: Element) -> DealStage {
    match element {
        Element::Pain => DealStage::Pain,
        Element::Power => DealStage::Power,
        Element::Vision => DealStage::Vision,
        Element::Value => DealStage::Value,
        Element::Control => DealStage::Control,
    }
}

/// Where the deal stands after this call alone.
pub fn assess(
    process: &Process,
    call: &Call,
    labels: &[TurnLabels],
    fields: &[Field],
    language: Language,
    not_sales: bool,
) -> Deal {
    let silent: Vec<TurnLabels> = labels
        .iter()
        .map(|label| TurnLabels {
            signals: Vec::new(),
            cues: Vec::new(),
            doubts: Vec::new(),
            cue_doubts: Vec::new(),
            ..label.clone()
        })
        .collect();
    let facts = Facts {
        call,
        labels: if not_sales { &silent } else { labels },
        fields,
    };
    let judged = judge(process, &facts);
    let said = &judged.verdict;
    let refused = said.refused;
    let elements: Vec<ElementScore> = process
        .elements()
        .iter()
        .zip(&said.found)
        .zip(&judged.scores)
        .map(|((rule, found), &confidence)| ElementScore {
            element: rule.id,
            score: found.score,
            confidence,
            why: rule.why(found.score, language).to_owned(),
            evidence: facts.quotes(&found.turns),
            missing: rule
                .missing(found.score, language)
                .map(str::to_owned)
                .into_iter()
                .collect(),
        })
        .collect();
    let ordered = said.ordered;
    let stage = (!not_sales).then_some(said.stage);
    let confidence = if not_sales {
        NO_SALES
    } else {
        judged.stage * process.thresholds().trusted
    };
    let mut flags = Vec::new();
    if ordered && !matches!(stage, Some(DealStage::Commit | DealStage::Won | DealStage::Lost)) {
        flags.push(VERBAL_YES.to_owned());
    }
    if fields.iter().any(|field| field.status == FieldStatus::Conflict) {
        flags.push("conflict".to_owned());
    }
    let short = is_short(process, call);
    let (coverage, index) = sums(&elements);
    Deal {
        process: process.id().to_owned(),
        process_hash: process.hash().to_owned(),
        stage,
        confidence,
        decided_by: DecidedBy::Local,
        abstained: short || (!not_sales && confidence < process.thresholds().needed(said.stage)),
        on_hold: said.on_hold && !not_sales,
        flags,
        coverage,
        index,
        elements,
        call_outcome: stage.map(|_| outcome(&facts, refused.is_some(), ordered)),
        previous_stage: call.previous_stage,
        step: stage.and_then(|stage| moved(call.previous_stage?, stage, short)),
    }
}

/// Too little was said to decide on.
fn is_short(process: &Process, call: &Call) -> bool {
    let limits = process.thresholds();
    let buyer_turns = call.turns.iter().filter(|turn| turn.role == Role::Buyer).count();
    buyer_turns < limits.buyer_turns || call.duration_s.is_some_and(|seconds| seconds < limits.call_s)
}

/// Sum of the scores over the possible sum, and their geometric mean, both 0–1.
fn sums(elements: &[ElementScore]) -> (f32, f32) {
    let top = f32::from(TOP_SCORE);
    let shares = elements.iter().map(|element| f32::from(element.score) / top);
    let count = elements.len() as f32;
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

/// The deal with the scores that a language model gave. The stage follows from them by the same order of elements.
pub fn rescore(
    process: &Process,
    call: &Call,
    deal: &Deal,
    scores: &BTreeMap<Element, Scored>,
    ending: Ending,
    confidence: f32,
    language: Language,
) -> Deal {
    let mut deal = deal.clone();
    for (rule, element) in process.elements().iter().zip(&mut deal.elements) {
        let Some(scored) = scores.get(&rule.id) else { continue };
        // A refusal ends control, whatever was agreed before.
        let ended = ending == Ending::Refused && rule.id == Element::Control;
        let score = if ended { 0 } else { scored.score };
        *element = ElementScore {
            element: rule.id,
            score,
            confidence,
            why: rule.why(score, language).to_owned(),
            evidence: if ended { Vec::new() } else { scored.evidence.clone() },
            missing: rule.missing(score, language).map(str::to_owned).into_iter().collect(),
        };
    }
    let nothing = deal.elements.iter().all(|element| element.score == 0);
    let stage = match ending {
        Ending::SignedOrPaid => DealStage::Won,
        Ending::Refused => DealStage::Lost,
        // Whether anything of substance was said is told by signals, which nobody asked about here.
        Ending::Open if nothing && deal.stage == Some(DealStage::Lead) => DealStage::Lead,
        Ending::Open => first_gap(deal.elements.iter().map(|element| (element.element, element.score))),
    };
    deal.call_outcome = match (ending, deal.call_outcome) {
        (Ending::SignedOrPaid, _) => Some(CallOutcome::Order),
        (Ending::Refused, _) => Some(CallOutcome::NoSale),
        (Ending::Open, Some(CallOutcome::NoSale)) => Some(CallOutcome::Continuation),
        (Ending::Open, outcome) => outcome,
    };
    if matches!(stage, DealStage::Commit | DealStage::Won | DealStage::Lost) {
        deal.on_hold = false;
        deal.flags.retain(|flag| flag != VERBAL_YES);
    }
    let short = is_short(process, call);
    (deal.coverage, deal.index) = sums(&deal.elements);
    deal.step = deal.previous_stage.and_then(|before| moved(before, stage, short));
    deal.stage = Some(stage);
    deal.confidence = confidence;
    deal.decided_by = DecidedBy::Llm;
    deal.abstained = short;
    deal
}

/// The first element, in the order of the process, that is not far enough names the stage.
fn first_gap(mut scores: impl Iterator<Item = (Element, u8)>) -> DealStage {
    scores
        .find(|(_, score)| *score < 2)
        .map_or(DealStage::Commit, |(element, _)| stage_of(element))
}

/// What a set of labels comes to.
struct Verdict {
    /// In the order of the elements of the process.
    found: Vec<Found>,
    refused: Option<usize>,
    /// A yes to buy was said, or more.
    ordered: bool,
    /// Put off to a date, and nothing promised.
    on_hold: bool,
    stage: DealStage,
}

fn verdict(process: &Process, facts: &Facts<'_>) -> Verdict {
    let refused = refusal(facts);
    let found: Vec<Found> = process
        .elements()
        .iter()
        .map(|rule| match rule.id {
            Element::Pain => pain(facts),
            Element::Power => power(facts),
            Element::Vision => vision(facts),
            Element::Value => value(facts),
            Element::Control => control(facts, refused),
        })
        .collect();
    let stage = if facts.signed().is_some() {
        DealStage::Won
    } else if refused.is_some() {
        DealStage::Lost
    } else if SUBSTANCE.iter().all(|&signal| facts.at(signal).is_empty()) {
        DealStage::Lead
    } else {
        let scores = process.elements().iter().zip(&found);
        first_gap(scores.map(|(rule, found)| (rule.id, found.score)))
    };
    let on_hold = refused.is_none()
        && facts.at(Signal::BuyerCommitment).is_empty()
        && facts
            .at(Signal::BuyerDelay)
            .last()
            .is_some_and(|&at| facts.dated(at) || facts.labels[at].has(Signal::BuyerTimeline));
    Verdict {
        found,
        refused,
        ordered: facts.signed().is_some() || !facts.at_cue(Cue::Order).is_empty(),
        on_hold,
        stage,
    }
}

/// What the labels most likely come to.
struct Judged {
    verdict: Verdict,
    /// Share of the draws with the same stage, and for each element with the same score.
    stage: f32,
    scores: Vec<f32>,
}

/// Draws of labels. 200 know a share to about 0.03, which is finer than the probabilities themselves are known.
const DRAWS: usize = 200;

/// Draws labels by their probabilities and judges each draw. The commonest stage stands, with the commonest scores that
/// lead to it: a few likely signals weigh more than one that just passes its threshold. The seed is fixed, so the same
/// call gives the same verdict.
fn judge(process: &Process, facts: &Facts<'_>) -> Judged {
    let mut rng = StdRng::seed_from_u64(1);
    let drawn: Vec<Verdict> = (0..DRAWS)
        .map(|_| {
            let labels: Vec<TurnLabels> = facts
                .labels
                .iter()
                .map(|label| TurnLabels {
                    stage: label.stage,
                    signals: draw(&label.signals, &label.doubts, &mut rng),
                    cues: draw(&label.cues, &likely(&label.cue_doubts), &mut rng),
                    doubts: Vec::new(),
                    cue_doubts: Vec::new(),
                })
                .collect();
            verdict(
                process,
                &Facts {
                    labels: &labels,
                    ..*facts
                },
            )
        })
        .collect();
    let stages = drawn.iter().map(|verdict| verdict.stage);
    let stage = commonest(stages.clone());
    let scores = |verdict: &Verdict| verdict.found.iter().map(|found| found.score).collect::<Vec<u8>>();
    let led_there = drawn.iter().filter(|verdict| Some(verdict.stage) == stage);
    let best = commonest(led_there.map(scores));
    let at = drawn
        .iter()
        .position(|verdict| Some(verdict.stage) == stage && Some(scores(verdict)) == best)
        .unwrap_or_default();
    let share = |count: usize| count as f32 / DRAWS as f32;
    let same_score = |element: usize| {
        let said = drawn[at].found[element].score;
        share(
            drawn
                .iter()
                .filter(|verdict| verdict.found[element].score == said)
                .count(),
        )
    };
    let scores = (0..drawn[at].found.len()).map(same_score).collect();
    Judged {
        stage: share(stages.filter(|drawn| Some(*drawn) == stage).count()),
        scores,
        verdict: drawn.into_iter().nth(at).unwrap_or_else(|| verdict(process, facts)),
    }
}

/// Cues that may be drawn though they were not said to be there: a signature is too rare in the labelled calls for small
/// probabilities of it to mean anything.
fn likely(doubts: &[(Cue, f32)]) -> Vec<(Cue, f32)> {
    doubts.iter().copied().filter(|(id, _)| *id != Cue::Signed).collect()
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

/// Each there as often as its probability says.
fn draw<T: Copy>(said: &[Decision<T>], doubts: &[(T, f32)], rng: &mut StdRng) -> Vec<Decision<T>> {
    let said = said.iter().copied();
    let doubts = doubts.iter().map(|&(id, confidence)| Decision {
        id,
        confidence,
        decided_by: DecidedBy::Local,
    });
    said.chain(doubts)
        .filter(|decision| rng.random::<f32>() < decision.confidence)
        .collect()
}

fn moved(before: DealStage, now: DealStage, short: bool) -> Option<Move> {
    Some(match now.index().cmp(&before.index()) {
        _ if short => Move::TooEarly,
        std::cmp::Ordering::Greater => Move::Advance,
        std::cmp::Ordering::Equal => Move::Stay,
        std::cmp::Ordering::Less => Move::Back,
    })
}
