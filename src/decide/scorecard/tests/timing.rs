//! Figures of time.

use super::*;

/// Rep 0–60 and 100–140 s, buyer 61–100 s and 141.5–200.5 s; a backchannel in between each.
fn timed() -> Vec<Line> {
    vec![
        rep("First part of it.", &[]).at(0.0, 30.0),
        buyer("Mm-hm.", &[]).at(30.0, 30.5),
        rep("Second part of it.", &[]).at(30.5, 60.0),
        buyer("We have our own way with that.", &[]).at(61.0, 80.0),
        rep("Right.", &[]).at(80.0, 80.5),
        buyer("And it works somehow.", &[]).at(80.5, 100.0),
        rep("I see what you say there.", &[]).at(100.0, 140.0),
        buyer("That is how it goes.", &[]).at(141.5, 200.5),
    ]
}

#[test]
fn who_talks_how_long() {
    // Rep 30 + 29.5 + 0.5 + 40 = 100; buyer 0.5 + 19 + 19.5 + 59 = 98.
    let score = given(timed()).two_channels().score();
    let value = |id: Metric| score.metrics[id.index()].value();
    assert_eq!(value(Metric::TalkRatio), Some(0.51));
    assert_eq!(score.metrics[Metric::TalkRatio.index()].turns(), [7, 1, 3]);
    assert_eq!(value(Metric::LongestRepMonologueS), Some(60.0));
    assert_eq!(score.metrics[Metric::LongestRepMonologueS.index()].turns(), [1, 3]);
    // Under ten minutes nobody tells a story.
    assert_eq!(value(Metric::LongestBuyerStoryS), None);
    // Three changes in 200.5 s.
    assert_eq!(value(Metric::Interactivity), Some(0.9));
    // One backchannel of the rep's in 98 s of the buyer.
    assert_eq!(value(Metric::BackchannelRate), Some(0.61));
}

#[test]
fn the_buyer_tells_a_story() {
    let lines = vec![
        buyer("It began last year.", &[]).at(0.5, 40.0),
        rep("Mm-hm.", &[]).at(40.2, 41.0),
        buyer("And went on.", &[]).at(41.2, 75.5),
        rep("How did it go on from there?", &[]).at(76.0, 400.0),
        buyer("Like this.", &[]).at(400.5, 620.5),
    ];
    let metric = given(lines).of(Metric::LongestBuyerStoryS);
    assert_eq!((metric.value(), metric.band()), (Some(220.0), Some(Band::Good)));
    assert_eq!(metric.turns(), [5]);
}

#[test]
fn without_times_there_is_no_share_and_no_second() {
    let untimed: Vec<Line> = timed()
        .into_iter()
        .map(|mut line| {
            (line.turn.start_s, line.turn.end_s) = (None, None);
            line
        })
        .collect();
    let score = given(untimed).score();
    for id in [
        Metric::TalkRatio,
        Metric::LongestRepMonologueS,
        Metric::Interactivity,
        Metric::PatienceS,
        Metric::Interruptions10,
        Metric::BackchannelRate,
        Metric::DeckMinutes,
    ] {
        let metric = &score.metrics[id.index()];
        assert_eq!((metric.value(), metric.band()), (None, None), "{id}");
        assert_eq!(metric.why(), Some("the transcript has no times"), "{id}");
    }
}

#[test]
fn one_channel_shows_no_pauses_and_unknown_speakers_nothing() {
    let mut call = given(timed());
    call.channels = Some(1);
    let score = call.score();
    assert_eq!(score.metrics[Metric::TalkRatio.index()].value(), Some(0.51));
    for id in [Metric::PatienceS, Metric::Interruptions10, Metric::BackchannelRate] {
        assert_eq!(
            score.metrics[id.index()].why(),
            Some("not reliable: both sides are on one channel"),
            "{id}"
        );
    }
    let mut lines = timed();
    lines[6].turn.role = Role::Unknown;
    let metric = given(lines).russian().two_channels().of(Metric::TalkRatio);
    assert_eq!(metric.why(), Some("ненадёжно: неясно, кто говорит"));
}

#[test]
fn pauses_of_the_rep() {
    let lines = || {
        vec![
            buyer("It is late again.", &[]).at(0.0, 10.0),
            rep("Is it?", &[]).at(10.5, 12.0),
            buyer("That is too expensive for us.", &[Signal::BuyerObjPrice]).at(12.5, 20.0),
            rep("Compared with what?", &[]).at(21.5, 25.0),
            buyer("With what we have.", &[]).at(25.5, 30.0),
            rep("Tell me more about it.", &[]).at(30.25, 40.25),
        ]
    };
    // 0.5, 1.5, 0.25 s.
    assert_eq!(given(lines()).value(Metric::PatienceS), Some(0.5));
    assert_eq!(given(lines()).value(Metric::PostObjectionPauseS), Some(1.5));
    assert_eq!(given(lines()).value(Metric::ObjAnswerLengthS), Some(3.5));
    // Whole seconds, or turns laid end to end, show no pause.
    let mut whole = lines();
    for line in &mut whole {
        line.turn.start_s = line.turn.start_s.map(f64::floor);
        line.turn.end_s = line.turn.end_s.map(f64::floor);
    }
    let metric = given(whole).of(Metric::PatienceS);
    assert_eq!(metric.why(), Some("the times of the transcript show no pauses"));
    let metric = given(timed()).of(Metric::PostObjectionPauseS);
    assert_eq!(metric.why(), Some("no objection came up"));
}

#[test]
fn speech_speeds_up_after_an_objection() {
    // 20 words in 10 s before, 24 words in 10 s after.
    let lines = vec![
        rep(&words(20), &[]).at(0.5, 10.5),
        buyer("Too expensive.", &[Signal::BuyerObjPrice]).at(11.0, 13.0),
        rep(&words(24), &[]).at(13.5, 23.5),
        buyer("Well.", &[]).at(24.0, 25.0),
    ];
    let metric = given(lines).of(Metric::RateChangeAfterObjection);
    assert_eq!((metric.value(), metric.band()), (Some(0.2), Some(Band::Poor)));
    // Russian goes by vowels: 8 in 8 s before, 8 in 8 s after.
    let lines = vec![
        rep("мама мыла раму да", &[]).at(0.5, 8.5),
        buyer("Дорого.", &[Signal::BuyerObjPrice]).at(9.0, 10.0),
        rep("молоко и молоко но", &[]).at(10.5, 18.5),
        buyer("Ну.", &[]).at(19.0, 20.0),
    ];
    assert_eq!(
        given(lines).russian().value(Metric::RateChangeAfterObjection),
        Some(0.14)
    );
}

#[test]
fn an_interruption_leaves_something_unsaid() {
    let lines = |gap: f64| {
        vec![
            buyer("A long story about it.", &[]).at(0.0, 60.0),
            // Speaks before the end.
            rep("But look at this here.", &[]).at(60.0 - gap, 100.0),
            buyer("Another long story.", &[]).at(101.0, 180.0),
            // Too short to be one.
            rep("No no.", &[]).at(150.0, 150.8),
            rep("So what now?", &[]).at(181.0, 240.0),
        ]
    };
    assert_eq!(
        given(lines(2.0)).two_channels().value(Metric::Interruptions10),
        Some(2.5)
    );
    assert_eq!(
        given(lines(0.9)).two_channels().value(Metric::Interruptions10),
        Some(0.0)
    );
    let apart = vec![
        buyer("A story.", &[]).at(0.2, 60.0),
        rep("A word.", &[]).at(60.5, 100.0),
        buyer("Again.", &[]).at(100.5, 200.0),
    ];
    let metric = given(apart).of(Metric::Interruptions10);
    assert_eq!(metric.why(), Some("the transcript does not show who spoke over whom"));
}

#[test]
fn a_deck_ends_where_the_buyer_takes_part() {
    let deck = |line: Line| line.stage(Stage::Presentation);
    let lines = vec![
        deck(rep("Look.", &[]).at(0.5, 300.5)),
        deck(buyer("Nice one there.", &[]).at(301.0, 303.0)),
        deck(rep("And this.", &[]).at(304.0, 600.5)),
        deck(buyer("But how does it go with ours then?", &[]).at(601.0, 610.0)),
        deck(rep("Like this.", &[]).at(611.0, 700.0)),
    ];
    let metric = given(lines).of(Metric::DeckMinutes);
    assert_eq!((metric.value(), metric.band()), (Some(10.0), Some(Band::Watch)));
    assert_eq!(metric.turns(), [1, 2, 3]);
}

#[test]
fn questions_are_counted_and_told_apart() {
    let asked = [
        (0, "What do you do with it today?"),
        (2, "Do you like it?"),
        (4, "How does it break?"),
        (10, "Who decides on that?"),
        (18, "Why is that so?"),
    ];
    let score = given(long(&asked)).score();
    let of = |id: Metric| &score.metrics[id.index()];
    // 5 in 10 minutes.
    assert_eq!(of(Metric::QuestionCount30).value(), Some(15.0));
    assert_eq!(of(Metric::QuestionCount30).band(), Some(Band::Good));
    assert_eq!(of(Metric::QuestionCount30).turns(), [1, 3, 5, 11, 19]);
    assert_eq!(
        of(Metric::QuestionCount30).why(),
        Some("an estimate: without times it is reckoned from the words")
    );
    assert_eq!(of(Metric::OpenQuestionShare).value(), Some(0.6));
    assert_eq!(of(Metric::OpenQuestionShare).why(), None);
    // Turns 0, 2 and 4 of 20 are in the first third.
    assert_eq!(of(Metric::QuestionSpread).value(), Some(0.6));
    assert_eq!(of(Metric::QuestionSpread).band(), Some(Band::Watch));
    let few = given(long(&asked[..2])).score();
    assert_eq!(few.metrics[Metric::OpenQuestionShare.index()].value(), None);
    assert_eq!(few.metrics[Metric::QuestionSpread.index()].value(), None);
    assert_eq!(few.metrics[Metric::QuestionCount30.index()].value(), Some(6.0));
}

#[test]
fn a_labelled_question_needs_no_mark() {
    let lines = || {
        vec![
            rep("so tell me about it", &[Signal::RepQSituation]),
            rep("and it breaks down how often in a month", &[Signal::RepQPain]),
            rep("you lose much by that I guess", &[Signal::RepQImpact]),
        ]
    };
    assert_eq!(given(lines()).value(Metric::OpenQuestionShare), Some(0.33));
}

#[test]
fn fillers_in_a_hundred_words() {
    let lines = vec![rep(&format!("um, {} you know", words(97)), &[]), buyer("um um um", &[])];
    let metric = given(lines).of(Metric::FillerRate);
    assert_eq!((metric.value(), metric.band()), (Some(2.0), None));
    assert_eq!(metric.turns(), [1]);
    assert_eq!(given(vec![rep("um", &[])]).value(Metric::FillerRate), None);
}

#[test]
fn time_for_next_steps_on_a_first_meeting() {
    let lines = || {
        let mut lines = long(&[]);
        lines.push(rep(&words(75), &[]).stage(Stage::Closing));
        lines
    };
    // 75 of 1575 words.
    let metric = given(lines()).of(Metric::NextStepShare);
    assert_eq!((metric.value(), metric.band()), (Some(0.05), Some(Band::Good)));
    let mut second = given(lines());
    second.previous = Some("pain".into());
    assert_eq!(
        second.of(Metric::NextStepShare).why(),
        Some("counts for a first meeting only")
    );
}

#[test]
fn a_late_competitor() {
    let mut lines = long(&[]);
    lines[17] = buyer(&words(75), &[Signal::BuyerCompetitor]);
    let metric = given(lines).of(Metric::CompetitorMentionStage);
    assert_eq!((metric.value(), metric.band()), (Some(0.85), Some(Band::Poor)));
    assert_eq!(metric.turns(), [18]);
}
