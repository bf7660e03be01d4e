//! The holder of a connection: makes change-sets, and writes those that were approved.
//!
//! One worker at a time speaks to a CRM: its rate is exact, and what was begun is looked for before anything is made again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::apply::{self, Job, Stopped, Verdict};
use super::plan::{self, CrmNow, Known, Mapping};
use super::{By, Connection, CrmFile, Error};
use crate::deliver::{Gate, failpoint};
use crate::store::{
    self, About, Attempted, CallId, Change, ChangeDone, ChangeEvidence, ChangeId, ChangeKind, ChangeState,
    ConnectionFence, ContactKey, ContactKind, CrmWork, Deal, DealId, Delivery, Endpoint, EndpointId, NewChange,
    NewEvent, NewProposal, Proposal, ProposalFilter, ProposalId, Scope, Sealed, Step, Store, Then, WorkspaceId,
};

/// A lease is kept at least so often.
const BEAT: Duration = Duration::from_secs(10);
/// Sign-in and names of a CRM are asked for anew after so long.
const KEPT: Duration = Duration::from_secs(600);

/// What a person can do about a deal that is not found.
const SAY_IT: &str = "say which record of the CRM it is (`PATCH /v1/deals/{id}` with `crm`)";

/// The event of a letter that somebody approved.
const LETTER: &str = "followup.approved";

/// What a holder of connections needs.
#[derive(Clone)]
pub struct Crm {
    pub store: Arc<dyn Store>,
    pub gate: Gate,
    /// Rung when there is something to do.
    pub bell: Arc<Notify>,
}

/// Works until `shutdown`; a change that is being written is finished. `lease`: so long after its last sign of life a worker
/// that died is taken for dead.
pub async fn run(crm: Crm, lease: chrono::Duration, name: String, shutdown: CancellationToken) {
    let mut kept: HashMap<EndpointId, Account> = HashMap::new();
    while !shutdown.is_cancelled() {
        let rung = crm.bell.notified();
        let claimed = crm.store.claim_connection(&name, Utc::now(), lease).await;
        let Some((fence, endpoint)) = store::claimed_or_wait(claimed, "connection", rung, &shutdown).await else {
            continue;
        };
        kept.retain(|_, account| account.opened.elapsed() < KEPT);
        let mut account = match kept.remove(&endpoint.id).filter(|account| account.is_of(&endpoint)) {
            Some(account) => Ok(account.at(&fence)),
            None => Account::open(&crm.gate, &endpoint, &fence),
        };
        let lost = CancellationToken::new();
        let beat = tokio::spawn(keep(crm.store.clone(), fence.clone(), lease, lost.clone()));
        let held = Held {
            crm: &crm,
            fence: &fence,
            endpoint: &endpoint,
            lost: &lost,
            shutdown: &shutdown,
        };
        match (held.work(&mut account).await, account) {
            (Ok(()), Ok(account)) => _ = kept.insert(endpoint.id.clone(), account),
            (Ok(()) | Err(store::Error::Fenced), _) => (),
            (Err(error), _) => warn!(endpoint.id = %endpoint.id, %error, "the work at a connection stopped"),
        }
        beat.abort();
        if let Err(error) = crm.store.release_connection(&fence).await {
            warn!(endpoint.id = %endpoint.id, %error, "a connection could not be given back; its lease will run out");
        }
    }
}

/// Keeps the lease; `lost` is told when somebody else may have it.
async fn keep(store: Arc<dyn Store>, fence: ConnectionFence, lease: chrono::Duration, lost: CancellationToken) {
    let beat = (lease / 4).to_std().unwrap_or(BEAT).min(BEAT);
    let mut until = Utc::now() + lease;
    loop {
        tokio::time::sleep(beat).await;
        let next = Utc::now() + lease;
        match store.extend_connection(&fence, next).await {
            Ok(true) => until = next,
            // It may still be ours; nothing is begun near its end.
            Err(_) if Utc::now() + lease / 2 < until => (),
            Ok(false) | Err(_) => {
                lost.cancel();
                return;
            }
        }
    }
}

/// An account of a CRM, spoken to by its file and settings. It is kept from one lease to the next with its sign-in, what was looked
/// up, and what is left of its rate.
struct Account {
    connection: Connection,
    mapping: Mapping,
    secret: Sealed,
    file: Option<String>,
    opened: Instant,
    /// Of the last lease.
    attempt: i64,
}

impl Account {
    /// The text says what is wrong with the file or the settings.
    fn open(gate: &Gate, endpoint: &Endpoint, fence: &ConnectionFence) -> Result<Self, String> {
        let text = match &endpoint.file {
            Some(text) => text.clone(),
            None => CrmFile::built_in(&endpoint.target)
                .ok_or_else(|| format!("there is no connection `{}`", endpoint.target))?
                .to_owned(),
        };
        let file = CrmFile::load(&text, &endpoint.target).map_err(|error| error.to_string())?;
        let settings = gate.vault.open(&endpoint.id, &endpoint.secret);
        let settings = settings.map_err(|error| error.to_string())?;
        let settings: serde_json::Map<String, Value> = serde_json::from_str(settings.expose_secret())
            .map_err(|_| "the settings of the connection cannot be read".to_owned())?;
        let mapping = Mapping::read(&settings).map_err(|error| format!("the settings of the connection: {error}"))?;
        let connection = Connection::open(&file, &settings, &gate.guard).map_err(|error| error.to_string())?;
        Ok(Self {
            connection,
            mapping,
            secret: endpoint.secret.clone(),
            file: endpoint.file.clone(),
            opened: Instant::now(),
            attempt: fence.attempt,
        })
    }

    /// Nobody has changed file or settings since.
    fn is_of(&self, endpoint: &Endpoint) -> bool {
        (&self.secret, &self.file) == (&endpoint.secret, &endpoint.file)
    }

    /// Under the next lease.
    fn at(mut self, fence: &ConnectionFence) -> Self {
        if fence.attempt != self.attempt + 1 {
            self.connection.others_asked();
        }
        self.attempt = fence.attempt;
        self
    }
}

struct Held<'a> {
    crm: &'a Crm,
    fence: &'a ConnectionFence,
    endpoint: &'a Endpoint,
    lost: &'a CancellationToken,
    shutdown: &'a CancellationToken,
}

/// Why an event came to nothing.
enum Told {
    Crm(Error),
    Store(store::Error),
}

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        Self::Crm(error)
    }
}

impl From<store::Error> for Told {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// What became of an event.
enum Came {
    Done,
    /// There was nothing to be told any more.
    Dropped(&'static str),
}

impl Held<'_> {
    fn workspace(&self) -> &WorkspaceId {
        &self.endpoint.workspace
    }

    fn scope(&self) -> Scope {
        Scope::all(self.workspace().clone())
    }

    async fn work(&self, account: &mut Result<Account, String>) -> store::Result<()> {
        while !self.shutdown.is_cancelled() && !self.lost.is_cancelled() {
            let Some(work) = self.crm.store.next_crm_work(self.fence, Utc::now()).await? else {
                return Ok(());
            };
            match work {
                CrmWork::Event {
                    delivery,
                    tries,
                    payload,
                } => self.event(account, &delivery, tries, &payload).await?,
                CrmWork::Change {
                    change,
                    proposal,
                    tries,
                    unsure,
                } => {
                    let done = match account {
                        Ok(account) => {
                            self.change(&mut account.connection, &change, &proposal, tries, unsure)
                                .await?
                        }
                        Err(message) => {
                            let verdict = Verdict::Never(message.clone());
                            apply::after(&change, verdict, unsure, chrono::Duration::zero(), Utc::now())
                        }
                    };
                    let how = match &done {
                        ChangeDone::Ended { state, .. } => state.as_str(),
                        ChangeDone::Again { .. } => "again",
                    };
                    info!(change.id = %change.id, kind = change.kind.as_str(), how, "a change came to its end, or waits");
                    self.crm
                        .store
                        .finish_change(self.fence, &change.id, done, Utc::now())
                        .await?;
                    failpoint::reach("after_result");
                }
            }
        }
        Ok(())
    }

    async fn change(
        &self,
        crm: &mut Connection,
        change: &Change,
        proposal: &Proposal,
        tries: i64,
        unsure: bool,
    ) -> store::Result<ChangeDone> {
        let settle = chrono::Duration::from_std(crm.timeout()).unwrap_or_default();
        if let Some(at) = settled(change, unsure, settle, Utc::now()) {
            return Ok(ChangeDone::Again {
                at,
                rest: None,
                unsure: true,
                message: "whether an earlier request took effect is not known yet".to_owned(),
            });
        }
        let job = Job {
            store: &*self.crm.store,
            fence: self.fence,
            change,
            proposal,
            unsure,
            anew: tries == 1 && change.attempt > 0,
        };
        match job.run(crm).await {
            Ok(done) => Ok(done),
            Err(Stopped::Store(error)) => Err(error),
            Err(Stopped::Crm { error, unsure }) => {
                let verdict = apply::verdict(error, tries);
                Ok(apply::after(change, verdict, unsure, settle, Utc::now()))
            }
        }
    }

    async fn event(
        &self,
        account: &mut Result<Account, String>,
        delivery: &Delivery,
        tries: i64,
        payload: &str,
    ) -> store::Result<()> {
        let started_at = Utc::now();
        let clock = Instant::now();
        let came = match account {
            Ok(account) => {
                let Account {
                    connection, mapping, ..
                } = account;
                self.told(connection, mapping, delivery, payload).await
            }
            Err(message) => Err(Told::Crm(Error::Person(message.clone()))),
        };
        let now = Utc::now();
        let (then, message) = match came {
            Ok(Came::Done) => (Then::Delivered, None),
            Ok(Came::Dropped(why)) => (Then::Dropped, Some(why.to_owned())),
            // Another call with the deal was recorded meanwhile: its own event follows.
            Err(Told::Store(store::Error::Stale)) => (Then::Dropped, Some("a later call follows".to_owned())),
            Err(Told::Store(error)) => return Err(error),
            Err(Told::Crm(error)) => match apply::verdict(error, tries) {
                Verdict::Again { pause, rest, message } => {
                    let at = now + pause;
                    let rest = rest.then_some(at);
                    (Then::Again { at, rest }, Some(message))
                }
                Verdict::Never(message) => (Then::Failed, Some(message)),
            },
        };
        failpoint::reach("before_ack");
        let attempted = Attempted {
            delivery: delivery.id.clone(),
            attempt: delivery.attempt,
            started_at,
            duration: clock.elapsed(),
            status: None,
            error: None,
            answer: String::new(),
            then,
            message,
        };
        self.crm
            .store
            // Only receivers of webhooks are switched off for failing.
            .finish_deliveries(vec![attempted], chrono::Duration::MAX, now)
            .await?;
        failpoint::reach("after_ack");
        Ok(())
    }

    async fn told(
        &self,
        crm: &mut Connection,
        mapping: &Mapping,
        delivery: &Delivery,
        payload: &str,
    ) -> Result<Came, Told> {
        match delivery.event_kind.as_str() {
            "endpoint.test" => {
                crm.test().await?;
                Ok(Came::Done)
            }
            "deal.updated" => self.deal_updated(crm, mapping, delivery, payload).await,
            LETTER => self.letter_approved(crm, mapping, delivery).await,
            _ => Ok(Came::Dropped("nothing in a CRM follows from it")),
        }
    }

    async fn deal_updated(
        &self,
        crm: &mut Connection,
        mapping: &Mapping,
        delivery: &Delivery,
        payload: &str,
    ) -> Result<Came, Told> {
        #[derive(Deserialize)]
        struct Updated {
            revision: Option<i64>,
        }
        let Some(deal_id) = &delivery.deal else {
            return Ok(Came::Dropped("the deal is gone"));
        };
        let store = &self.crm.store;
        let scope = self.scope();
        let told: Updated = serde_json::from_str(payload).unwrap_or(Updated { revision: None });
        let (Some(deal), Some(record)) = (
            store.deal(&scope, deal_id).await?,
            store.last_deal_record(&scope, deal_id).await?,
        ) else {
            return Ok(Came::Dropped("the deal is gone"));
        };
        if told.revision.is_some_and(|revision| revision < record.revision) {
            return Ok(Came::Dropped("a later call follows"));
        }
        let known: Known = serde_json::from_str(&record.body).map_err(|_| unreadable())?;
        let crm_deal = self.deal_in_crm(crm, &deal, &record.call).await?;
        let names: Vec<String> = mapping.fields.iter().map(|field| field.crm.clone()).collect();
        let state = crm.read_deal(&crm_deal, &names).await?;
        let mut now = CrmNow {
            stage: state.stage,
            fields: state.fields,
            ..CrmNow::default()
        };
        for stage in &mapping.stages {
            let id = crm.stage_id(&stage.crm).await?;
            now.stage_names.push(crm.stage_name(&id).await?);
            now.stages.push(id);
        }
        if !mapping.stages.is_empty() {
            now.stage_name = crm.stage_name(&now.stage).await?;
        }
        for stage in &mapping.closed {
            now.closed.push(crm.stage_id(stage).await?);
        }
        let done = self.done(deal_id, &record.call).await?;
        let changes = plan::plan(&known, record.call.as_str(), &now, &done, mapping).map_err(Error::Person)?;
        if changes.is_empty() {
            return Ok(Came::Done);
        }
        self.propose(deal_id, &record.call, record.revision, crm_deal, delivery, changes)
            .await
    }

    /// What earlier change-sets of a call have written, or still may.
    async fn done(&self, deal: &DealId, call: &CallId) -> Result<plan::Done, store::Error> {
        let filter = ProposalFilter {
            deal: Some(deal.clone()),
            call: Some(call.clone()),
            limit: 100,
            ..ProposalFilter::default()
        };
        let earlier = self.crm.store.proposals(&self.scope(), &filter).await?;
        let at_this = earlier.iter().filter(|proposal| proposal.endpoint == self.endpoint.id);
        let mut done = plan::Done::default();
        for change in at_this.flat_map(|proposal| &proposal.changes) {
            // What waits for a person is superseded by what is proposed now.
            let stays = !matches!(
                change.state,
                ChangeState::Proposed | ChangeState::Withheld | ChangeState::Superseded
            );
            match change.kind {
                ChangeKind::Note if stays && change.name.is_empty() => done.note = true,
                ChangeKind::Task if stays => done.tasks.push(change.name.clone()),
                _ => (),
            }
        }
        Ok(done)
    }

    async fn letter_approved(
        &self,
        crm: &mut Connection,
        mapping: &Mapping,
        delivery: &Delivery,
    ) -> Result<Came, Told> {
        #[derive(Deserialize)]
        struct Analysis {
            follow_up: Option<Letter>,
        }
        #[derive(Deserialize)]
        struct Letter {
            subject: String,
            body: String,
        }
        let (Some(deal_id), Some(call)) = (&delivery.deal, &delivery.call) else {
            return Ok(Came::Dropped("the call is with no deal"));
        };
        if !mapping.note {
            return Ok(Came::Dropped("the settings want no notes"));
        }
        let store = &self.crm.store;
        let scope = self.scope();
        let (Some(deal), Some(body)) = (
            store.deal(&scope, deal_id).await?,
            store.result(&scope, call, Step::Analysis).await?,
        ) else {
            return Ok(Came::Dropped("the call is gone"));
        };
        let edited = store.draft(&scope, call).await?.and_then(|draft| draft.draft);
        let letter = match edited {
            Some(text) => serde_json::from_str(&text).map_err(|_| unreadable())?,
            None => {
                let analysis: Analysis = serde_json::from_str(&body).map_err(|_| unreadable())?;
                match analysis.follow_up {
                    Some(letter) => letter,
                    None => return Ok(Came::Dropped("there is no letter")),
                }
            }
        };
        let Letter { subject, body } = letter;
        let crm_deal = self.deal_in_crm(crm, &deal, call).await?;
        let change = NewChange {
            id: ChangeId::fresh(),
            kind: ChangeKind::Note,
            name: "follow_up".to_owned(),
            target: String::new(),
            old: Value::Null,
            old_name: None,
            new: json!({"text": format!("{subject}\n\n{body}"), "call": {"id": call}}),
            new_name: None,
            evidence: Vec::<ChangeEvidence>::new(),
            confidence: None,
            policy: mapping.policy.note,
            why: None,
        };
        self.propose(deal_id, call, deal.revision, crm_deal, delivery, vec![change])
            .await
    }

    async fn propose(
        &self,
        deal: &DealId,
        call: &CallId,
        revision: i64,
        crm_deal: String,
        delivery: &Delivery,
        changes: Vec<NewChange>,
    ) -> Result<Came, Told> {
        let about = match delivery.event_kind.as_str() {
            LETTER => About::Letter,
            _ => About::Deal,
        };
        let id = ProposalId::fresh();
        let told = NewEvent {
            kind: "proposal.created",
            payload: json!({
                "proposal_id": id,
                "deal_id": deal,
                "call_id": call,
                "revision": revision,
                "endpoint_id": self.endpoint.id,
                "changes": changes.len(),
                "proposal": format!("/v1/proposals/{id}"),
            })
            .to_string(),
        };
        let proposal = NewProposal {
            id,
            about,
            deal: deal.clone(),
            call: call.clone(),
            endpoint: self.endpoint.id.clone(),
            revision,
            crm_deal,
            delivery: delivery.id.clone(),
            changes,
        };
        self.crm
            .store
            .propose(self.workspace(), self.fence, proposal, vec![told], Utc::now())
            .await?;
        Ok(Came::Done)
    }

    /// Id of a deal in the CRM: as it is known, else by what it is recognised by.
    async fn deal_in_crm(&self, crm: &mut Connection, deal: &Deal, call: &CallId) -> Result<String, Told> {
        let store = &self.crm.store;
        if let Some(id) = store.crm_record(self.workspace(), &deal.id, &self.endpoint.id).await? {
            return self.link(deal, id).await;
        }
        let call = store.call(&self.scope(), call).await?;
        // As they were said, where a call still has it: what deals are matched by is stripped of codes and capitals.
        let mut keys = match call {
            Some(call) => said_by(&call.meta),
            None => Vec::new(),
        };
        keys.push((By::Name, deal.name.clone()));
        for key in store.deal_keys(self.workspace(), &deal.id).await? {
            let by = match key.kind() {
                ContactKind::Email => By::Email,
                ContactKind::Phone => By::Phone,
                ContactKind::Name => By::Name,
            };
            let is_known = |(known, said): &(By, String)| {
                *known == by && ContactKey::new(key.kind(), said).is_some_and(|said| said.value() == key.value())
            };
            if !keys.iter().any(is_known) {
                keys.push((by, key.value().to_owned()));
            }
        }
        let found = crm.find_deal(&keys).await?;
        let [id] = found.as_slice() else {
            let message = match found.len() {
                0 => format!("the deal is not found in the CRM: {SAY_IT}"),
                count => format!("{count} deals in the CRM may be it: {SAY_IT}"),
            };
            return Err(Error::Person(message).into());
        };
        self.link(deal, id.clone()).await
    }

    /// Keeps which record the deal is.
    async fn link(&self, deal: &Deal, crm_id: String) -> Result<String, Told> {
        let (workspace, endpoint) = (self.workspace(), &self.endpoint.id);
        let store = &self.crm.store;
        match store
            .link_crm_deal(workspace, &deal.id, endpoint, &crm_id, Utc::now())
            .await
        {
            Ok(()) => Ok(crm_id),
            Err(store::Error::Conflict(why)) => Err(Error::Person(format!("{why}: {SAY_IT}")).into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The other side of a call, as the client named it.
fn said_by(meta: &str) -> Vec<(By, String)> {
    #[derive(Deserialize)]
    struct Meta {
        contact: Option<Contact>,
    }
    #[derive(Deserialize)]
    struct Contact {
        phone: Option<String>,
        email: Option<String>,
        name: Option<String>,
    }
    let Ok(Meta { contact: Some(contact) }) = serde_json::from_str(meta) else {
        return Vec::new();
    };
    let said = [
        (By::Email, contact.email),
        (By::Phone, contact.phone),
        (By::Name, contact.name),
    ];
    said.into_iter().filter_map(|(by, said)| Some((by, said?))).collect()
}

/// A request of a worker that died may take effect until its deadline has passed: until then it cannot be looked for.
fn settled(change: &Change, unsure: bool, settle: chrono::Duration, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let until = change.updated_at + settle;
    let is_entry = matches!(change.kind, ChangeKind::Note | ChangeKind::Task);
    // Whoever saw the end of the request left a word.
    (unsure && is_entry && change.message.is_none() && now < until).then_some(until)
}

fn unreadable() -> Error {
    Error::Stop("what is stored about the call cannot be read".to_owned())
}
