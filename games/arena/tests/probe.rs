//! The probe's bots in a room without a network: what the marksman aims at is hit when the judge looks at the
//! same moment, and never when the runner has run on for a tenth of a second since.

use std::collections::VecDeque;

use tickring_arena::bot::View;
use tickring_arena::map::Map;
use tickring_arena::probe::{Lane, Marksman, Runner, Shot};
use tickring_arena::{Arena, ArenaEvent, ArenaInput, OwnState, Settings};
use tickring_protocol::message::{ClientMessage, InputHead, ServerMessage};
use tickring_room::{
    EntityId, GameEvent as _, Input as _, PlayerId, Pose, PrivateState as _, Replicated as _, Room,
    RoomConfig, Sequence, Tick,
};

/// Everybody's pose after each of the last ticks, oldest first.
type Past = VecDeque<Vec<(EntityId, Pose)>>;

/// A room with the two in it, judged in the present.
struct Range {
    room: Room<Arena>,
    map: Map,
    lane: Lane,
    own: [OwnState; 2],
    past: Past,
    shots: Vec<Shot>,
    hits: usize,
    /// How far the runner came from the lane while it was in the window, and its speed there.
    slowest: f32,
}

impl Range {
    fn new(seed: u64) -> Self {
        let config = RoomConfig { players_max: 8, seed, lag_compensation: false, ..RoomConfig::default() };
        let map = Map::generate(seed, config.players_max);
        let lane = Lane::find(&map).expect("this map has a lane");
        let settings = Settings { rifle_damage: 0, ..Settings::default() };
        let (room, own) = (Room::new(config, settings), [OwnState::default(); 2]);
        Self { room, map, lane, own, past: Past::new(), shots: Vec::new(), hits: 0, slowest: f32::MAX }
    }

    /// Plays for `ticks`; the marksman sees the field as it was `late` ticks before the last.
    fn play(mut self, ticks: u32, late: usize) -> Self {
        let seats = [0, 1].map(|_| self.room.join(0).expect("there are seats"));
        let tick_hz = RoomConfig::default().tick_hz;
        let mut marksman = Marksman::new(seats[0].entity, self.lane, tick_hz);
        let mut runner = Runner::new(self.lane, tick_hz);
        for tick in (1..=ticks).map(Tick) {
            let entities: Vec<_> = self.room.world().iter().map(|(id, entity)| (id, *entity)).collect();
            let seen = |id: EntityId| {
                let then = self.past.get(self.past.len().checked_sub(1 + late)?)?;
                then.iter().find(|(other, _)| *other == id).map(|(_, pose)| *pose)
            };
            let number = Sequence(tick.0);
            let view = |own| View {
                map: &self.map,
                tick,
                own,
                own_tick: self.room.tick(),
                last_input: Sequence(tick.0 - 1),
                entities: &entities,
                seen: &seen,
            };
            let picture = marksman.target(&view(&self.own[0])).and_then(|id| Some((id, seen(id)?)));
            let (aim, shot) = marksman.decide(&view(&self.own[0]), picture);
            let run = runner.decide(&view(&self.own[1]));
            marksman.sent(number, tick, &aim);
            runner.sent(number, tick, &run);
            if shot.is_some() {
                self.slowest = self.slowest.min(self.own[1].body.velocity.length());
            }
            self.shots.extend(shot);
            self.step(seats.map(|seat| seat.player), [aim, run]);
        }
        self
    }

    fn step(&mut self, players: [PlayerId; 2], inputs: [ArenaInput; 2]) {
        let tick = self.room.tick() + 1;
        for (player, input) in players.into_iter().zip(inputs) {
            let mut message = Vec::new();
            InputHead {
                sequence: tick.0,
                target_tick: tick.0,
                view_tick: tick.0 - 1,
                view_fraction: 0,
                newest_snapshot_tick: tick.0 - 1,
            }
            .write(&mut message);
            input.write(&mut message);
            let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(&message) else {
                panic!("an input was written")
            };
            self.room.input(player, head, game).expect("it comes in time");
        }
        self.room.step();
        self.past.push_back(self.room.world().iter().map(|(id, entity)| (id, entity.pose())).collect());
        self.room.encode_snapshot();
        for (own, player) in self.own.iter_mut().zip(players) {
            let mut bytes = Vec::new();
            self.room.prepare_snapshot(player, false);
            self.room.write_snapshot(player, 0, &mut bytes);
            let Ok(ServerMessage::Snapshot { private, .. }) = ServerMessage::decode(&bytes) else {
                panic!("a snapshot was written")
            };
            *own = OwnState::read(private).expect("the arena wrote it");
        }
        for (_, message) in self.room.events() {
            let Ok(ServerMessage::Event { head, game }) = ServerMessage::decode(message) else {
                panic!("an event was written")
            };
            if let Ok(ArenaEvent::Shot(audit)) = ArenaEvent::read(head.kind, game) {
                self.hits += usize::from(audit.target.is_some());
            }
        }
    }
}

/// Fifteen seconds: some for the way to the lane, and for some passes.
const TICKS: u32 = 900;

#[test]
fn who_sees_the_present_hits_with_every_shot() {
    for seed in [1, 2, 3, 7] {
        let range = Range::new(seed).play(TICKS, 0);
        assert!(range.shots.len() >= 15, "seed {seed}: {} shots", range.shots.len());
        assert!(range.shots.iter().all(|shot| shot.aimed_true));
        assert_eq!(range.hits, range.shots.len(), "seed {seed}");
        assert!(range.slowest > 6.9, "seed {seed}: the target crosses at full speed, not {}", range.slowest);
    }
}

#[test]
fn who_sees_the_past_misses_the_present_with_every_shot() {
    for seed in [1, 2, 3, 7] {
        for late in [6, 15, 25] {
            let range = Range::new(seed).play(TICKS, late);
            assert!(range.shots.len() >= 15, "seed {seed}, {late} ticks: {} shots", range.shots.len());
            assert!(range.shots.iter().all(|shot| shot.aimed_true));
            assert_eq!(range.hits, 0, "seed {seed}, {late} ticks");
        }
    }
}
