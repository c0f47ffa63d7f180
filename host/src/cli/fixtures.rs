//! Tries a module on cases in every way in which a host may give it their records, so that what only works by luck shows:
//! alone, again, one by one, together, and in random orders and batches. A transform has no way to tell these apart.

use crate::chain::apply::UNKNOWN_ROUTE;
use crate::config::Limits;
use crate::wasm::Engine;
use anyhow::{Result, bail};
use case::Case;
use compare::{differences, log_differences};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use trial::{Came, Place, Took, Trial};

pub(super) mod case;
mod compare;
pub(super) mod logs;
mod trial;

/// The most records of a batch in random orders.
const BATCH: usize = 32;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) limits: Limits,
    /// Random orders.
    pub(super) orders: u32,
    /// Of the random orders: the same seed gives the same ones.
    pub(super) seed: u64,
    /// Whether what comes is written down: then a destination that a module names is no mistake of its.
    pub(super) writes: bool,
}

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// The way in which it was tried, and what was different; none where it is good.
    pub(super) wrong: Option<(String, String)>,
    /// Whether the same records gave something else a second time.
    pub(super) unsteady: bool,
    /// What came of it alone, for whoever writes that down.
    pub(super) came: Came,
    pub(super) log: Vec<String>,
    /// What it took alone.
    pub(super) time: Duration,
    pub(super) memory: usize,
    /// What it cannot do with a tenth of the limits.
    pub(super) tight: Option<String>,
}

/// Tries all cases.
///
/// # Errors
/// A case cannot be read, or an instance does not start again after a fault.
pub(super) fn examine(
    engine: &Engine,
    name: &str,
    bytes: &[u8],
    cases: &[Case],
    effort: Effort,
) -> Result<Vec<Verdict>> {
    // what is logged is compared, or told of cases that are wrong: a hundred runs of the same would drown it
    logs::listen(|| each(Trial::new(engine, name, bytes, cases)?, effort)).0
}

fn each(mut trial: Trial<'_>, effort: Effort) -> Result<Vec<Verdict>> {
    let cases = trial.cases;
    let mut verdicts = Vec::new();
    for case in 0..cases.len() {
        verdicts.push(by_itself(&mut trial, case, effort)?);
    }
    // what is wrong alone, refused, or cut off by a limit tells nothing more beside others
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        if verdicts[index].wrong.is_none() && case.refused.is_none() && !case.is_slow() {
            groups.entry(case.config.to_string()).or_default().push(index);
        }
    }
    let mut random = fastrand::Rng::with_seed(effort.seed);
    for group in groups.values() {
        among_others(&mut trial, group, effort, &mut random, &mut verdicts)?;
    }
    Ok(verdicts)
}

fn by_itself(trial: &mut Trial<'_>, index: usize, effort: Effort) -> Result<Verdict> {
    let (case, limits) = (&trial.cases[index], effort.limits);
    let mut verdict = Verdict::default();
    let refusal = trial.refusal(index, limits);
    if let Some(error) = refusal.as_ref().filter(|error| error.step != "configure") {
        // it is the same for all cases
        bail!("the module {} does not load: {error}", trial.name);
    }
    if let (Some(error), None) = (&refusal, &case.refused) {
        verdict.wrong = Some(("alone".to_owned(), format!("  the module does not start: {error}\n")));
    }
    if let Some(part) = &case.refused {
        let told = refusal.map_or("the module takes it".to_owned(), |error| error.message);
        let wrong =
            || format!("  configuration  {}\n    expected  refused: …{part}…\n    came      {told}\n", case.config);
        verdict.wrong = (!told.contains(part.as_str())).then(|| ("alone".to_owned(), wrong()));
    }
    if verdict.wrong.is_some() || case.refused.is_some() {
        return Ok(verdict);
    }
    let mut first = trial.alone(index, limits)?;
    if effort.writes
        && !case.rejects.iter().any(|reject| reject.code == UNKNOWN_ROUTE)
        && trial.declare_what_was_named()
    {
        first = trial.alone(index, limits)?;
    }
    let (came, took, log) = first;
    verdict = Verdict { came, log, time: took.time, memory: took.memory, ..verdict };
    // before the fixture: what it says cannot be right each time
    let (again, ..) = trial.alone(index, limits)?;
    if let Some(wrong) = differences(case, &verdict.came, &again) {
        let way = "a second time: the same records give something else (expected: what came first)".to_owned();
        return Ok(Verdict { wrong: Some((way, wrong)), unsteady: true, ..verdict });
    }
    let wrong = differences(case, &should(case), &verdict.came).or_else(|| log_differences(case, &verdict.log));
    if let Some(wrong) = wrong {
        verdict.wrong = Some(("alone".to_owned(), wrong));
        return Ok(verdict);
    }
    let places: Vec<Place> = (0..trial.count(index)).map(|record| Place { case: index, record }).collect();
    let ones: Vec<Range<usize>> = (0..places.len()).map(|at| at..at + 1).collect();
    let mut chain = trial.start(index, limits)?;
    let (came, _) = trial.pass(&mut chain, &places, &ones)?;
    verdict.wrong = differences(case, &should(case), &came[index]).map(|wrong| ("one by one".to_owned(), wrong));
    verdict.tight = tight(trial, index, limits)?;
    Ok(verdict)
}

/// What a case cannot do with a tenth of the limits.
fn tight(trial: &mut Trial<'_>, index: usize, limits: Limits) -> Result<Option<String>> {
    let case = &trial.cases[index];
    if case.is_slow() {
        return Ok(None);
    }
    let tenth = Limits { memory: limits.memory / 10, time: limits.time.map(|time| time / 10) };
    if let Some(error) = trial.refusal(index, tenth) {
        return Ok(Some(format!("it does not start: {error}")));
    }
    let (came, ..) = trial.alone(index, tenth)?;
    let mut new = came.rejects.iter().filter(|reject| ["timeout", "memory"].contains(&reject.code.as_str()));
    Ok(new.next().map(|reject| format!("record {} fails: {}", reject.origin, reject.code)))
}

fn among_others(
    trial: &mut Trial<'_>,
    group: &[usize],
    effort: Effort,
    random: &mut fastrand::Rng,
    verdicts: &mut [Verdict],
) -> Result<()> {
    let all: Vec<Place> = group.iter().flat_map(|&case| places(case, trial.count(case))).collect();
    for order in 0..=effort.orders {
        let (way, places, batches) = match order {
            0 => ("in one batch with all others".to_owned(), all.clone(), one(all.len())),
            _ => {
                let way = format!("in random order {order} among all others (--seed {})", effort.seed);
                (way, mixed(trial, group, random), cut(all.len(), random))
            }
        };
        let mut chain = trial.start(group[0], effort.limits)?;
        let (came, Took { memory, .. }) = trial.pass(&mut chain, &places, &batches)?;
        for &case in group {
            let verdict = &mut verdicts[case];
            verdict.memory = verdict.memory.max(memory);
            if verdict.wrong.is_none() {
                let wrong = differences(&trial.cases[case], &should(&trial.cases[case]), &came[case]);
                verdict.wrong = wrong.map(|wrong| (way.clone(), wrong));
            }
        }
    }
    Ok(())
}

fn should(case: &Case) -> Came {
    Came { rows: case.out.clone(), rejects: case.rejects.clone() }
}

fn places(case: usize, count: usize) -> impl Iterator<Item = Place> {
    (0..count).map(move |record| Place { case, record })
}

fn one(count: usize) -> Vec<Range<usize>> {
    (count > 0).then_some(0..count).into_iter().collect()
}

/// The records of the cases in a random order, in which those of a case keep theirs.
fn mixed(trial: &Trial<'_>, group: &[usize], random: &mut fastrand::Rng) -> Vec<Place> {
    let mut turns: Vec<usize> = group.iter().flat_map(|&case| std::iter::repeat_n(case, trial.count(case))).collect();
    random.shuffle(&mut turns);
    let mut next = vec![0; trial.cases.len()];
    let take = |case: usize| {
        next[case] += 1;
        Place { case, record: next[case] - 1 }
    };
    turns.into_iter().map(take).collect()
}

fn cut(count: usize, random: &mut fastrand::Rng) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    while let Some(start) = Some(batches.last().map_or(0, |last| last.end)).filter(|start| *start < count) {
        batches.push(start..(start + random.usize(1..=BATCH)).min(count));
    }
    batches
}

/// Writes what came of a case into it.
pub(super) fn update(case: &mut Case, verdict: &Verdict) {
    case.out.clone_from(&verdict.came.rows);
    case.rejects.clone_from(&verdict.came.rejects);
    // a fault's log has what a machine and a replay make of it; a reject has a message
    let faulted = verdict.came.rejects.iter().any(|reject| reject.message.is_none());
    if case.log.is_some() || !verdict.log.is_empty() && !faulted {
        case.log = Some(verdict.log.clone());
    }
}
