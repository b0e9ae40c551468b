//! What the ring reports, handed to the sessions; and connections that move between workers.

use std::fmt::Display;
use std::sync::atomic::Ordering;

use tickring_ring::{AcceptPause, ConnectionId, Event, Place};
use tickring_room::Game;

use super::Worker;
use super::moves::Departure;
use crate::handover::Handover;
use crate::mailbox::Command;
use crate::session::{Move, Now, Session};

impl<G: Game> Worker<G> {
    /// Works through what the last wait brought.
    pub(super) fn read_ring(&mut self, now: Now) {
        while let Some(event) = self.ring.next_event() {
            match event {
                Event::Received { id, bytes, .. } => {
                    let moved = self.stage.act(id.slot(), now, |session, cx| session.received(bytes, cx));
                    if let Some(moved) = moved {
                        self.moves.waiting.push(moved.to_worker, (id, moved), now.ns);
                    }
                }
                Event::Sent { id, buffer, result } => {
                    self.stage.pool.give(buffer);
                    if self.id(id.slot()) == Some(id) {
                        self.stage.act(id.slot(), now, |session, cx| session.sent(result.is_err(), cx));
                    }
                }
                Event::ReceiveEnded { id, error } => {
                    self.stage.act(id.slot(), now, |session, cx| session.receive_ended(error.is_some(), cx));
                }
                Event::Accepted { id } => self.accepted(id, now),
                Event::Closed { id } => {
                    self.shared.connections.fetch_sub(1, Ordering::Relaxed);
                    self.gone(id, now, Session::vacate);
                }
                Event::HandedOver { id } => {
                    // Counted on, for the worker that adopts it: `max_conns` is the process's, and between the two
                    // there would be room for one too many.
                    self.moves.departed(id);
                    self.gone(id, now, Session::moved);
                }
                Event::HandOverFailed { id, error } => self.hand_over_failed(id, &error, now),
                Event::Adopted { id, token } => self.adopted(id, token, now),
                Event::AcceptPaused { cause } => self.accept_paused(cause, now),
                Event::AcceptResumed => tracing::info!(worker = self.index, "accepting again"),
                Event::Bell => {}
                Event::Connected { .. } | Event::ConnectFailed { .. } => {
                    unreachable!("workers never connect")
                }
            }
        }
    }

    fn enter(&mut self, id: ConnectionId, now: Now) {
        let slot = id.slot();
        if self.ids.len() <= slot as usize {
            self.ids.resize(slot as usize + 1, None);
        }
        self.ids[slot as usize] = Some(id);
        self.stage.act(slot, now, |session, cx| session.begin(id.generation(), cx.now_ms));
        self.stage.schedule(slot, now, true);
    }

    fn accepted(&mut self, id: ConnectionId, now: Now) {
        self.stage.ledger.traffic.accepts += 1;
        let held = self.shared.connections.fetch_add(1, Ordering::Relaxed);
        self.enter(id, now);
        if self.drain.is_some() {
            self.stage.act(id.slot(), now, Session::refuse_draining);
        } else if held >= self.shared.connections_max {
            self.stage.act(id.slot(), now, Session::refuse_overloaded);
            if let Some(left_out) = self.limiter.allow("connections_max", now.ns) {
                tracing::warn!(
                    worker = self.index,
                    connections_max = self.shared.connections_max,
                    left_out,
                    "a connection was refused with 503: the server holds as many as max_conns allows; raise --max-conns"
                );
            }
        }
    }

    /// The last event of a connection here.
    fn gone(
        &mut self,
        id: ConnectionId,
        now: Now,
        leave: impl FnOnce(&mut Session, &mut crate::session::Context<'_, G>),
    ) {
        self.ids[id.slot() as usize] = None;
        self.stage.act(id.slot(), now, leave);
    }

    fn accept_paused(&mut self, cause: AcceptPause, now: Now) {
        self.stage.ledger.traffic.accept_pauses += 1;
        let Some(left_out) = self.limiter.allow("accept_paused", now.ns) else { return };
        let remedy = match cause {
            AcceptPause::TableFull => {
                "the worker's descriptor table is full: raise ring.fixed_table (and `ulimit -Hn`), or --workers"
            }
            AcceptPause::OutOfDescriptors => "the system has no free descriptor: raise fs.file-max",
            AcceptPause::OutOfMemory => {
                "the kernel has no memory for sockets: see net.ipv4.tcp_mem and free memory"
            }
            AcceptPause::Failed(_) => "the kernel refused to accept: the error number says why",
        };
        tracing::warn!(
            worker = self.index,
            ?cause,
            left_out,
            "accepting is paused and resumes by itself; {remedy}"
        );
    }

    /// A descriptor came from another worker.
    fn adopted(&mut self, id: ConnectionId, token: u64, now: Now) {
        // Its state left first, so at the latest it is in the mailbox now.
        let handover = match self.moves.take(token) {
            Some(handover) => Some(handover),
            None => {
                self.read_mailbox(now);
                self.moves.take(token)
            }
        };
        self.enter(id, now);
        let Some(mut handover) = handover else {
            tracing::error!(
                worker = self.index,
                token,
                "a connection arrived without its state; it is closed"
            );
            self.ring.close(id);
            return;
        };
        self.stage.act(id.slot(), now, |session, cx| {
            session.adopt(handover.room, &handover.accept, &mut handover.received, cx);
        });
        if let Some(drain) = self.drain {
            self.stage.act(id.slot(), now, |session, cx| session.go_away(drain.back_after_ms, cx));
        }
    }

    /// Sends connections to the workers their rooms live on, as far as these have places.
    pub(super) fn move_connections(&mut self, now: Now) {
        for to_worker in 0..self.peers.len() {
            while let Some(((id, moved), place)) =
                self.moves.waiting.next(to_worker, now.ns, || self.peers[to_worker].address().reserve())
            {
                match place {
                    // Gone while it waited: the place is given back.
                    _ if self.id(id.slot()) != Some(id) => {}
                    Some(place) => self.send_off(id, moved, place, now),
                    None => self.not_taken(id, to_worker, &"its table is full", now),
                }
            }
        }
    }

    /// State first, descriptor second.
    fn send_off(&mut self, id: ConnectionId, moved: Move, place: Place, now: Now) {
        let Move { to_worker, room, accept, received } = moved;
        let token = self.moves.next_token(self.index);
        match self.peers[to_worker].leave(Command::Adopt(Handover { token, room, accept, received })) {
            // The descriptor's own completion wakes the other worker: no bell.
            Ok(_) => {
                self.moves.depart(id, Departure { to_worker, token });
                self.ring.hand_over(id, place, token);
            }
            Err(_full) => {
                self.stage.ledger.traffic.mailbox_full += 1;
                self.stage.act(id.slot(), now, Session::move_failed);
                if let Some(left_out) = self.limiter.allow("mailbox_full", now.ns) {
                    tracing::warn!(
                        worker = self.index,
                        to_worker,
                        left_out,
                        "a connection was refused with 503: the mailbox of its room's worker is full; it is overloaded"
                    );
                }
            }
        }
    }

    /// The kernel could not move it. The state the other worker has been sent is taken back.
    fn hand_over_failed(&mut self, id: ConnectionId, error: &std::io::Error, now: Now) {
        let Some(Departure { to_worker, token }) = self.moves.departed(id) else { return };
        let peer = &self.peers[to_worker];
        if peer.leave(Command::Forget { token }).is_err() {
            self.stage.ledger.traffic.mailbox_full += 1;
        }
        // Whatever `leave` says: the announcement was left without a bell, because the descriptor
        // would wake the worker, and since then nobody else rings it either.
        self.ring.ring_bell(peer.address());
        self.not_taken(id, to_worker, error, now);
    }

    /// The worker of its room could not take the connection, because of `cause`.
    fn not_taken(&mut self, id: ConnectionId, to_worker: usize, cause: &dyn Display, now: Now) {
        self.stage.ledger.traffic.hand_overs_failed += 1;
        if let Some(left_out) = self.limiter.allow("hand_over_failed", now.ns) {
            tracing::warn!(worker = self.index, to_worker, %cause, left_out,
                "a connection was refused with 503: the worker of its room could not take it; raise ring.fixed_table");
        }
        self.stage.act(id.slot(), now, Session::move_failed);
    }
}
