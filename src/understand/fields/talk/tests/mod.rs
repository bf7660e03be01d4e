//! Fields of a talk in few words: what is one, and what only looks like one.

mod contact;
mod needs;

use proptest::prelude::*;

use super::super::samples::{self, Said};
use crate::domain::{Field, FieldName, FieldStatus, FieldValue, Language, Role, Signal, Stage, sample};
use FieldName as Name;
use Language::{En, Ru};
use Role::{Buyer, Rep};

fn fields(name: Name, language: Language, said: &[Said<'_>]) -> Vec<Field> {
    samples::fields(name, language, "2025-04-16", said)
}

/// Values as they go out.
fn values(name: Name, language: Language, said: &[Said<'_>]) -> Vec<String> {
    fields(name, language, said)
        .iter()
        .map(|field| serde_json::to_string(&field.value).expect("a value"))
        .collect()
}

/// One turn of the buyer with one signal tells a field with these words, or none.
fn in_one_turn(name: Name, language: Language, signal: Signal, table: &[(&str, &[&str])]) {
    for (text, expected) in table {
        let found = fields(name, language, &[(Buyer, &[signal], text)]);
        let raws: Vec<&str> = found.iter().map(|field| field.raw.as_str()).collect();
        assert_eq!(raws, *expected, "{text}");
    }
}

/// Who says what, and the first value.
type Case<'a> = (&'a [(Role, &'a str)], Option<&'a str>);

/// What is said in turns without a signal gives a value or none.
fn by_words(name: Name, language: Language, table: &[Case<'_>]) {
    for (said, expected) in table {
        let said: Vec<Said<'_>> = said.iter().map(|&(role, text)| (role, &[][..], text)).collect();
        let value = values(name, language, &said).into_iter().next();
        assert_eq!(value.as_deref(), *expected, "{said:?}");
    }
}

#[test]
fn a_talk_that_sells_nothing_has_no_fields() {
    let said: [(Role, &str); 4] = [
        (Rep, "Hello?"),
        (Buyer, "We lose leads. Send me the price list."),
        (Buyer, "The board meets on Monday."),
        (Rep, "Wrong number."),
    ];
    let call = sample::talk(&said);
    let labels: Vec<_> = said
        .iter()
        .map(|_| sample::labels(Stage::Other, &[Signal::BuyerPain, Signal::BuyerProcess]))
        .collect();
    let day = "2025-04-16".parse().expect("a day");
    assert!(super::extract(&call, &labels, En, day, &[]).is_empty());
}

/// Words that the rules look for, with marks and letters that change their length in lower case.
const PIECES: &[&str] = &[
    "we lose leads",
    "it has to",
    "if",
    "i'll sign",
    "send me",
    "the contract",
    "runs out",
    "Надо, чтобы",
    "Пришлите",
    "потом",
    "юристы",
    "дорого",
    "?",
    ".",
    ", ",
    "…",
    "İstanbul",
    "ẞ",
    "Ё",
    "I’ll",
    "«",
    "»",
    "\u{301}",
    "и чтоб",
    "text me",
    "У нас пекарня",
    "then",
    "25 апреля",
    "on Monday",
    "\n",
    "🙂",
    "Да",
    "yes please",
];

proptest! {
    #[test]
    fn every_quote_is_of_its_turn(
        turns in prop::collection::vec((0..3usize, prop::collection::vec(0..PIECES.len(), 0..12), ".{0,12}"), 1..6),
        ru in any::<bool>(),
    ) {
        let said: Vec<(Role, String)> = turns
            .into_iter()
            .map(|(role, pieces, rest)| {
                let words: Vec<&str> = pieces.into_iter().map(|piece| PIECES[piece]).collect();
                ([Rep, Buyer, Role::Unknown][role], format!("{} {rest}", words.join(" ")))
            })
            .collect();
        let talk: Vec<(Role, &str)> = said.iter().map(|(role, text)| (*role, text.as_str())).collect();
        let call = sample::talk(&talk);
        let labels: Vec<_> = said
            .iter()
            .map(|_| sample::labels(Stage::Discovery, Signal::ALL))
            .collect();
        let day = "2025-04-16".parse().expect("a day");
        let language = if ru { Ru } else { En };
        for field in super::extract(&call, &labels, language, day, &[]) {
            let turn = call.turn(field.turn.expect("said")).expect("a turn");
            prop_assert!(!field.raw.is_empty(), "{field:?}");
            prop_assert!(turn.text.contains(&field.quote) && field.quote.contains(&field.raw), "{field:?}");
            prop_assert!(turn.role != Role::Unknown && field.role == Some(turn.role), "{field:?}");
            prop_assert!((0.0..=1.0).contains(&field.confidence));
        }
    }
}
