//! Tries a cluster without data: nothing is read or written, no group is joined, no transactional id taken, no topic made.

use super::Identity;
use super::health::{Health, Verdict};
use super::options::{self, refused};
use super::raw::{Error, Handle, Queue, Rights, Said, SeenGroup, SeenTopic};
use super::session::Session;
use super::start;
use crate::config::{KafkaClient, KafkaSource, Start, Topics};
use crate::finding::Finding;
use crate::record::Partition;
use rdkafka::Offset;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One look at the answers; between two the client's events are served, so that a refused authentication ends the waiting.
const TICK: Duration = Duration::from_millis(50);

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Probed {
    /// Line by line.
    pub findings: Vec<Finding>,
    /// How many partitions each topic has, of those that are there.
    pub partitions: Vec<(String, usize)>,
}

/// What a producer is tried for.
#[derive(Clone, Copy, Debug)]
pub struct Written<'c> {
    /// The cluster.
    pub client: &'c KafkaClient,
    /// Each with the part of the pipeline that writes to it.
    pub topics: &'c [(&'static str, &'c str)],
    /// Where rows are delivered in transactions.
    pub transactional_id: Option<&'c str>,
}

/// Tries what a source needs, within about `limit`.
pub fn source(config: &KafkaSource, identity: &Identity, limit: Duration) -> Probed {
    let made = Handle::consumer(&options::consumer(config, identity, 1));
    probe("source", &config.client, made, limit, |probe| probe.source(config))
}

/// Tries what writing needs, within about `limit`.
pub fn written(written: Written<'_>, limit: Duration) -> Probed {
    let Written { client, topics, transactional_id } = written;
    let made = Handle::producer(&options::producer(client, transactional_id));
    let part = topics.first().map_or("sink", |(part, _)| *part);
    probe(part, client, made, limit, |probe| {
        for (part, topic) in topics {
            probe.part = part;
            probe.topic(topic, Use::Write)?;
        }
        if let Some(id) = transactional_id {
            let why =
                "it would be taken from a host that runs; the user must be allowed to WRITE it, and to DESCRIBE it";
            probe.findings.push(Finding::untried(part, format!("transactional id {id}"), why));
        }
        Ok(())
    })
}

/// What a topic is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
}

impl Use {
    fn right(self) -> &'static str {
        if self == Use::Read { "READ" } else { "WRITE" }
    }

    fn allowed(self, rights: &Rights) -> Option<bool> {
        if self == Use::Read { rights.read() } else { rights.write() }
    }

    fn done(self) -> &'static str {
        if self == Use::Read { "read" } else { "written" }
    }
}

struct Probe<'h> {
    session: Session<'h>,
    part: &'static str,
    deadline: Instant,
    limit: Duration,
    findings: Vec<Finding>,
    partitions: Vec<(String, usize)>,
}

/// Why a question has no answer.
enum Failed {
    /// The cluster says so.
    Refused(Error),
    /// There is no use in asking on.
    Over(String),
}

fn probe(
    part: &'static str,
    client: &KafkaClient,
    made: Result<Arc<Handle>, KafkaError>,
    limit: Duration,
    run: impl FnOnce(&mut Probe<'_>) -> Result<(), String>,
) -> Probed {
    let about = format!("brokers {}", client.brokers);
    let bad = |why: String| Probed { findings: vec![Finding::bad(part, &about, why)], partitions: Vec::new() };
    let mut health = Health::of_probe(client);
    let session = match made.and_then(|handle| Session::of(handle, &mut health)) {
        Ok(session) => session,
        Err(error) => return bad(refused(error)),
    };
    let deadline = Instant::now() + limit;
    let mut probe = Probe { session, part, deadline, limit, findings: Vec::new(), partitions: Vec::new() };
    // what ends the questions is told of the brokers: no other line would be known to be true
    if let Err(why) = probe.brokers(&about).and_then(|()| run(&mut probe)) {
        let part = probe.part;
        probe.findings.push(Finding::bad(part, &about, why));
    }
    Probed { findings: probe.findings, partitions: probe.partitions }
}

impl Probe<'_> {
    fn good(&mut self, about: String, what: String) {
        self.findings.push(Finding::good(self.part, about, what));
    }

    fn bad(&mut self, about: String, why: String) {
        self.findings.push(Finding::bad(self.part, about, why));
    }

    fn source(&mut self, config: &KafkaSource) -> Result<(), String> {
        let names = self.names(&config.topics)?;
        let mut partitions = Vec::new();
        for name in &names {
            let numbers = self.topic(name, Use::Read)?;
            partitions.extend(numbers.into_iter().map(|number| Partition { topic: name.clone(), number }));
        }
        if self.group(&config.group)? && !partitions.is_empty() {
            self.committed(config, &partitions)?;
        }
        self.leaders(&partitions)
    }

    fn brokers(&mut self, about: &str) -> Result<(), String> {
        let ask = |handle: &Handle, limit, queue: &Queue| handle.ask_cluster(limit, queue);
        match self.ask(ask, |said| if let Said::Cluster(answer) = said { Some(answer) } else { None }) {
            Ok(count) => {
                let who = self.session.health.credentials();
                let what =
                    format!("{count} {} here, reached by {who}", if count == 1 { "broker is" } else { "brokers are" });
                self.good(about.to_owned(), what);
                Ok(())
            }
            Err(Failed::Refused(error)) => Err(told(&error)),
            Err(Failed::Over(why)) => Err(why),
        }
    }

    /// The topics to read; those of a pattern are asked for.
    fn names(&mut self, topics: &Topics) -> Result<Vec<String>, String> {
        let pattern = match topics {
            Topics::List(names) => return Ok(names.clone()),
            Topics::Pattern(pattern) => pattern,
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        let Some(found) = self.session.partitions(topics, left).map_err(Verdict::reason)? else {
            return Err(self.silent());
        };
        let mut names: Vec<_> = found.into_iter().map(|partition| partition.topic).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            let why =
                "no topic that may be seen matches it: create one, correct it, or grant DESCRIBE and READ on them";
            self.bad(format!("topics {pattern}"), why.to_owned());
        }
        Ok(names)
    }

    /// Tries one topic, and gives its partitions.
    fn topic(&mut self, name: &str, to: Use) -> Result<Vec<i32>, String> {
        let about = format!("topic {name}");
        let ask = |handle: &Handle, limit, queue: &Queue| handle.ask_topic(name, limit, queue);
        let answer = self.ask(ask, |said| if let Said::Topic(answer) = said { Some(answer) } else { None });
        let SeenTopic { partitions, leaderless, rights } = match answer {
            Ok(topic) => topic,
            Err(Failed::Over(why)) => return Err(why),
            Err(Failed::Refused(error)) => {
                let why = match error.code {
                    Code::UnknownTopic | Code::UnknownTopicOrPartition => {
                        "it does not exist: create it, or correct its name".to_owned()
                    }
                    Code::TopicAuthorizationFailed => self.denied(to.right(), &about),
                    _ => told(&error),
                };
                self.bad(about, why);
                return Ok(Vec::new());
            }
        };
        let count = partitions.len();
        self.partitions.push((name.to_owned(), count));
        let told = format!("{count} partition{}", if count == 1 { "" } else { "s" });
        if to.allowed(&rights) == Some(false) {
            let why = self.denied(to.right(), &about);
            self.bad(about, why);
        } else if !leaderless.is_empty() {
            self.bad(about, format!("nobody leads its partitions {leaderless:?}: are all brokers up?"));
        } else {
            let may = match to.allowed(&rights) {
                Some(_) => format!("may be {}", to.done()),
                None => format!("whether it may be {} the brokers do not tell", to.done()),
            };
            self.good(about, format!("{told}; {may}"));
        }
        Ok(partitions)
    }

    /// Tries a group. Tells whether its offsets can be asked for.
    fn group(&mut self, name: &str) -> Result<bool, String> {
        let about = format!("group {name}");
        let ask = |handle: &Handle, limit, queue: &Queue| handle.ask_group(name, limit, queue);
        let answer = self.ask(ask, |said| if let Said::Group(answer) = said { Some(answer) } else { None });
        let seen = match answer {
            Ok(seen) => seen,
            Err(Failed::Over(why)) => return Err(why),
            Err(Failed::Refused(error)) if error.code == Code::GroupAuthorizationFailed => {
                let why = self.denied("READ", &about);
                self.bad(about, why);
                return Ok(false);
            }
            // a group that nobody was in yet, as some brokers say it; and who does not know the question
            Err(Failed::Refused(error)) if matches!(error.code, Code::GroupIdNotFound | Code::UnsupportedFeature) => {
                SeenGroup { members: 0, rights: Rights::default() }
            }
            Err(Failed::Refused(error)) => {
                self.bad(about, told(&error));
                return Ok(true);
            }
        };
        let members = match seen.members {
            0 => "nobody is in it".to_owned(),
            1 => "one member is in it".to_owned(),
            many => format!("{many} members are in it"),
        };
        match seen.rights.read() {
            Some(false) => {
                let why = self.denied("READ", &about);
                self.bad(about, why);
                return Ok(false);
            }
            Some(true) => self.good(about, format!("{members}; may be read and committed")),
            None => self.good(about, format!("{members}; whether it may be joined the brokers do not tell")),
        }
        Ok(true)
    }

    fn committed(&mut self, config: &KafkaSource, partitions: &[Partition]) -> Result<(), String> {
        let about = format!("offsets of {}", config.group);
        let (handle, names) = (self.session.handle.clone(), partitions.iter().collect::<Vec<_>>());
        let (deadline, session) = (self.deadline, &mut self.session);
        let committed = start::committed(&handle, &config.group, &names, deadline, |wait| session.serve(wait));
        let (known, all) = match committed {
            Ok(committed) => (committed.len(), partitions.len()),
            Err(verdict) => {
                self.bad(about, plain(verdict));
                return Ok(());
            }
        };
        if known < all && config.start == Start::Stored {
            let why = format!(
                "{} of {all} partitions have none, and `start = \"stored\"` allows no other place: set them by \
                 `edgemill reset`, or choose another `start`",
                all - known
            );
            self.bad(about, why);
        } else {
            self.good(about, format!("{known} of {all} partitions have one; the others begin where `start` says"));
        }
        Ok(())
    }

    /// Each partition's leader is asked for its end: its address is another one than those of `brokers`.
    fn leaders(&mut self, partitions: &[Partition]) -> Result<(), String> {
        if partitions.is_empty() {
            return Ok(());
        }
        let about = "leaders of partitions".to_owned();
        let handle = self.session.handle.clone();
        let ends: Vec<_> = partitions.iter().map(|partition| (partition, Offset::End)).collect();
        let (deadline, session) = (self.deadline, &mut self.session);
        match start::for_times(&handle, &ends, deadline, |wait| session.serve(wait)) {
            Ok(_) => self.good(about, "all answer".to_owned()),
            Err(verdict) => {
                let why = format!(
                    "{}{}; can the brokers be reached at the addresses that they advertise?",
                    plain(verdict),
                    self.session.health.why()
                );
                self.bad(about, why);
            }
        }
        Ok(())
    }

    fn denied(&self, right: &str, about: &str) -> String {
        let who = self.session.health.credentials();
        format!("it may not be used: grant {right} on {about} to {who}, or use other credentials")
    }

    fn silent(&self) -> String {
        format!("no answer within {} s{}", self.limit.as_secs(), self.session.health.why())
    }

    /// Asks, and waits for the answer; once more where the cluster is about to know it.
    fn ask<T>(
        &mut self,
        ask: impl Fn(&Handle, Duration, &Queue),
        read: impl Fn(Said) -> Option<Result<T, Error>>,
    ) -> Result<T, Failed> {
        loop {
            let queue = self.session.handle.queue();
            let left = self.deadline.saturating_duration_since(Instant::now()).max(TICK);
            ask(&self.session.handle, left, &queue);
            let answer = loop {
                if let Some(answer) = queue.poll(TICK).and_then(|event| read(event.read())) {
                    break answer;
                }
                self.session.serve(Duration::ZERO).map_err(|verdict| Failed::Over(verdict.reason()))?;
                if Instant::now() >= self.deadline + TICK {
                    return Err(Failed::Over(self.silent()));
                }
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) if matches!(error.code, Code::OperationTimedOut | Code::RequestTimedOut) => {
                    return Err(Failed::Over(self.silent()));
                }
                Err(error) if is_passing(error.code) && Instant::now() < self.deadline => {
                    self.session.serve(4 * TICK).map_err(|verdict| Failed::Over(verdict.reason()))?;
                }
                Err(error) => return Err(Failed::Refused(error)),
            }
        }
    }
}

/// Whether a coordinator or a leader is about to be there: the first question about a group makes a new cluster look for one.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::LeaderNotAvailable
    )
}

/// An error's text; some have none of their own.
fn told(error: &Error) -> String {
    match error.text.trim_end_matches([':', ' ']) {
        "" => error.code.to_string(),
        text if text.len() < error.text.len() => format!("{text}: {}", error.code),
        text => text.to_owned(),
    }
}

/// A verdict's reason, without what a log has in front of it.
fn plain(verdict: Verdict) -> String {
    let reason = verdict.reason();
    reason.strip_prefix("kafka source: ").map(str::to_owned).unwrap_or(reason)
}
