//! Shapes and sizes that do not fit.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("{what} takes two values of one shape, found {left} and {right}")]
#[diagnostic(code(soc::shape), help("element shapes never broadcast; only a number scales, `a*x`"))]
pub(in crate::check::typing) struct Differ {
    pub(in crate::check::typing) what: &'static str,
    pub(in crate::check::typing) left: String,
    pub(in crate::check::typing) right: String,
    #[label("{left}")]
    pub(in crate::check::typing) left_at: Span,
    #[label("{right}")]
    pub(in crate::check::typing) right_at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("a number and {shape} have no {what}")]
#[diagnostic(code(soc::shape), help("{help}"))]
pub(in crate::check::typing) struct ScalarPlusShape {
    pub(in crate::check::typing) what: &'static str,
    pub(in crate::check::typing) shape: String,
    #[label("a number")]
    pub(in crate::check::typing) scalar_at: Span,
    #[label("{shape}")]
    pub(in crate::check::typing) shape_at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{left} and {right} have no product")]
#[diagnostic(code(soc::shape), help("{help}"))]
pub(in crate::check::typing) struct NoProduct {
    pub(in crate::check::typing) left: String,
    pub(in crate::check::typing) right: String,
    #[label("{left}")]
    pub(in crate::check::typing) left_at: Span,
    #[label("{right}")]
    pub(in crate::check::typing) right_at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("only a number divides, found {found}")]
#[diagnostic(code(soc::shape), help("{help}"))]
pub(in crate::check::typing) struct ByVector {
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    pub(in crate::check::typing) help: &'static str,
}

#[derive(Debug, Error, Diagnostic)]
#[error("only a number has powers, found {found}")]
#[diagnostic(code(soc::shape), help("{help}"))]
pub(in crate::check::typing) struct PowerOfVector {
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("only a square matrix has {what}, found {found}")]
#[diagnostic(code(soc::shape), help("{help}"))]
pub(in crate::check::typing) struct NotSquare {
    pub(in crate::check::typing) what: &'static str,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected {expected} as {what}, found {found}")]
#[diagnostic(code(soc::shape))]
pub(in crate::check::typing) struct WrongShape {
    pub(in crate::check::typing) what: String,
    pub(in crate::check::typing) expected: String,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("{expected} is said here")]
    pub(in crate::check::typing) because: Option<Span>,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    #[help]
    pub(in crate::check::typing) help: Option<String>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected {asked} as the result of the layer `{layer}`, found {said}")]
#[diagnostic(code(soc::shape), help("change the sizes given to `{layer}`, or the declared result"))]
pub(in crate::check::typing) struct ResultDiffers {
    pub(in crate::check::typing) layer: String,
    pub(in crate::check::typing) asked: String,
    pub(in crate::check::typing) said: String,
    #[label(primary, "gives {said}")]
    pub(in crate::check::typing) at: Span,
    #[label("{asked} is asked for here")]
    pub(in crate::check::typing) asked_at: Option<Span>,
    #[label("{said} is said here")]
    pub(in crate::check::typing) said_at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{what} is a natural number from 1, found {found}")]
#[diagnostic(code(soc::size), help("give a whole number of at least 1"))]
pub(in crate::check::typing) struct NotASize {
    pub(in crate::check::typing) what: String,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("declared here")]
    pub(in crate::check::typing) because: Option<Span>,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("nothing says how large `{name}` is")]
#[diagnostic(code(soc::size), help("declare the result: `let h: R[n] = …`"))]
pub(in crate::check::typing) struct UnboundSize {
    pub(in crate::check::typing) name: String,
    #[label("used here, where no size is asked for")]
    pub(in crate::check::typing) at: Span,
    #[label("a size of this layer's result")]
    pub(in crate::check::typing) because: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("indices run from 1 to {size}, found {found}")]
#[diagnostic(code(soc::size), help("indices start at 1 and ranges include both ends"))]
pub(in crate::check::typing) struct OutOfRange {
    pub(in crate::check::typing) size: String,
    pub(in crate::check::typing) found: String,
    #[label("outside")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}
