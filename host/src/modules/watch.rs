//! Watches the modules folder. Events are hints only: whoever gets one reads the modules again.

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::sync::mpsc::SyncSender;

/// Sends a hint whenever something changes in a folder, for as long as it lives.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches a folder.
    ///
    /// # Errors
    /// The system refuses; the caller's rescans still see every change, only later.
    pub fn start(folder: &Path, hints: SyncSender<()>) -> Result<Self, String> {
        // a full channel holds a hint already, and one is as good as many
        let send = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = hints.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(send).map_err(|error| error.to_string())?;
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|error| error.to_string())?;
        Ok(Self { _watcher: watcher })
    }
}
