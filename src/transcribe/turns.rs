//! Utterances → turns: uninterrupted speech of one speaker, cut into pieces that a recogniser takes.

use std::ops::Range;

use crate::domain::SAMPLE_RATE;

const SECOND: usize = SAMPLE_RATE as usize;
/// A pause of this length ends a turn even if nobody else speaks.
const LONG_PAUSE: usize = 3 * SECOND;
/// Words of the listener under this length do not end the turn of the speaker ("mm-hm").
const BACKCHANNEL: usize = SECOND;
/// Longer turns are cut at a pause: about 80 words, where the annotation guide splits them.
const LONGEST_TURN: usize = 35 * SECOND;
/// The recogniser's window is 30 s.
const LONGEST_PIECE: usize = 28 * SECOND;

/// A turn to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Index of the track.
    pub track: usize,
    /// From the first sample of speech to the last.
    pub speech: Range<usize>,
    /// Stretches for the recogniser, in order.
    pub pieces: Vec<Range<usize>>,
}

impl Span {
    /// Samples to recognise.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(ExactSizeIterator::len).sum()
    }
}

/// Turns of all tracks in the order of their beginnings.
pub fn lay_out(speech: &[Vec<Range<usize>>]) -> Vec<Span> {
    let mut utterances: Vec<(usize, Range<usize>)> = speech
        .iter()
        .enumerate()
        .flat_map(|(track, ranges)| ranges.iter().map(move |range| (track, range.clone())))
        .collect();
    utterances.sort_by_key(|(track, range)| (range.start, *track));
    let mut turns: Vec<(usize, Vec<Range<usize>>)> = Vec::new();
    for (track, range) in utterances {
        match open_turn(&turns, track, &range) {
            Some(at) => turns[at].1.push(range),
            None => turns.push((track, vec![range])),
        }
    }
    turns
        .into_iter()
        .filter_map(|(track, ranges)| {
            let speech = ranges.first()?.start..ranges.last()?.end;
            Some(Span {
                track,
                speech,
                pieces: pieces(&ranges),
            })
        })
        .collect()
}

/// The turn that `range` goes on with, if any.
fn open_turn(turns: &[(usize, Vec<Range<usize>>)], track: usize, range: &Range<usize>) -> Option<usize> {
    let at = turns.iter().rposition(|(of, _)| *of == track)?;
    let ranges = &turns[at].1;
    let (first, last) = (ranges.first()?, ranges.last()?);
    let pause = range.start.saturating_sub(last.end);
    let too_long = range.end - first.start > LONGEST_TURN;
    let interrupted = turns[at + 1..]
        .iter()
        .any(|(_, others)| others.iter().map(ExactSizeIterator::len).sum::<usize>() > BACKCHANNEL);
    (pause <= LONG_PAUSE && !too_long && !interrupted).then_some(at)
}

/// Joins utterances (with the pauses between them) up to the recogniser's window, and cuts what is longer.
fn pieces(ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match pieces.last_mut() {
            Some(last) if range.end - last.start <= LONGEST_PIECE => last.end = range.end,
            _ => {
                let parts = range.len().div_ceil(LONGEST_PIECE).max(1);
                let step = range.len().div_ceil(parts);
                pieces.extend((0..parts).map(|part| {
                    let start = range.start + part * step;
                    start..(start + step).min(range.end)
                }));
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(range: Range<f32>) -> Range<usize> {
        (range.start * SECOND as f32) as usize..(range.end * SECOND as f32) as usize
    }

    fn spans(tracks: &[&[Range<f32>]]) -> Vec<(usize, f32, f32)> {
        let speech: Vec<Vec<_>> = tracks
            .iter()
            .map(|t| t.iter().cloned().map(seconds).collect())
            .collect();
        lay_out(&speech)
            .iter()
            .map(|span| {
                (
                    span.track,
                    span.speech.start as f32 / SECOND as f32,
                    span.speech.end as f32 / SECOND as f32,
                )
            })
            .collect()
    }

    #[test]
    fn speakers_take_turns() {
        let left = [0.0..2.0, 2.5..4.0, 9.0..11.0];
        let right = [4.2..8.5];
        assert_eq!(spans(&[&left, &right]), [(0, 0.0, 4.0), (1, 4.2, 8.5), (0, 9.0, 11.0)]);
    }

    #[test]
    fn a_listeners_word_does_not_end_the_turn() {
        let left = [0.0..4.0, 4.5..9.0];
        let right = [3.8..4.4];
        assert_eq!(spans(&[&left, &right]), [(0, 0.0, 9.0), (1, 3.8, 4.4)]);
    }

    #[test]
    fn a_long_pause_ends_the_turn() {
        assert_eq!(
            spans(&[&[0.0..2.0, 2.3..4.0, 7.5..9.0]]),
            [(0, 0.0, 4.0), (0, 7.5, 9.0)]
        );
    }

    #[test]
    fn long_speech_is_cut_to_the_window_without_loss() {
        let all = lay_out(&[vec![seconds(0.0..70.0)]]);
        let pieces: Vec<_> = all.iter().flat_map(|span| span.pieces.clone()).collect();
        assert!(pieces.iter().all(|piece| piece.len() <= LONGEST_PIECE));
        assert_eq!(pieces.iter().map(ExactSizeIterator::len).sum::<usize>(), 70 * SECOND);
    }
}
