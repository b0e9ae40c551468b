//! More completions than the completion queue holds: none is lost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use support::{PASSES_MAX, Seen, accepted, bytes_of, listening, pass, receiving, small};
use tickring_ring::{Config, Ring};

#[test]
fn a_flood_of_completions_loses_nothing() {
    let config = Config { submission_entries: 4, completion_entries: 8, buffers: 256, ..small() };
    let (mut ring, address) = listening(&config);
    let mut peers: Vec<_> = (0..40).map(|_| receiving(&mut ring, address)).collect();
    for round in 0..20u8 {
        // All of them speak before the ring looks, and all are answered in one pass: both directions need five
        // times the queue.
        for (_, peer) in &mut peers {
            peer.write_all(&[round; 100]).unwrap();
        }
        let mut received = vec![0; peers.len()];
        let mut sent = 0;
        for _ in 0..PASSES_MAX {
            let seen = pass(&mut ring);
            for (index, (id, _)) in peers.iter().enumerate() {
                let bytes = bytes_of(&seen, *id);
                assert!(bytes.iter().all(|byte| *byte == round));
                received[index] += bytes.len();
                if received[index] == 100 && !bytes.is_empty() {
                    match index % 2 {
                        0 => ring.send(*id, vec![round; 50]),
                        _ => ring.send_quietly(*id, vec![round; 50]),
                    }
                }
            }
            sent += seen.iter().filter(|seen| matches!(seen, Seen::Sent(_, _, Ok(())))).count();
            if sent == peers.len() {
                break;
            }
        }
        assert_eq!((received, sent), (vec![100; peers.len()], peers.len()));
        for (_, peer) in &mut peers {
            let mut answer = [0; 50];
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [round; 50]);
        }
    }
    assert!(ring.counters().overflows > 0, "the queue did overflow: {:?}", ring.counters());
    assert_eq!(ring.counters().stale_completions, 0);
}

#[test]
fn a_quiet_send_that_fell_short_is_not_taken_for_done_while_its_completion_waits_for_room() {
    const BYTES: usize = 300_000;
    let listener = support::socket();
    // Small socket buffers, which accepted connections inherit, so that every send falls short.
    listener.set_send_buffer_size(16 * 1024).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(64).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let config = Config { submission_entries: 4, completion_entries: 8, ..small() };
    let mut ring = Ring::new(&config).unwrap();
    ring.listen(listener.into()).unwrap();
    let mut peers: Vec<_> = (0..40).map(|_| accepted(&mut ring, address)).collect();
    for (id, peer) in &peers {
        peer.set_nonblocking(true).unwrap();
        ring.send_quietly(*id, (0..BYTES).map(|i| i.to_le_bytes()[1]).collect());
    }
    let (mut back, mut arrived) = (0, vec![0usize; peers.len()]);
    let mut chunk = [0; 65536];
    for _ in 0..PASSES_MAX {
        for seen in pass(&mut ring) {
            match seen {
                Seen::Sent(_, buffer, Ok(())) if buffer.len() == BYTES => back += 1,
                other => panic!("{other:?}"),
            }
        }
        for ((_, peer), position) in peers.iter_mut().zip(&mut arrived) {
            match peer.read(&mut chunk) {
                Ok(count) => {
                    assert!(count > 0);
                    for byte in &chunk[..count] {
                        assert_eq!(*byte, position.to_le_bytes()[1]);
                        *position += 1;
                    }
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        if back == peers.len() && arrived.iter().all(|count| *count == BYTES) {
            break;
        }
    }
    assert_eq!((back, arrived), (peers.len(), vec![BYTES; peers.len()]));
    assert!(ring.counters().overflows > 0 && ring.counters().short_sends >= 40, "{:?}", ring.counters());
}
