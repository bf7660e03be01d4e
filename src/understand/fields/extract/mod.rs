//! Which of the sums, days and people in a call are fields, and of whom.
//!
//! Owns the walk over the turns, what is added and what settles a dispute. Which words make which field is *not* here:
//! see the modules of the groups.

mod counts;
mod dates;
mod deciders;
mod impact;
mod money;
mod participants;
mod people;
mod promises;

use std::ops::Range;

use chrono::NaiveDate;

use super::text::{Found, says, sentence_around};
use super::{dates as days, money as sums, promises as promised, talk};
use crate::domain::{
    Call, DateValue, DecidedBy, Field, FieldName, FieldStatus, FieldValue, Language, Role, Signal, Turn, TurnLabels,
};

/// Fields that the rules look for; each that is not found is said to be not stated.
pub const LOOKED_FOR: &[FieldName] = FieldName::ALL;

/// How far back a sum may lend its scale to another.
const NEARBY_TURNS: usize = 5;

/// Chance of talk of deciding at which words of deciding count.
const HINTS_AT_DECIDER: f32 = 0.1;

const ASKS_BUDGET: &[&str] = &[
    "budget",
    "set aside",
    "put aside",
    "earmark",
    "allocated",
    "бюджет",
    "заложи",
    "заложе",
    "закладыва",
    "выделил",
    "выделен",
];
const ASKS_DECIDER: &[&str] = &[
    "who decides",
    "who makes the decision",
    "who makes the final",
    "who makes that decision",
    "who signs",
    "who approves",
    "who has the final",
    "who else needs to sign",
    "кто принимает решени",
    "кто у вас принимает решени",
    "кто будет принимать решени",
    "кто решает",
    "кто у вас решает",
    "кто подписывает",
    "кто у вас подписывает",
    "кто утверждает",
    "кто согласует",
    "кто согласовывает",
];
const ASKS_COMPETITOR: &[&str] = &[
    "who else are you looking",
    "who else are you talking",
    "who else are you considering",
    "what else are you looking",
    "anyone else are you looking",
    "looking at anyone else",
    "looking at anybody else",
    "other vendors",
    "other options are you",
    "кого еще смотрите",
    "кого еще рассматриваете",
    "кого вы еще смотрите",
    "кого вы еще рассматриваете",
    "еще кого смотрите",
    "еще кого-то смотрите",
    "кого-то еще смотрите",
    "что еще смотрите",
    "с кем сравниваете",
    "с кем еще общаетесь",
    "с кем еще говорите",
];
const ASKS_BY_WHEN: &[&str] = &[
    "when do you need",
    "when would you need",
    "when do you want",
    "by when",
    "what date",
    "which date",
    "what's the deadline",
    "к какому сроку",
    "к какой дате",
    "к какому числу",
    "какие сроки",
    "в какие сроки",
    "когда нужно",
    "когда вам нужно",
    "когда надо",
    "когда хотите",
    "когда планируете",
    "до какого числа",
];
const UNKNOWN: &[&str] = &[
    "i don't know",
    "no idea",
    "not sure yet",
    "не знаю",
    "понятия не имею",
    "пока не понимаю",
];

struct Extractor<'a> {
    call: &'a Call,
    labels: &'a [TurnLabels],
    language: Language,
    call_date: NaiveDate,
    /// Of sums without one, if the talk names any.
    currency: Option<&'static str>,
    /// The dollar that is meant, if the talk names its country.
    dollar: Option<&'static str>,
    /// Amounts of the whole talk whose words leave no doubt of their size.
    sizes: Vec<f64>,
    /// As some recognisers write.
    without_capitals: bool,
    found: Vec<Field>,
}

/// Facts of a call. Roles must be set; `labels` lie in the order of the turns.
pub fn extract(call: &Call, labels: &[TurnLabels], language: Language, call_date: NaiveDate) -> Vec<Field> {
    let mut extractor = Extractor {
        call,
        labels,
        language,
        call_date,
        without_capitals: call.turns.iter().all(|turn| !turn.text.starts_with(char::is_uppercase)),
        currency: sums::spoken_currency(call.turns.iter().map(|turn| turn.text.as_str())),
        dollar: sums::spoken_dollar(call.turns.iter().map(|turn| turn.text.as_str())),
        sizes: call
            .turns
            .iter()
            .flat_map(|turn| sums::find(&turn.text, language, &[], false))
            .filter_map(|sum| sum.value.amount.or(sum.value.max).or(sum.value.min))
            .collect(),
        found: Vec::new(),
    };
    extractor.named_speakers();
    for at in 0..call.turns.len().min(labels.len()) {
        extractor.participants(at);
        match call.turns[at].role {
            Role::Buyer => extractor.buyer(at),
            Role::Rep => extractor.rep(at),
            Role::Unknown => {}
        }
    }
    extractor.next_meeting();
    let told = talk::extract(call, labels, language, call_date, &extractor.found);
    extractor.found.extend(told);
    extractor.finish()
}

/// In lower case with ё as е: only for looking, never for places.
fn small(text: &str) -> String {
    text.to_lowercase().replace('ё', "е")
}

fn contains(lower: &str, words: &[&str]) -> bool {
    words.iter().any(|word| lower.contains(word))
}

/// Words around a place, in small letters, no further than its sentence.
fn near(text: &str, range: &Range<usize>, reach: usize) -> String {
    let sentence = sentence_around(text, range);
    let mut from = range.start.saturating_sub(reach).max(sentence.start);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let mut to = (range.end + reach).min(sentence.end);
    while !text.is_char_boundary(to) {
        to += 1;
    }
    small(&text[from..to])
}

impl Extractor<'_> {
    fn turn(&self, at: usize) -> &Turn {
        &self.call.turns[at]
    }

    fn has(&self, at: usize, signal: Signal) -> bool {
        self.labels[at].has(signal)
    }

    fn chance(&self, at: usize, signal: Signal) -> f32 {
        self.labels[at].chance(signal)
    }

    /// The text with ё as е, in lower case: only for looking, never for places.
    fn lower(&self, at: usize) -> String {
        small(&self.turn(at).text)
    }

    fn add(&mut self, name: FieldName, at: usize, range: &Range<usize>, value: Option<FieldValue>, confidence: f32) {
        self.add_as(name, at, range, value, confidence, FieldStatus::Stated);
    }

    fn add_as(
        &mut self,
        name: FieldName,
        at: usize,
        range: &Range<usize>,
        value: Option<FieldValue>,
        confidence: f32,
        status: FieldStatus,
    ) {
        let turn = self.turn(at);
        // A sentence of two promises would prove neither of them.
        let around = match name {
            FieldName::Commitments => range.clone(),
            _ => sentence_around(&turn.text, range),
        };
        let (Some(raw), Some(quote)) = (turn.text.get(range.clone()), turn.text.get(around)) else {
            return;
        };
        if raw.is_empty() || !quote.contains(raw) {
            return;
        }
        let field = Field {
            field: name,
            status,
            value,
            raw: raw.to_owned(),
            turn: Some(turn.i),
            role: Some(turn.role),
            quote: quote.to_owned(),
            confidence,
            decided_by: DecidedBy::Rules,
        };
        if !self
            .found
            .iter()
            .any(|known| known.field == name && known.value == field.value && field.value.is_some())
        {
            self.found.push(field);
        }
    }

    /// The sentence around a place is a supposition.
    fn supposed(&self, at: usize, range: &Range<usize>) -> bool {
        let text = &self.turn(at).text;
        text.get(sentence_around(text, range))
            .is_some_and(|sentence| contains(&sentence.to_lowercase(), promised::SUPPOSED))
    }

    /// Amounts said within the last turns and the coming one.
    fn nearby(&self, at: usize) -> Vec<f64> {
        let from = at.saturating_sub(NEARBY_TURNS);
        self.call.turns[from..at]
            .iter()
            .flat_map(|turn| sums::find(&turn.text, self.language, &[], false))
            .filter_map(|found| found.value.amount.or(found.value.max).or(found.value.min))
            .collect()
    }

    fn sums(&self, at: usize) -> Vec<Found<crate::domain::Money>> {
        let mut sums = sums::find(&self.turn(at).text, self.language, &self.nearby(at), true);
        sums.retain(|sum| !self.supposed(at, &sum.range));
        for sum in &mut sums {
            // One that is named in the turn itself has been lent already.
            if let (Some(code), true) = (self.currency, sum.value.currency_inferred)
                && sum.value.currency == sums::default_currency(self.language)
            {
                sum.value.currency = code.to_owned();
            }
            if let (Some(code), "USD") = (self.dollar, sum.value.currency.as_str()) {
                sum.value.currency = code.to_owned();
            }
        }
        sums
    }

    /// «Сто девяносто» where the talk is of hundreds of thousands: the sum with the thousands that nobody says.
    fn with_thousands(&self, at: usize, sum: &mut crate::domain::Money) {
        let Some(amount) = sum.amount.filter(|amount| amount.fract() == 0.0) else {
            return;
        };
        let open = sum.currency_inferred && !sum.scale_inferred && sum.per.is_none();
        // Whoever says "seven thousand eight hundred" says hundreds where hundreds are meant.
        let in_full = sums::find(&self.turn(at).text, self.language, &[], false)
            .iter()
            .any(|other| other.value.amount.is_some_and(|other| (1e3..2e4).contains(&other)));
        if open
            && (100.0..1000.0).contains(&amount)
            && !in_full
            && self.of_size(amount * 1e3, 5.0)
            && !self.of_size(amount, 5.0)
        {
            sum.amount = Some(amount * 1e3);
            sum.scale_inferred = true;
        }
    }

    /// Some sum of the talk is no more than so many times larger or smaller.
    fn of_size(&self, amount: f64, times: f64) -> bool {
        self.sizes
            .iter()
            .any(|&size| amount <= times * size && size <= times * amount)
    }

    fn days(&self, at: usize) -> Vec<Found<DateValue>> {
        days::find(&self.turn(at).text, self.language, self.call_date)
    }

    fn buyer(&mut self, at: usize) {
        self.company(at);
        self.counts(at);
        self.tools(at);
        let of_budget = self.has(at, Signal::BuyerBudget) || self.asked(at, ASKS_BUDGET);
        if !self.asked(at, ASKS_BUDGET) {
            self.impact(at);
        }
        if of_budget || self.signs(at) {
            self.budget(at);
        }
        let of_decision = [Signal::BuyerDecider, Signal::BuyerProcess, Signal::BuyerChampion]
            .into_iter()
            .any(|signal| self.has(at, signal));
        if of_decision || self.chance(at, Signal::BuyerDecider) >= HINTS_AT_DECIDER || self.asked(at, ASKS_DECIDER) {
            self.deciders(at);
        }
        if self.has(at, Signal::BuyerTimeline) || self.asked_for_a_day(at) {
            self.timeline(at);
        } else {
            self.timeline_in_passing(at);
        }
        if self.asked(at, ASKS_COMPETITOR) {
            self.competitors_named(at);
        } else if self.has(at, Signal::BuyerCompetitor) {
            self.competitor(at);
        } else {
            self.competitor_in_passing(at);
        }
        self.promises(at, Role::Buyer);
        self.unknown(at);
    }

    fn rep(&mut self, at: usize) {
        self.discount(at);
        self.price(at);
        self.impact_summed_up(at);
        self.promises(at, Role::Rep);
    }

    /// The rep asked one of `questions` right before the buyer's turn.
    fn asked(&self, at: usize, questions: &[&str]) -> bool {
        (0..at)
            .rev()
            .take_while(|&before| self.turn(before).role == Role::Rep)
            .any(|before| {
                let lower = self.lower(before);
                lower.contains('?') && says(&lower, questions)
            })
    }

    fn buyer_turn_before(&self, at: usize) -> Option<usize> {
        (0..at).rev().find(|&before| self.turn(before).role == Role::Buyer)
    }

    /// What the buyer said last before this turn.
    fn buyer_before(&self, at: usize) -> String {
        self.buyer_turn_before(at)
            .map_or_else(String::new, |before| self.lower(before))
    }

    /// "I don't know" to a question about decision or money is knowledge too.
    fn unknown(&mut self, at: usize) {
        if at == 0 || !self.has(at - 1, Signal::RepQDecision) {
            return;
        }
        let text = self.turn(at).text.clone();
        let lower = text.to_lowercase();
        let Some((cue, start)) = UNKNOWN.iter().find_map(|cue| Some((cue, lower.find(cue)?))) else {
            return;
        };
        let question = self.lower(at - 1);
        let name = if says(&question, ASKS_BUDGET) || contains(&question, &["money", "денег", "деньги"]) {
            FieldName::Budget
        } else if says(
            &question,
            &["how much", "cost", "price", "сколько", "стоит", "цена", "сумм"],
        ) {
            return;
        } else if contains(&question, &["when", "когда", "срок", "date"]) {
            FieldName::Timeline
        } else {
            FieldName::DecisionMakers
        };
        if lower.len() == text.len() {
            self.add_as(
                name,
                at,
                &(start..start + cue.len()),
                None,
                0.7,
                FieldStatus::UnknownToBuyer,
            );
        }
    }

    /// One value for a single field (others are a conflict, the latest first); the rest in the order of the fields.
    fn finish(mut self) -> Vec<Field> {
        self.drop_bare_budgets();
        for name in [
            FieldName::Timeline,
            FieldName::Budget,
            FieldName::SigningLimit,
            FieldName::TeamSize,
        ] {
            self.settle(name);
        }
        for &name in LOOKED_FOR {
            if !self.found.iter().any(|field| field.field == name) {
                self.found.push(Field::not_stated(name));
            }
        }
        // Stable: fields of one name keep their order.
        self.found.sort_by_key(|field| field.field);
        self.found
    }

    /// A number of no known size is a budget only where no sum is.
    fn drop_bare_budgets(&mut self) {
        let of_budget = |field: &Field| field.field == FieldName::Budget;
        if self.found.iter().any(|field| of_budget(field) && field.value.is_some()) {
            self.found.retain(|field| !of_budget(field) || field.value.is_some());
        }
    }

    fn settle(&mut self, name: FieldName) {
        let mut same: Vec<Field> = self.found.iter().filter(|field| field.field == name).cloned().collect();
        if same.len() < 2 {
            return;
        }
        self.found.retain(|field| field.field != name);
        // For kinds and units there may be one each.
        if matches!(name, FieldName::Timeline | FieldName::TeamSize) && all_differ_in_kind(&same) {
            // Several facts, no conflict.
        } else {
            same.reverse();
            for field in &mut same {
                if field.status == FieldStatus::Stated {
                    field.status = FieldStatus::Conflict;
                }
            }
        }
        self.found.extend(same);
    }
}

fn all_differ_in_kind(fields: &[Field]) -> bool {
    let kind = |field: &Field| match &field.value {
        Some(FieldValue::Date(date)) => date.kind.clone(),
        Some(FieldValue::Quantity(quantity)) => quantity.unit.clone(),
        _ => None,
    };
    let mut kinds: Vec<_> = fields.iter().map(kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds.len() == fields.len()
}

fn first_word_end(text: &str) -> usize {
    let start = text.len() - text.trim_start().len();
    text[start..]
        .find(char::is_whitespace)
        .map_or(text.len(), |at| start + at)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, Said};
    use super::*;
    use Role::{Buyer, Rep};
    use Signal::{BuyerTimeline, RepQDecision};

    fn timelines(language: Language, said: &[Said<'_>]) -> Vec<String> {
        samples::fields(FieldName::Timeline, language, "2025-04-16", said)
            .iter()
            .map(|field| match &field.value {
                Some(FieldValue::Date(day)) => samples::day(day),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_season_is_no_deadline() {
        let buyer = |text: &str| timelines(Language::Ru, &[(Buyer, &[BuyerTimeline], text)]);
        assert!(buyer("Запуститься надо как можно скорее. В июле у нас высокий сезон.").is_empty());
        assert_eq!(
            buyer("В июле у нас высокий сезон. Хотим запуститься в мае."),
            ["2025-05-01 .. 2025-05-31"]
        );
        assert_eq!(buyer("До сезона, до июня."), ["by 2025-05-31"]);
    }

    #[test]
    fn a_short_answer_to_by_when() {
        for (signals, question) in [
            (&[RepQDecision][..], "А когда планируете решить?"),
            (&[], "К какому сроку это должно работать?"),
            (&[], "Когда нужно?"),
        ] {
            assert_eq!(
                timelines(
                    Language::Ru,
                    &[(Rep, signals, question), (Buyer, &[], "До конца квартала.")]
                ),
                ["by 2025-06-30"],
                "{question}"
            );
        }
        assert_eq!(
            timelines(
                Language::En,
                &[(Rep, &[], "By when do you need it?"), (Buyer, &[], "End of June.")]
            ),
            ["2025-06-21 .. 2025-06-30"]
        );
        assert!(
            timelines(
                Language::Ru,
                &[
                    (Rep, &[RepQDecision], "Кто решает?"),
                    (Buyer, &[], "Директор, он в пятницу будет.")
                ]
            )
            .is_empty()
        );
    }
}
