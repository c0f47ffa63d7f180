//! A JSON scanner for hot transforms: no tree, no allocation, everything borrowed from the input.
//!
//! It accepts exactly RFC 8259 with three decisions: text is valid UTF-8 without a byte order mark; an escaped
//! surrogate without its other half is an error, because it is no text; and values nest at most [`MAX_DEPTH`] deep.
//! Names may repeat: it is for the caller to say which one counts.
//!
//! ```
//! use edgemill_guest::json::{Error, Scanner};
//!
//! fn price(text: &[u8]) -> Result<Option<&[u8]>, Error> {
//!     let mut scanner = Scanner::new(text);
//!     let mut price = None;
//!     scanner.begin_object()?;
//!     while let Some(name) = scanner.next_name()? {
//!         match name.raw() {
//!             b"price" => price = Some(scanner.number()?),
//!             _ => drop(scanner.skip()?),
//!         }
//!     }
//!     scanner.end()?;
//!     Ok(price)
//! }
//! assert_eq!(price(br#"{"id":["a"],"price":12.50}"#), Ok(Some(&b"12.50"[..])));
//! ```

mod index;
mod paths;
mod scan;
mod shapes;
mod text;

pub use paths::{Paths, Place};
pub use scan::plain_number;
pub use text::Text;

use crate::reject::Reject;
use std::fmt;
use std::ops::Range;

/// How deep values may nest, as in serde_json.
pub const MAX_DEPTH: u32 = 127;

/// Where and why a text is not the JSON that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was wanted or found.
    pub what: &'static str,
    /// Index of the byte.
    pub at: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Reject {
    /// A reject with the code `not-json`.
    #[cold]
    fn from(error: Error) -> Reject {
        Reject::new("not-json", error.to_string())
    }
}

/// Reads a text from its beginning to its end, checking all of it on the way.
pub struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
    depth: u32,
    /// An object or array has just begun, so that its first item has no comma before it.
    fresh: bool,
}

impl<'a> Scanner<'a> {
    /// Begins at the first byte.
    #[inline]
    pub fn new(input: &'a [u8]) -> Scanner<'a> {
        Scanner { input, at: 0, depth: 0, fresh: false }
    }

    /// Index of the next byte.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// In how many objects and arrays the next byte stands.
    #[inline]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Says what is wrong at the next byte.
    #[cold]
    #[inline(never)]
    pub fn fail<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error { what, at: self.at })
    }

    /// The byte at the position; 0, which is nowhere valid, at the end.
    #[inline]
    fn byte(&self) -> u8 {
        self.input.get(self.at).copied().unwrap_or(0)
    }

    /// Moves to the next byte that is no white space, and returns it; 0 at the end.
    #[inline]
    pub fn peek(&mut self) -> u8 {
        loop {
            let byte = self.byte();
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
    }

    #[inline]
    fn descend(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.fail("the values nest too deep") } else { Ok(()) }
    }

    /// Enters an object.
    ///
    /// # Errors
    ///
    /// Where the next value is no object.
    #[inline]
    pub fn begin_object(&mut self) -> Result<(), Error> {
        if self.peek() != b'{' {
            return self.fail("expected an object");
        }
        self.descend()?;
        self.at += 1;
        self.fresh = true;
        Ok(())
    }

    /// The next name of the object, behind which its value must be read or skipped; `None` at the object's end.
    ///
    /// # Errors
    ///
    /// Where this is no JSON.
    #[inline]
    pub fn next_name(&mut self) -> Result<Option<Text<'a>>, Error> {
        if !self.next(b'}', "expected `,` or `}`")? {
            return Ok(None);
        }
        if self.peek() != b'"' {
            return self.fail("expected a name in quotes");
        }
        let name = self.text()?;
        if self.peek() != b':' {
            return self.fail("expected `:`");
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Enters an array.
    ///
    /// # Errors
    ///
    /// Where the next value is no array.
    #[inline]
    pub fn begin_array(&mut self) -> Result<(), Error> {
        if self.peek() != b'[' {
            return self.fail("expected an array");
        }
        self.descend()?;
        self.at += 1;
        self.fresh = true;
        Ok(())
    }

    /// Whether the array has another value, which must then be read or skipped.
    ///
    /// # Errors
    ///
    /// Where this is no JSON.
    #[inline]
    pub fn next_element(&mut self) -> Result<bool, Error> {
        self.next(b']', "expected `,` or `]`")
    }

    /// Passes the comma before the next item, or the closing byte.
    #[inline]
    fn next(&mut self, close: u8, what: &'static str) -> Result<bool, Error> {
        let byte = self.peek();
        let fresh = std::mem::replace(&mut self.fresh, false);
        if byte == close {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !fresh {
            if byte != b',' {
                return self.fail(what);
            }
            self.at += 1;
        }
        Ok(true)
    }

    /// Reads a string.
    ///
    /// # Errors
    ///
    /// Where the next value is no string.
    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>, Error> {
        if self.peek() != b'"' {
            return self.fail("expected a string");
        }
        self.text()
    }

    /// Reads the string that begins here.
    #[inline]
    fn text(&mut self) -> Result<Text<'a>, Error> {
        let start = self.at + 1;
        let (end, escaped) = scan::string(self.input, start)?;
        self.at = end + 1;
        Ok(Text::new(&self.input[start..end], escaped))
    }

    /// Reads a number and returns its text: numbers are never converted here.
    ///
    /// # Errors
    ///
    /// Where the next value is no number.
    #[inline]
    pub fn number(&mut self) -> Result<&'a [u8], Error> {
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return self.fail("expected a number");
        }
        let start = self.at;
        self.at = scan::number(self.input, start)?;
        Ok(&self.input[start..self.at])
    }

    #[inline]
    fn word(&mut self, word: &'static [u8]) -> Result<(), Error> {
        if !self.input[self.at..].starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(())
    }

    /// Checks the next value, whatever it is, and returns where its text is.
    ///
    /// # Errors
    ///
    /// Where this is no JSON.
    #[inline]
    pub fn skip(&mut self) -> Result<Range<usize>, Error> {
        let first = self.peek();
        let start = self.at;
        match first {
            b'"' => drop(self.text()?),
            b'-' | b'0'..=b'9' => self.at = scan::number(self.input, start)?,
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            b'{' | b'[' => self.skip_nested()?,
            0 if self.at == self.input.len() => return self.fail("expected a value, not the end"),
            _ => return self.fail("expected a value"),
        }
        Ok(start..self.at)
    }

    #[inline(never)]
    fn skip_nested(&mut self) -> Result<(), Error> {
        if self.byte() == b'{' {
            self.begin_object()?;
            while self.next_name()?.is_some() {
                self.skip()?;
            }
            return Ok(());
        }
        self.begin_array()?;
        while self.next_element()? {
            self.skip()?;
        }
        Ok(())
    }

    /// Checks that nothing but white space is left.
    ///
    /// # Errors
    ///
    /// Where something is.
    #[inline]
    pub fn end(&mut self) -> Result<(), Error> {
        self.peek();
        if self.at != self.input.len() { self.fail("expected the end") } else { Ok(()) }
    }
}

/// Checks a whole text.
///
/// # Errors
///
/// Where it is no JSON.
pub fn check(text: &[u8]) -> Result<(), Error> {
    let mut scanner = Scanner::new(text);
    scanner.skip()?;
    scanner.end()
}

#[cfg(test)]
mod tests;
