//! A pool of two buffers and many senders: everybody is served in the end, in order.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::io::Write;

use support::{PASSES_MAX, Seen, listening, pass, receiving, small};
use tickring_ring::Config;

#[test]
fn a_dry_pool_delays_but_loses_nothing() {
    let (mut ring, address) = listening(&Config { buffers: 2, buffer_bytes: 64, ..small() });
    let mut peers: Vec<_> = (0..50).map(|_| receiving(&mut ring, address)).collect();
    let message: Vec<u8> = (0..1000u32).map(|i| i.to_le_bytes()[0]).collect();
    for (_, peer) in &mut peers {
        peer.write_all(&message).unwrap();
    }
    let mut received: HashMap<_, Vec<u8>> = HashMap::new();
    for _ in 0..PASSES_MAX {
        for seen in pass(&mut ring) {
            match seen {
                Seen::Received(id, bytes) => received.entry(id).or_default().extend(bytes),
                other => panic!("{other:?}"),
            }
        }
        if received.values().map(Vec::len).sum::<usize>() == peers.len() * message.len() {
            break;
        }
    }
    for (id, _) in &peers {
        assert!(received[id] == message, "{} bytes of {id:?}", received[id].len());
    }
    assert!(ring.counters().buffer_exhaustions > 0);
}
