//! Sinks that are reached by HTTP: what is configured of them, and reading it.

use super::Sink;
use super::options::{from_file, secret_path};
use super::reader::{Item, Section, similar};
use super::secret::is_secret;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

mod address;
mod columns;
mod featurebase;

pub use address::Address;
pub use columns::{ColumnType, Id, Part, SqlColumn, Unit};
pub use featurebase::{Featurebase, Tombstones};
pub(super) use featurebase::{KEYS as SQL, sql};

pub(super) use address::{address, check_transport};

/// The tutorials' login.
const LOGIN: &str = "https://id.featurebase.com";

/// Keys of all these sinks, of type `http`, and of type `featurebase-cloud`.
pub(super) const COMMON: [&str; 6] = ["type", "batch", "window", "in_flight", "timeout", "tls"];
pub(super) const HTTP: [&str; 7] = ["url", "method", "headers", "format", "compression", "retry", "refused"];
pub(super) const CLOUD: [&str; 6] = ["endpoint", "login_url", "username", "password", "compression", "late_errors"];

/// Headers that say how a body is sent: one that is wrong loses rows, since servers read what it says.
const OWN_HEADERS: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A text that no log shows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How rows are put together, and how many requests there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpBatch {
    /// Rows of one request at the most.
    pub records: usize,
    /// Bytes of a request's body about which it is sent.
    pub bytes: usize,
    /// How long the first row waits for others.
    pub age: Duration,
    /// Requests on their way at a time, for each worker.
    pub window: usize,
    /// Bytes handed over and not yet durable, for each worker.
    pub in_flight: usize,
}

/// How to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClient {
    /// How long one request may take, with its answer.
    pub timeout: Duration,
    /// The authorities to trust, instead of the system's: a file in PEM form.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key: files in PEM form.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// What no message shows, whoever repeats it: passwords, and headers and parts of addresses that are secret.
    pub secrets: Vec<Secret>,
}

/// Any service that takes JSON.
#[derive(Clone, Debug)]
pub struct HttpSink {
    /// Where to.
    pub url: Address,
    /// PUT instead of POST.
    pub put: bool,
    /// Headers of every request. Values may be secret.
    pub headers: BTreeMap<String, Secret>,
    /// What stands around rows.
    pub format: HttpFormat,
    /// Statuses that are tried again, besides those that always are: 408, 425, 429 and 5xx.
    pub retry: Vec<u16>,
    /// Where the answer tells which rows were refused.
    pub refused: Option<RefusedRows>,
    /// See there.
    pub batch: HttpBatch,
    /// See there.
    pub client: HttpClient,
}

/// What stands around rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFormat {
    /// `[row,row]`
    Array,
    /// A row a line.
    Lines,
    /// These two, and commas between rows.
    Template {
        /// In front of the rows.
        open: String,
        /// Behind them.
        close: String,
    },
}

/// Where an answer tells which rows were refused. JSON pointers (RFC 6901): the first into the answer, the others into each
/// of the list's items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRows {
    /// The list.
    pub list: String,
    /// The row's number in the request, from 0; where there is none, the item's place in the list.
    pub row: Option<String>,
    /// What is there and not null or false only where the row was refused; none: all items are refused rows.
    pub failed: Option<String>,
    /// Why.
    pub message: Option<String>,
}

/// Where a destination lists errors of rows that it had taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateErrors {
    /// The address.
    pub url: Address,
    /// How often it is asked.
    pub every: Duration,
}

/// FeatureBase Cloud's streaming ingest endpoint.
#[derive(Clone, Debug)]
pub struct FeaturebaseCloud {
    /// Where rows go: `https://data.featurebase.com/v2/sinks/ID`.
    pub endpoint: Address,
    /// Where tokens come from.
    pub login_url: Address,
    /// Who logs in.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// Where errors of rows that were taken are listed later; none: nobody asks.
    pub late_errors: Option<LateErrors>,
    /// See there.
    pub batch: HttpBatch,
    /// See there.
    pub client: HttpClient,
}

/// Reads a sink of type `http`.
pub(super) fn plain(section: &Section<'_>) -> Sink {
    section.only(&[&COMMON[..], &HTTP].concat(), |key, _| match key {
        "endpoint" => Some("write `url`".to_owned()),
        "username" | "password" => {
            Some("write `headers = { authorization = \"Basic …\" }`, from a variable or a file".to_owned())
        }
        _ => hint(key),
    });
    let mut secrets = Vec::new();
    let url = address(section, "url", "url = \"https://example.com/records\"", &mut secrets);
    check_transport(section, &[("url", &url)]);
    let methods = [("POST", false), ("PUT", true)];
    let put = section.get("method").and_then(|item| item.word(&methods)).unwrap_or(false);
    let mut retry = Vec::new();
    for item in section.get("retry").and_then(|item| item.list("write `retry = [409]`")).unwrap_or_default() {
        retry.extend(item.count(300..=599).map(|status| status as u16));
    }
    Sink::Http(HttpSink {
        url,
        put,
        headers: headers(section, &mut secrets),
        format: section.get("format").and_then(|item| format(&item)).unwrap_or(HttpFormat::Array),
        retry,
        refused: section.get("refused").and_then(|item| refused(&item)),
        batch: batch(section, BATCH),
        client: client(section, secrets),
    })
}

/// Reads a sink of type `featurebase-cloud`.
pub(super) fn cloud(section: &Section<'_>) -> Sink {
    section.only(&[&COMMON[..], &CLOUD].concat(), |key, _| match key {
        "url" => Some("write `endpoint` for the sink's address, `login_url` for the login's".to_owned()),
        "user" => Some("write `username`".to_owned()),
        _ => hint(key),
    });
    let mut secrets = Vec::new();
    let example = "endpoint = \"https://data.featurebase.com/v2/sinks/ID\"";
    let endpoint = address(section, "endpoint", example, &mut secrets);
    let login_url = match section.get("login_url") {
        Some(_) => address(section, "login_url", "", &mut secrets),
        None => Address::new(LOGIN),
    };
    check_transport(section, &[("endpoint", &endpoint), ("login_url", &login_url)]);
    let credential = |key: &str, example: &str| {
        section.need(key, &format!("the sink has no `{key}`"), &format!("add `{key} = {example}`"));
        section.get(key).and_then(|item| secret_text(&item)).unwrap_or_default().0
    };
    let password = Secret(credential("password", "\"${FEATUREBASE_PASSWORD}\""));
    secrets.push(password.clone());
    Sink::FeaturebaseCloud(FeaturebaseCloud {
        endpoint,
        login_url,
        username: credential("username", "\"${FEATUREBASE_USERNAME}\""),
        password,
        late_errors: section.get("late_errors").and_then(|item| late_errors(&item, &mut secrets)),
        batch: batch(section, BATCH),
        client: client(section, secrets),
    })
}

fn late_errors(item: &Item<'_>, secrets: &mut Vec<Secret>) -> Option<LateErrors> {
    let example = "late_errors = { url = \"https://api.featurebase.com/v2/sinks/ID/errors\", every = \"1 min\" }";
    let table = item.section(&format!("write `{example}`"))?;
    table.only(&["url", "every"], |_, _| None);
    let every = table.get("every").and_then(|item| item.duration(Duration::from_secs(1)));
    let url = address(&table, "url", example, secrets);
    Some(LateErrors { url, every: every.unwrap_or(Duration::from_secs(60)) })
}

fn hint(key: &str) -> Option<String> {
    match key {
        "topic" | "brokers" | "librdkafka" | "routes" | "partition" => {
            Some(format!("`{key}` belongs to a sink of type \"kafka\""))
        }
        "batch_size" | "records" | "age" | "bytes" => {
            Some("write `batch = { records = 500, bytes = \"1 MiB\", age = \"1 s\" }`".to_owned())
        }
        "gzip" => Some("write `compression = \"gzip\"`".to_owned()),
        "ca" | "certificate" | "key" => Some(format!("write `tls = {{ {key} = \"….pem\" }}`")),
        _ => {
            let kinds = [("http", &HTTP[..]), ("featurebase-cloud", &CLOUD), ("featurebase", &SQL)];
            let (kind, _) = kinds.into_iter().find(|(_, keys)| keys.contains(&key))?;
            Some(format!("`{key}` belongs to a sink of type \"{kind}\""))
        }
    }
}

pub(super) fn headers(section: &Section<'_>, secrets: &mut Vec<Secret>) -> BTreeMap<String, Secret> {
    let example = "write `headers = { \"x-team\" = \"a\" }`";
    let Some(table) = section.get("headers").and_then(|item| item.section(example)) else { return BTreeMap::new() };
    let header = |(name, item): (&str, Item<'_>)| {
        let (value, hidden) = secret_text(&item)?;
        if hidden || is_secret(name) {
            secrets.push(Secret(value.clone()));
        }
        let name = name.to_ascii_lowercase();
        let twins = table.items().iter().filter(|(other, _)| other.eq_ignore_ascii_case(&name)).count();
        if twins > 1 {
            item.reader.error(&item.key, format!("the header `{name}` is there twice"), &["leave one of them out"]);
        } else if OWN_HEADERS.contains(&name.as_str()) {
            let help = "leave it out: it tells the length, the kind or the way of a body, which is the host's";
            item.reader.error(&item.key, format!("the header `{name}` is not yours to set"), &[help]);
        } else if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        {
            let help = "a name is of letters, digits, `-` and `_`";
            item.reader.error(&item.key, format!("{name:?} is no header's name"), &[help]);
        } else if !value.chars().all(|c| matches!(c, ' '..='~' | '\t')) {
            let help = "a value is a line of ASCII characters; does the file end with a line's end?";
            item.wrong(format!("the value of the header `{name}` cannot be sent"), help);
        }
        Some((name, Secret(value)))
    };
    table.items().into_iter().filter_map(header).collect()
}

/// A string, or the content of `{ file = "…" }`; and whether it came from a file or a variable.
pub(super) fn secret_text(item: &Item<'_>) -> Option<(String, bool)> {
    match item.value {
        DeValue::Table(table) if table.len() == 1 && table.contains_key("file") => Some((from_file(item)?, true)),
        DeValue::Table(_) => {
            item.wrong("expected a string or a file", "write a string, or `{ file = \"/run/secrets/…\" }`");
            None
        }
        _ => item.text().map(|text| (text.value, text.hidden)),
    }
}

/// How rows are put together where nothing else is written or known.
const BATCH: HttpBatch =
    HttpBatch { records: 500, bytes: 1 << 20, age: Duration::from_secs(1), window: 4, in_flight: 16 << 20 };

fn batch(section: &Section<'_>, mut batch: HttpBatch) -> HttpBatch {
    let example = "write `batch = { records = 500, bytes = \"1 MiB\", age = \"1 s\" }`";
    if let Some(table) = section.get("batch").and_then(|item| item.section(example)) {
        table.only(&["records", "bytes", "age"], |key, _| {
            similar(key, &["max_staleness", "interval", "time"]).map(|_| "did you mean `age`?".to_owned())
        });
        batch.records = table.get("records").and_then(|item| item.count(1..=100_000)).unwrap_or(batch.records);
        batch.bytes = table.get("bytes").and_then(|item| item.size(1 << 10..=256 << 20)).unwrap_or(batch.bytes);
        batch.age = table.get("age").and_then(|item| item.duration(Duration::from_millis(1))).unwrap_or(batch.age);
    }
    batch.window = section.get("window").and_then(|item| item.count(1..=1024)).unwrap_or(batch.window);
    batch.in_flight =
        section.get("in_flight").and_then(|item| item.size(64 << 10..=4 << 30)).unwrap_or(batch.in_flight);
    batch
}

pub(super) fn client(section: &Section<'_>, secrets: Vec<Secret>) -> HttpClient {
    let timeout = section.get("timeout").and_then(|item| item.duration(Duration::from_millis(10)));
    let gzip = section.get("compression").and_then(|item| item.word(&[("none", false), ("gzip", true)]));
    let (mut ca, mut identity) = (None, None);
    let example = "write `tls = { ca = \"ca.pem\", certificate = \"client.pem\", key = \"client.key\" }`";
    if let Some(table) = section.get("tls").and_then(|item| item.section(example)) {
        table.only(&["ca", "certificate", "key"], |_, _| None);
        let path = |key: &str| {
            let item = table.get(key)?;
            let path = secret_path(&item)?;
            match item.reader.surroundings.secret(&path.path) {
                Ok(text) if text.contains("-----BEGIN ") => {}
                Ok(_) => item.wrong(format!("{} has nothing in PEM form", path.shown), "it begins with `-----BEGIN`"),
                Err(error) => {
                    let help = "the path is relative to the configuration's folder";
                    item.wrong(format!("cannot read {}: {error}", path.shown), help);
                }
            }
            Some(path.path)
        };
        ca = path("ca");
        identity = match (path("certificate"), path("key")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            // one of them is wrong, which was told
            _ if ["certificate", "key"].iter().all(|key| table.get(key).is_some()) => None,
            _ => {
                table.reader.error(&table.place, "a client's certificate and its key go together", &[example]);
                None
            }
        };
    }
    let (timeout, gzip) = (timeout.unwrap_or(Duration::from_secs(30)), gzip.unwrap_or(false));
    HttpClient { timeout, ca, identity, gzip, secrets }
}

fn format(item: &Item<'_>) -> Option<HttpFormat> {
    let example = "write `\"array\"`, `\"ndjson\"`, or `{ template = '{\"events\": [{{rows}}]}' }`";
    if let DeValue::Table(_) = item.value {
        let table = item.section(example)?;
        table.only(&["template"], |_, _| None);
        let template = table.get("template")?;
        let text = template.text()?.value;
        let Some((open, close)) = text.split_once("{{rows}}").filter(|(_, close)| !close.contains("{{rows}}")) else {
            template.wrong("a template has `{{rows}}` once", example);
            return None;
        };
        return Some(HttpFormat::Template { open: open.to_owned(), close: close.to_owned() });
    }
    match item.word_or(
        &[("array", false), ("ndjson", true)],
        &[("lines", "ndjson"), ("json", "array"), ("jsonl", "ndjson")],
    )? {
        true => Some(HttpFormat::Lines),
        false => Some(HttpFormat::Array),
    }
}

fn refused(item: &Item<'_>) -> Option<RefusedRows> {
    let example = "write `refused = { list = \"/errors\", row = \"/row\", message = \"/message\" }`";
    let table = item.section(example)?;
    table.only(&["list", "row", "failed", "message"], |_, _| None);
    table.need("list", "it is not said where the list of refused rows is", example);
    let pointer = |key: &str| {
        let item = table.get(key)?;
        let text = item.text()?;
        if !text.value.is_empty() && !text.value.starts_with('/') {
            let help = match text.hidden {
                true => "it begins with `/`".to_owned(),
                false => format!("write `\"/{}\"`", text.value.replace('.', "/")),
            };
            item.wrong(format!("{} is no JSON pointer", text.shown()), &help);
        }
        Some(text.value)
    };
    let [list, row, failed, message] = ["list", "row", "failed", "message"].map(pointer);
    if row.is_none() && failed.is_none() && table.get("list").is_some() {
        let message = "which items of the list are refused rows cannot be told";
        let help = "add `row`, the pointer to the row's number, or `failed`, to what only refused rows have";
        table.reader.error(&table.place, message, &[help]);
    }
    Some(RefusedRows { list: list?, row, failed, message })
}
