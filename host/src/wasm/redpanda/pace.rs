//! How many records a transform is given at once: as many as it is likely to be done with within a slice of time, by how long the
//! last ones took. A call cannot be ended early but with the guest, and with all that this keeps in its memory.

use crate::wasm::limits::SLICE;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Before anything is known: little, since the first records may be slow ones.
const FIRST: usize = 8;

/// How much more the next call may have.
const GROWTH: usize = 4;

/// One for all guests of a module, which outlives those that end.
pub(super) struct Pace(AtomicUsize);

impl Default for Pace {
    fn default() -> Self {
        Self(AtomicUsize::new(FIRST))
    }
}

impl Pace {
    /// How many records the next call may have.
    pub(super) fn most(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// So many records have taken so long. What others measure meanwhile is as good.
    pub(super) fn took(&self, records: usize, time: Duration) {
        let fit = records as u128 * SLICE.as_nanos() / time.as_nanos().max(1);
        let fit = usize::try_from(fit).unwrap_or(usize::MAX).max(1);
        self.0.store(fit.min(self.most().saturating_mul(GROWTH)), Ordering::Relaxed);
    }

    /// A call was cut: each record is given alone, until it is known again.
    pub(super) fn cut(&self) {
        self.0.store(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_transform_gets_few_records_and_a_fast_one_soon_all() {
        let pace = Pace::default();
        assert_eq!(pace.most(), FIRST);
        pace.took(8, Duration::from_micros(8));
        assert_eq!(pace.most(), 32);
        pace.took(32, Duration::from_millis(32));
        assert_eq!(pace.most(), 100);
        pace.took(100, Duration::from_secs(5));
        assert_eq!(pace.most(), 2);
        pace.took(1, Duration::from_secs(5));
        assert_eq!(pace.most(), 1);
        (0..6).for_each(|_| pace.took(1, Duration::from_nanos(100)));
        assert_eq!(pace.most(), 4096);
        pace.cut();
        assert_eq!(pace.most(), 1);
    }
}
