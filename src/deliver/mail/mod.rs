//! Approved letters as mail: through the mail server that an administrator names, to the addresses that whoever approved the
//! letter names, and to nobody else. The transcript has no say in either.
//!
//! Owns the settings of a mail server, the letter as it travels, and the talk with the server. A letter whose fate is not known
//! is not sent again by itself. When a try that failed is made again is *not* here: see `schedule`.

mod letter;
mod settings;
mod talk;

use std::time::Duration;

use chrono::Utc;
use lettre::Address;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::Gate;
use super::failure::Failure;
use crate::store::{DraftState, Due, Scope, Store};
use letter::Letter;
use settings::Whom;
pub use settings::{MailSettings, Security, Server, address};
pub use talk::Answer;

/// Addresses that one letter goes to.
pub const MOST_RECIPIENTS: usize = 10;

/// What came of a try.
pub enum Came {
    Answered(Answer),
    Failed(Failure),
    /// There is nothing to be sent any more.
    Dropped(&'static str),
}

impl From<Failure> for Came {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a person approved.
#[derive(Deserialize)]
struct Text {
    subject: String,
    body: String,
}

/// One try. `within`: how long an answer may take; a server that takes a letter in gets several times as long. `stop`: the process
/// ends now.
pub async fn attempt(store: &dyn Store, gate: &Gate, due: &Due, within: Duration, stop: &CancellationToken) -> Came {
    if due.unsure {
        return Failure::Unsure.into();
    }
    match prepared(store, gate, due).await {
        Ok((server, letter)) => {
            let talk = talk::Talk {
                server: &server,
                letter: &letter,
                guard: &gate.guard,
                within,
                stop,
            };
            match talk.send(store, due).await {
                Ok(answer) => Came::Answered(answer),
                Err(failure) => failure.into(),
            }
        }
        Err(came) => came,
    }
}

async fn prepared(store: &dyn Store, gate: &Gate, due: &Due) -> Result<(Server, Letter), Came> {
    let kept = gate.vault.open(&due.endpoint.id, &due.endpoint.secret);
    let kept = kept.map_err(|_| Failure::Secret)?;
    let settings: MailSettings = serde_json::from_str(kept.expose_secret()).map_err(|_| Failure::Secret)?;
    let server = Server::read(&settings).map_err(|_| Failure::Secret)?;
    let (text, to, rep) = match due.delivery.event_kind.as_str() {
        "endpoint.test" => (test_letter(), vec![server.from.email.clone()], None),
        _ => approved(store, due).await?,
    };
    let with = |whom: &Option<Whom>| match whom {
        None => None,
        Some(Whom::Rep) => rep.clone(),
        Some(Whom::Address(address)) => Some(address.clone()),
    };
    let letter = Letter {
        from: server.from.clone(),
        to,
        reply_to: with(&server.reply_to),
        bcc: with(&server.bcc),
        subject: text.subject,
        body: text.body,
        id: due.delivery.id.to_string(),
        date: Utc::now(),
    };
    Ok((server, letter))
}

fn test_letter() -> Text {
    Text {
        subject: "dealstage: test · проверка".to_owned(),
        body: "This mail server is ready to send approved letters.\n\
               Этот почтовый сервер готов отправлять утверждённые письма.\n"
            .to_owned(),
    }
}

/// The letter of a call as it was approved, where it goes, and the address of whose call it is.
async fn approved(store: &dyn Store, due: &Due) -> Result<(Text, Vec<Address>, Option<Address>), Came> {
    #[derive(Deserialize)]
    struct Told {
        revision: i64,
    }
    let Some(call) = &due.delivery.call else {
        return Err(Came::Dropped("there is no letter"));
    };
    let told: Told = serde_json::from_str(&due.payload).map_err(|_| Failure::Payload)?;
    let scope = Scope::all(due.endpoint.workspace.clone());
    let draft = store.draft(&scope, call).await.map_err(|_| Failure::Database)?;
    let Some(draft) = draft else {
        return Err(Came::Dropped("the letter is gone"));
    };
    if draft.state != DraftState::Approved || draft.approved_revision != Some(told.revision) {
        return Err(Came::Dropped("the letter was changed since it was approved"));
    }
    let (Some(text), false) = (&draft.draft, draft.send_to.is_empty()) else {
        return Err(Came::Dropped("the letter goes to nobody"));
    };
    let text = serde_json::from_str(text).map_err(|_| Failure::Payload)?;
    let to: Result<Vec<Address>, _> = draft.send_to.iter().map(|said| address(said)).collect();
    let to = to.map_err(|_| Failure::Payload)?;
    let record = store.call(&scope, call).await.map_err(|_| Failure::Database)?;
    let rep = match record.and_then(|call| call.owner) {
        None => None,
        Some(owner) => {
            let user = store.find_user(&scope.workspace, owner.as_str()).await;
            user.map_err(|_| Failure::Database)?
                .and_then(|user| address(&user.email).ok())
        }
    };
    Ok((text, to, rep))
}
