//! What a SmartModule that looks back is shown, and when. With real records and a real one: `tests/tests/scenarios/look_back.rs`.

use super::*;
use crate::chain::apply::ApplyError;
use crate::config::{Ends, LookBack, Stage};
use crate::policy::{Action, Policy};
use crate::record::Partition;
use crate::source::past::{Past, PastError};
use std::ops::Range;

/// A partition, as Kafka has it: a letter an offset, and a space where there is a hole, or a record without a value.
struct Log {
    letters: &'static [u8],
    oldest: i64,
    /// Where lanes would begin.
    at: i64,
    fails: bool,
    /// From where to where it was read.
    reads: Mutex<Vec<(i64, i64)>>,
}

impl Past for Log {
    fn read(
        &self,
        _: &Partition,
        range: Range<i64>,
        go_on: &mut dyn FnMut() -> bool,
        show: &mut dyn FnMut(&Batch<'_>),
    ) -> Result<i64, PastError> {
        if self.fails {
            return Err(PastError::Failed("no broker".to_owned()));
        }
        if !go_on() {
            return Err(PastError::Abandoned);
        }
        self.reads.lock().unwrap().push((range.start, range.end));
        for offset in range.start.max(self.oldest)..range.end {
            show(&of(offset, &self.letters[offset as usize..][..1], &mut Vec::new()));
        }
        Ok(self.oldest)
    }

    fn places(&self) -> Result<Vec<(Partition, i64)>, String> {
        Ok(vec![(lane(0), self.at)])
    }
}

fn lane(number: i32) -> Partition {
    Partition { topic: "flights".to_owned(), number }
}

/// A batch of letters, a value each, behind an offset.
fn of<'a>(offset: i64, letters: &'a [u8], each: &'a mut Vec<Bytes<'a>>) -> Batch<'a> {
    each.extend(letters.chunks(1).map(|letter| (letter != b" ").then_some(letter)));
    let offsets: Vec<i64> = (offset..).take(letters.len()).collect();
    let batch = values(each);
    Batch { partition: 0, timestamps: offsets.clone().into(), offsets: offsets.into(), ..batch }
}

fn log(letters: &'static str) -> Log {
    Log { letters: letters.as_bytes(), oldest: 0, at: 0, fails: false, reads: Mutex::default() }
}

fn load(look_back: Option<LookBack>, guest: &str, past: &Arc<Log>) -> Result<Arc<dyn Module>, LoadError> {
    let stage = Stage {
        module: guest.to_owned(),
        module_type: None,
        config: Value::Null,
        limits: LIMITS,
        policy: Policy::all(Action::Skip),
        look_back,
        ends: Ends::default(),
    };
    ENGINE.load_with_past(&stage, &wat::parse_str(source(guest)).unwrap(), past.clone())
}

/// Whatever looks back on so many, with its lane begun.
fn looking(last: usize, past: &Arc<Log>) -> Box<dyn Transform> {
    let module = load(Some(LookBack { last, age: None }), "remembers", past).unwrap();
    let mut guest = module.instantiate().unwrap();
    guest.begin(&lane(0));
    guest
}

/// What the guest says for each record of a batch: what it saw before.
fn give(guest: &mut dyn Transform, offset: i64, letters: &str) -> Vec<String> {
    let mut each = Vec::new();
    let batch = of(offset, letters.as_bytes(), &mut each);
    guest.prepare(&batch, &mut || true).unwrap();
    let outputs = match apply(guest, &batch) {
        Ok(outputs) => outputs,
        Err(fault) => return vec![fault.class.to_string()],
    };
    let texts = outputs.values.column();
    texts.iter().map(|text| String::from_utf8(text.unwrap_or(b"null").to_vec()).unwrap()).collect()
}

#[test]
fn before_its_first_record_it_is_shown_the_last_in_front_of_that_and_then_no_more() {
    let past = Arc::new(log("abcdefgh"));
    let mut guest = looking(3, &past);
    assert_eq!(give(&mut *guest, 5, "fg"), ["cde", "cdef"]);
    assert_eq!(give(&mut *guest, 7, "h"), ["cdefg"]);
    assert_eq!(*past.reads.lock().unwrap(), [(2, 5)]);
    // the whole partition, where there is no more
    assert_eq!(give(&mut *looking(9, &past), 2, "c"), ["ab"]);
    assert_eq!(give(&mut *looking(9, &past), 0, "ab"), ["", "a"]);
    let past = Arc::new(Log { oldest: 3, ..log("abcdefgh") });
    assert_eq!(give(&mut *looking(3, &past), 5, "f"), ["de"]);
    assert_eq!(*past.reads.lock().unwrap(), [(2, 5)], "nothing is before the oldest");
}

#[test]
fn holes_and_tombstones_are_not_among_the_last_records() {
    let past = Arc::new(log("ab   c     d"));
    let mut guest = looking(3, &past);
    assert_eq!(give(&mut *guest, 12, " e"), ["null", "bcd"]);
    assert_eq!(*past.reads.lock().unwrap(), [(9, 12), (0, 12)]);
}

#[test]
fn what_was_before_is_shown_again_to_the_instance_that_follows_one_that_faulted() {
    let past = Arc::new(log("abcdefg"));
    let mut guest = looking(2, &past);
    assert_eq!(give(&mut *guest, 3, "d"), ["bc"]);
    assert_eq!(give(&mut *guest, 4, "epg"), ["trap"]);
    assert!(guest.outlives_faults());
    // as the batch is replayed: parts of it, and the guilty one alone
    assert_eq!(give(&mut *guest, 4, "e"), ["cd"]);
    assert_eq!(give(&mut *guest, 5, "p"), ["trap"]);
    assert_eq!(give(&mut *guest, 6, "gh"), ["de", "deg"]);
    assert_eq!(*past.reads.lock().unwrap(), [(1, 3)], "and nothing is read for it");
}

#[test]
fn a_lane_that_is_read_again_is_as_if_it_began_there() {
    let past = Arc::new(log("abcdefgh"));
    let mut guest = looking(2, &past);
    assert_eq!(give(&mut *guest, 4, "efgh"), ["cd", "cde", "cdef", "cdefg"]);
    assert_eq!(give(&mut *guest, 6, "gh"), ["ef", "efg"], "from what is kept");
    assert_eq!(*past.reads.lock().unwrap(), [(2, 4)]);
    assert_eq!(give(&mut *guest, 3, "defg"), ["bc", "bcd", "bcde", "bcdef"]);
    assert_eq!(*past.reads.lock().unwrap(), [(2, 4), (1, 3)]);
    // it went away, and came back farther on
    guest.begin(&lane(0));
    assert_eq!(give(&mut *guest, 7, "h"), ["fg"]);
    assert!(guest.memory() > 0);
    guest.end(&lane(0));
    assert_eq!(guest.memory(), 0);
}

#[test]
fn an_instance_that_leaks_is_replaced_by_one_that_is_shown_the_last_records() {
    let past = Arc::new(log("abcd"));
    let mut guest = looking(2, &past);
    assert_eq!(give(&mut *guest, 2, "cd"), ["ab", "abc"]);
    assert_eq!(give(&mut *guest, 4, "G"), ["abcd"]);
    assert_eq!(give(&mut *guest, 5, "f"), ["dG"]);
    assert_eq!(give(&mut *guest, 6, "g"), ["dGf"], "what look_back builds up is no leak");
    assert_eq!(*past.reads.lock().unwrap(), [(0, 2)]);
    // nothing is before the first
    assert_eq!(give(&mut *looking(2, &past), 0, "a"), [""]);
    assert_eq!(past.reads.lock().unwrap().len(), 1);
}

#[test]
fn partitions_know_nothing_of_each_other() {
    let past = Arc::new(log("abcdefgh"));
    let mut guest = looking(2, &past);
    guest.begin(&lane(1));
    let other = |guest: &mut dyn Transform, offset: i64, letters: &str| {
        let mut each = Vec::new();
        let batch = Batch { partition: 1, ..of(offset, letters.as_bytes(), &mut each) };
        guest.prepare(&batch, &mut || true).unwrap();
        let outputs = apply(guest, &batch);
        outputs.map(|outputs| outputs.values.column().iter().flatten().next().map(<[u8]>::to_vec))
    };
    assert_eq!(give(&mut *guest, 2, "c"), ["ab"]);
    assert_eq!(other(&mut *guest, 5, "f"), Ok(Some(b"de".to_vec())));
    assert!(other(&mut *guest, 6, "p").is_err());
    assert_eq!(give(&mut *guest, 3, "d"), ["abc"], "the fault was another's");
}

#[test]
fn promise_one_a_record_that_look_back_does_not_take_is_left_out_and_no_other() {
    for (letters, shown) in [("abxde", "abde"), ("rbcdr", "bcd"), ("ablxe", "abe"), ("xxxx-", "-")] {
        let past = Arc::new(log(letters));
        let mut guest = looking(9, &past);
        assert_eq!(give(&mut *guest, 5, "p"), ["trap"]);
        assert_eq!(give(&mut *guest, 6, "f"), [shown], "{letters}");
    }
}

#[test]
fn promise_keep_a_module_whose_look_back_takes_nothing_of_what_is_there_is_refused() {
    let refused = |letters: &'static str| {
        let past = Arc::new(Log { at: letters.len() as i64, ..log(letters) });
        let module = load(Some(LookBack { last: 9, age: None }), "remembers", &past).unwrap();
        module.try_out().map_err(|error| error.to_string())
    };
    let why = "look-back: look_back takes none of the last 2 records: flights/0, offset 0: no";
    assert_eq!(refused("rr"), Err(why.to_owned()));
    assert!(refused("xx").unwrap_err().contains("unreachable code was reached"));
    // one record may be to blame itself
    assert_eq!((refused("r"), refused("xa"), refused("")), (Ok(()), Ok(()), Ok(())));
    let past = Arc::new(Log { at: 3, fails: true, ..log("abc") });
    let module = load(Some(LookBack { last: 9, age: None }), "remembers", &past).unwrap();
    assert_eq!(module.try_out(), Ok(()), "what cannot be read refuses none");
}

#[test]
fn records_wait_while_what_was_before_cannot_be_read_or_the_group_comes_first() {
    let mut each = Vec::new();
    let batch = of(2, b"c", &mut each);
    let past = Arc::new(Log { fails: true, ..log("abc") });
    let error = looking(2, &past).prepare(&batch, &mut || true).unwrap_err();
    let message = "look-back: what was before flights/0, offset 2, cannot be read: no broker";
    assert_eq!(error.to_string(), format!("a module does not start again: {message}"));
    let past = Arc::new(log("abc"));
    let mut guest = looking(2, &past);
    assert_eq!(guest.prepare(&batch, &mut || false), Err(ApplyError::Abandoned));
    assert_eq!(give(&mut *guest, 2, "c"), ["ab"], "and is whole the next time");
    // in the midst of showing them
    let mut guest = looking(2, &past);
    let mut times = 0;
    let twice = &mut || {
        times += 1;
        times < 2
    };
    assert_eq!(guest.prepare(&batch, twice), Err(ApplyError::Abandoned));
    assert_eq!(give(&mut *guest, 2, "c"), ["ab"]);
}

#[test]
fn what_is_older_than_asked_for_is_not_shown() {
    let past = Arc::new(log("abc"));
    // of 1970
    let age = Some(Duration::from_secs(3600));
    let module = load(Some(LookBack { last: 9, age }), "remembers", &past).unwrap();
    let mut guest = module.instantiate().unwrap();
    guest.begin(&lane(0));
    assert_eq!(give(&mut *guest, 2, "c"), [""]);
}

#[test]
fn it_looks_back_only_where_the_chain_says_so_and_the_module_can() {
    let past = Arc::new(Log { at: 3, ..log("abc") });
    let mut guest = load(None, "remembers", &past).unwrap().instantiate().unwrap();
    guest.begin(&lane(0));
    assert_eq!(give(&mut *guest, 2, "c"), [""]);
    assert!(past.reads.lock().unwrap().is_empty());
    // where nobody began a lane, as self-tests do not, nothing was before
    let module = load(Some(LookBack { last: 2, age: None }), "remembers", &past).unwrap();
    assert_eq!(give(&mut *module.instantiate().unwrap(), 2, "c"), [""]);
    assert!(module.is_by_partition());
    let refused = |guest| load(Some(LookBack { last: 2, age: None }), guest, &past).err().unwrap().to_string();
    assert_eq!(
        refused("identity"),
        "look-back: only a Fluvio SmartModule looks back, which this is not: leave `look_back` out"
    );
}

#[test]
fn promise_bounds_of_many_partitions_only_some_instances_are_alive() {
    let past = Arc::new(log("ab"));
    let mut guest = looking(2, &past);
    let mut most = 0;
    let mut turn = |guest: &mut dyn Transform, number: i32, offset: i64| {
        let mut each = Vec::new();
        let batch = Batch { partition: number, ..of(offset, b"c", &mut each) };
        guest.prepare(&batch, &mut || true).unwrap();
        let outputs = apply(guest, &batch).unwrap();
        most = most.max(guest.memory());
        outputs.values.column().iter().flatten().next().unwrap().to_vec()
    };
    for number in 0..70 {
        guest.begin(&lane(number));
        assert_eq!(turn(&mut *guest, number, 2), b"ab");
    }
    assert_eq!(turn(&mut *guest, 0, 3), b"bc", "it was made again, and shown its last");
    assert_eq!(turn(&mut *guest, 69, 3), b"abc", "it was not");
    assert_eq!(most, 64 * (17 << 16));
}
