//! Connections that move between workers when there is no place for them, or no time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Player, Server, Wire, closes, request, total};
use rustix::process::Signal;
use tickring_arena::Arena;

#[test]
fn a_worker_without_a_place_for_a_newcomer_refuses_it() {
    // All want the same room, and the table of its worker is small. Whoever is accepted by that
    // worker is in, or waits in its queue until somebody goes; everybody else is moved or told.
    let server = Server::start(&[
        "--workers",
        "2",
        "RING__FIXED_TABLE=16",
        "SESSION__HANDSHAKE_TIMEOUT=1s",
        "SESSION__CLOSE_TIMEOUT=300ms",
    ]);
    let mut wires = Vec::new();
    while wires.len() < 30 || closes(&server.status(), 0, "http_503") == 0 {
        assert!(wires.len() < 200, "by chance all came to the room's own worker: impossible in practice");
        let mut wire = Wire::dial(&server.listen);
        wire.send(&request("/v1/rooms/one"));
        wires.push(wire);
    }
    let (all, status) = (wires.len(), server.status());
    assert!(total(&status, "handed_out") <= 16);
    server.until_logged("the worker of its room could not take it; raise ring.fixed_table");
    let (mut refused, mut switched) = (0, 0);
    for mut wire in wires {
        // Nobody says hello, so those inside are sent away and make places for those that wait.
        let answer = wire.rest();
        refused += usize::from(answer.starts_with(b"HTTP/1.1 503 "));
        switched += usize::from(answer.starts_with(b"HTTP/1.1 101 "));
    }
    assert_eq!(refused + switched, all, "everybody is answered");
    // A worker keeps half of what is free for those that come to it by themselves.
    assert!(switched >= 8, "{switched} in, {refused} refused");
    let status = server.until_empty();
    assert_eq!(total(&status, "ring_accepts_dropped"), 0);
    assert_eq!(total(&status, "handed_in"), total(&status, "handed_out"));
    assert_eq!(closes(&status, 0, "http_503"), refused as u64);

    // The table is free again.
    let player = Player::<Arena>::join(&server.listen, "one", 1);
    assert_eq!(player.leave().closes, [Some(1000)]);
}

#[test]
fn a_connection_that_moves_counts_once_against_max_conns() {
    let server = Server::start(&["--workers", "2", "--max-conns", "24"]);
    // Had a move been counted twice, not all of them would be in; not at all, the next one would be. What is wrong
    // at the end of a move shows in the second round.
    for round in 1..=2 {
        let all_in: Vec<_> =
            (0..24).map(|n| Wire::upgraded(&server.listen, &format!("/v1/rooms/room-{n}"))).collect();
        let moves = total(&server.status(), "handed_in");
        assert!(moves >= round, "by chance hardly any came to another room's worker: impossible in practice");
        let mut one_too_many = Wire::dial(&server.listen);
        one_too_many.send(&request("/v1/rooms/room-0"));
        let answer = String::from_utf8_lossy(&one_too_many.rest()).into_owned();
        assert!(answer.starts_with("HTTP/1.1 503 "), "round {round}, {moves} moves: {answer:?}");
        drop((all_in, one_too_many));
        server.until_empty();
    }
}

#[test]
fn a_drain_in_the_middle_of_moves_ends_them_all() {
    for round in 0..5 {
        let mut server = Server::start(&["--workers", "4", "SESSION__CLOSE_TIMEOUT=300ms"]);
        let mut wires: Vec<_> = (0..100)
            .map_while(|n| {
                let mut wire = Wire::try_dial(&server.listen)?;
                wire.send(&request(&format!("/v1/rooms/room-{n}")));
                if n == 20 * round {
                    server.signal(Signal::TERM);
                }
                Some(wire)
            })
            .collect();
        for wire in &mut wires {
            // Upgraded and sent away, refused, or never accepted: in every case the stream ends.
            let answer = wire.rest();
            let known = [&b"HTTP/1.1 101 "[..], b"HTTP/1.1 503 "];
            assert!(
                answer.is_empty() || known.iter().any(|start| answer.starts_with(start)),
                "{:?}",
                String::from_utf8_lossy(&answer)
            );
        }
        assert_eq!(server.wait().code(), Some(0), "round {round}");
    }
}
