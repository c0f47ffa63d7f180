//! Dead letters: looked at, and tried again once the module is mended.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Record, Signal, Swap, modules, wait_for};
use serde_json::{Value, json};

use super::pipeline::Pipeline;
use super::replay::{POISON, begin, command};

const PARTITIONS: usize = 2;

/// The dead-letter topic has several partitions, so that order by key is more than order.
const DEAD_PARTITIONS: i32 = 3;

const REDRIVE: &[&str] = &["dead-letters", "redrive"];
const LIST: &[&str] = &["dead-letters", "list"];
const SHOW: &[&str] = &["dead-letters", "show"];

/// A pipeline whose records all failed but every tenth, and which is stopped.
pub(super) struct Failed {
    pipeline: Pipeline,
    pub(super) host: Host,
    count: usize,
}

/// The value of record n: of ten, one passes, six are refused and three trap.
fn value(n: usize) -> String {
    match n % 10 {
        0 => format!("r {n}"),
        1 | 4 | 7 => format!("T! {n}"),
        _ => format!("R! {n}"),
    }
}

/// An hour ago: a timestamp that was not kept shows, and none is so old that the broker drops it.
static SINCE: LazyLock<i64> = LazyLock::new(|| jiff::Timestamp::now().as_millisecond() - 3_600_000);

fn record(n: usize) -> Record {
    Record {
        key: Some(format!("key {}", n % 7).into_bytes()),
        headers: vec![("n".to_owned(), Some(n.to_string().into_bytes())), ("edgemill.class".to_owned(), None)],
        timestamp: Some(*SINCE + n as i64),
        ..Record::of(value(n)).to((n % PARTITIONS) as i32)
    }
}

impl Failed {
    pub(super) fn new(count: usize, keys: &str) -> Result<Self> {
        let broker = Broker::shared();
        let mut pipeline = Pipeline::new("redrive", PARTITIONS as i32)?;
        pipeline.dead = broker.topic("letters", DEAD_PARTITIONS)?;
        let builder = pipeline.host(&format!("workers = 1\nbreaker = \"off\"\n{keys}"), &[POISON]);
        let mut host = builder.module("poison.wasm", modules::hostile("poison")?).start()?;
        broker.produce(&pipeline.from, (0..count).map(record))?;
        pipeline.wait_for_end(PATIENCE)?;
        ensure!(host.stop()?.success());
        let failed = Self { pipeline, host, count };
        ensure!(broker.consume(&failed.pipeline.dead)?.len() == failed.numbers().count());
        Ok(failed)
    }

    /// The records that failed.
    fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..self.count).filter(|n| n % 10 != 0)
    }

    /// Replaces the module by one that takes everything.
    fn mend(&self) -> Result<()> {
        Swap::Rename.put(&self.host.modules(), "poison.wasm", &modules::hostile("identity")?)
    }

    /// `list` as JSON.
    pub(super) fn list(&self, more: &[&str]) -> Result<Value> {
        let ended = command(&self.host, LIST, &[&["--json"], more].concat())?;
        ensure!(ended.code == Some(0), "{}", ended.err);
        Ok(serde_json::from_slice(&ended.out)?)
    }

    pub(super) fn waiting(&self) -> Result<u64> {
        self.list(&[])?["waiting"].as_u64().context("a number")
    }

    /// What the topics have, to see that nothing was written.
    pub(super) fn ends(&self) -> Result<(Vec<i64>, Vec<i64>)> {
        Ok((Broker::shared().ends(&self.pipeline.to)?, Broker::shared().ends(&self.pipeline.dead)?))
    }

    fn redrive_group(&self) -> String {
        format!("{}.redrive", self.pipeline.group)
    }

    /// Checks that every record arrived as it was sent, those of a key that failed in order; gives how many came twice.
    fn verdict(&self) -> Result<usize> {
        let rows = Broker::shared().consume(&self.pipeline.to)?;
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        let mut last: BTreeMap<(i32, Vec<u8>), usize> = BTreeMap::new();
        for row in &rows {
            let n: usize = row.header("n").context("a number")?.parse()?;
            let sent = record(n);
            ensure!(
                (&row.key, &row.value, row.timestamp, &row.headers, Some(row.partition))
                    == (&sent.key, &sent.value, sent.timestamp, &sent.headers, sent.partition),
                "{row:?} came of {sent:?}"
            );
            let times = seen.entry(n).or_default();
            *times += 1;
            // those that passed at once came before all that failed
            if !n.is_multiple_of(10) && *times == 1 {
                let before = last.insert((row.partition, row.key.clone().context("a key")?), n);
                ensure!(before.is_none_or(|before| before < n), "{n} came behind {before:?}");
            }
        }
        let missing: Vec<_> = (0..self.count).filter(|n| !seen.contains_key(n)).collect();
        ensure!(missing.is_empty(), "{} are missing: {missing:?}", missing.len());
        Ok(rows.len() - self.count)
    }
}

/// The letters behind the offsets given, by partition.
fn letters_behind(topic: &str, ends: &[i64]) -> Result<Vec<Consumed>> {
    let all = Broker::shared().consume(topic)?;
    Ok(all.into_iter().filter(|letter| letter.offset >= ends[letter.partition as usize]).collect())
}

/// The last header of a name: the original has one of the same name itself.
fn added(letter: &Consumed, name: &str) -> Option<String> {
    let (_, value) = letter.headers.iter().rfind(|(n, _)| n == name)?;
    Some(String::from_utf8_lossy(value.as_deref()?).into_owned())
}

#[test]
fn list_counts_what_waits_and_show_tells_all_of_one() -> Result<()> {
    let failed = Failed::new(100, "")?;
    // what is no dead letter, and another pipeline's
    let foreign = |name: &str| Record {
        headers: [("class", "trap"), ("pipeline", name), ("topic", "t"), ("partition", "0"), ("offset", "0")]
            .map(|(name, value)| (format!("edgemill.{name}"), Some(value.as_bytes().to_vec())))
            .to_vec(),
        ..Record::of("x").to(0)
    };
    Broker::shared().produce(&failed.pipeline.dead, [foreign("another"), Record::of("{\"b\":1,\"a\":[2]}").to(1)])?;

    let listed = failed.list(&[])?;
    let sums = ["waiting", "redriven", "other_pipelines", "not_dead_letters"].map(|name| listed[name].clone());
    assert_eq!(sums, [json!(90), json!(0), json!(1), json!(1)]);
    let kinds = listed["kinds"].as_array().context("kinds")?;
    let brief = kinds.iter().map(|kind| ["class", "code", "module", "waiting", "tries"].map(|key| kind[key].clone()));
    let brief = brief.collect::<Vec<_>>();
    assert_eq!(
        brief,
        [
            [json!("reject"), json!("poison"), json!("poison.wasm"), json!(60), json!(1)],
            [json!("trap"), json!("trap"), json!("poison.wasm"), json!(30), json!(1)],
        ]
    );
    assert_eq!(failed.list(&["--class", "trap", "--topic", &failed.pipeline.from, "--partition", "1"])?["waiting"], 20);
    assert_eq!(failed.list(&["--partition", "1", "--offset", "0..4"])?["waiting"], 5);
    assert_eq!(failed.list(&["--module", "other"])?["waiting"], 0);
    assert_eq!(failed.list(&["--to", "2020-01-01T00:00:00Z"])?["waiting"], 0);
    let text = command(&failed.host, LIST, &[])?;
    let text = String::from_utf8(text.out)?;
    println!("{text}");
    ensure!(text.contains("90 waiting, 1 of other pipelines, 1 that are no dead letters of edgemill's"), "{text}");

    let place = kinds[1]["example"].as_str().context("an example")?;
    let shown = command(&failed.host, SHOW, &[place])?;
    let text = String::from_utf8(shown.out)?;
    let parts = [
        format!("dead letter   {}/{} offset ", failed.pipeline.dead, &place[..1]),
        "waiting\n".to_owned(),
        "tried once\n".to_owned(),
        "why           trap (trap): trap: unreachable code was reached".to_owned(),
        "where         poison.wasm (".to_owned(),
        format!("original      {}/", failed.pipeline.from),
        jiff::Timestamp::from_millisecond(*SINCE)?.strftime(", %Y-%m-%dT%H:%M:").to_string(),
        "key           key ".to_owned(),
        "header        edgemill.class = null\n".to_owned(),
        "value\nT! ".to_owned(),
    ];
    println!("{text}");
    for part in parts {
        ensure!(text.contains(&part), "{part:?} is not in\n{text}");
    }
    // the one that failed first, of those that were refused
    let shown = command(&failed.host, SHOW, &["p", "--class", "reject"])?;
    ensure!(String::from_utf8_lossy(&shown.out).contains("value\nR! "), "{shown:?}");
    let end = Broker::shared().ends(&failed.pipeline.dead)?[1];
    let shown = command(&failed.host, SHOW, &[&format!("1/{}", end - 1)])?;
    let text = String::from_utf8(shown.out)?;
    ensure!(
        text.contains("no dead letter of edgemill's") && text.contains("{\n  \"b\": 1,\n  \"a\": [\n    2\n  ]\n}"),
        "{text}"
    );
    let shown = command(&failed.host, SHOW, &[&format!("1/{end}")])?;
    assert_eq!(shown.code, Some(1), "{}", shown.err);
    ensure!(shown.err.contains(&format!("has no offset {end}: it begins at 0 and ends at {end}")), "{}", shown.err);
    Ok(())
}

#[test]
fn promise_order_a_redrive_through_a_mended_module_leaves_nothing_behind() -> Result<()> {
    let failed = Failed::new(1000, "")?;
    failed.mend()?;
    let before = failed.ends()?;
    let dry = command(&failed.host, REDRIVE, &["--dry-run"])?;
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    let shown: Vec<Value> =
        String::from_utf8(dry.out)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<_>>()?;
    assert_eq!(shown.len(), 900);
    ensure!(shown.iter().all(|row| row["from"]["topic"] == failed.pipeline.from.as_str()));
    ensure!(
        dry.err.contains("900 dead letters tried again, 900 rows would come out, 0 would fail again"),
        "{}",
        dry.err
    );
    assert_eq!((failed.ends()?, failed.waiting()?), (before.clone(), 900), "a dry run changes nothing");

    let ended = command(&failed.host, REDRIVE, &[])?;
    assert_eq!((ended.code, ended.out.len()), (Some(0), 0), "{}", ended.err);
    ensure!(ended.err.contains("900 dead letters tried again, 900 rows delivered, 0 failed again"), "{}", ended.err);
    assert_eq!(failed.verdict()?, 0, "twice");
    assert_eq!((failed.ends()?.1, failed.waiting()?), (before.1, 0));
    assert_eq!(failed.list(&["--all"])?["redriven"], 900);

    let again = command(&failed.host, REDRIVE, &[])?;
    assert_eq!(again.code, Some(0), "{}", again.err);
    ensure!(again.err.contains("no dead letters wait"), "{}", again.err);
    Ok(())
}

#[test]
fn promise_commit_those_that_are_not_chosen_are_still_waiting_as_they_were() -> Result<()> {
    let failed = Failed::new(200, "")?;
    failed.mend()?;
    let (_, before) = failed.ends()?;
    let originals = Broker::shared().consume(&failed.pipeline.dead)?;
    let ended = command(&failed.host, REDRIVE, &["--class", "trap", "--rate", "1000/s"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ensure!(ended.err.contains("60 dead letters tried again, 60 rows delivered"), "{}", ended.err);
    ensure!(ended.err.contains("120 not chosen: put back"), "{}", ended.err);
    let listed = failed.list(&[])?;
    assert_eq!(
        (&listed["waiting"], &listed["kinds"][0]["class"], &listed["kinds"][0]["tries"]),
        (&json!(120), &json!("reject"), &json!(1))
    );

    // all of it as it was, and in the same order by key
    let bare = |letter: &Consumed| (letter.key.clone(), letter.value.clone(), letter.headers.clone(), letter.timestamp);
    let back: Vec<_> = letters_behind(&failed.pipeline.dead, &before)?.iter().map(bare).collect();
    let left = originals.iter().filter(|letter| added(letter, "edgemill.class").as_deref() == Some("reject"));
    assert_eq!(back, left.map(bare).collect::<Vec<_>>());

    let ended = command(&failed.host, REDRIVE, &[])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!((failed.waiting()?, failed.list(&["--all"])?["redriven"].as_u64()), (0, Some(180 + 120)));
    let rows = Broker::shared().consume(&failed.pipeline.to)?;
    assert_eq!(rows.len(), 200, "each once");
    Ok(())
}

#[test]
fn promise_one_what_fails_again_says_how_often_and_waits_for_the_next_time() -> Result<()> {
    let failed = Failed::new(100, "")?;
    for tries in 2..=3 {
        let (rows, ends) = failed.ends()?;
        let ended = command(&failed.host, REDRIVE, &[])?;
        assert_eq!(ended.code, Some(3), "{}", ended.err);
        ensure!(
            ended.err.contains("90 dead letters tried again, 0 rows delivered, 90 failed again (reject 60, trap 30)"),
            "{}",
            ended.err
        );
        let letters = letters_behind(&failed.pipeline.dead, &ends)?;
        assert_eq!(letters.len(), 90, "one for each, and no endless loop");
        for letter in &letters {
            assert_eq!(added(letter, "edgemill.tries"), Some(tries.to_string()));
            let n: usize = letter.header("n").context("a number")?.parse()?;
            let (sent, own) = (record(n), &letter.headers[..2]);
            assert_eq!(
                (&letter.key, &letter.value, own, letter.timestamp),
                (&sent.key, &sent.value, &sent.headers[..], sent.timestamp)
            );
            let place = ["topic", "partition", "offset"].map(|name| added(letter, &format!("edgemill.{name}")));
            let expected = [failed.pipeline.from.clone(), (n % PARTITIONS).to_string(), (n / PARTITIONS).to_string()];
            assert_eq!(place, expected.map(Some));
        }
        assert_eq!((failed.waiting()?, failed.ends()?.0), (90, rows));
    }
    assert_eq!(failed.list(&[])?["kinds"][0]["tries"], 3);
    let shown = command(&failed.host, SHOW, &[])?;
    ensure!(String::from_utf8_lossy(&shown.out).contains("tried 3 times"), "{shown:?}");
    // a dry run tells them with their places
    let before = failed.ends()?;
    let dry = command(&failed.host, REDRIVE, &["--dry-run", "--class", "trap"])?;
    assert_eq!((dry.code, dry.out.len()), (Some(3), 0), "{}", dry.err);
    let rejects: Vec<Value> = dry.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(rejects.len(), 30);
    ensure!(rejects.iter().all(|reject| reject["class"] == "trap" && reject["tries"] == 4), "{}", dry.err);
    assert_eq!(failed.ends()?, before);
    failed.mend()?;
    assert_eq!(command(&failed.host, REDRIVE, &[])?.code, Some(0));
    assert_eq!((failed.verdict()?, failed.waiting()?), (0, 0));
    Ok(())
}

#[test]
fn promise_ending_a_redrive_that_is_asked_to_end_goes_on_where_it_was() -> Result<()> {
    let failed = Failed::new(400, "")?;
    failed.mend()?;
    let begun = Broker::shared().ends(&failed.pipeline.to)?;
    let slow = begin(&failed.host, REDRIVE, &["--rate", "100/s"])?;
    wait_for("some rows", PATIENCE, || Ok((Broker::shared().ends(&failed.pipeline.to)? > begun).then_some(())))?;
    slow.signal(Signal::TERM)?;
    let ended = slow.wait()?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    ensure!(ended.err.contains("still waiting: start it again to go on"), "{}", ended.err);
    let left = failed.waiting()?;
    ensure!(left > 0 && left < 360, "{left}");
    assert_eq!(command(&failed.host, REDRIVE, &[])?.code, Some(0));
    assert_eq!((failed.verdict()?, failed.waiting()?), (0, 0), "nothing twice, and nothing left");
    Ok(())
}

/// Kills redrives in the middle until three have died, lets the next ones work, and checks that nothing is lost or still
/// waits. Gives how many rows came more than once.
fn killed(keys: &str) -> Result<usize> {
    let failed = Failed::new(600, keys)?;
    failed.mend()?;
    let arrived = || Ok::<_, anyhow::Error>(Broker::shared().ends(&failed.pipeline.to)?.iter().sum::<i64>());
    let mut kills = 0;
    while kills < 3 {
        // those that were refused are put back at first, so that putting back is killed as well
        let filter: &[&str] = if kills == 0 { &["--class", "trap"] } else { &[] };
        let moment = arrived()? + 40 + 17 * kills;
        let mut slow = begin(&failed.host, REDRIVE, &[&["--rate", "100/s"], filter].concat())?;
        wait_for("some rows", PATIENCE, || Ok((arrived()? >= moment || slow.has_ended()?).then_some(())))?;
        ensure!(!slow.has_ended()?, "it was through before it could be killed: {}", slow.wait()?.err);
        slow.signal(Signal::KILL)?;
        slow.wait()?;
        kills += 1;
    }
    let ended = command(&failed.host, REDRIVE, &[])?;
    assert_eq!((ended.code, failed.waiting()?), (Some(0), 0), "{}", ended.err);
    let rows = Broker::shared().consume(&failed.pipeline.to)?;
    let mut numbers: Vec<usize> = rows.iter().filter_map(|row| row.header("n")?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers, (0..failed.count).collect::<Vec<_>>(), "nothing is lost");
    Ok(rows.len() - failed.count)
}

#[test]
fn promise_commit_a_redrive_that_is_killed_loses_nothing() -> Result<()> {
    println!("at least once: {} rows came more than once", killed("")?);
    Ok(())
}

#[test]
fn promise_once_a_redrive_that_is_killed_repeats_and_loses_nothing() -> Result<()> {
    assert_eq!(killed("delivery = \"exactly-once\"")?, 0, "rows came more than once");
    Ok(())
}

#[test]
fn promise_once_redrives_in_transactions_choose_put_back_and_fail_again() -> Result<()> {
    let failed = Failed::new(200, "delivery = \"exactly-once\"")?;
    let ended = command(&failed.host, REDRIVE, &["--class", "trap"])?;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    ensure!(
        ended.err.contains("60 dead letters tried again, 0 rows delivered, 60 failed again (trap 60)"),
        "{}",
        ended.err
    );
    ensure!(ended.err.contains("120 not chosen: put back"), "{}", ended.err);
    let listed = failed.list(&[])?;
    let kinds = listed["kinds"].as_array().context("kinds")?;
    let brief: Vec<_> = kinds.iter().map(|kind| ["class", "waiting", "tries"].map(|key| kind[key].clone())).collect();
    assert_eq!(brief, [[json!("reject"), json!(120), json!(1)], [json!("trap"), json!(60), json!(2)]]);
    failed.mend()?;
    let dry = command(&failed.host, REDRIVE, &["--dry-run"])?;
    assert_eq!(dry.code, Some(0), "{}", dry.err);
    assert_eq!((String::from_utf8_lossy(&dry.out).lines().count(), failed.waiting()?), (180, 180));
    let ended = command(&failed.host, REDRIVE, &[])?;
    assert_eq!((ended.code, failed.waiting()?), (Some(0), 0), "{}", ended.err);
    let rows = Broker::shared().consume(&failed.pipeline.to)?;
    assert_eq!(rows.len(), 200, "each once");
    // a replay is at least once, and needs no transaction
    let ended = command(&failed.host, &["replay"], &["--from", "0=0", "--to", "0=10"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(Broker::shared().consume(&failed.pipeline.to)?.len(), 210);
    Ok(())
}

#[test]
fn two_redrives_at_once_do_no_harm() -> Result<()> {
    let failed = Failed::new(300, "")?;
    failed.mend()?;
    let begun = Broker::shared().ends(&failed.pipeline.to)?;
    let first = begin(&failed.host, REDRIVE, &["--rate", "20/s"])?;
    wait_for("some rows", PATIENCE, || Ok((Broker::shared().ends(&failed.pipeline.to)? > begun).then_some(())))?;
    let second = command(&failed.host, REDRIVE, &[])?;
    assert_eq!(second.code, Some(1), "{}", second.err);
    ensure!(second.err.contains("another redrive is at work"), "{}", second.err);
    first.signal(Signal::TERM)?;
    assert_eq!(first.wait()?.code, Some(1));
    assert_eq!(command(&failed.host, REDRIVE, &[])?.code, Some(0));
    assert_eq!((failed.verdict()?, failed.waiting()?), (0, 0));
    ensure!(Broker::shared().committed(&failed.redrive_group(), &failed.pipeline.dead)?.iter().any(Option::is_some));
    Ok(())
}

#[test]
fn two_redrives_that_begin_together_share_the_work_or_one_gives_up() -> Result<()> {
    let failed = Failed::new(300, "")?;
    failed.mend()?;
    let both = [0, 1].map(|_| begin(&failed.host, REDRIVE, &["--rate", "100/s"]));
    for one in both {
        let ended = one?.wait()?;
        println!("{:?}: {}", ended.code, ended.err);
        ensure!(ended.code == Some(0) || ended.err.contains("another redrive"), "{}", ended.err);
    }
    assert_eq!(command(&failed.host, REDRIVE, &[])?.code, Some(0));
    assert_eq!((failed.verdict()?, failed.waiting()?), (0, 0));
    Ok(())
}

#[test]
fn a_pipeline_without_dead_letters_and_a_topic_that_is_not_there_are_told() -> Result<()> {
    let mut pipeline = Pipeline::new("undead", 1)?;
    let dead = std::mem::take(&mut pipeline.dead);
    let on = "workers = 1\non = { reject = \"skip\", fault = \"skip\" }";
    let host = pipeline.host(on, &[POISON]).module("poison.wasm", modules::hostile("poison")?).start()?;
    for command_line in [LIST, SHOW, REDRIVE] {
        let ended = command(&host, command_line, &[])?;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        ensure!(ended.err.contains("the pipeline p has no dead-letter topic"), "{}", ended.err);
    }
    pipeline.dead = format!("{dead}-not-there");
    let host = pipeline.host("workers = 1", &[POISON]).module("poison.wasm", modules::hostile("poison")?).start()?;
    let ended = command(&host, LIST, &[])?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    ensure!(ended.err.contains(&format!("there is no topic {dead}-not-there at")), "{}", ended.err);
    Ok(())
}
