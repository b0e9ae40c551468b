//! Connections that are held and say nothing; they answer pings.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tickring_protocol::limits::CLIENT_MESSAGE_BYTES_MAX;

use super::session::Session;
use super::{Driver, Turn};
use crate::measure::errors::Cause;

/// The `idle` preset.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) rng: Pcg64Mcg,
}

impl Driver for Idle {
    type Peer = Session;

    fn peer(&mut self, _connection: u32) -> Session {
        Session::new(self.rng.random(), self.rng.random())
    }

    fn connected(&mut self, peer: &mut Session, turn: &mut Turn<'_>) {
        peer.upgrade(turn.out, &self.host, &self.path);
    }

    fn received(&mut self, peer: &mut Session, turn: &mut Turn<'_>, bytes: &mut [u8]) -> Result<(), Cause> {
        peer.receive(turn, bytes, CLIENT_MESSAGE_BYTES_MAX, |turn, _| turn.tally.counters.received += 1)
    }

    fn begin(&mut self, _peer: &mut Session, _turn: &mut Turn<'_>) {}

    fn due(&mut self, _peer: &mut Session, _turn: &mut Turn<'_>, _due_ns: u64) {}

    fn flushed(&mut self, _peer: &mut Session, _turn: &mut Turn<'_>) {}

    fn unanswered(&self) -> u64 {
        0
    }

    fn finish(&mut self, peer: &mut Session, turn: &mut Turn<'_>) {
        peer.close(turn.out);
    }

    fn end(&mut self, _peer: &mut Session, _turn: &mut Turn<'_>) {}
}
