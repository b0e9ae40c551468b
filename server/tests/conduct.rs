//! Every violation of RFC 6455, at the real socket: its close code, the end of the stream, and its
//! counter. Each is delivered whole, byte by byte, and right behind the upgrade request.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use std::collections::BTreeMap;

use real_server::{Server, Wire, closes, masked, request, total};

const ROOM: &str = "/v1/rooms/conduct";
const ECHO: &str = "/v1/echo";

struct Violation {
    what: &'static str,
    path: &'static str,
    bytes: Vec<u8>,
    code: u16,
    cause: &'static str,
}

fn violation(
    what: &'static str,
    path: &'static str,
    bytes: impl Into<Vec<u8>>,
    code: u16,
    cause: &'static str,
) -> Violation {
    Violation { what, path, bytes: bytes.into(), code, cause }
}

/// A frame head that claims `bytes`, with a mask and nothing behind it.
fn claim(first: u8, bytes: u64) -> Vec<u8> {
    [&[first, 0xff][..], &bytes.to_be_bytes(), &[1, 2, 3, 4]].concat()
}

fn frames() -> Vec<Violation> {
    let both = |first: u8, payload: &[u8], second: u8, more: &[u8]| {
        [masked(first, payload), masked(second, more)].concat()
    };
    vec![
        violation("an unmasked frame", ROOM, [0x82, 1, 0], 1002, "frame_unmasked"),
        violation("an unmasked ping", ECHO, [0x89, 0], 1002, "frame_unmasked"),
        violation("RSV1", ROOM, masked(0xc2, b"a"), 1002, "frame_reserved_bits"),
        violation("RSV2", ROOM, masked(0xa2, b"a"), 1002, "frame_reserved_bits"),
        violation("RSV3", ECHO, masked(0x91, b"a"), 1002, "frame_reserved_bits"),
        violation("opcode 3", ROOM, masked(0x83, b"a"), 1002, "frame_unknown_opcode"),
        violation("opcode 7", ECHO, masked(0x87, b"a"), 1002, "frame_unknown_opcode"),
        violation("opcode 11", ROOM, masked(0x8b, b""), 1002, "frame_unknown_opcode"),
        violation("opcode 15", ECHO, masked(0x8f, b""), 1002, "frame_unknown_opcode"),
        violation("half a ping", ROOM, masked(0x09, b"a"), 1002, "frame_control_fragmented"),
        violation("half a close", ECHO, masked(0x08, b""), 1002, "frame_control_fragmented"),
        violation("a long ping", ROOM, masked(0x89, &[0; 126]), 1002, "frame_control_too_long"),
        violation("a huge pong", ECHO, claim(0x8a, 1 << 40), 1002, "frame_control_too_long"),
        violation("125 in 16 bits", ROOM, [0x82, 0xfe, 0, 125, 0, 0, 0, 0], 1002, "frame_length_form"),
        violation("65,535 in 64 bits", ECHO, claim(0x82, 65_535), 1002, "frame_length_form"),
        violation("a negative length", ECHO, claim(0x82, 1 << 63), 1002, "frame_length_form"),
        violation("an orphan", ROOM, masked(0x80, b"a"), 1002, "frame_orphan_continuation"),
        violation(
            "an orphan after a message",
            ECHO,
            both(0x82, b"a", 0x80, b"b"),
            1002,
            "frame_orphan_continuation",
        ),
        violation("binary in binary", ROOM, both(0x02, b"a", 0x82, b"b"), 1002, "frame_interleaved_message"),
        violation("text in binary", ECHO, both(0x02, b"a", 0x01, b"b"), 1002, "frame_interleaved_message"),
    ]
}

fn payloads() -> Vec<Violation> {
    let close = |code: u16| masked(0x88, &code.to_be_bytes());
    let summed = [masked(0x02, &[0; 4_000]), masked(0x80, &[0; 97])].concat();
    let crumbs = [masked(0x02, b""), masked(0x00, b"").repeat(1_024)].concat();
    vec![
        violation("a close of one byte", ROOM, masked(0x88, &[3]), 1002, "close_payload"),
        violation("close 1005", ROOM, close(1005), 1002, "close_payload"),
        violation("close 1006", ECHO, close(1006), 1002, "close_payload"),
        violation("close 999", ROOM, close(999), 1002, "close_payload"),
        violation("close 5000", ECHO, close(5000), 1002, "close_payload"),
        violation("a reason of no text", ROOM, masked(0x88, b"\x03\xe8\xff"), 1007, "invalid_utf8"),
        violation("bad text", ECHO, masked(0x81, b"ab\xc0\xaf"), 1007, "invalid_utf8"),
        violation("a surrogate", ECHO, masked(0x81, b"\xed\xa0\x80"), 1007, "invalid_utf8"),
        violation("text that ends inside a letter", ECHO, masked(0x81, b"\xe2\x82"), 1007, "invalid_utf8"),
        // The first wrong byte is enough: the message never ends.
        violation("bad text in a first fragment", ECHO, masked(0x01, b"a\xffb"), 1007, "invalid_utf8"),
        violation("text in a room", ROOM, masked(0x81, b"hello"), 1003, "text_message"),
        violation("empty text in a room", ROOM, masked(0x81, b""), 1003, "text_message"),
        violation("the first fragment of text in a room", ROOM, masked(0x01, b"hel"), 1003, "text_message"),
        violation("bad text in a room", ROOM, masked(0x81, b"\xff"), 1003, "text_message"),
        // The claim of a head is enough: the payload never comes.
        violation("4,097 bytes in a room", ROOM, [0x82, 0xfe, 16, 1, 0, 0, 0, 0], 1009, "message_too_big"),
        violation("4,097 bytes in two fragments", ROOM, summed, 1009, "message_too_big"),
        violation("16 MiB and one byte", ECHO, claim(0x82, (16 << 20) + 1), 1009, "message_too_big"),
        violation("a claim of 2^62", ROOM, claim(0x82, 1 << 62), 1009, "message_too_big"),
        violation("1,025 empty fragments", ROOM, crumbs, 1009, "message_too_many_fragments"),
    ]
}

#[test]
fn every_violation_gets_its_code_and_is_counted() {
    let server = Server::start(&["--echo"]);
    let mut expected = BTreeMap::<(u16, &str), u64>::new();
    let violations: Vec<_> = frames().into_iter().chain(payloads()).collect();
    for violation in &violations {
        for piece in [usize::MAX, 1, 0] {
            let mut wire;
            if piece == 0 {
                wire = Wire::dial(&server.listen);
                wire.send(&[request(violation.path), violation.bytes.clone()].concat());
                wire.expect_switch();
            } else {
                wire = Wire::upgraded(&server.listen, violation.path);
                violation.bytes.chunks(piece).for_each(|piece| wire.send(piece));
            }
            assert_eq!(wire.close_code(), violation.code, "{}, delivery {piece}", violation.what);
            *expected.entry((violation.code, violation.cause)).or_default() += 1;
        }
    }
    let status = server.until_empty();
    for ((code, cause), count) in expected {
        assert_eq!(closes(&status, code, cause), count, "{code} {cause}");
    }
    assert_eq!(real_server::ends(&status), 3 * violations.len() as u64);
}

/// Bytes after a violation are nobody's: they are neither read as frames nor answered, and a peer
/// that goes on writing is closed by the deadline.
#[test]
fn what_follows_a_violation_is_thrown_away() {
    let server = Server::start(&["--echo", "SESSION__CLOSE_TIMEOUT=200ms"]);
    let mut wire = Wire::upgraded(&server.listen, ECHO);
    wire.send(&[&[0x82, 1, 0][..], &masked(0x81, b"echo?"), &masked(0x89, b"pong?")].concat());
    assert_eq!(wire.close_code(), 1002);
    // Our side stays open, and is closed all the same.
    let status = server.until_empty();
    assert_eq!(closes(&status, 1002, "frame_unmasked"), 1);
    assert_eq!(total(&status, "messages_in"), 0);
}

#[test]
fn control_frames_between_fragments_are_answered_at_once() {
    let server = Server::start(&["--echo"]);
    let mut wire = Wire::upgraded(&server.listen, ECHO);
    for piece in [usize::MAX, 1] {
        let bytes = [
            masked(0x01, "grü".as_bytes()),
            masked(0x89, b"there?"),
            masked(0x8a, b"nobody asked"),
            masked(0x80, "ße".as_bytes()),
        ]
        .concat();
        bytes.chunks(piece).for_each(|piece| wire.send(piece));
        let pong = wire.frame().unwrap();
        assert_eq!((pong.first, &pong.payload[..]), (0x8a, &b"there?"[..]));
        let echo = wire.frame().unwrap();
        assert_eq!((echo.first, &echo.payload[..]), (0x81, "grüße".as_bytes()));
    }
}

#[test]
fn a_close_is_answered_in_kind_and_ends_the_stream() {
    let server = Server::start(&["--echo"]);
    for (sent, answered) in [(&b"\x03\xe8bye"[..], &b"\x03\xe8"[..]), (b"", b""), (b"\x0f\xa1", b"\x0f\xa1")]
    {
        for path in [ECHO, ROOM] {
            let mut wire = Wire::upgraded(&server.listen, path);
            // Nothing behind a Close counts.
            wire.send(&[masked(0x88, sent), masked(0x81, b"late")].concat());
            let close = wire.frame().unwrap();
            assert_eq!((close.first, &close.payload[..]), (0x88, answered), "{path}");
            assert_eq!(wire.frame(), None);
        }
    }
    let status = server.until_empty();
    assert_eq!(closes(&status, 1000, "closed_by_peer"), 2);
    assert_eq!(closes(&status, 1005, "closed_by_peer"), 2, "a close without a code");
}

/// The Close is the last frame of a connection: a pong that is still owed goes before it.
#[test]
fn a_pong_owed_goes_before_the_close() {
    let server = Server::start(&["--echo"]);
    for (ending, code) in [(masked(0x88, b"\x03\xe8"), 1000), (vec![0x82, 1, 0], 1002)] {
        let mut wire = Wire::upgraded(&server.listen, ECHO);
        wire.send(&[masked(0x89, b"owed"), ending].concat());
        let pong = wire.frame().unwrap();
        assert_eq!((pong.first, &pong.payload[..]), (0x8a, &b"owed"[..]));
        assert_eq!(wire.close_code(), code);
    }
}

/// The codes 3000 to 4999 are the peer's to choose: two thousand counters must not be.
#[test]
fn a_peer_cannot_make_counters() {
    let server = Server::start(&["--echo"]);
    for code in (3000..5000_u16).step_by(40) {
        let mut wire = Wire::upgraded(&server.listen, ECHO);
        wire.send(&masked(0x88, &code.to_be_bytes()));
        assert_eq!(wire.close_code(), code, "the answer still echoes the code");
    }
    let status = server.until_empty();
    assert_eq!(real_server::ends(&status), 50);
    let counters = status["totals"]["closes"].as_array().unwrap();
    assert_eq!(counters.len(), 1, "{counters:#?}");
}
