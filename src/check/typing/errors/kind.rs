//! A thing of one kind where another is expected.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("expected {expected}, found {found}")]
#[diagnostic(code(soc::kind))]
pub(in crate::check::typing) struct WrongKind {
    pub(in crate::check::typing) expected: String,
    pub(in crate::check::typing) found: String,
    #[label("{found}")]
    pub(in crate::check::typing) at: Span,
    #[label("expected here")]
    pub(in crate::check::typing) because: Option<Span>,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    #[help]
    pub(in crate::check::typing) help: Option<String>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the {role} `{name}` stands without a time where no time is bound")]
#[diagnostic(
    code(soc::kind),
    help("say at which time: `{name}(T)` at the end, `{name}(t)` under `∫ … dt` or `mean[t]`")
)]
pub(in crate::check::typing) struct NeedsTime {
    pub(in crate::check::typing) role: &'static str,
    pub(in crate::check::typing) name: String,
    #[label("a {role} has a value at every time")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{owner} has no member `{name}`")]
#[diagnostic(code(soc::name), help("{help}"))]
pub(in crate::check::typing) struct UnknownMember {
    pub(in crate::check::typing) owner: String,
    pub(in crate::check::typing) name: String,
    #[label("no such member")]
    pub(in crate::check::typing) at: Span,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected {expected}, found `{name}`")]
#[diagnostic(code(soc::name), help("{help}"))]
pub(in crate::check::typing) struct UnknownWord {
    pub(in crate::check::typing) expected: &'static str,
    pub(in crate::check::typing) name: String,
    #[label("not known here")]
    pub(in crate::check::typing) at: Span,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{name}` is defined by itself")]
#[diagnostic(code(soc::kind), help("definitions may stand in any order, but not in a circle"))]
pub(in crate::check::typing) struct Circular {
    pub(in crate::check::typing) name: String,
    #[label("asked for while it is worked out")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("calls nest more than {limit} deep")]
#[diagnostic(code(soc::call), help("a recursion ends by `if … then … else …` on sizes or lists"))]
pub(in crate::check::typing) struct TooDeep {
    pub(in crate::check::typing) limit: usize,
    #[label("a recursion without end?")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the sum over `{index}` does not say how far it runs")]
#[diagnostic(code(soc::kind), help("give the range: `Σ[{index} = 1..n]`"))]
pub(in crate::check::typing) struct RangeNeeded {
    pub(in crate::check::typing) index: String,
    #[label("no range")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected a law with a density, found samples of a file")]
#[diagnostic(code(soc::kind), help("samples have no density; `x ~ p` draws from them"))]
pub(in crate::check::typing) struct NoDensity {
    #[label("a law of samples")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected a file of samples that the text names, found `{name}`, which a value of the command line names")]
#[diagnostic(
    code(soc::data),
    help("write `empirical(\"{name}\")` in the file itself; a `sweep` chooses between several")
)]
pub(in crate::check::typing) struct NotReadHere {
    pub(in crate::check::typing) name: String,
    #[label("not read")]
    pub(in crate::check::typing) at: Span,
}
