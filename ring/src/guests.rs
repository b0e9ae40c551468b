//! Places that a ring promises to connections from other rings of the process.
//!
//! Both an accept and a hand-over take whatever slot is free. Left to themselves, a connection that arrives
//! from another ring could take the last one from an accept that is under way, and the kernel would drop what
//! it has just accepted. So a ring says how many connections it will take in, whoever hands one over takes such a
//! promise first, and only what is not promised is armed for accepting.
//!
//! Invariant: free slots >= promised places + accepts under way.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{ConnectionId, RingAddress};

/// A place taken with another ring, for one connection that is to move there:
/// [`RingAddress::reserve`]. Given back when it is dropped unused.
#[derive(Debug)]
pub struct Place {
    /// Whose place it is; nobody's once a connection is on its way there.
    at: Option<RingAddress>,
}

impl RingAddress {
    /// Takes a place for a connection that is to move to this ring. `None`: it has none left at the moment. A
    /// ring that accepts promises at least half of its free slots to others, and promises anew at each of its
    /// waits, so whoever asks a little later may get one.
    #[must_use]
    pub fn reserve(&self) -> Option<Place> {
        self.places.take().then(|| Place { at: Some(self.clone()) })
    }
}

impl Place {
    /// From here on the place belongs to the connection on its way: it arrives, or [`Guests::left`] gives it back.
    fn used(mut self) -> RingAddress {
        self.at.take().expect("a place is used once, because that takes it")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(at) = self.at.take() {
            at.places.give(1);
        }
    }
}

/// The promises of a ring that anybody may take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<AtomicU32>);

impl Places {
    /// Takes one promise, if there is one.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |places| places.checked_sub(1)).is_ok()
    }

    /// Gives a promise back that was taken and not used, or adds new ones.
    pub(crate) fn give(&self, places: u32) {
        self.0.fetch_add(places, Ordering::Relaxed);
    }

    /// Takes up to `wanted` promises, and says how many it got.
    fn take_back(&self, wanted: u32) -> u32 {
        let take = |places: u32| places.checked_sub(wanted.min(places));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_or(0, |had| had.min(wanted))
    }
}

/// Both sides of it: what this ring has promised, and what it has taken from others.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    pub(crate) places: Places,
    /// Promises given whose connection has not arrived: still to be taken, or on its way.
    promised: u32,
    /// Where this ring's own connections are on their way to.
    leaving: HashMap<ConnectionId, RingAddress>,
}

impl Guests {
    pub(crate) fn promised(&self) -> u32 {
        self.promised
    }

    /// Promises `places` altogether, as far as they can be had back.
    pub(crate) fn promise(&mut self, places: u32) {
        if places > self.promised {
            self.places.give(places - self.promised);
            self.promised = places;
        } else if places < self.promised {
            self.promised -= self.places.take_back(self.promised - places);
        }
    }

    /// A connection has arrived: one promise is kept.
    pub(crate) fn arrived(&mut self) {
        self.promised = self.promised.checked_sub(1).expect("whoever hands over takes a promise first");
    }

    /// The connection is on its way to `place`, a ring's with the descriptor that is returned.
    pub(crate) fn leave(&mut self, id: ConnectionId, place: Place) -> RawFd {
        let to = place.used();
        let fd = to.fd;
        self.leaving.insert(id, to);
        fd
    }

    /// The connection has left, or could not: then its promise is given back.
    pub(crate) fn left(&mut self, id: ConnectionId, arrived: bool) {
        if let Some(to) = self.leaving.remove(&id).filter(|_| !arrived) {
            to.places.give(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_its_way_cannot_be_taken_back() {
        let mut guests = Guests::default();
        guests.promise(3);
        assert!(guests.places.take());
        guests.promise(0);
        assert_eq!(guests.promised(), 1);
        assert!(!guests.places.take());
        guests.promise(2);
        assert!(guests.places.take() && !guests.places.take());
        guests.arrived();
        guests.arrived();
        assert_eq!(guests.promised(), 0);
    }

    #[test]
    fn a_connection_that_could_not_leave_gives_its_place_back() {
        let (mut here, mut there) = (Guests::default(), Guests::default());
        there.promise(1);
        let to = RingAddress { fd: -1, places: there.places.clone() };
        let (first, second) = (ConnectionId::new(0, 0), ConnectionId::new(1, 0));
        assert_eq!(here.leave(first, to.reserve().unwrap()), -1);
        assert!(to.reserve().is_none());
        here.left(first, false);
        here.leave(second, to.reserve().unwrap());
        here.left(second, true);
        assert!(to.reserve().is_none());
        assert!(here.leaving.is_empty());
    }

    #[test]
    fn a_place_that_is_not_used_is_given_back() {
        let mut there = Guests::default();
        there.promise(1);
        let to = RingAddress { fd: -1, places: there.places.clone() };
        let place = to.reserve();
        assert!(place.is_some() && to.reserve().is_none());
        drop(place);
        assert!(to.reserve().is_some());
    }
}
