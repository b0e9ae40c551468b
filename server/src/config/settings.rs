//! The table of settings: one line per key. Flags, unknown-key checks, error texts, the effective
//! configuration and the tests of the documentation all come from it.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file, with the table in front: `room.players_max`.
    pub key: &'static str,
    /// Its flag, if it has one.
    pub flag: Option<&'static str>,
    /// Its default, as it would be written.
    pub default: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
    /// What it does and what it costs.
    pub meaning: &'static str,
}

impl Setting {
    /// The environment variable: `room.players_max` is `TICKRING_ROOM__PLAYERS_MAX`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("TICKRING_{}", self.key.replace('.', "__").to_uppercase())
    }

    /// The setting with this key.
    #[must_use]
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }
}

const fn setting(
    key: &'static str,
    flag: Option<&'static str>,
    default: &'static str,
    allowed: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { key, flag, default, allowed, meaning }
}

/// Every setting, tables after the top level, in the order in which they are shown.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting("listen", Some("--listen"), "127.0.0.1:9001",
        "an address and a port such as 0.0.0.0:9001 or [::]:9001; port 0 lets the kernel choose",
        "Where players connect."),
    setting("admin", Some("--admin"), "127.0.0.1:9002",
        "an address and a port such as 127.0.0.1:9002, port 0 to let the kernel choose, or off",
        "The admin endpoint: health, metrics, status, rooms. It has no access control: keep it on a private address. On a loopback address it also removes players."),
    setting("workers", Some("--workers"), "auto",
        "a whole number from 1 to 256, or auto: one per processor this process may use",
        "Worker threads. Each has a ring, a listener, fixed pools, and rooms of its own."),
    setting("pin", None, "on",
        "on or off",
        "Whether each worker stays on one processor. Turn it off on machines shared with other busy programs."),
    setting("cpus", Some("--cpus"), "auto",
        "processor numbers and ranges such as 0-3,6, one per worker at least, or auto",
        "The processors of the workers, in worker order."),
    setting("game", Some("--game"), "arena",
        "arena, snakes or pulse",
        "The game the rooms run: arena is a small shooter, snakes a short example, pulse a load without rules for measuring."),
    setting("echo", Some("--echo"), "off",
        "on or off",
        "Whether /v1/echo answers. For conformance tests and measuring, not for the open internet."),
    setting("max_conns", Some("--max-conns"), "auto",
        "a whole number from 1 to 268435456, or auto: workers x ring.fixed_table",
        "Connections the process holds at most; one more is refused with 503."),
    setting("tick_hz", Some("--tick-hz"), "60",
        "a whole number from 20 to 128",
        "Simulation steps per second. CPU grows in proportion."),
    setting("snapshot_hz", Some("--snapshot-hz"), "30",
        "a whole number from 1 to 128 that divides tick_hz",
        "Snapshots per second and player. Bytes down and most of the CPU grow in proportion."),
    setting("seed", Some("--seed"), "random",
        "a whole number from 0 to 18446744073709551615, or random",
        "Seed of every room; maps follow from it, and clients are told it. A fixed one makes runs repeatable, and lets clients foresee every random number."),
    setting("drain_timeout", Some("--drain-timeout"), "10s",
        "a duration such as 500ms, 10s or 2m, from 0s to 1h",
        "How long SIGTERM waits for players to go before connections are cut."),
    setting("back_after", None, "5s",
        "a duration such as 500ms, 10s or 2m, from 0s to 1h",
        "What a draining server tells clients: come back after this long."),

    setting("room.players_max", Some("--players-per-room"), "50",
        "a whole number from 1 to 4096",
        "Players one room seats. The snapshot work of a room grows with the square of it."),
    setting("room.spectators_max", None, "16",
        "a whole number from 0 to 4096",
        "Spectators one room takes; each costs as much to send to as a player. They see the whole field, as late as room.spectator_delay says; 0 lets nobody watch."),
    setting("room.spectator_delay", None, "0s",
        "a duration such as 500ms, 10s or 2m, from 0s to 2m",
        "How long after the players spectators see everything, so that they cannot help those they know. Memory per room: what one spectator is sent in that time (a match of 50: about 3 kB/s), at most 16 MiB; what does not fit they never see."),
    setting("room.rooms_max", Some("--rooms-max"), "1024",
        "a whole number from 1 to 65536",
        "Rooms one worker holds. A room is created when its first player joins, and costs memory until it is empty."),
    setting("room.lag_compensation", Some("--lag-compensation"), "on",
        "on or off",
        "Whether hits are judged at the moment the shooter was looking at."),
    setting("room.rewind_max", None, "250ms",
        "a duration such as 250ms or 400ms, from 50ms to 1s, and never beyond 62 ticks",
        "The farthest look back for a hit. A shot is the round trip and one to two snapshot intervals old; what is older than this is judged at this age. Longer suits distant players, and lets them hit who has been in cover for longer."),
    setting("room.snapshot_bytes_per_s", Some("--snapshot-bytes-per-s"), "32000",
        "a whole number from 1000 to 10000000",
        "Bytes of snapshots one player is sent per second, where the game limits what is in sight. What is near goes first, what is far waits; the cell a player is in is always sent."),

    setting("overload.rung_max", None, "4",
        "a whole number from 0 to 4",
        "How far a worker goes when its ticks are late: 0 does nothing, 1 sends far cells less often, 2 sends players less, 3 slows time down, 4 takes nobody in; each on top of those before."),
    setting("overload.dilation_percent_min", None, "50",
        "a whole number from 50 to 100 (percent)",
        "The slowest that time may pass on a worker whose ticks are late, in percent of the full rate. 100 never slows it down: ticks that are too late are then given up."),

    setting("record.dir", Some("--record"), "off",
        "a directory that exists and can be written, or off",
        "Where every room is recorded, one file for each life of a room (docs/replay.md). Nothing deletes them. A room of 50 players writes about 50 kB/s."),
    setting("record.bytes_max", None, "1073741824",
        "a whole number from 1048576 to 1099511627776",
        "Size of one recording; a room that reaches it plays on without."),

    setting("arena.respawn", None, "2s",
        "a duration such as 500ms, 2s or 1m, from 100ms to 10m",
        "Time between a death and the return to the field."),
    setting("arena.pick_up", None, "8s",
        "a duration such as 500ms, 8s or 1m, from 100ms to 10m",
        "Time until a taken pick-up lies there again."),
    setting("arena.hold", None, "20s",
        "a duration in whole seconds such as 20s or 1m, from 0s to 1h",
        "How long the seat of a lost connection is kept."),
    setting("arena.rifle_damage", None, "12",
        "a whole number from 0 to 255",
        "Damage of a rifle hit; a soldier has 100 health."),
    setting("arena.rocket_damage", None, "80",
        "a whole number from 0 to 255",
        "Damage of a rocket's direct hit; half of it at most by splash."),

    setting("pulse.snapshot_wire_bytes", None, "512",
        "a whole number from 130 to 32768",
        "Size of each snapshot of the pulse game on the wire, frame head included."),
    setting("pulse.step_work", None, "0",
        "a whole number from 0 to 100000000",
        "Rounds of arithmetic per player and tick of the pulse game: a load to try overload with. How long one takes is the machine's."),

    setting("session.handshake_timeout", None, "5s",
        "a duration such as 500ms or 5s, from 100ms to 1m",
        "How long a connection may take until its upgrade is complete, and from there to the hello: twice this in all."),
    setting("session.ping_after", None, "25s",
        "a duration such as 500ms, 25s or 2m, from 100ms to 1h",
        "Silence of a peer after which it is pinged."),
    setting("session.silent_close", None, "10s",
        "a duration such as 500ms, 10s or 2m, from 100ms to 1h",
        "Silence after that ping which ends the connection."),
    setting("session.close_timeout", None, "5s",
        "a duration such as 500ms or 5s, from 100ms to 1m",
        "How long a closing handshake may take."),
    setting("session.outbox_bytes_max", None, "65536",
        "a whole number from 4096 to 16777216",
        "Unsent bytes a connection may have before it is closed as too slow. Worst case memory: this x max_conns."),

    setting("ring.gather_us", Some("--gather-us"), "500",
        "a whole number from 0 to 1000 (microseconds)",
        "How long a worker gathers completions while something interactive is in flight. More saves CPU, and costs that much latency; 0 wakes at once."),
    setting("ring.buffers", None, "1024",
        "a power of two from 8 to 32768",
        "Receive buffers per worker, shared by its connections. Memory: this x ring.buffer_bytes x workers."),
    setting("ring.buffer_bytes", None, "2048",
        "a power of two from 512 to 65536",
        "Bytes of one receive buffer."),
    setting("ring.fixed_table", None, "auto",
        "a whole number from 16 to 1048576, at most the hard descriptor limit, or auto: that limit, at most 65536",
        "Direct descriptors per worker: the connections one worker can hold."),

    setting("log.level", Some("--log"), "info",
        "off, error, warn, info, debug, trace, or a filter such as info,tickring_server=debug",
        "What is logged. RUST_LOG is read too, below TICKRING_LOG__LEVEL."),
    setting("log.format", Some("--log-format"), "auto",
        "auto, human or json",
        "How a log line looks; auto is human on a terminal and json otherwise."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unique_and_tables_stay_together() {
        let mut tables = vec![""];
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert!(SETTINGS[index + 1..].iter().all(|other| other.key != setting.key), "{}", setting.key);
            let table = setting.key.split_once('.').map_or("", |(table, _)| table);
            if tables.last() != Some(&table) {
                assert!(!tables.contains(&table), "the table {table} is in two places");
                tables.push(table);
            }
        }
    }

    #[test]
    fn the_variable_doubles_the_underscore_for_a_table() {
        let setting = Setting::find("room.players_max").unwrap();
        assert_eq!(setting.variable(), "TICKRING_ROOM__PLAYERS_MAX");
    }
}
