//! The tests here as one binary, because most of what each costs is compiling a room of dots.

mod audience;
mod damage;
mod determinism;
mod dots;
mod hostile_bodies;
mod recorded;
mod recording;
mod relief;
mod rewind;
mod seats;
mod snapshot;
mod spectators;
mod world;
