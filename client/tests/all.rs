//! The tests here as one binary, so that a room of dots is compiled once, but for those that need a process of
//! their own.

mod clock_sync;
mod coming_back;
mod dilation;
#[path = "../../room/tests/dots/mod.rs"]
mod dots;
mod interpolation;
mod link;
mod prediction;
mod session;
mod watching;
