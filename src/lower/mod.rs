//! From a checked text to graphs, at concrete sizes.
//!
//! In: a [`Checked`](crate::typed::Checked) program. Out: an [`Outline`] of the experiment and, for each combination of
//! swept values, a [`Cell`] of programs. The one address of discretisation: paths, integrals, processes, expectations
//! and draws get their grids, sums, scans and streams here and nowhere else. May not know: any machine.

mod experiment;

pub use experiment::{Cell, Figure, Group, Measurement, Outline, Rule, Stage, Training};
