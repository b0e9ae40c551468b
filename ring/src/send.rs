//! Sending: one send per connection at a time, from a buffer that the slot owns meanwhile.
//!
//! A quiet send asks the kernel to try at once, without waiting (`MSG_DONTWAIT`), and to complete only if
//! it did not take everything (`CQE_SKIP_SUCCESS`). Such a send is executed inside the very enter that
//! submits it. So once the kernel has consumed the entry, and the completions of that enter have been
//! looked through without one for it, all of it was taken. What was not taken is sent on by a plain send.

use std::io;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use crate::kernel::Completion;
use crate::operation::{Operation, connection};
use crate::slots::{Life, Pending};
use crate::{ConnectionId, Event, Ring};

/// A quiet send that has been queued.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuietSend {
    slot: u32,
    /// The slot's stamp then: with another one the slot has gone on to a later send.
    stamp: u32,
    /// Its position in the submission queue.
    position: u32,
}

impl Ring {
    /// Sends all of `bytes`; the buffer comes back with `Sent`, a completion like any other: it ends or
    /// shortens a wait. For when that event is waited for; otherwise [`send_quietly`](Self::send_quietly) is
    /// cheaper.
    ///
    /// # Panics
    /// On a bug of the caller: the connection is gone, not connected yet or closing; a send is under way;
    /// `bytes` is empty or of 4 GiB or more.
    pub fn send(&mut self, id: ConnectionId, bytes: Vec<u8>) {
        self.begin_send(id, bytes);
        self.push_send(id);
    }

    /// As [`send`](Self::send), but when the kernel takes everything at once, as it nearly always does, nobody
    /// is woken for that: `Sent` comes at the end of the next pass, whenever there is one, after 250 ms at the
    /// latest. A pass answered with quiet sends costs one enter, where plain sends cost two, the second to hear
    /// that they are done. When a [`shutdown`](Self::shutdown) or [`close`](Self::close) stands behind it, the
    /// next wait does not sleep.
    ///
    /// # Panics
    /// As `send`.
    pub fn send_quietly(&mut self, id: ConnectionId, bytes: Vec<u8>) {
        self.begin_send(id, bytes);
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.quiet = true;
        let stamp = slot.stamp;
        let length = u32::try_from(slot.buffer.len()).expect("checked in begin_send");
        let entry = opcode::Send::new(Fixed(id.slot()), slot.buffer.as_ptr(), length)
            .flags(libc::MSG_WAITALL | libc::MSG_DONTWAIT)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Operation::SendQuietly.on(id));
        // SAFETY: the slot keeps the buffer until `settle_quiet` found the entry consumed and its enter's
        // completions seen, or until its failure's completion.
        let position = unsafe { self.kernel.push(&entry) };
        self.quiet.push_back(QuietSend { slot: id.slot(), stamp, position });
    }

    /// Whether a send is under way, that is its `Sent` is still to come.
    #[must_use]
    pub fn sending(&self, id: ConnectionId) -> bool {
        self.slots.get(id).is_some_and(|slot| slot.pending.has(Pending::SEND))
    }

    /// Finishes our stream (`SHUT_WR`) once what is being sent is out. Receiving goes on.
    pub fn shutdown(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.life == Life::Open) else { return };
        if slot.pending.has(Pending::SEND) {
            slot.shutdown_wanted = true;
            self.settle_soon |= slot.quiet;
        } else {
            self.push_shutdown(id);
        }
    }

    fn begin_send(&mut self, id: ConnectionId, bytes: Vec<u8>) {
        let open = self.slots.get_mut(id).filter(|slot| slot.life == Life::Open);
        let slot = open.expect("send: the connection is open");
        assert!(!slot.pending.has(Pending::SEND), "send: one send per connection at a time");
        assert!(!bytes.is_empty() && u32::try_from(bytes.len()).is_ok(), "send: 1 byte to 4 GiB");
        slot.buffer = bytes;
        slot.sent_bytes = 0;
        slot.stamp = slot.stamp.wrapping_add(1);
        slot.pending.insert(Pending::SEND);
    }

    /// Sends what is left of the slot's buffer, waiting for room as long as it takes.
    fn push_send(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.quiet = false;
        let left = &slot.buffer[slot.sent_bytes as usize..];
        let length = u32::try_from(left.len()).expect("checked in begin_send");
        let entry = opcode::Send::new(Fixed(id.slot()), left.as_ptr(), length)
            .flags(libc::MSG_WAITALL)
            .build()
            .user_data(Operation::Send.on(id));
        self.in_flight += 1;
        // SAFETY: the slot keeps the buffer, unmoved, until this send's completion.
        unsafe { self.kernel.push(&entry) };
    }

    /// A plain send completed, or a quiet one did not go through at once.
    #[inline]
    pub(crate) fn sent(&mut self, completion: Completion) -> Option<Event<'static>> {
        let id = connection(completion.user_data);
        let Some(slot) = self.slots.get_mut(id) else { return self.stale() };
        // It is heard of now: the list of quiet sends has nothing to say about it any more.
        slot.quiet = false;
        match completion.outcome() {
            Ok(bytes) => {
                slot.sent_bytes += bytes;
                self.counters.sent_bytes += u64::from(bytes);
                if slot.sent_bytes as usize == slot.buffer.len() {
                    return self.send_ended(id, Ok(()));
                }
            }
            Err(libc::EAGAIN | libc::EINTR) => {}
            Err(errno) => return self.send_ended(id, Err(io::Error::from_raw_os_error(errno))),
        }
        if slot.life == Life::Closing {
            return self.send_ended(id, Err(io::Error::from_raw_os_error(libc::ECANCELED)));
        }
        self.counters.short_sends += 1;
        self.push_send(id);
        None
    }

    /// The buffer goes back to the caller; what waited for the send goes on.
    fn send_ended(&mut self, id: ConnectionId, result: io::Result<()>) -> Option<Event<'static>> {
        let slot = self.slots.get_mut(id)?;
        slot.pending.remove(Pending::SEND);
        slot.quiet = false;
        let buffer = std::mem::take(&mut slot.buffer);
        let shutdown_wanted = std::mem::take(&mut slot.shutdown_wanted);
        self.counters.sends += 1;
        if slot.life == Life::Closing {
            self.close_when_idle(id);
        } else if shutdown_wanted {
            self.push_shutdown(id);
        }
        Some(Event::Sent { id, buffer, result })
    }

    /// The next quiet send of which it is certain by now that everything was taken. To be called when all
    /// completions of the pass have been looked through.
    #[inline]
    pub(crate) fn settle_quiet(&mut self) -> Option<Event<'static>> {
        while let Some(&QuietSend { slot: index, stamp, position }) = self.quiet.front() {
            // An overflown queue may hold back the very completion that says otherwise.
            if !self.kernel.consumed(position) || self.kernel.overflown() {
                return None;
            }
            self.quiet.pop_front();
            let Some((id, slot)) = self.slots.at_mut(index) else { continue };
            if slot.quiet && slot.stamp == stamp {
                self.counters.sent_bytes += slot.buffer.len() as u64;
                return self.send_ended(id, Ok(()));
            }
        }
        None
    }

    fn push_shutdown(&mut self, id: ConnectionId) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| !slot.pending.has(Pending::SHUTDOWN)) else {
            return;
        };
        slot.pending.insert(Pending::SHUTDOWN);
        let entry = opcode::Shutdown::new(Fixed(id.slot()), libc::SHUT_WR)
            .build()
            .user_data(Operation::Shutdown.on(id));
        self.in_flight += 1;
        // SAFETY: the entry points to no memory.
        unsafe { self.kernel.push(&entry) };
    }

    /// A shutdown completed. That it failed means that the connection is gone, which others report.
    pub(crate) fn shut_down(&mut self, completion: Completion) -> Option<Event<'static>> {
        let id = connection(completion.user_data);
        let Some(slot) = self.slots.get_mut(id) else { return self.stale() };
        slot.pending.remove(Pending::SHUTDOWN);
        if slot.life == Life::Closing {
            self.close_when_idle(id);
        }
        None
    }
}
