//! The bytes of every message are pinned: each equals its field list, and each its golden file.

mod page;

use std::mem::offset_of;
use std::path::Path;

use tickring_protocol::message::*;

/// Bytes of a type in a field list.
fn bytes_of(kind: &str) -> usize {
    match kind {
        "u8" => 1,
        "u16" | "i16" => 2,
        "u32" => 4,
        "u64" => 8,
        array => {
            let length = array.strip_prefix("[u8; ").and_then(|rest| rest.strip_suffix(']'));
            length.expect("a type of the protocol").parse().expect("a length")
        }
    }
}

/// `0x01 hello: version u16, …` as the kind and (name, offset) of each field, and the bytes of all.
fn parse(layout: &str) -> (u8, Vec<(&str, usize)>, usize) {
    let (title, fields) = layout.split_once(": ").expect("a title and fields");
    let (kind, _) = title[2..].split_once(' ').expect("a kind and a name");
    let kind = u8::from_str_radix(kind, 16).expect("a hexadecimal kind");
    let mut offset = 0;
    let fields = fields.split(", ").map(|field| {
        let (name, kind) = field.split_once(' ').expect("a name and a type");
        let start = offset;
        offset += bytes_of(kind);
        (name, start)
    });
    let fields = fields.collect();
    (kind, fields, offset)
}

macro_rules! assert_layout {
    ($name:ident, $archived:ident, $($field:ident),+) => {{
        let (kind, fields, bytes) = parse($name::LAYOUT);
        assert_eq!(kind, $name::KIND);
        assert_eq!(fields, [$((stringify!($field), offset_of!($archived, $field))),+], stringify!($name));
        assert_eq!(bytes, size_of::<$archived>(), "padding in {}", stringify!($name));
        assert_eq!($name::BYTES, 1 + bytes);
        assert_eq!(align_of::<$archived>(), 1);
        assert!(LAYOUTS.contains(&$name::LAYOUT), "not part of the hash");
    }};
}

#[test]
fn archives_equal_their_field_lists() {
    assert_layout!(Hello, ArchivedHello, version, layout, features, resume);
    assert_layout!(
        InputHead,
        ArchivedInputHead,
        sequence,
        target_tick,
        view_tick,
        view_fraction,
        newest_snapshot_tick
    );
    assert_layout!(Ping, ArchivedPing, client_time_ns);
    assert_layout!(Leave, ArchivedLeave, reason);
    assert_layout!(
        Welcome,
        ArchivedWelcome,
        player,
        entity,
        tick,
        tick_hz,
        snapshot_hz,
        interpolation_ticks,
        resume,
        message_bytes_max,
        input_window_ticks,
        room_players_max,
        seed
    );
    assert_layout!(
        SnapshotHead,
        ArchivedSnapshotHead,
        tick,
        last_input,
        input_slack,
        time_dilation,
        dropped,
        checksum,
        private_bytes
    );
    assert_layout!(EventHead, ArchivedEventHead, tick, kind);
    assert_layout!(Pong, ArchivedPong, client_time_ns, server_time_ns, tick, fraction);
    assert_layout!(Fault, ArchivedFault, code, temporary, retry_after_ms, text_bytes, text);
    assert_layout!(Goodbye, ArchivedGoodbye, reason, back_after_ms);
    assert_eq!(LAYOUTS.len(), 10);
}

#[test]
fn the_layout_hash_is_pinned() {
    // A change here means that old clients are refused: that is right when a field list changed, and only then.
    assert_eq!((PROTOCOL_VERSION, LAYOUT_HASH), (1, 0x22c7_2a6e_7919_4730), "{LAYOUT_HASH:#018x}");
}

/// The file's hexadecimal bytes; everything after `#` on a line is a remark.
fn golden(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = std::fs::read_to_string(&path).expect("every message has a golden file");
    text.lines().flat_map(|line| page::hex(line.split('#').next().unwrap_or_default())).collect()
}

macro_rules! assert_golden {
    ($file:literal, $message:expr, $pattern:pat => $archived:expr, $decode:path) => {{
        let message = $message;
        let mut written = Vec::new();
        message.write(&mut written);
        assert_eq!(written, golden($file), "{} is now written as {written:02x?}", $file);
        let $pattern = $decode(&written).unwrap() else { panic!("{} decodes to another kind", $file) };
        assert_eq!(message, $archived.into());
    }};
}

#[test]
fn client_messages_equal_their_golden_files() {
    use ClientMessage as Message;
    let resume = std::array::from_fn(|index| 0xa0 + u8::try_from(index).unwrap());
    let hello = Hello { version: 0x0102, layout: 0x1112_1314_1516_1718, features: 0x2122_2324, resume };
    assert_golden!("hello.hex", hello, Message::Hello(archived) => archived, Message::decode);
    let input = InputHead {
        sequence: 0x0102_0304,
        target_tick: 0x1112_1314,
        view_tick: 0x2122_2324,
        view_fraction: 0x31,
        newest_snapshot_tick: 0x4142_4344,
    };
    assert_golden!("input.hex", input, Message::Input { head, game: [] } => head, Message::decode);
    let ping = Ping { client_time_ns: 0x0102_0304_0506_0708 };
    assert_golden!("ping.hex", ping, Message::Ping(archived) => archived, Message::decode);
    assert_golden!("leave.hex", Leave { reason: 1 }, Message::Leave(archived) => archived, Message::decode);
}

#[test]
fn server_messages_equal_their_golden_files() {
    use ServerMessage as Message;
    let welcome = Welcome {
        player: 0x0102,
        entity: 0x1112,
        tick: 0x2122_2324,
        tick_hz: 0x3132,
        snapshot_hz: 0x4142,
        interpolation_ticks: 0x51,
        resume: std::array::from_fn(|index| 0xa0 + u8::try_from(index).unwrap()),
        message_bytes_max: 0x6162_6364,
        input_window_ticks: 0x7172,
        room_players_max: 0x8182,
        seed: 0x9192_9394_9596_9798,
    };
    assert_golden!("welcome.hex", welcome, Message::Welcome(archived) => archived, Message::decode);
    let snapshot = SnapshotHead {
        tick: 0x0102_0304,
        last_input: 0x2122_2324,
        input_slack: -2,
        time_dilation: 0x41,
        dropped: 0x5152,
        checksum: 0x6162_6364,
        private_bytes: 0,
    };
    let is_empty = |private: &[u8], body: &[u8]| assert!(private.is_empty() && body.is_empty());
    assert_golden!(
        "snapshot.hex",
        snapshot,
        Message::Snapshot { head, private, body } => { is_empty(private, body); head },
        Message::decode
    );
    let event = EventHead { tick: 0x0102_0304, kind: 0x11 };
    assert_golden!("event.hex", event, Message::Event { head, game: [] } => head, Message::decode);
    let pong = Pong {
        client_time_ns: 0x0102_0304_0506_0708,
        server_time_ns: 0x1112_1314_1516_1718,
        tick: 0x2122_2324,
        fraction: 0x31,
    };
    assert_golden!("pong.hex", pong, Message::Pong(archived) => archived, Message::decode);
    let fault = Fault::new(tickring_protocol::fault::FaultCode::RoomFull, "the room is full: 50 of 50 seats");
    assert_golden!("fault.hex", fault, Message::Fault(archived) => archived, Message::decode);
    let goodbye = Goodbye { reason: 1001, back_after_ms: 0x0102_0304 };
    assert_golden!("goodbye.hex", goodbye, Message::Goodbye(archived) => archived, Message::decode);
}
