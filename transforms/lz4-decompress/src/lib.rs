//! Replaces a value that is an LZ4 frame by its content. The README has the rules.

mod block;
mod frame;

use edgemill_guest::{Outputs, Record, Reject, Result, Transform, export};
use serde::Deserialize;

/// The module's configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The most bytes that a value may become.
    #[serde(default = "max_bytes")]
    max_bytes: u32,
}

fn max_bytes() -> u32 {
    16 << 20
}

/// The transform.
pub struct Decompress {
    max_bytes: usize,
}

impl Transform for Decompress {
    type Config = Config;

    fn configure(config: Config) -> Result<Decompress, String> {
        if config.max_bytes > 1 << 30 {
            return Err(format!("max_bytes is {}, more than 1 GiB", config.max_bytes));
        }
        Ok(Decompress { max_bytes: config.max_bytes as usize })
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(value) = record.value() else {
            out.keep();
            return Ok(());
        };
        if frame::is_frame(value) {
            frame::decode(value, self.max_bytes, &mut out.value())?;
            return Ok(());
        }
        if std::str::from_utf8(value).is_err() {
            return Err(Reject::new("not-lz4", "the value is neither an lz4 frame nor utf-8 text"));
        }
        out.keep();
        Ok(())
    }
}

export!(Decompress);

#[cfg(test)]
mod tests;
