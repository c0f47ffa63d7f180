//! The examples on a cluster with passwords, certificates and access lists, as their readers make them for it: what is refused
//! ends each of them soon with code 1, and is told with the place and the remedy.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edgemill::generate::{Flights, Generate};
use edgemill_tests::database::Database;
use edgemill_tests::example;
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD, USERNAME};
use edgemill_tests::host::Builder;
use edgemill_tests::secure::{HIDDEN, UNREADABLE};
use edgemill_tests::{Record, SecureBroker, unique};

use super::examples::pageviews_broker;
use super::kafka_errors::ends;

/// None of these waits for brokers to come back.
const SOON: Duration = Duration::from_secs(25);

const FLIGHTS: Example = Example { name: "flights", file: "edgemill.toml", pipeline: "flights" };
const SERVER: Example = Example { name: "flights", file: "server.toml", pipeline: "flights-server" };
const PAGEVIEWS: Example = Example { name: "pageviews", file: "edgemill.toml", pipeline: "pageviews" };
const PASSTHROUGH: Example = Example { name: "passthrough", file: "edgemill.toml", pipeline: "passthrough" };
const STREAM_PROCESSOR: Example =
    Example { name: "stream-processor", file: "edgemill.toml", pipeline: "stream-processor" };

/// What is written for the listener with passwords over TLS.
const PASSWORDS: &str = r#"
security.protocol = "SASL_SSL"
sasl.mechanism = "PLAIN"
sasl.username = "bob"
sasl.password = "${KAFKA_PASSWORD}"
ssl.ca.location = "${KAFKA_CA}"
"#;

/// A configuration, and the pipeline in it.
#[derive(Clone, Copy)]
struct Example {
    name: &'static str,
    file: &'static str,
    pipeline: &'static str,
}

/// What all of them reach, and a topic that may be read.
struct World {
    broker: &'static SecureBroker,
    cloud: Featurebase,
    topic: String,
}

impl Example {
    /// Its text with more options of the source, which sinks and dead letters take over.
    fn with(self, options: &str) -> Result<String> {
        let text = example::text(self.name, self.file)?;
        let head = format!("[pipelines.{}.source.librdkafka]\n", self.pipeline);
        Ok(match text.contains(&head) {
            true => text.replace(&head, &format!("{head}{options}")),
            false => format!("{text}\n{head}{options}"),
        })
    }

    /// Its text for the listener with passwords; one has it already.
    fn secured(self) -> Result<String> {
        self.with(if self.name == PAGEVIEWS.name { "" } else { PASSWORDS })
    }
}

impl World {
    fn new() -> Result<Self> {
        let broker = pageviews_broker();
        let (cloud, topic) = (Featurebase::start(Faults::default())?, broker.topic("refused", 1)?);
        Ok(Self { broker, cloud, topic })
    }

    /// A host with what is right in all variables of the examples, of which each takes its own.
    fn host(&self, text: &str) -> Builder {
        let (topic, output) = (self.topic.as_str(), "refused-output");
        let all = [
            ("KAFKA_BROKERS", self.broker.tls_address()),
            ("KAFKA_PASSWORD", "bob-secret".to_owned()),
            ("KAFKA_USERNAME", "bob".to_owned()),
            ("KAFKA_CA", self.broker.certificate("ca.crt")),
            ("KAFKA_GROUP", unique("group")),
            ("FEATUREBASE_ENDPOINT", self.cloud.endpoint()),
            ("FEATUREBASE_LOGIN_URL", self.cloud.login_url()),
            ("FEATUREBASE_USERNAME", USERNAME.to_owned()),
            ("FEATUREBASE_PASSWORD", PASSWORD.to_owned()),
            ("FEATUREBASE_URL", self.cloud.server_url()),
            ("FEATUREBASE_TABLE", unique("table")),
        ];
        let topics = [
            ("KAFKA_TOPIC", topic),
            ("INPUT_TOPIC", topic),
            ("OUTPUT_TOPIC", output),
            ("DEAD_LETTER_TOPIC", "refused-letters"),
        ];
        let host = all.into_iter().fold(example::builder(text), |host, (name, value)| host.env(name, value));
        topics.into_iter().fold(host, |host, (name, value)| host.env(name, value))
    }

    fn refuses_credentials_and_certificates_of(&self, example: Example) -> Result<()> {
        let (text, place) = (example.secured()?, self.broker.tls_address());
        let password = "not-bobs-secret";
        let says = [&*place, "PLAIN as \"bob\"", "authentication", "check the sasl"];
        ends(self.host(&text).env("KAFKA_PASSWORD", password).spawn()?, SOON, &says, password)?;

        let says = [&*place, "certificate of the brokers is not trusted", "must be the authority", "another name"];
        let rogue = self.broker.certificate("rogue-ca.crt");
        ends(self.host(&text).env("KAFKA_CA", rogue).spawn()?, SOON, &says, "bob-secret")?;
        self.refuses_clients_without_a_certificate(example)
    }

    fn refuses_clients_without_a_certificate(&self, example: Example) -> Result<()> {
        let (text, place) = (example.secured()?, self.broker.mutual_address());
        // that listener's certificate is for another name
        let text = text.replace("ssl.ca.location", "ssl.endpoint.identification.algorithm = \"none\"\nssl.ca.location");
        let says = [&*place, "want a certificate of this client", "ssl.certificate.location"];
        ends(self.host(&text).env("KAFKA_BROKERS", place.clone()).spawn()?, SOON, &says, "bob-secret")
    }

    /// `reads` makes the host that reads a topic.
    fn refuses_to_read_by(&self, reads: impl Fn(&str) -> Builder) -> Result<()> {
        for topic in [HIDDEN, UNREADABLE] {
            let place = self.broker.tls_address();
            let says = [topic, "Topic authorization failed", &*place, "PLAIN as \"bob\"", "have it allowed"];
            ends(reads(topic).spawn()?, SOON, &says, "bob-secret").with_context(|| format!("reading {topic}"))?;
        }
        Ok(())
    }

    fn refuses_to_read(&self, example: Example) -> Result<()> {
        let text = example.secured()?;
        self.refuses_to_read_by(|topic| self.host(&text).env("KAFKA_TOPIC", topic).env("INPUT_TOPIC", topic))
    }

    /// The host ends because it may not write a topic, and says which.
    fn refuses_to_write(&self, host: Builder) -> Result<()> {
        let says = [UNREADABLE, &*self.broker.tls_address(), "PLAIN as \"bob\"", "have it allowed"];
        ends(host.spawn()?, SOON, &says, "bob-secret")
    }

    fn produce(&self, value: &str) -> Result<()> {
        self.broker.produce(&self.topic, [Record::of(value)])
    }
}

#[test]
fn flights_on_a_secured_cluster_ends_where_credentials_certificates_or_topics_are_refused() -> Result<()> {
    let world = World::new()?;
    world.refuses_credentials_and_certificates_of(FLIGHTS)?;
    world.refuses_to_read(FLIGHTS)?;
    ensure!(world.cloud.is_empty());
    world.produce("no flight")?;
    let letters = "\"${KAFKA_TOPIC:-flights}.dead-letter\"";
    let text = FLIGHTS.secured()?.replace(letters, &format!("\"{UNREADABLE}\""));
    world.refuses_to_write(world.host(&text))
}

#[test]
fn flights_to_a_server_on_a_secured_cluster_ends_where_credentials_certificates_or_topics_are_refused() -> Result<()> {
    let world = World::new()?;
    world.refuses_credentials_and_certificates_of(SERVER)?;
    world.refuses_to_read(SERVER)
}

#[test]
fn passthrough_on_a_secured_cluster_ends_where_credentials_certificates_or_topics_are_refused() -> Result<()> {
    let world = World::new()?;
    world.refuses_credentials_and_certificates_of(PASSTHROUGH)?;
    world.refuses_to_read(PASSTHROUGH)?;
    world.produce("x")?;
    world.refuses_to_write(world.host(&PASSTHROUGH.secured()?).env("OUTPUT_TOPIC", UNREADABLE))
}

#[test]
fn stream_processor_on_a_secured_cluster_ends_where_credentials_certificates_or_topics_are_refused() -> Result<()> {
    let world = World::new()?;
    world.refuses_credentials_and_certificates_of(STREAM_PROCESSOR)?;
    world.refuses_to_read(STREAM_PROCESSOR)?;
    world.produce("{\"id\":\"x\"}")?;
    let text = STREAM_PROCESSOR.secured()?;
    world.refuses_to_write(world.host(&text).env("DEAD_LETTER_TOPIC", UNREADABLE))?;
    world.broker.create_topic("refused-letters", 1, &[])?;
    world.produce("{\"id\":\"x\",\"value\":7}")?;
    world.refuses_to_write(world.host(&text).env("OUTPUT_TOPIC", UNREADABLE))?;
    // the second of its outputs
    world.broker.create_topic("refused-output", 1, &[])?;
    world.produce("{\"id\":\"x\",\"value\":700}")?;
    world.refuses_to_write(world.host(&text.replace("events-high", UNREADABLE)))
}

#[test]
fn pageviews_without_a_certificate_or_of_a_forbidden_topic_ends_with_the_place_and_the_remedy() -> Result<()> {
    let world = World::new()?;
    world.refuses_clients_without_a_certificate(PAGEVIEWS)?;
    let text = PAGEVIEWS.secured()?;
    let topics = "\"pageviews\", \"pageviews-mobile\"";
    ensure!(text.contains(topics));
    world.refuses_to_read_by(|topic| world.host(&text.replace(topics, &format!("\"{topic}\""))))?;
    ensure!(world.cloud.is_empty());
    Ok(())
}

#[test]
fn flights_to_no_table_no_endpoint_or_with_a_refused_login_ends_with_the_place_and_the_remedy() -> Result<()> {
    let world = World::new()?;
    let text = FLIGHTS.secured()?;
    let elsewhere = world.cloud.endpoint().replace("flights", "no-such-sink");
    world.broker.create_topic(&format!("{}.dead-letter", world.topic), 1, &[])?;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    Flights::new(1).record(0, &mut key, &mut value);
    world.broker.produce(&world.topic, [Record::of(value)])?;
    let host = world.host(&text).env("FEATUREBASE_ENDPOINT", &elsewhere);
    ends(host.spawn()?, SOON, &[&elsewhere, "404", "correct the address"], PASSWORD)?;
    let says = [&*world.cloud.login_url(), "was refused", "correct `username` and `password`"];
    let host = world.host(&text).env("FEATUREBASE_PASSWORD", "not-anns-password");
    ends(host.spawn()?, SOON, &says, "not-anns-password")?;

    let (database, text) = (Database::start(Faults::default())?, SERVER.secured()?);
    let text = text.replace("create_table = true\n", "");
    let host = world.host(&text).env("FEATUREBASE_URL", database.url()).env("FEATUREBASE_TABLE", &database.table);
    let missing = format!("there is no table `{}`", database.table);
    ends(host.spawn()?, SOON, &[&missing, "create_table = true", "CREATE TABLE"], "bob-secret")?;
    ensure!(world.cloud.is_empty());
    Ok(())
}
