//! What a guest's clocks show: the time that it is, or the time of its records.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When this host's monotonic clock began.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A millisecond, in nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// The clocks of a guest, by their numbers: 0 is the time of day, the others go on steadily.
#[derive(Clone, Copy, Debug)]
pub(in crate::wasm) enum Clock {
    /// As they are.
    Real,
    /// The time of day is the record's, and any other clock goes on by a millisecond whenever it is read, as in Redpanda: a
    /// record gives the same whenever it is read. In nanoseconds.
    Records {
        /// Since 1970.
        day: u64,
        /// Since the guest was made.
        steady: u64,
    },
}

impl Clock {
    /// A clock of records, before there is one.
    pub(in crate::wasm) const OF_RECORDS: Self = Clock::Records { day: 0, steady: 0 };

    /// A record begins that has this time, in milliseconds since 1970; -1 where there is none.
    pub(in crate::wasm) fn at(&mut self, milliseconds: i64) {
        if let Clock::Records { day, .. } = self {
            *day = u64::try_from(milliseconds).unwrap_or_default().saturating_mul(MILLISECOND);
        }
    }

    /// Nanoseconds of a clock.
    pub(super) fn now(&mut self, id: u32) -> Option<u64> {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match (self, id) {
            (Clock::Real, 0) => Some(nanoseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())),
            (Clock::Real, 1) => Some(nanoseconds(BEGAN.elapsed())),
            (Clock::Records { day, .. }, 0) => Some(*day),
            (Clock::Records { steady, .. }, 1..=3) => {
                *steady = steady.saturating_add(MILLISECOND);
                Some(*steady)
            }
            _ => None,
        }
    }

    /// The steps of a clock, in nanoseconds.
    pub(super) fn resolution(self, id: u32) -> Option<u64> {
        match self {
            Clock::Real => (id <= 1).then_some(1),
            Clock::Records { .. } => (id <= 3).then_some(MILLISECOND),
        }
    }

    /// Lets a time pass where it costs nothing. Returns whether it has passed.
    pub(super) fn skip(&mut self, time: Duration) -> bool {
        let Clock::Records { steady, .. } = self else { return false };
        *steady = steady.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_records_shows_their_time_and_goes_on_where_it_is_waited_for() {
        let mut clock = Clock::OF_RECORDS;
        assert_eq!(
            (clock.now(0), clock.now(1), clock.now(2), clock.now(4)),
            (Some(0), Some(MILLISECOND), Some(2 * MILLISECOND), None)
        );
        clock.at(1_700_000_000_123);
        assert_eq!(clock.now(0), Some(1_700_000_000_123_000_000));
        assert!(clock.skip(Duration::from_secs(1)));
        assert_eq!(clock.now(1), Some(1_003 * MILLISECOND));
        clock.at(-1);
        assert_eq!(clock.now(0), Some(0));
        assert_eq!(
            (clock.resolution(0), Clock::Real.resolution(1), Clock::Real.resolution(2)),
            (Some(MILLISECOND), Some(1), None)
        );
        assert!(!Clock::Real.skip(Duration::ZERO));
    }
}
