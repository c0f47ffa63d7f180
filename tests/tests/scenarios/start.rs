//! Where a group begins that has no committed offset, and that it goes on where it has.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, program, unique, wait_for};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::load::{QUICK, numbered};

/// A pipeline for each place to start, all in one host.
struct Starts {
    from: String,
    /// The words of `start`, the group and the output topic.
    each: Vec<(String, String, String)>,
}

/// Ten records a partition, a second apart, the first an hour ago.
fn produce(topic: &str, first: i64, count: i64) -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let hour_ago = (now / 1000 - 3600) * 1000;
    let record = |number, partition| {
        let timestamp = Some(hour_ago + number * 1000);
        Record { timestamp, ..Record::of(numbered(partition, number)).to(partition) }
    };
    let records = (first..first + count).flat_map(|number| (0..2).map(move |partition| record(number, partition)));
    Broker::shared().produce(topic, records)?;
    Ok(hour_ago)
}

impl Starts {
    fn new(starts: &[String]) -> Result<Self> {
        let broker = Broker::shared();
        let each = starts.iter().map(|start| Ok((start.clone(), unique("group"), broker.topic("started", 2)?)));
        Ok(Self { from: broker.topic("from", 2)?, each: each.collect::<Result<_>>()? })
    }

    fn host(&self) -> Result<Host> {
        let mut config = "state = \"@dir@/state\"\n".to_owned();
        for (number, (start, group, to)) in self.each.iter().enumerate() {
            config += &format!(
                "[pipelines.p{number}]\nworkers = 1\ncommit_interval = \"50 ms\"\n\
                 [pipelines.p{number}.source]\nbrokers = \"{}\"\ntopics = [\"{}\"]\ngroup = \"{group}\"\nstart = {start}\n\
                 librdkafka = {{ {QUICK} }}\n\
                 [pipelines.p{number}.sink]\ntype = \"kafka\"\ntopic = \"{to}\"\npartition = \"same-as-input\"\n",
                Broker::shared().address(),
                self.from,
            );
        }
        Host::builder(&config).start()
    }

    /// Waits until all groups have come to the end, and stops.
    fn finish(&self, mut host: Host) -> Result<()> {
        for (start, group, _) in &self.each {
            wait_for(&format!("start = {start} has come to the end"), PATIENCE, || {
                let committed = Broker::shared().committed(group, &self.from)?;
                let ends = Broker::shared().ends(&self.from)?;
                Ok(committed.iter().zip(ends).all(|(committed, end)| *committed == Some(end)).then_some(()))
            })?;
        }
        assert_eq!(host.stop()?.code(), Some(0));
        Ok(())
    }

    /// The numbers that arrived, by partition.
    fn arrived(&self, index: usize) -> Result<Vec<Vec<i64>>> {
        let mut numbers = vec![Vec::new(); 2];
        for record in Broker::shared().consume(&self.each[index].2)? {
            let text = record.text();
            let number = text.split(':').nth(1).and_then(|number| number.parse().ok());
            numbers[record.partition as usize].push(number.unwrap_or(-1));
        }
        Ok(numbers)
    }
}

/// Has a group commit offsets.
fn commit(group: &str, topic: &str, offsets: &[i64]) -> Result<()> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", Broker::shared().address()).set("group.id", group);
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(offsets) {
        list.add_partition_offset(topic, partition, Offset::Offset(*offset))?;
    }
    Ok(consumer.commit(&list, CommitMode::Sync)?)
}

#[test]
fn a_group_without_offsets_begins_where_it_is_told() -> Result<()> {
    let words = ["\"earliest\"", "\"latest\"", "{ \"1\" = 7 }", "2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z", "TIME"];
    let mut starts = Starts::new(&words.map(str::to_owned))?;
    let hour_ago = produce(&starts.from, 0, 10)?;
    // between the fourth and the fifth record
    let time = Duration::from_millis((hour_ago + 3500) as u64);
    starts.each[5].0 = rfc3339(time);
    let host = starts.host()?;
    produce(&starts.from, 10, 5)?;
    starts.finish(host)?;
    let from = |number: i64| (number..15).collect::<Vec<_>>();
    let wanted = [
        [from(0), from(0)],
        [from(10), from(10)],
        [from(0), from(7)],
        [from(0), from(0)],
        [from(10), from(10)],
        [from(4), from(4)],
    ];
    for (index, wanted) in wanted.iter().enumerate() {
        assert_eq!(starts.arrived(index)?, wanted, "start = {}", starts.each[index].0);
    }
    Ok(())
}

/// A time of this century as TOML has it.
fn rfc3339(since: Duration) -> String {
    let (days, seconds) = (since.as_secs() as i64 / 86_400, since.as_secs() % 86_400);
    // Howard Hinnant's civil_from_days, for days of 2000-03-01 and later
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[test]
fn a_group_with_offsets_goes_on_there_wherever_it_is_told_to_begin() -> Result<()> {
    let words = ["\"earliest\"", "\"latest\"", "\"stored\"", "{ \"0\" = 2, \"1\" = 7 }", "2001-01-01T00:00:00Z"];
    let starts = Starts::new(&words.map(str::to_owned))?;
    produce(&starts.from, 0, 10)?;
    for (_, group, _) in &starts.each {
        commit(group, &starts.from, &[5, 10])?;
    }
    starts.finish(starts.host()?)?;
    for (index, (start, ..)) in starts.each.iter().enumerate() {
        assert_eq!(starts.arrived(index)?, [(5..10).collect::<Vec<_>>(), vec![]], "start = {start}");
    }
    Ok(())
}

#[test]
fn latest_means_the_end_as_it_was_when_the_group_first_came() -> Result<()> {
    let starts = Starts::new(&["\"latest\"".to_owned()])?;
    produce(&starts.from, 0, 10)?;
    let mut host = starts.host()?;
    assert_eq!(host.stop()?.code(), Some(0));
    // nobody reads now
    produce(&starts.from, 10, 3)?;
    host.restart()?;
    starts.finish(host)?;
    assert_eq!(starts.arrived(0)?, [[10, 11, 12], [10, 11, 12]]);
    Ok(())
}

#[test]
fn stored_fails_where_the_group_has_no_offset_and_names_it() -> Result<()> {
    let starts = Starts::new(&["\"stored\"".to_owned()])?;
    produce(&starts.from, 0, 10)?;
    commit(&starts.each[0].1, &starts.from, &[5])?;
    // it may be ready for a moment, or end before
    let mut host = match starts.host() {
        Ok(host) => host,
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains("exit status: 1") && text.contains(&starts.each[0].1), "{text}");
            return Ok(());
        }
    };
    assert_eq!(host.wait(PATIENCE)?.code(), Some(1));
    let log = host.log();
    for part in [&starts.each[0].1, &format!("{}/1", starts.from), "stored", "reset"] {
        ensure!(log.contains(part), "no {part:?} in the log");
    }
    Ok(())
}

#[test]
fn reset_moves_a_group_that_nobody_is_in_and_no_other() -> Result<()> {
    let (broker, starts) = (Broker::shared(), Starts::new(&["\"earliest\"".to_owned()])?);
    let hour_ago = produce(&starts.from, 0, 10)?;
    let group = &starts.each[0].1;
    let mut host = starts.host()?;
    wait_for("everything is committed", PATIENCE, || Ok((broker.lag(group, &starts.from)? == 0).then_some(())))?;
    let file = host.folder().join("edgemill.toml").to_string_lossy().into_owned();
    let reset = |to: &[&str]| program::run([&["reset", "-c", &file, "--to"], to].concat(), b"");

    let refused = reset(&["earliest"])?;
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    ensure!(refused.err.contains(group.as_str()), "{}", refused.err);
    assert_eq!(broker.committed(group, &starts.from)?, [Some(10); 2]);

    assert_eq!(host.stop()?.code(), Some(0));
    let time = rfc3339(Duration::from_millis((hour_ago + 3500) as u64));
    for (to, wanted) in [
        (&["earliest"][..], [0, 0]),
        (&["latest"], [10, 10]),
        (&["0=3"], [3, 10]),
        (&["0=3", "1=7"], [3, 7]),
        (&[&time], [4, 4]),
    ] {
        let ended = reset(to)?;
        assert_eq!(ended.code, Some(0), "{to:?}: {}", ended.err);
        assert_eq!(broker.committed(group, &starts.from)?, wanted.map(Some), "{to:?}");
    }
    assert_eq!(reset(&["yesterday"])?.code, Some(2));
    host.restart()?;
    starts.finish(host)?;
    let twice = (0..10).chain(4..10).collect::<Vec<_>>();
    assert_eq!(starts.arrived(0)?, [twice.clone(), twice]);
    Ok(())
}
