//! What the thread that writes on standard error is to write. Handing it in never waits for the terminal.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::model::ViewModel;

/// Lines that may wait for a terminal that takes nothing.
const LINES_MAX: usize = 256;

/// A slot for the newest picture, where the latest wins, and a bounded queue of lines.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    contents: Mutex<Contents>,
    changed: Condvar,
}

/// What has come since the last look.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) lines: VecDeque<String>,
    /// Lines that had to make room for newer ones.
    pub(super) dropped: u64,
    pub(super) picture: Option<ViewModel>,
    /// Whether anything can still come.
    pub(super) is_over: bool,
    /// Whether the writer has been given up: what it wrote now would come in between what others write.
    is_given_up: bool,
    /// Whether the writer has written all it will.
    has_left: bool,
}

impl Inbox {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        // The contents are whole at every moment, so that a panic cannot have broken them.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a line in; `false`: nobody would write it. The oldest gives way when too many wait.
    pub(crate) fn line(&self, line: String) -> bool {
        let mut contents = self.contents();
        if contents.has_left {
            return false;
        }
        if contents.lines.len() == LINES_MAX {
            contents.lines.pop_front();
            contents.dropped += 1;
        }
        contents.lines.push_back(line);
        self.changed.notify_all();
        true
    }

    /// Whether somebody writes what is handed in.
    pub(super) fn has_writer(&self) -> bool {
        !self.contents().has_left
    }

    /// Hands a picture in, in place of one that nobody has drawn yet.
    pub(super) fn picture(&self, model: ViewModel) {
        self.contents().picture = Some(model);
        self.changed.notify_all();
    }

    /// Waits until there is something to write, or nothing will come any more. `None`: nothing may be written.
    pub(super) fn take(&self) -> Option<Contents> {
        let mut contents = self.contents();
        while contents.lines.is_empty() && contents.picture.is_none() && !contents.is_over {
            contents = self.changed.wait(contents).unwrap_or_else(PoisonError::into_inner);
        }
        if contents.is_given_up {
            return None;
        }
        let is_over = contents.is_over;
        Some(std::mem::replace(&mut *contents, Contents { is_over, ..Contents::default() }))
    }

    /// Nothing comes any more. Returns whether the writer has written the rest within `patience`; else it is
    /// given up.
    pub(super) fn close(&self, patience: Duration) -> bool {
        let mut contents = self.contents();
        contents.is_over = true;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(contents, patience, |contents| !contents.has_left);
        let mut contents = waited.unwrap_or_else(PoisonError::into_inner).0;
        contents.is_given_up = !contents.has_left;
        contents.has_left
    }

    /// The writer has written all it will.
    pub(super) fn leave(&self) {
        self.contents().has_left = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_give_way_and_are_counted() {
        let inbox = Inbox::default();
        for line in 0..LINES_MAX + 3 {
            assert!(inbox.line(line.to_string()));
        }
        let contents = inbox.take().unwrap();
        assert_eq!((contents.lines.len(), contents.dropped), (LINES_MAX, 3));
        assert_eq!(contents.lines[0], "3");
    }

    #[test]
    fn a_writer_that_never_comes_is_not_waited_for() {
        let inbox = Inbox::default();
        assert!(!inbox.close(Duration::from_millis(1)));
        assert!(inbox.take().is_none(), "it would write into what others write");
        inbox.leave();
        assert!(inbox.close(Duration::from_millis(1)));
    }
}
