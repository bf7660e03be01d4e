//! The talk with a mail server. Up to the letter itself nothing has happened and all may be tried again; from then on only an
//! answer tells what happened.

use std::error::Error as _;
use std::time::Duration;

use chrono::Utc;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio_util::sync::CancellationToken;

use super::letter::Letter;
use super::settings::{Security, Server};
use crate::deliver::failpoint;
use crate::deliver::failure::Failure;
use crate::deliver::webhook::KEPT;
use crate::guard::{Guard, NoAddress};
use crate::store::{Due, Store};

/// To the letter, in answers: greeting, sign-in, recipients.
const BEFORE: u32 = 2;
/// A server may look through the whole letter before it says whether it takes it.
const TAKING: u32 = 8;
/// Good-bye is waited for no longer: what matters is known.
const GOOD_BYE: Duration = Duration::from_secs(1);

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    fn new(status: u16, text: &str) -> Self {
        let mut text = text.replace('\0', "\u{fffd}");
        text.truncate(text.floor_char_boundary(KEPT));
        Self { status, text }
    }

    fn of(response: &Response) -> Self {
        let lines: Vec<&str> = response.message().collect();
        Self::new(response.code().into(), &lines.join("\n"))
    }

    /// It took the letter.
    pub const fn is_taken(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// It may take it another time.
    pub const fn is_for_now(&self) -> bool {
        matches!(self.status, 400..=499)
    }
}

/// Why the talk ended before the letter.
enum Ended {
    /// The server said no.
    No(Answer),
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<smtp::Error> for Ended {
    fn from(error: smtp::Error) -> Self {
        match answer_of(&error) {
            Some(answer) => Self::No(answer),
            None => Self::Failed(failure(&error)),
        }
    }
}

/// The refusal that an error stands for.
fn answer_of(error: &smtp::Error) -> Option<Answer> {
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    error.status().map(|code| Answer::new(code.into(), &text))
}

fn failure(error: &smtp::Error) -> Failure {
    if error.is_tls() {
        return Failure::Tls;
    }
    if error.is_client() {
        return Failure::Unsupported;
    }
    Failure::cause(error.source(), true).unwrap_or(Failure::Cut)
}

/// One try to send a letter.
pub struct Talk<'a> {
    pub server: &'a Server,
    pub letter: &'a Letter,
    pub guard: &'a Guard,
    /// How long an answer may take.
    pub within: Duration,
    /// The process ends now.
    pub stop: &'a CancellationToken,
}

impl Talk<'_> {
    pub async fn send(&self, store: &dyn Store, due: &Due) -> Result<Answer, Failure> {
        let bytes = self.letter.bytes()?;
        let introduced = tokio::select! {
            introduced = tokio::time::timeout(BEFORE * self.within, self.introduce()) => introduced,
            () = self.stop.cancelled() => return Err(Failure::Stopped),
        };
        let mut server = match introduced {
            Ok(Ok(server)) => server,
            Ok(Err(Ended::No(answer))) => return Ok(answer),
            Ok(Err(Ended::Failed(failure))) => return Err(failure),
            Err(_) => return Err(Failure::Timeout),
        };
        // From here on a process that dies leaves a line that says so.
        let now = Utc::now();
        let lease = TAKING * self.within + Duration::from_secs(30);
        match store.begin_delivery(due, now + lease, now).await {
            Ok(true) => (),
            Ok(false) => return Err(Failure::Late),
            Err(_) => return Err(Failure::Database),
        }
        failpoint::reach("letter_begun");
        let given = tokio::select! {
            given = tokio::time::timeout(TAKING * self.within, give(&mut server, &bytes)) => given,
            () = self.stop.cancelled() => return Err(Failure::Unsure),
        };
        failpoint::reach("letter_sent");
        let answer = given.unwrap_or(Err(Failure::Unsure))?;
        let _ = tokio::time::timeout(GOOD_BYE, server.quit()).await;
        Ok(answer)
    }

    /// Connects, signs in, and says whom the letter is for. A server that refuses one of them gets no letter for the others.
    async fn introduce(&self) -> Result<AsyncSmtpConnection, Ended> {
        let Server {
            host, port, security, ..
        } = self.server;
        let found = self.guard.addresses(host, *port, self.server.is_encrypted()).await;
        let addresses = found.map_err(|error| match error {
            NoAddress::Blocked(blocked) => Failure::Blocked(blocked),
            NoAddress::Name(_) => Failure::Name,
        })?;
        let (at_once, later) = match security {
            Security::Tls => (Some(tls(host).await?), None),
            Security::Starttls => (None, Some(tls(host).await?)),
            Security::None => (None, None),
        };
        let us = ClientId::Domain(self.server.from.email.domain().to_owned());
        let mut server =
            AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(self.within), &us, at_once, None).await?;
        if let Some(tls) = later {
            server.starttls(tls, &us).await?;
        }
        if let Some(credentials) = &self.server.credentials {
            server.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        let envelope = self.letter.envelope()?;
        server.command(Mail::new(envelope.from().cloned(), Vec::new())).await?;
        for to in envelope.to() {
            server.command(Rcpt::new(to.clone(), Vec::new())).await?;
        }
        Ok(server)
    }
}

/// How the connection is encrypted: the certificate must be that of the name, whatever address it leads to.
async fn tls(host: &str) -> Result<TlsParameters, Ended> {
    // As a certificate has it: an address of IPv6 without its brackets.
    let host = host.trim_matches(['[', ']']).to_owned();
    // It reads the certificates that this machine trusts.
    let made = tokio::task::spawn_blocking(move || TlsParameters::new(host)).await;
    Ok(made.map_err(|_| Failure::Tls)??)
}

/// The letter itself, and what the server says to it.
async fn give(server: &mut AsyncSmtpConnection, bytes: &[u8]) -> Result<Answer, Failure> {
    // Refused or cut here, it has nothing yet.
    if let Err(error) = server.command(Data).await {
        return answer_of(&error).ok_or_else(|| failure(&error));
    }
    match server.message(bytes).await {
        Ok(response) if response.code().severity == Severity::PositiveCompletion => Ok(Answer::of(&response)),
        Ok(_) => Err(Failure::Unsure),
        Err(error) => answer_of(&error).ok_or(Failure::Unsure),
    }
}
