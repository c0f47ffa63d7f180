//! Sixteen bytes at once, as SIMD where there is any: all unsafe code of the hot paths.

/// Bytes of a block.
pub(crate) const SIZE: usize = 16;

/// A block.
pub(crate) type Block = [u8; SIZE];

/// Bytes of two blocks.
pub(crate) const PAIR: usize = 2 * SIZE;

/// Bytes of four blocks: as many as a word has bits.
pub(crate) const CHUNK: usize = 4 * SIZE;

/// Four blocks.
pub(crate) type Chunk = [u8; CHUNK];

/// What the bytes of a chunk are in UTF-8, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds {
    /// Those that continue a character: 0x80 to 0xbf.
    pub(crate) continued: u64,
    /// Those that begin a character of several: 0xc0 and above.
    pub(crate) leads: u64,
    /// Those that begin a character of three or four: 0xe0 and above.
    pub(crate) leads_of_three: u64,
    /// Those that say more of the next byte, or are in no text: 0xc0, 0xc1, 0xe0, 0xed, and 0xf0 and above.
    pub(crate) rare: u64,
}

/// The chunk's blocks.
#[inline]
fn blocks(chunk: &Chunk) -> &[Block] {
    chunk.as_chunks().0
}

/// A word of the bits that `judge` finds in each block.
#[inline]
fn word(chunk: &Chunk, judge: impl Fn(&Block) -> u32) -> u64 {
    let [a, b, c, d] = blocks(chunk) else { return 0 };
    let half = |low, high| u64::from(judge(low) | judge(high) << SIZE);
    half(a, b) | half(c, d) << PAIR
}

/// A bit for each byte that is a quote, a backslash or a control character; and whether all of the chunk is ASCII.
#[inline]
pub(crate) fn stops_of_chunk(chunk: &Chunk) -> (u64, bool) {
    (word(chunk, imp::marks), imp::is_ascii(chunk))
}

/// What each byte is in UTF-8.
#[inline]
pub(crate) fn kinds(chunk: &Chunk) -> Kinds {
    let continued = word(chunk, |block| imp::below(block, 0xc0));
    let high = word(chunk, |block| imp::below(block, 0));
    let special = |block: &Block| {
        let two = imp::equal(block, 0xc0) | imp::equal(block, 0xc1);
        two | imp::equal(block, 0xe0) | imp::equal(block, 0xed) | (imp::below(block, 0) & !imp::below(block, 0xf0))
    };
    Kinds {
        continued,
        leads: high & !continued,
        leads_of_three: high & !word(chunk, |block| imp::below(block, 0xe0)),
        rare: word(chunk, special),
    }
}

/// A bit for each byte of two blocks that differs.
#[inline]
pub(crate) fn differ_of_pair(one: &[u8; PAIR], other: &[u8; PAIR]) -> u32 {
    let ([a, b], [c, d]) = (one.as_chunks().0, other.as_chunks().0) else { return u32::MAX };
    imp::differ(a, c) | imp::differ(b, d) << SIZE
}

/// Copies a chunk.
#[inline]
pub(crate) fn copy_chunk(from: &Chunk, to: &mut Chunk) {
    if let ([a, b], [c, d]) = (from.as_chunks().0, to.as_chunks_mut().0) {
        imp::copy(a, c);
        imp::copy(b, d);
    }
}

/// The block at `at`, where there is a whole one.
#[inline]
pub(crate) fn at(bytes: &[u8], at: usize) -> Option<&Block> {
    bytes.get(at..)?.first_chunk()
}

/// A bit for each byte that is a quote, a backslash, a control character or not ASCII.
#[inline]
pub(crate) fn stops(block: &Block) -> u32 {
    imp::stops(block)
}

/// A bit for each byte that is no decimal digit.
#[inline]
pub(crate) fn others(block: &Block) -> u32 {
    imp::others(block)
}

/// Copies two blocks.
#[inline]
pub(crate) fn copy(from: &[u8; PAIR], to: &mut [u8; PAIR]) {
    imp::copy(from, to);
}

#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
mod imp {
    use super::{Block, Chunk, PAIR, blocks};
    use std::arch::wasm32::{
        i8x16_bitmask, i8x16_eq, i8x16_lt, i8x16_ne, i8x16_splat, i8x16_sub, u8x16_gt, u8x16_min, u8x16_splat, v128,
        v128_load, v128_or, v128_store,
    };

    #[inline]
    fn load(block: &Block) -> v128 {
        // SAFETY: an array of 16 bytes; the load needs no alignment.
        unsafe { v128_load(block.as_ptr().cast()) }
    }

    #[inline]
    pub(super) fn stops(block: &Block) -> u32 {
        let block = load(block);
        let quote = i8x16_eq(block, i8x16_splat(b'"' as i8));
        let backslash = i8x16_eq(block, i8x16_splat(b'\\' as i8));
        // Signed: bytes from 0x80 on are below 0x20 too.
        let other = i8x16_lt(block, i8x16_splat(0x20));
        u32::from(i8x16_bitmask(v128_or(v128_or(quote, backslash), other)))
    }

    #[inline]
    pub(super) fn marks(block: &Block) -> u32 {
        let block = load(block);
        let quote = i8x16_eq(block, i8x16_splat(b'"' as i8));
        let backslash = i8x16_eq(block, i8x16_splat(b'\\' as i8));
        let control = i8x16_eq(u8x16_min(block, u8x16_splat(0x1f)), block);
        u32::from(i8x16_bitmask(v128_or(v128_or(quote, backslash), control)))
    }

    #[inline]
    pub(super) fn is_ascii(chunk: &Chunk) -> bool {
        let [a, b, c, d] = blocks(chunk) else { return false };
        i8x16_bitmask(v128_or(v128_or(load(a), load(b)), v128_or(load(c), load(d)))) == 0
    }

    /// Signed: with 0 those that are not ASCII.
    #[inline]
    pub(super) fn below(block: &Block, limit: u8) -> u32 {
        u32::from(i8x16_bitmask(i8x16_lt(load(block), i8x16_splat(limit as i8))))
    }

    #[inline]
    pub(super) fn equal(block: &Block, byte: u8) -> u32 {
        u32::from(i8x16_bitmask(i8x16_eq(load(block), i8x16_splat(byte as i8))))
    }

    #[inline]
    pub(super) fn others(block: &Block) -> u32 {
        let digits = i8x16_sub(load(block), i8x16_splat(b'0' as i8));
        u32::from(i8x16_bitmask(u8x16_gt(digits, u8x16_splat(9))))
    }

    #[inline]
    pub(super) fn differ(one: &Block, other: &Block) -> u32 {
        u32::from(i8x16_bitmask(i8x16_ne(load(one), load(other))))
    }

    #[inline]
    pub(super) fn copy(from: &[u8; PAIR], to: &mut [u8; PAIR]) {
        let (from, to): (*const v128, *mut v128) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
        // SAFETY: both have room for two blocks; neither loads nor stores need alignment.
        unsafe {
            let (first, second) = (v128_load(from), v128_load(from.add(1)));
            v128_store(to, first);
            v128_store(to.add(1), second);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use super::{Block, Chunk, PAIR, blocks};
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_max_epu8, _mm_min_epu8, _mm_movemask_epi8,
        _mm_or_si128, _mm_set1_epi8, _mm_sub_epi8,
    };

    #[inline]
    fn load(block: &Block) -> __m128i {
        // SAFETY: an array of 16 bytes; the load needs no alignment; every x86-64 has SSE2.
        unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
    }

    #[inline]
    pub(super) fn stops(block: &Block) -> u32 {
        let block = load(block);
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            // Signed: bytes from 0x80 on are below 0x20 too.
            let other = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), other)) as u32
        }
    }

    #[inline]
    pub(super) fn marks(block: &Block) -> u32 {
        let block = load(block);
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            let control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control)) as u32
        }
    }

    #[inline]
    pub(super) fn is_ascii(chunk: &Chunk) -> bool {
        let [a, b, c, d] = blocks(chunk) else { return false };
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let halves = (_mm_or_si128(load(a), load(b)), _mm_or_si128(load(c), load(d)));
            _mm_movemask_epi8(_mm_or_si128(halves.0, halves.1)) == 0
        }
    }

    /// Signed: with 0 those that are not ASCII.
    #[inline]
    pub(super) fn below(block: &Block, limit: u8) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_movemask_epi8(_mm_cmplt_epi8(load(block), _mm_set1_epi8(limit as i8))) as u32 }
    }

    #[inline]
    pub(super) fn equal(block: &Block, byte: u8) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(load(block), _mm_set1_epi8(byte as i8))) as u32 }
    }

    #[inline]
    pub(super) fn others(block: &Block) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe {
            let digits = _mm_sub_epi8(load(block), _mm_set1_epi8(b'0' as i8));
            let small = _mm_cmpeq_epi8(_mm_max_epu8(digits, _mm_set1_epi8(9)), _mm_set1_epi8(9));
            _mm_movemask_epi8(small) as u32 ^ 0xffff
        }
    }

    #[inline]
    pub(super) fn differ(one: &Block, other: &Block) -> u32 {
        // SAFETY: every x86-64 has SSE2.
        unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(load(one), load(other))) as u32 ^ 0xffff }
    }

    #[inline]
    pub(super) fn copy(from: &[u8; PAIR], to: &mut [u8; PAIR]) {
        *to = *from;
    }
}

#[cfg(not(any(all(target_family = "wasm", target_feature = "simd128"), target_arch = "x86_64")))]
mod imp {
    use super::{Block, Chunk, PAIR};

    #[inline]
    fn mask(block: &Block, wanted: impl Fn(usize, u8) -> bool) -> u32 {
        let mut mask = 0;
        for (at, &byte) in block.iter().enumerate() {
            mask |= u32::from(wanted(at, byte)) << at;
        }
        mask
    }

    #[inline]
    pub(super) fn stops(block: &Block) -> u32 {
        mask(block, |_, byte| byte < 0x20 || byte > 0x7f || byte == b'"' || byte == b'\\')
    }

    #[inline]
    pub(super) fn marks(block: &Block) -> u32 {
        mask(block, |_, byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    }

    #[inline]
    pub(super) fn is_ascii(chunk: &Chunk) -> bool {
        chunk.is_ascii()
    }

    /// Signed: with 0 those that are not ASCII.
    #[inline]
    pub(super) fn below(block: &Block, limit: u8) -> u32 {
        mask(block, |_, byte| (byte as i8) < limit as i8)
    }

    #[inline]
    pub(super) fn equal(block: &Block, wanted: u8) -> u32 {
        mask(block, |_, byte| byte == wanted)
    }

    #[inline]
    pub(super) fn others(block: &Block) -> u32 {
        mask(block, |_, byte| !byte.is_ascii_digit())
    }

    #[inline]
    pub(super) fn differ(one: &Block, other: &Block) -> u32 {
        mask(one, |at, byte| byte != other[at])
    }

    #[inline]
    pub(super) fn copy(from: &[u8; PAIR], to: &mut [u8; PAIR]) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Kinds, PAIR, SIZE, differ_of_pair, kinds, others, stops, stops_of_chunk};

    #[test]
    fn every_byte_is_judged_alike_wherever_it_stands() {
        for byte in 0..=255u8 {
            for at in 0..SIZE {
                let mut block = [b'7'; SIZE];
                block[at] = byte;
                let is_plain = (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\';
                assert_eq!(stops(&block), u32::from(!is_plain) << at, "byte {byte} at {at}");
                assert_eq!(others(&block), u32::from(!byte.is_ascii_digit()) << at, "byte {byte} at {at}");
            }
            for at in 0..PAIR {
                let mut pair = [b'7'; PAIR];
                pair[at] = byte;
                assert_eq!(differ_of_pair(&pair, &[b'7'; PAIR]), u32::from(byte != b'7') << at, "byte {byte} at {at}");
            }
            for at in 0..CHUNK {
                let mut chunk = [b'7'; CHUNK];
                chunk[at] = byte;
                let bit = |is: bool| u64::from(is) << at;
                let stops = bit(byte < 0x20 || byte == b'"' || byte == b'\\');
                assert_eq!(stops_of_chunk(&chunk), (stops, byte < 0x80), "byte {byte} at {at}");
                let wanted = Kinds {
                    continued: bit((0x80..0xc0).contains(&byte)),
                    leads: bit(byte >= 0xc0),
                    leads_of_three: bit(byte >= 0xe0),
                    rare: bit(matches!(byte, 0xc0 | 0xc1 | 0xe0 | 0xed | 0xf0..)),
                };
                assert_eq!(kinds(&chunk), wanted, "byte {byte} at {at}");
            }
        }
    }
}
