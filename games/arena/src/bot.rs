//! Bots that play with purpose: they know what a client knows and decide one input at a time.
//!
//! A bot hunts the nearest enemy it can see, strafes around it, shoots with a human hand's error, launches a
//! rocket now and then, and goes for pick-ups when it is hurt or out of rounds. It is pure: seeded, without a
//! clock, and cheap enough to run thousands in a load generator.
//!
//! For every rifle shot it notes whether its aim, held against what it saw, was on a target. The shot's audit
//! names the same shot, so both together say whether the server granted what the shooter saw.

mod sight;
mod steer;

use glam::Vec3;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg32;
use tickring_room::{EntityId, Pose, Sequence, Tick};

use crate::entity::ArenaEntity;
use crate::event::ShotAudit;
use crate::input::{AXIS_FULL, ArenaInput, BUTTON_RIFLE, BUTTON_ROCKET};
use crate::map::Map;
use crate::own_state::OwnState;
use crate::predict::Predictor;
use crate::rules::{Body, Pitch, Yaw, aim_at, aim_direction};
use crate::settings::ticks_of;
use crate::weapons::{RIFLE_INTERVAL_SECONDS, RIFLE_RANGE, ROCKET_INTERVAL_SECONDS};

use sight::Plan;
use steer::Steering;

/// Ticks between two looks around, at 60 Hz; a little random time is added so that bots do not think in step.
const THINK_SECONDS: f32 = 0.17;
/// The hand's error: the largest angle the aim is off by, radians.
const AIM_ERROR_MAX: f32 = 0.13;
/// How often the trigger is held for the time until the next look.
const TRIGGER_HELD: f64 = 0.6;
/// How often a look in rocket range ends in a rocket.
const ROCKET_CHANCE: f64 = 0.12;
/// Distances at which a bot thinks of rockets, metres.
const ROCKET_DISTANCES: core::ops::Range<f32> = 4.0..20.0;
/// Times between looks that a detour takes when a bot was stuck.
const DETOUR_THINKS: u32 = 5;
/// Shots remembered until their audit comes.
const SHOTS_REMEMBERED: usize = 16;

/// What a bot knows when it decides: all of it from its client.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The map of the room.
    pub map: &'a Map,
    /// The tick the input is meant for.
    pub tick: Tick,
    /// The own state of the newest snapshot.
    pub own: &'a OwnState,
    /// The tick of that snapshot.
    pub own_tick: Tick,
    /// The last input that snapshot says was processed.
    pub last_input: Sequence,
    /// The entities of the newest snapshot.
    pub entities: &'a [(EntityId, ArenaEntity)],
    /// Where an entity is drawn at the view time the input declares; `None` when it is not drawn.
    pub seen: &'a dyn Fn(EntityId) -> Option<Pose>,
}

/// What became of a rifle shot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The aim was on a soldier as the bot saw the field.
    pub expected: bool,
    /// The server granted a hit.
    pub hit: bool,
}

/// One bot. About 2 KiB.
#[derive(Clone, Debug)]
pub struct Bot {
    me: EntityId,
    rng: Pcg32,
    dt: f32,
    rifle_ticks: u32,
    rocket_ticks: u32,
    think_ticks: u32,
    predictor: Predictor,
    plan: Plan,
    steering: Steering,
    /// When to look around next.
    think_at: Option<Tick>,
    trigger_held: bool,
    rocket_wanted: bool,
    /// How far off the hand is now: yaw and pitch in radians.
    aim_error: (f32, f32),
    yaw: Yaw,
    rifle_ready_at: Tick,
    rocket_ready_at: Tick,
    shot_number: u8,
    /// By shot number modulo the length: the number and whether a hit was expected.
    shots: [Option<(u8, bool)>; SHOTS_REMEMBERED],
}

impl Bot {
    /// A bot that controls the entity `me` in a room of `tick_hz`. The same seed and views give the same inputs.
    #[must_use]
    pub fn new(seed: u64, me: EntityId, tick_hz: u16) -> Self {
        let mut rng = Pcg32::seed_from_u64(seed);
        let steering = Steering::new(&mut rng);
        Self {
            me,
            rng,
            dt: 1.0 / f32::from(tick_hz),
            rifle_ticks: ticks_of(RIFLE_INTERVAL_SECONDS, tick_hz),
            rocket_ticks: ticks_of(ROCKET_INTERVAL_SECONDS, tick_hz),
            think_ticks: ticks_of(THINK_SECONDS, tick_hz),
            predictor: Predictor::default(),
            plan: Plan::default(),
            steering,
            think_at: None,
            trigger_held: false,
            rocket_wanted: false,
            aim_error: (0.0, 0.0),
            yaw: Yaw::default(),
            rifle_ready_at: Tick(0),
            rocket_ready_at: Tick(0),
            shot_number: 0,
            shots: [None; SHOTS_REMEMBERED],
        }
    }

    /// Decides the input for `view.tick`.
    #[must_use]
    pub fn decide(&mut self, view: &View<'_>) -> ArenaInput {
        if !view.own.alive() {
            self.think_at = None;
            return ArenaInput { yaw: self.yaw, ..ArenaInput::default() };
        }
        let body =
            self.predictor.predict(view.own, view.own_tick, view.last_input, view.tick, self.dt, view.map);
        if self.think_at.is_none_or(|at| view.tick.since(at) >= 0) {
            self.think(view, &body);
        }
        if self.steering.is_stuck(view.tick, body.position) {
            self.plan.give_up(body.position, &mut self.rng);
            self.think_at = Some(view.tick + self.think_ticks * DETOUR_THINKS);
        }
        let mut input = ArenaInput { yaw: self.yaw, shot_number: self.shot_number, ..ArenaInput::default() };
        let target = self.plan.target.and_then(|target| (view.seen)(target)).filter(|pose| pose.alive);
        if let Some(pose) = target {
            self.aim_and_fire(view, &body, &pose, &mut input);
        } else {
            input.yaw = Yaw::along(self.plan.goal - body.position);
        }
        self.yaw = input.yaw;
        let way = self.steering.way(view, &body, &self.plan, target.map(|pose| pose.position), &mut self.rng);
        push_axes(&mut input, way);
        input
    }

    /// Notes that an input was sent for tick `target`; call it for every input, as prediction depends on it.
    pub fn sent(&mut self, sequence: Sequence, target: Tick, input: &ArenaInput) {
        self.predictor.sent(sequence, target, input);
    }

    /// Compares the audit of a shot with what the bot expected; `None` when it does not remember the shot.
    pub fn judged(&mut self, audit: &ShotAudit) -> Option<Judged> {
        let slot = &mut self.shots[usize::from(audit.number) % SHOTS_REMEMBERED];
        let (_, expected) = slot.take_if(|(number, _)| *number == audit.number)?;
        Some(Judged { expected, hit: audit.target.is_some() })
    }

    /// Looks around: chooses whom to shoot, where to go, and how steady the hand is until the next look.
    fn think(&mut self, view: &View<'_>, body: &Body) {
        let random_ticks = self.rng.random_range(0..self.think_ticks.max(2) / 2 + 1);
        self.think_at = Some(view.tick + self.think_ticks + random_ticks);
        self.plan.renew(view, self.me, body, &mut self.rng);
        self.trigger_held = self.rng.random_bool(TRIGGER_HELD);
        self.rocket_wanted = self.rng.random_bool(ROCKET_CHANCE);
        let mut off = || self.rng.random_range(-AIM_ERROR_MAX..AIM_ERROR_MAX);
        self.aim_error = (off(), off());
    }

    fn aim_and_fire(&mut self, view: &View<'_>, body: &Body, target: &Pose, input: &mut ArenaInput) {
        let eye = body.eye();
        let in_sight = view.map.clear_between(eye, target.position);
        let distance = eye.distance(target.position);
        let rocket = self.rocket_wanted && in_sight && view.own.rockets > 0;
        if rocket && ROCKET_DISTANCES.contains(&distance) && view.tick.since(self.rocket_ready_at) >= 0 {
            // At the feet: what misses the body still splashes.
            let feet = target.position.with_y(0.2);
            (input.yaw, input.pitch) = aim_at(eye, feet);
            input.buttons |= BUTTON_ROCKET;
            self.rocket_wanted = false;
            self.rocket_ready_at = view.tick + self.rocket_ticks;
            return;
        }
        let (yaw, pitch) = aim_at(eye, target.position);
        input.yaw = Yaw::from_radians(yaw.radians() + self.aim_error.0);
        input.pitch = Pitch::from_radians(pitch.radians() + self.aim_error.1);
        let ready = view.own.rounds > 0 && view.tick.since(self.rifle_ready_at) >= 0;
        if in_sight && self.trigger_held && ready && distance < RIFLE_RANGE {
            self.pull_trigger(view, eye, target, input);
        }
    }

    /// Fires and notes whether the aim, as quantised, is on the target as seen.
    fn pull_trigger(&mut self, view: &View<'_>, eye: Vec3, target: &Pose, input: &mut ArenaInput) {
        let direction = aim_direction(input.yaw, input.pitch);
        let reach = target.ray(eye, direction, RIFLE_RANGE);
        let expected = reach.is_some_and(|reach| view.map.cast(eye, direction, reach).is_none());
        self.shot_number = self.shot_number.wrapping_add(1);
        self.rifle_ready_at = view.tick + self.rifle_ticks;
        self.shots[usize::from(self.shot_number) % SHOTS_REMEMBERED] = Some((self.shot_number, expected));
        input.buttons |= BUTTON_RIFLE;
        input.shot_number = self.shot_number;
    }
}

/// Turns a wanted way (length 0 ..= 1) into the axes of an input that looks along its own yaw.
fn push_axes(input: &mut ArenaInput, way: Vec3) {
    let forward = input.yaw.forward();
    let right = Vec3::new(-forward.z, 0.0, forward.x);
    let axis = |along: f32| {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the way is at most 1 long, and a float cast saturates"
        )]
        let pushed = (along * f32::from(AXIS_FULL)).round() as i8;
        pushed
    };
    input.ahead = axis(way.dot(forward));
    input.right = axis(way.dot(right));
}
