//! Who stands where: a grid over the field, filled anew every tick, for contacts between bodies and for
//! whatever asks "who is near this point".
//!
//! Costs one write per body to fill and looks at the few cells around a question, so a tick stays linear in
//! the number of players. Order is fixed by the slots, so two runs give the same answers.

use glam::Vec3;
use parry3d::math::Pose;
use parry3d::query::details::contact_ball_ball;
use parry3d::shape::Ball;

use crate::rules::{BODY_RADIUS, Yaw};

/// Side of a cell in metres: a few bodies wide.
const CELL: f32 = 2.0;
const NOBODY: u16 = u16::MAX;

const _: () = assert!(CELL > 2.0 * BODY_RADIUS, "a body touches others in at most four cells");

/// Two bodies that overlap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BodyContact {
    /// The lower slot.
    pub(crate) first: u16,
    /// The higher slot.
    pub(crate) second: u16,
    /// Unit vector in the plane from the first to the second.
    pub(crate) normal: Vec3,
    /// How deep they overlap, metres, > 0.
    pub(crate) depth: f32,
}

/// The bodies on the field by place.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    /// Cells along a side.
    cells: usize,
    half_side: f32,
    /// The last slot put into each cell, or `NOBODY`.
    heads: Vec<u16>,
    /// The slot put into the same cell before this one, or `NOBODY`; by slot.
    earlier: Vec<u16>,
    /// By slot; meaningful for the present slots only.
    positions: Vec<Vec3>,
    /// The slots present, in the order they were put in.
    present: Vec<u16>,
}

impl Crowd {
    /// An empty crowd for a field of `side` metres and slots below `slots` (at most 65,535).
    #[must_use]
    pub(crate) fn new(side: f32, slots: u16) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a field has few cells")]
        let cells = (side / CELL).ceil().max(1.0) as usize;
        let slots = usize::from(slots);
        Self {
            cells,
            half_side: side * 0.5,
            heads: vec![NOBODY; cells * cells],
            earlier: vec![NOBODY; slots],
            positions: vec![Vec3::ZERO; slots],
            present: Vec::with_capacity(slots),
        }
    }

    /// Sends everybody away.
    pub(crate) fn clear(&mut self) {
        for slot in self.present.drain(..) {
            let cell = cell_of(self.cells, self.half_side, self.positions[usize::from(slot)]);
            self.heads[cell] = NOBODY;
        }
    }

    /// Puts a body on the field; each slot at most once between two calls of [`Self::clear`].
    pub(crate) fn insert(&mut self, slot: u16, position: Vec3) {
        debug_assert!(!self.present.contains(&slot), "nobody stands in two places");
        let cell = cell_of(self.cells, self.half_side, position);
        self.positions[usize::from(slot)] = position;
        self.earlier[usize::from(slot)] = core::mem::replace(&mut self.heads[cell], slot);
        self.present.push(slot);
    }

    /// Calls `visit(slot, position)` with everybody whose centre lies within `radius` of `point` in the plane.
    pub(crate) fn for_each_within(&self, point: Vec3, radius: f32, mut visit: impl FnMut(u16, Vec3)) {
        let (lanes_x, lanes_z) = (self.lanes(point.x, radius), self.lanes(point.z, radius));
        for column in lanes_x.0..=lanes_x.1 {
            for row in lanes_z.0..=lanes_z.1 {
                let mut slot = self.heads[column * self.cells + row];
                while slot != NOBODY {
                    let position = self.positions[usize::from(slot)];
                    if (position - point).with_y(0.0).length_squared() <= radius * radius {
                        visit(slot, position);
                    }
                    slot = self.earlier[usize::from(slot)];
                }
            }
        }
    }

    /// Calls `on_contact` once for every pair of bodies that overlap.
    pub(crate) fn for_each_contact(&self, mut on_contact: impl FnMut(&BodyContact)) {
        let ball = Ball::new(BODY_RADIUS);
        for &first in &self.present {
            let position = self.positions[usize::from(first)];
            self.for_each_within(position, 2.0 * BODY_RADIUS, |second, other| {
                if second <= first {
                    return;
                }
                let between = Pose::from_translation(other - position);
                let Some(contact) = contact_ball_ball(&between, &ball, &ball, 0.0) else { return };
                if contact.dist < 0.0 {
                    let normal = if other == position { parting(second) } else { contact.normal1 };
                    on_contact(&BodyContact { first, second, normal, depth: -contact.dist });
                }
            });
        }
    }

    fn lanes(&self, coordinate: f32, radius: f32) -> (usize, usize) {
        let lane = |at: f32| lane_of(self.cells, self.half_side, at);
        (lane(coordinate - radius), lane(coordinate + radius))
    }
}

/// Where a body goes that stands in the very place of another: each slot its own way, by the golden angle, so
/// that a heap falls apart to all sides instead of along a line.
fn parting(slot: u16) -> Vec3 {
    const GOLDEN_ANGLE: u16 = 25_033;
    Yaw(slot.wrapping_mul(GOLDEN_ANGLE)).forward()
}

fn cell_of(cells: usize, half_side: f32, position: Vec3) -> usize {
    lane_of(cells, half_side, position.x) * cells + lane_of(cells, half_side, position.z)
}

/// The column or row a coordinate lies in, cut to the field.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates, which is the cut at zero wanted here"
)]
fn lane_of(cells: usize, half_side: f32, coordinate: f32) -> usize {
    (((coordinate + half_side) / CELL) as usize).min(cells - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn crowd_of(positions: &[(f32, f32)]) -> Crowd {
        let mut crowd = Crowd::new(40.0, 64);
        for (slot, &(x, z)) in (0..).zip(positions) {
            crowd.insert(slot, Vec3::new(x, 0.0, z));
        }
        crowd
    }

    #[test]
    fn clearing_leaves_nobody() {
        let mut crowd = crowd_of(&[(0.0, 0.0), (0.1, 0.0), (19.9, -19.9)]);
        crowd.clear();
        crowd.for_each_within(Vec3::ZERO, 100.0, |slot, _| panic!("{slot} is still there"));
        crowd.insert(1, Vec3::X);
        let mut seen = Vec::new();
        crowd.for_each_within(Vec3::ZERO, 5.0, |slot, _| seen.push(slot));
        assert_eq!(seen, [1]);
    }

    #[test]
    fn bodies_at_the_same_point_have_a_direction_to_part() {
        let mut contacts = Vec::new();
        crowd_of(&[(3.0, 3.0), (3.0, 3.0)]).for_each_contact(|contact| contacts.push(*contact));
        assert_eq!(contacts.len(), 1);
        assert!(contacts[0].normal.is_normalized() && contacts[0].normal.y == 0.0, "{contacts:?}");
        assert!((contacts[0].depth - 2.0 * BODY_RADIUS).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_grid_finds_what_trying_every_pair_finds(
            positions in prop::collection::vec((-20.0_f32..20.0, -20.0_f32..20.0), 0..60),
            at in (-22.0_f32..22.0, -22.0_f32..22.0), radius in 0.1_f32..9.0,
        ) {
            let crowd = crowd_of(&positions);
            let distance = |a: (f32, f32), b: (f32, f32)| Vec3::new(a.0 - b.0, 0.0, a.1 - b.1).length();
            let mut near = Vec::new();
            crowd.for_each_within(Vec3::new(at.0, 0.0, at.1), radius, |slot, _| near.push(usize::from(slot)));
            near.sort_unstable();
            let expected: Vec<_> =
                (0..positions.len()).filter(|&slot| distance(positions[slot], at) <= radius).collect();
            prop_assert_eq!(near, expected);

            let mut pairs = Vec::new();
            crowd.for_each_contact(|contact| pairs.push((usize::from(contact.first), usize::from(contact.second))));
            pairs.sort_unstable();
            let all = (0..positions.len()).flat_map(|a| (a + 1..positions.len()).map(move |b| (a, b)));
            let touching = |&(a, b): &(usize, usize)| distance(positions[a], positions[b]) < 2.0 * BODY_RADIUS;
            prop_assert_eq!(pairs, all.filter(touching).collect::<Vec<_>>());
        }
    }
}
