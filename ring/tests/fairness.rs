//! A connection that never stops talking is put aside each pass, so that the others are heard.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::thread;

use support::{PASSES_MAX, Seen, listening, pass, receiving, small};
use tickring_ring::Config;

#[test]
fn a_loud_connection_is_put_aside_and_loses_nothing() {
    for arrival_times in [false, true] {
        loud(&Config { buffers: 256, receive_bytes_per_pass_max: 4096, arrival_times, ..small() });
    }
}

fn loud(config: &Config) {
    let (mut ring, address) = listening(config);
    let (loud, mut shouting) = receiving(&mut ring, address);
    let (quiet, mut whispering) = receiving(&mut ring, address);
    let total = 4usize << 20;
    let shouter = thread::spawn(move || {
        let bytes: Vec<u8> = (0..total).map(|i| i.to_le_bytes()[1]).collect();
        shouting.write_all(&bytes).unwrap();
        shouting
    });
    let (mut loud_bytes, mut whispers, mut heard) = (0usize, 0, 0);
    let (mut single, mut settled, mut pauses) = (0, 0, 0);
    for _ in 0..PASSES_MAX * 10 {
        if whispers == heard && whispers < 50 {
            whispering.write_all(b"psst").unwrap();
            whispers += 1;
        }
        let mut loud_now = 0;
        for seen in pass(&mut ring) {
            match seen {
                Seen::Received(id, bytes) if id == loud => {
                    loud_now += bytes.len();
                    for byte in &bytes {
                        assert_eq!(*byte, loud_bytes.to_le_bytes()[1], "at {loud_bytes}");
                        loud_bytes += 1;
                    }
                }
                Seen::Received(id, bytes) => {
                    assert_eq!((id, &bytes[..]), (quiet, &b"psst"[..]));
                    heard += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        // The cancel takes effect at the next wait; what was taken before is delivered.
        let paused_before = std::mem::replace(&mut pauses, ring.counters().fairness_pauses);
        let limit = usize::try_from(config.receive_bytes_per_pass_max).unwrap();
        assert!(loud_now <= limit || pauses > paused_before || pauses > settled, "{loud_now} B in a pass");
        if pauses == settled && loud_now == usize::try_from(config.buffer_bytes).unwrap() {
            single += 1;
        }
        settled = paused_before;
        if loud_bytes == total && heard == 50 {
            break;
        }
    }
    assert_eq!((loud_bytes, heard), (total, 50));
    assert!(pauses > 0 && single > 100, "{single} passes with one buffer; {:?}", ring.counters());
    drop(shouter.join().unwrap());
}
