//! How much each token attends to each place → where each token begins.
//!
//! As OpenAI's program does it: of each head and place the shares are normed over the tokens, smoothed by a median over places, and
//! averaged over heads; then the path with the most of them goes from the first token and place to the last.

use std::sync::Arc;

use super::decoder::Shares;

/// Places of the median.
const MEDIAN: usize = 7;

/// `shares`: of each token and aligning head, how much it attends to each place. From token `first` on, the place where each begins, of
/// the first `places`.
pub fn begins(shares: &[Arc<Shares>], first: usize, places: usize) -> Vec<usize> {
    let heads = shares.first().map_or(0, |token| token.len());
    let rows = shares.len() - first;
    let mut mean = vec![0.0; rows * places];
    // The same at both ends, mirrored.
    let mut around = vec![0.0; places + MEDIAN - 1];
    for head in 0..heads {
        let (middle, scale) = spread(shares, head, places);
        for (token, mean) in shares[first..].iter().zip(mean.chunks_exact_mut(places)) {
            let own = token[head].iter().zip(middle.iter().zip(&scale));
            let normed = own.map(|(share, (middle, scale))| (share - middle) * scale);
            let inside = MEDIAN / 2..MEDIAN / 2 + places;
            around[inside.clone()]
                .iter_mut()
                .zip(normed)
                .for_each(|(to, number)| *to = number);
            for at in 1..=MEDIAN / 2 {
                around[inside.start - at] = around[inside.start + at.min(places - 1)];
                around[inside.end - 1 + at] = around[inside.end - 1 - at.min(places - 1)];
            }
            for (mean, around) in mean.iter_mut().zip(around.array_windows()) {
                *mean += median(*around);
            }
        }
    }
    path(&mean, places)
}

/// Of a head and each place: the mean over tokens, and one by the deviation.
fn spread(shares: &[Arc<Shares>], head: usize, places: usize) -> (Vec<f32>, Vec<f32>) {
    let count = shares.len() as f32;
    let mut middle = vec![0.0; places];
    for token in shares {
        middle
            .iter_mut()
            .zip(&token[head])
            .for_each(|(sum, share)| *sum += share / count);
    }
    let mut scale = vec![0.0; places];
    for token in shares {
        let own = token[head].iter().zip(&middle);
        scale
            .iter_mut()
            .zip(own)
            .for_each(|(sum, (share, middle))| *sum += (share - middle) * (share - middle) / count);
    }
    scale
        .iter_mut()
        .for_each(|number| *number = 1.0 / (*number + 1e-18).sqrt());
    (middle, scale)
}

fn median(mut numbers: [f32; MEDIAN]) -> f32 {
    // A network that sorts seven numbers: without branches, so that many medians are found at once.
    const STEPS: [(usize, usize); 16] = [
        (0, 6),
        (2, 3),
        (4, 5),
        (0, 2),
        (1, 4),
        (3, 6),
        (0, 1),
        (2, 5),
        (3, 4),
        (1, 2),
        (4, 6),
        (2, 3),
        (4, 5),
        (1, 2),
        (3, 4),
        (5, 6),
    ];
    for (one, other) in STEPS {
        let (a, b) = (numbers[one], numbers[other]);
        (numbers[one], numbers[other]) = if a < b { (a, b) } else { (b, a) };
    }
    numbers[MEDIAN / 2]
}

/// `weights`: rows of places. Of the path with the largest sum, from the first row and place to the last, where it enters each row.
fn path(weights: &[f32], places: usize) -> Vec<usize> {
    /// The step that led here.
    #[derive(Clone, Copy)]
    enum Step {
        Both,
        Row,
        Place,
    }
    let rows = weights.len() / places;
    let mut steps = vec![Step::Place; weights.len()];
    let mut before = vec![f32::NEG_INFINITY; places];
    for (row, (weights, steps)) in weights
        .chunks_exact(places)
        .zip(steps.chunks_exact_mut(places))
        .enumerate()
    {
        let mut now: Vec<f32> = Vec::with_capacity(places);
        for place in 0..places {
            let both = match (row, place) {
                (0, 0) => 0.0,
                (0, _) | (_, 0) => f32::NEG_INFINITY,
                _ => before[place - 1],
            };
            let along = if place == 0 { f32::NEG_INFINITY } else { now[place - 1] };
            let (most, step) = if both > before[place] && both > along {
                (both, Step::Both)
            } else if before[place] > both && before[place] > along {
                (before[place], Step::Row)
            } else {
                (along, Step::Place)
            };
            // The very first place has no step before it.
            let most = if (row, place) == (0, 0) { 0.0 } else { most };
            steps[place] = step;
            now.push(most + weights[place]);
        }
        before = now;
    }
    let mut begins = vec![0; rows];
    let (mut row, mut place) = (rows.saturating_sub(1), places - 1);
    loop {
        begins[row] = place;
        if (row, place) == (0, 0) {
            return begins;
        }
        let step = match (row, place) {
            (0, _) => Step::Place,
            (_, 0) => Step::Row,
            _ => steps[row * places + place],
        };
        row -= usize::from(!matches!(step, Step::Place));
        place -= usize::from(!matches!(step, Step::Row));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_begin_where_they_are_attended_to() {
        // Four tokens of 10 places each, the first of which is not asked for; two heads, one of which knows nothing.
        let token = |at: usize| {
            let knows = (0..40)
                .map(|place| if place / 10 == at { 0.1 } else { 0.001 })
                .collect();
            Arc::new(vec![knows, vec![0.025; 40]])
        };
        let shares: Vec<_> = (0..4).map(token).collect();
        assert_eq!(begins(&shares, 0, 40), [0, 10, 20, 30]);
        assert_eq!(begins(&shares, 1, 40)[1..], [20, 30]);
    }

    proptest! {
        #[test]
        fn the_median_is_the_fourth(numbers: [i8; 7]) {
            let mut sorted = numbers;
            sorted.sort_unstable();
            prop_assert_eq!(median(numbers.map(f32::from)), f32::from(sorted[3]));
        }

        /// Tokens begin in their order, the first at the first place, whatever is attended to.
        #[test]
        fn a_path_goes_forward(shares in proptest::collection::vec(proptest::collection::vec(0.0_f32..1.0, 23), 1..9)) {
            let shares: Vec<_> = shares.into_iter().map(|row| Arc::new(vec![row])).collect();
            for places in [1, 2, 5, 23] {
                let begins = begins(&shares, 0, places);
                prop_assert_eq!(begins.len(), shares.len());
                prop_assert_eq!(begins[0], 0);
                prop_assert!(begins.is_sorted() && begins.iter().all(|place| *place < places));
            }
        }
    }
}
