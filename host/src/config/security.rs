//! What makes a connection secure: whether librdkafka's `security.*`, `sasl.*` and `ssl.*` options fit together, and the files they
//! name are there.

use super::options::Options;
use super::reader::{Place, Reader, Text, similar};
use std::io::ErrorKind;
use std::path::Path;

const SASL: &str = "`\"security.protocol\" = \"SASL_SSL\"`, or \"SASL_PLAINTEXT\" where the broker has no TLS";

/// Whether an option says how to connect, so that it goes wherever the brokers go.
pub(super) fn is_connection(name: &str) -> bool {
    ["security.", "sasl.", "ssl.", "enable.ssl.", "https.ca.", "broker.address.family", "client.dns.lookup"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// What to write for a word that is none of these.
pub(super) fn word_help(value: &str, words: &[&str]) -> String {
    if value.eq_ignore_ascii_case("SASL") {
        return "write \"SASL_SSL\", or \"SASL_PLAINTEXT\" where the broker has no TLS".to_owned();
    }
    match similar(value, words) {
        Some(word) => format!("did you mean \"{word}\"?"),
        None => format!("it is one of {}", words.join(", ")),
    }
}

/// Checks the options of one client. `at` is where a missing one belongs.
pub(super) fn check(reader: &Reader<'_>, options: &Options, at: &Place) {
    let protocol = options.get("security.protocol");
    let protocol_name = protocol.map_or("plaintext".to_owned(), |given| given.value.to_ascii_lowercase());
    let known = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"].contains(&protocol_name.as_str());
    let mechanism = check_mechanism(reader, options);
    if !known {
        return;
    }
    if !protocol_name.starts_with("sasl") {
        if let Some((name, given)) = options.iter().find(|(name, _)| name.starts_with("sasl.")) {
            let why = match protocol {
                Some(_) => {
                    format!("`{name}` has no effect with security.protocol {}", protocol_name.to_ascii_uppercase())
                }
                None => format!("`{name}` has no effect without a security.protocol"),
            };
            reader.error(&given.key, why, &[&format!("add {SASL}")]);
        }
    } else {
        let at = protocol.map_or(at, |given| &given.place);
        match mechanism {
            Mechanism::Missing => reader.error(
                at,
                "a security.protocol with SASL, but no `sasl.mechanism`",
                &["add `\"sasl.mechanism\" = \"PLAIN\"`, or SCRAM-SHA-256 or SCRAM-SHA-512, as the broker has it"],
            ),
            Mechanism::Password => {
                for name in ["sasl.username", "sasl.password"].into_iter().filter(|name| !options.contains_key(*name)) {
                    let variable = name.to_ascii_uppercase().replace('.', "_");
                    reader.error(
                        at,
                        format!("`{name}` is missing"),
                        &[&format!("add `\"{name}\" = \"${{{variable}}}\"`")],
                    );
                }
            }
            Mechanism::Refused => {}
        }
    }
    if !protocol_name.ends_with("ssl")
        && let Some((name, given)) = options.iter().find(|(name, _)| name.starts_with("ssl."))
    {
        let message = format!("`{name}` has no effect with security.protocol {}", protocol_name.to_ascii_uppercase());
        reader.warn(&given.key, message, &["write \"SSL\" or \"SASL_SSL\" where the broker has TLS"]);
    }
    FILES.iter().for_each(|(name, has)| check_file(reader, options, name, has));
    let key = ["ssl.key.location", "ssl.key.pem"];
    let certificate = ["ssl.certificate.location", "ssl.certificate.pem"];
    for (ones, others) in [(key, certificate), (certificate, key)] {
        let given = ones.iter().find_map(|name| options.get_key_value(*name));
        if let (Some((name, given)), false) = (given, others.iter().any(|name| options.contains_key(*name))) {
            let help = format!("a client's certificate has both: add `{}`", others[0]);
            reader.error(&given.key, format!("`{name}` without `{}`", others[0]), &[&help]);
        }
    }
}

/// Options that name files in PEM form, and what these have.
const FILES: [(&str, &str); 3] = [
    ("ssl.ca.location", "CERTIFICATE"),
    ("ssl.certificate.location", "CERTIFICATE"),
    ("ssl.key.location", "PRIVATE KEY"),
];

/// Looks into a file that librdkafka will read: its own words for one that it cannot use say little.
fn check_file(reader: &Reader<'_>, options: &Options, name: &str, has: &str) {
    // librdkafka takes "probe" for the authorities that the machine trusts
    let Some(given) = options.get(name).filter(|given| !["", "probe"].contains(&given.value.as_str())) else { return };
    let has = format!("{has}-----");
    match reader.surroundings.secret(Path::new(&given.value)) {
        Ok(text) if text.contains(&has) => {}
        Ok(_) => {
            let message = format!("the file of `{name}` has no `-----BEGIN {has}`");
            let help =
                "it is a file in PEM form; a certificate and its key may be in one file, and both options name it then";
            reader.error(&given.place, message, &[help]);
        }
        // a folder of authorities
        Err(error) if error.kind() == ErrorKind::IsADirectory && name == "ssl.ca.location" => {}
        Err(error) => {
            let help = "the path is relative to where the program is started; \
                        `ssl.ca.pem = { file = \"ca.pem\" }` and its like are relative to this file";
            reader.error(&given.place, format!("cannot read the file of `{name}`: {error}"), &[help]);
        }
    }
}

/// Warns of a group that clusters which many share may not allow. PLAIN has keys for names as often as users.
pub(super) fn check_group(reader: &Reader<'_>, options: &Options, group: &Text) {
    let value = |name: &str| options.get(name).map(|given| given.value.as_str()).unwrap_or_default();
    let scram = ["sasl.mechanism", "sasl.mechanisms"].iter().any(|name| value(name).starts_with("SCRAM"))
        && value("security.protocol").to_ascii_lowercase().starts_with("sasl");
    let user = value("sasl.username");
    if scram && !user.is_empty() && !group.value.starts_with(user) {
        let message = "the group does not begin with the name of the user, `sasl.username`";
        let help = "clusters that are shared often allow a user only such groups: write for example `group = \"USER-flights\"`; \
                    where this one does not ask for it, all is well";
        reader.warn(&group.place, message, &[help]);
    }
}

enum Mechanism {
    Missing,
    /// One that takes a user's name and a password.
    Password,
    /// It was told what is wrong with it.
    Refused,
}

fn check_mechanism(reader: &Reader<'_>, options: &Options) -> Mechanism {
    let Some((name, given)) =
        ["sasl.mechanism", "sasl.mechanisms"].iter().find_map(|name| options.get_key_value(*name))
    else {
        return Mechanism::Missing;
    };
    let refuse = |what: &str, help: &str| {
        reader.error(&given.place, format!("{} is {what} `{name}`", given.shown()), &[help]);
        Mechanism::Refused
    };
    let passwords = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
    let upper = given.value.to_ascii_uppercase();
    match given.value.as_str() {
        _ if given.unread => Mechanism::Refused,
        value if passwords.contains(&value) => Mechanism::Password,
        "GSSAPI" => {
            refuse("Kerberos, which this version cannot do, as a", "it can do PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512")
        }
        "OAUTHBEARER" => {
            refuse("something this version cannot do as a", "it can do PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512")
        }
        _ if upper == "PLAINTEXT" => {
            refuse("no value of", "did you mean \"PLAIN\"? (PLAINTEXT is a security.protocol without SASL and TLS)")
        }
        _ if passwords.contains(&upper.as_str()) => {
            refuse("no value of", &format!("write it in capitals: \"{upper}\""))
        }
        _ => refuse("no value of", &word_help(&upper, &passwords)),
    }
}
