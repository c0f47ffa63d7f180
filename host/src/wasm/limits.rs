//! What an instance may use: memory, counted over all its memories and tables, and time, counted in ticks of the engine.

use crate::config::Limits;
use bytesize::ByteSize;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// How often the engine's clock advances: the resolution of `limits.time`.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// How long a call with more than one record may take, whatever `limits.time` says. A call that is cut is replayed in
/// halves, so a slow and honest batch is split, and a batch of endless loops cannot hold its worker for long. Guests that are
/// given records one by one have so many of them in a call that it takes about as long.
pub(super) const SLICE: Duration = Duration::from_millis(100);

/// How long starting and configuring may take at least: once for each instance, and more than a record's work.
const START: Duration = Duration::from_secs(1);

/// Bytes that an element of a table costs the host.
const TABLE_ELEMENT: usize = 8;

/// Grants and refuses memory. Remembers what it refused, because a guest that gets no memory mostly traps next.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: usize,
    used: usize,
    last: usize,
    refused: Option<usize>,
    /// Whether anything was ever refused.
    starved: bool,
}

impl Limiter {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, last: 0, refused: None, starved: false }
    }

    /// The bytes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The limit in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the guest was ever refused memory.
    pub(super) fn starved(&self) -> bool {
        self.starved
    }

    /// Forgets what was refused before a call.
    pub(super) fn begin(&mut self) {
        self.refused = None;
    }

    /// What a call wanted and did not get, in words.
    pub(super) fn refusal(&self) -> Option<String> {
        let wanted = self.refused?;
        Some(format!("wanted {} of memory, limits.memory is {}", bytes(wanted), bytes(self.limit)))
    }

    // Promise: bounds
    fn grow(&mut self, more: usize) -> bool {
        let wanted = self.used.saturating_add(more);
        if wanted > self.limit {
            (self.refused, self.starved) = (Some(wanted), true);
            return false;
        }
        self.used = wanted;
        self.last = more;
        true
    }

    /// The system did not give what the limit allowed.
    fn failed(&mut self) {
        self.refused = Some(self.used);
        self.used -= self.last;
        self.last = 0;
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // beyond the maximum that the module gives itself: its own affair, and it expects the -1
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT)))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.failed();
        Ok(())
    }

    // components made of many core modules (Python, JavaScript) need tens of these
    fn instances(&self) -> usize {
        256
    }

    fn tables(&self) -> usize {
        256
    }

    fn memories(&self) -> usize {
        32
    }
}

/// How long calls may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    one: Duration,
}

/// What a call does, which says how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Makes and configures an instance.
    Start,
    /// Transforms so many records.
    Batch(usize),
    /// Gives so many records one by one: each has as long as a record alone.
    Each(usize),
}

impl Time {
    /// `None` where `limits.time` is none.
    pub(super) fn new(limits: &Limits) -> Option<Self> {
        limits.time.map(|one| Self { one })
    }

    /// The time for a call.
    pub(super) fn allowed(self, call: Call) -> Duration {
        match call {
            Call::Start => self.one.max(START),
            Call::Batch(0 | 1) | Call::Each(0 | 1) => self.one,
            Call::Batch(_) => self.one.min(SLICE),
            // far more than a slice: what ends here loses its memory
            Call::Each(_) => self.one.saturating_mul(2).max(START),
        }
    }
}

/// A time in ticks. The first tick may come at once, so there is one more than would fill the time.
pub(super) fn ticks(time: Duration) -> u64 {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos()) + 1;
    // counted from now, it must stay below the number that the engine has for no deadline
    u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 2)
}

/// A number of bytes as the configuration writes it.
pub(super) fn bytes(bytes: usize) -> String {
    ByteSize(bytes as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = Limiter::new(1 << 20);
        assert!(limiter.memory_growing(0, 1 << 19, None).unwrap());
        assert!(limiter.table_growing(0, 1 << 15, None).unwrap());
        assert!(limiter.memory_growing(0, 1 << 18, None).unwrap());
        assert!(limiter.refusal().is_none());
        assert!(!limiter.memory_growing(1 << 18, 1 << 19, None).unwrap());
        assert_eq!(limiter.refusal().unwrap(), "wanted 1.2 MiB of memory, limits.memory is 1.0 MiB");
        assert_eq!(limiter.used(), 1 << 20);
    }

    #[test]
    fn a_refusal_is_forgotten_when_the_next_call_begins() {
        let mut limiter = Limiter::new(10);
        assert!(!limiter.memory_growing(0, 11, None).unwrap());
        limiter.begin();
        assert!(limiter.refusal().is_none());
    }

    #[test]
    fn growing_beyond_the_modules_own_maximum_is_no_refusal_of_ours() {
        let mut limiter = Limiter::new(100);
        assert!(!limiter.memory_growing(0, 90, Some(80)).unwrap());
        assert!(limiter.refusal().is_none());
        assert_eq!(limiter.used(), 0);
    }

    #[test]
    fn memory_that_the_system_refuses_is_not_counted() {
        let mut limiter = Limiter::new(100);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("no more")).unwrap();
        assert_eq!(limiter.used(), 0);
        assert!(limiter.refusal().is_some());
    }

    #[test]
    fn a_batch_gets_a_slice_and_a_record_alone_the_whole_time() {
        let time = |one| Time { one };
        assert_eq!(time(Duration::from_secs(1)).allowed(Call::Batch(2)), SLICE);
        assert_eq!(time(Duration::from_secs(1)).allowed(Call::Batch(1)), Duration::from_secs(1));
        assert_eq!(time(Duration::from_millis(20)).allowed(Call::Batch(2)), Duration::from_millis(20));
        assert_eq!(time(Duration::from_millis(20)).allowed(Call::Start), START);
        assert_eq!(time(Duration::from_millis(20)).allowed(Call::Each(1)), Duration::from_millis(20));
        assert_eq!(time(Duration::from_millis(20)).allowed(Call::Each(2)), START);
        assert_eq!(time(Duration::from_secs(3)).allowed(Call::Each(2)), Duration::from_secs(6));
    }

    #[test]
    fn a_time_in_ticks_is_rounded_up() {
        assert_eq!(ticks(Duration::from_secs(1)), 201);
        assert_eq!(ticks(Duration::from_millis(11)), 4);
        assert_eq!(ticks(Duration::from_nanos(1)), 2);
        assert_eq!(ticks(Duration::MAX), u64::MAX / 2);
    }
}
