//! What is said to people. Whoever listens may be gone, and that must not cost a run its report.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::view::inbox::Inbox;

/// Who writes on standard error.
#[derive(Debug)]
enum Writer {
    /// Whoever has something to say.
    Anybody,
    /// The view, which puts lines above itself.
    View(Arc<Inbox>),
    /// Nobody: it has taken nothing for so long that the next write could wait for ever.
    Nobody,
}

static WRITER: Mutex<Writer> = Mutex::new(Writer::Anybody);

fn writer() -> MutexGuard<'static, Writer> {
    // Every state is whole at every moment, so that a panic elsewhere cannot have broken it.
    WRITER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on lines go to the view.
pub(crate) fn hand_over(inbox: Arc<Inbox>) {
    *writer() = Writer::View(inbox);
}

/// The view is closed: lines are written directly again, unless it could not be closed because nobody
/// `listens` to standard error any more.
pub(crate) fn take_back(listens: bool) {
    *writer() = if listens { Writer::Anybody } else { Writer::Nobody };
}

/// A line on standard error. When nobody takes it, the exit code and the report have to do.
pub(crate) fn say(line: Arguments<'_>) {
    match &*writer() {
        Writer::Anybody => {}
        Writer::View(inbox) if inbox.line(harmless(&line.to_string())) => return,
        // Its thread has met an error. This line will meet it, too, unless it has passed.
        Writer::View(_) => {}
        Writer::Nobody => return,
    }
    let _ignored = writeln!(io::stderr(), "{}", harmless(&line.to_string()));
}

/// What others have said may hold what a terminal obeys: control characters are shown, not sent.
fn harmless(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect()
}

/// How long a terminal that took nothing of the view has to take the summary.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line on standard output. A reader that has seen enough is no error.
///
/// # Errors
/// When it cannot be written for another reason, a terminal that takes nothing among them.
pub(crate) fn answer(line: Arguments<'_>) -> io::Result<()> {
    let is_stuck = matches!(*writer(), Writer::Nobody);
    if !is_stuck || !io::stdout().is_terminal() {
        return write(line);
    }
    let text = line.to_string();
    let (done, written) = mpsc::channel();
    // Nobody joins it: it may wait for ever.
    thread::spawn(move || {
        // After a minute nobody wants to know any more.
        let _ = done.send(write(format_args!("{text}")));
    });
    written.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Err(io::Error::new(ErrorKind::TimedOut, format!("the terminal has taken nothing for {seconds} s")))
    })
}

fn write(line: Arguments<'_>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{line}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
