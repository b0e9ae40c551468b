//! The dedicated server with the games that ship.

use std::process::ExitCode;

use tickring_arena::Arena;
use tickring_pulse::Pulse;
use tickring_server::command::{self, game};
use tickring_server::config::ServerConfig;
use tickring_snakes::Snakes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run([game::<Arena>(arena_settings), game::<Snakes>(|_| ()), game::<Pulse>(pulse_settings)])
}

fn arena_settings(config: &ServerConfig) -> tickring_arena::Settings {
    let arena = &config.arena;
    tickring_arena::Settings {
        respawn_seconds: arena.respawn.as_secs_f32(),
        pick_up_seconds: arena.pick_up.as_secs_f32(),
        hold_seconds: u16::try_from(arena.hold.as_secs()).expect("the configuration allows an hour at most"),
        rifle_damage: arena.rifle_damage,
        rocket_damage: arena.rocket_damage,
        ..tickring_arena::Settings::default()
    }
}

fn pulse_settings(config: &ServerConfig) -> tickring_pulse::Settings {
    tickring_pulse::Settings {
        snapshot_wire_bytes: config.pulse_snapshot_wire_bytes,
        step_work: config.pulse_step_work,
    }
}
