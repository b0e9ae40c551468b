//! Which walls stand where: a static grid over the field, in compressed rows.
//!
//! Invariant: a wall is listed in every cell its rectangle touches; walls beyond the field are listed in the
//! cells at its edge, and so are queries, so the border behaves like any other wall.

use glam::Vec3;

use super::Wall;

/// Side of a cell in metres.
const CELL: f32 = 4.0;
/// A hit this little beyond a cell still belongs to it: the walk and the ray round differently.
const SLACK: f32 = 1e-3;

#[derive(Clone, Debug)]
pub(super) struct WallGrid {
    /// Cells along a side.
    cells: usize,
    half_side: f32,
    /// Where each cell's walls begin in `walls`; one more entry ends the last.
    starts: Vec<u32>,
    walls: Vec<u16>,
}

impl WallGrid {
    pub(super) fn new(side: f32, walls: &[Wall]) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a field has few cells")]
        let cells = (side / CELL).ceil().max(1.0) as usize;
        let mut grid =
            Self { cells, half_side: side * 0.5, starts: vec![0; cells * cells + 1], walls: Vec::new() };
        let mut by_cell = vec![Vec::new(); cells * cells];
        for (index, wall) in walls.iter().enumerate() {
            let index = u16::try_from(index).expect("a field has fewer than 65,536 walls");
            grid.for_each_cell(wall.low(), wall.high(), |cell| by_cell[cell].push(index));
        }
        for (cell, listed) in by_cell.into_iter().enumerate() {
            grid.walls.extend(listed);
            grid.starts[cell + 1] = u32::try_from(grid.walls.len()).expect("lists are short");
        }
        grid
    }

    /// Calls `visit` with every wall that may be within `radius` of `centre`, some more than once.
    pub(super) fn for_each_near(&self, centre: Vec3, radius: f32, mut visit: impl FnMut(usize)) {
        let reach = Vec3::splat(radius);
        self.for_each_cell(centre - reach, centre + reach, |cell| {
            self.in_cell(cell).iter().for_each(|&wall| visit(usize::from(wall)));
        });
    }

    /// The nearest hit along a ray, walking only the cells it crosses (Amanatides and Woo, 1987).
    ///
    /// `hit` answers how far the ray gets before it meets a wall, `None` beyond the limit it is given.
    pub(super) fn cast(
        &self,
        origin: Vec3,
        direction: Vec3,
        distance_max: f32,
        hit: impl Fn(usize, f32) -> Option<f32>,
    ) -> Option<f32> {
        let mut walk = Walk::new(self, origin, direction);
        let mut nearest: Option<f32> = None;
        loop {
            let leaves_at = walk.leaves_at();
            for &wall in self.in_cell(walk.column * self.cells + walk.row) {
                let limit = nearest.unwrap_or(distance_max);
                nearest = hit(usize::from(wall), limit).or(nearest);
            }
            if nearest.is_some_and(|distance| distance <= leaves_at + SLACK)
                || leaves_at >= distance_max
                || !walk.next(self.cells)
            {
                return nearest;
            }
        }
    }

    fn in_cell(&self, cell: usize) -> &[u16] {
        &self.walls[self.starts[cell] as usize..self.starts[cell + 1] as usize]
    }

    fn for_each_cell(&self, low: Vec3, high: Vec3, mut visit: impl FnMut(usize)) {
        let rows = self.lane(low.z)..=self.lane(high.z);
        for column in self.lane(low.x)..=self.lane(high.x) {
            for row in rows.clone() {
                visit(column * self.cells + row);
            }
        }
    }

    /// The column or row a coordinate lies in, cut to the field.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float to integer cast saturates, which is the cut at zero wanted here"
    )]
    fn lane(&self, coordinate: f32) -> usize {
        (((coordinate + self.half_side) / CELL) as usize).min(self.cells - 1)
    }
}

/// The cells a ray crosses, one after the other.
struct Walk {
    column: usize,
    row: usize,
    x: Axis,
    z: Axis,
}

/// One axis of a walk: where along the ray the next border between two cells lies.
struct Axis {
    forward: bool,
    /// Distance along the ray to the next border; infinite when the ray runs along it.
    next: f32,
    /// Distance along the ray from border to border.
    step: f32,
}

impl Axis {
    fn new(from_edge: f32, lane: usize, direction: f32) -> Self {
        let forward = direction > 0.0;
        if direction == 0.0 {
            return Self { forward, next: f32::INFINITY, step: f32::INFINITY };
        }
        #[expect(clippy::cast_precision_loss, reason = "lanes are few")]
        let border = (lane + usize::from(forward)) as f32 * CELL;
        Self { forward, next: (border - from_edge) / direction, step: CELL / direction.abs() }
    }

    /// Steps over the next border; `false` at the edge of the field.
    fn advance(&mut self, lane: &mut usize, lanes: usize) -> bool {
        self.next += self.step;
        let beyond =
            if self.forward { Some(*lane + 1).filter(|&next| next < lanes) } else { lane.checked_sub(1) };
        match beyond {
            Some(next) => {
                *lane = next;
                true
            }
            None => false,
        }
    }
}

impl Walk {
    fn new(grid: &WallGrid, origin: Vec3, direction: Vec3) -> Self {
        let (column, row) = (grid.lane(origin.x), grid.lane(origin.z));
        Self {
            column,
            row,
            x: Axis::new(origin.x + grid.half_side, column, direction.x),
            z: Axis::new(origin.z + grid.half_side, row, direction.z),
        }
    }

    /// Distance along the ray at which it leaves the present cell.
    fn leaves_at(&self) -> f32 {
        self.x.next.min(self.z.next)
    }

    fn next(&mut self, lanes: usize) -> bool {
        if self.x.next < self.z.next {
            self.x.advance(&mut self.column, lanes)
        } else {
            self.z.advance(&mut self.row, lanes)
        }
    }
}
