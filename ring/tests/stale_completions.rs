//! Slots are used again while peers come and go with operations in flight: nothing of a former tenant is taken
//! for the present one's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};

use support::{Seen, accepted, listening, small, until};
use tickring_ring::{Config, Receive};

#[test]
fn a_slot_used_again_starts_clean() {
    let (mut ring, address) = listening(&Config { connections_max: 1, ..small() });
    let mut former = None;
    for round in 0..100u8 {
        let (id, mut peer) = accepted(&mut ring, address);
        assert_eq!(id.slot(), 0);
        assert_ne!(former, Some(id), "another generation");
        ring.receive(id, Receive::Many);
        // The former tenant's bytes, sends and arms must not show up here.
        peer.write_all(&[round; 64]).unwrap();
        let seen = until(&mut ring, "bytes", |seen| matches!(seen, Seen::Received(..)));
        let only_its_own = |seen: &Seen| {
            matches!(seen, Seen::Received(of, bytes) if *of == id && bytes.iter().all(|byte| *byte == round))
                || matches!(seen, Seen::AcceptPaused(_) | Seen::AcceptResumed)
        };
        assert!(seen.iter().all(only_its_own), "{seen:?}");
        // Close with a receive armed, bytes on the way in, and a send under way that may or may not get out.
        match round % 3 {
            0 => ring.send(id, vec![round; 3 << 20]),
            1 => ring.send_quietly(id, vec![round; 3 << 20]),
            _ => {}
        }
        ring.submit().unwrap();
        peer.write_all(&[0xee; 500]).unwrap();
        ring.close(id);
        let seen = until(&mut ring, "closed", |seen| matches!(seen, Seen::Closed(_)));
        let buffers = seen.iter().filter(|seen| matches!(seen, Seen::Sent(of, ..) if *of == id)).count();
        assert_eq!(buffers, usize::from(round % 3 != 2));
        assert!(
            !seen.iter().any(|seen| matches!(seen, Seen::Received(..) | Seen::ReceiveEnded(..))),
            "{seen:?}"
        );
        // A void identity does nothing.
        ring.receive(id, Receive::Many);
        ring.pause_receive(id);
        ring.shutdown(id);
        ring.close(id);
        assert!(!ring.sending(id) && !ring.receiving(id));
        // To the end, or to the reset that unread bytes cause.
        let _reset = peer.read_to_end(&mut Vec::new());
        former = Some(id);
    }
    assert_eq!(ring.counters().closes, 100);
    assert_eq!(ring.counters().stale_completions, 0);
}

#[test]
#[should_panic(expected = "send: the connection is open")]
fn sending_on_a_closed_connection_is_the_callers_bug() {
    let (mut ring, address) = listening(&small());
    let (id, _peer) = accepted(&mut ring, address);
    ring.close(id);
    until(&mut ring, "closed", |seen| *seen == Seen::Closed(id));
    ring.send(id, vec![1]);
}

#[test]
#[should_panic(expected = "one send per connection")]
fn two_sends_at_once_are_the_callers_bug() {
    let (mut ring, address) = listening(&small());
    let (id, _peer) = accepted(&mut ring, address);
    ring.send(id, vec![1]);
    ring.send_quietly(id, vec![2]);
}
