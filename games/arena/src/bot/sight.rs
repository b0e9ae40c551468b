//! What a bot makes of what it sees: whom to shoot and where to go.

use glam::Vec3;
use rand::RngExt as _;
use rand_pcg::Pcg32;
use tickring_room::EntityId;

use super::View;
use crate::entity::EntityKind;
use crate::map::PickUpKind;
use crate::own_state::OwnState;
use crate::rules::Body;

/// Nearest enemies whose visibility is checked at a look.
const CANDIDATES: usize = 3;
/// Enemies further away are left alone, metres.
const HUNT_DISTANCE: f32 = 45.0;
/// Below this health a bot goes for health first.
const HURT_BELOW: u8 = 50;
/// Below this many rounds a bot goes for ammunition first.
const ROUNDS_LOW: u8 = 12;
/// A pick-up this near is taken along whenever it is of use, metres.
const ON_THE_WAY: f32 = 7.0;
/// A pick-up further away is not worth the walk, metres.
const FETCH_DISTANCE: f32 = 40.0;
/// A goal this near is reached, metres.
const REACHED: f32 = 1.5;

/// Why a bot goes where it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Errand {
    /// Anywhere, to meet somebody.
    #[default]
    Wander,
    /// To a pick-up.
    Fetch,
    /// To an enemy.
    Hunt,
}

/// What a bot is up to until its next look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    /// Whom to shoot at, when in sight.
    pub(super) target: Option<EntityId>,
    /// Where to go.
    pub(super) goal: Vec3,
    pub(super) errand: Errand,
}

/// The nearest things of each kind.
#[derive(Default)]
struct Surroundings {
    /// Distance², id and position, nearest first.
    enemies: [Option<(f32, EntityId, Vec3)>; CANDIDATES],
    health: Option<(f32, Vec3)>,
    ammo: Option<(f32, Vec3)>,
}

impl Plan {
    /// Makes a new plan from what is around `body`.
    pub(super) fn renew(&mut self, view: &View<'_>, me: EntityId, body: &Body, rng: &mut Pcg32) {
        let around = look_around(view, me, body.position);
        let hunted = around.enemies[0].filter(|(distance2, ..)| *distance2 < HUNT_DISTANCE * HUNT_DISTANCE);
        let eye = body.eye();
        let chest = |position: Vec3| position + Vec3::Y;
        let visible =
            around.enemies.iter().flatten().find(|(_, _, at)| view.map.clear_between(eye, chest(*at)));
        self.target = visible.or(hunted.as_ref()).map(|(_, id, _)| *id);
        if let Some(place) = worth_fetching(view.own, &around) {
            (self.errand, self.goal) = (Errand::Fetch, place);
        } else if let Some((_, _, position)) = visible.copied().or(hunted) {
            (self.errand, self.goal) = (Errand::Hunt, position);
        } else if self.errand != Errand::Wander || self.goal.distance(body.position) < REACHED {
            let spawns = view.map.spawns();
            (self.errand, self.goal) = (Errand::Wander, spawns[rng.random_range(0..spawns.len())]);
        }
    }

    /// Gives the goal up for a random place nearby: something is in the way.
    pub(super) fn give_up(&mut self, position: Vec3, rng: &mut Pcg32) {
        let mut offset = || rng.random_range(-8.0..8.0);
        (self.errand, self.goal) = (Errand::Wander, position + Vec3::new(offset(), 0.0, offset()));
    }
}

/// One pass over everything: this is what a look costs in a crowded room.
fn look_around(view: &View<'_>, me: EntityId, position: Vec3) -> Surroundings {
    let mut around = Surroundings::default();
    for (id, entity) in view.entities {
        if !entity.present() {
            continue;
        }
        let distance2 = entity.position.distance_squared(position);
        let nearer = |known: Option<(f32, Vec3)>| known.is_none_or(|(best, _)| distance2 < best);
        match entity.kind {
            EntityKind::Soldier if *id != me => around.add_enemy(distance2, *id, entity.position),
            EntityKind::PickUp(PickUpKind::Health) if nearer(around.health) => {
                around.health = Some((distance2, entity.position));
            }
            EntityKind::PickUp(PickUpKind::Ammo) if nearer(around.ammo) => {
                around.ammo = Some((distance2, entity.position));
            }
            EntityKind::Soldier | EntityKind::Rocket | EntityKind::PickUp(_) => {}
        }
    }
    around
}

impl Surroundings {
    fn add_enemy(&mut self, distance2: f32, id: EntityId, position: Vec3) {
        let nearer_than =
            |known: &Option<(f32, EntityId, Vec3)>| known.is_none_or(|(best, ..)| distance2 < best);
        if let Some(rank) = self.enemies.iter().position(nearer_than) {
            self.enemies[rank..].rotate_right(1);
            self.enemies[rank] = Some((distance2, id, position));
        }
    }
}

/// The pick-up to go for: what is badly needed, else what lies on the way and is of use.
fn worth_fetching(own: &OwnState, around: &Surroundings) -> Option<Vec3> {
    let within = |place: Option<(f32, Vec3)>, distance: f32| {
        place.filter(|(distance2, _)| *distance2 < distance * distance).map(|(_, position)| position)
    };
    let reach = |badly_needed: bool| if badly_needed { FETCH_DISTANCE } else { ON_THE_WAY };
    let health = within(around.health, reach(own.health < HURT_BELOW)).filter(|_| own.health < 90);
    let ammo = within(around.ammo, reach(own.rounds < ROUNDS_LOW)).filter(|_| own.rounds < 60);
    health.or(ammo)
}
