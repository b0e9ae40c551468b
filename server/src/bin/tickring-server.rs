//! The dedicated server with the games that ship.

use std::process::ExitCode;

use tickring_arena::Arena;
use tickring_pulse::Pulse;
use tickring_server::config::{GameName, ServerConfig};
use tickring_server::error::ServerError;
use tickring_server::replay::{self, Playable};
use tickring_server::{command, serve};
use tickring_snakes::Snakes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run(serve_game, &games())
}

fn serve_game(config: ServerConfig) -> Result<(), ServerError> {
    match config.game {
        GameName::Arena => {
            let settings = arena_settings(&config);
            serve::<Arena>(config, &settings)
        }
        GameName::Snakes => serve::<Snakes>(config, &()),
        GameName::Pulse => {
            let settings = tickring_pulse::Settings {
                snapshot_wire_bytes: config.pulse_snapshot_wire_bytes,
                step_work: config.pulse_step_work,
            };
            serve::<Pulse>(config, &settings)
        }
    }
}

/// Whose recordings can be played.
fn games() -> [Playable; 3] {
    [replay::game::<Arena>(), replay::game::<Snakes>(), replay::game::<Pulse>()]
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
