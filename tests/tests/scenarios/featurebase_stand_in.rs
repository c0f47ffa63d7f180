//! The stand-in answers as a FeatureBase server does: the list was made of a real one's answers, and holds for both.

use anyhow::{Result, ensure};
use edgemill_tests::database::Database;
use edgemill_tests::featurebase::Faults;
use serde_json::{Value, json};

/// A `BULK INSERT` of some columns with their types.
fn insert(columns: &str, lines: &str) -> String {
    let columns: Vec<(&str, &str)> = columns.split(", ").filter_map(|column| column.split_once(' ')).collect();
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let map: Vec<String> = columns.iter().enumerate().map(|(at, (_, kind))| format!("'$[{at}]' {kind}")).collect();
    format!(
        "BULK INSERT INTO @ ({}) MAP ({}) FROM x'{lines}' WITH FORMAT 'NDJSON' INPUT 'STREAM' BATCHSIZE 1000",
        names.join(","),
        map.join(",")
    )
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS @ (\"_id\" string, \"i\" int min -5 max 100, \"d\" decimal(2), \"s\" string, \
                     \"ss\" stringset, \"b\" bool, \"at\" timestamp timeunit 'ms', \"n\" id, \"ns\" idset)";

/// The row of an id, after its `_id`.
fn row(database: &Database, id: &str) -> Result<Value> {
    Ok(database.rows()?.get(id).map_or(Value::Null, |row| json!(row)))
}

#[test]
fn the_stand_in_answers_as_a_server_does() -> Result<()> {
    let database = Database::start(Faults::default())?;
    let line = |length: usize| {
        let set: Vec<String> = (0..60).map(|n| format!("{n:04}{}", "x".repeat(996))).collect();
        let line = format!("[\"long\",[\"{}\",\"\"]]", set.join("\",\""));
        line.replace("\"\"", &format!("\"{}\"", "y".repeat(length - line.len())))
    };
    let long = "k".repeat(32_769);
    // what is sent, and a part of the error, or none
    let statements: Vec<(String, Option<&str>)> = vec![
        ("SHOW COLUMNS FROM @".to_owned(), Some("] table '")),
        (insert("_id string, i int", "[\"a\",1]"), Some("[1:18] table '")),
        ("DELETE FROM @ WHERE \"_id\" IN ('a')".to_owned(), Some("] table or view '")),
        (TABLE.to_owned(), None),
        (TABLE.to_owned(), None),
        (TABLE.replace(" IF NOT EXISTS", ""), Some("already exists")),
        (TABLE.replace("\"_id\" string, ", "").replace('@', "other"), Some("_id column must be specified")),
        ("SELEC".to_owned(), Some("1:1: expected statement, found SELEC")),
        (String::new(), Some("EOF")),
        (
            insert("_id string, i int", "[\"r\",101]"),
            Some("inserting value into column 'i', row 1, value '101' out of range"),
        ),
        (insert("_id string, i int", "[\"r\",\"x\"]"), Some("[0:0] value 'x' cannot be converted to type 'int'")),
        (insert("_id string, i int", "[\"r\",1.5]"), Some("[0:0] value '1.5' cannot be converted to type 'int'")),
        (insert("_id string, i int", "[\"\",1]"), Some("adding record: record identifier cannot be an empty string")),
        (insert("_id string, i int", "[\"r\"]"), Some("unable to evaluate JSONPath expression '$[1]'")),
        (insert("_id string, i int", "[\"r\""), Some("[0:0] unable to parse JSON '[\"r\"")),
        (
            insert("_id string, ss stringset", "[\"r\",[\"z\",1]]"),
            Some("value '[z 1]' cannot be converted to type 'stringset'"),
        ),
        (
            insert("_id string, d decimal(2)", "[\"r\",\"1e2\"]"),
            Some("value '1e2' cannot be converted to type 'decimal(2)'"),
        ),
        (
            insert("_id string, at timestamp", "[\"r\",\"2024-01-02 03:04:05\"]"),
            Some("cannot be converted to type 'timestamp'"),
        ),
        (
            insert("_id string, at timestamp", "[\"r\",\"0001-01-01T00:00:00Z\"]"),
            Some("value provided for timestamp field is out of range"),
        ),
        (
            insert("_id string, s string", &format!("[\"r\",\"{long}\"]")),
            Some("importing batch: doing Translation: translating field keys"),
        ),
        (insert("_id string, nocol int", "[\"r\",1]"), Some("column 'nocol' not found")),
        (
            insert("_id string, s int", "[\"r\",1]"),
            Some("an expression of type 'int' cannot be assigned to type 'string'"),
        ),
        (insert("_id id, i int", "[1,1]"), Some("an expression of type 'id' cannot be assigned to type 'string'")),
        (
            insert("_id string, d decimal(3)", "[\"r\",\"1\"]"),
            Some("of type 'decimal(3)' cannot be assigned to type 'decimal(2)'"),
        ),
        ("DELETE FROM @ WHERE \"_id\" IN (1)".to_owned(), Some("types 'string' and 'int' are not equatable")),
        ("DELETE FROM @ WHERE \"_id\" IN ('a\nb')".to_owned(), Some("unterminated string literal")),
    ];
    for (statement, expected) in statements {
        let told = database.ask(&statement)?;
        let error = told["error"].as_str();
        let short = &statement[..statement.len().min(200)];
        let right = match expected {
            None => error.is_none() && told["data"].is_array(),
            Some(part) => error.is_some_and(|error| error.contains(part)),
        };
        ensure!(
            right,
            "{short}: {} where {expected:?} is expected",
            told.to_string().split_at(told.to_string().len().min(400)).0
        );
    }
    ensure!(database.rows()?.is_empty(), "a statement that failed left rows");

    // what is stored, and what is spoilt
    let all = "_id string, i int, d decimal(2), s string, ss stringset, b bool, at timestamp, n id, ns idset";
    let first = "[\"a\",1,\"1.15\",\"it''s \\u0041\",[\"y\",\"x\"],true,\"2024-01-02T03:04:05.678Z\",7,[2,1]]";
    database.execute(&insert(all, &format!("{first}\n[\"e\",2,1.15,\"\",[],null,1700000000,null,[]]")))?;
    let kept = json!([1, 1.15, "it's A", ["x", "y"], true, "2024-01-02T03:04:05.678Z", 7, [1, 2]]);
    ensure!(row(&database, "a")? == kept, "{}", row(&database, "a")?);
    // a decimal that is a number lost a hundredth, and an empty text is none
    let empty = row(&database, "e")?;
    ensure!(empty[1] == json!(1.14) && empty[2].is_null() && empty[5] == json!("2023-11-14T22:13:20Z"), "{empty}");
    // nulls leave what is there, but a boolean; sets grow; nothing else of `a` changes
    database.execute(&insert(all, "[\"a\",null,null,null,[\"z\"],null,null,null,null]"))?;
    let grown = json!([1, 1.15, "it's A", ["x", "y", "z"], null, "2024-01-02T03:04:05.678Z", 7, [1, 2]]);
    ensure!(row(&database, "a")? == grown, "{}", row(&database, "a")?);
    // of one `_id` twice in a statement the last counts, but both booleans stay
    database.execute(&insert("_id string, i int, b bool", "[\"t\",1,true]\n[\"t\",2,false]"))?;
    let twice = row(&database, "t")?;
    ensure!(twice[0] == 2 && twice[4] == true, "{twice}");
    database.execute(&insert("_id string, b bool", "[\"t\",false]"))?;
    ensure!(row(&database, "t")?[4] == false);
    // decimals are cut without a word
    database.execute(&insert("_id string, d decimal(2)", "[\"c\",\"1.999\"]\n[\"f\",\"90071992547409.93\"]"))?;
    ensure!(row(&database, "c")?[1] == json!(1.99) && row(&database, "f")?[1] == json!(90071992547409.92));
    // a deleted row leaves nothing behind
    database.execute("DELETE FROM @ WHERE \"_id\" IN (x'a',x'nobody')")?;
    database.execute(&insert("_id string, ss stringset", "[\"a\",[\"new\"]]"))?;
    ensure!(row(&database, "a")?[3] == json!(["new"]) && row(&database, "a")?[0].is_null());
    // of two batches the good one stays
    let two = insert("_id string, i int", "[\"g\",1]\n[\"h\",101]").replace("1000", "1");
    ensure!(database.ask(&two)?.get("error").is_some());
    ensure!(row(&database, "g")?[0] == 1 && row(&database, "h")?.is_null());
    // a line that is too long is dropped without a word, with all behind it
    for (length, fits) in [(65_535, true), (65_536, false)] {
        let after = insert("_id string, ss stringset", &format!("{}\n[\"after {length}\",[\"x\"]]", line(length)));
        database.execute(&after)?;
        ensure!(row(&database, &format!("after {length}"))?.is_null() != fits, "{length}");
    }
    Ok(())
}
