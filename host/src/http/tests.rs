//! Any bytes as answers and as values: nothing panics, nothing counts as durable that was not said to be, and a body has the rows that
//! were put into it.

use super::endpoint::{Answer, Endpoint, Row};
use super::json::Checker;
use super::request::Gathering;
use super::{Cloud, Plain, Wanted};
use crate::config::{Address, FeaturebaseCloud, HttpBatch, HttpClient, HttpFormat, HttpSink, RefusedRows, Secret};
use crate::record::{Lane, Span};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::string::string_regex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

mod exchanges;
mod repeats;
mod service;

const BATCH: HttpBatch =
    HttpBatch { records: 500, bytes: 1 << 20, age: Duration::from_secs(1), window: 1, in_flight: 1 << 20 };

fn client() -> HttpClient {
    HttpClient { timeout: Duration::from_millis(150), ca: None, identity: None, gzip: false, secrets: Vec::new() }
}

fn plain(url: &str, format: HttpFormat, refused: Option<RefusedRows>) -> Plain {
    let config = HttpSink {
        url: Address::new(url),
        put: false,
        headers: BTreeMap::new(),
        format,
        retry: vec![418],
        refused,
        batch: BATCH,
        client: client(),
    };
    Plain::new(&config).unwrap()
}

fn cloud_config(address: &str) -> FeaturebaseCloud {
    FeaturebaseCloud {
        endpoint: Address::new(format!("http://{address}/rows")),
        login_url: Address::new(format!("http://{address}/login")),
        username: "ann".to_owned(),
        password: Secret("secret".to_owned()),
        late_errors: None,
        batch: BATCH,
        client: client(),
    }
}

fn cloud(address: &str) -> Cloud {
    Cloud::new(&cloud_config(address)).unwrap()
}

fn refused_rows() -> RefusedRows {
    let text = |text: &str| Some(text.to_owned());
    RefusedRows { list: "/errors".to_owned(), row: text("/row"), failed: None, message: text("/why") }
}

/// Answers each request with the bytes that it was told last, and logins with a token; then hangs up.
struct Server {
    address: String,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, bytes) = (listener.local_addr().unwrap().to_string(), Arc::new(Mutex::new(Vec::new())));
        let told = bytes.clone();
        // it ends with the tests
        let serve = move || listener.incoming().map_while(Result::ok).for_each(|stream| drop(answer(&stream, &told)));
        std::thread::Builder::new().name("answers".to_owned()).spawn(serve).unwrap();
        Self { address, bytes }
    }

    fn say(&self, bytes: Vec<u8>) {
        *self.bytes.lock().unwrap() = bytes;
    }
}

fn answer(mut stream: &TcpStream, told: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    if first.contains("/login") {
        let token = r#"{"AuthenticationResult":{"IdToken":"t"}}"#;
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{token}",
            token.len()
        );
    }
    let bytes = told.lock().unwrap().clone();
    stream.write_all(&bytes)
}

#[derive(Clone, Debug)]
struct Said {
    status: u16,
    body: Vec<u8>,
    /// Bytes that are promised and do not come.
    missing: usize,
    retry_after: String,
}

fn text(pattern: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    string_regex(pattern).unwrap().prop_map(String::into_bytes)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let record = r#"\{"status":(200|400),"error_code":(null|"x")\}"#;
    let records = format!(r#""records":\[{record}(,{record}){{0,3}}\]"#);
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..100),
        text(&format!(r#"\{{"success_count":[0-3],"error_count":[0-3],{records}\}}"#)),
        text(r#"\{"errors":(\[(\{"row":[0-9],"why":"no"\})?\]|7|null)\}"#),
        text(r#"\{"code":"ResourceThroughputExceeded"\}"#),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let status = prop_oneof![Just(200u16), Just(400), Just(401), Just(418), Just(429), 200u16..600];
    let missing = prop_oneof![4 => Just(0usize), 1 => 1usize..5];
    (status, body(), missing, "[ -~]{0,12}|[0-9]{1,20}").prop_map(|(status, body, missing, retry_after)| Said {
        status,
        body,
        missing,
        retry_after,
    })
}

impl Said {
    fn bytes(&self) -> Vec<u8> {
        let Self { status, body, missing, retry_after } = self;
        let length = body.len() + missing;
        let head = format!(
            "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\nRetry-After: {retry_after}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    /// Whether rows may count as durable after it: 204 and 304 have no body, whatever is promised.
    fn is_good(&self) -> bool {
        (200..300).contains(&self.status) && (self.missing == 0 || matches!(self.status, 204 | 205))
    }
}

/// The answers that a property is checked of.
fn sound(answer: &Answer, said: Option<&Said>) -> Result<(), TestCaseError> {
    match answer {
        Answer::Taken => prop_assert!(said.is_some_and(Said::is_good), "{said:?}"),
        Answer::Refused(rows) | Answer::Guilty(rows) => {
            prop_assert!(!rows.is_empty() && rows.iter().all(|(row, _)| *row < 3), "{rows:?}")
        }
        Answer::Again { after, .. } => prop_assert!(after.is_none_or(|after| after <= Duration::from_secs(3600))),
        Answer::RefusedWhole(message) | Answer::Fatal(message) => prop_assert!(message.len() < 1000),
    }
    Ok(())
}

fn send(runtime: &Runtime, server: &Server, bytes: Vec<u8>) -> [Answer; 3] {
    server.say(bytes);
    let url = format!("http://{}/rows", server.address);
    let (text, wanted) = (|| Bytes::from_static(b"[1,2,3]"), Wanted::default());
    runtime.block_on(async {
        [
            plain(&url, HttpFormat::Array, None).send(text(), 3, &wanted).await,
            plain(&url, HttpFormat::Array, Some(refused_rows())).send(text(), 3, &wanted).await,
            cloud(&server.address).send(text(), 3, &wanted).await,
        ]
    })
}

#[test]
fn rows_are_durable_only_after_a_whole_answer_that_says_so() {
    let (runtime, server) = (Runtime::new().unwrap(), Server::start());
    proptest!(ProptestConfig::with_cases(200), |(said in said())| {
        let [plain, told, cloud] = send(&runtime, &server, said.bytes());
        for answer in [&plain, &told, &cloud] {
            sound(answer, Some(&said))?;
        }
        if said.status == 418 {
            prop_assert!(matches!((&plain, &told), (Answer::Again { .. }, Answer::Again { .. })), "it is to be tried again");
        }
        let text = String::from_utf8_lossy(&said.body);
        if text.contains("\"row\":") {
            prop_assert_ne!(&told, &Answer::Taken, "a refused row was lost");
        }
        if cloud == Answer::Taken {
            prop_assert!(text.contains('3') || text.matches("\"status\":200").count() == 3, "{}", text);
        }
    });
}

#[test]
fn bytes_that_are_no_answer_take_nothing() {
    let (runtime, server) = (Runtime::new().unwrap(), Server::start());
    let open = prop_oneof![Just(Vec::new()), text("HTTP/[0-9]\\.[0-9] [0-9]{0,4}[ -~]{0,10}(\r\n){0,2}")];
    // hyper takes the end of the connection for the end of a body without a length
    let bytes = (open, proptest::collection::vec(any::<u8>(), 0..60))
        .prop_map(|(open, rest)| [open, rest].concat())
        .prop_filter("no good status", |bytes| !String::from_utf8_lossy(bytes).contains(" 2"));
    proptest!(ProptestConfig::with_cases(40), |(bytes in bytes)| {
        for answer in send(&runtime, &server, bytes) {
            sound(&answer, None)?;
        }
    });
}

#[derive(Deserialize)]
struct Sent {
    records: Vec<BTreeMap<String, IgnoredAny>>,
}

/// Puts values into a body. Gives it with how many rows it has.
fn put(endpoint: &impl Endpoint, values: &[Option<Vec<u8>>]) -> (Bytes, usize) {
    let (frame, span) = (endpoint.frame(), Span { lane: Lane { slot: 0, epoch: 1 }, number: 0 });
    let (mut gathering, mut checker) = (Gathering::new(frame, Vec::new()), Checker::default());
    for (value, index) in values.iter().zip(0..) {
        let offset = i64::from(index);
        let row = Row { topic: "t", partition: 0, offset, number: 0, key: None, value: value.as_deref() };
        drop(gathering.push(frame, (span, index), |text| endpoint.encode(row, &mut checker, text)));
    }
    let rows = gathering.rows();
    (gathering.close(frame).body, rows)
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        text(r#"\{("a":(1|"[ -!#-\[\]-~]?"|\[\]|\{\})(,"b":-?[0-9]\.[0-9])?)?\}"#).prop_map(Some),
        text(r#"[ \n\r]?[\[{"0-9a-z\\,:}\]\n ]{0,12}"#).prop_map(Some),
        Just(Some(b"{\"a\":\r\n1}".to_vec())),
        Just(Some(b"{}]},{\"records\":[{}".to_vec())),
        proptest::collection::vec(any::<u8>(), 0..16).prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn a_body_has_the_rows_that_were_put_into_it_whatever_values_are(values in proptest::collection::vec(value(), 1..8)) {
        let (body, rows) = put(&cloud("127.0.0.1:1"), &values);
        let sent: Sent = serde_json::from_slice(&body).unwrap();
        prop_assert_eq!(sent.records.len(), rows);
        prop_assert!(sent.records.iter().all(|record| record.len() == 1 && record.contains_key("value")));
        let is_object = |value: &&Option<Vec<u8>>| {
            value.as_ref().is_some_and(|value| serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(value).is_ok())
        };
        prop_assert!(rows >= values.iter().filter(is_object).count(), "an object was left out");

        let url = "http://127.0.0.1:1/";
        let (body, rows) = put(&plain(url, HttpFormat::Array, None), &values);
        prop_assert_eq!(serde_json::from_slice::<Vec<IgnoredAny>>(&body).unwrap().len(), rows);
        let (body, rows) = put(&plain(url, HttpFormat::Lines, None), &values);
        let lines: Vec<_> = std::str::from_utf8(&body).unwrap().split('\n').collect();
        prop_assert_eq!(lines.iter().filter(|line| serde_json::from_str::<IgnoredAny>(line).is_ok()).count(), rows);
        prop_assert_eq!(lines.iter().filter(|line| !line.is_empty()).count(), rows);
    }
}
