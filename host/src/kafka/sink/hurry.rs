//! When rows that wait for others are sent.
//!
//! librdkafka's own `linger.ms` is a trade of latency for size, and with an idempotent producer more than that: rows that
//! have waited so long, behind a request of their partition that is on its way, keep its thread looking again and again
//! without a pause (2.12: `rd_kafka_toppar_producer_serve` asks to be called at once, and may not send). So rows linger
//! for long there, and are sent by `rd_kafka_flush`, which ends all lingering for as long as it is called.

use super::{Handle, options};
use crate::config::KafkaClient;
use crate::sink::Pace;
use std::time::{Duration, Instant};

/// How long lingering is ended: enough for librdkafka's threads to wake and see it.
const CALL: Duration = Duration::from_millis(1);
/// Nobody has seen that it ended, on a machine with more to do than cores: again.
const AGAIN: Duration = Duration::from_millis(20);

/// See the module.
pub(super) struct Hurry {
    /// Something changed since the last call: rows came, or others have made room.
    awake: bool,
    last: Instant,
}

impl Hurry {
    /// None where the user says how long rows wait.
    pub(super) fn new(client: &KafkaClient) -> Option<Self> {
        (!options::has_linger(client)).then(|| Self { awake: false, last: Instant::now() })
    }

    /// Rows were handed over, or came back.
    pub(super) fn wake(&mut self) {
        self.awake = true;
    }

    /// Sends what waits, when it is time to. Gives how long it is until then.
    pub(super) fn send(&mut self, pace: Pace, handle: &Handle) -> Option<Duration> {
        let patience = match (pace, self.awake) {
            (Pace::Busy, _) => Duration::from_millis(100),
            (Pace::Idle, true) => Duration::from_millis(3),
            (Pace::Waiting, true) => Duration::from_millis(2),
            (_, false) => AGAIN,
        };
        let waited = self.last.elapsed();
        if waited < patience {
            return Some(patience - waited);
        }
        handle.flush(CALL);
        (self.awake, self.last) = (false, Instant::now());
        Some(AGAIN)
    }
}
