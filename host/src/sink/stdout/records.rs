//! Sink for a look at what would come out: rows as JSON lines on standard output, as `apply` writes them, and dead
//! letters as lines on standard error. It blocks where its reader does: for commands that are members of no group.

use crate::batch::Batch;
use crate::dead_letter::{HeaderRows, Letter};
use crate::record::Span;
use crate::records::{Format, Place, Row, write_letter, write_row};
use crate::route::{Route, Routes};
use crate::sink::{Refusal, Settled, Sink, SinkError};
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// See the module.
pub struct Records {
    routes: Arc<Routes>,
    written: Vec<Settled>,
    /// Set when whoever read standard output wants no more.
    unread: Arc<AtomicBool>,
}

impl Records {
    /// Makes one for these destinations.
    pub fn new(routes: Arc<Routes>, unread: Arc<AtomicBool>) -> Self {
        Self { routes, written: Vec::new(), unread }
    }
}

impl Sink for Records {
    fn has_room(&self) -> bool {
        true
    }

    fn submit(
        &mut self,
        span: Span,
        rows: &Batch<'_>,
        routes: &[Route],
        _: &mut Vec<Refusal>,
    ) -> Result<(), SinkError> {
        let (mut out, mut rejects) = (Vec::with_capacity(2 * rows.size()), Vec::new());
        let headers = HeaderRows::new(&rows.headers);
        for (index, (key, value)) in rows.keys.iter().zip(rows.values.iter()).enumerate() {
            let headers = headers.row(index);
            let route = routes.get(index).copied().unwrap_or_default();
            if route == Route::DEAD_LETTER {
                if let Some(letter) = Letter::read(&headers) {
                    write_letter(&mut rejects, &letter);
                }
                continue;
            }
            let topic = (route != Route::DEFAULT).then(|| self.routes.names().get(usize::from(route.0))).flatten();
            let place = Place { topic: rows.topic, partition: rows.partition, offset: rows.offsets[index] };
            let row = Row {
                key,
                value,
                headers: &headers,
                timestamp: rows.timestamps[index],
                origin: None,
                from: Some(place),
                topic: topic.map(String::as_str),
            };
            write_row(&mut out, Format::Records, &row);
        }
        let written = std::io::stdout().lock().write_all(&out).and_then(|()| std::io::stderr().write_all(&rejects));
        if let Err(error) = written {
            self.unread.store(error.kind() == ErrorKind::BrokenPipe, Ordering::Relaxed);
            return Err(SinkError::End(format!("cannot write to standard output: {error}")));
        }
        self.written.push(Settled::Delivered(span, rows.len() as u32));
        Ok(())
    }

    fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError> {
        settled.append(&mut self.written);
        Ok(())
    }
}
