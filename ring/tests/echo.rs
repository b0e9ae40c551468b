//! Bytes go through a ring both ways: as the accepting side and as the connecting side.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use support::{Seen, accepted, listening, pass, peer, receive_exactly, receiving, small, socket, until};
use tickring_ring::{Receive, Ring};

#[test]
fn an_accepted_connection_echoes() {
    let (mut ring, address) = listening(&small());
    let (id, mut peer) = receiving(&mut ring, address);
    for round in 0..50u8 {
        let message = vec![round; 1 + usize::from(round) * 13];
        peer.write_all(&message).unwrap();
        let bytes = receive_exactly(&mut ring, id, message.len());
        assert_eq!(bytes, message);
        if round % 2 == 0 {
            ring.send(id, bytes);
        } else {
            ring.send_quietly(id, bytes);
        }
        assert!(ring.sending(id));
        let seen = until(&mut ring, "sent", |seen| matches!(seen, Seen::Sent(..)));
        assert_eq!(seen, [Seen::Sent(id, message.clone(), Ok(()))]);
        assert!(!ring.sending(id));
        let mut answer = vec![0; message.len()];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(answer, message);
    }
    assert_eq!((ring.counters().sends, ring.counters().short_sends), (50, 0));
    assert_eq!(ring.counters().received_bytes, ring.counters().sent_bytes);
}

#[test]
fn a_made_connection_talks_and_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut ring = Ring::new(&small()).unwrap();
    let id = ring.connect(socket(), listener.local_addr().unwrap()).unwrap();
    until(&mut ring, "connected", |seen| *seen == Seen::Connected(id));
    let (mut peer, _) = listener.accept().unwrap();
    ring.receive(id, Receive::Many);
    ring.send(id, b"question".to_vec());
    until(&mut ring, "sent", |seen| matches!(seen, Seen::Sent(_, _, Ok(()))));
    let mut question = [0; 8];
    peer.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
    peer.write_all(b"answer").unwrap();
    assert_eq!(receive_exactly(&mut ring, id, 6), b"answer");
}

#[test]
fn receiving_once_takes_one_delivery_and_then_waits_to_be_asked() {
    let (mut ring, address) = listening(&small());
    let (id, mut peer) = accepted(&mut ring, address);
    ring.receive(id, Receive::Once);
    assert!(ring.receiving(id));
    peer.write_all(b"first").unwrap();
    assert_eq!(receive_exactly(&mut ring, id, 5), b"first");
    assert!(!ring.receiving(id));
    peer.write_all(b"second").unwrap();
    for _ in 0..5 {
        assert_eq!(pass(&mut ring), []);
    }
    ring.receive(id, Receive::Many);
    assert_eq!(receive_exactly(&mut ring, id, 6), b"second");
    peer.write_all(b"third").unwrap();
    assert_eq!(receive_exactly(&mut ring, id, 5), b"third");
}

#[test]
fn a_paused_connection_delivers_nothing_until_resumed() {
    let (mut ring, address) = listening(&small());
    let (id, mut peer) = receiving(&mut ring, address);
    pass(&mut ring);
    ring.pause_receive(id);
    for _ in 0..3 {
        pass(&mut ring);
    }
    assert!(!ring.receiving(id));
    peer.write_all(b"held back").unwrap();
    for _ in 0..5 {
        assert_eq!(pass(&mut ring), []);
    }
    ring.receive(id, Receive::Many);
    assert_eq!(receive_exactly(&mut ring, id, 9), b"held back");
    // Pausing and resuming at once, with the cancel still under way, loses nothing either.
    ring.pause_receive(id);
    ring.receive(id, Receive::Many);
    peer.write_all(b"again").unwrap();
    assert_eq!(receive_exactly(&mut ring, id, 5), b"again");
}

#[test]
fn a_ring_accepts_or_connects_but_not_both() {
    let (mut accepting, address) = listening(&small());
    let error = accepting.connect(socket(), address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    let mut connecting = Ring::new(&small()).unwrap();
    connecting.connect(socket(), address).unwrap();
    let error = connecting.listen(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    let error = accepting.listen(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
}

#[test]
fn after_stop_listening_nobody_gets_in_and_the_port_is_free() {
    let (mut ring, address) = listening(&small());
    let (id, _peer) = receiving(&mut ring, address);
    ring.stop_listening();
    for _ in 0..3 {
        pass(&mut ring);
    }
    assert!(std::net::TcpStream::connect(address).is_err());
    assert!(ring.receiving(id), "connections live on");
    // SO_REUSEADDR is set by std; the established connection does not hinder binding.
    let again = TcpListener::bind(address).unwrap();
    ring.listen(again).unwrap();
    pass(&mut ring);
    let _second = peer(address);
    until(&mut ring, "accept", |seen| matches!(seen, Seen::Accepted(_)));
}
