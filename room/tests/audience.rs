//! Events reach those they are for.

use crate::dots::{self, CRY, Dots, Steer, give};
use proptest::prelude::*;
use tickring_protocol::message::InputHead;
use tickring_room::{PlayerId, Room, RoomConfig, To};

fn head(tick: u32) -> InputHead {
    InputHead {
        sequence: tick,
        target_tick: tick,
        view_tick: tick,
        view_fraction: 0,
        newest_snapshot_tick: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A cry is heard by exactly those who are within its radius when the tick is over.
    #[test]
    fn what_is_near_is_heard_and_nothing_else(
        steers in prop::collection::vec((-100i8..=100, -100i8..=100), 12..13), crier in 0u16..12,
    ) {
        let mut room = Room::<Dots>::new(RoomConfig { players_max: 12, ..RoomConfig::default() }, dots::Settings::default());
        let players: Vec<PlayerId> = (0..12).map(|_| room.join(0).expect("a seat is free").player).collect();
        let gone = players[(usize::from(crier) + 1) % 12];
        room.leave(gone);
        for tick in 1..20 {
            for (player, (dx, dz)) in players.iter().zip(&steers).filter(|(player, _)| **player != gone) {
                let buttons = if player.0 == crier && tick == 19 { CRY } else { 0 };
                give(&mut room, *player, head(tick), Steer { dx: *dx, dz: *dz, buttons }).expect("in time");
            }
            room.step();
        }
        let heard: Vec<To> = room.events().map(|(to, _)| to).collect();
        let &[to] = &heard[..] else { panic!("one cry, not {heard:?}") };
        let place = |player| room.world().entity_of(player).and_then(|own| room.world().get(own)).map(|dot| dot.position);
        let To::Near { place: from, radius } = to else { panic!("{to:?}") };
        for player in players {
            let near = place(player).is_some_and(|at| at.distance(from) <= radius);
            prop_assert_eq!(room.hears(player, to), near, "{:?}", player);
        }
        prop_assert_eq!(room.watched_events().count(), 1, "spectators hear what more than one player may");
        room.step();
        prop_assert_eq!(room.events().count(), 0, "the next step forgets them");
    }
}

#[test]
fn what_is_for_all_or_for_one_is_for_all_or_for_one() {
    let mut room = Room::<Dots>::new(RoomConfig::default(), dots::Settings::default());
    let (one, other) = (room.join(0).unwrap().player, room.join(0).unwrap().player);
    assert!(room.hears(one, To::All) && room.hears(other, To::All));
    assert!(room.hears(one, To::Player(one)) && !room.hears(one, To::Player(other)));
    room.leave(other);
    assert!(!room.hears(other, To::All) && !room.hears(other, To::Player(other)));
}
