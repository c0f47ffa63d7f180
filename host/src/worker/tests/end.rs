//! What a worker says of its end: what it did, and whether anything was given up.

use super::status::{Ending, Sums};
use super::*;

fn ended(world: World, setup: Setup, until: impl Fn(&World) -> bool) -> (Sums, Option<Ending>) {
    let running = start(world, setup);
    running.wait_until("what was asked for", until);
    let board = running.board.clone();
    assert_eq!(board.read().ending, None);
    let (_, result) = running.end();
    result.expect("an end without a failure");
    let status = board.read();
    (status.sums, status.ending)
}

#[test]
fn the_end_tells_what_was_read_and_delivered_and_that_nothing_was_given_up() {
    for exactly_once in [false, true] {
        let transaction = exactly_once.then(Vec::new);
        let log = [records(20), vec![b"x".to_vec(), b"x".to_vec()]].concat();
        let committed = |world: &World| world.committed.last() == Some(&22);
        let (sums, ending) = ended(World { transaction, ..with(log) }, Action::DeadLetter.into(), committed);
        assert_eq!(sums, Sums { records: 22, delivered: 22, letters: 2, skipped: 0 });
        assert_eq!(ending, Some(Ending::Drained));
    }
}

#[test]
fn the_end_tells_how_much_was_on_its_way_when_it_was_given_up() {
    let setup = Setup { grace: Duration::from_millis(20), ..Action::DeadLetter.into() };
    let corked = World { corked: true, ..with(records(10)) };
    let (sums, ending) = ended(corked, setup, |world| world.in_flight.len() == 10);
    assert_eq!((sums.records, sums.delivered), (10, 0));
    assert_eq!(ending, Some(Ending::GaveUp { undelivered: 10 }));
}

#[test]
fn the_grace_begins_when_the_end_is_asked_for_and_not_when_the_worker_gets_to_it() {
    let setup = Setup { grace: Duration::from_secs(1), ..Action::DeadLetter.into() };
    let running = start(World { corked: true, ..with(records(10)) }, setup);
    running.wait_until("rows that stay", |world| world.in_flight.len() == 10);
    world(&running.world).events.push_back("busy");
    running.wait_until("the worker to be busy", |world| world.events.is_empty());
    let asked = Instant::now();
    running.end().1.expect("an end without a failure");
    assert!(asked.elapsed() > Duration::from_millis(950), "rows in flight are waited for: {:?}", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_millis(1500), "it waited on: {:?}", asked.elapsed());
}

#[test]
fn a_delivery_that_fails_while_the_worker_drains_is_given_up_and_said_so() {
    for exactly_once in [false, true] {
        let transaction = exactly_once.then(Vec::new);
        let world = World { corked: true, fails_once: vec![b"r3".to_vec()], transaction, ..with(records(10)) };
        let running = start(world, Action::DeadLetter);
        running.wait_until("rows that stay", |world| world.in_flight.len() == 10);
        running.handover.end();
        super::world(&running.world).corked = false;
        let board = running.board.clone();
        let (shared, result) = running.end();
        result.expect("an end without a failure");
        let given_up = matches!(board.read().ending, Some(Ending::GaveUp { undelivered: 1.. }));
        assert!(given_up, "{:?}", board.read().ending);
        assert!(super::world(&shared).committed.iter().all(|offset| *offset <= 7));
    }
}
