//! Partitions that move between hosts while a sink by HTTP has rows of theirs: what a destination has in the end is what came last.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edgemill_tests::database::Database;
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD, USERNAME};
use edgemill_tests::host::Builder;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, ByHttp, Host, Record, scale, unique, wait_for};
use serde_json::{Value, json};

const CONFIG: &str = r#"
modules = "@modules@"
grace = "1 s"
[pipelines.p]
workers = 1
[pipelines.p.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
start = "earliest"
librdkafka = { "client.id" = "@client@", "partition.assignment.strategy" = "range", "session.timeout.ms" = 6000 }
[pipelines.p.sink]
type = "featurebase-cloud"
endpoint = "@endpoint@"
login_url = "@login@"
username = "${FB_USER}"
password = "${FB_PASSWORD}"
batch = { age = "50 ms" }
timeout = "10 min"
[pipelines.p.dead-letter]
topic = "@letters@"
"#;

/// A partition, and those that may have it.
struct Move {
    cloud: Featurebase,
    from: String,
    letters: String,
    group: String,
}

impl Move {
    fn new() -> Result<Self> {
        let (broker, cloud) = (Broker::shared(), Featurebase::start(Faults::default())?);
        Ok(Self {
            cloud,
            from: broker.topic("moves", 1)?,
            letters: broker.topic("letters", 1)?,
            group: unique("moves"),
        })
    }

    /// The group gives the partition to the member whose name comes first.
    fn host(&self, client: &str) -> Builder {
        Host::builder(CONFIG)
            .set("brokers", Broker::shared().address())
            .set("from", &self.from)
            .set("group", &self.group)
            .set("client", client)
            .set("endpoint", self.cloud.endpoint())
            .set("login", self.cloud.login_url())
            .env("FB_USER", USERNAME)
            .env("FB_PASSWORD", PASSWORD)
            .set("letters", &self.letters)
    }

    fn produce(&self, n: usize) -> Result<()> {
        Broker::shared().produce(&self.from, [Record::of(json!({ "id": "a", "n": n }).to_string())])
    }

    fn n(&self) -> Option<u64> {
        self.cloud.row("a")?.row["n"].as_u64()
    }

    fn arrives(&self, n: u64) -> Result<()> {
        wait_for(&format!("row {n} is there"), PATIENCE, || Ok((self.n() == Some(n)).then_some(())))
    }
}

#[test]
fn promise_order_a_row_whose_partition_went_while_a_login_hung_is_not_sent_after_its_next_owners() -> Result<()> {
    let moves = Move::new()?;
    let mut first = moves.host("zzz").start()?;
    moves.produce(1)?;
    moves.arrives(1)?;
    // its token ends, and its next login takes longer than anybody waits for it
    moves.cloud.hang_login();
    moves.cloud.expire_tokens();
    moves.produce(2)?;
    wait_for("the login hangs", PATIENCE, || Ok(moves.cloud.login_hangs().then_some(())))?;
    let mut second = moves.host("aaa").start()?;
    moves.arrives(2)?;
    moves.produce(3)?;
    moves.arrives(3)?;
    let tries = || -> Result<f64> { Ok(first.metrics()?.sum("edgemill_http_requests_total", &[])) };
    ensure!(tries()? == 1.0 && moves.cloud.logins() == 2, "the try with the second row is over already");
    moves.cloud.let_login_go();
    wait_for("that try is over", PATIENCE, || Ok((tries()? == 2.0).then_some(())))?;
    ensure!(first.stop()?.success() && second.stop()?.success(), "{}\n{}", first.log(), second.log());
    let kept = moves.cloud.row("a").context("the row")?;
    ensure!(kept.row["n"] == 3 && kept.times == 3, "{kept:?}: an older row came over a newer one\n{}", first.log());
    Ok(())
}

const TABLE: &str = r#"
type = "featurebase"
url = "@url@"
table = "@table@"
id = "{key}"
create_table = true
columns = { n = "int" }
batch = { records = 100, age = "50 ms" }
timeout = "1 s"
"#;

const PARTITIONS: usize = 4;
const KEYS: usize = 40;

#[test]
fn promise_order_each_key_has_its_newest_row_while_partitions_move_and_the_server_stalls() -> Result<()> {
    let faults = Faults { seed: 21, one_in: 5, stall: Duration::from_millis(1500), ..Faults::default() };
    let (pipeline, database) = (ByHttp::new("moves", PARTITIONS as i32)?, Database::imitated(faults)?);
    let host = || pipeline.host(1, &[], TABLE).set("url", database.url()).set("table", &database.table);
    let (count, mut produced) = (scale(2_000, 20_000), 0);
    let record = |n: usize| {
        let key = n % KEYS;
        Record::of(json!({ "n": n }).to_string()).keyed(format!("k{key}")).to((key % PARTITIONS) as i32)
    };
    let mut hosts = vec![host().start()?];
    // another one comes, one of two goes in order, or is killed
    for change in ["comes", "goes", "comes", "is killed", "comes", "goes"] {
        Broker::shared().produce(&pipeline.from, (produced..produced + count).map(record))?;
        let half = produced + count / 2;
        let newest = || database.rows().unwrap_or_default().values().filter_map(|row| row[0].as_u64()).max();
        wait_for("half of it is there", PATIENCE * 4, || Ok((newest() >= Some(half as u64)).then_some(())))?;
        produced += count;
        match change {
            "comes" => hosts.push(host().start()?),
            "goes" => ensure!(hosts.remove(0).stop()?.success()),
            _ => hosts.remove(0).kill(),
        }
    }
    pipeline.wait_for_end()?;
    for host in &mut hosts {
        ensure!(host.stop()?.success(), "{}", host.log());
    }
    let wanted: BTreeMap<String, Vec<Value>> =
        (produced - KEYS..produced).map(|n| (format!("k{}", n % KEYS), vec![json!(n)])).collect();
    let (rows, answers) = (database.rows()?, database.stand_in().map(Featurebase::answers).unwrap_or_default());
    println!("{produced} records, answers {answers:?}");
    ensure!(rows == wanted, "{rows:?} instead of {wanted:?}");
    ensure!(["stalled", "TakenAndGone"].iter().all(|way| answers.contains_key(*way)), "{answers:?}");
    ensure!(pipeline.dead_letters()?.is_empty());
    Ok(())
}
