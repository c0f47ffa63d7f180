//! Makes a record of each word, with its number as the key.

use fluvio_smartmodule::{smartmodule, RecordData, Result, SmartModuleRecord};

#[smartmodule(array_map)]
pub fn array_map(record: &SmartModuleRecord) -> Result<Vec<(Option<RecordData>, RecordData)>> {
    let text = std::str::from_utf8(record.value().as_ref())?;
    let words = text.split_whitespace().enumerate();
    Ok(words.map(|(number, word)| (Some(RecordData::from(number.to_string())), RecordData::from(word))).collect())
}
