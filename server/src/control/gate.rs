//! The admin port's listener: bounded in connections, in bytes and in time, because anybody on the
//! network may send it anything. Whoever comes when it is full takes the place of the oldest: an
//! answer takes milliseconds, so that one is slow or silent, and a health check must get through.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::ending::Ending;
use super::refusal::Seen;
use crate::clock::Clock;
use crate::logging::RateLimited;

/// Connections at once.
const CONNECTIONS_MAX: usize = 64;
/// Life of one connection: a silent worker takes a second of it, a slow reader the rest.
const LIFE_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept: descriptors are short, and trying at once would only burn CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How often failing is told, for as long as it lasts.
const LOG_INTERVAL_NS: u64 = 60_000_000_000;

/// Accepts admin connections.
pub(super) struct Gate {
    listener: TcpListener,
    /// One per connection, oldest first: dropping it ends the connection.
    open: VecDeque<oneshot::Sender<()>>,
    clock: Clock,
    limiter: RateLimited,
}

impl Gate {
    pub(super) fn new(listener: TcpListener, clock: Clock) -> Self {
        let limiter = RateLimited::new(LOG_INTERVAL_NS);
        Self { listener, open: VecDeque::with_capacity(CONNECTIONS_MAX), clock, limiter }
    }

    fn admit(&mut self, stream: TcpStream) -> Guarded {
        self.open.retain(|connection| !connection.is_closed());
        if self.open.len() >= CONNECTIONS_MAX {
            self.open.pop_front();
        }
        let (keep, cut) = oneshot::channel();
        self.open.push_back(keep);
        Guarded {
            stream,
            seen: Seen::default(),
            answered: false,
            ending: None,
            end: Box::pin(tokio::time::sleep(LIFE_MAX)),
            cut,
            over: false,
        }
    }
}

impl axum::serve::Listener for Gate {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guarded, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (self.admit(stream), peer),
                // The peer gave up before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Where descriptors are short, one accept fails, the next does not, and so on.
                    if let Some(left_out) = self.limiter.allow("accept", self.clock.now_ns()) {
                        tracing::warn!(%error, left_out, "cannot accept admin connections; trying on (see `ulimit -n`)");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// An admin connection that fails once it has been sent too much, lived too long, or lost its place.
/// However it ends otherwise, what was answered reaches the peer.
pub(super) struct Guarded {
    stream: TcpStream,
    seen: Seen,
    /// Whether something was written; then it is too late for another answer.
    answered: bool,
    ending: Option<Ending>,
    end: Pin<Box<Sleep>>,
    cut: oneshot::Receiver<()>,
    over: bool,
}

impl Guarded {
    /// Fails when the connection's time is over; wakes the task when that happens.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        self.over = self.over
            || self.end.as_mut().poll(context).is_ready()
            || Pin::new(&mut self.cut).poll(context).is_ready();
        if self.over { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Ends the connection; with nothing more to say, unless it is ending already.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.ending.get_or_insert_with(|| Ending::with(b"")).poll(&mut self.stream, context)
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        if self.ending.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let Some(refusal) = self.seen.take(&buffer.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            let answer: &[u8] = if self.answered { b"" } else { refusal };
            self.ending = Some(Ending::with(answer));
        }
        ready!(self.poll_end(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the request was refused")))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        self.answered = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        self.poll_end(context).map(Ok)
    }
}
