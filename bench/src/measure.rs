//! Runs a side as a child process and measures it from outside: records a second, processor time, memory.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use edgemill_tests::Broker;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::Serialize;

/// How long a run, or its end, may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Ticks a second in which Linux gives processor time to programs (`USER_HZ`), on every architecture that matters.
const TICKS: f64 = 100.0;

/// What one run took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measured {
    /// From the first output seen to the last: starting and joining a group do not count.
    pub(crate) records_per_second: f64,
    /// Processor time of the whole process, start and end included, for each million records.
    pub(crate) cpu_seconds_per_million: f64,
    /// Processor time until the first output was seen.
    pub(crate) cpu_seconds_to_first: f64,
    /// From the start of the process to the first output seen.
    pub(crate) seconds_to_first: f64,
    /// The most memory it had (`VmHWM`).
    pub(crate) peak_mib: f64,
}

/// Asks the broker how many records a topic has.
pub(crate) struct Watch {
    client: BaseConsumer,
    partitions: i32,
    interrupted: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new(broker: &Broker, partitions: i32) -> Result<Self> {
        let client = ClientConfig::new().set("bootstrap.servers", broker.address()).create()?;
        // The broker's data is large and in a temporary folder: it goes with its owner, so this must end in order.
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("registering for signals")?;
        }
        Ok(Self { client, partitions, interrupted })
    }

    /// Counts a topic's records; none where the broker cannot say: a new topic has no leader for a moment.
    fn records(&self, topic: &str) -> Option<u64> {
        let mut records = 0;
        for partition in 0..self.partitions {
            let (_, end) = self.client.fetch_watermarks(topic, partition, Duration::from_secs(10)).ok()?;
            records += u64::try_from(end).ok()?;
        }
        Some(records)
    }

    /// Runs the command until the topic has so many records, and then asks it to stop.
    ///
    /// # Errors
    /// The command ended by itself or with an error, or the records did not come.
    pub(crate) fn run(&self, command: &mut Command, topic: &str, records: u64, log: &Path) -> Result<Measured> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let child = Running(command.spawn().with_context(|| format!("starting {command:?}"))?);
        let measured = self.follow(child, started, topic, records);
        measured.with_context(|| format!("{command:?}\n{}", tail(log)))
    }

    fn follow(&self, mut child: Running, started: Instant, topic: &str, records: u64) -> Result<Measured> {
        let mut first = None;
        let (first, last) = loop {
            if let Some(status) = child.0.try_wait()? {
                bail!("it ended with {status}");
            }
            ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted");
            let seen = self.records(topic).unwrap_or(0);
            let now = Instant::now();
            if first.is_none() && seen > 0 {
                first = Some((now, seen, child.cpu_seconds()?));
            }
            match first {
                Some(first) if seen >= records => break (first, now),
                _ => ensure!(
                    started.elapsed() < PATIENCE,
                    "after {PATIENCE:?} the output has {seen} of {records} records"
                ),
            }
            // Asking costs the broker a little, so it is asked often only where it matters.
            let close = first.is_none() || seen * 20 > records * 19;
            pause(Duration::from_millis(if close { 2 } else { 50 }));
        };
        let peak_mib = child.peak_mib()?;
        let cpu_seconds = child.stop()?;
        let (first_at, first_seen, cpu_to_first) = first;
        let counted = records - first_seen.min(records);
        Ok(Measured {
            records_per_second: counted as f64 / (last - first_at).as_secs_f64().max(1e-3),
            cpu_seconds_per_million: cpu_seconds * 1e6 / records as f64,
            cpu_seconds_to_first: cpu_to_first,
            seconds_to_first: (first_at - started).as_secs_f64(),
            peak_mib,
        })
    }
}

/// A child process, which ends with its owner.
struct Running(Child);

impl Running {
    /// Asks it to stop, waits until it has, and gives the processor time that it took.
    fn stop(&mut self) -> Result<f64> {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM)?;
        let asked = Instant::now();
        // A process that ended and was not waited for still has its account.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(pid), options)?.is_none() {
            ensure!(asked.elapsed() < PATIENCE, "asked to stop, it did not");
            pause(Duration::from_millis(5));
        }
        let cpu = self.cpu_seconds()?;
        let status = self.0.wait()?;
        ensure!(status.success(), "asked to stop, it ended with {status}");
        Ok(cpu)
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // Behind the name, which is in brackets: utime and stime are fields 14 and 15 of all (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(')').context("reading /proc/PID/stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
    }

    fn peak_mib(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("reading VmHWM")?;
        Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the broker tells nobody that a topic has grown: it must be asked")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
