//! A random schedule of everything at once, reproducible by its seed.
//!
//! Two rings, one accepting and one connecting, take turns on one thread. Connections on both sides send
//! numbered bytes, plainly and quietly, in small and in huge pieces, pause, resume, shut down and close at random
//! moments; some peers stall. A model of each connection checks, event by event: bytes of a stream arrive in order
//! and without a gap; each send gives its buffer back exactly once; each identity begins once, ends with exactly one
//! Closed (or ConnectFailed), and is silent after that and after its owner's close.
//!
//! Replay: `TICKRING_FUZZ_SEED=n cargo test -p tickring-ring --test schedule`; more schedules:
//! `TICKRING_FUZZ_ITERATIONS=n`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use support::{Random, Seen, listening};
use tickring_ring::{Config, ConnectionId, Receive, Ring, Wait};

const CONNECTIONS_MAX: usize = 24;
const STEPS: usize = 250;
const QUIET_END_PASSES: usize = 3000;

/// What the test knows of one connection.
#[derive(Debug, Default)]
struct Model {
    open: bool,
    closing: bool,
    shut: bool,
    ended: bool,
    paused: bool,
    /// Bytes given to sends, and those of the send under way.
    sent: u64,
    sending: Option<usize>,
    /// Bytes received; each has the value its position demands.
    received: u64,
}

#[derive(Debug)]
struct Side {
    ring: Ring,
    accepting: bool,
    connections: BTreeMap<ConnectionId, Model>,
    sends: u64,
    buffers_back: u64,
    begun: u64,
    finished: u64,
}

/// The byte at a position of any stream.
fn byte_at(position: u64) -> u8 {
    (position % 251).to_le_bytes()[0]
}

impl Side {
    fn new(ring: Ring, accepting: bool) -> Self {
        Self {
            ring,
            accepting,
            connections: BTreeMap::new(),
            sends: 0,
            buffers_back: 0,
            begun: 0,
            finished: 0,
        }
    }

    fn begin(&mut self, id: ConnectionId, open: bool) {
        self.begun += 1;
        let model = Model { open, ..Model::default() };
        assert!(self.connections.insert(id, model).is_none(), "{id:?} began twice");
        if open {
            self.ring.receive(id, Receive::Many);
        }
    }

    /// One pass, every event checked.
    fn pass(&mut self, wait: &Wait) {
        self.ring.wait(wait).unwrap();
        let mut seen = Vec::new();
        while let Some(event) = self.ring.next_event() {
            seen.push(Seen::from(event));
        }
        for event in seen {
            self.check(event);
        }
    }

    fn check(&mut self, event: Seen) {
        match event {
            Seen::Accepted(id) => self.begin(id, true),
            Seen::Connected(id) => {
                let model = self.connections.get_mut(&id).expect("connected: known");
                assert!(!model.open && !model.closing);
                model.open = true;
                self.ring.receive(id, Receive::Many);
            }
            Seen::Received(id, bytes) => {
                let model = self.connections.get_mut(&id).expect("received: known");
                assert!(!model.closing && !model.ended, "{id:?} received after its end: {model:?}");
                for byte in bytes {
                    assert_eq!(byte, byte_at(model.received), "{id:?} at {}", model.received);
                    model.received += 1;
                }
            }
            Seen::ReceiveEnded(id, _) => {
                let model = self.connections.get_mut(&id).expect("ended: known");
                assert!(!model.closing && !model.ended);
                model.ended = true;
            }
            Seen::Sent(id, buffer, result) => {
                let model = self.connections.get_mut(&id).expect("sent: known");
                assert_eq!(model.sending.take(), Some(buffer.len()), "one buffer per send, the same one");
                assert!(result.is_ok() || model.closing || model.open);
                self.buffers_back += 1;
                if result.is_err() {
                    // The stream is broken: nothing sensible can follow on it.
                    model.shut = true;
                }
            }
            Seen::Closed(id) | Seen::ConnectFailed(id, _) => {
                let model = self.connections.remove(&id).expect("closed: known, and once only");
                assert!(model.sending.is_none(), "the buffer comes before the end");
                assert!(
                    matches!(event, Seen::ConnectFailed(..)) || model.closing,
                    "closed by its owner only"
                );
                self.finished += 1;
            }
            Seen::AcceptPaused(_) | Seen::AcceptResumed => assert!(self.accepting),
            other => panic!("unexpected: {other:?}"),
        }
    }

    fn send(&mut self, id: ConnectionId, bytes: usize, quietly: bool) {
        let model = self.connections.get_mut(&id).expect("chosen from the map");
        let buffer: Vec<u8> = (model.sent..).take(bytes).map(byte_at).collect();
        model.sent += buffer.len() as u64;
        model.sending = Some(buffer.len());
        self.sends += 1;
        if quietly {
            self.ring.send_quietly(id, buffer);
        } else {
            self.ring.send(id, buffer);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        self.connections.get_mut(&id).expect("chosen from the map").closing = true;
        self.ring.close(id);
    }

    /// One random act on one random connection.
    fn act(&mut self, random: &mut Random, target: SocketAddr) {
        if !self.accepting && self.connections.len() < CONNECTIONS_MAX && random.below(4) == 0 {
            let id = self.ring.connect(support::socket(), target).unwrap();
            self.begin(id, false);
            return;
        }
        if self.connections.is_empty() {
            return;
        }
        let chosen = random.below(self.connections.len());
        let (&id, model) = self.connections.iter_mut().nth(chosen).expect("in range");
        if model.closing {
            return;
        }
        match random.below(20) {
            0 => self.close(id),
            1 if model.open => {
                model.shut = true;
                self.ring.shutdown(id);
            }
            2 | 3 if model.open => {
                model.paused = !model.paused;
                if model.paused {
                    self.ring.pause_receive(id);
                } else {
                    self.ring.receive(id, Receive::Many);
                }
            }
            4 if model.open && !model.shut && model.sending.is_none() => {
                self.send(id, 1_500_000, random.below(2) == 0)
            }
            5..18 if model.open && !model.shut && model.sending.is_none() => {
                let bytes = 1 + random.below(5000);
                self.send(id, bytes, random.below(2) == 0);
            }
            _ => {}
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let config = Config {
        submission_entries: 1 << random.below(6),
        completion_entries: 32 << random.below(4),
        buffers: 1 << random.below(7),
        buffer_bytes: 512,
        connections_max: u32::try_from(CONNECTIONS_MAX / 2 + random.below(CONNECTIONS_MAX)).unwrap(),
        receive_bytes_per_pass_max: 4096,
        arrival_times: random.below(2) == 0,
    };
    let (ring, address) = listening(&config);
    let mut accepting = Side::new(ring, true);
    let mut connecting = Side::new(Ring::new(&Config { connections_max: 64, ..config }).unwrap(), false);
    for _ in 0..STEPS {
        for side in [&mut accepting, &mut connecting] {
            for _ in 0..random.below(8) {
                side.act(&mut random, address);
            }
            let want = 1 << random.below(6);
            let gather = Duration::from_micros(random.below(2) as u64 * 50);
            let timeout = Some(Duration::from_micros(random.below(200) as u64));
            side.pass(&Wait { timeout, want, gather });
        }
    }
    // The end: close everything; each side's buffers and identities must add up.
    accepting.ring.stop_listening();
    for _ in 0..QUIET_END_PASSES {
        for side in [&mut connecting, &mut accepting] {
            let ids: Vec<_> =
                side.connections.iter().filter(|(_, model)| !model.closing).map(|(id, _)| *id).collect();
            for id in ids {
                side.close(id);
            }
            side.pass(&Wait { timeout: Some(Duration::from_millis(1)), want: 1, gather: Duration::ZERO });
        }
        if connecting.connections.is_empty() && accepting.connections.is_empty() {
            break;
        }
    }
    for side in [&accepting, &connecting] {
        assert!(side.connections.is_empty(), "never closed: {:?}", side.connections);
        assert_eq!(side.sends, side.buffers_back, "each send gives its buffer back once");
        assert_eq!(side.begun, side.finished);
        assert_eq!(side.ring.connections(), 0);
        assert_eq!(side.ring.counters().stale_completions, 0);
        assert_eq!(side.ring.counters().accepts_dropped, 0);
    }
    assert!(connecting.sends > 0 && accepting.sends > 0, "the schedule did something");
}

#[test]
fn fuzz_random_schedules_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("TICKRING_FUZZ_SEED") {
        return run(seed);
    }
    // A larger count is meant for bodies that run in microseconds; a schedule takes tens of milliseconds.
    let iterations =
        number("TICKRING_FUZZ_ITERATIONS").map_or(5, |iterations| (iterations / 250).clamp(5, 500));
    for seed in 0..iterations {
        println!("schedule {seed}: replay with TICKRING_FUZZ_SEED={seed}");
        run(seed);
    }
}
