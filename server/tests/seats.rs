//! Coming back on the real server: after a cut, in place of a living connection, too late, with a wrong token; being
//! removed; and watching.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Server, Wire, closes, masked, message, total};
use tickring_arena::Arena;
use tickring_protocol::message::{
    FEATURE_SPECTATE, Hello, Leave, PROTOCOL_VERSION, ServerMessage, combined_layout,
};
use tickring_room::Game;

const NO_TOKEN: [u8; 16] = [0; 16];

/// What a welcome says of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seat {
    player: u16,
    entity: u16,
    token: [u8; 16],
}

fn hello(server: &Server, room: &str, features: u32, resume: [u8; 16]) -> Wire {
    let mut wire = Wire::upgraded(&server.listen, &format!("/v1/rooms/{room}"));
    let layout = combined_layout(Arena::LAYOUT);
    let hello = Hello { version: PROTOCOL_VERSION, layout, features, resume };
    wire.send(&message(|out| hello.write(out)));
    wire
}

fn arrive(server: &Server, room: &str, resume: [u8; 16]) -> (Wire, Seat) {
    let mut wire = hello(server, room, 0, resume);
    let frame = wire.frame().unwrap();
    let Ok(ServerMessage::Welcome(welcome)) = ServerMessage::decode(&frame.payload) else {
        panic!("no welcome: {frame:?}")
    };
    let seat = Seat {
        player: welcome.player.to_native(),
        entity: welcome.entity.to_native(),
        token: welcome.resume,
    };
    assert_ne!(seat.token, NO_TOKEN);
    assert_ne!(seat.token, resume, "each token is good once");
    (wire, seat)
}

/// Cuts the connection without a word, and waits until the server has noticed.
fn cut(server: &Server, wire: Wire) {
    let before = total(&server.status(), "seat_holds");
    drop(wire);
    server.until("a held seat", |status| total(status, "seat_holds") == before + 1);
}

/// Passes over what comes before the next snapshot.
fn until_snapshot(wire: &mut Wire) {
    snapshot_tick(wire);
}

/// The tick of the next snapshot.
fn snapshot_tick(wire: &mut Wire) -> u32 {
    loop {
        let frame = wire.frame_of(0x82);
        if frame.payload[0] == 0x82 {
            return tick(&frame.payload);
        }
    }
}

/// Counts of tokens refused: used, expired, unknown.
fn refused(server: &Server) -> [u64; 3] {
    let status = server.status();
    ["used", "expired", "unknown"].map(|why| status["totals"]["tokens_refused"][why].as_u64().unwrap())
}

#[test]
fn a_seat_is_resumed_after_a_cut() {
    let server = Server::start(&["ARENA__HOLD=1h", "--workers", "2"]);
    let (wire, seat) = arrive(&server, "r", NO_TOKEN);
    let (_other, _) = arrive(&server, "r", NO_TOKEN);
    cut(&server, wire);
    let status = server.status();
    assert_eq!((total(&status, "players"), total(&status, "seats_held")), (1, 1));

    let (mut wire, again) = arrive(&server, "r", seat.token);
    assert_eq!((again.player, again.entity), (seat.player, seat.entity));
    until_snapshot(&mut wire);
    let status = server.status();
    assert_eq!((total(&status, "players"), total(&status, "seats_held")), (2, 0));
    assert_eq!(total(&status, "seat_resumes"), 1);

    // The token that was used is good for nothing more than a fresh seat.
    let (_third, third) = arrive(&server, "r", seat.token);
    assert!(third.player != seat.player && third.entity != seat.entity);
    assert_eq!(refused(&server), [1, 0, 0]);
    assert!(server.page("/metrics").contains("tickring_tokens_refused_total{worker=\"0\",reason=\"used\"} "));
}

#[test]
fn a_second_connection_takes_the_seat_over() {
    let server = Server::start(&["ARENA__HOLD=1h", "--players-per-room", "1"]);
    let (mut first, seat) = arrive(&server, "r", NO_TOKEN);
    let (mut second, again) = arrive(&server, "r", seat.token);
    assert_eq!((again.player, again.entity), (seat.player, seat.entity));
    loop {
        let frame = first.frame().expect("a fault");
        if let Ok(ServerMessage::Fault(fault)) = ServerMessage::decode(&frame.payload) {
            assert_eq!((fault.code.to_native(), fault.temporary), (207, 0));
            break;
        }
    }
    assert_eq!(first.close_code(), 4008);
    drop(first);
    let status = server.until("the old connection's end", |status| real_server::held(status) == 1);
    assert_eq!((total(&status, "players"), total(&status, "seats_held")), (1, 0));
    assert_eq!((total(&status, "seat_takeovers"), closes(&status, 4008, "replaced")), (1, 1));
    // It plays on, and when it leaves, the seat is nobody's.
    until_snapshot(&mut second);
    second.send(&message(|out| Leave { reason: 0 }.write(out)));
    assert_eq!(second.frame_of(0x88).payload[..2], 1000_u16.to_be_bytes());
    drop(second);
    server.until_empty();
}

#[test]
fn an_expired_token_gets_a_fresh_seat() {
    let server = Server::start(&["ARENA__HOLD=1s"]);
    let (_other, other) = arrive(&server, "r", NO_TOKEN);
    let (wire, seat) = arrive(&server, "r", NO_TOKEN);
    cut(&server, wire);
    server.until("the end of the hold", |status| total(status, "seat_holds_expired") == 1);
    let (_again, again) = arrive(&server, "r", seat.token);
    assert!(again.entity != seat.entity && again.entity != other.entity);
    assert_eq!(refused(&server), [0, 1, 0]);
    assert_eq!(total(&server.status(), "players"), 2);
}

#[test]
fn a_token_of_another_room_or_of_nobody_is_unknown_and_harms_nobody() {
    let server = Server::start(&["ARENA__HOLD=1h", "--workers", "2"]);
    let (mut wire, seat) = arrive(&server, "here", NO_TOKEN);
    let (_there, there) = arrive(&server, "there", seat.token);
    assert_ne!(there.token, seat.token);
    let (_made_up, _) = arrive(&server, "here", [0xab; 16]);
    let mut nearly = seat.token;
    nearly[15] ^= 1;
    let (_nearly, nearly) = arrive(&server, "here", nearly);
    assert_ne!(nearly.player, seat.player);
    assert_eq!(refused(&server), [0, 0, 3]);
    // The owner plays on.
    until_snapshot(&mut wire);
    assert_eq!(real_server::ends(&server.status()), 0);
}

#[test]
fn held_seats_keep_their_room_full() {
    let server = Server::start(&["ARENA__HOLD=1h", "--players-per-room", "1"]);
    let (wire, seat) = arrive(&server, "r", NO_TOKEN);
    cut(&server, wire);
    let mut late = hello(&server, "r", 0, [0xcd; 16]);
    assert_eq!(late.close_code(), 1013);
    assert_eq!(closes(&server.status(), 1013, "room_full"), 1);
    assert_eq!(arrive(&server, "r", seat.token).1.entity, seat.entity);
}

#[test]
fn a_player_is_found_in_its_room_and_removed() {
    let server = Server::start(&["ARENA__HOLD=1h", "--workers", "2"]);
    let (mut wire, seat) = arrive(&server, "field", NO_TOKEN);
    let (mut other, _) = arrive(&server, "field", NO_TOKEN);
    let (held, kept) = arrive(&server, "held", NO_TOKEN);
    cut(&server, held);
    let page: serde_json::Value = serde_json::from_str(&server.page("/rooms?limit=1")).unwrap();
    assert_eq!((&page["rooms"][0]["name"], &page["rooms"][0]["players"]), (&"field".into(), &2.into()));
    assert_eq!(page["next"], "field");
    let page: serde_json::Value = serde_json::from_str(&server.page("/rooms?after=field")).unwrap();
    assert_eq!((&page["rooms"][0]["name"], &page["rooms"][0]["held"]), (&"held".into(), &1.into()));

    let (code, answer) = server.order(&format!("/rooms/field/kick/{}", seat.player));
    assert_eq!((code, &answer["was"]), (200, &"connected".into()));
    assert_eq!(wire.close_code(), 4009);
    assert_eq!(server.order(&format!("/rooms/field/kick/{}", seat.player)).0, 404);
    assert_eq!(server.order("/rooms/nowhere/kick/0").0, 404);
    let (code, answer) = server.order(&format!("/rooms/held/kick/{}", kept.player));
    assert_eq!((code, &answer["was"]), (200, &"held".into()));
    let status = server.status();
    assert_eq!(closes(&status, 4009, "removed"), 1);
    assert_eq!((total(&status, "rooms"), total(&status, "players"), total(&status, "seats_held")), (1, 1, 0));
    assert_eq!((total(&status, "seat_kicks"), total(&status, "seat_holds_ended")), (2, 1));

    // The token is worth nothing any more, and the neighbour plays on.
    let (_again, again) = arrive(&server, "field", seat.token);
    assert_ne!(again.entity, seat.entity);
    assert_eq!(refused(&server), [0, 1, 0]);
    until_snapshot(&mut other);
}

#[test]
fn a_spectator_watches_and_goes_with_the_room() {
    let server = Server::start(&["--players-per-room", "1"]);
    assert_eq!(hello(&server, "field", FEATURE_SPECTATE, NO_TOKEN).close_code(), 4003, "nobody plays there");
    let (mut player, _) = arrive(&server, "field", NO_TOKEN);
    // The room is full for players, not for those who watch.
    let mut spectator = hello(&server, "field", FEATURE_SPECTATE, NO_TOKEN);
    assert_eq!(spectator.frame().unwrap().payload[..5], [0x81, 0xff, 0xff, 0xff, 0xff]);
    until_snapshot(&mut spectator);
    let status = server.status();
    assert_eq!((total(&status, "players"), &status["totals"]["connections"]["watching"]), (1, &1.into()));
    let page: serde_json::Value = serde_json::from_str(&server.page("/rooms")).unwrap();
    assert_eq!(page["rooms"][0]["spectators"], 1);
    player.send(&message(|out| Leave { reason: 0 }.write(out)));
    let close = spectator.frame_of(0x88);
    assert_eq!(close.payload[..2], 4010_u16.to_be_bytes());
    spectator.send(&masked(0x88, &close.payload[..2]));
    assert_eq!(spectator.frame(), None);
    drop((player, spectator));
    let status = server.until_empty();
    assert_eq!(closes(&status, 4010, "room_closed"), 1);
}

/// What it is shown is older than the delay, and the end of the room comes when that has been shown too.
#[test]
fn a_delayed_spectator_sees_what_was_and_the_end_of_it() {
    const DELAY_TICKS: u64 = 30;
    let server = Server::start(&["ROOM__SPECTATOR_DELAY=500ms"]);
    let (mut player, _) = arrive(&server, "field", NO_TOKEN);
    until_snapshot(&mut player);
    let mut spectator = hello(&server, "field", FEATURE_SPECTATE, NO_TOKEN);
    let first = snapshot_tick(&mut spectator);
    let page: serde_json::Value = serde_json::from_str(&server.page("/rooms")).unwrap();
    let now = page["rooms"][0]["tick"].as_u64().unwrap();
    assert!(u64::from(first) + DELAY_TICKS <= now, "{first} is seen at {now}");
    player.send(&message(|out| Leave { reason: 0 }.write(out)));
    server.until("the end for players", |status| total(status, "rooms") == 0);
    let mut last = first;
    let close = loop {
        let frame = spectator.frame().expect("a goodbye comes first");
        if frame.first == 0x88 {
            break frame;
        }
        if frame.payload[0] == 0x82 {
            last = tick(&frame.payload);
        }
    };
    assert_eq!(close.payload[..2], 4010_u16.to_be_bytes());
    assert!(u64::from(last) + DELAY_TICKS > now, "{last}: what happened until {now} was shown");
}

fn tick(payload: &[u8]) -> u32 {
    u32::from_le_bytes(payload[1..5].try_into().unwrap())
}

/// Rooms that nobody is in make way for somebody who is there, the youngest first; rooms that somebody is in do not.
#[test]
fn rooms_left_behind_shut_nobody_out() {
    let server = Server::start(&["ARENA__HOLD=10m", "ROOM__ROOMS_MAX=3"]);
    let (wire, old) = arrive(&server, "old", NO_TOKEN);
    cut(&server, wire);
    for nth in 0..5 {
        let (wire, _) = arrive(&server, &format!("left-{nth}"), NO_TOKEN);
        cut(&server, wire);
    }
    let (_stays, _) = arrive(&server, "here", NO_TOKEN);
    let (_stays_too, _) = arrive(&server, "there", NO_TOKEN);
    // The oldest one was spared as long as there were others.
    let (_back, seat) = arrive(&server, "old", old.token);
    assert_eq!(seat.player, old.player);
    assert_eq!(total(&server.status(), "seat_resumes"), 1);
    let mut late = hello(&server, "one-more", 0, NO_TOKEN);
    let frame = late.frame().unwrap();
    assert!(
        matches!(ServerMessage::decode(&frame.payload), Ok(ServerMessage::Fault(fault)) if fault.code == 101),
        "{frame:?}"
    );
    assert_eq!(total(&server.status(), "rooms"), 3);
}
