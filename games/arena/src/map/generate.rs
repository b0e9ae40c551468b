//! Makes a map from a seed: a lattice of plots with at most one obstacle group each.
//!
//! Obstacles keep a margin from the edges of their plot, so lanes wider than two bodies run along every edge
//! of the lattice: nobody is ever walled in, and the corners and edges of plots are free for spawns and pick-ups.

use glam::Vec3;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg32;

use super::{Map, PickUpKind, PickUpPlace, WALL_HEIGHT_MIN, Wall};
use crate::rules::BODY_RADIUS;

/// Side of a plot in metres. Between the plots of a generated map run lanes that are free of walls.
pub const PLOT: f32 = 8.0;
/// Plots for two players.
const PLOTS_PER_PAIR: u32 = 3;
const PLOTS_PER_SIDE_MIN: u16 = 4;
const PLOTS_PER_SIDE_MAX: u16 = 40;
/// Obstacles stay this far from the edges of their plot.
const MARGIN: f32 = 1.2;
/// Half the ground an obstacle may cover in its plot.
const REACH: f32 = PLOT * 0.5 - MARGIN;
const THICKNESS: f32 = 0.6;
const PLAYERS_PER_PICK_UP: u16 = 4;
const PICK_UPS_MIN: u16 = 8;
const PICK_UPS_MAX: u16 = 128;
/// Keeps map randomness apart from other uses of the same room seed.
const STREAM: u64 = 0x6d61_7073;

const _: () = assert!(MARGIN > 2.0 * BODY_RADIUS, "two lanes side by side let two bodies pass");

pub(super) fn generate(seed: u64, players_max: u16) -> Map {
    let mut rng = Pcg32::seed_from_u64(seed ^ STREAM);
    let plots = plots_per_side(players_max);
    let mut walls = Vec::new();
    for column in 0..plots {
        for row in 0..plots {
            let centre = corner(plots, column, row) + Vec3::new(PLOT * 0.5, 0.0, PLOT * 0.5);
            obstacle(&mut rng, centre, &mut walls);
        }
    }
    let spawns =
        (1..plots).flat_map(|column| (1..plots).map(move |row| corner(plots, column, row))).collect();
    let pick_ups = pick_ups(&mut rng, plots, players_max);
    Map::new(side(players_max), walls, spawns, pick_ups)
}

/// Length of a field's sides in metres.
pub(super) fn side(players_max: u16) -> f32 {
    f32::from(plots_per_side(players_max)) * PLOT
}

fn plots_per_side(players_max: u16) -> u16 {
    let wanted = u32::from(players_max) * PLOTS_PER_PAIR / 2;
    let enough = (1..PLOTS_PER_SIDE_MAX).find(|&plots| u32::from(plots).pow(2) >= wanted);
    enough.unwrap_or(PLOTS_PER_SIDE_MAX).max(PLOTS_PER_SIDE_MIN)
}

/// The corner of a plot towards -x and -z.
fn corner(plots: u16, column: u16, row: u16) -> Vec3 {
    let half_side = f32::from(plots) * PLOT * 0.5;
    Vec3::new(f32::from(column) * PLOT - half_side, 0.0, f32::from(row) * PLOT - half_side)
}

/// Puts what stands on one plot: nothing, a pillar, a wall, a low cover or a corner of two walls.
fn obstacle(rng: &mut Pcg32, centre: Vec3, walls: &mut Vec<Wall>) {
    let high = rng.random_range(2.0..3.0);
    match rng.random_range(0..10) {
        0..2 => {}
        2..4 => walls.push(block(rng, centre, [0.5, 1.3], [0.5, 1.3], high)),
        4..6 => walls.push(block(rng, centre, [1.5, REACH], [THICKNESS * 0.5, THICKNESS * 0.5 + 0.2], high)),
        6..8 => walls.push(block(rng, centre, [THICKNESS * 0.5, THICKNESS * 0.5 + 0.2], [1.5, REACH], high)),
        8 => walls.push(block(rng, centre, [0.8, 2.0], [0.4, 0.8], WALL_HEIGHT_MIN)),
        _ => corner_of_walls(rng, centre, high, walls),
    }
}

/// A box of random half extents somewhere on the plot.
fn block(rng: &mut Pcg32, centre: Vec3, half_x: [f32; 2], half_z: [f32; 2], height: f32) -> Wall {
    let half = Vec3::new(rng.random_range(half_x[0]..half_x[1]), 0.0, rng.random_range(half_z[0]..half_z[1]));
    let play = Vec3::splat(REACH) - half;
    let at =
        centre + Vec3::new(play.x * rng.random_range(-1.0..1.0), 0.0, play.z * rng.random_range(-1.0..1.0));
    Wall::new(at.x - half.x, at.z - half.z, at.x + half.x, at.z + half.z, height)
}

/// Two walls that meet at a right angle, open towards a random diagonal.
fn corner_of_walls(rng: &mut Pcg32, centre: Vec3, height: f32, walls: &mut Vec<Wall>) {
    let (low, high) = (-REACH, REACH);
    let along_x = if rng.random() { low } else { high - THICKNESS };
    let along_z = if rng.random() { low } else { high - THICKNESS };
    let (x, z) = (centre.x, centre.z);
    walls.push(Wall::new(x + low, z + along_x, x + high, z + along_x + THICKNESS, height));
    walls.push(Wall::new(x + along_z, z + low, x + along_z + THICKNESS, z + high, height));
}

/// Pick-ups lie in the middle of plot edges, spread by taking every so many edges from a random start.
fn pick_ups(rng: &mut Pcg32, plots: u16, players_max: u16) -> Vec<PickUpPlace> {
    let mut edges = Vec::new();
    for column in 1..plots {
        for row in 0..plots {
            edges.push(corner(plots, column, row) + Vec3::new(0.0, 0.0, PLOT * 0.5));
        }
    }
    let wanted = usize::from((players_max / PLAYERS_PER_PICK_UP).clamp(PICK_UPS_MIN, PICK_UPS_MAX));
    let count = wanted.min(edges.len());
    let start = rng.random_range(0..edges.len());
    let kinds = [PickUpKind::Health, PickUpKind::Ammo];
    let place = |index: usize| PickUpPlace {
        position: edges[(start + index * edges.len() / count) % edges.len()],
        kind: kinds[index % kinds.len()],
    };
    (0..count).map(place).collect()
}
