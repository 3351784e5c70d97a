//! Machines that run a program.
//!
//! In: a [`Program`](crate::graph::Program) and, for every run of it, a [`Feed`]. Out: the values of its outputs, or a
//! [`Fault`]. May not know: syntax, or what the program is for.

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod math;
pub mod random;
pub mod reference;
pub mod selftest;
pub mod timing;

use miette::Diagnostic;
use ndarray::ArrayD;
use thiserror::Error;

use crate::graph::ValueId;

/// What a run of a program reads.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// One tensor per parameter.
    pub parameters: &'a [ArrayD<f64>],
    /// One tensor per memory cell, row-major; extents as those of the cell's type.
    pub states: &'a [ArrayD<f64>],
    /// The number of this run, from 0.
    pub step: u64,
    /// The run's seed.
    pub seed: u64,
}

/// A value that is not finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The first value of the program, in its order, that was not finite.
    pub value: ValueId,
    /// What it held.
    pub found: f64,
}

/// A machine that stopped working in the middle of a run.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[error("expected the device `{device}` to go on, found that it was lost: {why}")]
#[diagnostic(
    code(soc::device),
    help(
        "`socrun doctor` tests every device; the parameters of the last step are kept, and `--backend cpu` needs no device"
    )
)]
pub struct Lost {
    /// The device.
    pub device: String,
    /// What its driver says.
    pub why: String,
}

/// The first number that is not finite.
pub fn first_non_finite(numbers: &[f64]) -> Option<f64> {
    // Whole chunks are asked at once: a search that may end at every number is not vectorised.
    let bad = numbers.chunks(256).find(|chunk| !chunk.iter().fold(true, |all, x| all & x.is_finite()))?;
    bad.iter().copied().find(|x| !x.is_finite())
}

/// A machine with a program loaded.
pub trait Executor: Send {
    /// Runs the program once and returns its outputs in their order, extents as in [`Program::extents`](crate::graph::Program::extents).
    ///
    /// # Errors
    /// When an output is not finite; the fault names the first value of the program that was not.
    fn execute(&mut self, feed: &Feed<'_>) -> Result<Vec<ArrayD<f64>>, Fault>;

    /// Why the machine cannot go on, if it cannot. An execution that ends for that reason returns a fault that means
    /// nothing else.
    fn lost(&self) -> Option<Lost> {
        None
    }

    /// Where the time of the runs so far went, if the machine was asked to look.
    fn timing(&self) -> Option<timing::Timing> {
        None
    }
}
