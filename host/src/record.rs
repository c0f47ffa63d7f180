//! A record's place in the world: offsets, resume points, lanes and spans.

use std::fmt;

/// The offset of one record in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

/// A committed point: the offset of the next record to read. Kafka commits these, never an [`Offset`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resume(pub i64);

impl Offset {
    /// The resume point behind this record: the one place where the `+ 1` is written.
    pub fn resume(self) -> Resume {
        Resume(self.0 + 1)
    }
}

/// A partition for as long as one assignment lasts.
///
/// The slot is reused by a later assignment with a higher epoch, so that late work of a lost
/// assignment is told apart without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Index into the worker's lanes.
    pub slot: u32,
    /// Counts the assignments, and the rewinds, of the slot.
    pub epoch: u32,
}

/// A batch's offsets in its lane's ledger, named for settling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The lane that the batch came from.
    pub lane: Lane,
    /// Counts the spans of the lane.
    pub number: u64,
}

/// A partition of a topic, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}
