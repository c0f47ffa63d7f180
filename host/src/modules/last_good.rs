//! Keeps the bytes of the last good plan, so that a restart with a broken file in the folder falls back to them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A pipeline's folder of module copies.
pub struct LastGood {
    folder: PathBuf,
}

impl LastGood {
    /// Below the state folder, by pipeline.
    pub fn new(state: &Path, pipeline: &str) -> Self {
        Self { folder: state.join("plans").join(pipeline) }
    }

    /// Replaces what is kept with these modules, by name.
    ///
    /// # Errors
    /// The folder cannot be written; what was kept stays.
    pub fn keep(&self, modules: &[(&str, &[u8])]) -> io::Result<()> {
        let (next, before) = (self.folder.with_extension("next"), self.folder.with_extension("before"));
        remove(&next)?;
        fs::create_dir_all(&next)?;
        for (name, bytes) in modules {
            fs::write(next.join(name), bytes)?;
        }
        remove(&before)?;
        if self.folder.exists() {
            fs::rename(&self.folder, &before)?;
        }
        fs::rename(&next, &self.folder)?;
        remove(&before)
    }

    /// The kept bytes of a module.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub fn read(&self, module: &str) -> io::Result<Vec<u8>> {
        // a crash between the two renames leaves only the one before
        fs::read(self.folder.join(module)).or_else(|_| fs::read(self.folder.with_extension("before").join(module)))
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
