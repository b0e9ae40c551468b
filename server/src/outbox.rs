//! What a connection still has to send, bounded.
//!
//! Invariant: at most one buffer of a connection is in the kernel's hands; everything else gathers
//! here behind it. Replies and events keep their order in `queue` up to a bound; of snapshots only
//! the newest waits, because an older one is of no use to anybody (latest wins). An idle outbox owns
//! no heap.

use crate::pool::BufferPool;

/// The send side of one connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Vec<u8>,
    snapshot: Vec<u8>,
    sending: bool,
    sending_since_ms: u32,
    snapshots_replaced: u16,
    overflowed: bool,
}

/// Where the newest snapshot goes, and what became of the one before.
#[derive(Debug)]
pub(crate) struct NewestSnapshot<'a> {
    /// Empty.
    pub(crate) buffer: &'a mut Vec<u8>,
    /// One that still waited was dropped.
    pub(crate) replaced: bool,
    /// Snapshots dropped since the connection began, wrapping.
    pub(crate) dropped: u16,
}

impl Outbox {
    /// Where framed replies and events are appended, in the order they must arrive.
    pub(crate) fn queue(&mut self, pool: &mut BufferPool) -> &mut Vec<u8> {
        if self.queue.capacity() == 0 {
            self.queue = pool.take();
        }
        &mut self.queue
    }

    /// A snapshot waits behind what is in flight.
    pub(crate) fn snapshot_waits(&self) -> bool {
        !self.snapshot.is_empty()
    }

    /// An empty buffer for the newest framed snapshot. One that still waited is dropped and counted.
    pub(crate) fn snapshot(&mut self, pool: &mut BufferPool) -> NewestSnapshot<'_> {
        let replaced = self.snapshot_waits();
        if replaced {
            self.snapshots_replaced = self.snapshots_replaced.wrapping_add(1);
            self.snapshot.clear();
        } else if self.snapshot.capacity() == 0 {
            self.snapshot = pool.take();
        }
        NewestSnapshot { buffer: &mut self.snapshot, replaced, dropped: self.snapshots_replaced }
    }

    /// Bytes in `queue`: what the bound of a slow reader is held against.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.len()
    }

    /// Something that must arrive found no place, or what is in flight does not arrive; the connection cannot go on.
    pub(crate) fn overflow(&mut self) {
        self.overflowed = true;
    }

    /// See [`Outbox::overflow`].
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Nothing waits and nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        !self.sending && !self.has_waiting()
    }

    /// Something waits, behind what is in flight or not.
    pub(crate) fn has_waiting(&self) -> bool {
        !(self.queue.is_empty() && self.snapshot.is_empty())
    }

    /// Something waits, and nothing is in flight.
    pub(crate) fn has_something(&self) -> bool {
        !self.sending && self.has_waiting()
    }

    /// A buffer is in the kernel's hands.
    pub(crate) fn is_sending(&self) -> bool {
        self.sending
    }

    /// The next buffer for the kernel, unless one is there already or there is nothing to say.
    pub(crate) fn take(&mut self, now_ms: u32, pool: &mut BufferPool) -> Option<Vec<u8>> {
        if !self.has_something() {
            return None;
        }
        self.sending = true;
        self.sending_since_ms = now_ms;
        if self.queue.is_empty() {
            return Some(std::mem::take(&mut self.snapshot));
        }
        let mut bytes = std::mem::take(&mut self.queue);
        if !self.snapshot.is_empty() {
            bytes.extend_from_slice(&self.snapshot);
            pool.give(std::mem::take(&mut self.snapshot));
        }
        Some(bytes)
    }

    /// The kernel is done with the buffer it had.
    pub(crate) fn sent(&mut self) {
        self.sending = false;
    }

    /// For how long the buffer in flight has been there, ms; `None` when there is none.
    pub(crate) fn stalled_ms(&self, now_ms: u32) -> Option<u32> {
        self.sending.then(|| now_ms.wrapping_sub(self.sending_since_ms))
    }

    /// Forgets the snapshot that waits: the player has left the room.
    pub(crate) fn forget_snapshot(&mut self, pool: &mut BufferPool) {
        pool.give(std::mem::take(&mut self.snapshot));
    }

    /// Forgets what waits (the connection is being closed) and gives the buffers back.
    pub(crate) fn clear(&mut self, pool: &mut BufferPool) {
        pool.give(std::mem::take(&mut self.queue));
        pool.give(std::mem::take(&mut self.snapshot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(outbox: &mut Outbox, pool: &mut BufferPool, text: &[u8]) -> bool {
        let newest = outbox.snapshot(pool);
        newest.buffer.extend_from_slice(text);
        newest.replaced
    }

    #[test]
    fn one_buffer_is_in_flight_and_the_newest_snapshot_wins() {
        let mut pool = BufferPool::new(1 << 20);
        let mut outbox = Outbox::default();
        assert!(!put(&mut outbox, &mut pool, b"one"));
        assert_eq!(outbox.take(5, &mut pool).as_deref(), Some(&b"one"[..]));
        assert_eq!(outbox.stalled_ms(9), Some(4));
        assert!(!put(&mut outbox, &mut pool, b"two"));
        assert!(put(&mut outbox, &mut pool, b"three"));
        outbox.queue(&mut pool).extend_from_slice(b"event ");
        assert_eq!(outbox.take(6, &mut pool), None, "one send in flight");
        outbox.sent();
        assert_eq!(outbox.take(7, &mut pool).as_deref(), Some(&b"event three"[..]));
        assert_eq!(outbox.snapshot(&mut pool).dropped, 1);
        outbox.sent();
        assert!(outbox.is_empty());
        assert_eq!(outbox.stalled_ms(9), None);
    }

    #[test]
    fn an_idle_outbox_owns_no_heap() {
        let mut pool = BufferPool::new(1 << 20);
        let mut outbox = Outbox::default();
        outbox.queue(&mut pool).extend_from_slice(b"hello");
        let bytes = outbox.take(0, &mut pool).expect("queued");
        outbox.sent();
        pool.give(bytes);
        assert_eq!(outbox.queue.capacity() + outbox.snapshot.capacity(), 0);
    }
}
