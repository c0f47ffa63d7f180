//! What the host knows of a live guest at either door, and how a call that went wrong becomes a fault.

use super::backtrace;
use super::journal::{Journal, Level, line};
use super::limits::{Call, Limiter, Time, bytes, ticks};
use crate::chain::Fault;
use crate::config::Limits;
use crate::policy::Class;
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write;
use std::time::Duration;
use wasmtime::{Error, Trap, UpdateDeadline, WasmBacktrace};

/// What the host knows of a live guest.
pub(super) struct Guest {
    pub(super) limiter: Limiter,
    journal: Journal,
    time: Option<Time>,
    /// When the call in progress has had its time, on the clock of its thread.
    ends: Duration,
    /// In a call whose records each have a time of their own: how many had been given when it was looked last, and when the
    /// last of them was seen first, on the same clock.
    record: Option<(usize, Duration)>,
    last_error: Option<String>,
}

/// A guest's breach of the contract, found while its outputs were read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Breach(pub(super) String);

/// A guest has made the host wait for too long, by no fault of its own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Waited(pub(super) String);

impl Guest {
    pub(super) fn new(limits: &Limits, journal: Journal) -> Self {
        Self {
            limiter: Limiter::new(limits.memory),
            journal,
            time: Time::new(limits),
            ends: Duration::MAX,
            record: None,
            last_error: None,
        }
    }

    /// Begins a call. Returns its deadline in ticks, where there is one.
    pub(super) fn begin(&mut self, call: Call) -> Option<u64> {
        self.limiter.begin();
        self.last_error = None;
        let time = self.time?;
        let now = thread_time();
        self.ends = now.saturating_add(time.allowed(call));
        self.record = matches!(call, Call::Each(2..)).then_some((0, now));
        Some(ticks(time.allowed(call)))
    }

    /// How many ticks the call may still have when its deadline has come: some, where the machine was busy with others.
    pub(super) fn more(&self) -> Option<u64> {
        let left = self.ends.saturating_sub(thread_time());
        (!left.is_zero()).then(|| ticks(left))
    }

    /// As [`Guest::more`], where `given` records of the call have been given: the last one's time begins when that is seen.
    pub(super) fn more_for_each(&mut self, given: usize) -> Option<u64> {
        let (Some(time), Some(seen)) = (self.time, &mut self.record) else { return self.more() };
        let now = thread_time();
        if seen.0 != given {
            *seen = (given, now);
        }
        let ends = self.ends.min(seen.1.saturating_add(time.allowed(Call::Each(1))));
        let left = ends.saturating_sub(now);
        (!left.is_zero()).then(|| ticks(left))
    }

    /// The time for a call, where there is a limit.
    pub(super) fn allowed(&self, call: Call) -> Option<Duration> {
        self.time.map(|time| time.allowed(call))
    }

    /// Says what the guest printed, for the case that it has logged no error.
    pub(super) fn explain(&mut self, printed: Option<String>) {
        if self.last_error.is_none() {
            self.last_error = printed;
        }
    }

    /// The guest logs.
    pub(super) fn log(&mut self, level: Level, message: &[u8]) {
        let message = line(message);
        self.journal.write(level, &message);
        if level == Level::Error {
            self.last_error = Some(message);
        }
    }

    /// What went wrong in a call.
    pub(super) fn fault(&mut self, error: &Error, call: Call) -> Fault {
        let trap = error.downcast_ref::<Trap>().copied();
        if trap == Some(Trap::Interrupt) {
            // of many that are given one by one, it is mostly the last that has had its time
            let call = if self.record.is_some() && thread_time() < self.ends { Call::Each(1) } else { call };
            let allowed = self.time.map_or(Duration::ZERO, |time| time.allowed(call));
            let message = match call {
                Call::Start => format!("starting took longer than {allowed:?}"),
                Call::Batch(0 | 1) | Call::Each(0 | 1) => format!("took longer than {allowed:?}"),
                Call::Batch(records) | Call::Each(records) => {
                    format!("a call with {records} records took longer than {allowed:?}")
                }
            };
            return Fault {
                backtrace: error.downcast_ref().and_then(backtrace::all),
                ..Fault::new(Class::Timeout, message)
            };
        }
        if let Some(waited) = error.downcast_ref::<Waited>() {
            return Fault::new(Class::Timeout, waited.0.clone());
        }
        if let Some(breach) = error.downcast_ref::<Breach>() {
            return Fault::new(Class::Output, breach.0.clone());
        }
        let exit = error.downcast_ref::<wasmtime_wasi::I32Exit>();
        let mut message = match (trap, exit) {
            (Some(trap), _) => words(trap).to_owned(),
            (None, Some(exit)) => format!("the guest ended itself with exit code {}", exit.0),
            (None, None) => error.root_cause().to_string(),
        };
        if let Some(last) = self.last_error.take() {
            let _ = write!(message, ": {last}");
        }
        if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
            backtrace::describe(backtrace, &mut message);
        }
        let backtrace = error.downcast_ref().and_then(backtrace::all);
        if let Some(refusal) = self.limiter.refusal() {
            return Fault { backtrace, ..Fault::new(Class::Memory, format!("{refusal}; then {message}")) };
        }
        // what fails with no guest's frame on the stack is reading what it gave back
        let outside = trap.is_none() && exit.is_none() && !error.is::<WasmBacktrace>();
        let class = if outside { Class::Output } else { Class::Trap };
        Fault { backtrace, ..Fault::new(class, message) }
    }

    /// A fault for an input that does not fit into the guest.
    pub(super) fn too_large(&self, size: u64) -> Fault {
        let message = format!(
            "no memory for {} of input, limits.memory is {}",
            bytes(usize::try_from(size).unwrap_or(usize::MAX)),
            bytes(self.limiter.limit())
        );
        Fault::new(Class::Memory, message)
    }
}

/// The time that this thread has run. A guest is charged for what it used, not for what others did meanwhile: on a busy
/// machine an honest call would be cut otherwise, and replayed, which makes the machine busier.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// What the engine does at a deadline, given the ticks that are still to come.
pub(super) fn extension(more: Option<u64>) -> UpdateDeadline {
    more.map_or(UpdateDeadline::Interrupt, UpdateDeadline::Continue)
}

/// A breach of the contract as a fault.
pub(super) fn breach(message: impl Into<String>) -> Fault {
    Fault::new(Class::Output, message)
}

/// A trap in words.
fn words(trap: Trap) -> &'static str {
    match trap {
        Trap::StackOverflow => "trap: the stack overflowed, as endless recursion does",
        Trap::MemoryOutOfBounds => "trap: an address outside of the memory",
        Trap::HeapMisaligned => "trap: a misaligned atomic access",
        Trap::TableOutOfBounds => "trap: an index outside of a table",
        Trap::IndirectCallToNull => "trap: a call through an empty table entry",
        Trap::BadSignature => "trap: a call through a table entry of another type",
        Trap::IntegerOverflow => "trap: integer overflow",
        Trap::IntegerDivisionByZero => "trap: integer division by zero",
        Trap::BadConversionToInteger => "trap: a float that is no integer",
        Trap::UnreachableCodeReached => "trap: unreachable code was reached, as a panic or an abort does",
        _ => "trap",
    }
}
