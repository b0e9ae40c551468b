//! The load generator binary: `loadgen run`, `find`, `calibrate`, `doctor` and `report`.
//!
//! How it is put together, in the order of a run: [`cli`] parses, [`plan`] checks, [`preflight`]
//! refuses what will not fit, [`run`] starts one [`worker`] per thread and leads it through its phases,
//! the workers give bytes and due times to [`drivers`], which note everything in [`measure`]; then
//! [`verdict`] judges and [`report`] writes.

mod bots;
mod budget;
mod calibrate;
mod cli;
mod clock;
mod diagnosis;
mod doctor;
mod drivers;
mod find;
mod forge;
mod kernel;
mod lead;
mod link_model;
mod machine;
mod measure;
mod pacing;
mod places;
mod plan;
mod preflight;
mod report;
mod run;
mod server_side;
mod shared;
mod slo;
mod sources;
mod terminal;
mod verdict;
mod view;
mod worker;

use std::io::ErrorKind;
use std::panic;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::SIGXFSZ;

use machine::memory::{Bound, BoundOf};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stack of the thread that does everything the workers do not, bytes; as much as a login usually gives the first thread.
const STACK_BYTES: usize = 8 << 20;

/// How clap begins what is wrong with a flag; whatever else is wrong begins with the program's name, and so does this.
const CLAP_SAYS: &str = "error: ";

/// Commands that make connections, or reckon what they need.
const CONNECTING: [&str; 4] = ["run", "find", "doctor", "calibrate"];
/// Addresses with which a refusal can be told in full, bytes: with fewer, threads and memory for that end first (measured: of
/// 36 MB, in the midst of it).
const ADDRESSES_TO_TELL: u64 = 48 << 20;

/// The first thread's stack is as large as `ulimit -s` says, which may be too little for a command line to be read on it.
fn main() -> ExitCode {
    if let Some(wall) = starved() {
        preflight::say(&wall);
        return ExitCode::from(verdict::PREFLIGHT);
    }
    let leader = thread::Builder::new().name("leader".to_owned()).stack_size(STACK_BYTES).spawn(lead);
    match leader.map(thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // What happened has been said.
        Ok(Err(panicked)) => panic::resume_unwind(panicked),
        Err(error) => exit_code(Err(anyhow::anyhow!(
            "no thread can be started: {error}; allow this user more processes (ulimit -u, or pids.max of the \
             container) or more memory (ulimit -v)"
        ))),
    }
}

/// Why a command that nobody forced ends before anything else is done.
fn starved() -> Option<preflight::Wall> {
    let mut words = std::env::args_os().skip(1);
    let connects = words.next().is_some_and(|command| CONNECTING.iter().any(|name| command == *name));
    if !connects || words.any(|word| word == "--force") {
        return None;
    }
    let is_too_low = |bound: &Bound| bound.of == BoundOf::Addresses && bound.limit_bytes < ADDRESSES_TO_TELL;
    let bound = machine::memory::bounds().into_iter().find(is_too_low)?;
    Some(preflight::Wall {
        problem: format!(
            "{}, and with less than {} MiB of addresses nothing begins (memory, generator side)",
            bound.name,
            ADDRESSES_TO_TELL >> 20
        ),
        remedy: "ulimit -v unlimited; ulimit -d unlimited (or LimitAS= and LimitDATA= of its unit)"
            .to_owned(),
    })
}

/// Does what the command line asks for.
fn lead() -> ExitCode {
    // A file that may not grow so far is an error of writing it, not the end of the process.
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        return exit_code(Err(anyhow::Error::new(error).context("cannot watch for signals")));
    }
    let request = match cli::Cli::read(std::env::args_os()) {
        Ok(request) => request,
        // Help and the version: clap knows where to say them.
        Err(cli::Refused::Words(error)) if !error.to_string().starts_with(CLAP_SAYS) => {
            let said = error
                .print()
                .or_else(|why| if why.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(why) });
            // Whoever asks for nothing is told on standard error; when nobody takes it, the exit code has to do.
            let code = if error.use_stderr() { Ok(verdict::USAGE) } else { said.map(|()| 0) };
            return exit_code(code.map_err(|why| terminal::not_taken(&why).into()));
        }
        Err(cli::Refused::Words(error)) => {
            let words = error.to_string();
            return refuse(&words.trim_start_matches(CLAP_SAYS).trim_end());
        }
        Err(error) => return refuse(&error),
    };
    if request.prints_plan() {
        return match request.plan_text() {
            Ok(text) => exit_code(
                terminal::answer(format_args!("{}", text.trim_end())).map(|()| 0).map_err(Into::into),
            ),
            Err(error) => refuse(&error),
        };
    }
    let planned = match (request.command, request.file) {
        (cli::Command::Run { preset }, Some(file)) => plan::Plan::new(&preset, &file).map(run::run),
        (cli::Command::Run { .. } | cli::Command::Find(_), None) => {
            return refuse(&"FILE.toml stands for a file of yours: loadgen run evening.toml");
        }
        (cli::Command::Doctor(args), _) => doctor::Question::new(args).map(|question| doctor::run(&question)),
        (cli::Command::Report(args), _) => Ok(report::command::run(&args)),
        (cli::Command::Find(args), Some(file)) => {
            find::Question::new(args, file, &request.words).map(|question| find::run(&question))
        }
        (cli::Command::Calibrate(args), _) => {
            calibrate::Question::new(&args).map(|question| calibrate::run(&question))
        }
    };
    let done = match planned {
        Ok(done) => done,
        Err(error) => return refuse(&error),
    };
    exit_code(done)
}

/// What the process ends with.
fn exit_code(done: anyhow::Result<u8>) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal::say(format_args!("loadgen: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What is asked for cannot be done; says why.
fn refuse(why: &dyn std::fmt::Display) -> ExitCode {
    terminal::say(format_args!("loadgen: {}", terminal::shortened(&why.to_string())));
    ExitCode::from(verdict::USAGE)
}
