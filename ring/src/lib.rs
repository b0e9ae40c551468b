//! Tickring's io_uring driver: sockets in, sockets out, one ring a thread.
//!
//! [`Ring`] is the whole interface, and its documentation the contract. Beneath it each operation has its
//! file: [`accept`](Ring::listen), [`connect`](Ring::connect), [`receive`](Ring::receive),
//! [`send`](Ring::send), [`close`](Ring::close), [hand-over](Ring::hand_over) and [doorbells](Doorbell); `slots`
//! holds the connections, `buffers` the receive pool, `kernel` the queues and the system call, `drain` turns
//! completions into events.
//!
//! Sockets are direct descriptors: they live in the ring's own file table and use none of the process's
//! descriptors. Receiving is multishot from one pool of buffers. Waiting can gather: with deferred task
//! work the kernel collects completions without waking anybody, so one system call a tick can be enough.

#![allow(unsafe_code, reason = "the one crate that talks to io_uring; every block states its invariant")]

mod accept;
mod arrival;
mod buffers;
mod clock;
mod close;
mod config;
mod connect;
mod counters;
mod doorbell;
mod drain;
mod error;
mod event;
mod guests;
mod handover;
mod kernel;
mod metronome;
mod operation;
mod probe;
mod receive;
mod ring;
mod send;
mod setup;
mod slots;

pub use config::Config;
pub use counters::Counters;
pub use doorbell::{Doorbell, RingAddress};
pub use error::SetupError;
pub use event::{AcceptPause, ConnectionId, Event, Receive, Wait};
pub use guests::Place;
pub use probe::{Feature, Features};
pub use ring::Ring;
