//! When bytes arrived is told by the kernel, however late they are fetched.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};
use support::{PASS_WAIT, PASSES_MAX, Seen, listening, receiving, small, until};
use tickring_ring::{Config, Event, Receive, Ring, Wait};

/// The ring does not read its two clocks at the very same moment, and may be kept from it for longer once in a while.
const APART: Duration = Duration::from_micros(100);

fn now() -> Duration {
    clock_gettime(ClockId::Monotonic).try_into().unwrap()
}

fn stamping() -> Config {
    Config { arrival_times: true, ..small() }
}

/// The next bytes and when they arrived.
fn received(ring: &mut Ring) -> (Vec<u8>, Option<Duration>) {
    for _ in 0..PASSES_MAX {
        ring.wait(&Wait { timeout: Some(PASS_WAIT), want: 1, gather: Duration::ZERO }).unwrap();
        let mut found = None;
        while let Some(event) = ring.next_event() {
            if let Event::Received { bytes, arrived, .. } = event {
                found = Some((bytes.to_vec(), arrived));
            }
        }
        if let Some(found) = found {
            return found;
        }
    }
    panic!("nothing came");
}

#[test]
fn an_arrival_lies_between_sending_and_being_there_not_at_fetching() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ring = Ring::new(&stamping()).unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
    let same = socket.try_clone().unwrap();
    let id = ring.connect(socket, listener.local_addr().unwrap()).unwrap();
    until(&mut ring, "connected", |seen| *seen == Seen::Connected(id));
    ring.receive(id, Receive::Many);
    ring.submit().unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    // The kernel begins to stamp a moment after the first socket asked for it.
    let first = (0..PASSES_MAX).find(|_| {
        peer.write_all(b"early").unwrap();
        received(&mut ring).1.is_some()
    });
    assert!(first.is_some(), "nothing is ever stamped");
    let mut between = 0;
    for number in 0..20_u8 {
        let sent = now();
        peer.write_all(&[number; 3]).unwrap();
        while same.peek(&mut [std::mem::MaybeUninit::uninit(); 8]).is_err() {
            std::thread::yield_now();
        }
        let there = now();
        // Whoever took the time of fetching would be too late from here on.
        while now() < there + 4 * APART {}
        let (bytes, arrived) = received(&mut ring);
        let arrived = arrived.unwrap();
        assert_eq!(bytes, [number; 3]);
        between += u32::from(sent <= arrived + APART && arrived <= there + APART);
    }
    assert!(between >= 15, "only {between} of 20 arrived when they did");
}

#[test]
fn a_buffer_is_filled_to_its_end_and_a_stream_ends_as_ever() {
    let config = stamping();
    let (mut ring, address) = listening(&config);
    let (id, mut peer) = receiving(&mut ring, address);
    let bytes: Vec<u8> = (0..20_000_u32).map(|at| at.to_le_bytes()[1]).collect();
    peer.write_all(&bytes).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let seen = until(&mut ring, "end", |seen| matches!(seen, Seen::ReceiveEnded(..)));
    assert_eq!(support::bytes_of(&seen, id), bytes);
    assert_eq!(seen.last(), Some(&Seen::ReceiveEnded(id, None)));
    let longest = seen.iter().map(|seen| if let Seen::Received(_, bytes) = seen { bytes.len() } else { 0 });
    let head = 48;
    assert_eq!(longest.max(), Some(usize::try_from(config.buffer_bytes).unwrap() - head));
}

#[test]
fn who_asks_for_no_times_gets_none() {
    let (mut ring, address) = listening(&small());
    let (_, mut peer) = receiving(&mut ring, address);
    peer.write_all(b"when").unwrap();
    assert_eq!(received(&mut ring), (b"when".to_vec(), None));
}
