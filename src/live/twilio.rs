//! Media streams of telephony: frames of Twilio and of Voximplant, which sends the same with numbers where Twilio has
//! strings and leaves `streamSid` out.
//!
//! Owns the parser and the joining of the two tracks into one stream of two channels, the customer's line (`inbound`) on
//! the left.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::protocol::Side;
use super::sound::SILENCE;

/// Longer frames are refused, in bytes.
pub const LONGEST_FRAME: usize = 16 * 1024;
/// Samples per second of what these services send.
pub const RATE: u32 = 8_000;
/// How far one track may run ahead of the other before the other counts as silent, in samples: half a second.
const AHEAD: usize = RATE as usize / 2;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("a frame has {0} bytes; {LONGEST_FRAME} are allowed")]
    TooLong(usize),
    #[error("a frame is not understood: {0}")]
    Shape(String),
    #[error("the sound of a frame is no base64: {0}")]
    Payload(String),
    #[error("sound comes as {encoding} at {rate} samples per second; send audio/x-mulaw at {RATE}")]
    Format { encoding: String, rate: u32 },
}

/// One frame, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Connected,
    Start(Start),
    Media {
        track: Side,
        sound: Vec<u8>,
    },
    Stop,
    /// Marks and keys: nothing for us.
    Other,
}

/// What the service says of the call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    pub call_sid: Option<String>,
    /// Set by the customer in their call flow.
    pub parameters: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Wire {
    event: String,
    start: Option<WireStart>,
    media: Option<WireMedia>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireStart {
    call_sid: Option<String>,
    media_format: Option<WireFormat>,
    #[serde(default)]
    custom_parameters: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireFormat {
    encoding: Option<String>,
    sample_rate: Option<Number>,
}

#[derive(Deserialize)]
struct WireMedia {
    track: Option<String>,
    payload: String,
}

/// Twilio writes numbers as strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Digits(u32),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u32> {
        match self {
            Self::Digits(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }
}

pub fn read(text: &str) -> Result<Frame, Error> {
    if text.len() > LONGEST_FRAME {
        return Err(Error::TooLong(text.len()));
    }
    let wire: Wire = serde_json::from_str(text).map_err(|error| Error::Shape(error.to_string()))?;
    let missing = |what: &str| Error::Shape(format!("`{}` without `{what}`", wire.event));
    match wire.event.as_str() {
        "connected" => Ok(Frame::Connected),
        "start" => {
            let start = wire.start.as_ref().ok_or_else(|| missing("start"))?;
            if let Some(format) = &start.media_format {
                check(format)?;
            }
            let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let parameters = start.custom_parameters.iter().flatten();
            Ok(Frame::Start(Start {
                call_sid: start.call_sid.clone(),
                parameters: parameters.map(|(name, value)| (name.clone(), text(value))).collect(),
            }))
        }
        "media" => {
            let media = wire.media.as_ref().ok_or_else(|| missing("media"))?;
            let track = match media.track.as_deref() {
                None | Some("inbound" | "inbound_track") => Side::Left,
                Some("outbound" | "outbound_track") => Side::Right,
                Some(other) => return Err(Error::Shape(format!("track `{other}` is neither inbound nor outbound"))),
            };
            let sound = STANDARD
                .decode(&media.payload)
                .map_err(|error| Error::Payload(error.to_string()))?;
            Ok(Frame::Media { track, sound })
        }
        "stop" | "closed" => Ok(Frame::Stop),
        _ => Ok(Frame::Other),
    }
}

fn check(format: &WireFormat) -> Result<(), Error> {
    let rate = format
        .sample_rate
        .as_ref()
        .map_or(Some(RATE), Number::value)
        .unwrap_or(0);
    let encoding = format.encoding.as_deref().unwrap_or("audio/x-mulaw");
    let known = ["audio/x-mulaw", "audio/mulaw", "audio/pcmu", "mulaw", "ulaw", "pcmu"];
    if rate != RATE || !known.contains(&encoding.to_lowercase().as_str()) {
        return Err(Error::Format {
            encoding: encoding.to_owned(),
            rate,
        });
    }
    Ok(())
}

/// Two tracks that come in turns → one stream, sample by sample left, right.
#[derive(Debug, Default)]
pub struct Tracks {
    left: Vec<u8>,
    right: Vec<u8>,
}

impl Tracks {
    pub fn push(&mut self, track: Side, sound: &[u8]) -> Vec<u8> {
        match track {
            Side::Left => self.left.extend_from_slice(sound),
            Side::Right => self.right.extend_from_slice(sound),
        }
        // A track that sends nothing is silent: the other does not wait for it.
        let longest = self.left.len().max(self.right.len());
        let ready = self.left.len().min(self.right.len()).max(longest.saturating_sub(AHEAD));
        self.join(ready)
    }

    /// The rest.
    pub fn finish(&mut self) -> Vec<u8> {
        self.join(self.left.len().max(self.right.len()))
    }

    fn join(&mut self, samples: usize) -> Vec<u8> {
        let at = |track: &[u8], place: usize| track.get(place).copied().unwrap_or(SILENCE);
        let joined = (0..samples)
            .flat_map(|place| [at(&self.left, place), at(&self.right, place)])
            .collect();
        self.left.drain(..samples.min(self.left.len()));
        self.right.drain(..samples.min(self.right.len()));
        joined
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn twilio_writes_strings_and_voximplant_numbers() {
        let twilio = r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1",
            "tracks":["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":"8000","channels":1},
            "customParameters":{"deal":"d-1"}},"streamSid":"MZ1"}"#;
        let Ok(Frame::Start(start)) = read(twilio) else {
            panic!("no start");
        };
        assert_eq!(start.call_sid.as_deref(), Some("CA1"));
        assert_eq!(start.parameters["deal"], "d-1");
        let voximplant = r#"{"event":"start","sequenceNumber":1,"start":{"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000},
            "customParameters":{"deal":7}}}"#;
        let Ok(Frame::Start(start)) = read(voximplant) else {
            panic!("no start");
        };
        assert_eq!(start.parameters["deal"], "7");
        for (number, track) in [(r#""2""#, Side::Left), ("2", Side::Left)] {
            let media = format!(
                r#"{{"event":"media","sequenceNumber":{number},"media":{{"track":"inbound","chunk":{number},"timestamp":{number},"payload":"/3//"}}}}"#
            );
            let sound = vec![0xff, 0x7f, 0xff];
            assert_eq!(read(&media), Ok(Frame::Media { track, sound }));
        }
        let stop = r#"{"event":"stop","sequenceNumber":9,"stop":{"mediaInfo":{"bytesSent":320,"duration":1}}}"#;
        assert_eq!(read(stop), Ok(Frame::Stop));
        assert_eq!(
            read(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#),
            Ok(Frame::Connected)
        );
        assert_eq!(read(r#"{"event":"mark","mark":{"name":"x"}}"#), Ok(Frame::Other));
    }

    #[test]
    fn damaged_frames_are_errors() {
        assert!(matches!(read("{"), Err(Error::Shape(_))));
        assert!(matches!(read(r#"{"event":"media"}"#), Err(Error::Shape(_))));
        assert!(matches!(
            read(r#"{"event":"media","media":{"track":"third","payload":""}}"#),
            Err(Error::Shape(_))
        ));
        assert!(matches!(
            read(r#"{"event":"media","media":{"payload":"?"}}"#),
            Err(Error::Payload(_))
        ));
        assert!(matches!(read(&"x".repeat(LONGEST_FRAME + 1)), Err(Error::TooLong(_))));
        let wide = r#"{"event":"start","start":{"mediaFormat":{"encoding":"audio/x-l16","sampleRate":"16000"}}}"#;
        assert!(matches!(read(wide), Err(Error::Format { rate: 16_000, .. })));
    }

    #[test]
    fn a_track_that_says_nothing_is_silent() {
        let mut tracks = Tracks::default();
        assert!(tracks.push(Side::Left, &[1; 160]).is_empty());
        assert_eq!(tracks.push(Side::Right, &[2; 100]), [1, 2].repeat(100));
        let out = tracks.push(Side::Left, &[1; AHEAD]);
        assert_eq!(out, [1, SILENCE].repeat(60));
        assert_eq!(tracks.finish().len(), 2 * AHEAD);
    }

    proptest! {
        /// However the tracks come in turns, each keeps its own sound in order.
        #[test]
        fn no_sample_is_lost(pieces in proptest::collection::vec((any::<bool>(), 0_usize..400), 0..40)) {
            let mut tracks = Tracks::default();
            let mut sent = [0_u8, 0];
            let mut counts = [0_usize, 0];
            let mut out = Vec::new();
            for (right, length) in pieces {
                let side = usize::from(right);
                // 1…200: never the byte of silence.
                let sound: Vec<u8> = (0..length).map(|_| { sent[side] = sent[side] % 200 + 1; sent[side] }).collect();
                counts[side] += length;
                out.extend(tracks.push(if right { Side::Right } else { Side::Left }, &sound));
            }
            out.extend(tracks.finish());
            for side in [0, 1] {
                let heard: Vec<u8> = out.iter().skip(side).step_by(2).copied().filter(|&byte| byte != SILENCE).collect();
                let expected: Vec<u8> = (0..counts[side]).map(|at| (at % 200) as u8 + 1).collect();
                prop_assert_eq!(heard, expected);
            }
        }
    }
}
