//! A client's side: what has been received so far.

use thiserror::Error;
use tickring_protocol::ids::{EntityId, Tick};
use tickring_protocol::limits::HELD_ENTITIES_MAX;

use super::bits::{BitReader, Truncated};
use super::frame::checksum;
use super::grid::CellId;
use super::reading::{Columns, Scratch};
use super::{DEPTH, FIELDS_MAX, FORGET, KEYFRAME};
use crate::{Game, Malformed, Replicated};

/// Memory is given back when there is more than for so many times what is held, and that for so many entities more.
const SPARE_TIMES: usize = 8;
const SPARE_ENTITIES: usize = 1_024;

/// The state a client has received. Each snapshot brings it up to date; its memory is kept.
///
/// Whatever arrives, it holds at most [`HELD_ENTITIES_MAX`] entities over all cells, none of which is empty, and has
/// memory for at most 8 times as many as it holds and 1,024 more. An entity takes 2 bytes, 8 for each field, and what the
/// game's own type does: some 100 bytes in the arena.
#[derive(Debug)]
pub struct ReceivedState<G: Game> {
    tick: Option<Tick>,
    /// By rising id; none of them empty.
    cells: Vec<Cell>,
    /// Empty but while a body is applied: the cells as they were.
    before: Vec<Cell>,
    entities: Vec<(EntityId, G::Entity)>,
    /// Entities over all cells.
    held: usize,
    scratch: Scratch,
}

/// One cell as it was sent last.
#[derive(Debug, PartialEq)]
struct Cell {
    id: CellId,
    /// Of the snapshot it came with.
    number: u8,
    entities: Columns,
}

/// A snapshot body that does not follow on what was received before, or is none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// The body ends too early.
    #[error("the body ends in the middle of a block")]
    Truncated,
    /// A block is a delta to a state that is not here.
    #[error("cell {cell} comes as a delta to snapshot {baseline}, which was not received")]
    Baseline {
        /// The cell.
        cell: u16,
        /// Number of the snapshot it refers to.
        baseline: u8,
    },
    /// A cell comes after one of a higher number, or twice.
    #[error("cell {cell} comes twice, or after one of a higher number")]
    Order {
        /// The cell.
        cell: u16,
    },
    /// A block is of no known kind.
    #[error("cell {cell} comes as a block of unknown kind {kind}")]
    Kind {
        /// The cell.
        cell: u16,
        /// The kind.
        kind: u8,
    },
    /// An entity is removed that is not there, or added twice, or beyond the largest id.
    #[error("the entities of cell {cell} do not fit to what is there")]
    Entities {
        /// The cell.
        cell: u16,
    },
    /// There would be more entities than a room has.
    #[error("with cell {cell} there are more than {HELD_ENTITIES_MAX} entities")]
    TooMany {
        /// The cell.
        cell: u16,
    },
    /// The game cannot make an entity of the values.
    #[error("entity {entity}: {cause}")]
    Entity {
        /// The entity.
        entity: u16,
        /// What the game says.
        cause: Malformed,
    },
}

impl From<Truncated> for SnapshotError {
    fn from(Truncated: Truncated) -> Self {
        Self::Truncated
    }
}

impl<G: Game> Default for ReceivedState<G> {
    fn default() -> Self {
        Self {
            tick: None,
            cells: Vec::new(),
            before: Vec::new(),
            entities: Vec::new(),
            held: 0,
            scratch: Scratch::default(),
        }
    }
}

impl<G: Game> ReceivedState<G> {
    /// Brings the state up to date with the body of a snapshot.
    ///
    /// # Errors
    /// When the body does not follow on what was received before. The state is then empty, and only a snapshot
    /// made of keyframes can fill it again: the connection is of no more use.
    pub fn decode(&mut self, tick: Tick, body: &[u8]) -> Result<(), SnapshotError> {
        let result = self.apply(body).and_then(|()| self.restore_entities());
        if result.is_ok() {
            self.tick = Some(tick);
        } else {
            self.clear();
        }
        self.trim();
        result
    }

    /// [`ReceivedState::decode`] without the game's entities, for who goes on with the quantised values only.
    pub(crate) fn decode_quantised(&mut self, tick: Tick, body: &[u8]) -> Result<(), SnapshotError> {
        self.apply(body)?;
        self.tick = Some(tick);
        Ok(())
    }

    /// The entities by their quantised fields, by cell.
    pub(super) fn quantised(&self) -> impl Iterator<Item = (EntityId, &[i32])> {
        let fields = G::Entity::FIELDS.len().max(1);
        self.cells.iter().flat_map(move |cell| {
            cell.entities.ids.iter().copied().zip(cell.entities.values.chunks_exact(fields))
        })
    }

    fn clear(&mut self) {
        self.tick = None;
        self.cells.clear();
        self.entities.clear();
        self.held = 0;
    }

    /// Makes this the state that `base` (`None`: nothing yet) becomes with the body of a snapshot.
    ///
    /// # Errors
    /// See [`ReceivedState::decode`].
    pub fn decode_after(
        &mut self,
        base: Option<&Self>,
        tick: Tick,
        body: &[u8],
    ) -> Result<(), SnapshotError> {
        self.copy_cells(base.map_or(&[], |base| &base.cells));
        self.decode(tick, body)
    }

    /// Whether both received the same, and so will take the same bodies to the same states.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        // Whoever sees other cells is told apart without a look at their entities.
        let heads = |cell: &Cell| (cell.id, cell.number);
        self.cells.iter().map(heads).eq(other.cells.iter().map(heads)) && self.cells == other.cells
    }

    fn copy_cells(&mut self, from: &[Cell]) {
        let beyond = self.cells.drain(from.len().min(self.cells.len())..);
        self.scratch.spare.extend(beyond.map(|cell| cell.entities));
        for (cell, from) in self.cells.iter_mut().zip(from) {
            (cell.id, cell.number) = (from.id, from.number);
            cell.entities.copy(&from.entities);
        }
        for from in &from[self.cells.len()..] {
            let mut entities = self.scratch.spare.pop().unwrap_or_default();
            entities.copy(&from.entities);
            self.cells.push(Cell { id: from.id, number: from.number, entities });
        }
    }

    /// Puts what a body says in place of what was there, cell by cell: both rise, so it is one pass over either.
    fn apply(&mut self, body: &[u8]) -> Result<(), SnapshotError> {
        const { assert!(G::Entity::FIELDS.len() <= FIELDS_MAX, "an entity has at most 32 fields") };
        if G::Entity::FIELDS.is_empty() && body.is_empty() {
            return Ok(());
        }
        let (&number, mut rest) = body.split_first().ok_or(SnapshotError::Truncated)?;
        std::mem::swap(&mut self.cells, &mut self.before);
        let mut before = std::mem::take(&mut self.before);
        let mut known = before.drain(..).peekable();
        let mut last = None;
        self.held = 0;
        while !rest.is_empty() {
            let (id, after) = read_cell(rest)?;
            if last.replace(id).is_some_and(|last| id <= last) {
                return Err(SnapshotError::Order { cell: id });
            }
            while let Some(cell) = known.next_if(|cell| cell.id < id) {
                self.put(cell)?;
            }
            rest = self.block(id, number, known.next_if(|cell| cell.id == id), after)?;
        }
        for cell in known {
            self.put(cell)?;
        }
        self.before = before;
        Ok(())
    }

    /// Adds a cell of a higher number than all so far.
    fn put(&mut self, cell: Cell) -> Result<(), SnapshotError> {
        self.held += cell.entities.ids.len();
        if self.held > HELD_ENTITIES_MAX {
            return Err(SnapshotError::TooMany { cell: cell.id });
        }
        self.cells.push(cell);
        Ok(())
    }

    /// Gives memory back that a bigger state has left.
    fn trim(&mut self) {
        let in_cells: usize = self.cells.iter().map(|cell| cell.entities.capacity()).sum();
        let lists = self.cells.capacity() + self.before.capacity() + self.entities.capacity();
        if in_cells + lists + self.scratch.capacity() > SPARE_TIMES * self.held + SPARE_ENTITIES {
            self.cells.iter_mut().for_each(|cell| cell.entities.shrink());
            self.cells.shrink_to_fit();
            self.entities.shrink_to_fit();
            (self.before, self.scratch) = (Vec::new(), Scratch::default());
        }
    }

    /// Reads what follows the number of a cell, which was `then`, and returns what follows that.
    fn block<'a>(
        &mut self,
        id: CellId,
        number: u8,
        then: Option<Cell>,
        bytes: &'a [u8],
    ) -> Result<&'a [u8], SnapshotError> {
        let (&kind, bytes) = bytes.split_first().ok_or(SnapshotError::Truncated)?;
        let baseline = number.wrapping_sub(kind);
        let empty = Columns::default();
        let from = match (kind, &then) {
            (FORGET, _) => {
                self.scratch.spare.extend(then.map(|cell| cell.entities));
                return Ok(bytes);
            }
            (KEYFRAME, _) => &empty,
            (ago, _) if usize::from(ago) >= DEPTH => return Err(SnapshotError::Kind { cell: id, kind }),
            (_, Some(then)) if then.number == baseline => &then.entities,
            _ => return Err(SnapshotError::Baseline { cell: id, baseline }),
        };
        let mut bits = BitReader::new(bytes);
        self.scratch.read(&mut bits, from, kind, G::Entity::FIELDS, id)?;
        let memory = then.map(|cell| cell.entities).or_else(|| self.scratch.spare.pop());
        let entities = std::mem::replace(&mut self.scratch.next, memory.unwrap_or_default());
        if entities.ids.is_empty() {
            self.scratch.spare.push(entities);
        } else {
            self.put(Cell { id, number, entities })?;
        }
        Ok(bits.finish())
    }

    /// Makes the game's entities of the values.
    fn restore_entities(&mut self) -> Result<(), SnapshotError> {
        let fields = G::Entity::FIELDS.len();
        self.entities.clear();
        if fields == 0 {
            return Ok(());
        }
        for cell in &self.cells {
            for (id, values) in cell.entities.ids.iter().zip(cell.entities.values.chunks_exact(fields)) {
                let entity = G::Entity::restore(values)
                    .map_err(|cause| SnapshotError::Entity { entity: id.0, cause })?;
                self.entities.push((*id, entity));
            }
        }
        if self.cells.len() > 1 {
            // An entity that went from a cell that was not sent to one that was is in both until both are.
            self.entities.sort_by_key(|(id, _)| *id);
            self.entities.dedup_by_key(|(id, _)| *id);
        }
        Ok(())
    }

    /// Tick of the state; `None` before the first and after a failed decode.
    #[must_use]
    pub fn tick(&self) -> Option<Tick> {
        self.tick
    }

    /// The entities by rising id.
    #[must_use]
    pub fn entities(&self) -> &[(EntityId, G::Entity)] {
        &self.entities
    }

    /// How many entities its cells hold, at most [`HELD_ENTITIES_MAX`]. One that went from a cell that was not sent to
    /// one that was is in both, and counts in both, until both are.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// One entity.
    #[must_use]
    pub fn get(&self, id: EntityId) -> Option<&G::Entity> {
        let at = self.entities.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.entities[at].1)
    }

    /// The checksum of this state, computed from what was decoded: equal to the head's when both sides agree and
    /// the head has one. `scratch` is overwritten.
    #[must_use]
    pub fn checksum(&self, scratch: &mut Vec<u8>) -> u32 {
        self.cells.iter().fold(0, |sum, cell| {
            sum.wrapping_add(checksum(cell.entities.state(), G::Entity::FIELDS, scratch))
        })
    }
}

/// LEB128 of 16 bits.
fn read_cell(bytes: &[u8]) -> Result<(CellId, &[u8]), SnapshotError> {
    let mut cell = 0_u32;
    for (at, byte) in bytes.iter().take(3).enumerate() {
        cell |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let cell = CellId::try_from(cell).map_err(|_| SnapshotError::Truncated)?;
            return Ok((cell, &bytes[at + 1..]));
        }
    }
    Err(SnapshotError::Truncated)
}
