//! How a bot gets along: towards its goal, around its enemy, past walls.

use glam::{Quat, Vec3};
use rand::RngExt as _;
use rand_pcg::Pcg32;
use tickring_room::Tick;

use super::View;
use super::sight::{Errand, Plan};
use crate::map::Map;
use crate::rules::Body;

/// Distances a bot likes to keep to an enemy it fights, metres.
const FIGHT_NEAR: f32 = 5.0;
const FIGHT_FAR: f32 = 12.0;
/// Looking this far ahead for walls, in balls a little wider than the body.
const FEEL_AT: [f32; 2] = [0.7, 1.5];
const FEEL_RADIUS: f32 = 0.45;
const FEEL_HEIGHT: f32 = 0.5;
/// Turns tried when the straight way is blocked, radians.
const TURNS: [f32; 4] = [0.6, 1.2, 1.8, 2.4];
/// A bot that has not come this far between two checks is stuck, metres.
const STUCK_DISTANCE: f32 = 0.6;
const STUCK_CHECK_TICKS: u32 = 50;

/// A bot's habits of moving.
#[derive(Clone, Debug)]
pub(super) struct Steering {
    /// 1 or -1: the way round it tries first, around enemies and walls.
    side: f32,
    change_side_at: Option<Tick>,
    checked: Option<(Tick, Vec3)>,
}

impl Steering {
    pub(super) fn new(rng: &mut Pcg32) -> Self {
        Self { side: if rng.random() { 1.0 } else { -1.0 }, change_side_at: None, checked: None }
    }

    /// The way to push, of length 0 ..= 1. `fought` is where the enemy is seen.
    pub(super) fn way(
        &mut self,
        view: &View<'_>,
        body: &Body,
        plan: &Plan,
        fought: Option<Vec3>,
        rng: &mut Pcg32,
    ) -> Vec3 {
        if self.change_side_at.is_none_or(|at| view.tick.since(at) >= 0) {
            self.side = -self.side;
            self.change_side_at = Some(view.tick + rng.random_range(20..90));
        }
        let wanted = match (plan.errand, fought) {
            (Errand::Hunt, Some(enemy)) => self.around(enemy, body.position),
            _ => plan.goal - body.position,
        };
        let direction = wanted.with_y(0.0).normalize_or_zero();
        self.past_walls(view.map, body.position, direction)
    }

    /// Towards an enemy that is far, away from one that is near, and sideways in between.
    fn around(&self, enemy: Vec3, position: Vec3) -> Vec3 {
        let towards = (enemy - position).with_y(0.0);
        let distance = towards.length();
        let towards = towards.normalize_or_zero();
        let sideways = Vec3::new(-towards.z, 0.0, towards.x) * self.side;
        if distance > FIGHT_FAR {
            towards + sideways * 0.4
        } else if distance < FIGHT_NEAR {
            sideways - towards * 0.6
        } else {
            sideways
        }
    }

    /// The direction nearest to the wanted one that no wall blocks soon; the wanted one when all are blocked.
    fn past_walls(&self, map: &Map, position: Vec3, direction: Vec3) -> Vec3 {
        if direction == Vec3::ZERO || is_open(map, position, direction) {
            return direction;
        }
        let turned = |turn: f32| Quat::from_rotation_y(turn) * direction;
        let mut ways = TURNS.iter().flat_map(|turn| [turn * self.side, -turn * self.side]).map(turned);
        ways.find(|way| is_open(map, position, *way)).unwrap_or(direction)
    }

    /// Whether the bot has hardly moved for a while; then it also changes its side.
    pub(super) fn is_stuck(&mut self, tick: Tick, position: Vec3) -> bool {
        let stuck = self.has_hardly_moved(tick, position);
        if stuck {
            self.side = -self.side;
        }
        stuck
    }

    fn has_hardly_moved(&mut self, tick: Tick, position: Vec3) -> bool {
        match self.checked {
            Some((since, _)) if tick.since(since) < STUCK_CHECK_TICKS.cast_signed() => false,
            checked => {
                self.checked = Some((tick, position));
                checked.is_some_and(|(_, before)| before.distance(position) < STUCK_DISTANCE)
            }
        }
    }
}

fn is_open(map: &Map, position: Vec3, direction: Vec3) -> bool {
    let feel = |distance: f32| position + direction * distance + Vec3::Y * FEEL_HEIGHT;
    FEEL_AT.iter().all(|&distance| map.deepest_contact(feel(distance), FEEL_RADIUS).is_none())
}
