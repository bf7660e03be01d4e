//! Recording → turns with their text.
//!
//! Owns voice activity, which channel is who, whose voice is whose on one channel, what a recogniser hears at once, where turns
//! begin and end, and the recogniser behind [`Transcriber`]. Only speech is heard, so silence yields no words. Who of the speakers is the rep is *not* here:
//! see `understand`.

mod channels;
mod chunks;
mod invented;
pub mod judge;
mod levels;
mod listen;
mod mel;
mod names;
pub mod remote;
mod speakers;
mod turns;
mod voice;
pub mod whisper;

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use self::channels::Track;
use self::chunks::Chunk;
use self::judge::Judge;
pub use self::listen::{Listener, Speech, Until};
use self::speakers::Shared;
pub use self::speakers::{Models as SpeakerModels, Segmentation, VoiceEncoder};
use self::voice::Voices;
use crate::domain::{Call, Language, Overlap, Recording, Role, SAMPLE_RATE, Stopped, Turn, Word};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{path}: the weights cannot be read: {cause}; check the path (`dealstage models verify` checks the weights of the program)"
    )]
    Weights { path: String, cause: String },
    #[error("the recogniser failed at {at_s:.1} s: {cause}")]
    Recogniser { at_s: f64, cause: Failure },
    #[error("voices cannot be told apart: {cause}")]
    Voices { cause: String },
    #[error("{source_name}: no speech in {duration_s:.1} s of sound; check that the right track was exported")]
    NoSpeech { source_name: String, duration_s: f64 },
    #[error("{source_name}: the decoded sound cannot be read back: {cause}; try again")]
    Sound { source_name: String, cause: io::Error },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A recogniser of speech. What it says depends on what it is given, not on what it heard before.
pub trait Transcriber: Send {
    /// Pieces that it hears together in less time than one after the other.
    fn at_once(&self) -> usize {
        1
    }

    /// The language of the talk.
    fn detect_language(&mut self, piece: &Piece<'_>) -> Result<Language, Failure>;

    /// The words of each piece, in order, with their places in it; nothing where there are none to be trusted.
    fn words(&mut self, pieces: &[Piece<'_>], language: Language) -> Result<Vec<Vec<Word>>, Failure>;
}

/// Why a recogniser heard nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Broken(String),
    #[error(transparent)]
    Service(#[from] remote::Error),
}

impl From<String> for Failure {
    fn from(cause: String) -> Self {
        Self::Broken(cause)
    }
}

/// Speech that is heard at once.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// At 16 kHz, at most 30 s.
    pub samples: &'a [f32],
    /// Where it begins, in seconds of the recording.
    pub at_s: f64,
    /// Names that may be said in it, as they are written.
    pub names: &'a [String],
}

/// What a recording is heard with.
pub struct Ears<'a, E> {
    pub judge: &'a Judge,
    /// Opens the recognisers that share so many pieces of work.
    pub open: &'a mut dyn FnMut(usize) -> Result<Vec<Box<dyn Transcriber>>, Error>,
    /// Opens what tells voices apart, for a recording on which people share a track.
    pub open_speakers: &'a mut dyn FnMut() -> Result<SpeakerModels, E>,
}

/// Speech that the recogniser hears to tell the language.
const LANGUAGE_S: usize = 12;
/// A track with less speech speaks the language of the others.
const TELLING_S: usize = 5;

/// Turns of a recording. `progress` is told the share that is done, 0–1, and may stop the work.
///
/// `names` may be said in it. The result does not depend on how many recognisers there are.
pub fn transcribe<E: From<Error>>(
    recording: &Recording,
    call_id: &str,
    language: Option<Language>,
    names: &[String],
    ears: Ears<'_, E>,
    progress: &mut dyn FnMut(f32) -> Result<(), Stopped>,
) -> Result<Call, E> {
    let unreadable = |cause| unreadable(&recording.source, cause);
    let tracks = channels::tracks(recording.sound.as_ref()).map_err(unreadable)?;
    let Voices {
        utterances: speech,
        phrases,
    } = voice::speech(&tracks, ears.judge, &recording.source)?;
    if speech.iter().all(Vec::is_empty) {
        return Err(E::from(Error::NoSpeech {
            source_name: recording.source.clone(),
            duration_s: recording.duration_s,
        }));
    }
    // Before the words: what is missing is to be said before an hour of listening.
    let Shared { stretches, overlaps } = match tracks.as_slice() {
        [track] => {
            let mut go_on = || progress(0.0).map_err(Error::from);
            speakers::tell(track, &phrases[0], &(ears.open_speakers)()?, &unreadable, &mut go_on)?
        }
        _ => Shared {
            stretches: Vec::new(),
            overlaps: phrases
                .into_iter()
                .reduce(|one, other| speakers::within(one, &other))
                .unwrap_or_default(),
        },
    };
    let apart = match tracks.as_slice() {
        [track] => speakers::apart(track, &speech[0], &stretches).map_err(unreadable)?,
        _ => Vec::new(),
    };
    let mut chunks = Vec::new();
    for (track, utterances) in speech.iter().enumerate() {
        let mut samples = |range| tracks[track].read(range);
        if apart.is_empty() {
            chunks.extend(chunks::lay_out(track, utterances, utterances, &mut samples).map_err(unreadable)?);
        }
        let mut all = apart.concat();
        all.sort_by_key(|range| range.start);
        for own in &apart {
            chunks.extend(chunks::lay_out(track, own, &all, &mut samples).map_err(unreadable)?);
        }
    }
    let mut recognisers = (ears.open)(chunks.len())?;
    let languages = match language {
        Some(language) => vec![language; tracks.len()],
        None => tell_languages(&tracks, &speech, &mut recognisers, &unreadable)?,
    };
    let total: usize = chunks.iter().map(Chunk::len).sum();
    tracing::debug!(
        speech_s = seconds(total),
        chunks = chunks.len(),
        ?languages,
        "speech is heard"
    );
    let mut done = 0;
    let heard = share(
        &groups(&chunks, &recognisers),
        &mut recognisers,
        |group, recogniser| {
            let samples = |chunk: &Chunk| sound(&tracks[chunk.track], chunk);
            let samples: Result<Vec<Vec<f32>>, _> = group.iter().map(samples).collect();
            let language = languages[group[0].track];
            hear(group, &samples.map_err(unreadable)?, language, names, recogniser)
        },
        |group| {
            done += group.iter().map(Chunk::len).sum::<usize>();
            progress(done as f32 / total as f32).map_err(Error::from)
        },
    )?;
    let mut words: Vec<Vec<Word>> = tracks.iter().map(|_| Vec::new()).collect();
    for (chunk, heard) in chunks.iter().zip(heard.into_iter().flatten()) {
        words[chunk.track].extend(heard);
    }
    if !apart.is_empty() {
        words[0].sort_by(|one, next| one.start_s.total_cmp(&next.start_s));
    }
    let own = |(track, words): (usize, Vec<Word>)| turn(tracks[track].speaker.to_owned(), words);
    let mut turns: Vec<Turn> = match words.as_slice() {
        [words] if stretches.is_empty() => turns::sentences(words).into_iter().map(own).collect(),
        [words] => (speakers::turns(words, &stretches, &overlaps).into_iter())
            .map(|told| Turn {
                speaker_confidence: Some(told.confidence),
                ..turn(format!("S{}", told.speaker + 1), told.words)
            })
            .collect(),
        words => (turns::of_tracks(&turns::lay_out(&speech), words).into_iter())
            .map(own)
            .collect(),
    };
    for (turn, i) in turns.iter_mut().zip(1..) {
        turn.i = i;
        turn.overlaps = overlaps_of(turn, &overlaps);
    }
    // The language of the call is that of most of its speech.
    let spoken = |language: Language| -> usize {
        let own = chunks.iter().filter(|chunk| languages[chunk.track] == language);
        own.map(Chunk::len).sum()
    };
    let language = languages.iter().copied().max_by_key(|language| spoken(*language));
    Ok(Call {
        id: call_id.to_owned(),
        source: recording.source.clone(),
        language,
        call_date: None,
        kind: None,
        seller: None,
        previous_stage: None,
        duration_s: Some(milliseconds(recording.duration_s)),
        channels: u8::try_from(recording.sound.channels()).ok(),
        turns,
    })
}

fn turn(speaker: String, words: Vec<Word>) -> Turn {
    Turn {
        i: 0,
        role: Role::Unknown,
        speaker,
        name: None,
        start_s: words.first().map(|word| word.start_s),
        end_s: words.last().map(|word| word.end_s),
        text: text_of(&words),
        words,
        speaker_confidence: None,
        overlaps: Vec::new(),
    }
}

/// Where somebody else speaks in the time of a turn. `overlaps`: in samples, in order.
fn overlaps_of(turn: &Turn, overlaps: &[Range<usize>]) -> Vec<Overlap> {
    let (Some(start_s), Some(end_s)) = (turn.start_s, turn.end_s) else {
        return Vec::new();
    };
    let first = overlaps.partition_point(|overlap| seconds(overlap.end) <= start_s);
    overlaps[first..]
        .iter()
        .map(|overlap| Overlap {
            start_s: milliseconds(seconds(overlap.start).max(start_s)),
            end_s: milliseconds(seconds(overlap.end).min(end_s)),
        })
        .take_while(|overlap| overlap.start_s < end_s)
        .collect()
}

fn unreadable(source: &str, cause: io::Error) -> Error {
    Error::Sound {
        source_name: source.to_owned(),
        cause,
    }
}

/// Words as they are read.
pub fn text_of(words: &[Word]) -> String {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    texts.join(" ")
}

/// What a recogniser hears of a chunk.
fn sound(track: &Track<'_>, chunk: &Chunk) -> io::Result<Vec<f32>> {
    let mut samples = Vec::with_capacity(chunk.len());
    for part in &chunk.parts {
        samples.extend(track.read(part.sound.clone())?);
        samples.resize(samples.len() + part.silence, 0.0);
    }
    Ok(samples)
}

/// Parts of a track, one behind the other, at most so many samples.
fn read(track: &Track<'_>, parts: &[Range<usize>], most: usize) -> io::Result<Vec<f32>> {
    let mut samples = Vec::new();
    for part in parts {
        let room = most - samples.len();
        samples.extend(track.read(part.start..part.end.min(part.start.saturating_add(room)))?);
    }
    Ok(samples)
}

/// Chunks of one track that a recogniser hears together: as many as it likes, but so few that each of several has two turns or more, or
/// one would wait for the last turn of another.
fn groups<'c>(chunks: &'c [Chunk], recognisers: &[Box<dyn Transcriber>]) -> Vec<&'c [Chunk]> {
    let most = recognisers.first().map_or(1, |recogniser| recogniser.at_once());
    let most = match recognisers.len() {
        0 | 1 => most,
        count => most.min(chunks.len().div_ceil(2 * count)),
    };
    let tracks = chunks.chunk_by(|one, next| one.track == next.track);
    tracks.flat_map(|own| own.chunks(most.max(1))).collect()
}

/// The words of chunks of one track, in the time of the recording. `samples` is the sound of each.
fn hear(
    chunks: &[Chunk],
    samples: &[Vec<f32>],
    language: Language,
    names: &[String],
    recogniser: &mut dyn Transcriber,
) -> Result<Vec<Vec<Word>>, Error> {
    let begin_s = |chunk: &Chunk| chunk.parts.first().map_or(0.0, |part| seconds(part.sound.start));
    let at_s = chunks.first().map_or(0.0, begin_s);
    let pieces = chunks.iter().zip(samples).map(|(chunk, samples)| Piece {
        samples,
        at_s: begin_s(chunk),
        names,
    });
    let heard = recogniser
        .words(&pieces.collect::<Vec<_>>(), language)
        .map_err(|cause| Error::Recogniser { at_s, cause })?;
    let words = heard.iter().map(Vec::len).sum::<usize>();
    tracing::debug!(at_s, chunks = chunks.len(), words, "heard");
    let sample = |at_s: f64| (at_s * f64::from(SAMPLE_RATE)) as usize;
    let place = |chunk: &Chunk, word: Word| {
        let (start, end) = chunk.place(sample(word.start_s)..sample(word.end_s));
        Word {
            start_s: milliseconds(seconds(start)),
            end_s: milliseconds(seconds(end)),
            ..word
        }
    };
    let placed = chunks
        .iter()
        .zip(heard)
        .map(|(chunk, words)| words.into_iter().map(|word| place(chunk, word)).collect());
    Ok(placed.collect())
}

/// The language of each track.
fn tell_languages(
    tracks: &[Track<'_>],
    speech: &[Vec<Range<usize>>],
    recognisers: &mut [Box<dyn Transcriber>],
    unreadable: &(dyn Fn(io::Error) -> Error + Sync),
) -> Result<Vec<Language>, Error> {
    let length = |track: usize| speech[track].iter().map(ExactSizeIterator::len).sum::<usize>();
    let longest = (0..tracks.len()).max_by_key(|track| length(*track)).unwrap_or(0);
    let telling: Vec<usize> = (0..tracks.len())
        .filter(|track| *track == longest || length(*track) >= TELLING_S * SAMPLE_RATE as usize)
        .collect();
    let tell = |track: &usize, recogniser: &mut dyn Transcriber| {
        let most = LANGUAGE_S * SAMPLE_RATE as usize;
        let samples = read(&tracks[*track], &speech[*track], most).map_err(unreadable)?;
        let piece = Piece {
            samples: &samples,
            at_s: speech[*track].first().map_or(0.0, |range| seconds(range.start)),
            names: &[],
        };
        recogniser.detect_language(&piece).map_err(|cause| Error::Recogniser {
            at_s: piece.at_s,
            cause,
        })
    };
    let told = share(&telling, recognisers, tell, |_| Ok(()))?;
    let of = |track: usize| telling.iter().position(|telling| *telling == track).map(|at| told[at]);
    Ok((0..tracks.len())
        .filter_map(|track| of(track).or_else(|| of(longest)))
        .collect())
}

/// Gives each piece of work to a recogniser that is free, each on a thread of its own; the results in the order of the work.
/// `done` is told of each piece, and may stop the work.
fn share<W: Sync, R: Send>(
    work: &[W],
    recognisers: &mut [Box<dyn Transcriber>],
    run: impl Fn(&W, &mut dyn Transcriber) -> Result<R, Error> + Sync,
    mut done: impl FnMut(&W) -> Result<(), Error>,
) -> Result<Vec<R>, Error> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Nobody runs far ahead of who is told.
        let (tell, told) = mpsc::sync_channel(1);
        for recogniser in recognisers {
            let (tell, next, run) = (tell.clone(), &next, &run);
            scope.spawn(move || {
                while let Some((at, piece)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, work.get(at)?)))
                {
                    if tell.send((at, run(piece, recogniser.as_mut()))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        let mut results: Vec<Option<R>> = work.iter().map(|_| None).collect();
        for (at, result) in told {
            let finished = result.and_then(|result| done(&work[at]).map(|()| result));
            match finished {
                Ok(result) => results[at] = Some(result),
                Err(error) => {
                    // Nobody begins anything more.
                    next.store(work.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(results.into_iter().flatten().collect())
    })
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

/// Times are not known better than this.
pub fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::chunks::Part;
    use super::*;

    /// Says the first sample of what it hears, as a word for each second.
    struct Counting;

    impl Transcriber for Counting {
        fn detect_language(&mut self, piece: &Piece<'_>) -> Result<Language, Failure> {
            Ok(if piece.samples[0] > 0.0 {
                Language::Ru
            } else {
                Language::En
            })
        }

        fn words(&mut self, pieces: &[Piece<'_>], language: Language) -> Result<Vec<Vec<Word>>, Failure> {
            let words = |piece: &Piece<'_>| {
                let seconds = 0..piece.samples.len() / SAMPLE_RATE as usize;
                seconds
                    .map(|at| word(at as f64, at as f64 + 0.5, language.as_str()))
                    .collect()
            };
            Ok(pieces.iter().map(words).collect())
        }
    }

    /// Hears so many pieces together.
    struct Together(usize);

    impl Transcriber for Together {
        fn at_once(&self) -> usize {
            self.0
        }

        fn detect_language(&mut self, _: &Piece<'_>) -> Result<Language, Failure> {
            unreachable!("the language is known")
        }

        fn words(&mut self, _: &[Piece<'_>], _: Language) -> Result<Vec<Vec<Word>>, Failure> {
            unreachable!("nothing is heard")
        }
    }

    fn word(start_s: f64, end_s: f64, text: &str) -> Word {
        Word {
            start_s,
            end_s,
            text: text.to_owned(),
        }
    }

    fn recognisers(count: usize) -> Vec<Box<dyn Transcriber>> {
        (0..count).map(|_| Box::new(Counting) as Box<dyn Transcriber>).collect()
    }

    #[test]
    fn silence_reaches_no_recogniser() {
        let recording = Recording {
            source: "quiet.wav".to_owned(),
            sound: std::sync::Arc::new(vec![vec![0.0; 10 * SAMPLE_RATE as usize]]),
            duration_s: 10.0,
        };
        let mut open = |_: usize| -> Result<Vec<Box<dyn Transcriber>>, Error> { unreachable!("nothing to hear") };
        let mut open_speakers = || -> Result<SpeakerModels, Error> { unreachable!("nobody speaks") };
        let weights = crate::weights::locate("silero-vad", "silero_vad_16k.safetensors").expect("fetched");
        let ears = Ears {
            judge: &Judge::load(&weights).expect("loaded"),
            open: &mut open,
            open_speakers: &mut open_speakers,
        };
        let error = transcribe(&recording, "quiet", None, &[], ears, &mut |_| Ok(())).expect_err("no speech");
        assert!(matches!(error, Error::NoSpeech { .. }), "{error}");
    }

    #[test]
    fn each_track_may_speak_a_language_of_its_own() {
        let second = SAMPLE_RATE as usize;
        // Noise of its own on each, so that they are two tracks; the first sample says the language.
        let noise = |seed: usize| {
            (0..20 * second)
                .map(move |at| {
                    if at == 0 {
                        seed as f32 - 1.5
                    } else {
                        ((at * (seed + 7)) % 101) as f32 / 101.0 - 0.5
                    }
                })
                .collect::<Vec<f32>>()
        };
        let sound = vec![noise(2), noise(1)];
        let tracks = channels::tracks(&sound).expect("in memory");
        let ranges = |seconds: usize| std::iter::once(0..seconds * second).collect::<Vec<_>>();
        let unreadable = |cause| panic!("{cause}");
        let told = |speech: [Vec<Range<usize>>; 2]| {
            tell_languages(&tracks, &speech, &mut recognisers(2), &unreadable).expect("told")
        };
        assert_eq!(told([ranges(8), ranges(12)]), [Language::Ru, Language::En]);
        // Two seconds tell nothing: who says so little speaks as the one who speaks most.
        assert_eq!(told([ranges(2), ranges(12)]), [Language::En, Language::En]);
    }

    #[test]
    fn work_is_shared_in_order_and_stops_when_told() {
        let work: Vec<usize> = (0..50).collect();
        for count in [1, 3] {
            let doubled = share(&work, &mut recognisers(count), |at, _| Ok(at * 2), |_| Ok(())).expect("done");
            assert_eq!(doubled, work.iter().map(|at| at * 2).collect::<Vec<_>>());
        }
        let seen = AtomicUsize::new(0);
        let run = |_: &usize, _: &mut dyn Transcriber| {
            seen.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let stopped = share(&work, &mut recognisers(1), run, |at| {
            if *at == 3 { Err(Stopped.into()) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(Error::Stopped(_))));
        assert!(seen.load(Ordering::Relaxed) < 50);
    }

    #[test]
    fn words_keep_their_places_where_pauses_were_cut_out() {
        let second = SAMPLE_RATE as usize;
        let chunk = |begins: [usize; 2]| Chunk {
            track: 0,
            parts: begins
                .map(|begin| Part::new(begin * second..(begin + 2) * second))
                .to_vec(),
        };
        let samples = vec![vec![0.1; 4 * second]; 2];
        let heard = hear(
            &[chunk([10, 30]), chunk([50, 60])],
            &samples,
            Language::En,
            &[],
            &mut Counting,
        )
        .expect("heard");
        let starts: Vec<Vec<f64>> = (heard.iter())
            .map(|words| words.iter().map(|word| word.start_s).collect())
            .collect();
        assert_eq!(starts, [[10.0, 11.0, 30.0, 31.0], [50.0, 51.0, 60.0, 61.0]]);
    }

    #[test]
    fn chunks_of_a_track_are_heard_together_and_no_recogniser_waits_long() {
        let chunks: Vec<Chunk> = [0, 0, 0, 0, 0, 0, 1]
            .map(|track| Chunk {
                track,
                parts: Vec::new(),
            })
            .to_vec();
        let sizes = |count: usize, at_once: usize| -> Vec<usize> {
            let recognisers: Vec<_> = (0..count)
                .map(|_| Box::new(Together(at_once)) as Box<dyn Transcriber>)
                .collect();
            groups(&chunks, &recognisers).iter().map(|group| group.len()).collect()
        };
        assert_eq!(sizes(1, 4), [4, 2, 1]);
        assert_eq!(sizes(2, 4), [2, 2, 2, 1]);
        assert_eq!(sizes(4, 4), [1; 7]);
        assert_eq!(sizes(2, 1), [1; 7]);
    }
}
