//! Receiving: one arm per connection at most, into buffers of the shared pool.
//!
//! An arm ends with its first completion that lacks `F_MORE`; only then may the next one be armed, and it
//! is armed at the next wait, after the buffers were given back.

use std::io;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use crate::arrival::Parcel;
use crate::buffers::GROUP;
use crate::drain::Outcome;
use crate::kernel::Completion;
use crate::operation::{Operation, connection};
use crate::slots::{Life, Pending, Slot};
use crate::{ConnectionId, Event, Receive, Ring};

impl Ring {
    /// Receives from now on, once or for good. Nothing arrives before this is called. On a connection whose
    /// stream has ended, or that is being closed, it does nothing.
    pub fn receive(&mut self, id: ConnectionId, mode: Receive) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.life == Life::Open && !slot.ended) else {
            return;
        };
        slot.wanted = Some(mode);
        if slot.pending.has(Pending::RECEIVE) {
            if slot.armed != mode {
                // A single one that is to become many does so when it completes. Many become a single one by
                // a cancel; what arrived before it takes effect is delivered still.
                if mode == Receive::Once && !slot.cancelling {
                    slot.cancelling = true;
                    self.cancel(Operation::Receive, id);
                }
            }
        } else if !slot.put_off {
            self.arm_receive(id);
        }
    }

    /// Whether a receive is armed, or waits to be armed again: as long as that is so the connection cannot be
    /// handed over.
    #[must_use]
    pub fn receiving(&self, id: ConnectionId) -> bool {
        self.slots.get(id).is_some_and(|slot| slot.pending.has(Pending::RECEIVE) || slot.wanted.is_some())
    }

    /// Back-pressure: receives no more until [`receive`](Self::receive). What the kernel has taken from the
    /// socket already is delivered still, in this pass and the next.
    pub fn pause_receive(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.life == Life::Open) else { return };
        slot.wanted = None;
        if slot.pending.has(Pending::RECEIVE) && !slot.cancelling {
            slot.cancelling = true;
            self.cancel(Operation::Receive, id);
        }
    }

    /// Arms a receive on an open connection that wants one and has none.
    pub(crate) fn arm_receive(&mut self, id: ConnectionId) {
        let buffer_bytes = self.buffer_bytes;
        let Some(slot) = self.slots.get_mut(id) else { return };
        let Some(wanted) = slot.wanted else { return };
        let mode = if slot.loud { Receive::Once } else { wanted };
        slot.armed = mode;
        slot.pending.insert(Pending::RECEIVE);
        let file = Fixed(id.slot());
        let entry = match mode {
            Receive::Many => match &self.arrivals {
                Some(arrivals) => opcode::RecvMsgMulti::new(file, arrivals.message(), GROUP).build(),
                None => opcode::RecvMulti::new(file, GROUP).build(),
            },
            Receive::Once => opcode::Recv::new(file, std::ptr::null_mut(), buffer_bytes)
                .buf_group(GROUP)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT),
        };
        self.in_flight += 1;
        // SAFETY: the pool it draws from outlives the ring, and so does the one message it may point to.
        unsafe { self.kernel.push(&entry.user_data(Operation::Receive.on(id))) };
    }

    /// A receive completed, perhaps not for the last time.
    #[inline]
    pub(crate) fn received(&mut self, completion: Completion) -> Option<Outcome> {
        if let Some(buffer) = completion.buffer() {
            // The kernel sees it again only after the next wait's publishing: until then it is lent out.
            self.buffers.give_back(buffer);
        }
        let id = connection(completion.user_data);
        let Some(slot) = self.slots.get_mut(id) else {
            self.stale();
            return None;
        };
        let more = completion.more();
        if !more {
            slot.pending.remove(Pending::RECEIVE);
            slot.cancelling = false;
        }
        if slot.life == Life::Closing {
            if !more {
                self.close_when_idle(id);
            }
            return None;
        }
        match (completion.outcome(), completion.buffer()) {
            (Ok(filled @ 1..), Some(buffer)) => {
                let parcel = match &mut self.arrivals {
                    Some(arrivals) if slot.armed == Receive::Many => {
                        arrivals.parcel(self.buffers.taken(buffer, 0, filled))
                    }
                    _ => Parcel { start: 0, bytes: filled, arrived: None },
                };
                if parcel.bytes == 0 {
                    return Some(Outcome::Event(end(slot, id, None)));
                }
                if !more {
                    // A buffer that was not filled has emptied the socket.
                    slot.loud &= filled == self.buffer_bytes;
                    self.arm_ended(id);
                } else if delivered(slot, self.pass, parcel.bytes) > self.receive_bytes_per_pass_max {
                    self.pause_for_fairness(id);
                }
                self.counters.received_bytes += u64::from(parcel.bytes);
                Some(Outcome::Received { id, buffer, parcel })
            }
            (Ok(_), _) => Some(Outcome::Event(end(slot, id, None))),
            (Err(errno), _) => self.receive_failed(id, errno).map(Outcome::Event),
        }
    }

    /// An arm ended with data: the wish is fulfilled, or armed again.
    fn arm_ended(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if slot.armed == Receive::Once && slot.wanted == Some(Receive::Once) {
            slot.wanted = None;
        } else {
            self.put_off(id);
        }
    }

    #[cold]
    fn pause_for_fairness(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if !slot.cancelling {
            slot.cancelling = true;
            slot.loud = true;
            self.counters.fairness_pauses += 1;
            self.cancel(Operation::Receive, id);
        }
    }

    #[cold]
    fn receive_failed(&mut self, id: ConnectionId, errno: i32) -> Option<Event<'static>> {
        match errno {
            // The pool ran dry. It is full again, or larger, after the next wait's publishing.
            libc::ENOBUFS => self.counters.buffer_exhaustions += u64::from(self.buffers.all_in_use()),
            // Our own cancel, or nothing to report.
            libc::ECANCELED | libc::EAGAIN | libc::EINTR => {}
            _ => {
                let slot = self.slots.get_mut(id)?;
                return Some(end(slot, id, Some(io::Error::from_raw_os_error(errno))));
            }
        }
        self.put_off(id);
        None
    }
}

/// Adds to what the connection delivered in this pass.
#[inline]
fn delivered(slot: &mut Slot, pass: u32, bytes: u32) -> u32 {
    if slot.pass != pass {
        slot.pass = pass;
        slot.delivered_bytes = 0;
    }
    slot.delivered_bytes = slot.delivered_bytes.saturating_add(bytes);
    slot.delivered_bytes
}

/// The stream is over, one way or the other.
fn end(slot: &mut Slot, id: ConnectionId, error: Option<io::Error>) -> Event<'static> {
    slot.ended = true;
    slot.wanted = None;
    Event::ReceiveEnded { id, error }
}
