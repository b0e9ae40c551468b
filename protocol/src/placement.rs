//! Which worker of a server a room lives on: a hash of its name, so that every worker knows without asking.
//!
//! No client needs it: the server hands a connection to the worker of its room. It is here, and part of the contract,
//! because who plans for a server (the load generator) must be able to say which of its tables a room fills. The hash is
//! `foldhash`'s `quality::FixedState` (version 0.2) of the name as a `str`: a server of another version of Tickring may
//! have another.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

/// The worker of `room` among `workers`: the same on every worker of a process, and in every process of this version.
#[must_use]
pub fn worker_of(room: &str, workers: usize) -> usize {
    let hash = FixedState::default().hash_one(room);
    // The high half of the product is uniform below `workers` without a division.
    let scaled = (u128::from(hash) * workers as u128) >> 64;
    usize::try_from(scaled).expect("below the number of workers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_spread_over_workers_and_stay() {
        let mut count = [0u32; 4];
        for n in 0..4_000 {
            let name = format!("room-{n}");
            let worker = worker_of(&name, 4);
            assert_eq!(worker, worker_of(&name, 4));
            count[worker] += 1;
        }
        assert!(count.iter().all(|&rooms| (800..1_200).contains(&rooms)), "{count:?}");
        assert_eq!(worker_of("lobby", 1), 0);
    }

    #[test]
    fn the_hash_is_part_of_the_contract() {
        let workers = ["lobby", "load-1-0", "load-1-1", "rewind-1-0"].map(|room| worker_of(room, 256));
        assert_eq!(workers, [241, 90, 110, 45], "a change is one of the contract: say so in the changelog");
    }
}
