//! Rifle shots and damage.

use tickring_room::{EntityId, PlayerId, Step, To};

use crate::event::{ArenaEvent, ShotAudit, Weapon};
use crate::game::Arena;
use crate::input::{ArenaInput, BUTTON_RIFLE, BUTTON_ROCKET};
use crate::rules::aim_direction;
use crate::weapons::RIFLE_RANGE;

/// In rooms up to this size everybody is told of every kill.
const KILL_FEED_PLAYERS_MAX: u16 = 100;
/// In larger ones, whoever is this near to the victim, metres. The attacker has the hit that left no health.
const KILL_HEARD: f32 = 20.0;

/// Damage about to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage {
    pub(crate) attacker: EntityId,
    /// Slot of the one who suffers.
    pub(crate) victim: u16,
    pub(crate) weapon: Weapon,
    pub(crate) amount: u8,
}

impl Arena {
    /// Cools the weapons down and fires those whose triggers are pulled, from where the bodies stand *before*
    /// they move: that is the place each player aimed from.
    pub(crate) fn fire(&mut self, tick: &mut Step<'_, Self>) {
        let mut shooters = core::mem::take(&mut self.shooters);
        shooters.clear();
        for (slot, soldier) in self.soldiers.iter_mut() {
            let player = PlayerId(slot);
            let input = tick.input(player);
            soldier.cool_down();
            soldier.yaw = input.yaw;
            if input.holds(BUTTON_RIFLE) && soldier.pull_trigger(self.timing.rifle_ticks) {
                shooters.push(player);
            }
            if input.holds(BUTTON_ROCKET) && soldier.launch_rocket(self.timing.rocket_ticks) {
                let (origin, direction) = (soldier.own.body.eye(), aim_direction(input.yaw, input.pitch));
                self.rockets.launch(soldier.entity, origin, direction, tick);
            }
        }
        tick.sort_by_view(&mut shooters);
        for &shooter in &shooters {
            self.judge(shooter, tick);
        }
        self.shooters = shooters;
    }

    /// Judges one rifle shot in the past its shooter saw. A shooter killed by an earlier shot has not fired.
    fn judge(&mut self, shooter: PlayerId, tick: &mut Step<'_, Self>) {
        let Some(soldier) = self.soldiers.get(shooter.0).filter(|soldier| soldier.alive()) else { return };
        let ArenaInput { yaw, pitch, shot_number, .. } = tick.input(shooter);
        let (attacker, origin, direction) =
            (soldier.entity, soldier.own.body.eye(), aim_direction(yaw, pitch));
        let reach = self.map.cast(origin, direction, RIFLE_RANGE).unwrap_or(RIFLE_RANGE);
        let hit = tick.seen_by(shooter).ray(origin, direction, reach, attacker);
        let audit = ShotAudit {
            number: shot_number,
            target: hit.map(|hit| hit.entity),
            distance_cm: whole(hit.map_or(reach, |hit| hit.distance) * 100.0),
            rewind_256ths: hit.map_or(0, |hit| whole(hit.rewind_ticks * 256.0)),
            clamped: hit.is_some_and(|hit| hit.clamped),
        };
        tick.emit(&ArenaEvent::Shot(audit), To::Player(shooter));
        if let Some(victim) = hit.and_then(|hit| self.soldiers.slot_of(hit.entity)) {
            let amount = self.settings.rifle_damage;
            self.hurt(Damage { attacker, victim, weapon: Weapon::Rifle, amount }, tick);
        }
    }

    /// Takes health, and the soldier off the field when none is left. The dead cannot be hurt.
    pub(crate) fn hurt(&mut self, damage: Damage, tick: &mut Step<'_, Self>) {
        let Damage { attacker, victim: victim_slot, weapon, amount } = damage;
        let Some(soldier) = self.soldiers.get_mut(victim_slot).filter(|soldier| soldier.alive()) else {
            return;
        };
        soldier.own.health = soldier.own.health.saturating_sub(amount);
        let (victim, health, place) = (soldier.entity, soldier.own.health, soldier.own.body.position);
        let attacker_slot = self.soldiers.slot_of(attacker);
        let involved = [Some(victim_slot), attacker_slot.filter(|slot| *slot != victim_slot)];
        let hit = ArenaEvent::Hit { attacker, victim, weapon, damage: amount, health };
        tell(&hit, &involved, tick);
        if health > 0 {
            return;
        }
        let respawn_wait_ticks = self.timing.respawn_ticks;
        self.soldiers.get_mut(victim_slot).expect("the victim was found above").die(respawn_wait_ticks);
        if let Some(killer) = attacker_slot.filter(|slot| *slot != victim_slot)
            && let Some(killer) = self.soldiers.get_mut(killer)
        {
            killer.kills = killer.kills.saturating_add(1);
        }
        let kill = ArenaEvent::Kill { attacker, victim, weapon };
        let everybody = self.players_max <= KILL_FEED_PLAYERS_MAX;
        tick.emit(&kill, if everybody { To::All } else { To::Near { place, radius: KILL_HEARD } });
    }
}

fn tell(event: &ArenaEvent, slots: &[Option<u16>], tick: &mut Step<'_, Arena>) {
    for &slot in slots.iter().flatten() {
        tick.emit(event, To::Player(PlayerId(slot)));
    }
}

/// The nearest whole number, within the range of the field it goes into.
fn whole(value: f32) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates: wanted"
    )]
    let whole = value.round() as u16;
    whole
}
