//! A SmartModule that looks back: an instance for each partition, as Fluvio has it. Before its first record, and whenever it
//! is made anew, it is shown the last records in front of that one.
//!
//! They come from the source's topics where a lane begins, and from what went through since where an instance is replaced:
//! those of the last batch, and as many before it as are asked for.

use super::instance::Instance;
use super::tail::Tail;
use super::{SmartModule, wire};
use crate::batch::Batch;
use crate::chain::apply::ApplyError;
use crate::chain::{Fault, Transform};
use crate::config::{LOOKING_BACK, LookBack};
use crate::modules::LoadError;
use crate::outputs::Outputs;
use crate::policy::Class;
use crate::record::Partition;
use crate::source::past::{Past, PastError};
use crate::wasm::limits::Call;
use crate::wasm::plain::{Blueprint, begin};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A call of `look_back` has so many records, and so many bytes of them.
const CALL: (usize, usize) = (1024, 1 << 20);

/// How long all calls for one instance may take together.
const LONGEST: Duration = Duration::from_secs(30);

/// How much farther back it is read where fewer records are found than offsets, and how often: compaction, transactions and
/// tombstones leave holes.
const FARTHER: (i64, u32) = (4, 4);

/// Partitions that a module is tried on before it replaces one that runs.
const TRIED: usize = 8;

/// Instances by partition, of one worker.
pub(super) struct ByLane {
    blueprint: Arc<Blueprint>,
    smart: Arc<SmartModule>,
    look_back: LookBack,
    lanes: Vec<Lane>,
    /// Counts batches.
    turn: u64,
}

struct Lane {
    partition: Partition,
    tail: Tail,
    live: Option<Instance>,
    /// The offset behind the last record that the instance has seen.
    next: i64,
    /// When it had its last batch.
    turn: u64,
}

/// What came of looking back.
#[derive(Default)]
struct Shown {
    /// Records that were taken.
    taken: usize,
    /// Those that were not.
    left_out: usize,
    /// The first of these, and why.
    example: Option<(i64, String)>,
}

impl ByLane {
    /// None of its instances is made yet.
    pub(super) fn new(blueprint: &Arc<Blueprint>, smart: &Arc<SmartModule>, look_back: LookBack) -> Self {
        let (blueprint, smart) = (blueprint.clone(), smart.clone());
        Self { blueprint, smart, look_back, lanes: Vec::new(), turn: 0 }
    }

    /// Tries the module on what is in the source's topics now.
    ///
    /// # Errors
    /// It takes none of some records. What cannot be read refuses nothing.
    // Promise: keep
    pub(super) fn try_out(&self, past: &dyn Past) -> Result<(), LoadError> {
        let module = self.smart.name.as_str();
        let untried =
            |error: &str| tracing::warn!(module, error, "look_back is not tried: what was before cannot be read");
        let places = match past.places() {
            Ok(places) => places,
            Err(error) => {
                untried(&error);
                return Ok(());
            }
        };
        let mut all = Shown::default();
        for (partition, offset) in places.into_iter().filter(|(_, offset)| *offset > 0).take(TRIED) {
            let mut tail = Tail::default();
            if let Err(error) = self.fill(&mut tail, past, &partition, offset, &mut || true) {
                untried(&error.to_string());
                return Ok(());
            }
            let (_, shown) = self.start(&mut tail, &mut || true).map_err(|error| match error {
                ApplyError::Start(error) => error,
                ApplyError::Abandoned => LoadError::new("look-back", "abandoned"),
            })?;
            all.taken += shown.taken;
            all.left_out += shown.left_out;
            let example = shown.example.map(|(offset, why)| (offset, format!("{partition}, offset {offset}: {why}")));
            all.example = all.example.or(example);
        }
        match (all.taken, all.left_out, all.example) {
            (0, 2.., Some((_, why))) => {
                let message = format!("look_back takes none of the last {} records: {why}", all.left_out);
                Err(LoadError::new("look-back", message))
            }
            _ => Ok(()),
        }
    }

    /// Reads the last records before an offset.
    fn fill(
        &self,
        tail: &mut Tail,
        past: &dyn Past,
        partition: &Partition,
        offset: i64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), PastError> {
        let (last, room) = (self.look_back.last, self.blueprint.limits.memory);
        if offset <= 0 {
            tail.has_the_beginning();
            return Ok(());
        }
        let mut reach = last as i64;
        for turn in 0..=FARTHER.1 {
            *tail = Tail::default();
            let from = offset.saturating_sub(reach).max(0);
            let oldest = past.read(partition, from..offset, go_on, &mut |batch| {
                tail.push(batch);
                tail.trim(last, room);
            })?;
            if from <= oldest {
                tail.has_the_beginning();
            }
            if tail.has(last) || turn == FARTHER.1 {
                break;
            }
            reach = reach.saturating_mul(FARTHER.0);
        }
        Ok(())
    }

    /// Makes an instance that has looked back on a tail's last records. A record that it does not take is left out.
    // Promise: one
    fn start(&self, tail: &mut Tail, go_on: &mut dyn FnMut() -> bool) -> Result<(Instance, Shown), ApplyError> {
        let deadline = Instant::now() + LONGEST;
        let since = self.look_back.age.map_or(i64::MIN, since);
        let first = tail.len().saturating_sub(self.look_back.last);
        let mut shown = Shown::default();
        // records of a call that failed are shown one by one
        let mut singly = 0..0;
        'anew: loop {
            let mut instance = Instance::start(&self.blueprint, &self.smart).map_err(ApplyError::Start)?;
            shown.taken = 0;
            let mut at = first;
            while at < tail.len() {
                if !go_on() {
                    return Err(ApplyError::Abandoned);
                }
                if Instant::now() > deadline {
                    let message = format!(
                        "look_back took longer than {LONGEST:?} for {} records: lower `look_back.last`",
                        tail.len() - first
                    );
                    return Err(ApplyError::Start(LoadError::new("look-back", message)));
                }
                let most = if singly.contains(&at) { 1 } else { CALL.0 };
                let end = tail.run(at, most, CALL.1);
                match instance.look_back(tail, at..end, since) {
                    Ok(taken) => (shown.taken, at) = (shown.taken + taken, end),
                    Err(fault) if end - at == 1 => {
                        let offset = tail.leave_out(at);
                        shown.left_out += 1;
                        shown.example.get_or_insert((offset, fault.message));
                        continue 'anew;
                    }
                    Err(_) => {
                        singly = at..end;
                        continue 'anew;
                    }
                }
            }
            // what it has built up is no leak
            instance.fresh = instance.memory();
            return Ok((instance, shown));
        }
    }

    /// Where the lane of a partition is; one that nobody began has nothing before it.
    fn lane(&mut self, topic: &str, number: i32) -> usize {
        let is = |lane: &Lane| lane.partition.number == number && lane.partition.topic == topic;
        if let Some(at) = self.lanes.iter().position(is) {
            return at;
        }
        self.add(Partition { topic: topic.to_owned(), number }, Tail::whole());
        self.lanes.len() - 1
    }

    fn add(&mut self, partition: Partition, tail: Tail) {
        self.lanes.push(Lane { partition, tail, live: None, next: i64::MIN, turn: 0 });
    }

    /// Makes room for one more instance: the one that rested the longest is made again when it is wanted.
    // Promise: bounds
    fn make_room(&mut self) {
        let live = || self.lanes.iter().filter(|lane| lane.live.is_some());
        if live().count() < LOOKING_BACK {
            return;
        }
        let oldest = live().map(|lane| lane.turn).min();
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.live.is_some() && Some(lane.turn) == oldest) {
            lane.live = None;
        }
    }
}

/// Now less an age, in Kafka's milliseconds.
fn since(age: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(age).as_millis() as i64
}

impl Instance {
    /// Shows the guest some of a tail's records. Gives how many they were.
    ///
    /// # Errors
    /// It does not take one of them. Its state is undefined then.
    fn look_back(&mut self, tail: &mut Tail, range: std::ops::Range<usize>, since: i64) -> Result<usize, Fault> {
        let call = if range.len() == 1 { Call::Batch(1) } else { Call::Start };
        let Some((offset, time, given)) = tail.shown(range, since) else { return Ok(0) };
        let count = given.len();
        wire::input(&mut self.input, offset, time, given.into_iter(), None);
        begin(&mut self.live.store, call);
        let function = self.live.instance.get_typed_func(&mut self.live.store, "look_back");
        let function = function.map_err(|error| Fault::new(Class::Trap, format!("{error:#}")))?;
        match self.call(&function, call)? {
            0.. => Ok(count),
            -99 => Err(Fault::new(Class::Reject, self.hint("look_back"))),
            code => Err(Fault::new(Class::Trap, super::instance::failed("look_back", code))),
        }
    }
}

impl Transform for ByLane {
    fn prepare(&mut self, batch: &Batch<'_>, go_on: &mut dyn FnMut() -> bool) -> Result<(), ApplyError> {
        let Some(&first) = batch.offsets.first() else { return Ok(()) };
        let at = self.lane(batch.topic, batch.partition);
        self.turn += 1;
        self.lanes[at].turn = self.turn;
        let lane = &self.lanes[at];
        // what comes again has left its traces in the instance
        if lane.live.as_ref().is_some_and(|live| !live.is_full()) && first >= lane.next {
            return Ok(());
        }
        self.lanes[at].live = None;
        self.make_room();
        let mut tail = std::mem::take(&mut self.lanes[at].tail);
        tail.cut(first);
        let partition = self.lanes[at].partition.clone();
        if let (Some(past), false) = (&self.smart.past, tail.has(self.look_back.last)) {
            self.fill(&mut tail, &**past, &partition, first, go_on).map_err(|error| match error {
                PastError::Abandoned => ApplyError::Abandoned,
                PastError::Failed(error) => {
                    let message = format!("what was before {partition}, offset {first}, cannot be read: {error}");
                    ApplyError::Start(LoadError::new("look-back", message))
                }
            })?;
            let (module, records) = (self.smart.name.as_str(), tail.len());
            tracing::info!(module, %partition, offset = first, records, "look_back: read what was before");
        }
        let started = self.start(&mut tail, go_on);
        self.lanes[at].tail = tail;
        let (instance, shown) = started?;
        if let Some((offset, error)) = shown.example {
            let (module, records) = (self.smart.name.as_str(), shown.left_out);
            tracing::warn!(module, %partition, records, offset, error, "look_back does not take records, and is not shown them");
        }
        (self.lanes[at].live, self.lanes[at].next) = (Some(instance), first);
        Ok(())
    }

    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let Some(&last) = batch.offsets.last() else { return Ok(()) };
        let at = self.lane(batch.topic, batch.partition);
        let (records, room) = (self.look_back.last.saturating_add(batch.len()), self.blueprint.limits.memory);
        let lane = &mut self.lanes[at];
        let Some(live) = &mut lane.live else {
            return Err(Fault::new(Class::Trap, "the instance is not prepared"));
        };
        let result = live.run(batch, outputs);
        match result {
            Ok(()) => {
                lane.tail.push(batch);
                lane.tail.trim(records, room);
                lane.next = last + 1;
            }
            Err(_) => lane.live = None,
        }
        result
    }

    fn outlives_faults(&self) -> bool {
        true
    }

    fn begin(&mut self, partition: &Partition) {
        self.end(partition);
        let tail = if self.smart.past.is_some() { Tail::default() } else { Tail::whole() };
        self.add(partition.clone(), tail);
    }

    fn end(&mut self, partition: &Partition) {
        self.lanes.retain(|lane| lane.partition != *partition);
    }

    fn memory(&self) -> usize {
        self.lanes.iter().filter_map(|lane| lane.live.as_ref()).map(Instance::memory).sum()
    }

    fn starved(&self) -> bool {
        self.lanes.iter().filter_map(|lane| lane.live.as_ref()).any(Instance::starved)
    }
}
