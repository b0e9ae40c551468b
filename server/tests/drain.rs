//! The server's end: in order with SIGTERM, without warning with SIGKILL.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Player, Server, Wire, masked, request, until_all};
use rustix::process::Signal;
use tickring_arena::Arena;
use tickring_pulse::Pulse;

#[test]
fn a_drain_says_goodbye_to_everybody() {
    let mut server = Server::start(&["--workers", "2", "--echo", "BACK_AFTER=7s"]);
    let mut players: Vec<_> =
        (0..30).map(|n| Player::<Arena>::dial(&server.listen, &format!("room-{}", n % 3), n)).collect();
    until_all(&mut players, "play", |player| player.seen.last_input >= 5);
    let mut echo = Wire::upgraded(&server.listen, "/v1/echo");
    let mut upgrading = Wire::dial(&server.listen);
    upgrading.send(&request("/v1/rooms/room-1")[..50]);
    server.until("everybody's arrival", |status| real_server::held(status) == 32);

    server.signal(Signal::TERM);
    until_all(&mut players, "the end of the stream", |player| player.seen.ended);
    for player in &players {
        player.seen.assert_clean();
        assert_eq!(player.seen.goodbyes, [(1001, 7_000)]);
        assert_eq!(player.seen.closes, [Some(1001)]);
    }
    let close = echo.frame_of(0x88);
    assert_eq!(close.payload[..2], 1001_u16.to_be_bytes());
    echo.send(&masked(0x88, &close.payload[..2]));
    assert_eq!(echo.frame(), None);
    let answer = String::from_utf8(upgrading.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("shutting down"), "{answer}");
    drop((echo, upgrading));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_signal_that_is_repeated_at_once_drains() {
    // GNU timeout sends it to its child, and to the group that the child is in. Two might reach the server as one.
    let mut server = Server::start(&["--game", "pulse", "BACK_AFTER=7s", "SESSION__CLOSE_TIMEOUT=300ms"]);
    let mut player = Player::<Pulse>::join(&server.listen, "room", 1);
    (0..1_000).for_each(|_| server.signal(Signal::TERM));
    player.until("the end of the stream", |player| player.seen.ended);
    assert_eq!(
        (&player.seen.goodbyes[..], &player.seen.closes[..]),
        (&[(1001, 7_000)][..], &[Some(1001)][..])
    );
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn nobody_is_waited_for_longer_than_the_close_timeout() {
    // The drain would wait a minute; peers who do not answer the Close are cut off sooner.
    let mut server = Server::start(&["--echo", "--drain-timeout", "60s", "SESSION__CLOSE_TIMEOUT=300ms"]);
    let mut mute = Wire::upgraded(&server.listen, "/v1/echo");
    server.signal(Signal::TERM);
    assert_eq!(mute.close_code(), 1001);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn after_a_kill_the_next_server_has_the_port() {
    let mut server = Server::start(&["--workers", "2"]);
    let address = server.listen.clone();
    for round in 0..3 {
        let mut players: Vec<_> =
            (0..8).map(|n| Player::<Arena>::join(&address, &format!("room-{n}"), n)).collect();
        until_all(&mut players, "play", |player| player.seen.snapshots >= 3);
        server.signal(Signal::KILL);
        assert_eq!(server.wait().code(), None, "round {round}");
        until_all(&mut players, "the end of the stream", |player| player.seen.ended);
        server = Server::start_at(&address, &["--workers", "2"]);
        assert_eq!(server.listen, address);
    }
    Player::<Arena>::join(&address, "room", 1).leave();
    server.until_empty();
}
