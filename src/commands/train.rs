//! `dealstage train`: fits the turn model to labelled calls: its heads, or layers of the encoder too.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use dealstage::understand::turn_model::encoder::{self, LAYERS};
use dealstage::understand::turn_model::{self, Encoder};
use dealstage::{learn, pipeline};

use super::Usage;

#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  dealstage train my-calls --out my-model                adapt the heads to your own calls
  dealstage analyze call.wav --turn-model my-model       use what was fitted
  dealstage eval my-calls --turn-model my-model          measure it

A training that is stopped goes on where it was when the same command is given again.")]
pub struct Args {
    /// Folder of call files with `gold` labels and a `split` (train, dev, test)
    #[arg(default_value = "fixtures/calls")]
    folder: PathBuf,
    /// Folder to write heads.safetensors and heads.json to (and encoder.safetensors, with --layers)
    #[arg(long, value_name = "FOLDER", default_value = "turn-model")]
    out: PathBuf,
    /// Start of the random numbers: the same seed and calls give the same model
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the model to go on from [default: the one that comes with the program]
    #[arg(long, value_name = "FOLDER", conflicts_with = "fresh")]
    from: Option<PathBuf>,
    /// Begin with random heads and the encoder as it comes, instead of going on from a model
    #[arg(long)]
    fresh: bool,
    /// Fit the last layers of the encoder too, so many of them: better, and hours instead of minutes
    #[arg(long, value_name = "LAYERS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=12))]
    layers: u16,
    /// Passes over the training calls
    #[arg(long, default_value_t = 7)]
    epochs: usize,
    /// Write the model even if the present one does better on the dev calls
    #[arg(long)]
    force: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

/// An unfinished training, in the folder that it is for; gone when all is done.
const UNFINISHED: &str = "training.unfinished";

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let calls = learn::read(&args.folder)?;
    let bar = super::bar(args.quiet);
    bar.set_message("training");
    let (model, tokenizer) = pipeline::encoder_files()?;
    let layers = usize::from(args.layers);
    let encoder_sha256 = pipeline::encoder_sha256()?;
    let start = if args.fresh {
        None
    } else {
        let stored = turn_model::Stored::read(args.from.as_deref())?;
        if stored.heads.settings.encoder_sha256 != encoder_sha256 {
            return Err(pipeline::Error::OtherEncoder.into());
        }
        Some(stored)
    };
    if start.is_none() && args.epochs == 0 {
        return Err(Usage("--fresh --epochs 0: random heads are no model; give it some passes".to_owned()).into());
    }
    let (start, tuned, name) = match start {
        Some(stored) => (Some(stored.heads), stored.layers, stored.name),
        None => (None, Vec::new(), String::new()),
    };
    let tuned_sha256 = start.as_ref().map(|heads| heads.settings.tuned_sha256.clone());
    let encoder = Encoder::load(&model, &tokenizer, tuned.clone())?;
    // All above the first that is not the encoder's own are stored together.
    let tuned_layers = tuned.len().max(layers);
    let mut top = encoder::read_layers(&model, LAYERS - tuned_layers..LAYERS - tuned.len())?;
    top.extend(tuned);
    let (below, fitting) = top.split_at(tuned_layers - layers);
    std::fs::create_dir_all(&args.out).map_err(|error| Usage(format!("--out {}: {error}", args.out.display())))?;
    let options = learn::Options {
        seed: args.seed,
        epochs: args.epochs,
        encoder_sha256,
        tuned_layers,
        tuned_sha256: tuned_sha256.unwrap_or_default(),
        trained_on: args.folder.display().to_string(),
        start: name,
        unfinished: args.out.join(UNFINISHED),
    };
    let mut fitted = learn::fit(&encoder, fitting, &calls, start.as_ref(), &options, &mut |done| {
        bar.set_position((1000.0 * done) as u64)
    })?;
    bar.finish_and_clear();
    // Not a number is no better either.
    if let (Some(before), after) = fitted.dev_loss
        && (after >= before || after.is_nan())
        && !args.force
    {
        anyhow::bail!(
            "nothing written: on the dev calls of {} the present model does at least as well (loss {before:.3}, fitted \
             {after:.3}); more labelled calls help; the same command with --force writes it all the same",
            args.folder.display()
        );
    }
    let mut files = Vec::new();
    if layers > 0 || !turn_model::Stored::stands_on_own_layers(&fitted.heads.settings) {
        let file = learn::layers_file(&[below, &fitted.layers].concat())?;
        fitted.heads.settings.tuned_sha256 = turn_model::sha256(&file);
        files.push((turn_model::LAYERS_FILE, file));
    }
    files.push((turn_model::HEADS_FILE, learn::heads_file(&fitted.heads)?));
    let settings = serde_json::to_string_pretty(&fitted.heads.settings)? + "\n";
    files.push((turn_model::SETTINGS_FILE, settings.into_bytes()));
    write(&args.out, &files)?;
    let _ = std::fs::remove_file(&options.unfinished);
    println!(
        "{}: fitted on {} turns, chosen on {} turns; `dealstage eval {} --turn-model {}` measures it",
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
    let partial = |name: &str| folder.join(format!("{name}.partial"));
    for (name, bytes) in files {
        std::fs::write(partial(name), bytes).with_context(|| format!("{name} cannot be written"))?;
    }
    for (name, _) in files {
        std::fs::rename(partial(name), folder.join(name))?;
    }
    Ok(())
}
