//! The signals that end the server.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

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
}

impl Signals {
    pub(super) fn subscribe() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Ending {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Ending::Interrupt,
            Some(()) = self.terminate.recv() => Ending::Terminate,
            // Both streams end only with the runtime, which then polls nobody.
            else => std::future::pending().await,
        }
    }
}
