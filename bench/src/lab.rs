//! What every part of the benchmark works with: a broker, an eye on it, and a folder.

use std::cell::Cell;
use std::path::Path;

use anyhow::Result;
use edgemill_tests::Broker;

use crate::interrupt::Interrupt;
use crate::measure::Watch;

/// The place where things are measured.
pub(crate) struct Lab<'a> {
    pub(crate) broker: &'a Broker,
    /// Its address.
    pub(crate) brokers: String,
    pub(crate) watch: Watch,
    /// Where runs keep their files; `modules` is in it.
    pub(crate) folder: &'a Path,
    /// How many partitions topics have.
    pub(crate) partitions: i32,
    used: Cell<u32>,
}

impl<'a> Lab<'a> {
    pub(crate) fn new(broker: &'a Broker, interrupt: Interrupt, folder: &'a Path, partitions: i32) -> Result<Self> {
        let (brokers, watch) = (broker.address(), Watch::new(broker, interrupt)?);
        Ok(Self { broker, brokers, watch, folder, partitions, used: Cell::new(0) })
    }

    /// A name for a topic that no other has.
    pub(crate) fn unused(&self, name: &str) -> String {
        self.used.set(self.used.get() + 1);
        format!("{name}-{}", self.used.get())
    }
}
