//! From a checked text to graphs, at concrete sizes.
//!
//! In: a [`Checked`](crate::typed::Checked) program. Out: an [`Outline`] of the experiment and, for each combination of
//! swept values, a [`Cell`] of programs. The one address of discretisation: paths, integrals, processes, expectations
//! and draws get their grids, sums, scans and streams here and nowhere else. May not know: any machine.
//!
//! Lowering evaluates the text once, with graph values where the run has numbers: sizes, lists and choices are known,
//! functions are closures, matrices are operators that are applied before they are built.

mod arithmetic;
mod block;
mod bridge;
mod builtin;
mod calculus;
mod call;
mod cell;
mod density;
mod distances;
mod drawn;
mod entries;
mod environment;
mod errors;
mod evaluations;
mod expectation;
mod experiment;
mod expr;
mod flow;
mod integral;
mod kept;
mod known;
mod law;
mod lowerer;
mod minimise;
mod moving;
mod nets;
mod network;
mod operator;
mod outline;
mod problem;
mod process;
mod rounds;
mod rows;
mod sampled;
mod schedule;
mod sequence;
mod stiff;
mod stopping;
mod stretch;
mod time;
mod tridiagonal;
mod value;

pub use crate::syntax::Citation;
pub use cell::cell;
pub use distances::{Distance, Metric};
pub use errors::LowerError;
pub use evaluations::Evaluations;
pub use expectation::{Arithmetic, Claim, Expectation, Formula, Order};
pub use experiment::{Cell, CopyRule, Figure, Group, Measurement, Outline, ParameterCopy, Rule, Stage, Training};
pub use moving::moving;
pub use outline::outline;
pub use schedule::{Action, Buffer, Root, RowDraw, RowPush, SampleDraw, Schedule, Stretch};
