//! The machinery against a destination that fails, refuses and stalls at random: nothing is lost or told twice, and lanes keep their order.

use super::*;
use crate::batch::Column;
use crate::http::endpoint::Frame;
use crate::http::wanted::Wanted;
use bytes::Bytes as Body;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

mod gone;
mod width;

/// A destination that takes lines `slot number`, refuses some for good, and fails at random.
struct Fake {
    frame: Frame,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    random: fastrand::Rng,
    /// One try in so many fails; 0: none.
    fails: u32,
    /// By lane, what was taken first, in order.
    taken: BTreeMap<u32, Vec<u32>>,
    /// Lanes of which two requests were on their way at once.
    doubled: BTreeSet<u32>,
    flying: Vec<u32>,
    most: usize,
    /// How many requests are on their way, and how many were at once.
    now: usize,
    at_once: usize,
    /// What becomes of the next requests, whatever they have; the others meet chance.
    next: VecDeque<Way>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Its rows are taken, and the answer is late.
    Late,
    Again,
    RefusedWhole,
    /// It waits, for a login as it were, before its rows are sent.
    LogsIn,
}

/// How long those ways take.
const LONG: Duration = Duration::from_millis(40);

fn refused(number: u32) -> bool {
    number % 13 == 5
}

fn spoils(number: u32) -> bool {
    number % 29 == 7
}

fn no_row(number: u32) -> bool {
    number % 31 == 3
}

fn again(slower: bool) -> Answer {
    Answer::Again { message: "not now".to_owned(), after: None, slower }
}

impl Fake {
    fn new(seed: u64, fails: u32) -> Arc<Self> {
        let frame = Frame { open: b"<".to_vec(), between: b"\n".to_vec(), close: b">".to_vec() };
        let state = State { random: fastrand::Rng::with_seed(seed), fails, ..State::default() };
        Arc::new(Self { frame, state: Mutex::new(state) })
    }

    fn answer(&self, rows: &[(u32, u32)]) -> Answer {
        let mut state = self.state.lock().unwrap();
        let fails = state.fails;
        let way = if fails > 0 && state.random.u32(..fails) == 0 { state.random.u32(1..5) } else { 0 };
        if way == 1 || way == 2 {
            return again(way == 1);
        }
        if rows.iter().any(|(_, number)| spoils(*number)) {
            return Answer::RefusedWhole("one spoils it".to_owned());
        }
        let guilty = (0..).zip(rows).filter(|(_, (_, number))| refused(*number)).map(|(at, _)| (at, "no".to_owned()));
        let guilty: Vec<_> = guilty.collect();
        // one that takes all or nothing
        if way == 4 && !guilty.is_empty() {
            return Answer::Guilty(guilty);
        }
        let mut bad = Vec::new();
        for (at, (slot, number)) in (0..).zip(rows) {
            let taken = state.taken.entry(*slot).or_default();
            match refused(*number) {
                true => bad.push((at, "no".to_owned())),
                false if !taken.contains(number) => taken.push(*number),
                false => {}
            }
        }
        match (way, bad.is_empty()) {
            (3, _) => again(false),
            (_, true) => Answer::Taken,
            (_, false) => Answer::Refused(bad),
        }
    }
}

impl Endpoint for Fake {
    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn encode(&self, row: Row<'_>, _: &mut Checker, text: &mut Vec<u8>) -> Result<(), String> {
        let value = row.value.unwrap_or_default();
        text.extend_from_slice(value);
        let number = std::str::from_utf8(value).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        if no_row(number) { Err("no row".to_owned()) } else { Ok(()) }
    }

    async fn send(&self, body: Body, count: usize, wanted: &Wanted) -> Answer {
        let text = std::str::from_utf8(&body).unwrap().strip_prefix('<').unwrap().strip_suffix('>').unwrap();
        let row = |line: &str| {
            let (slot, number) = line.split_once(' ').unwrap();
            (slot.parse().unwrap(), number.parse().unwrap())
        };
        let rows: Vec<(u32, u32)> = text.lines().map(row).collect();
        assert_eq!(rows.len(), count);
        let slots: BTreeSet<u32> = rows.iter().map(|(slot, _)| *slot).collect();
        let way = {
            let mut state = self.state.lock().unwrap();
            state.now += 1;
            state.at_once = state.at_once.max(state.now);
            let doubled: Vec<_> = slots.iter().filter(|slot| state.flying.contains(slot)).copied().collect();
            state.doubled.extend(doubled);
            state.flying.extend(&slots);
            state.most = state.most.max(rows.len());
            state.next.pop_front()
        };
        let takes = if way.is_some() { LONG } else { Duration::from_micros(300) };
        let late = if way == Some(Way::Late) { Some(self.answer(&rows)) } else { None };
        tokio::time::sleep(takes).await;
        let answer = match way {
            Some(Way::Again) => again(false),
            Some(Way::RefusedWhole) => Answer::RefusedWhole("one spoils it".to_owned()),
            Some(Way::LogsIn) => wanted.check().err().unwrap_or_else(|| self.answer(&rows)),
            Some(Way::Late) | None => late.unwrap_or_else(|| self.answer(&rows)),
        };
        let mut state = self.state.lock().unwrap();
        state.flying.retain(|slot| !slots.contains(slot));
        state.now -= 1;
        answer
    }

    async fn probe(&self) -> Vec<crate::finding::Finding> {
        Vec::new()
    }
}

fn lane(slot: u32) -> Lane {
    Lane { slot, epoch: 1 }
}

fn sink(fake: &Arc<Fake>, runtime: &tokio::runtime::Runtime, records: usize) -> HttpSink<Fake> {
    let batch = HttpBatch { records, bytes: 1 << 20, age: Duration::from_millis(2), window: 3, in_flight: 1 << 20 };
    let (metrics, wake) = (HttpMetrics::new("p", 0), Wake::new().unwrap());
    HttpSink::new(fake.clone(), batch, runtime.handle().clone(), metrics, 1, wake)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn submit(sink: &mut HttpSink<Fake>, span: Span, numbers: std::ops::Range<u32>) -> Vec<u32> {
    let values: Vec<Vec<u8>> = numbers.map(|number| format!("{} {number}", span.lane.slot).into_bytes()).collect();
    let column = |values| Column::Each(values);
    let batch = Batch {
        topic: "t",
        partition: 0,
        offsets: (0..values.len() as i64).collect(),
        timestamps: Cow::Owned(vec![0; values.len()]),
        keys: column(vec![None; values.len()].into()),
        values: column(values.iter().map(|value| Some(value.as_slice())).collect()),
        headers: crate::batch::Headers::default(),
        siblings_before: 0,
    };
    let mut refused = Vec::new();
    sink.submit(span, &batch, &[], &mut refused).unwrap();
    refused.into_iter().map(|refusal| refusal.row).collect()
}

/// Waits until nothing is on its way.
fn drain(sink: &mut HttpSink<Fake>, pace: Pace) -> Vec<Settled> {
    let (mut settled, until) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while sink.weight > 0 && Instant::now() < until {
        let wait = sink.send(pace).unwrap_or(Duration::from_millis(5));
        sink.wake.clone().wait(wait.min(Duration::from_millis(5)));
        sink.poll(&mut settled).unwrap();
    }
    assert_eq!(sink.weight, 0, "not everything was settled");
    settled
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_row_is_settled_once_and_lanes_keep_their_order(
        seed in any::<u64>(),
        fails in prop_oneof![Just(0u32), Just(3), Just(8)],
        records in 1usize..40,
        spans in proptest::collection::vec((0u32..3, 1u32..60), 1..12),
    ) {
        let (fake, runtime) = (Fake::new(seed, fails), runtime());
        let mut sink = sink(&fake, &runtime, records);
        let mut next = [0; 3];
        let mut waits = BTreeMap::new();
        let mut bad = BTreeSet::new();
        for (number, (slot, count)) in (0..).zip(&spans) {
            let from = next[*slot as usize];
            next[*slot as usize] += count;
            let span = Span { lane: lane(*slot), number };
            let at_once = submit(&mut sink, span, from..from + count);
            let expected: Vec<u32> = (0..*count).filter(|row| no_row(from + row)).collect();
            prop_assert_eq!(&at_once, &expected);
            waits.insert(number, i64::from(*count) - at_once.len() as i64);
            bad.extend((0..*count).filter(|row| !no_row(from + row) && (refused(from + row) || spoils(from + row)))
                .map(|row| (number, row)));
        }
        for settled in drain(&mut sink, Pace::Idle) {
            match settled {
                Settled::Delivered(span, rows) => *waits.get_mut(&span.number).unwrap() -= i64::from(rows),
                Settled::Refused { span, row, .. } => {
                    prop_assert!(bad.remove(&(span.number, row)), "a good row was refused, or one twice");
                    *waits.get_mut(&span.number).unwrap() -= 1;
                }
                Settled::Failed { message, .. } => prop_assert!(false, "{}", message),
            }
        }
        prop_assert!(bad.is_empty() && waits.values().all(|waits| *waits == 0), "{bad:?} {waits:?}");
        let state = fake.state.lock().unwrap();
        prop_assert!(state.doubled.is_empty(), "two requests of a lane at once");
        prop_assert!(state.most <= records);
        for (slot, taken) in &state.taken {
            prop_assert!(taken.is_sorted(), "lane {slot}: {taken:?}");
            let good = (0..next[*slot as usize]).filter(|&n| !no_row(n) && !refused(n) && !spoils(n)).count();
            prop_assert_eq!(taken.len(), good);
        }
    }
}

/// An answer that may make no sense: to a request of other rows, or of rows twice.
fn any_answer() -> impl Strategy<Value = Answer> {
    let text = || "no".to_owned();
    prop_oneof![
        Just(Answer::Taken),
        proptest::collection::vec((0u32..12, Just(text())), 0..6).prop_map(Answer::Refused),
        proptest::collection::vec((0u32..12, Just(text())), 0..6).prop_map(Answer::Guilty),
        Just(Answer::RefusedWhole(text())),
        any::<bool>().prop_map(move |slower| Answer::Again { message: text(), after: None, slower }),
    ]
}

proptest! {
    #[test]
    fn whatever_is_answered_every_row_is_settled_once(
        answers in proptest::collection::vec(any_answer(), 0..12),
        rows in 1u32..20,
        records in 1usize..8,
    ) {
        let (fake, runtime) = (Fake::new(1, 0), runtime());
        let mut sink = sink(&fake, &runtime, records);
        // nothing is launched: requests are met with answers by hand, and go on as the sink wants them to
        sink.width = 0;
        sink.batch.window = 0;
        let span = Span { lane: lane(0), number: 0 };
        let at_once = submit(&mut sink, span, 0..rows).len();
        sink.close();
        let mut answers = answers.into_iter();
        while let Some(request) = sink.waiting.pop_front() {
            sink.meet(1, request, answers.next().unwrap_or(Answer::Taken));
        }
        let (mut delivered, mut refused) = (0, BTreeSet::new());
        for settled in sink.settled.drain(..) {
            match settled {
                Settled::Delivered(_, rows) => delivered += rows as usize,
                Settled::Refused { row, .. } => prop_assert!(refused.insert(row), "row {row} was refused twice"),
                Settled::Failed { message, .. } => prop_assert!(false, "{}", message),
            }
        }
        prop_assert_eq!(delivered + refused.len() + at_once, rows as usize);
    }
}

#[test]
fn rows_wait_for_others_until_they_are_old_or_somebody_waits_for_them() {
    let (fake, runtime) = (Fake::new(1, 0), runtime());
    let mut sink = sink(&fake, &runtime, 100);
    sink.batch.age = Duration::from_secs(600);
    submit(&mut sink, Span { lane: lane(0), number: 0 }, 0..3);
    let wait = sink.send(Pace::Busy).unwrap();
    assert!(wait > Duration::from_secs(500) && sink.flying.is_empty());
    assert!(sink.send(Pace::Idle).unwrap() > Duration::from_secs(500) && sink.flying.is_empty());
    let settled = drain(&mut sink, Pace::Waiting);
    assert_eq!(settled, [Settled::Delivered(Span { lane: lane(0), number: 0 }, 3)]);
}
