//! `dealstage replay`: a stored call, run again.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use dealstage::service;
use dealstage::store::CallId;
use serde_json::Value;

use super::Usage;
use super::serve::{self, Settings};

/// More differences tell nothing new.
const SHOWN: usize = 20;
/// Characters of a value.
const SHOWN_VALUE: usize = 100;

#[derive(Debug, Parser)]
pub struct Args {
    /// Id of the call, as the service gave it
    call: String,
    /// Settings of the service, as for `dealstage serve --config`
    #[arg(long, value_name = "FILE", env = "DEALSTAGE_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = args.settings.with_file(args.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let replay = runtime.block_on(async {
        let (shop, options) = serve::shop(&settings).await?;
        let thread = service::Thread::new(options.clone());
        let id = CallId::from(args.call.as_str());
        anyhow::Ok(service::replay(&shop, &options, &id, &thread).await?)
    })?;
    let Some(replay) = replay else {
        return Err(Usage(format!("{}: no analysis of such a call is stored", args.call)).into());
    };
    let mut out = std::io::stdout().lock();
    let from = if replay.heard {
        "its file"
    } else {
        "its stored transcript"
    };
    if replay.stored == replay.now {
        writeln!(out, "the same, from {from}: {}", replay.now)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "not the same, from {from}:\n  stored {}\n  now    {}",
        replay.stored, replay.now
    )?;
    for (path, stored, now) in replay.differences.iter().take(SHOWN) {
        writeln!(out, "{path}\n  stored {}\n  now    {}", short(stored), short(now))?;
    }
    if replay.differences.len() > SHOWN {
        writeln!(out, "and {} more", replay.differences.len() - SHOWN)?;
    }
    Ok(ExitCode::FAILURE)
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(SHOWN_VALUE).collect();
    if cut.len() < text.len() {
        format!("{cut}…")
    } else {
        cut
    }
}
