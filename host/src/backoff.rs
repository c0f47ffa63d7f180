//! How long to wait before the next try.

use std::time::Duration;

/// Doubles from a base up to a limit, with full jitter in its upper half.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    limit: Duration,
    tries: u32,
    seed: u64,
}

impl Backoff {
    /// Starts at `base`, never above `limit`; `seed` sets the jitter apart between workers.
    pub fn new(base: Duration, limit: Duration, seed: u64) -> Self {
        Self { base, limit, tries: 0, seed: seed | 1 }
    }

    /// How often it was asked since the last success.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let full = self.base.saturating_mul(1 << self.tries.min(20)).min(self.limit);
        self.tries = self.tries.saturating_add(1);
        // xorshift64: jitter needs no better randomness
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        full.mul_f64(0.5 + 0.5 * (self.seed >> 11) as f64 / (1u64 << 53) as f64)
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
}
