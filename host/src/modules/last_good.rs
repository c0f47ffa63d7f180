//! Keeps the bytes of the last good plan, so that a restart with a broken file in the folder falls back to them.
//!
//! Several processes may share the state folder, and start at the same moment: whoever reads or writes a pipeline's plans holds the lock of
//! their folder, which the system releases when a process dies. A plan is written beside the one that is there and takes its
//! place by one rename, so a crash leaves nothing to mend: the highest number counts, and the next who writes removes the rest.

use crate::config::{Config, Pipeline};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Nobody needs the lock for so long, unless it is stopped: a container that is paused must not keep others from starting.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pipeline's folder of plans.
pub struct LastGood {
    folder: PathBuf,
}

impl LastGood {
    /// Below the state folder, by what makes a pipeline the same one after a restart, and another one than its namesake of
    /// another configuration: the configuration's file, the modules folder, the pipeline's name, its brokers and its group.
    ///
    /// The paths are as they were named, and no link in them is followed: a `..data` or `current` that is switched is still the
    /// same configuration. In containers all files may have the same paths; then brokers and groups tell them apart.
    pub fn new(config: &Config, pipeline: &Pipeline) -> Self {
        let Pipeline { name, source, .. } = pipeline;
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let [file, modules] = [&config.file, &config.modules].map(|path| absolute(path).into_os_string());
        let texts = [name, &source.client.brokers, &source.group].map(|text| text.as_bytes());
        let whose = super::hash(&[&[file.as_bytes(), modules.as_bytes()], &texts[..]].concat().join(&0));
        Self { folder: config.state.join("plans").join(format!("{name}-{}", &whose[..16])) }
    }

    /// Where plans are kept, for people.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Replaces what is kept with these modules, by name.
    ///
    /// # Errors
    /// The folder cannot be written or is locked for long; what was kept stays.
    pub fn keep(&self, modules: &[(&str, &[u8])]) -> io::Result<()> {
        if modules.is_empty() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(self.lock())?;
        wait_for(|| lock.try_lock())?;
        let newest = self.newest()?.unwrap_or(0);
        if self.holds(newest, modules) {
            return Ok(());
        }
        let (draft, place) = (self.folder.join(".draft"), self.place(newest + 1));
        match fs::remove_dir_all(&draft) {
            Err(error) if !is_absent(&error) => return Err(error),
            _ => write(&draft, modules)?,
        }
        fs::rename(draft, place)?;
        self.tidy(newest + 1);
        Ok(())
    }

    /// The kept bytes of modules, all of one plan.
    ///
    /// # Errors
    /// One of them is not kept, they cannot be read, or the folder is locked for long.
    pub fn read<'m>(&self, modules: impl Iterator<Item = &'m str>) -> io::Result<HashMap<&'m str, Vec<u8>>> {
        let lock = File::open(self.lock())?;
        wait_for(|| lock.try_lock_shared())?;
        let place = self.place(self.newest()?.ok_or(ErrorKind::NotFound)?);
        modules.map(|module| Ok((module, fs::read(place.join(module))?))).collect()
    }

    fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    fn place(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// The number of the plan that counts.
    fn newest(&self) -> io::Result<Option<u64>> {
        let mut newest = None;
        for entry in fs::read_dir(&self.folder)? {
            newest = newest.max(number(&entry?.path()));
        }
        Ok(newest)
    }

    /// Whether a plan has these modules: most starts change nothing.
    fn holds(&self, number: u64, modules: &[(&str, &[u8])]) -> bool {
        let place = self.place(number);
        let count = fs::read_dir(&place).map_or(0, Iterator::count);
        count == modules.len()
            && modules.iter().all(|(name, bytes)| fs::read(place.join(name)).is_ok_and(|kept| kept == *bytes))
    }

    /// Removes all plans before the newest. What cannot be removed now is in nobody's way.
    fn tidy(&self, newest: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if number(&path).is_some_and(|number| number < newest) {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// The number of a plan's folder; none where it is no plan.
fn number(path: &Path) -> Option<u64> {
    // no more than that many plans are ever kept
    path.file_name()?.to_str()?.parse::<u32>().ok().map(u64::from)
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Tries to lock until it succeeds.
#[expect(clippy::disallowed_methods, reason = "locks tell nobody when they are free, and this is no worker's thread")]
fn wait_for(lock: impl Fn() -> Result<(), TryLockError>) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => {
                let held = format!("another process has held its lock for {} s", PATIENCE.as_secs());
                return Err(io::Error::new(ErrorKind::TimedOut, held));
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

/// Makes a folder of modules, and waits until they would outlast a power cut: a folder that has its number must be whole.
fn write(folder: &Path, modules: &[(&str, &[u8])]) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    for (name, bytes) in modules {
        let mut file = File::create_new(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    const NAMES: [&str; 2] = ["a.wasm", "b.wasm"];

    fn kept(folder: &Path) -> LastGood {
        LastGood { folder: folder.join("plans/flights-0123") }
    }

    fn keep(kept: &LastGood, bytes: &[u8]) -> io::Result<()> {
        kept.keep(&NAMES.map(|name| (name, bytes)))
    }

    fn read(kept: &LastGood) -> io::Result<[Vec<u8>; 2]> {
        let mut read = kept.read(NAMES.into_iter())?;
        Ok(NAMES.map(|name| read.remove(name).unwrap()))
    }

    fn entries(kept: &LastGood) -> Vec<String> {
        let entries = fs::read_dir(&kept.folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).filter(|name| name != "lock").collect()
    }

    #[test]
    fn the_last_plan_is_read_whole_and_those_before_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path());
        assert_eq!(read(&kept).unwrap_err().kind(), ErrorKind::NotFound);
        for bytes in [b"one", b"two", b"two"] {
            keep(&kept, bytes).unwrap();
            assert_eq!(read(&kept).unwrap(), [bytes, bytes]);
        }
        // the third was there
        assert_eq!(entries(&kept), ["2"]);
        kept.keep(&[("a.wasm", b"two")]).unwrap();
        assert_eq!(read(&kept).unwrap_err().kind(), ErrorKind::NotFound, "a module that the plan does not have");
        kept.keep(&[]).unwrap();
        assert_eq!(entries(&kept), ["3"]);
    }

    #[test]
    fn what_a_crash_left_is_no_plan_and_is_removed_by_the_next_who_writes() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path());
        keep(&kept, b"one").unwrap();
        // one that died as it wrote, one before it removed the plan before
        for name in [".draft", "0"] {
            fs::create_dir(kept.folder.join(name)).unwrap();
            fs::write(kept.folder.join(name).join("a.wasm"), b"half").unwrap();
        }
        assert_eq!(read(&kept).unwrap(), [b"one", b"one"]);
        keep(&kept, b"two").unwrap();
        assert_eq!(entries(&kept), ["2"]);
        assert_eq!(read(&kept).unwrap(), [b"two", b"two"]);
    }

    #[test]
    fn whoever_writes_at_the_same_time_succeeds_and_readers_find_one_plan_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (state, all, rounds) = (folder.path(), Barrier::new(12), 10);
        keep(&kept(state), b"first").unwrap();
        thread::scope(|scope| {
            for writer in 0..12 {
                let all = &all;
                let name = format!("writer-{writer}");
                let run = move || {
                    all.wait();
                    for round in 0..rounds {
                        keep(&kept(state), format!("{writer} {round}").repeat(2000).as_bytes()).unwrap();
                        let [a, b] = read(&kept(state)).unwrap();
                        assert!(a == b && !a.is_empty(), "modules of two plans");
                    }
                };
                thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap();
            }
        });
        assert_eq!(entries(&kept(state)).len(), 1);
    }
}
