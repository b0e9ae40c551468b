//! The tables of `docs/protocol.md` say what the code says.

mod page;

use page::{rows, section};
use tickring_protocol::fault::{Blame, CloseReason, ComeBack, FaultCode};
use tickring_protocol::limits;
use tickring_protocol::message::{LAYOUT_HASH, LAYOUTS, PROTOCOL_VERSION};

fn blame(blame: Option<Blame>) -> &'static str {
    match blame {
        None => "nobody",
        Some(Blame::Overloaded) => "server",
        Some(Blame::Malformed) => "client: malformed",
        Some(Blame::Misbehaved) => "client: misbehaved",
        Some(Blame::Incompatible) => "client: incompatible",
        Some(Blame::Io) => "the connection",
    }
}

fn come_back(come_back: ComeBack) -> &'static str {
    match come_back {
        ComeBack::No => "no",
        ComeBack::Now => "yes, at once",
        ComeBack::Later => "yes, later",
    }
}

#[test]
fn faults() {
    let page = page::read();
    let rows = rows(section(&page, "## Faults"));
    assert_eq!(rows.len(), FaultCode::ALL.len());
    for (row, fault) in rows.iter().zip(FaultCode::ALL) {
        let [code, close_code] = [fault.code(), fault.close_reason().code()].map(|code| code.to_string());
        let expected =
            [&code, fault.label(), row[2], blame(fault.blame()), come_back(fault.come_back()), &close_code];
        assert_eq!(row[..], expected);
        assert!(row[2].ends_with('.'));
    }
}

#[test]
fn close_codes() {
    let page = page::read();
    let rows = rows(section(&page, "## Close codes"));
    assert_eq!(rows.len(), CloseReason::ALL.len());
    for (row, reason) in rows.iter().zip(CloseReason::ALL) {
        let code = reason.code().to_string();
        let expected = [&code, reason.label(), row[2], blame(reason.blame()), come_back(reason.come_back())];
        assert_eq!(row[..], expected);
        assert!(row[2].ends_with('.'));
    }
}

#[test]
fn message_layouts() {
    let page = page::read();
    let sections: Vec<&str> =
        page.split("\n### ").skip(1).filter_map(|section| section.split("\n#").next()).collect();
    assert_eq!(sections.len(), LAYOUTS.len());
    for (section, layout) in sections.iter().zip(LAYOUTS) {
        let (title, fields) = layout.split_once(": ").unwrap();
        let (kind, name) = title.split_once(' ').unwrap();
        let heading = section.lines().next().unwrap();
        assert_eq!(heading.to_lowercase(), format!("`{kind}` {name}"));
        let rows = rows(section);
        assert_eq!(rows[0], ["0", "kind", "u8", kind]);
        let mut offset = 1;
        for (row, field) in rows[1..].iter().zip(fields.split(", ")) {
            let (field, of_type) = field.split_once(' ').unwrap();
            assert_eq!(row[..3], [&offset.to_string(), field, of_type], "{name}");
            offset += bytes_of(of_type);
        }
        let fields = 1 + fields.split(", ").count();
        match rows.get(fields) {
            // What the game adds begins where the fields end.
            Some(row) => assert_eq!(row[0], offset.to_string(), "{name}"),
            None => assert!(section.contains(&format!("\n{offset} bytes.\n")), "{name} has {offset} bytes"),
        }
    }
}

fn bytes_of(of_type: &str) -> usize {
    match of_type {
        "u8" => 1,
        "u16" | "i16" => 2,
        "u32" => 4,
        "u64" => 8,
        array => array.trim_start_matches("[u8; ").trim_end_matches(']').parse().expect("an array of bytes"),
    }
}

#[test]
fn version_and_layout_hash() {
    let page = page::read().replace('\n', " ");
    assert!(page.contains(&format!("**`{LAYOUT_HASH:#018x}`** for protocol version **{PROTOCOL_VERSION}**")));
}

#[test]
fn limits() {
    let page = page::read();
    let expected = [
        ("HEAD_BYTES_MAX", limits::HEAD_BYTES_MAX.to_string()),
        ("HEADERS_MAX", limits::HEADERS_MAX.to_string()),
        ("ROOM_NAME_BYTES_MAX", limits::ROOM_NAME_BYTES_MAX.to_string()),
        ("CLIENT_MESSAGE_BYTES_MAX", limits::CLIENT_MESSAGE_BYTES_MAX.to_string()),
        ("ECHO_MESSAGE_BYTES_MAX", limits::ECHO_MESSAGE_BYTES_MAX.to_string()),
        ("SERVER_MESSAGE_BYTES_MAX", limits::SERVER_MESSAGE_BYTES_MAX.to_string()),
        ("OUTBOX_BYTES_MAX", limits::OUTBOX_BYTES_MAX.to_string()),
        ("GAME_INPUT_BYTES_MAX", limits::GAME_INPUT_BYTES_MAX.to_string()),
        ("FAULT_TEXT_BYTES_MAX", limits::FAULT_TEXT_BYTES_MAX.to_string()),
        ("TICK_HZ_MIN", limits::TICK_HZ_MIN.to_string()),
        ("TICK_HZ_MAX", limits::TICK_HZ_MAX.to_string()),
        ("INTERPOLATION_TICKS_MAX", limits::INTERPOLATION_TICKS_MAX.to_string()),
        ("HELD_ENTITIES_MAX", limits::HELD_ENTITIES_MAX.to_string()),
        ("HANDSHAKE_MS", limits::HANDSHAKE_MS.to_string()),
        ("PING_AFTER_MS", limits::PING_AFTER_MS.to_string()),
        ("SILENT_CLOSE_MS", limits::SILENT_CLOSE_MS.to_string()),
        ("CLOSE_MS", limits::CLOSE_MS.to_string()),
    ];
    let rows = rows(section(&page, "## Limits"));
    let found: Vec<(&str, String)> = rows.iter().map(|row| (row[0], row[1].to_owned())).collect();
    assert_eq!(found, expected);
}
