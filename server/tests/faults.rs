//! What is well-formed but wrong in a room: a Fault that names it, a close code, and a counter.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Frame, Server, Wire, closes, masked, message, total};
use tickring_arena::Arena;
use tickring_protocol::message::{Hello, InputHead, Leave, PROTOCOL_VERSION, ServerMessage, combined_layout};
use tickring_room::{Game, Input};

fn hello() -> Hello {
    Hello { version: PROTOCOL_VERSION, layout: combined_layout(Arena::LAYOUT), features: 0, resume: [0; 16] }
}

fn said(hello: &Hello) -> Vec<u8> {
    message(|out| hello.write(out))
}

fn input(game: &[u8]) -> Vec<u8> {
    let head =
        InputHead { sequence: 1, target_tick: 5, view_tick: 0, view_fraction: 0, newest_snapshot_tick: 0 };
    message(|out| {
        head.write(out);
        out.extend_from_slice(game);
    })
}

fn connect(server: &Server, room: &str) -> Wire {
    Wire::upgraded(&server.listen, &format!("/v1/rooms/{room}"))
}

/// Takes a seat.
fn seated(server: &Server, room: &str) -> Wire {
    let mut wire = connect(server, room);
    wire.send(&said(&hello()));
    assert_eq!(wire.frame().unwrap().payload[0], 0x81, "a welcome");
    wire
}

/// The fault and the close code behind it: (fault code, temporary, retry after ms, text, close code).
fn fault(wire: &mut Wire) -> (u16, bool, u32, String, u16) {
    loop {
        let Frame { payload, .. } = wire.frame().expect("a fault");
        if let Ok(ServerMessage::Fault(fault)) = ServerMessage::decode(&payload) {
            let (code, retry_after_ms) = (fault.code.to_native(), fault.retry_after_ms.to_native());
            let text = fault.text().to_owned();
            return (code, fault.temporary != 0, retry_after_ms, text, wire.close_code());
        }
    }
}

#[test]
fn another_version_or_layout_is_told_both() {
    let server = Server::start(&[]);
    let mut wire = connect(&server, "r");
    wire.send(&said(&Hello { version: 77, ..hello() }));
    let (code, temporary, _, text, close) = fault(&mut wire);
    assert_eq!((code, temporary, close), (200, false, 4002));
    assert!(text.contains("77") && text.contains(&PROTOCOL_VERSION.to_string()), "{text}");

    let mut wire = connect(&server, "r");
    wire.send(&said(&Hello { layout: 0xabcd_ef01_2345_6789, ..hello() }));
    let (code, temporary, _, text, close) = fault(&mut wire);
    assert_eq!((code, temporary, close), (201, false, 4002));
    let own = format!("{:016x}", combined_layout(Arena::LAYOUT));
    assert!(text.contains("abcdef0123456789") && text.contains(&own), "{text}");

    drop(wire);
    let status = server.until_empty();
    assert_eq!(closes(&status, 4002, "version_mismatch"), 1);
    assert_eq!(closes(&status, 4002, "layout_mismatch"), 1);
}

#[test]
fn messages_at_the_wrong_time_are_named() {
    let server = Server::start(&[]);
    let mut wire = seated(&server, "r");
    wire.send(&said(&hello()));
    let (code, _, _, _, close) = fault(&mut wire);
    assert_eq!((code, close), (204, 4001));

    let mut wire = connect(&server, "r");
    wire.send(&input(&[0; 8]));
    let (code, _, _, _, close) = fault(&mut wire);
    assert_eq!((code, close), (203, 4001));

    drop(wire);
    let status = server.until_empty();
    assert_eq!(closes(&status, 4001, "second_hello"), 1);
    assert_eq!(closes(&status, 4001, "hello_expected"), 1);
}

#[test]
fn what_is_no_message_is_malformed() {
    let server = Server::start(&[]);
    let mut whole = Vec::new();
    hello().write(&mut whole);
    let long = [&whole[..], &[0]].concat();
    let payloads: &[&[u8]] = &[
        b"",
        &[0x77],
        &[0x00, 1, 2],
        &whole[..whole.len() - 1],
        &long,
        // Kinds that only a server sends.
        &[0x81; 46],
        &[0x86, 0, 0, 0, 0, 0, 0],
        &[0x03, 1, 2],
        &[0x04],
        // An input with more than a game may have.
        &[0x02; 18 + 17],
    ];
    for payload in payloads {
        for after_hello in [false, true] {
            let mut wire = if after_hello { seated(&server, "r") } else { connect(&server, "r") };
            wire.send(&masked(0x82, payload));
            let (code, temporary, _, text, close) = fault(&mut wire);
            assert_eq!((code, temporary, close), (202, false, 4000), "{payload:02x?} {after_hello}");
            assert!(!text.is_empty());
        }
    }
    let status = server.until_empty();
    let closes = status["totals"]["closes"].as_array().unwrap();
    assert!(closes.iter().all(|close| close["code"] == 4000), "{closes:#?}");
    assert_eq!(real_server::ends(&status), 2 * payloads.len() as u64);
}

#[test]
fn an_input_of_no_length_of_the_game_is_malformed() {
    let server = Server::start(&[]);
    for game in [&[][..], &[1], &[0; 16]] {
        let mut wire = seated(&server, "r");
        wire.send(&input(game));
        let (code, _, _, _, close) = fault(&mut wire);
        assert_eq!((code, close), (202, 4000), "{game:?}");
    }
    let status = server.until_empty();
    assert_eq!(closes(&status, 4000, "input_malformed"), 3);
    assert_eq!(status["totals"]["inputs"]["malformed"], 3);
}

#[test]
fn a_full_room_and_one_room_too_many_are_temporary() {
    let server = Server::start(&["--players-per-room", "2", "--rooms-max", "1"]);
    let held = [seated(&server, "r"), seated(&server, "r")];
    let mut wire = connect(&server, "r");
    wire.send(&said(&hello()));
    let (code, temporary, retry_after_ms, _, close) = fault(&mut wire);
    assert_eq!((code, temporary, close), (100, true, 1013));
    assert!(retry_after_ms > 0);

    let mut wire = connect(&server, "another");
    wire.send(&said(&hello()));
    let (code, temporary, _, _, close) = fault(&mut wire);
    assert_eq!((code, temporary, close), (101, true, 1013));
    let status = server.status();
    assert_eq!(closes(&status, 1013, "room_full"), 1);
    assert_eq!(closes(&status, 1013, "server_full"), 1);
    assert_eq!((total(&status, "rooms"), total(&status, "players")), (1, 2));

    // With the last player the room goes, and its place is free for another.
    drop((held, wire));
    server.until_empty();
    seated(&server, "another");
}

#[test]
fn whoever_does_not_say_hello_is_closed() {
    let server = Server::start(&["SESSION__HANDSHAKE_TIMEOUT=200ms"]);
    let mut wire = connect(&server, "r");
    // Pings are no hello.
    wire.send(&masked(0x89, b"alive"));
    assert_eq!(wire.close_code(), 4004);
    drop(wire);
    let status = server.until_empty();
    assert_eq!(closes(&status, 4004, "hello_timeout"), 1);
}

#[test]
fn leaving_frees_the_seat_at_once() {
    let server = Server::start(&["--players-per-room", "1"]);
    let mut wire = seated(&server, "r");
    wire.send(&message(|out| Leave { reason: 0 }.write(out)));
    let close = wire.frame_of(0x88);
    assert_eq!(close.payload[..2], 1000_u16.to_be_bytes());
    // Our Close is still owed, but the seat is not ours any more.
    let next = seated(&server, "r");
    wire.send(&masked(0x88, &close.payload[..2]));
    assert_eq!(wire.frame(), None);
    drop(next);
    let status = server.until_empty();
    assert_eq!(closes(&status, 1000, "left"), 1);
    assert_eq!(real_server::ends(&status), 2);
}

#[test]
fn a_flood_of_inputs_is_ended_and_nobody_else_suffers() {
    let server = Server::start(&[]);
    let mut neighbour = real_server::Player::<Arena>::join(&server.listen, "r", 1);
    let mut wire = seated(&server, "r");
    // A burst, as after a stall, is dropped and forgiven.
    let mut game = Vec::new();
    <Arena as Game>::Input::default().write(&mut game);
    let burst: Vec<u8> = (0..600).flat_map(|_| input(&game)).collect();
    wire.send(&burst);
    neighbour.until_snapshots(10);
    assert_eq!(closes(&server.status(), 4007, "flooding"), 0);
    for _ in 0..5 {
        wire.send(&burst);
    }
    let (code, temporary, _, text, close) = fault(&mut wire);
    assert_eq!((code, temporary, close), (206, false, 4007));
    assert!(text.contains("one per tick"), "{text}");
    assert_eq!(closes(&server.status(), 4007, "flooding"), 1);
    neighbour.until_snapshots(10);
    assert_eq!(neighbour.leave().closes, [Some(1000)]);
}
