//! Vectors of voices → how many speakers there are, what each sounds like, and who speaks in each cell.
//!
//! Means of speakers and the path through the cells take turns, from several starts. A further speaker has to explain so
//! much more of the sound that one voice that changes does not do it.

use std::ops::Range;

use super::path;
use super::voice_vector::{VoiceVector, WIDTH};
use super::windows::{Spread, Window};

/// Squared distance of vectors that counts 1.
const SPREAD: f64 = 0.15;
/// Frames of windows that tell what a voice is like.
const TELLING: usize = 100;
/// The same for short windows.
const TELLING_SHORT: usize = 48;
/// Share of a window that one speaker must have for it to tell about this speaker.
const PURE: f64 = 0.75;
const ROUNDS: usize = 8;
/// Weight of short windows in the last rounds, and how many there are.
const FINE: f64 = 0.7;
const FINE_ROUNDS: usize = 2;
/// A second speaker must gain more than this and so much for each second of speech; further ones more.
const SECOND: (f64, f64) = (16.0, 1.4);
const FURTHER: (f64, f64) = (30.0, 1.2);
/// Seconds that each of more than two speakers must speak.
const FURTHER_LEAST_S: f64 = 3.0;
const MOST: usize = 4;
/// Cells of a second.
const CELLS_PER_S: f64 = 10.0;
/// Axes along which voices are parted to begin with, and along which one speaker is parted in two.
const AXES: usize = 4;
const AXES_OF_ONE: usize = 2;

type Mean = Vec<f64>;

/// Vectors with the windows they were heard in.
pub struct Heard<'a> {
    pub windows: &'a [Window],
    pub vectors: &'a [VoiceVector],
    pub spread: Spread,
}

impl<'a> Heard<'a> {
    pub fn new(segments: &[Range<usize>], windows: &'a [Window], vectors: &'a [VoiceVector]) -> Self {
        Self {
            windows,
            vectors,
            spread: Spread::new(segments, windows),
        }
    }

    /// How far each cell is from each mean, negative.
    fn scores(&self, means: &[Mean]) -> Vec<Vec<f64>> {
        let distances: Vec<Vec<f64>> = (self.vectors.iter())
            .map(|vector| means.iter().map(|mean| distance(vector, mean) / SPREAD).collect())
            .collect();
        let score = |weights: &Vec<(usize, f64)>| {
            let mut scores = vec![0.0; means.len()];
            for (at, weight) in weights {
                for (score, distance) in scores.iter_mut().zip(&distances[*at]) {
                    *score -= weight * distance;
                }
            }
            scores
        };
        self.spread.weights.iter().map(score).collect()
    }

    /// The share of a window that each speaker has.
    fn shares(&self, window: usize, path: &[usize], speakers: usize) -> Vec<f64> {
        let inside = &self.spread.inside[window];
        let mut shares = vec![0.0; speakers];
        for cell in inside {
            shares[path[*cell]] += 1.0 / inside.len() as f64;
        }
        shares
    }

    /// What each speaker of a path sounds like; as `before` where no window tells.
    fn means(&self, path: &[usize], before: &[Mean], telling: usize) -> Vec<Mean> {
        let shares: Vec<Vec<f64>> = (0..self.windows.len())
            .map(|at| self.shares(at, path, before.len()))
            .collect();
        let mean = |(speaker, before): (usize, &Mean)| {
            let pure: Vec<usize> = (0..shares.len()).filter(|at| shares[*at][speaker] >= PURE).collect();
            let long: Vec<usize> = (pure.iter().copied())
                .filter(|at| self.windows[*at].frames.len() >= telling)
                .collect();
            let rows = if long.is_empty() { pure } else { long };
            let weight = |at: usize| self.spread.counts[at] * shares[at][speaker];
            self.mean(&rows, weight).unwrap_or_else(|| before.clone())
        };
        before.iter().enumerate().map(mean).collect()
    }

    fn mean(&self, rows: &[usize], weight: impl Fn(usize) -> f64) -> Option<Mean> {
        let mut sum = vec![0.0; WIDTH];
        let mut total = 0.0;
        for &at in rows {
            total += weight(at);
            for (sum, number) in sum.iter_mut().zip(&self.vectors[at]) {
                *sum += weight(at) * f64::from(*number);
            }
        }
        sum.iter_mut().for_each(|sum| *sum /= total);
        (total > 0.0).then_some(sum)
    }

    /// Windows long enough to tell voices apart; the longest, where there are few.
    fn telling(&self, among: &[usize], speakers: usize) -> Vec<usize> {
        let frames = |at: &usize| self.windows[*at].frames.len();
        let long: Vec<usize> = among.iter().copied().filter(|at| frames(at) >= TELLING).collect();
        if long.len() >= speakers + 2 {
            return long;
        }
        let mut longest = among.to_vec();
        longest.sort_by_key(|at| std::cmp::Reverse(frames(at)));
        longest.truncate((speakers + 2).max(among.len() / 2));
        longest
    }

    /// Pairs of means: the windows on either side of each of their first axes.
    fn halves(&self, rows: &[usize], axes: usize) -> Vec<[Mean; 2]> {
        let weight = |at: usize| self.spread.counts[at].max(1e-3);
        let Some(mean) = self.mean(rows, weight) else {
            return Vec::new();
        };
        let mut points: Vec<Mean> = rows
            .iter()
            .map(|at| {
                self.vectors[*at]
                    .iter()
                    .zip(&mean)
                    .map(|(number, mean)| f64::from(*number) - mean)
                    .collect()
            })
            .collect();
        let mut pairs = Vec::new();
        for _ in 0..axes {
            let Some(axis) = axis(&points, |row| weight(rows[row])) else {
                break;
            };
            let places: Vec<f64> = points.iter().map(|point| dot(point, &axis)).collect();
            let side = |above: bool| -> Vec<usize> {
                let on = (rows.iter().zip(&places)).filter(|(_, place)| (**place > 0.0) == above);
                on.map(|(at, _)| *at).collect()
            };
            if let (Some(one), Some(other)) = (self.mean(&side(true), weight), self.mean(&side(false), weight)) {
                pairs.push([one, other]);
            }
            for (point, place) in points.iter_mut().zip(places) {
                point
                    .iter_mut()
                    .zip(&axis)
                    .for_each(|(number, axis)| *number -= place * axis);
            }
        }
        pairs
    }
}

/// Steps of the search for an axis.
const AXIS_STEPS: usize = 60;

/// The direction in which points differ most.
fn axis(points: &[Mean], weight: impl Fn(usize) -> f64) -> Option<Mean> {
    let farthest = points.iter().max_by(|a, b| dot(a, a).total_cmp(&dot(b, b)))?;
    let mut axis = farthest.clone();
    for _ in 0..AXIS_STEPS {
        let mut next = vec![0.0; WIDTH];
        for (row, point) in points.iter().enumerate() {
            let pull = weight(row) * dot(point, &axis);
            next.iter_mut()
                .zip(point)
                .for_each(|(next, number)| *next += pull * number);
        }
        let length = dot(&next, &next).sqrt();
        if length < 1e-12 {
            return None;
        }
        axis = next.iter().map(|number| number / length).collect();
    }
    Some(axis)
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn distance(vector: &VoiceVector, mean: &Mean) -> f64 {
    let apart = |(one, other): (&f32, &f64)| (f64::from(*one) - other).powi(2);
    vector.iter().zip(mean).map(apart).sum()
}

/// Means of speakers with the path that they explain best.
pub struct Fit {
    pub path: Vec<usize>,
    /// Of each cell the score of each speaker.
    pub scores: Vec<Vec<f64>>,
    means: Vec<Mean>,
    score: f64,
}

impl Fit {
    pub fn speakers(&self) -> usize {
        self.means.len()
    }
}

fn fit(mut means: Vec<Mean>, long: &Heard<'_>, prices: &[f64]) -> Fit {
    let mut last: Option<Vec<usize>> = None;
    let mut round = 0;
    loop {
        let scores = long.scores(&means);
        let (path, score) = path::best(&scores, prices);
        round += 1;
        if round == ROUNDS || last.as_ref() == Some(&path) {
            return Fit {
                path,
                scores,
                means,
                score,
            };
        }
        means = long.means(&path, &means, TELLING);
        last = Some(path);
    }
}

/// Who speaks in each cell. `short` refines when speakers change.
pub fn tell(segments: &[Range<usize>], long: &Heard<'_>, short: &Heard<'_>) -> Option<Fit> {
    let prices = path::prices(segments);
    let seconds = segments.iter().map(ExactSizeIterator::len).sum::<usize>() as f64 / 100.0;
    let all: Vec<usize> = (0..long.windows.len()).collect();
    let telling = long.telling(&all, 2);
    let mean = long.mean(&telling, |at| long.spread.counts[at].max(1e-3))?;
    let mut now = fit(vec![mean], long, &prices);
    for speakers in 2..=MOST {
        let starts: Vec<Vec<Mean>> = if speakers == 2 {
            long.halves(&telling, AXES).into_iter().map(Vec::from).collect()
        } else {
            one_in_two(&now, long, &all)
        };
        let fits = starts.into_iter().map(|means| fit(means, long, &prices));
        let Some(then) = fits.reduce(|best, next| if next.score > best.score { next } else { best }) else {
            break;
        };
        let (first, each) = if speakers == 2 { SECOND } else { FURTHER };
        let least = (0..speakers)
            .map(|speaker| then.path.iter().filter(|at| **at == speaker).count())
            .min();
        let too_little = speakers > 2 && least.unwrap_or(0) as f64 / CELLS_PER_S < FURTHER_LEAST_S;
        if then.score - now.score <= first + each * seconds || too_little {
            break;
        }
        now = then;
    }
    if now.means.len() > 1 {
        refine(&mut now, short, &prices);
    }
    Some(now)
}

/// Means with those of one speaker more: each speaker's windows in two.
fn one_in_two(now: &Fit, long: &Heard<'_>, all: &[usize]) -> Vec<Vec<Mean>> {
    let count = now.means.len();
    let whose = |at: usize| {
        let shares = long.shares(at, &now.path, count);
        (0..count).fold(
            0,
            |most, speaker| if shares[speaker] > shares[most] { speaker } else { most },
        )
    };
    let telling = long.telling(all, count + 1);
    let mut starts = Vec::new();
    for speaker in 0..count {
        let own: Vec<usize> = telling.iter().copied().filter(|at| whose(*at) == speaker).collect();
        if own.len() < 2 {
            continue;
        }
        for pair in long.halves(&own, AXES_OF_ONE) {
            let mut means = now.means.clone();
            means.splice(speaker..=speaker, pair);
            starts.push(means);
        }
    }
    starts
}

/// Moves changes of speakers to where the short windows hear them.
fn refine(now: &mut Fit, short: &Heard<'_>, prices: &[f64]) {
    let all: Vec<usize> = (0..short.windows.len()).collect();
    let Some(mean) = short.mean(&all, |_| 1.0) else {
        return;
    };
    let long = std::mem::take(&mut now.scores);
    for _ in 0..FINE_ROUNDS {
        let means = short.means(&now.path, &vec![mean.clone(); now.means.len()], TELLING_SHORT);
        let fine = short.scores(&means).into_iter().zip(&long);
        let mix = |(fine, long): (Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            let pairs = fine.iter().zip(long);
            pairs.map(|(fine, long)| FINE * fine + (1.0 - FINE) * long).collect()
        };
        now.scores = fine.map(mix).collect();
        now.path = path::best(&now.scores, prices).0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::windows;
    use super::*;

    /// A vector of a voice, a little different each time.
    fn vector(voice: usize, time: usize) -> VoiceVector {
        let mut vector = [0.0; WIDTH];
        for (at, number) in vector.iter_mut().enumerate() {
            let own = if at % 4 == voice { 1.0 } else { 0.3 };
            *number = own + 0.2 * ((at * 7 + time * 13) as f32).sin();
        }
        let norm = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        vector.map(|number| number / norm)
    }

    /// Who is told to speak in each segment, where `voices` speak one after the other.
    fn told(voices: &[usize]) -> Vec<usize> {
        let segments: Vec<Range<usize>> = (0..voices.len()).map(|at| at * 350..at * 350 + 300).collect();
        let (long, short) = windows::lay_out(&segments);
        let hear = |windows: &[Window]| -> Vec<VoiceVector> {
            windows
                .iter()
                .map(|window| vector(voices[window.segment], window.frames.start))
                .collect()
        };
        let (long_vectors, short_vectors) = (hear(&long), hear(&short));
        let fit = tell(
            &segments,
            &Heard::new(&segments, &long, &long_vectors),
            &Heard::new(&segments, &short, &short_vectors),
        )
        .expect("there is speech");
        let cells = windows::cells(&segments[0]);
        assert_eq!(fit.path.len(), cells * segments.len());
        fit.path
            .chunks(cells)
            .map(|cells| {
                assert!(cells.iter().all(|speaker| *speaker == cells[0]), "{cells:?}");
                cells[0]
            })
            .collect()
    }

    #[test]
    fn as_many_speakers_are_told_as_there_are_voices() {
        for voices in [vec![0; 12], [0, 1, 0, 1, 1, 0].repeat(2), [0, 1, 2, 1, 0, 2].repeat(2)] {
            let told = told(&voices);
            let same = |places: &[usize]| -> Vec<bool> {
                let pairs = (0..places.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
                pairs.map(|(one, other)| places[one] == places[other]).collect()
            };
            assert_eq!(same(&told), same(&voices), "{told:?}");
        }
    }

    #[test]
    fn no_speech_has_no_speaker() {
        let nothing = || Heard::new(&[], &[], &[]);
        assert!(tell(&[], &nothing(), &nothing()).is_none());
    }
}
