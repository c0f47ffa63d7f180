//! What is done to each value.

use anyhow::Result;
use edgemill_guest::Buffer;

use super::{Code, Job, flatten, lz4};

/// A job with its buffers.
pub(crate) struct Step {
    job: Job,
    code: Code,
    plain: Vec<u8>,
    scanner: flatten::Scanner,
    flat: Buffer,
    serde: Vec<u8>,
}

impl Step {
    pub(crate) fn new(job: Job, code: Code) -> Self {
        Self {
            job,
            code,
            plain: Vec::new(),
            scanner: flatten::Scanner::new(),
            flat: Buffer::default(),
            serde: Vec::new(),
        }
    }

    /// Makes the output's value. A damaged record ends the loop: there are none.
    #[inline]
    pub(crate) fn apply<'a>(&'a mut self, value: &'a [u8]) -> Result<&'a [u8]> {
        let plain = match self.job {
            Job::Identity => return Ok(value),
            Job::Flatten => value,
            Job::Lz4Flatten => lz4::decompress(value, &mut self.plain)?,
        };
        match self.code {
            Code::Scanner => {
                self.flat.truncate(0);
                self.scanner.flatten(plain, &mut self.flat)?;
                Ok(self.flat.written())
            }
            Code::Serde => {
                self.serde.clear();
                flatten::serde(plain, &mut self.serde)?;
                Ok(&self.serde)
            }
        }
    }
}
