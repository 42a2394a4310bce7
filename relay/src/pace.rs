//! How fast a client may be: a token bucket, kept as the one instant at which it would be full again.

use std::time::{Duration, Instant};

/// How much may come at once after a pause: what the rate gives in that time.
pub const BURST: Duration = Duration::from_millis(250);

/// No single charge makes its client wait longer than this, so that it still answers pings.
pub const WAIT_MAX: Duration = Duration::from_secs(1);

/// A rate, in units for each second, and how much of it is used.
#[derive(Debug, Clone)]
pub struct Pace {
    per_second: u64,
    /// All that was charged so far is paid for at this time.
    paid: Instant,
}

impl Pace {
    /// At most `per_second` units for each second; 0 is no limit.
    pub fn new(per_second: u64, now: Instant) -> Self {
        Self { per_second, paid: now }
    }

    /// Charges `units`, and says how long to wait before the next.
    pub fn charge(&mut self, units: u64, now: Instant) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        let price = (u128::from(units) * 1_000_000_000 / u128::from(self.per_second)).min(WAIT_MAX.as_nanos());
        // Bounded by the line above, so it fits.
        let price = Duration::from_nanos(u64::try_from(price).unwrap_or(u64::MAX));
        self.paid = self.paid.max(now) + price;
        self.paid.saturating_duration_since(now).saturating_sub(BURST).min(WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_is_free_and_then_it_costs() {
        let now = Instant::now();
        let mut pace = Pace::new(1000, now);
        for _ in 0..250 {
            assert_eq!(pace.charge(1, now), Duration::ZERO);
        }
        assert_eq!(pace.charge(1, now), Duration::from_millis(1));
        assert_eq!(pace.charge(1, now + Duration::from_secs(10)), Duration::ZERO);
        assert_eq!(Pace::new(0, now).charge(u64::MAX, now), Duration::ZERO);
        assert!(Pace::new(1, now).charge(u64::MAX, now) <= WAIT_MAX);
    }

    proptest! {
        /// Who waits as told never gets more than the rate and one burst (and the charge that was under way).
        #[test]
        fn nobody_is_faster_than_allowed(rate in 1_u64..10_000, charges in prop::collection::vec((1_u64..50, 0_u64..20), 1..500)) {
            let start = Instant::now();
            let mut now = start;
            let mut pace = Pace::new(rate, start);
            let mut total = 0;
            for (units, idle_ms) in charges {
                // A charge dearer than the longest wait is cheaper than it should be, on purpose.
                let units = units.min(rate);
                total += units;
                let allowed = (now - start + BURST).as_secs_f64() * rate as f64 + 2.0 * 50.0 + 1.0;
                prop_assert!(total as f64 <= allowed, "{total} of {allowed}");
                now += pace.charge(units, now) + Duration::from_millis(idle_ms);
            }
        }
    }
}
