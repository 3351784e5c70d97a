//! What lowering hands to the run: programs and the order to run them in.

use super::distances::Distance;
use super::evaluations::Evaluations;
use super::expectation::Expectation;
use super::schedule::{SampleDraw, Schedule};
use crate::graph::Program;
use crate::source::Span;
use crate::syntax::Citation;

/// The shape of an experiment: everything that does not depend on the swept values.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The `//!` text of the file.
    pub doc: String,
    /// The swept names with a label per value, in order. Empty without a sweep.
    pub sweep: Vec<(String, Vec<String>)>,
    /// The figures.
    pub plots: Vec<Figure>,
    /// The tables.
    pub tables: Vec<Figure>,
    /// What must be true of the measured values.
    pub expectations: Vec<Expectation>,
    /// What the file and all that it uses cite.
    pub citations: Vec<Citation>,
}

/// A figure or a table as the file asks for it. Names are spelled as in the file; sweep names as in [`Outline::sweep`].
#[derive(Clone, Debug)]
pub struct Figure {
    /// The measured quantities.
    pub quantities: Vec<String>,
    /// The abscissa: `step` or a swept name. `None` for a table.
    pub against: Option<String>,
    /// One curve or row per value of these.
    pub by: Vec<String>,
    /// Averaged over these.
    pub mean_over: Vec<String>,
    /// Logarithmic axes: `x`, `y`.
    pub log: Vec<String>,
    /// Where the file says so.
    pub span: Span,
}

/// One combination of swept values, ready to run.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The chosen value of every swept name, as (name, label).
    pub labels: Vec<(String, String)>,
    /// The seed that the file says (a swept or a top-level `seed`), if it does.
    pub seed: Option<u64>,
    /// The values of the names that expectations use and nothing measures.
    pub known: Vec<(String, f64)>,
    /// Computes the first values of the parameters: one output per parameter, in order. Has no parameters itself.
    pub init: Program,
    /// The names of the parameters, `V.W1`; all programs of the cell number parameters in this order.
    pub parameters: Vec<String>,
    /// Further values of parameters; programs number them after the parameters, in this order.
    pub copies: Vec<ParameterCopy>,
    /// What happens, in order.
    pub stages: Vec<Stage>,
    /// Measurements with `every`, made during their training, at step 0, at every multiple and at the last step.
    pub running_measures: Vec<Measurement>,
}

/// A second value of a parameter, which follows the first without being trained itself.
#[derive(Clone, Debug)]
pub struct ParameterCopy {
    /// Its name in files.
    pub name: String,
    /// The number of the parameter.
    pub of: usize,
    /// How it follows.
    pub rule: CopyRule,
}

/// How a copy θ̄ follows its parameter θ. At first both are equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CopyRule {
    /// θ̄ ← decay·θ̄ + (1 − decay)·θ after every step.
    Mean {
        /// The weight of the past.
        decay: f64,
    },
    /// θ̄ ← θ after every so many steps; never, if that is left open.
    Held {
        /// Steps between two renewals.
        every: Option<u64>,
    },
    /// θ̄ ← θ where a schedule says so.
    Taken {
        /// The offset in the text that says so.
        place: u32,
    },
}

/// A part of a run.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Optimises parameters, one step like the other.
    Train(Training),
    /// Optimises parameters as a schedule says.
    Schedule(Schedule),
    /// Measures once.
    Measure(Measurement),
}

impl Stage {
    /// The programs that are run, in order.
    pub fn programs(&self) -> Vec<&Program> {
        match self {
            Self::Train(training) => vec![&training.step],
            Self::Schedule(schedule) => schedule.programs(),
            Self::Measure(measurement) => measurement.programs(),
        }
    }

    /// Its programs before parameters move, in order.
    pub(super) fn programs_mut(&mut self) -> Vec<&mut Program> {
        match self {
            Self::Train(training) => vec![&mut training.program],
            Self::Schedule(schedule) => schedule.programs_mut(),
            Self::Measure(measurement) => measurement.programs_mut(),
        }
    }
}

/// A training loop.
#[derive(Clone, Debug)]
pub struct Training {
    /// What a step works out: the objective under [`Training::OBJECTIVE`], gradients, next states, rates.
    pub program: Program,
    /// A whole step: the same, with the next parameters in place of the gradients.
    pub step: Program,
    /// The number of steps.
    pub steps: u64,
    /// Who moves, and how.
    pub groups: Vec<Group>,
    /// The batch size.
    pub batch: usize,
    /// What is measured of the steps themselves.
    pub measures: Vec<StepMeasure>,
    /// Samples of files, drawn before every step.
    pub samples: Vec<SampleDraw>,
    /// What a step evaluates.
    pub evaluations: Vec<Evaluations>,
    /// Where the objective stands in the file.
    pub span: Span,
}

impl Training {
    /// The name of the output that holds the objective.
    pub const OBJECTIVE: &'static str = "objective";

    /// The name of the output that holds a quantity measured of the step itself.
    pub fn measured(quantity: &str) -> String {
        format!("measured:{quantity}")
    }
}

/// Quantities of a training step, computed in every step and recorded in some.
#[derive(Clone, Debug)]
pub struct StepMeasure {
    /// The quantities, as the file spells them; see [`Training::measured`].
    pub quantities: Vec<String>,
    /// Recorded at every so many steps, counted from 0, and at the last.
    pub every: Option<u64>,
    /// The first step that is recorded, besides the last.
    pub from: u64,
}

impl StepMeasure {
    /// Whether step k of so many is recorded.
    pub fn due(&self, k: u64, steps: u64) -> bool {
        let regular = |every: u64| k >= self.from && k.is_multiple_of(every.max(1));
        k + 1 == steps || self.every.is_some_and(regular)
    }
}

/// Parameters that one optimiser moves.
#[derive(Clone, Debug)]
pub struct Group {
    /// The net's name.
    pub name: String,
    /// The numbers of its parameters.
    pub parameters: Vec<usize>,
    /// The rule.
    pub rule: Rule,
    /// The name of the program's output that holds the learning rate of a step.
    pub rate: String,
    /// The largest norm of the group's gradient; longer ones are scaled down to it.
    pub clip: Option<f64>,
}

/// How a gradient g moves a parameter θ at the learning rate η.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// θ ← θ − η v, v ← momentum·v + g.
    Sgd {
        /// The weight of the past.
        momentum: f64,
    },
    /// Adam with bias correction; `decay` is the decoupled weight decay of AdamW.
    /// Source: arXiv:1412.6980, Algorithm 1; arXiv:1711.05101, Algorithm 2.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
        /// Decoupled weight decay.
        decay: f64,
    },
}

/// Quantities measured together.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Computes one named scalar output per quantity that depends on no distance, and the sets of samples.
    pub program: Program,
    /// Samples of files, drawn before it runs.
    pub samples: Vec<SampleDraw>,
    /// The distances between sets of samples, worked out after it.
    pub distances: Vec<Distance>,
    /// Computes the other quantities, from memory cells that hold the distances.
    pub after: Option<Program>,
    /// Steps between two measurements during training.
    pub every: Option<u64>,
    /// The first step after which one is made, besides the last.
    pub from: u64,
    /// The quantities, as the file spells them; outputs bear the same names.
    pub quantities: Vec<String>,
    /// The batch size.
    pub batch: usize,
    /// The number of the training, from 0, whose steps it counts, and during which it is made if it is made at every so many.
    pub training: usize,
    /// Where it stands in the file.
    pub span: Span,
}

impl Measurement {
    /// Its programs, in order.
    pub fn programs(&self) -> Vec<&Program> {
        std::iter::once(&self.program).chain(&self.after).collect()
    }

    /// Its programs, in order.
    pub fn programs_mut(&mut self) -> Vec<&mut Program> {
        std::iter::once(&mut self.program).chain(&mut self.after).collect()
    }
}
