//! What no honest server says costs a client neither time nor memory.

#[path = "../../room/tests/dots/mod.rs"]
mod dots;

use dots::{Dots, Hits};
use tickring_client::{ClientError, Config, Connection, Decoded, State};
use tickring_protocol::fault::CloseReason;
use tickring_protocol::message::{INPUT_SLACK_NONE, SnapshotHead, TIME_DILATION_NONE, Welcome};
use tickring_protocol::websocket::{
    OpCode, SUBPROTOCOL, parse_request, write_frame, write_switching_protocols,
};
use tickring_room::{PrivateState, Room, RoomConfig};

fn welcome(tick_hz: u16, snapshot_hz: u16, interpolation_ticks: u8) -> Welcome {
    Welcome {
        player: 0,
        entity: 0,
        tick: 0,
        tick_hz,
        snapshot_hz,
        interpolation_ticks,
        resume: [0; 16],
        message_bytes_max: 4096,
        input_window_ticks: 16,
        room_players_max: 64,
        seed: 0,
    }
}

/// A snapshot whose cells, from `first` on, all hold the same eight dots.
fn snapshot(tick: u32, first: u16, cells: u16) -> Vec<u8> {
    let mut room = Room::<Dots>::new(RoomConfig::default(), dots::Settings::default());
    let watcher = room.watch(0).expect("there are places");
    (0..8).for_each(|_| assert!(room.join(0).is_ok()));
    room.step();
    room.encode_snapshot();
    room.prepare_watched(watcher, false);
    let mut message = Vec::new();
    room.write_watched(watcher, 0, &mut message);
    // Behind the head of 20 bytes: number, cell, and what is copied: kind and bits.
    let block = &message[22..];
    let mut payload = Vec::new();
    SnapshotHead {
        tick,
        last_input: 0,
        input_slack: INPUT_SLACK_NONE,
        time_dilation: TIME_DILATION_NONE,
        dropped: 0,
        checksum: 0,
        private_bytes: 1,
    }
    .write(&mut payload);
    Hits(0).write(&mut payload);
    payload.push(tick.to_le_bytes()[0]);
    for cell in 0..8_192_u16 {
        let parts = [cell & 0x7f | 0x80, cell >> 7 & 0x7f | 0x80, cell >> 14];
        payload.extend(parts.map(|part| part.to_le_bytes()[0]));
        // The others are forgotten.
        let is_named = (first..first + cells).contains(&cell);
        payload.extend_from_slice(if is_named { block } else { &[255] });
    }
    let mut frame = Vec::new();
    write_frame(&mut frame, OpCode::Binary, &payload);
    frame
}

/// Most memory this process has had, in kilobytes.
fn memory_kb_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it has a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// All the bound allows, as often as is kept and again in other cells, and big after small: gigabytes if the entities
/// were bounded for each cell only, or memory were never given back.
#[test]
fn a_server_cannot_fill_the_memory() {
    let (mut connection, result) = welcomed(welcome(128, 128, 32));
    assert_eq!(result, Ok(()));
    let mut shared = Decoded::default();
    for tick in 1..=300_u32 {
        let (first, cells) = match tick {
            0..100 => (0, 8_192),
            _ if tick.is_multiple_of(2) => (0, 1),
            _ => (4_096, 4_096),
        };
        let mut frame = snapshot(tick, first, cells);
        connection
            .receive(u64::from(tick) * 8_000_000, &mut frame, &mut shared, &mut |_| {})
            .expect("within bounds");
    }
    let memory_kb = memory_kb_max();
    println!("{memory_kb} kB");
    assert!(memory_kb < 100_000, "{memory_kb} kB");
}

/// A connection that has been upgraded and then told this welcome.
fn welcomed(welcome: Welcome) -> (Connection<Dots>, Result<(), ClientError>) {
    let config =
        Config { host: "localhost".into(), room: "one".into(), seed: 5, features: 0, input_hz: None };
    let mut connection = Connection::<Dots>::new(&config);
    let request = std::mem::take(connection.out());
    let (request, _) = parse_request(&request).expect("a request").expect("a whole request");
    let mut bytes = Vec::new();
    write_switching_protocols(&mut bytes, &request.accept, Some(SUBPROTOCOL));
    let mut payload = Vec::new();
    welcome.write(&mut payload);
    write_frame(&mut bytes, OpCode::Binary, &payload);
    let result = connection.receive(1, &mut bytes, &mut Decoded::default(), &mut |_| {});
    (connection, result)
}

#[test]
fn a_welcome_that_no_server_can_say_is_refused() {
    for (tick_hz, snapshot_hz, interpolation) in [
        (1, 65_535, 255),
        (0, 30, 4),
        (60, 0, 4),
        (19, 19, 4),
        (129, 1, 4),
        (60, 61, 4),
        (60, 30, 33),
        (65_535, 65_535, 255),
    ] {
        let (connection, result) = welcomed(welcome(tick_hz, snapshot_hz, interpolation));
        let Err(error @ ClientError::Unexpected(_)) = result else { panic!("{tick_hz}: {result:?}") };
        assert_eq!(error.close_code(), Some(CloseReason::UnexpectedMessage.code()));
        assert_eq!((connection.state(), connection.welcome()), (State::Closed, None));
    }
}

#[test]
fn a_welcome_at_the_limits_is_taken() {
    for (tick_hz, snapshot_hz, interpolation) in [(20, 1, 0), (20, 20, 32), (128, 1, 32), (128, 128, 32)] {
        let (connection, result) = welcomed(welcome(tick_hz, snapshot_hz, interpolation));
        assert_eq!((result, connection.state()), (Ok(()), State::Playing));
    }
}
