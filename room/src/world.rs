//! The entities of a room.

use std::collections::VecDeque;

use tickring_protocol::ids::{EntityId, PlayerId, Tick};

use crate::{Game, HISTORY_TICKS};

/// The entities, in a stable order: always iterated by rising id.
///
/// An id is not used again for [`HISTORY_TICKS`] ticks after its entity is gone, so neither the history nor a
/// client takes a new entity for the old one.
#[derive(Debug)]
pub struct World<G: Game> {
    /// Indexed by entity id.
    slots: Vec<Slot<G::Entity>>,
    /// Ids without an entity, the longest unused first, with the tick they were given back.
    free: VecDeque<(EntityId, Tick)>,
    living: usize,
    /// Indexed by player id.
    owned: Vec<Option<EntityId>>,
    tick: Tick,
}

#[derive(Debug)]
struct Slot<E> {
    entity: Option<E>,
    /// How often the id has been used: history never blends poses of different lives.
    life: u32,
}

impl<G: Game> World<G> {
    pub(crate) fn new(players_max: u16) -> Self {
        Self {
            slots: Vec::new(),
            free: VecDeque::new(),
            living: 0,
            owned: vec![None; usize::from(players_max)],
            tick: Tick(0),
        }
    }

    /// Adds an entity and returns its id.
    ///
    /// # Panics
    /// When 65,535 ids are in use.
    pub fn spawn(&mut self, entity: G::Entity) -> EntityId {
        let id = self.unused_id();
        let slot = &mut self.slots[usize::from(id.0)];
        slot.entity = Some(entity);
        slot.life = slot.life.wrapping_add(1);
        self.living += 1;
        id
    }

    fn unused_id(&mut self) -> EntityId {
        if let Some(&(id, since)) = self.free.front()
            && (self.tick.since(since).unsigned_abs() >= HISTORY_TICKS
                || self.slots.len() >= usize::from(u16::MAX))
        {
            self.free.pop_front();
            return id;
        }
        let id = u16::try_from(self.slots.len()).expect("a world holds at most 65,535 entities");
        self.slots.push(Slot { entity: None, life: 0 });
        EntityId(id)
    }

    /// Removes an entity. `None` when there is none of that id.
    pub fn despawn(&mut self, id: EntityId) -> Option<G::Entity> {
        let entity = self.slots.get_mut(usize::from(id.0))?.entity.take()?;
        self.free.push_back((id, self.tick));
        self.living -= 1;
        Some(entity)
    }

    /// The entity of that id.
    #[must_use]
    pub fn get(&self, id: EntityId) -> Option<&G::Entity> {
        self.slots.get(usize::from(id.0))?.entity.as_ref()
    }

    /// The entity of that id.
    pub fn get_mut(&mut self, id: EntityId) -> Option<&mut G::Entity> {
        self.slots.get_mut(usize::from(id.0))?.entity.as_mut()
    }

    /// All entities by rising id.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, &G::Entity)> {
        self.lives().map(|(id, _, entity)| (id, entity))
    }

    /// All entities by rising id.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (EntityId, &mut G::Entity)> {
        self.slots.iter_mut().enumerate().filter_map(|(at, slot)| Some((id_at(at), slot.entity.as_mut()?)))
    }

    /// All entities by rising id, with the count of uses of their id.
    pub(crate) fn lives(&self) -> impl Iterator<Item = (EntityId, u32, &G::Entity)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(at, slot)| Some((id_at(at), slot.life, slot.entity.as_ref()?)))
    }

    /// Number of entities.
    #[must_use]
    pub fn len(&self) -> usize {
        self.living
    }

    /// Whether there is no entity.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.living == 0
    }

    /// The entity that [`Game::joined`] returned for this player, while the seat is taken.
    #[must_use]
    pub fn entity_of(&self, player: PlayerId) -> Option<EntityId> {
        *self.owned.get(usize::from(player.0))?
    }

    /// Taken seats with their entities, by rising player id.
    pub fn players(&self) -> impl Iterator<Item = (PlayerId, EntityId)> {
        self.owned.iter().zip(0u16..).filter_map(|(entity, player)| Some((PlayerId(player), (*entity)?)))
    }

    /// The tick being stepped, or the last one completed between steps.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.tick
    }

    pub(crate) fn set_tick(&mut self, tick: Tick) {
        self.tick = tick;
    }

    pub(crate) fn set_entity_of(&mut self, player: PlayerId, entity: Option<EntityId>) {
        self.owned[usize::from(player.0)] = entity;
    }
}

fn id_at(at: usize) -> EntityId {
    EntityId(u16::try_from(at).expect("ids are handed out below 65,536"))
}
