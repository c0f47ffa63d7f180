//! Sinks by HTTP and their certificates: a server that wants the client's, and those that are not trusted, by real TLS.

use std::fs;

use anyhow::{Result, ensure};
use edgemill_tests::featurebase::{Faults, Featurebase};
use edgemill_tests::host::Builder;
use edgemill_tests::tls::{Authority, Signed, Tls};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, program, unique, wait_for};
use serde_json::json;

const HTTP: &str = r#"
modules = "@modules@"
[pipelines.secured]
workers = 1
[pipelines.secured.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
[pipelines.secured.sink]
type = "http"
url = "@url@"
batch = { age = "50 ms" }
tls = { @tls@ }
[pipelines.secured.dead-letter]
topic = "@letters@"
"#;

/// Certificates in a folder.
struct Files(tempfile::TempDir);

impl Files {
    fn put(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.0.path().join(name), text)?)
    }

    fn put_signed(&self, name: &str, signed: &Signed) -> Result<()> {
        self.put(&format!("{name}.pem"), &signed.pem())?;
        self.put(&format!("{name}.key"), &signed.key())
    }

    fn tls(&self, ca: &str, client: Option<&str>) -> String {
        let path = |name: &str| self.0.path().join(name).display().to_string();
        let ca = format!("ca = \"{}\"", path(&format!("{ca}.pem")));
        client.map_or(ca.clone(), |name| {
            let (certificate, key) = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
            format!("{ca}, certificate = \"{certificate}\", key = \"{key}\"")
        })
    }
}

struct Case {
    broker: &'static Broker,
    from: String,
    letters: String,
}

impl Case {
    fn host(&self, group: &str, url: &str, tls: &str) -> Builder {
        Host::builder(HTTP)
            .set("brokers", self.broker.address())
            .set("from", &self.from)
            .set("letters", &self.letters)
            .set("group", group)
            .set("url", url)
            .set("tls", tls)
    }
}

/// Tries the connections of a host's configuration.
fn check(host: &Host) -> Result<(Option<i32>, String)> {
    let config = host.folder().join("edgemill.toml");
    let ended = program::run(["check", "-c", &config.to_string_lossy(), "--connect"], b"")?;
    Ok((ended.code, format!("{}{}", String::from_utf8_lossy(&ended.out), ended.err)))
}

#[test]
fn a_server_that_wants_the_clients_certificate_gets_rows_from_it_and_from_nobody_else() -> Result<()> {
    let (broker, service) = (Broker::shared(), Featurebase::start(Faults::default())?);
    let case = Case { broker, from: broker.topic("secured", 1)?, letters: broker.topic("letters", 1)? };
    let (ours, others) = (Authority::new()?, Authority::new()?);
    let files = Files(tempfile::Builder::new().prefix("edgemill-certificates-").tempdir()?);
    files.put("ours.pem", &ours.pem())?;
    files.put("others.pem", &others.pem())?;
    files.put_signed("client", &ours.sign("edgemill")?)?;
    files.put_signed("stranger", &others.sign("edgemill")?)?;
    let behind = service.plain_url().trim_start_matches("http://").trim_end_matches("/plain").to_owned();
    let front = Tls::start(&behind, &ours.sign("127.0.0.1")?, Some(&ours))?;
    let elsewhere = Tls::start(&behind, &ours.sign("elsewhere.example")?, None)?;
    let rows = |from: usize, to: usize| {
        (from..to).map(|n| Record::of(json!({ "id": n.to_string(), "partition": 0, "n": n }).to_string()))
    };
    broker.produce(&case.from, rows(0, 100))?;

    let url = |scheme: &str, address: &str| format!("{scheme}://{address}/plain");
    let (trusted, client) = (files.tls("ours", None), files.tls("ours", Some("client")));
    let bad = [
        ("no certificate", url("https", &front.address()), &trusted, "the server wants a client's certificate"),
        (
            "a stranger's",
            url("https", &front.address()),
            &files.tls("ours", Some("stranger")),
            "the server wants a client's certificate that it knows",
        ),
        ("another authority", url("https", &front.address()), &files.tls("others", Some("client")), "as `tls.ca`"),
        ("another name", url("https", &elsewhere.address()), &client, "the certificate is for another name"),
    ];
    for (what, url, tls, remedy) in &bad {
        let mut host = case.host(&unique("bad"), url, tls).spawn()?;
        let status = host.wait(PATIENCE)?;
        ensure!(status.code() == Some(1), "{what}: {status}\n{}", host.log());
        ensure!(host.log().contains(remedy), "{what}: no {remedy:?} in\n{}", host.log());
        let (code, out) = check(&host)?;
        ensure!(code == Some(1) && out.contains(remedy), "{what}: {out}");
    }
    // who hangs up may be about to start: it is tried again, with a hint
    let remedy = "is that port one of TLS?";
    let host = case.host(&unique("bad"), &url("https", &behind), &client).spawn()?;
    host.logs(remedy)?;
    let (code, out) = check(&host)?;
    ensure!(code == Some(1) && out.contains(remedy), "{out}");
    drop(host);
    ensure!(service.is_empty(), "rows came past the certificates");

    let group = unique("good");
    let mut host = case.host(&group, &url("https", &front.address()), &client).start()?;
    wait_for("all is committed", PATIENCE, || Ok((broker.lag(&group, &case.from)? == 0).then_some(())))?;
    ensure!(service.len() == 100 && broker.consume(&case.letters)?.is_empty());
    let (code, out) = check(&host)?;
    ensure!(code == Some(0), "{out}");
    ensure!(host.stop()?.success());
    Ok(())
}
