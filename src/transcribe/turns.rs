//! Utterances and words → turns: uninterrupted speech of one speaker.

use std::ops::Range;

use super::seconds;
use crate::domain::{SAMPLE_RATE, Word};

const SECOND: usize = SAMPLE_RATE as usize;
/// A pause of this length ends a turn even if nobody else speaks.
const LONG_PAUSE: usize = 3 * SECOND;
/// Words of the listener under this length do not end the turn of the speaker ("mm-hm").
const BACKCHANNEL: usize = SECOND;
/// Longer turns are cut at a pause: about 80 words, where the annotation guide splits them.
const LONGEST_TURN: usize = 35 * SECOND;
/// A sentence does not go on after a pause of this length, in seconds.
const SENTENCE_GAP_S: f64 = 1.0;

/// A turn to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Index of the track.
    pub track: usize,
    /// From the first sample of speech to the last.
    pub speech: Range<usize>,
}

/// Turns with their tracks: the words of each track, by the spans in which they were spoken.
pub fn of_tracks(spans: &[Span], words: &[Vec<Word>]) -> Vec<(usize, Vec<Word>)> {
    let mut turns: Vec<(usize, Vec<Word>)> = spans.iter().map(|span| (span.track, Vec::new())).collect();
    for (track, words) in words.iter().enumerate() {
        let own: Vec<usize> = (0..spans.len()).filter(|at| spans[*at].track == track).collect();
        let mut at = 0;
        for word in words {
            let middle_s = f64::midpoint(word.start_s, word.end_s);
            // Between two spans a word belongs to the nearer one.
            while let (Some(this), Some(next)) = (own.get(at), own.get(at + 1))
                && middle_s > f64::midpoint(seconds(spans[*this].speech.end), seconds(spans[*next].speech.start))
            {
                at += 1;
            }
            if let Some(span) = own.get(at) {
                turns[*span].1.push(word.clone());
            }
        }
    }
    turns.retain(|(_, words)| !words.is_empty());
    turns
}

/// On a track that people share they answer each other without a pause: where their voices cannot be told apart, every
/// sentence is a turn of its own.
pub fn sentences(words: &[Word]) -> Vec<(usize, Vec<Word>)> {
    words.chunk_by(goes_on).map(|words| (0, words.to_vec())).collect()
}

/// A sentence goes on from one word to the next.
pub fn goes_on(one: &Word, next: &Word) -> bool {
    next.start_s - one.end_s < SENTENCE_GAP_S && !one.text.ends_with(['.', '?', '!', '…'])
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
            Some(Span { track, speech })
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

#[cfg(test)]
mod tests {
    use super::super::text_of;
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

    fn words(timed: &[(f64, &str)]) -> Vec<Word> {
        let word = |(start_s, text): &(f64, &str)| Word {
            start_s: *start_s,
            end_s: start_s + 0.4,
            text: (*text).to_owned(),
        };
        timed.iter().map(word).collect()
    }

    fn texts(turns: &[(usize, Vec<Word>)]) -> Vec<(usize, String)> {
        turns.iter().map(|(track, words)| (*track, text_of(words))).collect()
    }

    #[test]
    fn words_go_to_the_turn_in_which_they_were_spoken() {
        let speech = [vec![seconds(0.0..2.0), seconds(6.0..8.0)], vec![seconds(2.5..5.0)]];
        let left = words(&[(0.1, "Hello,"), (1.9, "Ann."), (5.8, "Good."), (7.0, "Then.")]);
        let right = words(&[(2.4, "Hello,"), (4.9, "Bob.")]);
        let turns = of_tracks(&lay_out(&speech), &[left, right]);
        let expected = [(0, "Hello, Ann."), (1, "Hello, Bob."), (0, "Good. Then.")];
        assert_eq!(texts(&turns), expected.map(|(track, text)| (track, text.to_owned())));
    }

    #[test]
    fn sentences_become_turns_and_lose_no_word() {
        let heard = words(&[
            (0.0, "How"),
            (0.5, "many?"),
            (1.0, "Twelve,"),
            (1.5, "at"),
            (2.0, "2.5"),
            (2.5, "each"),
            (4.5, "or"),
            (5.0, "so."),
        ]);
        let expected = ["How many?", "Twelve, at 2.5 each", "or so."];
        assert_eq!(texts(&sentences(&heard)), expected.map(|text| (0, text.to_owned())));
    }
}
