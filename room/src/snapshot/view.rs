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
    /// The snapshot prepared last, by rising cell.
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

    /// Whether a cell is neither the player's own nor next to it. For who is nowhere every cell is.
    pub(super) fn is_far(&self, grid: &Grid, cell: CellId) -> bool {
        grid.is_cut() && self.own.is_none_or(|own| grid.cells_between(own, cell) > 1)
    }

    /// Takes as many of the offers as fit into `bytes_max`: the own cell always, then by how long they have waited
    /// and how near they are. What is put off stays as the client has it; an entity that went from a cell that is sent
    /// to one that is put off is out of sight until that one comes. Returns how many are.
    pub(super) fn choose(&mut self, grid: &Grid, bytes_max: usize) -> u64 {
        let all: usize = self.offers.iter().map(|offer| offer.block.len()).sum();
        if all > bytes_max {
            // For who is nowhere, everything is equally far.
            let cells_away =
                |offer: &Offer| self.own.map_or(1, |own| grid.cells_between(own, offer.now.cell));
            let urgency = |offer: &Offer| {
                #[expect(clippy::cast_precision_loss, reason = "an order needs no precision")]
                let waited = offer.waited.min(1_000) as f32;
                match cells_away(offer) {
                    0 => f32::INFINITY,
                    cells => waited / f32::from(cells),
                }
            };
            // A stable sort: equals keep the order of their cells.
            self.offers.sort_by(|one, other| urgency(other).total_cmp(&urgency(one)));
        }
        let (mut left, mut put_off) = (bytes_max, 0);
        for (rank, offer) in self.offers.drain(..).enumerate() {
            if rank == 0 || offer.block.len() <= left {
                left = left.saturating_sub(offer.block.len());
                self.next.push(offer.now);
                self.parts.push(Part::Block(offer.now.cell, offer.block));
            } else {
                // What the client never had is remembered too, as what it had not the last time: it has waited once.
                let never = Held { number: offer.now.number.wrapping_sub(1), is_empty: true, ..offer.now };
                self.next.push(offer.before.unwrap_or(never));
                put_off += 1;
            }
        }
        self.next.sort_unstable_by_key(|held| held.cell);
        self.parts.sort_unstable_by_key(Part::cell);
        put_off
    }
}

#[cfg(test)]
mod tests {
    use glam::Vec3;

    use super::*;
    use crate::Interest;

    /// Somebody without a place is no nearer to one cell than to another: a budget that binds goes round.
    #[test]
    fn whoever_looks_from_nowhere_is_sent_everything_in_turn() {
        const CELLS: u16 = 6;
        const BLOCK: usize = 10;
        let mut grid = Grid::new(Some(Interest { cell: 10.0, radius: 10.0 }));
        for cell in 0..CELLS {
            grid.cell_of(Vec3::new(f32::from(cell) * 10.0 + 5.0, 0.0, 5.0), None);
        }
        let mut view = View::default();
        view.look(&grid, None);
        let mut times_sent = [0; CELLS as usize];
        for number in 1..=12_u32 {
            view.settle(false);
            for cell in 0..CELLS {
                let before = view.sent.iter().find(|held| held.cell == cell).copied();
                let waited = before.map_or(1, |held| number - held.number);
                view.offers.push(Offer {
                    before,
                    now: Held { cell, number, is_empty: false },
                    block: 0..BLOCK,
                    waited: usize::try_from(waited).expect("a small number"),
                });
            }
            assert_eq!(view.choose(&grid, 2 * BLOCK), u64::from(CELLS) - 2);
            for held in view.next.iter().filter(|held| held.number == number && !held.is_empty) {
                times_sent[usize::from(held.cell)] += 1;
            }
        }
        assert_eq!(times_sent, [4; CELLS as usize]);
    }
}
