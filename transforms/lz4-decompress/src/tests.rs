//! Frames of another encoder, frames made by hand, and frames that are damaged.

use crate::Decompress;
use edgemill_guest::testing::{Harness, Input};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use proptest::prelude::*;
use std::io::Write;
use twox_hash::XxHash32;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn run(config: &str, values: &[&[u8]]) -> Result<edgemill_guest::testing::Results> {
    Ok(Harness::configured::<Decompress>(config)?.run(values))
}

fn encode(info: FrameInfo, content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

/// A frame of these flags and blocks, each with its stored flag; the checksums that the flags promise are right.
fn frame(flags: u8, content: &[u8], blocks: &[(bool, &[u8])]) -> Vec<u8> {
    let mut descriptor = vec![0x40 | flags, 0x40];
    if flags & 0x08 != 0 {
        descriptor.extend((content.len() as u64).to_le_bytes());
    }
    let mut frame = 0x184d_2204u32.to_le_bytes().to_vec();
    frame.extend(&descriptor);
    frame.push((XxHash32::oneshot(0, &descriptor) >> 8) as u8);
    for (stored, block) in blocks {
        frame.extend((block.len() as u32 | u32::from(*stored) << 31).to_le_bytes());
        frame.extend(*block);
        if flags & 0x10 != 0 {
            frame.extend(XxHash32::oneshot(0, block).to_le_bytes());
        }
    }
    frame.extend([0; 4]);
    if flags & 0x04 != 0 {
        frame.extend(XxHash32::oneshot(0, content).to_le_bytes());
    }
    frame
}

#[test]
fn a_value_that_is_no_frame_passes_where_it_is_text() -> Result {
    let results = run("null", &[b"{}", b"", b"\x04\x22\x4d", "é".as_bytes(), b"\xff\xfe"])?;
    assert_eq!(results.texts(), ["{}", "", "\x04\"M", "é"]);
    assert_eq!(results.codes(), ["not-lz4"]);
    let tombstone = Harness::configured::<Decompress>("null")?.run([Input::default()]);
    assert_eq!(tombstone.outputs[0].value, None);
    Ok(())
}

#[test]
fn every_option_of_the_format_is_read() -> Result {
    let stored: &[(bool, &[u8])] = &[(true, b"hello "), (true, b"world")];
    for flags in 0..16u8 {
        // Independent blocks, block checksums, content size, content checksum.
        let flags = (flags & 8) << 2 | (flags & 4) << 2 | (flags & 2) << 2 | (flags & 1) << 2;
        let results = run("null", &[&frame(flags, b"hello world", stored)])?;
        assert_eq!((results.texts(), results.codes()), (vec!["hello world".into()], vec![]), "{flags:#x}");
    }
    let skippable = [&0x184d_2a53u32.to_le_bytes()[..], &3u32.to_le_bytes(), b"abc"].concat();
    let one = frame(0x20, b"hello world", stored);
    let joined = [&skippable[..], &one, &skippable, &one].concat();
    assert_eq!(run("null", &[&joined, &skippable])?.texts(), ["hello worldhello world", ""]);
    Ok(())
}

#[test]
fn a_linked_block_refers_to_the_one_before_and_an_independent_one_cannot() -> Result {
    // One literal, then a match of 4 bytes from 8 before it, then the 5 literals that end a block.
    let block = [&[0x10, b'x', 8, 0, 0x50][..], b"12345"].concat();
    let content = b"abcdefghxbcde12345";
    let blocks: &[(bool, &[u8])] = &[(true, b"abcdefgh"), (false, &block)];
    let linked = run("null", &[&frame(0, content, blocks)])?;
    assert_eq!(linked.texts(), ["abcdefghxbcde12345"]);
    assert_eq!(run("null", &[&frame(0x20, content, blocks)])?.codes(), ["damaged"]);
    Ok(())
}

#[test]
fn a_bomb_is_too_large_and_what_fits_exactly_is_not() -> Result {
    let content = vec![b'a'; 1 << 20];
    let small = encode(FrameInfo::new().block_size(BlockSize::Max64KB), &content)?;
    let sized = encode(FrameInfo::new().content_size(Some(1 << 20)), &content)?;
    let stored = frame(0x20, b"0123456789", &[(true, b"0123456789")]);
    assert!(small.len() < 10_000);
    for value in [&small, &sized, &[&small[..], &stored].concat()] {
        assert_eq!(run(r#"{"max_bytes":1048575}"#, &[value])?.codes(), ["too-large"]);
    }
    assert_eq!(run(r#"{"max_bytes":1048576}"#, &[&small, &sized])?.outputs[1].value, Some(content));
    assert_eq!(run(r#"{"max_bytes":9}"#, &[&stored])?.codes(), ["too-large"]);
    assert_eq!(run(r#"{"max_bytes":10}"#, &[&stored])?.texts(), ["0123456789"]);
    Ok(())
}

#[test]
fn what_is_not_supported_says_so() -> Result {
    let legacy = [&0x184c_2102u32.to_le_bytes()[..], &[0; 8]].concat();
    let mut dictionary = frame(0x20, b"", &[]);
    dictionary[4] |= 1;
    let mut version = frame(0x20, b"", &[]);
    version[4] ^= 0xc0;
    assert_eq!(run("null", &[&legacy, &dictionary, &version])?.codes(), ["unsupported"; 3]);
    Ok(())
}

#[test]
fn damage_is_refused_and_says_where() -> Result {
    let good = frame(0x3c, b"hello world", &[(true, b"hello world")]);
    assert_eq!(run("null", &[&good])?.texts(), ["hello world"]);
    for cut in 4..good.len() {
        assert_eq!(run("null", &[&good[..cut]])?.codes(), ["damaged"], "cut to {cut}");
    }
    for at in 4..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(run("null", &[&bad])?.outputs, [], "byte {at}");
    }
    let trailing = [&good[..], b"!"].concat();
    let results = run("null", &[&trailing, &good])?;
    assert_eq!(results.rejects[0].message, "something that is no lz4 frame follows the frame");
    assert_eq!(results.texts(), ["hello world"]);
    Ok(())
}

/// Content with repetition of every distance.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = (prop::collection::vec(any::<u8>(), 1..40), 1..400usize);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| {
        let mut content = Vec::new();
        for (bytes, times) in pieces {
            content.extend(bytes.iter().cycle().take(bytes.len() * times));
        }
        content
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_another_encoder_writes_is_read(
        content in content(), linked: bool, checksums: bool, sized: bool, large: bool,
    ) {
        let info = FrameInfo::new()
            .block_mode(if linked { BlockMode::Linked } else { BlockMode::Independent })
            .block_size(if large { BlockSize::Max4MB } else { BlockSize::Max64KB })
            .block_checksums(checksums)
            .content_checksum(checksums)
            .content_size(sized.then_some(content.len() as u64));
        let frame = encode(info, &content).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let results = run("null", &[&frame, b"text", &frame]).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(results.codes(), Vec::<&str>::new());
        prop_assert_eq!(results.outputs[0].value.as_deref(), Some(&content[..]));
        prop_assert_eq!(results.outputs[2].value.as_deref(), Some(&content[..]));
    }

    #[test]
    fn a_damaged_block_is_judged_as_by_the_library(content in content(), at: prop::sample::Index, byte: u8) {
        let mut block = lz4_flex::block::compress(&content);
        let at = at.index(block.len());
        block[at] = byte;
        let ours = run("null", &[&frame(0x20, b"", &[(false, &block)])]);
        let ours = ours.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let theirs = lz4_flex::block::decompress(&block, 1 << 16);
        if let (Some(output), Ok(theirs)) = (ours.outputs.first(), &theirs) {
            prop_assert_eq!(output.value.as_ref(), Some(theirs));
        }
    }

    #[test]
    fn noise_is_no_crash(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let framed = frame(0, b"", &[(false, &noise)]);
        let raw = [&framed[..7], &noise].concat();
        let results = run(r#"{"max_bytes":100000}"#, &[&framed, &raw, &noise]);
        prop_assert!(results.is_ok());
    }
}
