//! The SDK's own example: a copy.

use anyhow::Result;
use redpanda_transform_sdk::*;

fn main() {
    on_record_written(transform);
}

fn transform(event: WriteEvent, writer: &mut RecordWriter) -> Result<()> {
    Ok(writer.write(event.record)?)
}
