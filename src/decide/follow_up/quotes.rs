//! Words of the call that may stand in a letter: the telling sentence, without fillers. What is never said: see `secrets`.

use std::sync::LazyLock;

use super::super::Situation;
use super::secrets::{self, Secrets, may_be_quoted};
use super::words::{List, content, list};
use super::worth;
use crate::domain::{Field, FieldName, FieldValue, FollowUpFact, Role, Signal, sentences};

/// Signs of a loss: it is what a problem leads to, not the problem.
static LOSS: List =
    LazyLock::new(|| list("теря|потер|убыт|обход|недополуч|штраф|lose |losing|lost |costs us|cost us|costing|penalt"));
/// Signs that a sentence tells what is wrong.
static WRONG: List = LazyLock::new(|| {
    list(
        "n't |nobody|never|without|by hand|manual|miss|late|wrong|slow|wait|break|broke|mistake|error|forget|twice|\
         fail|stuck|chok|leak|не |нет |никто|вручную|опазд|ошиб|долго|путан|забыва|задерж|простаива|срыв|ломает|сбо|\
         брак| not | no ",
    )
});
/// Signs that a sentence tells what somebody wants.
static WANTED: List = LazyLock::new(|| {
    list(
        "want|need|would|like to|should|must|has to|have to|able|'d |looking for|important|хоч|хотел|хотим|нужн|надо|\
         чтоб|важно|требу|должн|необходим| бы",
    )
});
/// Signs that a sentence objects.
static OBJECTS: List = LazyLock::new(|| {
    list(
        "expensive|dear|too much|a lot|steep|pricey|cheaper|not sure|wary|worry|worried|burn|дорог|дешевле|много|\
         сомне|опаса|боюсь|боимся|не уверен|не верю|кусается|обожгл",
    )
});
/// A label that the model is surer of than this needs no such sign.
const SURE: f32 = 0.75;
/// And surer than this, with a sign of its own: it is of the work whatever its words.
const CERTAIN: f32 = 0.85;
/// What goes unanswered is missed more than it is told badly.
const SURE_OF_OBJECTION: f32 = 0.6;
/// Long words of a sentence that tells of a problem or a wish.
const CONTENT: usize = 3;
/// Words of a sentence that says something.
const TELLING: usize = 4;
/// More words are cut at the border of a clause.
const LONGEST: usize = 20;
/// What has no border and more words than this is not quoted.
const UNREADABLE: usize = 24;

/// A part of a turn that may stand in a letter.
#[derive(Debug, Clone)]
pub struct Saying<'a> {
    pub at: usize,
    /// An exact substring of the turn.
    pub text: &'a str,
    pub loss: bool,
    /// Reads well without the talk around it.
    plain: bool,
    rank: i32,
}

impl Saying<'_> {
    pub fn fact(&self, situation: &Situation<'_>) -> FollowUpFact {
        FollowUpFact {
            text: self.text.to_owned(),
            turn: situation.call.turns[self.at].i,
        }
    }
}

/// What a letter quotes of a signal, the best first: what may be told, and reads well.
pub fn quotable<'a>(situation: &Situation<'a>, secrets: &Secrets, signal: Signal) -> Vec<Saying<'a>> {
    let mut sayings = sayings(situation, signal);
    sayings.retain(|saying| {
        let priced = signal == Signal::BuyerObjPrice && secrets::compares_prices(saying.text);
        saying.plain && !priced && !secrets::names_somebody(saying.text) && secrets.allow(saying.at, saying.text)
    });
    sayings
}

/// What a side said with a signal, sentence by sentence, the best first.
pub fn sayings<'a>(situation: &Situation<'a>, signal: Signal) -> Vec<Saying<'a>> {
    let mut sayings: Vec<Saying<'a>> = Vec::new();
    let marked = |text: &str| text.trim_end().ends_with(['.', '?', '!', '…']);
    // Where sentences end with a mark, one without it was cut by whoever wrote the turns down.
    let punctuated =
        2 * situation.call.turns.iter().filter(|turn| marked(&turn.text)).count() > situation.call.turns.len();
    for at in situation.at(signal) {
        if signal.speaker() == Role::Buyer && !may_be_quoted(situation, at) {
            continue;
        }
        let turn = &situation.call.turns[at];
        let sure = situation.labels[at].confidence(signal).unwrap_or_default();
        let mut before: Option<&'a str> = None;
        for sentence in sentences(&turn.text) {
            let cut_short = punctuated && (!marked(sentence) || sentence.starts_with(char::is_lowercase));
            let previous = before.replace(sentence);
            if cut_short {
                continue;
            }
            let numbers: Vec<&str> = situation
                .said(FieldName::PainImpact)
                .filter(|field| field.turn == Some(turn.i) && is_measured(field))
                .map(|field| field.raw.as_str())
                .filter(|raw| !raw.is_empty() && sentence.contains(raw))
                .collect();
            // "Forty-two days." says what only with the sentence before it.
            let short = !numbers.is_empty() && sentence.split_whitespace().count() < TELLING + 1;
            let sentence = previous
                .filter(|previous| short && !previous.ends_with('?'))
                .and_then(|previous| {
                    let from = turn.text.find(previous)?;
                    let to = turn.text[from..].find(sentence)? + from + sentence.len();
                    turn.text.get(from..to)
                })
                .unwrap_or(sentence);
            let Some(text) = telling_part(sentence, numbers.first().copied()) else {
                continue;
            };
            let lower = format!(" {} ", text.to_lowercase().replace('’', "'"));
            let says = |signs: &[&str]| signs.iter().any(|sign| lower.contains(sign));
            let numbered = numbers.iter().any(|raw| text.contains(raw));
            let loss = numbered || says(&LOSS);
            let telling = match signal {
                Signal::BuyerPain => loss || says(&WRONG),
                Signal::BuyerImpact => loss || says(&WRONG),
                Signal::BuyerVision => says(&WANTED),
                Signal::BuyerObjPrice | Signal::BuyerObjTrust => says(&OBJECTS) || says(&WRONG),
                _ => true,
            };
            let enough = if matches!(signal, Signal::BuyerObjPrice | Signal::BuyerObjTrust) {
                SURE_OF_OBJECTION
            } else {
                SURE
            };
            let empty = matches!(signal, Signal::BuyerPain | Signal::BuyerImpact | Signal::BuyerVision)
                && !numbered
                && content(text).len() < CONTENT;
            if empty || !telling && sure < enough {
                continue;
            }
            let full = text.split_whitespace().count() > TELLING;
            let business = numbered || worth::is_business(text) || telling && sure >= CERTAIN;
            let stands_alone = !worth::points_away(text);
            let plain = worth::is_plain(text, situation.language, numbered || signal == Signal::BuyerTimeline)
                && match signal {
                    // A date says by when whatever is around it.
                    Signal::BuyerTimeline => true,
                    Signal::BuyerPain | Signal::BuyerImpact => business && (stands_alone || numbered),
                    Signal::BuyerObjPrice | Signal::BuyerObjTrust => telling || business,
                    _ => telling && (business || sure >= enough),
                };
            sayings.push(Saying {
                at,
                text,
                loss,
                plain,
                // Four steps: which of two likely turns is likelier says less than how they read.
                rank: 2 * (sure * 4.0) as i32
                    + 2 * i32::from(telling)
                    + 2 * i32::from(full)
                    + 3 * i32::from(numbered)
                    + 2 * i32::from(stands_alone)
                    + i32::from(business),
            });
        }
    }
    // Stable: of two as good the first said.
    sayings.sort_by_key(|saying| std::cmp::Reverse(saying.rank));
    sayings
}

/// A consequence with its unit: "nine hundred dollars", "two days", "five a week".
pub fn is_measured(field: &Field) -> bool {
    match &field.value {
        Some(FieldValue::Money(money)) => !money.currency_inferred || money.period.is_some(),
        Some(FieldValue::Quantity(quantity)) => quantity.unit.is_some(),
        Some(FieldValue::Percent { .. }) => true,
        _ => false,
    }
}

/// A sentence as a letter may quote it: no question, few words, no quotation marks of its own. `around`: words that
/// must be in it where it is cut.
pub fn telling_part<'a>(sentence: &'a str, around: Option<&str>) -> Option<&'a str> {
    if sentence.trim_end().ends_with('?') {
        return None;
    }
    let text = trim(sentence);
    let text = match text.split_whitespace().count() {
        0..=LONGEST => text,
        _ => trim(cut(text, around)?),
    };
    let words = text.split_whitespace().count();
    let marked = text.contains(['“', '”', '«', '»', '"', '[', ']']);
    (TELLING..=UNREADABLE)
        .contains(&words)
        .then_some(text)
        .filter(|_| !marked)
}

/// Words that join clauses where no mark does.
const JOINTS: &[&str] = &[
    " and ",
    " but ",
    " because ",
    " so ",
    " и ",
    " а ",
    " но ",
    " потому что ",
];

/// Whole clauses around some words, or from the first clause, as many as are readable.
fn cut<'a>(text: &'a str, around: Option<&str>) -> Option<&'a str> {
    let mut borders = vec![0];
    for (at, mark) in text.char_indices() {
        let next = at + mark.len_utf8();
        let spaced = text[next..].starts_with(' ');
        if (matches!(mark, ',' | ';' | ':') || matches!(mark, '—' | '–' | '-') && text[..at].ends_with(' ')) && spaced
        {
            borders.push(next);
        }
    }
    if borders.len() == 1 {
        // Speech written without marks.
        let joints = JOINTS.iter().flat_map(|joint| text.match_indices(joint));
        borders.extend(joints.map(|(at, _)| at));
        borders.sort_unstable();
    }
    borders.push(text.len());
    let words = |from: usize, to: usize| text[borders[from]..borders[to]].split_whitespace().count();
    let clauses = borders.len() - 1;
    let from = around
        .and_then(|wanted| {
            let place = text.find(wanted)?;
            (0..clauses).rfind(|&clause| borders[clause] <= place)
        })
        .or_else(|| (0..clauses).find(|&clause| words(clause, clause + 1) >= TELLING))?;
    let (mut first, mut last) = (from, from + 1);
    while last < clauses && words(first, last + 1) <= LONGEST {
        last += 1;
    }
    while first > 0 && words(first - 1, last) <= LONGEST {
        first -= 1;
    }
    let marks = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ':' | '—' | '–' | '-');
    let part = text[borders[first]..borders[last]].trim_matches(marks);
    let part = trim(part);
    (part.split_whitespace().count() <= UNREADABLE).then_some(part)
}

/// Without the words that open a sentence in speech and without the marks at its end: the frame has its own.
pub fn trim(text: &str) -> &str {
    let mut text = text.trim().trim_end_matches(['.', ',', ';', '!', '…', ':']).trim();
    while let Some(rest) = without_filler(text) {
        text = rest;
    }
    text
}

/// Openers that mean nothing whatever follows.
static OPENERS: List =
    LazyLock::new(|| list("а|и|но|ну|э|ээ|эм|м|мм|ага|угу|um|uh|er|hmm|so|and|but|oh|okay|ok|because"));
/// Openers that mean nothing only where a mark follows: "Well, we can", but "Well known".
static MARKED_OPENERS: List = LazyLock::new(|| {
    list(
        "да|так|вот|нет|хорошо|ладно|окей|понятно|слушайте|смотрите|значит|в общем|короче|конечно|отлично|\
         договорились|что ж|мы считали|well|yeah|yes|right|all right|alright|sure|look|listen|great|perfect|good|\
         fine|now|like|you know|i mean|of course|honestly|честно|честно говоря|знаете|понимаете|то есть|это самое|no",
    )
});
/// Words that must be left.
const LEAST_WORDS: usize = 2;

fn without_filler(text: &str) -> Option<&str> {
    let mark = |c: char| matches!(c, ',' | '.' | '!' | '…' | '—' | '–' | '-' | ':');
    let cut = |opener: &&str, marked: bool| {
        let end = text
            .char_indices()
            .nth(opener.chars().count())
            .map(|(end, _)| end)
            .filter(|&end| text[..end].to_lowercase() == **opener)?;
        let tail = &text[end..];
        let rest = tail.trim_start_matches(|c: char| c.is_whitespace() || mark(c));
        let ends = if marked {
            // "Так-то" is a word of its own.
            tail.trim_start().starts_with(mark) && !tail.starts_with('-')
        } else {
            tail.starts_with(|c: char| c.is_whitespace() || mark(c) && c != '-')
        };
        (ends && rest.split_whitespace().count() >= LEAST_WORDS).then_some(rest)
    };
    let free = OPENERS.iter().find_map(|opener| cut(opener, false));
    free.or_else(|| MARKED_OPENERS.iter().find_map(|opener| cut(opener, true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_loses_its_openers_but_stays_a_substring() {
        for (said, left) in [
            ("А мы вручную сводим отчёты.", "мы вручную сводим отчёты"),
            ("Хорошо. Пришлю договор завтра", "Пришлю договор завтра"),
            ("Ну, хорошо, я посмотрю счёт", "я посмотрю счёт"),
            ("Okay, so I'll send the papers", "I'll send the papers"),
            ("Well, we lose ten orders", "we lose ten orders"),
            ("Well known vendors only", "Well known vendors only"),
            ("Хорошо бы к пятнице", "Хорошо бы к пятнице"),
            ("Анна пришлёт счёт", "Анна пришлёт счёт"),
            ("Ну да", "Ну да"),
            ("И, это самое, выяснилось сегодня", "выяснилось сегодня"),
        ] {
            assert_eq!(trim(said), left);
            assert!(said.contains(trim(said)));
        }
    }

    #[test]
    fn long_speech_is_cut_at_clauses() {
        let said = "Well, the board is filled by hand every single morning, the drivers call us to ask where they go, \
                    and at least ten orders a week are forgotten, which nobody even notices until the client shouts.";
        let part = telling_part(said, None).expect("a part");
        assert_eq!(
            part,
            "the board is filled by hand every single morning, the drivers call us to ask where they go"
        );
        let part = telling_part(said, Some("ten orders")).expect("a part");
        assert!(part.contains("ten orders") && said.contains(part), "{part}");
        assert_eq!(telling_part("What do you mean by that?", None), None);
        assert_eq!(telling_part("He said «never again» to us all", None), None);
        assert_eq!(telling_part(&"word ".repeat(40), None), None);
    }

    proptest::proptest! {
        #[test]
        fn any_part_is_a_substring(text in r#"([A-Za-zА-Яа-я0-9 ,.;:—?-]|well, |ну, ){0,60}"#) {
            for sentence in sentences(&text) {
                if let Some(part) = telling_part(sentence, Some("ну")) {
                    proptest::prop_assert!(text.contains(part));
                }
            }
        }
    }
}
