//! `dealstage proposals`: what calls would change in the CRM, and what a person says about it.

use std::io::Write as _;
use std::process::ExitCode;

use chrono::Utc;
use clap::{Parser, Subcommand};
use dealstage::http;
use dealstage::store::{self, Change, ChangeId, Decision, Proposal, ProposalFilter, ProposalId};
use serde_json::Value;

use super::Usage;
use super::deliveries::{ACTOR, refused, time};
use super::serve::Place;

#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Change-sets, the newest first
    List {
        /// Only those of which a change waits for a person
        #[arg(long)]
        open: bool,
        /// Of this deal
        #[arg(long, value_name = "ID")]
        deal: Option<String>,
        /// Of this call
        #[arg(long, value_name = "ID")]
        call: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// One JSON document a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// One change-set
    Show {
        id: String,
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Approve changes: a running service writes them to the CRM. One that failed or met a conflict is tried again if it is named
    Approve(Decide),
    /// Reject changes: they are not written
    Reject(Decide),
    /// Write the old values back, unless somebody changed them since
    Undo(Decide),
}

#[derive(Debug, clap::Args)]
struct Decide {
    /// The change-set
    id: String,
    /// Only these changes of it
    changes: Vec<String>,
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List {
            open,
            deal,
            call,
            limit,
            json,
            place,
        } => place.with_store(async |store, scope| {
            let filter = ProposalFilter {
                deal: deal.map(store::DealId::from),
                call: call.map(store::CallId::from),
                open,
                before: None,
                limit,
            };
            for proposal in store.proposals(&scope, &filter).await? {
                if json {
                    let shown = http::Proposal::from(proposal);
                    writeln!(std::io::stdout(), "{}", serde_json::to_string(&shown)?)?;
                } else {
                    print(&proposal)?;
                }
            }
            Ok(())
        }),
        Command::Show { id, json, place } => place.with_store(async |store, scope| {
            let found = store.proposal(&scope, &ProposalId::from(id.as_str())).await?;
            show(
                found.ok_or_else(|| Usage(format!("{id}: there is no such change-set")))?,
                json,
            )
        }),
        Command::Approve(decide) => decided(decide, Decision::Approve),
        Command::Reject(decide) => decided(decide, Decision::Reject),
        Command::Undo(decide) => decided(decide, Decision::Undo),
    }
}

fn decided(decide: Decide, decision: Decision) -> anyhow::Result<ExitCode> {
    let id = ProposalId::from(decide.id);
    let changes: Vec<ChangeId> = decide.changes.into_iter().map(ChangeId::from).collect();
    let changes = Some(changes.as_slice()).filter(|changes| !changes.is_empty());
    decide.place.with_store(async |store, scope| {
        let proposal = store.decide(&scope, &id, changes, decision, ACTOR, Utc::now()).await;
        show(proposal.map_err(refused)?, decide.json)
    })
}

fn show(proposal: Proposal, json: bool) -> anyhow::Result<()> {
    if !json {
        return Ok(print(&proposal)?);
    }
    let shown = http::Proposal::from(proposal);
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&shown)?)?;
    Ok(())
}

fn print(proposal: &Proposal) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}  {}  {}  CRM {}  {}",
        proposal.id,
        time(proposal.created_at),
        proposal.deal,
        visible(&proposal.crm_deal),
        proposal.call
    )?;
    for change in &proposal.changes {
        writeln!(out, "{}", line(change))?;
        for evidence in &change.evidence {
            writeln!(out, "      “{}” [{}]", visible(&evidence.quote), evidence.turn)?;
        }
        if let Some(found) = &change.found {
            writeln!(out, "      the CRM has {}", named(&found.value, found.name.as_ref()))?;
        }
        if let Some(message) = &change.message {
            writeln!(out, "      {}", visible(message))?;
        }
    }
    Ok(())
}

fn line(change: &Change) -> String {
    let name = if change.name.is_empty() {
        change.kind.as_str().to_owned()
    } else {
        format!("{} {}", change.kind.as_str(), change.name)
    };
    let why = change.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!(
        "  {}  {:13}  {}{why}  {name}: {} → {}",
        change.id,
        change.state.as_str(),
        change.policy.as_str(),
        named(&change.old, change.old_name.as_ref()),
        named(&change.new, change.new_name.as_ref())
    )
}

/// A value with what the CRM calls it.
fn named(value: &Value, name: Option<&String>) -> String {
    match name {
        Some(name) => format!("{} ({})", short(&Value::String(name.clone())), short(value)),
        None => short(value),
    }
}

/// Characters of a value on a line.
const SHOWN: usize = 80;

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = visible(&text);
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        format!("{cut}…")
    } else {
        cut
    }
}

/// What a CRM or a call says is on one line of the terminal.
fn visible(text: &str) -> String {
    text.chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect()
}
