//! One suite, stamped on both databases. PostgreSQL where `TEST_DATABASE_URL` names a server; `make test` starts one.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};

use super::*;

/// A database of its own, gone with the test.
pub(super) struct Fresh {
    pub store: Arc<dyn Store>,
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

pub(super) async fn sqlite() -> Option<Fresh> {
    let folder = tempfile::tempdir().expect("folder");
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    Some(Fresh {
        store: open(&url).await.expect("opens"),
        url,
        _folder: Some(folder),
    })
}

pub(super) async fn postgres() -> Option<Fresh> {
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else {
        eprintln!("skipped: TEST_DATABASE_URL is not set; `make test` sets it");
        return None;
    };
    let name = format!("t_{}", uuid::Uuid::now_v7().simple());
    let admin = sqlx::PgPool::connect(&server).await.expect("server");
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}")))
        .execute(&admin)
        .await
        .expect("created");
    admin.close().await;
    let mut url = url::Url::parse(&server).expect("url");
    url.set_path(&name);
    Some(Fresh {
        store: open(url.as_str()).await.expect("opens"),
        url: url.into(),
        _folder: None,
    })
}

/// Stamps each case on both databases.
macro_rules! suite {
    ($($name:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                if let Some(fresh) = $crate::store::conformance::sqlite().await {
                    super::$name(&*fresh.store).await;
                }
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(fresh) = $crate::store::conformance::postgres().await {
                    super::$name(&*fresh.store).await;
                }
            })*
        }
    };
}

pub(super) use suite;

suite! {
    a_call_is_there_whole_or_not_at_all,
    a_repeated_upload_is_one_call,
    other_workspaces_see_nothing,
    a_rep_sees_own_calls,
    a_job_is_handed_out_once_and_comes_back_when_its_lease_ends,
    a_worker_that_lost_its_lease_writes_nothing,
    a_job_that_kills_its_worker_is_given_up,
    urgent_goes_first_and_workspaces_take_turns,
    cancelled_work_is_not_kept,
    calls_find_their_deal,
    a_deal_remembers_what_was_known_when,
    later_calls_are_run_again,
    drafts_are_not_overwritten_unseen,
    an_answer_is_remembered,
}

pub(super) fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).expect("moment")
}

pub(super) async fn workspace(store: &dyn Store) -> WorkspaceId {
    let id = WorkspaceId::fresh();
    store.add_workspace(&id, "test", at(0)).await.expect("added");
    id
}

pub(super) fn new_call() -> NewCall {
    NewCall {
        id: CallId::fresh(),
        owner: None,
        origin: Origin::Upload,
        source: "call.vtt".to_owned(),
        blob: Some(("ab".repeat(32), 10)),
        meta: "{}".to_owned(),
        call_date: None,
        started_at: None,
        consent: Consent::Unknown,
        deal: DealHint::Unsaid,
        keys: Vec::new(),
        priority: Priority::Upload,
    }
}

pub(super) async fn add(store: &dyn Store, workspace: &WorkspaceId, call: NewCall) -> CallId {
    let id = call.id.clone();
    let accepted = store
        .add_call(workspace, call, None, "test", at(0))
        .await
        .expect("added");
    assert_eq!(accepted, Accepted::Call(id.clone()));
    id
}

pub(super) async fn claim(store: &dyn Store, second: i64) -> Option<Claimed> {
    store
        .claim_job("w1", at(second), Duration::seconds(10), 3)
        .await
        .expect("claims")
}

pub(super) async fn finish(store: &dyn Store, claimed: &Claimed, date: &str, second: i64) {
    let call_date = date.parse().expect("day");
    let done = StepDone {
        step: Step::Transcript,
        body: "{}".to_owned(),
        media: "transcript",
        call_date,
    };
    store.finish_step(&claimed.fence, done, at(second)).await.expect("step");
    let record = match &claimed.call.deal {
        None => None,
        Some(deal) => {
            let (_, seen_revision) = store
                .history_before(&claimed.workspace, deal, &claimed.call.id, call_date)
                .await
                .expect("history");
            Some(NewRecord {
                deal: deal.clone(),
                seen_revision,
                call_date,
                stage: Some("pain".to_owned()),
                body: format!("{{\"of\":\"{date}\"}}"),
            })
        }
    };
    let outcome = Outcome {
        analysis: format!("{{\"date\":\"{date}\"}}"),
        record,
        events: vec![NewEvent {
            kind: "call.analyzed",
            payload: "{}".to_owned(),
        }],
    };
    store
        .record_outcome(&claimed.fence, outcome, at(second))
        .await
        .expect("outcome");
}

async fn a_call_is_there_whole_or_not_at_all(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = add(store, &ws, new_call()).await;
    let call = store.call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!((call.status, call.size), (CallStatus::Queued, Some(10)));
    let claimed = claim(store, 1).await.expect("job");
    assert_eq!(claimed.call.id, id);
    finish(store, &claimed, "2026-03-01", 2).await;
    let call = store.call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!(call.status, CallStatus::Done);
    assert_eq!(call.media.as_deref(), Some("transcript"));
    let analysis = store.result(&scope, &id, Step::Analysis).await.expect("asks");
    assert_eq!(analysis.as_deref(), Some("{\"date\":\"2026-03-01\"}"));
    let events = store.events(&scope, 0, 10).await.expect("events");
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["call.analyzed"]);
    assert!(claim(store, 100).await.is_none());
    // A call of a deal that does not exist leaves nothing behind.
    let wrong = NewCall {
        deal: DealHint::Ours(DealId::from("deal_none")),
        ..new_call()
    };
    let error = store
        .add_call(&ws, wrong, None, "test", at(3))
        .await
        .expect_err("no deal");
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    let all = CallPage {
        filter: CallFilter::default(),
        after: None,
        limit: 10,
    };
    assert_eq!(store.calls(&scope, &all).await.expect("asks").len(), 1);
}

async fn a_repeated_upload_is_one_call(store: &dyn Store) {
    let ws = workspace(store).await;
    let request = |asked: &str| Idempotent {
        actor: "key".to_owned(),
        name: "once".to_owned(),
        request: asked.to_owned(),
        subject: None,
    };
    let (first, second, third) = (new_call(), new_call(), new_call());
    let id = first.id.clone();
    let send = |call, asked| store.add_call(&ws, call, Some(request(asked)), "test", at(0));
    assert_eq!(send(first, "a").await.expect("added"), Accepted::Call(id.clone()));
    assert_eq!(send(second, "a").await.expect("added"), Accepted::Before(id));
    assert_eq!(send(third, "b").await.expect("added"), Accepted::OtherRequest);
    assert!(claim(store, 1).await.is_some());
    assert!(claim(store, 1).await.is_none());
}

async fn other_workspaces_see_nothing(store: &dyn Store) {
    let (ours, theirs) = (workspace(store).await, Scope::all(workspace(store).await));
    let id = add(store, &ours, new_call()).await;
    assert!(store.call(&theirs, &id).await.expect("asks").is_none());
    assert!(matches!(
        store.cancel_call(&theirs, &id, "test", at(1)).await,
        Err(Error::Missing { .. })
    ));
    assert!(matches!(
        store.move_call(&theirs, &id, None, "test", at(1)).await,
        Err(Error::Missing { .. })
    ));
}

async fn a_rep_sees_own_calls(store: &dyn Store) {
    let ws = workspace(store).await;
    let anna = UserId::fresh();
    let own = NewCall {
        owner: Some(anna.clone()),
        ..new_call()
    };
    let own = add(store, &ws, own).await;
    let other = add(store, &ws, new_call()).await;
    let scope = Scope {
        workspace: ws,
        owner: Some(anna),
    };
    assert!(store.call(&scope, &own).await.expect("asks").is_some());
    assert!(store.call(&scope, &other).await.expect("asks").is_none());
    let all = CallPage {
        filter: CallFilter::default(),
        after: None,
        limit: 10,
    };
    let seen: Vec<CallId> = store
        .calls(&scope, &all)
        .await
        .expect("asks")
        .into_iter()
        .map(|call| call.id)
        .collect();
    assert_eq!(seen, [own]);
}

async fn a_job_is_handed_out_once_and_comes_back_when_its_lease_ends(store: &dyn Store) {
    let ws = workspace(store).await;
    add(store, &ws, new_call()).await;
    let first = claim(store, 0).await.expect("job");
    assert!(claim(store, 5).await.is_none());
    let beat = store
        .extend_job(&first.fence, at(20), "transcribe", 0.5, at(9))
        .await
        .expect("beats");
    assert_eq!(beat, Heartbeat::Held);
    assert!(claim(store, 15).await.is_none());
    let second = claim(store, 21).await.expect("job");
    assert_eq!(second.fence.job, first.fence.job);
    assert_eq!((second.fence.attempt, second.tries), (2, 2));
    assert_eq!(second.call.progress, 0.5);
    store.release_job(&second.fence, at(22)).await.expect("given back");
    let third = claim(store, 22).await.expect("at once");
    assert_eq!(third.tries, 2);
}

async fn a_worker_that_lost_its_lease_writes_nothing(store: &dyn Store) {
    let ws = workspace(store).await;
    let id = add(store, &ws, new_call()).await;
    let first = claim(store, 0).await.expect("job");
    let second = claim(store, 11).await.expect("job");
    let step = || StepDone {
        step: Step::Transcript,
        body: "{\"late\":1}".to_owned(),
        media: "recording",
        call_date: at(0).date_naive(),
    };
    let outcome = || Outcome {
        analysis: "{}".to_owned(),
        record: None,
        events: Vec::new(),
    };
    let problem = Problem {
        code: "internal".to_owned(),
        message: "late".to_owned(),
    };
    let late = &first.fence;
    assert!(matches!(
        store.finish_step(late, step(), at(12)).await,
        Err(Error::Fenced)
    ));
    assert!(matches!(
        store.record_outcome(late, outcome(), at(12)).await,
        Err(Error::Fenced)
    ));
    assert!(matches!(
        store.fail_job(late, &problem, Retry::Never(Vec::new()), at(12)).await,
        Err(Error::Fenced)
    ));
    assert_eq!(
        store
            .extend_job(late, at(90), "transcribe", 0.9, at(12))
            .await
            .expect("asks"),
        Heartbeat::Gone
    );
    let scope = Scope::all(ws);
    assert!(
        store
            .result(&scope, &id, Step::Transcript)
            .await
            .expect("asks")
            .is_none()
    );
    store
        .record_outcome(&second.fence, outcome(), at(13))
        .await
        .expect("the successor may");
    assert!(matches!(
        store.record_outcome(&second.fence, outcome(), at(13)).await,
        Err(Error::Fenced)
    ));
}

async fn a_job_that_kills_its_worker_is_given_up(store: &dyn Store) {
    let ws = workspace(store).await;
    let id = add(store, &ws, new_call()).await;
    for second in [0, 20, 40] {
        assert!(claim(store, second).await.is_some());
    }
    assert!(claim(store, 60).await.is_none());
    let scope = Scope::all(ws);
    let call = store.call(&scope, &id).await.expect("asks").expect("there");
    assert_eq!(call.status, CallStatus::Failed);
    assert_eq!(call.error.expect("why").code, "gave_up");
    let events = store.events(&scope, 0, 10).await.expect("events");
    assert_eq!(
        events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(),
        ["call.failed"]
    );
    // A person may try it again.
    store.rerun_call(&scope, &id, "test", at(70)).await.expect("again");
    assert_eq!(claim(store, 71).await.expect("job").tries, 1);
}

async fn urgent_goes_first_and_workspaces_take_turns(store: &dyn Store) {
    let (big, small) = (workspace(store).await, workspace(store).await);
    for _ in 0..3 {
        add(store, &big, new_call()).await;
    }
    add(store, &small, new_call()).await;
    let urgent = NewCall {
        priority: Priority::Live,
        ..new_call()
    };
    let urgent = add(store, &small, urgent).await;
    let mut order = Vec::new();
    for second in 1..=5 {
        order.push(claim(store, second).await.expect("job"));
    }
    assert_eq!(order[0].call.id, urgent);
    let of: Vec<bool> = order[1..].iter().map(|claimed| claimed.workspace == big).collect();
    assert_eq!(of, [true, false, true, true]);
}

async fn cancelled_work_is_not_kept(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = add(store, &ws, new_call()).await;
    let claimed = claim(store, 0).await.expect("job");
    store.cancel_call(&scope, &id, "test", at(1)).await.expect("cancelled");
    let beat = store
        .extend_job(&claimed.fence, at(20), "transcribe", 0.5, at(2))
        .await
        .expect("beats");
    assert_eq!(beat, Heartbeat::Gone);
    assert!(claim(store, 100).await.is_none());
    assert!(matches!(
        store.cancel_call(&scope, &id, "test", at(3)).await,
        Err(Error::Conflict(_))
    ));
}

async fn calls_find_their_deal(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let key = |kind, said: &str| ContactKey::new(kind, said).expect("key");
    let crm = NewCall {
        deal: DealHint::Crm {
            id: "D-7".to_owned(),
            name: Some("Clinic".to_owned()),
        },
        keys: vec![key(ContactKind::Phone, "+7 (916) 555-01-23")],
        ..new_call()
    };
    let first = add(store, &ws, crm.clone()).await;
    let deal_of = async |id: &CallId| store.call(&scope, id).await.expect("asks").expect("there").deal;
    let deal = deal_of(&first).await.expect("made");
    let again = NewCall {
        id: CallId::fresh(),
        ..crm
    };
    assert_eq!(deal_of(&add(store, &ws, again).await).await.as_ref(), Some(&deal));
    let by_phone = NewCall {
        keys: vec![key(ContactKind::Phone, "8 916 555 01 23")],
        ..new_call()
    };
    assert_eq!(deal_of(&add(store, &ws, by_phone).await).await.as_ref(), Some(&deal));
    let by_name = NewCall {
        deal: DealHint::Named("  CLINIC ".to_owned()),
        ..new_call()
    };
    assert_eq!(deal_of(&add(store, &ws, by_name).await).await.as_ref(), Some(&deal));
    let stranger = NewCall {
        keys: vec![key(ContactKind::Email, "a@example.com")],
        ..new_call()
    };
    let stranger = add(store, &ws, stranger).await;
    assert_eq!(deal_of(&stranger).await, None);
    let inbox = CallPage {
        filter: CallFilter {
            inbox: true,
            ..CallFilter::default()
        },
        after: None,
        limit: 10,
    };
    let waiting: Vec<CallId> = store
        .calls(&scope, &inbox)
        .await
        .expect("asks")
        .into_iter()
        .map(|call| call.id)
        .collect();
    assert_eq!(waiting, [stranger.clone()]);
    store
        .move_call(&scope, &stranger, Some(&deal), "test", at(5))
        .await
        .expect("moved");
    assert_eq!(deal_of(&stranger).await, Some(deal));
}

async fn a_deal_remembers_what_was_known_when(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let of_deal = || NewCall {
        deal: DealHint::Named("Depot".to_owned()),
        ..new_call()
    };
    add(store, &ws, of_deal()).await;
    finish(store, &claim(store, 1).await.expect("job"), "2026-03-01", 10).await;
    add(store, &ws, of_deal()).await;
    finish(store, &claim(store, 11).await.expect("job"), "2026-03-08", 20).await;
    let page = DealPage { after: None, limit: 5 };
    let deal = store.deals(&scope, &page).await.expect("asks").pop().expect("deal");
    assert_eq!((deal.revision, deal.stage.as_deref()), (2, Some("pain")));
    let known = async |second| {
        let records = store
            .deal_records(&scope, &deal.id, Some(at(second)))
            .await
            .expect("asks");
        records.into_iter().map(|record| record.body).collect::<Vec<_>>()
    };
    assert!(known(9).await.is_empty());
    assert_eq!(known(15).await, ["{\"of\":\"2026-03-01\"}"]);
    assert_eq!(known(20).await.len(), 2);
}

async fn later_calls_are_run_again(store: &dyn Store) {
    let ws = workspace(store).await;
    let of_deal = || NewCall {
        deal: DealHint::Named("Depot".to_owned()),
        ..new_call()
    };
    let second = add(store, &ws, of_deal()).await;
    finish(store, &claim(store, 1).await.expect("job"), "2026-03-08", 2).await;
    let first = add(store, &ws, of_deal()).await;
    let claimed = claim(store, 3).await.expect("job");
    assert_eq!(claimed.call.id, first);
    // What two calls of a deal find at the same time cannot both count.
    let stale = Outcome {
        analysis: "{}".to_owned(),
        record: Some(NewRecord {
            deal: claimed.call.deal.clone().expect("deal"),
            seen_revision: 0,
            call_date: at(0).date_naive(),
            stage: None,
            body: "{}".to_owned(),
        }),
        events: Vec::new(),
    };
    assert!(matches!(
        store.record_outcome(&claimed.fence, stale, at(4)).await,
        Err(Error::Stale)
    ));
    finish(store, &claimed, "2026-03-01", 5).await;
    let again = claim(store, 6).await.expect("the later call");
    assert_eq!(again.call.id, second);
    let deal = again.call.deal.clone().expect("deal");
    let (before, revision) = store
        .history_before(&ws, &deal, &second, "2026-03-08".parse().expect("day"))
        .await
        .expect("history");
    assert_eq!(before.expect("earlier").0, first);
    assert_eq!(revision, 2);
    finish(store, &again, "2026-03-08", 7).await;
    assert!(claim(store, 8).await.is_none());
}

async fn drafts_are_not_overwritten_unseen(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = add(store, &ws, new_call()).await;
    assert!(store.draft(&scope, &id).await.expect("asks").is_none());
    let change = |revision, text: Option<&str>, state| {
        store.change_draft(&scope, &id, revision, text.map(str::to_owned), state, "test", at(1))
    };
    let kept = change(0, Some("{\"a\":1}"), DraftState::Draft).await.expect("kept");
    assert_eq!(kept.revision, 1);
    assert!(matches!(
        change(0, Some("{}"), DraftState::Draft).await,
        Err(Error::Conflict(_))
    ));
    let approved = change(1, None, DraftState::Approved).await.expect("approved");
    assert_eq!((approved.revision, approved.draft.as_deref()), (2, Some("{\"a\":1}")));
    let events = store.events(&scope, 0, 10).await.expect("events");
    assert_eq!(events.last().expect("event").kind, "followup.approved");
}

async fn an_answer_is_remembered(store: &dyn Store) {
    let ws = workspace(store).await;
    let request = |asked: &str| Idempotent {
        actor: "key".to_owned(),
        name: "once".to_owned(),
        request: asked.to_owned(),
        subject: None,
    };
    let ask = async |asked: &str, second| store.remember(&ws, &request(asked), at(second)).await.expect("asks");
    assert_eq!(ask("a", 0).await, Remembered::New);
    assert_eq!(ask("a", 1).await, Remembered::Running);
    assert_eq!(ask("b", 1).await, Remembered::Other);
    // The process died before it answered.
    assert_eq!(ask("a", 300).await, Remembered::New);
    store
        .answered(&ws, &request("a"), Some((201, "{}".to_owned())))
        .await
        .expect("kept");
    let answered = Remembered::Answered {
        status: 201,
        body: "{}".to_owned(),
    };
    assert_eq!(ask("a", 900).await, answered);
    assert_eq!(ask("b", 900).await, Remembered::Other);
}
