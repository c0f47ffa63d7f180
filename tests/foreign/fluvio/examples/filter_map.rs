//! Halves even numbers and drops the odd ones, through the older kind of record.

#![allow(deprecated)]

use fluvio_smartmodule::{smartmodule, Record, RecordData, Result};

#[smartmodule(filter_map)]
pub fn filter_map(record: &Record) -> Result<Option<(Option<RecordData>, RecordData)>> {
    let number: i32 = std::str::from_utf8(record.value.as_ref())?.parse()?;
    Ok((number % 2 == 0).then(|| (record.key.clone(), RecordData::from((number / 2).to_string()))))
}
