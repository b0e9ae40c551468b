//! The seats that the server has for a run's players.

use super::seating::Seating;
use super::{Budget, Demand, Rooms, Side};
use crate::doctor::enough;
use crate::server_side::Status;

/// Seats in the rooms that players are spread over; a hash of a room's name chooses its worker.
pub(super) fn budget(demand: &Demand, status: &Status) -> Option<Budget> {
    let (rooms, limits) = (demand.rooms?, &status.limits);
    let seats = limits.players_max_per_room?;
    let exact = limits.workers.and_then(|workers| Seating::of(rooms, workers, demand.targets, status));
    let made = limits.workers.zip(limits.rooms_max_per_worker);
    let most = made.map(|(workers, each)| match &exact {
        Some(seating) => seating.made(&rooms_free(status, workers, each)),
        None => enough::held(workers, each),
    });
    let all = most.map(|most| most.saturating_mul(seats.min(rooms.players_max.unwrap_or(seats))));
    let players = demand.conns.div_ceil(rooms.count.max(1));
    let in_these = rooms.count.saturating_mul(seats);
    // Who comes to a room that is made, and has a seat there.
    let seated = |most: u64| {
        let made = rooms.count.min(most);
        in_rooms(demand.conns, made, rooms.count).min(made.saturating_mul(seats))
    };
    // One worker makes every room, and of rooms whose names are known it is known which.
    let about = if limits.workers == Some(1) || exact.is_some() { "" } else { "about " };
    let told =
        |carries, why, remedy| Some(Budget { side: Side::Server, what: "seats", carries, why, remedy });
    match (most, all) {
        // No other number of rooms would help.
        (Some(most), Some(all)) if all < demand.conns => told(
            seated(most).min(all),
            format!(
                "{about}{most} rooms at most (rooms_max of each worker), and {seats} seats in each: both limits \
                 together, for {} rooms with {players} players each",
                rooms.count
            ),
            larger_rooms(demand, rooms, seats, limits.workers.unwrap_or(1), most),
        ),
        (Some(most), _) if most < rooms.count => told(
            seated(most),
            format!(
                "{} rooms are asked for, and the server makes {about}{most} with {seats} seats each",
                rooms.count
            ),
            format!(
                "use --rooms {}, or start the server with --rooms-max {} (each worker's)",
                demand.conns.div_ceil(seats.max(1)),
                enough::rooms_max(rooms.count, limits.workers.unwrap_or(1))
            ),
        ),
        // More players have more rooms, as many as the server makes.
        (Some(most), Some(all)) if rooms.follow && in_these >= demand.conns => told(
            all,
            format!("{players} players a room, {seats} seats in each, and {about}{most} rooms at most"),
            String::new(),
        ),
        _ => {
            let larger = format!("start the server with --players-per-room {players}");
            told(
                in_these,
                format!("{players} players a room, and the server seats {seats}"),
                match rooms.players_max {
                    Some(_) => larger,
                    None => format!("--rooms {}, or {larger}", demand.conns.div_ceil(seats.max(1))),
                },
            )
        }
    }
}

/// Rooms that each worker can still make.
fn rooms_free(status: &Status, workers: u64, each: u64) -> Vec<u64> {
    let there = |at: u64| status.workers.iter().find(|told| told.worker == at).map_or(0, |told| told.rooms);
    (0..workers).map(|at| each.saturating_sub(there(at))).collect()
}

/// The players of `count` rooms of all, where each has as many as the others.
fn in_rooms(players: u64, count: u64, all: u64) -> u64 {
    u64::try_from(u128::from(players) * u128::from(count) / u128::from(all.max(1))).unwrap_or(u64::MAX)
}

/// What to raise where both limits of the server together, `most` rooms with `seats` each, hold too few.
fn larger_rooms(demand: &Demand, rooms: Rooms, seats: u64, workers: u64, most: u64) -> String {
    let each = seats.min(rooms.players_max.unwrap_or(seats)).max(1);
    let needed = demand.conns.div_ceil(each);
    let rooms_max = |rooms| format!("--rooms-max {} (each worker's)", enough::rooms_max(rooms, workers));
    if let Some(players) = rooms.players_max {
        let larger =
            if seats < players { format!(" and --players-per-room {players}") } else { String::new() };
        return format!("start the server with {}{larger}", rooms_max(demand.conns.div_ceil(players.max(1))));
    }
    let named = rooms.count.max(needed);
    let size = demand.conns.div_ceil(rooms.count.max(1)).max(seats);
    let players = format!("--players-per-room {size}");
    let larger = match (most < rooms.count, size > seats) {
        // Its rooms are large enough: it is their number alone.
        (_, false) => {
            return format!("start the server with {}, for --rooms {named}", rooms_max(named));
        }
        (true, true) => format!("with larger rooms as well, {} and {players}", rooms_max(rooms.count)),
        (false, true) => format!("with larger rooms, {players}"),
    };
    format!(
        "start the server with {} and use --rooms {named}; or {larger}, for --rooms {}",
        rooms_max(named),
        rooms.count
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{demand, server};
    use super::*;

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
        assert_eq!(carries(following(20), &server(1, 1_024, 10)), 200, "its own rooms are too small");
        assert_eq!(
            carries(Some(Rooms::named(500)), &server(1, 100, 50)),
            200,
            "the other rooms are not made"
        );
    }

    #[test]
    fn advice_on_seats_leads_to_seats() {
        let wall = budget(&demand(1_000, following(20)), &server(1, 2, 10)).unwrap();
        assert_eq!(wall.carries, 20);
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
        assert_eq!(many.carries, 100, "nine of ten come to a room that is not made: {many:?}");
        let named = Some(Rooms::named(100));
        assert_eq!(budget(&demand(1_000, named), &server(1, 100, 10)).unwrap().carries, 1_000);
        assert_eq!(
            budget(&demand(1_000, Some(Rooms::named(20))), &server(1, 20, 50)).unwrap().carries,
            1_000
        );
    }
}
