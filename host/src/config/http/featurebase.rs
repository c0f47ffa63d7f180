//! A FeatureBase server's table as a sink: what is configured of it, and reading it.

use super::columns::{Id, Part, SqlColumn, columns, id, table, template};
use super::{
    Address, BATCH, COMMON, HttpBatch, HttpClient, Secret, address, batch, check_transport, client, headers, hint,
};
use crate::config::Sink;
use crate::config::reader::{Item, Section};
use std::collections::BTreeMap;
use toml::de::DeValue;

/// Keys of this type of sink alone.
pub(in crate::config) const KEYS: [&str; 7] =
    ["url", "headers", "table", "id", "columns", "create_table", "tombstones"];

/// A FeatureBase server's table.
#[derive(Clone, Debug)]
pub struct Featurebase {
    /// The server's address, without a path's end.
    pub url: Address,
    /// Headers of every request. Values may be secret.
    pub headers: BTreeMap<String, Secret>,
    /// The table.
    pub table: String,
    /// What a row's `_id` is made of.
    pub id: Id,
    /// All columns but `_id`, one at least.
    pub columns: Vec<SqlColumn>,
    /// Whether the table is made where it is not there.
    pub create_table: bool,
    /// What null values mean.
    pub tombstones: Tombstones,
    /// See there.
    pub batch: HttpBatch,
    /// See there.
    pub client: HttpClient,
}

/// What a null value means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tombstones {
    /// Nothing: there is no row in it.
    Refuse,
    /// The row with the `_id` that these parts make goes.
    Delete(Vec<Part>),
}

/// Reads a sink of type `featurebase`.
pub(in crate::config) fn sql(section: &Section<'_>) -> Sink {
    section.only(&[&COMMON[..], &KEYS].concat(), |key, _| known(key).map(str::to_owned).or_else(|| hint(key)));
    let mut secrets = Vec::new();
    let server = address(section, "url", "url = \"http://localhost:10101\"", &mut secrets);
    check_transport(section, &[("url", &server)]);
    let server = server.whole().trim_end_matches('/');
    if let Some(item) = section.get("url").filter(|_| server.ends_with("/sql")) {
        item.wrong("`url` is the server's address", "leave `/sql` out");
    } else if let Some(item) = section.get("url").filter(|_| server.contains(['?', '#'])) {
        item.wrong("`url` is the server's address", "leave the part that begins with `?` or `#` out");
    }
    section.need("table", "the sink has no `table`", "add `table = \"flights\"`");
    let table = section.get("table").and_then(|item| table(&item));
    let id = section.get("id").map_or_else(Id::default, |item| id(&item).unwrap_or_default());
    let tombstones = section.get("tombstones").and_then(|item| tombstones(&item, &id));
    // measured: with keys of text a request takes its second whatever it holds, and several at a time are no faster
    let records = if id.number { 1000 } else { 10_000 };
    Sink::Featurebase(Featurebase {
        url: Address::new(server),
        headers: headers(section, &mut secrets),
        table: table.unwrap_or_default(),
        columns: columns(section),
        create_table: section.get("create_table").and_then(|item| item.flag()).unwrap_or(false),
        tombstones: tombstones.unwrap_or(Tombstones::Refuse),
        batch: batch(section, HttpBatch { records, bytes: 4 << 20, window: 1, ..BATCH }),
        client: client(section, secrets),
        id,
    })
}

/// What is meant by names that other programs have for these keys, FeatureBase's own ingester among them.
fn known(key: &str) -> Option<&'static str> {
    Some(match key {
        "endpoint" | "host" | "hosts" | "featurebase_hosts" => "write `url`, the server's address",
        "username" | "password" | "token" | "auth_token" => {
            "write `headers = { authorization = \"Bearer …\" }`, from a variable or a file"
        }
        "_id" | "id_field" | "key" | "primary_key" | "primary_key_fields" => {
            "write `id = \"{flight}\"`, with the names of the fields that `_id` is made of"
        }
        "index" => "write `table`",
        "fields" | "schema" => "write `columns = { delay = \"int\" }`",
        "compression" | "gzip" => "a FeatureBase server takes no compressed requests: leave it out",
        "batch_max_staleness" => "write `batch = { age = \"1 s\" }`",
        "skip_bad_rows" => "bad rows are dead letters: write `on` for the pipeline, and leave it out here",
        _ => return None,
    })
}

fn tombstones(item: &Item<'_>, id: &Id) -> Option<Tombstones> {
    let example = "write `tombstones = { delete = \"{key}\" }`, with how `_id` is made of the record's key";
    let parts = match item.value {
        DeValue::Table(_) => {
            let table = item.section(example)?;
            table.only(&["delete"], |_, _| None);
            table.need("delete", "it is not said which row goes", example);
            template(&table.get("delete")?)?
        }
        _ => match item.word(&[("refuse", false), ("delete", true)])? {
            false => return Some(Tombstones::Refuse),
            true => id.parts.clone(),
        },
    };
    let known = |part: &Part| matches!(part, Part::Text(_) | Part::Topic | Part::Partition | Part::Key);
    if !parts.iter().all(known) || !parts.contains(&Part::Key) {
        item.wrong("a null value is all that is known of the row to delete: its `_id` must be of the key", example);
        return None;
    }
    if id.parts.contains(&Part::Offset) {
        let message = "no row is ever deleted: an `_id` with the record's offset in it is no other record's";
        item.reader.warn(
            &item.place,
            message,
            &["write `id = \"{key}\"`, or an `id` of fields that the key is made of"],
        );
    }
    if id.number && parts.len() > 1 {
        item.wrong("the table's `_id` is a number", "write `tombstones = { delete = \"{key}\" }`");
        return None;
    }
    Some(Tombstones::Delete(parts))
}
