//! Times of the data path's parts by themselves: `make bench-micro`, or with a name behind it, `make bench-micro ONLY=ledger`.
//!
//! The column to look at is `fastest`: on a shared machine the others say what else was running. Items are records (spans of the
//! ledger), so that items a second compare across sizes.

mod boundary;
mod chain;
mod gather;
mod kafka;
mod ledger;
mod produce;
mod scan;
mod worker;

use edgemill_micro::flights::Flights;
use std::sync::LazyLock;

/// Flights for all that want some.
static FLIGHTS: LazyLock<Flights> = LazyLock::new(|| Flights::new(20_000));

fn main() {
    divan::main();
}
