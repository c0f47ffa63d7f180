//! Upper case, with what a record knows of its place as the key; some words misbehave.

use fluvio_smartmodule::{eyre, smartmodule, RecordData, Result, SmartModuleRecord};
use std::io::Read;

unsafe extern "C" {
    fn copy_records(at: usize, size: usize);
}

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
        "flood" => loop {
            eprintln!("for the log");
        },
        // what does not lie in the module's memory
        "stray" => unsafe { copy_records(usize::MAX - 10, 1000) },
        "input" => {
            let mut read = String::new();
            std::io::stdin().read_to_string(&mut read)?;
            assert_eq!(std::io::stdin().read(&mut [0; 10])?, 0, "beyond the end");
        }
        "refuse" => return Err(eyre!("this one not")),
        _ => {}
    }
    let key = record.key().map(|key| format!("{}@{}@{}", String::from_utf8_lossy(key.as_ref()), record.offset(), record.timestamp()));
    Ok((key.map(RecordData::from), RecordData::from(text.to_uppercase())))
}
