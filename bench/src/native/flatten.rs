//! Flattens a flight natively: by the guests' own scanner, and by serde_json, both to the bytes that
//! `flatten-flights` gives.

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;

use anyhow::{Context, Result, bail};
use edgemill_guest::json::{Paths, plain_number};
use edgemill_guest::{Buffer, Piece};
use serde::{Deserialize, Serialize};

/// The names of the flat record's fields.
const NAMES: [&str; 16] = [
    "_id",
    "airline",
    "stops",
    "price",
    "origin_airport",
    "origin_iata",
    "origin_icao",
    "origin_loc_city",
    "origin_loc_state",
    "origin_loc_country",
    "destination_airport",
    "destination_iata",
    "destination_icao",
    "destination_loc_city",
    "destination_loc_state",
    "destination_loc_country",
];

/// Where each of them comes from.
const PATHS: [&[&str]; 16] = [
    &["flight_id"],
    &["airline"],
    &["stops"],
    &["price"],
    &["origin", "airport"],
    &["origin", "iata"],
    &["origin", "icao"],
    &["origin", "location", "city"],
    &["origin", "location", "state"],
    &["origin", "location", "country"],
    &["destination", "airport"],
    &["destination", "iata"],
    &["destination", "icao"],
    &["destination", "location", "city"],
    &["destination", "location", "state"],
    &["destination", "location", "country"],
];

const PRICE: usize = 3;

/// With room for block copies.
const NULL: &[u8] = b"null                            ";

/// Flattens with the guests' own search for paths, compiled natively: all of the record is checked as JSON. What is around
/// it knows the flights' schema when it is compiled, where the guest reads it as configuration.
pub(super) struct Scanner {
    paths: Paths,
    /// What comes before each field, beginning with the comma.
    prefixes: [Piece; 16],
    /// What a price of none, one or two decimals lacks.
    cents: [Piece; 3],
}

impl Scanner {
    pub(super) fn new() -> Self {
        let mut paths = Paths::ignoring_case();
        for (field, path) in PATHS.iter().enumerate() {
            let place = paths.add(path).expect("no path of the flights leads through another");
            assert_eq!(place, field, "places are numbered in order");
        }
        Self {
            paths,
            prefixes: NAMES.map(|name| Piece::new(format!(",\"{name}\":").as_bytes())),
            cents: [Piece::new(b".00"), Piece::new(b"0"), Piece::new(b"")],
        }
    }

    /// Puts a flat flight behind what the buffer holds, which is nothing.
    #[inline]
    pub(super) fn flatten(&mut self, record: &[u8], out: &mut Buffer) -> Result<()> {
        let places = self.paths.find(record).context("flattening a flight")?;
        let mut cursor = out.cursor(record.len());
        for (field, (place, prefix)) in places.iter().zip(&self.prefixes).enumerate() {
            let value = place.range().filter(|value| record[value.start] != b'n');
            let written = match &value {
                None => cursor.push(prefix, NULL, 0, 4),
                Some(value) => cursor.push(prefix, record, value.start, value.end),
            };
            if !written {
                // The value is long, or the memory full.
                let len = cursor.len();
                out.advance(len);
                out.push_piece(prefix);
                out.extend(value.as_ref().map_or(b"null", |value| &record[value.clone()]));
                cursor = out.cursor(record.len());
            }
            if let (Some(value), PRICE) = (value, field) {
                cursor.push_piece(&self.cents[decimals(record, value)?]);
            }
        }
        let len = cursor.len();
        out.advance(len);
        if let [first, ..] = out.written_mut() {
            *first = b'{';
        }
        out.push(b'}');
        Ok(())
    }
}

/// How many decimals a price has: two at most. The flights' have no exponents.
#[inline]
fn decimals(record: &[u8], value: Range<usize>) -> Result<usize> {
    match plain_number(record, value.start) {
        Some((len, decimals @ 0..=2)) if len == value.len() && record[value.start] != b'-' => Ok(decimals),
        _ => bail!("a price that is no decimal of scale 2"),
    }
}

#[derive(Deserialize)]
struct Nested<'a> {
    #[serde(borrow)]
    flight_id: Cow<'a, str>,
    #[serde(borrow)]
    airline: Cow<'a, str>,
    stops: u32,
    price: f64,
    #[serde(borrow)]
    origin: Place<'a>,
    #[serde(borrow)]
    destination: Place<'a>,
}

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow, alias = "Airport")]
    airport: Cow<'a, str>,
    #[serde(borrow, alias = "Iata")]
    iata: Cow<'a, str>,
    #[serde(borrow, alias = "Icao")]
    icao: Cow<'a, str>,
    #[serde(borrow, alias = "Location")]
    location: Location<'a>,
}

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow, alias = "City")]
    city: Cow<'a, str>,
    #[serde(borrow, alias = "State")]
    state: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "Country")]
    country: Cow<'a, str>,
}

#[derive(Serialize)]
struct Flat<'a> {
    _id: &'a str,
    airline: &'a str,
    stops: u32,
    price: f64,
    origin_airport: &'a str,
    origin_iata: &'a str,
    origin_icao: &'a str,
    origin_loc_city: &'a str,
    origin_loc_state: Option<&'a str>,
    origin_loc_country: &'a str,
    destination_airport: &'a str,
    destination_iata: &'a str,
    destination_icao: &'a str,
    destination_loc_city: &'a str,
    destination_loc_state: Option<&'a str>,
    destination_loc_country: &'a str,
}

/// Flattens with serde_json, from borrowed structs to borrowed structs: what one would write without thinking of speed.
pub(super) fn serde(record: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let Nested { flight_id, airline, stops, price, origin, destination } =
        serde_json::from_slice(record).context("flattening a flight")?;
    let flat = Flat {
        _id: &flight_id,
        airline: &airline,
        stops,
        price,
        origin_airport: &origin.airport,
        origin_iata: &origin.iata,
        origin_icao: &origin.icao,
        origin_loc_city: &origin.location.city,
        origin_loc_state: origin.location.state.as_deref(),
        origin_loc_country: &origin.location.country,
        destination_airport: &destination.airport,
        destination_iata: &destination.iata,
        destination_icao: &destination.icao,
        destination_loc_city: &destination.location.city,
        destination_loc_state: destination.location.state.as_deref(),
        destination_loc_country: &destination.location.country,
    };
    flat.serialize(&mut serde_json::Serializer::with_formatter(out, Scale))?;
    Ok(())
}

/// Compact JSON whose floats have two decimals.
struct Scale;

impl serde_json::ser::Formatter for Scale {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write!(writer, "{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use edgemill::generate::{Flights, Generate};

    use super::*;

    #[test]
    fn both_ways_give_the_reference() {
        let flights = Flights::new(11);
        let (mut key, mut value, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        let (mut scanner, mut scanned, mut by_serde) = (Scanner::new(), Buffer::default(), Vec::new());
        for i in 0..20_000 {
            flights.record(i, &mut key, &mut value);
            flights.flat(i, &mut expected);
            scanned.truncate(0);
            scanner.flatten(&value, &mut scanned).unwrap();
            assert_eq!(String::from_utf8_lossy(scanned.written()), String::from_utf8_lossy(&expected));
            by_serde.clear();
            serde(&value, &mut by_serde).unwrap();
            assert_eq!(String::from_utf8_lossy(&by_serde), String::from_utf8_lossy(&expected));
        }
    }
}
