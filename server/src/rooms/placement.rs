//! Which worker a room lives on: a hash of its name, so every worker knows without asking.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

/// The worker of `room` among `workers`: the same on every worker of a process.
pub(crate) fn worker_of(room: &str, workers: usize) -> usize {
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
}
