//! Small situations in which the order of things matters.

use tickring_protocol::websocket::OpCode;
use tickring_pulse::{Pulse, Settings};

use super::fake_ring::FakeRing;
use super::{MS, frame, hello, ping, request, rules, stage};
use crate::session::{Receiving, Rules, State};

/// A player in slot 0, with nothing left to be sent.
fn seated(rules: Rules) -> FakeRing<Pulse> {
    let mut ring = FakeRing::new(stage(Settings::default(), rules), 1);
    ring.begin(0);
    ring.pass(0);
    ring.receive(0, &request("/v1/rooms/r"));
    ring.pass(0);
    ring.receive(0, &hello::<Pulse>());
    ring.pass(0);
    ring.sent(0, false);
    assert!(matches!(ring.stage.sessions.at(0).peer.state, State::Playing(_)));
    ring
}

#[test]
fn a_snapshot_that_waits_does_not_follow_the_close() {
    let mut ring = seated(rules());
    // One send in flight, and a snapshot behind it.
    ring.receive(0, &ping());
    ring.pass(0);
    assert!(ring.line(0).sending.is_some());
    ring.pass(100 * MS);
    ring.receive(0, &frame(OpCode::Binary, &[0x04, 0]));
    ring.sent(0, false);
    ring.pass(0);
    let sent = ring.line(0).sending.take().expect("the close");
    assert_eq!(sent[0], 0x88, "{sent:02x?}");
    assert_eq!(sent.len(), 2 + usize::from(sent[1]), "nothing behind the close: {sent:02x?}");
}

/// What would be answered with a Close, behind a flood in the same segment.
fn flood() -> Vec<u8> {
    let mut bytes = ping().repeat(rules().outbox_bytes_max / 24 + 2);
    for tail in [frame(OpCode::Text, b"text"), frame(OpCode::Close, b"\x03\xe8"), vec![0xff; 16]] {
        bytes.extend(tail);
    }
    bytes
}

/// A Fault message of this code, then a Close of that code, and nothing else.
fn assert_fault(sent: &[u8], fault: u16, close: u16) {
    assert_eq!((sent[0], sent[1], sent[2]), (0x82, 89, 0x85), "{sent:02x?}");
    assert_eq!(sent[3..5], fault.to_le_bytes());
    let last = &sent[91..];
    assert_eq!((last[0], 2 + usize::from(last[1])), (0x88, last.len()), "{last:02x?}");
    assert_eq!(last[2..4], close.to_be_bytes());
}

#[test]
fn a_flood_of_pings_is_a_flood_and_nothing_counts_after_it() {
    let mut ring = seated(rules());
    ring.receive(0, &flood());
    assert_eq!(ring.stage.ledger.closes(), [(4007, "flooding", 1)]);
    ring.pass(0);
    assert_fault(&ring.line(0).sending.take().expect("the fault and the close"), 206, 4007);
}

/// Frames that are hardly messages: pongs nobody asked for, pings, fragments.
#[test]
fn a_flood_of_frames_is_one_however_they_come() {
    let unfinished = |opcode: OpCode| {
        let mut fragment = frame(opcode, b"");
        fragment[0] &= 0x7f;
        fragment
    };
    let mut clock_ping = ping();
    clock_ping[0] = 0x80;
    let fragments =
        [unfinished(OpCode::Binary), unfinished(OpCode::Continuation).repeat(98), clock_ping].concat();
    for hundred in [frame(OpCode::Pong, b"").repeat(100), frame(OpCode::Ping, b"x").repeat(100), fragments] {
        let mut ring = seated(rules());
        // What a busy client may do, second after second.
        for _ in 0..3 {
            ring.pass(1_000 * MS);
            ring.receive(0, &hundred.repeat(19));
        }
        assert_eq!(ring.stage.ledger.closes(), []);
        ring.receive(0, &hundred.repeat(2));
        assert_eq!(ring.stage.ledger.closes(), [(4007, "flooding", 1)]);
    }
}

#[test]
fn a_flood_behind_what_is_in_flight_is_one_too() {
    let mut ring = seated(rules());
    ring.receive(0, &ping());
    ring.pass(0);
    ring.receive(0, &flood());
    assert_eq!(ring.stage.ledger.closes(), [(4007, "flooding", 1)]);
    ring.pass(0);
    assert_eq!(ring.line(0).receiving, Some(Receiving::Nothing), "it is not read until it reads");
    ring.sent(0, false);
    ring.pass(0);
    assert_fault(&ring.line(0).sending.take().expect("the fault and the close"), 206, 4007);
}

#[test]
fn a_slow_reader_is_told_when_it_reads_again() {
    let mut ring = seated(rules());
    ring.receive(0, &ping());
    ring.pass(0);
    // One send in flight, a snapshot and answers behind it.
    ring.pass(100 * MS);
    ring.receive(0, &ping().repeat(100));
    let now = ring.now;
    ring.stage.act(0, now, |session, cx| session.peer.drop_slow_reader(cx));
    assert_eq!(ring.stage.ledger.closes(), [(4006, "slow_reader", 1)]);
    ring.pass(0);
    assert!(!ring.line(0).closing, "it has a little time yet");
    ring.sent(0, false);
    ring.pass(0);
    assert_fault(&ring.line(0).sending.take().expect("the fault and the close"), 104, 4006);
    assert!(ring.line(0).shut);
}

#[test]
fn a_slow_reader_that_stays_one_is_cut_off() {
    let mut ring = seated(rules());
    ring.receive(0, &ping());
    ring.pass(0);
    for _ in 0..39 {
        ring.pass(250 * MS);
    }
    assert_eq!(ring.stage.ledger.closes(), []);
    for _ in 0..10 {
        ring.pass(250 * MS);
    }
    assert_eq!(ring.stage.ledger.closes(), [(4006, "slow_reader", 1)]);
    assert!(!ring.line(0).closing);
    for _ in 0..30 {
        ring.pass(250 * MS);
    }
    assert!(ring.line(0).closing);
}

#[test]
fn the_hello_comes_first() {
    for early in [ping(), frame(OpCode::Binary, &[0x04, 0])] {
        let mut ring = FakeRing::new(stage::<Pulse>(Settings::default(), rules()), 1);
        ring.begin(0);
        ring.pass(0);
        ring.receive(0, &request("/v1/rooms/r"));
        ring.pass(0);
        ring.sent(0, false);
        ring.receive(0, &early);
        ring.pass(0);
        assert_fault(&ring.line(0).sending.take().expect("the fault and the close"), 203, 4001);
        assert_eq!(ring.stage.ledger.closes(), [(4001, "hello_expected", 1)]);
    }
}

/// A send's completion may be heard of late; the FIN need not wait for it.
#[test]
fn the_fin_is_ordered_together_with_the_last_bytes() {
    let mut ring = seated(rules());
    ring.receive(0, &frame(OpCode::Text, b"text"));
    ring.pass(0);
    assert!(ring.line(0).sending.is_some() && ring.line(0).shut);
    // The peer's FIN first, our completion after it, or the other way round: then it is over.
    ring.end(0, false);
    ring.pass(0);
    assert!(!ring.line(0).closing, "the last bytes are still being sent");
    ring.sent(0, false);
    ring.pass(0);
    assert!(ring.line(0).closing);

    let mut ring = seated(rules());
    ring.receive(0, &frame(OpCode::Text, b"text"));
    ring.pass(0);
    ring.sent(0, false);
    ring.pass(0);
    assert!(!ring.line(0).closing, "the peer may still be sending");
    ring.end(0, false);
    ring.pass(0);
    assert!(ring.line(0).closing);
}

#[test]
fn the_peers_end_does_not_put_off_ours() {
    let mut ring = seated(rules());
    ring.receive(0, &ping());
    ring.pass(0);
    let now = ring.now;
    ring.stage.act(0, now, |session, cx| session.peer.drop_slow_reader(cx));
    ring.end(0, false);
    for _ in 0..21 {
        ring.pass(250 * MS);
    }
    assert!(ring.line(0).closing, "what is in flight is waited for, but not for ever");
}

#[test]
fn a_ping_that_goes_out_late_leaves_its_full_time_to_answer() {
    let mut ring = seated(rules());
    // The server was held up for longer than silence may last.
    ring.pass(60_000 * MS);
    ring.sent(0, false);
    assert_eq!(ring.stage.ledger.traffic.pings_out, 1);
    for _ in 0..36 {
        ring.pass(250 * MS);
        ring.sent(0, false);
    }
    assert_eq!(ring.stage.ledger.closes(), [], "9 s of 10 have passed since the ping");
    for _ in 0..8 {
        ring.pass(250 * MS);
        ring.sent(0, false);
    }
    assert_eq!(ring.stage.ledger.closes(), [(4005, "silent", 1)]);
    let told = ring.line(0).sent.ends_with(b"\x88\x08\x0f\xa5silent");
    assert!(told, "a peer that lives all the same is told");
}

#[test]
fn pings_come_a_little_early_by_slot_and_never_late() {
    let slots = 200;
    let mut ring = FakeRing::new(stage::<Pulse>(Settings::default(), rules()), slots);
    for slot in 0..u32::try_from(slots).unwrap() {
        ring.begin(slot);
        ring.pass(0);
        ring.receive(slot, &request("/v1/echo"));
        ring.pass(0);
        ring.sent(slot, false);
    }
    let mut pinged = Vec::new();
    for _ in 0..101 {
        ring.pass(250 * MS);
        pinged.push(ring.stage.ledger.traffic.pings_out);
    }
    let by = |ms: usize| pinged[ms / 250 - 1];
    assert_eq!((by(21_000), by(25_250)), (0, slots as u64), "a little before 25 s: {pinged:?}");
    assert!((50..150).contains(&by(23_500)), "spread: {pinged:?}");
}
