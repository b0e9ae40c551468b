//! Who is near whom: the field cut into square cells.
//!
//! Cells are numbered as they are first entered, so that numbers stay small on the wire. An entity that walks
//! along a border does not change cells all the time: it must be a tenth of a cell beyond it.

use std::collections::BTreeMap;

use glam::Vec3;

use crate::Interest;

/// Number of a cell; the index into the lists of cells.
pub(crate) type CellId = u16;

/// How far beyond its border an entity still counts as inside, in cells.
const BORDER: f32 = 0.1;
/// What is seen is given up this much farther away than it is taken up.
const HYSTERESIS: f32 = 1.2;
/// Cells from the origin to the edge of the grid, in each direction. Everything beyond is in the last cell.
const EDGE: i16 = 127;

/// Column and row of a cell.
type Place = (i16, i16);

/// The cells of one room.
#[derive(Debug)]
pub(super) struct Grid {
    interest: Option<Interest>,
    places: Vec<Place>,
    by_place: BTreeMap<Place, CellId>,
}

impl Grid {
    /// Without `interest` there is one cell, and everybody sees it.
    pub(super) fn new(interest: Option<Interest>) -> Self {
        let (places, by_place) = match interest {
            Some(_) => (Vec::new(), BTreeMap::new()),
            None => (vec![(0, 0)], BTreeMap::from([((0, 0), 0)])),
        };
        Self { interest, places, by_place }
    }

    /// Whether there may be more than one cell.
    pub(super) fn is_cut(&self) -> bool {
        self.interest.is_some()
    }

    /// Cells so far.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The cell of an entity that was in `before`.
    pub(super) fn cell_of(&mut self, position: Vec3, before: Option<CellId>) -> CellId {
        let Some(interest) = self.interest else { return 0 };
        let (x, z) = (position.x / interest.cell, position.z / interest.cell);
        if let Some(before) = before {
            let (column, row) = self.places[usize::from(before)];
            let inside = |at: f32, cell: i16| (at - f32::from(cell) - 0.5).abs() <= 0.5 + BORDER;
            if inside(x, column) && inside(z, row) {
                return before;
            }
        }
        let place = (index(x), index(z));
        *self.by_place.entry(place).or_insert_with(|| {
            self.places.push(place);
            CellId::try_from(self.places.len() - 1).expect("the grid has fewer than 65,536 cells")
        })
    }

    /// How many cells the one is away from the other, along the longer side.
    pub(super) fn cells_between(&self, one: CellId, other: CellId) -> u16 {
        let (one, other) = (self.places[usize::from(one)], self.places[usize::from(other)]);
        one.0.abs_diff(other.0).max(one.1.abs_diff(other.1))
    }

    /// What a player in the cell `own` sees, by rising number, when it saw `saw` (rising too) before. Who is in no
    /// cell sees all.
    pub(super) fn see(&self, own: Option<CellId>, saw: &[CellId], out: &mut Vec<CellId>) {
        out.clear();
        let cells = 0..CellId::try_from(self.places.len()).expect("the grid has fewer than 65,536 cells");
        let (Some(interest), Some(own)) = (self.interest, own) else {
            out.extend(cells);
            return;
        };
        let own = self.places[usize::from(own)];
        // From the nearest point of the one cell to that of the other, where both may be beyond their borders.
        let between = |one: i16, other: i16| f32::from(one.abs_diff(other)) - 1.0 - 2.0 * BORDER;
        let gap = |one: i16, other: i16| between(one, other).max(0.0) * interest.cell;
        out.extend(cells.filter(|cell| {
            let place = self.places[usize::from(*cell)];
            let distance = gap(own.0, place.0).hypot(gap(own.1, place.1));
            distance <= interest.radius
                || (distance <= interest.radius * HYSTERESIS && saw.binary_search(cell).is_ok())
        }));
    }
}

fn index(at: f32) -> i16 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates and turns NaN into 0: wanted"
    )]
    let index = at.floor() as i16;
    index.clamp(-EDGE, EDGE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Two who walk about, each in and out of cells by its own way, see each other whenever they are near.
        #[test]
        fn whoever_is_nearer_than_the_radius_is_in_sight(
            cell in 1.0_f32..40.0, radius_cells in 0.5_f32..4.0,
            steps in prop::collection::vec((-0.3_f32..0.3, -0.05_f32..0.05, any::<bool>()), 1..400),
        ) {
            let radius = radius_cells * cell;
            let mut grid = Grid::new(Some(Interest { cell, radius }));
            let mut places = [Vec3::ZERO, Vec3::new(radius, 0.0, 0.0)];
            let mut cells: [Option<CellId>; 2] = [None; 2];
            let mut sees = Vec::new();
            for (x, z, first) in steps {
                places[usize::from(first)] += Vec3::new(x, 0.0, z) * cell;
                for (place, cell) in places.iter().zip(&mut cells) {
                    *cell = Some(grid.cell_of(*place, *cell));
                }
                grid.see(cells[0], &[], &mut sees);
                if places[0].distance(places[1]) <= radius {
                    prop_assert!(sees.contains(&cells[1].expect("it was just found")), "{places:?}");
                }
            }
        }
    }

    #[test]
    fn two_beyond_the_borders_of_their_cells_are_nearer_than_the_cells() {
        let mut grid = Grid::new(Some(Interest { cell: 10.0, radius: 18.5 }));
        let (mut one, mut other) = (None, None);
        for step in [0.0, 5.9] {
            one = Some(grid.cell_of(Vec3::X * (5.0 + step), one));
            other = Some(grid.cell_of(Vec3::X * (35.0 - step), other));
        }
        let mut sees = Vec::new();
        grid.see(one, &[], &mut sees);
        assert_eq!(sees, [one.unwrap(), other.unwrap()], "18.2 m away");
    }

    fn grid() -> Grid {
        Grid::new(Some(Interest { cell: 10.0, radius: 20.0 }))
    }

    #[test]
    fn a_walk_along_a_border_stays_in_one_cell() {
        let mut grid = grid();
        let cell = grid.cell_of(Vec3::new(9.0, 0.0, 5.0), None);
        assert_eq!(grid.cell_of(Vec3::new(10.9, 0.0, 5.0), Some(cell)), cell);
        let next = grid.cell_of(Vec3::new(11.1, 0.0, 5.0), Some(cell));
        assert_ne!(next, cell);
        assert_eq!(grid.cell_of(Vec3::new(9.1, 0.0, 5.0), Some(next)), next);
        assert_eq!(grid.cell_of(Vec3::new(8.9, 0.0, 5.0), Some(next)), cell);
        assert_eq!(grid.len(), 2);
    }

    #[test]
    fn what_was_seen_stays_seen_a_little_longer() {
        let mut grid = grid();
        let cells: Vec<CellId> =
            (0u8..8).map(|n| grid.cell_of(Vec3::new(f32::from(n) * 10.0 + 5.0, 0.0, 0.0), None)).collect();
        let mut out = Vec::new();
        grid.see(Some(cells[0]), &[], &mut out);
        assert_eq!(out, cells[..4], "up to 20 m between the nearest points");
        grid.see(Some(cells[0]), &cells, &mut out);
        assert_eq!(out, cells[..4], "24 m is not reached by the next cell, 30 m away");
        let mut fine = Grid::new(Some(Interest { cell: 4.0, radius: 20.0 }));
        let cells: Vec<CellId> =
            (0u8..10).map(|n| fine.cell_of(Vec3::new(f32::from(n) * 4.0 + 2.0, 0.0, 0.0), None)).collect();
        fine.see(Some(cells[0]), &[], &mut out);
        assert_eq!(out.len(), 7);
        fine.see(Some(cells[0]), &cells, &mut out);
        assert_eq!(out.len(), 8);
    }

    #[test]
    fn odd_positions_have_a_cell() {
        let mut grid = grid();
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            let cell = grid.cell_of(Vec3::splat(odd), None);
            grid.cell_of(Vec3::splat(odd), Some(cell));
        }
        let everywhere = Grid::new(None).cell_of(Vec3::splat(1e9), None);
        assert_eq!(everywhere, 0);
    }
}
