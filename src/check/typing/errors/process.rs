//! Processes without a direction or an equation, and times off the grid.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("the process `{name}` is given at both ends")]
#[diagnostic(
    code(soc::process),
    help("give it at one end: at the beginning it is solved forward, at the end backward")
)]
pub(in crate::check::typing) struct GivenAtBothEnds {
    pub(in crate::check::typing) name: String,
    #[label("given here")]
    pub(in crate::check::typing) first: Span,
    #[label("and here")]
    pub(in crate::check::typing) second: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the process `{name}` is given at neither end")]
#[diagnostic(
    code(soc::process),
    help("give its value at the beginning, `{name}(0) = …`, or at the end, `{name}(T) = …`")
)]
pub(in crate::check::typing) struct GivenNowhere {
    pub(in crate::check::typing) name: String,
    #[label("no boundary value")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the process `{name}` is given at a time that is no end of the horizon")]
#[diagnostic(
    code(soc::process),
    help("give its value at the beginning, `{name}(0) = …`, or at the end, `{name}(T) = …`")
)]
pub(in crate::check::typing) struct GivenElsewhere {
    pub(in crate::check::typing) name: String,
    #[label("neither the first nor the last time")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the process `{name}` has {found}")]
#[diagnostic(code(soc::process), help("{help}"))]
pub(in crate::check::typing) struct PartMissing {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) found: &'static str,
    pub(in crate::check::typing) help: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the process `{name}` is solved backward, so noise cannot drive it")]
#[diagnostic(
    code(soc::process),
    help(
        "give it at the beginning, leave the noise out, or solve it `by transposed`, with the noise of each step held"
    )
)]
pub(in crate::check::typing) struct NoiseBackward {
    pub(in crate::check::typing) name: String,
    #[label("noise")]
    pub(in crate::check::typing) at: Span,
    #[label("given at the end")]
    pub(in crate::check::typing) end: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the {role} `{name}` is known at grid times: at the ends of the horizon and at bound times")]
#[diagnostic(
    code(soc::process),
    help("write `{name}(0)`, `{name}(T)`, or a time that `∫ … dt`, `mean[t]` or an equation binds")
)]
pub(in crate::check::typing) struct NotOnGrid {
    pub(in crate::check::typing) role: &'static str,
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("no step begins at `{time}` here, so `next({time})` is no time of the grid")]
#[diagnostic(
    code(soc::process),
    help(
        "steps begin at the times of `∫ … dt` by the left rule, of `mean[t ~ choose(n)]`, and of the equation of a process that \
         runs forward by `euler` or backward by `transposed`"
    )
)]
pub(in crate::check::typing) struct NoStepHere {
    pub(in crate::check::typing) time: String,
    #[label("an end of the horizon, or a time that is also the end of a step")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("some times are drawn of a grid that the path `{path}` may leave before its end")]
#[diagnostic(code(soc::process), help("take all times, `mean[t] …` or `∫ … dt`, which end where the path stops"))]
pub(in crate::check::typing) struct DrawnWhereStopped {
    pub(in crate::check::typing) path: String,
    #[label("drawn of all times")]
    pub(in crate::check::typing) at: Span,
    #[label("stops")]
    pub(in crate::check::typing) because: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{stopped}` stops before the end of the horizon, and the path `{other}` stands beside it")]
#[diagnostic(
    code(soc::process),
    help("integrals end with the path of their body; give each of the two a body of its own")
)]
pub(in crate::check::typing) struct PathsBeside {
    pub(in crate::check::typing) stopped: String,
    pub(in crate::check::typing) other: String,
    #[label("a second path")]
    pub(in crate::check::typing) second: Span,
    #[label("the first one")]
    pub(in crate::check::typing) first: Span,
}
