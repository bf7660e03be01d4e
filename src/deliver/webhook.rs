//! One try: the request, what came back, and what that is called.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::Url;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::SecretString;

use super::failure::Failure;
use super::schedule::{self, Outcome};
use super::signature;
use crate::guard::{Blocked, Guard};

/// Bytes that are kept of an answer.
pub const KEPT: usize = 1 << 10;
/// A connection that fails so soon is tried again at once; both are one try.
const SOON: Duration = Duration::from_secs(1);
/// Between the two.
const BREATH: Duration = Duration::from_millis(250);

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    /// `Retry-After`
    pub asked: Option<Duration>,
    wish: Option<Wish>,
    /// Its first bytes, as text.
    pub text: String,
}

/// What a receiver may ask for in the header `webhook-delivery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Disable,
    AbortMessage,
}

impl Answer {
    pub const fn outcome(&self) -> Outcome {
        match (self.wish, self.status) {
            (Some(Wish::Disable), status) => Outcome::SwitchOff {
                delivered: matches!(status, 200..=299),
            },
            (_, 200..=299) => Outcome::Delivered,
            (_, 410) => Outcome::Gone,
            (Some(Wish::AbortMessage), _) => Outcome::Abort,
            (None, 429) => Outcome::Busy,
            (None, 503) if self.asked.is_some() => Outcome::Busy,
            (None, _) => Outcome::Failed,
        }
    }

    fn head(status: u16, headers: &HeaderMap, now: DateTime<Utc>) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            status,
            asked: text(RETRY_AFTER.as_str()).and_then(|said| schedule::retry_after(said, now)),
            wish: match text("webhook-delivery").map(str::trim) {
                Some("disable") => Some(Wish::Disable),
                Some("abort-message") => Some(Wish::AbortMessage),
                _ => None,
            },
            text: String::new(),
        }
    }
}

/// A webhook that is to be sent.
pub struct Webhook<'a> {
    pub url: &'a str,
    /// Of the event: the same at every try.
    pub id: &'a str,
    pub body: &'a str,
    /// Each signs.
    pub secrets: &'a [SecretString],
}

impl Webhook<'_> {
    /// Sends it. All together, with the body of the answer, takes no longer than `within`.
    pub async fn send(&self, guard: &Guard, within: Duration) -> Result<Answer, Failure> {
        let until = tokio::time::Instant::now() + within;
        let started = Instant::now();
        let sent = tokio::time::timeout_at(until, self.request(guard)).await;
        let (answer, response) = match sent.unwrap_or(Err((Failure::Timeout, false))) {
            Ok(answered) => answered,
            Err((_, true)) if started.elapsed() < SOON => {
                tokio::time::sleep(BREATH).await;
                let again = tokio::time::timeout_at(until, self.request(guard)).await;
                again
                    .unwrap_or(Err((Failure::Timeout, false)))
                    .map_err(|(failure, _)| failure)?
            }
            Err((failure, _)) => return Err(failure),
        };
        Ok(Answer {
            text: beginning(response, until).await,
            ..answer
        })
    }

    /// The head of the answer; or why there is none, and whether there was not even a connection.
    async fn request(&self, guard: &Guard) -> Result<(Answer, reqwest::Response), (Failure, bool)> {
        // It was a URL when it came in, under other rules perhaps.
        let url = Url::parse(self.url).map_err(|_| (Failure::Blocked(Blocked::Host), false))?;
        let client = guard
            .client(&url)
            .map_err(|blocked| (Failure::Blocked(blocked), false))?;
        // Receivers refuse a time that is minutes ago.
        let timestamp = Utc::now().timestamp();
        let signature = signature::sign(self.secrets, self.id, timestamp, self.body).ok_or((Failure::Secret, false))?;
        let request = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", self.id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(self.body.to_owned());
        match request.send().await {
            Ok(response) => {
                let answer = Answer::head(response.status().as_u16(), response.headers(), Utc::now());
                Ok((answer, response))
            }
            Err(error) => {
                let failure = Failure::of(&error);
                let may_pass = !matches!(failure, Failure::Blocked(_) | Failure::Timeout);
                Err((failure, error.is_connect() && may_pass))
            }
        }
    }
}

/// The first bytes of an answer, as far as they come in time: what it says is in its status.
async fn beginning(mut response: reqwest::Response, until: tokio::time::Instant) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < KEPT {
        match tokio::time::timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => bytes.extend_from_slice(&chunk[..chunk.len().min(KEPT - bytes.len())]),
            _ => break,
        }
    }
    // No database keeps a NUL.
    String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use ipnet::IpNet;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::deliver::signature::fresh_secret;

    fn guard() -> Guard {
        let here: IpNet = "127.0.0.0/8".parse().expect("a network");
        Guard::new(vec![here]).expect("a client")
    }

    async fn send(url: &str, within: Duration) -> Result<Answer, Failure> {
        let secrets = [fresh_secret().expect("random")];
        let webhook = Webhook {
            url,
            id: "evt_1",
            body: "{}",
            secrets: &secrets,
        };
        webhook.send(&guard(), within).await
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// A receiver that hears each request out and then does as it is told; how many connections came.
    async fn against<F>(within: Duration, then: impl Fn(TcpStream) -> F) -> (Result<Answer, Failure>, Duration, u32)
    where
        F: Future<Output = Option<TcpStream>>,
    {
        let (listener, address) = listener().await;
        let started = Instant::now();
        let mut connections = 0;
        let mut kept = Vec::new();
        let receive = async {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                connections += 1;
                let mut request = [0; 4096];
                while !request.windows(6).any(|end| end == b"\r\n\r\n{}") {
                    let read = socket.read(&mut request).await.expect("a request");
                    if read == 0 {
                        break;
                    }
                }
                kept.extend(then(socket).await);
            }
        };
        let url = format!("http://{address}/");
        tokio::select! {
            () = receive => unreachable!("it goes on"),
            sent = send(&url, within) => (sent, started.elapsed(), connections),
        }
    }

    async fn answers(text: &str) -> Answer {
        let (sent, _, connections) = against(Duration::from_secs(5), async |mut socket: TcpStream| {
            socket.write_all(text.as_bytes()).await.expect("answered");
            None
        })
        .await;
        assert_eq!(connections, 1);
        sent.expect("an answer")
    }

    const SHORT: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn answers_are_read() {
        let answer = answers("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nok\0да\n").await;
        assert_eq!((answer.status, answer.outcome()), (200, Outcome::Delivered));
        assert_eq!(answer.text, "ok\u{fffd}да\n");
        let answer = answers("HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(
            (answer.asked, answer.outcome()),
            (Some(Duration::from_secs(7)), Outcome::Busy)
        );
        for (status, header, outcome) in [
            (204, "x: y", Outcome::Delivered),
            (299, "webhook-delivery: abort-message", Outcome::Delivered),
            (302, "location: http://127.0.0.1/", Outcome::Failed),
            (400, "x: y", Outcome::Failed),
            (410, "webhook-delivery: abort-message", Outcome::Gone),
            (500, "webhook-delivery: abort-message", Outcome::Abort),
            (
                500,
                "webhook-delivery: disable",
                Outcome::SwitchOff { delivered: false },
            ),
            (202, "webhook-delivery: disable", Outcome::SwitchOff { delivered: true }),
            (503, "x: y", Outcome::Failed),
            (503, "retry-after: 1", Outcome::Busy),
        ] {
            let answer = answers(&format!("HTTP/1.1 {status} X\r\n{header}\r\ncontent-length: 0\r\n\r\n")).await;
            assert_eq!((answer.status, answer.outcome()), (status, outcome), "{header}");
        }
    }

    #[tokio::test]
    async fn one_kibibyte_of_an_answer_is_kept() {
        let answer = answers(&format!(
            "HTTP/1.1 500 No\r\ncontent-length: 99999\r\n\r\n{}",
            "x".repeat(99_999)
        ))
        .await;
        assert_eq!(answer.text.len(), KEPT);
    }

    #[tokio::test]
    async fn a_receiver_that_hangs_does_not_hold_us() {
        let (sent, took, connections) = against(SHORT, async |socket| Some(socket)).await;
        assert_eq!((sent.expect_err("no answer"), connections), (Failure::Timeout, 1));
        assert!(took < 4 * SHORT, "{took:?}");
    }

    #[tokio::test]
    async fn a_receiver_that_drips_does_not_hold_us() {
        // In the middle of the head.
        let (sent, took, _) = against(SHORT, async |mut socket: TcpStream| {
            socket.write_all(b"HTTP/1.1 200 O").await.expect("written");
            Some(socket)
        })
        .await;
        assert_eq!(sent.expect_err("no answer"), Failure::Timeout);
        assert!(took < 4 * SHORT, "{took:?}");
        // In the body: what it thinks is known.
        let (sent, took, _) = against(SHORT, async |mut socket: TcpStream| {
            socket
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
                .await
                .expect("written");
            Some(socket)
        })
        .await;
        let answer = sent.expect("an answer");
        assert_eq!((answer.status, answer.text.as_str()), (200, "half"));
        assert!(took < 4 * SHORT, "{took:?}");
    }

    #[tokio::test]
    async fn connections_that_break_have_a_name() {
        let cut = against(SHORT, async |_| None).await;
        assert_eq!((cut.0.expect_err("no answer"), cut.2), (Failure::Cut, 1));
        let reset = against(SHORT, async |socket: TcpStream| {
            socket.set_zero_linger().expect("an option");
            None
        })
        .await;
        assert_eq!((reset.0.expect_err("no answer"), reset.2), (Failure::Reset, 1));
        let noise = against(SHORT, async |mut socket: TcpStream| {
            socket.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").await.expect("written");
            Some(socket)
        })
        .await;
        assert_eq!(noise.0.expect_err("no answer"), Failure::Cut);
    }

    #[tokio::test]
    async fn a_connection_that_fails_at_once_is_tried_again_at_once() {
        let (listener, address) = listener().await;
        drop(listener);
        let url = format!("http://{address}/");
        let started = Instant::now();
        assert_eq!(
            send(&url, Duration::from_secs(5)).await.expect_err("refused"),
            Failure::Refused
        );
        assert!(started.elapsed() >= BREATH);
        // Meanwhile it has come back.
        let receiver = async {
            tokio::time::sleep(BREATH / 2).await;
            let listener = TcpListener::bind(address).await.expect("the port");
            let (mut socket, _) = listener.accept().await.expect("a connection");
            let _ = socket.read(&mut [0; 4096]).await.expect("a request");
            socket.write_all(b"HTTP/1.1 204 Yes\r\n\r\n").await.expect("answered");
        };
        let (sent, ()) = tokio::join!(send(&url, Duration::from_secs(5)), receiver);
        assert_eq!(sent.expect("an answer").status, 204);
    }

    #[tokio::test]
    async fn what_there_is_no_connection_to_has_a_name() {
        let (listener, address) = listener().await;
        let plain = tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                let _ = socket.write_all(b"HTTP/1.1 400 This is HTTP\r\n\r\n").await;
            }
        });
        let within = Duration::from_secs(5);
        let failed = async |url: &str| send(url, within).await.expect_err("no answer");
        assert_eq!(failed(&format!("https://{address}/")).await, Failure::Tls);
        plain.abort();
        assert_eq!(failed("https://receiver.invalid/").await, Failure::Name);
        assert_eq!(failed("https://10.0.0.1/").await, Failure::Blocked(Blocked::Private));
        assert_eq!(failed("http://1.1.1.1/").await, Failure::Blocked(Blocked::Plain));
        assert_eq!(failed("file:///etc/passwd").await, Failure::Blocked(Blocked::Scheme));
        assert_eq!(failed("not an address").await, Failure::Blocked(Blocked::Host));
    }
}
