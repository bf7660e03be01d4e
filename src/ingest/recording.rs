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
        || at(0, &[0x1a, 0x45, 0xdf, 0xa3])
        // UTF-16 text begins with ff fe, which no frame of MPEG audio does (its layer would be "reserved").
        || (mpeg && !at(0, &[0xff, 0xfe]))
        || adts
}

pub fn decode(file: &str, bytes: Vec<u8>) -> Result<Recording, Error> {
    let wrong = |cause: String, remedy| Error::Recording {
        file: file.to_owned(),
        cause,
        remedy,
    };
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
    let (track_id, time_base) = (track.id, track.time_base);
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
    // Where the next packet begins, in seconds: for the message if it is damaged.
    let mut at_s = 0.0;
    loop {
        let damaged = |cause: String| Error::Damaged {
            file: file.to_owned(),
            at_s,
            cause,
        };
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(Symphonia::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(damaged("the file ends in the middle".to_owned()));
            }
            Err(Symphonia::ResetRequired) => return Err(damaged("another recording begins here".to_owned())),
            Err(error) => return Err(damaged(error.to_string())),
        };
        if packet.track_id != track_id {
            continue;
        }
        if let (Some(base), Ok(ticks)) = (time_base, u64::try_from(packet.pts.get())) {
            at_s = ticks as f64 * f64::from(base.numer.get()) / f64::from(base.denom.get());
        }
        let sound = match decoder.decode(&packet) {
            Ok(sound) => sound,
            Err(error) => {
                return Err(Error::Damaged {
                    file: file.to_owned(),
                    at_s,
                    cause: error.to_string(),
                });
            }
        };
        let rate = sound.spec().rate();
        let channels = sound.spec().channels().count();
        let sink = match &mut sink {
            Some(sink) if sink.rate == rate && sink.resamplers.len() == channels => sink,
            Some(_) => {
                let cause = "rate or channels change in the middle".to_owned();
                return Err(Error::Damaged {
                    file: file.to_owned(),
                    at_s,
                    cause,
                });
            }
            empty => {
                check(rate, channels).map_err(|(cause, remedy)| wrong(cause, remedy))?;
                empty.insert(Sink::new(rate, channels).map_err(|cause| wrong(cause, "convert it to WAV at 16 kHz"))?)
            }
        };
        sound.copy_to_vecs_planar::<f32>(&mut sink.planes);
        sink.take()
            .map_err(|cause| wrong(cause, "convert it to WAV at 16 kHz"))?;
    }
    let sink = sink.ok_or_else(|| wrong("it holds no sound".to_owned(), "export it again"))?;
    let channels = sink
        .finish()
        .map_err(|cause| wrong(cause, "convert it to WAV at 16 kHz"))?;
    let samples = channels.first().map_or(0, Vec::len);
    if samples == 0 {
        return Err(wrong("it holds no sound".to_owned(), "export it again"));
    }
    let (source, _) = names(file);
    Ok(Recording {
        source,
        channels,
        duration_s: samples as f64 / f64::from(SAMPLE_RATE),
    })
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
    resamplers: Vec<Resampler>,
    /// The packet at hand, channel by channel.
    planes: Vec<Vec<f32>>,
}

impl Sink {
    fn new(rate: u32, channels: usize) -> Result<Self, String> {
        let resamplers = (0..channels).map(|_| Resampler::new(rate)).collect::<Result<_, _>>()?;
        Ok(Self {
            rate,
            resamplers,
            planes: Vec::new(),
        })
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
