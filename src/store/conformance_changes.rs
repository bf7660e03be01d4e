//! The part of the suite about change-sets and the CRMs that they go to.

use chrono::Duration;
use serde_json::json;

use super::conformance::{at, claim, finish, suite, workspace};
use super::conformance_delivery::{Happened, connect, tried};
use super::*;

suite! {
    a_change_set_is_kept_with_what_is_decided,
    a_later_call_supersedes,
    a_change_set_is_made_once,
    a_deal_that_moved_on_gets_none,
    people_decide,
    wrong_decisions_are_refused,
    a_connection_has_one_worker,
    a_worker_without_a_connection_writes_nothing,
    an_intent_outlives_its_worker,
    a_change_is_tried_again,
    what_was_written_can_be_undone,
    changes_go_before_events,
    a_connection_may_rest,
    a_deal_is_found_in_the_crm,
    what_clients_call_a_deal_is_of_the_only_crm,
    a_person_says_which_record_a_deal_is,
    what_came_to_nothing_is_approved_again,
    others_see_no_change_sets,
    erasing_takes_what_may_quote,
    old_change_sets_go,
    deciding_and_writing_at_the_same_time,
}

/// A workspace with a CRM.
struct Crm<'a> {
    store: &'a dyn Store,
    workspace: WorkspaceId,
    endpoint: EndpointId,
}

impl<'a> Crm<'a> {
    async fn new(store: &'a dyn Store) -> Self {
        let workspace = workspace(store).await;
        let endpoint = connect(store, &workspace, EndpointKind::Crm, &[]).await;
        Self {
            store,
            workspace,
            endpoint,
        }
    }

    fn scope(&self) -> Scope {
        Scope::all(self.workspace.clone())
    }

    async fn claim(&self, second: i64) -> Option<ConnectionFence> {
        let claimed = self
            .store
            .claim_connection("w1", at(second), Duration::seconds(10))
            .await
            .expect("claims");
        let (fence, endpoint) = claimed?;
        assert_eq!((&fence.endpoint, &endpoint.id), (&self.endpoint, &self.endpoint));
        Some(fence)
    }

    async fn next(&self, fence: &ConnectionFence, second: i64) -> Option<CrmWork> {
        self.store.next_crm_work(fence, at(second)).await.expect("asks")
    }

    async fn event(&self, fence: &ConnectionFence, second: i64) -> (Delivery, i64) {
        match self.next(fence, second).await {
            Some(CrmWork::Event { delivery, tries, .. }) => (*delivery, tries),
            other => panic!("no event: {other:?}"),
        }
    }

    /// The change that is next, whether it is an intent, and how many tries it had.
    async fn change(&self, fence: &ConnectionFence, second: i64) -> (Change, bool, i64) {
        match self.next(fence, second).await {
            Some(CrmWork::Change {
                change,
                proposal,
                tries,
                unsure,
            }) => {
                assert_eq!(change.proposal, proposal.id);
                assert_eq!(proposal.crm_deal, "D-7");
                (*change, unsure, tries)
            }
            other => panic!("no change: {other:?}"),
        }
    }

    async fn done_with(&self, delivery: &Delivery, second: i64) {
        let due = Due {
            delivery: delivery.clone(),
            tries: 1,
            endpoint: self
                .store
                .endpoint(&self.workspace, &self.endpoint)
                .await
                .expect("asks")
                .expect("there"),
            payload: String::new(),
            at: at(second),
            unsure: false,
        };
        let tries = vec![tried(&due, Then::Delivered, second)];
        self.store
            .finish_deliveries(tries, Duration::days(5), at(second))
            .await
            .expect("kept");
    }

    async fn revision(&self, deal: &DealId) -> i64 {
        let deal = self.store.deal(&self.scope(), deal).await.expect("asks");
        deal.expect("there").revision
    }

    async fn new_proposal(&self, delivery: &Delivery, changes: Vec<NewChange>) -> NewProposal {
        let deal = delivery.deal.clone().expect("deal");
        NewProposal {
            id: ProposalId::fresh(),
            about: About::Deal,
            call: delivery.call.clone().expect("call"),
            endpoint: self.endpoint.clone(),
            revision: self.revision(&deal).await,
            crm_deal: "D-7".to_owned(),
            delivery: delivery.id.clone(),
            deal,
            changes,
        }
    }

    async fn propose(&self, fence: &ConnectionFence, proposal: NewProposal, second: i64) -> Result<()> {
        let events = vec![NewEvent {
            kind: "proposal.created",
            payload: "{}".to_owned(),
        }];
        self.store
            .propose(&self.workspace, fence, proposal, events, at(second))
            .await
    }

    /// A call with a deal, and the change-set that it leads to.
    async fn proposed(&self, fence: &ConnectionFence, deal: &str, changes: Vec<NewChange>, second: i64) -> ProposalId {
        Happened::new(Some(deal), &["deal.updated"], second)
            .keep(self.store, &self.workspace)
            .await;
        let (delivery, _) = self.event(fence, second).await;
        let proposal = self.new_proposal(&delivery, changes).await;
        let id = proposal.id.clone();
        self.propose(fence, proposal, second).await.expect("kept");
        self.done_with(&delivery, second).await;
        id
    }

    /// The right to speak to the CRM, for as long as a test lasts.
    async fn open(&self, second: i64) -> ConnectionFence {
        // There must be something to do.
        let test = self
            .store
            .test_endpoint(&self.workspace, &self.endpoint, "{}", "test", at(second));
        test.await.expect("told");
        let fence = self.claim(second).await.expect("free");
        self.store
            .extend_connection(&fence, at(second + 1_000_000))
            .await
            .expect("held");
        let (delivery, _) = self.event(&fence, second).await;
        self.done_with(&delivery, second).await;
        fence
    }

    async fn get(&self, id: &ProposalId) -> Proposal {
        let proposal = self.store.proposal(&self.scope(), id).await;
        proposal.expect("asks").expect("there")
    }

    async fn states(&self, id: &ProposalId) -> Vec<&'static str> {
        let proposal = self.get(id).await;
        proposal.changes.iter().map(|change| change.state.as_str()).collect()
    }

    async fn decide(
        &self,
        id: &ProposalId,
        named: Option<&[ChangeId]>,
        decision: Decision,
        second: i64,
    ) -> Result<Proposal> {
        self.store
            .decide(&self.scope(), id, named, decision, "anna", at(second))
            .await
    }

    async fn ended(&self, fence: &ConnectionFence, change: &ChangeId, state: ChangeState, second: i64) {
        let done = ChangeDone::Ended {
            state,
            crm_id: None,
            found: None,
            message: None,
        };
        self.store
            .finish_change(fence, change, done, at(second))
            .await
            .expect("kept");
    }

    /// Writes what is next.
    async fn write(&self, fence: &ConnectionFence, state: ChangeState, second: i64) -> ChangeId {
        let (change, ..) = self.change(fence, second).await;
        self.store
            .begin_change(fence, &change.id, at(second))
            .await
            .expect("begun");
        self.ended(fence, &change.id, state, second).await;
        change.id
    }
}

fn change(kind: ChangeKind, name: &str, policy: Policy) -> NewChange {
    NewChange {
        id: ChangeId::fresh(),
        kind,
        name: name.to_owned(),
        target: format!("{name}__c"),
        old: json!(null),
        old_name: None,
        new: json!({"of": name}),
        new_name: None,
        evidence: vec![ChangeEvidence {
            call_id: "call_1".to_owned(),
            turn: 7,
            quote: "two hundred".to_owned(),
        }],
        confidence: Some(0.75),
        policy,
        why: None,
    }
}

fn stage(policy: Policy) -> NewChange {
    change(ChangeKind::Stage, "", policy)
}

fn field(name: &str, policy: Policy) -> NewChange {
    change(ChangeKind::Field, name, policy)
}

fn note(policy: Policy) -> NewChange {
    change(ChangeKind::Note, "", policy)
}

async fn a_change_set_is_kept_with_what_is_decided(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let told = connect(store, &crm.workspace, EndpointKind::Webhook, &["proposal.created"]).await;
    let changes = vec![
        NewChange {
            why: Some("backwards".to_owned()),
            ..stage(Policy::Ask)
        },
        field("budget", Policy::Auto),
        field("team", Policy::Never),
        NewChange {
            confidence: None,
            evidence: Vec::new(),
            ..note(Policy::Auto)
        },
    ];
    let given: Vec<ChangeId> = changes.iter().map(|change| change.id.clone()).collect();
    let id = crm.proposed(&fence, "Depot", changes, 1).await;
    let proposal = crm.get(&id).await;
    assert_eq!(
        proposal
            .changes
            .iter()
            .map(|change| change.id.clone())
            .collect::<Vec<_>>(),
        given
    );
    assert_eq!(crm.states(&id).await, ["proposed", "approved", "withheld", "approved"]);
    assert_eq!(
        (proposal.crm_deal.as_str(), proposal.revision, proposal.created_at),
        ("D-7", 1, at(1))
    );
    let first = &proposal.changes[0];
    assert_eq!(
        (first.why.as_deref(), first.confidence, first.policy),
        (Some("backwards"), Some(0.75), Policy::Ask)
    );
    assert_eq!((&first.old, &first.decided_by), (&json!(null), &None));
    let second = &proposal.changes[1];
    assert_eq!(
        (&second.new, second.target.as_str()),
        (&json!({"of": "budget"}), "budget__c")
    );
    assert_eq!(
        (second.evidence[0].turn, second.evidence[0].quote.as_str()),
        (7, "two hundred")
    );
    assert_eq!(
        (second.decided_by.as_deref(), second.decided_at),
        (Some("policy"), Some(at(1)))
    );
    let filter = DeliveryFilter {
        endpoint: Some(told),
        limit: 10,
        ..DeliveryFilter::default()
    };
    let told = store.deliveries(&crm.scope(), &filter).await.expect("asks");
    assert_eq!((told.len(), &told[0].deal), (1, &Some(proposal.deal)));
}

async fn a_later_call_supersedes(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let all = || {
        vec![
            stage(Policy::Ask),
            field("budget", Policy::Auto),
            field("team", Policy::Auto),
            field("people", Policy::Never),
            note(Policy::Auto),
            note(Policy::Ask),
        ]
    };
    let waiting = vec![stage(Policy::Ask), field("people", Policy::Never), note(Policy::Ask)];
    let other = crm.proposed(&fence, "Mill", waiting, 1).await;
    let first = crm.proposed(&fence, "Depot", all(), 2).await;
    // One is under way when the next call comes.
    let (budget, ..) = crm.change(&fence, 3).await;
    store.begin_change(&fence, &budget.id, at(3)).await.expect("begun");
    Happened::new(Some("Depot"), &["deal.updated"], 4)
        .keep(store, &crm.workspace)
        .await;
    crm.ended(&fence, &budget.id, ChangeState::Applied, 4).await;
    for _ in 0..2 {
        crm.write(&fence, ChangeState::Applied, 4).await;
    }
    let (delivery, _) = crm.event(&fence, 4).await;
    let again = crm.new_proposal(&delivery, vec![field("team", Policy::Ask)]).await;
    crm.propose(&fence, again, 5).await.expect("kept");
    crm.done_with(&delivery, 5).await;
    assert_eq!(
        crm.states(&first).await,
        ["superseded", "applied", "applied", "withheld", "applied", "proposed"],
        "the note of the earlier call is still worth having"
    );
    assert_eq!(
        crm.states(&other).await,
        ["proposed", "withheld", "proposed"],
        "of another deal"
    );
    // The earlier call again, understood anew.
    Happened::new(Some("Depot"), &["deal.updated"], 5)
        .keep(store, &crm.workspace)
        .await;
    let (delivery, _) = crm.event(&fence, 5).await;
    let mut anew = crm.new_proposal(&delivery, vec![field("team", Policy::Ask)]).await;
    anew.call = crm.get(&first).await.call;
    crm.propose(&fence, anew, 5).await.expect("kept");
    crm.done_with(&delivery, 5).await;
    assert_eq!(
        crm.states(&first).await,
        ["superseded", "applied", "applied", "withheld", "applied", "superseded"]
    );
    // What was approved and not begun.
    let waiting = crm
        .proposed(
            &fence,
            "Clinic",
            vec![field("budget", Policy::Auto), note(Policy::Auto)],
            6,
        )
        .await;
    let (change, ..) = crm.change(&fence, 6).await;
    store.begin_change(&fence, &change.id, at(6)).await.expect("begun");
    let later = |second, unsure| ChangeDone::Again {
        at: at(second),
        rest: None,
        unsure,
        message: "the CRM does not answer".to_owned(),
    };
    store
        .finish_change(&fence, &change.id, later(100, true), at(6))
        .await
        .expect("kept");
    let (change, ..) = crm.change(&fence, 7).await;
    store
        .finish_change(&fence, &change.id, later(100, false), at(7))
        .await
        .expect("kept");
    Happened::new(Some("Clinic"), &["deal.updated"], 8)
        .keep(store, &crm.workspace)
        .await;
    assert!(
        crm.next(&fence, 8).await.is_none(),
        "it may have been written: what the CRM has says nothing"
    );
    assert_eq!(crm.states(&waiting).await, ["writing", "approved"]);
    for _ in 0..2 {
        crm.write(&fence, ChangeState::Applied, 100).await;
    }
    let (delivery, _) = crm.event(&fence, 100).await;
    let again = crm.new_proposal(&delivery, vec![stage(Policy::Auto)]).await;
    crm.propose(&fence, again, 100).await.expect("kept");
    crm.done_with(&delivery, 100).await;
    crm.write(&fence, ChangeState::Applied, 100).await;
    let waiting = crm.proposed(&fence, "Farm", vec![stage(Policy::Ask)], 101).await;
    crm.decide(&waiting, None, Decision::Approve, 101)
        .await
        .expect("approved");
    let (change, ..) = crm.change(&fence, 101).await;
    store
        .finish_change(&fence, &change.id, later(200, false), at(101))
        .await
        .expect("kept");
    crm.proposed(&fence, "Farm", vec![stage(Policy::Ask)], 102).await;
    assert_eq!(crm.states(&waiting).await, ["superseded"]);
    let open = ProposalFilter {
        open: true,
        limit: 10,
        ..ProposalFilter::default()
    };
    assert_eq!(store.proposals(&crm.scope(), &open).await.expect("asks").len(), 3);
}

async fn a_change_set_is_made_once(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    Happened::new(Some("Depot"), &["deal.updated"], 1)
        .keep(store, &crm.workspace)
        .await;
    let (delivery, tries) = crm.event(&fence, 1).await;
    assert_eq!(tries, 1);
    let first = crm.new_proposal(&delivery, vec![stage(Policy::Ask)]).await;
    let id = first.id.clone();
    crm.propose(&fence, first, 2).await.expect("kept");
    // The worker died before it said so: the next one has the same delivery.
    store.release_connection(&fence).await.expect("given back");
    let fence = crm.claim(3).await.expect("free");
    let (same, tries) = crm.event(&fence, 3).await;
    assert_eq!((&same.id, tries), (&delivery.id, 2));
    let second = crm.new_proposal(&same, vec![stage(Policy::Ask)]).await;
    crm.propose(&fence, second, 4).await.expect("stands");
    let filter = ProposalFilter {
        limit: 10,
        ..ProposalFilter::default()
    };
    let all = store.proposals(&crm.scope(), &filter).await.expect("asks");
    assert_eq!(all.iter().map(|proposal| &proposal.id).collect::<Vec<_>>(), [&id]);
    assert_eq!(crm.states(&id).await, ["proposed"]);
}

async fn a_deal_that_moved_on_gets_none(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    Happened::new(Some("Depot"), &["deal.updated"], 1)
        .keep(store, &crm.workspace)
        .await;
    let (delivery, _) = crm.event(&fence, 1).await;
    let late = crm.new_proposal(&delivery, vec![stage(Policy::Auto)]).await;
    Happened::new(Some("Depot"), &["deal.updated"], 2)
        .keep(store, &crm.workspace)
        .await;
    assert!(matches!(crm.propose(&fence, late, 3).await, Err(Error::Stale)));
    // The later event tells it.
    crm.done_with(&delivery, 3).await;
    let (next, _) = crm.event(&fence, 3).await;
    assert_eq!(next.event_seq, delivery.event_seq + 1);
}

async fn people_decide(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let ask = || {
        vec![
            stage(Policy::Ask),
            field("budget", Policy::Ask),
            field("team", Policy::Ask),
            field("people", Policy::Never),
        ]
    };
    let id = crm.proposed(&fence, "Depot", ask(), 1).await;
    let other = crm.proposed(&fence, "Mill", ask(), 1).await;
    let ids: Vec<ChangeId> = crm.get(&id).await.changes.into_iter().map(|change| change.id).collect();
    let after = crm
        .decide(&id, Some(&ids[..1]), Decision::Reject, 2)
        .await
        .expect("decided");
    assert_eq!(after, crm.get(&id).await);
    assert_eq!(after.changes[0].decided_by.as_deref(), Some("anna"));
    // Named twice is named.
    let twice = [ids[1].clone(), ids[1].clone()];
    crm.decide(&id, Some(&twice), Decision::Approve, 3)
        .await
        .expect("decided");
    assert_eq!(crm.states(&id).await, ["rejected", "approved", "proposed", "withheld"]);
    crm.decide(&id, None, Decision::Approve, 4).await.expect("decided");
    assert_eq!(crm.states(&id).await, ["rejected", "approved", "approved", "withheld"]);
    let lines = store.audit_lines(&crm.workspace, None, 100).await.expect("asks");
    let about = |action: &str| -> Vec<String> {
        let lines = lines
            .iter()
            .filter(|line| line.action == action && line.actor == "anna");
        let mut subjects: Vec<String> = lines.map(|line| line.subject.clone()).collect();
        subjects.sort();
        subjects
    };
    assert_eq!(about("change.rejected"), [ids[0].as_str()]);
    assert_eq!(about("change.approved"), [ids[1].as_str(), ids[2].as_str()]);
    crm.decide(&other, None, Decision::Reject, 6).await.expect("decided");
    assert_eq!(
        crm.states(&other).await,
        ["rejected", "rejected", "rejected", "withheld"]
    );
}

async fn wrong_decisions_are_refused(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let changes = vec![stage(Policy::Ask), field("team", Policy::Never), note(Policy::Auto)];
    let other = crm.proposed(&fence, "Mill", vec![stage(Policy::Ask)], 1).await;
    let id = crm.proposed(&fence, "Depot", changes, 1).await;
    let ids: Vec<ChangeId> = crm.get(&id).await.changes.into_iter().map(|change| change.id).collect();
    let conflict = async |named: Option<&[ChangeId]>, decision| {
        matches!(crm.decide(&id, named, decision, 2).await, Err(Error::Conflict(_)))
    };
    assert!(conflict(Some(&ids[1..2]), Decision::Approve).await, "never is never");
    assert!(
        conflict(Some(&ids[2..]), Decision::Reject).await,
        "it is approved already"
    );
    assert!(conflict(Some(&ids[..1]), Decision::Undo).await, "nothing was written");
    assert!(conflict(None, Decision::Undo).await);
    assert!(conflict(Some(&ids[..2]), Decision::Approve).await, "all or nothing");
    assert_eq!(crm.states(&id).await, ["proposed", "withheld", "approved"]);
    let theirs = crm.get(&other).await.changes[0].id.clone();
    for named in [theirs, ChangeId::from("chg_none")] {
        let refused = crm.decide(&id, Some(&[named]), Decision::Approve, 3).await;
        assert!(matches!(refused, Err(Error::Missing { .. })));
    }
    let none = ProposalId::from("prop_none");
    let refused = crm.decide(&none, None, Decision::Approve, 3).await;
    assert!(matches!(refused, Err(Error::Missing { .. })));
    crm.decide(&id, None, Decision::Approve, 4).await.expect("decided");
    assert!(conflict(None, Decision::Approve).await, "nothing waits any more");
    assert!(conflict(None, Decision::Reject).await);
}

async fn a_connection_has_one_worker(store: &dyn Store) {
    let crm = Crm::new(store).await;
    assert!(crm.claim(0).await.is_none(), "there is nothing to do");
    Happened::new(Some("Depot"), &["deal.updated"], 1)
        .keep(store, &crm.workspace)
        .await;
    let claims = async || crm.claim(2).await;
    let (one, two, three) = tokio::join!(claims(), claims(), claims());
    let mut held: Vec<ConnectionFence> = [one, two, three].into_iter().flatten().collect();
    assert_eq!(held.len(), 1);
    let first = held.remove(0);
    assert!(store.extend_connection(&first, at(30)).await.expect("asks"));
    assert!(crm.claim(29).await.is_none());
    let second = crm.claim(30).await.expect("the lease ran out");
    assert_eq!(second.attempt, first.attempt + 1);
    assert!(!store.extend_connection(&first, at(90)).await.expect("asks"));
    store.release_connection(&first).await.expect("nothing to give back");
    assert!(crm.claim(31).await.is_none());
    let (delivery, _) = crm.event(&second, 31).await;
    assert!(crm.next(&second, 31).await.is_none(), "it has it in hand");
    let replay = Replay::One(delivery.id.clone());
    assert!(matches!(
        store.replay(&crm.workspace, replay, "test", at(32)).await,
        Err(Error::Conflict(_))
    ));
    store.release_connection(&second).await.expect("given back");
    assert!(!store.extend_connection(&second, at(90)).await.expect("asks"));
    let third = crm.claim(33).await.expect("free");
    assert_eq!(crm.event(&third, 33).await.0.id, delivery.id, "what it had in hand");
    assert_eq!(store.release_all_connections().await.expect("given back"), 1);
    let fourth = crm.claim(34).await.expect("free");
    let (same, tries) = crm.event(&fourth, 34).await;
    assert_eq!((&same.id, tries), (&delivery.id, 3));
    crm.done_with(&same, 34).await;
    store.release_connection(&fourth).await.expect("given back");
    assert!(crm.claim(35).await.is_none(), "there is nothing to do");
    // Webhooks are no connections, and nothing is written where it is switched off.
    let change = EndpointChange {
        enabled: Some(false),
        ..EndpointChange::default()
    };
    let replay = Replay::One(same.id);
    store
        .replay(&crm.workspace, replay, "test", at(36))
        .await
        .expect("sent");
    let claimed = store.claim_deliveries(10, 8, at(36), Duration::seconds(10)).await;
    assert!(claimed.expect("claims").is_empty());
    let fence = crm.claim(36).await.expect("free");
    store
        .change_endpoint(&crm.workspace, &crm.endpoint, change, "test", at(37))
        .await
        .expect("changed");
    assert!(crm.next(&fence, 37).await.is_none());
    store.release_connection(&fence).await.expect("given back");
    assert!(crm.claim(38).await.is_none());
}

async fn a_worker_without_a_connection_writes_nothing(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let open = crm.open(0).await;
    let id = crm.proposed(&open, "Depot", vec![stage(Policy::Auto)], 1).await;
    let change = crm.get(&id).await.changes.remove(0);
    store.release_connection(&open).await.expect("given back");
    let held = crm.claim(2).await.expect("free");
    Happened::new(Some("Mill"), &["deal.updated"], 3)
        .keep(store, &crm.workspace)
        .await;
    let mill = {
        let filter = DeliveryFilter {
            state: Some(DeliveryState::Pending),
            limit: 1,
            ..DeliveryFilter::default()
        };
        store.deliveries(&crm.scope(), &filter).await.expect("asks").remove(0)
    };
    let late = crm.new_proposal(&mill, vec![stage(Policy::Auto)]).await;
    let applied = ChangeDone::Ended {
        state: ChangeState::Applied,
        crm_id: None,
        found: None,
        message: None,
    };
    let fenced = [
        store.begin_change(&open, &change.id, at(4)).await,
        store.finish_change(&open, &change.id, applied.clone(), at(4)).await,
        store.next_crm_work(&open, at(4)).await.map(|_| ()),
        crm.propose(&open, late, 4).await,
    ];
    for fenced in fenced {
        assert!(matches!(fenced, Err(Error::Fenced)), "{fenced:?}");
    }
    assert_eq!(crm.states(&id).await, ["approved"]);
    // Nor does one of another connection.
    let other = connect(store, &crm.workspace, EndpointKind::Crm, &[]).await;
    store
        .test_endpoint(&crm.workspace, &other, "{}", "test", at(5))
        .await
        .expect("told");
    let claimed = store.claim_connection("w2", at(5), Duration::seconds(10)).await;
    let (theirs, _) = claimed.expect("claims").expect("free");
    assert!(matches!(
        store.begin_change(&theirs, &change.id, at(6)).await,
        Err(Error::Conflict(_))
    ));
    store
        .finish_change(&theirs, &change.id, applied, at(6))
        .await
        .expect("nothing happens");
    assert_eq!(crm.states(&id).await, ["approved"]);
    crm.write(&held, ChangeState::Applied, 7).await;
    assert_eq!(crm.states(&id).await, ["applied"]);
    assert!(matches!(
        store.begin_change(&held, &change.id, at(8)).await,
        Err(Error::Conflict(_))
    ));
}

async fn an_intent_outlives_its_worker(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let open = crm.open(0).await;
    let id = crm.proposed(&open, "Depot", vec![note(Policy::Auto)], 1).await;
    let (change, unsure, tries) = crm.change(&open, 2).await;
    assert_eq!((unsure, tries, change.attempt), (false, 1, 0));
    store.begin_change(&open, &change.id, at(2)).await.expect("begun");
    assert_eq!(crm.states(&id).await, ["writing"]);
    assert_eq!(store.release_all_connections().await.expect("given back"), 1);
    let next = crm.claim(3).await.expect("free");
    let (same, unsure, tries) = crm.change(&next, 3).await;
    assert_eq!((&same.id, unsure, tries, same.attempt), (&change.id, true, 2, 1));
    let done = ChangeDone::Ended {
        state: ChangeState::Applied,
        crm_id: Some("N-1".to_owned()),
        found: None,
        message: None,
    };
    store.finish_change(&next, &change.id, done, at(4)).await.expect("kept");
    let note = crm.get(&id).await.changes.remove(0);
    assert_eq!(
        (note.state, note.crm_id.as_deref()),
        (ChangeState::Applied, Some("N-1"))
    );
    assert_eq!((note.attempt, note.updated_at), (1, at(4)));
    assert!(crm.next(&next, 5).await.is_none());
    // One line for one effect.
    crm.ended(&next, &change.id, ChangeState::Failed, 6).await;
    assert_eq!(crm.states(&id).await, ["applied"]);
    let lines = store.audit_lines(&crm.workspace, None, 100).await.expect("asks");
    assert_eq!(lines.iter().filter(|line| line.action == "change.applied").count(), 1);
    // The same on the way back.
    crm.decide(&id, None, Decision::Undo, 7).await.expect("decided");
    store.begin_change(&next, &change.id, at(8)).await.expect("begun");
    assert_eq!(crm.states(&id).await, ["undoing"]);
    store.release_connection(&next).await.expect("given back");
    let last = crm.claim(9).await.expect("free");
    let (same, unsure, tries) = crm.change(&last, 9).await;
    assert_eq!(
        (&same.id, unsure, tries, same.crm_id.as_deref()),
        (&change.id, true, 2, Some("N-1"))
    );
    crm.ended(&last, &change.id, ChangeState::Undone, 10).await;
    assert_eq!(crm.states(&id).await, ["undone"]);
}

async fn a_change_is_tried_again(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let id = crm.proposed(&fence, "Depot", vec![note(Policy::Auto)], 1).await;
    let again = async |change: &ChangeId, unsure, second: i64| {
        let done = ChangeDone::Again {
            at: at(second + 10),
            rest: None,
            unsure,
            message: "too many requests".to_owned(),
        };
        store
            .finish_change(&fence, change, done, at(second))
            .await
            .expect("kept");
    };
    for (second, unsure, state) in [(2, false, "approved"), (20, true, "writing"), (40, false, "approved")] {
        let (change, ..) = crm.change(&fence, second).await;
        store.begin_change(&fence, &change.id, at(second)).await.expect("begun");
        again(&change.id, unsure, second).await;
        assert_eq!(crm.states(&id).await, [state]);
        assert!(crm.next(&fence, second + 9).await.is_none());
    }
    let (change, unsure, tries) = crm.change(&fence, 50).await;
    assert_eq!((unsure, tries, change.attempt), (false, 4, 3));
    assert_eq!(change.message.as_deref(), Some("too many requests"));
    crm.ended(&fence, &change.id, ChangeState::Failed, 51).await;
    assert!(crm.next(&fence, 1000).await.is_none());
}

async fn what_was_written_can_be_undone(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let changes = vec![
        stage(Policy::Auto),
        field("budget", Policy::Auto),
        field("team", Policy::Auto),
    ];
    let id = crm.proposed(&fence, "Depot", changes, 1).await;
    crm.write(&fence, ChangeState::Applied, 2).await;
    crm.write(&fence, ChangeState::NotApplied, 2).await;
    let team = crm.write(&fence, ChangeState::Applied, 2).await;
    assert_eq!(crm.states(&id).await, ["applied", "not_applied", "applied"]);
    crm.decide(&id, Some(std::slice::from_ref(&team)), Decision::Undo, 3)
        .await
        .expect("decided");
    assert_eq!(crm.states(&id).await, ["applied", "not_applied", "undo_approved"]);
    let (change, unsure, tries) = crm.change(&fence, 4).await;
    assert_eq!(
        (&change.id, change.state, unsure, tries),
        (&team, ChangeState::UndoApproved, false, 1)
    );
    crm.write(&fence, ChangeState::UndoConflict, 4).await;
    crm.decide(&id, None, Decision::Undo, 5).await.expect("decided");
    crm.write(&fence, ChangeState::Undone, 6).await;
    assert_eq!(crm.states(&id).await, ["undone", "not_applied", "undo_conflict"]);
    let refused = crm.decide(&id, None, Decision::Undo, 7).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    let lines = store.audit_lines(&crm.workspace, None, 100).await.expect("asks");
    let count = |action: &str| lines.iter().filter(|line| line.action == action).count();
    assert_eq!(
        (
            count("change.applied"),
            count("change.undo_approved"),
            count("change.undone")
        ),
        (2, 2, 1)
    );
}

async fn changes_go_before_events(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let first = crm.proposed(&fence, "Mill", vec![field("c", Policy::Ask)], 1).await;
    let changes = vec![field("b", Policy::Auto), field("a", Policy::Auto)];
    let second = crm.proposed(&fence, "Depot", changes, 2).await;
    Happened::new(Some("Clinic"), &["deal.updated"; 2], 3)
        .keep(store, &crm.workspace)
        .await;
    Happened::new(Some("Farm"), &["deal.updated"], 3)
        .keep(store, &crm.workspace)
        .await;
    crm.decide(&first, None, Decision::Approve, 4).await.expect("decided");
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(crm.write(&fence, ChangeState::Applied, 5).await);
    }
    let mut made: Vec<ChangeId> = Vec::new();
    for id in [&first, &second] {
        made.extend(crm.get(id).await.changes.into_iter().map(|change| change.id));
    }
    assert_eq!(order, made);
    // The second event of the deal waits for the first; that of the other deal does not.
    let (clinic, _) = crm.event(&fence, 6).await;
    let (farm, _) = crm.event(&fence, 6).await;
    assert_ne!(clinic.deal, farm.deal);
    assert!(crm.next(&fence, 6).await.is_none());
    crm.done_with(&clinic, 7).await;
    let (second, _) = crm.event(&fence, 7).await;
    assert_eq!((&second.deal, second.event_seq), (&clinic.deal, clinic.event_seq + 1));
}

async fn a_connection_may_rest(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    crm.proposed(&fence, "Depot", vec![stage(Policy::Auto), note(Policy::Auto)], 1)
        .await;
    let (change, ..) = crm.change(&fence, 2).await;
    store.begin_change(&fence, &change.id, at(2)).await.expect("begun");
    let done = ChangeDone::Again {
        at: at(50),
        rest: Some(at(40)),
        unsure: false,
        message: "the limit of the day is reached".to_owned(),
    };
    store
        .finish_change(&fence, &change.id, done, at(3))
        .await
        .expect("kept");
    assert!(crm.next(&fence, 39).await.is_none());
    store.release_connection(&fence).await.expect("given back");
    assert!(crm.claim(39).await.is_none());
    let fence = crm.claim(40).await.expect("free");
    let (next, ..) = crm.change(&fence, 40).await;
    assert_eq!(next.kind, ChangeKind::Note);
}

async fn a_deal_is_found_in_the_crm(store: &dyn Store) {
    let ws = workspace(store).await;
    let scope = Scope::all(ws.clone());
    let key = |kind, said: &str| ContactKey::new(kind, said).expect("key");
    let keys = vec![
        key(ContactKind::Phone, "+7 916 555 01 23"),
        key(ContactKind::Email, "Anna@example.com"),
        key(ContactKind::Name, "Depot  GmbH"),
    ];
    let new = |keys: Vec<ContactKey>| NewDeal {
        id: DealId::fresh(),
        name: "Depot".to_owned(),
        crm_id: None,
        owner: None,
        keys,
    };
    let (deal, other) = (new(keys.clone()), new(Vec::new()));
    let (id, second) = (deal.id.clone(), other.id.clone());
    store.add_deal(&ws, deal, "test", at(0)).await.expect("added");
    store.add_deal(&ws, other, "test", at(0)).await.expect("added");
    let mut known = store.deal_keys(&ws, &id).await.expect("asks");
    known.sort();
    let mut wanted = keys;
    wanted.sort();
    assert_eq!(known, wanted);
    let crm = connect(store, &ws, EndpointKind::Crm, &[]).await;
    let link = async |deal: &DealId, crm_id: &str| store.link_crm_deal(&ws, deal, &crm, crm_id, at(1)).await;
    let record = async |deal: &DealId, crm: &EndpointId| store.crm_record(&ws, deal, crm).await.expect("asks");
    assert_eq!(record(&id, &crm).await, None);
    link(&id, "D-7").await.expect("linked");
    link(&id, "D-7").await.expect("the same");
    assert!(matches!(link(&id, "D-8").await, Err(Error::Conflict(_))));
    assert!(matches!(link(&second, "D-7").await, Err(Error::Conflict(_))));
    link(&second, "D-8").await.expect("linked");
    assert_eq!(record(&id, &crm).await.as_deref(), Some("D-7"));
    // Another CRM has records of its own.
    let other = connect(store, &ws, EndpointKind::Crm, &[]).await;
    assert_eq!(record(&id, &other).await, None);
    store
        .link_crm_deal(&ws, &second, &other, "D-7", at(1))
        .await
        .expect("linked");
    let mut known = vec![(crm.clone(), "D-8".to_owned()), (other.clone(), "D-7".to_owned())];
    known.sort();
    assert_eq!(store.crm_records(&ws, &second).await.expect("asks"), known);
    // Clients call none of them so.
    let deal = store.deal(&scope, &id).await.expect("asks").expect("there");
    assert_eq!(deal.crm_id, None);
    store
        .delete_endpoint(&ws, &other, "test", at(1))
        .await
        .expect("deleted");
    let left = store.crm_records(&ws, &second).await.expect("asks");
    assert_eq!(left, [(crm.clone(), "D-8".to_owned())]);
    let others = workspace(store).await;
    assert!(store.deal_keys(&others, &id).await.expect("asks").is_empty());
    assert!(matches!(
        store.link_crm_deal(&others, &id, &crm, "D-7", at(2)).await,
        Err(Error::Missing { .. })
    ));
}

async fn what_clients_call_a_deal_is_of_the_only_crm(store: &dyn Store) {
    let ws = workspace(store).await;
    let deal = NewDeal {
        id: DealId::fresh(),
        name: "Depot".to_owned(),
        crm_id: Some("7".to_owned()),
        owner: None,
        keys: Vec::new(),
    };
    let id = deal.id.clone();
    store.add_deal(&ws, deal, "test", at(0)).await.expect("added");
    let first = connect(store, &ws, EndpointKind::Crm, &[]).await;
    connect(store, &ws, EndpointKind::Webhook, &[]).await;
    let record = async |crm: &EndpointId| store.crm_record(&ws, &id, crm).await.expect("asks");
    assert_eq!(record(&first).await.as_deref(), Some("7"));
    let second = connect(store, &ws, EndpointKind::Crm, &[]).await;
    assert_eq!((record(&first).await, record(&second).await), (None, None));
    let none = DealId::from("deal_none");
    assert!(matches!(
        store.crm_record(&ws, &none, &first).await,
        Err(Error::Missing { .. })
    ));
}

async fn a_person_says_which_record_a_deal_is(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let ws = &crm.workspace;
    let fence = crm.open(0).await;
    let changes = || vec![stage(Policy::Ask), note(Policy::Auto)];
    let id = crm.proposed(&fence, "Depot", changes(), 1).await;
    crm.write(&fence, ChangeState::Applied, 1).await;
    let other = crm.proposed(&fence, "Mill", changes(), 1).await;
    crm.write(&fence, ChangeState::Applied, 1).await;
    let (deal, mill) = (crm.get(&id).await.deal, crm.get(&other).await.deal);
    // One that was not found.
    Happened::new(Some("Depot"), &["deal.updated"], 2).keep(store, ws).await;
    let (lost, _) = crm.event(&fence, 2).await;
    let due = Due {
        delivery: lost.clone(),
        tries: 1,
        endpoint: store.endpoint(ws, &crm.endpoint).await.expect("asks").expect("there"),
        payload: String::new(),
        at: at(2),
        unsure: false,
    };
    store
        .finish_deliveries(vec![tried(&due, Then::Failed, 2)], Duration::days(5), at(2))
        .await
        .expect("kept");
    assert!(crm.next(&fence, 3).await.is_none());
    let say = async |scope: &Scope, deal: &DealId, record: Option<&str>| {
        let said = store.say_crm_deal(scope, deal, &crm.endpoint, record, "anna", at(4));
        said.await
    };
    let all = crm.scope();
    say(&all, &deal, Some("D-7")).await.expect("said");
    // What was proposed for that record stays.
    assert_eq!(crm.states(&id).await, ["proposed", "applied"]);
    let (again, tries) = crm.event(&fence, 4).await;
    assert_eq!((&again.id, tries), (&lost.id, 1));
    crm.done_with(&again, 4).await;
    assert!(matches!(say(&all, &mill, Some("D-7")).await, Err(Error::Conflict(_))));
    say(&all, &deal, Some("D-9")).await.expect("said");
    say(&all, &deal, Some("D-9")).await.expect("the same");
    assert_eq!(crm.states(&id).await, ["superseded", "applied"]);
    assert_eq!(crm.states(&other).await, ["proposed", "applied"]);
    say(&all, &mill, Some("D-7")).await.expect("it is free");
    say(&all, &deal, None).await.expect("taken back");
    assert!(store.crm_records(ws, &deal).await.expect("asks").is_empty());
    let rep = Scope {
        workspace: ws.clone(),
        owner: Some(UserId::fresh()),
    };
    let others = Scope::all(workspace(store).await);
    for scope in [&rep, &others] {
        assert!(matches!(
            say(scope, &deal, Some("D-1")).await,
            Err(Error::Missing { .. })
        ));
    }
    let hook = connect(store, ws, EndpointKind::Webhook, &[]).await;
    let refused = store.say_crm_deal(&all, &deal, &hook, Some("D-1"), "anna", at(5)).await;
    assert!(matches!(refused, Err(Error::Missing { .. })));
    let lines = store.audit_lines(ws, None, 100).await.expect("asks");
    let linked = lines
        .iter()
        .filter(|line| line.action == "deal.linked" && line.actor == "anna");
    assert_eq!(linked.count(), 4);
}

async fn what_came_to_nothing_is_approved_again(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let changes = vec![stage(Policy::Ask), field("budget", Policy::Ask), note(Policy::Ask)];
    let id = crm.proposed(&fence, "Depot", changes, 1).await;
    crm.decide(&id, None, Decision::Approve, 2).await.expect("decided");
    let (first, ..) = crm.change(&fence, 2).await;
    let found = Found {
        value: json!("won"),
        name: Some("Closed: won".to_owned()),
    };
    let conflict = ChangeDone::Ended {
        state: ChangeState::Conflict,
        crm_id: None,
        found: Some(found.clone()),
        message: Some("somebody changed it".to_owned()),
    };
    store
        .finish_change(&fence, &first.id, conflict, at(2))
        .await
        .expect("kept");
    crm.write(&fence, ChangeState::Failed, 2).await;
    crm.write(&fence, ChangeState::NotApplied, 2).await;
    assert_eq!(crm.states(&id).await, ["conflict", "failed", "not_applied"]);
    assert_eq!(crm.get(&id).await.changes[0].found.as_ref(), Some(&found));
    let ids: Vec<ChangeId> = crm.get(&id).await.changes.into_iter().map(|change| change.id).collect();
    // All that waits is none of them, and nothing else can be said of them.
    for (named, decision) in [
        (None, Decision::Approve),
        (Some(&ids[2..]), Decision::Approve),
        (Some(&ids[..1]), Decision::Reject),
        (Some(&ids[1..2]), Decision::Undo),
    ] {
        let refused = crm.decide(&id, named, decision, 3).await;
        assert!(matches!(refused, Err(Error::Conflict(_))), "{decision:?} of {named:?}");
    }
    let after = crm
        .decide(&id, Some(&ids[..2]), Decision::Approve, 4)
        .await
        .expect("decided");
    assert_eq!(crm.states(&id).await, ["approved", "approved", "not_applied"]);
    // What the CRM had is what undo will write back.
    let stage = &after.changes[0];
    assert_eq!((&stage.old, &stage.old_name), (&found.value, &found.name));
    assert_eq!((&stage.found, &stage.message), (&None, &None));
    assert_eq!(
        (&after.changes[1].old, &after.changes[1].old_name),
        (&json!(null), &None)
    );
    let (next, unsure, tries) = crm.change(&fence, 4).await;
    assert_eq!((&next.id, unsure, tries), (&ids[0], false, 1));
    crm.write(&fence, ChangeState::Applied, 5).await;
    let (next, unsure, tries) = crm.change(&fence, 5).await;
    assert_eq!((&next.id, unsure, tries, next.attempt), (&ids[1], false, 1, 1));
    crm.write(&fence, ChangeState::Failed, 5).await;
    // A later call knows better.
    crm.proposed(&fence, "Depot", vec![field("budget", Policy::Ask)], 6)
        .await;
    assert_eq!(crm.states(&id).await, ["applied", "superseded", "not_applied"]);
    let lines = store.audit_lines(&crm.workspace, None, 100).await.expect("asks");
    let approved = lines.iter().filter(|line| line.action == "change.approved");
    assert_eq!(approved.count(), 5);
}

async fn others_see_no_change_sets(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let anna = UserId::fresh();
    let own = Happened {
        owner: Some(&anna),
        ..Happened::new(Some("Depot"), &[], 1)
    };
    own.keep(store, &crm.workspace).await;
    let own = crm.proposed(&fence, "Depot", vec![stage(Policy::Ask)], 2).await;
    let not_hers = crm.proposed(&fence, "Mill", vec![stage(Policy::Ask)], 3).await;
    let rep = Scope {
        workspace: crm.workspace.clone(),
        owner: Some(anna),
    };
    let others = Scope::all(workspace(store).await);
    let filter = ProposalFilter {
        limit: 10,
        ..ProposalFilter::default()
    };
    let seen = async |scope: &Scope, filter: &ProposalFilter| -> Vec<ProposalId> {
        let all = store.proposals(scope, filter).await.expect("asks");
        all.into_iter().map(|proposal| proposal.id).collect()
    };
    assert_eq!(seen(&crm.scope(), &filter).await, [not_hers.clone(), own.clone()]);
    assert_eq!(seen(&rep, &filter).await, std::slice::from_ref(&own));
    assert!(seen(&others, &filter).await.is_empty());
    for (scope, id) in [(&rep, &not_hers), (&others, &own)] {
        assert!(store.proposal(scope, id).await.expect("asks").is_none());
        let refused = store.decide(scope, id, None, Decision::Approve, "anna", at(4)).await;
        assert!(matches!(refused, Err(Error::Missing { .. })));
    }
    let of = crm.get(&own).await;
    let base = || filter.clone();
    for (filter, wanted) in [
        (
            ProposalFilter {
                deal: Some(of.deal.clone()),
                ..base()
            },
            vec![&own],
        ),
        (
            ProposalFilter {
                call: Some(of.call),
                ..base()
            },
            vec![&own],
        ),
        (
            ProposalFilter {
                before: Some(not_hers.clone()),
                ..base()
            },
            vec![&own],
        ),
        (ProposalFilter { limit: 1, ..base() }, vec![&not_hers]),
    ] {
        assert_eq!(
            seen(&crm.scope(), &filter).await.iter().collect::<Vec<_>>(),
            wanted,
            "{filter:?}"
        );
    }
    store
        .decide(&rep, &own, None, Decision::Approve, "anna", at(5))
        .await
        .expect("hers");
    let open = ProposalFilter { open: true, ..base() };
    assert_eq!(seen(&crm.scope(), &open).await, [not_hers]);
}

async fn erasing_takes_what_may_quote(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let scope = crm.scope();
    let fence = crm.open(0).await;
    let mut sets = Vec::new();
    for second in 1..4 {
        sets.push(
            crm.proposed(&fence, "Depot", vec![field("budget", Policy::Auto)], second)
                .await,
        );
        crm.write(&fence, ChangeState::Applied, second).await;
    }
    let other = crm.proposed(&fence, "Mill", vec![stage(Policy::Auto)], 4).await;
    let middle = crm.get(&sets[1]).await;
    // One is being written while its call is erased.
    let (change, ..) = crm.change(&fence, 5).await;
    store.begin_change(&fence, &change.id, at(5)).await.expect("begun");
    store
        .erase_call(&scope, &middle.call, false, "test", at(6))
        .await
        .expect("erased");
    let left = async |id: &ProposalId| store.proposal(&scope, id).await.expect("asks").is_some();
    assert!(left(&sets[0]).await, "it was made before the call was known");
    assert!(!left(&sets[1]).await);
    assert!(!left(&sets[2]).await, "its old value may be what the call told");
    assert!(left(&other).await);
    let said = ConsentSaid {
        consent: Consent::Denied,
        method: None,
        at: None,
    };
    let call = crm.get(&other).await.call;
    store
        .set_consent(&scope, &call, &said, "test", at(7))
        .await
        .expect("kept");
    assert!(!left(&other).await);
    crm.ended(&fence, &change.id, ChangeState::Applied, 8).await;
    assert!(matches!(
        store.begin_change(&fence, &change.id, at(8)).await,
        Err(Error::Conflict(_))
    ));
    // What rests on the erased call is made again.
    while let Some(job) = claim(store, 8).await {
        finish(store, &job, &at(0).date_naive().to_string(), 8).await;
    }
    // A call that is put to another deal takes its change-sets from the first.
    let moved = crm.proposed(&fence, "Clinic", vec![stage(Policy::Ask)], 9).await;
    let call = crm.get(&moved).await.call;
    store
        .move_call(&scope, &call, None, "test", at(10))
        .await
        .expect("moved");
    assert!(!left(&moved).await);
    // And a deal takes all.
    let deal = crm.get(&sets[0]).await.deal;
    store
        .erase_deal(&scope, &deal, false, "test", at(11))
        .await
        .expect("erased");
    assert!(!left(&sets[0]).await);
}

async fn old_change_sets_go(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let id = crm.proposed(&fence, "Depot", vec![stage(Policy::Ask)], 1).await;
    let keep = Retention::default();
    let expire = async |days: i64| {
        while store
            .expire(&crm.workspace, &keep, at(days * 86_400), 10)
            .await
            .expect("expires")
            > 0
        {}
    };
    expire(364).await;
    assert_eq!(crm.states(&id).await, ["proposed"]);
    expire(366).await;
    assert!(store.proposal(&crm.scope(), &id).await.expect("asks").is_none());
}

/// A worker writes, people decide, calls are erased, all at once and of the same deals.
async fn deciding_and_writing_at_the_same_time(store: &dyn Store) {
    let crm = Crm::new(store).await;
    let fence = crm.open(0).await;
    let mut sets = Vec::new();
    for number in 0..12_i64 {
        let changes = vec![
            stage(Policy::Ask),
            field("budget", Policy::Ask),
            field("team", Policy::Ask),
            note(Policy::Ask),
        ];
        sets.push(crm.proposed(&fence, &format!("Deal {number}"), changes, number).await);
    }
    let decide = async {
        for id in &sets {
            match crm.decide(id, None, Decision::Approve, 100).await {
                Ok(_) | Err(Error::Missing { .. }) => (),
                Err(error) => panic!("{error}"),
            }
        }
    };
    let erase = async {
        for id in sets.iter().step_by(3) {
            let call = crm.get(id).await.call;
            store
                .erase_call(&crm.scope(), &call, false, "test", at(101))
                .await
                .expect("erased");
        }
    };
    let work = async {
        let mut idle = 0;
        while idle < 100 {
            match crm.next(&fence, 102).await {
                Some(CrmWork::Change { change, .. }) => {
                    idle = 0;
                    match store.begin_change(&fence, &change.id, at(102)).await {
                        Ok(()) | Err(Error::Conflict(_)) => (),
                        Err(error) => panic!("{error}"),
                    }
                    crm.ended(&fence, &change.id, ChangeState::Applied, 102).await;
                }
                Some(CrmWork::Event { delivery, .. }) => crm.done_with(&delivery, 102).await,
                None => {
                    idle += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
            }
        }
    };
    tokio::join!(decide, erase, work);
    for (number, id) in sets.iter().enumerate() {
        let left = store.proposal(&crm.scope(), id).await.expect("asks");
        assert_eq!(left.is_none(), number % 3 == 0);
        if left.is_some() {
            assert_eq!(crm.states(id).await, ["applied"; 4]);
        }
    }
    let lines = store.audit_lines(&crm.workspace, None, 1000).await.expect("asks");
    let applied = lines.iter().filter(|line| line.action == "change.applied").count();
    assert!(applied >= 8 * 4, "{applied}");
    let check = store.check_audit(&crm.workspace).await.expect("checked");
    assert_eq!(check.broken_at, None);
}
