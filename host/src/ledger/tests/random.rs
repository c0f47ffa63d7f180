//! The ledger against a world of partitions, under random settling orders, rewinds, aborted transactions, revocations and
//! settlements that come late.

use super::*;

/// What may happen to a worker.
#[derive(Clone, Debug)]
enum Deed {
    /// A partition is assigned, where it is not.
    Assign(usize),
    /// The next so many records of a lane are handed over, as so many rows.
    Pass(usize, i64, u32),
    /// The sink tells of one row, of any span that there ever was.
    Deliver(prop::sample::Index),
    /// What moved is committed; the commit works, or does not.
    Commit(bool),
    /// A delivery failed: at least once, a lane is read again; exactly once, the transaction is aborted.
    Fail(usize),
    /// As `Fail`, where the records are still at hand.
    PassAgain,
    /// A partition goes to somebody else.
    Revoke(usize),
}

const PARTITIONS: usize = 3;

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        3 => (0..PARTITIONS).prop_map(Deed::Assign),
        8 => (0..PARTITIONS, 1i64..20, 0u32..4).prop_map(|(at, records, rows)| Deed::Pass(at, records, rows)),
        16 => any::<prop::sample::Index>().prop_map(Deed::Deliver),
        6 => prop::bool::weighted(0.8).prop_map(Deed::Commit),
        1 => (0..PARTITIONS).prop_map(Deed::Fail),
        1 => Just(Deed::PassAgain),
        1 => (0..PARTITIONS).prop_map(Deed::Revoke),
    ];
    proptest::collection::vec(deed, 0..300)
}

/// One partition as Kafka has it, and the lane that reads it.
#[derive(Default)]
struct Log {
    /// How often each record's rows are durable.
    durable: Vec<u32>,
    /// What the group has committed.
    committed: i64,
    held: Option<Held>,
}

struct Held {
    lane: Lane,
    /// Where the assignment began.
    start: i64,
    next: i64,
}

/// Rows that were handed over.
struct Sent {
    partition: usize,
    records: std::ops::Range<i64>,
    span: Span,
    /// Rows that the sink has not told of.
    rows: u32,
    /// Of a transaction that was aborted, or counted already.
    over: bool,
}

/// What a worker does with its ledger.
struct World {
    exactly_once: bool,
    ledger: Ledger,
    logs: Vec<Log>,
    sent: Vec<Sent>,
}

impl World {
    fn new(exactly_once: bool) -> Self {
        let logs = (0..PARTITIONS).map(|_| Log::default()).collect();
        Self { exactly_once, ledger: Ledger::default(), logs, sent: Vec::new() }
    }

    fn play(&mut self, deed: &Deed) {
        match deed {
            Deed::Assign(at) if self.logs[*at].held.is_none() => {
                let (lane, start) = (self.ledger.assign(), self.logs[*at].committed);
                self.logs[*at].held = Some(Held { lane, start, next: start });
            }
            Deed::Assign(_) => {}
            Deed::Pass(at, records, rows) => self.pass(*at, *records, *rows),
            Deed::Deliver(index) => {
                let open: Vec<usize> = (0..self.sent.len()).filter(|at| self.sent[*at].rows > 0).collect();
                if !open.is_empty() {
                    self.deliver(open[index.index(open.len())]);
                }
            }
            Deed::Commit(works) => self.commit(*works),
            Deed::Fail(at) if !self.exactly_once => {
                let Some(held) = &mut self.logs[*at].held else { return };
                let (lane, resume) = self.ledger.rewind(held.lane).expect("the lane is held");
                (held.lane, held.next) = (lane, resume.map_or(held.start, |resume| resume.0));
            }
            Deed::Fail(_) => self.abort(false),
            Deed::PassAgain if self.exactly_once => self.abort(true),
            Deed::PassAgain => {}
            Deed::Revoke(at) => {
                if self.exactly_once {
                    self.abort(false);
                }
                if let Some(held) = self.logs[*at].held.take() {
                    self.ledger.release(held.lane);
                }
            }
        }
    }

    fn pass(&mut self, partition: usize, records: i64, rows: u32) {
        let Some(held) = &mut self.logs[partition].held else { return };
        let records = held.next..held.next + records;
        let span = self.ledger.open(held.lane, Offset(records.end - 1)).expect("the lane is held");
        held.next = records.end;
        self.ledger.expect(span, rows);
        self.sent.push(Sent { partition, records, span, rows, over: false });
        self.ledger.settle(span, 1);
        if rows == 0 {
            self.count(self.sent.len() - 1);
        }
    }

    fn deliver(&mut self, index: usize) {
        let Sent { span, rows, .. } = &mut self.sent[index];
        *rows -= 1;
        self.ledger.settle(*span, 1);
        if *rows == 0 {
            self.count(index);
        }
    }

    /// All rows of a span are delivered; in a transaction that says nothing yet.
    fn count(&mut self, index: usize) {
        let sent = &mut self.sent[index];
        if self.exactly_once || std::mem::replace(&mut sent.over, true) {
            return;
        }
        let log = &mut self.logs[sent.partition];
        log.write(sent.records.clone());
    }

    fn commit(&mut self, works: bool) {
        if self.exactly_once && !self.ledger.is_all_settled() {
            return;
        }
        let points = self.ledger.moved();
        if self.exactly_once {
            if !works {
                return self.abort(false);
            }
            for sent in self.sent.iter_mut().filter(|sent| !sent.over) {
                sent.over = true;
                self.logs[sent.partition].write(sent.records.clone());
            }
        }
        self.ledger.mark(&points);
        for (lane, Resume(offset)) in points {
            let of = |log: &&mut Log| log.held.as_ref().is_some_and(|held| held.lane == lane);
            let log = self.logs.iter_mut().find(of).expect("only what is held is committed");
            assert!(log.is_durable(0..offset), "committed up to {offset} of {:?}", log.durable);
            match works {
                true => log.committed = offset,
                false => self.ledger.uncommit(lane),
            }
        }
    }

    /// All lanes are read again from the last commit.
    fn abort(&mut self, at_hand: bool) {
        for held in self.logs.iter_mut().filter_map(|log| log.held.as_mut()) {
            let resume = match at_hand {
                true => {
                    self.ledger.void_open(held.lane);
                    self.ledger.resume(held.lane)
                }
                false => {
                    let (lane, resume) = self.ledger.void(held.lane).expect("the lane is held");
                    held.lane = lane;
                    resume
                }
            };
            held.next = resume.map_or(held.start, |resume| resume.0);
        }
        self.sent.iter_mut().for_each(|sent| sent.over = true);
    }

    /// Whatever may be committed now is settled.
    fn check(&self) {
        for (partition, log) in self.logs.iter().enumerate() {
            let Some(Held { lane, start, next }) = &log.held else { continue };
            let Some(Resume(resume)) = self.ledger.resume(*lane) else { continue };
            assert!(resume > *start && resume <= *next, "resume {resume} of a lane from {start} to {next}");
            let settled = |offset: &i64| {
                let sent = |sent: &&Sent| !sent.over && sent.rows == 0 && sent.partition == partition;
                self.sent.iter().filter(sent).any(|sent| sent.records.contains(offset))
            };
            let missing = (0..resume).find(|offset| !log.is_durable(*offset..offset + 1) && !settled(offset));
            assert_eq!(missing, None, "the resume point is {resume}");
        }
    }

    /// Everything is delivered in the end, and then all of it can be committed.
    fn finish(&mut self) {
        for index in 0..self.sent.len() {
            while self.sent[index].rows > 0 {
                self.deliver(index);
            }
        }
        assert!(self.ledger.is_all_settled());
        self.commit(true);
        assert_eq!(self.ledger.moved(), []);
        for Log { committed, held, durable } in &self.logs {
            let Some(Held { lane, next, .. }) = held else { continue };
            assert!(self.ledger.is_settled(*lane));
            assert_eq!(committed, next, "not all that was passed is committed");
            if self.exactly_once {
                assert!(durable.iter().all(|times| *times == 1), "{durable:?}");
            }
        }
    }
}

impl Log {
    fn write(&mut self, records: std::ops::Range<i64>) {
        let end = records.end as usize;
        self.durable.resize(self.durable.len().max(end), 0);
        self.durable[records.start as usize..end].iter_mut().for_each(|times| *times += 1);
    }

    fn is_durable(&self, records: std::ops::Range<i64>) -> bool {
        let durable = self.durable.get(records.start as usize..records.end as usize);
        durable.is_some_and(|durable| durable.iter().all(|times| *times > 0))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_nothing_is_committed_before_all_in_front_of_it_is_settled(
        exactly_once in any::<bool>(),
        deeds in deeds(),
    ) {
        let mut world = World::new(exactly_once);
        for deed in &deeds {
            world.play(deed);
            world.check();
        }
        world.finish();
    }
}
