//! The next meeting: which day was proposed, turned down, and agreed to.
//!
//! Reads the talk in its order: a proposal to meet, call or visit opens a bargain; the other side takes the day, names
//! another, or turns it down. The day that both named last is the meeting.

use std::ops::Range;

use chrono::{Datelike, NaiveDate};

use super::dates;
use super::text::{Found, has_word, says, sentence_around, tokens};
use crate::domain::{Call, DateQualifier, DateValue, FieldStatus, Language, Role, Signal, TurnLabels};

/// Turns that a proposal waits for its answer.
const PATIENCE: usize = 4;
/// A clause with so many words beside the day says little else.
const BARE: usize = 2;

const MEETS: &[&str] = &[
    "meet",
    "book",
    "invite",
    "demo",
    "session",
    "catch up",
    "show you",
    "walk",
    "visit",
    "sit down",
    "see you",
    "come by",
    "come in",
    "come over",
    "come out",
    "come to",
    "stop by",
    "drop by",
    "half an hour",
    "minutes with",
    "slot",
    "calendar",
    "diary",
    "appointment",
    "встре",
    "покаж",
    "показ",
    "демо",
    "приед",
    "приезж",
    "подъед",
    "подъез",
    "заед",
    "заезж",
    "зайд",
    "увид",
    "слот",
    "сядем",
    "ждем",
    "жду вас",
    "консультац",
    "полчаса",
    "календар",
];
const CALLS: &[&str] = &[
    "call",
    "talk",
    "speak",
    "ring you",
    "phone",
    "созвон",
    "позвон",
    "перезвон",
    "звон",
    "набер",
    "на связи",
    "свяж",
];
/// What is done by a day without anybody meeting.
const WORKS: &[&str] = &[
    "send",
    "email",
    "e-mail",
    "share",
    "forward",
    "deliver",
    "text you",
    "you'll have",
    "sign ",
    "launch",
    "start",
    "go live",
    "пришл",
    "присыл",
    "отправ",
    "вышл",
    "высыл",
    "скин",
    "сброш",
    "направ",
    "перешл",
    "подготов",
    "сдела",
    "выстав",
    "оплат",
    "оплач",
    "подпис",
    "подпиш",
    "запус",
    "старт",
    "начн",
    "начин",
];
const YES: &[&str] = &[
    "yes",
    "yeah",
    "yep",
    "sure",
    "okay",
    "ok",
    "fine",
    "perfect",
    "sounds good",
    "works",
    "great",
    "let's",
    "good",
    "deal",
    "agreed",
    "lovely",
    "да",
    "хорошо",
    "давайте",
    "давай",
    "ладно",
    "договорились",
    "окей",
    "отлично",
    "подходит",
    "устроит",
    "конечно",
    "можно",
    "согласен",
    "согласна",
    "звоните",
    "приезжайте",
    "жду",
    "ждем",
    "записал",
    "записала",
    "добро",
];
const OTHER_DAY: &[&str] = &[
    "better",
    "rather",
    "instead",
    "could we",
    "can we",
    "how about",
    "what about",
    "лучше",
    "перенес",
    "может",
];
const NOT_CONSENT: &[&str] = &[
    "doesn't work",
    "don't work",
    "won't work",
    "no good",
    "not good",
    "not sure",
    "can't",
    "cannot",
    "i don't know",
    "не подход",
    "не могу",
    "не можем",
    "не получ",
    "не смо",
    "неудобно",
    "не знаю",
    "не надо",
    "не нужно",
];
/// A word of denial in them denies no day.
const NO_DENIAL: &[&str] = &[
    "why don't",
    "why not",
    "don't you",
    "if not",
    "not later",
    "no later",
    "no problem",
    "не хотите",
    "не возража",
    "не против",
    "не позже",
    "не позднее",
    "не раньше",
    "не забуд",
    "если не",
];
const DENIALS: &[&str] = &[
    "not",
    "can't",
    "cannot",
    "couldn't",
    "won't",
    "don't",
    "doesn't",
    "isn't",
    "except",
    "не",
    "кроме",
    "никак",
    "неудобно",
    "занят",
    "занята",
    "вряд",
];
const DENIALS_BEHIND: &[&str] = &["no", "busy", "out", "away", "full", "нет", "отпадает", "исключено"];

/// The day of the next meeting with the words that carry it.
#[derive(Debug, Clone, PartialEq)]
pub struct Meeting {
    /// Place of the turn in the call.
    pub at: usize,
    pub day: Found<DateValue>,
    pub status: FieldStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Meet,
    Call,
    Work,
    Unsaid,
}

/// A day that somebody named.
#[derive(Debug, Clone)]
struct Mention {
    at: usize,
    day: Found<DateValue>,
    /// "Tuesday", without a number and without "next".
    weekday_only: bool,
    purpose: Purpose,
    denied: bool,
}

/// Days that one side put forward.
#[derive(Default)]
struct Offer {
    by: Role,
    at: usize,
    days: Vec<Mention>,
    /// The other side spoke since.
    answered: bool,
}

pub fn find(call: &Call, labels: &[TurnLabels], language: Language, call_date: NaiveDate) -> Option<Meeting> {
    let mut offer = Offer::default();
    let mut taken: Option<(Mention, FieldStatus)> = None;
    let mut proposed: Option<Mention> = None;
    for (at, (turn, labels)) in call.turns.iter().zip(labels).enumerate() {
        if turn.role == Role::Unknown {
            continue;
        }
        let named = mentions(at, &turn.text, language, call_date);
        let (denied, mut named): (Vec<Mention>, Vec<Mention>) = named.into_iter().partition(|day| day.denied);
        let is_denied = |day: &Mention| denied.iter().any(|other| same_day(other, day));
        let turned_down = offer.days.iter().any(is_denied) || taken.as_ref().is_some_and(|(day, _)| is_denied(day));
        offer.days.retain(|day| !is_denied(day));
        taken = taken.filter(|(day, _)| !is_denied(day));
        proposed = proposed.filter(|day| !is_denied(day));
        named.retain(|day| may_be_meeting(day, call_date));

        let live = !offer.days.is_empty() && at - offer.at <= PATIENCE;
        let known = named
            .iter()
            .find_map(|day| Some((day, offer.days.iter().find(|offered| same_day(offered, day))?)));
        if let Some((day, offered)) = known {
            let both = merged(offered, day);
            if offer.by != turn.role || taken.as_ref().is_some_and(|(taken, _)| same_day(taken, &both)) {
                let confirmed = offer.by != turn.role || matches!(taken, Some((_, FieldStatus::Confirmed)));
                let status = if confirmed {
                    FieldStatus::Confirmed
                } else {
                    FieldStatus::Stated
                };
                taken = Some((both.clone(), status));
            }
            if offer.by == turn.role {
                offer.at = at;
            }
            offer.days = vec![both];
            continue;
        }
        let bargaining = turned_down || live;
        named.retain(|day| is_proposal(day, &turn.text, turn.role, labels, bargaining));
        if let Some(first) = preferred(&named) {
            let lower = lower(&turn.text);
            let settled = matches!(taken, Some((_, FieldStatus::Confirmed))) && !says(&lower, OTHER_DAY);
            if settled && turn.role == Role::Buyer {
                continue;
            }
            if turn.role == Role::Buyer {
                taken = Some((first.clone(), FieldStatus::Stated));
            } else {
                // The rep's other day takes the place of the one that only the buyer named.
                taken = taken.filter(|(_, status)| *status == FieldStatus::Confirmed || !live);
                if labels.has(Signal::RepNextStep) || bargaining {
                    proposed = Some(first.clone());
                }
            }
            offer = Offer {
                by: turn.role,
                at,
                days: named,
                answered: false,
            };
            continue;
        }
        if live && offer.by != turn.role && !offer.answered {
            offer.answered = true;
            if consents(&turn.text, labels)
                && let Some(day) = preferred(&offer.days)
            {
                taken = Some((day.clone(), FieldStatus::Confirmed));
            } else if refuses(&turn.text) {
                proposed = proposed.filter(|day| !offer.days.iter().any(|offered| same_day(offered, day)));
                offer.days.clear();
            }
        }
    }
    let (mention, status) = taken.or_else(|| Some((proposed?, FieldStatus::Proposed)))?;
    let mut day = mention.day;
    day.value.kind = (mention.purpose == Purpose::Call).then(|| "call".to_owned());
    Some(Meeting {
        at: mention.at,
        day,
        status,
    })
}

fn lower(text: &str) -> String {
    text.to_lowercase().replace('ё', "е").replace('’', "'")
}

fn mentions(at: usize, text: &str, language: Language, call_date: NaiveDate) -> Vec<Mention> {
    let days = dates::find(text, language, call_date);
    let places: Vec<Range<usize>> = days.iter().map(|day| day.range.clone()).collect();
    days.into_iter()
        .enumerate()
        .map(|(number, day)| {
            let from = number.checked_sub(1).map_or(0, |before| places[before].end);
            let to = places.get(number + 1).map(|next| next.start);
            Mention {
                at,
                purpose: purpose(text, &day.range),
                denied: is_denied(text, &day.range, from, to),
                weekday_only: dates::is_weekday_alone(&text[day.range.clone()]),
                day,
            }
        })
        .collect()
}

/// The part of a sentence around a place that has a statement of its own.
fn clause_around(text: &str, range: &Range<usize>) -> Range<usize> {
    const JOINTS: &[&str] = &[" but ", " но ", " а ", ", "];
    const FILLERS: &[&str] = &[
        "к сожалению",
        "увы",
        "боюсь",
        "unfortunately",
        "i'm afraid",
        "sorry",
        "извините",
    ];
    let sentence = sentence_around(text, range);
    let start = JOINTS
        .iter()
        .filter_map(|joint| Some(text[sentence.start..range.start].rfind(joint)? + joint.len()))
        .max()
        .map_or(sentence.start, |at| sentence.start + at);
    let end = JOINTS
        .iter()
        .flat_map(|joint| text[range.end..sentence.end].match_indices(joint))
        .filter(|(at, joint)| {
            let rest = lower(&text[range.end + at + joint.len()..sentence.end]);
            !FILLERS.iter().any(|filler| rest.starts_with(filler))
                && !FILLERS.iter().any(|filler| {
                    lower(&text[range.end..range.end + at])
                        .trim_start_matches([',', ' '])
                        .starts_with(filler)
                })
        })
        .map(|(at, _)| range.end + at)
        .min()
        .unwrap_or(sentence.end);
    start..end.max(range.end)
}

/// What the day is for: by the nearest verb of the clause, else by the sentence.
fn purpose(text: &str, day: &Range<usize>) -> Purpose {
    let clause = clause_around(text, day);
    let near = |lower: &str, at: usize| {
        [(Purpose::Meet, MEETS), (Purpose::Call, CALLS), (Purpose::Work, WORKS)]
            .iter()
            .flat_map(|(purpose, words)| words.iter().map(move |word| (*purpose, *word)))
            .flat_map(|(purpose, word)| {
                lower
                    .match_indices(word)
                    .filter(|(place, _)| !lower[..*place].ends_with(|c: char| c.is_alphanumeric()))
                    .map(move |(place, _)| (place.abs_diff(at), purpose))
                    .collect::<Vec<_>>()
            })
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, purpose)| purpose)
    };
    let place = lower(&text[clause.start..day.start]).len();
    let sentence = sentence_around(text, day);
    near(&lower(&text[clause.clone()]), place)
        .or_else(|| {
            near(
                &lower(&text[sentence.clone()]),
                lower(&text[sentence.start..day.start]).len(),
            )
        })
        .unwrap_or(Purpose::Unsaid)
}

/// The clause turns the day down. `from` and `to` are the days before and behind.
fn is_denied(text: &str, day: &Range<usize>, from: usize, to: Option<usize>) -> bool {
    let clause = clause_around(text, day);
    let without_idioms = |part: &str| {
        NO_DENIAL
            .iter()
            .fold(lower(part), |part, idiom| part.replace(idiom, " "))
    };
    let before = without_idioms(&text[clause.start.max(from).min(day.start)..day.start]);
    let behind_end = to.map_or(clause.end, |to| to.min(clause.end)).max(day.end);
    let behind = without_idioms(&text[day.end..behind_end]);
    let before: Vec<&str> = before.split_whitespace().collect();
    let mut behind: Vec<&str> = behind.split_whitespace().collect();
    if to.is_some_and(|to| to == behind_end) {
        // "Thursday, not Friday": that denial is the next day's.
        while behind
            .last()
            .is_some_and(|word| matches!(*word, "on" | "the" | "в" | "на" | "а" | "and"))
        {
            behind.pop();
        }
        if behind.last().is_some_and(|word| matches!(*word, "not" | "не")) {
            behind.pop();
        }
    }
    let plain = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let denies = |word: &str| DENIALS.contains(&plain(word).as_str());
    let asked = text[..clause.end].ends_with('?');
    let answer = lower(&text[clause.end..]);
    let first = answer.split_whitespace().next().map(plain).unwrap_or_default();
    before.iter().rev().take(4).any(|word| denies(word))
        || behind
            .iter()
            .take(5)
            .any(|word| denies(word) || DENIALS_BEHIND.contains(&plain(word).as_str()))
        || asked && matches!(first.as_str(), "no" | "нет")
}

/// A day to come; no deadline, no beginning of something.
fn may_be_meeting(mention: &Mention, call_date: NaiveDate) -> bool {
    let value = &mention.day.value;
    let open = match value.qualifier {
        DateQualifier::By | DateQualifier::Before => value.time.is_none(),
        DateQualifier::After => true,
        DateQualifier::On | DateQualifier::Approx => false,
    };
    value.date.is_some_and(|date| date > call_date) && !value.past && !open && mention.purpose != Purpose::Work
}

/// Words of consent alone propose nothing, except in the middle of a bargain.
fn is_proposal(mention: &Mention, text: &str, role: Role, labels: &TurnLabels, bargaining: bool) -> bool {
    let meets = matches!(mention.purpose, Purpose::Meet | Purpose::Call);
    let timed = mention.day.value.time.is_some();
    let asked = text[sentence_around(text, &mention.day.range)].ends_with('?');
    let signal = match role {
        Role::Rep => labels.has(Signal::RepNextStep) || asked,
        _ => labels.has(Signal::BuyerCommitment),
    };
    let clause = &text[clause_around(text, &mention.day.range)];
    let words = lower(clause);
    let words_of_day = text[mention.day.range.clone()].split_whitespace().count();
    let bare = clause.split_whitespace().count() <= words_of_day + BARE;
    (signal || bargaining) && (meets || timed)
        || bargaining && (bare || says(&words, OTHER_DAY) || has_word(&words, YES))
        // "Could I have half an hour with her? Tuesday the twenty-third, in the morning."
        || labels.has(Signal::RepNextStep) && bare && says(&lower(text), MEETS)
}

fn refuses(text: &str) -> bool {
    let lower = lower(text);
    let first = tokens(&lower).into_iter().next().map(|word| word.lower);
    matches!(first.as_deref(), Some("no" | "nope" | "нет")) || says(&lower, NOT_CONSENT)
}

fn consents(text: &str, labels: &TurnLabels) -> bool {
    let put_off = labels.has(Signal::BuyerDelay) || labels.has(Signal::BuyerRefusal);
    !refuses(text) && (labels.has(Signal::BuyerCommitment) || !put_off && has_word(&lower(text), YES))
}

/// A day with a clock time before one without.
fn preferred(days: &[Mention]) -> Option<&Mention> {
    days.iter()
        .find(|mention| mention.day.value.time.is_some())
        .or_else(|| days.first())
}

/// A weekday alone means the day of that name that is talked about.
fn same_day(one: &Mention, other: &Mention) -> bool {
    let (Some(a), Some(b)) = (one.day.value.date, other.day.value.date) else {
        return false;
    };
    a == b || (one.weekday_only || other.weekday_only) && a.weekday() == b.weekday()
}

/// What both sides said of one day; the words are those that carry most of it, the later ones if both do.
fn merged(offered: &Mention, named: &Mention) -> Mention {
    let said_later = named.day.value.time.is_some() || offered.day.value.time.is_none();
    let mut both = if said_later { named.clone() } else { offered.clone() };
    let exact = if named.weekday_only { offered } else { named };
    both.day.value.date = exact.day.value.date;
    both.weekday_only = offered.weekday_only && named.weekday_only;
    both.day.value.ambiguous = exact.day.value.ambiguous;
    both.purpose = match (offered.purpose, named.purpose) {
        (Purpose::Meet, _) | (_, Purpose::Meet) => Purpose::Meet,
        (Purpose::Call, _) | (_, Purpose::Call) => Purpose::Call,
        (purpose, _) => purpose,
    };
    both
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, Said};
    use super::*;
    use crate::domain::{FieldName, FieldValue};
    use Role::{Buyer, Rep};
    use Signal::{BuyerCommitment, BuyerDelay, RepNextStep};

    fn meeting(language: Language, said: &[Said<'_>]) -> String {
        let date = match language {
            Language::En => "2025-03-12",
            Language::Ru => "2025-04-16",
        };
        let fields = samples::fields(FieldName::NextMeeting, language, date, said);
        assert!(fields.len() < 2, "{fields:?}");
        fields.first().map_or("none".to_owned(), |field| match &field.value {
            Some(FieldValue::Date(day)) => format!(
                "{} {}{}",
                samples::day(day),
                field.status.as_str(),
                day.kind.as_ref().map_or(String::new(), |kind| format!(" {kind}"))
            ),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_day_that_the_buyer_agreed_to() {
        let ru = |said: &[Said<'_>]| meeting(Language::Ru, said);
        for (first, second) in [(&[RepNextStep][..], &[BuyerCommitment][..]), (&[], &[])] {
            assert_eq!(
                ru(&[
                    (Rep, first, "Тогда двадцать восьмого апреля в одиннадцать у вас?"),
                    (
                        Buyer,
                        second,
                        "Двадцать восьмого нет, я в Казани. Двадцать девятого давайте."
                    ),
                    (Rep, first, "Двадцать девятого в одиннадцать. Договорились."),
                ]),
                "2025-04-29 11:00 confirmed"
            );
        }
        let en = |said: &[Said<'_>]| meeting(Language::En, said);
        assert_eq!(
            en(&[
                (Rep, &[RepNextStep], "Thursday at ten?"),
                (Buyer, &[BuyerCommitment], "Thursday's no good, Friday at two."),
                (Rep, &[], "Friday at two it is."),
            ]),
            "2025-03-14 14:00 confirmed"
        );
        assert_eq!(
            en(&[
                (Rep, &[RepNextStep], "Shall we meet on Thursday at ten?"),
                (
                    Buyer,
                    &[BuyerCommitment],
                    "Not Thursday. Could we do Friday at two instead?"
                ),
                (Rep, &[RepNextStep], "Sure, works for me."),
            ]),
            "2025-03-14 14:00 confirmed"
        );
        assert_eq!(
            ru(&[
                (Rep, &[RepNextStep], "Давайте созвонимся в четверг в десять?"),
                (Buyer, &[BuyerCommitment], "В четверг не могу, давайте в пятницу."),
            ]),
            "2025-04-18 stated"
        );
        assert_eq!(
            en(&[
                (Rep, &[RepNextStep], "Can we talk Tuesday the twenty-fifth at nine?"),
                (Buyer, &[BuyerCommitment], "Tuesday at nine, it's in the diary."),
            ]),
            "2025-03-25 09:00 confirmed"
        );
    }

    #[test]
    fn a_promise_is_no_meeting() {
        for text in [
            "Хорошо. Я вам пришлю вариант завтра.",
            "Давайте, завтра скину, подходит?",
            "Хорошо, тогда с двадцать седьмого давайте.",
            "Номер через пять минут, а бумагу на две страницы в пятницу.",
        ] {
            for answer in ["Да, хорошо.", "Завтра, отлично."] {
                let said = [(Rep, &[RepNextStep][..], text), (Buyer, &[BuyerCommitment], answer)];
                assert_eq!(meeting(Language::Ru, &said), "none", "{text} {answer}");
            }
            assert_eq!(
                meeting(Language::Ru, &[(Buyer, &[BuyerCommitment], text)]),
                "none",
                "{text}"
            );
        }
        for text in [
            "Okay, I'll send you the quote tomorrow.",
            "Good, let's start on the first, works for me.",
            "We clear it on Friday, at seven thousand three hundred, do we have a deal?",
        ] {
            let said = [
                (Rep, &[RepNextStep][..], text),
                (Buyer, &[BuyerCommitment], "Yes, sounds good."),
            ];
            assert_eq!(meeting(Language::En, &said), "none", "{text}");
            assert_eq!(
                meeting(Language::En, &[(Buyer, &[BuyerCommitment], text)]),
                "none",
                "{text}"
            );
        }
    }

    #[test]
    fn a_call_back_that_was_agreed_to() {
        let said: [Said<'_>; 2] = [
            (Rep, &[RepNextStep], "Тогда тридцатого апреля звоню?"),
            (Buyer, &[], "Да."),
        ];
        assert_eq!(meeting(Language::Ru, &said), "2025-04-30 confirmed call");
        let said: [Said<'_>; 2] = [(Rep, &[], "Shall I call you on Friday?"), (Buyer, &[], "Yes, do.")];
        assert_eq!(meeting(Language::En, &said), "2025-03-14 confirmed call");
    }

    #[test]
    fn a_day_that_nobody_agreed_to() {
        assert_eq!(
            meeting(
                Language::Ru,
                &[
                    (Rep, &[RepNextStep], "Давайте встретимся в четверг в десять?"),
                    (Buyer, &[BuyerDelay], "В четверг не могу. Я сам потом наберу."),
                ]
            ),
            "none"
        );
        assert_eq!(
            meeting(
                Language::En,
                &[
                    (Rep, &[RepNextStep], "Shall we meet on Thursday at ten?"),
                    (Buyer, &[BuyerDelay], "Let me think about it."),
                ]
            ),
            "2025-03-13 10:00 proposed"
        );
    }
}
