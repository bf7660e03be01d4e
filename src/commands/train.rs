//! `dealstage train`: fits the turn model to labelled calls: its heads, or the encoder's last layers too.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use dealstage::understand::turn_model;
use dealstage::{learn, pipeline};

use super::Usage;

#[derive(Debug, Parser)]
pub struct Args {
    /// Folder of call files with `gold` labels and a `split` (train, dev, test)
    #[arg(default_value = "fixtures/calls")]
    folder: PathBuf,
    /// Folder to write heads.safetensors and heads.json to (and encoder.safetensors, with --layers)
    #[arg(long, value_name = "FOLDER", default_value = "models/turn")]
    out: PathBuf,
    /// Start of the random numbers: the same seed and calls give the same heads
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Networks to average
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=20))]
    members: u16,
    /// Fit the last layers of the encoder too, so many of them: better, and hours instead of a minute
    #[arg(long, value_name = "LAYERS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=12))]
    layers: u16,
    /// Passes over the training calls for the layers
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

/// The best layers while the rest is still being tried; gone when all is done.
const BEST_SO_FAR: &str = "encoder.partial";

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let calls = learn::read(&args.folder)?;
    let bar = super::bar(args.quiet);
    bar.set_message("training");
    let mut encoder = pipeline::load_encoder()?;
    let mut tuned = None;
    let (tuned_layers, tuned_sha256) = if args.layers > 0 {
        let tune = learn::TuneOptions {
            seed: args.seed,
            layers: usize::from(args.layers),
            epochs: args.epochs,
            trained_on: args.folder.display().to_string(),
        };
        // Hours of work must survive a stop.
        std::fs::create_dir_all(&args.out).map_err(|error| Usage(format!("--out {}: {error}", args.out.display())))?;
        let mut save = |layers: &[turn_model::Layer]| {
            let saved = learn::layers_file(layers).map(|file| std::fs::write(args.out.join(BEST_SO_FAR), file));
            tracing::debug!(?saved, "best layers so far");
        };
        let mut progress = |done| bar.set_position((900.0 * done) as u64);
        let layers = learn::tune(&encoder, &calls, &tune, &mut progress, &mut save)?;
        let file = learn::layers_file(&layers)?;
        let named = (layers.len(), turn_model::sha256(&file));
        encoder.replace_top(layers);
        tuned = Some(file);
        named
    } else {
        turn_model::with_own_layers(&mut encoder)?
    };
    let options = learn::Options {
        seed: args.seed,
        members: usize::from(args.members),
        encoder_sha256: pipeline::encoder_sha256()?,
        tuned_layers,
        tuned_sha256,
        trained_on: args.folder.display().to_string(),
        ..learn::Options::default()
    };
    let before = if args.layers > 0 { 900.0 } else { 0.0 };
    let fitted = learn::fit(&encoder, &calls, &options, &mut |done| {
        bar.set_position((before + (1000.0 - before) * f64::from(done)) as u64)
    })?;
    bar.finish_and_clear();
    let mut files = vec![
        (turn_model::HEADS_FILE, learn::heads_file(&fitted.heads)?),
        (
            turn_model::SETTINGS_FILE,
            (serde_json::to_string_pretty(&fitted.heads.settings)? + "\n").into_bytes(),
        ),
    ];
    files.extend(tuned.map(|file| (turn_model::LAYERS_FILE, file)));
    write(&args.out, &files)?;
    let _ = std::fs::remove_file(args.out.join(BEST_SO_FAR));
    println!(
        "{}: heads fitted on {} turns, chosen on {} turns; `dealstage eval {} --turn-model {}` measures them",
        args.out.display(),
        fitted.train_turns,
        fitted.dev_turns,
        args.folder.display(),
        args.out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// All files are whole before any takes its name.
fn write(folder: &Path, files: &[(&str, Vec<u8>)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Usage(format!("--out {}: {error}", folder.display())))?;
    let partial = |name: &str| folder.join(format!("{name}.partial"));
    for (name, bytes) in files {
        std::fs::write(partial(name), bytes).with_context(|| format!("{name} cannot be written"))?;
    }
    for (name, _) in files {
        std::fs::rename(partial(name), folder.join(name))?;
    }
    Ok(())
}
