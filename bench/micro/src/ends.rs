//! A source that hands out flights until there are none left, and a sink that has delivered them at once.

use crate::flights::{Flights, TOPIC};
use edgemill::batch::Batch;
use edgemill::record::{Lane, Partition, Resume, Span};
use edgemill::route::Route;
use edgemill::sink::{Refusal, Settled, Sink, SinkError};
use edgemill::source::{BatchLimit, Event, Position, Source, SourceError};
use std::time::Duration;

/// One partition of flights.
pub struct Memory {
    flights: &'static Flights,
    lane: Option<Lane>,
    next: usize,
}

impl Memory {
    /// A partition with all of these.
    #[must_use]
    pub fn new(flights: &'static Flights) -> Self {
        Self { flights, lane: None, next: 0 }
    }
}

impl Source for Memory {
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError> {
        let Some(lane) = self.lane else {
            return Ok(Event::Assigned(vec![Partition { topic: TOPIC.to_owned(), number: 0 }]));
        };
        let Some(limit) = read else { return Ok(Event::Idle) };
        if self.next == self.flights.len() {
            return Ok(Event::End);
        }
        let end = self.flights.len().min(self.next + limit.records);
        let gathered = self.flights.gather(self.next..end);
        self.next = end;
        Ok(Event::Batch(lane, Box::new(gathered)))
    }

    fn serve(&mut self) -> bool {
        false
    }

    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError> {
        self.lane = lanes.first().map(|(lane, _)| *lane);
        Ok(())
    }

    fn release(&mut self, _: &[Lane]) -> Result<(), SourceError> {
        self.lane = None;
        Ok(())
    }

    fn rewind(&mut self, lane: Lane, to: Option<Resume>) -> Result<(), SourceError> {
        self.lane = Some(lane);
        self.next = to.map_or(0, |resume| resume.0 as usize);
        Ok(())
    }

    fn hold(&mut self, _: Lane) {}

    fn let_go(&mut self, _: Lane) {}

    fn commit(&mut self, _: &[(Lane, Resume)], _: Option<Duration>) -> Result<(), String> {
        Ok(())
    }

    fn member(&self) -> Option<Vec<u8>> {
        None
    }

    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }

    fn close(&mut self) {}
}

/// Looks at each row once, and has delivered it with the next question.
#[derive(Default)]
pub struct Nowhere {
    settled: Vec<Settled>,
    /// What the rows add up to: nobody asks, but it cannot be left out.
    bytes: usize,
}

impl Sink for Nowhere {
    fn has_room(&self) -> bool {
        true
    }

    #[inline(never)]
    fn submit(&mut self, span: Span, rows: &Batch<'_>, _: &[Route], _: &mut Vec<Refusal>) -> Result<(), SinkError> {
        for ((key, value), timestamp) in rows.keys.iter().zip(rows.values.iter()).zip(rows.timestamps.iter()) {
            let size = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
            self.bytes = std::hint::black_box(self.bytes + size(key) + size(value) + usize::from(*timestamp < 0));
        }
        self.settled.push(Settled::Delivered(span, rows.len() as u32));
        Ok(())
    }

    fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError> {
        settled.append(&mut self.settled);
        Ok(())
    }
}
