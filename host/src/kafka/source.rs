//! A member of a consumer group that reads each of its partitions on its own.
//!
//! Every lane has a queue (`raw::Tap`), and the group's queue has only events: so a batch is one lane's, a
//! rebalance is never behind messages, and leaving a lane unread holds its fetching back.

use super::commits::Commits;
use super::ends::Ends;
use super::health::{Health, Verdict};
use super::options::{self, refused};
use super::raw::{Bell, Error, Handle, Queue, Said, Tap};
use super::{Identity, start};
use crate::config::{KafkaSource as Config, Topics};
use crate::record::{Lane, Partition, Resume};
use crate::source::{BatchLimit, Event, Position, Source, SourceError};
use crate::wake::Wake;
use join::Join;
use rdkafka::Offset;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

mod join;
mod leave;

const SEEK: Duration = Duration::from_secs(10);
/// When lanes are let go of although a commit of theirs failed.
const LAST_COMMIT: Duration = Duration::from_secs(2);
/// Between two tries of the last commit, unless something happens.
const COMMIT_AGAIN: Duration = Duration::from_millis(50);

/// Consumes from Kafka. See [`Source`].
pub struct KafkaSource {
    config: Config,
    lanes: Vec<Option<Reading>>,
    slots: HashMap<Partition, u32>,
    /// The slot to look at first: each lane has its turn.
    turn: usize,
    rebalances: VecDeque<Rebalance>,
    /// What the worker was told and has not answered.
    open: Option<Rebalance>,
    commits: Commits,
    ends: Ends,
    closed: bool,
    join: Join,
    health: Health,
    wake: Wake,
    events: Queue,
    bell: Arc<Bell>,
    handle: Arc<Handle>,
}

/// A lane that is read.
struct Reading {
    lane: Lane,
    partition: Partition,
    tap: Tap,
    start: Offset,
    /// The next offset to hand out, once known.
    next: Option<i64>,
    /// Taken by the group: no more is handed out.
    revoked: bool,
    /// The worker wants nothing of it for a while.
    held: bool,
}

enum Rebalance {
    Assigned(Vec<Partition>),
    Revoked { partitions: Vec<Partition>, lost: bool },
}

impl KafkaSource {
    /// Makes a consumer and joins the group. Asks the cluster for its topics first, for a few seconds at most.
    ///
    /// # Errors
    /// librdkafka refuses an option, or the cluster refuses the credentials: the program ends.
    pub fn new(config: &Config, identity: &Identity, wake: Wake) -> Result<Self, SourceError> {
        let mut health = Health::new(&config.client, identity, "source");
        let (lanes, join) = join::look(config, identity, &mut health)?;
        let handle = Handle::consumer(&options::consumer(config, identity, lanes)).map_err(end)?;
        let bell = Bell::new(wake.clone());
        let events = handle.events(bell.clone());
        let topics = match &config.topics {
            Topics::List(topics) => topics.clone(),
            Topics::Pattern(pattern) => vec![pattern.clone()],
        };
        handle
            .subscribe(&topics)
            .map_err(|error| SourceError::End(format!("kafka source: cannot subscribe to {topics:?}: {error}")))?;
        Ok(Self {
            config: config.clone(),
            lanes: Vec::new(),
            slots: HashMap::new(),
            turn: 0,
            rebalances: VecDeque::new(),
            open: None,
            commits: Commits::default(),
            ends: Ends::default(),
            closed: false,
            join,
            health,
            wake,
            events,
            bell,
            handle,
        })
    }

    /// Serves the group's queue until it is empty, after waiting for a first event. Polling is also what keeps the
    /// membership (`max.poll.interval.ms`).
    fn serve_events(&mut self, wait: Duration) {
        // asked before the queue is read: what comes later rings again
        self.bell.take();
        let mut wait = wait;
        while let Some(event) = self.events.poll(std::mem::take(&mut wait)) {
            match event.read() {
                Said::Log { level, facility, text } => self.health.log(level, &facility, &text),
                Said::Error { error, fatal } => self.health.note(&error, fatal, &self.config.group),
                Said::Assigned(partitions) => self.rebalances.push_back(Rebalance::Assigned(partitions)),
                Said::Revoked(partitions) => {
                    let lost = self.handle.assignment_lost();
                    self.rebalances.push_back(Rebalance::Revoked { partitions, lost });
                }
                Said::Committed(outcomes) => self.commits.take(outcomes, &mut self.health),
                Said::Stray(partitions) => self.call_back(&partitions),
                Said::Delivered | Said::Ends(_) | Said::Cluster(_) | Said::Topic(_) | Said::Group(_) | Said::Other => {}
            }
        }
    }

    /// Messages took the wrong way, out of turn: they are fetched again from where their lanes are.
    // Promise: order
    fn call_back(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            let Some(reading) = self.slots.get(partition).and_then(|slot| self.lanes.get_mut(*slot as usize)?.as_mut())
            else {
                continue;
            };
            let to = reading.next.map_or(reading.start, Offset::Offset);
            if let Err(error) = seek(&self.handle, reading, to) {
                self.health.note(&error, true, &partition.to_string());
            }
        }
    }

    /// The next rebalance that concerns the worker; others are answered here.
    fn next_rebalance(&mut self) -> Result<Option<Event>, SourceError> {
        while self.open.is_none() {
            let Some(rebalance) = self.rebalances.pop_front() else { return Ok(None) };
            let event = match &rebalance {
                Rebalance::Assigned(partitions) if !partitions.is_empty() => Event::Assigned(partitions.clone()),
                Rebalance::Revoked { partitions, lost } => {
                    let mut lanes = Vec::new();
                    for slot in partitions.iter().filter_map(|partition| self.slots.get(partition)) {
                        if let Some(reading) = self.lanes[*slot as usize].as_mut() {
                            reading.revoked = true;
                            lanes.push(reading.lane);
                        }
                    }
                    Event::Revoked { lanes, lost: *lost }
                }
                Rebalance::Assigned(_) => Event::Idle,
            };
            self.open = Some(rebalance);
            match event {
                Event::Idle => {
                    self.join.end();
                    self.answer_assigned(&[])?;
                    return Ok(Some(Event::Assigned(Vec::new())));
                }
                Event::Revoked { lanes, .. } if lanes.is_empty() => self.answer_revoked()?,
                event => return Ok(Some(event)),
            }
        }
        Ok(None)
    }

    fn answer_assigned(&mut self, starts: &[(&Partition, Offset)]) -> Result<(), SourceError> {
        self.open = None;
        let list = start::list(starts.iter().copied());
        self.handle.assign(&list).map_err(|error| anew("the assignment failed", &error))
    }

    fn answer_revoked(&mut self) -> Result<(), SourceError> {
        let Some(Rebalance::Revoked { partitions, .. }) = self.open.take() else { return Ok(()) };
        let list = start::list(partitions.iter().map(|partition| (partition, Offset::Invalid)));
        self.handle.unassign(&list).map_err(|error| anew("the revocation failed", &error))
    }

    /// The next batch, lane after lane.
    fn read(&mut self, limit: BatchLimit) -> Result<Option<Event>, SourceError> {
        let count = self.lanes.len();
        let mut faults = Vec::new();
        for step in 0..count {
            let slot = (self.turn + step) % count;
            let Some(reading) = self.lanes[slot].as_mut().filter(|reading| !reading.revoked && !reading.held) else {
                continue;
            };
            let fetched = reading.tap.next(limit, &mut faults);
            if !faults.is_empty() {
                let about = reading.partition.to_string();
                for fault in faults.drain(..) {
                    if fault.code == Code::AutoOffsetReset {
                        return Err(SourceError::End(format!(
                            "kafka source: the committed offset of group {:?} in {about} does not exist any more, and `start = \
                             \"stored\"` allows no other; set one by `edgemill reset`, or choose another `start`",
                            self.config.group
                        )));
                    }
                    self.health.note(&fault, false, &about);
                }
                self.health.check(&self.handle).map_err(SourceError::from)?;
            }
            let Some(fetched) = fetched else { continue };
            if reading.next.is_some_and(|next| fetched.first() < next) {
                tracing::warn!(
                    partition = %reading.partition, expected = reading.next, found = fetched.first(),
                    "the partition starts over: its topic was truncated or made anew"
                );
            }
            reading.next = Some(fetched.last() + 1);
            self.turn = slot + 1;
            self.health.up();
            return Ok(Some(Event::Batch(reading.lane, Box::new(fetched))));
        }
        Ok(None)
    }

    fn reading(&mut self, lane: Lane) -> Option<&mut Reading> {
        self.lanes.get_mut(lane.slot as usize)?.as_mut()
    }
}

impl Source for KafkaSource {
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError> {
        self.serve_events(Duration::ZERO);
        self.health.check(&self.handle)?;
        self.join.look(&self.config, self.health.is_up());
        if self.commits.is_due() {
            // when it fails, it is due again
            let _ = self.commits.send(&self.handle, &self.events, &mut self.health, None);
        }
        for (partition, beginning) in self.ends.take() {
            if let Some(reading) = self.slots.get(&partition).and_then(|slot| self.lanes[*slot as usize].as_mut()) {
                reading.next.get_or_insert(beginning);
            }
        }
        if let Some(event) = self.next_rebalance()? {
            return Ok(event);
        }
        let batch = match read {
            Some(limit) => self.read(limit)?,
            None => None,
        };
        Ok(batch.unwrap_or(Event::Idle))
    }

    fn serve(&mut self) -> bool {
        self.serve_events(Duration::ZERO);
        !self.rebalances.is_empty()
    }

    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError> {
        self.join.end();
        let partitions: Vec<&Partition> = lanes.iter().map(|(_, partition)| partition).collect();
        let (handle, config) = (self.handle.clone(), self.config.clone());
        let starts = start::resolve(&handle, &config, &partitions, |wait| {
            self.serve_events(wait);
            self.health.check(&handle)
        })?;
        for ((lane, partition), &start) in lanes.iter().zip(&starts.offsets) {
            // the queue comes before the assignment: messages never see the group's queue
            let tap = Tap::open(&self.handle, partition, Bell::new(self.wake.clone()));
            let tap = tap.ok_or_else(|| SourceError::Anew(format!("kafka source: {partition} has no queue")))?;
            let next = match start {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            let slot = lane.slot as usize;
            if self.lanes.len() <= slot {
                self.lanes.resize_with(slot + 1, || None);
            }
            let (lane, partition) = (*lane, partition.clone());
            self.slots.insert(partition.clone(), lane.slot);
            self.lanes[slot] = Some(Reading { lane, partition, tap, start, next, revoked: false, held: false });
        }
        let starting: Vec<_> = partitions.iter().copied().zip(starts.offsets.iter().copied()).collect();
        self.answer_assigned(&starting)?;
        for (partition, end) in &starts.ends {
            self.commits.want(partition, *end);
        }
        // when it fails, it is tried again
        let _ = self.commits.send(&self.handle, &self.events, &mut self.health, None);
        Ok(())
    }

    fn release(&mut self, lanes: &[Lane]) -> Result<(), SourceError> {
        // what failed while the group was rebalancing is tried a last time; of lost lanes nothing can be committed
        if !matches!(self.open, Some(Rebalance::Revoked { lost: true, .. })) && self.commits.has_failed() {
            let _ = self.commits.send(&self.handle, &self.events, &mut self.health, Some(LAST_COMMIT));
        }
        let mut released = Vec::new();
        for lane in lanes {
            if let Some(reading) = self.lanes.get_mut(lane.slot as usize).and_then(Option::take) {
                self.slots.remove(&reading.partition);
                self.commits.forget(&reading.partition);
                self.ends.forget(&reading.partition);
                released.push(reading);
            }
        }
        let waits = match &self.open {
            Some(Rebalance::Revoked { partitions, .. }) => {
                partitions.iter().any(|partition| self.slots.contains_key(partition))
            }
            _ => true,
        };
        let answer = if waits { Ok(()) } else { self.answer_revoked() };
        for reading in &mut released {
            reading.tap.drain();
        }
        answer
    }

    fn rewind(&mut self, lane: Lane, to: Option<Resume>) -> Result<(), SourceError> {
        let handle = self.handle.clone();
        let Some(reading) = self.reading(lane) else { return Ok(()) };
        reading.lane = lane;
        let to = to.map_or(reading.start, |Resume(offset)| Offset::Offset(offset));
        reading.next = match to {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        match seek(&handle, reading, to) {
            Ok(()) => Ok(()),
            // it is not fetched any more: its revocation is on the way
            Err(error) if matches!(error.code, Code::State | Code::UnknownPartition) => Ok(()),
            Err(error) => Err(anew(&format!("{} could not be read again", reading.partition), &error)),
        }
    }

    fn hold(&mut self, lane: Lane) {
        if let Some(reading) = self.reading(lane) {
            reading.held = true;
        }
    }

    fn let_go(&mut self, lane: Lane) {
        if let Some(reading) = self.reading(lane) {
            reading.held = false;
        }
    }

    // Promise: commit
    fn commit(&mut self, points: &[(Lane, Resume)], wait: Option<Duration>) -> Result<(), String> {
        for (lane, Resume(offset)) in points {
            let reading = self.lanes.get(lane.slot as usize).and_then(Option::as_ref);
            if let Some(reading) = reading.filter(|reading| reading.lane == *lane) {
                self.commits.want(&reading.partition, *offset);
            }
        }
        self.commits.send(&self.handle, &self.events, &mut self.health, wait)
    }

    fn positions(&self) -> Vec<Position> {
        let readings = || self.lanes.iter().flatten();
        let list = start::list(readings().map(|reading| (&reading.partition, Offset::Invalid)));
        // a lane without a position just has none yet
        let _ = self.handle.position(&list);
        let behind = start::offsets(&list);
        readings()
            .map(|reading| Position {
                partition: reading.partition.clone(),
                lane: reading.lane,
                end: self.handle.known_end(&reading.partition),
                reach: self.ends.of(&reading.partition),
                // librdkafka's position counts control records too, but also what is still in the tap
                next: match behind.get(&reading.partition) {
                    Some(Offset::Offset(offset)) if reading.tap.is_empty() => reading.next.max(Some(*offset)),
                    _ => reading.next,
                },
            })
            .collect()
    }

    fn member(&self) -> Option<Vec<u8>> {
        self.handle.member()
    }

    fn ask(&mut self, lanes: &[Lane], limit: Duration) {
        let readings = lanes.iter().filter_map(|lane| self.lanes.get(lane.slot as usize)?.as_ref());
        let asked = readings.map(|reading| (reading.partition.clone(), reading.next.is_some())).collect();
        let level = self.config.client.options.get("isolation.level");
        let stable = level.is_none_or(|level| level == "read_committed");
        self.ends.ask(&self.handle, asked, stable, limit);
    }

    fn close(&mut self) {
        self.leave();
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.close();
    }
}

impl From<Verdict> for SourceError {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::End(reason) => SourceError::End(reason),
            Verdict::Anew(reason) => SourceError::Anew(reason),
            Verdict::Fenced(reason) => SourceError::Fenced(reason),
        }
    }
}

fn seek(handle: &Handle, reading: &mut Reading, to: Offset) -> Result<(), Error> {
    reading.tap.clear();
    let list = start::list(std::iter::once((&reading.partition, to)));
    handle.seek(&list, SEEK)?;
    match list.elements().first().map(|element| element.error()) {
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

fn end(error: rdkafka::error::KafkaError) -> SourceError {
    SourceError::End(format!("kafka source: {}", refused(error)))
}

fn anew(what: &str, error: &Error) -> SourceError {
    SourceError::Anew(format!("kafka source: {what}: {error}"))
}
