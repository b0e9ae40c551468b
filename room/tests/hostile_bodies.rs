//! A body that names very many cells is read in one pass, and one that names a cell again is refused.

use crate::dots::{self, Dots};
use tickring_room::{ReceivedState, Room, RoomConfig, SnapshotError, Tick};

const KEYFRAME: u8 = 0;
const FORGET: u8 = 255;

/// The bits of a keyframe with so many dots.
fn keyframe(dots: u16) -> Vec<u8> {
    let config = RoomConfig { players_max: dots, ..RoomConfig::default() };
    let mut room = Room::<Dots>::new(config, dots::Settings::default());
    for _ in 0..dots {
        room.join(0).expect("a seat is free");
    }
    let watcher = room.watch(0).expect("there are places");
    room.step();
    room.encode_snapshot();
    room.prepare_watched(watcher, false);
    let mut message = Vec::new();
    room.write_watched(watcher, 0, &mut message);
    // The head has 20 bytes; then number, cell and kind.
    assert_eq!(message[20..23], [1, 0, KEYFRAME]);
    message.split_off(23)
}

/// A body with these blocks: cell, kind, bits.
fn body<'a>(blocks: impl IntoIterator<Item = (u16, u8, &'a [u8])>) -> Vec<u8> {
    let mut body = vec![1];
    for (cell, kind, bits) in blocks {
        let [low, middle, high] =
            [cell & 0x7f, cell >> 7 & 0x7f, cell >> 14].map(|part| part.to_le_bytes()[0]);
        body.extend_from_slice(&[low | 0x80, middle | 0x80, high, kind]);
        body.extend_from_slice(bits);
    }
    body
}

/// With a search or a shift of what is there for each block, this takes minutes instead of milliseconds.
#[test]
fn many_cells_come_and_go_in_one_pass() {
    let bits = keyframe(1);
    let mut state = ReceivedState::<Dots>::default();
    for _ in 0..20 {
        state.decode(Tick(1), &body((0..60_000).map(|cell| (cell, KEYFRAME, &bits[..])))).expect("in order");
        assert_eq!(state.entities().len(), 1, "one dot, in all of them");
        state.decode(Tick(2), &body((0..60_000).map(|cell| (cell, FORGET, &[][..])))).expect("in order");
        assert_eq!(state.entities().len(), 0);
    }
}

#[test]
fn a_cell_comes_once_and_after_those_before_it() {
    let bits = keyframe(2);
    let decode = |cells: &[u16]| {
        let mut state = ReceivedState::<Dots>::default();
        let result = state.decode(Tick(1), &body(cells.iter().map(|cell| (*cell, KEYFRAME, &bits[..]))));
        assert_eq!(state.entities().len(), if result.is_ok() { 2 } else { 0 });
        result
    };
    assert_eq!(decode(&[0, 1, 7, 65_535]), Ok(()));
    assert_eq!(decode(&[3, 3]), Err(SnapshotError::Order { cell: 3 }));
    assert_eq!(decode(&[3, 5, 4]), Err(SnapshotError::Order { cell: 4 }));
    let mut state = ReceivedState::<Dots>::default();
    let twice = body([(9, FORGET, &[][..]), (9, KEYFRAME, &bits[..])]);
    assert_eq!(state.decode(Tick(1), &twice), Err(SnapshotError::Order { cell: 9 }));
}

/// What a cell was is what its delta is to, wherever the cells around it go.
#[test]
fn cells_between_others_stay_as_they_are() {
    let bits = keyframe(2);
    let mut state = ReceivedState::<Dots>::default();
    let all = [2, 4, 6, 8].map(|cell| (cell, KEYFRAME, &bits[..]));
    state.decode(Tick(1), &body(all)).expect("in order");
    let news = [
        (1, KEYFRAME, &bits[..]),
        (2, FORGET, &[]),
        (5, KEYFRAME, &bits[..]),
        (8, FORGET, &[]),
        (9, FORGET, &[]),
    ];
    state.decode(Tick(2), &body(news)).expect("in order");
    let mut expected = ReceivedState::<Dots>::default();
    let left = [1, 4, 5, 6].map(|cell| (cell, KEYFRAME, &bits[..]));
    expected.decode(Tick(2), &body(left)).expect("in order");
    assert!(state.is_same(&expected));
}

/// The same dots in every cell are as many as there is memory for, no more.
#[test]
fn no_more_entities_are_held_than_there_are_ids() {
    let bits = keyframe(8);
    let all = |cells: std::ops::Range<u16>| body(cells.map(|cell| (cell, KEYFRAME, &bits[..])));
    let mut state = ReceivedState::<Dots>::default();
    state.decode(Tick(1), &all(0..8_192)).expect("65,536 in 8,192 cells");
    assert_eq!((state.held(), state.entities().len()), (65_536, 8));
    let instead = all(0..8_191)
        .into_iter()
        .chain(body([(8_191, FORGET, &[][..]), (9_000, KEYFRAME, &bits[..])]).split_off(1));
    state.decode(Tick(2), &instead.collect::<Vec<_>>()).expect("one goes and one comes");
    assert_eq!(state.held(), 65_536);
    assert_eq!(state.decode(Tick(3), &all(0..1)), Ok(()));
    let error = state.decode(Tick(4), &body([(9_001, KEYFRAME, &bits[..])]));
    assert_eq!(error, Err(SnapshotError::TooMany { cell: 9_001 }));
    assert_eq!((state.held(), state.tick()), (0, None));
    assert_eq!(state.decode(Tick(5), &all(0..8_193)), Err(SnapshotError::TooMany { cell: 8_192 }));
}
