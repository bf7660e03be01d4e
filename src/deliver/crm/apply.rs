//! One change, written to the CRM or taken back.
//!
//! Nothing is written that was not compared first, and nothing counts as written that was not read back. When and how often
//! is *not* here: see `worker`.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{CallText, Connection, Entry, EntryText, Error, Operation, same};
use crate::deliver::failpoint;
use crate::store::{self, Change, ChangeDone, ChangeKind, ChangeState, ConnectionFence, Found, Proposal, Store};

/// A change that is due.
pub struct Job<'a> {
    pub store: &'a dyn Store,
    pub fence: &'a ConnectionFence,
    pub change: &'a Change,
    pub proposal: &'a Proposal,
    /// A request of before may have taken effect.
    pub unsure: bool,
    /// A person has approved it again: there were requests before.
    pub anew: bool,
}

/// Why a change has not ended.
#[derive(Debug)]
pub enum Stopped {
    /// `unsure`: the CRM may have it all the same.
    Crm { error: Error, unsure: bool },
    /// The connection is somebody else's, or the database does not answer.
    Store(store::Error),
}

impl From<store::Error> for Stopped {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

/// What a note or task is found again by.
fn marker(change: &Change) -> String {
    format!("[dealstage:{}]", change.id)
}

fn ended(state: ChangeState, crm_id: Option<String>, message: Option<&str>) -> ChangeDone {
    ChangeDone::Ended {
        state,
        crm_id,
        found: None,
        message: message.map(str::to_owned),
    }
}

/// The text of a note or task, from the value of its change.
fn entry_text(value: &Value, marker: &str) -> EntryText {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let day = |value: &Value| value.as_str().and_then(|day| day.parse().ok());
    let call = &value["call"];
    EntryText {
        title: text(&value["title"]),
        text: text(&value["text"]),
        marker: marker.to_owned(),
        due: day(&value["due"]),
        owner: value["owner"].as_str().map(str::to_owned),
        call: CallText {
            id: text(&call["id"]),
            date: day(&call["date"]),
            title: text(&call["title"]),
            duration_s: call["duration_s"].as_f64().map(|seconds| seconds.round() as u32),
            direction: text(&call["direction"]),
        },
    }
}

impl Job<'_> {
    /// Writes the change, or takes it back.
    pub async fn run(&self, crm: &mut Connection) -> Result<ChangeDone, Stopped> {
        match (self.change.kind, self.change.state.is_undo()) {
            (ChangeKind::Stage | ChangeKind::Field, is_undo) => self.set(crm, is_undo).await,
            (ChangeKind::Note, false) => self.add(crm, Entry::Note).await,
            (ChangeKind::Task, false) => self.add(crm, Entry::Task).await,
            (ChangeKind::Note, true) => self.remove(crm, Entry::Note).await,
            (ChangeKind::Task, true) => self.remove(crm, Entry::Task).await,
        }
    }

    /// An error before anything was written this time.
    fn before(&self, error: Error) -> Stopped {
        Stopped::Crm {
            error,
            unsure: self.unsure,
        }
    }

    /// The intent: from here on the CRM may have it.
    async fn intend(&self) -> Result<(), Stopped> {
        failpoint::reach("before_intent");
        self.store.begin_change(self.fence, &self.change.id, Utc::now()).await?;
        failpoint::reach("after_intent");
        Ok(())
    }

    async fn read(&self, crm: &mut Connection) -> Result<Value, Error> {
        let deal = &self.proposal.crm_deal;
        match self.change.kind {
            ChangeKind::Stage => Ok(crm.read_deal(deal, &[]).await?.stage),
            _ => {
                let name = &self.change.target;
                let mut state = crm.read_deal(deal, std::slice::from_ref(name)).await?;
                Ok(state.fields.remove(name).unwrap_or(Value::Null))
            }
        }
    }

    /// Stage or field: the new value in place of the old one, or the other way round.
    async fn set(&self, crm: &mut Connection, is_undo: bool) -> Result<ChangeDone, Stopped> {
        let (from, to) = if is_undo {
            (&self.change.new, &self.change.old)
        } else {
            (&self.change.old, &self.change.new)
        };
        let (done, changed, ignored) = if is_undo {
            (ChangeState::Undone, ChangeState::UndoConflict, ChangeState::UndoFailed)
        } else {
            (ChangeState::Applied, ChangeState::Conflict, ChangeState::NotApplied)
        };
        let now = self.read(crm).await.map_err(|error| self.before(error))?;
        if same(&now, to) {
            return Ok(ended(done, None, None));
        }
        if !same(&now, from) {
            let name = match self.change.kind {
                // A name is a help: without it the conflict is the same.
                ChangeKind::Stage => crm.stage_name(&now).await.ok().flatten(),
                _ => None,
            };
            return Ok(ChangeDone::Ended {
                state: changed,
                crm_id: None,
                found: Some(Found { value: now, name }),
                message: Some("somebody changed it in the CRM meanwhile: nothing was written".to_owned()),
            });
        }
        self.intend().await?;
        failpoint::reach("before_request");
        let deal = &self.proposal.crm_deal;
        let written = match self.change.kind {
            ChangeKind::Stage => crm.write_stage(deal, to, from).await,
            _ => crm.write_field(deal, &self.change.target, to).await,
        };
        // It is compared again before anything is written: whether this one took effect need not be known.
        let after = |error| Stopped::Crm { error, unsure: true };
        written.map_err(after)?;
        failpoint::reach("after_request");
        let now = self.read(crm).await.map_err(after)?;
        failpoint::reach("before_result");
        if same(&now, to) {
            return Ok(ended(done, None, None));
        }
        let message = "the CRM answered that it was done, and has not done it";
        Ok(ended(ignored, None, Some(message)))
    }

    async fn add(&self, crm: &mut Connection, entry: Entry) -> Result<ChangeDone, Stopped> {
        let deal = &self.proposal.crm_deal;
        let marker = marker(self.change);
        if self.unsure || self.anew {
            match crm.find(entry, deal, &marker).await {
                Ok(Some(id)) => return Ok(ended(ChangeState::Applied, Some(id), None)),
                Ok(None) => (),
                // A person has looked.
                Err(Error::CannotFind) if !self.unsure => (),
                Err(Error::CannotFind) => {
                    let message = "the connection broke while it was written, and this CRM cannot be asked whether it has it: \
                                   look there, and approve it again if it does not";
                    return Ok(ended(ChangeState::Failed, None, Some(message)));
                }
                Err(error) => return Err(self.before(error)),
            }
        }
        self.intend().await?;
        failpoint::reach("before_request");
        let made = match crm.add(entry, deal, &entry_text(&self.change.new, &marker)).await {
            Ok(made) => made,
            Err(error) => {
                // Any other answer says that there is none.
                let unsure = matches!(error, Error::Retry(_));
                return Err(Stopped::Crm { error, unsure });
            }
        };
        failpoint::reach("after_request");
        let found = match crm.find(entry, deal, &marker).await {
            Ok(found) => found,
            // Its answer is all there is.
            Err(Error::CannotFind) => return Ok(ended(ChangeState::Applied, made, None)),
            Err(error) => return Err(Stopped::Crm { error, unsure: true }),
        };
        failpoint::reach("before_result");
        match found {
            Some(id) => Ok(ended(ChangeState::Applied, Some(id), None)),
            None => {
                let message = "the CRM answered that it was made, and does not have it";
                Ok(ended(ChangeState::NotApplied, made, Some(message)))
            }
        }
    }

    async fn remove(&self, crm: &mut Connection, entry: Entry) -> Result<ChangeDone, Stopped> {
        let Some(id) = &self.change.crm_id else {
            let message = "the CRM did not say which one it made: take it away there";
            return Ok(ended(ChangeState::UndoFailed, None, Some(message)));
        };
        let left = |message: &str| Ok(ended(ChangeState::UndoFailed, Some(id.clone()), Some(message)));
        if !crm.can(Operation::Delete(entry)) {
            let kept = match entry {
                Entry::Note => "notes",
                Entry::Task => "tasks",
            };
            let crm = crm.title();
            return left(&format!(
                "not undone: {crm} keeps {kept}, its connection has no way to delete them; take it away there"
            ));
        }
        self.intend().await?;
        failpoint::reach("before_request");
        let after = |error| Stopped::Crm { error, unsure: true };
        match crm.delete(entry, &self.proposal.crm_deal, id).await {
            Ok(()) | Err(Error::Missing(_)) => (),
            Err(error) => return Err(after(error)),
        }
        failpoint::reach("after_request");
        let found = crm.find(entry, &self.proposal.crm_deal, &marker(self.change)).await;
        failpoint::reach("before_result");
        match found {
            Ok(Some(_)) => left("the CRM answered that it was deleted, and still has it"),
            Ok(None) | Err(Error::CannotFind) => Ok(ended(ChangeState::Undone, Some(id.clone()), None)),
            Err(error) => Err(after(error)),
        }
    }
}

/// Seconds before the next try, by the number of tries: what may pass is tried for two days.
const PAUSES_S: [i64; 9] = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 50_400];

/// What follows from an error of the CRM.
pub enum Verdict {
    /// Again after so long. `rest`: nothing else is sent meanwhile either.
    Again {
        pause: chrono::Duration,
        rest: bool,
        message: String,
    },
    /// No other try would help.
    Never(String),
}

/// After so many tries.
pub fn verdict(error: Error, tries: i64) -> Verdict {
    match error {
        Error::Wait(wait, message) => Verdict::Again {
            pause: chrono::Duration::from_std(wait).unwrap_or(chrono::Duration::seconds(60)),
            rest: true,
            message,
        },
        Error::Retry(message) => match usize::try_from(tries - 1).ok().and_then(|index| PAUSES_S.get(index)) {
            Some(&pause) => Verdict::Again {
                pause: chrono::Duration::seconds(pause),
                rest: false,
                message,
            },
            None => Verdict::Never(message),
        },
        error => Verdict::Never(error.to_string()),
    }
}

/// What becomes of a change that the CRM did not take. `settle`: so long a request without an answer may still take effect.
pub fn after(
    change: &Change,
    verdict: Verdict,
    unsure: bool,
    settle: chrono::Duration,
    now: DateTime<Utc>,
) -> ChangeDone {
    match verdict {
        Verdict::Again { pause, rest, message } => {
            let at = now + if unsure && !rest { pause.max(settle) } else { pause };
            ChangeDone::Again {
                at,
                rest: rest.then_some(at),
                unsure,
                message,
            }
        }
        Verdict::Never(message) if change.state.is_undo() => ended(ChangeState::UndoFailed, None, Some(&message)),
        Verdict::Never(message) => ended(ChangeState::Failed, None, Some(&message)),
    }
}
