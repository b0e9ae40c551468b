//! What the decoder copies and holds: nothing for whole frames, what arrived for the rest.

mod streams;

use streams::raw_frame;
use tickring_protocol::limits::{CLAIMED_RESERVE_BYTES_MAX, ECHO_MESSAGE_BYTES_MAX};
use tickring_protocol::websocket::{Decoder, Event, OpCode, Role, write_frame, write_masked_frame};

const MASK: [u8; 4] = [9, 8, 7, 6];

#[test]
fn whole_frames_are_borrowed_from_the_input() {
    for role in [Role::Server, Role::Client] {
        let mut input = Vec::new();
        let payloads = [vec![1; 20], vec![2; 500], vec![], vec![3; 70_000]];
        for payload in &payloads {
            match role {
                Role::Server => write_masked_frame(&mut input, OpCode::Binary, payload, MASK),
                Role::Client => write_frame(&mut input, OpCode::Binary, payload),
            }
        }
        let bounds = input.as_ptr_range();
        let mut decoder = Decoder::new(role, ECHO_MESSAGE_BYTES_MAX);
        let mut frames = decoder.feed(&mut input);
        for expected in &payloads {
            let Ok(Some(Event::Binary(payload))) = frames.next() else { panic!("not a binary message") };
            assert_eq!(payload, &expected[..]);
            let range = payload.as_ptr_range();
            assert!(bounds.start <= range.start && range.end <= bounds.end, "copied");
        }
        assert_eq!(frames.next(), Ok(None));
        assert_eq!(decoder.heap_bytes(), 0);
        assert!(decoder.is_idle());
    }
}

#[test]
fn a_partial_tail_is_held_and_then_freed() {
    let mut input = Vec::new();
    write_masked_frame(&mut input, OpCode::Binary, b"whole", MASK);
    write_masked_frame(&mut input, OpCode::Binary, b"in two parts", MASK);
    write_masked_frame(&mut input, OpCode::Binary, b"next", MASK);
    for cut in 12..input.len() - 11 {
        let mut decoder = Decoder::new(Role::Server, 4096);
        let (mut first, mut second) = (input[..cut].to_vec(), input[cut..].to_vec());
        let mut frames = decoder.feed(&mut first);
        assert_eq!(frames.next(), Ok(Some(Event::Binary(b"whole"))));
        assert_eq!(frames.next(), Ok(None));
        assert!(!decoder.is_idle());
        assert!(decoder.heap_bytes() <= 14, "{} bytes for a tail of {}", decoder.heap_bytes(), cut - 11);
        let mut frames = decoder.feed(&mut second);
        assert_eq!(frames.next(), Ok(Some(Event::Binary(b"in two parts"))));
        assert_eq!(frames.next(), Ok(Some(Event::Binary(b"next"))));
        assert_eq!(frames.next(), Ok(None));
        assert!(decoder.is_idle());
    }
}

#[test]
fn a_claim_reserves_little() {
    // The head says 16 MiB, one byte of it came.
    let mut bytes = vec![0x82, 0xff];
    bytes.extend(u64::from(ECHO_MESSAGE_BYTES_MAX).to_be_bytes());
    bytes.extend(MASK);
    bytes.push(0);
    let mut decoder = Decoder::new(Role::Server, ECHO_MESSAGE_BYTES_MAX);
    assert_eq!(decoder.feed(&mut bytes).next(), Ok(None));
    assert!((1..=CLAIMED_RESERVE_BYTES_MAX).contains(&decoder.heap_bytes()));
}

/// Feeds a long message in pieces of 2 KiB, and gives how often its memory was moved or grown.
fn reallocations(bytes: &[u8]) -> usize {
    let mut decoder = Decoder::new(Role::Server, ECHO_MESSAGE_BYTES_MAX);
    let (mut reallocations, mut arrived, mut messages) = (0, 0, 0);
    for piece in bytes.chunks(2048) {
        let before = decoder.heap_bytes();
        let mut piece = piece.to_vec();
        arrived += piece.len();
        let mut frames = decoder.feed(&mut piece);
        while let Some(event) = frames.next().expect("the message is valid") {
            let Event::Binary(payload) = event else { panic!("{event:?}") };
            assert_eq!(payload.len(), ECHO_MESSAGE_BYTES_MAX as usize);
            assert!(payload.iter().zip(0_u32..).all(|(byte, index)| u32::from(*byte) == index % 251));
            messages += 1;
        }
        let held = decoder.heap_bytes();
        reallocations += usize::from(held > before);
        assert!(held <= 2 * arrived + CLAIMED_RESERVE_BYTES_MAX, "{held} bytes held for {arrived} that came");
        assert!(held <= ECHO_MESSAGE_BYTES_MAX as usize);
    }
    assert_eq!(messages, 1);
    assert!(decoder.is_idle());
    reallocations
}

#[test]
fn long_messages_cost_linear_time_and_no_more_memory_than_twice_what_came() {
    let payload: Vec<u8> =
        (0..ECHO_MESSAGE_BYTES_MAX).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let mut whole = Vec::new();
    write_masked_frame(&mut whole, OpCode::Binary, &payload, MASK);
    assert!(reallocations(&whole) <= 10);
    let mut fragmented = Vec::new();
    let mut fragments = payload.chunks(64).peekable();
    let mut first = 0x02;
    while let Some(fragment) = fragments.next() {
        let last = if fragments.peek().is_none() { 0x80 } else { 0 };
        raw_frame(&mut fragmented, first | last, fragment, Some(MASK));
        first = 0;
    }
    assert!(reallocations(&fragmented) <= 24);
}
