//! What a guest prints: line by line into the host's log.

use super::journal::{Journal, Level, line};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes of an unfinished line, and of what is remembered of a call, that are kept.
const KEPT: usize = 4096;

/// Bytes that a guest may write at once.
const WRITE: usize = 64 << 10;

/// A guest's standard output or error.
#[derive(Clone)]
pub(super) struct Output {
    lines: Arc<Mutex<Lines>>,
}

struct Lines {
    journal: Journal,
    level: Level,
    unfinished: Vec<u8>,
    since_begin: Vec<u8>,
}

impl Output {
    pub(super) fn new(journal: Journal, level: Level) -> Self {
        let lines = Lines { journal, level, unfinished: Vec::new(), since_begin: Vec::new() };
        Self { lines: Arc::new(Mutex::new(lines)) }
    }

    /// Forgets what was written, before a call.
    pub(super) fn begin(&self) {
        self.lines().since_begin.clear();
    }

    /// What was written since the call began, in one line.
    pub(super) fn since_begin(&self) -> Option<String> {
        let lines = self.lines();
        let text = line(lines.since_begin.trim_ascii());
        (!text.is_empty()).then_some(text)
    }

    /// The guest prints.
    pub(super) fn print(&self, bytes: &[u8]) {
        self.lines().write(bytes);
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    // Promise: bounds
    fn write(&mut self, bytes: &[u8]) {
        keep(&mut self.since_begin, bytes);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            keep(&mut self.unfinished, part);
            if part.ends_with(b"\n") {
                let text = line(&self.unfinished);
                self.unfinished.clear();
                if !text.is_empty() {
                    self.journal.write(self.level, &text);
                }
            }
        }
    }
}

/// Appends what there is room for.
fn keep(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT.saturating_sub(buffer.len());
    buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // only WASI 0.3 asks for this one, which is not linked
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_since_the_call_began_becomes_one_line() {
        let output = Output::new(Journal::new("test"), Level::Warn);
        output.lines().write(b"before\n");
        output.begin();
        assert_eq!(output.since_begin(), None);
        output.lines().write(b"\nthread panicked at ");
        output.lines().write(b"lib.rs:\nno luck\n");
        assert_eq!(output.since_begin().unwrap(), "thread panicked at lib.rs: no luck");
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let output = Output::new(Journal::new("test"), Level::Warn);
        for _ in 0..100 {
            output.lines().write(&[b'x'; 1000]);
        }
        let lines = output.lines();
        assert_eq!((lines.unfinished.len(), lines.since_begin.len()), (KEPT, KEPT));
    }
}
