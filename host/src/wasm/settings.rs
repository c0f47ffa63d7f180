//! How the engine compiles and runs guests.

use crate::config::INSTANCES;
use std::num::NonZeroUsize;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// Whether guests are compiled with checks of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    /// They are: a guest can be stopped.
    Time,
    /// They are not, which saves a tenth of the time of JSON work and a sixth of LZ4's: for modules that their owner trusts.
    None,
}

/// Frames of a guest's stack that are looked up after a trap.
const FRAMES: Option<NonZeroUsize> = NonZeroUsize::new(32);

/// Bytes of memory that stay resident for the next instance, in so many slots.
const WARM_BYTES: usize = 4 << 20;
const WARM_SLOTS: u32 = 16;

/// Makes an engine. Where the address space for pools of instances is not to be had it does without: then making an
/// instance costs some system calls more, and running it nothing.
///
/// # Errors
/// The machine cannot run WebAssembly at all.
pub(super) fn engine(checks: Checks) -> wasmtime::Result<Engine> {
    let mut config = config(checks);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pools()));
    Engine::new(&config).or_else(|error| {
        tracing::warn!(%error, "no address space for pools of instances: they are made one by one");
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    })
}

fn config(checks: Checks) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(checks == Checks::Time);
    // lines of the source where a module has them, which is read at its first trap only
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.wasm_backtrace_max_frames(FRAMES);
    config
}

fn pools() -> PoolingAllocationConfig {
    let mut pools = PoolingAllocationConfig::new();
    pools.total_core_instances(2 * INSTANCES).total_component_instances(INSTANCES);
    pools.total_memories(INSTANCES).total_tables(2 * INSTANCES);
    // large interpreters (Python, JavaScript) have tables of tens of thousands, and instances of some 100 KiB
    pools.table_elements(200_000).max_tables_per_module(8).max_memories_per_module(4);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        // replaying after a fault makes instances in quick succession: 0.2 ms for a first large call instead of 1.2 ms.
        // Without the system call that finds what was written, all of it would be cleared each time
        pools.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(WARM_BYTES).table_keep_resident(64 << 10);
        pools.max_unused_warm_slots(WARM_SLOTS);
    }
    pools.max_core_instance_size(4 << 20).max_component_instance_size(4 << 20);
    pools
}
