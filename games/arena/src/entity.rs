//! What everybody sees: soldiers, rockets and pick-ups, and how each field is quantised.

use glam::{Quat, Vec3};
use tickring_room::{Field, Malformed, Pose, Replicated, Shape};

use crate::map::PickUpKind;
use crate::rules::{BODY_HEIGHT, BODY_RADIUS, Yaw};

/// What an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntityKind {
    /// A player's body.
    Soldier,
    /// A rocket in flight.
    Rocket,
    /// Something to pick up.
    PickUp(PickUpKind),
}

/// One thing on the field as clients see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArenaEntity {
    /// What it is.
    pub kind: EntityKind,
    /// The ground under a soldier or pick-up; the middle of a rocket.
    pub position: Vec3,
    /// Where it looks or flies, in the plane.
    pub yaw: Yaw,
    /// A soldier's health, 0 while dead; a pick-up: 1 while it lies there, 0 while it is gone; a rocket: 1.
    pub health: u8,
    /// Changes when the entity jumps (a death, a respawn): nothing is interpolated across. 4 bits on the wire.
    pub epoch: u8,
    /// Counts the shots fired; a change is a muzzle flash, so tracers need no message each. 4 bits, wrapping.
    pub shots: u8,
    /// Enemies killed. 10 bits on the wire.
    pub kills: u16,
    /// Deaths. 10 bits on the wire.
    pub deaths: u16,
}

/// The field table in words, for the layout hash.
pub(crate) const LAYOUT: &str = "entity: kind 2 (soldier rocket health ammo), x s16 cm, y u8 2cm, z s16 cm, \
     yaw 12, health 7, epoch 4, shots 4, kills 10, deaths 10";

const KIND: Field = Field::integer("kind", 2);
const X: Field = Field::position("x", 16, 100.0);
const Y: Field = Field::amount("y", 8, 50.0);
const Z: Field = Field::position("z", 16, 100.0);
const YAW: Field = Field::angle("yaw", 12);
const HEALTH: Field = Field::integer("health", 7);
const EPOCH: Field = Field::integer("epoch", 4);
const SHOTS: Field = Field::integer("shots", 4);
const KILLS: Field = Field::integer("kills", 10);
const DEATHS: Field = Field::integer("deaths", 10);

const EPOCH_MASK: u8 = 0xf;

impl ArenaEntity {
    /// A soldier at `position`, looking along +z, with nothing on its score.
    #[must_use]
    pub fn soldier(position: Vec3) -> Self {
        Self {
            kind: EntityKind::Soldier,
            position,
            yaw: Yaw::default(),
            health: 0,
            epoch: 0,
            shots: 0,
            kills: 0,
            deaths: 0,
        }
    }

    /// A rocket at `position` on its way along `yaw`.
    #[must_use]
    pub fn rocket(position: Vec3, yaw: Yaw) -> Self {
        Self { kind: EntityKind::Rocket, yaw, health: 1, ..Self::soldier(position) }
    }

    /// A pick-up that lies at `position`.
    #[must_use]
    pub fn pick_up(kind: PickUpKind, position: Vec3) -> Self {
        Self { kind: EntityKind::PickUp(kind), health: 1, ..Self::soldier(position) }
    }

    /// Whether it is there to be seen, hit or taken.
    #[must_use]
    pub fn present(&self) -> bool {
        self.health > 0
    }

    /// Whether it is a player's body, on the field or not.
    #[must_use]
    pub fn is_soldier(&self) -> bool {
        self.kind == EntityKind::Soldier
    }

    /// Where to aim at it: the middle of its body.
    #[must_use]
    pub fn centre(&self) -> Vec3 {
        match self.kind {
            EntityKind::Soldier => self.position + Vec3::Y * (BODY_HEIGHT * 0.5),
            EntityKind::Rocket | EntityKind::PickUp(_) => self.position,
        }
    }
}

impl Replicated for ArenaEntity {
    const FIELDS: &'static [Field] = &[KIND, X, Y, Z, YAW, HEALTH, EPOCH, SHOTS, KILLS, DEATHS];

    fn quantise(&self, out: &mut [i32]) {
        let kind = match self.kind {
            EntityKind::Soldier => 0,
            EntityKind::Rocket => 1,
            EntityKind::PickUp(PickUpKind::Health) => 2,
            EntityKind::PickUp(PickUpKind::Ammo) => 3,
        };
        out.copy_from_slice(&[
            kind,
            X.quantise(self.position.x),
            Y.quantise(self.position.y),
            Z.quantise(self.position.z),
            YAW.quantise(self.yaw.radians()),
            self.health.into(),
            (self.epoch & EPOCH_MASK).into(),
            (self.shots & EPOCH_MASK).into(),
            i32::from(self.kills).min(KILLS.max()),
            i32::from(self.deaths).min(DEATHS.max()),
        ]);
    }

    fn restore(values: &[i32]) -> Result<Self, Malformed> {
        let &[kind, x, y, z, yaw, health, epoch, shots, kills, deaths] = values else {
            return Err(Malformed("an arena entity has ten fields"));
        };
        let kind = match kind {
            0 => EntityKind::Soldier,
            1 => EntityKind::Rocket,
            2 => EntityKind::PickUp(PickUpKind::Health),
            3 => EntityKind::PickUp(PickUpKind::Ammo),
            _ => return Err(Malformed("an arena entity of unknown kind")),
        };
        let narrow =
            |value: i32| u8::try_from(value).map_err(|_| Malformed("a field wider than its table says"));
        let wide =
            |value: i32| u16::try_from(value).map_err(|_| Malformed("a field wider than its table says"));
        Ok(Self {
            kind,
            position: Vec3::new(X.restore(x), Y.restore(y), Z.restore(z)),
            yaw: Yaw::from_radians(YAW.restore(yaw)),
            health: narrow(health)?,
            epoch: narrow(epoch)?,
            shots: narrow(shots)?,
            kills: wide(kills)?,
            deaths: wide(deaths)?,
        })
    }

    /// Only soldiers can be hit by a ray. An upright capsule is the same from every side, so it is not turned.
    fn pose(&self) -> Pose {
        let shape = match self.kind {
            EntityKind::Soldier => {
                Shape::Capsule { half_height: BODY_HEIGHT * 0.5 - BODY_RADIUS, radius: BODY_RADIUS }
            }
            EntityKind::Rocket | EntityKind::PickUp(_) => Shape::None,
        };
        Pose {
            position: self.centre(),
            rotation: Quat::IDENTITY,
            shape,
            epoch: self.epoch.into(),
            alive: self.present(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn restoring_keeps_every_field_within_its_step(
            kind in 0_usize..4, at in (-160.0_f32..160.0, 0.0_f32..5.0, -160.0_f32..160.0),
            yaw in any::<u16>(), health in 0_u8..=100, counts in (0_u8..16, 0_u8..16, 0_u16..1024, 0_u16..1024),
        ) {
            let kinds = [
                EntityKind::Soldier,
                EntityKind::Rocket,
                EntityKind::PickUp(PickUpKind::Health),
                EntityKind::PickUp(PickUpKind::Ammo),
            ];
            let sent = ArenaEntity {
                kind: kinds[kind], position: Vec3::new(at.0, at.1, at.2), yaw: Yaw(yaw), health,
                epoch: counts.0, shots: counts.1, kills: counts.2, deaths: counts.3,
            };
            let mut values = [0; ArenaEntity::FIELDS.len()];
            sent.quantise(&mut values);
            let seen = ArenaEntity::restore(&values).unwrap();
            let off = (seen.position - sent.position).abs();
            prop_assert!(off.x <= 0.0051 && off.z <= 0.0051 && off.y <= 0.0101, "{off}");
            prop_assert!(seen.yaw.0.wrapping_sub(sent.yaw.0).cast_signed().abs() <= 9);
            prop_assert_eq!(ArenaEntity { position: sent.position, yaw: sent.yaw, ..seen }, sent);
            let mut again = [0; ArenaEntity::FIELDS.len()];
            seen.quantise(&mut again);
            prop_assert_eq!(again, values);
        }
    }

    #[test]
    fn an_impossible_entity_is_refused() {
        assert!(ArenaEntity::restore(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(ArenaEntity::restore(&[0, 0, 0, 0, 0, 300, 0, 0, 0, 0]).is_err());
        assert!(ArenaEntity::restore(&[0; 3]).is_err());
    }
}
