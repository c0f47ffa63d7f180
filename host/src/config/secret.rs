//! Finds what must not be shown: which keys are secret, and where their values lie in the file. And `${VAR}`.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

const WORDS: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "jaas",
    "pem",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "oauthbearer.config",
];

/// Whether the value of such a key is secret.
pub(super) fn is_secret(key: &str) -> bool {
    let plain: String = key.to_ascii_lowercase().chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect();
    WORDS.iter().any(|word| plain.contains(word)) && !plain.ends_with("endpoint.url") && !plain.ends_with("location")
}

/// The spans of all secret values of a file. A mere `${VAR}` and the path in `{ file = "…" }` tell nothing and are left.
pub(super) fn spans(table: &DeTable<'_>) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    collect(table, "", false, &mut spans);
    spans
}

fn collect(table: &DeTable<'_>, path: &str, secret: bool, spans: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        // a pipeline's name is not a key, whatever it contains
        let named = path != ".pipelines" && is_secret(key.get_ref());
        let path = format!("{path}.{}", key.get_ref());
        let secret = secret || named || path.ends_with(".oauthbearer.config") || is_nearly_secret(&path);
        collect_value(value.get_ref(), value.span(), key.get_ref(), &path, secret, spans);
    }
}

/// Whether a path ends in what librdkafka does not know, and is meant to be an option that is secret.
fn is_nearly_secret(path: &str) -> bool {
    let Some((_, option)) = path.split_once(".librdkafka.") else { return false };
    !super::options::is_known(option) && super::options::meant(option).is_some_and(is_secret)
}

fn collect_value(
    value: &DeValue<'_>,
    span: Range<usize>,
    key: &str,
    path: &str,
    secret: bool,
    spans: &mut Vec<Range<usize>>,
) {
    match value {
        DeValue::Table(table) => collect(table, path, secret, spans),
        DeValue::Array(items) => {
            for item in items.iter() {
                collect_value(item.get_ref(), item.span(), key, path, secret, spans);
            }
        }
        DeValue::String(text) if secret && (is_variable(text) || key == "file") => {}
        DeValue::String(text) if has_credentials(text) || has_secret_query(text) => spans.push(span),
        // no table: what belongs into one is in the text
        DeValue::String(text) if key == "headers" && is_secret(text) => spans.push(span),
        _ if secret => spans.push(span),
        _ => {}
    }
}

/// Whether it is an address with a user's name and password in it.
pub(super) fn has_credentials(text: &str) -> bool {
    let host = text.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    host.is_some_and(|host| host.contains('@'))
}

/// Whether it is an address with a query in which something is secret.
fn has_secret_query(text: &str) -> bool {
    let query = text.split_once('?').map_or("", |(_, query)| query);
    query
        .split(['&', '#'])
        .filter_map(|pair| pair.split_once('='))
        .any(|(key, value)| is_secret(key) && !value.is_empty())
}

/// Whether the text is `${VAR}` and nothing else.
fn is_variable(text: &str) -> bool {
    text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).is_some_and(is_name)
}

/// The spans of secret values of a file that is not TOML, by lines: everything behind a secret word, and every line of a text that began there.
pub(super) fn spans_by_line(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let (mut start, mut until) = (0, None);
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if let Some(quotes) = until {
            spans.push(start..end);
            if line.contains(quotes) {
                until = None;
            }
        } else if is_secret(line) {
            let behind = line.find('=').map_or(0, |equals| equals + 1);
            spans.push(start + behind..end);
            until = [r#"""""#, "'''"].into_iter().find(|quotes| line.matches(quotes).count() == 1);
        }
        start = end;
    }
    spans
}

/// Puts variables into a text: `${NAME}`, `${NAME:-default}`; `$${` is a plain `${`. True: there were variables.
///
/// # Errors
/// What is wrong with the text, or which variables are not set.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<(String, bool), Vec<String>> {
    let (mut out, mut rest, mut found, mut problems) = (String::new(), text, false, Vec::new());
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let Some(length) = rest[at..].find('}') else {
            problems.push("a `${` without its `}`; write `$${` where a plain `${` is meant".to_owned());
            break;
        };
        let inner = &rest[at + 2..at + length];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        // as in a shell, `:-` also stands in for an empty variable
        let value = variable(name).filter(|value| default.is_none() || !value.is_empty());
        match (is_name(name), value, default) {
            (false, ..) => {
                problems.push(format!("`{name}` in `${{…}}` is no name of a variable: letters, digits and `_`"))
            }
            (_, Some(value), _) => out.push_str(&value),
            (_, None, Some(default)) => out.push_str(default),
            (_, None, None) => problems.push(format!("the environment variable `{name}` is not set")),
        }
        found = true;
        rest = &rest[at + length + 1..];
    }
    out.push_str(rest);
    if problems.is_empty() { Ok((out, found)) } else { Err(problems) }
}

/// Whether it can be the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "USER" => Some("ann".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_put_in_and_defaults_stand_in_for_what_is_unset_or_empty() {
        let expand = |text| expand(text, &variable);
        assert_eq!(expand("a-${USER}-b"), Ok(("a-ann-b".to_owned(), true)));
        assert_eq!(expand("${NONE:-x}${EMPTY:-y}${EMPTY}"), Ok(("xy".to_owned(), true)));
        assert_eq!(expand("$${USER} $5"), Ok(("${USER} $5".to_owned(), false)));
        assert_eq!(expand("${A} ${B}").unwrap_err().len(), 2);
        assert!(expand("${A").is_err() && expand("${}").is_err() && expand("${A B:-c}").is_err());
    }

    #[test]
    fn keys_of_secrets_are_told_by_their_words() {
        for key in ["sasl.password", "ssl.key.pem", "SASL_JAAS_CONFIG", "api-key", "sasl.oauthbearer.client.secret"] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["ssl.key.location", "sasl.oauthbearer.token.endpoint.url", "sasl.username", "partition", "topic"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn a_file_that_is_not_toml_has_its_secrets_blotted_by_line() {
        let text = "password = hunter2\nkey.pem = \"\"\"\nMIIE\n\"\"\"\ntopic = 1\n";
        let shown: Vec<&str> = spans_by_line(text).into_iter().map(|span| &text[span]).collect();
        assert_eq!(shown, [" hunter2\n", " \"\"\"\n", "MIIE\n", "\"\"\"\n"]);
    }
}
