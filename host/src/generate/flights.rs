//! Flights as the FeatureBase tutorial's source has them: nested, about 400 bytes, keyed by their id; and the same flights
//! flat, made from the generator's own data, as a reference for what a transform must make of the nested ones.

use super::places::{self, Airport};
use super::{Generate, json, mix};

/// Flights: `{"flight_id":"…","airline":"…","stops":1,"price":123.45,"origin":{"airport":"…","iata":"ATL","icao":"KATL",
/// "location":{"city":"…","state":"…","country":"…"}},"destination":{…}}`. A share of them spells the nested keys
/// `Airport`, `Iata`, `Location`, `City` and so on, as some sources do.
#[derive(Clone, Debug)]
pub struct Flights {
    seed: u64,
    capitalised: u8,
    ends: Vec<End>,
    airlines: Vec<&'static str>,
}

/// An airport's JSON, made once: a record is little more than its pieces joined.
#[derive(Clone, Debug)]
struct End {
    /// The object, spelled `airport` and `Airport`.
    nested: [Vec<u8>; 2],
    /// The members `origin_…` and `destination_…`, each after a comma.
    flat: [Vec<u8>; 2],
}

/// What the seed and the number decide.
struct Flight<'a> {
    id: u64,
    airline: &'static str,
    stops: u8,
    /// In hundredths.
    price: u64,
    origin: &'a End,
    destination: &'a End,
    capitalised: bool,
}

impl Flights {
    /// Makes a generator of the flights of this seed, of which one in four spells its nested keys capitalised.
    pub fn new(seed: u64) -> Self {
        let ends = places::airports().map(|airport| End::new(&airport)).collect();
        Self { seed, capitalised: 25, ends, airlines: places::airlines().collect() }
    }

    /// Sets how many flights of a hundred spell their nested keys capitalised.
    pub fn capitalised(self, percent: u8) -> Self {
        Self { capitalised: percent, ..self }
    }

    /// Puts the flat form of record `i` in place of what the buffer holds: compact JSON, with the price as a number of
    /// two decimals, and the other values as the nested form has them.
    pub fn flat(&self, i: u64, out: &mut Vec<u8>) {
        let flight = self.flight(i);
        out.clear();
        out.extend_from_slice(b"{\"_id\":\"");
        json::hex(out, flight.id);
        flight.airline_and_stops(out);
        json::hundredths(out, flight.price);
        out.extend_from_slice(&flight.origin.flat[0]);
        out.extend_from_slice(&flight.destination.flat[1]);
        out.push(b'}');
    }

    fn flight(&self, i: u64) -> Flight<'_> {
        let id = mix(self.seed, i);
        let mut random = fastrand::Rng::with_seed(id);
        let origin = random.usize(..self.ends.len());
        let distance = random.usize(1..self.ends.len());
        Flight {
            id,
            airline: self.airlines[random.usize(..self.airlines.len())],
            // Most flights are direct.
            stops: [0, 0, 0, 0, 0, 1, 1, 2][random.usize(..8)],
            price: random.u64(4_900..200_000),
            origin: &self.ends[origin],
            destination: &self.ends[(origin + distance) % self.ends.len()],
            capitalised: random.u8(..100) < self.capitalised,
        }
    }
}

impl Generate for Flights {
    fn record(&self, i: u64, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        let flight = self.flight(i);
        key.clear();
        json::hex(key, flight.id);
        value.clear();
        value.extend_from_slice(b"{\"flight_id\":\"");
        value.extend_from_slice(key);
        flight.airline_and_stops(value);
        json::short_hundredths(value, flight.price);
        value.extend_from_slice(b",\"origin\":");
        value.extend_from_slice(&flight.origin.nested[usize::from(flight.capitalised)]);
        value.extend_from_slice(b",\"destination\":");
        value.extend_from_slice(&flight.destination.nested[usize::from(flight.capitalised)]);
        value.push(b'}');
    }
}

impl Flight<'_> {
    /// Appends what stands between the id and the price in both forms.
    fn airline_and_stops(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\",\"airline\":");
        json::text(out, Some(self.airline));
        out.extend_from_slice(b",\"stops\":");
        out.push(b'0' + self.stops);
        out.extend_from_slice(b",\"price\":");
    }
}

impl End {
    fn new(airport: &Airport) -> Self {
        Self {
            nested: [Self::nested(airport, str::to_owned), Self::nested(airport, capitalised)],
            flat: [Self::flat(airport, "origin"), Self::flat(airport, "destination")],
        }
    }

    fn nested(airport: &Airport, spell: impl Fn(&str) -> String) -> Vec<u8> {
        let mut out = Vec::new();
        let mut member = |before: &str, name: &str, text| {
            out.extend_from_slice(format!("{before}\"{}\":", spell(name)).as_bytes());
            if let Some(text) = text {
                json::text(&mut out, text);
            }
        };
        member("{", "airport", Some(Some(airport.name)));
        member(",", "iata", Some(Some(airport.iata)));
        member(",", "icao", Some(Some(airport.icao)));
        member(",", "location", None);
        member("{", "city", Some(Some(airport.city)));
        member(",", "state", Some(airport.state));
        member(",", "country", Some(Some(airport.country)));
        out.extend_from_slice(b"}}");
        out
    }

    fn flat(airport: &Airport, end: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, text) in [
            ("airport", Some(airport.name)),
            ("iata", Some(airport.iata)),
            ("icao", Some(airport.icao)),
            ("loc_city", Some(airport.city)),
            ("loc_state", airport.state),
            ("loc_country", Some(airport.country)),
        ] {
            out.extend_from_slice(format!(",\"{end}_{name}\":").as_bytes());
            json::text(&mut out, text);
        }
        out
    }
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_ascii_uppercase() + rest
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn a_flight_has_about_400_bytes() {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let flights = Flights::new(1);
        let total: usize = (0..10_000)
            .map(|i| {
                flights.record(i, &mut key, &mut value);
                assert!((300..550).contains(&value.len()), "{}", String::from_utf8_lossy(&value));
                value.len()
            })
            .sum();
        assert!((380..430).contains(&(total / 10_000)), "{} bytes on average", total / 10_000);
    }

    #[test]
    fn a_flight_id_comes_once() {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let flights = Flights::new(1);
        let mut seen = HashSet::new();
        for i in 0..100_000 {
            flights.record(i, &mut key, &mut value);
            assert!(seen.insert(key.clone()));
        }
    }

    #[test]
    fn the_share_of_capitalised_records_is_the_one_asked_for() {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for (flights, expected) in [
            (Flights::new(5), 2_300..2_700),
            (Flights::new(5).capitalised(0), 0..1),
            (Flights::new(5).capitalised(100), 10_000..10_001),
        ] {
            let mut count = 0;
            for i in 0..10_000 {
                flights.record(i, &mut key, &mut value);
                count += i32::from(value.windows(9).any(|window| window == b"\"Airport\""));
            }
            assert!(expected.contains(&count), "{count} of 10000");
        }
    }

    /// Reads a member of the nested form in either spelling.
    fn member<'a>(object: &'a Value, name: &str) -> &'a Value {
        object.get(name).or_else(|| object.get(capitalised(name))).unwrap()
    }

    #[test]
    fn the_flat_form_says_what_the_nested_form_says() {
        let (mut key, mut value, mut flat) = (Vec::new(), Vec::new(), Vec::new());
        let flights = Flights::new(2);
        for i in 0..20_000 {
            flights.record(i, &mut key, &mut value);
            flights.flat(i, &mut flat);
            let nested: Value = serde_json::from_slice(&value).unwrap();
            let text = std::str::from_utf8(&flat).unwrap();
            let price = nested["price"].as_f64().unwrap();
            let mut expected = format!(
                "{{\"_id\":{},\"airline\":{},\"stops\":{},\"price\":{price:.2}",
                nested["flight_id"], nested["airline"], nested["stops"]
            );
            for end in ["origin", "destination"] {
                for name in ["airport", "iata", "icao"] {
                    expected += &format!(",\"{end}_{name}\":{}", member(&nested[end], name));
                }
                for name in ["city", "state", "country"] {
                    let location = member(&nested[end], "location");
                    expected += &format!(",\"{end}_loc_{name}\":{}", member(location, name));
                }
            }
            assert_eq!(text, expected + "}");
        }
    }
}
