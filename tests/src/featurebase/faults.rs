//! How the stand-in fails, and which rows it refuses: as a seed says, so that a run can be had again.

use std::time::Duration;

/// How it fails, a request in so many, and the rest of the time works.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Says which requests, and which rows; the same ones in the same order each time.
    pub seed: u64,
    /// One in so many requests fails in a way of its own; 0: none.
    pub one_in: u32,
    /// How long it says nothing where it stalls.
    pub stall: Duration,
    /// How long a token lasts; zero: an hour.
    pub token: Duration,
    /// One in so many rows is refused, by its `_id`, whenever it comes; 0: none.
    pub refused: u64,
    /// And one in so many spoils the request that it is in; by SQL, what is refused does that anyway.
    pub spoiling: u64,
    /// How long each `BULK INSERT` takes: a real server needs about a second for a table whose `_id` is text, whatever it has.
    pub insert: Duration,
    /// What every request to `/sql` is answered with as an error; "": nothing.
    pub says: &'static str,
}

impl Faults {
    /// Whether the row of an `_id` is refused by itself.
    #[must_use]
    pub fn refuses(&self, id: &str) -> bool {
        self.chooses(id, 1, self.refused)
    }

    /// Whether the row of an `_id` spoils its request.
    #[must_use]
    pub fn spoils(&self, id: &str) -> bool {
        self.chooses(id, 2, self.spoiling)
    }

    fn chooses(&self, id: &str, salt: u64, one_in: u64) -> bool {
        let number = id.bytes().fold(self.seed, |number, byte| number.wrapping_mul(31).wrapping_add(u64::from(byte)));
        one_in > 0 && fastrand::Rng::with_seed(number ^ salt << 60).u64(..one_in) == 0
    }

    /// What becomes of the next request to a path, where that is a fault.
    pub(super) fn way(&self, path: &str, random: &mut fastrand::Rng) -> Option<Way> {
        if path == "/sql" && !self.says.is_empty() {
            return Some(Way::Strange);
        }
        let ways = if path == "/sql" { &SQL_WAYS[..] } else { &WAYS };
        (self.one_in > 0 && random.u32(..self.one_in) == 0).then(|| ways[random.usize(..ways.len())])
    }
}

/// The ways.
const WAYS: [Way; 8] = [
    Way::Unauthorized,
    Way::TooFast,
    Way::TooMany,
    Way::Broken,
    Way::Gone,
    Way::TakenAndGone,
    Way::Stalled,
    Way::Reset,
];

/// Those of a server's `/sql`.
const SQL_WAYS: [Way; 7] =
    [Way::Broken, Way::Gone, Way::TakenAndGone, Way::Stalled, Way::NotStored, Way::Strange, Way::Reset];

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Unauthorized,
    TooFast,
    TooMany,
    Broken,
    /// The connection ends before the rows are taken.
    Gone,
    /// And after.
    TakenAndGone,
    Stalled,
    /// The connection is reset, and the body was not read.
    Reset,
    /// Status 200, and an error whose reason is no row.
    NotStored,
    /// The same, in words that nobody has seen.
    Strange,
}
