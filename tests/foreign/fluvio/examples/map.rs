//! Upper case, with what a record knows of its place as the key; some words misbehave.

use fluvio_smartmodule::{eyre, smartmodule, RecordData, Result, SmartModuleRecord};

#[smartmodule(map)]
pub fn map(record: &SmartModuleRecord) -> Result<(Option<RecordData>, RecordData)> {
    let text = std::str::from_utf8(record.value().as_ref())?;
    match text {
        "panic" => panic!("asked to"),
        "loop" => loop {
            std::hint::black_box(0);
        },
        "exit" => std::process::exit(3),
        "hog" => {
            let mut all = Vec::new();
            loop {
                all.push(std::hint::black_box(vec![1u8; 1 << 20]));
            }
        }
        "refuse" => return Err(eyre!("this one not")),
        _ => {}
    }
    let key = record.key().map(|key| format!("{}@{}@{}", String::from_utf8_lossy(key.as_ref()), record.offset(), record.timestamp()));
    Ok((key.map(RecordData::from), RecordData::from(text.to_uppercase())))
}
