//! The goals of the data path, and whether what was measured meets them. They are told, never asserted: on a noisy machine a
//! ratio near its bound is on either side of it.

use serde::Serialize;

use crate::growth::{COPYING, KEEPING, SETTLED, rise};
use crate::guest;
use crate::http;
use crate::native::Job;
use crate::report::{Line, Measurements, find};
use crate::side::{HOST, name};

/// A goal and what was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) bound: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

fn at_most(what: String, bound: f64, unit: &str, measured: f64) -> Goal {
    // a digit more than the bound, so that what misses it by little is not told like it
    let digits = if unit.is_empty() { 3 } else { 1 };
    Goal {
        what,
        bound: format!("at most {bound}{unit}"),
        measured: format!("{measured:.digits$}{unit}"),
        met: measured <= bound,
    }
}

fn at_least(what: String, bound: f64, measured: f64) -> Goal {
    Goal { what, bound: format!("at least {bound}"), measured: format!("{measured:.3}"), met: measured >= bound }
}

/// Reckons those for which something was measured.
pub(crate) fn reckon(measurements: &Measurements, lines: &[Line]) -> Vec<Goal> {
    let Measurements { guest, http, latency, start, growth, .. } = measurements;
    let mut goals = Vec::new();
    for job in [Job::Identity, Job::Flatten, Job::Lz4Flatten] {
        let (bound, called) = (if job == Job::Lz4Flatten { 1.2 } else { 1.15 }, name(job));
        for (threads, side) in [(2, HOST), (1, "edgemill1")] {
            let Some(line) = find(lines, job, side) else { continue };
            let at = format!("{called} on {threads} thread{}", if threads == 1 { "" } else { "s" });
            if let Some(ratio) = line.cpu_ratio {
                goals.push(at_most(format!("CPU per record to the native loop's, {at}"), bound, "", ratio));
            }
            if let Some(ratio) = line.rate_ratio {
                goals.push(at_least(format!("records a second to the native loop's, {at}"), 0.9, ratio));
            }
            if let Some(ratio) = find(lines, job, &format!("{side}-component")).and_then(|line| line.cpu_ratio) {
                goals.push(at_most(format!("the same through the component door, {at}"), 1.25, "", ratio));
            }
            // identity's native loop does nothing to a record, and calls librdkafka as the host does
            if let (Job::Identity, Some(ratio)) = (job, line.cpu_ratio) {
                let more = (1.0 - 1.0 / ratio) * line.cpu_seconds_per_million * 1e3;
                let what = format!("host's own part of a record, and the module's call, beyond the native loop, {at}");
                goals.push(at_most(what, 200.0, " ns", more));
            }
            if let Some(once) = find(lines, job, &format!("{side}-once")) {
                let ratio = once.cpu_seconds_per_million / line.cpu_seconds_per_million;
                goals.push(at_most(format!("CPU per record exactly-once to at-least-once, {at}"), 1.1, "", ratio));
            }
        }
    }
    let of = |work, way| guest::find(guest, work, way);
    if let (Some(whole), Some(copy), Some(native)) =
        (of("flatten", "core"), of("copy", "core"), of("flatten", "native"))
    {
        let what = "flatten's own code, without what a copy takes, to the native scanner".to_owned();
        goals.push(at_most(what, 1.3, "", (whole - copy) / native));
    }
    if let (Some(whole), Some(serde)) = (of("flatten", "core"), of("flatten", "native serde")) {
        let what = "how many times as fast as native serde_json flatten is, the whole call".to_owned();
        goals.push(at_least(what, 3.0, serde / whole));
    }
    for line in http.iter().filter(|line| line.host) {
        if let Some(native) = http::beside(http, line) {
            let ratio = line.cpu_seconds_per_million / native.cpu_seconds_per_million;
            let (sink, threads) = (line.sink, line.threads);
            let what = format!("CPU per record to the native loop's with reqwest, sink {sink}, {threads} workers");
            goals.push(at_most(what, 1.5, "", ratio));
        }
    }
    for line in latency.iter().filter(|line| line.side == "edgemill") {
        goals.push(at_most(format!("p99 latency when idle, {}", name(line.job)), 10.0, " ms", line.p99));
    }
    if let Some(worst) = lines.iter().filter(|line| line.side.name == HOST).map(|line| line.peak_mib).reduce(f64::max) {
        goals.push(at_most("peak memory at full load".to_owned(), 150.0, " MiB", worst));
    }
    if let Some(start) = start {
        goals.push(at_most("start to first record, group join apart".to_owned(), 300.0, " ms", start.without_joining));
    }
    // what is flat does not become a quarter dearer
    for (name, points, from) in [("records", &growth.records, SETTLED), ("partitions", &growth.partitions, 1)] {
        if let Some((count, ratio)) = rise(points, from) {
            goals.push(at_most(format!("cost of a record with {count} {name} to that with {from}"), 1.25, "", ratio));
        }
    }
    for (what, identities) in [("keep", KEEPING), ("copy", COPYING)] {
        if let Some(slope) = growth.nanoseconds_a_module(identities) {
            let what = format!("one identity more in a chain of those that {what} values, a record");
            goals.push(at_most(what, 60.0, " ns", slope));
        }
    }
    goals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::Point;

    #[test]
    fn what_was_not_measured_is_not_told() {
        assert!(reckon(&Measurements::default(), &[]).is_empty());
    }

    #[test]
    fn what_grows_is_compared_with_where_it_began() {
        let point = |count, side, nanoseconds| Point { count, side, nanoseconds };
        let points =
            [point(1, HOST, 2.0), point(1, "native-batch", 1.0), point(10, HOST, 3.0), point(10, "native-batch", 9.0)];
        assert_eq!((rise(&points, 1), rise(&points, 10), rise(&points, 2)), (Some((10, 1.5)), None, None));
    }

    #[test]
    fn a_bound_belongs_to_what_it_allows() {
        assert!(at_most(String::new(), 1.15, "", 1.15).met);
        let goal = at_most(String::new(), 300.0, " ms", 300.1);
        assert_eq!((goal.met, &*goal.measured, &*goal.bound), (false, "300.1 ms", "at most 300 ms"));
        let goal = at_least(String::new(), 0.9, 0.8994);
        assert_eq!((goal.met, &*goal.measured, &*goal.bound), (false, "0.899", "at least 0.9"));
    }
}
