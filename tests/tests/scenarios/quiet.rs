//! A topic with little to do: rows do not wait for others that may never come.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, wait_for};

use super::load::{Line, numbered};
use super::pipeline::{Pipeline, TOP, stop};

/// Half of what librdkafka would let a row wait.
const SOON: Duration = Duration::from_millis(500);

#[test]
fn a_single_record_is_delivered_and_committed_soon() -> Result<()> {
    for delivery in ["at-least-once", "exactly-once"] {
        let line = Line::new(1)?;
        let pipeline = format!("delivery = \"{delivery}\"");
        let mut host = line.builder(&[("pipeline", &pipeline)]).start()?;
        let mut times = Vec::new();
        for number in 0..7 {
            line.kafka.produce(&line.from, [Record::of(numbered(0, number)).to(0)])?;
            let start = Instant::now();
            wait_for("the record is committed", PATIENCE, || {
                Ok((line.kafka.lag(&line.group, &line.from)? == 0).then_some(()))
            })?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!("{delivery}: {times:?}");
        // the fastest: others may have waited for this machine
        ensure!(times[0] < SOON, "{delivery}: a record took {times:?} from its input to its commit");
        ensure!(host.stop()?.success());
        ensure!(line.verdict(&[7])? == 0, "{delivery}: records were repeated");
    }
    Ok(())
}

#[test]
fn a_busy_partition_is_not_held_back_by_those_that_have_nothing() -> Result<()> {
    let (broker, pipeline, count) = (Broker::shared(), Pipeline::new("busy", 4)?, 12_500);
    let value = "x".repeat(2000);
    broker.produce(&pipeline.from, (0..count).map(|_| Record::of(value.clone()).to(0)))?;
    // a fetch that was sent while the busy partition's queue was full is for the others alone; small queues are often full
    let table = pipeline.table("p", "workers = 1", &[]).replace("group = ", "fetch_ahead = \"4 MiB\"\ngroup = ");
    let mut host = Host::builder(&format!("{TOP}{table}")).start()?;
    host.ready()?;
    let start = Instant::now();
    pipeline.wait_for_end(PATIENCE)?;
    let took = start.elapsed();
    println!("{count} records of 2 kB in one of four partitions: {took:?}");
    ensure!(took < Duration::from_secs(6), "{count} records in one of four partitions took {took:?}");
    stop(host)
}
