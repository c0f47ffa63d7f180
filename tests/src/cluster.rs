//! Three real Kafka brokers behind a proxy each: one cluster that scenarios have one after the other, to kill, freeze and cut off.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::broker::{self, Starting, free_port};
use crate::guard::{self, Guarded};
use crate::proxy::{Mode, Proxy};
use crate::records::Kafka;
use crate::wait::{PATIENCE, wait_for};

/// How many brokers it has. Each partition is on all of them, and two must have a record before it counts as written.
pub const NODES: i32 = 3;

/// Three combined KRaft nodes, numbered from 1.
///
/// Topics, records and offsets are [`Kafka`]'s, whose clients come past the proxies: what scenarios do to hosts does not touch them.
#[derive(Debug)]
pub struct Cluster {
    kafka: Kafka,
    proxied: String,
    folder: TempDir,
    ports: Vec<String>,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    proxy: Proxy,
    process: Option<Guarded>,
}

/// The cluster, for as long as a scenario has it.
#[derive(Debug)]
pub struct Borrowed(MutexGuard<'static, Option<Cluster>>);

static SHARED: Mutex<Option<Cluster>> = Mutex::new(None);

impl Cluster {
    /// Gives the cluster once no other scenario has it, whole: three brokers run, and nothing is in the way. The first who asks
    /// starts it.
    ///
    /// # Errors
    /// Kafka is not in the cache folder (`make kafka` puts it there), or did not start.
    pub fn borrow() -> Result<Borrowed> {
        // a scenario that failed left it as it was, which is mended here
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *shared {
            Some(cluster) => cluster.mend()?,
            none => *none = Some(Self::start()?),
        }
        Ok(Borrowed(shared))
    }

    fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("edgemill-cluster-").tempdir()?;
        guard::remove_at_end(folder.path()); // it is never dropped
        let (mut ports, mut nodes, mut direct, mut proxied) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..NODES {
            let [port, behind, advertised, controller] = [(); 4].map(|()| free_port());
            nodes.push(Node { proxy: Proxy::start(advertised, behind)?, process: None });
            ports.push(format!("{port}:{behind}:{advertised}:{controller}"));
            direct.push(format!("127.0.0.1:{port}"));
            proxied.push(format!("127.0.0.1:{advertised}"));
        }
        let kafka = Kafka::new(direct.join(","), NODES);
        let mut cluster = Self { kafka, proxied: proxied.join(","), folder, ports, nodes };
        // one after the other none would start: a majority must be there
        let starting = (1..=NODES).map(|node| cluster.spawn(node)).collect::<Result<Vec<_>>>()?;
        for (node, starting) in cluster.nodes.iter_mut().zip(starting) {
            node.process = Some(starting.wait()?);
        }
        Ok(cluster)
    }

    fn spawn(&self, node: i32) -> Result<Starting> {
        let folder = self.folder.path().join(format!("node-{node}"));
        std::fs::create_dir_all(&folder)?;
        let args: Vec<String> = [node.to_string()].into_iter().chain(self.ports.iter().cloned()).collect();
        Starting::spawn("kafka-node.sh", &folder, &args, "")
    }

    fn mend(&mut self) -> Result<()> {
        for node in 1..=NODES {
            self.proxy(node).set(Mode::Open);
            match self.node(node).process.is_some() {
                true => self.thaw(node)?,
                false => self.restart(node)?,
            }
        }
        Ok(())
    }

    /// The brokers' addresses behind the proxies, for `brokers = "…"` of a host: every connection it makes goes through them.
    #[must_use]
    pub fn proxied(&self) -> &str {
        &self.proxied
    }

    /// What stands in front of a node.
    ///
    /// # Panics
    /// There is no such node: they count from 1.
    #[must_use]
    pub fn proxy(&self, node: i32) -> &Proxy {
        &self.nodes[node as usize - 1].proxy
    }

    /// All proxies.
    pub fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.nodes.iter().map(|node| &node.proxy)
    }

    fn node(&mut self, node: i32) -> &mut Node {
        &mut self.nodes[node as usize - 1]
    }

    /// Kills a broker, as a crash would.
    pub fn kill(&mut self, node: i32) {
        self.node(node).process = None;
    }

    /// Asks a broker to stop, which hands what it leads over, and waits until it has.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn stop(&mut self, node: i32) -> Result<()> {
        self.node(node).process.take().map_or(Ok(()), broker::stop)
    }

    /// Starts a broker again, with its data, and waits until it has. One that runs is killed.
    ///
    /// # Errors
    /// It did not start in time.
    pub fn restart(&mut self, node: i32) -> Result<()> {
        self.kill(node);
        let process = self.spawn(node)?.wait().with_context(|| format!("node {node}"))?;
        self.node(node).process = Some(process);
        Ok(())
    }

    /// Stops a broker's clock: its connections stay, and nothing is answered.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&mut self, node: i32) -> Result<()> {
        self.signal(node, Signal::STOP)
    }

    /// Lets a frozen broker go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&mut self, node: i32) -> Result<()> {
        self.signal(node, Signal::CONT)
    }

    fn signal(&mut self, node: i32, signal: Signal) -> Result<()> {
        let process = self.node(node).process.as_ref().with_context(|| format!("node {node} does not run"))?;
        kill_process(Pid::from_child(&process.0), signal).with_context(|| format!("a signal to node {node}"))
    }

    /// Gives the node that coordinates a group: the leader of the group's partition among the offsets.
    ///
    /// # Errors
    /// Nobody leads it in time.
    pub fn coordinator(&self, group: &str) -> Result<i32> {
        // Kafka takes Java's hash of the name; the broker's offsets.topic.num.partitions is 4
        let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        wait_for("the group has a coordinator", PATIENCE, || {
            Ok(self.touch(group).and_then(|()| self.leader("__consumer_offsets", (hash & i32::MAX) % 4)).ok())
        })
    }
}

impl Deref for Cluster {
    type Target = Kafka;

    fn deref(&self) -> &Kafka {
        &self.kafka
    }
}

impl Deref for Borrowed {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0.as_ref().expect("it was started before it was lent")
    }
}

impl std::ops::DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Cluster {
        self.0.as_mut().expect("it was started before it was lent")
    }
}
