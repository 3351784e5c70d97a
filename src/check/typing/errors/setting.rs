//! Settings and statements of `train`, `measure`, `plot`, `table` and `sweep`.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("`{place}` needs the setting `{name}`")]
#[diagnostic(code(soc::setting), help("{help}"))]
pub(in crate::check::typing) struct MissingSetting {
    pub(in crate::check::typing) place: &'static str,
    pub(in crate::check::typing) name: &'static str,
    pub(in crate::check::typing) help: &'static str,
    #[label("`{name}` is missing")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{place}` has no setting `{name}`")]
#[diagnostic(code(soc::setting), help("{help}"))]
pub(in crate::check::typing) struct UnknownSetting {
    pub(in crate::check::typing) place: &'static str,
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) help: String,
    #[label("no such setting")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{name} {expected}, found {found}")]
#[diagnostic(code(soc::setting))]
pub(in crate::check::typing) struct BadSetting {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) expected: &'static str,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[help]
    pub(in crate::check::typing) help: Option<String>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{place}` has no {what}")]
#[diagnostic(code(soc::setting), help("{help}"))]
pub(in crate::check::typing) struct MissingStatement {
    pub(in crate::check::typing) place: String,
    pub(in crate::check::typing) what: &'static str,
    pub(in crate::check::typing) help: &'static str,
    #[label("no {what} in here")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{what} stands twice")]
#[diagnostic(code(soc::setting), help("{help}"))]
pub(in crate::check::typing) struct StatementTwice {
    pub(in crate::check::typing) what: String,
    pub(in crate::check::typing) help: &'static str,
    #[label("again here")]
    pub(in crate::check::typing) second: Span,
    #[label("first here")]
    pub(in crate::check::typing) first: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the sweep of `{name}` has no values")]
#[diagnostic(code(soc::setting), help("a sweep runs over a list `[a, b]` or a range `1..5`, whose ends both count"))]
pub(in crate::check::typing) struct EmptySweep {
    pub(in crate::check::typing) name: String,
    #[label("empty")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the swept name `{name}` is not bound by {what}")]
#[diagnostic(code(soc::axis), help("show a curve or row for each value, `by {name}`, or average, `mean over {name}`"))]
pub(in crate::check::typing) struct Forgotten {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) what: &'static str,
    #[label("has an axis `{name}` left")]
    pub(in crate::check::typing) at: Span,
    #[label("swept here")]
    pub(in crate::check::typing) sweep: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the objective does not depend on `{net}`, which stays as it is")]
#[diagnostic(severity(Warning), code(soc::setting), help("leave `{net}` out, or let the objective use it"))]
pub(in crate::check::typing) struct Unmoved {
    pub(in crate::check::typing) net: String,
    #[label("asked to move here")]
    pub(in crate::check::typing) at: Span,
    #[label("`{net}` does not occur in this objective")]
    pub(in crate::check::typing) objective: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected a file from which the frozen net `{net}` takes its parameters, found none")]
#[diagnostic(
    code(soc::setting),
    help("write `from \"params.safetensors\"` behind it; what another net of this file learned is `snapshot(V)`")
)]
pub(in crate::check::typing) struct FrozenWithoutFile {
    pub(in crate::check::typing) net: String,
    #[label("its parameters never move")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the weights of a mixture are not negative and sum to one, found {found}")]
#[diagnostic(code(soc::setting), help("divide each by their sum"))]
pub(in crate::check::typing) struct WeightsOf {
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
}
