//! Losses on problems that do not meet their requirements, and losses that use what they do not require.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("{member} needs {needs}")]
#[diagnostic(code(soc::requires), help("{help}"))]
pub(in crate::check::typing) struct MemberNeeds {
    pub(in crate::check::typing) member: String,
    pub(in crate::check::typing) needs: String,
    #[label("used here")]
    pub(in crate::check::typing) at: Span,
    #[label("{why}")]
    pub(in crate::check::typing) because: Option<Span>,
    pub(in crate::check::typing) why: String,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{definition} requires `{clause}`, which `{problem}` does not meet: {why}")]
#[diagnostic(code(soc::requires), help("`{clause}` says: {meaning}"))]
pub(in crate::check::typing) struct Unmet {
    pub(in crate::check::typing) definition: String,
    pub(in crate::check::typing) clause: String,
    pub(in crate::check::typing) problem: String,
    pub(in crate::check::typing) why: String,
    pub(in crate::check::typing) meaning: &'static str,
    #[label(primary, "{why}")]
    pub(in crate::check::typing) term: Option<Span>,
    #[label("required here")]
    pub(in crate::check::typing) required: Span,
    #[label("used on `{problem}` here")]
    pub(in crate::check::typing) used: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("a requirement is a predicate of a problem among the parameters, found another form")]
#[diagnostic(code(soc::requires), help("write `requires {problem}.quadratic_control and {problem}.matched_noise`"))]
pub(in crate::check::typing) struct BadClause {
    pub(in crate::check::typing) problem: String,
    #[label("no predicate of a problem")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("there is no predicate `{name}`")]
#[diagnostic(code(soc::requires), help("{help}"))]
pub(in crate::check::typing) struct NotFound {
    pub(in crate::check::typing) name: String,
    #[label("not known")]
    pub(in crate::check::typing) at: Span,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{definition} reads the end of the horizon, and the paths of `{problem}` stop before it")]
#[diagnostic(
    code(soc::requires),
    help(
        "a loss for paths that reach the end says `requires {owner}.fixed_horizon`, one for paths that stop `requires {owner}.stops`"
    )
)]
pub(in crate::check::typing) struct ReadsHorizon {
    pub(in crate::check::typing) definition: String,
    pub(in crate::check::typing) problem: String,
    pub(in crate::check::typing) owner: String,
    #[label(primary, "{what}")]
    pub(in crate::check::typing) at: Span,
    pub(in crate::check::typing) what: &'static str,
    #[label("paths stop here")]
    pub(in crate::check::typing) stop: Option<Span>,
    #[label("used on `{problem}` here")]
    pub(in crate::check::typing) used: Span,
}
