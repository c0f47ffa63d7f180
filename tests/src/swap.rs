//! The ways in which people replace a file that somebody watches.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// A way of replacing a module in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// A file beside it takes its name, as careful programs do.
    Rename,
    /// It is cut to nothing and written in pieces, as `cp` and slow disks do.
    InPlace,
    /// It is a link through `..data` to a folder that is switched whole, as Kubernetes mounts are.
    Link,
}

/// All of them.
pub const SWAPS: [Swap; 3] = [Swap::Rename, Swap::InPlace, Swap::Link];

impl Swap {
    /// Puts a module into a folder, for the first time or in place of what has the name.
    ///
    /// # Errors
    /// The folder cannot be written, or the file has become a link by another way and this one cannot write through it.
    pub fn put(self, folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
        let path = folder.join(name);
        let put = match self {
            Self::Rename => rename(&path, bytes),
            Self::InPlace => in_place(&path, bytes),
            Self::Link => link(folder, name, bytes),
        };
        put.with_context(|| format!("replacing {} by {self:?}", path.display()))
    }
}

fn rename(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes)?;
    Ok(fs::rename(beside, path)?)
}

fn in_place(path: &Path, bytes: &[u8]) -> Result<()> {
    // Through a link it would change the folder that others still look at.
    if path.is_symlink() {
        fs::remove_file(path)?;
    }
    let mut file = File::create(path)?;
    for piece in bytes.chunks(bytes.len().div_ceil(8).max(1)) {
        file.write_all(piece)?;
        #[expect(clippy::disallowed_methods, reason = "slowness is what this plays")]
        std::thread::sleep(Duration::from_millis(15));
    }
    Ok(())
}

fn link(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let data = folder.join("..data");
    let before = fs::read_link(&data).ok();
    let next = format!("..{:016x}", fastrand::u64(..));
    fs::create_dir(folder.join(&next))?;
    if let Some(before) = &before {
        for entry in fs::read_dir(folder.join(before))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(&next).join(entry.file_name()))?;
        }
    }
    fs::write(folder.join(&next).join(name), bytes)?;
    // The switch: one rename for all files of the folder.
    let switch = folder.join("..data_tmp");
    symlink(&next, &switch)?;
    fs::rename(&switch, &data)?;
    if !folder.join(name).is_symlink() {
        symlink(Path::new("..data").join(name), folder.join("..link"))?;
        fs::rename(folder.join("..link"), folder.join(name))?;
    }
    if let Some(before) = before {
        fs::remove_dir_all(folder.join(before))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SWAPS;

    #[test]
    fn after_every_way_in_every_order_the_new_bytes_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut number = 0;
        for first in SWAPS {
            for second in SWAPS {
                for swap in [first, second] {
                    number += 1;
                    let bytes = format!("version {number}");
                    swap.put(folder.path(), "a.wasm", bytes.as_bytes()).unwrap();
                    assert_eq!(std::fs::read_to_string(folder.path().join("a.wasm")).unwrap(), bytes);
                }
            }
        }
    }
}
