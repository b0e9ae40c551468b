//! Tearing a connection down: cancel, wait for the last completions, close, free the slot.

use std::io;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use crate::kernel::Completion;
use crate::operation::{Operation, connection};
use crate::slots::{Ending, Life, Pending};
use crate::{ConnectionId, Event, Ring};

impl Ring {
    /// Closes the connection: what has been queued to send goes to the kernel still, what is stuck there is
    /// cancelled, nothing more is received. `Sent` (if a send was under way) and then `Closed` follow. Closing
    /// again does nothing. Unread bytes make the kernel reset the connection (RFC 1122 section 4.2.2.13), as
    /// with any close: [`shutdown`](Self::shutdown) and read to the end first for an orderly end.
    pub fn close(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.life != Life::Closing) else { return };
        slot.life = Life::Closing;
        slot.wanted = None;
        self.settle_soon |= slot.quiet;
        self.cancel_pending(id);
        self.close_when_idle(id);
    }

    /// Cancels whatever of a closing connection may stay pending for long.
    fn cancel_pending(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get(id) else { return };
        let (pending, cancelling, quiet) = (slot.pending, slot.cancelling, slot.quiet);
        if pending.has(Pending::RECEIVE) && !cancelling {
            self.cancel(Operation::Receive, id);
        }
        // A quiet send never waits, so there is nothing to cancel.
        if pending.has(Pending::SEND) && !quiet {
            self.cancel(Operation::Send, id);
        }
        if pending.has(Pending::CONNECT) {
            self.cancel(Operation::Connect, id);
        }
    }

    /// Submits the close of a closing connection as soon as nothing is pending.
    pub(crate) fn close_when_idle(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if slot.life != Life::Closing || !slot.pending.is_empty() {
            return;
        }
        slot.pending.insert(Pending::CLOSE);
        let entry = opcode::Close::new(Fixed(id.slot())).build().user_data(Operation::Close.on(id));
        self.in_flight += 1;
        // SAFETY: the entry points to no memory.
        unsafe { self.kernel.push(&entry) };
    }

    /// A close completed: the index is free.
    pub(crate) fn closed(&mut self, completion: Completion) -> Option<Event<'static>> {
        let id = connection(completion.user_data);
        let Some(slot) = self.slots.get_mut(id) else { return self.stale() };
        // Closing a direct descriptor fails only when there is none at the index.
        debug_assert!(completion.result == 0, "close of {id:?}: {completion:?}");
        slot.pending.remove(Pending::CLOSE);
        let (ending, errno) = (slot.ending, slot.errno);
        self.slots.release(id, self.connector.used());
        Some(match ending {
            Ending::Closed => {
                self.counters.closes += 1;
                Event::Closed { id }
            }
            Ending::ConnectFailed => Event::ConnectFailed { id, error: io::Error::from_raw_os_error(errno) },
            Ending::HandedOver => {
                self.counters.handed_over += 1;
                Event::HandedOver { id }
            }
        })
    }

    /// Cancels an operation of a connection. Its completion still comes, as cancelled or as what it became
    /// before.
    pub(crate) fn cancel(&mut self, operation: Operation, id: ConnectionId) {
        let entry = opcode::AsyncCancel::new(operation.on(id))
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Operation::Cancel.on(id));
        // SAFETY: the entry points to no memory.
        unsafe { self.kernel.push(&entry) };
    }

    /// A cancel found nothing to cancel. Usually the operation completed just before; should it have been in
    /// between two states, it is cancelled again at the next wait.
    pub(crate) fn cancel_missed(&mut self, completion: Completion) {
        let id = connection(completion.user_data);
        let Some(slot) = self.slots.get_mut(id) else { return };
        if !slot.pending.is_empty() && (slot.life == Life::Closing || slot.cancelling) {
            slot.cancelling = false;
            self.put_off(id);
        }
    }

    /// Looks at the connection again at the next wait.
    pub(crate) fn put_off(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if !slot.put_off {
            slot.put_off = true;
            self.put_off.push(id.slot());
        }
    }

    /// Takes up what was put off. Called at each wait, with the receive buffers given back.
    pub(crate) fn look_again(&mut self) {
        // The list is taken out while it is worked through; nothing here adds to it.
        let mut indices = std::mem::take(&mut self.put_off);
        for index in indices.drain(..) {
            let Some((id, slot)) = self.slots.at_mut(index) else { continue };
            slot.put_off = false;
            let receive_armed = slot.pending.has(Pending::RECEIVE);
            match slot.life {
                Life::Closing => self.cancel_pending(id),
                // A pause whose cancel missed.
                Life::Open if receive_armed && slot.wanted.is_none() && !slot.cancelling => {
                    self.pause_receive(id)
                }
                Life::Open if !receive_armed => self.arm_receive(id),
                Life::Open | Life::Free | Life::Connecting => {}
            }
        }
        debug_assert!(self.put_off.is_empty(), "looking again puts nothing off");
        self.put_off = indices;
    }
}
