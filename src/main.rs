//! The binary: reads flags, sets up the log, runs one command, turns its end into an exit code.

mod commands;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// Listens to sales calls: who said what, where the deal stands and why, what to do next.
///
/// Everything is decided on this machine; nothing is sent anywhere but to a language model that `--llm` switches on, and to
/// endpoints that an admin of the service names.
#[derive(Debug, Parser)]
#[command(name = "dealstage", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Analyse recordings or transcripts: the main job
    Analyze(commands::analyze::Args),
    /// The service: API and workers
    Serve(Box<commands::serve::Args>),
    /// Run a stored call again: is the result the same, and if not, what differs
    Replay(Box<commands::replay::Args>),
    /// What was sent where, with every attempt; sends again
    Deliveries(Box<commands::deliveries::Args>),
    /// What calls would change in the CRM: approve, reject, undo
    Proposals(Box<commands::proposals::Args>),
    /// The sales process as a file: print it, check it, run its examples
    Process(commands::process::Args),
    /// Connections to CRMs as files: list them, print one, check it, try it
    Crm(commands::crm::Args),
    /// The JSON Schema of the analysis, or of the call file
    Schema(commands::schema::Args),
    /// Weights of the models: where from, licence, present or not; fetch and check them
    Models(commands::models::Args),
    /// Fit the turn model to labelled calls
    Train(commands::train::Args),
    /// Measure the turn model on labelled calls
    Eval(commands::eval::Args),
    /// Measure this machine: real-time factor, milliseconds per turn, memory
    Bench(commands::bench::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli.command);
    let result = match cli.command {
        Command::Analyze(args) => commands::analyze::run(args),
        Command::Serve(args) => commands::serve::run(*args),
        Command::Replay(args) => commands::replay::run(*args),
        Command::Deliveries(args) => commands::deliveries::run(*args),
        Command::Proposals(args) => commands::proposals::run(*args),
        Command::Process(args) => commands::process::run(args),
        Command::Crm(args) => commands::crm::run(args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::Models(args) => commands::models::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Bench(args) => commands::bench::run(args),
    };
    match result {
        Ok(code) => code,
        Err(error) => commands::report(&error),
    }
}

fn log(command: &Command) {
    // Libraries warn about things that are nothing to a user (a tag before the first frame of an MP3).
    let (usual, json) = match command {
        Command::Serve(args) => ("dealstage=info", args.logs_json()),
        _ => ("dealstage=warn", false),
    };
    let wanted = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    // In detail, libraries tell what they work on (the tokenizer: each word of the call), which no log may hold.
    // The client of language models warns with the text of an answer, and answers quote the call.
    let discreet = filter_fn(|of| {
        let target = of.target();
        target.starts_with("dealstage") || (*of.level() <= Level::INFO && !target.starts_with("async_openai"))
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    tracing_subscriber::registry()
        .with(lines.with_filter(wanted).with_filter(discreet))
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn flags_are_sound() {
        super::Cli::command().debug_assert();
    }
}
