//! Lead score and qualification status (C.6), by the process file: explainable, not a probability.

use super::Situation;
use crate::domain::{Field, Qualification, QualificationStatus};
use crate::process::{TOP_SCORE, Worth};

pub fn qualification(situation: &Situation<'_>) -> Qualification {
    Qualification {
        status: status(situation),
        lead_score: lead_score(situation),
        fields: fields(situation),
    }
}

/// Those that the process asks for.
fn fields(situation: &Situation<'_>) -> Vec<Field> {
    let mut fields = super::outcome::with_outcome(situation);
    fields.retain(|field| situation.process.fields().contains(&field.field));
    fields
}

fn lead_score(situation: &Situation<'_>) -> u8 {
    if situation.deal.stage.is_none() {
        return 0;
    }
    let share = |worth: &Worth| match worth {
        Worth::Element(place) => {
            let score = situation.reading.scores.get(*place).map_or(0, |found| found.score);
            f32::from(score) / f32::from(TOP_SCORE)
        }
        Worth::First(shares) => shares
            .iter()
            .find(|(when, _)| situation.reading.is(when))
            .map_or(0.0, |(_, share)| *share),
    };
    let parts = situation.process.lead().iter();
    let points: f32 = parts.map(|rule| rule.points * share(&rule.worth)).sum();
    let caps = situation.process.lead_caps().iter();
    let most = caps
        .filter(|(when, _)| situation.reading.is(when))
        .fold(100.0, |most: f32, (_, at_most)| most.min(*at_most));
    points.min(most).clamp(0.0, 100.0).round_ties_even() as u8
}

fn status(situation: &Situation<'_>) -> QualificationStatus {
    let rules = situation.process.qualification();
    let is = |condition| situation.deal.stage.is_some() && situation.reading.is(condition);
    if is(&rules.disqualified) {
        QualificationStatus::Disqualified
    } else if is(&rules.qualified) {
        QualificationStatus::Qualified
    } else if is(&rules.partly_qualified) {
        QualificationStatus::PartlyQualified
    } else {
        QualificationStatus::Unqualified
    }
}
