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

use crate::graph::{Output, ValueId};

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

/// Runs of a program in a row: each reads the parameters and the cells that the one before wrote.
#[derive(Debug)]
pub struct Course<'a> {
    /// As in [`Feed`], row by row; afterwards as the last run that succeeded left them.
    pub parameters: &'a mut Vec<ArrayD<f64>>,
    /// As in [`Feed`], row by row; afterwards as the last run that succeeded left them.
    pub states: &'a mut Vec<ArrayD<f64>>,
    /// The number of the first run.
    pub first: u64,
    /// How many.
    pub runs: u64,
    /// The seed of all.
    pub seed: u64,
    /// What the program hands out. What has a name is one number.
    pub outputs: &'a [(Output, ValueId)],
}

/// What the runs of a [`Course`] gave: of each the outputs with names, in order; and why there are no more.
pub type Passed = (Vec<Vec<f64>>, Option<Fault>);

impl Course<'_> {
    /// What a run reads; `done` were made.
    pub fn feed(&self, done: u64) -> Feed<'_> {
        Feed { parameters: self.parameters, states: self.states, step: self.first + done, seed: self.seed }
    }

    /// Takes what a run wrote; gives the outputs with names.
    ///
    /// # Errors
    /// When a parameter has no place in single precision, in which they are kept; nothing is taken then.
    pub fn take(&mut self, values: Vec<ArrayD<f64>>) -> Result<Vec<f64>, Fault> {
        for ((kind, v), value) in self.outputs.iter().zip(&values) {
            if matches!(kind, Output::Parameter(_))
                && let Some(found) = first_beyond_single(value)
            {
                return Err(Fault { value: *v, found });
            }
        }
        let named = self.outputs.iter().zip(&values).filter(|((kind, _), _)| matches!(kind, Output::Named(_)));
        let named = named.filter_map(|(_, value)| value.first().copied()).collect();
        self.put_all(values);
        Ok(named)
    }

    /// Takes what a run wrote, as it is.
    fn put_all(&mut self, values: Vec<ArrayD<f64>>) {
        let outputs = self.outputs;
        outputs.iter().zip(values).for_each(|((kind, _), value)| self.put(kind, value));
    }

    /// Takes the numbers of one output of a run, row by row, if it is one that the next run reads.
    fn fill(&mut self, kind: &Output, numbers: &[f32]) {
        let to = match kind {
            Output::Parameter(i) => &mut self.parameters[*i],
            Output::State(i) => &mut self.states[*i],
            Output::Named(_) | Output::Gradient(_) => return,
        };
        let to = to.as_slice_mut().expect("what one run hands to the next lies row by row");
        to.iter_mut().zip(numbers).for_each(|(to, from)| *to = f64::from(*from));
    }

    /// Takes one output of a run, if it is one that the next run reads.
    fn put(&mut self, kind: &Output, value: ArrayD<f64>) {
        match kind {
            Output::Parameter(i) => self.parameters[*i] = row_major(value),
            Output::State(i) => self.states[*i] = row_major(value),
            Output::Named(_) | Output::Gradient(_) => {}
        }
    }
}

/// The same numbers, one row behind the other.
pub fn row_major(value: ArrayD<f64>) -> ArrayD<f64> {
    if value.is_standard_layout() { value } else { value.as_standard_layout().into_owned() }
}

/// The first entry that is not finite in single precision.
pub fn first_beyond_single(value: &ArrayD<f64>) -> Option<f64> {
    let finite = |x: &f64| (*x as f32).is_finite();
    let found = match value.as_slice() {
        Some(numbers) => first_without(numbers, finite),
        None => value.iter().copied().find(|x| !finite(x)),
    };
    found.map(|x| f64::from(x as f32))
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
    first_without(numbers, |x| x.is_finite())
}

/// The first number that is not finite.
pub fn first_non_finite_single(numbers: &[f32]) -> Option<f64> {
    first_without(numbers, |x| x.is_finite()).map(f64::from)
}

/// The first number that is not as it should be.
fn first_without<T: Copy>(numbers: &[T], good: impl Fn(&T) -> bool) -> Option<T> {
    // Whole chunks are asked at once: a search that may end at every number is not vectorised.
    let bad = numbers.chunks(256).find(|chunk| !chunk.iter().fold(true, |all, x| all & good(x)))?;
    bad.iter().copied().find(|x| !good(x))
}

/// A machine with a program loaded.
pub trait Executor: Send {
    /// Runs the program once and returns its outputs in their order, extents as in [`Program::extents`](crate::graph::Program::extents).
    ///
    /// # Errors
    /// When an output is not finite; the fault names the first value of the program that was not.
    fn execute(&mut self, feed: &Feed<'_>) -> Result<Vec<ArrayD<f64>>, Fault>;

    /// Runs the program several times in a row. The numbers are those of as many single runs, to the precision in which the
    /// machine keeps them.
    fn advance(&mut self, course: &mut Course<'_>) -> Passed {
        one_by_one(self, course)
    }

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

/// The runs of a course as single runs.
fn one_by_one<E: Executor + ?Sized>(executor: &mut E, course: &mut Course<'_>) -> Passed {
    let mut rows = Vec::new();
    for done in 0..course.runs {
        match executor.execute(&course.feed(done)).and_then(|values| course.take(values)) {
            Ok(named) => rows.push(named),
            Err(fault) => return (rows, Some(fault)),
        }
    }
    (rows, None)
}
