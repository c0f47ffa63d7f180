//! Lays a batch's columns into a guest's input buffer, as `docs/guests/core-door.md` says. Each byte is copied once.

use crate::batch::{Batch, Column};

/// Bytes of the table that a batch begins with.
const TABLE: usize = 80;

/// The bytes that a batch takes in the input buffer.
pub(super) fn size(batch: &Batch<'_>) -> u64 {
    let records = batch.len();
    let headers = &batch.headers;
    let mut size = TABLE as u64 + padded(batch.topic.len()) + 2 * padded(records * 8);
    size += column_size(&batch.keys) + column_size(&batch.values);
    if !headers.is_empty() {
        size += padded(records * 4) + column_size(&headers.names) + column_size(&headers.values);
    }
    size
}

fn column_size(column: &Column<'_>) -> u64 {
    padded(column.len() * 4) + padded(column.size())
}

fn padded(size: usize) -> u64 {
    (size as u64).next_multiple_of(8)
}

/// Writes a batch at `base` of the guest's memory, into `buffer`, which has at least [`size`] bytes.
pub(super) fn write(batch: &Batch<'_>, base: u32, buffer: &mut [u8]) {
    let (table, rest) = buffer.split_at_mut(TABLE);
    let mut place = Place { at: base + TABLE as u32, rest };
    let mut fields = [0u32; TABLE / 4];
    fields[0] = batch.len() as u32;
    fields[1] = batch.partition.cast_unsigned();
    fields[2] = place.bytes(batch.topic.as_bytes());
    fields[3] = batch.topic.len() as u32;
    fields[4] = place.numbers(&batch.offsets, |offset| offset.to_le_bytes());
    fields[5] = place.numbers(&batch.timestamps, |timestamp| timestamp.to_le_bytes());
    fields[6..9].copy_from_slice(&place.column(&batch.keys));
    fields[9..12].copy_from_slice(&place.column(&batch.values));
    if !batch.headers.is_empty() {
        fields[12] = place.numbers(&batch.headers.counts, |count| count.to_le_bytes());
        fields[13] = batch.headers.names.len() as u32;
        fields[14..17].copy_from_slice(&place.column(&batch.headers.names));
        fields[17..20].copy_from_slice(&place.column(&batch.headers.values));
    }
    write_numbers(table, &fields, |field| field.to_le_bytes());
}

/// The part of the input buffer that is still free, and its address in the guest.
struct Place<'m> {
    at: u32,
    rest: &'m mut [u8],
}

impl<'m> Place<'m> {
    /// Takes `size` bytes at a multiple of 8.
    fn take(&mut self, size: usize) -> (u32, &'m mut [u8]) {
        let padded = padded(size) as usize;
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(padded);
        self.rest = rest;
        let at = self.at;
        self.at += padded as u32;
        (at, &mut taken[..size])
    }

    fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let (at, space) = self.take(bytes.len());
        space.copy_from_slice(bytes);
        at
    }

    fn numbers<T: Copy, const N: usize>(&mut self, numbers: &[T], to: impl Fn(T) -> [u8; N]) -> u32 {
        let (at, space) = self.take(numbers.len() * N);
        write_numbers(space, numbers, to);
        at
    }

    /// Writes a column; returns its three fields.
    fn column(&mut self, column: &Column<'_>) -> [u32; 3] {
        match column {
            Column::Dense { data, lengths } => {
                let lengths = self.numbers(lengths, i32::to_le_bytes);
                [lengths, self.bytes(data), data.len() as u32]
            }
            Column::Each(each) => {
                let (lengths_at, lengths) = self.take(each.len() * 4);
                let (data_at, mut data) = (self.at, std::mem::take(&mut self.rest));
                let space = data.len();
                for (length, item) in lengths.as_chunks_mut().0.iter_mut().zip(each.iter()) {
                    let Some(item) = item else {
                        *length = (-1i32).to_le_bytes();
                        continue;
                    };
                    *length = (item.len() as i32).to_le_bytes();
                    let (here, rest) = data.split_at_mut(item.len());
                    here.copy_from_slice(item);
                    data = rest;
                }
                let size = space - data.len();
                let padding = padded(size) as usize - size;
                (self.at, self.rest) = (self.at + (size + padding) as u32, &mut data[padding..]);
                [lengths_at, data_at, size as u32]
            }
        }
    }
}

/// Writes numbers one after the other. The compiler makes a plain copy of it.
fn write_numbers<T: Copy, const N: usize>(space: &mut [u8], numbers: &[T], to: impl Fn(T) -> [u8; N]) {
    for (slot, number) in space.as_chunks_mut::<N>().0.iter_mut().zip(numbers) {
        *slot = to(*number);
    }
}
