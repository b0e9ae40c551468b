//! The load generator binary: `loadgen run game|rewind|echo|idle`, `loadgen find`, `loadgen calibrate`
//! and `loadgen doctor`.
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
mod plan;
mod preflight;
mod progress;
mod report;
mod run;
mod server_side;
mod shared;
mod slo;
mod sources;
mod terminal;
mod verdict;
mod worker;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let planned = match cli::Cli::parse().command {
        cli::Command::Run { preset } => plan::Plan::new(*preset).map(run::run),
        cli::Command::Find(args) => find::Question::new(args).map(|question| find::run(&question)),
        cli::Command::Calibrate(args) => {
            calibrate::Question::new(&args).map(|question| calibrate::run(&question))
        }
        cli::Command::Doctor(args) => doctor::Question::new(args).map(|question| doctor::run(&question)),
    };
    let done = match planned {
        Ok(done) => done,
        Err(error) => {
            terminal::say(format_args!("loadgen: {error}"));
            return ExitCode::from(verdict::USAGE);
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal::say(format_args!("loadgen: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
