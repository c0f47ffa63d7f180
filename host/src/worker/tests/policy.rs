//! Every action for every class: what is delivered, what waits, and in which order.

use super::*;
use crate::policy::{Retry, Rule};
use proptest::prelude::*;

const SOON: Duration = Duration::from_millis(1);

fn retry(times: u32, then: Action) -> Rule {
    Rule { retry: Some(Retry { times, backoff: SOON }), then }
}

fn setup(rule: impl Into<Rule>) -> Setup {
    Setup { policy: Policy::all(rule), ..Action::Skip.into() }
}

/// What is there in the order of delivery: rows, then dead letters.
fn delivered(world: &World) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let of = |letters: bool| {
        let rows = world.delivered.iter().filter(|row| (row.0 == Route::DEAD_LETTER) == letters);
        rows.map(|row| row.2.clone()).collect()
    };
    (of(false), of(true))
}

fn log(values: &[&str]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.as_bytes().to_vec()).collect()
}

/// Runs until all is read and nothing is in flight.
fn run_to_the_end(world: World, setup: Setup) -> Shared {
    let count = world.log.len() as i64;
    let running = start(world, setup);
    running.wait_until("all is committed", |world| count == 0 || world.committed.last() == Some(&count));
    let (shared, result) = running.end();
    result.expect("a clean end");
    shared
}

impl Running {
    /// Waits until the lane is held in front of an offset, after so many tries.
    fn wait_for_hold(&self, offset: i64, tries: u32) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let holds = |lane: &status::LaneStatus| {
            lane.held.as_ref().is_some_and(|held| (held.offset.0, held.tries, held.again_in) == (offset, tries, None))
        };
        while !self.board.read().lanes.iter().any(holds) {
            assert!(Instant::now() < deadline, "not held: {:?}", self.board.read().lanes);
            nap(1);
        }
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let then = prop::sample::select(vec![Action::DeadLetter, Action::Skip, Action::PassThrough]);
    (then, 0..3u32).prop_map(|(then, times)| if times == 0 { then.into() } else { retry(times, then) })
}

/// Values of which about one in four fails.
fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let letters = prop::sample::select(b"rrrrrrrrrrrrrrrtimox".to_vec());
    prop::collection::vec(letters, 0..60).prop_map(|letters| {
        letters.into_iter().enumerate().map(|(n, letter)| format!("{}{n}", letter as char).into_bytes()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_meets_the_action_of_its_class_once_and_all_others_are_delivered_in_order(
        values in values(),
        rules in prop::collection::vec(rule(), guest::LETTERS.len()),
        batch in 1..20usize,
        exactly_once: bool,
    ) {
        let mut policy = Policy::all(Action::DeadLetter);
        for ((_, class), rule) in guest::LETTERS.iter().zip(&rules) {
            policy = policy.with(&[*class], *rule);
        }
        let transaction = exactly_once.then(Vec::new);
        let shared = run_to_the_end(World { transaction, ..with(values.clone()) }, Setup { policy, batch, ..Action::Skip.into() });
        let action = |value: &[u8]| {
            let class = guest::LETTERS.iter().find(|(letter, _)| *letter == value[0])?.1;
            Some(policy.rule(class).then)
        };
        let of = |wanted: &[Option<Action>]| -> Vec<Vec<u8>> {
            values.iter().filter(|value| wanted.contains(&action(value))).cloned().collect()
        };
        let (rows, letters) = delivered(&world(&shared));
        prop_assert_eq!(rows, of(&[None, Some(Action::PassThrough)]));
        prop_assert_eq!(letters, of(&[Some(Action::DeadLetter)]));
    }
}

#[test]
fn a_lane_is_paused_in_front_of_the_record_until_it_is_resumed_and_paused_again_while_it_fails() {
    let running = start(with(log(&["r0", "r1", "t2", "r3", "x4", "r5"])), setup(Action::Pause));
    running.wait_for_hold(2, 1);
    running.wait_until("what is before it is committed", |world| world.committed.last() == Some(&2));
    running.handover.resume(None);
    running.wait_for_hold(2, 2);
    running.handover.resume(Some(Partition { topic: "in".to_owned(), number: 1 }));
    // time in which a worker that resumes another partition's lane would try it
    nap(50);
    assert_eq!(delivered(&world(&running.world)).0, log(&["r0", "r1"]));
    running.wait_for_hold(2, 2);
    world(&running.world).mended = true;
    running.handover.resume(Some(Partition { topic: "in".to_owned(), number: 0 }));
    running.wait_until("the end", |world| world.committed.last() == Some(&6));
    let (shared, result) = running.end();
    result.expect("a clean end");
    let values = log(&["r0", "r1", "t2", "r3", "x4", "r5"]);
    assert_eq!(delivered(&world(&shared)), (values, Vec::new()), "each once, in order");
}

#[test]
fn a_retry_that_succeeds_delivers_the_record_in_its_place() {
    let values = log(&["r0", "k3a", "r2", "k1b", "r4"]);
    let shared = run_to_the_end(with(values.clone()), setup(retry(3, Action::Stop)));
    let world = world(&shared);
    assert_eq!(delivered(&world), (values, Vec::new()));
    assert_eq!((world.shown[&b"k3a".to_vec()], world.shown[&b"k1b".to_vec()]), (4, 2));
}

#[test]
fn a_retry_gives_up_after_so_many_times() {
    let shared = run_to_the_end(with(log(&["r0", "x1", "r2"])), setup(retry(3, Action::DeadLetter)));
    let world = world(&shared);
    assert_eq!(delivered(&world), (log(&["r0", "r2"]), log(&["x1"])));
    assert_eq!(world.shown[&b"x1".to_vec()], 4);
}

#[test]
fn whoever_gets_a_paused_lane_next_meets_the_record_again() {
    let running = start(with(log(&["r0", "t1", "r2"])), setup(Action::Pause));
    running.wait_for_hold(1, 1);
    world(&running.world).events.push_back("revoke");
    running.wait_until("the release", |world| world.lane.is_none());
    assert_eq!(world(&running.world).committed.last(), Some(&1));
    world(&running.world).events.push_back("assign");
    running.wait_until("another try", |world| world.shown[&b"t1".to_vec()] >= 5);
    running.wait_for_hold(1, 1);
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert_eq!(delivered(&world(&shared)).0, log(&["r0"]));
}

#[test]
fn a_delivery_that_fails_before_a_paused_record_is_done_again_and_the_record_is_not_tried() {
    let fails_once = log(&["r1"]);
    let world_before = World { corked: true, fails_once, ..with(log(&["r0", "r1", "x2", "r3"])) };
    let running = start(world_before, setup(Action::Pause));
    running.wait_for_hold(2, 1);
    world(&running.world).corked = false;
    running.wait_until("what is before it is committed", |world| world.committed.last() == Some(&2));
    running.wait_for_hold(2, 1);
    assert_eq!(world(&running.world).shown[&b"x2".to_vec()], 1);
    world(&running.world).mended = true;
    running.handover.resume(None);
    running.wait_until("the end", |world| world.committed.last() == Some(&4));
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert_eq!(first_deliveries(&world(&shared)).len(), 4);
    assert_eq!(delivered(&world(&shared)).0[2..], log(&["r1", "x2", "r3"])[..], "r0 was repeated with r1");
}

#[test]
fn what_the_destination_refuses_waits_for_the_destination() {
    for exactly_once in [false, true] {
        let transaction = exactly_once.then(Vec::new);
        let refusing = World { refuses: log(&["r11"]), transaction, ..with(records(30)) };
        let running = start(refusing, setup(Action::Pause));
        running.wait_for_hold(11, 1);
        running.wait_until("what is before it is committed", |world| world.committed.last() == Some(&11));
        running.handover.resume(None);
        running.wait_for_hold(11, 2);
        world(&running.world).refuses.clear();
        running.handover.resume(None);
        running.wait_until("the end", |world| world.committed.last() == Some(&30));
        let (shared, result) = running.end();
        result.expect("a clean end");
        let (mut rows, letters) = delivered(&world(&shared));
        if !exactly_once {
            // those that were on their way when it was refused are there twice
            let mut seen = std::collections::HashSet::new();
            rows.retain(|row| seen.insert(row.clone()));
            rows.sort_by_key(|row| String::from_utf8_lossy(&row[1..]).parse::<u32>().expect("a number"));
        }
        assert_eq!((rows, letters), (records(30), Vec::new()));
    }
}

#[test]
fn what_the_sink_can_make_no_row_of_waits_in_its_place() {
    for exactly_once in [false, true] {
        let mut log = records(30);
        log[11] = b"z11".to_vec();
        let transaction = exactly_once.then(Vec::new);
        let running = start(World { transaction, ..with(log.clone()) }, setup(Action::Pause));
        running.wait_for_hold(11, 1);
        running.wait_until("what is before it is committed", |world| world.committed.last() == Some(&11));
        world(&running.world).mended = true;
        running.handover.resume(None);
        running.wait_until("the end", |world| world.committed.last() == Some(&30));
        let (shared, result) = running.end();
        result.expect("a clean end");
        let world = world(&shared);
        assert_eq!((world.committed.last(), first_deliveries(&world).len()), (Some(&30), 30));
        if exactly_once {
            assert_eq!(delivered(&world), (log, Vec::new()));
        }
    }
}

#[test]
fn what_the_destination_refuses_again_and_again_meets_what_comes_after_the_retries() {
    for exactly_once in [false, true] {
        let transaction = exactly_once.then(Vec::new);
        let refusing = World { refuses: log(&["r11", "r12"]), transaction, ..with(records(30)) };
        let shared = run_to_the_end(refusing, setup(retry(2, Action::DeadLetter)));
        let world = world(&shared);
        assert_eq!(delivered(&world).1, log(&["r11", "r12"]), "exactly once: {exactly_once}");
        assert_eq!(first_deliveries(&world).len(), 28);
    }
}

#[test]
fn a_stop_for_what_the_destination_refuses_has_everything_before_it_committed() {
    let running = start(World { refuses: log(&["r23"]), ..with(records(50)) }, setup(Action::Stop));
    running.wait_until("the end", |world| world.closed);
    let (shared, result) = running.end();
    let error = result.expect_err("the policy says stop").to_string();
    assert!(error.contains("in/0 offset 23"), "{error}");
    assert_eq!(world(&shared).committed.last(), Some(&23));
}
