use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use super::super::fetch::Unwatched;
use super::super::files::sha256;
use super::*;

/// What the server does with one request.
enum Answer {
    /// All from the byte asked for.
    Whole,
    /// So many bytes from the one asked for, then the line is cut.
    Cut(usize),
    /// The whole file, whatever was asked for.
    IgnoreRange,
    Status(u16),
}

/// Serves `content` once for each answer; gives the address and the `range` headers that came.
fn serve(content: Vec<u8>, answers: Vec<Answer>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = ranges.clone();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut range = String::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("range: bytes=") {
                    range = value.trim_end_matches('-').to_owned();
                }
            }
            let from: usize = range.parse().unwrap_or(0);
            seen.lock().unwrap().push(range);
            let (status, from, until) = match answer {
                Answer::Whole if from > 0 => ("206 Partial Content".to_owned(), from, content.len()),
                Answer::Whole | Answer::IgnoreRange => ("200 OK".to_owned(), 0, content.len()),
                Answer::Cut(bytes) if from > 0 => ("206 Partial Content".to_owned(), from, from + bytes),
                Answer::Cut(bytes) => ("200 OK".to_owned(), 0, bytes),
                Answer::Status(status) => (format!("{status} Because"), 0, 0),
            };
            let length = if status.starts_with('2') {
                content.len() - from
            } else {
                0
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {length}\r\ncontent-range: bytes {from}-{}/{}\r\nconnection: close\r\n\r\n",
                content.len() - 1,
                content.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&content[from..until]).unwrap();
        }
    });
    (address, ranges)
}

fn content() -> Vec<u8> {
    (0..5000_u32).map(|i| (i * 7 % 251) as u8).collect()
}

fn get(answers: Vec<Answer>, folder: &Path, expected: &[u8]) -> (Result<Inputs, Failure>, Vec<String>) {
    let (hub, ranges) = serve(content(), answers);
    let reach = Reach {
        hub,
        python: Vec::new(),
        rest: Duration::from_millis(1),
    };
    let file = File {
        file: "model.bin".into(),
        size: expected.len() as u64,
        sha256: sha256(expected),
    };
    let result = fetch(&reach, "maker/model", "0123", &[file], folder, &mut Unwatched);
    let ranges = ranges.lock().unwrap().clone();
    (result, ranges)
}

fn why(result: Result<Inputs, Failure>) -> String {
    match result {
        Err(Failure::Source(why)) => why,
        other => panic!("the source should be blamed, not {other:?}"),
    }
}

#[test]
fn a_cut_line_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (result, ranges) = get(
        vec![Answer::Cut(1200), Answer::Cut(800), Answer::Whole],
        folder.path(),
        &content(),
    );
    assert_eq!(result.unwrap()["model.bin"], content());
    assert_eq!(ranges, ["", "1200", "2000"]);
}

#[test]
fn the_next_pull_goes_on_where_the_last_one_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let part = format!("model.bin.{}.part", &sha256(&content())[..12]);
    std::fs::write(folder.path().join(part), &content()[..3000]).unwrap();
    let (result, ranges) = get(vec![Answer::Whole], folder.path(), &content());
    assert_eq!(result.unwrap()["model.bin"], content());
    assert_eq!(ranges, ["3000"]);
}

#[test]
fn a_server_without_ranges_sends_all_again() {
    let folder = tempfile::tempdir().unwrap();
    let answers = vec![Answer::Cut(1200), Answer::IgnoreRange, Answer::IgnoreRange];
    let (result, ranges) = get(answers, folder.path(), &content());
    assert_eq!(result.unwrap()["model.bin"], content());
    assert_eq!(ranges, ["", "1200", ""]);
}

#[test]
fn another_file_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = content();
    other[17] ^= 1;
    let said = why(get(vec![Answer::Whole], folder.path(), &other).0);
    assert!(said.contains("sha256"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn refusals_and_silence_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let said = why(get(vec![Answer::Status(404)], folder.path(), &content()).0);
    assert!(said.contains("404"), "{said}");
    let busy = (0..INTERRUPTIONS).map(|_| Answer::Status(503)).collect();
    let said = why(get(busy, folder.path(), &content()).0);
    assert!(said.contains("503"), "{said}");
}
