//! Stamps rows with the modules that made them, where the pipeline asks for it.

use crate::batch::{Batch, Column, Headers};
use crate::chain::Plan;
use crate::outputs::OwnedColumn;

/// The header's name.
const NAME: &[u8] = b"edgemill.modules";

/// The columns of a batch's headers with the stamp, filled anew for each batch.
#[derive(Default)]
pub(super) struct Stamp {
    /// Number of the plan that `text` describes.
    plan: u64,
    text: String,
    counts: Vec<u32>,
    names: OwnedColumn,
    values: OwnedColumn,
}

impl Stamp {
    /// The rows with one header more: `name@hash` of each module of the plan, in order.
    pub(super) fn rows<'a>(&'a mut self, rows: &'a Batch<'_>, plan: &Plan) -> Batch<'a> {
        if self.plan != plan.number {
            (self.plan, self.text) = (plan.number, plan.describe());
        }
        self.counts.clear();
        self.names.clear();
        self.values.clear();
        let (mut names, mut values) = (rows.headers.names.iter(), rows.headers.values.iter());
        for row in 0..rows.len() {
            let before = rows.headers.counts.get(row).copied().unwrap_or(0);
            for _ in 0..before {
                self.names.push(names.next().flatten());
                self.values.push(values.next().flatten());
            }
            self.names.push(Some(NAME));
            self.values.push(Some(self.text.as_bytes()));
            self.counts.push(before + 1);
        }
        let stamped: (Column<'a>, Column<'a>) = (self.names.column(), self.values.column());
        Batch {
            headers: Headers { counts: self.counts.as_slice().into(), names: stamped.0, values: stamped.1 },
            ..rows.slice(0..rows.len())
        }
    }
}
