//! Lines in, lines out: gathers records into batches, passes them through a chain, and writes what comes of them.

use super::super::Failure;
use super::super::rows::each_row;
use crate::chain::apply::Chain;
use crate::records::{Format, Gathered, Line, write_reject, write_row};
use crate::route::Routes;
use anyhow::{Context, anyhow};
use std::io::{BufRead, Write};
use std::sync::Arc;

/// What a batch may hold: as a worker's.
const RECORDS: usize = 1024;
const BYTES: usize = 1 << 20;

/// What the command line says of input and output.
pub(super) struct Shape {
    /// How records stand in both.
    pub(super) format: Format,
    /// What the input is called in messages.
    pub(super) input: String,
    /// The topic of records that do not say theirs.
    pub(super) topic: String,
    /// The modules' names, by their place in the chain.
    pub(super) names: Vec<String>,
}

/// One run over an input.
pub(super) struct Session<'w> {
    chain: Chain,
    routes: Arc<Routes>,
    shape: Shape,
    output: &'w mut dyn Write,
    rejects: &'w mut dyn Write,
    /// Lines that wait to be written; its memory is kept.
    text: Vec<u8>,
    /// Records that have passed.
    seen: u64,
    failed: u64,
}

impl<'w> Session<'w> {
    pub(super) fn new(
        chain: Chain,
        routes: Arc<Routes>,
        shape: Shape,
        output: &'w mut dyn Write,
        rejects: &'w mut dyn Write,
    ) -> Self {
        Self { chain, routes, shape, output, rejects, text: Vec::new(), seen: 0, failed: 0 }
    }

    /// The records that failed so far.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Passes all records of an input. What comes before a line that is no record is passed and written.
    pub(super) fn pass(&mut self, mut input: impl BufRead) -> Result<(), Failure> {
        let mut gathered = Gathered::new(&self.shape.topic, 0);
        let mut line = Vec::new();
        let mut number = 0u64;
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line).with_context(|| format!("cannot read {}", self.shape.input))? == 0 {
                return self.finish(&mut gathered);
            }
            number += 1;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let offset = (self.seen + gathered.len() as u64) as i64;
            match self.shape.format {
                Format::Lines => gathered.push(offset, -1, None, Some(text)),
                Format::Records if text.trim_ascii().is_empty() => continue,
                Format::Records => {
                    let record = match Line::parse(text) {
                        Ok(record) => record,
                        Err(error) => {
                            self.finish(&mut gathered)?;
                            return Err(Failure::usage(format!("{}: line {number}, {error}", self.shape.input)));
                        }
                    };
                    // a batch has one topic and partition, as a worker's
                    let topic = record.topic.as_deref().unwrap_or(&self.shape.topic);
                    let partition = record.partition.unwrap_or(0);
                    if topic != gathered.topic || partition != gathered.partition {
                        let next = Gathered::new(topic, partition);
                        self.finish(&mut gathered)?;
                        gathered = next;
                    }
                    record.push_to(&mut gathered, offset);
                }
            }
            if gathered.len() >= RECORDS || gathered.size() >= BYTES {
                self.finish(&mut gathered)?;
            }
        }
    }

    /// Passes what was gathered, and writes what comes of it.
    fn finish(&mut self, gathered: &mut Gathered) -> Result<(), Failure> {
        if gathered.is_empty() {
            return Ok(());
        }
        let batch = gathered.batch();
        let applied = self.chain.apply(&batch, &mut || true).map_err(|error| Failure::Failed(anyhow!(error)))?;
        self.text.clear();
        each_row(&applied, &self.routes, |origin, row| {
            row.origin = Some(self.seen + u64::from(origin));
            write_row(&mut self.text, self.shape.format, row);
        });
        self.output.write_all(&self.text).context("cannot write the output")?;
        self.text.clear();
        for failure in &applied.failures {
            write_reject(
                &mut self.text,
                failure,
                self.seen + u64::from(failure.origin),
                &self.shape.names[failure.stage],
            );
        }
        self.failed += applied.failures.len() as u64;
        self.rejects.write_all(&self.text).context("cannot write the rejects")?;
        self.seen += gathered.len() as u64;
        *gathered = Gathered::new(&gathered.topic, gathered.partition);
        Ok(())
    }
}
