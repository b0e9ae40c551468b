//! The floor: bare programs that move the same bytes at the same times as the server, with no WebSocket, no
//! messages and no game. What a server costs above its floor is its own doing; the rest is the kernel's.
//!
//! ```text
//! floor --engine epoll|uring|uring-gather --load echo|tick --listen 127.0.0.1:0 --in 64 --out 512
//! ```
//! `echo`: every complete `--in` bytes of a connection are answered with `--out` bytes; all answers to what one
//! receive brought go out in one send. `tick`: what comes in is discarded; `--hz` times a second every connection
//! is sent `--out` bytes. The content is of no matter. The first line on standard output is `listening on ADDR`;
//! SIGTERM ends the program, as it does any that says nothing about it.
//!
//! Engines: `epoll` is what most servers do: level-triggered, one thread, read, write. `uring` is a plain but
//! competent io_uring loop: multishot accept and receive, provided buffers, direct descriptors, one send in
//! flight per connection, waking for every completion. `uring-gather` is the same, but lets completions gather
//! for `--gather-us` (`min_wait_usec`, Linux 6.12).

#![allow(unsafe_code, reason = "the io_uring engines push entries that point to memory")]

mod epoll;
mod load;
mod uring;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use socket2::{Domain, Socket, Type};

use crate::load::Load;

/// A bare server to compare with.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// How the sockets are driven.
    #[arg(long)]
    engine: Engine,
    /// What is done with the bytes.
    #[arg(long)]
    load: LoadName,
    /// Where to listen; port 0 lets the kernel choose.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Bytes of one message from a client.
    #[arg(long = "in", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    in_bytes: u32,
    /// Bytes sent per message (echo) or per tick and connection (tick).
    #[arg(long = "out", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    out_bytes: u32,
    /// Ticks per second, 1 to 1000.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=1000))]
    hz: u32,
    /// How long uring-gather lets completions gather, in microseconds.
    #[arg(long, default_value_t = 200)]
    gather_us: u32,
    /// The CPU to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    Epoll,
    Uring,
    UringGather,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LoadName {
    Echo,
    Tick,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(cpu) = arguments.cpu {
        anyhow::ensure!(cpu < CpuSet::MAX_CPU, "--cpu {cpu}: at most {}", CpuSet::MAX_CPU - 1);
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set).with_context(|| format!("--cpu {cpu}: pinning"))?;
    }
    let descriptors = raise_descriptor_limit();
    let listener = listen(arguments.listen).with_context(|| format!("--listen {}", arguments.listen))?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    let load = match arguments.load {
        LoadName::Echo => Load::Echo { in_bytes: arguments.in_bytes, out_bytes: arguments.out_bytes },
        LoadName::Tick => Load::Tick { out_bytes: arguments.out_bytes },
    };
    let ticks = match arguments.load {
        LoadName::Echo => None,
        LoadName::Tick => Some(timer(arguments.hz, matches!(arguments.engine, Engine::Epoll))?),
    };
    match arguments.engine {
        Engine::Epoll => epoll::run(&listener, load, ticks.as_ref()),
        Engine::Uring => uring::run(&listener, load, ticks.as_ref(), Duration::ZERO, descriptors),
        Engine::UringGather => {
            let gather = Duration::from_micros(arguments.gather_us.into());
            uring::run(&listener, load, ticks.as_ref(), gather, descriptors)
        }
    }
}

/// A timer that expires `hz` times a second, without drift. What io_uring reads must not be nonblocking.
fn timer(hz: u32, nonblocking: bool) -> anyhow::Result<OwnedFd> {
    let mut flags = TimerfdFlags::CLOEXEC;
    flags.set(TimerfdFlags::NONBLOCK, nonblocking);
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags).context("making the tick timer")?;
    let every =
        Timespec { tv_sec: i64::from(hz == 1), tv_nsec: (1_000_000_000 / i64::from(hz)) % 1_000_000_000 };
    let periodic = Itimerspec { it_interval: every, it_value: every };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &periodic).context("starting the tick timer")?;
    Ok(timer)
}

/// Raises the soft limit to the hard one and returns it.
fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Lower than hoped shows when connections are refused.
    let _stays = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(1 << 20)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    // Accepted connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}
