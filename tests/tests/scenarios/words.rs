//! What a host says at its beginning and its end, and what strangers' words may not do in what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::{PATIENCE, wait_for};
use edgemill_tests::{Broker, Host, Record, unique};

/// A pipeline, with the lines of its sink.
fn pipeline(name: &str, from: &str, group: &str, sink: &str) -> String {
    format!(
        "[pipelines.{name}]\nworkers = 1\ncommit_interval = \"50 ms\"\n\
         [pipelines.{name}.source]\nbrokers = \"{}\"\ntopics = [\"{from}\"]\ngroup = \"{group}\"\n\
         librdkafka = {{ \"session.timeout.ms\" = 6000 }}\n[pipelines.{name}.sink]\n{sink}\n",
        Broker::shared().address()
    )
}

/// A server that does with each connection what it is told to, until the end of the tests.
fn serve(answer: impl Fn(TcpStream) + Send + 'static) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let serve = move || listener.incoming().map_while(std::result::Result::ok).for_each(&answer);
    std::thread::Builder::new().name("server".to_owned()).spawn(serve)?;
    Ok(address)
}

#[test]
fn a_host_says_what_it_waits_for_after_a_kill_and_at_the_end_what_it_did() -> Result<()> {
    let broker = Broker::shared();
    let (from, to, group) = (broker.topic("from", 2)?, broker.topic("to", 2)?, unique("group"));
    broker.produce(&from, (0..100).map(|n| Record::of(n.to_string()).to(n % 2)))?;
    let config = pipeline("p", &from, &group, &format!("type = \"kafka\"\ntopic = \"{to}\""));
    // nobody needs the folder: no chain has a module
    let mut host = Host::builder(&format!("modules = \"@dir@/nowhere\"\n{config}")).start()?;
    wait_for("all is committed", PATIENCE, || Ok((broker.lag(&group, &from)? == 0).then_some(())))?;
    ensure!(!host.log().contains("waiting for lanes"), "{}", host.log());
    host.spawn_again()?;
    host.logs("waiting for lanes")?;
    host.logs("session_s=6")?;
    host.ready()?;
    broker.produce(&from, (0..20).map(|n| Record::of(n.to_string()).to(n % 2)))?;
    wait_for("all is committed", PATIENCE, || Ok((broker.lag(&group, &from)? == 0).then_some(())))?;
    assert_eq!(host.stop()?.code(), Some(0));
    let log = host.log();
    let last = log.lines().last().context("a last line")?;
    for part in ["drained and ended", "pipeline=\"p\"", "records=20", "rows=20", "dead_letters=0", "skipped=0"] {
        ensure!(last.contains(part), "{part} is not in {last}");
    }
    ensure!(!log.contains("modules folder"), "{log}");
    Ok(())
}

#[test]
fn a_topic_that_is_not_there_is_told_at_once_and_read_as_soon_as_it_is() -> Result<()> {
    let broker = Broker::shared();
    let (from, to, group) = (unique("absent"), broker.topic("to", 1)?, unique("group"));
    let mut host =
        Host::builder(&pipeline("p", &from, &group, &format!("type = \"kafka\"\ntopic = \"{to}\""))).spawn()?;
    host.logs("no such topic: create it, or correct `topics`")?;
    host.logs(&from)?;
    broker.create_topic(&from, 1, &[])?;
    host.logs("lane assigned")?;
    broker.produce(&from, (0..5).map(|n| Record::of(n.to_string())))?;
    wait_for("the rows", PATIENCE, || Ok((broker.consume(&to)?.len() == 5).then_some(())))?;
    ensure!(!host.log().contains("waiting for lanes"), "{}", host.log());
    assert_eq!(host.stop()?.code(), Some(0));
    Ok(())
}

#[test]
fn tables_are_looked_at_all_at_once_so_that_servers_that_hang_hold_a_start_up_only_once() -> Result<()> {
    let broker = Broker::shared();
    // who is asked says nothing, and does not hang up
    let held = Mutex::new(Vec::new());
    let address = serve(move |stream| held.lock().unwrap_or_else(PoisonError::into_inner).push(stream))?;
    let sink = format!(
        "type = \"featurebase\"\nurl = \"http://{address}\"\ntable = \"t\"\ntimeout = \"30 s\"\n\
         columns = {{ a = \"int\" }}\ncreate_table = true"
    );
    let mut config = String::new();
    for name in ["a", "b", "c", "d", "e"] {
        config += &pipeline(name, &broker.topic("from", 1)?, &unique("group"), &sink);
    }
    let begun = Instant::now();
    let mut host = Host::builder(&config).spawn()?;
    host.logs("lane assigned")?;
    let took = begun.elapsed();
    println!("five servers that hang: the first lane after {took:?}");
    ensure!(took < Duration::from_secs(10), "it took {took:?}");
    ensure!(host.log().matches("the destination cannot be tried now").count() == 5, "{}", host.log());
    assert_eq!(host.stop()?.code(), Some(0));
    Ok(())
}

/// Answers a request with 401 and all that it was sent.
fn repeat(mut stream: TcpStream) {
    let mut reader = BufReader::new(&stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let before = head.len();
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
        if let Some(text) = head[before..].to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    drop(reader.read_exact(&mut body));
    let said = format!("\u{1b}[2J\nerror: nothing\n{head}{}", String::from_utf8_lossy(&body));
    // rows that say so are refused, all else is refused to whoever asks
    let status = if said.contains("\"refuse\"") { 400 } else { 401 };
    drop(write!(stream, "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{said}", said.len()));
}

#[test]
fn a_server_that_repeats_secrets_and_speaks_to_terminals_gets_neither_into_logs_and_dead_letters() -> Result<()> {
    let broker = Broker::shared();
    let (from, letters, group) = (broker.topic("from", 1)?, broker.topic("letters", 1)?, unique("group"));
    let address = serve(repeat)?;
    let sink = format!(
        "type = \"http\"\nurl = \"http://{address}/rows?token=${{TOKEN}}\"\nbatch = {{ age = \"10 ms\" }}\n\
         headers = {{ authorization = \"Bearer ${{KEY}}\", x-team = \"flights\" }}\n\
         [pipelines.p.dead-letter]\ntopic = \"{letters}\""
    );
    let config = pipeline("p", &from, &group, &sink);
    broker.produce(&from, [Record::of("{\"refuse\":1}")])?;
    let host = Host::builder(&config).env("TOKEN", "t0ken/1").env("KEY", "k3y-s3cret");
    let mut host = host.start()?;
    wait_for("the dead letter is committed", PATIENCE, || Ok((broker.lag(&group, &from)? == 0).then_some(())))?;
    broker.produce(&from, [Record::of("{\"n\":1}")])?;
    let status = host.wait(PATIENCE)?;
    ensure!(status.code() == Some(1), "{status}: {}", host.log());
    let letter = broker.consume(&letters)?.remove(0);
    let message = letter.header("edgemill.message").context("a message")?;
    let log = host.log();
    for told in [&message, &log] {
        ensure!(!["t0ken", "k3y"].iter().any(|part| told.contains(part)) && told.contains("(secret)"), "{told}");
        ensure!(!told.contains('\u{1b}') && told.contains("x-team: flights"), "{told:?}");
    }
    ensure!(!message.contains('\n'), "{message:?}");
    let lines: Vec<&str> = log.lines().collect();
    ensure!(!lines.iter().any(|line| line.starts_with("error: nothing")), "{log}");
    let [ended, error] = lines[lines.len() - 2..] else { unreachable!("there are two") };
    ensure!(ended.contains("records=2") && ended.contains("undelivered=1"), "{ended}");
    let expected = format!("error: pipeline p: http://{address}/rows: status 401");
    ensure!(error.starts_with(&expected) && error.contains("correct the credentials"), "{error}");
    Ok(())
}
