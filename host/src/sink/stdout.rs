//! Sink: standard output, a JSON object a line. A thread of its own writes, so that a reader who stalls stalls nobody's
//! group membership.

use super::{Refusal, Settled, Sink, SinkError};
use crate::batch::{Batch, Bytes};
use crate::record::Span;
use crate::route::Route;
use crate::wake::Wake;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

pub mod records;

/// Bytes that may wait for the reader.
const IN_FLIGHT: usize = 4 << 20;

/// Batches that may.
const BATCHES: usize = 1024;

/// One batch's lines.
struct Lines {
    span: Span,
    rows: u32,
    text: Vec<u8>,
}

/// What the writer says of a batch.
struct Written {
    span: Span,
    rows: u32,
    bytes: usize,
    result: Result<(), String>,
}

/// Writes rows as lines `{"partition":0,"offset":7,"value":…}`. A byte string is a JSON string where it is UTF-8, else
/// `{"base64":"…"}`; null stays null.
pub struct Stdout {
    lines: SyncSender<Lines>,
    written: Receiver<Written>,
    /// Bytes, and batches, that are not written yet.
    waiting: usize,
    batches: usize,
}

impl Stdout {
    /// Starts the writing thread; it ends when the sink is dropped.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn new(wake: Wake) -> Result<Self, SinkError> {
        // one more than there is room for: the room is asked for before a batch is made
        let (lines, incoming) = sync_channel(BATCHES + 1);
        let (done, written) = sync_channel(BATCHES + 1);
        std::thread::Builder::new()
            .name("stdout".to_owned())
            .spawn(move || write_all(&incoming, &done, &wake))
            .map_err(|error| {
                SinkError::Anew(format!("cannot start the thread that writes to standard output: {error}"))
            })?;
        Ok(Self { lines, written, waiting: 0, batches: 0 })
    }
}

fn write_all(lines: &Receiver<Lines>, done: &SyncSender<Written>, wake: &Wake) {
    for Lines { span, rows, text } in lines {
        let mut out = std::io::stdout().lock();
        let result = out.write_all(&text).and_then(|()| out.flush()).map_err(|error| error.to_string());
        if done.send(Written { span, rows, bytes: text.len(), result }).is_err() {
            return;
        }
        wake.wake();
    }
}

impl Sink for Stdout {
    fn has_room(&self) -> bool {
        self.waiting < IN_FLIGHT && self.batches < BATCHES
    }

    fn submit(&mut self, span: Span, rows: &Batch<'_>, _: &[Route], _: &mut Vec<Refusal>) -> Result<(), SinkError> {
        let mut text = Vec::with_capacity(rows.size() + rows.len() * 48);
        for (value, offset) in rows.values.iter().zip(rows.offsets.iter()) {
            text.extend_from_slice(
                format!("{{\"partition\":{},\"offset\":{offset},\"value\":", rows.partition).as_bytes(),
            );
            push_json(&mut text, value);
            text.extend_from_slice(b"}\n");
        }
        self.waiting += text.len();
        self.batches += 1;
        let lines = Lines { span, rows: rows.len() as u32, text };
        self.lines
            .send(lines)
            .map_err(|_| SinkError::End("the thread that writes to standard output is gone".to_owned()))
    }

    fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError> {
        for Written { span, rows, bytes, result } in self.written.try_iter() {
            self.waiting -= bytes;
            self.batches -= 1;
            if let Err(error) = result {
                return Err(SinkError::End(format!("cannot write to standard output: {error}")));
            }
            settled.push(Settled::Delivered(span, rows));
        }
        Ok(())
    }
}

/// Appends a byte string as JSON.
fn push_json(text: &mut Vec<u8>, bytes: Bytes<'_>) {
    let written = match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => serde_json::to_writer(&mut *text, &()),
        Some((_, Ok(string))) => serde_json::to_writer(&mut *text, string),
        Some((bytes, Err(_))) => {
            serde_json::to_writer(&mut *text, &serde_json::json!({ "base64": STANDARD.encode(bytes) }))
        }
    };
    written.expect("writing a string to memory as JSON cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_binary_and_null_can_be_told_apart() {
        let mut text = Vec::new();
        for bytes in [Some(b"a\"b\n".as_slice()), Some(b"\xff\x00"), None, Some(b"")] {
            push_json(&mut text, bytes);
            text.push(b' ');
        }
        assert_eq!(String::from_utf8_lossy(&text), r#""a\"b\n" {"base64":"/wA="} null "" "#);
    }
}
