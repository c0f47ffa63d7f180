//! The conformance transform in Rust: see `guest-sdk/conformance/README.md`.

use edgemill_guest::log::{Level, write};
use edgemill_guest::{Outputs, Record, Reject, Result, Transform, export};
use serde::Deserialize;
use std::fmt::Display;

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    mark: Option<String>,
    limit: Option<i64>,
}

/// The transform.
pub struct Conformance {
    mark: String,
    limit: i64,
}

impl Transform for Conformance {
    type Config = Option<Config>;

    fn configure(config: Option<Config>) -> Result<Self, String> {
        let Some(Config { mark, limit }) = config else { return Ok(Self { mark: "none".to_owned(), limit: 100 }) };
        let mark = mark.ok_or("the configuration has no mark")?;
        match limit.unwrap_or(100) {
            limit if limit > 0 => Ok(Self { mark, limit }),
            _ => Err("limit must be above 0".to_owned()),
        }
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(command) = record.value().and_then(|value| value.strip_prefix(b"!")) else {
            out.keep();
            return Ok(());
        };
        let (word, rest) = split(command);
        match word {
            b"keep" => out.keep(),
            b"drop" => {}
            b"value" => drop(out.emit().value(rest)),
            b"null" => drop(out.emit().value(None::<&[u8]>)),
            b"key" => drop(out.emit().key(rest)),
            b"nokey" => drop(out.emit().key(None::<&[u8]>)),
            b"time" => drop(out.emit().timestamp(number(rest)?)),
            b"header" => {
                let (name, value) = split(rest);
                out.emit().header(&text(name), value);
            }
            b"nullheader" => drop(out.emit().header(&text(rest), None::<&[u8]>)),
            b"unheader" => drop(out.emit().remove_header(&text(rest))),
            b"route" => drop(out.emit().route(&text(rest))),
            b"twice" => {
                out.keep();
                out.emit().value("again");
            }
            b"many" => self.many(number(rest)?, out)?,
            b"long" => drop(out.emit().value("x".repeat(number(rest)? as usize).as_str())),
            b"all" => drop(out.emit().key("k").value(rest).timestamp(7).header("h", "v").route("audit")),
            b"reject" => return Err(reject(rest)),
            b"late" => {
                out.keep();
                return Err(reject(rest));
            }
            b"log" => {
                let (level, message) = split(rest);
                write(named(level)?, format_args!("{}", text(message)));
                out.keep();
            }
            b"tell" => {
                let (topic, partition, offset) = (record.topic(), record.partition(), record.offset());
                let timestamp = or_dash(record.timestamp());
                let key = or_dash(record.key().map(text));
                out.emit().value(format!("{topic} {partition} {offset} {timestamp} {key}").as_str());
            }
            b"headers" => {
                let one = |header: edgemill_guest::Header<'_>| {
                    format!("{}={}", text(header.name), or_dash(header.value.map(text)))
                };
                out.emit().value(record.headers().map(one).collect::<Vec<_>>().join(",").as_str());
            }
            b"last" => {
                let name = text(rest);
                let Some(header) = record.header(&name) else {
                    return Err(Reject::new("no-header", format!("there is no header {name}")));
                };
                out.emit().value(header.value);
            }
            b"mark" => drop(out.emit().value(self.mark.as_str())),
            b"trap" => panic!("as it was told"),
            b"loop" => loop {
                std::hint::black_box(());
            },
            b"grow" => {
                let mut all = Vec::new();
                loop {
                    all.push(std::hint::black_box(vec![1u8; 1 << 20]));
                }
            }
            word => return Err(Reject::new("unknown-command", text(word))),
        }
        Ok(())
    }
}

impl Conformance {
    fn many(&self, count: i64, out: &mut Outputs<'_>) -> Result {
        if count > self.limit {
            return Err(Reject::new("too-many", format!("{count} is over the limit of {}", self.limit)));
        }
        for index in 0..count {
            out.emit().value(index.to_string().as_str());
        }
        Ok(())
    }
}

/// What stands before the first space, and behind it.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(bytes: &[u8]) -> Result<i64> {
    text(bytes).parse().map_err(|error| Reject::new("not-a-number", format!("{}: {error}", text(bytes))))
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn reject(rest: &[u8]) -> Reject {
    let (code, message) = split(rest);
    Reject::new(text(code), text(message))
}

fn named(level: &[u8]) -> Result<Level> {
    match level {
        b"trace" => Ok(Level::Trace),
        b"debug" => Ok(Level::Debug),
        b"info" => Ok(Level::Info),
        b"warn" => Ok(Level::Warn),
        b"error" => Ok(Level::Error),
        _ => Err(Reject::new("unknown-level", text(level))),
    }
}

export!(Conformance);

#[cfg(test)]
mod tests {
    use super::Conformance;
    use edgemill_guest::testing::Harness;

    #[test]
    fn it_runs_without_wasm() {
        let harness = Harness::configured::<Conformance>(r#"{"mark":"m"}"#).unwrap();
        let mut harness = harness;
        let results = harness.run(["a", "!mark", "!drop", "!reject c why", "!many 2"]);
        assert_eq!(results.texts(), ["a", "m", "0", "1"]);
        assert_eq!(results.codes(), ["c"]);
        assert!(Harness::configured::<Conformance>(r#"{"mark":"m","limit":0}"#).is_err());
    }
}
