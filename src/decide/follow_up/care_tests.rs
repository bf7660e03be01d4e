//! What a letter leaves out, and what every letter has.

use super::tests::{BOTH, Told, rich, told};
use super::*;

#[test]
fn a_rival_that_no_label_told_of_stays_out() {
    let doubted = |mut call: Told, at: usize, signal| {
        call.labels[at].doubts.push((signal, 0.3));
        call
    };
    let pain: &[Signal] = &[Signal::BuyerPain];
    let price: &[Signal] = &[Signal::BuyerObjPrice];
    for (call, secret) in [
        (
            told(
                Language::En,
                &[(
                    Role::Buyer,
                    "The other guys never miss a delivery day like we do.",
                    pain,
                )],
            ),
            "other guys",
        ),
        (
            told(
                Language::En,
                &[(
                    Role::Buyer,
                    "Your price is too much, Karl does a truck at thirty.",
                    price,
                )],
            ),
            "Karl",
        ),
        (
            doubted(
                told(
                    Language::En,
                    &[(Role::Buyer, "We cannot miss a single delivery with Voxel.", pain)],
                ),
                0,
                Signal::BuyerCompetitor,
            ),
            "Voxel",
        ),
        (
            told(
                Language::En,
                &[
                    (Role::Buyer, "We're also talking to Voxel.", &[Signal::BuyerCompetitor]),
                    (Role::Rep, "I see.", &[]),
                    (Role::Rep, "Go on.", &[]),
                    (Role::Buyer, "Without Voxel the orders are late every day.", pain),
                ],
            ),
            "Without Voxel",
        ),
        (
            told(
                Language::En,
                &[
                    (Role::Buyer, "This is between us.", &[]),
                    (Role::Rep, "Sure.", &[]),
                    (Role::Buyer, "Our manager loses ten orders a week.", pain),
                ],
            ),
            "ten orders",
        ),
        (
            told(
                Language::Ru,
                &[(Role::Buyer, "У конкурентов заявки не теряются по ночам.", pain)],
            ),
            "конкурентов",
        ),
        (
            told(
                Language::Ru,
                &[(Role::Buyer, "Это дорого, другие ребята берут двести.", price)],
            ),
            "другие ребята",
        ),
        (
            told(
                Language::Ru,
                &[
                    (Role::Buyer, "Между нами говоря.", &[]),
                    (Role::Rep, "Да?", &[]),
                    (Role::Buyer, "Снабжение не считает остатки на складе.", pain),
                ],
            ),
            "остатки",
        ),
    ] {
        for &kind in EmailType::ALL {
            let (letter, _) = call.letter(Some(kind));
            let text = format!("{}\n{}", letter.subject, letter.body);
            assert!(!text.contains(secret), "{kind}: {text}");
        }
    }
}

#[test]
fn a_rival_taken_for_a_person_decides_nothing() {
    let person = FieldValue::Person(crate::domain::Person {
        name: Some("Turkish".to_owned()),
        title: None,
        roles: Vec::new(),
        side: Role::Buyer,
    });
    let call = told(
        Language::En,
        &[(Role::Buyer, "To be honest, we have also asked a Turkish company.", &[])],
    )
    .field(FieldName::DecisionMakers, 1, "Turkish", person);
    for kind in [EmailType::SponsorAccess, EmailType::ApproverBrief] {
        let (letter, _) = call.letter(Some(kind));
        assert!(!letter.body.contains("Turkish"), "{}", letter.body);
    }
}

#[test]
fn no_quote_is_better_than_a_silly_one() {
    for (language, said) in [
        (Language::En, "It was like a pope who's not elected, nobody knew."),
        (Language::En, "There were a little lass without a coat."),
        (Language::En, "He got his sleeve stuck in the auger."),
        (Language::Ru, "Это как в цирке, никто не смеётся."),
        (Language::Ru, "Он три ночи не спал из-за этого."),
    ] {
        let call = told(language, &[(Role::Buyer, said, BOTH)]);
        let (letter, _) = call.letter(Some(EmailType::RecapDiscovery));
        assert!(!letter.body.contains(['“', '«']), "{}", letter.body);
    }
}

#[test]
fn every_letter_asks_once_and_for_a_day_where_none_is_agreed() {
    for (language, said, ask) in [
        (
            Language::En,
            "I'll send the volumes by Friday.",
            "Shall we pick a day for the next talk?",
        ),
        (
            Language::Ru,
            "Пришлю выгрузку до пятницы.",
            "Выберем день для следующего разговора?",
        ),
    ] {
        let call = told(language, &[(Role::Buyer, said, &[Signal::BuyerCommitment])]).promise(1, Some("2025-03-14"));
        for &kind in EmailType::ALL {
            let (letter, _) = call.letter(Some(kind));
            assert_eq!(
                words::parts(&letter.body).own.matches('?').count(),
                1,
                "{kind}: {}",
                letter.body
            );
        }
        for kind in [EmailType::RecapDiscovery, EmailType::RecapDemo] {
            let (letter, _) = call.letter(Some(kind));
            assert!(letter.body.contains(ask), "{kind}: {}", letter.body);
        }
    }
    let (letter, _) = rich().letter(Some(EmailType::RecapDiscovery));
    assert!(letter.body.contains("Did I get this right?"), "{}", letter.body);
}

#[test]
fn the_thanks_rest_on_a_turn_too() {
    for (signal, thanks) in [
        (Signal::BuyerSituation, "how things work"),
        (Signal::BuyerProcess, "how the decision is made"),
    ] {
        let call = told(
            Language::En,
            &[
                (Role::Rep, "Go on.", &[]),
                (Role::Buyer, "The board meets monthly.", &[signal]),
            ],
        );
        let (letter, _) = call.letter(Some(EmailType::RecapDiscovery));
        assert!(letter.body.contains(thanks), "{}", letter.body);
        let fact = |fact: &FollowUpFact| fact.turn == 2 && fact.text == "The board meets monthly.";
        assert!(letter.facts.iter().any(fact), "{:?}", letter.facts);
    }
}

#[test]
fn a_line_of_ours_that_binds_the_reader_is_quoted() {
    for (language, said, line) in [
        (
            Language::En,
            "You'll have the price list by Friday.",
            "- the price list on Friday, 14 March",
        ),
        (
            Language::En,
            "You'll have it in writing.",
            "- “You'll have it in writing”",
        ),
        (
            Language::Ru,
            "Соглашение пришлю, и вы его подпишете.",
            "- «Соглашение пришлю, и вы его подпишете»",
        ),
        (
            Language::Ru,
            "Договор скину и вы его подпишете",
            "- «Договор скину и вы его подпишете»",
        ),
    ] {
        let call = told(language, &[(Role::Rep, said, &[Signal::RepNextStep])])
            .promise(1, said.contains("Friday").then_some("2025-03-14"));
        let (letter, score) = call.letter(Some(EmailType::RecapDiscovery));
        assert!(letter.body.contains(line), "{}", letter.body);
        assert_eq!(score.unsupported, Vec::<String>::new(), "{}", letter.body);
    }
}

#[test]
fn labels_of_offices_are_no_names() {
    let mut call = told(
        Language::Ru,
        &[
            (Role::Rep, "Это бухгалтерия? А Марина?", &[]),
            (Role::Buyer, "Да.", &[]),
        ],
    );
    call.call.turns[1].name = Some("бухгалтерия".to_owned());
    let (letter, _) = call.letter(None);
    assert!(letter.body.starts_with("Здравствуйте!"), "{}", letter.body);
    call.call.turns[1].name = Some("марина".to_owned());
    let (letter, _) = call.letter(None);
    assert!(letter.body.starts_with("Марина, здравствуйте!"), "{}", letter.body);
}
