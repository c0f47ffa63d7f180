//! What Redpanda's transforms import: `read_batch_header`, in which they wait, and the functions that read and write records.

use super::desk::Desk;
use super::payload::{self, Malformed, Reader};
use super::{ABI, Declared, MODULE};
use crate::outputs::Outputs;
use crate::wasm::guest::Breach;
use crate::wasm::plain::{self, State, memory, outside, piece};
use std::future::poll_fn;
use std::task::Poll;
use wasmtime::{Caller, Linker};

/// What calls answer that come to nothing.
const NO_BATCH: i32 = -1;
const TOO_SMALL: i32 = -2;
const MALFORMED: i32 = -2;
const NOT_DECLARED: i32 = -3;

/// The key of the one option that there is: the topic.
const TOPIC: u8 = 1;

/// Where `read_batch_header` is to write, in its order.
type Header = (u32, u32, u32, u32, u32, u32, u32, u32, u32, u32);

/// Puts them into a linker.
///
/// # Errors
/// The engine's own.
// Promise: closed
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in ABI {
        linker.func_wrap(MODULE, &format!("check_abi_version_{version}"), || {})?;
    }
    linker.func_wrap_async(MODULE, "read_batch_header", |mut caller: Caller<'_, State>, header: Header| {
        Box::new(async move {
            wait(&mut caller).await?;
            start(&mut caller, header)
        })
    })?;
    linker.func_wrap(
        MODULE,
        "read_next_record",
        |mut caller: Caller<'_, State>, attributes: u32, timestamp: u32, offset: u32, at: u32, size: u32| {
            read(&mut caller, [attributes, timestamp, offset], at, size)
        },
    )?;
    linker.func_wrap(MODULE, "write_record", |mut caller: Caller<'_, State>, at: u32, size: u32| {
        write(&mut caller, (at, size), None)
    })?;
    linker.func_wrap(
        MODULE,
        "write_record_with_options",
        |mut caller: Caller<'_, State>, at: u32, size: u32, options: u32, length: u32| {
            write(&mut caller, (at, size), Some((options, length)))
        },
    )?;
    Ok(())
}

pub(super) fn desk(state: &mut State) -> wasmtime::Result<&mut Desk> {
    Ok(state.desk.as_deref_mut().ok_or_else(|| Breach("a function of Redpanda's in another module".to_owned()))?)
}

/// Hands over the batch before, and waits for the next.
async fn wait(caller: &mut Caller<'_, State>) -> wasmtime::Result<()> {
    let state = caller.data_mut();
    let used = state.guest.limiter.used();
    let desk = desk(state)?;
    if let Some(work) = desk.work.as_ref().filter(|work| work.given < work.records.len()) {
        let (given, count) = (work.given, work.records.len());
        let message = format!("read_batch_header: another batch is asked for after {given} of {count} records");
        return Err(Breach(message).into());
    }
    desk.finish(used);
    let call = poll_fn(|_| {
        let call = caller.data_mut().desk.as_deref_mut().and_then(Desk::take);
        call.map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    // the engine is not told: it looks at the end of the call within a tick or two
    plain::resume(caller.data_mut(), call);
    Ok(())
}

/// Tells a guest of the batch that it has waited for.
fn start(caller: &mut Caller<'_, State>, header: Header) -> wasmtime::Result<i32> {
    let (memory, state) = memory(caller)?;
    let work = desk(state)?.work.as_ref().ok_or_else(|| Breach("read_batch_header: no batch".to_owned()))?;
    let (count, largest) = (work.records.len(), work.records.largest());
    let (Some(first), Some(last)) = (work.records.get(0), work.records.get(count - 1)) else { return Ok(NO_BATCH) };
    let (base, time) = (first.offset, first.timestamp);
    let latest = work.records.latest();
    let delta = i32::try_from(last.offset - base).unwrap_or(i32::MAX);
    state.wasi.clock.at(time);
    let fields: [(u32, &[u8]); 10] = [
        (header.0, &base.to_le_bytes()),
        (header.1, &(count as i32).to_le_bytes()),
        (header.2, &(-1i32).to_le_bytes()),
        (header.3, &0i16.to_le_bytes()),
        (header.4, &delta.to_le_bytes()),
        (header.5, &time.to_le_bytes()),
        (header.6, &latest.to_le_bytes()),
        // the producer is not known here: its id, epoch and first sequence
        (header.7, &(-1i64).to_le_bytes()),
        (header.8, &(-1i16).to_le_bytes()),
        (header.9, &(-1i32).to_le_bytes()),
    ];
    for (at, bytes) in fields {
        put(memory, "read_batch_header", at, bytes)?;
    }
    Ok(largest as i32)
}

fn read(caller: &mut Caller<'_, State>, fields: [u32; 3], at: u32, size: u32) -> wasmtime::Result<i32> {
    const NAME: &str = "read_next_record";
    let (memory, state) = memory(caller)?;
    let Some(work) = desk(state)?.work.as_mut() else { return Ok(NO_BATCH) };
    let Some(record) = work.records.get(work.given) else { return Ok(NO_BATCH) };
    if record.payload.len() > size as usize {
        return Ok(TOO_SMALL);
    }
    let [attributes, timestamp, offset] = fields;
    put(memory, NAME, attributes, &[0])?;
    put(memory, NAME, timestamp, &record.timestamp.to_le_bytes())?;
    put(memory, NAME, offset, &record.offset.to_le_bytes())?;
    put(memory, NAME, at, record.payload)?;
    let (length, time) = (record.payload.len(), record.timestamp);
    work.given += 1;
    desk(state)?.registry.trouble = None;
    state.wasi.clock.at(time);
    Ok(length as i32)
}

/// Keeps what a guest writes. It belongs to the record that the guest was given last.
fn write(caller: &mut Caller<'_, State>, record: (u32, u32), options: Option<(u32, u32)>) -> wasmtime::Result<i32> {
    let (at, size) = record;
    let (memory, state) = memory(caller)?;
    let desk = desk(state)?;
    let Some(work) = desk.work.as_mut() else { return Ok(NO_BATCH) };
    let bytes = piece(memory, at, size).ok_or_else(|| outside("write_record", at, size))?;
    let mut route = 0;
    if let Some((at, size)) = options {
        const NAME: &str = "write_record_with_options";
        let options = piece(memory, at, size).ok_or_else(|| outside(NAME, at, size))?;
        route = match topic(options, &desk.topics)? {
            Ok(route) => route,
            Err(answer) => return Ok(answer),
        };
    }
    work.budget.spend("write_record", bytes.len()).map_err(Breach)?;
    let count = u32::try_from(work.outputs.origins.len() + 1).unwrap_or(u32::MAX);
    work.budget.outputs(count).map_err(Breach)?;
    if payload::take(bytes, &mut work.outputs) == Err(Malformed) {
        return Ok(MALFORMED);
    }
    let origin = work.given.saturating_sub(1) as u32;
    work.outputs.origins.push(origin);
    send(&mut work.outputs, desk.topics.routes[route], &desk.topics);
    Ok(size as i32)
}

/// Notes where the last output goes.
fn send(outputs: &mut Outputs, route: u16, topics: &Declared) {
    if route == 0 && outputs.routes.is_empty() {
        return;
    }
    if outputs.route_names.is_empty() {
        outputs.route_names.clone_from(&topics.route_names);
    }
    outputs.routes.resize(outputs.origins.len() - 1, 0);
    outputs.routes.push(route);
}

/// Which of the declared topics a guest names; the first where it names none. An answer for what it may not.
fn topic(options: &[u8], topics: &Declared) -> wasmtime::Result<Result<usize, i32>> {
    let mut name = None;
    let mut reader = Reader(options);
    while let Some((key, rest)) = reader.0.split_first() {
        if *key != TOPIC || name.is_some() {
            return Ok(Err(MALFORMED));
        }
        reader = Reader(rest);
        let Ok(length) = reader.number() else { return Ok(Err(MALFORMED)) };
        let Ok(length) = usize::try_from(length) else { return Ok(Err(MALFORMED)) };
        // as Redpanda does: such a length ends the guest
        let (topic, rest) = reader.0.split_at_checked(length).ok_or_else(|| {
            Breach(format!("write_record_with_options: a topic's name of {length} bytes is longer than the options"))
        })?;
        name = Some(topic);
        reader = Reader(rest);
    }
    let Some(name) = name else { return Ok(Ok(0)) };
    let found = topics.names.iter().position(|topic| topic.as_bytes() == name);
    Ok(found.ok_or(NOT_DECLARED))
}

pub(super) fn put(memory: &mut [u8], import: &str, at: u32, bytes: &[u8]) -> Result<(), Breach> {
    let end = (at as usize).checked_add(bytes.len());
    let space = end.and_then(|end| memory.get_mut(at as usize..end));
    space.ok_or_else(|| outside(import, at, bytes.len() as u32))?.copy_from_slice(bytes);
    Ok(())
}
