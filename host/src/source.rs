//! Port: where records come from. One consumer, owned by one worker.

use crate::batch::Batch;
use crate::record::{Lane, Partition, Resume};
use std::borrow::Cow;
use std::time::Duration;

pub mod paced;
pub mod past;

/// How much one batch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Records.
    pub records: usize,
    /// Bytes of keys and values; a single larger record still makes a batch.
    pub bytes: usize,
}

/// Fetched records of one lane, kept until dropped.
pub trait Messages {
    /// Borrows them as columns.
    fn batch(&self) -> Batch<'_>;

    /// Their offsets in the lane, for the ledger. A dead letter that is tried again has another one in its batch: its original's.
    fn offsets(&self) -> Cow<'_, [i64]>;

    /// How often each was tried before; empty: none ever was.
    fn tried(&self) -> Cow<'_, [u32]> {
        Cow::Borrowed(&[])
    }
}

/// What a source has for its worker.
pub enum Event {
    /// Nothing.
    Idle,
    /// Records, next in order of their lane.
    Batch(Lane, Box<dyn Messages>),
    /// The group gave these partitions: answer with [`Source::assign`]. None at all: a member without lanes.
    Assigned(Vec<Partition>),
    /// The group takes these lanes: drain, commit, then answer with [`Source::release`].
    Revoked {
        /// Which.
        lanes: Vec<Lane>,
        /// Whether they have gone to somebody else already: then nothing can be committed.
        lost: bool,
    },
    /// Dead letters that stay: their batch goes to the end of the dead-letter topic as it is. The offsets also cover what
    /// was passed over, so that there may be more of them than records.
    PutBack(Lane, Box<dyn Messages>),
    /// All has been handed out, for as long as nothing is read again: settle it, and end.
    End,
}

/// How far a lane is.
#[derive(Clone, Debug)]
pub struct Position {
    /// Which partition it is.
    pub partition: Partition,
    /// The lane.
    pub lane: Lane,
    /// The end of the partition, where known.
    pub end: Option<i64>,
    /// The next offset that the source hands out, where known.
    pub next: Option<i64>,
    /// What the cluster said when it was last asked.
    pub reach: Reach,
}

/// How far a partition reaches, by the word of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It was not asked, or has not answered.
    #[default]
    Unknown,
    /// To this end.
    To(i64),
    /// It did not say, and why, for a person.
    Failed(String),
}

/// What the worker does when its source fails.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A person is needed: the program ends.
    #[error("{0}")]
    End(String),
    /// The consumer is of no use any more: the worker is made anew.
    #[error("{0}")]
    Anew(String),
    /// Another program works under the same id: as `Anew`, but not for ever.
    #[error("{0}")]
    Fenced(String),
}

/// A consumer. No call blocks, but where it says so.
pub trait Source {
    /// Serves the group's protocol, and hands out a batch where `read` allows one.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError>;

    /// Serves the protocol while a batch is being worked on. True: an assignment or revocation waits for [`Source::poll`].
    fn serve(&mut self) -> bool;

    /// Begins lanes, at their committed offset or the configured start. Waits for the group's coordinator.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError>;

    /// Ends lanes: everything fetched of them is dropped.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn release(&mut self, lanes: &[Lane]) -> Result<(), SourceError>;

    /// Reads a lane again under its new epoch, from a resume point, or from where its assignment began.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn rewind(&mut self, lane: Lane, to: Option<Resume>) -> Result<(), SourceError>;

    /// Hands out nothing of a lane until [`Source::let_go`]; a lane that is read again stays held. It may be fetched on.
    fn hold(&mut self, lane: Lane);

    /// Hands out a held lane's records again, from where it is.
    fn let_go(&mut self, lane: Lane);

    /// Commits resume points. With a deadline it waits for the answer; without one the answer is logged when it comes.
    ///
    /// # Errors
    /// Why they are not committed; for a later try, since committing is repeated with every move.
    fn commit(&mut self, points: &[(Lane, Resume)], wait: Option<Duration>) -> Result<(), String>;

    /// Who this consumer is in its group, for whoever commits its offsets in a transaction; none without a group.
    fn member(&self) -> Option<Vec<u8>>;

    /// How far each lane is, from what is known locally.
    fn positions(&self) -> Vec<Position>;

    /// Asks the cluster how far these lanes reach, without waiting: [`Source::positions`] has the answer once it is there,
    /// after `limit` at the latest, and has none until then. A source that always knows need not answer.
    fn ask(&mut self, _lanes: &[Lane], _limit: Duration) {}

    /// Leaves the group. Waits for it; lanes must have been drained and committed.
    fn close(&mut self);
}
