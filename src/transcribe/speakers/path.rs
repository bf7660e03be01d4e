//! Scores of speakers, cell by cell → who speaks when: a change of speakers costs something, less after a pause.

use std::ops::Range;

use super::windows;

/// What a change costs.
const SWITCH: f64 = 2.0;
/// The same after a pause of so many frames, or a longer one.
const SWITCH_LEAST: f64 = 0.5;
const PAUSE: f64 = 100.0;

/// What a change costs before each cell.
pub fn prices(segments: &[Range<usize>]) -> Vec<f64> {
    let mut prices = Vec::new();
    let mut end = None;
    for segment in segments {
        let pause = end.map_or(0, |end| segment.start.saturating_sub(end)) as f64;
        prices.push((SWITCH * (1.0 - pause / PAUSE)).max(SWITCH_LEAST));
        prices.resize(prices.len() + windows::cells(segment) - 1, SWITCH);
        end = Some(segment.end);
    }
    prices
}

/// The best path through the scores of all cells, and what it scores.
pub fn best(scores: &[Vec<f64>], prices: &[f64]) -> (Vec<usize>, f64) {
    let Some(first) = scores.first() else {
        return (Vec::new(), 0.0);
    };
    let mut sums = first.clone();
    let mut from: Vec<Vec<usize>> = Vec::with_capacity(scores.len() - 1);
    for (scores, price) in scores.iter().zip(prices).skip(1) {
        let best = top(&sums);
        let changed = sums[best] - price;
        let stays = |speaker: usize| sums[speaker] >= changed;
        from.push(
            (0..sums.len())
                .map(|speaker| if stays(speaker) { speaker } else { best })
                .collect(),
        );
        sums = sums
            .iter()
            .zip(scores)
            .map(|(sum, score)| sum.max(changed) + score)
            .collect();
    }
    let mut speaker = top(&sums);
    let score = sums[speaker];
    let mut path = vec![speaker];
    for from in from.iter().rev() {
        speaker = from[speaker];
        path.push(speaker);
    }
    path.reverse();
    (path, score)
}

/// The place of the largest number, of equal ones the first.
fn top(numbers: &[f64]) -> usize {
    (0..numbers.len()).fold(0, |top, at| if numbers[at] > numbers[top] { at } else { top })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_doubtful_cell_changes_nothing_and_a_clear_change_does() {
        let score = |speaker: usize| {
            vec![
                if speaker == 0 { 0.0 } else { -1.0 },
                if speaker == 1 { 0.0 } else { -1.0 },
            ]
        };
        let heard = [0, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1];
        let scores: Vec<Vec<f64>> = heard.iter().map(|speaker| score(*speaker)).collect();
        let prices = prices(std::slice::from_ref(&(0..110)));
        assert_eq!(best(&scores, &prices).0, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn after_a_pause_a_change_is_cheap() {
        assert_eq!(prices(&[0..20, 70..90, 400..410]), [2.0, 2.0, 1.0, 2.0, 0.5]);
    }
}
