//! What `seen_by` shows, against a model that keeps every pose of every tick and blends by definition.
//!
//! The test runs a room with random inputs, jumps, joins and leaves, and keeps its own record: a map from
//! (tick, entity) to the pose at the end of that tick. From each input it computes by itself where the player
//! may look, and compares every pose the game saw. An error of one tick anywhere shows at once, since all dots
//! move all the time.

use std::collections::BTreeMap;

use crate::dots::{self, Dots, FIRE, JUMP, Steer, give};
use proptest::prelude::*;
use tickring_protocol::message::InputHead;
use tickring_room::{EntityId, PlayerId, Pose, Replicated, Room, RoomConfig};

/// One tick of one player in the random script.
#[derive(Clone, Copy, Debug)]
struct Act {
    steer: Steer,
    /// How far behind the last completed tick the player looks, in 1/256 tick.
    behind: u32,
}

fn act() -> impl Strategy<Value = Act> {
    (any::<i8>(), any::<i8>(), 0u8..8, 0u32..20 * 256).prop_map(|(dx, dz, roll, behind)| Act {
        steer: Steer { dx: dx.max(-100), dz, buttons: [JUMP, FIRE, 0][usize::from(roll).min(2)] },
        behind,
    })
}

type Record = BTreeMap<(u32, EntityId), Pose>;

/// The pose at `view` (in 1/256 ticks since tick 0), by definition.
fn model(record: &Record, entity: EntityId, view: u32) -> Option<Pose> {
    let earlier = record.get(&(view / 256, entity))?;
    let Some(later) = record.get(&(view / 256 + 1, entity)).filter(|_| !view.is_multiple_of(256)) else {
        return Some(*earlier);
    };
    if later.epoch != earlier.epoch {
        return Some(*earlier);
    }
    #[expect(clippy::cast_precision_loss, reason = "a fraction of 256 is exact")]
    let part = (view % 256) as f32 / 256.0;
    Some(Pose { position: earlier.position * (1.0 - part) + later.position * part, ..*earlier })
}

fn same(seen: Option<&Pose>, expected: Option<&Pose>) -> bool {
    match (seen, expected) {
        (None, None) => true,
        (Some(seen), Some(expected)) => {
            (seen.position - expected.position).length() < 1e-3 && seen.epoch == expected.epoch
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn seen_poses_are_those_of_the_declared_moment(
        script in prop::collection::vec(prop::collection::vec(act(), 4), 30..120),
        comings in prop::collection::vec(0u8..40, 120),
    ) {
        // Every declared view is plausible: the room lets a player look as far back as it says it is behind,
        // because the player also acknowledges snapshots that late.
        let config = RoomConfig { interpolation_ticks: 0, rewind_ms_max: 250, ..RoomConfig::with_rates(60, 60) };
        let depth_max = config.rewind_ticks_max();
        let mut room = Room::<Dots>::new(config, dots::Settings::default());
        let players: Vec<PlayerId> = (0..4).map(|_| room.join(0).unwrap().player).collect();
        let mut record = Record::new();
        let mut views: BTreeMap<PlayerId, u32> = BTreeMap::new();
        for (acts, coming) in script.iter().zip(comings) {
            let now = room.tick().0;
            // A fifth seat is taken and left now and then, so that entities come and go.
            if coming == 0 && room.players() == 4 { room.join(0).unwrap(); }
            if coming == 1 && room.players() == 5 { room.leave(PlayerId(4)); }
            for (player, act) in players.iter().zip(acts) {
                let view = (now * 256).saturating_sub(act.behind);
                let head = InputHead {
                    sequence: now + 1, target_tick: now + 1, view_tick: view / 256,
                    view_fraction: view.to_le_bytes()[0], newest_snapshot_tick: now,
                };
                prop_assert!(give(&mut room, *player, head, act.steer).is_ok());
                // What the checks may make of it: 2 ticks of tolerance about the round trip of half a tick
                // (these acknowledgements are immediate), never backwards.
                let plausible = view.max((now * 256 + 128).saturating_sub(128 + 512)).min(now * 256);
                let monotone = plausible.max(views.get(player).copied().unwrap_or(0));
                views.insert(*player, monotone);
            }
            room.step();
            for (player, entity, seen) in &room.game().looks {
                let Some(view) = views.get(player) else { continue };
                let oldest = now.saturating_sub(depth_max).max(1) * 256;
                let expected = if now == 0 { None } else { model(&record, *entity, (*view).clamp(oldest, now * 256)) };
                prop_assert!(same(seen.as_ref(), expected.as_ref()),
                    "tick {} {:?} looks at {:?}: saw {:?}, expected {:?}", now + 1, player, view, seen, expected);
            }
            let tick = room.tick().0;
            record.extend(room.world().iter().map(|(entity, dot)| ((tick, entity), dot.pose())));
        }
    }
}

/// The first tick that the players of [`look`] see.
const START: u32 = 100;

/// A shooter whose round trip takes `delay` ticks and who claims to look `behind` ticks back watches a target for
/// 200 ticks. Returns how far back it really saw it, and the views found implausible and too old.
fn look(delay: u32, lag_compensation: bool, behind: u32) -> (u32, u64, u64) {
    let config = RoomConfig { lag_compensation, interpolation_ticks: 4, ..RoomConfig::default() };
    let mut room = Room::<Dots>::new(config, dots::Settings::default());
    (0..START).for_each(|_| room.step());
    let shooter = room.join(0).expect("a seat is free").player;
    let target = room.join(0).expect("a seat is free");
    for tick in START..START + 200 {
        let head = |delay: u32, behind: u32| InputHead {
            sequence: tick,
            target_tick: tick + 1,
            view_tick: tick - behind,
            view_fraction: 0,
            newest_snapshot_tick: tick - delay,
        };
        // The first input arrives a round trip after the welcome.
        if tick >= START + delay {
            give(&mut room, shooter, head(delay, behind), Steer::default()).expect("in time");
        }
        give(&mut room, target.player, head(0, 4), Steer { dx: 64, ..Steer::default() }).expect("in time");
        room.step();
    }
    // The target runs one unit a tick from x = 1, so where it is seen tells when.
    let seen = room
        .game()
        .looks
        .iter()
        .find(|look| look.0 == shooter && look.1 == target.entity)
        .expect("the target is looked at")
        .2
        .expect("the target is there");
    let counters = room.counters();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
    let rewound = 199 - (seen.position.x - 1.0).round() as u32;
    (rewound, counters.views_implausible, counters.views_too_old)
}

#[test]
fn an_honest_view_is_granted() {
    // 6 ticks of round trip and 4 of interpolation: looks 10 behind.
    assert_eq!(look(6, true, 10), (10, 0, 0));
}

#[test]
fn a_forged_view_looks_back_two_ticks_more_at_most_and_never_at_what_it_cannot_have() {
    let (rewound, implausible, _) = look(6, true, 60);
    assert!((10..=13).contains(&rewound), "{rewound}");
    assert!(implausible > 100);
    // Who claims to see the present is judged by the newest snapshot that it can have, with no delay behind it.
    let (rewound, implausible, _) = look(6, true, 0);
    assert!((6..=7).contains(&rewound), "{rewound}");
    assert!(implausible > 100);
}

#[test]
fn a_shorter_delay_than_the_configured_is_believed() {
    for behind in 6..=12 {
        assert_eq!(look(6, true, behind), (behind, 0, 0));
    }
}

#[test]
fn a_longer_delay_than_jitter_explains_is_not() {
    let (rewound, implausible, _) = look(6, true, 13);
    assert_eq!(rewound, 12);
    assert!(implausible > 100);
}

#[test]
fn nobody_looks_back_beyond_the_bound() {
    // 250 ms are 15 ticks; a connection with 40 ticks of round trip stays at that.
    let (rewound, _, too_old) = look(40, true, 44);
    assert_eq!(rewound, 15);
    assert!(too_old > 100);
}

#[test]
fn without_lag_compensation_the_present_is_seen() {
    assert_eq!(look(6, false, 10), (0, 0, 0));
}
