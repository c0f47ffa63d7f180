//! Connections that TLS refuses: what librdkafka tells of them, in words that say what to do.

use crate::config::KafkaClient;

/// Alerts by which a server refuses the client's certificate or misses it: RFC 8446, section 6.2.
const ALERTS: [u8; 8] = [42, 43, 44, 45, 46, 48, 49, 116];

/// How a client connects, as far as the remedy depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tls {
    has_authority: bool,
    has_certificate: bool,
    asks_for_name: bool,
}

impl Tls {
    pub(super) fn of(client: &KafkaClient) -> Self {
        let has = |begin: &str| client.options.iter().any(|(name, _)| name.starts_with(begin));
        let is = |name: &str, value: &str| client.options.get(name).is_some_and(|given| given == value);
        Self {
            has_authority: has("ssl.ca.") && !is("ssl.ca.location", "probe"),
            has_certificate: has("ssl.certificate.") || has("ssl.keystore.location"),
            asks_for_name: !is("ssl.endpoint.identification.algorithm", "none"),
        }
    }

    /// Why a connection cannot come about, and what to do, where trying again will not help. `text` is librdkafka's.
    pub(super) fn refusal(self, text: &str) -> Option<String> {
        if text.contains("certificate verify failed") {
            // OpenSSL has one text for all reasons, and librdkafka guesses the first of them
            let authority = match self.has_authority {
                true => "`ssl.ca.location` (or `ssl.ca.pem`) must be the authority that did",
                false => "name the authority that did with `ssl.ca.location` (or `ssl.ca.pem`)",
            };
            let name = match self.asks_for_name {
                true => {
                    "where it is for another name than `brokers` has, write there the name that it is for, or \
                     `ssl.endpoint.identification.algorithm = \"none\"`; "
                }
                false => "",
            };
            return Some(format!(
                "the certificate of the brokers is not trusted, and librdkafka does not tell why: where another authority signed it, \
                 {authority}; {name}where its time is over, have it renewed"
            ));
        }
        let (_, after) = text.split_once("SSL alert number ")?;
        let number = after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        let (what, remedy) = match self.has_certificate {
            true => (
                "refuse this client's certificate",
                "`ssl.certificate.location` (or `ssl.certificate.pem`) must be valid, and of an authority that they trust",
            ),
            false => (
                "want a certificate of this client",
                "name it with `ssl.certificate.location` and `ssl.key.location` (or `ssl.certificate.pem` and `ssl.key.pem`)",
            ),
        };
        ALERTS.contains(&number).then(|| format!("the brokers {what} (TLS alert {number}); {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFY: &str = "sasl_ssl://b:9094/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify \
                          failed: broker certificate could not be verified (after 3ms in state SSL_HANDSHAKE)";
    const ALERT: &str = "sasl_ssl://b:9094/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate: \
                         SSL alert number 42 (after 2ms in state APIVERSION_QUERY, 1 identical error(s) suppressed)";

    fn tls(options: &[(&str, &str)]) -> Tls {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Tls::of(&KafkaClient { brokers: "b:9094".to_owned(), options, unreachable_after: None })
    }

    #[test]
    fn remedies_fit_what_is_configured() {
        let none: &[(&str, &str)] = &[];
        for (options, text, says, never) in [
            (none, VERIFY, "name the authority", "alert"),
            (none, VERIFY, "for another name than `brokers` has, write there the name", "alert"),
            (none, VERIFY, "ssl.endpoint.identification.algorithm = \"none\"", "must be"),
            (none, VERIFY, "its time is over", "must be"),
            (&[("ssl.ca.location", "probe")], VERIFY, "name the authority", "must be"),
            (&[("ssl.ca.pem", "x")], VERIFY, "must be the authority", "name the authority"),
            (&[("ssl.endpoint.identification.algorithm", "none")], VERIFY, "ssl.ca.location", "another name"),
            (none, ALERT, "want a certificate", "refuse"),
            (&[("ssl.certificate.pem", "x")], ALERT, "refuse this client's certificate (TLS alert 42)", "want"),
        ] {
            let refusal = tls(options).refusal(text).unwrap_or_default();
            assert!(refusal.contains(says) && !refusal.contains(never), "{options:?}: {refusal}");
        }
    }

    #[test]
    fn what_may_mend_itself_is_no_refusal() {
        for text in [
            "Connect to ipv4#127.0.0.1:9094 failed: Connection refused",
            "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
            "Receive failed: SSL alert number 80 (after 2ms in state UP)",
            "Receive failed: SSL alert number ",
            "",
        ] {
            assert_eq!(tls(&[]).refusal(text), None, "{text}");
        }
    }
}
