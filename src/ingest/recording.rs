//! Recordings: decoded packet by packet, resampled as they come, so that memory holds the result and little else.

use std::io::Cursor;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia_adapter_libopus::OpusDecoder;

use super::resample::Resampler;
use super::{Error, names};
use crate::domain::{Recording, SAMPLE_RATE};

const LOWEST_RATE: u32 = 8_000;
const HIGHEST_RATE: u32 = 48_000;
/// A channel each for two speakers; more are a conference recorder's.
const MOST_CHANNELS: usize = 2;
/// Containers round the times of their packets; a longer hole is missing sound.
const LONGEST_HOLE_S: f64 = 0.1;
/// A recorder that was halted for longer has made two recordings.
const LONGEST_HALT_S: f64 = 3600.0;
/// Encoders say their length a little wrong, players never notice.
const SHORTFALL_S: f64 = 0.5;
/// First bytes of Matroska and WebM.
const MATROSKA: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// By its first bytes: the ending of a name says nothing.
pub fn is_recording(bytes: &[u8]) -> bool {
    let at = |from: usize, mark: &[u8]| bytes.get(from..from + mark.len()) == Some(mark);
    let mpeg = bytes.len() > 2 && bytes[0] == 0xff && bytes[1] & 0xe0 == 0xe0 && bytes[1] & 0x06 != 0;
    let adts = bytes.len() > 2 && bytes[0] == 0xff && bytes[1] & 0xf6 == 0xf0;
    at(0, b"RIFF")
        || at(0, b"RF64")
        || at(0, b"fLaC")
        || at(0, b"OggS")
        || at(0, b"ID3")
        || at(4, b"ftyp")
        || at(0, &MATROSKA)
        // UTF-16 text begins with ff fe, which no frame of MPEG audio does (its layer would be "reserved").
        || (mpeg && !at(0, &[0xff, 0xfe]))
        || adts
}

/// `longest_s`: more sound is refused as soon as it is there; what the file says of its length is not believed.
pub fn decode(file: &str, mut bytes: Vec<u8>, longest_s: Option<f64>) -> Result<Recording, Error> {
    close_stream(&mut bytes);
    let wrong = |cause: String, remedy| Error::Recording {
        file: file.to_owned(),
        cause,
        remedy,
    };
    let damaged = |at_s: f64, cause: String| Error::Damaged {
        file: file.to_owned(),
        at_s,
        cause,
    };
    let unheard = |cause: String| wrong(cause, "convert it to WAV at 16 kHz");
    // Recorders that can be halted (those of browsers, phones) leave holes in these containers. In the others the sound
    // is numbered without holes, and one means that a part is lost.
    let halts = bytes.starts_with(&MATROSKA) || bytes.get(4..8) == Some(b"ftyp");
    // Matroska says how long the longest track is, which may be the picture.
    let says_length = !bytes.starts_with(&MATROSKA);
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let mut format = symphonia::default::get_probe()
        .probe(
            &Hint::new(),
            stream,
            FormatOptions::default(),
            MetadataOptions::default(),
        )
        .map_err(|error| {
            wrong(
                format!("its beginning is damaged or not known ({error})"),
                "export it again, or convert it to WAV",
            )
        })?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| wrong("it has no sound track".to_owned(), "export it with sound"))?;
    let (track_id, time_base, said_frames) = (track.id, track.time_base, track.num_frames);
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio().cloned())
        .ok_or_else(|| {
            wrong(
                "its sound track does not say how it is coded".to_owned(),
                "convert it to WAV, MP3 or FLAC",
            )
        })?;
    let mut codecs = CodecRegistry::new();
    symphonia::default::register_enabled_codecs(&mut codecs);
    codecs.register_audio_decoder::<OpusDecoder>();
    let mut decoder = codecs
        .make_audio_decoder(&parameters, &AudioDecoderOptions::default())
        .map_err(|error| {
            wrong(
                format!("its sound cannot be decoded ({error})"),
                "convert it to WAV, MP3 or FLAC",
            )
        })?;

    let mut sink: Option<Sink> = None;
    // Where the packet at hand begins, in seconds: for the message if it is damaged.
    let mut at_s = 0.0;
    // Where the last one ended.
    let mut end_s: Option<f64> = None;
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(Symphonia::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(damaged(at_s, "the file ends in the middle".to_owned()));
            }
            Err(Symphonia::ResetRequired) => return Err(damaged(at_s, "another recording begins here".to_owned())),
            Err(error) => return Err(damaged(at_s, error.to_string())),
        };
        if packet.track_id != track_id {
            continue;
        }
        let mut hole_s = 0.0;
        if let (Some(base), Ok(ticks)) = (time_base, u64::try_from(packet.pts.get())) {
            let seconds = |ticks: u64| ticks as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
            at_s = seconds(ticks);
            hole_s = at_s - end_s.unwrap_or(at_s);
            end_s = Some(at_s + seconds(packet.dur.get()));
        }
        if hole_s > if halts { LONGEST_HALT_S } else { LONGEST_HOLE_S } {
            return Err(damaged(at_s - hole_s, format!("{hole_s:.1} s of sound are missing")));
        }
        let sound = decoder
            .decode(&packet)
            .map_err(|error| damaged(at_s, error.to_string()))?;
        let rate = sound.spec().rate();
        let channels = sound.spec().channels().count();
        let sink = match &mut sink {
            Some(sink) if sink.rate == rate && sink.resamplers.len() == channels => sink,
            Some(_) => {
                let cause = "rate or channels change in the middle".to_owned();
                return Err(damaged(at_s, cause));
            }
            empty => {
                check(rate, channels).map_err(|(cause, remedy)| wrong(cause, remedy))?;
                empty.insert(Sink::new(rate, channels).map_err(unheard)?)
            }
        };
        sink.length_s += hole_s.max(0.0) + sound.frames() as f64 / f64::from(rate);
        if let Some(longest_s) = longest_s.filter(|longest_s| sink.length_s > *longest_s) {
            let cause = format!("it lasts longer than the limit of {:.0} minutes", longest_s / 60.0);
            return Err(wrong(cause, "split it"));
        }
        if hole_s > LONGEST_HOLE_S {
            sink.silence(hole_s).map_err(unheard)?;
        }
        sound.copy_to_vecs_planar::<f32>(&mut sink.planes);
        sink.take().map_err(unheard)?;
    }
    let sink = sink.ok_or_else(|| wrong("it holds no sound".to_owned(), "export it again"))?;
    let said_s = said_frames.map(|frames| frames as f64 / f64::from(sink.rate));
    let channels = sink.finish().map_err(unheard)?;
    let samples = channels.first().map_or(0, Vec::len);
    if samples == 0 {
        return Err(wrong("it holds no sound".to_owned(), "export it again"));
    }
    let duration_s = samples as f64 / f64::from(SAMPLE_RATE);
    if let Some(said_s) = said_s.filter(|said_s| says_length && said_s - duration_s > SHORTFALL_S) {
        let cause = format!("the file says that it lasts {said_s:.1} s, and {duration_s:.1} s of sound are in it");
        return Err(damaged(duration_s, cause));
    }
    let (source, _) = names(file);
    Ok(Recording {
        source,
        channels,
        duration_s,
    })
}

/// A WAV that was written to a pipe does not know its length: fills it in.
fn close_stream(bytes: &mut [u8]) {
    let open = |size: &[u8]| size == [0xff; 4] || size == [0; 4];
    let number = |size: &[u8]| {
        size.iter()
            .rev()
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte))
    };
    if !bytes.starts_with(b"RIFF") {
        return;
    }
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + 8) {
        if &head[..4] == b"data" {
            if open(&head[4..]) {
                let size = u32::try_from(bytes.len() - at - 8).unwrap_or(u32::MAX);
                bytes[at + 4..at + 8].copy_from_slice(&size.to_le_bytes());
            }
            return;
        }
        // Chunks begin at even places.
        at += 8 + number(&head[4..]).next_multiple_of(2);
    }
}

fn check(rate: u32, channels: usize) -> Result<(), (String, &'static str)> {
    if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) {
        return Err((
            format!("{rate} samples a second are outside 8,000–48,000"),
            "convert it to 16 kHz",
        ));
    }
    if channels == 0 || channels > MOST_CHANNELS {
        return Err((
            format!("it has {channels} channels"),
            "mix it down to one channel, or one for each side",
        ));
    }
    Ok(())
}

struct Sink {
    rate: u32,
    /// Seconds of sound so far.
    length_s: f64,
    resamplers: Vec<Resampler>,
    /// The packet at hand, channel by channel.
    planes: Vec<Vec<f32>>,
}

impl Sink {
    fn new(rate: u32, channels: usize) -> Result<Self, String> {
        let resamplers = (0..channels).map(|_| Resampler::new(rate)).collect::<Result<_, _>>()?;
        Ok(Self {
            rate,
            length_s: 0.0,
            resamplers,
            planes: Vec::new(),
        })
    }

    fn silence(&mut self, seconds: f64) -> Result<(), String> {
        let zeros = vec![0.0; (seconds * f64::from(self.rate)) as usize];
        self.resamplers
            .iter_mut()
            .try_for_each(|resampler| resampler.push(&zeros))
    }

    fn take(&mut self) -> Result<(), String> {
        self.resamplers
            .iter_mut()
            .zip(&self.planes)
            .try_for_each(|(resampler, plane)| resampler.push(plane))
    }

    fn finish(self) -> Result<Vec<Vec<f32>>, String> {
        self.resamplers.into_iter().map(Resampler::finish).collect()
    }
}
