//! What is sent, exchange by exchange, to servers that note it.

use super::service::{Noted, Said, Service, token};
use super::{BATCH, client, cloud_config};
use crate::config::{
    Address, ColumnType, Featurebase, FeaturebaseCloud, HttpClient, HttpFormat, HttpSink, Id, Part, RefusedRows,
    Secret, SqlColumn, Tombstones,
};
use crate::http::endpoint::{Answer, Endpoint};
use crate::http::wanted::Want;
use crate::http::{Cloud, Plain, Sql, Wanted};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

const TAKEN: &str = r#"{"success_count":1,"error_count":0}"#;
const ROWS: &[u8] = br#"{"records":[{"value":{}}]}"#;

/// A client that waits for as long as a busy machine may take.
fn patient() -> HttpClient {
    HttpClient { timeout: Duration::from_secs(20), ..client() }
}

fn patient_cloud(address: &str, gzip: bool) -> Cloud {
    let config = FeaturebaseCloud { client: HttpClient { gzip, ..patient() }, ..cloud_config(address) };
    Cloud::new(&config).unwrap()
}

fn plain_config(address: &str) -> HttpSink {
    HttpSink {
        url: Address::new(format!("http://{address}/rows")),
        put: false,
        headers: BTreeMap::new(),
        format: HttpFormat::Array,
        retry: Vec::new(),
        refused: None,
        batch: BATCH,
        client: patient(),
    }
}

fn sql(address: &str) -> Sql {
    let column =
        SqlColumn { name: "n".to_owned(), from: vec!["n".to_owned()], kind: ColumnType::String, required: false };
    let config = Featurebase {
        url: Address::new(format!("http://{address}")),
        headers: BTreeMap::new(),
        table: "t".to_owned(),
        id: Id::default(),
        columns: vec![column],
        create_table: false,
        tombstones: Tombstones::Delete(vec![Part::Key]),
        batch: BATCH,
        client: patient(),
    };
    Sql::new(&config).unwrap()
}

/// A lane that goes when a test says so.
#[derive(Clone, Default)]
struct Lost(Arc<Mutex<Option<Want>>>);

impl Lost {
    fn lose(&self) {
        *self.0.lock().unwrap() = None;
    }

    fn wanted(&self) -> Wanted {
        self.0.lock().unwrap().get_or_insert_default().wanted()
    }
}

fn again(answer: &Answer) -> bool {
    matches!(answer, Answer::Again { slower: false, .. })
}

#[test]
fn rows_whose_lane_goes_while_a_login_is_waited_for_are_not_sent() {
    let runtime = Runtime::new().unwrap();
    // the token is refused, or there is none yet
    for (before, lines) in [(1, vec!["POST /login", "POST /rows", "POST /login"]), (0, vec!["POST /login"])] {
        let lost = Lost::default();
        let goes = lost.clone();
        let service = Service::start(move |request, all| match (&*request.line, all.len()) {
            ("POST /login", after) if after >= 2 * before => {
                goes.lose();
                token("t", 1000.0)
            }
            ("POST /login", _) => token("t", 1000.0),
            _ => (401, "", String::new()),
        });
        let cloud = patient_cloud(&service.address, false);
        let answer = runtime.block_on(cloud.send(Bytes::from_static(ROWS), 1, &lost.wanted()));
        assert!(again(&answer), "{answer:?}");
        assert_eq!(service.lines(), lines);
    }
}

#[test]
fn statements_of_rows_whose_lane_goes_between_them_are_not_sent() {
    let runtime = Runtime::new().unwrap();
    let names = ["_id", "name", "type", "scale", "min", "max"].map(|name| format!(r#"{{"name":"{name}"}}"#)).join(",");
    let columns = r#"[["_id","_id","string",0,0,0],["n","n","string",0,0,0]]"#;
    for last in ["SHOW", "DELETE", "BULK"] {
        let (lost, shown) = (Lost::default(), format!(r#"{{"schema":{{"fields":[{names}]}},"data":{columns}}}"#));
        let goes = lost.clone();
        let service = Service::start(move |request, _| {
            if request.body.starts_with(last) {
                goes.lose();
            }
            let answer =
                if request.body.starts_with("SHOW") { &shown } else { r#"{"schema":{"fields":[]},"data":[]}"# };
            (200, "", answer.to_owned())
        });
        let sql = sql(&service.address);
        let frame = sql.frame();
        let body = [&frame.open[..], b"D\"a\"\n[\"b\",\"x\"]", &frame.close].concat();
        let answer = runtime.block_on(sql.send(body.into(), 2, &lost.wanted()));
        let words: Vec<String> =
            service.noted().iter().map(|request| request.body.split(' ').next().unwrap().to_owned()).collect();
        let all = ["SHOW", "DELETE", "BULK"];
        let until = all.iter().position(|word| *word == last).unwrap();
        assert_eq!(words, all[..=until], "{answer:?}");
        assert_eq!(answer == Answer::Taken, last == "BULK", "{answer:?}");
        assert!(last == "BULK" || again(&answer), "{answer:?}");
    }
}

#[test]
fn ids_to_delete_go_a_thousand_in_a_statement() {
    let names = ["_id", "name", "type", "scale", "min", "max"].map(|name| format!(r#"{{"name":"{name}"}}"#)).join(",");
    let columns = r#"[["_id","_id","string",0,0,0],["n","n","string",0,0,0]]"#;
    let shown = format!(r#"{{"schema":{{"fields":[{names}]}},"data":{columns}}}"#);
    let service = Service::start(move |_, _| (200, "", shown.clone()));
    let sql = sql(&service.address);
    let ids: Vec<String> = (0..2001).map(|n| format!("x'{n:04}'")).collect();
    let lines: Vec<String> = ids.iter().map(|id| format!("D\"{}\"", id.trim_matches(['x', '\'']))).collect();
    let body = [&sql.frame().open[..], lines.join("\n").as_bytes(), &sql.frame().close].concat();
    let answer = Runtime::new().unwrap().block_on(sql.send(body.into(), ids.len(), &Wanted::default()));
    assert_eq!(answer, Answer::Taken);
    let noted = service.noted();
    let deleted = |one: &Noted| {
        let list =
            one.body.strip_prefix("DELETE FROM \"t\" WHERE \"_id\" IN (").and_then(|rest| rest.strip_suffix(')'));
        list.unwrap().split(',').map(str::to_owned).collect::<Vec<_>>()
    };
    // the first one looks at the table
    let deletes: Vec<_> = noted[1..].iter().map(deleted).collect();
    assert_eq!(deletes.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 1]);
    let mut all = deletes.concat();
    all.sort_unstable();
    assert_eq!(all, ids);
}

#[test]
fn a_token_is_renewed_before_it_ends_and_not_before() {
    let runtime = Runtime::new().unwrap();
    let service = Service::start(|request, all| match &*request.line {
        "POST /login" => token(&format!("t{}", all.len()), if all.is_empty() { 1.0 } else { 1000.0 }),
        _ => (200, "", TAKEN.to_owned()),
    });
    let cloud = patient_cloud(&service.address, false);
    let send = || runtime.block_on(cloud.send(Bytes::from_static(ROWS), 1, &Wanted::default()));
    assert_eq!(send(), Answer::Taken);
    // nine tenths of its second are over, and it is good still
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(920)).await });
    assert_eq!([send(), send()], [Answer::Taken, Answer::Taken]);
    assert_eq!(service.lines(), ["POST /login", "POST /rows", "POST /login", "POST /rows", "POST /rows"]);
    let shown: Vec<_> = service.noted().iter().filter_map(|one| one.headers.get("authorization").cloned()).collect();
    assert_eq!(shown, ["Bearer t0", "Bearer t2", "Bearer t2"]);
}

#[test]
fn a_token_that_is_refused_is_renewed_once_for_all_who_have_it() {
    let runtime = Runtime::new().unwrap();
    let service = Service::start(|request, all| match &*request.line {
        "POST /login" => token(&format!("t{}", all.len()), 1000.0),
        _ if request.headers["authorization"] == "Bearer t0" => (401, "", String::new()),
        _ => (200, "", TAKEN.to_owned()),
    });
    let cloud = Arc::new(patient_cloud(&service.address, false));
    runtime.block_on(cloud.connect()).unwrap();
    let send = || {
        let cloud = cloud.clone();
        runtime.spawn(async move { cloud.send(Bytes::from_static(ROWS), 1, &Wanted::default()).await })
    };
    for sent in [send(), send(), send(), send()] {
        assert_eq!(runtime.block_on(sent).unwrap(), Answer::Taken);
    }
    assert_eq!(service.lines().iter().filter(|line| *line == "POST /login").count(), 2, "{:?}", service.lines());
}

#[test]
fn what_is_too_much_is_told_with_how_long_to_wait() {
    let runtime = Runtime::new().unwrap();
    let said: Arc<Mutex<Said>> = Arc::default();
    let says = said.clone();
    let service = Service::start(move |request, _| match &*request.line {
        "POST /login" => token("t", 1000.0),
        _ => says.lock().unwrap().clone(),
    });
    let (plain, cloud) = (Plain::new(&plain_config(&service.address)).unwrap(), patient_cloud(&service.address, false));
    let far = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(600)).unwrap();
    let far = format!(
        "Retry-After: {}\r\n",
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&far).unwrap()
    );
    let far: &'static str = far.leak();
    let too_fast = r#"{"code":"ResourceThroughputExceeded"}"#;
    let seven = "Retry-After: 7\r\n";
    let cases = [
        (429, seven, "", true, 7..=7),
        (429, far, "", true, 500..=600),
        (429, "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "", true, 0..=0),
        (429, "Retry-After: 1000000\r\n", "", true, 3600..=3600),
        (503, seven, "", false, 7..=7),
        (400, seven, too_fast, true, 7..=7),
    ];
    for (status, header, body, much, wait) in cases {
        *said.lock().unwrap() = (status, header, body.to_owned());
        let wanted = Wanted::default();
        let answers = runtime.block_on(async {
            [
                plain.send(Bytes::from_static(b"[1]"), 1, &wanted).await,
                cloud.send(Bytes::from_static(ROWS), 1, &wanted).await,
            ]
        });
        // a plain service has no such code
        let of = if status == 400 { &answers[1..] } else { &answers[..] };
        for answer in of {
            let Answer::Again { after: Some(after), slower, .. } = answer else {
                panic!("{status} {header}: {answer:?}")
            };
            assert!(*slower == much && wait.contains(&after.as_secs()), "{status} {header}: {answer:?}");
        }
    }
}

#[test]
fn a_plain_service_is_sent_what_is_configured() {
    let (runtime, service) = (
        Runtime::new().unwrap(),
        Service::start(|_, all| match all.len() {
            0 => (418, "Retry-After: 3\r\n", String::new()),
            _ => (200, "", String::new()),
        }),
    );
    let config = plain_config(&service.address);
    let template = HttpFormat::Template { open: "{\"events\": [".to_owned(), close: "], \"end\": true}".to_owned() };
    let headers = BTreeMap::from([("x-team".to_owned(), Secret("flights".to_owned()))]);
    let gzip = HttpClient { gzip: true, ..patient() };
    let configs = [
        HttpSink { put: true, retry: vec![418], headers, client: gzip, format: template, ..config.clone() },
        config.clone(),
        HttpSink { format: HttpFormat::Lines, ..config },
    ];
    let values = [Some(b"{\"a\":1}".to_vec()), Some(b"2".to_vec())];
    let mut answers = Vec::new();
    for config in [&configs[0], &configs[0], &configs[1], &configs[2]] {
        let plain = Plain::new(config).unwrap();
        let (body, rows) = super::put(&plain, &values);
        answers.push(runtime.block_on(plain.send(body, rows, &Wanted::default())));
    }
    let again = matches!(answers[0], Answer::Again { slower: false, after: Some(after), .. } if after.as_secs() == 3);
    assert!(again && answers[1..].iter().all(|answer| *answer == Answer::Taken), "{answers:?}");
    let shown = |one: &Noted| {
        let header = |name: &str| one.headers.get(name).map_or("-", String::as_str);
        let headers = ["content-type", "content-encoding", "x-team"].map(header).join(" ");
        format!("{} {headers} {}", one.line, one.body)
    };
    let put = "PUT /rows application/json gzip flights {\"events\": [{\"a\":1},2], \"end\": true}";
    let post = "POST /rows application/json - - [{\"a\":1},2]";
    let lines = "POST /rows application/x-ndjson - - {\"a\":1}\n2\n";
    assert_eq!(service.noted().iter().map(shown).collect::<Vec<_>>(), [put, put, post, lines]);
}

#[test]
fn rows_beside_refused_ones_are_taken_only_where_the_request_was() {
    let service = Service::start(|_, all| match all.len() {
        0 => (422, "", r#"{"errors":[{"row":1,"why":"no"}]}"#.to_owned()),
        _ => (200, "", r#"{"errors":[{"row":1,"why":"no"}]}"#.to_owned()),
    });
    let pointer = |text: &str| Some(text.to_owned());
    let refused =
        RefusedRows { list: "/errors".to_owned(), row: pointer("/row"), failed: None, message: pointer("/why") };
    let plain = Plain::new(&HttpSink { refused: Some(refused), ..plain_config(&service.address) }).unwrap();
    let (body, rows) = super::put(&plain, &[Some(b"1".to_vec()), Some(b"2".to_vec())]);
    let runtime = Runtime::new().unwrap();
    let answers = [(); 2].map(|()| runtime.block_on(plain.send(body.clone(), rows, &Wanted::default())));
    let no = || vec![(1, "no".to_owned())];
    assert_eq!(answers, [Answer::Guilty(no()), Answer::Refused(no())]);
}

#[test]
fn the_cloud_is_sent_rows_as_the_chain_made_them() {
    let service = Service::start(|request, _| match &*request.line {
        "POST /login" => token("t", 1000.0),
        _ => (200, "", r#"{"success_count":2,"error_count":0}"#.to_owned()),
    });
    let cloud = patient_cloud(&service.address, true);
    let values: [&[u8]; 2] = [br#"{"a":1.10, "a":2e0,"b":"\u0041/\/"}"#, b"{ }"];
    let (body, rows) = super::put(&cloud, &values.map(|value| Some(value.to_vec())));
    let answer = Runtime::new().unwrap().block_on(cloud.send(body, rows, &Wanted::default()));
    assert_eq!(answer, Answer::Taken);
    let [login, sent] = &service.noted()[..] else { panic!("{:?}", service.lines()) };
    assert_eq!(login.body, r#"{"PASSWORD":"secret","USERNAME":"ann"}"#);
    assert_eq!(sent.body, r#"{"records":[{"value":{"a":1.10, "a":2e0,"b":"\u0041/\/"}},{"value":{ }}]}"#);
    let kinds =
        [login, sent].map(|one| (one.headers["content-type"].as_str(), one.headers.contains_key("content-encoding")));
    assert_eq!(kinds, [("application/json", false), ("application/json", true)]);
}

#[test]
fn a_reset_in_front_of_a_body_may_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move || {
        let (mut stream, _) = listener.accept().unwrap();
        // what is left unread makes the end a reset
        stream.read_exact(&mut [0; 4]).unwrap();
    };
    let server = std::thread::Builder::new().name("resets".to_owned()).spawn(serve).unwrap();
    let plain = Plain::new(&plain_config(&address)).unwrap();
    let body = format!("[{}1]", "1,".repeat(1 << 20));
    let answer = Runtime::new().unwrap().block_on(plain.send(body.into(), 1, &Wanted::default()));
    server.join().unwrap();
    assert!(again(&answer), "{answer:?}");
}
