//! The past: where everything stood during the last ticks.

use tickring_protocol::ids::{EntityId, Tick};

use crate::pose::Ball;
use crate::{Game, HISTORY_TICKS, Pose, Replicated, ViewTime, World};

/// A ring of the poses of [`HISTORY_TICKS`] ticks. Nothing is moved and restored to ask the past.
#[derive(Debug)]
pub(crate) struct History {
    /// Indexed by tick modulo the size of the ring.
    ticks: Vec<Moment>,
    newest: Tick,
    recorded: u32,
}

/// Everything at the end of one tick.
#[derive(Debug, Default)]
struct Moment {
    /// By rising id.
    poses: Vec<Recorded>,
    /// Of what can be hit, by rising id.
    bounds: Vec<Bound>,
}

/// One entity at one tick.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    id: EntityId,
    /// Which use of the id; see [`World`].
    life: u32,
    pose: Pose,
}

impl Recorded {
    /// Whether `next` is the same use of the same id.
    fn goes_on_to(&self, next: &Self) -> bool {
        next.id == self.id && next.life == self.life
    }
}

/// Holds an entity from this tick until the next one.
#[derive(Clone, Copy, Debug)]
struct Bound {
    ball: Ball,
    /// Index among the poses.
    at: u32,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { ticks: (0..HISTORY_TICKS).map(|_| Moment::default()).collect(), newest: Tick(0), recorded: 0 }
    }

    /// Records the world as it stands at the end of `tick`, over the oldest tick. Ticks are recorded one by one.
    pub(crate) fn record<G: Game>(&mut self, tick: Tick, world: &World<G>) {
        assert!(self.recorded == 0 || tick.since(self.newest) == 1, "ticks are recorded one by one");
        let Moment { poses, bounds } = &mut self.ticks[slot(tick)];
        poses.clear();
        poses.extend(world.lives().map(|(id, life, entity)| Recorded { id, life, pose: entity.pose() }));
        bounds.clear();
        bounds.extend(poses.iter().zip(0u32..).filter_map(|(recorded, at)| {
            let ball = recorded.pose.bound();
            (ball.radius >= 0.0 && recorded.pose.alive).then_some(Bound { ball, at })
        }));
        if self.recorded > 0 {
            self.widen(self.newest, tick);
        }
        self.newest = tick;
        self.recorded = (self.recorded + 1).min(HISTORY_TICKS);
    }

    /// Makes the bounds of the tick before hold the way to the one just recorded.
    fn widen(&mut self, before: Tick, tick: Tick) {
        let mut earlier = std::mem::take(&mut self.ticks[slot(before)]);
        let mut later = self.ticks[slot(tick)].poses.as_slice();
        for bound in &mut earlier.bounds {
            let recorded = &earlier.poses[bound.at as usize];
            let skip = later.iter().take_while(|next| next.id < recorded.id).count();
            later = &later[skip..];
            if let Some(next) = later.first().filter(|next| recorded.goes_on_to(next)) {
                bound.ball.radius += next.pose.position.distance(recorded.pose.position);
            }
        }
        self.ticks[slot(before)] = earlier;
    }

    /// The last recorded tick.
    pub(crate) fn newest(&self) -> Tick {
        self.newest
    }

    /// The earliest tick still recorded.
    pub(crate) fn oldest(&self) -> Tick {
        Tick(self.newest.0.wrapping_sub(self.recorded.saturating_sub(1)))
    }

    /// Everything recorded at `tick`; `None` when it is not recorded.
    fn at(&self, tick: Tick) -> Option<&Moment> {
        let behind = self.newest.since(tick);
        (behind >= 0 && behind.unsigned_abs() < self.recorded).then(|| &self.ticks[slot(tick)])
    }

    /// Calls `on` for every entity at a moment that `may_meet` lets through, by rising id. `may_meet` is given a
    /// ball that holds the entity at that moment.
    pub(crate) fn candidates<T>(
        &self,
        view: ViewTime,
        state: &mut T,
        may_meet: impl Fn(&T, &Ball) -> bool,
        on: impl Fn(&mut T, EntityId, Pose),
    ) {
        let Some(earlier) = self.at(view.tick) else { return };
        for bound in &earlier.bounds {
            if may_meet(state, &bound.ball) {
                let recorded = &earlier.poses[bound.at as usize];
                on(state, recorded.id, self.between(recorded, view));
            }
        }
    }

    /// One entity at a moment.
    pub(crate) fn pose(&self, id: EntityId, view: ViewTime) -> Option<Pose> {
        let recorded = find(&self.at(view.tick)?.poses, id)?;
        Some(self.between(recorded, view))
    }

    /// The pose at a moment of what was recorded at the tick before it.
    fn between(&self, recorded: &Recorded, view: ViewTime) -> Pose {
        if view.fraction == 0 {
            return recorded.pose;
        }
        let next = self.at(view.tick + 1).and_then(|later| find(&later.poses, recorded.id));
        blend(recorded, next, f32::from(view.fraction) / 256.0)
    }
}

/// An entity that is gone at the next tick, or whose id then names another one, stays where it was.
fn blend(recorded: &Recorded, next: Option<&Recorded>, fraction: f32) -> Pose {
    match next {
        Some(next) if recorded.goes_on_to(next) => recorded.pose.towards(&next.pose, fraction),
        _ => recorded.pose,
    }
}

fn find(poses: &[Recorded], id: EntityId) -> Option<&Recorded> {
    let at = poses.binary_search_by_key(&id, |recorded| recorded.id).ok()?;
    Some(&poses[at])
}

fn slot(tick: Tick) -> usize {
    // The ring's size divides 2³², so the slots stay in step when ticks wrap.
    const _: () = assert!(HISTORY_TICKS.is_power_of_two());
    (tick.0 % HISTORY_TICKS) as usize
}
