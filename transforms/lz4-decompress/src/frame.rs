//! Reads LZ4 frames: all options of the format but dictionaries and the legacy form.
//!
//! The format is <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

use crate::block;
use edgemill_guest::{Buffer, Reject};
use twox_hash::XxHash32;

const FRAME: u32 = 0x184d_2204;
const LEGACY: u32 = 0x184c_2102;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

const LINKED: u8 = 0x20;
const BLOCK_CHECKSUM: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const CONTENT_CHECKSUM: u8 = 0x04;
const DICTIONARY: u8 = 0x01;

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It ends early.
    Truncated,
    /// Something that is no frame stands behind one.
    Trailing,
    /// Its header is not one.
    Header,
    /// A block is no LZ4 block.
    Block,
    /// A block, or the content, is larger than the header says.
    Size,
    /// A checksum does not fit.
    Checksum,
    /// It needs a dictionary.
    Dictionary,
    /// It has the form from before frames.
    Legacy,
    /// It has a version that came later.
    Version,
    /// Its content is larger than the configuration allows.
    TooLarge,
}

impl From<Damage> for Reject {
    fn from(damage: Damage) -> Reject {
        let (code, message) = match damage {
            Damage::Truncated => ("damaged", "the lz4 frame ends early"),
            Damage::Trailing => ("damaged", "something that is no lz4 frame follows the frame"),
            Damage::Header => ("damaged", "the header of the lz4 frame is damaged"),
            Damage::Block => ("damaged", "a block of the lz4 frame is damaged"),
            Damage::Size => ("damaged", "the content of the lz4 frame has not the size that its header says"),
            Damage::Checksum => ("damaged", "a checksum of the lz4 frame does not fit"),
            Damage::Dictionary => ("unsupported", "the lz4 frame needs a dictionary"),
            Damage::Legacy => ("unsupported", "the value is a legacy lz4 frame"),
            Damage::Version => ("unsupported", "the lz4 frame has an unknown version"),
            Damage::TooLarge => ("too-large", "the content of the lz4 frame is larger than max_bytes"),
        };
        Reject::new(code, message)
    }
}

/// Whether the value begins as a frame of any kind does.
pub(crate) fn is_frame(value: &[u8]) -> bool {
    let magic = value.first_chunk().map(|magic| u32::from_le_bytes(*magic));
    magic.is_some_and(|magic| magic == FRAME || magic == LEGACY || SKIPPABLE.contains(&magic))
}

/// Appends the content of all frames of the value, `max_bytes` at most.
pub(crate) fn decode(value: &[u8], max_bytes: usize, out: &mut Buffer) -> Result<(), Damage> {
    let mut input = Input { left: value };
    while !input.left.is_empty() {
        match input.u32().map_err(|_| Damage::Trailing)? {
            FRAME => frame(&mut input, max_bytes, out)?,
            LEGACY => return Err(Damage::Legacy),
            magic if SKIPPABLE.contains(&magic) => {
                let size = input.u32()?;
                input.take(size as usize)?;
            }
            _ => return Err(Damage::Trailing),
        }
    }
    Ok(())
}

fn frame(input: &mut Input<'_>, max_bytes: usize, out: &mut Buffer) -> Result<(), Damage> {
    let header = Header::read(input)?;
    let start = out.len();
    if header.content_size.is_some_and(|size| size > (max_bytes - start) as u64) {
        return Err(Damage::TooLarge);
    }
    loop {
        let size = input.u32()?;
        if size == 0 {
            break;
        }
        let data = input.take((size & 0x7fff_ffff) as usize)?;
        if header.has(BLOCK_CHECKSUM) && input.u32()? != XxHash32::oneshot(0, data) {
            return Err(Damage::Checksum);
        }
        let most = header.block_size.min(max_bytes - out.len());
        let appended = if size & 0x8000_0000 != 0 {
            stored(data, most, out)
        } else {
            let low = if header.has(LINKED) { out.len() } else { start };
            compressed(data, most, low, out)
        };
        if let Err(damage) = appended {
            let bounded = damage == Damage::Size && most < header.block_size;
            return Err(if bounded { Damage::TooLarge } else { damage });
        }
    }
    let content = &out.written()[start..];
    if header.content_size.is_some_and(|size| size != content.len() as u64) {
        return Err(Damage::Size);
    }
    if header.has(CONTENT_CHECKSUM) && input.u32()? != XxHash32::oneshot(0, content) {
        return Err(Damage::Checksum);
    }
    Ok(())
}

fn stored(data: &[u8], most: usize, out: &mut Buffer) -> Result<(), Damage> {
    if data.len() > most {
        return Err(Damage::Size);
    }
    out.extend(data);
    Ok(())
}

fn compressed(data: &[u8], most: usize, low: usize, out: &mut Buffer) -> Result<(), Damage> {
    let at = out.len();
    // A byte of a block stands for 255 of content at most.
    let room = most.min(data.len().saturating_mul(255));
    let end = block::decode(data, out.with_spare_mut(room), at, low, at + room)?;
    out.advance(end - at);
    Ok(())
}

/// What a frame says about itself.
struct Header {
    flags: u8,
    block_size: usize,
    content_size: Option<u64>,
}

impl Header {
    fn read(input: &mut Input<'_>) -> Result<Header, Damage> {
        let whole = input.left;
        let [flags, block] = *input.take(2)? else { return Err(Damage::Truncated) };
        if flags >> 6 != 1 {
            return Err(Damage::Version);
        }
        let block_size = match block {
            0x40 => 64 << 10,
            0x50 => 256 << 10,
            0x60 => 1 << 20,
            0x70 => 4 << 20,
            _ => return Err(Damage::Header),
        };
        if flags & 0x02 != 0 {
            return Err(Damage::Header);
        }
        let content_size = if flags & CONTENT_SIZE != 0 { Some(input.u64()?) } else { None };
        if flags & DICTIONARY != 0 {
            return Err(Damage::Dictionary);
        }
        let descriptor = &whole[..whole.len() - input.left.len()];
        let [check] = *input.take(1)? else { return Err(Damage::Truncated) };
        if check != (XxHash32::oneshot(0, descriptor) >> 8) as u8 {
            return Err(Damage::Checksum);
        }
        Ok(Header { flags, block_size, content_size })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The bytes that are left.
struct Input<'a> {
    left: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(Damage::Truncated)?;
        self.left = left;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Damage> {
        let (number, left) = self.left.split_first_chunk().ok_or(Damage::Truncated)?;
        self.left = left;
        Ok(u32::from_le_bytes(*number))
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        let (number, left) = self.left.split_first_chunk().ok_or(Damage::Truncated)?;
        self.left = left;
        Ok(u64::from_le_bytes(*number))
    }
}
