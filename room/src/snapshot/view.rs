//! What one player sees and has been sent.

use std::ops::Range;

use super::encoder::Part;
use super::grid::{CellId, Grid};

/// The cells a player sees, and which state of each its connection has been sent.
///
/// The connection is ordered and reliable, so what was sent is what the client has: a delta is made to that. What
/// was prepared last counts as sent unless the caller says that it was replaced before it left.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// What the client has, by rising cell.
    pub(super) sent: Vec<Held>,
    /// What it has once the snapshot prepared last has been sent, by rising cell.
    pub(super) next: Vec<Held>,
    /// The snapshot prepared last.
    pub(super) parts: Vec<Part>,
    /// What it could be made of.
    pub(super) offers: Vec<Offer>,
    /// Cells in sight, rising.
    pub(super) sees: Vec<CellId>,
    saw: Vec<CellId>,
    /// The cell the player is in, and how many cells there were when it looked about.
    own: Option<CellId>,
    cells: usize,
}

/// A cell as the client has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) cell: CellId,
    /// Of the snapshot it was sent with.
    pub(super) number: u32,
    /// Without entities then, or wanted since then but never sent.
    pub(super) is_empty: bool,
}

/// A cell that could be sent now.
#[derive(Debug)]
pub(super) struct Offer {
    /// What the client has of it.
    pub(super) before: Option<Held>,
    /// What it would have.
    pub(super) now: Held,
    pub(super) block: Range<usize>,
    /// Snapshots since it was sent last.
    pub(super) waited: usize,
}

impl View {
    /// Settles what became of the snapshot prepared last.
    pub(super) fn settle(&mut self, replaced: bool) {
        if !replaced {
            std::mem::swap(&mut self.sent, &mut self.next);
        }
        self.next.clear();
        self.parts.clear();
        self.offers.clear();
    }

    /// Finds the cells in sight of the player's cell. Who is nowhere stays where it was, and who was never anywhere
    /// sees everything.
    pub(super) fn look(&mut self, grid: &Grid, own: Option<CellId>) {
        let own = own.or(self.own);
        if own == self.own && grid.len() == self.cells {
            return;
        }
        (self.own, self.cells) = (own, grid.len());
        std::mem::swap(&mut self.sees, &mut self.saw);
        grid.see(own, &self.saw, &mut self.sees);
    }

    /// Takes as many of the offers as fit into `bytes_max`: the own cell always, then by how long they have waited
    /// and how near they are. What is put off stays as the client has it; an entity that went from a cell that is sent
    /// to one that is put off is out of sight until that one comes.
    pub(super) fn choose(&mut self, grid: &Grid, bytes_max: usize) {
        let all: usize = self.offers.iter().map(|offer| offer.block.len()).sum();
        if all > bytes_max
            && let Some(own) = self.own
        {
            let urgency = |offer: &Offer| {
                #[expect(clippy::cast_precision_loss, reason = "an order needs no precision")]
                let waited = offer.waited.min(1_000) as f32;
                let cells_away = grid.cells_between(own, offer.now.cell);
                if cells_away == 0 { f32::INFINITY } else { waited / f32::from(cells_away) }
            };
            // A stable sort: equals keep the order of their cells.
            self.offers.sort_by(|one, other| urgency(other).total_cmp(&urgency(one)));
        }
        let mut left = bytes_max;
        for (rank, offer) in self.offers.drain(..).enumerate() {
            if rank == 0 || offer.block.len() <= left {
                left = left.saturating_sub(offer.block.len());
                self.next.push(offer.now);
                self.parts.push(Part::Block(offer.block));
            } else {
                // What the client never had is remembered too, for how long it has waited.
                self.next.push(offer.before.unwrap_or(Held { is_empty: true, ..offer.now }));
            }
        }
        self.next.sort_unstable_by_key(|held| held.cell);
    }
}
