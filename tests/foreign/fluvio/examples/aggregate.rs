//! A running sum.

use fluvio_smartmodule::{smartmodule, RecordData, Result, SmartModuleRecord};

#[smartmodule(aggregate)]
pub fn aggregate(accumulator: RecordData, current: &SmartModuleRecord) -> Result<RecordData> {
    let before: i64 = match accumulator.as_ref() {
        [] => 0,
        bytes => std::str::from_utf8(bytes)?.parse()?,
    };
    let text = std::str::from_utf8(current.value().as_ref())?;
    if text == "panic" {
        panic!("asked to");
    }
    Ok(RecordData::from((before + text.parse::<i64>()?).to_string()))
}
