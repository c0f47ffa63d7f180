//! Runs a transform natively, in an ordinary test: records in, outputs, rejects and log messages out.

use crate::columns::{Columns, part};
use crate::log::Level;
use crate::outputs::Outputs;
use crate::record::{Batch, Column, Record};
use crate::transform::{self, Result, Transform};
use std::cell::RefCell;
use std::time::{Duration, Instant};

thread_local! {
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

#[cfg_attr(target_family = "wasm", allow(dead_code))]
pub(crate) fn log(level: Level, message: &str) {
    LOG.with_borrow_mut(|messages| messages.push((level, message.to_owned())));
}

/// A record to feed. Fields that a test does not care for come from `default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is null.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
}

impl<V: AsRef<[u8]>> From<V> for Input {
    /// A record with this value and nothing else.
    fn from(value: V) -> Input {
        Input { value: Some(value.as_ref().to_vec()), ..Input::default() }
    }
}

/// What a transform gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Index of the input record.
    pub origin: usize,
    /// The key; `None` is null.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is null.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
    /// The destination it was routed to.
    pub route: Option<String>,
}

impl Output {
    /// The value as text: empty where it is null.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// A record that the transform refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Index of the input record.
    pub origin: usize,
    /// The short word.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// The outputs, in order.
    pub outputs: Vec<Output>,
    /// The rejects, in order.
    pub rejects: Vec<Rejected>,
    /// What was logged on this thread.
    pub log: Vec<(Level, String)>,
}

impl Results {
    /// The values of all outputs as text.
    pub fn texts(&self) -> Vec<String> {
        self.outputs.iter().map(Output::text).collect()
    }

    /// The codes of all rejects.
    pub fn codes(&self) -> Vec<&str> {
        self.rejects.iter().map(|reject| reject.code.as_str()).collect()
    }
}

type Apply<'t> = dyn FnMut(&Record<'_>, &mut Outputs<'_>) -> Result + 't;

/// A transform with the columns of both sides, as in the host.
pub struct Harness<'t> {
    apply: Box<Apply<'t>>,
    columns: Columns,
    /// The topic of all records: `topic` at first.
    pub topic: String,
    /// The partition of all records: 0 at first.
    pub partition: i32,
    next_offset: i64,
}

impl<'t> Harness<'t> {
    /// Around a function.
    pub fn of(function: impl FnMut(&Record<'_>, &mut Outputs<'_>) -> Result + 't) -> Harness<'t> {
        let (topic, partition) = ("topic".to_owned(), 0);
        Harness { apply: Box::new(function), columns: Columns::new(), topic, partition, next_offset: 0 }
    }

    /// Around a type, made from its configuration as JSON text: `null` for none.
    ///
    /// # Errors
    ///
    /// What the host would show to whoever deploys the module.
    pub fn configured<T: Transform + 't>(config: &str) -> Result<Harness<'t>, String> {
        let mut made: T = transform::configure(config)?;
        Ok(Harness::of(move |record, out| made.transform(record, out)))
    }

    /// Passes the records through the transform as one batch. Offsets count on from call to call.
    pub fn run<I: Into<Input>>(&mut self, records: impl IntoIterator<Item = I>) -> Results {
        let inputs: Vec<Input> = records.into_iter().map(Into::into).collect();
        let laid = Laid::new(&inputs, self.next_offset);
        self.next_offset += inputs.len() as i64;
        LOG.with_borrow_mut(Vec::clear);
        transform::run(&mut self.apply, &laid.batch(&self.topic, self.partition), &mut self.columns);
        let log = LOG.with_borrow_mut(std::mem::take);
        Results { outputs: outputs(&self.columns, &inputs), rejects: rejects(&self.columns), log }
    }

    /// Passes the records through the transform again and again, and returns the shortest time that one batch took.
    pub fn time<I: Into<Input>>(&mut self, records: impl IntoIterator<Item = I>, times: usize) -> Duration {
        let inputs: Vec<Input> = records.into_iter().map(Into::into).collect();
        let laid = Laid::new(&inputs, self.next_offset);
        let batch = laid.batch(&self.topic, self.partition);
        let mut shortest = Duration::MAX;
        for _ in 0..times {
            let start = Instant::now();
            transform::run(&mut self.apply, &batch, &mut self.columns);
            shortest = shortest.min(start.elapsed());
        }
        shortest
    }
}

/// Records laid out as the host does it.
struct Laid {
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: (Vec<u8>, Vec<i32>),
    values: (Vec<u8>, Vec<i32>),
    header_counts: Vec<u32>,
    header_names: (Vec<u8>, Vec<i32>),
    header_values: (Vec<u8>, Vec<i32>),
}

impl Laid {
    fn new(inputs: &[Input], first_offset: i64) -> Laid {
        let headers = || inputs.iter().flat_map(|input| &input.headers);
        let mut header_counts: Vec<u32> = inputs.iter().map(|input| input.headers.len() as u32).collect();
        if headers().next().is_none() {
            header_counts.clear();
        }
        Laid {
            offsets: (first_offset..).take(inputs.len()).collect(),
            timestamps: inputs.iter().map(|input| input.timestamp.unwrap_or(-1)).collect(),
            keys: lay(inputs.iter().map(|input| input.key.as_deref())),
            values: lay(inputs.iter().map(|input| input.value.as_deref())),
            header_counts,
            header_names: lay(headers().map(|header| Some(header.0.as_bytes()))),
            header_values: lay(headers().map(|header| header.1.as_deref())),
        }
    }

    fn batch<'l>(&'l self, topic: &'l str, partition: i32) -> Batch<'l> {
        Batch {
            topic,
            partition,
            offsets: &self.offsets,
            timestamps: &self.timestamps,
            keys: view(&self.keys),
            values: view(&self.values),
            header_counts: &self.header_counts,
            header_names: view(&self.header_names),
            header_values: view(&self.header_values),
        }
    }
}

fn lay<'i>(items: impl Iterator<Item = Option<&'i [u8]>>) -> (Vec<u8>, Vec<i32>) {
    let (mut data, mut lengths) = (Vec::new(), Vec::new());
    for item in items {
        data.extend_from_slice(item.unwrap_or_default());
        lengths.push(item.map_or(-1, |bytes| bytes.len() as i32));
    }
    (data, lengths)
}

fn view(column: &(Vec<u8>, Vec<i32>)) -> Column<'_> {
    Column { data: &column.0, lengths: &column.1 }
}

fn owned(column: Column<'_>) -> Vec<Option<Vec<u8>>> {
    let mut at = 0;
    let mut items = Vec::new();
    for index in 0..column.lengths.len() {
        items.push(column.item(index, at).map(<[u8]>::to_vec));
        at += column.size(index);
    }
    items
}

fn text(item: &Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(item.as_deref().unwrap_or_default()).into_owned()
}

fn outputs(columns: &Columns, inputs: &[Input]) -> Vec<Output> {
    let touched = |part| columns.touched & part != 0;
    let (keys, values) = (owned(columns.keys.view()), owned(columns.values.view()));
    let (names, header_values) = (owned(columns.header_names.view()), owned(columns.header_values.view()));
    let routes = owned(columns.route_names.view());
    let mut header = 0;
    let mut outputs = Vec::new();
    for (index, &origin) in columns.origins.iter().enumerate() {
        let input = inputs[origin as usize].clone();
        let mut output = Output {
            origin: origin as usize,
            key: input.key,
            value: input.value,
            headers: input.headers,
            timestamp: input.timestamp,
            route: None,
        };
        if touched(part::KEY) {
            output.key = keys[index].clone();
        }
        if touched(part::VALUE) {
            output.value = values[index].clone();
        }
        if touched(part::TIMESTAMP) {
            output.timestamp = Some(columns.timestamps[index]).filter(|&timestamp| timestamp != -1);
        }
        if touched(part::HEADERS) {
            let end = header + columns.header_counts[index] as usize;
            output.headers = (header..end).map(|at| (text(&names[at]), header_values[at].clone())).collect();
            header = end;
        }
        if touched(part::ROUTE) && columns.routes[index] > 0 {
            output.route = Some(text(&routes[columns.routes[index] as usize - 1]));
        }
        outputs.push(output);
    }
    outputs
}

fn rejects(columns: &Columns) -> Vec<Rejected> {
    let (codes, messages) = (owned(columns.reject_codes.view()), owned(columns.reject_messages.view()));
    let mut rejects = Vec::new();
    for (index, &origin) in columns.reject_origins.iter().enumerate() {
        rejects.push(Rejected { origin: origin as usize, code: text(&codes[index]), message: text(&messages[index]) });
    }
    rejects
}
