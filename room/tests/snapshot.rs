//! What a client has received is what the server has sent, whatever was skipped, and nothing else that arrives does
//! any harm.

use crate::dots::{self, Dot, Dots, Hits, Sight, Steer, give};
use proptest::prelude::*;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, InputHead, ServerMessage};
use tickring_room::{
    EntityId, PlayerId, PrivateState, ReceivedState, Replicated, Room, RoomConfig, SnapshotError, Tick,
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

fn state_of<'a>(entities: impl Iterator<Item = (EntityId, &'a Dot)>) -> State {
    entities.map(|(id, dot)| (id, values(dot))).collect()
}

/// A client: what it has, and what was prepared for it and may still be replaced.
struct Client {
    player: PlayerId,
    state: ReceivedState<Dots>,
    waiting: Option<Waiting>,
}

/// A snapshot that was prepared, and what the client must have once it has arrived.
struct Waiting {
    tick: Tick,
    bytes: Vec<u8>,
    expected: State,
}

type State = Vec<(EntityId, [i32; 5])>;

impl Client {
    fn join(room: &mut Room<Dots>) -> Self {
        let player = room.join(FEATURE_STATE_CHECKSUM).expect("a seat is free").player;
        Self { player, state: ReceivedState::default(), waiting: None }
    }

    /// The snapshot that waits leaves, arrives and is compared with what the server had.
    fn deliver(&mut self) {
        let Some(Waiting { tick, bytes, expected }) = self.waiting.take() else { return };
        let Ok(ServerMessage::Snapshot { head, private, body }) = ServerMessage::decode(&bytes) else {
            panic!("a snapshot decodes")
        };
        assert_eq!((head.tick.to_native(), head.dropped.to_native()), (tick.0, 7));
        assert!(Hits::read(private).is_ok());
        self.state.decode(tick, body).expect("an honest body");
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
            client.waiting = Some(expect(&room, client, bytes, sight));
        }
    }
}

/// What the client must have: everything, or what is in sight. How much more than the radius is seen is the grid's
/// business.
fn expect(room: &Room<Dots>, client: &Client, bytes: Vec<u8>, sight: Option<Sight>) -> Waiting {
    let (tick, all) = (room.tick(), state_of(room.world().iter()));
    let Some(sight) = sight else { return Waiting { tick, bytes, expected: all } };
    let own =
        room.world().entity_of(client.player).and_then(|own| room.world().get(own)).expect("a player's dot");
    let near = |dot: &Dot| dot.position.distance(own.position) <= sight.radius;
    let Ok(ServerMessage::Snapshot { body, .. }) = ServerMessage::decode(&bytes) else {
        panic!("a snapshot decodes")
    };
    let mut ahead = ReceivedState::default();
    ahead.decode_after(Some(&client.state), tick, body).expect("an honest body");
    let seen = state_of(ahead.entities().iter().map(|(id, dot)| (*id, dot)));
    let in_sight = state_of(room.world().iter().filter(|(_, dot)| near(dot)));
    assert!(in_sight.iter().all(|dot| seen.contains(dot)), "somebody near is not seen");
    assert!(seen.iter().all(|dot| all.contains(dot)), "a ghost");
    Waiting { tick, bytes, expected: seen }
}

/// A room of three dots, the player in the first seat, and the bodies of its first snapshots.
fn bodies(count: usize) -> (Room<Dots>, PlayerId, Vec<Vec<u8>>) {
    let mut room = Room::<Dots>::new(RoomConfig::default(), dots::Settings::default());
    let player = [(); 3].map(|()| room.join(0).expect("a seat is free").player)[0];
    let mut bodies = Vec::new();
    for _ in 0..count {
        room.step();
        room.encode_snapshot();
        bodies.push(body_for(&mut room, player, false));
    }
    (room, player, bodies)
}

fn body_for(room: &mut Room<Dots>, player: PlayerId, replaced: bool) -> Vec<u8> {
    let bytes = message(room, player, replaced);
    let Ok(ServerMessage::Snapshot { body, head, .. }) = ServerMessage::decode(&bytes) else {
        panic!("a snapshot decodes");
    };
    assert_eq!(head.checksum.to_native(), 0, "nobody asked for a checksum");
    body.to_vec()
}

#[test]
fn wrong_bodies_are_named() {
    let (_, _, bodies) = bodies(3);
    // Number, cell and kind; then who is gone, who is new, and their fields in full width.
    assert_eq!(bodies[0][..3], [1, 0, 0]);
    // The same and a delta: nobody moved.
    assert_eq!((&bodies[1][..3], bodies[1].len()), (&[2, 0, 1][..], 4));
    let after = |before: &[&[u8]], body: &[u8]| {
        let mut state = ReceivedState::<Dots>::default();
        for body in before {
            state.decode(Tick(4), body).expect("an honest body");
        }
        let result = state.decode(Tick(5), body);
        if result.is_err() {
            assert_eq!(
                (state.tick(), state.entities().len()),
                (None, 0),
                "a failed decode leaves nothing behind"
            );
        }
        result.map(|()| state.entities().len())
    };
    assert_eq!(after(&[], &bodies[0]), Ok(3));
    assert_eq!(after(&[&bodies[0]], &bodies[1]), Ok(3));
    assert_eq!(after(&[&bodies[0]], &[2]), Ok(3), "what is not mentioned stays");
    assert_eq!(after(&[&bodies[0]], &[2, 0, 255]), Ok(0), "what is out of sight is forgotten");
    assert_eq!(after(&[], &bodies[1]), Err(SnapshotError::Baseline { cell: 0, baseline: 1 }));
    assert_eq!(after(&[&bodies[0]], &bodies[2]), Err(SnapshotError::Baseline { cell: 0, baseline: 2 }));
    assert_eq!(after(&[], &[]), Err(SnapshotError::Truncated));
    assert_eq!(after(&[], &bodies[0][..20]), Err(SnapshotError::Truncated));
    assert_eq!(after(&[], &[1, 0x80, 0x80, 0x80, 0]), Err(SnapshotError::Truncated));
    assert_eq!(after(&[], &[1, 0]), Err(SnapshotError::Truncated));
    assert_eq!(after(&[], &[1, 0, 32]), Err(SnapshotError::Kind { cell: 0, kind: 32 }));
    // Removed: one, the fourth of three.
    assert_eq!(after(&[&bodies[0]], &[2, 0, 1, 0b0010_0010]), Err(SnapshotError::Entities { cell: 0 }));
    // A dot is hit at most 100 times: all 127 of its 7 bits, which are the last.
    let mut hit = Vec::new();
    let mut room = Room::<Dots>::new(RoomConfig::default(), dots::Settings::default());
    let player = room.join(0).unwrap().player;
    room.step();
    room.encode_snapshot();
    hit.extend(body_for(&mut room, player, false));
    hit.iter_mut().skip(4).for_each(|byte| *byte = 0xff);
    assert!(
        matches!(after(&[], &hit), Err(SnapshotError::Entity { .. } | SnapshotError::Truncated)),
        "{hit:02x?}"
    );
}

/// Whoever is in step needs the same bytes.
#[test]
fn fifty_in_step_cost_one_encoding_a_snapshot() {
    let mut room = Room::<Dots>::new(RoomConfig::default(), dots::Settings::default());
    let players: Vec<PlayerId> = (0..50).map(|_| room.join(0).unwrap().player).collect();
    let sent = |room: &mut Room<Dots>, skipping: &[PlayerId], replaced: &[PlayerId]| {
        room.step();
        room.encode_snapshot();
        let before = room.counters().blocks_encoded;
        for &player in players.iter().filter(|player| !skipping.contains(player)) {
            message(room, player, replaced.contains(&player));
        }
        room.counters().blocks_encoded - before
    };
    assert_eq!(sent(&mut room, &[], &[]), 1, "the keyframe");
    for _ in 0..40 {
        assert_eq!(sent(&mut room, &[], &[]), 1);
    }
    let (one, two) = (players[3], players[30]);
    assert_eq!(sent(&mut room, &[one, two], &[]), 1);
    assert_eq!(sent(&mut room, &[], &[players[7]]), 2, "three catch up by the same block");
    assert_eq!(sent(&mut room, &[], &[]), 1, "and are in step again");
    for _ in 0..31 {
        sent(&mut room, &[one], &[]);
    }
    assert_eq!(sent(&mut room, &[], &[]), 2, "after too long, a keyframe");
    assert_eq!(sent(&mut room, &[], &[]), 1);
}

/// What is too much at once waits, the near less than the far, and nobody waits for ever.
#[test]
fn a_budget_is_kept_and_nobody_is_forgotten() {
    let config = RoomConfig { players_max: 200, snapshot_bytes_per_s: 6_000, ..RoomConfig::default() };
    let sight = Some(Sight { cell: 8.0, radius: 400.0 });
    let mut room = Room::<Dots>::new(config, dots::Settings { hold_seconds: 0, sight });
    let players: Vec<PlayerId> =
        (0..200).map(|_| room.join(FEATURE_STATE_CHECKSUM).unwrap().player).collect();
    let mut state = ReceivedState::<Dots>::default();
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut seen_at = vec![0; 200];
    for number in 1..400_u32 {
        for &player in &players {
            let next = room.tick().0 + 1;
            let head = InputHead {
                sequence: number,
                target_tick: next,
                view_tick: next,
                view_fraction: 0,
                newest_snapshot_tick: 0,
            };
            let [dx, dz, ..] = rng.next_u32().to_le_bytes();
            let steer = Steer { dx: dx.cast_signed() / 4, dz: dz.cast_signed() / 4, buttons: 0 };
            give(&mut room, player, head, steer).unwrap();
        }
        room.step();
        room.encode_snapshot();
        let bytes = message(&mut room, players[100], false);
        let Ok(ServerMessage::Snapshot { head, body, .. }) = ServerMessage::decode(&bytes) else {
            panic!("a snapshot decodes");
        };
        // 200 B a snapshot, of which the own cell may take more.
        assert!(body.len() < 300, "{} B", body.len());
        state.decode(room.tick(), body).unwrap();
        let checksum = head.checksum.to_native();
        assert!(
            checksum == 0 || checksum == state.checksum(&mut Vec::new()),
            "a sum over cells that were put off"
        );
        for (id, dot) in room.world().iter() {
            if state.get(id).is_some_and(|seen| values(seen) == values(dot)) {
                seen_at[usize::from(id.0)] = number;
            }
        }
    }
    // Who goes from a cell that was sent to one that waits is out of sight until that one comes.
    assert!((160..=200).contains(&state.entities().len()), "{} of 200 are there", state.entities().len());
    let longest = seen_at.iter().map(|at| 399 - at).max().unwrap();
    assert!(longest < 100, "somebody was not brought up to date for {longest} snapshots");
    assert!(399 - seen_at[100] <= 1, "the own cell never waits");
}

#[test]
fn fuzz_decoder() {
    let iterations: u64 =
        std::env::var("TICKRING_FUZZ_ITERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let seed = std::env::var("TICKRING_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("TICKRING_FUZZ_SEED={seed} replays this run");
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let (_, _, good) = bodies(40);
    let mut state = ReceivedState::<Dots>::default();
    let (mut accepted, mut refused) = (0u64, 0u64);
    for _ in 0..iterations {
        let mut bytes = if rng.next_u32() % 4 == 0 {
            let mut bytes = vec![0; (rng.next_u32() % 80) as usize];
            rng.fill_bytes(&mut bytes);
            bytes
        } else {
            good[rng.next_u32() as usize % good.len()].clone()
        };
        for _ in 0..rng.next_u32() % 4 {
            if !bytes.is_empty() {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] ^= rng.next_u32().to_le_bytes()[0];
            }
        }
        let before = state.entities().len();
        match state.decode(Tick(1), &bytes) {
            Ok(()) => {
                accepted += 1;
                assert!(state.entities().is_sorted_by_key(|(id, _)| *id));
                // Every entity that comes costs bits, so memory grows with what arrives.
                assert!(state.entities().len() <= before + bytes.len(), "{bytes:02x?}");
                for (_, dot) in state.entities() {
                    let plain = values(dot);
                    assert!(
                        Dot::FIELDS
                            .iter()
                            .zip(plain)
                            .all(|(field, value)| (field.min()..=field.max()).contains(&value))
                    );
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
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
