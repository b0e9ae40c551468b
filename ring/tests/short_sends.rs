//! A buffer far larger than the socket's, a reader that takes its time: everything arrives, in order, and the
//! buffer comes back once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Read;
use std::thread;

use support::{Seen, listening, pass, receiving, small, until};

fn pattern(bytes: usize) -> Vec<u8> {
    let mut random = support::Random(7);
    (0..bytes).map(|_| random.next().to_le_bytes()[0]).collect()
}

fn a_slow_reader_gets_everything(quiet: bool) {
    let (mut ring, address) = listening(&small());
    let (id, mut peer) = receiving(&mut ring, address);
    let bytes = pattern(8 << 20);
    let expected = bytes.clone();
    let reader = thread::spawn(move || {
        let mut all = vec![0; expected.len()];
        // Small reads keep the window nearly closed.
        for chunk in all.chunks_mut(10_000) {
            peer.read_exact(chunk).unwrap();
        }
        assert!(all == expected, "the bytes that arrived are not those sent");
        peer
    });
    if quiet {
        ring.send_quietly(id, bytes.clone());
    } else {
        ring.send(id, bytes.clone());
    }
    let seen = until(&mut ring, "sent", |seen| matches!(seen, Seen::Sent(..)));
    assert!(seen == [Seen::Sent(id, bytes, Ok(()))]);
    assert_eq!(ring.counters().short_sends > 0, quiet, "a plain one waits inside the kernel");
    drop(reader.join().unwrap());
}

#[test]
fn a_large_plain_send_arrives_whole() {
    a_slow_reader_gets_everything(false);
}

#[test]
fn a_large_quiet_send_goes_on_as_a_plain_one() {
    a_slow_reader_gets_everything(true);
}

#[test]
fn closing_in_the_middle_of_a_stuck_send_gives_the_buffer_back_first() {
    for quiet in [false, true] {
        let (mut ring, address) = listening(&small());
        let (id, _peer) = receiving(&mut ring, address);
        let bytes = pattern(32 << 20);
        if quiet {
            ring.send_quietly(id, bytes);
        } else {
            ring.send(id, bytes);
        }
        for _ in 0..3 {
            assert_eq!(pass(&mut ring), [], "nobody reads");
        }
        ring.close(id);
        ring.close(id);
        let seen = until(&mut ring, "closed", |seen| *seen == Seen::Closed(id));
        match &seen[..] {
            [Seen::Sent(sent, buffer, Err(_)), Seen::Closed(closed)] => {
                assert_eq!((*sent, *closed, buffer.len()), (id, id, 32 << 20));
            }
            other => panic!("{} events, not Sent and Closed", other.len()),
        }
    }
}

#[test]
fn a_send_queued_before_close_still_goes_out() {
    let (mut ring, address) = listening(&small());
    for quiet in [false, true] {
        let (id, mut peer) = support::accepted(&mut ring, address);
        if quiet {
            ring.send_quietly(id, b"goodbye".to_vec());
        } else {
            ring.send(id, b"goodbye".to_vec());
        }
        ring.close(id);
        let seen = until(&mut ring, "closed", |seen| *seen == Seen::Closed(id));
        assert_eq!(seen, [Seen::Sent(id, b"goodbye".to_vec(), Ok(())), Seen::Closed(id)]);
        let mut rest = String::new();
        peer.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "goodbye");
    }
}
