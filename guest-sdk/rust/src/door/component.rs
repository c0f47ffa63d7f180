//! The component door: `edgemill:transform/transformer@1.0.0` through generated bindings.

use crate::columns::{Columns, Growing, part};
use crate::log::Level;
use crate::record;
use crate::transform::{self, Transform};
use bindings::edgemill::transform::{log as host, types};
use std::cell::{RefCell, RefMut};

/// What wit-bindgen makes of `guest-sdk/wit`.
#[allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "transform",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "edgemill_guest::door::bindings",
    });
}

/// The state behind a module's exports.
pub struct Door<T> {
    state: RefCell<(Option<T>, Columns)>,
}

// SAFETY: wasm32-wasip2 without atomics has one thread.
unsafe impl<T> Sync for Door<T> {}

impl<T: Transform> Door<T> {
    /// A door without a transform; `configure` makes it.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Door<T> {
        Door { state: RefCell::new((None, Columns::new())) }
    }

    /// Makes the transform.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn configure(&self, config: &str) -> Result<(), String> {
        crate::log::panics();
        self.state.borrow_mut().0 = Some(transform::configure(config)?);
        Ok(())
    }

    /// Transforms a batch.
    ///
    /// # Errors
    ///
    /// Where the transform was not made before.
    pub fn transform(&self, batch: &types::Batch) -> Result<types::Outputs, String> {
        let (mut transform, mut columns) =
            RefMut::map_split(self.state.borrow_mut(), |state| (&mut state.0, &mut state.1));
        let Some(transform) = transform.as_mut() else { return Err("transform was called before configure".into()) };
        transform::run(|record, out| transform.transform(record, out), &read(batch), &mut columns);
        Ok(write(&mut columns))
    }
}

fn read(batch: &types::Batch) -> record::Batch<'_> {
    record::Batch {
        topic: &batch.topic,
        partition: batch.partition,
        offsets: &batch.offsets,
        timestamps: &batch.timestamps,
        keys: column(&batch.keys),
        values: column(&batch.values),
        header_counts: &batch.headers.counts,
        header_names: column(&batch.headers.names),
        header_values: column(&batch.headers.values),
    }
}

fn column(column: &types::Column) -> record::Column<'_> {
    record::Column { data: &column.data, lengths: &column.lengths }
}

fn write(columns: &mut Columns) -> types::Outputs {
    let touched = columns.touched;
    let has = |part| touched & part != 0;
    types::Outputs {
        origins: take(&mut columns.origins),
        timestamps: has(part::TIMESTAMP).then(|| take(&mut columns.timestamps)),
        keys: has(part::KEY).then(|| give(&mut columns.keys)),
        values: has(part::VALUE).then(|| give(&mut columns.values)),
        headers: has(part::HEADERS).then(|| types::Headers {
            counts: take(&mut columns.header_counts),
            names: give(&mut columns.header_names),
            values: give(&mut columns.header_values),
        }),
        routes: take(&mut columns.routes),
        route_names: texts(&columns.route_names).collect(),
        rejects: columns
            .reject_origins
            .iter()
            .zip(texts(&columns.reject_codes).zip(texts(&columns.reject_messages)))
            .map(|(&origin, (code, message))| types::Reject { origin, code, message })
            .collect(),
    }
}

/// Gives a vector away and leaves room for as many items: the host frees what it is given.
fn take<I>(items: &mut Vec<I>) -> Vec<I> {
    let next = Vec::with_capacity(items.len());
    std::mem::replace(items, next)
}

fn give(column: &mut Growing) -> types::Column {
    types::Column { data: column.data.take(), lengths: take(&mut column.lengths) }
}

fn texts(column: &Growing) -> impl Iterator<Item = String> {
    let view = column.view();
    let mut at = 0;
    (0..view.lengths.len()).map(move |index| {
        let text = view.item(index, at).unwrap_or_default();
        at += view.size(index);
        String::from_utf8_lossy(text).into_owned()
    })
}

/// Writes to the host's log.
pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, message);
}

/// The exports of the component door.
#[doc(hidden)]
#[macro_export]
macro_rules! __door {
    ($transform:ty) => {
        const _: () = {
            static DOOR: $crate::door::Door<$transform> = $crate::door::Door::new();

            struct Component;

            impl $crate::door::bindings::exports::edgemill::transform::transformer::Guest for Component {
                fn configure(config: String) -> Result<(), String> {
                    DOOR.configure(&config)
                }

                fn transform(
                    batch: $crate::door::bindings::edgemill::transform::types::Batch,
                ) -> Result<$crate::door::bindings::edgemill::transform::types::Outputs, String> {
                    DOOR.transform(&batch)
                }
            }

    $crate::door::bindings::export_component!(Component with_types_in $crate::door::bindings);
        };
    };
}
