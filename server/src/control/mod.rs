//! The control thread: signals, drain, and the admin endpoint. Nothing a player waits for runs here.
//!
//! ```text
//!  signals ──► drain ──────────► mailboxes ─► workers ─► finished ─► exit
//!  admin ◄─► reports (≤ 20 /s) ► mailboxes ─► workers ─► oneshot ─► metrics, status
//!        └─► rooms (≤ 20 /s) ──► mailboxes ─► workers ─► oneshot ─► rooms, kick
//! rooms ──► chunks ► scribe, one task for each recording ─► files
//! ```
//!
//! The runtime is tokio-uring on the calling thread. Whatever happens on the admin port, a worker
//! sees at most twenty report commands a second, and as many others.

mod admin;
mod ending;
mod gate;
mod histogram;
mod machine;
mod metrics;
mod process;
mod refusal;
mod reports;
mod roster;
mod scribe;
mod signals;
mod status;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tickring_protocol::ids::PlayerId;
use tickring_ring::Ring;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::error::ServerError;
use crate::mailbox::{Command, Mailbox};
use crate::recording::{Inlet, Tally};
use crate::report::{Kicked, RoomReport, WorkerReport};
use admin::Admin;
use reports::Reports;
use roster::Roster;
use signals::Signals;

/// How long after the drain deadline a worker may still take to end, and after that the disk.
const GRACE: Duration = Duration::from_secs(1);
/// How often a full mailbox is tried again while draining.
const RETRY: Duration = Duration::from_millis(10);
/// How long a taken admin port is tried again: a killed predecessor lets go a moment late.
const BIND_RETRIES: u32 = 20;

/// What the control thread knows of the workers.
#[derive(Debug)]
pub struct Workers {
    /// One per worker, in worker order.
    pub mailboxes: Vec<Mailbox>,
    /// The worker that a room lives on, of so many.
    pub worker_of: fn(&str, usize) -> usize,
    /// A worker's index arrives when it has ended normally.
    pub finished: Receiver<usize>,
    /// What workers record, where the operator wants that.
    pub(crate) recordings: Option<Inlet>,
}

/// How the server came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every worker ended by itself.
    Drained,
    /// These did not, although the drain deadline passed a second ago. Joining them may block.
    Overdue {
        /// Indices, ascending.
        workers: Vec<usize>,
    },
}

/// What the control thread needs of a worker.
trait Line: Send + Sync {
    /// Asks for a report; `false`: the mailbox is full.
    fn ask(&self, answer: oneshot::Sender<WorkerReport>) -> bool;
    /// Asks for rooms, see [`Command::Rooms`]; `false`: the mailbox is full.
    fn rooms(&self, after: &str, rooms_max: usize, answer: oneshot::Sender<Vec<RoomReport>>) -> bool;
    /// Tells it to remove a player; `false`: the mailbox is full.
    fn kick(&self, room: &str, player: PlayerId, answer: oneshot::Sender<Kicked>) -> bool;
    /// Tells it to drain; `false`: the mailbox is full.
    fn drain(&self, deadline_ns: u64, back_after_ms: u32) -> bool;
    /// Commands waiting.
    fn depth(&self) -> usize;
}

impl Line for Mailbox {
    fn ask(&self, answer: oneshot::Sender<WorkerReport>) -> bool {
        self.push(Command::Report(answer)).is_ok()
    }

    fn rooms(&self, after: &str, rooms_max: usize, answer: oneshot::Sender<Vec<RoomReport>>) -> bool {
        self.push(Command::Rooms { after: after.into(), rooms_max, answer }).is_ok()
    }

    fn kick(&self, room: &str, player: PlayerId, answer: oneshot::Sender<Kicked>) -> bool {
        self.push(Command::Kick { room: room.into(), player, answer }).is_ok()
    }

    fn drain(&self, deadline_ns: u64, back_after_ms: u32) -> bool {
        self.push(Command::Drain { deadline_ns, back_after_ms }).is_ok()
    }

    fn depth(&self) -> usize {
        Mailbox::depth(self)
    }
}

type Lines = Arc<[Box<dyn Line>]>;

/// The control thread before the workers run: signals are caught and the admin port is held, so
/// that what can fail has failed, and a signal during start-up is not lost.
pub struct Control {
    runtime: tokio_uring::Runtime,
    signals: Signals,
    admin: Option<TcpListener>,
}

/// Why there is no runtime. It builds an io_uring and tells little; asked again, our own driver says what forbids it.
fn no_runtime(source: io::Error) -> ServerError {
    Ring::probe().err().map_or(ServerError::Runtime(source), ServerError::Ring)
}

impl Control {
    /// Prepares the control thread on the calling thread.
    ///
    /// # Errors
    /// [`ServerError::Record`] when recordings cannot be written, [`ServerError::Runtime`],
    /// [`ServerError::Signals`], or [`ServerError::AdminBind`] when the admin address cannot be had within two
    /// seconds.
    pub fn open(config: &ServerConfig) -> Result<Self, ServerError> {
        if let Some(dir) = &config.record.dir {
            scribe::try_out(dir).map_err(|source| ServerError::Record { dir: dir.clone(), source })?;
        }
        let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).map_err(no_runtime)?;
        let (signals, admin) = runtime.block_on(async {
            let signals = Signals::subscribe().map_err(ServerError::Signals)?;
            let admin = match config.admin {
                Some(address) => Some(bind(address).await?),
                None => None,
            };
            Ok::<_, ServerError>((signals, admin))
        })?;
        Ok(Self { runtime, signals, admin })
    }

    /// Runs until every worker has ended after a signal. A second signal ends the process at once,
    /// with code 130 (SIGINT) or 143 (SIGTERM), unless it is the same again within 250 ms. Prints `admin on ADDR`
    /// first.
    ///
    /// # Errors
    /// [`ServerError::WorkerStopped`] when a worker ends without having been told to.
    pub fn run(self, config: &ServerConfig, workers: Workers, clock: Clock) -> Result<Exit, ServerError> {
        let Self { runtime, signals, admin } = self;
        let lines: Lines =
            workers.mailboxes.into_iter().map(|mailbox| Box::new(mailbox) as Box<dyn Line>).collect();
        let admin = admin.map(|listener| (listener, Roster::new(Arc::clone(&lines), workers.worker_of)));
        let mut is_cut_off = false;
        let exit = runtime.block_on(async {
            let tally = workers.recordings.as_ref().map(|inlet| Arc::clone(&inlet.tally)).unwrap_or_default();
            let written = workers.recordings.zip(config.record.dir.clone()).map(|(inlet, dir)| {
                tokio_uring::spawn(scribe::write_all(inlet, dir, clock, scribe::files_max()))
            });
            let exit = supervise(config, admin, signals, lines, workers.finished, tally, clock).await?;
            if let Some(written) = written
                && tokio::time::timeout(GRACE, written).await.is_err()
            {
                tracing::error!("recordings are cut off: the disk did not take their ends within a second");
                is_cut_off = true;
            }
            Ok(exit)
        });
        if is_cut_off {
            // Its end waits for the disk. The process does not: it is over in a moment.
            std::mem::forget(runtime);
        }
        exit
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let mut tries_left = BIND_RETRIES;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries_left > 0 => {
                if tries_left == BIND_RETRIES {
                    tracing::info!(%address, "the admin address is taken; trying for two seconds");
                }
                tries_left -= 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => return other.map_err(|source| ServerError::AdminBind { address, source }),
        }
    }
}

async fn supervise(
    config: &ServerConfig,
    admin: Option<(TcpListener, Roster)>,
    mut signals: Signals,
    lines: Lines,
    mut finished: Receiver<usize>,
    tally: Arc<Tally>,
    clock: Clock,
) -> Result<Exit, ServerError> {
    let ready = Arc::new(AtomicBool::new(true));
    if let Some((listener, roster)) = admin {
        let address = config.admin.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
        let reports = Reports::new(Arc::clone(&lines), clock);
        let bound = Admin::new(config, reports, roster, tally, Arc::clone(&ready), clock)
            .start(listener)
            .map_err(|source| ServerError::AdminBind { address, source })?;
        tracing::info!(address = %bound, "admin endpoint");
        announce(bound);
    }
    let first = tokio::select! {
        signal = signals.next(clock) => signal,
        ended = finished.recv() => return Err(ServerError::WorkerStopped { worker: ended.unwrap_or(0) }),
    };
    ready.store(false, Ordering::Relaxed);
    tracing::info!(signal = first.name(), timeout = ?config.drain_timeout, "draining; a second signal stops at once");
    drain(config, &mut signals, &lines, &mut finished, clock).await
}

/// The second line of standard output. A closed standard output is no reason to stop.
fn announce(address: SocketAddr) {
    let mut out = io::stdout().lock();
    if writeln!(out, "admin on {address}").and_then(|()| out.flush()).is_err() {
        tracing::debug!("standard output is closed");
    }
}

/// Tells every worker to drain and waits until all have ended.
async fn drain(
    config: &ServerConfig,
    signals: &mut Signals,
    lines: &Lines,
    finished: &mut Receiver<usize>,
    clock: Clock,
) -> Result<Exit, ServerError> {
    let timeout_ns = u64::try_from(config.drain_timeout.as_nanos()).unwrap_or(u64::MAX);
    let deadline_ns = clock.now_ns().saturating_add(timeout_ns);
    let back_after_ms = u32::try_from(config.back_after.as_millis()).unwrap_or(u32::MAX);
    let mut running: BTreeSet<usize> = (0..lines.len()).collect();
    let mut untold = running.clone();
    let mut overdue = std::pin::pin!(tokio::time::sleep(config.drain_timeout + GRACE));
    while !running.is_empty() {
        untold
            .retain(|&worker| running.contains(&worker) && !lines[worker].drain(deadline_ns, back_after_ms));
        tokio::select! {
            biased;
            signal = signals.next(clock) => {
                tracing::warn!(signal = signal.name(), "second signal: stopping at once");
                std::process::exit(signal.exit_code());
            }
            ended = finished.recv() => match ended {
                Some(worker) => { running.remove(&worker); }
                None => break,
            },
            () = &mut overdue => {
                let workers: Vec<usize> = running.into_iter().collect();
                tracing::error!(?workers, "workers did not end in time");
                return Ok(Exit::Overdue { workers });
            }
            () = tokio::time::sleep(RETRY), if !untold.is_empty() => {}
        }
    }
    tracing::info!("every worker has ended");
    Ok(Exit::Drained)
}

#[cfg(test)]
mod tests;
