//! A flat flight as a line of a FeatureBase server's `BULK INSERT`, and the statement around such lines, as the sink `featurebase` has them.

use std::io::Write;

use anyhow::Result;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The columns but `_id`, and their types as the configuration has them.
pub(crate) const COLUMNS: [(&str, &str); 15] = [
    ("airline", "string"),
    ("stops", "int"),
    ("price", "decimal(2)"),
    ("origin_airport", "string"),
    ("origin_iata", "string"),
    ("origin_icao", "string"),
    ("origin_loc_city", "string"),
    ("origin_loc_state", "string"),
    ("origin_loc_country", "string"),
    ("destination_airport", "string"),
    ("destination_iata", "string"),
    ("destination_icao", "string"),
    ("destination_loc_city", "string"),
    ("destination_loc_state", "string"),
    ("destination_loc_country", "string"),
];

/// What stands in front of the first line and behind the last one.
pub(crate) const CLOSE: &str = "' WITH FORMAT 'NDJSON' INPUT 'STREAM' BATCHSIZE 500";

pub(crate) fn open() -> String {
    let (mut names, mut map) = ("\"_id\"".to_owned(), "'$[0]' string".to_owned());
    for (place, (name, kind)) in (1..).zip(COLUMNS) {
        names.push_str(&format!(",\"{name}\""));
        map.push_str(&format!(",'$[{place}]' {kind}"));
    }
    format!("BULK INSERT INTO \"flights\" ({names}) MAP ({map}) FROM x'")
}

#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(borrow)]
    _id: &'a RawValue,
    #[serde(borrow)]
    airline: &'a RawValue,
    stops: i64,
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    origin_airport: &'a RawValue,
    #[serde(borrow)]
    origin_iata: &'a RawValue,
    #[serde(borrow)]
    origin_icao: &'a RawValue,
    #[serde(borrow)]
    origin_loc_city: &'a RawValue,
    #[serde(borrow)]
    origin_loc_state: &'a RawValue,
    #[serde(borrow)]
    origin_loc_country: &'a RawValue,
    #[serde(borrow)]
    destination_airport: &'a RawValue,
    #[serde(borrow)]
    destination_iata: &'a RawValue,
    #[serde(borrow)]
    destination_icao: &'a RawValue,
    #[serde(borrow)]
    destination_loc_city: &'a RawValue,
    #[serde(borrow)]
    destination_loc_state: &'a RawValue,
    #[serde(borrow)]
    destination_loc_country: &'a RawValue,
}

/// Appends the line of a flat flight.
pub(crate) fn push_line(flat: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let flat: Flat<'_> = serde_json::from_slice(flat)?;
    out.push(b'[');
    push_text(flat._id, out);
    out.push(b',');
    push_text(flat.airline, out);
    write!(out, ",{},\"{}\"", flat.stops, flat.price)?;
    for text in [
        flat.origin_airport,
        flat.origin_iata,
        flat.origin_icao,
        flat.origin_loc_city,
        flat.origin_loc_state,
        flat.origin_loc_country,
        flat.destination_airport,
        flat.destination_iata,
        flat.destination_icao,
        flat.destination_loc_city,
        flat.destination_loc_state,
        flat.destination_loc_country,
    ] {
        out.push(b',');
        push_text(text, out);
    }
    out.push(b']');
    Ok(())
}

/// Appends a text; its quotes are doubled, because it stands within some.
fn push_text(text: &RawValue, out: &mut Vec<u8>) {
    let mut parts = text.get().split('\'');
    out.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        out.extend_from_slice(b"''");
        out.extend_from_slice(part.as_bytes());
    }
}
