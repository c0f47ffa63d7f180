//! `edgemill test`: a transform's fixtures, in every way in which a host may give it their records.

use super::arguments::{LimitArguments, engine};
use super::fixtures::case::{self, Case};
use super::fixtures::{Effort, Verdict, examine, update};
use super::{Done, Failure};
use crate::modules;
use crate::modules::watch::Watch;
use crate::wasm::Engine;
use anyhow::{Context, anyhow};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

/// Where builds of the languages put a module, below a transform's folder.
const PLACES: [&str; 7] = [
    ".",
    "build",
    "dist",
    "target/wasm32-unknown-unknown/release",
    "target/wasm32-wasip2/release",
    "target/wasm32-wasip1/release",
    "zig-out/bin",
];

/// Runs a transform's fixtures: records that go in, and what must come out
///
/// A fixture is a file in DIR/fixtures: `.json` or `.toml` with one case, or `.jsonl` with one a line:
///
///   {"config":{…},"in":[{"key":"k","value":"v"}],"out":[{"origin":0,"value":"V"}],
///    "rejects":[{"origin":1,"code":"too-old","message":"…"}],"log":["info: …"],"refused":"…"}
///
/// Records stand as in `edgemill apply --format records`; `origin` is the index of the record that an output comes from.
/// `config`, `rejects`, `log` (not compared where it is not there) and a reject's `message` may be left out. A case with
/// `refused` has a configuration that the module must refuse, with a message that has this part.
///
/// Each case is run alone, again, one record at a time, in one batch with all others, and in random orders and batches:
/// what gives something else then depends on what it must not. Exits with code 1 where a case fails.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// The transform's folder
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,

    /// The module; without it, the newest .wasm where builds put it
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,

    /// Writes what came into the fixtures, instead of comparing. A destination that the module names is then taken for a right one,
    /// unless the fixture has a reject with the code unknown-route
    #[arg(long)]
    update: bool,

    /// Runs again whenever the module or a fixture changes
    #[arg(long)]
    watch: bool,

    /// Random orders and batches that are tried
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    orders: u32,

    /// The seed of the random orders; without it, another one each time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    #[command(flatten)]
    limits: LimitArguments,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let engine = engine()?;
    if !arguments.watch {
        return once(&engine, arguments);
    }
    loop {
        // begun before: what changes while it runs must not be missed
        let changes = Changes::watch(arguments)?;
        // somebody is in the middle of mending it: whatever is wrong now, the next change is waited for
        match once(&engine, arguments) {
            Ok(_) => {}
            Err(Failure::Unread) => return Err(Failure::Unread),
            Err(Failure::Usage(error) | Failure::Failed(error)) => eprintln!("error: {error:#}"),
            Err(Failure::Configuration(report)) => super::print_report(&report),
        }
        changes.wait();
        println!("--- changed");
    }
}

fn once(engine: &Engine, arguments: &Arguments) -> Result<Done, Failure> {
    let files = fixtures(&arguments.folder)?;
    let path = match &arguments.module {
        Some(path) => path.clone(),
        None => find_module(&arguments.folder)?,
    };
    let bytes =
        modules::read(&path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let mut cases = Vec::new();
    let mut owners = Vec::new();
    for file in &files {
        let read = case::read(file).map_err(Failure::Usage)?;
        owners.extend(std::iter::repeat_n(file, read.len()));
        cases.extend(read);
    }
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let effort = Effort { limits: arguments.limits.limits(), orders: arguments.orders, seed, writes: arguments.update };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let verdicts = examine(engine, &name, &bytes, &cases, effort)?;
    if arguments.update {
        return write(cases, &owners, &verdicts);
    }
    let failed = tell(&cases, &verdicts, &path)?;
    match failed {
        0 => Ok(Done::Well),
        _ => Err(Failure::Failed(anyhow!("{failed} of {} cases fail; `--update` writes what came", cases.len()))),
    }
}

/// Says what came of the cases; gives how many failed.
pub(super) fn tell(cases: &[Case], verdicts: &[Verdict], module: &Path) -> Result<usize, Failure> {
    let mut out = std::io::stdout().lock();
    let mut failed = 0;
    for (case, verdict) in cases.iter().zip(verdicts) {
        if let Some((way, differences)) = &verdict.wrong {
            failed += 1;
            write!(out, "FAILS {}, {way}\n{differences}", case.name)?;
            // a log that is wrong has been shown
            if case.log.is_none() {
                verdict.log.iter().try_for_each(|line| writeln!(out, "  logged    {line}"))?;
            }
        }
    }
    let whole = |(case, verdict): (&Case, &Verdict)| (!case.is_slow()).then_some(verdict.time);
    let time = cases.iter().zip(verdicts).filter_map(whole).max().unwrap_or_default();
    let memory = verdicts.iter().map(|verdict| verdict.memory).max().unwrap_or_default();
    writeln!(
        out,
        "{}: {} of {} cases pass; the longest batch took {:.1} ms, and the module {:.1} MiB of memory",
        module.display(),
        cases.len() - failed,
        cases.len(),
        time.as_secs_f64() * 1e3,
        memory as f64 / 1048576.0,
    )?;
    let tight = cases.iter().zip(verdicts).find_map(|(case, verdict)| Some((case, verdict.tight.as_ref()?)));
    match tight {
        None => writeln!(out, "a tenth of the limits would do")?,
        Some((case, why)) => writeln!(out, "a tenth of the limits would not do: {}: {why}", case.name)?,
    }
    Ok(failed)
}

fn write(cases: Vec<Case>, owners: &[&PathBuf], verdicts: &[Verdict]) -> Result<Done, Failure> {
    let mut files: Vec<(&PathBuf, Vec<Case>)> = Vec::new();
    for ((mut case, owner), verdict) in cases.into_iter().zip(owners).zip(verdicts) {
        if case.refused.is_none() {
            if verdict.came.rows.is_empty() && verdict.came.rejects.is_empty() && !case.input.is_empty() {
                eprintln!("warning: nothing came of {}", case.name);
            }
            if verdict.unsteady {
                let name = &case.name;
                eprintln!(
                    "warning: {name}: the same records give something else a second time; what came first is written"
                );
            }
            update(&mut case, verdict);
        }
        match files.last_mut() {
            Some((file, cases)) if file == owner => cases.push(case),
            _ => files.push((owner, vec![case])),
        }
    }
    for (file, cases) in files {
        let own = file.file_name().unwrap_or_default().to_string_lossy();
        let mut text = String::new();
        let lines = file.extension().is_some_and(|ending| ending == "jsonl");
        for mut case in cases {
            if case.name.starts_with(&*own) {
                case.name.clear();
            }
            text += &if lines {
                serde_json::to_string(&case).map_err(anyhow::Error::from)? + "\n"
            } else {
                case::write(&case, file)?
            };
        }
        let old = std::fs::read_to_string(file).unwrap_or_default();
        if old != text {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
            println!("wrote {}", file.display());
        }
    }
    Ok(Done::Well)
}

/// The fixtures below a folder, by name.
fn fixtures(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let place = folder.join("fixtures");
    let entries = std::fs::read_dir(&place).map_err(|error| {
        let help = "write one, such as shout.json: {\"in\":[{\"value\":\"a\"}]}, and let --update write what comes";
        Failure::usage(format!("cannot read the fixtures in {}: {error}; {help}", place.display()))
    })?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_fixture(path));
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(format!("no fixture (.json, .jsonl, .toml) in {}", place.display())));
    }
    Ok(files)
}

fn is_fixture(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ["json", "jsonl", "toml"].iter().any(|known| ending == *known))
}

/// Whether a change is one of a module or a fixture, or of a folder, which may be one for them. What else a build writes, and
/// what this command is told to write, is not.
fn matters(path: &Path) -> bool {
    let of_fixtures = path.parent().is_some_and(|parent| parent.ends_with("fixtures"));
    path.extension().is_some_and(|ending| ending == "wasm") || of_fixtures && is_fixture(path) || path.is_dir()
}

/// The newest module where builds put them.
fn find_module(folder: &Path) -> Result<PathBuf, Failure> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for place in PLACES {
        for entry in std::fs::read_dir(folder.join(place)).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "wasm")
                && let Some(time) = entry.metadata().ok().and_then(|meta| meta.modified().ok())
            {
                found.push((time, path));
            }
        }
    }
    found.into_iter().max().map(|(_, path)| path).ok_or_else(|| {
        let places = PLACES.join(", ");
        Failure::usage(format!("no .wasm in {} ({places}): build it, or name it with --module", folder.display()))
    })
}

/// What changes where fixtures and modules are.
struct Changes {
    _watches: Vec<Watch>,
    changed: Receiver<()>,
    /// So that waiting goes on where there is no folder that could be watched.
    _hints: SyncSender<()>,
}

impl Changes {
    fn watch(arguments: &Arguments) -> Result<Self, Failure> {
        let (hints, changed) = sync_channel(1);
        let mut places: Vec<PathBuf> = PLACES.iter().map(|place| arguments.folder.join(place)).collect();
        places.push(arguments.folder.join("fixtures"));
        places.extend(arguments.module.as_ref().and_then(|path| path.parent()).map(
            |parent| match parent.as_os_str() {
                empty if empty.is_empty() => PathBuf::from("."),
                parent => parent.into(),
            },
        ));
        let _watches = places
            .iter()
            .filter(|place| place.is_dir())
            .map(|place| {
                Watch::start(place, hints.clone(), matters)
                    .map_err(|error| anyhow!("watching {}: {error}", place.display()))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { _watches, changed, _hints: hints })
    }

    /// Waits until something does, and then until nothing does for a moment.
    fn wait(self) {
        // never an error: this side has a sender too
        let _ = self.changed.recv();
        // a build writes in several steps
        while self.changed.recv_timeout(Duration::from_millis(150)).is_ok() {}
    }
}
