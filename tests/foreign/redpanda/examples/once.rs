//! Drops what it has seen before, as transforms do that keep something in their memory; one word panics.

use anyhow::Result;
use redpanda_transform_sdk::*;
use std::cell::RefCell;
use std::collections::HashSet;

fn main() {
    let seen = RefCell::new(HashSet::new());
    on_record_written(move |event, writer| transform(event, writer, &seen));
}

fn transform(event: WriteEvent, writer: &mut RecordWriter, seen: &RefCell<HashSet<Vec<u8>>>) -> Result<()> {
    let value = event.record.value().unwrap_or_default();
    assert_ne!(value, b"panic", "asked to");
    if seen.borrow_mut().insert(value.to_vec()) {
        writer.write(&event.record)?;
    }
    Ok(())
}
