//! A source of dead letters as the records that they were: each with its original's topic, partition, offset, timestamp
//! and headers, so that a chain can try it again. It ends where the dead-letter topic ended when it began.
//!
//! The ledger keeps the dead letters' own offsets. Those that are not chosen are put back, so that the committed offset
//! stays the one truth of what waits; those of other pipelines, and what is no dead letter, are passed over.

use crate::batch::Batch;
use crate::dead_letter::{each, filter::Filter};
use crate::record::{Lane, Partition, Resume};
use crate::source::{BatchLimit, Event, Position, Reach, Source, SourceError};
use pieces::{Cut, Piece};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

mod pieces;
#[cfg(test)]
pub(crate) mod tests;

/// What is redriven, and what becomes of the rest.
#[derive(Clone)]
pub struct Order {
    /// The pipeline whose dead letters are meant: others may share the topic.
    pub pipeline: String,
    /// Which of them.
    pub filter: Filter,
    /// Whether those that are chosen are given up instead: passed over, and not waiting any more.
    pub gives_up: bool,
    /// Whether those that are not chosen are put back; else they stay where they are.
    pub puts_back: bool,
    /// Of each partition of the dead-letter topic, from where on letters wait and where they end.
    pub waiting: HashMap<Partition, (i64, i64)>,
    /// How long to wait for lanes where the group has given none: they may be on their way from another redrive.
    pub patience: Duration,
    /// Counts for the command's last words.
    pub tally: Tally,
}

/// How many dead letters met which fate. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<Counts>>);

/// See [`Tally`]. What a failed delivery made the worker do again is counted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tried again, or given up.
    pub chosen: u64,
    /// Not chosen.
    pub left: u64,
    /// Other pipelines'.
    pub others: u64,
    /// No dead letters of the host's.
    pub foreign: u64,
}

impl Tally {
    /// What it is now.
    pub fn read(&self) -> Counts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// See the module.
pub struct Redrive {
    inner: Box<dyn Source>,
    order: Order,
    lanes: Vec<Reading>,
    /// Whether there ever was a lane, and when the group first answered.
    held: bool,
    answered: Option<Instant>,
    /// Slots of lanes that the worker wants nothing of for a while.
    held_back: Vec<u32>,
    /// What was read and not yet handed out.
    pieces: VecDeque<(Lane, Piece)>,
}

/// A lane of the dead-letter topic.
struct Reading {
    lane: Lane,
    partition: Partition,
    /// The next offset to look at, as far as is known.
    next: i64,
    start: i64,
    end: i64,
}

impl Redrive {
    /// Makes dead letters of `inner` into the records that they were.
    pub fn new(inner: Box<dyn Source>, order: Order) -> Self {
        Self {
            inner,
            order,
            lanes: Vec::new(),
            held: false,
            answered: None,
            held_back: Vec::new(),
            pieces: VecDeque::new(),
        }
    }

    /// Sorts a batch of dead letters into pieces.
    fn take(&mut self, lane: Lane, batch: &Batch<'_>) {
        let Some(reading) = self.lanes.iter_mut().find(|reading| reading.lane == lane) else { return };
        let mut cut = Cut::new(batch);
        let order = &self.order;
        let mut counts = Counts::default();
        each(batch, |index, letter, headers| {
            let offset = batch.offsets[index];
            if offset >= reading.end {
                reading.next = reading.end;
                return;
            }
            reading.next = offset + 1;
            match letter {
                None => {
                    counts.foreign += 1;
                    cut.pass_over(index);
                }
                Some(letter) if letter.pipeline != order.pipeline => {
                    counts.others += 1;
                    cut.pass_over(index);
                }
                Some(letter) if order.filter.chooses(&letter) => {
                    counts.chosen += 1;
                    match order.gives_up {
                        true => cut.pass_over(index),
                        false => cut.restore(index, &letter, headers),
                    }
                }
                Some(_) => {
                    counts.left += 1;
                    match order.puts_back {
                        true => cut.put_back(index, headers),
                        false => cut.pass_over(index),
                    }
                }
            }
        });
        self.pieces.extend(cut.end().into_iter().map(|piece| (lane, piece)));
        order.tally.add(|sum| {
            sum.chosen += counts.chosen;
            sum.left += counts.left;
            sum.others += counts.others;
            sum.foreign += counts.foreign;
        });
    }

    /// Whether all lanes are read to their ends. Behind the last letter there may be control records and gaps, which
    /// only the consumer's position tells.
    fn is_through(&mut self) -> bool {
        let Some(answered) = self.answered.filter(|_| self.pieces.is_empty()) else { return false };
        if !self.held {
            return answered.elapsed() >= self.order.patience;
        }
        if self.lanes.iter().any(|reading| reading.next < reading.end) {
            for position in self.inner.positions() {
                let reading = self.lanes.iter_mut().find(|reading| reading.lane == position.lane);
                if let (Some(reading), Some(next)) = (reading, position.next) {
                    reading.next = reading.next.max(next);
                }
            }
        }
        self.lanes.iter().all(|reading| reading.next >= reading.end)
    }

    fn ended(&mut self) -> Result<Event, SourceError> {
        if !self.held && self.order.waiting.values().any(|(start, end)| start < end) {
            return Err(SourceError::End(
                "another redrive of this pipeline has all of the dead letters: wait until it has ended".to_owned(),
            ));
        }
        Ok(Event::End)
    }
}

impl Source for Redrive {
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError> {
        let more = read.filter(|_| self.pieces.is_empty());
        let through = match self.inner.poll(more)? {
            Event::Batch(lane, messages) => {
                self.take(lane, &messages.batch());
                false
            }
            Event::Idle => self.is_through(),
            Event::End => self.pieces.is_empty(),
            Event::Assigned(partitions) => {
                self.answered.get_or_insert_with(Instant::now);
                return Ok(Event::Assigned(partitions));
            }
            event => return Ok(event),
        };
        if through {
            return self.ended();
        }
        let next = self.pieces.iter().position(|(lane, _)| !self.held_back.contains(&lane.slot));
        match next.filter(|_| read.is_some()).and_then(|next| self.pieces.remove(next)) {
            Some((lane, Piece::Records(records))) => Ok(Event::Batch(lane, Box::new(records))),
            Some((lane, Piece::Back(back))) => Ok(Event::PutBack(lane, Box::new(back))),
            None => Ok(Event::Idle),
        }
    }

    fn serve(&mut self) -> bool {
        self.inner.serve()
    }

    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError> {
        for (lane, partition) in lanes {
            // a partition that was added since has no end: what is in it is for the next time
            let (start, end) = self.order.waiting.get(partition).copied().unwrap_or_default();
            self.lanes.push(Reading { lane: *lane, partition: partition.clone(), next: start, start, end });
        }
        self.held |= !lanes.is_empty();
        self.inner.assign(lanes)
    }

    fn release(&mut self, lanes: &[Lane]) -> Result<(), SourceError> {
        self.lanes.retain(|reading| !lanes.contains(&reading.lane));
        self.pieces.retain(|(lane, _)| !lanes.contains(lane));
        self.held_back.retain(|slot| !lanes.iter().any(|lane| lane.slot == *slot));
        self.inner.release(lanes)
    }

    fn rewind(&mut self, lane: Lane, to: Option<Resume>) -> Result<(), SourceError> {
        self.pieces.retain(|(before, _)| before.slot != lane.slot);
        if let Some(reading) = self.lanes.iter_mut().find(|reading| reading.lane.slot == lane.slot) {
            reading.lane = lane;
            reading.next = to.map_or(reading.start, |Resume(offset)| offset);
        }
        self.inner.rewind(lane, to)
    }

    fn hold(&mut self, lane: Lane) {
        self.held_back.push(lane.slot);
        self.inner.hold(lane);
    }

    fn let_go(&mut self, lane: Lane) {
        self.held_back.retain(|slot| *slot != lane.slot);
        self.inner.let_go(lane);
    }

    fn commit(&mut self, points: &[(Lane, Resume)], wait: Option<Duration>) -> Result<(), String> {
        self.inner.commit(points, wait)
    }

    fn member(&self) -> Option<Vec<u8>> {
        self.inner.member()
    }

    fn positions(&self) -> Vec<Position> {
        let of = |reading: &Reading| Position {
            partition: reading.partition.clone(),
            lane: reading.lane,
            end: Some(reading.end),
            next: Some(reading.next),
            reach: Reach::Unknown,
        };
        self.lanes.iter().map(of).collect()
    }

    fn close(&mut self) {
        self.pieces.clear();
        self.inner.close();
    }
}
