//! Once warm, nothing is allocated: neither for receiving nor for sending, neither plainly nor quietly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "a global allocator that counts")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::time::Duration;

use support::{listening, receiving, small};
use tickring_ring::{Event, Wait};

thread_local! {
    /// Allocations of this thread, so that other tests' threads do not disturb.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: handed through.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: handed through.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_ring_allocates_nothing() {
    let (mut ring, address) = listening(&small());
    let mut peers: Vec<_> = (0..20).map(|_| receiving(&mut ring, address)).collect();
    // The caller's own memory, warm as well.
    let mut buffers: Vec<Vec<u8>> = (0..40).map(|_| Vec::with_capacity(64)).collect();
    let mut answers = Vec::with_capacity(64);
    let mut warm = 0;
    for round in 0..300 {
        if round == 100 {
            warm = ALLOCATIONS.get();
        }
        for (_, peer) in &mut peers {
            peer.write_all(&[5; 64]).unwrap();
        }
        let mut answered = 0;
        while answered < peers.len() {
            let wait =
                Wait { timeout: Some(Duration::from_secs(5)), want: 8, gather: Duration::from_micros(50) };
            ring.wait(&wait).unwrap();
            while let Some(event) = ring.next_event() {
                match event {
                    Event::Received { id, bytes, .. } => {
                        assert_eq!(bytes.len(), 64);
                        answers.push(id);
                    }
                    Event::Sent { buffer, result, .. } => {
                        result.unwrap();
                        buffers.push(buffer);
                    }
                    other => panic!("{other:?}"),
                }
            }
            for id in answers.drain(..) {
                let mut answer = buffers.pop().unwrap();
                answer.clear();
                answer.extend_from_slice(&[6; 64]);
                if round % 2 == 0 {
                    ring.send_quietly(id, answer);
                } else {
                    ring.send(id, answer);
                }
                answered += 1;
            }
        }
        ring.submit().unwrap();
        for (_, peer) in &mut peers {
            let mut answer = [0; 64];
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [6; 64]);
        }
    }
    assert_eq!(ALLOCATIONS.get() - warm, 0, "allocations in 200 rounds of 20 messages");
}
