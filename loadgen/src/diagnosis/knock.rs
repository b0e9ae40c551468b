//! One more connection after a run that went wrong: does anybody still listen, and does it speak TLS?

use std::io::{ErrorKind, Read, Write};
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

/// A greeting of TLS 1.3 that servers of TLS 1.2 understand, too (RFC 8446 4.1.2), in a record of its own (5.1). The
/// numbers that are to be random are not: nothing is kept secret with them.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x00\x8e\x01\x00\x00\x8a\x03\x03\
    tickring loadgen asks who is it?\x00\
    \x00\x10\x13\x01\x13\x02\x13\x03\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30\x00\x9c\x01\x00\
    \x00\x51\
    \x00\x0a\x00\x06\x00\x04\x00\x1d\x00\x17\
    \x00\x0d\x00\x10\x00\x0e\x04\x03\x05\x03\x08\x04\x08\x05\x08\x06\x04\x01\x05\x01\
    \x00\x2b\x00\x05\x04\x03\x04\x03\x03\
    \x00\x33\x00\x26\x00\x24\x00\x1d\x00\x20\
    \x09\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Whether who listens on `target` answers a TLS greeting with a TLS record: a handshake, or an alert.
pub(crate) fn speaks_tls(target: SocketAddr) -> bool {
    let greet = || {
        let mut stream = TcpStream::connect_timeout(&target, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(CLIENT_HELLO)?;
        let mut head = [0; 2];
        stream.read_exact(&mut head).map(|()| head)
    };
    // Whoever hangs up or says nothing gives no such answer.
    greet().is_ok_and(|head: [u8; 2]| matches!(head, [0x16 | 0x15, 0x03]))
}

/// Whether an error is what a TLS server makes of a request that is none of TLS: it hangs up, or says so in HTTP.
pub(crate) fn may_speak_tls(stage: Stage, cause: &Cause) -> bool {
    stage == Stage::Upgrade && (cause.is_cut() || *cause == Cause::Http(400))
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

    /// Answers a TLS greeting with `answer`, and hangs up on everything else.
    fn peer(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = vec![0; CLIENT_HELLO.len()];
            stream.read_exact(&mut heard).unwrap();
            if heard.starts_with(&[0x16, 0x03]) {
                stream.write_all(answer).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_tls_server_is_known_by_its_answer_to_a_greeting() {
        assert!(speaks_tls(peer(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76")), "a ServerHello");
        assert!(speaks_tls(peer(b"\x15\x03\x03\x00\x02\x02\x28")), "an alert");
        for other in [&b""[..], b"\x16", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x05\x00"] {
            assert!(!speaks_tls(peer(other)), "{other:?}");
        }
    }

    #[test]
    fn the_greeting_is_as_long_as_it_says() {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        assert_eq!(number(&CLIENT_HELLO[3..5]), CLIENT_HELLO.len() - 5, "the record");
        assert_eq!(number(&CLIENT_HELLO[6..9]), CLIENT_HELLO.len() - 9, "the handshake message");
        // Version and random, then fields that begin with their length: session, ciphers, compression, extensions.
        let mut rest = &CLIENT_HELLO[9 + 2 + 32..];
        for bytes in [1, 2, 1] {
            rest = &rest[bytes + number(&rest[..bytes])..];
        }
        let mut extensions = &rest[2..];
        assert_eq!(number(&rest[..2]), extensions.len());
        let mut kinds = Vec::new();
        while !extensions.is_empty() {
            kinds.push(number(&extensions[..2]));
            extensions = &extensions[4 + number(&extensions[2..4])..];
        }
        assert_eq!(kinds, [10, 13, 43, 51], "groups, signatures, versions, a key");
    }
}
