//! The rows that came of a batch, one by one, for commands that show them.

use super::places::time_text;
use super::pretty::{shown, value};
use crate::batch::{Batch, Bytes};
use crate::chain::apply::Applied;
use crate::harmless::one_line;
use crate::records::Row;
use crate::route::{Route, Routes};
use std::fmt::Write;

/// Hands out each row with the index in the batch of the record it came from. Its own `origin` is the caller's to set.
pub(super) fn each_row(applied: &Applied<'_>, routes: &Routes, mut take: impl FnMut(u32, &mut Row<'_>)) {
    let rows = &applied.rows;
    let (keys, values) = (rows.keys.each(), rows.values.each());
    let (names, header_values) = (rows.headers.names.each(), rows.headers.values.each());
    let headers: Vec<(Bytes<'_>, Bytes<'_>)> = names.iter().copied().zip(header_values.iter().copied()).collect();
    let mut header = 0;
    for row in 0..rows.len() {
        let count = if headers.is_empty() { 0 } else { rows.headers.counts[row] as usize };
        let route = applied.routes.get(row).copied().unwrap_or_default();
        let topic = (route != Route::DEFAULT).then(|| routes.names()[usize::from(route.0)].as_str());
        let mut shown = Row {
            key: keys[row],
            value: values[row],
            headers: &headers[header..header + count],
            timestamp: rows.timestamps[row],
            origin: None,
            from: None,
            topic,
        };
        header += count;
        take(applied.origins[row], &mut shown);
    }
}

/// What came of a record, in words.
pub(super) fn outcome(rows: usize, failures: usize) -> String {
    match (rows, failures) {
        (_, 1..) => "the record fails".to_owned(),
        (0, _) => "nothing: it is dropped".to_owned(),
        (1, _) => "1 output".to_owned(),
        (rows, _) => format!("{rows} outputs"),
    }
}

/// The only record of a batch, and the destination that a module named, for people.
pub(super) fn describe(batch: &Batch<'_>, topic: Option<&str>, text: &mut String) {
    let (names, values) = (batch.headers.names.each(), batch.headers.values.each());
    let headers: Vec<_> = names.iter().copied().zip(values.iter().copied()).collect();
    let (keys, values) = (batch.keys.each(), batch.values.each());
    let timestamp = batch.timestamps[0];
    let row = Row { key: keys[0], value: values[0], headers: &headers, timestamp, origin: None, from: None, topic };
    describe_row(&row, text);
}

/// A row, a field a line.
pub(super) fn describe_row(row: &Row<'_>, text: &mut String) {
    let mut field = |name: &str, value: &str| {
        let value = value.replace('\n', "\n            ");
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    field("key", &shown(row.key));
    field("time", &time_text(row.timestamp));
    for (name, value) in row.headers {
        field(
            "header",
            &format!("{}: {}", one_line(&String::from_utf8_lossy(name.unwrap_or_default())), shown(*value)),
        );
    }
    if let Some(topic) = row.topic {
        field("route", &one_line(topic));
    }
    field("value", &value(row.value));
}
