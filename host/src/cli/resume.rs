//! `edgemill resume`: asks the running program, at its admin port, to try again what partitions wait for.

use super::arguments::ConfigFile;
use super::{Done, Failure};
use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long the program may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets partitions go on that wait in front of a record that failed, as `on = { … = "pause" }` says
///
/// The record is tried again: with another module, or because what was missing is there now. Where it fails again its
/// partition waits again. Without --partition all that this host holds goes on, and an open breaker tries a few records at
/// once. Every host of a group is asked by itself: the configuration's `[admin] listen` says where. Examples:
///
///   edgemill resume -c edgemill.toml
///   edgemill resume -c edgemill.toml flights --partition flights/3
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// Only this partition
    #[arg(long, value_name = "TOPIC/N", value_parser = partition)]
    partition: Option<(String, i32)>,
}

fn partition(text: &str) -> Result<(String, i32), String> {
    let parts = text.rsplit_once('/').and_then(|(topic, number)| Some((topic, number.parse().ok()?)));
    match parts {
        Some((topic, number)) if !topic.is_empty() && number >= 0 => Ok((topic.to_owned(), number)),
        _ => Err("write TOPIC/N, as flights/3".to_owned()),
    }
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let names: Vec<_> = config.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
    let pipeline = match (&arguments.pipeline, &names[..]) {
        (Some(name), _) if names.contains(&name.as_str()) => name.as_str(),
        (None, [only]) => only,
        (Some(name), _) => {
            return Err(Failure::usage(format!("no pipeline {name:?}; the configuration has {}", names.join(", "))));
        }
        (None, _) => return Err(Failure::usage(format!("which pipeline? The configuration has {}", names.join(", ")))),
    };
    let Some(admin) = config.admin else {
        return Err(Failure::usage("the admin port is off, and this command goes through it: set `[admin] listen`"));
    };
    // topics have letters, digits, dots, dashes and underscores only: nothing to escape
    let query = arguments.partition.as_ref().map(|(topic, number)| format!("?topic={topic}&partition={number}"));
    let path = format!("/pipelines/{pipeline}/resume{}", query.unwrap_or_default());
    let answer = post(reachable(admin), &path)?;
    let mut out = std::io::stdout().lock();
    for one in answer["resumed"].as_array().into_iter().flatten() {
        match (one["topic"].as_str(), one["breaker"].as_str()) {
            (Some(topic), _) => {
                writeln!(out, "{topic}/{} is tried again from offset {}", one["partition"], one["offset"])?;
            }
            (None, Some(failed)) => writeln!(out, "the breaker tries a few records again; it had tripped on {failed}")?,
            (None, None) => {}
        }
    }
    Ok(Done::Well)
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

/// Asks in HTTP/1.0, so that the answer ends with the connection and never comes in chunks.
fn post(admin: SocketAddr, path: &str) -> anyhow::Result<Value> {
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&admin, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "POST {path} HTTP/1.0\r\nHost: {admin}\r\nContent-Length: 0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().map_err(|error| {
        anyhow!("cannot ask the program at {admin}: {error}; does it run with this configuration, on this host?")
    })?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("what answers at {admin} is no HTTP"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    match (status, body["error"].as_str()) {
        ("200", _) => Ok(body),
        (_, Some(error)) => bail!("{error}"),
        (status, None) => {
            bail!("{admin} answers {status} to {path}: is it the admin port of this version of edgemill?")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_a_topic_and_a_number() {
        assert_eq!(partition("flights/3"), Ok(("flights".to_owned(), 3)));
        for wrong in ["flights", "flights/", "/3", "flights/-1", "flights/x"] {
            assert!(partition(wrong).unwrap_err().contains("TOPIC/N"), "{wrong}");
        }
    }

    #[test]
    fn what_listens_everywhere_is_reached_at_the_loopback() {
        let reached = |address: &str| reachable(address.parse().expect("an address")).to_string();
        assert_eq!(reached("0.0.0.0:9690"), "127.0.0.1:9690");
        assert_eq!(reached("[::]:9690"), "[::1]:9690");
        assert_eq!(reached("10.0.0.7:9690"), "10.0.0.7:9690");
    }
}
