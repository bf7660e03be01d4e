//! One suite, stamped on both databases. PostgreSQL where `TEST_DATABASE_URL` names a server; `make test` starts one.

use std::sync::Arc;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::*;
use crate::domain::{CallFigures, CallSummary};

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
        url: url.to_string(),
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
    a_reps_call_is_put_to_no_deal_of_others,
    a_job_is_handed_out_once_and_comes_back_when_its_lease_ends,
    a_worker_that_lost_its_lease_writes_nothing,
    a_job_that_kills_its_worker_is_given_up,
    urgent_goes_first_and_workspaces_take_turns,
    cancelled_work_is_not_kept,
    calls_find_their_deal,
    a_deal_remembers_what_was_known_when,
    figures_of_all_deals_are_listed,
    later_calls_are_run_again,
    calls_are_found_by_what_was_said,
    lists_tell_where_calls_and_deals_stand,
    drafts_are_not_overwritten_unseen,
    an_answer_is_remembered,
    a_key_works_until_it_is_revoked_or_runs_out,
    a_key_of_a_user_goes_with_the_user,
    a_user_is_of_one_workspace,
    the_last_admin_stays,
    a_session_ends,
    lists_of_people_and_keys_have_pages,
    the_first_workspace_stays_the_first,
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
        sees: None,
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

/// The calls of a list, the newest first.
async fn listed(store: &dyn Store, scope: &Scope, filter: CallFilter) -> Vec<CallId> {
    let page = CallPage {
        filter,
        after: None,
        limit: 10,
    };
    let calls = store.calls(scope, &page).await.expect("asks");
    calls.into_iter().map(|listed| listed.call.id).collect()
}

pub(super) async fn claim(store: &dyn Store, second: i64) -> Option<Claimed> {
    store
        .claim_job("w1", at(second), Duration::seconds(10), 3)
        .await
        .expect("claims")
}

pub(super) fn figures(call_date: NaiveDate) -> CallFigures {
    let json = serde_json::json!({
        "call": "as in its file", "call_date": call_date, "language": "en", "process": "ppvvc", "buyer_turns": 4,
        "stage": "pain", "confidence": 0.55, "abstained": true, "on_hold": false, "scores": {"pain": 2}, "step": "advance",
        "next_step": null, "decision_by": null, "our_promises": [], "buyers": 1, "open_objections": ["price"],
        "customer": "new", "lead_source": null,
        "price": {"low": 1.5, "high": 2.0, "currency": "EUR", "period": "month"},
        "signals": ["buyer_pain"], "premature": [], "card": null,
    });
    serde_json::from_value(json).expect("figures")
}

pub(super) fn summary(said: &str) -> Summary {
    let json = serde_json::json!({
        "language": "en", "duration_s": 61.5, "turns": 2, "stage": "pain", "abstained": false, "outcome": "advance",
        "lead_score": 40, "not_sales": false,
        "next_action": {"id": "send_recap_email", "title": format!("tell them: {said}"), "due": "2026-03-02"},
    });
    Summary {
        shown: serde_json::from_value::<CallSummary>(json).expect("a summary"),
        said: said.to_owned(),
    }
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
                figures: figures(call_date),
            })
        }
    };
    let outcome = Outcome {
        analysis: format!("{{\"date\":\"{date}\"}}"),
        summary: summary("So it goes."),
        record,
        events: vec![NewEvent {
            kind: "call.analyzed",
            payload: "{}".to_owned(),
        }],
        reminders: Vec::new(),
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
    assert_eq!(listed(store, &scope, CallFilter::default()).await.len(), 1);
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
    assert_eq!(listed(store, &scope, CallFilter::default()).await, [own]);
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
        summary: summary("So it goes."),
        record: None,
        events: Vec::new(),
        reminders: Vec::new(),
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
    let inbox = CallFilter {
        inbox: true,
        ..CallFilter::default()
    };
    assert_eq!(listed(store, &scope, inbox).await, std::slice::from_ref(&stranger));
    store
        .move_call(&scope, &stranger, Some(&deal), "test", at(5))
        .await
        .expect("moved");
    assert_eq!(deal_of(&stranger).await, Some(deal));
}

/// The analysis of a call tells what its deal knew: a rep learns nothing so of deals that are others'.
async fn a_reps_call_is_put_to_no_deal_of_others(store: &dyn Store) {
    let ws = workspace(store).await;
    let (rep, other) = (UserId::fresh(), UserId::fresh());
    let phone = ContactKey::new(ContactKind::Phone, "+44 20 7946 0018").expect("key");
    let deal = NewDeal {
        id: DealId::fresh(),
        name: "Depot".to_owned(),
        crm_id: Some("D-7".to_owned()),
        owner: Some(other.clone()),
        keys: [ContactKey::new(ContactKind::Name, "Depot"), Some(phone.clone())]
            .into_iter()
            .flatten()
            .collect(),
    };
    let theirs = deal.id.clone();
    store.add_deal(&ws, deal, "test", at(0)).await.expect("added");
    let call = |hint: DealHint, sees: Option<&UserId>| NewCall {
        owner: Some(rep.clone()),
        sees: sees.cloned(),
        deal: hint,
        keys: vec![phone.clone()],
        ..new_call()
    };
    let crm = || DealHint::Crm {
        id: "D-7".to_owned(),
        name: None,
    };
    let put = async |call: NewCall| {
        let id = add(store, &ws, call).await;
        let call = store.call(&Scope::all(ws.clone()), &id).await.expect("asks");
        call.expect("there").deal
    };
    for hint in [crm(), DealHint::Unsaid] {
        assert_eq!(put(call(hint.clone(), Some(&rep))).await, None, "{hint:?}");
        assert_eq!(
            put(call(hint.clone(), Some(&other))).await.as_ref(),
            Some(&theirs),
            "{hint:?}"
        );
        assert_eq!(put(call(hint.clone(), None)).await.as_ref(), Some(&theirs), "{hint:?}");
    }
    let named = || DealHint::Named("depot".to_owned());
    assert_eq!(put(call(named(), None)).await.as_ref(), Some(&theirs));
    let own = put(call(named(), Some(&rep))).await.expect("an own one");
    assert_ne!(own, theirs);
    assert_eq!(put(call(named(), Some(&rep))).await, Some(own));
    let ours = || DealHint::Ours(theirs.clone());
    // The rep's own call, which somebody else brings.
    assert_eq!(put(call(ours(), None)).await.as_ref(), Some(&theirs));
    let refused = store.add_call(&ws, call(ours(), Some(&rep)), None, "test", at(1)).await;
    assert!(matches!(refused, Err(Error::Missing { .. })));
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
    let page = DealPage {
        limit: 5,
        ..DealPage::default()
    };
    let listed = store.deals(&scope, &page).await.expect("asks").pop().expect("deal");
    let deal = listed.deal;
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
    let last = store
        .last_deal_record(&scope, &deal.id)
        .await
        .expect("asks")
        .expect("there");
    assert_eq!((last.revision, last.body.as_str()), (2, "{\"of\":\"2026-03-08\"}"));
    let others = Scope::all(workspace(store).await);
    assert!(store.last_deal_record(&others, &deal.id).await.expect("asks").is_none());
}

async fn figures_of_all_deals_are_listed(store: &dyn Store) {
    let ws = workspace(store).await;
    let other = workspace(store).await;
    let of_deal = |name: &str, owner: Option<&UserId>| NewCall {
        deal: DealHint::Named(name.to_owned()),
        owner: owner.cloned(),
        ..new_call()
    };
    let rep = UserId::fresh();
    let mut calls = Vec::new();
    for (number, (workspace, name, owner)) in [(&ws, "Depot", Some(&rep)), (&ws, "Mill", None), (&other, "Depot", None)]
        .into_iter()
        .enumerate()
    {
        calls.push(add(store, workspace, of_deal(name, owner)).await);
        let second = number as i64 * 10;
        finish(
            store,
            &claim(store, second + 1).await.expect("job"),
            "2026-03-01",
            second + 5,
        )
        .await;
    }
    let all = store.figures(&Scope::all(ws.clone())).await.expect("asks");
    let mut found: Vec<&str> = all.iter().map(|line| line.figures.call.as_str()).collect();
    found.sort_unstable();
    let mut wanted = [calls[0].as_str(), calls[1].as_str()];
    wanted.sort_unstable();
    assert_eq!(found, wanted, "by our ids, of this workspace");
    let own = Scope {
        workspace: ws,
        owner: Some(rep.clone()),
    };
    let own = store.figures(&own).await.expect("asks");
    let [line] = own.as_slice() else {
        panic!("one deal is the rep's");
    };
    assert_eq!(
        (line.deal_owner.as_ref(), line.call_owner.as_ref()),
        (Some(&rep), Some(&rep))
    );
    assert_eq!(line.known_at, at(5));
    let mut kept = figures("2026-03-01".parse().expect("day"));
    calls[0].as_str().clone_into(&mut kept.call);
    assert_eq!(line.figures, kept);
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
        summary: summary("So it goes."),
        record: Some(NewRecord {
            deal: claimed.call.deal.clone().expect("deal"),
            seen_revision: 0,
            call_date: at(0).date_naive(),
            stage: None,
            body: "{}".to_owned(),
            figures: figures(at(0).date_naive()),
        }),
        events: Vec::new(),
        reminders: Vec::new(),
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

pub(super) fn draft_change(seen_revision: i64, text: Option<&str>, state: DraftState) -> DraftChange {
    DraftChange {
        seen_revision,
        draft: text.map(str::to_owned),
        state,
        send_to: None,
    }
}

/// A call that is analysed, in which something was said.
pub(super) async fn said(store: &dyn Store, workspace: &WorkspaceId, call: NewCall, words: &str) -> CallId {
    let id = add(store, workspace, call).await;
    let claimed = claim(store, 1).await.expect("job");
    assert_eq!(claimed.call.id, id);
    let call_date = claimed.call.call_date.unwrap_or(at(0).date_naive());
    let done = StepDone {
        step: Step::Transcript,
        body: "{}".to_owned(),
        media: "transcript",
        call_date,
    };
    store.finish_step(&claimed.fence, done, at(2)).await.expect("step");
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
                stage: Some("pain".to_owned()),
                body: "{}".to_owned(),
                figures: figures(call_date),
            })
        }
    };
    let outcome = Outcome {
        analysis: serde_json::json!({"turns": [{"i": 1, "text": "Алло."}, {"i": 2, "text": words}]}).to_string(),
        summary: summary(words),
        record,
        events: Vec::new(),
        reminders: Vec::new(),
    };
    store
        .record_outcome(&claimed.fence, outcome, at(2))
        .await
        .expect("kept");
    id
}

fn searched(text: &str) -> CallFilter {
    CallFilter {
        search: Search::new(text).expect("few words"),
        ..CallFilter::default()
    }
}

async fn calls_are_found_by_what_was_said(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let anna = UserId::fresh();
    let by_anna = || NewCall {
        owner: Some(anna.clone()),
        ..new_call()
    };
    // The deal is somebody else's.
    let deal = NewDeal {
        id: DealId::fresh(),
        name: "ООО «Ромашка» 100%".to_owned(),
        crm_id: None,
        owner: Some(UserId::fresh()),
        keys: Vec::new(),
    };
    let depot = NewCall {
        source: "Звонок-в-Ромашку.vtt".to_owned(),
        deal: DealHint::Ours(deal.id.clone()),
        ..by_anna()
    };
    store.add_deal(&ws, deal, "test", at(0)).await.expect("made");
    let first = said(store, &ws, depot, "Пришлите, пожалуйста, договор. И счёт.").await;
    let second = said(store, &ws, new_call(), "The contracts_are ready, 50% off").await;
    let waiting = add(store, &ws, by_anna()).await;
    for (text, found) in [
        ("договора", vec![&first]),
        ("СЧЕТ договоры", vec![&first]),
        ("счет contract", vec![]),
        ("contract", vec![&second]),
        ("ромашка договор", vec![&first]),
        ("звонок", vec![&first]),
        ("догов", vec![&first]),
        ("50%", vec![&second]),
        ("call vtt", vec![&waiting, &second]),
        ("% _", vec![&waiting, &second, &first]),
        ("говор", vec![]),
    ] {
        let calls = listed(store, &scope, searched(text)).await;
        assert_eq!(calls.iter().collect::<Vec<_>>(), found, "{text}");
    }
    let page = |filter| CallPage {
        filter,
        after: None,
        limit: 10,
    };
    let calls = store.calls(&scope, &page(searched("договор"))).await.expect("asks");
    let found = calls[0].found.as_ref().expect("found");
    assert_eq!(
        (found.turn, found.quote.as_str()),
        (2, "Пришлите, пожалуйста, договор. И счёт.")
    );
    let by_name = store.calls(&scope, &page(searched("ромашка"))).await.expect("asks");
    assert!(by_name[0].found.is_none());
    // A rep finds own calls, and nobody those of another workspace.
    let own = Scope {
        workspace: ws.clone(),
        owner: Some(anna.clone()),
    };
    assert!(listed(store, &own, searched("contract")).await.is_empty());
    assert_eq!(
        listed(store, &own, searched("договор")).await,
        std::slice::from_ref(&first)
    );
    let other = Scope::all(workspace(store).await);
    assert!(listed(store, &other, searched("договор")).await.is_empty());
    // A deal of somebody else has no name for a rep.
    let mine = store.listed_call(&own, &first).await.expect("asks").expect("there");
    assert_eq!(mine.deal_name, None);
    assert!(listed(store, &own, searched("100")).await.is_empty());
    assert_eq!(
        listed(store, &scope, searched("100")).await,
        std::slice::from_ref(&first)
    );
    // Run again, it is found when it is done.
    store.rerun_call(&scope, &first, "test", at(3)).await.expect("again");
    assert!(listed(store, &scope, searched("договор")).await.is_empty());
}

async fn lists_tell_where_calls_and_deals_stand(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let anna = UserId::fresh();
    let on = |day: &str, owner: Option<&UserId>| NewCall {
        owner: owner.cloned(),
        call_date: Some(day.parse().expect("a day")),
        deal: DealHint::Named("Depot North".to_owned()),
        ..new_call()
    };
    let first = said(store, &ws, on("2026-03-01", Some(&anna)), "one").await;
    let second = said(store, &ws, on("2026-03-08", None), "two").await;
    let waiting = add(store, &ws, new_call()).await;
    let filter = |change: fn(&mut CallFilter)| {
        let mut filter = CallFilter::default();
        change(&mut filter);
        filter
    };
    let day = |text: &str| text.parse().ok();
    let from = CallFilter {
        from: day("2026-03-02"),
        ..CallFilter::default()
    };
    assert_eq!(listed(store, &scope, from).await, std::slice::from_ref(&second));
    let to = CallFilter {
        to: day("2026-03-01"),
        ..CallFilter::default()
    };
    assert_eq!(listed(store, &scope, to).await, std::slice::from_ref(&first));
    let owned = CallFilter {
        owner: Some(anna.clone()),
        ..CallFilter::default()
    };
    assert_eq!(listed(store, &scope, owned).await, std::slice::from_ref(&first));
    let pain = filter(|filter| filter.stage = Some("pain".to_owned()));
    assert_eq!(listed(store, &scope, pain).await, [second.clone(), first.clone()]);
    let power = filter(|filter| filter.stage = Some("power".to_owned()));
    assert!(listed(store, &scope, power).await.is_empty());
    let call = store.listed_call(&scope, &second).await.expect("asks").expect("there");
    assert_eq!(call.deal_name.as_deref(), Some("Depot North"));
    assert_eq!(call.summary, Some(summary("two").shown));
    let call = store.listed_call(&scope, &waiting).await.expect("asks").expect("there");
    assert_eq!((call.deal_name, call.summary), (None, None));
    let page = |text: &str, stage: Option<&str>| DealPage {
        search: Search::new(text).expect("few words"),
        stage: stage.map(str::to_owned),
        limit: 5,
        ..DealPage::default()
    };
    for (text, stage, found) in [
        ("", None, 1),
        ("depots", None, 1),
        ("north depot", Some("pain"), 1),
        ("south depot", None, 0),
        ("depot", Some("power"), 0),
    ] {
        let deals = store.deals(&scope, &page(text, stage)).await.expect("asks");
        assert_eq!(deals.len(), found, "{text} {stage:?}");
        for deal in deals {
            assert_eq!((deal.calls, deal.last_call_date), (2, day("2026-03-08")));
            assert_eq!(deal.last, Some((second.clone(), summary("two").shown)));
        }
    }
    // A deal is made for whoever holds its first call.
    let annas = DealPage {
        owner: Some(anna),
        ..page("", None)
    };
    assert_eq!(store.deals(&scope, &annas).await.expect("asks").len(), 1);
    let nobodys = DealPage {
        owner: Some(UserId::fresh()),
        ..page("", None)
    };
    assert!(store.deals(&scope, &nobodys).await.expect("asks").is_empty());
    let new = NewDeal {
        id: DealId::fresh(),
        name: "Мельница".to_owned(),
        crm_id: None,
        owner: None,
        keys: Vec::new(),
    };
    let id = new.id.clone();
    store.add_deal(&ws, new, "test", at(3)).await.expect("made");
    let deal = store.listed_deal(&scope, &id).await.expect("asks").expect("there");
    assert_eq!((deal.calls, deal.last_call_date, deal.last), (0, None, None));
    let found = store.deals(&scope, &page("мельницы", None)).await.expect("asks");
    assert_eq!(found.len(), 1);
    let other = Scope::all(workspace(store).await);
    assert!(store.listed_deal(&other, &id).await.expect("asks").is_none());
}

async fn what_an_earlier_version_stored_is_found_too(fresh: Fresh) {
    let store = &*fresh.store;
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let call = NewCall {
        source: "depot.vtt".to_owned(),
        ..new_call()
    };
    let id = said(store, &ws, call, "new words").await;
    let other = said(store, &ws, new_call(), "other words").await;
    assert!(store.unsummarised(None, 10).await.expect("asks").is_empty());
    assert_eq!(store.index_names(10).await.expect("writes"), 0);
    for statement in ["delete from summaries", "update calls set source_words = null"] {
        if fresh.url.starts_with("sqlite") {
            let pool = sqlx::SqlitePool::connect(&fresh.url).await.expect("connects");
            sqlx::query(statement).execute(&pool).await.expect("done");
            pool.close().await;
        } else {
            let pool = sqlx::PgPool::connect(&fresh.url).await.expect("connects");
            sqlx::query(statement).execute(&pool).await.expect("done");
            pool.close().await;
        }
    }
    assert!(listed(store, &scope, searched("words")).await.is_empty());
    assert!(listed(store, &scope, searched("depot")).await.is_empty());
    assert_eq!(store.index_names(1).await.expect("writes"), 1);
    assert_eq!(store.index_names(10).await.expect("writes"), 1);
    let stored = store.unsummarised(None, 1).await.expect("asks");
    assert_eq!((&stored[0].0, &stored[0].1), (&ws, &id));
    assert!(stored[0].2.contains("new words"));
    // It is run again meanwhile: of an analysis that is gone nothing is kept.
    store.rerun_call(&scope, &other, "test", at(3)).await.expect("again");
    for call in [&id, &other] {
        store
            .keep_summary(&ws, call, &summary("new words"))
            .await
            .expect("kept");
    }
    assert!(store.unsummarised(None, 10).await.expect("asks").is_empty());
    assert_eq!(listed(store, &scope, searched("words depot")).await, [id]);
    assert!(listed(store, &scope, searched("words call")).await.is_empty());
}

#[tokio::test]
async fn what_an_earlier_version_stored_is_found_too_on_sqlite() {
    if let Some(fresh) = sqlite().await {
        what_an_earlier_version_stored_is_found_too(fresh).await;
    }
}

#[tokio::test]
async fn what_an_earlier_version_stored_is_found_too_on_postgres() {
    if let Some(fresh) = postgres().await {
        what_an_earlier_version_stored_is_found_too(fresh).await;
    }
}

async fn drafts_are_not_overwritten_unseen(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = add(store, &ws, new_call()).await;
    assert!(store.draft(&scope, &id).await.expect("asks").is_none());
    let change = |revision, text: Option<&str>, state| {
        let change = draft_change(revision, text, state);
        store.change_draft(&scope, &id, change, "test", at(1))
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

fn new_user(email: &str, role: PersonRole) -> NewUser {
    NewUser {
        id: UserId::fresh(),
        email: email.to_owned(),
        name: "A person".to_owned(),
        role,
        password: Some("phc".to_owned()),
    }
}

async fn add_user(store: &dyn Store, workspace: &WorkspaceId, email: &str, role: PersonRole) -> User {
    let user = store.add_user(workspace, new_user(email, role), "test", at(0)).await;
    user.expect("added")
}

fn new_key(hash: &str) -> NewKey {
    NewKey {
        id: KeyId::fresh(),
        user: None,
        name: "a key".to_owned(),
        role: PersonRole::Admin,
        scopes: vec!["calls:read".to_owned(), "calls:write".to_owned()],
        prefix: "dsk_abc".to_owned(),
        hash: hash.to_owned(),
        expires_at: None,
    }
}

async fn has_key(store: &dyn Store, hash: &str, second: i64) -> Option<Caller> {
    store.key_caller(hash, at(second)).await.expect("asks")
}

async fn a_key_works_until_it_is_revoked_or_runs_out(store: &dyn Store) {
    let (ws, others) = (workspace(store).await, workspace(store).await);
    let key = NewKey {
        expires_at: Some(at(600)),
        ..new_key("h1")
    };
    let id = key.id.clone();
    store.add_key(&ws, key, "test", at(0)).await.expect("added");
    let caller = has_key(store, "h1", 1).await.expect("works");
    assert_eq!((&caller.workspace, &caller.key), (&ws, &Some(id.clone())));
    assert_eq!(caller.scopes, ["calls:read", "calls:write"]);
    let used = async || store.keys(&ws, None, 10).await.expect("keys")[0].last_used_at;
    assert_eq!(used().await, Some(at(1)));
    has_key(store, "h1", 60).await.expect("works");
    assert_eq!(used().await, Some(at(1)), "once a minute is enough");
    has_key(store, "h1", 61).await.expect("works");
    assert_eq!(used().await, Some(at(61)));
    assert!(has_key(store, "h1", 600).await.is_none(), "ran out");
    assert!(matches!(
        store.revoke_key(&others, &id, "test", at(62)).await,
        Err(Error::Missing { .. })
    ));
    assert!(has_key(store, "h1", 63).await.is_some(), "others cannot revoke it");
    store.revoke_key(&ws, &id, "test", at(64)).await.expect("revoked");
    assert!(has_key(store, "h1", 65).await.is_none(), "revoked");
    store.revoke_key(&ws, &id, "test", at(66)).await.expect("again");
    assert_eq!(
        store.keys(&ws, None, 10).await.expect("keys")[0].revoked_at,
        Some(at(64))
    );
    assert!(store.keys(&others, None, 10).await.expect("keys").is_empty());
}

async fn a_key_of_a_user_goes_with_the_user(store: &dyn Store) {
    let (ws, others) = (workspace(store).await, workspace(store).await);
    let user = add_user(store, &ws, "a@example.com", PersonRole::Manager).await;
    let of_user = |hash| NewKey {
        user: Some(user.id.clone()),
        ..new_key(hash)
    };
    assert!(matches!(
        store.add_key(&others, of_user("h0"), "test", at(0)).await,
        Err(Error::Missing { .. })
    ));
    store.add_key(&ws, of_user("h1"), "test", at(0)).await.expect("added");
    let caller = has_key(store, "h1", 1).await.expect("works");
    assert_eq!(
        (caller.role, &caller.user),
        (PersonRole::Manager, &Some(user.id.clone()))
    );
    let change = async |change| store.change_user(&ws, &user.id, change, "test", at(2)).await;
    let disabled = |disabled| UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    change(disabled(true)).await.expect("disabled");
    assert!(has_key(store, "h1", 3).await.is_none());
    change(disabled(false)).await.expect("back");
    let demoted = UserChange {
        role: Some(PersonRole::Rep),
        ..UserChange::default()
    };
    change(demoted).await.expect("demoted");
    assert_eq!(has_key(store, "h1", 4).await.expect("works").role, PersonRole::Rep);
}

async fn a_user_is_of_one_workspace(store: &dyn Store) {
    let (ws, others) = (workspace(store).await, workspace(store).await);
    let user = add_user(store, &ws, " Анна@Example.com", PersonRole::Rep).await;
    assert_eq!(user.email, "анна@example.com");
    for taken in [&ws, &others] {
        let again = store.add_user(taken, new_user("АННА@example.com", PersonRole::Rep), "test", at(0));
        assert!(matches!(again.await, Err(Error::Conflict(_))));
    }
    for named in [user.id.as_str(), "анна@EXAMPLE.com"] {
        assert_eq!(store.find_user(&ws, named).await.expect("asks").as_ref(), Some(&user));
        assert!(store.find_user(&others, named).await.expect("asks").is_none());
    }
    assert!(store.users(&others, None, 10).await.expect("asks").is_empty());
    let renamed = UserChange {
        name: Some("Eve".to_owned()),
        ..UserChange::default()
    };
    assert!(matches!(
        store.change_user(&others, &user.id, renamed, "test", at(1)).await,
        Err(Error::Missing { .. })
    ));
    assert_eq!(
        store.user_signing_in("Анна@example.com").await.expect("asks"),
        Some(user)
    );
    assert!(
        store
            .user_signing_in("nobody@example.com")
            .await
            .expect("asks")
            .is_none()
    );
}

async fn the_last_admin_stays(store: &dyn Store) {
    let (ws, others) = (workspace(store).await, workspace(store).await);
    add_user(store, &others, "c@example.com", PersonRole::Admin).await;
    let first = add_user(store, &ws, "a@example.com", PersonRole::Admin).await;
    let second = add_user(store, &ws, "b@example.com", PersonRole::Admin).await;
    let demote = async |user: &User| {
        let change = UserChange {
            role: Some(PersonRole::Manager),
            ..UserChange::default()
        };
        store.change_user(&ws, &user.id, change, "test", at(1)).await
    };
    // At the same time: one of them stays.
    let (one, other) = tokio::join!(demote(&first), demote(&second));
    assert_eq!([&one, &other].iter().filter(|done| done.is_ok()).count(), 1);
    let refused = one.err().or(other.err()).expect("refused");
    assert!(matches!(refused, Error::Conflict(_)), "{refused}");
    let users = store.users(&ws, None, 10).await.expect("users");
    let last = users
        .iter()
        .find(|user| user.role == PersonRole::Admin)
        .expect("an admin");
    let disable = UserChange {
        disabled: Some(true),
        ..UserChange::default()
    };
    assert!(matches!(
        store.change_user(&ws, &last.id, disable, "test", at(2)).await,
        Err(Error::Conflict(_))
    ));
}

async fn a_session_ends(store: &dyn Store) {
    let ws = workspace(store).await;
    let others = workspace(store).await;
    let user = add_user(store, &ws, "a@example.com", PersonRole::Manager).await;
    let idle = Duration::seconds(600);
    let start = async |hash: &str, user: &User, second| {
        let session = NewSession {
            hash: hash.to_owned(),
            expires_at: at(second) + idle,
            ends_at: at(second + 1500),
        };
        store.add_session(user, session, at(second)).await.expect("asks")
    };
    let caller = async |hash: &str, second| store.session_caller(hash, idle, at(second)).await.expect("asks");
    assert!(start("s1", &user, 0).await);
    let known = caller("s1", 599).await.expect("lives");
    assert_eq!(
        (&known.workspace, &known.user, &known.key),
        (&ws, &Some(user.id.clone()), &None)
    );
    assert!(caller("s1", 1198).await.is_some(), "use keeps it");
    assert!(caller("s1", 1499).await.is_some());
    assert!(caller("s1", 1500).await.is_none(), "but not for ever");
    assert!(start("s2", &user, 2000).await);
    assert!(caller("s2", 2600).await.is_none(), "idle");
    assert!(start("s3", &user, 3000).await);
    store
        .end_session(&others, "s3", "test", at(3001))
        .await
        .expect("nothing");
    assert!(caller("s3", 3001).await.is_some());
    store.end_session(&ws, "s3", "test", at(3002)).await.expect("ended");
    assert!(caller("s3", 3002).await.is_none());
    assert!(start("s4", &user, 4000).await);
    let change = async |change| {
        store
            .change_user(&ws, &user.id, change, "test", at(4001))
            .await
            .expect("changed")
    };
    let demoted = UserChange {
        role: Some(PersonRole::Rep),
        ..UserChange::default()
    };
    change(demoted).await;
    assert_eq!(caller("s4", 4001).await.expect("lives").role, PersonRole::Rep);
    let password = UserChange {
        password: Some("other phc".to_owned()),
        ..UserChange::default()
    };
    let changed = change(password).await;
    assert!(caller("s4", 4001).await.is_none(), "another password");
    assert!(!start("s5", &user, 4002).await, "signed in with the old one meanwhile");
    assert!(start("s5", &changed, 4002).await);
    let disabled = UserChange {
        disabled: Some(true),
        ..UserChange::default()
    };
    change(disabled).await;
    assert!(caller("s5", 4003).await.is_none());
    assert!(!start("s6", &changed, 4003).await);
}

async fn lists_of_people_and_keys_have_pages(store: &dyn Store) {
    let ws = workspace(store).await;
    for number in 0..3 {
        add_user(store, &ws, &format!("{number}@example.com"), PersonRole::Rep).await;
        let key = new_key(&format!("h{number}"));
        store.add_key(&ws, key, "test", at(0)).await.expect("added");
    }
    let users = store.users(&ws, None, 10).await.expect("users");
    let first = store.users(&ws, None, 2).await.expect("users");
    let rest = store.users(&ws, Some(&first[1].id), 2).await.expect("users");
    assert_eq!([first, rest].concat(), users);
    let keys = store.keys(&ws, None, 10).await.expect("keys");
    let first = store.keys(&ws, None, 2).await.expect("keys");
    let rest = store.keys(&ws, Some(&first[1].id), 2).await.expect("keys");
    assert_eq!([first, rest].concat(), keys);
    assert_eq!((users.len(), keys.len()), (3, 3));
    let lines = store.audit_lines(&ws, None, 4).await.expect("lines");
    let rest = store.audit_lines(&ws, Some(lines[3].seq), 4).await.expect("lines");
    let numbers: Vec<i64> = lines.iter().chain(&rest).map(|line| line.seq).collect();
    assert_eq!(numbers, [6, 5, 4, 3, 2, 1]);
}

async fn the_first_workspace_stays_the_first(store: &dyn Store) {
    let first = workspace(store).await;
    let id = WorkspaceId::fresh();
    // By a clock that was put back.
    let opened = store
        .open_workspace(&first, &id, "second", new_key("h1"), "test", at(-3600))
        .await;
    assert_eq!(opened.expect("opened").id, id);
    assert_eq!(store.first_workspace().await.expect("asks"), Some(first.clone()));
    assert_eq!(has_key(store, "h1", 1).await.expect("works").workspace, id);
    let ids = async |after: Option<&WorkspaceId>, limit| -> Vec<WorkspaceId> {
        let all = store.workspaces(after, limit).await.expect("asks");
        all.into_iter().map(|workspace| workspace.id).collect()
    };
    assert_eq!(ids(None, 10).await, [id.clone(), first.clone()]);
    assert_eq!(ids(Some(&id), 10).await, [first]);
}

/// Somebody who can write to the database tries to make a line say something else, or to make it go.
async fn tampering_shows(fresh: Fresh) {
    let store = &*fresh.store;
    let (ws, others) = (workspace(store).await, workspace(store).await);
    for call in 0..5 {
        let subject = format!("call_{call}");
        for of in [&ws, &others] {
            store
                .note(of, "key_1", "recording.read", &subject, at(call))
                .await
                .expect("noted");
        }
    }
    let check = async |of: &WorkspaceId| store.check_audit(of).await.expect("checked");
    let sound = AuditCheck {
        first: 1,
        last: 5,
        broken_at: None,
    };
    assert_eq!(check(&ws).await, sound);
    for (change, back, broken_at) in [
        (
            "update audit set actor = 'key_2' where workspace = $1 and seq = 3",
            "update audit set actor = 'key_1' where workspace = $1 and seq = 3",
            3,
        ),
        (
            "update audit set at = at + 1 where workspace = $1 and seq = 1",
            "update audit set at = at - 1 where workspace = $1 and seq = 1",
            1,
        ),
        (
            "update audit set seq = 7 where workspace = $1 and seq = 4",
            "update audit set seq = 4 where workspace = $1 and seq = 7",
            4,
        ),
        (
            "update workspaces set audit_hash = 'x' || audit_hash where id = $1",
            "update workspaces set audit_hash = substr(audit_hash, 2) where id = $1",
            6,
        ),
        ("delete from audit where workspace = $1 and seq = 5", "", 5),
    ] {
        alter(&fresh.url, change, &ws).await;
        let broken = AuditCheck {
            broken_at: Some(broken_at),
            ..sound
        };
        assert_eq!(check(&ws).await, broken, "{change}");
        assert_eq!(check(&others).await, sound, "{change}");
        if !back.is_empty() {
            alter(&fresh.url, back, &ws).await;
            assert_eq!(check(&ws).await, sound, "{back}");
        }
    }
}

/// What ran out is no tampering; what was taken away beyond that is.
async fn an_audit_log_may_begin_later(fresh: Fresh) {
    let store = &*fresh.store;
    let ws = workspace(store).await;
    for day in 0..5 {
        let when = at(day * 86_400);
        store
            .note(&ws, "key_1", "recording.read", "call_1", when)
            .await
            .expect("noted");
    }
    let keep = Retention {
        audit_days: Some(2),
        ..Retention::default()
    };
    let gone = store.expire(&ws, &keep, at(4 * 86_400), 100).await.expect("expired");
    assert_eq!(gone, 2);
    let sound = AuditCheck {
        first: 3,
        last: 5,
        broken_at: None,
    };
    assert_eq!(store.check_audit(&ws).await.expect("checked"), sound);
    alter(&fresh.url, "delete from audit where workspace = $1 and seq = 3", &ws).await;
    let check = store.check_audit(&ws).await.expect("checked");
    assert_eq!(check.broken_at, Some(4));
    let all = store.expire(&ws, &keep, at(90 * 86_400), 100).await.expect("expired");
    assert_eq!(all, 2);
    let none = AuditCheck {
        first: 6,
        last: 5,
        broken_at: None,
    };
    assert_eq!(store.check_audit(&ws).await.expect("checked"), none);
}

async fn alter(url: &str, change: &'static str, workspace: &WorkspaceId) {
    if url.starts_with("sqlite:") {
        let pool = sqlx::SqlitePool::connect(url).await.expect("connects");
        sqlx::query(change)
            .bind(workspace)
            .execute(&pool)
            .await
            .expect("altered");
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(url).await.expect("connects");
        sqlx::query(change)
            .bind(workspace)
            .execute(&pool)
            .await
            .expect("altered");
        pool.close().await;
    }
}

#[tokio::test]
async fn tampering_shows_on_sqlite() {
    if let Some(fresh) = sqlite().await {
        tampering_shows(fresh).await;
    }
    if let Some(fresh) = sqlite().await {
        an_audit_log_may_begin_later(fresh).await;
    }
}

#[tokio::test]
async fn tampering_shows_on_postgres() {
    if let Some(fresh) = postgres().await {
        tampering_shows(fresh).await;
    }
    if let Some(fresh) = postgres().await {
        an_audit_log_may_begin_later(fresh).await;
    }
}
