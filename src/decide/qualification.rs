//! Lead score and qualification status (C.6): explainable, not a probability.

use super::Situation;
use crate::domain::{
    DealStage, Element, FieldName, FieldStatus, FieldValue, Qualification, QualificationStatus, Signal,
};

const PAIN: f32 = 20.0;
const IMPACT: f32 = 15.0;
const POWER: f32 = 20.0;
const BUDGET: f32 = 10.0;
const TIMELINE: f32 = 15.0;
const VISION: f32 = 10.0;
const ENGAGEMENT: f32 = 10.0;
/// Added for somebody who sells for us inside.
const CHAMPION: f32 = 5.0;
const OPEN_NEED: f32 = 15.0;
const OPEN_DELAY: f32 = 10.0;
const REFUSED: f32 = 5.0;

pub fn qualification(situation: &Situation<'_>) -> Qualification {
    let refused = situation.deal.stage == Some(DealStage::Lost);
    let score = |element| f32::from(situation.deal.score(element)) / 3.0;
    let mut points = PAIN * score(Element::Pain)
        + IMPACT * impact(situation)
        + POWER * score(Element::Power)
        + BUDGET * budget(situation)
        + TIMELINE * timeline(situation)
        + VISION * score(Element::Vision)
        + ENGAGEMENT * engagement(situation);
    if situation.has(Signal::BuyerChampion) {
        points += CHAMPION;
    }
    if situation.open(Signal::BuyerObjNeed).is_some() {
        points -= OPEN_NEED;
    }
    let last_delay = situation.at(Signal::BuyerDelay).last().copied();
    let followed = |at: usize| situation.at(Signal::BuyerCommitment).into_iter().any(|step| step >= at);
    if last_delay.is_some_and(|at| !situation.is_dated(at) && !followed(at)) {
        points -= OPEN_DELAY;
    }
    if refused {
        points = points.min(REFUSED);
    }
    if situation.deal.stage.is_none() {
        points = 0.0;
    }
    Qualification {
        status: status(situation, refused),
        lead_score: points.clamp(0.0, 100.0).round_ties_even() as u8,
        fields: situation.fields.to_vec(),
    }
}

fn status(situation: &Situation<'_>, refused: bool) -> QualificationStatus {
    let pain = situation.deal.score(Element::Pain);
    let dated = situation.said(FieldName::Timeline).next().is_some() || situation.has(Signal::BuyerTimeline);
    let money = situation.said(FieldName::Budget).next().is_some();
    if refused {
        QualificationStatus::Disqualified
    } else if pain >= 2 && situation.deal.score(Element::Power) >= 1 && (dated || money) {
        QualificationStatus::Qualified
    } else if pain >= 1 {
        QualificationStatus::PartlyQualified
    } else {
        QualificationStatus::Unqualified
    }
}

fn impact(situation: &Situation<'_>) -> f32 {
    let numeric = situation.said(FieldName::PainImpact).any(|field| field.value.is_some());
    match (numeric, situation.has(Signal::BuyerImpact)) {
        (true, _) => 1.0,
        (false, true) => 0.5,
        (false, false) => 0.0,
    }
}

fn budget(situation: &Situation<'_>) -> f32 {
    let amount = situation
        .said(FieldName::Budget)
        .any(|field| matches!(field.value, Some(FieldValue::Money(_))));
    // A limit of one's own signature says how money is given, not that there is some.
    let process = situation.said(FieldName::SigningLimit).next().is_some() || situation.has(Signal::BuyerBudget);
    match (amount, process) {
        (true, _) => 1.0,
        (false, true) => 0.5,
        (false, false) => 0.0,
    }
}

fn timeline(situation: &Situation<'_>) -> f32 {
    let limit = situation.process.thresholds().timeline_days;
    let near = situation
        .said(FieldName::Timeline)
        .filter(|field| field.status == FieldStatus::Stated)
        .any(|field| match &field.value {
            Some(FieldValue::Date(date)) => {
                !date.past
                    && date
                        .latest()
                        .is_some_and(|day| (day - situation.call_date).num_days() <= limit)
            }
            _ => false,
        });
    match (near, situation.has(Signal::BuyerTimeline)) {
        (true, _) => 1.0,
        (false, true) => 0.5,
        (false, false) => 0.0,
    }
}

fn engagement(situation: &Situation<'_>) -> f32 {
    match (
        situation.dated_commitments().is_empty(),
        situation.has(Signal::BuyerBuyingSignal),
    ) {
        (false, _) => 1.0,
        (true, true) => 0.5,
        (true, false) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up_to_a_hundred() {
        assert_eq!(PAIN + IMPACT + POWER + BUDGET + TIMELINE + VISION + ENGAGEMENT, 100.0);
    }
}
