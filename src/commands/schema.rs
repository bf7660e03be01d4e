//! `dealstage schema`: the shape of what goes in and out.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use dealstage::{document, http, ingest};

#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  dealstage schema > analysis.schema.json
  dealstage schema call > call.schema.json
  dealstage schema api > openapi.json")]
pub struct Args {
    /// Of what
    #[arg(value_enum, default_value_t = Of::Analysis)]
    of: Of,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// The document that `dealstage analyze --json` prints
    Analysis,
    /// The call file that `dealstage analyze` reads
    Call,
    /// The HTTP API of `dealstage serve`, as OpenAPI: what it answers at /openapi.json
    Api,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let schema = match args.of {
        Of::Analysis => document::schema(),
        Of::Call => ingest::call_file_schema(),
        Of::Api => http::openapi(),
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&schema)?)?;
    Ok(ExitCode::SUCCESS)
}
