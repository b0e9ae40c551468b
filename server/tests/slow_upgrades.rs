//! A thousand connections that never finish the upgrade are gone by the deadline and hurt nobody.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and tells why")]

mod real_server;

use std::time::Instant;

use real_server::{PATIENCE, Player, Server, Wire, closes, held, request};
use tickring_arena::Arena;

const SLOW: usize = 1_000;

fn cpu_ns(server: &Server) -> u64 {
    server.status()["cpu_ns"].as_u64().unwrap()
}

#[test]
fn a_thousand_slow_upgrades_are_timed_out_while_a_player_plays() {
    let _raised = tickring_server::limits::raise_descriptors();
    let server = Server::start(&["SESSION__HANDSHAKE_TIMEOUT=2s"]);
    let mut player = Player::<Arena>::join(&server.listen, "field", 1);
    let head = request("/v1/rooms/field");
    let cpu_before_ns = cpu_ns(&server);
    let mut slow: Vec<_> = (0..SLOW)
        .map(|n| {
            let mut wire = Wire::dial(&server.listen);
            // From nothing at all to all but the last byte.
            wire.send(&head[..(head.len() - 1) * n / (SLOW - 1)]);
            player.turn();
            wire
        })
        .collect();
    let started = Instant::now();
    while closes(&server.status(), 0, "http_408") < SLOW as u64 {
        assert!(started.elapsed() < PATIENCE, "{:#}", server.status()["totals"]);
        player.until_snapshots(3);
    }
    for wire in &mut slow {
        let answer = String::from_utf8(wire.rest()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
        player.turn();
    }
    drop(slow);
    let started = Instant::now();
    while held(&server.status()) > 1 {
        assert!(started.elapsed() < PATIENCE, "{:#}", server.status()["totals"]);
        player.until_snapshots(3);
    }

    player.until_snapshots(30);
    player.seen.assert_clean();
    let first_tick = u64::from(player.seen.first_tick.unwrap());
    let snapshots = (u64::from(player.seen.last_tick) - first_tick) / 2 + 1;
    assert_eq!(player.seen.snapshots + player.seen.declared, snapshots, "one for every second tick");
    // Missed ticks would say more about what else runs on this machine; CPU time does not.
    let cost_us = (cpu_ns(&server) - cpu_before_ns) / 1_000 / SLOW as u64;
    println!("{cost_us} us of CPU for each slow upgrade, the player's share included");
    assert!(cost_us < 500, "{cost_us} us of CPU for each slow upgrade");
    assert_eq!(player.leave().closes, [Some(1000)]);
    server.until_empty();
}
