//! Reads `[pipelines.NAME]`: its own keys, its chain, and which of its tables are there.

use super::across::{Draft, same_cluster};
use super::clients;
use super::look_back;
use super::on::{self, Owner, Silence};
use super::reader::{Item, Section, similar};
use super::report::Severity;
use super::{Delivery, Ends, Limits, ModuleType, Pipeline, Sink, Stage, Topics};
use crate::policy::{Class, Policy};
use crate::source::BatchLimit;
use serde_json::Value;
use std::time::Duration;
use toml::de::DeValue;

const PIPELINE: [&str; 12] = [
    "delivery",
    "workers",
    "parallel",
    "batch",
    "commit_interval",
    "stamp",
    "on",
    "breaker",
    "source",
    "chain",
    "sink",
    "dead-letter",
];
/// The default size of a batch in bytes for a chain of one module, which longer chains divide, and the least of it.
const BATCH: usize = 1 << 20;
const LEAST_BATCH: usize = 64 << 10;
const STAGE: [&str; 6] = ["module", "type", "config", "limits", "look_back", "on"];

/// The folder of modules, where it can be read.
pub(super) type Folder = Option<Vec<String>>;

/// Reads one pipeline. What could not be read has a stand-in: the configuration is not used then.
pub(super) fn pipeline(name: &str, section: &Section<'_>, unreachable: Option<Duration>, folder: &Folder) -> Draft {
    section.only(&PIPELINE, |key, item| hint(key, item, name));
    let deliveries = [("at-least-once", Delivery::AtLeastOnce), ("exactly-once", Delivery::ExactlyOnce)];
    let delivery = section.get("delivery").and_then(|item| item.word(&deliveries)).unwrap_or(Delivery::AtLeastOnce);
    let table = |key: &str, example: &str| match section.get(key) {
        Some(item) => item.section(&format!("write `[pipelines.{name}.{key}]` and its keys below")),
        None => {
            let message = format!("the pipeline `{name}` has no {key}");
            section.need(key, &message, &format!("add\n[pipelines.{name}.{key}]\n{example}"));
            None
        }
    };
    let source =
        table("source", &format!("brokers = \"localhost:9092\"\ntopics = [\"{name}\"]\ngroup = \"edgemill-{name}\""));
    let sink = table("sink", &format!("type = \"kafka\"\ntopic = \"{name}-out\""));
    let dead_letter = section.get("dead-letter").and_then(|item| item.section("write `[pipelines.NAME.dead-letter]`"));

    let source = match source {
        Some(section) => clients::source(&section, unreachable),
        None => clients::no_source(&section.place),
    };
    let cluster = &source.cluster;
    let (sink, written) = sink.map_or((Sink::Stdout, Vec::new()), |section| clients::sink(&section, cluster));
    let plain = dead_letter
        .as_ref()
        .is_some_and(|section| ["brokers", "librdkafka"].iter().all(|key| section.get(key).is_none()));
    let dead = dead_letter.map(|section| clients::dead_letter(&section, cluster));
    let (mut dead_letter, dead_written) = dead.map_or((None, None), |(table, written)| (Some(table), written));
    if let (Some(letter), Sink::Kafka(sink), true, Delivery::ExactlyOnce) = (&mut dead_letter, &sink, plain, delivery) {
        // they go through the sink's producer, whatever its options are
        letter.client = sink.client.clone();
    }
    let (chain, policy) = chain(section, name, section.has_like("dead-letter"), folder);

    let batch = batch(section.get("batch"), chain.len());
    if let Some((stage, item)) = chain.iter().find(|(stage, _)| stage.limits.memory < 2 * batch.bytes) {
        let message = format!("batches of this pipeline may not fit into the memory limit of `{}`", stage.module);
        section.reader.warn(&item.place, message, &["make `limits.memory` at least four times `batch.bytes`"]);
    }
    let workers = section.get("workers").and_then(|item| item.count(1..=1024));
    let parallel = section.get("parallel").and_then(|item| item.count(1..=256)).unwrap_or(1);
    let interval = section.get("commit_interval").and_then(|item| item.duration(Duration::from_millis(10)));
    let usual = match delivery {
        Delivery::AtLeastOnce => Duration::from_secs(1),
        Delivery::ExactlyOnce => Duration::from_millis(100),
    };
    let mut pipeline = Pipeline {
        name: name.to_owned(),
        delivery,
        workers: workers.unwrap_or_else(|| (section.reader.surroundings.cores() / parallel).max(1)),
        parallel,
        batch,
        commit_interval: interval.unwrap_or(usual),
        stamp: section.get("stamp").and_then(|item| item.flag()).unwrap_or(false),
        policy,
        breaker: on::breaker(section.get("breaker").as_ref()),
        source: source.source,
        chain: chain.into_iter().map(|(stage, _)| stage).collect(),
        sink,
        dead_letter,
    };
    let ends = pipeline.ends();
    pipeline.chain.iter_mut().for_each(|stage| stage.ends = ends.clone());
    if let Some(item) = section.get("delivery").filter(|_| delivery == Delivery::ExactlyOnce) {
        transactions(&item, &pipeline);
    }
    let workers = ["parallel", "workers"]
        .iter()
        .find_map(|key| section.get(key))
        .map_or_else(|| section.place.clone(), |item| item.place);
    Draft { topics: source.topics, group: source.group, workers, written, dead_letter: dead_written, pipeline }
}

impl Pipeline {
    /// What it reads and writes, by name.
    pub fn ends(&self) -> Ends {
        let input = match &self.source.topics {
            Topics::List(topics) => topics.first().cloned().unwrap_or_default(),
            Topics::Pattern(_) => String::new(),
        };
        let outputs = match &self.sink {
            Sink::Kafka(sink) => std::iter::once(&sink.topic).chain(&sink.routes).cloned().collect(),
            Sink::Stdout => vec!["stdout".to_owned()],
            Sink::Http(_) => vec!["http".to_owned()],
            Sink::FeaturebaseCloud(_) => vec!["featurebase-cloud".to_owned()],
            Sink::Featurebase(_) => vec!["featurebase".to_owned()],
        };
        Ends { input, outputs, one_place: !matches!(self.sink, Sink::Kafka(_)) }
    }
}

/// What exactly-once asks of the other tables: one producer for rows, dead letters and the source's offsets.
fn transactions(delivery: &Item<'_>, pipeline: &Pipeline) {
    let source = &pipeline.source.client;
    let back = "or write `delivery = \"at-least-once\"`";
    let Sink::Kafka(sink) = &pipeline.sink else {
        let message = "exactly-once wants a sink of type \"kafka\": only Kafka commits rows and offsets together";
        return delivery.wrong(message, "write `delivery = \"at-least-once\"`");
    };
    if !same_cluster(&sink.client.brokers, &source.brokers) {
        let help = format!("leave out the sink's `brokers`, {back}");
        return delivery
            .wrong("exactly-once wants the sink in the source's cluster: a transaction is one cluster's", &help);
    }
    if pipeline.dead_letter.as_ref().is_some_and(|letter| letter.client != sink.client) {
        let help = format!("leave out `brokers` and `librdkafka` of the dead-letter table, {back}");
        delivery.wrong("with exactly-once dead letters go through the sink's producer, which has other options", &help);
    }
    if source.options.get("isolation.level").is_some_and(|level| level == "read_uncommitted") {
        let message = "with exactly-once the source cannot read what is not committed: its offsets would not be either";
        delivery.wrong(message, &format!("leave out the source's option `isolation.level`, {back}"));
    }
    if pipeline.commit_interval > sink.client.transaction_timeout() / 2 {
        let message =
            "a transaction that lasts for `commit_interval` may be ended by the cluster before it is committed";
        let help = "make `commit_interval` at most half of the sink's `transaction.timeout.ms`, which is 10,000 unless its \
                    `librdkafka` says otherwise";
        delivery.wrong(message, help);
    }
}

fn hint(key: &str, item: &Item<'_>, name: &str) -> Option<String> {
    match key {
        "modules" | "transforms" | "module" => {
            return Some(format!(
                "write a table for each module:\n[[pipelines.{name}.chain]]\nmodule = \"flatten-flights.wasm\""
            ));
        }
        "exactly_once" | "delivery_guarantee" => {
            return Some("write `delivery = \"exactly-once\"` or `\"at-least-once\"`".to_owned());
        }
        _ => {}
    }
    if similar(key, &PIPELINE).is_some() { None } else { clients::hint(key, item) }
}

/// What all modules of a chain touch for one batch should fit into a core's cache: the longer the chain, the smaller the batch.
fn batch(item: Option<Item<'_>>, modules: usize) -> BatchLimit {
    let mut limit = BatchLimit { records: 1024, bytes: (BATCH / modules.max(1)).max(LEAST_BATCH) };
    if let Some(section) = item.and_then(|item| item.section("write `batch = { records = 1024, bytes = \"1 MiB\" }`")) {
        section.only(&["records", "bytes"], |_, _| None);
        if let Some(records) = section.get("records").and_then(|item| item.count(1..=100_000)) {
            limit.records = records;
        }
        if let Some(bytes) = section.get("bytes").and_then(|item| item.size(1 << 10..=256 << 20)) {
            limit.bytes = bytes;
        }
    }
    limit
}

/// The modules, and the policy of the pipeline itself: for those that say nothing else, and for the sink.
fn chain<'a>(
    pipeline: &Section<'a>,
    name: &str,
    has_dead_letter: bool,
    folder: &Folder,
) -> (Vec<(Stage, Item<'a>)>, Policy) {
    let on = pipeline.get("on");
    let default = on::policy(on.as_ref(), on::default(has_dead_letter), Owner::Pipeline);
    let mut silence = Silence { pipeline, name, told: has_dead_letter };
    let sink_place = on.as_ref().map_or(&pipeline.place, |item| &item.key);
    silence.look(&default, &Class::SINK, sink_place);
    let example =
        format!("write a table for each module:\n[[pipelines.{name}.chain]]\nmodule = \"flatten-flights.wasm\"");
    let items = match pipeline.get("chain") {
        Some(item) => item.list(&example).unwrap_or_default(),
        None => Vec::new(),
    };
    let mut stages = Vec::new();
    for item in items {
        if let Some(file) = item.value.as_str() {
            let help = format!("write a table for each module:\n[[pipelines.{name}.chain]]\nmodule = {file:?}");
            item.wrong("a module's name stands in a table", &help);
            continue;
        }
        let Some(section) = item.section(&example) else {
            continue;
        };
        section.only(&STAGE, |key, _| (key == "name").then(|| "did you mean `module`?".to_owned()));
        let own = section.get("on");
        // what a module says of its configuration belongs there, where it has one
        let noted = section.get("module").map(|item| item.place);
        for key in ["module", "config", "look_back"] {
            if let Some(place) = section.get(key).map(|item| item.place).or(noted.clone()) {
                let path = format!("{}.{key}", section.place.path);
                section.reader.places.borrow_mut().insert(path, place.span);
            }
        }
        let types = ModuleType::ALL.map(|module_type| (module_type.as_str(), module_type));
        let stage = Stage {
            module: module(&section, &example, folder).unwrap_or_default(),
            module_type: section.get("type").and_then(|item| item.word_or(&types, &[("smartmodule", "fluvio")])),
            config: section.get("config").and_then(|item| json(&item)).unwrap_or(Value::Null),
            limits: limits(section.get("limits")),
            policy: on::policy(own.as_ref(), default, Owner::Module),
            look_back: section.get("look_back").and_then(|item| look_back::read(&item, &section, stages.len())),
            ends: Ends::default(),
        };
        let place = own.as_ref().or(on.as_ref()).map_or(&section.place, |item| &item.key);
        silence.look(&stage.policy, &[&[Class::Reject][..], &Class::FAULTS].concat(), place);
        stages.push((stage, item));
    }
    (stages, default)
}

fn limits(item: Option<Item<'_>>) -> Limits {
    let mut limits = Limits { memory: 64 << 20, time: Some(Duration::from_secs(1)) };
    if let Some(section) =
        item.and_then(|item| item.section("write `limits = { memory = \"64 MiB\", time = \"1 s\" }`"))
    {
        section.only(&["memory", "time"], |_, _| None);
        // a module of WebAssembly addresses 4 GiB at the most
        if let Some(memory) = section.get("memory").and_then(|item| item.size(1 << 20..=4 << 30)) {
            limits.memory = memory;
        }
        match section.get("time") {
            Some(item) if item.is("none") => limits.time = None,
            Some(item) => limits.time = item.duration(Duration::from_millis(1)).or(limits.time),
            None => {}
        }
    }
    limits
}

fn module(section: &Section<'_>, example: &str, folder: &Folder) -> Option<String> {
    let Some(item) = section.get("module") else {
        section.reader.error(&section.place, "a part of the chain has no `module`", &[example]);
        return None;
    };
    let text = item.text()?;
    let name = text.value.as_str();
    if name.trim().is_empty() {
        item.wrong("the module has no name", "write the file's name, as `module = \"flatten-flights.wasm\"`");
        return None;
    }
    if name.contains(['/', '\\']) {
        let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
        item.wrong(
            format!("{} is a path", text.shown()),
            &format!("write the file's name, `module = \"{file}\"`; the folder is the key `modules` at the top"),
        );
        return None;
    }
    if !name.ends_with(".wasm") {
        let help = match name.contains('.') {
            true => "a module is a file of WebAssembly, whose name ends in .wasm".to_owned(),
            false => format!("did you mean \"{name}.wasm\"?"),
        };
        item.wrong(format!("{} is not the name of a module", text.shown()), &help);
        return None;
    }
    if let Some(files) = folder.as_ref().filter(|files| !files.iter().any(|file| file == name)) {
        let modules: Vec<&str> = files.iter().map(String::as_str).filter(|file| file.ends_with(".wasm")).collect();
        let help = match (similar(name, &modules), modules.is_empty()) {
            (Some(name), _) => format!("did you mean \"{name}\"?"),
            (None, true) => "there is no module in that folder; `make modules` builds those that ship".to_owned(),
            (None, false) => format!("the folder has {}", modules.join(", ")),
        };
        let message = format!("the module {} is not in the modules folder", text.shown());
        item.reader.add(Severity::Absent, &item.place, message, &[&help]);
    }
    Some(text.value)
}

/// A module's own configuration as JSON. Variables are not put in: what a module is given is what is written.
fn json(item: &Item<'_>) -> Option<Value> {
    match item.value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Integer(_) => match super::reader::integer(item.value) {
            Some(number) => Some(number.into()),
            None => {
                let help = format!("numbers go from {} to {}: write it as a string", i64::MIN, i64::MAX);
                refuse(item, "a number that is out of range", &help)
            }
        },
        DeValue::Float(number) => {
            let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            number.map_or_else(|| refuse(item, "JSON has no such number", "write it as a string"), |n| Some(n.into()))
        }
        DeValue::Datetime(_) => refuse(item, "JSON has no dates", "write it as a string, in quotes"),
        // all of them, and only then whether one is missing: every problem is told
        DeValue::Array(_) => item.list("")?.iter().map(json).collect::<Vec<_>>().into_iter().collect(),
        DeValue::Table(_) => {
            let items = item.section("")?.items();
            let values: Vec<_> = items.iter().map(|(key, item)| (*key, json(item))).collect();
            values.into_iter().map(|(key, value)| Some((key.to_owned(), value?))).collect()
        }
    }
}

fn refuse(item: &Item<'_>, message: &str, help: &str) -> Option<Value> {
    item.wrong(message, help);
    None
}
