//! Threads that help one worker with its batches: each takes a part of a batch, and the worker waits for all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often a worker that waits for its helpers asks whether to go on.
const LOOK: Duration = Duration::from_millis(10);

/// Whether to go on in the middle of a replay.
pub type GoOn<'a> = dyn FnMut() -> bool + 'a;

/// See the module.
pub struct Team {
    helpers: rayon::ThreadPool,
}

impl Team {
    /// Starts the threads that it takes, with the caller's, to do `parallel` pieces of work at once; none for one.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn start(name: &str, parallel: usize) -> Result<Option<Self>, String> {
        if parallel < 2 {
            return Ok(None);
        }
        let name = name.to_owned();
        let helpers = rayon::ThreadPoolBuilder::new()
            .num_threads(parallel - 1)
            .thread_name(move |number| format!("{name}+{}", number + 1))
            .build()
            .map_err(|error| format!("cannot start the threads of `parallel`: {error}"))?;
        Ok(Some(Self { helpers }))
    }

    /// How many pieces of work it does at once.
    pub fn size(&self) -> usize {
        self.helpers.current_num_threads() + 1
    }

    /// Does all pieces of work, the first on this thread, and gives what came of them in their order. `work` may ask now and
    /// then whether to go on; `go_on` is asked on this thread, and what it says once is said to all.
    pub fn share<W: Send, T: Send>(
        &self,
        pieces: Vec<W>,
        work: impl Fn(W, &mut GoOn<'_>) -> T + Sync,
        go_on: &mut GoOn<'_>,
    ) -> Vec<T> {
        let stopped = AtomicBool::new(false);
        let mut results: Vec<Option<T>> = pieces.iter().map(|_| None).collect();
        let span = tracing::Span::current();
        // never used but to be dropped, by a helper's panic as well
        let (working, all_done) = sync_channel::<()>(0);
        self.helpers.in_place_scope(|scope| {
            let mut places = pieces.into_iter().zip(&mut results);
            let mine = places.next();
            for (piece, result) in places {
                let (work, stopped, span, working) = (&work, &stopped, &span, working.clone());
                scope.spawn(move |_| {
                    *result = Some(span.in_scope(|| work(piece, &mut || !stopped.load(Ordering::Relaxed))));
                    drop(working);
                });
            }
            drop(working);
            let mut ask = || {
                if !stopped.load(Ordering::Relaxed) && !go_on() {
                    stopped.store(true, Ordering::Relaxed);
                }
                !stopped.load(Ordering::Relaxed)
            };
            if let Some((piece, result)) = mine {
                *result = Some(work(piece, &mut ask));
            }
            while all_done.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                ask();
            }
        });
        results.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread::current;
    use std::time::Instant;

    fn team(parallel: usize) -> Team {
        Team::start("test", parallel).expect("threads").expect("more than one")
    }

    #[test]
    fn pieces_run_at_once_the_first_here_and_results_keep_their_order() {
        let team = team(3);
        assert_eq!(team.size(), 3);
        let here = current().id();
        let met = std::sync::Barrier::new(3);
        let work = |number, _: &mut GoOn<'_>| {
            met.wait();
            (number, current().id() == here)
        };
        let done = team.share(vec![0, 1, 2], work, &mut || true);
        assert_eq!(done, [(0, true), (1, false), (2, false)]);
        assert_eq!(team.share(vec![7], |number, _| number, &mut || true), [7]);
    }

    #[test]
    fn what_is_said_once_is_said_to_all_while_helpers_still_work() {
        let mut asked = 0;
        let until_stopped = |helper: bool, go_on: &mut GoOn<'_>| {
            let begun = Instant::now();
            while helper && go_on() {
                assert!(begun.elapsed() < Duration::from_secs(20), "nobody says stop");
                std::thread::yield_now();
            }
            helper
        };
        let done = team(2).share(vec![false, true], until_stopped, &mut || {
            asked += 1;
            asked < 3
        });
        assert_eq!((done, asked), (vec![false, true], 3));
    }

    #[test]
    fn a_helpers_panic_is_the_workers() {
        let team = team(2);
        let share = |bad: usize| team.share(vec![0, 1], |number, _| assert_ne!(number, bad), &mut || true).len();
        assert!(catch_unwind(AssertUnwindSafe(|| share(1))).is_err());
        assert_eq!(share(9), 2, "the team goes on");
    }
}
