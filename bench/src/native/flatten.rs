//! Flattens a flight natively: by the guests' own scanner, and by serde_json, both to the bytes that
//! `flatten-flights` gives.

use std::borrow::Cow;
use std::io::{self, Write};

use anyhow::{Context, Result, ensure};
use edgemill_guest::Buffer;
use edgemill_guest::json::Paths;
use serde::{Deserialize, Serialize};

/// What comes before each field of the flat record, beginning with the comma; behind the last is room for block copies.
const PREFIXES: &[u8] = b",\"_id\":,\"airline\":,\"stops\":,\"price\":\
,\"origin_airport\":,\"origin_iata\":,\"origin_icao\":,\"origin_loc_city\":,\"origin_loc_state\":,\"origin_loc_country\":\
,\"destination_airport\":,\"destination_iata\":,\"destination_icao\":,\"destination_loc_city\":,\"destination_loc_state\":\
,\"destination_loc_country\":                ";

/// Where each of them begins and ends.
const PREFIX: [(usize, usize); 16] = {
    let mut spans = [(0, 0); 16];
    let (mut field, mut start, mut at) = (0, 0, 0);
    while field < 16 {
        if PREFIXES[at] == b':' {
            spans[field] = (start, at + 1);
            start = at + 1;
            field += 1;
        }
        at += 1;
    }
    spans
};

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

/// Flattens with the guests' own search for paths, compiled natively: all of the record is checked as JSON. What is around
/// it knows the flights' schema when it is compiled, where the guest reads it as configuration.
pub(super) struct Scanner {
    paths: Paths,
}

impl Scanner {
    pub(super) fn new() -> Self {
        let mut paths = Paths::ignoring_case();
        for (field, path) in PATHS.iter().enumerate() {
            let place = paths.add(path).expect("no path of the flights leads through another");
            assert_eq!(place, field, "places are numbered in order");
        }
        Self { paths }
    }

    /// Puts a flat flight behind what the buffer holds, which is nothing.
    #[inline]
    pub(super) fn flatten(&mut self, record: &[u8], out: &mut Buffer) -> Result<()> {
        let places = self.paths.find(record).context("flattening a flight")?;
        for (field, (place, &prefix)) in places.iter().zip(&PREFIX).enumerate() {
            out.extend_from(PREFIXES, prefix.0, prefix.1);
            match place.range().filter(|value| record[value.start] != b'n') {
                None => out.push_str("null"),
                Some(value) if field == PRICE => price(&record[value], out)?,
                Some(value) => out.extend_from(record, value.start, value.end),
            }
        }
        if let [first, ..] = out.written_mut() {
            *first = b'{';
        }
        out.push(b'}');
        Ok(())
    }
}

/// Writes a number with two decimals. The flights have no exponents, and no more decimals.
#[inline]
fn price(number: &[u8], out: &mut Buffer) -> Result<()> {
    let point = number.iter().position(|&byte| byte == b'.');
    let decimals = point.map_or(0, |at| number.len() - at - 1);
    ensure!(
        decimals <= 2 && number[0].is_ascii_digit() && !number.contains(&b'e') && !number.contains(&b'E'),
        "a price that is no decimal of scale 2"
    );
    out.extend(number);
    out.extend(match (point, decimals) {
        (None, _) => b".00",
        (_, 1) => b"0",
        _ => b"",
    });
    Ok(())
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
