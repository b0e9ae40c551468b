//! A match of 16 bots over a simulated minute: everything a match is made of happens, and nobody leaves the map.

use tickring_arena::{EntityKind, Settings, Skirmish, Tally, rules};
use tickring_room::RoomConfig;

const TICKS: u32 = 60 * 60;

fn config(seed: u64) -> RoomConfig {
    RoomConfig { players_max: 16, seed, ..RoomConfig::default() }
}

fn play(seed: u64, latency_ticks: u32, config: RoomConfig) -> Tally {
    let mut skirmish =
        Skirmish::new(config, Settings::default(), 16, latency_ticks).expect("there are 16 seats");
    for _ in 0..TICKS {
        skirmish.tick(&mut |_, _, _| {});
        let map = skirmish.room().game().map();
        for (id, entity) in skirmish.room().world().iter() {
            let inside = entity.position.abs().max_element() <= map.side() * 0.5;
            assert!(inside, "seed {seed}: {id:?} is off the map: {entity:?}");
            if entity.kind == EntityKind::Soldier && entity.present() {
                assert!(
                    rules::is_free(entity.position, map),
                    "seed {seed}: {id:?} is inside a wall: {entity:?}"
                );
            }
        }
    }
    skirmish.tally()
}

#[test]
fn a_minute_holds_everything_a_match_is_made_of() {
    for seed in [1, 2] {
        let tally = play(seed, 1, config(seed));
        assert!(tally.shots > 1_000 && tally.rifle_hits > 300, "{tally:?}");
        assert!(tally.rocket_hits > 5 && tally.kills > 20, "{tally:?}");
        assert!(tally.pick_ups > 10 && tally.respawns >= tally.kills, "{tally:?}");
    }
}

#[test]
fn what_a_distant_shooter_saw_is_what_it_gets() {
    // 4 ticks each way and 4 drawn behind: bots see the field 200 ms ago.
    let fair = play(3, 4, config(3));
    assert!(fair.hits_expected > 300, "{fair:?}");
    let granted = fair.hits_confirmed as f64 / fair.hits_expected as f64;
    assert!(granted > 0.97, "granted {granted}: {fair:?}");

    let present = play(3, 4, RoomConfig { lag_compensation: false, ..config(3) });
    let granted_without = present.hits_confirmed as f64 / present.hits_expected as f64;
    assert!(granted_without < 0.8, "without lag compensation {granted_without}: {present:?}");
}
