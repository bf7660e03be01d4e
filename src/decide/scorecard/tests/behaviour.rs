//! Figures of behaviour.

use super::*;

#[test]
fn a_plan_counts_at_the_start_only() {
    let plan = |place: usize, start: Option<f64>| {
        let mut lines: Vec<Line> = (0..12).map(|_| buyer("We wait.", &[])).collect();
        lines[place] = rep("Here is the plan.", &[Signal::RepAgenda]);
        if let Some(start) = start {
            for (at, line) in lines.iter_mut().enumerate() {
                let from = start * at as f64 / place as f64;
                (line.turn.start_s, line.turn.end_s) = (Some(from), Some(from + 1.0));
            }
        }
        given(lines).value(Metric::AgendaSet)
    };
    assert_eq!(plan(7, None), Some(1.0));
    assert_eq!(plan(8, None), Some(0.0));
    assert_eq!(plan(10, Some(179.0)), Some(1.0));
    assert_eq!(plan(10, Some(181.0)), Some(0.0));
}

fn discovery() -> Vec<Line> {
    vec![
        rep("What tools do you use?", &[Signal::RepQSituation]),
        rep("What goes wrong?", &[Signal::RepQPain]),
        buyer("We lose visits.", &[Signal::BuyerPain]),
        rep("Why does that happen?", &[Signal::RepQPain]),
        rep("What does it cost?", &[Signal::RepQImpact]),
        buyer("About 15 visits a week.", &[Signal::BuyerImpact]),
        rep("How should it be?", &[Signal::RepQVision]),
    ]
}

#[test]
fn depth_of_discovery_and_mix_of_questions() {
    assert_eq!(given(discovery()).value(Metric::DiscoveryDepth), Some(5.0));
    // One of five.
    assert_eq!(given(discovery()).value(Metric::SpinMix), Some(0.2));
    // Without the cause, the figure and the wish.
    let mut shallow = discovery();
    shallow[3] = rep("Is that often?", &[Signal::RepQPain]);
    shallow[5] = buyer("A lot.", &[Signal::BuyerImpact]);
    shallow.truncate(6);
    assert_eq!(given(shallow).value(Metric::DiscoveryDepth), Some(2.0));
    let mut by_field = given(vec![buyer("A lot.", &[])]);
    by_field.fields = vec![field(FieldName::PainImpact, FieldStatus::Stated, 1, Some(quantity()))];
    assert_eq!(by_field.value(Metric::DiscoveryDepth), Some(1.0));
    let russian = vec![rep("А почему так выходит?", &[Signal::RepQPain])];
    assert_eq!(given(russian).russian().value(Metric::DiscoveryDepth), Some(1.0));
    assert_eq!(given(discovery().split_off(5)).value(Metric::SpinMix), None);
}

#[test]
fn six_points_of_qualification() {
    let lines = vec![
        buyer("My boss decides.", &[Signal::BuyerDecider]),
        buyer(
            "Legal looks at it, by June.",
            &[Signal::BuyerProcess, Signal::BuyerTimeline],
        ),
        buyer("Money is there.", &[]),
    ];
    let mut call = given(lines);
    call.fields = vec![
        field(FieldName::Budget, FieldStatus::Stated, 3, None),
        Field::not_stated(FieldName::Competitors),
    ];
    let metric = call.of(Metric::QualificationCoverage);
    assert_eq!((metric.value(), metric.band()), (Some(4.0), Some(Band::Good)));
    assert_eq!(metric.turns(), [1, 2, 3]);
    assert_eq!(
        given(vec![buyer("Hm.", &[])]).value(Metric::QualificationCoverage),
        Some(0.0)
    );
}

#[test]
fn what_was_heard() {
    let mut lines = long(&[]);
    lines[2] = rep(&words(75), &[Signal::RepActiveListening]);
    lines[6] = rep(&words(75), &[Signal::RepActiveListening]);
    // Two in ten minutes.
    assert_eq!(given(lines).value(Metric::ListeningRate), Some(2.0));
    let lines = vec![
        buyer("We lose orders.", &[Signal::BuyerPain]),
        rep("Aha.", &[]),
        rep("That must hurt.", &[Signal::RepEmpathy]),
        buyer("I doubt it.", &[Signal::BuyerObjTrust]),
        rep("We are the best.", &[Signal::RepPitch]),
        rep("Truly.", &[Signal::RepPitch]),
        rep("I would doubt it too.", &[Signal::RepEmpathy]),
    ];
    let metric = given(lines).of(Metric::EmpathyResponse);
    assert_eq!((metric.value(), metric.band()), (Some(0.5), Some(Band::Good)));
    assert_eq!(metric.turns(), [1]);
    let none = given(vec![rep("Hello.", &[])]).of(Metric::EmpathyResponse);
    assert_eq!(none.why(), Some("the buyer named no problem or doubt"));
}

#[test]
fn value_proof_and_price() {
    let lines = || {
        vec![
            rep("It does a lot.", &[Signal::RepPitch]),
            rep("You said visits: it saves these.", &[Signal::RepValueLink]),
            rep("It has buttons.", &[Signal::RepPitch]),
            buyer("Does it work?", &[Signal::BuyerObjTrust]),
            rep("It is ten a month.", &[Signal::RepPrice]),
        ]
    };
    assert_eq!(given(lines()).value(Metric::ValueLinkShare), Some(0.33));
    assert_eq!(given(lines()).value(Metric::ProofGiven), Some(0.0));
    assert_eq!(given(lines()).value(Metric::PriceAfterValue), Some(0.0));
    let mut proven = lines();
    proven.push(rep("Here is a case.", &[Signal::RepProof]));
    assert_eq!(given(proven).value(Metric::ProofGiven), Some(1.0));
    for (said, signal, right) in [
        ("We lose 15 visits.", Signal::BuyerImpact, 1.0),
        ("We lose many.", Signal::BuyerImpact, 0.0),
        ("It must be fast.", Signal::BuyerVision, 1.0),
        ("What is the price?", Signal::BuyerPriceQuestion, 1.0),
    ] {
        let mut first = lines();
        first.insert(0, buyer(said, &[signal]));
        assert_eq!(given(first).value(Metric::PriceAfterValue), Some(right), "{said}");
    }
    let mut later = given(lines());
    later.previous = Some("control".into());
    assert_eq!(
        later.of(Metric::PriceAfterValue).why(),
        Some("value was settled before this call")
    );
    let nothing = given(vec![rep("Hello.", &[])]).score();
    for (id, why) in [
        (Metric::ValueLinkShare, "the rep did not present the product"),
        (Metric::ProofGiven, "no doubt about need or trust came up"),
        (Metric::PriceAfterValue, "the rep named no price"),
        (Metric::ObjectionPattern, "no objection came up"),
        (Metric::DiscountDiscipline, "no discount was offered"),
        (Metric::CompetitorMentionStage, "no competitor came up"),
        (Metric::PromisesKept, "one call does not show it; it takes the next one"),
    ] {
        assert_eq!(nothing.metrics[id.index()].why(), Some(why), "{id}");
    }
}

#[test]
fn four_steps_of_an_objection() {
    let full = || {
        vec![
            buyer("That is too expensive.", &[Signal::BuyerObjPrice]),
            rep("Fair point. Compared with what?", &[Signal::RepObjHandle]),
            buyer("With the sheet.", &[]),
            rep("You lose 15 visits with it.", &[Signal::RepValueLink]),
            rep("Does that answer it?", &[]),
        ]
    };
    assert_eq!(given(full()).value(Metric::ObjectionPattern), Some(4.0));
    let mut argued = full();
    argued[1] = rep("It is worth it.", &[Signal::RepObjHandle]);
    argued[3] = rep("Everybody pays that.", &[]);
    argued.pop();
    assert_eq!(given(argued).value(Metric::ObjectionPattern), Some(0.0));
    // The same again after one answer is one objection; another kind is a new one.
    let mut again = full();
    again.insert(2, buyer("Still, the price.", &[Signal::BuyerObjPrice]));
    assert_eq!(given(again).of(Metric::ObjectionPattern).turns(), [1]);
    let mut another = full();
    another.insert(2, buyer("And who else uses it, honestly.", &[Signal::BuyerObjTrust]));
    assert_eq!(given(another).of(Metric::ObjectionPattern).turns(), [1, 3]);
    let russian = vec![
        buyer("Дорого для нас.", &[Signal::BuyerObjPrice]),
        rep("Понимаю. А с чем сравниваете?", &[Signal::RepObjHandle]),
        buyer("С таблицей.", &[]),
        rep("Такой вариант подходит?", &[]),
    ];
    assert_eq!(given(russian).russian().value(Metric::ObjectionPattern), Some(3.0));
}

#[test]
fn how_firm_the_next_step_is() {
    let quality = |lines: Vec<Line>| given(lines).value(Metric::NextStepQuality);
    assert_eq!(quality(vec![rep("Hello.", &[]), buyer("Bye.", &[])]), Some(0.0));
    assert_eq!(
        quality(vec![rep("Hello.", &[]), rep("We will be in touch.", &[])]),
        Some(1.0)
    );
    assert_eq!(quality(vec![rep("I will send it.", &[Signal::RepNextStep])]), Some(1.0));
    assert_eq!(
        quality(vec![rep("I will send it on Friday.", &[Signal::RepNextStep])]),
        Some(2.0)
    );
    assert_eq!(
        quality(vec![buyer("I ask them by Friday.", &[Signal::BuyerCommitment])]),
        Some(2.0)
    );
    let both = || {
        vec![
            rep("I will send it on Friday.", &[Signal::RepNextStep]),
            buyer("I ask them by Monday.", &[Signal::BuyerCommitment]),
        ]
    };
    assert_eq!(quality(both()), Some(3.0));
    let mut lost = given(both());
    lost.deal = sample::deal("lost", 8);
    lost.deal.stage.as_mut().expect("a stage").kind = StageKind::Lost;
    assert_eq!(
        lost.of(Metric::NextStepQuality).why(),
        Some("the deal ended in this call")
    );
}

#[test]
fn a_discount_is_asked_for_and_paid_for() {
    let price = [Signal::RepPrice];
    let discipline = |lines: Vec<Line>| given(lines).value(Metric::DiscountDiscipline);
    let objection = || buyer("Too expensive.", &[Signal::BuyerObjPrice]);
    assert_eq!(discipline(vec![rep("I give you a 10% discount.", &price)]), Some(0.0));
    assert_eq!(
        discipline(vec![objection(), rep("I give you a 10% discount.", &price)]),
        Some(0.0)
    );
    let traded = "I can do a 10% discount if you pay upfront.";
    assert_eq!(discipline(vec![objection(), rep(traded, &price)]), Some(1.0));
    assert_eq!(discipline(vec![rep(traded, &price)]), Some(0.0));
    assert_eq!(discipline(vec![objection(), rep("We do no discounts.", &price)]), None);
    let russian = vec![
        buyer("Дорого.", &[Signal::BuyerObjPrice]),
        rep("Скидка 10% при оплате за год.", &price),
    ];
    assert_eq!(given(russian).russian().value(Metric::DiscountDiscipline), Some(1.0));
}
