//! The words of a SQL statement, as the stand-in reads them.

use anyhow::{Result, bail, ensure};

/// A word, and the column at which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, or a name; in quotes or not.
    Name,
    /// `'…'` or `x'…'`.
    Text,
    Number,
    Sign,
}

/// What is left of a statement.
#[derive(Debug)]
pub(super) struct Tokens(std::iter::Peekable<std::vec::IntoIter<Token>>);

impl Tokens {
    pub(super) fn read(statement: &str) -> Result<Self> {
        let mut tokens = Vec::new();
        let mut rest = statement;
        loop {
            rest = rest.trim_start();
            let column = statement.len() - rest.len() + 1;
            let Some(first) = rest.chars().next() else { break };
            let blob = rest.starts_with("x'") || rest.starts_with("X'");
            let (kind, text, length) = match first {
                '\'' => quoted(rest, 0, '\'')?,
                _ if blob => quoted(rest, 1, '\'')?,
                '"' => quoted(rest, 0, '"')?,
                _ if first.is_ascii_digit() => plain(rest, Kind::Number, |each| each.is_ascii_digit() || each == '.'),
                _ if first.is_ascii_alphabetic() || first == '_' => {
                    plain(rest, Kind::Name, |each| each.is_ascii_alphanumeric() || matches!(each, '_' | '-'))
                }
                _ => (Kind::Sign, first.to_string(), first.len_utf8()),
            };
            // a text of one line ends with it
            ensure!(
                first != '\'' || !text.contains('\n'),
                "1:{column}: expected expression, found 'unterminated string literal'"
            );
            tokens.push(Token { kind, text, column });
            rest = &rest[length..];
        }
        ensure!(!tokens.is_empty(), "EOF");
        Ok(Self(tokens.into_iter().peekable()))
    }

    pub(super) fn next(&mut self) -> Result<Token> {
        match self.0.next() {
            Some(token) => Ok(token),
            None => bail!("1:1: expected more, found EOF"),
        }
    }

    /// Whether the next word is this one; then it is taken.
    pub(super) fn is(&mut self, word: &str) -> bool {
        let is = |token: &Token| token.kind != Kind::Text && token.text.eq_ignore_ascii_case(word);
        self.0.next_if(is).is_some()
    }

    pub(super) fn expect(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            let found = self.0.peek().map_or("EOF", |token| token.text.as_str()).to_owned();
            ensure!(self.is(word), "1:1: expected {word}, found {found}");
        }
        Ok(())
    }

    /// What stands in brackets between commas.
    pub(super) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect(&["("])?;
        let mut all = vec![read(self)?];
        while self.is(",") {
            all.push(read(self)?);
        }
        self.expect(&[")"])?;
        Ok(all)
    }

    /// A whole number, with its sign.
    pub(super) fn whole(&mut self) -> Result<i64> {
        let sign = if self.is("-") { "-" } else { "" };
        Ok(format!("{sign}{}", self.next()?.text).parse()?)
    }
}

fn plain(rest: &str, kind: Kind, is: impl Fn(char) -> bool) -> (Kind, String, usize) {
    let length = rest.find(|each| !is(each)).unwrap_or(rest.len());
    (kind, rest[..length].to_owned(), length)
}

/// What stands in quotes, of which two are one; `from` bytes stand in front of the first.
fn quoted(rest: &str, from: usize, quote: char) -> Result<(Kind, String, usize)> {
    let (mut text, mut at) = (String::new(), from + 1);
    let double = format!("{quote}{quote}");
    loop {
        let Some(end) = rest[at..].find(quote) else {
            bail!("1:1: expected expression, found 'unterminated string literal'")
        };
        text.push_str(&rest[at..at + end]);
        at += end;
        if !rest[at..].starts_with(&double) {
            return Ok((if quote == '"' { Kind::Name } else { Kind::Text }, text, at + 1));
        }
        text.push(quote);
        at += 2;
    }
}
