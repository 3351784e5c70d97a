//! The experiment's statements, carried out.
//!
//! In: a [`Cell`](crate::lower::Cell), a [`Machine`] that loads its programs, and an [`Observer`]. Out: an [`Outcome`]:
//! the history of every quantity, the parameters, the time per step and, if a value was not finite, where and when.
//! Knows parameters, memory cells and steps. May not know: syntax, or how a program is carried out.

mod assignment;
mod buffer;
mod distance;
mod errors;
mod interpreter;
mod machine;
mod memory;
mod observer;
mod outcome;
mod pace;
mod root;
mod schedule;
mod standing;
#[cfg(test)]
mod tests;

pub use errors::{Activity, Malformed, NonFinite};
pub use interpreter::{continue_cell, run_cell};
pub use machine::{Loaded, Machine};
pub use observer::{Observer, Silent};
pub use outcome::{Outcome, Series, Timing};
pub use schedule::refuse_buffers;
pub use standing::{Forgetful, Keeper, Standing};
