//! On which of a server's workers the players of a run sit: a room lives on one worker, which its name chooses.

use tickring_protocol::placement::worker_of;

use super::Rooms;
use crate::plan::Names;
use crate::server_side::Status;

/// More workers than any server of this version has.
const WORKERS_MAX: u64 = 256;
/// Rooms that are looked at where nobody asks for so many: enough for what one process connects.
const ROOMS_LOOKED_AT: u64 = 50_000;

/// The rooms of a run on the workers of one server.
#[derive(Clone, Debug)]
pub(super) struct Seating {
    rooms: Rooms,
    names: Names,
    workers: usize,
}

impl Seating {
    /// Of `workers` workers; `None` where it is not known which: several servers, or rooms without names.
    pub(super) fn of(rooms: Rooms, workers: u64, targets: u64, status: &Status) -> Option<Self> {
        let is_one_server = targets == 1 && status.pid.is_some();
        let workers = usize::try_from(workers).ok().filter(|_| (1..=WORKERS_MAX).contains(&workers))?;
        Some(Self { rooms, names: rooms.names.filter(|_| is_one_server)?, workers })
    }

    fn worker(&self, room: u64) -> usize {
        worker_of(&self.names.room(room), self.workers)
    }

    /// Players of each worker when `conns` sit in `count` rooms: in blocks of equal size, give or take one.
    fn players_in(&self, count: u64, conns: u64) -> Vec<u64> {
        let mut players = vec![0; self.workers];
        let first = |room: u64| {
            let before = (u128::from(room) * u128::from(conns)).div_ceil(u128::from(count));
            u64::try_from(before).expect("at most all connections")
        };
        (0..count).for_each(|room| players[self.worker(room)] += first(room + 1) - first(room));
        players
    }

    /// The same in as many rooms as a run of so many has.
    pub(super) fn players(&self, conns: u64) -> Vec<u64> {
        self.players_in(self.rooms.count_for(conns), conns)
    }

    /// Rooms of each worker when there are `count`.
    pub(super) fn rooms(&self, count: u64) -> Vec<u64> {
        let mut rooms = vec![0; self.workers];
        (0..count).for_each(|room| rooms[self.worker(room)] += 1);
        rooms
    }

    /// Whether `conns` find a place each.
    pub(super) fn fits(&self, places: &Places, conns: u64) -> bool {
        places.hold(&self.players(conns))
    }

    /// The most players, up to `most`, that find a place each.
    pub(super) fn largest(&self, places: &Places, most: u64) -> u64 {
        if !self.rooms.follow {
            return self.largest_in(places, self.rooms.count, 0, most);
        }
        let each = self.rooms.players_each();
        let (mut best, mut rooms) = (0, vec![0_u64; self.workers]);
        for count in 1..=self.rooms.count.max(ROOMS_LOOKED_AT) {
            let (least, full) = (each * (count - 1) + 1, (each * count).min(most));
            rooms[self.worker(count - 1)] += 1;
            // Rooms as empty as they are with so many are too full already, and later ones are fuller.
            let is_past = rooms.iter().zip(&places.free).any(|(rooms, free)| rooms * (least / count) > *free);
            if least > most || is_past {
                break;
            }
            let all_full: Vec<u64> = rooms.iter().map(|rooms| rooms * each).collect();
            best = if full == each * count && places.hold(&all_full) {
                full
            } else {
                best.max(self.largest_in(places, count, least, full))
            };
        }
        best
    }

    /// The most players from `least` to `most` that fit in `count` rooms; 0: not even the least.
    fn largest_in(&self, places: &Places, count: u64, least: u64, most: u64) -> u64 {
        let fits = |conns: u64| places.hold(&self.players_in(count, conns));
        if fits(most) {
            return most;
        }
        if !fits(least) {
            return 0;
        }
        let (mut fit, mut not) = (least, most);
        while not - fit > 1 {
            let middle = fit.midpoint(not);
            if fits(middle) {
                fit = middle;
            } else {
                not = middle;
            }
        }
        fit
    }

    /// Rooms that there will be of the run's, where each worker makes so many more; and, where those are all it asks for
    /// and it may ask for more, as many as there can be.
    pub(super) fn made(&self, free: &[u64]) -> u64 {
        let rooms = self.rooms(self.rooms.count);
        let made: u64 = rooms.iter().zip(free).map(|(rooms, free)| rooms.min(free)).sum();
        if made < self.rooms.count {
            return made;
        }
        let (mut rooms, mut count) = (rooms, self.rooms.count);
        while count < ROOMS_LOOKED_AT {
            let worker = self.worker(count);
            rooms[worker] += 1;
            if rooms[worker] > free[worker] {
                break;
            }
            count += 1;
        }
        count
    }

    /// With other workers, or in other rooms, the same run.
    pub(super) fn with(&self, workers: usize, count: u64) -> Self {
        Self {
            workers,
            rooms: Rooms { count, follow: self.rooms.follow && count == self.rooms.count, ..self.rooms },
            ..*self
        }
    }
}

/// The places that a server's tables have left.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Of each worker.
    pub(super) free: Vec<u64>,
    /// Of each table, for connections that are on their way to another worker.
    pub(super) passing: u64,
}

impl Places {
    /// Whether each worker's players find a place, and those of others pass.
    fn hold(&self, players: &[u64]) -> bool {
        let all: u64 = players.iter().sum();
        players.iter().zip(&self.free).all(|(here, free)| {
            let passing = match *here {
                // Where nobody comes whose room is elsewhere, nobody passes.
                here if here == all => 0,
                // Where nobody stays, one after the other may pass.
                0 => 1,
                _ => self.passing,
            };
            here.saturating_add(passing) <= *free
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Demand;
    use crate::cli::Cli;

    /// Seats of `run WORDS` on a server with so many workers.
    fn seating(words: &str, workers: u64) -> Seating {
        let plan = Cli::plan(words.split(' ')).unwrap();
        let rooms = Demand::of(&plan).rooms.unwrap();
        Seating::of(rooms, workers, 1, &Status { pid: Some(1), ..Status::default() }).unwrap()
    }

    #[test]
    fn players_sit_as_a_run_seats_them() {
        for words in ["game --conns 101", "game --conns 100 --rooms 7", "rewind --conns 34"] {
            let plan = Cli::plan(words.split(' ')).unwrap();
            let rooms = Demand::of(&plan).rooms.unwrap();
            let seating = seating(words, 3);
            let mut players = vec![0; 3];
            for connection in 0..plan.conns {
                let room = plan.room_of(connection, u32::try_from(rooms.count).unwrap());
                players[seating.worker(room.into())] += 1;
            }
            assert_eq!(seating.players(plan.conns.into()), players, "{words}");
        }
    }

    #[test]
    fn rooms_follow_as_a_run_makes_them() {
        for conns in [1, 49, 50, 51, 100, 1_001] {
            let plan = Cli::plan(format!("game --conns {conns}").split(' ')).unwrap();
            let rooms = Demand::of(&plan).rooms.unwrap();
            assert!(rooms.follow && rooms.count == rooms.count_for(conns), "{conns}: {rooms:?}");
            let all = Rooms { count: 1, ..rooms };
            assert_eq!(all.count_for(conns), rooms.count, "{conns}");
        }
        let named = Demand::of(&Cli::plan("game --conns 100 --rooms 7".split(' ')).unwrap()).rooms.unwrap();
        assert!(!named.follow && named.count_for(10_000) == 7);
        let pairs = Demand::of(&Cli::plan("rewind --conns 34".split(' ')).unwrap()).rooms.unwrap();
        assert_eq!((pairs.count, pairs.count_for(40)), (17, 20));
    }

    #[test]
    fn the_largest_is_the_last_that_fits() {
        for (words, workers, free) in [
            ("game --conns 100", 2, vec![64, 64]),
            ("game --conns 380", 2, vec![200, 180]),
            ("game --conns 600", 4, vec![200; 4]),
            ("game --conns 300 --rooms 9", 3, vec![100; 3]),
            ("rewind --conns 100", 2, vec![64, 60]),
        ] {
            for passing in [0, 1, 5] {
                let (seating, places) = (seating(words, workers), Places { free: free.clone(), passing });
                let last = (0..1_500).filter(|conns| seating.fits(&places, *conns)).max().unwrap();
                assert_eq!(seating.largest(&places, 1_500), last, "{words} {passing}");
                let before = (0..last).filter(|conns| seating.fits(&places, *conns)).max().unwrap();
                assert_eq!(seating.largest(&places, last - 1), before, "{words} {passing}");
            }
        }
    }

    #[test]
    fn a_room_is_on_one_worker() {
        // Both rooms are on the first, as a server of this version has them.
        let two = seating("game --conns 100", 2);
        assert_eq!(two.players(100), [100, 0]);
        let places = Places { free: vec![64, 64], passing: 10 };
        assert_eq!(two.largest(&places, 100), 64, "to the last place, for nobody passes");
        assert_eq!(two.made(&[1, 5]), 1);
        assert!(two.made(&[5, 5]) >= 5);
    }
}
