//! Who is to move to another worker, and waits for a place there.
//!
//! A worker promises part of its free places to the others, anew at each of its waits
//! ([`RingAddress::reserve`](tickring_ring::RingAddress::reserve)). In a burst these are used up before it
//! has waited again, though it is not full; so whoever finds none waits for a moment.

use std::collections::VecDeque;

/// How long a connection waits for a place with the worker of its room. Many times what a worker sleeps
/// between ticks and what a busy machine keeps it from running; short for somebody who is to hear that the
/// server is full.
const PLACE_WAIT_NS: u64 = 250_000_000;
/// How often those who wait are looked at when nothing else wakes the worker.
pub(super) const RETRY_NS: u64 = 2_000_000;

/// One queue for each worker that `T` can go to, in the order they came.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    queues: Vec<VecDeque<Wanted<T>>>,
}

#[derive(Debug)]
struct Wanted<T> {
    who: T,
    /// Then it has waited long enough for a place.
    until_ns: u64,
}

impl<T> Waiting<T> {
    /// Nobody waits, for none of `workers`.
    pub(super) fn new(workers: usize) -> Self {
        Self { queues: std::iter::repeat_with(VecDeque::new).take(workers).collect() }
    }

    /// `who` is to move to worker `to`.
    pub(super) fn push(&mut self, to: usize, who: T, now_ns: u64) {
        self.queues[to].push_back(Wanted { who, until_ns: now_ns.saturating_add(PLACE_WAIT_NS) });
    }

    /// Whose turn it is to move to worker `to`, with the place that `reserve` has for it, or without one when it
    /// has waited long enough. `None`: nobody, or there is no place yet.
    pub(super) fn next<P>(
        &mut self,
        to: usize,
        now_ns: u64,
        reserve: impl FnOnce() -> Option<P>,
    ) -> Option<(T, Option<P>)> {
        let queue = &mut self.queues[to];
        let until_ns = queue.front()?.until_ns;
        let place = reserve();
        if place.is_none() && now_ns < until_ns {
            return None;
        }
        queue.pop_front().map(|wanted| (wanted.who, place))
    }

    /// Somebody waits.
    pub(super) fn anybody(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_PLACE: fn() -> Option<()> = || None;
    const A_PLACE: fn() -> Option<()> = || Some(());

    #[test]
    fn who_came_first_gets_the_first_place() {
        let mut waiting = Waiting::new(2);
        assert!(!waiting.anybody());
        waiting.push(1, "first", 0);
        waiting.push(1, "second", 1);
        assert_eq!(waiting.next(0, 2, A_PLACE), None, "with another worker");
        assert_eq!(waiting.next(1, 2, A_PLACE), Some(("first", Some(()))));
        assert_eq!(waiting.next(1, 2, NO_PLACE), None);
        assert!(waiting.anybody());
        assert_eq!(waiting.next(1, 3, A_PLACE), Some(("second", Some(()))));
        assert!(!waiting.anybody());
    }

    #[test]
    fn nobody_waits_for_ever() {
        let mut waiting = Waiting::new(2);
        waiting.push(1, "first", 0);
        waiting.push(1, "second", 10);
        assert_eq!(waiting.next(1, PLACE_WAIT_NS - 1, NO_PLACE), None);
        assert_eq!(waiting.next(1, PLACE_WAIT_NS, NO_PLACE), Some(("first", None)));
        assert_eq!(waiting.next(1, PLACE_WAIT_NS, NO_PLACE), None, "the next has some time left");
        let at_the_last_moment = waiting.next(1, PLACE_WAIT_NS + 10, A_PLACE);
        assert_eq!(at_the_last_moment, Some(("second", Some(()))));
    }

    #[test]
    fn no_place_is_reserved_for_nobody() {
        let mut waiting: Waiting<()> = Waiting::new(1);
        assert!(waiting.next(0, 0, || -> Option<()> { unreachable!("nobody wants one") }).is_none());
    }
}
