//! Connections that are held and say nothing; they answer pings.

use std::sync::Arc;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tickring_protocol::limits::CLIENT_MESSAGE_BYTES_MAX;

use super::session::Session;
use super::{Driver, Turn};
use crate::measure::errors::Cause;
use crate::plan::Plan;

/// The `idle` preset.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) plan: Arc<Plan>,
    pub(crate) rng: Pcg64Mcg,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    session: Session,
    connection: u32,
}

impl Driver for Idle {
    type Peer = Peer;

    fn peer(&mut self, connection: u32) -> Peer {
        Peer { session: Session::new(self.rng.random(), self.rng.random()), connection }
    }

    fn connected(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.session.upgrade(turn.out, self.plan.target_of(peer.connection));
    }

    fn received(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, bytes: &mut [u8]) -> Result<(), Cause> {
        peer.session
            .receive(turn, bytes, CLIENT_MESSAGE_BYTES_MAX, |turn, _| turn.tally.counters.received += 1)
    }

    fn begin(&mut self, _peer: &mut Peer, _turn: &mut Turn<'_>) {}

    fn due(&mut self, _peer: &mut Peer, _turn: &mut Turn<'_>, _due_ns: u64) {}

    fn flushed(&mut self, _peer: &mut Peer, _turn: &mut Turn<'_>) {}

    fn unanswered(&self) -> u64 {
        0
    }

    fn finish(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.session.close(turn.out);
    }

    fn end(&mut self, _peer: &mut Peer, _turn: &mut Turn<'_>) {}
}
