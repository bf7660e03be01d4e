//! The loop of a worker: claim, keep the lease, run, tell how it ended.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::job::{self, Blocking, Done, Error, Work};
use super::{Options, Shop, run_options};
use crate::domain::Stopped;
use crate::pipeline::{Models, Step, Transcribed};
use crate::store::{self, Claimed, Heartbeat, NewEvent, Problem, Retry};

/// Seconds before the second try; doubled with each.
const BACKOFF_S: i64 = 2;
const LONGEST_BACKOFF_S: i64 = 120;

/// What a worker has done since its start.
#[derive(Debug, Default)]
pub struct Stats {
    pub done: AtomicU64,
    pub failed: AtomicU64,
    /// Milliseconds of work on calls that are done.
    pub busy_ms: AtomicU64,
}

/// Works until `shutdown`, then finishes what it has within the grace, or gives it back.
pub async fn run(shop: Shop, options: Options, name: String, stats: Arc<Stats>, shutdown: CancellationToken) {
    let options = Arc::new(options);
    let slots = (0..options.slots).map(|slot| {
        let name = format!("{name}/{slot}");
        tokio::spawn(work(
            shop.clone(),
            options.clone(),
            name,
            stats.clone(),
            shutdown.clone(),
        ))
    });
    for slot in slots.collect::<Vec<_>>() {
        if let Err(error) = slot.await {
            error!(%error, "a worker stopped");
        }
    }
}

async fn work(shop: Shop, options: Arc<Options>, name: String, stats: Arc<Stats>, shutdown: CancellationToken) {
    let models: Arc<Mutex<Option<Models>>> = Arc::default();
    let lease = options.lease;
    while !shutdown.is_cancelled() {
        let rung = shop.bell.notified();
        let claimed = shop.store.claim_job(&name, Utc::now(), lease, options.most_tries).await;
        let Some(claimed) = store::claimed_or_wait(claimed, "job", rung, &shutdown).await else {
            continue;
        };
        let started = std::time::Instant::now();
        let call = claimed.call.id.clone();
        info!(call.id = %call, attempt = claimed.fence.attempt, "work on a call begins");
        match one(&shop, &options, claimed, None, &models, &shutdown).await {
            Ok(true) => {
                stats.done.fetch_add(1, Ordering::Relaxed);
                stats
                    .busy_ms
                    .fetch_add(started.elapsed().as_millis() as u64, Ordering::Relaxed);
                info!(call.id = %call, ms = started.elapsed().as_millis() as u64, "a call is done");
            }
            Ok(false) => {
                stats.failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => warn!(call.id = %call, %error, "the end of a job could not be kept; its lease will run out"),
        }
    }
}

/// Runs a job to its end and keeps that. True where the call is analysed. `heard` as in [`job::run`].
pub(super) async fn one(
    shop: &Shop,
    options: &Arc<Options>,
    claimed: Claimed,
    heard: Option<Transcribed>,
    models: &Arc<Mutex<Option<Models>>>,
    shutdown: &CancellationToken,
) -> store::Result<bool> {
    let state = Arc::new(State::default());
    let thread = Thread {
        options: options.clone(),
        models: models.clone(),
        state: state.clone(),
    };
    let watch = tokio::spawn(watch(
        shop.clone(),
        options.clone(),
        claimed.fence.clone(),
        state.clone(),
        shutdown.clone(),
    ));
    let ended = job::run(shop, options, &claimed, heard, &thread).await;
    watch.abort();
    let now = Utc::now();
    let error = match ended {
        Ok(()) => {
            shop.courier.notify_waiters();
            return Ok(true);
        }
        Err(error) => error,
    };
    if error.is_stop() {
        // Taken away, cancelled, or the process is going to end.
        if shutdown.is_cancelled() {
            shop.store.release_job(&claimed.fence, now).await?;
        }
        return Ok(false);
    }
    let problem = match &error {
        Error::Problem(problem) => problem.clone(),
        Error::Pipeline(error) => job::problem(error),
        Error::Store(error) => Problem {
            code: "internal".to_owned(),
            message: error.to_string(),
        },
    };
    let again = error.is_transient() && claimed.tries < options.most_tries;
    // The message may name the file, and files are named after people.
    warn!(call.id = %claimed.call.id, code = problem.code, again, "a call could not be analysed");
    let retry = if again {
        let wait = (BACKOFF_S << (claimed.tries - 1).clamp(0, 16)).min(LONGEST_BACKOFF_S);
        Retry::At(now + chrono::Duration::seconds(wait))
    } else {
        Retry::Never(vec![NewEvent::call_failed(&claimed.call, &problem)])
    };
    let failed = shop.store.fail_job(&claimed.fence, &problem, retry, now).await;
    shop.courier.notify_waiters();
    match failed {
        Ok(()) | Err(store::Error::Fenced) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How far a job is, for those who watch it.
#[derive(Default)]
struct State {
    stop: AtomicBool,
    /// Index of a step in [`STEPS`].
    step: AtomicU32,
    /// Share of the step that is done, as bits of an f32.
    done: AtomicU32,
}

/// Names of the steps, and which part of the whole each is.
const STEPS: [(&str, f32, f32); 3] = [
    ("transcribe", 0.0, 0.9),
    ("understand", 0.9, 0.98),
    ("decide", 0.98, 1.0),
];

impl State {
    fn set(&self, step: Step, done: f32) {
        let index = match step {
            Step::Transcribe => 0,
            Step::Understand => 1,
            Step::Decide => 2,
        };
        self.step.store(index, Ordering::Relaxed);
        self.done.store(done.to_bits(), Ordering::Relaxed);
    }

    fn get(&self) -> (&'static str, f64) {
        let (name, from, to) = STEPS[(self.step.load(Ordering::Relaxed) as usize).min(STEPS.len() - 1)];
        let done = f32::from_bits(self.done.load(Ordering::Relaxed)).clamp(0.0, 1.0);
        (name, (f64::from(from + done * (to - from)) * 100.0).round() / 100.0)
    }
}

/// Signs of life while the job runs: they tell how far it is, and stop it when nobody wants it any more.
async fn watch(shop: Shop, options: Arc<Options>, fence: store::Fence, state: Arc<State>, shutdown: CancellationToken) {
    let beat = (options.lease / 4)
        .to_std()
        .unwrap_or(Duration::from_secs(1))
        .min(Duration::from_secs(2));
    let mut held_until = Utc::now() + options.lease;
    let ending = async {
        shutdown.cancelled().await;
        tokio::time::sleep(options.grace).await;
    };
    tokio::pin!(ending);
    loop {
        tokio::select! {
            () = &mut ending => {
                state.stop.store(true, Ordering::Relaxed);
                return;
            }
            () = tokio::time::sleep(beat) => (),
        }
        let now = Utc::now();
        let (step, progress) = state.get();
        match shop
            .store
            .extend_job(&fence, now + options.lease, step, progress, now)
            .await
        {
            Ok(Heartbeat::Held) => held_until = now + options.lease,
            Ok(Heartbeat::Gone) => {
                state.stop.store(true, Ordering::Relaxed);
                return;
            }
            // The lease may still be ours: work goes on until it has run out.
            Err(_) if now < held_until => (),
            Err(error) => {
                warn!(%error, "the lease of a job was lost");
                state.stop.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// A thread that may take long, with the models of one slot.
pub struct Thread {
    options: Arc<Options>,
    models: Arc<Mutex<Option<Models>>>,
    state: Arc<State>,
}

impl Thread {
    /// For one run by hand.
    pub fn new(options: Options) -> Self {
        Self {
            options: Arc::new(options),
            models: Arc::default(),
            state: Arc::default(),
        }
    }
}

#[async_trait::async_trait]
impl Blocking for Thread {
    async fn run(&self, work: Work) -> Result<Done, Error> {
        let (options, models, state) = (self.options.clone(), self.models.clone(), self.state.clone());
        let ended = tokio::task::spawn_blocking(move || {
            let mut models = models.lock().unwrap_or_else(PoisonError::into_inner);
            // After a panic they are taken anew.
            let mut own = match models.take() {
                Some(own) => own,
                None => Models::with_turn_model(&run_options(&options, None, None), &options.turn_model)?,
            };
            let done = work(&mut own, &mut |step, done| {
                state.set(step, done);
                if state.stop.load(Ordering::Relaxed) {
                    Err(Stopped)
                } else {
                    Ok(())
                }
            });
            *models = Some(own);
            done
        })
        .await;
        match ended {
            Ok(done) => done,
            // A decoder that met what it did not expect must not take the service with it.
            Err(_) => Err(Error::Problem(Problem {
                code: "internal".to_owned(),
                message: "the program failed on this file; please send it to whoever runs the server".to_owned(),
            })),
        }
    }
}
