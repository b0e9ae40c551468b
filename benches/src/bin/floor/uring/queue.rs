//! The queues and the system call.

use std::time::Duration;

use anyhow::Context;
use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, Submitter, cqueue, squeue};

/// Entries of the submission queue, and of the completion queue.
const SUBMISSIONS: u32 = 1024;
const COMPLETIONS: u32 = 8192;

/// Completions worth waking for before the gathering is over.
const GATHER_WANT: usize = 256;

pub(crate) struct Queue {
    uring: &'static IoUring,
    submitter: Submitter<'static>,
    gather: Duration,
}

impl Queue {
    pub(crate) fn new(slots: u32, gather: Duration) -> anyhow::Result<Self> {
        let uring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_submit_all()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_no_sqarray()
            .build(SUBMISSIONS)
            .context("io_uring_setup")?;
        let gathers = uring.params().is_feature_min_timeout();
        anyhow::ensure!(
            gather.is_zero() || gathers,
            "this kernel cannot gather completions (Linux 6.12 can)"
        );
        // It lives as long as the process.
        let uring: &'static IoUring = Box::leak(Box::new(uring));
        let mut submitter = uring.submitter();
        submitter.register_ring_fd().context("registering the ring")?;
        submitter.register_files_sparse(slots).context("registering the file table")?;
        Ok(Self { uring, submitter, gather })
    }

    pub(crate) fn submitter(&self) -> &Submitter<'static> {
        &self.submitter
    }

    /// Queues an entry; a full queue is submitted first.
    ///
    /// # Safety
    /// Memory that the entry points to stays valid until its last completion.
    pub(crate) unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: handed through.
        while !unsafe { self.try_push(entry) } {
            self.submitter.submit().expect("submitting without waiting fails only for want of memory");
        }
    }

    /// # Safety
    /// As for [`push`](Self::push).
    unsafe fn try_push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: the only SubmissionQueue alive: none is held across a call.
        let mut queue = unsafe { self.uring.submission_shared() };
        // SAFETY: handed through.
        unsafe { queue.push(entry) }.is_ok()
    }

    /// Submits and waits for a completion, or for many while they gather.
    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        let waited = if self.gather.is_zero() {
            self.submitter.submit_and_wait(1)
        } else {
            let longest = Timespec::new().sec(60);
            let gather_us = u32::try_from(self.gather.as_micros()).unwrap_or(u32::MAX);
            let arguments = SubmitArgs::new().timespec(&longest).min_wait_usec(gather_us);
            self.submitter.submit_with_args(GATHER_WANT, &arguments)
        };
        match waited {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY) => Ok(()),
                _ => Err(error).context("io_uring_enter"),
            },
        }
    }

    pub(crate) fn next(&mut self) -> Option<cqueue::Entry> {
        // SAFETY: the only CompletionQueue alive: none is held across a call.
        unsafe { self.uring.completion_shared() }.next()
    }
}
