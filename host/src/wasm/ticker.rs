//! The engine's clock: a thread that advances the epoch, and ends when the engine is dropped.

use super::limits::TICK;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use wasmtime::EngineWeak;

/// Advances an engine's epoch every [`TICK`] until it is dropped.
pub(super) struct Ticker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses another thread.
    pub(super) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let thread = Builder::new().name("wasm-clock".to_owned()).spawn(move || {
            // nobody ever sends: the other end is dropped, or the time is up
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                let Some(engine) = engine.upgrade() else { break };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // it cannot panic; and there would be nobody to tell
            let _ = thread.join();
        }
    }
}
