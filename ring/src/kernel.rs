//! The two queues shared with the kernel, and the one system call: `io_uring_enter`.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, Submitter, squeue};

use crate::{Wait, clock};

/// With fewer completions wanted than this the kernel works off this many anyway.
const KERNEL_BATCH: u32 = 20;
/// What a send takes on a slow machine: so long may the submission of each entry last.
const SEND: Duration = Duration::from_micros(20);
/// A timeout that stands for none.
const FAR: Duration = Duration::from_secs(3_600);

/// One completion, copied out of its queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

impl Completion {
    /// More completions of the same submission will follow.
    #[inline]
    pub(crate) fn more(self) -> bool {
        io_uring::cqueue::more(self.flags)
    }

    /// The receive buffer it carries.
    #[inline]
    pub(crate) fn buffer(self) -> Option<u16> {
        io_uring::cqueue::buffer_select(self.flags)
    }

    /// The errno of a failed operation, the count of a successful one.
    #[inline]
    pub(crate) fn outcome(self) -> Result<u32, i32> {
        u32::try_from(self.result).map_err(|_| -self.result)
    }
}

/// The ring's queues. Queued entries reach the kernel at the next enter; when the queue is full one is
/// made on the spot.
pub(crate) struct Kernel {
    /// Remembers the registered index of the ring's own descriptor. It borrows from `*uring`, and so must
    /// not be used once that is freed, which happens in `drop` only.
    submitter: Submitter<'static>,
    /// From `Box::leak`; freed in `drop`. Only shared references to it are ever made.
    uring: *mut IoUring,
    /// Entries for which the kernel found no memory yet: they go first.
    spill: VecDeque<squeue::Entry>,
    pushed: u32,
    enters: u64,
    min_wait: bool,
    no_iowait: bool,
}

impl Kernel {
    /// Takes the queues over and registers the ring's own descriptor with the calling thread.
    pub(crate) fn new(uring: IoUring) -> Self {
        let (min_wait, no_iowait) =
            (uring.params().is_feature_min_timeout(), uring.params().is_feature_no_iowait());
        let uring: *mut IoUring = Box::into_raw(Box::new(uring));
        // SAFETY: the pointer is from Box::into_raw and freed only in `drop`, after the last use of `submitter`.
        let shared: &'static IoUring = unsafe { &*uring };
        let mut submitter = shared.submitter();
        // A thread has 16 places for registered rings. Without one each enter looks the descriptor up,
        // which costs some 20 ns and changes nothing else.
        let _slower_without = submitter.register_ring_fd();
        Self { submitter, uring, spill: VecDeque::new(), pushed: 0, enters: 0, min_wait, no_iowait }
    }

    fn uring(&self) -> &IoUring {
        // SAFETY: `uring` lives until `drop`, and no exclusive reference to it is ever made.
        unsafe { &*self.uring }
    }

    pub(crate) fn submitter(&self) -> &Submitter<'static> {
        &self.submitter
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.uring().as_raw_fd()
    }

    pub(crate) fn enters(&self) -> u64 {
        self.enters
    }

    /// Bytes of both queues.
    pub(crate) fn bytes(&self) -> usize {
        let params = self.uring().params();
        params.sq_entries() as usize * size_of::<squeue::Entry>()
            + params.cq_entries() as usize * size_of::<io_uring::cqueue::Entry>()
    }

    /// Queues an entry and returns its position, for [`consumed`](Self::consumed).
    ///
    /// # Safety
    /// Memory that the entry points to must stay valid, and unmoved, until its last completion; for an
    /// entry that completes only on failure, until it was consumed and the completions of that enter seen.
    #[inline]
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) -> u32 {
        // SAFETY: handed through.
        if !self.spill.is_empty() || !unsafe { self.try_push(entry) } {
            // SAFETY: handed through.
            unsafe { self.push_full(entry) };
        }
        self.pushed = self.pushed.wrapping_add(1);
        self.pushed
    }

    /// # Safety
    /// As for [`push`](Self::push).
    #[inline]
    unsafe fn try_push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: `&mut self` makes this the only SubmissionQueue alive.
        let mut queue = unsafe { self.uring().submission_shared() };
        // SAFETY: handed through.
        unsafe { queue.push(entry) }.is_ok()
    }

    /// # Safety
    /// As for [`push`](Self::push).
    #[cold]
    unsafe fn push_full(&mut self, entry: &squeue::Entry) {
        // Whatever went wrong will be seen again, and reported, by the next wait.
        let _seen_again = self.submit();
        // SAFETY: handed through.
        if !self.spill.is_empty() || !unsafe { self.try_push(entry) } {
            self.spill.push_back(entry.clone());
        }
    }

    /// Whether the kernel has taken the entry pushed at `position` (within the last 2^31 pushes).
    #[inline]
    pub(crate) fn consumed(&self, position: u32) -> bool {
        let waiting = self.queued() + self.spill.len();
        let waiting = u32::try_from(waiting).expect("queues are short");
        // Wrapping distance from the last consumed entry back to `position`: small when it was consumed.
        self.pushed.wrapping_sub(waiting).wrapping_sub(position) < 1 << 31
    }

    /// Whether the kernel has taken everything pushed.
    pub(crate) fn all_consumed(&self) -> bool {
        self.queued() == 0 && self.spill.is_empty()
    }

    fn queued(&self) -> usize {
        // SAFETY: `&self` of a !Send type, and no other SubmissionQueue is held across a call.
        unsafe { self.uring().submission_shared() }.len()
    }

    /// The completion queue had no room and the kernel keeps the rest for the next enter.
    #[inline]
    pub(crate) fn overflown(&self) -> bool {
        // SAFETY: as in `queued`.
        unsafe { self.uring().submission_shared() }.cq_overflow()
    }

    /// Completions are there that only an enter will bring.
    fn work_waits(&self) -> bool {
        // SAFETY: as in `queued`.
        unsafe { self.uring().submission_shared() }.taskrun()
    }

    #[inline]
    pub(crate) fn has_completions(&self) -> bool {
        // SAFETY: no other CompletionQueue is held across a call.
        !unsafe { self.uring().completion_shared() }.is_empty()
    }

    /// The next completion, oldest first.
    #[inline]
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        // SAFETY: `&mut self` makes this the only CompletionQueue alive.
        let mut queue = unsafe { self.uring().completion_shared() };
        let entry = queue.next()?;
        Some(Completion { user_data: entry.user_data(), result: entry.result(), flags: entry.flags() })
    }

    /// Hands everything queued to the kernel and returns.
    pub(crate) fn submit(&mut self) -> io::Result<()> {
        let to_submit = self.refill();
        self.enter(to_submit, 0, EnterFlags::empty(), Some(Duration::ZERO), Duration::ZERO)?;
        self.refill();
        Ok(())
    }

    /// Hands everything queued to the kernel, and waits as the public type describes.
    pub(crate) fn wait(&mut self, wait: &Wait) -> io::Result<()> {
        let to_submit = self.refill();
        match wait.timeout {
            Some(timeout) if timeout <= SEND * to_submit => self.submit_and_wait(to_submit, timeout, wait),
            _ => self.sleep(to_submit, wait),
        }
    }

    /// As [`wait`](Self::wait) where the time may be up once everything is submitted: a sleep that is over before it
    /// begins would still set a timer and be interrupted by it, which costs as much as several sends.
    fn submit_and_wait(&mut self, to_submit: u32, timeout: Duration, wait: &Wait) -> io::Result<()> {
        let started = clock::monotonic_now();
        self.enter(to_submit, 0, EnterFlags::GETEVENTS, None, Duration::ZERO)?;
        let spent = clock::monotonic_now().saturating_sub(started);
        if spent < timeout {
            let rest =
                Wait { timeout: Some(timeout - spent), gather: wait.gather.saturating_sub(spent), ..*wait };
            let to_submit = self.refill();
            return self.sleep(to_submit, &rest);
        }
        // With nothing wanted an enter never sleeps, and brings the kernel's usual few.
        for _ in 1..wait.want.div_ceil(KERNEL_BATCH) {
            if !self.work_waits() {
                break;
            }
            self.enter(0, 0, EnterFlags::GETEVENTS, None, Duration::ZERO)?;
        }
        Ok(())
    }

    fn sleep(&mut self, to_submit: u32, wait: &Wait) -> io::Result<()> {
        let mut timeout = wait.timeout;
        let (want, gather) = if wait.gather.is_zero() || wait.want <= 1 || !self.min_wait {
            // Once `gather` is over one is enough; without any that is so from the start. And the first
            // needs no timer of its own.
            (1, Duration::ZERO)
        } else if timeout.is_some_and(|timeout| wait.gather >= timeout) {
            (wait.want.max(1), Duration::ZERO)
        } else {
            // Without any timeout the kernel would end the wait once `gather` is over, with nothing to deliver, and
            // a ring that is left alone would wake a thousand times a second.
            timeout = timeout.or(Some(FAR));
            (wait.want.max(1), wait.gather)
        };
        self.enter(to_submit, want, EnterFlags::GETEVENTS, timeout, gather)
    }

    /// Moves spilled entries to the queue, as far as there is room, and returns the queue's length.
    fn refill(&mut self) -> u32 {
        while let Some(entry) = self.spill.pop_front() {
            // SAFETY: whoever pushed it made the promise.
            if !unsafe { self.try_push(&entry) } {
                self.spill.push_front(entry);
                break;
            }
        }
        u32::try_from(self.queued()).expect("a queue has at most 32,768 entries")
    }

    fn enter(
        &mut self,
        to_submit: u32,
        want: u32,
        mut flags: EnterFlags,
        timeout: Option<Duration>,
        gather: Duration,
    ) -> io::Result<()> {
        self.enters += 1;
        flags |= EnterFlags::EXT_ARG;
        if self.no_iowait {
            // A server waiting for its players is idle, not waiting for a disk.
            flags |= EnterFlags::NO_IOWAIT;
        }
        let timespec = timeout.map(|timeout| {
            if self.min_wait && !timeout.is_zero() {
                // Counted from here. A relative timeout would begin only once the queued sends were worked
                // off, and a tick would be late by as much. (Both came with Linux 6.12.)
                flags |= EnterFlags::ABS_TIMER;
                Timespec::from(clock::monotonic_now().saturating_add(timeout))
            } else {
                Timespec::from(timeout)
            }
        });
        let gather_us = u32::try_from(gather.as_micros()).unwrap_or(u32::MAX);
        let mut args = SubmitArgs::new().min_wait_usec(gather_us);
        if let Some(timespec) = &timespec {
            args = args.timespec(timespec);
        }
        // SAFETY: `args` is the argument EXT_ARG announces and outlives the call; whoever pushed the entries
        // promised for the memory they point to.
        match unsafe { self.submitter.enter(to_submit, want, flags.bits(), Some(&args)) } {
            Ok(_consumed) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // The time is up; a signal came; the kernel wants completions reaped, or memory, first.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("fd", &self.fd()).field("enters", &self.enters).finish_non_exhaustive()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // Otherwise the ring lives on until the thread ends. Fails when it was never registered.
        let _was_registered = self.submitter.unregister_ring_fd();
        // SAFETY: from Box::into_raw in `new`, freed once; `submitter`, which refers to it, is not used again.
        drop(unsafe { Box::from_raw(self.uring) });
    }
}
