//! Rockets: slow projectiles that fly, meet walls and bodies in the present, and explode.

use glam::Vec3;
use parry3d::math::Pose;
use parry3d::query::{Ray, RayCast as _};
use parry3d::shape::Capsule;
use tickring_room::{EntityId, Step};

use crate::combat::Damage;
use crate::crowd::Crowd;
use crate::entity::ArenaEntity;
use crate::event::Weapon;
use crate::game::Arena;
use crate::map::{BORDER_HEIGHT, Map};
use crate::rules::{BODY_HEIGHT, BODY_RADIUS, SPEED_MAX, Yaw};
use crate::settings::ticks_of;
use crate::soldier::Soldiers;
use crate::weapons::{ROCKET_RADIUS, ROCKET_SECONDS, ROCKET_SPEED, SPLASH_PUSH, SPLASH_RADIUS};

/// How far before what it met a rocket explodes, so that the explosion is not inside it.
const PULL_BACK: f32 = 0.05;

/// A rocket in flight.
#[derive(Clone, Copy, Debug)]
struct Rocket {
    entity: EntityId,
    attacker: EntityId,
    position: Vec3,
    /// Unit vector.
    direction: Vec3,
    ticks_left: u32,
}

/// An explosion: where, and whom the rocket met.
#[derive(Clone, Copy, Debug)]
struct Explosion {
    attacker: EntityId,
    at: Vec3,
    met: Option<u16>,
}

/// All rockets in flight, oldest first.
#[derive(Debug)]
pub(crate) struct Rockets {
    flying: Vec<Rocket>,
    exploding: Vec<Explosion>,
    lifetime_ticks: u32,
}

impl Rockets {
    pub(crate) fn new(tick_hz: u16) -> Self {
        Self { flying: Vec::new(), exploding: Vec::new(), lifetime_ticks: ticks_of(ROCKET_SECONDS, tick_hz) }
    }

    pub(crate) fn launch(
        &mut self,
        attacker: EntityId,
        origin: Vec3,
        direction: Vec3,
        tick: &mut Step<'_, Arena>,
    ) {
        let entity = tick.world_mut().spawn(ArenaEntity::rocket(origin, Yaw::along(direction)));
        let ticks_left = self.lifetime_ticks;
        self.flying.push(Rocket { entity, attacker, position: origin, direction, ticks_left });
    }

    /// Moves every rocket by one tick and collects the explosions.
    fn fly(&mut self, map: &Map, crowd: &Crowd, soldiers: &Soldiers, tick: &mut Step<'_, Arena>) {
        let (distance, exploding) = (ROCKET_SPEED * tick.dt(), &mut self.exploding);
        self.flying.retain_mut(|rocket| {
            let wall = map.cast(rocket.position, rocket.direction, distance);
            let body = first_body(rocket, wall.unwrap_or(distance), crowd, soldiers);
            let stopped = body.map(|(_, distance)| distance).or(wall);
            rocket.position += rocket.direction * stopped.map_or(distance, |at| at - PULL_BACK);
            rocket.ticks_left -= 1;
            if stopped.is_some() {
                let met = body.map(|(slot, _)| slot);
                exploding.push(Explosion { attacker: rocket.attacker, at: rocket.position, met });
            }
            if stopped.is_some() || rocket.ticks_left == 0 || rocket.position.y > BORDER_HEIGHT {
                tick.world_mut().despawn(rocket.entity);
                return false;
            }
            if let Some(shown) = tick.world_mut().get_mut(rocket.entity) {
                shown.position = rocket.position;
            }
            true
        });
    }
}

impl Arena {
    /// Flies the rockets and lets those that met something explode.
    pub(crate) fn fly_rockets(&mut self, tick: &mut Step<'_, Self>) {
        self.rockets.fly(&self.map, &self.crowd, &self.soldiers, tick);
        let mut exploding = core::mem::take(&mut self.rockets.exploding);
        for explosion in exploding.drain(..) {
            self.explode(&explosion, tick);
        }
        self.rockets.exploding = exploding;
    }

    /// Full damage to whom the rocket met; to others near and in sight less with distance, and a push.
    fn explode(&mut self, explosion: &Explosion, tick: &mut Step<'_, Self>) {
        let Explosion { attacker, at, met } = *explosion;
        let mut near = core::mem::take(&mut self.near);
        near.clear();
        self.crowd.for_each_within(at, SPLASH_RADIUS, |slot, position| near.push((slot, centre(position))));
        near.sort_unstable_by_key(|(slot, _)| *slot);
        for &(victim, centre) in &near {
            let distance = at.distance(centre);
            let direct = met == Some(victim);
            if !direct && (distance > SPLASH_RADIUS || !self.map.clear_between(at, centre)) {
                continue;
            }
            let closeness = (1.0 - distance / SPLASH_RADIUS).clamp(0.0, 1.0);
            if let Some(soldier) = self.soldiers.get_mut(victim) {
                let push = (centre - at).with_y(0.0).normalize_or_zero() * (SPLASH_PUSH * closeness);
                soldier.own.body.velocity = (soldier.own.body.velocity + push).clamp_length_max(SPEED_MAX);
            }
            let full = self.settings.rocket_damage;
            let amount = if direct { full } else { splash_damage(full, closeness) };
            if amount > 0 {
                self.hurt(Damage { attacker, victim, weapon: Weapon::Rocket, amount }, tick);
            }
        }
        self.near = near;
    }
}

/// The first body on a rocket's way within `distance`: a ray against the body thickened by the rocket is the
/// same as the rocket's ball against the body. A rocket does not meet who launched it.
fn first_body(rocket: &Rocket, distance: f32, crowd: &Crowd, soldiers: &Soldiers) -> Option<(u16, f32)> {
    let body = Capsule::new_y(BODY_HEIGHT * 0.5 - BODY_RADIUS, BODY_RADIUS + ROCKET_RADIUS);
    let ray = Ray::new(rocket.position, rocket.direction);
    let mut first: Option<(u16, f32)> = None;
    crowd.for_each_within(rocket.position, distance + BODY_RADIUS + ROCKET_RADIUS, |slot, position| {
        if soldiers.get(slot).is_none_or(|soldier| !soldier.alive() || soldier.entity == rocket.attacker) {
            return;
        }
        let limit = first.map_or(distance, |(_, distance)| distance);
        let frame = Pose::from_translation(centre(position));
        if let Some(at) = body.cast_ray(&frame, &ray, limit, true)
            && first.is_none_or(|(known, distance)| (at, slot) < (distance, known))
        {
            first = Some((slot, at));
        }
    });
    first
}

fn centre(position: Vec3) -> Vec3 {
    position + Vec3::Y * (BODY_HEIGHT * 0.5)
}

/// Half the direct damage next to the explosion, none at its edge.
fn splash_damage(full: u8, closeness: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and half of a u8")]
    let damage = (f32::from(full) * 0.5 * closeness).round() as u8;
    damage
}
