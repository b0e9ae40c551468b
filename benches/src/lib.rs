//! Micro-benchmarks, the floor programs and the side-by-side runs.

pub mod clock;
