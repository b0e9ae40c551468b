//! What a connection says and how it is judged, one driver per preset. Drivers know no ring, no
//! sockets and no clock: bytes and times come in, bytes and times go out.

pub(crate) mod echo;
mod flight;
pub(crate) mod game;
pub(crate) mod idle;
pub(crate) mod raw;
mod session;

use crate::measure::errors::Cause;
use crate::measure::tally::{Tally, Window};
use crate::pacing::Pacer;

/// One preset's behaviour, shared by all connections of a worker.
///
/// The worker calls, per connection: `connected` once; then `received`, `due` and `flushed` in any
/// order; `begin` once, when it is ready and traffic has begun; `finish` when the run is over; `end`
/// last, however it ended.
pub(crate) trait Driver {
    /// A connection's own state. Small: there are as many as connections.
    type Peer;

    /// Whether traffic goes on while the last answers are awaited.
    const SENDS_WHILE_SETTLING: bool = false;

    /// The state of connection `connection` (its index among all of the run).
    fn peer(&mut self, connection: u32) -> Self::Peer;

    /// TCP is connected: say hello.
    fn connected(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// Bytes arrived.
    ///
    /// # Errors
    /// Why the connection is of no use any more. What was written to `turn.out` is still sent.
    fn received(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>, bytes: &mut [u8])
    -> Result<(), Cause>;

    /// Traffic begins.
    fn begin(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// The timer set by [`Turn::wake_at`] is due.
    fn due(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>, due_ns: u64);

    /// What stood in `turn.out` is now handed to the kernel.
    fn flushed(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// Messages whose answer is under way.
    fn unanswered(&self) -> u64;

    /// The run is over: say goodbye. Nothing written: the connection is closed at once.
    fn finish(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// The connection is over, or the answers have had their time: judge what is missing.
    fn end(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);
}

/// What a driver has at hand while it is called.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now_ns: u64,
    pub(crate) window: Window,
    /// Whether traffic may be sent: not any more once the run settles.
    pub(crate) may_send: bool,
    /// Bytes to send; what is appended goes out when the kernel takes it.
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) tally: &'a mut Tally,
    /// What the worker does next.
    pub(crate) next: Next,
}

/// What the worker does after a driver was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Next {
    /// The connection is ready for traffic.
    pub(crate) opened: bool,
    /// The closing handshake is complete.
    pub(crate) closed: bool,
    /// Call `due` at this time.
    pub(crate) wake_at_ns: Option<u64>,
}

impl Turn<'_> {
    /// Asks for [`Driver::due`] at `at_ns`. One timer a connection.
    pub(crate) fn wake_at(&mut self, at_ns: u64) {
        self.next.wake_at_ns = Some(at_ns);
    }

    /// Sends everything of `pacer` that has become due, more than one message after a late pass, and asks
    /// to be called for the next. `send` gets the intended time and says whether there was room for the
    /// message; those without are counted as withheld.
    pub(crate) fn catch_up(&mut self, pacer: &mut Pacer, mut send: impl FnMut(&mut Self, u64) -> bool) {
        while pacer.due_ns() <= self.now_ns {
            self.tally.counters.due += 1;
            self.tally.withheld += u64::from(!send(self, pacer.due_ns()));
            pacer.advance();
        }
        self.wake_at(pacer.due_ns());
    }
}
