//! What was sent of one tick: every entity's quantised fields and how they change, by cell.

use tickring_protocol::ids::EntityId;

use super::grid::{CellId, Grid};
use super::prediction::velocity;
use crate::{Field, Game, ReceivedState, Replicated, World};

/// The state of one snapshot.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Entities by cell, then by rising id.
    ids: Vec<EntityId>,
    /// Per entity as many as there are fields.
    values: Vec<i32>,
    velocities: Vec<i32>,
    /// Where each cell's entities begin; those of the next cell end them. One more than there are cells.
    starts: Vec<u32>,
    /// By entity id: cell and place, or `NOWHERE`.
    index: Vec<(CellId, u32)>,
}

const NOWHERE: u32 = u32::MAX;

/// The entities of one cell at one snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CellState<'a> {
    /// By rising id.
    pub(super) ids: &'a [EntityId],
    /// Per entity as many as there are fields.
    pub(super) values: &'a [i32],
    pub(super) velocities: &'a [i32],
}

/// Entities of a tick by rising id. Memory is kept from tick to tick.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    entities: Vec<(EntityId, CellId)>,
    values: Vec<i32>,
}

impl Gathered {
    /// The world as it is. `before` is the frame of the snapshot before.
    pub(super) fn take_world<G: Game>(&mut self, world: &World<G>, before: Option<&Frame>, grid: &mut Grid) {
        let fields = G::Entity::FIELDS;
        self.entities.clear();
        self.values.clear();
        if fields.is_empty() {
            return;
        }
        self.values.resize(world.len() * fields.len(), 0);
        for ((id, entity), values) in world.iter().zip(self.values.chunks_exact_mut(fields.len())) {
            entity.quantise(values);
            for (field, value) in fields.iter().zip(values) {
                *value = (*value).clamp(field.min(), field.max());
            }
            let was_in = before.and_then(|before| before.cell_of(id));
            self.entities.push((id, grid.cell_of(entity.pose().position, was_in)));
        }
    }

    /// A state that was received, as a field of one cell.
    pub(super) fn take_received<G: Game>(&mut self, state: &ReceivedState<G>) {
        self.entities.clear();
        self.values.clear();
        self.entities.extend(state.quantised().map(|(id, _)| (id, 0)));
        self.entities.sort_unstable_by_key(|(id, _)| *id);
        let fields = G::Entity::FIELDS.len();
        self.values.resize(self.entities.len() * fields, 0);
        for (id, values) in state.quantised() {
            let at = self.entities.binary_search_by_key(&id, |(id, _)| *id).expect("it was just put in");
            self.values[at * fields..][..fields].copy_from_slice(values);
        }
    }
}

impl Frame {
    /// Overwrites this frame with what was gathered, of a field of so many cells. `before` is the frame of the
    /// snapshot before.
    pub(super) fn fill(
        &mut self,
        gathered: &Gathered,
        cells: usize,
        before: Option<&Self>,
        fields: &[Field],
    ) {
        self.sort(gathered, cells);
        self.arrange(gathered, before, fields);
    }

    /// Finds each entity's place: a counting sort by cell.
    fn sort(&mut self, gathered: &Gathered, cells: usize) {
        self.starts.clear();
        self.starts.resize(cells + 1, 0);
        for (_, cell) in &gathered.entities {
            self.starts[usize::from(*cell) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        let ids = gathered.entities.last().map_or(0, |(id, _)| usize::from(id.0) + 1);
        self.index.clear();
        self.index.resize(ids, (0, NOWHERE));
        // `starts` counts up while places are given out, and then is shifted back by one cell.
        for (id, cell) in &gathered.entities {
            let place = &mut self.starts[usize::from(*cell)];
            self.index[usize::from(id.0)] = (*cell, *place);
            *place += 1;
        }
        self.starts.pop();
        self.starts.insert(0, 0);
    }

    fn arrange(&mut self, gathered: &Gathered, before: Option<&Self>, fields: &[Field]) {
        let count = gathered.entities.len();
        self.ids.clear();
        self.ids.resize(count, EntityId(0));
        self.values.clear();
        self.values.resize(count * fields.len(), 0);
        self.velocities.clear();
        self.velocities.resize(count * fields.len(), 0);
        if fields.is_empty() {
            return;
        }
        for ((id, _), now) in gathered.entities.iter().zip(gathered.values.chunks_exact(fields.len())) {
            let place = self.index[usize::from(id.0)].1 as usize;
            let range = place * fields.len()..(place + 1) * fields.len();
            self.ids[place] = *id;
            self.values[range.clone()].copy_from_slice(now);
            let Some(then) = before.and_then(|before| before.values_of(*id, fields.len())) else { continue };
            let velocities = &mut self.velocities[range];
            for (((field, then), now), out) in fields.iter().zip(then).zip(now).zip(velocities) {
                *out = velocity(field, *then, *now);
            }
        }
    }

    fn place_of(&self, id: EntityId) -> Option<(CellId, u32)> {
        self.index.get(usize::from(id.0)).copied().filter(|(_, place)| *place != NOWHERE)
    }

    /// The cell an entity is in.
    pub(super) fn cell_of(&self, id: EntityId) -> Option<CellId> {
        self.place_of(id).map(|(cell, _)| cell)
    }

    fn values_of(&self, id: EntityId, fields: usize) -> Option<&[i32]> {
        let (_, place) = self.place_of(id)?;
        Some(&self.values[place as usize * fields..][..fields])
    }

    /// The entities of a cell; nothing for a cell that did not exist yet.
    pub(super) fn cell(&self, cell: CellId, fields: usize) -> CellState<'_> {
        let Some(&[start, end]) = self.starts.get(usize::from(cell)..).and_then(|rest| rest.first_chunk())
        else {
            return CellState::default();
        };
        let (start, end) = (start as usize, end as usize);
        CellState {
            ids: &self.ids[start..end],
            values: &self.values[start * fields..end * fields],
            velocities: &self.velocities[start * fields..end * fields],
        }
    }

    /// Whether a cell has no entities.
    pub(super) fn is_empty(&self, cell: CellId) -> bool {
        self.cell(cell, 0).ids.is_empty()
    }
}

/// CRC-32 over the entities of a cell: per entity the id and each field in as many whole bytes as it needs,
/// little-endian. `scratch` is overwritten.
pub(super) fn checksum(state: CellState<'_>, fields: &[Field], scratch: &mut Vec<u8>) -> u32 {
    scratch.clear();
    for (id, values) in state.ids.iter().zip(state.values.chunks(fields.len().max(1))) {
        scratch.extend_from_slice(&id.0.to_le_bytes());
        for (field, value) in fields.iter().zip(values) {
            scratch.extend_from_slice(&value.to_le_bytes()[..field.bytes()]);
        }
    }
    crc32fast::hash(scratch)
}
