//! `dealstage train`: fits the heads of the turn model to labelled calls.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use dealstage::{learn, pipeline};

use super::Usage;

#[derive(Debug, Parser)]
pub struct Args {
    /// Folder of call files with `gold` labels and a `split` (train, dev, test)
    #[arg(default_value = "fixtures/calls")]
    folder: PathBuf,
    /// Folder to write heads.safetensors and heads.json to
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

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let calls = learn::read(&args.folder)?;
    let bar = super::bar(args.quiet);
    bar.set_message("training");
    let options = learn::Options {
        seed: args.seed,
        members: usize::from(args.members),
        encoder_sha256: pipeline::encoder_sha256()?,
        trained_on: args.folder.display().to_string(),
        ..learn::Options::default()
    };
    let mut encoder = pipeline::load_encoder()?;
    if args.layers > 0 {
        let tune = learn::TuneOptions {
            seed: args.seed,
            layers: usize::from(args.layers),
            epochs: args.epochs,
        };
        let layers = learn::tune(&encoder, &calls, &tune, &mut |done| {
            bar.set_position((1000.0 * done) as u64)
        })?;
        encoder.replace_top(layers);
    }
    let fitted = learn::fit(&encoder, &calls, &options, &mut |done| {
        bar.set_position((1000.0 * done) as u64)
    })?;
    bar.finish_and_clear();
    write(&args.out, &fitted)?;
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

/// Both files are whole before either takes its name.
fn write(folder: &Path, fitted: &learn::Fitted) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Usage(format!("--out {}: {error}", folder.display())))?;
    let weights = folder.join("heads.safetensors");
    let settings = folder.join("heads.json");
    let partial = |path: &Path| path.with_extension("partial");
    let bytes = learn::to_safetensors(&fitted.heads)?;
    std::fs::write(partial(&weights), bytes).context("the heads cannot be written")?;
    let json = serde_json::to_string_pretty(&fitted.heads.settings)?;
    let settings_partial = folder.join("heads.json.partial");
    std::fs::write(&settings_partial, json + "\n").context("the settings cannot be written")?;
    std::fs::rename(partial(&weights), &weights)?;
    std::fs::rename(settings_partial, settings)?;
    Ok(())
}
