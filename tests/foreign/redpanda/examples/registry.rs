//! Registers a schema and gives values its frame; a value that has one loses it, and says what its schema is. The subject is in the
//! environment. Some words ask for something else, and tell what came.

use anyhow::{bail, Result};
use redpanda_transform_sdk::*;
use redpanda_transform_sdk_sr::{decode_schema_id, encode_schema_id, Schema, SchemaFormat, SchemaId, SchemaRegistryClient, SchemaVersion};
use std::cell::RefCell;
use std::env;

const SCHEMA: &str = r#"{"type":"record","name":"Word","fields":[{"name":"word","type":"string"}]}"#;

fn main() {
    let client = RefCell::new(SchemaRegistryClient::new());
    let subject = env::var("SUBJECT").unwrap_or_default();
    if env::var("AT_ONCE").is_ok() {
        client.borrow().lookup_latest_schema(&subject).expect("a schema");
    }
    on_record_written(move |event, writer| transform(event, writer, &subject, &mut client.borrow_mut()));
}

fn transform(event: WriteEvent, writer: &mut RecordWriter, subject: &str, client: &mut SchemaRegistryClient) -> Result<()> {
    let value = event.record.value().unwrap_or_default();
    let words: Vec<&str> = std::str::from_utf8(value).unwrap_or_default().split(' ').collect();
    let made = match (words.as_slice(), value) {
        (["id", id], _) => format!("{:?}", client.lookup_schema_by_id(SchemaId(id.parse()?))).into_bytes(),
        (["need", id], _) => format!("{:?}", client.lookup_schema_by_id(SchemaId(id.parse()?))?).into_bytes(),
        (["version", version], _) => {
            format!("{:?}", client.lookup_schema_by_version(subject, SchemaVersion(version.parse()?))).into_bytes()
        }
        (["latest", subject], _) => {
            // a client of its own: what a client was told is the latest stays so for it
            let latest = SchemaRegistryClient::new().lookup_latest_schema(subject);
            latest.map_or_else(|error| format!("{error:?}"), |latest| format!("{} {}", latest.version().0, latest.schema().schema())).into_bytes()
        }
        (["wrong"], _) => {
            let schema = Schema::new("no schema".to_owned(), SchemaFormat::Avro, Vec::new());
            format!("{:?}", client.create_schema(subject, schema)).into_bytes()
        }
        (_, [0, ..]) => {
            let (id, rest) = decode_schema_id(value)?;
            let schema = client.lookup_schema_by_id(id)?;
            [schema.schema().as_bytes(), b" ", rest].concat()
        }
        (_, []) => bail!("nothing to frame"),
        _ => {
            let schema = Schema::new(SCHEMA.to_owned(), SchemaFormat::Avro, Vec::new());
            let schema = client.create_schema(subject, schema)?;
            encode_schema_id(schema.id(), value)
        }
    };
    Ok(writer.write(BorrowedRecord::new(event.record.key(), Some(&made)))?)
}
