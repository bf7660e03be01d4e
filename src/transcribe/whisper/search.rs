//! Which text was said: of the lines of text that are followed at once, the likeliest by token.
//!
//! What the decoder says of each token is *not* here.

use std::sync::Arc;

use rten_simd::SimdOp;
use rten_vecmath::MaxNum;

use super::decoder::{Decoder, Line, Shares, Sound, Token};
use super::vocabulary::Vocabulary;
use crate::matrix::Products;

/// Texts of a sound that are followed at once. On the quick corpus of benches/hear.py, of 713 and 491 words wrong with 1, 2, 3 and 5: 71,
/// 69, 64, 78 and 107, 100, 93, 90; 2, 3 and 5 take 10, 17 and 27 % longer than 1.
const LINES: usize = 3;
/// Tokens of a text: as many as the model reads, less what comes before them.
pub const MOST: usize = 220;

pub struct Search<'m> {
    pub decoder: &'m Decoder,
    pub vocabulary: &'m Vocabulary,
    pub sounds: &'m [Sound],
    /// Tokens that begin a text: the last ones before it, which are aligned with it.
    pub begin: usize,
}

/// What was said in a sound.
#[derive(Default)]
pub struct Text {
    /// With how likely each was.
    pub tokens: Vec<(u32, f32)>,
    /// How likely it is that nobody speaks.
    pub no_speech: f32,
    /// Of each token before the text that begins it, and each of the text.
    pub aligned: Vec<Arc<Shares>>,
}

impl Text {
    /// The mean of the tokens' logarithms.
    pub fn sure(&self) -> f32 {
        let sum: f32 = self
            .tokens
            .iter()
            .map(|(_, probability)| probability.max(1e-6).ln())
            .sum();
        sum / self.tokens.len().max(1) as f32
    }
}

/// A text that may go on.
#[derive(Clone)]
struct Open {
    line: Line,
    tokens: Vec<(u32, f32)>,
    /// Sum of the logarithms of its tokens.
    sum: f32,
}

/// A text that has ended, with the mean of its logarithms.
struct Ended {
    tokens: Vec<(u32, f32)>,
    aligned: Vec<Arc<Shares>>,
    mean: f32,
}

/// The texts of one sound.
#[derive(Default)]
struct Texts {
    open: Vec<Open>,
    ended: Vec<Ended>,
    no_speech: f32,
}

/// A token that may come next.
struct Candidate {
    /// Which of the open texts it goes on.
    text: usize,
    id: u32,
    /// Its logarithm, and the sum with it.
    likely: f32,
    sum: f32,
}

impl Search<'_> {
    /// The text of each sound. `before`: what is read before each.
    pub fn run(&self, products: &mut Products, before: &[Vec<u32>]) -> Vec<Text> {
        let mut lines = Vec::new();
        let mut tokens = Vec::new();
        for (sound, before) in before.iter().enumerate() {
            lines.push(self.decoder.line(sound, before.len() + MOST));
            tokens.extend(before.iter().enumerate().map(|(place, id)| Token {
                line: sound,
                id: *id,
                align: place + self.begin >= before.len(),
                choose: place + 1 == before.len(),
            }));
        }
        let mut texts: Vec<Texts> = before.iter().map(|_| Texts::default()).collect();
        let mut said: Vec<(Vec<(u32, f32)>, f32)> = vec![Default::default(); lines.len()];
        while !lines.is_empty() {
            let mut choices = self.decoder.read(products, self.sounds, &mut lines, &tokens);
            for (line, (tokens, sum)) in lines.drain(..).zip(said.drain(..)) {
                texts[line.sound].open.push(Open { line, tokens, sum });
            }
            let mut choices = choices.chunks_exact_mut(self.decoder.vocabulary());
            tokens.clear();
            for texts in &mut texts {
                let own: Vec<&mut [f32]> = choices.by_ref().take(texts.open.len()).collect();
                self.go_on(texts, own);
                for open in texts.open.drain(..) {
                    tokens.extend(open.tokens.last().map(|(id, _)| Token {
                        line: lines.len(),
                        id: *id,
                        align: true,
                        choose: true,
                    }));
                    lines.push(open.line);
                    said.push((open.tokens, open.sum));
                }
            }
        }
        texts.into_iter().map(Texts::best).collect()
    }

    /// Each open text goes on with its likeliest tokens; of all of them the likeliest stay.
    fn go_on(&self, texts: &mut Texts, choices: Vec<&mut [f32]>) {
        let mut candidates = Vec::new();
        for (at, (open, choice)) in texts.open.iter().zip(choices).enumerate() {
            let first = open.tokens.is_empty();
            if first {
                texts.no_speech = (choice[self.vocabulary.no_speech as usize] - whole(choice)).exp();
            }
            self.vocabulary.forbid(choice, first);
            let whole = whole(choice);
            candidates.extend(likeliest(choice, LINES + 1).into_iter().map(|id| {
                let likely = choice[id] - whole;
                Candidate {
                    text: at,
                    id: id as u32,
                    likely,
                    sum: open.sum + likely,
                }
            }));
        }
        candidates.sort_by(|one, other| other.sum.total_cmp(&one.sum));
        let mut going: Vec<Candidate> = Vec::new();
        for (rank, candidate) in candidates.into_iter().enumerate() {
            if candidate.id != self.vocabulary.end {
                going.push(candidate);
            } else if rank < LINES {
                let open = &texts.open[candidate.text];
                texts.ended.push(open.end(candidate.sum, open.tokens.len() + 1));
            }
            if going.len() == LINES {
                break;
            }
        }
        if texts.ended.len() >= LINES {
            going.clear();
        }
        let mut before: Vec<Option<Open>> = texts.open.drain(..).map(Some).collect();
        for (at, candidate) in going.iter().enumerate() {
            // The last that goes on from a text takes it, the others take copies.
            let again = going[at + 1..].iter().any(|other| other.text == candidate.text);
            let open = &mut before[candidate.text];
            let Some(mut open) = (if again { open.clone() } else { open.take() }) else {
                continue;
            };
            open.tokens.push((candidate.id, candidate.likely.exp()));
            open.sum = candidate.sum;
            if open.tokens.len() < MOST {
                texts.open.push(open);
            } else {
                texts.ended.push(open.end(open.sum, open.tokens.len()));
            }
        }
    }
}

impl Open {
    /// The text as it is, with the sum of so many tokens. What its line remembers of each layer is of no use any more.
    fn end(&self, sum: f32, count: usize) -> Ended {
        Ended {
            tokens: self.tokens.clone(),
            aligned: self.line.aligned.clone(),
            mean: sum / count as f32,
        }
    }
}

impl Texts {
    /// The text with the likeliest tokens; of equal ones the first.
    fn best(self) -> Text {
        let best = self
            .ended
            .into_iter()
            .reduce(|best, next| if next.mean > best.mean { next } else { best });
        best.map_or_else(Text::default, |best| Text {
            tokens: best.tokens,
            no_speech: self.no_speech,
            aligned: best.aligned,
        })
    }
}

/// The logarithm of the sum of what the numbers are logarithms of. All tokens that are less likely than the likeliest by this factor
/// would add a thousandth: they are left out.
fn whole(choice: &[f32]) -> f32 {
    const LEAST: f32 = 18.0;
    let most = MaxNum::new(choice).dispatch();
    let near = choice.iter().filter(|number| **number > most - LEAST);
    most + near.map(|number| (number - most).exp()).sum::<f32>().ln()
}

/// The places of the largest numbers, the largest first; of equal ones the first.
fn likeliest(choice: &[f32], count: usize) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (at, number) in choice.iter().enumerate() {
        if *number > least {
            let place = found.partition_point(|other| choice[*other] >= *number);
            found.insert(place, at);
            found.truncate(count);
            if found.len() == count {
                least = choice[found[count - 1]];
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_likeliest_come_first_and_of_equal_ones_the_first() {
        let choice = [0.5, f32::NEG_INFINITY, 3.0, -1.0, 3.0, 2.0];
        assert_eq!(likeliest(&choice, 4), [2, 4, 5, 0]);
        assert_eq!(likeliest(&choice, 9), [2, 4, 5, 0, 3]);
        assert!(likeliest(&[f32::NEG_INFINITY; 3], 2).is_empty());
    }

    #[test]
    fn the_best_text_is_the_one_with_the_likeliest_tokens() {
        let ended = |id: u32, mean: f32| Ended {
            tokens: vec![(id, 0.5)],
            aligned: Vec::new(),
            mean,
        };
        let best = |ended: Vec<Ended>| {
            Texts {
                open: Vec::new(),
                ended,
                no_speech: 0.1,
            }
            .best()
            .tokens
        };
        assert_eq!(best(vec![ended(1, -0.9), ended(2, -0.4), ended(3, -0.4)]), [(2, 0.5)]);
        assert!(best(Vec::new()).is_empty());
    }

    proptest! {
        #[test]
        fn the_whole_is_what_all_add_up_to(numbers in proptest::collection::vec(-30.0_f32..30.0, 1..300)) {
            let exact = numbers.iter().map(|number| f64::from(*number).exp()).sum::<f64>().ln();
            prop_assert!((f64::from(whole(&numbers)) - exact).abs() < 1e-3);
        }
    }
}
