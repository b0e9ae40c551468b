//! The arena as a game on a room: its lifecycle and the order of a tick.

use std::sync::Arc;

use glam::Vec3;
use rand::RngExt as _;
use tickring_room::{EntityId, Game, Hold, Interest, PlayerId, Rng, Setup, Step, To, World, layout_hash};

use crate::crowd::Crowd;
use crate::entity::{self, ArenaEntity};
use crate::event::{self, ArenaEvent};
use crate::input::{self, ArenaInput};
use crate::interest;
use crate::map::Map;
use crate::own_state::{self, OwnState};
use crate::pick_ups::PickUps;
use crate::rockets::Rockets;
use crate::rules::{BODY_RADIUS, SPEED_MAX, advance, push_out};
use crate::settings::{Settings, ticks_of};
use crate::soldier::Soldiers;
use crate::weapons::{RIFLE_INTERVAL_SECONDS, ROCKET_INTERVAL_SECONDS};

/// A new soldier keeps this far from others, if the field has such a place.
const SPAWN_CLEARANCE: f32 = 7.0;
/// Spawn points looked at for one appearance.
const SPAWN_TRIES: usize = 8;
/// No body is pushed further by the crowd in one tick, so the walls can still hold it.
const CROWD_PUSH_MAX: f32 = BODY_RADIUS * 0.5;

/// A match: soldiers with a rifle and rockets on a walled field.
#[derive(Debug)]
pub struct Arena {
    pub(crate) map: Arc<Map>,
    pub(crate) settings: Settings,
    pub(crate) timing: Timing,
    pub(crate) players_max: u16,
    pub(crate) soldiers: Soldiers,
    pub(crate) rockets: Rockets,
    pub(crate) pick_ups: PickUps,
    /// Who stands where after this tick's movement.
    pub(crate) crowd: Crowd,
    /// What the crowd does to each body this tick, by slot.
    shoves: Vec<Shove>,
    /// Kept between ticks for their memory only.
    pub(crate) shooters: Vec<PlayerId>,
    pub(crate) near: Vec<(u16, Vec3)>,
}

/// The waits of the rules in ticks of this room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) rifle_ticks: u8,
    pub(crate) rocket_ticks: u8,
    pub(crate) respawn_ticks: u16,
    pub(crate) pick_up_ticks: u32,
}

/// The sum of the contacts of one body.
#[derive(Clone, Copy, Debug, Default)]
struct Shove {
    push: Vec3,
    velocity: Vec3,
}

impl Timing {
    fn new(settings: &Settings, tick_hz: u16) -> Self {
        let ticks = |seconds| ticks_of(seconds, tick_hz);
        Self {
            rifle_ticks: u8::try_from(ticks(RIFLE_INTERVAL_SECONDS)).unwrap_or(u8::MAX),
            rocket_ticks: u8::try_from(ticks(ROCKET_INTERVAL_SECONDS)).unwrap_or(u8::MAX),
            respawn_ticks: u16::try_from(ticks(settings.respawn_seconds)).unwrap_or(u16::MAX),
            pick_up_ticks: ticks(settings.pick_up_seconds),
        }
    }
}

impl Game for Arena {
    const NAME: &'static str = "arena";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LAYOUT: u64 = layout_hash(&[input::LAYOUT, entity::LAYOUT, own_state::LAYOUT, event::LAYOUT]);
    type Settings = Settings;
    type Input = ArenaInput;
    type Entity = ArenaEntity;
    type Private = OwnState;
    type Event = ArenaEvent;

    fn interest(setup: &Setup<Self>) -> Option<Interest> {
        let map = setup.settings.map.as_ref();
        interest::of_field(map.map_or_else(|| Map::generated_side(setup.players_max), |map| map.side()))
    }

    fn create(setup: &Setup<Self>) -> Self {
        let settings = setup.settings.clone();
        let map = settings.map.clone();
        let map = map.unwrap_or_else(|| Arc::new(Map::generate(setup.seed, setup.players_max)));
        Self {
            timing: Timing::new(&settings, setup.tick_hz),
            settings,
            players_max: setup.players_max,
            soldiers: Soldiers::new(setup.players_max),
            rockets: Rockets::new(setup.tick_hz),
            pick_ups: PickUps::new(),
            crowd: Crowd::new(map.side(), setup.players_max),
            shoves: vec![Shove::default(); usize::from(setup.players_max)],
            shooters: Vec::with_capacity(usize::from(setup.players_max)),
            near: Vec::new(),
            map,
        }
    }

    fn joined(&mut self, player: PlayerId, world: &mut World<Self>, _rng: &mut Rng) -> EntityId {
        // The soldier appears on the field with the next tick, which knows who stands where.
        let entity = world.spawn(ArenaEntity::soldier(self.map.spawns()[0]));
        self.soldiers.join(player, entity);
        entity
    }

    fn dropped(&mut self, _player: PlayerId, _world: &mut World<Self>) -> Hold {
        Hold { seconds: self.settings.hold_seconds }
    }

    fn left(&mut self, player: PlayerId, world: &mut World<Self>) {
        self.soldiers.leave(player);
        if let Some(entity) = world.entity_of(player) {
            world.despawn(entity);
        }
    }

    fn step(&mut self, tick: &mut Step<'_, Self>) {
        self.fire(tick);
        self.move_bodies(tick);
        self.push_apart();
        self.fly_rockets(tick);
        self.pick_up(tick);
        self.respawn(tick);
        for (_, soldier) in self.soldiers.iter() {
            if let Some(shown) = tick.world_mut().get_mut(soldier.entity) {
                soldier.show(shown);
            }
        }
    }

    fn private(&self, player: PlayerId, _world: &World<Self>) -> OwnState {
        self.soldiers.get(player.0).map(|soldier| soldier.own).unwrap_or_default()
    }
}

impl Arena {
    /// The field.
    #[must_use]
    pub fn map(&self) -> &Arc<Map> {
        &self.map
    }

    /// Moves every body by its player's input and notes who stands where.
    fn move_bodies(&mut self, tick: &Step<'_, Self>) {
        self.crowd.clear();
        for (slot, soldier) in self.soldiers.iter_mut() {
            if soldier.alive() {
                let motion = tick.input(PlayerId(slot)).motion();
                soldier.own.body = advance(soldier.own.body, &motion, tick.dt(), &self.map);
                self.crowd.insert(slot, soldier.own.body.position);
            }
        }
    }

    /// Parts bodies that overlap: each takes half of the way and loses the speed it had into the other, so they
    /// slide along each other. One round per tick; a dense crowd parts within a few ticks.
    fn push_apart(&mut self) {
        let (soldiers, shoves) = (&self.soldiers, &mut self.shoves);
        let velocity = |slot| soldiers.get(slot).map_or(Vec3::ZERO, |soldier| soldier.own.body.velocity);
        self.crowd.for_each_contact(|contact| {
            let half_way = contact.normal * (contact.depth * 0.5);
            let (first, second) = (usize::from(contact.first), usize::from(contact.second));
            shoves[first].push -= half_way;
            shoves[first].velocity -= contact.normal * velocity(contact.first).dot(contact.normal).max(0.0);
            shoves[second].push += half_way;
            shoves[second].velocity -= contact.normal * velocity(contact.second).dot(contact.normal).min(0.0);
        });
        for (slot, soldier) in self.soldiers.iter_mut() {
            let shove = core::mem::take(&mut self.shoves[usize::from(slot)]);
            if shove.push != Vec3::ZERO {
                let mut body = soldier.own.body;
                body.position += shove.push.clamp_length_max(CROWD_PUSH_MAX);
                body.velocity = (body.velocity + shove.velocity).clamp_length_max(SPEED_MAX);
                if let Some(free) = push_out(body, &self.map) {
                    soldier.own.body = free;
                }
            }
        }
    }

    /// Counts the dead down and puts those whose time has come back on the field.
    fn respawn(&mut self, tick: &mut Step<'_, Self>) {
        for (slot, soldier) in self.soldiers.iter_mut() {
            if soldier.alive() {
                continue;
            }
            soldier.own.respawn_wait_ticks = soldier.own.respawn_wait_ticks.saturating_sub(1);
            if soldier.own.respawn_wait_ticks > 0 {
                continue;
            }
            let position = spawn_point(&self.map, &self.crowd, tick.rng());
            soldier.appear(position);
            self.crowd.insert(slot, position);
            let event = ArenaEvent::Respawn {
                soldier: soldier.entity,
                x_cm: centimetres(position.x),
                z_cm: centimetres(position.z),
            };
            tick.emit(&event, To::Player(PlayerId(slot)));
        }
    }
}

/// A random spawn point with nobody near, or the last one tried.
fn spawn_point(map: &Map, crowd: &Crowd, rng: &mut Rng) -> Vec3 {
    let mut point = Vec3::ZERO;
    for _ in 0..SPAWN_TRIES {
        point = map.spawns()[rng.random_range(0..map.spawns().len())];
        let mut alone = true;
        crowd.for_each_within(point, SPAWN_CLEARANCE, |_, _| alone = false);
        if alone {
            break;
        }
    }
    point
}

fn centimetres(metres: f32) -> i16 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a field is at most 320 m wide, and a float cast saturates"
    )]
    let centimetres = (metres * 100.0).round() as i16;
    centimetres
}
