//! Speakers on one channel: told apart by their voices, and no more sure than that.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use dealstage::ingest::{self, Input};
use dealstage::transcribe::{Segmentation, VoiceEncoder};
use dealstage::weights;
use serde_json::Value;

use crate::support::{Scratch, dealstage, dealstage_with, fixture, stderr};

fn analyze(args: &[&str]) -> Value {
    let output = dealstage(&[&["analyze", "--json", "--quiet"], args].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("the document is JSON")
}

/// The channels of a recording, the right one so much earlier that both speak at once wherever they would answer each other sooner.
fn channels(name: &str, earlier_s: usize) -> Vec<[f32; 2]> {
    let input = ingest::read(&fixture("audio").join(name), &ingest::Options::default()).expect("read");
    let Input::Recording(recording) = input else {
        panic!("{name} is no recording");
    };
    let channel = |at, from| {
        recording
            .sound
            .read(at, from..recording.sound.samples())
            .expect("samples")
    };
    let right = channel(1, earlier_s * 16_000);
    channel(0, 0)
        .into_iter()
        .zip(right)
        .map(|(left, right)| [left, right])
        .collect()
}

fn write<const CHANNELS: usize>(path: &Path, sound: impl Iterator<Item = [f32; CHANNELS]>) -> String {
    let format = hound::WavSpec {
        channels: CHANNELS as u16,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, format).expect("created");
    for sample in sound.flatten() {
        let sample = (sample * 32_767.0).clamp(-32_768.0, 32_767.0) as i16;
        file.write_sample(sample).expect("written");
    }
    file.finalize().expect("finished");
    path.to_string_lossy().into_owned()
}

/// Both channels of a recording on one.
fn mixed(name: &str, scratch: &Scratch) -> String {
    let sound = channels(name, 0)
        .into_iter()
        .map(|[left, right]| [f32::midpoint(left, right)]);
    write(&scratch.path(&format!("{name}.wav")), sound)
}

fn turns(document: &Value) -> &[Value] {
    document["turns"].as_array().expect("turns")
}

fn time(turn: &Value) -> Range<f64> {
    turn["start_s"].as_f64().expect("a start")..turn["end_s"].as_f64().expect("an end")
}

/// The share of words whose speaker is on the same side as on two channels.
fn sides_right(mono: &Value, stereo: &Value) -> f64 {
    let (mut right, mut all) = (0, 0);
    for turn in turns(mono) {
        for word in turn["words"].as_array().expect("words") {
            let word = time(word);
            let shared = |other: &Value| word.end.min(time(other).end) - word.start.max(time(other).start);
            let said = turns(stereo).iter().max_by(|a, b| shared(a).total_cmp(&shared(b)));
            all += 1;
            right += usize::from(said.is_some_and(|said| said["role"] == turn["role"]));
        }
    }
    right as f64 / f64::from(all)
}

/// The recording on one channel, and its analysis.
fn speakers_of_one_channel(name: &str, scratch: &Scratch) -> (String, Value) {
    let recording = mixed(name, scratch);
    let mono = analyze(&[&recording, "--call-date", "2025-03-12"]);
    assert_eq!(mono["call"]["channels"], 1);
    let mut speakers: Vec<&str> = turns(&mono)
        .iter()
        .filter_map(|turn| turn["speaker"].as_str())
        .collect();
    assert_eq!(speakers[0], "S1");
    speakers.sort_unstable();
    speakers.dedup();
    assert_eq!(speakers, ["S1", "S2"]);
    for turn in turns(&mono) {
        let sure = turn["speaker_confidence"].as_f64().expect("how sure");
        assert!((0.0..1.0).contains(&sure), "{turn}");
        assert!(sure >= 0.8 || turn["role"] == "unknown", "{turn}");
        assert!(
            turn["role"] != "unknown" || turn["signals"] == Value::Array(Vec::new()),
            "{turn}"
        );
        // What rests on who spoke is no surer than that; both are rounded.
        let stage = turn["stage"]["confidence"].as_f64().expect("how sure");
        assert!(turn["role"] == "unknown" || stage <= sure + 0.01, "{turn}");
    }
    let stereo = analyze(&[
        &fixture("audio").join(name).to_string_lossy(),
        "--call-date",
        "2025-03-12",
    ]);
    assert!(
        turns(&stereo)
            .iter()
            .all(|turn| turn.get("speaker_confidence").is_none())
    );
    // Nobody talks into the other's words here.
    assert!(overlaps(&mono).len() < 100, "{:?}", overlaps(&mono));
    let right = sides_right(&mono, &stereo);
    assert!(right >= 0.95, "{right}");
    (recording, mono)
}

#[test]
fn an_english_call_on_one_channel() {
    let scratch = Scratch::new();
    let (recording, mono) = speakers_of_one_channel("discovery-en.opus", &scratch);
    let again = analyze(&[&recording, "--call-date", "2025-03-12", "--threads", "1"]);
    assert_eq!(again["provenance"]["result_hash"], mono["provenance"]["result_hash"]);
}

#[test]
fn a_russian_call_on_one_channel() {
    speakers_of_one_channel("discovery-ru.opus", &Scratch::new());
}

/// Hundredths of a second in which turns say that somebody else speaks.
fn overlaps(document: &Value) -> BTreeSet<u32> {
    let all = turns(document).iter().flat_map(|turn| {
        let own = turn["overlaps"].as_array().map(Vec::as_slice).unwrap_or_default();
        own.iter().map(move |overlap| {
            let (turn, overlap) = (time(turn), time(overlap));
            assert!(turn.start <= overlap.start && overlap.start < overlap.end && overlap.end <= turn.end);
            overlap
        })
    });
    all.flat_map(|overlap| (overlap.start * 100.0) as u32..(overlap.end * 100.0) as u32)
        .collect()
}

#[test]
fn talk_at_once_is_marked() {
    let scratch = Scratch::new();
    // A minute in which one answers four seconds too early.
    let sound = || channels("discovery-en.opus", 4).into_iter().take(60 * 16_000);
    let stereo = analyze(&[&write(&scratch.path("stereo.wav"), sound())]);
    let one = sound().map(|[left, right]| [f32::midpoint(left, right)]);
    let mono = analyze(&[&write(&scratch.path("mono.wav"), one)]);
    let (known, told) = (overlaps(&stereo), overlaps(&mono));
    assert!(known.len() > 500, "{}", known.len());
    let right = known.intersection(&told).count();
    assert!(
        right * 2 > known.len() && right * 4 > told.len() * 3,
        "{right} of {}, told {}",
        known.len(),
        told.len()
    );
    // Whose words are said at once is not known well.
    let unsure = |turn: &&Value| turn["speaker_confidence"].as_f64().is_some_and(|sure| sure < 0.8);
    let of_unsure = turns(&mono)
        .iter()
        .filter(unsure)
        .filter(|turn| turn.get("overlaps").is_some())
        .count();
    assert!(of_unsure > 0, "{mono}");
}

#[test]
fn missing_weights_are_said_before_anything_is_heard() {
    let scratch = Scratch::new();
    let recording = mixed("discovery-en.opus", &scratch);
    let models = weights::folder().expect("a folder");
    let without = scratch.path("models");
    for name in ["whisper-base", "silero-vad", "multilingual-e5-small"] {
        std::fs::create_dir_all(without.join(name)).expect("made");
        for file in std::fs::read_dir(models.join(name)).expect("fetched") {
            let file = file.expect("an entry").path();
            std::fs::hard_link(&file, without.join(name).join(file.file_name().expect("a name")))
                .or_else(|_| std::fs::copy(&file, without.join(name).join(file.file_name().expect("a name"))).map(drop))
                .expect("at hand");
        }
    }
    let without = without.to_string_lossy().into_owned();
    let output = dealstage_with(
        &["analyze", "--json", "--quiet", &recording],
        &[("DEALSTAGE_MODELS", &without)],
    );
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("`ge2e`") && stderr(&output).contains("dealstage models pull"),
        "{}",
        stderr(&output)
    );
    // Two channels want no voices.
    let stereo = fixture("audio")
        .join("formats/ulaw-8k-stereo.wav")
        .to_string_lossy()
        .into_owned();
    let output = dealstage_with(
        &["analyze", "--json", "--quiet", &stereo],
        &[("DEALSTAGE_MODELS", &without)],
    );
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Three seconds of a hum with formants.
fn hum(pitch: f64, formants: [f64; 3]) -> Vec<f32> {
    let turn = |hertz: f64, at: f64| (std::f64::consts::TAU * hertz * at).sin();
    let loudness = |hertz: f64| -> f64 {
        let near = |formant: f64| (-((hertz - formant) / 150.0).powi(2)).exp();
        formants.into_iter().map(near).sum::<f64>() + 0.02
    };
    let mut phase = 0.0;
    let sample = |at: i32| {
        let at = f64::from(at) / 16_000.0;
        phase += std::f64::consts::TAU * pitch * (1.0 + 0.03 * turn(3.0, at)) / 16_000.0;
        let tones = (1..=30)
            .map(f64::from)
            .map(|tone| loudness(pitch * tone) * (tone * phase).sin());
        (0.02 * (0.5 + 0.5 * turn(4.0, at)) * tones.sum::<f64>()) as f32
    };
    (0..48_000).map(sample).collect()
}

/// In thousandths, as Resemblyzer 0.1.4 gives them for the hums below.
const VECTORS: [[u16; 256]; 2] = [
    [
        0, 0, 180, 0, 0, 0, 121, 0, 25, 0, 88, 118, 0, 50, 0, 0, 71, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 56, 0, 0, 12, 0, 0,
        0, 159, 0, 95, 0, 191, 32, 0, 0, 0, 0, 124, 0, 24, 28, 70, 0, 0, 77, 0, 0, 0, 0, 36, 0, 0, 42, 0, 98, 111, 71,
        0, 0, 35, 207, 0, 0, 0, 0, 0, 0, 65, 0, 0, 2, 19, 171, 0, 0, 0, 0, 0, 0, 0, 64, 0, 174, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 1, 3, 0, 25, 58, 0, 80, 0, 37, 0, 111, 113, 0, 18, 16, 123, 0, 37, 5, 55, 0, 86, 100, 98, 162,
        40, 0, 0, 0, 9, 151, 116, 85, 0, 0, 170, 0, 0, 0, 111, 60, 0, 0, 86, 0, 81, 107, 117, 146, 0, 0, 20, 140, 0, 0,
        194, 59, 83, 0, 75, 263, 61, 157, 88, 0, 65, 0, 0, 0, 0, 0, 0, 47, 5, 222, 0, 89, 94, 42, 73, 2, 0, 0, 0, 83,
        0, 0, 25, 114, 0, 86, 0, 0, 0, 0, 0, 85, 0, 0, 0, 74, 0, 0, 0, 33, 0, 0, 0, 65, 0, 88, 0, 0, 0, 0, 178, 0, 0,
        0, 0, 0, 0, 0, 30, 0, 0, 0, 0, 0, 33, 0, 0, 0, 34, 142, 0, 86, 13, 59, 0, 76, 0, 0, 0, 0, 161, 0, 17, 8, 22, 0,
        79, 0,
    ],
    [
        0, 0, 0, 0, 0, 0, 73, 0, 41, 152, 89, 134, 0, 0, 0, 39, 68, 0, 0, 0, 0, 0, 0, 0, 0, 21, 0, 10, 0, 0, 63, 0, 10,
        0, 57, 67, 153, 0, 0, 0, 0, 0, 0, 0, 134, 0, 179, 0, 37, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 195, 35, 41,
        0, 70, 187, 0, 0, 0, 0, 0, 75, 78, 0, 0, 0, 0, 63, 0, 0, 0, 0, 0, 0, 0, 50, 0, 175, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 39, 28, 94, 137, 0, 81, 0, 15, 0, 204, 0, 0, 79, 0, 0, 0, 43, 0, 0, 0, 0, 61, 116, 91, 0, 0, 0,
        0, 69, 0, 22, 24, 0, 88, 0, 118, 0, 0, 0, 263, 0, 0, 117, 0, 105, 210, 83, 0, 0, 9, 0, 8, 0, 93, 152, 27, 0, 0,
        0, 0, 82, 86, 31, 0, 0, 0, 0, 36, 0, 19, 0, 15, 0, 85, 0, 160, 0, 0, 0, 68, 114, 0, 0, 68, 0, 0, 189, 33, 0,
        52, 0, 144, 98, 118, 0, 261, 0, 15, 54, 19, 0, 0, 52, 79, 206, 0, 0, 0, 57, 75, 0, 0, 0, 65, 130, 0, 74, 93, 0,
        0, 0, 0, 0, 59, 0, 0, 0, 0, 0, 0, 0, 85, 93, 132, 0, 0, 0, 0, 0, 106, 0, 8, 0, 0, 162, 0, 0, 76, 0, 0, 0, 0,
    ],
];

#[test]
fn voices_are_heard_as_the_encoder_was_trained() {
    let path = weights::locate("ge2e", "model.safetensors").expect("fetched");
    let encoder = VoiceEncoder::load(&path, 1).expect("read");
    let hums = [
        (hum(110.0, [600.0, 1200.0, 2500.0]), 0),
        (hum(210.0, [450.0, 1900.0, 2800.0]), 80),
    ];
    for ((sound, from), expected) in hums.into_iter().zip(VECTORS) {
        let read = |range: Range<usize>| Ok(sound[range.start..range.end.min(sound.len())].to_vec());
        let mut bands = encoder.mel.frames(read, from..from + 160).expect("bands");
        let energy = sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32;
        bands.iter_mut().for_each(|band| *band *= 1e-3 / energy);
        let heard = encoder.vectors(&[bands], 80).expect("a vector");
        let dot: f32 = heard[0]
            .whole
            .iter()
            .zip(expected)
            .map(|(ours, theirs)| ours * f32::from(theirs))
            .sum();
        let length = expected
            .iter()
            .map(|theirs| f32::from(*theirs).powi(2))
            .sum::<f32>()
            .sqrt();
        assert!(dot / length > 0.9995, "{}", dot / length);
    }
}

/// How likely it is that two speak, in thousandths, at every tenth place of ten seconds: as onnxruntime 1.32.0 gives it for the same model.
const CHANCES: [u16; 59] = [
    4, 1, 0, 0, 0, 2, 4, 22, 162, 950, 979, 960, 974, 975, 943, 916, 971, 973, 972, 901, 932, 991, 989, 982, 795, 347,
    130, 63, 39, 14, 7, 6, 6, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 7, 5, 6, 7, 5, 3, 3, 5,
];

#[test]
fn talk_at_once_is_found_as_the_model_was_trained() {
    let path = weights::locate("pyannote-segmentation", "model.safetensors").expect("fetched");
    let sound: Vec<f32> = channels("discovery-en.opus", 4)[20 * 16_000..30 * 16_000]
        .iter()
        .map(|[left, right]| f32::midpoint(*left, *right))
        .collect();
    let silence = vec![0.0; sound.len()];
    let hear = |threads, windows: Vec<Vec<f32>>| Segmentation::load(&path, threads).expect("read").chances(windows);
    let heard = hear(2, vec![silence.clone(), sound.clone(), silence]);
    // Neither the windows beside it nor threads change a bit.
    assert_eq!(heard[1..2], hear(1, vec![sound]));
    let every_tenth: Vec<f32> = heard[1].iter().step_by(10).copied().collect();
    assert_eq!(every_tenth.len(), CHANCES.len());
    for (ours, theirs) in every_tenth.iter().zip(CHANCES) {
        assert!((ours - f32::from(theirs) / 1000.0).abs() < 0.002, "{every_tenth:?}");
    }
    assert!(heard[0].iter().all(|chance| *chance < 0.5), "{:?}", heard[0]);
}
