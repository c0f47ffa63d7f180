//! Rows that a destination refuses by themselves, after it took others of the same batch: their records meet the policy
//! without being read again, so they are kept until everything of their batch is settled.

use super::submit::{Taken, refused_by_sink};
use super::{Worker, WorkerError};
use crate::chain::Plan;
use crate::ledger::Ledger;
use crate::policy::{Action, Class, Next};
use crate::record::Span;
use crate::source::Messages;
use std::rc::Rc;
use std::sync::Arc;

/// Records whose rows may still be refused.
#[derive(Default)]
pub(super) struct Late {
    /// Handed over from the batch that is being passed.
    fresh: Vec<Rows>,
    kept: Vec<(Rows, Rc<dyn Messages>)>,
}

/// The rows of a span.
#[derive(Clone)]
struct Rows {
    span: Span,
    plan: Arc<Plan>,
    /// The offset of the first record that was passed.
    first: i64,
    /// By row, the record that it came from, counted from the first.
    origins: Vec<u32>,
    /// Records that were told of: another row of theirs changes nothing.
    told: Vec<u32>,
}

impl Late {
    /// Notes what was handed over.
    pub(super) fn note(&mut self, span: Span, plan: &Arc<Plan>, first: i64, origins: &[u32]) {
        let (plan, origins) = (plan.clone(), origins.to_vec());
        self.fresh.push(Rows { span, plan, first, origins, told: Vec::new() });
    }

    /// Keeps the records that this came from.
    pub(super) fn keep(&mut self, messages: &Rc<dyn Messages>) {
        self.kept.extend(self.fresh.drain(..).map(|rows| (rows, messages.clone())));
    }

    /// Lets go of what is settled, or gone.
    pub(super) fn forget(&mut self, ledger: &Ledger) {
        self.kept.retain(|(rows, _)| ledger.is_open(rows.span));
    }
}

impl Worker {
    /// The destination refused one row: its record meets the policy. Where that wants the record to wait, the lane is read
    /// again, with care.
    // Promise: one
    pub(super) fn refuse_late(&mut self, span: Span, row: u32, message: String) -> Result<(), WorkerError> {
        let found = self.hands.late.kept.iter_mut().find(|(rows, _)| rows.span == span);
        let Some((rows, messages)) = found else { return self.reread(span.lane, true, &message) };
        let Some(&origin) = rows.origins.get(row as usize) else { return self.reread(span.lane, true, &message) };
        if rows.told.contains(&origin) {
            self.hands.ledger.settle(span, 1);
            return Ok(());
        }
        let failure = refused_by_sink(&rows.plan, origin, Class::Refused, message);
        let next = rows.plan.rule(&failure).next(1);
        if !matches!(next, Next::Act(Action::DeadLetter | Action::Skip)) {
            return self.reread(span.lane, true, &failure.message);
        }
        rows.told.push(origin);
        let (plan, first, messages) = (rows.plan.clone(), rows.first, messages.clone());
        self.hands.blame(std::slice::from_ref(&failure));
        let whole = Taken::new(&*messages);
        let at = whole.offsets.partition_point(|offset| *offset < first);
        let taken = whole.slice(at..whole.offsets.len());
        self.hands.submit_failures(&plan, span, &taken, vec![failure])?;
        self.hands.ledger.settle(span, 1);
        Ok(())
    }
}
