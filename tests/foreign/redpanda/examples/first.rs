//! A copy, by the first SDK: ABI 1. One word panics.

use anyhow::Result;
use first::*;

fn main() {
    on_record_written(transform);
}

fn transform(event: WriteEvent, writer: &mut dyn RecordWriter) -> Result<()> {
    let record = &event.record;
    let headers = record.headers().iter().map(|header| header.to_owned()).collect();
    writer.write(Record::new_with_headers(record.key().map(<[u8]>::to_vec), record.value().map(<[u8]>::to_vec), headers))?;
    assert_ne!(record.value(), Some(&b"panic"[..]), "asked to");
    Ok(())
}
