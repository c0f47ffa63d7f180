//! Turns the modules folder into plans: reads what changed, loads it off the worker threads, and publishes the next
//! plan only when all of it is good.

use super::last_good::LastGood;
use super::plans::{Plans, Refused};
use super::{LoadError, Module, self_test};
use crate::chain::{Plan, PlanStage};
use crate::config::Stage;
use crate::metrics;
use crate::policy::Policy;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

/// What changes within this time becomes one plan.
const DEBOUNCE: Duration = Duration::from_millis(150);

/// How long a folder that never rests is waited for.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(3);

/// How often the folder is looked at without a hint: some switches of symbolic links raise no event.
const RESCAN: Duration = Duration::from_secs(2);

/// A file written less than this ago may still be half-written: it is not called broken yet.
const STILL_BEING_WRITTEN: Duration = Duration::from_millis(1000);

/// Makes a module of a file's bytes, as a stage of the configuration wants it.
pub type Load = Arc<dyn Fn(&Stage, &[u8]) -> Result<Arc<dyn Module>, LoadError> + Send + Sync>;

/// Runs a freshly loaded module on its self-test records, where the folder has some.
pub type SelfTest = fn(folder: &Path, module: &Arc<dyn Module>) -> Result<(), LoadError>;

/// Loads the modules of one pipeline.
pub struct Loader {
    /// The pipeline's name.
    pub pipeline: String,
    /// The modules folder.
    pub folder: PathBuf,
    /// The chain, as configured.
    pub stages: Vec<Stage>,
    /// How many parts of a batch are passed at once.
    pub parallel: usize,
    /// What is done with records that fail at the sink.
    pub sink: Policy,
    /// Makes modules.
    pub load: Load,
    /// Tries them.
    pub self_test: SelfTest,
    /// The bytes of the last good plan.
    pub last_good: LastGood,
}

/// A module's file, as read.
struct File {
    bytes: Vec<u8>,
    hash: String,
}

impl File {
    fn new(bytes: Vec<u8>) -> Self {
        let hash = super::hash(&bytes);
        Self { bytes, hash }
    }
}

impl Loader {
    /// The first plan: the folder's modules, or, where they are broken, those of the last good plan, and why.
    ///
    /// # Errors
    /// The folder's modules are broken, and nothing is kept from before.
    // Promise: keep
    pub fn first(&self) -> Result<(Plan, Option<Refused>), Refused> {
        let refused = match self.read() {
            Ok(files) => match self.build(1, &files, None) {
                Ok(plan) => {
                    self.keep(&files);
                    return Ok((plan, None));
                }
                Err(refused) => refused,
            },
            Err(refused) => refused,
        };
        let Some(plan) = self.kept_plan() else { return Err(refused) };
        let (module, error) = (refused.module.as_str(), refused.error.to_string());
        let (pipeline, plan_modules) = (self.pipeline.as_str(), plan.describe());
        let kept = self.last_good.folder().display();
        tracing::error!(
            pipeline,
            module,
            error,
            plan_modules,
            %kept,
            "broken module in the folder: running the last good plan"
        );
        Ok((plan, Some(refused)))
    }

    /// The folder's modules as they are. Nothing falls back to what was good before, and nothing is kept.
    ///
    /// # Errors
    /// The folder's modules are broken.
    pub fn as_they_are(&self) -> Result<Plan, Refused> {
        let files = self.read()?;
        self.build(1, &files, None)
    }

    /// The folder's modules.
    fn read(&self) -> Result<HashMap<String, File>, Refused> {
        let mut files = HashMap::new();
        for Stage { module, .. } in &self.stages {
            if files.contains_key(module) {
                continue;
            }
            let path = self.folder.join(module);
            let bytes = super::read(&path).map_err(|error| Refused {
                module: module.clone(),
                hash: None,
                error: LoadError::new("read", format!("{}: {error}", path.display())),
            })?;
            files.insert(module.clone(), File::new(bytes));
        }
        Ok(files)
    }

    /// The last good plan, where there is one that still is. Why it is none any more is told.
    fn kept_plan(&self) -> Option<Plan> {
        let files = self.kept()?;
        let tell = |Refused { module, error, .. }: &Refused| {
            let (pipeline, kept) = (self.pipeline.as_str(), self.last_good.folder().display());
            tracing::error!(pipeline, module, %error, %kept, "the last good plan does not load either");
        };
        self.build(1, &files, None).inspect_err(tell).ok()
    }

    /// The modules of the last good plan, where it has all of them.
    fn kept(&self) -> Option<HashMap<String, File>> {
        let kept = self.last_good.read(self.stages.iter().map(|stage| stage.module.as_str()));
        let tell = |error: &io::Error| {
            if error.kind() != ErrorKind::NotFound {
                let (pipeline, kept) = (self.pipeline.as_str(), self.last_good.folder().display());
                tracing::error!(pipeline, %error, %kept, "the last good plan cannot be read");
            }
        };
        let kept = kept.inspect_err(tell).ok()?;
        Some(kept.into_iter().map(|(module, bytes)| (module.to_owned(), File::new(bytes))).collect())
    }

    /// Loads what differs from the plan before, and reuses the rest.
    fn build(&self, number: u64, files: &HashMap<String, File>, before: Option<&Plan>) -> Result<Plan, Refused> {
        let mut stages = Vec::with_capacity(self.stages.len());
        for (position, stage) in self.stages.iter().enumerate() {
            let file = &files[&stage.module];
            let reused = before.and_then(|plan| plan.stages.get(position));
            let module = match reused.filter(|reused| reused.module.hash() == file.hash) {
                Some(reused) => reused.module.clone(),
                None => self.load(stage, file, before)?,
            };
            stages.push(PlanStage { module, policy: stage.policy });
        }
        Ok(Plan { number, stages, sink: self.sink })
    }

    fn load(&self, stage: &Stage, file: &File, before: Option<&Plan>) -> Result<Arc<dyn Module>, Refused> {
        let loaded = (self.load)(stage, &file.bytes);
        let loaded = loaded.and_then(|module| super::check_parallel(&*module, self.parallel).map(|()| module));
        let tested = loaded.and_then(|module| (self.self_test)(&self.folder, &module).map(|()| module));
        // at the start it is all there is: records must not keep the program from starting
        let tried = tested.and_then(|module| before.map_or(Ok(()), |_| module.try_out()).map(|()| module));
        tried.map_err(|error| Refused { module: stage.module.clone(), hash: Some(file.hash.clone()), error })
    }

    fn keep(&self, files: &HashMap<String, File>) {
        let modules: Vec<_> = files.iter().map(|(name, file)| (name.as_str(), file.bytes.as_slice())).collect();
        if let Err(error) = self.last_good.keep(&modules) {
            let pipeline = self.pipeline.as_str();
            tracing::warn!(pipeline, error = %error, "the last good plan cannot be kept: a restart could not fall back to it");
        }
    }
}

/// What the file system says of a file without reading it.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

/// One pipeline's folder watcher, on the reload thread.
struct Follower {
    loader: Loader,
    plans: Arc<Plans>,
    stamps: Vec<Stamp>,
    /// The files of the last attempt that was refused: not tried again, nor complained of, until they change.
    tried: Option<Vec<Option<String>>>,
}

/// Follows the folders of all pipelines until the hints' sender is gone.
pub fn follow(pipelines: Vec<(Loader, Arc<Plans>)>, hints: &Receiver<()>) {
    let mut followers: Vec<_> = pipelines.into_iter().map(|(loader, plans)| Follower::new(loader, plans)).collect();
    let mut soon = false;
    loop {
        let patience = if soon { DEBOUNCE * 2 } else { RESCAN };
        let hinted = match hints.recv_timeout(patience) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => soon,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if hinted && !settle_down(hints) {
            return;
        }
        soon = false;
        for follower in &mut followers {
            soon |= follower.look(hinted);
        }
    }
}

/// Waits until no hint came for a while. False: there will be no more.
fn settle_down(hints: &Receiver<()>) -> bool {
    let deadline = Instant::now() + LONGEST_DEBOUNCE;
    while Instant::now() < deadline {
        match hints.recv_timeout(DEBOUNCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
    true
}

impl Follower {
    fn new(loader: Loader, plans: Arc<Plans>) -> Self {
        let mut follower = Self { loader, plans, stamps: Vec::new(), tried: None };
        follower.stamps = follower.stamp();
        follower
    }

    fn stamp(&self) -> Vec<Stamp> {
        self.loader.stages.iter().map(|stage| stamp(&self.loader.folder.join(&stage.module))).collect()
    }

    /// Looks at the folder. True: look again soon, because something is still being written.
    fn look(&mut self, hinted: bool) -> bool {
        let stamps = self.stamp();
        if !hinted && stamps == self.stamps {
            return false;
        }
        self.stamps = stamps;
        let files = self.loader.read();
        let current = self.plans.current();
        let mut attempt: Vec<_> = match &files {
            Ok(files) => self.loader.stages.iter().map(|stage| Some(files[&stage.module].hash.clone())).collect(),
            Err(refused) => vec![Some(refused.module.clone()), None],
        };
        let running = current.stages.iter().map(|stage| Some(stage.module.hash().to_owned()));
        if running.eq(attempt.iter().cloned()) {
            // what is in the folder is what runs: whatever was refused before has been taken back
            if let Some(refused) = self.plans.refused() {
                let (pipeline, module, plan) = (self.loader.pipeline.as_str(), refused.module, current.number);
                tracing::info!(pipeline, module, plan, "what was refused is gone: the folder has what runs");
            }
            self.plans.set_refused(None);
            self.tried = None;
            return false;
        }
        // what refused it may have been its self-test records, and those may be what changed
        attempt.extend(self.loader.stages.iter().map(|stage| self_test::hash(&self.loader.folder, &stage.module)));
        if self.tried.as_ref() == Some(&attempt) {
            return false;
        }
        match files.and_then(|files| self.change(&current, &files)) {
            Ok(()) => self.tried = None,
            Err(_) if self.is_being_written() => return true,
            Err(refused) => {
                self.tried = Some(attempt);
                self.refuse(refused);
            }
        }
        false
    }

    /// A failure at any step keeps the running plan.
    // Promise: keep
    fn change(&self, current: &Plan, files: &HashMap<String, File>) -> Result<(), Refused> {
        let started = Instant::now();
        let plan = self.loader.build(current.number + 1, files, Some(current))?;
        let (number, chain) = (plan.number, plan.describe());
        self.plans.publish(plan).map_err(|error| Refused {
            module: self.loader.stages.first().map_or(String::new(), |stage| stage.module.clone()),
            hash: None,
            error,
        })?;
        self.plans.set_refused(None);
        metrics::plan_published(&self.loader.pipeline, number);
        let (pipeline, took_ms) = (self.loader.pipeline.as_str(), started.elapsed().as_millis() as u64);
        tracing::info!(pipeline, plan = number, chain, took_ms, "plan published");
        self.loader.keep(files);
        Ok(())
    }

    fn is_being_written(&self) -> bool {
        let now = SystemTime::now();
        self.loader.stages.iter().any(|stage| {
            let modified = std::fs::metadata(self.loader.folder.join(&stage.module)).and_then(|meta| meta.modified());
            modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age < STILL_BEING_WRITTEN))
        })
    }

    fn refuse(&self, refused: Refused) {
        metrics::reload_refused(&self.loader.pipeline, refused.error.step);
        let (pipeline, module) = (self.loader.pipeline.as_str(), refused.module.as_str());
        let (plan, step, error) = (self.plans.current().number, refused.error.step, refused.error.message.as_str());
        tracing::error!(pipeline, module, step, error, plan, "module refused: the running plan stays");
        self.plans.set_refused(Some(refused));
    }
}
