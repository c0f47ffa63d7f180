//! Rust source as tokens with their lines: comments and literals are gone, so that what they say names nothing.

/// An identifier, `::`, or one other character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Cuts source into tokens.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let rest = &chars[at..];
        let length = if let Some(length) = comment(rest).or_else(|| literal(rest)) {
            length
        } else if is_word(rest[0]) {
            let length = rest.iter().take_while(|c| is_word(**c)).count();
            tokens.push(Token { text: rest[..length].iter().collect(), line });
            length
        } else if rest.starts_with(&[':', ':']) {
            tokens.push(Token { text: "::".to_owned(), line });
            2
        } else {
            if !rest[0].is_whitespace() {
                tokens.push(Token { text: rest[0].to_string(), line });
            }
            1
        };
        line += rest[..length].iter().filter(|c| **c == '\n').count();
        at += length;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn comment(text: &[char]) -> Option<usize> {
    if text.starts_with(&['/', '/']) {
        return Some(text.iter().take_while(|c| **c != '\n').count());
    }
    if !text.starts_with(&['/', '*']) {
        return None;
    }
    let (mut at, mut depth) = (2, 1);
    while depth > 0 && at < text.len() {
        match text.get(at..at + 2) {
            Some(['*', '/']) => (at, depth) = (at + 2, depth - 1),
            Some(['/', '*']) => (at, depth) = (at + 2, depth + 1),
            _ => at += 1,
        }
    }
    Some(at)
}

/// Length of a string, raw string or character at the beginning, prefix included; a lifetime is none.
fn literal(text: &[char]) -> Option<usize> {
    let prefix = text.iter().take_while(|c| matches!(c, 'b' | 'c' | 'r')).count().min(2);
    let raw = text[..prefix].contains(&'r');
    let body = &text[prefix..];
    let hashes = if raw { body.iter().take_while(|c| **c == '#').count() } else { 0 };
    match *body.get(hashes)? {
        '"' if raw => {
            let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let inside = &body[hashes + 1..];
            let length = inside.windows(end.len()).position(|window| window == end)?;
            Some(prefix + hashes + 1 + length + end.len())
        }
        '"' => Some(prefix + quoted(body, '"')),
        '\'' if body.get(1) == Some(&'\\') || body.get(2) == Some(&'\'') => Some(prefix + quoted(body, '\'')),
        _ => None,
    }
}

fn quoted(text: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

#[test]
fn comments_and_literals_name_nothing() {
    let source = r##"
        // a::b
        /* c /* d */ e */ let x: &'life str = "f\"g" ; r#"h"i"# ; b'j' ; '\'' ; 'k' ; crate::l
    "##;
    let found: Vec<(String, usize)> = tokens(source).into_iter().map(|token| (token.text, token.line)).collect();
    let words: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).filter(|text| text.len() > 1).collect();
    assert_eq!(words, ["let", "life", "str", "crate", "::"]);
    assert_eq!(found.last().expect("there are tokens"), &("l".to_owned(), 3));
}
