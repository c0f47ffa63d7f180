//! Reads `on`, what is done with records that fail, and `breaker`, when that would be too many of them.

use super::reader::{Item, Place, Section};
use crate::breaker::Limit;
use crate::policy::{Action, Class, Policy, Retry, Rule};
use std::time::Duration;

const ACTIONS: [(&str, Action); 5] = [
    ("dead-letter", Action::DeadLetter),
    ("skip", Action::Skip),
    ("pass-through", Action::PassThrough),
    ("pause", Action::Pause),
    ("stop", Action::Stop),
];

/// What people write instead of the actions.
const OTHERS: [(&str, &str); 14] = [
    ("drop", "skip"),
    ("ignore", "skip"),
    ("discard", "skip"),
    ("dlq", "dead-letter"),
    ("dead letter", "dead-letter"),
    ("fail", "stop"),
    ("error", "stop"),
    ("abort", "stop"),
    ("pass", "pass-through"),
    ("forward", "pass-through"),
    ("keep", "pass-through"),
    ("block", "pause"),
    ("hold", "pause"),
    ("wait", "pause"),
];

/// The keys of `on` and the classes they are for. What is more specific comes later, and so wins.
const KEYS: [(&str, &[Class]); 8] = [
    ("reject", &[Class::Reject]),
    ("fault", &Class::FAULTS),
    ("trap", &[Class::Trap]),
    ("timeout", &[Class::Timeout]),
    ("memory", &[Class::Memory]),
    ("output", &[Class::Output]),
    ("encode", &[Class::Encode]),
    ("refused", &[Class::Refused]),
];

const EXAMPLE: &str = "write `on = { reject = \"dead-letter\", fault = \"dead-letter\" }`";
const RETRY: &str = "write `{ retry = 3, backoff = \"100 ms\", then = \"dead-letter\" }`";

/// Whose `on` it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The pipeline: for its modules, and for its sink.
    Pipeline,
    /// A module.
    Module,
}

/// Reads an `on` over the policy that holds without it.
pub(super) fn policy(item: Option<&Item<'_>>, default: Policy, owner: Owner) -> Policy {
    let Some(section) = item.and_then(|item| item.section(EXAMPLE)) else { return default };
    let sinks = |classes: &[Class]| Class::SINK.contains(&classes[0]);
    let known: Vec<&str> = match owner {
        Owner::Pipeline => KEYS.iter().map(|(key, _)| *key).collect(),
        Owner::Module => KEYS.iter().filter(|(_, classes)| !sinks(classes)).map(|(key, _)| *key).collect(),
    };
    section.only(&known, |key, _| {
        let of_sink = KEYS.iter().any(|(name, classes)| *name == key && sinks(classes));
        of_sink.then(|| format!("it is the sink that says so, not a module: write `{key}` in `on` of the pipeline"))
    });
    let mut policy = default;
    for (key, classes) in KEYS.iter().filter(|(key, _)| known.contains(key)) {
        if let Some(rule) = section.get(key).and_then(|item| rule(&item, sinks(classes))) {
            policy = policy.with(classes, rule);
        }
    }
    policy
}

fn rule(item: &Item<'_>, of_sink: bool) -> Option<Rule> {
    if item.value.as_table().is_none() {
        if item.is("retry") {
            item.wrong("`retry` does not say how often", RETRY);
            return None;
        }
        return action(item, of_sink).map(Rule::from);
    }
    let section = item.section(RETRY)?;
    section.only(&["retry", "backoff", "then"], |_, _| None);
    section.need("retry", "it does not say how often a record is tried again", RETRY);
    let times = section.get("retry").and_then(|item| item.count(1..=1000));
    let backoff = match section.get("backoff") {
        Some(item) => backoff(&item),
        None => Some(Duration::from_millis(100)),
    };
    let then = match section.get("then") {
        Some(item) if item.value.as_table().is_some() || item.is("retry") => {
            item.wrong("after `retry` comes an end", "write one of the other actions, as `then = \"dead-letter\"`");
            None
        }
        Some(item) => action(&item, of_sink),
        None => Some(Action::DeadLetter),
    };
    let times = u32::try_from(times?).ok()?;
    Some(Rule { retry: Some(Retry { times, backoff: backoff? }), then: then? })
}

fn backoff(item: &Item<'_>) -> Option<Duration> {
    let backoff = item.duration(Duration::from_millis(1))?;
    if backoff > Retry::LONGEST {
        item.wrong(
            "the time is too long",
            "write \"30 s\" or less: waits double from there, and none is longer than 30 s",
        );
        return None;
    }
    Some(backoff)
}

fn action(item: &Item<'_>, of_sink: bool) -> Option<Action> {
    let action = item.word_or(&ACTIONS, &OTHERS)?;
    if of_sink && action == Action::PassThrough {
        let help = "write \"dead-letter\", \"skip\", \"pause\" or \"stop\"";
        item.wrong(
            "what the sink does not take cannot pass through it: the record as it came would be a row of the same sink",
            help,
        );
        return None;
    }
    Some(action)
}

/// What every class gets where nothing is said: a dead letter. Where there is no topic for those, the sink's failures stop
/// the pipeline, which loses nothing; of a module's somebody has to say.
pub(super) fn default(has_dead_letter: bool) -> Policy {
    let sink = if has_dead_letter { Action::DeadLetter } else { Action::Stop };
    Policy::all(Action::DeadLetter).with(&Class::SINK, sink)
}

/// Tells where failed records go to a dead-letter topic that is not there: of the pipeline, once.
pub(super) struct Silence<'p, 'a> {
    pub(super) pipeline: &'p Section<'a>,
    pub(super) name: &'p str,
    pub(super) told: bool,
}

impl Silence<'_, '_> {
    /// Looks at the rules of some classes; `place` is where they are written, or would be.
    pub(super) fn look(&mut self, policy: &Policy, classes: &[Class], place: &Place) {
        let silent = classes.iter().any(|class| policy.rule(*class).then == Action::DeadLetter);
        if !silent || self.told {
            return;
        }
        self.told = true;
        let name = self.name;
        let help = format!(
            "add a topic for them:\n[pipelines.{name}.dead-letter]\ntopic = \"{name}.dead-letter\"\nor say what else is done with \
             them, in `[pipelines.{name}]`:\non = {{ reject = \"skip\", fault = \"stop\" }}"
        );
        let message = "records that fail go to the dead-letter topic, and there is none";
        self.pipeline.reader.error(place, message, &[&help]);
    }
}

/// Reads `breaker`. None: it is off.
pub(super) fn breaker(item: Option<&Item<'_>>) -> Option<Limit> {
    let mut limit = Limit::default();
    let Some(item) = item else { return Some(limit) };
    let example = "write `breaker = { failed = 0.5, of = 1000, probe = \"10 s\" }`, or `breaker = \"off\"`";
    if item.is("off") {
        return None;
    }
    if let Some(section) = item.section(example) {
        section.only(&["failed", "of", "probe"], |_, _| None);
        if let Some(failed) = section.get("failed").and_then(|item| item.share()) {
            limit.failed = failed;
        }
        if let Some(of) = section.get("of").and_then(|item| item.count(10..=1_000_000)) {
            limit.of = of;
        }
        if let Some(probe) = section.get("probe").and_then(|item| item.duration(Duration::from_millis(100))) {
            limit.probe = probe;
        }
    }
    Some(limit)
}
