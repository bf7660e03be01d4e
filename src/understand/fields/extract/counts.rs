//! People of the team and units that the buyer handles.

use std::ops::Range;

use super::super::numbers;
use super::super::text::{Token, is_form_of, says, sentence_around, tokens};
use super::{Extractor, contains, small};
use crate::domain::{FieldName, FieldValue, Period, Quantity, Role, Signal};

pub(super) const PEOPLE: &[&str] = &[
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
    "caregiver",
    "carpenter",
    "painter",
    "cashier",
    "teacher",
    "deputies",
    "clinician",
    "crew",
    "girl",
    "boy",
    "fella",
    "men",
    "официант",
    "повар",
    "слесар",
    "обходчик",
    "конструктор",
    "технолог",
    "инструктор",
    "грузчик",
    "девоч",
    "работник",
    "преподават",
    "учител",
    "воспитател",
    "диспетчер",
    "бухгалтер",
];
/// What a number counts without being a volume: time, money, shares, measures of one thing.
const NO_UNITS: &[&str] = &[
    "day",
    "week",
    "month",
    "year",
    "hour",
    "minute",
    "second",
    "time",
    "dollar",
    "euro",
    "pound",
    "buck",
    "cent",
    "percent",
    "point",
    "oclock",
    "thousand",
    "grand",
    "million",
    "thing",
    "way",
    "other",
    "degree",
    "mile",
    "inch",
    "foot",
    "feet",
    "floor",
    "always",
    "this",
    "that",
    "was",
    "is",
    "does",
    "has",
    "plus",
    "months",
    "less",
    "yes",
    "us",
    "its",
    "as",
    "kids",
    "nights",
    "birthday",
    "дн",
    "день",
    "недел",
    "месяц",
    "год",
    "лет",
    "час",
    "минут",
    "секунд",
    "раз",
    "руб",
    "доллар",
    "евро",
    "процент",
    "тысяч",
    "миллион",
    "копе",
    "числ",
    "градус",
    "километр",
    "метр",
    "балл",
    "этаж",
    "января",
    "феврал",
    "марта",
    "апрел",
    "мая",
    "июн",
    "июл",
    "август",
    "сентябр",
    "октябр",
    "ноябр",
    "декабр",
    "вечера",
    "утра",
    "ночи",
    "дома",
    "или",
    "для",
    "это",
    "как",
    "штук",
    "всего",
    "очень",
    "потом",
    "было",
    "была",
    "были",
    "тонн",
    "кило",
    "сутк",
    "половин",
    "смен",
    "сотк",
    "дня",
    "она",
    "они",
    "вас",
    "нас",
    "меня",
    "стран",
    "сторон",
    "вариант",
    "вещи",
    "слов",
    "вопрос",
];
const OURS: &[&str] = &[
    "we",
    "we've",
    "we're",
    "our",
    "us",
    "have",
    "got",
    "there",
    "i've",
    "nine",
    "у нас",
    "у меня",
    "нас",
    "наш",
    "мы",
    "сейчас",
    "всего",
    "по ",
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
const HOW_MANY: &[&str] = &[
    "how many",
    "how big",
    "how much do you",
    "how much are you",
    "how much fuel",
    "сколько",
    " много?",
    "какой объем",
];
/// Questions how many, or how much, of something else.
const HOW_LONG: &[&str] = &[
    "how many hours",
    "how many years",
    "how many times",
    "how many days",
    "how many weeks",
    "how many months",
    "how many minutes",
    "сколько стоит",
    "сколько времени",
    "сколько лет",
    "сколько раз",
    "сколько часов",
    "сколько дней",
    "сколько денег",
    "сколько вы готовы",
    "сколько теря",
    "сколько потеря",
    "сколько вам",
    "сколько ей",
    "сколько ему",
    "сколько хотели",
    "заложен",
    "киловатт",
    "ветра",
    "сколько это",
    "сколько будет",
    "сколько платите",
];
impl Extractor<'_> {
    /// People of the team and things that are counted, where the buyer tells how things are.
    pub(super) fn counts(&mut self, at: usize) {
        let question = self.question_before(at);
        let asked_heads = contains(&question, HOW_MANY) && says(&question, PEOPLE);
        let asked_number = contains(&question, HOW_MANY) && !contains(&question, HOW_LONG);
        let told = self.has(at, Signal::BuyerSituation);
        let asked = asked_heads || at > 0 && self.has(at - 1, Signal::RepQSituation);
        if !(told || asked || asked_number) {
            return;
        }
        let text = self.turn(at).text.clone();
        let words = tokens(&text);
        let mut index = 0;
        let mut any = false;
        while index < words.len() {
            let context = Context {
                heads: asked_heads,
                ours: told && says(&small(&text[sentence_around(&text, &words[index].range)]), OURS),
                answer: asked_number && index < ANSWER,
            };
            let Some(count) = counted(&words, index, context) else {
                index = numbers::read(&words, index).map_or(index + 1, |number| number.to);
                continue;
            };
            index = count.to;
            let range = words[count.from].range.start..words[count.to - 1].range.end;
            if self.supposed(at, &range) || self.in_a_day(at, &range) {
                continue;
            }
            let answered = count.unit.is_none();
            let quantity = Quantity {
                n: count.max.is_none().then_some(count.n),
                min: count.max.map(|_| count.n),
                max: count.max,
                unit: count.unit.map(|unit| words[unit].lower.clone()),
                period: period_around(&words, count.from, count.to)
                    .or_else(|| period_in(&question).filter(|_| answered)),
                approx: count.approx || approximate(&words, count.from),
            };
            let name = if count.people {
                FieldName::TeamSize
            } else {
                FieldName::Volumes
            };
            if answered && any {
                continue;
            }
            any = true;
            self.add(
                name,
                at,
                &range,
                Some(FieldValue::Quantity(quantity)),
                if answered { 0.65 } else { 0.75 },
            );
        }
    }

    /// What the rep said right before the turn, in small letters.
    pub(super) fn question_before(&self, at: usize) -> String {
        let turns: Vec<String> = (0..at)
            .rev()
            .take_while(|&before| self.turn(before).role == Role::Rep)
            .map(|before| self.lower(before))
            .collect();
        turns.join(" ")
    }

    fn in_a_day(&self, at: usize, range: &Range<usize>) -> bool {
        self.days(at)
            .iter()
            .any(|day| day.range.start < range.end && range.start < day.range.end)
    }
}

/// So many words an answer to "how many?" takes to come to its number.
const ANSWER: usize = 9;

/// What the talk around a number says of it.
#[derive(Clone, Copy)]
struct Context {
    /// The rep has asked how many people there are.
    heads: bool,
    /// The buyer tells of what they have.
    ours: bool,
    /// The turn answers how many there are.
    answer: bool,
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

/// What is counted from word `at` on.
fn counted(words: &[Token], at: usize, context: Context) -> Option<Count> {
    if let Some(count) = heads_alone(words, at) {
        return Some(count);
    }
    let first = numbers::read(words, at)?;
    let link = words.get(first.to);
    let linked =
        link.is_some_and(|link| !link.break_before && matches!(link.lower.as_str(), "to" | "or" | "до" | "или"));
    // "nine, ten": an answer that weighs two numbers.
    let hyphen = link.is_some_and(|link| link.hyphen_before || context.answer || context.ours);
    let second = (linked || hyphen)
        .then(|| numbers::read(words, first.to + usize::from(linked)))
        .flatten()
        .filter(|second| {
            second.value > first.value && second.value <= 2.0 * first.value && second.scaled == first.scaled
        });
    let number_end = second.map_or(first.to, |second| second.to);
    // "sixty lost orders": an adjective may stand between, a mark may not.
    let near = || (number_end..words.len().min(number_end + 3)).take_while(|&place| !words[place].break_before);
    let known =
        near().find(|&place| is_counted(&words[place].lower, PEOPLE) || is_counted(&words[place].lower, COUNTED));
    let next = near().next().map(|place| words[place].lower.as_str());
    let other = next.is_some_and(|next| NO_UNITS.iter().any(|stem| next.starts_with(stem)) || next == "%");
    let unit = known.or_else(|| {
        let plain = (context.ours || context.answer) && first.value >= 2.0 && !other;
        near().take(2).find(|&place| plain && is_plural(&words[place].lower))
    });
    let answer = context.answer
        && !other
        && !first.money_scale
        && (first.value >= 2.0)
        && words.get(number_end).is_none_or(|word| {
            word.break_before
                || matches!(
                    word.lower.as_str(),
                    "in" | "on" | "a" | "right" | "на" | "в" | "где" | "если" | "and" | "и" | "бывает"
                )
        });
    // "Twelve." says how many heads there are only where it is the whole answer.
    let whole_answer = context.heads
        && words.get(number_end).is_none_or(|word| word.break_before)
        && words[..at].iter().all(|word| !word.break_before)
        && words.len() - number_end <= 3;
    if unit.is_none() && !whole_answer && !answer {
        return None;
    }
    Some(Count {
        from: at,
        to: unit.map_or(number_end, |unit| unit + 1),
        n: first.value,
        max: second.map(|second| second.value),
        approx: first.approx,
        people: match unit {
            Some(unit) => is_counted(&words[unit].lower, PEOPLE),
            None => context.heads,
        },
        unit,
    })
}

/// A noun of several, as far as its form tells.
pub(super) fn is_plural(word: &str) -> bool {
    let letters = word.chars().count();
    let stopped = NO_UNITS.iter().any(|stem| word.starts_with(stem));
    if word.is_ascii() {
        return letters > 3 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("'s") && !stopped;
    }
    const PLURALS: &[&str] = &[
        "ов", "ев", "ей", "ий", "ок", "ек", "ен", "он", "ра", "са", "та", "ла", "ма", "на", "ка", "ги", "ки", "ты",
        "ны", "ры", "сел", "ест", "мов",
    ];
    letters > 3 && !stopped && PLURALS.iter().any(|ending| word.ends_with(ending))
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

pub(super) fn approximate(words: &[Token], at: usize) -> bool {
    at > 0
        && matches!(
            words[at - 1].lower.as_str(),
            "about" | "around" | "roughly" | "like" | "maybe" | "около" | "примерно" | "где-то" | "то" | "порядка"
        )
}

/// "… in a month", «в день по …» within a few words of a number.
fn period_around(words: &[Token], from: usize, to: usize) -> Option<Period> {
    let behind = words[to..]
        .iter()
        .take(4)
        .take_while(|word| !word.break_before || word.range == words[to].range);
    behind.map(|word| word.lower.as_str()).find_map(period_of).or_else(|| {
        let before = &words[from.saturating_sub(3)..from];
        before.windows(2).find_map(|pair| {
            let opens = matches!(pair[0].lower.as_str(), "в" | "за" | "a" | "per" | "each");
            period_of(&pair[1].lower).filter(|_| opens)
        })
    })
}

/// The period that a question names: "how many a week?"
fn period_in(question: &str) -> Option<Period> {
    const NAMED: &[(&str, Period)] = &[
        ("a day", Period::Day),
        ("per day", Period::Day),
        ("в день", Period::Day),
        ("в сутки", Period::Day),
        ("daily", Period::Day),
        ("a week", Period::Week),
        ("weekly", Period::Week),
        ("в неделю", Period::Week),
        ("per week", Period::Week),
        ("in the week", Period::Week),
        ("a month", Period::Month),
        ("monthly", Period::Month),
        ("в месяц", Period::Month),
        ("per month", Period::Month),
        ("a year", Period::Year),
        ("annually", Period::Year),
        ("в год", Period::Year),
        ("per year", Period::Year),
    ];
    NAMED
        .iter()
        .find(|(words, _)| question.contains(words))
        .map(|(_, period)| *period)
}

fn period_of(word: &str) -> Option<Period> {
    match word {
        "day" | "daily" | "день" | "сутки" => Some(Period::Day),
        "week" | "weekly" | "неделю" => Some(Period::Week),
        "month" | "monthly" | "месяц" => Some(Period::Month),
        "quarter" | "квартал" => Some(Period::Quarter),
        "year" | "annually" | "год" => Some(Period::Year),
        _ => None,
    }
}

pub(super) fn period_behind(words: &[Token], noun: &Range<usize>) -> Option<Period> {
    let at = words.iter().position(|word| word.range == *noun)?;
    words[at + 1..].iter().take(2).find_map(|word| period_of(&word.lower))
}
