//! What can go wrong while a program runs.

use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

/// What the run was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Computing the first values of the parameters.
    Initialising,
    /// A training step, counted from 1.
    Training {
        /// The number of the step.
        step: u64,
        /// The number of steps of the training.
        of: u64,
    },
    /// A measurement after so many steps.
    Measuring {
        /// The number of optimiser steps made.
        step: u64,
    },
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initialising => f.write_str("while the parameters got their first values"),
            Self::Training { step, of } => write!(f, "in training step {step} of {of}"),
            Self::Measuring { step } => write!(f, "in the measurement after {step} steps"),
        }
    }
}

/// A value that became infinite or not a number. The expression is the first one of the program that did.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected finite values, found {} {activity}", name(*found))]
#[diagnostic(code(soc::nonfinite))]
pub struct NonFinite {
    /// What was found.
    pub found: f64,
    /// When.
    pub activity: Activity,
    /// The optimiser steps after which the kept parameters stood; all of them are finite.
    pub kept: u64,
    /// The first expression that was not finite.
    #[label(primary, "this became {} first", name(*found))]
    pub span: Span,
    /// What to do.
    #[help]
    pub help: String,
}

/// The words for a number that is not finite.
fn name(found: f64) -> &'static str {
    if found.is_nan() {
        "NaN (not a number)"
    } else if found > 0.0 {
        "∞"
    } else {
        "-∞"
    }
}

impl NonFinite {
    /// The error, with advice that fits what the run was doing.
    pub(super) fn new(found: f64, activity: Activity, kept: u64, span: Span) -> Self {
        let advice = match activity {
            Activity::Initialising => "look at the bounds from which the parameters are drawn",
            Activity::Training { .. } => "lower the learning rate, clip the gradient or refine the grid",
            Activity::Measuring { .. } => "train at a lower learning rate, or refine the grid of the measurement",
        };
        let help = match activity {
            Activity::Initialising => advice.to_owned(),
            _ => format!("{advice}; the parameters after {kept} steps are kept"),
        };
        Self { found, activity, kept, span, help }
    }
}

/// A program that does not hand out what its place in the experiment asks for: a mistake in the compiler.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected {expected}, found {found}")]
#[diagnostic(code(soc::internal), help("this is a mistake in socrun itself; please report it with the file"))]
pub struct Malformed {
    /// What the run needs.
    pub expected: String,
    /// What the program has.
    pub found: String,
    /// The part of the file from which the program was made.
    #[label("in the program of this")]
    pub span: Span,
}
