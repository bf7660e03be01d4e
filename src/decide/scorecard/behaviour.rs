//! Figures of behaviour (E.3): what the rep asked, heard, tied to value, answered and agreed.

use super::markers;
use super::norms::Reason;
use super::talk::{Measure, Measured, Talk, exactly};
use super::timing::{lasting, pause_after};
use crate::domain::{
    CallOutcome, FieldName, FieldStatus, FieldValue, Metric, Premature, Role, Signal, StageKind, sentences,
};

/// A plan of the talk is one within this many seconds or turns.
const START_S: f64 = 180.0;
const START_TURNS: usize = 8;
/// A problem or a doubt is heard within this many turns of the rep.
const HEARD_WITHIN: usize = 2;
/// A pause that shows that an objection was heard.
const THOUGHT_S: f64 = 0.8;
/// Turns before a discount in which the buyer may have asked for it.
const ASKED_WITHIN: usize = 3;

fn yes(value: bool, places: impl IntoIterator<Item = usize>) -> Measured {
    exactly(f64::from(u8::from(value)), places)
}

pub fn agenda(talk: &Talk<'_>) -> Measured {
    let begin = talk.timed().ok().and_then(|spans| spans.first()).map(|span| span.start);
    let early = |at: usize| {
        let soon = match (begin, talk.turn(at).start_s) {
            (Some(begin), Some(start)) => start - begin <= START_S,
            _ => false,
        };
        at < START_TURNS || soon
    };
    let plan = talk.at(Signal::RepAgenda).into_iter().find(|&at| early(at));
    yes(plan.is_some(), plan)
}

/// A question about the cause of the problem.
fn asks_cause(talk: &Talk<'_>, at: usize) -> bool {
    talk.asks(at)
        && sentences(talk.text(at))
            .iter()
            .any(|part| talk.is_question(part) && markers::says(part, &talk.markers.cause))
}

/// Where the buyer gave the problem a figure.
pub fn numeric_impacts(talk: &Talk<'_>) -> Vec<usize> {
    let fields: Vec<u32> = talk
        .situation
        .said(FieldName::PainImpact)
        .filter(|field| field.value.is_some())
        .filter_map(|field| field.turn)
        .collect();
    (0..talk.len())
        .filter(|&at| {
            fields.contains(&talk.turn(at).i)
                || talk.has(at, Signal::BuyerImpact) && talk.markers.has_number(talk.text(at))
        })
        .collect()
}

pub fn discovery_depth(talk: &Talk<'_>) -> Measured {
    let pain = talk.at(Signal::RepQPain);
    let impact = talk.at(Signal::RepQImpact);
    let vision = talk.at(Signal::RepQVision);
    let cause = (0..talk.len()).find(|&at| asks_cause(talk, at));
    let figure = numeric_impacts(talk).first().copied();
    let points = [
        pain.len() >= 2,
        !impact.is_empty(),
        cause.is_some(),
        figure.is_some(),
        !vision.is_empty(),
    ];
    let mut places: Vec<usize> = pain.into_iter().take(2).chain(impact.first().copied()).collect();
    places.extend(cause.into_iter().chain(figure).chain(vision.first().copied()));
    places.sort_unstable();
    places.dedup();
    exactly(points.iter().filter(|earned| **earned).count() as f64, places)
}

pub fn spin_mix(talk: &Talk<'_>) -> Measured {
    let situation = talk.at(Signal::RepQSituation);
    let others = [Signal::RepQPain, Signal::RepQImpact, Signal::RepQVision].map(|signal| talk.at(signal).len());
    let all = situation.len() + others.iter().sum::<usize>();
    if all == 0 || all < talk.norms.norm(Metric::SpinMix).least {
        return Err(Reason::TooFew);
    }
    exactly(situation.len() as f64 / all as f64, situation)
}

/// The six points of qualification, and where the buyer's words settled each.
pub fn qualified(talk: &Talk<'_>) -> [(FieldName, Option<usize>); 6] {
    [
        (FieldName::DecisionMakers, Signal::BuyerDecider),
        (FieldName::DecisionProcess, Signal::BuyerProcess),
        (FieldName::Budget, Signal::BuyerBudget),
        (FieldName::Timeline, Signal::BuyerTimeline),
        (FieldName::Competitors, Signal::BuyerCompetitor),
        (FieldName::DecisionCriteria, Signal::BuyerVision),
    ]
    .map(|(name, signal)| {
        let field = talk.situation.said(name).find_map(|field| field.turn);
        let by_field = field.and_then(|turn| (0..talk.len()).find(|&at| talk.turn(at).i == turn));
        (name, by_field.or_else(|| talk.at(signal).first().copied()))
    })
}

pub fn qualification_coverage(talk: &Talk<'_>) -> Measured {
    let known: Vec<usize> = qualified(talk).into_iter().filter_map(|(_, at)| at).collect();
    let count = known.len();
    let mut places = known;
    places.sort_unstable();
    places.dedup();
    exactly(count as f64, places)
}

pub fn listening_rate(talk: &Talk<'_>) -> Measured {
    let (minutes, estimate) = lasting(talk)?;
    let heard = talk.at(Signal::RepActiveListening);
    Ok(Measure {
        estimate,
        ..exactly(heard.len() as f64 * 10.0 / minutes, heard)?
    })
}

/// Turns in which the buyer showed a problem or a doubt.
pub fn openings(talk: &Talk<'_>) -> Vec<usize> {
    let doubts = |at| talk.has(at, Signal::BuyerPain) || talk.objects(at);
    (0..talk.len()).filter(|&at| doubts(at)).collect()
}

/// Where the rep showed, within two turns, that an opening was heard.
pub fn heard_at(talk: &Talk<'_>, opening: usize) -> Option<usize> {
    (opening + 1..talk.len())
        .filter(|&at| talk.is(at, Role::Rep) && !talk.is_backchannel(at))
        .take(HEARD_WITHIN)
        .find(|&at| talk.has_any(at, &[Signal::RepEmpathy, Signal::RepActiveListening]))
}

pub fn was_heard(talk: &Talk<'_>, opening: usize) -> bool {
    heard_at(talk, opening).is_some()
}

pub fn empathy_response(talk: &Talk<'_>) -> Measured {
    let openings = openings(talk);
    if openings.is_empty() {
        return Err(Reason::NoOpening);
    }
    let (heard, missed): (Vec<usize>, Vec<usize>) = openings.iter().partition(|&&at| was_heard(talk, at));
    let value = heard.len() as f64 / openings.len() as f64;
    exactly(value, if heard.is_empty() { missed } else { heard })
}

pub fn value_link_share(talk: &Talk<'_>) -> Measured {
    let links = talk.at(Signal::RepValueLink);
    let pitches = talk.at(Signal::RepPitch);
    let all = links.len() + pitches.len();
    if all == 0 {
        return Err(Reason::NoProduct);
    }
    let value = links.len() as f64 / all as f64;
    exactly(value, if links.is_empty() { pitches } else { links })
}

pub fn proof_given(talk: &Talk<'_>) -> Measured {
    let doubts = [Signal::BuyerObjNeed, Signal::BuyerObjTrust];
    let doubt = (0..talk.len())
        .find(|&at| talk.has_any(at, &doubts))
        .ok_or(Reason::NoDoubt)?;
    let proof = talk.at(Signal::RepProof).into_iter().find(|&at| at > doubt);
    yes(proof.is_some(), [doubt].into_iter().chain(proof))
}

pub fn price_after_value(talk: &Talk<'_>) -> Measured {
    // In the second half of a process the price has been spoken of before.
    let stages = talk.situation.process.stages();
    let open = stages.iter().filter(|stage| stage.kind == StageKind::Open).count();
    let before = talk.situation.deal.previous_stage.as_ref();
    let before = before.and_then(|id| stages.iter().position(|stage| stage.id == *id));
    if before.is_some_and(|place| 2 * place >= open) {
        return Err(Reason::PriceBefore);
    }
    let price = *talk.at(Signal::RepPrice).first().ok_or(Reason::NoPrice)?;
    let before = numeric_impacts(talk)
        .into_iter()
        .chain(talk.at(Signal::BuyerVision))
        .chain(talk.at(Signal::BuyerPriceQuestion))
        .filter(|&at| at < price)
        .max();
    yes(before.is_some(), before.into_iter().chain([price]))
}

/// The four steps after an objection: heard, explored, answered, checked.
pub fn objection_steps(talk: &Talk<'_>, objection: usize) -> [bool; 4] {
    let answer = talk.answer(objection);
    let rep = || answer.clone().filter(|&at| talk.is(at, Role::Rep));
    let said = |signals: &[Signal]| rep().any(|at| talk.has_any(at, signals));
    let acknowledged = rep().take(HEARD_WITHIN).any(|at| {
        talk.has_any(at, &[Signal::RepEmpathy, Signal::RepActiveListening])
            || markers::says(talk.text(at), &talk.markers.acknowledge)
    });
    let paused = pause_after(talk, objection).is_some_and(|pause| pause >= THOUGHT_S);
    let checked = |at: usize| markers::says(talk.text(at), &talk.markers.confirm);
    let accepted = |at: usize| {
        talk.has(at, Signal::BuyerValueAck) || !talk.objects(at) && markers::says(talk.text(at), &talk.markers.accepted)
    };
    [
        acknowledged || paused,
        rep().any(|at| talk.asks(at) && !checked(at)),
        said(&[Signal::RepValueLink, Signal::RepProof]),
        rep().any(checked) || answer.clone().any(|at| talk.is(at, Role::Buyer) && accepted(at)),
    ]
}

pub fn objection_pattern(talk: &Talk<'_>) -> Measured {
    if talk.objections.is_empty() {
        return Err(Reason::NoObjection);
    }
    let steps: Vec<(usize, usize)> = talk
        .objections
        .iter()
        .map(|&at| (objection_steps(talk, at).iter().filter(|step| **step).count(), at))
        .collect();
    let mean = steps.iter().map(|(count, _)| count).sum::<usize>() as f64 / steps.len() as f64;
    exactly(mean, steps.into_iter().map(|(_, at)| at))
}

/// How firm the next step is: 0 none, 1 vague or without a day, 2 with a day, 3 with a day that the buyer took and
/// something to do on both sides.
pub fn next_step_quality(talk: &Talk<'_>) -> Measured {
    let situation = talk.situation;
    let over = [CallOutcome::Order, CallOutcome::NoSale];
    let lost = situation.is_lost();
    if lost
        || situation
            .deal
            .call_outcome
            .is_some_and(|outcome| over.contains(&outcome))
    {
        return Err(Reason::Ended);
    }
    let proposed = talk.at(Signal::RepNextStep);
    let dated: Vec<usize> = proposed.iter().copied().filter(|&at| situation.is_dated(at)).collect();
    let promised: Vec<usize> = situation
        .dated_commitments()
        .into_iter()
        .filter(|&at| at < talk.len())
        .collect();
    let meeting = situation
        .said(FieldName::NextMeeting)
        .filter(|field| matches!(field.status, FieldStatus::Stated | FieldStatus::Confirmed))
        .filter(|field| matches!(field.value, Some(FieldValue::Date(_))))
        .find_map(|field| (0..talk.len()).find(|&at| Some(talk.turn(at).i) == field.turn));
    let places = || {
        let mut places: Vec<usize> = dated.iter().chain(&promised).copied().chain(meeting).collect();
        places.sort_unstable();
        places.dedup();
        places
    };
    if meeting.is_some() || !promised.is_empty() && !proposed.is_empty() {
        return exactly(3.0, places());
    }
    if !promised.is_empty() || !dated.is_empty() {
        return exactly(2.0, places());
    }
    let mut loose = proposed;
    loose.extend(talk.at(Signal::BuyerCommitment));
    loose.extend((0..talk.len()).filter(|&at| {
        talk.is(at, Role::Rep) && at * 2 >= talk.len() && markers::says(talk.text(at), &talk.markers.vague_step)
    }));
    loose.sort_unstable();
    loose.dedup();
    let value = if loose.is_empty() { 0.0 } else { 1.0 };
    exactly(value, loose)
}

pub fn premature_count(talk: &Talk<'_>, premature: &[Premature]) -> Measured {
    let points: f64 = premature.iter().map(|early| talk.norms.points(early.severity)).sum();
    let places = (0..talk.len()).filter(|&at| premature.iter().any(|early| early.turn == talk.turn(at).i));
    exactly(points, places)
}

pub fn pressure_count(talk: &Talk<'_>) -> Measured {
    let pressed = talk.at(Signal::RepPressure);
    exactly(pressed.len() as f64, pressed)
}

/// Turns with a discount, and whether it was asked for and given in exchange.
pub fn discounts(talk: &Talk<'_>) -> Vec<(usize, bool)> {
    let fields: Vec<u32> = talk
        .situation
        .said(FieldName::DiscountOffered)
        .filter_map(|field| field.turn)
        .collect();
    let offered = |at: usize| {
        talk.is(at, Role::Rep)
            && (fields.contains(&talk.turn(at).i)
                || talk.has(at, Signal::RepPrice) && talk.markers.is_discount(talk.text(at)))
    };
    let fair = |at: usize| {
        let judged = talk.at(Signal::BuyerObjPrice).iter().any(|&objection| objection < at);
        let wanted = (at.saturating_sub(ASKED_WITHIN)..at)
            .any(|near| talk.is(near, Role::Buyer) && talk.markers.is_discount(talk.text(near)));
        let near = at.saturating_sub(2)..talk.len().min(at + 3);
        let mut rep = near.filter(|&near| talk.is(near, Role::Rep));
        // "Only if you sign today" asks for nothing but haste.
        (judged || wanted)
            && !talk.has(at, Signal::RepPressure)
            && rep.any(|near| markers::says(talk.text(near), &talk.markers.in_return))
    };
    (0..talk.len())
        .filter(|&at| offered(at))
        .map(|at| (at, fair(at)))
        .collect()
}

pub fn discount_discipline(talk: &Talk<'_>) -> Measured {
    let discounts = discounts(talk);
    if discounts.is_empty() {
        return Err(Reason::NoDiscount);
    }
    let given: Vec<usize> = discounts.iter().filter(|(_, fair)| !fair).map(|&(at, _)| at).collect();
    let all = discounts.iter().map(|&(at, _)| at).collect();
    let clean = given.is_empty();
    yes(clean, if clean { all } else { given })
}
