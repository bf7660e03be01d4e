//! How good the turn model is on labelled calls, and the letters that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use super::Error;
use super::corpus::LabelledCall;
use super::facts::{self, FactCounts, FactFigures, FactMistake};
use crate::decide::{self, DraftScore, Situation, Templates};
use crate::domain::{
    Cue, Deal, DealStage, DecidedBy, Decision, ElementId, Language, Role, Signal, Stage, StageId, StageKind, TurnLabels,
};
use crate::process::{self, Heard, Marks, Process, Talk};
use crate::understand::fields::LOOKED_FOR;
use crate::understand::turn_model::{Read, TurnModel};
use crate::understand::{self, roles};

/// Counts behind an F1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub hit: u32,
    pub wrong: u32,
    pub missed: u32,
}

impl Counts {
    fn add(&mut self, said: bool, gold: bool) {
        match (said, gold) {
            (true, true) => self.hit += 1,
            (true, false) => self.wrong += 1,
            (false, true) => self.missed += 1,
            (false, false) => {}
        }
    }

    /// Share of what was said that gold has too.
    pub fn precision(self) -> Option<f64> {
        let said = self.hit + self.wrong;
        (said > 0).then(|| share(self.hit, said))
    }

    /// Share of gold that was said.
    pub fn recall(self) -> Option<f64> {
        let gold = self.hit + self.missed;
        (gold > 0).then(|| share(self.hit, gold))
    }

    fn f1(self) -> Option<f64> {
        let all = 2 * self.hit + self.wrong + self.missed;
        (all > 0).then(|| f64::from(2 * self.hit) / f64::from(all))
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            hit: sum.hit + one.hit,
            wrong: sum.wrong + one.wrong,
            missed: sum.missed + one.missed,
        })
    }
}

/// F1 of one id with the counts behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct F1 {
    pub id: &'static str,
    /// null where neither gold nor model has it.
    pub f1: Option<f64>,
    #[serde(flatten)]
    pub counts: Counts,
}

impl F1 {
    pub(super) fn new(id: &'static str, counts: Counts) -> Self {
        Self {
            id,
            f1: counts.f1(),
            counts,
        }
    }
}

/// Figures of the calls of one language, or of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LanguageReport {
    pub calls: usize,
    pub turns: usize,
    /// Share of turns with the right stage.
    pub stage_accuracy: f64,
    /// Mean F1 of the stages that occur.
    pub stage_macro_f1: f64,
    /// Stages of the turns, over ten bins of confidence: mean distance between confidence and being right.
    pub stage_calibration_error: f64,
    /// F1 over all signals of all turns together.
    pub signal_micro_f1: f64,
    /// Mean F1 of the signals that occur in gold.
    pub signal_macro_f1: f64,
    /// Share of calls whose deal stage (or the absence of one) is exactly right.
    pub deal_stage_accuracy: f64,
    /// Share of calls at most one stage away.
    pub deal_stage_within_one: f64,
    /// The same where the rules are given the stages and signals of gold: what the turn model cannot be blamed for.
    pub deal_stage_accuracy_from_gold: f64,
    /// Share of turns whose side is found when the file does not give it.
    pub role_accuracy: f64,
    /// Share of calls whose deal stage the model stands by, and how many of those are right.
    pub deal_stage_decided: f64,
    pub deal_stage_accuracy_decided: Option<f64>,
    /// Agreement on the score of each element, quadratic weighted kappa; null where nothing varies.
    pub element_kappa: BTreeMap<String, Option<f64>>,
    pub element_kappa_from_gold: BTreeMap<String, Option<f64>>,
    /// All fields by name and turn.
    pub fields: FactFigures,
    /// Each field that the rules look for.
    pub facts: Vec<FactFigures>,
    /// Mean over the ten commonest signals of the distance between probability and being there, over ten bins.
    pub signal_calibration_error: f64,
    /// Mean of the rubric over the drafted letters, 0–10; null where none was drafted.
    pub draft_score: Option<f64>,
    /// Share of the letters with 7 points or more and nothing that caps them.
    pub drafts_sendable: Option<f64>,
    /// Statements of the letters that nothing in their calls supports.
    pub draft_invented: usize,
    /// Mean points of each item of the rubric, 0–1.
    pub draft_items: BTreeMap<&'static str, f64>,
    /// Ten bins of confidence.
    pub stage_reliability: Vec<Bin>,
    pub signal_reliability: Vec<Bin>,
    pub stages: Vec<F1>,
    pub signals: Vec<F1>,
}

/// One bin of a reliability table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Bin {
    pub count: u32,
    /// Mean confidence in the bin.
    pub confidence: f64,
    /// Share of it that is right.
    pub right: f64,
}

/// Where a figure would lie on other calls of the same kind: 2.5 and 97.5 percent of 1,000 draws of calls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub turn_model: String,
    pub all: LanguageReport,
    pub by_language: BTreeMap<&'static str, LanguageReport>,
    pub by_noise: BTreeMap<String, LanguageReport>,
    pub intervals: BTreeMap<&'static str, Interval>,
    /// Gold deal stage → said deal stage → calls.
    pub deal_stage_confusion: BTreeMap<String, BTreeMap<String, u32>>,
    /// Call by call, to choose from which confidence on a deal stage is to be called decided.
    pub deals: Vec<DealOutcome>,
    /// Letter by letter, the worst first.
    pub drafts: Vec<DraftOutcome>,
    /// Costliest first.
    #[serde(skip)]
    pub mistakes: Vec<Mistake>,
    /// In the order of the calls.
    #[serde(skip)]
    pub fact_mistakes: Vec<FactMistake>,
}

/// The deal stage of one call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DealOutcome {
    pub call: String,
    pub said: Option<StageId>,
    pub gold: Option<StageId>,
    /// What the rules make of the labels of gold.
    pub from_gold: Option<StageId>,
    pub confidence: f32,
    pub decided: bool,
}

/// The letter of one call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DraftOutcome {
    pub call: String,
    pub points: f32,
    /// What caps the points.
    pub capped: Option<&'static str>,
    /// Items with less than their full point.
    pub lost: Vec<&'static str>,
    pub unsupported: Vec<String>,
}

/// A decision that gold contradicts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mistake {
    pub call: String,
    pub turn: u32,
    /// Stage or signal that was said; null where one was missed.
    pub said: Option<&'static str>,
    /// Stage or signal of gold; null where there is none.
    pub gold: Option<&'static str>,
    /// How sure the model was of its error, 0–1.
    pub cost: f32,
    /// The turn with the two before it.
    pub words: Vec<String>,
}

/// What one call adds to the figures.
struct Tally {
    language: Language,
    noise: String,
    /// Said and gold stage with the confidence of what was said.
    stages: Vec<(Stage, Stage, f32)>,
    signals: Vec<Counts>,
    /// For each signal: probability on every turn that could carry it, and whether it does.
    probabilities: Vec<Vec<(f32, bool)>>,
    deal: (Option<StageId>, Option<StageId>),
    /// Both stages lie side by side, or are the same.
    near: bool,
    deal_confidence: f32,
    decided: bool,
    call: String,
    /// Said and gold score of each element.
    scores: Vec<(ElementId, u8, u8)>,
    /// What the rules make of the labels of gold.
    deal_from_gold: Option<StageId>,
    scores_from_gold: Vec<(ElementId, u8, u8)>,
    /// Turns with a known side: right and all.
    roles: (u32, u32),
    /// In the order of [`LOOKED_FOR`].
    facts: Vec<FactCounts>,
    mistakes: Vec<Mistake>,
    fact_mistakes: Vec<FactMistake>,
    /// The letter's; none where the call is no sales call.
    draft: Option<DraftScore>,
}

/// Runs the model on every call and compares. `progress` is told the share done, 0–1.
pub fn measure(
    model: &TurnModel,
    process: &Process,
    letters: &Templates,
    calls: &[LabelledCall],
    progress: &mut dyn FnMut(f32),
) -> Result<Report, Error> {
    let mut tallies = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        tallies.push(tally(model, process, letters, call)?);
        progress((at + 1) as f32 / calls.len() as f32);
    }
    let of = |language: Language| {
        tallies
            .iter()
            .filter(|tally| tally.language == language)
            .collect::<Vec<_>>()
    };
    let mut by_language = BTreeMap::new();
    for language in [Language::En, Language::Ru] {
        let part = of(language);
        if !part.is_empty() {
            by_language.insert(language.as_str(), summarise(&part));
        }
    }
    let mut by_noise = BTreeMap::new();
    for tally in &tallies {
        if !by_noise.contains_key(&tally.noise) {
            let part: Vec<&Tally> = tallies.iter().filter(|other| other.noise == tally.noise).collect();
            by_noise.insert(tally.noise.clone(), summarise(&part));
        }
    }
    let mut deal_stage_confusion: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    let name = |stage: &Option<StageId>| stage.as_ref().map_or("none".to_owned(), StageId::to_string);
    for (said, gold) in tallies.iter().map(|tally| &tally.deal) {
        *deal_stage_confusion
            .entry(name(gold))
            .or_default()
            .entry(name(said))
            .or_default() += 1;
    }
    Ok(Report {
        turn_model: model.name(),
        all: summarise(&tallies.iter().collect::<Vec<_>>()),
        by_language,
        by_noise,
        intervals: intervals(&tallies),
        deal_stage_confusion,
        deals: tallies
            .iter()
            .map(|tally| DealOutcome {
                call: tally.call.clone(),
                said: tally.deal.0.clone(),
                gold: tally.deal.1.clone(),
                from_gold: tally.deal_from_gold.clone(),
                confidence: tally.deal_confidence,
                decided: tally.decided,
            })
            .collect(),
        drafts: {
            let mut all: Vec<DraftOutcome> = tallies.iter().filter_map(draft_outcome).collect();
            all.sort_by(|a, b| a.points.total_cmp(&b.points));
            all
        },
        mistakes: {
            let mut all: Vec<Mistake> = tallies
                .iter()
                .flat_map(|tally| tally.mistakes.iter().cloned())
                .collect();
            all.sort_by(|a, b| b.cost.total_cmp(&a.cost));
            all
        },
        fact_mistakes: tallies
            .iter()
            .flat_map(|tally| tally.fact_mistakes.iter().cloned())
            .collect(),
    })
}

fn draft_outcome(tally: &Tally) -> Option<DraftOutcome> {
    let draft = tally.draft.as_ref()?;
    let lost = draft.items.iter().filter(|item| item.points < 1.0);
    Some(DraftOutcome {
        call: tally.call.clone(),
        points: draft.points,
        capped: draft.capped.map(|(_, why)| why),
        lost: lost.map(|item| item.id).collect(),
        unsupported: draft.unsupported.clone(),
    })
}

/// Bootstrap over calls: turns of one call are not independent.
fn intervals(tallies: &[Tally]) -> BTreeMap<&'static str, Interval> {
    const DRAWS: usize = 1000;
    type Figure = fn(&[&Tally]) -> f64;
    let figures: [(&str, Figure); 4] = [
        ("stage_macro_f1", |part| macro_f1(&stage_f1(part))),
        ("signal_micro_f1", |part| micro_f1(&signal_f1(part))),
        ("signal_macro_f1", |part| macro_f1(&signal_f1(part))),
        ("deal_stage_accuracy", |part| {
            mean(
                &part
                    .iter()
                    .map(|tally| f64::from(u8::from(tally.deal.0 == tally.deal.1)))
                    .collect::<Vec<_>>(),
            )
        }),
    ];
    // A fixed seed: the same calls give the same interval.
    let mut rng = StdRng::seed_from_u64(1);
    let mut drawn: Vec<Vec<f64>> = vec![Vec::with_capacity(DRAWS); figures.len()];
    for _ in 0..DRAWS {
        let part: Vec<&Tally> = tallies
            .iter()
            .map(|_| &tallies[rng.random_range(0..tallies.len())])
            .collect();
        for (values, (_, figure)) in drawn.iter_mut().zip(figures) {
            values.push(figure(&part));
        }
    }
    figures
        .iter()
        .zip(drawn)
        .map(|((name, _), mut values)| {
            values.sort_by(f64::total_cmp);
            let at = |share: f64| values[((share * DRAWS as f64) as usize).min(DRAWS - 1)];
            (
                *name,
                Interval {
                    low: at(0.025),
                    high: at(0.975),
                },
            )
        })
        .collect()
}

fn tally(model: &TurnModel, process: &Process, letters: &Templates, labelled: &LabelledCall) -> Result<Tally, Error> {
    // As in use: whoever the file does not place is placed by the talk.
    let mut call = labelled.call.clone();
    let vectors = model.vectors(&call.turns)?;
    let log_odds = model.role_logits(&vectors);
    roles::assign(&mut call.turns, &log_odds);
    let call = &call;
    let (labels, chances) = model.label_with_probabilities(&mut Read::default(), &vectors, &call.turns);
    let mut probabilities = vec![Vec::new(); Signal::ALL.len()];
    for ((turn, chances), gold) in call.turns.iter().zip(&chances).zip(&labelled.gold.turns) {
        for &signal in Signal::ALL.iter().filter(|signal| signal.speaker() == turn.role) {
            probabilities[signal.index()].push((chances[signal.index()], gold.signals.contains(&signal)));
        }
    }
    let mut mistakes = Vec::new();
    let mut blame = |at: usize, said: Option<&'static str>, gold: Option<&'static str>, cost: f32| {
        let around = &call.turns[at.saturating_sub(2)..=at];
        mistakes.push(Mistake {
            call: call.id.clone(),
            turn: call.turns[at].i,
            said,
            gold,
            cost,
            words: around
                .iter()
                .map(|turn| format!("{} {}: {}", turn.i, turn.role.as_str(), turn.text))
                .collect(),
        });
    };
    for (at, (label, gold)) in labels.iter().zip(&labelled.gold.turns).enumerate() {
        if label.stage.id != gold.stage {
            blame(
                at,
                Some(label.stage.id.as_str()),
                Some(gold.stage.as_str()),
                label.stage.confidence,
            );
        }
        for &signal in Signal::ALL {
            let chance = chances[at][signal.index()];
            match (label.has(signal), gold.signals.contains(&signal)) {
                (true, false) => blame(at, Some(signal.as_str()), None, chance),
                (false, true) => blame(at, None, Some(signal.as_str()), 1.0 - chance),
                _ => {}
            }
        }
    }
    let mut signals = vec![Counts::default(); Signal::ALL.len()];
    let mut stages = Vec::new();
    for (label, gold) in labels.iter().zip(&labelled.gold.turns) {
        stages.push((label.stage.id, gold.stage, label.stage.confidence));
        for &signal in Signal::ALL {
            signals[signal.index()].add(label.has(signal), gold.signals.contains(&signal));
        }
    }

    let mut nameless = call.turns.clone();
    nameless.iter_mut().for_each(|turn| turn.role = Role::Unknown);
    roles::assign(&mut nameless, &log_odds);
    // The recorder's mistakes are not to be repeated: who speaks in truth counts.
    let truth = call
        .turns
        .iter()
        .zip(&labelled.gold.turns)
        .map(|(turn, gold)| gold.role.unwrap_or(turn.role));
    let known: Vec<_> = truth
        .zip(&nameless)
        .filter(|(gold, _)| *gold != Role::Unknown)
        .collect();
    let right = known.iter().filter(|(gold, said)| *gold == said.role).count();

    // The date moves only what dates mean, never which stage the deal is in.
    let date = call.call_date.unwrap_or_default();
    let fields = understand::fields::extract(call, &labels, labelled.language, date);
    let not_sales = understand::not_sales(&call.turns, &labels);
    let heard = Heard {
        call,
        labels: &labels,
        fields: &fields,
        language: labelled.language,
        no_deal: not_sales,
        history: None,
    };
    let deal = process::assess(process, heard);
    let talk = Talk::new(process, call, &fields);
    let marks = Marks::new(&labels);
    let reading = process::reading_of(process, &talk, &marks, heard, &deal);
    let situation = Situation {
        process,
        call,
        labels: &labels,
        fields: &fields,
        deal: &deal,
        language: labelled.language,
        call_date: date,
        reading: &reading,
        premature: &[],
        history: None,
    };
    let draft = decide::follow_up(&situation, letters);
    let (facts, fact_mistakes) = facts::compare(call, &fields, labelled);
    let scores = |deal: &Deal| -> Vec<(ElementId, u8, u8)> {
        let gold = labelled.gold.scores.iter().flatten();
        gold.map(|(element, gold)| (element.clone(), deal.score(element.as_str()), *gold))
            .collect()
    };
    let gold_labels = gold_labels(labelled);
    let gold_facts = understand::fields::extract(call, &gold_labels, labelled.language, date);
    let heard = Heard {
        labels: &gold_labels,
        fields: &gold_facts,
        no_deal: labelled.gold.not_sales,
        ..heard
    };
    let from_gold = process::assess(process, heard);
    let talk = Talk::new(process, call, &gold_facts);
    let marks = Marks::new(&gold_labels);
    let reading = process::reading_of(process, &talk, &marks, heard, &from_gold);
    // What the letter should have said is told by people's labels.
    let truth = Situation {
        labels: &gold_labels,
        fields: &gold_facts,
        deal: &from_gold,
        reading: &reading,
        ..situation
    };
    let draft = draft.map(|draft| decide::judge_draft(&truth, &situation, letters, &draft));
    Ok(Tally {
        language: labelled.language,
        noise: labelled.noise.clone(),
        stages,
        signals,
        probabilities,
        near: within_one(process, &deal.stage, labelled.gold.deal_stage.as_ref()),
        deal: (
            deal.stage.as_ref().map(|stage| stage.id.clone()),
            labelled.gold.deal_stage.clone(),
        ),
        deal_confidence: deal.confidence,
        decided: !deal.abstained,
        call: call.id.clone(),
        scores: scores(&deal),
        deal_from_gold: from_gold.stage.as_ref().map(|stage| stage.id.clone()),
        scores_from_gold: scores(&from_gold),
        roles: (right as u32, known.len() as u32),
        facts,
        mistakes,
        fact_mistakes,
        draft,
    })
}

/// The labels of gold, as if a model had given them without a doubt.
fn gold_labels(labelled: &LabelledCall) -> Vec<TurnLabels> {
    let turns = labelled.gold.turns.iter();
    turns
        .map(|turn| TurnLabels {
            stage: certain(turn.stage),
            signals: turn.signals.iter().copied().map(certain).collect(),
            cues: Cue::ALL
                .iter()
                .filter(|&&cue| labelled.gold.cue(turn.i, cue))
                .map(|&cue| certain(cue))
                .collect(),
            doubts: Vec::new(),
            cue_doubts: Vec::new(),
        })
        .collect()
}

fn certain<T>(id: T) -> Decision<T> {
    Decision {
        id,
        confidence: 1.0,
        decided_by: DecidedBy::Local,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn share(part: u32, all: u32) -> f64 {
    f64::from(part) / f64::from(all.max(1))
}

fn stage_f1(tallies: &[&Tally]) -> Vec<F1> {
    Stage::ALL
        .iter()
        .map(|&stage| {
            let mut counts = Counts::default();
            for (said, gold, _) in tallies.iter().flat_map(|tally| &tally.stages) {
                counts.add(*said == stage, *gold == stage);
            }
            F1::new(stage.as_str(), counts)
        })
        .collect()
}

fn signal_f1(tallies: &[&Tally]) -> Vec<F1> {
    Signal::ALL
        .iter()
        .map(|&signal| {
            let counts = tallies.iter().map(|tally| tally.signals[signal.index()]).sum();
            F1::new(signal.as_str(), counts)
        })
        .collect()
}

/// Mean F1 of those that occur in gold.
fn macro_f1(all: &[F1]) -> f64 {
    let in_gold = all.iter().filter(|f1| f1.counts.hit + f1.counts.missed > 0);
    mean(&in_gold.filter_map(|f1| f1.f1).collect::<Vec<_>>())
}

fn micro_f1(all: &[F1]) -> f64 {
    let counts: Counts = all.iter().map(|f1| f1.counts).sum();
    counts.f1().unwrap_or_default()
}

/// Agreement of two lists of scores beyond chance; far misses weigh by the square of the distance.
fn quadratic_kappa(pairs: &[(u8, u8)]) -> Option<f64> {
    let n = pairs.len() as f64;
    let distance = |a: u8, b: u8| (f64::from(a) - f64::from(b)).powi(2);
    let seen: f64 = pairs.iter().map(|&(a, b)| distance(a, b)).sum::<f64>() / n;
    let by_chance: f64 = pairs
        .iter()
        .flat_map(|&(a, _)| pairs.iter().map(move |&(_, b)| distance(a, b)))
        .sum::<f64>()
        / (n * n);
    (by_chance > 0.0).then(|| 1.0 - seen / by_chance)
}

fn summarise(tallies: &[&Tally]) -> LanguageReport {
    let stages = stage_f1(tallies);
    let signals = signal_f1(tallies);
    let turns: Vec<(f32, bool)> = tallies
        .iter()
        .flat_map(|tally| &tally.stages)
        .map(|(said, gold, confidence)| (*confidence, said == gold))
        .collect();
    let right = turns.iter().filter(|(_, right)| *right).count();
    let exact = |tally: &&&Tally| tally.deal.0 == tally.deal.1;
    let near = tallies.iter().filter(|tally| tally.near).count();
    let decided: Vec<&&Tally> = tallies.iter().filter(|tally| tally.decided).collect();
    let roles = tallies
        .iter()
        .fold((0, 0), |sum, tally| (sum.0 + tally.roles.0, sum.1 + tally.roles.1));
    let elements: BTreeSet<ElementId> = tallies
        .iter()
        .flat_map(|tally| tally.scores.iter().map(|(element, ..)| element.clone()))
        .collect();
    let kappa = |scores: fn(&Tally) -> &Vec<(ElementId, u8, u8)>| {
        let of_element = |element: &ElementId| {
            let pairs: Vec<(u8, u8)> = tallies
                .iter()
                .flat_map(|tally| scores(tally))
                .filter(|(of, ..)| of == element)
                .map(|(_, said, gold)| (*said, *gold))
                .collect();
            (element.to_string(), quadratic_kappa(&pairs))
        };
        elements.iter().map(of_element).collect::<BTreeMap<_, _>>()
    };
    let chances = |signal: usize| -> Vec<(f32, bool)> {
        tallies
            .iter()
            .flat_map(|tally| tally.probabilities[signal].iter().copied())
            .collect()
    };
    let mut common: Vec<&F1> = signals.iter().collect();
    common.sort_by_key(|f1| std::cmp::Reverse(f1.counts.hit + f1.counts.missed));
    let errors: Vec<f64> = common
        .iter()
        .take(10)
        .filter_map(|f1| Signal::ALL.iter().position(|signal| signal.as_str() == f1.id))
        .map(|signal| calibration_error(&chances(signal)))
        .collect();
    let everything: Vec<(f32, bool)> = (0..Signal::ALL.len()).flat_map(chances).collect();
    let drafts: Vec<&DraftScore> = tallies.iter().filter_map(|tally| tally.draft.as_ref()).collect();
    let mut items: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for item in drafts.iter().flat_map(|draft| &draft.items) {
        items.entry(item.id).or_default().push(f64::from(item.points));
    }
    let of_drafts = |value: fn(&DraftScore) -> f64| {
        let values: Vec<f64> = drafts.iter().map(|draft| value(draft)).collect();
        (!values.is_empty()).then(|| mean(&values))
    };
    LanguageReport {
        draft_score: of_drafts(|draft| f64::from(draft.points)),
        drafts_sendable: of_drafts(|draft| f64::from(u8::from(draft.sendable()))),
        draft_invented: drafts.iter().map(|draft| draft.unsupported.len()).sum(),
        draft_items: items.into_iter().map(|(id, points)| (id, mean(&points))).collect(),
        calls: tallies.len(),
        turns: turns.len(),
        stage_accuracy: share(right as u32, turns.len() as u32),
        stage_macro_f1: macro_f1(&stages),
        stage_calibration_error: calibration_error(&turns),
        signal_micro_f1: micro_f1(&signals),
        signal_macro_f1: macro_f1(&signals),
        signal_calibration_error: mean(&errors),
        deal_stage_accuracy: share(tallies.iter().filter(exact).count() as u32, tallies.len() as u32),
        deal_stage_within_one: share(near as u32, tallies.len() as u32),
        deal_stage_decided: share(decided.len() as u32, tallies.len() as u32),
        deal_stage_accuracy_decided: (!decided.is_empty()).then(|| {
            let right = decided.iter().filter(|tally| tally.deal.0 == tally.deal.1).count();
            share(right as u32, decided.len() as u32)
        }),
        deal_stage_accuracy_from_gold: share(
            tallies
                .iter()
                .filter(|tally| tally.deal_from_gold == tally.deal.1)
                .count() as u32,
            tallies.len() as u32,
        ),
        element_kappa: kappa(|tally| &tally.scores),
        element_kappa_from_gold: kappa(|tally| &tally.scores_from_gold),
        role_accuracy: share(roles.0, roles.1),
        fields: FactFigures::new(
            "fields",
            tallies.iter().flat_map(|tally| tally.facts.iter().copied()).sum(),
        ),
        facts: LOOKED_FOR
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let counts = tallies.iter().map(|tally| tally.facts[at]).sum();
                FactFigures::new(name.as_str(), counts)
            })
            .collect(),
        stage_reliability: reliability(&turns),
        signal_reliability: reliability(&everything),
        stages,
        signals,
    }
}

/// Open stages lie in the order of the process; won, lost and "no deal" are near nothing but themselves.
fn within_one(process: &Process, said: &Option<DealStage>, gold: Option<&StageId>) -> bool {
    let (Some(said), Some(gold)) = (said, gold) else {
        return said.is_none() && gold.is_none();
    };
    let Some(place) = process.stages().iter().position(|stage| stage.id == *gold) else {
        return false;
    };
    let both_open = said.kind == StageKind::Open && process.stages()[place].kind == StageKind::Open;
    said.place == place || (both_open && said.place.abs_diff(place) <= 1)
}

fn reliability(pairs: &[(f32, bool)]) -> Vec<Bin> {
    const BINS: usize = 10;
    let mut bins = vec![Bin::default(); BINS];
    for (confidence, right) in pairs {
        let bin = &mut bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.confidence += f64::from(*confidence);
        bin.right += f64::from(u8::from(*right));
    }
    for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
        bin.confidence /= f64::from(bin.count);
        bin.right /= f64::from(bin.count);
    }
    bins
}

fn calibration_error(pairs: &[(f32, bool)]) -> f64 {
    reliability(pairs)
        .iter()
        .map(|bin| (bin.confidence - bin.right).abs() * f64::from(bin.count))
        .sum::<f64>()
        / pairs.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_of_counts() {
        assert_eq!(
            Counts {
                hit: 2,
                wrong: 1,
                missed: 1
            }
            .f1(),
            Some(4.0 / 6.0)
        );
        assert_eq!(Counts::default().f1(), None);
    }

    #[test]
    fn neighbours_of_a_deal_stage() {
        let process = Process::ppvvc().expect("the built-in process");
        let near = |said: Option<&str>, gold: Option<&str>| {
            let said = said.map(|id| {
                let place = process.stages().iter().position(|stage| stage.id.as_str() == id);
                let place = place.expect("a stage");
                DealStage {
                    id: id.into(),
                    kind: process.stages()[place].kind,
                    place,
                }
            });
            within_one(&process, &said, gold.map(StageId::from).as_ref())
        };
        assert!(near(Some("pain"), Some("power")));
        assert!(!near(Some("pain"), Some("vision")));
        assert!(!near(Some("won"), Some("lost")));
        assert!(near(None, None));
        assert!(!near(None, Some("lead")));
    }

    #[test]
    fn confidence_that_keeps_its_word_has_no_error() {
        let turns = [(0.75, true), (0.75, true), (0.75, true), (0.75, false)];
        assert!(calibration_error(&turns) < 1e-9);
        assert!((calibration_error(&[(0.95, false)]) - 0.95).abs() < 1e-6);
    }

    #[test]
    fn kappa_of_scores() {
        assert_eq!(quadratic_kappa(&[(0, 0), (3, 3), (1, 1)]), Some(1.0));
        assert_eq!(quadratic_kappa(&[(0, 3), (3, 0)]), Some(-1.0));
        assert_eq!(quadratic_kappa(&[(2, 2), (2, 2)]), None);
    }
}
