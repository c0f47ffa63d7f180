//! Order, commits, back-pressure, failed deliveries and revocations.

use super::*;

#[test]
fn everything_is_delivered_in_order_and_committed_at_the_end() {
    for parallel in [1, 3, 20] {
        let setup = Setup { parallel, ..Action::DeadLetter.into() };
        let running = start(with(records(100)), setup);
        running.wait_until("100 rows", |world| world.delivered.len() == 100);
        let (shared, result) = running.end();
        let world = world(&shared);
        result.expect("a clean end");
        let offsets: Vec<_> = world.delivered.iter().map(|row| row.1).collect();
        assert_eq!(offsets, (0..100).collect::<Vec<_>>());
        assert_eq!((world.committed.last(), world.closed), (Some(&100), true));
        assert!(world.early.is_empty(), "{:?}", world.early);
    }
}

#[test]
fn nothing_is_read_while_the_sink_is_full_and_nothing_is_committed_before_it_is_durable() {
    let running = start(World { corked: true, ..with(records(200)) }, Action::DeadLetter);
    running.wait_until("a full sink", |world| world.in_flight.len() >= 20);
    // time in which a worker that reads on would read on
    nap(50);
    {
        let mut world = world(&running.world);
        assert!(world.largest_in_flight <= 20 + 7, "{} rows in flight", world.largest_in_flight);
        assert!(world.committed.is_empty(), "{:?}", world.committed);
        world.corked = false;
    }
    running.wait_until("200 rows", |world| world.delivered.len() == 200);
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert!(world(&shared).early.is_empty());
}

#[test]
fn a_destination_that_takes_nothing_is_told_until_it_does() {
    let running = start(World { corked: true, ..with(records(10)) }, Action::DeadLetter);
    let waits = |wanted: bool| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while running.board.read().undelivered().is_some() != wanted {
            assert!(Instant::now() < deadline, "not in time: {wanted}");
            nap(10);
        }
    };
    waits(true);
    world(&running.world).corked = false;
    waits(false);
    running.end().1.expect("a clean end");
}

#[test]
fn a_failed_delivery_rewinds_its_lane_and_loses_nothing() {
    let fails_once = vec![b"r33".to_vec()];
    let running = start(World { fails_once, ..with(records(100)) }, Action::DeadLetter);
    running.wait_until("the last row", |world| world.committed.last() == Some(&100));
    let (shared, result) = running.end();
    result.expect("a clean end");
    let world = world(&shared);
    let mut seen = first_deliveries(&world);
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert!(world.early.is_empty(), "{:?}", world.early);
}

#[test]
fn a_row_that_the_destination_refuses_is_dead_lettered_alone() {
    let refuses = vec![b"r10".to_vec(), b"r11".to_vec(), b"r60".to_vec()];
    let running = start(World { refuses, ..with(records(100)) }, Action::DeadLetter);
    running.wait_until("the last row", |world| world.committed.last() == Some(&100));
    let (shared, result) = running.end();
    result.expect("a clean end");
    let world = world(&shared);
    let letters: Vec<_> = world.delivered.iter().filter(|row| row.0 == Route::DEAD_LETTER).map(|row| row.1).collect();
    assert_eq!(letters, [10, 11, 60]);
    assert_eq!(first_deliveries(&world).len(), 97);
    assert!(world.early.is_empty(), "{:?}", world.early);
}

#[test]
fn a_dead_letter_that_is_refused_ends_the_program_in_front_of_its_record() {
    for transaction in [None, Some(Vec::new())] {
        let (begun, refuses) = (Instant::now(), vec![b"r10".to_vec()]);
        let running =
            start(World { refuses, refuses_letters: true, transaction, ..with(records(50)) }, Action::DeadLetter);
        running.wait_until("the end", |world| world.closed);
        assert!(begun.elapsed() < Duration::from_secs(4), "it waits for what never comes");
        let (shared, result) = running.end();
        let error = result.expect_err("the record would be lost").to_string();
        assert!(error.contains("the dead letter of in/0 offset 10 cannot be delivered"), "{error}");
        let world = world(&shared);
        assert!(world.committed.iter().all(|offset| *offset <= 10), "{:?}", world.committed);
    }
}

#[test]
fn the_policy_stop_ends_in_front_of_the_record_with_everything_before_it_committed() {
    for parallel in [1, 4] {
        let mut log = records(50);
        log[23] = b"trap".to_vec();
        let running = start(with(log), Setup { parallel, ..Action::Stop.into() });
        running.wait_until("the end", |world| world.closed);
        let (shared, result) = running.end();
        let error = result.expect_err("the policy says stop").to_string();
        assert!(error.contains("in/0 offset 23"), "{error}");
        let world = world(&shared);
        assert_eq!(first_deliveries(&world), (0..23).collect::<Vec<_>>());
        assert_eq!(world.committed.last(), Some(&23));
    }
}

#[test]
fn a_revoked_lane_is_drained_and_committed_before_it_is_let_go() {
    let running = start(with(records(60)), Action::DeadLetter);
    running.wait_until("some rows", |world| world.delivered.len() > 10);
    world(&running.world).events.push_back("revoke");
    running.wait_until("the release", |world| world.lane.is_none());
    {
        let world = world(&running.world);
        assert_eq!(world.committed.last().copied(), Some(world.read_to as i64), "all that was read is committed");
        assert!(world.in_flight.is_empty());
    }
    world(&running.world).events.push_back("assign");
    running.wait_until("the rest", |world| world.committed.last() == Some(&60));
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert_eq!(world(&shared).delivered.len(), 60, "nothing twice");
    assert_eq!(first_deliveries(&world(&shared)), (0..60).collect::<Vec<_>>());
}
