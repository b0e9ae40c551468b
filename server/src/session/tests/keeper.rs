//! A game that holds seats, for tests: as empty as pulse, with snapshots of a size of one's choice.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tickring_pulse::{Filler, Noise, Presence};
use tickring_room::{EntityId, Game, Hold, PlayerId, Rng, Setup, Step, World, layout_hash};

/// The game.
pub(super) struct Keeper {
    filler: Filler,
    hold: Hold,
}

/// How it is set up.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) private_bytes: u16,
    pub(super) hold_seconds: u16,
}

impl Game for Keeper {
    const NAME: &'static str = "keeper";
    const LAYOUT: u64 = layout_hash(&["keeper"]);
    type Settings = Settings;
    type Input = Noise;
    type Entity = Presence;
    type Private = Filler;
    type Event = Infallible;

    fn create(setup: &Setup<Self>) -> Self {
        let Settings { private_bytes, hold_seconds } = setup.settings;
        Self { filler: Filler { bytes: private_bytes }, hold: Hold { seconds: hold_seconds } }
    }

    fn joined(&mut self, _player: PlayerId, world: &mut World<Self>, _rng: &mut Rng) -> EntityId {
        world.spawn(Presence)
    }

    fn dropped(&mut self, _player: PlayerId, _world: &mut World<Self>) -> Hold {
        self.hold
    }

    fn step(&mut self, _tick: &mut Step<'_, Self>) {}

    fn private(&self, _player: PlayerId, _world: &World<Self>) -> Filler {
        self.filler
    }
}
