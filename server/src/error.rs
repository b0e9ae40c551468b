//! Why the server could not start or had to stop, split by whose fault it is.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::config::ConfigError;

/// Who has to do something about a [`ServerError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The operator: flags, environment or file.
    Operator,
    /// The machine: kernel, limits, permissions, ports.
    Machine,
    /// The server itself: a defect.
    Server,
}

/// Why the server could not start or had to stop. Each message says what, why and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The configuration is not usable.
    #[error("the configuration is not usable\n{0}")]
    Config(#[from] ConfigError),

    /// A worker's ring could not be created; the cause and the remedy are in the message.
    #[error("cannot set up io_uring: {0}\n  `tickring-server probe` lists what this machine offers")]
    Ring(#[from] tickring_ring::SetupError),

    /// The kernel refused something the ring asked for after set-up.
    #[error(
        "the ring of worker {worker} failed: {source}\n  if it lasts, run `tickring-server probe` and report both outputs"
    )]
    RingFailed {
        /// The worker.
        worker: usize,
        /// What the kernel said.
        source: io::Error,
    },

    /// The players' port could not be opened.
    #[error("cannot listen for players on {address}: {source}\n  {}", bind_remedy(source, "--listen", *address))]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },

    /// The admin port could not be opened.
    #[error(
        "cannot open the admin endpoint on {address}: {source}\n  {}; `--admin off` runs without it",
        bind_remedy(source, "--admin", *address)
    )]
    AdminBind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },

    /// Recordings cannot be written where the operator wants them.
    #[error(
        "cannot write recordings in {} (record.dir, --record): {source}\n  name a directory that exists and can be written, or leave it off",
        dir.display()
    )]
    Record {
        /// Where.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The control thread's runtime could not be created.
    #[error(
        "cannot start the control thread's runtime: {0}\n  it needs an io_uring and an epoll instance: see `tickring-server probe` and the descriptor limit (`ulimit -n`)"
    )]
    Runtime(#[source] io::Error),

    /// A recording is not as long as the operator thought.
    #[error("nothing is printed: --from {from} is after the last tick that was played, {ticks}")]
    NothingToDump {
        /// The first tick asked for.
        from: u32,
        /// Ticks played, the first being 1.
        ticks: u64,
    },

    /// The answer could not be printed.
    #[error("cannot write to standard output: {0}\n  make room there, or give it another place")]
    Output(#[source] io::Error),

    /// The kernel gives no random bytes.
    #[error(
        "cannot draw random bytes: {0}\n  seeds and resume tokens need getrandom(2): see whether a seccomp filter forbids it"
    )]
    Randomness(#[source] io::Error),

    /// Signals could not be subscribed to.
    #[error("cannot listen for signals: {0}\n  it needs two free descriptors: see `ulimit -n`")]
    Signals(#[source] io::Error),

    /// The control thread could not be started.
    #[error(
        "cannot start the control thread: {0}\n  allow this user more processes (`ulimit -u`, the cgroup's pids.max) or more memory (`ulimit -v`)"
    )]
    ControlThread(#[source] io::Error),

    /// A worker thread could not be started.
    #[error(
        "cannot start the thread of worker {worker}: {source}\n  lower --workers, or raise the thread limit (`ulimit -u`, the cgroup's pids.max)"
    )]
    Thread {
        /// The worker.
        worker: usize,
        /// What the system said.
        source: io::Error,
    },

    /// A worker could not be bound to its processor.
    #[error(
        "cannot pin worker {worker} to processor {cpu}: {source}\n  name allowed processors with --cpus (see `taskset -p $$`), or set pin = false"
    )]
    Pin {
        /// The worker.
        worker: usize,
        /// The processor asked for.
        cpu: usize,
        /// What the system said.
        source: io::Error,
    },

    /// A worker panicked; what it said is in the log above.
    #[error(
        "worker {worker} panicked: its rooms and players are gone\n  this is a defect: report the panic message above"
    )]
    WorkerPanicked {
        /// The worker.
        worker: usize,
    },

    /// Workers did not end in time after a drain.
    #[error(
        "workers {workers:?} did not end within a second of the drain deadline; the process ends without them\n  this is a defect: report the log before this line"
    )]
    Overdue {
        /// Which ones.
        workers: Vec<usize>,
    },

    /// A worker ended although nobody asked it to.
    #[error(
        "worker {worker} stopped without being asked to\n  this is a defect: report the log before this line"
    )]
    WorkerStopped {
        /// The worker.
        worker: usize,
    },
}

impl ServerError {
    /// Who has to do something about it.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Config(_) | Self::Record { .. } | Self::NothingToDump { .. } => Fault::Operator,
            Self::Ring(_)
            | Self::RingFailed { .. }
            | Self::Listen { .. }
            | Self::AdminBind { .. }
            | Self::Runtime(_)
            | Self::Signals(_)
            | Self::Randomness(_)
            | Self::Output(_)
            | Self::ControlThread(_)
            | Self::Thread { .. }
            | Self::Pin { .. } => Fault::Machine,
            Self::WorkerPanicked { .. } | Self::WorkerStopped { .. } | Self::Overdue { .. } => Fault::Server,
        }
    }

    /// The process exit code: 2 for what the operator wrote, 1 for everything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self.fault() {
            Fault::Operator => 2,
            Fault::Machine | Fault::Server => 1,
        }
    }
}

/// What to do about a bind that failed.
fn bind_remedy(error: &io::Error, flag: &str, address: SocketAddr) -> String {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => {
            return "raise the descriptor limit: `ulimit -n`, LimitNOFILE= (systemd) or --ulimit nofile= (containers)"
                .to_owned();
        }
        Some(Errno::NFILE) => {
            return "the machine has no file left: raise fs.file-max (`sysctl fs.file-max`)".to_owned();
        }
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "another process holds port {}: stop it (`ss -ltnp 'sport = :{}'` names it) or choose another port with {flag}",
                address.port(),
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("ports below 1024 need CAP_NET_BIND_SERVICE: choose a port from 1024 up with {flag}")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "this machine has no address {}: `ip addr` lists them; choose one with {flag}",
                address.ip()
            )
        }
        _ => format!("choose another address with {flag}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind_error(kind: io::ErrorKind) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], 81));
        ServerError::AdminBind { address, source: kind.into() }.to_string()
    }

    #[test]
    fn a_failed_bind_names_the_address_and_the_remedy() {
        let taken = bind_error(io::ErrorKind::AddrInUse);
        assert!(
            taken.contains("127.0.0.1:81") && taken.contains("ss -ltnp") && taken.contains("--admin"),
            "{taken}"
        );
        assert!(bind_error(io::ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(bind_error(io::ErrorKind::AddrNotAvailable).contains("ip addr"));
    }

    #[test]
    fn a_bind_without_a_descriptor_names_the_limit_and_no_other_address() {
        for (errno, limit) in [(Errno::MFILE, "LimitNOFILE="), (Errno::NFILE, "fs.file-max")] {
            let address = SocketAddr::from(([127, 0, 0, 1], 81));
            let admin = ServerError::AdminBind { address, source: errno.into() }.to_string();
            let listen = ServerError::Listen { address, source: errno.into() }.to_string();
            for text in [admin, listen] {
                assert!(text.contains(limit) && !text.contains("another address"), "{text}");
            }
        }
    }

    #[test]
    fn only_the_operators_faults_exit_with_two() {
        let config = ServerError::Config(ConfigError { problems: Vec::new() });
        assert_eq!((config.fault(), config.exit_code()), (Fault::Operator, 2));
        assert_eq!(ServerError::WorkerPanicked { worker: 0 }.fault(), Fault::Server);
        assert_eq!(ServerError::Runtime(io::ErrorKind::Other.into()).exit_code(), 1);
    }
}
