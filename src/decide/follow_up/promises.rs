//! What was promised, as lines of a letter: the clause with the promise, its person turned where the buyer promised.

use super::super::Situation;
use super::secrets::{self, Secrets};
use super::wording::{self, is_aside, place_of_promise, quoted, says_nothing, without_day};
use super::words::{has_words, plain, tokens};
use super::{dates, quotes, worth};
use crate::domain::{Commitment, DateValue, Field, FieldName, FieldValue, FollowUpFact, Language, Role, sentences};

/// Steps of each side in a letter.
pub const MOST: usize = 3;
/// Words of a step that a reader still takes in.
const LONGEST: usize = 20;

/// One agreed step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub text: String,
    /// With its preposition: "by Friday, 18 April".
    pub day: Option<String>,
    pub fact: FollowUpFact,
}

/// The letter itself keeps these promises.
const THE_LETTER: &[&str] = &[
    "recap",
    "summary",
    "this letter",
    "follow-up email",
    "follow up email",
    "резюме",
    "итоги",
    "протокол",
    "саммари",
];

/// The promise of a field, if a letter may speak of it.
pub fn promise<'a>(situation: &Situation<'_>, field: &'a Field) -> Option<&'a Commitment> {
    let Some(FieldValue::Commitment(promise)) = &field.value else {
        return None;
    };
    let hidden = secrets::confidential(&promise.what) || secrets::names_a_rival(situation, &promise.what);
    // A question asks the other side for something: it promises nothing.
    (!hidden && !promise.what.trim_end().ends_with('?')).then_some(promise)
}

/// Whether this letter keeps the promise by being sent.
pub fn is_this_letter(text: &str) -> bool {
    let lower = text.to_lowercase();
    THE_LETTER.iter().any(|words| lower.contains(words))
}

/// The steps that a side promised, in the order of the call.
pub fn steps(situation: &Situation<'_>, secrets: &Secrets, who: Role, informal: bool) -> Vec<Step> {
    let language = situation.language;
    let mut steps: Vec<Step> = Vec::new();
    for field in situation.said(FieldName::Commitments) {
        let (Some(promise), Some(turn)) = (promise(situation, field), field.turn) else {
            continue;
        };
        if promise.who != who {
            continue;
        }
        let due = (promise.due.as_ref()).filter(|due| !due.ambiguous && !due.past);
        let clauses = clauses(&promise.what, language);
        let dated = clauses.iter().position(|clause| clause.dated).unwrap_or(0);
        for (at, clause) in clauses.iter().enumerate() {
            let due = due.filter(|_| at == dated && !clause.conditional);
            if is_this_letter(clause.text) || !secrets.allow_promise(situation, who, turn, clause.text) {
                continue;
            }
            let Some((text, day)) = step(clause, who, due, language, informal) else {
                continue;
            };
            if steps.iter().all(|known| known.text != text) {
                steps.push(Step {
                    text,
                    day,
                    fact: FollowUpFact {
                        text: clause.text.to_owned(),
                        turn,
                    },
                });
            }
        }
    }
    steps.truncate(MOST);
    steps
}

/// A clause in words of the letter, and its day. None: it promises nothing that a letter can hold anybody to.
fn step(
    clause: &Clause<'_>,
    who: Role,
    due: Option<&DateValue>,
    language: Language,
    informal: bool,
) -> Option<(String, Option<String>)> {
    let day = due.and_then(|due| dates::due(due, language));
    let date = due.and_then(DateValue::latest);
    // The day behind the step says it once more, and absolutely.
    let mut bare = match day {
        Some(_) => without_day(clause.text, date),
        None => clause.text.to_owned(),
    };
    // What the day stood in the middle of is no sentence without it.
    if bare != clause.text && worth::is_unfinished(&bare) {
        bare = clause.text.to_owned();
    }
    if worth::is_of_two(clause.text) || worth::is_unfinished(&bare) {
        return None;
    }
    if says_nothing(&bare) && !(day.is_some() && wording::is_a_call(&bare)) || !wording::is_a_deed(&bare, language) {
        return None;
    }
    let text = match who {
        _ if clause.conditional => quoted(clause.text, language),
        Role::Buyer => wording::to_the_buyer(&bare, language, informal)?,
        _ => wording::of_the_rep(&bare, language)?,
    };
    // A quote is whole: its day stands in it too.
    // «позовёте» alone says nothing, nor with a clause that hangs on it.
    let head = text.split([',', ';']).next().unwrap_or_default();
    let head = head.split(" но ").next().unwrap_or_default();
    let hangs = |tail: &str| {
        let tail = plain(tail.trim_start_matches([',', ';', ' ']));
        ["а", "но", "как", "пока", "что", "если", "потому"]
            .iter()
            .any(|joint| tail.split(' ').next() == Some(joint))
    };
    let alone = !head.trim().contains(' ') && (head.len() == text.len() || hangs(&text[head.len()..]));
    if alone && day.is_none() {
        return None;
    }
    let whole = text.starts_with(['“', '«']);
    let text = if whole { quoted(clause.text, language) } else { text };
    let named = (whole || bare == clause.text) && wording::names_a_day(&text, date);
    // What names a day already has its date in brackets.
    let day = match date {
        Some(date) if named => Some(format!("({})", dates::short_day(date, language))),
        _ => day,
    };
    Some((text, day))
}

/// A part of a sentence with a word of promise.
struct Clause<'a> {
    text: &'a str,
    dated: bool,
    /// With its condition: it stands as it was said.
    conditional: bool,
}

/// The parts of a promise, each with one word of promise.
fn clauses(what: &str, language: Language) -> Vec<Clause<'_>> {
    let mut found = Vec::new();
    for sentence in sentences(what) {
        let mut from = 0;
        let mut parts = Vec::new();
        for (at, mark) in sentence.char_indices() {
            // Inside of a joint.
            if at < from {
                continue;
            }
            let rest = &sentence[at..];
            let lead = |joint: &str| rest.starts_with(joint) && starts_promise(&rest[joint.len()..], language);
            let joint = [", and ", ", а ", ", и ", " and ", " а ", " и ", ", but ", ", но "]
                .into_iter()
                .find(|joint| lead(joint));
            let ends = matches!(mark, ',' | ';' | ':' | '—' | '–') && rest[mark.len_utf8()..].starts_with(' ')
                || rest.starts_with(" so ")
                || rest.starts_with(" but ")
                || rest.starts_with(" because ")
                || second_verb(rest, language);
            // «приеду, посмотрю всё на месте»: one word alone says too little.
            let short = joint.is_none()
                && place_of_promise(&sentence[from..at], language).is_some()
                && sentence[from..at]
                    .split_whitespace()
                    .filter(|word| !is_aside(word))
                    .count()
                    < 2;
            if (joint.is_some() || ends) && !short {
                parts.push(&sentence[from..at]);
                from = at + joint.map_or(mark.len_utf8(), str::len);
            }
        }
        parts.push(&sentence[from.min(sentence.len())..]);
        if is_conditional(sentence) {
            // The condition is a part of the promise.
            parts = quotes::telling_part(sentence, None)
                .filter(|part| part.len() + 4 > quotes::trim(sentence).len())
                .into_iter()
                .collect();
        }
        let promised = parts
            .into_iter()
            .map(quotes::trim)
            .filter(|part| place_of_promise(part, language).is_some() && !is_cut_short(part))
            .filter(|part| {
                part.split_whitespace().count() <= LONGEST && !part.contains(['“', '”', '«', '»', '"', '['])
            });
        let conditional = is_conditional(sentence);
        found.extend(promised.map(|text| {
            let lower = plain(text);
            Clause {
                text,
                conditional,
                dated: wording::RELATIVE.iter().any(|words| has_words(&lower, words))
                    || tokens(&lower).any(|(_, word)| dates::weekday(word).is_some() || dates::month(word).is_some()),
            }
        }));
    }
    found
}

/// «… и поддержу»: another verb of the first person.
fn second_verb(rest: &str, language: Language) -> bool {
    let Some(after) = rest.strip_prefix(" и ").filter(|_| language == Language::Ru) else {
        return false;
    };
    let word = after.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    word.chars().count() > 4 && word.ends_with(['у', 'ю'])
}

/// Words that begin a clause which hangs on another.
const HALVES: &[&str] = &[
    "что",
    "чтобы",
    "как",
    "пока",
    "где",
    "который",
    "which",
    "that",
    "what",
    "where",
    "until",
];

/// "… with Mr": the sentence was cut at a point that ends none; "what I will do is …" promises nothing yet.
fn is_cut_short(part: &str) -> bool {
    let lower = plain(part);
    ["mr", "mrs", "ms", "dr"]
        .iter()
        .any(|title| lower.ends_with(&format!(" {title}")))
        || lower.contains("will do is")
        || HALVES
            .iter()
            .any(|word| has_words(lower.split(' ').next().unwrap_or_default(), word))
        || lower.contains("что сделаю")
}

fn is_conditional(sentence: &str) -> bool {
    const CONDITIONS: &[&str] = &[
        "if",
        "unless",
        "once",
        "as soon as",
        "provided",
        "если",
        "как только",
        "при условии",
    ];
    let lower = plain(sentence);
    CONDITIONS.iter().any(|word| has_words(&lower, word))
}

fn starts_promise(rest: &str, language: Language) -> bool {
    let near: String = rest.chars().take(60).collect();
    let part = near.split([',', ';', '.']).next().unwrap_or_default();
    place_of_promise(part, language).is_some_and(|(start, _)| match language {
        Language::En => part[..start].split_whitespace().count() <= 2,
        Language::Ru => true,
    })
}

#[cfg(test)]
mod tests {
    use super::wording::{of_the_rep, to_the_buyer};
    use super::*;

    fn of_rep(what: &str, language: Language) -> Vec<String> {
        let clauses = clauses(what, language);
        clauses
            .iter()
            .filter_map(|clause| of_the_rep(clause.text, language))
            .collect()
    }

    fn of_buyer(what: &str, language: Language) -> Vec<String> {
        let clauses = clauses(what, language);
        clauses
            .iter()
            .filter_map(|clause| match clause.conditional {
                true => Some(quoted(clause.text, language)),
                false => to_the_buyer(clause.text, language, false),
            })
            .collect()
    }

    #[test]
    fn the_rep_speaks_for_themselves() {
        assert_eq!(
            of_rep(
                "Then let's do this: forty minutes next Wednesday at ten with you and Karen, and I'll send the security \
                 pack today so IT can start.",
                Language::En
            ),
            ["I'll send the security pack"]
        );
        assert_eq!(
            of_rep(
                "I will ask today and by evening I'll message you yes or no.",
                Language::En
            ),
            ["I will ask", "I'll message you yes or no"]
        );
        assert_eq!(
            of_rep(
                "Тогда давайте так: в следующий вторник в одиннадцать показываю вам и финансовому директору расчёт \
                 окупаемости, а документы для безопасников пришлю сегодня.",
                Language::Ru
            ),
            ["документы для безопасников пришлю"]
        );
    }

    #[test]
    fn what_the_buyer_promised_is_said_to_the_buyer() {
        assert_eq!(
            of_buyer("And you'll have last quarter's numbers by Friday.", Language::En),
            ["last quarter's numbers by Friday"]
        );
        assert_eq!(
            of_buyer(
                "I'll bring Karen myself and back this, I want it off my plate.",
                Language::En
            ),
            ["bring Karen and back this"]
        );
        assert_eq!(of_buyer("I'll send you the list.", Language::En), ["the list"]);
        assert_eq!(
            of_buyer("И выгрузку по заявкам пришлю до пятницы.", Language::Ru),
            ["выгрузку по заявкам пришлёте до пятницы"]
        );
        assert_eq!(
            of_buyer(
                "Финансового я сама приведу и поддержу, мне этот вопрос закрыть надо.",
                Language::Ru
            ),
            ["Финансового приведёте"]
        );
    }

    #[test]
    fn a_day_is_said_once() {
        for (said, left) in [
            (
                "you'll have last quarter's numbers by Friday",
                "you'll have last quarter's numbers",
            ),
            ("tuesday at nine i'll have derek ready", "i'll have derek ready"),
            ("В пятницу наберу тебя", "наберу тебя"),
            ("выгрузку пришлю до пятницы", "выгрузку пришлю"),
            (
                "Договор с пунктом про дождь пришлю сегодня к пяти",
                "Договор с пунктом про дождь пришлю",
            ),
            ("тогда давайте я в субботу в десять подъеду", "тогда давайте я подъеду"),
            ("вам до пятницы пришлю график платежей", "вам пришлю график платежей"),
            ("I'll send the Friday report again", "I'll send the Friday report again"),
        ] {
            assert_eq!(without_day(said, None), left);
        }
    }

    fn one(what: &str, who: Role, due: &str, language: Language) -> Vec<(String, Option<String>)> {
        let due = DateValue {
            kind: None,
            date: Some(due.parse().expect("a day")),
            start: None,
            end: None,
            time: None,
            time_end: None,
            qualifier: crate::domain::DateQualifier::On,
            ambiguous: false,
            past: false,
        };
        let clauses = clauses(what, language);
        clauses
            .iter()
            .filter_map(|clause| step(clause, who, Some(&due), language, false))
            .collect()
    }

    #[test]
    fn one_line_has_one_day() {
        for (said, who, due, language, text, day) in [
            (
                "Одиннадцатого позвоню вам.",
                Role::Buyer,
                "2026-02-11",
                Language::Ru,
                "позвоните",
                "в среду, 11 февраля",
            ),
            (
                "Договор пришлю двадцать пятого февраля.",
                Role::Rep,
                "2026-02-25",
                Language::Ru,
                "Договор пришлю",
                "в среду, 25 февраля",
            ),
            (
                "I'll send the draft on Wednesday the eleventh at ten.",
                Role::Rep,
                "2026-02-11",
                Language::En,
                "I'll send the draft",
                "on Wednesday, 11 February",
            ),
            (
                "You'll have the list by February the eleventh.",
                Role::Buyer,
                "2026-02-11",
                Language::En,
                "the list",
                "on Wednesday, 11 February",
            ),
            (
                "I'll send you my list by Wednesday.",
                Role::Buyer,
                "2026-02-11",
                Language::En,
                "“I'll send you my list by Wednesday”",
                "(11 February)",
            ),
            (
                "you'll have the numbers by october the second thats a friday",
                Role::Buyer,
                "2026-10-02",
                Language::En,
                "the numbers by october the second thats a friday",
                "(2 October)",
            ),
        ] {
            assert_eq!(
                one(said, who, due, language),
                [(text.to_owned(), Some(day.to_owned()))],
                "{said}"
            );
        }
    }

    #[test]
    fn what_is_no_deliverable_is_no_step() {
        for (said, who, language) in [
            ("I'll be here for life.", Role::Rep, Language::En),
            ("You'll have spoken to Pauline by then.", Role::Rep, Language::En),
            ("I'll have Tyler.", Role::Rep, Language::En),
            (
                "I'll have Kyle write it if he don't come through — KYLE",
                Role::Buyer,
                Language::En,
            ),
            ("You'll have it both by then.", Role::Rep, Language::En),
            ("Позову.", Role::Buyer, Language::Ru),
            ("Пришлю, но условие.", Role::Buyer, Language::Ru),
            ("Подпишу, а она не проведёт.", Role::Buyer, Language::Ru),
            ("I'll ring her.", Role::Buyer, Language::En),
            ("I'll believe it when I see it working.", Role::Buyer, Language::En),
            ("Скину вам это.", Role::Rep, Language::Ru),
        ] {
            let clauses = clauses(said, language);
            let steps: Vec<_> = clauses
                .iter()
                .filter_map(|clause| step(clause, who, None, language, false))
                .collect();
            assert_eq!(steps, [], "{said}");
        }
    }

    #[test]
    fn empty_promises_are_told() {
        assert_eq!(
            of_buyer(
                "If it clears, and if I have the clean text by Tuesday, I will read it the same day.",
                Language::En
            ),
            ["“If it clears, and if I have the clean text by Tuesday, I will read it the same day”"]
        );
        assert_eq!(
            of_rep("Давайте я приеду, посмотрю эти пять тетрадей живьём.", Language::Ru),
            ["приеду, посмотрю эти пять тетрадей живьём"]
        );
        assert!(says_nothing("I will send, sir") && says_nothing("Скину вам сегодня"));
        assert!(!says_nothing("I'll send the deck") && !says_nothing("пришлю договор"));
    }

    proptest::proptest! {
        #[test]
        fn any_words(text in r#"([A-Za-zА-Яёа-я ,.'’:;—]|i'll |пришлю |today|сегодня|, and |, а ){0,40}"#) {
            for language in [Language::En, Language::Ru] {
                for clause in clauses(&text, language) {
                    proptest::prop_assert!(text.contains(clause.text));
                    to_the_buyer(clause.text, language, true);
                    of_the_rep(clause.text, language);
                }
            }
        }
    }
}
