//! Strings and numbers, by position: what the scanner and the shapes have in common.
//!
//! The common cases stand before any loop: a host that bounds a guest's time checks it in every round of one.

use super::{Error, Scanner, text};
use crate::block;

/// Checks the string whose first byte is at `start`, behind the quote; returns where its closing quote is, and whether
/// it has escapes.
#[inline]
pub(super) fn string(input: &[u8], start: usize) -> Result<(usize, bool), Error> {
    let mut at = start;
    let mut stops = 0;
    if let Some(bytes) = block::at(input, at) {
        stops = block::stops(bytes);
        if stops == 0
            && let Some(bytes) = block::at(input, at + block::SIZE)
        {
            at += block::SIZE;
            stops = block::stops(bytes);
        }
    } else if let Some(bytes) = input.last_chunk() {
        // The last string of an input: its last block, without the bytes before the string.
        let before = (block::SIZE + start).saturating_sub(input.len());
        stops = block::stops(bytes).unbounded_shr(before as u32);
    }
    if stops != 0 {
        at += stops.trailing_zeros() as usize;
        if input[at] == b'"' {
            return Ok((at, false));
        }
    }
    text::rest(input, start, at)
}

/// Checks the number that begins at `at`; returns where it ends.
#[inline]
pub(super) fn number(input: &[u8], at: usize) -> Result<usize, Error> {
    match plain_number(input, at) {
        Some((len, _)) => Ok(at + len),
        None => long_number(input, at),
    }
}

/// The length of the number that begins at `at`, and how many digits it has behind the point. `None` says only that it is
/// not short and plain: it has an exponent, is longer than 15 bytes, stands in the last 16 of the input, or is no number.
#[inline]
pub fn plain_number(input: &[u8], at: usize) -> Option<(usize, usize)> {
    let block = block::at(input, at)?;
    let others = block::others(block) | 1 << block::SIZE;
    let sign = usize::from(block[0] == b'-');
    let whole = (others >> sign).trailing_zeros() as usize;
    let end = sign + whole;
    if whole == 0 || (whole > 1 && block[sign] == b'0') {
        return None;
    }
    match block.get(end)? {
        b'e' | b'E' => None,
        b'.' => {
            let part = (others >> (end + 1)).trailing_zeros() as usize;
            let end = end + 1 + part;
            if part == 0 || matches!(block.get(end)?, b'e' | b'E') { None } else { Some((end, part)) }
        }
        _ => Some((end, 0)),
    }
}

#[inline(never)]
fn long_number(input: &[u8], mut at: usize) -> Result<usize, Error> {
    let byte = |at: usize| input.get(at).copied().unwrap_or(0);
    if byte(at) == b'-' {
        at += 1;
    }
    if byte(at) == b'0' {
        at += 1;
    } else {
        at = digits(input, at)?;
    }
    if byte(at) == b'.' {
        at = digits(input, at + 1)?;
    }
    if matches!(byte(at), b'e' | b'E') {
        at += 1;
        if matches!(byte(at), b'+' | b'-') {
            at += 1;
        }
        at = digits(input, at)?;
    }
    Ok(at)
}

#[inline]
fn digits(input: &[u8], start: usize) -> Result<usize, Error> {
    let mut at = start;
    while at < input.len() && input[at].is_ascii_digit() {
        at += 1;
    }
    if at == start {
        return Err(Error { what: "expected a digit", at });
    }
    Ok(at)
}

/// Where the value that begins at `at` ends, in `depth` objects and arrays; `None` where there is no value right there.
#[inline(never)]
pub(super) fn value(input: &[u8], at: usize, depth: u32) -> Option<usize> {
    match input.get(at)? {
        b'"' => Some(string(input, at + 1).ok()?.0 + 1),
        b'-' | b'0'..=b'9' => number(input, at).ok(),
        b'n' if input[at..].first_chunk() == Some(b"null") => Some(at + 4),
        b't' | b'f' | b'[' | b'{' => other(input, at, depth),
        _ => None,
    }
}

#[inline(never)]
fn other(input: &[u8], at: usize, depth: u32) -> Option<usize> {
    let mut scanner = Scanner { input, at, depth, fresh: false };
    Some(scanner.skip().ok()?.end)
}
