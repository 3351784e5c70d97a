//! What stands in a measurement alone.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("expected `{name}` in a `measure` block, found it outside")]
#[diagnostic(code(soc::derivative), help("{why}; it has no derivative, so nothing is trained on it"))]
pub(in crate::check::typing) struct MeasuredOnly {
    pub(in crate::check::typing) name: &'static str,
    pub(in crate::check::typing) why: &'static str,
    #[label("no measurement around this")]
    pub(in crate::check::typing) at: Span,
    #[label("through this call")]
    pub(in crate::check::typing) call: Option<Span>,
}
