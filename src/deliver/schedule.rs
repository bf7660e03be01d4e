//! When a delivery is tried again. Pure: time and chance are arguments.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::store::{Disabled, Then};

/// Seconds between one try and the next: ten tries over 75 hours, 35 minutes and 5 seconds.
const DELAYS_S: [u64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3600,
    5 * 3600,
    10 * 3600,
    14 * 3600,
    20 * 3600,
    24 * 3600,
];

/// Share of a delay by which it varies either way, so that what failed together does not come back together.
const JITTER: f64 = 0.2;
/// A receiver that does not keep up is left alone for so long at least.
const SLOW: Duration = Duration::from_secs(60);
/// Nothing is held back from an endpoint for longer because one answer asked for it.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// What came of a try, as far as the next depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx
    Delivered,
    /// It is not there any more (410).
    Gone,
    /// It asked to be switched off; `delivered`: and it took what it was told.
    SwitchOff {
        delivered: bool,
    },
    /// It asked not to be told this again.
    Abort,
    /// It gets too much (429), or says itself when it will be back (503 with `Retry-After`).
    Busy,
    /// There was no answer in time.
    TimedOut,
    Failed,
}

/// What becomes of a delivery after try number `tries` (1 is the first). `asked`: how long the receiver wants to be left alone.
/// `random`: 0 to 1.
pub fn then(tries: i64, outcome: Outcome, asked: Option<Duration>, random: f64, now: DateTime<Utc>) -> Then {
    let off = |why, delivered| Then::Disable { why, delivered };
    match outcome {
        Outcome::Delivered => return Then::Delivered,
        Outcome::Gone => return off(Disabled::Gone, false),
        Outcome::SwitchOff { delivered } => return off(Disabled::Receiver, delivered),
        Outcome::Abort => return Then::Failed,
        Outcome::Busy | Outcome::TimedOut | Outcome::Failed => (),
    }
    let step = usize::try_from(tries.max(1) - 1)
        .ok()
        .and_then(|index| DELAYS_S.get(index));
    let Some(step) = step.copied().map(Duration::from_secs) else {
        return Then::Failed;
    };
    let random = random.clamp(0.0, 1.0);
    let mut delay = step.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
    if let Some(asked) = asked {
        delay = delay.max(asked.min(2 * step));
    }
    if outcome != Outcome::Failed {
        delay = delay.max(SLOW.mul_f64(1.0 + JITTER * random));
    }
    let rest = (outcome == Outcome::Busy).then(|| now + asked.unwrap_or(SLOW).min(LONGEST_REST));
    Then::Again { at: now + delay, rest }
}

/// How long a receiver wants to be left alone: `Retry-After` in seconds, also as a fraction, or as a date.
pub fn retry_after(said: &str, now: DateTime<Utc>) -> Option<Duration> {
    let said = said.trim();
    if let Ok(seconds) = said.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = DateTime::parse_from_rfc2822(said).ok()?.to_utc();
    Some((until - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-04-16T10:00:00Z".parse().expect("a time")
    }

    fn seconds(then: &Then) -> Option<f64> {
        match then {
            Then::Again { at, .. } => Some((*at - now()).as_seconds_f64()),
            _ => None,
        }
    }

    #[test]
    fn ten_tries_over_three_days() {
        let mut spent = Duration::ZERO;
        for tries in 1.. {
            match then(tries, Outcome::Failed, None, 0.5, now()) {
                Then::Again { at, rest: None } => spent += (at - now()).to_std().expect("later"),
                ended => {
                    assert_eq!(ended, Then::Failed);
                    assert_eq!(tries, 10);
                    break;
                }
            }
        }
        assert_eq!(spent.as_secs(), 75 * 3600 + 35 * 60 + 5);
    }

    #[test]
    fn some_answers_end_it() {
        for (outcome, ended) in [
            (Outcome::Delivered, Then::Delivered),
            (
                Outcome::Gone,
                Then::Disable {
                    why: Disabled::Gone,
                    delivered: false,
                },
            ),
            (
                Outcome::SwitchOff { delivered: true },
                Then::Disable {
                    why: Disabled::Receiver,
                    delivered: true,
                },
            ),
            (Outcome::Abort, Then::Failed),
        ] {
            assert_eq!(then(1, outcome, Some(Duration::from_secs(9)), 0.5, now()), ended);
        }
    }

    #[test]
    fn the_receiver_is_left_alone_as_it_asks() {
        let after = |tries, outcome, asked: f64| {
            let then = then(tries, outcome, Some(Duration::from_secs_f64(asked)), 0.5, now());
            let Then::Again { rest, .. } = &then else {
                panic!("{then:?}");
            };
            (
                seconds(&then).expect("again"),
                rest.map(|rest| (rest - now()).as_seconds_f64()),
            )
        };
        // Between once and twice the delay.
        assert_eq!(after(1, Outcome::Failed, 1.0), (5.0, None));
        assert_eq!(after(1, Outcome::Failed, 7.5), (7.5, None));
        assert_eq!(after(1, Outcome::Failed, 3600.0), (10.0, None));
        assert_eq!(after(2, Outcome::Failed, 3600.0), (600.0, None));
        // What else goes there waits too.
        assert_eq!(after(1, Outcome::Busy, 7.0), (66.0, Some(7.0)));
        assert_eq!(after(2, Outcome::Busy, 1e9), (600.0, Some(3600.0)));
        let busy = then(1, Outcome::Busy, None, 0.0, now());
        let minute = now() + Duration::from_secs(60);
        assert_eq!(
            busy,
            Then::Again {
                at: minute,
                rest: Some(minute)
            }
        );
        assert_eq!(
            then(1, Outcome::TimedOut, None, 0.0, now()),
            Then::Again { at: minute, rest: None }
        );
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        for (said, wanted) in [
            ("7", Some(7.0)),
            (" 1.5 ", Some(1.5)),
            ("0", Some(0.0)),
            ("Thu, 16 Apr 2026 10:02:00 GMT", Some(120.0)),
            ("Thu, 16 Apr 2026 09:00:00 GMT", Some(0.0)),
            ("-3", None),
            ("inf", None),
            ("NaN", None),
            ("1e300", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(
                retry_after(said, now()).map(|asked| asked.as_secs_f64()),
                wanted,
                "{said}"
            );
        }
    }

    fn unhappy() -> impl Strategy<Value = Outcome> {
        prop_oneof![Just(Outcome::Busy), Just(Outcome::TimedOut), Just(Outcome::Failed)]
    }

    proptest! {
        #[test]
        fn delays_keep_their_bounds(
            tries in 1_i64..=9,
            outcome in unhappy(),
            asked in proptest::option::of(0_u64..=10_000_000),
            random in 0.0_f64..=1.0,
        ) {
            let step = DELAYS_S[tries as usize - 1] as f64;
            let is_slow = outcome != Outcome::Failed;
            let then = then(tries, outcome, asked.map(Duration::from_secs), random, now());
            let delay = seconds(&then).expect("again");
            prop_assert!(delay >= step * 0.8 - 0.001);
            prop_assert!(delay <= (2.0 * step).max(72.0) + 0.001);
            prop_assert!(!is_slow || delay >= 60.0);
            match asked {
                Some(asked) => prop_assert!(delay + 0.001 >= (asked as f64).min(2.0 * step)),
                None => {
                    let longest = if is_slow { (step * 1.2).max(72.0) } else { step * 1.2 };
                    prop_assert!(delay <= longest + 0.001);
                }
            }
        }

        #[test]
        fn nothing_goes_on_for_ever(tries in 10_i64.., outcome in unhappy(), random in 0.0_f64..=1.0) {
            prop_assert_eq!(then(tries, outcome, None, random, now()), Then::Failed);
        }

        #[test]
        fn chance_spreads_what_failed_together(tries in 1_i64..=9, outcome in unhappy()) {
            let at = |random| seconds(&then(tries, outcome, None, random, now())).expect("again");
            prop_assert!(at(0.0) < at(1.0));
        }

        #[test]
        fn no_header_stops_us(said in "\\PC*") {
            let _ = retry_after(&said, now());
        }
    }
}
