//! Who speaks on a track that people share.
//!
//! Owns the voice encoder, and how its vectors become stretches of one speaker each. Vectors live as long as one call is
//! heard: none is stored. Which side a speaker is on is *not* here: see `understand`.

mod groups;
mod mel;
mod path;
mod voice_vector;
mod windows;
mod words;

use std::io;
use std::ops::Range;

use self::groups::{Fit, Heard};
use self::mel::{BANDS, HOP};
pub use self::voice_vector::VoiceEncoder;
use self::voice_vector::{BATCH, VoiceVector};
use self::windows::Window;
pub use self::words::turns;
use super::Error;
use super::channels::Track;

/// Speech of one speaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Samples of the track.
    pub speech: Range<usize>,
    /// Numbered from 0.
    pub speaker: usize,
    /// How likely it is that this speaker speaks, 0–1.
    pub confidence: f32,
    /// Somebody else speaks at the same time.
    pub overlap: bool,
}

/// Level at which the encoder hears speech: −30 dB of full scale, as a mean square.
const LEVEL: f64 = 1e-3;
/// Shorter speech, in frames, tells nothing.
const SHORTEST: usize = 10;
/// Samples that are read at a time: 10 s.
const BLOCK: usize = 160_000;

/// Stretches of the speakers of a track, in order; none where only one speaker is found. `go_on` may stop the work.
pub fn tell(
    track: &Track<'_>,
    speech: &[Range<usize>],
    encoder: &VoiceEncoder,
    unreadable: &dyn Fn(io::Error) -> Error,
    go_on: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Vec<Stretch>, Error> {
    let segments: Vec<Range<usize>> = speech
        .iter()
        .map(|range| (range.start + HOP / 2) / HOP..(range.end + HOP / 2) / HOP)
        .filter(|segment| segment.len() >= SHORTEST)
        .collect();
    let gain = gain(track, speech).map_err(unreadable)?;
    let (long, short) = windows::lay_out(&segments);
    let mut vectors = Vectors {
        encoder,
        waiting: Vec::new(),
        places: Vec::new(),
        long: vec![[0.0; voice_vector::WIDTH]; long.len()],
        short: vec![[0.0; voice_vector::WIDTH]; short.len()],
    };
    let (mut next_long, mut next_short) = (0, 0);
    for (at, segment) in segments.iter().enumerate() {
        go_on()?;
        let frames = segment.start..segment.end.max(segment.start + windows::LEAST);
        let bands = encoder.mel.frames(|range| track.read(range), frames.clone()).map_err(unreadable)?;
        let bands: Vec<f32> = bands.iter().map(|band| band * gain).collect();
        let of = |window: &Window| {
            let from = window.frames.start - frames.start;
            bands[from * BANDS..(from + window.frames.len()) * BANDS].to_vec()
        };
        while next_long < long.len() && long[next_long].segment == at {
            // The beginning of a long window is a short one.
            let window = &long[next_long];
            let begin = (short.get(next_short)).filter(|short| short.frames.start == window.frames.start);
            let place = Place {
                long: Some(next_long),
                short: begin.map(|_| next_short),
            };
            next_short += usize::from(begin.is_some());
            next_long += 1;
            vectors.add(of(window), place)?;
        }
        while next_short < short.len() && short[next_short].segment == at {
            let place = Place {
                long: None,
                short: Some(next_short),
            };
            vectors.add(of(&short[next_short]), place)?;
            next_short += 1;
        }
    }
    vectors.hear()?;
    let heard = |windows, vectors| Heard::new(&segments, windows, vectors);
    let fit = groups::tell(
        &segments,
        &heard(long.as_slice(), vectors.long.as_slice()),
        &heard(short.as_slice(), vectors.short.as_slice()),
    );
    Ok(fit.map_or_else(Vec::new, |fit| stretches(&segments, &fit)))
}

/// What bands are multiplied with, so that the speech has the level that the encoder was trained on.
fn gain(track: &Track<'_>, speech: &[Range<usize>]) -> io::Result<f32> {
    let (mut energy, mut count) = (0.0, 0);
    for range in speech {
        for from in range.clone().step_by(BLOCK) {
            let samples = track.read(from..range.end.min(from + BLOCK))?;
            energy += samples.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
            count += samples.len();
        }
    }
    Ok((LEVEL * count as f64 / energy.max(1e-9)) as f32)
}

/// Where the vectors of a window belong.
struct Place {
    long: Option<usize>,
    short: Option<usize>,
}

/// Windows are heard many at a time.
struct Vectors<'a> {
    encoder: &'a VoiceEncoder,
    waiting: Vec<Vec<f32>>,
    places: Vec<Place>,
    long: Vec<VoiceVector>,
    short: Vec<VoiceVector>,
}

impl Vectors<'_> {
    fn add(&mut self, bands: Vec<f32>, place: Place) -> Result<(), Error> {
        self.waiting.push(bands);
        self.places.push(place);
        if self.waiting.len() == BATCH { self.hear() } else { Ok(()) }
    }

    fn hear(&mut self) -> Result<(), Error> {
        let failed = |cause: candle_core::Error| Error::Voices {
            cause: cause.to_string(),
        };
        let heard = self.encoder.vectors(&self.waiting, windows::SHORT).map_err(failed)?;
        for (heard, place) in heard.into_iter().zip(self.places.drain(..)) {
            if let Some(at) = place.long {
                self.long[at] = heard.whole;
            }
            if let Some(at) = place.short {
                self.short[at] = heard.begin.unwrap_or(heard.whole);
            }
        }
        self.waiting.clear();
        Ok(())
    }
}

/// A margin of scores from which on a stretch is as good as sure, for each cell and together.
const SURE_MARGIN: f64 = 1.0;

fn stretches(segments: &[Range<usize>], fit: &Fit) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut first = 0;
    for segment in segments {
        let count = windows::cells(segment);
        let path = &fit.path[first..first + count];
        let mut from = 0;
        for run in path.chunk_by(|one, next| one == next) {
            let to = from + run.len();
            let speaker = run[0];
            let margin = fit.scores[first + from..first + to].iter().map(|scores| {
                let others = scores.iter().enumerate().filter(|(other, _)| *other != speaker);
                scores[speaker] - others.map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max)
            });
            let margin = margin.sum::<f64>() / run.len() as f64;
            stretches.push(Stretch {
                speech: windows::begin(segment, from) * HOP..windows::begin(segment, to) * HOP,
                speaker,
                confidence: (1.0 / (1.0 + (-2.0 * margin / SURE_MARGIN).exp())) as f32,
                overlap: false,
            });
            from = to;
        }
        first += count;
    }
    if fit.scores.first().is_some_and(|scores| scores.len() > 1) { stretches } else { Vec::new() }
}
