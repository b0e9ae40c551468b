//! What lies on the field to be taken, and comes back.

use tickring_room::{EntityId, PlayerId, Step, To, World};

use crate::entity::ArenaEntity;
use crate::event::ArenaEvent;
use crate::game::Arena;
use crate::map::{Map, PickUpKind, PickUpPlace};
use crate::soldier::Soldier;
use crate::weapons::{PICK_UP_HEALTH, PICK_UP_REACH, PICK_UP_ROCKETS, PICK_UP_ROUNDS};

/// One place of the map and what became of it.
#[derive(Clone, Copy, Debug)]
struct PickUp {
    place: PickUpPlace,
    entity: EntityId,
    /// Ticks until it lies there again; 0 while it does.
    gone_ticks: u32,
}

/// All pick-ups, in the order of the map's places.
#[derive(Debug)]
pub(crate) struct PickUps {
    all: Vec<PickUp>,
}

impl PickUps {
    /// None yet: the entities come with the first tick, see [`Self::lay_out`].
    pub(crate) fn new() -> Self {
        Self { all: Vec::new() }
    }

    /// Lays the pick-ups out if that has not been done. A game is created before its world can be written to.
    fn lay_out(&mut self, map: &Map, world: &mut World<Arena>) {
        if self.all.is_empty() {
            self.all.extend(map.pick_ups().iter().map(|&place| {
                let entity = world.spawn(ArenaEntity::pick_up(place.kind, place.position));
                PickUp { place, entity, gone_ticks: 0 }
            }));
        }
    }
}

impl Arena {
    /// Gives each pick-up that somebody stands on to the lowest slot that has use for it, and brings taken ones
    /// back when their time has come.
    pub(crate) fn pick_up(&mut self, tick: &mut Step<'_, Self>) {
        self.pick_ups.lay_out(&self.map, tick.world_mut());
        for pick_up in &mut self.pick_ups.all {
            if pick_up.gone_ticks > 0 {
                pick_up.gone_ticks -= 1;
                if pick_up.gone_ticks == 0 {
                    show(tick.world_mut(), pick_up.entity, true);
                }
                continue;
            }
            let PickUpPlace { position, kind } = pick_up.place;
            let soldiers = &mut self.soldiers;
            let mut taker = None;
            self.crowd.for_each_within(position, PICK_UP_REACH, |slot, _| {
                let useful =
                    soldiers.get(slot).is_some_and(|soldier| soldier.alive() && has_use(soldier, kind));
                if useful && taker.is_none_or(|known| slot < known) {
                    taker = Some(slot);
                }
            });
            let Some(slot) = taker else { continue };
            let soldier = soldiers.get_mut(slot).expect("the taker was found above");
            match kind {
                PickUpKind::Health => soldier.heal(PICK_UP_HEALTH),
                PickUpKind::Ammo => soldier.reload(PICK_UP_ROUNDS, PICK_UP_ROCKETS),
            }
            pick_up.gone_ticks = self.timing.pick_up_ticks;
            show(tick.world_mut(), pick_up.entity, false);
            let event = ArenaEvent::PickedUp { pick_up: pick_up.entity, kind };
            tick.emit(&event, To::Player(PlayerId(slot)));
        }
    }
}

fn has_use(soldier: &Soldier, kind: PickUpKind) -> bool {
    match kind {
        PickUpKind::Health => soldier.is_hurt(),
        PickUpKind::Ammo => soldier.has_room_for_ammo(),
    }
}

fn show(world: &mut World<Arena>, entity: EntityId, lies_there: bool) {
    if let Some(entity) = world.get_mut(entity) {
        entity.health = lies_there.into();
    }
}
