//! The values that Kafka has rules for: brokers, names of topics, patterns, and where to start.

use super::reader::{Item, Text};
use super::{Start, Topics};
use regex::Regex;
use std::collections::BTreeMap;
use toml::de::DeValue;

const BROKERS: &str = "write `brokers = \"localhost:9092\"`, several with commas";

/// `host:port` a broker, with commas or as a list.
pub(super) fn brokers(item: &Item<'_>) -> Option<String> {
    let texts: Vec<Text> = match item.value {
        DeValue::Array(_) => item.list(BROKERS)?.iter().map(Item::text).collect::<Option<_>>()?,
        _ => vec![item.text()?],
    };
    let mut brokers: Vec<&str> = Vec::new();
    let mut good = true;
    for text in &texts {
        for broker in text.value.split(',').map(str::trim).filter(|broker| !broker.is_empty()) {
            if let Err((message, help)) = check_broker(broker) {
                let shown = if text.hidden { "what the variable holds".to_owned() } else { format!("`{broker}`") };
                let help = if text.hidden { "write `host:9092`, several with commas" } else { &help };
                item.reader.error(&text.place, format!("{shown} {message}"), &[help]);
                good = false;
            } else if broker.ends_with(":2181") {
                item.reader.warn(
                    &text.place,
                    "2181 is the port of ZooKeeper",
                    &["brokers usually listen on port 9092"],
                );
            }
            if !brokers.contains(&broker) {
                brokers.push(broker);
            }
        }
    }
    if brokers.is_empty() {
        item.wrong("no broker", BROKERS);
    }
    (good && !brokers.is_empty()).then(|| brokers.join(","))
}

fn check_broker(broker: &str) -> Result<(), (String, String)> {
    let wrong = |message: &str, help: String| Err((message.to_owned(), help));
    if let Some((scheme, rest)) = broker.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:9092") };
        return match scheme.to_ascii_uppercase().as_str() {
            protocol @ ("PLAINTEXT" | "SSL" | "SASL_PLAINTEXT" | "SASL_SSL") => wrong(
                "begins with a protocol",
                format!("write `{host}`, and `\"security.protocol\" = \"{protocol}\"` in `librdkafka`"),
            ),
            _ => wrong(
                "is a URL, which brokers do not have",
                format!("write `{host}`, with the port of Kafka's own protocol"),
            ),
        };
    }
    if broker.contains(char::is_whitespace) {
        return wrong("has a space", "several brokers stand with commas: `one:9092,two:9092`".to_owned());
    }
    let (host, port) = match broker.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match broker.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return wrong("is an IPv6 address without brackets", "write `[::1]:9092`".to_owned());
            }
            Some((host, port)) => (host, Some(port)),
            None => (broker, None),
        },
    };
    if host.is_empty() || host.contains(['/', '@']) {
        return wrong("is not a host and a port", "write `host:9092`".to_owned());
    }
    match port.map(str::parse::<u16>) {
        None => wrong("has no port", format!("write `{broker}:9092`, 9092 being Kafka's usual port")),
        Some(Ok(port)) if port > 0 => Ok(()),
        Some(_) => wrong("has a port that is none", format!("write a number from 1 to 65535, as `{host}:9092`")),
    }
}

/// The name of a topic.
pub(super) fn topic(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    let name = text.value.as_str();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let help = match name.chars().find(|c| !legal(*c)) {
        _ if name.is_empty() => "write the topic's name".to_owned(),
        _ if name == "." || name == ".." => "`.` and `..` are no names of topics".to_owned(),
        _ if name.len() > 249 => "Kafka's topics have 249 characters at the most".to_owned(),
        None => return Some(text.value),
        Some('^') => "a pattern stands alone, not in a list: `topics = \"^flights-.*\"`".to_owned(),
        Some(',') => "write several topics as a list: `topics = [\"a\", \"b\"]`".to_owned(),
        Some('*') => {
            "a pattern is a regular expression that begins with `^` and stands alone: `topics = \"^flights-.*\"`"
                .to_owned()
        }
        Some(c) => format!("{c:?} is not allowed: Kafka's topics have letters, digits, `.`, `_` and `-`"),
    };
    item.wrong(format!("{} is not the name of a topic", text.shown()), &help);
    None
}

/// A list of names, each once.
pub(super) fn topic_list(items: &[Item<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in items {
        match topic(item) {
            Some(name) if names.contains(&name) => {
                item.wrong(format!("`{name}` stands here twice"), "leave one of them out")
            }
            Some(name) => names.push(name),
            None => {}
        }
    }
    names
}

/// A list of names, or a pattern.
pub(super) fn topics(item: &Item<'_>) -> Option<Topics> {
    if let DeValue::Array(_) = item.value {
        let items = item.list("")?;
        if items.is_empty() {
            item.wrong("no topic", "write for example `topics = [\"flights\"]`");
        }
        return Some(Topics::List(topic_list(&items)));
    }
    let DeValue::String(_) = item.value else {
        item.wrong(
            "expected a list of topics, or a pattern",
            "write `topics = [\"flights\"]` or `topics = \"^flights-.*\"`",
        );
        return None;
    };
    let text = item.text()?;
    if !text.value.starts_with('^') {
        let pattern = text.value.contains(['*', '+', '?', '[', '(', '|', '$', '\\']);
        let list = text.value.split(',').map(|name| format!("{:?}", name.trim())).collect::<Vec<_>>().join(", ");
        match (text.hidden, pattern) {
            (true, _) => {
                item.wrong("a pattern must begin with `^`", "write `[\"${…}\"]` where the variable holds a topic")
            }
            (false, true) => item
                .wrong("a pattern must begin with `^`", &format!("write `topics = {:?}`", format!("^{}", text.value))),
            (false, false) => item.wrong("topics stand in a list", &format!("write `topics = [{list}]`")),
        }
        return None;
    }
    // librdkafka hands the pattern to the C library's regcomp, extended; Rust's syntax is near enough to check it
    let foreign = [("\\d", "[0-9]"), ("\\D", "[^0-9]"), ("(?", "("), ("*?", "*"), ("+?", "+")];
    if let Some((foreign, instead)) = foreign.iter().find(|(foreign, _)| text.value.contains(foreign)) {
        item.wrong(
            format!("the pattern has `{foreign}`, which POSIX regular expressions do not have"),
            &format!("write `{instead}`"),
        );
        return None;
    }
    match Regex::new(&text.value) {
        Ok(_) => Some(Topics::Pattern(text.value)),
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            item.wrong(
                format!("the pattern is no regular expression: {why}"),
                "write for example `topics = \"^flights-.*\"`",
            );
            None
        }
    }
}

const START: &str = "write \"earliest\", \"latest\", \"stored\", a time as \"2024-05-01T00:00:00Z\", or offsets by partition as { \"0\" = 1200, \"1\" = 0 }";

/// Where a group without committed offsets begins.
pub(super) fn start(item: &Item<'_>) -> Option<Start> {
    match item.value {
        DeValue::Table(_) => return offsets(item),
        DeValue::Datetime(datetime) => return timestamp(item, &datetime.to_string()),
        DeValue::String(_) => {}
        _ => {
            item.wrong("not a place to start", START);
            return None;
        }
    }
    let text = item.text()?;
    match text.value.as_str() {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        "stored" => Some(Start::Stored),
        time if time.starts_with(|c: char| c.is_ascii_digit()) => timestamp(item, time),
        word => {
            let words = ["earliest", "latest", "stored"];
            let meant = match word {
                "beginning" | "smallest" => Some("earliest"),
                "end" | "largest" => Some("latest"),
                "error" | "none" => Some("stored"),
                _ => super::reader::similar(word, &words),
            };
            let help = meant.map_or(START.to_owned(), |word| format!("did you mean \"{word}\"?"));
            item.wrong(format!("{} is not a place to start", text.shown()), &help);
            None
        }
    }
}

fn timestamp(item: &Item<'_>, text: &str) -> Option<Start> {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Some(Start::Timestamp(time.as_millisecond())),
        Err(_) => {
            let shown = if item.text_is_plain() { format!("`{text}` is") } else { "the value is".to_owned() };
            let help = "write it with the zone, as \"2024-05-01T00:00:00Z\" or \"2024-05-01T02:00:00+02:00\"";
            item.wrong(format!("{shown} no time with a zone"), help);
            None
        }
    }
}

fn offsets(item: &Item<'_>) -> Option<Start> {
    let mut offsets = BTreeMap::new();
    for (key, item) in item.section(START)?.items() {
        let Some(partition) = key.parse::<i32>().ok().filter(|number| *number >= 0) else {
            item.reader.error(
                &item.key,
                format!("`{key}` is not the number of a partition"),
                &["write { \"0\" = 1200, \"1\" = 0 }"],
            );
            continue;
        };
        let offset = match item.value {
            DeValue::Integer(_) => item.whole(0..=i64::MAX),
            _ => {
                item.wrong("not an offset", "write a whole number, 0 or more, without quotes");
                None
            }
        };
        offsets.extend(offset.map(|offset| (partition, offset)));
    }
    Some(Start::Offsets(offsets))
}
