//! `dealstage analyze`: recording or transcript in, analysis out.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::{Local, NaiveDate};
use clap::{Parser, ValueEnum};
use dealstage::document::{self, Document, Look};
use dealstage::domain::{History, Language};
use dealstage::ingest::{self, Input};
use dealstage::llm;
use dealstage::pipeline::{self, Analysis, Recogniser, Step};
use dealstage::process::Process;
use dealstage::transcribe::remote;
use dealstage::understand::fallback::Ask;
use serde::Deserialize;

use super::{Missing, Usage};

#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  dealstage analyze meeting.m4a
  dealstage analyze call.wav --rep left --call-date 2026-04-16 --json --out call.analysis.json
  dealstage analyze *.vtt --json > analyses.jsonl
  pbpaste | dealstage analyze - --language ru

Exit codes: 0 done; 2 usage or bad input; 3 a needed model or service is missing; 1 anything else.")]
pub struct Args {
    /// Recordings (WAV, MP3, M4A, MP4, FLAC, OGG, WebM) or transcripts (VTT, SRT, text, JSON); `-` reads a transcript
    /// from standard input
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Reports with everything that is known, not a page (text and Markdown)
    #[arg(long)]
    full: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Day of the call: "Thursday" is counted from it [default: as in the file, else today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    call_date: Option<NaiveDate>,
    /// Language of the talk
    #[arg(long, value_enum, default_value_t = LanguageChoice::Auto)]
    language: LanguageChoice,
    /// Who is the seller: a speaker's name, or the channel `left` or `right` [default: found from the talk]
    #[arg(long, value_name = "SPEAKER")]
    rep: Option<String>,
    /// Sales process: `ppvvc`, `bant`, `meddicc`, `short_cycle`, or a process file
    #[arg(long, value_name = "NAME|FILE", default_value = "ppvvc")]
    process: String,
    /// Analysis of the call before this one with the same deal (JSON of an earlier run): scores carry over, contradictions
    /// and overdue promises are shown
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// When to ask a language model: never, where the local model is unsure, or about every turn. Its address is
    /// DEALSTAGE_LLM_BASE_URL (any OpenAI-compatible service), its name DEALSTAGE_LLM_MODEL, its key
    /// DEALSTAGE_LLM_API_KEY; DEALSTAGE_LLM_TIME_LIMIT (seconds a question, 60) and DEALSTAGE_LLM_BUDGET (characters a
    /// call, 40000) limit it. Names and numbers of people are replaced before anything is sent, and what was sent is listed
    #[arg(long, value_enum, default_value_t = LlmChoice::Off)]
    llm: LlmChoice,
    /// Who hears recordings: a model on this machine, or a service that is sent the speech. Its address is
    /// DEALSTAGE_ASR_BASE_URL (any OpenAI-compatible service, up to and with /v1), its key DEALSTAGE_ASR_API_KEY;
    /// DEALSTAGE_ASR_TIME_LIMIT (seconds for half a minute of speech, 120) limits it. What was sent is listed
    #[arg(long, value_enum, default_value_t = AsrChoice::Local)]
    asr: AsrChoice,
    /// Recogniser: `base`, `small`, `large-v3-turbo` or another of `dealstage models list`, or a ggml file; with --asr remote the
    /// name that the service has for it [default: base; whisper-1]
    #[arg(long, value_name = "NAME|PATH", env = "DEALSTAGE_ASR_MODEL")]
    asr_model: Option<String>,
    /// Folder with heads of the turn model, as `dealstage train` writes it [default: those that come with the program]
    #[arg(long, value_name = "FOLDER")]
    turn_model: Option<PathBuf>,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// No progress and no hints on standard error
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LanguageChoice {
    Auto,
    En,
    Ru,
}

impl LanguageChoice {
    fn language(self) -> Option<Language> {
        match self {
            Self::Auto => None,
            Self::En => Some(Language::En),
            Self::Ru => Some(Language::Ru),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LlmChoice {
    Off,
    Fallback,
    Always,
}

/// What a variable of the environment says; None where it is not there or empty.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn number(name: &str, default: u64) -> Result<u64, Usage> {
    match set(name) {
        None => Ok(default),
        Some(value) => (value.trim().parse()).map_err(|_| Usage(format!("{name}={value}: not a whole number"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AsrChoice {
    Local,
    Remote,
}

/// What services call the recogniser of which most have one.
const REMOTE_MODEL: &str = "whisper-1";
/// Seconds for one piece of speech, all tries together: a service without an accelerator takes its time.
const ASR_TIME_LIMIT: u64 = 120;

impl AsrChoice {
    /// `model`: what the user named.
    pub fn recogniser(self, model: Option<&str>) -> anyhow::Result<Recogniser> {
        let model = model.map(str::trim).filter(|model| !model.is_empty());
        if self == Self::Local {
            return Ok(Recogniser::from(model.unwrap_or(pipeline::DEFAULT_RECOGNISER)));
        }
        let address = set("DEALSTAGE_ASR_BASE_URL");
        let missing = || Missing("--asr remote needs a service: set DEALSTAGE_ASR_BASE_URL".to_owned());
        Ok(Recogniser::Remote(remote::Options {
            base_url: address.ok_or_else(missing)?,
            api_key: set("DEALSTAGE_ASR_API_KEY").unwrap_or_default().into(),
            model: model.unwrap_or(REMOTE_MODEL).to_owned(),
            time_limit: Duration::from_secs(number("DEALSTAGE_ASR_TIME_LIMIT", ASR_TIME_LIMIT)?),
        }))
    }
}

/// Seconds for one question, all tries together.
const LLM_TIME_LIMIT: u64 = 60;
/// Characters that may leave for one call: about ten thousand tokens.
const LLM_BUDGET: u64 = 40_000;

impl LlmChoice {
    pub fn settings(self) -> anyhow::Result<Option<(Ask, llm::Options)>> {
        let ask = match self {
            Self::Off => return Ok(None),
            Self::Fallback => Ask::Fallback,
            Self::Always => Ask::Always,
        };
        let needed = |name: &str| set(name).ok_or_else(|| Missing(format!("--llm needs a service: set {name}")));
        Ok(Some((
            ask,
            llm::Options {
                base_url: needed("DEALSTAGE_LLM_BASE_URL")?,
                model: needed("DEALSTAGE_LLM_MODEL")?,
                form: match set("DEALSTAGE_LLM_FORM") {
                    Some(form) => form.trim().parse().map_err(pipeline::Error::Llm)?,
                    None => llm::Form::JsonSchema,
                },
                api_key: set("DEALSTAGE_LLM_API_KEY").unwrap_or_default().into(),
                prompts: super::prompts_folder(),
                answers: super::data_folder()?.join("answers"),
                time_limit: Duration::from_secs(number("DEALSTAGE_LLM_TIME_LIMIT", LLM_TIME_LIMIT)?),
                budget: usize::try_from(number("DEALSTAGE_LLM_BUDGET", LLM_BUDGET)?)?,
            },
        )))
    }
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let format = if args.json { Format::Json } else { args.format };
    let process = super::process::load(&args.process)?;
    let history = args.previous.as_deref().map(read_previous).transpose()?;
    if let Some(history) = history
        .as_ref()
        .filter(|history| history.process != process.id() && !args.quiet)
    {
        let _ = writeln!(
            std::io::stderr(),
            "--previous: scores of the process `{}` do not carry over to `{}`; facts and promises do",
            history.process,
            process.id()
        );
    }
    let options = pipeline::Options {
        call_date: args.call_date.unwrap_or_else(|| Local::now().date_naive()),
        call_date_is_said: args.call_date.is_some(),
        language: args.language.language(),
        rep: args.rep.clone(),
        threads: args.threads.map_or_else(super::default_threads, usize::from),
        recogniser: args.asr.recogniser(args.asr_model.as_deref())?,
        heads: args.turn_model.clone(),
        prompts: super::prompts_folder(),
        llm: args.llm.settings()?,
        history,
        corrected: Vec::new(),
    };
    if let Some(out) = &args.out {
        refuse_to_overwrite(out, &args.inputs)?;
    }
    let several = args.inputs.len() > 1;
    // In a pipe and in a file one document is one line, however many there are.
    let one_line = several || args.out.is_some() || !std::io::stdout().is_terminal();
    if several && args.previous.is_some() {
        return Err(Usage("--previous is about one deal: give one input".to_owned()).into());
    }
    let mut models = pipeline::Models::new(&options)?;
    let mut texts = Vec::new();
    let mut failed = None;
    for path in &args.inputs {
        let analysed = analyse_one(path, &args, &process, &options, &mut models);
        match analysed.and_then(|analysis| render(&analysis, format, one_line, args.out.is_none(), args.full)) {
            Ok(text) if args.out.is_some() => texts.push(text),
            Ok(text) => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()?;
            }
            // One bad file of many does not take the others with it.
            Err(error) if several => failed = Some(super::report(&error)),
            Err(error) => return Err(error),
        }
    }
    if let Some(path) = args.out.as_ref().filter(|_| !texts.is_empty()) {
        write_whole(path, &texts.concat())?;
    }
    Ok(failed.unwrap_or(ExitCode::SUCCESS))
}

/// The recording of a call is not to be replaced by its report.
fn refuse_to_overwrite(out: &Path, inputs: &[PathBuf]) -> anyhow::Result<()> {
    let Ok(out_path) = out.canonicalize() else {
        return Ok(());
    };
    if inputs
        .iter()
        .any(|input| input.canonicalize().is_ok_and(|path| path == out_path))
    {
        let message = format!("--out {}: that is the input; choose another file", out.display());
        return Err(Usage(message).into());
    }
    Ok(())
}

fn read_previous(path: &Path) -> anyhow::Result<History> {
    let wrong = |problem: &dyn std::fmt::Display| Usage(format!("--previous {}: {problem}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    Ok(document::previous(&text).map_err(|error| wrong(&error))?)
}

fn read_input(path: &Path, options: &ingest::Options) -> anyhow::Result<Input> {
    if path.as_os_str() != "-" {
        return Ok(ingest::read(path, options)?);
    }
    Ok(ingest::read_stream("-", std::io::stdin().lock(), options)?)
}

fn analyse_one(
    path: &Path,
    args: &Args,
    process: &Process,
    options: &pipeline::Options,
    models: &mut pipeline::Models,
) -> anyhow::Result<Analysis> {
    let bar = super::bar(args.quiet);
    bar.set_message("reading");
    let started = Instant::now();
    let read = ingest::Options {
        call_date: args.call_date,
        language: options.language,
        longest_s: None,
    };
    let input = read_input(path, &read)?;
    let decoded_in = started.elapsed();
    let said_date = match &input {
        Input::Transcript(call) => call.call_date,
        Input::Recording(_) => args.call_date,
    };
    if said_date.is_none() && !args.quiet {
        bar.suspend(|| {
            let _ = writeln!(
                std::io::stderr(),
                "{}: day of the call not given, {} assumed; --call-date YYYY-MM-DD sets it",
                path.display(),
                options.call_date
            );
        });
    }
    let result = pipeline::analyse(input, decoded_in, process, options, models, &mut |step, done| {
        let (name, from, to) = match step {
            Step::Transcribe => ("listening", 0.0, 0.85),
            Step::Understand => ("understanding", 0.85, 0.98),
            Step::Decide => ("deciding", 0.98, 1.0),
        };
        bar.set_message(name);
        bar.set_position((1000.0 * (from + done * (to - from))) as u64);
        Ok(())
    });
    bar.finish_and_clear();
    let analysis = result?;
    if let Some(other) = analysis.understanding.other_language.as_ref().filter(|_| !args.quiet) {
        let _ = writeln!(
            std::io::stderr(),
            "{}: the talk seems to be in {other}, of which nothing is understood; --language en or ru overrides",
            path.display()
        );
    }
    Ok(analysis)
}

fn render(analysis: &Analysis, format: Format, one_line: bool, to_stdout: bool, full: bool) -> anyhow::Result<String> {
    let document = Document::new(analysis);
    Ok(match format {
        Format::Json if one_line => format!("{}\n", serde_json::to_string(&document)?),
        Format::Json => format!("{}\n", serde_json::to_string_pretty(&document)?),
        Format::Markdown => document::markdown(&document, full),
        Format::Text => {
            let look = if to_stdout { look() } else { Look::PLAIN };
            document::text(&document, Look { full, ..look })
        }
    })
}

/// Colours and width of the terminal, if stdout is one.
fn look() -> Look {
    if !std::io::stdout().is_terminal() {
        return Look::PLAIN;
    }
    let width = terminal_size::terminal_size()
        .map_or(Look::PLAIN.width, |(width, _)| usize::from(width.0))
        .clamp(60, 120);
    Look {
        colour: std::env::var_os("NO_COLOR").is_none(),
        width,
        full: false,
    }
}

/// Writes beside the target first: the file is there whole or not at all.
fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = |error: std::io::Error| Usage(format!("--out {}: {error}", path.display()));
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, text).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)?;
    Ok(())
}
