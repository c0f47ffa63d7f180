//! What a worker does for a source that ends, and for dead letters that are not to be tried again now.

use super::{Worker, WorkerError};
use crate::record::{Lane, Offset};
use crate::route::Route;
use crate::sink::Settled;
use crate::source::Messages;

impl Worker {
    /// Ends by itself once nothing is under way any more, and nothing of a transaction is left to be committed: when that
    /// fails, the lanes are read again, and the source's end comes again.
    pub(super) fn end_when_settled(&mut self) -> Result<(), WorkerError> {
        if self.postponed.is_some() || !self.hands.ledger.is_all_settled() {
            return Ok(());
        }
        let open = self.hands.sink.transactions().is_some_and(|transaction| transaction.is_open());
        if self.hands.settings.exactly_once && (open || !self.hands.ledger.moved().is_empty()) {
            return self.end_transaction();
        }
        self.board.update(|status| status.complete = true);
        self.handover.end();
        Ok(())
    }

    /// Sends dead letters to the end of their topic as they are, so that the offset behind them can be committed: the
    /// committed offset stays the one truth of what waits.
    // Promise: commit
    pub(super) fn put_back(&mut self, lane: Lane, messages: &dyn Messages) -> Result<(), WorkerError> {
        let (letters, offsets) = (messages.batch(), messages.offsets());
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else { return Ok(()) };
        let Some(book) = self.lanes.iter_mut().find(|book| book.lane == lane) else { return Ok(()) };
        book.last = Some(Offset(last));
        let careful = book.careful_to.is_some_and(|to| first <= to.0);
        let Some(span) = self.hands.ledger.open(lane, Offset(last)) else { return Ok(()) };
        self.hands.handing = Some(span);
        if !letters.is_empty() {
            let mut refused = Vec::new();
            let routes = vec![Route::DEAD_LETTER; letters.len()];
            let sink = self.hands.dead_letters.as_mut().unwrap_or(&mut self.hands.sink);
            sink.submit(span, &letters, &routes, &mut refused)?;
            self.hands.ledger.expect(span, (letters.len() - refused.len()) as u32);
            if let Some(refusal) = refused.first() {
                return Err(self.not_put_back(first, last, &refusal.message));
            }
        }
        self.hands.handing = None;
        self.hands.ledger.settle(span, 1);
        match careful {
            true => self.await_put_back(lane, first, last),
            false => Ok(()),
        }
    }

    /// Waits until letters that were put back are durable: something of their lane was refused before, and trying it
    /// again for ever would help nobody.
    fn await_put_back(&mut self, lane: Lane, first: i64, last: i64) -> Result<(), WorkerError> {
        while self.hands.ledger.holds(lane) && !self.hands.ledger.is_settled(lane) {
            let mut settled = Vec::new();
            self.hands.poll(&mut settled)?;
            for settled in settled {
                match settled {
                    Settled::Delivered(span, rows) => self.hands.ledger.settle(span, rows),
                    Settled::Failed { span, refused: true, message } if span.lane == lane => {
                        self.hands.handing = Some(span);
                        return Err(self.not_put_back(first, last, &message));
                    }
                    Settled::Failed { span, refused, message } => self.reread(span.lane, refused, &message)?,
                    Settled::Refused { span, row, message } => self.refuse_late(span, row, message)?,
                }
            }
            if self.source.serve() || self.handover.is_ending() {
                return self.reread(lane, true, "the group's protocol, or the end, comes first");
            }
            self.wait_for_rows();
        }
        Ok(())
    }

    fn not_put_back(&self, first: i64, last: i64, message: &str) -> WorkerError {
        WorkerError::End(format!(
            "one of the dead letters {first} to {last} cannot be put back: {message}; choose it too, or let the topic take \
             larger records"
        ))
    }
}
