//! Two bots that probe the judge of shots: a runner crosses a lane at full speed, back and forth, and a marksman
//! beside it aims at exactly the picture it is given.
//!
//! Both know the map and find the same [`Lane`] on it, whatever spawn point they begin at. The marksman stands
//! where ammunition lies, so it can go on for as long as it likes. It fires only while the runner is in the
//! window, the middle of the lane: there the runner has been at full speed for a while and will be for a while,
//! so a judge that looks at another moment finds it somewhere else.

mod lane;

use glam::Vec3;
use tickring_room::{EntityId, Pose, Sequence, Tick};

use crate::bot::View;
use crate::input::{AXIS_FULL, ArenaInput, BUTTON_RIFLE};
use crate::predict::Predictor;
use crate::rules::{Body, Yaw, aim_at, aim_direction};
use crate::settings::ticks_of;
use crate::weapons::{RIFLE_INTERVAL_SECONDS, RIFLE_RANGE};

pub use lane::Lane;

/// A marksman this near to its place stands, metres.
const IN_PLACE: f32 = 0.3;

/// Runs to its lane and then along it, back and forth.
#[derive(Clone, Debug)]
pub struct Runner {
    lane: Lane,
    predictor: Predictor,
    dt: f32,
    /// 1 or -1: which end of the lane it runs to.
    heading: f32,
}

impl Runner {
    /// A runner for `lane` in a room of `tick_hz`.
    #[must_use]
    pub fn new(lane: Lane, tick_hz: u16) -> Self {
        Self { lane, predictor: Predictor::default(), dt: 1.0 / f32::from(tick_hz), heading: 1.0 }
    }

    /// Decides the input for `view.tick`.
    #[must_use]
    pub fn decide(&mut self, view: &View<'_>) -> ArenaInput {
        if !view.own.alive() {
            return ArenaInput::default();
        }
        let body = predict(&self.predictor, view, self.dt);
        let along = body.position.z - self.lane.middle.z;
        let goal = match self.lane.way(body.position, self.lane.middle) {
            // It comes in beside the window and leaves it first.
            Some(way) => {
                self.heading = if along < 0.0 { -1.0 } else { 1.0 };
                way
            }
            None => {
                if along * self.heading > Lane::RUN {
                    self.heading = -self.heading;
                }
                self.lane.middle + Vec3::Z * (self.heading * (Lane::RUN + 2.0))
            }
        };
        run(goal - body.position)
    }

    /// Notes that an input was sent for tick `target`; call it for every input.
    pub fn sent(&mut self, sequence: Sequence, target: Tick, input: &ArenaInput) {
        self.predictor.sent(sequence, target, input);
    }
}

/// A shot as the marksman fired it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shot {
    /// The number that its audit carries.
    pub number: u8,
    /// Whom it was aimed at.
    pub target: EntityId,
    /// Where it begins.
    pub eye: Vec3,
    /// Where it goes, a unit vector.
    pub direction: Vec3,
    /// How far it gets before a wall stops it, metres.
    pub reach: f32,
    /// Whether it meets the target as the marksman really saw it.
    pub aimed_true: bool,
}

impl Shot {
    /// Whether the shot meets a target that stands like this.
    #[must_use]
    pub fn meets(&self, target: &Pose) -> bool {
        target.alive && target.ray(self.eye, self.direction, self.reach).is_some()
    }
}

/// Stands beside the lane and shoots at whoever runs there.
#[derive(Clone, Debug)]
pub struct Marksman {
    me: EntityId,
    lane: Lane,
    predictor: Predictor,
    dt: f32,
    interval_ticks: u32,
    ready_at: Option<Tick>,
    number: u8,
}

impl Marksman {
    /// A marksman that controls the entity `me` beside `lane`, in a room of `tick_hz`.
    #[must_use]
    pub fn new(me: EntityId, lane: Lane, tick_hz: u16) -> Self {
        Self {
            me,
            lane,
            predictor: Predictor::default(),
            dt: 1.0 / f32::from(tick_hz),
            // Not in step with the rifle: a shot is never refused for coming a tick early.
            interval_ticks: ticks_of(RIFLE_INTERVAL_SECONDS, tick_hz) + 1,
            ready_at: None,
            number: 0,
        }
    }

    /// The first other soldier that is in the game.
    #[must_use]
    pub fn target(&self, view: &View<'_>) -> Option<EntityId> {
        let mut others = view.entities.iter().filter(|(id, entity)| *id != self.me && entity.is_soldier());
        others.next().map(|(id, _)| *id)
    }

    /// Decides the input for `view.tick`, and the shot in it. `picture` is what the marksman aims at: the target
    /// as seen, or as a cheat claims to see it.
    ///
    /// It holds its fire when the newest snapshot says that the target has died since. What is drawn is alive
    /// until the snapshot after the death, some ticks later than for the judge, and nothing is to be found out
    /// about that.
    #[must_use]
    pub fn decide(
        &mut self,
        view: &View<'_>,
        picture: Option<(EntityId, Pose)>,
    ) -> (ArenaInput, Option<Shot>) {
        if !view.own.alive() {
            return (ArenaInput::default(), None);
        }
        let body = predict(&self.predictor, view, self.dt);
        let goal = self.lane.way(body.position, self.lane.spot).unwrap_or(self.lane.spot);
        let way = (goal - body.position).with_y(0.0);
        if way.length() > IN_PLACE {
            return (run(way), None);
        }
        let ready = self.ready_at.is_none_or(|at| view.tick.since(at) >= 0) && view.own.rounds > 0;
        let in_window = |pose: &Pose| pose.alive && self.lane.in_window(pose.position);
        let shot = picture.filter(|(id, pose)| ready && in_window(pose) && lives_on(view, *id, pose));
        shot.map_or((ArenaInput::default(), None), |(target, pose)| self.fire(view, &body, target, &pose))
    }

    fn fire(
        &mut self,
        view: &View<'_>,
        body: &Body,
        target: EntityId,
        pose: &Pose,
    ) -> (ArenaInput, Option<Shot>) {
        self.number = self.number.wrapping_add(1);
        self.ready_at = Some(view.tick + self.interval_ticks);
        let eye = body.eye();
        let (yaw, pitch) = aim_at(eye, pose.position);
        let direction = aim_direction(yaw, pitch);
        let reach = view.map.cast(eye, direction, RIFLE_RANGE).unwrap_or(RIFLE_RANGE);
        let mut shot = Shot { number: self.number, target, eye, direction, reach, aimed_true: false };
        shot.aimed_true = (view.seen)(target).is_some_and(|seen| shot.meets(&seen));
        let input = ArenaInput {
            buttons: BUTTON_RIFLE,
            yaw,
            pitch,
            shot_number: self.number,
            ..ArenaInput::default()
        };
        (input, Some(shot))
    }

    /// Notes that an input was sent for tick `target`; call it for every input.
    pub fn sent(&mut self, sequence: Sequence, target: Tick, input: &ArenaInput) {
        self.predictor.sent(sequence, target, input);
    }
}

/// Whether the newest snapshot shows the target in the same life as `pose`.
fn lives_on(view: &View<'_>, target: EntityId, pose: &Pose) -> bool {
    let newest = view.entities.iter().find(|(id, _)| *id == target);
    newest.is_some_and(|(_, entity)| entity.present() && u16::from(entity.epoch) == pose.epoch)
}

fn predict(predictor: &Predictor, view: &View<'_>, dt: f32) -> Body {
    predictor.predict(view.own, view.own_tick, view.last_input, view.tick, dt, view.map)
}

/// Runs as fast as bodies can.
fn run(way: Vec3) -> ArenaInput {
    ArenaInput { ahead: AXIS_FULL, yaw: Yaw::along(way), ..ArenaInput::default() }
}
