//! A guest of which a value's first letter says what becomes of its record, until somebody mends it.

use super::{Shared, world};
use crate::batch::Batch;
use crate::chain::apply::Chain;
use crate::chain::{Fault, Plan, PlanStage, Transform};
use crate::modules::{LoadError, Module};
use crate::outputs::{Keep, Outputs, Reject};
use crate::policy::{Class, Policy};
use crate::route::Routes;
use std::sync::Arc;

/// What fails, and how: `x` is rejected, the others fault. Everything else is kept.
pub(super) const LETTERS: [(u8, Class); 5] =
    [(b't', Class::Trap), (b'i', Class::Timeout), (b'm', Class::Memory), (b'o', Class::Output), (b'x', Class::Reject)];

/// Rejects `kN…` as well, until it was shown the value more than N times.
pub(super) struct Guest(pub(super) Shared);

impl Module for Guest {
    fn name(&self) -> &str {
        "guest.wasm"
    }

    fn hash(&self) -> &str {
        "00"
    }

    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
        Ok(Box::new(Guest(self.0.clone())))
    }
}

impl Transform for Guest {
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let mut world = world(&self.0);
        for (index, value) in batch.values.iter().enumerate() {
            let value = value.unwrap_or_default();
            let origin = index as u32;
            let class = LETTERS.iter().find(|(letter, _)| value.first() == Some(letter)).map(|(_, class)| *class);
            let times = value.strip_prefix(b"k").map(|rest| u32::from(rest[0] - b'0'));
            if class.is_some() || times.is_some() {
                let shown = world.shown.entry(value.to_vec()).or_default();
                *shown += 1;
                let shown = *shown;
                match class {
                    _ if world.mended => {}
                    None if times.is_some_and(|times| shown > times) => {}
                    None | Some(Class::Reject) => {
                        outputs.rejects.push(Reject { origin, code: "no".to_owned(), message: "not that".to_owned() });
                        continue;
                    }
                    Some(class) => return Err(Fault::new(class, "it faults")),
                }
            }
            outputs.origins.push(origin);
            outputs.keys.push(None);
            outputs.values.push(Some(value));
        }
        outputs.keep = Keep { timestamps: true, keys: false, values: false, headers: true };
        Ok(())
    }

    fn memory(&self) -> usize {
        0
    }
}

/// A chain of the fake guest, as plan `number`.
pub(super) fn chain(world: &Shared, policy: Policy, number: u64) -> Chain {
    let stage = PlanStage { module: Arc::new(Guest(world.clone())), policy };
    let plan = Plan { number, stages: vec![stage], sink: policy };
    Chain::new(Arc::new(plan), Arc::new(Routes::new("out", &[])))
}
