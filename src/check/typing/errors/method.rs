//! What can be wrong with schedules: loops and buffers.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

#[derive(Debug, Error, Diagnostic)]
#[error("this loop has no end")]
#[diagnostic(
    code(soc::method),
    help("say how often at most: `repeat 100 times {{ … }}`; `until` inside leaves the loop earlier")
)]
pub(in crate::check::typing) struct EndlessLoop {
    #[label("expected a number of times, found none")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{what}` stands in no loop")]
#[diagnostic(code(soc::method), help("{help}"))]
pub(in crate::check::typing) struct OutsideLoop {
    pub(in crate::check::typing) what: &'static str,
    pub(in crate::check::typing) help: &'static str,
    #[label("no `repeat` around this")]
    pub(in crate::check::typing) at: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the buffer `{name}` is drawn from before anything is pushed into it")]
#[diagnostic(code(soc::method), help("push first: `push (…) -> {name}`"))]
pub(in crate::check::typing) struct EmptyBuffer {
    pub(in crate::check::typing) name: String,
    #[label("drawn from here")]
    pub(in crate::check::typing) at: Span,
    #[label("empty at first")]
    pub(in crate::check::typing) declared: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the buffer `{name}` has {expected}, found {found}")]
#[diagnostic(code(soc::method), help("its columns are {columns}"))]
pub(in crate::check::typing) struct ColumnCount {
    pub(in crate::check::typing) name: String,
    pub(in crate::check::typing) expected: String,
    pub(in crate::check::typing) found: String,
    pub(in crate::check::typing) columns: String,
    #[label("{found} here")]
    pub(in crate::check::typing) at: Span,
    #[label("declared here")]
    pub(in crate::check::typing) declared: Span,
}

#[derive(Debug, Error, Diagnostic)]
#[error("`{name}` is no state, so `:=` does not change it")]
#[diagnostic(
    code(soc::method),
    help("a state gets its first value by `:=` too, before the loop that changes it: `{name} := …`")
)]
pub(in crate::check::typing) struct NotAState {
    pub(in crate::check::typing) name: String,
    #[label("given otherwise")]
    pub(in crate::check::typing) at: Span,
}
