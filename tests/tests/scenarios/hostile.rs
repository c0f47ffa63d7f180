//! Hostile modules: refused at the start, refused as a swap, and contained while they run, each with its message.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use edgemill::modules::hash;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Record, modules, program, scale, wait_for};

use super::pipeline::{Pipeline, TOP, said, status, stop};

/// Modules that never run: the step that refuses them, and its words.
const REFUSED: [(&str, &str, &str); 13] = [
    ("trap-on-start", "instantiate", "trap: unreachable code was reached, as a panic or an abort does; in start"),
    ("loop-on-start", "instantiate", "starting took longer than 1s"),
    ("hungry-start", "instantiate", "wanted 65.0 MiB of memory, limits.memory is 64.0 MiB"),
    ("refuses-configuration", "configure", "unknown key colour; known are size, shape"),
    ("missing-export", "version", "exports edgemill_transform_1_0_0 but not edgemill_alloc"),
    ("missing-memory", "version", "exports edgemill_transform_1_0_0 but not memory"),
    ("wrong-type", "version", "the export edgemill_alloc must be a function (i32) -> i32"),
    ("wrong-version", "version", "speaks contract 2.0.0; this host speaks 1.0.0"),
    ("no-transform", "version", "the export edgemill_transform_1_0_0 is missing; it exports memory, run"),
    ("unknown-import", "link", "imports outside::world, which is not granted"),
    ("alloc-nothing", "configure", "no memory for 4 B of input, limits.memory is 64.0 MiB"),
    ("alloc-minus-one", "configure", "edgemill_alloc: 4 bytes at 4294967295 end outside of the memory"),
    ("alloc-misaligned", "configure", "edgemill_alloc: the address 65540 is no multiple of 8"),
];

/// Modules that fail while they run: their limits, and the class and the words of each record's dead letter.
const CONTAINED: [(&str, &str, &str, &str); 7] = [
    ("recursion", "", "trap", "trap: the stack overflowed, as endless recursion does; in deeper"),
    ("loop", "time = \"20 ms\"", "timeout", "took longer than 20ms"),
    ("hog", "", "memory", "wanted 64.1 MiB of memory, limits.memory is 64.0 MiB; then trap: unreachable code"),
    ("out-of-range", "", "output", "outputs: 128 bytes at 1048568 end outside of the memory, which has 1048576"),
    ("lying-lengths", "", "output", "values: lengths add up to 2147483647 bytes, the data has 16"),
    ("alloc-at-the-end", "", "output", " bytes at 1048568 end outside of the memory, which has 1048576"),
    ("huge-output", "memory = \"2 MiB\"", "output", "outputs are larger than limits.memory"),
];

/// Puts a module into a folder as a copy that keeps times does: nobody takes it for one that is still being written.
fn put_an_old_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let beside = folder.join("next");
    fs::write(&beside, bytes)?;
    fs::File::options().append(true).open(&beside)?.set_modified(SystemTime::now() - Duration::from_secs(3600))?;
    Ok(fs::rename(beside, folder.join(name))?)
}

#[test]
fn promise_closed_holds_at_the_start_where_hostile_modules_end_the_host_with_their_message() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("hostile-start", 1)?;
    broker.produce(&pipeline.from, [Record::of("nobody reads this")])?;
    for (guest, step, words) in REFUSED {
        let module = modules::hostile(guest)?;
        let mut host = pipeline.host("workers = 1", &["module = \"it.wasm\""]).module("it.wasm", &module).spawn()?;
        assert_eq!(host.wait(PATIENCE)?.code(), Some(2), "{guest}");
        let log = host.log();
        for part in ["pipeline p", "module it.wasm", &format!("{step}: "), words] {
            assert!(log.contains(part), "{guest}: no {part:?} in {log:?}");
        }
        assert!(!log.contains("panicked"), "{log:?}");
    }
    assert_eq!(broker.committed(&pipeline.group, &pipeline.from)?, [None]);
    Ok(())
}

#[test]
fn promise_keep_holds_against_every_hostile_module_and_each_is_told_once() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("hostile-swap", 1)?;
    let good = modules::hostile("identity")?;
    let host = pipeline.host("workers = 1", &["module = \"it.wasm\""]).module("it.wasm", &good).start()?;
    for (number, (guest, step, words)) in REFUSED.into_iter().enumerate() {
        let bad = modules::hostile(guest)?;
        put_an_old_file(&host.modules(), "it.wasm", &bad)?;
        let refused = wait_for(&format!("{guest} is refused"), PATIENCE, || {
            let refused = status(&host)?["refused"].take();
            Ok((refused["hash"] == hash(&bad)).then_some(refused))
        })?;
        assert_eq!((&refused["module"], &refused["step"]), (&"it.wasm".into(), &step.into()), "{guest}: {refused}");
        assert!(refused["error"].as_str().is_some_and(|error| error.contains(words)), "{guest}: {refused}");
        let plan = status(&host)?["plan"].take();
        assert_eq!((&plan["number"], &plan["modules"][0]["hash"]), (&1.into(), &hash(&good).into()), "{guest}");
        let told = said(&host, "module refused: the running plan stays");
        assert_eq!(told.len(), number + 1, "{guest}");
        assert_eq!((&told[number]["level"], &told[number]["step"]), (&"ERROR".into(), &step.into()), "{guest}");
        broker.produce(&pipeline.from, [Record::of(guest)])?;
        pipeline.wait_for_end(PATIENCE)?;
    }
    stop(host)?;
    let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
    assert_eq!(rows, REFUSED.map(|(guest, ..)| guest));
    Ok(())
}

#[test]
fn promise_bounds_holds_against_every_module_that_fails_while_it_runs_and_others_are_not_hurt() -> Result<()> {
    let broker = Broker::shared();
    let count = scale(30, 300);
    let value = |guest: &str, n: usize| format!("{guest} {n}");
    let mut tables = String::from(TOP);
    let mut pipelines = Vec::new();
    for (guest, limits, ..) in CONTAINED {
        let pipeline = Pipeline::new(guest, 1)?;
        let chain = format!("module = \"{guest}.wasm\", limits = {{ {limits} }}");
        tables += &pipeline.table(guest, "workers = 1", &[&chain]);
        pipelines.push((guest, pipeline));
    }
    let honest = Pipeline::new("honest", 1)?;
    tables += &honest.table("honest", "workers = 1", &["module = \"identity.wasm\""]);
    pipelines.push(("identity", honest));
    let mut builder = Host::builder(&tables);
    for (guest, pipeline) in &pipelines {
        builder = builder.module(&format!("{guest}.wasm"), modules::hostile(guest)?);
        broker.produce(&pipeline.from, (0..count).map(|n| Record::of(value(guest, n))))?;
    }
    let mut host = builder.start()?;
    let pid = host.pid();
    for (_, pipeline) in &pipelines {
        pipeline.wait_for_end(Duration::from_secs(scale(60, 600)))?;
    }
    ensure!(host.try_wait()?.is_none() && host.pid() == pid, "the host ended");
    assert_eq!(host.metrics()?.sum("edgemill_worker_restarts_total", &[]), 0.0);
    let log = host.log();
    stop(host)?;
    assert!(!log.contains("panicked"), "{log}");

    let (_, honest) = pipelines.pop().context("the honest one")?;
    let rows: Vec<_> = broker.consume(&honest.to)?.iter().map(Consumed::text).collect();
    assert_eq!(rows, (0..count).map(|n| value("identity", n)).collect::<Vec<_>>());
    for ((guest, pipeline), (_, _, class, words)) in pipelines.iter().zip(CONTAINED) {
        assert_eq!(broker.ends(&pipeline.to)?, [0], "{guest} made rows");
        let letters = broker.consume(&pipeline.dead)?;
        let values: Vec<_> = letters.iter().map(Consumed::text).collect();
        assert_eq!(values, (0..count).map(|n| value(guest, n)).collect::<Vec<_>>());
        for letter in letters {
            let header = |name: &str| letter.header(&format!("edgemill.{name}")).unwrap_or_default();
            assert_eq!((&*header("class"), &*header("code")), (class, class), "{guest}");
            assert!(header("message").contains(words), "{guest}: {:?}", header("message"));
        }
    }
    Ok(())
}

#[test]
fn apply_cuts_a_module_that_loops_and_passes_the_other_records() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("poison.wasm");
    fs::write(&module, modules::hostile("poison")?)?;
    let ended = program::run([Path::new("apply"), module.as_path()], b"L!\nfine\n")?;
    ensure!(ended.code == Some(3), "{ended:?}");
    ensure!(ended.out == b"fine\n" && ended.err.contains("\"timeout\""), "{ended:?}");
    Ok(())
}

#[test]
fn what_is_no_file_is_not_waited_for_as_a_module() -> Result<()> {
    let ended = program::run(["inspect", "/dev/zero"], b"")?;
    ensure!(ended.code == Some(2) && ended.err.contains("this is no file"), "{ended:?}");
    Ok(())
}
