//! Which letter a call asks for (D.7, with the order of F.1.1, 12).

use super::super::Situation;
use super::promises;
use crate::domain::{EmailType, Field, FieldName, FieldValue, Role, Signal};

/// Documents whose letter is a cover.
const PROPOSALS: &[&str] = &[
    "proposal",
    "quote",
    "quotation",
    "written offer",
    "estimate",
    "коммерческ",
    "предложение",
    "смет",
    " кп",
];
/// A refusal surer than this is one, also where the deal stage is not decided.
const SURE_NO: f32 = 0.8;

/// The letter that follows the call: the first of the process whose condition holds and for which there is something to
/// write. The others are written when time has passed, or somebody asks for them.
pub fn kind(situation: &Situation<'_>) -> EmailType {
    let rules = situation.process.emails().iter();
    let first = rules
        .filter(|rule| can_be_written(situation, rule.id))
        .find(|rule| situation.reading.is(&rule.when));
    first.map_or(EmailType::RecapDiscovery, |rule| rule.id)
}

/// The call has what the letter is about.
fn can_be_written(situation: &Situation<'_>, kind: EmailType) -> bool {
    match kind {
        EmailType::ProposalCover => proposal(situation).is_some(),
        EmailType::Nurture => super::put_off_to(situation).is_some(),
        EmailType::SponsorAccess => super::decider(situation).is_some(),
        // A deal given up by mistake costs more than a letter too many.
        EmailType::ThankYou => !situation.is_lost() || !situation.deal.abstained || surely_refused(situation),
        _ => true,
    }
}

fn surely_refused(situation: &Situation<'_>) -> bool {
    situation.at(Signal::BuyerRefusal).into_iter().any(|at| {
        let sure = situation.labels[at].confidence(Signal::BuyerRefusal);
        sure.is_some_and(|sure| sure >= SURE_NO)
    })
}

/// The rep's promise of a proposal.
pub fn proposal<'a>(situation: &'a Situation<'_>) -> Option<&'a Field> {
    situation.said(FieldName::Commitments).find(|field| {
        let lower = match &field.value {
            Some(FieldValue::Commitment(promise)) if promise.who == Role::Rep => promise.what.to_lowercase(),
            _ => return false,
        };
        promises::promise(situation, field).is_some() && PROPOSALS.iter().any(|words| lower.contains(words))
    })
}
