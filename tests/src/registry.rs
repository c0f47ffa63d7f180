//! Schema registries: a real one, shared by the scenarios of a test binary; and the least that one is, with a login.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::{cache, free_port, tail};
use crate::guard::{self, Guarded};
use crate::http;
use crate::wait::{PATIENCE, wait_for};

/// Where it has Confluent's API.
const API: &str = "/apis/ccompat/v7";

/// A schema registry as a child process, which has in memory what it has.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    _folder: TempDir,
    _process: Guarded,
}

static SHARED: OnceLock<Registry> = OnceLock::new();

impl Registry {
    /// Gives the registry that all scenarios of this process share, and starts it first where nobody has.
    ///
    /// # Panics
    /// When it cannot be had: a missing server fails the run.
    #[must_use]
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error:#}")))
    }

    fn start() -> Result<Self> {
        let cache = cache();
        if !cache.join("registry/.complete").exists() {
            bail!("no schema registry in {}: run `make registry`", cache.display());
        }
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("edgemill-registry-").tempdir()?;
        guard::remove_at_end(folder.path()); // the shared one is never dropped
        let path = folder.path().join("log");
        let log = fs::File::create(&path)?;
        let mut process = guard::spawn(
            Command::new(guard::servers().join("registry.sh"))
                .arg(port.to_string())
                .current_dir(folder.path())
                .env("EDGEMILL_CACHE", fs::canonicalize(&cache)?)
                .stdin(Stdio::null())
                .stdout(Stdio::from(log.try_clone()?))
                .stderr(Stdio::from(log)),
        )?;
        let started = wait_for("the schema registry has started", PATIENCE, || {
            if let Some(status) = process.0.try_wait()? {
                bail!("the schema registry ended with {status}");
            }
            Ok(fs::read_to_string(&path)?.contains("Listening on").then_some(()))
        });
        started.with_context(|| tail(&path))?;
        Ok(Self { port, _folder: folder, _process: process })
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        Self::at(self.port)
    }

    /// Its address by way of another port.
    #[must_use]
    pub fn at(port: u16) -> String {
        format!("http://127.0.0.1:{port}{API}")
    }

    /// Registers a schema, by what a request has for a body, and gives its id.
    ///
    /// # Errors
    /// It refuses the schema.
    pub fn register(&self, subject: &str, body: &Value) -> Result<i32> {
        let path = format!("{API}/subjects/{subject}/versions");
        let kind = "Content-Type: application/vnd.schemaregistry.v1+json\r\n";
        let answer = http::send(&format!("127.0.0.1:{}", self.port), &path, kind, &body.to_string())?;
        ensure!(answer.status == 200, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body)?;
        answer["id"].as_i64().and_then(|id| id.try_into().ok()).context("an id")
    }

    /// Asks for what is below its address.
    ///
    /// # Errors
    /// There is no such thing.
    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = http::get(&format!("127.0.0.1:{}", self.port), &format!("{API}{path}"))?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(serde_json::from_str(&answer.body)?)
    }
}

/// The login that a [`LockedRegistry`] knows.
pub const USERNAME: &str = "ann";
/// And its password.
pub const PASSWORD: &str = "correct horse";
/// `ann:correct horse` as it is sent.
const PAIR: &str = "YW5uOmNvcnJlY3QgaG9yc2U=";

/// The least that a schema registry is: it has no subject and one schema, 7, and wants a login. Whoever has none hears what came, as
/// careless servers do. It ends with its owner.
#[derive(Debug)]
pub struct LockedRegistry {
    port: u16,
    requests: Arc<AtomicU32>,
    ended: Arc<AtomicBool>,
}

impl LockedRegistry {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start() -> Result<Self> {
        let port = free_port();
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let (requests, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, told) = (requests.clone(), ended.clone());
        thread::Builder::new().name("locked registry".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                // whoever goes away in the midst of a request has no answer
                let _ = answer(&stream);
            }
        })?;
        Ok(Self { port, requests, ended })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// How often it was asked.
    #[must_use]
    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for LockedRegistry {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // wakes it up to see that
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// Answers one request, and ends the connection.
fn answer(stream: &TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        ensure!(reader.read_line(&mut head)? > 0, "cut off");
        let line = head[start..].trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.is_empty() {
            break;
        }
    }
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        _ if !head.contains(&format!("Basic {PAIR}\r\n")) => (401, json!({ "error_code": 401, "message": head })),
        "/subjects" => (200, json!([])),
        "/schemas/ids/7" => (200, json!({ "schema": "\"string\"" })),
        _ => (404, json!({ "error_code": 40403, "message": "Schema not found" })),
    };
    let body = body.to_string();
    write!(&mut &*stream, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    Ok(())
}
