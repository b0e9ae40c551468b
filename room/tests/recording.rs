//! What is recorded plays again, tick for tick, and what differs is found.

use std::thread;

use crate::dots::turmoil::Turmoil;
use crate::dots::{self, Dots, Settings, Steer, give, give_bytes};
use crate::recorded::{MIB, Recorded, config, header, header_bytes, replay};
use tickring_protocol::message::InputHead;
use tickring_room::{
    BUFFER_BYTES_MAX, End, Entry, Game, Header, HeaderError, PlayerId, Recorder, Recording, Replay, Room,
    RoomCounters, Tick,
};

/// The counters without those of snapshots.
fn simulated(counters: &RoomCounters) -> RoomCounters {
    RoomCounters { blocks_encoded: 0, blocks_needed: 0, snapshots_written: 0, ..counters.clone() }
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

/// Makes another input of one.
type Change = fn(InputHead, &[u8]) -> (InputHead, Vec<u8>);

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
    let diverged = |change: Change| {
        let mut recording = Recording::open(&recorded.bytes[..]).unwrap();
        let mut replay = Replay::<Dots>::new(recording.header()).unwrap();
        let mut changed = None;
        while let Some(entry) = recording.next_entry().unwrap() {
            let now = replay.room().tick();
            let result = match entry {
                Entry::Input { player, head, game } if now.0 > 100 && changed.is_none() => {
                    changed = Some(now);
                    let (head, game) = change(head, game);
                    replay.play(&Entry::Input { player, head, game: &game })
                }
                entry => replay.play(&entry),
            };
            if let Err(diverged) = result {
                return (changed.unwrap(), diverged);
            }
        }
        panic!("nobody noticed");
    };
    // A centimetre and a half to the side; a number used twice; a button that is none.
    let aside: Change = |head, game| (head, vec![game[0] ^ 1, game[1], game[2]]);
    let again: Change = |head, game| (InputHead { sequence: 1, ..head }, game.to_vec());
    let unreadable: Change = |head, game| (head, vec![game[0], game[1], 8]);
    for change in [aside, again, unreadable] {
        let (at, found) = diverged(change);
        assert!(found.tick.since(at) > 0 && found.tick.since(at) <= 60, "{at:?} {found}");
        assert_eq!(found.tick.since(found.agreed), 60, "{found}");
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
        let entry = recording.next_entry().unwrap().expect("it differs before the end");
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
    for _ in 0..BUFFER_BYTES_MAX / 3 {
        recorded.room.take_over(player, 0).unwrap();
    }
    recorded.step();
    assert_eq!(recorded.end, Some(End::Burst));
    assert!(recorded.bytes.len() < 2_000, "what came in is not kept: {}", recorded.bytes.len());
    let (replay, end) = replay(&recorded.bytes).unwrap();
    assert_eq!((replay.room().tick(), end.unwrap()), (Tick(90), End::Burst));
}

/// Nobody ends a recording by sending more than is allowed.
#[test]
fn a_flood_of_inputs_is_no_burst() {
    let mut recorded = Recorded::new(1, 64 * MIB);
    let players: Vec<PlayerId> = (0..16).map(|_| recorded.room.join(0).unwrap().player).collect();
    for tick in 0..120 {
        for sequence in 0..200_u32 {
            for &player in &players {
                let head = InputHead {
                    sequence: sequence + tick * 200,
                    target_tick: sequence * 0x0101_0101,
                    view_tick: 7 << 28,
                    view_fraction: 0,
                    newest_snapshot_tick: 9 << 28,
                };
                let _ = give(&mut recorded.room, player, head, Steer::default());
            }
        }
        recorded.step();
    }
    assert_eq!(recorded.end, None);
    recorded.finish();
    let (replay, end) = replay(&recorded.bytes).unwrap();
    assert_eq!((replay.room().tick(), end.unwrap()), (Tick(120), End::RoomOver));
    assert!(replay.room().counters().inputs_over_budget > 300_000);
    assert_eq!(*replay.room().counters(), simulated(recorded.room.counters()));
}

#[test]
fn headers_of_something_else_are_refused() {
    let good = header(1);
    assert_eq!(good.version, Dots::VERSION, "the game's, not this crate's");
    assert!(Replay::<Dots>::new(&good).is_ok());
    let refusal = |change: &dyn Fn(&mut Header)| {
        let mut header = good.clone();
        change(&mut header);
        Replay::<Dots>::new(&header).expect_err("it is refused")
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
            9, 0xac, 2, 1, // refused: a player of two bytes, one input
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
