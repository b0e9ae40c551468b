//! What each player is sent: blocks that are made once per tick and shared.

use std::collections::VecDeque;
use std::ops::Range;

use tickring_protocol::ids::{EntityId, Tick};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, INPUT_SLACK_NONE, SnapshotHead};

use super::block::{Scratch, forget_bytes, write_block, write_forget};
use super::frame::{CellState, Frame, Gathered, checksum};
use super::grid::{CellId, Grid};
use super::view::{Held, Offer, View};
use super::{DEPTH, FIELDS_MAX, KEYFRAME, NUMBER_BYTES};
use crate::{Field, Game, Interest, ReceivedState, Relief, Replicated, World};

/// The snapshots of the last [`DEPTH`] snapshot ticks, and the blocks made of the newest.
#[derive(Debug)]
pub(crate) struct Encoder {
    grid: Grid,
    /// Newest last.
    frames: VecDeque<Frame>,
    tick: Tick,
    /// Snapshots so far, wrapping; the low byte goes to the readers.
    number: u32,
    fields: &'static [Field],
    blocks: Blocks,
    gathered: Gathered,
    /// Cells put off so far.
    put_off: u64,
    /// Checksums of the newest frame's cells, as far as they were asked for.
    checksums: Vec<Option<u32>>,
    relief: Relief,
    /// Snapshots that lacked something only because it was far.
    thinned: u64,
}

/// Blocks of the newest frame, each made when it is first needed.
#[derive(Debug, Default)]
struct Blocks {
    bytes: Vec<u8>,
    /// By cell: kind and place in `bytes`.
    made: Vec<Vec<(u8, Range<usize>)>>,
    count: u64,
    /// How often one was needed.
    needed: u64,
    scratch: Scratch,
    checked: Vec<u8>,
}

/// What one player gets of the newest frame.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// A shared block of a cell, by its place.
    Block(CellId, Range<usize>),
    /// The cell is out of sight.
    Forget(CellId),
}

impl Encoder {
    pub(crate) fn new<G: Game>(interest: Option<Interest>) -> Self {
        const { assert!(G::Entity::FIELDS.len() <= FIELDS_MAX, "an entity has at most 32 fields") };
        Self {
            grid: Grid::new(interest),
            frames: VecDeque::with_capacity(DEPTH),
            tick: Tick(0),
            number: 0,
            fields: G::Entity::FIELDS,
            blocks: Blocks::default(),
            gathered: Gathered::default(),
            put_off: 0,
            checksums: Vec::new(),
            relief: Relief::NONE,
            thinned: 0,
        }
    }

    /// What to leave out from now on.
    pub(crate) fn relieve(&mut self, relief: Relief) {
        self.relief = relief;
    }

    /// Takes the state of a tick as the newest.
    pub(crate) fn encode<G: Game>(&mut self, tick: Tick, world: &World<G>) {
        self.gathered.take_world(world, self.frames.back(), &mut self.grid);
        self.push(tick);
    }

    /// Takes a state that was received from another encoder as the newest.
    pub(crate) fn encode_received<G: Game>(&mut self, tick: Tick, state: &ReceivedState<G>) {
        self.gathered.take_received(state);
        self.push(tick);
    }

    /// Makes what was gathered the newest frame.
    fn push(&mut self, tick: Tick) {
        let mut frame =
            if self.frames.len() == DEPTH { self.frames.pop_front() } else { None }.unwrap_or_default();
        frame.fill(&self.gathered, self.grid.len(), self.frames.back(), self.fields);
        self.frames.push_back(frame);
        self.tick = tick;
        self.number = self.number.wrapping_add(1);
        self.blocks.clear(self.grid.len());
        self.checksums.clear();
        self.checksums.resize(self.grid.len(), None);
    }

    /// Number of the newest snapshot, wrapping; 0 before the first.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Blocks made so far.
    pub(crate) fn blocks_made(&self) -> u64 {
        self.blocks.count
    }

    /// Blocks that readers needed so far: as many would be made if they were not shared.
    pub(crate) fn blocks_needed(&self) -> u64 {
        self.blocks.needed
    }

    /// Cells with news that had to wait so far, their readers' budgets being spent.
    pub(crate) fn put_off(&self) -> u64 {
        self.put_off
    }

    /// Snapshots so far that lacked something only because it was far.
    pub(crate) fn thinned(&self) -> u64 {
        self.thinned
    }

    /// Decides what a player with this entity gets of the newest state in about `bytes_max` bytes, and returns how
    /// many bytes [`Encoder::write_body`] will append. `replaced`: what was prepared last was never sent.
    pub(crate) fn prepare(
        &mut self,
        view: &mut View,
        entity: Option<EntityId>,
        replaced: bool,
        bytes_max: usize,
    ) -> usize {
        if self.fields.is_empty() {
            return 0;
        }
        let newest = self.frames.back().expect("a state was encoded");
        view.settle(replaced);
        view.look(&self.grid, entity.and_then(|entity| newest.cell_of(entity)));
        let mut held = view.sent.iter().copied().peekable();
        let mut thinned = false;
        for &cell in &view.sees {
            while let Some(gone) = held.next_if(|held| held.cell < cell) {
                view.parts.extend(forget(gone));
            }
            let before = held.next_if(|held| held.cell == cell);
            let had = before.filter(|held| !held.is_empty);
            let is_empty = newest.is_empty(cell);
            if had.is_none() && is_empty {
                view.next.push(Held { cell, number: self.number, is_empty });
                continue;
            }
            // Whoever has it can do with what it has for a while. By its number, so that all who see a cell from afar
            // wait for the same block, and not all cells for the same snapshot.
            if let Some(before) = had
                && !self.number.wrapping_add(cell.into()).is_multiple_of(self.relief.far_every.into())
                && view.is_far(&self.grid, cell)
            {
                view.next.push(before);
                thinned = true;
                continue;
            }
            let since = |held: Held| self.number.wrapping_sub(held.number) as usize;
            let kind = had.map(since).filter(|ago| *ago < self.frames.len());
            let kind = kind.map_or(KEYFRAME, |ago| u8::try_from(ago).expect("a depth is less than 32"));
            let block = self.blocks.block(&self.frames, self.fields, cell, kind);
            let now = Held { cell, number: self.number, is_empty };
            let waited = before.map_or(1, since);
            view.offers.push(Offer { before, now, block, waited });
        }
        view.parts.extend(held.filter_map(forget));
        self.thinned += u64::from(thinned);
        self.put_off += view.choose(&self.grid, bytes_max);
        NUMBER_BYTES + view.parts.iter().map(Part::bytes).sum::<usize>()
    }

    /// Appends what was prepared for a player, if it was prepared of the newest state.
    pub(crate) fn write_body(&self, view: &View, out: &mut Vec<u8>) {
        if self.fields.is_empty() {
            return;
        }
        out.push(self.number.to_le_bytes()[0]);
        for part in &view.parts {
            match part {
                Part::Block(_, range) => out.extend_from_slice(&self.blocks.bytes[range.clone()]),
                Part::Forget(cell) => write_forget(*cell, out),
            }
        }
    }

    /// The head of what was prepared, as for somebody without inputs and private block.
    pub(crate) fn head(&mut self, view: &View, features: u32, dropped: u16) -> SnapshotHead {
        let with_checksum = features & FEATURE_STATE_CHECKSUM != 0;
        SnapshotHead {
            tick: self.tick.0,
            last_input: 0,
            input_slack: INPUT_SLACK_NONE,
            time_dilation: self.relief.time_dilation,
            dropped,
            checksum: if with_checksum { self.checksum(view) } else { 0 },
            private_bytes: 0,
        }
    }

    /// The checksum of all that a player has when it gets what was prepared: the sum of the cells' CRC-32, or 0
    /// when some of it is older.
    fn checksum(&mut self, view: &View) -> u32 {
        let newest = self.frames.back().expect("a state was encoded");
        let mut sum = 0_u32;
        for held in &view.next {
            if held.number != self.number {
                return 0;
            }
            let known = &mut self.checksums[usize::from(held.cell)];
            let cell = *known.get_or_insert_with(|| {
                checksum(newest.cell(held.cell, self.fields.len()), self.fields, &mut self.blocks.checked)
            });
            sum = sum.wrapping_add(cell);
        }
        sum
    }
}

/// What a reader must be told of a cell that it does not see any more.
fn forget(held: Held) -> Option<Part> {
    (!held.is_empty).then_some(Part::Forget(held.cell))
}

impl Part {
    pub(super) fn cell(&self) -> CellId {
        match self {
            Self::Block(cell, _) | Self::Forget(cell) => *cell,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Block(_, range) => range.len(),
            Self::Forget(cell) => forget_bytes(*cell),
        }
    }
}

impl Blocks {
    fn clear(&mut self, cells: usize) {
        self.bytes.clear();
        self.made.iter_mut().for_each(Vec::clear);
        self.made.resize_with(cells, Vec::new);
    }

    /// The block of a cell of the newest frame, to what was sent `kind` snapshots before.
    fn block(
        &mut self,
        frames: &VecDeque<Frame>,
        fields: &'static [Field],
        cell: CellId,
        kind: u8,
    ) -> Range<usize> {
        self.needed += 1;
        let made = &mut self.made[usize::from(cell)];
        if let Some((_, range)) = made.iter().find(|(of, _)| *of == kind) {
            return range.clone();
        }
        let newest = frames.len() - 1;
        let now = frames[newest].cell(cell, fields.len());
        let then = match kind {
            KEYFRAME => CellState::default(),
            ago => frames[newest - usize::from(ago)].cell(cell, fields.len()),
        };
        let start = self.bytes.len();
        write_block(cell, kind, then, now, fields, &mut self.scratch, &mut self.bytes);
        self.count += 1;
        let range = start..self.bytes.len();
        made.push((kind, range.clone()));
        range
    }
}
