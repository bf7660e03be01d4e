//! Every metric on a small call whose value is worked out by hand; what no call may break.

mod behaviour;
mod timing;

use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;
use crate::decide::tests::with_deal;
use crate::domain::{
    CallType, Deal, DecidedBy, Field, FieldName, FieldStatus, FieldValue, PrematureMove, Quantity, Role, Severity,
    Signal, Stage, StageId, StageKind, Turn, TurnLabels, sample,
};
use crate::process::{Heard, Process};

/// Of PPVVC, in their order.
const STAGES: [&str; 9] = [
    "lead", "pain", "power", "vision", "value", "control", "commit", "won", "lost",
];

/// A turn with what the turn model says about it.
#[derive(Debug)]
struct Line {
    turn: Turn,
    labels: TurnLabels,
}

fn line(role: Role, text: &str, signals: &[Signal]) -> Line {
    Line {
        turn: sample::turn(0, role, text),
        labels: sample::labels(Stage::Discovery, signals),
    }
}

fn rep(text: &str, signals: &[Signal]) -> Line {
    line(Role::Rep, text, signals)
}

fn buyer(text: &str, signals: &[Signal]) -> Line {
    line(Role::Buyer, text, signals)
}

impl Line {
    fn at(mut self, start_s: f64, end_s: f64) -> Self {
        self.turn.start_s = Some(start_s);
        self.turn.end_s = Some(end_s);
        self
    }

    fn stage(mut self, stage: Stage) -> Self {
        self.labels.stage = sample::sure(stage);
        self
    }
}

/// A call before it is scored.
struct Given {
    lines: Vec<Line>,
    fields: Vec<Field>,
    deal: Deal,
    language: Language,
    channels: Option<u8>,
    previous: Option<StageId>,
    premature: Vec<Premature>,
}

fn given(lines: Vec<Line>) -> Given {
    Given {
        lines,
        fields: Vec::new(),
        deal: sample::deal("pain", 1),
        language: Language::En,
        channels: None,
        previous: None,
        premature: Vec::new(),
    }
}

impl Given {
    fn russian(mut self) -> Self {
        self.language = Language::Ru;
        self
    }

    fn two_channels(mut self) -> Self {
        self.channels = Some(2);
        self
    }

    fn score(self) -> Scorecard {
        let (turns, labels): (Vec<Turn>, Vec<TurnLabels>) = (1..)
            .zip(self.lines)
            .map(|(i, line)| (Turn { i, ..line.turn }, line.labels))
            .unzip();
        let mut call = sample::call(turns);
        call.channels = self.channels;
        let process = Process::ppvvc().expect("the built-in process");
        let mut deal = self.deal.clone();
        deal.previous_stage = self.previous.clone();
        let heard = Heard {
            call: &call,
            labels: &labels,
            fields: &self.fields,
            language: self.language,
            no_deal: false,
            history: None,
        };
        let day = NaiveDate::from_ymd_opt(2025, 3, 12).expect("a day");
        let twice = with_deal(&process, heard, &deal, day, |situation| {
            [
                scorecard(situation, &self.premature),
                scorecard(situation, &self.premature),
            ]
        });
        let [card, again] = twice.map(|card| card.expect("a sales call"));
        assert_eq!(card, again);
        sound(&call.turns, &card);
        card
    }

    fn of(self, id: Metric) -> MetricScore {
        self.score().metrics.swap_remove(id.index())
    }

    fn value(self, id: Metric) -> Option<f64> {
        self.of(id).value()
    }
}

/// What holds for every scorecard.
fn sound(turns: &[Turn], card: &Scorecard) {
    assert!(card.overall.is_none_or(|score| score <= 100));
    assert_eq!(card.metrics.len(), Metric::ALL.len());
    for (metric, id) in card.metrics.iter().zip(Metric::ALL) {
        assert_eq!(metric.id, *id);
        assert!(metric.value().is_none_or(f64::is_finite), "{metric:?}");
        assert!(
            metric.value().is_some() || metric.why().is_some_and(|why| !why.is_empty()),
            "{metric:?}"
        );
        assert!(metric.turns().len() <= 10, "{metric:?}");
        assert!(
            metric.turns().iter().all(|&i| turns.iter().any(|turn| turn.i == i)),
            "{metric:?}"
        );
    }
    assert!(card.coaching.len() <= 3);
    let quotes = card.coaching.iter().flat_map(|tip| &tip.evidence);
    for evidence in quotes.chain(card.strength.iter().map(|strength| &strength.evidence)) {
        let turn = turns
            .iter()
            .find(|turn| turn.i == evidence.turn)
            .expect("a turn of the call");
        assert!(
            !evidence.quote.is_empty() && turn.text.contains(&evidence.quote),
            "{evidence:?}"
        );
    }
    for tip in &card.coaching {
        assert!(turns.iter().any(|turn| turn.i == tip.turn));
        assert!(
            !tip.say_instead.is_empty() && !tip.why.is_empty() && !tip.say_instead.contains('{'),
            "{tip:?}"
        );
        assert!(
            tip.evidence
                .iter()
                .all(|evidence| tip.say_instead.contains(&evidence.quote))
        );
    }
}

fn field(name: FieldName, status: FieldStatus, turn: u32, value: Option<FieldValue>) -> Field {
    Field {
        field: name,
        status,
        value,
        raw: "words".to_owned(),
        turn: Some(turn),
        role: Some(Role::Buyer),
        quote: "words".to_owned(),
        confidence: 0.8,
        decided_by: DecidedBy::Rules,
    }
}

fn quantity() -> FieldValue {
    FieldValue::Quantity(Quantity {
        n: Some(15.0),
        min: None,
        max: None,
        unit: None,
        period: None,
        approx: false,
    })
}

/// Filler of a given number of words, so that a call has its length.
fn words(count: usize) -> String {
    "word ".repeat(count).trim().to_owned()
}

/// Ten minutes: 1500 words, questions where `asked` says.
fn long(asked: &[(usize, &str)]) -> Vec<Line> {
    (0..20)
        .map(|at| {
            let question = asked
                .iter()
                .find(|(place, _)| *place == at)
                .map_or("", |(_, text)| text);
            let filler = words(75 - question.split_whitespace().count());
            let text = format!("{filler}. {question}");
            if at % 2 == 0 {
                rep(text.trim(), &[])
            } else {
                buyer(&text, &[])
            }
        })
        .collect()
}

fn early(turn: u32, severity: Severity) -> Premature {
    Premature {
        id: PrematureMove::CloseEarly,
        turn,
        severity,
        why: "Not ready: value.".to_owned(),
        advice: "Ask first.".to_owned(),
        quote: "Shall I".to_owned(),
    }
}

#[test]
fn pressure_and_moves_too_early_cost_points() {
    let lines = || {
        vec![
            buyer("My boss decides.", &[Signal::BuyerDecider]),
            buyer("By June, after legal.", &[Signal::BuyerProcess, Signal::BuyerTimeline]),
            buyer("Money is there.", &[Signal::BuyerBudget]),
            rep("The plan is this.", &[Signal::RepAgenda]),
            rep("I will send it on Friday.", &[Signal::RepNextStep]),
            buyer("I ask them by Monday.", &[Signal::BuyerCommitment]),
            rep("Shall I send the contract?", &[Signal::RepClose]),
            rep("Only today.", &[]),
        ]
    };
    // A short call: depth 0 is poor, the rest is good: (25·0 + 15 + 15) of 55.
    let clean = given(lines()).score();
    assert_eq!(clean.call_type, CallType::Short);
    assert_eq!(clean.overall, Some(55));
    let mut hasty = given(lines());
    hasty.premature = vec![early(7, Severity::High), early(7, Severity::Low)];
    hasty.lines[7].labels = sample::labels(Stage::Closing, &[Signal::RepPressure]);
    let card = hasty.score();
    let value = |id: Metric| card.metrics[id.index()].value();
    assert_eq!(value(Metric::PrematureCount), Some(4.0));
    assert_eq!(value(Metric::PressureCount), Some(1.0));
    // 54.5 less 12 and 5.
    assert_eq!(card.overall, Some(38));
    assert!(
        card.coaching
            .iter()
            .any(|tip| tip.turn == 7 && tip.why == "Not ready: value.")
    );
    assert!(
        card.coaching
            .iter()
            .any(|tip| tip.turn == 8 && tip.metric == Metric::PressureCount)
    );
    // Neither takes more than 15.
    let mut worst = given(lines());
    worst.premature = vec![early(7, Severity::High); 9];
    assert_eq!(worst.score().overall, Some(40));
}

#[test]
fn the_type_of_a_call_follows_its_stages() {
    let kind = |stages: &[(Stage, usize)]| {
        let mut lines = Vec::new();
        for &(stage, count) in stages {
            lines.push(rep(&words(count), &[]).stage(stage));
        }
        given(lines).score().call_type
    };
    use Stage::{Closing, Commercial, Discovery, Objection, Presentation};
    assert_eq!(kind(&[(Discovery, 299)]), CallType::Short);
    assert_eq!(kind(&[(Discovery, 300)]), CallType::Discovery);
    assert_eq!(kind(&[(Discovery, 350), (Presentation, 150)]), CallType::Demo);
    assert_eq!(kind(&[(Discovery, 360), (Presentation, 140)]), CallType::Discovery);
    assert_eq!(
        kind(&[(Discovery, 300), (Commercial, 100), (Objection, 100)]),
        CallType::Negotiation
    );
    assert_eq!(kind(&[(Discovery, 300), (Objection, 200)]), CallType::Discovery);
    assert_eq!(kind(&[(Closing, 500)]), CallType::Discovery);
}

#[test]
fn a_call_with_little_of_the_buyer_has_no_score() {
    let lines = |count: usize| {
        let mut lines = vec![rep("Here is the plan.", &[Signal::RepAgenda])];
        lines.extend((0..count).map(|_| buyer("We wait for it.", &[])));
        given(lines).score().overall
    };
    assert_eq!(lines(2), None);
    assert!(lines(3).is_some());
    let process = Process::ppvvc().expect("the built-in process");
    let call = sample::call(Vec::new());
    let mut deal = sample::deal("pain", 1);
    deal.stage = None;
    let heard = Heard {
        call: &call,
        labels: &[],
        fields: &[],
        language: Language::En,
        no_deal: true,
        history: None,
    };
    let card = with_deal(&process, heard, &deal, NaiveDate::default(), |situation| {
        scorecard(situation, &[])
    });
    assert_eq!(card, None);
}

#[test]
fn a_tip_says_the_buyers_words_back() {
    let lines = vec![
        rep("Here is the plan.", &[Signal::RepAgenda]),
        buyer(
            "Good morning to you all there. We miss fifteen visits a week. Anyway.",
            &[Signal::BuyerPain],
        ),
        rep("Our product has a map.", &[Signal::RepPitch]),
        buyer("I see that now.", &[]),
        rep("And a calendar.", &[Signal::RepPitch]),
        buyer("So I see that.", &[]),
        rep("What does it cost?", &[Signal::RepQImpact]),
    ];
    let card = given(lines).score();
    let tip = card.coaching.iter().find(|tip| tip.turn == 3).expect("a tip");
    assert_eq!(tip.metric, Metric::EmpathyResponse);
    assert_eq!(
        tip.say_instead,
        "You said “We miss fifteen visits a week”. When did that last happen, and what did it lead to?"
    );
    assert_eq!(tip.evidence[0].turn, 2);
    assert_eq!(card.strength.expect("a strength").metric, Metric::AgendaSet);

    let lines = vec![
        buyer(
            "Каждую неделю теряем пятнадцать заявок, представляете",
            &[Signal::BuyerPain],
        ),
        rep("А у нас есть карта.", &[Signal::RepPitch]),
        buyer("Ну посмотрим ещё.", &[]),
        buyer("Посмотрим потом.", &[]),
        rep("Во что это обходится?", &[Signal::RepQImpact]),
    ];
    let card = given(lines).russian().score();
    let tip = card
        .coaching
        .iter()
        .find(|tip| tip.metric == Metric::EmpathyResponse)
        .expect("a tip");
    assert!(
        tip.say_instead
            .starts_with("Вы сказали: «Каждую неделю теряем пятнадцать заявок"),
        "{tip:?}"
    );
}

fn any_line() -> impl Strategy<Value = Line> {
    let words = prop::sample::select(vec![
        "",
        "?",
        "Yes.",
        "mm-hm",
        "How many do you have? Why?",
        "We lose 15 visits, every week, and nobody knows.",
        "Скидка 10%, если вы подпишете в пятницу",
        "Дорого для нас: «пятьсот» рублей!",
        "А почему так?",
        "that's fair",
        "a discount in exchange",
        "Сколько у вас людей",
        "…",
        "- -, ' %",
        "{quote}",
    ]);
    let role = prop::sample::select(vec![Role::Rep, Role::Buyer, Role::Unknown]);
    let stage = prop::sample::select(Stage::ALL.to_vec());
    let signals = prop::collection::vec(prop::sample::select(Signal::ALL.to_vec()), 0..4);
    let time = prop_oneof![
        4 => (0.0..900.0, 0.0..60.0).prop_map(|(start, length)| (Some(start), Some(start + length))),
        1 => Just((None, None)),
        1 => (-10.0..900.0).prop_map(|start: f64| (Some(start), None)),
        1 => Just((Some(5.0), Some(1.0))),
        1 => Just((Some(f64::NAN), Some(f64::INFINITY))),
    ];
    (role, words, stage, signals, time).prop_map(|(role, text, stage, signals, (start_s, end_s))| {
        let mut line = line(role, text, &signals).stage(stage);
        (line.turn.start_s, line.turn.end_s) = (start_s, end_s);
        line
    })
}

proptest! {
    #[test]
    fn no_call_breaks_it(
        lines in prop::collection::vec(any_line(), 0..30),
        (timed, russian) in (any::<bool>(), any::<bool>()),
        channels in prop::sample::select(vec![None, Some(1), Some(2)]),
        previous in prop::option::of(prop::sample::select(STAGES.to_vec())),
        place in 0..STAGES.len(),
        premature in prop::collection::vec((0_u32..40, prop::sample::select(PrematureMove::ALL.to_vec())), 0..4),
    ) {
        let mut call = given(lines);
        if timed {
            for (at, line) in call.lines.iter_mut().enumerate() {
                let start = at as f64 * 7.3;
                (line.turn.start_s, line.turn.end_s) = (Some(start), Some(start + 8.0));
            }
        }
        call.channels = channels;
        call.previous = previous.map(StageId::from);
        call.deal = sample::deal(STAGES[place], place);
        call.language = if russian { Language::Ru } else { Language::En };
        call.premature = premature
            .into_iter()
            .map(|(turn, id)| Premature { id, ..early(turn, Severity::Medium) })
            .collect();
        // `score` checks what holds for every scorecard, and that it comes out the same twice.
        call.score();
    }
}

#[test]
fn grief_is_never_said_back() {
    let quotes = |text: &str| {
        let lines = vec![
            rep("What goes wrong?", &[Signal::RepQPain]),
            buyer(text, &[Signal::BuyerObjTrust]),
            rep("It is the best there is.", &[Signal::RepPitch]),
            buyer("I see that now.", &[]),
            buyer("And that too.", &[]),
        ];
        let card = given(lines).score();
        card.coaching
            .iter()
            .any(|tip| tip.evidence.iter().any(|evidence| evidence.turn == 2))
    };
    assert!(quotes("We lost two months with the last one."));
    assert!(!quotes("We lost his brother in the fall."));
}
