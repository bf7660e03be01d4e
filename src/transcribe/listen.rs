//! Where somebody speaks, while the sound still comes.
//!
//! The rules are those of `voice`, with what a stream allows: the level of a track is that of its loud frames so far, and a
//! turn ends after a pause, because nobody knows yet whether its speaker goes on. Memory holds the speech that is open, no
//! more. What is found depends on the sound alone, not on the pieces in which it came.

use std::collections::VecDeque;

use earshot::Detector;

use super::levels::{Echoes, Levels, is_echo};
use super::voice::{BELOW_LOUD, FAINTEST, FRAME, HANG, MARGIN, OFF, ON, SHORTEST, SMOOTH};
use crate::domain::SAMPLE_RATE;

/// Frames of silence that end a turn (0.64 s).
const TURN_PAUSE: usize = 40;
/// A turn of this length ends at its next short pause: 15 s.
const LONG: usize = 15 * SAMPLE_RATE as usize / FRAME;
/// A piece of a turn of this length ends at the next short pause: its words are heard while its speaker goes on, and the end
/// of the turn waits for few: 7 s.
const PIECE: usize = 7 * SAMPLE_RATE as usize / FRAME;
/// Frames of such a pause (0.19 s).
const SHORT_PAUSE: usize = 12;
/// Longer speech is cut where it is: 28 s, as the recogniser takes.
const LONGEST: usize = 28 * SAMPLE_RATE as usize / FRAME;
/// Frames of speech between two partial texts (0.7 s).
const PARTIAL: usize = 44;

/// Speech on one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    pub channel: usize,
    /// Place of the first sample of its turn, from the start of the call.
    pub turn_from: u64,
    /// Which piece of its turn it is, from 0.
    pub piece: usize,
    /// Place of the first sample, from the start of the call.
    pub from: u64,
    /// At 16 kHz. None where a turn ends in the pause that ended its last piece.
    pub samples: Vec<f32>,
    pub until: Until,
}

/// Where speech was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its speaker goes on: it will come again, longer.
    Now,
    /// A pause has begun: it will come again, longer or as it is.
    Pause,
    /// Nothing is added to it any more, but its turn goes on with the next piece.
    Piece,
    /// Nothing is added to it any more, and its turn is whole.
    End,
}

impl Speech {
    /// Nothing is added to it any more.
    pub fn ended(&self) -> bool {
        matches!(self.until, Until::Piece | Until::End)
    }

    /// Place behind the last sample, from the start of the call.
    pub fn to(&self) -> u64 {
        self.from + self.samples.len() as u64
    }
}

pub struct Listener {
    channels: Vec<Channel>,
    echoes: Echoes,
    /// Frames that were judged.
    judged: usize,
}

struct Channel {
    detector: Box<Detector>,
    /// Samples behind the last whole frame.
    waiting: Vec<f32>,
    /// Frames with their scores, as many as are not judged yet.
    scores: VecDeque<f32>,
    /// Energies of the frames that the next judged frame is smoothed over.
    energies: VecDeque<f32>,
    levels: Levels,
    /// The sound from frame `kept_from` on.
    kept: VecDeque<f32>,
    kept_from: usize,
    open: Option<Open>,
}

/// A turn that has not ended, in frames.
struct Open {
    begin: usize,
    /// Pieces of it that have ended, and where the first of them began.
    pieces: usize,
    from: Option<usize>,
    /// Where the piece begins that has not ended.
    piece: usize,
    last_voice: usize,
    /// Where the last partial text was asked for.
    asked: usize,
}

impl Open {
    /// Frames from the beginning of the piece to its last voice.
    fn voice(&self) -> usize {
        (self.last_voice + 1).saturating_sub(self.piece)
    }
}

impl Listener {
    pub fn new(channels: usize) -> Self {
        Self {
            channels: (0..channels).map(|_| Channel::new()).collect(),
            echoes: Echoes::new(channels),
            judged: 0,
        }
    }

    /// Takes the next samples of a channel, at 16 kHz.
    pub fn push(&mut self, channel: usize, samples: &[f32]) -> Vec<Speech> {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.take(samples);
        }
        self.judge(SMOOTH)
    }

    /// The call has ended: what is open ends too.
    pub fn finish(&mut self) -> Vec<Speech> {
        let mut found = self.judge(0);
        for (at, channel) in self.channels.iter_mut().enumerate() {
            found.extend(channel.close(at, self.judged));
        }
        found
    }

    /// Judges the frames that all channels have, with so many behind them.
    fn judge(&mut self, behind: usize) -> Vec<Speech> {
        let mut found = Vec::new();
        while self.channels.iter().all(|channel| channel.scores.len() > behind) {
            let judged = self.judged;
            let heard: Vec<(f32, f32)> = self.channels.iter_mut().filter_map(|c| c.hear(judged)).collect();
            self.echoes.hear(&heard);
            let levels = self.echoes.levels();
            let energies: Vec<f32> = heard.iter().map(|(_, energy)| *energy).collect();
            for (at, channel) in self.channels.iter_mut().enumerate() {
                let score = if is_echo(at, &energies, &levels) {
                    0.0
                } else {
                    heard[at].0
                };
                found.extend(channel.judge(at, judged, score));
            }
            self.judged += 1;
        }
        found
    }
}

impl Channel {
    fn new() -> Self {
        Self {
            detector: Box::new(Detector::default()),
            waiting: Vec::new(),
            scores: VecDeque::new(),
            energies: VecDeque::new(),
            levels: Levels::new(),
            kept: VecDeque::new(),
            kept_from: 0,
            open: None,
        }
    }

    fn take(&mut self, samples: &[f32]) {
        self.waiting.extend_from_slice(samples);
        let whole = self.waiting.len() / FRAME * FRAME;
        for frame in self.waiting[..whole].chunks_exact(FRAME) {
            self.scores.push_back(self.detector.predict_f32(frame));
            self.energies
                .push_back(frame.iter().map(|s| s * s).sum::<f32>() / FRAME as f32);
            self.kept.extend(frame);
        }
        self.waiting.drain(..whole);
    }

    /// Energy around frame `at`, which is the oldest that is not judged.
    fn smoothed(&self, at: usize) -> f32 {
        let before = at.min(SMOOTH);
        let around = self.energies.iter().take(before + 1 + SMOOTH);
        let count = around.len();
        around.sum::<f32>() / count.max(1) as f32
    }

    /// Score and energy of frame `at`, the oldest that is not judged; what is too faint for a voice has no score.
    fn hear(&mut self, at: usize) -> Option<(f32, f32)> {
        let score = self.scores.pop_front()?;
        let energy = self.smoothed(at);
        if at >= SMOOTH {
            self.energies.pop_front();
        }
        self.levels.add(energy);
        let faintest = (self.levels.loud() * BELOW_LOUD).max(FAINTEST);
        Some((if energy < faintest { 0.0 } else { score }, energy))
    }

    fn judge(&mut self, channel: usize, at: usize, score: f32) -> Option<Speech> {
        let Some(open) = &mut self.open else {
            if score >= ON {
                self.open = Some(Open {
                    begin: at,
                    pieces: 0,
                    from: None,
                    piece: at,
                    last_voice: at,
                    asked: at,
                });
            } else {
                self.forget((at + 1).saturating_sub(MARGIN));
            }
            return None;
        };
        if score >= OFF {
            open.last_voice = at;
        }
        let pause = at - open.last_voice;
        let (length, piece) = (at + 1 - open.begin, at + 1 - open.piece);
        if pause > TURN_PAUSE || piece >= LONGEST || (length >= LONG && pause >= SHORT_PAUSE) {
            return self.close(channel, at + 1);
        }
        if open.voice() < SHORTEST {
            return None;
        }
        if piece >= PIECE && pause >= SHORT_PAUSE {
            return self.end_piece(channel, at + 1);
        }
        // Once more where a pause has begun: if it lasts, these words are the turn's, and have been heard already.
        let due = pause == HANG + 1 || (pause == 0 && at - open.asked >= PARTIAL);
        if !due {
            return None;
        }
        open.asked = at;
        let until = if pause == 0 { Until::Now } else { Until::Pause };
        self.cut(channel, at + 1, until)
    }

    /// Ends the piece that is open and begins the next; `now` frames have been judged.
    fn end_piece(&mut self, channel: usize, now: usize) -> Option<Speech> {
        let speech = self.cut(channel, now, Until::Piece)?;
        let next = (speech.to() as usize) / FRAME;
        if let Some(open) = &mut self.open {
            open.from.get_or_insert(speech.turn_from as usize / FRAME);
            open.pieces += 1;
            open.piece = next;
            open.asked = now;
        }
        self.forget(next);
        Some(speech)
    }

    /// Ends what is open; `now` frames have been judged.
    fn close(&mut self, channel: usize, now: usize) -> Option<Speech> {
        let speech = self.cut(channel, now, Until::End);
        let end = self.open.take()?.last_voice + 1;
        // The next may begin right here, and its margin is not to reach into these words.
        self.forget(now.saturating_sub(MARGIN).max((end + MARGIN).min(now)));
        speech
    }

    /// The piece that is open; None where it is too short to be one.
    fn cut(&self, channel: usize, now: usize, until: Until) -> Option<Speech> {
        let open = self.open.as_ref()?;
        let from = open.piece.saturating_sub(MARGIN).max(self.kept_from);
        let to = if open.voice() >= SHORTEST {
            (open.last_voice + 1 + MARGIN).min(now)
        } else if open.pieces > 0 && until == Until::End {
            from
        } else {
            return None;
        };
        let samples = (from - self.kept_from) * FRAME..(to - self.kept_from) * FRAME;
        Some(Speech {
            channel,
            turn_from: (open.from.unwrap_or(from) * FRAME) as u64,
            piece: open.pieces,
            from: (from * FRAME) as u64,
            samples: self.kept.range(samples).copied().collect(),
            until,
        })
    }

    /// Drops the sound before frame `at`.
    fn forget(&mut self, at: usize) {
        let frames = at.saturating_sub(self.kept_from).min(self.kept.len() / FRAME);
        self.kept.drain(..frames * FRAME);
        self.kept_from += frames;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Judges by given scores instead of the detector's.
    fn turns_of(scores: &[f32]) -> Vec<(u64, u64, Until)> {
        let mut channel = Channel::new();
        let mut found = Vec::new();
        for (at, &score) in scores.iter().enumerate() {
            channel.kept.extend([0.1; FRAME]);
            found.extend(channel.judge(0, at, score));
        }
        found.extend(channel.close(0, scores.len()));
        let frame = FRAME as u64;
        found
            .iter()
            .map(|speech| (speech.from / frame, speech.to() / frame, speech.until))
            .collect()
    }

    #[test]
    fn a_pause_ends_a_turn_and_its_words_were_asked_for_before() {
        let mut scores = vec![0.0; 300];
        scores[50..100].fill(0.9);
        scores[110..140].fill(0.9);
        scores[200..203].fill(0.9);
        let found = turns_of(&scores);
        assert_eq!(found.last(), Some(&(40, 150, Until::End)));
        // The partial text at the pause has the same words.
        assert!(found.contains(&(40, 150, Until::Pause)), "{found:?}");
        assert_eq!(found.iter().filter(|(_, _, until)| *until == Until::End).count(), 1);
    }

    #[test]
    fn long_speech_is_cut_without_loss_or_overlap() {
        let scores = vec![0.9; 4 * LONGEST];
        let ended: Vec<_> = turns_of(&scores)
            .into_iter()
            .filter(|(_, _, until)| *until == Until::End)
            .collect();
        assert_eq!(ended.first().map(|first| first.0), Some(0));
        assert_eq!(ended.last().map(|last| last.1), Some(scores.len() as u64));
        assert!(ended.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ended:?}");
        assert!(
            ended
                .iter()
                .all(|(from, to, _)| to - from <= LONGEST as u64 + MARGIN as u64)
        );
    }

    #[test]
    fn pieces_of_a_turn_are_whole_and_follow_each_other() {
        // Words of 2 s with pauses of 0.2 s between them, a turn of 14 s.
        let mut scores = vec![0.0; 1200];
        for word in 0..6 {
            scores[50 + word * 138..175 + word * 138].fill(0.9);
        }
        let mut channel = Channel::new();
        let mut found = Vec::new();
        for (at, &score) in scores.iter().enumerate() {
            channel.kept.extend([0.1; FRAME]);
            found.extend(channel.judge(0, at, score));
        }
        found.retain(Speech::ended);
        let frame = FRAME as u64;
        let places: Vec<_> = found
            .iter()
            .map(|s| (s.piece, s.turn_from / frame, s.from / frame, s.to() / frame, s.until))
            .collect();
        assert_eq!(places, [(0, 40, 40, 599, Until::Piece), (1, 40, 599, 875, Until::End)]);
    }

    #[test]
    fn a_turn_ends_in_the_pause_that_ended_its_last_piece() {
        let mut scores = vec![0.0; 600];
        scores[50..50 + PIECE + 20].fill(0.9);
        let found = turns_of(&scores);
        let last = (50 + PIECE + 20 + MARGIN) as u64;
        assert_eq!(
            found[found.len() - 2..],
            [(40, last, Until::Piece), (last, last, Until::End)]
        );
    }

    #[test]
    fn a_partial_text_is_due_each_second() {
        let found = turns_of(&[0.9; 500]);
        let partial: Vec<u64> = found
            .iter()
            .filter(|(_, _, until)| *until == Until::Now)
            .map(|found| found.1)
            .collect();
        assert!(
            partial
                .windows(2)
                .all(|pair| (pair[1] - pair[0]) * FRAME as u64 <= u64::from(SAMPLE_RATE))
        );
        assert!(partial.len() >= 8, "{partial:?}");
    }

    #[test]
    fn silence_is_forgotten() {
        let mut listener = Listener::new(2);
        for _ in 0..1000 {
            assert!(listener.push(0, &[0.0; 1000]).is_empty());
            assert!(listener.push(1, &[0.0; 1000]).is_empty());
        }
        assert!(listener.channels.iter().all(|channel| channel.kept.len() < 40 * FRAME));
        assert!(listener.finish().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn pieces_do_not_matter(cuts in proptest::collection::vec(1_usize..3000, 1..60), seed in 0_u32..1000) {
            let sound: Vec<f32> = (0..40_000_u32)
                .map(|n| {
                    let voiced = (n / 8_000 + seed) % 2 == 0;
                    let noise = (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 16) as f32 / 65_536.0 - 0.5;
                    let pitch = (n as f32 * 130.0 * std::f32::consts::TAU / 16_000.0).sin().signum();
                    if voiced { 0.3 * pitch + 0.1 * noise } else { 0.001 * noise }
                })
                .collect();
            let mut whole = Listener::new(1);
            let mut expected = whole.push(0, &sound);
            expected.extend(whole.finish());
            let mut listener = Listener::new(1);
            let mut found = Vec::new();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                let to = (at + cut).min(sound.len());
                found.extend(listener.push(0, &sound[at..to]));
                at = to;
                if at == sound.len() { break; }
            }
            found.extend(listener.finish());
            prop_assert_eq!(found, expected);
        }
    }
}
