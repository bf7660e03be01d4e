//! By when the buyer needs it, and when the sides meet again.

use std::ops::Range;

use super::super::meeting;
use super::super::text::{Found, says, sentence_around};
use super::{ASKS_BY_WHEN, Extractor, contains, small};
use crate::domain::{DateQualifier, DateValue, FieldName, FieldStatus, FieldValue, Role, Signal};

/// What a business does every year; no wish of the buyer by itself.
const SEASONS: &[&str] = &[
    "season",
    "peak",
    "busy",
    "quiet",
    "vacation",
    "holiday",
    "сезон",
    "отпуск",
    "вал ",
    "пик ",
    "затишье",
];
const NEEDS: &[&str] = &[
    "need",
    "want",
    "must",
    "has to",
    "have to",
    "should",
    "would like",
    "live",
    "start",
    "launch",
    "decide",
    "decision",
    "deadline",
    "надо",
    "нужн",
    "хоте",
    "хоти",
    "хочу",
    "долж",
    "запус",
    "старт",
    "начать",
    "начн",
    "реша",
    "реши",
    "решен",
    "успе",
    "срок",
    "внедр",
];
impl Extractor<'_> {
    /// The rep's last turn asks until when.
    pub(super) fn asked_for_a_day(&self, at: usize) -> bool {
        let Some(question) = at.checked_sub(1).filter(|&before| self.turn(before).role == Role::Rep) else {
            return false;
        };
        let lower = self.lower(question);
        contains(&lower, ASKS_BY_WHEN)
            || self.has(question, Signal::RepQDecision) && says(&lower, &["when", "date", "когда", "срок"])
    }

    pub(super) fn timeline(&mut self, at: usize) {
        let lower = self.lower(at);
        let kind = if contains(&lower, &["decid", "decision", "реш", "комитет"]) {
            "decision"
        } else if contains(
            &lower,
            &["contract", "runs out", "expire", "договор", "кончается", "истекает"],
        ) {
            "contract_end"
        } else if contains(&lower, &["budget", "бюджет"]) {
            "budget_opens"
        } else {
            "go_live"
        };
        let asked = self.asked_for_a_day(at);
        let text = &self.turn(at).text;
        let of_need = |day: &Found<DateValue>| {
            let deadline = matches!(day.value.qualifier, DateQualifier::By | DateQualifier::Before);
            let sentence = text[sentence_around(text, &day.range)].to_lowercase();
            let month_alone = !text[day.range.clone()].contains([' ', '-']) && day.value.date.is_none();
            deadline || says(&sentence, NEEDS) || !contains(&sentence, SEASONS) && (!month_alone || asked)
        };
        let days: Vec<Found<DateValue>> = self
            .days(at)
            .into_iter()
            .filter(|day| !day.value.past && day.value.latest().is_none_or(|latest| latest >= self.call_date))
            .filter(of_need)
            .filter(|day| !is_taken(text, &day.range))
            .collect();
        // A deadline says more than a day; of several the first.
        let deadline =
            |day: &&Found<DateValue>| matches!(day.value.qualifier, DateQualifier::By | DateQualifier::Before);
        let wanted = |day: &&Found<DateValue>| says(&small(&text[sentence_around(text, &day.range)]), NEEDS);
        let first = days
            .iter()
            .find(deadline)
            .or_else(|| days.iter().find(wanted))
            .or(days.first())
            .cloned();
        let others = days
            .iter()
            .filter(|day| Some(*day) != first.as_ref())
            .filter(deadline)
            .take(1)
            .cloned();
        let all: Vec<Found<DateValue>> = first.iter().cloned().chain(others).collect();
        for mut day in all {
            day.value.kind = Some(kind.to_owned());
            self.add(
                FieldName::Timeline,
                at,
                &day.range,
                Some(FieldValue::Date(day.value)),
                0.8,
            );
        }
    }

    /// A turn without the signal may still say by when: with a deadline and a word of need.
    pub(super) fn timeline_in_passing(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        const PLAIN: &[&str] = &[
            "need it",
            "want it",
            "i want",
            "we want",
            "decide",
            "decision",
            "if yes",
            "yes or no",
            "sign",
            "board meets",
            "committee",
            "renewal",
            "runs until",
            "runs out",
            "expires",
            "begin in",
            "it'd begin",
            "go live",
            "due on",
            "нужно к",
            "нужно до",
            "хочу",
            "хотим",
            "успе",
            "решим",
            "решать",
            "собрание",
            "комитет",
            "договор до",
            "заканчива",
            "кончается",
            "переходим",
            "запус",
        ];
        let found = self.days(at).into_iter().find(|day| {
            !day.value.past
                && says(&small(&text[sentence_around(&text, &day.range)]), PLAIN)
                && !is_taken(&text, &day.range)
        });
        if let Some(mut day) = found {
            let sentence = small(&text[sentence_around(&text, &day.range)]);
            let decides = says(
                &sentence,
                &[
                    "decid",
                    "decision",
                    "yes or no",
                    "if yes",
                    "sign",
                    "board",
                    "committee",
                    "реш",
                    "собрани",
                    "комитет",
                ],
            );
            let ends = says(
                &sentence,
                &["renewal", "runs", "expires", "договор", "кончается", "заканчива"],
            );
            let kind = if decides {
                "decision"
            } else if ends {
                "contract_end"
            } else {
                "go_live"
            };
            day.value.kind = Some(kind.to_owned());
            self.add(
                FieldName::Timeline,
                at,
                &day.range,
                Some(FieldValue::Date(day.value)),
                0.55,
            );
        }
    }

    pub(super) fn next_meeting(&mut self) {
        let Some(found) = meeting::find(self.call, self.labels, self.language, self.call_date) else {
            return;
        };
        let confidence = match found.status {
            FieldStatus::Confirmed => 0.85,
            FieldStatus::Stated => 0.75,
            _ => 0.6,
        };
        let value = FieldValue::Date(found.day.value);
        self.add_as(
            FieldName::NextMeeting,
            found.at,
            &found.day.range,
            Some(value),
            confidence,
            found.status,
        );
    }
}

/// "Wednesday I have surgery", «в субботу он бороться будет»: the day is taken by something else.
fn is_taken(text: &str, range: &Range<usize>) -> bool {
    let behind: String = small(&text[range.end..]).chars().take(24).collect();
    contains(
        &behind,
        &[
            "у меня опер",
            "у нас план",
            "holiday",
            "is ekadashi",
            "не возьм",
            "бороться",
        ],
    )
}
