//! The bots of the rewind probe: in every room a marksman (even connections) and a runner (odd ones).

use std::rc::Rc;

use tickring_arena::bot::View;
use tickring_arena::map::Map;
use tickring_arena::probe::{Lane, Marksman, Runner, Shot};
use tickring_arena::{Arena, ArenaEvent, ArenaInput, ShotAudit};
use tickring_client::Connection;
use tickring_protocol::ids::{EntityId, Sequence, Tick};
use tickring_protocol::message::Welcome;
use tickring_room::{Pose, Replicated, ViewTime};

use super::track::Track;
use super::{Bot, Moment, Role};
use crate::forge::Forge;
use crate::measure::tally::Counters;

/// Shots whose story may be open at once: those of two seconds and more.
const OPEN_MAX: usize = 24;
/// The server believes a view time that is two ticks off what it expects, whoever declares it, and what it
/// expects may be off by as much from what is really seen.
const TOLERANCE_TICKS: i64 = 4;

/// A bot of the probe.
#[derive(Debug)]
pub(crate) struct Prober {
    map: Rc<Map>,
    part: Part,
}

#[derive(Debug)]
enum Part {
    Runner(Box<Runner>),
    Shooter(Box<Shooter>),
    /// The map has no lane: nothing can be probed here.
    Spectator,
}

impl Bot for Prober {
    type Game = Arena;
    type Ground = (Rc<Map>, Option<Lane>);

    fn ground(welcome: &Welcome) -> Self::Ground {
        let map = Map::generate(welcome.seed, welcome.room_players_max);
        let lane = Lane::find(&map);
        (Rc::new(map), lane)
    }

    fn new(role: Role, welcome: &Welcome, (map, lane): Self::Ground) -> Self {
        let part = match lane {
            None => Part::Spectator,
            Some(lane) if role.connection % 2 == 1 => {
                Part::Runner(Box::new(Runner::new(lane, welcome.tick_hz)))
            }
            Some(lane) => {
                let marksman = Marksman::new(EntityId(welcome.entity), lane, welcome.tick_hz);
                Part::Shooter(Box::new(Shooter::new(marksman, role.forge)))
            }
        };
        Self { map, part }
    }

    fn decide(&mut self, link: &Connection<Arena>, moment: Moment, counters: &mut Counters) -> ArenaInput {
        let Some(own) = link.private() else { return ArenaInput::default() };
        let view = View {
            map: &self.map,
            tick: moment.target,
            own,
            own_tick: moment.newest,
            last_input: moment.last_input,
            entities: link.entities(),
            seen: &|id| link.seen(moment.now_ns, id),
        };
        match &mut self.part {
            Part::Runner(runner) => runner.decide(&view),
            Part::Shooter(shooter) => {
                let Some(seen_at) = link.view_time(moment.now_ns) else { return ArenaInput::default() };
                shooter.decide(&view, seen_at, counters)
            }
            Part::Spectator => ArenaInput::default(),
        }
    }

    fn claims(&self) -> Option<ViewTime> {
        match &self.part {
            Part::Shooter(shooter) => shooter.claim,
            Part::Runner(_) | Part::Spectator => None,
        }
    }

    fn sent(&mut self, sequence: Sequence, target: Tick, input: &ArenaInput) {
        match &mut self.part {
            Part::Runner(runner) => runner.sent(sequence, target, input),
            Part::Shooter(shooter) => shooter.marksman.sent(sequence, target, input),
            Part::Spectator => {}
        }
    }

    fn happened(&mut self, tick: Tick, event: &ArenaEvent, counters: &mut Counters) {
        let ArenaEvent::Shot(audit) = event else { return };
        if let Part::Shooter(shooter) = &mut self.part {
            counters.shots += 1;
            shooter.judged(tick, audit);
            shooter.close(counters);
        }
    }
}

/// A marksman and what it remembers.
#[derive(Debug)]
struct Shooter {
    marksman: Marksman,
    forge: Option<Forge>,
    /// Changes with every input.
    turn: bool,
    /// The view time that the input just decided claims.
    claim: Option<ViewTime>,
    /// The target as it was drawn, by view time.
    drawn: Track,
    /// The target as the snapshots said, by their ticks.
    told: Track,
    /// Shots whose story is not over, oldest first.
    open: Vec<Open>,
}

/// A shot under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    shot: Shot,
    /// What the marksman really saw when it fired.
    seen_at: ViewTime,
    /// The tick the server judged it in and whether it granted a hit.
    judged: Option<(Tick, bool)>,
}

impl Shooter {
    fn new(marksman: Marksman, forge: Option<Forge>) -> Self {
        let (drawn, told) = (Track::default(), Track::default());
        Self { marksman, forge, turn: false, claim: None, drawn, told, open: Vec::new() }
    }

    fn decide(&mut self, view: &View<'_>, seen_at: ViewTime, counters: &mut Counters) -> ArenaInput {
        let target = self.marksman.target(view);
        let seen = target.and_then(|target| (view.seen)(target));
        if let Some(seen) = seen {
            self.drawn.push(seen_at, seen);
        }
        let newest = target.and_then(|target| view.entities.iter().find(|(id, _)| *id == target));
        if let Some((_, entity)) = newest {
            self.told.push(ViewTime { tick: view.own_tick, fraction: 0 }, entity.pose());
        }
        self.close(counters);
        self.turn = !self.turn;
        self.claim = self.forge.map(|forge| forge.claim(seen_at, view.tick, self.turn));
        let pose = match self.claim {
            None => seen,
            // What a cheat would like to hit: the target at the moment it claims to see.
            Some(claim) => self.drawn.at(claim).or_else(|| self.drawn.beyond(claim)),
        };
        let (input, shot) = self.marksman.decide(view, target.zip(pose));
        if let Some(shot) = shot {
            counters.probe.fired += 1;
            if self.open.len() == OPEN_MAX {
                // Its input never reached the room in time.
                self.open.remove(0);
            }
            self.open.push(Open { shot, seen_at, judged: None });
        }
        input
    }

    /// The server judged a shot in `tick`.
    fn judged(&mut self, tick: Tick, audit: &ShotAudit) {
        if let Some(open) = self.open.iter_mut().rev().find(|open| open.shot.number == audit.number) {
            open.judged = Some((tick, audit.target == Some(open.shot.target)));
        }
    }

    /// Counts the shots of which everything is known: the verdict, and where the target stood at that time.
    fn close(&mut self, counters: &mut Counters) {
        let (told, drawn) = (&self.told, &self.drawn);
        let knows = |track: &Track, at| track.newest().is_some_and(|newest| newest.since(at) >= 0);
        self.open.retain(|open| {
            let Some((tick, granted)) = open.judged else { return true };
            // A judge without memory would look at the end of the tick before.
            let present_at = ViewTime { tick, fraction: 0 }.offset(-256);
            if !knows(told, present_at) || !knows(drawn, open.seen_at.offset(TOLERANCE_TICKS * 256)) {
                return true;
            }
            let meets = |pose: Option<Pose>| pose.is_some_and(|pose| open.shot.meets(&pose));
            let mut moments =
                (-TOLERANCE_TICKS..=TOLERANCE_TICKS).map(|ticks| open.seen_at.offset(ticks * 256));
            let aim = if open.shot.aimed_true {
                Aim::True
            } else if moments.any(|at| meets(drawn.at(at))) {
                Aim::Near
            } else {
                Aim::Elsewhere
            };
            count(counters, aim, granted, meets(told.at(present_at)));
            false
        });
    }
}

/// Where a shot was aimed, by what the marksman really saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    True,
    /// At the target as it was within the server's tolerance of what was seen.
    Near,
    Elsewhere,
}

fn count(counters: &mut Counters, aim: Aim, granted: bool, present: bool) {
    let probe = &mut counters.probe;
    probe.judged += 1;
    probe.present += u64::from(present);
    let granted = u64::from(granted);
    match aim {
        Aim::True => {
            probe.aimed_true += 1;
            probe.granted += granted;
            counters.hits_expected += 1;
            counters.hits_confirmed += granted;
        }
        Aim::Near => {
            probe.near += 1;
            probe.near_granted += granted;
        }
        Aim::Elsewhere => probe.gained += granted,
    }
}
