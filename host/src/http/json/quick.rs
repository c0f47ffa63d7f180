//! Whether text is JSON, told in a single pass for what rows look like: every row of an HTTP sink is checked, and with
//! serde_json the check took a fifth of a worker's time. What this does not know to be JSON is serde_json's to judge, and
//! to explain.

/// Deeper than this, serde_json is asked.
const DEEP: u32 = 64;

/// True only where the UTF-8 text is one JSON value (RFC 8259) with nothing but spaces around it.
pub(super) fn is_json(text: &[u8]) -> bool {
    Scanner { text, at: 0 }.document().is_some()
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    /// `None` wherever it is not known to be JSON.
    fn document(&mut self) -> Option<()> {
        // the containers around the place, the innermost in the lowest bit: 1 for an object
        let (mut objects, mut depth) = (0u64, 0);
        'value: loop {
            let first = self.next()?;
            match first {
                b'{' | b'[' => {
                    let closes = first + 2;
                    if self.peek()? != closes {
                        depth += 1;
                        objects = objects << 1 | u64::from(first == b'{');
                        if depth > DEEP {
                            return None;
                        }
                        if first == b'{' {
                            self.name()?;
                        }
                        continue 'value;
                    }
                    self.at += 1;
                }
                b'"' => self.string()?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' => {
                    let digit = *self.text.get(self.at)?;
                    self.at += 1;
                    self.number(digit)?;
                }
                _ => self.number(first)?,
            }
            // behind a value
            loop {
                if depth == 0 {
                    self.spaces();
                    return (self.at == self.text.len()).then_some(());
                }
                let object = objects & 1 == 1;
                match (self.next()?, object) {
                    (b',', true) => {
                        self.name()?;
                        continue 'value;
                    }
                    (b',', false) => continue 'value,
                    (b'}', true) | (b']', false) => (objects, depth) = (objects >> 1, depth - 1),
                    _ => return None,
                }
            }
        }
    }

    #[cold]
    fn spaces(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is no space, which stays. Most rows have no spaces between their parts.
    #[inline(always)]
    fn peek(&mut self) -> Option<u8> {
        let next = *self.text.get(self.at)?;
        if next > b' ' {
            return Some(next);
        }
        self.spaces();
        self.text.get(self.at).copied()
    }

    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let there = self.text.get(self.at..self.at + rest.len())? == rest;
        self.at += rest.len();
        there.then_some(())
    }

    /// An object's name and its colon.
    #[inline(always)]
    fn name(&mut self) -> Option<()> {
        (self.next()? == b'"').then_some(())?;
        self.string()?;
        (self.next()? == b':').then_some(())
    }

    /// A string behind its first quote.
    #[inline(always)]
    fn string(&mut self) -> Option<()> {
        loop {
            while let Some(eight) = self.text.get(self.at..).and_then(|rest| rest.first_chunk()) {
                match first_special(u64::from_le_bytes(*eight)) {
                    8 => self.at += 8,
                    plain => {
                        self.at += plain;
                        break;
                    }
                }
            }
            // a special byte, or one of the last seven
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let kind = *self.text.get(self.at)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                self.at += 4;
                // of halves of a pair, serde_json knows whether the other one is there
                let is_half = matches!(digits, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
                (!is_half && digits.iter().all(u8::is_ascii_hexdigit)).then_some(())
            }
            _ => None,
        }
    }

    /// A number behind its sign and its first digit.
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            let start = self.at;
            self.some_digits()?;
            // whether so large a number is one, serde_json knows
            return (self.at - start < 3).then_some(());
        }
        Some(())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Option<()> {
        let start = self.at;
        self.digits();
        (self.at > start).then_some(())
    }
}

/// How many of eight bytes come before the first that is a quote, a backslash or a control character; 8 where none is.
fn first_special(eight: u64) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // the lowest byte that is below `less` has its high bit set, and none before it
    let below = |bytes: u64, less: u64| bytes.wrapping_sub(ONES * less) & !bytes & HIGH;
    let is = |byte: u8| below(eight ^ (ONES * u64::from(byte)), 1);
    let special = below(eight, 0x20) | is(b'"') | is(b'\\');
    (special.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::is_json;
    use proptest::prelude::*;
    use serde_json::Value;

    fn truly(text: &str) -> bool {
        serde_json::from_str::<Value>(text).is_ok()
    }

    #[test]
    fn what_rows_look_like_is_known_at_once() {
        let rows = [
            r#"{"a":"b","n":-1.5e+7,"t":[true,false,null,0,{"x":{}},[]],"long":"more than eight bytes \" \\ \u00e9 é"}"#,
            " { } ",
            "[]",
            "\"\"",
            "-0",
            "10E-2",
            "\t[1 , 2]\r\n",
            "{\"a\" : {\"b\" : []} , \"c\" : 1}",
        ];
        assert!(rows.iter().all(|row| is_json(row.as_bytes()) && truly(row)));
        assert!(is_json(("[".repeat(65) + &"]".repeat(65)).as_bytes()));
        assert!(!is_json(("[".repeat(66) + &"]".repeat(66)).as_bytes()), "that deep, serde_json is asked");
    }

    #[test]
    fn what_is_cut_or_goes_on_is_none() {
        let whole = r#"{"a":"b\n","n":-1.5e+7,"t":[true,false,null,{}],"u":"\u00e9"}"#;
        for end in 0..whole.len() {
            assert!(!is_json(&whole.as_bytes()[..end]), "{end}");
        }
        for more in ["x", "}", ",", "{}", "\0"] {
            assert!(!is_json(format!("{whole}{more}").as_bytes()), "{more}");
        }
        for bad in
            ["01", "1.", "-", ".5", "1e", "+1", "{,}", "[1,]", "{\"a\"}", "{\"a\":1,}", "[}", "{]", "\"\t\"", "nul"]
        {
            assert!(!is_json(bad.as_bytes()) && !truly(bad), "{bad}");
        }
    }

    /// Text of JSON's own characters, which is JSON now and then.
    fn nearly() -> impl Strategy<Value = String> {
        let parts =
            ["{", "}", "[", "]", ",", ":", "\"", "\\", "a", "é", "0", "1", "-", ".", "e", "+", "true", "null", " "];
        let more = ["\"a\"", "\"a\":", "\\u00e9", "\u{1}", "\n", "[1,2]", "{\"k\":\"v\"}"];
        let all: Vec<&str> = parts.into_iter().chain(more).collect();
        proptest::collection::vec(proptest::sample::select(all), 0..12).prop_map(|parts| parts.concat())
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::hash_map(".{0,12}", inner, 0..6)
                    .prop_map(|pairs| Value::from(serde_json::Map::from_iter(pairs))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn nothing_passes_that_is_not_json(text in nearly()) {
            prop_assert!(!is_json(text.as_bytes()) || truly(&text), "{text}");
        }

        #[test]
        fn a_row_with_a_byte_changed_passes_only_as_json(row in any_json(), at in any::<prop::sample::Index>(), byte in 0u8..128) {
            let mut text = row.to_string().into_bytes();
            prop_assert!(is_json(&text));
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(text) = String::from_utf8(text) {
                prop_assert!(!is_json(text.as_bytes()) || truly(&text), "{text}");
            }
        }
    }
}
