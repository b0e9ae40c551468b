//! The effective configuration, written as TOML that can be loaded again.

use std::fmt::Write as _;
use std::time::Duration;

use super::ServerConfig;
use super::settings::SETTINGS;

/// Every setting that has an origin, with its value and, as a comment, that origin.
pub(super) fn to_toml(config: &ServerConfig, origins: &[(&'static str, String)]) -> String {
    let mut out = String::new();
    let mut table = "";
    for setting in SETTINGS {
        let Some((_, origin)) = origins.iter().find(|(known, _)| *known == setting.key) else { continue };
        let (of, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if of != table {
            table = of;
            let _infallible = writeln!(out, "\n[{table}]");
        }
        let line = format!("{key} = {}", literal(config, setting.key));
        let _infallible = writeln!(out, "{line:<34} # {origin}");
    }
    out
}

/// The value of one key as TOML.
pub(super) fn literal(config: &ServerConfig, key: &str) -> String {
    let quoted = |text: &str| format!("{text:?}");
    match key {
        "listen" => quoted(&config.listen.to_string()),
        "admin" => config.admin.map_or_else(|| quoted("off"), |admin| quoted(&admin.to_string())),
        "workers" => config.workers.to_string(),
        "pin" => config.pin.to_string(),
        "cpus" => config.cpus.as_ref().map_or_else(|| quoted("auto"), |cpus| format!("{cpus:?}")),
        "game" => quoted(config.game),
        "echo" => config.echo.to_string(),
        "max_conns" => config.max_conns.to_string(),
        "tick_hz" => config.tick_hz.to_string(),
        "snapshot_hz" => config.snapshot_hz.to_string(),
        "seed" => match config.seed {
            None => quoted("random"),
            // TOML integers are signed; larger seeds are written as text.
            Some(seed) if i64::try_from(seed).is_ok() => seed.to_string(),
            Some(seed) => quoted(&seed.to_string()),
        },
        "drain_timeout" => duration(config.drain_timeout),
        "back_after" => duration(config.back_after),
        "room.players_max" => config.room_players_max.to_string(),
        "room.spectators_max" => config.room_spectators_max.to_string(),
        "room.spectator_delay" => duration(config.spectator_delay),
        "room.rooms_max" => config.rooms_max.to_string(),
        "room.lag_compensation" => config.lag_compensation.to_string(),
        "room.rewind_max" => duration(config.rewind_max),
        "room.snapshot_bytes_per_s" => config.snapshot_bytes_per_s.to_string(),
        "overload.rung_max" => config.overload_rung_max.to_string(),
        "overload.dilation_percent_min" => config.overload_dilation_percent_min.to_string(),
        "record.dir" => {
            quoted(&config.record.dir.as_ref().map_or("off".to_owned(), |dir| dir.display().to_string()))
        }
        "record.bytes_max" => config.record.bytes_max.to_string(),
        "arena.respawn" => duration(config.arena.respawn),
        "arena.pick_up" => duration(config.arena.pick_up),
        "arena.hold" => duration(config.arena.hold),
        "arena.rifle_damage" => config.arena.rifle_damage.to_string(),
        "arena.rocket_damage" => config.arena.rocket_damage.to_string(),
        "pulse.snapshot_wire_bytes" => config.pulse_snapshot_wire_bytes.to_string(),
        "pulse.step_work" => config.pulse_step_work.to_string(),
        "session.handshake_timeout" => duration(config.handshake_timeout),
        "session.ping_after" => duration(config.ping_after),
        "session.silent_close" => duration(config.silent_close),
        "session.close_timeout" => duration(config.close_timeout),
        "session.outbox_bytes_max" => config.outbox_bytes_max.to_string(),
        "ring.gather_us" => config.gather_us.to_string(),
        "ring.buffers" => config.buffers.to_string(),
        "ring.buffer_bytes" => config.buffer_bytes.to_string(),
        "ring.fixed_table" => config.fixed_table.to_string(),
        "log.level" => quoted(&config.log.level),
        "log.format" => quoted(config.log.format.as_str()),
        other => {
            unreachable!("{other} stands in the table of settings but has no literal: a test writes them all")
        }
    }
}

fn duration(value: Duration) -> String {
    let millis = value.as_millis();
    if millis.is_multiple_of(1_000) { format!("\"{}s\"", millis / 1_000) } else { format!("\"{millis}ms\"") }
}
