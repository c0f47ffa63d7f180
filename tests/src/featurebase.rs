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
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use faults::Way;
use state::{Hang, State};

pub use faults::Faults;

mod faults;
mod sql;
mod state;
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

    /// Ends all tokens that it gave: who shows one is answered 401.
    pub fn expire_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Makes the next login, and no other one, wait until it is let go.
    pub fn hang_login(&self) {
        self.state().hang = Hang::Next;
    }

    /// Whether that login has come, and waits.
    #[must_use]
    pub fn login_hangs(&self) -> bool {
        self.state().hang == Hang::Now
    }

    /// Answers the login that waits.
    pub fn let_login_go(&self) {
        self.state().hang = Hang::No;
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

    /// Requests by method and path, the kind that their body says that it is, and its compression where it has one:
    /// `POST /plain application/json gzip`.
    #[must_use]
    pub fn bodies(&self) -> BTreeMap<String, u32> {
        self.state().bodies.clone()
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
        self.let_login_go();
        // wakes the listener
        drop(TcpStream::connect(&self.address));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Head {
    line: String,
    headers: BTreeMap<String, String>,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether it is a scenario's own look at what is there.
    fn is_look(&self) -> bool {
        self.headers.contains_key(LOOK)
    }

    /// Method and path.
    fn words(&self) -> (&str, &str) {
        let mut words = self.line.split(' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

/// Serves one request. False: the connection is over.
fn serve_one(mut stream: &TcpStream, state: &Mutex<State>) -> Result<bool> {
    // byte by byte: what is behind the head stays unread
    let mut reader = BufReader::with_capacity(1, stream);
    let Some(head) = read_head(&mut reader)? else { return Ok(false) };
    let way = lock(state).way(&head);
    if way == Some(Way::Reset) {
        // a connection that ends with something unread is reset
        stream.peek(&mut [0])?;
        return Ok(false);
    }
    let body = read_body(&mut reader, &head)?;
    let Some((status, headers, body)) = answer(&head, &body, way, state) else { return Ok(false) };
    // at once: the rest of an answer in pieces waits for the first one's acknowledgement
    let told = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(told.as_bytes())?;
    Ok(!head.line.trim_end().ends_with("HTTP/1.0"))
}

fn read_head(reader: &mut impl BufRead) -> Result<Option<Head>> {
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
    Ok(Some(Head { line, headers }))
}

fn read_body(reader: &mut impl Read, head: &Head) -> Result<Vec<u8>> {
    let length = head.header("content-length").map_or(Ok(0), str::parse)?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if head.header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).context("a body that is no gzip")?;
        body = plain;
    }
    Ok(body)
}

type Told = (u16, &'static str, String);

/// None: the connection ends without an answer.
fn answer(head: &Head, body: &[u8], way: Option<Way>, all: &Mutex<State>) -> Option<Told> {
    let mut state = lock(all);
    state.note(head);
    let (method, path) = head.words();
    if method != "POST" && matches!(path, "/login" | "/v2/sinks/flights" | "/sql") {
        return Some((405, "", json!({ "message": "Method Not Allowed" }).to_string()));
    }
    if state.faults.insert > Duration::ZERO && path == "/sql" && body.starts_with(b"BULK") {
        let takes = state.faults.insert;
        drop(state);
        crate::wait::pause(takes);
        state = lock(all);
    }
    if path == "/login" {
        if state.hang == Hang::Next {
            state.hang = Hang::Now;
            while state.hang == Hang::Now {
                drop(state);
                crate::wait::pause(Duration::from_millis(20));
                state = lock(all);
            }
        }
        return Some(state.login(body));
    }
    if path == "/v2/sinks/flights/errors" {
        state.asked_later += 1;
        let (status, body) = state.later.clone();
        return Some(if state.knows(head) { (status, "", body) } else { (401, "", String::new()) });
    }
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
        Some(Way::Gone | Way::Reset) => None,
        Some(Way::Stalled) => {
            let stall = state.faults.stall;
            *state.answers.entry("stalled".to_owned()).or_default() += 1;
            drop(state);
            crate::wait::pause(stall);
            return None;
        }
        Some(Way::TakenAndGone) | None => {
            let told = state.take(head, body);
            (way.is_none()).then_some(told)
        }
    };
    if !head.is_look() {
        state.answered(told.as_ref(), way);
    }
    told
}
