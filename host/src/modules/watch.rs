//! Watches folders of modules. Events are hints only: whoever gets one reads the modules again.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

/// Sends a hint whenever something that matters changes in a folder, for as long as it lives.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches a folder.
    ///
    /// # Errors
    /// The system refuses; the caller's rescans still see every change, only later.
    pub fn start(
        folder: &Path,
        hints: SyncSender<()>,
        matters: impl Fn(&Path) -> bool + Send + 'static,
    ) -> Result<Self, String> {
        // where the system lost count it names no path
        let matters = move |paths: &[PathBuf]| paths.is_empty() || paths.iter().any(|path| matters(path));
        // a full channel holds a hint already, and one is as good as many
        let send = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access() && matters(&event.paths)) {
                let _ = hints.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(send).map_err(|error| error.to_string())?;
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|error| error.to_string())?;
        Ok(Self { _watcher: watcher })
    }
}
