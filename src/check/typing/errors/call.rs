//! Arguments that do not fit the parameters.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("{callee} needs the argument `{name}`")]
#[diagnostic(code(soc::call), help("its parameters are {params}"))]
pub(in crate::check::typing) struct ArgumentMissing {
    pub(in crate::check::typing) callee: String,
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) params: String,
    #[label("`{name}` is missing")]
    pub(in crate::check::typing) at: Span,
    #[label("asked for here")]
    pub(in crate::check::typing) because: Option<Span>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{callee} has no parameter `{name}`")]
#[diagnostic(code(soc::call), help("{help}"))]
pub(in crate::check::typing) struct ArgumentUnknown {
    pub(in crate::check::typing) callee: String,
    pub(in crate::check::typing) name: String,
    #[label("no such parameter")]
    pub(in crate::check::typing) at: Span,
    pub(in crate::check::typing) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{callee} takes {expected}, found {found}")]
#[diagnostic(code(soc::call))]
pub(in crate::check::typing) struct TooManyArguments {
    pub(in crate::check::typing) callee: String,
    pub(in crate::check::typing) expected: String,
    pub(in crate::check::typing) found: usize,
    #[label("{found} given")]
    pub(in crate::check::typing) at: Span,
    #[label("defined here")]
    pub(in crate::check::typing) because: Option<Span>,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
    #[help]
    pub(in crate::check::typing) help: Option<String>,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the argument `{name}` is given twice")]
#[diagnostic(code(soc::call), help("give it once, by place or by name"))]
pub(in crate::check::typing) struct ArgumentTwice {
    pub(in crate::check::typing) name: String,
    #[label("given already")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{found} cannot be called")]
#[diagnostic(code(soc::call), help("a product is written with `*`: a call's `(` touches its name"))]
pub(in crate::check::typing) struct NotCallable {
    pub(in crate::check::typing) found: String,
    #[label("expected a function, found {found}")]
    pub(in crate::check::typing) at: Span,
}
