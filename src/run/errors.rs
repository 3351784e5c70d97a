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

/// A buffer that is empty when rows are drawn from it.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("the buffer `{name}` is empty when it is drawn from")]
#[diagnostic(code(soc::method), help("push into `{name}` before this, in every run of the loop that comes here"))]
pub struct EmptyDraw {
    /// The buffer.
    pub name: String,
    /// The draw.
    #[label("drawn from here")]
    pub span: Span,
}

/// Rows that cannot be drawn in proportion to their weights.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("expected weights from 0 that are not all 0, found {found}")]
#[diagnostic(code(soc::method), help("push weights such as `softmax[sample](ℓ)` or `exp(ℓ)`"))]
pub struct BadWeights {
    /// What was found.
    pub found: String,
    /// The draw.
    #[label("drawn by weight here")]
    pub span: Span,
}

/// An equation without a root between the ends.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error(
    "the equation has no root between {from} and {to}: left minus right is {low} at the one and {high} at the other"
)]
#[diagnostic(
    code(soc::method),
    help("choose ends at which the signs differ, or say what stands for the root: `… else {to}`")
)]
pub struct NoRoot {
    /// The lower end.
    pub from: f64,
    /// The upper end.
    pub to: f64,
    /// The residual at the lower end.
    pub low: f64,
    /// The residual at the upper end.
    pub high: f64,
    /// The equation.
    #[label("no root of this")]
    pub span: Span,
}

/// Buffers beyond the memory of the machine.
#[derive(Clone, Debug, Error, Diagnostic)]
#[error("the buffers need {bytes} bytes, and {limit} may be used")]
#[diagnostic(
    code(soc::resources),
    help("a row of `{name}` takes {row} bytes, and it keeps {rows}; lower its capacity")
)]
pub struct BuffersTooLarge {
    /// The largest buffer.
    pub name: String,
    /// What all of them need.
    pub bytes: u128,
    /// What is allowed.
    pub limit: u64,
    /// The capacity of the largest.
    pub rows: usize,
    /// The bytes of one of its rows.
    pub row: u128,
    /// Where it is declared.
    #[label("the largest buffer")]
    pub span: Span,
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
