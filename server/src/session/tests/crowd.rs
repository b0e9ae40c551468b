//! Many come, go or are pinged at once, and those who play notice nothing.

use tickring_protocol::websocket::OpCode;
use tickring_pulse::{Pulse, Settings};

use super::fake_ring::{FakeRing, Line};
use super::{MS, frame, hello, ping, request, rules, stage};
use crate::session::{Receiving, Rules, State};

const DOOR_MAX: usize = 8;
const PLAYER: u32 = 0;
const ECHO: u32 = 1;
/// In the slots behind those two.
const CROWD: u32 = 50;

fn crowd() -> std::ops::Range<u32> {
    2..2 + CROWD
}

/// One who plays and one who echoes, with nothing left to be sent, and a door for few.
fn two_inside() -> FakeRing<Pulse> {
    let rules = Rules { door_max: DOOR_MAX, ..rules() };
    let mut ring = FakeRing::new(stage(Settings::default(), rules), 2 + CROWD as usize);
    come(&mut ring, PLAYER, "/v1/rooms/r");
    ring.receive(PLAYER, &hello::<Pulse>());
    come(&mut ring, ECHO, "/v1/echo");
    ring.pass(0);
    ring.sent(PLAYER, false);
    assert!(matches!(ring.stage.sessions.at(PLAYER).peer.state, State::Playing(_)));
    ring
}

fn come(ring: &mut FakeRing<Pulse>, slot: u32, path: &str) {
    ring.begin(slot);
    ring.pass(0);
    ring.receive(slot, &request(path));
    ring.pass(0);
    ring.sent(slot, false);
}

/// Everybody of the crowd is on the echo endpoint.
fn crowd_inside() -> FakeRing<Pulse> {
    let mut ring = two_inside();
    crowd().for_each(|slot| come(&mut ring, slot, "/v1/echo"));
    ring
}

/// A pass in which those inside are answered whatever the crowd does. Then who of the crowd is `done`.
fn pass(ring: &mut FakeRing<Pulse>, done: impl Fn(&Line) -> bool) -> Vec<u32> {
    ring.receive(PLAYER, &ping());
    ring.receive(ECHO, &frame(OpCode::Binary, b"word"));
    ring.pass(0);
    ring.check();
    for slot in [PLAYER, ECHO] {
        assert!(ring.line(slot).sending.is_some(), "slot {slot} waits because of the crowd");
        ring.sent(slot, false);
    }
    crowd().filter(|&slot| done(ring.line(slot))).collect()
}

/// In each pass as many more are done as the door lets through, the first of `order` first, until all are.
fn let_through(ring: &mut FakeRing<Pulse>, order: &[u32], done: impl Fn(&Line) -> bool) {
    for passes in 1..=order.len().div_ceil(DOOR_MAX) {
        let mut expected = order[..order.len().min(passes * DOOR_MAX)].to_vec();
        expected.sort_unstable();
        assert_eq!(pass(ring, &done), expected, "pass {passes}");
        assert_eq!(ring.stage.sessions.any_at_the_door(), expected.len() < order.len());
    }
}

#[test]
fn newcomers_are_taken_in_as_they_came_and_so_many_a_pass() {
    let mut ring = two_inside();
    let order: Vec<u32> = crowd().rev().collect();
    order.iter().for_each(|&slot| ring.begin(slot));
    let_through(&mut ring, &order, |line| line.receiving == Some(Receiving::Once));
    // All of them ask in one pass.
    order.iter().for_each(|&slot| assert!(ring.receive(slot, &request("/v1/rooms/r")).0 > 0));
    let_through(&mut ring, &order, |line| line.sending.is_some());
    order.iter().for_each(|&slot| ring.sent(slot, false));
    order.iter().for_each(|&slot| assert!(ring.receive(slot, &hello::<Pulse>()).0 > 0));
    assert_eq!(ring.stage.rooms.players(), 1 + u64::from(CROWD), "a seat is not put off");
    let_through(&mut ring, &order, |line| line.sending.is_some());
}

#[test]
fn those_who_go_are_closed_so_many_a_pass_and_once() {
    let mut ring = crowd_inside();
    let order: Vec<u32> = crowd().collect();
    order.iter().for_each(|&slot| ring.end(slot, slot % 2 == 0));
    let_through(&mut ring, &order, |line| line.closing);
    order.iter().for_each(|&slot| ring.closed(slot));
    assert!(!ring.stage.sessions.any_at_the_door(), "who is gone has nothing to be flushed");
    assert!(pass(&mut ring, |line| line.open).is_empty());
}

#[test]
fn a_slot_that_is_used_again_at_the_door_has_one_turn() {
    let mut ring = crowd_inside();
    crowd().for_each(|slot| ring.end(slot, true));
    ring.pass(0);
    let last = crowd().end - 1;
    let first: Vec<u32> = crowd().filter(|&slot| ring.line(slot).closing).collect();
    for slot in first {
        ring.closed(slot);
        ring.begin(slot);
    }
    // Those before it in the queue, and itself; then the newcomers.
    for _ in 0..(CROWD as usize).div_ceil(DOOR_MAX) - 1 {
        assert!(!ring.line(last).closing);
        ring.pass(0);
    }
    assert!(ring.line(last).closing, "newcomers do not overtake");
    ring.pass(0);
    ring.check();
    assert!(!ring.stage.sessions.any_at_the_door());
}

#[test]
fn idle_connections_are_pinged_so_many_a_pass() {
    let mut ring = crowd_inside();
    let pinged = |line: &Line| line.sending.is_some();
    // Both inside have just been heard. The wheel brings all the others up in one pass.
    ring.now = super::Now::from_ns(ring.now.ns + 26_000 * MS);
    let mut before = pass(&mut ring, pinged);
    assert_eq!(before.len(), DOOR_MAX);
    let holds_a_buffer = |slot: &u32| ring.stage.sessions.at(*slot).peer.outbox.has_waiting();
    assert_eq!(crowd().filter(holds_a_buffer).count(), 0, "who waits for the door holds no buffer");
    while ring.stage.sessions.any_at_the_door() {
        let now = pass(&mut ring, pinged);
        assert_eq!(now.len(), (before.len() + DOOR_MAX).min(CROWD as usize));
        before = now;
    }
    assert_eq!(before.len(), CROWD as usize, "nobody was left out");
}

#[test]
fn a_ping_that_waits_is_left_out_when_something_is_heard_or_the_connection_goes() {
    let mut ring = crowd_inside();
    let written = |ring: &mut FakeRing<Pulse>, slot: u32| {
        let before = ring.line(slot).sent.len();
        ring.sent(slot, false);
        ring.line(slot).sent.split_off(before)
    };
    ring.now = super::Now::from_ns(ring.now.ns + 26_000 * MS);
    let first = pass(&mut ring, |line| line.sending.is_some());
    let mut waiting = crowd().filter(|slot| !first.contains(slot));
    let (speaks, goes) = (waiting.next().unwrap(), waiting.next().unwrap());
    ring.receive(speaks, &frame(OpCode::Binary, b"word"));
    let now = ring.now;
    ring.stage.act(goes, now, |session, cx| session.go_away(5_000, cx));
    while ring.stage.sessions.any_at_the_door() {
        ring.pass(0);
    }
    assert_eq!(written(&mut ring, speaks), b"\x82\x04word");
    assert_eq!(written(&mut ring, goes), b"\x88\x09\x03\xe9drained", "the Close is the last frame");
    assert_eq!(written(&mut ring, first[0]), b"\x89\x00");
    assert_eq!(ring.stage.ledger.traffic.pings_out, u64::from(CROWD) - 2);
}
