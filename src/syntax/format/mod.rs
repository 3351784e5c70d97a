//! The printer behind `fmt`.
//!
//! In: a text that parses. Out: the same tree in the project's layout, and, when asked, in ASCII or in Unicode spelling.
//! Comments and the author's lines stay. May not know: what any of it means.

mod edits;
mod in_signs;
mod in_words;
mod layout;
mod levels;
mod lines;
mod places;
mod rewrite;
mod spacing;

use miette::Diagnostic;
use thiserror::Error;

use super::{dump, parse, tree::File};
use crate::diagnostic::{Report, Sink};
use crate::source::Span;

/// The spelling of names and signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As the author wrote them.
    #[default]
    Keep,
    /// `sigma`, `sqrt(x)`, `transpose(A)`, `int … dt`
    Ascii,
    /// `σ`, `√x`, `A'`, `∫ … dt`
    Unicode,
}

/// A text that the printer would have changed in meaning.
#[derive(Debug, Error, Diagnostic)]
#[error("expected the printed text to mean the same, found another tree")]
#[diagnostic(code(soc::internal), help("this is a mistake in the printer; the text is left as it was"))]
struct NotTheSame {
    /// The text.
    #[label("this text")]
    here: Span,
}

/// Formats a text whose first byte stands at `base`.
///
/// The result parses to the same tree up to spellings and redundant parentheses, and formatting it again in the same
/// mode changes nothing.
///
/// # Errors
/// The errors of the syntax when the text does not parse.
pub fn format(text: &str, base: u32, mode: Mode) -> Result<String, Vec<Report>> {
    let tree = parse_clean(text, base)?;
    let meaning = dump(&tree);
    let spelled = match mode {
        Mode::Keep => text.to_owned(),
        Mode::Ascii | Mode::Unicode => rewrite::respell(text, base, &tree, mode),
    };
    // The layout stands on the places of the tree, so it needs the tree of the new spelling.
    let tree = parse_clean(&spelled, base)?;
    let formatted = layout::lay_out(&spelled, base, &tree);
    let same = parse_clean(&formatted, base).is_ok_and(|tree| dump(&tree) == meaning);
    if same {
        Ok(formatted)
    } else {
        Err(vec![Report::new(NotTheSame { here: Span::new(base, base + text.len() as u32) })])
    }
}

fn parse_clean(text: &str, base: u32) -> Result<File, Vec<Report>> {
    let mut sink = Sink::new();
    let tree = parse(text, base, &mut sink);
    if sink.has_errors() { Err(sink.into_reports()) } else { Ok(tree) }
}
