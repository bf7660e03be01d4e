//! Recordings: decoded packet by packet, resampled and put away as they come, so that memory holds little of them.

use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::codecs::registry::CodecRegistry;
use symphonia::core::errors::Error as Symphonia;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia_adapter_libopus::OpusDecoder;

use super::mix::mixed;
use super::resample::Resampler;
use super::source::Source;
use super::spool::{Spool, Writer};
use super::{Error, locked, names};
use crate::domain::{Recording, SAMPLE_RATE, Sound};

const LOWEST_RATE: u32 = 8_000;
const HIGHEST_RATE: u32 = 192_000;
const MOST_CHANNELS: usize = 8;
/// Longer than a day is no call.
const LONGEST_S: f64 = 24.0 * 3600.0;
/// Containers round the times of their packets; a longer hole is missing sound.
const LONGEST_HOLE_S: f64 = 0.1;
/// A recorder that was halted for longer has made two recordings.
const LONGEST_HALT_S: f64 = 3600.0;
/// Encoders say their length a little wrong, players never notice.
const SHORTFALL_S: f64 = 0.5;
/// First bytes of Matroska and WebM.
const MATROSKA: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// Bytes that tell a recording.
pub const FIRST: u64 = 64;

/// Endings of names that people give recordings.
const ENDINGS: [&str; 9] = ["aac", "flac", "m4a", "mp3", "mp4", "ogg", "opus", "wav", "webm"];

/// Whether somebody takes the file for a recording, whatever is in it.
pub fn is_named_so(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

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

/// `longest_s`: more sound is refused as soon as it is there, or said to be; that there is less than the limit is not
/// believed.
pub fn decode(file: &str, mut source: Source<'static>, longest_s: Option<f64>) -> Result<Recording, Error> {
    let longest_s = longest_s.unwrap_or(LONGEST_S).min(LONGEST_S);
    let unreadable = |cause| Error::Unreadable {
        file: file.to_owned(),
        cause,
    };
    let first = source.peek(FIRST).map_err(unreadable)?;
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
    let too_long = |how: String| {
        let cause = format!("it {how} longer than the limit of {} minutes", longest_s / 60.0);
        wrong(cause, "split it")
    };
    let failed = |failure: Failure| match failure {
        Failure::Resampler(cause) => unheard(cause),
        Failure::Spool(cause) => Error::Spool {
            file: file.to_owned(),
            cause,
        },
    };
    // Recorders that can be halted (those of browsers, phones) leave holes in these containers. In the others the sound
    // is numbered without holes, and one means that a part is lost.
    let (is_matroska, is_mp4) = (first.starts_with(&MATROSKA), first.get(4..8) == Some(b"ftyp"));
    let halts = is_matroska || is_mp4;
    // Matroska says how long the longest track is, which may be the picture.
    let says_length = !is_matroska;
    if is_mp4 && locked::mp4(&mut source).map_err(unreadable)?
        || is_matroska && locked::matroska(&mut source).map_err(unreadable)?
    {
        return Err(wrong("it is encrypted".to_owned(), "export it without protection"));
    }
    source.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let is_open = source.is_open;
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
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
            // Nobody says where the last packet ends.
            Err(Symphonia::IoError(error)) if is_open && error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(Symphonia::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
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
                let said_s = said_frames.map_or(0.0, |frames| frames as f64 / f64::from(rate));
                if says_length && said_s > longest_s + SHORTFALL_S {
                    return Err(too_long(format!("says that it lasts {:.0} minutes,", said_s / 60.0)));
                }
                empty.insert(Sink::new(rate, channels).map_err(unheard)?)
            }
        };
        sink.length_s += hole_s.max(0.0) + sound.frames() as f64 / f64::from(rate);
        if sink.length_s > longest_s {
            return Err(too_long("lasts".to_owned()));
        }
        if hole_s > LONGEST_HOLE_S {
            sink.silence(hole_s).map_err(failed)?;
        }
        sound.copy_to_vecs_planar::<f32>(&mut sink.planes);
        sink.take().map_err(failed)?;
    }
    let sink = sink.ok_or_else(|| wrong("it holds no sound".to_owned(), "export it again"))?;
    let said_s = said_frames.map(|frames| frames as f64 / f64::from(sink.rate));
    let spool = sink.finish().map_err(failed)?;
    let samples = spool.samples();
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
        sound: mixed(Arc::new(spool)).map_err(|cause| Error::Spool {
            file: file.to_owned(),
            cause,
        })?,
        duration_s,
    })
}

fn check(rate: u32, channels: usize) -> Result<(), (String, &'static str)> {
    if !(LOWEST_RATE..=HIGHEST_RATE).contains(&rate) {
        return Err((
            format!("{rate} samples a second are outside 8,000–192,000"),
            "convert it to 16 kHz",
        ));
    }
    if channels == 0 || channels > MOST_CHANNELS {
        return Err((
            format!("it has {channels} channels, more than 8"),
            "mix it down to one channel, or one for each side",
        ));
    }
    Ok(())
}

/// Why sound could not be put away.
enum Failure {
    Resampler(String),
    Spool(io::Error),
}

struct Sink {
    rate: u32,
    /// Seconds of sound so far.
    length_s: f64,
    resamplers: Vec<Resampler>,
    /// The packet at hand, channel by channel.
    planes: Vec<Vec<f32>>,
    spool: Writer,
}

impl Sink {
    fn new(rate: u32, channels: usize) -> Result<Self, String> {
        let resamplers = (0..channels).map(|_| Resampler::new(rate)).collect::<Result<_, _>>()?;
        Ok(Self {
            rate,
            length_s: 0.0,
            resamplers,
            planes: Vec::new(),
            spool: Writer::new(channels),
        })
    }

    fn silence(&mut self, seconds: f64) -> Result<(), Failure> {
        let mut left = (seconds * f64::from(self.rate)) as usize;
        while left > 0 {
            let second = left.min(self.rate as usize);
            self.planes.clear();
            self.planes.resize(self.resamplers.len(), vec![0.0; second]);
            self.take()?;
            left -= second;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), Failure> {
        let mut ready = Vec::with_capacity(self.resamplers.len());
        for (resampler, plane) in self.resamplers.iter_mut().zip(&self.planes) {
            resampler.push(plane).map_err(Failure::Resampler)?;
            ready.push(resampler.take());
        }
        self.spool.write(&ready).map_err(Failure::Spool)
    }

    fn finish(mut self) -> Result<Spool, Failure> {
        let rest = self.resamplers.into_iter().map(Resampler::finish);
        let rest = rest.collect::<Result<Vec<_>, _>>().map_err(Failure::Resampler)?;
        self.spool.write(&rest).map_err(Failure::Spool)?;
        self.spool.finish().map_err(Failure::Spool)
    }
}
