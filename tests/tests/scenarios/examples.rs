//! The examples: each one's own file against a real Kafka, and what comes out, to the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use edgemill::generate::{Flights, Generate, Lz4, PageViews};
use edgemill_tests::database::Database;
use edgemill_tests::example;
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD, USERNAME};
use edgemill_tests::host::Builder;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Kafka, Record, SecureBroker, modules, program, scale, unique, wait_for};
use rdkafka::Message;
use serde_json::{Value, json};

/// Waits until a group has committed all of a topic.
fn done(kafka: &Kafka, group: &str, topic: &str) -> Result<()> {
    wait_for("everything is committed", PATIENCE * 4, || Ok((kafka.lag(group, topic)? == 0).then_some(())))
}

fn stopped(mut host: Host) -> Result<()> {
    let status: ExitStatus = host.stop()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// The host's variables for FeatureBase Cloud.
fn to(cloud: &Featurebase, host: Builder) -> Builder {
    host.env("FEATUREBASE_ENDPOINT", cloud.endpoint())
        .env("FEATUREBASE_LOGIN_URL", cloud.login_url())
        .env("FEATUREBASE_USERNAME", USERNAME)
        .env("FEATUREBASE_PASSWORD", PASSWORD)
}

const VIEWS: [(&str, u64); 2] = [("pageviews", 1200), ("pageviews-mobile", 300)];

/// The page views of the example's topics, by `_id`.
fn views() -> BTreeMap<String, Value> {
    let count = VIEWS.iter().map(|(_, count)| count).sum();
    let views = (0..count).map(|i| {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        PageViews::new(1).record(i, &mut key, &mut value);
        let mut view: Value = serde_json::from_slice(&value).expect("generated page views are JSON");
        let text = |name: &str| view[name].as_str().unwrap_or_default().to_owned();
        let id = format!("{}|{}|{}", text("userid"), text("pageid"), view["viewtime"]);
        view["_id"] = id.clone().into();
        (id, view)
    });
    views.collect()
}

/// The secure broker with the topics of the example, filled once for all scenarios: page views, and in each topic what is none.
pub(super) fn pageviews_broker() -> &'static SecureBroker {
    static FILLED: OnceLock<()> = OnceLock::new();
    let broker = SecureBroker::shared();
    let fill = || {
        broker.create_topic("pageviews.dead-letter", 1, &[])?;
        let mut i = 0;
        for (topic, count) in VIEWS {
            broker.create_topic(topic, 2, &[])?;
            let record = |i| {
                let (mut key, mut value) = (Vec::new(), Vec::new());
                PageViews::new(1).record(i, &mut key, &mut value);
                Record { key: Some(key), ..Record::of(value) }
            };
            broker.produce(topic, (i..i + count).map(record).chain([Record::of("no page view")]))?;
            i += count;
        }
        Ok::<(), anyhow::Error>(())
    };
    FILLED.get_or_init(|| fill().unwrap_or_else(|error| panic!("{error:#}")));
    broker
}

/// The example's host, with what is right.
pub(super) fn pageviews(cloud: &Featurebase, group: &str) -> Result<Builder> {
    let broker = pageviews_broker();
    let host = example::host("pageviews")?
        .env("KAFKA_BROKERS", broker.tls_address())
        .env("KAFKA_GROUP", group)
        .env("KAFKA_USERNAME", "bob")
        .env("KAFKA_PASSWORD", "bob-secret")
        .env("KAFKA_CA", broker.certificate("ca.crt"));
    Ok(to(cloud, host))
}

#[test]
fn example_pageviews_brings_every_view_of_two_topics_to_the_cloud_once_for_a_group() -> Result<()> {
    let (broker, cloud) = (pageviews_broker(), Featurebase::start(Faults::default())?);
    let fixed = unique("fixed");
    // a group that is known goes on, a new one reads everything
    for (run, group) in [(1, fixed.clone()), (1, fixed), (2, unique("random"))] {
        let host = pageviews(&cloud, &group)?.start()?;
        for (topic, _) in VIEWS {
            done(broker, &group, topic)?;
        }
        for secret in ["bob-secret", PASSWORD] {
            ensure!(!host.log().contains(secret), "the log has a password");
        }
        stopped(host)?;
        let rows = cloud.rows();
        ensure!(rows.values().all(|kept| kept.times == run), "run {run}: rows came more or less often");
        assert_eq!(rows.into_iter().map(|(id, kept)| (id, kept.row)).collect::<BTreeMap<_, _>>(), views());
    }
    ensure!(cloud.largest() <= 500);
    let letters = broker.consume("pageviews.dead-letter")?;
    ensure!(letters.len() >= 4, "two runs, two letters each: {}", letters.len());
    for letter in letters {
        assert_eq!(
            (letter.text().as_str(), letter.header("edgemill.code").as_deref()),
            ("no page view", Some("not-json"))
        );
    }
    Ok(())
}

/// A flight's columns, in the table's order.
pub(super) const FLIGHT: [&str; 15] = [
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

#[test]
fn example_flights_brings_every_generated_flight_to_the_cloud_flat() -> Result<()> {
    let broker = Broker::shared();
    for count in [100, scale(20_000, 1_000_000)] {
        let (topic, group, cloud) =
            (broker.topic("flights", 4)?, unique("group"), Featurebase::start(Faults::default())?);
        broker.create_topic(&format!("{topic}.dead-letter"), 1, &[])?;
        let number = count.to_string();
        // as its README has it
        let args = ["generate", "flights", "--count", &number, "--brokers", &broker.address(), "--topic", &topic];
        let made = program::run(args, b"")?;
        ensure!(made.code == Some(0), "{}", made.err);
        let host = example::host("flights")?
            .env("KAFKA_BROKERS", broker.address())
            .env("KAFKA_TOPIC", &topic)
            .env("KAFKA_GROUP", &group);
        let host = to(&cloud, host).start()?;
        done(broker, &group, &topic)?;
        stopped(host)?;
        let (rows, flights, mut flat) = (cloud.rows(), Flights::new(1), Vec::new());
        for i in 0..count {
            flights.flat(i, &mut flat);
            let wanted: Value = serde_json::from_slice(&flat)?;
            let kept =
                rows.get(wanted["_id"].as_str().unwrap_or_default()).with_context(|| format!("no flight {i}"))?;
            ensure!(kept.row == wanted && kept.times == 1, "flight {i}, {} times: {}", kept.times, kept.row);
        }
        ensure!(rows.len() as u64 == count && cloud.largest() <= 500, "{} rows", rows.len());
        ensure!(cloud.logins() == 1, "{} logins", cloud.logins());
        assert_eq!(broker.ends(&format!("{topic}.dead-letter"))?, [0]);
    }
    Ok(())
}

#[test]
fn example_flights_brings_every_generated_flight_to_a_featurebase_server_flat() -> Result<()> {
    let broker = Broker::shared();
    let (topic, group, database) = (broker.topic("flights", 4)?, unique("group"), Database::start(Faults::default())?);
    broker.create_topic(&format!("{topic}.dead-letter"), 1, &[])?;
    let count = scale(20_000, 1_000_000);
    let number = count.to_string();
    let args = ["generate", "flights", "--count", &number, "--brokers", &broker.address(), "--topic", &topic];
    let made = program::run(args, b"")?;
    ensure!(made.code == Some(0), "{}", made.err);
    let host = example::builder(&example::text("flights", "server.toml")?)
        .env("KAFKA_BROKERS", broker.address())
        .env("KAFKA_TOPIC", &topic)
        .env("KAFKA_GROUP", &group)
        .env("FEATUREBASE_URL", database.url())
        .env("FEATUREBASE_TABLE", &database.table)
        .start()?;
    done(broker, &format!("{group}-server"), &topic)?;
    stopped(host)?;
    let (rows, flights, mut flat) = (database.rows()?, Flights::new(1), Vec::new());
    ensure!(rows.len() as u64 == count, "{} rows", rows.len());
    for i in 0..count {
        flights.flat(i, &mut flat);
        let wanted: Value = serde_json::from_slice(&flat)?;
        let row = rows.get(wanted["_id"].as_str().unwrap_or_default()).with_context(|| format!("no flight {i}"))?;
        let columns = FLIGHT.map(|name| wanted[name].clone());
        ensure!(row[..] == columns, "flight {i}: {row:?} is not {columns:?}");
    }
    assert_eq!(broker.ends(&format!("{topic}.dead-letter"))?, [0]);
    Ok(())
}

/// The topics of the stream processor: input, output, dead letters. The fourth has one name in all scenarios.
fn stream_topics() -> Result<(String, String, String)> {
    static MADE: OnceLock<()> = OnceLock::new();
    let broker = Broker::shared();
    MADE.get_or_init(|| {
        broker.create_topic("events-high", 1, &[]).unwrap_or_else(|error| panic!("{error:#}"));
    });
    Ok((broker.topic("events", 2)?, broker.topic("processed", 2)?, broker.topic("events-dead", 1)?))
}

#[test]
fn example_stream_processor_takes_its_settings_from_dotenv_and_the_environment_and_writes_two_topics() -> Result<()> {
    let (broker, group) = (Broker::shared(), unique("group"));
    let (from, to, dead) = stream_topics()?;
    let event = |n: i64| json!({ "id": format!("event {n}"), "value": n });
    let good = (0..300).map(|n| Record::of(event(n).to_string()).keyed(n.to_string()));
    let bad = [r#"{"id":"x"}"#, r#"{"value":"many"}"#, "no json"].map(Record::of);
    broker.produce(&from, good.chain(bad))?;
    let settings = format!(
        "# settings\nKAFKA_BROKERS='{}'\nexport INPUT_TOPIC={from}   # read\nOUTPUT_TOPIC=not-this-one\n\
         DEAD_LETTER_TOPIC=\"{dead}\"\nKAFKA_GROUP = {group}\n",
        broker.address()
    );
    let now = || jiff::Timestamp::now().to_string();
    let before = now();
    // what stands in the environment comes first
    let host = example::host("stream-processor")?.file(".env", settings).env("OUTPUT_TOPIC", &to).start()?;
    done(broker, &group, &from)?;
    stopped(host)?;
    let after = now();

    let check = |rows: Vec<Consumed>, numbers: std::ops::Range<i64>| {
        let mut seen = BTreeSet::new();
        for row in rows {
            let mut value: Value = serde_json::from_str(&row.text())?;
            let n = value["value"].as_i64().context("a row without its value")?;
            let members = value.as_object_mut().context("an object")?;
            let at = members.remove("processed_at").context("processed_at")?;
            ensure!(
                at.as_str().is_some_and(|at| before[..23] <= at[..23] && at <= after.as_str()),
                "{before} {at} {after}"
            );
            ensure!(members.remove("processed_value") == Some((2 * n).into()), "row {n} has another product");
            ensure!(value == event(n) && row.key == Some(n.to_string().into_bytes()), "row {n}: {value}");
            ensure!(seen.insert(n), "row {n} is there twice");
        }
        ensure!(seen == numbers.collect(), "rows {seen:?}");
        Ok(())
    };
    check(broker.consume(&to)?, 0..300)?;
    check(broker.consume("events-high")?, 50..300)?;
    let letters = broker.consume(&dead)?;
    let codes: BTreeSet<_> = letters.iter().filter_map(|letter| letter.header("edgemill.code")).collect();
    assert_eq!((letters.len(), codes), (3, ["missing", "not-json", "wrong-type"].map(str::to_owned).into()));
    Ok(())
}

#[test]
fn example_stream_processor_tries_faults_again_with_backoff_before_they_are_dead_letters() -> Result<()> {
    let (broker, group) = (Broker::shared(), unique("group"));
    let (from, to, dead) = stream_topics()?;
    broker.produce(&from, ["1", "T!", "2"].map(|value| Record::of(value).to(0).keyed("k")))?;
    let host = example::host("stream-processor")?
        .env("EDGEMILL_MODULES", "modules")
        .module("component/stream-processor.wasm", modules::hostile("poison")?)
        .env("KAFKA_BROKERS", broker.address())
        .env("INPUT_TOPIC", &from)
        .env("OUTPUT_TOPIC", &to)
        .env("DEAD_LETTER_TOPIC", &dead)
        .env("KAFKA_GROUP", &group)
        .start()?;
    done(broker, &group, &from)?;
    let retries = host.metrics()?.sum("edgemill_retries_total", &[("class", "trap")]);
    stopped(host)?;
    let values: Vec<String> = broker.consume(&to)?.iter().map(Consumed::text).collect();
    assert_eq!(values, ["1", "2"]);
    let letters = broker.consume(&dead)?;
    let told = |name| letters.first().and_then(|letter| letter.header(name));
    assert_eq!(
        (letters.len(), told("edgemill.class").as_deref(), told("edgemill.tries").as_deref()),
        (1, Some("trap"), Some("4"))
    );
    // more, where the partition moved to the other worker in between
    ensure!(retries >= 3.0, "{retries} retries");
    Ok(())
}

/// Records of all shapes, numbered in a header.
fn shapes(numbers: std::ops::Range<u8>) -> Vec<Record> {
    let shape = |n: u8| {
        let bytes = vec![n, 0, 0xff, b'"'];
        Record {
            key: [None, Some(bytes.clone()), Some(Vec::new())][usize::from(n) % 3].clone(),
            value: [Some(bytes.repeat(100)), None, Some(Vec::new()), Some(b"text".to_vec())][usize::from(n) % 4]
                .clone(),
            headers: vec![("n".to_owned(), Some(vec![n])), ("empty".to_owned(), None)],
            timestamp: Some(1_700_000_000_000 + i64::from(n)),
            partition: None,
        }
    };
    numbers.map(shape).collect()
}

/// What a topic has, by the number in the header.
fn by_number(kafka: &Kafka, topic: &str) -> Result<Vec<Record>> {
    let record =
        |Consumed { key, value, headers, timestamp, .. }| Record { partition: None, key, value, headers, timestamp };
    let mut all: Vec<Record> = kafka.consume(topic)?.into_iter().map(record).collect();
    all.sort_by(|one, other| one.headers.cmp(&other.headers));
    Ok(all)
}

#[test]
fn example_passthrough_keeps_records_as_they_are_and_begins_where_it_is_told() -> Result<()> {
    let (broker, from) = (Broker::shared(), Broker::shared().topic("input", 2)?);
    let host = |start: &str, group: &str, to: &str| {
        let host = example::host("passthrough")?.env("KAFKA_BROKERS", broker.address()).env("INPUT_TOPIC", &from);
        anyhow::Ok(
            host.env("OUTPUT_TOPIC", to).env("KAFKA_GROUP", group).env("START", start).env("CLIENT_ID", "copier"),
        )
    };
    broker.produce(&from, shapes(0..60))?;
    let (first, to) = (unique("group"), broker.topic("output", 2)?);
    let copier = host("earliest", &first, &to)?.start()?;
    // a member's id begins with its client's
    let members = broker.members(&first)?;
    ensure!(!members.is_empty() && members.iter().all(|id| id.starts_with("copier-")), "{members:?}");
    done(broker, &first, &from)?;
    stopped(copier)?;
    assert_eq!(by_number(broker, &to)?, shapes(0..60));

    let (second, end) = (unique("group"), broker.topic("output", 2)?);
    let copier = host("latest", &second, &end)?.start()?;
    broker.produce(&from, shapes(60..90))?;
    done(broker, &second, &from)?;
    stopped(copier)?;
    assert_eq!(by_number(broker, &end)?, shapes(60..90));

    let copier = host("stored", &first, &to)?.start()?;
    done(broker, &first, &from)?;
    stopped(copier)?;
    assert_eq!(by_number(broker, &to)?, shapes(0..90));
    let third = unique("group");
    let mut copier = host("stored", &third, &to)?.spawn()?;
    assert_eq!(copier.wait(PATIENCE)?.code(), Some(1));
    ensure!(copier.log().contains(&third) && copier.log().contains("stored"), "{}", copier.log());
    Ok(())
}

/// The example's host, with what is right: alice comes with her certificate and her password.
pub(super) fn lz4_consumer(text: &str, topic: &str, group: &str) -> Builder {
    let broker = SecureBroker::shared();
    example::builder(text)
        .env("KAFKA_BROKERS", broker.mutual_address())
        .env("KAFKA_TOPIC", topic)
        .env("KAFKA_GROUP", group)
        .env("KAFKA_USERNAME", "alice")
        .env("KAFKA_PASSWORD", "alice-secret")
        .env("KAFKA_CA", broker.certificate("ca.crt"))
        .env("KAFKA_CERTIFICATE", broker.certificate("client.crt"))
        .env("KAFKA_KEY", broker.certificate("client.key"))
}

/// The session timeouts that the members of a group asked for, in milliseconds: what brokers keep of a group has them behind
/// each member's address and the time that a rebalance may take.
fn session_timeouts(kafka: &Kafka, group: &str) -> Result<BTreeSet<i32>> {
    let (mut all, address) = (BTreeSet::new(), b"/127.0.0.1");
    let contains = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
    kafka.consume_each("__consumer_offsets", |message| {
        let of_group = message.key().is_some_and(|key| contains(key, group.as_bytes()));
        let kept = message.payload().filter(|_| of_group).unwrap_or_default();
        let times = kept.windows(address.len() + 8).filter(|window| window.starts_with(address));
        all.extend(times.filter_map(|window| window.last_chunk().map(|time| i32::from_be_bytes(*time))));
    })?;
    Ok(all)
}

#[test]
fn example_lz4_consumer_prints_frames_and_text_from_the_end_on_with_their_places() -> Result<()> {
    let (broker, name) = (SecureBroker::shared(), unique("lz4"));
    let topic = broker.topic("lz4", 2)?;
    let frame = |text: &str| {
        let mut value = text.as_bytes().to_vec();
        Lz4::new().wrap(&mut value);
        value
    };
    broker.produce(&topic, ["before the start"].map(|text| Record::of(text).to(0)))?;
    let host = lz4_consumer(&example::text("lz4-consumer", "edgemill.toml")?, &topic, &name).start()?;
    let values: Vec<Vec<u8>> =
        vec![frame("größer"), b"plain \"text\"".to_vec(), b"\xff neither".to_vec(), frame(&"long ".repeat(5000))];
    broker.produce(&topic, (0..2).flat_map(|p| values.iter().map(move |value| Record::of(value.clone()).to(p))))?;
    let group = format!("alice-{name}");
    done(broker, &group, &topic)?;
    assert_eq!(session_timeouts(broker, &group)?, [30_000].into());
    let skipped = host.metrics()?.sum("edgemill_failures_total", &[("class", "reject"), ("action", "skip")]);
    let log = host.log();
    let mut lines: Vec<Value> = host.out().lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    stopped(host)?;
    ensure!(!log.contains("alice-secret") && !log.contains("PRIVATE KEY"), "the log has a secret");
    lines.sort_by_key(|line| (line["partition"].as_i64(), line["offset"].as_i64()));
    let wanted = [(0, 1), (1, 0)].map(|(partition, first)| {
        let texts = [(0, "größer".to_owned()), (1, "plain \"text\"".to_owned()), (3, "long ".repeat(5000))];
        texts.map(|(n, text)| json!({ "partition": partition, "offset": first + n, "value": text }))
    });
    assert_eq!(lines, wanted.concat());
    assert_eq!(skipped, 2.0);
    Ok(())
}
