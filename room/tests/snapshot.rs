//! A snapshot decodes to the state it was made from, and nothing else decodes to anything harmful.

mod dots;

use dots::{Dot, Dots, Hits, Steer, give};
use proptest::prelude::*;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, InputHead, ServerMessage};
use tickring_room::{
    EntityId, PlayerId, PrivateState, ReceivedState, Replicated, Room, RoomConfig, SnapshotError, Tick,
};

fn message(room: &mut Room<Dots>, player: PlayerId) -> Vec<u8> {
    let mut message = vec![0xee];
    room.write_snapshot(player, 7, &mut message);
    assert_eq!(message.len() - 1, room.snapshot_bytes(player));
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

proptest! {
    #[test]
    fn decoding_gives_the_quantised_state(players in 1usize..40, moves in prop::collection::vec(any::<(u16, i8, i8, u8)>(), 0..300)) {
        let mut room = Room::<Dots>::new(RoomConfig::default(), 0);
        for _ in 0..players { room.join(FEATURE_STATE_CHECKSUM).unwrap(); }
        let mut state = ReceivedState::<Dots>::default();
        for (number, (who, dx, dz, buttons)) in (1u32..).zip(&moves) {
            let player = PlayerId(who % u16::try_from(players).unwrap());
            let next = room.tick().0 + 1;
            let head = InputHead { sequence: number, target_tick: next, view_tick: next, view_fraction: 0, newest_snapshot_tick: 0 };
            let _ = give(&mut room, player, head, Steer { dx: *dx, dz: *dz, buttons: buttons % 8 });
            room.step();
            if number % 8 == 0 { room.leave(PlayerId(0)); room.join(FEATURE_STATE_CHECKSUM).unwrap(); room.step(); }
            room.encode_snapshot();
            let bytes = message(&mut room, player);
            let Ok(ServerMessage::Snapshot { head, private, body }) = ServerMessage::decode(&bytes) else { panic!("a snapshot decodes") };
            prop_assert_eq!((head.tick.to_native(), head.dropped.to_native()), (room.tick().0, 7));
            prop_assert!(Hits::read(private).is_ok());
            state.decode(Tick(head.tick.to_native()), Tick(head.baseline.to_native()), body).unwrap();
            let sent: Vec<(EntityId, [i32; 5])> = room.world().iter().map(|(id, dot)| (id, values(dot))).collect();
            let received: Vec<(EntityId, [i32; 5])> = state.entities().iter().map(|(id, dot)| (*id, values(dot))).collect();
            prop_assert_eq!(sent, received);
            prop_assert_eq!(state.checksum(&mut Vec::new()), head.checksum.to_native());
        }
    }
}

/// A room with three dots, and a body of it.
fn body() -> Vec<u8> {
    let mut room = Room::<Dots>::new(RoomConfig::default(), 0);
    let player = [(); 3].map(|()| room.join(0).expect("a seat is free").player)[0];
    room.step();
    room.encode_snapshot();
    let bytes = message(&mut room, player);
    let Ok(ServerMessage::Snapshot { body, head, .. }) = ServerMessage::decode(&bytes) else {
        panic!("a snapshot decodes");
    };
    assert_eq!(head.checksum.to_native(), 0, "nobody asked for a checksum");
    body.to_vec()
}

#[test]
fn wrong_bodies_are_named() {
    let good = body();
    // 2 bytes of id, x of 20 bits in 3, z of 17 in 3, yaw of 11 in 2, epoch in 2, hits in 1.
    assert_eq!(good.len(), 3 * 13);
    let mut state = ReceivedState::<Dots>::default();
    let decode = |state: &mut ReceivedState<Dots>, body: &[u8]| state.decode(Tick(5), Tick(5), body);
    assert_eq!(decode(&mut state, &good), Ok(()));
    assert_eq!((state.tick(), state.entities().len()), (Some(Tick(5)), 3));
    assert_eq!(decode(&mut state, &good[1..]), Err(SnapshotError::Length { bytes: 38, entity_bytes: 13 }));
    assert_eq!((state.tick(), state.entities().len()), (None, 0), "a failed decode leaves nothing behind");
    assert_eq!(state.decode(Tick(5), Tick(3), &good), Err(SnapshotError::Baseline { tick: 5, baseline: 3 }));
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        bad
    };
    assert_eq!(decode(&mut state, &with(13, 0)), Err(SnapshotError::Order(0)));
    assert_eq!(
        decode(&mut state, &with(4, 0x08)),
        Err(SnapshotError::Range {
            field: "x",
            entity: 0,
            value: 0x8_0000 | i32::from(good[2]) | i32::from(good[3]) << 8
        })
    );
    assert!(matches!(decode(&mut state, &with(12, 101)), Err(SnapshotError::Entity { entity: 0, .. })));
    assert!(matches!(decode(&mut state, &with(12, 128)), Err(SnapshotError::Range { field: "hits", .. })));
}

#[test]
fn fuzz_decoder() {
    let iterations: u64 =
        std::env::var("TICKRING_FUZZ_ITERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(50_000);
    let seed = std::env::var("TICKRING_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("TICKRING_FUZZ_SEED={seed} replays this run");
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let good = body();
    let mut state = ReceivedState::<Dots>::default();
    let (mut accepted, mut refused) = (0u64, 0u64);
    for _ in 0..iterations {
        let mut bytes = if rng.next_u32() % 4 == 0 {
            let mut bytes = vec![0; (rng.next_u32() % 80) as usize];
            rng.fill_bytes(&mut bytes);
            bytes
        } else {
            good.clone()
        };
        for _ in 0..rng.next_u32() % 4 {
            if !bytes.is_empty() {
                let at = rng.next_u32() as usize % bytes.len();
                bytes[at] ^= rng.next_u32().to_le_bytes()[0];
            }
        }
        match state.decode(Tick(1), Tick(1), &bytes) {
            Ok(()) => {
                accepted += 1;
                // Whatever is accepted encodes to the same bytes again: the form is canonical.
                assert_eq!(state.checksum(&mut Vec::new()), crc32fast::hash(&bytes), "{bytes:?}");
            }
            Err(_) => refused += 1,
        }
        assert!(state.entities().len() <= bytes.len() / 13);
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}
