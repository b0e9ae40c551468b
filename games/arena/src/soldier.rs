//! The players' bodies: what the rules know of each, by seat.

use glam::Vec3;
use tickring_room::{EntityId, PlayerId};

use crate::OwnState;
use crate::entity::ArenaEntity;
use crate::rules::{Body, Yaw};
use crate::weapons::{RIFLE_ROUNDS_MAX, RIFLE_ROUNDS_START, ROCKETS_MAX, ROCKETS_START};

/// Full health.
pub const HEALTH_MAX: u8 = 100;

/// One player's soldier.
#[derive(Clone, Debug)]
pub(crate) struct Soldier {
    pub(crate) entity: EntityId,
    pub(crate) yaw: Yaw,
    pub(crate) shots: u8,
    pub(crate) kills: u16,
    pub(crate) deaths: u16,
    /// What the player is told with every snapshot.
    pub(crate) own: OwnState,
}

impl Soldier {
    /// A soldier that is not on the field yet and comes at the next tick.
    pub(crate) fn waiting(entity: EntityId) -> Self {
        let own = OwnState { respawn_wait_ticks: 1, ..OwnState::default() };
        Self { entity, yaw: Yaw::default(), shots: 0, kills: 0, deaths: 0, own }
    }

    pub(crate) fn alive(&self) -> bool {
        self.own.alive()
    }

    /// Puts the soldier on the field with full health and the first ammunition.
    pub(crate) fn appear(&mut self, position: Vec3) {
        self.own = OwnState {
            body: Body { position, velocity: Vec3::ZERO },
            health: HEALTH_MAX,
            rounds: RIFLE_ROUNDS_START,
            rockets: ROCKETS_START,
            epoch: self.own.epoch.wrapping_add(1),
            ..OwnState::default()
        };
    }

    /// Takes the soldier off the field for so many ticks.
    pub(crate) fn die(&mut self, respawn_wait_ticks: u16) {
        self.deaths = self.deaths.saturating_add(1);
        self.own.health = 0;
        self.own.respawn_wait_ticks = respawn_wait_ticks;
        self.own.body.velocity = Vec3::ZERO;
        self.own.epoch = self.own.epoch.wrapping_add(1);
    }

    /// Lets one tick pass for the weapons.
    pub(crate) fn cool_down(&mut self) {
        self.own.rifle_wait_ticks = self.own.rifle_wait_ticks.saturating_sub(1);
        self.own.rocket_wait_ticks = self.own.rocket_wait_ticks.saturating_sub(1);
    }

    /// Fires the rifle if it can: it is alive, loaded and not waiting.
    pub(crate) fn pull_trigger(&mut self, wait_ticks: u8) -> bool {
        let fires = self.alive() && self.own.rifle_wait_ticks == 0 && self.own.rounds > 0;
        if fires {
            self.own.rifle_wait_ticks = wait_ticks;
            self.own.rounds -= 1;
            self.shots = self.shots.wrapping_add(1);
        }
        fires
    }

    /// Launches a rocket if it can.
    pub(crate) fn launch_rocket(&mut self, wait_ticks: u8) -> bool {
        let launches = self.alive() && self.own.rocket_wait_ticks == 0 && self.own.rockets > 0;
        if launches {
            self.own.rocket_wait_ticks = wait_ticks;
            self.own.rockets -= 1;
            self.shots = self.shots.wrapping_add(1);
        }
        launches
    }

    pub(crate) fn is_hurt(&self) -> bool {
        self.own.health < HEALTH_MAX
    }

    pub(crate) fn has_room_for_ammo(&self) -> bool {
        self.own.rounds < RIFLE_ROUNDS_MAX || self.own.rockets < ROCKETS_MAX
    }

    /// Adds health up to the full.
    pub(crate) fn heal(&mut self, health: u8) {
        self.own.health = self.own.health.saturating_add(health).min(HEALTH_MAX);
    }

    /// Adds ammunition up to the most a soldier carries.
    pub(crate) fn reload(&mut self, rounds: u8, rockets: u8) {
        self.own.rounds = self.own.rounds.saturating_add(rounds).min(RIFLE_ROUNDS_MAX);
        self.own.rockets = self.own.rockets.saturating_add(rockets).min(ROCKETS_MAX);
    }

    /// Brings the entity everybody sees up to date.
    pub(crate) fn show(&self, entity: &mut ArenaEntity) {
        entity.position = self.own.body.position;
        entity.yaw = self.yaw;
        entity.health = self.own.health;
        entity.epoch = self.own.epoch;
        entity.shots = self.shots;
        entity.kills = self.kills;
        entity.deaths = self.deaths;
    }
}

/// All soldiers; a player's slot is its seat number, and everything goes by rising slot.
#[derive(Debug)]
pub(crate) struct Soldiers {
    slots: Vec<Option<Soldier>>,
    /// Slot by entity id; meaningful for the entities of soldiers only.
    slot_of_entity: Vec<u16>,
}

impl Soldiers {
    pub(crate) fn new(players_max: u16) -> Self {
        Self { slots: vec![None; usize::from(players_max)], slot_of_entity: Vec::new() }
    }

    pub(crate) fn join(&mut self, player: PlayerId, entity: EntityId) {
        let at = usize::from(entity.0);
        if at >= self.slot_of_entity.len() {
            self.slot_of_entity.resize(at + 1, 0);
        }
        self.slot_of_entity[at] = player.0;
        self.slots[usize::from(player.0)] = Some(Soldier::waiting(entity));
    }

    pub(crate) fn leave(&mut self, player: PlayerId) {
        self.slots[usize::from(player.0)] = None;
    }

    pub(crate) fn get(&self, slot: u16) -> Option<&Soldier> {
        self.slots.get(usize::from(slot))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u16) -> Option<&mut Soldier> {
        self.slots.get_mut(usize::from(slot))?.as_mut()
    }

    /// The slot whose soldier is this entity, if it still plays.
    pub(crate) fn slot_of(&self, entity: EntityId) -> Option<u16> {
        let slot = *self.slot_of_entity.get(usize::from(entity.0))?;
        self.get(slot).filter(|soldier| soldier.entity == entity)?;
        Some(slot)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &Soldier)> {
        (0..).zip(&self.slots).filter_map(|(slot, soldier)| Some((slot, soldier.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u16, &mut Soldier)> {
        (0..).zip(&mut self.slots).filter_map(|(slot, soldier)| Some((slot, soldier.as_mut()?)))
    }
}
