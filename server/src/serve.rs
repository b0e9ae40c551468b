//! Starting the workers, telling the world, and staying until they are done.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use crossbeam::utils::CachePadded;
use tickring_protocol::placement::worker_of;
use tickring_room::Game;
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::control::{Control, Exit, Workers};
use crate::entropy;
use crate::error::ServerError;
use crate::listen::bind_all;
use crate::mailbox::Mailbox;
use crate::recording::connect;
use crate::worker::{Shared, start};

type Ready = Result<Mailbox, ServerError>;

/// Runs a dedicated server for the game `G` until it is told to stop: workers on threads of their
/// own, the control thread's runtime on this one. Prints `listening on ADDR` as the first line on
/// standard output once players can connect.
///
/// # Errors
/// What kept it from starting, or the worker that failed. Both are ready to be shown to an operator.
pub fn serve<G: Game>(mut config: ServerConfig, settings: &G::Settings) -> Result<(), ServerError>
where
    G::Settings: Sync,
{
    let clock = Clock::start();
    config.game = G::NAME;
    // Drawn even when it is not needed: tokens are drawn later, when it is too late to fail.
    let drawn = entropy::draw().map_err(ServerError::Randomness)?;
    let control = Control::open(&config)?;
    let (listeners, address) = bind_all(config.listen, config.workers)?;
    let (outlet, inlet) = config.record.dir.as_ref().map(|_| connect(config.record.bytes_max, clock)).unzip();
    let shared = Arc::new(Shared {
        connections: CachePadded::new(AtomicU32::new(0)),
        connections_max: config.max_conns,
        seed: config.seed.unwrap_or(u64::from_le_bytes(drawn)),
        outlet,
    });
    // Each worker says it once.
    let (finished, finished_receiver) = mpsc::channel(config.workers.max(1));
    let mut crew = Crew::default();
    for (index, listener) in listeners.into_iter().enumerate() {
        crew.start::<G>(index, clock, &config, settings.clone(), listener, &shared, &finished)?;
    }
    drop((finished, shared));
    let mailboxes = crew.gather()?;
    announce(address);
    let workers =
        Workers { mailboxes: mailboxes.to_vec(), finished: finished_receiver, worker_of, recordings: inlet };
    match control.run(&config, workers, clock)? {
        Exit::Drained => crew.join(),
        Exit::Overdue { workers } => Err(ServerError::Overdue { workers }),
    }
}

/// Says where players can connect. Scripts wait for this line, the first on standard output.
fn announce(address: std::net::SocketAddr) {
    let mut output = std::io::stdout().lock();
    if let Err(error) = writeln!(output, "listening on {address}").and_then(|()| output.flush()) {
        tracing::warn!(%error, %address, "standard output does not take the address; players are served there all the same");
    }
}

/// The worker threads while they start and when they end.
#[derive(Default)]
struct Crew {
    threads: Vec<JoinHandle<Result<(), ServerError>>>,
    ready: Vec<Receiver<Ready>>,
    peers: Vec<Sender<Arc<[Mailbox]>>>,
}

impl Crew {
    #[expect(clippy::too_many_arguments, reason = "everything a worker is made of, once")]
    fn start<G: Game>(
        &mut self,
        index: usize,
        clock: Clock,
        config: &ServerConfig,
        settings: G::Settings,
        listener: TcpListener,
        shared: &Arc<Shared>,
        finished: &mpsc::Sender<usize>,
    ) -> Result<(), ServerError> {
        let (ready, ready_receiver) = bounded(1);
        let (peers, peers_receiver) = bounded(1);
        let (config, shared, finished) = (config.clone(), Arc::clone(shared), finished.clone());
        let cpu = cpu_of(&config, index);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                let _loud = EndLoudly { worker: index };
                let prepared = match start::prepare(index, cpu, &config, listener) {
                    Ok((prepared, mailbox)) => {
                        tracing::info!(
                            worker = index,
                            cpu,
                            pool_bytes = prepared.pool_bytes(),
                            buffers = config.buffers,
                            buffer_bytes = config.buffer_bytes,
                            connections_max = config.fixed_table,
                            "worker ready; its pools are fixed"
                        );
                        // The receiver goes away only when the whole start has failed.
                        let _gone = ready.send(Ok(mailbox));
                        prepared
                    }
                    Err(error) => {
                        let _gone = ready.send(Err(error));
                        return Ok(());
                    }
                };
                let Ok(peers) = peers_receiver.recv() else { return Ok(()) };
                let worker = prepared.into_worker::<G>(index, clock, &config, settings, peers, shared);
                let result = worker.run();
                let _gone = finished.try_send(index);
                result
            })
            .map_err(|source| ServerError::Thread { worker: index, source })?;
        self.threads.push(thread);
        self.ready.push(ready_receiver);
        self.peers.push(peers);
        Ok(())
    }

    /// Waits until all are ready and introduces them to each other.
    fn gather(&mut self) -> Result<Arc<[Mailbox]>, ServerError> {
        let mut mailboxes = Vec::with_capacity(self.ready.len());
        for (worker, ready) in self.ready.iter().enumerate() {
            mailboxes.push(ready.recv().map_err(|_| ServerError::WorkerPanicked { worker })??);
        }
        let mailboxes: Arc<[Mailbox]> = mailboxes.into();
        for peer in self.peers.drain(..) {
            peer.send(Arc::clone(&mailboxes)).expect("a worker that is ready waits for its peers");
        }
        Ok(mailboxes)
    }

    fn join(self) -> Result<(), ServerError> {
        for (worker, thread) in self.threads.into_iter().enumerate() {
            thread.join().map_err(|_| ServerError::WorkerPanicked { worker })??;
        }
        Ok(())
    }
}

/// The processor of a worker; `None` when workers are not pinned.
fn cpu_of(config: &ServerConfig, worker: usize) -> Option<usize> {
    if !config.pin {
        return None;
    }
    match &config.cpus {
        Some(cpus) => cpus.get(worker).copied(),
        None => {
            let allowed = rustix::thread::sched_getaffinity(None).ok()?;
            let cpus: Vec<usize> =
                (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
            cpus.get(worker % cpus.len().max(1)).copied()
        }
    }
}

/// A worker that panics takes the process with it: a server without one of its workers is half alive.
struct EndLoudly {
    worker: usize,
}

impl Drop for EndLoudly {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                worker = self.worker,
                "the worker panicked; the server ends. This is a defect: report the message above"
            );
            std::process::exit(1);
        }
    }
}
