//! What the operator can set, and how it becomes one checked [`ServerConfig`].
//!
//! ```text
//!  defaults < TOML file < environment < flags      (a later one wins, key by key)
//!      └────────┴──────────┴────────────┴─► merged ─► read (types, ranges) ─► relations ─► ServerConfig
//! ```
//!
//! Everything is checked here, once. The rest of the server takes a [`ServerConfig`] at its word.

mod effective;
mod environment;
mod file;
mod flags;
mod games;
mod help;
mod layers;
mod problem;
mod reader;
mod relations;
mod settings;
mod suggestion;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use flags::program;
pub use flags::{Cli, Mode};
pub use games::Games;
pub use layers::Inputs;
pub use problem::{ConfigError, Problem};
pub use settings::{SETTINGS, Setting};

use crate::limits::Machine;

/// A checked configuration. Its fields keep every relation between settings, so nobody checks again.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// Where players connect. Port 0 lets the kernel choose.
    pub listen: SocketAddr,
    /// Where the admin endpoint listens; `None`: no admin endpoint.
    pub admin: Option<SocketAddr>,
    /// Worker threads, `1..=256`.
    pub workers: usize,
    /// Whether each worker stays on one processor.
    pub pin: bool,
    /// Processors for the workers, in worker order and at least one per worker; `None`: the first
    /// ones this process may run on. Only looked at when `pin` is set.
    pub cpus: Option<Vec<usize>>,
    /// The game the rooms run, one of the program's [`Games`]. [`serve`](crate::serve()) puts here what it serves.
    pub game: &'static str,
    /// Whether the echo endpoint answers.
    pub echo: bool,
    /// Connections the whole process holds at most.
    pub max_conns: u32,
    /// Simulation steps per second, `20..=128`.
    pub tick_hz: u16,
    /// Snapshots per second; divides `tick_hz`.
    pub snapshot_hz: u16,
    /// Players one room seats at most.
    pub room_players_max: u16,
    /// Spectators one room takes at most.
    pub room_spectators_max: u16,
    /// How long after the players spectators see everything, at most 2 min.
    pub spectator_delay: Duration,
    /// Rooms one worker holds at most. Rooms are created when the first player joins.
    pub rooms_max: u32,
    /// Whether hits are judged at the moment the shooter was looking at.
    pub lag_compensation: bool,
    /// The farthest look back for a hit, 50 ms to 1 s.
    pub rewind_max: Duration,
    /// Bytes of snapshots a player is sent per second, where the game limits what is in sight.
    pub snapshot_bytes_per_s: u32,
    /// Number of the highest rung of the overload ladder, `0..=4`.
    pub overload_rung_max: u8,
    /// The slowest that time may pass, in percent of the full rate, `50..=100`.
    pub overload_dilation_percent_min: u8,
    /// Seed of every room's randomness; `None`: drawn at start.
    pub seed: Option<u64>,
    /// How long a drain waits for players to go.
    pub drain_timeout: Duration,
    /// The hint sent with a drain: when clients may come back.
    pub back_after: Duration,
    /// Longest gathering of wake-ups while something interactive is in flight, microseconds,
    /// `0..=1000`; 0 wakes at once.
    pub gather_us: u32,
    /// Receive buffers per worker, a power of two.
    pub buffers: u16,
    /// Bytes of one receive buffer, a power of two.
    pub buffer_bytes: u32,
    /// Direct descriptors per worker: how many connections one worker can hold.
    pub fixed_table: u32,
    /// Unsent bytes one connection may have before it is closed.
    pub outbox_bytes_max: u32,
    /// How long the upgrade may take, and from there the hello.
    pub handshake_timeout: Duration,
    /// Silence after which a ping is sent.
    pub ping_after: Duration,
    /// Silence after that ping which ends the connection.
    pub silent_close: Duration,
    /// How long a closing handshake may take.
    pub close_timeout: Duration,
    /// Whether and how rooms are recorded.
    pub record: RecordConfig,
    /// The arena game's rules.
    pub arena: ArenaConfig,
    /// Size of a snapshot of the pulse game on the wire, bytes.
    pub pulse_snapshot_wire_bytes: u16,
    /// Rounds of arithmetic per player and tick of the pulse game.
    pub pulse_step_work: u32,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// What becomes of the recordings of rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordConfig {
    /// Where they are written; `None`: rooms are not recorded.
    pub dir: Option<PathBuf>,
    /// Size of one recording at most.
    pub bytes_max: u64,
}

/// The rules of the arena game that an operator can set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaConfig {
    /// Time between a death and the return to the field.
    pub respawn: Duration,
    /// Time until a taken pick-up lies there again.
    pub pick_up: Duration,
    /// How long the seat of a lost connection is kept, whole seconds.
    pub hold: Duration,
    /// Damage of a rifle hit, of 100 health.
    pub rifle_damage: u8,
    /// Damage of a rocket's direct hit.
    pub rocket_damage: u8,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A level or a filter such as `info,tickring_server=debug`; known to parse.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// The name as it stands in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

/// A configuration together with where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: ServerConfig,
    /// Legal, but probably not meant; one sentence each.
    pub warnings: Vec<String>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    origins: Vec<(&'static str, String)>,
}

impl Loaded {
    /// The effective configuration as TOML that can be loaded again, each line with its origin.
    #[must_use]
    pub fn to_toml(&self) -> String {
        effective::to_toml(&self.config, &self.origins)
    }
}

/// Merges defaults, file, environment and flags, and checks the result against itself and the
/// machine.
///
/// # Errors
/// [`ConfigError`] lists every problem found: the key, the value, where it came from, what is allowed.
pub fn load(inputs: &Inputs, machine: &Machine) -> Result<Loaded, ConfigError> {
    let layers::Layers { merged, mut problems, whole } = layers::merge(inputs);
    let mut reader = reader::Reader::new(&merged, &inputs.games);
    let config = reader::read(&mut reader, machine);
    let (read_problems, origins) = reader.finish();
    let nothing_misread = read_problems.is_empty();
    problems.extend(read_problems);
    let mut warnings = Vec::new();
    // Relations between values that could not be read would only be noise.
    if whole && nothing_misread {
        let found = relations::check(&config, &origins, machine);
        problems.extend(found.problems);
        warnings = found.warnings;
    }
    if problems.is_empty() {
        Ok(Loaded { config, warnings, file: inputs.file.clone(), origins })
    } else {
        Err(ConfigError { problems })
    }
}

#[cfg(test)]
mod tests;
