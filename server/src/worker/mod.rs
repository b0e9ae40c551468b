//! A worker: one thread, one ring, its connections and its rooms. This file is the data path.
//!
//! ```text
//! socket ─► ring ─► ws frame ─► message ─► session ─► room input ─► tick ─► snapshot ─► outbox ─► ring ─► socket
//! ```
//!
//! Nothing is done inside an event but to note it; [`Worker::run`] then works through what is due in
//! a fixed order, and ends each pass with one flush.

mod batch;
mod events;
mod load;
mod mail;
mod moves;
mod reporting;
mod sleep;
pub(crate) mod start;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crossbeam::utils::CachePadded;
use tickring_ring::{ConnectionId, Receive, Ring};
use tickring_room::Game;

use crate::clock::Clock;
use crate::error::ServerError;
use crate::logging::RateLimited;
use crate::mailbox::{Mailbox, MailboxReceiver};
use crate::recording::Outlet;
use crate::session::{Flush, Now, Receiving, Stage};

use moves::Moves;

/// What all workers of the process share. Touched when connections come and go, never per message.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Connections held by all workers.
    pub(crate) connections: CachePadded<AtomicU32>,
    /// How many there may be.
    pub(crate) connections_max: u32,
    /// What the seeds of rooms follow from.
    pub(crate) seed: u64,
    /// Where recordings go, if rooms are recorded.
    pub(crate) outlet: Option<Outlet>,
}

/// One worker. Created and run on its own thread.
pub(crate) struct Worker<G: Game> {
    index: usize,
    clock: Clock,
    ring: Ring,
    stage: Stage<G>,
    /// The ring's name for the connection in each slot.
    ids: Vec<Option<ConnectionId>>,
    mailbox: MailboxReceiver,
    /// Everybody's mailbox, our own among them, by worker.
    peers: Arc<[Mailbox]>,
    moves: Moves,
    shared: Arc<Shared>,
    limiter: RateLimited,
    gather_ns: u64,
    want: u32,
    lead: sleep::Lead,
    batch: batch::Batch,
    slept: Option<sleep::Slept>,
    pool_bytes: u64,
    drain: Option<Drain>,
}

/// The server is going.
#[derive(Clone, Copy, Debug)]
struct Drain {
    deadline_ns: u64,
    back_after_ms: u32,
}

impl<G: Game> Worker<G> {
    /// Serves until drained.
    pub(crate) fn run(mut self) -> Result<(), ServerError> {
        let clock = self.clock;
        loop {
            let now = self.sleep()?;
            self.read_ring(now);
            self.read_mailbox(now);
            self.move_connections(now);
            self.stage.tick(|| clock.now_ns());
            self.weigh_load(now);
            self.stage.expire(now);
            self.flush(now);
            if self.is_drained(now) {
                self.stage.rooms.end_recordings();
                return Ok(());
            }
        }
    }

    /// One send per connection that has something to say; receives as sessions want them.
    fn flush(&mut self, now: Now) {
        while let Some(slot) = self.stage.sessions.pop_dirty() {
            let Some(id) = self.id(slot) else { continue };
            match self.stage.flush(slot, now) {
                Flush::Close => self.ring.close(id),
                Flush::Work { send, shutdown, receive } => {
                    if let Some(bytes) = send {
                        self.ring.send_quietly(id, bytes);
                    }
                    if shutdown {
                        self.ring.shutdown(id);
                    }
                    match receive {
                        None => {}
                        Some(Receiving::Nothing) => self.ring.pause_receive(id),
                        Some(Receiving::Once) => self.ring.receive(id, Receive::Once),
                        Some(Receiving::Many) => self.ring.receive(id, Receive::Many),
                    }
                }
            }
            self.stage.schedule(slot, now, false);
        }
    }

    fn id(&self, slot: u32) -> Option<ConnectionId> {
        self.ids.get(slot as usize).copied().flatten()
    }

    fn is_drained(&self, now: Now) -> bool {
        self.drain.is_some_and(|drain| self.ring.connections() == 0 || now.ns >= drain.deadline_ns)
    }
}
