//! The map: a walled square of ground with boxes on it, spawn points and places for pick-ups.
//!
//! A map follows from a seed and a number of players alone, and the Welcome carries both, so a client builds
//! the same map before its first snapshot. Walls never move: they stand in a static grid, so a contact looks
//! at one to four cells and a ray only at the cells it crosses.

mod generate;
mod grid;

use glam::Vec3;
use parry3d::bounding_volume::Aabb;
use parry3d::query::{PointQuery as _, Ray, RayCast as _};
use parry3d::shape::HalfSpace;

pub use generate::PLOT;
use grid::WallGrid;

/// The lowest wall the rules can carry: a crouch-high cover that rifle shots pass over.
pub const WALL_HEIGHT_MIN: f32 = 1.1;
/// Height of the four walls around the field.
pub const BORDER_HEIGHT: f32 = 4.0;
const BORDER_THICKNESS: f32 = 1.0;

/// An upright box that stands on the ground.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wall {
    bounds: Aabb,
}

impl Wall {
    /// The box over the rectangle from (`x0`, `z0`) to (`x1`, `z1`), `height` metres high.
    ///
    /// # Panics
    /// When the rectangle is empty or the wall is lower than [`WALL_HEIGHT_MIN`].
    #[must_use]
    pub fn new(x0: f32, z0: f32, x1: f32, z1: f32, height: f32) -> Self {
        assert!(x0 < x1 && z0 < z1, "a wall covers some ground");
        assert!(height >= WALL_HEIGHT_MIN, "a wall is high enough to stop a body");
        Self { bounds: Aabb::new(Vec3::new(x0, 0.0, z0), Vec3::new(x1, height, z1)) }
    }

    /// Lowest corner.
    #[must_use]
    pub fn low(&self) -> Vec3 {
        self.bounds.mins
    }

    /// Highest corner.
    #[must_use]
    pub fn high(&self) -> Vec3 {
        self.bounds.maxs
    }
}

/// What lies at a pick-up place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickUpKind {
    /// Restores health.
    Health,
    /// Rifle rounds and rockets.
    Ammo,
}

/// A place where something to pick up appears again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PickUpPlace {
    /// On the ground.
    pub position: Vec3,
    /// What appears there.
    pub kind: PickUpKind,
}

/// The overlap of a ball with the wall it is deepest in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WallContact {
    /// Unit vector out of the wall.
    pub normal: Vec3,
    /// How far the ball must move along `normal` to touch only, metres, > 0.
    pub depth: f32,
}

/// A field: walls and the places of the game. Immutable once made, so any number of rooms may share it.
#[derive(Clone, Debug)]
pub struct Map {
    side: f32,
    walls: Vec<Wall>,
    grid: WallGrid,
    spawns: Vec<Vec3>,
    pick_ups: Vec<PickUpPlace>,
}

impl Map {
    /// The map of a room: the same for the same seed and number of seats.
    ///
    /// The field has about 96 m² for each player, between 32 m and 320 m a side.
    #[must_use]
    pub fn generate(seed: u64, players_max: u16) -> Self {
        generate::generate(seed, players_max)
    }

    /// The side of the field of [`Map::generate`] in metres.
    #[must_use]
    pub fn generated_side(players_max: u16) -> f32 {
        generate::side(players_max)
    }

    /// A map of one's own for tests and experiments: walls only, one spawn point in the middle.
    #[must_use]
    pub fn with_walls(side: f32, walls: Vec<Wall>) -> Self {
        Self::new(side, walls, vec![Vec3::ZERO], Vec::new())
    }

    /// A map of one's own: a square field of `side` metres around the origin, the walls of its border added.
    ///
    /// # Panics
    /// When there is no spawn point.
    #[must_use]
    pub fn new(side: f32, mut walls: Vec<Wall>, spawns: Vec<Vec3>, pick_ups: Vec<PickUpPlace>) -> Self {
        assert!(!spawns.is_empty(), "players need somewhere to appear");
        let (near, far) = (side * 0.5, side * 0.5 + BORDER_THICKNESS);
        walls.extend([
            Wall::new(-far, near, far, far, BORDER_HEIGHT),
            Wall::new(-far, -far, far, -near, BORDER_HEIGHT),
            Wall::new(near, -far, far, far, BORDER_HEIGHT),
            Wall::new(-far, -far, -near, far, BORDER_HEIGHT),
        ]);
        let grid = WallGrid::new(side, &walls);
        Self { side, walls, grid, spawns, pick_ups }
    }

    /// Length of the field's sides in metres; it spans -side/2 ..= side/2 in x and z.
    #[must_use]
    pub fn side(&self) -> f32 {
        self.side
    }

    /// All walls; the four of the border come last.
    #[must_use]
    pub fn walls(&self) -> &[Wall] {
        &self.walls
    }

    /// Where players may appear: free of walls, at least one.
    #[must_use]
    pub fn spawns(&self) -> &[Vec3] {
        &self.spawns
    }

    /// Where pick-ups appear: free of walls.
    #[must_use]
    pub fn pick_ups(&self) -> &[PickUpPlace] {
        &self.pick_ups
    }

    /// The deepest overlap of a ball at `centre` with a wall; `None` when it overlaps none.
    #[must_use]
    pub fn deepest_contact(&self, centre: Vec3, radius: f32) -> Option<WallContact> {
        let mut deepest: Option<WallContact> = None;
        self.grid.for_each_near(centre, radius, |index| {
            let contact = contact_with(&self.walls[index].bounds, centre, radius);
            if let Some(contact) = contact
                && deepest.is_none_or(|known| contact.depth > known.depth)
            {
                deepest = Some(contact);
            }
        });
        deepest
    }

    /// How far a ray gets before a wall or the ground stops it, in metres; `None` when it gets `distance_max` far.
    ///
    /// `direction` is a unit vector.
    #[must_use]
    pub fn cast(&self, origin: Vec3, direction: Vec3, distance_max: f32) -> Option<f32> {
        let ray = Ray::new(origin, direction);
        let ground = HalfSpace::new(Vec3::Y).cast_local_ray(&ray, distance_max, true);
        let limit = ground.unwrap_or(distance_max);
        let wall = self.grid.cast(origin, direction, limit, |index, limit| {
            self.walls[index].bounds.cast_local_ray(&ray, limit, true)
        });
        wall.or(ground)
    }

    /// Whether no wall and no ground lies between two points.
    #[must_use]
    pub fn clear_between(&self, from: Vec3, to: Vec3) -> bool {
        let offset = to - from;
        let distance = offset.length();
        distance == 0.0 || self.cast(from, offset / distance, distance).is_none()
    }
}

/// The overlap of a ball with one wall, from the wall's nearest point to the ball's centre.
fn contact_with(wall: &Aabb, centre: Vec3, radius: f32) -> Option<WallContact> {
    let nearest = wall.project_local_point(centre, false);
    let out = if nearest.is_inside { nearest.point - centre } else { centre - nearest.point };
    let (direction, distance) = out.normalize_and_length();
    let depth = if nearest.is_inside { radius + distance } else { radius - distance };
    if depth <= 0.0 {
        return None;
    }
    let normal =
        if distance > 0.0 { direction } else { (centre - wall.center()).with_y(0.0).normalize_or(Vec3::X) };
    Some(WallContact { normal, depth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;
    use proptest::prelude::*;

    /// The same answer without the grid: every wall, and the ground.
    fn cast_all(map: &Map, origin: Vec3, direction: Vec3, distance_max: f32) -> Option<f32> {
        let ray = Ray::new(origin, direction);
        let walls = map.walls.iter().filter_map(|wall| wall.bounds.cast_local_ray(&ray, distance_max, true));
        let ground = HalfSpace::new(Vec3::Y).cast_local_ray(&ray, distance_max, true);
        walls.chain(ground).min_by(f32::total_cmp)
    }

    #[test]
    fn the_same_seed_gives_the_same_map_and_another_seed_another() {
        let (first, again, other) = (Map::generate(7, 50), Map::generate(7, 50), Map::generate(8, 50));
        assert_eq!(first.walls(), again.walls());
        assert_eq!(first.pick_ups(), again.pick_ups());
        assert_ne!(first.walls(), other.walls());
    }

    #[test]
    fn maps_grow_with_their_players_and_every_place_is_free() {
        for players in [1, 2, 16, 50, 200, 1_000, 5_000] {
            let map = Map::generate(u64::from(players), players);
            assert!((32.0..=320.0).contains(&map.side()), "{players}: {} m", map.side());
            assert!(map.spawns().len() >= 9 && map.pick_ups().len() >= 4, "{players}");
            let places =
                map.spawns().iter().copied().chain(map.pick_ups().iter().map(|place| place.position));
            for place in places {
                assert!(rules::is_free(place, &map), "{players} players: {place}");
            }
        }
        assert!(Map::generate(1, 1_000).side() > Map::generate(1, 50).side());
    }

    #[test]
    fn walls_block_sight_and_low_cover_does_not() {
        let map = Map::with_walls(
            64.0,
            vec![Wall::new(4.0, -2.0, 5.0, 2.0, 2.0), Wall::new(-5.0, -2.0, -4.0, 2.0, 1.1)],
        );
        let eye = Vec3::Y * rules::EYE_HEIGHT;
        assert_eq!(map.cast(eye, Vec3::X, 100.0), Some(4.0));
        assert_eq!(map.cast(eye, -Vec3::X, 100.0), Some(32.0), "over the cover, to the border");
        assert!(!map.clear_between(eye, Vec3::new(8.0, 1.0, 0.0)));
        assert!(!map.clear_between(Vec3::Y, Vec3::new(-8.0, 1.0, 0.0)), "the cover hides who looks from low");
        assert!(map.clear_between(eye, Vec3::new(0.0, 0.1, 9.0)));
    }

    proptest! {
        #[test]
        fn the_grid_sees_what_all_walls_together_see(
            seed in 0_u64..50, players in 1_u16..120,
            at in (-0.49_f32..0.49, 0.1_f32..3.5, -0.49_f32..0.49),
            yaw in any::<u16>(), pitch in -3_000_i16..3_000, distance in 1.0_f32..120.0,
        ) {
            let map = Map::generate(seed, players);
            let origin = Vec3::new(at.0 * map.side(), at.1, at.2 * map.side());
            let direction = rules::aim_direction(rules::Yaw(yaw), rules::Pitch(pitch));
            prop_assert_eq!(
                map.cast(origin, direction, distance),
                cast_all(&map, origin, direction, distance)
            );
        }

        #[test]
        fn the_grid_feels_what_all_walls_together_feel(
            seed in 0_u64..50, players in 1_u16..120,
            at in (-0.5_f32..0.5, -0.5_f32..0.5), radius in 0.1_f32..1.5,
        ) {
            let map = Map::generate(seed, players);
            let centre = Vec3::new(at.0 * map.side(), 0.5, at.1 * map.side());
            let all = map.walls.iter().filter_map(|wall| contact_with(&wall.bounds, centre, radius));
            let deepest = all.map(|contact| contact.depth).max_by(f32::total_cmp);
            prop_assert_eq!(map.deepest_contact(centre, radius).map(|contact| contact.depth), deepest);
        }
    }
}
