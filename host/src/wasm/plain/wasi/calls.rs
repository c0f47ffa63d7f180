//! The functions of preview 1 that answer at once.

use super::{Answer, Errno, MODULE, State, View, answer};
use crate::wasm::guest::Breach;
use crate::wasm::limits::bytes;
use wasmtime::{Caller, Linker};
use wasmtime_wasi::I32Exit;

/// Bytes of random that a guest may ask for at once, and those that one call reads or writes: it asks again for the rest.
const ONCE: usize = 1 << 20;

/// Pieces that one call may read or write: as `IOV_MAX` says.
const PIECES: u32 = 1024;

type Guest<'a> = Caller<'a, State>;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    texts(linker)?;
    descriptors(linker)?;
    linker.func_wrap(MODULE, "clock_res_get", |mut caller: Guest<'_>, id: u32, at: u32| {
        let mut view = View::new(&mut caller)?;
        let resolution = view.state.wasi.clock.resolution(id);
        Ok(resolution.map_or(Errno::Inval, |resolution| answer(view.put(at, &resolution.to_le_bytes()))) as i32)
    })?;
    linker.func_wrap(MODULE, "clock_time_get", |mut caller: Guest<'_>, id: u32, _precision: u64, at: u32| {
        let mut view = View::new(&mut caller)?;
        let now = view.state.wasi.clock.now(id);
        Ok(now.map_or(Errno::Inval, |now| answer(view.put(at, &now.to_le_bytes()))) as i32)
    })?;
    linker.func_wrap(MODULE, "random_get", |mut caller: Guest<'_>, at: u32, size: u32| {
        random(&mut View::new(&mut caller)?, at, size).map(|errno| errno as i32)
    })?;
    linker.func_wrap(MODULE, "sched_yield", || Errno::Success as i32)?;
    linker.func_wrap(MODULE, "proc_raise", |_signal: u32| Errno::Nosys as i32)?;
    linker.func_wrap(MODULE, "sock_shutdown", |_fd: u32, _how: u32| Errno::Badf as i32)?;
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> wasmtime::Result<()> { Err(I32Exit(code).into()) })?;
    Ok(())
}

fn random(view: &mut View<'_>, at: u32, size: u32) -> Answer {
    if size as usize > ONCE {
        return Ok(Errno::Inval);
    }
    match view.slice(at, size) {
        Ok(slice) => getrandom::fill(slice).map_err(wasmtime::Error::new)?,
        Err(errno) => return Ok(errno),
    }
    Ok(Errno::Success)
}

/// Arguments and environment: a table of addresses, and the texts that they are of.
fn texts(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Texts = fn(&State) -> &Vec<Vec<u8>>;
    let kinds: [(&str, &str, Texts); 2] = [
        ("args_get", "args_sizes_get", |state| &state.wasi.arguments),
        ("environ_get", "environ_sizes_get", |state| &state.wasi.environment),
    ];
    for (get, sizes, texts) in kinds {
        linker.func_wrap(MODULE, get, move |mut caller: Guest<'_>, table: u32, at: u32| {
            let mut view = View::new(&mut caller)?;
            let texts = texts(view.state).clone();
            let put = (|| {
                let (mut slot, mut at) = (table, at);
                for text in texts {
                    view.put(slot, &at.to_le_bytes())?;
                    view.put(at, &text)?;
                    slot = slot.checked_add(4).ok_or(Errno::Fault)?;
                    at = at.checked_add(text.len() as u32).ok_or(Errno::Fault)?;
                }
                Ok(())
            })();
            Ok(answer(put) as i32)
        })?;
        linker.func_wrap(MODULE, sizes, move |mut caller: Guest<'_>, count_at: u32, size_at: u32| {
            let mut view = View::new(&mut caller)?;
            let texts = texts(view.state);
            let (count, size) = (texts.len() as u32, texts.iter().map(Vec::len).sum::<usize>() as u32);
            let put = view.put(count_at, &count.to_le_bytes()).and_then(|()| view.put(size_at, &size.to_le_bytes()));
            Ok(answer(put) as i32)
        })?;
    }
    Ok(())
}

/// Standard input, output and error: all the descriptors that there are.
fn descriptors(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_write", |mut caller: Guest<'_>, fd: u32, pieces: u32, count: u32, at: u32| {
        write(&mut View::new(&mut caller)?, fd, pieces, count, at).map(|errno| errno as i32)
    })?;
    linker.func_wrap(MODULE, "fd_read", |mut caller: Guest<'_>, fd: u32, pieces: u32, count: u32, at: u32| {
        Ok(answer(read(&mut View::new(&mut caller)?, fd, pieces, count, at)) as i32)
    })?;
    linker.func_wrap(MODULE, "fd_close", |fd: u32| standard(fd, Errno::Success))?;
    linker.func_wrap(MODULE, "fd_fdstat_set_flags", |fd: u32, _flags: u32| standard(fd, Errno::Success))?;
    linker.func_wrap(MODULE, "fd_seek", |fd: u32, _offset: i64, _whence: u32, _at: u32| standard(fd, Errno::Spipe))?;
    linker.func_wrap(MODULE, "fd_tell", |fd: u32, _at: u32| standard(fd, Errno::Spipe))?;
    // of no known type: a terminal would make programs write each line by itself
    linker.func_wrap(MODULE, "fd_fdstat_get", |mut caller: Guest<'_>, fd: u32, at: u32| {
        let rights: u64 = if fd == 0 { 1 << 1 } else { 1 << 6 };
        let mut stat = [0; 24];
        stat[8..16].copy_from_slice(&rights.to_le_bytes());
        let put = View::new(&mut caller)?.put(at, &stat);
        Ok(standard(fd, answer(put)))
    })?;
    linker.func_wrap(MODULE, "fd_filestat_get", |mut caller: Guest<'_>, fd: u32, at: u32| {
        let put = View::new(&mut caller)?.put(at, &[0; 64]);
        Ok(standard(fd, answer(put)))
    })?;
    Ok(())
}

/// The answer for one of the three, and that there are no others.
fn standard(fd: u32, errno: Errno) -> i32 {
    if fd > 2 { Errno::Badf as i32 } else { errno as i32 }
}

/// Where the pieces of a read or a write are, of a megabyte at the most: less than was asked for is no error.
fn pieces(view: &mut View<'_>, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Errno> {
    if count > PIECES {
        return Err(Errno::Inval);
    }
    let mut left = ONCE as u32;
    let mut pieces = Vec::with_capacity(count as usize);
    for piece in 0..count {
        let table = piece.checked_mul(8).and_then(|offset| at.checked_add(offset)).ok_or(Errno::Fault)?;
        let (start, size) = (view.number(table)?, view.number(table.checked_add(4).ok_or(Errno::Fault)?)?);
        let size = size.min(left);
        view.slice(start, size)?;
        left -= size;
        pieces.push((start, size));
    }
    Ok(pieces)
}

// Promise: bounds
fn write(view: &mut View<'_>, fd: u32, table: u32, count: u32, at: u32) -> Answer {
    if !(1..=2).contains(&fd) {
        return Ok(Errno::Badf);
    }
    let pieces = match pieces(view, table, count) {
        Ok(pieces) => pieces,
        Err(errno) => return Ok(errno),
    };
    let mut written = 0;
    for (start, size) in pieces {
        written += size;
        let View { memory, state } = &mut *view;
        let piece = &memory[start as usize..start as usize + size as usize];
        let limit = state.guest.limiter.limit();
        let wasi = &mut state.wasi;
        match (&mut wasi.collected, fd) {
            (Some(collected), 1) if collected.len() + piece.len() > limit => {
                let message = format!("standard output: more than limits.memory, {}", bytes(limit));
                return Err(Breach(message).into());
            }
            (Some(collected), 1) => collected.extend_from_slice(piece),
            (_, 1) => wasi.output.print(piece),
            _ => wasi.errors.print(piece),
        }
    }
    Ok(answer(view.put(at, &written.to_le_bytes())))
}

fn read(view: &mut View<'_>, fd: u32, table: u32, count: u32, at: u32) -> Result<(), Errno> {
    if fd != 0 {
        return Err(Errno::Badf);
    }
    let mut total = 0;
    for (start, size) in pieces(view, table, count)? {
        let View { memory, state } = &mut *view;
        let wasi = &mut state.wasi;
        let input = &wasi.input[wasi.read..];
        let size = input.len().min(size as usize);
        memory[start as usize..start as usize + size].copy_from_slice(&input[..size]);
        wasi.read += size;
        total += size as u32;
    }
    view.put(at, &total.to_le_bytes())
}
