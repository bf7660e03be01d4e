//! Calls of the fixtures, live: against the analysis of the same call as a file, and against themselves in other pieces.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;
use serde_json::Value;

use super::protocol::{HintKind, ServerMessage};
use super::{Engine, Error, Load, Recognisers, Talk, Utterance};
use crate::document::Document;
use crate::domain::{Call, Language, Role, Turn, Word, sample};
use crate::ingest::{self, Input};
use crate::pipeline::{self, Models, Options, Recogniser, SharedTurnModel};
use crate::process::Process;
use crate::transcribe::{Failure, Piece, Transcriber, text_of};
use crate::understand::turn_model::TurnModel;

const CALLS: [&str; 4] = ["en-b01", "ru-b01", "en-e101", "ru-b02"];

fn options() -> Options {
    Options {
        call_date: NaiveDate::from_ymd_opt(2026, 4, 16).expect("a day"),
        call_date_is_said: true,
        language: None,
        rep: None,
        threads: 2,
        recogniser: Recogniser::from(pipeline::DEFAULT_RECOGNISER),
        heads: None,
        prompts: None,
        llm: None,
        history: None,
        corrected: Vec::new(),
    }
}

fn models() -> Models {
    static MODEL: OnceLock<SharedTurnModel> = OnceLock::new();
    Models::with_turn_model(&options(), MODEL.get_or_init(SharedTurnModel::default)).expect("models")
}

fn model() -> Arc<TurnModel> {
    models().turn_model(&options()).expect("a model")
}

/// The analysis at the end of a call.
fn ended(talk: Talk) -> Document {
    let transcribed = talk.end(None).expect("words");
    assert!(transcribed.known.is_some());
    let analysis =
        pipeline::analyse_transcribed(transcribed, &process(), &options(), &mut models(), &mut |_, _| Ok(()));
    Document::new(&analysis.expect("an analysis"))
}

fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| Engine::start(model(), 2, None).expect("an engine"))
        .clone()
}

fn process() -> Arc<Process> {
    Arc::new(Process::ppvvc().expect("the process"))
}

fn fixture(name: &str) -> Call {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/calls/{name}.json"));
    match ingest::read(&path, &ingest::Options::default()).expect("a fixture") {
        Input::Transcript(call) => call,
        Input::Recording(_) => panic!("{name} is a recording"),
    }
}

/// The call before anybody spoke, and what is said in it.
fn parted(mut call: Call) -> (Call, Vec<Turn>) {
    call.duration_s = None;
    let turns = std::mem::take(&mut call.turns);
    (call, turns)
}

fn json(messages: &[ServerMessage]) -> Vec<Value> {
    messages
        .iter()
        .map(|message| serde_json::to_value(message).expect("json"))
        .collect()
}

async fn told(call: Call, pieces: &[Vec<Turn>]) -> (Talk, Vec<ServerMessage>) {
    let engine = engine();
    let mut talk = Talk::new(call, process(), &options()).expect("a talk");
    let mut all = Vec::new();
    for piece in pieces {
        let messages;
        (talk, messages) = engine.push(talk, piece.clone()).await.expect("told");
        all.extend(messages);
    }
    (talk, all)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_the_analysis_of_the_stored_call() {
    let mut offline = models();
    for name in CALLS {
        let call = fixture(name);
        let stored = pipeline::analyse(
            Input::Transcript(call.clone()),
            std::time::Duration::ZERO,
            &process(),
            &options(),
            &mut offline,
            &mut |_, _| Ok(()),
        )
        .expect("an analysis");
        let (header, turns) = parted(call);
        // In pieces of all sizes, beside another call: its vectors must not depend on what is encoded with them.
        let mut pieces = Vec::new();
        let mut rest = turns.as_slice();
        for size in (1..6).cycle() {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let (other, others) = parted(fixture("en-b02"));
        let others: Vec<Vec<Turn>> = others.into_iter().map(|turn| vec![turn]).collect();
        let ((talk, _), _) = tokio::join!(told(header, &pieces), told(other, &others[..20]));
        let (stored, live) = (Document::new(&stored), ended(talk));
        assert_eq!(live.provenance.result_hash, stored.provenance.result_hash, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_where_the_call_stands() {
    let (header, turns) = parted(fixture("en-b01"));
    let count = turns.len();
    let pieces: Vec<Vec<Turn>> = turns.into_iter().map(|turn| vec![turn]).collect();
    let (talk, messages) = told(header, &pieces).await;
    let analysis = ended(talk);
    let of = |kind: &str| -> Vec<Value> {
        let all = json(&messages);
        all.into_iter().filter(|message| message["type"] == kind).collect()
    };
    let numbers: Vec<u64> = of("turn")
        .iter()
        .filter_map(|message| message["turn"]["i"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=count as u64).collect::<Vec<_>>());
    // The last verdict is the analysis's, but for how sure it is.
    let deals = of("deal");
    let last = &deals.last().expect("a deal")["deal"];
    let end = serde_json::to_value(&analysis.deal).expect("json");
    for part in ["stage", "abstained", "flags", "on_hold", "call_outcome"] {
        assert_eq!(last[part], end[part], "{part}");
    }
    let scores = |deal: &Value| -> Vec<Value> {
        let elements = deal["elements"].as_array().expect("elements").iter();
        elements.map(|element| element["score"].clone()).collect()
    };
    assert_eq!(scores(last), scores(&end));
    assert!(
        deals
            .iter()
            .all(|deal| !deal["changed"].as_array().expect("changes").is_empty())
    );
    let hints = of("hint");
    assert!(!hints.is_empty());
    for hint in &hints {
        let evidence = hint["evidence"].as_array().expect("evidence");
        for words in evidence {
            let turn = analysis
                .turns
                .iter()
                .find(|turn| words["turn"] == turn.i)
                .expect("a turn");
            assert!(turn.text.contains(words["quote"].as_str().expect("a quote")));
        }
        assert!(!evidence.is_empty(), "{hint}");
    }
    let ids: Vec<String> = hints
        .iter()
        .map(|hint| format!("{}{}", hint["id"], hint["evidence"][0]))
        .collect();
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "{ids:?}");
    let warned = messages
        .iter()
        .filter(|message| matches!(message, ServerMessage::Hint(hint) if hint.kind == HintKind::Warning))
        .count();
    assert!(warned >= analysis.premature.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_in_another_process_as_if_nothing_had_happened() {
    let (header, turns) = parted(fixture("ru-b01"));
    let pieces: Vec<Vec<Turn>> = turns.iter().map(|turn| vec![turn.clone()]).collect();
    let (_, whole) = told(header.clone(), &pieces).await;
    let engine = engine();
    for cut in [1, 7, turns.len() - 1] {
        let (before, mut messages) = told(header.clone(), &pieces[..cut]).await;
        drop(before);
        let talk = Talk::new(header.clone(), process(), &options()).expect("a talk");
        let mut talk = engine.restore(talk, turns[..cut].to_vec()).await.expect("restored");
        for piece in &pieces[cut..] {
            let new;
            (talk, new) = engine.push(talk, piece.clone()).await.expect("told");
            messages.extend(new);
        }
        assert_eq!(json(&messages), json(&whole), "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_that_come_together_are_labelled_one_by_one() {
    let (header, turns) = parted(fixture("en-e101"));
    let single: Vec<Vec<Turn>> = turns.iter().map(|turn| vec![turn.clone()]).collect();
    let labelled = |messages: &[ServerMessage]| -> Vec<Value> {
        let all = json(messages);
        all.into_iter().filter(|message| message["type"] == "turn").collect()
    };
    let (_, one_by_one) = told(header.clone(), &single).await;
    let (_, together) = told(header, &[turns[..9].to_vec(), turns[9..].to_vec()]).await;
    assert_eq!(labelled(&together), labelled(&one_by_one));
}

#[test]
fn a_call_without_words_has_no_analysis() {
    let talk = Talk::new(sample::call(Vec::new()), process(), &options()).expect("a talk");
    let error = talk.end(None).expect_err("nothing");
    assert!(matches!(error, Error::NoTurns), "{error}");
}

#[test]
fn a_turn_that_comes_again_is_known() {
    let mut talk = Talk::new(sample::call(Vec::new()), process(), &options()).expect("a talk");
    let turn = sample::turn(1, Role::Rep, "Hello.");
    assert!(talk.is_new(&turn).expect("new"));
    talk.push(vec![turn.clone()], Vec::new());
    assert!(!talk.is_new(&turn).expect("known"));
    let other = sample::turn(1, Role::Rep, "Goodbye.");
    assert!(matches!(talk.is_new(&other), Err(Error::OtherTurn(1))));
}

/// Hears how many samples there are; takes its time, and panics at a loud one.
struct Counting(std::time::Duration);

impl Transcriber for Counting {
    fn detect_language(&mut self, _: &Piece<'_>) -> Result<Language, Failure> {
        Ok(Language::Ru)
    }

    fn words(&mut self, pieces: &[Piece<'_>], language: Language) -> Result<Vec<Vec<Word>>, Failure> {
        let words = |piece: &Piece<'_>| {
            let speech = piece.samples;
            std::thread::sleep(self.0);
            assert!(speech.first() != Some(&1.0), "too loud");
            vec![Word {
                start_s: 0.0,
                end_s: 1.0,
                text: format!("{} {}", language.as_str(), speech.len()),
            }]
        };
        Ok(pieces.iter().map(words).collect())
    }
}

fn utterance(speaker: u64, samples: Vec<f32>, language: Option<Language>) -> Utterance {
    Utterance {
        speaker,
        from: 0,
        samples,
        language,
        names: Arc::default(),
    }
}

fn hearing(takes_ms: u64) -> Engine {
    hearing_at_once(1, takes_ms)
}

fn hearing_at_once(count: usize, takes_ms: u64) -> Engine {
    let load: Load = Box::new(move || Ok(Box::new(Counting(std::time::Duration::from_millis(takes_ms)))));
    Engine::start(model(), 2, Some(Recognisers { count, load })).expect("an engine")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_partial_texts_only_the_newest_of_a_speaker_is_heard() {
    let engine = hearing(50);
    // Keeps the recogniser busy while the others come.
    let first = tokio::spawn({
        let engine = engine.clone();
        async move { engine.hear(utterance(9, vec![0.0; 7], None)).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let ask = |speaker: u64, length: usize| {
        let engine = engine.clone();
        tokio::spawn(async move {
            let speech = utterance(speaker, vec![0.0; length], Some(Language::En));
            engine.hear_so_far(speech, false).await
        })
    };
    let mut asked = Vec::new();
    for (speaker, length) in [(1, 10), (2, 20), (1, 11), (1, 12)] {
        asked.push(ask(speaker, length));
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let mut heard = Vec::new();
    for answer in asked {
        heard.push(
            answer
                .await
                .expect("joined")
                .expect("heard")
                .map(|words| text_of(&words.words)),
        );
    }
    let expected = [None, Some("en 20"), None, Some("en 12")].map(|text| text.map(str::to_owned));
    assert_eq!(heard, expected);
    let first = first.await.expect("joined").expect("heard");
    assert_eq!(
        (text_of(&first.words).as_str(), first.language),
        ("ru 7", Some(Language::Ru))
    );
}

/// The pause that ends a turn was heard when it began.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_at_the_pause_is_the_turn() {
    let engine = hearing_at_once(2, 200);
    let pause = tokio::spawn({
        let engine = engine.clone();
        async move { engine.hear_so_far(utterance(1, vec![0.0; 8], None), true).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let begun = std::time::Instant::now();
    let words = engine.hear(utterance(1, vec![0.0; 8], None)).await.expect("heard");
    assert_eq!(text_of(&words.words), "ru 8");
    assert!(begun.elapsed().as_millis() < 350, "{:?}", begun.elapsed());
    assert_eq!(pause.await.expect("joined").expect("heard"), Some(words));
    // Longer speech, another speaker and another language are not the same.
    let others = [
        (1, 9, None, "ru 9"),
        (2, 8, None, "ru 8"),
        (2, 8, Some(Language::En), "en 8"),
    ];
    for (speaker, length, language, text) in others {
        let begun = std::time::Instant::now();
        let words = engine.hear(utterance(speaker, vec![0.0; length], language)).await;
        assert_eq!(text_of(&words.expect("heard").words), text);
        assert!(begun.elapsed().as_millis() >= 200, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recogniser_that_breaks_is_loaded_again() {
    let engine = hearing(0);
    let error = engine
        .hear(utterance(1, vec![1.0; 5], None))
        .await
        .expect_err("it breaks");
    assert!(matches!(error, Error::Recogniser(_)), "{error}");
    let words = engine.hear(utterance(1, vec![0.0; 5], None)).await.expect("heard");
    assert_eq!(text_of(&words.words), "ru 5");
    let deaf = Engine::start(model(), 2, None).expect("an engine");
    assert!(matches!(
        deaf.hear(utterance(1, Vec::new(), None)).await,
        Err(Error::NoRecogniser)
    ));
}
