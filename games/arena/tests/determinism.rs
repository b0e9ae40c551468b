//! The same seed and the same inputs give the same bytes, tick for tick.

use tickring_arena::{Settings, Skirmish};
use tickring_room::{PlayerId, RoomConfig};

/// What the first player is sent after every tick.
fn play(seed: u64, ticks: u32) -> Vec<Vec<u8>> {
    let config = RoomConfig { players_max: 24, seed, ..RoomConfig::default() };
    let mut skirmish = Skirmish::new(config, Settings::default(), 24, 2).expect("there are 24 seats");
    let mut sent = Vec::new();
    for _ in 0..ticks {
        skirmish.tick(&mut |_, _, _| {});
        let mut message = Vec::new();
        skirmish.write_snapshot(PlayerId(0), &mut message);
        sent.push(message);
    }
    sent
}

#[test]
fn two_runs_agree_in_every_byte_and_another_seed_does_not() {
    let (first, second) = (play(11, 900), play(11, 900));
    for (tick, (first, second)) in first.iter().zip(&second).enumerate() {
        assert_eq!(first, second, "the runs part at tick {}", tick + 1);
    }
    assert_ne!(first.last(), play(12, 900).last());
}
