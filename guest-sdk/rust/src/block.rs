//! Sixteen bytes at once, as SIMD where there is any: all unsafe code of the hot paths.

/// Bytes of a block.
pub(crate) const SIZE: usize = 16;

/// A block.
pub(crate) type Block = [u8; SIZE];

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

/// A bit for each byte that differs.
#[inline]
pub(crate) fn differ(one: &Block, other: &Block) -> u32 {
    imp::differ(one, other)
}

/// Copies two blocks.
#[inline]
pub(crate) fn copy(from: &[u8; 2 * SIZE], to: &mut [u8; 2 * SIZE]) {
    imp::copy(from, to);
}

#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
mod imp {
    use super::{Block, SIZE};
    use std::arch::wasm32::{
        i8x16_bitmask, i8x16_eq, i8x16_lt, i8x16_ne, i8x16_splat, i8x16_sub, u8x16_gt, u8x16_splat, v128, v128_load,
        v128_or, v128_store,
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
    pub(super) fn others(block: &Block) -> u32 {
        let digits = i8x16_sub(load(block), i8x16_splat(b'0' as i8));
        u32::from(i8x16_bitmask(u8x16_gt(digits, u8x16_splat(9))))
    }

    #[inline]
    pub(super) fn differ(one: &Block, other: &Block) -> u32 {
        u32::from(i8x16_bitmask(i8x16_ne(load(one), load(other))))
    }

    #[inline]
    pub(super) fn copy(from: &[u8; 2 * SIZE], to: &mut [u8; 2 * SIZE]) {
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
    use super::{Block, SIZE};
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_max_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm_sub_epi8,
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
    pub(super) fn copy(from: &[u8; 2 * SIZE], to: &mut [u8; 2 * SIZE]) {
        *to = *from;
    }
}

#[cfg(not(any(all(target_family = "wasm", target_feature = "simd128"), target_arch = "x86_64")))]
mod imp {
    use super::{Block, SIZE};

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
    pub(super) fn others(block: &Block) -> u32 {
        mask(block, |_, byte| !byte.is_ascii_digit())
    }

    #[inline]
    pub(super) fn differ(one: &Block, other: &Block) -> u32 {
        mask(one, |at, byte| byte != other[at])
    }

    #[inline]
    pub(super) fn copy(from: &[u8; 2 * SIZE], to: &mut [u8; 2 * SIZE]) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZE, differ, others, stops};

    #[test]
    fn every_byte_is_judged_alike_wherever_it_stands() {
        for byte in 0..=255u8 {
            for at in 0..SIZE {
                let mut block = [b'7'; SIZE];
                block[at] = byte;
                let is_plain = (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\';
                assert_eq!(stops(&block), u32::from(!is_plain) << at, "byte {byte} at {at}");
                assert_eq!(others(&block), u32::from(!byte.is_ascii_digit()) << at, "byte {byte} at {at}");
                assert_eq!(differ(&block, &[b'7'; SIZE]), u32::from(byte != b'7') << at, "byte {byte} at {at}");
            }
        }
    }
}
