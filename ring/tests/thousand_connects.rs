//! A thousand connects at once, from one ring to another on its own thread: all arrive, all are answered.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;
use std::thread;

use support::{PASSES_MAX, Seen, pass};
use tickring_ring::{Config, Receive, Ring};

const COUNT: usize = 1000;

fn config() -> Config {
    Config { connections_max: 1024, submission_entries: 128, ..Config::default() }
}

fn echo_until_all_have_left(mut ring: Ring) {
    let (mut accepted, mut closed) = (0, 0);
    for _ in 0..PASSES_MAX {
        for seen in pass(&mut ring) {
            match seen {
                Seen::Accepted(id) => {
                    accepted += 1;
                    ring.receive(id, Receive::Many);
                }
                Seen::Received(id, bytes) => ring.send_quietly(id, bytes),
                Seen::ReceiveEnded(id, None) => ring.close(id),
                Seen::Sent(_, _, Ok(())) => {}
                Seen::Closed(_) => closed += 1,
                other => panic!("{other:?}"),
            }
        }
        if closed == COUNT {
            break;
        }
    }
    assert_eq!((accepted, closed), (COUNT, COUNT));
    assert_eq!(ring.connections(), 0);
}

#[test]
fn a_thousand_connects_at_once_are_all_answered() {
    let listener = support::socket();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(1024).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let server = thread::spawn(move || {
        let mut ring = Ring::new(&config()).unwrap();
        ring.listen(listener.into()).unwrap();
        echo_until_all_have_left(ring);
    });
    let mut ring = Ring::new(&config()).unwrap();
    let numbers: HashMap<_, _> =
        (0..COUNT).map(|number| (ring.connect(support::socket(), address).unwrap(), number)).collect();
    assert_eq!(numbers.len(), COUNT);
    let (mut answered, mut closed) = (0, 0);
    for _ in 0..PASSES_MAX {
        for seen in pass(&mut ring) {
            match seen {
                Seen::Connected(id) => {
                    ring.receive(id, Receive::Many);
                    ring.send(id, numbers[&id].to_le_bytes().to_vec());
                }
                Seen::Received(id, bytes) => {
                    assert_eq!(bytes, numbers[&id].to_le_bytes());
                    answered += 1;
                    ring.close(id);
                }
                Seen::Sent(_, _, Ok(())) => {}
                Seen::Closed(_) => closed += 1,
                other => panic!("{other:?}"),
            }
        }
        if closed == COUNT {
            break;
        }
    }
    assert_eq!((answered, closed), (COUNT, COUNT));
    server.join().unwrap();
}
