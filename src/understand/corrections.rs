//! What people corrected, over what the program found: the word of a person stands.
//!
//! Each function takes all corrections of a call, the oldest first: the last one about a thing counts. What no longer fits
//! (a turn that is gone, a signal of the other side) is passed over. Where the deal stands is *not* here: see
//! `process::settle`.

use crate::domain::{
    Call, Corrected, DecidedBy, Decision, Field, FieldName, FieldStatus, FieldValue, Signal, Turn, TurnLabels,
};

/// A person is sure.
const SURE: f32 = 1.0;

/// Who speaks.
pub fn sides(turns: &mut [Turn], corrected: &[Corrected]) {
    for said in corrected {
        if let Corrected::Speaker { turn, role } = said
            && let Some(at) = turns.iter().position(|known| known.i == *turn)
        {
            turns[at].role = *role;
            turns[at].speaker_confidence = None;
        }
    }
}

/// Stages and signals of turns.
pub fn labels(labels: &mut [TurnLabels], turns: &[Turn], corrected: &[Corrected]) {
    let place = |turn: u32| turns.iter().position(|known| known.i == turn);
    for said in corrected {
        match said {
            Corrected::Stage { turn, stage } => {
                if let Some(at) = place(*turn) {
                    labels[at].stage = by_person(*stage);
                }
            }
            Corrected::Signal { turn, signal, present } => {
                if let Some(at) = place(*turn)
                    && (!present || signal.speaker() == turns[at].role)
                {
                    set(&mut labels[at], *signal, *present);
                }
            }
            Corrected::Speaker { .. } | Corrected::Field { .. } | Corrected::DealStage { .. } => (),
        }
    }
}

fn set(labels: &mut TurnLabels, signal: Signal, present: bool) {
    labels.doubts.retain(|(doubted, _)| *doubted != signal);
    labels.signals.retain(|found| found.id != signal);
    if present {
        let at = labels
            .signals
            .partition_point(|found| found.id.index() < signal.index());
        labels.signals.insert(at, by_person(signal));
    }
}

const fn by_person<T>(id: T) -> Decision<T>
where
    T: Copy,
{
    Decision {
        id,
        confidence: SURE,
        decided_by: DecidedBy::Person,
    }
}

/// Values of fields.
pub fn fields(fields: &mut Vec<Field>, call: &Call, corrected: &[Corrected]) {
    for said in corrected {
        let Corrected::Field {
            field,
            value,
            turn,
            raw,
        } = said
        else {
            continue;
        };
        let meant = Meant {
            field: *field,
            turn: *turn,
            raw: raw.as_deref(),
        };
        match value {
            None => take_away(fields, meant),
            Some(value) => {
                if let Ok(value) = FieldValue::read(*field, value) {
                    put(fields, call, meant, value);
                }
            }
        }
    }
}

/// What a correction of a field is about.
#[derive(Clone, Copy)]
struct Meant<'a> {
    field: FieldName,
    /// None: whatever turn it was said in.
    turn: Option<u32>,
    /// None: all values of the turn.
    raw: Option<&'a str>,
}

impl Meant<'_> {
    fn is(self, found: &Field) -> bool {
        found.field == self.field
            && found.turn.is_some()
            && (self.turn.is_none() || found.turn == self.turn)
            && self.raw.is_none_or(|raw| found.raw == raw)
    }
}

fn take_away(fields: &mut Vec<Field>, meant: Meant<'_>) {
    let at = fields.iter().position(|found| found.field == meant.field);
    fields.retain(|found| !meant.is(found));
    if fields.iter().all(|found| found.field != meant.field) {
        let at = at.unwrap_or(fields.len()).min(fields.len());
        fields.insert(at, Field::not_stated(meant.field));
    }
}

fn put(fields: &mut Vec<Field>, call: &Call, meant: Meant<'_>, value: FieldValue) {
    let found = fields.iter().find(|found| meant.is(found)).cloned();
    let words = found.or_else(|| {
        let said = call.turn(meant.turn?)?;
        let raw = meant.raw.unwrap_or(&said.text);
        said.text.contains(raw).then(|| Field {
            raw: raw.to_owned(),
            quote: said.text.clone(),
            turn: Some(said.i),
            role: Some(said.role),
            ..Field::not_stated(meant.field)
        })
    });
    let Some(words) = words else { return };
    // What it takes the place of: not what else was said.
    let old = Meant {
        turn: words.turn,
        ..meant
    };
    let place = fields.iter().position(|found| old.is(found));
    let place = place.or_else(|| fields.iter().position(|found| found.field == meant.field));
    fields.retain(|found| !old.is(found) && (found.field != meant.field || found.turn.is_some()));
    let at = place.unwrap_or(fields.len()).min(fields.len());
    let new = Field {
        status: FieldStatus::Stated,
        value: Some(value),
        confidence: SURE,
        decided_by: DecidedBy::Person,
        ..words
    };
    fields.insert(at, new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Money, MoneyQualifier, Role, Stage, sample};

    fn talk() -> Call {
        sample::talk(&[
            (Role::Rep, "What budget do you have?"),
            (Role::Buyer, "About 2,000 dollars a month."),
        ])
    }

    fn money(amount: f64) -> Field {
        let value = FieldValue::Money(Money {
            amount: Some(amount),
            min: None,
            max: None,
            currency: "USD".to_owned(),
            period: None,
            per: None,
            qualifier: MoneyQualifier::Exact,
            vat: None,
            scale_inferred: false,
            currency_inferred: false,
        });
        Field {
            status: FieldStatus::Stated,
            value: Some(value),
            raw: "2,000 dollars".to_owned(),
            quote: "About 2,000 dollars a month.".to_owned(),
            turn: Some(2),
            role: Some(Role::Buyer),
            confidence: 0.7,
            ..Field::not_stated(FieldName::Budget)
        }
    }

    #[test]
    fn the_last_word_on_a_turn_counts() {
        let call = talk();
        let mut found = vec![sample::labels(Stage::Opening, &[]), sample::labels(Stage::Opening, &[])];
        let said = [
            Corrected::Stage {
                turn: 2,
                stage: Stage::Closing,
            },
            Corrected::Stage {
                turn: 2,
                stage: Stage::Qualification,
            },
            Corrected::Signal {
                turn: 2,
                signal: Signal::BuyerBudget,
                present: true,
            },
            // Of the other side, and of a turn that is not there.
            Corrected::Signal {
                turn: 1,
                signal: Signal::BuyerBudget,
                present: true,
            },
            Corrected::Stage {
                turn: 9,
                stage: Stage::Closing,
            },
        ];
        labels(&mut found, &call.turns, &said);
        assert_eq!(found[0], sample::labels(Stage::Opening, &[]));
        assert_eq!(found[1].stage, by_person(Stage::Qualification));
        assert_eq!(found[1].signals, [by_person(Signal::BuyerBudget)]);
        let not = Corrected::Signal {
            turn: 2,
            signal: Signal::BuyerBudget,
            present: false,
        };
        labels(&mut found, &call.turns, &[not]);
        assert!(found[1].signals.is_empty());
    }

    #[test]
    fn one_turn_is_the_other_side_and_nothing_else_changes() {
        let mut turns = talk().turns;
        sides(
            &mut turns,
            &[Corrected::Speaker {
                turn: 1,
                role: Role::Buyer,
            }],
        );
        assert_eq!(turns[0].role, Role::Buyer);
        assert_eq!(turns[1].role, Role::Buyer);
    }

    #[test]
    fn a_value_of_a_person_keeps_the_words_it_rests_on() {
        let call = talk();
        let set = |value: serde_json::Value, turn: Option<u32>| Corrected::Field {
            field: FieldName::Budget,
            value: Some(value),
            turn,
            raw: None,
        };
        let right = serde_json::json!({"amount": 3000.0, "currency": "USD", "period": "month", "qualifier": "exact"});
        let mut found = vec![money(2000.0)];
        fields(&mut found, &call, &[set(right.clone(), None)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].quote, "About 2,000 dollars a month.");
        assert_eq!(serde_json::to_value(&found[0].value).expect("JSON"), right);
        assert_eq!((found[0].confidence, found[0].decided_by), (SURE, DecidedBy::Person));
        // Not found before: the turn is what it rests on. Without one there is none.
        let mut none = vec![Field::not_stated(FieldName::Budget)];
        fields(&mut none, &call, &[set(right.clone(), None)]);
        assert_eq!(none, [Field::not_stated(FieldName::Budget)]);
        fields(&mut none, &call, &[set(right, Some(2))]);
        assert_eq!((none.len(), none[0].quote.as_str()), (1, call.turns[1].text.as_str()));
    }

    #[test]
    fn not_stated_takes_one_value_or_all() {
        let call = talk();
        let none = |turn| Corrected::Field {
            field: FieldName::Budget,
            value: None,
            turn,
            raw: None,
        };
        for (turn, gone) in [(None, true), (Some(2), true), (Some(1), false)] {
            let mut found = vec![money(2000.0)];
            fields(&mut found, &call, &[none(turn)]);
            let expected = if gone {
                Field::not_stated(FieldName::Budget)
            } else {
                money(2000.0)
            };
            assert_eq!(found, [expected], "{turn:?}");
        }
    }

    #[test]
    fn one_of_several_values_of_a_turn_is_told_by_its_words() {
        let call = sample::talk(&[(Role::Buyer, "Last year 2,000 dollars, this year 3,000 dollars.")]);
        let value = |raw: &str, amount: f64| Field {
            raw: raw.to_owned(),
            turn: Some(1),
            ..money(amount)
        };
        let both = vec![value("2,000 dollars", 2000.0), value("3,000 dollars", 3000.0)];
        let said = |raw: &str, amount: Option<f64>| Corrected::Field {
            field: FieldName::Budget,
            value: amount.map(|amount| serde_json::json!({"amount": amount, "currency": "USD", "qualifier": "exact"})),
            turn: Some(1),
            raw: Some(raw.to_owned()),
        };
        let after = |said: &[Corrected]| {
            let mut found = both.clone();
            fields(&mut found, &call, said);
            found
        };
        let amounts = |found: &[Field]| -> Vec<Option<f64>> {
            found
                .iter()
                .map(|field| match &field.value {
                    Some(FieldValue::Money(money)) => money.amount,
                    _ => None,
                })
                .collect()
        };
        let right = after(&[said("3,000 dollars", Some(30000.0))]);
        assert_eq!(amounts(&right), [Some(2000.0), Some(30000.0)]);
        assert_eq!((&right[0], right[1].decided_by), (&both[0], DecidedBy::Person));
        let less = after(&[said("2,000 dollars", None)]);
        assert_eq!(less, both[1..]);
        let none = after(&[said("2,000 dollars", None), said("3,000 dollars", None)]);
        assert_eq!(none, [Field::not_stated(FieldName::Budget)]);
        // Not found by the program, but said; and what nobody said.
        let more = after(&[said("this year", Some(1.0)), said("next year", Some(2.0))]);
        assert_eq!(amounts(&more), [Some(1.0), Some(2000.0), Some(3000.0)]);
        assert_eq!(more[0].raw, "this year");
    }
}
