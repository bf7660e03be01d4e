//! The loop that sends: take what is due, try each on its own, write down what came of it.
//!
//! A try that was begun and whose end could not be written is made again when its lease has run out: at least once, with the
//! same `webhook-id`. Mail is the exception: nobody can take a letter back, so one that may have been sent waits for a person.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use rand::TryRng as _;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::failure::Failure;
use super::mail::{self, Came};
use super::schedule::{self, Outcome};
use super::webhook::{Answer, Webhook};
use super::{Gate, payload};
use crate::store::{self, Attempted, Due, EndpointKind, Store, Then};

/// Where another process may have published, nobody rings: so often it is looked for.
const POLL: Duration = Duration::from_millis(250);
/// So often reminders are looked for.
const REMIND: Duration = Duration::from_secs(1);
/// Reminders that are told at once.
const MOST_REMINDERS: u32 = 100;
/// After an error of the database.
const PAUSE: Duration = Duration::from_secs(2);
/// Ends of tries that are written at once.
const MOST_ENDS: usize = 200;

/// What a sender needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Tries at the same time in this process.
    pub slots: usize,
    /// To one endpoint.
    pub each: u32,
    /// A try takes no longer.
    pub within: Duration,
    /// At shutdown, so long is waited for tries to end.
    pub grace: Duration,
    /// An endpoint of which nothing succeeded for so long is switched off.
    pub patience: chrono::Duration,
}

impl Options {
    /// Longer than any try with what belongs to it.
    fn lease(&self) -> chrono::Duration {
        chrono::Duration::from_std(2 * self.within).unwrap_or_default() + chrono::Duration::seconds(30)
    }
}

#[derive(Clone)]
struct Sender {
    store: Arc<dyn Store>,
    gate: Gate,
    options: Options,
    /// Given up: what is under way ends now.
    stop: CancellationToken,
}

/// Sends until `shutdown`, then lets the tries that are under way end within the grace. `bell`: told when something was published.
pub async fn run(store: Arc<dyn Store>, gate: Gate, bell: Arc<Notify>, options: Options, shutdown: CancellationToken) {
    let (ended, ends) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write_down(store.clone(), ends, bell.clone(), options.patience));
    let sender = Sender {
        store,
        gate,
        options,
        stop: CancellationToken::new(),
    };
    let mut tries = JoinSet::new();
    let mut reminded = None::<Instant>;
    while !shutdown.is_cancelled() {
        let rung = bell.notified();
        while let Some(ended) = tries.try_join_next() {
            if let Err(error) = ended {
                error!(%error, "a try stopped; it is made again when its lease has run out");
            }
        }
        let mut wait = POLL;
        if reminded.is_none_or(|at| at.elapsed() >= REMIND) {
            reminded = Some(Instant::now());
            if let Err(error) = sender.store.tell_reminders(MOST_REMINDERS, Utc::now()).await {
                warn!(%error, "reminders cannot be told");
            }
        }
        match sender.claim(tries.len()).await {
            Ok(due) => {
                for due in due {
                    let (sender, ended) = (sender.clone(), ended.clone());
                    tries.spawn(async move {
                        // The writer outlives the tries.
                        let _ = ended.send(sender.attempt(due).await);
                    });
                }
            }
            Err(error) => {
                warn!(%error, "no delivery can be claimed");
                wait = PAUSE;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = rung => (),
            () = tokio::time::sleep(wait) => (),
        }
    }
    let rest = async { while tries.join_next().await.is_some() {} };
    if tokio::time::timeout(sender.options.grace, rest).await.is_err() {
        sender.stop.cancel();
        while tries.join_next().await.is_some() {}
    }
    drop(ended);
    if let Err(error) = writer.await {
        error!(%error, "the ends of tries could not be written");
    }
}

impl Sender {
    async fn claim(&self, under_way: usize) -> store::Result<Vec<Due>> {
        let free = self.options.slots.saturating_sub(under_way);
        if free == 0 {
            return Ok(Vec::new());
        }
        let most = u32::try_from(free).unwrap_or(u32::MAX);
        self.store
            .claim_deliveries(most, self.options.each, Utc::now(), self.options.lease())
            .await
    }

    async fn attempt(&self, due: Due) -> Attempted {
        let started_at = Utc::now();
        let started = Instant::now();
        if due.delivery.attempt == 1 {
            let waited = (started_at - due.delivery.created_at).as_seconds_f64();
            metrics::histogram!("dealstage_delivery_wait_seconds").record(waited.max(0.0));
        }
        let end = match due.endpoint.kind {
            EndpointKind::Webhook => {
                let sent = tokio::select! {
                    sent = self.webhook(&due) => sent,
                    () = self.stop.cancelled() => Err(Failure::Stopped),
                };
                End::of_webhook(sent, due.tries, random())
            }
            EndpointKind::Mail => {
                let came = mail::attempt(&*self.store, &self.gate, &due, self.options.within, &self.stop).await;
                End::of_mail(came, due.tries, random())
            }
            // They are another worker's: see `crm`.
            EndpointKind::Crm => End::failed(Failure::Payload, due.tries, random()),
        };
        metrics::counter!("dealstage_delivery_attempts_total", "outcome" => end.word()).increment(1);
        let duration = started.elapsed();
        metrics::histogram!("dealstage_delivery_attempt_seconds").record(duration.as_secs_f64());
        Attempted {
            delivery: due.delivery.id,
            attempt: due.delivery.attempt,
            started_at,
            duration,
            status: end.status,
            error: end.error,
            answer: end.answer,
            then: end.then,
            message: end.message,
        }
    }

    async fn webhook(&self, due: &Due) -> Result<Answer, Failure> {
        let endpoint = &due.endpoint;
        let open = |sealed| self.gate.vault.open(&endpoint.id, sealed).map_err(|_| Failure::Secret);
        let mut secrets = vec![open(&endpoint.secret)?];
        if let Some((previous, until)) = &endpoint.previous
            && *until > Utc::now()
        {
            secrets.push(open(previous)?);
        }
        let body = payload::body(&due.delivery.event_kind, due.at, &due.payload).ok_or(Failure::Payload)?;
        let webhook = Webhook {
            url: &endpoint.target,
            id: due.delivery.event.as_str(),
            body: &body,
            secrets: &secrets,
        };
        webhook.send(&self.gate.guard, self.options.within).await
    }
}

/// How a try ended, and what follows.
struct End {
    status: Option<u16>,
    error: Option<&'static str>,
    answer: String,
    then: Then,
    message: Option<String>,
}

impl End {
    fn of_webhook(sent: Result<Answer, Failure>, tries: i64, random: f64) -> Self {
        let answer = match sent {
            Ok(answer) => answer,
            Err(failure) => return Self::failed(failure, tries, random),
        };
        let then = schedule::then(tries, answer.outcome(), answer.asked, random, Utc::now());
        let message = match then {
            Then::Delivered | Then::Disable { delivered: true, .. } => None,
            _ => Some(format!("the receiver answered {}", answer.status)),
        };
        Self {
            status: Some(answer.status),
            error: None,
            answer: answer.text,
            then,
            message,
        }
    }

    fn of_mail(came: Came, tries: i64, random: f64) -> Self {
        let answer = match came {
            Came::Answered(answer) => answer,
            Came::Failed(failure) => return Self::failed(failure, tries, random),
            Came::Dropped(why) => {
                return Self {
                    status: None,
                    error: None,
                    answer: String::new(),
                    then: Then::Dropped,
                    message: Some(why.to_owned()),
                };
            }
        };
        let (then, message) = if answer.is_taken() {
            (Then::Delivered, None)
        } else {
            let then = if answer.is_for_now() {
                schedule::then(tries, Outcome::Failed, None, random, Utc::now())
            } else {
                Then::Failed
            };
            (then, Some(format!("the mail server answered {}", answer.status)))
        };
        Self {
            status: Some(answer.status),
            error: None,
            answer: answer.text,
            then,
            message,
        }
    }

    /// There was no answer.
    fn failed(failure: Failure, tries: i64, random: f64) -> Self {
        let now = Utc::now();
        let then = match failure {
            // It is not the receiver's fault: at once, by whoever is there.
            Failure::Stopped => Then::Again { at: now, rest: None },
            // No other try would read it; and what may have been sent is not sent again by itself.
            Failure::Payload | Failure::Unsure => Then::Failed,
            Failure::Timeout => schedule::then(tries, Outcome::TimedOut, None, random, now),
            _ => schedule::then(tries, Outcome::Failed, None, random, now),
        };
        Self {
            status: None,
            error: Some(failure.word()),
            answer: String::new(),
            then,
            message: Some(failure.to_string()),
        }
    }

    /// For the metrics.
    fn word(&self) -> &'static str {
        match (&self.then, self.error) {
            (_, Some(word)) => word,
            (Then::Delivered | Then::Disable { delivered: true, .. }, None) => "delivered",
            (Then::Dropped, None) => "dropped",
            _ => "refused_by_receiver",
        }
    }
}

/// Writes down the ends of tries, many at once where many came. `bell`: what waited for them may be due.
async fn write_down(
    store: Arc<dyn Store>,
    mut ends: mpsc::UnboundedReceiver<Attempted>,
    bell: Arc<Notify>,
    patience: chrono::Duration,
) {
    let mut batch = Vec::new();
    while ends.recv_many(&mut batch, MOST_ENDS).await > 0 {
        let batch = std::mem::take(&mut batch);
        if let Err(error) = keep(&*store, batch, patience).await {
            warn!(%error, "ends of tries are lost; the tries are made again when their leases have run out");
        }
        bell.notify_one();
    }
    info!("everything that was tried is written down");
}

async fn keep(store: &dyn Store, batch: Vec<Attempted>, patience: chrono::Duration) -> store::Result<()> {
    let mut pauses = 0;
    loop {
        match store.finish_deliveries(batch.clone(), patience, Utc::now()).await {
            Err(error) if error.is_transient() && pauses < 5 => {
                warn!(%error, "ends of tries cannot be written yet");
                pauses += 1;
                tokio::time::sleep(PAUSE).await;
            }
            ended => return ended,
        }
    }
}

/// 0 to 1. Nothing secret hangs on it.
fn random() -> f64 {
    rand::rngs::SysRng
        .try_next_u32()
        .map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}
