//! What was promised, as lines of a letter: the clause with the promise, its person turned where the buyer promised.

use std::sync::LazyLock;

use super::super::Situation;
use super::words::{List, has_words, list, plain, tokens};
use super::{dates, quotes};
use crate::domain::{Commitment, Field, FieldName, FieldValue, FollowUpFact, Language, Role, sentences};

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
        "i|i'll|i'm|i've|i'd|me|my|mine|myself|we|we'll|we're|we've|us|our|you|you'll|you're|your|yours|я|мне|меня|\
         мной|мой|моя|мое|мои|моего|моей|моих|мою|мы|нам|нас|нами|наш|наша|наше|наши|нашего|нашей|наших|нашу|вы|вам|\
         вас|вами|ваш|ваша|ваше|ваши|вашего|вашей|ваших|вашу|ты|тебе|тебя|тобой|твой|твоя|твое|твои|твоего|твоей|\
         твоих|твою",
    )
});
/// Words beside a verb that are left out with the person.
static DROPPED: List =
    LazyLock::new(|| list("я|вам|вас|тебе|тебя|сам|сама|сами|обязательно|тогда|ее|лично|давайте|давай|хорошо|ладно"));
/// Words that date a step by the day of the call: the absolute day stands behind it instead.
static RELATIVE: List = LazyLock::new(|| {
    list(
        "today|tonight|tomorrow|this afternoon|this morning|this evening|right away|right now|this week|next week|\
         сегодня|завтра|послезавтра|сейчас|прямо сейчас|вечером|утром|на этой неделе|на следующей неделе",
    )
});
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
/// Says neither what nor to whom.
static EMPTY: List = LazyLock::new(|| {
    list(
        "send|email|text|message|call|do|be|it|that|them|this|you|sir|over|get|have|see|look|rest|ask|check|try|\
         think|whatsapp|before|lunch|later|soon|let|know|will|we'll|can|also|just|into|back|then|so|one|to|on|the|a|\
         and|for|in|there|пришлю|отправлю|скину|сделаю|это|все|вам|тебе|его|ее|их|тогда|хорошо|я|и|на|в|по|туда|\
         давайте|давай|посмотрю|подумаю|скоро|позже|потом|ладно",
    )
});

/// The promise of a field, if a letter may speak of it.
pub fn promise<'a>(situation: &Situation<'_>, field: &'a Field) -> Option<&'a Commitment> {
    let Some(FieldValue::Commitment(promise)) = &field.value else {
        return None;
    };
    let hidden = quotes::confidential(&promise.what) || quotes::names_a_rival(situation, &promise.what);
    // A question asks the other side for something: it promises nothing.
    (!hidden && !promise.what.trim_end().ends_with('?')).then_some(promise)
}

/// Whether this letter keeps the promise by being sent.
pub fn is_this_letter(text: &str) -> bool {
    let lower = text.to_lowercase();
    THE_LETTER.iter().any(|words| lower.contains(words))
}

/// The steps that a side promised, in the order of the call.
pub fn steps(situation: &Situation<'_>, who: Role, informal: bool) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for field in situation.said(FieldName::Commitments) {
        let (Some(promise), Some(turn)) = (promise(situation, field), field.turn) else {
            continue;
        };
        if promise.who != who {
            continue;
        }
        let day = (promise.due.as_ref())
            .filter(|due| !due.ambiguous && !due.past)
            .and_then(|due| dates::due(due, situation.language));
        let clauses = clauses(&promise.what, situation.language);
        let dated = clauses.iter().position(|clause| clause.dated).unwrap_or(0);
        for (at, clause) in clauses.iter().enumerate() {
            // The day behind the step says it once more, and absolutely.
            let bare = match &day {
                Some(_) if at == dated && !clause.conditional => without_day(clause.text),
                _ => clause.text.to_owned(),
            };
            if is_this_letter(clause.text) || says_nothing(&bare) {
                continue;
            }
            let text = match who {
                _ if clause.conditional => Some(quoted(clause.text, situation.language)),
                Role::Buyer => to_the_buyer(&bare, situation.language, informal),
                _ => of_the_rep(&bare, situation.language),
            };
            let Some(mut text) = text else { continue };
            if text.starts_with(['“', '«']) {
                // A quote is whole: its day stands in it too.
                text = quoted(clause.text, situation.language);
            }
            if steps.iter().all(|known| known.text != text) {
                steps.push(Step {
                    text,
                    day: day.clone().filter(|_| at == dated && !clause.conditional),
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
                dated: RELATIVE.iter().any(|words| has_words(&lower, words))
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

/// "… with Mr": the sentence was cut at a point that ends none; "what I will do is …" promises nothing yet.
fn is_cut_short(part: &str) -> bool {
    let lower = plain(part);
    ["mr", "mrs", "ms", "dr"]
        .iter()
        .any(|title| lower.ends_with(&format!(" {title}")))
        || lower.contains("will do is")
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

/// Where the word of promise stands in a clause.
fn place_of_promise(clause: &str, language: Language) -> Option<(usize, usize)> {
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

fn is_aside(word: &str) -> bool {
    let bare = plain(word.trim_matches(|c: char| !c.is_alphanumeric()));
    DROPPED.contains(&bare.as_str()) || EMPTY.contains(&bare.as_str())
}

fn verb(word: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    let word = plain(word);
    VERBS.iter().find(|(first, ..)| *first == word)
}

fn says_nothing(text: &str) -> bool {
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

/// Words of a day, beside the weekday itself.
static OF_A_DAY: List = LazyLock::new(|| {
    list("by|on|before|until|next|this|coming|till|до|к|ко|в|во|на|эту|этот|следующий|следующую|следующей|конца|концу")
});
/// Words of an hour, behind a day.
static OF_AN_HOUR: List = LazyLock::new(|| {
    list(
        "at|am|pm|a.m|p.m|o'clock|noon|morning|afternoon|evening|lunch|sharp|one|two|three|four|five|six|seven|eight|\
         nine|ten|eleven|twelve|в|к|утра|утром|вечера|вечером|дня|часов|час|часам|обеда|обеду|до|после|два|три|\
         четыре|пять|шесть|семь|восемь|девять|десять|одиннадцать|двенадцать|десяти|шести|пяти",
    )
});

/// Without the words of a day and its hour: the letter says them behind the step.
fn without_day(text: &str) -> String {
    let words: Vec<(usize, &str, String)> = tokens(text).map(|(at, word)| (at, word, plain(word))).collect();
    let names_a_day = |word: &str| dates::weekday(word).is_some() || RELATIVE.contains(&word);
    let Some(day) = words.iter().position(|(_, _, word)| names_a_day(word)) else {
        return text.to_owned();
    };
    let of = |word: &(usize, &str, String), list: &[&str]| {
        list.contains(&word.2.as_str()) || word.1.starts_with(|c: char| c.is_ascii_digit())
    };
    let first = words[..day].iter().rev().take_while(|word| of(word, &OF_A_DAY)).count();
    let after = words[day + 1..].iter().take_while(|word| of(word, &OF_AN_HOUR)).count();
    let (start, end) = (day - first, day + 1 + after);
    // "the Friday report" is no day of the step.
    let of_a_thing = first == 0 && !RELATIVE.contains(&words[day].2.as_str()) && start > 0 && end < words.len();
    if of_a_thing || words.len() - (end - start) < 2 {
        return text.to_owned();
    }
    let marks = |c: char| c.is_whitespace() || matches!(c, ',' | '-' | '—' | '–');
    let head = text[..words[start].0].trim_end_matches(marks);
    let tail = words.get(end).map_or("", |(at, ..)| &text[*at..]);
    [head, tail].join(" ").trim().to_owned()
}

fn quoted(text: &str, language: Language) -> String {
    match language {
        Language::En => format!("“{text}”"),
        Language::Ru => format!("«{text}»"),
    }
}

/// The rep writes the letter: the words stand as they were said.
fn of_the_rep(clause: &str, language: Language) -> Option<String> {
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
fn to_the_buyer(clause: &str, language: Language, informal: bool) -> Option<String> {
    let quote = || Some(quoted(clause, language));
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
    let personal = tokens(&turned).any(|(_, word)| PERSONS.contains(&plain(word).as_str()));
    let short = language == Language::En && turned.split_whitespace().count() < 2;
    if personal || short { quote() } else { Some(turned) }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(without_day(said), left);
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
