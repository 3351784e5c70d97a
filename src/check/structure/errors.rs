//! What can be wrong with the equations and the cost of a problem.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("problem `{problem}` has no {what}")]
#[diagnostic(code(soc::problem), help("{help}"))]
pub(super) struct Missing {
    pub(super) problem: String,
    pub(super) what: &'static str,
    pub(super) help: String,
    #[label("in this problem")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{what} stands twice in problem `{problem}`")]
#[diagnostic(code(soc::problem), help("{help}"))]
pub(super) struct Twice {
    pub(super) problem: String,
    pub(super) what: String,
    pub(super) help: &'static str,
    #[label("again here")]
    pub(super) second: Span,
    #[label("first here")]
    pub(super) first: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`d{found}` is no differential of this equation: expected {expected}")]
#[diagnostic(
    code(soc::problem),
    help("a summand of an equation is an integrand before `dt` or before the declared noise")
)]
pub(super) struct WrongDifferential {
    pub(super) found: String,
    pub(super) expected: String,
    #[label("not declared as time or noise")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("an equation multiplies the noise, it takes no inner product with it")]
#[diagnostic(code(soc::problem), help("write the matrix or number before the differential: `σ dW`"))]
pub(super) struct DottedTerm {
    #[label("a dot joins integrand and differential here")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`d{name}` has an equation, but `{name}` is no state of problem `{problem}`")]
#[diagnostic(code(soc::problem), help("{help}"))]
pub(super) struct NoSuchState {
    pub(super) name: String,
    pub(super) problem: String,
    pub(super) help: String,
    #[label("expected a state")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the state `{name}` is given at another time than `{origin}`, where the problem begins")]
#[diagnostic(code(soc::problem), help("write `{name}({origin}) = …` or `{name}({origin}) ~ …`"))]
pub(super) struct StateGivenElsewhere {
    pub(super) name: String,
    pub(super) origin: String,
    #[label("expected `{origin}`")]
    pub(super) at: Span,
    #[label("the time begins here")]
    pub(super) time: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the cost is an expectation `E[ ∫ … d{time} + … ]`, found another form")]
#[diagnostic(
    code(soc::problem),
    help(
        "write the running cost under `∫ … d{time}` and the terminal cost as a function of `{state}({end})`, all inside one `E[ … ]`"
    )
)]
pub(super) struct CostForm {
    pub(super) time: String,
    pub(super) state: String,
    pub(super) end: String,
    #[label("no expectation")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("a summand of the cost is neither `∫ … d{time}` nor a function of `{state}({end})`")]
#[diagnostic(code(soc::problem), help("put it under the integral, or state it at the end: `{state}({end})`"))]
pub(super) struct CostSummand {
    pub(super) time: String,
    pub(super) state: String,
    pub(super) end: String,
    #[label("expected a running or a terminal cost")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the running cost is the plain integral over the whole horizon")]
#[diagnostic(code(soc::problem), help("write `∫ … d{time}` without bounds, rule and noise"))]
pub(super) struct CostIntegral {
    pub(super) time: String,
    #[label("{found}")]
    pub(super) at: Span,
    pub(super) found: &'static str,
}

#[derive(Debug, Error, Diagnostic)]
#[error("a path stops where one number is at most, or at least, another; found another form")]
#[diagnostic(
    code(soc::problem),
    help("write `stop when φ ≤ 0` or `stop when φ ≥ 0`, in ASCII `<=` and `>=`, with a number φ made of `{state}`")
)]
pub(super) struct StopForm {
    pub(super) state: String,
    #[label("expected a comparison by `≤` or `≥`")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("a path stops by its state, and at most the time, but {found}")]
#[diagnostic(code(soc::problem), help("compare a number made of the state `{state}`: `stop when |{state}|² ≥ 4`"))]
pub(super) struct StopReads {
    pub(super) found: String,
    pub(super) state: String,
    #[label("{found}")]
    pub(super) at: Span,
}
