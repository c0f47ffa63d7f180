//! The little HTTP that scenarios need: one request to a host's admin address, or to a database.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

/// An answer's status code and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 and the like.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Asks for a path. HTTP/1.0, so that the body ends with the connection and never comes in chunks.
///
/// # Errors
/// Nobody listens there, or what answers is no HTTP.
pub fn get(address: &str, path: &str) -> Result<Answer> {
    ask("GET", address, path, "", "")
}

/// Sends an empty POST with more headers, each ended by a line's end.
///
/// # Errors
/// As [`get`].
pub fn post(address: &str, path: &str, headers: &str) -> Result<Answer> {
    ask("POST", address, path, headers, "")
}

/// Sends a POST with a body.
///
/// # Errors
/// As [`get`].
pub fn send(address: &str, path: &str, headers: &str, body: &str) -> Result<Answer> {
    ask("POST", address, path, headers, body)
}

fn ask(method: &str, address: &str, path: &str, headers: &str, body: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let headers =
        if method == "GET" { headers.to_owned() } else { format!("Content-Length: {}\r\n{headers}", body.len()) };
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("reading {path} from {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer without an end of its head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("an answer without a status")?;
    Ok(Answer { status, body: body.to_owned() })
}

/// The samples of a `/metrics` page.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Vec<(String, String, f64)>);

impl Metrics {
    /// Reads the Prometheus text format.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name.to_owned(), labels.trim_end_matches('}').to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// Adds up the series of a name whose labels include those given; 0 where there is none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let matches = self.0.iter().filter(|(n, l, _)| n == name && wanted.iter().all(|w| l.contains(w.as_str())));
        matches.map(|(_, _, value)| value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn sums_the_series_whose_labels_match() {
        let metrics = Metrics::parse("# HELP a x\na{p=\"1\",q=\"x\"} 2\na{p=\"2\",q=\"x\"} 3.5\nab 7\n");
        assert_eq!(metrics.sum("a", &[]), 5.5);
        assert_eq!(metrics.sum("a", &[("p", "2")]), 3.5);
        assert_eq!(metrics.sum("ab", &[]), 7.0);
        assert_eq!(metrics.sum("b", &[]), 0.0);
    }
}
