//! The last good plan in a state folder that configurations and hosts share: whose it is, and what becomes of it when many start at once.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use edgemill_tests::host::Builder;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Signal, modules, program, scale, wait_for};

use super::pipeline::{Pipeline, TOP, said, status};

const FELL_BACK: &str = "broken module in the folder: running the last good plan";

/// A pipeline's host with a state folder that is not its own.
fn host(pipeline: &Pipeline, state: &Path, module: &str) -> Result<Builder> {
    let top = TOP.replace("@dir@/state", &state.to_string_lossy());
    let table = pipeline.table("p", "workers = 1", &["module = \"module.wasm\""]);
    Ok(Host::builder(&format!("{top}{table}")).module("module.wasm", modules::hostile(module)?))
}

/// A host with a broken module and no fall-back ends, and says what is wrong.
fn is_refused(mut host: Host) -> Result<()> {
    let code = host.wait(PATIENCE)?.code();
    ensure!(code == Some(2), "exit code {code:?}:\n{}", host.log());
    ensure!(said(&host, FELL_BACK).is_empty() && host.log().contains("module.wasm"), "{}", host.log());
    Ok(())
}

#[test]
fn promise_keep_gives_no_configuration_what_was_good_for_another() -> Result<()> {
    let state = tempfile::Builder::new().prefix("edgemill-state-").tempdir()?;
    let [one, other] = [Pipeline::new("one", 1)?, Pipeline::new("other", 1)?];
    let mut host_of_one = host(&one, state.path(), "identity")?.start()?;
    ensure!(host_of_one.stop()?.success());
    let broken = modules::hostile("trap-on-start")?;
    let module = host_of_one.modules().join("module.wasm");
    fs::write(&module, &broken)?;

    // a file of its own elsewhere; pipeline and module have the same names, and even the topics and the group are the same
    is_refused(host(&one, state.path(), "trap-on-start")?.spawn()?)?;
    // a file at the same path, as in containers that share a volume: another group, and another cluster's name
    let file = host_of_one.folder().join("edgemill.toml");
    let text = fs::read_to_string(&file)?;
    let address = Broker::shared().address();
    let changes = [(one.group.as_str(), other.group.as_str()), (&address, &address.replace("127.0.0.1", "localhost"))];
    for (from, to) in changes {
        let changed = text.replace(from, to);
        ensure!(changed != text, "{from} is not in the configuration");
        fs::write(&file, changed)?;
        host_of_one.spawn_again()?;
        let code = host_of_one.wait(PATIENCE)?.code();
        ensure!(code == Some(2) && said(&host_of_one, FELL_BACK).is_empty(), "{code:?}: {}", host_of_one.log());
    }
    // and its own comes back
    fs::write(&file, text)?;
    host_of_one.restart()?;
    ensure!(said(&host_of_one, FELL_BACK).len() == 1, "{}", host_of_one.log());
    ensure!(status(&host_of_one)?["refused"]["step"] == "instantiate");
    ensure!(host_of_one.stop()?.success());
    Ok(())
}

#[test]
fn promise_keep_holds_when_many_hosts_of_one_configuration_start_at_the_same_moment() -> Result<()> {
    let folder = tempfile::Builder::new().prefix("edgemill-many-").tempdir()?;
    let (broker, pipeline, count) = (Broker::shared(), Pipeline::new("many", 1)?, scale(6, 12));
    let path = |name: &str| folder.path().join(name);
    let top = TOP.replace("@dir@", &folder.path().to_string_lossy());
    let top = top.replace("@modules@", &path("modules").to_string_lossy());
    let table = pipeline.table("p", "workers = 1", &["module = \"module.wasm\""]);
    fs::write(path("edgemill.toml"), format!("{top}{table}\n[admin]\nlisten = \"off\"\n"))?;
    fs::create_dir(path("modules"))?;
    fs::write(path("modules/module.wasm"), modules::hostile("identity")?)?;
    let file = path("edgemill.toml");
    let args = ["run", "-c", file.to_str().context("a path in UTF-8")?];

    let hosts = (0..count).map(|_| program::start(args, b"")).collect::<Result<Vec<_>>>()?;
    let members = |wanted| {
        let are = || Ok((broker.members(&pipeline.group)?.len() == wanted).then_some(()));
        wait_for(&format!("there are {wanted} members"), PATIENCE * 2, are)
    };
    members(count)?;
    for host in &hosts {
        host.signal(Signal::TERM)?;
    }
    for host in hosts {
        let ended = host.wait()?;
        ensure!(ended.code == Some(0) && !ended.err.contains("cannot be kept"), "{:?}: {}", ended.code, ended.err);
    }
    let plans = fs::read_dir(path("state/plans"))?.collect::<Result<Vec<_>, _>>()?;
    ensure!(plans.len() == 1, "{plans:?}");
    let mut kept = fs::read_dir(plans[0].path())?.collect::<Result<Vec<_>, _>>()?;
    kept.retain(|entry| entry.file_name() != "lock");
    ensure!(kept.len() == 1, "{kept:?}");
    ensure!(fs::read(kept[0].path().join("module.wasm"))? == modules::hostile("identity")?);

    // and any of them falls back to it
    members(0)?;
    fs::write(path("modules/module.wasm"), modules::hostile("trap-on-start")?)?;
    let host = program::start(args, b"")?;
    members(1)?;
    host.signal(Signal::TERM)?;
    let ended = host.wait()?;
    ensure!(ended.code == Some(0) && ended.err.contains(FELL_BACK), "{:?}: {}", ended.code, ended.err);
    Ok(())
}
