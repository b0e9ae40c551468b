//! What an overloaded server leaves out: far cells come less often and budgets are smaller, the world is the same.

use crate::dots::{self, Dots, Sight, Steer, give};
use proptest::prelude::*;
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, InputHead, ServerMessage, TIME_DILATION_NONE};
use tickring_room::{EntityId, PlayerId, ReceivedState, Relief, Room, RoomConfig, Vec3};

const SIGHT: Sight = Sight { cell: 8.0, radius: 40.0 };
/// Players, so far apart that one in the middle sees some near and some far.
const PLAYERS: u16 = 60;
/// That one, and the one in the next seat looks on too.
const WATCHED: u16 = 30;

/// A room, and what two of its players have received.
struct Scene {
    room: Room<Dots>,
    players: Vec<PlayerId>,
    /// Where everybody began.
    homes: Vec<Vec3>,
    received: [ReceivedState<Dots>; 2],
    sequence: u32,
    /// Of the last snapshot to [`WATCHED`].
    body_bytes: usize,
    time_dilation: u8,
}

impl Scene {
    fn new(bytes_per_s: u32) -> Self {
        let config = RoomConfig { snapshot_bytes_per_s: bytes_per_s, ..RoomConfig::with_rates(60, 60) };
        let settings = dots::Settings { hold_seconds: 0, sight: Some(SIGHT) };
        let mut room = Room::<Dots>::new(config, settings);
        let players =
            (0..PLAYERS).map(|_| room.join(FEATURE_STATE_CHECKSUM).expect("a seat").player).collect();
        let homes = room.world().iter().map(|(_, dot)| dot.position).collect();
        let received = [ReceivedState::default(), ReceivedState::default()];
        Self { room, players, homes, received, sequence: 0, body_bytes: 0, time_dilation: 0 }
    }

    /// A tick in which everybody moves, and its snapshot for the two.
    fn tick(&mut self) {
        self.sequence += 1;
        let next = self.room.tick().0 + 1;
        for &player in &self.players {
            let (sequence, target_tick) = (self.sequence, next);
            let head = InputHead {
                sequence,
                target_tick,
                view_tick: next,
                view_fraction: 0,
                newest_snapshot_tick: 0,
            };
            // To and fro, so that they stay where they are.
            let dx = if (next / 8).is_multiple_of(2) { 4 } else { -4 };
            give(&mut self.room, player, head, Steer { dx, dz: dx, buttons: 0 }).expect("in time");
        }
        self.room.step();
        self.room.encode_snapshot();
        for (player, received) in self.players[WATCHED.into()..].iter().zip(&mut self.received) {
            let bytes = self.room.prepare_snapshot(*player, false);
            let mut message = Vec::new();
            self.room.write_snapshot(*player, 0, &mut message);
            assert_eq!(message.len(), bytes);
            let Ok(ServerMessage::Snapshot { head, body, .. }) = ServerMessage::decode(&message) else {
                panic!("a snapshot decodes")
            };
            received.decode(self.room.tick(), body).expect("an honest body");
            let checksum = head.checksum.to_native();
            assert!(checksum == 0 || checksum == received.checksum(&mut Vec::new()));
            if player.0 == WATCHED {
                (self.body_bytes, self.time_dilation) = (body.len(), head.time_dilation);
            }
        }
    }

    fn position(&self, player: u16) -> Vec3 {
        let entity = self.room.world().entity_of(PlayerId(player)).expect("a dot");
        self.room.world().get(entity).expect("a dot").position
    }

    /// In the cell of [`WATCHED`] or next to it. Nobody goes so far that the cell changes.
    fn is_near(&self, player: u16) -> bool {
        let [own, other] =
            [WATCHED, player].map(|player| (self.homes[usize::from(player)] / SIGHT.cell).floor());
        (own - other).abs().max_element() <= 1.0
    }

    /// Dots that [`WATCHED`] sees otherwise than they are: all, and those near.
    fn outdated(&self) -> (usize, usize) {
        let is_outdated = |player: &u16| {
            let entity = self.room.world().entity_of(PlayerId(*player)).expect("a dot");
            let seen = self.received[0].get(entity);
            seen.is_some_and(|seen| seen.position.distance(self.position(*player)) > 0.02)
        };
        let outdated: Vec<u16> = (0..PLAYERS).filter(is_outdated).collect();
        let near = outdated.iter().filter(|player| self.is_near(**player));
        (outdated.len(), near.count())
    }
}

fn far_every(far_every: u8) -> Relief {
    Relief { far_every, ..Relief::NONE }
}

#[test]
fn what_is_far_comes_every_so_many_snapshots_and_what_is_near_with_each() {
    for every in [2, 4] {
        let mut scene = Scene::new(10_000_000);
        (0..10).for_each(|_| scene.tick());
        assert_eq!((scene.outdated(), scene.room.counters().snapshots_thinned), ((0, 0), 0));
        let full_bytes = scene.body_bytes;
        scene.room.relieve(far_every(every));
        scene.tick();
        let mut sum_bytes = 0;
        let mut last = vec![0; usize::from(PLAYERS)];
        for tick in 1..=120_u32 {
            scene.tick();
            sum_bytes += scene.body_bytes;
            let (all, near) = scene.outdated();
            assert_eq!(near, 0, "who is near is as it is");
            assert!(all > 0, "tick {tick}: something waits");
            for player in 0..PLAYERS {
                let entity = EntityId(player);
                let (Some(seen), actual) = (scene.received[0].get(entity), scene.position(player)) else {
                    continue;
                };
                if seen.position.distance(actual) < 0.02 {
                    last[usize::from(player)] = tick;
                }
                let waited = tick - last[usize::from(player)];
                assert!(waited < u32::from(every), "{player} waited for {waited} snapshots");
            }
        }
        assert!(sum_bytes < full_bytes * 120 * 9 / 10, "{sum_bytes} of {}", full_bytes * 120);
        let thinned = scene.room.counters().snapshots_thinned;
        assert!((200..=242).contains(&thinned), "{thinned} of 242 snapshots");
        scene.room.relieve(Relief::NONE);
        scene.tick();
        assert_eq!(scene.outdated(), (0, 0), "all is caught up with at once");
    }
}

/// All who see a cell from afar wait for the same block of it.
#[test]
fn who_waits_for_the_same_cell_shares_its_block() {
    let mut scene = Scene::new(10_000_000);
    (0..10).for_each(|_| scene.tick());
    let blocks = |scene: &mut Scene| {
        let before = scene.room.counters().blocks_encoded;
        (0..40).for_each(|_| scene.tick());
        scene.room.counters().blocks_encoded - before
    };
    let full = blocks(&mut scene);
    scene.room.relieve(far_every(4));
    blocks(&mut scene);
    let thinned = blocks(&mut scene);
    assert!(thinned * 10 < full * 9, "{thinned} blocks instead of {full}");
}

#[test]
fn a_smaller_budget_is_kept() {
    let mut scene = Scene::new(24_000);
    (0..60).for_each(|_| scene.tick());
    for divisor in [1, 2, 4] {
        scene.room.relieve(Relief { budget_divisor: divisor, ..Relief::NONE });
        let bytes_max = 400 / usize::from(divisor);
        for _ in 0..30 {
            scene.tick();
            // The own cell is sent in any case.
            assert!(scene.body_bytes <= bytes_max.max(60), "{} B of {bytes_max}", scene.body_bytes);
        }
    }
}

#[test]
fn snapshots_say_how_fast_time_passes() {
    let mut scene = Scene::new(32_000);
    scene.tick();
    assert_eq!(scene.time_dilation, TIME_DILATION_NONE);
    scene.room.relieve(Relief { time_dilation: 153, ..Relief::NONE });
    scene.tick();
    assert_eq!(scene.time_dilation, 153);
}

#[test]
fn a_field_that_is_one_cell_is_not_thinned() {
    let mut room = Room::<Dots>::new(RoomConfig::with_rates(60, 60), dots::Settings::default());
    let player = room.join(0).expect("a seat").player;
    room.relieve(far_every(4));
    for tick in 1..20 {
        room.step();
        room.encode_snapshot();
        room.prepare_snapshot(player, false);
        assert_eq!(room.counters().blocks_encoded, tick);
    }
    assert_eq!(room.counters().snapshots_thinned, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is left out, and whenever that changes: the world goes its way, and who is relieved no more has all.
    #[test]
    fn relief_changes_nothing_but_what_is_told(
        tight: bool,
        changes in prop::collection::vec((1u32..20, 1u8..=4, 1u8..=4, 128u8..=255), 1..8),
    ) {
        let bytes_per_s = if tight { 24_000 } else { 10_000_000 };
        let (mut scene, mut other) = (Scene::new(bytes_per_s), Scene::new(bytes_per_s));
        for (ticks, far_every, budget_divisor, time_dilation) in changes {
            scene.room.relieve(Relief { far_every, budget_divisor, time_dilation });
            for _ in 0..ticks {
                scene.tick();
                other.tick();
            }
            prop_assert!(scene.room.world().iter().eq(other.room.world().iter()));
        }
        scene.room.relieve(Relief::NONE);
        scene.tick();
        prop_assert!(tight || scene.outdated() == (0, 0));
    }
}
