//! Write Edgemill transforms in Rust: a transform is a function, or a type, over records borrowed from a batch.
//!
//! ```
//! use edgemill_guest::{Outputs, Record, Result, export};
//!
//! fn shout(record: &Record, out: &mut Outputs) -> Result {
//!     match record.text()? {
//!         None => out.keep(),
//!         Some(text) => out.value().push_str(&text.to_uppercase()),
//!     }
//!     Ok(())
//! }
//!
//! export!(fn shout);
//! # let results = edgemill_guest::testing::Harness::of(shout).run(["hello"]);
//! # assert_eq!(results.texts(), ["HELLO"]);
//! ```
//!
//! Built for `wasm32-unknown-unknown` this is a core module, for `wasm32-wasip2` a component; `cargo test` runs it
//! natively ([`testing`]). A record without output is dropped; an `Err` refuses it ([`Reject`]).
//! `docs/guests/rust.md` goes from `cargo new` to a running transform.

mod block;
mod buffer;
mod columns;
#[doc(hidden)]
pub mod door;
pub mod json;
pub mod log;
mod outputs;
mod record;
mod reject;
pub mod testing;
mod transform;

pub use buffer::{Buffer, Cursor, Piece};
pub use outputs::{Field, Output, Outputs, ValueWriter};
pub use record::{Header, Headers, Record};
pub use reject::Reject;
pub use transform::{Result, Transform};
