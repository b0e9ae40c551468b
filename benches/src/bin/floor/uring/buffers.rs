//! The provided receive buffers. What is received is counted, not looked at.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context;
use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use super::queue::Queue;

pub(crate) const GROUP: u16 = 0;

const COUNT: u16 = 1024;
const BYTES: u32 = 2048;

pub(crate) struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    tail: u16,
}

impl Buffers {
    /// Maps and registers them; they live as long as the process.
    pub(crate) fn new(queue: &Queue) -> anyhow::Result<Self> {
        let entries = map(usize::from(COUNT) * size_of::<BufRingEntry>())?.cast();
        let memory = map(usize::from(COUNT) * BYTES as usize)?;
        let mut buffers = Self { entries, memory, tail: 0 };
        for id in 0..COUNT {
            buffers.give_back(id);
        }
        buffers.publish();
        // SAFETY: the mapping has COUNT entries and is never unmapped.
        unsafe { queue.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, COUNT, GROUP, 0) }
            .context("registering the receive buffers")?;
        Ok(buffers)
    }

    pub(crate) fn give_back(&mut self, id: u16) {
        assert!(id < COUNT, "the kernel names only buffers it was given");
        // SAFETY: within the mapping, as id < COUNT.
        let address = unsafe { self.memory.add(usize::from(id) * BYTES as usize) };
        // SAFETY: masked to the ring's length.
        let entry = unsafe { self.entries.add(usize::from(self.tail & (COUNT - 1))) };
        // SAFETY: the entry at our tail is not the kernel's, as there are as many entries as buffers.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(address.as_ptr() as u64);
        entry.set_len(BYTES);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    pub(crate) fn publish(&mut self) {
        // SAFETY: `entries` is the ring's first entry.
        let tail = unsafe { BufRingEntry::tail(self.entries.as_ptr()) };
        // SAFETY: an aligned u16 that both sides access atomically.
        unsafe { AtomicU16::from_ptr(tail.cast_mut()) }.store(self.tail, Ordering::Release);
    }
}

fn map(bytes: usize) -> anyhow::Result<NonNull<u8>> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a fresh anonymous mapping touches no memory of ours.
    let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) };
    NonNull::new(start.context("mapping the receive buffers")?.cast()).context("mapping the receive buffers")
}
