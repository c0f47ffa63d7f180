//! What good configurations become.

use super::parse;
use crate::config::*;
use crate::policy::{Action, Policy};
use crate::source::BatchLimit;
use serde_json::json;

fn good(text: &str) -> Config {
    let (config, report) = parse(text).unwrap_or_else(|report| panic!("{report}"));
    assert!(report.is_empty(), "{report}");
    config
}

#[test]
fn every_key_is_read() {
    let config = good(include_str!("good.toml"));
    assert_eq!(config.modules, Path::new("/etc/edgemill/modules"));
    assert_eq!(config.state, Path::new("/var/lib/edgemill"));
    assert_eq!((config.host.as_str(), config.log), ("mill-1", LogFormat::Json));
    assert_eq!(config.admin, Some("127.0.0.1:9691".parse().unwrap()));
    assert_eq!(config.grace, Duration::from_secs(20));
    let [flights, views] = &config.pipelines[..] else { panic!("two pipelines") };
    assert_eq!((flights.name.as_str(), flights.workers), ("flights", 2));
    assert_eq!(flights.batch, BatchLimit { records: 512, bytes: 2_000_000 });
    assert_eq!(flights.commit_interval, Duration::from_millis(500));

    let source = &flights.source;
    assert_eq!(source.client.brokers, "kafka-1:9092,kafka-2:9092");
    assert_eq!(source.client.unreachable_after, Some(Duration::from_secs(120)));
    assert_eq!(source.topics, Topics::List(vec!["flights".to_owned(), "flights.late".to_owned()]));
    assert_eq!((source.group.as_str(), source.static_membership), ("edgemill-flights", true));
    assert_eq!(source.start, Start::Offsets([(0, 1200), (1, 0)].into()));
    assert_eq!(source.fetch_ahead, 16 << 20);
    assert_eq!(source.stalled_after, Some(Duration::from_secs(120)));
    assert_eq!(source.client.options["sasl.username"], "ann");
    assert_eq!(source.client.options["sasl.password"], "hunter2");
    assert_eq!(source.client.options["fetch.queue.backoff.ms"], "5");
    assert_eq!(source.client.options["check.crcs"], "true");

    let [lz4, flatten] = &flights.chain[..] else { panic!("two modules") };
    assert_eq!(lz4.limits, Limits { memory: 128 << 20, time: None });
    assert_eq!(lz4.policy, Policy { reject: Action::DeadLetter, fault: Action::Stop });
    assert_eq!((lz4.module.as_str(), &lz4.config), ("lz4-decompress.wasm", &Value::Null));
    assert_eq!(flatten.limits, Limits { memory: 64 << 20, time: Some(Duration::from_millis(250)) });
    assert_eq!(flatten.policy, Policy { reject: Action::Skip, fault: Action::Stop });
    let fields = json!([{ "name": "price", "scale": 2, "share": 0.5, "path": ["a", "${b}"] }]);
    assert_eq!(flatten.config, json!({ "on_missing": "null", "fields": fields }));

    assert_eq!(views.source.client.brokers, "kafka-1:9092,kafka-2:9092");
    assert_eq!(views.source.topics, Topics::Pattern("^pageviews-[a-z]+$".to_owned()));
    assert_eq!(views.source.start, Start::Timestamp(1_714_521_600_000));
    assert!(matches!(views.sink, Sink::Stdout) && views.chain.is_empty() && views.dead_letter.is_none());
    assert_eq!(views.workers, 4);
}

#[test]
fn a_sink_takes_over_how_the_source_connects_unless_it_names_brokers() {
    let config = good(include_str!("good.toml"));
    let Sink::Kafka(sink) = &config.pipelines[0].sink else { panic!("a Kafka sink") };
    assert_eq!(sink.client.brokers, "kafka-1:9092,kafka-2:9092");
    assert_eq!(sink.client.options["sasl.password"], "hunter2");
    assert_eq!(sink.client.options["linger.ms"], "2.5");
    assert!(!sink.client.options.contains_key("client.id") && !sink.client.options.contains_key("check.crcs"));
    let dead_letter = config.pipelines[0].dead_letter.as_ref().unwrap();
    assert_eq!(dead_letter.client.brokers, "other:9092");
    assert!(dead_letter.client.options.is_empty());
}

#[test]
fn secrets_are_not_in_what_is_printed_of_a_configuration() {
    let config = good(include_str!("good.toml"));
    let printed = format!("{config:?}");
    assert!(printed.contains("sasl.password") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_file_of_ten_lines_has_defaults_for_the_rest() {
    let config = good(
        r#"
        [pipelines.copy.source]
        brokers = "localhost:9092"
        topics = ["a"]
        group = "copy"
        [pipelines.copy.sink]
        type = "kafka"
        topic = "b"
        "#,
    );
    assert_eq!(config.state, Path::new("/home/ann/.local/state/edgemill"));
    assert_eq!(config.admin, Some("127.0.0.1:9690".parse().unwrap()));
    assert_eq!(config.host, "bench");
    let copy = &config.pipelines[0];
    assert_eq!(copy.source.start, Start::Earliest);
    assert_eq!(copy.source.client.unreachable_after, Some(Duration::from_secs(60)));
    assert_eq!(copy.batch, BatchLimit { records: 1024, bytes: 1 << 20 });
    let Sink::Kafka(sink) = &copy.sink else { panic!("a Kafka sink") };
    assert_eq!((sink.partition, sink.in_flight), (Partitioning::Key, 32 << 20));
}

#[test]
fn what_may_be_never_or_off_can_be() {
    let text = "unreachable_after = \"never\"\n[admin]\nlisten = \"off\"\n[pipelines.a.source]\nbrokers = \"b:1\"\ntopics = \
                [\"t\"]\ngroup = \"g\"\nstart = \"stored\"\n[pipelines.a.sink]\ntype = \"stdout\"\n";
    let config = good(text);
    assert_eq!((config.admin, config.pipelines[0].source.client.unreachable_after), (None, None));
    assert_eq!(config.pipelines[0].source.start, Start::Stored);
    let config = good(&text.replace("\"never\"", "\"0s\""));
    assert_eq!(config.pipelines[0].source.client.unreachable_after, Some(Duration::ZERO));
}
