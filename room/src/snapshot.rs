//! The state that players see, as bytes and back.
//!
//! A body is the full state: per entity, by rising id, the id (u16) and its fields in the order of the table,
//! each quantised, little-endian and rounded up to whole bytes. Nothing else: the count follows from the length.
//! The checksum is the CRC-32 of this form. A denser encoding may replace the body on the wire; the checksum
//! stays that of the full state.

use thiserror::Error;
use tickring_protocol::ids::{EntityId, Tick};

use crate::{Field, Game, Malformed, Replicated, World};

/// Fields an entity may have.
const FIELDS_MAX: usize = 32;
/// Bytes of an entity's id.
const ID_BYTES: usize = 2;

/// The shared part of one tick's snapshots and every player's private block. Memory is kept from tick to tick.
#[derive(Debug, Default)]
pub(crate) struct EncodedTick {
    pub(crate) tick: Tick,
    /// The tick the body is a delta to; `tick` itself for the full state.
    pub(crate) baseline: Tick,
    pub(crate) body: Vec<u8>,
    /// 0 when nobody asked for it.
    pub(crate) checksum: u32,
    /// The private blocks of all seats, one after the other.
    pub(crate) private: Vec<u8>,
}

impl EncodedTick {
    /// Encodes the body.
    pub(crate) fn encode<G: Game>(&mut self, tick: Tick, world: &World<G>, with_checksum: bool) {
        self.tick = tick;
        self.baseline = tick;
        self.body.clear();
        self.private.clear();
        write_state(world.len(), world.iter(), &mut self.body);
        self.checksum = if with_checksum { crc32fast::hash(&self.body) } else { 0 };
    }
}

/// Appends the full state of `count` entities.
fn write_state<'a, E: Replicated>(
    count: usize,
    entities: impl Iterator<Item = (EntityId, &'a E)>,
    out: &mut Vec<u8>,
) {
    const { assert!(E::FIELDS.len() <= FIELDS_MAX, "an entity has at most 32 fields") };
    if E::FIELDS.is_empty() {
        return;
    }
    // Each field is written as four bytes of which the next one overwrites the surplus: no branch on the width.
    const SURPLUS: usize = 3;
    let start = out.len();
    let entity_bytes = entity_bytes(E::FIELDS);
    out.resize(start + count * entity_bytes + SURPLUS, 0);
    let mut at = start;
    let mut values = [0; FIELDS_MAX];
    let values = &mut values[..E::FIELDS.len()];
    for (id, entity) in entities {
        entity.quantise(values);
        out[at..at + ID_BYTES].copy_from_slice(&id.0.to_le_bytes());
        at += ID_BYTES;
        for (field, value) in E::FIELDS.iter().zip(values.iter()) {
            let value = (*value).clamp(field.min(), field.max());
            out[at..at + 4].copy_from_slice(&value.to_le_bytes());
            at += field.bytes();
        }
    }
    assert_eq!(at, start + count * entity_bytes, "the world knows its size");
    out.truncate(at);
}

const fn entity_bytes(fields: &[Field]) -> usize {
    let mut bytes = ID_BYTES;
    let mut at = 0;
    while at < fields.len() {
        bytes += fields[at].bytes();
        at += 1;
    }
    bytes
}

/// The state a client has received. One value serves a whole connection; its memory is kept.
#[derive(Debug)]
pub struct ReceivedState<G: Game> {
    tick: Option<Tick>,
    entities: Vec<(EntityId, G::Entity)>,
}

/// A snapshot body that is no state of this game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// The body is a delta to a state that is not here.
    #[error("the snapshot of tick {tick} is a delta to tick {baseline}, which this state is not of")]
    Baseline {
        /// Tick of the snapshot.
        tick: u32,
        /// Tick it refers to.
        baseline: u32,
    },
    /// The length is no multiple of an entity's.
    #[error("a body of {bytes} bytes does not hold whole entities of {entity_bytes} bytes")]
    Length {
        /// Length of the body.
        bytes: usize,
        /// Length of one entity.
        entity_bytes: usize,
    },
    /// The ids do not rise.
    #[error("entity {0} is out of order")]
    Order(u16),
    /// A field holds more than its width allows.
    #[error("field {field} of entity {entity} holds {value}, beyond its width")]
    Range {
        /// Name of the field.
        field: &'static str,
        /// The entity.
        entity: u16,
        /// The value.
        value: i32,
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

impl<G: Game> Default for ReceivedState<G> {
    fn default() -> Self {
        Self { tick: None, entities: Vec::new() }
    }
}

impl<G: Game> ReceivedState<G> {
    /// Replaces the state by that of a snapshot; `baseline` is the head's.
    ///
    /// # Errors
    /// When the body is no state of this game. The state is then empty.
    pub fn decode(&mut self, tick: Tick, baseline: Tick, body: &[u8]) -> Result<(), SnapshotError> {
        self.tick = None;
        self.entities.clear();
        let result = self.read_state(tick, baseline, body);
        if result.is_ok() {
            self.tick = Some(tick);
        } else {
            self.entities.clear();
        }
        result
    }

    fn read_state(&mut self, tick: Tick, baseline: Tick, body: &[u8]) -> Result<(), SnapshotError> {
        if baseline != tick {
            return Err(SnapshotError::Baseline { tick: tick.0, baseline: baseline.0 });
        }
        let fields = G::Entity::FIELDS;
        let entity_bytes = entity_bytes(fields);
        // Entities without fields are not sent.
        if !body.len().is_multiple_of(entity_bytes) || (fields.is_empty() && !body.is_empty()) {
            return Err(SnapshotError::Length { bytes: body.len(), entity_bytes });
        }
        let mut values = [0; FIELDS_MAX];
        let values = &mut values[..fields.len()];
        for record in body.chunks_exact(entity_bytes) {
            let (id, mut rest) = record.split_at(ID_BYTES);
            let id = EntityId(u16::from_le_bytes([id[0], id[1]]));
            if self.entities.last().is_some_and(|(last, _)| *last >= id) {
                return Err(SnapshotError::Order(id.0));
            }
            for (field, value) in fields.iter().zip(values.iter_mut()) {
                let (bytes, tail) = rest.split_at(field.bytes());
                rest = tail;
                *value = read_field(field, bytes);
                if !(field.min()..=field.max()).contains(value) {
                    return Err(SnapshotError::Range { field: field.name, entity: id.0, value: *value });
                }
            }
            let entity =
                G::Entity::restore(values).map_err(|cause| SnapshotError::Entity { entity: id.0, cause })?;
            self.entities.push((id, entity));
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

    /// One entity.
    #[must_use]
    pub fn get(&self, id: EntityId) -> Option<&G::Entity> {
        let at = self.entities.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.entities[at].1)
    }

    /// The checksum of this state, computed from what was decoded: equal to the head's when both sides agree.
    /// `scratch` is overwritten.
    #[must_use]
    pub fn checksum(&self, scratch: &mut Vec<u8>) -> u32 {
        scratch.clear();
        write_state(self.entities.len(), self.entities.iter().map(|(id, entity)| (*id, entity)), scratch);
        crc32fast::hash(scratch)
    }
}

/// A little-endian integer of 1 to 4 bytes, its sign extended when the field has one.
fn read_field(field: &Field, bytes: &[u8]) -> i32 {
    let mut wide = [0; 4];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = i32::from_le_bytes(wide);
    let unused = 32 - 8 * bytes.len();
    if field.is_signed() { value << unused >> unused } else { value }
}
