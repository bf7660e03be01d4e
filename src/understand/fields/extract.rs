//! Which of the sums, days and people in a call are fields, and of whom.

use std::ops::Range;

use chrono::NaiveDate;

use super::text::{Found, Token, is_form_of, says, sentence_around, tokens};
use super::{dates, meeting, money, numbers, people, promises, talk};
use crate::domain::{
    Call, Commitment, Competitor, CompetitorStatus, DateQualifier, DateValue, DecidedBy, DecisionRole, Field,
    FieldName, FieldStatus, FieldValue, Language, Period, Person, Quantity, Role, Signal, Turn, TurnLabels,
};

/// Fields that the rules look for; each that is not found is said to be not stated.
pub const LOOKED_FOR: &[FieldName] = FieldName::ALL;

/// How far back a sum may lend its scale to another.
const NEARBY_TURNS: usize = 5;

const PEOPLE: &[&str] = &[
    "rep",
    "people",
    "person",
    "employee",
    "technician",
    "driver",
    "agent",
    "manager",
    "seller",
    "dispatcher",
    "engineer",
    "user",
    "seat",
    "nurse",
    "staff",
    "developer",
    "operator",
    "consultant",
    "worker",
    "lad",
    "guy",
    "менеджер",
    "человек",
    "сотрудник",
    "водител",
    "оператор",
    "инженер",
    "техник",
    "мастер",
    "продавц",
    "курьер",
    "врач",
    "специалист",
    "агент",
    "пользовател",
];
const COUNTED: &[&str] = &[
    "order",
    "call",
    "visit",
    "lead",
    "ticket",
    "invoice",
    "shipment",
    "delivery",
    "deliveries",
    "request",
    "store",
    "shop",
    "branch",
    "location",
    "case",
    "patient",
    "truck",
    "vehicle",
    "van",
    "customer",
    "client",
    "acre",
    "заказ",
    "звон",
    "заяв",
    "обращени",
    "визит",
    "магазин",
    "точек",
    "точк",
    "аптек",
    "филиал",
    "машин",
    "клиент",
    "пациент",
    "накладн",
    "отгруз",
    "склад",
    "витрин",
    "рейс",
];
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
const HOW_MANY: &[&str] = &["how many", "how big", "сколько"];
const SIGNS: &[&str] = &[
    "i can sign",
    "i can approve",
    "i'm able to sign",
    "могу подписывать",
    "подписываю сам",
    "i sign up to",
    "without asking",
    "сам могу",
    "сама могу",
    "могу провести",
    "могу сам",
    "могу подписать",
];
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
const DISCOUNT: &[&str] = &["discount", "off", "скидк", "скину", "дешевле"];
const IN_HOUSE: &[&str] = &[
    "in house",
    "in-house",
    "ourselves",
    "our dev",
    "build it",
    "сами напиш",
    "сам соберет",
    "своими силами",
    "сами сдела",
    "айтишники говорят",
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
    found: Vec<Field>,
}

/// Facts of a call. Roles must be set; `labels` lie in the order of the turns.
pub fn extract(call: &Call, labels: &[TurnLabels], language: Language, call_date: NaiveDate) -> Vec<Field> {
    let mut extractor = Extractor {
        call,
        labels,
        language,
        call_date,
        found: Vec::new(),
    };
    for at in 0..call.turns.len().min(labels.len()) {
        extractor.participants(at);
        match call.turns[at].role {
            Role::Buyer => extractor.buyer(at),
            Role::Rep => extractor.rep(at),
            Role::Unknown => {}
        }
    }
    extractor.next_meeting();
    extractor.labelled();
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

impl Extractor<'_> {
    fn turn(&self, at: usize) -> &Turn {
        &self.call.turns[at]
    }

    fn has(&self, at: usize, signal: Signal) -> bool {
        self.labels[at].has(signal)
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
            .is_some_and(|sentence| contains(&sentence.to_lowercase(), promises::SUPPOSED))
    }

    /// Amounts said within the last turns and the coming one.
    fn nearby(&self, at: usize) -> Vec<f64> {
        let from = at.saturating_sub(NEARBY_TURNS);
        self.call.turns[from..at]
            .iter()
            .flat_map(|turn| money::find(&turn.text, self.language, &[], false))
            .filter_map(|found| found.value.amount.or(found.value.max).or(found.value.min))
            .collect()
    }

    fn sums(&self, at: usize) -> Vec<Found<crate::domain::Money>> {
        let mut sums = money::find(&self.turn(at).text, self.language, &self.nearby(at), true);
        sums.retain(|sum| !self.supposed(at, &sum.range));
        sums
    }

    fn days(&self, at: usize) -> Vec<Found<DateValue>> {
        dates::find(&self.turn(at).text, self.language, self.call_date)
    }

    fn participants(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let side = self.turn(at).role;
        if at < 12
            && let Some((name, company)) = people::introduction(&text)
            && side != Role::Unknown
        {
            let person = Person {
                name: Some(text[name.clone()].to_owned()),
                title: None,
                roles: Vec::new(),
                side,
            };
            self.add(
                FieldName::Participants,
                at,
                &name,
                Some(FieldValue::Person(person)),
                0.85,
            );
            if let (Role::Buyer, Some(company)) = (side, company) {
                let value = FieldValue::Text(text[company.clone()].to_owned());
                self.add(FieldName::BuyerCompany, at, &company, Some(value), 0.75);
            }
        }
        if at < 6
            && let Some(name) = people::addressed(&text)
        {
            let other = match side {
                Role::Rep => Role::Buyer,
                Role::Buyer => Role::Rep,
                Role::Unknown => return,
            };
            let person = Person {
                name: Some(text[name.clone()].to_owned()),
                title: None,
                roles: Vec::new(),
                side: other,
            };
            self.add(
                FieldName::Participants,
                at,
                &name,
                Some(FieldValue::Person(person)),
                0.8,
            );
        }
    }

    /// Sides of which nobody was introduced are known by the labels of the transcript; their first words bear witness.
    fn labelled(&mut self) {
        for side in [Role::Rep, Role::Buyer] {
            let known = self.found.iter().any(|field| {
                field.field == FieldName::Participants
                    && matches!(&field.value, Some(FieldValue::Person(person)) if person.side == side)
            });
            if known {
                continue;
            }
            for at in 0..self.call.turns.len() {
                let turn = self.turn(at);
                let label = turn.name.as_deref().unwrap_or(&turn.speaker);
                let Some(name) = people::full_name(label).filter(|_| turn.role == side) else {
                    continue;
                };
                let person = Person {
                    name: Some(name.to_owned()),
                    title: None,
                    roles: Vec::new(),
                    side,
                };
                let words = sentence_around(&turn.text, &(0..first_word_end(&turn.text)));
                self.add(
                    FieldName::Participants,
                    at,
                    &words,
                    Some(FieldValue::Person(person)),
                    0.7,
                );
            }
        }
    }

    fn buyer(&mut self, at: usize) {
        self.company(at);
        self.counts(at);
        if self.has(at, Signal::BuyerSituation) || self.has(at, Signal::BuyerPain) {
            self.tools(at);
        }
        let of_budget = self.has(at, Signal::BuyerBudget) || self.asked(at, ASKS_BUDGET);
        if !self.asked(at, ASKS_BUDGET) {
            self.impact(at);
        }
        if of_budget || self.signs(at) {
            self.budget(at);
        }
        if self.has(at, Signal::BuyerDecider) || self.asked(at, ASKS_DECIDER) {
            self.deciders(at);
        }
        if self.has(at, Signal::BuyerTimeline) || self.asked_for_a_day(at) {
            self.timeline(at);
        }
        if self.asked(at, ASKS_COMPETITOR) {
            self.competitors_named(at);
        } else if self.has(at, Signal::BuyerCompetitor) {
            self.competitor(at);
        }
        if self.has(at, Signal::BuyerCommitment) {
            self.promises(at, Role::Buyer);
        }
        self.unknown(at);
    }

    fn rep(&mut self, at: usize) {
        if self.has(at, Signal::RepPrice) {
            self.price(at);
        }
        if self.has(at, Signal::RepNextStep) {
            self.promises(at, Role::Rep);
        }
    }

    fn company(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        if let Some(range) = people::company(&text) {
            let value = FieldValue::Text(text[range.clone()].to_owned());
            self.add(FieldName::BuyerCompany, at, &range, Some(value), 0.7);
        }
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

    /// What the buyer said last before this turn.
    fn buyer_before(&self, at: usize) -> String {
        (0..at)
            .rev()
            .find(|&before| self.turn(before).role == Role::Buyer)
            .map_or_else(String::new, |before| self.lower(before))
    }

    /// The buyer tells up to which sum the buyer may sign.
    fn signs(&self, at: usize) -> bool {
        let text = &self.turn(at).text;
        self.sums(at)
            .iter()
            .any(|sum| contains(&small(&text[sentence_around(text, &sum.range)]), SIGNS))
    }

    /// People of the team and things that are counted, where the buyer tells how things are.
    fn counts(&mut self, at: usize) {
        let asked_heads = self.asked(at, HOW_MANY) && self.asked(at, PEOPLE);
        let asked = asked_heads || at > 0 && self.has(at - 1, Signal::RepQSituation);
        if !(self.has(at, Signal::BuyerSituation) || asked) {
            return;
        }
        let text = self.turn(at).text.clone();
        let words = tokens(&text);
        let mut index = 0;
        while index < words.len() {
            let Some(count) = counted(&words, index, asked_heads) else {
                index = numbers::read(&words, index).map_or(index + 1, |number| number.to);
                continue;
            };
            index = count.to;
            let range = words[count.from].range.start..words[count.to - 1].range.end;
            if self.supposed(at, &range) {
                continue;
            }
            let quantity = Quantity {
                n: count.max.is_none().then_some(count.n),
                min: count.max.map(|_| count.n),
                max: count.max,
                unit: count.unit.map(|unit| words[unit].lower.clone()),
                period: count.unit.and_then(|unit| period_behind(&words, &words[unit].range)),
                approx: count.approx || approximate(&words, count.from),
            };
            let name = if count.people {
                FieldName::TeamSize
            } else {
                FieldName::Volumes
            };
            self.add(name, at, &range, Some(FieldValue::Quantity(quantity)), 0.75);
        }
    }

    fn tools(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        for range in people::tools(&text) {
            let value = FieldValue::Text(text[range.clone()].to_owned());
            self.add(FieldName::CurrentSolution, at, &range, Some(value), 0.75);
        }
    }

    /// The number at `range` may be what the problem costs.
    fn is_loss(&self, at: usize, range: &Range<usize>) -> bool {
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

    fn impact(&mut self, at: usize) {
        let mut any = false;
        for sum in self.sums(at) {
            let text = &self.turn(at).text;
            let loss_said = says(&small(&text[sentence_around(text, &sum.range)]), LOSSES);
            let of_unit = sum.value.per.is_some() || per_piece(&text[sum.range.end..]);
            if !self.is_loss(at, &sum.range) || of_unit && !loss_said {
                continue;
            }
            any = true;
            self.add(
                FieldName::PainImpact,
                at,
                &sum.range,
                Some(FieldValue::Money(sum.value)),
                0.8,
            );
        }
        if any || !self.has(at, Signal::BuyerImpact) {
            return;
        }
        // No money: hours, orders, shares; heads only where they are lost.
        let text = self.turn(at).text.clone();
        let words = tokens(&text);
        let mut index = 0;
        while index < words.len() {
            let Some(number) = numbers::read(&words, index) else {
                index += 1;
                continue;
            };
            index = number.to;
            let Some(noun) = words
                .get(number.to)
                .filter(|word| !word.break_before && word.lower.chars().all(char::is_alphabetic))
                .filter(|word| word.lower.chars().count() > 2)
            else {
                continue;
            };
            let range = words[number.from].range.start..noun.range.end;
            let heads = PEOPLE.iter().any(|stem| is_form_of(&noun.lower, stem));
            let loss_said = says(&small(&text[sentence_around(&text, &range)]), LOSSES);
            let in_sum = self
                .sums(at)
                .iter()
                .any(|sum| sum.range.start < range.end && range.start < sum.range.end);
            if in_sum || heads && !loss_said || !self.is_loss(at, &range) {
                continue;
            }
            let quantity = Quantity {
                n: Some(number.value),
                min: None,
                max: None,
                unit: Some(noun.lower.clone()),
                period: period_behind(&words, &noun.range),
                approx: number.approx || approximate(&words, number.from),
            };
            self.add(
                FieldName::PainImpact,
                at,
                &range,
                Some(FieldValue::Quantity(quantity)),
                0.6,
            );
            return;
        }
    }

    fn budget(&mut self, at: usize) {
        let lower = self.lower(at);
        let limit =
            self.signs(at) || contains(&lower, SIGNS) || self.has(at, Signal::BuyerDecider) && lower.contains("sign");
        let name = if limit {
            FieldName::SigningLimit
        } else {
            FieldName::Budget
        };
        let sums = self.sums(at);
        if let Some(sum) = sums.into_iter().next() {
            self.add(name, at, &sum.range, Some(FieldValue::Money(sum.value)), 0.75);
            return;
        }
        for (cue, value) in [
            ("no budget", "none"),
            ("isn't any budget", "none"),
            ("nothing set aside", "none"),
            ("haven't set aside", "none"),
            ("haven't budgeted", "none"),
            ("not budgeted", "none"),
            ("бюджета нет", "none"),
            ("нет бюджета", "none"),
            ("бюджета не", "none"),
            ("не закладывали", "none"),
            ("не заложили", "none"),
            ("не заложен", "none"),
            ("не выделяли", "none"),
            ("бюджета под это", "none"),
            ("бюджета пока нет", "none"),
            ("not approved", "pending"),
            ("не утвер", "pending"),
            ("не согласован", "pending"),
        ] {
            let text = self.turn(at).text.to_lowercase();
            if let (Some(start), true) = (text.find(cue), text.len() == self.turn(at).text.len()) {
                let range = start..start + cue.len();
                self.add(
                    FieldName::Budget,
                    at,
                    &range,
                    Some(FieldValue::Text(value.to_owned())),
                    0.7,
                );
                return;
            }
        }
    }

    fn deciders(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let mut mentions = people::deciders(&text);
        // An answer may begin with the name; elsewhere the first capital is that of the sentence.
        if mentions.iter().all(|mention| mention.title.is_none())
            && self.asked(at, ASKS_DECIDER)
            && let Some(name) = people::name_first(&text)
        {
            mentions.clear();
            mentions.push(people::Mention {
                name: Some(text[name.clone()].to_owned()),
                range: name,
                title: None,
                roles: vec![DecisionRole::Approver],
            });
        }
        for mention in mentions {
            let person = Person {
                name: mention.name,
                title: mention.title,
                roles: mention.roles,
                side: Role::Buyer,
            };
            self.add(
                FieldName::DecisionMakers,
                at,
                &mention.range,
                Some(FieldValue::Person(person)),
                0.75,
            );
        }
        let lower = text.to_lowercase();
        if lower.len() != text.len() {
            return;
        }
        for cue in [
            "my call",
            "my decision",
            "i decide",
            "i do the signing",
            "i sign",
            "i can sign",
            "решаю я",
            "решение за мной",
            "подписываю я",
            "я подписываю",
            "я сам решаю",
            "я и решаю",
            "я решаю",
            "сам решу",
            "сама решу",
            "сам решаю",
            "сама решаю",
        ] {
            if let Some(start) = lower.find(cue) {
                let person = Person {
                    name: None,
                    title: None,
                    roles: vec![DecisionRole::EconomicBuyer],
                    side: Role::Buyer,
                };
                let range = start..start + cue.len();
                self.add(
                    FieldName::DecisionMakers,
                    at,
                    &range,
                    Some(FieldValue::Person(person)),
                    0.8,
                );
                return;
            }
        }
    }

    /// The rep's last turn asks until when.
    fn asked_for_a_day(&self, at: usize) -> bool {
        let Some(question) = at.checked_sub(1).filter(|&before| self.turn(before).role == Role::Rep) else {
            return false;
        };
        let lower = self.lower(question);
        contains(&lower, ASKS_BY_WHEN)
            || self.has(question, Signal::RepQDecision) && says(&lower, &["when", "date", "когда", "срок"])
    }

    fn timeline(&mut self, at: usize) {
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
        let text = &self.turn(at).text;
        let of_need = |day: &Found<DateValue>| {
            let deadline = matches!(day.value.qualifier, DateQualifier::By | DateQualifier::Before);
            let sentence = text[sentence_around(text, &day.range)].to_lowercase();
            deadline || says(&sentence, NEEDS) || !contains(&sentence, SEASONS)
        };
        let days = self.days(at).into_iter();
        if let Some(mut day) = days.filter(|day| !day.value.past).find(of_need) {
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

    fn competitor(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        let lower = self.lower(at);
        if contains(&lower, IN_HOUSE) {
            let whole = 0..text.trim_end().len();
            let range = sentence_around(&text, &(0..first_word_end(&text).min(whole.end)));
            self.add_competitor(at, &range, None, CompetitorStatus::InHouse, 0.65);
        } else if let Some(range) = people::name_inside(&text)
            .filter(|range| dates::find(&text[range.clone()], self.language, self.call_date).is_empty())
        {
            self.add_competitor(
                at,
                &range,
                Some(&text[range.clone()]),
                CompetitorStatus::Considering,
                0.65,
            );
        } else {
            let range = sentence_around(&text, &(0..first_word_end(&text)));
            self.add_competitor(at, &range, None, CompetitorStatus::Unnamed, 0.6);
        }
    }

    fn add_competitor(
        &mut self,
        at: usize,
        range: &Range<usize>,
        name: Option<&str>,
        status: CompetitorStatus,
        confidence: f32,
    ) {
        let name = name.map(str::to_owned);
        let value = FieldValue::Competitor(Competitor { name, status });
        self.add(FieldName::Competitors, at, range, Some(value), confidence);
    }

    /// The names in an answer to the question whom else the buyer looks at.
    fn competitors_named(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        for range in people::brands(&text) {
            if !dates::find(&text[range.clone()], self.language, self.call_date).is_empty() {
                continue;
            }
            self.add_competitor(
                at,
                &range,
                Some(&text[range.clone()]),
                CompetitorStatus::Considering,
                0.65,
            );
        }
        let known = self
            .found
            .iter()
            .any(|field| field.field == FieldName::Competitors && field.turn == Some(self.turn(at).i));
        if !known && self.has(at, Signal::BuyerCompetitor) {
            self.competitor(at);
        }
    }

    fn price(&mut self, at: usize) {
        let text = self.turn(at).text.clone();
        for sum in self.sums(at) {
            let sentence = text[sentence_around(&text, &sum.range)].to_lowercase();
            // The buyer's own loss, set against the price, is not the price.
            if !contains(
                &sentence,
                &[
                    "you mentioned",
                    "you said",
                    "you lose",
                    "вы говорили",
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
                ],
            ) && !is_difference(&text, &sum.range)
            {
                self.add(
                    FieldName::QuotedPrice,
                    at,
                    &sum.range,
                    Some(FieldValue::Money(sum.value)),
                    0.8,
                );
            }
        }
        let lower = self.lower(at);
        if contains(&lower, DISCOUNT)
            && let Some((range, percent)) = percent(&text)
        {
            self.add(
                FieldName::DiscountOffered,
                at,
                &range,
                Some(FieldValue::Percent { percent }),
                0.8,
            );
        }
    }

    fn next_meeting(&mut self) {
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

    fn promises(&mut self, at: usize, who: Role) {
        let text = self.turn(at).text.clone();
        for promise in promises::find(&text, &self.days(at)) {
            let value = Commitment {
                who,
                what: text[promise.range.clone()].to_owned(),
                due: promise.value,
            };
            self.add(
                FieldName::Commitments,
                at,
                &promise.range,
                Some(FieldValue::Commitment(value)),
                0.75,
            );
        }
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

/// A number of things or people in words `from..to`.
struct Count {
    from: usize,
    to: usize,
    n: f64,
    /// The upper end of a range.
    max: Option<f64>,
    approx: bool,
    people: bool,
    /// The word that says what is counted.
    unit: Option<usize>,
}

/// What is counted from word `at` on. `heads`: the rep has asked how many people there are.
fn counted(words: &[Token], at: usize, heads: bool) -> Option<Count> {
    if let Some(count) = heads_alone(words, at) {
        return Some(count);
    }
    let first = numbers::read(words, at)?;
    let link = words.get(first.to);
    let linked =
        link.is_some_and(|link| !link.break_before && matches!(link.lower.as_str(), "to" | "or" | "до" | "или"));
    let hyphen = link.is_some_and(|link| link.hyphen_before);
    let second = (linked || hyphen)
        .then(|| numbers::read(words, first.to + usize::from(linked)))
        .flatten()
        .filter(|second| second.value > first.value);
    let number_end = second.map_or(first.to, |second| second.to);
    // "sixty lost orders": an adjective may stand between, a mark may not.
    let unit = (number_end..words.len().min(number_end + 3))
        .take_while(|&place| !words[place].break_before)
        .find(|&place| is_counted(&words[place].lower, PEOPLE) || is_counted(&words[place].lower, COUNTED));
    // "Twelve." says how many heads there are only where it is the whole answer.
    let whole_answer = heads
        && words.get(number_end).is_none_or(|word| word.break_before)
        && words[..at].iter().all(|word| !word.break_before)
        && words.len() - number_end <= 3;
    if unit.is_none() && !whole_answer {
        return None;
    }
    Some(Count {
        from: at,
        to: unit.map_or(number_end, |unit| unit + 1),
        n: first.value,
        max: second.map(|second| second.value),
        approx: first.approx,
        people: unit.is_none_or(|unit| is_counted(&words[unit].lower, PEOPLE)),
        unit,
    })
}

fn is_counted(word: &str, stems: &[&str]) -> bool {
    stems.iter().any(|stem| is_form_of(word, stem))
        || !word.is_ascii() && stems.iter().any(|stem| !stem.is_ascii() && word.starts_with(stem))
}

/// «Человек пятнадцать», «Пятеро», «Нас трое».
fn heads_alone(words: &[Token], at: usize) -> Option<Count> {
    const TOGETHER: [&str; 9] = [
        "двое",
        "трое",
        "четверо",
        "пятеро",
        "шестеро",
        "семеро",
        "восьмеро",
        "девятеро",
        "десятеро",
    ];
    let word = words.get(at)?.lower.as_str();
    if word == "человек" {
        let number = words
            .get(at + 1)
            .filter(|next| !next.break_before)
            .and_then(|_| numbers::read(words, at + 1))?;
        let second = words
            .get(number.to)
            .filter(|next| next.hyphen_before)
            .and_then(|_| numbers::read(words, number.to))
            .filter(|second| second.value > number.value);
        return Some(Count {
            from: at,
            to: second.map_or(number.to, |second| second.to),
            n: number.value,
            max: second.map(|second| second.value),
            approx: true,
            people: true,
            unit: Some(at),
        });
    }
    let n = TOGETHER.iter().position(|together| *together == word)? as f64 + 2.0;
    // «Пятеро» of other things or people says nothing of the team: «двое суток», «трое клиентов».
    let unit = words.get(at + 1).filter(|next| !next.break_before);
    let of_team = unit.is_none_or(|unit| is_counted(&unit.lower, PEOPLE));
    let ours = at > 0 && words[at - 1].lower == "нас";
    let with_unit = unit.is_some_and(|unit| is_counted(&unit.lower, PEOPLE));
    (of_team || ours).then(|| Count {
        from: at,
        to: at + 1 + usize::from(with_unit),
        n,
        max: None,
        approx: false,
        people: true,
        unit: with_unit.then_some(at + 1),
    })
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

fn approximate(words: &[super::text::Token], at: usize) -> bool {
    at > 0
        && matches!(
            words[at - 1].lower.as_str(),
            "about" | "around" | "roughly" | "like" | "maybe" | "около" | "примерно" | "где-то" | "то" | "порядка"
        )
}

fn period_behind(words: &[super::text::Token], noun: &Range<usize>) -> Option<Period> {
    let at = words.iter().position(|word| word.range == *noun)?;
    words[at + 1..]
        .iter()
        .take(2)
        .find_map(|word| match word.lower.as_str() {
            "day" | "daily" | "день" | "сутки" => Some(Period::Day),
            "week" | "weekly" | "неделю" => Some(Period::Week),
            "month" | "monthly" | "месяц" => Some(Period::Month),
            "quarter" | "квартал" => Some(Period::Quarter),
            "year" | "annually" | "год" => Some(Period::Year),
            _ => None,
        })
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

/// A share in percent with its place.
fn percent(text: &str) -> Option<(Range<usize>, f64)> {
    let words = tokens(text);
    (0..words.len()).find_map(|at| {
        let number = numbers::read(&words, at)?;
        let sign = words.get(number.to)?;
        let is_percent = sign.lower == "%"
            || sign.lower.starts_with("percent")
            || sign.lower.starts_with("процент")
            || sign.lower == "per";
        is_percent.then(|| (words[number.from].range.start..sign.range.end, number.value))
    })
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
