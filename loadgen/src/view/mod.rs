//! What is seen of a run while it lasts: on a terminal a picture that is kept up to date, else a plain line
//! a second. All of it goes to standard error, so that standard output carries the summary alone.
//!
//! The leading thread only makes a [`model::ViewModel`] and hands it over; a thread of its own ([`screen`])
//! draws it ([`draw`]), makes a terminal's bytes of it ([`block`]) and waits for the terminal. A terminal that
//! takes nothing holds nobody else up.
//!
//! The picture stands below what was on the terminal before, in as many lines as it needs, and every write ends
//! with the cursor below it and plain colours. No mode of the terminal is changed and nothing is asked of it.
//! So there is nothing to restore, however the process ends.

mod block;
mod draw;
pub(crate) mod inbox;
mod lines;
mod model;
mod screen;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;
use std::{env, panic, thread};

use crate::measure::errors::ErrorLine;
use crate::measure::series::Series;
use crate::plan::Plan;
use crate::shared::Shared;
use crate::terminal;
use inbox::Inbox;
use lines::Lines;
use model::{Moment, Subject, ViewModel};
use screen::Look;

/// Between two pictures, ns.
const PICTURE_EVERY_NS: u64 = 250_000_000;
/// How long the terminal has to take the last of it.
const PATIENCE: Duration = Duration::from_secs(1);
/// The name of the thread that writes on standard error.
const THREAD: &str = "view";

/// Shows a run until it is dropped.
#[derive(Debug)]
pub(crate) struct View {
    inbox: Arc<Inbox>,
    /// A picture, else lines.
    is_picture: bool,
    lines: Lines,
    subject: Subject,
    /// The phase that is going on: its name, its end, and when it began.
    phase: (String, Option<u64>, u64),
    drawn_ns: Option<u64>,
}

impl View {
    /// Of a run that began at `started_ns`. From now on all lines on standard error go through it.
    pub(crate) fn open(plan: &Plan, started_ns: u64) -> Self {
        let look = look(plan.no_tui);
        let inbox = Arc::new(Inbox::default());
        screen::open(&inbox, look);
        terminal::hand_over(Arc::clone(&inbox));
        say_panics();
        Self {
            inbox,
            is_picture: look.is_picture,
            lines: Lines::new(plan.conns, started_ns),
            subject: Subject::of(plan, started_ns),
            phase: (String::new(), None, started_ns),
            drawn_ns: None,
        }
    }

    /// Shows what there is to be seen, if it is time. `phase` ends at `until_ns` if that is known; `errors` tells what has
    /// gone wrong.
    pub(crate) fn tick(
        &mut self,
        now_ns: u64,
        phase: &str,
        until_ns: Option<u64>,
        shared: &Shared,
        series: &Series,
        errors: impl FnOnce() -> Vec<ErrorLine>,
    ) {
        if self.phase.0 != phase || self.phase.1 != until_ns {
            self.phase = (phase.to_owned(), until_ns, now_ns);
        }
        if !self.is_picture || !self.inbox.has_writer() {
            let line = self.lines.tick(now_ns, phase, &shared.read(), series.newest());
            if let Some(line) = line {
                terminal::say(format_args!("{line}"));
            }
            return;
        }
        if self.drawn_ns.is_some_and(|drawn_ns| now_ns.saturating_sub(drawn_ns) < PICTURE_EVERY_NS) {
            return;
        }
        self.drawn_ns = Some(now_ns);
        let (phase, until_ns, since_ns) = &self.phase;
        let moment = Moment { now_ns, phase, since_ns: *since_ns, until_ns: *until_ns };
        self.inbox.picture(ViewModel::of(&self.subject, &moment, shared, series, errors()));
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let is_done = self.inbox.close(PATIENCE);
        terminal::take_back(is_done);
    }
}

/// What standard error is.
fn look(no_tui: bool) -> Look {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_terminal = io::stderr().is_terminal();
    let is_dumb = env::var_os("TERM").is_none_or(|name| name.is_empty() || name == "dumb");
    Look { is_picture: is_terminal && !is_dumb && !no_tui, has_colors: !is_set("NO_COLOR") }
}

/// A panic elsewhere is told above the picture and not into it.
fn say_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("?");
        if name == THREAD {
            return before(panic);
        }
        let trace = std::backtrace::Backtrace::capture();
        terminal::say(format_args!("thread '{name}' {panic}"));
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            terminal::say(format_args!("{trace}"));
        }
    }));
}
