//! Silence, told from the end of a partition, by a clock that the test moves.

use super::*;
use crate::record::Partition;

const AFTER: Duration = Duration::from_secs(10);

/// A worker's lanes, one look a second.
struct Play {
    stalls: Stalls,
    now: Instant,
    positions: Vec<Position>,
    /// Whether records may be read.
    read: bool,
}

fn lane(slot: u32) -> Lane {
    Lane { slot, epoch: 1 }
}

impl Play {
    fn new(lanes: u32) -> Self {
        let partition = |slot| Partition { topic: "in".to_owned(), number: slot as i32 };
        let position = |slot| Position {
            partition: partition(slot),
            lane: lane(slot),
            end: Some(5),
            next: Some(5),
            reach: Reach::Unknown,
        };
        let positions = (0..lanes).map(position).collect();
        Self { stalls: Stalls::default(), now: Instant::now(), positions, read: true }
    }

    fn look(&mut self) -> Looked {
        self.stalls.note(self.read);
        let looked = self.stalls.look(self.now, AFTER, &self.positions);
        self.now += Duration::from_secs(1);
        looked
    }

    /// Looks for so many seconds; every question has this answer at once. Gives when lanes were stalled.
    fn answered(&mut self, seconds: u32, reach: &Reach) -> Vec<(u32, Lane, String)> {
        let mut began = Vec::new();
        for second in 0..seconds {
            let looked = self.look();
            for position in &mut self.positions {
                if looked.ask.contains(&position.lane) {
                    position.reach = reach.clone();
                }
            }
            began.extend(looked.began.into_iter().map(|(lane, why)| (second, lane, why)));
        }
        began
    }
}

#[test]
fn a_lane_that_hands_nothing_out_though_there_is_more_is_stalled_once_and_until_it_goes_on() {
    let mut play = Play::new(2);
    // the other one goes on
    for _ in 0..30 {
        play.positions[1].next = play.positions[1].next.map(|next| next + 1);
        let began = play.answered(1, &Reach::To(9));
        if let [(_, stalled, why)] = &began[..] {
            assert_eq!((*stalled, why.as_str()), (lane(0), "the partition has records up to offset 9"));
        }
    }
    assert_eq!(play.stalls.count(), 1);
    assert!(play.stalls.stalled(lane(0)).is_some_and(|silent| silent >= AFTER));
    assert_eq!(play.stalls.stalled(lane(1)), None);
    play.positions[0].next = Some(6);
    assert_eq!(play.look().ended, [lane(0)]);
    assert_eq!(play.stalls.count(), 0);
}

#[test]
fn it_is_stalled_after_the_time_given_and_not_before() {
    let began = Play::new(1).answered(60, &Reach::To(9));
    assert_eq!(began.iter().map(|(second, ..)| *second).collect::<Vec<_>>(), [10]);
}

#[test]
fn a_lane_at_its_end_is_asked_now_and_then_and_never_stalled() {
    for (next, end) in [(Some(5), 5), (Some(6), 5), (None, 0)] {
        let mut play = Play::new(1);
        play.positions[0].next = next;
        let mut questions = 0;
        for _ in 0..100 {
            let looked = play.look();
            assert_eq!(looked.began, []);
            if !looked.ask.is_empty() {
                questions += 1;
                play.positions[0].reach = Reach::To(end);
            }
        }
        assert!((10..=20).contains(&questions), "{questions} questions in 100 s");
    }
}

#[test]
fn a_leader_that_cannot_be_asked_is_stalled_too_but_not_for_one_failure() {
    let failed = Reach::Failed("timed out".to_owned());
    let began = Play::new(1).answered(60, &failed);
    assert!(matches!(&began[..], [(10, _, why)] if why.contains("timed out")), "{began:?}");

    let mut play = Play::new(1);
    assert_eq!(play.answered(6, &failed), []);
    assert_eq!(play.positions[0].reach, failed);
    assert_eq!(play.answered(60, &Reach::To(5)), [], "the next answer is what counts");
}

#[test]
fn nothing_is_said_before_the_answer_is_there() {
    let mut play = Play::new(1);
    for _ in 0..60 {
        assert_eq!(play.look().began, []);
    }
    play.positions[0].reach = Reach::To(9);
    assert_eq!(play.look().began.len(), 1);
}

#[test]
fn time_in_which_nothing_may_be_read_does_not_count() {
    let mut play = Play::new(1);
    play.read = false;
    assert_eq!(play.answered(60, &Reach::To(9)), []);
    play.read = true;
    // nor does time in which nobody looked
    play.now += Duration::from_secs(3600);
    assert_eq!(play.answered(8, &Reach::To(9)), []);
    assert_eq!(play.answered(4, &Reach::To(9)).len(), 1);
}

#[test]
fn a_lane_that_is_not_looked_at_for_a_while_begins_anew() {
    let mut play = Play::new(1);
    assert_eq!(play.answered(11, &Reach::To(9)).len(), 1);
    let position = play.positions.pop();
    play.look();
    assert_eq!(play.stalls.count(), 0);
    play.positions.extend(position);
    assert_eq!(play.answered(9, &Reach::To(9)), []);
}

#[test]
fn a_lane_that_comes_back_under_a_new_epoch_begins_anew() {
    let mut play = Play::new(1);
    assert_eq!(play.answered(11, &Reach::To(9)).len(), 1);
    play.positions[0].lane.epoch += 1;
    play.positions[0].reach = Reach::Unknown;
    play.look();
    assert_eq!(play.stalls.count(), 0);
    assert_eq!(play.answered(9, &Reach::To(9)), []);
}
