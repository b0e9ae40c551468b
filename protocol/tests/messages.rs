//! Every message decoder: exact lengths, checked contents, and no byte sequence that harms it.

mod streams;

use proptest::prelude::*;
use rand::RngExt;
use streams::{fuzz, mutate, noise};
use tickring_protocol::fault::FaultCode;
use tickring_protocol::limits::{FAULT_TEXT_BYTES_MAX, GAME_INPUT_BYTES_MAX};
use tickring_protocol::message::*;

const INPUT: InputHead =
    InputHead { sequence: 1, target_tick: 2, view_tick: 3, view_fraction: 4, newest_snapshot_tick: 5 };
const SNAPSHOT: SnapshotHead = SnapshotHead {
    tick: 9,
    last_input: 1,
    input_slack: 20,
    time_dilation: TIME_DILATION_NONE,
    dropped: 0,
    checksum: 0,
    private_bytes: 3,
};

/// One valid payload of every kind, the client's first.
fn samples() -> Vec<Vec<u8>> {
    let mut samples = vec![Vec::new(); 10];
    Hello { version: 1, layout: 2, features: 3, resume: [4; 16] }.write(&mut samples[0]);
    INPUT.write(&mut samples[1]);
    samples[1].extend([7; GAME_INPUT_BYTES_MAX]);
    Ping { client_time_ns: 1 }.write(&mut samples[2]);
    Leave { reason: 0 }.write(&mut samples[3]);
    Welcome {
        player: 1,
        entity: 2,
        tick: 3,
        tick_hz: 60,
        snapshot_hz: 30,
        interpolation_ticks: 4,
        resume: [5; 16],
        message_bytes_max: 4096,
        input_window_ticks: 16,
        room_players_max: 50,
        seed: 6,
    }
    .write(&mut samples[4]);
    SNAPSHOT.write(&mut samples[5]);
    samples[5].extend(b"ownshared state");
    EventHead { tick: 1, kind: 2 }.write(&mut samples[6]);
    samples[6].extend(b"event");
    Pong { client_time_ns: 1, server_time_ns: 2, tick: 3, fraction: 4 }.write(&mut samples[7]);
    Fault::new(FaultCode::UnknownRoom, "no room is called €").write(&mut samples[8]);
    Goodbye { reason: 1001, back_after_ms: 5000 }.write(&mut samples[9]);
    samples
}

/// What may be done with a message that was decoded, with every part looked at.
fn look(payload: &[u8]) -> [Result<usize, MessageError>; 2] {
    let client = ClientMessage::decode(payload).map(|message| match message {
        ClientMessage::Input { head, game } => {
            assert!(game.len() <= GAME_INPUT_BYTES_MAX);
            InputHead::from(head).sequence as usize + game.len()
        }
        other => format!("{other:?}").len(),
    });
    let server = ServerMessage::decode(payload).map(|message| match message {
        ServerMessage::Snapshot { head, private, body } => {
            assert_eq!(usize::from(head.private_bytes.to_native()), private.len());
            assert_eq!(SnapshotHead::BYTES + private.len() + body.len(), payload.len());
            body.len()
        }
        ServerMessage::Fault(fault) => {
            assert_eq!(fault.text(), Fault::from(fault).text());
            fault.text().len()
        }
        other => format!("{other:?}").len(),
    });
    [client, server]
}

#[test]
fn every_kind_decodes_in_its_direction_only() {
    for (index, sample) in samples().iter().enumerate() {
        let [client, server] = look(sample);
        assert_eq!((client.is_ok(), server.is_ok()), (index < 4, index >= 4), "{sample:02x?}");
        let unknown = if index < 4 { server } else { client };
        assert_eq!(unknown, Err(MessageError::UnknownKind(sample[0])));
    }
    assert_eq!(look(&[]), [Err(MessageError::Empty), Err(MessageError::Empty)]);
}

#[test]
fn lengths_are_exact() {
    for sample in samples() {
        let may_be_longer = matches!(sample[0], kind::SNAPSHOT | kind::EVENT);
        let mut longer = sample.clone();
        longer.push(0);
        let is_ok = |payload: &[u8]| look(payload).iter().any(Result::is_ok);
        assert_eq!(is_ok(&longer), may_be_longer, "{sample:02x?}");
        let shorter = &sample[..sample.len() - 1];
        let has_tail = matches!(sample[0], kind::INPUT | kind::SNAPSHOT | kind::EVENT);
        assert_eq!(is_ok(shorter), has_tail, "{sample:02x?}");
        assert!(!is_ok(&sample[..1]), "{sample:02x?}");
    }
    let told = |payload: &[u8]| ClientMessage::decode(payload).unwrap_err().to_string();
    assert_eq!(told(&[kind::HELLO, 0, 0]), "message of kind 0x01 has 3 bytes, it must have 31");
    assert_eq!(told(&[kind::INPUT, 0, 0]), "message of kind 0x02 has 3 bytes, it must have 18 to 34");
}

#[test]
fn contents_are_checked() {
    let mut snapshot = Vec::new();
    SNAPSHOT.write(&mut snapshot);
    snapshot.extend(b"ow");
    assert_eq!(ServerMessage::decode(&snapshot).unwrap_err(), MessageError::Content(kind::SNAPSHOT));
    let mut fault = Vec::new();
    let broken = Fault { text_bytes: 81, ..Fault::new(FaultCode::Draining, "") };
    assert_eq!(broken.text(), "");
    broken.write(&mut fault);
    assert_eq!(ServerMessage::decode(&fault).unwrap_err(), MessageError::Content(kind::FAULT));
    fault.clear();
    let mut text = [0; 80];
    text[0] = 0xff;
    Fault { text, text_bytes: 1, ..broken }.write(&mut fault);
    assert_eq!(ServerMessage::decode(&fault).unwrap_err(), MessageError::Content(kind::FAULT));
}

#[test]
fn messages_decode_at_any_address() {
    for sample in samples() {
        for offset in 0..8 {
            let mut shifted = vec![0; offset];
            shifted.extend_from_slice(&sample);
            assert_eq!(look(&shifted[offset..]), look(&sample));
        }
    }
}

#[test]
fn writing_allocates_nothing_beyond_the_output() {
    // With room enough, the output stays where it is; the message itself is on the stack.
    let mut out = Vec::with_capacity(Fault::BYTES + Welcome::BYTES);
    let place = out.as_ptr();
    Fault::new(FaultCode::RoomFull, &"ä".repeat(100)).write(&mut out);
    assert_eq!((out.len(), out.as_ptr()), (Fault::BYTES, place));
    let Ok(ServerMessage::Fault(fault)) = ServerMessage::decode(&out) else { panic!("not a fault") };
    assert_eq!(fault.text(), "ä".repeat(FAULT_TEXT_BYTES_MAX / 2));
}

#[test]
fn fuzz_mutated_messages_and_noise() {
    let samples = samples();
    fuzz(100_000, |random| {
        let mut bytes = samples[random.random_range(0..samples.len())].clone();
        match random.random_range(0..4) {
            0 => bytes.truncate(1),
            1 => bytes.clear(),
            _ => {}
        }
        if bytes.len() < 2 {
            bytes.extend(noise(120, random));
        }
        mutate(&mut bytes, random);
        let [client, server] = look(&bytes);
        assert!(client.is_err() || server.is_err(), "a message of both directions");
    });
}

proptest! {
    #[test]
    fn inputs_return_as_they_were_written(
        numbers: [u32; 4],
        view_fraction: u8,
        game in prop::collection::vec(any::<u8>(), 0..=GAME_INPUT_BYTES_MAX),
    ) {
        let [sequence, target_tick, view_tick, newest_snapshot_tick] = numbers;
        let written = InputHead { sequence, target_tick, view_tick, view_fraction, newest_snapshot_tick };
        let mut payload = Vec::new();
        written.write(&mut payload);
        payload.extend_from_slice(&game);
        let Ok(ClientMessage::Input { head, game: read }) = ClientMessage::decode(&payload) else {
            return Err(TestCaseError::fail("not an input"));
        };
        prop_assert_eq!((written, &game[..]), (InputHead::from(head), read));
    }
}
