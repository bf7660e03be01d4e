use serde_json::json;

use super::*;

fn known() -> Known {
    serde_json::from_value(json!({
        "call": {"call_date": "2026-04-16", "language": "en", "duration_s": 61.4, "not_sales": false},
        "deal": {
            "stage": "power", "stage_name": "Power", "confidence": 0.9, "abstained": false,
            "elements": [
                {"id": "pain", "name": "Pain", "score": 2, "evidence": [{"turn": 4, "quote": "we lose a day a week"}],
                 "earlier": [{"call": "call_0", "call_date": "2026-04-01", "turn": 9, "quote": "it hurts"}]},
                {"id": "power", "name": "Power", "score": 1, "evidence": [{"turn": 6, "quote": "I sign that"}]},
                {"id": "vision", "name": "Vision", "score": 0, "evidence": []},
            ],
        },
        "qualification": {"fields": [
            {"field": "budget", "status": "stated", "value": {"amount": 2_000_000, "currency": "RUB"},
             "raw": "two million", "turn": 7, "quote": "two million a year", "confidence": 0.9},
            {"field": "team_size", "status": "conflict", "value": {"n": 12}, "raw": "twelve", "turn": 8,
             "quote": "we are twelve", "confidence": 0.95},
            {"field": "timeline", "status": "not_stated"},
        ]},
        "next_actions": [
            {"id": "send_recap_email", "title": "Send the recap", "why": "It was promised", "due": "2026-04-17", "owner": "rep",
             "evidence": [{"turn": 9, "quote": "send it to me"}]},
            {"id": "send_proposal", "title": "They look at it", "why": "", "due": null, "owner": "buyer", "evidence": []},
        ],
    }))
    .expect("a record")
}

fn mapping(extra: Value) -> Mapping {
    let mut settings = json!({
        "stages": [{"ours": "pain", "crm": "a"}, {"ours": "power", "crm": "b"}, {"ours": "vision", "crm": "c"}],
        "closed": ["won"],
        "fields": [{"ours": "budget", "crm": "money", "value": "{{ value.amount }}"}, {"ours": "timeline", "crm": "when"}],
        "policy": {"stage": "auto", "fields": "auto"},
    });
    for (key, value) in extra.as_object().expect("a table") {
        settings[key] = value.clone();
    }
    serde_json::from_value(settings).expect("settings")
}

fn now(stage: &str, money: Value) -> CrmNow {
    CrmNow {
        stage: json!(stage),
        stages: vec![json!("a"), json!("b"), json!("c")],
        closed: vec![json!("won")],
        stage_name: None,
        stage_names: vec![Some("First".to_owned()), None, Some("Third".to_owned())],
        fields: BTreeMap::from([("money".to_owned(), money)]),
    }
}

/// Name, new value, policy and why of each change.
fn planned(known: &Known, now: &CrmNow, mapping: &Mapping) -> Vec<(String, Value, Policy, Option<String>)> {
    let changes = plan(known, "call_1", now, &Done::default(), mapping).expect("a plan");
    changes
        .into_iter()
        .map(|change| (change.name, change.new, change.policy, change.why))
        .collect()
}

fn stage_of(known: &Known, from: &str, extra: Value) -> Option<(Policy, Option<String>)> {
    let planned = planned(known, &now(from, json!(2_000_000)), &mapping(extra));
    planned.into_iter().next().map(|(_, _, policy, why)| (policy, why))
}

fn why(word: &str) -> Option<String> {
    Some(word.to_owned())
}

#[test]
fn what_the_policy_lets_is_written_by_itself() {
    let planned = planned(&known(), &now("a", Value::Null), &mapping(json!({})));
    assert_eq!(
        planned,
        [
            ("power".to_owned(), json!("b"), Policy::Auto, None),
            ("budget".to_owned(), json!(2_000_000), Policy::Auto, None),
        ]
    );
}

/// Ids mean nothing to people.
#[test]
fn a_stage_has_the_name_that_the_crm_gives_it() {
    let crm = CrmNow {
        stage_name: Some("Fourth".to_owned()),
        ..now("d", json!(2_000_000))
    };
    let mut known = known();
    let mut named = |stage: &str| {
        known.deal.stage = serde_json::from_value(json!(stage)).expect("a stage");
        let change = plan(&known, "call_1", &crm, &Done::default(), &mapping(json!({})))
            .expect("a plan")
            .remove(0);
        (change.kind, change.old_name, change.new_name)
    };
    let old = Some("Fourth".to_owned());
    assert_eq!(
        named("pain"),
        (ChangeKind::Stage, old.clone(), Some("First".to_owned()))
    );
    assert_eq!(named("power"), (ChangeKind::Stage, old, None));
    let field = plan(
        &known,
        "call_1",
        &now("b", Value::Null),
        &Done::default(),
        &mapping(json!({})),
    );
    let field = field.expect("a plan").remove(0);
    assert_eq!(
        (field.kind, field.old_name, field.new_name),
        (ChangeKind::Field, None, None)
    );
}

#[test]
fn without_a_policy_a_person_is_asked() {
    let mapping = mapping(json!({"policy": {}}));
    for (.., policy, why) in planned(&known(), &now("a", Value::Null), &mapping) {
        assert_eq!((policy, why), (Policy::Ask, None));
    }
}

#[test]
fn a_person_decides_what_no_policy_may() {
    let auto = json!({});
    assert_eq!(
        stage_of(&known(), "c", auto.clone()),
        Some((Policy::Ask, why("backwards")))
    );
    assert_eq!(
        stage_of(&known(), "won", auto.clone()),
        Some((Policy::Ask, why("closed")))
    );
    assert_eq!(
        stage_of(&known(), "elsewhere", auto.clone()),
        Some((Policy::Ask, why("unknown_stage")))
    );
    assert_eq!(stage_of(&known(), "", auto.clone()), Some((Policy::Auto, None)));
    let mut closing = now("a", Value::Null);
    closing.closed.push(json!("b"));
    assert_eq!(planned(&known(), &closing, &mapping(auto.clone()))[0].3, why("closes"));
    let mut unsure = known();
    unsure.deal.confidence = 0.6;
    assert_eq!(stage_of(&unsure, "a", auto.clone()), Some((Policy::Ask, why("unsure"))));
    let least = json!({"policy": {"stage": "auto", "least_confidence": 0.5}});
    assert_eq!(stage_of(&unsure, "a", least), Some((Policy::Auto, None)));
    let never = json!({"policy": {"stage": "never"}});
    assert_eq!(stage_of(&known(), "c", never), Some((Policy::Never, why("backwards"))));
}

#[test]
fn what_the_crm_has_is_not_proposed() {
    assert_eq!(
        planned(&known(), &now("b", json!("2000000.00")), &mapping(json!({}))),
        []
    );
    let mut undecided = known();
    undecided.deal.abstained = true;
    assert_eq!(stage_of(&undecided, "a", json!({})), None);
    let mut talk = known();
    talk.call.not_sales = true;
    let all = mapping(json!({"note": true, "tasks": true}));
    assert_eq!(planned(&talk, &now("a", Value::Null), &all), []);
}

#[test]
fn what_somebody_wrote_is_not_overwritten_by_itself() {
    let now = now("b", json!(15));
    assert_eq!(planned(&known(), &now, &mapping(json!({})))[0].3, why("overwrites"));
    let overwrite = mapping(json!({"policy": {"fields": "auto", "overwrite": true}}));
    assert_eq!(planned(&known(), &now, &overwrite)[0].2, Policy::Auto);
    let one = mapping(json!({"policy": {"fields": "auto", "field": {"budget": "never"}}}));
    assert_eq!(planned(&known(), &now, &one)[0].2, Policy::Never);
}

#[test]
fn a_part_that_was_not_said_is_no_change() {
    let fields = json!({"fields": [
        {"ours": "team_size", "crm": "team", "value": "{{ value.amount }}"},
        {"ours": "budget", "crm": "money", "value": "{{ value.amount }} {{ value.currency }} {{ value.period }}"},
    ]});
    assert_eq!(planned(&known(), &now("b", Value::Null), &mapping(fields)), []);
}

#[test]
fn what_contradicts_itself_is_asked() {
    let team = mapping(json!({"fields": [{"ours": "team_size", "crm": "team", "value": "{{ value.n }}"}]}));
    let planned = planned(&known(), &now("b", Value::Null), &team);
    assert_eq!(
        planned,
        [("team_size".to_owned(), json!(12), Policy::Ask, why("conflict"))]
    );
}

#[test]
fn every_value_shows_its_words() {
    let changes = plan(
        &known(),
        "call_1",
        &now("a", Value::Null),
        &Done::default(),
        &mapping(json!({})),
    );
    let changes = changes.expect("a plan");
    let quotes: Vec<(&str, u32, &str)> = changes
        .iter()
        .flat_map(|change| &change.evidence)
        .map(|evidence| (evidence.call_id.as_str(), evidence.turn, evidence.quote.as_str()))
        .collect();
    assert_eq!(
        quotes,
        [
            ("call_1", 4, "we lose a day a week"),
            ("call_0", 9, "it hurts"),
            ("call_1", 6, "I sign that"),
            ("call_1", 7, "two million a year"),
        ]
    );
}

#[test]
fn a_note_and_tasks_once_a_call() {
    let all = mapping(json!({"stages": [], "fields": [], "note": true, "tasks": true, "policy": {"note": "auto"}}));
    let first = plan(&known(), "call_1", &now("a", Value::Null), &Done::default(), &all).expect("a plan");
    let kinds: Vec<_> = first.iter().map(|change| (change.kind, change.policy)).collect();
    assert_eq!(
        kinds,
        [(ChangeKind::Note, Policy::Auto), (ChangeKind::Task, Policy::Ask)]
    );
    insta::assert_snapshot!(first[0].new["text"].as_str().expect("a text"));
    assert_eq!(
        first[0].new["call"],
        json!({"id": "call_1", "date": "2026-04-16", "duration_s": 61.4})
    );
    assert_eq!(
        first[1].new,
        json!({"title": "Send the recap", "text": "It was promised", "due": "2026-04-17"})
    );
    let done = Done {
        note: true,
        tasks: vec!["send_recap_email".to_owned()],
    };
    assert_eq!(
        plan(&known(), "call_1", &now("a", Value::Null), &done, &all).expect("a plan"),
        []
    );
}

#[test]
fn a_customers_note_and_a_template_that_is_wrong() {
    let own =
        mapping(json!({"stages": [], "fields": [], "note": true, "note_text": "{{ date }}: {{ actions[0].title }}"}));
    let changes = plan(&known(), "call_1", &now("a", Value::Null), &Done::default(), &own).expect("a plan");
    assert_eq!(changes[0].new["text"], "2026-04-16: Send the recap");
    for (settings, begin) in [
        (
            json!({"fields": [{"ours": "budget", "crm": "money", "value": "{{ value.amount"}]}),
            "fields: `budget`: ",
        ),
        (json!({"note_text": "{% if %}"}), "note_text: "),
        (json!({"fields": [{"ours": "weather", "crm": "money"}]}), "unknown"),
        (json!({"policy": {"stages": "auto"}}), "unknown field `stages`"),
    ] {
        let error = Mapping::read(settings.as_object().expect("a table")).expect_err("wrong");
        assert!(error.starts_with(begin), "{error}");
    }
}
