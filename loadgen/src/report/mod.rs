//! What is left of a run: a JSON file for machines, a summary for people.

mod figures;
pub(crate) mod json;
mod rewind;
mod summary;

pub(crate) use figures::share;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use crate::kernel::KernelCounters;
use crate::lead::Timeline;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::terminal;
use crate::worker::Outcome;

/// Everything found out.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) plan: Arc<Plan>,
    pub(crate) machine: Machine,
    pub(crate) timeline: Timeline,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Judges, writes the report, prints the summary; returns the exit code.
///
/// # Errors
/// When the report cannot be written; the summary is printed all the same.
pub(crate) fn deliver(findings: &Findings) -> anyhow::Result<u8> {
    let (report, verdict) = json::Report::new(findings, KernelCounters::read());
    // The file first: whoever reads the summary may be gone.
    let written = findings.plan.json.as_deref().map_or(Ok(()), |path| write(&report, path));
    // And the summary even without the file: it is all that is left of the run then.
    terminal::answer(format_args!("{}", summary::text(&report))).context("cannot print the summary")?;
    written?;
    Ok(verdict.exit_code())
}

/// Writes the JSON report.
fn write(report: &json::Report<'_>, path: &Path) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(report).context("the report does not serialise")?;
    text.push('\n');
    fs::write(path, text).with_context(|| format!("cannot write the report {}", path.display()))
}
