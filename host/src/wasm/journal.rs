//! What guests log: into the host's log, shortened and with a limit of messages a second for each module.

use crate::harmless::one_line;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Messages that may come at once.
const BURST: f64 = 50.0;

/// Messages a second after that.
const RATE: f64 = 10.0;

/// Bytes of a message that are kept.
const LENGTH: usize = 2048;

/// How urgent a message is, in the contract's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// The level with a number of the core door. Unknown ones are errors: nothing is lost.
    pub(super) fn from_number(number: i32) -> Self {
        match number {
            0 => Level::Trace,
            1 => Level::Debug,
            2 => Level::Info,
            3 => Level::Warn,
            _ => Level::Error,
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    since: Instant,
    left_out: u64,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self { tokens: BURST, since: now, left_out: 0 }
    }

    /// Whether a message may pass, and then how many were left out before it.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let waited = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        self.tokens = (self.tokens + waited * RATE).min(BURST);
        if self.tokens < 1.0 {
            self.left_out += 1;
            return None;
        }
        self.tokens -= 1.0;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// One module's way into the log, shared by its instances: a fresh instance after each fault must not log afresh.
#[derive(Clone)]
pub(super) struct Journal {
    module: Arc<str>,
    bucket: Arc<Mutex<Bucket>>,
}

impl Journal {
    pub(super) fn new(module: &str) -> Self {
        Self { module: module.into(), bucket: Arc::new(Mutex::new(Bucket::new(Instant::now()))) }
    }

    /// Logs a message, or counts that it was left out.
    // Promise: bounds
    pub(super) fn write(&self, level: Level, message: &str) {
        let passed = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        let Some(left_out) = passed else { return };
        let module = &*self.module;
        if left_out > 0 {
            tracing::warn!(module, left_out, "the module logs too much: messages were left out");
        }
        match level {
            Level::Trace => tracing::trace!(module, "{message}"),
            Level::Debug => tracing::debug!(module, "{message}"),
            Level::Info => tracing::info!(module, "{message}"),
            Level::Warn => tracing::warn!(module, "{message}"),
            Level::Error => tracing::error!(module, "{message}"),
        }
    }
}

/// A guest's bytes as one line of text: shortened, lossy UTF-8, without control characters.
pub(super) fn line(bytes: &[u8]) -> String {
    let short = &bytes[..bytes.len().min(LENGTH)];
    let mut text = one_line(String::from_utf8_lossy(short).trim_end()).into_owned();
    if short.len() < bytes.len() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let passed = (0..1000).filter(|_| bucket.take(start).is_some()).count();
        assert_eq!(passed, 50);
        assert_eq!(bucket.take(start + Duration::from_secs(1)), Some(950));
        assert_eq!(bucket.take(start + Duration::from_secs(1)), Some(0));
    }

    #[test]
    fn a_message_becomes_one_short_line() {
        assert_eq!(line(b"one\ntwo\x1b[31m\n"), "one two\u{fffd}[31m");
        assert_eq!(line(b"\xff"), "\u{fffd}");
        assert_eq!(line(&vec![b'x'; LENGTH + 1]).len(), LENGTH + '…'.len_utf8());
    }
}
