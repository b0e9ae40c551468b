//! What is damaged in a recording is found where it is, and what stands before it plays.

use crate::dots::Dots;
use crate::recorded::{Recorded, header_bytes, replay};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use tickring_room::{Recording, RecordingError, Replay, Tick};

#[test]
fn whatever_is_cut_off_the_rest_plays() {
    let recorded = Recorded::play(2, 200);
    let whole = |bytes: usize| recorded.ends.iter().filter(|end| **end <= bytes).count();
    let ends = recorded.ends.iter().flat_map(|end| end - 12..*end + 12);
    let some = (0..recorded.bytes.len()).step_by(97);
    for bytes in (0..40).chain(ends).chain(some).filter(|bytes| *bytes < recorded.bytes.len()) {
        let cut = &recorded.bytes[..bytes];
        let played = replay(cut);
        match played {
            Err(RecordingError::NotARecording) => assert!(bytes < 8),
            Err(RecordingError::Truncated { .. } | RecordingError::NoEnd { .. }) => {
                assert!(bytes >= 8 && whole(bytes) == 0, "{bytes}");
            }
            Ok((replay, Err(error))) => {
                let expected = 60 * u32::try_from(whole(bytes)).unwrap();
                assert_eq!(replay.room().tick(), Tick(expected), "{bytes}: {error}");
                let at_end = recorded.ends.contains(&bytes) || whole(bytes) == 0;
                match error {
                    RecordingError::NoEnd { offset } => assert!(at_end && offset == bytes as u64),
                    RecordingError::Truncated { offset } => {
                        let last = whole(bytes).checked_sub(1).map(|at| recorded.ends[at] as u64);
                        assert!(last.is_none_or(|last| last == offset), "{bytes}: {offset}");
                    }
                    other => panic!("{bytes}: {other}"),
                }
            }
            Ok((_, Ok(_))) => panic!("{bytes}: it has no end"),
            Err(other) => panic!("{bytes}: {other}"),
        }
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let recorded = Recorded::play(2, 130);
    let frames = recorded.ends.iter().flat_map(|end| end - 8..*end + 8);
    let some = (0..recorded.bytes.len()).step_by(61);
    for at in (0..40).chain(frames).chain(some).filter(|at| *at < recorded.bytes.len()) {
        let mut bytes = recorded.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        match replay(&bytes) {
            Err(RecordingError::NotARecording) => assert!(at < 8),
            Err(RecordingError::Version { found, known: 1 }) => assert!((8..10).contains(&at) && found != 1),
            Err(RecordingError::Damaged { offset } | RecordingError::Truncated { offset }) => {
                assert_eq!(offset, 10, "the header: {at}");
            }
            // A length that has become larger swallows what follows.
            Ok((replay, Err(RecordingError::Damaged { offset } | RecordingError::Truncated { offset }))) => {
                assert!(offset <= at as u64);
                let whole = recorded.ends.iter().filter(|end| **end <= at).count();
                assert_eq!(replay.room().tick(), Tick(60 * u32::try_from(whole).unwrap()), "{at}");
            }
            Ok((_, other)) => panic!("{at}: {other:?}"),
            Err(other) => panic!("{at}: {other}"),
        }
    }
}

#[test]
fn chunks_that_are_left_out_swapped_or_added_are_noticed() {
    let recorded = Recorded::play(2, 300);
    let chunk = |at: usize| &recorded.bytes[recorded.ends[at - 1]..recorded.ends[at]];
    let first = &recorded.bytes[..recorded.ends[0]];
    let left_out = [first, chunk(2), chunk(3)].concat();
    let swapped = [first, chunk(2), chunk(1), chunk(3)].concat();
    for bytes in [left_out, swapped] {
        let (replay, end) = replay(&bytes).unwrap();
        assert!(matches!(end, Err(RecordingError::Damaged { offset }) if offset == first.len() as u64));
        assert_eq!(replay.room().tick(), Tick(60));
    }
    for more in [&[0][..], chunk(1), &recorded.bytes] {
        let (replay, end) = replay(&[&recorded.bytes, more].concat()).unwrap();
        let is_typed = matches!(
            end,
            Err(RecordingError::Truncated { .. }
                | RecordingError::Damaged { .. }
                | RecordingError::Trailing { .. })
        );
        assert!(is_typed, "{end:?}");
        assert_eq!(replay.room().tick(), Tick(300));
    }
}

/// Chunks whose check is right hold anything; what can be read of them is played.
#[test]
fn fuzz_chunks_of_anything() {
    let iterations: u64 =
        std::env::var("TICKRING_FUZZ_ITERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000);
    let seed = std::env::var("TICKRING_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("TICKRING_FUZZ_SEED={seed} replays this run");
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let good = Recorded::play(4, 30);
    let (head, body) = good.bytes.split_at(header_bytes(&good.bytes));
    let entries = &body[8..good.ends[0] - head.len()];
    let check_of_header = u32::from_le_bytes([head[14], head[15], head[16], head[17]]);
    let (mut whole, mut refused) = (0_u64, 0_u64);
    for _ in 0..iterations {
        let mut bytes = if rng.next_u32() % 4 == 0 {
            let mut bytes = vec![0; (1 + rng.next_u32() % 200) as usize];
            rng.fill_bytes(&mut bytes);
            bytes
        } else {
            let from = rng.next_u32() as usize % entries.len();
            entries[from / 2..].to_vec()
        };
        for _ in 0..rng.next_u32() % 4 {
            let at = rng.next_u32() as usize % bytes.len();
            bytes[at] ^= rng.next_u32().to_le_bytes()[0];
        }
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let check = crc32fast::hash(&[&check_of_header.to_le_bytes(), &length[..], &bytes].concat());
        let recording = [head, &length, &check.to_le_bytes(), &bytes].concat();
        let mut recording = Recording::open(&recording[..]).expect("the header is sound");
        let mut replay = Replay::<Dots>::new(recording.header()).unwrap();
        let error = loop {
            match recording.next_entry() {
                // What a state would have been says nothing here.
                Ok(Some(entry)) => drop(replay.play(&entry)),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        match error {
            None | Some(RecordingError::NoEnd { .. }) => whole += 1,
            Some(RecordingError::Entry { .. } | RecordingError::Trailing { .. }) => refused += 1,
            Some(other) => panic!("{other}"),
        }
    }
    assert!(whole > 0 && refused > 0, "{whole} whole, {refused} refused");
}
