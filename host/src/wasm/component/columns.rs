//! The contract's batch as this host lowers it: values are gathered straight into the guest's memory.

use crate::batch::{Batch, Bytes, Column};
use std::mem::MaybeUninit;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext};
use wasmtime::component::{ComponentType, Lower};

/// `types.batch`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct BatchArgument<'a> {
    topic: &'a str,
    partition: i32,
    offsets: &'a [i64],
    timestamps: &'a [i64],
    keys: ColumnArgument<'a>,
    values: ColumnArgument<'a>,
    headers: HeadersArgument<'a>,
}

/// `types.headers`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct HeadersArgument<'a> {
    counts: &'a [u32],
    names: ColumnArgument<'a>,
    values: ColumnArgument<'a>,
}

/// `types.column`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct ColumnArgument<'a> {
    data: Gathered<'a>,
    lengths: &'a [i32],
}

/// The lengths of a batch's columns, where they do not lie in a row. Kept from batch to batch.
#[derive(Default)]
pub(super) struct Lengths {
    columns: [Vec<i32>; 4],
}

impl Lengths {
    /// A batch as the guest's argument.
    pub(super) fn argument<'a>(&'a mut self, batch: &'a Batch<'_>) -> BatchArgument<'a> {
        let headers = &batch.headers;
        let [keys, values, names, header_values] = &mut self.columns;
        BatchArgument {
            topic: batch.topic,
            partition: batch.partition,
            offsets: &batch.offsets,
            timestamps: &batch.timestamps,
            keys: column(&batch.keys, keys),
            values: column(&batch.values, values),
            headers: HeadersArgument {
                counts: if headers.is_empty() { &[] } else { &headers.counts },
                names: column(&headers.names, names),
                values: column(&headers.values, header_values),
            },
        }
    }
}

fn column<'a>(column: &'a Column<'_>, space: &'a mut Vec<i32>) -> ColumnArgument<'a> {
    match column {
        Column::Dense { data, lengths } => ColumnArgument { data: Gathered::Dense(data), lengths },
        Column::Each(each) => {
            space.clear();
            space.extend(each.iter().map(|item| item.map_or(-1, |item| item.len() as i32)));
            ColumnArgument { data: Gathered::Each { items: each, size: column.size() }, lengths: space }
        }
    }
}

/// A column's bytes as one `list<u8>`.
pub(super) enum Gathered<'a> {
    Each { items: &'a [Bytes<'a>], size: usize },
    Dense(&'a [u8]),
}

// SAFETY: everything is that of `[u8]`, which is lowered to the same `list<u8>`
unsafe impl ComponentType for Gathered<'_> {
    type Lower = <[u8] as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <[u8] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <[u8] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: writes address and length where `[u8]` does, of memory that the guest has just given out for them and that the
// engine has checked
unsafe impl Lower for Gathered<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        // only the arguments of functions with few and small ones are passed flat
        Err(wasmtime::Error::msg("a column is always lowered to memory"))
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        let size = match self {
            Gathered::Each { size, .. } => *size,
            Gathered::Dense(data) => data.len(),
        };
        let at = cx.realloc(0, 0, 1, size)?;
        let mut space = &mut cx.as_slice_mut()[at..at + size];
        match self {
            Gathered::Dense(data) => space.copy_from_slice(data),
            Gathered::Each { items, .. } => {
                for item in items.iter().flatten() {
                    let (here, rest) = space.split_at_mut(item.len());
                    here.copy_from_slice(item);
                    space = rest;
                }
            }
        }
        *cx.get(offset) = (at as u32).to_le_bytes();
        *cx.get(offset + 4) = (size as u32).to_le_bytes();
        Ok(())
    }
}
