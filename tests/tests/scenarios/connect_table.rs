//! `edgemill check --connect` of a FeatureBase server: the table, and its columns.

use anyhow::{Result, ensure};
use edgemill_tests::Broker;
use edgemill_tests::broker::free_port;
use edgemill_tests::database::Database;
use edgemill_tests::featurebase::Faults;

use super::connect::{Check, lines, plain, text};

fn table(url: &str, table: &str, more: &str) -> String {
    format!("type = \"featurebase\"\nurl = \"{url}\"\ntable = \"{table}\"\n{more}")
}

#[test]
fn a_table_is_good_where_it_is_as_configured_or_will_be_made_and_bad_with_all_that_differs() -> Result<()> {
    let (broker, database) = (Broker::shared(), Database::start(Faults::default())?);
    let (from, letters) = (broker.topic("from", 1)?, broker.topic("letters", 1)?);
    database.execute("CREATE TABLE @ (\"_id\" string, \"n\" int, \"fare\" decimal(2), \"at\" string)")?;
    let (name, none) = (database.table.as_str(), format!("{}_none", database.table));
    let (url, nowhere) = (database.url(), format!("http://127.0.0.1:{}", free_port()));
    let good = "columns = { n = \"int\", fare = \"decimal(2)\" }";
    let bad = "columns = { n = \"int\", fare = \"decimal(4)\", at = \"timestamp\", more = \"bool\" }";
    let number = format!("id = {{ template = \"{{key}}\", type = \"id\" }}\n{good}");
    let create = format!("create_table = true\n{good}");
    let cases = [
        ("there", table(url, name, good), "good", vec!["it is there, and its columns are as configured".to_owned()]),
        ("made", table(url, &none, &create), "good", vec!["it is not there, and is made at the start".to_owned()]),
        (
            "missing",
            table(url, &none, good),
            "bad",
            vec![format!("there is no table `{none}`"), "write `create_table = true`, or make it".to_owned()],
        ),
        (
            "columns",
            table(url, name, bad),
            "bad",
            [
                "its column `fare` is of type `decimal(2)`, and not `decimal(4)`: correct `columns`",
                "its column `at` is of type `string`, and not `timestamp`: correct `columns`",
                "it has no column `more`: ALTER TABLE",
            ]
            .map(str::to_owned)
            .into(),
        ),
        (
            "number",
            table(url, name, &number),
            "bad",
            vec!["its `_id` is of type `string`, and `id` makes `id`".to_owned()],
        ),
        ("nobody", table(&nowhere, name, good), "bad", vec![nowhere.clone(), "nobody listens there".to_owned()]),
    ];
    let mut check = Check::new()?;
    for (pipeline, sink, ..) in &cases {
        check.pipeline(pipeline, &plain(&broker.address(), &from), sink, &letters);
    }
    let ended = check.run(&[])?;
    let out = text(&ended);
    println!("{out}{}", ended.err);
    ensure!(ended.code == Some(1) && ended.err.contains("4 of "), "{:?}: {out}{}", ended.code, ended.err);
    for (pipeline, _, verdict, wanted) in &cases {
        let sink: Vec<_> = lines(&out, pipeline).into_iter().filter(|line| line.contains(" sink ")).collect();
        let [line] = &sink[..] else { anyhow::bail!("{pipeline}: {sink:#?}\n{out}") };
        ensure!(line.starts_with(&format!("{verdict} ")), "{pipeline}: {line}");
        let missing = wanted.iter().find(|wanted| !line.contains(wanted.as_str()));
        ensure!(missing.is_none(), "{pipeline}: no {missing:?} in {line}");
    }
    // nothing was made, and no row came
    ensure!(database.ask(&format!("SHOW COLUMNS FROM \"{none}\""))?.get("error").is_some(), "the table was made");
    ensure!(database.count()? == 0);
    Ok(())
}
