//! Bytes that only grow and are written often: one column's data, and the value an author writes into it.

use crate::block;
use std::{fmt, io};

/// What is copied at once.
const WIDE: usize = block::PAIR;

/// The room kept behind the last byte: two such copies.
const ROOM: usize = block::CHUNK;

/// Where an output's bytes go: appended to a column's memory, which is used again for every batch.
///
/// Everything here is relative to the item being written: `len` is its length, `truncate` shortens it.
/// The memory behind the last byte is kept initialised, so block copies need no unsafe code.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    used: usize,
    start: usize,
}

impl Buffer {
    pub(crate) const fn new() -> Buffer {
        Buffer { bytes: Vec::new(), used: 0, start: 0 }
    }

    /// The bytes of the item being written.
    #[inline]
    pub fn written(&self) -> &[u8] {
        &self.bytes[self.start..self.used]
    }

    /// The same, to be changed in place.
    #[inline]
    pub fn written_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.used]
    }

    /// Number of bytes of the item being written.
    #[inline]
    pub fn len(&self) -> usize {
        self.used - self.start
    }

    /// Whether nothing has been written of this item.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.used == self.start
    }

    /// Shortens the item to `len` bytes; does nothing where it is shorter.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.used = self.used.min(self.start + len);
    }

    /// Makes room for `more` bytes, so that the next copies need not grow the memory.
    #[inline]
    pub fn reserve(&mut self, more: usize) {
        if self.bytes.len() - self.used < more + ROOM {
            self.grow(more);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let least = self.used + more + ROOM;
        self.bytes.resize(least.max(self.bytes.len() * 2).max(4096), 0);
    }

    /// Appends a byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        self.reserve(1);
        self.bytes[self.used] = byte;
        self.used += 1;
    }

    /// Appends text.
    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.extend(text.as_bytes());
    }

    /// Appends bytes.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
    }

    /// The same for bytes that are mostly few.
    #[inline(never)]
    fn extend_short(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        copy(bytes, &mut self.bytes[self.used..self.used + bytes.len()]);
        self.used += bytes.len();
    }

    /// Appends something that was prepared for it.
    #[inline(always)]
    pub fn push_piece(&mut self, piece: &Piece) {
        match self.bytes.get_mut(self.used..).and_then(|to| to.first_chunk_mut()) {
            Some(to) if piece.long.is_none() => {
                block::copy(&piece.short, to);
                self.used += piece.len;
            }
            _ => self.extend_short(piece.bytes()),
        }
    }

    /// Appends `whole[start..end]`: faster than [`extend`](Buffer::extend) for short pieces of something longer,
    /// because whole blocks are copied where `whole` reaches far enough behind `end`.
    ///
    /// # Panics
    ///
    /// Where the range is not within `whole`.
    #[inline(always)]
    pub fn extend_from(&mut self, whole: &[u8], start: usize, end: usize) {
        let from = whole.get(start..).and_then(|from| from.first_chunk());
        let to = self.bytes.get_mut(self.used..).and_then(|to| to.first_chunk_mut());
        match (from, to) {
            (Some(from), Some(to)) if end.wrapping_sub(start) <= WIDE => {
                block::copy(from, to);
                self.used += end - start;
            }
            _ => self.extend_long(whole, start, end),
        }
    }

    #[inline(never)]
    fn extend_long(&mut self, whole: &[u8], start: usize, end: usize) {
        let from = whole.get(start..).and_then(|from| from.first_chunk());
        let to = self.bytes.get_mut(self.used..).and_then(|to| to.first_chunk_mut());
        match (from, to) {
            (Some(from), Some(to)) if end.wrapping_sub(start) <= block::CHUNK => {
                block::copy_chunk(from, to);
                self.used += end - start;
            }
            _ => self.extend_short(&whole[start..end]),
        }
    }

    /// A cursor behind the item, with room for `more` bytes and some.
    #[inline]
    pub fn cursor(&mut self, more: usize) -> Cursor<'_> {
        self.reserve(more + ROOM);
        Cursor { room: &mut self.bytes[self.used..], at: 0 }
    }

    /// `more` bytes of memory behind the item, of any content; [`advance`](Buffer::advance) makes them part of it.
    #[inline]
    pub fn spare_mut(&mut self, more: usize) -> &mut [u8] {
        self.reserve(more);
        &mut self.bytes[self.used..self.used + more]
    }

    /// The item and all memory behind it, for a decoder that copies from what it has written: an index into the
    /// slice is an index into the item. [`advance`](Buffer::advance) then makes what was written part of it.
    #[inline]
    pub fn with_spare_mut(&mut self, more: usize) -> &mut [u8] {
        self.reserve(more);
        &mut self.bytes[self.start..]
    }

    /// Takes `len` bytes of the spare memory into the item.
    ///
    /// # Panics
    ///
    /// Where less than `len` bytes were reserved.
    #[inline]
    pub fn advance(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.used, "advance beyond the reserved memory");
        self.used += len;
    }

    /// Ends the item and begins the next; returns its length.
    #[inline]
    pub(crate) fn finish(&mut self) -> usize {
        let len = self.used - self.start;
        self.start = self.used;
        len
    }

    /// Forgets all but the first `len` bytes of the column.
    pub(crate) fn rewind(&mut self, len: usize) {
        self.used = len;
        self.start = len;
    }

    /// The finished bytes of the whole column.
    pub(crate) fn all(&self) -> &[u8] {
        &self.bytes[..self.start]
    }

    /// Gives the column's bytes away and leaves memory of the same size.
    #[cfg_attr(not(target_env = "p2"), allow(dead_code))]
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.start);
        self.rewind(0);
        bytes
    }
}

/// Appends pieces to a [`Buffer`] as long as they are short and there is room, without calling anything: what a loop
/// over a record's fields wants. What it has appended counts when [`Buffer::advance`] is called with its length.
pub struct Cursor<'b> {
    room: &'b mut [u8],
    at: usize,
}

impl Cursor<'_> {
    /// Number of bytes that were appended.
    #[inline]
    pub fn len(&self) -> usize {
        self.at
    }

    /// Whether nothing was appended.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.at == 0
    }

    /// Appends something that was prepared, and `whole[start..end]` behind it. False where this is not as simple as that,
    /// because there is no room or too much to copy: then nothing was appended.
    #[inline(always)]
    pub fn push(&mut self, piece: &Piece, whole: &[u8], start: usize, end: usize) -> bool {
        let Some(room) = self.room.get_mut(self.at..).and_then(|room| room.first_chunk_mut::<{ WIDE + WIDE + WIDE }>())
        else {
            return false;
        };
        let len = end.wrapping_sub(start);
        let from = whole.get(start..);
        let Some(from) = from.filter(|from| len <= from.len() && len <= 2 * WIDE && piece.long.is_none()) else {
            return false;
        };
        if let Some(to) = room.first_chunk_mut() {
            block::copy(&piece.short, to);
        }
        let Some(to) = room.get_mut(piece.len..).and_then(|to| to.first_chunk_mut::<{ 2 * WIDE }>()) else {
            return false;
        };
        match (from.first_chunk(), to.first_chunk_mut()) {
            (Some(from), Some(to)) if len <= WIDE => block::copy(from, to),
            _ => copy_long(from, to, len),
        }
        self.at += piece.len + len;
        true
    }

    /// Appends something that was prepared; false where there is no room, or it is long.
    #[inline(always)]
    pub fn push_piece(&mut self, piece: &Piece) -> bool {
        match self.room.get_mut(self.at..).and_then(|room| room.first_chunk_mut()) {
            Some(to) if piece.long.is_none() => {
                block::copy(&piece.short, to);
                self.at += piece.len;
                true
            }
            _ => false,
        }
    }
}

/// Copies the first bytes: more than a wide copy's, or the last ones of something.
#[inline(never)]
fn copy_long(from: &[u8], to: &mut [u8; 2 * WIDE], len: usize) {
    match from.first_chunk() {
        Some(from) => block::copy_chunk(from, to),
        None => copy(&from[..len], &mut to[..len]),
    }
}

/// Copies bytes to as many others: short ones, which a Wasm engine would call the host for, as two pieces that may overlap.
#[inline]
fn copy(from: &[u8], to: &mut [u8]) {
    if !(copy_ends::<16>(from, to) || copy_ends::<8>(from, to) || copy_ends::<4>(from, to)) {
        if from.len() < 4 {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        } else {
            to.copy_from_slice(from);
        }
    }
}

/// Copies N to 2 N bytes; false where there are less or more.
#[inline]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    if from.len() > 2 * N {
        return false;
    }
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else { return false };
    if let Some(to) = to.first_chunk_mut() {
        *to = *first;
    }
    if let Some(to) = to.last_chunk_mut() {
        *to = *last;
    }
    true
}

/// Bytes to be appended again and again, such as a field's name: laid out for the fastest copy.
pub struct Piece {
    short: [u8; WIDE],
    len: usize,
    long: Option<Box<[u8]>>,
}

impl Piece {
    /// Prepares the bytes.
    pub fn new(bytes: &[u8]) -> Piece {
        let mut short = [0; WIDE];
        match short.get_mut(..bytes.len()) {
            Some(start) => start.copy_from_slice(bytes),
            None => return Piece { short, len: bytes.len(), long: Some(bytes.into()) },
        }
        Piece { short, len: bytes.len(), long: None }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.long.as_deref().unwrap_or(&self.short[..self.len.min(WIDE)])
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_appends_the_same_bytes() {
        let whole: Vec<u8> = (0..=255).cycle().take(300).collect();
        for len in 0..200 {
            for start in [0, 1, 99, 300 - len] {
                let end = start + len;
                if end > whole.len() {
                    continue;
                }
                for name in [&b""[..], b",\"name\":", &[b'n'; WIDE], &[b'n'; WIDE + 1]] {
                    let piece = Piece::new(name);
                    let wanted = [b"before", name, &whole[start..end], b"!"].concat();
                    let (mut apart, mut together) = (Buffer::default(), Buffer::default());
                    apart.extend(b"before");
                    together.extend_short(b"before");
                    apart.push_piece(&piece);
                    apart.extend_from(&whole, start, end);
                    let mut cursor = together.cursor(1);
                    let pushed = cursor.push(&piece, &whole, start, end);
                    assert_eq!(pushed, name.len() <= WIDE && len <= 2 * WIDE, "{len} bytes behind {}", name.len());
                    let written = cursor.len();
                    together.advance(written);
                    if !pushed {
                        together.push_piece(&piece);
                        together.extend_from(&whole, start, end);
                    }
                    apart.push(b'!');
                    together.push(b'!');
                    assert_eq!(apart.written(), wanted);
                    assert_eq!(together.written(), wanted);
                }
            }
        }
    }

    #[test]
    fn a_cursor_stops_where_the_memory_ends() {
        let mut buffer = Buffer::default();
        let piece = Piece::new(b"0123456789");
        let mut cursor = buffer.cursor(100);
        let mut pushed = 0;
        while cursor.push_piece(&piece) {
            pushed += 10;
        }
        let mut wide = pushed;
        assert!(!cursor.push(&piece, b"", 0, 0));
        while cursor.push(&piece, b"0123456789", 5, 3) {
            wide += 1;
        }
        assert_eq!((cursor.len(), wide), (pushed, pushed));
        buffer.advance(pushed);
        assert_eq!(buffer.len(), pushed);
    }
}
