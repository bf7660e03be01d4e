//! The outcome of the call as a field, with the words that show it.
//!
//! What the outcome is, `process` alone says; here it only gets its evidence. A call that goes on without any step and
//! without anybody putting it off has no words for that: the field stays not stated, and the deal has the outcome.

use super::Situation;
use crate::domain::{CallOutcome, Cue, Field, FieldName, FieldStatus, FieldValue, Signal};

/// The fields that were found, with the outcome of the deal among them.
pub fn with_outcome(situation: &Situation<'_>) -> Vec<Field> {
    let mut fields = situation.fields.to_vec();
    let place = fields.iter_mut().find(|field| field.field == FieldName::CallOutcome);
    if let (Some(place), Some(field)) = (place, field(situation)) {
        *place = field;
    }
    fields
}

fn field(situation: &Situation<'_>) -> Option<Field> {
    let outcome = situation.deal.call_outcome?;
    let (signal, cues): (Signal, &[Cue]) = match outcome {
        CallOutcome::NoSale => (Signal::BuyerRefusal, &[]),
        CallOutcome::Order => (Signal::BuyerCommitment, &[Cue::Signed, Cue::Order]),
        CallOutcome::Advance => (Signal::BuyerCommitment, &[]),
        CallOutcome::Continuation => (Signal::BuyerDelay, &[]),
    };
    let by_cue = (0..situation.labels.len())
        .rev()
        .find(|&at| cues.iter().any(|&cue| situation.labels[at].has_cue(cue)));
    let at = by_cue.or_else(|| situation.at(signal).last().copied())?;
    let turn = &situation.call.turns[at];
    let evidence = situation.quote(at);
    if evidence.quote.is_empty() {
        return None;
    }
    Some(Field {
        field: FieldName::CallOutcome,
        status: FieldStatus::Stated,
        value: Some(FieldValue::Outcome(outcome)),
        raw: evidence.quote.clone(),
        turn: Some(turn.i),
        role: Some(turn.role),
        quote: evidence.quote,
        confidence: situation.labels[at]
            .confidence(signal)
            .unwrap_or(situation.deal.confidence),
        decided_by: situation.deal.decided_by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::with_deal;
    use crate::domain::{Call, Deal, Language, Role, Stage, TurnLabels, sample};
    use crate::process::{Heard, Process};

    fn outcome_of(outcome: Option<CallOutcome>, said: &[(Role, &[Signal], &str)]) -> Option<(u32, String)> {
        let turns: Vec<_> = said.iter().map(|&(role, _, text)| (role, text)).collect();
        let call: Call = sample::talk(&turns);
        let labels: Vec<TurnLabels> = said
            .iter()
            .map(|(_, signals, _)| sample::labels(Stage::Closing, signals))
            .collect();
        let deal = Deal {
            call_outcome: outcome,
            ..sample::deal("power", 2)
        };
        let process = Process::ppvvc().expect("built in");
        let heard = Heard {
            call: &call,
            labels: &labels,
            fields: &[Field::not_stated(FieldName::CallOutcome)],
            language: Language::En,
            no_deal: false,
            history: None,
        };
        let day = "2025-03-12".parse().expect("a day");
        let fields = with_deal(&process, heard, &deal, day, with_outcome);
        assert_eq!(fields.len(), 1);
        let field = fields.into_iter().next()?;
        assert_eq!(field.value, field.turn.and(outcome).map(FieldValue::Outcome));
        Some((field.turn?, field.quote))
    }

    #[test]
    fn the_last_words_that_show_the_outcome() {
        use Role::{Buyer, Rep};
        let said: [(Role, &[Signal], &str); 4] = [
            (Buyer, &[Signal::BuyerDelay], "Call me after Easter."),
            (Rep, &[Signal::RepNextStep], "Shall we say Tuesday at ten?"),
            (Buyer, &[Signal::BuyerCommitment], "Tuesday at ten works."),
            (Buyer, &[Signal::BuyerRefusal], "No. We went with someone else."),
        ];
        let quote = |outcome| outcome_of(Some(outcome), &said);
        assert_eq!(
            quote(CallOutcome::Advance),
            Some((3, "Tuesday at ten works.".to_owned()))
        );
        assert_eq!(quote(CallOutcome::Order), Some((3, "Tuesday at ten works.".to_owned())));
        assert_eq!(
            quote(CallOutcome::Continuation),
            Some((1, "Call me after Easter.".to_owned()))
        );
        assert_eq!(quote(CallOutcome::NoSale).expect("refused").0, 4);
        assert_eq!(outcome_of(None, &said), None);
        // Nothing agreed and nothing put off: no words for it.
        assert_eq!(outcome_of(Some(CallOutcome::Continuation), &said[1..]), None);
        assert_eq!(outcome_of(Some(CallOutcome::NoSale), &said[..3]), None);
    }
}
