//! Days in words of a letter, and back: the weekday always stands with the date.

use chrono::{Datelike, NaiveDate, Weekday};

use crate::domain::{DateQualifier, DateValue, EN_ORDINALS, Language};

const EN_DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
/// Nominative, genitive, accusative: среда, до среды, в среду.
const RU_DAYS: [[&str; 3]; 7] = [
    ["понедельник", "понедельника", "понедельник"],
    ["вторник", "вторника", "вторник"],
    ["среда", "среды", "среду"],
    ["четверг", "четверга", "четверг"],
    ["пятница", "пятницы", "пятницу"],
    ["суббота", "субботы", "субботу"],
    ["воскресенье", "воскресенья", "воскресенье"],
];
/// «К среде»: letters do not say so, people do.
const RU_DATIVE: [&str; 7] = [
    "понедельнику",
    "вторнику",
    "среде",
    "четвергу",
    "пятнице",
    "субботе",
    "воскресенью",
];
const EN_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const RU_MONTHS: [&str; 12] = [
    "января",
    "февраля",
    "марта",
    "апреля",
    "мая",
    "июня",
    "июля",
    "августа",
    "сентября",
    "октября",
    "ноября",
    "декабря",
];

#[derive(Clone, Copy)]
enum Case {
    Nominative,
    Genitive,
    Accusative,
}

/// "Wednesday, 19 March" / «среда, 19 марта».
pub fn day(date: NaiveDate, language: Language) -> String {
    match language {
        Language::En => date.format("%A, %-d %B").to_string(),
        Language::Ru => format!("{}, {}", ru_weekday(date, Case::Nominative), ru_day(date)),
    }
}

/// "19 March" / «19 марта».
pub fn short_day(date: NaiveDate, language: Language) -> String {
    match language {
        Language::En => date.format("%-d %B").to_string(),
        Language::Ru => ru_day(date),
    }
}

fn ru_day(date: NaiveDate) -> String {
    format!("{} {}", date.day(), RU_MONTHS[date.month0() as usize])
}

fn ru_weekday(date: NaiveDate, case: Case) -> &'static str {
    RU_DAYS[date.weekday().num_days_from_monday() as usize][case as usize]
}

fn time(value: &DateValue) -> String {
    value
        .time
        .map_or_else(String::new, |time| time.format(", %H:%M").to_string())
}

/// The day of a meeting with its time: "Wednesday, 19 March, 10:00".
pub fn meeting_day(value: &DateValue, language: Language) -> Option<String> {
    Some(day(value.date?, language) + &time(value))
}

/// Until when, or on which day, with its preposition: "by Friday, 18 April" / «до пятницы, 18 апреля». None where the
/// words fix no day.
pub fn due(value: &DateValue, language: Language) -> Option<String> {
    let (date, before, after) = match (value.date.or(value.end), value.start) {
        (Some(date), _) => (
            date,
            // The end of an interval is the last day that keeps the promise.
            value.date.is_none() || matches!(value.qualifier, DateQualifier::By | DateQualifier::Before),
            value.qualifier == DateQualifier::After,
        ),
        (None, Some(start)) => (start, false, true),
        (None, None) => return None,
    };
    let time = time(value);
    let approx = value.qualifier == DateQualifier::Approx;
    Some(match language {
        Language::En => {
            let preposition = match (approx, after, before) {
                (true, ..) => "around",
                (_, true, _) => "after",
                (_, _, true) if value.qualifier == DateQualifier::Before => "before",
                (_, _, true) => "by",
                _ => "on",
            };
            format!("{preposition} {}{time}", day(date, language))
        }
        Language::Ru if approx => format!("около {}{time}", ru_day(date)),
        Language::Ru => {
            let (preposition, case) = match (after, before) {
                (true, _) => ("после", Case::Genitive),
                (_, true) => ("до", Case::Genitive),
                _ if date.weekday() == Weekday::Tue => ("во", Case::Accusative),
                _ => ("в", Case::Accusative),
            };
            format!("{preposition} {}, {}{time}", ru_weekday(date, case), ru_day(date))
        }
    })
}

/// The weekday that a word in small letters names, in any case of its language.
pub fn weekday(word: &str) -> Option<Weekday> {
    let place = (0..7)
        .find(|&at| EN_DAYS[at].to_lowercase() == word || RU_DAYS[at].contains(&word) || RU_DATIVE[at] == word)?;
    Weekday::try_from(place as u8).ok()
}

/// The month, 1–12, that a word in small letters names; Russian in the genitive.
pub fn month(word: &str) -> Option<u32> {
    let place = (0..12).find(|&at| EN_MONTHS[at].to_lowercase() == word || RU_MONTHS[at] == word)?;
    Some(place as u32 + 1)
}

/// In the genitive, as days are named.
const RU_NUMBERS: [&str; 20] = [
    "первого",
    "второго",
    "третьего",
    "четвертого",
    "пятого",
    "шестого",
    "седьмого",
    "восьмого",
    "девятого",
    "десятого",
    "одиннадцатого",
    "двенадцатого",
    "тринадцатого",
    "четырнадцатого",
    "пятнадцатого",
    "шестнадцатого",
    "семнадцатого",
    "восемнадцатого",
    "девятнадцатого",
    "двадцатого",
];

/// The day of a month that words in small letters begin with, and how many of them name it: "twenty-first", «11-го».
pub fn day_number(words: &[String]) -> Option<(u32, usize)> {
    let word = words.first()?.as_str();
    let unit = |word: &str| {
        let place = (0..20).find(|&at| EN_ORDINALS[at] == word || RU_NUMBERS[at] == word)?;
        Some(place as u32 + 1)
    };
    let tens = |word: &str| match word {
        "twenty" | "двадцать" => Some(20),
        "thirty" | "тридцать" => Some(30),
        _ => None,
    };
    if let Some((first, second)) = word.split_once('-')
        && let (Some(tens), Some(unit)) = (tens(first), unit(second))
    {
        return Some((tens + unit, 1));
    }
    if let (Some(tens), Some(unit)) = (tens(word), words.get(1).and_then(|word| unit(word))) {
        return Some((tens + unit, 2));
    }
    if matches!(word, "thirtieth" | "тридцатого") {
        return Some((30, 1));
    }
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let ending = &word[digits.len()..];
    let number = digits.parse().ok().filter(|_| {
        matches!(ending, "st" | "nd" | "rd" | "th" | "-го" | "го")
            || words.get(1).is_some_and(|next| month(next).is_some())
    });
    number.or_else(|| unit(word)).map(|day| (day, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(qualifier: DateQualifier) -> DateValue {
        DateValue {
            kind: None,
            date: NaiveDate::from_ymd_opt(2025, 4, 18),
            start: None,
            end: None,
            time: None,
            time_end: None,
            qualifier,
            ambiguous: false,
            past: false,
        }
    }

    #[test]
    fn days_have_their_case() {
        let due = |qualifier, language| due(&value(qualifier), language).expect("a day");
        assert_eq!(due(DateQualifier::By, Language::Ru), "до пятницы, 18 апреля");
        assert_eq!(due(DateQualifier::On, Language::Ru), "в пятницу, 18 апреля");
        assert_eq!(due(DateQualifier::By, Language::En), "by Friday, 18 April");
        assert_eq!(due(DateQualifier::Before, Language::En), "before Friday, 18 April");
        assert_eq!(due(DateQualifier::Approx, Language::Ru), "около 18 апреля");
        let tuesday = DateValue {
            date: NaiveDate::from_ymd_opt(2025, 4, 22),
            time: chrono::NaiveTime::from_hms_opt(11, 0, 0),
            ..value(DateQualifier::On)
        };
        assert_eq!(
            super::due(&tuesday, Language::Ru).as_deref(),
            Some("во вторник, 22 апреля, 11:00")
        );
        assert_eq!(
            meeting_day(&tuesday, Language::En).as_deref(),
            Some("Tuesday, 22 April, 11:00")
        );
        let week = DateValue {
            date: None,
            start: NaiveDate::from_ymd_opt(2025, 4, 14),
            end: NaiveDate::from_ymd_opt(2025, 4, 18),
            ..value(DateQualifier::On)
        };
        assert_eq!(
            super::due(&week, Language::Ru).as_deref(),
            Some("до пятницы, 18 апреля")
        );
        let none = DateValue {
            date: None,
            ..value(DateQualifier::On)
        };
        assert_eq!(super::due(&none, Language::En), None);
    }

    #[test]
    fn words_name_their_day() {
        assert_eq!(weekday("среду"), Some(Weekday::Wed));
        assert_eq!(weekday("sunday"), Some(Weekday::Sun));
        assert_eq!((weekday("day"), weekday("вторнику")), (None, Some(Weekday::Tue)));
        let number = |text: &str| day_number(&super::super::words::words(text));
        assert_eq!(number("двадцать пятого февраля"), Some((25, 2)));
        assert_eq!(number("twenty-first"), Some((21, 1)));
        assert_eq!(
            (number("11-го"), number("14th"), number("14 марта")),
            (Some((11, 1)), Some((14, 1)), Some((14, 1)))
        );
        assert_eq!((number("14 boxes"), number("пять"), number("")), (None, None, None));
        assert_eq!(
            (month("мая"), month("december"), month("maybe")),
            (Some(5), Some(12), None)
        );
    }
}
