//! A FeatureBase server's table: rows by `BULK INSERT`, to the stand-in that fails in all the ways that are known, or to the
//! real server that `FEATUREBASE_URL` names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edgemill::generate::{Flights, Generate};
use edgemill_tests::broker::free_port;
use edgemill_tests::database::Database;
use edgemill_tests::featurebase::{Faults, Featurebase};
use edgemill_tests::host::Builder;
use edgemill_tests::records::unique;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Proxy, Record, modules, scale, wait_for};
use serde_json::{Value, json};

use super::replay::command;

const PARTITIONS: i32 = 4;

const CONFIG: &str = r#"
modules = "@modules@"
[pipelines.sql]
workers = 2
[pipelines.sql.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
start = "earliest"
librdkafka = { "session.timeout.ms" = 6000 }
@chain@
[pipelines.sql.sink]
type = "featurebase"
url = "@url@"
table = "@table@"
timeout = "@timeout@"
@sink@
[pipelines.sql.dead-letter]
topic = "@letters@"
"#;

const FLIGHT: &str = r#"
id = "{_id}"
create_table = true
batch = { records = @records@, age = "200 ms" }
[pipelines.sql.sink.columns]
airline = "string"
stops = { type = "int", min = 0, max = 5 }
price = { type = "decimal(2)", required = true }
origin_airport = "string"
origin_iata = "string"
origin_icao = "string"
origin_loc_city = "string"
origin_loc_state = "string"
origin_loc_country = "string"
to_city = { type = "string", from = "destination_loc_city" }
"#;

const FLATTEN: &str = "[[pipelines.sql.chain]]\nmodule = \"flatten-flights.wasm\"";

/// A topic, its group, and where its dead letters go.
struct Place {
    database: Database,
    from: String,
    letters: String,
    group: String,
}

impl Place {
    fn new(faults: Faults, partitions: i32) -> Result<Self> {
        Self::of(Database::start(faults)?, partitions)
    }

    fn of(database: Database, partitions: i32) -> Result<Self> {
        let broker = Broker::shared();
        let (from, letters) = (broker.topic("sql", partitions)?, broker.topic("letters", 1)?);
        Ok(Self { database, from, letters, group: unique("sql") })
    }

    fn builder(&self, chain: &str, sink: &str) -> Builder {
        // a real server takes its time for a table; the stand-in stalls for longer than this
        let timeout = if self.database.stand_in().is_some() { "2 s" } else { "30 s" };
        self.waiting(timeout, chain, sink)
    }

    fn waiting(&self, timeout: &str, chain: &str, sink: &str) -> Builder {
        let host = Host::builder(CONFIG).set("chain", chain).set("sink", sink).set("timeout", timeout);
        let host = host.set("brokers", Broker::shared().address()).set("from", &self.from).set("group", &self.group);
        host.set("letters", &self.letters).set("url", self.database.url()).set("table", &self.database.table)
    }

    fn wait_for_end(&self) -> Result<()> {
        let lag = || Ok((Broker::shared().lag(&self.group, &self.from)? == 0).then_some(()));
        wait_for("all is committed", PATIENCE * 10, lag)
    }

    /// Works records off with a sink, and stops.
    fn work_off(&self, sink: &str, records: impl IntoIterator<Item = Record>) -> Result<Host> {
        Broker::shared().produce(&self.from, records)?;
        let mut host = self.builder("", sink).start()?;
        self.wait_for_end()?;
        ensure!(host.stop()?.success(), "{}", host.log());
        Ok(host)
    }

    fn letters(&self) -> Result<Vec<Consumed>> {
        Broker::shared().consume(&self.letters)
    }
}

fn flight(flights: &Flights, i: u64) -> Record {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    flights.record(i, &mut key, &mut value);
    Record::of(value).keyed(key).to((i % PARTITIONS as u64) as i32)
}

/// A flight's row, as the table shows it.
fn flat(flights: &Flights, i: u64) -> Result<(String, Vec<Value>)> {
    let mut flat = Vec::new();
    flights.flat(i, &mut flat);
    let flat: Value = serde_json::from_slice(&flat)?;
    let names = ["airline", "stops", "price", "origin_airport", "origin_iata", "origin_icao", "origin_loc_city"];
    let names = names.iter().chain(&["origin_loc_state", "origin_loc_country", "destination_loc_city"]);
    Ok((flat["_id"].as_str().context("a flight's id")?.to_owned(), names.map(|name| flat[*name].clone()).collect()))
}

#[test]
fn promise_commit_every_flight_is_in_the_table_once_by_its_id_while_the_server_fails_and_hosts_are_killed() -> Result<()>
{
    let broker = Broker::shared();
    let faults = Faults { seed: 7, one_in: 4, stall: Duration::from_millis(2500), ..Faults::default() };
    let place = Place::new(faults, PARTITIONS)?;
    let count: u64 = scale(40_000, 1_000_000);
    let flights = Flights::new(3);
    broker.produce(&place.from, (0..count).map(|i| flight(&flights, i)))?;
    // many small requests meet every fault; a real one wants few
    let records = if place.database.stand_in().is_some() { "250" } else { "5000" };
    let mut host = place
        .builder(FLATTEN, &FLIGHT.replace("@records@", records))
        .module("flatten-flights.wasm", modules::shipped("flatten-flights.wasm")?)
        .start()?;
    for share in [4, 2] {
        let there = || Ok((place.database.count()? as u64 >= count / share).then_some(()));
        wait_for("a share is there", PATIENCE * 4, there)?;
        host.kill();
        host.spawn_again()?;
    }
    place.wait_for_end()?;
    ensure!(host.stop()?.success(), "{}", host.log());
    let rows = place.database.rows()?;
    ensure!(rows.len() as u64 == count, "{} rows of {count}", rows.len());
    for i in 0..count {
        let (id, row) = flat(&flights, i)?;
        ensure!(rows.get(&id) == Some(&row), "flight {i}: {:?} is not {row:?}", rows.get(&id));
    }
    ensure!(place.letters()?.is_empty(), "{} dead letters", place.letters()?.len());
    if let Some(stand_in) = place.database.stand_in() {
        let answers = stand_in.answers();
        println!("{count} flights, answers {answers:?}");
        let ways = ["503", "Gone", "TakenAndGone", "stalled", "NotStored", "Strange", "Reset"];
        ensure!(ways.iter().all(|way| answers.contains_key(*way)), "not every way was tried: {answers:?}");
        ensure!((100..=250).contains(&stand_in.largest()), "the largest request had {} rows", stand_in.largest());
    }
    Ok(())
}

/// The refused and what they are told: bad here, and bad for the server.
fn fate(n: usize) -> (Value, Option<(&'static str, &'static str)>) {
    let good = json!({ "n": n, "fare": 1.15, "at": "2024-05-06T07:08:09Z", "deep": { "tags": ["a", "b"] } });
    let with = |key: &str, value: Value| {
        let mut row = good.clone();
        row[key] = value;
        row
    };
    let (row, why) = match n % 100 {
        3 => (with("fare", json!(1.999)), Some(("encode", "the column `fare`: more than 2 decimals"))),
        14 => (with("n", json!(2_000_001)), Some(("encode", "the column `n`: out of range: 0 to 2000000"))),
        25 => (with("n", json!("x")), Some(("encode", "the column `n`: not a whole number"))),
        36 => (with("n", Value::Null), Some(("encode", "there is no value for the column `n`"))),
        47 => (with("deep", json!([])), Some(("encode", "`deep` is no object"))),
        58 => (json!([good]), Some(("encode", "not an object"))),
        // a column of nanoseconds has no room for it, which only the server knows
        69 | 70 => (with("at", json!("1700-01-01T00:00:00Z")), Some(("refused", "timestamp field is out of range"))),
        81 => (with("tags", json!("not looked at")), None),
        92 => (json!({ "n": n }), None),
        _ => (good, None),
    };
    (row, why)
}

const BAD: &str = r#"
columns = { n = { type = "int", required = true }, fare = "decimal(2)", at = "timestamp", tags = { type = "stringset", from = "deep.tags" } }
batch = { records = 500, age = "200 ms" }
"#;

#[test]
fn bad_rows_are_dead_letters_with_the_right_words_and_all_others_are_in_the_table() -> Result<()> {
    let place = Place::new(Faults::default(), 1)?;
    let create = "CREATE TABLE @ (\"_id\" string, \"n\" int min 0 max 2000000, \"fare\" decimal(2), \
                  \"at\" timestamp timeunit 'ns', \"tags\" stringset, \"more\" bool)";
    place.database.execute(create)?;
    let count = 1_500;
    place.work_off(BAD, (0..count).map(|n| Record::of(fate(n).0.to_string())))?;
    let letters = place.letters()?;
    let mut lettered = BTreeSet::new();
    for letter in &letters {
        let n: usize = letter.header("edgemill.offset").context("a letter's offset")?.parse()?;
        let (class, message) = (letter.header("edgemill.class"), letter.header("edgemill.message").unwrap_or_default());
        let (expected, part) = fate(n).1.with_context(|| format!("record {n} is good: {message}"))?;
        ensure!(class.as_deref() == Some(expected) && message.contains(part), "record {n}: {class:?}: {message}");
        ensure!(lettered.insert(n), "record {n} has two letters");
    }
    let rows = place.database.rows()?;
    let good: Vec<usize> = (0..count).filter(|n| fate(*n).1.is_none()).collect();
    ensure!(lettered.len() == count - good.len(), "{} dead letters", lettered.len());
    ensure!(rows.len() == good.len(), "{} rows of {}", rows.len(), good.len());
    for n in good {
        let row = rows.get(&format!("{}-0-{n}", place.from)).with_context(|| format!("no row {n}"))?;
        let expected = match n % 100 {
            92 => json!([n, null, null, null, null]),
            _ => json!([n, 1.15, "2024-05-06T07:08:09Z", ["a", "b"], null]),
        };
        ensure!(json!(row) == expected, "row {n}: {row:?}");
    }
    Ok(())
}

const KEYED: &str = r#"
id = "{key}"
columns = { n = "int", tags = "stringset", on = "bool" }
create_table = true
tombstones = "delete"
batch = { records = 200, age = "200 ms" }
"#;

#[test]
fn null_values_delete_and_the_last_record_of_a_key_counts_whatever_stands_in_one_request() -> Result<()> {
    let place = Place::new(
        Faults { seed: 9, one_in: 40, stall: Duration::from_millis(2500), ..Faults::default() },
        PARTITIONS,
    )?;
    let mut random = fastrand::Rng::with_seed(4);
    let mut expected: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut records = Vec::new();
    for n in 0..4_000 {
        let number = random.usize(..150);
        let key = format!("it's \"{number}\"\n");
        let record = Record::of(b"".to_vec()).keyed(key.clone()).to(number as i32 % PARTITIONS);
        if random.u8(..4) == 0 {
            expected.remove(&key);
            records.push(Record { value: None, ..record });
            continue;
        }
        let (tag, on) = (format!("t{}", random.u8(..3)), random.bool());
        records
            .push(Record { value: Some(json!({ "n": n, "tags": tag, "on": on }).to_string().into_bytes()), ..record });
        let row = expected.entry(key).or_insert_with(|| vec![Value::Null, json!([]), Value::Null]);
        (row[0], row[2]) = (json!(n), json!(on));
        let mut tags: BTreeSet<String> = serde_json::from_value(row[1].clone())?;
        tags.insert(tag);
        row[1] = json!(tags);
    }
    // one that is deleted at last, and one that never was there
    records.push(Record { value: None, ..Record::of("").keyed("nobody").to(0) });
    place.work_off(KEYED, records)?;
    println!("answers {:?}", place.database.stand_in().map(Featurebase::answers));
    let rows = place.database.rows()?;
    for (key, row) in &expected {
        ensure!(rows.get(key) == Some(row), "{key:?}: {:?} is not {row:?}", rows.get(key));
    }
    ensure!(rows.len() == expected.len(), "{} rows of {}", rows.len(), expected.len());
    ensure!(place.letters()?.is_empty());
    Ok(())
}

#[test]
fn a_replay_writes_over_what_is_there_and_doubles_nothing() -> Result<()> {
    let place = Place::new(Faults::default(), PARTITIONS)?;
    let sink = "columns = { n = \"int\", tags = \"stringset\" }\ncreate_table = true\nbatch = { age = \"200 ms\" }";
    let record = |n: i32| Record::of(json!({ "n": n, "tags": [n.to_string()] }).to_string()).to(n % PARTITIONS);
    let host = place.work_off(sink, (0..1000).map(record))?;
    let before = place.database.rows()?;
    ensure!(before.len() == 1000, "{} rows", before.len());
    let from: Vec<String> = (0..PARTITIONS).map(|partition| format!("{partition}=0")).collect();
    let more: Vec<&str> = std::iter::once("--from").chain(from.iter().map(String::as_str)).collect();
    let ended = command(&host, &["replay"], &more)?;
    ensure!(ended.code == Some(0), "{:?}: {}", ended.code, ended.err);
    ensure!(ended.err.contains("1,000 rows delivered") || ended.err.contains("1000 rows delivered"), "{}", ended.err);
    ensure!(place.database.rows()? == before, "the replay changed rows");
    Ok(())
}

#[test]
fn a_table_that_is_not_there_or_is_another_one_ends_the_host_with_a_remedy() -> Result<()> {
    let place = Place::new(Faults::default(), 1)?;
    Broker::shared().produce(&place.from, [Record::of("{\"n\":1}")])?;
    let columns = "columns = { n = \"int\", fare = \"decimal(2)\" }";
    let ends = |sink: &str, words: &[&str]| -> Result<()> {
        let mut host = place.builder("", sink).spawn()?;
        let status = host.wait(PATIENCE)?;
        ensure!(status.code() == Some(1), "{status}: {}", host.log());
        words.iter().try_for_each(|words| {
            ensure!(host.log().contains(words), "{words} is not in {}", host.log());
            Ok(())
        })
    };
    let make = format!("CREATE TABLE \\\"{}\\\" (\\\"_id\\\" string, \\\"n\\\" int", place.database.table);
    let missing = format!("there is no table `{}`", place.database.table);
    ends(columns, &[&missing, "write `create_table = true`, or make it", &make.replace('\\', "")])?;
    place.database.execute("CREATE TABLE @ (\"_id\" id, \"n\" string)")?;
    let wrong = [
        "its `_id` is of type `id`, and `id` makes `string`",
        "its column `n` is of type `string`, and not `int`: correct `columns`",
        "it has no column `fare`: ALTER TABLE",
    ];
    ends(columns, &wrong)?;
    ends(&format!("{columns}\ncreate_table = true"), &wrong)?;
    // nothing was committed: the record is there for whoever corrects it
    ensure!(Broker::shared().lag(&place.group, &place.from)? == 1);
    place.work_off(
        "id = { template = \"{n}\", type = \"id\" }\ncolumns = { n = \"string\" }",
        [Record::of("{\"n\":7}")],
    )?;
    // a number is no text for the column
    ensure!(place.letters()?.len() == 2 && place.database.rows()?.is_empty());

    // a table that goes while rows come
    place.database.execute("DROP TABLE @")?;
    place.database.execute("CREATE TABLE @ (\"_id\" string, \"n\" int)")?;
    let mut host = place.builder("", "columns = { n = \"int\" }\nbatch = { age = \"100 ms\" }").start()?;
    place.database.execute("DROP TABLE @")?;
    Broker::shared().produce(&place.from, [Record::of("{\"n\":1}")])?;
    let status = host.wait(PATIENCE)?;
    ensure!(status.code() == Some(1), "{status}: {}", host.log());
    ensure!(host.log().contains("correct the table, or the configuration"), "{}", host.log());
    ensure!(Broker::shared().lag(&place.group, &place.from)? == 1);
    Ok(())
}

#[test]
fn requests_of_a_second_each_are_few_and_large_by_default() -> Result<()> {
    let faults = Faults { insert: Duration::from_secs(1), ..Faults::default() };
    let place = Place::of(Database::imitated(faults)?, PARTITIONS)?;
    let server = place.database.stand_in().context("it is imitated")?;
    let count = 100_000;
    let rows = |n: i32| Record::of(json!({ "n": n }).to_string()).to(n % PARTITIONS);
    Broker::shared().produce(&place.from, (0..count).map(rows))?;
    let mut host = place.waiting("30 s", "", "columns = { n = \"int\" }\ncreate_table = true").start()?;
    place.wait_for_end()?;
    let requests = host.metrics()?.sum("edgemill_http_requests_total", &[]);
    ensure!(host.stop()?.success(), "{}", host.log());
    println!("{count} rows in {requests} requests, the largest of {} rows", server.largest());
    ensure!(place.database.count()? == count as usize, "{} rows", place.database.count()?);
    // ten are full; partitions may move from one worker to the other at the start, and ends are in parts
    ensure!(server.largest() == 10_000 && requests <= 20.0, "{requests} requests, {} rows", server.largest());
    Ok(())
}

#[test]
fn promise_one_a_server_that_fails_in_words_that_nobody_has_seen_makes_no_dead_letters() -> Result<()> {
    let place = Place::of(Database::imitated(Faults::default())?, 1)?;
    let server = place.database.stand_in().context("it is imitated")?;
    let sink = "columns = { n = \"int\" }\ncreate_table = true\nbatch = { records = 8, age = \"50 ms\" }";
    let mut host = place.builder("", sink).start()?;
    for (round, says) in ["runtime error: index out of range [3]", "shard 5 is unavailable"].into_iter().enumerate() {
        server.fail(Faults { says, ..Faults::default() });
        let before = server.answers().get("Strange").copied().unwrap_or_default();
        let rows = |n: usize| Record::of(json!({ "n": n }).to_string());
        Broker::shared().produce(&place.from, (0..20).map(rows))?;
        // more tries than it takes to split a request until each row stands alone
        let tried = || Ok((server.answers().get("Strange").is_some_and(|now| *now >= before + 6)).then_some(()));
        wait_for("some tries", PATIENCE, tried)?;
        server.fail(Faults::default());
        place.wait_for_end()?;
        ensure!(place.database.rows()?.len() == 20 * (round + 1), "{} rows", place.database.rows()?.len());
    }
    ensure!(host.stop()?.success(), "{}", host.log());
    ensure!(place.letters()?.is_empty(), "{} dead letters", place.letters()?.len());
    ensure!(host.log().contains("[3]; an error that is not known counts as the server's"), "{}", host.log());
    Ok(())
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() -> Result<()> {
    let place = Place::of(Database::imitated(Faults::default())?, 1)?;
    let server = place.database.url().rsplit(':').next().context("a port")?.parse()?;
    let port = free_port();
    let sink = "columns = { n = \"int\" }\ncreate_table = true\nbatch = { age = \"100 ms\" }";
    let config = CONFIG.replace("@url@", &format!("http://127.0.0.1:{port}"));
    let host = Host::builder(&config).set("chain", "").set("sink", sink).set("timeout", "2 s");
    let host = host.set("brokers", Broker::shared().address()).set("from", &place.from).set("group", &place.group);
    let mut host = host.set("letters", &place.letters).set("table", &place.database.table).start()?;
    host.logs("the destination cannot be tried now")?;
    Broker::shared().produce(&place.from, (0..10).map(|n| Record::of(json!({ "n": n }).to_string())))?;
    host.logs("a request is tried again")?;
    let _there = Proxy::start(port, server)?;
    place.wait_for_end()?;
    ensure!(host.stop()?.success(), "{}", host.log());
    ensure!(place.database.rows()?.len() == 10);
    Ok(())
}
