//! The breaker at work: it trips before a topic is drained into the dead letters, tries again, and lets go.

use super::*;

fn setup(of: usize, probe: Duration) -> Setup {
    Setup { breaker: Some(Limit { failed: 0.5, of, probe }), ..Action::DeadLetter.into() }
}

/// Good records, and then bad ones.
fn mixed(good: usize, bad: usize) -> Vec<Vec<u8>> {
    let bad = (0..bad).map(|at| format!("t{at}").into_bytes());
    records(good).into_iter().chain(bad).collect()
}

fn letters(world: &World) -> usize {
    world.delivered.iter().filter(|row| row.0 == Route::DEAD_LETTER).count()
}

impl Running {
    fn wait_for_breaker(&self, open: bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.board.read().breaker.is_some() != open {
            assert!(Instant::now() < deadline, "the breaker is not {}", if open { "open" } else { "closed" });
            nap(1);
        }
    }
}

#[test]
fn it_trips_holds_probes_and_lets_go_once_the_module_is_mended() {
    let running = start(with(mixed(100, 400)), setup(40, Duration::from_millis(30)));
    running.wait_for_breaker(true);
    let status = running.board.read().breaker.expect("it is open");
    assert!(status.failed.contains("trap in guest.wasm"), "{}", status.failed);
    running
        .wait_until("what was handed over is committed", |world| world.committed.last().is_some_and(|at| *at >= 100));
    let so_far = || {
        let world = world(&running.world);
        (letters(&world), world.committed.last().copied())
    };
    let (before, read) = so_far();
    assert!(before <= 20, "{before} dead letters, where 20 of 40 may fail");
    // several probes, of which none passes and none costs anything
    let shown = world(&running.world).shown.values().sum::<u32>();
    running.wait_until("more probes", |world| world.shown.values().sum::<u32>() > shown + 50);
    assert_eq!(so_far(), (before, read));
    world(&running.world).mended = true;
    running.wait_until("the end", |world| world.committed.last() == Some(&500));
    running.wait_for_breaker(false);
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert_eq!(letters(&world(&shared)), before);
    let offsets: Vec<_> = world(&shared).delivered.iter().map(|row| row.1).collect();
    assert_eq!(offsets, (0..500).collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn another_plan_is_tried_at_once() {
    let running = start(with(mixed(50, 100)), setup(20, Duration::from_secs(3600)));
    running.wait_for_breaker(true);
    world(&running.world).mended = true;
    running.handover.give(chain(&running.world, Policy::all(Action::DeadLetter), 2));
    running.wait_until("the end", |world| world.committed.last() == Some(&150));
    running.end().1.expect("a clean end");
}

#[test]
fn who_resumes_everything_has_it_tried_at_once() {
    let running = start(with(mixed(50, 100)), setup(20, Duration::from_secs(3600)));
    running.wait_for_breaker(true);
    world(&running.world).mended = true;
    running.handover.resume(None);
    running.wait_until("the end", |world| world.committed.last() == Some(&150));
    running.end().1.expect("a clean end");
}

#[test]
fn a_lane_that_comes_while_it_is_open_waits_too() {
    let running = start(with(mixed(50, 100)), setup(20, Duration::from_secs(3600)));
    running.wait_for_breaker(true);
    world(&running.world).events.push_back("revoke");
    running.wait_until("the release", |world| world.lane.is_none());
    let before = letters(&world(&running.world));
    world(&running.world).events.push_back("assign");
    running.wait_until("the assignment", |world| world.lane.is_some() && world.held);
    nap(50);
    assert_eq!(letters(&world(&running.world)), before);
    world(&running.world).mended = true;
    running.handover.resume(None);
    running.wait_until("the end", |world| world.committed.last() == Some(&150));
    running.end().1.expect("a clean end");
}

#[test]
fn fewer_than_half_of_the_records_may_fail() {
    let log: Vec<_> = (0..200).map(|at| format!("{}{at}", if at % 5 < 3 { 'r' } else { 't' }).into_bytes()).collect();
    let running = start(with(log), setup(40, Duration::from_secs(3600)));
    running.wait_until("the end", |world| world.committed.last() == Some(&200));
    let (shared, result) = running.end();
    result.expect("a clean end");
    assert_eq!(letters(&world(&shared)), 80);
}

#[test]
fn a_record_that_is_tried_again_counts_once() {
    let rule = crate::policy::Rule {
        retry: Some(crate::policy::Retry { times: 60, backoff: Duration::from_micros(10) }),
        then: Action::DeadLetter,
    };
    let setup = Setup { policy: Policy::all(rule), ..setup(20, Duration::from_secs(3600)) };
    let mut log = records(30);
    log[15] = b"x15".to_vec();
    // sixty tries need their waits, which grow: the breaker is asked after some of them
    let running = start(with(log), setup);
    running.wait_until("tries", |world| world.shown.get(b"x15".as_slice()).is_some_and(|shown| *shown > 14));
    assert!(running.board.read().breaker.is_none());
    running.end().1.expect("a clean end");
}

#[test]
fn a_sink_that_refuses_everything_costs_a_few_records_a_probe() {
    let refuses = records(400).split_off(50);
    let running = start(World { refuses, ..with(records(400)) }, setup(40, Duration::from_millis(50)));
    running.wait_for_breaker(true);
    running.wait_until("a probe", |world| letters(world) > 21);
    let deadline = Instant::now() + Duration::from_millis(500);
    while Instant::now() < deadline {
        nap(10);
    }
    // at most 21 before it tripped, and 6 of 10 after each of at most 11 probes
    let cost = letters(&world(&running.world));
    assert!(cost <= 21 + 6 * 13, "{cost} dead letters");
    world(&running.world).refuses.clear();
    running.wait_until("the end", |world| world.committed.last() == Some(&400));
    running.end().1.expect("a clean end");
}

#[test]
fn a_sink_that_can_make_no_row_of_anything_costs_as_much_as_a_probe_has() {
    let log = (0..2000).map(|at| format!("z{at}").into_bytes()).collect();
    let setup = Setup { batch: 100, ..setup(40, Duration::from_millis(30)) };
    let running = start(with(log), setup);
    running.wait_for_breaker(true);
    running.wait_until("some probes", |world| letters(world) >= 130);
    let (before, since) = (letters(&world(&running.world)), Instant::now());
    nap(300);
    let cost = letters(&world(&running.world)) - before;
    let probes = since.elapsed().as_millis() as usize / 30 + 1;
    assert!(cost <= 10 * probes, "{cost} dead letters in {probes} probes");
    assert_eq!((before + cost) % 10, 0, "a hundred at first, and ten after each probe");
    world(&running.world).mended = true;
    running.wait_until("the end", |world| world.committed.last() == Some(&2000));
    running.end().1.expect("a clean end");
}
