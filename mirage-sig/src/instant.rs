use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in monotonic time: nanoseconds since the platform's own start, good for 584 years.
///
/// Arithmetic saturates: an instant before the start is the start, and one beyond the end is the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The platform's start.
    pub const START: Self = Self(0);
    /// The end of time: a sleep until then never ends.
    pub const END: Self = Self(u64::MAX);

    /// The instant that many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The span since `earlier`, or zero if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `span` later, or [`END`](Self::END).
    pub const fn saturating_add(self, span: Duration) -> Self {
        let nanos = span.as_nanos();
        if nanos > u64::MAX as u128 { Self::END } else { Self(self.0.saturating_add(nanos as u64)) }
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        self.saturating_add(span)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// Seconds since the start, to the microsecond.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Instant::START.since(Instant::END), Duration::ZERO);
        assert_eq!(Instant::END + Duration::from_secs(1), Instant::END);
        assert_eq!(Instant::START + Duration::MAX, Instant::END);
        assert_eq!(Instant::from_nanos(5) - Instant::from_nanos(3), Duration::from_nanos(2));
    }

    #[test]
    fn shows_seconds() {
        assert_eq!(Instant::from_nanos(61_000_042_000).to_string(), "61.000042");
    }
}
