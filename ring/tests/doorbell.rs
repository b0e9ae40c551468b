//! Threads and rings wake a waiting ring, and what was shared before ringing is seen after the bell.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use support::{PASSES_MAX, Seen, pass, small, until};
use tickring_ring::{Event, Ring, Wait};

/// Waits without gathering and without a timeout of its own.
const UNTIL_SOMETHING: Wait =
    Wait { timeout: Some(Duration::from_secs(30)), want: 1, gather: Duration::ZERO };

#[test]
fn every_number_left_by_threads_is_found_after_a_bell() {
    let mut ring = Ring::new(&small()).unwrap();
    let left = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (bell, left) = (ring.doorbell().unwrap(), Arc::clone(&left));
            thread::spawn(move || {
                for _ in 0..1000 {
                    left.fetch_add(1, Ordering::Relaxed);
                    bell.ring();
                }
            })
        })
        .collect();
    let (mut found, mut bells) = (0, 0);
    while found < 4000 {
        ring.wait(&UNTIL_SOMETHING).unwrap();
        let mut rung = false;
        while let Some(event) = ring.next_event() {
            assert!(matches!(event, Event::Bell), "{event:?}");
            assert!(!rung, "one bell a pass");
            rung = true;
        }
        assert!(rung, "woken by nothing else: {found} found, a bell was lost");
        bells += 1;
        // Only a bell makes the ring look: a lost one would leave the rest unfound.
        found += left.swap(0, Ordering::Relaxed);
        assert!(bells <= 4000);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ring.counters().bells, bells);
}

#[test]
fn bells_rung_before_anybody_waits_make_one_event() {
    let mut ring = Ring::new(&small()).unwrap();
    let bell = ring.doorbell().unwrap();
    for _ in 0..10 {
        bell.clone().ring();
    }
    assert_eq!(until(&mut ring, "bell", |seen| *seen == Seen::Bell), [Seen::Bell]);
    assert_eq!(pass(&mut ring), []);
    bell.ring();
    assert_eq!(until(&mut ring, "bell", |seen| *seen == Seen::Bell), [Seen::Bell]);
}

#[test]
fn rings_ring_each_other_across_threads() {
    let mut here = Ring::new(&small()).unwrap();
    let (tell, told) = mpsc::channel();
    let home = here.address();
    let there = thread::spawn(move || {
        let mut there = Ring::new(&small()).unwrap();
        tell.send(there.address()).unwrap();
        for _ in 0..100 {
            until(&mut there, "bell", |seen| *seen == Seen::Bell);
            there.ring_bell(&home);
        }
        there.submit().unwrap();
        // Stays until the other one has heard the last bell.
        until(&mut there, "leave", |seen| *seen == Seen::Bell);
    });
    let away = told.recv().unwrap();
    for _ in 0..100 {
        here.ring_bell(&away);
        until(&mut here, "answer", |seen| *seen == Seen::Bell);
    }
    here.ring_bell(&away);
    here.submit().unwrap();
    there.join().unwrap();
    // Nobody is there any more: no harm.
    here.ring_bell(&away);
    for _ in 0..3 {
        assert_eq!(pass(&mut here), []);
    }
}

#[test]
fn a_doorbell_may_outlive_its_ring() {
    let ring = Ring::new(&small()).unwrap();
    let bell = ring.doorbell().unwrap();
    drop(ring);
    bell.ring();
}

#[test]
fn gathering_does_not_lose_a_bell() {
    let mut ring = Ring::new(&small()).unwrap();
    let bell = ring.doorbell().unwrap();
    let ringer = thread::spawn(move || bell.ring());
    let gathering =
        Wait { timeout: Some(Duration::from_millis(20)), want: 64, gather: Duration::from_millis(1) };
    let mut heard = 0;
    for _ in 0..PASSES_MAX {
        ring.wait(&gathering).unwrap();
        while let Some(event) = ring.next_event() {
            heard += u32::from(matches!(event, Event::Bell));
        }
        if heard > 0 {
            break;
        }
    }
    assert_eq!(heard, 1);
    ringer.join().unwrap();
}

/// A worker that expects many at once, and whom nobody visits, sleeps: gathering ends nothing by itself.
#[test]
fn gathering_without_a_timeout_wakes_for_nothing() {
    let mut ring = Ring::new(&small()).unwrap();
    let bell = ring.doorbell().unwrap();
    let ringer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        bell.ring();
    });
    let wait = Wait { timeout: None, want: 64, gather: Duration::from_micros(500) };
    let mut waits = 0;
    loop {
        ring.wait(&wait).unwrap();
        waits += 1;
        if ring.next_event().is_some() {
            break;
        }
    }
    ringer.join().unwrap();
    // A hundred milliseconds have two hundred times 500 us.
    assert!(waits < 20, "{waits} waits");
}
