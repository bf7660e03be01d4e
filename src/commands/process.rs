//! `dealstage process`: prints, checks and tries the sales process as a file.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::Local;
use clap::{Parser, Subcommand, ValueEnum};
use dealstage::domain::{Cue, FieldName, Language, Signal, StageKind};
use dealstage::pipeline;
use dealstage::process::{BUILT_IN, Fact, Number, Process, StageRule};

use super::Usage;

#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a process as its file, to copy and change; or the card of a stage
    Show {
        /// A process of the program (`ppvvc`, `bant`, `meddicc`, `short_cycle`) or a process file
        #[arg(default_value = "ppvvc")]
        process: String,
        /// Print the card of a stage: what it is for, what to do, what to ask, when it is done; `all` for every stage
        #[arg(long, value_name = "STAGE")]
        card: Option<String>,
        /// Language of the card
        #[arg(long, value_enum, default_value_t = CardLanguage::En)]
        language: CardLanguage,
        /// Print every word that conditions may use
        #[arg(long, conflicts_with = "card")]
        conditions: bool,
    },
    /// Check a process file: every problem with its line and column
    Check {
        /// A process file
        file: String,
    },
    /// Run the example cases of a process file
    Test {
        /// A process file, or a process of the program
        file: String,
        /// Folder with heads of the turn model, for cases without signals [default: those that come with the program]
        #[arg(long, value_name = "FOLDER")]
        turn_model: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CardLanguage {
    En,
    Ru,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Show {
            process,
            card,
            language,
            conditions,
        } => {
            let language = match language {
                CardLanguage::En => Language::En,
                CardLanguage::Ru => Language::Ru,
            };
            if conditions {
                print!("{}", vocabulary(&load(&process)?)?);
            } else if let Some(card) = card {
                print!("{}", cards(&load(&process)?, &card, language)?);
            } else {
                load(&process)?;
                print!("{}", text_of(&process)?);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { file } => {
            let process = load(&file)?;
            println!(
                "{file}: sound: process `{}`, {} elements, {} stages, {} actions, {} example cases; hash {}",
                process.id(),
                process.elements().len(),
                process.stages().len(),
                process.actions().len(),
                process.cases().len(),
                process.hash(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Test { file, turn_model } => test(&file, turn_model),
    }
}

/// The text of a process by name or path.
fn text_of(wanted: &str) -> anyhow::Result<String> {
    if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| *name == wanted) {
        return Ok((*text).to_owned());
    }
    std::fs::read_to_string(wanted).map_err(|error| {
        let names = BUILT_IN.map(|(name, _)| name).join(", ");
        Usage(format!(
            "{wanted}: no process of that name comes with the program ({names}), and as a file: {error}"
        ))
        .into()
    })
}

/// A process by name or path; its problems are bad input.
pub fn load(wanted: &str) -> anyhow::Result<Process> {
    Process::load(&text_of(wanted)?, wanted).map_err(|error| Usage(error.to_string()).into())
}

fn test(file: &str, turn_model: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let process = load(file)?;
    if process.cases().is_empty() {
        println!("{file}: no example cases: add [[case]] tables");
        return Ok(ExitCode::SUCCESS);
    }
    let options = pipeline::Options {
        call_date: Local::now().date_naive(),
        call_date_is_said: false,
        language: None,
        rep: None,
        threads: super::default_threads(),
        recogniser: pipeline::Recogniser::from(pipeline::DEFAULT_RECOGNISER),
        heads: turn_model,
        prompts: super::prompts_folder(),
        llm: None,
        history: None,
        corrected: Vec::new(),
    };
    let mut models = pipeline::Models::new(&options)?;
    let mut failed = 0;
    for case in process.cases() {
        let differences = pipeline::run_case(&process, case, &options, &mut models)?;
        if differences.is_empty() {
            println!("ok    {}", case.name);
            continue;
        }
        failed += 1;
        println!("WRONG {} ({file}:{})", case.name, case.line);
        for difference in differences {
            println!("      {}", difference.of);
            println!("      - expected {}", difference.expected);
            println!("      + found    {}", difference.found);
        }
    }
    println!(
        "{} of {} cases come out as expected",
        process.cases().len() - failed,
        process.cases().len()
    );
    Ok(ExitCode::from(if failed == 0 { 0 } else { super::BAD_INPUT }))
}

fn cards(process: &Process, wanted: &str, language: Language) -> anyhow::Result<String> {
    let chosen: Vec<&StageRule> = match wanted {
        "all" => process.stages().iter().collect(),
        _ => process.stage(wanted).into_iter().collect(),
    };
    if chosen.is_empty() {
        let known: Vec<&str> = process.stages().iter().map(|stage| stage.id.as_str()).collect();
        let message = format!(
            "--card {wanted}: process `{}` has no such stage; it has {}",
            process.id(),
            known.join(", ")
        );
        return Err(Usage(message).into());
    }
    let cards: Result<Vec<String>, _> = chosen.iter().map(|stage| card(process, stage, language)).collect();
    Ok(cards?.join("\n"))
}

fn card(process: &Process, stage: &StageRule, language: Language) -> Result<String, std::fmt::Error> {
    let say = |en: &'static str, ru: &'static str| match language {
        Language::En => en,
        Language::Ru => ru,
    };
    let mut out = String::new();
    let open = process.stages().iter().filter(|stage| stage.kind == StageKind::Open);
    let place = open.clone().position(|other| other.id == stage.id);
    let order = place.map_or_else(String::new, |place| format!(" ({}/{})", place + 1, open.count()));
    writeln!(out, "{}{order} · {}", stage.name.get(language), stage.id)?;
    let mut line = |title: &str, text: &str| -> std::fmt::Result {
        if text.is_empty() {
            return Ok(());
        }
        writeln!(out, "  {title}: {text}")
    };
    line(say("For", "Для чего"), stage.purpose.get(language))?;
    line(say("Done when", "Готово, когда"), stage.exit.get(language))?;
    line(say("How", "Как"), stage.behaviour.get(language))?;
    for (title, list) in [
        (say("Do", "Сделать"), &stage.tasks),
        (say("Ask", "Спросить"), &stage.questions),
        (say("Moves it on", "Что двигает дальше"), &stage.triggers),
    ] {
        let items = list.get(language);
        if !items.is_empty() {
            writeln!(out, "  {title}:")?;
            items.iter().try_for_each(|item| writeln!(out, "    - {item}"))?;
        }
    }
    if !stage.crm.is_empty() {
        let crm: Vec<String> = stage
            .crm
            .iter()
            .map(|(name, stage)| format!("{name} → {stage}"))
            .collect();
        writeln!(out, "  CRM: {}", crm.join(", "))?;
    }
    Ok(out)
}

/// Every word that conditions may use in this process.
fn vocabulary(process: &Process) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "Conditions join what was said by `and`, `or`, `not` and brackets.\n"
    )?;
    let mut list = |title: &str, words: Vec<String>| writeln!(out, "{title}\n  {}\n", words.join(", "));
    list("Signals", Signal::ALL.iter().map(|signal| signal.to_string()).collect())?;
    list(
        "Turns that decide an upper score or the end, as the turn model learned them",
        Cue::ALL.iter().map(|cue| format!("cue_{cue}")).collect(),
    )?;
    list(
        "Fields",
        FieldName::ALL.iter().map(|field| format!("field.{field}")).collect(),
    )?;
    list(
        "Words of this file",
        process
            .phrases()
            .iter()
            .map(|phrase| format!("phrase.{}", phrase.id))
            .collect(),
    )?;
    list(
        "Scores, compared with 0 to 3 (=, !=, <, <=, >, >=)",
        process
            .elements()
            .iter()
            .map(|element| element.id.to_string())
            .collect(),
    )?;
    list(
        "Stages, compared with `stage` in their order",
        process.stages().iter().map(|stage| stage.id.to_string()).collect(),
    )?;
    writeln!(out, "Numbers, compared")?;
    for (_, name, means) in Number::ALL {
        writeln!(out, "  {name:<22}{}", means.trim())?;
    }
    writeln!(out, "\nYes or no")?;
    for (_, name, means) in Fact::ALL {
        writeln!(out, "  {name:<22}{}", means.trim())?;
    }
    writeln!(out, "\n  outcome = order, advance, continuation, no_sale")?;
    writeln!(out, "  move = advance, stay, back, too_early")?;
    writeln!(
        out,
        "\nFilters of what was said, in square brackets, `not` before any of them\n{FILTERS}"
    )?;
    Ok(out)
}

const FILTERS: &str = "  last                  the last of them
  open                  an objection that nothing later took back
  number                the turn has a quantity
  dated                 the turn has a day or a time, or answers one that has
  rep, buyer            said by this side
  decider               said by somebody who decides (`decider` of the file)
  unsure                the model is not certain of it
  says ID               the turn has a phrase of the file
  with X                the turn has X too
  after X, before X     later than the first X, earlier than the last
  within N              among the last N turns
  run N                 at least the Nth turn of its side in a row with it
  seconds N             lasts at least so long
  value                 a field with a value
  is WORD               a field whose value is this word
  days N                a field with a day ahead, at most N days away
  stated, confirmed …   a field with this status";
