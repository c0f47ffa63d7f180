//! Reads the tables that reach Kafka: source, sink and dead-letter, and what the later two take over from the first.

use super::options::{Options, Side};
use super::reader::{Item, Place, Section};
use super::{DeadLetter, KafkaClient, KafkaSink, KafkaSource, Partitioning, Sink, Start, Topics};
use super::{http, names, options, security};
use std::time::Duration;

const SOURCE: [&str; 8] =
    ["brokers", "topics", "group", "start", "static_membership", "fetch_ahead", "stalled_after", "librdkafka"];
const SINK: [&str; 7] = ["type", "brokers", "topic", "routes", "partition", "in_flight", "librdkafka"];
const DEAD_LETTER: [&str; 3] = ["topic", "brokers", "librdkafka"];

/// The most that librdkafka's `queued.max.messages.kbytes` takes.
const MOST_AHEAD: usize = 2_097_151 << 10;

/// A cluster as the source reaches it, for those that do not name one.
#[derive(Default)]
pub(super) struct Cluster {
    pub(super) brokers: String,
    options: Options,
    unreachable_after: Option<Duration>,
}

/// A source as it was read, with the places of what other tables are compared with.
pub(super) struct Source {
    pub(super) source: KafkaSource,
    pub(super) topics: Place,
    pub(super) group: Place,
    pub(super) cluster: Cluster,
}

/// A topic that is written to.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) brokers: String,
    pub(super) topic: String,
    pub(super) place: Place,
}

/// Tells where a key that is unknown here belongs.
pub(super) fn hint(key: &str, item: &Item<'_>) -> Option<String> {
    let mut name = key.to_owned();
    let mut value = item.value;
    // `bootstrap.servers = …` without quotes is a table of tables
    while let Some((inner, inside)) =
        value.as_table().filter(|table| table.len() == 1).and_then(|table| table.iter().next())
    {
        name = format!("{name}.{}", inner.get_ref());
        value = inside.get_ref();
    }
    // how `group.id` is written by those who expect TOML's own style
    let dotted = name.replace('_', ".");
    let option = [&name, &dotted].into_iter().find(|name| options::is_known(name))?;
    Some(match options::owned(option) {
        Some(instead) => instead.to_owned(),
        None => format!("it is an option of librdkafka: write `librdkafka = {{ \"{option}\" = … }}`"),
    })
}

/// Reads `[pipelines.NAME.source]`.
pub(super) fn source(section: &Section<'_>, unreachable_after: Option<Duration>) -> Source {
    section.only(&SOURCE, hint);
    let missing = |key: &str, example: &str| section.need(key, &format!("the source has no `{key}`"), example);
    missing("brokers", "add `brokers = \"localhost:9092\"`");
    missing("topics", "add `topics = [\"flights\"]`");
    let example = format!(
        "add `group = \"edgemill-{}\"`: the consumer group, which remembers how far it has read",
        name_of(section)
    );
    missing("group", &example);

    let options = section.get("librdkafka").map(|item| options::read(&item, Side::Consumer)).unwrap_or_default();
    security::check(
        section.reader,
        &options,
        &section.get("librdkafka").map_or(section.place.clone(), |item| item.key),
    );
    let brokers = section.get("brokers").and_then(|item| names::brokers(&item)).unwrap_or_default();
    let place = |key: &str| section.get(key).map_or(section.place.clone(), |item| item.place);
    let group = section.get("group").and_then(|item| {
        let group = item.text()?;
        if group.value.trim().is_empty() {
            item.wrong("the group has no name", &example);
        } else {
            security::check_group(section.reader, &options, &group);
        }
        Some(group.value)
    });
    let cluster = Cluster { brokers, options, unreachable_after };
    let source = KafkaSource {
        client: cluster.client(&cluster.options),
        topics: section.get("topics").and_then(|item| names::topics(&item)).unwrap_or(Topics::List(Vec::new())),
        group: group.unwrap_or_default(),
        start: section.get("start").and_then(|item| names::start(&item)).unwrap_or(Start::Earliest),
        static_membership: section.get("static_membership").and_then(|item| item.flag()).unwrap_or(false),
        fetch_ahead: section.get("fetch_ahead").and_then(|item| item.size(64 << 10..=MOST_AHEAD)).unwrap_or(32 << 20),
        stalled_after: match section.get("stalled_after") {
            None => Some(Duration::from_secs(60)),
            Some(item) if item.is("never") => None,
            Some(item) => item.duration(Duration::from_secs(2)),
        },
    };
    Source { source, topics: place("topics"), group: place("group"), cluster }
}

/// Stands in for a source that is not there, which was told.
pub(super) fn no_source(place: &Place) -> Source {
    let cluster = Cluster::default();
    let source = KafkaSource {
        client: cluster.client(&cluster.options),
        topics: Topics::List(Vec::new()),
        group: String::new(),
        start: Start::Earliest,
        static_membership: false,
        fetch_ahead: 0,
        stalled_after: None,
    };
    Source { source, topics: place.clone(), group: place.clone(), cluster }
}

impl Cluster {
    fn client(&self, options: &Options) -> KafkaClient {
        KafkaClient {
            brokers: self.brokers.clone(),
            options: options.iter().map(|(name, given)| (name.clone(), given.value.clone())).collect(),
            unreachable_after: self.unreachable_after,
        }
    }

    /// The client of a table that may name brokers of its own. Without, it is the source's cluster: its brokers, and its
    /// options of how to connect. With, nothing is taken over, since credentials are for one cluster.
    fn producer(&self, section: &Section<'_>) -> KafkaClient {
        let own = section.get("librdkafka").map(|item| options::read(&item, Side::Producer)).unwrap_or_default();
        let at = section.get("librdkafka").map_or(section.place.clone(), |item| item.key);
        if let Some(brokers) = section.get("brokers") {
            security::check(section.reader, &own, &at);
            let brokers = names::brokers(&brokers).unwrap_or_default();
            return KafkaClient { brokers, ..self.client(&own) };
        }
        let mut options: Options = self
            .options
            .iter()
            .filter(|(name, _)| security::is_connection(name))
            .map(|(n, g)| (n.clone(), g.clone()))
            .collect();
        let changes = own.keys().any(|name| security::is_connection(name));
        options.extend(own);
        if changes {
            security::check(section.reader, &options, &at);
        }
        self.client(&options)
    }
}

const TYPES: &str = "add `type = \"kafka\"`, `\"featurebase\"`, `\"featurebase-cloud\"`, `\"http\"` or `\"stdout\"`";

#[derive(Clone, Copy)]
enum Type {
    Kafka,
    Featurebase,
    Cloud,
    Http,
    Stdout,
}

/// Reads `[pipelines.NAME.sink]`, and gives the topics that it writes to.
pub(super) fn sink(section: &Section<'_>, cluster: &Cluster) -> (Sink, Vec<Written>) {
    let Some(kind) = section.get("type") else {
        section.need("type", "the sink has no `type`", TYPES);
        // of which type it would be is not known: what one of them has is no problem of its own
        section.only(&[&SINK[..], &http::COMMON, &http::HTTP, &http::CLOUD, &http::SQL].concat(), hint);
        return (Sink::Stdout, Vec::new());
    };
    let types = [
        ("kafka", Type::Kafka),
        ("featurebase", Type::Featurebase),
        ("featurebase-cloud", Type::Cloud),
        ("http", Type::Http),
        ("stdout", Type::Stdout),
    ];
    match kind.word(&types) {
        None => (Sink::Stdout, Vec::new()),
        Some(Type::Kafka) => kafka_sink(section, cluster),
        Some(Type::Featurebase) => (http::sql(section), Vec::new()),
        Some(Type::Cloud) => (http::cloud(section), Vec::new()),
        Some(Type::Http) => (http::plain(section), Vec::new()),
        Some(Type::Stdout) => {
            section.only(&["type"], |key, _| {
                SINK.contains(&key)
                    .then(|| format!("`{key}` belongs to a sink of type \"kafka\"; standard output has no keys"))
                    .or_else(|| other_type(key))
            });
            (Sink::Stdout, Vec::new())
        }
    }
}

/// Which sinks by HTTP have a key.
fn other_type(key: &str) -> Option<String> {
    let types = [("http", &http::HTTP[..]), ("featurebase-cloud", &http::CLOUD), ("featurebase", &http::SQL)];
    let has = |keys: &[&str]| keys.contains(&key) || http::COMMON.contains(&key);
    let types: Vec<_> = types.iter().filter(|(_, keys)| has(keys)).map(|(name, _)| format!("{name:?}")).collect();
    let help = || format!("sinks of type {} have it: correct `type`, or leave it out", types.join(" and "));
    (!types.is_empty()).then(help)
}

fn kafka_sink(section: &Section<'_>, cluster: &Cluster) -> (Sink, Vec<Written>) {
    section.only(&SINK, |key, item| match key {
        "topics" => Some("a sink has one `topic`; modules may choose among the topics in `routes`".to_owned()),
        _ => hint(key, item).or_else(|| other_type(key)),
    });
    let client = cluster.producer(section);
    let written = |topic: String, place: Place| Written { brokers: client.brokers.clone(), topic, place };
    let mut all = Vec::new();
    let topic = match section.get("topic") {
        Some(item) => names::topic(&item).inspect(|topic| all.push(written(topic.clone(), item.place.clone()))),
        None => {
            section.need("topic", "the sink has no `topic`", "add `topic = \"flights-flat\"`");
            None
        }
    };
    let mut routes = Vec::new();
    if let Some(items) = section.get("routes").and_then(|item| item.list("write `routes = [\"late-flights\"]`")) {
        routes = names::topic_list(&items);
        for item in &items {
            if let Some(route) = item.value.as_str().filter(|route| routes.iter().any(|name| name == route)) {
                if topic.as_deref() == Some(route) {
                    let help = "leave it out: `topic` may be named by modules too";
                    item.reader.warn(&item.place, format!("`{route}` is the sink's topic already"), &[help]);
                } else {
                    all.push(written(route.to_owned(), item.place.clone()));
                }
            }
        }
        if routes.len() > usize::from(u16::MAX) - 1 {
            section.reader.error(&section.place, "more than 65,534 routes", &[]);
        }
    }
    let words = [("key", Partitioning::Key), ("same-as-input", Partitioning::SameAsInput)];
    let sink = KafkaSink {
        client,
        topic: topic.unwrap_or_default(),
        routes,
        partition: section.get("partition").and_then(|item| item.word(&words)).unwrap_or(Partitioning::Key),
        in_flight: section.get("in_flight").and_then(|item| item.size(64 << 10..=4 << 30)).unwrap_or(16 << 20),
    };
    (Sink::Kafka(sink), all)
}

/// Reads `[pipelines.NAME.dead-letter]`.
pub(super) fn dead_letter(section: &Section<'_>, cluster: &Cluster) -> (DeadLetter, Option<Written>) {
    section.only(&DEAD_LETTER, hint);
    let client = cluster.producer(section);
    let topic = match section.get("topic") {
        Some(item) => {
            names::topic(&item).map(|topic| Written { brokers: client.brokers.clone(), topic, place: item.place })
        }
        None => {
            let example = format!("add `topic = \"{}.dead-letter\"`", name_of(section));
            section.need("topic", "the dead-letter table has no `topic`", &example);
            None
        }
    };
    let name = topic.as_ref().map(|written| written.topic.clone()).unwrap_or_default();
    (DeadLetter { client, topic: name }, topic)
}

/// The pipeline's name in a section's path.
fn name_of<'a>(section: &'a Section<'_>) -> &'a str {
    section.place.path.split('.').nth(1).unwrap_or("NAME")
}
