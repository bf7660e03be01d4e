//! `dealstage deliveries`: the ledger of what was sent where.

use std::io::Write as _;
use std::process::ExitCode;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Parser, Subcommand, ValueEnum};
use dealstage::http;
use dealstage::store::{self, Attempt, Delivery, DeliveryFilter, DeliveryId, DeliveryState, EndpointId, Replay};

use super::Usage;
use super::serve::Place;

/// Who did it, in the audit log.
pub const ACTOR: &str = "command line";

#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deliveries, the newest first
    List {
        /// To this endpoint
        #[arg(long, value_name = "ID")]
        endpoint: Option<String>,
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Of events of this type, e.g. call.analyzed
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// About this call
        #[arg(long, value_name = "ID")]
        call: Option<String>,
        /// About this deal
        #[arg(long, value_name = "ID")]
        deal: Option<String>,
        /// Created at or after, e.g. 2026-04-16T10:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<DateTime<Utc>>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// One JSON document a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// One delivery with every attempt
    Show {
        id: String,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Send again, with the same `webhook-id`; a running service does it within a second
    Replay {
        /// One delivery
        #[arg(required_unless_present = "endpoint", conflicts_with = "endpoint")]
        id: Option<String>,
        /// Everything of this endpoint that failed, or was never attempted
        #[arg(long, value_name = "ID", requires = "which", requires = "since")]
        endpoint: Option<String>,
        #[arg(long, value_enum, requires = "endpoint")]
        which: Option<Which>,
        /// Since then
        #[arg(long, value_name = "TIME", requires = "endpoint")]
        since: Option<DateTime<Utc>>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Pending,
    Delivered,
    Failed,
    Dropped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Failed,
    NeverAttempted,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List {
            endpoint,
            state,
            kind,
            call,
            deal,
            since,
            limit,
            json,
            place,
        } => place.with_store(async |store, scope| {
            let filter = DeliveryFilter {
                endpoint: endpoint.map(EndpointId::from),
                state: state.map(|state| match state {
                    State::Pending => DeliveryState::Pending,
                    State::Delivered => DeliveryState::Delivered,
                    State::Failed => DeliveryState::Failed,
                    State::Dropped => DeliveryState::Dropped,
                }),
                event_kind: kind,
                call: call.map(store::CallId::from),
                deal: deal.map(store::DealId::from),
                since,
                before: None,
                limit,
            };
            let mut out = std::io::stdout().lock();
            for delivery in store.deliveries(&scope, &filter).await? {
                if json {
                    writeln!(out, "{}", serde_json::to_string(&http::Delivery::from(delivery))?)?;
                } else {
                    writeln!(out, "{}", line(&delivery))?;
                }
            }
            Ok(())
        }),
        Command::Show { id, json, place } => place.with_store(async |store, scope| {
            let found = store.delivery(&scope, &DeliveryId::from(id.as_str())).await?;
            let Some((delivery, attempts)) = found else {
                return Err(missing(&id));
            };
            let mut out = std::io::stdout().lock();
            if json {
                let shown = http::DeliveryWithAttempts::from((delivery, attempts));
                writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
                return Ok(());
            }
            writeln!(out, "{}", line(&delivery))?;
            if let Some(message) = &delivery.message {
                writeln!(out, "  {message}")?;
            }
            for attempt in &attempts {
                writeln!(out, "{}", attempt_line(attempt))?;
            }
            Ok(())
        }),
        Command::Replay {
            id,
            endpoint,
            which,
            since,
            place,
        } => place.with_store(async |store, scope| {
            let what = match (id, endpoint, which, since) {
                (Some(id), ..) => Replay::One(DeliveryId::from(id)),
                (None, Some(endpoint), Some(which), Some(since)) => {
                    let endpoint = EndpointId::from(endpoint);
                    match which {
                        Which::Failed => Replay::Failed { endpoint, since },
                        Which::NeverAttempted => Replay::NeverAttempted { endpoint, since },
                    }
                }
                _ => return Err(Usage("an id, or --endpoint with --which and --since".to_owned()).into()),
            };
            let count = store.replay(&scope.workspace, what, ACTOR, Utc::now()).await;
            let count = count.map_err(refused)?;
            writeln!(std::io::stdout(), "sent again: {count}")?;
            Ok(())
        }),
    }
}

fn missing(id: &str) -> anyhow::Error {
    Usage(format!("{id}: there is no such delivery")).into()
}

/// What the store says about a wrong id is for the person who typed it.
pub fn refused(error: store::Error) -> anyhow::Error {
    match error {
        store::Error::Missing { .. } | store::Error::Conflict(_) => Usage(error.to_string()).into(),
        other => other.into(),
    }
}

pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn line(delivery: &Delivery) -> String {
    let about = delivery
        .call
        .as_ref()
        .map(|call| format!("  {call}"))
        .unwrap_or_default();
    let next = match delivery.state {
        DeliveryState::Pending => format!("  next {}", time(delivery.next_at)),
        _ => String::new(),
    };
    format!(
        "{}  {}  {:9}  {:20}  {}  attempts {}{next}{about}",
        delivery.id,
        time(delivery.created_at),
        delivery.state.as_str(),
        delivery.event_kind,
        delivery.endpoint,
        delivery.attempt,
    )
}

fn attempt_line(attempt: &Attempt) -> String {
    let came = match (&attempt.status, &attempt.error) {
        (Some(status), _) => status.to_string(),
        (None, Some(error)) => error.clone(),
        (None, None) => String::new(),
    };
    // An answer is whatever the receiver says: no control characters on the terminal.
    let answer: String = attempt
        .answer
        .chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect();
    format!(
        "  {:>3}  {}  {:>6} ms  {came}  {}",
        attempt.number,
        time(attempt.started_at),
        attempt.duration_ms,
        answer.trim_end()
    )
}
