//! A small arena shooter on `tickring-room`: 3D rules, played on a plane with walls.
//!
//! Soldiers run, shoot a hitscan rifle that is judged in the past its shooter saw, launch slow rockets, pick up
//! health and ammunition, die and come back. [`Arena`] is the [`Game`](tickring_room::Game); `docs/arena.md`
//! describes the rules and what an author of another game can take from it.
//!
//! Two parts need no room and are meant for clients as well: [`rules`] (how a body moves; [`Arena`] implements
//! [`Predict`](tickring_room::Predict) with it) and [`map`] (the field, which follows from what the welcome says).
//! [`bot`] plays from what a client sees, [`probe`] shoots at a crossing target to find out what the judge grants,
//! and [`Skirmish`] lets bots fight in one process.
//!
//! ```
//! use tickring_arena::{Settings, Skirmish};
//! use tickring_room::RoomConfig;
//!
//! let config = RoomConfig { players_max: 8, seed: 1, ..RoomConfig::default() };
//! let mut skirmish = Skirmish::new(config, Settings::default(), 8, 1)?;
//! for _ in 0..600 {
//!     skirmish.tick(&mut |_tick, _to, _event| {});
//! }
//! assert!(skirmish.tally().shots > 0);
//! # Ok::<(), tickring_room::JoinError>(())
//! ```

pub mod bot;
mod combat;
mod crowd;
mod entity;
mod event;
mod game;
mod input;
mod interest;
pub mod map;
mod own_state;
mod pick_ups;
mod predict;
pub mod probe;
mod rockets;
pub mod rules;
mod settings;
mod skirmish;
mod soldier;
pub mod weapons;

pub use entity::{ArenaEntity, EntityKind};
pub use event::{ArenaEvent, ShotAudit, Weapon};
pub use game::Arena;
pub use input::{AXIS_FULL, ArenaInput, BUTTON_RIFLE, BUTTON_ROCKET};
pub use interest::SIGHT;
pub use own_state::OwnState;
pub use predict::Predictor;
pub use settings::Settings;
pub use skirmish::{Skirmish, Tally, Traffic};
pub use soldier::HEALTH_MAX;
