//! Personal data out of a text before it leaves, and back into the answer.
//!
//! Replaced: names of people and companies, e-mail addresses, links, telephone numbers and other long numbers. Names are
//! known from the call (labels, fields, seller) or told by their capital letter. What this does not find: names in words
//! without capitals that are known from nowhere else, and abbreviations of up to five capitals (IBM, МТС).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

use crate::domain::{Call, Field, FieldValue};

/// A text without personal data: only [`Redaction::hide`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Hidden(String);

/// Capitalised inside a sentence and yet nobody's name.
const NO_NAMES: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "вы",
    "вас",
    "вам",
    "вами",
    "ваш",
    "ваша",
    "ваше",
    "ваши",
    "вашу",
];
/// Labels of transcripts that name a part, not a person.
const PARTS: &[&str] = &[
    "speaker",
    "rep",
    "buyer",
    "customer",
    "client",
    "agent",
    "manager",
    "sales",
    "seller",
    "left",
    "right",
    "channel",
    "unknown",
    "host",
    "guest",
    "клиент",
    "менеджер",
    "продавец",
    "покупатель",
    "оператор",
    "спикер",
    "ведущий",
];
/// Words that often begin a sentence (of the labelled calls): no names, though they have a capital there.
static STARTS: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| include_str!("starts.txt").split_whitespace().collect());
/// Whether a word, in small letters, often begins a sentence without being a name.
pub fn starts_sentences(lower: &str) -> bool {
    STARTS.contains(lower)
}

/// Capitals of this many letters are an abbreviation (CRM, НДС), not a name.
const LONGEST_ABBREVIATION: usize = 5;
/// Letters of a name that stay the same in all its forms; what is shorter takes only the endings below.
const SHORTEST_STEM: usize = 3;
/// Letters by which a form of a name is longer than its stem («Викторией»).
const LONGEST_ENDING: usize = 3;
const ENDINGS: &[&str] = &["", "а", "я", "о", "е", "и", "й", "у", "ю", "ы", "ой", "ей", "'s", "’s"];
/// Words after a number that make it money or a measure, which the question is about.
const UNITS: &[&str] = &[
    "руб",
    "₽",
    "dollar",
    "usd",
    "eur",
    "euro",
    "$",
    "€",
    "£",
    "pound",
    "тенге",
    "%",
];

static MARKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?P<email> [\p{L}\d._%+-]+ @ [\p{L}\d-]+ (?: \. [\p{L}\d-]+ )+ )
        | (?P<link> (?: https?:// | www\. ) [^\s"'<>«»)\],;!?]+ )
        | (?P<number> \+? \d (?: [\s().-]{0,2} \d ){6,} )
        | (?P<word> \p{L} [\p{L}'’]* )"#,
    )
    .ok()
});
static DATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2})$").ok());
static SIGN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\[(?:NAME|EMAIL|LINK|NUMBER)_\d+\]").ok());

/// What is hidden of one call, and under which sign.
#[derive(Debug, Default)]
pub struct Redaction {
    /// Beginnings of names that labels and facts give, in small letters: hidden however they are written.
    known: BTreeSet<String>,
    /// Beginnings of words with a capital inside a sentence: hidden where they have one.
    capital: BTreeSet<String>,
    /// Words of the call in small letters.
    common: BTreeSet<String>,
    /// What stands in the call → the sign that leaves instead.
    signs: BTreeMap<String, String>,
    /// Signs that the transcript itself has already.
    taken: BTreeSet<String>,
}

impl Redaction {
    pub fn new(call: &Call, fields: &[Field]) -> Self {
        let mut names: Vec<&str> = Vec::new();
        for turn in &call.turns {
            names.extend(turn.name.as_deref());
            names.push(&turn.speaker);
        }
        if let Some(seller) = &call.seller {
            names.extend(seller.company.as_deref());
            names.extend(seller.product.as_deref());
        }
        for field in fields {
            match &field.value {
                Some(FieldValue::Person(person)) => names.extend(person.name.as_deref()),
                Some(FieldValue::Competitor(competitor)) => names.extend(competitor.name.as_deref()),
                _ => {}
            }
        }
        let texts = || call.turns.iter().map(|turn| turn.text.as_str());
        let common: BTreeSet<String> = texts()
            .flat_map(words)
            .map(|(_, word)| word)
            .filter(|word| word.starts_with(char::is_lowercase))
            .map(str::to_owned)
            .collect();
        let names = names.into_iter().flat_map(words).map(|(_, word)| word.to_lowercase());
        let known = names
            .filter(|name| name.chars().count() > 1 && !PARTS.contains(&name.as_str()) && !common.contains(name))
            .map(|name| stem(&name))
            .collect();
        let capital = texts()
            .flat_map(|text| words(text).map(move |(at, word)| (text, at, word)))
            .filter(|(text, at, word)| {
                let lower = word.to_lowercase();
                let first = starts_sentence(text, *at);
                is_capital(word) && !(first && (STARTS.contains(lower.as_str()) || common.contains(&lower)))
            })
            .map(|(_, _, word)| stem(&word.to_lowercase()))
            .filter(|stem| stem.chars().count() >= SHORTEST_STEM)
            .collect();
        let taken = texts().flat_map(|text| SIGN.iter().flat_map(move |sign| sign.find_iter(text)));
        Self {
            known,
            capital,
            common,
            signs: BTreeMap::new(),
            taken: taken.map(|found| found.as_str().to_owned()).collect(),
        }
    }

    /// The text without people, and how many signs are in it.
    pub fn hide(&mut self, text: &str) -> (Hidden, usize) {
        let mut hidden = String::with_capacity(text.len());
        let mut from = 0;
        let mut count = 0;
        for (range, kind) in self.places(text) {
            hidden.push_str(&text[from..range.start]);
            hidden.push_str(&self.sign(kind, &text[range.clone()]));
            from = range.end;
            count += 1;
        }
        hidden.push_str(&text[from..]);
        (Hidden(hidden), count)
    }

    /// What is to be hidden in a text, and what it is.
    fn places(&self, text: &str) -> Vec<(Range<usize>, &'static str)> {
        let mut places = Vec::new();
        for found in MARKS.iter().flat_map(|marks| marks.captures_iter(text)) {
            let Some(whole) = found.get(0) else { continue };
            let kind = if found.name("email").is_some() {
                "EMAIL"
            } else if found.name("link").is_some() {
                "LINK"
            } else if found.name("number").is_some() {
                if is_quantity(text, whole.range()) {
                    continue;
                }
                "NUMBER"
            } else {
                let first = starts_sentence(text, whole.start());
                if !self.is_name(whole.as_str(), first) {
                    continue;
                }
                "NAME"
            };
            places.push((whole.range(), kind));
        }
        places
    }

    /// Puts what was hidden back into an answer (JSON text).
    pub fn restore(&self, answer: &str) -> String {
        let Some(pattern) = SIGN.as_ref() else {
            return answer.to_owned();
        };
        let restored = pattern.replace_all(answer, |found: &regex::Captures<'_>| {
            let sign = &found[0];
            let original = self
                .signs
                .iter()
                .find(|(_, known)| *known == sign)
                .map(|(original, _)| original);
            match original {
                Some(original) => {
                    let quoted = serde_json::Value::from(original.as_str()).to_string();
                    quoted[1..quoted.len() - 1].to_owned()
                }
                None => sign.to_owned(),
            }
        });
        restored.into_owned()
    }

    fn sign(&mut self, kind: &str, original: &str) -> String {
        if let Some(sign) = self.signs.get(original) {
            return sign.clone();
        }
        let mut number = self.signs.len() + 1;
        let mut sign = format!("[{kind}_{number}]");
        while self.taken.contains(&sign) {
            number += 1;
            sign = format!("[{kind}_{number}]");
        }
        self.taken.insert(sign.clone());
        self.signs.insert(original.to_owned(), sign.clone());
        sign
    }

    fn is_name(&self, word: &str, first: bool) -> bool {
        let lower = word.to_lowercase();
        if NO_NAMES.contains(&lower.as_str()) {
            return false;
        }
        let small = word.starts_with(char::is_lowercase);
        // "annual" is no form of Ann: written small, only endings of names count.
        let known = |stem: &String| match small {
            true => lower
                .strip_prefix(stem.as_str())
                .is_some_and(|ending| ENDINGS.contains(&ending)),
            false => is_form(&lower, stem),
        };
        if self.known.iter().any(known) {
            return true;
        }
        // At the beginning of a sentence a capital says nothing, and a name is a word that is never written small.
        let ordinary = first && (STARTS.contains(lower.as_str()) || self.common.contains(&lower));
        is_capital(word) && !ordinary && self.capital.iter().any(|stem| is_form(&lower, stem))
    }
}

/// `word` is a form of the name with this stem.
fn is_form(word: &str, stem: &str) -> bool {
    let Some(ending) = word.strip_prefix(stem) else {
        return false;
    };
    match stem.chars().count() {
        0..SHORTEST_STEM => ENDINGS.contains(&ending),
        _ => ending.chars().count() <= LONGEST_ENDING,
    }
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    MARKS
        .iter()
        .flat_map(move |marks| marks.captures_iter(text))
        .filter_map(|found| found.name("word"))
        .map(|found| (found.start(), found.as_str()))
}

fn starts_sentence(text: &str, at: usize) -> bool {
    let before =
        text[..at].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '«' | '“' | '(' | '—' | '–'));
    before.is_empty() || before.ends_with(['.', '?', '!', '…', ':'])
}

/// A capital and small letters, or more capitals than an abbreviation has.
fn is_capital(word: &str) -> bool {
    let letters = word.chars().count();
    let abbreviation = letters <= LONGEST_ABBREVIATION && word.chars().all(char::is_uppercase);
    let lower = word.to_lowercase();
    let pronoun = lower == "i" || lower.starts_with("i'") || lower.starts_with("i’");
    word.starts_with(char::is_uppercase)
        && letters > 1
        && !abbreviation
        && !pronoun
        && !NO_NAMES.contains(&lower.as_str())
}

/// A date, or a sum: what the deal is judged by.
fn is_quantity(text: &str, range: Range<usize>) -> bool {
    let number = text[range.clone()].trim();
    let after = text[range.end..].trim_start().to_lowercase();
    let before = text[..range.start].trim_end();
    DATE.as_ref().is_some_and(|date| date.is_match(number))
        || UNITS.iter().any(|unit| after.starts_with(unit))
        || before.ends_with(['$', '€', '£', '₽'])
}

/// The beginning that all forms of a name share.
fn stem(lower: &str) -> String {
    let bare = lower.trim_end_matches("'s").trim_end_matches("’s");
    match bare.chars().last() {
        Some('а' | 'я' | 'о' | 'е' | 'и' | 'й' | 'ь' | 'ы' | 'у' | 'ю') if bare.chars().count() > 2 => {
            let keep = bare.chars().count() - 1;
            bare.chars().take(keep).collect()
        }
        _ => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Role, Turn, sample};

    fn redaction(text: &str) -> Redaction {
        Redaction::new(&sample::talk(&[(Role::Buyer, text)]), &[])
    }

    fn hide(text: &str) -> String {
        redaction(text).hide(text).0.0
    }

    #[test]
    fn people_do_not_leave() {
        assert_eq!(
            hide("Karen signs it. I'll ask Karen on Monday, her mail is k.lee@acme.com, phone +1 (555) 010-22-33."),
            "[NAME_1] signs it. I'll ask [NAME_1] on Monday, her mail is [EMAIL_2], phone [NUMBER_3]."
        );
        assert_eq!(
            hide("Это решает Виктория. С Викторией я поговорю, а НДС входит."),
            "Это решает [NAME_1]. С [NAME_2] я поговорю, а НДС входит."
        );
        assert_eq!(
            hide("Priya decides. Компания «Ромашка»."),
            "[NAME_1] decides. Компания «[NAME_2]»."
        );
        assert_eq!(hide("Well, [Karen] speaks"), "Well, [[NAME_1]] speaks");
    }

    #[test]
    fn names_of_labels_are_hidden_however_they_are_written() {
        let turn = Turn {
            name: Some("ЗОЯ Lee".to_owned()),
            ..sample::turn(1, Role::Buyer, "спросите у зои, lee не знает, зоопарк")
        };
        let mut redaction = Redaction::new(&sample::call(vec![turn]), &[]);
        let (hidden, _) = redaction.hide("Спроси Зою");
        assert_eq!(hidden.0, "Спроси [NAME_1]");
    }

    #[test]
    fn sums_and_dates_stay() {
        for text in [
            "We lose 12,000 dollars a month since 2024, about 150 visits.",
            "Это 2 000 000 рублей, до 16.04.2026.",
            "$1 200 000 a year",
        ] {
            assert_eq!(hide(text), text);
        }
    }

    #[test]
    fn an_answer_is_put_back() {
        let mut redaction = redaction("We pay Acme. Ask Dana about \"https://acme.com/a\", [NAME_1].");
        let (hidden, _) = redaction.hide("Ask Dana about \"https://acme.com/a\", [NAME_1].");
        assert!(!hidden.0.contains("Dana") && !hidden.0.contains("acme"), "{}", hidden.0);
        let json = serde_json::to_string(&hidden).expect("json");
        let back: String = serde_json::from_str(&redaction.restore(&json)).expect("json");
        assert_eq!(back, "Ask Dana about \"https://acme.com/a\", [NAME_1].");
    }

    proptest::proptest! {
        #[test]
        fn every_text_comes_back(text in r#"([A-Za-zА-Яа-я0-9 .,@'+\[\]_"/:«»\\-]|https://|\[NAME_1\]){0,40}"#) {
            let mut redaction = redaction(&text);
            let (hidden, _) = redaction.hide(&text);
            let json = serde_json::to_string(&hidden).expect("json");
            let back: String = serde_json::from_str(&redaction.restore(&json)).expect("json");
            proptest::prop_assert_eq!(back, text);
        }
    }
}
