//! Keeps the bytes of the last good plan, so that a restart with a broken file in the folder falls back to them.
//!
//! Several processes may share the state folder, and start at the same moment. So a plan is written beside those that are there and gets
//! its number by one rename; the highest number counts, and nobody removes that one. There is no lock, and nothing to mend
//! after a crash.

use crate::config::{Config, Pipeline};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a crash left half-written is removed after this time: nobody writes for so long.
const ABANDONED: Duration = Duration::from_secs(3600);

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
    /// The folder cannot be written; what was kept stays.
    pub fn keep(&self, modules: &[(&str, &[u8])]) -> io::Result<()> {
        let newest = self.newest()?;
        if modules.is_empty() || newest.is_some_and(|newest| self.holds(newest, modules)) {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let draft = self.draft()?;
        let published = write(&draft, modules).and_then(|()| self.publish(&draft, newest.unwrap_or(0) + 1));
        if published.is_err() {
            // it would be removed later too
            let _ = fs::remove_dir_all(&draft);
        }
        published?;
        self.tidy();
        Ok(())
    }

    /// The kept bytes of modules, all of one plan.
    ///
    /// # Errors
    /// One of them is not kept, or they cannot be read.
    pub fn read<'m>(&self, modules: impl Iterator<Item = &'m str> + Clone) -> io::Result<HashMap<&'m str, Vec<u8>>> {
        loop {
            let newest = self.newest()?.ok_or(ErrorKind::NotFound)?;
            let read = |module: &'m str| Ok((module, fs::read(self.place(newest).join(module))?));
            match modules.clone().map(read).collect() {
                // another process has replaced it meanwhile
                Err(error) if is_absent(&error) && self.newest()? != Some(newest) => {}
                read => return read,
            }
        }
    }

    fn place(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// The number of the plan that counts.
    fn newest(&self) -> io::Result<Option<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut newest = None;
        for entry in entries {
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

    /// Makes a folder that nobody else writes to.
    fn draft(&self) -> io::Result<PathBuf> {
        // processes of two containers may have one number
        let mut attempt = 0;
        loop {
            let draft = self.folder.join(format!(".{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&draft) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => attempt += 1,
                made => return made.map(|()| draft),
            }
        }
    }

    /// Gives a draft the first number from `number` on that nobody has.
    fn publish(&self, draft: &Path, number: u64) -> io::Result<()> {
        let mut number = number;
        // a folder takes the place of an empty one at the most, and a plan is never empty
        while let Err(error) = fs::rename(draft, self.place(number)) {
            if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) {
                return Err(error);
            }
            number += 1;
        }
        Ok(())
    }

    /// Removes plans that do not count any more, and abandoned drafts. What cannot be removed now is in nobody's way.
    fn tidy(&self) {
        let (Ok(Some(newest)), Ok(entries)) = (self.newest(), fs::read_dir(&self.folder)) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let old = match number(&path) {
                Some(number) => number < newest,
                None => is_abandoned(&path),
            };
            if old {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// The number of a plan's folder; none where it is no plan.
fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.parse().ok()
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

fn is_abandoned(draft: &Path) -> bool {
    let written = fs::metadata(draft).and_then(|metadata| metadata.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > ABANDONED))
}

/// Writes modules, and waits until they would outlast a power cut: a folder that has its number must be whole.
fn write(folder: &Path, modules: &[(&str, &[u8])]) -> io::Result<()> {
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
    use std::thread;

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
        entries.map(|name| name.into_string().unwrap()).collect()
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
    fn what_a_crash_left_is_no_plan_and_is_removed_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let kept = kept(folder.path());
        keep(&kept, b"one").unwrap();
        for name in [".77-0", ".77-1"] {
            fs::create_dir(kept.folder.join(name)).unwrap();
            fs::write(kept.folder.join(name).join("a.wasm"), b"half").unwrap();
        }
        let old = SystemTime::now() - 2 * ABANDONED;
        File::open(kept.folder.join(".77-0")).unwrap().set_modified(old).unwrap();
        assert_eq!(read(&kept).unwrap(), [b"one", b"one"]);
        keep(&kept, b"two").unwrap();
        let mut left = entries(&kept);
        left.sort();
        assert_eq!(left, [".77-1", "2"]);
    }

    #[test]
    fn whoever_writes_at_the_same_time_succeeds_and_readers_find_one_plan_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (state, all, rounds) = (folder.path(), Barrier::new(12), 40);
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
