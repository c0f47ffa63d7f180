//! The schema registry that modules may ask: where it is, and who asks.

use super::http::{Address, HttpClient, Secret, address, client, headers, secret_text};
use super::reader::Section;
use super::units::duration_text;
use std::collections::BTreeMap;
use std::time::Duration;

/// The table's keys.
pub(super) const KEYS: [&str; 6] = ["url", "username", "password", "headers", "timeout", "tls"];

/// How long a question may take: the records of a batch wait for it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A worker that waits does nothing else, and its group's patience ends.
const LONGEST: Duration = Duration::from_secs(30);

const URL: &str = "url = \"http://localhost:8081\"";

/// A schema registry.
#[derive(Clone, Debug)]
pub struct SchemaRegistry {
    /// Where it is.
    pub url: Address,
    /// Who asks, where it wants to know.
    pub login: Option<(String, Secret)>,
    /// Headers of every request. Values may be secret.
    pub headers: BTreeMap<String, Secret>,
    /// How it is reached.
    pub client: HttpClient,
}

/// Reads the table, where there is one.
pub(super) fn registry(top: &Section<'_>) -> Option<SchemaRegistry> {
    let section = top.get("schema-registry")?.section(&format!("write\n[schema-registry]\n{URL}"))?;
    section.only(&KEYS, |key, _| hint(key));
    let mut secrets = Vec::new();
    let url = url(&section, &mut secrets);
    let login = login(&section);
    secrets.extend(login.iter().map(|(_, password)| password.clone()));
    let headers = headers(&section, &mut secrets);
    if login.is_some() && headers.contains_key("authorization") {
        let help = "leave one of them out";
        let message = "`username` and the header `authorization` both say who asks";
        section.reader.error(&section.place, message, &[help]);
    }
    let mut client = client(&section, secrets);
    match section.get("timeout") {
        None => client.timeout = TIMEOUT,
        Some(item) if client.timeout > LONGEST => {
            let help = format!("write `\"{}\"` or less", duration_text(LONGEST));
            item.wrong("the time is too long for `timeout`: records wait for an answer", &help);
        }
        Some(_) => {}
    }
    Some(SchemaRegistry { url, login, headers, client })
}

/// What is meant by names that other programs have for these keys.
fn hint(key: &str) -> Option<String> {
    Some(match key {
        "user" | "login" | "basic_auth" => "write `username` and `password`".to_owned(),
        "address" | "endpoint" | "urls" | "host" => format!("write `{URL}`"),
        "token" | "authorization" => "write `headers = { authorization = { file = \"/run/secrets/…\" } }`".to_owned(),
        "ca" | "certificate" | "key" => format!("write `tls = {{ {key} = \"….pem\" }}`"),
        _ => return None,
    })
}

fn url(section: &Section<'_>, secrets: &mut Vec<Secret>) -> Address {
    let Some(item) = section.get("url") else {
        section.need("url", "the schema registry has no `url`", &format!("add `{URL}`"));
        return Address::default();
    };
    let url = address(section, "url", URL, secrets);
    let whole = url.whole().trim_end_matches('/');
    if whole.contains(['?', '#']) {
        item.wrong("`url` is the registry's address", "leave the part that begins with `?` or `#` out");
    } else if let Some(end) = ["/subjects", "/schemas"].into_iter().find(|end| whole.ends_with(end)) {
        item.wrong("`url` is the registry's address", &format!("leave `{end}` out"));
    }
    Address::new(whole)
}

fn login(section: &Section<'_>) -> Option<(String, Secret)> {
    let text = |key: &str| Some(secret_text(&section.get(key)?).unwrap_or_default().0);
    match (text("username"), text("password")) {
        (Some(name), Some(password)) => {
            if name.contains(':') {
                // its own line is not shown: there may be a password in it
                let help = "write what stands behind it as `password`";
                section.reader.error(&section.place, "`username` has a `:`, which cannot be sent", &[help]);
            }
            Some((name, Secret(password)))
        }
        (None, None) => None,
        (Some(_), None) => {
            section.need("password", "`username` without `password`", "add `password = \"${REGISTRY_PASSWORD}\"`");
            None
        }
        (None, Some(_)) => {
            section.need("username", "`password` without `username`", "add `username = \"…\"`");
            None
        }
    }
}
