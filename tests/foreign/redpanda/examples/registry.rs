//! Registers a schema and gives values its frame; a value that has one loses it, and says what its schema is.

use anyhow::Result;
use redpanda_transform_sdk::*;
use redpanda_transform_sdk_sr::{decode_schema_id, encode_schema_id, Schema, SchemaFormat, SchemaRegistryClient};
use std::cell::RefCell;

const SCHEMA: &str = r#"{"type":"record","name":"Word","fields":[{"name":"word","type":"string"}]}"#;

fn main() {
    let client = RefCell::new(SchemaRegistryClient::new());
    on_record_written(move |event, writer| transform(event, writer, &mut client.borrow_mut()));
}

fn transform(event: WriteEvent, writer: &mut RecordWriter, client: &mut SchemaRegistryClient) -> Result<()> {
    let value = event.record.value().unwrap_or_default();
    let subject = "edgemill-words-value";
    let made = match value {
        b"unknown" => format!("{:?}", client.lookup_latest_schema("edgemill-no-such-subject")).into_bytes(),
        b"latest" => {
            let latest = client.lookup_latest_schema(subject)?;
            format!("{} {}", latest.version().0, latest.schema().schema()).into_bytes()
        }
        [0, ..] => {
            let (id, rest) = decode_schema_id(value)?;
            let schema = client.lookup_schema_by_id(id)?;
            [schema.schema().as_bytes(), b" ", rest].concat()
        }
        _ => {
            let schema = Schema::new(SCHEMA.to_owned(), SchemaFormat::Avro, Vec::new());
            let schema = client.create_schema(subject, schema)?;
            encode_schema_id(schema.id(), value)
        }
    };
    Ok(writer.write(BorrowedRecord::new(event.record.key(), Some(&made)))?)
}
