//! Runs a side as a child process and measures it from outside: records a second, processor time, memory.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use edgemill_tests::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, TopicPartitionList};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::Serialize;

use crate::interrupt::Interrupt;

/// How long a run, or its end, may take, and how many records a second a longer one does at the least.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
const SLOWEST: u64 = 50_000;

/// Ticks a second in which Linux gives processor time to programs (`USER_HZ`), on every architecture that matters.
const TICKS: f64 = 100.0;

/// What one run took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Measured {
    /// From the moment when a fifth of the outputs had been seen to the last, or, at a service, to when it had 95 of 100: neither
    /// starting and joining a group count, nor what was under way before anything was seen, nor how long the last rows of all wait
    /// for others. None where less than half of them came after that moment, as in a short run
    /// whose outputs come a transaction at a time.
    pub(crate) records_per_second: Option<f64>,
    /// Processor time of the whole process, start and end included.
    pub(crate) cpu_seconds: f64,
    /// Processor time of the threads that it had when the last output was seen, to the nanosecond.
    pub(crate) cpu_seconds_to_last: f64,
    /// From the start of the process to the first output seen.
    pub(crate) seconds_to_first: f64,
    /// Processor time of the broker meanwhile, from the start of the process to the last output. The broker has the same cores, so
    /// what it takes is missing for the side that made it work.
    pub(crate) broker_cpu_seconds: f64,
    /// The most memory it had (`VmHWM`).
    pub(crate) peak_mib: f64,
}

/// How to see how far a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress<'a> {
    /// By the ends of the output's partitions.
    Ends(&'a str),
    /// By what the group of this name has committed of this input: in transactions, it counts at the same moment as the
    /// outputs do. The ends of partitions would count the markers of transactions.
    Committed { group: &'a str, input: &'a str },
    /// By what a service has counted itself.
    Taken(&'a AtomicU64),
}

/// One process to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement<'a> {
    pub(crate) progress: Progress<'a>,
    pub(crate) partitions: i32,
    /// How many records it has to do.
    pub(crate) records: u64,
    /// Whether the signal that asks it to end may end it without more ado.
    pub(crate) ends_by_signal: bool,
    /// Where its log goes.
    pub(crate) log: &'a Path,
}

/// Asks the broker how far a run is.
pub(crate) struct Watch {
    brokers: String,
    client: BaseConsumer,
    /// The broker's process.
    process: u32,
    pub(crate) interrupt: Interrupt,
}

impl Watch {
    pub(crate) fn new(broker: &Broker, interrupt: Interrupt) -> Result<Self> {
        let brokers = broker.address();
        let client = ClientConfig::new().set("bootstrap.servers", &brokers).create()?;
        let process = broker.process().context("the broker is down")?;
        Ok(Self { brokers, client, process, interrupt })
    }

    /// Counts a topic's records; none where the broker cannot say: a new topic has no leader for a moment.
    fn ends(&self, topic: &str, partitions: i32) -> Option<u64> {
        let mut records = 0;
        for partition in 0..partitions {
            let (_, end) = self.client.fetch_watermarks(topic, partition, Duration::from_secs(10)).ok()?;
            records += u64::try_from(end).ok()?;
        }
        Some(records)
    }

    /// Runs the command until all records are done, and then asks it to stop.
    ///
    /// # Errors
    /// The command ended by itself or with an error, or the records did not come.
    pub(crate) fn run(&self, command: &mut Command, measurement: &Measurement<'_>) -> Result<Measured> {
        let log = measurement.log;
        let started = Instant::now();
        let child = Running::start(command, log)?;
        let measured = self.follow(child, started, measurement);
        measured.with_context(|| format!("{command:?}\n{}", tail(log)))
    }

    fn follow(&self, mut child: Running, started: Instant, measurement: &Measurement<'_>) -> Result<Measured> {
        let Measurement { progress, partitions, records, .. } = *measurement;
        let group = match progress {
            Progress::Ends(_) | Progress::Taken(_) => None,
            Progress::Committed { group, input } => Some(Group::new(&self.brokers, group, input, partitions)?),
        };
        let patience = PATIENCE.max(Duration::from_secs(records / SLOWEST));
        let (mut first, mut mark, mut nearly) = (None, None, None);
        let broker_before = cpu_seconds(self.process)?;
        let last = loop {
            child.runs()?;
            self.interrupt.go_on()?;
            let seen = match (&group, progress) {
                (Some(group), _) => group.committed(),
                (None, Progress::Ends(topic) | Progress::Committed { input: topic, .. }) => {
                    self.ends(topic, partitions)
                }
                (None, Progress::Taken(rows)) => Some(rows.load(Ordering::SeqCst)),
            };
            let (seen, now) = (seen.unwrap_or(0), Instant::now());
            if seen > 0 {
                first.get_or_insert(now);
            }
            if seen * 5 >= records {
                mark.get_or_insert((now, seen));
            }
            // the last rows may wait for others before they go to a service
            if matches!(progress, Progress::Taken(_)) && seen * 20 >= records * 19 {
                nearly.get_or_insert((now, seen));
            }
            if seen >= records {
                break now;
            }
            ensure!(started.elapsed() < patience, "after {patience:?} the output has {seen} of {records} records");
            // Asking costs the broker a little, so it is asked often only where it matters.
            let matters = mark.is_none() || seen * 20 > records * 19;
            pause(Duration::from_millis(if matters && partitions < 100 { 2 } else { 50 }));
        };
        let broker_cpu_seconds = cpu_seconds(self.process)? - broker_before;
        let cpu_seconds_to_last = child.thread_seconds()?;
        let peak_mib = child.peak_mib()?;
        let cpu_seconds = child.stop(measurement.ends_by_signal)?;
        Ok(Measured {
            records_per_second: mark.and_then(|mark| rate(records, mark, nearly.unwrap_or((last, records)))),
            cpu_seconds,
            cpu_seconds_to_last,
            broker_cpu_seconds,
            seconds_to_first: (first.unwrap_or(last) - started).as_secs_f64(),
            peak_mib,
        })
    }
}

/// Records a second from a moment when so many had been seen to another.
fn rate(records: u64, (since, seen): (Instant, u64), (until, by_then): (Instant, u64)) -> Option<f64> {
    let after = by_then.saturating_sub(seen);
    (after * 2 >= records).then(|| after as f64 / (until - since).as_secs_f64().max(1e-3))
}

/// Asks for a group's offsets.
struct Group {
    client: BaseConsumer,
    lanes: TopicPartitionList,
}

impl Group {
    fn new(brokers: &str, group: &str, input: &str, partitions: i32) -> Result<Self> {
        let client = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            // With `read_committed` the answer would wait for the end of a transaction that is about to commit.
            .set("isolation.level", "read_uncommitted")
            .create()?;
        let mut lanes = TopicPartitionList::new();
        lanes.add_partition_range(input, 0, partitions - 1);
        Ok(Self { client, lanes })
    }

    /// How many records it has committed; none where the broker cannot say.
    fn committed(&self) -> Option<u64> {
        let offsets = self.client.committed_offsets(self.lanes.clone(), Duration::from_secs(10)).ok()?;
        Some(offsets.elements().iter().filter_map(|lane| u64::try_from(lane.offset().to_raw()?).ok()).sum())
    }
}

/// A child process, which ends with its owner.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it, with all that it says in a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self(command.spawn().with_context(|| format!("starting {command:?}"))?))
    }

    /// Makes sure that it has not ended.
    pub(crate) fn runs(&mut self) -> Result<()> {
        if let Some(status) = self.0.try_wait()? {
            bail!("it ended with {status}");
        }
        Ok(())
    }

    /// Asks it to stop, waits until it has, and gives the processor time that it took.
    pub(crate) fn stop(&mut self, may_end_by_signal: bool) -> Result<f64> {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, Signal::TERM)?;
        let asked = Instant::now();
        // A process that ended and was not waited for still has its account.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        while waitid(WaitId::Pid(pid), options)?.is_none() {
            ensure!(asked.elapsed() < PATIENCE, "asked to stop, it did not");
            pause(Duration::from_millis(5));
        }
        let cpu = cpu_seconds(self.0.id())?;
        let status = self.0.wait()?;
        let by_signal = may_end_by_signal && status.signal() == Some(signal_hook::consts::SIGTERM);
        ensure!(status.success() || by_signal, "asked to stop, it ended with {status}");
        Ok(cpu)
    }

    /// Adds the processor time of the threads up that there are now: exact, where the process's own account has ticks.
    fn thread_seconds(&self) -> Result<f64> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            // A thread may end meanwhile.
            let account = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += account.split_whitespace().next().and_then(|on| on.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(nanoseconds as f64 / 1e9)
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

/// The processor time of a process, with that of its threads that have ended.
fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which is in brackets: utime and stime are fields 14 and 15 of all (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(')').context("reading /proc/PID/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
}

/// Waits a little.
#[expect(clippy::disallowed_methods, reason = "the broker tells nobody that a topic has grown: it must be asked")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The end of a log, for the message of a failure.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_at_once_has_no_rate() {
        let (since, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(rate(1000, (since, 200), (since + second * 2, 1000)), Some(400.0));
        assert_eq!(rate(1000, (since, 200), (since + second * 2, 960)), Some(380.0));
        assert_eq!(rate(1000, (since, 501), (since + second * 2, 1000)), None);
        assert_eq!(rate(1000, (since, 1000), (since, 1000)), None);
    }
}
