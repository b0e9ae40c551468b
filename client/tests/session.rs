//! From the upgrade to the close, in whole segments and byte by byte.

use crate::dots::{self, Dots, Steer};
use crate::link::Link;
use tickring_client::{ClientError, ClientEvent, Config, Connection, Decoded, State};
use tickring_protocol::fault::{CloseReason, FaultCode};
use tickring_protocol::message::{ClientMessage, Fault, Goodbye};
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, SUBPROTOCOL, UpgradeError, parse_request, write_close, write_frame,
    write_switching_protocols,
};
use tickring_pulse::Pulse;
use tickring_room::{Game, RoomConfig};

const MS: u64 = 1_000_000;

fn settled<G: Game>(players: u64, settings: G::Settings) -> Link<G> {
    let mut link = Link::<G>::new(RoomConfig::default(), settings, 2 * MS, 0);
    (0..players).for_each(|seed| link.connect(seed, None));
    (0..100).for_each(|_| link.pass(MS, &mut |_, _| {}));
    assert!(link.peers.iter().all(|peer| peer.connection.state() == State::Playing));
    link
}

#[test]
fn a_session_from_upgrade_to_close() {
    let mut link = Link::<Dots>::new(RoomConfig::default(), dots::Settings::default(), 2 * MS, 0);
    link.connect(1, None);
    let mut heard = Vec::new();
    for step in 0..400u64 {
        link.pass(MS, &mut |_, event| {
            heard.push(match event {
                ClientEvent::Upgraded => "upgraded",
                ClientEvent::Welcome(welcome) => {
                    assert_eq!((welcome.player, welcome.tick_hz, welcome.snapshot_hz), (0, 60, 30));
                    "welcome"
                }
                ClientEvent::Snapshot(snapshot) => {
                    assert_eq!(snapshot.checksum_ok, Some(true));
                    "snapshot"
                }
                ClientEvent::Pong { rtt_ns, .. } => {
                    // Two ways of 2 ms, and a step of 1 ms at either end at most.
                    assert!((4 * MS..=6 * MS).contains(&rtt_ns), "{rtt_ns}");
                    "pong"
                }
                ClientEvent::Closed { code } => {
                    assert_eq!(code, Some(1000));
                    "closed"
                }
                _ => "another",
            });
        });
        let peer = &mut link.peers[0];
        match step {
            100 => peer.connection.ping(link.now_ns),
            // A WebSocket ping is answered by itself; the link checks what with.
            110 => write_frame(&mut peer.out, OpCode::Ping, b"are you there"),
            200 => {
                assert!(peer.connection.send_input(link.now_ns, &Steer::default()).is_some());
                assert!(peer.connection.get(peer.connection.entity().unwrap()).is_some());
                assert!(peer.connection.seen(link.now_ns, peer.connection.entity().unwrap()).is_some());
                assert!(peer.connection.private().is_some());
            }
            300 => peer.connection.close(1000),
            301 => assert_eq!(peer.connection.send_input(link.now_ns, &Steer::default()), None, "closing"),
            _ => {}
        }
    }
    heard.dedup();
    assert_eq!(heard, ["upgraded", "welcome", "snapshot", "pong", "snapshot", "closed"]);
    assert_eq!((link.peers[0].connection.state(), link.room.players()), (State::Closed, 0));
    assert_eq!(link.room.counters().inputs_accepted + link.room.counters().inputs_late, 1);
}

/// The server's bytes of a short session, and what a client hears of them.
fn transcript(chunk: usize) -> (Vec<String>, Result<(), ClientError>) {
    let mut link = Link::<Dots>::new(RoomConfig::default(), dots::Settings::default(), 0, 0);
    link.connect(5, None);
    // The bytes that one client received are handed to another one of the same seed, in other pieces.
    let config =
        Config { host: "localhost".into(), room: "one".into(), seed: 5, features: 1, input_hz: None };
    let mut replay = Connection::<Dots>::new(&config);
    let (mut heard, mut shared, mut result) = (Vec::new(), Decoded::default(), Ok(()));
    for _ in 0..150 {
        link.pass(MS, &mut |_, _| {});
        // What the server wrote in this step goes out at its end; peek at it as it leaves.
        let mut bytes = std::mem::take(&mut link.peers[0].seen);
        for piece in bytes.chunks_mut(chunk) {
            let outcome = replay.receive(link.now_ns, piece, &mut shared, &mut |event| {
                heard.push(match event {
                    ClientEvent::Snapshot(snapshot) => {
                        format!("snapshot {:?} {:?}", snapshot.tick, snapshot.checksum_ok)
                    }
                    ClientEvent::Welcome(welcome) => format!("welcome {}", welcome.player),
                    other => format!("{other:?}"),
                });
            });
            result = result.and(outcome);
        }
    }
    (heard, result)
}

#[test]
fn bytes_may_come_in_any_pieces() {
    let (whole, result) = transcript(usize::MAX);
    assert_eq!(result, Ok(()));
    assert!(whole.len() > 60 / 30 && whole[0] == "Upgraded" && whole[1] == "welcome 0", "{whole:?}");
    for chunk in [1, 2, 3, 7, 64] {
        assert_eq!(transcript(chunk), (whole.clone(), Ok(())), "pieces of {chunk}");
    }
}

#[test]
fn one_decode_serves_all_players_of_a_room() {
    let mut link = settled::<Dots>(20, dots::Settings::default());
    let (mut snapshots, before) = (0, link.shared.decodes());
    for _ in 0..1000 {
        link.pass(MS, &mut |_, event| {
            if let ClientEvent::Snapshot(snapshot) = event {
                assert_eq!(snapshot.checksum_ok, Some(true));
                snapshots += 1;
            }
        });
    }
    assert_eq!((snapshots, link.shared.decodes() - before), (20 * 30, 30));
    for peer in &link.peers {
        assert_eq!(peer.connection.entities().len(), 20);
        assert_eq!(peer.connection.newest_tick(), link.peers[0].connection.newest_tick());
    }
}

#[test]
fn pulse_is_received_too() {
    let mut link = settled::<Pulse>(3, tickring_pulse::Settings::default());
    let mut sizes = Vec::new();
    link.pass(40 * MS, &mut |_, _| {});
    link.pass(40 * MS, &mut |_, event| {
        if let ClientEvent::Snapshot(snapshot) = event {
            sizes.push((snapshot.private.len(), snapshot.body.len()));
        }
    });
    assert!(!sizes.is_empty() && sizes.iter().all(|size| *size == (512 - 4 - 20, 0)), "{sizes:?}");
}

#[test]
fn faults_and_goodbyes_are_told_and_a_close_is_answered() {
    let mut link = settled::<Dots>(1, dots::Settings::default());
    let mut payload = Vec::new();
    Fault::new(FaultCode::RoomFull, "the room is full").write(&mut payload);
    write_frame(&mut link.peers[0].out, OpCode::Binary, &payload);
    payload.clear();
    Goodbye { reason: 1001, back_after_ms: 250 }.write(&mut payload);
    write_frame(&mut link.peers[0].out, OpCode::Binary, &payload);
    write_close(&mut link.peers[0].out, 1001, "later");
    let mut heard = Vec::new();
    for _ in 0..10 {
        link.pass(MS, &mut |_, event| match event {
            ClientEvent::Fault { temporary, text, .. } => heard.push(format!("{temporary} {text}")),
            ClientEvent::Goodbye { reason, back_after_ms } => heard.push(format!("{reason} {back_after_ms}")),
            ClientEvent::Closed { code } => heard.push(format!("{code:?}")),
            _ => {}
        });
    }
    assert_eq!(heard, ["true the room is full", "1001 250", "Some(1001)"]);
    assert_eq!((link.peers[0].connection.state(), link.room.players()), (State::Closed, 0));
}

/// A client that is playing, its link cut.
fn playing() -> Connection<Dots> {
    let mut link = settled::<Dots>(1, dots::Settings::default());
    link.peers.remove(0).connection
}

#[test]
fn a_server_that_breaks_the_rules_is_closed_with_the_right_code() {
    let frame = |opcode, payload: &[u8]| {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, opcode, payload);
        bytes
    };
    let mut masked = frame(OpCode::Binary, b"");
    masked[1] |= 0x80;
    masked.extend_from_slice(&[0; 4]);
    let cases: [(Vec<u8>, u16); 5] = [
        (masked, 1002),
        (frame(OpCode::Text, b"hello"), CloseReason::UnexpectedMessage.code()),
        (frame(OpCode::Binary, b""), CloseReason::MalformedMessage.code()),
        (frame(OpCode::Binary, &[0x42, 1, 2, 3]), CloseReason::MalformedMessage.code()),
        (frame(OpCode::Binary, &[0x82, 0, 0]), CloseReason::MalformedMessage.code()),
    ];
    for (mut bytes, expected) in cases {
        let mut connection = playing();
        connection.out().clear();
        let error = connection.receive(1, &mut bytes, &mut Decoded::default(), &mut |_| {}).unwrap_err();
        let code = error.close_code().expect("a frame is due");
        assert_eq!(code, expected, "{error}");
        let out = std::mem::take(connection.out());
        // FIN + close, masked, two bytes: the code under the mask.
        assert_eq!((out[0], out[1]), (0x88, 0x82));
        assert_eq!(u16::from_be_bytes([out[6] ^ out[2], out[7] ^ out[3]]), code, "{error}");
        assert_eq!(connection.state(), State::Closed);
        assert_eq!(connection.receive(2, &mut [0xff; 9], &mut Decoded::default(), &mut |_| {}), Ok(()));
        assert!(connection.out().is_empty());
    }
}

#[test]
fn a_refused_upgrade_is_told_with_its_status() {
    let config =
        Config { host: "localhost".into(), room: "one".into(), seed: 5, features: 0, input_hz: None };
    let mut connection = Connection::<Dots>::new(&config);
    connection.out().clear();
    let mut bytes = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n".to_vec();
    let result = connection.receive(1, &mut bytes, &mut Decoded::default(), &mut |_| {});
    assert_eq!(result, Err(ClientError::Upgrade(UpgradeError::Status(503))));
    assert!(connection.out().is_empty(), "there is no WebSocket to close");
}

/// What a new connection says hello with, once its upgrade is granted.
fn resume_offered(mut connection: Connection<Dots>) -> [u8; 16] {
    let request = std::mem::take(connection.out());
    let (request, _) = parse_request(&request).expect("a request").expect("a whole request");
    let mut answer = Vec::new();
    write_switching_protocols(&mut answer, &request.accept, Some(SUBPROTOCOL));
    connection.receive(1, &mut answer, &mut Decoded::default(), &mut |_| {}).expect("an honest server");
    let mut frames = Decoder::new(Role::Server, 4096);
    let mut frames = frames.feed(connection.out());
    let Ok(Some(Event::Binary(payload))) = frames.next() else { panic!("a hello") };
    let Ok(ClientMessage::Hello(hello)) = ClientMessage::decode(payload) else { panic!("a hello") };
    hello.resume
}

#[test]
fn a_seat_is_asked_for_by_its_token() {
    let config =
        Config { host: "localhost".into(), room: "one".into(), seed: 5, features: 0, input_hz: None };
    assert_eq!(resume_offered(Connection::resuming(&config, [7; 16])), [7; 16]);
    assert_eq!(resume_offered(Connection::new(&config)), [0; 16]);
}

#[test]
fn an_idle_connection_is_small() {
    let config =
        Config { host: "localhost".into(), room: "one".into(), seed: 5, features: 0, input_hz: None };
    let mut connection = Connection::<Dots>::new(&config);
    drop(std::mem::take(connection.out()));
    assert!(size_of_val(&connection) <= 192, "{}", size_of_val(&connection));
}
