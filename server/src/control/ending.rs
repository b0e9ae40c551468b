//! Closing so that the last answer arrives. A socket that is closed while bytes of its peer lie
//! unread resets the connection, and the reset overtakes the answer (RFC 9112, section 9.6).

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// Bytes that are read for nothing. Whoever sends more has not waited for an answer.
const DRAIN_BYTES_MAX: usize = 1 << 20;
/// How long the peer may take to close its side.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// The last steps of a connection: send the rest, close our side, read until the peer closes its own.
pub(super) struct Ending {
    unsent: &'static [u8],
    half_closed: bool,
    drain_bytes_left: usize,
    until: Pin<Box<Sleep>>,
    over: bool,
}

impl Ending {
    /// Ends with `unsent` as the last bytes.
    pub(super) fn with(unsent: &'static [u8]) -> Self {
        let until = Box::pin(tokio::time::sleep(DRAIN_MAX));
        Self { unsent, half_closed: false, drain_bytes_left: DRAIN_BYTES_MAX, until, over: false }
    }

    /// Ready when the socket can be dropped; to be polled on until then.
    pub(super) fn poll(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<()> {
        if !self.over {
            // An error is the peer's end of it: nothing is left to be polite about.
            let _peer_is_gone = ready!(self.poll_steps(stream, context));
            self.over = true;
        }
        Poll::Ready(())
    }

    fn poll_steps(&mut self, stream: &mut TcpStream, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.until.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut *stream).poll_write(context, self.unsent))?;
            self.unsent = &self.unsent[sent..];
        }
        if !self.half_closed {
            ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
            self.half_closed = true;
        }
        let mut scratch = [0; 4_096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 || read > self.drain_bytes_left {
                return Poll::Ready(Ok(()));
            }
            self.drain_bytes_left -= read;
        }
    }
}
