//! Joining, playing and leaving on the real server, and rooms that live on other workers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Player, Server, Wire, closes, masked, message, request, total, until_all};
use tickring_arena::Arena;
use tickring_protocol::message::{Hello, PROTOCOL_VERSION, Ping, Pong, combined_layout};
use tickring_room::Game;

#[test]
fn players_join_play_and_leave() {
    let server = Server::start(&[]);
    let mut players: Vec<_> =
        (0..6).map(|seed| Player::<Arena>::join(&server.listen, "field", seed)).collect();
    until_all(&mut players, "acknowledged inputs", |player| {
        player.seen.snapshots >= 30 && player.seen.last_input >= 20
    });
    for player in &players {
        player.seen.assert_clean();
        assert!(player.connection.entities().iter().any(|(id, _)| Some(*id) == player.connection.entity()));
    }
    let status = server.status();
    assert_eq!(total(&status, "players"), 6);
    assert_eq!(total(&status, "rooms"), 1);
    let accepted = status["totals"]["inputs"]["accepted"].as_u64().unwrap();
    assert!(accepted >= 6 * 20, "{accepted}");

    let count = players.len() as u64;
    for player in players {
        let seen = player.leave();
        assert_eq!(seen.closes, [Some(1000)]);
        seen.assert_clean();
    }
    let status = server.until_empty();
    assert_eq!(closes(&status, 1000, "left"), count);
}

#[test]
fn a_ping_brings_the_clock() {
    let server = Server::start(&[]);
    let mut player = Player::<Arena>::join(&server.listen, "field", 1);
    for _ in 0..3 {
        let pongs = player.seen.pongs;
        player.connection.ping(7);
        player.until("a pong", |player| player.seen.pongs > pongs);
    }
}

#[test]
fn two_rooms_do_not_see_each_other() {
    let server = Server::start(&[]);
    let mut here: Vec<_> = (0..3).map(|seed| Player::<Arena>::join(&server.listen, "here", seed)).collect();
    let mut there: Vec<_> = (0..5).map(|seed| Player::<Arena>::join(&server.listen, "there", seed)).collect();
    until_all(&mut here, "snapshots", |player| player.seen.snapshots >= 10);
    until_all(&mut there, "snapshots", |player| player.seen.snapshots >= 10);
    let soldiers = |player: &Player<Arena>| {
        let entities = player.connection.entities().iter();
        entities.filter(|(_, entity)| entity.kind == tickring_arena::EntityKind::Soldier).count()
    };
    assert_eq!((soldiers(&here[0]), soldiers(&there[0])), (3, 5));
    let seats = |players: &[Player<Arena>]| -> Vec<_> {
        players.iter().map(|player| player.connection.player().unwrap().0).collect()
    };
    assert_eq!((seats(&here), seats(&there)), ((0..3).collect(), (0..5).collect()));

    // The end of one room is nothing to the other.
    for player in here {
        player.leave();
    }
    server.until("the end of one room", |status| total(status, "rooms") == 1);
    until_all(&mut there, "more snapshots", |player| player.seen.snapshots >= 25);
    there.iter().for_each(|player| player.seen.assert_clean());
}

#[test]
fn connections_move_to_the_worker_of_their_room() {
    const ROOMS: usize = 12;
    let server = Server::start(&["--workers", "4"]);
    // Two for each room, whichever worker accepts them.
    let mut players: Vec<_> = (0..2 * ROOMS)
        .map(|n| Player::<Arena>::dial(&server.listen, &format!("room-{}", n % ROOMS), n as u64))
        .collect();
    until_all(&mut players, "acknowledged inputs", |player| player.seen.last_input >= 10);
    players.iter().for_each(|player| player.seen.assert_clean());
    let status = server.status();
    assert_eq!((total(&status, "rooms"), total(&status, "players")), (12, 24));
    let (handed_in, handed_out) = (total(&status, "handed_in"), total(&status, "handed_out"));
    assert!(handed_in > 0, "by chance everybody came to the right worker at once: impossible in practice");
    assert_eq!(handed_in, handed_out);
    drop(players);
    let status = server.until_empty();
    assert_eq!(real_server::ends(&status), 24, "a move is no end: {:#}", status["totals"]);
}

#[test]
fn what_comes_right_behind_the_upgrade_moves_along() {
    let server = Server::start(&["--workers", "2"]);
    let hello = Hello {
        version: PROTOCOL_VERSION,
        layout: combined_layout(Arena::LAYOUT),
        features: 0,
        resume: [0; 16],
    };
    for n in 0..24_u64 {
        let mut wire = Wire::dial(&server.listen);
        let mut bytes = request(&format!("/v1/rooms/behind-{n}"));
        bytes.extend(message(|out| hello.write(out)));
        bytes.extend(message(|out| Ping { client_time_ns: n }.write(out)));
        // The last frame is torn: its second half comes later.
        let torn = masked(0x82, &[0x03, 9, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(&torn[..9]);
        wire.send(&bytes);
        wire.expect_switch();
        assert_eq!(wire.frame().unwrap().payload[0], 0x81, "a welcome");
        let mut pong = || loop {
            let frame = wire.frame().expect("the pong");
            if frame.payload[0] == Pong::KIND {
                wire.send(&torn[9..]);
                return u64::from_le_bytes(frame.payload[1..9].try_into().unwrap());
            }
        };
        assert_eq!(pong(), n);
        assert_eq!(pong(), 9, "the torn frame was put together again");
    }
    let status = server.until_empty();
    assert!(total(&status, "handed_in") > 0, "{:#}", status["totals"]);
}
