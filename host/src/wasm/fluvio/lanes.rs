//! What `aggregate` has come to, by partition: Fluvio runs a SmartModule for each, and keeps its accumulator beside it.
//!
//! A partition may be read again from an earlier offset, when a delivery failed or a record is tried again. So the last
//! accumulators are kept with their offsets, and the one before the record that comes next is taken up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Accumulators that a lane keeps, and their bytes together. The last is always kept.
const KEPT: usize = 4096;
const KEPT_BYTES: usize = 1 << 20;

/// The accumulators of all partitions.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<(String, i32), Lane>>);

#[derive(Default)]
struct Lane {
    /// By the offset of the record that made each, ascending.
    steps: VecDeque<(i64, Vec<u8>)>,
    bytes: usize,
    /// Some were let go.
    cut: bool,
}

impl Lanes {
    /// The accumulator before the record at an offset: empty where nothing came before. Forgets those after it.
    pub(super) fn before(&self, topic: &str, partition: i32, offset: i64) -> Vec<u8> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&(topic.to_owned(), partition)) else { return Vec::new() };
        while lane.steps.back().is_some_and(|(at, _)| *at >= offset) {
            lane.bytes -= lane.steps.pop_back().map_or(0, |(_, accumulator)| accumulator.len());
        }
        if lane.steps.is_empty() && std::mem::take(&mut lane.cut) {
            tracing::warn!(topic, partition, offset, "read again from so far back that the accumulator starts empty");
        }
        lane.steps.back().map_or_else(Vec::new, |(_, accumulator)| accumulator.clone())
    }

    /// Keeps what came of records, ascending by offset.
    pub(super) fn keep(&self, topic: &str, partition: i32, steps: Vec<(i64, Vec<u8>)>) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry((topic.to_owned(), partition)).or_default();
        lane.bytes += steps.iter().map(|(_, accumulator)| accumulator.len()).sum::<usize>();
        lane.steps.extend(steps);
        while lane.steps.len() > 1 && (lane.steps.len() > KEPT || lane.bytes > KEPT_BYTES) {
            lane.bytes -= lane.steps.pop_front().map_or(0, |(_, accumulator)| accumulator.len());
            lane.cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_is_read_again_goes_on_where_it_was_then() {
        let lanes = Lanes::default();
        assert_eq!(lanes.before("t", 0, 5), b"");
        lanes.keep("t", 0, vec![(5, b"a".to_vec()), (6, b"b".to_vec()), (8, b"c".to_vec())]);
        assert_eq!(lanes.before("t", 1, 9), b"", "another partition");
        assert_eq!(lanes.before("t", 0, 9), b"c");
        assert_eq!(lanes.before("t", 0, 7), b"b");
        assert_eq!(lanes.before("t", 0, 9), b"b", "what came after was forgotten");
        assert_eq!(lanes.before("t", 0, 5), b"");
    }

    #[test]
    fn a_lane_keeps_no_more_than_it_may() {
        let lanes = Lanes::default();
        let large = |offset| (offset, vec![b'x'; KEPT_BYTES]);
        lanes.keep("t", 0, vec![large(1), large(2), large(3)]);
        assert_eq!(lanes.before("t", 0, 4).len(), KEPT_BYTES);
        assert_eq!(lanes.before("t", 0, 3), b"");
    }
}
