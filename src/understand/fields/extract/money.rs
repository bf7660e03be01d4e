//! Sums that are agreed on: the budget, the limit of a signature, our price and discount.

use std::ops::Range;

use super::super::text::{Found, has_word, says, sentence_around, tokens};
use super::super::{money, numbers};
use super::{ASKS_BUDGET, Extractor, contains, near, small};
use crate::domain::{DateValue, FieldName, FieldValue, Money, MoneyQualifier, Period, Role, Signal};

const SIGNS: &[&str] = &[
    "can sign",
    "can approve",
    "i approve",
    "i sign",
    "able to sign",
    "sign up to",
    "without asking",
    "my signature",
    "my own",
    "on my say",
    "i can order",
    "can release",
    "don't have to ask",
    "подписыва",
    "моя подпись",
    "подпись моя",
    "сам могу",
    "сама могу",
    "могу сам",
    "могу провести",
    "могу подписать",
    "я сам",
    "я сама",
    "сама,",
    " я.",
];
/// A sum behind them is not what we ask for.
const NO_PRICE: &[&str] = &[
    "you mentioned",
    "you said",
    "you told",
    "you lose",
    "вы говорили",
    "вы сказали",
    "вы назвали",
    "вы теряете",
    "теми ",
    "стоит вам",
    "обходится вам",
    "вам обходится",
    "вам стоит",
    "теряете",
    "простой ",
    "cost you",
    "costs you",
    "costing you",
    "you're losing",
    "you are losing",
    "saving",
    "save you",
    "you save",
    "you'd save",
    "saves",
    "average",
    "revenue",
    "эконом",
    "окупа",
    "окупит",
    "в среднем по",
    "выручк",
    "по тем",
    "оклад",
    "зарплат",
    "на руки",
    "salary",
    "wage",
];
/// Money that is there, beside other sums of the turn.
const HAS_MONEY: &[&str] = &[
    "released",
    "in the plan",
    "set aside",
    "put by",
    "put aside",
    "i've got",
    "i have",
    "we have",
    "left",
    "approved",
    "budget",
    "лежит",
    "отложен",
    "заложен",
    "есть",
    "собрал",
    "выделил",
    "бюджет",
    "накопил",
];
const ASKS_PRICE: &[&str] = &[
    "how much is",
    "how much does",
    "how much would",
    "how much for",
    "how much will",
    "what does it cost",
    "what's it cost",
    "what does that cost",
    "what would it cost",
    "what's the price",
    "the price",
    "your price",
    "your rate",
    "tell me rate",
    "what's the damage",
    "сколько стоит",
    "сколько это стоит",
    "сколько будет стоить",
    "почем",
    "какая цена",
    "цена какая",
    "по деньгам",
    "что по цене",
    "назовите цену",
    "говори цену",
];
const DISCOUNT: &[&str] = &[
    "discount",
    "off",
    "less",
    "knock",
    "waive",
    "credit",
    "скидк",
    "скину",
    "скинем",
    "скидываем",
    "минус",
    "дешевле на",
    "уступ",
    "дарю",
    "подарок",
];
/// A share behind or before them is of something else than the price.
const OTHER_SHARES: &[&str] = &[
    "deposit",
    "upfront",
    "up front",
    "down",
    "advance",
    "before",
    "interest",
    "commission",
    "payroll",
    "more",
    "faster",
    "fewer",
    "tax",
    "vat",
    "аванс",
    "предоплат",
    "ндс",
    "комисс",
    "рост",
    "больше",
    "быстрее",
    "брак",
    "гаранти",
];
/// Words that say there is no money, or none yet, with the status.
const STATUSES: &[(&str, &str)] = &[
    ("no budget", "none"),
    ("isn't any budget", "none"),
    ("nothing set aside", "none"),
    ("haven't set aside", "none"),
    ("haven't budgeted", "none"),
    ("not budgeted", "none"),
    ("no money", "none"),
    ("there isn't a", "none"),
    ("frozen", "none"),
    ("froze", "none"),
    ("is closed", "none"),
    ("бюджета нет", "none"),
    ("нет бюджета", "none"),
    ("бюджета не", "none"),
    ("не закладывали", "none"),
    ("не заложили", "none"),
    ("не заложен", "none"),
    ("не выделяли", "none"),
    ("бюджета под это", "none"),
    ("бюджета пока нет", "none"),
    ("денег нет", "none"),
    ("нет денег", "none"),
    ("денег под это нет", "none"),
    ("заморожен", "none"),
    ("заморозил", "none"),
    ("расписан", "none"),
    ("not approved", "pending"),
    ("не утвер", "pending"),
    ("не согласован", "pending"),
    ("already approved", "approved"),
    ("is approved", "approved"),
    ("бюджет есть", "approved"),
    ("деньги есть", "approved"),
    ("утвержден", "approved"),
    ("утвердили", "approved"),
];

impl Extractor<'_> {
    /// The buyer tells up to which sum the buyer may sign.
    pub(super) fn signs(&self, at: usize) -> bool {
        self.limit(at).is_some()
    }

    /// The first sum that a word makes a limit, in a sentence of signing.
    fn limit(&self, at: usize) -> Option<Found<Money>> {
        let text = &self.turn(at).text;
        let decides = self.has(at, Signal::BuyerDecider);
        self.sums(at).into_iter().find(|sum| {
            let limit = matches!(sum.value.qualifier, MoneyQualifier::Max | MoneyQualifier::Min)
                || contains(&small(&text[..sum.range.start]), &["limit", "лимит"]);
            let sentence = small(&text[sentence_around(text, &sum.range)]);
            contains(&sentence, SIGNS)
                && (limit
                    || contains(
                        &sentence,
                        &["can sign", "can approve", "могу подписать", "могу провести"],
                    ))
                || decides && limit
        })
    }

    pub(super) fn budget(&mut self, at: usize) {
        if let Some(limit) = self.limit(at) {
            self.add(
                FieldName::SigningLimit,
                at,
                &limit.range,
                Some(FieldValue::Money(limit.value)),
                0.75,
            );
            return;
        }
        if !self.has(at, Signal::BuyerBudget) && !self.asked(at, ASKS_BUDGET) {
            return;
        }
        let text = self.turn(at).text.clone();
        let sums = self.sums(at);
        let named = !sums.is_empty();
        let own: Vec<Found<Money>> = sums
            .into_iter()
            .map(|mut sum| {
                self.with_thousands(at, &mut sum.value);
                sum
            })
            .filter(|sum| !is_difference(&text, &sum.range) && !self.is_judged(at, &sum.range))
            .collect();
        let kept = own.iter().find(|sum| says(&near(&text, &sum.range, 24), HAS_MONEY));
        if let Some(sum) = kept.or(own.first()).cloned() {
            self.add(
                FieldName::Budget,
                at,
                &sum.range,
                Some(FieldValue::Money(sum.value)),
                0.75,
            );
            return;
        }
        let lower = text.to_lowercase();
        if lower.len() == text.len()
            && let Some((start, cue, value)) = STATUSES
                .iter()
                .find_map(|(cue, value)| Some((lower.find(cue)?, cue, value)))
        {
            let range = start..start + cue.len();
            self.add(
                FieldName::Budget,
                at,
                &range,
                Some(FieldValue::Text((*value).to_owned())),
                0.7,
            );
        } else if !named && let Some(range) = self.bare(at).into_iter().next() {
            self.add(FieldName::Budget, at, &range, None, 0.6);
        }
    }

    /// Numbers that may be sums of which nobody says the scale.
    pub(super) fn bare(&self, at: usize) -> Vec<Range<usize>> {
        let text = &self.turn(at).text;
        let days: Vec<Found<DateValue>> = self.days(at);
        money::bare(text)
            .into_iter()
            .filter(|range| {
                !days
                    .iter()
                    .any(|day| day.range.start < range.end && range.start < day.range.end)
            })
            .filter(|range| !self.supposed(at, range))
            .collect()
    }

    /// The sum is somebody's price that the buyer finds too high.
    fn is_judged(&self, at: usize, range: &Range<usize>) -> bool {
        let text = &self.turn(at).text;
        let sentence = small(&text[sentence_around(text, range)]);
        contains(
            &sentence,
            &["too much", "rejected", "penalt", "дорого", "штраф", "контракт "],
        )
    }

    fn asked_price(&self, at: usize) -> bool {
        let buyer = self.buyer_turn_before(at);
        buyer.is_some_and(|before| {
            self.has(before, Signal::BuyerPriceQuestion) || contains(&self.lower(before), ASKS_PRICE)
        })
    }

    pub(super) fn price(&mut self, at: usize) {
        let priced = self.has(at, Signal::RepPrice);
        if !priced && !self.asked_price(at) {
            return;
        }
        let text = self.turn(at).text.clone();
        for mut sum in self.sums(at) {
            self.with_thousands(at, &mut sum.value);
            if is_difference(&text, &sum.range) || is_off(&text, &sum.range) {
                continue;
            }
            let sentence = small(&text[sentence_around(&text, &sum.range)]);
            // The buyer's own loss, set against the price, is not the price.
            if contains(&sentence, NO_PRICE) || is_refused(&text, &sum.range) || self.is_echo(at, &sum.value) {
                continue;
            }
            self.add_price(at, &sum);
        }
        if priced {
            for Found { range, value } in money::unscaled(&text) {
                // Thousands, if the talk has sums of that size.
                let amount = (value * 1e3).round();
                let value = self.of_size(amount, 3.0).then(|| {
                    let mut sum = money::of(amount, self.currency.unwrap_or(money::default_currency(self.language)));
                    if let (Some(code), "USD") = (self.dollar, sum.currency.as_str()) {
                        sum.currency = code.to_owned();
                    }
                    FieldValue::Money(sum)
                });
                self.add(FieldName::QuotedPrice, at, &range, value, 0.6);
            }
        }
    }

    /// «Девять тысяч в месяц. Для вас восемь»: a price takes the period of the last one of its size.
    fn period_of_price(&self, sum: &Money) -> Option<Period> {
        let amount = sum.amount?;
        self.found
            .iter()
            .rev()
            .filter(|field| field.field == FieldName::QuotedPrice)
            .filter_map(|field| match &field.value {
                Some(FieldValue::Money(known)) if known.currency == sum.currency => Some(known),
                _ => None,
            })
            .find(|known| {
                known
                    .amount
                    .is_some_and(|known| known <= 2.0 * amount && amount <= 2.0 * known)
            })?
            .period
    }

    /// A price that was named before is not named again as another.
    fn add_price(&mut self, at: usize, sum: &Found<Money>) {
        let mut sum = sum.clone();
        if sum.value.period.is_none() && sum.value.per.is_none() {
            sum.value.period = self.period_of_price(&sum.value);
        }
        let same = |known: &Money| {
            (known.amount, known.min, known.max) == (sum.value.amount, sum.value.min, sum.value.max)
                && (known.period == sum.value.period || known.period.is_none() || sum.value.period.is_none())
        };
        let known = self.found.iter().any(|field| {
            field.field == FieldName::QuotedPrice
                && matches!(&field.value, Some(FieldValue::Money(known)) if same(known))
        });
        if !known {
            self.add(
                FieldName::QuotedPrice,
                at,
                &sum.range,
                Some(FieldValue::Money(sum.value)),
                0.8,
            );
        }
    }

    /// The buyer named the sum first, as a loss or a wish of theirs: the rep repeats it.
    fn is_echo(&self, at: usize, sum: &Money) -> bool {
        let value = sum.amount.or(sum.max).or(sum.min);
        let from = at.saturating_sub(6);
        value.is_some()
            && (from..at).any(|before| {
                self.turn(before).role == Role::Buyer
                    && (self.has(before, Signal::BuyerImpact) || self.has(before, Signal::BuyerBudget))
                    && self
                        .sums(before)
                        .iter()
                        .any(|other| other.value.amount.or(other.value.max).or(other.value.min) == value)
            })
    }

    fn has_discount(&self, at: usize) -> bool {
        self.found
            .iter()
            .any(|field| field.field == FieldName::DiscountOffered && field.turn == Some(self.turn(at).i))
    }

    pub(super) fn discount(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let lower = small(&text);
        let words = tokens(&text);
        for (range, percent) in percents(&text) {
            let sentence = small(&text[sentence_around(&text, &range)]);
            let around = near(&text, &range, 40);
            let cued = says(&near(&text, &range, 60), DISCOUNT);
            let own = self.has(at, Signal::RepPrice)
                && has_word(
                    &sentence,
                    &["i can", "i could", "we can", "myself", "могу", "отдам", "дам"],
                );
            // All of a price is no part of it.
            if (cued || own) && percent < 100.0 && !says(&around, OTHER_SHARES) {
                self.add(
                    FieldName::DiscountOffered,
                    at,
                    &range,
                    Some(FieldValue::Percent { percent }),
                    0.75,
                );
            }
        }
        for sum in self.sums(at) {
            if is_off(&text, &sum.range) && !self.has_discount(at) {
                self.add(
                    FieldName::DiscountOffered,
                    at,
                    &sum.range,
                    Some(FieldValue::Money(sum.value)),
                    0.7,
                );
            }
        }
        if self.has_discount(at) || !self.has(at, Signal::RepPrice) {
            return;
        }
        // «минус двадцать», «скидка пятьдесят»: a share without its word.
        let cue = words.iter().position(|word| {
            word.lower.starts_with("скидк") || matches!(word.lower.as_str(), "минус" | "knock" | "discount")
        });
        if let Some(number) = cue
            .and_then(|cue| numbers::read(&words, cue + 1))
            .filter(|number| number.value <= 60.0)
        {
            let range = words[number.from].range.start..words[number.to - 1].range.end;
            self.add(
                FieldName::DiscountOffered,
                at,
                &range,
                Some(FieldValue::Percent { percent: number.value }),
                0.65,
            );
            return;
        }
        // What is given for nothing.
        const FREE: &[&str] = &[
            "months free",
            "month free",
            "months off",
            "no charge",
            "for free",
            "waive",
            "wave the",
            "first month free",
            "в подарок",
            "бесплатно",
            "за полцены",
            "at half",
        ];
        if let Some((start, cue)) = FREE
            .iter()
            .find_map(|cue| Some((lower.find(cue)?, cue)))
            .filter(|_| lower.len() == text.len())
        {
            let range = start..start + cue.len();
            self.add(FieldName::DiscountOffered, at, &range, None, 0.55);
        }
    }
}

/// "one ten thousand off", «двести дарю», «минус девятьсот».
fn is_off(text: &str, range: &Range<usize>) -> bool {
    let before = small(&text[..range.start]);
    let behind = small(&text[range.end..]);
    let behind = behind.trim_start_matches([' ', ',']);
    [
        "off",
        "less",
        "credit",
        "as credit",
        "скидк",
        "скину",
        "дарю",
        "в подарок",
    ]
    .iter()
    .any(|word| behind.starts_with(word))
        || [
            "минус ",
            "скидка ",
            "скидку ",
            "скину ",
            "knock ",
            "credit of ",
            "discount of ",
        ]
        .iter()
        .any(|word| before.ends_with(word))
}

/// "a hundred and five we are not", «две семьсот не потяну».
fn is_refused(text: &str, range: &Range<usize>) -> bool {
    let behind = small(&text[range.end..sentence_around(text, range).end]);
    let behind: String = behind
        .split([',', '.'])
        .next()
        .unwrap_or_default()
        .chars()
        .take(30)
        .collect();
    contains(
        &behind,
        &[
            "we are not",
            "i can't",
            "can't make",
            "cannot",
            "не потян",
            "не смогу",
            "не могу",
            "не получится",
            "не дам",
        ],
    )
}

/// «дороже на 7 500», "cheaper by 200": how far two prices lie apart.
fn is_difference(text: &str, range: &Range<usize>) -> bool {
    let before = small(&text[..range.start]);
    let behind = small(&text[range.end..]);
    let before = before
        .trim_end()
        .trim_end_matches(" примерно")
        .trim_end_matches(" about");
    [
        "дороже на",
        "дешевле на",
        "больше на",
        "меньше на",
        "dearer by",
        "cheaper by",
        "more by",
        "less by",
        "more expensive by",
    ]
    .iter()
    .any(|words| before.ends_with(words))
        || ["дороже", "дешевле", "dearer", "cheaper", "more expensive"]
            .iter()
            .any(|words| behind.trim_start().starts_with(words))
}

/// Shares in percent with their places.
fn percents(text: &str) -> Vec<(Range<usize>, f64)> {
    let words = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let Some(number) = numbers::read(&words, at) else {
            at += 1;
            continue;
        };
        at = number.to;
        let Some(sign) = words.get(number.to) else { continue };
        if sign.lower == "%" || sign.lower.starts_with("percent") || sign.lower.starts_with("процент") {
            found.push((words[number.from].range.start..sign.range.end, number.value));
        }
    }
    found
}
