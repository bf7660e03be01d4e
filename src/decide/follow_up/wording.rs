//! A promise in words of the letter: without the talk around it and its day, its person turned where the buyer promised.
//!
//! Only what the tables know is put into other words; everything else stands as it was said, in quotation marks.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate};

use super::dates;
use super::words::{List, has_words, list, plain, tokens};
use crate::domain::Language;

/// First person of the future → what the letter says to whom it is written, politely and on first-name terms.
const VERBS: &[(&str, &str, &str)] = &[
    ("пришлю", "пришлёте", "пришлёшь"),
    ("пришлем", "пришлёте", "пришлёте"),
    ("отправлю", "отправите", "отправишь"),
    ("отправим", "отправите", "отправите"),
    ("вышлю", "вышлете", "вышлешь"),
    ("вышлем", "вышлете", "вышлете"),
    ("скину", "пришлёте", "пришлёшь"),
    ("сброшу", "пришлёте", "пришлёшь"),
    ("подготовлю", "подготовите", "подготовишь"),
    ("подготовим", "подготовите", "подготовите"),
    ("сделаю", "сделаете", "сделаешь"),
    ("позвоню", "позвоните", "позвонишь"),
    ("позвоним", "позвоните", "позвоните"),
    ("наберу", "позвоните", "позвонишь"),
    ("перезвоню", "перезвоните", "перезвонишь"),
    ("перезвоним", "перезвоните", "перезвоните"),
    ("приведу", "приведёте", "приведёшь"),
    ("позову", "позовёте", "позовёшь"),
    ("согласую", "согласуете", "согласуешь"),
    ("уточню", "уточните", "уточнишь"),
    ("передам", "передадите", "передашь"),
    ("подъеду", "подъедете", "подъедешь"),
    ("приеду", "приедете", "приедешь"),
    ("поставлю", "поставите", "поставишь"),
    ("подпишу", "подпишете", "подпишешь"),
    ("оплачу", "оплатите", "оплатишь"),
    ("возьму", "возьмёте", "возьмёшь"),
    ("соберу", "соберёте", "соберёшь"),
    ("покажу", "покажете", "покажешь"),
    ("закажу", "закажете", "закажешь"),
    ("выставлю", "выставите", "выставишь"),
    ("принесу", "принесёте", "принесёшь"),
    ("займусь", "займётесь", "займёшься"),
    ("направлю", "направите", "направишь"),
    ("обсужу", "обсудите", "обсудишь"),
];
/// English words of promise; what follows is the step.
const LEADS: &[&str] = &[
    "i'll",
    "i will",
    "we'll",
    "we will",
    "let me",
    "i'm going to",
    "i am going to",
    "you'll have",
];
/// Of whom a clause speaks: not turned by a table, so such a clause is quoted.
static PERSONS: List = LazyLock::new(|| {
    list(
        "i|i'll|i'm|i've|i'd|me|my|mine|myself|we|we'll|we're|we've|us|our|you|you'll|you're|your|yours|я|мне|\
         меня|мной|мой|моя|мое|мои|моего|моей|моих|мою|мы|нам|нас|нами|наш|наша|наше|наши|нашего|нашей|наших|нашу|\
         вы|вам|вас|вами|ваш|ваша|ваше|ваши|вашего|вашей|ваших|вашу|ты|тебе|тебя|тобой|твой|твоя|твое|твои|твоего|\
         твоей|твоих|твою",
    )
});
/// Words beside a verb that are left out with the person.
static DROPPED: List =
    LazyLock::new(|| list("я|вам|вас|тебе|тебя|сам|сама|сами|обязательно|тогда|ее|лично|давайте|давай|хорошо|ладно"));
/// English words between "I'll" and its verb.
static DROPPED_EN: List =
    LazyLock::new(|| list("also|just|then|definitely|certainly|gladly|probably|personally|now|still"));
/// Words that date a step by the day of the call: the absolute day stands behind it instead.
pub static RELATIVE: List = LazyLock::new(|| {
    list(
        "today|tonight|tomorrow|this afternoon|this morning|this evening|right away|right now|this week|next week|\
         сегодня|завтра|послезавтра|сейчас|прямо сейчас|вечером|утром|на этой неделе|на следующей неделе",
    )
});
/// Says neither what nor to whom.
static EMPTY: List = LazyLock::new(|| {
    list(
        "send|email|text|message|call|do|be|it|that|them|this|you|sir|over|get|have|see|look|rest|ask|check|try|\
         think|whatsapp|before|lunch|later|soon|let|know|will|we'll|can|also|just|into|back|then|so|one|to|on|the|\
         a|and|for|in|there|ring|him|her|them|first|about|myself|off|when|by|noon|up|ye|as|well|after|again|at|\
         with|too|anyway|now|both|going|am|write|drop|move|tonight|speak|go|come|talk|speak|say|something|\
         anything|everything|all|of|out|put|пришлю|отправлю|скину|сделаю|позвоню|наберу|перезвоню|покажу|ей|ему|\
         им|прям|прямо|уж|ну|тоже|еще|с|утра|после|обеда|раз|так|что|как|тут|там|сам|сама|сейчас|до|за|это|все|\
         вам|тебе|его|ее|их|тогда|хорошо|я|и|на|в|по|туда|давайте|давай|посмотрю|подумаю|скоро|позже|потом|ладно",
    )
});

/// What somebody does who promises, in English; the Russian table of verbs is one of deeds already.
static DEEDS: List = LazyLock::new(|| {
    list(
        "send|email|mail|forward|share|call|ring|phone|text|message|write|book|schedule|invite|set|sign|pay|order|\
         confirm|check|ask|find|prepare|draft|print|bring|get|give|show|come|visit|meet|review|read|test|run|pull|\
         update|fix|install|ship|deliver|drop|copy|present|speak|talk|have|do|put|make|build|add|include|attach|\
         scan|upload|collect|gather|measure|count|look|go|take|pass|submit|raise|arrange|organise|organize|start|\
         begin|speak|try|compare|calculate|work|cut|open|hold|reserve|leave|introduce|be|redo|export|translate|\
         swap|replace|reply|answer|demo|tell|let|fill|complete|finish|return|provide|supply|contact|chase|follow|\
         approve|push|move|type|wire|transfer|document|block|invoice|quote|price|design|configure|connect|enable|\
         switch|turn|train|walk|pick|clean|weigh|mark|note|keep|register|file|release|issue|help|handle|source|\
         plan|meet|demonstrate|deal|post|rewrite|adjust|change",
    )
});
/// Where somebody will be who comes.
static PLACES: List = LazyLock::new(|| list("at|in|down|over|on|back|there|with|round|around"));
/// Deeds that are done by themselves: no document is given, somebody calls or comes.
static CALLS: List =
    LazyLock::new(|| list("call|ring|phone|come|visit|meet|text|message|позвоню|перезвоню|наберу|приеду"));

/// Whether the promise is of something that can be done and seen.
pub fn is_a_deed(clause: &str, language: Language) -> bool {
    let Some((start, end)) = place_of_promise(clause, language) else {
        return false;
    };
    if language == Language::Ru {
        return true;
    }
    let lead = plain(&clause[start..end]);
    let after: Vec<String> = tokens(&clause[end..]).map(|(_, word)| plain(word)).collect();
    let mut words = after
        .iter()
        .map(String::as_str)
        .skip_while(|word| DROPPED_EN.contains(word));
    let (Some(verb), next) = (words.next(), words.next()) else {
        return false;
    };
    if lead == "you'll have" {
        // "You'll have spoken to her by then."
        return !(verb.ends_with("ed")
            || ["spoken", "been", "had", "got", "done", "gone", "seen", "to"].contains(&verb));
    }
    match verb {
        "be" => next.is_some_and(|place| PLACES.contains(&place)),
        "have" => words.next().is_some(),
        _ => DEEDS.contains(&verb),
    }
}

/// Says when somebody calls or comes, and nothing else.
pub fn is_a_call(clause: &str) -> bool {
    let mut words = tokens(clause).map(|(_, word)| plain(word));
    words.any(|word| CALLS.contains(&word.as_str()))
}

/// Where the word of promise stands in a clause.
pub fn place_of_promise(clause: &str, language: Language) -> Option<(usize, usize)> {
    match language {
        Language::En => {
            // The same bytes: only capitals of the Latin letters change.
            let lower = clause.to_ascii_lowercase();
            LEADS
                .iter()
                .flat_map(|lead| lower.match_indices(lead))
                .filter(|(at, lead)| {
                    let whole = |c: char| c.is_alphanumeric() || c == '\'';
                    !lower[..*at].ends_with(whole) && !lower[at + lead.len()..].starts_with(whole)
                })
                .map(|(at, lead)| (at, at + lead.len()))
                .min()
        }
        Language::Ru => tokens(clause)
            .find(|(_, word)| verb(word).is_some())
            .map(|(at, word)| (at, at + word.len())),
    }
}

pub fn is_aside(word: &str) -> bool {
    let bare = plain(word.trim_matches(|c: char| !c.is_alphanumeric()));
    DROPPED.contains(&bare.as_str()) || EMPTY.contains(&bare.as_str())
}

fn verb(word: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let word = plain(word);
    VERBS.iter().find(|(first, ..)| *first == word)
}

pub fn says_nothing(text: &str) -> bool {
    let mut words = tokens(text).map(|(_, word)| plain(word));
    words.all(|word| {
        EMPTY.contains(&word.as_str())
            || LEADS.contains(&word.as_str())
            || RELATIVE.contains(&word.as_str())
            || PERSONS.contains(&word.as_str())
            || ["will", "let"].contains(&word.as_str())
    })
}

/// Without words that mean the day of the call, where they stand at an end. None where they stand inside.
fn without_relative(text: &str) -> Option<&str> {
    let mut text = text.trim();
    loop {
        let lower = plain(text);
        let lower = lower.trim();
        // ё is one letter as e, and counted in letters both are as long.
        let cut = RELATIVE.iter().find_map(|words| {
            let letters = words.chars().count();
            let all = text.chars().count();
            if all <= letters {
                return None;
            }
            let at = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
            if lower.starts_with(*words) && !lower[words.len()..].starts_with(char::is_alphanumeric) {
                Some(&text[at(letters)..])
            } else if lower.ends_with(*words) && !lower[..lower.len() - words.len()].ends_with(char::is_alphanumeric) {
                Some(&text[..at(all - letters)])
            } else {
                None
            }
        });
        match cut {
            Some(rest) => text = rest.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '-' | '—' | '–')),
            None => break,
        }
    }
    let lower = plain(text);
    let inside = RELATIVE.iter().any(|words| has_words(&lower, words));
    (!inside && !text.is_empty()).then_some(text)
}

/// Words of a day, beside the day itself.
static OF_A_DAY: List = LazyLock::new(|| {
    list(
        "by|on|before|until|next|this|coming|till|the|of|до|к|ко|в|во|на|эту|этот|следующий|следующую|следующей|\
         конца|концу|числа",
    )
});
/// Words of an hour, behind a day.
static OF_AN_HOUR: List = LazyLock::new(|| {
    list(
        "at|am|pm|a.m|p.m|o'clock|noon|morning|afternoon|evening|lunch|sharp|one|two|three|four|five|six|seven|\
         eight|nine|ten|eleven|twelve|в|к|утра|утром|вечера|вечером|дня|часов|час|часам|обеда|обеду|до|после|два|\
         три|четыре|пять|шесть|семь|восемь|девять|десять|одиннадцать|двенадцать|десяти|шести|пяти|числа",
    )
});

/// Without the words of a day and its hour, of the day `due` if there is one: the letter says them behind the step.
pub fn without_day(text: &str, due: Option<NaiveDate>) -> String {
    let mut left = text.to_owned();
    // "Wednesday the eleventh", and "on the eleventh … Wednesday".
    for _ in 0..MOST_DAYS {
        match without_one_day(&left, due) {
            Some(rest) => left = rest,
            None => break,
        }
    }
    left
}

/// A day is named in so many places of a clause at most.
const MOST_DAYS: usize = 3;

fn without_one_day(text: &str, due: Option<NaiveDate>) -> Option<String> {
    let words: Vec<(usize, &str, String)> = tokens(text).map(|(at, word)| (at, word, plain(word))).collect();
    let lower: Vec<String> = words.iter().map(|(_, _, word)| word.clone()).collect();
    let (start, mut end) = (0..words.len()).find_map(|at| Some((at, at + day_at(&lower, at, due)?)))?;
    let relative = RELATIVE.contains(&words[start].2.as_str());
    let numbered = dates::weekday(&words[start].2).is_none() && !relative;
    while let Some(more) = (end..words.len().min(end + 2)).find_map(|at| {
        let joined = lower[end..at].iter().all(|word| matches!(word.as_str(), "the" | "of"));
        let month = || dates::month(&lower[at]).map(|_| 1);
        joined
            .then(|| day_at(&lower, at, due).or_else(month))
            .flatten()
            .map(|length| at + length)
    }) {
        end = more;
    }
    let of = |word: &(usize, &str, String), list: &[&str]| {
        list.contains(&word.2.as_str()) || word.1.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut before = words[..start]
        .iter()
        .rev()
        .take_while(|word| of(word, &OF_A_DAY))
        .count();
    // "By February the eleventh".
    if numbered && start > before && dates::month(&lower[start - before - 1]).is_some() {
        before += 1;
        before += words[..start - before]
            .iter()
            .rev()
            .take_while(|word| of(word, &OF_A_DAY))
            .count();
    }
    end += words[end..].iter().take_while(|word| of(word, &OF_AN_HOUR)).count();
    // "the Friday report" is no day of the step.
    let of_a_thing = before == 0 && !relative && !numbered && start > 0 && end < words.len()
        || before > 0 && !relative && lower[start - 1] == "the" && end < words.len() && !numbered;
    let start = start - before;
    if of_a_thing || words.len() - (end - start) < 2 {
        return None;
    }
    let marks = |c: char| c.is_whitespace() || matches!(c, ',' | '-' | '—' | '–');
    let head = text[..words[start].0].trim_end_matches(marks);
    let tail = words.get(end).map_or("", |(at, ..)| &text[*at..]);
    Some([head, tail].join(" ").trim().to_owned())
}

/// Words of a day at a place: a weekday, "today", or the number of the day in question.
fn day_at(words: &[String], at: usize, due: Option<NaiveDate>) -> Option<usize> {
    let word = words[at].as_str();
    if dates::weekday(word).is_some() || RELATIVE.contains(&word) {
        return Some(1);
    }
    let (day, length) = dates::day_number(&words[at..])?;
    (due?.day() == day).then_some(length)
}

/// Whether a text names a day in its own words.
pub fn names_a_day(text: &str, due: Option<NaiveDate>) -> bool {
    let words: Vec<String> = tokens(text).map(|(_, word)| plain(word)).collect();
    (0..words.len()).any(|at| day_at(&words, at, due).is_some() || dates::month(&words[at]).is_some())
}

pub fn quoted(text: &str, language: Language) -> String {
    match language {
        Language::En => format!("“{text}”"),
        Language::Ru => format!("«{text}»"),
    }
}

/// More words in a row without a mark are speech that nobody put into sentences.
const UNMARKED: usize = 12;

/// Written down without marks and long: as it was said it is at least true.
fn runs_on(clause: &str) -> bool {
    clause.split_whitespace().count() > UNMARKED && !clause.contains([',', ';', ':', '—', '–'])
}

/// The clause also says what the other side will do.
fn binds_the_reader(clause: &str) -> bool {
    tokens(clause).any(|(_, word)| {
        let word = plain(word);
        word == "you'll"
            || VERBS
                .iter()
                .any(|(_, polite, familiar)| plain(polite) == word || plain(familiar) == word)
    })
}

/// The rep writes the letter: the words stand as they were said.
pub fn of_the_rep(clause: &str, language: Language) -> Option<String> {
    // "You'll have the deck": the deck, on our side.
    let given = clause.get(..11).filter(|lead| lead.eq_ignore_ascii_case("you'll have"));
    if let Some(given) = given.map(|lead| clause[lead.len()..].trim()) {
        let pronoun = tokens(given)
            .next()
            .is_none_or(|(_, first)| EMPTY.contains(&plain(first).as_str()));
        let article = given.starts_with("the ") || given.starts_with("a ");
        return if article || !pronoun {
            Some(given.to_owned())
        } else {
            Some(quoted(clause, language))
        };
    }
    if runs_on(clause) || binds_the_reader(clause) {
        return Some(quoted(clause, language));
    }
    let Some(text) = without_relative(clause) else {
        return Some(quoted(clause, language));
    };
    let (start, end) = place_of_promise(text, language)?;
    Some(match language {
        Language::En => {
            let rest = text[end..].trim_start();
            if text[start..end].eq_ignore_ascii_case("let me") {
                format!("I'll {rest}")
            } else {
                let said = &text[start..];
                said.strip_prefix("i'")
                    .map_or_else(|| said.to_owned(), |rest| format!("I'{rest}"))
            }
        }
        Language::Ru => {
            let opener = |text: &str| {
                ["давайте я ", "давай я ", "давайте ", "тогда ", "я "]
                    .iter()
                    .find(|opener| plain(text).starts_with(**opener))
                    .map(|opener| opener.len())
            };
            let mut text = text;
            while let Some(rest) = opener(text).and_then(|end| text.get(end..)) {
                text = rest;
            }
            text.to_owned()
        }
    })
}

/// What the buyer promised, said to the buyer.
pub fn to_the_buyer(clause: &str, language: Language, informal: bool) -> Option<String> {
    let quote = || Some(quoted(clause, language));
    if runs_on(clause) {
        return quote();
    }
    let Some(text) = without_relative(clause) else {
        return quote();
    };
    let Some((start, end)) = place_of_promise(text, language) else {
        return quote();
    };
    let turned = match language {
        Language::En => {
            let rest = text[end..].trim();
            let lower = rest.to_ascii_lowercase();
            let given = [
                "send you ",
                "email you ",
                "get you ",
                "give you ",
                "text you ",
                "forward you ",
            ];
            let rest = given
                .iter()
                .find(|words| lower.starts_with(*words))
                .map_or(rest, |words| &rest[words.len()..]);
            rest.replace(" myself", "").trim().to_owned()
        }
        Language::Ru => {
            let (_, polite, familiar) = verb(&text[start..end])?;
            let keep = |part: &str| -> String {
                let kept = part.split_whitespace().filter(|word| {
                    let bare = plain(word.trim_matches(|c: char| !c.is_alphanumeric()));
                    !DROPPED.contains(&bare.as_str())
                });
                kept.collect::<Vec<_>>().join(" ")
            };
            let (before, after) = (keep(&text[..start]), keep(&text[end..]));
            let verb = if informal { familiar } else { polite };
            [before.as_str(), verb, after.as_str()]
                .join(" ")
                .trim()
                .replace(" ,", ",")
        }
    };
    // "It both by noon": it, what?
    let hanging = language == Language::En
        && tokens(&turned)
            .next()
            .is_none_or(|(_, first)| ["it", "that", "them", "this", "both", "to"].contains(&plain(first).as_str()));
    let personal = hanging || tokens(&turned).any(|(_, word)| PERSONS.contains(&plain(word).as_str()));
    let short = language == Language::En && turned.split_whitespace().count() < 2;
    if personal || short { quote() } else { Some(turned) }
}
