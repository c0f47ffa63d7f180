//! Redpanda's transforms and a real schema registry: what they are answered, what is asked how often, and what becomes of records while
//! it is away.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::broker::free_port;
use edgemill_tests::registry::{LockedRegistry, PASSWORD, USERNAME};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Mode, Proxy, Record, Registry, host, modules, program, unique, wait_for};
use serde_json::json;

use super::foreign::{letters, record, texts};
use super::pipeline::{Pipeline, TOP, said, stop};
use super::replay::command;

/// What the transforms register.
const SCHEMA: &str = r#"{"type":"record","name":"Word","fields":[{"name":"word","type":"string"}]}"#;

const RUST: &str = "redpanda.wasm32-wasip1/registry";

/// What a module hears whose question comes to nothing.
const FAILED: &str = "Err(Unknown(-2))";

/// What the log says of a registry that is away.
const AWAY: &str = "the schema registry does not answer: what modules ask it comes to nothing, but for what is known; it is asked again \
                    every few seconds";

/// Begins a host of a pipeline with one transform, and a registry as its table says.
fn with_registry(pipeline: &Pipeline, table: &str, subject: &str) -> host::Builder {
    with(pipeline, "workers = 1", table, &format!("SUBJECT = \"{subject}\""))
}

fn with(pipeline: &Pipeline, keys: &str, table: &str, environment: &str) -> host::Builder {
    let chain = format!("module = \"it.wasm\", config = {{ environment = {{ {environment} }} }}");
    Host::builder(&format!("{TOP}{table}{}", pipeline.table("p", keys, &[&chain])))
}

fn table(url: &str, more: &str) -> String {
    format!("[schema-registry]\nurl = \"{url}\"\n{more}\n")
}

/// A value in the registries' frame.
fn framed(id: i32, value: &str) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), value.as_bytes()].concat()
}

fn send(pipeline: &Pipeline, values: &[&str]) -> Result<()> {
    Broker::shared().produce(&pipeline.from, values.iter().map(|value| Record::of(*value).to(0)))?;
    pipeline.wait_for_end(PATIENCE)
}

/// The last value that came out.
fn last(pipeline: &Pipeline) -> Result<String> {
    Ok(texts(&Broker::shared().consume(&pipeline.to)?).pop().unwrap_or_default())
}

#[test]
fn transforms_register_schemas_and_look_them_up_and_frames_are_exact_to_the_byte() -> Result<()> {
    let (broker, registry) = (Broker::shared(), Registry::shared());
    for name in [RUST, "redpanda.go/registry"] {
        let pipeline = Pipeline::new("registry", 1)?;
        // escaped in an address: a subject may be anything
        let subject = format!("{}/ä?", unique("words"));
        let host = with_registry(&pipeline, &table(&registry.url(), ""), &subject);
        let host = host.module("it.wasm", modules::foreign(name)?).start()?;
        if name == RUST {
            // it is not there yet, and is believed not to be, until the module registers it
            send(&pipeline, &[&format!("latest {subject}")])?;
        }
        let sent: Vec<Record> = ["one", "zwölf", "x"].iter().enumerate().map(|(n, word)| record(n, word)).collect();
        broker.produce(&pipeline.from, sent.clone())?;
        pipeline.wait_for_end(PATIENCE)?;
        let escaped = subject.replace('/', "%2F").replace('ä', "%C3%A4").replace('?', "%3F");
        let registered = registry.get(&format!("/subjects/{escaped}/versions/latest"))?;
        ensure!((&registered["schema"], &registered["version"]) == (&json!(SCHEMA), &json!(1)), "{registered}");
        let id = i32::try_from(registered["id"].as_i64().unwrap_or_default())?;

        let other = r#"{"type":"record","name":"Other","fields":[]}"#;
        let unknown = registry.register(&unique("other"), &json!({ "schema": other }))?;
        let framed_since = [framed(id, "late"), framed(unknown, ""), framed(id, "\n"), b"latest".to_vec()];
        let latest = if name == RUST { format!("latest {subject}").into_bytes() } else { b"latest".to_vec() };
        let values = framed_since.iter().take(3).cloned().chain([latest]);
        broker.produce(&pipeline.from, values.map(|value| Record { value: Some(value), ..record(3, "") }))?;
        pipeline.wait_for_end(PATIENCE)?;
        // each is asked for once: Go's client has no cache that works
        broker
            .produce(&pipeline.from, (0..500).map(|_| Record { value: Some(framed(id, "again")), ..record(0, "") }))?;
        pipeline.wait_for_end(PATIENCE)?;
        let asked = host.metrics()?.sum("edgemill_schema_registry_requests_total", &[("result", "answered")]);
        ensure!(asked == 4.0, "{asked} requests");
        stop(host)?;

        let mut rows = broker.consume(&pipeline.to)?;
        if name == RUST {
            assert_eq!(rows.remove(0).text(), "Unknown(-2)");
        }
        let again = rows.split_off(7);
        ensure!(
            again.len() == 500 && again.iter().all(|row| row.text() == format!("{SCHEMA} again")),
            "{}",
            again.len()
        );
        let values: Vec<_> = rows.iter().map(|row| row.value.clone().unwrap_or_default()).collect();
        let made = |text: String| text.into_bytes();
        let expected = [
            framed(id, "one"),
            framed(id, "zwölf"),
            framed(id, "x"),
            made(format!("{SCHEMA} late")),
            made(format!("{other} ")),
            made(format!("{SCHEMA} \n")),
            made(format!("1 {SCHEMA}")),
        ];
        assert_eq!(values, expected, "{name}");
        let keys: Vec<_> = rows.iter().take(3).map(|row| row.key.clone()).collect();
        assert_eq!(keys, sent.iter().map(|sent| sent.key.clone()).collect::<Vec<_>>());
        assert!(letters(broker, &pipeline)?.is_empty());
    }
    Ok(())
}

#[test]
fn what_a_registry_does_not_have_is_answered_and_told_and_fails_one_record() -> Result<()> {
    let (broker, registry) = (Broker::shared(), Registry::shared());
    let pipeline = Pipeline::new("registry-none", 1)?;
    let (subject, base) = (unique("pairs"), unique("base"));
    let json = r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"string"}"#;
    let typed = registry.register(&unique("json"), &json!({ "schemaType": "JSON", "schema": json }))?;
    registry.register(&base, &json!({ "schema": SCHEMA }))?;
    let pair = r#"{"type":"record","name":"Pair","fields":[{"name":"left","type":"Word"}]}"#;
    let references = json!([{ "name": "Word", "subject": base, "version": 1 }]);
    let with_reference = registry.register(&subject, &json!({ "schema": pair, "references": references }))?;
    let host = with_registry(&pipeline, &table(&registry.url(), ""), &subject);
    let host = host.module("it.wasm", modules::foreign(RUST)?).start()?;
    let (asks, both) = (format!("id {typed}"), format!("id {with_reference}"));
    send(&pipeline, &["id 424242", &asks, &both, "version 1", "version 7", "latest nobody", "need 424242", "wrong"])?;
    // hundreds that nobody has: each is an answer, and the log says so once in a while
    let ids: Vec<String> = (0..300).map(|n| format!("id {}", 500_000 + n)).collect();
    send(&pipeline, &ids.iter().map(String::as_str).collect::<Vec<_>>())?;

    let explained = command(&host, &["explain"], &[&format!("{}/0/1", pipeline.from)])?;
    let text = String::from_utf8_lossy(&explained.out).into_owned();
    ensure!(explained.code == Some(0) && text.contains("format: Json"), "{text}{}", explained.err);
    let complaints = said(&host, "a module's question to the schema registry came to nothing");
    ensure!((1..=6).contains(&complaints.len()), "{} complaints", complaints.len());
    ensure!(complaints[0]["error"].as_str().is_some_and(|error| error.contains("status 404")), "{complaints:?}");
    stop(host)?;

    let rows = texts(&broker.consume(&pipeline.to)?);
    let schema = |text: &str, format: &str, references: String| {
        format!("Schema {{ schema: {text:?}, format: {format}, references: [{references}] }}")
    };
    let reference = format!("Reference {{ name: \"Word\", subject: {base:?}, version: SchemaVersion(1) }}");
    let pair = schema(pair, "Avro", reference);
    let first = [
        FAILED.to_owned(),
        format!("Ok({})", schema(json, "Json", String::new())),
        format!("Ok({pair})"),
        format!(
            "Ok(SubjectSchema {{ schema: {pair}, subject: {subject:?}, version: SchemaVersion(1), id: SchemaId({with_reference}) }})"
        ),
        FAILED.to_owned(),
        "Unknown(-2)".to_owned(),
        FAILED.to_owned(),
    ];
    assert_eq!(rows[..7], first);
    assert_eq!(rows[7..], vec![FAILED; 300]);
    let letters = letters(broker, &pipeline)?;
    assert_eq!(letters.keys().copied().collect::<Vec<_>>(), [6]);
    let (class, _, message) = &letters[&6];
    let why = "before that the schema registry did not help: http://127.0.0.1:";
    ensure!(class == "trap" && message.contains(why) && message.contains("status 404"), "{message}");
    Ok(())
}

#[test]
fn without_a_registry_every_question_is_answered_that_there_is_none() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("registry-unset", 1)?;
    let host = with_registry(&pipeline, "", "words").module("it.wasm", modules::foreign(RUST)?).start()?;
    send(&pipeline, &["id 1", "version 1", "latest words", "wrong", "one"])?;
    let warned = "the module can ask the schema registry, as all in JavaScript can, and none is configured: if it does, add \
                  `[schema-registry]`";
    ensure!(said(&host, warned).len() == 1, "{}", host.log());
    let path = host.modules().join("it.wasm");
    let applied = program::run(["apply".as_ref(), path.as_os_str()], b"id 1\n")?;
    assert_eq!((String::from_utf8(applied.out)?, applied.code), ("Err(Unknown(-1))\n".to_owned(), Some(0)));
    stop(host)?;
    let none = "Err(Unknown(-1))";
    assert_eq!(texts(&broker.consume(&pipeline.to)?), [none, none, "Unknown(-1)", none]);
    let letters = letters(broker, &pipeline)?;
    ensure!(letters[&4].2.ends_with("none is configured: add `[schema-registry]`"), "{letters:?}");
    Ok(())
}

#[test]
fn while_a_registry_is_away_what_is_known_stays_known_and_records_fail_at_once_until_it_is_back() -> Result<()> {
    let (broker, registry) = (Broker::shared(), Registry::shared());
    let other = registry.register(&unique("other"), &json!({ "schema": SCHEMA.replace("Word", "Away") }))?;
    let pipeline = Pipeline::new("registry-away", 1)?;
    let proxy = Proxy::start(free_port(), registry.port())?;
    let url = Registry::at(proxy.port());
    let host = with_registry(&pipeline, &table(&url, "timeout = \"1 s\""), &unique("words"));
    let host = host.module("it.wasm", modules::foreign(RUST)?).start()?;
    send(&pipeline, &["one"])?;
    let first = broker.consume(&pipeline.to)?.remove(0).value.unwrap_or_default();
    broker.produce(&pipeline.from, [Record { value: Some(first.clone()), ..record(0, "") }])?;
    pipeline.wait_for_end(PATIENCE)?;

    for (mode, round) in [(Mode::Closed, 0), (Mode::Hole, 1)] {
        proxy.set(mode);
        proxy.cut();
        let before = broker.consume(&pipeline.to)?.len();
        let (asks, needs) = (format!("id {}", other + round * 1000), format!("need {}", other + 1 + round * 1000));
        let began = Instant::now();
        // an empty value ends the instance, and what its own cache had: what is known afterwards the host knows
        let known = Record { value: Some(first.clone()), ..record(0, "") };
        let values: Vec<Record> =
            [&*asks, "", "two", &*needs].into_iter().map(|value| Record::of(value).to(0)).collect();
        broker.produce(&pipeline.from, values.into_iter().chain([known]))?;
        broker.produce(&pipeline.from, (0..200).map(|n| Record::of(format!("id {}", 600_000 + n)).to(0)))?;
        pipeline.wait_for_end(PATIENCE)?;
        // a timeout or some, and not one for each
        ensure!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        let rows: Vec<_> =
            broker.consume(&pipeline.to)?.into_iter().skip(before).map(|row| row.value.unwrap_or_default()).collect();
        let of_two = [&first[..5], b"two"].concat();
        let expected = [FAILED.into(), of_two, format!("{SCHEMA} one").into_bytes()];
        assert_eq!(rows[..3], expected);
        assert_eq!(rows[3..], vec![FAILED.as_bytes(); 200]);
        // known to nobody so far
        let schema = SCHEMA.replace("Word", &format!("Back{round}"));
        let asks = format!("id {}", registry.register(&unique("back"), &json!({ "schema": schema }))?);
        proxy.set(Mode::Open);
        wait_for("it is asked again", PATIENCE, || {
            send(&pipeline, &[&asks])?;
            Ok(last(&pipeline)?.starts_with("Ok(").then_some(()))
        })?;
        assert_eq!(said(&host, "the schema registry answers again").len(), round as usize + 1);
    }
    let complaints = said(&host, AWAY);
    ensure!((2..=10).contains(&complaints.len()), "{complaints:?}");
    stop(host)?;
    let letters = letters(broker, &pipeline)?;
    assert_eq!(letters.len(), 4, "{letters:?}");
    let why = |message: &str| message.contains("did not help: http://127.0.0.1:");
    assert_eq!(
        letters.values().filter(|(class, _, message)| class == "trap" && why(message)).count(),
        2,
        "{letters:?}"
    );
    Ok(())
}

#[test]
fn promise_ending_holds_while_a_transform_waits_for_a_slow_registry_and_no_record_is_lost() -> Result<()> {
    let (broker, registry) = (Broker::shared(), Registry::shared());
    let subject = unique("slow");
    let ids: Vec<i32> = (0..60)
        .map(|n| registry.register(&subject, &json!({ "schema": SCHEMA.replace("Word", &format!("W{n}")) })))
        .collect::<Result<_>>()?;
    let pipeline = Pipeline::new("registry-slow", 1)?;
    let proxy = Proxy::start(free_port(), registry.port())?;
    // each answer takes more than half a second
    proxy.set(Mode::Slow { bytes: 1 << 16, wait: Duration::from_millis(300) });
    let keys = "workers = 1\nbatch = { records = 64, bytes = \"1 MiB\" }";
    let table = format!("grace = \"6 s\"\n{}", table(&Registry::at(proxy.port()), "timeout = \"2 s\""));
    let host = with(&pipeline, keys, &table, "SUBJECT = \"slow\"");
    let mut host = host.module("it.wasm", modules::foreign(RUST)?).start()?;
    let asks = |id: &i32| Record::of(format!("id {id}")).to(0);
    broker.produce(&pipeline.from, ids.iter().map(asks))?;
    wait_for(
        "the first call has begun",
        PATIENCE,
        || Ok((!said(&host, "plan takes effect").is_empty()).then_some(())),
    )?;
    let began = Instant::now();
    let code = host.stop()?.code();
    ensure!(code == Some(0), "{code:?}");
    // half of the grace, a call's wait, and some: not all of the answers
    ensure!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    proxy.set(Mode::Open);
    host.restart()?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    let rows = texts(&broker.consume(&pipeline.to)?);
    ensure!(rows.len() == ids.len() && rows.iter().all(|row| row.starts_with("Ok(")), "{rows:?}");
    assert!(letters(broker, &pipeline)?.is_empty());
    Ok(())
}

#[test]
fn a_wrong_password_is_told_once_in_a_while_without_it_and_the_registry_is_left_alone() -> Result<()> {
    let registry = LockedRegistry::start()?;
    let broker = Broker::shared();
    let login = format!("username = \"{USERNAME}\"\npassword = \"${{REGISTRY_PASSWORD}}\"");
    let table = table(&registry.url(), &login);
    for (password, answer) in [("wrong horse", FAILED), (PASSWORD, "Ok(Schema")] {
        let pipeline = Pipeline::new("registry-login", 1)?;
        let host = with_registry(&pipeline, &table, "words").env("REGISTRY_PASSWORD", password);
        let host = host.module("it.wasm", modules::foreign(RUST)?).start()?;
        let before = registry.requests();
        send(&pipeline, &vec!["id 7"; 200])?;
        send(&pipeline, &["id 7"])?;
        ensure!(registry.requests() - before < 6, "{} requests", registry.requests() - before);
        let rows = texts(&broker.consume(&pipeline.to)?);
        ensure!(rows.len() == 201 && rows.iter().all(|row| row.starts_with(answer)), "{rows:?}");
        let log = host.log();
        ensure!(!log.contains("horse") && !log.contains("Basic "), "a secret is told:\n{log}");
        let told = said(&host, AWAY);
        ensure!(told.len() <= 3 && told.is_empty() == (password == PASSWORD), "{told:?}");
        for away in told {
            let error = away["error"].as_str().unwrap_or_default();
            ensure!(error.contains("status 401") && error.contains("correct the credentials"), "{error}");
        }
        stop(host)?;
    }
    Ok(())
}

#[test]
fn check_tries_the_registry_and_what_a_module_asks_it_while_it_starts() -> Result<()> {
    let registry = LockedRegistry::start()?;
    let pipeline = Pipeline::new("registry-check", 1)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("edgemill.toml");
    let path = path.to_string_lossy();
    let check = |url: &str, password: &str, at_once: bool, more: &[&str]| -> Result<(Option<i32>, String)> {
        let login = format!("username = \"{USERNAME}\"\npassword = {{ file = \"password\" }}\n");
        std::fs::write(folder.path().join("password"), password)?;
        std::fs::write(folder.path().join("it.wasm"), modules::foreign(RUST)?)?;
        let environment = if at_once { "environment = { SUBJECT = \"x\", AT_ONCE = \"yes\" }" } else { "" };
        let chain = format!("module = \"it.wasm\", config = {{ {environment} }}");
        let config =
            format!("modules = \".\"\nstate = \"state\"\n{}{}", table(url, &login), pipeline.table("p", "", &[&chain]));
        std::fs::write(&*path, config)?;
        let ended = program::run(["check", "-c", &path].iter().chain(more), b"")?;
        let all = format!("{}{}", String::from_utf8_lossy(&ended.out), ended.err);
        ensure!(!all.contains("horse") && !all.contains("Basic "), "a secret is told:\n{all}");
        Ok((ended.code, all))
    };
    let connect = ["--connect", "--within", "5"];
    let url = registry.url();
    let (code, shown) = check(&url, PASSWORD, false, &[])?;
    ensure!(
        code == Some(0) && shown.contains(&format!("schema registry  {url} as {USERNAME}, up to 5 s for an answer")),
        "{shown}"
    );
    assert_eq!(registry.requests(), 0);
    let (code, shown) = check(&url, PASSWORD, false, &connect)?;
    let good = format!("good       registry      server: {url} answers, and has 0 subjects");
    ensure!(code == Some(0) && shown.contains(&good), "{shown}");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let table = [
        (&url, "wrong horse", "correct the credentials, or their rights"),
        (&format!("{url}/elsewhere"), PASSWORD, "status 404"),
        (&nobody, PASSWORD, "nobody listens there"),
    ];
    for (url, password, why) in table {
        let (code, shown) = check(url, password, false, &connect)?;
        let line = shown.lines().find(|line| line.contains("bad        registry      server: ")).unwrap_or_default();
        ensure!(code == Some(1) && line.contains(why), "{shown}");
    }
    // a module that asks while it starts
    let (code, shown) = check(&url, PASSWORD, true, &[])?;
    ensure!(code == Some(2) && shown.contains("did not help: `check` asks it only with --connect"), "{shown}");
    let (code, shown) = check(&url, PASSWORD, true, &connect)?;
    ensure!(code == Some(2) && shown.contains("Schema not found"), "{shown}");
    Ok(())
}
