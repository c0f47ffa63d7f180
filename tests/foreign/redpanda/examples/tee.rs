//! The SDK's own example: a copy to each of the topics that the environment names.

use anyhow::Result;
use redpanda_transform_sdk::*;

fn main() {
    on_record_written(transform);
}

fn transform(event: WriteEvent, writer: &mut RecordWriter) -> Result<()> {
    let topics = (0..8).filter_map(|i| std::env::var(format!("REDPANDA_OUTPUT_TOPIC_{i}")).ok());
    for topic in topics {
        writer.write_with_options(event.record.as_ref(), WriteOptions::to_topic(&topic))?;
    }
    Ok(())
}
