//! A server that repeats what it was sent, secrets and all, wherever an answer has words: none of it reaches a person.

use super::{BATCH, client, refused_rows};
use crate::config::{
    Address, ColumnType, Featurebase, FeaturebaseCloud, HttpClient, HttpFormat, HttpSink, Id, LateErrors, Secret,
    SqlColumn, Tombstones,
};
use crate::http::endpoint::Endpoint;
use crate::http::{Cloud, Plain, Sql, Wanted};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

const PASSWORD: &str = "hunter2\"/+<";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.e30.sig";
const HEADER: &str = "s3cr3t/h3ad3r==";
const QUERY: &str = "qu3ry/t0ken";

/// What of them no text may have, in whatever form.
const PARTS: [&str; 6] = ["hunter2", "eyJhbGci", "s3cr3t", "h3ad3r", "qu3ry", "t0ken"];

/// How the next requests are answered.
#[derive(Clone, Copy)]
struct Way {
    status: u16,
    json: bool,
    logs_in: bool,
}

fn start(way: Arc<Mutex<Way>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // it ends with the tests
    let serve = move || {
        let way = || *way.lock().unwrap();
        listener.incoming().map_while(Result::ok).for_each(|stream| drop(answer(&stream, way())));
    };
    std::thread::Builder::new().name("repeats".to_owned()).spawn(serve).unwrap();
    address
}

fn answer(mut stream: &TcpStream, way: Way) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let before = head.len();
        reader.read_line(&mut head)?;
        let line = head[before..].to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, body) = match head.contains(" /login") && way.logs_in {
        true => (200, json!({ "AuthenticationResult": { "IdToken": TOKEN } }).to_string()),
        false => {
            let all = format!("{head}{}", String::from_utf8_lossy(&body));
            (way.status, if way.json { everywhere(&all).to_string() } else { all })
        }
    };
    let place = format!("http://elsewhere/{}?{}", one(&head, "authorization:"), one(&head, "x-key:"));
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nConnection: close\r\nLocation: {place}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A header's value.
fn one<'h>(head: &'h str, name: &str) -> &'h str {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
    line.map_or("", |line| line[name.len()..].trim())
}

/// An answer of each kind of server that has a text in each place where words may be.
fn everywhere(text: &str) -> Value {
    let record = json!({ "status": 400, "error_code": text, "error_message": text, "row": 0, "why": text });
    json!({
        "error": text, "message": text, "errors": [record], "success_count": 0, "error_count": 1, "records": [record],
        "schema": { "fields": [{ "name": text }] },
    })
}

fn secret_client() -> HttpClient {
    let secrets = [PASSWORD, &format!("Bearer {HEADER}"), QUERY].map(|text| Secret(text.to_owned()));
    HttpClient { secrets: secrets.into(), timeout: Duration::from_secs(5), ..client() }
}

fn headers() -> BTreeMap<String, Secret> {
    let header = |name: &str| (name.to_owned(), Secret(format!("Bearer {HEADER}")));
    BTreeMap::from([header("authorization"), header("x-key")])
}

fn plain(address: &str) -> Plain {
    let config = HttpSink {
        url: Address::new(format!("http://{address}/rows?key={QUERY}")),
        put: false,
        headers: headers(),
        format: HttpFormat::Array,
        retry: Vec::new(),
        refused: Some(refused_rows()),
        batch: BATCH,
        client: secret_client(),
    };
    Plain::new(&config).unwrap()
}

fn cloud(address: &str) -> Cloud {
    let url = |path: &str| Address::new(format!("http://{address}/{path}?key={QUERY}"));
    let config = FeaturebaseCloud {
        endpoint: url("rows"),
        login_url: url("login"),
        username: "ann".to_owned(),
        password: Secret(PASSWORD.to_owned()),
        late_errors: Some(LateErrors { url: url("errors"), every: Duration::from_secs(60) }),
        batch: BATCH,
        client: secret_client(),
    };
    Cloud::new(&config).unwrap()
}

fn sql(address: &str) -> Sql {
    let column =
        SqlColumn { name: "n".to_owned(), from: vec!["n".to_owned()], kind: ColumnType::String, required: false };
    let config = Featurebase {
        url: Address::new(format!("http://{address}")),
        headers: headers(),
        table: "t".to_owned(),
        id: Id::default(),
        columns: vec![column],
        create_table: true,
        tombstones: Tombstones::Refuse,
        batch: BATCH,
        client: secret_client(),
    };
    Sql::new(&config).unwrap()
}

/// Everything that the three say of one way.
async fn said(address: &str) -> Vec<String> {
    let rows = Bytes::from_static(b"[1]");
    let (plain, cloud, sql) = (plain(address), cloud(address), sql(address));
    let mut said = vec![
        format!("{:?}", plain.send(rows.clone(), 1, &Wanted::default()).await),
        format!("{:?}", cloud.send(rows.clone(), 1, &Wanted::default()).await),
        format!("{:?}", sql.connect().await),
        format!("{:?}", crate::http::late::ask(&cloud).await),
    ];
    for findings in [plain.probe().await, cloud.probe().await, sql.probe().await] {
        said.extend(findings.iter().map(ToString::to_string));
    }
    said
}

#[test]
fn no_secret_of_a_request_is_in_what_is_told_of_an_answer_that_repeats_it() {
    let way = Arc::new(Mutex::new(Way { status: 200, json: true, logs_in: true }));
    let (runtime, address) = (Runtime::new().unwrap(), start(way.clone()));
    let mut hidden = 0;
    for status in [200, 302, 400, 401, 403, 404, 409, 413, 422, 429, 500, 503] {
        for (json, logs_in) in [(true, true), (true, false), (false, true), (false, false)] {
            *way.lock().unwrap() = Way { status, json, logs_in };
            for text in runtime.block_on(said(&address)) {
                assert!(!PARTS.iter().any(|part| text.contains(part)), "status {status}, json {json}: {text}");
                assert!(!text.contains(char::is_control), "{text:?}");
                hidden += usize::from(text.contains("(secret)"));
            }
        }
    }
    // it was there to be told
    assert!(hidden > 100, "{hidden}");
}

#[test]
fn an_address_is_told_without_its_query_where_nobody_answers() {
    let runtime = Runtime::new().unwrap();
    for text in runtime.block_on(said("127.0.0.1:1")) {
        assert!(!text.contains("key=") && !PARTS.iter().any(|part| text.contains(part)), "{text}");
    }
}
