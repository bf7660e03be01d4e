//! Bad input and missing parts: what, where, what to do; exit codes as in the contract.

use crate::support::{Scratch, analyze, dealstage, dealstage_with, fixture, stderr, stdout};

fn fails(args: &[&str], code: i32, says: &[&str]) {
    let output = dealstage(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    assert!(output.stdout.is_empty(), "{args:?} printed half a result");
    for part in says {
        assert!(message.contains(part), "{args:?}: {message:?} lacks {part:?}");
    }
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn unknown_and_damaged_files() {
    let scratch = Scratch::new();
    fails(&["analyze", "no-such-file.wav"], 2, &["no-such-file.wav"]);
    fails(
        &["analyze", &scratch.write("noise.bin", &[0, 159, 146, 150, 7, 7])],
        2,
        &["noise.bin"],
    );
    fails(&["analyze", &scratch.write("empty.wav", b"")], 2, &["empty.wav"]);
    fails(
        &["analyze", &scratch.write("words.wav", b"just some words")],
        2,
        &["words.wav: neither a recording nor a transcript"],
    );
    fails(
        &[
            "analyze",
            &scratch.write("half.json", br#"{"turns":[{"i":1,"text":"hel"#),
        ],
        2,
        &["half.json"],
    );
    let opus = std::fs::read(fixture("audio/discovery-en.opus")).expect("fixture");
    let mut damaged = opus.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 4000].fill(0x55);
    fails(
        &["analyze", &scratch.write("damaged.opus", &damaged)],
        2,
        &["damaged.opus"],
    );
}

#[test]
fn a_recogniser_that_is_not_there() {
    let recording = fixture("audio/formats/opus-16k-mono.opus");
    let recording = recording.to_string_lossy();
    for name in ["large", "ge2e"] {
        let says =
            format!("there is no recogniser called `{name}`: choose from `base`, `tiny.en`, `small`, `large-v3-turbo`");
        fails(&["analyze", &recording, "--asr-model", name], 2, &[&says]);
    }
    let missing = ["/no/such/model.bin: the weights cannot be read", "check the path"];
    fails(
        &["analyze", &recording, "--asr-model", "/no/such/model.bin"],
        3,
        &missing,
    );
}

#[test]
fn silence_is_no_call() {
    let scratch = Scratch::new();
    let path = scratch.path("quiet.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).expect("file");
    for at in 0..80_000_i32 {
        writer.write_sample((at * 7919 % 13 - 6) as i16).expect("sample");
    }
    writer.finalize().expect("file");
    fails(&["analyze", &path.to_string_lossy()], 2, &["quiet.wav", "no speech"]);
}

#[test]
fn flags() {
    let scratch = Scratch::new();
    let call = scratch.write(
        "call.txt",
        "Mark: Hello, how are you?\nDana: Fine, thank you.\n".as_bytes(),
    );
    fails(
        &["analyze", &call, "--quiet", "--rep", "Bob"],
        2,
        &["Bob", "Mark", "Dana"],
    );
    fails(&["analyze", &call, "--call-date", "tomorrow"], 2, &["--call-date"]);
    fails(&["analyze", &call, "--process", "nonesuch"], 2, &["nonesuch", "ppvvc"]);
    fails(
        &["analyze", &call, "--turn-model", "nonesuch"],
        2,
        &["nonesuch", "dealstage train"],
    );
    fails(&["analyze", &call, "--out", &call], 2, &["call.txt", "input"]);
    assert!(std::fs::read_to_string(&call).expect("still there").contains("Hello"));
    fails(&["analyze"], 2, &["INPUT", "--help"]);
    fails(&["analyse", &call], 2, &["analyze"]);
}

#[test]
fn a_missing_model_says_how_to_get_it() {
    let scratch = Scratch::new();
    let call = scratch.write(
        "call.txt",
        "Mark: Hello, how are you?\nDana: Fine, thank you.\n".as_bytes(),
    );
    let nothing = scratch.path("nothing").to_string_lossy().into_owned();
    let output = dealstage_with(&["analyze", &call, "--quiet"], &[("DEALSTAGE_MODELS", &nothing)]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("dealstage models pull"), "{}", stderr(&output));
}

#[test]
fn another_language_is_said() {
    let scratch = Scratch::new();
    let german = "Anna: Guten Tag, wir möchten gerne wissen, ob Sie unsere neue Software schon ausprobiert haben.\n\
                  Jens: Nein, noch nicht, aber wir können nächste Woche einen Termin vereinbaren, wenn es Ihnen passt.\n\
                  Anna: Der Preis liegt bei zweihundert Euro im Monat, vielen Dank für das freundliche Gespräch.\n";
    let call = scratch.write("call.txt", german.as_bytes());
    let document = analyze(&[&call]);
    assert_eq!(document["call"]["other_language"], "German");
    assert_eq!(document["call"]["not_sales"], false);
    assert!(document["deal"]["stage"].is_null() && document["deal"]["abstained"] == true);
    let fields = document["qualification"]["fields"].as_array().expect("fields");
    assert!(fields.len() >= 29 && fields.iter().all(|field| field["status"] == "not_stated"));
    assert!(document["follow_up"].is_null() && document["scorecard"].is_null());
    let output = dealstage(&["analyze", &call, "--call-date", "2025-03-12"]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("the talk seems to be in German"));
    assert!(stderr(&output).contains("--language en or ru overrides"));
}
