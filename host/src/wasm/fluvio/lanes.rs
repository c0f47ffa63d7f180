//! What `aggregate` has come to, by partition: Fluvio runs a SmartModule for each, and keeps its accumulator beside it.
//!
//! A partition may be read again from an earlier offset, when a delivery failed or a record is tried again. So accumulators
//! are kept with the places of their records: of the last calls all, since a record in the midst of a batch may be tried
//! again, and of those before only the last of each call, since that is where a partition is taken up after a failure.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::{Mutex, PoisonError};

/// Bytes of accumulators that a lane keeps of all records, and as many again of the ends of calls.
const KEPT: usize = 1 << 20;

/// A record's place in its partition: its offset, and how many that a module made of the same record were before it.
pub(super) type Place = (i64, u32);

/// The accumulators of all partitions.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<(String, i32), Lane>>);

#[derive(Default)]
struct Lane {
    /// Of calls of long ago.
    ends: Steps,
    /// Of the last calls.
    all: Steps,
    /// Some were let go.
    cut: bool,
}

/// Ascending by place.
#[derive(Default)]
struct Steps {
    steps: VecDeque<Step>,
    bytes: usize,
}

struct Step {
    /// The first and the last record that it stands for: it is what was there after the last.
    from: Place,
    to: Place,
    accumulator: Vec<u8>,
    ends_call: bool,
}

impl Step {
    fn size(&self) -> usize {
        size_of::<Step>() + self.accumulator.len()
    }
}

impl Steps {
    fn push(&mut self, step: Step) {
        self.bytes += step.size();
        self.steps.push_back(step);
    }

    fn pop_first(&mut self) -> Option<Step> {
        self.steps.pop_front().inspect(|step| self.bytes -= step.size())
    }

    /// Lets go what came of the record at a place and of those after it. Returns the first record of the first step that went.
    fn forget(&mut self, place: Place) -> Option<Place> {
        let mut from = None;
        while let Some(step) = self.steps.pop_back_if(|step| step.to >= place) {
            self.bytes -= step.size();
            from = Some(step.from);
        }
        from
    }
}

impl Lane {
    fn push(&mut self, steps: Vec<(Place, Vec<u8>)>) {
        let count = steps.len();
        for (index, (place, accumulator)) in steps.into_iter().enumerate() {
            self.all.push(Step { from: place, to: place, accumulator, ends_call: index + 1 == count });
        }
        while self.all.bytes > KEPT {
            self.fold();
        }
        // the last is what comes next begins with
        while self.ends.bytes > KEPT && self.ends.steps.len() + self.all.steps.len() > 1 {
            self.ends.pop_first();
            self.cut = true;
        }
    }

    /// Makes one step of those of the oldest call.
    fn fold(&mut self) {
        let mut folded: Option<Step> = None;
        while let Some(step) = self.all.pop_first() {
            let from = folded.map_or(step.from, |folded| folded.from);
            let ends = step.ends_call;
            folded = Some(Step { from, ..step });
            if ends {
                break;
            }
        }
        folded.into_iter().for_each(|step| self.ends.push(step));
    }
}

impl Lanes {
    /// The accumulator before the record at a place: empty where nothing came before. Forgets those after it.
    pub(super) fn before(&self, topic: &str, partition: i32, place: Place) -> Vec<u8> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&(topic.to_owned(), partition)) else { return Vec::new() };
        lane.all.forget(place);
        let inside = match lane.all.steps.is_empty() {
            true => lane.ends.forget(place).is_some_and(|from| from < place),
            false => false,
        };
        let last = lane.all.steps.back().or(lane.ends.steps.back());
        if inside || (last.is_none() && mem::take(&mut lane.cut)) {
            let offset = place.0;
            tracing::warn!(
                topic,
                partition,
                offset,
                "read again from so far back that the accumulator of then is not known any more: some records are not counted"
            );
        }
        last.map_or_else(Vec::new, |step| step.accumulator.clone())
    }

    /// Keeps what came of the records of a call, ascending by place.
    pub(super) fn keep(&self, topic: &str, partition: i32, steps: Vec<(Place, Vec<u8>)>) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry((topic.to_owned(), partition)).or_default().push(steps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(lanes: &Lanes, steps: &[(Place, &str)]) {
        lanes.keep("t", 0, steps.iter().map(|(place, text)| (*place, text.as_bytes().to_vec())).collect());
    }

    #[test]
    fn a_lane_that_is_read_again_goes_on_where_it_was_then() {
        let lanes = Lanes::default();
        assert_eq!(lanes.before("t", 0, (5, 0)), b"");
        keep(&lanes, &[((5, 0), "a"), ((6, 0), "b"), ((8, 0), "c")]);
        assert_eq!(lanes.before("t", 1, (9, 0)), b"", "another partition");
        assert_eq!(lanes.before("t", 0, (9, 0)), b"c");
        assert_eq!(lanes.before("t", 0, (7, 0)), b"b");
        assert_eq!(lanes.before("t", 0, (9, 0)), b"b", "what came after was forgotten");
        assert_eq!(lanes.before("t", 0, (5, 0)), b"");
    }

    #[test]
    fn a_part_that_begins_in_the_midst_of_what_was_made_of_a_record_goes_on_there() {
        let lanes = Lanes::default();
        keep(&lanes, &[((4, 0), "a"), ((5, 0), "b"), ((5, 1), "c")]);
        assert_eq!(lanes.before("t", 0, (5, 2)), b"c");
        assert_eq!(lanes.before("t", 0, (5, 1)), b"b");
        assert_eq!(lanes.before("t", 0, (5, 0)), b"a", "and the whole record again from its beginning");
    }

    #[test]
    fn a_lane_keeps_no_more_than_it_may_and_the_ends_of_calls_the_longest() {
        let lanes = Lanes::default();
        for call in 0..2000 {
            let steps = (0..100).map(|n| ((call * 100 + n, 0), format!("{call}.{n}").into_bytes()));
            lanes.keep("t", 0, steps.collect());
        }
        let held = |lanes: &Lanes| {
            let lanes = lanes.0.lock().unwrap();
            let lane = lanes.values().next().unwrap();
            (lane.all.bytes.max(lane.ends.bytes), lane.all.steps.len() + lane.ends.steps.len())
        };
        assert!(held(&lanes).0 <= KEPT && held(&lanes).1 > 5000, "{:?}", held(&lanes));
        assert_eq!(lanes.before("t", 0, (199_950, 0)), b"1999.49", "of the last calls all are there");
        assert_eq!(lanes.before("t", 0, (100_000, 0)), b"999.99", "and where an old one ended");
        assert_eq!(lanes.before("t", 0, (50_050, 0)), b"499.99", "in the midst of one, as near as can be");
        assert_eq!(lanes.before("t", 0, (0, 0)), b"");
        let lanes = Lanes::default();
        for offset in 0..4 {
            lanes.keep("t", 0, vec![((offset, 0), vec![b'x'; KEPT])]);
        }
        assert_eq!((held(&lanes).1, lanes.before("t", 0, (4, 0)).len()), (1, KEPT), "the last is kept, however large");
    }
}
