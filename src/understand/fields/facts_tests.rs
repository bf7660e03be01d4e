//! Sums, people and names in short talks, with and without the signals of the turn model.

use chrono::NaiveDate;

use super::extract;
use crate::domain::{Field, FieldName, FieldStatus, FieldValue, Language, Period, Role, Signal, Stage, sample};

/// A turn: who, what, and its signals. A name before a bar is the label of the transcript.
type Said<'a> = (Role, &'a str, &'a [Signal]);

const REP: Role = Role::Rep;
const BUYER: Role = Role::Buyer;

fn fields(language: Language, said: &[Said<'_>]) -> Vec<Field> {
    let turns = said.iter().zip(1..).map(|((role, text, _), i)| {
        let (name, text) = text
            .split_once('|')
            .map_or((None, *text), |(name, text)| (Some(name), text));
        let mut turn = sample::turn(i, *role, text);
        if let Some(name) = name {
            turn.speaker = name.to_owned();
            turn.name = Some(name.to_owned());
        }
        turn
    });
    let call = sample::call(turns.collect());
    let labels: Vec<_> = said
        .iter()
        .map(|(_, _, signals)| sample::labels(Stage::Discovery, signals))
        .collect();
    let date = NaiveDate::from_ymd_opt(2025, 3, 12).expect("a day");
    let fields = extract(&call, &labels, language, date);
    for field in fields.iter().filter(|field| field.status != FieldStatus::NotStated) {
        let turn = call.turn(field.turn.expect("a turn")).expect("of the call");
        assert!(
            turn.text.contains(&field.quote) && field.quote.contains(&field.raw),
            "{field:?}"
        );
    }
    fields
}

/// The values of a field, shortly: sums as `min-max` or the amount, people as "name/title".
fn values(language: Language, said: &[Said<'_>], name: FieldName) -> Vec<String> {
    let number = |n: Option<f64>| n.map_or_else(String::new, |n| n.to_string());
    fields(language, said)
        .into_iter()
        .filter(|field| field.field == name && field.status != FieldStatus::NotStated)
        .map(|field| match field.value {
            Some(FieldValue::Money(money)) => match money.amount {
                Some(amount) => amount.to_string(),
                None => format!("{}-{}", number(money.min), number(money.max)),
            },
            Some(FieldValue::Quantity(quantity)) => match quantity.n {
                Some(n) => n.to_string(),
                None => format!("{}-{}", number(quantity.min), number(quantity.max)),
            },
            Some(FieldValue::Person(person)) => format!(
                "{}/{}",
                person.name.unwrap_or_default(),
                person.title.unwrap_or_default()
            ),
            Some(FieldValue::Competitor(competitor)) => competitor.name.unwrap_or_default(),
            Some(FieldValue::Text(text)) => text,
            Some(other) => format!("{other:?}"),
            None => format!("{:?}", field.status),
        })
        .collect()
}

fn language_of(text: &str) -> Language {
    if text.is_ascii() { Language::En } else { Language::Ru }
}

/// What the buyer's answer to a question of the rep gives.
fn answered(question: &str, text: &str, name: FieldName) -> Vec<String> {
    let talk: &[Said<'_>] = &[(REP, question, &[]), (BUYER, text, &[])];
    values(language_of(question), talk, name)
}

fn ru(said: &[Said<'_>], name: FieldName) -> Vec<String> {
    values(Language::Ru, said, name)
}

fn en(said: &[Said<'_>], name: FieldName) -> Vec<String> {
    values(Language::En, said, name)
}

#[test]
fn only_losses_are_what_pain_costs() {
    let impact = &[Signal::BuyerImpact];
    for text in [
        "Миллион сто за внедрение — дорого.",
        "По 3,40 руб. за штуку.",
        "Цена выросла на двадцать процентов.",
        "У нас сорок менеджеров.",
        "Зарплата у него восемьдесят тысяч в месяц.",
    ] {
        let none: [String; 0] = [];
        assert_eq!(ru(&[(BUYER, text, impact)], FieldName::PainImpact), none, "{text}");
    }
    let none: [String; 0] = [];
    assert_eq!(
        en(
            &[(BUYER, "Nine hundred a month is too much.", impact)],
            FieldName::PainImpact
        ),
        none
    );
    assert_eq!(
        ru(&[(BUYER, "Теряем двести тысяч в месяц.", &[])], FieldName::PainImpact),
        ["200000"]
    );
    assert_eq!(
        en(
            &[(BUYER, "About fifty thousand a year.", impact)],
            FieldName::PainImpact
        ),
        ["50000"]
    );
    let talk: &[Said<'_>] = &[
        (BUYER, "Много штрафов платим.", &[]),
        (REP, "Сколько в месяц?", &[]),
        (BUYER, "Тысяч двести.", &[]),
    ];
    assert_eq!(ru(talk, FieldName::PainImpact), ["200000"]);
}

#[test]
fn a_short_answer_about_money_is_the_budget() {
    let talk: &[Said<'_>] = &[
        (REP, "Сколько вы на это заложили?", &[]),
        (BUYER, "Тысяч триста-четыреста.", &[Signal::BuyerImpact]),
    ];
    assert_eq!(ru(talk, FieldName::Budget), ["300000-400000"]);
    assert!(ru(talk, FieldName::PainImpact).is_empty());
    let none: &[Said<'_>] = &[(REP, "Бюджет под это есть?", &[]), (BUYER, "Бюджета нет.", &[])];
    assert_eq!(ru(none, FieldName::Budget), ["none"]);
    let talk: &[Said<'_>] = &[
        (REP, "Have you set aside a budget?", &[]),
        (BUYER, "Around forty K.", &[]),
    ];
    assert_eq!(en(talk, FieldName::Budget), ["40000"]);
}

#[test]
fn a_limit_of_signing_needs_no_signal() {
    let limit = FieldName::SigningLimit;
    assert_eq!(
        ru(&[(BUYER, "До трёхсот тысяч я сам могу провести.", &[])], limit),
        ["-300000"]
    );
    assert_eq!(en(&[(BUYER, "I can sign up to ten K.", &[])], limit), ["-10000"]);
    assert!(ru(&[(BUYER, "Я сам могу приехать.", &[])], limit).is_empty());
}

#[test]
fn a_short_answer_says_who_decides() {
    let answer = |question: &str, text: &str| answered(question, text, FieldName::DecisionMakers);
    assert_eq!(answer("А кто принимает решение?", "Решаю я."), ["/"]);
    assert_eq!(answer("А кто подписывает?", "Генеральный."), ["/CEO"]);
    assert_eq!(answer("А кто подписывает?", "Олег Дмитриевич."), ["Олег Дмитриевич/"]);
    assert_eq!(answer("Who signs?", "Dana, our CFO."), ["Dana/CFO"]);
    assert_eq!(answer("Who decides?", "Karen."), ["Karen/"]);
    assert!(answer("А кто решает?", "Не знаю пока.").is_empty());
}

#[test]
fn not_knowing_the_sum_is_no_decider() {
    let talk: &[Said<'_>] = &[
        (REP, "Сколько вы готовы тратить?", &[Signal::RepQDecision]),
        (BUYER, "Не знаю.", &[]),
    ];
    assert!(ru(talk, FieldName::DecisionMakers).is_empty());
}

#[test]
fn a_short_answer_names_competitors() {
    let answer = |question: &str, text: &str| answered(question, text, FieldName::Competitors);
    assert_eq!(
        answer("А кого ещё смотрите?", "Битрикс и «Альфа-Софт», ещё смотрели Мегаплан."),
        ["Битрикс", "Альфа-Софт", "Мегаплан"]
    );
    assert_eq!(
        answer("Who else are you looking at?", "HubSpot and Pipedrive."),
        ["HubSpot", "Pipedrive"]
    );
    assert!(answer("А кого ещё смотрите?", "Никого.").is_empty());
}

#[test]
fn prices_of_ours() {
    let price = |language, text: &str| values(language, &[(REP, text, &[Signal::RepPrice])], FieldName::QuotedPrice);
    assert_eq!(
        price(Language::Ru, "Это двести тысяч разово, потом сорок тысяч в месяц."),
        ["200000", "40000"]
    );
    assert!(price(Language::Ru, "А простой стоит вам 200 000 в день.").is_empty());
    assert!(price(Language::Ru, "Мы дороже на 7 500.").is_empty());
    assert!(price(Language::En, "We are dearer by 7,500.").is_empty());
}

#[test]
fn sizes_of_teams() {
    let size = |question: &str, text: &str| {
        let talk: &[Said<'_>] = &[(REP, question, &[]), (BUYER, text, &[])];
        assert!(
            !fields(language_of(question), talk)
                .iter()
                .any(|field| field.status == FieldStatus::Conflict)
        );
        answered(question, text, FieldName::TeamSize)
    };
    for (text, n) in [
        ("Человек пятнадцать.", "15"),
        ("Пятеро.", "5"),
        ("Нас трое.", "3"),
        ("Десять-двенадцать продавцов.", "10-12"),
        ("Двадцать два менеджера.", "22"),
        ("Двенадцать.", "12"),
    ] {
        assert_eq!(size("Сколько у вас человек в отделе?", text), [n], "{text}");
    }
    assert_eq!(size("How many people drive for you?", "About a dozen drivers."), ["12"]);
    assert_eq!(size("How many reps are there?", "Ten to twelve reps."), ["10-12"]);
    assert!(size("Сколько человек в отделе?", "Двое суток назад было иначе.").is_empty());
}

/// A name that only the label of the transcript has is no fact of the talk: there are no words for it.
#[test]
fn who_is_not_named_is_no_participant() {
    let talk: &[Said<'_>] = &[
        (REP, "Анна Белова|Добрый день! Удобно говорить?", &[]),
        (BUYER, "Белов Олег Дмитриевич|Да, удобно.", &[]),
    ];
    assert!(ru(talk, FieldName::Participants).is_empty());
    let talk: &[Said<'_>] = &[
        (REP, "Mark Stone|Hi Dana, this is Mark from Northlane.", &[]),
        (BUYER, "Dana Reed|Hi.", &[]),
    ];
    assert_eq!(en(talk, FieldName::Participants), ["Mark/", "Dana/"]);
}

#[test]
fn a_sum_takes_what_the_rest_of_the_talk_says_of_it() {
    let moneys = |language, said: &[Said<'_>], name| -> Vec<(f64, String, Option<Period>)> {
        fields(language, said)
            .into_iter()
            .filter(|field| field.field == name)
            .filter_map(|field| match field.value {
                Some(FieldValue::Money(money)) => Some((money.amount?, money.currency, money.period)),
                _ => None,
            })
            .collect()
    };
    let rub = "RUB".to_owned();
    // The period of the price before.
    assert_eq!(
        moneys(
            Language::Ru,
            &[(
                REP,
                "Девять тысяч рублей в месяц. Для вас семь тысяч.",
                &[Signal::RepPrice]
            )],
            FieldName::QuotedPrice
        ),
        [
            (9000.0, rub.clone(), Some(Period::Month)),
            (7000.0, rub.clone(), Some(Period::Month))
        ]
    );
    // The thousands that nobody says, but not where hundreds are said in full.
    assert_eq!(
        moneys(
            Language::Ru,
            &[
                (BUYER, "Нам называли двести двадцать тысяч.", &[]),
                (REP, "На сорок метров сто пятьдесят пять.", &[Signal::RepPrice]),
            ],
            FieldName::QuotedPrice
        ),
        [(155_000.0, rub, None)]
    );
    let canadian = moneys(
        Language::En,
        &[
            (BUYER, "They asked seventy thousand dollars.", &[]),
            (
                REP,
                "It is sixty-four five. Canadian. Plus the taxes.",
                &[Signal::RepPrice],
            ),
        ],
        FieldName::QuotedPrice,
    );
    assert_eq!(canadian, [(64_500.0, "CAD".to_owned(), None)]);
}

#[test]
fn titles_stand_beside_names() {
    let titled = |language, text: &str| values(language, &[(BUYER, text, &[])], FieldName::Participants);
    assert_eq!(
        titled(Language::En, "Hello, my name is Sahil, senior academic counsellor."),
        ["Sahil/senior academic counsellor"]
    );
    assert_eq!(
        titled(Language::Ru, "Меня зовут Станислав, я эксперт по цифровизации."),
        ["Станислав/эксперт по цифровизации"]
    );
    assert_eq!(titled(Language::En, "My name is Sahil, good morning."), ["Sahil/"]);
}

#[test]
fn losses_in_ranges() {
    let impact: &[Signal] = &[Signal::BuyerPain, Signal::BuyerImpact];
    let lost = |language, text: &str| values(language, &[(BUYER, text, impact)], FieldName::PainImpact);
    assert_eq!(lost(Language::En, "In August maybe six, seven rooms I lost."), ["6-7"]);
    assert_eq!(lost(Language::Ru, "Котёл потух в два часа ночи, сторож спал."), [""; 0]);
}
