//! The chain against a fake module that faults on chosen records, and against a plain loop over records.

use super::*;
use crate::batch::{Bytes, Column};
use crate::chain::{Fault, PlanStage};
use crate::modules::Module;
use crate::outputs::Reject;
use crate::policy::{Action, Policy};
use proptest::prelude::*;
use std::borrow::Cow;

/// What the fake does with a value, by its first byte.
fn deed(value: Bytes<'_>) -> u8 {
    value.and_then(|value| value.first().copied()).unwrap_or(b'.')
}

/// Upper-cases `x`, doubles `d`, drops `-`, rejects `r`, routes `a`, names an unknown route for `u`, traps on `t`.
struct Fake;

impl Transform for Fake {
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        outputs.keep.keys = true;
        outputs.keep.timestamps = true;
        outputs.keep.headers = true;
        outputs.route_names = vec!["alerts".to_owned(), "nowhere".to_owned()];
        for (index, value) in batch.values.iter().enumerate() {
            let origin = index as u32;
            let (copies, route) = match deed(value) {
                b't' => return Err(Fault::new(Class::Trap, "trapped")),
                b'-' => (0, 0),
                b'r' => {
                    outputs.rejects.push(Reject { origin, code: "no".to_owned(), message: "refused".to_owned() });
                    (0, 0)
                }
                b'd' => (2, 0),
                b'a' => (1, 1),
                b'u' => (1, 2),
                _ => (1, 0),
            };
            for _ in 0..copies {
                outputs.origins.push(origin);
                outputs.routes.push(route);
                outputs.values.push(value.map(<[u8]>::to_ascii_lowercase).as_deref());
            }
        }
        outputs.check(batch.len()).expect("the fake keeps the contract");
        Ok(())
    }

    fn memory(&self) -> usize {
        0
    }
}

struct FakeModule;

impl Module for FakeModule {
    fn name(&self) -> &str {
        "fake.wasm"
    }

    fn hash(&self) -> &str {
        "00"
    }

    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
        Ok(Box::new(Fake))
    }
}

pub(crate) fn chain(stages: usize) -> Chain {
    let policy = Policy::all(Action::DeadLetter);
    let stage = PlanStage { module: Arc::new(FakeModule), policy };
    let plan = Plan { number: 1, stages: vec![stage; stages], sink: Policy::all(Action::Stop) };
    Chain::new(Arc::new(plan), Arc::new(Routes::new("out", &["alerts".to_owned()])))
}

pub(crate) fn batch(values: &[Vec<u8>]) -> Batch<'_> {
    let count = values.len() as i64;
    Batch {
        topic: "in",
        partition: 3,
        offsets: (100..100 + count).collect(),
        timestamps: Cow::Owned(vec![5; values.len()]),
        keys: Column::Each(values.iter().map(|value| value.get(1..)).collect()),
        values: Column::Each(values.iter().map(|value| Some(value.as_slice())).collect()),
        headers: Default::default(),
        siblings_before: 0,
    }
}

/// Traps on `t`, and always names the last record: it has gathered them all before.
struct Gatherer;

impl Transform for Gatherer {
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        match batch.values.iter().any(|value| deed(value) == b't') {
            true => Err(Fault { at: Some(batch.len() - 1), ..Fault::new(Class::Trap, "trapped") }),
            false => Fake.transform(batch, outputs),
        }
    }

    fn memory(&self) -> usize {
        0
    }
}

impl Module for Gatherer {
    fn name(&self) -> &str {
        "gatherer.wasm"
    }

    fn hash(&self) -> &str {
        "01"
    }

    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
        Ok(Box::new(Gatherer))
    }
}

#[test]
fn a_fault_that_names_the_wrong_record_costs_little() {
    let stage = PlanStage { module: Arc::new(Gatherer), policy: Policy::all(Action::DeadLetter) };
    let plan = Plan { number: 1, stages: vec![stage], sink: Policy::all(Action::Stop) };
    let mut chain = Chain::new(Arc::new(plan), Arc::new(Routes::new("out", &[])));
    let mut values = vec![b"x".to_vec(); 1024];
    values[3] = b"t".to_vec();
    let (rows, failures) = run(&mut chain, &values);
    assert_eq!((rows.len(), failures), (1023, vec![(3, Class::Trap)]));
    assert!(chain.restarts() <= 14, "{}", chain.restarts());
}

type Row = (u32, i64, Option<Vec<u8>>, Option<Vec<u8>>, Route);

/// What a chain of any length must give, record by record.
fn expected(values: &[Vec<u8>]) -> (Vec<Row>, Vec<(u32, Class)>) {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (index, value) in values.iter().enumerate() {
        let index = index as u32;
        let (copies, route) = match deed(Some(value)) {
            b't' => (Err(Class::Trap), 0),
            b'r' => (Err(Class::Reject), 0),
            b'u' => (Err(Class::Output), 0),
            b'-' => (Ok(0), 0),
            b'd' => (Ok(2), 0),
            b'a' => (Ok(1), 1),
            _ => (Ok(1), 0),
        };
        match copies {
            Err(class) => failures.push((index, class)),
            Ok(copies) => {
                let key = value.get(1..).map(<[u8]>::to_vec);
                let row = (index, 100 + i64::from(index), key, Some(value.to_ascii_lowercase()), Route(route));
                rows.extend(std::iter::repeat_n(row, copies));
            }
        }
    }
    (rows, failures)
}

fn run(chain: &mut Chain, values: &[Vec<u8>]) -> (Vec<Row>, Vec<(u32, Class)>) {
    let batch = batch(values);
    let applied = chain.apply(&batch, &mut || true).expect("nobody abandons it");
    let rows = &applied.rows;
    let owned = |bytes: Bytes<'_>| bytes.map(<[u8]>::to_vec);
    let rows = rows.keys.iter().zip(rows.values.iter()).enumerate().map(|(row, (key, value))| {
        let route = applied.routes.get(row).copied().unwrap_or_default();
        (applied.origins[row], rows.offsets[row], owned(key), owned(value), route)
    });
    (rows.collect(), applied.failures.iter().map(|failure| (failure.origin, failure.class)).collect())
}

proptest! {
    #[test]
    fn exactly_the_guilty_records_fail_and_the_others_come_out_in_order(
        values in proptest::collection::vec("[-xXrRdDaAuUtT.][a-z]{0,3}".prop_map(String::into_bytes), 0..200),
    ) {
        prop_assert_eq!(run(&mut chain(1), &values), expected(&values));
    }

    #[test]
    fn two_modules_fan_out_twice_and_withhold_siblings_of_a_failed_record(
        values in proptest::collection::vec("[-xXrRdaAuTU][a-z]{0,3}".prop_map(String::into_bytes), 0..100),
    ) {
        // the first module makes lower case: what it spared, the second meets
        let (rows, failures) = run(&mut chain(2), &values);
        for row in &rows {
            prop_assert!(!failures.iter().any(|(origin, _)| *origin == row.0));
        }
        for (index, value) in values.iter().enumerate() {
            let copies = rows.iter().filter(|row| row.0 == index as u32).count();
            let failed = failures.iter().filter(|(origin, _)| *origin == index as u32).count();
            let wanted = match value[0].to_ascii_lowercase() {
                b'-' => (0, 0),
                b'r' | b'u' | b't' => (0, 1),
                b'd' => (4, 0),
                _ => (1, 0),
            };
            prop_assert_eq!((copies, failed), wanted, "record {} of {:?}", index, value);
        }
    }
}

#[test]
fn an_empty_chain_passes_records_as_they_are() {
    let values = vec![b"Tx".to_vec(), b"ry".to_vec()];
    let (rows, failures) = run(&mut chain(0), &values);
    assert_eq!(rows.iter().map(|row| row.3.clone().expect("a value")).collect::<Vec<_>>(), values);
    assert!(failures.is_empty());
}

#[test]
fn a_replay_is_abandoned_when_the_caller_says_so() {
    let values = vec![b"t".to_vec(), b"x".to_vec()];
    let batch = batch(&values);
    let mut chain = chain(1);
    assert_eq!(chain.apply(&batch, &mut || false).err(), Some(ApplyError::Abandoned));
}
