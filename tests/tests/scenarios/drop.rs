//! Dead letters that are given up.

use anyhow::{Result, ensure};
use serde_json::json;

use super::redrive::Failed;
use super::replay::command;

const DROP: &[&str] = &["dead-letters", "drop"];

#[test]
fn promise_commit_what_is_given_up_waits_no_more_and_the_others_wait_on() -> Result<()> {
    let failed = Failed::new(200, "")?;
    let before = failed.ends()?;
    for neither in [&[][..], &["--all", "--class", "trap"]] {
        let ended = command(&failed.host, DROP, neither)?;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        ensure!(ended.err.contains("say which"), "{}", ended.err);
    }
    assert_eq!((failed.waiting()?, failed.ends()?), (180, before.clone()));

    // the module is as broken as it was, which is nothing to them
    let ended = command(&failed.host, DROP, &["--class", "trap"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let said = String::from_utf8(ended.out)?;
    ensure!(said.contains("60 dead letters given up") && said.contains("120 not chosen: put back"), "{said}");
    let listed = failed.list(&[])?;
    assert_eq!((&listed["waiting"], listed["kinds"].as_array().map(Vec::len)), (&json!(120), Some(1)));
    assert_eq!(&listed["kinds"][0]["class"], &json!("reject"));

    let ended = command(&failed.host, DROP, &["--all"])?;
    assert_eq!((ended.code, failed.waiting()?), (Some(0), 0), "{}", ended.err);
    assert_eq!(failed.ends()?.0, before.0, "nothing went to the sink");
    Ok(())
}
