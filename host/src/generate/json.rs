//! Writes JSON's numbers and strings into a buffer, without a serializer: the generators make a million records a second.

/// Appends an integer.
pub(super) fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the two digits of a number below 100.
pub(super) fn two_digits(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&[b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// Appends hundredths as a number with two decimals.
pub(super) fn hundredths(out: &mut Vec<u8>, value: u64) {
    integer(out, value / 100);
    out.push(b'.');
    two_digits(out, value % 100);
}

/// Appends hundredths as most programs print a float: without the second decimal where that is 0.
pub(super) fn short_hundredths(out: &mut Vec<u8>, value: u64) {
    hundredths(out, value);
    if value.is_multiple_of(10) {
        out.pop();
    }
}

/// Appends 16 hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, value: u64) {
    let digit = |shift: u32| b"0123456789abcdef"[(value >> shift & 15) as usize];
    out.extend((0..64).step_by(4).rev().map(digit));
}

/// Appends a string, or `null`. The text needs no escapes.
pub(super) fn text(out: &mut Vec<u8>, text: Option<&str>) {
    let Some(text) = text else {
        out.extend_from_slice(b"null");
        return;
    };
    debug_assert!(!text.contains(['"', '\\']) && !text.contains(char::is_control));
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_keep_their_zeros_where_they_matter() {
        assert_eq!(written(|out| hundredths(out, 12_345)), "123.45");
        assert_eq!(written(|out| hundredths(out, 5)), "0.05");
        assert_eq!(written(|out| short_hundredths(out, 12_305)), "123.05");
        assert_eq!(written(|out| short_hundredths(out, 12_340)), "123.4");
        assert_eq!(written(|out| short_hundredths(out, 12_300)), "123.0");
        assert_eq!(written(|out| hex(out, 0xab)), "00000000000000ab");
        assert_eq!(written(|out| text(out, None)), "null");
    }
}
