//! Days and intervals (domain specification, C.4), always counted from the date of the call.

use std::sync::LazyLock;

use chrono::{Datelike, Days, Months, NaiveDate, NaiveTime, Weekday};
use regex::{Captures, Regex, RegexSet, RegexSetBuilder};

use super::numbers;
use super::text::{Found, tokens};
use crate::domain::{DateQualifier, DateValue, EN_ORDINALS, Language, calendar};

type Rule = fn(&Captures<'_>, NaiveDate, Language) -> Option<DateValue>;

/// Rules in order: a place that an earlier rule took is taken.
struct Rules {
    all: Vec<(Regex, Rule)>,
    /// Which of them may find something: their patterns without edges of words, which are slow in letters that are not English, all
    /// read at once. Most texts name no day.
    likely: RegexSet,
}

const EN_DAYS: &str = "monday|tuesday|wednesday|thursday|friday|saturday|sunday";
/// Months that are hardly anything else.
const EN_SURE_MONTHS: &str = "january|february|april|june|july|august|september|october|november|december";
const RU_NAMES: &str = "январь|февраль|апрель|июнь|июль|август|сентябрь|октябрь|ноябрь|декабрь";
const EN_CARDINAL: &str = "(?:twenty|thirty)[ -](?:one|two|three|four|five|six|seven|eight|nine)|one|two|three|four|five|six|seven|eight|nine|ten|\
    eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|\\d{1,2}";
const EN_MONTHS: &str = "jan|feb|apr|sept|oct|nov|dec|january|february|march|april|may|june|july|august|september|october|november|december";
const RU_DAYS: &str = "понедельник[ау]?|вторник[ау]?|сред[ауые]|четверг[ау]?|пятниц[ауые]|суббот[ауые]|воскресень[еяю]";
const RU_MONTHS: &str = "январ[ьяею]|феврал[ьяею]|март[ауе]?|апрел[ьяею]|ма[йяюе]|июн[ьяею]|июл[ьяею]|август[ауе]?|\
                         сентябр[ьяею]|октябр[ьяею]|ноябр[ьяею]|декабр[ьяею]";
const EN_ORDINAL: &str = "(?:twenty|thirty)[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|first|second|third|\
    fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|\
    eighteenth|nineteenth|twentieth|thirtieth|\\d{1,2}(?:st|nd|rd|th)";
/// Ordinals that hardly count anything but days.
const EN_LATE_ORDINAL: &str = "(?:twenty|thirty)[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|tenth|\
    eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth";
const RU_ORDINAL: &str = "(?:двадцать|тридцать) (?:перв|втор|треть|четв[её]рт|пят|шест|седьм|восьм|девят)(?:ого|его|ому|ему|ое)|\
    (?:перв|втор|треть|четв[её]рт|пят|шест|седьм|восьм|девят|десят|одиннадцат|двенадцат|тринадцат|четырнадцат|пятнадцат|\
    шестнадцат|семнадцат|восемнадцат|девятнадцат|двадцат|тридцат)(?:ого|его|ому|ему|ое)|\\d{1,2}(?:-?го|-?му|-?ое)?";

static RULES: LazyLock<Rules> = LazyLock::new(rules);

fn rules() -> Rules {
    let ru_prefix = "(?:(до|к|ко|после|в|во|с|на) )?";
    let list: Vec<(String, Rule)> = vec![
        (r"\b(\d{1,2})\.(\d{1,2})(?:\.(20\d\d|\d\d))?\b".to_owned(), numeric),
        // English
        (format!(r"\b(?:by )?(?:the )?(?:end of day|eod|cob|close of business)(?: on)? (today|tomorrow|{EN_DAYS})\b"), end_of_day),
        (r"\b(?:the )?week after next\b".to_owned(), en_week_after_next),
        (r"\b(a|one|two|three|four|five|six) (week|month)s? from (today|now)\b".to_owned(), en_from_now),
        (r"\bin a (week|month) and a half\b".to_owned(), en_one_and_a_half),
        (r"\b(within|in the next) (a|one|two|three|four|six) (day|week|month)s?\b".to_owned(), en_within),
        (format!(r"\b(?:by |before |on )?the ({EN_ORDINAL}) of (next|this) month\b"), en_day_of_month),
        (format!(r"\b(?:in |by )?(?:the )?(first|second) half of ({EN_MONTHS})\b"), en_half_of_month),
        (format!(r"\b(?:in |by )?(?:the )?(first|second|third|fourth|last) week (?:of|in) ({EN_MONTHS})\b"), en_week_of_month),
        (r"\b(?:(by|before|until|till) )?(?:the )?end of (?:q([1-4])|the (first|second|third|fourth) quarter)\b".to_owned(), en_end_of_quarter),
        (r"\b(?:last|past) (?:week|month|quarter|year|spring|summer|fall|autumn|winter|monday|tuesday|wednesday|thursday|friday)\b".to_owned(), past),
        (r"\b(?:(by|before|until|till) )?(?:the )?end of (?:the |this )?(next )?(week|month|quarter|year)\b".to_owned(), en_end_of),
        (format!(r"\b(early|mid|late|the beginning of|the middle of|the end of|end of)[ -]?(?:in )?({EN_MONTHS})\b"), en_part_of_month),
        (r"\bin a fortnight(?:'s time)?\b".to_owned(), fortnight),
        (format!(r"\b(a|one|two|three|four) weeks? from ({EN_DAYS})\b"), en_week_from),
        (format!(r"\b(?:on )?({EN_DAYS}),? (?:the )?({EN_ORDINAL})\b"), en_weekday_number),
        (format!(r"\b(?:on )?({EN_DAYS}) next week\b"), en_weekday_of_next_week),
        (format!(r"\bnext week,? (?:on )?({EN_DAYS})\b"), en_weekday_of_next_week),
        (format!(r"\b(?:(by|before|until|till|on|this|next) )?(?:(this|next|the following) )?({EN_DAYS})\b"), en_weekday),
        (format!(r"\b(?:(by|before|until|on|from|after) )?(?:the )?({EN_ORDINAL}) (?:of )?({EN_MONTHS})\b"), en_day_month),
        (format!(r"\b(?:(by|before|until|on|from|after) )?({EN_MONTHS}) (?:the )?({EN_ORDINAL}|{EN_CARDINAL})\b"), en_month_day),
        (format!(r"\b(?:(by|before|until|on|from|after) )?(?:the )?({EN_CARDINAL}) (?:of )?({EN_SURE_MONTHS})\b"), en_cardinal_month),
        (format!(r"\b(by|before|until|on|for|from|after) the ({EN_ORDINAL})\b"), en_day),
        (format!(r"\b(?<said>the ({EN_ORDINAL}))(?: at| is| works| would|,|\.|$)"), en_day_alone),
        (format!(r"\b(?<said>({EN_LATE_ORDINAL})) at\b"), en_day_alone),
        (r"\b(?:(by|before|until) )?(this|next) (week|month|quarter|year)\b".to_owned(), en_this_next),
        (r"\bin (?:about |around )?(a couple of|a couple|a few|a|an|one|two|three|four|five|six|eight|ten|\d{1,2}) (day|week|month)s?\b".to_owned(), en_in),
        (r"\b(day after tomorrow|tomorrow|today|tonight|this afternoon|this evening|this morning)\b".to_owned(), en_today),
        (r"\b(?:(by|before|in) )?(?:the )?(?:q([1-4])|(first|second|third|fourth) quarter)\b".to_owned(), en_quarter),
        (format!(r"\b(by|before|until|in|from|after|for|till) (?:early )?({EN_MONTHS})\b"), en_month),
        (r"\b(by|before|until|in|this|after|for|over) (?:the |this |our )?(spring|summer|autumn|fall|winter)\b".to_owned(), en_season),
        (r"\b(?:(by|before) )?(?:the )?(christmas|new year)\b".to_owned(), en_new_year),
        (format!(r"\b(?:this |next )?(?P<bare>{EN_SURE_MONTHS}|{RU_NAMES})\b"), bare_month),
        // Russian
        (r"\bв прошл(?:ом|ый|ую|ой|ое) (?:год[уа]?|квартале?|месяце?|недел[еюи]|понедельник|вторник|среду|четверг|пятницу|лето|весн[ыу])\b".to_owned(), past),
        (r"\bна прошлой неделе\b|\bпрошлой (?:весной|осенью|зимой)\b|\bпрошлым летом\b".to_owned(), past),
        (r"\b(?:(до|к|ко|в) )?кон(?:ца|цу|це) (?:этого |текущего )?(следующего |следующей )?(недели|месяца|квартала|года)\b".to_owned(), ru_end_of),
        (format!(r"\b(?:в |к |ко |до )?(перв|втор)(?:ой|ую|ая|ую) половин(?:е|у|ы|а) ({RU_MONTHS})\b"), ru_half_of_month),
        (format!(r"\bв (десятых|двадцатых) числах ({RU_MONTHS})\b"), ru_tens_of_month),
        (format!(r"\b(?:(в|к|ко|до) )?(начал|середин|кон)(?:е|у|ы|цу|це|ца|а)? ({RU_MONTHS})\b"), ru_part_of_month),
        (r"\b(?:в |к )?(начал|середин)(?:е|у) следующего месяца\b".to_owned(), ru_part_of_next_month),
        (format!(r"\bна следующей неделе (?:во? )?({RU_DAYS})\b"), ru_weekday_of_next_week),
        (format!(r"\bво? ({RU_DAYS}) на следующей неделе\b"), ru_weekday_of_next_week),
        (r"\bчерез (полтора|полторы) (месяца|недели)\b".to_owned(), ru_one_and_a_half),
        (r"\bчерез (две|три|четыре|два)-(три|четыре|пять) (дня|дней|недел\w+|месяц\w*)\b".to_owned(), ru_in_range),
        (format!(r"\b{ru_prefix}({RU_ORDINAL}) ({RU_MONTHS})\b"), ru_day_month),
        (format!(r"\b{ru_prefix}({RU_DAYS}),? ((?:двадцать |тридцать )?\w+(?:ого|его|ое|тье)|\d{{1,2}}-?го)\b"), ru_weekday_number),
        (format!(r"\b{ru_prefix}(?:(эт\w+|следующ\w+) )?({RU_DAYS})\b"), ru_weekday),
        (r"\b(?:(до|к) )?(?:на )?(этой|следующей|той|следующую|эту) недел[еюи]\b".to_owned(), ru_week),
        (r"\bв (?:(этом|текущем)|следующем) (месяце|квартале|году)\b".to_owned(), ru_this_next),
        (r"\bчерез (полгода|год)\b".to_owned(), ru_in_years),
        (r"\bчерез (пару|пару-тройку|неделю|месяц|день|две|два|три|четыре|пять|шесть|десять|полтора|\d{1,2}) ?(дн\w+|недел\w+|месяц\w*)?\b".to_owned(), ru_in),
        (format!(r"\b(до|к|ко|после|с|на) ({RU_ORDINAL})(?: числ[ау])?\b"), ru_day),
        (r"\b((?:двадцать|тридцать) (?:перв|втор|треть|четв[её]рт|пят|шест|седьм|восьм|девят)(?:ого|его)|(?:десят|одиннадцат|двенадцат|тринадцат|четырнадцат|пятнадцат|шестнадцат|семнадцат|восемнадцат|девятнадцат|двадцат|тридцат)ого|\d{1,2}-?го)(?: числа)?\b".to_owned(), ru_day_alone),
        (r"\b((?:перв|втор|треть|четв[её]рт|пят|шест|седьм|восьм|девят)(?:ого|его)) числа\b".to_owned(), ru_day_alone),
        (r"\b(после|до) майских(?: праздников)?\b".to_owned(), ru_may),
        (r"\b(?:(до|к) )?(послезавтра|завтра|сегодня)(?: (к обеду|утром|вечером|дн[её]м|до вечера))?\b".to_owned(), ru_today),
        (r"\bна днях\b".to_owned(), ru_soon),
        (r"\b(?:(до|к|ко) )?(?:в |во )?(перв|втор|треть|четв[её]рт)\w+ квартале?\b".to_owned(), ru_quarter),
        (r"\b(к|ко|до|после) (?:нового года|новому году)\b".to_owned(), ru_new_year),
        (r"\b(до|к|после|с) (лет[ау]|осен[иь]|весн[ыеу]|зим[ыеу])\b".to_owned(), ru_by_season),
        (r"\b(осенью|летом|весной|зимой)\b".to_owned(), ru_season),
        (format!(r"\b(до|к|ко|после|с|в) ({RU_MONTHS})\b"), ru_month),
    ];
    /// Room for what is compiled of all of them together.
    const MOST: usize = 64 << 20;
    const TESTED: &str = "patterns are constants, and tested";
    let without_edges = list
        .iter()
        .map(|(pattern, _)| format!("(?i){}", pattern.replace(r"\b", "")));
    let likely = RegexSetBuilder::new(without_edges)
        .size_limit(MOST)
        .dfa_size_limit(MOST)
        .build()
        .expect(TESTED);
    let compiled = |pattern: String| Regex::new(&format!("(?i){pattern}")).expect(TESTED);
    Rules {
        all: list
            .into_iter()
            .map(|(pattern, rule)| (compiled(pattern), rule))
            .collect(),
        likely,
    }
}

/// Days and intervals in a text, in their order.
pub fn find(text: &str, language: Language, call_date: NaiveDate) -> Vec<Found<DateValue>> {
    let mut found: Vec<Found<DateValue>> = Vec::new();
    let likely = RULES.likely.matches(text);
    for (pattern, rule) in likely.iter().map(|at| &RULES.all[at]) {
        for captures in pattern.captures_iter(text) {
            // Words behind a day may only show that it is one.
            let Some(said) = captures.name("said").or(captures.get(0)) else {
                continue;
            };
            let range = said.range();
            if found
                .iter()
                .any(|other| other.range.start < range.end && range.start < other.range.end)
            {
                continue;
            }
            let Some(value) = rule(&captures, call_date, language).filter(is_writable) else {
                continue;
            };
            found.push(Found { range, value });
        }
    }
    found.sort_by_key(|found| found.range.start);
    join_weekdays(text, &mut found);
    for one in &mut found {
        add_time(text, one);
    }
    found
}

fn is_writable(value: &DateValue) -> bool {
    let days = [value.date, value.start, value.end];
    days.into_iter().flatten().all(calendar::is_writable)
}

/// "Tuesday the third", «восьмого апреля в среду» are one day, and the number says which.
fn join_weekdays(text: &str, found: &mut Vec<Found<DateValue>>) {
    let mut at = 1;
    while at < found.len() {
        let (before, behind) = (&found[at - 1], &found[at]);
        let between = text[before.range.end..behind.range.start].trim().to_lowercase();
        let is_weekday = |one: &Found<DateValue>| is_weekday_alone(&text[one.range.clone()]);
        let range = before.range.start..behind.range.end;
        let weekday = |one: &Found<DateValue>| one.value.date.map(|date| date.weekday());
        if matches!(between.as_str(), "" | "," | "the" | ", the")
            && is_weekday(before) != is_weekday(behind)
            && weekday(before).is_some()
            && weekday(before) == weekday(behind)
        {
            let value = if is_weekday(before) { behind } else { before }.value.clone();
            found[at - 1] = Found { range, value };
            found.remove(at);
        } else {
            at += 1;
        }
    }
}

/// The words name a weekday, without a number and without "next".
pub fn is_weekday_alone(words: &str) -> bool {
    let words = tokens(words);
    let is_weekday = |word: &str| word.chars().count() > 4 && weekday(word).is_some();
    let starts = ["next", "this", "following", "следующ", "эт"];
    words.iter().any(|word| is_weekday(&word.lower))
        && !words.iter().any(|word| {
            let in_words = !word.lower.starts_with(|c: char| c.is_ascii_digit());
            in_words && ordinal(&word.lower).is_some() || starts.iter().any(|start| word.lower.starts_with(start))
        })
        && !words
            .iter()
            .any(|word| month(&word.lower).is_some_and(|_| word.lower.chars().count() > 2 && !is_weekday(&word.lower)))
}

/// "… at three", «… в одиннадцать» right behind (or before) a day.
fn add_time(text: &str, found: &mut Found<DateValue>) {
    static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?i)^[,]? ?(?:at|by|around|about|в|к|до|часов в|на)? ?(?:at )?(noon|полдень|\d{1,2}[:.]\d{2}|\d{1,2}|[a-zа-яё]+)(?: (thirty|fifteen|forty[- ]five|тридцать|пятнадцать|half))? ?(o'clock|a\.?m\.?|p\.?m\.?|часов|часа|час|утра|дня|вечера)?",
        )
        .ok()
    });
    if found.value.date.is_none() || found.value.time.is_some() {
        return;
    }
    let rest = &text[found.range.end..];
    if let Some((length, time)) = half_hour(rest) {
        found.range.end += length;
        found.value.time = Some(time);
        return;
    }
    let introduced = rest.trim_start_matches([',', ' ']).to_lowercase();
    let has_word = ["at ", "в ", "к ", "до ", "by ", "around ", "about ", "на "]
        .iter()
        .any(|word| introduced.starts_with(word));
    let Some(captures) = TIME.as_ref().and_then(|pattern| pattern.captures(rest)) else {
        return;
    };
    let marked = captures.get(3).is_some() || captures.get(1).is_some_and(|hour| hour.as_str().contains(':'));
    // «вторник, одиннадцать»: a bare number in words right behind a comma is a time too.
    if !(has_word || marked || rest.starts_with(", ") && small_hour(&captures[1])) {
        return;
    }
    let Some((hour, minute)) = clock(&captures[1]) else {
        return;
    };
    // "on Friday, at seven thousand" is a price.
    let behind = rest[captures[0].len()..].trim_start().to_lowercase();
    if [
        "thousand",
        "hundred",
        "grand",
        "million",
        "percent",
        "%",
        "тыс",
        "сот",
        "млн",
        "миллион",
        "процент",
    ]
    .iter()
    .any(|scale| behind.starts_with(scale))
    {
        return;
    }
    let minute = match captures.get(2).map(|word| word.as_str().to_lowercase()) {
        Some(word) if matches!(word.as_str(), "thirty" | "тридцать") => 30,
        Some(word) if matches!(word.as_str(), "fifteen" | "пятнадцать") => 15,
        Some(word) if word.starts_with("forty") => 45,
        _ => minute,
    };
    let half = captures.get(3).map(|word| word.as_str().to_lowercase());
    let afternoon = half
        .as_deref()
        .is_some_and(|word| word.starts_with('p') || matches!(word, "дня" | "вечера"));
    let morning = half
        .as_deref()
        .is_some_and(|word| word.starts_with('a') || word == "утра");
    // Business hours: a bare 1–7 is in the afternoon.
    let hour = if (afternoon && hour < 12) || (!morning && (1..=7).contains(&hour)) {
        hour + 12
    } else {
        hour
    };
    let Some(time) = NaiveTime::from_hms_opt(hour, minute, 0) else {
        return;
    };
    let Some(whole) = captures.get(0) else { return };
    found.range.end += whole.as_str().trim_end().len();
    found.value.time = Some(time);
}

/// "at half past two", «в половине третьего» right behind a day, with its length; in business hours.
fn half_hour(rest: &str) -> Option<(usize, NaiveTime)> {
    static HALF: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)^,? ?(?:(?:at |by )?half past ([a-z]+|\d{1,2})|(?:в |к )?(?:половин[еу] |пол)([а-яё]+ого|[а-яё]+его))\b").ok()
    });
    let captures = HALF.as_ref()?.captures(rest)?;
    let hour = match (captures.get(1), captures.get(2)) {
        (Some(past), _) => clock(past.as_str())?.0,
        // «половина третьего» is half an hour before three.
        (_, Some(coming)) => ordinal(coming.as_str()).filter(|hour| *hour <= 12)?.checked_sub(1)?,
        _ => return None,
    };
    let hour = if (1..=7).contains(&hour) { hour + 12 } else { hour };
    Some((captures[0].len(), NaiveTime::from_hms_opt(hour, 30, 0)?))
}

fn small_hour(word: &str) -> bool {
    clock(word).is_some_and(|(hour, _)| (1..=20).contains(&hour)) && word.chars().all(char::is_alphabetic)
}

/// Hour and minute of a clock word.
fn clock(word: &str) -> Option<(u32, u32)> {
    let lower = word.to_lowercase();
    if matches!(lower.as_str(), "noon" | "полдень") {
        return Some((12, 0));
    }
    if lower == "час" {
        return Some((1, 0));
    }
    if let Some((hour, minute)) = lower.split_once([':', '.']) {
        return Some((hour.parse().ok().filter(|hour| *hour < 24)?, minute.parse().ok()?));
    }
    let words = tokens(&lower);
    let number = numbers::read(&words, 0).filter(|number| number.to == words.len())?;
    (number.value.fract() == 0.0 && (1.0..=23.0).contains(&number.value)).then_some((number.value as u32, 0))
}

pub fn on(date: NaiveDate) -> DateValue {
    with(date, DateQualifier::On)
}

fn with(date: NaiveDate, qualifier: DateQualifier) -> DateValue {
    DateValue {
        kind: None,
        date: Some(date),
        start: None,
        end: None,
        time: None,
        time_end: None,
        qualifier,
        ambiguous: false,
        past: false,
    }
}

fn between(start: NaiveDate, end: NaiveDate) -> DateValue {
    DateValue {
        date: None,
        start: Some(start),
        end: Some(end),
        ..on(start)
    }
}

fn qualifier(word: Option<regex::Match<'_>>) -> DateQualifier {
    match word.map(|word| word.as_str().to_lowercase()).as_deref() {
        Some("by" | "until" | "till" | "до" | "к" | "ко") => DateQualifier::By,
        Some("before") => DateQualifier::Before,
        Some("after" | "from" | "после" | "с") => DateQualifier::After,
        _ => DateQualifier::On,
    }
}

fn lower(captures: &Captures<'_>, group: usize) -> String {
    captures
        .get(group)
        .map_or_else(String::new, |part| part.as_str().to_lowercase().replace('ё', "е"))
}

fn plus(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_add_days(Days::new(days)).unwrap_or(date)
}

fn minus(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_sub_days(Days::new(days)).unwrap_or(date)
}

fn monday_of(date: NaiveDate) -> NaiveDate {
    minus(date, u64::from(date.weekday().num_days_from_monday()))
}

fn last_of_month(date: NaiveDate) -> NaiveDate {
    let first = date.with_day(1).unwrap_or(date);
    minus(first.checked_add_months(Months::new(1)).unwrap_or(first), 1)
}

fn quarter(year: i32, number: u32) -> Option<(NaiveDate, NaiveDate)> {
    let start = NaiveDate::from_ymd_opt(year, number * 3 - 2, 1)?;
    Some((start, last_of_month(NaiveDate::from_ymd_opt(year, number * 3, 1)?)))
}

fn quarter_of(date: NaiveDate) -> u32 {
    date.month0() / 3 + 1
}

/// The month of this year if it is not over, else of the next.
fn coming_month(month: u32, call: NaiveDate) -> Option<NaiveDate> {
    let year = if month < call.month() {
        call.year() + 1
    } else {
        call.year()
    };
    NaiveDate::from_ymd_opt(year, month, 1)
}

fn season(index: u32, call: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    // Spring begins with March; winter with December.
    let month = index * 3;
    let year = if month + 2 < call.month() {
        call.year() + 1
    } else {
        call.year()
    };
    let start = NaiveDate::from_ymd_opt(year, month, 1)?;
    Some((start, last_of_month(start.checked_add_months(Months::new(2))?)))
}

fn weekday(word: &str) -> Option<Weekday> {
    const STEMS: [(&str, Weekday); 14] = [
        ("mon", Weekday::Mon),
        ("tue", Weekday::Tue),
        ("wed", Weekday::Wed),
        ("thu", Weekday::Thu),
        ("fri", Weekday::Fri),
        ("sat", Weekday::Sat),
        ("sun", Weekday::Sun),
        ("понед", Weekday::Mon),
        ("вторн", Weekday::Tue),
        ("сред", Weekday::Wed),
        ("четв", Weekday::Thu),
        ("пятн", Weekday::Fri),
        ("субб", Weekday::Sat),
        ("воскр", Weekday::Sun),
    ];
    STEMS
        .iter()
        .find(|(stem, _)| word.starts_with(stem))
        .map(|(_, day)| *day)
}

fn month(word: &str) -> Option<u32> {
    const EN: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    const RU: [&str; 12] = [
        "янв", "фев", "мар", "апр", "ма", "июн", "июл", "авг", "сен", "окт", "ноя", "дек",
    ];
    let at = EN
        .iter()
        .position(|stem| word.starts_with(stem))
        .or_else(|| RU.iter().position(|stem| word.starts_with(stem)))?;
    Some(at as u32 + 1)
}

/// Day of the month from an ordinal in words or digits.
fn ordinal(word: &str) -> Option<u32> {
    const RU: [&str; 19] = [
        "перв",
        "втор",
        "треть",
        "четверт",
        "пят",
        "шест",
        "седьм",
        "восьм",
        "девят",
        "десят",
        "одиннадцат",
        "двенадцат",
        "тринадцат",
        "четырнадцат",
        "пятнадцат",
        "шестнадцат",
        "семнадцат",
        "восемнадцат",
        "девятнадцат",
    ];
    let word = word.replace('ё', "е").to_lowercase();
    let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
    let day = if digits.is_empty() {
        let (tens, unit) = word.split_once([' ', '-']).unwrap_or(("", &word));
        let tens = match tens {
            "twenty" | "двадцать" => 20,
            "thirty" | "тридцать" => 30,
            _ => 0,
        };
        let stem = unit
            .trim_end_matches("ого")
            .trim_end_matches("его")
            .trim_end_matches("ому")
            .trim_end_matches("ему")
            .trim_end_matches("ое");
        let stem = stem
            .strip_suffix("ье")
            .map_or_else(|| stem.to_owned(), |stem| format!("{stem}ь"));
        let unit = match unit {
            "thirtieth" => 30,
            _ => EN_ORDINALS
                .iter()
                .position(|known| *known == unit)
                .map_or(0, |at| at as u32 + 1),
        };
        let russian = match stem.as_str() {
            "двадцат" => 20,
            "тридцат" => 30,
            _ => RU
                .iter()
                .position(|known| **known == *stem)
                .map_or(0, |at| at as u32 + 1),
        };
        tens + unit.max(russian)
    } else {
        digits.parse().ok()?
    };
    (1..=31).contains(&day).then_some(day)
}

/// The coming day of this number: this month, or the next one that has it.
fn coming_day(day: u32, call: NaiveDate) -> Option<NaiveDate> {
    let first = call.with_day(1)?;
    (0..3).find_map(|ahead| {
        let month = first.checked_add_months(Months::new(ahead))?;
        month.with_day(day).filter(|date| *date >= call)
    })
}

fn day_of(day: u32, month: u32, call: NaiveDate) -> Option<NaiveDate> {
    let this = NaiveDate::from_ymd_opt(call.year(), month, day);
    match this {
        Some(date) if date >= call => Some(date),
        // A month that has just passed is meant as past, far behind as next year's.
        Some(date) if (call - date).num_days() < 60 => Some(date),
        _ => NaiveDate::from_ymd_opt(call.year() + 1, month, day),
    }
}

fn nearest(day: Weekday, call: NaiveDate) -> NaiveDate {
    let ahead = (7 + day.num_days_from_monday() - call.weekday().num_days_from_monday()) % 7;
    plus(call, u64::from(if ahead == 0 { 7 } else { ahead }))
}

/// "this" is the current week, "next" the one after it; ambiguous when the day is still to come this week.
fn weekday_with(day: Weekday, which: &str, qualifier: DateQualifier, call: NaiveDate) -> DateValue {
    let this_week = plus(monday_of(call), u64::from(day.num_days_from_monday()));
    if which.starts_with("next") || which.starts_with("the following") || which.starts_with("следующ") {
        let date = plus(this_week, 7);
        return DateValue {
            ambiguous: this_week > call && day.num_days_from_monday() >= 4,
            ..with(date, qualifier)
        };
    }
    if which.starts_with("this") || which.starts_with("эт") {
        return with(
            if this_week >= call {
                this_week
            } else {
                plus(this_week, 7)
            },
            qualifier,
        );
    }
    with(nearest(day, call), qualifier)
}

/// Past weeks, months, quarters and years are intervals; of seasons and weekdays it is enough that they are over.
fn past(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let said = lower(captures, 0);
    let is = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let first = call.with_day(1)?;
    let interval = if is(&["quarter", "квартал"]) {
        let moved = first.checked_sub_months(Months::new(3))?;
        Some(quarter(moved.year(), quarter_of(moved))?)
    } else if is(&["month", "месяц"]) {
        let moved = first.checked_sub_months(Months::new(1))?;
        Some((moved, last_of_month(moved)))
    } else if is(&["week", "недел"]) {
        let monday = minus(monday_of(call), 7);
        Some((monday, plus(monday, 6)))
    } else if is(&["year", "год"]) {
        let year = |month, day| NaiveDate::from_ymd_opt(call.year() - 1, month, day);
        Some((year(1, 1)?, year(12, 31)?))
    } else {
        None
    };
    Some(DateValue {
        date: None,
        start: interval.map(|(start, _)| start),
        end: interval.map(|(_, end)| end),
        past: true,
        ..on(call)
    })
}

fn end_of_day(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = match lower(captures, 1).as_str() {
        "tomorrow" => plus(call, 1),
        "today" => call,
        day => nearest(weekday(day)?, call),
    };
    Some(DateValue {
        time: NaiveTime::from_hms_opt(18, 0, 0),
        ..with(date, DateQualifier::By)
    })
}

fn en_week_after_next(_: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let monday = plus(monday_of(call), 14);
    Some(between(monday, plus(monday, 6)))
}

fn few(word: &str) -> Option<u32> {
    match word {
        "a" | "one" => Some(1),
        word => Some(numbers::read(&tokens(word), 0)?.value as u32),
    }
}

fn en_from_now(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    ahead(few(&lower(captures, 1))?, &lower(captures, 2), false, call)
}

fn en_within(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let value = ahead(few(&lower(captures, 2))?, &lower(captures, 3), false, call)?;
    Some(DateValue {
        qualifier: DateQualifier::By,
        ..value
    })
}

/// A month and a half are 45 days, a week and a half are ten.
fn one_and_a_half(unit: &str, call: NaiveDate) -> DateValue {
    let days = if unit.starts_with("month") || unit.starts_with("месяц") {
        45
    } else {
        10
    };
    with(plus(call, days), DateQualifier::Approx)
}

fn en_one_and_a_half(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    Some(one_and_a_half(&lower(captures, 1), call))
}

fn ru_one_and_a_half(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    Some(one_and_a_half(&lower(captures, 2), call))
}

fn ru_in_range(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let day = |group: usize| {
        let count = numbers::read(&tokens(&lower(captures, group)), 0)?.value as u32;
        ahead(count, &lower(captures, 3), true, call)?.date
    };
    Some(DateValue {
        qualifier: DateQualifier::Approx,
        ..between(day(1)?, day(2)?)
    })
}

fn en_day_of_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let months = u32::from(lower(captures, 2) == "next");
    let date = call
        .with_day(1)?
        .checked_add_months(Months::new(months))?
        .with_day(ordinal(&lower(captures, 1))?)?;
    let said = lower(captures, 0);
    let qualifier = match said.split(' ').next() {
        Some("by") => DateQualifier::By,
        Some("before") => DateQualifier::Before,
        _ => DateQualifier::On,
    };
    Some(with(date, qualifier))
}

fn half_of_month(first_half: bool, month: u32, call: NaiveDate) -> Option<DateValue> {
    let first = coming_month(month, call)?;
    Some(if first_half {
        between(first, first.with_day(15)?)
    } else {
        between(first.with_day(16)?, last_of_month(first))
    })
}

fn en_half_of_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    half_of_month(lower(captures, 1) == "first", month(&lower(captures, 2))?, call)
}

/// Days 1–7, 8–14 and so on; the last week is the last seven days.
fn en_week_of_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let first = coming_month(month(&lower(captures, 2))?, call)?;
    let start = match lower(captures, 1).as_str() {
        "first" => 1,
        "second" => 8,
        "third" => 15,
        "fourth" => 22,
        _ => last_of_month(first).day() - 6,
    };
    let start = first.with_day(start)?;
    Some(between(start, plus(start, 6)))
}

fn en_end_of_quarter(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let number = captures
        .get(2)
        .and_then(|digit| digit.as_str().parse().ok())
        .or_else(|| ordinal(&lower(captures, 3)))?;
    let end = quarter_value(number, DateQualifier::On, call)?.end?;
    Some(with(end, qualifier(captures.get(1))))
}

fn en_weekday_number(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    day_on(weekday(&lower(captures, 1))?, ordinal(&lower(captures, 2))?, call).map(on)
}

/// The coming day of this number that falls on the weekday.
fn day_on(day: Weekday, number: u32, call: NaiveDate) -> Option<NaiveDate> {
    let first = call.with_day(1)?;
    (0..4)
        .filter_map(|ahead| first.checked_add_months(Months::new(ahead))?.with_day(number))
        .find(|date| *date >= call && date.weekday() == day)
}

fn weekday_of_next_week(word: &str, call: NaiveDate) -> Option<DateValue> {
    let day = weekday(word)?;
    Some(on(plus(monday_of(call), 7 + u64::from(day.num_days_from_monday()))))
}

fn en_weekday_of_next_week(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    weekday_of_next_week(&lower(captures, 1), call)
}

fn ru_weekday_of_next_week(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    weekday_of_next_week(&lower(captures, 1), call)
}

fn bare_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let first = coming_month(month(&captures.name("bare")?.as_str().to_lowercase())?, call)?;
    Some(between(first, last_of_month(first)))
}

fn ru_part_of_next_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let next = call.with_day(1)?.checked_add_months(Months::new(1))?;
    part_of_month(&lower(captures, 1), next.month(), call)
}

fn end_of(unit: &str, next: bool, call: NaiveDate) -> Option<NaiveDate> {
    let ahead = u32::from(next);
    Some(match unit {
        "week" | "недели" => plus(monday_of(call), 4 + u64::from(ahead) * 7),
        "month" | "месяца" => last_of_month(call.with_day(1)?.checked_add_months(Months::new(ahead))?),
        "quarter" | "квартала" => {
            let moved = call.with_day(1)?.checked_add_months(Months::new(3 * ahead))?;
            quarter(moved.year(), quarter_of(moved))?.1
        }
        _ => NaiveDate::from_ymd_opt(call.year() + i32::try_from(ahead).ok()?, 12, 31)?,
    })
}

fn en_end_of(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = end_of(&lower(captures, 3), captures.get(2).is_some(), call)?;
    Some(with(
        date,
        match captures.get(1) {
            None => DateQualifier::On,
            word => qualifier(word),
        },
    ))
}

fn ru_end_of(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = end_of(&lower(captures, 3), captures.get(2).is_some(), call)?;
    Some(with(date, qualifier(captures.get(1))))
}

fn part_of_month(part: &str, month: u32, call: NaiveDate) -> Option<DateValue> {
    let first = coming_month(month, call)?;
    let last = last_of_month(first);
    let day = |number: u32| first.with_day(number);
    Some(match part {
        p if p.starts_with("early") || p.contains("beginning") || p.starts_with("начал") => {
            between(first, day(10)?)
        }
        p if p.starts_with("mid") || p.contains("middle") || p.starts_with("середин") => {
            between(day(10)?, day(20)?)
        }
        _ => between(day(21)?, last),
    })
}

fn en_part_of_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    part_of_month(&lower(captures, 1), month(&lower(captures, 2))?, call)
}

fn ru_part_of_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let value = part_of_month(&lower(captures, 2), month(&lower(captures, 3))?, call)?;
    // «До конца мая» is a deadline, «в конце мая» are days.
    Some(match (qualifier(captures.get(1)), value.end) {
        (DateQualifier::By, Some(end)) if lower(captures, 2) == "кон" => with(end, DateQualifier::By),
        _ => value,
    })
}

fn en_week_from(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let weeks = u64::from(few(&lower(captures, 1))?);
    Some(on(plus(nearest(weekday(&lower(captures, 2))?, call), 7 * weeks)))
}

fn en_weekday(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let first = lower(captures, 1);
    let which = if captures.get(2).is_some() {
        lower(captures, 2)
    } else {
        first
    };
    Some(weekday_with(
        weekday(&lower(captures, 3))?,
        &which,
        qualifier(captures.get(1)),
        call,
    ))
}

fn ru_weekday(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let day = weekday(&lower(captures, 3))?;
    let form = lower(captures, 3);
    // «в среде», «среды» without a preposition are an environment, or every week.
    if day == Weekday::Wed && captures.get(1).is_none() && form != "среду" && form != "среда" {
        return None;
    }
    Some(weekday_with(day, &lower(captures, 2), qualifier(captures.get(1)), call))
}

fn en_day_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = day_of(day_number(&lower(captures, 2))?, month(&lower(captures, 3))?, call)?;
    Some(with(date, qualifier(captures.get(1))))
}

/// "thirty-one December"; but "one November" is one of several.
fn en_cardinal_month(captures: &Captures<'_>, call: NaiveDate, language: Language) -> Option<DateValue> {
    (lower(captures, 2) != "one").then(|| en_day_month(captures, call, language))?
}

fn en_month_day(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = day_of(day_number(&lower(captures, 3))?, month(&lower(captures, 2))?, call)?;
    Some(with(date, qualifier(captures.get(1))))
}

/// "fifteenth", "15th", "fifteen": a day of the month.
fn day_number(word: &str) -> Option<u32> {
    let words = tokens(word);
    // "thirty-one" before "thirty-first", of which no number is left over.
    let number = numbers::read(&words, 0).filter(|number| number.to == words.len());
    number
        .filter(|number| number.value.fract() == 0.0 && (1.0..=31.0).contains(&number.value))
        .map(|number| number.value as u32)
        .or_else(|| ordinal(word))
}

fn ru_day_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = day_of(ordinal(&lower(captures, 2))?, month(&lower(captures, 3))?, call)?;
    Some(with(date, qualifier(captures.get(1))))
}

fn ru_weekday_number(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = day_on(weekday(&lower(captures, 2))?, ordinal(&lower(captures, 3))?, call)?;
    Some(with(date, qualifier(captures.get(1))))
}

fn en_day(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    Some(with(
        coming_day(ordinal(&lower(captures, 2))?, call)?,
        qualifier(captures.get(1)),
    ))
}

fn en_day_alone(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    // "the first", "the second" count things as often as days.
    let day = ordinal(&lower(captures, 2)).filter(|day| *day > 3)?;
    Some(on(coming_day(day, call)?))
}

fn ru_day(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let words = lower(captures, 2);
    let said_as_day = lower(captures, 0).ends_with("числа") || words.ends_with("го") || words.ends_with("му");
    if !said_as_day {
        return None;
    }
    Some(with(coming_day(ordinal(&words)?, call)?, qualifier(captures.get(1))))
}

fn ru_day_alone(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    Some(on(coming_day(ordinal(&lower(captures, 1))?, call)?))
}

fn en_this_next(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let interval = this_next(&lower(captures, 3), lower(captures, 2) == "next", call)?;
    Some(DateValue {
        qualifier: qualifier(captures.get(1)),
        ..interval
    })
}

/// The whole of this week, month, quarter or year, or of the next one.
fn this_next(unit: &str, next: bool, call: NaiveDate) -> Option<DateValue> {
    let months = |count: u32| {
        call.with_day(1)?
            .checked_add_months(Months::new(if next { count } else { 0 }))
    };
    Some(match unit {
        "week" => {
            let monday = plus(monday_of(call), if next { 7 } else { 0 });
            between(monday, plus(monday, 6))
        }
        "month" => {
            let first = months(1)?;
            between(first, last_of_month(first))
        }
        "quarter" => {
            let moved = months(3)?;
            let (start, end) = quarter(moved.year(), quarter_of(moved))?;
            between(start, end)
        }
        _ => {
            let year = call.year() + i32::from(next);
            between(
                NaiveDate::from_ymd_opt(year, 1, 1)?,
                NaiveDate::from_ymd_opt(year, 12, 31)?,
            )
        }
    })
}

/// "01.06.2025". Without a year it must be Russian and can be no clock time: «25.04», where "25.04" is a number.
fn numeric(captures: &Captures<'_>, call: NaiveDate, language: Language) -> Option<DateValue> {
    let (day, month): (u32, u32) = (captures[1].parse().ok()?, captures[2].parse().ok()?);
    let Some(year) = captures.get(3) else {
        let is_date = language == Language::Ru && day > 23 && captures[2].len() == 2;
        return is_date.then(|| day_of(day, month, call))?.map(on);
    };
    let year: i32 = year.as_str().parse().ok()?;
    let date = NaiveDate::from_ymd_opt(if year < 100 { 2000 + year } else { year }, month, day)?;
    Some(DateValue {
        past: date < call,
        ..on(date)
    })
}

fn fortnight(_: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    Some(on(plus(call, 14)))
}

fn ru_this_next(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let unit = match lower(captures, 2).as_str() {
        "месяце" => "month",
        "квартале" => "quarter",
        _ => "year",
    };
    this_next(unit, captures.get(1).is_none(), call)
}

fn ru_in_years(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let months = if lower(captures, 1) == "год" { 12 } else { 6 };
    Some(with(
        call.checked_add_months(Months::new(months))?,
        DateQualifier::Approx,
    ))
}

fn ru_half_of_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    half_of_month(lower(captures, 1) == "перв", month(&lower(captures, 2))?, call)
}

fn ru_tens_of_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let first = coming_month(month(&lower(captures, 2))?, call)?;
    Some(if lower(captures, 1) == "десятых" {
        between(first.with_day(10)?, first.with_day(19)?)
    } else {
        between(first.with_day(20)?, first.with_day(29).unwrap_or(last_of_month(first)))
    })
}

fn ru_week(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let next = !lower(captures, 2).starts_with("эт");
    let monday = plus(monday_of(call), if next { 7 } else { 0 });
    Some(between(monday, plus(monday, 6)))
}

fn ahead(count: u32, unit: &str, approx: bool, call: NaiveDate) -> Option<DateValue> {
    let date = if unit.starts_with("month") || unit.starts_with("месяц") {
        call.checked_add_months(Months::new(count))?
    } else if unit.starts_with("week") || unit.starts_with("недел") {
        plus(call, u64::from(count) * 7)
    } else {
        plus(call, u64::from(count))
    };
    Some(with(
        date,
        if approx {
            DateQualifier::Approx
        } else {
            DateQualifier::On
        },
    ))
}

fn en_in(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let count = lower(captures, 1);
    let (number, approx) = match count.as_str() {
        "a couple of" | "a couple" => (2, true),
        "a few" => (3, true),
        "a" | "an" => (1, false),
        word => (numbers::read(&tokens(word), 0)?.value as u32, false),
    };
    ahead(number, &lower(captures, 2), approx, call)
}

fn ru_in(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let (first, unit) = (lower(captures, 1), lower(captures, 2));
    match first.as_str() {
        "неделю" | "месяц" | "день" => ahead(1, &first, false, call),
        _ if unit.is_empty() => None,
        "пару" | "пару-тройку" => ahead(2, &unit, true, call),
        "полтора" => ahead(if unit.starts_with("месяц") { 45 } else { 10 }, "days", true, call),
        word => ahead(numbers::read(&tokens(word), 0)?.value as u32, &unit, false, call),
    }
}

fn en_today(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let word = lower(captures, 1);
    Some(on(match word.as_str() {
        "day after tomorrow" => plus(call, 2),
        "tomorrow" => plus(call, 1),
        _ => call,
    }))
}

fn ru_today(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let date = match lower(captures, 2).as_str() {
        "послезавтра" => plus(call, 2),
        "завтра" => plus(call, 1),
        _ => call,
    };
    let mut value = with(date, qualifier(captures.get(1)));
    match lower(captures, 3).as_str() {
        "к обеду" => {
            value.time = NaiveTime::from_hms_opt(12, 0, 0);
            value.time_end = NaiveTime::from_hms_opt(14, 0, 0);
            value.qualifier = DateQualifier::Approx;
        }
        "до вечера" => {
            value.time = NaiveTime::from_hms_opt(18, 0, 0);
            value.qualifier = DateQualifier::By;
        }
        _ => {}
    }
    Some(value)
}

fn ru_soon(_: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    Some(DateValue {
        qualifier: DateQualifier::Approx,
        ..between(plus(call, 1), plus(call, 3))
    })
}

fn quarter_value(number: u32, qualifier: DateQualifier, call: NaiveDate) -> Option<DateValue> {
    let year = if number < quarter_of(call) {
        call.year() + 1
    } else {
        call.year()
    };
    let (start, end) = quarter(year, number)?;
    Some(DateValue {
        qualifier,
        ..between(start, end)
    })
}

fn en_quarter(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let number = captures
        .get(2)
        .and_then(|digit| digit.as_str().parse().ok())
        .or_else(|| ordinal(&lower(captures, 3)))?;
    quarter_value(number, qualifier(captures.get(1)), call)
}

fn ru_quarter(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    quarter_value(ordinal(&lower(captures, 2))?, qualifier(captures.get(1)), call)
}

/// "by June" ends with May, "in June" is June, "after June" begins with July.
fn month_value(preposition: Option<regex::Match<'_>>, month: u32, call: NaiveDate) -> Option<DateValue> {
    let first = coming_month(month, call)?;
    Some(match qualifier(preposition) {
        DateQualifier::By | DateQualifier::Before => with(minus(first, 1), DateQualifier::By),
        DateQualifier::After => with(first, DateQualifier::After),
        _ => between(first, last_of_month(first)),
    })
}

fn en_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    // "may" is a verb far more often than a month, unless written as one.
    if lower(captures, 2) == "may" && !captures.get(2).is_some_and(|word| word.as_str().starts_with('M')) {
        return None;
    }
    month_value(captures.get(1), month(&lower(captures, 2))?, call)
}

fn ru_month(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    month_value(captures.get(1), month(&lower(captures, 2))?, call)
}

fn season_value(preposition: Option<regex::Match<'_>>, index: u32, call: NaiveDate) -> Option<DateValue> {
    let (start, end) = season(index, call)?;
    Some(match qualifier(preposition) {
        DateQualifier::By | DateQualifier::Before => with(minus(start, 1), DateQualifier::By),
        DateQualifier::After => with(end, DateQualifier::After),
        _ => between(start, end),
    })
}

fn en_season(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let index = match lower(captures, 2).as_str() {
        "spring" => 1,
        "summer" => 2,
        "winter" => 4,
        _ => 3,
    };
    season_value(captures.get(1), index, call)
}

fn ru_season_index(word: &str) -> u32 {
    match word.chars().next() {
        Some('в') => 1,
        Some('л') => 2,
        Some('о') => 3,
        _ => 4,
    }
}

fn ru_season(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    season_value(None, ru_season_index(&lower(captures, 1)), call)
}

fn ru_by_season(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    season_value(captures.get(1), ru_season_index(&lower(captures, 2)), call)
}

fn en_new_year(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let day = if lower(captures, 2) == "christmas" { 24 } else { 31 };
    Some(with(NaiveDate::from_ymd_opt(call.year(), 12, day)?, DateQualifier::By))
}

fn ru_new_year(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    Some(with(
        NaiveDate::from_ymd_opt(call.year(), 12, 31)?,
        qualifier(captures.get(1)),
    ))
}

/// The first working day after the days off in the first half of May; the day before it is the last of them.
fn ru_may(captures: &Captures<'_>, call: NaiveDate, _: Language) -> Option<DateValue> {
    let ninth = NaiveDate::from_ymd_opt(call.year(), 5, 9)?;
    let work = calendar::next_business_day(plus(ninth, 1), Language::Ru);
    Some(match lower(captures, 1).as_str() {
        "до" => with(NaiveDate::from_ymd_opt(call.year(), 4, 30)?, DateQualifier::By),
        _ => DateValue {
            start: Some(work),
            date: None,
            ..with(minus(work, 1), DateQualifier::After)
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::day as said;
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn what_a_rule_finds_is_likely() {
        let calls = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/calls");
        let mut found = vec![0; RULES.all.len()];
        for name in ["en-b01", "en-m01", "en-m02", "ru-b01", "ru-b02", "ru-m01"] {
            let file = std::fs::read_to_string(calls.join(name).with_extension("json")).expect("a call");
            for text in file.lines() {
                let likely = RULES.likely.matches(text);
                for (at, (pattern, _)) in RULES.all.iter().enumerate() {
                    let finds = pattern.is_match(text);
                    assert!(!finds || likely.matched(at), "{pattern}: {text}");
                    found[at] += usize::from(finds);
                }
            }
        }
        assert!(found.iter().filter(|count| **count > 0).count() > 20, "{found:?}");
    }

    fn one(text: &str, language: Language, call: &str) -> DateValue {
        let found = find(text, language, date(call));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(text.get(found[0].range.clone()).is_some());
        found[0].value.clone()
    }

    fn check(language: Language, call: &str, table: &[(&str, &str)]) {
        let wrong: Vec<String> = table
            .iter()
            .filter_map(|(text, expected)| {
                let got = said(&one(text, language, call));
                (got != *expected).then(|| format!("{text}: {got}, not {expected}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// The golden table of C.4; the call is on Wednesday 2025-04-16.
    #[test]
    fn golden_russian() {
        check(
            Language::Ru,
            "2025-04-16",
            &[
                ("до конца квартала", "by 2025-06-30"),
                ("в следующий вторник", "2025-04-22"),
                ("во вторник", "2025-04-22"),
                ("в эту пятницу", "2025-04-18"),
                ("в следующую пятницу", "2025-04-25, ambiguous"),
                ("до пятницы", "by 2025-04-18"),
                ("на следующей неделе", "2025-04-21 .. 2025-04-27"),
                ("через две недели", "2025-04-30"),
                ("через пару недель", "2025-04-30, approx"),
                ("двадцать пятого", "2025-04-25"),
                ("к концу месяца", "by 2025-04-30"),
                ("в начале мая", "2025-05-01 .. 2025-05-10"),
                ("после майских", "after 2025-05-12"),
                ("до лета", "by 2025-05-31"),
                ("в третьем квартале", "2025-07-01 .. 2025-09-30"),
                ("осенью", "2025-09-01 .. 2025-11-30"),
                ("к Новому году", "by 2025-12-31"),
                ("завтра к обеду", "2025-04-17 12:00-14:00, approx"),
                ("на днях", "2025-04-17 .. 2025-04-19, approx"),
                ("в прошлом квартале", "2025-01-01 .. 2025-03-31, past"),
            ],
        );
    }

    /// The golden table of C.4; the call is on Wednesday 2025-03-12.
    #[test]
    fn golden_english() {
        check(
            Language::En,
            "2025-03-12",
            &[
                ("by end of quarter", "by 2025-03-31"),
                ("next Wednesday at ten", "2025-03-19 10:00"),
                ("this Friday", "2025-03-14"),
                ("next Friday", "2025-03-21, ambiguous"),
                ("by Friday", "by 2025-03-14"),
                ("in a couple of weeks", "2025-03-26, approx"),
                ("first of June", "2025-06-01"),
                ("Q3", "2025-07-01 .. 2025-09-30"),
                ("end of next month", "2025-04-30"),
                ("mid-April", "2025-04-10 .. 2025-04-20"),
                ("a week from Monday", "2025-03-24"),
                ("end of day tomorrow", "by 2025-03-13 18:00"),
                ("last spring", "past"),
            ],
        );
    }

    #[test]
    fn our_own_dates() {
        check(
            Language::En,
            "2025-03-12",
            &[
                ("let us meet next Tuesday at eleven with you", "2025-03-18 11:00"),
                ("Tuesday at 11 is fine", "2025-03-18 11:00"),
                ("Thursday at three works", "2025-03-13 15:00"),
                ("before the summer season", "by 2025-05-31"),
                ("the first of June would be ideal", "2025-06-01"),
                ("decision by the thirtieth", "by 2025-03-30"),
                ("June 15th at 9:30", "2025-06-15 09:30"),
                ("I'll send it today", "2025-03-12"),
                ("tomorrow at two thirty", "2025-03-13 14:30"),
                ("before September", "by 2025-08-31"),
                ("in three weeks", "2025-04-02"),
                ("the eighteenth is fine", "2025-03-18"),
                ("next week", "2025-03-17 .. 2025-03-23"),
                ("live by the first of June", "by 2025-06-01"),
                ("on the first of June", "2025-06-01"),
                ("in a fortnight", "2025-03-26"),
                ("Tuesday at half past two", "2025-03-18 14:30"),
                ("by the end of next week", "by 2025-03-21"),
                ("end of next week", "2025-03-21"),
                ("Tuesday the twenty-fifth at nine", "2025-03-25 09:00"),
                ("Twenty-eighth at two, fine", "2025-03-28 14:00"),
                ("monday at 4 pm", "2025-03-17 16:00"),
                ("by the end of the month", "by 2025-03-31"),
                ("before Christmas", "by 2025-12-24"),
                ("in the second quarter", "2025-04-01 .. 2025-06-30"),
            ],
        );
        check(
            Language::Ru,
            "2025-04-16",
            &[
                ("давайте в следующий вторник в одиннадцать", "2025-04-22 11:00"),
                ("Хорошо, вторник, одиннадцать", "2025-04-22 11:00"),
                ("в четверг в три", "2025-04-17 15:00"),
                ("до тридцатого решим", "by 2025-04-30"),
                ("25 апреля в 14:30", "2025-04-25 14:30"),
                ("к сентябрю", "by 2025-08-31"),
                ("в сентябре", "2025-09-01 .. 2025-09-30"),
                ("после десятого мая", "after 2025-05-10"),
                ("сегодня до вечера", "by 2025-04-16 18:00"),
                ("через месяц", "2025-05-16"),
                ("к осени", "by 2025-08-31"),
                ("на этой неделе", "2025-04-14 .. 2025-04-20"),
                ("двадцать девятого в девять", "2025-04-29 09:00"),
                ("в понедельник в два", "2025-04-21 14:00"),
                ("в среду, двадцать третьего апреля, в два", "2025-04-23 14:00"),
                ("с 01.06.2025", "2025-06-01"),
                ("25.04 подпишем", "2025-04-25"),
                ("в следующем месяце", "2025-05-01 .. 2025-05-31"),
                ("в этом квартале", "2025-04-01 .. 2025-06-30"),
                ("через полгода", "2025-10-16, approx"),
                ("в первой половине июня", "2025-06-01 .. 2025-06-15"),
                ("первого числа", "2025-05-01"),
                ("в двадцатых числах мая", "2025-05-20 .. 2025-05-29"),
                ("во вторник в половине третьего", "2025-04-22 14:30"),
                ("во вторник в час дня", "2025-04-22 13:00"),
                ("в среду четвёртого, в час", "2025-06-04 13:00"),
                ("послезавтра утром", "2025-04-18"),
                ("до конца года", "by 2025-12-31"),
                ("с первого июня", "after 2025-06-01"),
            ],
        );
    }

    #[test]
    fn words_that_are_no_dates() {
        for text in [
            "it may take a while",
            "the second thing is support",
            "we march on",
            "he was first to call",
            "a day like this",
            "it costs 25.04 a month",
        ] {
            assert!(find(text, Language::En, date("2025-03-12")).is_empty(), "{text}");
        }
        for text in [
            "в конкурентной среде",
            "двенадцать человек",
            "на двоих",
            "первый звонок сделали",
            "втором касании",
        ] {
            assert!(find(text, Language::Ru, date("2025-04-16")).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_ranges_of_itself(text in "\\PC{0,60}", days in 0i32..40_000) {
            let call = NaiveDate::from_num_days_from_ce_opt(719_000 + days).expect("a date");
            for language in [Language::En, Language::Ru] {
                for found in find(&text, language, call) {
                    prop_assert!(text.get(found.range.clone()).is_some());
                }
            }
        }
    }
}
