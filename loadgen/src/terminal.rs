//! What is said to people. Whoever listens may be gone, and that must not cost a run its report.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};

/// A line on standard error. When nobody takes it, the exit code and the report have to do.
pub(crate) fn say(line: Arguments<'_>) {
    let _ignored = writeln!(io::stderr(), "{line}");
}

/// A line on standard output. A reader that has seen enough is no error.
///
/// # Errors
/// When it cannot be written for another reason.
pub(crate) fn answer(line: Arguments<'_>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{line}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
