//! Whose fault it is: from what went wrong to the side, the cause, what shows it, and what to type.
//!
//! Everything that is known after a run is gathered first ([`signs`], with one [`knock`] on the target where that
//! tells something). Then the table of [`classes`] is read from top to bottom: every error of the run goes to the
//! first class that claims it and whose signs are there, so none goes unexplained and none is explained twice.

mod classes;
mod evidence;
mod kinds;
mod knock;
mod meanwhile;
mod remedies;
mod signs;

use std::fmt::Write as _;

use serde::Serialize;

use self::classes::{CLASSES, Class, FELL_SILENT, MUTE};
pub(crate) use self::meanwhile::Meanwhile;
pub(crate) use self::signs::Signs;
use crate::measure::errors::{Cause, ErrorLine, Stage};

/// The side that has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// This process and its limits.
    Generator,
    /// The server's process.
    Server,
    /// What lies between the two.
    Network,
    /// This machine's kernel, which on loopback both sides share.
    Machine,
}

impl Side {
    /// As the report calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Server => "server",
            Self::Network => "network",
            Self::Machine => "machine",
        }
    }
}

/// One class of failure that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Diagnosis {
    /// The class's name, for other programs.
    pub(crate) class: &'static str,
    pub(crate) side: Side,
    /// One sentence.
    pub(crate) cause: String,
    /// What shows it: errors, counters, limits, each with its number.
    pub(crate) evidence: Vec<String>,
    /// What to type or to look at.
    pub(crate) remedy: String,
}

impl Diagnosis {
    /// Lines of the summary.
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "  diagnosis    {} side: {}", self.side.name(), self.cause)?;
        writeln!(out, "               shown by: {}", self.evidence.join("; "))?;
        writeln!(out, "               remedy: {}", self.remedy)
    }
}

/// Explains every error of a run, the most frequent class first.
pub(crate) fn diagnose(signs: &Signs) -> Vec<Diagnosis> {
    let mut found: Vec<(u64, Diagnosis)> = Vec::new();
    for (stage, cause, count) in signs.errors.counts() {
        let shown = format!("{count} x {} at {}", cause.label(), stage.name());
        let Some(class) = CLASSES.iter().find(|class| class.explains(signs, stage, cause)) else {
            found.push((count, unclassed(stage, cause, shown)));
            continue;
        };
        match found.iter_mut().find(|(_, known)| known.class == class.name) {
            Some((sum, known)) => {
                known.evidence.insert(0, shown);
                *sum += count;
            }
            None => found.push((count, class.diagnosis(signs, shown))),
        }
    }
    found.extend(mute(signs).or_else(|| fell_silent(signs)));
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    found.into_iter().map(|(_, diagnosis)| diagnosis).collect()
}

/// A server that only swallows what it is sent makes no error. Where all connections ended while there was traffic, that
/// is the reason, and told already.
fn mute(signs: &Signs) -> Option<(u64, Diagnosis)> {
    let of_traffic = |(stage, _, _): &(Stage, &Cause, u64)| *stage == Stage::Steady;
    let ended: u64 = signs.errors.counts().filter(of_traffic).map(|(_, _, count)| count).sum();
    let is_told = ended >= signs.connected
        || signs.errors.counts().any(|(stage, cause, _)| MUTE.explains(signs, stage, cause));
    let is_to_be_told = signs.is_mute() && !is_told;
    let shown = format!("{} x no answer at {}", signs.unanswered, Stage::Steady.name());
    is_to_be_told.then(|| (signs.unanswered, MUTE.diagnosis(signs, shown)))
}

/// Neither does one that answers at first, and later holds its connections and says nothing. Where connections ended while
/// there was traffic, or goodbyes stayed unanswered, too, that is told already.
fn fell_silent(signs: &Signs) -> Option<(u64, Diagnosis)> {
    let tells = |(stage, cause, _): (Stage, &Cause, u64)| {
        stage == Stage::Steady || (stage == Stage::Close && cause.is_timeout())
    };
    let is_to_be_told = signs.received > 0 && signs.leaves_unanswered() && !signs.errors.counts().any(tells);
    let shown = format!("{} x no answer at {}", signs.unanswered, Stage::Steady.name());
    is_to_be_told.then(|| (signs.unanswered, FELL_SILENT.diagnosis(signs, shown)))
}

/// The lines of all errors, with the side and the remedy that the diagnosis names: it knows more than the error alone
/// tells. What is seen of a run and what is left of it have them from here.
pub(crate) fn lines(signs: &Signs) -> Vec<ErrorLine> {
    let mut lines = signs.errors.lines();
    for (stage, cause, _) in signs.errors.counts() {
        let Some(class) = CLASSES.iter().find(|class| class.explains(signs, stage, cause)) else { continue };
        let label = cause.label();
        for line in lines.iter_mut().filter(|line| line.stage == stage && line.error == label) {
            line.side = class.side;
            line.remedy = (class.remedy)(signs).into();
        }
    }
    lines
}

impl Class {
    fn explains(&self, signs: &Signs, stage: Stage, cause: &Cause) -> bool {
        (self.claims)(stage, cause) && (self.holds)(signs)
    }

    fn diagnosis(&self, signs: &Signs, shown: String) -> Diagnosis {
        let mut evidence = vec![shown];
        evidence.extend((self.evidence)(signs));
        Diagnosis {
            class: self.name,
            side: self.side,
            cause: (self.cause)(signs),
            evidence,
            remedy: (self.remedy)(signs),
        }
    }
}

/// What no class claims is explained by the error alone.
fn unclassed(stage: Stage, cause: &Cause, shown: String) -> Diagnosis {
    let (side, remedy) = cause.advice(stage);
    Diagnosis {
        class: "other",
        side,
        cause: format!("{} at {}", cause.label(), stage.name()),
        evidence: vec![shown],
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests;
