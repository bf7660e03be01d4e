//! Calls at random, with labels at random: what holds for every document holds for theirs.

use std::sync::OnceLock;

use chrono::NaiveDate;
use jsonschema::Validator;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{Document, sound};
use crate::domain::{
    CallFigures, Cue, DecidedBy, Decision, Language, Role, Signal, Stage, StageId, Turn, TurnLabels, sample,
};
use crate::pipeline::sample::{LOOKED_FOR, analysis, processes};

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        jsonschema::options()
            .should_validate_formats(true)
            .build(&super::schema())
            .expect("the schema is sound")
    })
}

#[test]
fn schema_of_the_analysis() {
    jsonschema::meta::validate(&super::schema()).expect("a schema of its draft");
    insta::assert_json_snapshot!(super::schema());
}

/// What people say on such calls, and what files hold besides.
const SAID: &[&str] = &[
    "Hello, this is Mark from Fieldwise.",
    "We lose about ten orders a week, it's a real problem.",
    "That costs us roughly four thousand dollars a month.",
    "It is $900 per month for twelve users, VAT excluded.",
    "I can offer you ten percent off if you sign by June 30th.",
    "Our CFO Karen Bell signs everything above 5k.",
    "Between us, the other vendor, Salesforce, is cheaper.",
    "Let's meet on Thursday at 3 pm.",
    "I'll send you the proposal by tomorrow.",
    "We need it before the end of the quarter.",
    "Too expensive. Call me next year.",
    "We have two or three thousand customers and 1,200,000 invoices.",
    "on 31.02.2025, 12/31/9999 or 2024-02-29",
    "in ninety-nine thousand years, 300 months ago, in 4000000000 days",
    "Здравствуйте, это Анна, компания «Вектор».",
    "Мы теряем полтора миллиона рублей в год из-за пропущенных заявок.",
    "Бюджет около двухсот тысяч, решает финансовый директор Пётр Ильич.",
    "Цена восемьдесят тысяч в месяц без НДС за двадцать пять мест.",
    "Пришлю договор до пятницы, созвонимся двадцать второго в пятнадцать тридцать.",
    "Давайте вернёмся к этому после Нового года.",
    "У нас сейчас Битрикс, менеджеров двенадцать.",
    "Дорого. Нам не нужно.",
    "через сто лет, к 2030 году, 30 февраля, в третьем квартале",
    "Напишите мне на ivan@example.com или в телеграм, +7 912 345-67-89.",
    "Yes.",
    "Да, договорились.",
    "…",
    "?!",
    "👍🏽🙂",
    "\u{202e}txet desrever\u{202c}",
    "zero\u{200b}width\u{feff}joiner\u{200d}",
    "e\u{301}cole İSTANBUL ẞ ﬁ",
    "\"quoted\" 'twice' \\ {{ braces }} {what} <b>&amp;</b>",
    "tabs\tand\nlines\r\nand\u{b}more\u{a0}",
    "9999999999999999999999999999 миллиардов рублей",
    "1e309 $0.00000000000001 -5 %% ½ ٣ Ⅷ",
];

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => select(SAID).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => any::<String>().prop_map(|text| text.chars().take(8).collect()),
    ];
    let glue = prop_oneof![8 => Just(" "), 1 => Just(""), 1 => Just("\n")];
    (vec(part, 0..4), glue).prop_map(|(parts, glue)| parts.join(glue))
}

fn confidence() -> impl Strategy<Value = f32> {
    prop_oneof![4 => 0.0_f32..=1.0, 1 => Just(1.0), 1 => Just(0.0)]
}

fn decision<T>((id, confidence): (T, f32)) -> Decision<T> {
    Decision {
        id,
        confidence,
        decided_by: DecidedBy::Local,
    }
}

fn some<T: Copy + std::fmt::Debug>(all: &'static [T], most: usize) -> impl Strategy<Value = Vec<(T, f32)>> {
    subsequence(all, 0..=most).prop_flat_map(|ids| {
        let count = ids.len();
        vec(confidence(), count).prop_map(move |sure| ids.iter().copied().zip(sure).collect())
    })
}

fn labels() -> impl Strategy<Value = TurnLabels> {
    let all = prop_oneof![9 => some(Signal::ALL, 4), 1 => some(Signal::ALL, Signal::ALL.len())];
    let cues = prop_oneof![3 => Just(Vec::new()), 1 => some(Cue::ALL, Cue::ALL.len())];
    let doubts = (some(Signal::ALL, 4), some(Cue::ALL, 2));
    (select(Stage::ALL), confidence(), all, cues, doubts).prop_map(|(stage, sure, signals, cues, doubts)| TurnLabels {
        stage: decision((stage, sure)),
        signals: signals.into_iter().map(decision).collect(),
        cues: cues.into_iter().map(decision).collect(),
        doubts: doubts.0,
        cue_doubts: doubts.1,
    })
}

/// Somebody who speaks; the speaker's label may be shared by both sides.
fn turn() -> impl Strategy<Value = Turn> {
    let role = select(&[Role::Rep, Role::Buyer, Role::Buyer, Role::Unknown][..]);
    let name = select(&[None, Some("Mark"), Some("Анна"), Some("Karen Bell"), Some("")][..]);
    let time = prop_oneof![2 => Just(None), 1 => (0.0_f64..4000.0, 0.0_f64..400.0).prop_map(Some)];
    (role, name, time, text()).prop_map(|(role, name, time, text)| Turn {
        name: name.map(str::to_owned),
        start_s: time.map(|(start, _)| start),
        end_s: time.map(|(start, length)| start + length),
        ..sample::turn(0, role, &text)
    })
}

fn call_date() -> impl Strategy<Value = NaiveDate> {
    let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
    let edges = [
        "0000-01-01",
        "0001-01-01",
        "1999-12-31",
        "2024-02-29",
        "9999-12-30",
        "9999-12-31",
    ]
    .map(day);
    prop_oneof![
        3 => (0_u64..4000).prop_map(move |days| day("2020-01-01") + chrono::Days::new(days)),
        1 => select(edges.to_vec()),
    ]
}

/// What a call is made of besides its turns.
fn frame() -> impl Strategy<Value = (Language, NaiveDate, Option<&'static str>, (u32, u32))> {
    let before = select(&[None, Some("lead"), Some("value"), Some("Demo done!"), Some("")][..]);
    // The number of the first turn, and the step to the next.
    let numbers = select(&[(1, 1), (0, 1), (10, 10), (u32::MAX - 9, 1)][..]);
    (select(&[Language::En, Language::Ru][..]), call_date(), before, numbers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_document_is_sound((language, call_date, before, (first, step)) in frame(),
                               said in vec((turn(), labels()), 0..10)) {
        let (mut turns, labels): (Vec<Turn>, Vec<TurnLabels>) = said.into_iter().unzip();
        for (at, turn) in (0..).zip(&mut turns) {
            turn.i = first + step * at;
        }
        let mut call = sample::call(turns);
        call.previous_stage = before.map(StageId::from);
        for process in processes() {
            let analysed = || Document::new(&analysis(process, call.clone(), labels.clone(), language, call_date));
            let document = serde_json::to_value(analysed()).expect("JSON");
            prop_assert_eq!(&document, &serde_json::to_value(analysed()).expect("JSON"));

            let wrong: Vec<String> = validator()
                .iter_errors(&document)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            prop_assert!(wrong.is_empty(), "{}: {wrong:#?}", process.id());
            let wrong = sound::problems(&document);
            prop_assert!(wrong.is_empty(), "{}: {wrong:#?}\n{document:#}", process.id());

            let record = super::figures(&document.to_string()).expect("a record");
            prop_assert_eq!(record.stage.as_ref().map(StageId::as_str), document["deal"]["stage"].as_str());
            prop_assert_eq!(record.call_date, call_date);
            prop_assert_eq!(record.card.is_some(), document["scorecard"].is_object());
            let heard = |signal: &Signal| labels.iter().any(|turn| turn.has(*signal));
            prop_assert!(record.signals.iter().all(heard));
            let again: CallFigures = serde_json::from_value(serde_json::to_value(&record).expect("JSON")).expect("a record");
            prop_assert_eq!(&again, &record);

            if let Some(stage) = document["deal"]["stage"].as_str() {
                prop_assert!(process.stage(stage).is_some(), "{stage}");
            }
            for name in LOOKED_FOR {
                let fields = document["qualification"]["fields"].as_array().expect("fields");
                prop_assert!(fields.iter().any(|field| field["field"] == name.as_str()), "{name} is not mentioned");
            }
        }
    }
}
