//! The seats that the server has for a run's players.

use super::seating::{ELSEWHERE, Places, Seating};
use super::{Budget, CONNS_MAX, Demand, Rooms, Side};
use crate::doctor::enough;
use crate::server_side::{Listing, Status};

/// Seats in the rooms that players are spread over; a hash of a room's name chooses its worker.
pub(super) fn budget(demand: &Demand, status: &Status, listing: &Listing) -> Option<Budget> {
    let (rooms, limits) = (demand.rooms?, &status.limits);
    let (seats, workers) = (limits.players_max_per_room?, limits.workers.unwrap_or(1));
    let each_makes = limits.workers.and(limits.rooms_max_per_worker);
    let seating = Seating::of(rooms, workers, listing, status).filter(|_| each_makes.is_some());
    let known = seating.map(|seating| {
        let there = (0..workers).map(|at| there(status, at)).collect();
        Known { seating, there, each: each_makes.unwrap_or(0) }
    });
    // More than there may be connections, nobody asks for.
    let fullest = rooms.players_each().min(seats).max(1);
    let most = CONNS_MAX.max(demand.conns).div_ceil(fullest).max(rooms.count);
    let made = each_makes.map(|each| match &known {
        Some(known) => known.seating.made(&known.free(), most),
        None => listing.whole(enough::held(workers, each)),
    });
    Some(Seats { demand, rooms, seats, workers, made, known }.budget())
}

/// Rooms that a worker has already.
fn there(status: &Status, worker: u64) -> u64 {
    status.workers.iter().find(|told| told.worker == worker).map_or(0, |told| told.rooms)
}

/// The workers of a run's rooms, where they are known.
struct Known {
    seating: Seating,
    /// Rooms that each has already.
    there: Vec<u64>,
    /// What each makes, those among it.
    each: u64,
}

impl Known {
    /// Rooms that each worker can still make.
    fn free(&self) -> Vec<u64> {
        let own = self.there.iter().map(|there| self.each.saturating_sub(*there));
        own.chain([ELSEWHERE]).collect()
    }
}

/// The seats of a server, and a run's rooms.
struct Seats<'a> {
    demand: &'a Demand,
    rooms: Rooms,
    /// Of each room.
    seats: u64,
    workers: u64,
    /// So many of the run's rooms are all made, of any number up to it; `None`: the server does not say.
    made: Option<u64>,
    known: Option<Known>,
}

impl Seats<'_> {
    fn budget(&self) -> Budget {
        let conns = self.demand.conns;
        let all = self.largest(CONNS_MAX.max(conns));
        // A larger number may fit where rooms follow it, and this one not.
        let carries = if self.fits() { all } else { self.largest(conns.saturating_sub(1)) };
        let (why, remedy) = self.told();
        Budget { side: Side::Server, what: "seats", carries, why, remedy }
    }

    /// Players of a room of as many as are asked for, the fullest.
    fn players(&self) -> u64 {
        self.demand.conns.div_ceil(self.rooms.count.max(1))
    }

    /// Whether all that are asked for have a seat.
    fn fits(&self) -> bool {
        match self.made {
            Some(made) if made < self.rooms.count => self.largest(self.demand.conns) >= self.demand.conns,
            _ => self.players() <= self.seats,
        }
    }

    /// The most players, up to `most`, that have a seat each in as many rooms as so many players have.
    fn largest(&self, most: u64) -> u64 {
        let (count, seats) = (self.rooms.count, self.seats);
        let made = self.made.unwrap_or(count);
        if self.rooms.follow {
            let each = self.rooms.players_each();
            let seated = |rooms: u64| most.min(each.min(seats).saturating_mul(rooms));
            if seats >= each {
                return seated(made);
            }
            // In rooms that are too small to be full, some numbers of players fit, and some between them do not: there
            // must be as many as make the last of them.
            let fit = (1..=made.min(each)).rev().find(|rooms| seated(*rooms) > each * (rooms - 1));
            return fit.map_or(0, seated);
        }
        match &self.known {
            _ if made >= count => most.min(count.saturating_mul(seats)),
            // Some of the rooms are not made: only so few find a seat that those stay empty.
            _ if seats == 0 => 0,
            Some(known) => {
                let places = Places { free: known.free(), most: u64::MAX, passing: 0 };
                known.seating.largest(&places, most.min(count.saturating_sub(1)))
            }
            None => most.min(made),
        }
    }

    /// The arithmetic, and what helps.
    fn told(&self) -> (String, String) {
        let Self { rooms, seats, .. } = self;
        let (conns, players) = (self.demand.conns, self.players());
        let rooms_needed = conns.div_ceil((*seats).max(1));
        let all =
            self.made.map(|made| made.saturating_mul((*seats).min(rooms.players_max.unwrap_or(*seats))));
        match (self.made, all) {
            // No other number of rooms would help.
            (Some(_), Some(all)) if all < conns => (
                format!(
                    "{}, and {seats} seats in each: both limits together, for {} rooms with {players} players each",
                    self.made_of(rooms.count.max(rooms_needed)),
                    rooms.count
                ),
                self.larger_rooms(),
            ),
            (Some(made), _) if made < rooms.count => (
                format!(
                    "{} rooms are asked for, and {}, with {seats} seats each",
                    rooms.count,
                    self.made_of(rooms.count)
                ),
                format!(
                    "use --rooms {rooms_needed}, or start the server with {}",
                    self.rooms_max(rooms.count)
                ),
            ),
            // More players have more rooms, as many as the server makes.
            (Some(made), _) if rooms.follow && players <= *seats => (
                format!(
                    "{players} players a room, {seats} seats in each, and {}",
                    self.made_of(made.saturating_add(1))
                ),
                String::new(),
            ),
            _ => {
                let larger = format!("start the server with --players-per-room {players}");
                (
                    format!("{players} players a room, and the server seats {seats}"),
                    match rooms.players_max {
                        Some(_) => larger,
                        None => format!("--rooms {rooms_needed}, or {larger}"),
                    },
                )
            }
        }
    }

    /// How many rooms the server makes, in words; of `count` that are all to be made, where they are known.
    fn made_of(&self, count: u64) -> String {
        let made = self.made.unwrap_or(0);
        match &self.known {
            Some(known) if self.workers > 1 => {
                let (rooms, free) = (known.seating.rooms(count), known.free());
                let Some(short) = (0..rooms.len()).find(|at| rooms[*at] > free[*at]) else {
                    return format!("{made} rooms or more are made");
                };
                let more = if known.there[short] == 0 { "" } else { " more" };
                format!(
                    "a room's name chooses its worker, of {}: {} of {count} are worker {short}'s, which makes {}{more} \
                     (rooms_max), so that the first {made} are all made",
                    self.workers, rooms[short], free[short]
                )
            }
            // One worker makes every room.
            _ => {
                let about = if self.workers == 1 { "" } else { "about " };
                format!("{about}{made} rooms at most (rooms_max of each worker)")
            }
        }
    }

    /// The flag that makes the server make `count` rooms.
    fn rooms_max(&self, count: u64) -> String {
        let each = match &self.known {
            // Each worker has the rooms that it has already, and those of the run that are its own.
            Some(known) => {
                let rooms = known.seating.rooms(count).into_iter().zip(&known.there);
                rooms
                    .map(|(rooms, there)| if rooms == 0 { 0 } else { rooms.saturating_add(*there) })
                    .max()
                    .unwrap_or(0)
            }
            None => enough::rooms_max(count, self.workers),
        };
        format!("--rooms-max {each} (each worker's)")
    }

    /// What to raise where both limits of the server together, rooms and seats in each, hold too few.
    fn larger_rooms(&self) -> String {
        let (conns, rooms, seats) = (self.demand.conns, self.rooms, self.seats);
        if let Some(players) = rooms.players_max {
            let larger =
                if seats < players { format!(" and --players-per-room {players}") } else { String::new() };
            return format!(
                "start the server with {}{larger}",
                self.rooms_max(conns.div_ceil(players.max(1)))
            );
        }
        let named = rooms.count.max(conns.div_ceil(seats.max(1)));
        let size = self.players().max(seats);
        let players = format!("--players-per-room {size}");
        let larger = match (self.made.is_some_and(|made| made < rooms.count), size > seats) {
            // Its rooms are large enough: it is their number alone.
            (_, false) => {
                return format!("start the server with {}, for --rooms {named}", self.rooms_max(named));
            }
            (true, true) => {
                format!("with larger rooms as well, {} and {players}", self.rooms_max(rooms.count))
            }
            (false, true) => format!("with larger rooms, {players}"),
        };
        format!(
            "start the server with {} and use --rooms {named}; or {larger}, for --rooms {}",
            self.rooms_max(named),
            rooms.count
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{demand, server};
    use super::*;
    use crate::cli::Cli;

    fn budget(demand: &Demand, status: &Status) -> Option<Budget> {
        super::budget(demand, status, &Listing::alone())
    }

    fn following(count: u64) -> Option<Rooms> {
        Some(Rooms { follow: true, ..Rooms::named(count) })
    }

    #[test]
    fn rooms_that_follow_are_as_many_as_the_server_makes() {
        let carries = |rooms, server: &Status| budget(&demand(1_000, rooms), server).unwrap().carries;
        assert_eq!(carries(following(20), &server(1, 1_024, 50)), 51_200);
        assert_eq!(carries(Some(Rooms::named(20)), &server(1, 1_024, 50)), 1_000);
        assert_eq!(carries(following(20), &server(2, 1_024, 50)), 2 * 1_001 * 50, "names are hashed, too");
        let rewind = Some(Rooms { count: 500, follow: true, players_max: Some(2), names: None });
        assert_eq!(carries(rewind, &server(1, 1_024, 50)), 2_048);
        assert_eq!(carries(rewind, &server(1, 100, 50)), 200);
        assert_eq!(carries(following(20), &server(1, 1_024, 10)), 10, "eleven are still in one room");
        assert_eq!(carries(following(20), &server(1, 1_024, 40)), 160, "in four rooms, and 161 too");
        assert_eq!(
            carries(Some(Rooms::named(500)), &server(1, 100, 50)),
            100,
            "more come to rooms that are not made"
        );
    }

    /// A server that may be asked which worker has which room.
    fn told(workers: u64, rooms_max: u64, seats: u64) -> Status {
        Status { pid: Some(1), ..server(workers, rooms_max, seats) }
    }

    fn of(words: &str, status: &Status) -> Budget {
        budget(&Demand::of(&Cli::plan(words.split(' ')).unwrap()), status).unwrap()
    }

    #[test]
    fn the_maximum_is_what_a_run_of_so_many_seats() {
        let servers = [told(2, 3, 50), told(2, 2, 10), told(2, 3, 40), told(3, 4, 100), server(2, 3, 50)];
        for status in servers {
            for name in ["game --conns", "rewind --conns"] {
                for conns in [10, 20, 60, 90, 150, 200, 300, 600] {
                    let wall = of(&format!("{name} {conns}"), &status);
                    if wall.carries > 1 {
                        let same = of(&format!("{name} {}", wall.carries), &status);
                        assert!(same.carries >= wall.carries, "{name} {conns} {wall:?} {same:?}");
                    }
                    if wall.carries + 2 <= conns {
                        let more = of(&format!("{name} {}", wall.carries + 2), &status);
                        assert!(more.carries < wall.carries + 2, "{name} {conns} {wall:?} {more:?}");
                    }
                }
            }
        }
        // As a server has them: of rooms 0 to 3 all are the first worker's.
        for conns in [100, 200, 300, 600] {
            assert_eq!(of(&format!("game --conns {conns}"), &told(2, 3, 50)).carries, 150, "{conns}");
        }
        for conns in [10, 20] {
            assert_eq!(of(&format!("game --conns {conns}"), &told(2, 2, 10)).carries, 10, "one room of ten");
        }
    }

    /// What is behind each `flag` in a text.
    fn value<'a>(text: &'a str, flag: &str) -> Option<&'a str> {
        let (_, behind) = text.split_once(&format!("{flag} "))?;
        behind.split(|sign: char| !sign.is_ascii_digit()).next()
    }

    #[test]
    fn what_is_advised_on_seats_mends_it_by_the_same_reckoning() {
        let mut tried = 0;
        for (workers, made, seats) in [(2, 3, 50), (2, 1, 50), (2, 2, 10), (3, 2, 120), (1, 2, 10), (4, 9, 7)]
        {
            for busy in [0, 1] {
                for words in [
                    "game --conns 200",
                    "game --conns 300",
                    "game --conns 900 --rooms 30",
                    "rewind --conns 40",
                ] {
                    let server = |made, seats| {
                        let mut status = told(workers, made, seats);
                        let worker = serde_json::json!({ "worker": 0, "rooms": busy });
                        status.workers = vec![serde_json::from_value(worker).unwrap()];
                        status
                    };
                    let conns: u64 = value(words, "--conns").unwrap().parse().unwrap();
                    let wall = of(words, &server(made, seats));
                    if wall.carries >= conns {
                        continue;
                    }
                    for advice in wall.remedy.split(" or ") {
                        let number =
                            |flag, or| value(advice, flag).map_or(or, |value| value.parse().unwrap());
                        let words = match value(advice, "--rooms") {
                            Some(rooms) => {
                                let (words, _) = words.split_once(" --rooms").unwrap_or((words, ""));
                                format!("{words} --rooms {rooms}")
                            }
                            None => words.to_owned(),
                        };
                        let after = server(number("--rooms-max", made), number("--players-per-room", seats));
                        let mended = of(&words, &after);
                        assert!(mended.carries >= conns, "{words}: {advice}: {wall:?} {mended:?}");
                        tried += 1;
                    }
                }
            }
        }
        assert!(tried > 30, "{tried}");
    }

    #[test]
    fn advice_on_seats_leads_to_seats() {
        let wall = budget(&demand(1_000, following(20)), &server(1, 2, 10)).unwrap();
        assert_eq!(wall.carries, 10, "eleven are still in one room");
        assert!(wall.remedy.contains("--rooms-max 100 ") && wall.remedy.contains("--rooms 100;"), "{wall:?}");
        assert!(
            wall.remedy.contains("--rooms-max 20 (each worker's) and --players-per-room 50,"),
            "{wall:?}"
        );
        let few = budget(&demand(1_200, Some(Rooms::named(20))), &server(1, 100, 10)).unwrap();
        assert_eq!(few.carries, 200, "there are 100 rooms, and 20 are asked for: {few:?}");
        assert!(
            few.remedy.contains("or with larger rooms, --players-per-room 60, for --rooms 20"),
            "{few:?}"
        );
        let small = budget(&demand(1_000, Some(Rooms::named(100))), &server(1, 10, 10)).unwrap();
        assert_eq!(
            small.remedy, "start the server with --rooms-max 100 (each worker's), for --rooms 100",
            "it seats ten already"
        );
        let many = budget(&demand(1_000, Some(Rooms::named(100))), &server(1, 10, 50)).unwrap();
        assert_eq!(many.carries, 10, "more come to rooms that are not made: {many:?}");
        let named = Some(Rooms::named(100));
        assert_eq!(budget(&demand(1_000, named), &server(1, 100, 10)).unwrap().carries, 1_000);
        assert_eq!(
            budget(&demand(1_000, Some(Rooms::named(20))), &server(1, 20, 50)).unwrap().carries,
            1_000
        );
    }
}
