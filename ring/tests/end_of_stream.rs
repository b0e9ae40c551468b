//! A peer that finishes in order, and one that resets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use support::{Seen, bytes_of, listening, pass, receiving, small, until};

#[test]
fn a_finished_stream_ends_once_after_its_bytes_and_can_still_be_answered() {
    let (mut ring, address) = listening(&small());
    let (id, mut peer) = receiving(&mut ring, address);
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let seen = until(&mut ring, "end", |seen| matches!(seen, Seen::ReceiveEnded(..)));
    assert_eq!(bytes_of(&seen, id), b"last words");
    assert_eq!(seen.last(), Some(&Seen::ReceiveEnded(id, None)));
    // Asking again after the end does nothing.
    ring.receive(id, tickring_ring::Receive::Many);
    assert!(!ring.receiving(id));
    ring.send(id, b"farewell".to_vec());
    until(&mut ring, "sent", |seen| matches!(seen, Seen::Sent(_, _, Ok(()))));
    ring.close(id);
    until(&mut ring, "closed", |seen| *seen == Seen::Closed(id));
    let mut rest = String::new();
    peer.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "farewell");
    assert_eq!(ring.connections(), 0);
}

#[test]
fn shutdown_waits_for_what_is_being_sent() {
    let (mut ring, address) = listening(&small());
    let (id, mut peer) = receiving(&mut ring, address);
    let bytes: Vec<u8> = (0..4_000_000u32).map(|i| i.to_le_bytes()[1]).collect();
    ring.send(id, bytes.clone());
    ring.shutdown(id);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        (peer, all)
    });
    until(&mut ring, "sent", |seen| matches!(seen, Seen::Sent(_, _, Ok(()))));
    pass(&mut ring);
    let (mut peer, all) = reader.join().unwrap();
    assert!(all == bytes, "{} bytes arrived", all.len());
    // The other direction is still open.
    peer.write_all(b"read it all").unwrap();
    assert_eq!(support::receive_exactly(&mut ring, id, 11), b"read it all");
}

#[test]
fn a_reset_is_an_error_of_the_stream_and_of_sends() {
    let (mut ring, address) = listening(&small());
    let (id, peer) = receiving(&mut ring, address);
    pass(&mut ring);
    // Closing with linger zero resets.
    socket2::SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    let seen = until(&mut ring, "reset", |seen| matches!(seen, Seen::ReceiveEnded(..)));
    assert_eq!(seen, [Seen::ReceiveEnded(id, Some(ErrorKind::ConnectionReset))]);
    for quiet in [false, true] {
        if quiet {
            ring.send_quietly(id, vec![7; 10]);
        } else {
            ring.send(id, vec![7; 10]);
        }
        let seen = until(&mut ring, "sent", |seen| matches!(seen, Seen::Sent(..)));
        assert_eq!(seen, [Seen::Sent(id, vec![7; 10], Err(ErrorKind::BrokenPipe))], "quiet: {quiet}");
    }
    ring.close(id);
    until(&mut ring, "closed", |seen| *seen == Seen::Closed(id));
}

#[test]
fn what_stands_behind_a_quiet_send_needs_no_other_event() {
    let (mut ring, address) = listening(&small());
    let gathering = tickring_ring::Wait {
        timeout: Some(std::time::Duration::from_secs(20)),
        want: 64,
        gather: std::time::Duration::from_secs(10),
    };
    for closing in [false, true] {
        let (id, mut peer) = support::accepted(&mut ring, address);
        ring.send_quietly(id, b"goodbye".to_vec());
        if closing {
            ring.close(id);
        } else {
            ring.shutdown(id);
        }
        ring.wait(&gathering).unwrap();
        let settled: Vec<_> = std::iter::from_fn(|| ring.next_event().map(Seen::from)).collect();
        assert_eq!(settled, [Seen::Sent(id, b"goodbye".to_vec(), Ok(()))]);
        ring.submit().unwrap();
        let mut rest = String::new();
        peer.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "goodbye");
    }
}
