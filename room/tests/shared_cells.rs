//! Clients in one process read what they share once.

mod dots;

use dots::Dots;
use tickring_protocol::message::ServerMessage;
use tickring_room::{PlayerId, ReceivedState, Room, RoomConfig, SharedCells};

fn room() -> Room<Dots> {
    Room::new(RoomConfig::default(), dots::Settings::default())
}

fn body_for(room: &mut Room<Dots>, player: PlayerId) -> Vec<u8> {
    let mut message = Vec::new();
    room.prepare_snapshot(player, false);
    room.write_snapshot(player, 0, &mut message);
    let Ok(ServerMessage::Snapshot { body, .. }) = ServerMessage::decode(&message) else {
        panic!("a snapshot decodes")
    };
    body.to_vec()
}

#[test]
fn what_is_shared_is_read_once() {
    let mut room = room();
    let mut states: Vec<(PlayerId, ReceivedState<Dots>)> =
        (0..50).map(|_| (room.join(0).unwrap().player, ReceivedState::default())).collect();
    let mut shared = SharedCells::new();
    let mut read = |room: &mut Room<Dots>, skipping: usize| {
        room.step();
        room.encode_snapshot();
        let before = shared.reads();
        for (player, state) in states.iter_mut().skip(skipping) {
            let body = body_for(room, *player);
            let mut next = ReceivedState::default();
            next.decode_after(Some(state), room.tick(), &body, &mut shared).unwrap();
            *state = next;
        }
        shared.reads() - before
    };
    assert_eq!([read(&mut room, 0), read(&mut room, 0)], [1, 1]);
    assert_eq!([read(&mut room, 3), read(&mut room, 0)], [1, 2], "three catch up by the same block");
    assert_eq!([read(&mut room, 0), read(&mut room, 0)], [1, 1], "and have the same as all others again");
}

/// A server that says one thing to the one and another to the other is understood by each.
#[test]
fn what_only_looks_alike_is_read() {
    let mut shared = SharedCells::new();
    for players in [1, 3, 2] {
        let mut room = room();
        let player = (0..players).map(|_| room.join(0).unwrap().player).last().unwrap();
        room.step();
        room.encode_snapshot();
        let body = body_for(&mut room, player);
        let (mut one, mut other) = (ReceivedState::<Dots>::default(), ReceivedState::default());
        one.decode_after(None, room.tick(), &body, &mut shared).unwrap();
        other.decode(room.tick(), &body).unwrap();
        assert!(one.is_same(&other) && one.entities().len() == players, "{players}");
    }
}
