//! Decodes one LZ4 block: bounded, and by blocks of sixteen bytes, which is what Wasm copies fastest.
//!
//! The format is <https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>.

use crate::frame::Damage;

/// How much is copied at once.
const WIDE: usize = 16;

/// Decodes `input` into `out` from `at` on; returns where the content ends.
///
/// Matches reach back to `low` at most, and nothing ends behind `limit`, which is within `out`. What lies behind `limit`
/// may be overwritten.
pub(crate) fn decode(input: &[u8], out: &mut [u8], mut at: usize, low: usize, limit: usize) -> Result<usize, Damage> {
    let mut from = 0;
    loop {
        let token = usize::from(*input.get(from).ok_or(Damage::Block)?);
        from += 1;

        let mut literals = token >> 4;
        if literals == 15 {
            literals += extension(input, &mut from)?;
        }
        if literals > limit - at {
            return Err(Damage::Size);
        }
        if !(literals <= WIDE && copy_blocks::<WIDE>(input, from, out, at)
            || literals <= 4 * WIDE && copy_blocks::<{ 4 * WIDE }>(input, from, out, at))
        {
            let source = input.get(from..from + literals).ok_or(Damage::Block)?;
            out[at..at + literals].copy_from_slice(source);
        }
        from += literals;
        at += literals;
        if from >= input.len() {
            return if from == input.len() { Ok(at) } else { Err(Damage::Block) };
        }

        let offset = *input[from..].first_chunk::<2>().ok_or(Damage::Block)?;
        let offset = usize::from(u16::from_le_bytes(offset));
        from += 2;
        let mut length = (token & 15) + 4;
        if length == 19 {
            length += extension(input, &mut from)?;
        }
        if offset == 0 || offset > at - low {
            return Err(Damage::Block);
        }
        if length > limit - at {
            return Err(Damage::Size);
        }
        repeat(out, at, offset, length);
        at += length;
    }
}

/// Copies N bytes; false where one of the two has not as many.
#[inline]
fn copy_blocks<const N: usize>(input: &[u8], from: usize, out: &mut [u8], at: usize) -> bool {
    let Some(source) = input.get(from..).and_then(|from| from.first_chunk::<N>()) else { return false };
    let Some(target) = out.get_mut(at..).and_then(|to| to.first_chunk_mut::<N>()) else { return false };
    for (target, source) in target.as_chunks_mut::<WIDE>().0.iter_mut().zip(source.as_chunks::<WIDE>().0) {
        *target = *source;
    }
    true
}

/// The bytes that lengthen a length: all but the last are 255.
fn extension(input: &[u8], from: &mut usize) -> Result<usize, Damage> {
    let mut length = 0;
    loop {
        let byte = *input.get(*from).ok_or(Damage::Block)?;
        *from += 1;
        length += usize::from(byte);
        if byte != 255 {
            return Ok(length);
        }
    }
}

/// Copies `length` bytes to `at` from `offset` bytes before it; the two may overlap, which repeats the bytes.
#[inline]
fn repeat(out: &mut [u8], at: usize, offset: usize, length: usize) {
    let start = at - offset;
    // The common lengths stand before the loop: a host that bounds a guest's time checks it in every round of one.
    if offset >= WIDE && copy_wide(out, start, at) {
        let mut done = WIDE;
        if length <= done || copy_wide(out, start + done, at + done) {
            done += WIDE;
            while done < length && copy_wide(out, start + done, at + done) {
                done += WIDE;
            }
        }
        if done >= length {
            return;
        }
    }
    let window = &mut out[start..at + length];
    let mut copied = offset;
    // Each copy doubles what can be copied next.
    while copied < window.len() {
        let more = copied.min(window.len() - copied);
        window.copy_within(..more, copied);
        copied += more;
    }
}

/// Copies one wide block; false where there is no room for it.
#[inline]
fn copy_wide(out: &mut [u8], from: usize, to: usize) -> bool {
    let Some(block) = out.get(from..).and_then(|from| from.first_chunk::<WIDE>()).copied() else { return false };
    let Some(target) = out.get_mut(to..).and_then(|to| to.first_chunk_mut()) else { return false };
    *target = block;
    true
}
