//! `dealstage eval`: measures the turn model on labelled calls.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use dealstage::learn::{self, LanguageReport, Report, Split};
use dealstage::pipeline;
use dealstage::process::Process;

#[derive(Debug, Parser)]
pub struct Args {
    /// Folder of call files with `gold` labels
    #[arg(default_value = "fixtures/calls")]
    folder: PathBuf,
    /// Part of the calls to measure on
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    /// Folder with heads, as `dealstage train` writes it [default: those that come with the program]
    #[arg(long, value_name = "FOLDER")]
    turn_model: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Train,
    Dev,
    Test,
    Gold,
    All,
}

impl Part {
    fn has(self, split: Split) -> bool {
        match self {
            Self::All => true,
            Self::Train => split == Split::Train,
            Self::Dev => split == Split::Dev,
            Self::Test => split == Split::Test,
            Self::Gold => split == Split::Gold,
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut calls = learn::read(&args.folder)?;
    calls.retain(|call| args.split.has(call.split));
    if calls.is_empty() {
        let folder = args.folder.display().to_string();
        return Err(learn::Error::Empty {
            folder,
            split: "asked for",
        }
        .into());
    }
    let bar = super::bar(args.quiet);
    bar.set_message("measuring");
    let model = pipeline::load_turn_model(args.turn_model.as_deref())?;
    let report = learn::measure(&model, &Process::builtin()?, &calls, &mut |done| {
        bar.set_position((1000.0 * done) as u64);
    })?;
    bar.finish_and_clear();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table(&report)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn table(report: &Report) -> Result<String, std::fmt::Error> {
    let mut columns: Vec<(&str, &LanguageReport)> = vec![("all", &report.all)];
    columns.extend(
        report
            .by_language
            .iter()
            .map(|(language, figures)| (*language, figures)),
    );
    let mut out = String::new();
    write!(out, "{:<26}", report.turn_model)?;
    columns.iter().try_for_each(|(name, _)| write!(out, "{name:>8}"))?;
    writeln!(out)?;
    type Figure = fn(&LanguageReport) -> Option<f64>;
    let figures: [(&str, Figure); 10] = [
        ("calls", |r| Some(r.calls as f64)),
        ("turns", |r| Some(r.turns as f64)),
        ("stage accuracy", |r| Some(r.stage_accuracy)),
        ("stage macro-F1", |r| Some(r.stage_macro_f1)),
        ("stage calibration error", |r| Some(r.stage_calibration_error)),
        ("signal micro-F1", |r| Some(r.signal_micro_f1)),
        ("signal macro-F1", |r| Some(r.signal_macro_f1)),
        ("deal stage exact", |r| Some(r.deal_stage_accuracy)),
        ("deal stage within one", |r| Some(r.deal_stage_within_one)),
        ("role accuracy", |r| Some(r.role_accuracy)),
    ];
    for (name, figure) in figures {
        row(&mut out, name, columns.iter().map(|(_, report)| figure(report)))?;
    }
    row(
        &mut out,
        "field recall (name, turn)",
        columns.iter().map(|(_, report)| report.field_recall),
    )?;
    for (title, pick) in [("stage", true), ("signal", false)] {
        writeln!(out, "\n{title} F1")?;
        let list = |report: &LanguageReport| {
            if pick {
                report.stages.clone()
            } else {
                report.signals.clone()
            }
        };
        for (at, f1) in list(&report.all).iter().enumerate() {
            row(
                &mut out,
                &format!("  {}", f1.id),
                columns.iter().map(|(_, report)| list(report)[at].f1),
            )?;
        }
    }
    Ok(out)
}

fn row(out: &mut String, name: &str, values: impl Iterator<Item = Option<f64>>) -> std::fmt::Result {
    write!(out, "{name:<26}")?;
    for value in values {
        match value {
            Some(value) if value.fract() == 0.0 && value > 1.0 => write!(out, "{value:>8}")?,
            Some(value) => write!(out, "{value:>8.3}")?,
            None => write!(out, "{:>8}", "–")?,
        }
    }
    writeln!(out)
}
