//! What a record looks like when it arrives: keys, nulls, headers, timestamps, and the partition and topic it is in.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Record, modules, unique, wait_for};

/// A pipeline that takes a topic to another; `chain`, `sink` and `end` are lines of TOML.
struct Pass {
    name: &'static str,
    chain: String,
    sink: String,
    end: String,
    from: String,
    to: String,
}

impl Pass {
    fn new(name: &'static str, partitions: (i32, i32)) -> Result<Self> {
        let broker = Broker::shared();
        let (from, to) = (broker.topic(&format!("{name}-from"), partitions.0)?, broker.topic(name, partitions.1)?);
        Ok(Self { name, chain: String::new(), sink: String::new(), end: String::new(), from, to })
    }

    fn through(mut self, module: &str) -> Self {
        self.chain = format!("[[pipelines.{}.chain]]\nmodule = \"{module}\"\n", self.name);
        self
    }

    fn dead_letters(mut self) -> Result<Self> {
        let topic = Broker::shared().topic(&format!("{}-dead", self.name), 1)?;
        self.end = format!("[pipelines.{}.dead-letter]\ntopic = \"{topic}\"\n", self.name);
        Ok(self)
    }

    fn dead_letter_topic(&self) -> &str {
        self.end.split('"').nth(1).expect("there is a dead-letter topic")
    }
}

/// Runs pipelines until everything is committed, and stops them.
fn run(passes: &[Pass], modules: &[(&str, Vec<u8>)]) -> Result<Host> {
    let mut config = "state = \"@dir@/state\"\n".to_owned();
    let groups: Vec<String> = passes.iter().map(|pass| unique(pass.name)).collect();
    for (Pass { name, chain, sink, end, from, to }, group) in passes.iter().zip(&groups) {
        let on = if end.is_empty() { "on = { reject = \"stop\", fault = \"stop\" }" } else { "" };
        config += &format!(
            "[pipelines.{name}]\nworkers = 1\ncommit_interval = \"50 ms\"\n{on}\n\
             [pipelines.{name}.source]\nbrokers = \"{}\"\ntopics = [\"{from}\"]\ngroup = \"{group}\"\n{chain}\
             [pipelines.{name}.sink]\ntype = \"kafka\"\ntopic = \"{to}\"\n{sink}\n{end}\n",
            Broker::shared().address()
        );
    }
    let builder = modules.iter().fold(Host::builder(&config), |builder, (name, bytes)| builder.module(name, bytes));
    let mut host = builder.start()?;
    for (pass, group) in passes.iter().zip(&groups) {
        wait_for(&format!("{} is done", pass.name), PATIENCE, || {
            ensure!(host.try_wait()?.is_none(), "the host ended");
            Ok((Broker::shared().lag(group, &pass.from)? == 0).then_some(()))
        })?;
    }
    assert_eq!(host.stop()?.code(), Some(0));
    Ok(host)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Every key, headers and timestamp with every value.
fn shapes(values: &[Option<&[u8]>]) -> Vec<Record> {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let rich = vec![
        header("a", Some(b"1")),
        header("b", None),
        header("a", Some(b"2")),
        header("", Some(b"")),
        header("binary", Some(&[0, 255, 10])),
    ];
    let mut records = Vec::new();
    let hour_ago = now() - 3_600_000;
    for value in values.iter().chain([&None]) {
        for key in [Some(b"key".to_vec()), None, Some(Vec::new()), Some(vec![0, 255])] {
            for headers in [Vec::new(), rich.clone(), vec![header("one", Some(b"1"))]] {
                // not in order, as producers' clocks are
                let timestamp = Some(hour_ago + (records.len() as i64 * 7919) % 1000);
                let value = value.map(<[u8]>::to_vec);
                records.push(Record { key: key.clone(), value, headers, timestamp, partition: Some(0) });
            }
        }
    }
    records
}

const VIEW: &str = r#"{"viewtime":6671,"userid":"User_2","pageid":"Page_64"}"#;
const VIEW_OUT: &str = r#"{"_id":"User_2|Page_64|6671","viewtime":6671,"userid":"User_2","pageid":"Page_64"}"#;
const FLIGHT: &str = r#"{"flight_id":"dce423fc82c0d5b8","airline":"Thai Airways","stops":0,"price":119.5,"origin":{"airport":"Singapore Changi Airport","iata":"SIN","icao":"WSSS","location":{"city":"Singapore","state":null,"country":"Singapore"}},"destination":{"airport":"Gatwick Airport","iata":"LGW","icao":"EGKK","location":{"city":"London","state":"England","country":"United Kingdom"}}}"#;
const FLIGHT_OUT: &str = r#"{"_id":"dce423fc82c0d5b8","airline":"Thai Airways","stops":0,"price":119.50,"origin_airport":"Singapore Changi Airport","origin_iata":"SIN","origin_icao":"WSSS","origin_loc_city":"Singapore","origin_loc_state":null,"origin_loc_country":"Singapore","destination_airport":"Gatwick Airport","destination_iata":"LGW","destination_icao":"EGKK","destination_loc_city":"London","destination_loc_state":"England","destination_loc_country":"United Kingdom"}"#;

/// An LZ4 frame with one stored block.
fn frame(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a small content") | 1 << 31;
    [&[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82], &length.to_le_bytes()[..], content, &[0; 4]].concat()
}

#[test]
fn keys_nulls_headers_and_timestamps_survive_every_chain() -> Result<()> {
    let framed = frame(VIEW.as_bytes());
    let same: &[(&[u8], &[u8])] = &[(b"text", b"text"), (b"", b""), (&[0, 255], &[0, 255])];
    let view: &[(&[u8], &[u8])] = &[(VIEW.as_bytes(), VIEW_OUT.as_bytes())];
    let flight: &[(&[u8], &[u8])] = &[(FLIGHT.as_bytes(), FLIGHT_OUT.as_bytes())];
    let lz4: &[(&[u8], &[u8])] = &[(b"text", b"text"), (&framed, VIEW.as_bytes())];
    let cases = [
        ("empty", None, same),
        ("identity", Some(("identity.wasm", modules::hostile("identity")?)), same),
        ("views", Some(("views.wasm", modules::shipped("pageviews.wasm")?)), view),
        ("views-component", Some(("views-c.wasm", modules::shipped("component/pageviews.wasm")?)), view),
        ("flights", Some(("flights.wasm", modules::shipped("flatten-flights.wasm")?)), flight),
        ("flights-component", Some(("flights-c.wasm", modules::shipped("component/flatten-flights.wasm")?)), flight),
        ("lz4", Some(("lz4.wasm", modules::shipped("lz4-decompress.wasm")?)), lz4),
        ("lz4-component", Some(("lz4-c.wasm", modules::shipped("component/lz4-decompress.wasm")?)), lz4),
    ];
    let (mut passes, mut files, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    for (name, module, values) in cases {
        let pass = Pass::new(name, (1, 1))?;
        let records = shapes(&values.iter().map(|(before, _)| Some(*before)).collect::<Vec<_>>());
        Broker::shared().produce(&pass.from, records.clone())?;
        passes.push(match &module {
            Some((file, _)) => pass.through(file),
            None => pass,
        });
        files.extend(module);
        inputs.push((records, values));
    }
    run(&passes, &files)?;
    for (pass, (records, values)) in passes.iter().zip(inputs) {
        let found = Broker::shared().consume(&pass.to)?;
        assert_eq!(found.len(), records.len(), "{}", pass.name);
        for (found, record) in found.into_iter().zip(records) {
            let Consumed { key, value, headers, timestamp, .. } = found;
            let after = |before: &Vec<u8>| values.iter().find(|(b, _)| b == before).map(|(_, after)| after.to_vec());
            let wanted = record.value.as_ref().map(|before| after(before).expect("it was produced"));
            assert_eq!(value, wanted, "{}", pass.name);
            assert_eq!((key, headers, timestamp), (record.key, record.headers, record.timestamp), "{}", pass.name);
        }
    }
    Ok(())
}

/// Java's `org.apache.kafka.common.utils.Utils.murmur2`.
fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let words = data.chunks_exact(4);
    let rest = words.remainder();
    for word in words {
        let mut k = u32::from_le_bytes(word.try_into().expect("a word has four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ hash >> 15) as i32
}

pub(super) fn java_partition(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

#[test]
fn the_hash_here_is_javas() {
    // UtilsTest.testMurmur2 of Apache Kafka
    let cases = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ];
    for (text, hash) in cases {
        assert_eq!(murmur2(text.as_bytes()), hash, "{text}");
    }
}

#[test]
fn a_key_goes_to_the_partition_that_java_clients_choose() -> Result<()> {
    let broker = Broker::shared();
    let keyed = Pass::new("keyed", (3, 7))?;
    let mut random = fastrand::Rng::with_seed(7);
    let mut keys: Vec<Vec<u8>> = (0..300).map(|length| (0..length % 40).map(|_| random.u8(..)).collect()).collect();
    keys.extend(["21", "foobar", "abc", "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"].map(Into::into));
    broker.produce(&keyed.from, keys.iter().map(|key| Record::of("x").keyed(key.clone())))?;
    broker.produce(&keyed.from, (0..100).map(|_| Record::of("no key")))?;
    run(std::slice::from_ref(&keyed), &[])?;
    let found = broker.consume(&keyed.to)?;
    assert_eq!(found.len(), keys.len() + 100);
    for record in found {
        if let Some(key) = &record.key {
            assert_eq!(record.partition, java_partition(key, 7), "{key:?}");
        }
    }
    Ok(())
}

#[test]
fn the_partition_can_be_the_inputs_and_a_row_that_has_none_there_is_a_dead_letter() -> Result<()> {
    let broker = Broker::shared();
    let sink = "partition = \"same-as-input\"".to_owned();
    let same = Pass { sink: sink.clone(), ..Pass::new("same", (5, 5))? };
    let fewer = Pass { sink, ..Pass::new("fewer", (5, 3))?.dead_letters()? };
    let records = || (0..100).map(|n| Record::of(n.to_string()).keyed("always the same").to(n % 5));
    broker.produce(&same.from, records())?;
    broker.produce(&fewer.from, records())?;
    let passes = [same, fewer];
    run(&passes, &[])?;
    let values = |topic: &str| -> Result<Vec<i32>> {
        broker.consume(topic)?.iter().map(|record| Ok(record.text().parse()?)).collect()
    };
    for record in broker.consume(&passes[0].to)? {
        assert_eq!(record.partition, record.text().parse::<i32>()? % 5);
    }
    assert_eq!(broker.ends(&passes[0].to)?, [20; 5]);
    assert_eq!(broker.ends(&passes[1].to)?, [20; 3]);
    let mut dead = values(passes[1].dead_letter_topic())?;
    dead.sort_unstable();
    assert_eq!(dead, (0..100).filter(|n| n % 5 > 2).collect::<Vec<_>>());
    let letters = broker.consume(passes[1].dead_letter_topic())?;
    assert!(letters.iter().all(|letter| letter.header("edgemill.code").as_deref() == Some("refused")));
    Ok(())
}

#[test]
fn a_module_routes_to_declared_topics_and_others_are_dead_letters() -> Result<()> {
    let broker = Broker::shared();
    let (late, early) = (broker.topic("late", 1)?, broker.topic("early", 1)?);
    let mut pass = Pass::new("routed", (1, 1))?.through("route.wasm").dead_letters()?;
    pass.sink = format!("routes = [\"{late}\", \"{early}\"]");
    let targets = [Some(late.as_str()), None, Some(early.as_str()), Some("nowhere"), Some(pass.to.as_str()), Some("")];
    let record = |n: usize| {
        let key = targets[n % targets.len()].map(|target| target.as_bytes().to_vec());
        Record { key, ..Record::of(n.to_string()).to(0) }
    };
    broker.produce(&pass.from, (0..600).map(record))?;
    let passes = [pass];
    run(&passes, &[("route.wasm", modules::hostile("route")?)])?;
    let numbers = |topic: &str| -> Result<Vec<usize>> {
        broker.consume(topic)?.iter().map(|record| Ok(record.text().parse()?)).collect()
    };
    let of = |wanted: &[usize]| (0..600).filter(|n| wanted.contains(&(n % 6))).collect::<Vec<_>>();
    assert_eq!(numbers(&late)?, of(&[0]));
    assert_eq!(numbers(&early)?, of(&[2]));
    assert_eq!(numbers(&passes[0].to)?, of(&[1, 4, 5]));
    let dead = passes[0].dead_letter_topic();
    assert_eq!(numbers(dead)?, of(&[3]));
    let letter = broker.consume(dead)?.swap_remove(0);
    assert_eq!(letter.key.as_deref(), Some(b"nowhere".as_slice()));
    let header = |name: &str| letter.header(name).context(name.to_owned());
    assert_eq!((header("edgemill.code")?, header("edgemill.module")?), ("unknown-route".into(), "route.wasm".into()));
    assert_eq!((header("edgemill.topic")?, header("edgemill.offset")?), (passes[0].from.clone(), "3".into()));
    Ok(())
}

#[test]
fn what_librdkafka_is_told_of_compression_reaches_it() -> Result<()> {
    let broker = Broker::shared();
    let mut passes = Vec::new();
    for (name, codec) in [("zstd", "zstd"), ("lz4", "lz4"), ("none", "none")] {
        let mut pass = Pass::new(name, (1, 1))?.dead_letters()?;
        pass.sink = format!("librdkafka = {{ \"compression.codec\" = \"{codec}\" }}");
        pass.to = unique("small");
        // the broker measures what it stores: 100 kB of zeros fit only when they are compressed
        broker.create_topic(&pass.to, 1, &[("max.message.bytes", "10000")])?;
        broker.produce(&pass.from, [Record::of(vec![b'0'; 100_000])])?;
        passes.push(pass);
    }
    run(&passes, &[])?;
    for (pass, delivered) in passes.iter().zip([1, 1, 0]) {
        assert_eq!(broker.ends(&pass.to)?, [delivered], "{}", pass.name);
        assert_eq!(broker.ends(pass.dead_letter_topic())?, [1 - delivered], "{}", pass.name);
    }
    Ok(())
}

#[test]
fn standard_output_has_a_json_line_a_record_and_offsets_are_committed() -> Result<()> {
    let broker = Broker::shared();
    let (from, group) = (broker.topic("printed", 2)?, unique("group"));
    let values = [Some(b"plain".to_vec()), Some(b"\"\n\x01".to_vec()), Some(vec![255, 0]), Some(Vec::new()), None];
    let record = |(n, value): (usize, &Option<Vec<u8>>)| Record {
        value: value.clone(),
        partition: Some((n % 2) as i32),
        ..Record::default()
    };
    broker.produce(&from, values.iter().enumerate().map(record))?;
    let config = r#"
        state = "@dir@/state"
        [pipelines.print]
        [pipelines.print.source]
        brokers = "@brokers@"
        topics = ["@from@"]
        group = "@group@"
        [pipelines.print.sink]
        type = "stdout"
        "#;
    let host = Host::builder(config).set("brokers", broker.address()).set("from", &from).set("group", &group);
    let mut host = host.start()?;
    wait_for("five lines", PATIENCE, || Ok((host.out().lines().count() == 5).then_some(())))?;
    assert_eq!(host.stop()?.code(), Some(0));
    let mut found = BTreeMap::new();
    for line in host.out().lines() {
        let line: serde_json::Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let place = (line["partition"].as_i64(), line["offset"].as_i64());
        found.insert(place, line["value"].clone());
    }
    let wanted = serde_json::json!(["plain", { "base64": "/wA=" }, null, "\"\n\u{1}", ""]);
    assert_eq!(serde_json::Value::Array(found.into_values().collect()), wanted);
    assert_eq!(broker.committed(&group, &from)?, [Some(3), Some(2)]);
    Ok(())
}
