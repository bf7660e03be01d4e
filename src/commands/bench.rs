//! `dealstage bench`: what this machine needs for a recording, measured on the whole job, or for the turns of a transcript.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use clap::Parser;
use dealstage::domain::{Recording, SAMPLE_RATE, Sound, Turn};
use dealstage::ingest::{self, Input};
use dealstage::pipeline::{self, Recogniser};
use dealstage::process::Process;
use dealstage::understand::turn_model::{Read, Running, TurnModel, Vector};

use super::Usage;

#[derive(Debug, Parser)]
pub struct Args {
    /// Recording to measure with; with a transcript, the turn model alone is measured
    #[arg(value_name = "RECORDING", default_value = "fixtures/audio/discovery-en.opus")]
    input: PathBuf,
    /// Repeat the recording until it lasts this many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 5.0)]
    minutes: f64,
    /// Recogniser: `base`, `small`, `large-v3-turbo` or another of `dealstage models list`, or a ggml file
    #[arg(long, value_name = "NAME|PATH", default_value = pipeline::DEFAULT_RECOGNISER)]
    asr_model: String,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write what the encoder makes of the transcript's turns: little-endian f32, turn by turn
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// No progress on standard error
    #[arg(long)]
    quiet: bool,
}

impl Args {
    fn threads(&self) -> usize {
        self.threads.map_or_else(super::default_threads, usize::from)
    }
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    match ingest::read(&args.input, &ingest::Options::default())? {
        Input::Recording(recording) => measure_recording(&args, recording, started.elapsed()),
        Input::Transcript(call) => measure_transcript(&args, &call.turns),
    }
}

fn measure_recording(args: &Args, mut recording: Recording, decoded_in: Duration) -> anyhow::Result<ExitCode> {
    if args.vectors.is_some() {
        return Err(Usage("--vectors: only of a transcript, whose turns are known".to_owned()).into());
    }
    let wanted = (args.minutes * 60.0 * f64::from(SAMPLE_RATE)) as usize;
    let sound = Repeated {
        times: wanted.div_ceil(recording.sound.samples()).max(1),
        once: Arc::clone(&recording.sound),
    };
    recording.duration_s = sound.samples() as f64 / f64::from(SAMPLE_RATE);
    recording.sound = Arc::new(sound);
    let seconds = recording.duration_s;
    let channels = recording.sound.channels();
    let threads = args.threads();
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
    // The turns of the recording, over and over.
    let call: Vec<Turn> = analysis
        .understanding
        .call
        .turns
        .iter()
        .cycle()
        .take(CALL_TURNS)
        .cloned()
        .collect();
    let turn_model = match call.is_empty() {
        true => None,
        false => Some(turn_model_speed(&pipeline::load_turn_model(None)?, &call, threads)?),
    };
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
            speed.print();
        }
        print_peak_memory(figures.peak_memory_mib);
    }
    Ok(ExitCode::SUCCESS)
}

fn measure_transcript(args: &Args, call: &[Turn]) -> anyhow::Result<ExitCode> {
    let threads = args.threads();
    let model = pipeline::load_turn_model(None)?;
    if let Some(path) = &args.vectors {
        let vectors = model.vectors(call)?;
        let numbers = vectors.iter().flat_map(Vector::numbers);
        let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
        std::fs::write(path, bytes).map_err(|error| Usage(format!("--vectors {}: {error}", path.display())))?;
    }
    let figures = TranscriptFigures {
        threads,
        turn_model: turn_model_speed(&model, call, threads)?,
        peak_memory_mib: peak_memory_mib(),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    } else {
        println!("transcript                   {} turns, {threads} thread(s)", call.len());
        figures.turn_model.print();
        print_peak_memory(figures.peak_memory_mib);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_peak_memory(mib: Option<f64>) {
    match mib {
        Some(peak) => println!("peak memory                  {peak:.0} MiB"),
        None => println!("peak memory                  not known on this system"),
    }
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

#[derive(serde::Serialize)]
struct TranscriptFigures {
    threads: usize,
    turn_model: TurnModelSpeed,
    peak_memory_mib: Option<f64>,
}

/// The turn model alone, loaded before.
#[derive(serde::Serialize)]
struct TurnModelSpeed {
    turns: usize,
    /// Stage and signals of the whole call, and the part of it that is the encoder's.
    call_ms: f64,
    encode_call_ms: f64,
    /// From the last word of a turn to its labels, while the call grows to as many turns, and the encoder's part.
    live_p50_ms: f64,
    live_p95_ms: f64,
    encode_live_p50_ms: f64,
    encode_live_p95_ms: f64,
}

impl TurnModelSpeed {
    fn print(&self) {
        println!(
            "{:<28} {:.0} ms (model loaded), the encoder {:.0} ms of it",
            format!("{} turns at once", self.turns),
            self.call_ms,
            self.encode_call_ms
        );
        println!(
            "one live turn                {:.1} ms, 95 % under {:.1} ms; the encoder {:.1} ms, 95 % under {:.1} ms",
            self.live_p50_ms, self.live_p95_ms, self.encode_live_p50_ms, self.encode_live_p95_ms
        );
    }
}

/// Turns that a recording is repeated to.
const CALL_TURNS: usize = 60;
/// The middle one of so many measurements counts.
const REPEATS: usize = 5;

fn turn_model_speed(model: &TurnModel, call: &[Turn], threads: usize) -> anyhow::Result<TurnModelSpeed> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| {
        let (mut whole, mut encode_whole) = (Vec::new(), Vec::new());
        let (mut live, mut encode_live) = (Vec::new(), Vec::new());
        let ms = |started: Instant| started.elapsed().as_secs_f64() * 1000.0;
        for _ in 0..REPEATS {
            let started = Instant::now();
            let vectors = model.vectors(call)?;
            encode_whole.push(ms(started));
            model.label(&mut Read::default(), &vectors, call);
            whole.push(ms(started));
            let mut running = Running::new(model);
            for turn in call {
                let started = Instant::now();
                model.encode(&[&turn.text])?;
                encode_live.push(ms(started));
                let started = Instant::now();
                running.push(turn.clone())?;
                live.push(ms(started));
            }
        }
        let at = |times: &mut Vec<f64>, share: f64| {
            times.sort_by(f64::total_cmp);
            times[(share * (times.len() - 1) as f64).round() as usize]
        };
        Ok(TurnModelSpeed {
            turns: call.len(),
            call_ms: at(&mut whole, 0.5),
            encode_call_ms: at(&mut encode_whole, 0.5),
            live_p50_ms: at(&mut live, 0.5),
            live_p95_ms: at(&mut live, 0.95),
            encode_live_p50_ms: at(&mut encode_live, 0.5),
            encode_live_p95_ms: at(&mut encode_live, 0.95),
        })
    })
}

/// Highest resident memory of this process so far, as Linux tells it.
fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
