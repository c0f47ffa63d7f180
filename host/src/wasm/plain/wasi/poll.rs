//! Waiting: for a clock, which is all there is to wait for. It ends with the time of the call, as everything does.

use super::{Answer, Errno, MODULE, State, View, answer};
use std::time::{Duration, Instant};
use wasmtime::{Caller, Linker, Trap};

/// What may be waited for at once.
const SUBSCRIPTIONS: u32 = 256;

/// Bytes of a subscription, and of the event that comes of it.
const SUBSCRIPTION: u32 = 48;
const EVENT: u32 = 32;

/// What a subscription is for.
enum For {
    /// The clock, in so long.
    Clock(Duration),
    /// A descriptor, of which those there are can always be read or written.
    Descriptor(u8, u32),
}

struct Subscription {
    /// The guest's own number.
    user: [u8; 8],
    on: Result<For, Errno>,
}

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        MODULE,
        "poll_oneoff",
        |mut caller: Caller<'_, State>, subscriptions: u32, events: u32, count: u32, at: u32| {
            poll(&mut View::new(&mut caller)?, subscriptions, events, count, at).map(|errno| errno as i32)
        },
    )?;
    Ok(())
}

fn poll(view: &mut View<'_>, table: u32, events: u32, count: u32, at: u32) -> Answer {
    if count == 0 || count > SUBSCRIPTIONS {
        return Ok(Errno::Inval);
    }
    let read = (0..count).map(|index| subscription(view, table.checked_add(index * SUBSCRIPTION).ok_or(Errno::Fault)?));
    let subscriptions = match read.collect::<Result<Vec<_>, _>>() {
        Ok(subscriptions) => subscriptions,
        Err(errno) => return Ok(errno),
    };
    let until = |subscription: &Subscription| match &subscription.on {
        Ok(For::Clock(left)) => *left,
        _ => Duration::ZERO,
    };
    let shortest = subscriptions.iter().map(until).min().unwrap_or_default();
    if !view.state.wasi.clock.skip(shortest) {
        wait(shortest, view.state.until)?;
    }
    let mut happened = 0;
    for subscription in subscriptions.iter().filter(|subscription| until(subscription) <= shortest) {
        let mut event = [0; EVENT as usize];
        event[..8].copy_from_slice(&subscription.user);
        match &subscription.on {
            Ok(For::Clock(_)) => {}
            Ok(For::Descriptor(tag, fd)) => {
                event[10] = *tag;
                let left = if *fd == 0 { view.state.wasi.input.len() - view.state.wasi.read } else { 1 };
                event[16..24].copy_from_slice(&(left as u64).to_le_bytes());
            }
            Err(errno) => event[8] = *errno as u8,
        }
        if let Err(errno) = view.put(events.saturating_add(happened * EVENT), &event) {
            return Ok(errno);
        }
        happened += 1;
    }
    Ok(answer(view.put(at, &happened.to_le_bytes())))
}

fn subscription(view: &mut View<'_>, at: u32) -> Result<Subscription, Errno> {
    let bytes: [u8; SUBSCRIPTION as usize] = view.slice(at, SUBSCRIPTION)?.try_into().map_err(|_| Errno::Fault)?;
    let mut user = [0; 8];
    user.copy_from_slice(&bytes[..8]);
    let which = view.number(at + 16)?;
    let on = match bytes[8] {
        0 => {
            let timeout = view.long(at + 24)?;
            let absolute = bytes[40] & 1 == 1;
            view.state.wasi.clock.now(which).ok_or(Errno::Inval).map(|now| {
                For::Clock(Duration::from_nanos(if absolute { timeout.saturating_sub(now) } else { timeout }))
            })
        }
        tag @ 1..=2 if which <= 2 => Ok(For::Descriptor(tag, which)),
        1..=2 => Err(Errno::Badf),
        _ => Err(Errno::Inval),
    };
    Ok(Subscription { user, on })
}

// Promise: bounds
#[expect(
    clippy::disallowed_methods,
    reason = "the guest asked to sleep, and there is nothing else that it could wait for"
)]
fn wait(time: Duration, until: Option<Instant>) -> wasmtime::Result<()> {
    let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
    std::thread::sleep(time.min(left));
    if time > left { Err(Trap::Interrupt.into()) } else { Ok(()) }
}
