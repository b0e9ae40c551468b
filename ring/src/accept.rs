//! Accepting straight into the file table, and stopping in time when the table fills up.
//!
//! A multishot accept takes everything that queues at the listener in one go. When the table is full in
//! the middle of that, the kernel has already accepted a connection it cannot place, and drops it. So a
//! multishot is armed only while more slots are free than the backlog can hold twice over; nearer to a full
//! table, and where a wait shall not take long ([`Ring::accept_few`]), single accepts take its place, never more of
//! them than there are slots free and not promised to connections from other rings ([`guests`](crate::guests)).

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use io_uring::types::{CancelBuilder, DestinationSlot, Fd, Timespec};
use io_uring::{opcode, squeue};

use crate::kernel::Completion;
use crate::operation::{self, Operation};
use crate::slots::Life;
use crate::{AcceptPause, Event, Ring};

/// Single accepts under way at once, and so the connections of one pass while they are accepted one by one.
const SINGLES_MAX: u32 = 16;

/// Free slots of this ring's own for each single accept under way.
const OWN_PER_SINGLE: u32 = 4;

/// After a failure that is not about this ring's table.
static RETRY_AFTER: Timespec = Timespec::new().nsec(100_000_000);

/// Slots wanted free for a multishot when the backlog's length cannot be learnt.
const MARGIN_UNKNOWN: u32 = 8192;

/// The listener and what is under way on it.
#[derive(Debug, Default)]
pub(crate) struct Acceptor {
    listener: Option<TcpListener>,
    /// Tells this listener's completions from those of one given up before.
    generation: u32,
    many_armed: bool,
    ones_armed: u32,
    /// Whatever is armed has been cancelled; nothing is armed until that is through.
    cancelling: bool,
    paused: Option<AcceptPause>,
    /// No multishot, however many slots are free.
    one_by_one: bool,
    /// Fewer free slots than this, and connections are accepted one by one.
    margin: u32,
}

impl Acceptor {
    /// Free slots from which a multishot is worth it: the margin and some for other rings' connections.
    fn many_from(&self) -> u32 {
        self.margin.saturating_add(self.margin / 4)
    }
}

impl Ring {
    /// Accepts on `listener`, whose socket options (`TCP_NODELAY`, …) the connections inherit. No address is
    /// reported: direct descriptors cannot be asked for their peer.
    ///
    /// # Errors
    /// `AlreadyExists` when the ring listens already, `Unsupported` when it connects.
    pub fn listen(&mut self, listener: TcpListener) -> io::Result<()> {
        if self.connector.used() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a ring that connects cannot accept"));
        }
        if self.acceptor.listener.is_some() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "this ring listens already"));
        }
        self.ask_for_arrivals(listener.as_fd())?;
        self.acceptor = Acceptor {
            margin: backlog(listener.as_raw_fd()).map_or(MARGIN_UNKNOWN, |backlog| backlog.saturating_mul(2)),
            listener: Some(listener),
            generation: self.acceptor.generation.wrapping_add(1),
            one_by_one: self.acceptor.one_by_one,
            ..Acceptor::default()
        };
        Ok(())
    }

    /// Stops accepting and gives the listener up. Connections that the kernel has accepted already are still
    /// reported.
    pub fn stop_listening(&mut self) {
        let Some(listener) = self.acceptor.listener.take() else { return };
        self.cancel_accepts();
        // Queued accepts name the listener by its descriptor: they must be with the kernel (which holds the
        // file itself from then on) before that number can mean something else. A failure shows at the next
        // wait.
        let _shown_later = self.submit();
        drop(listener);
    }

    /// Whether a wait may bring only a few connections (16), from the next wait on. Otherwise it brings all that queue at
    /// the listener, which is cheaper; but a thousand at once take the kernel milliseconds, in which nothing else
    /// happens on this thread.
    pub const fn accept_few(&mut self, few: bool) {
        self.acceptor.one_by_one = few;
    }

    /// Whether the ring has a listener.
    #[must_use]
    pub fn listening(&self) -> bool {
        self.acceptor.listener.is_some()
    }

    /// Arms what the number of free slots allows. Called at each wait.
    pub(crate) fn arm_accepts(&mut self) {
        let Some(listener) = &self.acceptor.listener else {
            // Repeats a cancel that missed.
            self.cancel_accepts();
            return;
        };
        let listener = Fd(listener.as_raw_fd());
        let own = self.slots.free().saturating_sub(self.guests.promised());
        if self.acceptor.paused == Some(AcceptPause::TableFull) && own > 0 {
            self.resume_accepting();
        }
        if self.acceptor.paused.is_some() || self.acceptor.cancelling {
            return;
        }
        let has_room = self.slots.free() >= self.acceptor.many_from() && own >= self.acceptor.margin;
        let many = has_room && !self.acceptor.one_by_one;
        if self.acceptor.many_armed {
            if !many {
                self.cancel_accepts();
            }
        } else if many {
            // Single accepts under way are used up first: they are not armed again, and the multishot
            // begins with the last of them.
            if self.acceptor.ones_armed == 0 {
                self.acceptor.many_armed = true;
                let entry = opcode::AcceptMulti::new(listener).allocate_file_index(true).build();
                self.push_accept(entry, Operation::AcceptMany);
            }
        } else {
            self.arm_single_accepts(listener, own);
        }
    }

    /// Shares the free slots out between accepts and connections from other rings. Called at each wait,
    /// before accepts are armed.
    pub(crate) fn promise_places(&mut self) {
        let free = self.slots.free();
        let Acceptor { many_armed, ones_armed, margin, .. } = self.acceptor;
        let places = if many_armed || (self.listening() && free >= self.acceptor.many_from()) {
            free.saturating_sub(margin)
        } else if self.listening() {
            free / 2
        } else {
            free
        };
        self.guests.promise(places.min(free.saturating_sub(ones_armed)));
    }

    /// Nothing is armed, only because every free slot is promised to a connection that is on its way. Should
    /// one of them not come, nobody tells.
    pub(crate) fn waits_for_guests(&self) -> bool {
        let Acceptor { many_armed, ones_armed, paused, .. } = self.acceptor;
        self.listening() && !many_armed && ones_armed == 0 && paused.is_none()
    }

    fn arm_single_accepts(&mut self, listener: Fd, own: u32) {
        // What is armed is kept for those who come to this ring by themselves, even when none do: near a full table few.
        let armed_max = (own / OWN_PER_SINGLE).clamp(own.min(1), SINGLES_MAX);
        while self.acceptor.ones_armed < armed_max {
            self.acceptor.ones_armed += 1;
            let no_address = std::ptr::null_mut();
            let entry = opcode::Accept::new(listener, no_address, std::ptr::null_mut())
                .file_index(Some(DestinationSlot::auto_target()))
                .build();
            self.push_accept(entry, Operation::AcceptOne);
        }
        if self.slots.free() == 0 {
            self.pause_accepting(AcceptPause::TableFull);
        }
    }

    fn push_accept(&mut self, entry: squeue::Entry, operation: Operation) {
        self.in_flight += 1;
        let entry = entry.user_data(operation.numbered(0, self.acceptor.generation));
        // SAFETY: the entry points to no memory.
        unsafe { self.kernel.push(&entry) };
    }

    /// Cancels everything that is armed.
    fn cancel_accepts(&mut self) {
        let Acceptor { many_armed, ones_armed, cancelling, generation, .. } = self.acceptor;
        if cancelling || !(many_armed || ones_armed > 0) {
            return;
        }
        self.acceptor.cancelling = true;
        let operation = if many_armed { Operation::AcceptMany } else { Operation::AcceptOne };
        // All of them: they share one `user_data`, and a cancel of one would find the same one each time.
        let armed = CancelBuilder::user_data(operation.numbered(0, generation)).all();
        let entry = opcode::AsyncCancel2::new(armed)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Operation::CancelAccept.numbered(0, generation));
        // SAFETY: the entry points to no memory.
        unsafe { self.kernel.push(&entry) };
    }

    /// A cancel found nothing. Should something be armed still, it is cancelled again at the next wait.
    pub(crate) fn cancel_accepts_missed(&mut self, completion: Completion) {
        if self.is_current(completion) {
            self.acceptor.cancelling = false;
        }
    }

    /// Whether a completion is about the present listener, not one given up before.
    fn is_current(&self, completion: Completion) -> bool {
        operation::connection(completion.user_data).generation() == self.acceptor.generation
    }

    /// An accept completed.
    pub(crate) fn accepted(
        &mut self,
        operation: Operation,
        completion: Completion,
    ) -> Option<Event<'static>> {
        let current = self.is_current(completion);
        if current && !completion.more() {
            match operation {
                Operation::AcceptMany => self.acceptor.many_armed = false,
                _ => self.acceptor.ones_armed -= 1,
            }
            // Never both kinds at once.
            self.acceptor.cancelling &= self.acceptor.many_armed || self.acceptor.ones_armed > 0;
        }
        match completion.outcome() {
            Ok(index) => {
                self.counters.accepts += 1;
                let id = self.slots.occupy(index, Life::Open);
                Some(Event::Accepted { id })
            }
            Err(errno) => {
                if current && self.acceptor.listener.is_some() {
                    self.accept_failed(errno);
                }
                None
            }
        }
    }

    fn accept_failed(&mut self, errno: i32) {
        let cause = match errno {
            // Cancelled by us; or the peer was gone before we got to it; or nothing to report.
            libc::ECANCELED | libc::ECONNABORTED | libc::EAGAIN | libc::EINTR => return,
            libc::ENFILE if self.slots.free() == 0 => {
                self.counters.accepts_dropped += 1;
                AcceptPause::TableFull
            }
            libc::ENFILE | libc::EMFILE => AcceptPause::OutOfDescriptors,
            libc::ENOBUFS | libc::ENOMEM => AcceptPause::OutOfMemory,
            _ => AcceptPause::Failed(errno),
        };
        if self.acceptor.paused.is_some() {
            return;
        }
        self.pause_accepting(cause);
        if cause != AcceptPause::TableFull {
            self.in_flight += 1;
            let entry = opcode::Timeout::new(&raw const RETRY_AFTER)
                .build()
                .user_data(Operation::AcceptRetry.numbered(0, self.acceptor.generation));
            // SAFETY: the timespec is static.
            unsafe { self.kernel.push(&entry) };
        }
    }

    /// The pause after a failure is over.
    pub(crate) fn retry_accepting(&mut self, completion: Completion) {
        if self.is_current(completion) && self.acceptor.listener.is_some() {
            self.resume_accepting();
        }
    }

    fn pause_accepting(&mut self, cause: AcceptPause) {
        self.acceptor.paused = Some(cause);
        self.counters.accept_pauses += 1;
        self.ready.push_back(Event::AcceptPaused { cause });
    }

    fn resume_accepting(&mut self) {
        if self.acceptor.paused.take().is_some() {
            self.ready.push_back(Event::AcceptResumed);
        }
    }
}

/// The longest queue of connections waiting to be accepted, as the kernel holds it for this listener.
fn backlog(listener: RawFd) -> Option<u32> {
    // SAFETY: tcp_info consists of integers, for which all zeros is a value.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).expect("a small struct");
    // SAFETY: the pointers name `info` and its length, and the kernel writes no more than that.
    let result = unsafe {
        libc::getsockopt(listener, libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut length)
    };
    // For a listening socket `tcpi_sacked` carries the backlog's limit (tcp_get_info in net/ipv4/tcp.c).
    (result == 0).then_some(info.tcpi_sacked)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Config, Wait};

    #[test]
    fn the_backlog_of_a_listener_is_the_one_it_was_given() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(77).unwrap();
        assert_eq!(backlog(socket.as_raw_fd()), Some(77));
    }

    #[test]
    fn a_failure_of_the_system_pauses_and_is_tried_again() {
        let causes = [
            (libc::EMFILE, AcceptPause::OutOfDescriptors),
            (libc::ENFILE, AcceptPause::OutOfDescriptors),
            (libc::ENOMEM, AcceptPause::OutOfMemory),
            (libc::ENOBUFS, AcceptPause::OutOfMemory),
            (libc::EPERM, AcceptPause::Failed(libc::EPERM)),
        ];
        for (errno, expected) in causes {
            let mut ring = Ring::new(&Config { connections_max: 8, ..Config::default() }).unwrap();
            ring.listen(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
            // The kernel cannot be made to fail like this on demand.
            ring.accept_failed(errno);
            ring.accept_failed(errno);
            let (mut paused, mut resumed) = (0, 0);
            for _ in 0..1000 {
                let wait = Wait { timeout: Some(Duration::from_millis(10)), want: 1, gather: Duration::ZERO };
                ring.wait(&wait).unwrap();
                while let Some(event) = ring.next_event() {
                    match event {
                        Event::AcceptPaused { cause } => {
                            assert_eq!(cause, expected);
                            paused += 1;
                        }
                        Event::AcceptResumed => resumed += 1,
                        other => panic!("{other:?}"),
                    }
                }
                if resumed > 0 {
                    break;
                }
            }
            assert_eq!((paused, resumed), (1, 1), "{expected:?}");
        }
    }
}
