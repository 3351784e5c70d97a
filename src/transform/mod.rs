//! Rewrites of the graph: derivatives, and the passes that make it cheaper.
//!
//! In: values of a [`Builder`](crate::graph::Builder), or a whole [`Program`](crate::graph::Program). Out: more values,
//! or a program that computes the same. May not know: a backend.

mod activity;
mod band;
mod contract;
mod dead;
mod detach;
mod fit;
mod jvp;
mod matrix;
mod merge;
mod mirror;
mod names;
mod optimise;
mod pairs;
mod rebuild;
mod rename;
mod reuse;
mod signs;
mod slope;
mod vjp;

pub use band::bandwidth;
pub use jvp::jvp;
pub use optimise::{BEFORE_GRADIENTS, PASSES, Pass, optimise, with_gradients};
pub use vjp::vjp;
