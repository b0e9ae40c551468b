//! What a game developer writes.

use std::convert::Infallible;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tickring_protocol::ids::{EntityId, PlayerId};

use crate::{Field, Interest, Pose, Rng, Step, World};

/// The rules of one game. A room owns one value of this type and calls it from one thread only.
///
/// Everything a game may depend on is handed in: the setup, the world, inputs and seeded randomness. It must not
/// read a clock, do I/O or iterate a container without a stable order; then a room can be replayed bit for bit.
///
/// What clients see lives in the [`World`] as entities; what only the rules know (scores, timers) lives in the
/// game value itself.
pub trait Game: Sized + 'static {
    /// The name in configuration and logs: lower case ASCII.
    const NAME: &'static str;
    /// The version of the rules, which recordings name: `env!("CARGO_PKG_VERSION")` is that of the game's own crate.
    const VERSION: &'static str;
    /// Hash of the wire layouts of input, entity, private state and events; made with [`crate::layout_hash`]. A client
    /// built from another layout is refused at its hello.
    const LAYOUT: u64;
    /// What an operator can set. Recordings hold them, as JSON.
    type Settings: Default + Clone + Send + Serialize + DeserializeOwned;
    /// One player's intent for one tick.
    type Input: Input;
    /// What every player sees of a thing in the world.
    type Entity: Replicated;
    /// What only the player itself is told with each snapshot. `()` when there is nothing.
    type Private: PrivateState;
    /// Something that happened and is worth a message of its own.
    type Event: GameEvent;

    /// How far players see on a field that is too large to send whole; `None`: everybody is sent everything.
    /// Depends on the settings, not on the seed.
    fn interest(setup: &Setup<Self>) -> Option<Interest> {
        let _ = setup;
        None
    }

    /// Starts a game in an empty world.
    fn create(setup: &Setup<Self>) -> Self;

    /// Whether one more player may join now. Called only while a seat is free.
    ///
    /// # Errors
    /// The reason, which the player is told.
    fn may_join(&self, world: &World<Self>) -> Result<(), JoinRefusal> {
        let _ = world;
        Ok(())
    }

    /// A player took a seat: spawns and returns the entity it controls.
    fn joined(&mut self, player: PlayerId, world: &mut World<Self>, rng: &mut Rng) -> EntityId;

    /// The player's connection was lost. The seat is kept for the answered time, its input being neutral.
    fn dropped(&mut self, player: PlayerId, world: &mut World<Self>) -> Hold {
        let _ = (player, world);
        Hold::default()
    }

    /// The player of a held seat is back.
    fn resumed(&mut self, player: PlayerId, world: &mut World<Self>) {
        let _ = (player, world);
    }

    /// The seat is given up. [`World::entity_of`] still names the player's entity; the default removes it.
    fn left(&mut self, player: PlayerId, world: &mut World<Self>) {
        if let Some(entity) = world.entity_of(player) {
            world.despawn(entity);
        }
    }

    /// Advances the world by one tick of [`Step::dt`] seconds.
    fn step(&mut self, tick: &mut Step<'_, Self>);

    /// The player's own block in this tick's snapshot. Called once per seat and snapshot: keep it cheap.
    fn private(&self, player: PlayerId, world: &World<Self>) -> Self::Private;
}

/// What a game is created from.
#[derive(Debug)]
pub struct Setup<G: Game> {
    /// The operator's settings.
    pub settings: G::Settings,
    /// The room's seed; clients are told it in the welcome.
    pub seed: u64,
    /// Ticks per second.
    pub tick_hz: u16,
    /// Seats.
    pub players_max: u16,
}

/// One player's intent for one tick, of fixed size. `Default` is the neutral input: nothing pressed.
pub trait Input: Copy + Default + Debug + PartialEq + 'static {
    /// Encoded size, at most 16.
    const BYTES: usize;

    /// Reads exactly [`Input::BYTES`] bytes. They come from the network.
    ///
    /// # Errors
    /// When the bytes are no input of this game; the connection is then closed.
    fn read(bytes: &[u8]) -> Result<Self, Malformed>;

    /// Appends exactly [`Input::BYTES`] bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// The nearest allowed input: no NaN, everything within its range. Called on every input read.
    #[must_use]
    fn sanitize(self) -> Self;

    /// The input with everything released that acts once per press. A missing input is replaced by the last one,
    /// and a held trigger must not fire again for it.
    #[must_use]
    fn without_edges(self) -> Self;

    /// The input with the presses of `skipped` added: when the backlog makes the room consume two inputs in one
    /// tick, the older one is skipped and must not lose a shot. The default adds nothing.
    #[must_use]
    fn with_edges_of(self, skipped: Self) -> Self {
        let _ = skipped;
        self
    }
}

/// The input of a game in which nobody steers.
impl Input for () {
    const BYTES: usize = 0;

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() { Ok(()) } else { Err(Malformed("an input where the game has none")) }
    }

    fn write(&self, _out: &mut Vec<u8>) {}

    fn sanitize(self) -> Self {}

    fn without_edges(self) -> Self {}
}

/// A thing in the world as clients see it.
pub trait Replicated: Clone + Debug + 'static {
    /// The field table: how each replicated field is quantised, in wire order, at most 32 fields. Empty: entities
    /// of this game are not sent at all.
    const FIELDS: &'static [Field];

    /// Writes the quantised fields, `out.len() == FIELDS.len()`. Values outside a field's width are clamped by
    /// the caller.
    fn quantise(&self, out: &mut [i32]);

    /// The entity from its quantised fields, on the client. `values.len() == FIELDS.len()`, each within its width.
    ///
    /// # Errors
    /// When the values are no entity, such as an unknown discriminant.
    fn restore(values: &[i32]) -> Result<Self, Malformed>;

    /// Where the entity stands and what a ray can hit. Recorded every tick for lag compensation.
    fn pose(&self) -> Pose;
}

/// The block of a snapshot that only its player receives.
pub trait PrivateState: Sized + Debug + 'static {
    /// Appends the block, at most 32 KiB and of any length.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads a whole block.
    ///
    /// # Errors
    /// When the bytes are no block of this game.
    fn read(bytes: &[u8]) -> Result<Self, Malformed>;
}

impl PrivateState for () {
    fn write(&self, _out: &mut Vec<u8>) {}

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() { Ok(()) } else { Err(Malformed("a private block where the game has none")) }
    }
}

/// A message about something that happened, with a fixed layout per kind.
pub trait GameEvent: Sized + Debug + 'static {
    /// The kind on the wire.
    fn kind(&self) -> u8;

    /// Appends the bytes after the kind.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the bytes of an event of that kind.
    ///
    /// # Errors
    /// When the kind is unknown or the bytes do not fit it.
    fn read(kind: u8, bytes: &[u8]) -> Result<Self, Malformed>;
}

/// The event of a game in which nothing happens.
impl GameEvent for Infallible {
    fn kind(&self) -> u8 {
        match *self {}
    }

    fn write(&self, _out: &mut Vec<u8>) {
        match *self {}
    }

    fn read(_kind: u8, _bytes: &[u8]) -> Result<Self, Malformed> {
        Err(Malformed("an event where the game has none"))
    }
}

/// Bytes that do not follow the game's layout, and in what way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// How long a seat is kept after its connection was lost. The default is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Seconds; 0 gives the seat up at once.
    pub seconds: u16,
}

/// Why a game lets nobody in right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct JoinRefusal {
    /// A short sentence for the player, at most 80 bytes.
    pub reason: &'static str,
}
