//! The worker against a scripted source and a sink that can be corked.

use super::*;
use crate::batch::{Batch, Column};
use crate::policy::{Action, Class, Policy};
use crate::record::{Resume, Span};
use crate::route::Route;
use crate::sink::{Ended, Refusal, Transactions};
use crate::source::Position;
use guest::chain;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

mod breaker;
mod end;
mod guest;
mod letters;
mod once;
mod order;
mod policy;

/// The world outside the worker, as the fakes and the test see it.
#[derive(Default)]
struct World {
    /// Records of the one partition, by offset.
    log: Vec<Vec<u8>>,
    read_to: usize,
    lane: Option<Lane>,
    events: VecDeque<&'static str>,
    committed: Vec<i64>,
    /// Offsets committed while rows below them were not durable.
    early: Vec<i64>,
    delivered: Vec<(Route, i64, Vec<u8>)>,
    corked: bool,
    in_flight: Vec<(Span, Route, i64, Vec<u8>)>,
    largest_in_flight: usize,
    /// Values whose first try fails, and values that are refused for ever; whether their dead letters are, too.
    fails_once: Vec<Vec<u8>>,
    refuses: Vec<Vec<u8>>,
    refuses_letters: bool,
    closed: bool,
    /// Where rows are delivered in transactions: what the open one has, and how the next ones end.
    transaction: Option<Vec<(Route, i64, Vec<u8>)>>,
    ends: VecDeque<Ended>,
    aborts: usize,
    held: bool,
    /// Whether the guest takes everything, and how often it was shown each value that it does not.
    mended: bool,
    shown: HashMap<Vec<u8>, u32>,
}

type Shared = Arc<Mutex<World>>;

fn world(shared: &Shared) -> std::sync::MutexGuard<'_, World> {
    shared.lock().expect("no test panics while it holds the world")
}

struct FakeMessages(Vec<(i64, Vec<u8>)>);

impl Messages for FakeMessages {
    fn offsets(&self) -> std::borrow::Cow<'_, [i64]> {
        self.0.iter().map(|record| record.0).collect()
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            topic: "in",
            partition: 0,
            offsets: self.0.iter().map(|record| record.0).collect(),
            timestamps: vec![-1; self.0.len()].into(),
            keys: Column::Each(vec![None; self.0.len()].into()),
            values: Column::Each(self.0.iter().map(|record| Some(record.1.as_slice())).collect()),
            ..Batch::default()
        }
    }
}

struct FakeSource(Shared);

impl Source for FakeSource {
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError> {
        let mut world = world(&self.0);
        match (world.events.pop_front(), world.lane, read) {
            (Some("busy"), ..) => {
                drop(world);
                nap(800);
                Ok(Event::Idle)
            }
            (Some("assign"), ..) => Ok(Event::Assigned(vec![Partition { topic: "in".to_owned(), number: 0 }])),
            (Some(_), Some(lane), _) => Ok(Event::Revoked { lanes: vec![lane], lost: false }),
            (None, Some(lane), Some(limit)) if world.read_to < world.log.len() && !world.held => {
                let end = world.log.len().min(world.read_to + limit.records);
                let records = (world.read_to..end).map(|at| (at as i64, world.log[at].clone())).collect();
                world.read_to = end;
                Ok(Event::Batch(lane, Box::new(FakeMessages(records))))
            }
            _ => Ok(Event::Idle),
        }
    }

    fn serve(&mut self) -> bool {
        !world(&self.0).events.is_empty()
    }

    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError> {
        let mut world = world(&self.0);
        world.lane = lanes.first().map(|(lane, _)| *lane);
        world.held = false;
        world.read_to = world.committed.last().map_or(0, |offset| *offset as usize);
        Ok(())
    }

    fn release(&mut self, _: &[Lane]) -> Result<(), SourceError> {
        world(&self.0).lane = None;
        Ok(())
    }

    fn rewind(&mut self, lane: Lane, to: Option<Resume>) -> Result<(), SourceError> {
        let mut world = world(&self.0);
        world.lane = Some(lane);
        world.read_to = to.map_or(0, |resume| resume.0 as usize);
        Ok(())
    }

    fn hold(&mut self, _: Lane) {
        world(&self.0).held = true;
    }

    fn let_go(&mut self, _: Lane) {
        world(&self.0).held = false;
    }

    fn commit(&mut self, points: &[(Lane, Resume)], _: Option<Duration>) -> Result<(), String> {
        let mut world = world(&self.0);
        for (_, point) in points {
            let durable = |offset: i64| world.delivered.iter().any(|row| row.1 == offset);
            if !(0..point.0).all(durable) {
                world.early.push(point.0);
            }
            world.committed.push(point.0);
        }
        Ok(())
    }

    fn member(&self) -> Option<Vec<u8>> {
        Some(b"member".to_vec())
    }

    fn positions(&self) -> Vec<Position> {
        Vec::new()
    }

    fn close(&mut self) {
        world(&self.0).closed = true;
    }
}

struct FakeSink(Shared);

impl Sink for FakeSink {
    fn has_room(&self) -> bool {
        world(&self.0).in_flight.len() < 20
    }

    fn submit(
        &mut self,
        span: Span,
        rows: &Batch<'_>,
        routes: &[Route],
        refused: &mut Vec<Refusal>,
    ) -> Result<(), SinkError> {
        let mut world = world(&self.0);
        for (row, value) in rows.values.iter().enumerate() {
            let route = routes.get(row).copied().unwrap_or_default();
            let value = value.unwrap_or_default().to_vec();
            if value.starts_with(b"z") && route != Route::DEAD_LETTER && !world.mended {
                let (row, class, message) = (row as u32, Class::Encode, "no row".to_owned());
                refused.push(Refusal { row, class, message });
                continue;
            }
            world.in_flight.push((span, route, rows.offsets[row], value));
        }
        world.largest_in_flight = world.largest_in_flight.max(world.in_flight.len());
        Ok(())
    }

    fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError> {
        let mut world = world(&self.0);
        if world.corked {
            return Ok(());
        }
        for (span, route, offset, value) in std::mem::take(&mut world.in_flight) {
            let once = world.fails_once.iter().position(|fails| *fails == value);
            let refused = (route != Route::DEAD_LETTER || world.refuses_letters) && world.refuses.contains(&value);
            if let Some(at) = once {
                world.fails_once.remove(at);
            }
            if once.is_some() || refused {
                settled.push(Settled::Failed { span, refused, message: "no".to_owned() });
            } else {
                match &mut world.transaction {
                    Some(staged) => staged.push((route, offset, value)),
                    None => world.delivered.push((route, offset, value)),
                }
                settled.push(Settled::Delivered(span, 1));
            }
        }
        Ok(())
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        let transactional = world(&self.0).transaction.is_some();
        transactional.then_some(self as &mut dyn Transactions)
    }
}

impl Transactions for FakeSink {
    fn is_open(&self) -> bool {
        let world = world(&self.0);
        !world.in_flight.is_empty() || world.transaction.as_ref().is_some_and(|staged| !staged.is_empty())
    }

    fn is_large(&self) -> bool {
        world(&self.0).transaction.as_ref().is_some_and(|staged| staged.len() >= 50)
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn is_old(&self) -> bool {
        false
    }

    fn commit(&mut self, points: &[(Partition, Resume)], member: &[u8]) -> Result<Ended, SinkError> {
        assert_eq!(member, b"member");
        let mut world = world(&self.0);
        assert!(world.in_flight.is_empty(), "committed before everything was settled");
        let end = world.ends.pop_front().unwrap_or(Ended::Yes);
        if end == Ended::Yes {
            let staged = world.transaction.replace(Vec::new()).unwrap_or_default();
            world.delivered.extend(staged);
            world.committed.extend(points.iter().map(|(_, point)| point.0));
        }
        Ok(end)
    }

    fn abort(&mut self) -> Result<Ended, SinkError> {
        let mut world = world(&self.0);
        world.aborts += 1;
        world.in_flight.clear();
        world.transaction = Some(Vec::new());
        Ok(Ended::Yes)
    }
}

struct Running {
    world: Shared,
    handover: Arc<Handover>,
    board: StatusBoard,
    thread: std::thread::JoinHandle<Result<(), WorkerError>>,
}

/// What a test says of its worker.
#[derive(Clone, Copy)]
struct Setup {
    policy: Policy,
    breaker: Option<Limit>,
    batch: usize,
    parallel: usize,
    grace: Duration,
}

impl From<Action> for Setup {
    fn from(action: Action) -> Self {
        Self { policy: Policy::all(action), breaker: None, batch: 7, parallel: 1, grace: Duration::from_secs(5) }
    }
}

fn start(world: World, setup: impl Into<Setup>) -> Running {
    let Setup { policy, breaker, batch, parallel, grace } = setup.into();
    let exactly_once = world.transaction.is_some();
    let shared: Shared = Arc::new(Mutex::new(world));
    let wake = Wake::new().expect("a descriptor");
    let handover = Arc::new(Handover::new(wake.clone()));
    let board = StatusBoard::default();
    let (theirs, orders, told) = (shared.clone(), handover.clone(), board.clone());
    let run = move || {
        let parts = Parts {
            source: Box::new(FakeSource(theirs.clone())),
            chain: chain(&theirs, policy, 1).widen(parallel).expect("instances"),
            team: Team::start("worker", parallel).expect("threads"),
            sink: Box::new(FakeSink(theirs)),
            dead_letters: None,
        };
        let settings = Settings {
            pipeline: "p".to_owned(),
            host: "h".to_owned(),
            batch: BatchLimit { records: batch, bytes: 1 << 20 },
            stamp: false,
            exactly_once,
            commit_interval: Duration::from_millis(5),
            grace,
            stalled_after: None,
            revocation: Duration::from_secs(5),
            breaker,
        };
        Worker::new(settings, parts, orders, wake, told, WorkerMetrics::new("p", 0)).run()
    };
    let thread = std::thread::Builder::new().name("worker".to_owned()).spawn(run).expect("a thread");
    Running { world: shared, handover, board, thread }
}

impl Running {
    fn wait_until(&self, what: &str, done: impl Fn(&World) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(&world(&self.world)) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            nap(1);
        }
    }

    fn end(self) -> (Shared, Result<(), WorkerError>) {
        self.handover.end();
        (self.world, self.thread.join().expect("the worker does not panic"))
    }
}

/// Lets time pass: nobody rings this bell.
fn nap(milliseconds: u64) {
    Wake::new().expect("a descriptor").wait(Duration::from_millis(milliseconds));
}

fn records(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|at| format!("r{at}").into_bytes()).collect()
}

fn with(log: Vec<Vec<u8>>) -> World {
    World { log, events: VecDeque::from(["assign"]), ..World::default() }
}

/// Rows of the default destination, in the order of their first delivery.
fn first_deliveries(world: &World) -> Vec<i64> {
    let mut seen = Vec::new();
    for (route, offset, _) in &world.delivered {
        if *route == Route::DEFAULT && !seen.contains(offset) {
            seen.push(*offset);
        }
    }
    seen
}
