//! Sinks by HTTP and their certificates: a server that wants the client's, and those that are not trusted, by real TLS.

use std::fs;

use anyhow::{Result, ensure};
use edgemill_tests::featurebase::{Faults, Featurebase};
use edgemill_tests::host::Builder;
use edgemill_tests::tls::{Authority, Signed, Tls};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, ByHttp, Host, Record, program, wait_for};
use serde_json::json;

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

/// A host that sends rows to an address with these certificates, in a group of its own.
fn sender(pipeline: &ByHttp, url: &str, tls: &str) -> Builder {
    let sink = format!("type = \"http\"\nurl = \"{url}\"\nbatch = {{ age = \"50 ms\" }}\ntls = {{ {tls} }}");
    pipeline.host(1, &[], &sink)
}

/// Tries the connections of a host's configuration.
fn check(host: &Host) -> Result<(Option<i32>, String)> {
    let config = host.folder().join("edgemill.toml");
    let ended = program::run(["check", "-c", &config.to_string_lossy(), "--connect"], b"")?;
    Ok((ended.code, format!("{}{}", String::from_utf8_lossy(&ended.out), ended.err)))
}

#[test]
fn a_server_that_wants_the_clients_certificate_gets_rows_from_it_and_from_nobody_else() -> Result<()> {
    let (pipeline, service) = (ByHttp::new("secured", 1)?, Featurebase::start(Faults::default())?);
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
    Broker::shared().produce(&pipeline.from, rows(0, 100))?;

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
        let mut host = sender(&pipeline.in_group("bad"), url, tls).spawn()?;
        let status = host.wait(PATIENCE)?;
        ensure!(status.code() == Some(1), "{what}: {status}\n{}", host.log());
        ensure!(host.log().contains(remedy), "{what}: no {remedy:?} in\n{}", host.log());
        let (code, out) = check(&host)?;
        ensure!(code == Some(1) && out.contains(remedy), "{what}: {out}");
    }
    // named authorities are instead of the machine's, and not besides them
    let public = Tls::start(&behind, &others.sign("127.0.0.1")?, None)?;
    let on_machine = |tls: &str| {
        let machine = files.0.path().join("others.pem");
        sender(&pipeline.in_group("machine"), &url("https", &public.address()), tls)
            .env("SSL_CERT_FILE", machine.to_string_lossy())
    };
    let mut refused = on_machine(&trusted).spawn()?;
    let status = refused.wait(PATIENCE)?;
    ensure!(status.code() == Some(1) && refused.log().contains("as `tls.ca`"), "{status}: {}", refused.log());

    // who hangs up may be about to start: it is tried again, with a hint
    let remedy = "is that port one of TLS?";
    let host = sender(&pipeline.in_group("bad"), &url("https", &behind), &client).spawn()?;
    host.logs(remedy)?;
    let (code, out) = check(&host)?;
    ensure!(code == Some(1) && out.contains(remedy), "{out}");
    drop(host);
    ensure!(service.is_empty(), "rows came past the certificates");

    let mut host = sender(&pipeline, &url("https", &front.address()), &client).start()?;
    pipeline.wait_for_end()?;
    ensure!(service.len() == 100 && pipeline.dead_letters()?.is_empty());
    let (code, out) = check(&host)?;
    ensure!(code == Some(0), "{out}");
    ensure!(host.stop()?.success());

    let mut host = on_machine("").start()?;
    let again = || Ok(service.rows().values().all(|kept| kept.times == 2).then_some(()));
    wait_for("what the machine trusts is trusted where nothing is named", PATIENCE, again)?;
    ensure!(host.stop()?.success());
    Ok(())
}
