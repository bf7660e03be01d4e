//! The suite of calls that go on, stamped on both databases.

use chrono::{Duration, NaiveDate};

use super::conformance::{at, claim, finish, new_call, suite, workspace};
use super::*;

suite! {
    a_live_call_goes_on_where_it_was,
    a_live_call_is_one_processs,
    a_live_call_ends_once_and_is_a_call_like_others,
    a_live_call_whose_end_died_is_analysed_by_another,
    a_live_call_without_words_has_failed,
    live_calls_of_which_nothing_is_heard_are_found,
    live_calls_are_seen_by_their_own,
    calls_that_go_on_at_once_are_kept_together,
}

async fn start(store: &dyn Store, workspace: &WorkspaceId, second: i64) -> CallId {
    let call = NewCall {
        origin: Origin::Live,
        blob: None,
        priority: Priority::Live,
        ..new_call()
    };
    let id = call.id.clone();
    let started = store
        .start_live(workspace, call, "{\"start\":1}", "test", at(second))
        .await;
    started.expect("started");
    id
}

fn news(turns: &[&str], messages: &[(i64, &str)]) -> LiveNews {
    LiveNews {
        turns: turns.iter().map(|&turn| turn.to_owned()).collect(),
        messages: messages.iter().map(|&(seq, body)| (seq, body.to_owned())).collect(),
    }
}

fn end(blob: Option<(String, u64)>) -> LiveEnd {
    LiveEnd {
        transcript: "{\"words\":1}".to_owned(),
        media: "recording",
        call_date: NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day"),
        blob,
    }
}

async fn a_live_call_goes_on_where_it_was(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = start(store, &ws, 0).await;
    let call = store.call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!((call.status, call.origin), (CallStatus::Live, Origin::Live));
    let known = store.live_call(&scope, &id).await.expect("asks").expect("there");
    let begun = LiveCall {
        start: "{\"start\":1}".to_owned(),
        seq: 0,
        turns: 0,
        ended_at: None,
    };
    assert_eq!(known, begun);
    let keep = |seen, news| store.keep_live(&ws, &id, seen, news, at(1));
    keep(0, news(&["a", "b"], &[(2, "A"), (3, "B"), (4, "deal")]))
        .await
        .expect("kept");
    // A sign of life takes nothing away.
    keep(2, LiveNews::default()).await.expect("kept");
    keep(2, news(&["c"], &[(9, "C")])).await.expect("kept");
    let known = store.live_call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!((known.seq, known.turns, known.ended_at), (9, 3, None));
    assert_eq!(store.live_turns(&ws, &id).await.expect("turns"), ["a", "b", "c"]);
    let behind = async |after, limit| store.live_messages(&ws, &id, after, limit).await.expect("messages");
    let message = |seq: i64, body: &str| (seq, body.to_owned());
    assert_eq!(behind(0, 2).await, [message(2, "A"), message(3, "B")]);
    assert_eq!(behind(3, 50).await, [message(4, "deal"), message(9, "C")]);
    assert!(behind(9, 50).await.is_empty());
    // It is no work for a worker.
    assert!(claim(store, 100).await.is_none());
}

/// Of two processes that go on with a call, the one that comes late is told so, and keeps nothing.
async fn a_live_call_is_one_processs(store: &dyn Store) {
    let ws = workspace(store).await;
    let id = start(store, &ws, 0).await;
    let keep = |seen, news| store.keep_live(&ws, &id, seen, news, at(1));
    keep(0, news(&["a"], &[(1, "A")])).await.expect("kept");
    for seen in [0, 2] {
        let error = keep(seen, news(&["x"], &[(5, "X")])).await.expect_err("not its call");
        assert!(matches!(error, Error::Conflict(_)), "{error}");
    }
    assert_eq!(store.live_turns(&ws, &id).await.expect("turns"), ["a"]);
    assert_eq!(store.live_messages(&ws, &id, 0, 9).await.expect("messages").len(), 1);
    let both = tokio::join!(keep(1, news(&["b"], &[(2, "B")])), keep(1, news(&["c"], &[(2, "C")])),);
    assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1, "{both:?}");
    assert_eq!(store.live_turns(&ws, &id).await.expect("turns").len(), 2);
}

async fn a_live_call_ends_once_and_is_a_call_like_others(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = start(store, &ws, 0).await;
    store
        .keep_live(&ws, &id, 0, news(&["a"], &[(1, "A")]), at(1))
        .await
        .expect("kept");
    let close = |second| {
        let blob = Some(("cd".repeat(32), 77));
        store.end_live(&ws, &id, end(blob), "w1", Duration::seconds(10), at(second))
    };
    let claimed = close(2).await.expect("ended");
    assert_eq!((&claimed.call.id, claimed.call.status), (&id, CallStatus::Running));
    assert_eq!(
        (claimed.call.blob.clone(), claimed.call.size),
        (Some("cd".repeat(32)), Some(77))
    );
    assert_eq!(claimed.call.media.as_deref(), Some("recording"));
    assert!(matches!(close(3).await, Err(Error::Conflict(_))));
    // Nothing more comes in.
    let late = store.keep_live(&ws, &id, 1, news(&["b"], &[(2, "B")]), at(3)).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let late = store.keep_live(&ws, &id, 1, LiveNews::default(), at(3)).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let known = store.live_call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!((known.ended_at, known.turns), (Some(at(2)), 1));
    let words = store.result(&scope, &id, Step::Transcript).await.expect("asks");
    assert_eq!(words.as_deref(), Some("{\"words\":1}"));
    // Its analysis is the ending process's own.
    assert!(claim(store, 3).await.is_none());
    finish(store, &claimed, "2026-03-01", 4).await;
    let call = store.call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!(call.status, CallStatus::Done);
    // What was told can still be read.
    assert_eq!(store.live_messages(&ws, &id, 0, 9).await.expect("messages").len(), 1);
}

async fn a_live_call_whose_end_died_is_analysed_by_another(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = start(store, &ws, 0).await;
    let dead = store
        .end_live(&ws, &id, end(None), "dead", Duration::seconds(10), at(1))
        .await
        .expect("ended");
    assert!(claim(store, 10).await.is_none());
    let claimed = claim(store, 12).await.expect("its lease has run out");
    assert_eq!(claimed.call.id, id);
    let done = StepDone {
        step: Step::Transcript,
        body: "{}".to_owned(),
        media: "transcript",
        call_date: NaiveDate::from_ymd_opt(2026, 3, 1).expect("a day"),
    };
    assert!(store.finish_step(&dead.fence, done, at(13)).await.is_err());
    finish(store, &claimed, "2026-03-01", 13).await;
    let call = store.call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!(call.status, CallStatus::Done);
}

async fn a_live_call_without_words_has_failed(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = start(store, &ws, 0).await;
    let problem = Problem {
        code: "bad_input".to_owned(),
        message: "nothing was said".to_owned(),
    };
    let fail = |second| {
        let events = vec![NewEvent {
            kind: "call.failed",
            payload: "{}".to_owned(),
        }];
        store.fail_live(&ws, &id, &problem, events, at(second))
    };
    fail(1).await.expect("failed");
    assert!(matches!(fail(2).await, Err(Error::Conflict(_))));
    let call = store.call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!((call.status, call.error), (CallStatus::Failed, Some(problem.clone())));
    let events = store.events(&scope, 0, 10).await.expect("events");
    assert_eq!(events.len(), 1);
    assert!(claim(store, 100).await.is_none());
}

async fn live_calls_of_which_nothing_is_heard_are_found(store: &dyn Store) {
    let ws = workspace(store).await;
    let (silent, lively, ended) = (
        start(store, &ws, 0).await,
        start(store, &ws, 0).await,
        start(store, &ws, 0).await,
    );
    store
        .keep_live(&ws, &lively, 0, LiveNews::default(), at(50))
        .await
        .expect("kept");
    store
        .end_live(&ws, &ended, end(None), "w1", Duration::seconds(10), at(1))
        .await
        .expect("ended");
    let found = |second| store.silent_live(at(second), 10);
    assert_eq!(found(40).await.expect("asks"), [(ws.clone(), silent.clone())]);
    assert_eq!(found(60).await.expect("asks").len(), 2);
    assert!(found(0).await.expect("asks").is_empty());
    assert_eq!(
        store.silent_live(at(60), 1).await.expect("asks"),
        [(ws.clone(), silent)]
    );
}

async fn live_calls_are_seen_by_their_own(store: &dyn Store) {
    let (ours, theirs) = (workspace(store).await, workspace(store).await);
    let id = start(store, &ours, 0).await;
    store
        .keep_live(&ours, &id, 0, news(&["a"], &[(1, "A")]), at(1))
        .await
        .expect("kept");
    assert!(
        store
            .live_call(&Scope::all(theirs.clone()), &id)
            .await
            .expect("asks")
            .is_none()
    );
    assert!(store.live_turns(&theirs, &id).await.expect("asks").is_empty());
    assert!(store.live_messages(&theirs, &id, 0, 9).await.expect("asks").is_empty());
    let kept = store.keep_live(&theirs, &id, 1, news(&["x"], &[(2, "X")]), at(2)).await;
    assert!(matches!(kept, Err(Error::Conflict(_))), "{kept:?}");
    let ended = store
        .end_live(&theirs, &id, end(None), "w1", Duration::seconds(10), at(2))
        .await;
    assert!(matches!(ended, Err(Error::Conflict(_))), "{ended:?}");
    let known = store
        .live_call(&Scope::all(ours), &id)
        .await
        .expect("asks")
        .expect("there");
    assert_eq!((known.turns, known.ended_at), (1, None));
}

/// Written in one transaction where they meet; what one has lost takes nothing from the others.
async fn calls_that_go_on_at_once_are_kept_together(store: &dyn Store) {
    let ws = workspace(store).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(start(store, &ws, 0).await);
    }
    let keep = |number: usize, id: &CallId| {
        // Every fifth comes with a count that is not so.
        let seen = i64::from(number.is_multiple_of(5));
        let (ws, id) = (ws.clone(), id.clone());
        async move { store.keep_live(&ws, &id, seen, news(&["a"], &[(1, "A")]), at(1)).await }
    };
    let all = ids.iter().enumerate().map(|(number, id)| keep(number, id));
    let kept = futures_util::future::join_all(all).await;
    for (number, (id, kept)) in ids.iter().zip(kept).enumerate() {
        let lost = number.is_multiple_of(5);
        assert_eq!(matches!(kept, Err(Error::Conflict(_))), lost, "{number}: {kept:?}");
        let turns = store.live_turns(&ws, id).await.expect("turns");
        assert_eq!(turns.len(), usize::from(!lost), "{number}");
    }
}
