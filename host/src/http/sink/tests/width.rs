//! How many requests go at a time: as many as may, and fewer for a while when the destination says that it is too much.

use super::*;

fn slower(after: Option<Duration>) -> Answer {
    Answer::Again { message: String::new(), after, slower: true }
}

/// Requests that are on their way, of lanes of their own, as far as the sink knows.
fn flying(sink: &mut HttpSink<Fake>, count: u32) -> Vec<(u64, Request)> {
    // nothing is launched by itself meanwhile
    sink.quiet_until = Some(Instant::now() + Duration::from_secs(600));
    for slot in 0..count {
        submit(sink, Span { lane: lane(slot), number: 0 }, 0..1);
    }
    sink.close();
    let fly = |request| {
        sink.number += 1;
        (sink.number, request)
    };
    sink.waiting.drain(..).map(fly).collect()
}

#[test]
fn as_many_requests_are_on_their_way_as_may_be() {
    let (fake, runtime) = (Fake::new(1, 0), runtime());
    fake.state.lock().unwrap().next.extend([Way::Late; 12]);
    let mut sink = sink(&fake, &runtime, 1);
    for slot in 0..12 {
        submit(&mut sink, Span { lane: lane(slot), number: 0 }, 0..1);
    }
    drain(&mut sink, Pace::Waiting);
    assert_eq!(fake.state.lock().unwrap().at_once, 3);
}

#[test]
fn workers_wait_for_times_of_their_own() {
    let (fake, runtime) = (Fake::new(1, 0), runtime());
    // their numbers are small, and the same on each host that has a container to itself
    let waits: BTreeSet<_> = (0..8).map(|_| sink(&fake, &runtime, 1).backoff.next_wait()).collect();
    assert!(waits.len() > 4, "{waits:?}");
}

#[test]
fn what_is_too_much_goes_more_slowly_for_a_while() {
    let (fake, runtime) = (Fake::new(1, 0), runtime());
    let mut sink = sink(&fake, &runtime, 1);
    let (number, one) = flying(&mut sink, 1).remove(0);
    sink.quiet_until = None;
    sink.meet(number, one, slower(Some(Duration::from_secs(7))));
    assert_eq!((sink.width, sink.waiting.len()), (1, 1));
    let until = sink.quiet_until.unwrap() - Instant::now();
    assert!(until > Duration::from_secs(6), "{until:?}");
    for later in 1..=20 {
        sink.calm(number + later);
    }
    assert_eq!(sink.width, 3);
}

#[test]
fn what_was_on_its_way_before_says_nothing_of_how_much_is_too_much() {
    let (fake, runtime) = (Fake::new(1, 0), runtime());
    let mut sink = sink(&fake, &runtime, 1);
    (sink.batch.window, sink.width) = (4, 4);
    let mut four = flying(&mut sink, 4);
    let (number, first) = four.remove(0);
    sink.meet(number, first, slower(None));
    assert_eq!(sink.width, 2);
    assert_eq!(sink.backoff.tries(), 1);
    for (number, request) in four {
        sink.meet(number, request, Answer::Taken);
    }
    assert_eq!((sink.width, sink.taken), (2, 0), "three answers that were on their way made it wider again");
    assert_eq!(sink.backoff.tries(), 1, "they ended the growth of the waits");
    for (number, request) in flying(&mut sink, 3) {
        sink.meet(number, request, Answer::Taken);
    }
    assert!(sink.width == 3 && sink.backoff.tries() == 0, "those that were sent since do not count");
}
