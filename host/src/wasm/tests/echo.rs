//! Outputs that break the contract, field by field: a guest gives back whatever bytes the first record has.

use super::*;
use proptest::prelude::*;

/// Where the guest puts the record's value.
const BASE: u32 = 1024;

/// An outputs table, and space behind it.
#[derive(Clone)]
struct Table {
    bytes: Vec<u8>,
}

impl Table {
    fn new() -> Self {
        Self { bytes: vec![0; 128] }
    }

    fn field(mut self, at: usize, value: u32) -> Self {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    /// Appends bytes; fields `at` get their address.
    fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let address = BASE + self.bytes.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.field(at, address)
    }

    fn put_u32(self, at: usize, numbers: &[u32]) -> Self {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.put(at, &bytes)
    }

    /// Outputs with these origins.
    fn origins(self, origins: &[u32]) -> Self {
        self.field(0, origins.len() as u32).put_u32(4, origins)
    }

    /// A column at `at`.
    fn column(self, at: usize, lengths: &[i32], data: &[u8]) -> Self {
        let lengths: Vec<u32> = lengths.iter().map(|length| length.cast_unsigned()).collect();
        self.put_u32(at, &lengths).put(at + 4, data).field(at + 8, data.len() as u32)
    }

    /// What comes back from a batch of two records.
    fn apply(&self) -> Result<Outputs, Fault> {
        apply(&mut *guest("echo-outputs"), &values(&[Some(&self.bytes), Some(b"two")]))
    }
}

#[test]
fn every_field_of_good_outputs_is_read() {
    let outputs = Table::new()
        .origins(&[0, 1, 1])
        .put(8, &[1i64, -1, 3].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
        .column(12, &[-1, 1, 0], b"k")
        .column(24, &[3, -1, 2], b"onetw")
        .put_u32(36, &[0, 2, 0])
        .field(40, 2)
        .column(44, &[1, 2], b"abc")
        .column(56, &[-1, 1], b"v")
        .put(68, &[0, 0, 1, 0, 2, 0])
        .field(72, 2)
        .column(76, &[4, 5], b"leftright")
        .field(88, 1)
        .put_u32(92, &[1])
        .column(96, &[3], b"bad")
        .column(108, &[7], b"too bad")
        .apply()
        .unwrap();
    assert_eq!(outputs.origins, [0, 1, 1]);
    assert_eq!(outputs.timestamps, [1, -1, 3]);
    assert_eq!(outputs.keys.column().iter().collect::<Vec<_>>(), [None, Some(&b"k"[..]), Some(b"")]);
    assert_eq!(outputs.values.column().iter().collect::<Vec<_>>(), [Some(&b"one"[..]), None, Some(b"tw")]);
    assert_eq!(outputs.headers.counts, [0, 2, 0]);
    assert_eq!(outputs.headers.values.column().iter().collect::<Vec<_>>(), [None, Some(&b"v"[..])]);
    assert_eq!(outputs.routes, [0, 1, 2]);
    assert_eq!(outputs.route_names, ["left", "right"]);
    assert_eq!((&*outputs.rejects[0].code, &*outputs.rejects[0].message), ("bad", "too bad"));
}

#[test]
fn each_breach_is_a_fault_that_names_the_field() {
    let table = Table::new;
    let two = || table().origins(&[0, 1]);
    let cases = [
        (table().origins(&[1, 0]), "origins: 0 follows 1; they must ascend"),
        (table().origins(&[0, 2]), "origins: 2 in a batch of 2 records"),
        (table().field(0, 1).field(4, 2049), "origins: the address 2049 is no multiple of 8"),
        (
            table().field(0, 1 << 20).field(4, 2048),
            "origins: 4194304 bytes at 2048 end outside of the memory, which has 1048576",
        ),
        (table().field(0, u32::MAX).field(4, 2048), "count: 4294967295 outputs of one call; 1048576 at most"),
        (
            two().field(8, 0xffff_fff8),
            "timestamps: 16 bytes at 4294967288 end outside of the memory, which has 1048576",
        ),
        (two().column(24, &[-2, 2], b"xx"), "values: a length of -2"),
        (two().column(24, &[1, 2], b"xx"), "values: lengths add up to 3 bytes, the data has 2"),
        (two().column(24, &[i32::MAX, i32::MAX], b"xx"), "values: lengths add up to 4294967294 bytes, the data has 2"),
        (two().column(12, &[1, -1], b"xx"), "keys: lengths add up to 1 bytes, the data has 2"),
        (
            two().put_u32(36, &[1, 1]).field(40, 1).column(44, &[1], b"a").column(56, &[1], b"b"),
            "header counts add up to 2, there are 1 names",
        ),
        (
            two().put_u32(36, &[u32::MAX, 2]).field(40, 1).column(44, &[1], b"a").column(56, &[1], b"b"),
            "header counts add up to 4294967297, there are 1 names",
        ),
        (
            two().put_u32(36, &[1, 0]).field(40, 1).column(44, &[-1], b"").column(56, &[1], b"b"),
            "header names: a null name",
        ),
        (
            two().put_u32(36, &[1, 0]).field(40, u32::MAX).field(44, 2048),
            "header_names: 17179869180 bytes at 2048 end outside of the memory, which has 1048576",
        ),
        (two().put(68, &[0, 0, 2, 0]).field(72, 1).column(76, &[1], b"a"), "routes: 2 of 1 route names"),
        (two().put(68, &[0, 0, 1, 0]).field(72, 1).column(76, &[1], b"\xff"), "route_names: a text that is not UTF-8"),
        (
            two().put(68, &[0, 0, 1, 0]).field(72, 1).column(76, &[-1], b""),
            "route_names: a length of -1 where 0 bytes are left",
        ),
        (
            two().put(68, &[0, 0, 1, 0]).field(72, 1).column(76, &[1], b"ab"),
            "route_names: 1 bytes more than the lengths add up to",
        ),
        (two().field(88, 3).put_u32(92, &[0, 1, 1]), "rejects: 3 in a batch of 2 records"),
        (
            two().field(88, 2).put_u32(92, &[1, 1]).column(96, &[0, 0], b"").column(108, &[0, 0], b""),
            "rejects: origin 1 in a batch of 2 records, after 2 were passed",
        ),
        (
            two().field(88, 1).put_u32(92, &[2]).column(96, &[0], b"").column(108, &[0], b""),
            "rejects: origin 2 in a batch of 2 records, after 0 were passed",
        ),
        (
            two().field(88, 1).put_u32(92, &[1]).column(96, &[1], b"\xff").column(108, &[0], b""),
            "reject_codes: a text that is not UTF-8",
        ),
        (
            table().field(120, 0xffff_ffff).field(124, 4),
            "error: 4 bytes at 4294967295 end outside of the memory, which has 1048576",
        ),
    ];
    for (table, message) in cases {
        let fault = table.apply().unwrap_err();
        assert_eq!((fault.class, &*fault.message), (Class::Output, message));
    }
}

#[test]
fn a_text_of_failure_is_the_faults_message() {
    let fault = Table::new().put(120, b"no \xff luck").field(124, 9).apply().unwrap_err();
    assert_eq!((fault.class, &*fault.message), (Class::Trap, "no \u{fffd} luck"));
}

#[test]
fn what_outputs_keep_by_repeating_an_origin_is_bounded() {
    let large = vec![b'x'; 512 << 10];
    let table = Table::new().origins(&[1; 40]);
    let input = [Some(&table.bytes[..]), Some(&large)];
    let batch = values(&input);
    assert_eq!(
        fault(&mut *guest("echo-outputs"), &batch),
        (
            Class::Output,
            "origins: repeated so often that 20971520 bytes are kept; limits.memory is 16777216".to_owned()
        )
    );
}

/// Fields that are now and then what they should be: only then is anything behind them read.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0u32..4,
        3 => (0u32..64).prop_map(|at| BASE + 8 * at),
        1 => prop::sample::select(vec![u32::MAX, 0x7fff_ffff, 0x8000_0000, 0xffff8, 1 << 20, BASE + 1]),
        1 => any::<u32>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_outputs_whatever_harm_the_host(words in prop::collection::vec(word(), 32..160)) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let input = [Some(&bytes[..]), None, Some(b"three")];
        let batch = values(&input);
        match apply(&mut *guest("echo-outputs"), &batch) {
            Ok(outputs) => {
                prop_assert!(outputs.check(3).is_ok());
                let view = outputs.view(batch.clone());
                prop_assert_eq!(view.values.iter().count(), outputs.origins.len());
            }
            Err(fault) => prop_assert!(matches!(fault.class, Class::Output | Class::Trap)),
        }
    }
}
