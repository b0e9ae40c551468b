//! Entity ids: stable order, and rest before they are used again.

use std::collections::BTreeSet;

use crate::dots::{self, Dot, Dots, Steer, give};
use tickring_protocol::message::InputHead;
use tickring_room::{EntityId, HISTORY_TICKS, PlayerId, Room, RoomConfig};

#[test]
fn an_id_rests_as_long_as_the_history_remembers_it() {
    let mut room = Room::<Dots>::new(RoomConfig::default(), dots::Settings::default());
    let mut given_back = Vec::<(EntityId, u32)>::new();
    let mut ids = BTreeSet::new();
    for tick in 0..500 {
        let seat = room.join(0).expect("seats are free");
        if let Some((_, since)) = given_back.iter().rev().find(|(id, _)| *id == seat.entity) {
            assert!(tick - since >= HISTORY_TICKS, "{:?} rested {} ticks", seat.entity, tick - since);
        }
        ids.insert(seat.entity);
        room.step();
        let order: Vec<EntityId> = room.world().iter().map(|(id, _): (EntityId, &Dot)| id).collect();
        assert!(order.is_sorted());
        room.leave(seat.player);
        given_back.push((seat.entity, tick + 1));
    }
    assert!(ids.len() <= HISTORY_TICKS as usize + 2, "ids are used again: {}", ids.len());
}

/// A new entity under an old id is not the old one for somebody who looks at the past.
#[test]
fn the_past_of_an_id_is_not_its_successors() {
    let mut room = Room::<Dots>::new(
        RoomConfig { interpolation_ticks: 4, ..RoomConfig::default() },
        dots::Settings::default(),
    );
    let watcher = room.join(0).unwrap().player;
    let first = room.join(0).unwrap();
    (0..10).for_each(|_| room.step());
    room.leave(first.player);
    for sequence in 1..=HISTORY_TICKS + 20 {
        let now = room.tick().0;
        let head = InputHead {
            sequence,
            target_tick: now + 1,
            view_tick: now - 4,
            view_fraction: 0,
            newest_snapshot_tick: now,
        };
        give(&mut room, watcher, head, Steer::default()).unwrap();
        if now >= 10 + HISTORY_TICKS && room.players() == 1 {
            assert_eq!(room.join(0).unwrap().entity, first.entity, "the id is used again");
            assert_eq!(room.welcome(PlayerId(1)).entity, first.entity.0);
            room.step();
            let look = room.game().looks.iter().find(|look| look.0 == watcher && look.1 == first.entity);
            assert_eq!(look.map(|look| look.2), Some(None), "it was not there four ticks ago");
            return;
        }
        room.step();
    }
    panic!("the id was never used again");
}
