//! From completions to events, and the end: reaping everything before memory is given up.

use std::time::Duration;

use io_uring::types::{CancelBuilder, Timespec};

use crate::arrival::Parcel;
use crate::kernel::Completion;
use crate::operation::Operation;
use crate::slots::Slots;
use crate::{ConnectionId, Event, Ring, Wait};

/// What one completion came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    Event(Event<'static>),
    Received { id: ConnectionId, buffer: u16, parcel: Parcel },
}

/// Rounds of waiting for the last completions when a ring is dropped, and the longest wait of each.
const REAP_ROUNDS: u32 = 100;
const REAP_WAIT: Duration = Duration::from_millis(10);

impl Ring {
    /// The next event of this pass; `None` when there is none left. Drain it after every
    /// [`wait`](Self::wait): receive buffers and finished sends come back this way.
    #[inline]
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        while let Some(completion) = self.kernel.next_completion() {
            match self.complete(completion) {
                None => {}
                Some(Outcome::Event(event)) => return Some(event),
                Some(Outcome::Received { id, buffer, parcel: Parcel { start, bytes, arrived } }) => {
                    return Some(Event::Received {
                        id,
                        arrived,
                        bytes: self.buffers.taken(buffer, start, bytes),
                    });
                }
            }
        }
        self.after_completions()
    }

    fn complete(&mut self, completion: Completion) -> Option<Outcome> {
        let operation = self.account(completion)?;
        self.counters.completions += u64::from(operation != Operation::Metronome);
        match operation {
            Operation::Receive => return self.received(completion),
            Operation::Send | Operation::SendQuietly => self.sent(completion),
            Operation::AcceptMany | Operation::AcceptOne => self.accepted(operation, completion),
            Operation::Close => self.closed(completion),
            Operation::Connect => self.connected(completion),
            Operation::Shutdown => self.shut_down(completion),
            Operation::HandOver => self.handed_over(completion),
            Operation::Adopted => self.adopted(completion),
            Operation::AcceptRetry => {
                self.retry_accepting(completion);
                None
            }
            Operation::Cancel => {
                self.cancel_missed(completion);
                None
            }
            Operation::Bell => {
                self.bell = true;
                None
            }
            Operation::BellPoll => {
                self.bell = true;
                self.doorbell_armed = completion.more();
                None
            }
            Operation::CancelAccept => {
                self.cancel_accepts_missed(completion);
                None
            }
            // The other ring is gone.
            Operation::RingBell => None,
            Operation::Metronome => {
                self.metronome_armed = false;
                None
            }
        }
        .map(Outcome::Event)
    }

    /// Keeps the number of submissions that memory must outlive.
    fn account(&mut self, completion: Completion) -> Option<Operation> {
        let Some(operation) = Operation::of(completion.user_data) else {
            self.counters.stale_completions += 1;
            return None;
        };
        if operation.always_completes() && !completion.more() {
            self.in_flight -= 1;
        }
        Some(operation)
    }

    /// Events that have no completion of their own, once those of the pass are through.
    fn after_completions(&mut self) -> Option<Event<'static>> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        if let Some(event) = self.settle_quiet() {
            return Some(event);
        }
        if self.bell {
            self.bell = false;
            self.doorbell.answer();
            self.counters.bells += 1;
            return Some(Event::Bell);
        }
        None
    }

    /// A completion that belongs to no living connection: by the slots' invariant there is none, and it does
    /// no harm.
    #[cold]
    pub(crate) fn stale(&mut self) -> Option<Event<'static>> {
        self.counters.stale_completions += 1;
        debug_assert!(false, "a completion of a slot that was free");
        None
    }

    /// Cancels everything and waits, within bounds, until the kernel uses none of our memory any more.
    fn reap(&mut self) -> bool {
        let wait = Wait { timeout: Some(REAP_WAIT), want: 1, gather: Duration::ZERO };
        let longest = Timespec::from(REAP_WAIT);
        for _ in 0..REAP_ROUNDS {
            // Hands over what was queued, so that it is cancelled too.
            if self.kernel.submit().is_err() {
                return false;
            }
            while let Some(completion) = self.kernel.next_completion() {
                self.account(completion);
            }
            if self.in_flight == 0 && self.kernel.all_consumed() {
                return true;
            }
            // Finds nothing when all that is left has been cancelled and only has to be reaped.
            let _found = self.kernel.submitter().register_sync_cancel(Some(longest), CancelBuilder::any());
            if self.kernel.wait(&wait).is_err() {
                return false;
            }
        }
        false
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if !self.reap() {
            // Whatever the kernel still writes to or reads from must stay where it is.
            self.buffers.leak();
            std::mem::forget(std::mem::replace(&mut self.slots, Slots::new(0)));
        }
    }
}
