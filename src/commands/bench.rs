//! `dealstage bench`: what this machine needs for a recording, measured on the whole job.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;
use clap::Parser;
use dealstage::domain::{SAMPLE_RATE, Sound, Turn};
use dealstage::ingest::{self, Input};
use dealstage::pipeline::{self, Recogniser};
use dealstage::process::Process;
use dealstage::understand::turn_model::Running;

use super::Usage;

#[derive(Debug, Parser)]
pub struct Args {
    /// Recording to measure with
    #[arg(default_value = "fixtures/audio/discovery-en.opus")]
    recording: PathBuf,
    /// Repeat the recording until it lasts this many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0)]
    minutes: f64,
    /// Recogniser: `base`, `small`, `large-v3-turbo` or another of `dealstage models list`, or a ggml file
    #[arg(long, value_name = "NAME|PATH", default_value = pipeline::DEFAULT_RECOGNISER)]
    asr_model: String,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let Input::Recording(mut recording) = ingest::read(&args.recording, &ingest::Options::default())? else {
        let message = format!(
            "{}: a transcript has no speed of listening; give a recording",
            args.recording.display()
        );
        return Err(Usage(message).into());
    };
    let decoded_in = started.elapsed();
    let wanted = (args.minutes * 60.0 * f64::from(SAMPLE_RATE)) as usize;
    let sound = Repeated {
        times: wanted.div_ceil(recording.sound.samples()).max(1),
        once: Arc::clone(&recording.sound),
    };
    recording.duration_s = sound.samples() as f64 / f64::from(SAMPLE_RATE);
    recording.sound = Arc::new(sound);
    let seconds = recording.duration_s;
    let channels = recording.sound.channels();
    let threads = args.threads.map_or_else(super::default_threads, usize::from);
    let options = pipeline::Options {
        call_date: NaiveDate::default(),
        call_date_is_said: false,
        language: None,
        rep: None,
        threads,
        recogniser: Recogniser::from(args.asr_model.as_str()),
        heads: None,
        prompts: super::prompts_folder(),
        llm: None,
        history: None,
        corrected: Vec::new(),
    };
    let bar = super::bar(args.quiet);
    bar.set_message("measuring");
    let process = Process::ppvvc()?;
    let mut models = pipeline::Models::new(&options)?;
    let input = Input::Recording(recording);
    let started = Instant::now();
    let analysis = pipeline::analyse(input, decoded_in, &process, &options, &mut models, &mut |_, done| {
        bar.set_position((1000.0 * done) as u64);
        Ok(())
    })?;
    let whole = started.elapsed() + decoded_in;
    bar.finish_and_clear();
    let peak_memory_mib = peak_memory_mib();
    let turns = analysis.understanding.call.turns.len();
    let turn_model = turn_model_speed(&analysis.understanding.call.turns, threads)?;
    let figures = Figures {
        recording_s: seconds,
        channels,
        threads,
        real_time_factor: whole.as_secs_f64() / seconds,
        transcribe_real_time_factor: analysis.timings.transcribe.as_secs_f64() / seconds,
        turns,
        understand_ms_per_turn: analysis.timings.understand.as_secs_f64() * 1000.0 / turns.max(1) as f64,
        turn_model,
        peak_memory_mib,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!(
            "recording                    {:.1} s, {channels} channel(s), {threads} thread(s)",
            seconds
        );
        println!(
            "real-time factor             {:.3} (whole job, loading of models included)",
            figures.real_time_factor
        );
        println!(
            "real-time factor, listening  {:.3}",
            figures.transcribe_real_time_factor
        );
        println!(
            "understanding                {:.1} ms a turn ({turns} turns)",
            figures.understand_ms_per_turn
        );
        if let Some(speed) = &figures.turn_model {
            println!(
                "{CALL_TURNS} turns at once             {:.0} ms (model loaded)",
                speed.call_ms
            );
            println!(
                "one live turn                {:.1} ms, 95 % under {:.1} ms",
                speed.live_p50_ms, speed.live_p95_ms
            );
        }
        match figures.peak_memory_mib {
            Some(peak) => println!("peak memory                  {peak:.0} MiB"),
            None => println!("peak memory                  not known on this system"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The same sound over and over.
#[derive(Debug)]
struct Repeated {
    once: Arc<dyn Sound>,
    times: usize,
}

impl Sound for Repeated {
    fn channels(&self) -> usize {
        self.once.channels()
    }

    fn samples(&self) -> usize {
        self.once.samples() * self.times
    }

    fn read(&self, channel: usize, range: Range<usize>) -> io::Result<Vec<f32>> {
        let mut at = range.start;
        let end = range.end.min(self.samples());
        let mut all = Vec::new();
        while at < end {
            let from = at % self.once.samples();
            let piece = self.once.read(channel, from..from.saturating_add(end - at))?;
            at += piece.len();
            all.extend(piece);
        }
        Ok(all)
    }
}

#[derive(serde::Serialize)]
struct Figures {
    recording_s: f64,
    channels: usize,
    threads: usize,
    real_time_factor: f64,
    transcribe_real_time_factor: f64,
    turns: usize,
    understand_ms_per_turn: f64,
    /// null where the recording has no turns.
    turn_model: Option<TurnModelSpeed>,
    peak_memory_mib: Option<f64>,
}

/// The turn model alone, loaded before.
#[derive(serde::Serialize)]
struct TurnModelSpeed {
    /// Stage and signals of a call of [`CALL_TURNS`] turns.
    call_ms: f64,
    /// From the last word of a turn to its labels, while the call grows to as many turns.
    live_p50_ms: f64,
    live_p95_ms: f64,
}

const CALL_TURNS: usize = 60;
/// The middle one of so many measurements counts.
const REPEATS: usize = 5;

/// The turns of the recording, over and over.
fn turn_model_speed(turns: &[Turn], threads: usize) -> anyhow::Result<Option<TurnModelSpeed>> {
    if turns.is_empty() {
        return Ok(None);
    }
    let call: Vec<Turn> = turns.iter().cycle().take(CALL_TURNS).cloned().collect();
    let model = pipeline::load_turn_model(None)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| {
        let mut whole = Vec::new();
        let mut live = Vec::new();
        for _ in 0..REPEATS {
            let started = Instant::now();
            model.label(&model.vectors(&call)?, &call)?;
            whole.push(started.elapsed().as_secs_f64() * 1000.0);
            let mut running = Running::new(&model);
            for turn in &call {
                let started = Instant::now();
                running.push(turn.clone())?;
                live.push(started.elapsed().as_secs_f64() * 1000.0);
            }
        }
        let at = |times: &mut Vec<f64>, share: f64| {
            times.sort_by(f64::total_cmp);
            times[(share * (times.len() - 1) as f64).round() as usize]
        };
        Ok(Some(TurnModelSpeed {
            call_ms: at(&mut whole, 0.5),
            live_p50_ms: at(&mut live, 0.5),
            live_p95_ms: at(&mut live, 0.95),
        }))
    })
}

/// Highest resident memory of this process so far, as Linux tells it.
fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
