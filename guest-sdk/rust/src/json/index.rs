//! Where a record's strings can end, found for all of them before any is looked at.
//!
//! Sixty-four bytes at a time become one word of bits, and no word waits for another: processors and compilers like that
//! better than going from string to string, each of which begins where the one before was found to end.

use crate::block::{self, Chunk};

/// Bytes of the record's end that are kept with as many zeros behind them as a comparison may read.
const TAIL: usize = block::CHUNK;

/// A record's index. Its memory is used again for the next one.
#[derive(Default)]
pub(super) struct Index {
    /// A bit for each byte that is a quote, a backslash or a control character; eight bytes more than the record needs.
    stops: Vec<u8>,
    tail: Tail,
    /// Where the tail begins in the record.
    tail_start: usize,
}

/// The record's last bytes, and zeros.
struct Tail([u8; TAIL + block::PAIR]);

impl Default for Tail {
    fn default() -> Tail {
        Tail([0; TAIL + block::PAIR])
    }
}

impl Index {
    /// Reads a record. False where it is not UTF-8.
    #[inline(never)]
    pub(super) fn read(&mut self, record: &[u8]) -> bool {
        let words = record.len() / block::CHUNK + 2;
        if self.stops.len() < words * 8 {
            self.grow(words * 8);
        }
        self.keep_tail(record);
        let (mut carry, mut plain) = (0, true);
        let (chunks, rest) = record.as_chunks::<{ block::CHUNK }>();
        let (words, after) = self.stops.as_chunks_mut::<8>().0.split_at_mut(chunks.len());
        for (chunk, word) in chunks.iter().zip(words) {
            let (stops, ascii) = block::stops_of_chunk(chunk);
            *word = stops.to_le_bytes();
            if !ascii || carry != 0 {
                plain &= utf8(chunk, 0, &mut carry);
            }
        }
        let [last, beyond, ..] = after else { return false };
        *last = [0; 8];
        *beyond = [0; 8];
        if !rest.is_empty() {
            // The last chunk is read with bytes before it, whose bits are shifted out, or zeros behind it.
            let chunk = self.tail.0.first_chunk().unwrap_or(&[0; TAIL]);
            let before = (record.len() - rest.len()) - self.tail_start;
            let (stops, ascii) = block::stops_of_chunk(chunk);
            *last = (stops >> before).to_le_bytes();
            if !ascii || carry != 0 {
                plain &= utf8(chunk, before as u32, &mut carry);
            }
        }
        plain && carry == 0 || std::str::from_utf8(record).is_ok()
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: usize) {
        self.stops.resize(bytes.next_power_of_two(), 0);
    }

    #[inline]
    fn keep_tail(&mut self, record: &[u8]) {
        let tail = self.tail.0.first_chunk_mut::<TAIL>();
        match (record.last_chunk::<TAIL>(), tail) {
            (Some(last), Some(tail)) => {
                block::copy_chunk(last, tail);
                self.tail_start = record.len() - TAIL;
            }
            _ => {
                self.tail.0[..record.len()].copy_from_slice(record);
                self.tail.0[record.len()..].fill(0);
                self.tail_start = 0;
            }
        }
    }

    /// The 32 bytes at `at`, which is within the record that was read or its end; zeros are behind the end.
    #[inline]
    pub(super) fn pair<'i>(&'i self, record: &'i [u8], at: usize) -> &'i [u8; block::PAIR] {
        let pair = record.get(at..).and_then(|bytes| bytes.first_chunk());
        let kept = || self.tail.0.get(at.wrapping_sub(self.tail_start)..).and_then(|bytes| bytes.first_chunk());
        pair.or_else(kept).unwrap_or(&[0; block::PAIR])
    }

    /// The first quote, backslash or control character from `at` on; behind the record's end where there is none.
    #[inline]
    pub(super) fn stop(&self, at: usize) -> usize {
        let window = self.stops.get(at / 8..).and_then(|bits| bits.first_chunk());
        let window = window.map_or(0, |bits| u64::from_le_bytes(*bits)) >> (at % 8);
        if window != 0 { at + window.trailing_zeros() as usize } else { self.far_stop(at) }
    }

    #[inline(never)]
    fn far_stop(&self, mut at: usize) -> usize {
        while let Some(bits) = self.stops.get(at / 8..).and_then(|bits| bits.first_chunk()) {
            let window = u64::from_le_bytes(*bits) >> (at % 8);
            if window != 0 {
                return at + window.trailing_zeros() as usize;
            }
            at = (at / 8 + 8) * 8;
        }
        at
    }
}

/// Checks a chunk from its bit `before` on as UTF-8. `carry` has a bit for each byte of the next chunk that must continue
/// what this one began. False says only that this is not plain: rare forms are left to the standard library.
#[inline(never)]
fn utf8(chunk: &Chunk, before: u32, carry: &mut u64) -> bool {
    let kinds = block::kinds(chunk);
    if kinds.rare != 0 {
        return false;
    }
    let (leads, leads_of_three) = (kinds.leads >> before, kinds.leads_of_three >> before);
    let wanted = leads << 1 | leads_of_three << 2 | *carry;
    *carry = leads >> 63 | leads_of_three >> 62;
    kinds.continued >> before == wanted
}

#[cfg(test)]
mod tests {
    use super::{Index, block};
    use proptest::prelude::*;

    /// Bytes that are mostly text, of all lengths of characters, and sometimes broken.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let text = "[ a-z\"\\\\\n\u{7f}é\u{7ff}\u{800}क€\u{d7ff}\u{e000}\u{ffff}\u{10000}😀\u{10ffff}]{0,90}";
        let broken = prop_oneof![4 => Just(None), 1 => any::<(prop::sample::Index, u8)>().prop_map(Some)];
        let plain = prop_oneof![
            Just(""),
            Just("x"),
            Just(" sixty-four bytes of nothing else, so that a chunk is plain text  ")
        ];
        (text, plain, text, broken).prop_map(|(first, plain, last, broken)| {
            let mut bytes = [first.as_bytes(), plain.as_bytes(), last.as_bytes()].concat();
            if let Some((at, byte)) = broken
                && !bytes.is_empty()
            {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn everything_is_found_where_a_plain_search_finds_it(records in prop::collection::vec(bytes(), 1..4)) {
            let mut index = Index::default();
            for record in records {
                prop_assert_eq!(index.read(&record), std::str::from_utf8(&record).is_ok());
                for at in 0..=record.len() {
                    let stop = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
                    let wanted = record[at..].iter().position(stop).map_or(record.len(), |more| at + more);
                    prop_assert_eq!(index.stop(at).min(record.len()), wanted);
                    let mut pair = record[at..].to_vec();
                    pair.resize(pair.len().max(block::PAIR), 0);
                    prop_assert_eq!(index.pair(&record, at).as_slice(), &pair[..block::PAIR]);
                }
            }
        }
    }
}
