//! Programs that read records on standard input and write them to standard output, a line each: `docs/guests/lines.md`.
//!
//! A program is started for each batch, or for each record, and never seen again: nothing of it is kept between calls.

use super::Loading;
use super::guest::breach;
use super::lifted::{self, Budget};
use super::limits::{Call, bytes};
use super::plain::wasi::terminated;
use super::plain::{Blueprint, Live, PlainModule, Start, State, check_function, check_memory, fault};
use crate::batch::Batch;
use crate::chain::{Fault, Transform};
use crate::modules::{LoadError, Module};
use crate::outputs::{Outputs, Reject};
use crate::policy::Class;
use line::Line;
use settings::{Each, Settings};
use std::mem;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::Linker;
use wasmtime_wasi::I32Exit;

mod line;
mod settings;

/// The function that a program starts with.
pub(super) const START: &str = "_start";

/// Links a compiled program.
///
/// # Errors
/// It does not start as a program does, or imports what is not there.
pub(super) fn link(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Blueprint, LoadError> {
    check_memory(module)?;
    check_function(module, START, 0, 0)?;
    Blueprint::new(linker, module, what)
}

/// Links a compiled program, and runs it without a record to see that it starts, and ends.
///
/// # Errors
/// Which step failed, and why.
pub(super) fn load(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Arc<dyn Module>, LoadError> {
    let mut blueprint = link(linker, module, what)?;
    let Settings { arguments, environment, each } =
        Settings::read(what.config).map_err(|message| LoadError::new("configure", message))?;
    blueprint.arguments.extend(arguments.iter().map(|argument| terminated(argument)));
    blueprint.environment.extend(environment.iter().map(|(name, value)| terminated(&format!("{name}={value}"))));
    if each == Each::Batch {
        let tried = Program { blueprint: Arc::new(blueprint), each, memory: 0 };
        return tried.try_it();
    }
    PlainModule::load(blueprint, each)
}

impl Start for Each {
    fn start(&self, blueprint: &Arc<Blueprint>) -> Result<Box<dyn Transform>, LoadError> {
        Ok(Box::new(Program { blueprint: blueprint.clone(), each: *self, memory: 0 }))
    }
}

/// A program that is started again and again.
struct Program {
    blueprint: Arc<Blueprint>,
    each: Each,
    /// What it held when it ended last.
    memory: usize,
}

impl Program {
    fn try_it(mut self) -> Result<Arc<dyn Module>, LoadError> {
        let printed =
            self.run(Vec::new(), Call::Start).map_err(|fault| LoadError::new("instantiate", fault.message))?;
        if !printed.is_empty() {
            let message = "without a record it prints something: a line for each record is asked for, or \
                           `config = { each = \"record\" }`, where it is started for each and may print any number";
            return Err(LoadError::new("configure", message));
        }
        PlainModule::share(self.blueprint, self.each)
    }

    /// Starts the program with an input, and waits until it has ended well. Returns what it printed.
    // Promise: bounds
    fn run(&mut self, input: Vec<u8>, call: Call) -> Result<Vec<u8>, Fault> {
        let limit = self.blueprint.limits.memory;
        if input.len() > limit {
            let message = format!("{} of input, limits.memory is {}", bytes(input.len()), bytes(limit));
            return Err(Fault::new(Class::Memory, message));
        }
        let mut live = Live::new(&self.blueprint, call)?;
        let wasi = &mut live.store.data_mut().wasi;
        wasi.input = input;
        wasi.collected = Some(Vec::new());
        let start = live.instance.get_typed_func::<(), ()>(&mut live.store, START);
        let ended = start.and_then(|start| start.call(&mut live.store, ()));
        self.memory = live.store.data().guest.limiter.used();
        match ended {
            Err(error) if error.downcast_ref::<I32Exit>().is_none_or(|exit| exit.0 != 0) => {
                Err(fault(&mut live.store, &error, call))
            }
            _ => Ok(mem::take(&mut live.store.data_mut().wasi.collected).unwrap_or_default()),
        }
    }

    /// A line for each record, and a line of each back.
    fn batch(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let values = batch.values.each();
        let mut input = Vec::with_capacity(batch.values.size() + batch.len());
        let mut given = 0;
        for value in values.iter().flatten().filter(|value| !line::has_newline(value)) {
            line::write(value, &mut input);
            given += 1;
        }
        let printed = match given {
            0 => Vec::new(),
            _ => self.run(input, Call::Batch(batch.len()))?,
        };
        let count = line::split(&printed).count();
        if count != given {
            let message = format!(
                "{count} lines for {given} records: a line for each is asked for, or `config = {{ each = \"record\" }}`; \
                 see docs/guests/lines.md"
            );
            return Err(breach(message));
        }
        let mut lines = line::split(&printed);
        for (index, value) in values.iter().enumerate() {
            let line = match value {
                // what has no value is carried round the program
                None => Ok(Line::Value(None)),
                Some(value) if line::has_newline(value) => Ok(line::newline()),
                Some(_) => Line::read(lines.next().unwrap_or_default()),
            };
            push(outputs, index, line.map_err(breach)?);
        }
        Ok(())
    }

    /// A run for each record, and any number of lines back.
    fn record(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let call = Call::Batch(batch.len());
        let (began, mut budget) = (Instant::now(), Budget::new(self.blueprint.limits.memory, batch.len()));
        for (index, value) in batch.values.each().iter().enumerate() {
            let Some(value) = value else {
                push(outputs, index, Line::Value(None));
                continue;
            };
            let mut input = Vec::with_capacity(value.len() + 1);
            value.split(|byte| *byte == b'\n').for_each(|line| line::write(line, &mut input));
            let printed = self.run(input, call)?;
            budget.spend("standard output", printed.len()).map_err(breach)?;
            let lines = line::split(&printed).map(Line::read).collect::<Result<Vec<_>, _>>().map_err(breach)?;
            let refused = lines.iter().position(|line| matches!(line, Line::Reject { .. }));
            let last = refused.map_or(lines.len(), |at| at + 1);
            lines.into_iter().take(last).for_each(|line| push(outputs, index, line));
            // each run has a time of its own: together they may not hold the worker longer than one call for all
            if let Some(allowed) = self.blueprint.allowed(call).filter(|allowed| began.elapsed() > *allowed)
                && index + 1 < batch.len()
            {
                let message = format!("a call with {} records took longer than {allowed:?}", batch.len());
                return Err(Fault::new(Class::Timeout, message));
            }
        }
        Ok(())
    }
}

fn push(outputs: &mut Outputs, origin: usize, line: Line<'_>) {
    let origin = origin as u32;
    match line {
        Line::Value(value) => {
            outputs.origins.push(origin);
            outputs.values.push(value);
        }
        Line::Drop => {}
        Line::Reject { code, message } => outputs.rejects.push(Reject { origin, code, message }),
    }
}

impl Transform for Program {
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        outputs.keep.timestamps = true;
        outputs.keep.keys = true;
        outputs.keep.headers = true;
        let made = match self.each {
            Each::Batch => self.batch(batch, outputs),
            Each::Record => self.record(batch, outputs),
        };
        let limit = self.blueprint.limits.memory;
        let result = made.and_then(|()| lifted::check(outputs, batch, limit).map_err(breach));
        if result.is_err() {
            outputs.clear();
        }
        result
    }

    fn memory(&self) -> usize {
        self.memory
    }
}
