//! The last records of a lane, as `look_back` is shown them. Those without a value are not there: a SmartModule cannot be
//! shown one.

use super::wire::Given;
use crate::batch::Batch;
use std::collections::VecDeque;
use std::ops::Range;

/// See the module. What is behind what it has is shown to the guest as it comes, and pushed then.
#[derive(Default)]
pub(super) struct Tail {
    kept: VecDeque<Kept>,
    /// Keys and values, end to end.
    bytes: VecDeque<u8>,
    /// Where the first of `bytes` is, counted from the first that ever was.
    base: usize,
    /// Nothing was before what is here.
    whole: bool,
    /// The first were let go.
    shortened: bool,
    /// Some were let go because all of them were too large.
    capped: bool,
}

struct Kept {
    offset: i64,
    timestamp: i64,
    at: usize,
    key: Option<usize>,
    value: usize,
    /// The guest does not take it.
    left_out: bool,
}

impl Kept {
    fn size(&self) -> usize {
        self.key.unwrap_or(0) + self.value
    }
}

impl Tail {
    /// Of a lane in front of which nothing was, or nothing that is to be seen.
    pub(super) fn whole() -> Self {
        Self { whole: true, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether it has the last records, so many of them or all that there are.
    pub(super) fn has(&self, last: usize) -> bool {
        self.whole || self.capped || self.len() >= last
    }

    /// Nothing was before what was pushed first.
    pub(super) fn has_the_beginning(&mut self) {
        self.whole = !self.shortened;
    }

    /// Adds the records behind those that it has.
    pub(super) fn push(&mut self, batch: &Batch<'_>) {
        let places = batch.offsets.iter().zip(batch.timestamps.iter());
        for ((&offset, &timestamp), (key, value)) in places.zip(batch.keys.iter().zip(batch.values.iter())) {
            let Some(value) = value else { continue };
            let at = self.base + self.bytes.len();
            self.bytes.extend(key.unwrap_or_default());
            self.bytes.extend(value);
            let (key, value) = (key.map(<[u8]>::len), value.len());
            self.kept.push_back(Kept { offset, timestamp, at, key, value, left_out: false });
        }
    }

    /// Forgets the records from an offset on: they come again.
    pub(super) fn cut(&mut self, offset: i64) {
        while let Some(kept) = self.kept.pop_back_if(|kept| kept.offset >= offset) {
            self.bytes.truncate(self.bytes.len() - kept.size());
            self.capped = false;
        }
    }

    /// Keeps the last records, so many and no more bytes than that.
    // Promise: bounds
    pub(super) fn trim(&mut self, records: usize, bytes: usize) {
        while self.kept.len() > records || self.bytes.len() > bytes {
            let Some(kept) = self.kept.pop_front() else { break };
            self.capped |= self.kept.len() < records;
            self.bytes.drain(..kept.size());
            self.base += kept.size();
            (self.whole, self.shortened) = (false, true);
        }
    }

    /// The end of a run of records that begins with one: of so many, and no more bytes than that but for a single one.
    pub(super) fn run(&self, begin: usize, records: usize, bytes: usize) -> usize {
        let mut size = 0;
        let fitting = self.kept.range(begin..).take(records).take_while(|kept| {
            size += kept.size();
            size <= bytes
        });
        begin + fitting.count().max(1)
    }

    /// The offset and the time of the first of some records that the guest is shown, and all of them: none that is older than
    /// `since`.
    pub(super) fn shown(&mut self, range: Range<usize>, since: i64) -> Option<(i64, i64, Vec<Given<'_>>)> {
        let base = self.base;
        let bytes: &[u8] = self.bytes.make_contiguous();
        let mut kept = self.kept.range(range).filter(|kept| !kept.left_out && kept.timestamp >= since).peekable();
        let (offset, time) = kept.peek().map(|kept| (kept.offset, kept.timestamp))?;
        let given = |kept: &Kept| {
            let (key, value) = bytes[kept.at - base..][..kept.size()].split_at(kept.key.unwrap_or(0));
            let (offset_delta, time_delta) = (kept.offset - offset, kept.timestamp.wrapping_sub(time));
            Given { offset_delta, time_delta, key: kept.key.map(|_| key), value }
        };
        Some((offset, time, kept.map(given).collect()))
    }

    /// The guest is not shown this one any more. Gives its offset.
    pub(super) fn leave_out(&mut self, index: usize) -> i64 {
        self.kept[index].left_out = true;
        self.kept[index].offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Bytes, Column};

    fn push(tail: &mut Tail, first: i64, values: &[Option<&str>]) {
        let offsets: Vec<i64> = (first..).take(values.len()).collect();
        let bytes: Vec<Bytes<'_>> = values.iter().map(|value| value.map(str::as_bytes)).collect();
        let keys = vec![Some(&b"k"[..]); values.len()];
        tail.push(&Batch {
            topic: "t",
            timestamps: offsets.iter().map(|offset| offset * 10).collect(),
            offsets: offsets.into(),
            keys: Column::Each(keys.into()),
            values: Column::Each(bytes.into()),
            ..Batch::default()
        });
    }

    fn shown(tail: &mut Tail, range: Range<usize>, since: i64) -> (i64, i64, Vec<(i64, String)>) {
        let Some((offset, time, given)) = tail.shown(range, since) else { return (-1, -1, Vec::new()) };
        let text = |given: &Given<'_>| {
            assert_eq!((given.key, given.time_delta), (Some(&b"k"[..]), given.offset_delta * 10));
            (given.offset_delta, String::from_utf8(given.value.to_vec()).unwrap())
        };
        (offset, time, given.iter().map(text).collect())
    }

    #[test]
    fn the_last_records_are_shown_with_their_places_and_without_tombstones_and_what_is_too_old() {
        let mut tail = Tail::default();
        push(&mut tail, 5, &[Some("a"), None, Some("")]);
        push(&mut tail, 9, &[Some("bcd")]);
        let a = |offset: i64, text: &str| (offset, text.to_owned());
        assert_eq!(shown(&mut tail, 0..3, 0), (5, 50, vec![a(0, "a"), a(2, ""), a(4, "bcd")]));
        assert_eq!(shown(&mut tail, 0..3, 70), (7, 70, vec![a(0, ""), a(2, "bcd")]));
        assert_eq!(shown(&mut tail, 0..3, 91), (-1, -1, vec![]));
        assert_eq!(tail.leave_out(1), 7);
        assert_eq!(shown(&mut tail, 0..3, 0), (5, 50, vec![a(0, "a"), a(4, "bcd")]));
        tail.trim(2, 100);
        assert_eq!(shown(&mut tail, 0..2, 0), (9, 90, vec![a(0, "bcd")]));
        push(&mut tail, 10, &[Some("e")]);
        tail.cut(10);
        push(&mut tail, 11, &[Some("f")]);
        assert_eq!(shown(&mut tail, 0..3, 0), (9, 90, vec![a(0, "bcd"), a(2, "f")]));
        assert_eq!((tail.run(0, 10, 4), tail.run(0, 2, 100), tail.run(1, 10, 1)), (1, 2, 2));
    }

    #[test]
    fn it_has_what_is_asked_for_only_where_nothing_that_is_missing_could_be_there() {
        let mut tail = Tail::default();
        assert!(!tail.has(1) && Tail::whole().has(9));
        push(&mut tail, 0, &[Some("1"); 9]);
        assert!(tail.has(9) && !tail.has(10));
        tail.has_the_beginning();
        assert!(tail.has(10));
        tail.trim(5, 100);
        tail.has_the_beginning();
        assert!(tail.has(5) && !tail.has(6), "some were let go");
        tail.trim(5, 6);
        assert_eq!((tail.len(), tail.has(5)), (3, true), "more than that may not be kept");
        tail.cut(7);
        assert_eq!((tail.len(), tail.has(5)), (1, false), "those before could be kept now");
    }
}
