//! Where a target can cross and a shooter see it.

use glam::Vec3;

use crate::map::{Map, PLOT, PickUpKind};
use crate::rules::{BODY_HEIGHT, EYE_HEIGHT, is_free};

/// A straight free lane along z with a place beside it from which its middle is in sight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lane {
    /// The middle of the lane, on the ground.
    pub middle: Vec3,
    /// Where to shoot from.
    pub spot: Vec3,
}

impl Lane {
    /// How far the lane goes to either side of its middle, metres.
    pub const RUN: f32 = 7.5;
    /// How far the window goes to either side of the middle. Between here and the lane's end a runner at full
    /// speed is for 0.7 s.
    pub const WINDOW: f32 = 2.5;

    /// The lane of a generated map: beside ammunition if there is such a place, and the same for everybody.
    /// `None` when walls hide all of them.
    #[must_use]
    pub fn find(map: &Map) -> Option<Self> {
        let ammunition = map.pick_ups().iter().filter(|place| place.kind == PickUpKind::Ammo);
        let anywhere = map.spawns().iter().map(|corner| *corner + Vec3::Z * (PLOT * 0.5));
        let mut lanes = ammunition
            .map(|place| place.position)
            .chain(anywhere)
            .flat_map(|spot| [-PLOT, PLOT].map(|aside| Self { spot, middle: spot + Vec3::X * aside }));
        lanes.find(|lane| lane.is_usable(map))
    }

    /// Whether a body can run all of the lane and its middle is seen from the spot.
    fn is_usable(&self, map: &Map) -> bool {
        let half_side = map.side() * 0.5;
        let inside =
            self.middle.z.abs() + Self::RUN + 1.0 < half_side && self.middle.x.abs() + PLOT * 0.5 < half_side;
        let eye = self.spot + Vec3::Y * EYE_HEIGHT;
        let at = |offset: f32| self.middle + Vec3::Z * offset;
        // Somewhat more than the window on either side: the runner does not keep to the middle of its lane.
        let seen = |offset: f32| map.clear_between(eye, at(offset) + Vec3::Y * (BODY_HEIGHT * 0.5));
        inside
            && steps(Self::RUN).all(|offset| is_free(at(offset), map))
            && steps(Self::WINDOW + 0.5).all(seen)
            && is_free(self.spot, map)
    }

    /// Whether a runner at `position` is in the window.
    #[must_use]
    pub fn in_window(&self, position: Vec3) -> bool {
        let offset = position - self.middle;
        offset.z.abs() <= Self::WINDOW && offset.x.abs() <= 0.5
    }

    /// The next point on the way along the map's lanes from `from` (a spawn point, or on this way) to the column
    /// of `goal`, the middle or the spot; `None` on that column.
    pub(super) fn way(&self, from: Vec3, goal: Vec3) -> Option<Vec3> {
        /// A body this near to the middle of a lane is on it.
        const ON_LANE: f32 = 0.8;
        if (from.x - goal.x).abs() < ON_LANE {
            return None;
        }
        let row = goal.z - PLOT * 0.5;
        if (from.z - row).abs() < ON_LANE {
            return Some(Vec3::new(goal.x, 0.0, row));
        }
        let column = goal.x + ((from.x - goal.x) / PLOT).round() * PLOT;
        Some(Vec3::new(column, 0.0, row))
    }
}

/// From `-to` to `to` in steps of a quarter of a metre.
fn steps(to: f32) -> impl Iterator<Item = f32> {
    (0_u16..).map(move |step| f32::from(step) * 0.25 - to).take_while(move |offset| *offset <= to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_every_map_has_a_lane() {
        // Small fields have few places to choose from.
        for (players, least) in [(2, 75), (8, 75), (50, 100), (200, 100)] {
            let found = (0..100).filter(|seed| Lane::find(&Map::generate(*seed, players)).is_some()).count();
            assert!(found >= least, "{players} players: {found} of 100 maps");
        }
    }

    #[test]
    fn the_window_is_in_sight_and_no_wall_hides_its_edges() {
        for seed in 0..100 {
            let map = Map::generate(seed, 50);
            let lane = Lane::find(&map).unwrap();
            let eye = lane.spot + Vec3::Y * EYE_HEIGHT;
            for offset in [-Lane::WINDOW, 0.0, Lane::WINDOW] {
                let at = lane.middle + Vec3::new(0.0, 0.9, offset);
                assert!(lane.in_window(at) && map.clear_between(eye, at));
            }
            assert!(!lane.in_window(lane.middle + Vec3::Z * (Lane::WINDOW + 0.1)));
        }
    }

    #[test]
    fn the_way_leads_from_every_spawn_point_to_lane_and_spot() {
        for seed in 0..20 {
            let map = Map::generate(seed, 16);
            let Some(lane) = Lane::find(&map) else { continue };
            for (start, goal) in
                map.spawns().iter().flat_map(|start| [(*start, lane.middle), (*start, lane.spot)])
            {
                let mut at = start;
                let mut turns = 0;
                while let Some(next) = lane.way(at, goal) {
                    assert!(
                        map.clear_between(at + Vec3::Y * 0.5, next + Vec3::Y * 0.5),
                        "{start} {at} {next}"
                    );
                    at = next;
                    turns += 1;
                    assert!(turns <= 2, "{start} to {goal}");
                }
                assert!((at.x - goal.x).abs() < 0.1);
            }
        }
    }
}
