//! What no honest server says costs a client neither time nor memory.

#[path = "../../room/tests/dots/mod.rs"]
mod dots;

use dots::Dots;
use tickring_client::{ClientError, Config, Connection, Decoded, State};
use tickring_protocol::fault::CloseReason;
use tickring_protocol::message::Welcome;
use tickring_protocol::websocket::{
    OpCode, SUBPROTOCOL, parse_request, write_frame, write_switching_protocols,
};

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
