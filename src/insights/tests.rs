//! Figures worked out by hand, and what must hold of any pipeline.

use std::collections::BTreeSet;

use chrono::Duration;
use proptest::prelude::*;

use super::sample::{call, card, day, deal, entry, ppvvc, scope, usd};
use super::*;
use crate::domain::{
    Band, CustomerKind, ElementId, LeadSource, Metric, Move, ObjectionKind, PrematureFigures, PrematureMove, Severity,
    Signal,
};

/// Ten deals in all states.
fn pipeline() -> Vec<Deal> {
    let mut deals = vec![
        deal(
            "a",
            &[(0, "lead"), (10, "pain"), (20, "vision"), (40, "commit"), (50, "won")],
        ),
        deal("b", &[(5, "pain"), (15, "power"), (25, "pain"), (35, "lost")]),
        deal("c", &[(10, "lead"), (30, "value")]),
        deal("d", &[(40, "pain"), (60, "pain")]),
        deal("e", &[(45, "lost")]),
        deal("f", &[(50, "lead")]),
    ];
    // An end that was not decided is none, and a call that is no sales call says nothing.
    let mut guess = call("c-9", 35, "won");
    guess.abstained = true;
    deals[2].records.push(entry(guess));
    let mut other = call("d-9", 70, "lead");
    other.stage = None;
    deals[3].records.push(entry(other));
    let mut unsure = deal("g", &[(20, "lost")]);
    unsure.records[0].record.abstained = true;
    deals.push(unsure);
    // Of another process.
    let mut elsewhere = deal("h", &[(20, "value")]);
    elsewhere.records[0].record.process = "bant".to_owned();
    deals.push(elsewhere);
    deals
}

#[test]
fn the_funnel_counts_what_happened() {
    let process = ppvvc();
    let funnel = funnel(&pipeline(), scope(&process, 100), None);
    assert_eq!(funnel.without_stage, 1);
    // 5 + 4 + 2 + 2 + 1 + 1 calls show a stage.
    assert_eq!((funnel.certainty.calls, funnel.certainty.right), (15, Some(0.6)));
    let all = &funnel.all;
    assert_eq!((all.deals, all.open, all.won, all.lost), (6, 3, 1, 2));
    // lead pain power vision value control commit.
    let reached: Vec<usize> = all.stages.iter().map(|stage| stage.reached).collect();
    assert_eq!(reached, [6, 4, 3, 2, 2, 1, 1]);
    let now: Vec<usize> = all.stages.iter().map(|stage| stage.now).collect();
    assert_eq!(now, [1, 1, 0, 0, 1, 0, 0]);
    // Of six that were leads four moved on, `e` was lost as one, `f` still is one.
    let first = &all.steps[0];
    assert_eq!(
        (first.moved_on.hits, first.moved_on.n, first.lost, first.open),
        (4, 6, 1, 1)
    );
    assert_eq!(first.moved_on.share, Some(0.6667));
    assert_eq!((first.moved_on_of_decided.hits, first.moved_on_of_decided.n), (4, 5));
    // `b` went back to pain, but power is how far it came.
    let power = &all.steps[2];
    assert_eq!(
        (power.moved_on.hits, power.moved_on.n, power.lost, power.open),
        (2, 3, 1, 0)
    );
    let last = &all.steps[6];
    assert_eq!((last.to.as_str(), last.moved_on.hits, last.moved_on.n), ("won", 1, 1));
    assert_eq!((all.lead_to_win.hits, all.lead_to_win.n), (1, 6));
    assert_eq!((all.win_of_ended.hits, all.win_of_ended.n), (1, 3));
}

#[test]
fn nothing_is_null_and_not_zero() {
    let process = ppvvc();
    let funnel = funnel(&[], scope(&process, 100), Some(Split::Owner));
    assert_eq!(funnel.all.deals, 0);
    assert_eq!(funnel.all.steps[0].moved_on.share, None);
    assert!(funnel.parts.is_empty());
    let cycle = cycle(&[], scope(&process, 100));
    assert_eq!((cycle.won.days.n, cycle.won.days.median), (0, None));
    assert_eq!((cycle.stages[0].share_of_time, cycle.bottleneck), (None, None));
    let map = process_map(&[], scope(&process, 100));
    assert_eq!((map.rework.share, map.conformance.share), (None, None));
    let forecast = forecast(&[], scope(&process, 100), 3, Some(4));
    assert_eq!(
        (forecast.plan, forecast.leads, forecast.stages[0].chance),
        (None, None, None)
    );
    let coaching = coaching(&[], scope(&process, 100));
    assert!(coaching.reps.is_empty() && coaching.what_works.signals.is_empty());
}

#[test]
fn days_and_owners_filter_and_split() {
    let process = ppvvc();
    let mut deals = pipeline();
    deals[0].owner = Some("u1".to_owned());
    deals[2].owner = Some("u1".to_owned());
    deals[0].records[1].record.lead_source = Some(LeadSource::Referral);
    deals[0].records[2].record.customer = Some(CustomerKind::New);
    let of_u1 = Scope {
        owner: Some("u1"),
        ..scope(&process, 100)
    };
    assert_eq!(funnel(&deals, of_u1, None).all.deals, 2);
    let began = Scope {
        from: Some(day(5)),
        to: Some(day(40)),
        ..scope(&process, 100)
    };
    let report = funnel(&deals, began, None);
    assert_eq!(
        (report.all.deals, report.without_stage),
        (3, 1),
        "b, c and d; g has no stage"
    );
    let keys = |split: Split| -> Vec<(Option<String>, usize)> {
        let parts = funnel(&deals, scope(&process, 100), Some(split)).parts;
        parts.into_iter().map(|part| (part.key, part.deals)).collect()
    };
    assert_eq!(keys(Split::Owner), [(None, 4), (Some("u1".to_owned()), 2)]);
    assert_eq!(keys(Split::Source), [(None, 5), (Some("referral".to_owned()), 1)]);
    assert_eq!(keys(Split::Customer), [(None, 5), (Some("new".to_owned()), 1)]);
    // Days 0 to 30 are January, 31 to 58 February.
    assert_eq!(
        keys(Split::Month),
        [(Some("2026-01".to_owned()), 3), (Some("2026-02".to_owned()), 3)]
    );
}

#[test]
fn money_is_kept_apart_by_period_and_by_who_says_so() {
    let process = ppvvc();
    let mut deals = pipeline();
    deals.extend((0..4).map(|number| deal(&format!("m{number}"), &[(0, "lead")])));
    let month = Some(Period::Month);
    deals[8].amount = Some(usd(1000.0, 1000.0, month));
    deals[9].records[0].record.price = Some(usd(500.0, 700.0, month));
    deals[10].amount = Some(usd(9000.0, 9000.0, None));
    // What somebody entered goes before what was heard.
    deals[10].records[0].record.price = Some(usd(1.0, 1.0, month));
    let lead = &funnel(&deals, scope(&process, 100), None).all.stages[0];
    assert_eq!((lead.now, lead.without_amount), (5, 2));
    let sums: Vec<_> = lead
        .amounts
        .iter()
        .map(|total| (total.period, total.deals, total.heard, total.low, total.high))
        .collect();
    assert_eq!(
        sums,
        [
            (None, 1, false, 9000.0, 9000.0),
            (month, 1, false, 1000.0, 1000.0),
            (month, 1, true, 500.0, 700.0)
        ]
    );
}

#[test]
fn a_call_that_was_analysed_again_counts_once() {
    let process = ppvvc();
    let mut deals = vec![deal("a", &[(0, "lead"), (10, "pain")])];
    let mut again = entry(call("a-0", 0, "power"));
    again.known_at += Duration::days(30);
    deals[0].records.push(again);
    let map = process_map(&deals, scope(&process, 100));
    let path: Vec<&str> = map.variants[0].path.iter().map(|stage| stage.as_str()).collect();
    assert_eq!(path, ["power", "pain"]);
    // As it was known before.
    deals[0].records.pop();
    let map = process_map(&deals, scope(&process, 100));
    assert_eq!(map.variants[0].path[0].as_str(), "lead");
}

#[test]
fn the_cycle_runs_from_the_first_talk_with_the_buyer() {
    let process = ppvvc();
    let mut deals = vec![
        deal("a", &[(0, "lead"), (3, "lead"), (33, "won")]),
        deal("b", &[(0, "lead"), (29, "won")]),
        deal("c", &[(0, "lead"), (400, "won")]),
        deal("d", &[(0, "lead"), (90, "lost")]),
        deal("e", &[(380, "lead")]),
    ];
    // Nobody answered the first call of `a`: 30 days, the first of the second bucket.
    deals[0].records[0].record.buyer_turns = 0;
    deals[0].records[1].record.customer = Some(CustomerKind::Existing);
    let report = cycle(&deals, scope(&process, 410));
    let counts = |column: &CycleColumn| -> Vec<usize> { column.buckets.iter().map(|bucket| bucket.deals).collect() };
    assert_eq!(counts(&report.won), [1, 1, 0, 0, 0, 1]);
    assert_eq!(
        (report.won.days.n, report.won.days.median, report.won.days.p75),
        (3, Some(30.0), Some(215.0))
    );
    assert_eq!(
        (
            report.won_existing.days.n,
            report.won_new.days.n,
            report.won_unknown.days.n
        ),
        (1, 0, 2)
    );
    // An open deal has an age.
    assert_eq!((report.open.days.n, report.open.days.median), (1, Some(30.0)));
    let ended_early = Scope {
        to: Some(day(100)),
        ..scope(&process, 410)
    };
    assert_eq!(cycle(&deals, ended_early).won.days.n, 2);
}

#[test]
fn time_in_a_stage_counts_those_that_are_still_there() {
    let process = ppvvc();
    let deals = [
        deal("a", &[(0, "pain"), (2, "power"), (12, "won")]),
        deal("b", &[(0, "pain"), (10, "lost")]),
        deal("c", &[(97, "pain")]),
        deal("d", &[(88, "pain")]),
    ];
    let report = cycle(&deals, scope(&process, 100));
    let pain = &report.stages[1];
    assert_eq!((pain.finished.n, pain.finished.median), (2, Some(6.0)));
    assert_eq!((pain.running.n, pain.running.median), (2, Some(7.5)));
    // Days 2 and 10 ended, 3 and 12 last: see the test of `done_by`.
    assert_eq!((pain.half_done_by, pain.three_quarters_done_by), (Some(10.0), None));
    // 12 of 22 days.
    assert_eq!(pain.share_of_time, Some(0.5455));
    assert_eq!(report.stages[0].share_of_time, Some(0.0));
    assert_eq!(
        (pain.p75_before, report.bottleneck),
        (None, None),
        "too few to say that it rises"
    );
}

#[test]
fn the_bottleneck_takes_most_of_the_time_and_rises() {
    let process = ppvvc();
    let stays = |first: i64, later: i64| -> Vec<Deal> {
        let stay = |number: i64| {
            let days = if number < 5 { first } else { later };
            let start = number * 100;
            deal(
                &format!("{number:02}"),
                &[(start, "pain"), (start + days, "power"), (start + days + 3, "lost")],
            )
        };
        (0..10).map(stay).collect()
    };
    let slower = cycle(&stays(10, 20), scope(&process, 2000));
    let pain = &slower.stages[1];
    assert_eq!((pain.p75_before, pain.p75_recent), (Some(10.0), Some(20.0)));
    assert_eq!(slower.bottleneck.as_ref().map(|stage| stage.as_str()), Some("pain"));
    assert_eq!(
        cycle(&stays(20, 10), scope(&process, 2000)).bottleneck,
        None,
        "it gets faster"
    );
}

#[test]
fn the_map_shows_skips_loops_and_what_the_process_foresees() {
    let process = ppvvc();
    let map = process_map(&pipeline(), scope(&process, 100));
    assert_eq!((map.deals, map.without_stage), (6, 1));
    let found = |from: Option<&str>, to: &str| {
        let is = |transition: &&Transition| {
            transition.from.as_ref().map(|stage| stage.as_str()) == from && transition.to.as_str() == to
        };
        map.transitions.iter().find(is).expect("the transition")
    };
    let start = found(None, "lead");
    assert_eq!(
        (start.kind, start.taken.hits, start.taken.n),
        (TransitionKind::Start, 3, 6)
    );
    assert_eq!(found(Some("lead"), "pain").kind, TransitionKind::Next);
    let skip = found(Some("lead"), "value");
    assert_eq!(
        (skip.kind, skip.taken.hits, skip.taken.n, skip.days.median),
        (TransitionKind::Skip, 1, 2, Some(20.0))
    );
    assert_eq!(found(Some("power"), "pain").kind, TransitionKind::Back);
    assert_eq!(found(Some("commit"), "won").kind, TransitionKind::Won);
    assert_eq!(found(None, "lost").kind, TransitionKind::Start);
    // a: next, skip, skip, won from the last; b: next, back, lost; c: skip. The first stage is no transition.
    assert_eq!((map.conformance.hits, map.conformance.n), (4, 8));
    assert_eq!((map.rework.hits, map.rework.n), (1, 6));
    assert_eq!(
        (
            map.loops[0].from.as_str(),
            map.loops[0].times,
            map.loops[0].deals[0].as_str()
        ),
        ("power", 1, "b")
    );
    let skipped: Vec<(usize, usize)> = map
        .skipped
        .iter()
        .map(|stage| (stage.deals.hits, stage.deals.n))
        .collect();
    // Leads that were first seen further on: b, d and e. Nobody was seen in control.
    assert_eq!(skipped, [(3, 6), (1, 4), (2, 3), (1, 2), (1, 2), (1, 1), (0, 1)]);
}

#[test]
fn frequent_ways_come_first() {
    let process = ppvvc();
    let mut deals: Vec<Deal> = (0..3)
        .map(|n| deal(&format!("x{n}"), &[(0, "lead"), (10, "won")]))
        .collect();
    deals.push(deal("y", &[(0, "lead"), (4, "lead"), (8, "lost")]));
    let map = process_map(&deals, scope(&process, 100));
    let first = &map.variants[0];
    assert_eq!(
        (first.deals.hits, first.deals.share, first.won, first.days.median),
        (3, Some(0.75), 3, Some(10.0))
    );
    assert_eq!(
        (map.variants[1].lost, map.variants[1].path.len(), map.other_variants),
        (1, 2, 0)
    );
    assert_eq!(
        (map.conformance.hits, map.conformance.n),
        (1, 4),
        "from the first stage nobody signs by the book"
    );
}

/// Deals in pain on day 0, half of them with a signal; `moved` of each half are in power on `after`.
fn halves(signal: Signal, moved: (usize, usize), after: i64) -> Vec<Deal> {
    let of = |with: bool, moved: usize| {
        (0..20).map(move |number| {
            let next = if number < moved { "power" } else { "pain" };
            let mut one = deal(&format!("{with}{number:02}"), &[(0, "pain"), (after, next)]);
            if with {
                one.records[0].record.signals.insert(signal);
            }
            one
        })
    };
    of(true, moved.0).chain(of(false, moved.1)).collect()
}

#[test]
fn what_goes_with_moving_on_is_said_of_enough_calls() {
    let process = ppvvc();
    let deals = halves(Signal::RepQDecision, (15, 5), 10);
    // Calls of day 10 are too young on day 20 to say that they led to nothing.
    let found = process_map(&deals, scope(&process, 20)).goes_with_moving_on;
    assert_eq!(found.len(), 1);
    let row = &found[0];
    assert_eq!((row.stage.as_str(), row.signal), ("pain", Signal::RepQDecision));
    assert_eq!(
        (row.with.hits, row.with.n, row.without.hits, row.without.n),
        (15, 20, 5, 20)
    );
    assert_eq!((row.lift, row.low), (3.0, 1.3478));
    let goes = |deals: &[Deal], today: i64| process_map(deals, scope(&process, today)).goes_with_moving_on.len();
    assert_eq!(goes(&deals[1..], 20), 0, "19 calls with it");
    assert_eq!(goes(&halves(Signal::RepQDecision, (10, 9), 10), 20), 0, "chance");
    assert_eq!(
        goes(&halves(Signal::RepQDecision, (15, 5), 15), 40),
        0,
        "later than two weeks"
    );
}

/// `won` deals of 20 days from lead to signature, `lost` that ended as leads.
fn past(won: usize, lost: usize) -> Vec<Deal> {
    let won = (0..won).map(|n| deal(&format!("w{n:02}"), &[(0, "lead"), (20, "won")]));
    let lost = (0..lost).map(|n| deal(&format!("l{n:02}"), &[(0, "lead"), (20, "lost")]));
    won.chain(lost).collect()
}

#[test]
fn few_ends_are_counted_and_forecast_nothing() {
    let process = ppvvc();
    let mut deals = past(20, 9);
    deals.push(deal("open", &[(100, "lead")]));
    let report = forecast(&deals, scope(&process, 100), 3, Some(10));
    assert_eq!((report.ended.hits, report.ended.n, report.ended_needed), (20, 29, 30));
    assert_eq!((report.plan.is_none(), report.leads.is_none()), (true, true));
    assert_eq!(
        (report.stages[0].open, report.stages[0].chance, report.deals[0].chance),
        (1, None, None)
    );
}

#[test]
fn the_forecast_weighs_by_what_became_of_deals_as_far() {
    let process = ppvvc();
    let mut deals = past(19, 11);
    for (id, on, amount) in [("o1", 90, 1000.0), ("o2", 90, 3000.0), ("o3", 60, 500.0)] {
        let mut open = deal(id, &[(on, "lead")]);
        open.amount = Some(usd(amount, amount, Some(Period::Year)));
        deals.push(open);
    }
    // The 100th day after the first of January is the 11th of April; signatures 20 days after the 1st: the 21st.
    let report = forecast(&deals, scope(&process, 100), 2, Some(19));
    // (19 + 1) / (30 + 2).
    assert_eq!(
        (report.stages[0].chance, report.deals[0].chance),
        (Some(0.625), Some(0.625))
    );
    assert_eq!((report.stages[0].won.hits, report.stages[0].won.n), (19, 30));
    let plan = report.plan.expect("30 deals ended");
    assert_eq!(plan.all.wins.expected, 1.875);
    assert!(plan.all.wins.low <= 1 && plan.all.wins.high == 3, "{:?}", plan.all.wins);
    let money = &plan.all.amounts[0];
    assert_eq!((money.currency.as_str(), money.period), ("USD", Some(Period::Year)));
    assert_eq!((money.expected_low, money.expected_high), (2812.5, 2812.5));
    assert!(money.low < 1500.0 && money.high > 4000.0, "{money:?}");
    // `o3` is older than any deal that was won: nobody can say when.
    let months: Vec<_> = plan
        .months
        .iter()
        .map(|month| (month.month.as_deref(), month.wins.expected))
        .collect();
    assert_eq!(months, [(Some("2026-04"), 1.25), (Some("2026-05"), 0.0)]);
    assert_eq!((plan.later.wins.expected, plan.undated.wins.expected), (0.0, 0.625));
    // 19 wins need 30 leads at 19 of 30.
    let leads = report.leads.expect("a target");
    assert_eq!((leads.needed, leads.lead_to_win.n), (Some(30), 30));
    assert!(leads.needed_low < Some(30) && leads.needed_high > Some(30));
}

#[test]
fn customers_of_a_kind_have_their_own_share() {
    let process = ppvvc();
    let mut deals = past(15, 15);
    for deal in &mut deals[..15] {
        deal.records[0].record.customer = Some(CustomerKind::Existing);
    }
    let mut open = deal("open", &[(95, "lead")]);
    open.records[0].record.customer = Some(CustomerKind::Existing);
    open.records[0].record.on_hold = true;
    deals.push(open);
    let report = forecast(&deals, scope(&process, 100), 2, None);
    // All of their 15 were won; 2 deals of the one half of everybody: (15 + 1) / (15 + 2).
    assert_eq!(
        (report.deals[0].chance, report.stages[0].chance),
        (Some(0.9412), Some(0.5))
    );
    let plan = report.plan.expect("30 deals ended");
    assert_eq!(plan.undated.wins.expected, 0.9412, "put off");
}

#[test]
fn the_draws_have_the_spread_of_what_is_not_known() {
    let process = ppvvc();
    // Two kinds of pasts with the same share: of 30 deals, and of 3000.
    let width = |won: usize, lost: usize| {
        let mut deals = past(won, lost);
        deals.extend((0..200).map(|n| deal(&format!("o{n:03}"), &[(99, "lead")])));
        let wins = forecast(&deals, scope(&process, 100), 1, None)
            .plan
            .expect("enough")
            .all
            .wins;
        assert_eq!(wins.expected, 100.0);
        wins.high - wins.low
    };
    // 8 in 10: 2 × 1.2816 × √(200/4) = 18 for a share that is known; √(200/4 + 200² · 1/4 / 33) wide else: 47.
    let (few, many) = (width(15, 15), width(1500, 1500));
    assert!((42..=52).contains(&few), "{few}");
    assert!((16..=21).contains(&many), "{many}");
}

#[test]
fn health_names_its_reasons() {
    let process = ppvvc();
    let health = |change: &dyn Fn(&mut Deal), today: i64| {
        let mut one = deal("a", &[(0, "pain"), (10, "vision")]);
        for entry in &mut one.records {
            entry.record.next_step = Some(day(20));
            entry.record.scores.insert(ElementId::from("power"), 2);
        }
        change(&mut one);
        forecast(&[one], scope(&process, today), 1, None).deals[0]
            .health
            .clone()
    };
    let score = |change: &dyn Fn(&mut CallFigures)| {
        let change = |deal: &mut Deal| deal.records.iter_mut().for_each(|entry| change(&mut entry.record));
        let health = health(&change, 15);
        (health.score, health.reasons)
    };
    assert_eq!(score(&|_| {}), (100, vec![]));
    use HealthReason as R;
    assert_eq!(score(&|call| call.next_step = None), (80, vec![R::NoNextStep]));
    assert_eq!(
        score(&|call| call.our_promises = vec![day(14)]),
        (85, vec![R::PromiseOverdue])
    );
    assert_eq!(score(&|call| call.our_promises = vec![day(15)]), (100, vec![]));
    assert_eq!(score(&|call| call.buyers = 1), (90, vec![R::SingleContact]));
    let unproven = |call: &mut CallFigures| {
        call.scores.insert(ElementId::from("power"), 1);
    };
    assert_eq!(score(&unproven), (90, vec![R::PassedUnproven]));
    assert_eq!(
        score(&|call| call.open_objections = vec![ObjectionKind::Trust]),
        (90, vec![R::OpenObjection])
    );
    assert_eq!(
        score(&|call| call.open_objections = vec![ObjectionKind::Delay]),
        (100, vec![])
    );
    assert_eq!(
        score(&|call| call.decision_by = Some(day(14))),
        (90, vec![R::DecisionDayPassed])
    );
    let put_off = |call: &mut CallFigures| {
        call.signals.insert(Signal::BuyerDelay);
        call.next_step = None;
    };
    assert_eq!(score(&put_off), (70, vec![R::NoNextStep, R::PutOffTwice]));
    // The 11th of January is a Sunday; ten business days after it (one is a holiday) end on the 26th.
    let quiet = |today: i64| {
        health(
            &|deal: &mut Deal| deal.records[1].record.next_step = Some(day(90)),
            today,
        )
    };
    assert_eq!(quiet(25).reasons, []);
    assert_eq!(quiet(26).reasons, [R::Stalled]);
}

/// Calls of a rep, one a day, with one metric.
fn calls_of(owner: &str, bands: &[(f64, Band)]) -> Vec<Deal> {
    let one = |(number, (value, band)): (usize, &(f64, Band))| {
        let mut one = deal(&format!("{owner}{number:02}"), &[(number as i64, "pain")]);
        one.owner = Some(owner.to_owned());
        one.records[0].record.card = Some(card(60 + number as u8, &[(Metric::TalkRatio, *value, Some(*band))]));
        one
    };
    bands.iter().enumerate().map(one).collect()
}

#[test]
fn a_rep_is_seen_against_norms_and_the_team() {
    let process = ppvvc();
    let poor: Vec<(f64, Band)> = (0..10).map(|_| (0.8, Band::Poor)).collect();
    let good: Vec<(f64, Band)> = (0..20).map(|_| (0.4, Band::Good)).collect();
    let mut deals = calls_of("ann", &poor);
    deals.extend(calls_of("bob", &good));
    deals[12].records[0].record.step = Some(Move::Advance);
    let report = coaching(&deals, scope(&process, 100));
    assert_eq!(report.judged, 30);
    let [ann, bob] = report.reps.as_slice() else {
        panic!("two reps");
    };
    assert_eq!((ann.owner.as_deref(), ann.judged, ann.enough), (Some("ann"), 10, true));
    // 60 to 69.
    assert_eq!((ann.overall.median, ann.overall.p25), (Some(64.5), Some(62.25)));
    let ratio = &ann.metrics[0];
    assert_eq!(
        (ratio.metric, ratio.good, ratio.watch, ratio.poor),
        (Metric::TalkRatio, 0, 0, 10)
    );
    assert_eq!(ratio.trend, Some(Trend::None));
    let figures = &ratio.by_type[0];
    assert_eq!((figures.values.median, figures.norm.as_str()), (Some(0.8), "0.35–0.55"));
    // 20 of 30 are lower, 10 are the same.
    assert_eq!(
        (figures.percentile, figures.team.map(|team| team.median)),
        (Some(0.8333), Some(Some(0.4)))
    );
    let need = &ann.needs[0];
    assert_eq!((need.about.as_str(), need.kind), ("talk_ratio", NeedKind::Recurring));
    assert_eq!((need.poor.hits, need.team.hits, need.team.n), (10, 10, 30));
    assert_eq!((need.evidence.len(), need.evidence[0].call.as_str()), (5, "ann09-0"));
    // The one that moved the deal, then the best scores.
    assert_eq!(need.listen_to, ["bob02-0", "bob19-0", "bob18-0"]);
    assert_eq!(
        (bob.needs.len(), bob.strengths.as_slice()),
        (0, [Metric::TalkRatio].as_slice())
    );
    // With fewer calls the team has no figures of its own.
    let fewer = coaching(&deals[1..], scope(&process, 100));
    assert_eq!(
        (fewer.reps[0].enough, fewer.reps[0].metrics[0].by_type[0].percentile),
        (false, None)
    );
    let only_ann = Scope {
        owner: Some("ann"),
        ..scope(&process, 100)
    };
    let report = coaching(&deals, only_ann);
    assert_eq!(
        (report.reps.len(), report.judged, report.reps[0] == *ann),
        (1, 30, true)
    );
}

#[test]
fn errors_recur_in_three_of_the_last_five_calls() {
    let process = ppvvc();
    let needs = |when: &[usize]| -> Vec<(String, NeedKind)> {
        let bands: Vec<(f64, Band)> = (0..8).map(|_| (0.4, Band::Good)).collect();
        let mut deals = calls_of("ann", &bands);
        for number in when {
            deals[*number].records[0].record.premature.push(PrematureFigures {
                id: PrematureMove::CloseEarly,
                turn: 7,
                severity: Severity::High,
            });
        }
        let report = coaching(&deals, scope(&process, 100));
        assert_eq!(
            (report.reps[0].adherence.hits, report.reps[0].adherence.n),
            (8 - when.len(), 8)
        );
        let needs = report.reps[0].needs.iter();
        needs.map(|need| (need.about.clone(), need.kind)).collect()
    };
    assert_eq!(needs(&[3, 5, 7]), [("pm_close_early".to_owned(), NeedKind::Recurring)]);
    assert_eq!(
        needs(&[2, 5, 7]),
        [],
        "only two of the last five, and as often as the team"
    );
}

#[test]
fn what_works_needs_twenty_of_each() {
    let process = ppvvc();
    let mut deals = past(20, 20);
    for deal in deals.iter_mut().take(16) {
        deal.records[0].record.signals.insert(Signal::RepQImpact);
    }
    deals[20].records[0].record.signals.insert(Signal::RepQImpact);
    let works = coaching(&deals, scope(&process, 100)).what_works;
    assert_eq!((works.won, works.lost, works.signals.len()), (20, 20, 1));
    let row = &works.signals[0];
    assert_eq!(
        (row.signal, row.won.hits, row.lost.hits, row.difference),
        (Signal::RepQImpact, 16, 1, 0.75)
    );
    assert!(row.low > 0.0);
    assert!(
        coaching(&deals[1..], scope(&process, 100))
            .what_works
            .signals
            .is_empty()
    );
}

const STAGES: [&str; 9] = [
    "lead", "pain", "power", "vision", "value", "control", "commit", "won", "lost",
];

prop_compose! {
    fn any_call()(
        on in 0i64..200, stage in 0usize..STAGES.len(), abstained in prop::bool::weighted(0.1), buyer in 0usize..3,
        signals in prop::collection::btree_set(0usize..Signal::ALL.len(), 0..5), new in prop::option::of(any::<bool>()),
        amount in prop::option::of(1u32..5000), poor in any::<bool>(), owner in 0usize..3,
    ) -> (CallFigures, usize) {
        let mut record = call("", on, STAGES[stage]);
        record.abstained = abstained;
        record.buyer_turns = buyer;
        record.signals = signals.into_iter().map(|index| Signal::ALL[index]).collect::<BTreeSet<_>>();
        record.customer = new.map(|new| if new { CustomerKind::New } else { CustomerKind::Existing });
        record.price = amount.map(|amount| usd(f64::from(amount), f64::from(amount), None));
        let band = if poor { Band::Poor } else { Band::Good };
        record.card = Some(card(50, &[(Metric::TalkRatio, 0.5, Some(band))]));
        (record, owner)
    }
}

prop_compose! {
    fn any_deals()(calls in prop::collection::vec(prop::collection::vec(any_call(), 1..6), 0..60)) -> Vec<Deal> {
        let one = |(number, calls): (usize, Vec<(CallFigures, usize)>)| {
            let owner = calls[0].1;
            let records = calls.into_iter().enumerate().map(|(at, (mut record, owner))| {
                record.call = format!("{number}-{at}");
                let mut line = entry(record);
                line.owner = Some(format!("u{owner}"));
                line
            });
            Deal { id: format!("d{number:03}"), owner: Some(format!("u{owner}")), amount: None, records: records.collect() }
        };
        calls.into_iter().enumerate().map(one).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sums_agree(deals in any_deals()) {
        let process = ppvvc();
        let scope = scope(&process, 210);
        let funnel = funnel(&deals, scope, Some(Split::Owner));
        let all = &funnel.all;
        prop_assert_eq!(all.deals + funnel.without_stage, deals.len());
        prop_assert_eq!(all.open + all.won + all.lost, all.deals);
        prop_assert_eq!(all.stages.iter().map(|stage| stage.now).sum::<usize>(), all.open);
        prop_assert_eq!(all.stages[0].reached, all.deals);
        prop_assert_eq!(funnel.parts.iter().map(|part| part.deals).sum::<usize>(), all.deals);
        for (step, stage) in all.steps.iter().zip(&all.stages) {
            prop_assert_eq!(step.moved_on.n, stage.reached);
            prop_assert_eq!(step.moved_on.hits + step.lost + step.open, stage.reached);
        }
        prop_assert_eq!(all.steps[all.steps.len() - 1].moved_on.hits, all.won);
        for stage in &all.stages {
            prop_assert_eq!(stage.amounts.iter().map(|total| total.deals).sum::<usize>() + stage.without_amount, stage.now);
        }

        let map = process_map(&deals, scope);
        prop_assert_eq!(map.variants.iter().map(|way| way.deals.hits).sum::<usize>() + map.other_variants, map.deals);
        let starts = map.transitions.iter().filter(|one| one.kind == TransitionKind::Start);
        prop_assert_eq!(starts.map(|one| one.taken.hits).sum::<usize>(), map.deals);
        let moves = map.transitions.iter().filter(|one| one.kind != TransitionKind::Start);
        prop_assert_eq!(moves.map(|one| one.taken.hits).sum::<usize>(), map.conformance.n);

        let cycle = cycle(&deals, scope);
        let columns = [&cycle.won_new, &cycle.won_existing, &cycle.won_unknown];
        prop_assert_eq!(columns.iter().map(|column| column.days.n).sum::<usize>(), cycle.won.days.n);
        for column in columns {
            prop_assert_eq!(column.buckets.iter().map(|bucket| bucket.deals).sum::<usize>(), column.days.n);
        }
        let running: usize = cycle.stages.iter().map(|stage| stage.running.n).sum();
        prop_assert_eq!(running, all.open);

        let forecast = forecast(&deals, scope, 3, None);
        prop_assert_eq!(forecast.deals.len(), all.open);
        if let Some(plan) = forecast.plan {
            let parts = plan.months.iter().chain([&plan.later, &plan.undated]);
            let expected: f64 = parts.clone().map(|month| month.wins.expected).sum();
            prop_assert!((expected - plan.all.wins.expected).abs() < 0.001);
            prop_assert!(plan.all.wins.low <= plan.all.wins.high && plan.all.wins.high <= all.open);
            for month in parts {
                for money in &month.amounts {
                    prop_assert!(money.low <= money.high && money.low >= 0.0);
                }
            }
        }

        let coaching = coaching(&deals, scope);
        let calls: usize = deals.iter().map(|deal| deal.records.len()).sum();
        prop_assert_eq!(coaching.reps.iter().map(|rep| rep.calls).sum::<usize>(), calls);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter((deals, shuffled) in any_deals().prop_flat_map(|deals| {
        let records = deals.clone().into_iter().map(|deal| {
            let shuffled = Just(deal.records.clone()).prop_shuffle();
            shuffled.prop_map(move |records| Deal { records, ..deal.clone() })
        });
        (Just(deals), records.collect::<Vec<_>>().prop_shuffle())
    })) {
        let process = ppvvc();
        let scope = scope(&process, 210);
        prop_assert_eq!(funnel(&deals, scope, Some(Split::Month)), funnel(&shuffled, scope, Some(Split::Month)));
        prop_assert_eq!(cycle(&deals, scope), cycle(&shuffled, scope));
        prop_assert_eq!(process_map(&deals, scope), process_map(&shuffled, scope));
        prop_assert_eq!(forecast(&deals, scope, 3, Some(5)), forecast(&shuffled, scope, 3, Some(5)));
        prop_assert_eq!(coaching(&deals, scope), coaching(&shuffled, scope));
    }
}
