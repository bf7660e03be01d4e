//! How often a CRM may be asked: token buckets. Pure: time is an argument.
//!
//! Buckets start empty. A process that died may have spent all of a full one a moment before, so a fresh one that were
//! full would let twice as much through as the CRM allows.

use std::time::Duration;

/// A limit: never more than `burst + per_second × t` in any `t` seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub burst: f64,
    pub per_second: f64,
    /// Counts requests, and not what they cost.
    pub requests: bool,
    /// Only for requests that say so; None: for all.
    pub only: Option<String>,
    /// Starts full: a budget of a day would else stop all work for hours.
    pub full: bool,
}

/// The buckets of one account.
#[derive(Debug, Clone)]
pub struct Rate {
    buckets: Vec<Bucket>,
    /// When they were last filled, since the account was opened.
    filled_at: Duration,
}

#[derive(Debug, Clone)]
struct Bucket {
    limit: Limit,
    tokens: f64,
}

impl Rate {
    pub fn new(limits: Vec<Limit>) -> Self {
        let bucket = |limit: Limit| Bucket {
            tokens: if limit.full { limit.burst } else { 0.0 },
            limit,
        };
        Self {
            buckets: limits.into_iter().map(bucket).collect(),
            filled_at: Duration::ZERO,
        }
    }

    /// Empties the buckets, as if they were fresh. Budgets of a day keep what they have.
    pub fn drain(&mut self, now: Duration) {
        self.fill(now);
        for bucket in self.buckets.iter_mut().filter(|bucket| !bucket.limit.full) {
            bucket.tokens = bucket.tokens.min(0.0);
        }
    }

    fn fill(&mut self, now: Duration) {
        let since = now.saturating_sub(self.filled_at).as_secs_f64();
        self.filled_at = self.filled_at.max(now);
        for bucket in &mut self.buckets {
            bucket.tokens = (bucket.tokens + since * bucket.limit.per_second).min(bucket.limit.burst);
        }
    }

    /// Takes what a request costs, or takes nothing and says how long to wait before asking again. `kind`: which buckets
    /// beside those for all requests. `now`: since the account was opened.
    pub fn take(&mut self, cost: f64, kind: Option<&str>, now: Duration) -> Result<(), Duration> {
        self.fill(now);
        let concerns = |bucket: &Bucket| bucket.limit.only.is_none() || bucket.limit.only.as_deref() == kind;
        let price = |bucket: &Bucket| if bucket.limit.requests { 1.0 } else { cost };
        let wait = self.buckets.iter().filter(|bucket| concerns(bucket)).map(|bucket| {
            // What costs more than fits in waits for a full bucket and leaves a debt.
            let lacking = price(bucket).min(bucket.limit.burst) - bucket.tokens;
            lacking / bucket.limit.per_second
        });
        let wait = wait.fold(0.0, f64::max);
        // Sums of parts of a second are never exact.
        if wait > 1e-9 {
            return Err(Duration::from_secs_f64(wait.min(86_400.0)).max(Duration::from_millis(1)));
        }
        for bucket in self.buckets.iter_mut().filter(|bucket| concerns(bucket)) {
            bucket.tokens -= price(bucket);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(burst: f64, per_second: f64, only: Option<&str>) -> Limit {
        Limit {
            burst,
            per_second,
            requests: false,
            only: only.map(str::to_owned),
            full: false,
        }
    }

    /// Asks as often as it may; when each request went out, and what it cost.
    fn asked(limits: Vec<Limit>, costs: &[(f64, bool)], pauses: &[u64]) -> Vec<(Duration, f64, bool)> {
        let mut rate = Rate::new(limits);
        let mut now = Duration::ZERO;
        let mut sent = Vec::new();
        for ((cost, search), pause) in costs.iter().zip(pauses) {
            now += Duration::from_millis(*pause);
            while let Err(wait) = rate.take(*cost, search.then_some("search"), now) {
                now += wait;
            }
            sent.push((now, *cost, *search));
        }
        sent
    }

    proptest! {
        /// Whatever is asked when: no window of time has more in it than the limit allows.
        #[test]
        fn no_window_has_more_than_the_limit(
            burst in 1.0..60.0_f64,
            per_second in 0.3..20.0_f64,
            costs in prop::collection::vec((1.0..3.0_f64, any::<bool>()), 1..120),
            pauses in prop::collection::vec(prop_oneof![Just(0_u64), 0..5_000_u64], 120),
        ) {
            let costs: Vec<_> = costs.into_iter().map(|(cost, search)| (cost.min(burst), search)).collect();
            let sent = asked(vec![limit(burst, per_second, None), limit(burst / 2.0, per_second / 2.0, Some("search"))], &costs, &pauses);
            for first in 0..sent.len() {
                let (mut all, mut searches) = (0.0, 0.0);
                for (at, cost, search) in &sent[first..] {
                    all += cost;
                    searches += if *search { *cost } else { 0.0 };
                    let seconds = (*at - sent[first].0).as_secs_f64();
                    prop_assert!(all <= burst + per_second * seconds + 1e-6);
                    // One request may cost more than half a bucket holds, and leaves a debt of that.
                    prop_assert!(searches <= (burst + per_second * seconds) / 2.0 + 3.0 + 1e-6);
                }
            }
        }

        /// Nobody waits longer than it takes to earn what is asked for.
        #[test]
        fn nobody_waits_longer_than_needed(burst in 1.0..60.0_f64, per_second in 0.3..20.0_f64, how_many in 1..200_usize) {
            let sent = asked(vec![limit(burst, per_second, None)], &vec![(1.0, false); how_many], &vec![0; how_many]);
            let last = sent.last().expect("one at least").0.as_secs_f64();
            let earned = how_many as f64 / per_second;
            prop_assert!(last <= earned + 0.001 * how_many as f64 + 1e-6, "{last} {earned}");
        }
    }

    #[test]
    fn a_fresh_bucket_is_empty_unless_it_says_otherwise() {
        let mut rate = Rate::new(vec![limit(50.0, 2.0, None)]);
        assert_eq!(rate.take(1.0, None, Duration::ZERO), Err(Duration::from_millis(500)));
        assert_eq!(rate.take(1.0, None, Duration::from_millis(500)), Ok(()));
        let full = Limit {
            full: true,
            ..limit(50.0, 0.001, None)
        };
        let mut rate = Rate::new(vec![full]);
        for _ in 0..50 {
            assert_eq!(rate.take(1.0, None, Duration::ZERO), Ok(()));
        }
        assert!(rate.take(1.0, None, Duration::ZERO).is_err());
    }

    /// Where somebody else may have asked meanwhile, nothing is left over from before.
    #[test]
    fn a_drained_bucket_is_as_a_fresh_one() {
        let day = Limit {
            full: true,
            ..limit(10.0, 0.001, None)
        };
        let mut rate = Rate::new(vec![limit(50.0, 2.0, None), day]);
        assert_eq!(rate.take(1.0, None, Duration::from_secs(100)), Ok(()));
        rate.drain(Duration::from_secs(200));
        let wait = rate.take(1.0, None, Duration::from_secs(200));
        assert_eq!(wait, Err(Duration::from_millis(500)));
        for second in 201..210 {
            assert_eq!(rate.take(1.0, None, Duration::from_secs(second)), Ok(()));
        }
        assert!(
            rate.take(1.0, None, Duration::from_secs(210)).is_err(),
            "the budget of the day is spent"
        );
    }

    /// A clock that stands still, or a request that took none of the bucket, changes nothing.
    #[test]
    fn waiting_takes_nothing() {
        let mut rate = Rate::new(vec![limit(1.0, 1.0, None)]);
        for _ in 0..10 {
            assert!(rate.take(1.0, None, Duration::from_millis(100)).is_err());
        }
        assert_eq!(rate.take(1.0, None, Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn without_limits_nobody_waits() {
        let mut rate = Rate::new(Vec::new());
        assert_eq!(rate.take(1e9, None, Duration::ZERO), Ok(()));
    }
}
