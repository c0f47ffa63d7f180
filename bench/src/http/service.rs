//! A service that takes rows as fast as it can, and knows whether it has them all.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use edgemill::generate::Flights;

use super::Kind;
use crate::input::{Input, SEED};

/// What came: how many rows, and the sum of their hashes, for rows of several connections come in any order.
#[derive(Default)]
struct Came {
    rows: AtomicU64,
    sum: AtomicU64,
}

/// See the module. It ends with the process: a connection's thread when its client has gone, the listener's never.
pub(super) struct Service {
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
        Ok(Self { port, came })
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
        let (flights, mut flat, mut sum) = (Flights::new(SEED), Vec::new(), 0u64);
        for i in 0..input.records {
            flights.flat(i, &mut flat);
            sum = sum.wrapping_add(hash(&flat));
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
        };
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )?;
    }
}

/// Takes note of rows, and gives how many they are.
fn take<'a>(rows: impl Iterator<Item = &'a [u8]>, came: &Came) -> u64 {
    let (count, sum) = rows.fold((0, 0u64), |(count, sum), row| (count + 1, sum.wrapping_add(hash(row))));
    came.sum.fetch_add(sum, Ordering::SeqCst);
    came.rows.fetch_add(count, Ordering::SeqCst);
    count
}
