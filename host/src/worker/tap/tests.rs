//! What a tap shows of a chain of fakes: see `chain/apply/tests.rs` for what they do with a value, by its first byte.

use super::*;
use crate::chain::apply::tests::{batch, chain};

fn wish(more: &str) -> Wish {
    serde_json::from_str(&format!("{{\"per_second\":100{more}}}")).expect("a wish")
}

/// Passes values through two fakes, and gives what taps say of it.
fn shown(taps: &Taps, lines: &mut Receiver<String>, values: &[&str]) -> Vec<Value> {
    let values: Vec<Vec<u8>> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    let (mut chain, batch) = (chain(2), batch(&values));
    let plan = chain.plan().clone();
    let applied = chain.apply(&batch, &mut || true).expect("nobody abandons it");
    taps.show(&batch, &applied, &plan);
    let mut said = Vec::new();
    while let Ok(line) = lines.try_recv() {
        said.push(serde_json::from_str(&line).expect("a line is JSON"));
    }
    said
}

fn offsets(lines: &[Value]) -> Vec<i64> {
    lines.iter().map(|line| line["from"]["offset"].as_i64().expect("an offset")).collect()
}

#[test]
fn each_module_and_the_failure_are_shown() {
    let taps = Taps::default();
    let (tap, mut lines) = Tap::open(wish(""));
    assert!(taps.add(tap));
    let said = shown(&taps, &mut lines, &["XA", "dz", "-", "ab", "rno", "t"]);
    assert_eq!(offsets(&said), [100, 101, 102, 103, 104, 105]);
    let outputs = |line: usize, module: usize| said[line]["modules"][module]["outputs"].as_array().map(Vec::len);
    assert_eq!(said[0]["record"]["value"], "XA");
    assert_eq!(said[0]["modules"][0]["outputs"][0]["value"], "xa");
    assert_eq!((outputs(1, 0), outputs(1, 1)), (Some(2), Some(4)));
    assert_eq!((outputs(2, 0), outputs(2, 1)), (Some(0), Some(0)));
    assert_eq!(said[3]["modules"][0]["outputs"][0]["topic"], "alerts");
    assert_eq!((said[4]["failed"]["code"].as_str(), outputs(4, 0), outputs(4, 1)), (Some("no"), Some(0), None));
    assert_eq!((said[5]["failed"]["class"].as_str(), said[5]["failed"]["stage"].as_u64()), (Some("trap"), Some(0)));
    assert!(said[..4].iter().all(|line| line.get("failed").is_none()));
}

#[test]
fn only_what_is_wished_for_is_shown() {
    for (more, offsets_shown) in [
        (r#","failed":true"#, vec![102, 103]),
        (r#","key":"b""#, vec![101]),
        (r#","contains":"o""#, vec![102]),
        (r#","failed":true,"contains":"t""#, vec![103]),
        (r#","partition":3"#, vec![100, 101, 102, 103]),
        (r#","partition":4"#, vec![]),
        (r#","topic":"other""#, vec![]),
    ] {
        let taps = Taps::default();
        let (tap, mut lines) = Tap::open(wish(more));
        assert!(taps.add(tap));
        assert_eq!(offsets(&shown(&taps, &mut lines, &["xa", "xb", "rno", "t"])), offsets_shown, "{more}");
    }
}

#[test]
fn a_tap_shows_no_more_than_it_may_and_waits_for_nobody() {
    let taps = Taps::default();
    let (tap, mut lines) = Tap::open(Wish { per_second: 5, ..wish("") });
    assert!(taps.add(tap));
    let said = shown(&taps, &mut lines, &["xa"; 100]);
    assert!(said.len() == 5 && offsets(&said).windows(2).all(|pair| pair[1] - pair[0] == 20), "{:?}", offsets(&said));
    assert!(shown(&taps, &mut lines, &["xa"; 100]).is_empty());

    let taps = Taps::default();
    let (tap, mut slow) = Tap::open(Wish { per_second: 1000, ..wish("") });
    assert!(taps.add(tap));
    assert_eq!(shown(&taps, &mut slow, &["xa"; 100]).len(), WAITING);
    assert_eq!(shown(&taps, &mut slow, &["xa"])[0]["missed"], 100 - WAITING);
}

#[test]
fn a_tap_ends_with_its_reader_and_there_are_only_so_many() {
    let taps = Taps::default();
    let mut readers = Vec::new();
    for _ in 0..TAPS {
        let (tap, lines) = Tap::open(wish(""));
        assert!(taps.add(tap));
        readers.push(lines);
    }
    assert!(!taps.add(Tap::open(wish("")).0));
    let mut last = readers.pop().expect("there are some");
    drop(readers);
    assert_eq!(shown(&taps, &mut last, &["xa"]).len(), 1);
    drop(last);
    let (_, mut nobody) = channel(1);
    shown(&taps, &mut nobody, &["xa"]);
    assert!(!taps.wanted.load(Ordering::Relaxed) && taps.add(Tap::open(wish("")).0));
}
