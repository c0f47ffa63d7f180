//! How long to wait before the next try.

use fastrand::Rng;
use std::time::Duration;

/// Doubles from a base up to a limit, with full jitter in its upper half.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    limit: Duration,
    tries: u32,
    random: Rng,
}

impl Backoff {
    /// Starts at `base`, never above `limit`; `seed` sets the jitter apart between workers.
    pub fn new(base: Duration, limit: Duration, seed: u64) -> Self {
        Self { base, limit, tries: 0, random: Rng::with_seed(seed) }
    }

    /// How often it was asked since the last success.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let full = self.base.saturating_mul(1 << self.tries.min(20)).min(self.limit);
        self.tries = self.tries.saturating_add(1);
        full.mul_f64(0.5 + 0.5 * self.random.f64())
    }

    /// Back to the base, after a success.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2), 7);
        let waits: Vec<_> = (0..8).map(|_| backoff.next_wait().as_millis()).collect();
        for (index, wait) in waits.iter().enumerate() {
            let full = (100u128 << index).min(2000);
            assert!(*wait >= full / 2 && *wait <= full, "wait {index} is {wait} ms of {full}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }

    #[test]
    fn seeds_that_are_small_and_near_each_other_make_other_waits_from_the_first_on() {
        let first = |seed| Backoff::new(Duration::from_secs(1), Duration::from_secs(2), seed).next_wait().as_millis();
        let mut waits: Vec<_> = (0..8).map(first).collect();
        waits.sort_unstable();
        waits.dedup_by(|later, sooner| *later - *sooner < 5);
        assert!(waits.len() > 5, "{waits:?}");
    }
}
