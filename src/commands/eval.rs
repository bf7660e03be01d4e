//! `dealstage eval`: measures the turn model on labelled calls.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use dealstage::decide::Templates;
use dealstage::learn::{self, Bin, LanguageReport, Report, Split};
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
    /// List the costliest mistakes too, with the words around them
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "30")]
    errors: Option<usize>,
    /// List the fields that gold contradicts, of one name or of all
    #[arg(long, value_name = "FIELD", num_args = 0..=1, default_missing_value = "all")]
    field_errors: Option<String>,
    /// Draw confidence against being right into an SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
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
    /// None: all.
    fn split(self) -> Option<Split> {
        match self {
            Self::All => None,
            Self::Train => Some(Split::Train),
            Self::Dev => Some(Split::Dev),
            Self::Test => Some(Split::Test),
            Self::Gold => Some(Split::Gold),
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut calls = learn::read(&args.folder)?;
    let split = args.split.split();
    calls.retain(|call| split.is_none_or(|split| call.split == split));
    if calls.is_empty() {
        let folder = args.folder.display().to_string();
        return Err(learn::Error::Empty {
            folder,
            split: split.map_or("all", Split::as_str),
        }
        .into());
    }
    let bar = super::bar(args.quiet);
    bar.set_message("measuring");
    let model = pipeline::load_turn_model(args.turn_model.as_deref())?;
    let letters = Templates::load(super::prompts_folder().as_deref()).map_err(pipeline::Error::Template)?;
    let report = learn::measure(&model, &Process::ppvvc()?, &letters, &calls, &mut |done| {
        bar.set_position((1000.0 * done) as u64);
    })?;
    bar.finish_and_clear();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table(&report)?);
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, plot(&report.all)?)
            .map_err(|error| super::Usage(format!("--svg {}: {error}", path.display())))?;
    }
    for mistake in report.mistakes.iter().take(args.errors.unwrap_or(0)) {
        let name = |id: Option<&str>| id.unwrap_or("nothing").to_owned();
        println!(
            "\n{} turn {}: said {}, gold {} ({:.2})",
            mistake.call,
            mistake.turn,
            name(mistake.said),
            name(mistake.gold),
            mistake.cost
        );
        mistake.words.iter().for_each(|line| println!("  {line}"));
    }
    let wanted = |field: &str| {
        args.field_errors
            .as_deref()
            .is_some_and(|name| name == "all" || name == field)
    };
    for mistake in report.fact_mistakes.iter().filter(|mistake| wanted(mistake.field)) {
        let name = |field: &Option<String>| field.clone().unwrap_or_else(|| "nothing".to_owned());
        println!(
            "\n{} turn {} {}: said {}, gold {}",
            mistake.call,
            mistake.turn,
            mistake.field,
            name(&mistake.said),
            name(&mistake.gold)
        );
        mistake.words.iter().for_each(|line| println!("  {line}"));
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
    columns.extend(report.by_noise.iter().map(|(noise, figures)| (noise.as_str(), figures)));
    let mut out = String::new();
    write!(out, "{:<26}", report.turn_model)?;
    columns.iter().try_for_each(|(name, _)| write!(out, "{name:>9}"))?;
    writeln!(out)?;
    type Figure = fn(&LanguageReport) -> Option<f64>;
    let figures: [(&str, Figure); 22] = [
        ("calls", |r| Some(r.calls as f64)),
        ("turns", |r| Some(r.turns as f64)),
        ("stage accuracy", |r| Some(r.stage_accuracy)),
        ("stage macro-F1", |r| Some(r.stage_macro_f1)),
        ("stage calibration error", |r| Some(r.stage_calibration_error)),
        ("signal micro-F1", |r| Some(r.signal_micro_f1)),
        ("signal macro-F1", |r| Some(r.signal_macro_f1)),
        ("signal calibration error", |r| Some(r.signal_calibration_error)),
        ("deal stage exact", |r| Some(r.deal_stage_accuracy)),
        ("deal stage within one", |r| Some(r.deal_stage_within_one)),
        ("  exact, labels of gold", |r| Some(r.deal_stage_accuracy_from_gold)),
        ("  decided", |r| Some(r.deal_stage_decided)),
        ("  exact where decided", |r| r.deal_stage_accuracy_decided),
        ("role accuracy", |r| Some(r.role_accuracy)),
        ("field F1 (name, turn)", |r| r.fields.f1.f1),
        ("  precision", |r| r.fields.precision),
        ("  recall", |r| r.fields.recall),
        ("  value exact where found", |r| r.fields.value_exact),
        ("  invented", |r| Some(f64::from(r.fields.invented))),
        ("draft score (0–10)", |r| r.draft_score),
        ("  sendable", |r| r.drafts_sendable),
        ("  invented statements", |r| Some(r.draft_invented as f64)),
    ];
    for (name, figure) in figures {
        row(&mut out, name, columns.iter().map(|(_, report)| figure(report)))?;
    }
    writeln!(out, "\nelement scores, quadratic kappa")?;
    for element in report.all.element_kappa.keys() {
        let kappa = columns
            .iter()
            .map(|(_, report)| report.element_kappa.get(element).copied().flatten());
        row(&mut out, &format!("  {element}"), kappa)?;
        let kappa = columns
            .iter()
            .map(|(_, report)| report.element_kappa_from_gold.get(element).copied().flatten());
        row(&mut out, "    with labels of gold", kappa)?;
    }
    writeln!(out, "\nbootstrap over calls, 95 %")?;
    for (name, interval) in &report.intervals {
        writeln!(out, "  {name:<24}{:.3}–{:.3}", interval.low, interval.high)?;
    }
    writeln!(out, "\ndeal stage, gold → said")?;
    for (gold, said) in &report.deal_stage_confusion {
        let said: Vec<String> = said.iter().map(|(said, calls)| format!("{said} {calls}")).collect();
        writeln!(out, "  {gold:<10}{}", said.join(", "))?;
    }
    facts(&mut out, &report.all)?;
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

/// Each field with its counts.
fn facts(out: &mut String, report: &LanguageReport) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<26}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "field", "F1", "precis.", "recall", "value", "invented", "found", "wrong", "missed"
    )?;
    for figures in report.facts.iter().chain([&report.fields]) {
        write!(out, "  {:<24}", figures.f1.id)?;
        for share in [figures.f1.f1, figures.precision, figures.recall, figures.value_exact] {
            match share {
                Some(share) => write!(out, "{share:>9.3}")?,
                None => write!(out, "{:>9}", "–")?,
            }
        }
        let counts = figures.f1.counts;
        writeln!(
            out,
            "{:>9}{:>9}{:>9}{:>9}",
            figures.invented, counts.hit, counts.wrong, counts.missed
        )?;
    }
    Ok(())
}

/// Confidence (across) against the share that is right (up); the size of a dot is the number of decisions in its bin.
fn plot(report: &LanguageReport) -> Result<String, std::fmt::Error> {
    const SIDE: f64 = 320.0;
    const EDGE: f64 = 40.0;
    let mut out = String::new();
    let whole = SIDE + 2.0 * EDGE;
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{whole}" font-family="sans-serif" font-size="12">
<rect x="{EDGE}" y="{EDGE}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999"/>
<line x1="{EDGE}" y1="{}" x2="{}" y2="{EDGE}" stroke="#bbb" stroke-dasharray="4"/>
<text x="{}" y="{}" text-anchor="middle">confidence</text>
<text x="14" y="{}" text-anchor="middle" transform="rotate(-90 14 {})">share that is right</text>"##,
        SIDE + EDGE,
        SIDE + EDGE,
        whole / 2.0,
        whole - 10.0,
        whole / 2.0,
        whole / 2.0
    )?;
    let curves: [(&str, &str, &[Bin]); 2] = [
        ("stages", "#1f6feb", &report.stage_reliability),
        ("signals", "#d1662a", &report.signal_reliability),
    ];
    for (at, (name, colour, bins)) in curves.into_iter().enumerate() {
        writeln!(
            out,
            r#"<text x="{}" y="{}" fill="{colour}">{name}</text>"#,
            EDGE + 8.0,
            EDGE + 18.0 + 16.0 * at as f64
        )?;
        for bin in bins.iter().filter(|bin| bin.count > 0) {
            writeln!(
                out,
                r#"<circle cx="{:.1}" cy="{:.1}" r="{:.1}" fill="{colour}" fill-opacity="0.6"><title>{} decisions</title></circle>"#,
                EDGE + SIDE * bin.confidence,
                EDGE + SIDE * (1.0 - bin.right),
                2.0 + f64::from(bin.count).ln(),
                bin.count
            )?;
        }
    }
    writeln!(out, "</svg>")?;
    Ok(out)
}

fn row(out: &mut String, name: &str, values: impl Iterator<Item = Option<f64>>) -> std::fmt::Result {
    write!(out, "{name:<26}")?;
    for value in values {
        match value {
            Some(value) if value.fract() == 0.0 && value > 1.0 => write!(out, "{value:>9}")?,
            Some(value) => write!(out, "{value:>9.3}")?,
            None => write!(out, "{:>9}", "–")?,
        }
    }
    writeln!(out)
}
