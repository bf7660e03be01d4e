//! How good the turn model is on labelled calls.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Error;
use super::corpus::LabelledCall;
use crate::domain::{DealStage, Language, Role, Signal, Stage};
use crate::process::{self, Process};
use crate::understand::turn_model::TurnModel;
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

    fn f1(self) -> Option<f64> {
        let all = 2 * self.hit + self.wrong + self.missed;
        (all > 0).then(|| f64::from(2 * self.hit) / f64::from(all))
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
    /// Share of turns whose side is found when the file does not give it.
    pub role_accuracy: f64,
    /// Share of gold fields found, by name and turn.
    pub field_recall: Option<f64>,
    pub stages: Vec<F1>,
    pub signals: Vec<F1>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub turn_model: String,
    pub all: LanguageReport,
    pub by_language: BTreeMap<&'static str, LanguageReport>,
}

/// What one call adds to the figures.
struct Tally {
    language: Language,
    /// Said and gold stage with the confidence of what was said.
    stages: Vec<(Stage, Stage, f32)>,
    signals: Vec<Counts>,
    deal: (Option<DealStage>, Option<DealStage>),
    /// Turns with a known side: right and all.
    roles: (u32, u32),
    fields: (u32, u32),
}

/// Runs the model on every call and compares. `progress` is told the share done, 0–1.
pub fn measure(
    model: &TurnModel,
    process: &Process,
    calls: &[LabelledCall],
    progress: &mut dyn FnMut(f32),
) -> Result<Report, Error> {
    let mut tallies = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        tallies.push(tally(model, process, call)?);
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
    Ok(Report {
        turn_model: model.name(),
        all: summarise(&tallies.iter().collect::<Vec<_>>()),
        by_language,
    })
}

fn tally(model: &TurnModel, process: &Process, labelled: &LabelledCall) -> Result<Tally, Error> {
    let call = &labelled.call;
    let vectors = model.vectors(&call.turns)?;
    let labels = model.label(&vectors, &call.turns)?;
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
    let log_odds = model.role_logits(&vectors, &nameless)?;
    roles::assign(&mut nameless, &log_odds);
    let known: Vec<_> = call
        .turns
        .iter()
        .zip(&nameless)
        .filter(|(gold, _)| gold.role != Role::Unknown)
        .collect();
    let right = known.iter().filter(|(gold, said)| gold.role == said.role).count();

    // The date moves only what dates mean, never which stage the deal is in.
    let date = call.call_date.unwrap_or_default();
    let fields = understand::fields::extract(call, &labels, labelled.language, date);
    let not_sales = understand::not_sales(&labels);
    let deal = process::assess(process, call, &labels, &fields, labelled.language, not_sales);
    let gold_fields = &labelled.gold.fields;
    let found = gold_fields
        .iter()
        .filter(|gold| {
            fields
                .iter()
                .any(|field| field.field == gold.field && field.turn == Some(gold.turn))
        })
        .count();
    Ok(Tally {
        language: labelled.language,
        stages,
        signals,
        deal: (deal.stage, labelled.gold.deal_stage),
        roles: (right as u32, known.len() as u32),
        fields: (found as u32, gold_fields.len() as u32),
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn share(part: u32, all: u32) -> f64 {
    f64::from(part) / f64::from(all.max(1))
}

fn summarise(tallies: &[&Tally]) -> LanguageReport {
    let turns: Vec<_> = tallies.iter().flat_map(|tally| tally.stages.iter().copied()).collect();
    let stages: Vec<F1> = Stage::ALL
        .iter()
        .map(|&stage| {
            let mut counts = Counts::default();
            turns
                .iter()
                .for_each(|(said, gold, _)| counts.add(*said == stage, *gold == stage));
            F1 {
                id: stage.as_str(),
                f1: counts.f1(),
                counts,
            }
        })
        .collect();
    let mut all_signals = Counts::default();
    let signals: Vec<F1> = Signal::ALL
        .iter()
        .map(|&signal| {
            let counts =
                tallies
                    .iter()
                    .map(|tally| tally.signals[signal.index()])
                    .fold(Counts::default(), |sum, one| Counts {
                        hit: sum.hit + one.hit,
                        wrong: sum.wrong + one.wrong,
                        missed: sum.missed + one.missed,
                    });
            all_signals.hit += counts.hit;
            all_signals.wrong += counts.wrong;
            all_signals.missed += counts.missed;
            F1 {
                id: signal.as_str(),
                f1: counts.f1(),
                counts,
            }
        })
        .collect();
    let in_gold = |f1: &&F1| f1.counts.hit + f1.counts.missed > 0;
    let macro_of = |all: &[F1]| mean(&all.iter().filter(in_gold).filter_map(|f1| f1.f1).collect::<Vec<_>>());
    let right = turns.iter().filter(|(said, gold, _)| said == gold).count();
    let exact = tallies.iter().filter(|tally| tally.deal.0 == tally.deal.1).count();
    let near = tallies.iter().filter(|tally| within_one(tally.deal)).count();
    let sum = |pick: fn(&Tally) -> (u32, u32)| {
        tallies
            .iter()
            .map(|tally| pick(tally))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    };
    let (role_right, role_all) = sum(|tally| tally.roles);
    let (fields_found, fields_all) = sum(|tally| tally.fields);
    LanguageReport {
        calls: tallies.len(),
        turns: turns.len(),
        stage_accuracy: share(right as u32, turns.len() as u32),
        stage_macro_f1: macro_of(&stages),
        stage_calibration_error: calibration_error(&turns),
        signal_micro_f1: all_signals.f1().unwrap_or_default(),
        signal_macro_f1: macro_of(&signals),
        deal_stage_accuracy: share(exact as u32, tallies.len() as u32),
        deal_stage_within_one: share(near as u32, tallies.len() as u32),
        role_accuracy: share(role_right, role_all),
        field_recall: (fields_all > 0).then(|| share(fields_found, fields_all)),
        stages,
        signals,
    }
}

/// Open stages lie in the order of the process; won, lost and "no deal" are near nothing but themselves.
fn within_one((said, gold): (Option<DealStage>, Option<DealStage>)) -> bool {
    match (said, gold) {
        (Some(said), Some(gold)) => {
            let open = |stage: DealStage| !matches!(stage, DealStage::Won | DealStage::Lost);
            said == gold || (open(said) && open(gold) && said.index().abs_diff(gold.index()) <= 1)
        }
        (said, gold) => said == gold,
    }
}

fn calibration_error(turns: &[(Stage, Stage, f32)]) -> f64 {
    const BINS: usize = 10;
    let mut bins = [(0.0_f64, 0.0_f64, 0.0_f64); BINS];
    for (said, gold, confidence) in turns {
        let bin = &mut bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
        bin.0 += 1.0;
        bin.1 += f64::from(*confidence);
        bin.2 += f64::from(u8::from(said == gold));
    }
    bins.iter()
        .map(|(_, confidence, right)| (confidence - right).abs())
        .sum::<f64>()
        / turns.len().max(1) as f64
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
        assert!(within_one((Some(DealStage::Pain), Some(DealStage::Power))));
        assert!(!within_one((Some(DealStage::Pain), Some(DealStage::Vision))));
        assert!(!within_one((Some(DealStage::Won), Some(DealStage::Lost))));
        assert!(within_one((None, None)));
        assert!(!within_one((None, Some(DealStage::Lead))));
    }

    #[test]
    fn confidence_that_keeps_its_word_has_no_error() {
        let turn = |right: bool| {
            (
                Stage::Opening,
                if right { Stage::Opening } else { Stage::Closing },
                0.75,
            )
        };
        let turns = [turn(true), turn(true), turn(true), turn(false)];
        assert!(calibration_error(&turns) < 1e-9);
    }
}
