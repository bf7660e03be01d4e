//! Sentences by which somebody promises something, and by when.

use std::ops::Range;

use super::text::{Found, has_word, sentence_around};
use crate::domain::{DateQualifier, DateValue};

/// Words that turn a sentence into a supposition or somebody else's story.
pub const SUPPOSED: &[&str] = &[
    "if you had",
    "if we had",
    "let's say you",
    "imagine",
    "suppose",
    "если бы",
    "допустим",
    "представьте",
    "например, у",
];
const PROMISES: &[&str] = &[
    "i'll",
    "i will",
    "we'll",
    "we will",
    "let me send",
    "i am going to",
    "i'm going to",
    "you'll have",
    "пришлю",
    "отправлю",
    "вышлю",
    "скину",
    "подготовлю",
    "сделаю",
    "позвоню",
    "наберу",
    "перезвоню",
    "приведу",
    "согласую",
    "уточню",
    "передам",
    "подъеду",
    "приеду",
    "поставлю",
    "подпишу",
    "оплачу",
    "возьму",
    "соберу",
    "покажу",
    "закажу",
    "выставлю",
    "сброшу",
    "позову",
    "принесу",
    "займусь",
    "направлю",
    "обсужу",
    "позвоним",
    "перезвоним",
    "пришлем",
    "отправим",
    "вышлем",
    "подготовим",
];
/// What may follow "I'll … and" without another "I'll".
const VERBS_BEHIND_AND: &[&str] = &[
    "call", "ring", "send", "email", "show", "text", "bring", "share", "book", "come", "write", "prepare", "check",
    "follow",
];
/// Between two statements; a comma with a word parts more surely than either alone.
const STRONG: &[&str] = &[", а ", ", и ", ", но ", ", and ", ", but ", ", then ", "; "];
const WEAK: &[&str] = &[", ", " — ", " - ", " а ", " и ", " and ", " then ", " но ", " but "];
const CONJUNCTIONS: &[&str] = &[" а ", " и ", " но ", " and ", " but "];
/// Somebody else does something by that day.
const OTHERS: &[&str] = &[
    "you",
    "they",
    "he",
    "she",
    "it",
    "вы",
    "ты",
    "они",
    "он",
    "она",
    "у нас",
    "у вас",
    "у них",
    "у него",
    "у нее",
];

/// Promises with the days they are due, in the order of the text.
pub fn find(text: &str, days: &[Found<DateValue>]) -> Vec<Found<Option<DateValue>>> {
    sentences(text)
        .into_iter()
        .filter(|sentence| {
            let lower = lower(&text[sentence.clone()]);
            !SUPPOSED.iter().any(|words| lower.contains(words)) && has_word(&lower, PROMISES)
        })
        .flat_map(|sentence| parts(text, &sentence, days))
        .map(|range| Found {
            value: due(text, &range, days),
            range,
        })
        .collect()
}

fn lower(text: &str) -> String {
    text.to_lowercase().replace('ё', "е").replace('’', "'")
}

fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut from = 0;
    while let Some(first) = text[from..].chars().find(|c| !c.is_whitespace()) {
        let start = from + text[from..].find(first).unwrap_or(0);
        let range = sentence_around(text, &(start..start + first.len_utf8()));
        let end = range.end.max(start + first.len_utf8());
        sentences.push(start..end);
        from = end;
    }
    sentences
}

/// Places of the words of promise in a sentence, from the beginning of `text`.
fn verbs(text: &str, sentence: &Range<usize>) -> Vec<Range<usize>> {
    let lower = lower(&text[sentence.clone()]);
    // Letters that change their length in lower case would move the places.
    if lower.len() != text[sentence.clone()].replace('’', "'").len() || text[sentence.clone()].contains('’') {
        return Vec::new();
    }
    let whole = |at: usize, word: &str| {
        !lower[..at].ends_with(char::is_alphanumeric) && !lower[at + word.len()..].starts_with(char::is_alphanumeric)
    };
    let places = |word: &'static str| lower.match_indices(word).filter(|(at, word)| whole(*at, word));
    let mut verbs: Vec<Range<usize>> = PROMISES
        .iter()
        .flat_map(|word| places(word))
        .map(|(at, word)| at..at + word.len())
        .collect();
    let first = verbs.iter().map(|verb| verb.start).min().unwrap_or(lower.len());
    verbs.extend(
        VERBS_BEHIND_AND
            .iter()
            .flat_map(|word| places(word))
            .filter(|(at, _)| *at > first && (lower[..*at].ends_with("and ") || lower[..*at].ends_with("then ")))
            .map(|(at, word)| at..at + word.len()),
    );
    verbs.sort_by_key(|verb| verb.start);
    verbs
        .into_iter()
        .map(|verb| sentence.start + verb.start..sentence.start + verb.end)
        .collect()
}

/// A sentence, parted where a second promise with a day of its own begins.
fn parts(text: &str, sentence: &Range<usize>, days: &[Found<DateValue>]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut from = sentence.start;
    for pair in verbs(text, sentence).windows(2) {
        let between = &text[pair[0].end..pair[1].start.max(pair[0].end)];
        let Some((end, start)) = border(between) else { continue };
        let (end, start) = (pair[0].end + end, pair[0].end + start);
        let dated = |part: Range<usize>| {
            days.iter()
                .any(|day| part.start <= day.range.start && day.range.end <= part.end)
        };
        // "I will fill and send it by Friday" is one promise.
        let bare = VERBS_BEHIND_AND.contains(&lower(&text[pair[1].clone()]).as_str());
        if from <= end && dated(start..sentence.end) && (!bare || dated(from..end)) {
            parts.push(from..end);
            from = start;
        }
    }
    parts.push(from..sentence.end);
    parts
}

/// Where the words before a second promise end, and where it begins.
fn border(between: &str) -> Option<(usize, usize)> {
    let last = |joints: &[&str]| {
        joints
            .iter()
            .filter_map(|joint| Some((between.rfind(joint)?, joint.len())))
            .max()
            .map(|(at, length)| (at, at + length))
    };
    last(STRONG).or_else(|| last(WEAK))
}

/// The day nearest to the words of promise, unless it is said of something else.
fn due(text: &str, part: &Range<usize>, days: &[Found<DateValue>]) -> Option<DateValue> {
    let verbs = verbs(text, part);
    let inside = || {
        days.iter()
            .filter(|day| part.start <= day.range.start && day.range.end <= part.end)
            .filter(|day| !day.value.past && day.value.qualifier != DateQualifier::After)
    };
    let Some(verb) = verbs.first() else {
        return inside().next().map(|day| day.value.clone());
    };
    inside()
        .filter(|day| belongs(text, verb, &day.range, part))
        .min_by_key(|day| {
            if day.range.start >= verb.end {
                day.range.start - verb.end
            } else {
                verb.start.saturating_sub(day.range.end)
            }
        })
        .map(|day| day.value.clone())
}

fn belongs(text: &str, verb: &Range<usize>, day: &Range<usize>, part: &Range<usize>) -> bool {
    // "the invites for the sixth" are not due on the sixth.
    if lower(&text[day.clone()]).starts_with("for ") {
        return false;
    }
    if day.end <= verb.start {
        let between = lower(&text[day.end..verb.start]);
        let joined = CONJUNCTIONS.iter().any(|word| between.contains(word));
        return !joined && !has_word(&between, OTHERS);
    }
    let between = lower(&text[verb.end.min(day.start)..day.start]);
    let Some(at) = WEAK
        .iter()
        .filter_map(|joint| Some(between.rfind(joint)? + joint.len()))
        .max()
    else {
        return true;
    };
    // "…, and tomorrow you get": the statement around the day has a subject of its own.
    let rest = lower(&text[day.end..part.end]);
    let own = rest
        .find([',', '.', '?', '!'])
        .map_or(rest.as_str(), |end| &rest[..end]);
    // "and send to you", "call you": that you does nothing.
    let statement = ["to you", "for you", "with you"]
        .iter()
        .fold(between[at..].to_owned(), |part, object| part.replace(object, " "));
    let statement = VERBS_BEHIND_AND
        .iter()
        .fold(statement, |part, verb| part.replace(&format!("{verb} you"), " "));
    !has_word(&statement, OTHERS) && !has_word(own, OTHERS)
}

#[cfg(test)]
mod tests {
    use super::super::{dates, samples};
    use super::*;
    use crate::domain::Language;

    fn promises(text: &str, language: Language, date: &str) -> Vec<String> {
        let days = dates::find(text, language, date.parse().expect("a date"));
        find(text, &days)
            .into_iter()
            .map(|found| {
                let due = found.value.as_ref().map_or("undated".to_owned(), samples::day);
                format!("{}: {due}", &text[found.range])
            })
            .collect()
    }

    #[test]
    fn two_promises_have_two_days() {
        let ru = |text: &str| promises(text, Language::Ru, "2025-04-16");
        assert_eq!(
            ru("Хорошо, я сегодня пришлю вам резюме, а в следующий вторник покажу расчёт."),
            [
                "Хорошо, я сегодня пришлю вам резюме: 2025-04-16",
                "в следующий вторник покажу расчёт.: 2025-04-22"
            ]
        );
        assert_eq!(
            ru("Отправлю предложение сегодня и перезвоню двенадцатого мая."),
            [
                "Отправлю предложение сегодня: 2025-04-16",
                "перезвоню двенадцатого мая.: 2025-05-12"
            ]
        );
        assert_eq!(
            ru("В субботу в десять подъеду и ему тоже покажу."),
            ["В субботу в десять подъеду и ему тоже покажу.: 2025-04-19 10:00"]
        );
        let en = |text: &str| promises(text, Language::En, "2025-03-12");
        assert_eq!(
            en("I'll send the summary today and call you on Friday."),
            [
                "I'll send the summary today: 2025-03-12",
                "call you on Friday.: 2025-03-14"
            ]
        );
    }

    #[test]
    fn the_day_of_the_promise() {
        let ru = |text: &str| promises(text, Language::Ru, "2025-04-16");
        assert_eq!(
            ru("К пятнице пришлю договор, который вы двадцать пятого подпишете."),
            ["К пятнице пришлю договор, который вы двадцать пятого подпишете.: by 2025-04-18"]
        );
        assert_eq!(
            ru("Пришлю договор, в четверг у нас планёрка."),
            ["Пришлю договор, в четверг у нас планёрка.: undated"]
        );
        assert!(ru("Сможете сегодня скинуть на этот номер?").is_empty());
        let en = |text: &str| promises(text, Language::En, "2025-03-12");
        assert_eq!(
            en("I'll email the agreement tonight, and could you export the list by Friday?"),
            ["I'll email the agreement tonight, and could you export the list by Friday?: 2025-03-12"]
        );
        assert_eq!(
            en("The fix goes out on Thursday, and I'll write to you."),
            ["The fix goes out on Thursday, and I'll write to you.: undated"]
        );
        assert_eq!(
            en("The form I will fill and send to you by Friday."),
            ["The form I will fill and send to you by Friday.: by 2025-03-14"]
        );
        assert_eq!(
            en("I'll send the invite for the twenty-eighth."),
            ["I'll send the invite for the twenty-eighth.: undated"]
        );
    }
}
