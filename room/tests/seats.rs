//! Joining, leaving, losing the connection, coming back; what inputs are dropped for; what is sent when.

use crate::dots::{self, Dots, FIRE, RUN, Steer, give, give_bytes};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, INPUT_SLACK_NONE, InputHead, ServerMessage};
use tickring_room::{InputDrop, JoinError, Malformed, PlayerId, ReceivedState, Room, RoomConfig, Tick, To};

fn room(players_max: u16, hold_seconds: u16) -> Room<Dots> {
    Room::new(RoomConfig { players_max, ..RoomConfig::default() }, dots::Settings::held(hold_seconds))
}

fn head(sequence: u32, target_tick: u32) -> InputHead {
    InputHead { sequence, target_tick, view_tick: 0, view_fraction: 0, newest_snapshot_tick: 0 }
}

fn slack_and_last(room: &mut Room<Dots>, player: PlayerId) -> (i16, u32) {
    room.encode_snapshot();
    room.prepare_snapshot(player, false);
    let mut message = Vec::new();
    room.write_snapshot(player, 0, &mut message);
    let Ok(ServerMessage::Snapshot { head, .. }) = ServerMessage::decode(&message) else {
        panic!("a snapshot")
    };
    (head.input_slack.to_native(), head.last_input.to_native())
}

#[test]
fn seats_are_given_in_order_and_again() {
    let mut room = room(3, 0);
    let seats: Vec<_> = (0..3).map(|_| room.join(0).unwrap()).collect();
    assert_eq!(seats.iter().map(|seat| seat.player.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(room.join(0), Err(JoinError::Full));
    room.leave(PlayerId(1));
    room.leave(PlayerId(1));
    assert_eq!((room.players(), room.counters().leaves, room.world().len()), (2, 1, 2));
    let again = room.join(0).unwrap();
    assert_eq!(again.player, PlayerId(1));
    assert_ne!(again.entity, seats[1].entity, "the old entity's id rests for a while");
    assert_eq!(room.welcome(PlayerId(1)).entity, again.entity.0);
    assert_eq!(room.counters().joins_refused, 1);
}

#[test]
fn a_lost_connection_keeps_its_seat_for_the_hold() {
    let mut room = room(2, 1);
    let seat = room.join(0).unwrap();
    give(&mut room, seat.player, head(1, 1), Steer { dx: 5, ..Steer::default() }).unwrap();
    room.step();
    assert_eq!(room.connection_lost(seat.player).seconds, 1);
    assert_eq!(give(&mut room, seat.player, head(2, 2), Steer::default()), Err(InputDrop::NoSeat));
    for _ in 0..60 {
        room.step();
        assert_eq!(room.game().inputs, [(seat.player, Steer::default())], "a held seat stands still");
    }
    assert_eq!(room.prepare_snapshot(seat.player, false), 0);
    assert_eq!(room.resume(seat.player, 0), Some(seat));
    assert_eq!(room.resume(seat.player, 0), None, "only once");
    // Sequence numbers begin again.
    give(&mut room, seat.player, head(1, 62), Steer { dx: 9, ..Steer::default() }).unwrap();
    room.step();
    assert_eq!(room.game().inputs[0].1.dx, 9);
    let _ = room.connection_lost(seat.player);
    for _ in 0..61 {
        room.step();
    }
    assert_eq!((room.players(), room.game().left.as_slice(), room.world().len()), (0, &[seat.player][..], 0));
    assert_eq!(room.resume(seat.player, 0), None);
    assert_eq!((room.counters().holds, room.counters().resumes, room.counters().holds_expired), (2, 1, 1));
}

#[test]
fn a_connection_lost_twice_is_lost_once() {
    let mut room = room(1, 1);
    let seat = room.join(0).unwrap();
    assert_eq!(room.connection_lost(seat.player).seconds, 1);
    for _ in 0..30 {
        room.step();
    }
    assert_eq!(room.connection_lost(seat.player).seconds, 0, "the time does not begin again");
    for _ in 0..31 {
        room.step();
    }
    assert_eq!((room.players(), room.counters().holds), (0, 1));
}

#[test]
fn a_seat_is_taken_over_without_the_game_noticing() {
    let mut room = room(2, 1);
    let seat = room.join(0).unwrap();
    give(&mut room, seat.player, head(7, 1), Steer { dx: 5, ..Steer::default() }).unwrap();
    give(&mut room, seat.player, head(8, 2), Steer { dx: 6, ..Steer::default() }).unwrap();
    room.step();
    assert_eq!(room.take_over(seat.player, 0), Some(seat));
    assert_eq!(room.prepare_snapshot(seat.player, false), 0, "nothing encoded before it is sent");
    // What the connection before had still to say is gone, and sequence numbers begin again.
    room.step();
    assert_eq!(room.game().inputs, [(seat.player, Steer::default())]);
    give(&mut room, seat.player, head(1, 3), Steer { dx: 9, ..Steer::default() }).unwrap();
    room.step();
    assert_eq!(room.game().inputs[0].1.dx, 9);
    assert!(room.game().left.is_empty() && room.game().resumed.is_empty());
    assert_eq!(room.counters().takeovers, 1);
    let _ = room.connection_lost(seat.player);
    assert!(room.is_held(seat.player));
    assert_eq!(room.take_over(seat.player, 0), None, "a held seat is resumed");
    assert_eq!(room.take_over(PlayerId(1), 0), None, "nobody sits there");
}

#[test]
fn without_a_hold_a_lost_connection_leaves() {
    let mut room = room(2, 0);
    let seat = room.join(0).unwrap();
    assert_eq!(room.connection_lost(seat.player).seconds, 0);
    assert_eq!((room.players(), room.counters().leaves, room.counters().holds), (0, 1, 0));
}

#[test]
fn every_dropped_input_is_counted_by_reason() {
    let mut room = room(2, 0);
    let player = room.join(0).unwrap().player;
    for _ in 0..10 {
        room.step();
    }
    assert_eq!(give(&mut room, player, head(1, 10), Steer::default()), Err(InputDrop::Late));
    assert_eq!(give(&mut room, player, head(2, 11), Steer::default()), Ok(()));
    assert_eq!(give(&mut room, player, head(2, 12), Steer::default()), Err(InputDrop::Duplicate));
    assert_eq!(give(&mut room, player, head(3, 27), Steer::default()), Ok(()));
    assert_eq!(give(&mut room, player, head(4, 28), Steer::default()), Err(InputDrop::Early));
    assert_eq!(
        give_bytes(&mut room, player, head(5, 12), &[1, 2]),
        Err(InputDrop::Length { found: 2, expected: 3 })
    );
    let unreadable = InputDrop::Malformed(Malformed("an unknown button"));
    assert_eq!(give_bytes(&mut room, player, head(5, 12), &[1, 2, 99]), Err(unreadable));
    assert_eq!(give(&mut room, PlayerId(1), head(1, 12), Steer::default()), Err(InputDrop::NoSeat));
    assert_eq!(give(&mut room, PlayerId(999), head(1, 12), Steer::default()), Err(InputDrop::NoSeat));
    let mut over_budget = 0;
    for sequence in 10..300 {
        over_budget += u64::from(
            give(&mut room, player, head(sequence, 12), Steer::default()) == Err(InputDrop::OverBudget),
        );
    }
    let counters = room.counters();
    assert_eq!((counters.inputs_late, counters.inputs_early, counters.inputs_duplicate), (1, 1, 1));
    assert_eq!((counters.inputs_malformed, counters.inputs_no_seat), (2, 2));
    assert_eq!((counters.inputs_accepted, counters.inputs_over_budget), (64, over_budget));
    assert_eq!(over_budget, 290 - 62);
}

#[test]
fn slack_is_told_of_the_newest_input_even_when_late() {
    let mut room = room(1, 0);
    let player = room.join(0).unwrap().player;
    room.step();
    assert_eq!(slack_and_last(&mut room, player), (INPUT_SLACK_NONE, 0), "nothing has arrived yet");
    give(&mut room, player, head(41, 4), Steer::default()).unwrap();
    assert_eq!(slack_and_last(&mut room, player), (2 * 16, 0));
    for _ in 0..3 {
        room.step();
    }
    assert_eq!(slack_and_last(&mut room, player), (2 * 16, 41));
    let _ = give(&mut room, player, head(42, 1), Steer::default());
    assert_eq!(slack_and_last(&mut room, player), (-4 * 16, 41));
    let _ = give(&mut room, player, head(43, 1 << 30), Steer::default());
    assert_eq!(slack_and_last(&mut room, player), (i16::MAX, 41));
}

#[test]
fn a_missing_input_is_repeated_without_presses_and_then_neutral() {
    let mut room = room(1, 0);
    let player = room.join(0).unwrap().player;
    give(&mut room, player, head(1, 1), Steer { dx: 3, dz: 0, buttons: FIRE | RUN }).unwrap();
    let mut inputs = Vec::new();
    for _ in 0..7 {
        room.step();
        inputs.push(room.game().inputs[0].1);
    }
    let held = Steer { dx: 3, dz: 0, buttons: RUN };
    assert_eq!(inputs[0].buttons, FIRE | RUN);
    assert_eq!(inputs[1..5], [held; 4]);
    assert_eq!(inputs[5..], [Steer::default(); 2]);
    assert_eq!((room.counters().starved_repeated, room.counters().starved_neutral), (4, 2));
}

#[test]
fn snapshots_are_spread_evenly_at_any_rate() {
    for (tick_hz, snapshot_hz) in [(60, 30), (60, 60), (60, 25), (128, 30), (20, 1), (61, 60)] {
        let mut room =
            Room::<Dots>::new(RoomConfig::with_rates(tick_hz, snapshot_hz), dots::Settings::default());
        let mut due = Vec::new();
        for tick in 1..=u32::from(tick_hz) * 3 {
            room.step();
            if room.snapshot_due() {
                due.push(tick);
            }
        }
        assert_eq!(due.len(), usize::from(snapshot_hz) * 3, "{tick_hz}/{snapshot_hz}");
        let gaps: Vec<u32> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
        assert!(most - least <= 1, "{tick_hz}/{snapshot_hz}: {gaps:?}");
    }
}

#[test]
fn events_are_handed_out_once_to_whom_they_concern() {
    let mut room = room(2, 0);
    let (left, right) = (room.join(0).unwrap(), room.join(0).unwrap());
    // The left dot is brought level with the right one, then fires along +x.
    let z = |room: &Room<Dots>, seat: tickring_room::Seat| room.world().get(seat.entity).unwrap().position.z;
    let mut sequence = 0;
    let mut struck = Vec::new();
    for _ in 0..2000 {
        sequence += 1;
        let away = z(&room, right) - z(&room, left);
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates")]
        let dz = (away * 64.0) as i8;
        let target = room.tick().0 + 1;
        let input = Steer { dx: 0, dz, buttons: if away == 0.0 { FIRE } else { 0 } };
        give(&mut room, left.player, InputHead { view_tick: target, ..head(sequence, target) }, input)
            .unwrap();
        room.step();
        struck.extend(room.events().map(|(to, bytes)| (to, bytes.to_vec())));
        if struck.len() == 2 {
            break;
        }
    }
    let (to, message) = &struck[1];
    assert!(matches!(to, To::Player(player) if *player == left.player), "its view was in the future");
    let Ok(ServerMessage::Event { head, game }) = ServerMessage::decode(message) else { panic!("an event") };
    assert_eq!((head.tick.to_native(), head.kind), (room.tick().0, 9));
    assert_eq!(game, right.entity.0.to_le_bytes());
    assert_eq!(room.counters().events, 2);
}

#[test]
fn spectators_see_and_do_nothing() {
    let config = RoomConfig { players_max: 1, spectators_max: 2, ..RoomConfig::default() };
    let mut room = Room::<Dots>::new(config, dots::Settings::default());
    let seat = room.join(0).unwrap();
    let first = room.watch(FEATURE_STATE_CHECKSUM).unwrap();
    assert_eq!(room.prepare_watched(first, false), 0, "nothing is encoded yet");
    let mut state = ReceivedState::<Dots>::default();
    let watch = |room: &mut Room<Dots>, watcher, newcomer: &mut ReceivedState<Dots>| {
        let bytes = room.prepare_watched(watcher, false);
        let mut message = Vec::new();
        room.write_watched(watcher, 0, &mut message);
        assert_eq!(message.len(), bytes);
        let Ok(ServerMessage::Snapshot { head, private, body }) = ServerMessage::decode(&message) else {
            panic!("a snapshot")
        };
        assert_eq!((private.len(), head.input_slack.to_native()), (0, INPUT_SLACK_NONE));
        newcomer.decode(Tick(head.tick.to_native()), body).unwrap();
        assert!(newcomer.get(seat.entity).is_some());
    };
    for tick in 1..10 {
        room.step();
        room.encode_snapshot();
        watch(&mut room, first, &mut state);
        if tick == 5 {
            let late = room.watch(0).unwrap();
            assert_eq!(room.watch(0), None, "no further place");
            assert_eq!(room.prepare_watched(late, false), 0, "what was encoded before it came is not for it");
            room.step();
            room.encode_snapshot();
            watch(&mut room, late, &mut ReceivedState::default());
            room.unwatch(late);
            watch(&mut room, first, &mut state);
        }
    }
    assert_eq!((room.players(), room.watchers()), (1, 1));
    room.unwatch(first);
    assert_eq!((room.prepare_watched(first, false), room.watchers()), (0, 0));
}
