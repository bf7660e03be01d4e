//! `dealstage models`: what is said about the weights is true.

use dealstage::domain::{Language, Word};
use dealstage::ingest::{self, Input};
use dealstage::pipeline;
use dealstage::transcribe::whisper::{Weights, Whisper};
use dealstage::transcribe::{Piece, Transcriber};
use dealstage::understand::turn_model::unigram::Tokenizer;
use dealstage::weights;

use crate::support::{Scratch, dealstage, dealstage_with, fixture, stderr, stdout};

#[test]
fn the_fetched_weights_are_whole() {
    let output = dealstage(&["models", "verify"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let list = stdout(&dealstage(&["models", "list"]));
    for name in [
        "whisper-base",
        "multilingual-e5-small",
        "ge2e",
        "pyannote-segmentation",
        "MIT",
    ] {
        assert!(list.contains(name), "{name} is missing in:\n{list}");
    }
}

#[test]
fn missing_weights_are_said_to_be_missing() {
    let scratch = Scratch::new();
    let nothing = scratch.path("nothing").to_string_lossy().into_owned();
    let output = dealstage_with(&["models", "verify"], &[("DEALSTAGE_MODELS", &nothing)]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(
        said.contains("whisper-base") && said.contains("dealstage models pull"),
        "{said}"
    );
}

#[test]
fn words_are_cut_as_the_library_cuts_them() {
    let path = weights::locate("multilingual-e5-small", "tokenizer.json").expect("fetched");
    let theirs = tokenizers::Tokenizer::from_file(&path).expect("read");
    let ours = Tokenizer::from_file(&path).expect("read");
    let mut texts: Vec<String> = [
        "",
        " ",
        "  two  spaces\tand\na line ",
        "<s> literally </s> <mask>here<unk>",
        "ﬁve ½ ｆｕｌｌ a\u{301} №\u{200b}",
        "日本語と中文 עברית हिन्दी 🙂🙂\u{1f9ff}",
        "\u{e000}\u{e001}\u{10ffff} \u{0}\u{7}",
        "Донаудампфшиффартсгезельшафт",
    ]
    .map(str::to_owned)
    .to_vec();
    for file in std::fs::read_dir(fixture("calls")).expect("calls") {
        let path = file.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let call: serde_json::Value = serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON");
            let turns = call["turns"].as_array().expect("turns");
            texts.extend(
                turns
                    .iter()
                    .map(|turn| turn["text"].as_str().expect("a text").to_owned()),
            );
        }
    }
    assert!(texts.len() > 1000, "{}", texts.len());
    for text in &texts {
        let cut = |by: Result<tokenizers::Encoding, _>| by.expect("cut").get_ids().to_vec();
        let (ours, theirs) = (
            ours.encode_fast(text.as_str(), true),
            theirs.encode_fast(text.as_str(), true),
        );
        assert_eq!(cut(ours), cut(theirs), "{text:?}");
    }
    for id in [0, 3, 7, 100_000, 250_000, 250_001] {
        assert_eq!(ours.id_to_token(id), theirs.id_to_token(id));
    }
}

#[test]
fn the_vector_of_a_turn_depends_on_its_text_alone() {
    let model = pipeline::load_turn_model(None).expect("the turn model");
    let mut texts = vec![String::new(), "Да".to_owned(), "and so on, and so forth, ".repeat(40)];
    for call in ["en-b03", "ru-b03"] {
        let bytes = std::fs::read(fixture("calls").join(format!("{call}.json"))).expect("read");
        let call: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let turns = call["turns"].as_array().expect("turns").iter();
        texts.extend(turns.map(|turn| turn["text"].as_str().expect("a text").to_owned()));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let backwards: Vec<&str> = texts.iter().copied().rev().collect();
    let of_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| {
            let together = model.encode(&texts).expect("vectors");
            let mut turned = model.encode(&backwards).expect("vectors");
            turned.reverse();
            assert!(together == turned, "another order gives other vectors");
            for (text, vector) in texts.iter().zip(&together) {
                let alone = model.encode(&[text]).expect("a vector");
                assert!(alone[0] == *vector, "alone it has another vector: {text}");
            }
            together
        })
    };
    assert!(of_threads(1) == of_threads(2), "the number of threads changes vectors");
}

#[test]
fn the_words_of_a_piece_depend_on_its_sound_alone() {
    let input = ingest::read(&fixture("audio/discovery-ru.opus"), &ingest::Options::default()).expect("read");
    let Input::Recording(recording) = input else {
        panic!("it is a recording");
    };
    // Of unlike length, one of them all but silent.
    let samples: Vec<Vec<f32>> = [(0, 2..7), (1, 5..16), (0, 7..8), (0, 30..58)]
        .map(|(channel, seconds)| {
            let range = seconds.start * 16_000..seconds.end * 16_000;
            recording.sound.read(channel, range).expect("samples")
        })
        .to_vec();
    let names = ["ПланСервис".to_owned(), "Битрикс24".to_owned()];
    let weights = Weights::load(&weights::recogniser("whisper-base").expect("fetched"), 2).expect("loaded");
    let hear = |threads: usize| {
        let mut whisper = Whisper::new(&weights, threads).expect("a recogniser");
        let pieces: Vec<Piece<'_>> = (samples.iter())
            .map(|samples| Piece {
                samples,
                at_s: 0.0,
                names: &names,
            })
            .collect();
        let together = whisper.words(&pieces, Language::Ru).expect("words");
        for (piece, words) in pieces.iter().zip(&together) {
            let alone = whisper.words(&[*piece], Language::Ru).expect("words");
            assert_eq!(alone, std::slice::from_ref(words), "alone other words are heard");
        }
        assert_eq!(whisper.detect_language(&pieces[3]).expect("a language"), Language::Ru);
        together
    };
    let heard = hear(1);
    assert_eq!(heard, hear(2), "the number of threads changes words");
    for (words, samples) in heard.iter().zip(&samples) {
        let seconds = samples.len() as f64 / 16_000.0;
        let inside = |word: &Word| word.start_s <= word.end_s && word.end_s <= seconds;
        assert!(words.iter().all(inside), "{words:?}");
        assert!(words.is_sorted_by(|one, next| one.end_s <= next.start_s), "{words:?}");
    }
    // In the long piece the names that are told are all that is heard at first.
    assert!(heard.iter().map(Vec::len).sum::<usize>() > 25, "{heard:?}");
}

#[test]
fn a_file_that_is_no_model_is_refused_with_what_is_wrong() {
    let scratch = Scratch::new();
    let recording = fixture("audio/formats/opus-16k-mono.opus")
        .to_string_lossy()
        .into_owned();
    // What it is, the sizes of whisper-base, and neither filters, tokens nor weights.
    let numbers = [0x6767_6d6c_u32, 51_865, 1500, 512, 8, 6, 448, 512, 8, 6, 80, 1, 0, 0, 0];
    let of_size = |which: usize, size: u32| -> Vec<u8> {
        let mut numbers = numbers;
        numbers[1 + which] = size;
        numbers.into_iter().flat_map(u32::to_le_bytes).collect()
    };
    for (which, size, wrong) in [
        (0, 100, "vocabulary is 100"),
        (1, 7, "count of places for sound is 7"),
        (2, 0, "width is 0"),
        (2, 100, "width is 100"),
        (4, 0, "count of layers for sound is 0"),
        (5, 3, "count of places for text is 3"),
        (8, 0, "count of layers for text is 0"),
        (9, 0, "count of bands is 0"),
    ] {
        let said = refused(&scratch, &recording, &of_size(which, size));
        assert!(
            said.contains(&format!("its {wrong}, which no model of Whisper has")),
            "{said}"
        );
    }
    // More words than the vocabulary has, each of no letter.
    let mut tokens = of_size(0, 51_865);
    tokens.truncate(tokens.len() - 4);
    tokens.extend(51_866_u32.to_le_bytes());
    tokens.resize(tokens.len() + 4 * 51_866, 0);
    assert!(
        refused(&scratch, &recording, &tokens).contains("its list of tokens is 51866, which no model of Whisper has")
    );
    assert!(refused(&scratch, &recording, &of_size(9, 80)).contains("mel filters"));
    assert!(refused(&scratch, &recording, &of_size(9, 80)[..30]).contains("it ends too early"));
    assert!(refused(&scratch, &recording, b"RIFF").contains("it is no ggml file of Whisper"));
}

/// What is said of a recogniser's weights that cannot be used.
fn refused(scratch: &Scratch, recording: &str, bytes: &[u8]) -> String {
    let path = scratch.write("model.bin", bytes);
    let output = dealstage(&["analyze", recording, "--asr-model", &path]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains(&format!("{path}: the weights cannot be read")), "{said}");
    said
}
