//! What the server takes as a whole, and what its workers' tables hold.

use super::seating::{ELSEWHERE, Places, Seating};
use super::{Budget, CONNS_MAX, Demand, Side};
use crate::doctor::{Readings, enough};
use crate::server_side::{Listing, Status};

/// What comes in so many ms from other workers needs places of its own: a worker promises part of those it has left,
/// anew at each of its waits, and who finds none promised waits. Measured on loopback at 2,000 a second: with that many
/// left over, 98 to 100 % of what is predicted connects.
const PASSING_MS: u64 = 8;
/// Numbers of workers, or of rooms, that are tried for one that fits.
const TRIES: u64 = 64;
/// Rooms beyond which no other number of them is tried: a hash shares so many out well.
const ROOMS_TRIED_MAX: u64 = 2_000;

/// Connections that the server takes: the kernel's hash chooses the worker of one that is in no room, and the name of its
/// room that of a player.
pub(super) fn budget(demand: &Demand, status: &Status, listing: &Listing, here: &Readings) -> Option<Budget> {
    let limits = &status.limits;
    let max = limits.connections_max?;
    let tables = limits.workers.zip(limits.connections_per_worker_max);
    let (workers, each) = tables.unwrap_or((1, max));
    let is_fixed = demand.is_loopback && here.limits_are_fixed;
    let rooms = demand.rooms.filter(|_| tables.is_some());
    let seating = rooms.and_then(|rooms| Seating::of(rooms, workers, listing, status));
    let known = seating.map(|seating| Tables { demand, status, listing, seating, workers, each });
    if let Some(tables) = known.as_ref().filter(|_| workers > 1 || listing.is_shared()) {
        return Some(tables.budget(max, is_fixed));
    }
    let open = status.taken();
    let taken = taken(open);
    let (held, unit) = match demand.rooms {
        Some(rooms) if workers > 1 => {
            // Players of a room stay together: so many rooms have a place.
            let players = demand.conns.div_ceil(rooms.count.max(1)).max(1);
            (enough::held(workers, each / players).saturating_mul(players).max(each), "rooms")
        }
        _ => (enough::held(workers, each), "connections"),
    };
    let why = if held < max && workers > 1 {
        format!(
            "a hash shares {unit} out over {workers} tables of {each} places, never evenly: about {held} find \
             one{taken} (max_conns {max})"
        )
    } else {
        format!("the server takes {max} ({}){taken}", limits.connections_bound())
    };
    let wanted = listing.part(demand.conns).saturating_add(open);
    Some(Budget {
        side: Side::Server,
        what: "connections",
        carries: listing.whole(max.min(held).saturating_sub(open)),
        why,
        remedy: match known.filter(|_| held < wanted) {
            // One table has everybody; of more, the names of the rooms choose one.
            Some(tables) => tables.remedy(is_fixed),
            None if held < wanted && held < max && demand.rooms.is_some() => {
                enough::server_tables(limits, wanted, is_fixed)
            }
            None => enough::server_room(limits, wanted, is_fixed),
        },
    })
}

/// What is there already, in words.
fn taken(open: u64) -> String {
    if open == 0 { String::new() } else { format!(", {open} of them taken") }
}

/// The tables of a server, and the rooms of a run in them.
struct Tables<'a> {
    demand: &'a Demand,
    status: &'a Status,
    listing: &'a Listing,
    seating: Seating,
    workers: u64,
    /// Places of each.
    each: u64,
}

impl Tables<'_> {
    fn budget(&self, max: u64, is_fixed: bool) -> Budget {
        let (conns, open) = (self.demand.conns, self.status.taken());
        let places = self.places(self.workers, self.each);
        let fits = self.seating.fits(&places, conns);
        // A larger number may fit where rooms follow it, and this one not.
        let most = if fits { CONNS_MAX.max(conns) } else { conns.saturating_sub(1) };
        let held = self.seating.largest(&places, most);
        let carries =
            self.seating.largest(&Places { most: max.saturating_sub(open), ..places.clone() }, most);
        let (why, remedy) = if carries >= conns || carries == held {
            (self.why(&places), self.remedy(is_fixed))
        } else {
            let wanted = self.own(conns).saturating_add(open);
            let why =
                format!("the server takes {max} ({}){}", self.status.limits.connections_bound(), taken(open));
            // With more than its tables hold it does not start, or some find no place.
            let remedy = if fits {
                format!("start the server with --max-conns {wanted}")
            } else {
                self.remedy(is_fixed)
            };
            (why, remedy)
        };
        Budget { side: Side::Server, what: "connections", carries, why, remedy }
    }

    /// Of so many of the run's connections those that come to this server.
    fn own(&self, conns: u64) -> u64 {
        self.seating.own(&self.seating.players(conns))
    }

    /// Of so many tables with so many places each what is left; other tables than the server's are empty.
    fn places(&self, workers: u64, each: u64) -> Places {
        let count = usize::try_from(workers).expect("a seating has as many workers");
        let mut open = vec![0; count];
        if workers == self.workers {
            let told = &self.status.workers;
            let share = if told.is_empty() { self.status.taken().div_ceil(workers) } else { 0 };
            open.fill(share);
            for worker in told {
                let at = usize::try_from(worker.worker).ok().and_then(|at| open.get_mut(at));
                at.into_iter().for_each(|open| *open = worker.open());
            }
        }
        // The bots of a room come together, and all but one in so many are accepted elsewhere.
        let rate = self.listing.part(self.demand.connect_rate);
        let passing = (rate * PASSING_MS * (workers - 1)).div_ceil(1_000 * workers);
        let elsewhere = self.listing.is_shared().then_some(ELSEWHERE);
        Places {
            free: open.into_iter().map(|open| each.saturating_sub(open)).chain(elsewhere).collect(),
            most: u64::MAX,
            // Of tables this small, at most an eighth.
            passing: if workers == 1 { 0 } else { passing.min(each / 8).max(1) },
        }
    }

    fn why(&self, places: &Places) -> String {
        let players = self.seating.players(self.demand.conns);
        let all = self.seating.own(&players);
        let (fullest, most) = players
            .iter()
            .enumerate()
            .take(self.seating.workers())
            .max_by_key(|(_, players)| **players)
            .unwrap_or((0, &0));
        let rooms = self.demand.rooms.map_or(0, |rooms| rooms.count_for(self.demand.conns));
        let there = self.seating.rooms(rooms).get(fullest).copied().unwrap_or(0);
        let free = places.free.get(fullest).copied().unwrap_or(0);
        let left = if free == self.each { String::new() } else { format!(", {free} of them free,") };
        let passing = match most {
            _ if places.passing == 0 => String::new(),
            most if *most == all => " beside one that is kept for who is accepted there".to_owned(),
            _ => format!(" beside {} for those who pass to another worker", places.passing),
        };
        format!(
            "a room's name chooses its worker, of {}: {there} of {rooms} rooms are worker {fullest}'s, whose table of {} \
             places{left} would hold {most}{passing}",
            self.workers, self.each
        )
    }

    /// What really makes room for all of them, by the same reckoning.
    fn remedy(&self, is_fixed: bool) -> String {
        let (demand, limits) = (self.demand, &self.status.limits);
        let rooms = demand.rooms.map_or(1, |rooms| rooms.count_for(demand.conns));
        let fits = |workers: u64, rooms: u64| {
            let count = usize::try_from(workers).expect("at most 256 are tried");
            self.seating.with(count, rooms).fits(&self.places(workers, self.each), demand.conns)
        };
        let busiest = |seating: &Seating| {
            seating.players(demand.conns).into_iter().take(seating.workers()).max().unwrap_or(0)
        };
        let own = self.own(demand.conns);
        let open = (0..).zip(&self.status.workers).map(|(_, worker)| worker.open()).max();
        let table = enough::table(busiest(&self.seating).saturating_add(open.unwrap_or(self.status.taken())));
        let mut advice = format!("start the server with {}", enough::larger_table(limits, table, is_fixed));
        let first = own.div_ceil(self.each.max(1)).max(self.workers + 1);
        // Each takes as long as there are rooms.
        let tries =
            usize::try_from(TRIES * ROOMS_TRIED_MAX / rooms.max(ROOMS_TRIED_MAX)).map_or(1, |n| n.max(2));
        let most = enough::Taker::SERVER.startable(limits.descriptors);
        if let Some(workers) = (first..=most).take(tries).find(|workers| fits(*workers, rooms)) {
            advice += &format!(", or with --workers {workers} (a table each: then its rooms fit)");
        }
        // On one worker all rooms are together, however many there are.
        let is_free = self.workers > 1 && demand.rooms.is_some_and(|rooms| rooms.players_max.is_none());
        let more = (rooms + 1..=demand.conns)
            .take(tries)
            .find(|count| is_free && rooms <= ROOMS_TRIED_MAX && fits(self.workers, *count));
        if let Some(count) = more {
            advice += &format!(", or use --rooms {count} (other rooms, on other workers)");
        }
        format!("{advice}; --max-conns, if it is set, at {} or auto", own.saturating_add(self.status.taken()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::server;
    use super::*;
    use crate::cli::Cli;
    use crate::server_side::StatusWorker;

    fn wall(words: &str, status: &Status) -> Budget {
        let demand = Demand::of(&Cli::plan(words.split(' ')).unwrap());
        budget(&demand, status, &Listing::alone(), &Readings::default()).unwrap()
    }

    /// A server of so many tables with so many places each.
    fn tables(workers: u64, each: u64) -> Status {
        let mut status = Status { pid: Some(1), ..server(workers, 1_024, 50) };
        status.limits.connections_max = Some(workers * each);
        (status.limits.connections_per_worker_max, status.limits.descriptors) = (Some(each), Some(each));
        status
    }

    /// The number behind `flag` in a text.
    fn advised(text: &str, flag: &str) -> u64 {
        let (_, behind) = text.split_once(flag).unwrap_or_else(|| panic!("{flag}: {text}"));
        behind.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    }

    #[test]
    fn what_is_advised_against_full_tables_mends_it() {
        for (conns, workers, each) in [(100, 2, 64), (380, 2, 200), (500, 2, 300), (600, 4, 200)] {
            let words = format!("game --conns {conns}");
            let short = wall(&words, &tables(workers, each));
            assert!(short.carries < conns && short.why.contains("name chooses its worker"), "{short:?}");
            let larger = tables(workers, advised(&short.remedy, "ulimit -Hn "));
            assert!(wall(&words, &larger).carries >= conns, "{short:?}");
            let more = tables(advised(&short.remedy, "--workers "), each);
            assert!(wall(&words, &more).carries >= conns, "{short:?}");
            let rooms = format!("{words} --rooms {}", advised(&short.remedy, "--rooms "));
            assert!(wall(&rooms, &tables(workers, each)).carries >= conns, "{short:?}");
            let fewer = format!("game --conns {}", short.carries);
            assert_eq!(wall(&fewer, &tables(workers, each)).carries, short.carries, "it is what fits");
        }
    }

    #[test]
    fn a_larger_max_conns_is_advised_only_where_the_tables_hold_it() {
        let mut status = tables(2, 200);
        status.limits.connections_max = Some(100);
        let small = wall("game --conns 150", &status);
        assert_eq!((small.carries, &small.remedy[..]), (100, "start the server with --max-conns 150"));
        let large = wall("game --conns 600", &status);
        assert!(large.carries == 100 && large.why.contains("max_conns"), "{large:?}");
        assert!(large.remedy.contains("--max-conns, if it is set, at 600"), "{large:?}");
        let larger = tables(2, advised(&large.remedy, "ulimit -Hn "));
        assert!(wall("game --conns 600", &larger).carries >= 600, "{large:?}");
    }

    #[test]
    fn more_workers_than_one_are_advised_only_where_the_rooms_fit_then() {
        for conns in [101, 133, 190, 260] {
            let words = format!("game --conns {conns}");
            let short = wall(&words, &tables(1, 100));
            assert_eq!(short.carries, 100, "one table is filled to the last place: {short:?}");
            let larger = tables(1, advised(&short.remedy, "ulimit -Hn "));
            assert!(wall(&words, &larger).carries >= conns, "{short:?}");
            if short.remedy.contains("--workers ") {
                let more = tables(advised(&short.remedy, "--workers "), 100);
                assert!(wall(&words, &more).carries >= conns, "{short:?}");
            }
        }
    }

    #[test]
    fn what_is_open_already_is_counted_where_it_is() {
        let words = "game --conns 50";
        let mut status = tables(2, 64);
        let open = |worker: u64, count: u64| -> StatusWorker {
            serde_json::from_value(serde_json::json!({ "worker": worker, "connections": { "echo": count } }))
                .unwrap()
        };
        status.workers = vec![open(0, 0), open(1, 60)];
        assert_eq!(wall(words, &status).carries, 63, "the room is on the other worker");
        status.workers = vec![open(0, 20), open(1, 0)];
        let short = wall(words, &status);
        assert_eq!(short.carries, 43);
        assert!(short.why.contains("whose table of 64 places, 44 of them free, would hold 50"), "{short:?}");
    }

    #[test]
    fn rooms_whose_worker_is_not_known_stay_together_all_the_same() {
        // Of several servers nobody knows which worker it is.
        let status = Status { pid: None, ..tables(4, 200) };
        let short = wall("game --conns 600", &status);
        assert!(short.why.contains("shares rooms out over 4 tables") && short.carries < 600, "{short:?}");
        assert!(
            wall("idle --conns 600", &status).carries > short.carries,
            "those in no room are spread singly"
        );
    }
}
