//! More peers than slots: accepting pauses, nobody is accepted and then dropped, and it goes on by itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use support::{PASSES_MAX, Seen, pass, peer, small, until};
use tickring_ring::{AcceptPause, Config, Ring};

/// A ring whose listener has the given backlog.
fn ring(backlog: i32, slots: u32) -> (Ring, SocketAddr) {
    let socket = support::socket();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(backlog).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut ring = Ring::new(&Config { connections_max: slots, ..small() }).unwrap();
    ring.listen(listener).unwrap();
    (ring, address)
}

/// Greets everybody; when the table is full, sends those greeted away.
fn greet(ring: &mut Ring, slots: u32, count: usize) {
    let mut greeted = Vec::new();
    let (mut paused, mut resumed, mut served) = (0, 0, 0);
    for _ in 0..PASSES_MAX {
        for seen in pass(ring) {
            match seen {
                Seen::Accepted(id) => ring.send(id, b"hello".to_vec()),
                Seen::AcceptPaused(cause) => {
                    assert_eq!(cause, AcceptPause::TableFull);
                    assert_eq!(ring.connections(), slots);
                    paused += 1;
                }
                Seen::AcceptResumed => resumed += 1,
                Seen::Sent(id, _, result) => {
                    assert_eq!(result, Ok(()));
                    greeted.push(id);
                    served += 1;
                }
                Seen::Closed(_) => {}
                other => panic!("{other:?}"),
            }
        }
        if served == count {
            break;
        }
        if paused > resumed {
            for id in greeted.drain(..) {
                ring.close(id);
            }
        }
    }
    assert_eq!(served, count);
    assert!(paused > 0 && resumed >= paused - 1, "paused {paused}, resumed {resumed}");
    assert_eq!(ring.counters().accepts_dropped, 0);
}

#[test]
fn a_burst_at_a_tiny_table_is_served_in_turns() {
    let (mut ring, address) = ring(128, 4);
    let mut peers: Vec<_> = (0..60).map(|_| peer(address)).collect();
    greet(&mut ring, 4, peers.len());
    for peer in &mut peers {
        let mut hello = [0; 5];
        peer.read_exact(&mut hello).unwrap();
        assert_eq!(&hello, b"hello");
    }
}

/// How many connections each wait brings, until all of `count` are there.
fn arrivals(ring: &mut Ring, count: usize) -> Vec<usize> {
    let mut passes = Vec::new();
    while passes.iter().sum::<usize>() < count {
        assert!(passes.len() < PASSES_MAX, "{passes:?}");
        passes.push(pass(ring).iter().filter(|seen| matches!(seen, Seen::Accepted(_))).count());
    }
    passes
}

#[test]
fn a_burst_beside_something_urgent_is_accepted_a_few_a_wait() {
    let (mut ring, address) = ring(128, 1000);
    // So that the change comes while a multishot is armed.
    let _first = peer(address);
    arrivals(&mut ring, 1);
    ring.accept_few(true);
    pass(&mut ring);
    let _few: Vec<_> = (0..100).map(|_| peer(address)).collect();
    let few = arrivals(&mut ring, 100);
    assert!(few.iter().all(|count| *count <= 16), "{few:?}");
    ring.accept_few(false);
    let _many: Vec<_> = (0..100).map(|_| peer(address)).collect();
    let many = arrivals(&mut ring, 100);
    assert!(many.iter().any(|count| *count > 16), "{many:?}");
    assert_eq!(ring.counters().accepts_dropped, 0);
}

#[test]
fn a_table_larger_than_the_backlog_changes_from_multishot_to_single_accepts_and_back() {
    let (mut ring, address) = ring(4, 24);
    // One at a time, so that the short backlog never overflows; all of them stay.
    let peers = thread::spawn(move || {
        let greeted = |_| {
            let mut peer = peer(address);
            let mut hello = [0; 5];
            peer.read_exact(&mut hello).unwrap();
            peer
        };
        (0..100).map(greeted).collect::<Vec<_>>()
    });
    greet(&mut ring, 24, 100);
    drop(peers.join().unwrap());
}

#[test]
fn connects_beyond_the_table_are_refused_and_its_slots_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut ring = Ring::new(&Config { connections_max: 3, ..small() }).unwrap();
    for _ in 0..5 {
        let ids: Vec<_> = (0..3).map(|_| ring.connect(support::socket(), address).unwrap()).collect();
        let error = ring.connect(support::socket(), address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        let mut connected = 0;
        until(&mut ring, "connected", |seen| {
            connected += usize::from(matches!(seen, Seen::Connected(_)));
            connected == 3
        });
        for id in ids {
            ring.close(id);
        }
        let mut closed = 0;
        until(&mut ring, "closed", |seen| {
            closed += usize::from(matches!(seen, Seen::Closed(_)));
            closed == 3
        });
        assert_eq!(ring.connections(), 0);
    }
}

#[test]
fn a_refused_connect_fails_and_frees_its_slot() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut ring = Ring::new(&Config { connections_max: 1, ..small() }).unwrap();
    for _ in 0..3 {
        let id = ring.connect(support::socket(), address).unwrap();
        let seen = until(&mut ring, "failure", |seen| matches!(seen, Seen::ConnectFailed(..)));
        assert_eq!(seen, [Seen::ConnectFailed(id, ErrorKind::ConnectionRefused)]);
        assert_eq!(ring.connections(), 0);
    }
}

#[test]
fn a_connect_that_hangs_is_given_up_by_closing() {
    // A listener whose backlog is full does not answer.
    let socket = support::socket();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _fills_the_backlog = peer(address);
    let mut ring = Ring::new(&small()).unwrap();
    let ids: Vec<_> = (0..3).map(|_| ring.connect(support::socket(), address).unwrap()).collect();
    ring.submit().unwrap();
    thread::sleep(Duration::from_millis(10));
    for id in &ids {
        ring.close(*id);
    }
    let mut closed = 0;
    until(&mut ring, "closed", |seen| {
        closed += usize::from(matches!(seen, Seen::Closed(_)));
        closed == ids.len()
    });
    assert_eq!(ring.connections(), 0);
}
