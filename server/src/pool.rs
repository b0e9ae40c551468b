//! Send buffers in waiting: what makes the warm path free of allocation.

/// Capacity of a fresh buffer: a snapshot of a room of 50 and the replies beside it.
const FRESH_BYTES: usize = 1024;
/// A buffer that grew beyond this is freed, not kept: one 16 MiB echo must not stay for ever.
const KEEP_BYTES_MAX: usize = 64 * 1024;

/// Empty buffers to use again, bounded in bytes.
#[derive(Debug)]
pub(crate) struct BufferPool {
    free: Vec<Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
}

impl BufferPool {
    /// A pool that keeps at most `bytes_max` of free buffers.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { free: Vec::new(), bytes: 0, bytes_max }
    }

    /// An empty buffer; the one given back last, because it is the warmest.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        match self.free.pop() {
            Some(buffer) => {
                self.bytes -= buffer.capacity();
                buffer
            }
            None => Vec::with_capacity(FRESH_BYTES),
        }
    }

    /// Takes a buffer back; frees it when it is too large or the pool is full.
    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity == 0 || capacity > KEEP_BYTES_MAX || self.bytes + capacity > self.bytes_max {
            return;
        }
        buffer.clear();
        self.bytes += capacity;
        self.free.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_worth_keeping() {
        let mut pool = BufferPool::new(4 * FRESH_BYTES);
        pool.give(Vec::new());
        pool.give(Vec::with_capacity(KEEP_BYTES_MAX + 1));
        assert_eq!(pool.free.len(), 0);
        for _ in 0..10 {
            pool.give(Vec::with_capacity(FRESH_BYTES));
        }
        assert_eq!(pool.free.len(), 4, "bounded in bytes");
        let mut buffer = pool.take();
        buffer.push(1);
        pool.give(buffer);
        assert!(pool.take().is_empty(), "cleared on the way in");
    }
}
