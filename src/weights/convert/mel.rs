//! The mel filter bank that Whisper and the voice encoder listen through, computed instead of shipped.
//!
//! The platform's `exp` and `ln` differ between systems in the last bit, which would change the hash of a converted
//! file: the few values needed are computed with plain arithmetic, which is exact to the rule everywhere.

/// Sample rate and window of both.
const SAMPLE_RATE: f64 = 16_000.0;
const WINDOW: usize = 400;

/// Frequencies of one filter bank row.
pub const BINS: usize = WINDOW / 2 + 1;

/// Above this mel (1000 Hz) the scale is logarithmic.
const LOG_FROM_MEL: f64 = 15.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
const LN_6_4: f64 = 1.856_297_990_365_626_2;
const LN_8: f64 = 2.079_441_541_679_835_7;

/// `mels` rows of [`BINS`] weights on the Slaney scale, each row of unit area.
pub fn filters(mels: usize) -> Vec<f32> {
    // 8000 Hz, the highest frequency, on the mel scale.
    let top = LOG_FROM_MEL + LN_8 / (LN_6_4 / 27.0);
    let corners: Vec<f64> = (0..mels + 2)
        .map(|i| hertz(i as f64 * (top / (mels + 1) as f64)))
        .collect();
    let mut bank = Vec::with_capacity(mels * BINS);
    for corner in corners.windows(3) {
        let (low, centre, high) = (corner[0], corner[1], corner[2]);
        let area = 2.0 / (high - low);
        bank.extend((0..BINS).map(|bin| {
            let hz = bin as f64 * (SAMPLE_RATE / WINDOW as f64);
            let rising = -(low - hz) / (centre - low);
            let falling = (high - hz) / (high - centre);
            let height = rising.min(falling);
            // Not `max(0.0)`: the sign of the zero that it gives for −0.0 differs from build to build.
            if height > 0.0 { (height * area) as f32 } else { 0.0 }
        }));
    }
    bank
}

fn hertz(mel: f64) -> f64 {
    if mel >= LOG_FROM_MEL {
        1000.0 * exp((LN_6_4 / 27.0) * (mel - LOG_FROM_MEL))
    } else {
        mel * HZ_PER_MEL
    }
}

/// `e` to the power of a small positive number, by its series: all terms are positive, so rounding stays small.
fn exp(x: f64) -> f64 {
    let mut terms = vec![1.0];
    for n in 1..40_u32 {
        terms.push(terms[terms.len() - 1] * x / f64::from(n));
    }
    // Smallest first loses least.
    terms.iter().rev().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_platform() {
        for i in 0..=2100 {
            let x = f64::from(i) / 1000.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "exp({x})");
        }
    }

    #[test]
    fn bank_has_the_known_values_of_whisper() {
        let bank = filters(80);
        assert_eq!(bank.len(), 80 * BINS);
        // From the filter file that OpenAI publishes with Whisper.
        assert_eq!(bank[0], 0.0);
        assert!((bank[1] - 0.024_862_593).abs() < 1e-7, "{}", bank[1]);
        assert!((bank[BINS + 2] - 0.022_871_772).abs() < 1e-7, "{}", bank[BINS + 2]);
        for row in bank.chunks(BINS) {
            assert!(row.iter().any(|w| *w > 0.0), "every filter lets something through");
            assert!(row.iter().all(|w| w.is_sign_positive()), "a zero has one form");
        }
    }
}
