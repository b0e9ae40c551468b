//! The same seed and the same calls give the same bytes.

mod dots;

use dots::{Dots, Steer, give};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, InputHead, ServerMessage};
use tickring_room::{Room, RoomConfig, RoomCounters, To};

#[derive(Debug, PartialEq)]
struct Outcome {
    /// Checksum of the state after every tick.
    checksums: Vec<u32>,
    events: Vec<(To, Vec<u8>)>,
    counters: RoomCounters,
}

/// Plays 600 ticks of joins, leaves and wild inputs; `script` decides what is done, `seed` is the room's.
fn play(seed: u64, script: u64) -> Outcome {
    let mut script = Pcg64Mcg::seed_from_u64(script);
    let mut dice = move |sides: u32| script.next_u32() % sides;
    let mut room = Room::<Dots>::new(
        RoomConfig { seed, players_max: 16, ..RoomConfig::default() },
        dots::Settings::held(1),
    );
    let (mut checksums, mut events) = (Vec::new(), Vec::new());
    let mut sequence = 0;
    for _ in 0..600 {
        if dice(10) == 0 {
            let _ = room.join(FEATURE_STATE_CHECKSUM);
        }
        for player in room.seats().collect::<Vec<_>>() {
            let now = room.tick().0;
            for _ in 0..dice(3) {
                sequence += 1;
                let head = InputHead {
                    sequence,
                    target_tick: now + dice(20),
                    view_tick: now.wrapping_sub(dice(30)),
                    view_fraction: dice(256).to_le_bytes()[0],
                    newest_snapshot_tick: now.wrapping_sub(dice(10)),
                };
                let [dx, dz, buttons, _] = dice(u32::MAX).to_le_bytes();
                let steer = Steer { dx: dx.cast_signed(), dz: dz.cast_signed(), buttons: buttons % 8 };
                let _ = give(&mut room, player, head, steer);
            }
            match dice(200) {
                0 => room.leave(player),
                1 => drop(room.connection_lost(player)),
                2 => drop(room.resume(player, FEATURE_STATE_CHECKSUM)),
                3 => drop(room.take_over(player, FEATURE_STATE_CHECKSUM)),
                _ => {}
            }
        }
        room.step();
        events.extend(room.events().map(|(to, bytes)| (to, bytes.to_vec())));
        room.encode_snapshot();
        let players: Vec<_> = room.seats().collect();
        if let Some(player) = players.into_iter().find(|player| room.prepare_snapshot(*player, false) > 0) {
            let mut message = Vec::new();
            room.write_snapshot(player, 0, &mut message);
            let Ok(ServerMessage::Snapshot { head, .. }) = ServerMessage::decode(&message) else {
                panic!("a snapshot decodes");
            };
            checksums.push(head.checksum.to_native());
        }
    }
    Outcome { checksums, events, counters: room.counters().clone() }
}

#[test]
fn two_runs_are_equal() {
    for seed in 0..8 {
        let first = play(seed, seed + 100);
        assert_eq!(first, play(seed, seed + 100), "seed {seed}");
        assert!(first.checksums.len() > 500 && first.events.len() > 10, "the script plays");
        assert!(first.counters.inputs_accepted > 1000 && first.counters.holds > 0, "{:?}", first.counters);
    }
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(play(1, 7).checksums, play(2, 7).checksums);
    assert_ne!(play(1, 7).checksums, play(1, 8).checksums);
}
