//! Seats across connections: held, resumed, taken over, and tokens that are worth nothing.

use tickring_protocol::ids::PlayerId;
use tickring_protocol::message::{FEATURE_SPECTATE, SPECTATOR_PLAYER, ServerMessage};
use tickring_protocol::websocket::OpCode;

use super::fake_ring::FakeRing;
use super::keeper::{Keeper, Settings};
use super::{Issued, MS, frame, hello_asking, hello_with, ping, request, rules, stage_of, write_input};
use crate::report::Kicked;
use crate::session::State;

pub(super) const NO_TOKEN: [u8; 16] = [0; 16];

fn ring(hold_seconds: u16, players_max: u16) -> FakeRing<Keeper> {
    let settings = Settings { private_bytes: 20, hold_seconds, ..Settings::default() };
    FakeRing::new(stage_of(settings, rules(), players_max, &Issued::default()), 8)
}

/// Everything sent to `slot` and its end, as the kernel would do it.
fn settle(ring: &mut FakeRing<Keeper>, slot: u32) {
    for _ in 0..3 {
        ring.pass(0);
        ring.sent(slot, false);
    }
    ring.check();
}

/// A connection that asks for a seat in `room`; its player and token, or `None` without a welcome.
pub(super) fn arrive(
    ring: &mut FakeRing<Keeper>,
    slot: u32,
    room: &str,
    token: [u8; 16],
) -> Option<(u16, [u8; 16])> {
    arrive_with(ring, slot, room, &hello_with::<Keeper>(token))
}

pub(super) fn watch(ring: &mut FakeRing<Keeper>, slot: u32, room: &str) -> Option<(u16, [u8; 16])> {
    arrive_with(ring, slot, room, &hello_asking::<Keeper>(FEATURE_SPECTATE, [9; 16]))
}

fn arrive_with(ring: &mut FakeRing<Keeper>, slot: u32, room: &str, hello: &[u8]) -> Option<(u16, [u8; 16])> {
    ring.begin(slot);
    ring.pass(0);
    ring.receive(slot, &request(&format!("/v1/rooms/{room}")));
    settle(ring, slot);
    let upgraded = ring.line(slot).sent.len();
    ring.receive(slot, hello);
    settle(ring, slot);
    let sent = &ring.line(slot).sent[upgraded..];
    match ServerMessage::decode(sent.get(2..2 + usize::from(sent[1]))?) {
        Ok(ServerMessage::Welcome(welcome)) => Some((welcome.player.to_native(), welcome.resume)),
        _ => None,
    }
}

/// The connection breaks without a word.
pub(super) fn cut(ring: &mut FakeRing<Keeper>, slot: u32) {
    ring.end(slot, true);
    ring.pass(0);
    ring.closed(slot);
    ring.check();
}

fn refused(ring: &FakeRing<Keeper>) -> [u64; 3] {
    let refused = ring.stage.rooms.refused();
    [refused.used, refused.expired, refused.unknown]
}

#[test]
fn a_lost_connections_seat_is_resumed_and_the_token_is_used_up() {
    let mut ring = ring(5, 8);
    let (player, token) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    let (other, _) = arrive(&mut ring, 1, "r", NO_TOKEN).unwrap();
    cut(&mut ring, 0);
    assert_eq!((ring.stage.rooms.held(), ring.stage.rooms.players()), (1, 1));
    ring.pass(3_000 * MS);
    let (again, next) = arrive(&mut ring, 2, "r", token).unwrap();
    assert_eq!(again, player);
    assert_ne!(next, token, "rotated");
    assert_eq!(ring.stage.rooms.held(), 0);
    // The used token takes nothing from anybody.
    let (third, _) = arrive(&mut ring, 3, "r", token).unwrap();
    assert!(third != player && third != other);
    assert_eq!(refused(&ring), [1, 0, 0]);
    assert_eq!(ring.stage.rooms.counters().resumes, 1);
}

#[test]
fn a_living_connection_is_told_who_took_its_seat() {
    let mut ring = ring(5, 2);
    let (player, token) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    let said = ring.line(0).sent.len();
    assert_eq!(arrive(&mut ring, 1, "r", token).unwrap().0, player);
    settle(&mut ring, 0);
    let told = ring.line(0).sent[said..].to_vec();
    let fault = told.windows(3).position(|three| three == [0x85, 207, 0]).expect("a fault 207");
    let close = &told[fault + 89..];
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 4008));
    assert_eq!(ring.stage.ledger.closes(), [(4008, "replaced", 1)]);
    // Its end is nothing to the seat.
    cut(&mut ring, 0);
    assert!(matches!(ring.stage.sessions.at(1).peer.state, State::Playing(_)));
    assert_eq!((ring.stage.rooms.players(), ring.stage.rooms.held()), (1, 0));
    assert_eq!(ring.stage.rooms.counters().takeovers, 1);
}

#[test]
fn a_seat_that_is_taken_over_and_left_in_one_breath_is_nobodys() {
    let mut ring = ring(5, 2);
    let (_, token) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    ring.begin(1);
    ring.pass(0);
    ring.receive(1, &request("/v1/rooms/r"));
    ring.pass(0);
    ring.receive(1, &[hello_with::<Keeper>(token), frame(OpCode::Binary, &[0x04, 0])].concat());
    ring.pass(0);
    ring.check();
    assert_eq!((ring.stage.rooms.len(), ring.stage.rooms.players()), (0, 0));
    assert_eq!(ring.stage.ledger.closes(), [(1000, "left", 1), (4008, "replaced", 1)]);
}

#[test]
fn a_seat_can_be_taken_over_where_none_is_held() {
    let mut ring = ring(0, 1);
    let (player, token) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    let (again, token) = arrive(&mut ring, 1, "r", token).unwrap();
    assert_eq!(again, player);
    cut(&mut ring, 1);
    assert_eq!(ring.stage.rooms.len(), 0);
    assert!(arrive(&mut ring, 2, "r", token).is_some(), "a fresh seat in a fresh room");
    assert_eq!(refused(&ring), [0, 0, 1]);
}

#[test]
fn a_hold_ends_with_its_time_and_the_room_with_its_last_seat() {
    let mut ring = ring(2, 1);
    let (_, token) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    cut(&mut ring, 0);
    // A held seat is a taken one.
    assert_eq!(arrive(&mut ring, 1, "r", NO_TOKEN), None);
    assert!(ring.stage.ledger.closes().contains(&(1013, "room_full", 1)));
    for _ in 0..200 {
        ring.pass(16 * MS);
    }
    assert_eq!((ring.stage.rooms.len(), ring.stage.rooms.held()), (0, 0));
    assert_eq!(ring.stage.rooms.counters().holds_expired, 1);
    assert!(arrive(&mut ring, 2, "r", token).is_some());
}

#[test]
fn an_expired_or_foreign_token_gets_a_fresh_seat_and_is_counted() {
    let mut ring = ring(1, 8);
    let (first, expired) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    let (second, kept) = arrive(&mut ring, 1, "r", NO_TOKEN).unwrap();
    let (_, foreign) = arrive(&mut ring, 2, "elsewhere", NO_TOKEN).unwrap();
    cut(&mut ring, 0);
    for _ in 0..100 {
        ring.pass(16 * MS);
        for slot in [1, 2] {
            ring.sent(slot, false);
        }
    }
    assert_eq!(arrive(&mut ring, 3, "r", expired).unwrap().0, first, "the lowest free seat");
    assert_eq!(refused(&ring), [0, 1, 0]);
    let (third, _) = arrive(&mut ring, 4, "r", foreign).unwrap();
    assert!(third != first && third != second);
    assert_eq!(refused(&ring), [0, 1, 1]);
    // Nobody else noticed.
    assert_eq!(ring.stage.ledger.closes(), [(0, "reset", 1)]);
    assert_eq!(arrive(&mut ring, 5, "r", kept).unwrap().0, second);
}

#[test]
fn an_operator_removes_a_player_or_a_held_seat() {
    let mut ring = ring(5, 8);
    let (player, token) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    arrive(&mut ring, 1, "r", NO_TOKEN).unwrap();
    let now = ring.now;
    let said = ring.line(0).sent.len();
    assert_eq!(ring.stage.kick("r", PlayerId(player), now), Kicked::Connected);
    assert_eq!(ring.stage.kick("r", PlayerId(player), now), Kicked::NoPlayer);
    assert_eq!(ring.stage.kick("r", PlayerId(999), now), Kicked::NoPlayer);
    assert_eq!(ring.stage.kick("elsewhere", PlayerId(player), now), Kicked::NoRoom);
    settle(&mut ring, 0);
    let told = ring.line(0).sent[said..].to_vec();
    let fault = told.windows(3).position(|three| three == [0x85, 208, 0]).expect("a fault 208");
    assert_eq!(told[fault + 91..fault + 93], 4009_u16.to_be_bytes());
    // The token went with the seat.
    arrive(&mut ring, 2, "r", token).unwrap();
    assert_eq!(refused(&ring), [0, 1, 0]);
    cut(&mut ring, 1);
    assert_eq!(ring.stage.kick("r", PlayerId(1), now), Kicked::Held);
    assert_eq!((ring.stage.rooms.held(), ring.stage.rooms.players()), (0, 1));
    cut(&mut ring, 2);
    assert_eq!(ring.stage.kick("r", PlayerId(0), now), Kicked::Held);
    assert_eq!(ring.stage.rooms.len(), 0, "the last seat takes the room with it");
    assert_eq!((ring.stage.ledger.kicks, ring.stage.rooms.counters().holds_ended), (3, 2));
}

#[test]
fn a_hold_that_ends_for_another_room_is_counted() {
    let mut ring = ring(5, 8);
    for (slot, room) in (0..).zip(["a", "b", "c", "d"]) {
        arrive(&mut ring, slot, room, NO_TOKEN).unwrap();
        cut(&mut ring, slot);
    }
    arrive(&mut ring, 4, "e", NO_TOKEN).unwrap();
    let rooms = &ring.stage.rooms;
    assert_eq!((rooms.counters().holds, rooms.counters().holds_ended, rooms.held()), (4, 1, 3));
    assert_eq!(ring.stage.ledger.kicks, 0);
}

#[test]
fn rooms_are_listed_by_name_and_not_without_end() {
    let mut ring = ring(5, 8);
    for (slot, room) in (0..).zip(["c", "a", "b", "a"]) {
        arrive(&mut ring, slot, room, NO_TOKEN).unwrap();
    }
    cut(&mut ring, 3);
    ring.pass(100 * MS);
    let listed = ring.stage.rooms.list("", 10);
    let seats: Vec<_> = listed.iter().map(|room| (&*room.name, room.players, room.held)).collect();
    assert_eq!(seats, [("a", 1, 1), ("b", 1, 0), ("c", 1, 0)]);
    assert!(listed.iter().all(|room| room.tick > 0 && room.bytes_out > 0), "{listed:?}");
    let names = |after, limit| -> Vec<_> {
        ring.stage.rooms.list(after, limit).into_iter().map(|room| room.name.into_string()).collect()
    };
    assert_eq!(
        (names("", 2), names("a", 1), names("c", 5)),
        (vec!["a".into(), "b".into()], vec!["b".into()], vec![])
    );
}

#[test]
fn who_means_to_go_is_not_held() {
    let leave = frame(OpCode::Binary, &[0x04, 0]);
    let normal = frame(OpCode::Close, &1000_u16.to_be_bytes());
    let silent = frame(OpCode::Close, b"");
    let malformed = frame(OpCode::Binary, &[0x99]);
    let away = frame(OpCode::Close, &1001_u16.to_be_bytes());
    for (last_word, held) in [(leave, 0), (normal, 0), (silent, 0), (malformed, 0), (away, 1)] {
        let mut ring = ring(5, 8);
        arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
        ring.receive(0, &last_word);
        ring.pass(0);
        ring.check();
        assert_eq!(ring.stage.rooms.held(), held, "{last_word:02x?}");
    }
}

#[test]
fn a_reader_that_is_cut_off_as_too_slow_may_come_back() {
    let mut ring = ring(60, 8);
    let (player, token) = arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    ring.receive(0, &ping());
    for _ in 0..60 {
        ring.pass(250 * MS);
    }
    assert_eq!(ring.stage.ledger.closes(), [(4006, "slow_reader", 1)]);
    assert_eq!(ring.stage.rooms.held(), 1);
    assert_eq!(arrive(&mut ring, 1, "r", token).unwrap().0, player);
}

#[test]
fn spectators_watch_until_the_last_seat_is_given_up() {
    let mut ring = ring(1, 1);
    assert_eq!(watch(&mut ring, 0, "r"), None);
    assert_eq!(ring.stage.ledger.closes(), [(4003, "unknown_room", 1)]);
    arrive(&mut ring, 1, "r", NO_TOKEN).unwrap();
    assert_eq!(watch(&mut ring, 2, "r"), Some((SPECTATOR_PLAYER, NO_TOKEN)));
    assert_eq!(refused(&ring), [0, 0, 0], "a spectator's token is not looked at");
    let said = ring.line(2).sent.len();
    ring.pass(100 * MS);
    settle(&mut ring, 2);
    assert!(ring.line(2).sent.len() > said, "snapshots come");
    ring.receive(2, &ping());
    ring.pass(0);
    assert_eq!(ring.line(2).sending.as_ref().unwrap()[2], 0x84, "a pong");
    // A held seat keeps the room open, and its end is the room's.
    cut(&mut ring, 1);
    assert_eq!(ring.stage.sessions.states().watching, 1);
    for _ in 0..100 {
        ring.pass(16 * MS);
        ring.sent(2, false);
    }
    settle(&mut ring, 2);
    assert!(ring.stage.ledger.closes().contains(&(4010, "room_closed", 1)));
    let told = &ring.line(2).sent;
    assert!(told.ends_with(b"\x88\x0d\x0f\xaaroom_closed"), "{told:02x?}");
    assert!(told.windows(3).any(|three| three == [0x86, 0xaa, 0x0f]), "a goodbye before it");
}

#[test]
fn a_spectators_input_is_a_fault_and_its_leave_is_none() {
    let mut ring = ring(1, 1);
    arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    watch(&mut ring, 1, "r").unwrap();
    watch(&mut ring, 2, "r").unwrap();
    let mut input = Vec::new();
    write_input(&mut input, 1, &[0; 16]);
    ring.receive(1, &frame(OpCode::Binary, &input));
    ring.receive(2, &frame(OpCode::Binary, &[0x04, 0]));
    settle(&mut ring, 1);
    assert_eq!(ring.stage.ledger.closes(), [(4001, "spectating", 1), (1000, "left", 1)]);
    assert_eq!(ring.stage.sessions.states().playing, 1);
}

#[test]
fn as_many_watch_as_may() {
    let mut ring = FakeRing::new(stage_of(Settings::default(), rules(), 1, &Issued::default()), 32);
    arrive(&mut ring, 0, "r", NO_TOKEN).unwrap();
    for slot in 1..=16 {
        watch(&mut ring, slot, "r").unwrap();
    }
    assert_eq!(watch(&mut ring, 17, "r"), None);
    cut(&mut ring, 3);
    watch(&mut ring, 18, "r").unwrap();
    assert_eq!(ring.stage.ledger.closes(), [(1013, "room_full", 1), (0, "reset", 1)]);
}
