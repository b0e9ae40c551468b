//! One more connection after a run that went wrong: does anybody still listen?

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::measure::errors::{Cause, Stage};

/// How long the answer to a connect may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// A connection that lasts this long has somebody at its other end.
const STAYS: Duration = Duration::from_millis(200);
/// A process that was killed holds its listener for a moment longer: connections are cut while it goes, and refused
/// once it is gone.
const TRIES: u32 = 5;

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knock {
    /// It was taken.
    Accepted,
    /// Nobody listens.
    Refused,
    /// No answer came.
    Silent,
    /// It failed here.
    Failed,
}

impl Knock {
    /// Connects to `target`, and leaves without a word.
    pub(crate) fn on(target: SocketAddr) -> Self {
        for _ in 0..TRIES {
            let mut stream = match TcpStream::connect_timeout(&target, PATIENCE) {
                Ok(stream) => stream,
                Err(error) => return Self::of(error.kind()),
            };
            let ready = stream.set_read_timeout(Some(STAYS)).and_then(|()| stream.read(&mut [0; 1]));
            if !matches!(&ready, Ok(0)) && ready.as_ref().err().is_none_or(is_timeout) {
                return Self::Accepted;
            }
            // Cut at once: by a server that is going, or by one that always does that.
            std::thread::sleep(STAYS);
        }
        Self::Accepted
    }

    fn of(error: ErrorKind) -> Self {
        match error {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::Silent,
            _ => Self::Failed,
        }
    }

    /// In words, as evidence.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Accepted => "one more connection after the run was accepted",
            Self::Refused => "one more connection after the run was refused: nobody listens",
            Self::Silent => "one more connection after the run was not answered within 1 s",
            Self::Failed => "one more connection after the run could not be made",
        }
    }

    /// Whether it tells something that an error leaves open.
    pub(crate) fn is_worth_it(stage: Stage, cause: &Cause) -> bool {
        cause.is_cut() || (cause.is_timeout() && stage != Stage::Upgrade) || cause.is_refused()
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_and_its_absence_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(Knock::on(address), Knock::Accepted);
        drop(listener);
        assert_eq!(Knock::on(address), Knock::Refused);
    }
}
