use super::*;
use crate::decide::tests::with_deal;
use crate::domain::{
    Call, Commitment, Deal, DecidedBy, ElementScore, FieldValue, Stage, StageKind, TurnLabels, sample,
};
use crate::process::{Heard, Process};

static TEMPLATES: std::sync::LazyLock<Templates> =
    std::sync::LazyLock::new(|| Templates::builtin().expect("own templates"));

/// A call to write about: who said what with which signals.
pub struct Told {
    pub call: Call,
    pub labels: Vec<TurnLabels>,
    fields: Vec<Field>,
    deal: Deal,
    language: Language,
}

pub fn told(language: Language, said: &[(Role, &str, &[Signal])]) -> Told {
    let turns: Vec<(Role, &str)> = said.iter().map(|(role, text, _)| (*role, *text)).collect();
    Told {
        call: sample::talk(&turns),
        labels: said
            .iter()
            .map(|(_, _, signals)| sample::labels(Stage::Discovery, signals))
            .collect(),
        fields: Vec::new(),
        deal: Deal {
            elements: ["pain", "power", "vision", "value", "control"].map(unscored).to_vec(),
            ..sample::deal("power", 2)
        },
        language,
    }
}

fn unscored(element: &str) -> ElementScore {
    ElementScore {
        element: element.into(),
        name: element.to_owned(),
        score: 0,
        confidence: 1.0,
        why: String::new(),
        evidence: Vec::new(),
        earlier: Vec::new(),
        missing: Vec::new(),
    }
}

impl Told {
    fn with<T>(&self, decide: impl FnOnce(&Situation<'_>) -> T) -> T {
        let process = Process::ppvvc().expect("the process of the program");
        let heard = Heard {
            call: &self.call,
            labels: &self.labels,
            fields: &self.fields,
            language: self.language,
            no_deal: false,
            history: None,
        };
        with_deal(
            &process,
            heard,
            &self.deal,
            "2025-03-12".parse().expect("a date"),
            decide,
        )
    }

    /// A field of a turn whose quote is the whole turn.
    pub fn field(mut self, field: FieldName, turn: u32, raw: &str, value: FieldValue) -> Self {
        let said = self.call.turn(turn).expect("a turn");
        self.fields.push(Field {
            field,
            status: FieldStatus::Stated,
            value: Some(value),
            raw: raw.to_owned(),
            turn: Some(turn),
            role: Some(said.role),
            quote: said.text.clone(),
            confidence: 0.9,
            decided_by: DecidedBy::Rules,
        });
        self
    }

    pub fn promise(self, turn: u32, due: Option<&str>) -> Self {
        let said = self.call.turn(turn).expect("a turn").clone();
        let value = FieldValue::Commitment(Commitment {
            who: said.role,
            what: said.text.clone(),
            due: due.map(on),
        });
        self.field(FieldName::Commitments, turn, &said.text, value)
    }

    fn score(mut self, element: &str, score: u8) -> Self {
        let found = self
            .deal
            .elements
            .iter_mut()
            .find(|known| known.element.as_str() == element);
        found.expect("an element").score = score;
        self
    }

    pub fn letter(&self, kind: Option<EmailType>) -> (FollowUp, DraftScore) {
        let templates = &*TEMPLATES;
        self.with(|situation| {
            let letter = match kind {
                None => follow_up(situation, templates),
                Some(kind) => draft(situation, kind, templates),
            };
            let letter = letter.expect("a sales call");
            let score = score_draft(situation, templates, &letter);
            (letter, score)
        })
    }
}

fn on(day: &str) -> DateValue {
    DateValue {
        kind: None,
        date: Some(day.parse().expect("a date")),
        start: None,
        end: None,
        time: None,
        time_end: None,
        qualifier: DateQualifier::On,
        ambiguous: false,
        past: false,
    }
}

pub const BOTH: &[Signal] = &[Signal::BuyerPain, Signal::BuyerImpact];

pub fn rich() -> Told {
    told(
        Language::En,
        &[
            (Role::Rep, "Hi Tom, Maya from Northlane.", &[]),
            (
                Role::Buyer,
                "Well, the board is filled by hand every morning. We lose ten orders a week that way.",
                BOTH,
            ),
            (
                Role::Buyer,
                "I want one list of all promised calls.",
                &[Signal::BuyerVision],
            ),
            (
                Role::Buyer,
                "Between us, start with security, the finance man loves it.",
                &[Signal::BuyerChampion],
            ),
            (Role::Rep, "I'll send the security pack today.", &[Signal::RepNextStep]),
            (
                Role::Buyer,
                "And you'll have last quarter's numbers by Friday.",
                &[Signal::BuyerCommitment],
            ),
            (Role::Buyer, "Wednesday at ten is fine.", &[Signal::BuyerCommitment]),
        ],
    )
    .promise(5, Some("2025-03-12"))
    .promise(6, Some("2025-03-14"))
    .field(
        FieldName::NextMeeting,
        7,
        "Wednesday at ten",
        FieldValue::Date(on("2025-03-19")),
    )
}

#[test]
fn a_loss_is_no_problem_and_neither_is_said_twice() {
    let (letter, score) = rich().letter(None);
    let body = &letter.body;
    assert!(
        body.contains("- the problem: “the board is filled by hand every morning”\n"),
        "{body}"
    );
    assert!(
        body.contains("- what it leads to: “We lose ten orders a week that way”\n"),
        "{body}"
    );
    assert!(
        body.contains("- I'll send the security pack on Wednesday, 12 March\n"),
        "{body}"
    );
    assert!(
        body.contains("- last quarter's numbers on Friday, 14 March\n"),
        "{body}"
    );
    assert!(body.contains("We talk next on Wednesday, 19 March."), "{body}");
    assert_eq!(score.unsupported, Vec::<String>::new());
    assert!(score.sendable() && score.points >= 9.0, "{score:?}");
    for fact in &letter.facts {
        let turn = rich().call.turn(fact.turn).expect("a turn").text.clone();
        assert!(turn.contains(&fact.text), "{fact:?}");
    }
    let only_loss = told(
        Language::En,
        &[(Role::Buyer, "We lose ten orders a week that way.", BOTH)],
    );
    let (letter, _) = only_loss.letter(None);
    assert!(!letter.body.contains("the problem:"), "{}", letter.body);
    assert_eq!(letter.body.matches("ten orders").count(), 1);
}

#[test]
fn what_was_said_in_confidence_is_in_no_letter() {
    for &kind in EmailType::ALL {
        let (letter, score) = rich().letter(Some(kind));
        assert!(
            !letter.body.contains("finance man") && !letter.body.contains("security,"),
            "{kind}: {}",
            letter.body
        );
        assert!(score.capped.is_none(), "{kind}: {score:?} {}", letter.body);
    }
    let (mut letter, _) = rich().letter(None);
    letter
        .body
        .push_str("\nAs advised: start with security, the finance man loves it.");
    let score = rich().with(|situation| score_draft(situation, &TEMPLATES, &letter));
    assert_eq!(score.capped.map(|(cap, _)| cap), Some(1.0));
}

#[test]
fn what_nobody_said_is_found() {
    let call = rich();
    let (letter, _) = call.letter(None);
    for (added, why) in [
        ("Your team of 25 is ready.", "25"),
        ("It costs nine hundred a month.", "nine"),
        ("Patel signs it.", "Patel"),
        ("See you on Monday, 17 March.", "17 march"),
        ("See you on Tuesday, 19 March.", "19 march"),
        ("You said: “we lose twenty orders”.", "we lose twenty orders"),
        ("I'll give you a demo licence.", "promise"),
        ("You'll sign the contract.", "promise"),
        ("Our product is certified.", "certified"),
        ("Write to sales@northlane.example.", "sales@northlane.example"),
        ("It is 40% faster.", "%"),
        ("[attach: price list]", "price list"),
        ("I'll call tomorrow.", "tomorrow"),
    ] {
        let mut wrong = letter.clone();
        wrong.body.push_str(&format!("\n{added}"));
        let score = call.with(|situation| score_draft(situation, &TEMPLATES, &wrong));
        assert!(score.blocked() && score.points <= 3.0, "{added}: {score:?}");
        assert!(
            score.unsupported.iter().any(|said| said.contains(why)),
            "{added}: {:?}",
            score.unsupported
        );
    }
}

#[test]
fn a_call_without_anything_still_has_a_letter() {
    for language in [Language::En, Language::Ru] {
        let call = told(language, &[(Role::Buyer, "Hm.", &[])]);
        for &kind in EmailType::ALL {
            let (letter, score) = call.letter(Some(kind));
            assert!(!letter.body.is_empty() && letter.subject.chars().count() <= 60);
            assert_eq!(score.unsupported, Vec::<String>::new(), "{kind}: {}", letter.body);
            for blank in &letter.to_fill {
                assert!(letter.body.contains(blank), "{kind}: {blank}");
            }
        }
        assert_eq!(call.letter(None).0.kind, EmailType::ThankYou);
        assert!(call.letter(Some(EmailType::Handover)).0.to_fill.len() == 1);
    }
}

#[test]
fn the_kind_follows_the_call() {
    assert_eq!(rich().letter(None).0.kind, EmailType::RecapDiscovery);
    let mut lost = rich();
    lost.deal = sample::deal("lost", 8);
    lost.deal.stage.as_mut().expect("a stage").kind = StageKind::Lost;
    let (letter, score) = lost.letter(None);
    assert_eq!(letter.kind, EmailType::ThankYou);
    assert!(
        !letter.body.contains('?') && !letter.body.contains("security"),
        "{}",
        letter.body
    );
    assert!(score.sendable(), "{score:?}");
    lost.deal.abstained = true;
    assert_eq!(lost.letter(None).0.kind, EmailType::RecapDiscovery);
    let mut agreed = rich();
    agreed.labels[1].cues.push(sample::sure(crate::domain::Cue::Order));
    assert_eq!(agreed.letter(None).0.kind, EmailType::RecapAgreement);
    let person = FieldValue::Person(crate::domain::Person {
        name: None,
        title: Some("CFO".to_owned()),
        roles: Vec::new(),
        side: Role::Buyer,
    });
    let sponsor = rich()
        .score("pain", 2)
        .score("power", 1)
        .field(FieldName::DecisionMakers, 2, "board", person);
    let (letter, _) = sponsor.letter(None);
    assert_eq!(letter.kind, EmailType::SponsorAccess);
    assert!(letter.body.contains("who else has a say: CFO."), "{}", letter.body);
    let proposal = told(
        Language::Ru,
        &[
            (
                Role::Buyer,
                "Заявки теряются каждый день на смене.",
                &[Signal::BuyerPain],
            ),
            (Role::Rep, "Я пришлю коммерческое предложение.", &[Signal::RepNextStep]),
        ],
    )
    .promise(2, None);
    let (letter, score) = proposal.letter(None);
    assert_eq!(letter.kind, EmailType::ProposalCover);
    assert_eq!(letter.to_fill, ["[вложение: коммерческое предложение]"]);
    assert!(!score.blocked(), "{score:?}");
    // The forms of a short word share no stem.
    let estimate = told(
        Language::Ru,
        &[(Role::Rep, "Я пришлю две сметы: лес и обед.", &[Signal::RepNextStep])],
    )
    .promise(1, None);
    let (letter, score) = estimate.letter(Some(EmailType::ProposalCover));
    assert_eq!(letter.to_fill, ["[вложение: смета]"]);
    assert_eq!(score.unsupported, Vec::<String>::new());
    let objection = told(
        Language::En,
        &[(
            Role::Buyer,
            "That is too much money for what it does.",
            &[Signal::BuyerObjPrice],
        )],
    );
    let (letter, _) = objection.letter(None);
    assert_eq!(letter.kind, EmailType::ObjectionAnswer);
    assert_eq!(
        letter.to_fill,
        ["[answer to: “That is too much money for what it does”]"]
    );
}

#[test]
fn letters_leave_in_time() {
    let day = |kind| rich().letter(Some(kind)).0.send_by.to_string();
    assert_eq!(day(EmailType::RecapDiscovery), "2025-03-12");
    assert_eq!(day(EmailType::ProposalCover), "2025-03-14");
    assert_eq!(day(EmailType::ApproverBrief), "2025-03-14");
    assert_eq!(day(EmailType::Reminder), "2025-03-17");
    assert_eq!(day(EmailType::Handover), "2025-03-13");
    assert_eq!(day(EmailType::CloseTheLoop), "2025-03-26");
    let mut held = told(
        Language::Ru,
        &[
            (
                Role::Buyer,
                "Заявки теряются каждый день на смене.",
                &[Signal::BuyerPain],
            ),
            (
                Role::Buyer,
                "Вернёмся к этому девятого июня.",
                &[Signal::BuyerDelay, Signal::BuyerTimeline],
            ),
        ],
    )
    .field(
        FieldName::Timeline,
        2,
        "девятого июня",
        FieldValue::Date(on("2025-06-09")),
    );
    held.deal.on_hold = true;
    let (letter, _) = held.letter(None);
    assert_eq!(letter.kind, EmailType::Nurture);
    // Five business days before; nothing falls on a day off.
    assert_eq!(letter.send_by.to_string(), "2025-06-02");
    assert_eq!(letter.to_fill, ["[один новый полезный факт]"]);
}

#[test]
fn a_proposed_meeting_is_a_question() {
    let mut call = rich();
    call.fields.iter_mut().for_each(|field| {
        if field.field == FieldName::NextMeeting {
            field.status = FieldStatus::Proposed;
        }
    });
    let (letter, _) = call.letter(None);
    assert!(
        letter.body.contains("Would Wednesday, 19 March suit you"),
        "{}",
        letter.body
    );
    assert!(!letter.subject.contains("19 March"), "{}", letter.subject);
}

#[test]
fn people_on_first_name_terms_stay_on_them() {
    let call = told(
        Language::Ru,
        &[
            (Role::Rep, "Денис, привет, как у тебя дела, что тебя беспокоит?", &[]),
            (
                Role::Buyer,
                "Заявки теряются каждый день на смене.",
                &[Signal::BuyerPain],
            ),
            (
                Role::Buyer,
                "До пятницы пришлю выгрузку по заявкам.",
                &[Signal::BuyerCommitment],
            ),
        ],
    )
    .promise(3, Some("2025-03-14"));
    let (letter, score) = call.letter(None);
    assert!(
        letter.body.contains("твоими словами") && letter.body.contains("Напиши,"),
        "{}",
        letter.body
    );
    assert!(
        letter
            .body
            .contains("- пришлёшь выгрузку по заявкам в пятницу, 14 марта"),
        "{}",
        letter.body
    );
    assert!(score.sendable(), "{score:?} {}", letter.body);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Any talk gives letters of all kinds, and none says what was not said.
    #[test]
    fn any_talk(
        texts in proptest::collection::vec(
            r#"([A-Za-zА-Яа-яЁё0-9 ,.?!:;“”«»\[\]'’—-]|we lose |ten orders |пришлю |I'll send |в пятницу |\. ){1,30}"#,
            1..6,
        ),
        signals in proptest::collection::vec(0..Signal::ALL.len(), 6),
        russian in proptest::prelude::any::<bool>(),
    ) {
        let language = if russian { Language::Ru } else { Language::En };
        let said: Vec<(Role, &str, Vec<Signal>)> = texts
            .iter()
            .zip(&signals)
            .map(|(text, &signal)| (Signal::ALL[signal].speaker(), text.as_str(), vec![Signal::ALL[signal]]))
            .collect();
        let turns: Vec<(Role, &str, &[Signal])> =
            said.iter().map(|(role, text, signals)| (*role, *text, signals.as_slice())).collect();
        let mut call = told(language, &turns);
        for turn in 1..=turns.len() as u32 {
            call = call.promise(turn, Some("2025-03-14"));
        }
        for &kind in EmailType::ALL {
            let (letter, _) = call.letter(Some(kind));
            proptest::prop_assert!(letter.subject.chars().count() <= 60);
            proptest::prop_assert!(!letter.body.contains("“”") && !letter.body.contains("«»"));
            for fact in &letter.facts {
                let turn = call.call.turn(fact.turn);
                proptest::prop_assert!(turn.is_some_and(|turn| turn.text.contains(&fact.text)));
            }
        }
    }
}
