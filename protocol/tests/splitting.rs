//! The same bytes mean the same, however the network cut them.

mod streams;

use proptest::prelude::*;
use streams::{Seen, cut, decode_pieces, fuzz, mutate, noise, valid_stream};
use tickring_protocol::websocket::{Decoder, Role};

const MESSAGE_BYTES_MAX: u32 = 3000;

/// Whole, byte by byte and in the given pieces: the events must be the same. Returns them.
fn check(role: Role, bytes: &[u8], pieces: &[&[u8]]) -> Vec<Seen> {
    let whole = decode_pieces(&mut Decoder::new(role, MESSAGE_BYTES_MAX), [bytes]);
    let mut decoder = Decoder::new(role, MESSAGE_BYTES_MAX);
    let in_pieces = decode_pieces(&mut decoder, pieces.iter().copied());
    assert_eq!(whole, in_pieces);
    assert!(decoder.heap_bytes() <= MESSAGE_BYTES_MAX as usize + 200, "{} bytes held", decoder.heap_bytes());
    let bytewise = decode_pieces(&mut Decoder::new(role, MESSAGE_BYTES_MAX), bytes.chunks(1));
    assert_eq!(whole, bytewise);
    if let Some(error) = whole.iter().position(|seen| matches!(seen, Seen::Error(_) | Seen::Close(..))) {
        assert_eq!(error + 1, whole.len(), "nothing follows an error or a close");
        assert_eq!(decode_pieces(&mut decoder, [&b"\x81\x85more"[..]]), []);
        assert!(decoder.is_idle());
    }
    whole
}

#[test]
fn fuzz_valid_streams_decode_to_what_was_written() {
    fuzz(1500, |random| {
        for role in [Role::Server, Role::Client] {
            let (bytes, expected) = valid_stream(role, MESSAGE_BYTES_MAX as usize, random);
            let pieces = cut(&bytes, random);
            assert_eq!(check(role, &bytes, &pieces), expected);
        }
    });
}

#[test]
fn fuzz_mutated_streams_decode_alike() {
    fuzz(4000, |random| {
        for role in [Role::Server, Role::Client] {
            let (mut bytes, _) = valid_stream(role, 400, random);
            mutate(&mut bytes, random);
            let pieces = cut(&bytes, random);
            check(role, &bytes, &pieces);
        }
    });
}

#[test]
fn fuzz_noise_decodes_alike() {
    fuzz(8000, |random| {
        let mut bytes = noise(400, random);
        // A valid start leads the noise deeper in.
        bytes.splice(0..0, [[0x82, 0x84], [0x01, 0xfe], [0x89, 0x80], [0x00, 0x00]][bytes.len() % 4]);
        let pieces = cut(&bytes, random);
        check(Role::Server, &bytes, &pieces);
        check(Role::Client, &bytes, &pieces);
    });
}

proptest! {
    #[test]
    fn arbitrary_bytes_and_cuts(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.push(bytes.len());
        cuts.sort_unstable();
        let mut start = 0;
        let pieces: Vec<&[u8]> = cuts.iter().map(|&end| &bytes[std::mem::replace(&mut start, end)..end]).collect();
        check(Role::Server, &bytes, &pieces);
    }
}
