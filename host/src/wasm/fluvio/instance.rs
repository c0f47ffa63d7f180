//! A live SmartModule: gives it runs of records, and traces each of its outputs to the record that it came of.

use super::lanes::Place;
use super::wire::{self, Gave, Given};
use super::{SmartModule, VERSION, Work};
use crate::batch::{Batch, Bytes};
use crate::chain::{Fault, Transform};
use crate::modules::LoadError;
use crate::outputs::{Outputs, Reject};
use crate::policy::Class;
use crate::wasm::guest::breach;
use crate::wasm::lifted::{self, Budget, text};
use crate::wasm::limits::Call;
use crate::wasm::plain::{Blueprint, Live, begin, fault};
use std::mem;
use std::sync::Arc;
use wasmtime::TypedFunc;

/// What every function of a SmartModule's takes: address and length of its input, and the version of the records.
type Function = TypedFunc<(u32, u32, u32), i32>;

/// What an author's own error is called.
const USER_ERROR: &str = "user-error";

/// A live SmartModule.
pub(super) struct Instance {
    blueprint: Arc<Blueprint>,
    smart: Arc<SmartModule>,
    pub(super) live: Live,
    alloc: TypedFunc<u32, u32>,
    function: Function,
    /// Its memory when it had started.
    pub(super) fresh: usize,
    /// A call went wrong: the guest's state is undefined since.
    spent: bool,
    pub(super) input: Vec<u8>,
}

/// What a record gave, or that it was refused.
struct Run {
    /// Indices of the records that were given.
    inputs: Vec<usize>,
    /// The index of the one that is refused: those after it are still to be done.
    refused: Option<usize>,
}

impl Instance {
    /// Makes an instance, and tells it its parameters.
    ///
    /// # Errors
    /// It does not start, or refuses its parameters.
    pub(super) fn start(blueprint: &Arc<Blueprint>, smart: &Arc<SmartModule>) -> Result<Self, LoadError> {
        let started = |fault: Fault| LoadError::new("instantiate", fault.message);
        let mut live = Live::new(blueprint, Call::Start).map_err(started)?;
        let (alloc, function) = match functions(&mut live, smart.function) {
            Ok(functions) => functions,
            Err(error) => return Err(started(fault(&mut live.store, &error, Call::Start))),
        };
        let (blueprint, smart) = (blueprint.clone(), smart.clone());
        let mut instance = Self { blueprint, smart, live, alloc, function, fresh: 0, spent: false, input: Vec::new() };
        instance.init()?;
        instance.fresh = instance.memory();
        Ok(instance)
    }

    fn init(&mut self) -> Result<(), LoadError> {
        let Some(params) = self.smart.params.clone() else { return Ok(()) };
        let wrong = |message: String| LoadError::new("configure", message);
        let init = self.live.instance.get_typed_func(&mut self.live.store, "init");
        let init = init.map_err(|error| wrong(format!("{error:#}")))?;
        self.input = params;
        match self.call(&init, Call::Start).map_err(|fault| wrong(fault.message))? {
            0.. => Ok(()),
            -2 => Err(wrong(self.hint("init"))),
            code => Err(wrong(failed("init", code))),
        }
    }

    /// What the author's function says is wrong.
    pub(super) fn hint(&self, function: &str) -> String {
        wire::hint(&self.live.store.data().given).map_or_else(|error| format!("{function}: {error}"), words)
    }

    /// Gives the guest `input`, and calls a function of its with it.
    pub(super) fn call(&mut self, function: &Function, call: Call) -> Result<i32, Fault> {
        let size = self.input.len();
        let store = &mut self.live.store;
        let (Ok(size), true) = (u32::try_from(size), size <= self.blueprint.limits.memory) else {
            return Err(store.data().guest.too_large(size as u64));
        };
        store.data_mut().given.clear();
        let at = self.alloc.call(&mut *store, size).map_err(|error| fault(store, &error, call))?;
        let memory = self.live.memory.data_mut(&mut *store);
        let space = (at as usize).checked_add(size as usize).and_then(|end| memory.get_mut(at as usize..end));
        let Some(space) = space else {
            return Err(breach(format!("alloc: {size} bytes at {at} end outside of the memory")));
        };
        space.copy_from_slice(&self.input);
        function.call(&mut *store, (at, size, VERSION)).map_err(|error| fault(store, &error, call))
    }

    /// Every call leaks about what it gave: an instance that has taken half of its room makes place for another.
    // Promise: bounds
    pub(super) fn is_full(&self) -> bool {
        let room = self.blueprint.limits.memory.saturating_sub(self.fresh);
        self.memory().saturating_sub(self.fresh) > room / 2
    }

    fn renew(&mut self) -> Result<(), Fault> {
        if !self.is_full() {
            return Ok(());
        }
        let renewed = Self::start(&self.blueprint, &self.smart);
        *self = renewed.map_err(|error| Fault::new(Class::Trap, format!("a fresh instance: {error}")))?;
        Ok(())
    }

    /// Gives the guest a batch of one record at least. It is of no use after a fault.
    pub(super) fn run(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        self.apply(batch, outputs).inspect_err(|_| {
            self.spent = true;
            outputs.clear();
        })
    }

    fn apply(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let limit = self.blueprint.limits.memory;
        let mut budget = Budget::new(limit, batch.len());
        begin(&mut self.live.store, Call::Batch(batch.len()));
        let filter = self.smart.work == Work::Filter;
        outputs.keep.timestamps = true;
        outputs.keep.headers = true;
        (outputs.keep.keys, outputs.keep.values) = (filter, filter);

        let (keys, values) = (batch.keys.each(), batch.values.each());
        let columns = Columns { keys: &keys, values: &values, batch };
        let mut steps = Steps::default();
        if self.smart.work == Work::Aggregate {
            steps.places = places(batch);
            steps.last = self.smart.lanes.before(batch.topic, batch.partition, steps.places[0]);
        }
        let mut next = 0;
        while next < batch.len() {
            next = self.pass(&columns, next, outputs, &mut steps, &mut budget)?;
        }
        lifted::check(outputs, batch, limit).map_err(breach)?;
        if self.smart.work == Work::Aggregate {
            self.smart.lanes.keep(batch.topic, batch.partition, steps.made);
        }
        Ok(())
    }

    /// Calls the guest with the records from `next` on, as many as it can be given at once. Returns the first of those that
    /// are left.
    fn pass(
        &mut self,
        columns: &Columns<'_, '_>,
        next: usize,
        outputs: &mut Outputs,
        steps: &mut Steps,
        budget: &mut Budget,
    ) -> Result<usize, Fault> {
        let (inputs, mut end) = columns.run(next, self.smart.work);
        let mut run = Run { inputs, refused: None };
        let mut given = Vec::new();
        let mut made = Vec::new();
        if let Some(&first) = run.inputs.first() {
            self.write(columns, &run, first, &steps.last);
            let function = self.function.clone();
            let code = self.call(&function, Call::Batch(columns.batch.len()))?;
            if code < 0 {
                return Err(Fault::new(Class::Trap, failed(self.smart.function, code)));
            }
            given = mem::take(&mut self.live.store.data_mut().given);
            made = trace(&given, columns, &mut run, self.smart.work, outputs, budget).map_err(breach)?;
        }
        if let Some(refused) = run.refused {
            end = refused + 1;
        }
        // what has no value is carried round the module
        let tombstones = (next..end).filter(|&index| columns.values[index].is_none()).map(|index| (index, None));
        let mut all: Vec<(usize, Option<Gave<'_>>)> =
            made.into_iter().map(|(index, gave)| (index, Some(gave))).chain(tombstones).collect();
        all.sort_by_key(|(index, _)| *index);
        for (index, gave) in all {
            outputs.origins.push(index as u32);
            if self.smart.work == Work::Filter {
                continue;
            }
            let (key, value) = gave.map_or((columns.keys[index], None), |gave| (gave.key, Some(gave.value)));
            outputs.keys.push(key);
            outputs.values.push(value);
            if let (Work::Aggregate, Some(value)) = (self.smart.work, value) {
                steps.push(index, value);
            }
        }
        self.live.store.data_mut().given = given;
        Ok(end)
    }

    fn write(&mut self, columns: &Columns<'_, '_>, run: &Run, first: usize, accumulator: &[u8]) {
        let Batch { offsets, timestamps, .. } = columns.batch;
        let (offset, time) = (offsets[first], timestamps[first]);
        let records = run.inputs.iter().map(|&index| Given {
            offset_delta: offsets[index] - offset,
            time_delta: timestamps[index].wrapping_sub(time),
            key: columns.keys[index],
            value: columns.values[index].unwrap_or_default(),
        });
        let accumulator = (self.smart.work == Work::Aggregate).then_some(accumulator);
        wire::input(&mut self.input, offset, time, records, accumulator);
    }
}

/// A batch with its keys and values at hand.
struct Columns<'c, 'a> {
    keys: &'c [Bytes<'a>],
    values: &'c [Bytes<'a>],
    batch: &'c Batch<'a>,
}

impl Columns<'_, '_> {
    /// The records from `next` on that can be given at once, and the index behind them. An output is known by the offset
    /// that it has, so no two may have the same; and Fluvio writes only 32 bits of what it counts from the first.
    fn run(&self, next: usize, work: Work) -> (Vec<usize>, usize) {
        let Batch { offsets, timestamps, .. } = self.batch;
        let most = if work == Work::ArrayMap { 1 } else { usize::MAX };
        let mut inputs: Vec<usize> = Vec::new();
        let small = |from: i64, to: i64| to.checked_sub(from).is_some_and(|delta| i32::try_from(delta).is_ok());
        for index in next..self.values.len() {
            if self.values[index].is_none() {
                continue;
            }
            let fits = inputs.first().zip(inputs.last()).is_none_or(|(&first, &last)| {
                let near = small(offsets[first], offsets[index]) && small(timestamps[first], timestamps[index]);
                near && offsets[index] > offsets[last]
            });
            if !fits || inputs.len() == most {
                return (inputs, index);
            }
            inputs.push(index);
        }
        (inputs, self.values.len())
    }
}

/// Accumulators as they were after each record of a batch.
#[derive(Default)]
struct Steps {
    places: Vec<Place>,
    last: Vec<u8>,
    made: Vec<(Place, Vec<u8>)>,
}

impl Steps {
    fn push(&mut self, index: usize, accumulator: &[u8]) {
        self.last = accumulator.to_vec();
        self.made.push((self.places[index], self.last.clone()));
    }
}

/// Where each record of a batch is in its partition.
fn places(batch: &Batch<'_>) -> Vec<Place> {
    let mut next = (batch.offsets.first().copied().unwrap_or_default(), batch.siblings_before);
    let place = |offset: &i64| {
        let place = if *offset == next.0 { next } else { (*offset, 0) };
        next = (place.0, place.1 + 1);
        place
    };
    batch.offsets.iter().map(place).collect()
}

/// Traces what a call gave to the records that it was given, and notes a refusal.
fn trace<'g>(
    given: &'g [u8],
    columns: &Columns<'_, '_>,
    run: &mut Run,
    work: Work,
    outputs: &mut Outputs,
    budget: &mut Budget,
) -> Result<Vec<(usize, Gave<'g>)>, String> {
    let output = wire::output(given)?;
    let offsets = &columns.batch.offsets;
    let base = offsets[run.inputs[0]];
    let total = outputs.origins.len().saturating_add(output.records.len());
    budget.outputs(u32::try_from(total).unwrap_or(u32::MAX))?;
    let mut made = Vec::with_capacity(output.records.len());
    let mut inputs = run.inputs.iter().copied();
    for gave in output.records {
        budget.spend("records", gave.value.len() + gave.key.map_or(0, <[u8]>::len))?;
        let origin = match work {
            Work::ArrayMap => Some(run.inputs[0]),
            Work::Aggregate => inputs.next(),
            // the offset is the guest's word, from 64 bits that it may have cut to 32
            _ => inputs.find(|&index| offsets[index] - base == gave.offset_delta),
        };
        let stray = || {
            format!(
                "a record with the offset {} more than the first's, which none of its inputs has left",
                gave.offset_delta
            )
        };
        made.push((origin.ok_or_else(stray)?, gave));
    }
    match output.error {
        Some(error) => {
            let refused = run.inputs.iter().copied().find(|&index| offsets[index] == error.offset);
            let done = made.last().is_none_or(|(last, _)| refused > Some(*last) || work == Work::ArrayMap);
            let Some(refused) = refused.filter(|_| done) else {
                return Err(format!(
                    "an error for offset {}, which is none of its inputs' still to come",
                    error.offset
                ));
            };
            let message = words(error.hint);
            outputs.rejects.push(Reject { origin: refused as u32, code: USER_ERROR.to_owned(), message });
            run.refused = Some(refused);
        }
        None if work == Work::Aggregate && made.len() < run.inputs.len() => {
            return Err(format!("{} records of {} inputs: aggregate gives one for each", made.len(), run.inputs.len()));
        }
        None => {}
    }
    Ok(made)
}

/// An author's error in one line: Fluvio gives it as Rust prints it for programmers.
fn words(hint: &[u8]) -> String {
    text(hint).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a function says with a negative number.
pub(super) fn failed(function: &str, code: i32) -> String {
    let why = match code {
        -10 | -11 => "it cannot read its input, or write what came of it",
        -22 | -77 => "it cannot read its records",
        -33 | -88 => "it cannot write its outputs",
        -66 => "it cannot read its input",
        -44 => "it cannot read its parameters",
        -55 => "it cannot join, which Fluvio has no more",
        _ => "no more is known",
    };
    format!("{function} gave the error {code}: {why}")
}

impl Transform for Instance {
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.spent {
            return Err(Fault::new(Class::Trap, "the instance has failed before"));
        }
        self.renew().inspect_err(|_| self.spent = true)?;
        self.run(batch, outputs)
    }

    fn memory(&self) -> usize {
        self.live.store.data().guest.limiter.used()
    }

    fn starved(&self) -> bool {
        self.live.store.data().guest.limiter.starved()
    }
}

/// Finds an instance's functions once.
fn functions(live: &mut Live, name: &str) -> wasmtime::Result<(TypedFunc<u32, u32>, Function)> {
    let Live { store, instance, .. } = live;
    Ok((instance.get_typed_func(&mut *store, "alloc")?, instance.get_typed_func(&mut *store, name)?))
}
