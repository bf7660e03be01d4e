//! What goes over the wire of a live call: messages of the client and of the server (contract, section 4).
//!
//! Every message of the server carries a number that grows. After a broken connection the client names the last one that it
//! saw, gets what came after it, and then `ready`, which says how much of its own has arrived: it goes on from there, so
//! nothing is lost and nothing is heard twice.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use crate::document::{DealInfo, TurnInfo};
use crate::domain::{Call, Evidence, PastEvidence, Role, Turn};
use crate::ingest;

/// Text frames of a client are no longer than this, in bytes.
pub const LONGEST_MESSAGE: usize = 256 * 1024;

/// A message of the client.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Opens a call: a call file without turns. Without `audio` the client sends turns.
    Start {
        #[serde(default)]
        call: Value,
        audio: Option<AudioFormat>,
    },
    Turn {
        turn: Value,
    },
    /// The call is over.
    Stop,
    /// Goes on with a call after a broken connection; `after` is the last number that arrived.
    Resume {
        call_id: String,
        #[serde(default)]
        after: u64,
    },
    /// Looks at a call that somebody else holds; `after` is the last number that arrived.
    Watch {
        call_id: String,
        #[serde(default)]
        after: u64,
    },
}

/// How the client's sound is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFormat {
    pub encoding: Encoding,
    /// Samples per second of each channel, 8,000–48,000.
    pub sample_rate: u32,
    /// 1, or 2 with a speaker on each.
    #[serde(default = "one")]
    pub channels: u16,
    /// The channel of the seller's side, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rep: Option<Side>,
}

const fn one() -> u16 {
    1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// 16 bits, the lower byte first.
    PcmS16le,
    /// 8 bits (G.711).
    Mulaw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The first channel.
    Left,
    Right,
}

impl ClientMessage {
    pub fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Message(error.to_string()))
    }
}

/// The call of `start`: what is known of it before anybody speaks.
pub fn call_of(mut header: Value) -> Result<Call, Error> {
    if header.is_null() {
        header = Value::Object(serde_json::Map::new());
    }
    let fields = header
        .as_object_mut()
        .ok_or_else(|| Error::Message("`call` is no object; send a call file without turns".to_owned()))?;
    if fields
        .get("turns")
        .and_then(Value::as_array)
        .is_some_and(|turns| !turns.is_empty())
    {
        return Err(Error::Message(
            "`call` has turns; send them as messages of type `turn`".to_owned(),
        ));
    }
    fields.insert("turns".to_owned(), Value::Array(Vec::new()));
    Ok(ingest::call_file("live", header)?)
}

/// The turn of a `turn` message; `count` turns came before it.
pub fn turn_of(turn: Value, count: usize) -> Result<Turn, Error> {
    let numbered = turn.get("i").is_some_and(|i| !i.is_null());
    let file = serde_json::json!({ "turns": [turn] });
    let mut turn = ingest::call_file("live", file)?
        .turns
        .pop()
        .ok_or_else(|| Error::Message("`turn` holds no turn".to_owned()))?;
    if !numbered {
        turn.i = u32::try_from(count + 1).unwrap_or(u32::MAX);
    }
    Ok(turn)
}

/// A message of the server with its number.
#[derive(Debug, Clone, Serialize)]
pub struct Numbered<'a> {
    pub seq: u64,
    #[serde(flatten)]
    pub message: &'a ServerMessage,
}

/// A message of the server.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The call is open. Behind a `resume` it follows what the client had missed.
    Ready {
        call_id: String,
        received: Received,
    },
    /// Words of somebody who still speaks. It replaces the one before of the same speaker.
    Partial(Partial),
    /// A turn, as in the analysis, labelled by what had been said up to it.
    Turn {
        turn: TurnInfo,
    },
    /// Where the deal stands, after a change.
    Deal {
        deal: Box<DealInfo>,
        changed: Vec<Change>,
    },
    Hint(Hint),
    /// The call has ended.
    Final {
        call_id: String,
        analysis: Value,
    },
    Error(Problem),
}

impl ServerMessage {
    /// Kept for a client that comes back. What holds only for the moment is not.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::Ready { .. } | Self::Partial(_))
    }

    /// The JSON of one frame.
    pub fn to_json(&self, seq: u64) -> Result<String, Error> {
        serde_json::to_string(&Numbered { seq, message: self }).map_err(|error| Error::Message(error.to_string()))
    }
}

/// How much of the whole call has arrived, over all connections: the client goes on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Received {
    Turns(u64),
    /// Bytes of sound.
    Bytes(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Partial {
    pub speaker: &'static str,
    pub role: Role,
    /// Seconds from the start of the call.
    pub start_s: f64,
    /// Seconds from the start of the call.
    pub end_s: f64,
    pub text: String,
}

/// What became otherwise with the deal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// `stage`, `outcome`, `on_hold`, `abstained`, `flags`, or an element of the process.
    pub of: String,
    pub from: Value,
    pub to: Value,
    /// In the language of the call.
    pub why: String,
    pub evidence: Vec<Evidence>,
    /// Words of earlier calls.
    pub earlier: Vec<PastEvidence>,
}

/// An action or a warning, said once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hint {
    pub kind: HintKind,
    /// Of the action or of the premature move.
    pub id: String,
    pub title: String,
    pub why: String,
    pub evidence: Vec<Evidence>,
    /// Words of earlier calls.
    pub earlier: Vec<PastEvidence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HintKind {
    Action,
    /// A move that came too early.
    Warning,
}

/// What went wrong, and whether the call goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub code: ProblemCode,
    pub message: String,
    /// The server closes the connection after it; a call that was opened can be resumed.
    pub closes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The message is not understood.
    BadMessage,
    /// No such call, or it has ended.
    NoCall,
    /// The client reads slower than the call goes; what it missed can be had by `resume`.
    Lagging,
    /// It has ended and could not be analysed.
    Failed,
    Internal,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Language;

    #[test]
    fn messages_of_the_contract() {
        let start = ClientMessage::read(
            r#"{"type":"start","call":{"id":"c-1","lang":"ru"},"audio":{"encoding":"pcm_s16le","sample_rate":16000,"channels":1}}"#,
        )
        .expect("start");
        let ClientMessage::Start { call, audio } = start else {
            panic!("{start:?}");
        };
        assert_eq!(audio.expect("audio").encoding, Encoding::PcmS16le);
        let call = call_of(call).expect("a call");
        assert_eq!(
            (call.id.as_str(), call.language, call.turns.len()),
            ("c-1", Some(Language::Ru), 0)
        );
        let turn =
            ClientMessage::read(r#"{"type":"turn","turn":{"role":"buyer","text":"Да","start_s":1.0,"end_s":2.5}}"#)
                .expect("turn");
        let ClientMessage::Turn { turn } = turn else {
            panic!("{turn:?}");
        };
        let turn = turn_of(turn, 4).expect("a turn");
        assert_eq!((turn.i, turn.role, turn.speaker.as_str()), (5, Role::Buyer, "buyer"));
        assert_eq!(
            ClientMessage::read(r#"{"type":"stop"}"#).expect("stop"),
            ClientMessage::Stop
        );
        let resume = ClientMessage::read(r#"{"type":"resume","call_id":"x","after":7}"#).expect("resume");
        let expected = ClientMessage::Resume {
            call_id: "x".to_owned(),
            after: 7,
        };
        assert_eq!(resume, expected);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for wrong in ["", "{}", r#"{"type":"hello"}"#, r#"{"type":"turn"}"#, "[1]"] {
            assert!(ClientMessage::read(wrong).is_err(), "{wrong}");
        }
        assert!(call_of(serde_json::json!({"turns": [{"text": "hello"}]})).is_err());
        assert!(call_of(serde_json::json!([])).is_err());
        assert!(turn_of(serde_json::json!({"role": "rep"}), 0).is_err());
        assert!(turn_of(serde_json::json!({"text": "x", "start_s": -1.0}), 0).is_err());
        assert_eq!(
            turn_of(serde_json::json!({"text": "x", "i": 9}), 0)
                .expect("numbered")
                .i,
            9
        );
    }

    #[test]
    fn every_message_carries_its_number() {
        let ready = ServerMessage::Ready {
            call_id: "c".to_owned(),
            received: Received::Turns(3),
        };
        assert_eq!(
            ready.to_json(4).expect("json"),
            r#"{"seq":4,"type":"ready","call_id":"c","received":{"turns":3}}"#
        );
        assert!(!ready.is_kept());
    }
}
