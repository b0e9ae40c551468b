//! Bodies do not stay inside each other, however many there are.

use std::sync::Arc;

use tickring_arena::map::Map;
use tickring_arena::{Arena, EntityKind, Settings, Skirmish, rules};
use tickring_room::{Room, RoomConfig};

/// The deepest overlap of two living bodies, in metres.
fn deepest_overlap(room: &Room<Arena>) -> f32 {
    let soldiers = room.world().iter().filter(|(_, seen)| seen.kind == EntityKind::Soldier && seen.present());
    let places: Vec<_> = soldiers.map(|(_, seen)| seen.position).collect();
    let mut deepest = 0.0_f32;
    for (number, place) in places.iter().enumerate() {
        for other in &places[..number] {
            deepest = deepest.max(2.0 * rules::BODY_RADIUS - place.distance(*other));
        }
    }
    deepest
}

#[test]
fn thirty_who_appear_in_one_place_part_within_two_seconds() {
    let map = Some(Arc::new(Map::with_walls(40.0, Vec::new())));
    let config = RoomConfig { players_max: 30, ..RoomConfig::default() };
    let mut room = Room::<Arena>::new(config, Settings { map, ..Settings::default() });
    for _ in 0..30 {
        room.join(0).expect("there are 30 seats");
    }
    room.step();
    assert!(deepest_overlap(&room) > 0.7, "all in the middle");
    for _ in 0..120 {
        room.step();
    }
    let deepest = deepest_overlap(&room);
    assert!(deepest < 0.01, "{deepest} m deep after two seconds");
}

#[test]
fn fighting_bots_overlap_briefly_at_most() {
    // 50 bots on ground meant for 16: they run into each other all the time.
    let map = Some(Arc::new(Map::generate(9, 16)));
    let config = RoomConfig { players_max: 50, seed: 9, ..RoomConfig::default() };
    let mut skirmish =
        Skirmish::new(config, Settings { map, ..Settings::default() }, 50, 1).expect("50 seats");
    let mut overlapping_ticks = 0;
    for _ in 0..1_200 {
        skirmish.tick(&mut |_, _, _| {});
        // Two at full speed towards each other come 0.23 m closer per tick.
        let deep = deepest_overlap(skirmish.room()) > 0.25;
        overlapping_ticks = if deep { overlapping_ticks + 1 } else { 0 };
        assert!(overlapping_ticks < 15, "bodies have been inside each other for {overlapping_ticks} ticks");
    }
}
