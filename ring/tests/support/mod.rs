//! What the conformance tests share: rings with peers, events that can be kept, and loops that end.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use tickring_ring::{AcceptPause, Config, ConnectionId, Event, Receive, Ring, Wait};

/// Passes before a test gives up; each waits up to [`PASS_WAIT`]. Far beyond what any test needs.
pub const PASSES_MAX: usize = 3000;
/// Longest wait of one pass.
pub const PASS_WAIT: Duration = Duration::from_millis(20);

/// An event without borrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Accepted(ConnectionId),
    AcceptPaused(AcceptPause),
    AcceptResumed,
    Connected(ConnectionId),
    ConnectFailed(ConnectionId, io::ErrorKind),
    Received(ConnectionId, Vec<u8>),
    ReceiveEnded(ConnectionId, Option<io::ErrorKind>),
    Sent(ConnectionId, Vec<u8>, Result<(), io::ErrorKind>),
    Closed(ConnectionId),
    Adopted(ConnectionId, u64),
    HandedOver(ConnectionId),
    HandOverFailed(ConnectionId, Option<i32>),
    Bell,
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Accepted { id } => Self::Accepted(id),
            Event::AcceptPaused { cause } => Self::AcceptPaused(cause),
            Event::AcceptResumed => Self::AcceptResumed,
            Event::Connected { id } => Self::Connected(id),
            Event::ConnectFailed { id, error } => Self::ConnectFailed(id, error.kind()),
            Event::Received { id, bytes, .. } => Self::Received(id, bytes.to_vec()),
            Event::ReceiveEnded { id, error } => Self::ReceiveEnded(id, error.map(|error| error.kind())),
            Event::Sent { id, buffer, result } => {
                Self::Sent(id, buffer, result.map_err(|error| error.kind()))
            }
            Event::Closed { id } => Self::Closed(id),
            Event::Adopted { id, token } => Self::Adopted(id, token),
            Event::HandedOver { id } => Self::HandedOver(id),
            Event::HandOverFailed { id, error } => Self::HandOverFailed(id, error.raw_os_error()),
            Event::Bell => Self::Bell,
        }
    }
}

/// A small ring's configuration.
pub fn small() -> Config {
    Config {
        submission_entries: 64,
        completion_entries: 256,
        buffers: 32,
        buffer_bytes: 1024,
        connections_max: 128,
        ..Config::default()
    }
}

/// A ring that accepts, and where.
pub fn listening(config: &Config) -> (Ring, SocketAddr) {
    let mut ring = Ring::new(config).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    ring.listen(listener).unwrap();
    (ring, address)
}

/// A blocking peer whose reads give up in the end.
pub fn peer(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// A fresh unconnected socket for [`Ring::connect`].
pub fn socket() -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    socket
}

/// One pass: waits for something and returns all of it.
pub fn pass(ring: &mut Ring) -> Vec<Seen> {
    ring.wait(&Wait { timeout: Some(PASS_WAIT), want: 1, gather: Duration::ZERO }).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = ring.next_event() {
        seen.push(event.into());
    }
    seen
}

/// Passes until `done` has said yes to an event; returns everything seen.
pub fn until(ring: &mut Ring, what: &str, mut done: impl FnMut(&Seen) -> bool) -> Vec<Seen> {
    let mut all = Vec::new();
    for _ in 0..PASSES_MAX {
        let seen = pass(ring);
        let finished = seen.iter().any(&mut done);
        all.extend(seen);
        if finished {
            return all;
        }
    }
    panic!("never happened: {what}; seen: {all:?}");
}

/// Connects a peer and accepts it.
pub fn accepted(ring: &mut Ring, address: SocketAddr) -> (ConnectionId, TcpStream) {
    let stream = peer(address);
    let seen = until(ring, "accept", |seen| matches!(seen, Seen::Accepted(_)));
    let id = seen.iter().find_map(|seen| match seen {
        Seen::Accepted(id) => Some(*id),
        _ => None,
    });
    (id.unwrap(), stream)
}

/// As [`accepted`], receiving for good.
pub fn receiving(ring: &mut Ring, address: SocketAddr) -> (ConnectionId, TcpStream) {
    let (id, stream) = accepted(ring, address);
    ring.receive(id, Receive::Many);
    (id, stream)
}

/// The bytes received from `id` among the events, in order.
pub fn bytes_of(seen: &[Seen], id: ConnectionId) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in seen {
        if let Seen::Received(from, more) = event
            && *from == id
        {
            bytes.extend_from_slice(more);
        }
    }
    bytes
}

/// Passes until `count` bytes have come from `id`.
pub fn receive_exactly(ring: &mut Ring, id: ConnectionId, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..PASSES_MAX {
        bytes.extend(bytes_of(&pass(ring), id));
        if bytes.len() >= count {
            assert_eq!(bytes.len(), count);
            return bytes;
        }
    }
    panic!("only {} of {count} bytes arrived", bytes.len());
}

/// A small generator for reproducible choices (splitmix64, Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }
}
