//! One slot per direct descriptor: what this ring knows about each connection.
//!
//! Invariant: a slot's index is the kernel's file table index. It leaves `Free` when the kernel puts a
//! file there and returns to it only after the completion of its `Close`, which is submitted only when
//! nothing else is pending. So the kernel cannot give an index away while a completion of its former
//! tenant is still to come, and a tenant's completions all carry its own generation.

use crate::{ConnectionId, Receive};

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// No connection.
    Free,
    /// A connect is under way.
    Connecting,
    /// Established.
    Open,
    /// Being torn down: waits until nothing is pending, then closes, then is free.
    Closing,
}

/// What is reported when a closing slot becomes free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    ConnectFailed,
    HandedOver,
}

/// A set of the operations whose last completion is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending(u8);

impl Pending {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const RECEIVE: Self = Self(1);
    pub(crate) const SEND: Self = Self(1 << 1);
    pub(crate) const SHUTDOWN: Self = Self(1 << 2);
    pub(crate) const CONNECT: Self = Self(1 << 3);
    pub(crate) const HAND_OVER: Self = Self(1 << 4);
    pub(crate) const CLOSE: Self = Self(1 << 5);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(crate) const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }
}

/// One connection: one cache line. At 20,000 connections every further one would be 1.3 MB a ring.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Slot {
    /// Bytes being sent: the kernel reads them until the send's completion. Never grown or moved out
    /// before that.
    pub(crate) buffer: Vec<u8>,
    pub(crate) generation: u32,
    /// How much of `buffer` the kernel has taken.
    pub(crate) sent_bytes: u32,
    /// Changes with every send of this slot, so that the list of quiet sends can tell its own from a later one.
    pub(crate) stamp: u32,
    /// Bytes received in pass number `pass`.
    pub(crate) delivered_bytes: u32,
    pub(crate) pass: u32,
    /// Why the connect failed, until that is reported.
    pub(crate) errno: i32,
    pub(crate) life: Life,
    pub(crate) ending: Ending,
    pub(crate) pending: Pending,
    /// How the owner wants to receive; `None`: not now.
    pub(crate) wanted: Option<Receive>,
    /// How the pending receive was armed.
    pub(crate) armed: Receive,
    /// A cancel of the pending receive is under way.
    pub(crate) cancelling: bool,
    /// It delivered too much in a pass: one buffer is received a pass, until nothing more is waiting.
    pub(crate) loud: bool,
    /// The slot stands in the list of what the next wait has to look at again.
    pub(crate) put_off: bool,
    /// The pending send is a quiet one.
    pub(crate) quiet: bool,
    /// Shut down once the pending send has ended.
    pub(crate) shutdown_wanted: bool,
    /// The stream has ended; no receive is armed again.
    pub(crate) ended: bool,
}

const _: () = assert!(size_of::<Slot>() == 64, "a slot is one cache line");

impl Slot {
    const FREE: Self = Self {
        buffer: Vec::new(),
        generation: 0,
        sent_bytes: 0,
        stamp: 0,
        delivered_bytes: 0,
        pass: 0,
        errno: 0,
        life: Life::Free,
        ending: Ending::Closed,
        pending: Pending::NONE,
        wanted: None,
        armed: Receive::Once,
        cancelling: false,
        loud: false,
        put_off: false,
        quiet: false,
        shutdown_wanted: false,
        ended: false,
    };
}

/// All slots of a ring.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Grows with the highest index used; its full capacity is reserved at start and so costs only
    /// address space until then.
    slots: Vec<Slot>,
    capacity: u32,
    in_use: u32,
    /// Indices given back, for a ring that chooses them itself (one that connects).
    returned: Vec<u32>,
}

impl Slots {
    pub(crate) fn new(capacity: u32) -> Self {
        let slots =
            Vec::with_capacity(usize::try_from(capacity).expect("usize has at least 32 bits on Linux"));
        Self { slots, capacity, in_use: 0, returned: Vec::new() }
    }

    /// Bytes of the table when every slot is in use.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    pub(crate) fn in_use(&self) -> u32 {
        self.in_use
    }

    pub(crate) fn free(&self) -> u32 {
        self.capacity - self.in_use
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The living connection `id`, or `None` when it is gone.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        self.slots
            .get_mut(id.slot() as usize)
            .filter(|slot| slot.generation == id.generation() && slot.life != Life::Free)
    }

    /// As [`get_mut`](Self::get_mut).
    #[inline]
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Slot> {
        self.slots
            .get(id.slot() as usize)
            .filter(|slot| slot.generation == id.generation() && slot.life != Life::Free)
    }

    /// The slot at `index` and its tenant, whatever the generation. `None` when never used.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<(ConnectionId, &mut Slot)> {
        let slot = self.slots.get_mut(index as usize)?;
        Some((ConnectionId::new(index, slot.generation), slot))
    }

    /// An index that is free in the kernel's table too, for a ring that never lets the kernel choose.
    pub(crate) fn choose(&mut self) -> Option<u32> {
        if let Some(index) = self.returned.pop() {
            return Some(index);
        }
        let fresh = u32::try_from(self.slots.len()).expect("slots are at most 2^24");
        (fresh < self.capacity).then_some(fresh)
    }

    /// Gives back what [`choose`](Self::choose) returned and nobody occupied.
    pub(crate) fn unchoose(&mut self, index: u32) {
        if (index as usize) < self.slots.len() {
            self.returned.push(index);
        }
    }

    /// A file was put at `index`: its slot gets a new tenant.
    pub(crate) fn occupy(&mut self, index: u32, life: Life) -> ConnectionId {
        assert!(index < self.capacity, "the kernel's table is as large as ours");
        while self.slots.len() <= index as usize {
            self.slots.push(Slot::FREE);
        }
        let slot = &mut self.slots[index as usize];
        assert!(slot.life == Life::Free, "the kernel gives an index away only after its close completed");
        slot.life = life;
        self.in_use += 1;
        ConnectionId::new(index, slot.generation)
    }

    /// The close of `id` has completed. `choosing`: this ring chooses indices itself.
    pub(crate) fn release(&mut self, id: ConnectionId, choosing: bool) {
        let slot = &mut self.slots[id.slot() as usize];
        assert!(slot.pending.is_empty(), "a slot is free only after its last completion");
        let (generation, stamp) = (slot.generation.wrapping_add(1), slot.stamp);
        // `put_off` stays: the list it tells of still names this slot.
        let put_off = slot.put_off;
        *slot = Slot { generation, stamp, put_off, ..Slot::FREE };
        self.in_use -= 1;
        if choosing {
            self.returned.push(id.slot());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_used_again_has_another_identity() {
        let mut slots = Slots::new(2);
        let first = slots.occupy(1, Life::Open);
        assert_eq!((slots.in_use(), slots.free()), (1, 1));
        slots.release(first, false);
        assert!(slots.get(first).is_none());
        let second = slots.occupy(1, Life::Open);
        assert_eq!(second.slot(), first.slot());
        assert_ne!(second, first);
        assert!(slots.get(first).is_none() && slots.get(second).is_some());
    }

    #[test]
    fn chosen_indices_are_distinct_until_given_back() {
        let mut slots = Slots::new(3);
        let ids: Vec<_> = (0..3)
            .map(|_| {
                let index = slots.choose().unwrap();
                slots.occupy(index, Life::Connecting)
            })
            .collect();
        assert_eq!(ids.iter().map(|id| id.slot()).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(slots.choose(), None);
        slots.release(ids[1], true);
        assert_eq!(slots.choose(), Some(1));
    }

    #[test]
    #[should_panic(expected = "only after its last completion")]
    fn a_slot_with_something_pending_cannot_be_freed() {
        let mut slots = Slots::new(1);
        let id = slots.occupy(0, Life::Open);
        slots.get_mut(id).unwrap().pending.insert(Pending::RECEIVE);
        slots.release(id, false);
    }
}
