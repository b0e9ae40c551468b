//! What happened, as messages of a few bytes.
//!
//! Shots, hits, respawns and pick-ups go to the players they concern, not to everybody: in a room of a thousand
//! that would be a hundred thousand messages a tick. Others see them in the entities (shot counter, health,
//! epoch).

use tickring_room::{EntityId, GameEvent, Malformed};

use crate::map::PickUpKind;

/// What did the damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weapon {
    /// The hitscan weapon.
    Rifle,
    /// A rocket, by a direct hit or its splash.
    Rocket,
}

/// How a rifle shot was judged; the shooter's audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShotAudit {
    /// The number the shooter's input gave the shot.
    pub number: u8,
    /// Who was hit, in the past the shooter saw.
    pub target: Option<EntityId>,
    /// How far the shot flew, in centimetres.
    pub distance_cm: u16,
    /// How far the judge looked back for the target, in 1/256 tick; 0 when nobody was hit.
    pub rewind_256ths: u16,
    /// Whether the time the shooter claimed to see was cut to what is allowed.
    pub clamped: bool,
}

/// Something that happened in a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArenaEvent {
    /// To the shooter: its rifle fired.
    Shot(ShotAudit),
    /// To attacker and victim: damage was done.
    Hit {
        /// Who did it; the victim itself for its own splash.
        attacker: EntityId,
        /// Who suffered it.
        victim: EntityId,
        /// With what.
        weapon: Weapon,
        /// Health taken.
        damage: u8,
        /// Health left, 0 for a kill.
        health: u8,
    },
    /// To everybody in rooms of up to 100 seats, in larger ones to whoever is within 20 m: somebody died.
    Kill {
        /// Who did it; the victim itself for an own goal.
        attacker: EntityId,
        /// Who died.
        victim: EntityId,
        /// With what.
        weapon: Weapon,
    },
    /// To the player: it is back on the field.
    Respawn {
        /// Its body.
        soldier: EntityId,
        /// Where, in centimetres.
        x_cm: i16,
        /// Where, in centimetres.
        z_cm: i16,
    },
    /// To the player: it took something.
    PickedUp {
        /// The pick-up.
        pick_up: EntityId,
        /// What it was.
        kind: PickUpKind,
    },
}

/// The events in words, for the layout hash.
pub(crate) const LAYOUT: &str = "1 shot: number u8, target u16 (ffff none), cm u16, rewind/256 u16, clamped u8; \
     2 hit: attacker u16, victim u16, weapon u8, damage u8, health u8; 3 kill: attacker u16, victim u16, weapon u8; \
     4 respawn: soldier u16, x i16, z i16; 5 picked up: entity u16, kind u8";

const SHOT: u8 = 1;
const HIT: u8 = 2;
const KILL: u8 = 3;
const RESPAWN: u8 = 4;
const PICKED_UP: u8 = 5;

/// Stands for "no target" on the wire.
const NO_TARGET: u16 = u16::MAX;

impl GameEvent for ArenaEvent {
    fn kind(&self) -> u8 {
        match self {
            Self::Shot(_) => SHOT,
            Self::Hit { .. } => HIT,
            Self::Kill { .. } => KILL,
            Self::Respawn { .. } => RESPAWN,
            Self::PickedUp { .. } => PICKED_UP,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Shot(shot) => {
                out.push(shot.number);
                put(out, shot.target.map_or(NO_TARGET, |target| target.0));
                put(out, shot.distance_cm);
                put(out, shot.rewind_256ths);
                out.push(shot.clamped.into());
            }
            Self::Hit { attacker, victim, weapon, damage, health } => {
                put(out, attacker.0);
                put(out, victim.0);
                out.extend_from_slice(&[weapon_code(weapon), damage, health]);
            }
            Self::Kill { attacker, victim, weapon } => {
                put(out, attacker.0);
                put(out, victim.0);
                out.push(weapon_code(weapon));
            }
            Self::Respawn { soldier, x_cm, z_cm } => {
                put(out, soldier.0);
                out.extend_from_slice(&x_cm.to_le_bytes());
                out.extend_from_slice(&z_cm.to_le_bytes());
            }
            Self::PickedUp { pick_up, kind } => {
                put(out, pick_up.0);
                out.push(match kind {
                    PickUpKind::Health => 0,
                    PickUpKind::Ammo => 1,
                });
            }
        }
    }

    fn read(kind: u8, bytes: &[u8]) -> Result<Self, Malformed> {
        let id = |low: u8, high: u8| EntityId(u16::from_le_bytes([low, high]));
        Ok(match (kind, bytes) {
            (SHOT, &[number, t0, t1, d0, d1, r0, r1, clamped @ 0..=1]) => Self::Shot(ShotAudit {
                number,
                target: Some(id(t0, t1)).filter(|target| target.0 != NO_TARGET),
                distance_cm: u16::from_le_bytes([d0, d1]),
                rewind_256ths: u16::from_le_bytes([r0, r1]),
                clamped: clamped == 1,
            }),
            (HIT, &[a0, a1, v0, v1, weapon, damage, health]) => Self::Hit {
                attacker: id(a0, a1),
                victim: id(v0, v1),
                weapon: weapon_of(weapon)?,
                damage,
                health,
            },
            (KILL, &[a0, a1, v0, v1, weapon]) => {
                Self::Kill { attacker: id(a0, a1), victim: id(v0, v1), weapon: weapon_of(weapon)? }
            }
            (RESPAWN, &[s0, s1, x0, x1, z0, z1]) => Self::Respawn {
                soldier: id(s0, s1),
                x_cm: i16::from_le_bytes([x0, x1]),
                z_cm: i16::from_le_bytes([z0, z1]),
            },
            (PICKED_UP, &[p0, p1, kind @ 0..=1]) => Self::PickedUp {
                pick_up: id(p0, p1),
                kind: if kind == 0 { PickUpKind::Health } else { PickUpKind::Ammo },
            },
            _ => return Err(Malformed("an arena event of unknown kind or wrong length")),
        })
    }
}

fn put(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn weapon_code(weapon: Weapon) -> u8 {
    match weapon {
        Weapon::Rifle => 0,
        Weapon::Rocket => 1,
    }
}

fn weapon_of(code: u8) -> Result<Weapon, Malformed> {
    match code {
        0 => Ok(Weapon::Rifle),
        1 => Ok(Weapon::Rocket),
        _ => Err(Malformed("an unknown weapon")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_round_trips() {
        let (attacker, victim) = (EntityId(300), EntityId(7));
        let shot = ShotAudit {
            number: 9,
            target: Some(victim),
            distance_cm: 4_321,
            rewind_256ths: 3_000,
            clamped: true,
        };
        let events = [
            ArenaEvent::Shot(shot),
            ArenaEvent::Shot(ShotAudit { target: None, clamped: false, ..shot }),
            ArenaEvent::Hit { attacker, victim, weapon: Weapon::Rocket, damage: 44, health: 56 },
            ArenaEvent::Kill { attacker, victim, weapon: Weapon::Rifle },
            ArenaEvent::Respawn { soldier: victim, x_cm: -12_345, z_cm: 678 },
            ArenaEvent::PickedUp { pick_up: EntityId(1), kind: PickUpKind::Ammo },
        ];
        for event in events {
            let mut bytes = Vec::new();
            event.write(&mut bytes);
            assert_eq!(ArenaEvent::read(event.kind(), &bytes), Ok(event));
            bytes.push(0);
            assert!(ArenaEvent::read(event.kind(), &bytes).is_err(), "{event:?} with a byte too many");
        }
    }

    proptest! {
        #[test]
        fn what_can_be_read_writes_back_the_same_bytes(kind in 0_u8..8, bytes in prop::collection::vec(any::<u8>(), 0..10)) {
            if let Ok(event) = ArenaEvent::read(kind, &bytes) {
                let mut written = Vec::new();
                event.write(&mut written);
                prop_assert_eq!((event.kind(), written), (kind, bytes));
            }
        }
    }
}
