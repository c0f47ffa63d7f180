//! Gathers rows into requests, sends them in the order of their lanes, tries again what may work later, and splits what
//! is refused as a whole until the guilty row stands alone.
//!
//! A lane has one request on its way at a time, so its rows arrive in order; requests of different lanes go side by side,
//! `window` of them. Each try is a task of the runtime; all that is decided is decided here, on the worker's thread, so
//! that rows of a lane that is gone are left out of every further try, and a try that has some of it sends nothing more.

use super::endpoint::{Answer, Endpoint, Row};
use super::json::Checker;
use super::request::{Place, Request};
use super::spread::Spread;
use super::wanted::Want;
use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::config::HttpBatch;
use crate::metrics::HttpMetrics;
use crate::policy::Class;
use crate::record::{Lane, Span};
use crate::route::Route;
use crate::sink::{Pace, Refusal, Settled, Sink, SinkError};
use crate::wake::Wake;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Waits between tries.
const BACKOFF: (Duration, Duration) = match cfg!(test) {
    false => (Duration::from_millis(200), Duration::from_secs(30)),
    true => (Duration::from_millis(1), Duration::from_millis(4)),
};

/// How often a wait in front of another try is worth a line of the log.
const TOLD: Duration = Duration::from_secs(10);

/// Sends rows by HTTP. See [`Sink`].
pub struct HttpSink<E> {
    endpoint: Arc<E>,
    batch: HttpBatch,
    runtime: Handle,
    checker: Checker,
    gathering: Spread,
    /// Closed requests, oldest first.
    waiting: VecDeque<Request>,
    flying: Vec<Flying>,
    /// Tries that were made.
    number: u64,
    /// What everything above weighs, in bytes.
    weight: usize,
    /// Lanes that are gone while something of them is on its way.
    gone: Vec<Lane>,
    /// How many requests may be on their way now: fewer when the destination says that it is too much.
    width: usize,
    /// The last try before the destination said so: what becomes of it, and of those before it, says nothing of how many it bears.
    slowed: u64,
    taken: usize,
    backoff: Backoff,
    quiet_until: Option<Instant>,
    told: Option<Instant>,
    /// What a person must look at: nothing is sent any more.
    failed: Option<String>,
    settled: Vec<Settled>,
    answers: Receiver<(u64, Answer)>,
    reply: SyncSender<(u64, Answer)>,
    metrics: HttpMetrics,
    wake: Wake,
}

/// A request on its way.
struct Flying {
    number: u64,
    since: Instant,
    request: Request,
    /// None where a lane of its rows is gone: what was not sent yet is not.
    want: Option<Want>,
}

/// Tells of a try's answer, whatever becomes of its task.
struct Reply {
    number: u64,
    answer: Option<Answer>,
    to: SyncSender<(u64, Answer)>,
    wake: Wake,
}

impl Reply {
    fn tell(mut self, answer: Answer) {
        self.answer = Some(answer);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let lost = || Answer::Again { message: "the request was given up".to_owned(), after: None, slower: false };
        // who has gone does not want to know
        let _ = self.to.send((self.number, self.answer.take().unwrap_or_else(lost)));
        self.wake.wake();
    }
}

impl<E: Endpoint> HttpSink<E> {
    /// Makes a sink whose requests are sent by `runtime`. `seed` sets the jitter of its waits apart from other workers'.
    pub fn new(
        endpoint: Arc<E>,
        batch: HttpBatch,
        runtime: Handle,
        metrics: HttpMetrics,
        seed: u64,
        wake: Wake,
    ) -> Self {
        // each try has one answer, so nobody ever waits for room
        let (reply, answers) = sync_channel(batch.window);
        Self {
            endpoint,
            runtime,
            checker: Checker::default(),
            gathering: Spread::new(batch),
            waiting: VecDeque::new(),
            flying: Vec::new(),
            number: 0,
            weight: 0,
            gone: Vec::new(),
            width: batch.window,
            slowed: 0,
            taken: 0,
            // on all hosts that have a container to themselves the numbers are the same
            backoff: Backoff::new(BACKOFF.0, BACKOFF.1, RandomState::new().hash_one(seed)),
            quiet_until: None,
            told: None,
            failed: None,
            settled: Vec::new(),
            answers,
            reply,
            metrics,
            wake,
            batch,
        }
    }

    fn close(&mut self) {
        self.waiting.extend(self.gathering.close(self.endpoint.frame()));
        self.weigh();
    }

    fn weigh(&mut self) {
        let flying = self.flying.iter().map(|flying| &flying.request);
        let closed: usize = self.waiting.iter().chain(flying).map(Request::weight).sum();
        self.weight = closed + self.gathering.weight();
    }

    /// Sends what may go: oldest first, and nothing of a lane that has something on its way or in front of it.
    // Promise: order
    fn launch(&mut self) {
        let quiet = self.quiet_until.is_some_and(|until| Instant::now() < until);
        // a row of a lane that is gone may still arrive: whoever has the lane next, be it this worker, waits for it
        if quiet || self.failed.is_some() || !self.gone.is_empty() {
            return;
        }
        self.quiet_until = None;
        if self.flying.len() >= self.width || self.waiting.is_empty() {
            return;
        }
        let mut busy: Vec<u32> = self.flying.iter().flat_map(|flying| &flying.request.slots).copied().collect();
        let mut at = 0;
        while self.flying.len() < self.width && at < self.waiting.len() {
            let request = &self.waiting[at];
            let waits = request.slots.iter().any(|slot| busy.contains(slot));
            busy.extend(&request.slots);
            if waits {
                at += 1;
            } else if let Some(request) = self.waiting.remove(at) {
                self.fly(request);
            }
        }
    }

    fn fly(&mut self, request: Request) {
        self.number += 1;
        let (body, rows, endpoint) = (request.body.clone(), request.places.len(), self.endpoint.clone());
        let reply = Reply { number: self.number, answer: None, to: self.reply.clone(), wake: self.wake.clone() };
        let want = Want::default();
        let wanted = want.wanted();
        self.runtime.spawn(async move { reply.tell(endpoint.send(body, rows, &wanted).await) });
        self.flying.push(Flying { number: self.number, since: Instant::now(), request, want: Some(want) });
    }

    /// Takes in the answer of a try, by its number.
    fn meet(&mut self, number: u64, request: Request, answer: Answer) {
        match answer {
            Answer::Taken => {
                self.calm(number);
                self.deliver(&request.places);
                self.gathering.reuse(request);
            }
            Answer::Refused(rows) => {
                self.calm(number);
                let mut from = 0;
                for (row, message) in ordered(rows, &request) {
                    self.deliver(&request.places[from..row]);
                    self.refuse(request.places[row], message);
                    from = row + 1;
                }
                self.deliver(&request.places[from..]);
            }
            Answer::Guilty(rows) => {
                let guilty = ordered(rows, &request);
                let message = guilty.first().map_or("for a row that was not sent".to_owned(), |(_, why)| why.clone());
                // what names no row of it, or has one alone, is as good as one that is refused as a whole
                if guilty.is_empty() || request.places.len() == 1 || request.has(&self.gone) {
                    return self.meet(number, request, Answer::RefusedWhole(message));
                }
                self.calm(number);
                let rows: Vec<usize> = guilty.into_iter().map(|(row, _)| row).collect();
                for piece in request.apart(&rows, self.endpoint.frame()).into_iter().rev() {
                    self.waiting.push_front(piece);
                }
            }
            Answer::RefusedWhole(message) => {
                self.calm(number);
                match request.without(&self.gone, self.endpoint.frame()) {
                    Some(request) if request.places.len() == 1 => self.refuse(request.places[0], message),
                    Some(request) => {
                        let (first, second) = request.halves(self.endpoint.frame());
                        self.waiting.push_front(second);
                        self.waiting.push_front(first);
                    }
                    None => {}
                }
            }
            Answer::Again { message, after, slower } => {
                self.metrics.retries.increment(1);
                if slower {
                    (self.width, self.taken, self.slowed) = ((self.width / 2).max(1), 0, self.number);
                }
                let wait = self.backoff.next_wait().max(after.unwrap_or_default());
                let now = Instant::now();
                self.quiet_until = self.quiet_until.max(Some(now + wait));
                if self.told.is_none_or(|told| now - told >= TOLD) {
                    self.told = Some(now);
                    let wait_ms = wait.as_millis() as u64;
                    tracing::warn!(error = message, wait_ms, "a request is tried again");
                }
                if let Some(request) = request.without(&self.gone, self.endpoint.frame()) {
                    self.waiting.push_front(request);
                }
            }
            Answer::Fatal(message) => {
                self.failed.get_or_insert(message);
            }
        }
    }

    /// The destination works, by the answer of this try: nothing is waited for, and in time more requests go at a time again.
    fn calm(&mut self, number: u64) {
        if number <= self.slowed {
            return;
        }
        self.backoff.reset();
        self.taken += 1;
        if self.taken > self.width && self.width < self.batch.window {
            (self.width, self.taken) = (self.width + 1, 0);
        }
    }

    // Promise: commit
    fn deliver(&mut self, places: &[Place]) {
        for run in places.chunk_by(|a, b| a.span == b.span) {
            self.settled.push(Settled::Delivered(run[0].span, run.len() as u32));
        }
    }

    fn refuse(&mut self, place: Place, message: String) {
        let Place { span, index: row, .. } = place;
        self.settled.push(Settled::Refused { span, row, message });
    }
}

/// The refused rows of a request, each once and in order.
fn ordered(rows: Vec<(u32, String)>, request: &Request) -> Vec<(usize, String)> {
    let mut rows: Vec<_> = rows.into_iter().map(|(row, message)| (row as usize, message)).collect();
    rows.retain(|(row, _)| *row < request.places.len());
    rows.sort_by_key(|(row, _)| *row);
    rows.dedup_by_key(|(row, _)| *row);
    rows
}

impl<E: Endpoint> Sink for HttpSink<E> {
    fn has_room(&self) -> bool {
        self.weight < self.batch.in_flight
    }

    fn submit(
        &mut self,
        span: Span,
        rows: &Batch<'_>,
        _: &[Route],
        refused: &mut Vec<Refusal>,
    ) -> Result<(), SinkError> {
        let mut number = 0;
        for (row, (value, key)) in rows.values.iter().zip(rows.keys.iter()).enumerate() {
            let (index, offset) = (row as u32, rows.offsets[row]);
            number = if row > 0 && rows.offsets[row - 1] == offset { number + 1 } else { 0 };
            let row = Row { topic: rows.topic, partition: rows.partition, offset, number, key, value };
            let (endpoint, slot) = (&self.endpoint, span.lane.slot);
            let frame = endpoint.frame();
            let gathering = self.gathering.of(slot, frame);
            let checker = &mut self.checker;
            let encode = |text: &mut Vec<u8>| endpoint.encode(row, checker, text);
            if let Err(message) = gathering.push(frame, (span, index), encode) {
                refused.push(Refusal { row: index, class: Class::Encode, message });
            }
            self.waiting.extend(self.gathering.full(slot, frame));
        }
        self.weigh();
        self.launch();
        Ok(())
    }

    fn send(&mut self, pace: Pace) -> Option<Duration> {
        let now = Instant::now();
        // without room no more rows come to fill what may go
        let is_full = !self.has_room() && self.waiting.is_empty() && self.flying.len() < self.width;
        let due = self.gathering.since().map(|since| match pace {
            Pace::Busy | Pace::Idle if !is_full => since + self.batch.age,
            _ => now,
        });
        if due.is_some_and(|due| due <= now) {
            self.close();
        }
        self.launch();
        let due = due.filter(|due| *due > now).into_iter();
        let quiet = self.quiet_until.filter(|_| !self.waiting.is_empty());
        due.chain(quiet).min().map(|until| until.saturating_duration_since(now))
    }

    fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError> {
        while let Ok((number, answer)) = self.answers.try_recv() {
            if let Some(at) = self.flying.iter().position(|flying| flying.number == number) {
                let Flying { number, since, request, .. } = self.flying.swap_remove(at);
                self.metrics.requests.increment(1);
                self.metrics.seconds.record(since.elapsed());
                self.meet(number, request, answer);
                self.weigh();
            }
        }
        if self.flying.iter().all(|flying| !flying.request.has(&self.gone)) {
            self.gone.clear();
        }
        self.launch();
        settled.append(&mut self.settled);
        match &self.failed {
            None => Ok(()),
            Some(message) => Err(SinkError::End(message.clone())),
        }
    }

    fn refuses_late(&self) -> bool {
        true
    }

    // Promise: order
    fn release(&mut self, lanes: &[Lane]) {
        self.close();
        let frame = self.endpoint.frame();
        self.waiting = self.waiting.drain(..).filter_map(|request| request.without(lanes, frame)).collect();
        let mut some = false;
        for flying in self.flying.iter_mut().filter(|flying| flying.request.has(lanes)) {
            (flying.want, some) = (None, true);
        }
        if some {
            self.gone.extend_from_slice(lanes);
        }
        self.weigh();
    }
}

#[cfg(test)]
mod tests;
