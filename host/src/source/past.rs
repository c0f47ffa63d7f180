//! Port: what a partition has in front of a record, for modules that look back.

use crate::batch::Batch;
use crate::record::Partition;
use std::ops::Range;

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PastError {
    /// The caller said so while it was waited for.
    #[error("abandoned")]
    Abandoned,
    /// What is wrong, in words.
    #[error("{0}")]
    Failed(String),
}

/// What the source's topics had before. Its calls wait for a cluster, though not for ever.
pub trait Past: Send + Sync {
    /// Shows the records of a range of a partition, in order, and gives the oldest offset that the partition still has.
    /// `go_on` is asked now and then; false abandons it.
    ///
    /// # Errors
    /// See [`PastError`]. What was shown is to be forgotten.
    fn read(
        &self,
        partition: &Partition,
        range: Range<i64>,
        go_on: &mut dyn FnMut() -> bool,
        show: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<i64, PastError>;

    /// Where lanes would begin now, as far as anybody can know before there are any: to try a module on what is there.
    ///
    /// # Errors
    /// Why that is not known.
    fn places(&self) -> Result<Vec<(Partition, i64)>, String>;
}
