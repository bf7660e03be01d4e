//! Transcripts of every format, and bytes of none.

use proptest::prelude::*;

use super::*;

fn lines(name: &str, text: &str) -> Vec<(String, Option<f64>, String)> {
    match read_bytes(name, text.as_bytes().to_vec(), &Options::default()) {
        Ok(Input::Transcript(call)) => call
            .turns
            .into_iter()
            .map(|turn| (turn.speaker, turn.start_s, turn.text))
            .collect(),
        Ok(Input::Recording(_)) => panic!("{name} is no recording"),
        Err(error) => panic!("{error}"),
    }
}

fn line(speaker: &str, start_s: f64, text: &str) -> (String, Option<f64>, String) {
    (speaker.to_owned(), Some(start_s), text.to_owned())
}

fn error(name: &str, text: &str) -> String {
    match read_bytes(name, text.as_bytes().to_vec(), &Options::default()) {
        Ok(_) => panic!("{name} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn vtt_of_zoom() {
    let text = "WEBVTT\r\n\r\n1\r\n00:02:24.720 --> 00:02:32.850\r\nSam Lee: gotcha gotcha okay\r\n\r\n\
                2\r\n00:02:33.000 --> 00:02:34.000\r\nSam Lee: and going back\r\n\r\n3\r\n00:02:35.000 --> 00:02:36.500\r\nAnna: Yes: exactly.\r\n";
    assert_eq!(
        lines("z.vtt", text),
        [
            line("Sam Lee", 144.72, "gotcha gotcha okay and going back"),
            line("Anna", 155.0, "Yes: exactly.")
        ]
    );
}

#[test]
fn vtt_of_teams() {
    let text = "\u{feff}WEBVTT\n\n00:00:15.000 --> 00:00:32.000\n<v John Doe>Hello &amp; welcome.</v>\n\n\
                00:00:33.000 --> 00:00:35.000\n<v Анна>Да, слушаю.\n<v John Doe>Good.</v>\n";
    assert_eq!(
        lines("t.vtt", text),
        [
            line("John Doe", 15.0, "Hello & welcome."),
            line("Анна", 33.0, "Да, слушаю."),
            line("John Doe", 33.0, "Good.")
        ]
    );
}

#[test]
fn srt_with_and_without_names() {
    let text =
        "1\n00:00:01,000 --> 00:00:03,000\nMark: How many?\n\n2\n00:00:04,000 --> 00:00:09,000\nDana: Ten orders.\n";
    assert_eq!(
        lines("c.srt", text),
        [line("Mark", 1.0, "How many?"), line("Dana", 4.0, "Ten orders.")]
    );
    let text = "1\n00:00:01,000 --> 00:00:03,000\nHow many\n\n2\n00:00:03,500 --> 00:00:04,000\npeople?\n\n3\n00:00:04,200 --> 00:00:09,000\nTen.\n";
    assert_eq!(
        lines("c.srt", text),
        [line("S1", 1.0, "How many people?"), line("S1", 4.2, "Ten.")]
    );
}

#[test]
fn text_with_names() {
    let text = "Mark: How many people\nwork there?\n\nDana: Ten.\nMark: At 10:30 then?";
    let turns = lines("c.txt", text);
    assert_eq!(
        turns[0],
        ("Mark".to_owned(), None, "How many people work there?".to_owned())
    );
    assert_eq!(turns[2].2, "At 10:30 then?");
    let text = "[00:00:05] Анна: Добрый день!\n[00:00:07] Пётр Ильич: Слушаю вас.\n";
    assert_eq!(
        lines("c.txt", text),
        [
            line("Анна", 5.0, "Добрый день!"),
            line("Пётр Ильич", 7.0, "Слушаю вас.")
        ]
    );
    let text = "Anna Smith  0:15\nHello there.\nHow are you?\n\nSpeaker 2  1:02\nFine.\n";
    assert_eq!(
        lines("otter.txt", text),
        [
            line("Anna Smith", 15.0, "Hello there. How are you?"),
            line("Speaker 2", 62.0, "Fine.")
        ]
    );
}

fn said(text: &str) -> Vec<(String, String)> {
    let turns = lines("c.txt", text);
    turns.into_iter().map(|(speaker, _, words)| (speaker, words)).collect()
}

fn pair(speaker: &str, words: &str) -> (String, String) {
    (speaker.to_owned(), words.to_owned())
}

#[test]
fn text_with_companies_and_titles_in_its_labels() {
    let text =
        "ООО \"Лютик\", Ольга: Здравствуйте.\nОлег Иванович, директор: Слушаю.\nООО \"Лютик\", Ольга: Два вопроса.";
    assert_eq!(
        said(text),
        [
            pair("ООО \"Лютик\", Ольга", "Здравствуйте."),
            pair("Олег Иванович, директор", "Слушаю."),
            pair("ООО \"Лютик\", Ольга", "Два вопроса.")
        ]
    );
}

#[test]
fn a_colon_in_a_turn_starts_no_turn() {
    let text = "Анна: Что важно?\nОлег: Две вещи.\nСроки: это главное?\nАнна: Да.\nОлег: Ясно.";
    assert_eq!(said(text)[1], pair("Олег", "Две вещи. Сроки: это главное?"));
    assert_eq!(said(text).len(), 4);
    let text = "WEBVTT\n\n00:01.000 --> 00:02.000\nАнна: Что важно?\n\n00:02.000 --> 00:03.000\nОлег: Две вещи.\n\n\
                00:03.000 --> 00:04.000\nОлег: Скажу прямо.\nСроки: это главное.\n\n00:05.000 --> 00:06.000\nАнна: Да.\n";
    assert_eq!(lines("c.vtt", text)[1].2, "Две вещи. Скажу прямо. Сроки: это главное.");
}

#[test]
fn a_turn_without_words_is_no_turn() {
    let text = "Анна: Алло?\nОлег: \nСветлана: Связь плохая.\nОлег:\nАнна: Да.";
    assert_eq!(
        said(text),
        [
            pair("Анна", "Алло?"),
            pair("Светлана", "Связь плохая."),
            pair("Анна", "Да.")
        ]
    );
    let text = "Анна: Алло?\nОлег: \nАнна: Слышно?";
    assert_eq!(said(text), [pair("Анна", "Алло? Слышно?")]);
    let text = "Анна:\nАлло?\n\nОлег:\nДа, слушаю.\nГоворите.\n";
    assert_eq!(
        said(text),
        [pair("Анна", "Алло?"), pair("Олег", "Да, слушаю. Говорите.")]
    );
}

#[test]
fn dialogue_with_dashes() {
    let text = "— Здравствуйте\n— Да, слушаю.\nГоворите.\n- Сколько стоит?";
    assert_eq!(
        said(text),
        [
            pair("S1", "Здравствуйте"),
            pair("S1", "Да, слушаю. Говорите."),
            pair("S1", "Сколько стоит?")
        ]
    );
    let text = "Анна – Здравствуйте.\nОлег – Да, слушаю.";
    assert_eq!(said(text), [pair("Анна", "Здравствуйте."), pair("Олег", "Да, слушаю.")]);
    let text = "- Анна: Здравствуйте.\n- Олег: Да, слушаю.\n";
    assert_eq!(said(text), [pair("Анна", "Здравствуйте."), pair("Олег", "Да, слушаю.")]);
}

#[test]
fn a_time_behind_a_name() {
    assert_eq!(
        lines("c.txt", "Anna (0:15): Hello.\nMark (1:02): Hi.\n"),
        [line("Anna", 15.0, "Hello."), line("Mark", 62.0, "Hi.")]
    );
}

#[test]
fn text_that_cannot_be_split_is_refused() {
    let text = "Анна: Здравствуйте.\nда слушаю\nсколько стоит\nсто рублей\n";
    assert!(error("c.txt", text).contains("line 2"), "{}", error("c.txt", text));
    let text = "Расшифровка звонка\n\nАнна: Здравствуйте.\nОлег: Да.\n";
    assert!(
        error("c.txt", text).contains("line 1: it does not begin with a name; write each turn"),
        "{}",
        error("c.txt", text)
    );
}

#[test]
fn text_under_the_name_of_a_recording_is_told_as_neither() {
    for name in ["call.wav", "folder/Call.M4A"] {
        assert!(
            error(name, "just some words").starts_with(&format!("{name}: neither a recording nor a transcript")),
            "{}",
            error(name, "just some words")
        );
    }
    assert_eq!(lines("call.wav", "Anna: Hello.\nMark: Hi.\n").len(), 2);
}

#[test]
fn an_unknown_encoding_says_what_to_do() {
    let koi8 = [0xe1, 0xce, 0xce, 0xc1, b':', b' ', 0xe4, 0xc1, b'.'];
    let error = read_bytes("k.txt", koi8.to_vec(), &Options::default()).expect_err("KOI8-R");
    assert!(
        error.to_string().contains("k.txt: the encoding") && error.to_string().contains("save it as UTF-8"),
        "{error}"
    );
}

#[test]
fn text_of_meeting_services() {
    let fathom = "Intro call - Apr 14\nVIEW RECORDING - 12 mins\n\n---\n\n0:01 - Mark Ellis (Northlane)\n  How many people?\n\n\
                  0:07 - Dana Wright\n  Ten. See you Tuesday at 10:30\n\n0:12 - Mark Ellis (Northlane)\n  10:30 works for me.\n";
    assert_eq!(
        lines("fathom.txt", fathom),
        [
            line("Mark Ellis", 1.0, "How many people?"),
            line("Dana Wright", 7.0, "Ten. See you Tuesday at 10:30"),
            line("Mark Ellis", 12.0, "10:30 works for me.")
        ]
    );
    let otter = "Intro call\nTue, Apr 14, 2026 3:00PM\n\nMark Ellis  0:01\nWhen can we meet?\n\nDana Wright  0:05\n\
                 See you Tuesday at 10:30\n\nMark Ellis  0:09\n10:30 works for me.\n\nTranscribed by https://otter.ai\n";
    assert_eq!(
        lines("otter.txt", otter),
        [
            line("Mark Ellis", 1.0, "When can we meet?"),
            line("Dana Wright", 5.0, "See you Tuesday at 10:30"),
            line("Mark Ellis", 9.0, "10:30 works for me.")
        ]
    );
}

#[test]
fn json_of_recognisers() {
    let whisper = r#"{"text":"x","language":"ru","segments":[{"id":0,"start":0.0,"end":4.2,"text":" Добрый день."},{"id":1,"start":4.5,"end":6.0,"text":" Слушаю."}]}"#;
    assert_eq!(
        lines("w.json", whisper),
        [line("S1", 0.0, "Добрый день."), line("S1", 4.5, "Слушаю.")]
    );
    let assembly = r#"{"language_code":"en_us","utterances":[{"speaker":"A","start":250,"end":2950,"text":"Hello."},{"speaker":"B","start":3000,"end":4000,"text":"Hi."}]}"#;
    assert_eq!(
        lines("a.json", assembly),
        [line("A", 0.25, "Hello."), line("B", 3.0, "Hi.")]
    );
    let deepgram = r#"{"results":{"channels":[],"utterances":[{"start":0.08,"end":3.2,"channel":0,"transcript":"Hello.","speaker":0},{"start":3.5,"end":4.0,"channel":1,"transcript":"Hi.","speaker":0}]}}"#;
    assert_eq!(
        lines("d.json", deepgram),
        [line("S0", 0.08, "Hello."), line("S1", 3.5, "Hi.")]
    );
    let gong = r#"{"callTranscripts":[{"callId":"7","transcript":[{"speakerId":"64","sentences":[{"start":460230,"end":462343,"text":"Wait."}]}]}]}"#;
    assert_eq!(lines("g.json", gong), [line("64", 460.23, "Wait.")]);
    let fireflies = r#"{"data":{"transcript":{"sentences":[{"index":0,"speaker_name":"Anna","text":"Hello.","start_time":1.2,"end_time":3.4}]}}}"#;
    assert_eq!(lines("f.json", fireflies), [line("Anna", 1.2, "Hello.")]);
    let fathom = r#"{"transcript":[{"speaker":{"display_name":"John"},"text":"Hello.","timestamp":"00:01:15"}]}"#;
    assert_eq!(lines("f.json", fathom), [line("John", 75.0, "Hello.")]);
}

#[test]
fn the_call_file_keeps_what_it_says() {
    let text = r#"{"id":"c-1","lang":"ru","call_date":"2026-04-16","previous":{"deal_stage":"pain"},"gold":{"x":[]},
        "turns":[{"i":5,"role":"rep","speaker":"S1","name":"Анна","start_s":0.0,"end_s":3.2,"text":"Да"},{"i":9,"role":"unknown","text":"Нет"}]}"#;
    let Ok(Input::Transcript(call)) = read_bytes("c.json", text.as_bytes().to_vec(), &Options::default()) else {
        panic!("a call file")
    };
    assert_eq!((call.id.as_str(), call.language), ("c-1", Some(Language::Ru)));
    assert_eq!(
        call.turns.iter().map(|turn| (turn.i, turn.role)).collect::<Vec<_>>(),
        [(5, Role::Rep), (9, Role::Unknown)]
    );
    assert_eq!(call.previous_stage, Some("pain".into()));
    let options = Options {
        call_date: NaiveDate::from_ymd_opt(2026, 1, 2),
        language: Some(Language::En),
        ..Options::default()
    };
    let Ok(Input::Transcript(call)) = read_bytes("c.json", text.as_bytes().to_vec(), &options) else {
        panic!("a call file")
    };
    assert_eq!((call.call_date, call.language), (options.call_date, Some(Language::En)));
}

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio/formats");
    std::fs::read(path.join(name)).expect("a fixture")
}

fn recording(name: &str, bytes: Vec<u8>) -> Recording {
    match read_bytes(name, bytes, &Options::default()) {
        Ok(Input::Recording(recording)) => recording,
        Ok(Input::Transcript(_)) => panic!("{name} is a recording"),
        Err(error) => panic!("{error}"),
    }
}

/// Channel by channel.
fn samples(recording: &Recording) -> Vec<Vec<f32>> {
    let read = |channel| recording.sound.read(channel, 0..usize::MAX).expect("read");
    (0..recording.sound.channels()).map(read).collect()
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

/// The same 9.6 s in every format: Mark speaks (left) to 4.6 s, then Dana (right).
#[test]
fn recordings_of_every_format() {
    for name in FORMATS {
        let channels = if name.contains("stereo") { 2 } else { 1 };
        let recording = recording(name, fixture(name));
        assert_eq!(recording.sound.channels(), channels, "{name}");
        assert!(
            (9.5..9.7).contains(&recording.duration_s),
            "{name}: {}",
            recording.duration_s
        );
        let half = recording.sound.samples() / 2;
        for (at, samples) in samples(&recording).iter().enumerate() {
            let (first, second) = (energy(&samples[..half]), energy(&samples[half..]));
            match (channels, at) {
                (1, _) => assert!(first > 1.0 && second > 1.0, "{name}: {first} {second}"),
                (_, 0) => assert!(first > 10.0 * second, "{name}, left: {first} {second}"),
                _ => assert!(second > 10.0 * first, "{name}, right: {first} {second}"),
            }
        }
    }
}

#[test]
fn damaged_recordings_are_errors_with_a_place() {
    for name in [
        "aac-48k-stereo.m4a",
        "flac-16k-mono.flac",
        "mp3-44k-stereo.mp3",
        "opus-16k-mono.opus",
        "vorbis-32k-mono.ogg",
    ] {
        let mut bytes = fixture(name);
        let (from, to) = (bytes.len() / 2, bytes.len() / 2 + bytes.len() / 8);
        bytes[from..to].fill(0);
        let error = read_bytes(name, bytes, &Options::default()).expect_err(name);
        assert!(
            matches!(error, Error::Damaged { at_s, .. } if (2.0..9.6).contains(&at_s)),
            "{error}"
        );
    }
    for name in [
        "pcm-11k-mono.wav",
        "aac-48k-stereo.m4a",
        "opus-48k-stereo.webm",
        "flac-16k-mono.flac",
    ] {
        let mut bytes = fixture(name);
        bytes.truncate(bytes.len() / 2);
        let error = read_bytes(name, bytes, &Options::default())
            .expect_err(name)
            .to_string();
        assert!(error.starts_with(name) && error.contains("export it again"), "{error}");
    }
}

#[test]
fn a_wav_from_a_pipe_has_no_length() {
    let mut bytes = fixture("pcm-11k-mono.wav");
    let data = bytes
        .windows(4)
        .position(|four| four == b"data")
        .expect("a chunk of samples");
    for at in [4, data + 4] {
        bytes[at..at + 4].fill(0xff);
    }
    let whole = recording("whole.wav", fixture("pcm-11k-mono.wav"));
    assert_eq!(samples(&recording("pipe.wav", bytes)), samples(&whole));
}

/// A WAV of 16-bit samples; each channel is a tone of its pitch in Hz, 0 for silence.
fn wav(rate: u32, seconds: f32, pitches: &[f32]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: pitches.len() as u16,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("in memory");
    for n in 0..(rate as f32 * seconds) as u32 {
        for pitch in pitches {
            let turns = (f64::from(n) * f64::from(*pitch) / f64::from(rate)).fract();
            let sample = 8000.0 * (turns * std::f64::consts::TAU).sin();
            writer.write_sample(sample as i16).expect("in memory");
        }
    }
    writer.finalize().expect("in memory");
    bytes.into_inner()
}

fn refused(name: &str, bytes: Vec<u8>, options: &Options) -> String {
    match read_bytes(name, bytes, options) {
        Ok(_) => panic!("{name} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn studio_rates_are_taken() {
    for rate in [88_200, 96_000, 192_000] {
        let recording = recording("studio.wav", wav(rate, 1.0, &[440.0]));
        assert_eq!(recording.duration_s, 1.0, "{rate}");
        let sound = &samples(&recording)[0];
        let rises = sound.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        assert!(rises.abs_diff(440) < 3, "{rate}: {rises}");
    }
    let error = refused("studio.wav", wav(384_000, 0.1, &[440.0]), &Options::default());
    assert!(
        error.contains("384000") && error.contains("convert it to 16 kHz"),
        "{error}"
    );
}

#[test]
fn of_many_channels_two_or_one_are_left() {
    let two = recording(
        "8.wav",
        wav(16_000, 1.0, &[0.0, 0.0, 200.0, 0.0, 0.0, 310.0, 310.0, 0.0]),
    );
    let expected = recording("2.wav", wav(16_000, 1.0, &[200.0, 310.0]));
    assert_eq!(samples(&two), samples(&expected));
    let one = recording("film.wav", wav(48_000, 1.0, &[200.0, 310.0, 450.0, 0.0, 600.0, 700.0]));
    assert_eq!(one.sound.channels(), 1);
    assert!(energy(&samples(&one)[0]) > 1.0);
    let error = refused("9.wav", wav(16_000, 0.1, &[200.0; 9]), &Options::default());
    assert!(error.contains("9 channels") && error.contains("mix it down"), "{error}");
}

/// A WAV that says another number of bytes of sound than it has.
fn saying(mut bytes: Vec<u8>, size: u32) -> Vec<u8> {
    let data = bytes
        .windows(4)
        .position(|four| four == b"data")
        .expect("a chunk of samples");
    bytes[data + 4..data + 8].copy_from_slice(&size.to_le_bytes());
    bytes
}

#[test]
fn what_a_head_says_of_the_length_is_not_believed() {
    let second = || wav(16_000, 1.0, &[440.0]);
    let ten_hours = 10 * 3600 * 2 * 16_000;
    assert!(
        refused("lies.wav", saying(second(), ten_hours), &Options::default())
            .contains("damaged at 0.94 s: the file ends")
    );
    // Nothing need be decoded to refuse it.
    let limited = Options {
        longest_s: Some(60.0),
        ..Options::default()
    };
    assert_eq!(
        refused("long.wav", saying(second(), ten_hours), &limited),
        "long.wav: it says that it lasts 600 minutes, longer than the limit of 1 minutes; split it"
    );
    // One that does not say it is refused when it is there.
    let limited = Options {
        longest_s: Some(6.0),
        ..Options::default()
    };
    assert_eq!(
        refused("long.webm", fixture("opus-48k-stereo.webm"), &limited),
        "long.webm: it lasts longer than the limit of 0.1 minutes; split it"
    );
    assert_eq!(recording("open.wav", saying(second(), 0)).duration_s, 1.0);
    for nothing in [wav(16_000, 0.0, &[440.0]), second()[..44].to_vec()] {
        let error = refused("nothing.wav", nothing, &Options::default());
        assert!(
            error.contains("no sound") || error.contains("damaged at 0.00 s"),
            "{error}"
        );
    }
}

#[test]
fn locked_recordings_say_so() {
    let mut mp4 = fixture("aac-48k-stereo.m4a");
    let entry = mp4
        .windows(4)
        .rposition(|four| four == b"mp4a")
        .expect("a sample entry");
    mp4[entry..entry + 4].copy_from_slice(b"enca");
    let says = "it is encrypted; export it without protection";
    assert_eq!(
        refused("call.m4a", mp4, &Options::default()),
        format!("call.m4a: {says}")
    );

    let element = |id: &[u8], body: &[u8]| [id, &[0x80 | body.len() as u8], body].concat();
    let webm = |track: u8, encoding: &[u8]| {
        let encodings = element(&[0x6d, 0x80], &element(&[0x62, 0x40], encoding));
        let entry = element(&[0xae], &[element(&[0x83], &[track]), encodings].concat());
        let head = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"webm"));
        // A segment that does not say its length.
        [
            head,
            vec![0x18, 0x53, 0x80, 0x67, 0xff],
            element(&[0x16, 0x54, 0xae, 0x6b], &entry),
        ]
        .concat()
    };
    let (encryption, compression) = (element(&[0x50, 0x35], &[]), element(&[0x50, 0x34], &[]));
    let error = |bytes| refused("call.webm", bytes, &Options::default());
    assert_eq!(error(webm(2, &encryption)), format!("call.webm: {says}"));
    assert!(!error(webm(1, &encryption)).contains("encrypted"), "the picture alone");
    assert!(!error(webm(2, &compression)).contains("encrypted"));
}

#[test]
fn files_that_are_given_by_mistake_are_named() {
    let zip = |flags: u8, name: &[u8]| [b"PK\x03\x04\x14\0".as_slice(), &[flags], &[0; 23], name].concat();
    for (bytes, says) in [
        (
            zip(1, b"call.wav"),
            "it is a ZIP archive that a password locks; unpack it",
        ),
        (zip(0, b"call.wav"), "it is a ZIP archive; unpack it"),
        (
            zip(0, b"[Content_Types].xml"),
            "it is an Office document; save its text",
        ),
        (b"%PDF-1.7\n/Encrypt".to_vec(), "it is a PDF document; save its text"),
        (
            b"-----BEGIN PGP MESSAGE-----\n".to_vec(),
            "it is encrypted (PGP); decrypt it first",
        ),
        (b"#!AMR\n\x3c".to_vec(), "it is an AMR recording; convert it"),
    ] {
        let error = refused("file", bytes, &Options::default());
        assert!(error.starts_with(&format!("file: {says}")), "{error}");
    }
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    let bytes = fixture("opus-48k-stereo.webm");
    let Ok(Input::Recording(piped)) = read_stream("-", bytes.as_slice(), &Options::default()) else {
        panic!("a recording")
    };
    assert_eq!(samples(&piped), samples(&recording("call.webm", bytes)));
    let Ok(Input::Transcript(call)) = read_stream("-", "Anna: Hello.\n".as_bytes(), &Options::default()) else {
        panic!("a transcript")
    };
    assert_eq!(call.turns.len(), 1);
}

const FORMATS: [&str; 9] = [
    "aac-48k-stereo.m4a",
    "alaw-8k-mono.wav",
    "flac-16k-mono.flac",
    "mp3-44k-stereo.mp3",
    "opus-16k-mono.opus",
    "opus-48k-stereo.webm",
    "pcm-11k-mono.wav",
    "ulaw-8k-stereo.wav",
    "vorbis-32k-mono.ogg",
];

/// No decoder takes longer for ten seconds of sound, however damaged, even where others want the processor too.
const LONGEST_DECODING: std::time::Duration = std::time::Duration::from_secs(60);

/// A damaged recording gives sound or a message, soon.
fn survives(name: &'static str, bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let (tell, told) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let outcome = match read_bytes(name, bytes, &Options::default()) {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        tell.send(outcome).expect("somebody waits");
    });
    match told.recv_timeout(LONGEST_DECODING) {
        Ok(None) => Ok(()),
        Ok(Some(message)) => {
            prop_assert!(message.starts_with(name) && message.contains("; "), "{}", message);
            Ok(())
        }
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(TestCaseError::fail(format!("{name} takes too long"))),
        Err(_) => Err(TestCaseError::fail(format!("{name}: {:?}", reader.join()))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn recordings_cut_anywhere_do_not_panic(share in 0.0..1.0_f64, head in 0_usize..400) {
        for name in FORMATS {
            let bytes = fixture(name);
            // The head has more to damage than the sound.
            for end in [(bytes.len() as f64 * share) as usize, head.min(bytes.len())] {
                survives(name, bytes[..end].to_vec())?;
            }
        }
    }

    #[test]
    fn recordings_with_changed_bytes_do_not_panic(
        changes in proptest::collection::vec((0.0..1.0_f64, any::<u8>()), 1..20),
        head in proptest::collection::vec((0_usize..400, any::<u8>()), 0..4),
    ) {
        for name in FORMATS {
            let mut bytes = fixture(name);
            for (share, byte) in &changes {
                let at = (bytes.len() as f64 * share) as usize;
                bytes[at] = *byte;
            }
            for (at, byte) in &head {
                bytes[*at] = *byte;
            }
            survives(name, bytes)?;
        }
    }
}

#[test]
fn errors_name_the_place() {
    let twice = r#"{"turns":[{"i":1,"text":"a"},{"i":1,"text":"b"}]}"#;
    assert!(
        error("c.json", twice).contains("turns[1].i"),
        "{}",
        error("c.json", twice)
    );
    assert!(error("c.json", r#"{"turns":[{"i":1,"role":"boss","text":"a"}]}"#).contains("boss"));
    let date = error("c.json", r#"{"call_date":"16.04.2026","turns":[{"text":"a"}]}"#);
    assert!(
        date.contains("call_date: `16.04.2026` is no date; write it as YYYY-MM-DD"),
        "{date}"
    );
    assert!(date.ends_with("see README, \"The call file\""), "{date}");
    assert!(
        include_str!("../../README.md").contains("\n## The call file\n"),
        "errors point to it"
    );
    assert!(error("c.json", r#"{"turns":[{"i":1,"start_s":-5,"text":"a"}]}"#).contains("turns[0].start_s"));
    assert!(error("c.json", r#"{"turns":[{"i":1,"end_s":1e301,"text":"a"}]}"#).contains("turns[0].end_s"));
    assert!(error("c.json", "{\"turns\":[{\"i\":1,\n\"te").contains("line 2"));
    assert!(error("c.json", r#"{"event":"media","streamSid":"M","media":{}}"#).contains("telephone"));
    assert!(
        error(
            "c.json",
            r#"{"utterances":[{"speaker":"A","start":"x","end":1,"text":"a"}]}"#
        )
        .contains("entry 1")
    );
    let backwards = "WEBVTT\n\n00:00:05.000 --> 00:00:02.000\nAnna: Hello\n";
    assert!(error("c.vtt", backwards).contains("cue 1"));
    assert!(error("c.txt", "just some words without a name").contains("line 1"));
    assert!(error("c.vtt", "WEBVTT\n\n").contains("nobody says anything"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_bytes("x", bytes, &Options::default());
    }

    #[test]
    fn damaged_transcripts_do_not_panic(cut in 0usize..400, change in any::<u8>(), at in 0usize..400) {
        for text in [
            "WEBVTT\n\n1\n00:00:01.000 --> 00:00:03.000\n<v Mark>How &amp; why?</v>\n\n2\n00:00:04.000 --> 00:00:09.000\nDana: Да\n",
            "1\n00:00:01,000 --> 00:00:03,000\nMark: How many?\n\n2\n00:00:04,000 --> 00:00:09,000\nDana: Ten.\n",
            r#"{"utterances":[{"speaker":"A","start":250,"end":2950,"text":"Hello."}]}"#,
            "Anna Smith  0:15\nHello there.\n\n[0:20] Пётр: Да\n",
        ] {
            let mut bytes = text.as_bytes().to_vec();
            let place = at % bytes.len();
            bytes[place] = change;
            bytes.truncate(cut.max(1));
            let _ = read_bytes("x", bytes, &Options::default());
        }
    }
}

#[test]
fn schema_of_the_call_file() {
    jsonschema::meta::validate(&call_file_schema()).expect("a schema of its draft");
    insta::assert_json_snapshot!(call_file_schema());
}
