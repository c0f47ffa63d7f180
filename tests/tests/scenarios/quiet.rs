//! A topic with little to do: rows do not wait for others that may never come.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Record, wait_for};

use super::load::{Line, numbered};

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
