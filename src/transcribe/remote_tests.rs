use super::*;

fn answer(json: &str) -> Answer {
    serde_json::from_str(json).expect("an answer")
}

/// Text, start and end of each word, of a piece of four seconds.
fn heard(json: &str) -> Vec<(String, f64, f64)> {
    let rounded = |second: f64| (second * 100.0).round() / 100.0;
    let heard = answer(json).heard(4.0).into_iter().map(|heard| heard.word);
    heard
        .map(|word| (word.text, rounded(word.start_s), rounded(word.end_s)))
        .collect()
}

fn word(text: &str, start_s: f64, end_s: f64) -> (String, f64, f64) {
    (text.to_owned(), start_s, end_s)
}

#[test]
fn words_have_their_own_times_and_the_marks_of_the_text() {
    // As OpenAI gives them: no marks, and cut at hyphens.
    let found = heard(
        r#"{"text": "Hello, Dana - an e-mail?", "duration": 4.0, "words": [{"word":"Hello","start":0.1,"end":0.5},
            {"word":"Dana","start":0.6,"end":1.0},{"word":"an","start":1.2,"end":1.3},{"word":"e","start":1.3,"end":1.4},
            {"word":"mail","start":1.4,"end":1.9}]}"#,
    );
    let expected = [
        word("Hello,", 0.1, 0.5),
        word("Dana -", 0.6, 1.0),
        word("an", 1.2, 1.3),
        word("e-mail?", 1.3, 1.9),
    ];
    assert_eq!(found, expected);
}

#[test]
fn without_times_of_words_letters_share_those_of_segments_or_of_the_piece() {
    let segments = r#""segments": [{"text":" Да, да.","start":1.0,"end":2.0},{"text":" Нет.","start":3.0,"end":3.3}]"#;
    let expected = [word("Да,", 1.0, 1.5), word("да.", 1.5, 2.0), word("Нет.", 3.0, 3.3)];
    assert_eq!(heard(&format!(r#"{{"text": "Да, да. Нет.", {segments}}}"#)), expected);
    assert_eq!(heard(&format!("{{{segments}}}")), expected);
    // Times of other words than those of the text are of no use.
    let words = r#""words": [{"word":"Двадцать","start":0.0,"end":0.5}]"#;
    assert_eq!(
        heard(&format!(r#"{{"text": "Да, да. Нет.", {words}, {segments}}}"#)),
        expected
    );
    assert_eq!(
        heard(r#"{"text": "ab cd"}"#),
        [word("ab", 0.0, 2.0), word("cd", 2.0, 4.0)]
    );
    assert_eq!(heard(r#"{"text": "", "words": [], "segments": null}"#), []);
}

#[test]
fn times_that_make_no_sense_are_put_right() {
    let found =
        heard(r#"{"text": "a b", "words": [{"word":"a","start":3.0,"end":9.0},{"word":"b","start":1.0,"end":-2.0}]}"#);
    assert_eq!(found, [word("a", 3.0, 4.0), word("b", 4.0, 4.0)]);
}

#[test]
fn segments_that_are_no_speech_are_dropped() {
    let found = heard(
        r#"{"text": "Yes. Bye.", "segments": [{"text":"Yes.","start":0.0,"end":1.0,"avg_logprob":-0.2,"no_speech_prob":0.7},
            {"text":"Bye.","start":1.0,"end":2.0,"avg_logprob":-1.4,"no_speech_prob":0.9}]}"#,
    );
    assert_eq!(found, [word("Yes.", 0.0, 1.0)]);
}

#[test]
fn the_language_is_told_by_its_name_or_by_the_letters() {
    for (json, expected) in [
        (r#"{"text": "ok", "language": "russian"}"#, Language::Ru),
        (r#"{"text": "да", "language": "en"}"#, Language::En),
        (r#"{"text": "Дякую, так", "language": "ukrainian"}"#, Language::Ru),
        (r#"{"text": "Danke schön"}"#, Language::En),
    ] {
        assert_eq!(answer(json).language(), expected, "{json}");
    }
}

#[test]
fn what_leaves_is_a_sound_file() {
    let file = wav(&[0.0, 1.0, -1.0, 2.0]);
    let mut reader = hound::WavReader::new(file.as_slice()).expect("a WAV file");
    assert_eq!((reader.spec().channels, reader.spec().sample_rate), (1, SAMPLE_RATE));
    let samples: Vec<i16> = reader.samples().map(|sample| sample.expect("a sample")).collect();
    assert_eq!(samples, [0, i16::MAX, -i16::MAX, i16::MAX]);
}

#[test]
fn what_was_sent_is_listed_in_the_order_of_the_recording() {
    let sent = Sent::default();
    for (at_s, prompt) in [(9.0, "c"), (0.0, "b"), (0.0, "a")] {
        let entry = Egress {
            to: String::new(),
            model: String::new(),
            prompt: prompt.to_owned(),
            prompt_hash: String::new(),
            turns: Vec::new(),
            characters: 0,
            replaced: 0,
            sound_s: None,
            bytes: None,
        };
        sent.note(at_s, entry);
    }
    let order: Vec<String> = sent.into_list().into_iter().map(|entry| entry.prompt).collect();
    assert_eq!(order, ["a", "b", "c"]);
}
