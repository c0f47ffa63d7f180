//! Texts of strangers for people's eyes: servers', guests', a record's, a file's. Nothing in them may speak to a terminal, or look
//! like a line that the program wrote itself.

use std::borrow::Cow;

/// What stands where a character was taken out.
const GONE: char = '\u{fffd}';

/// Whether a character is an instruction to a terminal or to whoever lays out a line, rather than a letter. Ends of lines are.
pub fn is_hostile(letter: char) -> bool {
    // marks of direction turn the rest of a line around
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as a part of a line: ends of lines and tabs are spaces, and what else is hostile is taken out.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return text.into();
    }
    let harmless = |letter| match letter {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        letter if is_hostile(letter) => GONE,
        letter => letter,
    };
    text.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_strangers_text_is_a_part_of_one_line_and_no_instruction() {
        assert_eq!(one_line("größe 1\u{a0}%"), "größe 1\u{a0}%");
        assert_eq!(one_line("a\r\nb\tc\u{2028}d"), "a  b c d");
        assert_eq!(one_line("\x1b[31m\u{9b}2J\u{202e}x\0"), "\u{fffd}[31m\u{fffd}2J\u{fffd}x\u{fffd}");
    }

    proptest! {
        #[test]
        fn nothing_hostile_is_left_of_any_text(text in ".*|[\\x00-\\x1f\\u{80}-\\u{9f}\\u{2028}-\\u{202e}a]*") {
            prop_assert!(!one_line(&text).contains(is_hostile));
            prop_assert_eq!(one_line(&text).chars().count(), text.chars().count());
        }
    }
}
