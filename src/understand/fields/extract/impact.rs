//! What the buyer's problem costs, in money, time, people or shares.

use std::ops::Range;

use super::super::numbers;
use super::super::text::{Token, is_form_of, says, sentence_around, tokens};
use super::counts::{PEOPLE, approximate, is_plural, period_behind};
use super::{Extractor, contains, near, small};
use crate::domain::{FieldName, FieldStatus, FieldValue, Quantity, Role, Signal};

/// Words of loss, of the cost of the problem, of lost time or of risk.
const LOSSES: &[&str] = &[
    "lose",
    "losing",
    "lost",
    "loss",
    "losses",
    "cost us",
    "costs us",
    "costing us",
    "costs me",
    "cost me",
    "waste",
    "wasted",
    "wasting",
    "miss",
    "missed",
    "missing",
    "penalt",
    "fines",
    "fined",
    "downtime",
    "overtime",
    "write off",
    "written off",
    "wrote off",
    "scrap",
    "rework",
    "idle",
    "churn",
    "refund",
    "risk",
    "leak",
    "bleed",
    "burn",
    "spoil",
    "chargeback",
    "late",
    "walk away",
    "no-show",
    "hours",
    "spend",
    "теря",
    "потер",
    "убыт",
    "ущерб",
    "простои",
    "простоя",
    "простой",
    "простаив",
    "штраф",
    "списа",
    "списыва",
    "перепла",
    "недополуч",
    "недосчит",
    "брак",
    "возврат",
    "неустойк",
    "выкин",
    "уход",
    "ушл",
    "срыв",
    "сорв",
    "риск",
    "опозда",
    "впустую",
    "зря",
    "в минус",
    "минус",
    "обходится нам",
    "стоит нам",
    "сгор",
    "слив",
    "упуск",
    "упуст",
    "упущен",
    "утек",
    "протух",
    "срок годности",
    "просроч",
    "часов",
    "часа",
    "тратим",
    "тратит",
    "трачу",
];
/// Chance of a problem or its cost at which words of loss count.
const HINTS_AT_LOSS: f32 = 0.2;
/// The rep asks what the problem costs.
const ASKS_COST: &[&str] = &[
    "how much",
    "what does that cost",
    "what did that cost",
    "what does it cost you",
    "cost you",
    "in money",
    "сколько",
    "во что",
    "если деньгами",
    "в деньгах",
];
const TIMES: &[&str] = &[
    "hour",
    "day",
    "week",
    "month",
    "night",
    "minute",
    "час",
    "дн",
    "день",
    "недел",
    "месяц",
    "сут",
    "ноч",
    "минут",
];
const MEASURES: &[&str] = &[
    "tonne", "ton", "litre", "liter", "kilo", "piece", "тонн", "кило", "литр", "метр", "штук",
];
/// A price is judged, ours as a rule.
const JUDGES_PRICE: &[&str] = &[
    "expensive",
    "pricey",
    "steep",
    "too much",
    "a lot of money",
    "your price",
    "your quote",
    "cheap",
    "дорого",
    "дороговат",
    "дорогое",
    "кусается",
    "много денег",
    "ваша цена",
    "вашу цену",
    "за внедрение",
    "за подписку",
    "за лицензи",
    "дешев",
];
/// What costs money without being a loss: growth of prices, and wages.
const ORDINARY_COST: &[&str] = &[
    "went up",
    "goes up",
    "gone up",
    "price increase",
    "salary",
    "salaries",
    "wage",
    "вырос",
    "выраст",
    "подорожа",
    "подня",
    "зарплат",
    "оклад",
    "зп",
    "получает",
];

impl Extractor<'_> {
    /// The number at `range` may be what the problem costs.
    pub(super) fn is_loss(&self, at: usize, range: &Range<usize>) -> bool {
        let text = &self.turn(at).text;
        let sentence = small(&text[sentence_around(text, range)]);
        if says(&sentence, LOSSES) {
            return !contains(&sentence, JUDGES_PRICE);
        }
        if says(&sentence, JUDGES_PRICE) || says(&sentence, ORDINARY_COST) {
            return false;
        }
        let whole = self.lower(at);
        let judged = says(&whole, JUDGES_PRICE);
        let asked_how_much = self.asked(
            at,
            &["how much", "how many", "what does that cost", "сколько", "во что"],
        );
        !judged
            && (self.has(at, Signal::BuyerImpact)
                || says(&whole, LOSSES)
                || asked_how_much && says(&self.buyer_before(at), LOSSES))
    }

    pub(super) fn impact(&mut self, at: usize) {
        let asked = self.asked(at, ASKS_COST);
        let mut any = false;
        for sum in self.sums(at) {
            let text = &self.turn(at).text;
            let loss_said = says(&small(&text[sentence_around(text, &sum.range)]), LOSSES);
            let of_unit = sum.value.per.is_some() || per_piece(&text[sum.range.end..]);
            // A bare "three hundred" may be three hundred of anything.
            let amount = sum.value.amount.or(sum.value.max).or(sum.value.min).unwrap_or_default();
            let bare = sum.value.currency_inferred && sum.value.period.is_none() && amount < 1000.0;
            if !self.is_loss(at, &sum.range)
                || of_unit && !loss_said
                || bare && !asked && !says(&near(text, &sum.range, 30), LOSSES)
            {
                continue;
            }
            any = true;
            let mut sum = sum;
            self.with_thousands(at, &mut sum.value);
            self.add(
                FieldName::PainImpact,
                at,
                &sum.range,
                Some(FieldValue::Money(sum.value)),
                0.8,
            );
        }
        if !any
            && self.has(at, Signal::BuyerImpact)
            && asked
            && let Some(range) = self.bare(at).into_iter().next()
        {
            any = true;
            self.add(FieldName::PainImpact, at, &range, None, 0.55);
        }
        let hints = self.chance(at, Signal::BuyerImpact) + self.chance(at, Signal::BuyerPain) >= HINTS_AT_LOSS;
        if self.has(at, Signal::BuyerImpact) || self.has(at, Signal::BuyerPain) || hints {
            self.lost(at, any);
        }
    }

    /// No money: hours, orders, shares; heads only where they are lost. What a word of loss stands beside comes before
    /// what merely stands in a turn of loss, of which only the first counts, and none `beside_money`.
    fn lost(&mut self, at: usize, beside_money: bool) {
        let text = self.turn(at).text.clone();
        let words = tokens(&text);
        let mut index = 0;
        let mut found: Vec<(bool, Range<usize>, Quantity)> = Vec::new();
        while index < words.len() {
            let Some(number) = numbers::read(&words, index) else {
                index += 1;
                continue;
            };
            index = number.to;
            // "six, seven rooms"
            let upper = numbers::read(&words, number.to)
                .filter(|upper| number.value < upper.value && upper.value <= 2.0 * number.value);
            let end = upper.map_or(number.to, |upper| upper.to);
            let Some(noun) = words.get(end).filter(|word| !word.break_before) else {
                continue;
            };
            let range = words[number.from].range.start..noun.range.end;
            let loss_said = says(&small(&text[sentence_around(&text, &range)]), LOSSES);
            let of_time = TIMES
                .iter()
                .any(|stem| is_form_of(&noun.lower, stem) || !noun.lower.is_ascii() && noun.lower.starts_with(stem));
            let share = noun.lower == "%" || noun.lower.starts_with("percent") || noun.lower.starts_with("процент");
            let heads = PEOPLE.iter().any(|stem| is_form_of(&noun.lower, stem));
            let first = found.is_empty();
            let fits = if of_time || share {
                self.has(at, Signal::BuyerImpact) || loss_said
            } else {
                let measured = MEASURES.iter().any(|stem| noun.lower.starts_with(stem));
                let told = loss_said || first && self.has(at, Signal::BuyerImpact);
                told && number.value >= 2.0 && (measured || (!heads || loss_said) && (heads || is_plural(&noun.lower)))
            };
            let clock = of_time && is_clock(&words, number.from, end);
            if !fits || clock || !of_time && !self.is_loss(at, &range) {
                continue;
            }
            index = index.max(end);
            // «четыре часа, пять», "two days, three days"
            let upper = upper.or_else(|| {
                let next = words.get(end + 1)?;
                let upper = numbers::read(&words, end + 1)?;
                let same = words
                    .get(upper.to)
                    .is_none_or(|word| word.lower == noun.lower || of_time && !next.break_before);
                let wider = number.value < upper.value && upper.value <= 2.0 * number.value;
                (same && wider).then(|| {
                    index = upper.to;
                    upper
                })
            });
            let quantity = Quantity {
                n: upper.is_none().then_some(number.value),
                min: upper.map(|_| number.value),
                max: upper.map(|upper| upper.value),
                unit: Some(noun.lower.clone()),
                period: period_behind(&words, &noun.range),
                approx: number.approx || approximate(&words, number.from),
            };
            found.push((loss_said, range, quantity));
        }
        let said = beside_money || found.iter().any(|(loss_said, ..)| *loss_said);
        let most = if said { 2 } else { 1 };
        for (_, range, quantity) in found.into_iter().filter(|(loss, ..)| *loss == said).take(most) {
            let value = Some(FieldValue::Quantity(quantity));
            self.add(FieldName::PainImpact, at, &range, value, 0.6);
        }
    }

    /// What the rep makes of the buyer's numbers, where the buyer does not object.
    pub(super) fn impact_summed_up(&mut self, at: usize) {
        let reflects = self.has(at, Signal::RepActiveListening) && !self.has(at, Signal::RepPrice);
        let told = (at.saturating_sub(4)..at)
            .any(|before| self.has(before, Signal::BuyerImpact) || self.has(before, Signal::BuyerPain));
        let answer = (at + 1..self.call.turns.len()).find(|&next| self.turn(next).role == Role::Buyer);
        let Some(answer) = answer.filter(|&next| reflects && told && next <= at + 2) else {
            return;
        };
        if says(
            &self.lower(answer).chars().take(24).collect::<String>(),
            &["no", "not", "нет", "не "],
        ) {
            return;
        }
        for sum in self.sums(at) {
            let amount = sum.value.amount.or(sum.value.max).or(sum.value.min).unwrap_or_default();
            let known = (at.saturating_sub(8)..at).any(|before| {
                self.sums(before)
                    .iter()
                    .any(|other| other.value.amount.or(other.value.max).or(other.value.min) == Some(amount))
            });
            if amount >= 1000.0 && !known {
                let value = Some(FieldValue::Money(sum.value));
                self.add_as(
                    FieldName::PainImpact,
                    at,
                    &sum.range,
                    value,
                    0.65,
                    FieldStatus::Confirmed,
                );
            }
        }
    }
}

/// «в два часа ночи», "every two hours": a time of day or how often, no time that is lost.
fn is_clock(words: &[Token], from: usize, noun: usize) -> bool {
    let before = from.checked_sub(1).map_or("", |at| words[at].lower.as_str());
    let behind = words.get(noun + 1).map_or("", |word| word.lower.as_str());
    matches!(before, "every" | "каждые" | "within") || matches!(behind, "ночи" | "утра" | "дня" | "вечера")
}

/// «за штуку», "a piece": behind a sum, a price of one thing.
fn per_piece(behind: &str) -> bool {
    const PIECES: &[&str] = &[
        "за штуку",
        "за метр",
        "за кило",
        "за тонн",
        "за литр",
        "за единицу",
        "за коробк",
        "за квадрат",
        "штука",
        "a piece",
        "apiece",
        "per unit",
        "a unit",
        "per piece",
        "per pound",
        "per gallon",
        "a gallon",
        "a mile",
        "per mile",
        "an hour",
        "per hour",
    ];
    let behind = small(behind);
    PIECES
        .iter()
        .any(|piece| behind.trim_start_matches([' ', '.']).starts_with(piece))
}
