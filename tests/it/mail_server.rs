//! A mail server on a real socket, that can be told to refuse, to hang and to cut the line.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// A place in the talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Greeting,
    SignIn,
    Recipient,
    /// The letter is there.
    Letter,
}

/// What is done with a connection.
#[derive(Debug, Clone, Copy)]
pub enum Does {
    Takes,
    Says(At, &'static str),
    Cuts(At),
    Hangs(At),
}

/// A letter that came to its end, taken or not.
#[derive(Debug, Clone, Default)]
pub struct Came {
    pub from: String,
    pub to: Vec<String>,
    /// As it was signed in with.
    pub user: Option<String>,
    pub encrypted: bool,
    pub text: String,
}

impl Came {
    /// How Python's library reads it: headers, subject, text.
    pub fn read(&self) -> Value {
        let mut child = Command::new("python3")
            .args(["-B", "-c", READER])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("python3");
        let mut input = child.stdin.take().expect("stdin");
        input.write_all(self.text.as_bytes()).expect("written");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

const READER: &str = "
import email, email.policy, json, sys
letter = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
print(json.dumps({
    'headers': sorted(letter.keys()),
    'type': letter.get_content_type(),
    'charset': letter.get_content_charset(),
    'from': str(letter['From']),
    'to': [str(address) for address in letter['To'].addresses],
    'reply_to': str(letter['Reply-To']),
    'subject': str(letter['Subject']),
    'id': str(letter['Message-ID']),
    'date': letter['Date'].datetime.isoformat(),
    'defects': [str(defect) for defect in letter.defects],
    'body': letter.get_content(),
}))
";

/// When a connection is encrypted.
#[derive(Clone)]
pub enum Tls {
    Never,
    AtOnce(Arc<ServerConfig>),
    OnDemand(Arc<ServerConfig>),
}

/// A certificate for `localhost`, in `folder`: where it lies, and what a server needs of it.
pub fn certificate(folder: &Path) -> (String, Arc<ServerConfig>) {
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost".split(' '),
        )
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")],
            PrivateKeyDer::from_pem_file(&key).expect("a key"),
        )
        .expect("they fit");
    (certificate.to_string_lossy().into_owned(), Arc::new(config))
}

pub struct MailServer {
    pub port: u16,
    came: Arc<Mutex<Vec<Came>>>,
    connections: Arc<Mutex<usize>>,
}

impl MailServer {
    /// `does`: what to do with the connection of this number, from 0.
    pub fn new(tls: Tls, does: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self {
            port: listener.local_addr().expect("an address").port(),
            came: Arc::default(),
            connections: Arc::default(),
        };
        let (came, connections, does) = (server.came.clone(), server.connections.clone(), Arc::new(does));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let number = {
                    let mut connections = connections.lock().expect("no panic");
                    *connections += 1;
                    *connections - 1
                };
                let (came, tls, does) = (came.clone(), tls.clone(), does(number));
                let socket = socket.expect("a connection");
                std::thread::spawn(move || greet(socket, &tls, does, &came));
            }
        });
        server
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().expect("no panic").clone()
    }

    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("no panic")
    }

    /// Waits until so many letters have come; all of them.
    pub fn wait_for(&self, count: usize) -> Vec<Came> {
        let started = Instant::now();
        loop {
            let came = self.came();
            if came.len() >= count {
                return came;
            }
            assert!(started.elapsed() < PATIENCE, "{} of {count} came", came.len());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn greet(socket: TcpStream, tls: &Tls, does: Does, came: &Mutex<Vec<Came>>) {
    match tls {
        Tls::AtOnce(config) => {
            let Ok(connection) = ServerConnection::new(config.clone()) else {
                return;
            };
            talk(StreamOwned::new(connection, socket), true, false, does, came);
        }
        Tls::Never => drop(talk(socket, false, false, does, came)),
        Tls::OnDemand(config) => {
            if let Some(socket) = talk(socket, false, true, does, came) {
                let Ok(connection) = ServerConnection::new(config.clone()) else {
                    return;
                };
                // Who has spoken before is not greeted again.
                again(StreamOwned::new(connection, socket), does, came);
            }
        }
    }
}

fn again(stream: impl Read + Write, does: Does, came: &Mutex<Vec<Came>>) {
    let mut talk = Talk::new(stream, true, false, does);
    while talk.command(came).is_some() {}
}

/// Gives the stream back where it is to be encrypted.
fn talk<S: Read + Write>(stream: S, encrypted: bool, offers: bool, does: Does, came: &Mutex<Vec<Came>>) -> Option<S> {
    let mut talk = Talk::new(stream, encrypted, offers, does);
    talk.answer(At::Greeting, "220 mail.example ready")?;
    while talk.command(came).is_some() {
        if talk.wants_tls {
            return Some(talk.stream.into_inner());
        }
    }
    None
}

struct Talk<S> {
    stream: BufReader<S>,
    offers_tls: bool,
    wants_tls: bool,
    does: Does,
    letter: Came,
}

impl<S: Read + Write> Talk<S> {
    fn new(stream: S, encrypted: bool, offers_tls: bool, does: Does) -> Self {
        Self {
            stream: BufReader::new(stream),
            offers_tls,
            wants_tls: false,
            does,
            letter: Came {
                encrypted,
                ..Came::default()
            },
        }
    }

    fn say(&mut self, line: &str) -> Option<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).ok()?;
        stream.flush().ok()
    }

    /// None: the connection has ended.
    fn answer(&mut self, at: At, usual: &str) -> Option<()> {
        match self.does {
            Does::Says(place, line) if place == at => self.say(line),
            Does::Cuts(place) if place == at => None,
            Does::Hangs(place) if place == at => {
                std::thread::sleep(PATIENCE);
                None
            }
            _ => self.say(usual),
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end_matches("\r\n").to_owned())
    }

    fn command(&mut self, came: &Mutex<Vec<Came>>) -> Option<()> {
        let line = self.line()?;
        let word = line.split(' ').next().unwrap_or_default().to_uppercase();
        match word.as_str() {
            "EHLO" if self.offers_tls => self.say("250-mail.example\r\n250 STARTTLS"),
            "EHLO" => self.say("250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN"),
            "STARTTLS" => {
                self.wants_tls = true;
                self.say("220 go on")
            }
            "AUTH" => {
                use base64::Engine as _;
                let told = line.rsplit(' ').next().expect("a word");
                let told = base64::engine::general_purpose::STANDARD.decode(told).expect("base64");
                self.letter.user = Some(String::from_utf8(told).expect("text").replace('\0', "|"));
                self.answer(At::SignIn, "235 welcome")
            }
            "MAIL" => {
                self.letter.from = line;
                self.say("250 ok")
            }
            "RCPT" => {
                self.letter.to.push(line);
                self.answer(At::Recipient, "250 ok")
            }
            "DATA" => {
                self.say("354 go on")?;
                loop {
                    let line = self.line()?;
                    if line == "." {
                        break;
                    }
                    self.letter.text += line.strip_prefix('.').unwrap_or(&line);
                    self.letter.text += "\r\n";
                }
                came.lock().expect("no panic").push(self.letter.clone());
                self.answer(At::Letter, "250 2.0.0 taken as 4711")
            }
            "QUIT" => {
                let _ = self.say("221 bye");
                None
            }
            _ => self.say("502 what?"),
        }
    }
}
