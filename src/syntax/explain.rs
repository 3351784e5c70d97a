//! The place where the parser stopped, in words.

use super::errors::Unexpected;
use super::scan::Scan;
use crate::diagnostic::Sink;
use crate::source::Span;

/// Reports that the item at `item` cannot go on at `found`.
pub(super) fn explain(text: &str, base: u32, item: usize, found: usize, scan: &Scan, sink: &mut Sink) {
    let _ = (item, scan);
    let end = found + text[found..].chars().next().map_or(0, char::len_utf8);
    sink.push(Unexpected {
        message: format!("expected the text to go on otherwise, found `{}`", &text[found..end]),
        here: Span::new(base + found as u32, base + end as u32),
        label: "here".into(),
        context: None,
        context_label: String::new(),
        help: None,
    });
}
