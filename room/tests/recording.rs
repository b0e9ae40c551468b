//! What is recorded plays again, tick for tick; what is damaged is found where it is.

mod dots;

use std::thread;

use dots::turmoil::Turmoil;
use dots::{Dots, Settings, Steer, give, give_bytes};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use tickring_protocol::message::InputHead;
use tickring_room::{
    BUFFER_BYTES_MAX, End, Entry, Game, Header, HeaderError, PlayerId, Recorder, Recording, RecordingError,
    Replay, Room, RoomConfig, RoomCounters, Tick,
};

const MIB: u64 = 1 << 20;

fn config(seed: u64) -> RoomConfig {
    RoomConfig { seed, players_max: 16, ..RoomConfig::default() }
}

fn header(seed: u64) -> Header {
    Header::new::<Dots>("field", 1_700_000_000_123, &config(seed), &Settings::held(1)).unwrap()
}

/// A room that is recorded into memory.
struct Recorded {
    room: Room<Dots>,
    bytes: Vec<u8>,
    /// Where each chunk ends.
    ends: Vec<usize>,
    end: Option<End>,
}

impl Recorded {
    fn new(seed: u64, bytes_max: u64) -> Self {
        let mut room = Room::new(config(seed), Settings::held(1));
        room.record(Recorder::new(&header(seed), bytes_max).unwrap());
        Self { room, bytes: Vec::new(), ends: Vec::new(), end: None }
    }

    fn step(&mut self) {
        self.room.step();
        if let Some(chunk) = self.room.recorded() {
            self.keep(&chunk.bytes, chunk.end);
        }
        assert_eq!(self.room.recorded(), None, "one chunk a tick");
    }

    fn keep(&mut self, bytes: &[u8], end: Option<End>) {
        assert_eq!(self.end, None, "nothing follows the last chunk");
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.end = end;
    }

    fn finish(&mut self) {
        if let Some(chunk) = self.room.end_recording(End::RoomOver) {
            self.keep(&chunk.bytes, chunk.end);
        }
        assert!(self.end.is_some());
    }

    /// So many ticks of turmoil. Somebody is sent snapshots and somebody watches, which changes nothing.
    fn play(seed: u64, ticks: u32) -> Self {
        let mut recorded = Self::new(seed, 64 * MIB);
        let mut turmoil = Turmoil::new(seed + 100);
        let watcher = recorded.room.watch(0).unwrap();
        for _ in 0..ticks {
            turmoil.disturb(&mut recorded.room);
            recorded.step();
            let room = &mut recorded.room;
            room.encode_snapshot();
            let first = room.seats().next();
            if let Some(player) = first {
                room.prepare_snapshot(player, false);
            }
            room.prepare_watched(watcher, false);
        }
        recorded.finish();
        recorded
    }
}

/// Plays a recording whose rooms must not differ.
fn replay(bytes: &[u8]) -> Result<(Replay<Dots>, Result<End, RecordingError>), RecordingError> {
    let mut recording = Recording::open(bytes)?;
    let mut replay = Replay::new(recording.header())?;
    let mut end = None;
    loop {
        match recording.next() {
            Ok(Some(entry)) => {
                replay.play(&entry).unwrap();
                if let Entry::End(why) = entry {
                    end = Some(why);
                }
            }
            Ok(None) => return Ok((replay, Ok(end.expect("only the end mark ends a recording")))),
            Err(error) => return Ok((replay, Err(error))),
        }
    }
}

/// The counters without those of snapshots.
fn simulated(counters: &RoomCounters) -> RoomCounters {
    RoomCounters { blocks_encoded: 0, snapshots_written: 0, ..counters.clone() }
}

#[test]
fn what_is_recorded_plays_again() {
    for seed in 0..3 {
        let recorded = Recorded::play(seed, 630);
        let (replay, end) = replay(&recorded.bytes).unwrap();
        assert_eq!(end.unwrap(), End::RoomOver);
        // Ten seconds, and the end.
        assert_eq!(replay.verified(), 11, "seed {seed}");
        let counters = replay.room().counters();
        assert_eq!(*counters, simulated(recorded.room.counters()));
        assert!(counters.inputs_accepted > 500 && counters.resumes > 0 && counters.holds_expired > 0);
        let mut scratch = Vec::new();
        assert_eq!(replay.room().checksum(&mut scratch), recorded.room.checksum(&mut scratch));
        assert_eq!(replay.room().tick(), Tick(630));
        let dots = |room: &Room<Dots>| room.world().iter().map(|(id, dot)| (id, *dot)).collect::<Vec<_>>();
        assert_eq!(dots(replay.room()), dots(&recorded.room));
    }
}

#[test]
fn it_plays_the_same_in_any_number_of_threads() {
    let recordings: Vec<Vec<u8>> = (0..4).map(|seed| Recorded::play(seed, 300).bytes).collect();
    let digests = |threads: usize| -> Vec<u32> {
        let mut digests = vec![0; recordings.len()];
        thread::scope(|scope| {
            let share = recordings.len() / threads;
            for (part, out) in recordings.chunks(share).zip(digests.chunks_mut(share)) {
                scope.spawn(move || {
                    for (bytes, digest) in part.iter().zip(out) {
                        *digest = replay(bytes).unwrap().0.digest();
                    }
                });
            }
        });
        digests
    };
    let one = digests(1);
    assert_eq!((&digests(1), &digests(2), &digests(4)), (&one, &one, &one));
    assert!(one.iter().enumerate().all(|(at, digest)| !one[..at].contains(digest)), "each room is another");
}

/// The first entry that differs, however little, is noticed by the next checksum.
#[test]
fn what_differs_is_found_within_the_second() {
    let mut recorded = Recorded::new(3, 64 * MIB);
    let player = recorded.room.join(0).unwrap().player;
    for tick in 1..300 {
        let head = InputHead {
            sequence: tick,
            target_tick: tick,
            view_tick: 0,
            view_fraction: 0,
            newest_snapshot_tick: 0,
        };
        give(&mut recorded.room, player, head, Steer { dx: 10, dz: 20, buttons: 0 }).unwrap();
        recorded.step();
    }
    recorded.finish();
    let diverged = |change: &dyn Fn(&Room<Dots>, Entry<'_>) -> Option<(InputHead, Vec<u8>)>| {
        let mut recording = Recording::open(&recorded.bytes[..]).unwrap();
        let mut replay = Replay::<Dots>::new(recording.header()).unwrap();
        let mut changed = None;
        while let Some(entry) = recording.next().unwrap() {
            let now = replay.room().tick();
            let result = match change(replay.room(), entry).filter(|_| changed.is_none()) {
                Some((head, game)) => {
                    let Entry::Input { player, .. } = entry else { panic!("only inputs are changed") };
                    changed = Some(now);
                    replay.play(&Entry::Input { player, head, game: &game })
                }
                None => replay.play(&entry),
            };
            if let Err(diverged) = result {
                return (changed.unwrap(), diverged);
            }
        }
        panic!("nobody noticed");
    };
    // A centimetre and a half to the side; a number used twice; a button that is none.
    let late = |room: &Room<Dots>| room.tick().0 > 100;
    let aside = |room: &Room<Dots>, entry: Entry<'_>| match entry {
        Entry::Input { head, game, .. } if late(room) => Some((head, vec![game[0] ^ 1, game[1], game[2]])),
        _ => None,
    };
    let again = |room: &Room<Dots>, entry: Entry<'_>| match entry {
        Entry::Input { head, game, .. } if late(room) => {
            Some((InputHead { sequence: 1, ..head }, game.to_vec()))
        }
        _ => None,
    };
    let unreadable = |room: &Room<Dots>, entry: Entry<'_>| match entry {
        Entry::Input { head, game, .. } if late(room) => Some((head, vec![game[0], game[1], 8])),
        _ => None,
    };
    for change in
        [&aside as &dyn Fn(&Room<Dots>, Entry<'_>) -> Option<(InputHead, Vec<u8>)>, &again, &unreadable]
    {
        let (at, found) = diverged(change);
        assert!(found.tick.since(at) > 0 && found.tick.since(at) <= 60, "{at:?} {found}");
        assert!(found.tick.since(found.agreed) == 60, "{found}");
    }
}

#[test]
fn another_seed_differs_at_the_first_checksum() {
    let recorded = Recorded::play(5, 120);
    let mut recording = Recording::open(&recorded.bytes[..]).unwrap();
    let mut other = recording.header().clone();
    other.config.seed += 1;
    let mut replay = Replay::<Dots>::new(&other).unwrap();
    let found = loop {
        let entry = recording.next().unwrap().expect("it differs before the end");
        if let Err(found) = replay.play(&entry) {
            break found;
        }
    };
    assert_eq!((found.tick, found.agreed), (Tick(60), Tick(0)));
    assert!(found.to_string().contains("at tick 60"), "{found}");
}

#[test]
fn a_full_recording_is_whole_and_within_its_limit() {
    let bytes_max = 2 * BUFFER_BYTES_MAX as u64 + 50_000;
    let mut recorded = Recorded::new(1, bytes_max);
    let mut turmoil = Turmoil::new(1);
    let mut ticks = 0;
    while recorded.end.is_none() {
        turmoil.disturb(&mut recorded.room);
        recorded.step();
        ticks += 1;
        assert!(ticks < 100_000);
    }
    assert_eq!(recorded.end, Some(End::Limit));
    let bytes = recorded.bytes.len() as u64;
    assert!(bytes <= bytes_max && bytes > bytes_max / 2, "{bytes} of {bytes_max}");
    let (replay, end) = replay(&recorded.bytes).unwrap();
    assert_eq!((replay.room().tick(), end.unwrap()), (Tick(ticks), End::Limit));
    // The room goes on without.
    turmoil.disturb(&mut recorded.room);
    recorded.step();
    assert_eq!(recorded.room.end_recording(End::Drained), None);
}

#[test]
fn a_burst_ends_the_recording_at_the_last_whole_tick() {
    let mut recorded = Recorded::new(1, 64 * MIB);
    let player = recorded.room.join(0).unwrap().player;
    (0..90).for_each(|_| recorded.step());
    let head =
        InputHead { sequence: 1, target_tick: 91, view_tick: 0, view_fraction: 0, newest_snapshot_tick: 0 };
    for _ in 0..BUFFER_BYTES_MAX / 8 {
        let _ = give(&mut recorded.room, player, head, Steer::default());
    }
    recorded.step();
    assert_eq!(recorded.end, Some(End::Burst));
    assert!(recorded.bytes.len() < 2_000, "what came in is not kept: {}", recorded.bytes.len());
    let (replay, end) = replay(&recorded.bytes).unwrap();
    assert_eq!((replay.room().tick(), end.unwrap()), (Tick(90), End::Burst));
}

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

#[test]
fn headers_of_something_else_are_refused() {
    let good = header(1);
    assert!(Replay::<Dots>::new(&good).is_ok());
    let refusal = |change: &dyn Fn(&mut Header)| {
        let mut header = good.clone();
        change(&mut header);
        Replay::<Dots>::new(&header).err().expect("it is refused")
    };
    assert!(matches!(refusal(&|header| header.game = "chess".to_owned()), HeaderError::Game { .. }));
    assert!(matches!(refusal(&|header| header.layout ^= 1), HeaderError::Layout { known: Dots::LAYOUT, .. }));
    assert!(matches!(refusal(&|header| header.config.tick_hz = 500), HeaderError::Config(_)));
    assert!(matches!(refusal(&|header| header.settings = "loud".into()), HeaderError::Settings { .. }));
    let settings =
        Settings { sight: Some(dots::Sight { cell: f32::NAN, radius: 1.0 }), ..Settings::default() };
    let unwritable = Header::new::<Dots>("field", 0, &config(1), &settings);
    assert!(matches!(unwritable, Err(HeaderError::Settings { .. })), "JSON has no NaN");
    let long = Header { room: "x".repeat(600_000), ..good };
    assert!(matches!(Recorder::new(&long, MIB), Err(HeaderError::TooLarge { .. })));
}

#[test]
#[should_panic(expected = "a recording begins with the room")]
fn a_room_that_has_begun_is_not_recorded() {
    let mut room = Room::<Dots>::new(config(1), Settings::default());
    room.step();
    room.record(Recorder::new(&header(1), MIB).unwrap());
}

/// The bytes of the format, which programs of this version can read for ever.
#[test]
fn a_short_recording_has_these_bytes() {
    let header = Header { version: "0.1.0".to_owned(), ..header(7) };
    let mut room = Room::<Dots>::new(config(7), Settings::held(1));
    room.record(Recorder::new(&header, MIB).unwrap());
    let player = room.join(1).unwrap().player;
    let head =
        InputHead { sequence: 1, target_tick: 2, view_tick: 0, view_fraction: 9, newest_snapshot_tick: 0 };
    give(&mut room, player, head, Steer { dx: 5, dz: -3, buttons: 1 }).unwrap();
    let _ = give_bytes(&mut room, PlayerId(300), head, &[]);
    room.step();
    room.connection_lost(player);
    room.resume(player, 1).unwrap();
    room.take_over(player, 0).unwrap();
    room.step();
    room.leave(player);
    let written = room.end_recording(End::RoomOver).unwrap().bytes;
    assert_eq!(written[..10], *b"TICKREC\n\x01\x00");
    let body = &written[header_bytes(&written) + 8..];
    #[rustfmt::skip]
    assert_eq!(
        body[..body.len() - 6],
        [
            2, 1, // join, features
            1, 0, 2, 4, 0, 0, 9, 3, 5, 0xfd, 1, // input: player, numbers, fraction, its three bytes
            1, 0xac, 2, 2, 4, 0, 0, 9, 0, // the same of a player of two bytes, without bytes
            0, // tick
            4, 0, 5, 0, 1, 6, 0, 0, // lost, resumed, taken over
            0, // tick
            3, 0, // left
            7, // checksum
        ]
    );
    assert_eq!(body[body.len() - 2..], [8, 0], "the end: the room was over");
    let (replay, end) = replay(&written).unwrap();
    assert_eq!((replay.verified(), replay.room().tick(), end.unwrap()), (1, Tick(2), End::RoomOver));
}

/// Chunks whose check is right hold anything; what can be read of them is played.
#[test]
fn fuzz_chunks_of_anything() {
    let iterations: u64 =
        std::env::var("TICKRING_FUZZ_ITERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    let seed = std::env::var("TICKRING_FUZZ_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("TICKRING_FUZZ_SEED={seed} replays this run");
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let good = Recorded::play(4, 60);
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
            match recording.next() {
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

/// What stands before the first chunk of entries.
fn header_bytes(recording: &[u8]) -> usize {
    18 + u32::from_le_bytes([recording[10], recording[11], recording[12], recording[13]]) as usize
}
