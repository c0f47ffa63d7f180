//! A stand-in for services that take rows by HTTP: FeatureBase Cloud's streaming endpoint with its login, a FeatureBase
//! server's `/sql`, and a plain service that takes JSON. It keeps what it took, and fails as it is told.
//!
//! What it answers is what is known of the real ones: a token that ends, `records[]` with a status for each, 400 for too
//! much and for what is refused as a whole. A row `{"id":…,"partition":…,"n":…}` is kept by its id, or its `_id`; one with `"refuse"` is
//! refused by itself, and one with `"spoil"` spoils the request that it is in; [`Faults`] may name more of either.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use faults::Way;
use sql::Tables;

pub use faults::Faults;

mod faults;
mod sql;
mod tokens;
mod values;

/// The login that it knows.
pub const USERNAME: &str = "ann@example.com";
/// And its password.
pub const PASSWORD: &str = "correct horse";

/// The header of a request that never fails.
pub(crate) const LOOK: &str = "x-look";

/// A row, and how often it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The row.
    pub row: Value,
    /// How often it was taken.
    pub times: u32,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    random: Option<fastrand::Rng>,
    tokens: Vec<(String, Instant)>,
    logins: u32,
    rows: BTreeMap<String, Kept>,
    /// By partition, the numbers in the order in which they were first taken.
    order: BTreeMap<i64, Vec<i64>>,
    /// Requests by method and path.
    requests: BTreeMap<String, u32>,
    /// Requests by what was answered.
    answers: BTreeMap<String, u32>,
    largest: usize,
    tables: Tables,
    /// What is answered to who asks for late errors, and how often somebody did.
    later: (u16, String),
    asked_later: u32,
}

/// The stand-in. It ends with its owner.
#[derive(Debug)]
pub struct Featurebase {
    address: String,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl Featurebase {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(faults: Faults) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (state, ended) = (Arc::new(Mutex::new(State::default())), Arc::new(AtomicBool::new(false)));
        let (kept, told) = (state.clone(), ended.clone());
        let named = || thread::Builder::new().name("featurebase".to_owned());
        named().spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                let (state, told) = (kept.clone(), told.clone());
                let serve =
                    move || while serve_one(&stream, &state).unwrap_or(false) && !told.load(Ordering::Relaxed) {};
                // without a thread the connection ends, as it does when the real one is overwhelmed
                drop(named().spawn(serve));
            }
        })?;
        let stand_in = Self { address, state, ended };
        stand_in.fail(faults);
        Ok(stand_in)
    }

    /// Fails in another way from here on.
    pub fn fail(&self, faults: Faults) {
        let mut state = self.state();
        (state.random, state.faults) = (Some(fastrand::Rng::with_seed(faults.seed)), faults);
    }

    /// The streaming endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/v2/sinks/flights", self.address)
    }

    /// The login.
    #[must_use]
    pub fn login_url(&self) -> String {
        format!("http://{}/login", self.address)
    }

    /// The plain service: takes an array, or lines, and lists refused rows below `/errors`.
    #[must_use]
    pub fn plain_url(&self) -> String {
        format!("http://{}/plain", self.address)
    }

    /// The FeatureBase server, without `/sql`.
    #[must_use]
    pub fn server_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where late errors are listed.
    #[must_use]
    pub fn late_errors_url(&self) -> String {
        format!("{}/errors", self.endpoint())
    }

    /// Answers this to who asks for late errors from here on.
    pub fn says_later(&self, status: u16, body: &str) {
        self.state().later = (status, body.to_owned());
    }

    /// How often somebody asked for late errors.
    #[must_use]
    pub fn asked_later(&self) -> u32 {
        self.state().asked_later
    }

    /// What it has, by id, of what came to the endpoint and the plain service.
    #[must_use]
    pub fn rows(&self) -> BTreeMap<String, Kept> {
        self.state().rows.clone()
    }

    /// A row of these.
    #[must_use]
    pub fn row(&self, id: &str) -> Option<Kept> {
        self.state().rows.get(id).cloned()
    }

    /// How many ids it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().rows.len()
    }

    /// Whether it has nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often somebody logged in.
    #[must_use]
    pub fn logins(&self) -> u32 {
        self.state().logins
    }

    /// How many rows the largest request had.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.state().largest
    }

    /// Requests by method and path.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u32> {
        self.state().requests.clone()
    }

    /// Requests by what became of them.
    #[must_use]
    pub fn answers(&self) -> BTreeMap<String, u32> {
        self.state().answers.clone()
    }

    /// Checks that the rows of each partition came in the order of their numbers, by when each was first taken.
    ///
    /// # Errors
    /// One came before one that it follows.
    pub fn in_order(&self) -> Result<()> {
        for (partition, numbers) in &self.state().order {
            let late = numbers.windows(2).find(|pair| pair[0] > pair[1]);
            ensure!(late.is_none(), "partition {partition}: {late:?} in this order");
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Featurebase {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // wakes the listener
        drop(TcpStream::connect(&self.address));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// Serves one request. False: the connection is over.
fn serve_one(mut stream: &TcpStream, state: &Mutex<State>) -> Result<bool> {
    let Some(request) = read(stream)? else { return Ok(false) };
    let Some((status, headers, body)) = answer(&request, state) else { return Ok(false) };
    // at once: the rest of an answer in pieces waits for the first one's acknowledgement
    let told = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(told.as_bytes())?;
    Ok(!request.line.trim_end().ends_with("HTTP/1.0"))
}

fn read(stream: &TcpStream) -> Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(Ok(0), |length| length.parse())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).context("a body that is no gzip")?;
        body = plain;
    }
    Ok(Some(Request { line, headers, body }))
}

type Told = (u16, &'static str, String);

/// None: the connection ends without an answer.
fn answer(request: &Request, state: &Mutex<State>) -> Option<Told> {
    let mut state = lock(state);
    let mut words = request.line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    *state.requests.entry(format!("{method} {path}")).or_default() += 1;
    if path == "/login" {
        return Some(state.login(&request.body));
    }
    if path == "/v2/sinks/flights/errors" {
        state.asked_later += 1;
        let (status, body) = state.later.clone();
        return Some(if state.knows(request) { (status, "", body) } else { (401, "", String::new()) });
    }
    // a scenario that looks at the tables must see them
    let way = if request.headers.contains_key(LOOK) { None } else { state.way(path) };
    let told = match way {
        Some(Way::NotStored) => {
            let error = "importing batch: doing Translation: connection refused";
            Some((200, "", json!({ "schema": { "fields": [] }, "data": [], "error": error }).to_string()))
        }
        Some(Way::Strange) => {
            let error = if state.faults.says.is_empty() { "shard 5 is away" } else { state.faults.says };
            Some((200, "", json!({ "error": error }).to_string()))
        }
        Some(Way::Unauthorized) => Some((401, "", String::new())),
        Some(Way::TooFast) => Some((400, "", json!({ "code": "ResourceThroughputExceeded" }).to_string())),
        Some(Way::TooMany) => Some((429, "Retry-After: 0\r\n", String::new())),
        Some(Way::Broken) => Some((503, "", "no".to_owned())),
        Some(Way::Gone) => None,
        Some(Way::Stalled) => {
            let stall = state.faults.stall;
            *state.answers.entry("stalled".to_owned()).or_default() += 1;
            drop(state);
            crate::wait::pause(stall);
            return None;
        }
        Some(Way::TakenAndGone) | None => {
            let told = state.take(request, path);
            (way.is_none()).then_some(told)
        }
    };
    let what = match (&told, way) {
        (Some((status, ..)), way) if !matches!(way, Some(Way::NotStored | Way::Strange)) => status.to_string(),
        (_, way) => way.map_or_else(String::new, |way| format!("{way:?}")),
    };
    if !request.headers.contains_key(LOOK) {
        *state.answers.entry(what).or_default() += 1;
    }
    told
}

impl State {
    fn way(&mut self, path: &str) -> Option<Way> {
        self.faults.way(path, self.random.as_mut()?)
    }

    fn login(&mut self, body: &[u8]) -> Told {
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        if told != json!({ "USERNAME": USERNAME, "PASSWORD": PASSWORD }) {
            return (400, "", "Incorrect username or password.".to_owned());
        }
        self.logins += 1;
        let token = format!("token-{}", self.logins);
        let lasts = if self.faults.token.is_zero() { Duration::from_secs(3600) } else { self.faults.token };
        self.tokens.push((token.clone(), Instant::now() + lasts));
        (200, "", json!({ "AuthenticationResult": { "IdToken": token, "ExpiresIn": lasts.as_secs_f64() } }).to_string())
    }

    /// Whether a request shows a token that has not ended.
    fn knows(&self, request: &Request) -> bool {
        let shown = request.headers.get("authorization").map_or("", String::as_str);
        let known = |(token, until): &(String, Instant)| {
            shown.strip_prefix("Bearer ") == Some(token) && Instant::now() < *until
        };
        self.tokens.iter().any(known)
    }

    fn take(&mut self, request: &Request, path: &str) -> Told {
        match path {
            "/v2/sinks/flights" => {
                if !self.knows(request) {
                    return (401, "", json!({ "message": "Unauthorized" }).to_string());
                }
                self.take_cloud(&request.body)
            }
            "/plain" => self.take_plain(&request.body),
            "/sql" => {
                let (told, rows) = self.tables.execute(&request.body, &self.faults);
                self.largest = self.largest.max(rows);
                (200, "", told)
            }
            _ => (404, "", json!({ "message": "no such sink" }).to_string()),
        }
    }

    fn take_cloud(&mut self, body: &[u8]) -> Told {
        let told: Value = serde_json::from_slice(body).unwrap_or_default();
        let Some(records) = told["records"].as_array() else {
            return (400, "", json!({ "message": "no records" }).to_string());
        };
        let rows: Vec<&Value> = records.iter().map(|record| &record["value"]).collect();
        if rows.iter().any(|row| row.get("spoil").is_some() || self.faults.spoils(&id(row))) {
            return (400, "", json!({ "message": "a record misses a field" }).to_string());
        }
        let refused = self.keep(&rows);
        let record = |(place, _)| match refused.contains(&place) {
            true => json!({ "status": 400, "error_code": "BadValue", "error_message": "it says refuse" }),
            false => json!({ "status": 200 }),
        };
        let records: Vec<Value> = rows.iter().enumerate().map(record).collect();
        let (bad, good) = (refused.len(), rows.len() - refused.len());
        (200, "", json!({ "success_count": good, "error_count": bad, "records": records }).to_string())
    }

    fn take_plain(&mut self, body: &[u8]) -> Told {
        let rows: Vec<Value> = match serde_json::from_slice(body) {
            Ok(Value::Array(rows)) => rows,
            _ => serde_json::Deserializer::from_slice(body).into_iter().map_while(Result::ok).collect(),
        };
        let refused = self.keep(&rows.iter().collect::<Vec<_>>());
        let error = |place: &usize| json!({ "row": place, "why": "it says refuse" });
        (200, "", json!({ "errors": refused.iter().map(error).collect::<Vec<_>>() }).to_string())
    }

    /// Keeps rows, and gives the places of those that it does not.
    fn keep(&mut self, rows: &[&Value]) -> Vec<usize> {
        self.largest = self.largest.max(rows.len());
        let mut refused = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let id = id(row);
            if row.get("refuse").is_some() || self.faults.refuses(&id) {
                refused.push(place);
                continue;
            }
            let kept = self.rows.entry(id).or_insert_with(|| Kept { row: (*row).clone(), times: 0 });
            kept.times += 1;
            if let (1, Some(partition), Some(n)) = (kept.times, row["partition"].as_i64(), row["n"].as_i64()) {
                self.order.entry(partition).or_default().push(n);
            }
        }
        refused
    }
}

/// What a row is kept by.
fn id(row: &Value) -> String {
    row["_id"].as_str().or(row["id"].as_str()).map_or_else(|| row.to_string(), str::to_owned)
}
