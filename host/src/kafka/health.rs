//! What an error of the cluster means, for consumers and producers alike, and librdkafka's logs.

use super::Identity;
use super::raw::{Error, Handle};
use crate::config::KafkaClient;
use crate::metrics;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tls::Tls;

mod tls;

mod remedy;

/// How long the cluster is asked, at least and at most, before it counts as unreachable.
const PROBE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// How often one and the same error is logged.
const SAID_AGAIN: Duration = Duration::from_secs(10);

/// What the worker does about its client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A person is needed.
    End(String),
    /// The client is of no use any more.
    Anew(String),
    /// Another client works under the same id.
    Fenced(String),
}

impl Verdict {
    /// For a person.
    pub(super) fn reason(self) -> String {
        match self {
            Verdict::End(reason) | Verdict::Anew(reason) | Verdict::Fenced(reason) => reason,
        }
    }
}

/// Watches a client's errors, and decides when they are the end.
pub(super) struct Health {
    identity: Identity,
    /// "source" or "sink", for people; "" where one person waits for one answer, who needs no log.
    side: &'static str,
    brokers: String,
    /// How the client says who it is; no secret.
    credentials: String,
    tls: Tls,
    unreachable_after: Option<Duration>,
    /// Whether the cluster has ever answered.
    answered: bool,
    down: Option<Instant>,
    /// The last failure to connect.
    reason: String,
    /// Why TLS lets no connection come about, and what to do.
    refusal: Option<String>,
    verdict: Option<Verdict>,
    said: HashMap<i32, (Instant, u32)>,
}

impl Health {
    pub(super) fn new(client: &KafkaClient, identity: &Identity, side: &'static str) -> Self {
        let option = |name: &str| client.options.get(name).cloned();
        let mechanism = option("sasl.mechanism").or(option("sasl.mechanisms"));
        let credentials = match (mechanism, option("sasl.username")) {
            (Some(mechanism), Some(user)) => format!("{mechanism} as {user:?}"),
            (Some(mechanism), None) => mechanism,
            (None, _) => option("security.protocol").unwrap_or_else(|| "plaintext".to_owned()),
        };
        Self {
            identity: identity.clone(),
            side,
            brokers: client.brokers.clone(),
            credentials,
            tls: Tls::of(client),
            unreachable_after: client.unreachable_after,
            answered: false,
            down: None,
            reason: String::new(),
            refusal: None,
            verdict: None,
            said: HashMap::new(),
        }
    }

    /// For a client that tries a connection: brokers that are down are so at once, and nothing is logged, since the verdict
    /// tells it.
    pub(super) fn of_probe(client: &KafkaClient) -> Self {
        let client = KafkaClient { unreachable_after: Some(Duration::ZERO), ..client.clone() };
        Self::new(&client, &Identity { pipeline: String::new(), host: String::new(), worker: 0 }, "")
    }

    fn is_probe(&self) -> bool {
        self.side.is_empty()
    }

    /// How the client says who it is; no secret.
    pub(super) fn credentials(&self) -> &str {
        &self.credentials
    }

    /// Why brokers cannot be reached, as far as that is known, and what to do.
    pub(super) fn why(&self) -> String {
        if let Some(refusal) = &self.refusal {
            return format!(": {refusal}");
        }
        match (self.reason.as_str(), remedy::remedy(&self.reason)) {
            ("", _) => String::new(),
            (reason, None) => format!(": {reason}"),
            (reason, Some(remedy)) => format!(": {reason}; {remedy}"),
        }
    }

    /// Who refuses: a probe's line names them already.
    fn subject(&self) -> &str {
        if self.is_probe() { "they" } else { &self.brokers }
    }

    /// What a person's messages begin with.
    fn prefix(&self) -> String {
        if self.is_probe() { String::new() } else { format!("kafka {}: ", self.side) }
    }

    /// The cluster has answered.
    pub(super) fn up(&mut self) {
        (self.answered, self.refusal) = (true, None);
        if self.down.take().is_some() {
            tracing::info!(pipeline = self.identity.pipeline, side = self.side, "kafka answers again");
        }
    }

    /// Whether the cluster has answered, and its brokers are not known to be down since.
    pub(super) fn is_up(&self) -> bool {
        self.answered && self.down.is_none()
    }

    /// Takes note of an error. `about` names what it concerns, where that is known.
    pub(super) fn note(&mut self, error: &Error, fatal: bool, about: &str) {
        let Error { code, text } = error;
        if *code == Code::PartitionEOF {
            return;
        }
        self.count(*code);
        let (prefix, brokers) = (self.prefix(), self.subject());
        let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
        let verdict = match code {
            Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
                Verdict::End(format!(
                    "{prefix}{brokers} refused the authentication by {}: {text}; check the sasl options in `librdkafka`",
                    self.credentials
                ))
            }
            // each question of a probe about a topic or a group has its own answer, and the client asks about its group by itself
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed if self.is_probe() => return,
            Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => {
                let group = match code {
                    Code::GroupAuthorizationFailed => {
                        ", or name a group that is: often one that begins with the user's name"
                    }
                    _ => "",
                };
                Verdict::End(format!(
                    "{prefix}{brokers} do not allow it{about}: {text}; have it allowed to {}, or use other credentials{group}",
                    self.credentials
                ))
            }
            Code::InvalidSessionTimeout | Code::InvalidGroupId => {
                Verdict::End(format!("{prefix}{brokers} refuse the group{about}: {text}"))
            }
            _ if fatal => Verdict::Anew(format!("{prefix}{text} ({code})")),
            // a cluster that has answered may be given new certificates just now
            Code::AllBrokersDown if let (Some(refusal), false) = (&self.refusal, self.answered) => {
                let to = if self.is_probe() { String::new() } else { format!(" to {brokers}") };
                Verdict::End(format!("{prefix}no connection{to}: {refusal}"))
            }
            Code::AllBrokersDown => {
                self.down.get_or_insert_with(Instant::now);
                return self.say(*code, text, &about);
            }
            _ => {
                if matches!(code, Code::BrokerTransportFailure | Code::Resolve | Code::SSL) {
                    self.reason.clone_from(text);
                    self.refusal = self.tls.refusal(text);
                }
                return self.say(*code, text, &about);
            }
        };
        // the first reason is the best one
        self.verdict.get_or_insert(verdict);
    }

    /// Counts an error, so that retries show.
    pub(super) fn count(&self, code: Code) {
        metrics::kafka_error(&self.identity.pipeline, self.side, format!("{code:?}"));
    }

    /// Fails once somebody must act. Blocks shortly when all brokers have been down for long enough, to ask once more:
    /// librdkafka tells when they go, but not when they come back.
    pub(super) fn check(&mut self, handle: &Handle) -> Result<(), Verdict> {
        if let Some(verdict) = &self.verdict {
            // the error that was told does not say why
            let fenced = handle.fatal().filter(Error::is_fenced);
            return Err(fenced.map_or_else(|| verdict.clone(), |error| self.fenced(&error)));
        }
        let (Some(down), Some(limit)) = (self.down, self.unreachable_after) else { return Ok(()) };
        if down.elapsed() < limit {
            return Ok(());
        }
        if handle.metadata(None, limit.clamp(PROBE.0, PROBE.1)).is_ok() {
            self.up();
            return Ok(());
        }
        let (prefix, brokers, why) = (self.prefix(), &self.brokers, self.why());
        if self.is_probe() {
            return Err(Verdict::End(format!("none of them could be reached{why}")));
        }
        let seconds = down.elapsed().as_secs();
        let message = format!(
            "{prefix}none of the brokers {brokers} could be reached for {seconds} s (`unreachable_after`){why}"
        );
        Err(Verdict::End(message))
    }

    /// What to do about a client whose id another one has taken over.
    pub(super) fn fenced(&self, error: &Error) -> Verdict {
        Verdict::Fenced(format!("{}another client works under the same id: {error}", self.prefix()))
    }

    /// A line of librdkafka's own.
    pub(super) fn log(&mut self, level: i32, facility: &str, text: &str) {
        // a connection that is closed by the broker is no error to librdkafka, but may be the whole reason
        if facility == "FAIL" {
            text.split_once("]: ").map_or(text, |(_, text)| text).clone_into(&mut self.reason);
        }
        let (pipeline, worker, side) = (&self.identity.pipeline, self.identity.worker, self.side);
        match (level, facility) {
            _ if self.is_probe() => {}
            // these come as errors too, and are told by `note`
            (_, "FAIL" | "ERROR") | (6.., _) => {
                tracing::debug!(target: "librdkafka", pipeline, worker, side, facility, "{text}");
            }
            _ => tracing::warn!(target: "librdkafka", pipeline, worker, side, facility, "{text}"),
        }
    }

    /// Warns, but not over and over.
    pub(super) fn say(&mut self, code: Code, text: &str, about: &str) {
        if self.is_probe() {
            return;
        }
        let (said, more) = self.said.entry(code as i32).or_insert((Instant::now(), 0));
        if *more > 0 && said.elapsed() < SAID_AGAIN {
            *more += 1;
            return;
        }
        let (pipeline, worker, side) = (&self.identity.pipeline, self.identity.worker, self.side);
        tracing::warn!(pipeline, worker, side, code = ?code, repeated = more.saturating_sub(1), "kafka: {text}{about}");
        (*said, *more) = (Instant::now(), 1);
    }
}
