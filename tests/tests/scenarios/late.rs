//! Errors that FeatureBase Cloud lists later, of rows that it had taken: they are told, and whatever is answered, rows go on.

use anyhow::{Context, Result, ensure};
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, ByHttp, Host, Record, wait_for};
use serde_json::{Value, json};

fn status(host: &Host) -> Result<Value> {
    Ok(host.status()?["pipelines"][0]["late_errors"].clone())
}

fn counted(host: &Host) -> Result<f64> {
    Ok(host.metrics()?.sum("edgemill_http_late_errors_total", &[]))
}

#[test]
fn late_errors_are_told_once_each_and_no_answer_ends_the_pipeline() -> Result<()> {
    let (pipeline, cloud) = (ByHttp::new("late", 1)?, Featurebase::start(Faults::default())?);
    let error =
        |n: usize| json!({ "id": n, "error_message": format!("field {n} is unknown"), "error_code": "BadField" });
    let list = |count: usize| json!({ "errors": (0..count).map(error).collect::<Vec<_>>() }).to_string();
    cloud.says_later(200, &list(2));
    let late = format!("late_errors = {{ url = \"{}\", every = \"1 s\" }}", cloud.late_errors_url());
    let mut host = pipeline.to_cloud(1, &cloud, &format!("batch = {{ age = \"50 ms\" }}\n{late}")).start()?;
    host.logs("late errors are listed from before this start")?;
    ensure!(status(&host)? == json!({ "errors": 0, "last": null, "unread": null }), "{}", status(&host)?);

    cloud.says_later(200, &list(10));
    host.logs("field 4 is unknown (BadField)")?;
    wait_for("eight are counted", PATIENCE, || Ok((counted(&host)? == 8.0).then_some(())))?;
    ensure!(status(&host)?["errors"] == 8 && status(&host)?["last"] == "field 9 is unknown (BadField)");
    let log = host.log();
    ensure!(log.matches("a row that was taken is not there").count() == 5 && log.contains("more late errors"), "{log}");

    // whatever is said: it is told, and rows go on
    let deep = "[".repeat(5000);
    for (n, (code, body)) in [
        (404, "not here"),
        (200, "<html>"),
        (200, "{\"errors\": 7}"),
        (200, &*deep),
        (500, ""),
        (401, "no"),
        (301, ""),
        (200, "{}"),
    ]
    .into_iter()
    .enumerate()
    {
        cloud.says_later(code, body);
        let asked = cloud.asked_later();
        wait_for("it was asked", PATIENCE, || Ok((cloud.asked_later() > asked + 1).then_some(())))?;
        ensure!(status(&host)?["unread"].is_string(), "{code} {body}: {}", status(&host)?);
        let row = json!({ "id": n.to_string(), "partition": 0, "n": n });
        Broker::shared().produce(&pipeline.from, [Record::of(row.to_string())])?;
        wait_for("rows go on", PATIENCE, || Ok((cloud.len() == n + 1).then_some(())))?;
    }
    cloud.says_later(200, &list(11));
    wait_for("it can be read again", PATIENCE, || Ok(status(&host)?["unread"].is_null().then_some(())))?;
    ensure!(counted(&host)? == 9.0, "{}", counted(&host)?);
    ensure!(host.stop()?.success());
    let log = host.log();
    ensure!(!log.contains("panicked") && !log.contains(PASSWORD), "{log}");
    log.find("late errors cannot be read; rows go on").context("it is not said that they cannot be read")?;
    Ok(())
}
