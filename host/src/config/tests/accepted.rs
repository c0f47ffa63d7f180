//! What good configurations become.

use super::parse;
use crate::config::*;
use crate::policy::{Action, Class, Policy, Retry, Rule};
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
    assert_eq!((source.group.as_str(), source.static_membership), ("ann-flights", true));
    assert_eq!(source.start, Start::Offsets([(0, 1200), (1, 0)].into()));
    assert_eq!(source.fetch_ahead, 16 << 20);
    assert_eq!(source.stalled_after, Some(Duration::from_secs(120)));
    assert_eq!(source.client.options["sasl.username"], "ann");
    assert_eq!(source.client.options["sasl.password"], "hunter2");
    assert_eq!(source.client.options["fetch.queue.backoff.ms"], "5");
    assert_eq!(source.client.options["check.crcs"], "true");

    let [lz4, flatten] = &flights.chain[..] else { panic!("two modules") };
    let hour = Some(Duration::from_secs(3600));
    assert_eq!((lz4.look_back, flatten.look_back), (Some(LookBack { last: 100, age: hour }), None));
    assert_eq!(lz4.limits, Limits { memory: 128 << 20, time: None });
    let stopping = Policy::all(Action::DeadLetter).with(&Class::FAULTS, Action::Stop);
    assert_eq!((lz4.policy, flights.policy), (stopping, stopping));
    assert_eq!((lz4.module.as_str(), &lz4.config), ("lz4-decompress.wasm", &Value::Null));
    assert_eq!(flatten.limits, Limits { memory: 64 << 20, time: Some(Duration::from_millis(250)) });
    assert_eq!(flatten.policy, stopping.with(&[Class::Reject], Action::Skip));
    assert_eq!(flights.breaker, Some(Limit { failed: 0.25, of: 500, probe: Duration::from_secs(5) }));
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
    assert_eq!((sink.partition, sink.in_flight), (Partitioning::Key, 16 << 20));
}

#[test]
fn a_sink_of_the_cloud_has_defaults_for_all_but_where_and_who() {
    let config = good(
        r#"
        [pipelines.flights.source]
        brokers = "localhost:9092"
        topics = ["a"]
        group = "edgemill-a"
        [pipelines.flights.dead-letter]
        topic = "d"
        [pipelines.flights.sink]
        type = "featurebase-cloud"
        endpoint = "https://data.featurebase.com/v2/sinks/x"
        username = "ann"
        password = "${PASSWORD}"
        "#,
    );
    let Sink::FeaturebaseCloud(cloud) = &config.pipelines[0].sink else { panic!("the cloud") };
    assert_eq!(cloud.login_url.whole(), "https://id.featurebase.com");
    let batch = HttpBatch { records: 500, bytes: 1 << 20, age: Duration::from_secs(1), window: 4, in_flight: 16 << 20 };
    assert_eq!((cloud.batch, cloud.late_errors.as_ref()), (batch, None));
    let client = &cloud.client;
    assert_eq!(
        (client.timeout, client.gzip, &client.ca, &client.identity),
        (Duration::from_secs(30), false, &None, &None)
    );
}

#[test]
fn a_longer_chain_has_smaller_batches_unless_they_are_given() {
    let bytes = |modules: usize, given: &str| {
        let mut text = format!(
            "[pipelines.a]\n{given}\n[pipelines.a.source]\nbrokers = \"b:1\"\ntopics = [\"a\"]\ngroup = \"g\"\n"
        );
        text += &"[[pipelines.a.chain]]\nmodule = \"pageviews.wasm\"\n".repeat(modules);
        text += "[pipelines.a.sink]\ntype = \"stdout\"\n[pipelines.a.dead-letter]\ntopic = \"d\"\n";
        good(&text).pipelines[0].batch.bytes
    };
    assert_eq!((bytes(0, ""), bytes(1, ""), bytes(4, ""), bytes(40, "")), (1 << 20, 1 << 20, 256 << 10, 64 << 10));
    assert_eq!(bytes(4, "batch = { bytes = \"1 MiB\" }"), 1 << 20);
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

/// A pipeline of one module.
fn with(keys: &str, module_on: &str) -> String {
    format!(
        "[pipelines.p]\n{keys}\n[pipelines.p.source]\nbrokers = \"b:1\"\ntopics = [\"a\"]\ngroup = \"g\"\n\
         [[pipelines.p.chain]]\nmodule = \"pageviews.wasm\"\n{module_on}\n\
         [pipelines.p.sink]\ntype = \"kafka\"\ntopic = \"b\"\n"
    )
}

#[test]
fn what_a_module_says_comes_before_what_its_pipeline_says_and_a_class_before_all_faults() {
    let text = with(
        "on = { fault = \"stop\", trap = \"skip\", timeout = \"pause\", reject = \"skip\", refused = \"pause\" }",
        "on = { fault = \"pass-through\", timeout = \"skip\" }",
    );
    let pipeline = &good(&text).pipelines[0];
    let actions = Class::ALL.map(|class| pipeline.chain[0].policy.rule(class).then);
    let (skip, pass, pause) = (Action::Skip, Action::PassThrough, Action::Pause);
    assert_eq!(actions[..5], [skip, pass, skip, pass, pass]);
    let actions = Class::ALL.map(|class| pipeline.policy.rule(class).then);
    assert_eq!(actions, [skip, skip, pause, Action::Stop, Action::Stop, Action::Stop, pause]);
}

#[test]
fn a_retry_has_defaults_and_an_end() {
    let text = with("on = { reject = { retry = 5, backoff = \"1 s\", then = \"skip\" }, fault = { retry = 1 } }", "");
    let pipeline = &good(&(text + "[pipelines.p.dead-letter]\ntopic = \"d\"\n")).pipelines[0];
    let policy = pipeline.chain[0].policy;
    let rule = |times, backoff, then| Rule { retry: Some(Retry { times, backoff }), then };
    assert_eq!(policy.rule(Class::Reject), rule(5, Duration::from_secs(1), Action::Skip));
    assert_eq!(policy.rule(Class::Memory), rule(1, Duration::from_millis(100), Action::DeadLetter));
    assert_eq!(policy.rule(Class::Refused), Action::DeadLetter.into());
}

#[test]
fn what_the_sink_refuses_stops_a_pipeline_without_dead_letters_whatever_its_modules_do() {
    let pipeline = &good(&with("on = { reject = \"skip\", fault = \"skip\" }\nbreaker = \"off\"", "")).pipelines[0];
    assert_eq!(Class::SINK.map(|class| pipeline.policy.rule(class).then), [Action::Stop; 2]);
    assert_eq!(pipeline.breaker, None);
}

#[test]
fn sinks_by_http_have_every_key() {
    let source = "brokers = \"b:9092\"\ntopics = [\"t\"]\ngroup = \"g\"\n";
    let text = format!(
        r#"
[pipelines.plain]
on = {{ reject = "skip", fault = "skip", encode = "skip", refused = "skip" }}
[pipelines.plain.source]
{source}
[pipelines.plain.sink]
type = "http"
url = "https://example.com/rows"
method = "PUT"
headers = {{ Authorization = {{ file = "collector" }}, x-user = "${{USERNAME}}" }}
format = {{ template = '{{"rows": [{{{{rows}}}}]}}' }}
retry = [409, 418]
refused = {{ list = "/items", failed = "/error", message = "/error/reason" }}
batch = {{ records = 10, bytes = "64 KiB", age = "50 ms" }}
window = 2
in_flight = "1 MiB"
timeout = "5 s"
compression = "gzip"
tls = {{ ca = "certificates", certificate = "certificates", key = "certificates" }}
"#
    );
    let config = good(&text);
    let Sink::Http(sink) = &config.pipelines[0].sink else { panic!("a sink by HTTP") };
    let header = |name: &str| sink.headers[name].0.as_str();
    assert_eq!((header("authorization"), header("x-user")), ("hunter2", "ann"));
    assert!(!format!("{sink:?}").contains("hunter2"));
    assert_eq!((sink.put, sink.retry.as_slice()), (true, &[409, 418][..]));
    let format = HttpFormat::Template { open: "{\"rows\": [".to_owned(), close: "]}".to_owned() };
    assert_eq!(sink.format, format);
    let batch =
        HttpBatch { records: 10, bytes: 64 << 10, age: Duration::from_millis(50), window: 2, in_flight: 1 << 20 };
    assert_eq!(sink.batch, batch);
    assert_eq!(sink.client.timeout, Duration::from_secs(5));
    assert!(sink.client.gzip && sink.client.ca.is_some() && sink.client.identity.is_some());
}

const TABLE: &str = "[pipelines.a.source]\nbrokers = \"b:9092\"\ntopics = [\"t\"]\ngroup = \"edgemill-a\"\n\
                     [pipelines.a.dead-letter]\ntopic = \"dead\"\n[pipelines.a.sink]\ntype = \"featurebase\"\n\
                     url = \"http://localhost:10101/\"\ntable = \"flights\"\n";

fn table(more: &str) -> Featurebase {
    let Sink::Featurebase(sink) = good(&format!("{TABLE}{more}")).pipelines.remove(0).sink else {
        panic!("another sink")
    };
    sink
}

#[test]
fn a_table_has_columns_and_an_id_of_parts() {
    let sink = table("columns = { a = \"int\", b = { type = \"decimal(2)\", from = \"$.x.y\", required = true } }");
    assert_eq!((sink.url.whole(), sink.create_table), ("http://localhost:10101", false));
    assert_eq!((sink.batch.records, sink.batch.bytes, sink.batch.window), (10_000, 4 << 20, 1));
    assert_eq!(sink.id, Id::default());
    assert_eq!(sink.tombstones, Tombstones::Refuse);
    let column = |name: &str, from: &[&str], kind, required| SqlColumn {
        name: name.to_owned(),
        from: from.iter().map(|key| (*key).to_owned()).collect(),
        kind,
        required,
    };
    let int = ColumnType::Int { min: None, max: None };
    assert_eq!(sink.columns, [column("a", &["a"], int, false), column("b", &["x", "y"], ColumnType::Decimal(2), true)]);

    let more = "id = { template = \"{key}\", type = \"id\" }\ntombstones = \"delete\"\nbatch = { age = \"2 s\" }\n\
                [pipelines.a.sink.columns]\nat = { type = \"timestamp\", unit = \"us\", from = [\"a.b\", \"c\"] }\n\
                n = { type = \"int\", min = -5, max = 5 }";
    let sink = table(more);
    assert_eq!(sink.id, Id { parts: vec![Part::Key], number: true });
    assert_eq!(sink.tombstones, Tombstones::Delete(vec![Part::Key]));
    assert_eq!((sink.batch.records, sink.batch.age), (1000, Duration::from_secs(2)));
    assert_eq!(sink.columns[0], column("at", &["a.b", "c"], ColumnType::Timestamp(Some(Unit::Us)), false));
    assert_eq!(sink.columns[1].kind, ColumnType::Int { min: Some(-5), max: Some(5) });

    let field = |path: &[&str]| Part::Field(path.iter().map(|key| (*key).to_owned()).collect());
    let sink =
        table("id = \"{$.topic}/{x.y}-{row}\"\ntombstones = { delete = \"{key}\" }\ncolumns = { a = \"idset\" }");
    let text = |text: &str| Part::Text(text.to_owned());
    assert_eq!(sink.id.parts, [field(&["topic"]), text("/"), field(&["x", "y"]), text("-"), Part::Row]);
    assert_eq!(sink.tombstones, Tombstones::Delete(vec![Part::Key]));
}
