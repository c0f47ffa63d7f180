//! Shows records on their way to those who ask while the worker runs. While nobody does, it costs a look at a flag a batch.

use crate::batch::{Batch, Bytes};
use crate::chain::Plan;
use crate::chain::apply::Applied;
use crate::outputs::Outputs;
use crate::policy::Failure;
use crate::records::{Place, Row};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

#[cfg(test)]
mod tests;

/// Lines that wait for a slow reader; more are counted and dropped, since a worker waits for nobody.
const WAITING: usize = 64;

/// Taps that one worker may have.
const TAPS: usize = 8;

/// Which records are shown. Those that fit all of it.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The topic.
    #[serde(default)]
    pub topic: Option<String>,
    /// The partition's number.
    #[serde(default)]
    pub partition: Option<i32>,
    /// The whole key.
    #[serde(default)]
    pub key: Option<String>,
    /// A part of the value.
    #[serde(default)]
    pub contains: Option<String>,
    /// Only those that fail.
    #[serde(default)]
    pub failed: bool,
    /// Records a second, from all workers together; more are passed over.
    pub per_second: u32,
}

/// One reader's.
pub struct Tap {
    wish: Wish,
    lines: Sender<String>,
    /// Lines for which the reader was too slow.
    missed: AtomicU64,
    allowance: Mutex<Allowance>,
}

/// How many records may be shown now: what a second allows at the most.
struct Allowance {
    records: f64,
    since: Instant,
}

impl Tap {
    /// A tap, and what comes out of it: a JSON object a line. It ends when the receiver is dropped.
    pub fn open(wish: Wish) -> (Arc<Self>, Receiver<String>) {
        let (lines, receiver) = channel(WAITING);
        let allowance = Allowance { records: f64::from(wish.per_second), since: Instant::now() };
        let tap = Self { wish, lines, missed: AtomicU64::new(0), allowance: Mutex::new(allowance) };
        (Arc::new(tap), receiver)
    }

    fn allowed(&self) -> usize {
        let most = f64::from(self.wish.per_second);
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let refilled = allowance.records + (now - allowance.since).as_secs_f64() * most;
        (allowance.records, allowance.since) = (refilled.min(most.max(1.0)), now);
        allowance.records as usize
    }

    fn spend(&self, records: usize) {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner).records -= records as f64;
    }

    /// The records of a batch that are shown, by index: spread over those that fit, where there are too many.
    fn choose(&self, batch: &Batch<'_>, failures: &[Failure]) -> Vec<u32> {
        let Wish { topic, partition, key, contains, failed, .. } = &self.wish;
        let elsewhere = topic.as_ref().is_some_and(|topic| topic != batch.topic)
            || partition.is_some_and(|partition| partition != batch.partition);
        let allowed = if elsewhere { 0 } else { self.allowed() };
        if allowed == 0 {
            return Vec::new();
        }
        let mut fitting: Vec<u32> = match failed {
            true => failures.iter().map(|failure| failure.origin).collect(),
            false => (0..batch.len() as u32).collect(),
        };
        if let Some(key) = key {
            let keys = batch.keys.each();
            fitting.retain(|&index| keys[index as usize] == Some(key.as_bytes()));
        }
        if let Some(part) = contains {
            let (values, finder) = (batch.values.each(), memchr::memmem::Finder::new(part));
            fitting.retain(|&index| values[index as usize].is_some_and(|value| finder.find(value).is_some()));
        }
        if fitting.len() > allowed {
            let step = fitting.len().div_ceil(allowed);
            fitting = fitting.into_iter().skip(fastrand::usize(..step)).step_by(step).collect();
        }
        self.spend(fitting.len());
        fitting
    }

    fn say(&self, mut line: Value) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            line["missed"] = missed.into();
        }
        if let Err(TrySendError::Full(_)) = self.lines.try_send(format!("{line}\n")) {
            self.missed.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }
}

/// The taps of one worker.
#[derive(Default)]
pub(super) struct Taps {
    wanted: AtomicBool,
    taps: Mutex<Vec<Arc<Tap>>>,
}

impl Taps {
    /// Adds a tap; false: there are too many.
    pub(super) fn add(&self, tap: Arc<Tap>) -> bool {
        let mut taps = self.taps.lock().unwrap_or_else(PoisonError::into_inner);
        taps.retain(|tap| !tap.lines.is_closed());
        if taps.len() >= TAPS {
            return false;
        }
        taps.push(tap);
        self.wanted.store(true, Ordering::Release);
        true
    }

    /// Shows what the taps wish of a batch and of what came of it.
    pub(super) fn show(&self, batch: &Batch<'_>, applied: &Applied<'_>, plan: &Plan) {
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut taps = self.taps.lock().unwrap_or_else(PoisonError::into_inner);
        taps.retain(|tap| !tap.lines.is_closed());
        self.wanted.store(!taps.is_empty(), Ordering::Relaxed);
        for tap in taps.iter() {
            let chosen = tap.choose(batch, &applied.failures);
            if !chosen.is_empty() {
                lines(batch, applied, plan, &chosen).into_iter().for_each(|line| tap.say(line));
            }
        }
    }
}

/// A line for each chosen record: itself, what each module made of it, and why it failed if it did.
fn lines(batch: &Batch<'_>, applied: &Applied<'_>, plan: &Plan, chosen: &[u32]) -> Vec<Value> {
    let failed = |index: u32| applied.failures.iter().find(|failure| failure.origin == index);
    let mut modules = vec![Vec::new(); chosen.len()];
    let mut rows = batch.slice(0..batch.len());
    let mut origins: Vec<u32> = (0..batch.len() as u32).collect();
    for (stage, (outputs, plan)) in applied.steps.iter().zip(&plan.stages).enumerate() {
        rows = outputs.view(rows);
        origins = outputs.origins.iter().map(|&row| origins[row as usize]).collect();
        let shown = rows_of(&rows, &origins, outputs, chosen);
        for ((modules, outputs), &index) in modules.iter_mut().zip(shown).zip(chosen) {
            // behind the module in which it failed, a record is nowhere
            if failed(index).is_none_or(|failure| stage <= failure.stage) {
                modules.push(json!({ "module": plan.module.name(), "outputs": outputs }));
            }
        }
    }
    let itself = (0..batch.len() as u32).collect::<Vec<_>>();
    let records = rows_of(batch, &itself, &Outputs::default(), chosen);
    let line = |((index, mut record), modules): ((&u32, Vec<Value>), Vec<Value>)| {
        let place = Place { topic: batch.topic, partition: batch.partition, offset: batch.offsets[*index as usize] };
        let mut line = json!({ "from": place, "record": record.pop(), "modules": modules });
        if let Some(Failure { stage, class, code, message, .. }) = failed(*index) {
            let module = plan.stages.get(*stage).map(|stage| stage.module.name());
            line["failed"] =
                json!({ "module": module, "stage": stage, "class": class.as_str(), "code": code, "message": message });
        }
        line
    };
    chosen.iter().zip(records).zip(modules).map(line).collect()
}

/// For each chosen record the rows that came of it.
fn rows_of(rows: &Batch<'_>, origins: &[u32], outputs: &Outputs, chosen: &[u32]) -> Vec<Vec<Value>> {
    let mut found = vec![Vec::new(); chosen.len()];
    let (keys, values) = (rows.keys.each(), rows.values.each());
    let (names, header_values) = (rows.headers.names.each(), rows.headers.values.each());
    let starts = rows.headers.starts();
    for (row, origin) in origins.iter().enumerate() {
        let Ok(place) = chosen.binary_search(origin) else { continue };
        let headers: Vec<(Bytes<'_>, Bytes<'_>)> = match rows.headers.is_empty() {
            true => Vec::new(),
            false => (starts[row] as usize..)
                .take(rows.headers.counts[row] as usize)
                .map(|at| (names[at], header_values[at]))
                .collect(),
        };
        let route =
            outputs.routes.get(row).and_then(|&route| outputs.route_names.get(usize::from(route).wrapping_sub(1)));
        let (timestamp, topic) = (rows.timestamps[row], route.map(String::as_str));
        let shown =
            Row { key: keys[row], value: values[row], headers: &headers, timestamp, origin: None, from: None, topic };
        found[place].push(json!(shown));
    }
    found
}
