//! Rooms that are recorded: what becomes of it when the disk is well, and when it is not.

use tickring_arena::{Arena, Settings};
use tickring_protocol::websocket::OpCode;
use tickring_room::{End, Entry, Game, Input as _, Recording, Replay};

use super::{frame, hello, request, rules, stage, write_input};
use crate::clock::Clock;
use crate::recording::{Beginning, Inlet, Stop, connect};
use crate::session::{Now, Session, Stage};

const TICK_NS: u64 = 16_666_667;

/// One player in a room that is recorded.
struct Field {
    stage: Stage<Arena>,
    inlet: Inlet,
    ticks: u32,
}

impl Field {
    fn new(bytes_max: u64) -> Self {
        let mut stage = stage::<Arena>(Settings::default(), rules());
        let (outlet, inlet) = connect(bytes_max, Clock::start());
        stage.rooms.record(outlet);
        let mut field = Self { stage, inlet, ticks: 0 };
        field.stage.act(0, Now::from_ns(0), |session, cx| session.begin(1, cx.now_ms));
        field.hear(request("/v1/rooms/r"));
        field.hear(hello::<Arena>());
        field
    }

    fn now(&self) -> Now {
        Now::from_ns(u64::from(self.ticks) * TICK_NS)
    }

    fn hear(&mut self, mut bytes: Vec<u8>) {
        self.stage.act(0, self.now(), |session, cx| assert!(session.received(&mut bytes, cx).is_none()));
    }

    fn seconds(&mut self, seconds: u32) {
        let until = self.stage.ticks.steps + u64::from(seconds) * 60;
        while self.stage.ticks.steps < until {
            self.ticks += 1;
            let mut payload = Vec::new();
            write_input(&mut payload, self.ticks, &[]);
            <Arena as Game>::Input::default().write(&mut payload);
            self.hear(frame(OpCode::Binary, &payload));
            let now = self.now();
            self.stage.tick(|| now.ns);
        }
    }

    fn leave(&mut self) {
        self.stage.act(0, self.now(), Session::removed);
    }
}

/// What has been handed over.
fn drain(beginning: &mut Beginning) -> (Vec<u8>, Option<End>) {
    let (mut bytes, mut end) = (Vec::new(), None);
    while let Ok(chunk) = beginning.chunks.try_recv() {
        assert_eq!(end, None);
        bytes.extend_from_slice(&chunk.bytes);
        end = chunk.end;
    }
    (bytes, end)
}

fn verified(bytes: &[u8]) -> u64 {
    let mut recording = Recording::open(bytes).unwrap();
    let mut replay = Replay::<Arena>::new(recording.header()).unwrap();
    let mut ended = false;
    while let Some(entry) = recording.next_entry().unwrap() {
        replay.play(&entry).unwrap();
        ended |= matches!(entry, Entry::End(_));
    }
    assert!(ended);
    replay.verified()
}

#[test]
fn a_room_is_recorded_from_its_first_player_to_its_last() {
    let mut field = Field::new(1 << 30);
    field.seconds(5);
    field.leave();
    let mut beginning = field.inlet.beginnings.try_recv().unwrap();
    assert!(beginning.name.starts_with("room-r."), "{}", beginning.name);
    let (bytes, end) = drain(&mut beginning);
    assert_eq!((end, verified(&bytes)), (Some(End::RoomOver), 6));
    assert!(field.inlet.beginnings.try_recv().is_err());
}

#[test]
fn a_drain_ends_recordings_with_their_mark() {
    let mut field = Field::new(1 << 30);
    field.seconds(2);
    field.stage.rooms.end_recordings();
    field.stage.rooms.end_recordings();
    let (bytes, end) = drain(&mut field.inlet.beginnings.try_recv().unwrap());
    assert_eq!((end, verified(&bytes)), (Some(End::Drained), 3));
}

#[test]
fn a_disk_that_takes_nothing_stops_the_recording_and_no_tick() {
    let mut field = Field::new(1 << 30);
    field.seconds(16);
    assert_eq!(field.inlet.tally.stops(Stop::Slow), 0);
    field.seconds(1);
    assert_eq!(field.inlet.tally.stops(Stop::Slow), 1);
    field.seconds(20);
    assert_eq!(field.stage.ticks.steps, 37 * 60);
    assert_eq!(field.inlet.tally.stops(Stop::Slow), 1, "once for each recording");
    // What was taken is a recording without its end.
    let mut beginning = field.inlet.beginnings.try_recv().unwrap();
    let (bytes, end) = drain(&mut beginning);
    assert_eq!(end, None);
    let mut recording = Recording::open(&bytes[..]).unwrap();
    let mut replay = Replay::<Arena>::new(recording.header()).unwrap();
    while let Ok(Some(entry)) = recording.next_entry() {
        replay.play(&entry).unwrap();
    }
    assert_eq!(replay.verified(), 16);
    assert!(beginning.chunks.is_closed(), "the control thread learns of it");
}

#[test]
fn a_file_that_nobody_writes_any_more_is_given_up() {
    let mut field = Field::new(1 << 30);
    drop(field.inlet.beginnings.try_recv().unwrap());
    field.seconds(3);
    field.leave();
    assert!(Stop::ALL.iter().all(|why| field.inlet.tally.stops(*why) == 0), "it was told elsewhere");
}

#[test]
fn a_full_recording_has_its_end_and_the_room_plays_on() {
    let mut field = Field::new(1 << 20);
    let mut beginning = field.inlet.beginnings.try_recv().unwrap();
    let (mut bytes, mut end) = (Vec::new(), None);
    let mut seconds = 0;
    while end.is_none() {
        field.seconds(10);
        seconds += 10;
        let (more, reached) = drain(&mut beginning);
        bytes.extend(more);
        end = reached;
    }
    assert_eq!(end, Some(End::Limit));
    assert!(bytes.len() <= 1 << 20 && verified(&bytes) > seconds - 11);
    field.seconds(2);
    assert_eq!(field.stage.ticks.steps, (seconds + 2) * 60);
    assert!(drain(&mut beginning).0.is_empty());
}
