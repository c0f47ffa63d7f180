//! Where requests go. An address may have secrets in it: its text is shown without them, wherever it is shown.

use super::Secret;
use crate::config::reader::Section;
use crate::config::secret::{has_credentials, is_secret};
use crate::harmless::is_hostile;
use std::fmt;

/// An address by HTTP. It shows itself without its query, and without a user's name and password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Makes one of a text, which is not checked.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// All of it, for requests.
    pub fn whole(&self) -> &str {
        &self.0
    }

    /// What of its query is secret: all values where the text was `hidden`, else those of keys that say so.
    fn secrets(&self, hidden: bool) -> Vec<Secret> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or(("", pair)));
        let secret = pairs.filter(|(key, value)| !value.is_empty() && (hidden || is_secret(key)));
        secret.flat_map(|(_, value)| [Secret(value.to_owned()), Secret(decoded(value))]).collect()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.split(['?', '#']).next().unwrap_or_default();
        let Some((scheme, rest)) = text.split_once("//") else { return f.write_str(text) };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.rsplit('@').next().unwrap_or_default();
        write!(f, "{scheme}//{host}{path}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// A query's value as it was before it was put into an address. What is no UTF-8 then is left as it is.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

/// Reads one that must be there. What of it is secret is put to the others.
pub(in crate::config) fn address(
    section: &Section<'_>,
    key: &str,
    example: &str,
    secrets: &mut Vec<Secret>,
) -> Address {
    section.need(key, &format!("the sink has no `{key}`"), &format!("add `{example}`"));
    let Some(item) = section.get(key) else { return Address::default() };
    let Some(text) = item.text() else { return Address::default() };
    let rest = ["http://", "https://"].iter().find_map(|scheme| text.value.strip_prefix(scheme));
    let has_host = rest.is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty());
    let is_url = has_host && url::Url::parse(&text.value).is_ok();
    if has_credentials(&text.value) {
        item.wrong("credentials in an address end in logs", "write them as `headers`, or `username` and `password`");
    } else if !is_url || text.value.contains(|letter: char| letter.is_whitespace() || is_hostile(letter)) {
        // without its query, where secrets are
        let shown = if text.hidden { text.shown() } else { format!("`{}`", Address::new(&*text.value)) };
        item.wrong(format!("{shown} is no address"), "write `https://host/path`, or `http://host:port/path`");
    }
    let address = Address(text.value);
    secrets.extend(address.secrets(text.hidden));
    address
}

/// Warns where what is to be secret on the way is not.
pub(in crate::config) fn check_transport(section: &Section<'_>, addresses: &[(&str, &Address)]) {
    let plain = |address: &Address| address.whole().starts_with("http://");
    if let Some(tls) = section.get("tls").filter(|_| addresses.iter().all(|(_, address)| plain(address))) {
        tls.reader.warn(
            &tls.key,
            "`tls` has no effect with an address that begins with `http://`",
            &["write `https://`, or leave `tls` out"],
        );
    }
    let is_near = |address: &Address| {
        let host = url::Url::parse(address.whole()).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.is_none_or(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&&*host))
    };
    for (key, address) in addresses {
        if let Some(item) =
            section.get(key).filter(|_| section.has_like("password") && plain(address) && !is_near(address))
        {
            item.reader.warn(
                &item.place,
                "the password, or a token, goes there as text that anybody on the way can read",
                &["write `https://`"],
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (whole, shown) in [
            ("https://example.com/rows?token=abc#x", "https://example.com/rows"),
            ("https://ann:pass@word@example.com:8080?token=abc", "https://example.com:8080"),
            ("//ann@example.com/a@b", "//example.com/a@b"),
            ("/login?next=/rows//x", "/login"),
            ("", ""),
        ] {
            let address = Address::new(whole);
            assert_eq!((address.to_string().as_str(), address.whole()), (shown, whole));
            assert_eq!(format!("{address:?}"), format!("{shown:?}"));
        }
    }

    #[test]
    fn values_of_a_query_are_secret_where_it_came_from_a_variable_or_their_keys_say_so() {
        let secrets = |text: &str, hidden| {
            let secrets = Address::new(text).secrets(hidden);
            secrets.into_iter().map(|secret| secret.0).collect::<Vec<_>>()
        };
        let text = "http://h/x?format=json&token=a%2Fb+c%zz&empty=#token=no";
        assert_eq!(secrets(text, false), ["a%2Fb+c%zz", "a/b c%zz"]);
        assert_eq!(secrets(text, true)[..2], ["json", "json"]);
        assert_eq!(secrets("http://h/x?abc", true), ["abc", "abc"]);
        assert_eq!(secrets("http://h/x", true), [""; 0]);
    }
}
