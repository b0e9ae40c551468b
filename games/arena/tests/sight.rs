//! On a large field players are sent what is near: everybody they can shoot at, and not everybody.

use tickring_arena::{Arena, ArenaEvent, SIGHT, Settings, Skirmish};
use tickring_protocol::message::ServerMessage;
use tickring_room::{PlayerId, ReceivedState, Replicated as _, RoomConfig, Tick, To};

const PLAYERS: u16 = 300;

fn skirmish() -> Skirmish {
    let config = RoomConfig {
        players_max: PLAYERS,
        seed: 5,
        snapshot_bytes_per_s: 10_000_000,
        ..RoomConfig::default()
    };
    Skirmish::new(config, Settings::default(), PLAYERS, 3).expect("there are 300 seats")
}

/// What a player has in sight, as somebody who has just come would be sent it.
fn in_sight(skirmish: &mut Skirmish, player: PlayerId) -> ReceivedState<Arena> {
    let mut message = Vec::new();
    skirmish.write_snapshot(player, &mut message);
    let Ok(ServerMessage::Snapshot { body, .. }) = ServerMessage::decode(&message) else {
        panic!("a snapshot was written")
    };
    let mut state = ReceivedState::default();
    state.decode(Tick(1), body).expect("an honest body");
    state
}

#[test]
fn whoever_can_be_shot_at_is_seen_and_not_everybody_is() {
    let mut skirmish = skirmish();
    let (mut hits, mut fewest, mut farthest) = (0, usize::MAX, 0.0_f32);
    for tick in 0..900_u32 {
        let mut shots = Vec::new();
        skirmish.tick(&mut |_, to, event| {
            if let (To::Player(shooter), ArenaEvent::Shot(audit)) = (to, event) {
                shots.extend(audit.target.map(|target| (shooter, target)));
            }
        });
        // The newest snapshot is of this tick, and nobody has run on since.
        if tick % 30 != 29 {
            continue;
        }
        for (shooter, target) in shots {
            assert!(in_sight(&mut skirmish, shooter).get(target).is_some(), "a hit on somebody out of sight");
            hits += 1;
        }
        for player in (0..PLAYERS).step_by(37).map(PlayerId) {
            let state = in_sight(&mut skirmish, player);
            let world = skirmish.room().world();
            let own = world.get(skirmish.entity_of(player)).expect("a player's soldier").pose().position;
            for (id, entity) in world.iter() {
                let distance = entity.pose().position.distance(own);
                assert!(
                    distance > SIGHT || state.get(id).is_some(),
                    "{id:?} is {distance} m away and not seen"
                );
                if state.get(id).is_some() {
                    farthest = farthest.max(distance);
                }
            }
            fewest = fewest.min(state.entities().len());
        }
    }
    assert!(hits > 10, "{hits} hits");
    assert!(fewest < usize::from(PLAYERS) * 3 / 4, "the loneliest sees {fewest} entities");
    assert!(farthest < 4.0 * SIGHT, "{farthest} m");
}

#[test]
fn on_a_small_field_everybody_is_seen_with_one_block_for_all() {
    let config = RoomConfig { players_max: 50, seed: 5, ..RoomConfig::default() };
    let mut skirmish = Skirmish::new(config, Settings::default(), 50, 3).expect("there are 50 seats");
    let mut before = 0;
    for tick in 0..120 {
        skirmish.tick(&mut |_, _, _| {});
        let encoded = skirmish.room().counters().blocks_encoded;
        assert!(encoded - before <= 1, "one encoding for fifty");
        before = encoded;
        assert!(tick < 100 || encoded > 40);
    }
    assert_eq!(in_sight(&mut skirmish, PlayerId(7)).entities().len(), skirmish.room().world().len());
}

/// In a large room a kill is told to those nearby only.
#[test]
fn kills_are_heard_nearby() {
    let mut skirmish = skirmish();
    let mut audiences = Vec::new();
    for _ in 0..900 {
        let mut kills = Vec::new();
        skirmish.tick(&mut |_, to, event| {
            if let ArenaEvent::Kill { victim, .. } = event {
                kills.push((to, *victim));
            }
        });
        for (to, victim) in kills {
            let hears = |player: PlayerId| skirmish.room().hears(player, to);
            let who = (0..PLAYERS).map(PlayerId).filter(|player| hears(*player));
            audiences.push(who.clone().count());
            assert!(who.clone().any(|player| skirmish.entity_of(player) == victim), "the victim hears of it");
        }
    }
    assert!(audiences.len() > 20, "{} kills", audiences.len());
    let mean = audiences.iter().sum::<usize>() / audiences.len();
    assert!((1..60).contains(&mean), "{mean} hear of a kill");
}
