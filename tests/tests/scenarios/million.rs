//! Flights by the example's own configurations, flattened by its module, to destinations that fail in every way that is known while
//! the host is killed: each is there once by its `_id`, or a dead letter where it is refused, and nothing is there besides.
//! `make storm` takes a million of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use edgemill::generate::{Flights, Generate};
use edgemill_tests::database::Database;
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD, USERNAME};
use edgemill_tests::host::Builder;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Record, example, scale, unique, wait_for};
use serde_json::{Value, json};

use super::examples::FLIGHT;

const PARTITIONS: u64 = 4;

/// Whether a record is no flight.
fn is_no_flight(i: u64) -> bool {
    i % 9_973 == 7
}

/// The most memory that a host may take, by the examples' settings and with two workers, in MiB; docs/operations.md says what for.
const MOST: i64 = 160;

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Row,
    /// The module rejects it.
    NoFlight,
    /// The destination refuses it.
    Refused,
    /// The destination refuses whatever stands in a request with it.
    Spoils,
}

/// Flights in a topic, and the group that works them off.
struct Flow {
    topic: String,
    group: String,
    faults: Faults,
    flights: Flights,
    count: u64,
}

impl Flow {
    fn new(faults: Faults) -> Result<Self> {
        let (broker, count) = (Broker::shared(), scale(40_000, 1_000_000));
        let topic = broker.topic("flights", PARTITIONS as i32)?;
        broker.create_topic(&format!("{topic}.dead-letter"), 1, &[])?;
        let flow = Self { topic, group: unique("group"), faults, flights: Flights::new(faults.seed), count };
        broker.produce(&flow.topic, (0..count).map(|i| flow.record(i)))?;
        Ok(flow)
    }

    fn record(&self, i: u64) -> Record {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        self.flights.record(i, &mut key, &mut value);
        let value = if is_no_flight(i) { b"no flight".to_vec() } else { value };
        Record::of(value).keyed(key).to((i % PARTITIONS) as i32)
    }

    /// The row that flight i must become, and what becomes of it.
    fn row(&self, i: u64) -> Result<(Value, Fate)> {
        let mut flat = Vec::new();
        self.flights.flat(i, &mut flat);
        let row: Value = serde_json::from_slice(&flat)?;
        let id = row["_id"].as_str().context("a flight's id")?;
        let fate = if is_no_flight(i) {
            Fate::NoFlight
        } else if self.faults.spoils(id) {
            Fate::Spoils
        } else if self.faults.refuses(id) {
            Fate::Refused
        } else {
            Fate::Row
        };
        Ok((row, fate))
    }

    /// A host of the example as it is; only that a member that was killed is missed soon.
    fn host(&self, file: &str) -> Result<Builder> {
        let text = example::text("flights", file)?;
        let start = "start = \"earliest\"\n";
        ensure!(text.contains(start));
        let text = text.replace(start, &format!("{start}librdkafka = {{ \"session.timeout.ms\" = 6000 }}\n"));
        Ok(example::builder(&text)
            .env("KAFKA_BROKERS", Broker::shared().address())
            .env("KAFKA_TOPIC", &self.topic)
            .env("KAFKA_GROUP", &self.group))
    }

    /// Works everything off; the host is killed when a quarter is there, and when half of it is.
    fn work_off(&self, host: Builder, group: &str, there: impl Fn() -> Result<usize>) -> Result<()> {
        let (begun, mut most) = (Instant::now(), Vec::new());
        let mut host = host.start()?;
        for share in [4, 2] {
            let enough = || Ok((there()? as u64 >= self.count / share).then_some(()));
            wait_for("a share is there", PATIENCE * 10, enough)?;
            most.push(host.most_memory()? >> 20);
            host.kill();
            host.spawn_again()?;
        }
        let lag = || Ok((Broker::shared().lag(group, &self.topic)? == 0).then_some(()));
        wait_for("all is committed", PATIENCE * 30, lag)?;
        most.push(host.most_memory()? >> 20);
        ensure!(host.stop()?.success(), "{}", host.log());
        println!("{} flights in {:?}, at the most {most:?} MiB in the three lives", self.count, begun.elapsed());
        ensure!(most.iter().all(|most| *most < MOST), "{most:?} MiB");
        Ok(())
    }

    /// Checks what is there. `words` are what a destination says of what it refuses; `find` gives a row.
    fn check(&self, words: &[(Fate, &str, &str)], rows: usize, find: impl Fn(&str) -> Option<Value>) -> Result<()> {
        let letters = Broker::shared().consume(&format!("{}.dead-letter", self.topic))?;
        let mut lettered = BTreeSet::new();
        for letter in &letters {
            let number = |name: &str| letter.header(name).and_then(|text| text.parse::<u64>().ok());
            let (Some(partition), Some(offset)) = (number("edgemill.partition"), number("edgemill.offset")) else {
                bail!("a dead letter without its place: {letter:?}");
            };
            let i = offset * PARTITIONS + partition;
            let (_, fate) = self.row(i)?;
            let told =
                [letter.header("edgemill.class"), letter.header("edgemill.message")].map(Option::unwrap_or_default);
            let known = words.iter().find(|(of, ..)| *of == fate);
            let (_, class, part) = known.with_context(|| format!("flight {i} is a dead letter: {told:?}"))?;
            ensure!(told[0] == *class && told[1].contains(part), "flight {i}, {fate:?}: {told:?}");
            ensure!(letter.value == self.record(i).value, "flight {i}: its dead letter is another record");
            lettered.insert(i);
        }
        let mut fates: BTreeMap<&str, u64> = BTreeMap::new();
        for i in 0..self.count {
            let (row, fate) = self.row(i)?;
            let name = words.iter().find(|(of, ..)| *of == fate).map_or("row", |(_, _, part)| part);
            *fates.entry(name).or_default() += 1;
            let found = find(row["_id"].as_str().unwrap_or_default());
            ensure!(lettered.contains(&i) == (fate != Fate::Row), "flight {i} is {fate:?}");
            ensure!(found == (fate == Fate::Row).then_some(row), "flight {i}, {fate:?}: {found:?}");
        }
        ensure!(rows as u64 == fates["row"], "{rows} rows are there, and {fates:?}");
        ensure!(fates.len() == words.len() + 1, "not every fate was met: {fates:?}");
        println!("{fates:?}; {} dead letters came again", letters.len() - lettered.len());
        Ok(())
    }
}

/// Checks that each fault came.
fn all_came(stand_in: &Featurebase, ways: &[&str]) -> Result<()> {
    let answers = stand_in.answers();
    println!("answers {answers:?}");
    ensure!(ways.iter().all(|way| answers.contains_key(*way)), "not every way was tried: {answers:?}");
    Ok(())
}

#[test]
fn promise_commit_every_flight_of_the_example_is_in_the_cloud_once_while_it_fails_and_the_host_is_killed() -> Result<()>
{
    let (stall, token) = (Duration::from_millis(1500), Duration::from_secs(3));
    let faults =
        Faults { seed: 11, one_in: scale(4, 12), stall, token, refused: 2_003, spoiling: 20_011, ..Faults::default() };
    let (flow, cloud) = (Flow::new(faults)?, Featurebase::start(faults)?);
    let host = flow
        .host("edgemill.toml")?
        .env("FEATUREBASE_ENDPOINT", cloud.endpoint())
        .env("FEATUREBASE_LOGIN_URL", cloud.login_url())
        .env("FEATUREBASE_USERNAME", USERNAME)
        .env("FEATUREBASE_PASSWORD", PASSWORD);
    flow.work_off(host, &flow.group, || Ok(cloud.len()))?;
    let words = [
        (Fate::NoFlight, "reject", "expected an object"),
        (Fate::Refused, "refused", "it says refuse"),
        (Fate::Spoils, "refused", "misses a field"),
    ];
    flow.check(&words, cloud.len(), |id| cloud.row(id).map(|kept| kept.row))?;
    all_came(&cloud, &["401", "400", "429", "503", "Gone", "TakenAndGone", "stalled", "Reset"])?;
    ensure!(cloud.largest() == 500 && cloud.logins() > 1, "{} rows, {} logins", cloud.largest(), cloud.logins());
    Ok(())
}

#[test]
fn promise_commit_every_flight_of_the_example_is_in_the_table_once_while_the_server_fails_and_the_host_is_killed()
-> Result<()> {
    let (stall, one_in) = (Duration::from_millis(1500), scale(4, 12));
    let faults = Faults { seed: 12, one_in, stall, refused: scale(10_007, 20_011), ..Faults::default() };
    let (flow, database) = (Flow::new(faults)?, Database::imitated(faults)?);
    let server = database.stand_in().context("it is the stand-in")?;
    let host =
        flow.host("server.toml")?.env("FEATUREBASE_URL", database.url()).env("FEATUREBASE_TABLE", &database.table);
    flow.work_off(host, &format!("{}-server", flow.group), || database.count())?;
    let rows = database.rows()?;
    let find = |id: &str| {
        let mut row: Value = FLIGHT.iter().copied().zip(rows.get(id)?.iter().cloned()).collect();
        row["_id"] = json!(id);
        Some(row)
    };
    let words = [(Fate::NoFlight, "reject", "expected an object"), (Fate::Refused, "refused", "out of range")];
    flow.check(&words, rows.len(), find)?;
    all_came(server, &["503", "Gone", "TakenAndGone", "stalled", "NotStored", "Reset"])
}
