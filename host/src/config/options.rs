//! librdkafka's options: which there are, which the host owns, and what their values may be. Creates no client.

use super::reader::{Item, Place, Reader, integer, similar};
use super::{secret, security};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use toml::de::DeValue;

/// Who is to be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Consumer,
    Producer,
}

/// An option as it was written.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) value: String,
    /// Whether the value may not be shown.
    pub(super) hidden: bool,
    /// Whether there is no value, which was told.
    pub(super) unread: bool,
    pub(super) key: Place,
    pub(super) place: Place,
}

impl Given {
    pub(super) fn shown(&self) -> String {
        if self.hidden { "the value".to_owned() } else { format!("`{}`", self.value) }
    }
}

/// Options by name.
pub(super) type Options = BTreeMap<String, Given>;

/// What librdkafka says of an option.
struct Known {
    name: &'static str,
    /// `C`, `P` or `*`.
    scope: &'static str,
    kind: &'static str,
    range: &'static str,
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let known = |line: &'static str| {
        let mut fields = line.split('|');
        let mut next = || fields.next().unwrap_or_default();
        Known { name: next(), scope: next(), kind: next(), range: next() }
    };
    include_str!("librdkafka-options.txt").lines().filter(|line| !line.starts_with('#')).map(known).collect()
});

/// Options that the host sets itself, and what to write instead.
const OWNED: [(&str, &str); 26] = [
    ("bootstrap.servers", "write the key `brokers`"),
    ("metadata.broker.list", "write the key `brokers`"),
    ("group.id", "write the key `group` of the source"),
    ("group.instance.id", "write `static_membership = true` in the source; the host makes a name for each worker"),
    ("auto.offset.reset", "write the key `start` of the source"),
    ("enable.auto.commit", "leave it out: offsets are committed after delivery, every `commit_interval`"),
    ("auto.commit.enable", "leave it out: offsets are committed after delivery, every `commit_interval`"),
    ("auto.commit.interval.ms", "write the key `commit_interval` of the pipeline"),
    ("enable.auto.offset.store", "leave it out: offsets are committed after delivery"),
    ("offset.store.method", "leave it out: offsets are kept by the group"),
    ("enable.partition.eof", "leave it out: the end of a partition is no event here"),
    ("queued.max.messages.kbytes", "write the key `fetch_ahead` of the source; it is shared out among the partitions"),
    ("transactional.id", "write `delivery = \"exactly-once\"` in the pipeline; the host makes an id for each worker"),
    ("enable.idempotence", "leave it out: the producer is always idempotent"),
    ("acks", "leave it out: a row is delivered when all in-sync replicas have it"),
    ("request.required.acks", "leave it out: a row is delivered when all in-sync replicas have it"),
    ("message.timeout.ms", "leave it out: a row never expires, so that order is kept while a broker is away"),
    ("delivery.timeout.ms", "leave it out: a row never expires, so that order is kept while a broker is away"),
    ("retries", "leave it out: a row is tried until it is delivered or refused"),
    ("message.send.max.retries", "leave it out: a row is tried until it is delivered or refused"),
    ("queuing.strategy", "leave it out: rows are delivered in order"),
    ("partitioner", "write the key `partition` of the sink"),
    ("queue.buffering.max.kbytes", "write the key `in_flight` of the sink"),
    ("queue.buffering.max.messages", "write the key `in_flight` of the sink"),
    ("delivery.report.only.error", "leave it out: the host counts every delivery"),
    ("group.remote.assignor", "leave it out: this version uses the classic group protocol"),
];

/// Java's options that librdkafka does not have. A name that ends in a dot stands for all that begin with it.
const JAVA: [(&str, &str); 16] = [
    ("sasl.jaas.config", "librdkafka takes `sasl.username` and `sasl.password`"),
    ("ssl.truststore.location", "librdkafka takes `ssl.ca.location`, a PEM file"),
    ("ssl.truststore.certificates", "librdkafka takes `ssl.ca.pem`"),
    ("ssl.truststore.", "librdkafka takes the authority's certificate as a PEM file: `ssl.ca.location`"),
    ("ssl.keystore.key", "librdkafka takes `ssl.key.pem`"),
    ("ssl.keystore.certificate.chain", "librdkafka takes `ssl.certificate.pem`"),
    ("ssl.keystore.type", "librdkafka takes PKCS#12 in `ssl.keystore.location`, PEM in `ssl.key.location`"),
    ("key.serializer", "leave it out: records are bytes here"),
    ("value.serializer", "leave it out: records are bytes here"),
    ("key.deserializer", "leave it out: records are bytes here"),
    ("value.deserializer", "leave it out: records are bytes here"),
    ("max.poll.records", "write `batch = { records = … }` in the pipeline"),
    ("buffer.memory", "write the key `in_flight` of the sink"),
    ("schema.registry.", "write a table `[schema-registry]` at the top: modules may ask it"),
    ("basic.auth.", "write a table `[schema-registry]` at the top: modules may ask it"),
    ("confluent.", "leave it out: it is an option of Confluent's Java client"),
];

/// Whether librdkafka has an option of this name.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.name == name)
}

/// The option that a name was probably meant to be.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    similar(name, &names)
}

/// What to write for an option that the host owns.
pub(super) fn owned(name: &str) -> Option<&'static str> {
    OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, instead)| *instead)
}

/// Reads `librdkafka = { … }`. Dots in a name may stand without quotes, so nested tables are names with dots.
pub(super) fn read(item: &Item<'_>, side: Side) -> Options {
    let mut options = Options::new();
    if let Some(section) = item.section("write `librdkafka = { \"client.id\" = \"edgemill\" }`") {
        for (key, item) in section.items() {
            collect(key, &item, side, &mut options);
        }
    }
    options
}

fn collect(name: &str, item: &Item<'_>, side: Side, options: &mut Options) {
    let given = |value: String, hidden: bool| Given {
        value,
        hidden: hidden || secret::is_secret(name),
        unread: false,
        key: item.key.clone(),
        place: item.place.clone(),
    };
    let given = match item.value {
        DeValue::Table(table) if !(table.len() == 1 && table.contains_key("file") && is_known(name)) => {
            if let Some(section) = item.section("") {
                for (key, item) in section.items() {
                    collect(&format!("{name}.{key}"), &item, side, options);
                }
            }
            return;
        }
        DeValue::Table(_) => from_file(item).map(|value| given(value, true)),
        DeValue::String(_) => item.text().map(|text| given(text.value, text.hidden)),
        DeValue::Boolean(flag) => Some(given(flag.to_string(), false)),
        DeValue::Integer(written) => {
            // one that is too large is told with the option's range
            let number = integer(item.value).map_or_else(|| written.to_string(), |number| number.to_string());
            Some(given(number, false))
        }
        DeValue::Float(number) => Some(given(number.as_str().to_owned(), false)),
        DeValue::Array(_) | DeValue::Datetime(_) => {
            item.wrong(
                "librdkafka takes a string, a number or true and false",
                "write a list as one string, with commas",
            );
            None
        }
    };
    if !check_name(name, item, side) {
        return;
    }
    let given = match given {
        Some(given) => {
            check_value(item.reader, name, &given);
            given
        }
        None => {
            Given { value: String::new(), hidden: true, unread: true, key: item.key.clone(), place: item.place.clone() }
        }
    };
    options.insert(name.to_owned(), given);
}

/// The path of a file with something secret, and what is shown of it: nothing where a variable may have the secret itself instead.
pub(super) struct SecretPath {
    pub(super) path: PathBuf,
    pub(super) shown: String,
}

/// Reads the path of a file with something secret; says so where it is that itself.
pub(super) fn secret_path(item: &Item<'_>) -> Option<SecretPath> {
    let text = item.text()?;
    if text.value.contains("-----BEGIN") || text.value.contains('\n') {
        item.wrong(
            "a file's path belongs here, not what is in it",
            "write it into a file that others cannot read, and name that",
        );
        return None;
    }
    let path = item.reader.base.join(&text.value);
    let shown = match text.hidden && !looks_like_a_path(&text.value) {
        true => "the file that the variable names".to_owned(),
        false => path.display().to_string(),
    };
    Some(SecretPath { path, shown })
}

/// Whether a text begins as paths do, or ends as names of files do.
fn looks_like_a_path(text: &str) -> bool {
    let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
    let is_ending = (2..9).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_lowercase());
    ["/", "./", "../", "~"].iter().any(|start| text.starts_with(start)) || is_ending
}

/// The content of `{ file = "…" }`, without the newline at its end.
pub(super) fn from_file(item: &Item<'_>) -> Option<String> {
    let file = item.section("")?.get("file")?;
    let SecretPath { path, shown } = secret_path(&file)?;
    match item.reader.surroundings.secret(&path) {
        Ok(content) if content.trim().is_empty() => {
            file.wrong(format!("{shown} is empty"), "write the secret into it");
            None
        }
        Ok(content) => Some(content.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => {
            file.wrong(format!("cannot read {shown}: {error}"), "the path is relative to the configuration's folder");
            None
        }
    }
}

fn check_name(name: &str, item: &Item<'_>, side: Side) -> bool {
    let refuse = |message: String, help: &str| {
        item.reader.error(&item.key, message, &[help]);
        false
    };
    if let Some(instead) = owned(name) {
        return refuse(format!("`{name}` is set by the host"), instead);
    }
    if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
        return match (known.kind, known.scope, side) {
            ("code", ..) => refuse(format!("`{name}` can only be set by a program"), "leave it out"),
            (_, "P", Side::Consumer) => {
                refuse(format!("`{name}` is an option of producers"), "it belongs into `librdkafka` of the sink")
            }
            (_, "C", Side::Producer) => {
                refuse(format!("`{name}` is an option of consumers"), "it belongs into `librdkafka` of the source")
            }
            _ => true,
        };
    }
    let is_java = |(java, _): &&(&str, &str)| name == *java || (java.ends_with('.') && name.starts_with(java));
    if let Some((_, instead)) = JAVA.iter().find(is_java) {
        return refuse(format!("librdkafka has no option `{name}`; Java's clients have"), instead);
    }
    let help = match meant(name) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "its options: https://github.com/confluentinc/librdkafka/blob/v2.12.1/CONFIGURATION.md".to_owned(),
    };
    refuse(format!("librdkafka has no option `{name}`"), &help)
}

fn check_value(reader: &Reader<'_>, name: &str, given: &Given) {
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        return;
    };
    let wrong = |what: &str, help: String| {
        reader.error(&given.place, format!("{} is not {what} of `{name}`", given.shown()), &[&help]);
    };
    let value = given.value.trim();
    let words: Vec<&str> = known.range.split(", ").filter(|word| !word.is_empty()).collect();
    match known.kind {
        "integer" | "float" => {
            let within =
                match known.range.split_once(" .. ").map(|(least, most)| (least.parse::<f64>(), most.parse::<f64>())) {
                    Some((Ok(least), Ok(most))) => {
                        value.parse::<f64>().is_ok_and(|number| (least..=most).contains(&number))
                    }
                    _ => value.parse::<f64>().is_ok(),
                };
            let whole = known.kind == "float" || value.parse::<i64>().is_ok();
            if !within || !whole {
                let what = if whole { "a number" } else { "a whole number" };
                wrong("a value", format!("write {what} from {}, without a unit", known.range.replace("..", "to")));
            } else if name.starts_with("max.in.flight") && value.parse::<i64>().is_ok_and(|number| number > 5) {
                wrong("a value", "write 5 or less: the producer is idempotent, so that order is kept".to_owned());
            }
        }
        "boolean" if !["true", "false", "t", "f", "1", "0"].contains(&value.to_ascii_lowercase().as_str()) => {
            wrong("a value", "write `true` or `false`".to_owned());
        }
        "word" if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) => {
            wrong("a value", security::word_help(value, &words))
        }
        "flags" if !words.is_empty() => {
            if let Some(flag) = value.split(',').map(str::trim).find(|flag| !words.contains(flag)) {
                wrong("a value", security::word_help(flag, &words));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_owned_option_is_one_of_librdkafka() {
        for (name, _) in OWNED {
            assert!(is_known(name), "{name}");
        }
    }

    #[test]
    fn java_options_are_none_of_librdkafka() {
        for (name, _) in JAVA {
            assert!(!is_known(name), "{name}");
        }
    }

    #[test]
    fn the_list_is_whole() {
        assert_eq!(KNOWN.len(), 190);
        assert!(KNOWN.iter().all(|known| ["C", "P", "*"].contains(&known.scope) && !known.kind.is_empty()));
    }
}
