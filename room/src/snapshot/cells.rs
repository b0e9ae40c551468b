//! Cells as clients have them: shared by all states that contain the same, and found again by the bytes they came
//! from.

use std::cell;
use std::collections::VecDeque;
use std::rc::Rc;

use tickring_protocol::ids::Tick;

use super::SnapshotError;
use super::bits::BitReader;
use super::frame::checksum;
use super::grid::CellId;
use super::reading::{Columns, Scratch};
use crate::Field;

/// Blocks of a cell that are found again. Two or three different ones come per snapshot, so connections that are
/// less than half a second apart find each other's.
const KNOWN_MAX: usize = 32;

/// What is in a cell. It never changes while more than one state has it.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) entities: Columns,
    /// Computed when it is first asked for.
    checksum: cell::Cell<Option<u32>>,
}

impl PartialEq for Contents {
    fn eq(&self, other: &Self) -> bool {
        self.entities == other.entities
    }
}

impl Contents {
    /// CRC-32 of the cell. `scratch` is overwritten.
    pub(super) fn checksum(&self, fields: &[Field], scratch: &mut Vec<u8>) -> u32 {
        let checksum =
            self.checksum.get().unwrap_or_else(|| checksum(self.entities.state(), fields, scratch));
        self.checksum.set(Some(checksum));
        checksum
    }
}

/// Decoded cells, for the states of many connections to one room: a block that comes again for the same cell is
/// compared, not read. Memory of cells that nobody has any more is used again.
#[derive(Debug, Default)]
pub struct SharedCells {
    /// By cell, oldest first. Empty where nothing is shared.
    known: Vec<VecDeque<Known>>,
    is_sharing: bool,
    spare: Vec<Rc<Contents>>,
    spare_bytes: Vec<Vec<u8>>,
    scratch: Scratch,
    reads: u64,
}

/// A block that was read.
#[derive(Debug)]
struct Known {
    tick: Tick,
    kind: u8,
    /// What it was a delta to.
    then: Option<Rc<Contents>>,
    bytes: Vec<u8>,
    now: Option<Rc<Contents>>,
}

/// A block: where it belongs, and what it is a delta to.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) tick: Tick,
    pub(super) cell: CellId,
    pub(super) kind: u8,
    pub(super) then: Option<&'a Rc<Contents>>,
}

impl SharedCells {
    /// For the states of several connections.
    #[must_use]
    pub fn new() -> Self {
        Self { is_sharing: true, ..Self::default() }
    }

    /// Blocks that were read rather than found.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// What a cell becomes with the block at the beginning of `bytes`, `None` when it is empty then, and what follows
    /// the block.
    pub(super) fn read<'a>(
        &mut self,
        block: Block<'_>,
        fields: &[Field],
        bytes: &'a [u8],
    ) -> Result<(Option<Rc<Contents>>, &'a [u8]), SnapshotError> {
        let known = self.known.get(usize::from(block.cell)).into_iter().flatten();
        if let Some(found) = known.rev().find(|known| known.is(block, bytes)) {
            return Ok((found.now.clone(), &bytes[found.bytes.len()..]));
        }
        self.reads += 1;
        let mut bits = BitReader::new(bytes);
        let nothing = Columns::default();
        let then = block.then.map_or(&nothing, |then| &then.entities);
        self.scratch.read(&mut bits, then, block.kind, fields, block.cell)?;
        let rest = bits.finish();
        let now = (!self.scratch.next.ids.is_empty()).then(|| {
            if let Some(same) = self.same(block) {
                return same;
            }
            let mut now = self.spare.pop().unwrap_or_default();
            let contents = Rc::get_mut(&mut now).expect("nobody has what is spare");
            std::mem::swap(&mut contents.entities, &mut self.scratch.next);
            contents.checksum.set(None);
            now
        });
        if self.is_sharing {
            self.remember(block, &bytes[..bytes.len() - rest.len()], now.clone());
        }
        Ok((now, rest))
    }

    /// What was just read, if the cell came to be that by another block already: from then on all share again.
    fn same(&self, block: Block<'_>) -> Option<Rc<Contents>> {
        let known = self.known.get(usize::from(block.cell)).into_iter().flatten();
        let of_now = known.rev().take_while(|known| known.tick == block.tick);
        let same =
            of_now.filter_map(|known| known.now.as_ref()).find(|now| now.entities == self.scratch.next);
        same.cloned()
    }

    fn remember(&mut self, block: Block<'_>, bytes: &[u8], now: Option<Rc<Contents>>) {
        let cell = usize::from(block.cell);
        if self.known.len() <= cell {
            self.known.resize_with(cell + 1, VecDeque::new);
        }
        if self.known[cell].len() == KNOWN_MAX
            && let Some(old) = self.known[cell].pop_front()
        {
            self.spare_bytes.push(old.bytes);
            old.then.into_iter().chain(old.now).for_each(|contents| self.give_back(contents));
        }
        let mut kept = self.spare_bytes.pop().unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(bytes);
        let then = block.then.cloned();
        self.known[cell].push_back(Known { tick: block.tick, kind: block.kind, then, bytes: kept, now });
    }

    /// A state is done with a cell. The last one to have it gives its memory back.
    pub(super) fn give_back(&mut self, contents: Rc<Contents>) {
        if Rc::strong_count(&contents) == 1 {
            self.spare.push(contents);
        }
    }
}

impl Known {
    fn is(&self, block: Block<'_>, bytes: &[u8]) -> bool {
        let is_delta_to = match (&self.then, block.then) {
            (None, None) => true,
            (Some(one), Some(other)) => Rc::ptr_eq(one, other),
            _ => false,
        };
        (self.tick, self.kind) == (block.tick, block.kind) && is_delta_to && bytes.starts_with(&self.bytes)
    }
}
