//! Counts the demo's output topics as they grow: every record's number, once, lost or twice.

use super::feed::{DAMAGED_EVERY, Expected, NUMBER, client};
use super::{CHECKED, DEAD_LETTERS, FARES, Verdict};
use crate::batch::Batch;
use crate::kafka::mock::Tail;
use crate::record::Partition;
use crate::source::BatchLimit;
use crate::wake::Wake;
use anyhow::{Result, anyhow};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Rows shown before and after the swap.
const SHOWN: usize = 3;

/// How long after the swap rows are shown again.
const SAMPLE_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Tally {
    tail: Tail,
    flights: Vec<u32>,
    page_views: Vec<u32>,
    dead: Vec<u32>,
    seen: u64,
    last: Instant,
    samples: Vec<String>,
    sample_from: Instant,
}

impl Tally {
    pub(super) fn start(brokers: &str, expected: Expected) -> Result<Self> {
        let of = |topic: &str, count: i32| -> Vec<Partition> {
            (0..count).map(|number| Partition { topic: topic.to_owned(), number }).collect()
        };
        let partitions = [of(FARES, 4), of(CHECKED, 2), of(DEAD_LETTERS, 1)].concat();
        let tail = Tail::new(&client(brokers), &partitions, &Wake::new()?).map_err(|error| anyhow!(error))?;
        let (flights, page_views) = (vec![0; expected.flights as usize], vec![0; expected.page_views as usize]);
        let dead = vec![0; expected.flights as usize];
        Ok(Self {
            tail,
            flights,
            page_views,
            dead,
            seen: 0,
            last: Instant::now(),
            samples: Vec::new(),
            sample_from: Instant::now(),
        })
    }

    /// Counts everything there is now.
    pub(super) fn read(&mut self) {
        while let Some(messages) = self.tail.poll(BatchLimit { records: 1024, bytes: 1 << 20 }) {
            let batch = messages.batch();
            let starts = batch.headers.starts();
            for start in &starts[..batch.len()] {
                let Some(number) = number(&batch, *start as usize) else { continue };
                let counts = match batch.topic {
                    FARES => &mut self.flights,
                    CHECKED => &mut self.page_views,
                    _ => &mut self.dead,
                };
                if let Some(count) = counts.get_mut(number) {
                    *count += 1;
                    self.seen += 1;
                    self.last = Instant::now();
                }
            }
            if batch.topic == FARES && self.samples.len() < SHOWN && Instant::now() >= self.sample_from {
                let values = batch.values.iter().flatten().map(|value| String::from_utf8_lossy(value).into_owned());
                self.samples.extend(values.take(SHOWN - self.samples.len()));
            }
        }
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    pub(super) fn quiet_for(&self) -> Duration {
        self.last.elapsed()
    }

    /// Whether every record came out somewhere.
    pub(super) fn is_complete(&self) -> bool {
        self.lost() == 0
    }

    pub(super) fn sample(&self, when: &str) -> String {
        let mut text = format!("Rows {when}:\n");
        for row in &self.samples {
            let _ = writeln!(text, "    {row}");
        }
        text
    }

    /// Forgets the rows shown so far; the next ones are shown next.
    pub(super) fn new_sample(&mut self) {
        self.samples.clear();
        // by then, what was made before the swap has been read
        self.sample_from = Instant::now() + SAMPLE_AFTER;
    }

    fn lost(&self) -> usize {
        let flights = self.flights.iter().zip(&self.dead).filter(|(row, letter)| **row + **letter == 0).count();
        flights + self.page_views.iter().filter(|count| **count == 0).count()
    }

    fn twice(&self) -> usize {
        let flights = self.flights.iter().zip(&self.dead).filter(|(row, letter)| **row + **letter > 1).count();
        flights + self.page_views.iter().filter(|count| **count > 1).count()
    }

    pub(super) fn verdict(&self, produced: u64, swap: Duration, pause_ms: f64) -> Verdict {
        let rows = self.flights.iter().chain(&self.page_views).filter(|count| **count > 0).count();
        let letters = self.dead.iter().filter(|count| **count > 0).count();
        let damaged = self.flights.len() as u64 / DAMAGED_EVERY;
        let (lost, twice) = (self.lost(), self.twice());
        let text = format!(
            "produced      {produced}\n\
             delivered     {rows}\n\
             dead letters  {letters} (of {damaged} flights damaged on purpose)\n\
             lost          {lost}\n\
             duplicated    {twice}\n\
             swap          {} ms from the new file to the last worker, which stood still for {pause_ms:.3} ms at the most",
            swap.as_millis()
        );
        Verdict { text, clean: lost == 0 && twice == 0 && letters as u64 == damaged }
    }
}

/// The number in a record's headers, which begin at `start`.
fn number(batch: &Batch<'_>, start: usize) -> Option<usize> {
    let names = batch.headers.names.each();
    let values = batch.headers.values.each();
    let at = (start..names.len()).find(|&at| names[at] == Some(NUMBER.as_bytes()))?;
    std::str::from_utf8(values[at]?).ok()?.parse().ok()
}
