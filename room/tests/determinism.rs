//! The same seed and the same calls give the same bytes.

use crate::dots::turmoil::Turmoil;
use crate::dots::{self, Dots};
use tickring_protocol::message::ServerMessage;
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
    let mut turmoil = Turmoil::new(script);
    let mut room = Room::<Dots>::new(
        RoomConfig { seed, players_max: 16, ..RoomConfig::default() },
        dots::Settings::held(1),
    );
    let (mut checksums, mut events) = (Vec::new(), Vec::new());
    for _ in 0..600 {
        turmoil.disturb(&mut room);
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

/// Clients are told the seed. What they cannot know changes the random numbers, and nothing that they are told.
#[test]
fn whoever_knows_the_seed_does_not_know_the_secret() {
    let begin = |secret| {
        let config = RoomConfig { seed: 7, secret, ..RoomConfig::default() };
        let mut room = Room::<Dots>::new(config, dots::Settings::default());
        let player = room.join(0).unwrap().player;
        let welcome = room.welcome(player);
        room.step();
        (format!("{welcome:?}"), room.checksum(&mut Vec::new()))
    };
    let (open, closed) = (begin(0), begin(0x1234_5678));
    assert_eq!(open.0, closed.0);
    assert_ne!(open.1, closed.1);
    assert_eq!(closed, begin(0x1234_5678));
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(play(1, 7).checksums, play(2, 7).checksums);
    assert_ne!(play(1, 7).checksums, play(1, 8).checksums);
}
