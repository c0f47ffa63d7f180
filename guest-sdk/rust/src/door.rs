//! How a transform meets the host: by the component door, by the core door, or natively in a test.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod core;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use self::core::Door;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) use self::core::log;

#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod component;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
pub(crate) use self::component::log;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
pub use self::component::{Door, bindings};

#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::log;

/// Makes a module of a transform: of a function with `export!(fn name)`, of a type that implements
/// [`Transform`](crate::Transform) with `export!(Name)`.
#[macro_export]
macro_rules! export {
    (fn $function:path) => {
        const _: () = {
            struct Exported;

            impl $crate::Transform for Exported {
                type Config = ();

                fn configure(_: ()) -> $crate::Result<Self, String> {
                    Ok(Exported)
                }

                #[inline]
                fn transform(&mut self, record: &$crate::Record<'_>, out: &mut $crate::Outputs<'_>) -> $crate::Result {
                    $function(record, out)
                }
            }

            $crate::export!(Exported);
        };
    };
    ($transform:ty) => {
        $crate::__door!($transform);
    };
}

/// Checks the type: a native build has no door.
#[cfg(not(target_family = "wasm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __door {
    ($transform:ty) => {
        const _: fn(&mut $transform, &$crate::Record<'_>, &mut $crate::Outputs<'_>) -> $crate::Result =
            <$transform as $crate::Transform>::transform;
    };
}
