//! The part of the suite about what leaves the machine.

use chrono::Duration;

use super::conformance::{add, at, claim, draft_change, figures, new_call, suite, summary, workspace};
use super::*;

suite! {
    an_event_is_told_to_those_who_want_it,
    what_is_not_kept_is_not_told,
    deliveries_of_a_deal_go_in_order,
    those_behind_wait_no_longer_than_needed,
    an_endpoint_has_so_many_under_way,
    a_dead_endpoint_keeps_nobody_waiting,
    a_late_worker_overwrites_nothing,
    deliveries_of_dead_workers_come_back,
    one_delivery_is_sent_again,
    what_failed_is_sent_again,
    what_was_never_sent_is_sent,
    an_endpoint_that_is_gone_is_switched_off,
    an_endpoint_is_switched_off_after_days,
    a_receiver_may_rest,
    an_endpoint_is_changed,
    an_endpoint_is_tested,
    an_endpoint_goes_with_its_deliveries,
    others_see_no_deliveries,
    erased_calls_are_not_told,
    approved_again_is_no_news,
    a_letter_goes_to_whom_its_approval_names,
    what_may_have_been_sent_is_known,
    a_mail_server_is_not_switched_off_for_failures,
    the_last_one_is_delivered,
    reminders_are_told_once,
    reminders_are_replaced,
    nobody_is_reminded_of_what_is_done,
    workers_share_the_work,
    ten_thousand_are_sent_soon,
}

const GONE: Then = Then::Disable {
    why: Disabled::Gone,
    delivered: false,
};
const ANSWER: &str = "thank you";

pub(super) fn endpoint(kind: EndpointKind, types: &[&str]) -> NewEndpoint {
    NewEndpoint {
        id: EndpointId::fresh(),
        kind,
        target: "https://example.com/hook".to_owned(),
        types: types.iter().map(|&kind| kind.to_owned()).collect(),
        secret: Sealed("sealed".to_owned()),
        file: None,
    }
}

pub(super) async fn connect(
    store: &dyn Store,
    workspace: &WorkspaceId,
    kind: EndpointKind,
    types: &[&str],
) -> EndpointId {
    let endpoint = endpoint(kind, types);
    let id = endpoint.id.clone();
    store
        .add_endpoint(workspace, endpoint, "test", at(0))
        .await
        .expect("added");
    id
}

async fn hook(store: &dyn Store, workspace: &WorkspaceId) -> EndpointId {
    connect(store, workspace, EndpointKind::Webhook, &[]).await
}

/// A call, of a deal or of none, that leaves events and reminders.
pub(super) struct Happened<'a> {
    pub deal: Option<&'a str>,
    pub owner: Option<&'a UserId>,
    pub kinds: &'a [&'static str],
    pub reminders: Vec<NewReminder>,
    pub second: i64,
}

impl<'a> Happened<'a> {
    pub fn new(deal: Option<&'a str>, kinds: &'a [&'static str], second: i64) -> Self {
        Self {
            deal,
            owner: None,
            kinds,
            reminders: Vec::new(),
            second,
        }
    }

    pub async fn keep(self, store: &dyn Store, workspace: &WorkspaceId) -> CallId {
        let call = NewCall {
            deal: self
                .deal
                .map_or(DealHint::Unsaid, |name| DealHint::Named(name.to_owned())),
            owner: self.owner.cloned(),
            ..new_call()
        };
        let id = add(store, workspace, call).await;
        let claimed = claim(store, self.second).await.expect("job");
        assert_eq!(claimed.call.id, id);
        let call_date = at(0).date_naive();
        let record = match &claimed.call.deal {
            None => None,
            Some(deal) => {
                let (_, seen_revision) = store
                    .history_before(workspace, deal, &id, call_date)
                    .await
                    .expect("history");
                Some(NewRecord {
                    deal: deal.clone(),
                    seen_revision,
                    call_date,
                    stage: None,
                    body: "{}".to_owned(),
                    figures: figures(call_date),
                })
            }
        };
        let events = self.kinds.iter().enumerate().map(|(number, &kind)| NewEvent {
            kind,
            payload: format!("{{\"number\":{number}}}"),
        });
        let outcome = Outcome {
            analysis: "{}".to_owned(),
            summary: summary("So it goes."),
            record,
            events: events.collect(),
            reminders: self.reminders,
        };
        let step = StepDone {
            step: Step::Transcript,
            body: "{}".to_owned(),
            media: "transcript",
            call_date,
        };
        store
            .finish_step(&claimed.fence, step, at(self.second))
            .await
            .expect("step");
        store
            .record_outcome(&claimed.fence, outcome, at(self.second))
            .await
            .expect("outcome");
        id
    }
}

async fn claimed(store: &dyn Store, most: u32, each: u32, second: i64) -> Vec<Due> {
    store
        .claim_deliveries(most, each, at(second), Duration::seconds(10))
        .await
        .expect("claims")
}

pub(super) fn tried(due: &Due, then: Then, second: i64) -> Attempted {
    let failed = matches!(
        then,
        Then::Failed | Then::Again { .. } | Then::Disable { delivered: false, .. }
    );
    Attempted {
        delivery: due.delivery.id.clone(),
        attempt: due.delivery.attempt,
        started_at: at(second),
        duration: std::time::Duration::from_millis(20),
        status: Some(if failed { 500 } else { 200 }),
        error: None,
        answer: ANSWER.to_owned(),
        then,
        message: failed.then(|| "the receiver answered 500".to_owned()),
    }
}

async fn finish_all(store: &dyn Store, tries: Vec<Attempted>, second: i64) {
    store
        .finish_deliveries(tries, Duration::days(5), at(second))
        .await
        .expect("kept");
}

async fn finished(store: &dyn Store, due: &Due, then: Then, second: i64) {
    finish_all(store, vec![tried(due, then, second)], second).await;
}

fn again(second: i64) -> Then {
    Then::Again {
        at: at(second),
        rest: None,
    }
}

async fn listed(store: &dyn Store, workspace: &WorkspaceId, endpoint: &EndpointId) -> Vec<Delivery> {
    let filter = DeliveryFilter {
        endpoint: Some(endpoint.clone()),
        limit: 100,
        ..DeliveryFilter::default()
    };
    let scope = Scope::all(workspace.clone());
    let mut all = store.deliveries(&scope, &filter).await.expect("asks");
    all.reverse();
    all
}

/// What an endpoint is told, the oldest first.
async fn kinds(store: &dyn Store, workspace: &WorkspaceId, endpoint: &EndpointId) -> Vec<String> {
    let all = listed(store, workspace, endpoint).await;
    all.into_iter().map(|delivery| delivery.event_kind).collect()
}

async fn one(store: &dyn Store, workspace: &WorkspaceId, id: &DeliveryId) -> (Delivery, Vec<Attempt>) {
    let scope = Scope::all(workspace.clone());
    store.delivery(&scope, id).await.expect("asks").expect("there")
}

async fn state(store: &dyn Store, workspace: &WorkspaceId, id: &EndpointId) -> Endpoint {
    store.endpoint(workspace, id).await.expect("asks").expect("there")
}

async fn enable(store: &dyn Store, workspace: &WorkspaceId, id: &EndpointId, enabled: bool, second: i64) -> Endpoint {
    let change = EndpointChange {
        enabled: Some(enabled),
        ..EndpointChange::default()
    };
    store
        .change_endpoint(workspace, id, change, "test", at(second))
        .await
        .expect("changed")
}

async fn event_kinds(store: &dyn Store, workspace: &WorkspaceId) -> Vec<String> {
    let scope = Scope::all(workspace.clone());
    let events = store.events(&scope, 0, 1000).await.expect("asks");
    events.into_iter().map(|event| event.kind).collect()
}

async fn an_event_is_told_to_those_who_want_it(store: &dyn Store) {
    let (ws, others) = (workspace(store).await, workspace(store).await);
    let all = hook(store, &ws).await;
    let some = connect(store, &ws, EndpointKind::Webhook, &["deal.updated", "call.failed"]).await;
    let crm = connect(store, &ws, EndpointKind::Crm, &["call.analyzed"]).await;
    let mail = connect(store, &ws, EndpointKind::Mail, &[]).await;
    let off = hook(store, &ws).await;
    enable(store, &ws, &off, false, 0).await;
    let theirs = hook(store, &others).await;
    let happened = Happened::new(
        Some("Depot"),
        &["call.analyzed", "deal.updated", "endpoint.disabled"],
        1,
    );
    let call = happened.keep(store, &ws).await;
    let scope = Scope::all(ws.clone());
    store
        .change_draft(
            &scope,
            &call,
            DraftChange {
                send_to: Some(vec!["dana@example.com".to_owned()]),
                ..draft_change(0, None, DraftState::Approved)
            },
            "test",
            at(2),
        )
        .await
        .expect("approved");
    for (endpoint, wanted) in [
        (&all, vec!["call.analyzed", "deal.updated", "followup.approved"]),
        (&some, vec!["deal.updated"]),
        (&crm, vec!["deal.updated", "followup.approved"]),
        (&mail, vec!["followup.approved"]),
        (&off, vec![]),
    ] {
        assert_eq!(kinds(store, &ws, endpoint).await, wanted);
    }
    assert!(listed(store, &others, &theirs).await.is_empty());
    // A part of a name is not the name.
    let part = connect(
        store,
        &ws,
        EndpointKind::Webhook,
        &["deal.stage_changed", "xdeal.updated"],
    )
    .await;
    Happened::new(Some("Mill"), &["deal.updated", "deal.stage_changed"], 3)
        .keep(store, &ws)
        .await;
    assert_eq!(kinds(store, &ws, &part).await, ["deal.stage_changed"]);
    let events = store.events(&scope, 0, 10).await.expect("asks");
    let first = &listed(store, &ws, &all).await[0];
    assert_eq!((&first.event, first.event_seq), (&events[0].id, events[0].seq));
    assert_eq!(
        (&first.call, first.state, first.attempt),
        (&Some(call), DeliveryState::Pending, 0)
    );
    assert_eq!((first.next_at, first.created_at), (at(1), at(1)));
    assert_eq!(first.deal, events[0].deal);
    let due = claimed(store, 10, 10, 4).await;
    let due = due.iter().find(|due| due.delivery.id == first.id).expect("due");
    assert_eq!((due.payload.as_str(), due.at, due.tries), ("{\"number\":0}", at(1), 1));
    assert_eq!(due.endpoint.secret, Sealed("sealed".to_owned()));
}

async fn what_is_not_kept_is_not_told(store: &dyn Store) {
    let ws = workspace(store).await;
    let all = hook(store, &ws).await;
    let of_deal = NewCall {
        deal: DealHint::Named("Depot".to_owned()),
        ..new_call()
    };
    add(store, &ws, of_deal).await;
    let job = claim(store, 1).await.expect("job");
    let stale = Outcome {
        analysis: "{}".to_owned(),
        summary: summary("So it goes."),
        record: Some(NewRecord {
            deal: job.call.deal.clone().expect("deal"),
            seen_revision: 7,
            call_date: at(0).date_naive(),
            stage: None,
            body: "{}".to_owned(),
            figures: figures(at(0).date_naive()),
        }),
        events: vec![NewEvent {
            kind: "call.analyzed",
            payload: "{}".to_owned(),
        }],
        reminders: vec![reminder("late", 5)],
    };
    assert!(matches!(
        store.record_outcome(&job.fence, stale, at(2)).await,
        Err(Error::Stale)
    ));
    assert!(listed(store, &ws, &all).await.is_empty());
    assert_eq!(store.tell_reminders(10, at(100)).await.expect("tells"), 0);
    // A call that failed is told with its deal.
    let problem = Problem {
        code: "bad_input".to_owned(),
        message: "no turns".to_owned(),
    };
    let told = Retry::Never(vec![NewEvent::call_failed(&job.call, &problem)]);
    store.fail_job(&job.fence, &problem, told, at(3)).await.expect("kept");
    let failed = &listed(store, &ws, &all).await[0];
    assert_eq!(
        (failed.event_kind.as_str(), &failed.deal),
        ("call.failed", &job.call.deal)
    );
}

fn places(due: &[Due]) -> Vec<(Option<DealId>, i64)> {
    due.iter()
        .map(|due| (due.delivery.deal.clone(), due.delivery.event_seq))
        .collect()
}

async fn deliveries_of_a_deal_go_in_order(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let (first, second) = (hook(store, &ws).await, hook(store, &ws).await);
    let depot = Happened::new(Some("Depot"), &["call.analyzed", "deal.updated"], 1)
        .keep(store, &ws)
        .await;
    Happened::new(Some("Mill"), &["call.analyzed"], 1)
        .keep(store, &ws)
        .await;
    Happened::new(None, &["call.analyzed", "followup.drafted"], 1)
        .keep(store, &ws)
        .await;
    Happened::new(Some("Depot"), &["deal.stage_changed"], 2)
        .keep(store, &ws)
        .await;
    let deal = store.call(&scope, &depot).await.expect("asks").expect("there").deal;
    let due = claimed(store, 100, 50, 3).await;
    let of_first: Vec<Due> = due.into_iter().filter(|due| due.endpoint.id == first).collect();
    let seqs: Vec<i64> = of_first.iter().map(|due| due.delivery.event_seq).collect();
    assert_eq!(seqs, [1, 3, 4, 5], "the second and the last of Depot wait");
    // The first of the deal has to be tried again: what comes later waits, although it is due.
    finished(store, &of_first[0], again(60), 4).await;
    let due = claimed(store, 100, 50, 5).await;
    assert!(due.iter().all(|due| due.endpoint.id == second), "{:?}", places(&due));
    let done = of_first[1..].iter().map(|due| tried(due, Then::Delivered, 5)).collect();
    finish_all(store, done, 5).await;
    assert!(
        claimed(store, 100, 50, 6)
            .await
            .iter()
            .all(|due| due.endpoint.id == second)
    );
    let due = claimed(store, 100, 50, 60).await;
    let again: Vec<&Due> = due.iter().filter(|due| due.endpoint.id == first).collect();
    assert_eq!(again.len(), 1, "{:?}", places(&due));
    assert_eq!(
        (again[0].delivery.event_seq, again[0].tries, again[0].delivery.attempt),
        (1, 2, 2)
    );
    finished(store, again[0], Then::Delivered, 61).await;
    let due = claimed(store, 100, 50, 61).await;
    let next: Vec<&Due> = due
        .iter()
        .filter(|due| due.endpoint.id == first && due.delivery.deal == deal)
        .collect();
    assert_eq!(next.len(), 1, "{:?}", places(&due));
    assert_eq!(next[0].delivery.event_seq, 2);
    // One that failed for good has ended too.
    finished(store, next[0], Then::Failed, 62).await;
    let due = claimed(store, 100, 50, 62).await;
    assert!(
        due.iter()
            .any(|due| due.endpoint.id == first && due.delivery.event_seq == 6)
    );
    // Sent again by hand it goes before what is later and has not ended, and not beside it.
    let last = due
        .iter()
        .find(|due| due.endpoint.id == first && due.delivery.event_seq == 6)
        .expect("due");
    finished(store, last, Then::Again { at: at(70), rest: None }, 63).await;
    let replay = Replay::One(next[0].delivery.id.clone());
    assert_eq!(store.replay(&ws, replay, "test", at(64)).await.expect("sent"), 1);
    let due = claimed(store, 100, 50, 71).await;
    let mine: Vec<&Due> = due.iter().filter(|due| due.endpoint.id == first).collect();
    assert_eq!(mine.iter().map(|due| due.delivery.event_seq).collect::<Vec<_>>(), [2]);
    finished(store, mine[0], Then::Delivered, 72).await;
    let due = claimed(store, 100, 50, 140).await;
    assert!(
        due.iter()
            .any(|due| due.endpoint.id == first && due.delivery.event_seq == 6)
    );
}

/// Those that are behind others step back; they are due at once when that ends, and soon when it was erased.
async fn those_behind_wait_no_longer_than_needed(store: &dyn Store) {
    let ws = workspace(store).await;
    let all = hook(store, &ws).await;
    Happened::new(Some("Depot"), &["call.analyzed", "deal.updated", "followup.drafted"], 1)
        .keep(store, &ws)
        .await;
    let due = claimed(store, 10, 8, 2).await;
    assert_eq!(due.len(), 1);
    for second in 3..6 {
        assert!(claimed(store, 10, 8, second).await.is_empty());
    }
    assert!(listed(store, &ws, &all).await[1].next_at > at(30), "stepped back");
    finished(store, &due[0], Then::Delivered, 6).await;
    let due = claimed(store, 10, 8, 6).await;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].delivery.event_seq, 2);
    finished(store, &due[0], Then::Dropped, 7).await;
    assert_eq!(claimed(store, 10, 8, 7).await[0].delivery.event_seq, 3);

    let early = Happened::new(Some("Mill"), &["call.analyzed"], 8)
        .keep(store, &ws)
        .await;
    Happened::new(Some("Mill"), &["call.analyzed"], 9)
        .keep(store, &ws)
        .await;
    assert_eq!(claimed(store, 10, 8, 10).await.len(), 1);
    let scope = Scope::all(ws.clone());
    store
        .erase_call(&scope, &early, false, "test", at(11))
        .await
        .expect("erased");
    let later = claimed(store, 10, 8, 71).await;
    assert!(
        later.iter().any(|due| due.delivery.event_seq == 5),
        "{:?}",
        places(&later)
    );
}

async fn an_endpoint_has_so_many_under_way(store: &dyn Store) {
    let ws = workspace(store).await;
    let busy = hook(store, &ws).await;
    Happened::new(None, &["call.analyzed"; 20], 1).keep(store, &ws).await;
    let due = claimed(store, 100, 8, 2).await;
    assert_eq!(due.len(), 8);
    assert!(claimed(store, 100, 8, 3).await.is_empty());
    let done = due[..3].iter().map(|due| tried(due, Then::Delivered, 3)).collect();
    finish_all(store, done, 3).await;
    assert_eq!(claimed(store, 2, 8, 4).await.len(), 2, "not more than asked for");
    assert_eq!(claimed(store, 100, 8, 4).await.len(), 1);
    // One that fails has one at a time, as soon as the others are back.
    finished(store, &due[3], again(1000), 5).await;
    assert!(claimed(store, 100, 8, 6).await.is_empty());
    assert_eq!(
        state(store, &ws, &busy).await.failing_since,
        Some(at(5) + Duration::milliseconds(20))
    );
    let done = due[4..].iter().map(|due| tried(due, Then::Failed, 6)).collect();
    finish_all(store, done, 7).await;
    assert!(claimed(store, 100, 8, 7).await.is_empty(), "three are still under way");
    let due = claimed(store, 100, 8, 20).await;
    assert_eq!(due.len(), 1, "their leases ran out");
    assert!(claimed(store, 100, 8, 21).await.is_empty());
    finished(store, &due[0], Then::Delivered, 22).await;
    assert_eq!(claimed(store, 100, 8, 23).await.len(), 8);
    let figures = store.delivery_figures(at(30)).await.expect("asks");
    assert_eq!((figures.pending, figures.disabled_endpoints), (12, 0));
    assert_eq!(figures.oldest_s, 16, "since the leases ran out");
}

async fn a_dead_endpoint_keeps_nobody_waiting(store: &dyn Store) {
    let ws = workspace(store).await;
    let dead = [hook(store, &ws).await, hook(store, &ws).await];
    Happened::new(None, &["call.analyzed"; 300], 1).keep(store, &ws).await;
    let alive = hook(store, &ws).await;
    let busy: Vec<EndpointId> = claimed(store, 4, 2, 2)
        .await
        .into_iter()
        .map(|due| due.endpoint.id)
        .collect();
    assert_eq!(busy, [&dead[0], &dead[0], &dead[1], &dead[1]].map(Clone::clone));
    Happened::new(None, &["call.failed"], 3).keep(store, &ws).await;
    let due = claimed(store, 1, 8, 3).await;
    assert_eq!(due[0].endpoint.id, alive, "it waited longest");
    // With room for one they take turns.
    Happened::new(None, &["call.failed"; 3], 4).keep(store, &ws).await;
    let mut turns = Vec::new();
    for second in 5..11 {
        turns.extend(
            claimed(store, 1, 8, second)
                .await
                .into_iter()
                .map(|due| due.endpoint.id),
        );
    }
    for endpoint in dead.iter().chain([&alive]) {
        assert_eq!(turns.iter().filter(|turn| *turn == endpoint).count(), 2);
    }
}

async fn a_late_worker_overwrites_nothing(store: &dyn Store) {
    let ws = workspace(store).await;
    hook(store, &ws).await;
    Happened::new(None, &["call.analyzed"], 1).keep(store, &ws).await;
    let first = claimed(store, 10, 8, 2).await.remove(0);
    assert!(claimed(store, 10, 8, 11).await.is_empty());
    let second = claimed(store, 10, 8, 12).await.remove(0);
    assert_eq!((second.delivery.attempt, second.tries), (2, 2));
    let id = &first.delivery.id;
    finished(store, &first, Then::Delivered, 13).await;
    let (delivery, attempts) = one(store, &ws, id).await;
    assert_eq!(delivery.state, DeliveryState::Pending);
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1]);
    finished(store, &second, Then::Failed, 14).await;
    let (delivery, attempts) = one(store, &ws, id).await;
    assert_eq!(
        (delivery.state, delivery.done_at),
        (DeliveryState::Failed, Some(at(14)))
    );
    assert_eq!(delivery.message.as_deref(), Some("the receiver answered 500"));
    let ledger: Vec<(i64, Option<i64>, i64, &str)> = attempts
        .iter()
        .map(|attempt| {
            (
                attempt.number,
                attempt.status,
                attempt.duration_ms,
                attempt.answer.as_str(),
            )
        })
        .collect();
    assert_eq!(ledger, [(1, Some(200), 20, ANSWER), (2, Some(500), 20, ANSWER)]);
    // What was written down once stays.
    finished(store, &second, Then::Delivered, 15).await;
    assert_eq!(one(store, &ws, id).await.0.state, DeliveryState::Failed);
    // Sent again, it is not ended by what came of an older try.
    store
        .replay(&ws, Replay::One(id.clone()), "test", at(16))
        .await
        .expect("sent");
    finished(store, &second, Then::Delivered, 17).await;
    assert_eq!(one(store, &ws, id).await.0.state, DeliveryState::Pending);
    let third = claimed(store, 10, 8, 18).await.remove(0);
    assert_eq!((third.delivery.attempt, third.tries), (3, 1));
    assert_eq!(third.delivery.event, first.delivery.event);
}

async fn deliveries_of_dead_workers_come_back(store: &dyn Store) {
    let ws = workspace(store).await;
    hook(store, &ws).await;
    assert_eq!(store.next_delivery_at().await.expect("asks"), None);
    Happened::new(Some("Depot"), &["call.analyzed", "deal.updated"], 1)
        .keep(store, &ws)
        .await;
    assert_eq!(store.next_delivery_at().await.expect("asks"), Some(at(1)));
    let due = claimed(store, 10, 8, 2).await;
    assert_eq!(due.len(), 1);
    assert_eq!(
        store.next_delivery_at().await.expect("asks"),
        Some(at(12)),
        "its lease ends"
    );
    assert_eq!(store.release_all_deliveries(at(3)).await.expect("given back"), 1);
    let due = claimed(store, 10, 8, 3).await;
    assert_eq!((due.len(), due[0].tries), (1, 2));
    assert_eq!(due[0].delivery.event_seq, 1);
}

async fn one_delivery_is_sent_again(store: &dyn Store) {
    let ws = workspace(store).await;
    let all = hook(store, &ws).await;
    Happened::new(None, &["call.analyzed"], 1).keep(store, &ws).await;
    let due = claimed(store, 10, 8, 2).await.remove(0);
    let again = async |second| {
        let replay = Replay::One(due.delivery.id.clone());
        store.replay(&ws, replay, "anna", at(second)).await
    };
    assert!(matches!(again(3).await, Err(Error::Conflict(_))), "it is being sent");
    finished(store, &due, Then::Delivered, 4).await;
    assert_eq!(again(5).await.expect("sent"), 1);
    let second = claimed(store, 10, 8, 5).await.remove(0);
    assert_eq!(second.delivery.event, due.delivery.event);
    assert_eq!((second.delivery.attempt, second.tries), (2, 1));
    // One that waits for its next try need not.
    finished(
        store,
        &second,
        Then::Again {
            at: at(9000),
            rest: None,
        },
        6,
    )
    .await;
    assert_eq!(again(7).await.expect("sent"), 1);
    assert_eq!(claimed(store, 10, 8, 7).await.len(), 1);
    enable(store, &ws, &all, false, 8).await;
    assert!(matches!(again(100).await, Err(Error::Conflict(_))));
    let none = Replay::One(DeliveryId::from("dlv_none"));
    assert!(matches!(
        store.replay(&ws, none, "anna", at(9)).await,
        Err(Error::Missing { .. })
    ));
    let lines = store.audit_lines(&ws, None, 100).await.expect("asks");
    let replayed = lines.iter().filter(|line| line.action == "delivery.replayed");
    assert_eq!(replayed.filter(|line| line.actor == "anna").count(), 2);
}

async fn what_failed_is_sent_again(store: &dyn Store) {
    let ws = workspace(store).await;
    let (all, other) = (hook(store, &ws).await, hook(store, &ws).await);
    Happened::new(None, &["call.analyzed"; 3], 1).keep(store, &ws).await;
    let due = claimed(store, 10, 8, 2).await;
    let mine: Vec<&Due> = due.iter().filter(|due| due.endpoint.id == all).collect();
    finished(store, mine[0], Then::Failed, 3).await;
    finished(store, mine[1], Then::Failed, 10).await;
    finished(store, mine[2], Then::Delivered, 10).await;
    let theirs = due.iter().filter(|due| due.endpoint.id == other);
    finish_all(store, theirs.map(|due| tried(due, Then::Failed, 10)).collect(), 10).await;
    let again = Replay::Failed {
        endpoint: all.clone(),
        since: at(10),
    };
    assert_eq!(store.replay(&ws, again.clone(), "test", at(11)).await.expect("sent"), 1);
    let due = claimed(store, 10, 8, 11).await;
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].delivery.event, mine[1].delivery.event);
    assert_eq!(store.replay(&ws, again.clone(), "test", at(12)).await.expect("sent"), 0);
    enable(store, &ws, &all, false, 13).await;
    assert!(matches!(
        store.replay(&ws, again, "test", at(14)).await,
        Err(Error::Conflict(_))
    ));
}

async fn what_was_never_sent_is_sent(store: &dyn Store) {
    let ws = workspace(store).await;
    let some = connect(store, &ws, EndpointKind::Webhook, &["deal.updated"]).await;
    let happened = async |second| {
        let kinds = ["call.analyzed", "deal.updated"];
        Happened::new(Some("Depot"), &kinds, second).keep(store, &ws).await
    };
    happened(1).await;
    enable(store, &ws, &some, false, 2).await;
    for second in [10, 20] {
        happened(second).await;
    }
    enable(store, &ws, &some, true, 30).await;
    happened(40).await;
    assert_eq!(listed(store, &ws, &some).await.len(), 2);
    let missed = |second| Replay::NeverAttempted {
        endpoint: some.clone(),
        since: at(second),
    };
    assert_eq!(store.replay(&ws, missed(11), "test", at(50)).await.expect("sent"), 1);
    assert_eq!(store.replay(&ws, missed(0), "test", at(51)).await.expect("sent"), 1);
    assert_eq!(store.replay(&ws, missed(0), "test", at(52)).await.expect("sent"), 0);
    let all = listed(store, &ws, &some).await;
    let seqs: Vec<i64> = all.iter().map(|delivery| delivery.event_seq).collect();
    assert_eq!(seqs, [2, 4, 6, 8], "listed by the events that they tell");
    // In order, although two of them came later.
    for wanted in [2, 4, 6, 8] {
        let due = claimed(store, 10, 8, 60).await;
        assert_eq!(
            due.iter().map(|due| due.delivery.event_seq).collect::<Vec<_>>(),
            [wanted]
        );
        finished(store, &due[0], Then::Delivered, 60).await;
    }
    // A new endpoint may catch up.
    let new = hook(store, &ws).await;
    let all = Replay::NeverAttempted {
        endpoint: new.clone(),
        since: at(0),
    };
    assert_eq!(store.replay(&ws, all, "test", at(70)).await.expect("sent"), 8);
    let none = Replay::NeverAttempted {
        endpoint: EndpointId::from("ep_none"),
        since: at(0),
    };
    assert!(matches!(
        store.replay(&ws, none, "test", at(71)).await,
        Err(Error::Missing { .. })
    ));
}

async fn an_endpoint_that_is_gone_is_switched_off(store: &dyn Store) {
    let ws = workspace(store).await;
    let told = ["endpoint.disabled", "call.analyzed"];
    let gone = connect(store, &ws, EndpointKind::Webhook, &told).await;
    Happened::new(None, &["call.analyzed"; 3], 1).keep(store, &ws).await;
    let watch = connect(store, &ws, EndpointKind::Webhook, &told).await;
    let due = claimed(store, 1, 8, 2).await.remove(0);
    finished(store, &due, GONE, 3).await;
    assert_eq!(state(store, &ws, &gone).await.disabled, Some((Disabled::Gone, at(3))));
    assert_eq!(one(store, &ws, &due.delivery.id).await.0.state, DeliveryState::Failed);
    assert_eq!(kinds(store, &ws, &watch).await, ["endpoint.disabled"]);
    assert_eq!(kinds(store, &ws, &gone).await, ["call.analyzed"; 3], "not of itself");
    let lines = store.audit_lines(&ws, None, 10).await.expect("asks");
    assert!(
        lines
            .iter()
            .any(|line| line.action == "endpoint.disabled" && line.subject == gone.as_str())
    );
    assert_eq!(store.delivery_figures(at(9)).await.expect("asks").disabled_endpoints, 1);
    let due: Vec<EndpointId> = claimed(store, 10, 8, 9)
        .await
        .into_iter()
        .map(|due| due.endpoint.id)
        .collect();
    assert_eq!(due, std::slice::from_ref(&watch));
    // The answers of tries that were under way change nothing of it.
    let fresh = enable(store, &ws, &gone, true, 20).await;
    assert_eq!((fresh.disabled, fresh.failing_since), (None, None));
    assert_eq!(claimed(store, 10, 8, 20).await.len(), 2 + 1);
    let missed = Replay::NeverAttempted {
        endpoint: gone.clone(),
        since: at(0),
    };
    assert_eq!(
        store.replay(&ws, missed, "test", at(21)).await.expect("sent"),
        0,
        "nor later"
    );
}

async fn an_endpoint_is_switched_off_after_days(store: &dyn Store) {
    let ws = workspace(store).await;
    let day = 86_400;
    let all = hook(store, &ws).await;
    Happened::new(None, &["call.analyzed"; 2], 0).keep(store, &ws).await;
    let fail = async |second: i64| {
        let due = claimed(store, 1, 8, second).await.remove(0);
        finished(store, &due, again(second), second).await;
        state(store, &ws, &all).await
    };
    for hours in [0, 24, 72, 119] {
        assert_eq!(fail(hours * 3600).await.disabled, None, "{hours} h");
    }
    // A success between: the days are counted from the next failure.
    let due = claimed(store, 1, 8, 5 * day - 10).await.remove(0);
    finished(store, &due, Then::Delivered, 5 * day - 10).await;
    assert_eq!(state(store, &ws, &all).await.failing_since, None);
    assert_eq!(
        state(store, &ws, &all).await.last_success_at,
        Some(at(5 * day - 10) + Duration::milliseconds(20))
    );
    for hours in [120, 150, 239] {
        assert_eq!(fail(hours * 3600).await.disabled, None, "{hours} h");
    }
    let off = fail(241 * 3600).await;
    assert_eq!(off.disabled, Some((Disabled::Failing, at(241 * 3600))));
    assert!(claimed(store, 1, 8, 12 * day).await.is_empty());
    assert_eq!(
        event_kinds(store, &ws).await.pop().as_deref(),
        Some("endpoint.disabled")
    );
    // What waited is sent at once, with all its tries.
    enable(store, &ws, &all, true, 12 * day).await;
    let due = claimed(store, 1, 8, 12 * day).await.remove(0);
    assert_eq!(due.tries, 1);
    // However short the patience, two tries within minutes may fail by one mishap.
    let no_patience = async |second| {
        let tries = vec![tried(&due, again(second), second)];
        store
            .finish_deliveries(tries, Duration::zero(), at(second))
            .await
            .expect("kept");
    };
    no_patience(12 * day + 1).await;
    assert_eq!(state(store, &ws, &all).await.disabled, None);
    let due = claimed(store, 1, 8, 12 * day + 600).await.remove(0);
    let tries = vec![tried(&due, Then::Failed, 12 * day + 600)];
    store
        .finish_deliveries(tries, Duration::zero(), at(12 * day + 600))
        .await
        .expect("kept");
    assert_eq!(state(store, &ws, &all).await.disabled, None);
    Happened::new(None, &["call.analyzed"], 13 * day).keep(store, &ws).await;
    let due = claimed(store, 1, 8, 13 * day).await.remove(0);
    let tries = vec![tried(&due, Then::Failed, 13 * day)];
    store
        .finish_deliveries(tries, Duration::zero(), at(13 * day))
        .await
        .expect("kept");
    assert_eq!(
        state(store, &ws, &all).await.disabled.expect("off").0,
        Disabled::Failing
    );
}

async fn a_receiver_may_rest(store: &dyn Store) {
    let ws = workspace(store).await;
    let all = hook(store, &ws).await;
    Happened::new(None, &["call.analyzed"; 3], 1).keep(store, &ws).await;
    let due = claimed(store, 1, 8, 2).await.remove(0);
    let rest = Then::Again {
        at: at(50),
        rest: Some(at(40)),
    };
    finished(store, &due, rest, 3).await;
    assert!(claimed(store, 10, 8, 39).await.is_empty());
    assert_eq!(store.next_delivery_at().await.expect("asks"), Some(at(40)));
    assert_eq!(claimed(store, 10, 8, 40).await.len(), 1);
    // Switched off and on again, nothing is held back.
    let due = claimed(store, 1, 8, 51).await.remove(0);
    let rest = Then::Again {
        at: at(9000),
        rest: Some(at(9000)),
    };
    finished(store, &due, rest, 52).await;
    enable(store, &ws, &all, false, 53).await;
    assert_eq!(store.next_delivery_at().await.expect("asks"), None);
    enable(store, &ws, &all, true, 54).await;
    assert_eq!(claimed(store, 10, 8, 54).await.len(), 3);
}

async fn an_endpoint_is_changed(store: &dyn Store) {
    let ws = workspace(store).await;
    let id = hook(store, &ws).await;
    let other = hook(store, &ws).await;
    let pages = [
        store.endpoints(&ws, None, 1).await.expect("asks"),
        store.endpoints(&ws, Some(&other), 10).await.expect("asks"),
    ];
    let pages = pages.map(|page| page.into_iter().map(|endpoint| endpoint.id).collect::<Vec<_>>());
    assert_eq!(pages, [vec![other], vec![id.clone()]]);
    let change = EndpointChange {
        types: Some(vec!["call.failed".to_owned(), "deal.updated".to_owned()]),
        rotate: Some((Sealed("new".to_owned()), at(90))),
        ..EndpointChange::default()
    };
    let changed = store
        .change_endpoint(&ws, &id, change, "anna", at(5))
        .await
        .expect("changed");
    assert_eq!(changed, state(store, &ws, &id).await);
    assert_eq!(changed.types, ["call.failed", "deal.updated"]);
    assert_eq!(changed.secret, Sealed("new".to_owned()));
    assert_eq!(changed.previous, Some((Sealed("sealed".to_owned()), at(90))));
    // A second rotation: the one before the last signs no more.
    let change = EndpointChange {
        rotate: Some((Sealed("newer".to_owned()), at(95))),
        ..EndpointChange::default()
    };
    let changed = store
        .change_endpoint(&ws, &id, change, "anna", at(6))
        .await
        .expect("changed");
    assert_eq!(changed.previous, Some((Sealed("new".to_owned()), at(95))));
    assert_eq!(changed.types.len(), 2, "as it was");
    let off = enable(store, &ws, &id, false, 7).await;
    assert_eq!(off.disabled, Some((Disabled::Person, at(7))));
    assert_eq!(enable(store, &ws, &id, false, 8).await.disabled, off.disabled);
    let lines = store.audit_lines(&ws, None, 10).await.expect("asks");
    assert_eq!(lines.iter().filter(|line| line.action == "endpoint.changed").count(), 4);
    let said = format!("{lines:?} {changed:?}");
    assert!(!said.contains("newer") && !said.contains("sealed"), "{said}");
    let none = EndpointId::from("ep_none");
    let nothing = EndpointChange::default();
    assert!(matches!(
        store.change_endpoint(&ws, &none, nothing, "anna", at(9)).await,
        Err(Error::Missing { .. })
    ));
}

async fn an_endpoint_is_tested(store: &dyn Store) {
    let ws = workspace(store).await;
    let some = connect(store, &ws, EndpointKind::Webhook, &["call.failed"]).await;
    let other = hook(store, &ws).await;
    let id = store
        .test_endpoint(&ws, &some, "{\"test\":1}", "anna", at(1))
        .await
        .expect("told");
    let due = claimed(store, 10, 8, 1).await;
    assert_eq!(due.len(), 1);
    assert_eq!((&due[0].delivery.id, due[0].payload.as_str()), (&id, "{\"test\":1}"));
    assert_eq!(due[0].delivery.event_kind, "endpoint.test");
    assert!(listed(store, &ws, &other).await.is_empty());
    enable(store, &ws, &some, false, 2).await;
    assert!(matches!(
        store.test_endpoint(&ws, &some, "{}", "anna", at(3)).await,
        Err(Error::Conflict(_))
    ));
}

async fn an_endpoint_goes_with_its_deliveries(store: &dyn Store) {
    let ws = workspace(store).await;
    let (gone, stays) = (hook(store, &ws).await, hook(store, &ws).await);
    Happened::new(None, &["call.analyzed"; 2], 1).keep(store, &ws).await;
    let due = claimed(store, 10, 8, 2).await;
    store.delete_endpoint(&ws, &gone, "anna", at(3)).await.expect("deleted");
    assert!(store.endpoint(&ws, &gone).await.expect("asks").is_none());
    assert!(listed(store, &ws, &gone).await.is_empty());
    // What comes of its tries is of no interest, and does no harm to the others.
    let done = due.iter().map(|due| tried(due, Then::Delivered, 4)).collect();
    finish_all(store, done, 4).await;
    let left = listed(store, &ws, &stays).await;
    assert!(left.iter().all(|delivery| delivery.state == DeliveryState::Delivered) && left.len() == 2);
    assert!(matches!(
        store.delete_endpoint(&ws, &gone, "anna", at(5)).await,
        Err(Error::Missing { .. })
    ));
}

async fn others_see_no_deliveries(store: &dyn Store) {
    let (ws, theirs) = (workspace(store).await, workspace(store).await);
    let id = hook(store, &ws).await;
    let anna = UserId::fresh();
    let own = Happened {
        owner: Some(&anna),
        ..Happened::new(Some("Depot"), &["call.analyzed"], 1)
    };
    let own = own.keep(store, &ws).await;
    // Another's call with the deal that is hers, and one that is not.
    let with_deal = Happened::new(Some("Depot"), &["deal.updated"], 2)
        .keep(store, &ws)
        .await;
    Happened::new(Some("Mill"), &["call.analyzed"], 3)
        .keep(store, &ws)
        .await;
    store.test_endpoint(&ws, &id, "{}", "test", at(4)).await.expect("told");
    let all = listed(store, &ws, &id).await;
    assert_eq!(all.len(), 4);
    let rep = Scope {
        workspace: ws.clone(),
        owner: Some(anna),
    };
    let filter = DeliveryFilter {
        limit: 10,
        ..DeliveryFilter::default()
    };
    let seen = store.deliveries(&rep, &filter).await.expect("asks");
    let calls: Vec<Option<CallId>> = seen.iter().map(|delivery| delivery.call.clone()).collect();
    assert_eq!(calls, [Some(with_deal), Some(own.clone())]);
    for (delivery, seen) in all.iter().zip([true, true, false, false]) {
        assert_eq!(store.delivery(&rep, &delivery.id).await.expect("asks").is_some(), seen);
    }
    let other = Scope::all(theirs.clone());
    assert!(store.deliveries(&other, &filter).await.expect("asks").is_empty());
    assert!(store.delivery(&other, &all[0].id).await.expect("asks").is_none());
    assert!(store.endpoint(&theirs, &id).await.expect("asks").is_none());
    assert!(store.endpoints(&theirs, None, 10).await.expect("asks").is_empty());
    let one = Replay::One(all[0].id.clone());
    let failed = Replay::Failed {
        endpoint: id.clone(),
        since: at(0),
    };
    let missed = Replay::NeverAttempted {
        endpoint: id.clone(),
        since: at(0),
    };
    let mut refused = Vec::new();
    for replay in [one, failed, missed] {
        refused.push(store.replay(&theirs, replay, "test", at(9)).await.map(|_| ()));
    }
    let change = EndpointChange {
        enabled: Some(false),
        ..EndpointChange::default()
    };
    refused.push(
        store
            .change_endpoint(&theirs, &id, change, "test", at(9))
            .await
            .map(|_| ()),
    );
    refused.push(store.test_endpoint(&theirs, &id, "{}", "test", at(9)).await.map(|_| ()));
    refused.push(store.delete_endpoint(&theirs, &id, "test", at(9)).await);
    for refused in refused {
        assert!(matches!(refused, Err(Error::Missing { .. })), "{refused:?}");
    }
    // Each filter of the list.
    let scope = Scope::all(ws);
    let count = async |filter: DeliveryFilter| store.deliveries(&scope, &filter).await.expect("asks").len();
    let base = || filter.clone();
    for (filter, wanted) in [
        (
            DeliveryFilter {
                call: Some(own),
                ..base()
            },
            1,
        ),
        (
            DeliveryFilter {
                deal: all[0].deal.clone(),
                ..base()
            },
            2,
        ),
        (
            DeliveryFilter {
                event_kind: Some("call.analyzed".to_owned()),
                ..base()
            },
            2,
        ),
        (
            DeliveryFilter {
                since: Some(at(3)),
                ..base()
            },
            2,
        ),
        (
            DeliveryFilter {
                before: Some(all[2].id.clone()),
                ..base()
            },
            2,
        ),
        (
            DeliveryFilter {
                state: Some(DeliveryState::Failed),
                ..base()
            },
            0,
        ),
        (DeliveryFilter { limit: 3, ..base() }, 3),
    ] {
        assert_eq!(count(filter.clone()).await, wanted, "{filter:?}");
    }
}

async fn erased_calls_are_not_told(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let all = hook(store, &ws).await;
    let gone = Happened::new(Some("Depot"), &["call.analyzed"], 1)
        .keep(store, &ws)
        .await;
    let stays = Happened::new(Some("Mill"), &["call.analyzed"], 1)
        .keep(store, &ws)
        .await;
    let due = claimed(store, 10, 8, 2).await;
    assert_eq!(due.len(), 2);
    store
        .erase_call(&scope, &gone, false, "test", at(3))
        .await
        .expect("erased");
    let done = due.iter().map(|due| tried(due, Then::Delivered, 4)).collect();
    finish_all(store, done, 4).await;
    let left = listed(store, &ws, &all).await;
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0].call, left[0].state), (&Some(stays), DeliveryState::Delivered));
    // Old events take theirs along.
    let keep = Retention {
        event_days: Some(1),
        ..Retention::default()
    };
    store.expire(&ws, &keep, at(2 * 86_400), 100).await.expect("expires");
    assert!(listed(store, &ws, &all).await.is_empty());
}

async fn approved_again_is_no_news(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let told = hook(store, &ws).await;
    let call = add(store, &ws, new_call()).await;
    let change = async |revision, text: Option<&str>, state| {
        let change = draft_change(revision, text, state);
        store
            .change_draft(&scope, &call, change, "test", at(1))
            .await
            .expect("kept")
    };
    change(0, None, DraftState::Approved).await;
    change(1, None, DraftState::Approved).await;
    assert_eq!(listed(store, &ws, &told).await.len(), 1);
    change(2, Some("{\"body\":\"new\"}"), DraftState::Draft).await;
    change(3, None, DraftState::Approved).await;
    change(4, Some("{\"body\":\"new\"}"), DraftState::Approved).await;
    assert_eq!(listed(store, &ws, &told).await.len(), 2);
    let last = store.events(&scope, 0, 10).await.expect("asks").pop().expect("event");
    let told: serde_json::Value = serde_json::from_str(&last.payload).expect("JSON");
    let link = format!("/v1/calls/{call}/follow-up");
    let wanted = serde_json::json!({"call_id": call, "deal_id": null, "revision": 4, "follow_up": link});
    assert_eq!(told, wanted);
}

async fn a_letter_goes_to_whom_its_approval_names(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let call = add(store, &ws, new_call()).await;
    let change = async |revision, state, send_to: Option<&[&str]>| {
        let change = DraftChange {
            send_to: send_to.map(|to| to.iter().map(|&to| to.to_owned()).collect()),
            ..draft_change(revision, Some("{}"), state)
        };
        store.change_draft(&scope, &call, change, "test", at(1)).await
    };
    let dana: Option<&[&str]> = Some(&["dana@example.com"]);
    let refused = change(0, DraftState::Approved, dana).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let mail = connect(store, &ws, EndpointKind::Mail, &[]).await;
    let second = store
        .add_endpoint(&ws, endpoint(EndpointKind::Mail, &[]), "test", at(0))
        .await;
    assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");
    // Other workspaces have theirs.
    connect(store, &workspace(store).await, EndpointKind::Mail, &[]).await;
    // A person who names nobody sends nothing.
    change(0, DraftState::Approved, None).await.expect("kept");
    assert!(listed(store, &ws, &mail).await.is_empty());
    let kept = change(1, DraftState::Approved, dana).await.expect("kept");
    assert_eq!((kept.send_to.len(), kept.approved_revision), (1, Some(2)));
    assert_eq!(listed(store, &ws, &mail).await.len(), 1);
    // Approved again, it goes nowhere else.
    for (revision, send_to) in [(2, None), (3, dana)] {
        let kept = change(revision, DraftState::Approved, send_to).await.expect("kept");
        assert_eq!((kept.send_to.len(), kept.approved_revision), (1, Some(2)));
    }
    assert_eq!(listed(store, &ws, &mail).await.len(), 1);
    let kept = change(4, DraftState::Draft, dana).await.expect("kept");
    assert_eq!((kept.send_to.len(), kept.approved_revision), (0, Some(2)));
    let both: Option<&[&str]> = Some(&["dana@example.com", "boss@example.com"]);
    let kept = change(5, DraftState::Approved, both).await.expect("kept");
    assert_eq!((kept.send_to.len(), kept.approved_revision), (2, Some(6)));
    assert_eq!(listed(store, &ws, &mail).await.len(), 2);
    // A server that is switched off sends nothing.
    enable(store, &ws, &mail, false, 2).await;
    let refused = change(6, DraftState::Approved, dana).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let log = store.audit_lines(&ws, None, 200).await.expect("asks");
    assert!(log.iter().all(|line| !line.details.contains('@')), "{log:?}");
}

async fn what_may_have_been_sent_is_known(store: &dyn Store) {
    let ws = workspace(store).await;
    let mail = connect(store, &ws, EndpointKind::Mail, &[]).await;
    store
        .test_endpoint(&ws, &mail, "{}", "test", at(0))
        .await
        .expect("a test");
    let due = claimed(store, 10, 8, 1).await.remove(0);
    assert!(!due.unsure);
    // A worker that dies before it begins has sent nothing.
    store.release_all_deliveries(at(2)).await.expect("released");
    let late = due;
    let due = claimed(store, 10, 8, 3).await.remove(0);
    assert!(!due.unsure);
    assert!(
        !store.begin_delivery(&late, at(90), at(3)).await.expect("asks"),
        "it has no lease"
    );
    assert!(store.begin_delivery(&due, at(90), at(4)).await.expect("asks"));
    let ledger = async |id| {
        let (_, tries) = one(store, &ws, id).await;
        tries
            .iter()
            .map(|of| (of.number, of.status, of.error.clone()))
            .collect::<Vec<_>>()
    };
    let begun = Some("begun".to_owned());
    assert_eq!(ledger(&due.delivery.id).await, [(2, None, begun.clone())]);
    // It has it for as long as it said.
    assert!(claimed(store, 10, 8, 89).await.is_empty());
    let next = claimed(store, 10, 8, 91).await.remove(0);
    assert!(next.unsure);
    // What comes late is written down, and changes nothing else.
    finished(store, &due, Then::Delivered, 92).await;
    let seen = &listed(store, &ws, &mail).await[0];
    assert_eq!((seen.state, seen.attempt), (DeliveryState::Pending, 3));
    assert_eq!(ledger(&seen.id).await, [(2, Some(200), None)]);
    finished(store, &next, Then::Failed, 93).await;
    // Somebody looked, and sends it again.
    store
        .replay(&ws, Replay::One(seen.id.clone()), "test", at(94))
        .await
        .expect("sent again");
    let again = claimed(store, 10, 8, 95).await.remove(0);
    assert!(!again.unsure);
}

async fn a_mail_server_is_not_switched_off_for_failures(store: &dyn Store) {
    let ws = workspace(store).await;
    let mail = connect(store, &ws, EndpointKind::Mail, &[]).await;
    for day in [0, 9] {
        let now = day * 86_400;
        store
            .test_endpoint(&ws, &mail, "{}", "test", at(now))
            .await
            .expect("a test");
        let due = claimed(store, 10, 8, now + 1).await.remove(0);
        finished(store, &due, Then::Failed, now + 2).await;
    }
    let seen = state(store, &ws, &mail).await;
    assert!(seen.failing_since.is_some() && seen.disabled.is_none(), "{seen:?}");
}

async fn the_last_one_is_delivered(store: &dyn Store) {
    let ws = workspace(store).await;
    let hook = hook(store, &ws).await;
    store
        .test_endpoint(&ws, &hook, "{}", "test", at(0))
        .await
        .expect("a test");
    let due = claimed(store, 10, 8, 1).await.remove(0);
    let last = Then::Disable {
        why: Disabled::Receiver,
        delivered: true,
    };
    finished(store, &due, last, 2).await;
    assert_eq!(listed(store, &ws, &hook).await[0].state, DeliveryState::Delivered);
    let seen = state(store, &ws, &hook).await;
    assert_eq!(seen.disabled.map(|(why, _)| why), Some(Disabled::Receiver));
    assert!(seen.failing_since.is_none() && seen.last_success_at.is_some());
}

fn reminder(what: &str, second: i64) -> NewReminder {
    NewReminder {
        payload: format!("{{\"action\":\"{what}\"}}"),
        due_at: at(second),
    }
}

async fn reminders_are_told_once(store: &dyn Store) {
    let (ws, others) = (workspace(store).await, workspace(store).await);
    let all = hook(store, &ws).await;
    for (number, workspace) in [&ws, &others, &ws].into_iter().enumerate() {
        let names = ["Depot", "Mill", "Clinic"];
        let happened = Happened {
            reminders: (0..70).map(|second| reminder("call", 1000 + second)).collect(),
            ..Happened::new(Some(names[number]), &[], 1)
        };
        happened.keep(store, workspace).await;
    }
    assert_eq!(store.tell_reminders(500, at(999)).await.expect("tells"), 0);
    assert_eq!(store.tell_reminders(5, at(1001)).await.expect("tells"), 5);
    assert_eq!(store.tell_reminders(500, at(1001)).await.expect("tells"), 1);
    let (one, two, three) = tokio::join!(
        store.tell_reminders(500, at(2000)),
        store.tell_reminders(500, at(2000)),
        store.tell_reminders(500, at(2000)),
    );
    let told = one.expect("tells") + two.expect("tells") + three.expect("tells");
    // Whoever found that another tells them leaves them to it.
    let rest = store.tell_reminders(500, at(2000)).await.expect("tells");
    assert_eq!(told + rest, 3 * 70 - 6);
    assert_eq!(store.tell_reminders(500, at(9000)).await.expect("tells"), 0);
    assert_eq!(event_kinds(store, &ws).await, ["action.due"; 140]);
    assert_eq!(event_kinds(store, &others).await, ["action.due"; 70]);
    let first = &listed(store, &ws, &all).await[0];
    assert!(first.deal.is_some() && first.call.is_some());
    assert_eq!(claimed(store, 10, 8, 2000).await[0].payload, "{\"action\":\"call\"}");
}

async fn nobody_is_reminded_of_what_is_done(store: &dyn Store) {
    let ws = workspace(store).await;
    let remind = |key: &str| NewReminder {
        payload: format!("{{\"key\":\"{key}\"}}"),
        due_at: at(1000),
    };
    let happened = Happened {
        reminders: vec![remind("one.4"), remind("one.7"), remind("two")],
        ..Happened::new(None, &[], 1)
    };
    let call = happened.keep(store, &ws).await;
    let scope = Scope::all(ws.clone());
    for (action, done) in [("one.4", true), ("one.4", true), ("two", true), ("two", false)] {
        store
            .tick_action(&scope, &call, action, done, "key", at(2))
            .await
            .expect("ticked");
    }
    let done = store.done_actions(&scope, &call).await.expect("read");
    let done: Vec<_> = done
        .iter()
        .map(|done| (done.action.as_str(), done.by_user.as_str()))
        .collect();
    assert_eq!(done, [("one.4", "key")]);
    store.tell_reminders(10, at(1000)).await.expect("tells");
    assert_eq!(event_kinds(store, &ws).await, ["action.due"; 2]);
    assert_eq!(store.tell_reminders(10, at(9000)).await.expect("tells"), 0);
    let other = Scope::all(workspace(store).await);
    let refused = store.tick_action(&other, &call, "two", true, "key", at(3)).await;
    assert!(matches!(refused, Err(Error::Missing { .. })), "{refused:?}");
}

async fn reminders_are_replaced(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let keep = async |deal: Option<&str>, what: &str, second| {
        let happened = Happened {
            reminders: vec![reminder(what, 1000)],
            ..Happened::new(deal, &[], second)
        };
        happened.keep(store, &ws).await
    };
    keep(Some("Depot"), "old", 1).await;
    let depot = keep(Some("Depot"), "new", 2).await;
    let mill = keep(Some("Mill"), "mill", 3).await;
    let denied = keep(Some("Clinic"), "denied", 4).await;
    let inbox = keep(None, "first", 5).await;
    keep(None, "another", 6).await;
    // A call of no deal that is run again.
    store.rerun_call(&scope, &inbox, "test", at(7)).await.expect("again");
    let job = claim(store, 8).await.expect("job");
    let outcome = Outcome {
        analysis: "{}".to_owned(),
        summary: summary("So it goes."),
        record: None,
        events: Vec::new(),
        reminders: vec![reminder("second", 1000)],
    };
    store.record_outcome(&job.fence, outcome, at(9)).await.expect("kept");
    store
        .erase_call(&scope, &mill, false, "test", at(10))
        .await
        .expect("erased");
    let said = ConsentSaid {
        consent: Consent::Denied,
        method: None,
        at: None,
    };
    store
        .set_consent(&scope, &denied, &said, "test", at(11))
        .await
        .expect("kept");
    assert_eq!(store.tell_reminders(10, at(2000)).await.expect("tells"), 3);
    let told = store.events(&scope, 0, 10).await.expect("asks");
    let mut told: Vec<&str> = told.iter().map(|event| event.payload.as_str()).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "{\"action\":\"another\"}",
            "{\"action\":\"new\"}",
            "{\"action\":\"second\"}"
        ]
    );
    // What is too old is not told.
    keep(Some("Depot"), "later", 2001).await;
    let keep = Retention {
        analysis_days: Some(1),
        ..Retention::default()
    };
    while store.expire(&ws, &keep, at(3 * 86_400), 100).await.expect("expires") > 0 {}
    assert_eq!(store.tell_reminders(10, at(4 * 86_400)).await.expect("tells"), 0);
    assert!(store.call(&scope, &depot).await.expect("asks").is_some());
}

/// Several workers at once: nothing is handed out twice, and each deal is told in order.
async fn workers_share_the_work(store: &dyn Store) {
    let ws = workspace(store).await;
    for _ in 0..3 {
        hook(store, &ws).await;
    }
    for number in 0..20_i64 {
        let deal = format!("Deal {}", number % 4);
        Happened::new(
            Some(&deal),
            &["call.analyzed", "deal.updated", "deal.stage_changed"],
            number,
        )
        .keep(store, &ws)
        .await;
    }
    let seen = std::sync::Mutex::new(Vec::new());
    let work = async || {
        let mut idle = 0;
        while idle < 20 {
            let due = store
                .claim_deliveries(5, 2, at(100), Duration::seconds(600))
                .await
                .expect("claims");
            if due.is_empty() {
                idle += 1;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                continue;
            }
            idle = 0;
            seen.lock()
                .expect("lock")
                .extend(due.iter().map(|due| due.delivery.clone()));
            let done = due.iter().map(|due| tried(due, Then::Delivered, 100)).collect();
            finish_all(store, done, 100).await;
        }
    };
    let erase = async {
        // Others write at the same time.
        let scope = Scope::all(ws.clone());
        for second in 200..205 {
            let id = Happened::new(Some("Other"), &["call.analyzed"], second)
                .keep(store, &ws)
                .await;
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            store
                .erase_call(&scope, &id, false, "test", at(second))
                .await
                .expect("erased");
        }
    };
    tokio::join!(work(), work(), work(), erase);
    let mut seen = seen.into_inner().expect("lock");
    seen.retain(|delivery| delivery.created_at < at(100));
    assert_eq!(seen.len(), 3 * 60);
    let mut ids: Vec<DeliveryId> = seen.iter().map(|delivery| delivery.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3 * 60, "nothing is handed out twice");
    let mut last = std::collections::HashMap::new();
    for delivery in &seen {
        let place = (delivery.endpoint.clone(), delivery.deal.clone());
        let before = last.insert(place, delivery.event_seq);
        assert!(before.is_none_or(|before| before < delivery.event_seq));
    }
}

async fn ten_thousand_are_sent_soon(store: &dyn Store) {
    let ws = workspace(store).await;
    let dead = connect(store, &ws, EndpointKind::Webhook, &["call.failed"]).await;
    connect(store, &ws, EndpointKind::Webhook, &["deal.updated"]).await;
    for _ in 0..10 {
        connect(store, &ws, EndpointKind::Webhook, &["call.analyzed"]).await;
    }
    // 8,000 to ten endpoints, 1,000 of one deal, and 1,000 to an endpoint that does not answer.
    Happened::new(None, &["call.analyzed"; 800], 1).keep(store, &ws).await;
    Happened::new(Some("Depot"), &["deal.updated"; 1000], 1)
        .keep(store, &ws)
        .await;
    Happened::new(Some("Mill"), &["call.failed"; 1000], 1)
        .keep(store, &ws)
        .await;
    let started = std::time::Instant::now();
    let (mut sent, mut claims) = (0, 0);
    while sent < 9000 {
        let due = store
            .claim_deliveries(64, 8, at(2), Duration::seconds(600))
            .await
            .expect("claims");
        claims += 1;
        sent += due.iter().filter(|due| due.endpoint.id != dead).count();
        let done = due.iter().filter(|due| due.endpoint.id != dead);
        finish_all(store, done.map(|due| tried(due, Then::Delivered, 2)).collect(), 2).await;
    }
    let took = started.elapsed();
    eprintln!("9,000 deliveries in {:.1} s and {claims} claims", took.as_secs_f64());
    assert!(took.as_secs() < 60, "{took:?}");
    assert_eq!(store.delivery_figures(at(2)).await.expect("asks").pending, 1000);
}
