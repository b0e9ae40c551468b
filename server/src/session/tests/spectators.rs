//! Spectators with a delay: what the server tells them, and when a room has ended for them.

use tickring_protocol::message::{FEATURE_SPECTATE, ServerMessage};
use tickring_protocol::websocket::OpCode;
use tickring_room::RoomConfig;

use super::fake_ring::FakeRing;
use super::keeper::{Keeper, Settings};
use super::{Issued, frame, hello, hello_asking, ping, request, rules, stage_with};

const DELAY_TICKS: u32 = 60;
const ROOM: &str = "/v1/rooms/r";
const PLAYER: u32 = 0;
const SPECTATOR: u32 = 1;

/// Somebody has played for two seconds in a room with a delay of one.
fn ring() -> FakeRing<Keeper> {
    let config = RoomConfig { spectator_delay_ms: 1_000, ..RoomConfig::with_rates(60, 30) };
    let settings = Settings { private_bytes: 20, ..Settings::default() };
    let mut ring = FakeRing::new(stage_with(config, settings, rules(), &Issued::default()), 8);
    arrive(&mut ring, PLAYER, &hello::<Keeper>());
    play(&mut ring, 120);
    ring
}

fn arrive(ring: &mut FakeRing<Keeper>, slot: u32, hello: &[u8]) {
    arrive_at(ring, ROOM, slot, hello);
}

fn arrive_at(ring: &mut FakeRing<Keeper>, room: &str, slot: u32, hello: &[u8]) {
    ring.begin(slot);
    ring.pass(0);
    ring.receive(slot, &request(room));
    ring.pass(0);
    ring.sent(slot, false);
    ring.line(slot).sent.clear();
    ring.receive(slot, hello);
    ring.pass(0);
    ring.sent(slot, false);
}

/// About so many ticks pass, and everybody reads.
fn play(ring: &mut FakeRing<Keeper>, ticks: u32) {
    for _ in 0..ticks {
        ring.pass(1_000_000_000 / 60 + 1);
        (0..8).for_each(|slot| ring.sent(slot, false));
    }
    ring.check();
}

fn tick_of(ring: &FakeRing<Keeper>) -> u32 {
    ring.stage.rooms.list("", 1)[0].tick
}

/// The messages since the last call, each by its kind and tick; those without a tick have 0.
fn messages(ring: &mut FakeRing<Keeper>, slot: u32) -> Vec<(u8, u32)> {
    let sent = std::mem::take(&mut ring.line(slot).sent);
    let mut rest = &sent[..];
    let mut messages = Vec::new();
    while let [first, length, after @ ..] = rest {
        assert!(*length < 126, "short frames only");
        let (payload, after) = after.split_at((*length).into());
        rest = after;
        if *first != 0x82 {
            continue;
        }
        let tick = match ServerMessage::decode(payload).expect("a message") {
            ServerMessage::Welcome(welcome) => welcome.tick.to_native(),
            ServerMessage::Snapshot { head, .. } => head.tick.to_native(),
            ServerMessage::Pong(pong) => pong.tick.to_native(),
            _ => 0,
        };
        messages.push((payload[0], tick));
    }
    messages
}

const WELCOME: u8 = 0x81;
const SNAPSHOT: u8 = 0x82;
const PONG: u8 = 0x84;
const GOODBYE: u8 = 0x86;

#[test]
fn a_spectator_is_told_of_no_tick_that_is_younger_than_the_delay() {
    let mut ring = ring();
    arrive(&mut ring, SPECTATOR, &hello_asking::<Keeper>(FEATURE_SPECTATE, [0; 16]));
    let now = tick_of(&ring);
    assert_eq!(messages(&mut ring, SPECTATOR), [(WELCOME, now - DELAY_TICKS)]);
    let mut kinds = [0; 256];
    let mut expected = now - DELAY_TICKS;
    for _ in 0..90 {
        ring.receive(SPECTATOR, &ping());
        play(&mut ring, 1);
        let now = tick_of(&ring);
        for (kind, tick) in messages(&mut ring, SPECTATOR) {
            kinds[usize::from(kind)] += 1;
            assert!(tick + DELAY_TICKS <= now, "{kind:#x} tells of tick {tick} at {now}");
            assert!(tick + DELAY_TICKS + 2 >= now, "{kind:#x} is of tick {tick} at {now}");
            if kind == SNAPSHOT {
                assert!(tick == expected + 2 || tick == expected + 1, "{tick} after {expected}");
                expected = tick;
            }
        }
    }
    assert!(kinds[usize::from(SNAPSHOT)] > 40 && kinds[usize::from(PONG)] > 80);
}

#[test]
fn spectators_see_the_end_of_a_room_that_has_ended_and_its_name_is_free_meanwhile() {
    let mut ring = ring();
    arrive(&mut ring, SPECTATOR, &hello_asking::<Keeper>(FEATURE_SPECTATE, [0; 16]));
    let ended = tick_of(&ring);
    ring.receive(PLAYER, &frame(OpCode::Binary, &[0x04, 0]));
    assert_eq!((ring.stage.rooms.len(), ring.stage.rooms.list("", 9).len()), (0, 0), "nobody plays there");
    messages(&mut ring, SPECTATOR);
    play(&mut ring, DELAY_TICKS / 2);
    // Somebody opens another room of that name; who comes to watch is shown that one.
    arrive(&mut ring, 2, &hello::<Keeper>());
    arrive(&mut ring, 3, &hello_asking::<Keeper>(FEATURE_SPECTATE, [0; 16]));
    assert_eq!(ring.stage.rooms.len(), 1);
    assert_eq!(messages(&mut ring, 3), [(WELCOME, 0_u32.wrapping_sub(DELAY_TICKS))]);
    play(&mut ring, DELAY_TICKS);
    let told = messages(&mut ring, SPECTATOR);
    let shown: Vec<u32> = told.iter().filter(|(kind, _)| *kind == SNAPSHOT).map(|(_, tick)| *tick).collect();
    let last = *shown.last().expect("snapshots came");
    assert!(last + 2 > ended && last <= ended + 2, "{last} is the last of {ended}");
    assert_eq!(told.last(), Some(&(GOODBYE, 0)));
    assert_eq!(ring.stage.sessions.states().watching, 1, "the other watches on");
    assert!(messages(&mut ring, 3).is_empty(), "the new room is younger than the delay");
    play(&mut ring, DELAY_TICKS);
    assert!(messages(&mut ring, 3).len() > 20);
}

#[test]
fn rooms_that_are_over_and_shown_are_counted_as_rooms() {
    let config = RoomConfig { spectator_delay_ms: 60_000, ..RoomConfig::with_rates(60, 30) };
    let mut ring = FakeRing::new(stage_with(config, Settings::default(), rules(), &Issued::default()), 16);
    for number in 0..4 {
        let (room, player) = (format!("/v1/rooms/r{number}"), 2 * number);
        arrive_at(&mut ring, &room, player, &hello::<Keeper>());
        arrive_at(&mut ring, &room, player + 1, &hello_asking::<Keeper>(FEATURE_SPECTATE, [0; 16]));
        assert_eq!(messages(&mut ring, player)[0].0, WELCOME);
        ring.receive(player, &frame(OpCode::Binary, &[0x04, 0]));
    }
    assert_eq!(ring.stage.rooms.len(), 0, "nobody plays");
    arrive_at(&mut ring, "/v1/rooms/another", 9, &hello::<Keeper>());
    assert!(
        messages(&mut ring, 9).iter().all(|(kind, _)| *kind != WELCOME),
        "four rooms are all there may be"
    );
}

#[test]
fn a_room_that_nobody_watches_ends_at_once() {
    let mut ring = ring();
    arrive(&mut ring, SPECTATOR, &hello_asking::<Keeper>(FEATURE_SPECTATE, [0; 16]));
    ring.receive(PLAYER, &frame(OpCode::Binary, &[0x04, 0]));
    assert!(ring.stage.rooms.next_deadline_ns().is_some(), "it is shown to its end");
    ring.receive(SPECTATOR, &frame(OpCode::Binary, &[0x04, 0]));
    play(&mut ring, 2);
    assert!(ring.stage.rooms.next_deadline_ns().is_none(), "there is nothing left to tick");
}
