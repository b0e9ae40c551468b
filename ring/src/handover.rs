//! Moving a connection to another ring of the process: the file is put into its table by a message.

use std::io;

use io_uring::opcode;
use io_uring::types::{DestinationSlot, Fd, Fixed};

use crate::kernel::Completion;
use crate::operation::{self, Operation, connection};
use crate::slots::{Ending, Life, Pending};
use crate::{ConnectionId, Event, Place, Ring};

impl Ring {
    /// Moves the connection to the ring that `place` is with, which must accept connections, not make them.
    /// [`Event::Adopted`] with `token` (below 2^48) happens there; here `HandedOver`, or `HandOverFailed` and
    /// the connection stays. Bytes that were received here have to travel by other means, and before: what
    /// the caller shares before the next wait is visible to whoever handles `Adopted`.
    ///
    /// # Panics
    /// On a bug of the caller: the token is too large, or something is under way on the connection: a
    /// receive ([`receiving`](Self::receiving)), a send, a shutdown or another hand-over.
    pub fn hand_over(&mut self, id: ConnectionId, place: Place, token: u64) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.life == Life::Open) else { return };
        assert!(slot.pending.is_empty() && slot.wanted.is_none(), "hand_over: nothing is under way");
        let to = self.guests.leave(id, place);
        slot.pending.insert(Pending::HAND_OVER);
        let adopted = Operation::Adopted.with_token(token);
        let entry =
            opcode::MsgRingSendFd::new(Fd(to), Fixed(id.slot()), DestinationSlot::auto_target(), adopted)
                .build()
                .user_data(Operation::HandOver.on(id));
        self.in_flight += 1;
        // SAFETY: the entry points to no memory.
        unsafe { self.kernel.push(&entry) };
    }

    /// This side of a hand-over completed.
    pub(crate) fn handed_over(&mut self, completion: Completion) -> Option<Event<'static>> {
        let id = connection(completion.user_data);
        let Some(slot) = self.slots.get_mut(id) else { return self.stale() };
        slot.pending.remove(Pending::HAND_OVER);
        self.guests.left(id, completion.outcome().is_ok());
        match completion.outcome() {
            Ok(_) => {
                slot.life = Life::Closing;
                slot.ending = Ending::HandedOver;
                self.close_when_idle(id);
                None
            }
            Err(_) if slot.life == Life::Closing => {
                self.close_when_idle(id);
                None
            }
            Err(errno) => Some(Event::HandOverFailed { id, error: io::Error::from_raw_os_error(errno) }),
        }
    }

    /// Another ring put a connection into this one's table.
    pub(crate) fn adopted(&mut self, completion: Completion) -> Option<Event<'static>> {
        let index = completion.outcome().ok()?;
        self.counters.adopted += 1;
        self.guests.arrived();
        let id = self.slots.occupy(index, Life::Open);
        Some(Event::Adopted { id, token: operation::token(completion.user_data) })
    }
}
