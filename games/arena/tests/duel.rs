//! Two players whose every input the test chooses: what the weapons do and do not do.

use std::sync::Arc;

use glam::Vec3;
use tickring_arena::map::{Map, PickUpKind, PickUpPlace, Wall};
use tickring_arena::rules::{EYE_HEIGHT, aim_at};
use tickring_arena::{
    Arena, ArenaEvent, ArenaInput, BUTTON_RIFLE, BUTTON_ROCKET, HEALTH_MAX, OwnState, Settings, Weapon,
};
use tickring_protocol::message::{ClientMessage, InputHead, ServerMessage};
use tickring_room::{Game as _, GameEvent as _, Input as _, PlayerId, Room, RoomConfig, Seat, To};

/// Where the two appear, in either order.
const ENDS: [Vec3; 2] = [Vec3::new(-8.0, 0.0, 0.0), Vec3::new(8.0, 0.0, 0.0)];

struct Duel {
    room: Room<Arena>,
    seats: [Seat; 2],
    sequence: u32,
    events: Vec<(To, ArenaEvent)>,
}

impl Duel {
    fn new(walls: Vec<Wall>, pick_ups: Vec<PickUpPlace>) -> Self {
        let map = Arc::new(Map::new(40.0, walls, ENDS.to_vec(), pick_ups));
        let settings = Settings { map: Some(map), ..Settings::default() };
        let mut room = Room::new(RoomConfig { players_max: 2, ..RoomConfig::default() }, settings);
        let seats = [(); 2].map(|()| room.join(0).expect("there are two seats"));
        let mut duel = Self { room, seats, sequence: 0, events: Vec::new() };
        // Time to appear, and for the history to hold what the views look back to.
        for _ in 0..10 {
            duel.tick([ArenaInput::default(); 2]);
        }
        assert!((duel.own(0).body.position - duel.own(1).body.position).length() > 15.0, "at either end");
        duel.events.clear();
        duel
    }

    fn own(&self, number: usize) -> OwnState {
        self.room.game().private(self.seats[number].player, self.room.world())
    }

    fn tick(&mut self, inputs: [ArenaInput; 2]) {
        self.sequence += 1;
        let now = self.room.tick();
        for (seat, input) in self.seats.iter().zip(inputs) {
            let head = InputHead {
                sequence: self.sequence,
                target_tick: now.0 + 1,
                view_tick: now.0.saturating_sub(4),
                view_fraction: 0,
                newest_snapshot_tick: now.0,
            };
            let mut message = Vec::new();
            head.write(&mut message);
            input.write(&mut message);
            let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(&message) else {
                panic!("an input is an input")
            };
            self.room.input(seat.player, head, game).expect("the input is in time");
        }
        self.room.step();
        for (to, message) in self.room.events() {
            let Ok(ServerMessage::Event { head, game }) = ServerMessage::decode(message) else {
                panic!("an event is an event")
            };
            self.events.push((to, ArenaEvent::read(head.kind, game).expect("the arena wrote it")));
        }
    }

    /// The first player's input that aims at a point of the field and holds buttons.
    fn aim(&self, at: Vec3, buttons: u8) -> ArenaInput {
        let (yaw, pitch) = aim_at(self.own(0).body.position + Vec3::Y * EYE_HEIGHT, at);
        ArenaInput { buttons, yaw, pitch, shot_number: 42, ..ArenaInput::default() }
    }

    /// The first player holds buttons and aims at the other's chest; the other stands still.
    fn shoot(&mut self, buttons: u8, ticks: u32) {
        for _ in 0..ticks {
            let chest = self.own(1).body.position + Vec3::Y;
            self.tick([self.aim(chest, buttons), ArenaInput::default()]);
        }
    }

    fn count(&self, wanted: impl Fn(&To, &ArenaEvent) -> bool) -> usize {
        self.events.iter().filter(|(to, event)| wanted(to, event)).count()
    }

    fn shots(&self) -> usize {
        self.count(|_, event| matches!(event, ArenaEvent::Shot(_)))
    }
}

/// A wall across the middle.
fn middle_wall(height: f32) -> Vec<Wall> {
    vec![Wall::new(-0.5, -5.0, 0.5, 5.0, height)]
}

#[test]
fn a_rifle_shot_at_a_still_target_hits_and_is_audited() {
    let mut duel = Duel::new(Vec::new(), Vec::new());
    duel.shoot(BUTTON_RIFLE, 1);
    assert_eq!(duel.own(1).health, HEALTH_MAX - Settings::default().rifle_damage);
    let (to, shot) = duel
        .events
        .iter()
        .find_map(|(to, event)| if let ArenaEvent::Shot(shot) = event { Some((*to, *shot)) } else { None })
        .expect("the shooter is told");
    assert_eq!(to, To::Player(duel.seats[0].player));
    assert_eq!((shot.number, shot.target, shot.clamped), (42, Some(duel.seats[1].entity), false));
    assert_eq!(shot.rewind_256ths, 4 * 256, "judged where the shooter saw it");
    assert!((1_500..1_600).contains(&shot.distance_cm), "{shot:?}");
    let told = duel.count(|_, event| matches!(event, ArenaEvent::Hit { weapon: Weapon::Rifle, .. }));
    assert_eq!(told, 2, "attacker and victim");
}

#[test]
fn a_shot_beside_the_target_misses() {
    let mut duel = Duel::new(Vec::new(), Vec::new());
    let beside = duel.own(1).body.position + Vec3::new(0.0, 1.0, 0.6);
    duel.tick([duel.aim(beside, BUTTON_RIFLE), ArenaInput::default()]);
    assert_eq!((duel.shots(), duel.own(1).health), (1, HEALTH_MAX));
}

#[test]
fn a_wall_stops_shots_and_a_low_cover_stops_low_ones_only() {
    let mut walled = Duel::new(middle_wall(2.5), Vec::new());
    walled.shoot(BUTTON_RIFLE, 30);
    assert!(walled.shots() > 2);
    assert_eq!(walled.own(1).health, HEALTH_MAX);

    let mut covered = Duel::new(middle_wall(1.1), Vec::new());
    let (head, feet) = (covered.own(1).body.position + Vec3::Y * 1.5, covered.own(1).body.position);
    covered.tick([covered.aim(feet, BUTTON_RIFLE), ArenaInput::default()]);
    assert_eq!(covered.own(1).health, HEALTH_MAX, "the feet are covered");
    for _ in 0..10 {
        covered.tick([covered.aim(head, BUTTON_RIFLE), ArenaInput::default()]);
    }
    assert!(covered.own(1).health < HEALTH_MAX, "the head is not");
}

#[test]
fn the_rifle_keeps_its_rate_and_runs_out() {
    let mut duel = Duel::new(middle_wall(2.5), Vec::new());
    duel.shoot(BUTTON_RIFLE, 80);
    assert_eq!(duel.shots(), 10, "one shot in 8 ticks, the first at once");
    duel.shoot(BUTTON_RIFLE, 600);
    assert_eq!((duel.shots(), duel.own(0).rounds), (40, 0));
}

#[test]
fn enough_hits_kill_and_the_dead_return() {
    let mut duel = Duel::new(Vec::new(), Vec::new());
    let epoch = duel.own(1).epoch;
    duel.shoot(BUTTON_RIFLE, 8 * 9);
    assert_eq!(duel.own(1).health, 0);
    assert!(duel.own(1).epoch > epoch && duel.own(1).respawn_wait_ticks > 0);
    let [shooter, victim] = duel.seats.map(|seat| seat.entity);
    let kill = ArenaEvent::Kill { attacker: shooter, victim, weapon: Weapon::Rifle };
    assert_eq!(duel.count(|to, event| *to == To::All && *event == kill), 1);
    let score = |duel: &Duel, entity| duel.room.world().get(entity).map(|seen| (seen.kills, seen.deaths));
    assert_eq!((score(&duel, shooter), score(&duel, victim)), (Some((1, 0)), Some((0, 1))));

    // The dead neither move nor shoot, and nobody can hit them.
    let (hits, place) =
        (duel.count(|_, event| matches!(event, ArenaEvent::Hit { .. })), duel.own(1).body.position);
    let runs_and_shoots = ArenaInput { ahead: 127, buttons: BUTTON_RIFLE, ..ArenaInput::default() };
    for _ in 0..30 {
        duel.tick([duel.aim(place + Vec3::Y, BUTTON_RIFLE), runs_and_shoots]);
    }
    assert_eq!(duel.count(|_, event| matches!(event, ArenaEvent::Hit { .. })), hits);
    assert_eq!((duel.own(1).body.position, duel.own(1).rounds), (place, 40));

    duel.shoot(0, 120);
    assert_eq!(duel.own(1).health, HEALTH_MAX);
}

#[test]
fn a_rocket_takes_its_time_hits_and_pushes() {
    let mut duel = Duel::new(Vec::new(), Vec::new());
    duel.shoot(BUTTON_ROCKET, 1);
    duel.shoot(0, 40);
    assert_eq!(duel.own(1).health, HEALTH_MAX, "16 m at 18 m/s are not flown in 41 ticks");
    duel.shoot(0, 20);
    assert_eq!(duel.own(1).health, HEALTH_MAX - Settings::default().rocket_damage);
    let place = duel.own(1).body.position;
    assert!(ENDS.iter().all(|end| end.distance(place) > 0.1), "pushed away from {place}");
    assert_eq!(duel.own(0).rockets, 3);
    duel.shoot(0, 10);
    assert_eq!(duel.room.world().len(), 2, "the rocket is gone");
}

#[test]
fn splash_reaches_round_no_wall_but_the_one_who_is_careless() {
    // Both duels have the same seed, so the first tells where the second's shooter will stand.
    let side = Duel::new(Vec::new(), Vec::new()).own(0).body.position.x.signum();
    let mut duel = Duel::new(vec![Wall::new(side * 6.5 - 0.5, -5.0, side * 6.5 + 0.5, 5.0, 2.5)], Vec::new());
    // At the wall in front of the own nose.
    duel.shoot(BUTTON_ROCKET, 1);
    duel.shoot(0, 90);
    assert!(duel.own(0).health < HEALTH_MAX, "{:?}", duel.own(0));
    assert_eq!(duel.own(1).health, HEALTH_MAX);

    // The same with the other one right behind a wall that the rocket meets.
    let mut duel =
        Duel::new(vec![Wall::new(-side * 7.0 - 0.3, -5.0, -side * 7.0 + 0.3, 5.0, 2.5)], Vec::new());
    duel.shoot(BUTTON_ROCKET, 1);
    duel.shoot(0, 90);
    assert_eq!((duel.own(0).health, duel.own(1).health), (HEALTH_MAX, HEALTH_MAX));
}

#[test]
fn a_pick_up_heals_whom_it_is_of_use_to_and_comes_back() {
    let places = ENDS.map(|position| PickUpPlace { position, kind: PickUpKind::Health });
    let mut duel = Duel::new(Vec::new(), places.to_vec());
    assert_eq!(duel.count(|_, event| matches!(event, ArenaEvent::PickedUp { .. })), 0, "nobody is hurt");
    let health = |duel: &Duel| duel.own(1).health;
    duel.shoot(BUTTON_RIFLE, 1);
    assert_eq!(health(&duel), HEALTH_MAX, "healed in the same tick, standing on it");
    let picked = |to: &To, event: &ArenaEvent| {
        *to == To::Player(PlayerId(1))
            && matches!(event, ArenaEvent::PickedUp { kind: PickUpKind::Health, .. })
    };
    assert_eq!(duel.count(picked), 1);
    duel.shoot(BUTTON_RIFLE, 9);
    assert!(health(&duel) < HEALTH_MAX, "it is gone for now");
    duel.shoot(0, 8 * 60);
    assert_eq!(health(&duel), HEALTH_MAX, "and back");
    assert_eq!(duel.count(picked), 2);
}

#[test]
fn a_player_who_leaves_is_gone_and_its_rockets_hurt_on_behalf_of_nobody() {
    let mut duel = Duel::new(Vec::new(), Vec::new());
    duel.shoot(BUTTON_ROCKET, 1);
    duel.room.leave(duel.seats[0].player);
    for _ in 0..70 {
        duel.room.step();
    }
    assert_eq!(duel.own(1).health, HEALTH_MAX - Settings::default().rocket_damage);
    assert!(duel.room.world().get(duel.seats[0].entity).is_none());
    let again = duel.room.join(0).expect("the seat is free again");
    assert_eq!(again.player, duel.seats[0].player);
}
