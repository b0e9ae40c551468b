//! The thread that writes on standard error and waits for it, so that nobody else has to.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::io::Errno;
use signal_hook::consts::SIGCONT;

use super::THREAD;
use super::block::{Block, Size};
use super::inbox::{Contents, Inbox};
use super::model::ViewModel;

/// How things are to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// A picture, else plain lines.
    pub(super) is_picture: bool,
    pub(super) has_colors: bool,
}

/// Starts the thread. It leaves the inbox when it ends, and at once if it cannot start.
pub(super) fn open(inbox: &Arc<Inbox>, look: Look) {
    let opened = io::stderr().as_fd().try_clone_to_owned();
    if opened.and_then(|terminal| open_on(terminal, inbox, look)).is_err() {
        inbox.leave();
    }
}

fn open_on(terminal: OwnedFd, inbox: &Arc<Inbox>, look: Look) -> io::Result<()> {
    let inbox = Arc::clone(inbox);
    let was_stopped = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGCONT, Arc::clone(&was_stopped))?;
    let body = move || {
        let leaving = Leaving(inbox);
        let inbox = &leaving.0;
        let mut writing = Writing { terminal, look, block: Block::new(look.has_colors), shown: None };
        while let Some(contents) = inbox.take() {
            let is_over = contents.is_over;
            if was_stopped.swap(false, Ordering::Relaxed) {
                // The shell has written where the picture was.
                writing.block.forget();
            }
            if writing.write(contents).is_err() || is_over {
                return;
            }
        }
    };
    // Nobody joins it: it may wait for the terminal longer than the process lasts.
    thread::Builder::new().name(THREAD.to_owned()).spawn(body).map(drop)
}

/// Tells that the thread is gone, however it ended.
struct Leaving(Arc<Inbox>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The thread's own.
struct Writing {
    terminal: OwnedFd,
    look: Look,
    block: Block,
    /// The newest picture, to be drawn again below lines.
    shown: Option<ViewModel>,
}

impl Writing {
    fn write(&mut self, mut contents: Contents) -> rustix::io::Result<()> {
        if contents.dropped > 0 {
            contents.lines.push_front(format!("({} lines were not shown)", contents.dropped));
        }
        let mut bytes = Vec::new();
        if !self.look.is_picture {
            contents.lines.iter().for_each(|line| bytes.extend(format!("{line}\n").bytes()));
            return write_all(&self.terminal, &bytes);
        }
        self.shown = contents.picture.or(self.shown.take());
        let size = size_of(&self.terminal);
        if !contents.lines.is_empty() || contents.is_over {
            self.block.erase(size, &mut bytes);
        }
        contents
            .lines
            .iter()
            .for_each(|line| bytes.extend(line.replace('\n', "\r\n").bytes().chain(*b"\r\n")));
        if let Some(model) = self.shown.as_ref().filter(|_| !contents.is_over && is_ours(&self.terminal)) {
            self.block.draw(model, size, &mut bytes);
        }
        write_all(&self.terminal, &bytes)
    }
}

/// Whether the terminal is this process's to draw on: behind a shell's `&` it belongs to somebody else. One
/// that controls no session belongs to whoever has it.
fn is_ours(terminal: &OwnedFd) -> bool {
    rustix::termios::tcgetpgrp(terminal).map_or(true, |group| group == rustix::process::getpgrp())
}

/// One without a size is taken for the classic 80 by 24.
fn size_of(terminal: &OwnedFd) -> Size {
    match rustix::termios::tcgetwinsize(terminal) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size { columns: size.ws_col, rows: size.ws_row },
        _ => Size { columns: 80, rows: 24 },
    }
}

fn write_all(terminal: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(terminal, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Somebody who shares the terminal does not want to wait for it.
            Err(Errno::AGAIN) => {
                let mut ready = [rustix::event::PollFd::new(terminal, rustix::event::PollFlags::OUT)];
                match rustix::event::poll(&mut ready, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn opened(is_picture: bool) -> (Arc<Inbox>, OwnedFd) {
        let (reader, writer) = io::pipe().unwrap();
        let inbox = Arc::new(Inbox::default());
        let look = Look { is_picture, has_colors: false };
        open_on(writer.into(), &inbox, look).unwrap();
        (inbox, reader.into())
    }

    fn read(reader: OwnedFd) -> String {
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn lines_stand_above_the_picture_which_is_gone_at_the_end() {
        let (inbox, reader) = opened(true);
        inbox.picture(ViewModel::example());
        inbox.line("something happened".to_owned());
        assert!(inbox.close(PATIENCE));
        let text = read(reader);
        assert!(text.contains("something happened\r\n"), "{text}");
        assert!(text.ends_with("\x1b[J") || !text.contains("requested"), "{text:?}");
    }

    #[test]
    fn plain_lines_are_plain() {
        let (inbox, reader) = opened(false);
        inbox.line("one".to_owned());
        inbox.line("two".to_owned());
        assert!(inbox.close(PATIENCE));
        assert_eq!(read(reader), "one\ntwo\n");
    }

    #[test]
    fn a_terminal_that_is_gone_is_noticed() {
        let (inbox, reader) = opened(true);
        drop(reader);
        inbox.line("nobody hears this".to_owned());
        assert!(inbox.close(PATIENCE));
        assert!(!inbox.line("nor this".to_owned()), "whoever says it must write it");
    }

    #[test]
    fn a_terminal_that_takes_nothing_holds_nobody_up() {
        let (inbox, reader) = opened(false);
        // However many of them have given way: the rest is more than a pipe holds.
        assert!((0..1_000).all(|line| inbox.line(format!("{line:4096}"))));
        assert!(!inbox.close(Duration::from_millis(10)), "it is still waiting");
        assert!(inbox.has_writer());
        drop(reader);
        assert!(inbox.close(PATIENCE));
    }
}
