//! Words and stretches of voices → turns.
//!
//! A voice is known over stretches longer than a word, so a change of speakers is known to half a second: sentences and
//! pauses say the rest. When a turn ends is *not* here: see `turns`.

use std::ops::Range;

use super::super::turns;
use super::Stretch;
use crate::domain::{SAMPLE_RATE, Word};

/// A change of speakers moves to the end of a sentence, or to a pause, that is so near, in seconds.
const NEAR_S: f64 = 0.6;
/// People leave a pause where they answer each other, in seconds.
const PAUSE_S: f64 = 0.3;
/// So little inside of a sentence, in seconds, is said by who says the rest of it, unless the voice is sure.
const ALONE_S: f64 = 0.7;
const SURE: f32 = 0.95;
/// Where two speak at once a word is of either.
const EITHER: f32 = 0.5;

/// A turn of one of the speakers of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Numbered in the order of their first turns.
    pub speaker: usize,
    pub words: Vec<Word>,
    /// How likely it is that this speaker speaks, 0–1.
    pub confidence: f32,
}

/// Turns of a track; none where there are no stretches. `overlaps`: where two speak at once, in samples, in order.
pub fn turns(words: &[Word], stretches: &[Stretch], overlaps: &[Range<usize>]) -> Vec<Told> {
    if stretches.is_empty() {
        return Vec::new();
    }
    let heard: Vec<&Stretch> = words.iter().map(|word| nearest(stretches, word)).collect();
    let speakers = speakers(words, &heard);
    let sure: Vec<f32> = words
        .iter()
        .zip(&heard)
        .map(|(word, stretch)| {
            let middle = middle(word);
            let next = overlaps.partition_point(|overlap| overlap.end <= middle);
            let both = overlaps.get(next).is_some_and(|overlap| overlap.start <= middle);
            if both {
                stretch.confidence.min(EITHER)
            } else {
                stretch.confidence
            }
        })
        .collect();
    // Sentence by sentence, as utterances of a track of their own are.
    let utterances = runs(words.len(), |at| {
        speakers[at - 1] == speakers[at] && turns::goes_on(&words[at - 1], &words[at])
    });
    let place = |run: &Range<usize>| sample(words[run.start].start_s)..sample(words[run.end - 1].end_s);
    let count = speakers.iter().max().map_or(0, |last| last + 1);
    let mut speech = vec![Vec::new(); count];
    for run in &utterances {
        speech[speakers[run.start]].push(place(run));
    }
    let spans = turns::lay_out(&speech);
    let mut told: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    for run in utterances {
        let (speaker, place) = (speakers[run.start], place(&run));
        let holds = |span: &turns::Span| {
            span.track == speaker && span.speech.start <= place.start && place.end <= span.speech.end
        };
        if let Some(at) = spans.iter().position(holds) {
            told[at].extend(run);
        }
    }
    let mut numbers: Vec<usize> = Vec::new();
    let turns = spans
        .iter()
        .zip(told)
        .filter(|(_, told)| !told.is_empty())
        .map(|(span, told)| {
            let number = numbers.iter().position(|speaker| *speaker == span.track);
            let number = number.unwrap_or_else(|| {
                numbers.push(span.track);
                numbers.len() - 1
            });
            Told {
                speaker: number,
                confidence: confidence(told.iter().map(|at| (heard[*at].speaker, sure[*at])), span.track),
                words: told.iter().map(|at| words[*at].clone()).collect(),
            }
        });
    turns.collect()
}

/// How likely it is that words are a speaker's. Those that sentences gave to the speaker tell nothing, unless there are no
/// others. `heard`: by the voice, who says each, and how likely that is.
fn confidence(heard: impl Iterator<Item = (usize, f32)> + Clone, speaker: usize) -> f32 {
    let mean = |sure: &[f32]| (!sure.is_empty()).then(|| sure.iter().sum::<f32>() / sure.len() as f32);
    let own: Vec<f32> = (heard.clone())
        .filter(|(heard, _)| *heard == speaker)
        .map(|(_, sure)| sure)
        .collect();
    let others: Vec<f32> = heard.map(|(_, sure)| 1.0 - sure).collect();
    mean(&own).or_else(|| mean(&others)).unwrap_or(0.0)
}

/// Who says each word.
fn speakers(words: &[Word], heard: &[&Stretch]) -> Vec<usize> {
    let mut speakers: Vec<usize> = heard.iter().map(|stretch| stretch.speaker).collect();
    let length = |run: &Range<usize>| words[run.end - 1].end_s - words[run.start].start_s;
    for sentence in runs(words.len(), |at| turns::goes_on(&words[at - 1], &words[at])) {
        let parts = runs(sentence.len(), |at| {
            speakers[sentence.start + at - 1] == speakers[sentence.start + at]
        });
        let most = parts.iter().max_by(|a, b| {
            let seconds = |part: &Range<usize>| length(&(sentence.start + part.start..sentence.start + part.end));
            seconds(a).total_cmp(&seconds(b))
        });
        let Some(most) = most.map(|part| speakers[sentence.start + part.start]) else {
            continue;
        };
        for part in parts {
            let part = sentence.start + part.start..sentence.start + part.end;
            let sure = heard[part.clone()].iter().all(|stretch| stretch.confidence >= SURE);
            // At an end of the sentence the change was only heard late or early.
            let inside = sentence.start < part.start && part.end < sentence.end;
            if length(&part) < ALONE_S && !(inside && sure) {
                speakers[part].fill(most);
            }
        }
    }
    snap(words, &mut speakers);
    speakers
}

/// Moves changes of speakers to the ends of sentences and the pauses beside them.
fn snap(words: &[Word], speakers: &mut [usize]) {
    let ends =
        |at: usize| !turns::goes_on(&words[at - 1], &words[at]) || words[at].start_s - words[at - 1].end_s >= PAUSE_S;
    for at in 1..words.len() {
        if speakers[at - 1] == speakers[at] || ends(at) {
            continue;
        }
        let change_s = f64::midpoint(words[at - 1].end_s, words[at].start_s);
        // No further than to where the neighbours are somebody else's already.
        let back = (1..at).rev().take_while(|to| speakers[*to] == speakers[at - 1]);
        let on = (at + 1..words.len()).take_while(|to| speakers[to - 1] == speakers[at]);
        let distance = |to: &usize| (f64::midpoint(words[to - 1].end_s, words[*to].start_s) - change_s).abs();
        let near = back.chain(on).filter(|to| ends(*to) && distance(to) <= NEAR_S);
        match near.min_by(|a, b| distance(a).total_cmp(&distance(b))) {
            Some(to) if to < at => {
                let speaker = speakers[at];
                speakers[to..at].fill(speaker);
            }
            Some(to) => {
                let speaker = speakers[at - 1];
                speakers[at..to].fill(speaker);
            }
            None => {}
        }
    }
}

/// The stretch in which a word is spoken; between two it belongs to the nearer one.
fn nearest<'a>(stretches: &'a [Stretch], word: &Word) -> &'a Stretch {
    let middle = middle(word);
    let behind = stretches.partition_point(|stretch| stretch.speech.end <= middle);
    let distance = |at: usize| {
        let speech = &stretches[at].speech;
        speech
            .start
            .saturating_sub(middle)
            .max(middle.saturating_sub(speech.end))
    };
    let last = stretches.len() - 1;
    let (before, behind) = (behind.saturating_sub(1), behind.min(last));
    &stretches[if distance(before) < distance(behind) {
        before
    } else {
        behind
    }]
}

/// Places from 0 to `count`, cut wherever one does not go on from the one before.
fn runs(count: usize, goes_on: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for at in 0..count {
        match runs.last_mut() {
            Some(last) if goes_on(at) => last.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

fn middle(word: &Word) -> usize {
    sample(f64::midpoint(word.start_s, word.end_s))
}

fn sample(at_s: f64) -> usize {
    (at_s * f64::from(SAMPLE_RATE)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stretches(timed: &[(f64, f64, usize, f32)]) -> Vec<Stretch> {
        timed
            .iter()
            .map(|&(from_s, to_s, speaker, confidence)| Stretch {
                speech: sample(from_s)..sample(to_s),
                speaker,
                confidence,
            })
            .collect()
    }

    fn words(timed: &[(f64, &str)]) -> Vec<Word> {
        let word = |(start_s, text): &(f64, &str)| Word {
            start_s: *start_s,
            end_s: start_s + 0.4,
            text: (*text).to_owned(),
        };
        timed.iter().map(word).collect()
    }

    fn texts(told: &[Told]) -> Vec<(usize, String)> {
        let text = |told: &Told| (told.speaker, super::super::super::text_of(&told.words));
        told.iter().map(text).collect()
    }

    #[test]
    fn a_change_of_speakers_moves_to_the_end_of_the_sentence() {
        let heard = words(&[
            (0.0, "How"),
            (0.5, "many?"),
            (1.0, "Twelve"),
            (1.5, "of"),
            (2.0, "them."),
        ]);
        // The voices change half a second late.
        let voices = stretches(&[(0.0, 1.45, 1, 0.9), (1.45, 2.5, 0, 0.8)]);
        let told = turns(&heard, &voices, &[]);
        let expected = [(0, "How many?"), (1, "Twelve of them.")];
        assert_eq!(texts(&told), expected.map(|(speaker, text)| (speaker, text.to_owned())));
        assert!((told[1].confidence - 0.8).abs() < 1e-6, "{told:?}");
        // While the other speaks too, one of the two words that the voice gives to this turn is of either.
        let told = turns(&heard, &voices, std::slice::from_ref(&(sample(2.1)..sample(3.0))));
        assert!((told[1].confidence - 0.65).abs() < 1e-6, "{told:?}");
    }

    #[test]
    fn one_word_in_a_sentence_is_of_its_speaker_unless_the_voice_is_sure() {
        let heard = words(&[(0.0, "So"), (0.5, "we"), (1.0, "yes"), (1.5, "went"), (2.0, "on.")]);
        let told = |sure| {
            turns(
                &heard,
                &stretches(&[(0.0, 0.95, 0, 0.9), (0.95, 1.45, 1, sure), (1.45, 2.5, 0, 0.9)]),
                &[],
            )
        };
        assert_eq!(texts(&told(0.7)).len(), 1);
        // The listener's word does not end the turn.
        let expected = [(0, "So we went on."), (1, "yes")];
        assert_eq!(
            texts(&told(0.95)),
            expected.map(|(speaker, text)| (speaker, text.to_owned()))
        );
    }

    #[test]
    fn without_stretches_nobody_is_told_apart() {
        assert!(turns(&words(&[(0.0, "Hello.")]), &[], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_word_is_lost(
            spoken in prop::collection::vec((0.0_f64..2.0, 0.0_f64..0.8, prop::sample::select(&["so", "yes.", "why?"][..])), 1..60),
            voices in prop::collection::vec((0.0_f64..1.0, 0.1_f64..4.0, 0_usize..3, 0.5_f32..1.0), 1..30),
        ) {
            let mut at_s = 0.0;
            let heard: Vec<Word> = spoken
                .iter()
                .map(|(pause, length, text)| {
                    let start_s = at_s + pause;
                    at_s = start_s + length;
                    Word { start_s, end_s: at_s, text: (*text).to_owned() }
                })
                .collect();
            let mut at_s = 0.0;
            let stretches: Vec<Stretch> = voices
                .iter()
                .map(|&(pause, length, speaker, confidence)| {
                    let from_s = at_s + pause;
                    at_s = from_s + length;
                    Stretch { speech: sample(from_s)..sample(at_s), speaker, confidence }
                })
                .collect();
            let spoken_together: Vec<Range<usize>> = stretches.iter().step_by(2).map(|stretch| stretch.speech.clone()).collect();
            let told = turns(&heard, &stretches, &spoken_together);
            let mut back: Vec<Word> = told.iter().flat_map(|told| told.words.clone()).collect();
            back.sort_by(|a, b| a.start_s.total_cmp(&b.start_s).then(a.end_s.total_cmp(&b.end_s)));
            prop_assert_eq!(back, heard);
            prop_assert!(told.iter().all(|told| (0.0..=1.0).contains(&told.confidence)));
            prop_assert!(told.windows(2).all(|pair| pair[0].words[0].start_s <= pair[1].words[0].start_s));
        }
    }
}
