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
#[diagnostic(code(soc::process), help("give it at the beginning, or leave the noise out"))]
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
