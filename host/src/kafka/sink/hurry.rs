//! When rows that wait for others are sent.
//!
//! librdkafka's own `linger.ms` is a trade of latency for size, and with an idempotent producer more than that: rows that
//! have waited so long, behind a request of their partition that is on its way, keep its thread looking again and again
//! without a pause (2.12: `rd_kafka_toppar_producer_serve` asks to be called at once, and may not send). So rows linger
//! for long there, and are sent by `rd_kafka_flush`, which ends all lingering for as long as it is called.
//!
//! Each call is a request for every partition that has rows. Of a thousand partitions a broker cannot take them every few
//! milliseconds, and what it has not answered yet keeps it from what the source waits for: so the next call waits until
//! half of the rows that were on their way at the last one are back.

use super::{Handle, options};
use crate::config::KafkaClient;
use crate::sink::Pace;
use std::time::{Duration, Instant};

/// How long lingering is ended: enough for librdkafka's threads to wake and see it.
const CALL: Duration = Duration::from_millis(1);
/// Nobody has seen that it ended, on a machine with more to do than cores: again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long half of the rows are waited for when some are back: the others may be on their way to another broker.
const UNANSWERED: Duration = Duration::from_millis(20);

/// See the module.
pub(super) struct Hurry {
    /// Something changed since the last call: rows came, or others have made room.
    awake: bool,
    last: Instant,
    /// Whether a row has come back since the last call, and how many are to come back before the next.
    answered: bool,
    missing: usize,
}

impl Hurry {
    /// None where the user says how long rows wait.
    pub(super) fn new(client: &KafkaClient) -> Option<Self> {
        (!options::has_linger(client)).then(|| Self { awake: false, last: Instant::now(), answered: true, missing: 0 })
    }

    /// Rows were handed over.
    pub(super) fn wake(&mut self) {
        self.awake = true;
    }

    /// So many rows came back.
    pub(super) fn land(&mut self, rows: u32) {
        (self.awake, self.answered) = (true, true);
        self.missing = self.missing.saturating_sub(rows as usize);
    }

    /// Sends what waits of so many rows, when it is time to. Gives how long it is until then.
    pub(super) fn send(&mut self, pace: Pace, rows: usize, handle: &Handle) -> Option<Duration> {
        let patience = match (pace, self.awake) {
            (Pace::Waiting, true) => Duration::from_millis(2),
            (Pace::Busy, _) => Duration::from_millis(100),
            (_, false) => AGAIN,
            (Pace::Idle, true) if self.answered && self.missing > 0 => UNANSWERED,
            (Pace::Idle, true) => Duration::from_millis(3),
        };
        let waited = self.last.elapsed();
        if waited < patience {
            return Some(patience - waited);
        }
        handle.flush(CALL);
        (self.awake, self.answered, self.missing) = (false, rows == 0, rows / 2);
        self.last = Instant::now();
        Some(AGAIN)
    }
}
