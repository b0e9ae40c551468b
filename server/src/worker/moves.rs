//! Connections on their way between workers: state through the mailbox, descriptor through the rings,
//! joined by a token.

use hashbrown::HashMap;
use tickring_ring::ConnectionId;

use crate::handover::Handover;
use crate::session::Move;

use super::waiting::Waiting;

/// Connections that leave or arrive. Bounded: who leaves holds a slot here, and an announced one is followed
/// by its descriptor, or by the word that it will not come.
#[derive(Debug)]
pub(super) struct Moves {
    /// Who is to leave, and waits for a place there.
    pub(super) waiting: Waiting<(ConnectionId, Move)>,
    announced: HashMap<u64, Handover>,
    departing: HashMap<ConnectionId, Departure>,
    tokens: u64,
}

/// Where a connection was sent, to take its state back when it could not go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    pub(super) to_worker: usize,
    pub(super) token: u64,
}

impl Moves {
    /// Nobody moves yet, between `workers`.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            waiting: Waiting::new(workers),
            announced: HashMap::new(),
            departing: HashMap::new(),
            tokens: 0,
        }
    }

    /// A token no other hand-over of this process has: the worker in the high bits (of 48), a count
    /// below.
    pub(super) fn next_token(&mut self, worker: usize) -> u64 {
        self.tokens = (self.tokens + 1) & 0xff_ffff_ffff;
        ((worker as u64) << 40) | self.tokens
    }

    /// A connection has been sent off.
    pub(super) fn depart(&mut self, id: ConnectionId, departure: Departure) {
        self.departing.insert(id, departure);
    }

    /// It is there, or it could not go.
    pub(super) fn departed(&mut self, id: ConnectionId) -> Option<Departure> {
        self.departing.remove(&id)
    }

    /// The state of a connection came; its descriptor is on its way.
    pub(super) fn announce(&mut self, handover: Handover) {
        self.announced.insert(handover.token, handover);
    }

    /// The descriptor came: what is known of it. Or it will not come: forget it.
    pub(super) fn take(&mut self, token: u64) -> Option<Handover> {
        self.announced.remove(&token)
    }
}
