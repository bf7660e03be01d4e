//! The part of the suite about what is not kept.

use super::conformance::{Fresh, add, at, claim, draft_change, figures, finish, new_call, suite, summary, workspace};
use super::conformance_delivery::{connect, tried};
use super::*;

suite! {
    an_erased_call_is_gone,
    a_worker_keeps_nothing_of_an_erased_call,
    later_calls_forget_an_erased_one,
    a_call_that_is_worked_on_forgets_an_erased_one,
    letters_of_later_calls_forget_an_erased_one,
    a_call_that_cannot_be_made_again_says_why,
    a_moved_call_leaves_nothing_in_its_old_deal,
    contacts_go_with_their_call,
    a_deal_goes_with_all_its_calls,
    bytes_go_when_no_call_has_them,
    an_upload_of_doomed_bytes_has_them,
    denied_consent_stops_and_takes_away,
    legal_hold_keeps,
    old_things_go,
    others_do_not_erase,
    erasing_and_working_at_the_same_time,
    a_thousand_calls_are_erased_soon,
}

struct Bytes {
    blobs: Blobs,
    folder: tempfile::TempDir,
}

impl Bytes {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("file://{}", folder.path().join("blobs").display());
        let blobs = Blobs::open(&url, &folder.path().join("staging")).expect("opens");
        Self { blobs, folder }
    }

    async fn staged(&self, text: &str) -> Staged {
        let path = self.folder.path().join("file");
        std::fs::write(&path, text).expect("written");
        self.blobs.stage_file(&path).await.expect("staged")
    }

    /// As an upload does it.
    async fn put(&self, store: &dyn Store, workspace: &WorkspaceId, text: &str) -> NewCall {
        let staged = self.staged(text).await;
        store
            .expect_blob(workspace, &staged.hash, at(3600))
            .await
            .expect("expected");
        self.blobs.put(workspace, &staged).await.expect("put");
        NewCall {
            blob: Some((staged.hash.clone(), staged.size)),
            ..new_call()
        }
    }

    async fn has(&self, workspace: &WorkspaceId, hash: &str) -> bool {
        self.blobs.exists(workspace, hash).await.expect("asks")
    }

    async fn sweep(&self, store: &dyn Store, second: i64) {
        while store.remove_doomed(&self.blobs, at(second)).await.expect("removes") {}
    }
}

fn of_deal() -> NewCall {
    NewCall {
        deal: DealHint::Named("Depot".to_owned()),
        ..new_call()
    }
}

async fn done(store: &dyn Store, workspace: &WorkspaceId, date: &str, second: i64) -> CallId {
    let id = add(store, workspace, of_deal()).await;
    let claimed = claim(store, second).await.expect("job");
    assert_eq!(claimed.call.id, id);
    finish(store, &claimed, date, second).await;
    id
}

async fn erase(store: &dyn Store, workspace: &WorkspaceId, id: &CallId) -> Result<()> {
    let scope = Scope::all(workspace.clone());
    store.erase_call(&scope, id, false, "test", at(1000)).await
}

async fn row(store: &dyn Store, workspace: &WorkspaceId, id: &CallId) -> CallRecord {
    let scope = Scope::all(workspace.clone());
    store.call(&scope, id).await.expect("asks").expect("there")
}

async fn analysis(store: &dyn Store, workspace: &WorkspaceId, id: &CallId) -> Option<String> {
    let scope = Scope::all(workspace.clone());
    store.result(&scope, id, Step::Analysis).await.expect("asks")
}

async fn records(store: &dyn Store, workspace: &WorkspaceId, deal: &DealId) -> Vec<DealRecord> {
    let scope = Scope::all(workspace.clone());
    store.deal_records(&scope, deal, None).await.expect("asks")
}

async fn an_erased_call_is_gone(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let request = Idempotent {
        actor: "key".to_owned(),
        name: "once".to_owned(),
        request: "a".to_owned(),
        subject: None,
    };
    let call = of_deal();
    let id = call.id.clone();
    store
        .add_call(&ws, call, Some(request.clone()), "test", at(0))
        .await
        .expect("added");
    finish(store, &claim(store, 1).await.expect("job"), "2026-03-01", 2).await;
    store
        .change_draft(
            &scope,
            &id,
            draft_change(0, Some("{}"), DraftState::Approved),
            "test",
            at(3),
        )
        .await
        .expect("kept");
    let about = Idempotent {
        name: "twice".to_owned(),
        subject: Some(id.to_string()),
        ..request.clone()
    };
    assert_eq!(store.remember(&ws, &about, at(4)).await.expect("asks"), Remembered::New);
    erase(store, &ws, &id).await.expect("erased");
    assert!(store.call(&scope, &id).await.expect("asks").is_none());
    assert!(analysis(store, &ws, &id).await.is_none());
    assert!(store.draft(&scope, &id).await.expect("asks").is_none());
    assert!(store.events(&scope, 0, 10).await.expect("asks").is_empty());
    // The deal was made for this call.
    let page = DealPage {
        limit: 5,
        ..DealPage::default()
    };
    assert!(store.deals(&scope, &page).await.expect("asks").is_empty());
    // What was remembered of requests went too: the same upload is a new call.
    let again = new_call();
    let new = again.id.clone();
    let accepted = store.add_call(&ws, again, Some(request), "test", at(5)).await;
    assert_eq!(accepted.expect("added"), Accepted::Call(new));
    assert_eq!(store.remember(&ws, &about, at(6)).await.expect("asks"), Remembered::New);
    assert!(matches!(erase(store, &ws, &id).await, Err(Error::Missing { .. })));
}

async fn a_worker_keeps_nothing_of_an_erased_call(store: &dyn Store) {
    let ws = workspace(store).await;
    let id = add(store, &ws, of_deal()).await;
    let claimed = claim(store, 1).await.expect("job");
    erase(store, &ws, &id).await.expect("erased");
    let fence = &claimed.fence;
    let step = StepDone {
        step: Step::Transcript,
        body: "{}".to_owned(),
        media: "transcript",
        call_date: at(0).date_naive(),
    };
    let outcome = Outcome {
        analysis: "{}".to_owned(),
        summary: summary("So it goes."),
        record: None,
        events: vec![NewEvent {
            kind: "call.analyzed",
            payload: "{}".to_owned(),
        }],
        reminders: Vec::new(),
    };
    let problem = Problem {
        code: "internal".to_owned(),
        message: "late".to_owned(),
    };
    let retry = Retry::Never(vec![NewEvent {
        kind: "call.failed",
        payload: "{}".to_owned(),
    }]);
    assert!(matches!(
        store.finish_step(fence, step, at(2)).await,
        Err(Error::Fenced)
    ));
    assert!(matches!(
        store.record_outcome(fence, outcome, at(2)).await,
        Err(Error::Fenced)
    ));
    assert!(matches!(
        store.fail_job(fence, &problem, retry, at(2)).await,
        Err(Error::Fenced)
    ));
    let beat = store.extend_job(fence, at(20), "transcribe", 0.5, at(2)).await;
    assert_eq!(beat.expect("beats"), Heartbeat::Gone);
    store.release_job(fence, at(3)).await.expect("nothing to give back");
    assert!(claim(store, 100).await.is_none());
    let scope = Scope::all(ws);
    assert!(store.events(&scope, 0, 10).await.expect("asks").is_empty());
}

async fn later_calls_forget_an_erased_one(store: &dyn Store) {
    let ws = workspace(store).await;
    let later = done(store, &ws, "2026-03-08", 1).await;
    let deal = row(store, &ws, &later).await.deal.expect("deal");
    // The earlier call comes in later: the first record of the other does not know it, the second does.
    let early = done(store, &ws, "2026-03-01", 2).await;
    finish(store, &claim(store, 3).await.expect("again"), "2026-03-08", 3).await;
    let before = done(store, &ws, "2026-02-01", 4).await;
    for second in [5, 6] {
        let again = claim(store, second).await.expect("again");
        let date = if again.call.id == early {
            "2026-03-01"
        } else {
            "2026-03-08"
        };
        finish(store, &again, date, second).await;
    }
    while let Some(again) = claim(store, 7).await {
        let date = if again.call.id == early {
            "2026-03-01"
        } else {
            "2026-03-08"
        };
        finish(store, &again, date, 7).await;
    }
    erase(store, &ws, &early).await.expect("erased");
    let left: Vec<(CallId, i64)> = records(store, &ws, &deal)
        .await
        .into_iter()
        .map(|record| (record.call, record.revision))
        .collect();
    assert_eq!(left, [(later.clone(), 1), (before.clone(), 4)]);
    assert!(analysis(store, &ws, &later).await.is_none());
    assert!(analysis(store, &ws, &before).await.is_some());
    assert_eq!(row(store, &ws, &later).await.status, CallStatus::Queued);
    let again = claim(store, 1008).await.expect("the later call");
    assert_eq!(again.call.id, later);
    let (history, _) = store
        .history_before(&ws, &deal, &later, "2026-03-08".parse().expect("day"))
        .await
        .expect("history");
    assert_eq!(history.expect("earlier").0, before);
    finish(store, &again, "2026-03-08", 1009).await;
    assert!(claim(store, 1010).await.is_none());
    let scope = Scope::all(ws.clone());
    let deal = store.deal(&scope, &deal).await.expect("asks").expect("there");
    assert_eq!(deal.stage.as_deref(), Some("pain"));
}

async fn a_call_that_is_worked_on_forgets_an_erased_one(store: &dyn Store) {
    let ws = workspace(store).await;
    let early = done(store, &ws, "2026-03-01", 1).await;
    let later = add(store, &ws, of_deal()).await;
    let claimed = claim(store, 2).await.expect("job");
    let deal = claimed.call.deal.clone().expect("deal");
    let date = "2026-03-08".parse().expect("day");
    let (history, seen_revision) = store.history_before(&ws, &deal, &later, date).await.expect("history");
    assert!(history.is_some());
    erase(store, &ws, &early).await.expect("erased");
    let outcome = Outcome {
        analysis: "{\"quotes\":\"the erased call\"}".to_owned(),
        summary: summary("So it goes."),
        record: Some(NewRecord {
            deal: deal.clone(),
            seen_revision,
            call_date: date,
            figures: figures(date),
            stage: None,
            body: "{}".to_owned(),
        }),
        events: Vec::new(),
        reminders: Vec::new(),
    };
    assert!(matches!(
        store.record_outcome(&claimed.fence, outcome, at(3)).await,
        Err(Error::Stale)
    ));
    let (history, _) = store.history_before(&ws, &deal, &later, date).await.expect("history");
    assert!(history.is_none());
    finish(store, &claimed, "2026-03-08", 4).await;
}

async fn letters_of_later_calls_forget_an_erased_one(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let early = done(store, &ws, "2026-03-01", 1).await;
    let later = done(store, &ws, "2026-03-08", 2).await;
    let unrelated = done(store, &ws, "2026-02-01", 3).await;
    for id in [&later, &unrelated] {
        let text = Some("{\"body\":\"as you said\"}".to_owned());
        store
            .change_draft(
                &scope,
                id,
                draft_change(0, text.as_deref(), DraftState::Approved),
                "test",
                at(10),
            )
            .await
            .expect("kept");
    }
    erase(store, &ws, &early).await.expect("erased");
    let draft = store.draft(&scope, &later).await.expect("asks").expect("there");
    assert_eq!((draft.draft, draft.state, draft.revision), (None, DraftState::Draft, 2));
    let draft = store.draft(&scope, &unrelated).await.expect("asks").expect("there");
    assert_eq!((draft.draft.is_some(), draft.state), (true, DraftState::Approved));
}

async fn a_call_that_cannot_be_made_again_says_why(store: &dyn Store) {
    let ws = workspace(store).await;
    let early = done(store, &ws, "2026-03-01", 1).await;
    let later = done(store, &ws, "2026-03-08", 2).await;
    let short = Retention {
        transcript_days: Some(1),
        ..Retention::default()
    };
    let next_week = at(0) + chrono::Duration::days(7);
    while store.expire(&ws, &short, next_week, 10).await.expect("expires") > 0 {}
    erase(store, &ws, &early).await.expect("erased");
    assert!(analysis(store, &ws, &later).await.is_none());
    let call = row(store, &ws, &later).await;
    assert_eq!(
        (call.status, call.gone.analysis),
        (CallStatus::Done, Some(Gone::Erasure))
    );
    let scope = Scope::all(ws.clone());
    assert!(matches!(
        store.rerun_call(&scope, &later, "test", at(5)).await,
        Err(Error::Conflict(_))
    ));
    assert!(claim(store, 9_000_000).await.is_none());
}

async fn a_moved_call_leaves_nothing_in_its_old_deal(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let early = done(store, &ws, "2026-03-01", 1).await;
    let later = done(store, &ws, "2026-03-08", 2).await;
    let deal = row(store, &ws, &later).await.deal.expect("deal");
    store
        .move_call(&scope, &early, None, "test", at(3))
        .await
        .expect("moved");
    assert!(records(store, &ws, &deal).await.is_empty());
    assert!(analysis(store, &ws, &later).await.is_none());
    // It is erased from the inbox: the deal has nothing of it already.
    erase(store, &ws, &early).await.expect("erased");
    assert_eq!(claim(store, 4).await.expect("again").call.id, later);
}

async fn contacts_go_with_their_call(store: &dyn Store) {
    let ws = workspace(store).await;
    let key = |said: &str| vec![ContactKey::new(ContactKind::Phone, said).expect("key")];
    let with = |said: &str| NewCall {
        keys: key(said),
        ..of_deal()
    };
    let first = add(store, &ws, with("+7 916 555 01 23")).await;
    let second = add(store, &ws, with("+7 916 555 01 24")).await;
    let both = add(store, &ws, with("+7 916 555 01 23")).await;
    let deal = row(store, &ws, &second).await.deal;
    let lost = |said: &str| NewCall {
        keys: key(said),
        ..new_call()
    };
    erase(store, &ws, &first).await.expect("erased");
    let found = add(store, &ws, lost("8 916 555 01 23")).await;
    assert_eq!(
        row(store, &ws, &found).await.deal,
        deal,
        "another call told the number too"
    );
    erase(store, &ws, &both).await.expect("erased");
    erase(store, &ws, &found).await.expect("erased");
    let found = add(store, &ws, lost("8 916 555 01 23")).await;
    assert_eq!(row(store, &ws, &found).await.deal, None);
    let found = add(store, &ws, lost("8 916 555 01 24")).await;
    assert_eq!(row(store, &ws, &found).await.deal, deal);
}

async fn a_deal_goes_with_all_its_calls(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let (first, second) = (
        done(store, &ws, "2026-03-01", 1).await,
        done(store, &ws, "2026-03-08", 2).await,
    );
    let other = add(store, &ws, new_call()).await;
    let deal = row(store, &ws, &first).await.deal.expect("deal");
    store
        .set_hold(&scope, &second, true, "test", at(3))
        .await
        .expect("held");
    assert!(matches!(
        store.erase_deal(&scope, &deal, false, "test", at(4)).await,
        Err(Error::Conflict(_))
    ));
    assert!(analysis(store, &ws, &first).await.is_some(), "all or nothing");
    store
        .erase_deal(&scope, &deal, true, "test", at(5))
        .await
        .expect("erased");
    for id in [&first, &second] {
        assert!(store.call(&scope, id).await.expect("asks").is_none());
    }
    assert!(store.deal(&scope, &deal).await.expect("asks").is_none());
    assert!(store.events(&scope, 0, 10).await.expect("asks").is_empty());
    assert!(matches!(
        store.erase_deal(&scope, &deal, true, "test", at(6)).await,
        Err(Error::Missing { .. })
    ));
    row(store, &ws, &other).await;
}

async fn bytes_go_when_no_call_has_them(store: &dyn Store) {
    let (ws, bytes) = (workspace(store).await, Bytes::new());
    let first = bytes.put(store, &ws, "the same").await;
    let hash = first.blob.clone().expect("bytes").0;
    let second = NewCall {
        id: CallId::fresh(),
        ..first.clone()
    };
    let (first, second) = (add(store, &ws, first).await, add(store, &ws, second).await);
    // Not a call of ours, but the same bytes.
    let theirs = workspace(store).await;
    let other = bytes.put(store, &theirs, "the same").await;
    add(store, &theirs, other).await;
    bytes.sweep(store, 10_000).await;
    assert!(bytes.has(&ws, &hash).await);
    erase(store, &ws, &first).await.expect("erased");
    bytes.sweep(store, 10_000).await;
    assert!(bytes.has(&ws, &hash).await, "the second call has them");
    erase(store, &ws, &second).await.expect("erased");
    bytes.sweep(store, 10_000).await;
    assert!(!bytes.has(&ws, &hash).await);
    assert!(bytes.has(&theirs, &hash).await);
    // An upload that never came to a call.
    let orphan = bytes.put(store, &ws, "an orphan").await.blob.expect("bytes").0;
    bytes.sweep(store, 3599).await;
    assert!(bytes.has(&ws, &orphan).await);
    bytes.sweep(store, 3600).await;
    assert!(!bytes.has(&ws, &orphan).await);
}

async fn an_upload_of_doomed_bytes_has_them(store: &dyn Store) {
    let (ws, bytes) = (workspace(store).await, Bytes::new());
    let first = bytes.put(store, &ws, "the same").await;
    let hash = first.blob.clone().expect("bytes").0;
    let first = add(store, &ws, first).await;
    // The bytes are put, then the only call with them is erased and they are removed, then the row is kept.
    let again = bytes.put(store, &ws, "the same").await;
    erase(store, &ws, &first).await.expect("erased");
    bytes.sweep(store, 10_000).await;
    let again = add(store, &ws, again).await;
    assert!(store.settle_blob(&ws, &hash).await.expect("asks"));
    assert!(
        !bytes.has(&ws, &hash).await,
        "the upload sees that they went, and has them at hand"
    );
    // Here they are doomed when the row is kept, and not removed any more.
    let staged = bytes.staged("the same").await;
    bytes.blobs.put(&ws, &staged).await.expect("put");
    let third = NewCall {
        blob: Some((hash.clone(), staged.size)),
        ..new_call()
    };
    erase(store, &ws, &again).await.expect("erased");
    let third = add(store, &ws, third).await;
    bytes.sweep(store, 10_000).await;
    assert!(store.settle_blob(&ws, &hash).await.expect("asks"));
    assert!(bytes.has(&ws, &hash).await);
    erase(store, &ws, &third).await.expect("erased");
    assert!(!store.settle_blob(&ws, &hash).await.expect("asks"));
}

async fn denied_consent_stops_and_takes_away(store: &dyn Store) {
    let (ws, bytes) = (workspace(store).await, Bytes::new());
    let scope = Scope::all(ws.clone());
    let call = NewCall {
        source: "Anna.wav".to_owned(),
        meta: "{\"rep\":\"Anna\"}".to_owned(),
        deal: DealHint::Named("Depot".to_owned()),
        ..bytes.put(store, &ws, "sound").await
    };
    let hash = call.blob.clone().expect("bytes").0;
    let id = add(store, &ws, call).await;
    let claimed = claim(store, 1).await.expect("job");
    let granted = ConsentSaid {
        consent: Consent::Granted,
        method: Some(ConsentMethod::Spoken),
        at: Some(at(0)),
    };
    store
        .set_consent(&scope, &id, &granted, "test", at(2))
        .await
        .expect("kept");
    let call = row(store, &ws, &id).await;
    assert_eq!(
        (call.consent, call.consent_method, call.consent_at, call.status),
        (
            Consent::Granted,
            Some(ConsentMethod::Spoken),
            Some(at(0)),
            CallStatus::Running
        )
    );
    finish(store, &claimed, "2026-03-01", 3).await;
    let later = done(store, &ws, "2026-03-08", 4).await;
    let denied = ConsentSaid {
        consent: Consent::Denied,
        method: None,
        at: None,
    };
    store
        .set_consent(&scope, &id, &denied, "test", at(5))
        .await
        .expect("kept");
    let call = row(store, &ws, &id).await;
    assert_eq!(call.status, CallStatus::Cancelled);
    assert_eq!(call.error.expect("why").code, "denied");
    assert_eq!(
        (call.source.as_str(), call.meta.as_str(), call.blob),
        ("upload", "{}", None)
    );
    assert_eq!(call.gone.recording, Some(Gone::Consent));
    assert!(analysis(store, &ws, &id).await.is_none());
    assert!(
        store
            .result(&scope, &id, Step::Transcript)
            .await
            .expect("asks")
            .is_none()
    );
    assert!(analysis(store, &ws, &later).await.is_none(), "it may quote it");
    bytes.sweep(store, 10).await;
    assert!(!bytes.has(&ws, &hash).await);
    assert!(matches!(
        store.rerun_call(&scope, &id, "test", at(6)).await,
        Err(Error::Conflict(_))
    ));
    // One that is denied from the start.
    let refused = NewCall {
        blob: None,
        consent: Consent::Denied,
        ..new_call()
    };
    let refused = add(store, &ws, refused).await;
    let call = row(store, &ws, &refused).await;
    assert_eq!(
        (call.status, call.error.expect("why").code.as_str()),
        (CallStatus::Cancelled, "denied")
    );
    assert_eq!(claim(store, 7).await.expect("again").call.id, later);
    assert!(claim(store, 8).await.is_none());
    erase(store, &ws, &id).await.expect("erased");
}

async fn legal_hold_keeps(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let id = done(store, &ws, "2026-03-01", 1).await;
    store.set_hold(&scope, &id, true, "test", at(2)).await.expect("held");
    let late = at(0) + chrono::Duration::days(4000);
    while store
        .expire(&ws, &Retention::default(), late, 10)
        .await
        .expect("expires")
        > 0
    {}
    assert!(analysis(store, &ws, &id).await.is_some());
    assert!(matches!(erase(store, &ws, &id).await, Err(Error::Conflict(_))));
    let denied = ConsentSaid {
        consent: Consent::Denied,
        method: None,
        at: None,
    };
    store
        .set_consent(&scope, &id, &denied, "test", at(3))
        .await
        .expect("kept");
    assert_eq!(row(store, &ws, &id).await.status, CallStatus::Cancelled);
    assert!(analysis(store, &ws, &id).await.is_some());
    store.set_hold(&scope, &id, false, "test", at(4)).await.expect("ended");
    assert!(analysis(store, &ws, &id).await.is_none());
    let other = add(store, &ws, new_call()).await;
    store.set_hold(&scope, &other, true, "test", at(5)).await.expect("held");
    store
        .erase_call(&scope, &other, true, "test", at(6))
        .await
        .expect("an admin says so");
}

/// A search finds a call.
async fn is_found(store: &dyn Store, workspace: &WorkspaceId, text: &str) -> bool {
    let page = CallPage {
        filter: CallFilter {
            search: Search::new(text).expect("few words"),
            ..CallFilter::default()
        },
        after: None,
        limit: 1,
    };
    let found = store.calls(&Scope::all(workspace.clone()), &page).await;
    !found.expect("asks").is_empty()
}

async fn summary_of(store: &dyn Store, workspace: &WorkspaceId, id: &CallId) -> Option<crate::domain::CallSummary> {
    let scope = Scope::all(workspace.clone());
    store
        .listed_call(&scope, id)
        .await
        .expect("asks")
        .expect("there")
        .summary
}

async fn old_things_go(store: &dyn Store) {
    let (ws, bytes) = (workspace(store).await, Bytes::new());
    let scope = Scope::all(ws.clone());
    let transcript = bytes.put(store, &ws, "turns").await;
    let blob = transcript.blob.clone().expect("bytes").0;
    let transcript = add(store, &ws, transcript).await;
    finish(store, &claim(store, 1).await.expect("job"), "2026-03-01", 2).await;
    let sound = bytes.put(store, &ws, "sound").await;
    let sound_blob = sound.blob.clone().expect("bytes").0;
    let sound = add(store, &ws, sound).await;
    let claimed = claim(store, 3).await.expect("job");
    let step = StepDone {
        step: Step::Transcript,
        body: "{}".to_owned(),
        media: "recording",
        call_date: at(0).date_naive(),
    };
    store.finish_step(&claimed.fence, step, at(4)).await.expect("kept");
    let outcome = Outcome {
        analysis: "{}".to_owned(),
        summary: summary("So it goes."),
        record: None,
        events: Vec::new(),
        reminders: Vec::new(),
    };
    let waveform = crate::domain::Waveform {
        duration_s: 0.2,
        per_second: 10,
        channels: vec![vec![0, 255]],
    };
    let drawn = async || store.waveform(&scope, &sound).await.expect("asks");
    store.keep_waveform(&ws, &sound, &waveform).await.expect("kept");
    let keep = Retention::default();
    let expire = async |days: i64, keep: &Retention| {
        let now = at(0) + chrono::Duration::days(days);
        let mut gone = 0;
        loop {
            match store.expire(&ws, keep, now, 1).await.expect("expires") {
                0 => return gone,
                more => gone += more,
            }
        }
    };
    // Still worked on.
    expire(91, &keep).await;
    assert_eq!(row(store, &ws, &sound).await.gone, WhatIsGone::default());
    store
        .record_outcome(&claimed.fence, outcome, at(5))
        .await
        .expect("kept");
    assert_eq!(expire(89, &keep).await, 0);
    assert_eq!(drawn().await.as_ref(), Some(&waveform));
    assert_eq!(expire(91, &keep).await, 1, "the recording");
    assert_eq!(drawn().await, None);
    store
        .keep_waveform(&ws, &sound, &waveform)
        .await
        .expect("nothing to keep");
    assert_eq!(drawn().await, None, "of a recording that is gone");
    let gone = row(store, &ws, &sound).await.gone;
    assert_eq!(
        (gone.recording, gone.transcript, gone.analysis),
        (Some(Gone::Retention), None, None)
    );
    assert_eq!(row(store, &ws, &transcript).await.gone, WhatIsGone::default());
    assert!(is_found(store, &ws, "goes").await && is_found(store, &ws, "call.vtt").await);
    bytes.sweep(store, 91 * 86_400).await;
    assert!(!bytes.has(&ws, &sound_blob).await);
    assert!(bytes.has(&ws, &blob).await);
    let other = Retention {
        analysis_days: None,
        ..keep
    };
    expire(366, &other).await;
    let call = row(store, &ws, &transcript).await;
    assert_eq!(
        (call.gone.transcript, call.gone.analysis),
        (Some(Gone::Retention), None)
    );
    assert_eq!((call.blob, call.source.as_str()), (None, "call.vtt"));
    assert!(analysis(store, &ws, &transcript).await.is_some());
    assert!(
        !is_found(store, &ws, "goes").await,
        "the words went with the transcript"
    );
    assert!(summary_of(store, &ws, &transcript).await.is_some());
    expire(366, &keep).await;
    let call = row(store, &ws, &transcript).await;
    assert_eq!(
        (call.gone.analysis, call.source.as_str()),
        (Some(Gone::Retention), "upload")
    );
    assert!(analysis(store, &ws, &transcript).await.is_none());
    assert!(summary_of(store, &ws, &transcript).await.is_none());
    assert!(!is_found(store, &ws, "call.vtt").await, "the name went with the rest");
    assert!(
        store.events(&scope, 0, 10).await.expect("asks").is_empty(),
        "after 30 days"
    );
    bytes.sweep(store, 366 * 86_400).await;
    assert!(!bytes.has(&ws, &blob).await);
    // The audit log.
    assert!(expire(3 * 365 + 1, &keep).await > 0);
    assert_eq!(expire(3 * 365 + 1, &keep).await, 0);
    let own = Retention {
        recording_days: Some(7),
        ..keep
    };
    store.set_retention(&ws, Some(&own), "test", at(6)).await.expect("kept");
    let all = store.retentions().await.expect("asks");
    assert!(all.contains(&(ws, Some(own))));
    // What has a time of its own.
    let request = Idempotent {
        actor: "key".to_owned(),
        name: "once".to_owned(),
        request: "a".to_owned(),
        subject: None,
    };
    let other = workspace(store).await;
    store.remember(&other, &request, at(0)).await.expect("new");
    store.expire_passing(at(23 * 3600)).await.expect("expires");
    assert_eq!(
        store.remember(&other, &request, at(1)).await.expect("asks"),
        Remembered::Running
    );
    store.expire_passing(at(25 * 3600)).await.expect("expires");
    assert_eq!(
        store.remember(&other, &request, at(1)).await.expect("asks"),
        Remembered::New
    );
}

async fn others_do_not_erase(store: &dyn Store) {
    let (ours, theirs) = (workspace(store).await, workspace(store).await);
    let id = done(store, &ours, "2026-03-01", 1).await;
    let deal = row(store, &ours, &id).await.deal.expect("deal");
    let denied = ConsentSaid {
        consent: Consent::Denied,
        method: None,
        at: None,
    };
    let rep = Scope {
        workspace: ours.clone(),
        owner: Some(UserId::fresh()),
    };
    for scope in [Scope::all(theirs), rep] {
        for refused in [
            store.erase_call(&scope, &id, true, "test", at(2)).await,
            store.erase_deal(&scope, &deal, true, "test", at(2)).await,
            store.set_consent(&scope, &id, &denied, "test", at(2)).await,
            store.set_hold(&scope, &id, true, "test", at(2)).await,
        ] {
            assert!(matches!(refused, Err(Error::Missing { .. })));
        }
    }
    assert!(analysis(store, &ours, &id).await.is_some());
}

/// Workers record what calls of one deal came to while these are erased and their neighbours run again.
async fn erasing_and_working_at_the_same_time(store: &dyn Store) {
    let ws = workspace(store).await;
    let mut calls = Vec::new();
    for _ in 0..24 {
        calls.push(add(store, &ws, of_deal()).await);
    }
    let deal = row(store, &ws, &calls[0]).await.deal.expect("deal");
    let work = async || {
        let mut idle = 0;
        while idle < 50 {
            // After the erasures: what they queue again is due.
            let Some(claimed) = claim(store, 2000).await else {
                idle += 1;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                continue;
            };
            idle = 0;
            loop {
                let call_date = at(0).date_naive();
                let history = store.history_before(&ws, &deal, &claimed.call.id, call_date).await;
                let Ok((_, seen_revision)) = history else { break };
                let done = StepDone {
                    step: Step::Transcript,
                    body: "{}".to_owned(),
                    media: "transcript",
                    call_date,
                };
                let outcome = Outcome {
                    analysis: "{}".to_owned(),
                    summary: summary("So it goes."),
                    record: Some(NewRecord {
                        deal: deal.clone(),
                        seen_revision,
                        call_date,
                        figures: figures(call_date),
                        stage: None,
                        body: "{}".to_owned(),
                    }),
                    events: Vec::new(),
                    reminders: Vec::new(),
                };
                match store.finish_step(&claimed.fence, done, at(2)).await {
                    Err(Error::Fenced) => break,
                    kept => kept.expect("kept"),
                }
                match store.record_outcome(&claimed.fence, outcome, at(2)).await {
                    Ok(()) | Err(Error::Fenced) => break,
                    Err(Error::Stale) => (),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
    let erase_all = async {
        for id in &calls[..23] {
            erase(store, &ws, id).await.expect("erased");
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
    };
    tokio::join!(work(), work(), work(), erase_all);
    let scope = Scope::all(ws.clone());
    let all = CallPage {
        filter: CallFilter::default(),
        after: None,
        limit: 100,
    };
    let left = store.calls(&scope, &all).await.expect("asks");
    let left: Vec<(CallId, CallStatus)> = left
        .into_iter()
        .map(|listed| (listed.call.id, listed.call.status))
        .collect();
    assert_eq!(left, [(calls[23].clone(), CallStatus::Done)]);
    let mut known: Vec<CallId> = records(store, &ws, &deal)
        .await
        .into_iter()
        .map(|record| record.call)
        .collect();
    // Its record from before an earlier call was known stays beside that from after.
    known.dedup();
    assert_eq!(known, [calls[23].clone()]);
}

async fn a_thousand_calls_are_erased_soon(store: &dyn Store) {
    let (ws, bytes) = (workspace(store).await, Bytes::new());
    let body = format!("{{\"text\":\"{}\"}}", "so it goes. ".repeat(300));
    let mut calls = Vec::new();
    for number in 0..1000 {
        let call = bytes.put(store, &ws, &format!("call {number}")).await;
        let id = add(store, &ws, call).await;
        let claimed = claim(store, 1).await.expect("job");
        let done = StepDone {
            step: Step::Transcript,
            body: body.clone(),
            media: "transcript",
            call_date: at(0).date_naive(),
        };
        store.finish_step(&claimed.fence, done, at(2)).await.expect("kept");
        let outcome = Outcome {
            analysis: body.clone(),
            summary: summary("So it goes."),
            record: None,
            events: Vec::new(),
            reminders: Vec::new(),
        };
        store
            .record_outcome(&claimed.fence, outcome, at(2))
            .await
            .expect("kept");
        calls.push(id);
    }
    let started = std::time::Instant::now();
    for id in &calls {
        erase(store, &ws, id).await.expect("erased");
        bytes.sweep(store, 10_000).await;
        store.scrub().await.expect("scrubbed");
    }
    let took = started.elapsed();
    eprintln!("1,000 calls erased in {:.1} s", took.as_secs_f64());
    assert!(took.as_secs() < 60, "{took:?}");
    let left = walk(bytes.folder.path());
    assert_eq!(left.len(), 1, "only the file that the test wrote itself: {left:?}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// Everything that lies in a database, as bytes: of SQLite the files, with what is free in them; of PostgreSQL all rows.
async fn everything(fresh: &Fresh) -> Vec<u8> {
    if let Some(path) = fresh.url.strip_prefix("sqlite://") {
        let folder = Path::new(path).parent().expect("folder");
        return walk(folder)
            .into_iter()
            .flat_map(|file| std::fs::read(file).expect("read"))
            .collect();
    }
    let pool = sqlx::PgPool::connect(&fresh.url).await.expect("connects");
    let tables: Vec<String> = sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public'")
        .fetch_all(&pool)
        .await
        .expect("tables");
    let mut all = Vec::new();
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select t::text from {table} t")))
            .fetch_all(&pool)
            .await
            .expect("rows");
        all.extend(rows.concat().into_bytes());
    }
    all
}

fn hits(bytes: &[u8], word: &str) -> usize {
    let mut found = 0;
    let mut rest = bytes;
    while let Some(place) = rest.windows(word.len()).position(|window| window == word.as_bytes()) {
        found += 1;
        rest = &rest[place + word.len()..];
    }
    found
}

/// Leaves words wherever what is sent and written may leave some: answers, messages, values of a CRM.
async fn leave(store: &dyn Store, workspace: &WorkspaceId, crm: &EndpointId, word: &str, text: &str) {
    let lease = chrono::Duration::seconds(10);
    let mut due = store.claim_deliveries(10, 8, at(4), lease).await.expect("claims");
    let (fence, endpoint) = store
        .claim_connection("w1", at(4), lease)
        .await
        .expect("claims")
        .expect("free");
    let work = store.next_crm_work(&fence, at(4)).await.expect("asks");
    let Some(CrmWork::Event {
        delivery,
        tries,
        payload,
    }) = work
    else {
        panic!("no event: {work:?}");
    };
    let deal = delivery.deal.clone().expect("deal");
    let scope = Scope::all(workspace.clone());
    let revision = store.deal(&scope, &deal).await.expect("asks").expect("there").revision;
    let change = |kind| NewChange {
        id: ChangeId::fresh(),
        kind,
        name: "budget".to_owned(),
        target: "budget__c".to_owned(),
        old: serde_json::json!(word),
        old_name: None,
        new: serde_json::json!(text),
        new_name: None,
        evidence: vec![ChangeEvidence {
            call_id: "call".to_owned(),
            turn: 1,
            quote: text.to_owned(),
        }],
        confidence: None,
        policy: Policy::Auto,
        why: None,
    };
    let proposal = NewProposal {
        id: ProposalId::fresh(),
        about: About::Deal,
        deal,
        call: delivery.call.clone().expect("call"),
        endpoint: crm.clone(),
        revision,
        crm_deal: "D-7".to_owned(),
        delivery: delivery.id.clone(),
        changes: [ChangeKind::Field, ChangeKind::Note].map(change).into(),
    };
    let changes: Vec<ChangeId> = proposal.changes.iter().map(|change| change.id.clone()).collect();
    store
        .propose(workspace, &fence, proposal, Vec::new(), at(4))
        .await
        .expect("kept");
    for change in &changes {
        store.begin_change(&fence, change, at(4)).await.expect("begun");
        let done = ChangeDone::Ended {
            state: ChangeState::NotApplied,
            crm_id: Some(word.to_owned()),
            found: None,
            message: Some(text.to_owned()),
        };
        store.finish_change(&fence, change, done, at(4)).await.expect("kept");
    }
    due.push(Due {
        delivery: *delivery,
        tries,
        endpoint,
        payload,
        at: at(4),
        unsure: false,
    });
    let said = |due: &Due| Attempted {
        answer: text.to_owned(),
        message: Some(text.to_owned()),
        ..tried(due, Then::Failed, 4)
    };
    let tries = due.iter().map(said).collect();
    let patience = chrono::Duration::days(5);
    store.finish_deliveries(tries, patience, at(4)).await.expect("kept");
    store.release_connection(&fence).await.expect("given back");
}

/// Calls of all sizes, in everything that a call may leave behind; every second one is erased.
async fn no_word_of_an_erased_call_is_left(fresh: Fresh) {
    let store = &*fresh.store;
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let canary = |erased: bool| if erased { "Zyxwanna" } else { "Keptolga" };
    // One delivery for each call, so that what is answered is about it.
    connect(store, &ws, EndpointKind::Webhook, &["call.analyzed"]).await;
    let crm = connect(store, &ws, EndpointKind::Crm, &[]).await;
    let mut erased = Vec::new();
    for number in 0..120_usize {
        let out = number % 2 == 0;
        let word = canary(out);
        // From rows that fit a page many times to those that fill hundreds.
        let text = format!("{word} said so. ").repeat(1 + (number * number * 7) % 900);
        let call = NewCall {
            source: format!("{word}-{number}.vtt"),
            meta: format!("{{\"rep\":\"{word} {}\"}}", "x".repeat(number * 13 % 500)),
            keys: vec![ContactKey::new(ContactKind::Name, word).expect("key")],
            deal: DealHint::Named(format!("{word} {}", number / 3)),
            ..new_call()
        };
        let request = Idempotent {
            actor: "key".to_owned(),
            name: format!("{number}"),
            request: "a".to_owned(),
            subject: None,
        };
        let id = call.id.clone();
        store
            .add_call(&ws, call, Some(request), "test", at(0))
            .await
            .expect("added");
        let claimed = claim(store, 1).await.expect("job");
        store
            .extend_job(&claimed.fence, at(20), "transcribe", 0.5, at(2))
            .await
            .expect("beats");
        let body = format!("{{\"text\":\"{text}\"}}");
        let call_date = at(number as i64 * 86_400).date_naive();
        let step = StepDone {
            step: Step::Transcript,
            body: body.clone(),
            media: "transcript",
            call_date,
        };
        store.finish_step(&claimed.fence, step, at(2)).await.expect("kept");
        let deal = claimed.call.deal.clone().expect("deal");
        let (_, seen_revision) = store.history_before(&ws, &deal, &id, call_date).await.expect("history");
        let outcome = Outcome {
            analysis: body.clone(),
            summary: summary(&text),
            record: Some(NewRecord {
                deal,
                seen_revision,
                call_date,
                figures: figures(call_date),
                stage: None,
                body: body.clone(),
            }),
            events: ["call.analyzed", "deal.updated"]
                .map(|kind| NewEvent {
                    kind,
                    payload: format!("{{\"call_id\":\"{word}\"}}"),
                })
                .into(),
            reminders: vec![NewReminder {
                payload: format!("{{\"text\":\"{text}\"}}"),
                due_at: at(5000),
            }],
        };
        store
            .record_outcome(&claimed.fence, outcome, at(3))
            .await
            .expect("kept");
        store
            .change_draft(
                &scope,
                &id,
                draft_change(0, Some(&body), DraftState::Draft),
                "test",
                at(4),
            )
            .await
            .expect("kept");
        let correction = Correction {
            id: CorrectionId::fresh(),
            call: id.clone(),
            by_user: "test".to_owned(),
            body,
            at: at(4),
        };
        store.add_correction(&scope, correction, at(4)).await.expect("kept");
        leave(store, &ws, &crm, word, &text).await;
        if out {
            erased.push(id);
        }
    }
    assert!(hits(&everything(&fresh).await, canary(true)) > 1000);
    for id in &erased {
        erase(store, &ws, id).await.expect("erased");
    }
    store.scrub().await.expect("scrubbed");
    let is_file = fresh.url.starts_with("sqlite");
    assert!(!store.compact(at(999)).await.expect("asks"), "not due");
    assert_eq!(store.compact(at(1000)).await.expect("compacted"), is_file);
    assert!(!store.compact(at(2000)).await.expect("asks"), "done");
    let left = everything(&fresh).await;
    assert_eq!(hits(&left, canary(true)), 0);
    assert_eq!(hits(&left, &canary(true).to_lowercase()), 0);
    assert!(hits(&left, canary(false)) > 1000);
}

#[tokio::test]
async fn no_word_of_an_erased_call_is_left_on_sqlite() {
    if let Some(fresh) = super::conformance::sqlite().await {
        no_word_of_an_erased_call_is_left(fresh).await;
    }
}

#[tokio::test]
async fn no_word_of_an_erased_call_is_left_on_postgres() {
    if let Some(fresh) = super::conformance::postgres().await {
        no_word_of_an_erased_call_is_left(fresh).await;
    }
}
