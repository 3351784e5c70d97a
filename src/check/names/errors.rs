//! What can be wrong with names.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("the name `{name}` is not known here")]
#[diagnostic(code(soc::name), help("{help}"))]
pub(super) struct UnknownName {
    pub(super) name: String,
    pub(super) help: String,
    #[label("no such name in scope")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the name `{name}` is given twice")]
#[diagnostic(code(soc::name), help("call one of them differently; Greek and ASCII spellings are one name"))]
pub(super) struct GivenTwice {
    pub(super) name: String,
    #[label("again here")]
    pub(super) second: Span,
    #[label("first here")]
    pub(super) first: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the type `{name}` is not known")]
#[diagnostic(code(soc::name), help("{help}"))]
pub(super) struct UnknownType {
    pub(super) name: String,
    pub(super) help: String,
    #[label("no such type")]
    pub(super) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected a fact about a source, found `{name}`")]
#[diagnostic(code(soc::name), help("{help}"))]
pub(super) struct UnknownField {
    pub(super) name: String,
    #[label("no such fact")]
    pub(super) at: Span,
    pub(super) help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("{what} may not stand in {place}")]
#[diagnostic(code(soc::name), help("{help}"))]
pub(super) struct WrongPlace {
    pub(super) what: &'static str,
    pub(super) place: &'static str,
    pub(super) help: &'static str,
    #[label("out of place")]
    pub(super) at: Span,
}
