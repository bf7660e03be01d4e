//! Who speaks on a track that people share.
//!
//! Owns the voice encoder, and how its vectors become stretches of one speaker each, where two speak at once, and whose speech is better
//! heard by itself. Vectors live as long as one call is heard: none is stored. Which side a speaker is on is *not* here: see `understand`.

mod apart;
mod gates;
mod groups;
mod path;
mod segmentation;
mod voice_vector;
mod windows;
mod words;

use std::io;
use std::ops::Range;
use std::path::Path;

use safetensors::SafeTensors;

pub use self::apart::apart;
use self::groups::Heard;
pub use self::segmentation::{Segmentation, within};
pub use self::voice_vector::VoiceEncoder;
use self::voice_vector::{BANDS, BATCH, VoiceVector};
use self::windows::Window;
pub use self::words::turns;
use super::Error;
use super::channels::Track;
use super::mel::HOP;

/// Speech of one speaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// Samples of the track.
    pub speech: Range<usize>,
    /// Numbered from 0.
    pub speaker: usize,
    /// How likely it is that this speaker speaks, 0–1.
    pub confidence: f32,
}

/// What a track that people share is heard with.
pub struct Models {
    pub encoder: VoiceEncoder,
    pub segmentation: Segmentation,
}

/// Who speaks on a track.
#[derive(Debug, Default)]
pub struct Shared {
    /// In order; none where only one speaker is found, or too little is said to tell.
    pub stretches: Vec<Stretch>,
    /// Where two speak at once, in samples of the track, in order.
    pub overlaps: Vec<Range<usize>>,
}

/// Level at which the encoder hears speech: −30 dB of full scale, as a mean square.
const LEVEL: f64 = 1e-3;
/// Shorter speech, in frames, tells nothing.
const SHORTEST: usize = 10;
/// Less speech than this, in frames, does not tell one voice from two: 10 s.
const TELLING: usize = 1000;
/// Samples that are read at a time: 10 s.
const BLOCK: usize = 160_000;

/// Reads a model from a file of safetensors, with threads of its own.
fn load<T>(
    path: &Path,
    threads: usize,
    read: impl FnOnce(&SafeTensors<'_>, rayon::ThreadPool) -> Result<T, String>,
) -> Result<T, Error> {
    let damaged = |cause: String| Error::Weights {
        path: path.display().to_string(),
        cause,
    };
    let bytes = std::fs::read(path).map_err(|error| damaged(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Voices {
        cause: error.to_string(),
    })?;
    read(&file, pool).map_err(damaged)
}

/// `speech` is cut at short pauses. `go_on` may stop the work.
pub fn tell(
    track: &Track<'_>,
    speech: &[Range<usize>],
    Models { encoder, segmentation }: &Models,
    unreadable: &dyn Fn(io::Error) -> Error,
    go_on: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Shared, Error> {
    let segments: Vec<Range<usize>> = speech
        .iter()
        .map(|range| (range.start + HOP / 2) / HOP..(range.end + HOP / 2) / HOP)
        .filter(|segment| segment.len() >= SHORTEST)
        .collect();
    if segments.iter().map(ExactSizeIterator::len).sum::<usize>() < TELLING {
        return Ok(Shared::default());
    }
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
        let bands = encoder
            .mel
            .frames(|range| track.read(range), frames.clone())
            .map_err(unreadable)?;
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
    match fit {
        Some(fit) if fit.speakers() > 1 => Ok(Shared {
            stretches: stretches(&segments, &fit.path, &fit.scores),
            overlaps: segmentation.overlaps(track, speech, unreadable, go_on)?,
        }),
        _ => Ok(Shared::default()),
    }
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
        if self.waiting.len() == BATCH {
            self.hear()
        } else {
            Ok(())
        }
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

/// Log odds that a stretch is its speaker's: with a lead of nothing over the next speaker, and for each 1 of lead. Fitted on
/// calls put together from recordings of single people.
const NO_LEAD: f64 = 1.5;
const EACH_LEAD: f64 = 0.47;

fn stretches(segments: &[Range<usize>], path: &[usize], scores: &[Vec<f64>]) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut first = 0;
    for segment in segments {
        let count = windows::cells(segment);
        let mut from = 0;
        for run in path[first..first + count].chunk_by(|one, next| one == next) {
            let to = from + run.len();
            let speaker = run[0];
            let leads = scores[first + from..first + to].iter().map(|scores| {
                let others = scores.iter().enumerate().filter(|(other, _)| *other != speaker);
                scores[speaker] - others.map(|(_, score)| *score).fold(f64::NEG_INFINITY, f64::max)
            });
            let lead = leads.sum::<f64>() / run.len() as f64;
            stretches.push(Stretch {
                speech: windows::begin(segment, from) * HOP..windows::begin(segment, to) * HOP,
                speaker,
                confidence: (1.0 / (1.0 + (-NO_LEAD - EACH_LEAD * lead).exp())) as f32,
            });
            from = to;
        }
        first += count;
    }
    stretches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stretches_lie_in_speech_and_lose_none_of_it(
            lengths in prop::collection::vec((0_usize..200, SHORTEST..900), 1..20),
            scores in prop::collection::vec((-9.0_f64..0.0, -9.0_f64..0.0), 1..40),
        ) {
            let mut at = 0;
            let segments: Vec<Range<usize>> = lengths
                .iter()
                .map(|(pause, length)| {
                    let start = at + pause;
                    at = start + length;
                    start..at
                })
                .collect();
            let cells: usize = segments.iter().map(windows::cells).sum();
            let scores: Vec<Vec<f64>> = scores.iter().cycle().take(cells).map(|(one, other)| vec![*one, *other]).collect();
            let path: Vec<usize> = scores.iter().map(|scores| usize::from(scores[1] > scores[0])).collect();
            let told = stretches(&segments, &path, &scores);
            prop_assert!(told.windows(2).all(|pair| pair[0].speech.end <= pair[1].speech.start));
            prop_assert!(told.iter().all(|stretch| (0.0..=1.0).contains(&stretch.confidence)));
            let inside = |stretch: &Stretch| {
                segments.iter().any(|segment| segment.start * HOP <= stretch.speech.start && stretch.speech.end <= segment.end * HOP)
            };
            prop_assert!(told.iter().all(inside));
            let length: usize = told.iter().map(|stretch| stretch.speech.len()).sum();
            prop_assert_eq!(length, segments.iter().map(|segment| segment.len() * HOP).sum::<usize>());
        }
    }
}
