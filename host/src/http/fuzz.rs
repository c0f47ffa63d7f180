//! What the fuzz targets (`tests/fuzz`) call: the readers of servers' answers, and the makers of bodies from the chain's values, each with
//! what must hold whatever the bytes are. A panic is a finding.

use super::cloud::{self, Cloud};
use super::endpoint::{Answer, Endpoint, Row};
use super::json::Checker;
use super::late;
use super::plain::{self, Plain};
use super::request::Gathering;
use super::secrets::Secrets;
use super::sql::{Sql, statement_outcome};
use super::token::Token;
use crate::config::{
    Address, ColumnType, Featurebase, FeaturebaseCloud, HttpBatch, HttpClient, HttpFormat, HttpSink, Id, RefusedRows,
    Secret, SqlColumn, Tombstones,
};
use crate::record::{Lane, Span};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A target by its name: it takes any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 6] = [
    ("cloud-answer", cloud_answer),
    ("plain-answer", plain_answer),
    ("sql-answer", sql_answer),
    ("late-errors", late_errors),
    ("login", login),
    ("rows", rows),
];

/// The first byte says how many rows the request had.
fn split(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((1, data), |(first, body)| (1 + usize::from(first % 8), body))
}

fn is_within(refused: &[(u32, String)], rows: usize) {
    assert!(refused.iter().all(|(row, _)| (*row as usize) < rows), "a row was refused that was not sent: {refused:?}");
}

/// The streaming endpoint's answer: rows count as taken only where it says so.
fn cloud_answer(data: &[u8]) {
    let (rows, body) = split(data);
    match cloud::read(body, rows, &Secrets::default()) {
        Some(Answer::Taken) => {
            let told: Value = serde_json::from_slice(body).expect("what takes rows is JSON");
            let listed = told["records"].as_array().is_some_and(|records| records.len() == rows);
            let said = told["success_count"].as_u64();
            assert!(said == Some(rows as u64) || said.is_none() && listed, "{rows} rows were taken by {told}");
        }
        Some(Answer::Refused(refused) | Answer::Guilty(refused)) => {
            assert!(!refused.is_empty());
            is_within(&refused, rows);
        }
        _ => {}
    }
}

/// A plain service's list of refused rows: none of it is left out.
fn plain_answer(data: &[u8]) {
    let (rows, body) = split(data);
    let refused = refused_rows();
    let Ok(found) = plain::read(&refused, body, rows) else { return };
    is_within(&found, rows);
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let listed = told.pointer(&refused.list).and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(found.len(), listed, "of {told}");
}

/// A FeatureBase server's answer: with an error in it nothing was done.
fn sql_answer(data: &[u8]) {
    let done = statement_outcome(data, &Address::new("http://localhost"), &Secrets::default()).is_ok();
    let told: Value = serde_json::from_slice(data).unwrap_or_default();
    let has_error = !matches!(&told["error"], Value::Null) && told["error"] != "";
    assert!(!done || !has_error, "rows were taken by {told}");
}

fn late_errors(data: &[u8]) {
    late::read(data, &Secrets::default());
}

fn login(data: &[u8]) {
    let Ok(answer) = serde_json::from_slice(data) else { return };
    let now = Instant::now();
    if let Some(token) = Token::read(answer, now) {
        assert!(token.renew >= now && token.renew - now <= Duration::from_secs(30 * 86_400));
    }
}

/// A body for the cloud. Numbers beyond any type's are JSON too, which is for the server to refuse.
#[derive(Deserialize)]
struct Sent {
    records: Vec<BTreeMap<String, BTreeMap<String, IgnoredAny>>>,
}

/// Values, apart by zeros: a body has as many rows as were put into it, and each row is whole.
fn rows(data: &[u8]) {
    static CLOUD: LazyLock<Cloud> = LazyLock::new(|| made(Cloud::new(&cloud_config())));
    static ARRAY: LazyLock<Plain> = LazyLock::new(|| made(Plain::new(&plain_config(HttpFormat::Array))));
    static LINES: LazyLock<Plain> = LazyLock::new(|| made(Plain::new(&plain_config(HttpFormat::Lines))));
    static TABLE: LazyLock<Sql> = LazyLock::new(|| made(Sql::new(&table_config())));
    let values: Vec<&[u8]> = data.split(|byte| *byte == 0).take(8).collect();
    let (cloud, rows) = put(&*CLOUD, &values);
    let sent: Sent = serde_json::from_slice(&cloud).expect("a body for the cloud is JSON, and its records are objects");
    assert_eq!(sent.records.len(), rows);
    assert!(sent.records.iter().all(|record| record.len() == 1 && record.contains_key("value")));
    let (array, rows) = put(&*ARRAY, &values);
    assert_eq!(serde_json::from_slice::<Vec<IgnoredAny>>(&array).expect("an array is JSON").len(), rows);
    let (lines, rows) = put(&*LINES, &values);
    are_lines(&lines, rows);
    let ((statement, rows), frame) = (put(&*TABLE, &values), TABLE.frame());
    let lines = &statement[frame.open.len()..statement.len() - frame.close.len()];
    // within the statement's quotes a quote is two
    are_lines(String::from_utf8_lossy(lines).replace("''", "'").as_bytes(), rows);
}

fn are_lines(body: &[u8], rows: usize) {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), rows, "{}", body.escape_ascii());
    assert!(lines.iter().all(|line| serde_json::from_slice::<IgnoredAny>(line).is_ok()), "{}", body.escape_ascii());
}

fn put(endpoint: &impl Endpoint, values: &[&[u8]]) -> (Bytes, usize) {
    let (frame, span) = (endpoint.frame(), Span { lane: Lane { slot: 0, epoch: 1 }, number: 0 });
    let (mut gathering, mut checker) = (Gathering::new(frame, Vec::new()), Checker::default());
    for (value, index) in values.iter().zip(0..) {
        let (offset, value) = (i64::from(index), Some(*value));
        let row = Row { topic: "t", partition: 0, offset, number: 0, key: None, value };
        // what cannot be a row is refused, and leaves nothing behind
        drop(gathering.push(frame, (span, index), |text| endpoint.encode(row, &mut checker, text)));
    }
    let rows = gathering.rows();
    (gathering.close(frame).body, rows)
}

fn made<E>(endpoint: Result<E, String>) -> E {
    endpoint.unwrap_or_else(|error| panic!("an endpoint without files: {error}"))
}

const BATCH: HttpBatch =
    HttpBatch { records: 500, bytes: 1 << 20, age: Duration::from_secs(1), window: 1, in_flight: 1 << 20 };

fn client() -> HttpClient {
    HttpClient { timeout: Duration::from_secs(1), ca: None, identity: None, gzip: false, secrets: Vec::new() }
}

fn refused_rows() -> RefusedRows {
    RefusedRows {
        list: "/errors".to_owned(),
        row: Some("/row".to_owned()),
        failed: None,
        message: Some("/why".to_owned()),
    }
}

fn cloud_config() -> FeaturebaseCloud {
    FeaturebaseCloud {
        endpoint: Address::new("http://localhost/rows"),
        login_url: Address::new("http://localhost/login"),
        username: "ann".to_owned(),
        password: Secret("secret".to_owned()),
        late_errors: None,
        batch: BATCH,
        client: client(),
    }
}

fn plain_config(format: HttpFormat) -> HttpSink {
    HttpSink {
        url: Address::new("http://localhost/rows"),
        put: false,
        headers: BTreeMap::new(),
        format,
        retry: Vec::new(),
        refused: None,
        batch: BATCH,
        client: client(),
    }
}

fn table_config() -> Featurebase {
    let column =
        |name: &str, kind| SqlColumn { name: name.to_owned(), from: vec![name.to_owned()], kind, required: false };
    Featurebase {
        url: Address::new("http://localhost"),
        headers: BTreeMap::new(),
        table: "t".to_owned(),
        id: Id::default(),
        columns: vec![
            column("a", ColumnType::String),
            column("b", ColumnType::Int { min: None, max: None }),
            column("c", ColumnType::Timestamp(None)),
        ],
        create_table: false,
        tombstones: Tombstones::Refuse,
        batch: BATCH,
        client: client(),
    }
}
