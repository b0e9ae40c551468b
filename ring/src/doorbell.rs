//! Waking a ring from outside: from another ring by a message, from any thread by an eventfd.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use io_uring::{opcode, squeue, types};
use rustix::event::{EventfdFlags, eventfd};

use crate::Ring;
use crate::guests::Places;
use crate::operation::Operation;

/// How other rings of the process reach a ring: to [ring its bell](Ring::ring_bell), and to
/// [reserve](Self::reserve) a place for a connection that is to move there.
/// Meaningful as long as that ring exists.
#[derive(Debug, Clone)]
pub struct RingAddress {
    pub(crate) fd: RawFd,
    pub(crate) places: Places,
}

/// Wakes a ring from any thread. Clones ring the same bell.
#[derive(Debug, Clone)]
pub struct Doorbell {
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    /// Only ever written: its poll fires at each write, and the counter cannot reach its end.
    eventfd: OwnedFd,
    /// Rung, and the ring has not reported it yet: ringing again would tell it nothing new.
    rung: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { bell: Arc::new(Bell { eventfd, rung: AtomicBool::new(false) }) })
    }

    /// The ring's [`wait`](Ring::wait) returns and [`Event::Bell`](crate::Event::Bell) follows. What was
    /// written to shared memory before this call is seen by whoever handles that event. One system call, or
    /// none when the bell was rung already and not answered yet.
    pub fn ring(&self) {
        if !self.bell.rung.swap(true, Ordering::AcqRel) {
            // Fails only when the counter is full (2^64 - 2), and then the poll has fired anyway.
            let _counted = rustix::io::write(self.bell.eventfd.as_fd(), &1u64.to_ne_bytes());
        }
    }

    /// From here on ringing counts again.
    pub(crate) fn answer(&self) {
        self.bell.rung.swap(false, Ordering::AcqRel);
    }

    /// The poll that hears it.
    pub(crate) fn poll(&self) -> squeue::Entry {
        let flags = u32::from(libc::POLLIN.cast_unsigned());
        opcode::PollAdd::new(types::Fd(self.bell.eventfd.as_raw_fd()), flags)
            .multi(true)
            .build()
            .user_data(Operation::BellPoll.numbered(0, 0))
    }
}

impl Ring {
    /// This ring as other rings see it.
    #[must_use]
    pub fn address(&self) -> RingAddress {
        RingAddress { fd: self.kernel.fd(), places: self.guests.places.clone() }
    }

    /// A handle by which any thread can wake this ring.
    ///
    /// # Errors
    /// None at present; the bell is hung when the ring is made.
    pub fn doorbell(&self) -> io::Result<Doorbell> {
        Ok(self.doorbell.clone())
    }

    /// Rings another ring's bell: [`Event::Bell`](crate::Event::Bell) there. Goes out with this ring's next
    /// [`wait`](Ring::wait) or [`submit`](Ring::submit). Ringing a ring that is gone is ignored.
    pub fn ring_bell(&mut self, other: &RingAddress) {
        let bell = Operation::Bell.numbered(0, 0);
        let entry = opcode::MsgRingData::new(types::Fd(other.fd), 0, bell, None)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Operation::RingBell.numbered(0, 0));
        // SAFETY: the entry points to no memory.
        unsafe { self.kernel.push(&entry) };
    }
}
