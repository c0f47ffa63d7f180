//! FeatureBase Cloud and other services by HTTP: rows by batches, to a stand-in that fails in all the ways that are known.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, ByHttp, Record, scale, wait_for};
use serde_json::json;

const PARTITIONS: i32 = 4;

const CLOUD: &str = r#"
batch = { records = 500, age = "200 ms" }
timeout = "2 s"
compression = "gzip"
"#;

const PLAIN: &str = r#"
type = "http"
url = "@url@"
format = "ndjson"
headers = { x-team = "flights" }
batch = { records = 100, age = "200 ms" }
refused = { list = "/errors", row = "/row", message = "/why" }
"#;

/// What becomes of record n.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Row,
    /// It is no JSON object.
    NoRow,
    /// The destination refuses it by itself.
    Refused,
    /// The destination refuses the request that it is in.
    Spoils,
}

fn fate(n: usize) -> Fate {
    match (n % 1009, n % 5003) {
        (17, _) => Fate::NoRow,
        (190 | 191, _) => Fate::Refused,
        (_, 700) => Fate::Spoils,
        _ => Fate::Row,
    }
}

fn record(n: usize) -> Record {
    let partition = n as i32 % PARTITIONS;
    let mut row = json!({ "id": n.to_string(), "partition": partition, "n": n });
    match fate(n) {
        Fate::Row => {}
        Fate::NoRow => return Record::of(format!("[{n}]")).to(partition),
        Fate::Refused => row["refuse"] = true.into(),
        Fate::Spoils => row["spoil"] = true.into(),
    }
    Record::of(row.to_string()).to(partition).keyed(n.to_string())
}

fn offsets(count: usize, is: impl Fn(Fate) -> bool) -> BTreeSet<usize> {
    (0..count).filter(|&n| is(fate(n))).collect()
}

/// The numbers of the records whose dead letters these are, and how many there are of some more than once.
fn lettered(pipeline: &ByHttp) -> Result<(BTreeSet<usize>, usize)> {
    let letters = pipeline.dead_letters()?;
    let mut numbers = BTreeSet::new();
    for letter in &letters {
        let number = |name: &str| letter.header(name).and_then(|text| text.parse::<usize>().ok());
        let (Some(partition), Some(offset)) = (number("edgemill.partition"), number("edgemill.offset")) else {
            anyhow::bail!("a dead letter without its place: {letter:?}");
        };
        let n = offset * PARTITIONS as usize + partition;
        let (class, message) = (letter.header("edgemill.class"), letter.header("edgemill.message").unwrap_or_default());
        let expected = match fate(n) {
            Fate::Row => anyhow::bail!("record {n} is good, and there is a dead letter: {message}"),
            Fate::NoRow => ("encode", "not an object"),
            Fate::Refused => ("refused", "it says refuse"),
            Fate::Spoils => ("refused", "misses a field"),
        };
        ensure!(
            class.as_deref() == Some(expected.0) && message.contains(expected.1),
            "record {n}: {class:?}, {message}"
        );
        numbers.insert(n);
    }
    let repeated = letters.len() - numbers.len();
    Ok((numbers, repeated))
}

#[test]
fn promise_commit_every_row_is_in_the_cloud_once_by_its_id_while_it_fails_in_every_way_and_hosts_are_killed()
-> Result<()> {
    let (pipeline, count) = (ByHttp::new("cloud", PARTITIONS)?, scale(100_000, 1_000_000));
    let (stall, token) = (Duration::from_millis(2500), Duration::from_secs(3));
    let faults = Faults { seed: 6, one_in: 10, stall, token, ..Faults::default() };
    let cloud = Featurebase::start(faults)?;
    Broker::shared().produce(&pipeline.from, (0..count).map(record))?;
    let begun = Instant::now();
    let mut host = pipeline.to_cloud(2, &cloud, CLOUD).start()?;
    for share in [4, 2] {
        wait_for("a share is there", PATIENCE * 4, || Ok((cloud.len() >= count / share).then_some(())))?;
        host.kill();
        host.spawn_again()?;
    }
    pipeline.wait_for_end()?;
    let most = host.most_memory()? >> 20;
    // small records: what is kept for each of them is many times its bytes
    ensure!(most < 150, "{most} MiB");
    ensure!(host.stop()?.success(), "{}", host.log());
    let rows = cloud.rows();
    let expected = offsets(count, |fate| fate == Fate::Row);
    ensure!(rows.len() == expected.len(), "{} rows of {}", rows.len(), expected.len());
    ensure!(expected.iter().all(|n| rows.contains_key(&n.to_string())), "others than the good ones are there");
    let (lettered, repeated) = lettered(&pipeline)?;
    ensure!(lettered == offsets(count, |fate| fate != Fate::Row), "{} records are dead letters", lettered.len());
    let again: u32 = rows.values().map(|kept| kept.times - 1).sum();
    println!("{count} records in {:?}, {most} MiB at the most in the last life", begun.elapsed());
    println!("{again} rows and {repeated} dead letters came again; answers {:?}", cloud.answers());
    ensure!(cloud.largest() <= 500 && cloud.largest() > 100, "the largest request had {} rows", cloud.largest());
    ensure!(cloud.logins() > 1, "the token was never renewed");
    let bodies: Vec<_> = cloud.bodies().into_keys().collect();
    let [login, rows] = ["POST /login application/json", "POST /v2/sinks/flights application/json gzip"];
    ensure!(bodies == [login, rows], "{bodies:?}");
    let ways = ["401", "400", "429", "503", "Gone", "TakenAndGone", "stalled", "Reset"];
    ensure!(
        ways.iter().all(|way| cloud.answers().contains_key(*way)),
        "not every way was tried: {:?}",
        cloud.answers()
    );
    cloud.in_order()
}

#[test]
fn rows_go_to_a_plain_service_in_lines_and_those_that_it_refuses_are_dead_letters() -> Result<()> {
    let pipeline = ByHttp::new("plain", PARTITIONS)?;
    let service = Featurebase::start(Faults::default())?;
    let count = 5_000;
    let plain = |n: &usize| fate(*n) != Fate::Spoils && fate(*n) != Fate::NoRow;
    let sent: Vec<usize> = (0..count).filter(plain).collect();
    Broker::shared().produce(&pipeline.from, sent.iter().map(|n| record(*n)))?;
    let mut host = pipeline.host(1, &[], PLAIN).set("url", service.plain_url()).start()?;
    pipeline.wait_for_end()?;
    ensure!(host.stop()?.success());
    let good = sent.iter().filter(|n| fate(**n) == Fate::Row).count();
    ensure!(service.len() == good && service.rows().values().all(|kept| kept.times == 1), "{} rows", service.len());
    ensure!(pipeline.dead_letters()?.len() == sent.len() - good);
    ensure!(service.largest() == 100, "the largest request had {} rows", service.largest());
    let bodies: Vec<_> = service.bodies().into_keys().collect();
    ensure!(bodies == ["POST /plain application/x-ndjson"], "{bodies:?}");
    service.in_order()
}

#[test]
fn a_token_that_is_revoked_is_renewed_once_for_all_workers_and_their_requests() -> Result<()> {
    let (pipeline, count) = (ByHttp::new("revoked", PARTITIONS)?, 20_000);
    let cloud = Featurebase::start(Faults::default())?;
    let good: Vec<usize> = (0..count).filter(|n| fate(*n) == Fate::Row).collect();
    let (before, after) = good.split_at(good.len() / 2);
    let batch = "batch = { records = 20, age = \"200 ms\" }\nwindow = 4";
    let mut host = pipeline.to_cloud(2, &cloud, batch).start()?;
    Broker::shared().produce(&pipeline.from, before.iter().map(|n| record(*n)))?;
    pipeline.wait_for_end()?;
    ensure!(cloud.logins() == 1 && !cloud.answers().contains_key("401"), "{} logins", cloud.logins());
    cloud.expire_tokens();
    Broker::shared().produce(&pipeline.from, after.iter().map(|n| record(*n)))?;
    pipeline.wait_for_end()?;
    ensure!(host.stop()?.success(), "{}", host.log());
    let (logins, answers) = (cloud.logins(), cloud.answers());
    println!("{logins} logins, answers {answers:?}");
    ensure!(logins == 2 && answers["401"] >= 1, "{logins} logins, answers {answers:?}");
    ensure!(cloud.len() == good.len() && cloud.rows().values().all(|kept| kept.times == 1), "{} rows", cloud.len());
    cloud.in_order()
}

#[test]
fn a_login_that_is_refused_and_an_endpoint_that_is_none_end_the_host_with_a_remedy() -> Result<()> {
    let pipeline = ByHttp::new("cloud", 1)?;
    let cloud = Featurebase::start(Faults::default())?;
    let refused =
        "was refused, status 400 Bad Request: Incorrect username or password.; correct `username` and `password`";
    let cases = [
        ("FB_PASSWORD", "wrong".to_owned(), refused),
        ("FB_ENDPOINT", format!("{}x", cloud.endpoint()), "correct the address"),
    ];
    for (variable, value, message) in cases {
        // the login is tried before there is a row, the endpoint with the first
        if variable == "FB_ENDPOINT" {
            Broker::shared().produce(&pipeline.from, [record(0)])?;
        }
        let mut host = pipeline.in_group("cloud").to_cloud(2, &cloud, CLOUD).env(variable, value).spawn()?;
        let status = host.wait(PATIENCE)?;
        ensure!(status.code() == Some(1), "{status}: {}", host.log());
        ensure!(host.log().contains(message), "{}", host.log());
        ensure!(!host.log().contains(PASSWORD) && !host.log().contains("\"wrong\""), "{}", host.log());
    }
    ensure!(cloud.is_empty());
    Ok(())
}
