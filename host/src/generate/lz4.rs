//! Wraps values in LZ4 frames, with one encoder for all of them: setting one up costs more than a small value does.

use std::fmt;
use std::io::Write;

use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};

/// An LZ4 frame encoder that is used again and again.
pub struct Lz4 {
    encoder: FrameEncoder<Vec<u8>>,
}

impl Lz4 {
    /// Makes an encoder of frames with independent blocks of 64 KiB and no checksums, as small messages have.
    pub fn new() -> Self {
        Self::with(FrameInfo::new().block_size(BlockSize::Max64KB))
    }

    /// Makes an encoder of frames with checksums of their blocks and their content.
    pub fn with_checksums() -> Self {
        Self::with(FrameInfo::new().block_size(BlockSize::Max64KB).block_checksums(true).content_checksum(true))
    }

    fn with(info: FrameInfo) -> Self {
        Self { encoder: FrameEncoder::with_frame_info(info, Vec::new()) }
    }

    /// Replaces a value by a frame that holds it.
    pub fn wrap(&mut self, value: &mut Vec<u8>) {
        self.encoder.get_mut().clear();
        self.encoder.write_all(value).expect("writing to memory does not fail");
        self.encoder.try_finish().expect("finishing a frame in memory does not fail");
        std::mem::swap(self.encoder.get_mut(), value);
    }
}

impl Default for Lz4 {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Lz4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lz4").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn every_frame_stands_alone() {
        for mut lz4 in [Lz4::new(), Lz4::with_checksums()] {
            for i in 0..100 {
                let plain = format!("value {i} ").repeat(i * i).into_bytes();
                let mut framed = plain.clone();
                lz4.wrap(&mut framed);
                assert!(framed.starts_with(&[4, 0x22, 0x4d, 0x18]));
                let mut back = Vec::new();
                lz4_flex::frame::FrameDecoder::new(framed.as_slice()).read_to_end(&mut back).unwrap();
                assert_eq!(back, plain);
            }
        }
    }
}
