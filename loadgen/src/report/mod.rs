//! What is left of a run: a JSON file for machines, a page and a summary for people, and other forms of both.

pub(crate) mod command;
mod compare;
mod crowd;
mod csv;
mod evidence;
mod figures;
mod hgrm;
mod html;
pub(crate) mod json;
mod noise;
pub(crate) mod prometheus;
mod quantity;
mod rewind;
#[cfg(test)]
mod samples;
mod sense;
mod spectra;
mod summary;
mod view;
pub(crate) mod wording;

pub(crate) use figures::share;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;

use crate::diagnosis::{self, Signs};
use crate::kernel::KernelCounters;
use crate::lead::Timeline;
use crate::machine::Machine;
use crate::measure::latency::Latency;
use crate::plan::Plan;
use crate::terminal;
use crate::verdict::Verdict;
use crate::worker::Outcome;

/// Everything found out.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) plan: Arc<Plan>,
    pub(crate) machine: Machine,
    pub(crate) timeline: Timeline,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Judges, writes the report, prints the summary; returns the exit code. Once `interrupted`, nobody is asked for long
/// any more.
///
/// # Errors
/// When the report cannot be written; the summary is printed all the same.
pub(crate) fn deliver(findings: &Findings, interrupted: &AtomicBool) -> anyhow::Result<u8> {
    let (report, verdict) = judged(findings, interrupted);
    // The files first: whoever reads the summary may be gone.
    let written = write(&report, findings);
    // And the summary even without the files: it is all that is left of the run then.
    terminal::answer(format_args!("{}", terminal::harmless(&summary::text(&report))))
        .context("cannot print the summary")?;
    written?;
    Ok(verdict.exit_code())
}

/// The report with whose fault it was, and the verdict. Once `interrupted`, nobody is asked for long any more.
pub(crate) fn judged<'a>(findings: &'a Findings, interrupted: &AtomicBool) -> (json::Report<'a>, Verdict) {
    let (mut report, verdict) = json::Report::new(findings, KernelCounters::read());
    let signs = Signs::gather(findings, report.kernel.after.clone(), interrupted);
    report.conns.errors = diagnosis::lines(&signs);
    report.diagnosis = diagnosis::diagnose(&signs);
    (report, verdict)
}

/// Writes the report in every form asked for. One that cannot be written does not cost the others; all are
/// told.
fn write(report: &json::Report<'_>, findings: &Findings) -> anyhow::Result<()> {
    let outs = &findings.plan.outs;
    let mut written = Ok(());
    let mut note = |result: anyhow::Result<()>| {
        if let (Err(earlier), true) = (&written, result.is_err()) {
            terminal::say(format_args!("loadgen: {earlier:#}"));
        }
        if result.is_err() {
            written = result;
        }
    };
    if outs.json.is_some() || outs.html.is_some() {
        let mut text = serde_json::to_string_pretty(report).context("the report does not serialise")?;
        text.push('\n');
        if let Some(path) = &outs.json {
            note(write_file(path, text.as_bytes()));
        }
        if let Some(path) = &outs.html {
            let view =
                view::View::parse(text.as_bytes()).context("the report does not read back: a bug of loadgen");
            note(view.and_then(|view| write_file(path, html::page(&view).as_bytes())));
        }
    }
    if let Some(path) = &outs.csv {
        note(write_file(path, csv::text(report.course).as_bytes()));
    }
    if let Some(path) = &outs.hgrm {
        // A closed loop has no intended times.
        let is_open = findings.plan.preset.is_open_loop();
        let mut latency = Latency::default();
        for outcome in &findings.outcomes {
            latency.merge(if is_open { &outcome.tally.intended } else { &outcome.tally.service });
        }
        note(write_file(path, hgrm::text(latency.histogram()).as_bytes()));
    }
    written
}

/// Writes a file whole or not at all. What is no regular file, such as a pipe, is written to as it is.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file());
    // Beside the file itself, not beside a link to it.
    let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written = if is_special { fs::write(path, bytes) } else { replace(&file, bytes) };
    written.with_context(|| format!("cannot write the report {}", path.display()))
}

/// Writes beside a file and puts that in its place.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Not the file's name with something added: that could be too long.
    let beside = path.with_file_name(format!("loadgen.{}.part", std::process::id()));
    match fs::write(&beside, bytes) {
        // A folder that takes no new file may hold one that can be written.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return fs::write(path, bytes),
        written => written,
    }
    .and_then(|()| match fs::metadata(path) {
        Ok(found) => fs::set_permissions(&beside, found.permissions()),
        Err(_) => Ok(()),
    })
    .and_then(|()| fs::rename(&beside, path))
    .inspect_err(|_| {
        // It may not even be there; what is told is why.
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_takes_a_report() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(255));
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
