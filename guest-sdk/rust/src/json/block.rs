//! Sixteen bytes at once: where a string's plain bytes end. The only unsafe code of the scanner is a load.

/// A bit for each byte that is a quote, a backslash, a control character or not ASCII.
#[inline]
pub(super) fn stops(bytes: &[u8; 16]) -> u32 {
    imp::stops(bytes)
}

#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
mod imp {
    use std::arch::wasm32::{i8x16_bitmask, i8x16_eq, i8x16_lt, i8x16_splat, v128_load, v128_or};

    #[inline]
    pub(super) fn stops(bytes: &[u8; 16]) -> u32 {
        // SAFETY: an array of 16 bytes; the load needs no alignment.
        let block = unsafe { v128_load(bytes.as_ptr().cast()) };
        let quote = i8x16_eq(block, i8x16_splat(b'"' as i8));
        let backslash = i8x16_eq(block, i8x16_splat(b'\\' as i8));
        // Signed: bytes from 0x80 on are below 0x20 too.
        let other = i8x16_lt(block, i8x16_splat(0x20));
        u32::from(i8x16_bitmask(v128_or(v128_or(quote, backslash), other)))
    }
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };

    #[inline]
    pub(super) fn stops(bytes: &[u8; 16]) -> u32 {
        // SAFETY: the load is of an array of 16 bytes and needs no alignment; every x86-64 has SSE2.
        unsafe {
            let block = _mm_loadu_si128(bytes.as_ptr().cast());
            let quote = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'"' as i8));
            let backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8(b'\\' as i8));
            let other = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
            _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), other)) as u32
        }
    }
}

#[cfg(not(any(all(target_family = "wasm", target_feature = "simd128"), target_arch = "x86_64")))]
mod imp {
    #[inline]
    pub(super) fn stops(bytes: &[u8; 16]) -> u32 {
        let mut mask = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            mask |= u32::from(!super::plain(byte)) << at;
        }
        mask
    }
}

/// Whether a byte stands for itself within a string.
#[inline]
pub(super) fn plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::{plain, stops};

    #[test]
    fn every_byte_stops_where_it_is_not_plain() {
        for byte in 0..=255u8 {
            for at in 0..16 {
                let mut block = [b'a'; 16];
                block[at] = byte;
                assert_eq!(stops(&block), u32::from(!plain(byte)) << at, "byte {byte} at {at}");
            }
        }
    }
}
