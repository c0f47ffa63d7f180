//! Compiled modules on disk, so that a restart does not compile again. They are native code: whoever can write them can
//! run anything as this user, so the folder must be this user's alone.

use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use wasmtime::Engine;

/// Bytes of the digest that an entry ends with: a crash while it was written must not become code.
const DIGEST: usize = 32;

/// Entries that were not used for this long are removed.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// A private folder of compiled modules.
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Opens the folder, which is made where it is missing, and removes what was not used for a month.
    ///
    /// # Errors
    /// It cannot be made, or others may write to it.
    // Promise: closed
    pub(super) fn open(folder: PathBuf) -> Result<Self, String> {
        let shown = folder.display();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| format!("{shown}: {error}"))?;
        let metadata = fs::symlink_metadata(&folder).map_err(|error| format!("{shown}: {error}"))?;
        if !metadata.is_dir() {
            return Err(format!("{shown} is no folder"));
        }
        if metadata.uid() != geteuid().as_raw() {
            return Err(format!("{shown} belongs to another user: it holds native code; remove it, or set `state`"));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(format!("{shown} is open to others: it holds native code; remove it, and it is made anew"));
        }
        let cache = Self { folder };
        cache.remove_unused();
        Ok(cache)
    }

    /// Where a module is kept that an engine has compiled. The name says everything that the code depends on.
    pub(super) fn place(&self, engine: &Engine, module: &str) -> PathBuf {
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        let compiler = super::hex(&hasher.0.finalize());
        self.folder.join(format!("{module}-{}.bin", &compiler[..16]))
    }

    /// An entry's bytes, where it is whole.
    pub(super) fn read(&self, place: &Path) -> Option<Vec<u8>> {
        let mut bytes = fs::read(place).ok()?;
        let code = bytes.len().checked_sub(DIGEST)?;
        if Sha256::digest(&bytes[..code])[..] != bytes[code..] {
            tracing::warn!(entry = %place.display(), "a compiled module is damaged: it is compiled again");
            return None;
        }
        bytes.truncate(code);
        // only for removing what is not used: nothing depends on it
        let _ = File::open(place).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Writes an entry: whole, or not at all.
    ///
    /// # Errors
    /// The file system's. The module works without.
    pub(super) fn write(&self, place: &Path, code: &[u8]) -> io::Result<()> {
        let draft = place.with_extension(format!("{}.new", std::process::id()));
        let written = (|| {
            let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(code)?;
            file.write_all(&Sha256::digest(code))?;
            drop(file);
            fs::rename(&draft, place)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn remove_unused(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let used = entry.metadata().and_then(|metadata| metadata.modified());
            if used.is_ok_and(|used| used.elapsed().is_ok_and(|unused| unused > UNUSED)) {
                // somebody else may have removed it
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// SHA-256 of what is hashed.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the digest is taken whole.
    fn finish(&self) -> u64 {
        0
    }
}
