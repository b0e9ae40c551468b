//! On which of a server's workers the players of a run sit: a room lives on one worker, which its name chooses.
//!
//! A run may have a million rooms, and each question here is asked for many numbers of players: a name is hashed once, and
//! what differs between two numbers is looked at, not all of both.

use std::cell::{Ref, RefCell};
use std::rc::Rc;

use tickring_protocol::placement::worker_of;

use super::Rooms;
use crate::plan::Names;
use crate::server_side::{Listing, Status};

/// More workers than any server of this version has.
const WORKERS_MAX: u64 = 256;
/// Rooms that are looked at again, one number of players after the other, behind the largest that a search by halves has
/// found: with rooms of a given number one player more may be one less on a worker.
const LOOKS_MAX: u64 = 1_000_000;

/// The rooms of a run on the workers of one server.
#[derive(Clone, Debug)]
pub(super) struct Seating {
    rooms: Rooms,
    names: Names,
    workers: usize,
    /// Which of the rooms are on this server.
    listing: Listing,
    /// The workers of the first rooms, of as many as have been asked for; the number of workers stands for other servers.
    known: Rc<RefCell<Vec<u16>>>,
}

impl Seating {
    /// Of `workers` workers; `None` where it is not known which: several servers together, or rooms without names.
    pub(super) fn of(rooms: Rooms, workers: u64, listing: &Listing, status: &Status) -> Option<Self> {
        let workers = usize::try_from(workers).ok().filter(|_| (1..=WORKERS_MAX).contains(&workers))?;
        let names = rooms.names.filter(|_| status.pid.is_some())?;
        Some(Self { rooms, names, workers, listing: listing.clone(), known: Rc::default() })
    }

    /// What players are counted for: the workers, and other servers where there are some.
    fn places(&self) -> usize {
        self.workers + usize::from(self.listing.is_shared())
    }

    /// Of this server.
    pub(super) const fn workers(&self) -> usize {
        self.workers
    }

    /// Of what stands for each of those, this server's part.
    pub(super) fn own(&self, each: &[u64]) -> u64 {
        each.iter().take(self.workers).sum()
    }

    /// The workers of the first `count` rooms.
    fn workers_of(&self, count: u64) -> Ref<'_, [u16]> {
        let count = usize::try_from(count).expect("rooms of a run fit in memory");
        let mut known = self.known.borrow_mut();
        for room in known.len()..count {
            let worker = match room as u64 {
                room if !self.listing.has(room) => self.workers,
                // One worker has them all, whatever they are called.
                _ if self.workers == 1 => 0,
                room => worker_of(&self.names.room(room), self.workers),
            };
            known.push(u16::try_from(worker).expect("there are at most WORKERS_MAX"));
        }
        drop(known);
        Ref::map(self.known.borrow(), |known| &known[..count])
    }

    fn worker(&self, room: u64) -> usize {
        self.workers_of(room + 1).last().map_or(0, |worker| usize::from(*worker))
    }

    /// Players of each worker when `conns` sit in `count` rooms: in blocks of equal size, give or take one.
    fn players_in(&self, count: u64, conns: u64) -> Vec<u64> {
        let workers = self.workers_of(count);
        let mut players = vec![0; self.places()];
        let (Some(each), Some(more)) = (conns.checked_div(count), conns.checked_rem(count)) else {
            return players;
        };
        workers.iter().for_each(|worker| players[usize::from(*worker)] += each);
        for nth in 0..more {
            // A block begins with the first player whose share of the rooms has reached it: so has the nth one more.
            players[usize::from(workers[share(nth, count, more)])] += 1;
        }
        players
    }

    /// The same when `rooms` of each worker, `count` in all, would have `each` players, and `lacking` do not come.
    fn players_without(&self, rooms: &[u64], each: u64, count: u64, lacking: u64) -> Vec<u64> {
        let workers = self.workers_of(count);
        let mut players: Vec<u64> = rooms.iter().map(|rooms| rooms * each).collect();
        for nth in 0..lacking {
            // Seen from the last room, blocks end as they begin when seen from the first.
            let room = workers.len() - 1 - share(lacking - 1 - nth, count, lacking);
            players[usize::from(workers[room])] -= 1;
        }
        players
    }

    /// The same in as many rooms as a run of so many has.
    pub(super) fn players(&self, conns: u64) -> Vec<u64> {
        self.players_in(self.rooms.count_for(conns), conns)
    }

    /// Rooms of each worker when there are `count`.
    pub(super) fn rooms(&self, count: u64) -> Vec<u64> {
        let mut rooms = vec![0; self.places()];
        self.workers_of(count).iter().for_each(|worker| rooms[usize::from(*worker)] += 1);
        rooms
    }

    /// Whether `conns` find a place each.
    pub(super) fn fits(&self, places: &Places, conns: u64) -> bool {
        places.hold(&self.players(conns))
    }

    /// The most players, up to `most`, that find a place each.
    pub(super) fn largest(&self, places: &Places, most: u64) -> u64 {
        if !self.rooms.follow {
            return self.largest_in(self.rooms.count, places, most);
        }
        let (mut count, mut rooms) = self.not_too_many(places, most);
        while count > 0 {
            if let Some(conns) = self.largest_of(&rooms, count, places, most) {
                return conns;
            }
            count -= 1;
            rooms[self.worker(count)] -= 1;
        }
        0
    }

    /// The most rooms that follow, of each worker as well, which are not too full already when as few come as make so many:
    /// more rooms are fuller still.
    fn not_too_many(&self, places: &Places, most: u64) -> (u64, Vec<u64>) {
        let each = self.rooms.players_each();
        let (mut rooms, mut least) = (vec![0; self.places()], vec![0; self.places()]);
        for count in 0..most.div_ceil(each) {
            let worker = self.worker(count);
            // All that one room more may lack are lacking here, and it has somebody all the same.
            least[worker] = each * rooms[worker] + 1;
            if !places.hold(&least) {
                return (count, rooms);
            }
            rooms[worker] += 1;
        }
        (most.div_ceil(each), rooms)
    }

    /// The most players that make exactly so many rooms that follow, and find a place each.
    fn largest_of(&self, rooms: &[u64], count: u64, places: &Places, most: u64) -> Option<u64> {
        let each = self.rooms.players_each();
        let full = each * count;
        let lacking = (full.saturating_sub(most)..each)
            .find(|lacking| places.hold(&self.players_without(rooms, each, count, *lacking)))?;
        Some(full - lacking)
    }

    /// The most players that find a place each in `count` rooms.
    fn largest_in(&self, count: u64, places: &Places, most: u64) -> u64 {
        let fits = |conns: u64| places.hold(&self.players_in(count, conns));
        // Where each room has so many, there are too many.
        let too_many = self.rooms(count).into_iter().zip(&places.free).filter(|(rooms, _)| *rooms > 0);
        let too_many =
            too_many.map(|(rooms, free)| (free / rooms).saturating_add(1).saturating_mul(count)).min();
        let most = too_many.map_or(most, |too_many| most.min(too_many - 1));
        if fits(most) {
            return most;
        }
        let (mut fit, mut not) = (0, most);
        while not - fit > 1 {
            let middle = fit.midpoint(not);
            if fits(middle) {
                fit = middle;
            } else {
                not = middle;
            }
        }
        let looks = usize::try_from(LOOKS_MAX / count.max(1)).expect("a million at most");
        (not + 1..most).take(looks).filter(|conns| fits(*conns)).last().unwrap_or(fit)
    }

    /// Of the first `most` rooms those before the first one that its worker does not make, where each makes so many.
    pub(super) fn made(&self, free: &[u64], most: u64) -> u64 {
        let mut left = free.to_vec();
        let is_made = |room: &u64| {
            let left = &mut left[self.worker(*room)];
            *left = left.wrapping_sub(1);
            *left != u64::MAX
        };
        (0..most).take_while(is_made).count() as u64
    }

    /// With other workers, or in other rooms, the same run.
    pub(super) fn with(&self, workers: usize, count: u64) -> Self {
        Self {
            workers,
            rooms: Rooms { count, follow: self.rooms.follow && count == self.rooms.count, ..self.rooms },
            known: if workers == self.workers { Rc::clone(&self.known) } else { Rc::default() },
            ..self.clone()
        }
    }
}

/// Where the `nth` of `parts` equal parts of `count` rooms begins.
fn share(nth: u64, count: u64, parts: u64) -> usize {
    usize::try_from(nth * count / parts).expect("below the number of rooms, which is that of a list")
}

/// The places that a server's workers have left.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Of each worker; other servers' are none of this one's, and [`ELSEWHERE`].
    pub(super) free: Vec<u64>,
    /// Of all together.
    pub(super) most: u64,
    /// Of each table, for connections that are on their way to another worker; 0: nobody passes.
    pub(super) passing: u64,
}

/// As good as no end.
pub(super) const ELSEWHERE: u64 = u64::MAX;

impl Places {
    /// Whether each worker's players find a place, and those of others pass. More players in the same rooms, or in more of
    /// them, never find one where fewer do not.
    fn hold(&self, players: &[u64]) -> bool {
        let own = players.iter().zip(&self.free).filter(|(_, free)| **free != ELSEWHERE);
        let all: u64 = own.clone().map(|(players, _)| players).sum();
        all <= self.most
            && own.into_iter().all(|(here, free)| {
                let passing = match *here {
                    _ if all == 0 => 0,
                    // Where nobody stays, one after the other may pass; where all stay, nobody does, but the last place of a
                    // table is never promised to who was accepted elsewhere.
                    here if here == 0 || here == all => self.passing.min(1),
                    _ => self.passing,
                };
                here.saturating_add(passing) <= *free
            })
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::budget::Demand;
    use crate::cli::Cli;

    /// Seats of `run WORDS` on a server with so many workers.
    fn seating(words: &str, workers: u64) -> Seating {
        let plan = Cli::plan(words.split(' ')).unwrap();
        let rooms = Demand::of(&plan).rooms.unwrap();
        Seating::of(rooms, workers, &Listing::alone(), &Status { pid: Some(1), ..Status::default() }).unwrap()
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
                let (seating, places) =
                    (seating(words, workers), Places { free: free.clone(), most: u64::MAX, passing });
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
        let places = Places { free: vec![64, 64], most: u64::MAX, passing: 10 };
        assert_eq!(two.largest(&places, 100), 63, "the last place is for who comes by himself");
        assert_eq!(two.made(&[1, 5], 9), 1, "the second is the first worker's, too");
        assert!((2..=9).contains(&two.made(&[5, 5], 9)));
        assert_eq!(two.made(&[50, 50], 9), 9);
    }

    #[test]
    fn the_largest_of_any_is_what_one_by_one_finds() {
        let mut rng = Pcg64Mcg::seed_from_u64(7);
        for round in 0..60 {
            let (conns, workers) = (rng.random_range(2_u64..300), rng.random_range(1..6_u64));
            let words = match rng.random_range(0..3) {
                0 => format!("game --conns {conns} --seed {round}"),
                1 => format!("game --conns {conns} --rooms {} --seed {round}", rng.random_range(1..=conns)),
                _ => format!("rewind --conns {} --seed {round}", conns * 2),
            };
            let free = (0..workers).map(|_| rng.random_range(0..150)).collect();
            let (seating, places) = (
                seating(&words, workers),
                Places { free, most: rng.random_range(0..400), passing: round % 4 },
            );
            for most in [500, conns - 1] {
                let one_by_one = (0..=most).rev().find(|conns| seating.fits(&places, *conns)).unwrap();
                let largest = seating.largest(&places, most);
                assert_eq!(largest, one_by_one, "{words} {workers} {places:?} {most}");
            }
        }
    }

    #[test]
    fn the_rooms_of_a_large_server_are_hashed_once_and_few_of_their_numbers_looked_at() {
        for (words, workers, each) in [
            ("rewind --conns 40", 2, 20_000),
            ("rewind --conns 4000", 2, 20_000),
            ("game --conns 100", 2, 20_000),
            ("rewind --conns 40", 256, 1_000),
        ] {
            let (seating, each_room) = (seating(words, workers), if words.contains("game") { 50 } else { 2 });
            let free = vec![each; usize::try_from(workers).unwrap()];
            let places = Places { free, most: u64::MAX, passing: 16 };
            let largest = seating.largest(&places, 4_000_000);
            let rooms = largest.div_ceil(each_room);
            assert!(largest > workers * each / 2 && largest < workers * each, "{words}: {largest}");
            let hashed = seating.known.borrow().len() as u64;
            let (first, _) = seating.not_too_many(&places, 4_000_000);
            assert!(hashed == first + 1 && first - rooms <= 8 * workers, "{words}: {hashed} {first} {rooms}");
            seating.fits(&places, largest);
            assert_eq!(seating.known.borrow().len() as u64, hashed, "{words}: nothing is hashed again");
        }
    }
}
