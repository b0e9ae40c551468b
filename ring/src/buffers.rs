//! The receive buffers that all connections of a ring share: one provided-buffer ring.
//!
//! The kernel takes a buffer from the head when bytes arrive, names it in the completion, and leaves it
//! to us until we put it back at the tail. Invariants: a buffer's id is its index; the kernel writes only
//! to buffers between its head and the tail we published; everything taken in a pass is put back, in one
//! store, at the next wait, so a slice lent to the caller is never written by the kernel meanwhile.
//!
//! The kernel takes buffers in turn, so all that it has been given are touched, however few are in use at once. So
//! it gets few at first, and twice as many whenever a pass took more than half of them: what is never needed costs
//! no memory, and what goes round stays in the processor's cache.

use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The group that receives name. There is one a ring.
pub(crate) const GROUP: u16 = 0;

/// Buffers the kernel gets at first.
const FIRST: u16 = 256;

/// The pool.
#[derive(Debug)]
pub(crate) struct Buffers {
    entries: Mapping,
    memory: Mapping,
    count: u16,
    /// Buffers that go round: those with ids below this.
    in_use: u16,
    buffer_bytes: u32,
    /// Where the next buffer is put back; ahead of what the kernel knows until `publish`.
    tail: u16,
    /// The tail the kernel knows.
    published: u16,
}

impl Buffers {
    /// Maps `count` (a power of two) buffers of `buffer_bytes`; the first of them start with the kernel once
    /// the address is registered.
    pub(crate) fn new(count: u16, buffer_bytes: u32) -> rustix::io::Result<Self> {
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let memory = Mapping::new(usize::from(count) * buffer_bytes as usize)?;
        let mut buffers = Self { entries, memory, count, in_use: 0, buffer_bytes, tail: 0, published: 0 };
        buffers.use_up_to(FIRST.min(count));
        buffers.tell();
        Ok(buffers)
    }

    /// Where the kernel finds the ring, and how many entries it has.
    pub(crate) fn registration(&self) -> (u64, u16) {
        (self.entries.start.as_ptr() as u64, self.count)
    }

    /// Bytes mapped.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes + self.memory.bytes
    }

    /// `bytes` of buffer `id`, which a completion has just named, from `start` on.
    #[inline]
    pub(crate) fn taken(&mut self, id: u16, start: usize, bytes: u32) -> &mut [u8] {
        assert!(
            id < self.count && start + bytes as usize <= self.buffer_bytes as usize,
            "the kernel names only buffers it was given"
        );
        let start = usize::from(id) * self.buffer_bytes as usize + start;
        // SAFETY: start + bytes lies within `memory`, checked above.
        let first = unsafe { self.memory.start.add(start) };
        // SAFETY: the kernel named this buffer in a completion, so it will not write there until the tail
        // that puts it back is published, which needs `&mut self` again; the memory is initialised (zeroed
        // by mmap, written by the kernel).
        unsafe { slice::from_raw_parts_mut(first.as_ptr(), bytes as usize) }
    }

    /// Puts buffer `id` back; the kernel learns of it at the next [`publish`](Self::publish).
    #[inline]
    pub(crate) fn give_back(&mut self, id: u16) {
        assert!(id < self.count, "the kernel names only buffers it was given");
        let offset = usize::from(id) * self.buffer_bytes as usize;
        // SAFETY: the offset lies within `memory`, as id < count.
        let address = unsafe { self.memory.start.add(offset) };
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: the index is masked to the ring's length.
        let entry = unsafe { self.entries.start.cast::<BufRingEntry>().add(index) };
        // SAFETY: the kernel reads entries only up to the published tail, and there are as many entries as
        // buffers, so the one at our tail is not in its hands. Nobody else on our side refers to it.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(address.as_ptr() as u64);
        entry.set_len(self.buffer_bytes);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Ends a pass: tells the kernel of everything put back so far, and of as many buffers again if that was more
    /// than half of them.
    #[inline]
    pub(crate) fn publish(&mut self) {
        if self.tail.wrapping_sub(self.published) > self.in_use / 2 && !self.all_in_use() {
            self.use_up_to(self.in_use * 2);
        }
        self.tell();
    }

    /// There are no more buffers than those that go round.
    pub(crate) fn all_in_use(&self) -> bool {
        self.in_use == self.count
    }

    #[cold]
    fn use_up_to(&mut self, end: u16) {
        for id in self.in_use..end {
            self.give_back(id);
        }
        self.in_use = end;
    }

    #[inline]
    fn tell(&mut self) {
        // SAFETY: `entries` starts with the ring's first entry, page aligned and zeroed by mmap.
        let tail = unsafe { BufRingEntry::tail(self.entries.start.cast::<BufRingEntry>().as_ptr()) };
        // SAFETY: the tail is a properly aligned u16 in mapped memory that both sides access atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
        self.published = self.tail;
    }

    /// Gives the memory up without unmapping it, for when the kernel may still write there.
    pub(crate) fn leak(&mut self) {
        self.entries.leaked = true;
        self.memory.leaked = true;
    }
}

/// Anonymous memory, page aligned, zeroed, touched only when used.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
    leaked: bool,
}

impl Mapping {
    fn new(bytes: usize) -> rustix::io::Result<Self> {
        let flags = MapFlags::PRIVATE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choosing touches no memory of ours.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags)?
        };
        let start = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        Ok(Self { start, bytes, leaked: false })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        // SAFETY: this is the mapping made in `new`; its owner made sure that neither side uses it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "a mapping can be unmapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_do_not_overlap_and_the_tail_wraps() {
        let mut buffers = Buffers::new(4, 16).unwrap();
        for id in 0..4u8 {
            buffers.taken(u16::from(id), 0, 16).fill(id);
        }
        for id in 0..4u8 {
            assert_eq!(buffers.taken(u16::from(id), 0, 16), [id; 16]);
            assert_eq!(buffers.taken(u16::from(id), 10, 6), [id; 6]);
        }
        for round in 0..70_000u32 {
            buffers.give_back(u16::try_from(round % 4).unwrap());
        }
        buffers.publish();
        assert_eq!(u32::from(buffers.tail), (70_000 + 4) % 65_536);
    }

    #[test]
    fn as_many_buffers_go_round_as_passes_need() {
        let mut buffers = Buffers::new(4 * FIRST, 16).unwrap();
        let mut pass = |taken| {
            (0..taken).for_each(|id| buffers.give_back(id));
            buffers.publish();
            (buffers.in_use, buffers.all_in_use())
        };
        assert_eq!(pass(0), (FIRST, false));
        for _ in 0..1_000 {
            assert_eq!(pass(FIRST / 2), (FIRST, false), "half of them are enough");
        }
        assert_eq!(pass(FIRST / 2 + 1), (2 * FIRST, false));
        assert_eq!(pass(2 * FIRST), (4 * FIRST, true));
        assert_eq!(pass(4 * FIRST), (4 * FIRST, true), "there are no more");
    }

    #[test]
    #[should_panic(expected = "only buffers it was given")]
    fn an_id_out_of_range_is_refused() {
        Buffers::new(4, 16).unwrap().taken(4, 0, 1);
    }
}
