//! A game that holds seats, for tests: as empty as pulse, with snapshots of a size and steps of a cost of one's choice.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tickring_pulse::{Filler, Noise, Presence};
use tickring_room::{EntityId, Game, Hold, PlayerId, Rng, Setup, Step, World, layout_hash};

/// The game.
pub(super) struct Keeper {
    filler: Filler,
    hold: Hold,
    toil: Toil,
}

/// How it is set up.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) private_bytes: u16,
    pub(super) hold_seconds: u16,
    /// Not part of the game: made up anew when a recording is played.
    #[serde(skip)]
    pub(super) toil: Toil,
}

/// What steps cost: a made-up clock goes on by so much with each.
#[derive(Clone, Default)]
pub(super) struct Toil {
    pub(super) clock_ns: Arc<AtomicU64>,
    pub(super) step_ns: Arc<AtomicU64>,
}

impl Game for Keeper {
    const NAME: &'static str = "keeper";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LAYOUT: u64 = layout_hash(&["keeper"]);
    type Settings = Settings;
    type Input = Noise;
    type Entity = Presence;
    type Private = Filler;
    type Event = Infallible;

    fn create(setup: &Setup<Self>) -> Self {
        let Settings { private_bytes, hold_seconds, toil } = setup.settings.clone();
        Self { filler: Filler { bytes: private_bytes }, hold: Hold { seconds: hold_seconds }, toil }
    }

    fn joined(&mut self, _player: PlayerId, world: &mut World<Self>, _rng: &mut Rng) -> EntityId {
        world.spawn(Presence)
    }

    fn dropped(&mut self, _player: PlayerId, _world: &mut World<Self>) -> Hold {
        self.hold
    }

    fn step(&mut self, _tick: &mut Step<'_, Self>) {
        self.toil.clock_ns.fetch_add(self.toil.step_ns.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    fn private(&self, _player: PlayerId, _world: &World<Self>) -> Filler {
        self.filler
    }
}
