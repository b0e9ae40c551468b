//! Walls hold, whatever a player does and whatever hits it: property tests of the movement rules.

use glam::Vec3;
use proptest::prelude::*;
use tickring_arena::map::Map;
use tickring_arena::rules::{self, Body, Motion, Yaw};

/// Some ticks of the same intent, and a push as an explosion gives it.
#[derive(Clone, Debug)]
struct Leg {
    motion: Motion,
    ticks: u32,
    push: Vec3,
}

fn leg() -> impl Strategy<Value = Leg> {
    let push = prop_oneof![3 => Just(0.0_f32), 1 => 0.0_f32..30.0];
    (any::<u16>(), -1.0_f32..=1.0, -1.0_f32..=1.0, 1_u32..60, any::<u16>(), push).prop_map(
        |(yaw, ahead, right, ticks, pushed_to, push)| Leg {
            motion: Motion { yaw: Yaw(yaw), ahead, right },
            ticks,
            push: Yaw(pushed_to).forward() * push,
        },
    )
}

proptest! {
    #[test]
    fn nobody_gets_through_or_into_a_wall(
        seed in 0_u64..1_000, players in 1_u16..40, spawn in any::<prop::sample::Index>(),
        tick_hz in 20_u16..=128, legs in prop::collection::vec(leg(), 1..8),
    ) {
        let map = Map::generate(seed, players);
        let dt = 1.0 / f32::from(tick_hz);
        let mut body = Body { position: *spawn.get(map.spawns()), velocity: Vec3::ZERO };
        for leg in legs {
            body.velocity += leg.push;
            for _ in 0..leg.ticks {
                let before = body.position;
                body = rules::advance(body, &leg.motion, dt, &map);
                prop_assert!(rules::is_free(body.position, &map), "inside a wall at {}", body.position);
                prop_assert!(body.velocity.length() <= rules::SPEED_MAX + 1e-3);
                // The walls are at least 0.6 m thick, so a short step from free to free that crosses one would
                // have to cut a corner closer than a body can.
                let (from, to) = (before + Vec3::Y * 0.5, body.position + Vec3::Y * 0.5);
                let short = from.distance(to) < rules::BODY_RADIUS;
                prop_assert!(!short || map.clear_between(from, to), "through a wall from {from} to {to}");
                prop_assert!(from.distance(to) <= rules::SPEED_MAX * dt + 0.01, "a jump from {from} to {to}");
            }
        }
    }

    #[test]
    fn a_player_who_keeps_running_gets_somewhere_along_every_wall(
        seed in 0_u64..1_000, yaw in any::<u16>(), spawn in any::<prop::sample::Index>(),
    ) {
        // Sliding: only who runs straight at a wall, or into a corner, is brought to a stop.
        let map = Map::generate(seed, 16);
        let motion = Motion { yaw: Yaw(yaw), ahead: 1.0, right: 0.0 };
        let mut body = Body { position: *spawn.get(map.spawns()), velocity: Vec3::ZERO };
        for _ in 0..30 {
            body = rules::advance(body, &motion, 1.0 / 60.0, &map);
        }
        // Half a second from a spawn point, which has 1.2 m of free ground on every side.
        prop_assert!(body.position.distance(*spawn.get(map.spawns())) > 0.8, "{body:?}");
    }
}
