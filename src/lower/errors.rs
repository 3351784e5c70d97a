//! What lowering can still find at fault: things that only concrete sizes show.

use miette::Diagnostic;
use thiserror::Error;

use crate::source::Span;

/// A text that cannot be lowered.
#[derive(Debug, Error, Diagnostic)]
#[error("{what}")]
#[diagnostic(code("soc::lower"))]
pub struct LowerError {
    /// What was expected and what was found.
    pub what: String,
    /// Where.
    #[label("{label}")]
    pub at: miette::SourceSpan,
    /// What stands there.
    pub label: String,
    /// What to do.
    #[help]
    pub help: Option<String>,
}

/// The result of lowering something.
pub type Lowered<T> = Result<T, Box<LowerError>>;

/// An error at a place.
#[expect(clippy::unnecessary_box_returns, reason = "errors travel in boxes")]
pub fn fault(span: Span, what: impl Into<String>) -> Box<LowerError> {
    let range = (span.start as usize, (span.end.saturating_sub(span.start)) as usize);
    Box::new(LowerError { what: what.into(), at: range.into(), label: "here".to_owned(), help: None })
}

/// An error at a place, with what stands there and what to do.
#[expect(clippy::unnecessary_box_returns, reason = "errors travel in boxes")]
pub fn explained(span: Span, what: impl Into<String>, label: &str, help: impl Into<String>) -> Box<LowerError> {
    let mut error = fault(span, what);
    error.label = label.to_owned();
    error.help = Some(help.into());
    error
}
