//! What to do about brokers that cannot be reached, by librdkafka's words for why. Certificates are `tls`'s.

/// Words of librdkafka 2.12 and of OpenSSL, and what to do; the first that is found counts.
const REMEDIES: [(&str, &str); 6] = [
    (
        "PLAINTEXT broker listener",
        "that port has no TLS: write another port, or a `security.protocol` without SSL: PLAINTEXT or SASL_PLAINTEXT",
    ),
    (
        "SSL broker listener",
        "that port has TLS: write `\"security.protocol\" = \"SSL\"` or `\"SASL_SSL\"`, or another port",
    ),
    ("APIVERSION_QUERY", PROTOCOL),
    ("Connection refused", "nobody listens there: correct `brokers`, or start them"),
    ("connection closed by peer", PROTOCOL),
    ("Failed to resolve", "correct the host's name in `brokers`"),
];

const PROTOCOL: &str = "is `security.protocol` right? That port may have TLS or SASL, or be none of Kafka's";

/// What to do; none where the words say nothing.
pub(super) fn remedy(reason: &str) -> Option<&'static str> {
    let found = |(words, _): &&(&str, &str)| reason.to_ascii_lowercase().contains(&words.to_ascii_lowercase());
    REMEDIES.iter().find(found).map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_names_the_option_to_correct() {
        let of = |reason: &str| remedy(reason).unwrap_or_default();
        let refused = "Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        assert!(of(refused).contains("nobody listens"));
        let plain = "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener? (after 3ms)";
        assert!(of(plain).contains("no TLS"));
        assert_eq!(remedy("something else"), None);
    }
}
