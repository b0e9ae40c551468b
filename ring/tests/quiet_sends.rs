//! A quiet send ends no wait and costs no enter of its own; its buffer comes back all the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::time::Duration;

use support::{PASSES_MAX, Seen, listening, pass, receiving, small};
use tickring_ring::{Event, Wait};

#[test]
fn answering_quietly_costs_one_enter_a_message() {
    for (quiet, enters_at_most) in [(true, 110), (false, 210)] {
        let (mut ring, address) = listening(&small());
        let (id, mut peer) = receiving(&mut ring, address);
        pass(&mut ring);
        let before = ring.counters().enters;
        let (mut buffer, mut answered) = (Some(Vec::new()), 0);
        for _ in 0..100 {
            peer.write_all(b"ping").unwrap();
            // A long gathering, so that only what counts as a completion ends a wait. The loop ends when the
            // message has arrived and the last buffer is back.
            for _ in 0..PASSES_MAX {
                let wait = Wait { timeout: Some(Duration::from_secs(5)), want: 1, gather: Duration::ZERO };
                ring.wait(&wait).unwrap();
                let mut bytes_received = 0;
                while let Some(event) = ring.next_event() {
                    match event {
                        Event::Received { bytes, .. } => bytes_received += bytes.len(),
                        Event::Sent { buffer: back, result, .. } => {
                            result.unwrap();
                            assert!(buffer.replace(back).is_none());
                        }
                        other => panic!("{other:?}"),
                    }
                }
                if bytes_received > 0 {
                    assert_eq!(bytes_received, 4);
                    break;
                }
            }
            let mut answer =
                buffer.take().expect("the last buffer is back with the next message at the latest");
            answer.clear();
            answer.extend_from_slice(b"pong");
            if quiet {
                ring.send_quietly(id, answer);
            } else {
                ring.send(id, answer);
            }
            ring.submit().unwrap();
            let mut pong = [0; 4];
            peer.read_exact(&mut pong).unwrap();
            answered += 1;
        }
        assert_eq!(answered, 100);
        // Each answer was submitted by an enter of its own for this test's sake; leave those out.
        let waits = ring.counters().enters - before - 100;
        assert!(waits <= enters_at_most, "{waits} waits for 100 messages, quiet: {quiet}");
        let _buffer_of_the_last = pass(&mut ring);
    }
}

#[test]
fn a_pass_of_many_quiet_sends_returns_all_buffers() {
    let (mut ring, address) = listening(&small());
    let mut peers: Vec<_> = (0..100).map(|_| receiving(&mut ring, address)).collect();
    for round in 0..10u8 {
        // More sends than the submission queue holds.
        for (id, _) in &peers {
            ring.send_quietly(*id, vec![round; 20]);
        }
        let mut back = 0;
        for _ in 0..PASSES_MAX {
            for seen in pass(&mut ring) {
                match seen {
                    Seen::Sent(_, buffer, Ok(())) => {
                        assert_eq!(buffer, [round; 20]);
                        back += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            if back == peers.len() {
                break;
            }
        }
        assert_eq!(back, peers.len());
        for (_, peer) in &mut peers {
            let mut bytes = [0; 20];
            peer.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, [round; 20]);
        }
    }
    assert_eq!(ring.counters().short_sends, 0);
}
