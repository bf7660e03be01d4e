//! Sentences by which somebody promises something, and by when.

use std::ops::Range;

use super::text::{Found, has_word, says, sentence_around};
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
/// Words with which an English promise begins, where one is expected.
const BEGINNINGS: &[&str] = &[
    "i'll",
    "ill",
    "i will",
    "we'll",
    "we will",
    "i shall",
    "i'd",
    "i am going to",
    "i'm going to",
    "i'm gonna",
    "im gonna",
    "gonna",
    "let me",
    "i can",
    "i could",
    "i send",
    "i sign",
    "i call",
    "i put",
    "i bring",
    "i write",
    "i give",
    "i ask",
    "i talk",
    "i check",
    "i come",
    "i make",
    "i prepare",
    "i reserve",
    "you'll have",
    "you will have",
    "you'll get",
    "you will get",
    "you will be getting",
    "you can have it",
    "with you by",
    "with you on",
    "will send",
    "going to send",
    "will sign",
    "be there",
];
/// "I'll" with one of them promises something wherever it is said.
const ACTIONS: &[&str] = &[
    "send",
    "email",
    "mail",
    "text",
    "write",
    "share",
    "forward",
    "check",
    "ask",
    "talk",
    "speak",
    "find",
    "bring",
    "prepare",
    "draft",
    "book",
    "order",
    "pay",
    "raise",
    "ship",
    "deliver",
    "confirm",
    "arrange",
    "schedule",
    "reserve",
    "message",
    "whatsapp",
    "sign",
    "scan",
    "print",
    "drop",
    "introduce",
    "connect",
    "transfer",
    "show",
    "give",
    "get",
    "put",
    "add",
    "include",
    "look",
    "let",
    "fax",
    "dig",
    "pull",
    "post",
    "pass",
    "load",
    "move",
    "note",
    "rebuild",
    "fix",
    "change",
    "register",
    "run",
    "ring",
    "phone",
    "tell",
];
/// "I'll" with one of them promises nothing.
const STANCES: &[&str] = &[
    "be",
    "say",
    "see",
    "think",
    "admit",
    "hold you",
    "believe",
    "never",
    "not",
    "tell you",
    "give you that",
    "take that",
    "bet",
    "leave it",
    "have to",
    "need",
    "be honest",
    "wait",
    "explain",
    "remember",
    "let you go",
    "let you get",
    "get going",
    "get to the",
    "keep",
    "start",
    "just say",
    "ask you",
    "repeat",
    "try",
    "pass on",
    "take a",
    "miss",
];
/// Russian verbs of the first person that promise nothing.
const STANCES_RU: &[&str] = &[
    "думаю",
    "знаю",
    "понимаю",
    "считаю",
    "хочу",
    "могу",
    "буду",
    "жду",
    "вижу",
    "слышу",
    "говорю",
    "звоню",
    "надеюсь",
    "помню",
    "люблю",
    "слушаю",
    "подумаю",
    "предлагаю",
    "работаю",
    "спрашиваю",
    "смотрю",
    "делаю",
    "плачу",
    "беру",
    "хожу",
    "сижу",
    "живу",
    "прошу",
    "боюсь",
    "верю",
    "уверяю",
    "обещаю",
    "извиняюсь",
    "интересую",
    "представляю",
    "чувствую",
    "полагаю",
    "тону",
    "кричу",
    "пишу",
    "веду",
    "стою",
    "еду",
    "иду",
    "несу",
    "вожу",
    "ношу",
    "имею",
    "советую",
    "рекомендую",
    "согласую",
    "повторю",
    "скажу честно",
    "расскажу коротко",
    "объясню",
    "поясню",
    "должну",
    "цену",
    "зиму",
    "сумму",
    "машину",
    "сторону",
    "задачу",
    "встречу",
    "передачу",
    "базу",
    "причину",
    "половину",
    "середину",
    "среду",
    "погоду",
    "дату",
    "воду",
    "удачу",
    "дачу",
    "вашу",
    "нашу",
    "вторую",
    "первую",
    "новую",
    "эту",
    "свою",
    "мою",
    "всю",
    "твою",
    "которую",
    "такую",
    "другую",
    "какую",
    "каждую",
    "тишину",
    "страну",
    "жену",
    "смену",
    "схему",
    "систему",
    "проблему",
    "тему",
    "программу",
    "команду",
    "неделю",
    "следующую",
    "линию",
    "историю",
    "компанию",
    "почему",
    "потому",
    "поэтому",
    "ему",
    "кому",
    "тому",
    "чему",
    "этому",
    "одну",
    "минуту",
];
/// A call or a visit of whoever promises it: with a day it is a meeting, no promise.
const MEETS: &[&str] = &[
    "come",
    "visit",
    "see you",
    "be there",
    "meet",
    "call on",
    "call at",
    "подъеду",
    "приеду",
    "заеду",
    "приедем",
    "подъедем",
    "встретимся",
    "встречаемся",
];
/// What is handed over: named with a day, it is promised without a verb.
const PAPERS: &[&str] = &[
    "contract",
    "letter",
    "invoice",
    "quote",
    "proposal",
    "summary",
    "one-pager",
    "one pager",
    "link",
    "draft",
    "redline",
    "sheet",
    "договор",
    "счет",
    "расчет",
    "график",
    "предложени",
    "смет",
    "письм",
    "акт",
    "ссылк",
    "презентац",
    "спецификац",
    "коробк",
    "эскиз",
    "бумаг",
    "допсоглаш",
    "допник",
    "телефон",
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

/// The other side is to do it.
const ASKS: &[&str] = &[
    "send",
    "call",
    "bring",
    "write",
    "you ",
    "let's",
    "присыл",
    "пришлите",
    "шлите",
    "кидайте",
    "скидывайте",
    "звоните",
    "приезжа",
    "давай",
    "приход",
    "вы ",
    "она ",
    "он ",
];

/// Words of the plan of a talk.
const AGENDA: &[&str] = &[
    "предлагаю так",
    "план такой",
    "сначала пара",
    "сначала несколько",
    "несколько вопросов, потом",
    "потом покажу",
    "в конце решим",
    "here's the plan",
    "then i'll show",
    "then we decide",
    "here is the plan",
    "questions first",
    "down for thirty minutes",
    "down for twenty minutes",
];

/// Promises with the days they are due, in the order of the text. `expected`: the turn promises something, so that its
/// words need not say so themselves.
pub fn find(text: &str, days: &[Found<DateValue>], expected: bool) -> Vec<Found<Option<DateValue>>> {
    let promises = |sentence: &Range<usize>| {
        let lower = lower(&text[sentence.clone()]);
        // What is to come in this very talk is promised to nobody.
        !AGENDA.iter().any(|words| lower.contains(words)) && !verbs(text, sentence, expected).is_empty()
    };
    let mut found: Vec<Found<Option<DateValue>>> = sentences(text)
        .into_iter()
        .filter(|sentence| {
            let lower = lower(&text[sentence.clone()]);
            !SUPPOSED.iter().any(|words| lower.contains(words)) && promises(sentence)
        })
        .flat_map(|sentence| parts(text, &sentence, days, expected))
        .map(|range| Found {
            value: due(text, &range, days, expected),
            range,
        })
        .collect();
    if found.is_empty() && expected {
        found.extend(paper(text, days));
    }
    found
}

/// "I'll come on Friday", «приеду»: a visit, which is no promise of its own.
pub fn is_meeting(text: &str, part: &Range<usize>, days: &[Found<DateValue>]) -> bool {
    let lower = lower(&text[part.clone()]);
    let dated = days
        .iter()
        .any(|day| part.start <= day.range.start && day.range.end <= part.end);
    let visit = ["подъеду", "приеду", "заеду", "приедем", "встретимся", "meet"]
        .iter()
        .any(|word| lower.contains(word));
    says(&lower, MEETS) && (dated || visit)
}

/// «К понедельнику расчёт», "the draft by Thursday".
fn paper(text: &str, days: &[Found<DateValue>]) -> Option<Found<Option<DateValue>>> {
    sentences(text).into_iter().find_map(|range| {
        let inside = |day: &&Found<DateValue>| range.start <= day.range.start && day.range.end <= range.end;
        let day = days.iter().find(inside).filter(|day| !day.value.past)?;
        let words = lower(&text[range.clone()]);
        let deadline = matches!(day.value.qualifier, DateQualifier::By | DateQualifier::Before);
        let asks = says(&words, ASKS);
        (!asks && (says(&words, PAPERS) || deadline && !words.ends_with('?'))).then(|| Found {
            value: Some(day.value.clone()),
            range: range.clone(),
        })
    })
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
fn verbs(text: &str, sentence: &Range<usize>, expected: bool) -> Vec<Range<usize>> {
    let lower = lower(&text[sentence.clone()]);
    // Letters that change their length in lower case would move the places.
    if lower.len() != text[sentence.clone()].replace('’', "'").len() || text[sentence.clone()].contains('’') {
        return Vec::new();
    }
    let whole = |at: usize, word: &str| {
        !lower[..at].ends_with(char::is_alphanumeric) && !lower[at + word.len()..].starts_with(char::is_alphanumeric)
    };
    let places = |word: &'static str| lower.match_indices(word).filter(|(at, word)| whole(*at, word));
    let mut verbs: Vec<Range<usize>> = BEGINNINGS
        .iter()
        .flat_map(|word| places(word))
        .map(|(at, word)| at..at + word.len())
        .filter(|begin| promises_in_english(&lower, begin, expected))
        .collect();
    verbs.extend(russian(&lower, expected));
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

fn promises_in_english(lower: &str, begin: &Range<usize>, expected: bool) -> bool {
    let behind = lower[begin.end..].trim_start();
    let behind = [
        "just ",
        "also ",
        "then ",
        "definitely ",
        "certainly ",
        "myself ",
        "actually ",
        "maybe ",
    ]
    .iter()
    .fold(behind, |rest, filler| rest.strip_prefix(filler).unwrap_or(rest));
    let starts = |words: &[&str]| {
        words.iter().any(|word| {
            behind
                .strip_prefix(word)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '\''))
        })
    };
    let opening = &lower[begin.clone()];
    if opening.starts_with("you") || opening.starts_with("with you") {
        return expected;
    }
    // "Shall I send", "if I send" leave it open.
    let before = lower[..begin.start].trim_end();
    let open = [
        "shall", "should", "can", "could", "may", "if", "would", "what", "where", "when", "before", "did", "do",
        "that", "which",
    ]
    .iter()
    .any(|word| has_word(before.rsplit(' ').next().unwrap_or_default(), &[word]));
    // "I can", "let me" and a bare "I send" offer or tell more often than they promise.
    let loose = matches!(opening, "let me" | "i can" | "i could" | "i'd" | "gonna" | "ill")
        || opening.starts_with("i ") && !opening.starts_with("i will");
    let conditional = lower.trim_start().starts_with("if ") && matches!(opening, "i'd" | "i could" | "i can");
    if open || conditional || starts(STANCES) || loose && !expected {
        return false;
    }
    let whole = opening.starts_with("i ") && !matches!(opening, "i will" | "i can" | "i could" | "i shall");
    whole || starts(ACTIONS) || expected && !loose
}

/// Russian verbs of the first person of what is still to be done.
fn russian(lower: &str, expected: bool) -> Vec<Range<usize>> {
    const ENDINGS: &[&str] = &[
        "аю", "яю", "ую", "шлю", "влю", "млю", "плю", "блю", "рю", "ню", "лю", "шу", "жу", "чу", "щу", "ду", "ну",
        "му", "су", "зу", "юсь", "усь", "лем", "вим", "дим", "ним", "жем", "чим",
    ];
    const SURE: &[&str] = &[
        "пришлю",
        "отправлю",
        "вышлю",
        "скину",
        "подготовлю",
        "сделаю",
        "напишу",
        "позвоню",
        "перезвоню",
        "наберу",
        "согласую",
        "уточню",
        "передам",
        "подпишу",
        "оплачу",
        "соберу",
        "выставлю",
        "сброшу",
        "принесу",
        "занесу",
        "направлю",
        "обсужу",
        "пришлем",
        "отправим",
        "вышлем",
        "подготовим",
        "поговорю",
        "спрошу",
        "узнаю",
        "посчитаю",
        "проверю",
        "отдам",
        "дам",
        "привезу",
        "сниму",
        "сфоткаю",
        "сфотографирую",
        "найду",
        "закажу",
        "приведу",
        "позову",
        "возьму",
        "куплю",
        "покажу",
        "завизирую",
        "попрошу",
        "верну",
        "вернем",
        "внесу",
        "пропишу",
        "напомню",
        "поставлю",
        "займусь",
        "подъеду",
        "приеду",
        "позвоним",
        "перезвоним",
        "расскажу",
        "впишу",
        "переделаю",
        "оформлю",
        "найдем",
        "отложу",
        "договорюсь",
        "закину",
        "кину",
        "поищу",
        "запишу",
        "отгружу",
        "зайду",
        "посмотрю",
        "переделаем",
        "поменяю",
        "уберу",
        "переведу",
        "подключу",
        "отведу",
        "подержу",
        "дадим",
        "проверим",
        "сделаем",
    ];
    let mut found = Vec::new();
    let mut at = 0;
    for word in lower.split(|c: char| !c.is_alphabetic()) {
        let start = lower[at..].find(word).map_or(at, |place| at + place);
        at = start + word.len();
        if word.is_ascii() || word.chars().count() < 3 || STANCES_RU.contains(&word) {
            continue;
        }
        let denied = lower[..start].trim_end().ends_with(" не") || lower[..start].trim_end() == "не";
        let mine = lower[..start].trim_end().ends_with('я') || lower.contains("я ");
        let known = SURE.contains(&word);
        let guessed = expected
            && word.chars().count() > 4
            && ENDINGS.iter().any(|ending| word.ends_with(ending))
            && [
                "по", "при", "от", "вы", "за", "на", "с", "раз", "рас", "под", "пере", "об", "про", "до", "у", "в",
            ]
            .iter()
            .any(|prefix| word.starts_with(prefix))
            && mine;
        if !denied && (known || guessed) {
            found.push(start..at);
        }
    }
    found
}

/// A sentence, parted where a second promise with a day of its own begins.
fn parts(text: &str, sentence: &Range<usize>, days: &[Found<DateValue>], expected: bool) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut from = sentence.start;
    for pair in verbs(text, sentence, expected).windows(2) {
        let between = &text[pair[0].end..pair[1].start.max(pair[0].end)];
        let Some((end, start)) = border(between) else { continue };
        let (end, start) = (pair[0].end + end, pair[0].end + start);
        let dated = |part: Range<usize>| {
            days.iter()
                .any(|day| part.start <= day.range.start && day.range.end <= part.end)
        };
        // "I will fill and send it by Friday" is one promise.
        let bare = VERBS_BEHIND_AND.contains(&lower(&text[pair[1].clone()]).as_str());
        // «Подъеду и покажу» is one promise, "I'll ask and I'll write" are two.
        let own = text[pair[1].clone()].is_ascii() && !bare;
        if from <= end && (own || dated(start..sentence.end) && (!bare || dated(from..end))) {
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

/// A day before the words of promise is as far from them as one so many bytes further behind them.
const BEFORE_VERB: usize = 30;

/// The promise is kept on the day of the talk: words that name no day.
pub fn at_once(words: &str) -> bool {
    const AT_ONCE: &[&str] = &[
        "сейчас",
        "сразу после звонка",
        "после звонка",
        "right now",
        "right away",
        "before lunch",
        "at noon",
        "after this call",
        "after the call",
        "once we drop",
        "once we hang up",
    ];
    has_word(&lower(words), AT_ONCE)
}

/// The day nearest to the words of promise, unless it is said of something else.
fn due(text: &str, part: &Range<usize>, days: &[Found<DateValue>], expected: bool) -> Option<DateValue> {
    let verbs = verbs(text, part, expected);
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
                BEFORE_VERB + verb.start.saturating_sub(day.range.end)
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
        find(text, &days, true)
            .into_iter()
            .map(|found| {
                let due = found.value.as_ref().map_or("undated".to_owned(), samples::day);
                format!("{}: {due}", &text[found.range])
            })
            .collect()
    }

    #[test]
    fn the_plan_of_the_talk_promises_nothing() {
        let ru = |text: &str| promises(text, Language::Ru, "2025-04-16");
        assert!(ru("Предлагаю так: сначала пара вопросов, потом покажу два экрана.").is_empty());
        assert_eq!(ru("Завтра пришлю договор.").len(), 1);
        assert!(ru("Потом покажу один экран и в конце решим.").is_empty());
        let en = |text: &str| promises(text, Language::En, "2025-03-12");
        assert!(en("Here's the plan: a few questions first, then I'll show you two screens.").is_empty());
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
        assert!(ru("Потом покажу один экран и в конце решим.").is_empty());
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
    fn words_of_the_moment() {
        assert!(at_once("Щиток сейчас пойду сниму."));
        assert!(at_once("I'll have it to you before lunch"));
        assert!(!at_once("сейчасный"));
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
        assert!(ru("Потом покажу один экран и в конце решим.").is_empty());
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
