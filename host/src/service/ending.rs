//! How a service ends: by signal, by failure; and what systemd is told meanwhile.

use crate::worker::handover::Handover;
use crate::worker::status::{Ending, State, StatusBoard, Sums};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals as Incoming;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Exit code of a run that a second signal cut short: something was left undone.
const CUT_SHORT: i32 = 1;

/// Signals that follow the first so soon are the same one: `timeout` sends it to the program and then to its group, and a terminal's
/// Ctrl-C comes once more through a program that passes it on.
const ECHO: Duration = Duration::from_millis(300);

/// Asks all workers to drain and end.
#[derive(Clone)]
pub struct Ender {
    workers: Vec<Arc<Handover>>,
}

impl Ender {
    pub(super) fn new(workers: Vec<Arc<Handover>>) -> Self {
        Self { workers }
    }

    /// Asks; does not wait.
    pub fn end(&self) {
        self.workers.iter().for_each(|worker| worker.end());
    }
}

/// Ends the process without draining anything.
#[allow(clippy::disallowed_methods, reason = "the operator asked twice: nothing may hold the end up any more")]
fn end_at_once() -> ! {
    std::process::exit(CUT_SHORT)
}

/// The signals that end the program, caught from the very start.
pub(super) struct Signals {
    incoming: Incoming,
}

impl Signals {
    pub(super) fn install() -> Result<Self, String> {
        let incoming =
            Incoming::new([SIGTERM, SIGINT, SIGHUP]).map_err(|error| format!("cannot catch signals: {error}"))?;
        Ok(Self { incoming })
    }

    /// The first signal drains, the second ends the process at once.
    pub(super) fn end_on_signal(mut self, ender: Ender) {
        let thread = std::thread::Builder::new().name("signals".to_owned());
        let spawned = thread.spawn(move || {
            let mut first: Option<Instant> = None;
            for signal in self.incoming.forever() {
                match first {
                    Some(first) if first.elapsed() < ECHO => continue,
                    Some(_) => {
                        tracing::warn!(
                            signal,
                            "second signal: ending at once; what is not committed will be done again"
                        );
                        end_at_once();
                    }
                    None => first = Some(Instant::now()),
                }
                tracing::info!(signal, "draining; a second signal ends at once");
                let _ = sd_notify::notify(&[NotifyState::Stopping]);
                ender.end();
            }
        });
        if let Err(error) = spawned {
            tracing::error!(error = %error, "no thread for signals: the program can only be killed");
        }
    }
}

/// The last word of a pipeline whose workers have ended: what they did since the start, and whether something was given up.
pub(super) fn last_word(pipeline: &str, workers: &[StatusBoard]) {
    let (mut sums, mut undelivered, mut drained) = (Sums::default(), 0, true);
    for status in workers.iter().map(StatusBoard::read) {
        sums.records += status.sums.records;
        sums.delivered += status.sums.delivered;
        sums.letters += status.sums.letters;
        sums.skipped += status.sums.skipped;
        drained &= status.ending == Some(Ending::Drained);
        if let Some(Ending::GaveUp { undelivered: more }) = status.ending {
            undelivered += more;
        }
    }
    let Sums { records, delivered, letters: dead_letters, skipped } = sums;
    let rows = delivered.saturating_sub(dead_letters);
    match drained {
        true => tracing::info!(
            pipeline,
            records,
            rows,
            dead_letters,
            skipped,
            "drained and ended: all that was handed over is delivered and committed"
        ),
        false => tracing::warn!(
            pipeline,
            records,
            delivered,
            undelivered,
            "ended: what is not known to be delivered and committed was given up, and will be done again"
        ),
    }
}

/// Tells systemd when all workers are members of their groups, and that the program lives.
pub(super) struct Notify {
    stop: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Notify {
    pub(super) fn start(workers: Vec<StatusBoard>) -> Self {
        let (stop, stopped) = sync_channel::<()>(0);
        let run = move || {
            let mut ready = false;
            while stopped.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
                let states = || workers.iter().map(|worker| worker.read().state);
                if !ready && states().all(|state| state == State::Running) {
                    ready = true;
                    let _ = sd_notify::notify(&[NotifyState::Ready]);
                }
                let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            }
        };
        Self { stop, thread: std::thread::Builder::new().name("systemd".to_owned()).spawn(run).ok() }
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}
