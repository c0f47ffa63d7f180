//! What the examples say when something is refused: where, why and what to do, soon, with the right exit code and no secret.

use std::time::Duration;

use anyhow::{Result, ensure};
use edgemill_tests::example;
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD};
use edgemill_tests::host::Builder;
use edgemill_tests::secure::{FORBIDDEN_GROUP, HIDDEN, UNREADABLE};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Record, SecureBroker, unique};

use super::examples::{lz4_consumer, pageviews, pageviews_broker};
use super::kafka_errors::ends;

/// The default of `unreachable_after` is a minute: none of these waits for it.
const SOON: Duration = Duration::from_secs(25);

#[test]
fn pageviews_with_wrong_credentials_or_another_authority_end_with_the_place_and_the_remedy() -> Result<()> {
    let (broker, cloud) = (pageviews_broker(), Featurebase::start(Faults::default())?);
    let place = broker.tls_address();
    let host = |name: &str, value: &str| anyhow::Ok(pageviews(&cloud, &unique("group"))?.env(name, value).spawn()?);
    let password = "not-bobs-secret";
    ends(
        host("KAFKA_PASSWORD", password)?,
        SOON,
        &[&place, "PLAIN as \"bob\"", "authentication", "check the sasl"],
        password,
    )?;
    let rogue = broker.certificate("rogue-ca.crt");
    let says = [&*place, "certificate of the brokers is not trusted", "must be the authority", "another name"];
    ends(host("KAFKA_CA", &rogue)?, SOON, &says, "bob-secret")?;
    let says = [&*place, "certificate of the brokers is not trusted", "name the authority", "ssl.ca.location"];
    ends(host("KAFKA_CA", "probe")?, SOON, &says, "bob-secret")?;
    ensure!(cloud.is_empty());
    Ok(())
}

#[test]
fn pageviews_to_an_endpoint_that_is_none_or_with_a_refused_login_end_with_the_place_and_the_remedy() -> Result<()> {
    let cloud = Featurebase::start(Faults::default())?;
    let host = |name: &str, value: &str| anyhow::Ok(pageviews(&cloud, &unique("group"))?.env(name, value).spawn()?);
    let elsewhere = cloud.endpoint().replace("flights", "no-such-sink");
    ends(host("FEATUREBASE_ENDPOINT", &elsewhere)?, SOON, &[&elsewhere, "404", "correct the address"], PASSWORD)?;
    let says = [&*cloud.login_url(), "was refused", "correct `username` and `password`"];
    ends(host("FEATUREBASE_PASSWORD", "not-anns-password")?, SOON, &says, "not-anns-password")?;
    ensure!(cloud.is_empty());
    Ok(())
}

/// The example's text without some lines, or with other words in them.
fn changed(change: impl Fn(&str) -> Option<String>) -> Result<String> {
    let text = example::text("lz4-consumer", "edgemill.toml")?;
    let changed: Vec<String> = text.lines().filter_map(&change).collect();
    ensure!(changed.join("\n") != text.trim_end(), "nothing was changed");
    Ok(changed.join("\n") + "\n")
}

#[test]
fn lz4_consumer_with_wrong_credentials_or_certificates_ends_with_the_place_and_the_remedy() -> Result<()> {
    let broker = SecureBroker::shared();
    let (place, topic) = (broker.mutual_address(), broker.topic("lz4", 1)?);
    let text = example::text("lz4-consumer", "edgemill.toml")?;
    let host = |text: &str| lz4_consumer(text, &topic, &unique("group"));
    let password = "not-alices-secret";
    let says = [&*place, "SCRAM-SHA-512 as \"alice\"", "authentication", "check the sasl"];
    ends(host(&text).env("KAFKA_PASSWORD", password).spawn()?, SOON, &says, password)?;

    let authority = host(&text).env("KAFKA_CA", broker.certificate("rogue-ca.crt"));
    ends(
        authority.spawn()?,
        SOON,
        &[&place, "certificate of the brokers is not trusted", "ssl.ca.pem"],
        "ssl.endpoint",
    )?;
    let named = changed(|line| Some(line.replace("\"none\"", "\"https\"")))?;
    let says = [&*place, "ssl.ca.pem", "for another name", "ssl.endpoint.identification.algorithm = \"none\""];
    ends(host(&named).spawn()?, SOON, &says, "alice-secret")?;

    let without =
        |line: &str| (!["ssl.certificate", "ssl.key"].iter().any(|key| line.starts_with(key))).then(|| line.to_owned());
    let says = [&*place, "want a certificate of this client", "ssl.certificate.location"];
    ends(host(&changed(without)?).spawn()?, SOON, &says, "alice-secret")?;
    let foreign = host(&text)
        .env("KAFKA_CERTIFICATE", broker.certificate("rogue-client.crt"))
        .env("KAFKA_KEY", broker.certificate("rogue-client.key"));
    ends(foreign.spawn()?, SOON, &[&place, "refuse this client's certificate", "ssl.certificate"], "PRIVATE KEY")?;
    let no_pair = host(&text).env("KAFKA_KEY", broker.certificate("rogue-client.key"));
    ends(no_pair.spawn()?, SOON, &["do not belong together", "name a pair"], "PRIVATE KEY")
}

#[test]
fn lz4_consumer_of_a_topic_or_in_a_group_that_is_forbidden_ends_and_says_to_whom() -> Result<()> {
    let broker = SecureBroker::shared();
    let (text, place, free) =
        (example::text("lz4-consumer", "edgemill.toml")?, broker.mutual_address(), broker.topic("lz4", 1)?);
    let forbidden = FORBIDDEN_GROUP.trim_start_matches("alice-");
    let user = "SCRAM-SHA-512 as \"alice\"";
    for (topic, group, says) in [
        (HIDDEN, &*unique("group"), [HIDDEN, "Topic authorization failed"]),
        (UNREADABLE, &*unique("group"), [UNREADABLE, "Topic authorization failed"]),
        (&*free, forbidden, [FORBIDDEN_GROUP, "begins with the user's name"]),
    ] {
        let says = [&says[..], &[&*place, user, "have it allowed"]].concat();
        ends(lz4_consumer(&text, topic, group).spawn()?, SOON, &says, "alice-secret")?;
    }
    Ok(())
}

/// A sink on the listener with TLS, for a topic that may be seen and not written.
const UNWRITABLE: &str = r#"
[pipelines.write.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
[pipelines.write.sink]
type = "kafka"
brokers = "@tls@"
topic = "unreadable"
[pipelines.write.sink.librdkafka]
security.protocol = "SASL_SSL"
sasl.mechanism = "PLAIN"
sasl.username = "bob"
sasl.password = "${PASSWORD}"
ssl.ca.location = "@ca@"
"#;

#[test]
fn a_topic_that_may_not_be_written_ends_the_program_and_is_named() -> Result<()> {
    let (source, broker) = (Broker::shared(), SecureBroker::shared());
    let from = source.topic("from", 1)?;
    source.produce(&from, [Record::of("x")])?;
    let host: Builder = [
        ("brokers", source.address()),
        ("from", from),
        ("group", unique("group")),
        ("tls", broker.tls_address()),
        ("ca", broker.certificate("ca.crt")),
    ]
    .into_iter()
    .fold(edgemill_tests::Host::builder(UNWRITABLE), |host, (name, value)| host.set(name, value));
    let says = [&*broker.tls_address(), UNREADABLE, "PLAIN as \"bob\"", "have it allowed"];
    ends(host.env("PASSWORD", "bob-secret").spawn()?, SOON, &says, "bob-secret")
}

#[test]
fn what_is_wrong_with_dotenv_and_files_is_told_before_anything_starts() -> Result<()> {
    let mut host = example::host("passthrough")?.file(".env", "INPUT_TOPIC=a\nKAFKA_BROKERS='swordfish\n").spawn()?;
    assert_eq!(host.wait(PATIENCE)?.code(), Some(2));
    let log = host.log();
    for part in [".env:2:15", "not closed", "same line"] {
        ensure!(log.contains(part), "no {part:?} in {log}");
    }
    ensure!(!log.contains("swordfish"), "a value is shown: {log}");

    let text = example::text("lz4-consumer", "edgemill.toml")?;
    let mut host = lz4_consumer(&text, "topic", "group").env("KAFKA_KEY", "no-such.key").spawn()?;
    assert_eq!(host.wait(PATIENCE)?.code(), Some(2));
    ensure!(
        host.log().contains("no-such.key") && host.log().contains("relative to the configuration"),
        "{}",
        host.log()
    );

    let mut host = example::host("pageviews")?.spawn()?;
    assert_eq!(host.wait(PATIENCE)?.code(), Some(2));
    ensure!(host.log().contains("`KAFKA_BROKERS` is not set") && host.log().contains(".env"), "{}", host.log());
    Ok(())
}
