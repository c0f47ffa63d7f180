//! A chain with a real module: of any batch, exactly the bad records fail, each with its own class, whatever stands around them.

use super::*;
use crate::chain::apply::Chain;
use crate::chain::{Plan, PlanStage};
use crate::policy::{Action, Policy};
use crate::route::Routes;
use proptest::prelude::*;

/// Orders to `poison.wat`, and what must come of them; `None`: neither a row nor a failure.
const FAST: [(&str, Option<Class>); 7] = [
    ("T!", Some(Class::Trap)),
    ("E!", Some(Class::Trap)),
    ("S!", Some(Class::Trap)),
    ("G!", Some(Class::Output)),
    ("H!", Some(Class::Output)),
    ("R!", Some(Class::Reject)),
    ("D!", None),
];
const SLOW: [(&str, Option<Class>); 2] = [("L!", Some(Class::Timeout)), ("M!", Some(Class::Memory))];

/// One record: an order, or nothing to be afraid of.
type Order = Option<(&'static str, Option<Class>)>;

fn chain() -> Chain {
    static MODULE: LazyLock<Arc<dyn Module>> = LazyLock::new(|| {
        ENGINE.load("poison", &wat::parse_str(source("poison")).unwrap(), &Value::Null, LIMITS).unwrap()
    });
    chain_of(&MODULE)
}

fn chain_of(module: &Arc<dyn Module>) -> Chain {
    let stages = vec![PlanStage { module: module.clone(), policy: Policy::all(Action::DeadLetter) }];
    let plan = Plan { number: 1, stages, sink: Policy::all(Action::Stop) };
    Chain::new(Arc::new(plan), Arc::new(Routes::new("out", &[])))
}

/// Passes a batch for each of some lists of orders through one and the same chain, and checks what comes of them.
fn exactly_the_bad_ones_fail(batches: &[Vec<Order>]) {
    let mut chain = chain();
    for orders in batches {
        let texts: Vec<String> = orders
            .iter()
            .enumerate()
            .map(|(number, order)| format!("{}{number}", order.map_or("", |(letters, _)| letters)))
            .collect();
        let bytes: Vec<Bytes<'_>> = texts.iter().map(|text| Some(text.as_bytes())).collect();
        let batch = values(&bytes);
        let applied = chain.apply(&batch, &mut || true).expect("nobody abandons it");
        let rows: Vec<_> = applied.rows.values.iter().map(|value| value.map(<[u8]>::to_vec)).collect();
        let kept = texts.iter().zip(orders).filter(|(_, order)| order.is_none());
        assert_eq!(rows, kept.map(|(text, _)| Some(text.clone().into_bytes())).collect::<Vec<_>>());
        let failed: Vec<_> = applied.failures.iter().map(|failure| (failure.origin, failure.class)).collect();
        let class = |(number, order): (usize, &Order)| Some((number as u32, order.and_then(|(_, class)| class)?));
        assert_eq!(failed, orders.iter().enumerate().filter_map(class).collect::<Vec<_>>());
    }
}

#[test]
fn a_record_that_finds_no_memory_left_is_tried_on_a_fresh_instance() {
    let locals = "(local $count i32) (local $i i32)";
    let leak = format!("{locals} (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))");
    let module = |text: &str| ENGINE.load("leak", &wat::parse_str(text).unwrap(), &Value::Null, LIMITS).unwrap();
    let mut chain = chain_of(&module(&source("identity").replace(locals, &leak)));
    for size in [1, 3, 1] {
        let good = vec![Some(b"good" as &[u8]); size];
        let batch = values(&good);
        for _ in 0..50 {
            let applied = chain.apply(&batch, &mut || true).unwrap();
            assert_eq!((applied.rows.len(), applied.failures.len()), (size, 0));
        }
    }
    assert!(chain.restarts() >= 9, "{}", chain.restarts());
    // what a record wants by itself is its own fault, and tried twice at the most
    let hungry = leak.replace("(i32.const 16)", "(i32.const 256)");
    let mut chain = chain_of(&module(&source("identity").replace(locals, &hungry)));
    let bad = [Some(b"bad" as &[u8])];
    let batch = values(&bad);
    for _ in 0..3 {
        let applied = chain.apply(&batch, &mut || true).unwrap();
        assert_eq!(applied.failures.iter().map(|failure| failure.class).collect::<Vec<_>>(), [Class::Memory]);
    }
    assert_eq!(chain.restarts(), 3);
}

fn orders(bad: &'static [(&'static str, Option<Class>)], good: u32, most: usize) -> impl Strategy<Value = Vec<Order>> {
    let order = prop_oneof![
        good => Just(None),
        1 => proptest::sample::select(bad).prop_map(Some),
    ];
    proptest::collection::vec(order, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn of_random_batches_exactly_the_bad_records_fail(
        few in orders(&FAST, 60, 400),
        many in orders(&FAST, 1, 60),
        some in orders(&FAST, 10, 200),
    ) {
        exactly_the_bad_ones_fail(&[few, many, some]);
    }
}

proptest! {
    // each of these takes its time limit, or all the memory there is
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn also_of_those_that_loop_and_hog_exactly_the_bad_records_fail(
        slow in orders(&SLOW, 30, 60),
        fast in orders(&FAST, 10, 60),
        order in proptest::sample::select(&SLOW[..]),
        place in any::<prop::sample::Index>(),
    ) {
        let mut mixed = fast;
        mixed.insert(place.index(mixed.len() + 1), Some(order));
        exactly_the_bad_ones_fail(&[slow, mixed]);
    }
}
