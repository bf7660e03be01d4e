//! Finding the words: which sentence of a turn carries a statement, whether a step has a date.

use crate::domain::{Evidence, Field, FieldName, FieldValue, Turn, sentences};

/// Turns up to this many words are quoted whole.
const SHORT: usize = 18;

const DATE_WORDS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "tomorrow",
    "today",
    "tonight",
    "next week",
    "this week",
    "end of the week",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "o'clock",
    "a.m",
    "p.m",
    "the first",
    "the second",
    "the third",
    "понедельник",
    "вторник",
    "сред",
    "четверг",
    "пятниц",
    "суббот",
    "воскресень",
    "завтра",
    "сегодня",
    "на неделе",
    "на следующей",
    "недел",
    "январ",
    "феврал",
    "марта",
    "апрел",
    "мая",
    "июн",
    "июл",
    "август",
    "сентябр",
    "октябр",
    "ноябр",
    "декабр",
    "числа",
    "утром",
    "вечером",
];
/// Endings of Russian and English day numbers in words ("eighteenth", «двадцать девятого»).
const ORDINALS: &[&str] = &[
    "teenth",
    "tieth",
    "надцатого",
    "дцатого",
    "девятого",
    "восьмого",
    "седьмого",
    "пятого",
];

/// The text names a day or a time.
pub fn has_date(text: &str) -> bool {
    let lower = text.to_lowercase();
    DATE_WORDS
        .iter()
        .chain(ORDINALS)
        .any(|word| contains_from_word_start(&lower, word, ORDINALS.contains(word)))
        || names_a_day_of_may(&lower)
}

/// "May" is a day's month only beside a number: "by May 20", "the 3rd of May".
fn names_a_day_of_may(lower: &str) -> bool {
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    words.windows(2).any(|pair| match pair {
        ["may", after] => number(after),
        [before, "may"] => number(before),
        _ => false,
    }) || words
        .windows(3)
        .any(|three| three[1..] == ["of", "may"] && number(&three[0]))
}

/// `word` begins at the beginning of a word of `text`, or anywhere if it is an ending.
fn contains_from_word_start(text: &str, word: &str, ending: bool) -> bool {
    // Russian words are given by their stems, English ones whole: "march" is not in "marchandise".
    let whole = word.is_ascii() && !ending;
    text.match_indices(word).any(|(at, _)| {
        let before = ending || !text[..at].ends_with(char::is_alphabetic);
        before && !(whole && text[at + word.len()..].starts_with(char::is_alphabetic))
    })
}

/// A step said in turn `at` has a date: in its own words, in a field taken from it, or in the proposal it answers.
pub fn is_dated(turns: &[Turn], at: usize, fields: &[Field]) -> bool {
    let by_field = fields.iter().any(|field| {
        field.turn == Some(turns[at].i)
            && match &field.value {
                Some(FieldValue::Date(_)) => field.field == FieldName::NextMeeting,
                Some(FieldValue::Commitment(promise)) => promise.due.is_some(),
                _ => false,
            }
    });
    by_field
        || has_date(&turns[at].text)
        || (at > 0 && turns[at - 1].role != turns[at].role && has_date(&turns[at - 1].text))
}

/// A number in words is in the text, given in lower case.
pub fn has_number_word(lower: &str) -> bool {
    const WORDS: &[&str] = &[
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "fifteen",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "hundred",
        "thousand",
        "million",
        "grand",
        "half",
        "third",
        "quarter",
        "percent",
        "два",
        "две",
        "двух",
        "три",
        "трёх",
        "трех",
        "четыре",
        "пять",
        "шесть",
        "семь",
        "восемь",
        "девять",
        "десять",
        "двадцать",
        "тридцать",
        "сорок",
        "пятьдесят",
        "сто",
        "двести",
        "триста",
        "тысяч",
        "тысячи",
        "тысячу",
        "миллион",
        "миллиона",
        "миллионов",
        "полтора",
        "полутора",
        "половину",
        "процентов",
        "треть",
        "четверть",
    ];
    lower
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| WORDS.contains(&word))
}

/// The words of a short turn, of a long one its longest sentence.
pub fn sentence(turn: &Turn) -> Evidence {
    let text = turn.text.as_str();
    let quote = if text.split_whitespace().count() <= SHORT {
        text.trim()
    } else {
        sentences(text)
            .into_iter()
            .max_by_key(|part| part.len())
            .unwrap_or(text)
    };
    Evidence {
        turn: turn.i,
        quote: quote.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_words() {
        for text in [
            "Thursday at three works",
            "до пятницы пришлю",
            "на двадцать девятого",
            "the eighteenth is fine",
            "legal signs off by May 20",
            "on the 3rd of May",
        ] {
            assert!(has_date(text), "{text}");
        }
        for text in [
            "we had a marchandise problem with it",
            "посредник нам мешает",
            "maybe later",
            "we may lose 20 of them",
        ] {
            assert!(!has_date(text), "{text}");
        }
    }
}
