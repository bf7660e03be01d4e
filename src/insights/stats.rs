//! Small statistics that say how little is known: shares with their interval, quantiles, trends.

use serde::Serialize;
use utoipa::ToSchema;

/// Half-width of a 95% interval, in standard deviations.
const Z: f64 = 1.959_963_984_540_054;

/// Four digits: more would be noise.
pub fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// One digit, for days.
pub fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A share of a count, with its 95% interval (Wilson).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Rate {
    /// How many there are.
    pub n: usize,
    /// How many of them.
    pub hits: usize,
    /// `hits / n`, 0–1; null where there are none.
    pub share: Option<f64>,
    /// The share of all that could have been seen lies here, 19 times in 20.
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Rate {
    pub fn of(hits: usize, n: usize) -> Self {
        let bounds = wilson(hits, n);
        Self {
            n,
            hits,
            share: (n > 0).then(|| rounded(hits as f64 / n as f64)),
            low: bounds.map(|(low, _)| rounded(low)),
            high: bounds.map(|(_, high)| rounded(high)),
        }
    }
}

fn wilson(hits: usize, n: usize) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    let (p, n) = (hits as f64 / n as f64, n as f64);
    let middle = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    Some((((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0)))
}

/// Difference of two shares with its 95% interval (Newcombe): `None` where one of them has no meaning.
pub fn difference(one: (usize, usize), other: (usize, usize)) -> Option<(f64, f64, f64)> {
    let (one_low, one_high) = wilson(one.0, one.1)?;
    let (other_low, other_high) = wilson(other.0, other.1)?;
    let (p, q) = (one.0 as f64 / one.1 as f64, other.0 as f64 / other.1 as f64);
    let low = p - q - ((p - one_low).powi(2) + (other_high - q).powi(2)).sqrt();
    let high = p - q + ((one_high - p).powi(2) + (q - other_low).powi(2)).sqrt();
    Some((p - q, low, high))
}

/// How many times as often, with its 95% interval (Katz); `None` where a count is 0.
pub fn lift(one: (usize, usize), other: (usize, usize)) -> Option<(f64, f64, f64)> {
    if one.0 == 0 || other.0 == 0 {
        return None;
    }
    let [a, n, b, m] = [one.0, one.1, other.0, other.1].map(|count| count as f64);
    let ratio = (a / n) / (b / m);
    let spread = (Z * (1.0 / a - 1.0 / n + 1.0 / b - 1.0 / m).sqrt()).exp();
    Some((ratio, ratio / spread, ratio * spread))
}

/// How long something takes, in days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Days {
    /// How many there are; under 20 the outer quantiles say little.
    pub n: usize,
    /// All quantiles are null where there are none.
    pub p25: Option<f64>,
    pub median: Option<f64>,
    pub p75: Option<f64>,
    pub p90: Option<f64>,
    /// 95% interval of the median; null under six.
    pub median_low: Option<f64>,
    pub median_high: Option<f64>,
}

impl Days {
    pub fn of(days: impl IntoIterator<Item = i64>) -> Self {
        let sorted = sorted(days.into_iter().map(|days| days as f64));
        let at = |share| quantile(&sorted, share).map(tenths);
        let interval = median_interval(&sorted);
        Self {
            n: sorted.len(),
            p25: at(0.25),
            median: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            median_low: interval.map(|(low, _)| tenths(low)),
            median_high: interval.map(|(_, high)| tenths(high)),
        }
    }
}

pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// A quantile of sorted values, between neighbours in proportion.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * (sorted.len().checked_sub(1)?) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The two values between which the median of all lies with 95% or more, whatever the distribution; `None` under six.
fn median_interval(sorted: &[f64]) -> Option<(f64, f64)> {
    let n = sorted.len();
    // Chance of exactly `k` of `n` below the median. Of thousands of values it is 0 far from the middle, and adds nothing.
    let mut chance = (-(n as f64) * std::f64::consts::LN_2).exp();
    let mut below = 0.0;
    let mut cut = 0;
    for k in 0..n / 2 {
        below += chance;
        if below > 0.025 {
            break;
        }
        cut = k + 1;
        chance *= (n - k) as f64 / (k + 1) as f64;
    }
    if n > 1000 {
        // The chance above is too small for a float: the normal curve is exact enough here.
        cut = ((n as f64 - Z * (n as f64).sqrt()) / 2.0).floor() as usize;
    }
    (cut > 0).then(|| (sorted[cut - 1], sorted[n - cut]))
}

/// How long something takes where some are not done yet (Kaplan–Meier): the days until a `share` of all is done. `None` where
/// that many were never seen done.
pub fn done_by(finished: &[i64], running: &[i64], share: f64) -> Option<f64> {
    let mut ends: Vec<(i64, bool)> = finished.iter().map(|days| (*days, true)).collect();
    ends.extend(running.iter().map(|days| (*days, false)));
    // On one day those that end come before those that are only known to be as old.
    ends.sort_by_key(|(days, ended)| (*days, !ended));
    let mut left = 1.0;
    for (place, (days, ended)) in ends.iter().enumerate() {
        if *ended {
            left *= 1.0 - 1.0 / (ends.len() - place) as f64;
            if left <= 1.0 - share + 1e-9 {
                return Some(*days as f64);
            }
        }
    }
    None
}

/// Where a series goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    Better,
    Worse,
    /// No trend that chance would not make 1 time in 20.
    None,
}

/// Fewer values than this have no trend.
pub const TREND_FROM: usize = 10;

/// The trend of values of which more is better, in the order of time (Mann–Kendall, with ties).
pub fn trend(values: &[f64]) -> Option<Trend> {
    let n = values.len();
    if n < TREND_FROM {
        return None;
    }
    let mut score = 0.0;
    for (at, one) in values.iter().enumerate() {
        for later in &values[at + 1..] {
            score += (later - one)
                .partial_cmp(&0.0)
                .map_or(0.0, |order| f64::from(order as i8));
        }
    }
    let spread = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let ties = sorted(values.iter().copied());
    let ties = ties
        .chunk_by(|one, other| one == other)
        .map(|tie| spread(tie.len() as f64));
    let variance = (spread(n as f64) - ties.sum::<f64>()) / 18.0;
    let sure = score.abs() - 1.0 > Z * variance.sqrt();
    Some(match (sure, score > 0.0) {
        (false, _) => Trend::None,
        (true, true) => Trend::Better,
        (true, false) => Trend::Worse,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-3, "{one} is not {other}");
    }

    #[test]
    fn shares_of_few_are_wide() {
        let none = Rate::of(0, 0);
        assert_eq!((none.share, none.low, none.high), (None, None, None));
        // By the formula: (0.2 + 0.19207 ± 1.95996·√(0.016 + 0.0096037)) / 1.3841.
        let rate = Rate::of(2, 10);
        near(rate.low.expect("low"), 0.0567);
        near(rate.high.expect("high"), 0.5098);
        let all = Rate::of(3, 3);
        assert_eq!((all.share, all.high), (Some(1.0), Some(1.0)));
        near(all.low.expect("low"), 0.4385);
        let nobody = Rate::of(0, 20);
        assert_eq!((nobody.share, nobody.low), (Some(0.0), Some(0.0)));
        near(nobody.high.expect("high"), 0.1611);
    }

    #[test]
    fn differences_and_lifts() {
        // Newcombe 1998, table II, method 10: 56/70 against 48/80 is 0.2, from 0.0524 to 0.3339.
        let (by, low, high) = difference((56, 70), (48, 80)).expect("both are counted");
        near(by, 0.2);
        near(low, 0.0524);
        near(high, 0.3339);
        assert_eq!(difference((1, 2), (0, 0)), None);
        // 15/20 against 5/20: 3 times as often; ln 3 ± 1.95996·√(1/15 − 1/20 + 1/5 − 1/20).
        let (ratio, low, high) = lift((15, 20), (5, 20)).expect("both happened");
        near(ratio, 3.0);
        near(low, 1.3478);
        near(high, 6.6775);
        assert_eq!(lift((0, 20), (5, 20)), None);
    }

    #[test]
    fn quantiles_between_neighbours() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7.0], 0.9), Some(7.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 10.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 10.0], 0.75), Some(4.75));
        let days = Days::of([30, 10, 20]);
        assert_eq!(
            (days.n, days.median, days.p75, days.median_low),
            (3, Some(20.0), Some(25.0), None)
        );
    }

    #[test]
    fn the_interval_of_a_median() {
        let values = |n: usize| sorted((1..=n).map(|value| value as f64));
        assert_eq!(median_interval(&values(5)), None);
        // Tables of the sign test: the 1st and 6th of 6, the 2nd and 9th of 10, the 6th and 15th of 20, the 18th and 33rd of 50.
        assert_eq!(median_interval(&values(6)), Some((1.0, 6.0)));
        assert_eq!(median_interval(&values(10)), Some((2.0, 9.0)));
        assert_eq!(median_interval(&values(20)), Some((6.0, 15.0)));
        assert_eq!(median_interval(&values(50)), Some((18.0, 33.0)));
        // At the change of method the two agree.
        assert_eq!(median_interval(&values(1000)), Some((469.0, 532.0)));
        assert_eq!(median_interval(&values(1001)), Some((469.0, 533.0)));
    }

    #[test]
    fn those_that_are_not_done_count() {
        assert_eq!(done_by(&[], &[5, 9], 0.5), None);
        assert_eq!(done_by(&[2, 4, 6, 8], &[], 0.5), Some(4.0));
        // Of four, one is done after 2 days (3/4 left), one left at 3, one done after 10 (3/4 × 1/2 left).
        assert_eq!(done_by(&[2, 10], &[3, 12], 0.5), Some(10.0));
        assert_eq!(done_by(&[2, 10], &[3, 12], 0.75), None);
        // As old as the one that ended: still at risk on that day.
        assert_eq!(done_by(&[4], &[4], 0.5), Some(4.0));
    }

    #[test]
    fn a_trend_needs_ten_and_a_reason() {
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        let falling: Vec<f64> = rising.iter().rev().copied().collect();
        assert_eq!(trend(&rising), Some(Trend::Better));
        assert_eq!(trend(&falling), Some(Trend::Worse));
        assert_eq!(trend(&rising[1..]), None);
        assert_eq!(trend(&[1.0; 12]), Some(Trend::None));
        assert_eq!(
            trend(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]),
            Some(Trend::None)
        );
        // Score 25 of ten values that are five and five: 25 − 1 > 1.96·√((2250 − 2·300)/18) = 18.8.
        let step = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(trend(&step), Some(Trend::Better));
    }
}
