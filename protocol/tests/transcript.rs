//! Replays the session of `docs/protocol.md`: each side's bytes are what this crate writes, and what it reads.

mod page;

use tickring_protocol::message::*;
use tickring_protocol::websocket::*;

const KEY: &[u8; 16] = b"the sample nonce";
const GAME_LAYOUT: u64 = 0x0123_4567_89ab_cdef;
const RESUME: [u8; 16] =
    [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf];

/// The bytes of one side in the transcript.
fn side(name: char) -> Vec<u8> {
    let page = page::read();
    let block = page.split("```transcript\n").nth(1).expect("the page has a transcript");
    let mut bytes = Vec::new();
    for line in block.split("\n```").next().expect("the block ends").lines() {
        let text = line.strip_prefix(name).unwrap_or_default();
        if let Some(text) = text.strip_prefix('|') {
            bytes.extend_from_slice(text.strip_prefix(' ').unwrap_or(text).as_bytes());
            bytes.extend_from_slice(b"\r\n");
        } else if let Some(bytes_and_remark) = text.strip_prefix('>') {
            bytes.extend(page::hex(bytes_and_remark.split('#').next().unwrap_or_default()));
        }
    }
    bytes
}

fn hello() -> Hello {
    let layout = combined_layout(GAME_LAYOUT);
    Hello { version: PROTOCOL_VERSION, layout, features: FEATURE_STATE_CHECKSUM, resume: [0; 16] }
}

const INPUT: InputHead = InputHead {
    sequence: 1,
    target_tick: 1004,
    view_tick: 996,
    view_fraction: 128,
    newest_snapshot_tick: 1000,
};

const WELCOME: Welcome = Welcome {
    player: 3,
    entity: 17,
    tick: 1000,
    tick_hz: 60,
    snapshot_hz: 30,
    interpolation_ticks: 4,
    resume: RESUME,
    message_bytes_max: 4096,
    input_window_ticks: 16,
    room_players_max: 50,
    seed: 42,
};

const PONG: Pong =
    Pong { client_time_ns: 5_000_000, server_time_ns: 20_000_000_000, tick: 1000, fraction: 64 };

const SNAPSHOT: SnapshotHead = SnapshotHead {
    tick: 1004,
    last_input: 1,
    input_slack: 2 * INPUT_SLACK_PER_TICK,
    time_dilation: TIME_DILATION_NONE,
    dropped: 0,
    checksum: 0x1bad_b002,
    private_bytes: 2,
};

const EVENT: EventHead = EventHead { tick: 1004, kind: 2 };
const GOODBYE: Goodbye = Goodbye { reason: 1001, back_after_ms: 5000 };

fn payload(write: impl FnOnce(&mut Vec<u8>), tail: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    write(&mut payload);
    payload.extend_from_slice(tail);
    payload
}

#[test]
fn both_sides_write_these_bytes() {
    let mut client = Vec::new();
    write_request(&mut client, "127.0.0.1:9001", "/v1/rooms/lobby", KEY, Some(SUBPROTOCOL));
    let mut says = |write: &dyn Fn(&mut Vec<u8>), tail: &[u8], mask| {
        let payload = payload(write, tail);
        write_masked_frame(&mut client, OpCode::Binary, &payload, mask);
    };
    says(&|out| hello().write(out), b"", [0x37, 0xfa, 0x21, 0x3d]);
    says(&|out| Ping { client_time_ns: 5_000_000 }.write(out), b"", [1, 2, 3, 4]);
    says(&|out| INPUT.write(out), b"\x7f\x00\x01", [0xa1, 0xb2, 0xc3, 0xd4]);
    write_masked_frame(&mut client, OpCode::Pong, b"tr", [5, 6, 7, 8]);
    write_masked_close(&mut client, 1001, "", [9, 10, 11, 12]);
    assert_eq!(client, side('C'));

    let mut server = Vec::new();
    let (request, _) = parse_request(&client).unwrap().unwrap();
    assert!(request.offers_tickring_v1);
    assert_eq!(parse_endpoint(request.path), Ok(Endpoint::Room("lobby")));
    write_switching_protocols(&mut server, &request.accept, Some(SUBPROTOCOL));
    let mut says = |write: &dyn Fn(&mut Vec<u8>), tail: &[u8]| {
        let payload = payload(write, tail);
        write_frame_head(&mut server, OpCode::Binary, payload.len());
        server.extend_from_slice(&payload);
    };
    says(&|out| WELCOME.write(out), b"");
    says(&|out| PONG.write(out), b"");
    says(&|out| SNAPSHOT.write(out), b"\x64\x1e\xde\xad\xbe\xef");
    says(&|out| EVENT.write(out), b"\x11");
    write_frame(&mut server, OpCode::Ping, b"tr");
    write_frame(&mut server, OpCode::Binary, &payload(|out| GOODBYE.write(out), b""));
    write_close(&mut server, 1001, "going away");
    assert_eq!(server, side('S'));
}

#[test]
fn the_server_reads_the_client() {
    let mut bytes = side('C');
    let head_bytes = parse_request(&bytes).unwrap().unwrap().1;
    let mut decoder = Decoder::new(Role::Server, 4096);
    let mut frames = decoder.feed(&mut bytes[head_bytes..]);
    let mut seen = 0;
    while let Some(event) = frames.next().unwrap() {
        match (seen, event) {
            (0, Event::Binary(bytes)) => {
                let Ok(ClientMessage::Hello(read)) = ClientMessage::decode(bytes) else {
                    panic!("not a hello")
                };
                assert_eq!(Hello::from(read), hello());
            }
            (1, Event::Binary(bytes)) => {
                let Ok(ClientMessage::Ping(ping)) = ClientMessage::decode(bytes) else {
                    panic!("not a ping")
                };
                assert_eq!(ping.client_time_ns.to_native(), 5_000_000);
            }
            (2, Event::Binary(bytes)) => {
                let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(bytes) else {
                    panic!("not an input")
                };
                assert_eq!((InputHead::from(head), game), (INPUT, &[0x7f, 0, 1][..]));
            }
            (3, event) => assert_eq!(event, Event::Pong(b"tr")),
            (4, event) => assert_eq!(event, Event::Close { code: Some(1001), reason: "" }),
            (_, event) => panic!("unexpected {event:?}"),
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn the_client_reads_the_server() {
    let mut bytes = side('S');
    let head_bytes = parse_response(&bytes, KEY).unwrap().unwrap();
    let mut decoder = Decoder::new(Role::Client, 4096);
    let mut frames = decoder.feed(&mut bytes[head_bytes..]);
    let mut seen = Vec::new();
    while let Some(event) = frames.next().unwrap() {
        let Event::Binary(bytes) = event else {
            seen.push(format!("{event:?}"));
            continue;
        };
        seen.push(match ServerMessage::decode(bytes).unwrap() {
            ServerMessage::Welcome(welcome) => format!("{:?}", Welcome::from(welcome)),
            ServerMessage::Pong(pong) => format!("{:?}", Pong::from(pong)),
            ServerMessage::Snapshot { head, private, body } => {
                format!("{:?} {private:x?} {body:x?}", SnapshotHead::from(head))
            }
            ServerMessage::Event { head, game } => format!("{:?} {game:x?}", EventHead::from(head)),
            ServerMessage::Goodbye(goodbye) => format!("{:?}", Goodbye::from(goodbye)),
            ServerMessage::Fault(fault) => panic!("{fault:?}"),
        });
    }
    let expected = [
        format!("{WELCOME:?}"),
        format!("{PONG:?}"),
        format!("{SNAPSHOT:?} [64, 1e] [de, ad, be, ef]"),
        format!("{EVENT:?} [11]"),
        format!("{:?}", Event::Ping(b"tr")),
        format!("{GOODBYE:?}"),
        format!("{:?}", Event::Close { code: Some(1001), reason: "going away" }),
    ];
    assert_eq!(seen, expected);
}
