//! A service that takes rows as fast as it can, and knows whether it has them all.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use edgemill::generate::Flights;
use serde_json::{Value, json};

use super::Kind;
use crate::input::{Input, SEED};
use crate::native::sql;

/// What came: how many rows, and the sum of their hashes, for rows of several connections come in any order.
#[derive(Default)]
struct Came {
    rows: AtomicU64,
    sum: AtomicU64,
}

/// See the module. It ends with the process: a connection's thread when its client has gone, the listener's never.
pub(super) struct Service {
    kind: Kind,
    port: u16,
    came: Arc<Came>,
}

impl Service {
    pub(super) fn start(kind: Kind) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let came = Arc::new(Came::default());
        let shared = Arc::clone(&came);
        thread::Builder::new().name("service".to_owned()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let came = Arc::clone(&shared);
                let serve = move || {
                    // A client that goes away is nothing to tell of: its rows are missing then.
                    let _ = serve(&stream, kind, &came);
                };
                if thread::Builder::new().name("connection".to_owned()).spawn(serve).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { kind, port, came })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/rows", self.port)
    }

    /// How many rows it has.
    pub(super) fn taken(&self) -> &AtomicU64 {
        &self.came.rows
    }

    /// Makes sure that it has each flat flight once.
    pub(super) fn check(&self, input: &Input) -> Result<()> {
        let (flights, mut flat, mut line, mut sum) = (Flights::new(SEED), Vec::new(), Vec::new(), 0u64);
        for i in 0..input.records {
            flights.flat(i, &mut flat);
            line.clear();
            match self.kind {
                Kind::Sql => sql::push_line(&flat, &mut line)?,
                Kind::Lines | Kind::Cloud => line.extend_from_slice(&flat),
            }
            sum = sum.wrapping_add(hash(&line));
        }
        let (rows, found) = (self.came.rows.load(Ordering::SeqCst), self.came.sum.load(Ordering::SeqCst));
        ensure!(rows == input.records, "it has {rows} rows instead of {}", input.records);
        ensure!(found == sum, "it has as many rows as it should, but others");
        Ok(())
    }
}

fn hash(row: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

fn serve(stream: &TcpStream, kind: Kind, came: &Came) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::with_capacity(256 << 10, stream), stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let login = line.contains("/login ");
        let mut length = None;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if line.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse::<usize>()?);
            }
        }
        body.resize(length.context("a request without its length")?, 0);
        reader.read_exact(&mut body)?;
        let answer = match (kind, login) {
            (_, true) => "{\"AuthenticationResult\":{\"IdToken\":\"t\",\"ExpiresIn\":3600}}".to_owned(),
            (Kind::Lines, _) => {
                take(body.strip_suffix(b"\n").unwrap_or(&body).split(|byte| *byte == b'\n'), came);
                "{}".to_owned()
            }
            (Kind::Cloud, _) => {
                let inner = body.strip_prefix(b"{\"records\":[{\"value\":").and_then(|rest| rest.strip_suffix(b"}]}"));
                let Some(inner) = inner else { bail!("a body that is none") };
                let rows = std::str::from_utf8(inner)?.split("},{\"value\":").map(str::as_bytes);
                let count = take(rows, came) as usize;
                let records = vec!["{\"status\":200}"; count].join(",");
                format!("{{\"success_count\":{count},\"error_count\":0,\"records\":[{records}]}}")
            }
            (Kind::Sql, _) if body.starts_with(b"SHOW ") => columns(),
            (Kind::Sql, _) => {
                let lines = body.strip_prefix(sql::open().as_bytes());
                let Some(lines) = lines.and_then(|rest| rest.strip_suffix(sql::CLOSE.as_bytes())) else {
                    bail!("a statement that is none: {}", String::from_utf8_lossy(&body))
                };
                take(lines.split(|byte| *byte == b'\n'), came);
                "{\"schema\":{\"fields\":[]},\"data\":[],\"error\":\"\"}".to_owned()
            }
        };
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
    }
}

/// The answer to who asks for the table's columns.
fn columns() -> String {
    let column = |(name, kind): (&str, &str)| match kind.strip_prefix("decimal") {
        Some(_) => json!([name, "decimal", 2]),
        None => json!([name, kind, 0]),
    };
    let rows: Vec<Value> = [("_id", "string")].into_iter().chain(sql::COLUMNS).map(column).collect();
    let fields = ["name", "type", "scale"].map(|name| json!({ "name": name }));
    json!({ "schema": { "fields": fields }, "data": rows, "error": "" }).to_string()
}

/// Takes note of rows, and gives how many they are.
fn take<'a>(rows: impl Iterator<Item = &'a [u8]>, came: &Came) -> u64 {
    let (count, sum) = rows.fold((0, 0u64), |(count, sum), row| (count + 1, sum.wrapping_add(hash(row))));
    came.sum.fetch_add(sum, Ordering::SeqCst);
    came.rows.fetch_add(count, Ordering::SeqCst);
    count
}
