//! Records as lines of text: a value a line, or a JSON object a line. Pure: knows bytes and batches, no file.
//!
//! A byte string is a JSON string where it is UTF-8, else `{"base64":"…"}`; null stays null.

use crate::batch::{Batch, Bytes};
use crate::dead_letter::Letter;
use crate::outputs::{OwnedColumn, OwnedHeaders};
use crate::policy::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// How records stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A value a line.
    Lines,
    /// A JSON object a line.
    Records,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct LineError {
    /// In bytes, from 1.
    pub column: usize,
    /// What, and what to write instead.
    pub message: String,
}

/// Records of one partition that are put together one by one.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: OwnedColumn,
    values: OwnedColumn,
    headers: OwnedHeaders,
    has_headers: bool,
}

impl Gathered {
    /// No records of a topic and partition.
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: topic.to_owned(), partition, ..Self::default() }
    }

    /// Appends a record.
    pub fn push(&mut self, offset: i64, timestamp: i64, key: Bytes<'_>, value: Bytes<'_>) {
        self.offsets.push(offset);
        self.timestamps.push(timestamp);
        self.keys.push(key);
        self.values.push(value);
        self.headers.counts.push(0);
    }

    /// Appends a header to the last record.
    pub fn push_header(&mut self, name: &[u8], value: Bytes<'_>) {
        if let Some(count) = self.headers.counts.last_mut() {
            *count += 1;
            self.headers.names.push(Some(name));
            self.headers.values.push(value);
            self.has_headers = true;
        }
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The bytes of keys, values and headers.
    pub fn size(&self) -> usize {
        self.keys.data.len() + self.values.data.len() + self.headers.names.data.len() + self.headers.values.data.len()
    }

    /// Borrows the records as columns.
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            topic: &self.topic,
            partition: self.partition,
            offsets: Cow::Borrowed(&self.offsets),
            timestamps: Cow::Borrowed(&self.timestamps),
            keys: self.keys.column(),
            values: self.values.column(),
            headers: if self.has_headers { self.headers.headers() } else { Default::default() },
            siblings_before: 0,
        }
    }
}

/// A record of a line of JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    #[serde(default)]
    key: Option<Text>,
    #[serde(default)]
    value: Option<Text>,
    #[serde(default)]
    headers: Vec<(String, Option<Text>)>,
    #[serde(default)]
    timestamp: Option<i64>,
    /// The topic, where the line says it.
    #[serde(default)]
    pub topic: Option<String>,
    /// The partition's number, where the line says it.
    #[serde(default)]
    pub partition: Option<i32>,
    #[serde(default)]
    offset: Option<i64>,
    /// What outputs carry: so that they can be inputs again.
    #[serde(default, rename = "origin")]
    _origin: Option<u64>,
    #[serde(default, rename = "from")]
    _from: Option<serde::de::IgnoredAny>,
}

/// A byte string as JSON.
#[derive(Debug, Deserialize)]
#[serde(try_from = "TextForm")]
struct Text(Vec<u8>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a byte string is a JSON string, {\"base64\":\"…\"} or null; JSON in it must be quoted")]
enum TextForm {
    Plain(String),
    Coded(Coded),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coded {
    base64: String,
}

impl TryFrom<TextForm> for Text {
    type Error = String;

    fn try_from(form: TextForm) -> Result<Self, String> {
        match form {
            TextForm::Plain(text) => Ok(Text(text.into_bytes())),
            TextForm::Coded(Coded { base64 }) => {
                BASE64.decode(base64).map(Text).map_err(|error| format!("not base64: {error}"))
            }
        }
    }
}

impl Line {
    /// Reads a line of JSON.
    ///
    /// # Errors
    /// It is no JSON, or not such an object.
    pub fn parse(line: &[u8]) -> Result<Self, LineError> {
        serde_json::from_slice(line).map_err(|error| {
            let text = error.to_string();
            // the line that serde_json tells is always its first: the caller knows which of the file it is
            let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
            LineError { column: error.column().max(1), message: message.to_owned() }
        })
    }

    /// Appends the record. `offset` is for a line that says none.
    pub fn push_to(&self, gathered: &mut Gathered, offset: i64) {
        let bytes = |text: &Option<Text>| -> Option<Vec<u8>> { text.as_ref().map(|text| text.0.clone()) };
        let (key, value) = (bytes(&self.key), bytes(&self.value));
        let timestamp = self.timestamp.unwrap_or(-1);
        gathered.push(self.offset.unwrap_or(offset), timestamp, key.as_deref(), value.as_deref());
        for (name, value) in &self.headers {
            gathered.push_header(name.as_bytes(), value.as_ref().map(|text| text.0.as_slice()));
        }
    }
}

/// Appends a record's line: its value, or its JSON. A null value is an empty line in [`Format::Lines`].
pub fn write_row(out: &mut Vec<u8>, format: Format, row: &Row<'_>) {
    match format {
        Format::Lines => out.extend_from_slice(row.value.unwrap_or_default()),
        Format::Records => serde_json::to_writer(&mut *out, row).expect("memory can be written"),
    }
    out.push(b'\n');
}

/// An output for a line of JSON.
pub struct Row<'a> {
    /// Key.
    pub key: Bytes<'a>,
    /// Value.
    pub value: Bytes<'a>,
    /// Names and values.
    pub headers: &'a [(Bytes<'a>, Bytes<'a>)],
    /// Milliseconds since 1970-01-01 UTC; -1 where there is none.
    pub timestamp: i64,
    /// Index of the input record; none for what comes from nowhere, or from a topic.
    pub origin: Option<u64>,
    /// The input record's place in a topic.
    pub from: Option<Place<'a>>,
    /// The destination that the module named.
    pub topic: Option<&'a str>,
}

/// A record's place in a topic, for a line of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Place<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &Shown(self.key))?;
        map.serialize_entry("value", &Shown(self.value))?;
        map.serialize_entry("headers", &ShownHeaders(self.headers))?;
        map.serialize_entry("timestamp", &Some(self.timestamp).filter(|timestamp| *timestamp >= 0))?;
        if let Some(topic) = self.topic {
            map.serialize_entry("topic", topic)?;
        }
        if let Some(origin) = self.origin {
            map.serialize_entry("origin", &origin)?;
        }
        if let Some(place) = self.from {
            map.serialize_entry("from", &place)?;
        }
        map.end()
    }
}

/// Appends the line of a record that failed. `origin` is its index in the whole input.
pub fn write_reject(out: &mut Vec<u8>, failure: &Failure, origin: u64, module: &str) {
    #[derive(serde::Serialize)]
    struct Reject<'a> {
        origin: u64,
        class: &'a str,
        module: &'a str,
        message: &'a str,
    }
    let reject = Reject { origin, class: failure.class.as_str(), module, message: &failure.message };
    serde_json::to_writer(&mut *out, &reject).expect("memory can be written");
    out.push(b'\n');
}

/// Appends the line of a dead letter: as [`write_reject`], with the place of the original for an origin.
pub fn write_letter(out: &mut Vec<u8>, letter: &Letter<'_>) {
    #[derive(serde::Serialize)]
    struct Reject<'a> {
        from: Place<'a>,
        class: &'a str,
        code: &'a str,
        module: &'a str,
        message: &'a str,
        tries: u32,
    }
    let Letter { topic, partition, offset, class, code, module, message, tries, .. } = *letter;
    let reject = Reject { from: Place { topic, partition, offset }, class, code, module, message, tries };
    serde_json::to_writer(&mut *out, &reject).expect("memory can be written");
    out.push(b'\n');
}

struct Shown<'a>(Bytes<'a>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.map(std::str::from_utf8) {
            None => serializer.serialize_none(),
            Some(Ok(text)) => serializer.serialize_str(text),
            Some(Err(_)) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &BASE64.encode(self.0.unwrap_or_default()))?;
                map.end()
            }
        }
    }
}

struct ShownHeaders<'a>(&'a [(Bytes<'a>, Bytes<'a>)]);

impl Serialize for ShownHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, value) in self.0 {
            list.serialize_element(&(Shown(*name), Shown(*value)))?;
        }
        list.end()
    }
}
