//! The rows that came of a batch, one by one, for commands that show them.

use crate::batch::Bytes;
use crate::chain::apply::Applied;
use crate::records::Row;
use crate::route::{Route, Routes};

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
