//! The Tickring dedicated server: workers, sessions, rooms, admin.

pub mod clock;
pub mod command;
pub mod config;
pub mod control;
mod entropy;
pub mod error;
pub mod handover;
pub mod limits;
mod listen;
pub mod logging;
pub mod mailbox;
mod outbox;
mod pool;
mod recording;
pub mod replay;
pub mod report;
mod rooms;
mod serve;
mod session;
mod timers;
mod worker;

pub use serve::serve;
