//! Snakes played without a network.

use tickring_protocol::message::{ClientMessage, InputHead, ServerMessage};
use tickring_room::{
    EntityId, GameEvent as _, Input as _, PlayerId, PrivateState as _, ReceivedState, Room, RoomConfig, Tick,
};
use tickring_snakes::{Bite, Kind, Length, Piece, Snakes, Way};

fn room(seed: u64) -> Room<Snakes> {
    Room::new(RoomConfig { seed, players_max: 8, ..RoomConfig::with_rates(60, 30) }, ())
}

fn steer(room: &mut Room<Snakes>, player: PlayerId, sequence: u32, way: Way) {
    let mut message = Vec::new();
    let target_tick = room.tick().0 + 1;
    InputHead { sequence, target_tick, view_tick: 0, view_fraction: 0, newest_snapshot_tick: 0 }
        .write(&mut message);
    way.write(&mut message);
    let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(&message) else { panic!("an input") };
    room.input(player, head, game).expect("in time");
}

fn head(room: &Room<Snakes>, player: PlayerId) -> (EntityId, Piece) {
    let id = room.world().entity_of(player).expect("a seat has a head");
    (id, *room.world().get(id).expect("heads live as long as players"))
}

fn bodies(room: &Room<Snakes>) -> usize {
    room.world().iter().filter(|(_, piece)| piece.kind == Kind::Body).count()
}

/// Steps, and what was bitten meanwhile.
fn play(room: &mut Room<Snakes>, ticks: u32) -> Vec<Bite> {
    let mut bites = Vec::new();
    for _ in 0..ticks {
        room.step();
        bites.extend(room.events().map(|(_, message)| {
            let Ok(ServerMessage::Event { head, game }) = ServerMessage::decode(message) else {
                panic!("an event")
            };
            Bite::read(head.kind, game).expect("the game wrote it")
        }));
    }
    bites
}

#[test]
fn a_snake_grows_moves_and_turns_but_not_on_the_spot() {
    let mut room = room(1);
    let player = room.join(0).expect("a free seat").player;
    let (_, start) = head(&room, player);
    play(&mut room, 7 * 3);
    assert_eq!(
        (head(&room, player).1.x, head(&room, player).1.z),
        (start.x, (start.z + 3) % 64),
        "north at first"
    );
    assert_eq!(bodies(&room), 3);
    steer(&mut room, player, 1, Way::South);
    play(&mut room, 7);
    assert_eq!(head(&room, player).1.z, (start.z + 4) % 64, "a snake does not turn on the spot");
    steer(&mut room, player, 2, Way::East);
    play(&mut room, 7);
    assert_eq!(head(&room, player).1.x, (start.x + 1) % 64);
    assert_eq!(bodies(&room), 3, "the tail follows");
    room.leave(player);
    assert!(room.world().iter().all(|(_, piece)| piece.kind == Kind::Food), "nothing of it stays");
}

/// Two who wander about eat, die and are seen right by a client all the while.
#[test]
fn a_long_match_is_what_a_client_sees() {
    let mut room = room(7);
    let players: Vec<PlayerId> = (0..8).map(|_| room.join(1).expect("a free seat").player).collect();
    let mut state = ReceivedState::<Snakes>::default();
    let (mut ate, mut died) = (0, 0);
    for round in 1..3_000_u32 {
        for (at, &player) in (0..).zip(&players) {
            let way = [Way::On, Way::East, Way::On, Way::North, Way::West, Way::South]
                [((round * 7 + at * 5) / 11 % 6) as usize];
            steer(&mut room, player, round, way);
        }
        for bite in play(&mut room, 2) {
            match bite {
                Bite::Food(_) => ate += 1,
                Bite::Snake(_) => died += 1,
            }
        }
        room.encode_snapshot();
        let mut message = Vec::new();
        room.prepare_snapshot(players[3], false);
        room.write_snapshot(players[3], 0, &mut message);
        let Ok(ServerMessage::Snapshot { head, private, body }) = ServerMessage::decode(&message) else {
            panic!("a snapshot")
        };
        state.decode(Tick(head.tick.to_native()), body).expect("an honest body");
        assert!(state.entities().iter().map(|(id, piece)| (*id, piece)).eq(room.world().iter()));
        assert_eq!(state.checksum(&mut Vec::new()), head.checksum.to_native());
        assert!(Length::read(private).is_ok());
        // Nobody shares a square but food that came where somebody just was.
        let mut squares: Vec<_> = room.world().iter().map(|(_, piece)| (piece.x, piece.z)).collect();
        let all = squares.len();
        squares.sort_unstable();
        squares.dedup();
        assert_eq!(squares.len(), all, "two on one square");
    }
    assert!(ate > 10 && died > 3, "{ate} bites, {died} deaths");
}

#[test]
fn odd_bytes_are_no_ways_and_no_bites() {
    for way in [Way::On, Way::North, Way::East, Way::South, Way::West] {
        let mut bytes = Vec::new();
        way.write(&mut bytes);
        assert_eq!(Way::read(&bytes), Ok(way));
    }
    assert!([&[][..], &[5], &[0, 0]].iter().all(|bytes| Way::read(bytes).is_err()));
    assert!(Bite::read(2, &[0, 0]).is_err() && Bite::read(0, &[0]).is_err());
    assert!(Length::read(&[1]).is_err());
}
