//! Commits: resume points go to the group on an interval, on revocation and at the end; with exactly-once in the
//! transaction that holds the rows they stand for.

use super::{Worker, WorkerError};
use crate::record::{Lane, Partition, Resume};
use crate::sink::{Ended, Settled};
use std::time::{Duration, Instant};

/// How long a commit that must be waited for may take.
const WAIT: Duration = Duration::from_secs(5);

/// How long the end of a transaction may take before the worker is made anew.
const TRANSACTION_WAIT: Duration = Duration::from_secs(15);

/// A transaction lasts so many times as long as the one before took to be closed, since nothing is read while one is ...
const WORTH: u32 = 4;
/// ... but no longer than this because of it: its rows are invisible meanwhile, and done again when it fails.
const LONG: Duration = Duration::from_secs(1);

/// Why a transaction is given up before the cluster does it.
pub(super) const TOO_OLD: &str = "its rows were not delivered within `transaction.timeout.ms`";

impl Worker {
    /// Commits what moved, when it is time to.
    pub(super) fn commit_when_due(&mut self) -> Result<(), WorkerError> {
        let now = Instant::now();
        if self.hands.settings.exactly_once {
            return self.transact_when_due(now);
        }
        if now < self.next_commit {
            return Ok(());
        }
        self.next_commit = now + self.hands.settings.commit_interval;
        let points = self.hands.ledger.moved();
        if points.is_empty() {
            return Ok(());
        }
        self.hands.ledger.mark(&points);
        let result = self.source.commit(&points, None);
        self.hands.metrics.commit(result.is_ok());
        if let Err(error) = result {
            tracing::warn!(error, "not committed; tried again with the next");
            points.iter().for_each(|(lane, _)| self.hands.ledger.uncommit(*lane));
        }
        Ok(())
    }

    /// Commits what these lanes have settled, and waits for it; with exactly-once what all lanes have, since they share
    /// the transaction. False: it is not known to be committed.
    pub(super) fn commit_and_wait(&mut self, lanes: &[Lane]) -> Result<bool, WorkerError> {
        if self.hands.settings.exactly_once {
            if !self.hands.ledger.is_all_settled() || self.hands.spoiled {
                return self.abort_transaction("not everything was delivered in time").map(|()| false);
            }
            let points = self.hands.ledger.moved();
            self.end_transaction()?;
            // where it was aborted instead, the lanes have gone back
            return Ok(points.iter().all(|(lane, resume)| self.hands.ledger.resume(*lane) == Some(*resume)));
        }
        let points: Vec<_> = lanes.iter().filter_map(|&lane| Some((lane, self.hands.ledger.resume(lane)?))).collect();
        if points.is_empty() {
            return Ok(true);
        }
        let result = self.source.commit(&points, Some(WAIT));
        self.hands.metrics.commit(result.is_ok());
        if let Err(error) = &result {
            tracing::warn!(error, "not committed; what was delivered since the last commit will be done again");
        }
        Ok(result.is_ok())
    }

    /// When a transaction is old or large enough nothing more is read until all of it is settled; then it ends.
    fn transact_when_due(&mut self, now: Instant) -> Result<(), WorkerError> {
        let Some(transaction) = self.hands.sink.transactions() else { return Ok(()) };
        if transaction.is_old() {
            return self.abort_transaction(TOO_OLD);
        }
        if self.closing.is_none() && (transaction.is_large() || now >= self.next_commit) {
            self.next_commit = now + self.hands.settings.commit_interval;
            if transaction.is_open() || !self.hands.ledger.moved().is_empty() {
                self.closing = Some(now);
            }
        }
        match self.closing.is_some() && self.hands.ledger.is_all_settled() {
            true => self.end_transaction(),
            false => Ok(()),
        }
    }

    /// Commits the transaction, and with it the resume points of all lanes. Everything must be settled.
    // Promise: once
    pub(super) fn end_transaction(&mut self) -> Result<(), WorkerError> {
        let points = self.hands.ledger.moved();
        let Some(transaction) = self.hands.sink.transactions() else { return Ok(()) };
        if points.is_empty() && transaction.is_open() {
            return self.abort_transaction("it has rows that no lane stands for");
        }
        let (closing, longest) = (self.closing.take(), transaction.longest().min(LONG));
        self.next_commit = Instant::now() + self.hands.settings.commit_interval;
        if points.is_empty() {
            return Ok(());
        }
        let named = self.named(&points);
        let member = self.source.member().ok_or_else(|| WorkerError::Anew("the consumer has no group".to_owned()))?;
        let started = Instant::now();
        loop {
            let Some(transaction) = self.hands.sink.transactions() else { return Ok(()) };
            match transaction.commit(&named, &member)? {
                Ended::Yes => break,
                Ended::Abort(reason) => return self.abort_transaction(&reason),
                Ended::NotYet => self.meanwhile(started, "commit")?,
            }
        }
        self.hands.ledger.mark(&points);
        self.hands.metrics.transaction_seconds.record(started.elapsed());
        self.hands.metrics.commit(true);
        self.delivery_backoff.reset();
        let closed_in = closing.map_or(Duration::ZERO, |since| since.elapsed());
        self.next_commit = Instant::now() + lasts(self.hands.settings.commit_interval, closed_in, longest);
        Ok(())
    }

    /// Gives everything up since the last commit: all lanes are read again from there.
    // Promise: once
    pub(super) fn abort_transaction(&mut self, reason: &str) -> Result<(), WorkerError> {
        let mut back = Vec::new();
        let moved = self.hands.ledger.moved();
        for book in &mut self.lanes {
            let outstanding = self.hands.ledger.outstanding_of(book.lane);
            // what was settled is in the transaction too
            let settled = u64::from(moved.iter().any(|(lane, _)| *lane == book.lane));
            if let Some((again, resume)) = self.hands.ledger.void(book.lane) {
                book.lane = again;
                book.undone += outstanding.max(settled);
                book.catch_up();
                back.push((again, resume));
            }
        }
        self.postponed = None;
        self.throw_away()?;
        self.hands.metrics.rewinds.increment(back.len() as u64);
        if self.lanes.iter().all(|book| book.careful_to.is_none()) {
            // whoever looks for a refused row goes on at once
            self.quiet_until = Some(Instant::now() + self.delivery_backoff.next_wait());
        }
        tracing::warn!(reason, lanes = back.len(), "the transaction was aborted; its lanes are read again");
        for (lane, resume) in back {
            self.source.rewind(lane, resume)?;
        }
        self.obey_holds();
        Ok(())
    }

    /// Ends the transaction so that nobody sees anything of it. The ledger has been told before.
    pub(super) fn throw_away(&mut self) -> Result<(), WorkerError> {
        (self.closing, self.hands.spoiled) = (None, false);
        let started = Instant::now();
        while let Some(transaction) = self.hands.sink.transactions().filter(|transaction| transaction.is_open()) {
            match transaction.abort()? {
                Ended::Yes => break,
                Ended::Abort(reason) => return Err(WorkerError::Anew(reason)),
                Ended::NotYet => self.meanwhile(started, "abort")?,
            }
        }
        // the last that is told of its rows
        self.hands.sink.poll(&mut Vec::new())?;
        self.hands.metrics.commit(false);
        Ok(())
    }

    /// Serves the group and the sink while a transaction does not end, for a while.
    fn meanwhile(&mut self, started: Instant, what: &str) -> Result<(), WorkerError> {
        // rows come back that are settled already, or thrown away
        let mut settled: Vec<Settled> = Vec::new();
        self.hands.sink.poll(&mut settled)?;
        self.source.serve();
        match started.elapsed() < TRANSACTION_WAIT {
            true => Ok(()),
            false => Err(WorkerError::Anew(format!(
                "the {what} of a transaction is not known to have worked after {} s",
                TRANSACTION_WAIT.as_secs()
            ))),
        }
    }

    fn named(&self, points: &[(Lane, Resume)]) -> Vec<(Partition, Resume)> {
        let name = |(lane, resume): &(Lane, Resume)| {
            let book = self.lanes.iter().find(|book| book.lane == *lane)?;
            Some((book.partition.clone(), *resume))
        };
        points.iter().filter_map(name).collect()
    }
}

/// How long the next transaction lasts, when this one took so long to be closed.
fn lasts(interval: Duration, closed_in: Duration, longest: Duration) -> Duration {
    interval.max((closed_in * WORTH).min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_worth_its_end() {
        let lasts = |interval, closed_in, longest| {
            lasts(Duration::from_millis(interval), Duration::from_millis(closed_in), Duration::from_millis(longest))
                .as_millis()
        };
        assert_eq!(lasts(100, 5, 1000), 100, "an end that takes little changes nothing");
        assert_eq!(lasts(100, 80, 1000), 320);
        assert_eq!(lasts(100, 9000, 1000), 1000, "a hanging broker does not make them last for ever");
        assert_eq!(lasts(5000, 9000, 1000), 5000, "what the user asks for is never cut");
    }
}
