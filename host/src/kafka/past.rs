//! Reads what a source's partitions have before a place, each time with a client of its own that joins no group.

use super::health::{Health, Verdict};
use super::options::{self, refused};
use super::raw::{Bell, Tap};
use super::session::Session;
use super::{Identity, offsets, start};
use crate::batch::Batch;
use crate::config::KafkaSource as Config;
use crate::record::Partition;
use crate::source::past::{Past, PastError};
use crate::source::{BatchLimit, Messages};
use crate::wake::Wake;
use rdkafka::Offset;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one reading may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How often it is asked whether to go on.
const LOOK: Duration = Duration::from_millis(50);

/// What is fetched behind the range is for nobody: a part of the budget does.
const SHARE: usize = 16;

const BATCH: BatchLimit = BatchLimit { records: 1024, bytes: 1 << 20 };

/// What the topics of a source had before.
pub struct KafkaPast {
    config: Config,
    identity: Identity,
}

impl KafkaPast {
    /// Of a pipeline's source: as its workers read it, so that what they do not see is not shown either.
    pub fn new(config: &Config, pipeline: &str, host: &str) -> Arc<Self> {
        let identity = Identity { pipeline: pipeline.to_owned(), host: host.to_owned(), worker: 0 };
        Arc::new(Self { config: Config { static_membership: false, ..config.clone() }, identity })
    }

    fn read_within(
        &self,
        partition: &Partition,
        range: Range<i64>,
        go_on: &mut dyn FnMut() -> bool,
        show: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<i64, Verdict> {
        let deadline = Instant::now() + LIMIT;
        let failed = |what: &str| Verdict::Anew(what.to_owned());
        let mut options = options::consumer(&self.config, &self.identity, SHARE);
        // at the end of what there is nobody waits for more
        options.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "20").set("auto.offset.reset", "earliest");
        let mut health = Health::new(&self.config.client, &self.identity, "look-back");
        let mut session = Session::open(&options, &mut health).map_err(|error| Verdict::End(refused(error)))?;
        let handle = session.handle.clone();
        let mut serve = |session: &mut Session<'_>, wait: Duration| match go_on() {
            true => session.serve(wait),
            false => Err(failed(ABANDONED)),
        };
        let oldest = start::for_times(&handle, &[(partition, Offset::Beginning)], deadline, |wait| {
            serve(&mut session, wait.min(LOOK))
        })?;
        let oldest = oldest.get(partition).copied().unwrap_or(0);
        let from = range.start.max(oldest);
        if from >= range.end {
            return Ok(oldest);
        }
        let wake = Wake::new().map_err(|error| failed(&format!("cannot make an event descriptor: {error}")))?;
        // the queue comes before the assignment: messages never see the client's queue
        let tap = Tap::open(&handle, partition, Bell::new(wake.clone()));
        let mut tap = tap.ok_or_else(|| failed("the partition has no queue"))?;
        let list = start::list(std::iter::once((partition, Offset::Offset(from))));
        handle.assign(&list).map_err(|error| failed(&error.text))?;
        let (mut next, mut at_end, mut faults) = (from, false, Vec::new());
        while next < range.end && !at_end {
            serve(&mut session, Duration::ZERO)?;
            let fetched = tap.next(BATCH, &mut faults);
            at_end = faults.iter().any(|fault| fault.code == Code::PartitionEOF) && tap.is_empty();
            let Some(mut fetched) = fetched else {
                if let Some(fault) = faults.drain(..).find(|fault| fault.code != Code::PartitionEOF) {
                    session.health.note(&fault, false, &partition.to_string());
                }
                if Instant::now() >= deadline {
                    return Err(failed(&format!("nothing came for too long behind offset {next}")));
                }
                if !at_end {
                    wake.wait(LOOK);
                }
                continue;
            };
            next = fetched.last() + 1;
            fetched.cut(range.end);
            if !fetched.is_empty() {
                show(&fetched.batch());
            }
        }
        tap.drain();
        Ok(oldest)
    }
}

/// What a verdict says that is none.
const ABANDONED: &str = "abandoned";

impl Past for KafkaPast {
    fn read(
        &self,
        partition: &Partition,
        range: Range<i64>,
        go_on: &mut dyn FnMut() -> bool,
        show: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<i64, PastError> {
        self.read_within(partition, range, go_on, show).map_err(|verdict| match verdict.reason() {
            reason if reason == ABANDONED => PastError::Abandoned,
            reason => PastError::Failed(reason),
        })
    }

    /// Committed offsets, and the ends of partitions that have none.
    fn places(&self) -> Result<Vec<(Partition, i64)>, String> {
        let progress = offsets::read(&self.config)?;
        Ok(progress.into_iter().map(|one| (one.partition, one.committed.unwrap_or(one.end))).collect())
    }
}
