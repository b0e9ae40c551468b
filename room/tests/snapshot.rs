//! What a client has received is what the server has sent, whatever was skipped, and nothing else that arrives does
//! any harm.

mod dots;

use dots::{Dot, Dots, Hits, Sight, Steer, give};
use proptest::prelude::*;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, InputHead, ServerMessage};
use tickring_room::{
    EntityId, PlayerId, PrivateState, ReceivedState, Replicated, Room, RoomConfig, SnapshotError, Tick, Vec3,
};

fn message(room: &mut Room<Dots>, player: PlayerId, replaced: bool) -> Vec<u8> {
    let bytes = room.prepare_snapshot(player, replaced);
    let mut message = vec![0xee];
    room.write_snapshot(player, 7, &mut message);
    assert_eq!(message.len() - 1, bytes);
    message.split_off(1)
}

fn values(dot: &Dot) -> [i32; 5] {
    let mut values = [0; 5];
    dot.quantise(&mut values);
    for (value, field) in values.iter_mut().zip(Dot::FIELDS) {
        *value = (*value).clamp(field.min(), field.max());
    }
    values
}

fn state_of<'a>(entities: impl Iterator<Item = (EntityId, &'a Dot)>) -> Vec<(EntityId, [i32; 5])> {
    entities.map(|(id, dot)| (id, values(dot))).collect()
}

/// A client: what it has, and what was prepared for it and may still be replaced.
struct Client {
    player: PlayerId,
    state: ReceivedState<Dots>,
    waiting: Option<(Tick, Vec<u8>, Vec<(EntityId, [i32; 5])>)>,
}

impl Client {
    fn join(room: &mut Room<Dots>) -> Self {
        let player = room.join(FEATURE_STATE_CHECKSUM).unwrap().player;
        Self { player, state: ReceivedState::default(), waiting: None }
    }

    /// The snapshot that waits leaves, arrives and is compared with what the server had.
    fn deliver(&mut self) {
        let Some((tick, bytes, expected)) = self.waiting.take() else { return };
        let Ok(ServerMessage::Snapshot { head, private, body }) = ServerMessage::decode(&bytes) else {
            panic!("a snapshot decodes")
        };
        assert_eq!((head.tick.to_native(), head.dropped.to_native()), (tick.0, 7));
        assert!(Hits::read(private).is_ok());
        self.state.decode(tick, body).unwrap();
        assert_eq!(state_of(self.state.entities().iter().map(|(id, dot)| (*id, dot))), expected);
        assert_eq!(self.state.checksum(&mut Vec::new()), head.checksum.to_native());
    }
}

/// One step of the story: who does what, and whose connection takes its snapshot.
type Scene = (u16, i8, i8, u8, u32, u8);

fn story(scenes: &[Scene], sight: Option<Sight>) {
    let config = RoomConfig { snapshot_bytes_per_s: 10_000_000, ..RoomConfig::default() };
    let mut room = Room::<Dots>::new(config, dots::Settings { hold_seconds: 0, sight });
    let mut clients = vec![Client::join(&mut room)];
    let mut far = 0_u32;
    for (number, &(who, dx, dz, buttons, takes, event)) in (1u32..).zip(scenes) {
        match event {
            0 | 1 if clients.len() < 32 => clients.push(Client::join(&mut room)),
            2 if clients.len() > 1 => {
                let gone = clients.remove(usize::from(who) % clients.len());
                room.leave(gone.player);
            }
            // Nobody is sent anything for longer than the server remembers.
            3 if number % 5 == 0 => far = 40,
            _ => {}
        }
        let actor = clients[usize::from(who) % clients.len()].player;
        let next = room.tick().0 + 1;
        let head = InputHead {
            sequence: number,
            target_tick: next,
            view_tick: next,
            view_fraction: 0,
            newest_snapshot_tick: 0,
        };
        let _ = give(&mut room, actor, head, Steer { dx, dz, buttons: buttons % 8 });
        room.step();
        room.encode_snapshot();
        for (at, client) in clients.iter_mut().enumerate() {
            if far > 0 && at % 3 == 0 {
                far -= 1;
                continue;
            }
            // What still waits leaves in time, or is replaced.
            let replaced = client.waiting.is_some() && takes >> (at % 32) & 1 == 0;
            if !replaced {
                client.deliver();
            }
            let bytes = message(&mut room, client.player, replaced);
            let own = room.world().entity_of(client.player).and_then(|own| room.world().get(own)).unwrap();
            let visible = |dot: &Dot| sight.is_none_or(|sight| dot.position.distance(own.position) <= sight.radius);
            let all = state_of(room.world().iter());
            let near = state_of(room.world().iter().filter(|(_, dot)| visible(dot)));
            client.waiting = Some((room.tick(), bytes, if sight.is_none() { all } else { near }));
            if sight.is_some() {
                // How much more than the radius is seen is the grid's business: check here, and only at least.
                let Some((tick, bytes, near)) = client.waiting.clone() else { unreachable!() };
                let mut ahead = ReceivedState::default();
                let Ok(ServerMessage::Snapshot { body, .. }) = ServerMessage::decode(&bytes) else {
                    panic!("a snapshot decodes")
                };
                ahead.decode_after(Some(&client.state), tick, body).unwrap();
                let seen = state_of(ahead.entities().iter().map(|(id, dot)| (*id, dot)));
                assert!(near.iter().all(|near| seen.contains(near)), "somebody near is not seen");
                assert!(seen.iter().all(|seen| all_of(&room).contains(seen)), "a ghost");
                client.waiting = Some((tick, bytes, seen));
            }
        }
    }
}

fn all_of(room: &Room<Dots>) -> Vec<(EntityId, [i32; 5])> {
    state_of(room.world().iter())
}

fn scenes() -> impl Strategy<Value = Vec<Scene>> {
    prop::collection::vec(any::<Scene>(), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_chain_gives_the_state(scenes in scenes()) {
        story(&scenes, None);
    }

    #[test]
    fn the_chain_gives_what_is_in_sight(scenes in scenes()) {
        story(&scenes, Some(Sight { cell: 8.0, radius: 12.0 }));
    }
}
