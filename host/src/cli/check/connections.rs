//! `edgemill check --connect`: tries the connections, and prints what was found.

use super::super::{Done, Failure};
use crate::config::{Config, duration_text};
use crate::service::connect::{All, connect};
use anyhow::anyhow;
use std::io::Write;
use std::time::Duration;

/// Tries them all, also when one is bad.
pub(super) fn run(config: &Config, within: Duration, out: &mut impl Write) -> Result<Done, Failure> {
    writeln!(out, "\nconnections      up to {} each; nothing is read, written or joined", duration_text(within))?;
    out.flush()?;
    let (mut bad, mut all) = (0, 0);
    let All { registry, pipelines } = connect(config, within);
    let registry = Some(("schema registry".to_owned(), registry)).filter(|(_, findings)| !findings.is_empty());
    let pipelines = pipelines.into_iter().map(|tried| (format!("pipeline         {}", tried.pipeline), tried.findings));
    for (head, findings) in registry.into_iter().chain(pipelines) {
        writeln!(out, "{head}")?;
        for finding in findings {
            writeln!(out, "  {finding}")?;
            bad += usize::from(finding.is_bad());
            all += 1;
        }
    }
    out.flush()?;
    match bad {
        0 => Ok(Done::Well),
        _ => Err(Failure::Failed(anyhow!("{bad} of {all} tries failed: see the lines above"))),
    }
}
