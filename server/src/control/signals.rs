//! The signals that end the server.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Clock;

/// For so long the same signal again is an echo of the first. GNU `timeout` sends it to its child and at once to the
/// whole group, and with it to the child once more; nobody who means a second one is so quick.
const ECHO_NS: u64 = 250_000_000;

/// A signal that asks the server to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Interrupt,
    Terminate,
}

impl Ending {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The shell's convention, 128 + the signal's number.
    pub(super) const fn exit_code(self) -> i32 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Subscriptions; from here on the default action no longer happens.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    heard: Heard,
}

impl Signals {
    pub(super) fn subscribe() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, heard: Heard::default() })
    }

    /// The next one that is meant. Cancelling loses nothing.
    pub(super) async fn next(&mut self, clock: Clock) -> Ending {
        loop {
            let signal = tokio::select! {
                Some(()) = self.interrupt.recv() => Ending::Interrupt,
                Some(()) = self.terminate.recv() => Ending::Terminate,
                // Both streams end only with the runtime, which then polls nobody.
                else => std::future::pending().await,
            };
            if self.heard.is_meant(signal, clock.now_ns()) {
                return signal;
            }
        }
    }
}

/// The last signal that was meant, and when it came.
#[derive(Debug, Default)]
struct Heard(Option<(Ending, u64)>);

impl Heard {
    /// Whether a signal is more than the echo of the last one.
    fn is_meant(&mut self, signal: Ending, now_ns: u64) -> bool {
        let is_echo = |(last, at_ns): (Ending, u64)| last == signal && now_ns.saturating_sub(at_ns) < ECHO_NS;
        if self.0.is_some_and(is_echo) {
            return false;
        }
        self.0 = Some((signal, now_ns));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_signal_at_once_is_an_echo_and_later_a_second_one() {
        let mut heard = Heard::default();
        assert!(heard.is_meant(Ending::Terminate, 1_000));
        assert!(!heard.is_meant(Ending::Terminate, 1_010));
        // Who repeats it without an end is heard in the end.
        assert!(!heard.is_meant(Ending::Terminate, 999 + ECHO_NS));
        assert!(heard.is_meant(Ending::Terminate, 1_000 + ECHO_NS));
        assert!(heard.is_meant(Ending::Interrupt, 1_001 + ECHO_NS), "another signal is no echo");
    }
}
