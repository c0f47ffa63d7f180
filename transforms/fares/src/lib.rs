//! A flight as a fare: from, to, airline, price. An example of a transform with serde; the demo swaps it in for
//! `flatten-flights` while records flow.

use edgemill_guest::{Outputs, Record, Result, export};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

#[derive(Deserialize)]
struct Flight<'a> {
    #[serde(borrow)]
    airline: Cow<'a, str>,
    price: f64,
    #[serde(borrow)]
    origin: End<'a>,
    #[serde(borrow)]
    destination: End<'a>,
}

#[derive(Deserialize)]
struct End<'a> {
    #[serde(borrow, alias = "Iata")]
    iata: Cow<'a, str>,
}

#[derive(Serialize)]
struct Fare<'a> {
    route: String,
    airline: &'a str,
    price: f64,
}

fn fare(record: &Record, out: &mut Outputs) -> Result {
    let Some(flight) = record.json::<Flight>()? else { return Ok(()) };
    let route = format!("{}-{}", flight.origin.iata, flight.destination.iata);
    out.emit().json(&Fare { route, airline: &flight.airline, price: flight.price })?;
    Ok(())
}

export!(fn fare);

#[cfg(test)]
mod tests {
    use super::fare;
    use edgemill_guest::testing::Harness;

    #[test]
    fn a_flight_becomes_a_fare_in_either_spelling() {
        let results = Harness::of(fare).run([
            r#"{"airline":"Delta","price":99.5,"origin":{"iata":"ATL"},"destination":{"Iata":"CDG"}}"#,
            r#"{"airline":"Delta"}"#,
        ]);
        assert_eq!(results.texts(), [r#"{"route":"ATL-CDG","airline":"Delta","price":99.5}"#]);
        assert_eq!(results.rejects.len(), 1);
    }
}
