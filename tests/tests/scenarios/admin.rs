//! What an operator sees: health, readiness, metrics, status, systemd; and a host whose output stands still.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edgemill_tests::broker::free_port;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, Signal, http, modules, unique, wait_for};
use rustix::process::{Pid, kill_process};

use super::load::{QUICK, numbered};

const PIPELINE: &str = r#"
state = "@dir@/state"
unreachable_after = "never"
[admin]
listen = "@listen@"
[pipelines.seen]
workers = 2
commit_interval = "50 ms"
[pipelines.seen.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
fetch_ahead = "2 MiB"
librdkafka = { @consumer@ }
[[pipelines.seen.chain]]
module = "poison.wasm"
[pipelines.seen.sink]
type = "kafka"
topic = "@to@"
in_flight = "2 MiB"
@sink@
[pipelines.seen.dead-letter]
topic = "@dead@"
"#;

struct Seen {
    from: String,
    to: String,
    dead: String,
    group: String,
    listen: String,
}

impl Seen {
    fn new() -> Result<Self> {
        let broker = Broker::shared();
        let (from, to, dead) = (broker.topic("from", 2)?, broker.topic("to", 2)?, broker.topic("dead", 1)?);
        Ok(Self { from, to, dead, group: unique("group"), listen: format!("127.0.0.1:{}", free_port()) })
    }

    fn builder(&self, brokers: &str, listen: &str, sink: &str) -> Result<edgemill_tests::host::Builder> {
        let builder = Host::builder(PIPELINE)
            .set("brokers", brokers)
            .set("from", &self.from)
            .set("to", &self.to)
            .set("dead", &self.dead)
            .set("group", &self.group)
            .set("listen", listen)
            .set("consumer", QUICK)
            .set("sink", sink);
        Ok(builder.module("poison.wasm", modules::hostile("poison")?))
    }

    fn get(&self, path: &str) -> Result<http::Answer> {
        http::get(&self.listen, path)
    }

    fn ready(&self) -> Result<()> {
        wait_for("the host is ready", PATIENCE, || {
            Ok(self.get("/readyz").ok().filter(|answer| answer.status == 200).map(drop))
        })
    }

    fn done(&self) -> Result<()> {
        wait_for("everything is committed", PATIENCE, || {
            Ok((Broker::shared().lag(&self.group, &self.from)? == 0).then_some(()))
        })
    }
}

#[test]
fn metrics_and_status_count_what_happened() -> Result<()> {
    let (broker, seen) = (Broker::shared(), Seen::new()?);
    let values = ["good", "D! drop", "R! refuse", "good", "T! trap"];
    let record = |n: i32| Record::of(values[(n % 5) as usize]).to(n / 5 % 2);
    let mut host = seen.builder(&broker.address(), &seen.listen, "")?.spawn()?;
    seen.ready()?;
    wait_for("each worker has a partition", PATIENCE, || {
        let status: serde_json::Value = serde_json::from_str(&seen.get("/status")?.body)?;
        let workers = status["pipelines"][0]["workers"].as_array().context("workers")?;
        let one = |worker: &serde_json::Value| worker["lanes"].as_array().is_some_and(|lanes| lanes.len() == 1);
        Ok(workers.iter().all(one).then_some(()))
    })?;
    broker.produce(&seen.from, (0..1000).map(record))?;
    seen.done()?;
    assert_eq!(seen.get("/healthz")?, http::Answer { status: 200, body: "ok\n".to_owned() });
    assert_eq!(seen.get("/nothing")?.status, 404);

    let page = seen.get("/metrics")?.body;
    let metrics = http::Metrics::parse(&page);
    let bytes: usize = values.iter().map(|value| value.len() * 200).sum();
    let failures = |class, action| {
        let labels = [("class", class), ("action", action), ("module", "poison.wasm"), ("pipeline", "seen")];
        metrics.sum("edgemill_failures_total", &labels)
    };
    assert_eq!(metrics.sum("edgemill_records_total", &[("pipeline", "seen")]), 1000.0);
    assert_eq!(metrics.sum("edgemill_record_bytes_total", &[]), bytes as f64);
    assert_eq!(metrics.sum("edgemill_rows_total", &[]), 400.0);
    assert_eq!(metrics.sum("edgemill_rows_delivered_total", &[]), 800.0, "rows and dead letters");
    assert_eq!((failures("reject", "dead-letter"), failures("trap", "dead-letter")), (200.0, 200.0));
    ensure!(metrics.sum("edgemill_instance_restarts_total", &[]) >= 200.0, "a trap costs an instance");
    ensure!(metrics.sum("edgemill_commits_total", &[("result", "ok")]) >= 2.0, "commits");
    assert_eq!(metrics.sum("edgemill_commits_total", &[("result", "failed")]), 0.0);
    assert_eq!(metrics.sum("edgemill_plan", &[("pipeline", "seen")]), 1.0);
    assert_eq!(metrics.sum("edgemill_rewinds_total", &[]), 0.0);
    ensure!(metrics.sum("edgemill_chain_seconds_count", &[]) >= 2.0, "batches");
    let named = page.lines().filter(|line| line.starts_with("# HELP edgemill_")).count();
    ensure!(named >= 12, "only {named} metrics have a help text");

    let status = wait_for("the status knows the end", PATIENCE, || {
        let status: serde_json::Value = serde_json::from_str(&seen.get("/status")?.body)?;
        let pipeline = status["pipelines"][0].clone();
        Ok((pipeline["records"] == 1000 && pipeline["failed"] == 400).then_some(pipeline))
    })?;
    assert_eq!((&status["name"], &status["rows"], &status["lag"]), (&"seen".into(), &400.into(), &0.into()));
    assert_eq!(status["plan"]["number"], 1);
    assert_eq!(status["plan"]["modules"][0]["name"], "poison.wasm");
    let hash = status["plan"]["modules"][0]["hash"].as_str().unwrap_or_default();
    ensure!(hash.len() >= 12 && hash.chars().all(|c| c.is_ascii_hexdigit()), "a hash {hash:?}");
    let workers = status["workers"].as_array().context("workers")?;
    let mut partitions = Vec::new();
    for worker in workers {
        assert_eq!((&worker["state"], &worker["plan"]), (&"running".into(), &1.into()));
        for lane in worker["lanes"].as_array().context("lanes")? {
            partitions.push(lane["partition"].as_i64());
            assert_eq!(
                (&lane["topic"], &lane["next"], &lane["end"]),
                (&seen.from.clone().into(), &500.into(), &500.into())
            );
            assert_eq!((&lane["lag"], &lane["resume"], &lane["plan_since"]), (&0.into(), &500.into(), &0.into()));
        }
    }
    partitions.sort_unstable();
    assert_eq!(partitions, [Some(0), Some(1)]);
    assert_eq!(metrics.sum("edgemill_lag_records", &[("topic", &seen.from)]), 0.0);
    // the last record cost its instance: another one has memory
    broker.produce(&seen.from, [Record::of("good").to(0)])?;
    wait_for("the guest's 17 pages are told", PATIENCE, || {
        let metrics = http::Metrics::parse(&seen.get("/metrics")?.body);
        Ok((metrics.sum("edgemill_guest_memory_bytes", &[]) >= 17.0 * 65536.0).then_some(()))
    })?;
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!((broker.consume(&seen.to)?.len(), broker.consume(&seen.dead)?.len()), (401, 400));
    Ok(())
}

#[test]
fn a_host_that_is_not_in_its_group_is_alive_and_not_ready_and_says_why() -> Result<()> {
    let seen = Seen::new()?;
    let nowhere = format!("127.0.0.1:{}", free_port());
    let mut host = seen.builder(&nowhere, &seen.listen, "")?.spawn()?;
    let answer = wait_for("the admin port answers", PATIENCE, || Ok(seen.get("/readyz").ok()))?;
    ensure!(answer.status == 503 && answer.body.contains("seen worker 0: joining"), "{answer:?}");
    assert_eq!(seen.get("/healthz")?.status, 200);
    assert_eq!(host.stop()?.code(), Some(0));
    Ok(())
}

#[test]
fn the_admin_port_can_be_off_and_one_that_is_taken_is_bad_configuration() -> Result<()> {
    let (broker, seen) = (Broker::shared(), Seen::new()?);
    broker.produce(&seen.from, [Record::of("x")])?;
    let mut host = seen.builder(&broker.address(), "off", "")?.spawn()?;
    seen.done()?;
    assert_eq!(host.stop()?.code(), Some(0));
    ensure!(!host.log().contains("serving /metrics"), "it serves");

    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let mut host = seen.builder(&broker.address(), &address, "")?.spawn()?;
    assert_eq!(host.wait(PATIENCE)?.code(), Some(2));
    let log = host.log();
    ensure!(log.contains(&address) && log.contains("in use") && log.contains("[admin]"), "{log}");
    Ok(())
}

#[test]
fn systemd_is_told_when_the_host_is_ready_and_when_it_stops() -> Result<()> {
    let (broker, seen) = (Broker::shared(), Seen::new()?);
    let folder = tempfile_folder()?;
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path)?;
    socket.set_nonblocking(true)?;
    let builder = seen.builder(&broker.address(), &seen.listen, "")?;
    let mut host = builder.env("NOTIFY_SOCKET", path.to_string_lossy()).spawn()?;
    let told = |what: &str| {
        wait_for(&format!("systemd is told {what}"), PATIENCE, || {
            let mut buffer = [0; 256];
            let Ok(length) = socket.recv(&mut buffer) else { return Ok(None) };
            let text = String::from_utf8_lossy(&buffer[..length]);
            ensure!(what == "READY=1" || !text.contains("READY=1"), "READY=1 came twice");
            Ok(text.lines().any(|line| line == what).then_some(()))
        })
    };
    told("READY=1")?;
    assert_eq!(seen.get("/readyz")?.status, 200);
    host.signal(Signal::TERM)?;
    told("STOPPING=1")?;
    assert_eq!(host.wait(PATIENCE)?.code(), Some(0));
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn tempfile_folder() -> Result<std::path::PathBuf> {
    let folder = std::env::temp_dir().join(unique("edgemill-notify"));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// The process of a broker, to stop its clock: the harness only ends it.
fn process_of(broker: &Broker) -> Result<Pid> {
    let listener = format!("listeners=PLAINTEXT://{},", broker.address());
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Ok(line) = fs::read_to_string(path.join("cmdline")) else { continue };
        let Some(file) = line.split('\0').find(|word| word.ends_with("server.properties")) else { continue };
        let is_java = line.starts_with("java");
        if is_java && fs::read_to_string(file).is_ok_and(|text| text.contains(&listener)) {
            let number = path.file_name().and_then(|name| name.to_str()?.parse().ok()).and_then(Pid::from_raw);
            return number.context("a process has a number");
        }
    }
    anyhow::bail!("no process listens on {}", broker.address())
}

/// Resident memory in KiB.
fn resident(host: &Host) -> Result<i64> {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid().as_raw_nonzero()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[test]
fn promise_bounds_memory_does_not_grow_while_the_output_stands_still_and_all_arrives_after() -> Result<()> {
    let (broker, seen) = (Broker::shared(), Seen::new()?);
    let output = Broker::start()?;
    output.create_topic(&seen.to, 2, &[])?;
    output.create_topic(&seen.dead, 1, &[])?;
    // 60 MB, of which 4 MiB may be in flight and 4 MiB be fetched ahead
    let count = 30_000;
    let rest = "x".repeat(1000);
    let record = |n: i64, p: i32| Record::of(format!("{}:{rest}", numbered(p, n))).to(p);
    let sink = format!("partition = \"same-as-input\"\nbrokers = \"{}\"", output.address());
    broker.produce(&seen.from, (0..500).flat_map(|n| (0..2).map(move |p| (n, p))).map(|(n, p)| record(n, p)))?;
    let mut host = seen.builder(&broker.address(), &seen.listen, &sink)?.spawn()?;
    seen.ready()?;
    seen.done()?;

    let process = process_of(&output)?;
    let (before, log) = (resident(&host)?, host.log());
    kill_process(process, Signal::STOP)?;
    broker.produce(&seen.from, (500..count).flat_map(|n| (0..2).map(move |p| (n, p))).map(|(n, p)| record(n, p)))?;
    let records = || Ok(http::Metrics::parse(&seen.get("/metrics")?.body).sum("edgemill_records_total", &[]));
    let mut last = (0.0, Instant::now());
    let mut most = before;
    wait_for("nothing moves for three seconds", PATIENCE, || {
        most = most.max(resident(&host)?);
        let now: f64 = records().map_err(|error: anyhow::Error| error)?;
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok((now > 1000.0 && last.1.elapsed() > Duration::from_secs(3)).then_some(()))
    })?;
    ensure!(last.0 < 20_000.0, "{} records were taken, though nothing was delivered", last.0);
    let answer = seen.get("/readyz")?;
    assert_eq!(answer.status, 200, "{}", answer.body);
    kill_process(process, Signal::CONT)?;
    seen.done()?;
    most = most.max(resident(&host)?);
    let grown = (most - before) / 1024;
    println!(
        "{} records in the host while the output stood; {} MiB before, {grown} MiB more at most",
        last.0,
        before / 1024
    );
    ensure!(grown < 48, "{grown} MiB more than before");
    let news = host.log().split_off(log.len());
    ensure!(!news.contains("lane revoked"), "it lost its membership: {news}");
    assert_eq!(host.stop()?.code(), Some(0));

    let mut repeats = 0;
    let mut next = [0; 2];
    output.consume_each(&seen.to, |message| {
        let text = rdkafka::Message::payload(message).map(String::from_utf8_lossy).unwrap_or_default();
        let number: i64 = text.split(':').nth(1).and_then(|number| number.parse().ok()).unwrap_or(-1);
        let expected = &mut next[rdkafka::Message::partition(message) as usize];
        repeats += i64::from(number != *expected);
        *expected += i64::from(number == *expected);
    })?;
    assert_eq!((next, repeats), ([count; 2], 0), "lost, or repeated");
    Ok(())
}
