//! Fluvio's encoding of records, as far as SmartModules see it: big-endian, and not Kafka's everywhere.

use crate::wasm::lifted::MAX_OUTPUTS;
use std::collections::BTreeMap;

/// Bytes behind the records of an input: no old parameters, no look-back, no record to join.
const NOTHING_ELSE: [u8; 7] = [0; 7];

/// A record that a SmartModule is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    /// Less that of the call's first record.
    pub(super) offset_delta: i64,
    /// Less that of the call's first record.
    pub(super) time_delta: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: &'a [u8],
}

/// Writes the input of a call.
pub(super) fn input<'a>(
    into: &mut Vec<u8>,
    offset: i64,
    timestamp: i64,
    records: impl ExactSizeIterator<Item = Given<'a>>,
    accumulator: Option<&[u8]>,
) {
    into.clear();
    into.extend(offset.to_be_bytes());
    let size_at = into.len();
    into.extend([0; 4]);
    into.extend((records.len() as u32).to_be_bytes());
    records.for_each(|given| record(into, given));
    let size = (into.len() - size_at - 4) as u32;
    into[size_at..size_at + 4].copy_from_slice(&size.to_be_bytes());
    into.extend(NOTHING_ELSE);
    into.extend(timestamp.to_be_bytes());
    if let Some(accumulator) = accumulator {
        into.extend((accumulator.len() as u32).to_be_bytes());
        into.extend_from_slice(accumulator);
    }
}

fn record(into: &mut Vec<u8>, given: Given<'_>) {
    let key = given.key.map_or(0, |key| varint_size(key.len() as i64) + key.len());
    let value = varint_size(given.value.len() as i64) + given.value.len();
    // attributes, whether there is a key, and the number of headers are a byte each
    let size = 3 + varint_size(given.time_delta) + varint_size(given.offset_delta) + key + value;
    varint(into, size as i64);
    into.push(0);
    varint(into, given.time_delta);
    varint(into, given.offset_delta);
    into.push(u8::from(given.key.is_some()));
    if let Some(key) = given.key {
        bytes(into, key);
    }
    bytes(into, given.value);
    into.push(0);
}

fn bytes(into: &mut Vec<u8>, bytes: &[u8]) {
    varint(into, bytes.len() as i64);
    into.extend_from_slice(bytes);
}

fn varint(into: &mut Vec<u8>, number: i64) {
    let mut left = zigzag(number);
    while left >= 0x80 {
        into.push(left as u8 | 0x80);
        left >>= 7;
    }
    into.push(left as u8);
}

fn varint_size(number: i64) -> usize {
    let bits = 64 - zigzag(number).leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

/// The input of `init`: parameters, and no look-back.
pub(super) fn init(params: &BTreeMap<&str, String>) -> Vec<u8> {
    let mut into = (params.len() as u16).to_be_bytes().to_vec();
    for text in params.iter().flat_map(|(name, text)| [*name, text.as_str()]) {
        into.extend((text.len() as u16).to_be_bytes());
        into.extend_from_slice(text.as_bytes());
    }
    into.push(0);
    into
}

/// A record that a SmartModule gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gave<'a> {
    pub(super) offset_delta: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: &'a [u8],
}

/// A record that the SmartModule's author refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserError<'a> {
    pub(super) hint: &'a [u8],
    pub(super) offset: i64,
}

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Output<'a> {
    pub(super) records: Vec<Gave<'a>>,
    pub(super) error: Option<UserError<'a>>,
}

/// Reads what a call gave.
///
/// # Errors
/// The first thing that is wrong with it, in words.
// Promise: bounds
pub(super) fn output(given: &[u8]) -> Result<Output<'_>, String> {
    let mut reader = Reader { left: given };
    let count = reader.number("the number of records")?;
    if count > MAX_OUTPUTS {
        return Err(format!("{count} records of one call; {MAX_OUTPUTS} at most"));
    }
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(reader.record()?);
    }
    let error = match reader.byte("an error")? {
        0 => None,
        _ => {
            let hint = reader.text("an error's hint")?;
            let offset = i64::from_be_bytes(reader.fixed("an error's offset")?);
            Some(UserError { hint, offset })
        }
    };
    Ok(Output { records, error })
}

/// What a function of an author's says is wrong, outside of any record.
pub(super) fn hint(given: &[u8]) -> Result<&[u8], String> {
    Reader { left: given }.text("an error's hint")
}

struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, what: &str, size: usize) -> Result<&'a [u8], String> {
        let missing = || format!("{what}: {size} bytes where {} are left", self.left.len());
        let (taken, left) = self.left.split_at_checked(size).ok_or_else(missing)?;
        self.left = left;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let missing = || format!("{what}: {N} bytes where {} are left", self.left.len());
        let (taken, left) = self.left.split_first_chunk().ok_or_else(missing)?;
        self.left = left;
        Ok(*taken)
    }

    fn byte(&mut self, what: &str) -> Result<u8, String> {
        Ok(self.fixed::<1>(what)?[0])
    }

    fn number(&mut self, what: &str) -> Result<usize, String> {
        Ok(u32::from_be_bytes(self.fixed(what)?) as usize)
    }

    fn text(&mut self, what: &str) -> Result<&'a [u8], String> {
        let size = u16::from_be_bytes(self.fixed(what)?);
        self.take(what, usize::from(size))
    }

    fn varint(&mut self, what: &str) -> Result<i64, String> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(format!("{what}: a number without end"))
    }

    fn bytes(&mut self, what: &str) -> Result<&'a [u8], String> {
        let size = self.varint(what)?;
        let size = usize::try_from(size).map_err(|_| format!("{what}: a length of {size}"))?;
        self.take(what, size)
    }

    fn record(&mut self) -> Result<Gave<'a>, String> {
        let mut body = Reader { left: self.bytes("a record")? };
        body.byte("a record's attributes")?;
        body.varint("a record's timestamp")?;
        let offset_delta = body.varint("a record's offset")?;
        let key = match body.byte("a record's key")? {
            0 => None,
            _ => Some(body.bytes("a record's key")?),
        };
        Ok(Gave { offset_delta, key, value: body.bytes("a record's value")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_long_as_it_says_and_comes_back() {
        for number in [0, 1, -1, 63, 64, -64, -65, 8191, 1 << 31, -(1 << 40), i64::MAX, i64::MIN] {
            let mut written = Vec::new();
            varint(&mut written, number);
            assert_eq!(written.len(), varint_size(number), "{number}");
            assert_eq!(Reader { left: &written }.varint("it").unwrap(), number);
        }
    }

    #[test]
    fn what_is_cut_short_anywhere_is_told() {
        let mut whole = 1u32.to_be_bytes().to_vec();
        let given = Given { offset_delta: 5, time_delta: -3, key: Some(b"key"), value: b"value" };
        record(&mut whole, given);
        whole.push(1);
        whole.extend(4u16.to_be_bytes());
        whole.extend(b"oops");
        whole.extend(9i64.to_be_bytes());
        let output_of =
            |bytes| output(bytes).map(|output| (output.records.len(), output.error.map(|error| error.offset)));
        assert_eq!(output_of(&whole), Ok((1, Some(9))));
        let record = output(&whole).unwrap().records[0];
        assert_eq!(record, Gave { offset_delta: 5, key: Some(b"key"), value: b"value" });
        for cut in 0..whole.len() {
            assert!(output(&whole[..cut]).is_err(), "{cut}");
        }
        assert_eq!(output(&[0xff; 64]).unwrap_err(), "4294967295 records of one call; 1048576 at most");
        assert_eq!(output(&[0, 0, 0, 1, 1]).unwrap_err(), "a record: a length of -1");
    }
}
