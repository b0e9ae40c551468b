//! Every violation of RFC 6455 has its error and close code, and what is allowed passes.

mod streams;

use streams::{Seen, decode_pieces, raw_frame};
use tickring_protocol::limits::fragments_max;
use tickring_protocol::websocket::{Decoder, Role, WebSocketError};

const MASK: Option<[u8; 4]> = Some([0x11, 0x22, 0x33, 0x44]);

fn decode(frames: &[(u8, &[u8])]) -> Vec<Seen> {
    let mut bytes = Vec::new();
    for (first, payload) in frames {
        raw_frame(&mut bytes, *first, payload, MASK);
    }
    decode_pieces(&mut Decoder::new(Role::Server, 4096), [&bytes[..]])
}

fn error_of(frames: &[(u8, &[u8])]) -> (WebSocketError, u16) {
    match decode(frames).pop() {
        Some(Seen::Error(error)) => (error, error.close_code()),
        other => panic!("no error, but {other:?}"),
    }
}

fn error_of_bytes(role: Role, bytes: &[u8]) -> (WebSocketError, u16) {
    match &decode_pieces(&mut Decoder::new(role, 4096), [bytes])[..] {
        [Seen::Error(error)] => (*error, error.close_code()),
        other => panic!("no single error, but {other:?}"),
    }
}

#[test]
fn heads_that_break_the_rfc() {
    use WebSocketError as Error;
    for reserved in [0xc2, 0xa2, 0x92] {
        assert_eq!(error_of(&[(reserved, b"x")]), (Error::ReservedBits, 1002));
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        assert_eq!(error_of(&[(0x80 | opcode, b"x")]), (Error::UnknownOpcode, 1002));
    }
    assert_eq!(error_of_bytes(Role::Server, b"\x82\x01x"), (Error::Unmasked, 1002));
    assert_eq!(error_of_bytes(Role::Client, b"\x82\x81abcdx"), (Error::Masked, 1002));
    for control in [0x08, 0x09, 0x0a] {
        assert_eq!(error_of(&[(control, b"")]), (Error::ControlFragmented, 1002));
        assert_eq!(error_of(&[(0x80 | control, &[b'x'; 126])]), (Error::ControlTooLong, 1002));
    }
    assert_eq!(error_of(&[(0x80, b"x")]), (Error::OrphanContinuation, 1002));
    assert_eq!(error_of(&[(0x00, b"x")]), (Error::OrphanContinuation, 1002));
    assert_eq!(error_of(&[(0x02, b"x"), (0x82, b"y")]), (Error::InterleavedMessage, 1002));
    assert_eq!(error_of(&[(0x01, b""), (0x01, b"")]), (Error::InterleavedMessage, 1002));
}

#[test]
fn where_binary_is_all_that_counts_text_ends_with_its_head() {
    let seen = |pieces: &[&[u8]]| {
        decode_pieces(&mut Decoder::new(Role::Server, 4096).binary_only(), pieces.iter().copied())
    };
    let refused = [Seen::Error(WebSocketError::Text)];
    for first in [b"\x81\x85abcd", b"\x01\x85abcd"] {
        assert_eq!(seen(&[first]), refused);
        assert_eq!(seen(&first.chunks(1).collect::<Vec<_>>()), refused);
    }
    assert_eq!(WebSocketError::Text.close_code(), 1003);
    assert_eq!(error_of(&[(0x02, b"x"), (0x81, b"y")]), (WebSocketError::InterleavedMessage, 1002));
    assert_eq!(seen(&[b"\x82\x81\x00\x00\x00\x00x"]), [Seen::Binary(b"x".to_vec())]);
}

#[test]
fn lengths_must_be_in_their_shortest_form() {
    let forms: [&[u8]; 4] = [
        b"\x82\xfe\x00\x7dabcd",
        b"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x05abcd",
        b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xffabcd",
        b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00abcd",
    ];
    for bytes in forms {
        assert_eq!(error_of_bytes(Role::Server, bytes), (WebSocketError::LengthForm, 1002));
    }
}

#[test]
fn limits_count_over_fragments_and_at_the_head() {
    let too_big = (WebSocketError::MessageTooBig, 1009);
    assert_eq!(error_of(&[(0x82, &[0; 4097])]), too_big);
    assert_eq!(error_of(&[(0x02, &[0; 4000]), (0x00, &[0; 90]), (0x80, &[0; 7])]), too_big);
    assert_eq!(decode(&[(0x82, &[0; 4096])]), [Seen::Binary(vec![0; 4096])]);
    assert_eq!(decode(&[(0x02, &[0; 4090]), (0x80, &[0; 6])]), [Seen::Binary(vec![0; 4096])]);
    // A limit below the shortest head's longest payload holds too.
    let mut short = Vec::new();
    raw_frame(&mut short, 0x82, &[0; 11], MASK);
    let seen = decode_pieces(&mut Decoder::new(Role::Server, 10), [&short[..]]);
    assert_eq!(seen, [Seen::Error(WebSocketError::MessageTooBig)]);
    // Only the head has arrived, and nothing is held for it.
    let mut decoder = Decoder::new(Role::Server, 4096);
    let head = b"\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00abcd";
    assert_eq!(decode_pieces(&mut decoder, [&head[..]]), [Seen::Error(WebSocketError::MessageTooBig)]);
    assert_eq!(decoder.heap_bytes(), 0);
}

#[test]
fn fragments_are_counted() {
    let most = fragments_max(4096) as usize;
    let mut frames: Vec<(u8, &[u8])> = vec![(0x00, b""); most];
    frames[0].0 = 0x02;
    frames[most - 1].0 = 0x80;
    assert_eq!(decode(&frames), [Seen::Binary(Vec::new())]);
    frames[most - 1].0 = 0x00;
    frames.push((0x80, b""));
    assert_eq!(error_of(&frames), (WebSocketError::TooManyFragments, 1009));
    // The count is the message's, not the connection's.
    let messages = [(0x02, &b"a"[..]), (0x80, b"b")].repeat(most);
    assert_eq!(decode(&messages), vec![Seen::Binary(b"ab".to_vec()); most]);
}

#[test]
fn text_is_checked_while_it_streams() {
    let invalid = (WebSocketError::InvalidUtf8, 1007);
    assert_eq!(error_of(&[(0x81, b"\xff")]), invalid);
    assert_eq!(error_of(&[(0x81, "\u{20ac}".as_bytes().split_last().unwrap().1)]), invalid);
    // A surrogate, an overlong form, a code point beyond the last.
    for bytes in [&b"\xed\xa0\x80"[..], b"\xc0\xaf", b"\xf4\x90\x80\x80"] {
        assert_eq!(error_of(&[(0x81, bytes)]), invalid);
        // The error comes before the message is complete: the last fragment is missing.
        assert_eq!(error_of(&[(0x01, b"fine "), (0x00, bytes)]), invalid);
    }
    // A character cut by a fragment's end, with a ping in between.
    let seen = decode(&[(0x01, b"\xe2\x82"), (0x89, b"p"), (0x00, b"\xac\xf0\x9d"), (0x80, b"\x84\x9e!")]);
    assert_eq!(seen, [Seen::Ping(b"p".to_vec()), Seen::Text("€𝄞!".to_owned())]);
    // The second byte already decides.
    let mut head = Vec::new();
    raw_frame(&mut head, 0x81, &[b'x'; 100], Some([0; 4]));
    head.truncate(6);
    head.extend(b"\xf4\x90");
    assert_eq!(error_of_bytes(Role::Server, &head), invalid);
}

#[test]
fn close_payloads_are_checked() {
    assert_eq!(decode(&[(0x88, b"")]), [Seen::Close(None, String::new())]);
    assert_eq!(decode(&[(0x88, b"\x0f\xa0bye")]), [Seen::Close(Some(4000), "bye".to_owned())]);
    assert_eq!(error_of(&[(0x88, b"\x03")]), (WebSocketError::ClosePayload, 1002));
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1100, 2000, 2999, 5000, 65535] {
        assert_eq!(error_of(&[(0x88, &code.to_be_bytes())]), (WebSocketError::ClosePayload, 1002), "{code}");
    }
    assert_eq!(error_of(&[(0x88, b"\x03\xe8\xff")]), (WebSocketError::InvalidUtf8, 1007));
}

#[test]
fn nothing_follows_a_close() {
    let seen = decode(&[(0x02, b"half"), (0x88, b"\x03\xe8"), (0x80, b"rest"), (0x83, b"")]);
    assert_eq!(seen, [Seen::Close(Some(1000), String::new())]);
}

#[test]
fn control_frames_pass_between_fragments() {
    let long = [b'x'; 125];
    let seen = decode(&[(0x02, b"a"), (0x89, b"1"), (0x00, b"b"), (0x8a, &long), (0x80, b"c"), (0x82, b"d")]);
    let expected = [
        Seen::Ping(b"1".to_vec()),
        Seen::Pong(long.to_vec()),
        Seen::Binary(b"abc".to_vec()),
        Seen::Binary(b"d".to_vec()),
    ];
    assert_eq!(seen, expected);
}
