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

/// What others have said may hold what a terminal obeys: such characters are shown, not sent.
pub(crate) fn harmless(text: &str) -> String {
    let obeyed = |c: char| is_obeyed(c) && c != '\n' && c != '\t';
    text.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character is not seen but obeyed: control characters, and what turns the direction of writing or breaks
/// the line, which makes texts look like others (Unicode Standard Annex 9).
pub(crate) fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Longest value of somebody's that is repeated to them, characters.
const VALUE_CHARS_MAX: usize = 100;
/// Longest word of an error that is not somebody's value; a path may be that long.
const WORD_CHARS_MAX: usize = 300;
/// Longest line of an error, characters, and what is left of the beginning and the end of a longer one.
const ERROR_CHARS_MAX: usize = 1_200;
const ERROR_CHARS_KEPT: (usize, usize) = (200, 700);

/// A value as an error repeats it: enough to know it by.
pub(crate) fn value(text: &str) -> String {
    let mut shown: String = text.chars().take(VALUE_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    harmless(&shown)
}

/// An error without most of the words that are longer than anybody's, and without the middle of lines that are longer
/// than anybody reads: the beginning says what is wrong, the end what helps.
pub(crate) fn shortened(text: &str) -> String {
    let word =
        |word: &str| if word.chars().count() <= WORD_CHARS_MAX { word.to_owned() } else { value(word) };
    let shorten = |line: &str| {
        let line = line.split(' ').map(word).collect::<Vec<String>>().join(" ");
        let length = line.chars().count();
        if length <= ERROR_CHARS_MAX {
            return line;
        }
        let (first, last) = ERROR_CHARS_KEPT;
        let (head, tail) = (line.chars().take(first), line.chars().skip(length - last));
        head.chain(['…']).chain(tail).collect()
    };
    harmless(&text.split('\n').map(shorten).collect::<Vec<String>>().join("\n"))
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
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(not_taken(&error)),
        _ => Ok(()),
    }
}

/// Why standard output does not have what it was to have, and what helps.
pub(crate) fn not_taken(error: &io::Error) -> io::Error {
    let words =
        format!("cannot write to standard output: {error}; make room there, or give it another place");
    io::Error::new(error.kind(), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown() {
        assert_eq!(harmless("a\u{1b}[2Jb\r\n\tc"), "a\u{fffd}[2Jb\u{fffd}\n\tc");
        assert_eq!(harmless("lmth\u{202e}.exe\u{2066}\u{200f}"), "lmth\u{fffd}.exe\u{fffd}\u{fffd}");
        let words = "Größe: 5 µs … 日本 👩\u{200d}🚀";
        assert_eq!(harmless(words), words);
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(value(&"é".repeat(100)), "é".repeat(100));
        assert_eq!(value(&"é".repeat(100_000)), format!("{}…", "é".repeat(100)));
        let error = format!("--rate {}: permitted is less\nUsage: loadgen", "9".repeat(100_000));
        let nines = "9".repeat(100);
        assert_eq!(shortened(&error), format!("--rate {nines}… permitted is less\nUsage: loadgen"));
        let short = shortened(&error.replace("999", "9 9"));
        assert!(
            short.starts_with("--rate 9 9") && short.ends_with("permitted is less\nUsage: loadgen"),
            "{short}"
        );
        assert!(short.chars().count() < ERROR_CHARS_MAX);
        assert_eq!(shortened("as it is"), "as it is");
    }
}
