//! With every place in the descriptor table taken, accepting pauses, says so once with the remedy,
//! and goes on by itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Server, Wire, held, masked, request, total};

#[test]
fn accepting_pauses_and_resumes() {
    const PLACES: usize = 64;
    let server = Server::start(&["--echo", "RING__FIXED_TABLE=64"]);
    // The kernel completes connections beyond what is accepted; they wait in its queue.
    let mut wires: Vec<_> = (0..2 * PLACES - 10)
        .map(|_| {
            let mut wire = Wire::dial(&server.listen);
            wire.send(&request("/v1/echo"));
            wire
        })
        .collect();
    let status = server.until("a pause", |status| total(status, "accept_pauses") > 0);
    assert!(held(&status) <= PLACES as u64);
    let status = server.until("full use of the table", |status| {
        status["totals"]["connections"]["echo"].as_u64().unwrap() >= PLACES as u64 - 2
    });
    assert_eq!(total(&status, "upgrades_refused"), 0, "nobody is accepted and then sent away");

    // Those inside are served.
    wires[0].expect_switch();
    wires[0].send(&masked(0x81, b"inside"));
    assert_eq!(wires[0].frame().unwrap().payload, b"inside");
    let told = server.until_logged("ring.fixed_table");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("accepting is paused"), "{told:#?}");

    // Half of them leave: everybody who waited gets in.
    let waiting = wires.split_off(PLACES);
    drop(wires);
    for mut wire in waiting {
        wire.expect_switch();
        wire.send(&masked(0x81, b"at last"));
        assert_eq!(wire.frame().unwrap().payload, b"at last");
    }
    server.until_logged("accepting again");
    let status = server.until_empty();
    assert_eq!(total(&status, "accepts"), 2 * PLACES as u64 - 10, "every connection was accepted once");
}
