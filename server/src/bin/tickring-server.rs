//! The dedicated server: reads the configuration, then serves, checks or probes.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use tickring_arena::Arena;
use tickring_pulse::Pulse;
use tickring_ring::Ring;
use tickring_server::config::{self, Cli, GameName, Loaded, Mode, ServerConfig};
use tickring_server::error::ServerError;
use tickring_server::limits::{self, Machine};
use tickring_server::replay::{self, Playable};
use tickring_server::{logging, serve};
use tickring_snakes::Snakes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Prints help or what is wrong, and exits with 0 or 2.
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let done = match cli.mode() {
        Mode::Serve => run(cli),
        Mode::CheckConfig => check_config(cli),
        Mode::Probe => probe(),
        Mode::Replay(task) => return exit(replay::run(&task, &games())),
    };
    exit(done.map(|()| ExitCode::SUCCESS))
}

fn exit(done: Result<ExitCode, ServerError>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(format_args!("tickring-server: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn load(cli: Cli) -> Result<Loaded, ServerError> {
    // What is not Unicode becomes visibly wrong instead of being left out.
    let environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    Ok(config::load(&cli.inputs().with_environment(environment), &Machine::read())?)
}

fn run(cli: Cli) -> Result<(), ServerError> {
    let loaded = load(cli)?;
    logging::init(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let descriptors = limits::raise_descriptors();
    let config = loaded.config;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        file = loaded.file.as_ref().map(|path| path.display().to_string()),
        game = config.game.as_str(),
        tick_hz = config.tick_hz,
        snapshot_hz = config.snapshot_hz,
        workers = config.workers,
        connections_max = config.max_conns,
        descriptors_before = descriptors.before,
        descriptors = descriptors.now,
        "starting"
    );
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

/// A line on standard error. When nobody takes it, the exit code has to do.
fn complain(line: std::fmt::Arguments<'_>) {
    let _ignored = writeln!(std::io::stderr(), "{line}");
}

/// The answer to the operator's question, on standard output. A reader that has seen enough is no error.
fn answer(text: &str) -> Result<(), ServerError> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(ServerError::Output(error)),
        _ => Ok(()),
    }
}

fn check_config(cli: Cli) -> Result<(), ServerError> {
    let loaded = load(cli)?;
    for warning in &loaded.warnings {
        complain(format_args!("warning: {warning}"));
    }
    answer(&loaded.to_toml())
}

fn probe() -> Result<(), ServerError> {
    let features = Ring::probe()?;
    let descriptors = limits::raise_descriptors();
    let machine = Machine::read();
    let hard = machine.descriptors_hard;
    let mut text = features.to_string().trim_end().to_owned();
    text.push_str("\n\n");
    text.push_str(&format!("processors usable       {}\n", machine.parallelism));
    text.push_str(&format!("descriptors             {} soft, {hard} hard\n", descriptors.before));
    text.push_str(&format!("connections per worker  {} at most (ring.fixed_table)\n\n", hard.min(1 << 20)));
    if !features.gathers() {
        text.push_str(
            "note: wake-ups cannot be gathered here, which costs about twice the CPU; Linux 6.12 can\n",
        );
    }
    if hard < 4_096 {
        text.push_str(
            "note: the hard descriptor limit is low; raise it with LimitNOFILE= or --ulimit nofile=\n",
        );
    }
    text.push_str("this machine can run tickring-server\n");
    answer(&text)
}
