//! A dedicated server's command line: for the program that ships, and for everybody's own game.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::{panic, thread};

use tickring_ring::Ring;
use tickring_room::Game;

use crate::config::{self, Cli, Games, Loaded, Mode, ServerConfig};
use crate::error::ServerError;
use crate::limits::{self, Machine};
use crate::logging;
use crate::replay::{self, Playable};
use crate::serve;

/// Stack of the control thread, bytes: as much as a login usually gives the first thread.
const STACK_BYTES: usize = 8 << 20;

/// A game that a program serves, and whose recordings it plays: see [`game`].
pub struct Offered {
    playable: Playable,
    serve: Box<dyn Fn(ServerConfig) -> Result<(), ServerError> + Send>,
}

impl fmt::Debug for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Offered").field(&self.playable.name()).finish()
    }
}

/// The game `G`, for [`run`]. `settings` makes its own settings from those in force.
pub fn game<G: Game>(settings: impl Fn(&ServerConfig) -> G::Settings + Send + 'static) -> Offered
where
    G::Settings: Sync,
{
    let serve = move |config: ServerConfig| {
        let settings = settings(&config);
        serve::<G>(config, &settings)
    };
    Offered { playable: replay::game::<G>(), serve: Box::new(serve) }
}

/// Does what the words on the command line, the environment and the configuration file say: serve, `check-config`,
/// `probe` or `replay`. The setting `game` chooses among `games`, and is the first of them by default. What goes wrong
/// is told on standard error; the code is that of `--help`. `--version` tells that of the first game.
///
/// ```no_run
/// # use tickring_snakes::Snakes as MyGame;
/// use std::process::ExitCode;
///
/// use tickring_server::command;
///
/// fn main() -> ExitCode {
///     command::run([command::game::<MyGame>(|_config| ())])
/// }
/// ```
pub fn run<const N: usize>(games: [Offered; N]) -> ExitCode {
    const { assert!(N > 0, "a server needs a game") };
    // The first thread's stack is as large as `ulimit -s` says, which may be too little for a command line to be read on it.
    let control = thread::Builder::new().name("control".to_owned()).stack_size(STACK_BYTES);
    match control.spawn(move || obey(games)).map(thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // What happened has been said.
        Ok(Err(panicked)) => panic::resume_unwind(panicked),
        Err(error) => fail(&ServerError::ControlThread(error)),
    }
}

/// Does what is asked, on the control thread.
fn obey<const N: usize>(games: [Offered; N]) -> ExitCode {
    let names = games.each_ref().map(|game| game.playable.name());
    // Prints help or what is wrong, and exits with 0 or 2.
    let version = games[0].playable.version();
    let cli = Cli::read(std::env::args_os(), Games::new(names[0], &names[1..]), version)
        .unwrap_or_else(|error| error.exit());
    let done = match cli.mode() {
        Mode::Serve => start(cli, &games).map(|()| ExitCode::SUCCESS),
        Mode::CheckConfig => check_config(cli).map(|()| ExitCode::SUCCESS),
        Mode::Probe => probe().map(|()| ExitCode::SUCCESS),
        Mode::Replay(task) => replay::run(&task, &games.map(|game| game.playable)),
    };
    done.unwrap_or_else(|error| fail(&error))
}

/// Says what went wrong; the exit code tells whose fault it is.
fn fail(error: &ServerError) -> ExitCode {
    let program = config::program(std::env::args_os().next().as_ref());
    complain(format_args!("{program}: {error}"));
    ExitCode::from(error.exit_code())
}

fn load(cli: Cli) -> Result<Loaded, ServerError> {
    // What is not Unicode becomes visibly wrong instead of being left out.
    let environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    Ok(config::load(&cli.inputs().with_environment(environment), &Machine::read())?)
}

fn start(cli: Cli, games: &[Offered]) -> Result<(), ServerError> {
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
        game = config.game,
        tick_hz = config.tick_hz,
        snapshot_hz = config.snapshot_hz,
        workers = config.workers,
        connections_max = config.max_conns,
        descriptors_before = descriptors.before,
        descriptors = descriptors.now,
        "starting"
    );
    let game = games.iter().find(|game| game.playable.name() == config.game);
    (game.expect("the setting is one of the games").serve)(config)
}

/// A line on standard error. When nobody takes it, the exit code has to do.
fn complain(line: fmt::Arguments<'_>) {
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
