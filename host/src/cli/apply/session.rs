//! Lines in, lines out: gathers records into batches, passes them through a chain, and writes what comes of them.

use super::super::Failure;
use crate::batch::Bytes;
use crate::chain::apply::{Applied, Chain};
use crate::records::{Format, Gathered, Line, Row, write_reject, write_row};
use crate::route::{Route, Routes};
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
        write_rows(&mut self.text, self.shape.format, &applied, &self.routes, self.seen);
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

fn write_rows(out: &mut Vec<u8>, format: Format, applied: &Applied<'_>, routes: &Routes, seen: u64) {
    let rows = &applied.rows;
    let (keys, values) = (rows.keys.each(), rows.values.each());
    let names = rows.headers.names.each();
    let header_values = rows.headers.values.each();
    let headers: Vec<(Bytes<'_>, Bytes<'_>)> = names.iter().copied().zip(header_values.iter().copied()).collect();
    let mut header = 0;
    for row in 0..rows.len() {
        let count = if headers.is_empty() { 0 } else { rows.headers.counts[row] as usize };
        let route = applied.routes.get(row).copied().unwrap_or_default();
        let topic = (route != Route::DEFAULT).then(|| routes.names()[usize::from(route.0)].as_str());
        let row = Row {
            key: keys[row],
            value: values[row],
            headers: &headers[header..header + count],
            timestamp: rows.timestamps[row],
            origin: Some(seen + u64::from(applied.origins[row])),
            from: None,
            topic,
        };
        header += count;
        write_row(out, format, &row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::chain::{Fault, Plan, PlanStage, Transform};
    use crate::modules::{LoadError, Module};
    use crate::outputs::{Keep, Outputs, Reject};
    use crate::policy::{Action, Class, Policy};

    /// Gives each record twice, to the route `late` the second time; rejects `no`, and traps on `trap`.
    struct Twice;

    impl Module for Twice {
        fn name(&self) -> &str {
            "twice.wasm"
        }

        fn hash(&self) -> &str {
            "00"
        }

        fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
            Ok(Box::new(Twice))
        }
    }

    impl Transform for Twice {
        fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
            assert!(batch.len() <= RECORDS);
            outputs.keep = Keep { timestamps: true, keys: true, values: true, headers: true };
            outputs.route_names.push("late".to_owned());
            for (index, value) in batch.values.iter().enumerate() {
                let origin = index as u32;
                match value {
                    Some(b"trap") => return Err(Fault::new(Class::Trap, "unreachable")),
                    Some(b"no") => {
                        outputs.rejects.push(Reject { origin, code: "no".to_owned(), message: "not that".to_owned() });
                    }
                    _ => {
                        outputs.origins.extend([origin, origin]);
                        outputs.routes.extend([0, 1]);
                    }
                }
            }
            Ok(())
        }

        fn memory(&self) -> usize {
            0
        }
    }

    fn pass(input: &str, format: Format) -> (Result<(), String>, String, String, u64) {
        let policy = Policy::all(Action::Skip);
        let plan = Plan { number: 1, stages: vec![PlanStage { module: Arc::new(Twice), policy }], sink: policy };
        let routes = Arc::new(Routes::new("", &["late".to_owned()]));
        let chain = Chain::start(Arc::new(plan), routes.clone()).unwrap();
        let names = vec!["twice.wasm".to_owned()];
        let shape = Shape { format, input: "in".to_owned(), topic: "t".to_owned(), names };
        let (mut output, mut rejects) = (Vec::new(), Vec::new());
        let mut session = Session::new(chain, routes, shape, &mut output, &mut rejects);
        let ended = session.pass(input.as_bytes()).map_err(|failure| match failure {
            Failure::Usage(error) => error.to_string(),
            _ => unreachable!("the input is wrong"),
        });
        let failed = session.failed();
        (ended, String::from_utf8(output).unwrap(), String::from_utf8(rejects).unwrap(), failed)
    }

    #[test]
    fn a_value_a_line_goes_in_and_out() {
        let (ended, output, rejects, failed) = pass("a\n\nb", Format::Lines);
        assert_eq!((ended, output.as_str(), rejects.as_str(), failed), (Ok(()), "a\na\n\n\nb\nb\n", "", 0));
    }

    #[test]
    fn outputs_name_their_origin_and_rejects_theirs() {
        let (_, output, rejects, failed) =
            pass("{\"value\":\"trap\"}\n\n{\"value\":\"no\"}\n{\"value\":\"v\",\"topic\":\"u\"}\n", Format::Records);
        let row = "{\"key\":null,\"value\":\"v\",\"headers\":[],\"timestamp\":null";
        assert_eq!(output, format!("{row},\"origin\":2}}\n{row},\"topic\":\"late\",\"origin\":2}}\n"));
        let reject = |origin: u64, class: &str, message: &str| {
            format!(
                "{{\"origin\":{origin},\"class\":\"{class}\",\"module\":\"twice.wasm\",\"message\":\"{message}\"}}\n"
            )
        };
        assert_eq!(rejects, reject(0, "trap", "unreachable") + &reject(1, "reject", "not that"));
        assert_eq!(failed, 2);
    }

    #[test]
    fn origins_count_on_over_batches() {
        let input = "{\"value\":\"v\"}\n".repeat(3000) + "{\"value\":\"no\"}\n";
        let (ended, output, rejects, failed) = pass(&input, Format::Records);
        assert_eq!((ended, failed, output.lines().count()), (Ok(()), 1, 6000));
        assert!(output.lines().last().unwrap().ends_with("\"origin\":2999}"));
        assert!(rejects.starts_with("{\"origin\":3000,"));
    }

    #[test]
    fn a_line_that_is_no_record_ends_the_run_and_keeps_what_came_before() {
        let (ended, output, ..) = pass("{\"value\":\"v\"}\n{\"value\":\n", Format::Records);
        assert_eq!(ended.unwrap_err(), "in: line 2, column 9: EOF while parsing a value");
        assert_eq!(output.lines().count(), 2);
    }
}
