//! All sessions of a worker, by slot, and the list of those with something to flush.

use std::collections::VecDeque;

use tickring_protocol::websocket::{OpCode, write_frame, write_frame_head};

use super::{Ledger, Session, State};
use crate::pool::BufferPool;
use crate::report::ConnectionStates;
use crate::rooms::Delivery;

/// The sessions. Invariant: a session that may have something to send, or whose ending changed, is
/// in `dirty` or in `door` exactly once.
///
/// Ten thousand that come back at once shall not hold up those who play. So those who come or go are flushed in
/// their order, and only so many in a pass. That bounds how many are heard, too: a newcomer is received from only
/// after its flush, and then once.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: Vec<Session>,
    /// Settled ones: all of them are flushed in each pass.
    dirty: Vec<u32>,
    /// Those who come or go.
    door: VecDeque<u32>,
    /// How many of them are flushed in a pass at most, and were in this one.
    door_max: usize,
    let_through: usize,
    /// Sessions that want an answer sooner than at the next tick.
    interactive: usize,
}

impl Sessions {
    /// No sessions yet, and address space for `slots_max` of them; `door_max` is that of the rules. Grown by doubling
    /// instead, the tables given up on the way would stay with the allocator.
    pub(crate) fn new(slots_max: u32, door_max: usize) -> Self {
        let slots_max = usize::try_from(slots_max).expect("usize has at least 32 bits on Linux");
        Self {
            table: Vec::with_capacity(slots_max),
            dirty: Vec::new(),
            door: VecDeque::new(),
            door_max,
            let_through: 0,
            interactive: 0,
        }
    }

    /// The session in `slot`; places are made as slots first come up.
    pub(crate) fn at(&mut self, slot: u32) -> &mut Session {
        let index = slot as usize;
        while self.table.len() <= index {
            let next = u32::try_from(self.table.len()).expect("slots are 32 bit");
            self.table.push(Session::vacant(next));
        }
        &mut self.table[index]
    }

    /// Runs `change` on a session, keeps count of the interactive ones, and marks it for the flush.
    pub(crate) fn update<R>(&mut self, slot: u32, change: impl FnOnce(&mut Session) -> R) -> R {
        let session = self.at(slot);
        let (before, was_settled) = (session.is_interactive(), session.is_settled());
        let result = change(session);
        let (after, settled) = (session.is_interactive(), session.is_settled() && was_settled);
        let wants_flush = session.wants_flush();
        self.interactive = self.interactive + usize::from(after) - usize::from(before);
        if wants_flush {
            self.mark(slot, settled);
        }
        result
    }

    fn mark(&mut self, slot: u32, settled: bool) {
        let peer = &mut self.table[slot as usize].peer;
        if peer.dirty {
            return;
        }
        peer.dirty = true;
        if settled {
            self.dirty.push(slot);
        } else {
            self.door.push_back(slot);
        }
    }

    /// The next session to flush in this pass. After `None` the next pass begins.
    pub(crate) fn pop_dirty(&mut self) -> Option<u32> {
        let Some(slot) = self.dirty.pop().or_else(|| self.let_one_through()) else {
            self.let_through = 0;
            return None;
        };
        self.table[slot as usize].peer.dirty = false;
        Some(slot)
    }

    fn let_one_through(&mut self) -> Option<u32> {
        if self.let_through == self.door_max {
            return None;
        }
        self.let_through += 1;
        self.door.pop_front()
    }

    /// Some wait for the next pass to be flushed.
    pub(crate) fn any_at_the_door(&self) -> bool {
        !self.door.is_empty()
    }

    /// Somebody waits for an answer now.
    pub(crate) fn any_interactive(&self) -> bool {
        self.interactive > 0
    }

    /// Slots that hold a connection.
    pub(crate) fn occupied(&self) -> impl Iterator<Item = u32> + '_ {
        self.table.iter().filter(|session| session.is_occupied()).map(|session| session.peer.slot)
    }

    /// Connections by state.
    pub(crate) fn states(&self) -> ConnectionStates {
        let mut states = ConnectionStates::default();
        for session in &self.table {
            match session.peer.state {
                State::Vacant => {}
                State::Upgrading { .. } | State::Moving => states.upgrading += 1,
                State::Greeting { .. } => states.greeting += 1,
                State::Playing(_) => states.playing += 1,
                State::Watching(_) => states.watching += 1,
                State::Echo => states.echo += 1,
                State::Closing | State::Draining => states.closing += 1,
            }
        }
        states
    }
}

/// How rooms reach players: see [`Delivery`].
pub(crate) struct Deliver<'a> {
    pub(crate) sessions: &'a mut Sessions,
    pub(crate) pool: &'a mut BufferPool,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) outbox_bytes_max: usize,
    /// Readers found too slow; their sessions end after the tick.
    pub(crate) slow: &'a mut Vec<u32>,
}

impl Delivery for Deliver<'_> {
    fn message(&mut self, slot: u32, payload: &[u8]) {
        let outbox = &mut self.sessions.table[slot as usize].peer.outbox;
        if outbox.queued_bytes() + payload.len() > self.outbox_bytes_max {
            outbox.overflow();
            self.slow.push(slot);
            return;
        }
        write_frame(outbox.queue(self.pool), OpCode::Binary, payload);
        self.ledger.traffic.messages_out += 1;
        self.sessions.mark(slot, true);
    }

    fn snapshot_waits(&self, slot: u32) -> bool {
        self.sessions.table[slot as usize].peer.outbox.snapshot_waits()
    }

    fn snapshot(&mut self, slot: u32, bytes: usize, write: impl FnOnce(u16, &mut Vec<u8>)) {
        let newest = self.sessions.table[slot as usize].peer.outbox.snapshot(self.pool);
        write_frame_head(newest.buffer, OpCode::Binary, bytes);
        write(newest.dropped, newest.buffer);
        if newest.replaced {
            self.ledger.traffic.snapshots_replaced += 1;
            self.slow.push(slot);
        } else {
            self.ledger.traffic.messages_out += 1;
        }
        self.sessions.mark(slot, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_small() {
        // 512 B of user memory per idle connection is the promise; a session is most of it.
        assert!(size_of::<Session>() <= 224, "{} B", size_of::<Session>());
    }
}
