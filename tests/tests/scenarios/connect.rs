//! `edgemill check --connect`: every connection is tried without data, each line is good, or bad with what to do.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use edgemill_tests::Broker;
use edgemill_tests::broker::free_port;
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD, USERNAME};
use edgemill_tests::program::{self, Ended};
use edgemill_tests::tls::{Authority, Tls};
use edgemill_tests::wait::{PATIENCE, wait_for};

/// A configuration that is put together, pipeline by pipeline, with the secrets beside it.
pub(super) struct Check {
    folder: tempfile::TempDir,
    config: String,
}

impl Check {
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("edgemill-check-").tempdir()?;
        Ok(Self { folder, config: "modules = \".\"\n[admin]\nlisten = \"off\"\n".to_owned() })
    }

    fn file(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.folder.path().join(name), text).with_context(|| format!("writing {name}"))
    }

    /// Adds a pipeline: what its source is besides its group, and its sink, and where dead letters go.
    pub(super) fn pipeline(&mut self, name: &str, source: &str, sink: &str, letters: &str) {
        self.config.push_str(&format!(
            "[pipelines.{name}]\n{}[pipelines.{name}.source]\ngroup = \"group-{name}\"\n{source}\n\
             [pipelines.{name}.sink]\n{sink}\n[pipelines.{name}.dead-letter]\ntopic = \"{letters}\"\n",
            if name == "once" { "delivery = \"exactly-once\"\n" } else { "" }
        ));
    }

    /// Runs it. No secret is shown.
    pub(super) fn run(&self, secrets: &[&str]) -> Result<Ended> {
        self.file("edgemill.toml", &self.config)?;
        let path = self.folder.path().join("edgemill.toml");
        let path = path.to_str().context("a path in UTF-8")?;
        let ended = program::run(["check", "-c", path, "--connect", "--within", "5"], b"")?;
        let all = format!("{}{}", text(&ended), ended.err);
        for secret in secrets {
            ensure!(!all.contains(secret), "a secret is shown:\n{all}");
        }
        Ok(ended)
    }
}

pub(super) fn text(ended: &Ended) -> String {
    String::from_utf8_lossy(&ended.out).into_owned()
}

/// The lines of a pipeline, after those that describe the configuration.
pub(super) fn lines(out: &str, pipeline: &str) -> Vec<String> {
    let connections = out.split_once("\nconnections ").map_or("", |(_, connections)| connections);
    let mut parts = connections.split("pipeline         ");
    let part = parts.find(|part| part.lines().next() == Some(pipeline)).unwrap_or_default();
    part.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

fn sasl(brokers: &str, user: &str, file: &str, topic: &str) -> String {
    format!(
        "brokers = \"{brokers}\"\ntopics = [\"{topic}\"]\nlibrdkafka = {{ \"security.protocol\" = \"SASL_PLAINTEXT\", \
         \"sasl.mechanism\" = \"SCRAM-SHA-512\", \"sasl.username\" = \"{user}\", \"sasl.password\" = {{ file = \"{file}\" }} }}"
    )
}

pub(super) fn plain(brokers: &str, topic: &str) -> String {
    format!("brokers = \"{brokers}\"\ntopics = [\"{topic}\"]")
}

fn cloud(cloud: &Featurebase, endpoint: &str, file: &str) -> String {
    format!(
        "type = \"featurebase-cloud\"\nendpoint = \"{endpoint}\"\nlogin_url = \"{}\"\nusername = \"{USERNAME}\"\n\
         password = {{ file = \"{file}\" }}",
        cloud.login_url()
    )
}

#[test]
fn every_connection_that_works_is_a_good_line_and_nothing_is_changed_by_it() -> Result<()> {
    let (broker, service) = (Broker::shared(), Featurebase::start(Faults::default())?);
    let (from, to, late) = (broker.topic("from", 3)?, broker.topic("to", 3)?, broker.topic("late", 3)?);
    let letters = broker.topic("letters", 1)?;
    let mut check = Check::new()?;
    check.file("alice", "alice-secret\n")?;
    check.file("ann", PASSWORD)?;
    let kafka = format!("type = \"kafka\"\ntopic = \"{to}\"\nroutes = [\"{late}\"]\npartition = \"same-as-input\"");
    check.pipeline("sasl", &sasl(&broker.sasl_address(), "alice", "alice", &from), &kafka, &letters);
    check.pipeline("once", &plain(&broker.address(), &from), &kafka, &letters);
    let pattern = format!("brokers = \"{}\"\ntopics = \"^{from}$\"", broker.address());
    check.pipeline("cloud", &pattern, &cloud(&service, &service.endpoint(), "ann"), &letters);
    let http = format!("type = \"http\"\nurl = \"{}\"", service.plain_url());
    check.pipeline("plain", &plain(&broker.address(), &from), &http, &letters);
    let ended = check.run(&["alice-secret", PASSWORD])?;
    let out = text(&ended);
    ensure!(ended.code == Some(0), "{out}{}", ended.err);
    let known = |pipeline: &str, wanted: &[String]| {
        let lines = lines(&out, pipeline);
        let missing = wanted.iter().find(|wanted| !lines.iter().any(|line| line.contains(wanted.as_str())));
        ensure!(missing.is_none(), "{pipeline}: no {missing:?} in\n{out}");
        Ok(())
    };
    let source = |topic: &str| format!("good       source        topic {topic}: 3 partitions; may be read");
    known(
        "sasl",
        &[
            format!("brokers {}: 1 broker is here, reached by SCRAM-SHA-512 as \"alice\"", broker.sasl_address()),
            source(&from),
            "group group-sasl: nobody is in it; may be read and committed".to_owned(),
            "offsets of group-sasl: 0 of 3 partitions have one".to_owned(),
            "leaders of partitions: all answer".to_owned(),
            format!("good       sink          topic {to}: 3 partitions; may be written"),
            format!("good       sink          topic {late}: 3 partitions; may be written"),
            format!("good       dead letters  topic {letters}: 1 partition; may be written"),
        ],
    )?;
    known("once", &["not tried  sink          transactional id group-once-".to_owned()])?;
    known(
        "cloud",
        &[
            source(&from),
            format!("good       sink          login: {} gives {USERNAME} a token", service.login_url()),
            format!("good       sink          endpoint: {} takes the token", service.endpoint()),
        ],
    )?;
    known("plain", &[format!("good       sink          server: {} is reached", service.plain_url())])?;
    let asked = ["OPTIONS /plain", "POST /login", "POST /v2/sinks/flights"].map(|request| (request.to_owned(), 1));
    ensure!(service.requests() == asked.into() && service.is_empty(), "{:?}", service.requests());
    for group in ["sasl", "once", "cloud", "plain"] {
        ensure!(!broker.has_group(&format!("group-{group}"))?, "the group of {group} was joined");
    }
    ensure!(broker.consume(&to)?.is_empty() && broker.consume(&letters)?.is_empty(), "something was written");
    Ok(())
}

#[test]
fn every_connection_that_does_not_work_is_a_bad_line_with_a_remedy_and_all_are_tried() -> Result<()> {
    let (broker, service) = (Broker::shared(), Featurebase::start(Faults::default())?);
    let (address, sasl_address) = (broker.address(), broker.sasl_address());
    let (from, to, letters) = (broker.topic("from", 3)?, broker.topic("to", 2)?, broker.topic("letters", 1)?);
    let nowhere = format!("127.0.0.1:{}", free_port());
    let tls = Tls::start(&address, &Authority::new()?.sign("127.0.0.1")?, None)?;
    let mut check = Check::new()?;
    for (name, text) in [("wrong", "not-the-password"), ("ca", &Authority::new()?.pem())] {
        check.file(name, text)?;
    }
    let stdout = "type = \"stdout\"";
    let encrypted = |brokers: &str| {
        format!(
            "brokers = \"{brokers}\"\ntopics = [\"{from}\"]\n\
             librdkafka = {{ \"security.protocol\" = \"SSL\", \"ssl.ca.location\" = \"{}/ca\" }}",
            check.folder.path().display()
        )
    };
    let (to_plaintext, wrong_authority) = (encrypted(&address), encrypted(&tls.address()));
    let kafka = |topic: &str, more: &str| format!("type = \"kafka\"\ntopic = \"{topic}\"\n{more}");
    let same = "partition = \"same-as-input\"";
    let late = format!("{}/none", service.endpoint());
    let late = format!("\nlate_errors = {{ url = \"{late}\" }}");
    let cases: Vec<(&str, String, String, &str, Vec<String>)> = vec![
        (
            "topics",
            plain(&address, "no-such-topic"),
            kafka("no-such-sink", &format!("routes = [\"{to}\"]")),
            "no-such-letters",
            [
                "source        topic no-such-topic",
                "sink          topic no-such-sink",
                "dead letters  topic no-such-letters",
            ]
            .map(|topic| format!("{topic}: it does not exist: create it, or correct its name"))
            .into(),
        ),
        (
            "pattern",
            format!("brokers = \"{address}\"\ntopics = \"^no-such-.*\""),
            stdout.to_owned(),
            &letters,
            vec!["topics ^no-such-.*: no topic that may be seen matches it".to_owned()],
        ),
        (
            "stored",
            plain(&address, &from) + "\nstart = \"stored\"",
            stdout.to_owned(),
            &letters,
            vec!["offsets of group-stored: 3 of 3 partitions have none".to_owned()],
        ),
        (
            "partitions",
            plain(&address, &from),
            kafka(&to, same),
            &letters,
            vec![format!("topic {to}: it has 2 partitions and the input 3")],
        ),
        (
            "password",
            sasl(&sasl_address, "alice", "wrong", &from),
            kafka(&to, ""),
            &letters,
            vec![format!("brokers {sasl_address}: they refused the authentication by SCRAM-SHA-512 as \"alice\"")],
        ),
        (
            "nobody",
            plain(&nowhere, &from),
            stdout.to_owned(),
            &letters,
            vec![format!("brokers {nowhere}: none of them could be reached"), "nobody listens there".to_owned()],
        ),
        ("plaintext", to_plaintext, stdout.to_owned(), &letters, vec!["that port has no TLS".to_owned()]),
        (
            "protocol",
            plain(&sasl_address, &from),
            stdout.to_owned(),
            &letters,
            vec!["is `security.protocol` right?".to_owned()],
        ),
        ("authority", wrong_authority, stdout.to_owned(), &letters, vec!["`ssl.ca.location`".to_owned()]),
        (
            "login",
            plain(&address, &from),
            cloud(&service, &service.endpoint(), "wrong"),
            &letters,
            vec![
                format!("login: the login at {}", service.login_url()),
                "correct `username` and `password`".to_owned(),
            ],
        ),
        (
            "endpoint",
            plain(&address, &from),
            cloud(&service, &format!("{}x", service.endpoint()), "ann") + &late,
            &letters,
            vec!["404 Not Found".to_owned(), "correct the address".to_owned(), "correct `late_errors`".to_owned()],
        ),
        (
            "server",
            plain(&address, &from),
            format!("type = \"http\"\nurl = \"http://{nowhere}/rows\""),
            &letters,
            vec![format!("http://{nowhere}/rows"), "nobody listens there".to_owned()],
        ),
    ];
    check.file("ann", PASSWORD)?;
    for (name, source, sink, letters, _) in &cases {
        check.pipeline(name, source, sink, letters);
    }
    let begun = Instant::now();
    let ended = check.run(&["not-the-password", PASSWORD])?;
    let took = begun.elapsed();
    let out = text(&ended);
    println!("{out}{}{took:?}", ended.err);
    ensure!(ended.code == Some(1) && ended.err.contains("tries failed"), "{:?}: {out}{}", ended.code, ended.err);
    for (name, _, _, _, wanted) in &cases {
        let bad: Vec<_> = lines(&out, name).into_iter().filter(|line| line.starts_with("bad ")).collect();
        for wanted in wanted {
            ensure!(bad.iter().any(|line| line.contains(wanted)), "{name}: no {wanted:?} in {bad:#?}\n{out}");
        }
    }
    ensure!(service.is_empty());
    // 5 s for each, all at once, and a machine that has other things to do
    ensure!(took < Duration::from_secs(30), "it took {took:?}");
    Ok(())
}

/// A broker on which users may do nothing that no list allows; who comes in plain text may do everything.
fn strict(more: &str) -> Result<Broker> {
    let authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    Broker::start_with(&format!("authorizer.class.name={authorizer}\nsuper.users=User:ANONYMOUS\n{more}"))
}

#[test]
fn what_the_user_may_not_do_is_named() -> Result<()> {
    let broker = strict("auto.create.topics.enable=true")?;
    let (from, to, letters) = (broker.topic("from", 1)?, broker.topic("to", 1)?, broker.topic("letters", 1)?);
    let mut check = Check::new()?;
    check.file("alice", "alice-secret\n")?;
    let sink = format!("type = \"kafka\"\ntopic = \"{to}\"");
    check.pipeline("alice", &sasl(&broker.sasl_address(), "alice", "alice", &from), &sink, &letters);
    check.pipeline("anybody", &plain(&broker.address(), &from), &sink, &letters);
    let to_come = "type = \"kafka\"\ntopic = \"sink-to-come\"";
    check.pipeline("missing", &plain(&broker.address(), "source-to-come"), to_come, "letters-to-come");
    // a broker that has just started makes the topic of groups first
    let ended = wait_for("groups have their coordinator", PATIENCE, || {
        let ended = check.run(&["alice-secret"])?;
        let knows = lines(&text(&ended), "anybody").iter().all(|line| line.starts_with("good "));
        Ok(knows.then_some(ended))
    })?;
    let out = text(&ended);
    ensure!(ended.code == Some(1), "{out}{}", ended.err);
    let bad = lines(&out, "alice").into_iter().filter(|line| line.starts_with("bad ")).collect::<Vec<_>>();
    for what in [
        format!("grant READ on topic {from} to SCRAM-SHA-512 as \"alice\""),
        "grant READ on group group-alice to".to_owned(),
        format!("grant WRITE on topic {to} to"),
        format!("grant WRITE on topic {letters} to"),
    ] {
        ensure!(bad.iter().any(|line| line.contains(&what)), "no {what:?} in {bad:#?}\n{out}");
    }
    ensure!(lines(&out, "anybody").iter().all(|line| line.starts_with("good ")), "{out}");
    ensure!(ended.err.contains("7 of "), "{}", ended.err);
    // brokers that make topics by themselves were not made to
    let missing = lines(&out, "missing");
    for topic in ["source-to-come", "sink-to-come", "letters-to-come"] {
        let line = missing.iter().find(|line| line.contains(topic));
        ensure!(line.is_some_and(|line| line.starts_with("bad ") && line.contains("does not exist")), "{missing:#?}");
        ensure!(broker.ends(topic).is_err(), "topic {topic} was made");
    }
    Ok(())
}

#[test]
fn what_is_missing_of_rights_that_are_granted_in_part_is_named_and_nothing_else() -> Result<()> {
    let broker = strict("")?;
    let topics = ["read", "only-read", "described", "written", "letters", "unknown"].map(|name| broker.topic(name, 1));
    let topics = topics.into_iter().collect::<Result<Vec<_>>>()?;
    let [read, only_read, described, written, letters, unknown] = &topics[..] else { bail!("six topics") };
    let sink = |topic: &str| format!("type = \"kafka\"\ntopic = \"{topic}\"");
    let routed = format!("{}\nroutes = [\"{described}\"]", sink(written));
    let topic = |name: &str| format!("topic {name}");
    let group = |name: &str| format!("group group-{name}");
    // a pipeline for each right that is missing, and what is missing; nothing is of the last one
    let cases = [
        ("group", read, sink(written), letters, Some(("source", "READ", group("group")))),
        ("group-seen", read, sink(written), letters, Some(("source", "READ", group("group-seen")))),
        ("topic", unknown, sink(written), letters, Some(("source", "READ", topic(unknown)))),
        ("topic-seen", described, sink(written), letters, Some(("source", "READ", topic(described)))),
        ("sink-seen", read, sink(described), letters, Some(("sink", "WRITE", topic(described)))),
        ("sink-read", read, sink(only_read), letters, Some(("sink", "WRITE", topic(only_read)))),
        ("route", read, routed, letters, Some(("sink", "WRITE", topic(described)))),
        ("letters", read, sink(written), unknown, Some(("dead letters", "WRITE", topic(unknown)))),
        ("letters-seen", read, sink(written), described, Some(("dead letters", "WRITE", topic(described)))),
        ("enough", read, sink(written), letters, None),
    ];
    let groups: Vec<_> = cases.iter().filter(|(name, ..)| !name.starts_with("group")).collect();
    let groups: String = groups.iter().map(|(name, ..)| format!(" --group group-{name}")).collect();
    let alice = |operation: &str, on: &str| format!("--allow-principal User:alice --operation {operation} {on}");
    let lists = [
        alice("Read", &format!("--topic {read} --topic {only_read}{groups}")),
        alice("Write", &format!("--topic {written} --topic {letters}")),
        alice("Describe", &format!("--topic {described} --group group-group-seen")),
    ];
    broker.allow(&lists.each_ref().map(String::as_str))?;
    let mut check = Check::new()?;
    check.file("alice", "alice-secret\n")?;
    for (name, from, sink, letters, _) in &cases {
        check.pipeline(name, &sasl(&broker.sasl_address(), "alice", "alice", from), sink, letters);
    }
    // groups have a coordinator once somebody has asked for one
    let ended = wait_for("what is allowed is good", PATIENCE, || {
        let ended = check.run(&["alice-secret"])?;
        let good = lines(&text(&ended), "enough").iter().all(|line| line.starts_with("good "));
        Ok(good.then_some(ended))
    })?;
    let out = text(&ended);
    ensure!(ended.code == Some(1), "{out}{}", ended.err);
    for (name, .., missing) in &cases {
        let all = lines(&out, name);
        let bad: Vec<_> = all.iter().filter(|line| !line.starts_with("good ")).collect();
        let Some((part, right, about)) = missing else {
            ensure!(bad.is_empty() && all.len() == 8, "{name}: {all:#?}");
            continue;
        };
        let why = format!("{about}: it may not be used: grant {right} on {about} to SCRAM-SHA-512 as \"alice\"");
        let found = bad.len() == 1 && bad[0].starts_with(&format!("bad        {part}")) && bad[0].contains(&why);
        ensure!(found, "{name}: not {why:?} alone in\n{bad:#?}\n{out}");
    }
    ensure!(ended.err.contains("9 of "), "{}", ended.err);
    Ok(())
}

#[test]
fn connections_are_tried_at_once_and_end_in_time_where_nobody_answers() -> Result<()> {
    let silent: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let mut check = Check::new()?;
    for (number, listener) in silent.iter().enumerate() {
        let address = listener.local_addr()?.to_string();
        let sink = format!("type = \"http\"\nurl = \"http://{address}/\"");
        check.pipeline(&format!("silent-{number}"), &plain(&address, "from"), &sink, "letters");
    }
    let begun = Instant::now();
    let ended = check.run(&[])?;
    let (took, out) = (begun.elapsed(), text(&ended));
    for number in 0..silent.len() {
        let all = lines(&out, &format!("silent-{number}"));
        ensure!(all.len() == 3 && all.iter().all(|line| line.starts_with("bad ")), "{all:#?}");
        let in_time = |line: &String| ["no answer within 5 s", "timed out"].iter().any(|words| line.contains(words));
        ensure!(all.iter().all(in_time), "{all:#?}");
    }
    // 18 tries of 5 s each
    ensure!(took < Duration::from_secs(20), "it took {took:?}");
    Ok(())
}

#[test]
fn connections_are_tried_only_where_that_is_asked_for() -> Result<()> {
    let mut check = Check::new()?;
    let nowhere = format!("127.0.0.1:{}", free_port());
    check.pipeline("nobody", &plain(&nowhere, "from"), "type = \"stdout\"", "letters");
    check.file("edgemill.toml", &check.config)?;
    let path = check.folder.path().join("edgemill.toml");
    let run = |more: &[&str]| {
        let args = ["check", "-c", path.to_str().unwrap_or_default()];
        program::run(args.iter().chain(more).copied(), b"")
    };
    let without = run(&[])?;
    ensure!(without.code == Some(0) && text(&without).contains("nothing was connected to"), "{}", text(&without));
    let with = run(&["--connect", "--within", "1"])?;
    ensure!(with.code == Some(1) && text(&with).contains("up to 1 s each"), "{}", text(&with));
    ensure!(run(&["--within", "1"])?.code == Some(2));
    Ok(())
}
