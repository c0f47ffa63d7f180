//! Upper case, with the clock in a header; some words misbehave, each after it has written.

use anyhow::{bail, Result};
use redpanda_transform_sdk::*;
use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    let mark = env::var("MARK").unwrap_or_default();
    println!("transforms {}", env::var("REDPANDA_INPUT_TOPIC").expect("a topic"));
    on_record_written(move |event, writer| transform(event, writer, &mark));
}

fn transform(event: WriteEvent, writer: &mut RecordWriter, mark: &str) -> Result<()> {
    let Some(value) = event.record.value() else {
        writer.write(&event.record)?;
        return Ok(());
    };
    let text = std::str::from_utf8(value)?;
    let made = format!("{mark}{}", text.to_uppercase()).into_bytes();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().to_string();
    let mut headers: Vec<BorrowedHeader> = event.record.headers().to_vec();
    headers.push(BorrowedHeader::new(b"now", Some(now.as_bytes())));
    let record = BorrowedRecord::new_with_headers(event.record.key(), Some(&made), headers);
    let second = env::var("REDPANDA_OUTPUT_TOPIC_1").unwrap_or_default();
    match text {
        "drop" => return Ok(()),
        "late" => return Ok(writer.write_with_options(record, WriteOptions::to_topic(&second))?),
        "both" => writer.write_with_options(&record, WriteOptions::to_topic(&second))?,
        "stray" => writer.write_with_options(&record, WriteOptions::to_topic("nowhere"))?,
        _ => {}
    }
    writer.write(record)?;
    match text {
        "panic" => panic!("asked to"),
        "refuse" => bail!("this one not"),
        "exit" => std::process::exit(0),
        "loop" => loop {
            std::hint::black_box(0);
        },
        "hog" => {
            let mut all = Vec::new();
            loop {
                all.push(std::hint::black_box(vec![1u8; 1 << 20]));
            }
        }
        _ => Ok(()),
    }
}
