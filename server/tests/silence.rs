//! Pings: ours to silent peers, theirs in floods.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Server, Wire, closes, masked, rss_bytes, total};

#[test]
fn a_silent_peer_is_pinged_and_then_closed() {
    let server = Server::start(&["--echo", "SESSION__PING_AFTER=300ms", "SESSION__SILENT_CLOSE=300ms"]);
    let mut wire = Wire::upgraded(&server.listen, "/v1/echo");
    assert_eq!(wire.frame().unwrap().first, 0x89, "a ping");
    let close = wire.frame().unwrap();
    assert_eq!((close.first, &close.payload[..2]), (0x88, &4005_u16.to_be_bytes()[..]));
    assert_eq!(wire.frame(), None, "the end");
    drop(wire);
    let status = server.until_empty();
    assert_eq!(closes(&status, 4005, "silent"), 1);
    assert_eq!(total(&status, "pings_out"), 1);
}

#[test]
fn a_peer_who_answers_stays() {
    let server = Server::start(&["--echo", "SESSION__PING_AFTER=200ms", "SESSION__SILENT_CLOSE=10s"]);
    let mut wire = Wire::upgraded(&server.listen, "/v1/echo");
    for _ in 0..5 {
        let ping = wire.frame().unwrap();
        assert_eq!(ping.first, 0x89);
        wire.send(&masked(0x8a, &ping.payload));
    }
    wire.send(&masked(0x81, b"alive"));
    assert_eq!(wire.frame_of(0x81).payload, b"alive");
    drop(wire);
    assert_eq!(closes(&server.until_empty(), 4005, "silent"), 0);
}

#[test]
fn of_piled_up_pings_the_newest_is_answered() {
    let server = Server::start(&["--echo"]);
    let mut wire = Wire::upgraded(&server.listen, "/v1/echo");
    // All of them fit into one receive buffer.
    let pings: Vec<u8> = (0..100_u8).flat_map(|n| masked(0x89, &[n])).collect();
    wire.send(&pings);
    let mut answered = Vec::new();
    while answered.last() != Some(&99) {
        let pong = wire.frame().unwrap();
        assert_eq!((pong.first, pong.payload.len()), (0x8a, 1));
        answered.push(pong.payload[0]);
    }
    assert!(answered.is_sorted() && answered.len() < 100, "{answered:?}");
}

#[test]
fn a_flood_of_pings_costs_no_memory() {
    let server = Server::start(&["--echo"]);
    let before = rss_bytes(&server.status());
    let mut wire = Wire::upgraded(&server.listen, "/v1/echo");
    let flood = masked(0x89, &[7; 125]).repeat(1_000);
    for _ in 0..100 {
        wire.send(&flood);
    }
    wire.send(&masked(0x89, b"last"));
    while wire.frame_of(0x8a).payload != b"last" {}
    let growth = rss_bytes(&server.status()).saturating_sub(before);
    assert!(growth < 8 << 20, "{} KiB", growth / 1024);
}
