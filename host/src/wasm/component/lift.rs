//! The contract's outputs as this host lifts them, into memory that is used again from batch to batch.

use std::cell::RefCell;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentType, Lift, WasmList};

thread_local! {
    /// Memory for what is lifted next. The engine makes the lifted values itself and has no place to hand something in;
    /// half a megabyte fresh from the system for each batch would cost 150 ns a record.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Gives memory for the next call on this thread. What was given before and not used is freed.
pub(super) fn give(memory: [Vec<u8>; 4]) {
    SPARE.with_borrow_mut(|spare| {
        spare.clear();
        spare.extend(memory);
    });
}

/// The largest that is there: columns come and go, so none has memory of its own.
fn take() -> Vec<u8> {
    SPARE.with_borrow_mut(|spare| {
        let largest = (0..spare.len()).max_by_key(|&index| spare[index].capacity());
        let mut bytes = largest.map(|index| spare.swap_remove(index)).unwrap_or_default();
        bytes.clear();
        bytes
    })
}

/// A `list<u8>`.
pub(super) struct LiftedBytes(pub(super) Vec<u8>);

// SAFETY: everything is that of a list of bytes
unsafe impl ComponentType for LiftedBytes {
    type Lower = <WasmList<u8> as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <WasmList<u8> as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <WasmList<u8> as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: reads a list of bytes, whose bounds the engine checks, as `Vec<u8>` does
unsafe impl Lift for LiftedBytes {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        source: &Self::Lower,
    ) -> wasmtime::Result<Self> {
        let list = WasmList::<u8>::linear_lift_from_flat(cx, ty, source)?;
        copy(cx, &list)
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, source: &[u8]) -> wasmtime::Result<Self> {
        let list = WasmList::<u8>::linear_lift_from_memory(cx, ty, source)?;
        copy(cx, &list)
    }
}

fn copy(cx: &mut LiftContext<'_>, list: &WasmList<u8>) -> wasmtime::Result<LiftedBytes> {
    let mut bytes = take();
    u8::linear_lift_into_from_memory(cx, list, &mut bytes)?;
    Ok(LiftedBytes(bytes))
}

/// `types.column`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct LiftedColumn {
    pub(super) data: LiftedBytes,
    pub(super) lengths: Vec<i32>,
}

/// `types.headers`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct LiftedHeaders {
    pub(super) counts: Vec<u32>,
    pub(super) names: LiftedColumn,
    pub(super) values: LiftedColumn,
}

/// `types.reject`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct LiftedReject {
    pub(super) origin: u32,
    pub(super) code: String,
    pub(super) message: String,
}

/// `types.outputs`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct LiftedOutputs {
    pub(super) origins: Vec<u32>,
    pub(super) timestamps: Option<Vec<i64>>,
    pub(super) keys: Option<LiftedColumn>,
    pub(super) values: Option<LiftedColumn>,
    pub(super) headers: Option<LiftedHeaders>,
    pub(super) routes: Vec<u16>,
    #[component(name = "route-names")]
    pub(super) route_names: Vec<String>,
    pub(super) rejects: Vec<LiftedReject>,
}
