//! Values that vary where they may not, and averages over what does not vary.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("{what} still varies over `{axis}`; {allowed}")]
#[diagnostic(code(soc::axis), help("{help}"))]
pub(in crate::check::typing) struct StillVaries {
    pub(in crate::check::typing) what: String,
    pub(in crate::check::typing) axis: String,
    pub(in crate::check::typing) allowed: &'static str,
    pub(in crate::check::typing) through: String,
    #[label(primary, "`{axis}` enters here, through {through}")]
    pub(in crate::check::typing) entered: Span,
    pub(in crate::check::typing) used_as: &'static str,
    #[label("{used_as}")]
    pub(in crate::check::typing) used: Option<Span>,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{what} over `{axis}` of a value that does not vary over it")]
#[diagnostic(code(soc::axis), help("{help}"))]
pub(in crate::check::typing) struct NothingVaries {
    pub(in crate::check::typing) what: &'static str,
    pub(in crate::check::typing) axis: String,
    #[label("the same for every `{axis}`")]
    pub(in crate::check::typing) at: Span,
    pub(in crate::check::typing) help: &'static str,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`d{noise}` leaves open whether `{time}` is the integral's own time")]
#[diagnostic(code(soc::axis), help("name it: `d{noise}({time})`, or another letter for the inner time"))]
pub(in crate::check::typing) struct MixedTimes {
    pub(in crate::check::typing) noise: String,
    pub(in crate::check::typing) time: String,
    #[label("`{time}` is bound outside as well")]
    pub(in crate::check::typing) at: Span,
}
