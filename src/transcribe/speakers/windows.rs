//! What the voice encoder hears of speech, and what each of its vectors says about which tenth of a second.
//!
//! Everything here is counted in frames of 10 ms. Long windows tell voices apart, short ones tell when they change.

use std::ops::Range;

/// Frames of a long window: what the encoder was trained with.
pub const LONG: usize = 160;
/// Frames of a short window.
pub const SHORT: usize = 80;
/// From one long window to the next, at most.
const STEP: usize = 80;
/// A window is never shorter, wherever speech ends.
pub const LEAST: usize = 30;
/// Frames of a cell, about: speakers are told for each cell.
const CELL: usize = 10;
/// A window says something about its middle and so many frames around it, however short it is.
const REACH: f64 = 20.0;

/// A piece of a segment of speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub frames: Range<usize>,
    pub segment: usize,
}

/// Long and short windows of segments, in their order.
pub fn lay_out(segments: &[Range<usize>]) -> (Vec<Window>, Vec<Window>) {
    let (mut long, mut short) = (Vec::new(), Vec::new());
    for (segment, Range { start, end }) in segments.iter().cloned().enumerate() {
        let window = |from: usize, frames: usize| Window {
            frames: from..from + frames,
            segment,
        };
        let length = end - start;
        if length > LONG {
            let steps = (length - LONG).div_ceil(STEP);
            let starts = (0..=steps).map(|step| start + step * (length - LONG) / steps);
            long.extend(starts.clone().map(|from| window(from, LONG)));
            short.extend(starts.map(|from| window(from, SHORT)));
            short.push(window(end - SHORT, SHORT));
        } else {
            let length = length.max(LEAST);
            long.push(window(start, length));
            if length > SHORT {
                short.extend([window(start, SHORT), window(end - SHORT, SHORT)]);
            } else {
                short.push(window(start, length));
            }
        }
    }
    (long, short)
}

/// Cells of a segment.
pub fn cells(segment: &Range<usize>) -> usize {
    ((segment.len() + CELL / 2) / CELL).max(1)
}

/// Frames at which a cell of a segment begins.
pub fn begin(segment: &Range<usize>, cell: usize) -> usize {
    segment.start + cell * segment.len() / cells(segment)
}

/// What windows say about cells.
pub struct Spread {
    /// For each cell the windows that say something about it, and how much of it; together 1.
    pub weights: Vec<Vec<(usize, f64)>>,
    /// For each window the cells whose middle lies in it.
    pub inside: Vec<Vec<usize>>,
    /// For each window the sum of its weights, in cells.
    pub counts: Vec<f64>,
}

impl Spread {
    pub fn new(segments: &[Range<usize>], windows: &[Window]) -> Self {
        let mut spread = Self {
            weights: Vec::new(),
            inside: vec![Vec::new(); windows.len()],
            counts: vec![0.0; windows.len()],
        };
        let mut first = 0;
        for (at, segment) in segments.iter().enumerate() {
            let own = windows[first..]
                .iter()
                .take_while(|window| window.segment == at)
                .count();
            let own = first..first + own;
            first = own.end;
            let count = cells(segment);
            for cell in 0..count {
                let middle = segment.start as f64 + (cell as f64 + 0.5) * segment.len() as f64 / count as f64;
                spread.add_cell(middle, own.clone(), windows);
            }
        }
        spread
    }

    fn add_cell(&mut self, middle: f64, own: Range<usize>, windows: &[Window]) {
        let half = |window: &Window| window.frames.len() as f64 / 2.0;
        let away = |at: usize| (middle - windows[at].frames.start as f64 - half(&windows[at])).abs();
        let mut weights: Vec<(usize, f64)> = own
            .clone()
            .map(|at| (at, 1.0 - away(at) / half(&windows[at]).max(REACH)))
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        if weights.iter().map(|(_, weight)| weight).sum::<f64>() < 1e-6 {
            let nearest = own.clone().min_by(|a, b| away(*a).total_cmp(&away(*b)));
            weights = nearest.map(|at| (at, 1.0)).into_iter().collect();
        }
        let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
        for (at, weight) in &mut weights {
            *weight /= sum;
            self.counts[*at] += *weight;
        }
        for at in own {
            let Range { start, end } = windows[at].frames;
            if start as f64 <= middle && middle < end as f64 {
                self.inside[at].push(self.weights.len());
            }
        }
        self.weights.push(weights);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_speech_is_heard_in_windows_that_overlap() {
        let (long, short) = lay_out(&[100..500, 600..650, 700..710]);
        let starts: Vec<_> = long
            .iter()
            .map(|window| (window.frames.start, window.frames.len()))
            .collect();
        assert_eq!(
            starts,
            [(100, 160), (180, 160), (260, 160), (340, 160), (600, 50), (700, 30)]
        );
        assert_eq!(short.len(), 4 + 1 + 1 + 1);
    }

    proptest! {
        #[test]
        fn every_cell_hears_something(lengths in prop::collection::vec((0_usize..200, 1_usize..900), 1..20)) {
            let mut at = 0;
            let segments: Vec<Range<usize>> = lengths
                .iter()
                .map(|(pause, length)| {
                    let start = at + pause;
                    at = start + length;
                    start..at
                })
                .collect();
            let (long, short) = lay_out(&segments);
            for windows in [&long, &short] {
                let spread = Spread::new(&segments, windows);
                prop_assert_eq!(spread.weights.len(), segments.iter().map(cells).sum::<usize>());
                for weights in &spread.weights {
                    prop_assert!((weights.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-9);
                }
            }
        }
    }
}
