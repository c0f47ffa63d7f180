//! The worker with a sink that delivers in transactions: whatever fails, every record is there once, and in order.

use super::*;
use proptest::prelude::*;

fn transactional(log: Vec<Vec<u8>>) -> World {
    World { transaction: Some(Vec::new()), ..with(log) }
}

/// Runs until all is committed and ends.
fn run_to_the_end(world: World) -> Shared {
    let count = world.log.len() as i64;
    let running = start(world, Action::DeadLetter);
    running.wait_until("all is committed", |world| world.committed.last() == Some(&count));
    let (shared, result) = running.end();
    result.expect("a clean end");
    shared
}

fn offsets(world: &World, letters: bool) -> Vec<i64> {
    let rows = world.delivered.iter().filter(|row| (row.0 == Route::DEAD_LETTER) == letters);
    rows.map(|row| row.1).collect()
}

#[test]
fn rows_and_offsets_are_committed_together() {
    let shared = run_to_the_end(transactional(records(100)));
    assert_eq!(offsets(&world(&shared), false), (0..100).collect::<Vec<_>>());
    assert_eq!(world(&shared).aborts, 0);
}

#[test]
fn records_that_give_no_rows_are_committed_too() {
    let mut log = records(20);
    log.iter_mut().for_each(|value| value.insert(0, b't'));
    let running = start(transactional(log), Action::Skip);
    running.wait_until("all is committed", |world| world.committed.last() == Some(&20));
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert!(world(&shared).delivered.is_empty());
}

#[test]
fn a_transaction_that_cannot_be_committed_is_aborted_and_done_again() {
    let ends = [Ended::Abort("the group is at another generation".to_owned()), Ended::NotYet, Ended::Yes];
    let shared = run_to_the_end(World { ends: ends.into(), ..transactional(records(40)) });
    let world = world(&shared);
    assert_eq!(offsets(&world, false), (0..40).collect::<Vec<_>>());
    assert_eq!(world.aborts, 1);
}

#[test]
fn a_revoked_lane_takes_its_transaction_to_the_end_first() {
    let running = start(transactional(records(60)), Action::DeadLetter);
    running.wait_until("something is in flight or delivered", |world| world.read_to > 10);
    world(&running.world).events.push_back("revoke");
    running.wait_until("the release", |world| world.lane.is_none());
    {
        let world = world(&running.world);
        assert_eq!(world.committed.last().copied(), Some(world.read_to as i64), "all that was read is committed");
    }
    world(&running.world).events.push_back("assign");
    running.wait_until("the rest", |world| world.committed.last() == Some(&60));
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert_eq!(offsets(&world(&shared), false), (0..60).collect::<Vec<_>>());
}

#[test]
fn what_is_not_delivered_at_the_end_is_given_up() {
    let running = start(World { corked: true, ..transactional(records(30)) }, Action::DeadLetter);
    running.wait_until("a full sink", |world| world.in_flight.len() >= 20);
    let (shared, result) = running.end();
    result.expect("a clean end");
    let world = world(&shared);
    assert_eq!((world.delivered.len(), world.committed.len(), world.aborts), (0, 0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_everything_is_there_once_and_in_order(
        fails in proptest::collection::btree_set(0usize..80, 0..6),
        refused in proptest::collection::btree_set(0usize..80, 0..4),
        traps in proptest::collection::btree_set(0usize..80, 0..4),
        aborts in proptest::collection::vec(0u8..3, 0..8),
    ) {
        let mut log = records(80);
        for &at in &traps {
            log[at].insert(0, b't');
        }
        let values = |set: &std::collections::BTreeSet<usize>| set.iter().map(|&at| log[at].clone()).collect::<Vec<_>>();
        let end = |end: &u8| match end {
            0 => Ended::Yes,
            1 => Ended::NotYet,
            _ => Ended::Abort("no".to_owned()),
        };
        let (fails_once, refuses) = (values(&fails), values(&refused));
        let ends = aborts.iter().map(end).collect();
        let shared = run_to_the_end(World { fails_once, refuses, ends, ..transactional(log) });
        let world = world(&shared);
        let bad = |at: &i64| traps.contains(&(*at as usize)) || refused.contains(&(*at as usize));
        prop_assert_eq!(offsets(&world, false), (0..80).filter(|at| !bad(at)).collect::<Vec<_>>());
        prop_assert_eq!(offsets(&world, true), (0..80).filter(bad).collect::<Vec<_>>());
    }
}
