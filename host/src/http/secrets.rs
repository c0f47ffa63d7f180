//! What a sink knows and nobody else may: taken out of every text that comes from its server, before it is told to anybody.
//!
//! A server that refuses a request likes to repeat it: headers, the address, a login's body. So no word of a server's goes into a
//! message but through [`Secrets::tell`].

use crate::config::Secret;
use crate::harmless::one_line;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

/// What stands where a secret was.
const HIDDEN: &str = "(secret)";

/// How much of a text is told where the rest would tell nothing more.
const SHOWN: usize = 300;

/// A secret of fewer bytes is found only where it stands by itself: `1` is in every text.
const SHORT: usize = 6;

/// How many tokens are remembered: one that was renewed may still be repeated.
const TOKENS: usize = 4;

/// See the module.
#[derive(Default)]
pub(super) struct Secrets {
    /// In every form that a server may write them in.
    known: Vec<String>,
    tokens: RwLock<VecDeque<Vec<String>>>,
}

impl Secrets {
    pub(super) fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let known = secrets.into_iter().flat_map(|secret| parts(&secret.0)).flat_map(|part| forms(&part)).collect();
        Self { known, tokens: RwLock::default() }
    }

    /// Hides a login's token from here on.
    pub(super) fn learn(&self, token: &str) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.truncate(TOKENS - 1);
        tokens.push_front(forms(token));
    }

    /// A server's words as a part of a message: without secrets, and on one line.
    pub(super) fn tell(&self, words: &str) -> String {
        one_line(&self.hide(words)).into_owned()
    }

    /// The same, and no more than the beginning.
    pub(super) fn tell_shortly(&self, words: &str) -> String {
        let told = self.tell(words);
        let told = told.trim();
        let cut = &told[..told.floor_char_boundary(SHOWN)];
        format!("{cut}{}", if cut.len() < told.len() { "..." } else { "" })
    }

    fn hide(&self, words: &str) -> String {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let known: Vec<&str> = self.known.iter().chain(tokens.iter().flatten()).map(String::as_str).collect();
        let mut begins = [false; 256];
        known.iter().for_each(|secret| begins[usize::from(secret.as_bytes()[0])] = true);
        let (mut out, mut rest, mut before) = (String::with_capacity(words.len()), words, None);
        while let Some(letter) = rest.chars().next() {
            let here = |secret: &&&str| rest.starts_with(**secret) && is_whole(secret, before, &rest[secret.len()..]);
            let begins = begins[usize::from(rest.as_bytes()[0])];
            // the longest: what is a part of another must not leave the others of it
            let secret = known.iter().filter(|_| begins).filter(here).max_by_key(|secret| secret.len());
            let length = secret.map_or(letter.len_utf8(), |secret| secret.len());
            out.push_str(if secret.is_some() { HIDDEN } else { &rest[..length] });
            before = rest[..length].chars().next_back();
            rest = &rest[length..];
        }
        out
    }
}

/// Whether it may be meant where it was found: a short one must not be a part of a word.
fn is_whole(secret: &str, before: Option<char>, behind: &str) -> bool {
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    secret.len() >= SHORT || !is_word(before) && !is_word(behind.chars().next())
}

/// A secret, and what of it is one by itself: the credentials behind a scheme as `Bearer`, and the password among them.
fn parts(secret: &str) -> Vec<String> {
    let mut parts = vec![secret.to_owned()];
    let Some((scheme, rest)) = secret.split_once(' ') else { return parts };
    if !["basic", "bearer", "token", "apikey", "digest", "negotiate"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return parts;
    }
    parts.push(rest.trim().to_owned());
    let pair = STANDARD.decode(rest.trim()).ok().and_then(|pair| String::from_utf8(pair).ok());
    if let Some((user, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) {
        parts.extend([format!("{user}:{password}"), password.to_owned()]);
    }
    parts
}

/// A text as it stands in JSON, between quotes.
fn json(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap_or_default();
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// How a text may be written in JSON (by those who escape `/` or `<` too, and in a text that is JSON itself), in an address and in HTML.
fn forms(text: &str) -> Vec<String> {
    let json_text = json(text);
    let escaped = |letters: &str, escape: &dyn Fn(char) -> String| {
        let escape = |letter| if letters.contains(letter) { escape(letter) } else { String::from(letter) };
        json_text.chars().map(escape).collect::<String>()
    };
    let html = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")];
    let entity = |letter| html.iter().find(|(one, _)| *one == letter).map(|(_, entity)| *entity);
    let percent = |upper: bool| {
        let byte = |byte: &u8| match *byte {
            plain if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => char::from(plain).to_string(),
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        };
        text.as_bytes().iter().map(byte).collect::<String>()
    };
    let mut forms = vec![
        text.to_owned(),
        json_text.clone(),
        json(&json_text),
        escaped("/", &|letter| format!("\\{letter}")),
        escaped("<>&", &|letter| format!("\\u{:04x}", u32::from(letter))),
        percent(true),
        percent(false),
        text.chars().map(|letter| entity(letter).map_or_else(|| String::from(letter), str::to_owned)).collect(),
    ];
    forms.sort();
    forms.dedup();
    forms.retain(|form| !form.is_empty());
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets(texts: &[&str]) -> Secrets {
        Secrets::new(&texts.iter().map(|text| Secret((*text).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn a_secret_is_hidden_in_whatever_form_a_server_repeats_it() {
        let known = secrets(&["Bearer ab/cd+\"ef<", "Basic YW5uOmNvcnJlY3QgaG9yc2U="]);
        for said in [
            "no Bearer ab/cd+\"ef< here",
            "no ab/cd+\"ef< here",
            r#"{"authorization":"Bearer ab\/cd+\"ef<"}"#,
            r#"{"authorization":"Bearer ab/cd+\"ef\u003c"}"#,
            "?token=ab%2Fcd%2B%22ef%3C&x",
            "?token=ab%2fcd%2b%22ef%3c&x",
            "<p>ab/cd+&quot;ef&lt;</p>",
            "the user ann:correct horse",
            "the password correct horse",
            "YW5uOmNvcnJlY3QgaG9yc2U=",
        ] {
            let told = known.tell(said);
            assert!(told.contains(HIDDEN), "{told}");
            assert!(!["ef", "horse", "cd", "YW5"].iter().any(|part| told.contains(part)), "{told}");
        }
        assert_eq!(known.tell("a bearer of news"), "a bearer of news");
    }

    #[test]
    fn a_short_secret_is_hidden_only_where_it_stands_by_itself() {
        let known = secrets(&["abc", "secret", ""]);
        assert_eq!(known.tell("abc: abcd, x-abc=abc, \"abc\""), "(secret): abcd, x-(secret)=(secret), \"(secret)\"");
        assert_eq!(known.tell("my secrets"), "my (secret)s");
    }

    #[test]
    fn nothing_of_a_secret_is_left_at_the_place_where_a_text_is_cut() {
        let known = secrets(&["0123456789"]);
        for length in SHOWN - 20..SHOWN + 10 {
            let told = known.tell_shortly(&format!("{}0123456789 and more{}", "x".repeat(length), "y".repeat(SHOWN)));
            assert!(!told.contains('0') && told.ends_with("..."), "{told}");
        }
        assert_eq!(known.tell_shortly(" \n0123456789\n"), HIDDEN);
    }

    #[test]
    fn tokens_are_hidden_once_they_are_known_and_for_a_while_after_they_were_renewed() {
        let known = secrets(&[]);
        (0..=TOKENS).for_each(|number| known.learn(&format!("token-{number}")));
        assert_eq!(known.tell("token-4 token-1 token-0"), "(secret) (secret) token-0");
    }

    proptest! {
        #[test]
        fn no_text_tells_a_secret(secret in "[ -~é]{6,20}", before in ".{0,10}", behind in ".{0,10}") {
            let known = secrets(&[&secret]);
            let told = known.tell(&format!("{before}{secret}{behind}"));
            prop_assert!(!told.contains(&secret), "{told}");
        }
    }
}
