//! Errors of the syntax.

use std::sync::Arc;

use miette::Diagnostic;
use thiserror::Error;

use super::scan::{Fault, MAX_DEPTH};
use crate::diagnostic::Sink;
use crate::source::Span;

/// A text that does not go on as the language does.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
#[diagnostic(code(soc::syntax))]
pub struct Unexpected {
    /// What was expected and what was found.
    pub message: String,
    /// Where it was found.
    #[label(primary, "{label}")]
    pub here: Span,
    /// The words at `here`.
    pub label: String,
    /// What it belongs to.
    #[label("{context_label}")]
    pub context: Option<Span>,
    /// The words at `context`.
    pub context_label: String,
    /// What to do.
    #[help]
    pub help: Option<String>,
}

/// A bracket or quote without its partner.
#[derive(Debug, Error, Diagnostic)]
#[error("expected `{partner}` for this `{sign}`, found {until}")]
#[diagnostic(code(soc::syntax), help("close it with `{partner}`"))]
pub struct Unclosed {
    /// What opens.
    pub sign: char,
    /// What would close it.
    pub partner: char,
    /// What came first.
    pub until: &'static str,
    /// The opener.
    #[label("opened here")]
    pub here: Span,
}

/// A closing bracket of another kind than the open one.
#[derive(Debug, Error, Diagnostic)]
#[error("expected `{partner}` for the `{open_sign}`, found `{close_sign}`")]
#[diagnostic(code(soc::syntax))]
pub struct Mismatched {
    /// The opening sign.
    pub open_sign: char,
    /// What would close it.
    pub partner: char,
    /// The closing sign.
    pub close_sign: char,
    /// Where it opens.
    #[label("opened here")]
    pub open: Span,
    /// Where it closes.
    #[label(primary, "closed here")]
    pub close: Span,
}

/// A closing bracket that nothing opened.
#[derive(Debug, Error, Diagnostic)]
#[error("expected no `{sign}` here, found one that nothing opened")]
#[diagnostic(code(soc::syntax), help("remove it, or open its partner before"))]
pub struct Unopened {
    /// The bracket.
    pub sign: char,
    /// Where it stands.
    #[label("closes nothing")]
    pub here: Span,
}

/// Brackets nested deeper than the parser takes.
#[derive(Debug, Error, Diagnostic)]
#[error("expected at most {MAX_DEPTH} brackets open at once, found one more")]
#[diagnostic(code(soc::nesting), help("name an inner part with `let`"))]
pub struct TooDeep {
    /// The bracket.
    #[label("bracket number {} inside one another", MAX_DEPTH + 1)]
    pub here: Span,
}

/// An expression whose tree is deeper than later stages take.
#[derive(Debug, Error, Diagnostic)]
#[error("expected at most {most} operators in a row or inside one another, found more")]
#[diagnostic(code(soc::nesting), help("name a part of it with `let`"))]
pub struct TooManyOperators {
    /// How many there may be.
    pub most: usize,
    /// The expression.
    #[label("the expression starts here")]
    pub here: Span,
}

/// `a < b < c`
#[derive(Debug, Error, Diagnostic)]
#[error("expected one comparison, found two in a row")]
#[diagnostic(code(soc::syntax), help("join two comparisons by `and`, as in `a < b and b < c`"))]
pub struct ChainedComparison {
    /// The first sign.
    #[label("compared here")]
    pub first: Span,
    /// The second.
    #[label(primary, "and again here")]
    pub second: Span,
}

/// A number beyond the range of a double.
#[derive(Debug, Error, Diagnostic)]
#[error("expected a number below 1.8e308, found a larger one")]
#[diagnostic(code(soc::syntax))]
pub struct NumberTooLarge {
    /// The number.
    #[label("too large for 64 bits")]
    pub here: Span,
}

/// `3(a + b)`
#[derive(Debug, Error, Diagnostic)]
#[error("expected an operator after `{number}`, found `(`")]
#[diagnostic(code(soc::syntax), help("there is no product without a sign: write `{number}*(…)`"))]
pub struct NumberCalled {
    /// The number.
    pub number: Arc<str>,
    /// The parentheses.
    #[label("a number takes no values")]
    pub here: Span,
}

/// A word such as `dot` with a wrong number of values.
#[derive(Debug, Error, Diagnostic)]
#[error("`{name}` takes {expected} {}, found {found}", if *expected == 1 { "value" } else { "values" })]
#[diagnostic(code(soc::syntax), help("the values are given in order, without names"))]
pub struct WordFunction {
    /// The word.
    pub name: Arc<str>,
    /// How many values it takes.
    pub expected: usize,
    /// How many were given.
    pub found: usize,
    /// The call.
    #[label("called here")]
    pub here: Span,
}

/// A definition under a word of the language.
#[derive(Debug, Error, Diagnostic)]
#[error("expected a name for the function, found `{name}`, which is the spelling of a sign")]
#[diagnostic(code(soc::syntax), help("choose another name"))]
pub struct WordBound {
    /// The word.
    pub name: Arc<str>,
    /// Where it is defined.
    #[label("a word of the language")]
    pub here: Span,
}

/// An imported name that its module does not define.
#[derive(Debug, Error, Diagnostic)]
#[error("expected a name that `{module}` defines, found `{name}`")]
#[diagnostic(code(soc::import))]
pub struct UnknownImport {
    /// As written.
    pub name: Arc<str>,
    /// The module or file.
    pub module: String,
    /// The name.
    #[label("not defined there")]
    pub here: Span,
    /// What it defines.
    #[help]
    pub help: String,
}

/// Files that import each other in a circle.
#[derive(Debug, Error, Diagnostic)]
#[error("expected imports that end, found a circle: {chain}")]
#[diagnostic(code(soc::import), help("move what both need into a third file"))]
pub struct ImportCycle {
    /// The files in order.
    pub chain: String,
    /// The import that closes the circle.
    #[label(primary, "comes back here")]
    pub here: Span,
    /// The imports on the way.
    #[label(collection, "imported here")]
    pub through: Vec<Span>,
}

/// Words a fault of the brackets.
pub(super) fn report_fault(fault: Fault, base: u32, text: &str, sink: &mut Sink) {
    let sign = |at: usize| char::from(text.as_bytes()[at]);
    let span = |at: usize| Span::new(base + at as u32, base + at as u32 + 1);
    match fault {
        Fault::Unclosed { open, next_item } => sink.push(Unclosed {
            sign: sign(open),
            partner: partner(sign(open)),
            until: if next_item { "the next item" } else { "the end of the file" },
            here: span(open),
        }),
        Fault::UnclosedText { open } => {
            sink.push(Unclosed { sign: '"', partner: '"', until: "the end of the line", here: span(open) });
        }
        Fault::Mismatch { open, close } => sink.push(Mismatched {
            open_sign: sign(open),
            partner: partner(sign(open)),
            close_sign: sign(close),
            open: span(open),
            close: span(close),
        }),
        Fault::Unopened { close } => sink.push(Unopened { sign: sign(close), here: span(close) }),
        Fault::TooDeep { open } => sink.push(TooDeep { here: span(open) }),
    }
}

fn partner(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}
