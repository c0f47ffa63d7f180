//! Port: where rows go. Owned by one worker.

use crate::batch::Batch;
use crate::policy::Class;
use crate::record::{Lane, Partition, Resume, Span};
use crate::route::Route;
use std::time::Duration;

pub mod late;
pub mod stdout;

/// A row that was refused while it was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the row in the batch.
    pub row: u32,
    /// [`Class::Encode`] where the sink cannot make a row of it, [`Class::Refused`] where the destination does not take it.
    pub class: Class,
    /// Why, for a person.
    pub message: String,
}

/// What became of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// So many rows of the span are durable.
    Delivered(Span, u32),
    /// This row of the span was refused and is told of by nothing else; what else was submitted of the span goes its own
    /// way. Only of sinks that say so, see [`Sink::refuses_late`].
    Refused {
        /// The row's span.
        span: Span,
        /// Its number among the span's rows.
        row: u32,
        /// Why, for a person.
        message: String,
    },
    /// A row of the span was not delivered: the span's lane must be read again. `refused` tells that the row itself is
    /// the reason, so that it would fail again.
    Failed {
        /// The row's span.
        span: Span,
        /// Whether the destination will never take this row.
        refused: bool,
        /// Why, for a person.
        message: String,
    },
}

/// What the worker does when its sink fails.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A person is needed: the program ends.
    #[error("{0}")]
    End(String),
    /// The sink is of no use any more: the worker is made anew, and its lanes are read again.
    #[error("{0}")]
    Anew(String),
    /// Another program works under the same id: as `Anew`, but not for ever.
    #[error("{0}")]
    Fenced(String),
}

/// What the worker has to do besides waiting for its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// More rows are coming: they may wait for each other.
    Busy,
    /// Nothing: no record is there to be read.
    Idle,
    /// It can do nothing before its rows are durable.
    Waiting,
}

/// A destination. No call blocks for longer than about a millisecond.
pub trait Sink {
    /// Whether another batch may be submitted: false while too many bytes are in flight.
    fn has_room(&self) -> bool;

    /// Takes rows, in order. `routes` has one entry a row, or is empty: all go to the default. What is refused at once is
    /// pushed to `refused`; every other row is told of by [`Sink::poll`].
    ///
    /// # Errors
    /// See [`SinkError`].
    fn submit(
        &mut self,
        span: Span,
        rows: &Batch<'_>,
        routes: &[Route],
        refused: &mut Vec<Refusal>,
    ) -> Result<(), SinkError>;

    /// Sends rows that wait for others to go with, where it is time to: the slower the worker's pace, the sooner. Gives
    /// when it wants to be asked again at the latest; `None`: no row waits.
    fn send(&mut self, pace: Pace) -> Option<Duration> {
        let _ = pace;
        None
    }

    /// Tells what became of rows since the last call.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError>;

    /// Whether it may tell of single rows that they were refused, after it took them: then the worker keeps their records.
    fn refuses_late(&self) -> bool {
        false
    }

    /// These lanes are gone, or read again: what was submitted of them and is not on its way must not go.
    fn release(&mut self, lanes: &[Lane]) {
        let _ = lanes;
    }

    /// The sink's transactions, where rows are delivered in them.
    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        None
    }
}

/// How the end of a transaction went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is over.
    Yes,
    /// It is not known yet: call again, with the same arguments.
    NotYet,
    /// It cannot be committed: abort it. Why, for a person.
    Abort(String),
}

/// Rows, dead letters and offsets that become visible together, or never. A transaction begins with the first row.
/// Calls block for a fraction of a second at the most.
pub trait Transactions {
    /// Whether rows were handed over since the last one ended.
    fn is_open(&self) -> bool;

    /// Whether it holds as much as one should.
    fn is_large(&self) -> bool;

    /// How long one may be left open on purpose.
    fn longest(&self) -> Duration;

    /// Whether it is so old that the cluster will soon end it by itself.
    fn is_old(&self) -> bool;

    /// Commits everything that was handed over, and with it a group's resume points; `member` is [`Source::member`]'s.
    /// All rows must have been settled.
    ///
    /// [`Source::member`]: crate::source::Source::member
    ///
    /// # Errors
    /// See [`SinkError`].
    fn commit(&mut self, points: &[(Partition, Resume)], member: &[u8]) -> Result<Ended, SinkError>;

    /// Gives everything up that was handed over. What is told of its rows from here on has no meaning.
    ///
    /// # Errors
    /// See [`SinkError`].
    fn abort(&mut self) -> Result<Ended, SinkError>;
}
