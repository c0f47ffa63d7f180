//! Reads ranges of partitions, from given offsets up to given ends, and says when it is through. It is no member of any
//! group and commits nothing: how far a range is worked off is kept here, in [`Ranges`].

use super::health::Health;
use super::options::{self, refused};
use super::raw::{Bell, Error, Handle, Queue, Said, Tap};
use super::{Identity, start};
use crate::batch::Batch;
use crate::config::KafkaSource as Config;
use crate::ledger::Ledger;
use crate::record::{Lane, Partition, Resume};
use crate::source::{BatchLimit, Event, Position, Reach, Source, SourceError};
use crate::wake::Wake;
use rdkafka::Offset;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SEEK: Duration = Duration::from_secs(10);
/// For those who only look.
const BATCH: BatchLimit = BatchLimit { records: 1024, bytes: 1 << 20 };
const NAP: Duration = Duration::from_millis(100);

/// A part of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which partition it is.
    pub partition: Partition,
    /// The first offset.
    pub from: i64,
    /// The offset behind the last.
    pub to: i64,
    /// Up to here all is done: a source made anew goes on here.
    pub reached: i64,
}

impl Range {
    /// A range of which nothing is done.
    pub fn new(partition: Partition, from: i64, to: i64) -> Self {
        Self { partition, from, to, reached: from }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }
}

/// Ranges, and how far they are worked off. Clones are the same ones: they outlive the source that reads them.
#[derive(Clone, Default)]
pub struct Ranges(Arc<Mutex<Vec<Range>>>);

impl Ranges {
    /// Ranges that are still to be read.
    pub fn new(ranges: Vec<Range>) -> Self {
        Self(Arc::new(Mutex::new(ranges)))
    }

    /// What they are now.
    pub fn read(&self) -> Vec<Range> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reach(&self, partition: &Partition, offset: i64) {
        let mut ranges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(range) = ranges.iter_mut().find(|range| range.partition == *partition) {
            range.reached = offset;
        }
    }
}

/// Reads ranges to their ends and shows each batch.
///
/// # Errors
/// For a person: the cluster does not answer, or refuses, or what was asked for is gone.
pub fn read(config: &Config, ranges: Vec<Range>, mut see: impl FnMut(&Batch<'_>)) -> Result<(), String> {
    let wake = Wake::new().map_err(|error| format!("cannot make an event descriptor: {error}"))?;
    let identity = Identity { pipeline: String::new(), host: String::new(), worker: 0 };
    let text = |error: SourceError| error.to_string();
    let mut source = RangeSource::new(config, &Ranges::new(ranges), &identity, wake.clone()).map_err(text)?;
    let mut ledger = Ledger::default();
    loop {
        match source.poll(Some(BATCH)).map_err(text)? {
            Event::Batch(_, messages) => see(&messages.batch()),
            Event::Assigned(partitions) => {
                let lanes: Vec<_> = partitions.into_iter().map(|partition| (ledger.assign(), partition)).collect();
                source.assign(&lanes).map_err(text)?;
            }
            Event::End => return Ok(()),
            _ => wake.wait(NAP),
        }
    }
}

/// Consumes ranges. See [`Source`].
pub struct RangeSource {
    ranges: Ranges,
    /// What the worker was told of.
    open: Option<Vec<Range>>,
    lanes: Vec<Option<Reading>>,
    /// The slot to look at first: each lane has its turn.
    turn: usize,
    health: Health,
    wake: Wake,
    events: Queue,
    bell: Arc<Bell>,
    handle: Arc<Handle>,
}

/// A range that is read.
struct Reading {
    lane: Lane,
    range: Range,
    tap: Tap,
    /// The next offset to hand out.
    next: i64,
    /// The broker has no more for now. It says so behind the last record, and behind control records and gaps at the end,
    /// which are never handed out.
    at_end: bool,
    /// The worker wants nothing of it for a while.
    held: bool,
}

impl Reading {
    fn is_through(&self) -> bool {
        self.next >= self.range.to || (self.at_end && self.tap.is_empty())
    }
}

impl RangeSource {
    /// Makes a consumer. `config` says how to reach the cluster; its group is named to the brokers, and not joined.
    ///
    /// # Errors
    /// librdkafka refuses an option: the program ends.
    pub fn new(config: &Config, ranges: &Ranges, identity: &Identity, wake: Wake) -> Result<Self, SourceError> {
        let config = Config { static_membership: false, ..config.clone() };
        let open: Vec<_> = ranges.read().into_iter().filter(|range| range.reached < range.to).collect();
        let mut options = options::consumer(&config, identity, open.len());
        // what is gone in the middle of a range is told, not passed over
        options.set("enable.partition.eof", "true").set("auto.offset.reset", "error");
        let handle = Handle::consumer(&options)
            .map_err(|error| SourceError::End(format!("kafka source: {}", refused(error))))?;
        let bell = Bell::new(wake.clone());
        Ok(Self {
            ranges: ranges.clone(),
            open: Some(open),
            lanes: Vec::new(),
            turn: 0,
            health: Health::new(&config.client, identity, "source"),
            wake,
            events: handle.events(bell.clone()),
            bell,
            handle,
        })
    }

    fn serve_events(&mut self) {
        // asked before the queue is read: what comes later rings again
        self.bell.take();
        while let Some(event) = self.events.poll(Duration::ZERO) {
            match event.read() {
                Said::Log { level, facility, text } => self.health.log(level, &facility, &text),
                Said::Error { error, fatal } => self.health.note(&error, fatal, ""),
                _ => {}
            }
        }
    }

    /// The next batch, range after range.
    fn read(&mut self, limit: BatchLimit) -> Result<Option<Event>, SourceError> {
        let count = self.lanes.len();
        let mut faults = Vec::new();
        for step in 0..count {
            let slot = (self.turn + step) % count;
            let Some(reading) = self.lanes[slot].as_mut().filter(|reading| !reading.held && !reading.is_through())
            else {
                continue;
            };
            let fetched = reading.tap.next(limit, &mut faults);
            for fault in faults.drain(..) {
                let Range { partition, to, .. } = &reading.range;
                match fault.code {
                    Code::PartitionEOF => reading.at_end = true,
                    Code::AutoOffsetReset => {
                        return Err(SourceError::End(format!(
                            "kafka source: {partition} has no offset {} any more, of {} to {to} that were asked for: the \
                             topic's retention was faster; begin again with what is left",
                            reading.next, reading.range.from
                        )));
                    }
                    _ => self.health.note(&fault, false, &partition.to_string()),
                }
            }
            let Some(mut fetched) = fetched else { continue };
            self.health.up();
            self.turn = slot + 1;
            reading.next = fetched.last() + 1;
            fetched.cut(reading.range.to);
            if !fetched.is_empty() {
                return Ok(Some(Event::Batch(reading.lane, Box::new(fetched))));
            }
        }
        self.health.check(&self.handle)?;
        Ok(None)
    }

    fn set_held(&mut self, lane: Lane, held: bool) {
        if let Some(reading) = self.lanes.get_mut(lane.slot as usize).and_then(Option::as_mut) {
            reading.held = held;
        }
    }

    fn is_through(&self) -> bool {
        self.open.is_none() && self.lanes.iter().flatten().all(Reading::is_through)
    }
}

impl Source for RangeSource {
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError> {
        self.serve_events();
        self.health.check(&self.handle)?;
        if let Some(open) = &self.open {
            let partitions: Vec<_> = open.iter().map(|range| range.partition.clone()).collect();
            if !partitions.is_empty() {
                return Ok(Event::Assigned(partitions));
            }
            self.open = None;
        }
        let batch = match read {
            Some(limit) => self.read(limit)?,
            None => None,
        };
        Ok(batch.unwrap_or(if self.is_through() { Event::End } else { Event::Idle }))
    }

    fn serve(&mut self) -> bool {
        self.serve_events();
        false
    }

    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError> {
        let open = self.open.take().unwrap_or_default();
        for (lane, partition) in lanes {
            let Some(range) = open.iter().find(|range| range.partition == *partition) else { continue };
            // the queue comes before the assignment: messages never see the client's queue
            let tap = Tap::open(&self.handle, partition, Bell::new(self.wake.clone()));
            let tap = tap.ok_or_else(|| SourceError::Anew(format!("kafka source: {partition} has no queue")))?;
            let slot = lane.slot as usize;
            if self.lanes.len() <= slot {
                self.lanes.resize_with(slot + 1, || None);
            }
            let next = range.reached;
            self.lanes[slot] =
                Some(Reading { lane: *lane, range: range.clone(), tap, next, at_end: false, held: false });
        }
        let readings = self.lanes.iter().flatten();
        let list = start::list(readings.map(|reading| (&reading.range.partition, Offset::Offset(reading.next))));
        self.handle
            .assign(&list)
            .map_err(|error| SourceError::Anew(format!("kafka source: the partitions cannot be read: {error}")))
    }

    fn release(&mut self, lanes: &[Lane]) -> Result<(), SourceError> {
        for slot in self.lanes.iter_mut() {
            slot.take_if(|reading| lanes.contains(&reading.lane));
        }
        Ok(())
    }

    fn rewind(&mut self, lane: Lane, to: Option<Resume>) -> Result<(), SourceError> {
        let Some(reading) = self.lanes.get_mut(lane.slot as usize).and_then(Option::as_mut) else { return Ok(()) };
        reading.lane = lane;
        reading.next = to.map_or(reading.range.reached, |Resume(offset)| offset);
        reading.at_end = false;
        reading.tap.clear();
        let partition = &reading.range.partition;
        let list = start::list(std::iter::once((partition, Offset::Offset(reading.next))));
        let failed =
            |error: Error| SourceError::Anew(format!("kafka source: {partition} cannot be read again: {error}"));
        self.handle.seek(&list, SEEK).map_err(failed)?;
        match list.elements().first().map(|element| element.error()) {
            Some(Err(error)) => Err(failed(error.into())),
            _ => Ok(()),
        }
    }

    fn hold(&mut self, lane: Lane) {
        self.set_held(lane, true);
    }

    fn let_go(&mut self, lane: Lane) {
        self.set_held(lane, false);
    }

    /// Notes how far the ranges are.
    fn commit(&mut self, points: &[(Lane, Resume)], _: Option<Duration>) -> Result<(), String> {
        for (lane, Resume(offset)) in points {
            let reading = self.lanes.get(lane.slot as usize).and_then(Option::as_ref);
            if let Some(reading) = reading.filter(|reading| reading.lane == *lane) {
                self.ranges.reach(&reading.range.partition, *offset);
            }
        }
        Ok(())
    }

    fn member(&self) -> Option<Vec<u8>> {
        None
    }

    fn positions(&self) -> Vec<Position> {
        let readings = self.lanes.iter().flatten();
        readings
            .map(|reading| Position {
                partition: reading.range.partition.clone(),
                lane: reading.lane,
                end: Some(reading.range.to),
                next: Some(reading.next),
                reach: Reach::Unknown,
            })
            .collect()
    }

    fn close(&mut self) {
        self.lanes.clear();
        self.open = None;
        // nothing is fetched any more; when it fails, the client's end ends it
        let _ = self.handle.unassign(&start::list(std::iter::empty()));
    }
}
