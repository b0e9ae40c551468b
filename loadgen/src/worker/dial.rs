//! Making connections: at their rate, each from its own source address and port, none forgotten.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tickring_ring::ConnectionId;

use crate::measure::errors::Cause;
use crate::plan::Plan;
use crate::sources::{Pair, Pairs};

/// Connections of one worker that may be between their first packet and being ready. Bounds what a
/// server that does not answer ties up; far above what one that does needs.
const HANDSHAKES_MAX: u64 = 1_024;
/// Connects started in one pass of the worker, so that those already there are not kept waiting.
const PER_PASS_MAX: u64 = 64;
/// Source ports tried for one connection before it counts as failed.
const PORTS_TRIED_MAX: u8 = 64;

/// Hands out attempts at a fixed rate.
#[derive(Debug)]
pub(crate) struct Dialer {
    targets: Vec<Destination>,
    start_ns: u64,
    /// From the attempt to being ready for traffic.
    timeout_ns: u64,
    /// Attempts a second of this worker.
    rate_hz: f64,
    /// Next connection to attempt for the first time.
    next: u32,
    count: u32,
    /// Connections to attempt at once: those whose source port turned out to be taken, those that take another's place or
    /// come back.
    again: VecDeque<u32>,
    /// (deadline, connection) in order of the attempts.
    deadlines: VecDeque<(u64, ConnectionId)>,
}

/// A target, with the sources that connections to it may have: towards each, all of them.
#[derive(Debug)]
struct Destination {
    address: SocketAddr,
    pairs: Pairs,
}

/// Why no attempt could be made.
#[derive(Debug)]
pub(crate) enum DialError {
    /// This connection fails; others may not.
    Failed(Cause),
    /// The local port is taken; try the connection again. The cause counts if every further one is too.
    PortTaken(Cause),
}

impl Dialer {
    /// The dialer of worker `index` with `count` connections, from now on.
    pub(crate) fn new(plan: &Plan, index: u32, salt: u32, start_ns: u64, count: u32) -> Self {
        Self {
            targets: plan
                .targets
                .iter()
                .map(|target| Destination {
                    address: target.address,
                    pairs: plan.sources.share(index, plan.workers, salt),
                })
                .collect(),
            start_ns,
            timeout_ns: u64::try_from(plan.connect_timeout.as_nanos()).expect("the plan allows a day"),
            rate_hz: f64::from(plan.connect_rate) / f64::from(plan.workers),
            next: 0,
            count,
            again: VecDeque::new(),
            deadlines: VecDeque::new(),
        }
    }

    /// The link to attempt now, if one is due while `handshakes` are under way.
    pub(crate) fn due(&mut self, now_ns: u64, handshakes: u64, this_pass: u64) -> Option<u32> {
        if this_pass >= PER_PASS_MAX {
            return None;
        }
        // Those are not held up: that they come all at once may be the point.
        if let Some(link) = self.again.pop_front() {
            return Some(link);
        }
        if self.next >= self.count || now_ns < self.first_ns() || handshakes >= HANDSHAKES_MAX {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// When the next attempt is due.
    pub(crate) fn next_ns(&self) -> u64 {
        if self.again.is_empty() { self.first_ns() } else { 0 }
    }

    /// Attempts this connection as soon as can be.
    pub(crate) fn add(&mut self, link: u32) {
        self.again.push_back(link);
    }

    /// A connection is over, and its source may be used again.
    pub(crate) fn give_back(&mut self, target: u16, pair: u32) {
        self.targets[usize::from(target)].pairs.give_back(pair);
    }

    /// When the next first attempt is due.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a non-negative number of nanoseconds within a run"
    )]
    fn first_ns(&self) -> u64 {
        self.start_ns + (f64::from(self.next) * 1e9 / self.rate_hz) as u64
    }

    /// Whether every connection has been attempted.
    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.count && self.again.is_empty()
    }

    /// Gives up on what has not been attempted; returns what that is.
    pub(crate) fn give_up(&mut self) -> impl Iterator<Item = u32> + use<> {
        let never = self.next..self.count;
        self.next = self.count;
        never.chain(std::mem::take(&mut self.again))
    }

    /// Notes an attempt's deadline.
    pub(crate) fn attempted(&mut self, id: ConnectionId, now_ns: u64) {
        self.deadlines.push_back((now_ns + self.timeout_ns, id));
    }

    /// An attempt whose time is over.
    pub(crate) fn overdue(&mut self, now_ns: u64) -> Option<ConnectionId> {
        let (deadline_ns, id) = *self.deadlines.front()?;
        if now_ns < deadline_ns {
            return None;
        }
        self.deadlines.pop_front();
        Some(id)
    }

    /// The connection's local port is taken after all: it is tried again, unless it has been too often.
    pub(crate) fn try_again(&mut self, link: u32, ports_tried: &mut u8) -> bool {
        *ports_tried += 1;
        let may = *ports_tried < PORTS_TRIED_MAX;
        if may {
            self.again.push_back(link);
        }
        may
    }

    /// A socket for a target, bound to the next free source, whose number goes into `pair`.
    pub(crate) fn socket(&mut self, target: u16, pair: &mut u32) -> Result<(Socket, SocketAddr), DialError> {
        let failed = |error: io::Error| DialError::Failed(Cause::of(&error));
        let Destination { address, pairs } = &mut self.targets[usize::from(target)];
        let source = pairs.next().ok_or(DialError::Failed(Cause::PortsExhausted))?;
        let socket = Socket::new(
            Domain::for_address(*address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )
        .map_err(failed)?;
        socket.set_tcp_nodelay(true).map_err(failed)?;
        if let Pair::Bind(source, number) = source {
            *pair = number;
            // A port whose last connection is in TIME_WAIT may be bound again; the kernel decides at
            // connect whether the whole tuple is safe to use.
            socket.set_reuse_address(true).map_err(failed)?;
            if let Err(error) = socket.bind(&source.into()) {
                return Err(match error.kind() {
                    io::ErrorKind::AddrInUse => DialError::PortTaken(Cause::of(&error)),
                    // Not the port: no socket of this machine can have the address.
                    io::ErrorKind::AddrNotAvailable => DialError::Failed(Cause::NoSuchSource),
                    _ => failed(error),
                });
            }
        }
        Ok((socket, *address))
    }
}

/// Whether another source port may help after a failed `connect`. There an address that is "not available"
/// means that this address has no free port towards the target.
pub(crate) fn is_port_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable)
}
