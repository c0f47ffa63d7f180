//! Lanes that go while rows of theirs wait, or are on their way.

use super::*;

fn span(slot: u32) -> Span {
    Span { lane: lane(slot), number: 0 }
}

/// How many rows of a lane were delivered.
fn delivered(settled: &[Settled], of: Lane) -> u32 {
    let rows = |settled: &Settled| match settled {
        Settled::Delivered(span, rows) if span.lane == of => *rows,
        _ => 0,
    };
    settled.iter().map(rows).sum()
}

#[test]
fn nothing_of_a_lane_goes_once_it_is_gone() {
    for way in [Way::Late, Way::Again, Way::RefusedWhole, Way::LogsIn] {
        let (fake, runtime) = (Fake::new(1, 0), runtime());
        fake.state.lock().unwrap().next.push_back(way);
        let mut sink = sink(&fake, &runtime, 10);
        submit(&mut sink, span(0), 100..120);
        submit(&mut sink, span(1), 0..3);
        // one request of lane 0 is on its way, the others wait
        sink.release(&[lane(0)]);
        // its partition may come back under the slot of another one that is gone
        let (same, other) = (Lane { slot: 0, epoch: 2 }, lane(2));
        submit(&mut sink, Span { lane: same, number: 0 }, 120..122);
        submit(&mut sink, Span { lane: other, number: 0 }, 0..3);
        sink.close();
        sink.launch();
        assert_eq!(sink.flying.len(), 1, "{way:?}: something goes beside what may still arrive");
        let settled = drain(&mut sink, Pace::Waiting);
        assert_eq!([lane(1), same, other].map(|lane| delivered(&settled, lane)), [3, 2, 3], "{way:?}: {settled:?}");
        let state = fake.state.lock().unwrap();
        let sent = if way == Way::Late { (100..110).filter(|n| !refused(*n)).collect() } else { Vec::new() };
        assert_eq!(state.taken[&0], [sent, vec![120, 121]].concat(), "{way:?}: rows went although their lane is gone");
        assert!(state.doubled.is_empty());
    }
}

#[test]
fn rows_of_other_lanes_go_once_more_where_their_try_was_ended() {
    let (fake, runtime) = (Fake::new(1, 0), runtime());
    fake.state.lock().unwrap().next.push_back(Way::LogsIn);
    let mut sink = sink(&fake, &runtime, 10);
    submit(&mut sink, span(0), 100..103);
    submit(&mut sink, span(1), 0..3);
    sink.close();
    sink.launch();
    assert_eq!((sink.flying.len(), sink.flying[0].request.slots.len()), (1, 2));
    sink.release(&[lane(0)]);
    let settled = drain(&mut sink, Pace::Waiting);
    assert_eq!([lane(0), lane(1)].map(|lane| delivered(&settled, lane)), [0, 3], "{settled:?}");
    assert_eq!(fake.state.lock().unwrap().taken, BTreeMap::from([(1, vec![0, 1, 2])]));
}

#[test]
fn a_sink_that_ends_takes_its_tries_with_it() {
    let (fake, runtime) = (Fake::new(1, 0), runtime());
    fake.state.lock().unwrap().next.push_back(Way::LogsIn);
    let mut sink = sink(&fake, &runtime, 3);
    submit(&mut sink, span(0), 100..103);
    assert_eq!(sink.flying.len(), 1);
    let wake = sink.wake.clone();
    drop(sink);
    // the try wakes whoever was its worker when it is over
    wake.wait(Duration::from_secs(60));
    let state = fake.state.lock().unwrap();
    assert!(state.now == 0 && state.taken.is_empty(), "{:?}", state.taken);
}
