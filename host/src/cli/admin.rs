//! Asks the running program at its admin port.

use super::Failure;
use crate::config::Config;
use anyhow::{anyhow, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long the program may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer whose body is still to be read.
pub(super) type Answer = BufReader<TcpStream>;

/// Where the program listens, as its configuration says.
pub(super) fn port(config: &Config) -> Result<SocketAddr, Failure> {
    let off = || Failure::usage("the admin port is off, and this command goes through it: set `[admin] listen`");
    config.admin.map(reachable).ok_or_else(off)
}

/// Where to connect to what listens at an address.
fn reachable(mut admin: SocketAddr) -> SocketAddr {
    match admin.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => admin.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => admin.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    admin
}

/// Posts JSON, or nothing. In HTTP/1.0, so that the answer ends with the connection and never comes in chunks.
pub(super) fn post(admin: SocketAddr, path: &str, json: &str) -> anyhow::Result<Answer> {
    let asked = || -> std::io::Result<(String, Answer)> {
        let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let kind = if json.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = json.len();
        write!(stream, "POST {path} HTTP/1.0\r\nHost: {admin}\r\n{kind}Content-Length: {length}\r\n\r\n{json}")?;
        let mut answer = BufReader::new(stream);
        let (mut first, mut line) = (String::new(), String::new());
        answer.read_line(&mut first)?;
        while answer.read_line(&mut line)? > 0 && line.trim() != "" {
            line.clear();
        }
        Ok((first, answer))
    };
    let (first, answer) = asked().map_err(|error| {
        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
            return anyhow!("the program at {admin} gave no answer within {PATIENCE:?}");
        }
        anyhow!("cannot ask the program at {admin}: {error}; does it run with this configuration, on this host?")
    })?;
    let status = match first.split(' ').nth(1) {
        Some(status) if first.starts_with("HTTP/") => status,
        _ => bail!("what answers at {admin} is no HTTP"),
    };
    if status == "200" {
        return Ok(answer);
    }
    let body: Value = serde_json::from_reader(answer).unwrap_or_default();
    match body["error"].as_str() {
        Some(error) => bail!("{error}"),
        None => bail!("{admin} answers {status} to {path}: is it the admin port of this version of edgemill?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_reached_at_the_loopback() {
        let reached = |address: &str| reachable(address.parse().expect("an address")).to_string();
        assert_eq!(reached("0.0.0.0:9690"), "127.0.0.1:9690");
        assert_eq!(reached("[::]:9690"), "[::1]:9690");
        assert_eq!(reached("10.0.0.7:9690"), "10.0.0.7:9690");
    }
}
