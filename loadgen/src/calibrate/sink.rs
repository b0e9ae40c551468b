//! The sink: accepts WebSocket connections on a loopback port that the kernel chooses, and returns every message as
//! cheaply as can be. A thread and a ring for each CPU it is given.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, anyhow};
use socket2::{Domain, Protocol, Socket, Type};
use tickring_ring::{Config, ConnectionId, Event, Receive, Ring, Wait};

use super::peer::Peer;
use crate::{clock, run};

/// Connections that may queue for the sink.
const BACKLOG: i32 = 1_024;
/// Slots beyond the generator's connections: those of a listener that others find, and of connections still closing.
const SPARE_SLOTS: u32 = 64;
/// As the generator's ring in the same traffic: a wake-up serves many messages.
const WAIT: Wait =
    Wait { timeout: Some(Duration::from_millis(5)), want: 64, gather: Duration::from_micros(50) };
/// Send buffers kept for the next answers.
const BUFFERS_KEPT_MAX: usize = 4_096;

/// What a thread of the sink had done by a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) at_ns: u64,
    pub(crate) cpu_ns: u64,
    /// Messages returned.
    pub(crate) messages: u64,
}

/// Places of a thread's table for so many connections: all may come to one of them.
pub(super) const fn table(conns: u32) -> u32 {
    conns.saturating_add(SPARE_SLOTS)
}

/// A sink that runs until it is [stopped](Self::stop) or dropped.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<Vec<Reading>>>>,
}

impl Sink {
    /// A thread on each of `cpus` (one that is not pinned when there are none), for so many connections. Reads its CPU
    /// time every `sample_ns`.
    ///
    /// # Errors
    /// When this machine does not let us have the sockets or the rings.
    pub(crate) fn start(cpus: &[usize], conns: u32, sample_ns: u64) -> anyhow::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let first = listener(0).context("the sink cannot listen on 127.0.0.1")?;
        let address = first.local_addr().context("the sink does not know its port")?;
        let mut sink = Self { address, is_over, threads: Vec::new() };
        let mut listeners = vec![first];
        for _ in 1..cpus.len() {
            listeners.push(listener(address.port()).context("the sink cannot share its port")?);
        }
        for (index, listener) in listeners.into_iter().enumerate() {
            let (ready, is_ready) = mpsc::channel();
            let (is_over, cpu) = (Arc::clone(&sink.is_over), cpus.get(index).copied());
            let body = move || {
                run::pin(cpu.as_slice());
                let config = Config {
                    connections_max: table(conns),
                    completion_entries: 16_384,
                    buffers: 2_048,
                    ..Config::default()
                };
                let made = Ring::new(&config).map_err(anyhow::Error::from).and_then(|mut ring| {
                    ring.listen(listener)?;
                    Ok(ring)
                });
                match made {
                    Ok(ring) => {
                        // The one who started us waits for it.
                        let _ = ready.send(Ok(()));
                        Service::new(ring, sample_ns).run(&is_over)
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        Ok(Vec::new())
                    }
                }
            };
            let thread = thread::Builder::new().name(format!("sink-{index}")).spawn(body);
            sink.threads.push(thread.context("a thread of the sink cannot be started")?);
            is_ready
                .recv()
                .unwrap_or_else(|_| Err(anyhow!("a thread of the sink panicked: a bug of loadgen")))?;
        }
        Ok(sink)
    }

    /// Ends it; the readings of every thread.
    ///
    /// # Errors
    /// When a ring failed while it ran.
    pub(crate) fn stop(mut self) -> anyhow::Result<Vec<Vec<Reading>>> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in self.threads.drain(..) {
            let readings =
                thread.join().map_err(|_| anyhow!("a thread of the sink panicked: a bug of loadgen"))?;
            all.push(readings.context("the sink's ring failed")?);
        }
        Ok(all)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Listens on a port of 127.0.0.1, which others of the sink may share.
fn listener(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    // Connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One thread of the sink.
struct Service {
    ring: Ring,
    desk: Desk,
    readings: Vec<Reading>,
    sample_ns: u64,
}

/// The connections, apart from the ring: they can be changed while an event borrows it.
#[derive(Default)]
struct Desk {
    /// By slot.
    peers: Vec<Option<Peer>>,
    /// Connections with something to send.
    dirty: Vec<ConnectionId>,
    /// Connections to close once everything written is on its way.
    leaving: Vec<ConnectionId>,
    /// Connections to close at once.
    doomed: Vec<ConnectionId>,
    spare: Vec<Vec<u8>>,
    messages: u64,
}

impl Service {
    fn new(ring: Ring, sample_ns: u64) -> Self {
        Self { ring, desk: Desk::default(), readings: Vec::new(), sample_ns }
    }

    /// Serves until it is over.
    fn run(mut self, is_over: &AtomicBool) -> io::Result<Vec<Reading>> {
        while !is_over.load(Ordering::Relaxed) {
            self.ring.wait(&WAIT)?;
            self.pass();
            self.read();
        }
        Ok(self.readings)
    }

    /// Takes everything in that came, then answers.
    fn pass(&mut self) {
        while let Some(event) = self.ring.next_event() {
            match event {
                Event::Accepted { id } => {
                    self.desk.welcome(id);
                    self.ring.receive(id, Receive::Many);
                }
                Event::Received { id, bytes, .. } => self.desk.received(id, bytes),
                Event::ReceiveEnded { id, .. } => self.desk.doomed.push(id),
                Event::Sent { id, buffer, result } => self.desk.sent(id, buffer, result.is_ok()),
                Event::Closed { id } => self.desk.forget(id),
                _ => {}
            }
        }
        while let Some(id) = self.desk.dirty.pop() {
            if let Some(bytes) = self.desk.take_out(id) {
                self.ring.send_quietly(id, bytes);
            }
        }
        let mut leaving = std::mem::take(&mut self.desk.leaving);
        leaving.retain(|id| {
            self.desk.peer(*id).is_some_and(|peer| {
                // A close cancels a send that is stuck because the peer does not read yet.
                let is_done = peer.out.is_empty() && !peer.sending;
                if is_done {
                    self.ring.close(*id);
                }
                !is_done
            })
        });
        self.desk.leaving = leaving;
        for id in self.desk.doomed.drain(..) {
            self.ring.close(id);
        }
    }

    /// Notes CPU and messages, now and then.
    fn read(&mut self) {
        let at_ns = clock::now_ns();
        if self.readings.last().is_none_or(|last| at_ns - last.at_ns >= self.sample_ns) {
            self.readings.push(Reading {
                at_ns,
                cpu_ns: clock::thread_cpu_ns(),
                messages: self.desk.messages,
            });
        }
    }
}

impl Desk {
    fn welcome(&mut self, id: ConnectionId) {
        let slot = slot(id);
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, || None);
        }
        self.peers[slot] = Some(Peer::default());
    }

    fn peer(&mut self, id: ConnectionId) -> Option<&mut Peer> {
        self.peers.get_mut(slot(id))?.as_mut()
    }

    fn received(&mut self, id: ConnectionId, bytes: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(slot(id)).and_then(Option::as_mut) else { return };
        if peer.out.capacity() == 0 {
            peer.out = self.spare.pop().unwrap_or_default();
        }
        if !peer.sending && peer.out.is_empty() {
            self.dirty.push(id);
        }
        let stays = peer.take(bytes, &mut self.messages);
        if !stays {
            self.leaving.push(id);
        }
    }

    fn sent(&mut self, id: ConnectionId, mut buffer: Vec<u8>, went: bool) {
        if self.spare.len() < BUFFERS_KEPT_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
        let Some(peer) = self.peer(id) else { return };
        peer.sending = false;
        let more = !peer.out.is_empty();
        if !went {
            self.doomed.push(id);
        } else if more {
            self.dirty.push(id);
        }
    }

    /// What a connection has to send now.
    fn take_out(&mut self, id: ConnectionId) -> Option<Vec<u8>> {
        let peer = self.peer(id).filter(|peer| !peer.sending && !peer.out.is_empty())?;
        peer.sending = true;
        Some(std::mem::take(&mut peer.out))
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(peer) = self.peers.get_mut(slot(id)) {
            *peer = None;
        }
    }
}

fn slot(id: ConnectionId) -> usize {
    usize::try_from(id.slot()).expect("a u32 fits in usize")
}

#[cfg(test)]
mod tests;
