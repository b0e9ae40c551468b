//! Connections move from one ring to another on another thread; bytes that arrive meanwhile are read there.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;

use support::{PASSES_MAX, Seen, accepted, listening, pass, receive_exactly, small, until};
use tickring_ring::{Config, Receive, Ring, RingAddress};

const COUNT: usize = 200;

/// Adopts everybody, answers what each says with its token, and ends when all have left.
fn adopting_ring(tell: &mpsc::Sender<RingAddress>) {
    let mut ring = Ring::new(&Config { connections_max: 256, buffers: 64, ..small() }).unwrap();
    tell.send(ring.address()).unwrap();
    let mut tokens = HashMap::new();
    let mut closed = 0;
    for _ in 0..PASSES_MAX {
        for seen in pass(&mut ring) {
            match seen {
                Seen::Adopted(id, token) => {
                    assert!(tokens.insert(id, token).is_none());
                    ring.receive(id, Receive::Many);
                }
                Seen::Received(id, bytes) => {
                    assert_eq!(bytes, tokens[&id].to_le_bytes());
                    ring.send_quietly(id, [&bytes[..], b"!"].concat());
                }
                Seen::Sent(_, _, Ok(())) => {}
                Seen::ReceiveEnded(id, None) => ring.close(id),
                Seen::Closed(_) => closed += 1,
                other => panic!("{other:?}"),
            }
        }
        if closed == COUNT {
            break;
        }
    }
    assert_eq!((tokens.len(), closed), (COUNT, COUNT));
    assert_eq!(ring.counters().adopted, 200);
    let mut distinct: Vec<_> = tokens.into_values().collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), COUNT);
}

#[test]
fn two_hundred_of_two_hundred_move_with_data_in_flight() {
    let (tell, address_of_the_other) = mpsc::channel();
    let other = thread::spawn(move || adopting_ring(&tell));
    let to = address_of_the_other.recv().unwrap();
    let (mut ring, address) = listening(&Config { connections_max: 256, ..small() });
    let mut peers = Vec::new();
    for number in 0..COUNT {
        let (id, mut peer) = accepted(&mut ring, address);
        // Each shows its number once before it moves, and once more behind that, on the way.
        let token = (number as u64) << 40 | 5;
        ring.receive(id, Receive::Once);
        peer.write_all(&token.to_le_bytes()).unwrap();
        assert_eq!(receive_exactly(&mut ring, id, 8), token.to_le_bytes());
        peer.write_all(&token.to_le_bytes()).unwrap();
        ring.hand_over(id, to.reserve().unwrap(), token);
        peers.push((token, peer));
    }
    let mut gone = ring.counters().handed_over;
    for _ in 0..PASSES_MAX {
        if gone == 200 {
            break;
        }
        for seen in pass(&mut ring) {
            assert!(matches!(seen, Seen::HandedOver(_)), "{seen:?}");
        }
        gone = ring.counters().handed_over;
    }
    assert_eq!(gone, 200);
    assert_eq!(ring.connections(), 0);
    // The ring they came from may go; they live on.
    drop(ring);
    for (token, peer) in &mut peers {
        let mut answer = [0; 9];
        for repeat in 0..3 {
            if repeat > 0 {
                peer.write_all(&token.to_le_bytes()).unwrap();
            }
            peer.read_exact(&mut answer).unwrap();
            assert_eq!((&answer[..8], answer[8]), (&token.to_le_bytes()[..], b'!'));
        }
    }
    drop(peers);
    other.join().unwrap();
}

#[test]
fn a_full_or_missing_target_leaves_the_connection_where_it_is() {
    let (mut ring, address) = listening(&small());
    let mut other = Ring::new(&Config { connections_max: 1, ..small() }).unwrap();
    let (first, _peer) = accepted(&mut ring, address);
    ring.hand_over(first, other.address().reserve().unwrap(), 1);
    until(&mut ring, "handed over", |seen| *seen == Seen::HandedOver(first));
    let seen = until(&mut other, "adopted", |seen| matches!(seen, Seen::Adopted(..)));
    let [Seen::Adopted(guest, 1)] = seen[..] else { panic!("{seen:?}") };
    let (second, mut peer) = accepted(&mut ring, address);
    assert_eq!(pass(&mut other), []);
    assert!(other.address().reserve().is_none(), "full");
    other.close(guest);
    until(&mut other, "closed", |seen| *seen == Seen::Closed(guest));
    assert_eq!(pass(&mut other), []);
    assert!(other.address().reserve().is_some(), "promised anew");
    let itself = ring.address();
    ring.hand_over(second, itself.reserve().unwrap(), 3);
    let seen = until(&mut ring, "failure", |seen| matches!(seen, Seen::HandOverFailed(..)));
    assert_eq!(seen, [Seen::HandOverFailed(second, Some(22))], "EINVAL: a ring cannot adopt from itself");
    // Still alive here.
    ring.receive(second, Receive::Many);
    peer.write_all(b"still here").unwrap();
    assert_eq!(receive_exactly(&mut ring, second, 10), b"still here");
}

#[test]
fn guests_never_take_the_place_of_one_who_was_accepted() {
    const SLOTS: u32 = 16;
    let (mut ring, address) = listening(&Config { connections_max: 64, ..small() });
    let (mut other, address_of_the_other) = listening(&Config { connections_max: SLOTS, ..small() });
    let to = other.address();
    for round in 0..20 {
        // As many come by themselves as are handed over, and there is room for half of them.
        let mut peers = Vec::new();
        let guests: Vec<_> = (0..SLOTS)
            .map(|_| {
                let (id, peer) = accepted(&mut ring, address);
                peers.push(peer);
                id
            })
            .collect();
        peers.extend((0..SLOTS).map(|_| support::peer(address_of_the_other)));
        let (mut left, mut inside, mut greeted) = (guests.len(), Vec::new(), 0);
        for id in guests {
            match to.reserve() {
                Some(place) => ring.hand_over(id, place, 1),
                None => ring.close(id),
            }
        }
        for _ in 0..PASSES_MAX {
            for seen in pass(&mut ring) {
                match seen {
                    Seen::HandedOver(_) => left -= 1,
                    Seen::Closed(_) => left -= 1,
                    other => panic!("{other:?}"),
                }
            }
            for seen in pass(&mut other) {
                match seen {
                    Seen::Accepted(id) => {
                        greeted += 1;
                        inside.push(id);
                    }
                    Seen::Adopted(id, 1) => inside.push(id),
                    Seen::AcceptPaused(_) | Seen::AcceptResumed | Seen::Closed(_) => {}
                    unexpected => panic!("{unexpected:?}"),
                }
            }
            if left == 0 && (inside.len() > round % 5 || greeted == SLOTS) {
                for id in inside.drain(..) {
                    other.close(id);
                }
            }
            if left == 0 && greeted == SLOTS && other.connections() == 0 {
                break;
            }
        }
        assert_eq!((left, greeted, other.connections()), (0, SLOTS, 0), "round {round}");
    }
    assert_eq!(other.counters().accepts_dropped, 0);
    assert!(other.counters().adopted > 0);
}
