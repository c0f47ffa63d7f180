//! LZ4 frames natively: one block at a time where the frame is plain, the crate's own reader where it is not. The reader
//! sets up a state of its own for each message, which costs ten times a flight's decompression.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

/// The most a value may decompress to.
const MAX: usize = 64 << 20;

/// Decompresses a frame into the buffer, which only grows, so that it is not cleared for each message.
pub(crate) fn decompress<'a>(frame: &[u8], out: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    if let Some((blocks, block_size)) = header(frame)? {
        let len = plain(blocks, block_size, out)?;
        return Ok(&out[..len]);
    }
    out.clear();
    let mut reader = lz4_flex::frame::FrameDecoder::new(frame).take(MAX as u64);
    reader.read_to_end(out).context("decompressing a frame")?;
    Ok(out)
}

/// Gives the blocks of a frame and how large one is at most, where its blocks stand alone and it has neither checksums nor a
/// dictionary.
fn header(frame: &[u8]) -> Result<Option<(&[u8], usize)>> {
    let [0x04, 0x22, 0x4d, 0x18, flags, sizes, rest @ ..] = frame else {
        bail!("a value that is no LZ4 frame");
    };
    // Version 01, independent blocks; the flag of a content size only makes the header longer.
    if flags & !0b1000 != 0b0110_0000 {
        return Ok(None);
    }
    let header = 1 + if flags & 0b1000 != 0 { 8 } else { 0 };
    let block_size = match sizes >> 4 {
        size @ 4..=7 => 1 << (2 * size + 8),
        _ => bail!("an LZ4 frame with a block size that does not exist"),
    };
    let blocks = rest.get(header..).context("an LZ4 frame that ends in its header")?;
    Ok(Some((blocks, block_size)))
}

/// Decompresses blocks up to the end mark and gives the content's length.
fn plain(mut blocks: &[u8], block_size: usize, out: &mut Vec<u8>) -> Result<usize> {
    let mut used = 0;
    loop {
        let (word, rest) = blocks.split_first_chunk().context("an LZ4 frame without an end")?;
        let word = u32::from_le_bytes(*word);
        if word == 0 {
            // What follows would be another frame; the data has one a message.
            ensure!(rest.is_empty(), "an LZ4 frame with something behind it");
            return Ok(used);
        }
        let (block, rest) =
            rest.split_at_checked((word & 0x7fff_ffff) as usize).context("an LZ4 frame that ends in a block")?;
        // A block of n bytes cannot hold more than 255 n.
        let room = block_size.min(block.len().saturating_mul(255));
        ensure!(used + room <= MAX, "an LZ4 frame of more than {MAX} bytes");
        if out.len() < used + room {
            out.resize(used + room, 0);
        }
        if word >> 31 == 1 {
            ensure!(block.len() <= block_size, "an LZ4 block that is too large");
            out[used..used + block.len()].copy_from_slice(block);
            used += block.len();
        } else {
            used += lz4_flex::block::decompress_into(block, &mut out[used..used + room]).context("a damaged block")?;
        }
        blocks = rest;
    }
}

#[cfg(test)]
mod tests {
    use edgemill::generate::{Flights, Generate, Lz4};

    use super::*;

    #[test]
    fn every_frame_gives_its_content_back() {
        let flights = Flights::new(1);
        let (mut key, mut value, mut out) = (Vec::new(), Vec::new(), Vec::new());
        for mut lz4 in [Lz4::new(), Lz4::with_checksums()] {
            for i in 0..1000 {
                flights.record(i, &mut key, &mut value);
                let mut framed = value.clone();
                lz4.wrap(&mut framed);
                assert_eq!(decompress(&framed, &mut out).unwrap(), value);
            }
        }
    }

    #[test]
    fn a_frame_that_was_cut_is_an_error() {
        let (mut framed, mut out) = (b"something to say, and to say again, and again".to_vec(), Vec::new());
        Lz4::new().wrap(&mut framed);
        for end in 0..framed.len() {
            assert!(decompress(&framed[..end], &mut out).is_err(), "cut after {end} bytes");
        }
    }

    #[test]
    fn large_values_have_many_blocks() {
        let (mut lz4, mut out) = (Lz4::new(), Vec::new());
        for len in [0, 1, 65_536, 65_537, 1_000_000] {
            let value: Vec<u8> = (0..len).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8 & 15).collect();
            let mut framed = value.clone();
            lz4.wrap(&mut framed);
            assert_eq!(decompress(&framed, &mut out).unwrap(), value);
        }
    }
}
