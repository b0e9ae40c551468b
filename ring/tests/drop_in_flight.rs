//! A ring may be dropped in the middle of everything, and the next one starts at once.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{Read, Write};

use support::{accepted, listening, pass, receiving, small};
use tickring_ring::{Config, Ring};

#[test]
fn dropping_with_everything_under_way_closes_the_connections() {
    for round in 0..20 {
        let (mut ring, address) = listening(&small());
        let mut peers: Vec<_> = (0..10).map(|_| receiving(&mut ring, address)).collect();
        for (index, (id, peer)) in peers.iter_mut().enumerate() {
            peer.write_all(&[1; 3000]).unwrap();
            match index % 4 {
                0 => ring.send(*id, vec![2; 16 << 20]),
                1 => ring.send_quietly(*id, vec![2; 16 << 20]),
                2 => ring.close(*id),
                _ => {}
            }
        }
        for _ in 0..round % 4 {
            pass(&mut ring);
        }
        drop(ring);
        for (_, mut peer) in peers {
            // The end or a reset: what matters is that it comes.
            let _reset = peer.read_to_end(&mut Vec::new());
        }
    }
}

#[test]
fn many_rings_in_a_row_on_one_thread_leave_nothing_registered() {
    // A thread can register 16 rings; one that stayed registered would also stay alive, with its listener.
    for _ in 0..40 {
        let (mut ring, address) = listening(&small());
        let (_id, peer) = accepted(&mut ring, address);
        drop(ring);
        drop(peer);
        let listener = support::socket();
        listener.set_reuse_address(true).unwrap();
        let mut bound = listener.bind(&address.into());
        // The kernel tears a ring down in the background.
        for _ in 0..200 {
            if bound.is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
            bound = listener.bind(&address.into());
        }
        bound.unwrap();
    }
}

#[test]
fn a_table_larger_than_the_descriptor_limit_is_refused_with_the_remedy() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let Some(asked) =
        u32::try_from(limit).ok().and_then(|limit| limit.checked_add(1)).filter(|n| *n <= 1 << 20)
    else {
        // No table that the kernel could make is too large here.
        return;
    };
    let error = Ring::new(&Config { connections_max: asked, ..small() }).unwrap_err().to_string();
    assert!(error.contains("RLIMIT_NOFILE") && error.contains("Remedy"), "{error}");
}
