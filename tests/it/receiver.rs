//! A receiver of webhooks on a real socket, that can be told to behave badly.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing that is waited for takes longer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Heard {
    pub path: String,
    /// Names in small letters.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub at: Instant,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().expect("a type").to_owned()
    }

    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub fn timestamp(&self) -> i64 {
        self.headers["webhook-timestamp"].parse().expect("seconds")
    }
}

/// What is done with a request.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// With lines of the head, each ended.
    Status(u16, &'static str),
    /// Nothing, on an open connection.
    Hang,
    /// A head that comes byte by byte, without an end.
    Drip,
    /// RST.
    Reset,
    /// All is heard, and the connection closed.
    Cut,
}

pub const OK: Answer = Answer::Status(204, "");

pub struct Receiver {
    pub port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Receiver {
    /// `answer`: what to do with the request of this number, from 0.
    pub fn new(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"), answer)
    }

    pub fn on(listener: TcpListener, answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let answer = Arc::new(answer);
        let keeper = heard.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (heard, answer) = (keeper.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut connection = connection.expect("a connection");
                    while converse(&mut connection, &heard, &*answer).is_some() {}
                });
            }
        });
        Self { port, heard }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }

    /// Waits until so many requests have come; all of them.
    pub fn wait_for(&self, count: usize) -> Vec<Heard> {
        let started = Instant::now();
        loop {
            let heard = self.heard();
            if heard.len() >= count {
                return heard;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{} of {count} came: {heard:?}",
                heard.len()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until an event of each type has come; all requests.
    pub fn wait_for_types(&self, types: &[&str]) -> Vec<Heard> {
        let started = Instant::now();
        loop {
            let heard = self.heard();
            let came: Vec<String> = heard.iter().map(Heard::kind).collect();
            if types.iter().all(|wanted| came.iter().any(|kind| kind == wanted)) {
                return heard;
            }
            assert!(started.elapsed() < PATIENCE, "only {came:?} came");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// One request and what is done with it; None: the connection has ended.
fn converse(connection: &mut TcpStream, heard: &Mutex<Vec<Heard>>, answer: &dyn Fn(usize) -> Answer) -> Option<()> {
    let mut head = Vec::new();
    // Byte by byte: what is not read when the connection is dropped makes it a reset.
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let number = heard.lock().expect("no panic").len();
    let answer = answer(number);
    let mut body = vec![0; headers["content-length"].parse().expect("a length")];
    if !matches!(answer, Answer::Reset) {
        connection.read_exact(&mut body).ok()?;
    }
    heard.lock().expect("no panic").push(Heard {
        path,
        headers,
        body: String::from_utf8(body).expect("text"),
        at: Instant::now(),
    });
    match answer {
        Answer::Status(status, lines) => {
            write!(connection, "HTTP/1.1 {status} Said\r\n{lines}content-length: 0\r\n\r\n").ok()?;
            Some(())
        }
        Answer::Hang => {
            std::thread::sleep(PATIENCE);
            None
        }
        Answer::Drip => {
            for byte in b"HTTP/1.1 200 OK\r\nx-drip: "
                .iter()
                .chain(std::iter::repeat_n(&b'x', 500))
            {
                connection.write_all(&[*byte]).ok()?;
                std::thread::sleep(Duration::from_millis(100));
            }
            None
        }
        Answer::Reset | Answer::Cut => None,
    }
}
