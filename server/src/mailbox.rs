//! How threads talk to a worker: a bounded queue and a doorbell.
//!
//! Push first, ring second; the bell is rung only when the worker sleeps. A full mailbox is
//! returned to the caller with the message inside: never a silent drop, never a block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use tickring_protocol::ids::PlayerId;
use tickring_ring::{Doorbell, RingAddress};
use tokio::sync::oneshot;

use crate::handover::Handover;
use crate::report::{Kicked, RoomReport, WorkerReport};

/// What a worker can be told.
#[derive(Debug)]
pub enum Command {
    /// A connection moves here: its bytes and state arrive in this message, its descriptor through
    /// the ring under the same token.
    Adopt(Handover),
    /// The descriptor of an announced connection will not come.
    Forget {
        /// The token of its [`Handover`].
        token: u64,
    },
    /// Answer with a copy of the counters.
    Report(oneshot::Sender<WorkerReport>),
    /// Answer with the first rooms by name that come after a name.
    Rooms {
        /// The name; the empty one comes before all.
        after: Box<str>,
        /// How many at most.
        rooms_max: usize,
        /// Where to.
        answer: oneshot::Sender<Vec<RoomReport>>,
    },
    /// Remove a player from a room of this worker.
    Kick {
        /// The room's name.
        room: Box<str>,
        /// Who.
        player: PlayerId,
        /// Where to say what became of it.
        answer: oneshot::Sender<Kicked>,
    },
    /// Stop accepting, send everybody 1001 with the hint when to come back, and stop when all are
    /// gone or `deadline_ns` (on the server's clock) has passed.
    Drain {
        /// When to stop waiting for peers, ns on the server's clock.
        deadline_ns: u64,
        /// The hint sent to clients, milliseconds.
        back_after_ms: u32,
    },
}

/// The sending side of a worker's mailbox. Cheap to clone, any thread.
#[derive(Clone, Debug)]
pub struct Mailbox {
    shared: Arc<Shared>,
    doorbell: Doorbell,
    address: RingAddress,
}

#[derive(Debug)]
struct Shared {
    queue: ArrayQueue<Command>,
    asleep: CachePadded<AtomicBool>,
}

/// The receiving side; lives on the worker.
#[derive(Debug)]
pub(crate) struct MailboxReceiver {
    shared: Arc<Shared>,
}

/// Makes a mailbox for `places` commands, woken through `doorbell` or, from a ring, at `address`.
pub(crate) fn mailbox(places: usize, doorbell: Doorbell, address: RingAddress) -> (Mailbox, MailboxReceiver) {
    let shared =
        Arc::new(Shared { queue: ArrayQueue::new(places), asleep: CachePadded::new(AtomicBool::new(false)) });
    (Mailbox { shared: Arc::clone(&shared), doorbell, address }, MailboxReceiver { shared })
}

impl Mailbox {
    /// Leaves `command` and wakes the worker if it sleeps. From any thread without a ring.
    ///
    /// # Errors
    /// Gives the command back when the mailbox is full.
    pub fn push(&self, command: Command) -> Result<(), Command> {
        if self.leave(command)? {
            self.doorbell.ring();
        }
        Ok(())
    }

    /// Leaves `command`; `Ok(true)` says that the worker sleeps and the caller's own ring must ring
    /// the bell at [`Mailbox::address`].
    ///
    /// # Errors
    /// Gives the command back when the mailbox is full.
    pub(crate) fn leave(&self, command: Command) -> Result<bool, Command> {
        self.shared.queue.push(command)?;
        // Pairs with the swap in `fall_asleep`: either the worker sees the command before it
        // sleeps, or we see that it sleeps.
        Ok(self.shared.asleep.swap(false, Ordering::SeqCst))
    }

    /// The ring that reads this mailbox.
    pub(crate) fn address(&self) -> &RingAddress {
        &self.address
    }

    /// Commands waiting now.
    pub fn depth(&self) -> usize {
        self.shared.queue.len()
    }
}

impl MailboxReceiver {
    /// Announces sleep. `false`: something is waiting, don't sleep.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.shared.asleep.store(true, Ordering::SeqCst);
        if self.shared.queue.is_empty() {
            true
        } else {
            self.wake();
            false
        }
    }

    /// Ends the announcement: no bell is needed while the worker is awake.
    pub(crate) fn wake(&self) {
        self.shared.asleep.store(false, Ordering::SeqCst);
    }

    /// The next command.
    pub(crate) fn pop(&self) -> Option<Command> {
        self.shared.queue.pop()
    }

    /// Commands waiting now.
    pub(crate) fn depth(&self) -> usize {
        self.shared.queue.len()
    }
}
