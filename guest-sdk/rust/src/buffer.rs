//! Bytes that only grow and are written often: one column's data, and the value an author writes into it.

use crate::block;
use std::{fmt, io};

/// What is copied at once, and the room kept behind the last byte for it.
const WIDE: usize = 2 * block::SIZE;

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
        if self.bytes.len() - self.used < more + WIDE {
            self.grow(more);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) {
        let least = self.used + more + WIDE;
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

    /// Appends something that was prepared for it.
    #[inline]
    pub fn push_piece(&mut self, piece: &Piece) {
        match self.bytes.get_mut(self.used..).and_then(|to| to.first_chunk_mut()) {
            Some(to) if piece.long.is_none() => {
                block::copy(&piece.short, to);
                self.used += piece.len;
            }
            _ => self.extend(piece.bytes()),
        }
    }

    /// Appends `whole[start..end]`: faster than [`extend`](Buffer::extend) for short pieces of something longer,
    /// because whole blocks are copied where `whole` reaches far enough behind `end`.
    ///
    /// # Panics
    ///
    /// Where the range is not within `whole`.
    #[inline]
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
        self.extend(&whole[start..end]);
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
